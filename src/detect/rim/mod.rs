//! The models that decide made or missed: what they are shown of a rim, what they remember, what they
//! said.
//!
//! Read `crop` (the square around a rim, resampled), `continuity` (time since the last frame, when a
//! state starts anew, when it is warm), then `postprocess` (logits to probabilities).

pub(crate) mod crop;
pub(crate) mod continuity;
pub(crate) mod postprocess;
