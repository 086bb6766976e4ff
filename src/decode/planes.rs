//! Decoded planes in CPU memory, mapped where the decoder wrote them: no copy.

use std::fmt;

use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use crate::media::{ChromaLayout, Colour, CpuPicture, Matrix, Plane, Siting};

/// A mapped buffer of the decoder's pool; unmapped and given back when dropped.
pub(crate) struct MappedPicture {
    frame: gst_video::VideoFrame<gst_video::video_frame::Readable>,
    chroma: ChromaLayout,
    colour: Colour,
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
        Some(Self { frame, chroma, colour: colour_of(info) })
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

    fn colour(&self) -> Colour {
        self.colour
    }
}

/// How the numbers of a picture are meant, as the caps say, and those by the stream's own words.
pub(crate) fn colour_of(info: &gst_video::VideoInfo) -> Colour {
    let colorimetry = info.colorimetry();
    let matrix = match colorimetry.matrix() {
        gst_video::VideoColorMatrix::Bt601 => Matrix::Bt601,
        gst_video::VideoColorMatrix::Bt2020 => Matrix::Bt2020,
        _ => Matrix::Bt709,
    };
    let site = info.chroma_site();
    let siting = if site.contains(gst_video::VideoChromaSite::COSITED) {
        Siting::TopLeft
    } else if site.contains(gst_video::VideoChromaSite::NONE) {
        Siting::Centre
    } else {
        Siting::Left
    };
    let full_range = colorimetry.range() == gst_video::VideoColorRange::Range0_255;
    Colour { matrix, full_range, siting }
}

impl fmt::Debug for MappedPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedPicture").field("chroma", &self.chroma).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use gstreamer as gst;

    use super::*;

    #[test]
    fn colours_are_what_the_caps_say() {
        gst::init().expect("GStreamer");
        for (words, expected) in [
            ("bt601", "BT.601, limited range, chroma left"),
            ("bt709", "BT.709, limited range, chroma left"),
            ("bt2020", "BT.2020, limited range, chroma left"),
            ("1:3:5:1", "BT.709, full range, chroma left"),
            ("1:4:16:4", "BT.601, full range, chroma left"),
        ] {
            let caps = format!(
                "video/x-raw,format=NV12,width=64,height=64,framerate=30/1,colorimetry={words},\
                 chroma-site=mpeg2"
            );
            let caps = caps.parse::<gst::Caps>().expect("caps");
            let info = gst_video::VideoInfo::from_caps(&caps).expect("info");
            assert_eq!(colour_of(&info).to_string(), expected, "{words}");
        }
        for (site, expected) in [
            (gst_video::VideoChromaSite::JPEG, Siting::Centre),
            (gst_video::VideoChromaSite::COSITED, Siting::TopLeft),
            (gst_video::VideoChromaSite::MPEG2, Siting::Left),
        ] {
            let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Nv12, 64, 64);
            let info = info.chroma_site(site).build().expect("info");
            assert_eq!(colour_of(&info).siting, expected, "{site:?}");
        }
    }
}
