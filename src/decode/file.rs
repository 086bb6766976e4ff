//! The pictures of a video file, one after another: for tools that measure, not for courts.
//!
//! Nothing is dropped and nothing is paced: the reader takes a picture when it is ready for it.

use std::path::Path;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use crate::decode::planes::MappedPicture;
use crate::disk::open_regular;
use crate::media::{CourtId, Foreign, Frame, MediaTime, Monotonic, Pixels, SessionId};

/// Pictures that may be decoded ahead of the reader.
const AHEAD: u32 = 4;
/// How long a picture is waited for before the bus is looked at.
const LOOK: gst::ClockTime = gst::ClockTime::from_mseconds(50);
/// So many looks without a picture are a minute: it will not come.
const STALLED: u32 = 1_200;
const NO_PICTURE: &str = "no picture came for a minute";

/// A file cannot be read.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum FileError {
    #[error("GStreamer does not start: {reason}; install it (make build says which packages)")]
    GStreamer { reason: String },
    #[error("read {file}: {reason}; is it a video that ffprobe can read?")]
    Unreadable { file: String, reason: String },
}

/// Reads the pictures of a video file. Times count from its beginning.
#[derive(Debug)]
pub struct VideoFile {
    name: String,
    pipeline: gst::Pipeline,
    sink: gst_app::AppSink,
    court: CourtId,
    session: SessionId,
}

impl VideoFile {
    /// Opens `file`; its pictures are said to be `court`'s in `session`.
    ///
    /// # Errors
    /// [`FileError`]: GStreamer is missing, or the file is none.
    pub fn open(file: &Path, court: CourtId, session: SessionId) -> Result<Self, FileError> {
        let missing = |error: &dyn std::fmt::Display| FileError::GStreamer {
            reason: Foreign::text(error).to_string(),
        };
        gst::init().map_err(|error| missing(&error))?;
        let made = gst::parse::launch(
            "filesrc name=file ! decodebin ! videoconvert ! video/x-raw,format=(string){I420,NV12} \
             ! appsink name=pictures sync=false",
        )
        .map_err(|error| missing(&error))?;
        let name = Foreign::path(file).to_string();
        let unreadable =
            |reason: &str| FileError::Unreadable { file: name.clone(), reason: reason.to_owned() };
        // GStreamer would wait for the writer of a pipe.
        open_regular(file).map_err(|error| unreadable(&Foreign::text(error)))?;
        let pipeline =
            made.downcast::<gst::Pipeline>().map_err(|_| unreadable("no pipeline came of it"))?;
        let source = pipeline.by_name("file").ok_or_else(|| unreadable("no source"))?;
        source.set_property("location", file);
        let sink = pipeline
            .by_name("pictures")
            .and_then(|sink| sink.downcast::<gst_app::AppSink>().ok())
            .ok_or_else(|| unreadable("no sink"))?;
        sink.set_max_buffers(AHEAD);
        let opened = Self { name, pipeline, sink, court, session };
        match opened.pipeline.set_state(gst::State::Playing) {
            Ok(_) => Ok(opened),
            Err(error) => Err(opened.failure(&Foreign::text(error))),
        }
    }

    /// Returns the next picture; `None` at the end.
    ///
    /// # Errors
    /// [`FileError::Unreadable`] when it cannot be decoded.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FileError> {
        let Some(sample) = self.sample()? else { return Ok(None) };
        let picture = || {
            let info = gst_video::VideoInfo::from_caps(sample.caps()?).ok()?;
            let buffer = sample.buffer_owned()?;
            let pts = buffer.pts()?;
            let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
            let at = segment.to_running_time(pts)?;
            let pixels = MappedPicture::map(buffer, &info)?;
            Some(Frame {
                court: self.court.clone(),
                session: self.session,
                pts: MediaTime::from_nanos(i64::try_from(at.nseconds()).ok()?),
                width: info.width(),
                height: info.height(),
                arrival: Monotonic::ZERO,
                decoded: Monotonic::ZERO,
                pixels: Pixels::Cpu(Box::new(pixels)),
            })
        };
        picture().map(Some).ok_or_else(|| self.failure("a picture without time or planes"))
    }

    /// Waits for the next picture or the end. What fails before the decoder has found pictures (sound
    /// alone, no video at all) wakes no sink, so the bus is looked at as well.
    fn sample(&self) -> Result<Option<gst::Sample>, FileError> {
        for _ in 0..STALLED {
            if let Some(sample) = self.sink.try_pull_sample(LOOK) {
                return Ok(Some(sample));
            }
            if let Some(reason) = self.error() {
                return Err(FileError::Unreadable { file: self.name.clone(), reason });
            }
            if self.sink.is_eos() {
                return Ok(None);
            }
        }
        Err(self.failure(NO_PICTURE))
    }

    fn error(&self) -> Option<String> {
        let bus = self.pipeline.bus()?;
        let message = bus.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(error) => Some(Foreign::text(error.error()).to_string()),
            _ => None,
        }
    }

    fn failure(&self, otherwise: &str) -> FileError {
        let reason = self.error().unwrap_or_else(|| otherwise.to_owned());
        FileError::Unreadable { file: self.name.clone(), reason }
    }
}

impl Drop for VideoFile {
    fn drop(&mut self) {
        // What cannot be stopped is left to the process's end.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_without_pictures_is_an_error_and_no_wait() {
        let dir = tempfile::tempdir().expect("a folder");
        let noise: Vec<u8> =
            (0..50_000_u32).map(|n| (n.wrapping_mul(0x9E37_79B1) >> 13) as u8).collect();
        let text = b"some words of text in a line\n".repeat(2_000);
        for (name, bytes) in [
            ("text.txt", &text[..]),
            ("text.mp4", &text),
            ("short.txt", b"hi\n"),
            ("noise.bin", &noise),
            ("empty.mp4", b""),
        ] {
            let path = dir.path().join(name);
            std::fs::File::create(&path)
                .and_then(|mut file| file.write_all(bytes))
                .expect("written");
            let court = CourtId::new("a").expect("a name");
            let said = VideoFile::open(&path, court, SessionId::from_bits(1))
                .and_then(|mut file| file.next_frame().map(|_| ()))
                .expect_err("no video")
                .to_string();
            assert!(said.contains(name) && said.contains("ffprobe"), "{said}");
            assert!(!said.contains(NO_PICTURE), "waited in vain: {said}");
        }
    }
}
