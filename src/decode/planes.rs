//! Decoded planes in CPU memory, mapped where the decoder wrote them: no copy.

use std::fmt;

use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use crate::media::{ChromaLayout, CpuPicture, Plane};

/// A mapped buffer of the decoder's pool; unmapped and given back when dropped.
pub(crate) struct MappedPicture {
    frame: gst_video::VideoFrame<gst_video::video_frame::Readable>,
    chroma: ChromaLayout,
}

impl MappedPicture {
    /// Maps `buffer`. Strides and offsets are the buffer's own (`GstVideoMeta`), not the caps'.
    /// `None` if it cannot be mapped or is of another layout.
    pub(crate) fn map(buffer: gst::Buffer, info: &gst_video::VideoInfo) -> Option<Self> {
        let chroma = match info.format() {
            gst_video::VideoFormat::I420 => ChromaLayout::I420,
            gst_video::VideoFormat::Nv12 => ChromaLayout::Nv12,
            _ => return None,
        };
        let frame = gst_video::VideoFrame::from_buffer_readable(buffer, info).ok()?;
        Some(Self { frame, chroma })
    }
}

impl CpuPicture for MappedPicture {
    fn chroma(&self) -> ChromaLayout {
        self.chroma
    }

    fn plane(&self, index: usize) -> Option<Plane<'_>> {
        let number = u32::try_from(index).ok().filter(|index| *index < self.frame.n_planes())?;
        let bytes = self.frame.plane_data(number).ok()?;
        let stride = usize::try_from(*self.frame.plane_stride().get(index)?).ok()?;
        Some(Plane { bytes, stride })
    }
}

impl fmt::Debug for MappedPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedPicture").field("chroma", &self.chroma).finish_non_exhaustive()
    }
}
