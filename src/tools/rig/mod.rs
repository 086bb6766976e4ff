//! What commands and tests put round a box to try it: a camera, a publisher, a broker, a listener.
//!
//! `camera` encodes pictures and draws the instant of each into it (`strip`), `publish` sends FLV
//! tags over RTMP, `recording` makes such tags of a file, `broker` is a mosquitto on a free port, `listen` hears events as a consumer would,
//! `browser` looks at pages as people do.

pub(crate) mod broker;
#[cfg(feature = "gstreamer")]
pub(crate) mod browser;
#[cfg(feature = "gstreamer")]
pub(crate) mod camera;
pub(crate) mod listen;
pub mod publish;
#[cfg(feature = "gstreamer")]
pub mod recording;
#[cfg(feature = "gstreamer")]
pub(crate) mod strip;
