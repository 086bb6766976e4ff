//! The words that every stage speaks: times, names, access units, frames, codec parameters.
//!
//! Lowest layer: names nothing else of this crate. Read `time` (three clocks that must not be
//! mixed), `names` (ours), `foreign` (text from outside) and `isolate` (names in sentences), `base64`, `unit` (what came in), `frame` (what was
//! decoded; `picture` and `device` are where its pixels are, `colour` how they are meant), `place` and `rims` (where a rim lies in a
//! picture), then `h264`, `h265`, `naming` and `sei` (what the bytes of a picture say;
//! pure) and `alike` (which of them say the same).

mod time;
mod names;
mod foreign;
mod isolate;
pub(crate) mod base64;
mod unit;
#[cfg(test)]
pub(crate) mod samples;
mod bits;
mod coded;
pub mod h264;
pub mod references;
pub mod h265;
pub mod naming;
pub mod sei;
mod alike;
mod colour;
mod picture;
mod device;
mod frame;
mod place;
mod rims;

pub use crate::media::alike::decodes_alike;
pub(crate) use crate::media::bits::without_trailing_zeros;
pub use crate::media::coded::{ChromaFormat, CodedPictures};
pub use crate::media::colour::{Colour, Matrix, Siting};
pub use crate::media::device::{CopyError, DevicePicture, DevicePixels, HostCopies};
pub use crate::media::foreign::{Foreign, Kind as ForeignKind};
pub use crate::media::frame::{Frame, Pixels};
pub use crate::media::isolate::{isolated, isolates, without_isolates};
pub use crate::media::names::{
    BoxName, CourtId, GameId, NameError, PlayerId, RimBox, RimId, SessionId, TeamId,
};
pub use crate::media::picture::{ChromaLayout, Colours, CpuPicture, Plane};
pub use crate::media::place::{RimFault, Sight, is_at, place_rims, sight};
pub use crate::media::rims::CourtRims;
pub use crate::media::time::{MediaTime, Monotonic, UtcTime};
pub use crate::media::unit::{
    AccessUnit, AudioParameters, AudioUnit, CloseReason, Codec, CodecParameters, StreamInfo,
    StreamItem, WallReference, WallSource,
};
