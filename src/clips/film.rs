//! Films: scenes of the ring joined to one progressive MP4, without encoding anew (pure).
//!
//! A clip (`cut`) is what the ring has of one interval, fragment by fragment, and its bytes never change
//! (R7). A film is made to be watched and given away: `moov` first, one table of samples, as many scenes
//! as are wanted, of several intervals, sessions and parameter sets. Read `samples` (where each picture
//! and each frame of sound lies), `entries` (what a decoder must be told first), `scenes` (what is shown),
//! `reel` (of which scenes), `tables` (when), `boxes`, `layout` (where in the file).
//!
//! **Changes of parameter sets** stay in one file: a sample entry each, and the sets once more before each
//! key picture. Tried with a file that goes from 640×360 to 960×540 and back: Chromium ends with a
//! decoding error at the first change where entries alone say so, and plays through where the sets stand
//! in the pictures too; ffmpeg, GStreamer's qtdemux and VLC take both. Sets that differ in nothing that
//! a decoder looks at (`media::h264::looked_at`) decode alike: they are one. **Another codec, or another sound**, is another file: a
//! track that goes from H.264 to H.265 is read by none of them (Chromium leaves the rest out without a
//! word); a second sound plays, but nobody heard here whether Chromium takes it at its own rate.
//!
//! **Gaps.** Up to 2 s (`scenes`) the last picture stands, and the sound is silence: time in the file is time in
//! the hall. What is longer, and every change of session, is closed up, with a chapter where it was that
//! says the time. An edit list that has nothing in its middle would keep the hall's time for longer ones:
//! ffmpeg 5.1 warns of a missing key frame and plays on without the gap.
//!
//! **Starts.** A scene is shown from the picture of its first moment on, and decoded from the key picture
//! before that: an edit of the pictures' track leaves out what is decoded alone (`Scene::start`, `tables`).
//! Edits shift a track to its first picture, too, where pictures are reordered, and sound that begins later.
//! A clip is laid out as a film of one scene (`edited`).

mod samples;
mod entries;
mod scenes;
mod reel;
mod tables;
mod boxes;
mod layout;

pub(crate) use crate::clips::film::entries::{Entry, SoundEntry, entries};
pub(crate) use crate::clips::film::layout::lay_out;
pub(crate) use crate::clips::film::reel::{Chapter, Reel};
pub(crate) use crate::clips::film::samples::samples;
pub(crate) use crate::clips::film::scenes::{HELD, Scene, Stretch, joined, one_scene, scenes};
pub(crate) use crate::clips::film::tables::film_time;
