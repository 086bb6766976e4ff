//! One decoded picture, on the CPU or on a device.

use std::fmt;

use crate::media::names::{CourtId, SessionId};
use crate::media::time::{MediaTime, Monotonic};

/// One decoded picture. Shared as `Arc<Frame>`, never copied between models; the decoder's buffer
/// goes back to its pool when the last holder drops it.
#[derive(Debug)]
pub struct Frame {
    /// The court that it shows.
    pub court: CourtId,
    /// The run of timestamps that `pts` belongs to.
    pub session: SessionId,
    /// Presentation time.
    pub pts: MediaTime,
    /// Width of the picture, pixels.
    pub width: u32,
    /// Height of the picture, pixels.
    pub height: u32,
    /// When the last byte of its access unit had been read.
    pub arrival: Monotonic,
    /// When the decoder gave it out.
    pub decoded: Monotonic,
    /// Where its pixels are.
    pub pixels: Pixels,
}

/// Where the pixels of a frame are.
#[derive(Debug)]
pub enum Pixels {
    /// In memory that the CPU reads.
    Cpu(Box<dyn CpuPicture>),
}

/// How the two chroma planes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChromaLayout {
    /// Cb and Cr in planes 1 and 2.
    I420,
    /// Cb and Cr interleaved in plane 1.
    Nv12,
}

/// One plane: rows of `stride` bytes.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    /// All rows, first row first; the last row may end after its visible bytes.
    pub bytes: &'a [u8],
    /// Bytes from one row to the next. Taken from the buffer, never from the width.
    pub stride: usize,
}

/// 8-bit 4:2:0 planes in CPU memory, mapped without a copy.
pub trait CpuPicture: Send + Sync + fmt::Debug {
    /// How chroma lies.
    fn chroma(&self) -> ChromaLayout;
    /// Plane `index`: 0 luma, 1 and (I420 only) 2 chroma at half size, rounded up.
    fn plane(&self, index: usize) -> Option<Plane<'_>>;
}
