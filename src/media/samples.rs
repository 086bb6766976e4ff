//! What tests of several stages make their streams of.

use std::sync::Arc;

use crate::media::{Codec, CodecParameters};

/// Parameters of a small picture, which differ from those of another `kind`.
pub(crate) fn parameters(kind: u8) -> Arc<CodecParameters> {
    Arc::new(CodecParameters {
        codec: Codec::H264,
        width: 16,
        height: 16,
        config: vec![kind].into(),
        parameter_sets: Vec::new(),
        low_delay_sets: None,
        reorder_frames: None,
        mime_codec: String::new(),
    })
}
