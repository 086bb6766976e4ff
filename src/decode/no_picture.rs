//! A build without decoders has no picture.

use crate::decode::still::{StillError, StillOrder};
use crate::media::Frame;

/// Says so.
///
/// # Errors
/// Always.
pub fn still(order: &StillOrder<'_>) -> Result<Frame, StillError> {
    let reason = "this build has none: build it with the feature `gstreamer`".to_owned();
    Err(StillError::NoDecoder { codec: order.codec.name(), reason })
}
