//! What a pipeline cannot change while it runs (pure).

use crate::media::{Codec, CodecParameters};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) codec: Codec,
    width: u32,
    height: u32,
    mime_codec: String,
    pub(crate) low_delay: bool,
}

impl Layout {
    /// Of a stream that is decoded as `low_delay` says.
    pub(crate) fn of(parameters: &CodecParameters, low_delay: bool) -> Self {
        Self {
            codec: parameters.codec,
            width: parameters.width,
            height: parameters.height,
            mime_codec: parameters.mime_codec.clone(),
            low_delay,
        }
    }
}
