//! One decoded picture, on the CPU or on a device.

use crate::media::device::{CopyError, DevicePixels};
use crate::media::names::{CourtId, SessionId};
use crate::media::picture::CpuPicture;
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
    /// In a device's memory: for engines of that device, and for nobody else but through
    /// [`Frame::to_cpu`].
    Device(DevicePixels),
}

impl Frame {
    /// Returns the picture in memory that the CPU reads: the only way to its bytes.
    ///
    /// Free where it is there. A picture on a device is copied once, by whoever asks first, and the
    /// copy goes with the frame; copies are bounded and counted
    /// ([`HostCopies`](crate::media::HostCopies)), so do not ask on the live path of a device.
    ///
    /// # Errors
    /// [`CopyError`]: the device failed, or too many copies are held. Never of a picture on the CPU.
    pub fn to_cpu(&self) -> Result<&dyn CpuPicture, CopyError> {
        match &self.pixels {
            Pixels::Cpu(picture) => Ok(picture.as_ref()),
            Pixels::Device(pixels) => pixels.to_cpu(),
        }
    }
}
