//! Pixels in a device's memory, and their one way to the CPU.
//!
//! A device picture belongs to its decoder's pool: it goes back when the frame's last holder drops
//! it. Engines of the same device read it in place; all others ask [`Frame::to_cpu`], which copies
//! through this module. No code of a device stands here: a decoder brings its own [`DevicePicture`].
//!
//! [`Frame::to_cpu`]: crate::media::Frame::to_cpu

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::media::picture::CpuPicture;

/// A picture in a device's memory.
pub trait DevicePicture: Send + Sync + fmt::Debug {
    /// What memory that is, in a word, for texts: `cuda`, `nvmm`.
    fn memory(&self) -> &'static str;

    /// Itself, for an engine of the same device, which knows the type.
    fn as_any(&self) -> &dyn Any;

    /// Copies it into the CPU's memory; waits for the device.
    ///
    /// # Errors
    /// What the device said.
    fn copy_to_cpu(&self) -> Result<Box<dyn CpuPicture>, String>;
}

/// Why a picture cannot be read by the CPU.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum CopyError {
    #[error(
        "{most} copies of this camera's pictures are held on the CPU already: whoever looks at \
         pictures there must let some go first"
    )]
    TooMany { most: usize },
    #[error("copy a picture out of {memory} memory: {problem}")]
    Device { memory: &'static str, problem: String },
}

/// Copies of device pictures on the CPU, of one decoder: all its frames share this handle.
#[derive(Debug)]
pub struct HostCopies {
    most: usize,
    held: AtomicUsize,
    made: AtomicU64,
}

impl HostCopies {
    /// None yet; at most `most` are held at a time.
    #[must_use]
    pub const fn at_most(most: usize) -> Self {
        Self { most, held: AtomicUsize::new(0), made: AtomicU64::new(0) }
    }

    /// Copies that were ever made: 0 where no pixel passed through the CPU.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Copies that are held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Takes room for one more.
    fn reserve(&self) -> Result<(), CopyError> {
        let more = |held: usize| (held < self.most).then_some(held + 1);
        match self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(()),
            Err(_) => Err(CopyError::TooMany { most: self.most }),
        }
    }
}

/// A device picture as a frame holds it.
#[derive(Debug)]
pub struct DevicePixels {
    picture: Box<dyn DevicePicture>,
    copies: Arc<HostCopies>,
    copied: OnceLock<HostCopy>,
    /// Held while the device copies, so that two who ask at once get one copy. A failed copy may be
    /// tried again.
    copying: Mutex<()>,
}

/// A copy, and its room among those that may be held.
#[derive(Debug)]
struct HostCopy {
    picture: Box<dyn CpuPicture>,
    _room: Room,
}

/// Room for one copy, given back when it is dropped.
#[derive(Debug)]
struct Room(Arc<HostCopies>);

impl Drop for Room {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

impl DevicePixels {
    /// Of a picture whose copies count into `copies`.
    #[must_use]
    pub const fn new(picture: Box<dyn DevicePicture>, copies: Arc<HostCopies>) -> Self {
        Self { picture, copies, copied: OnceLock::new(), copying: Mutex::new(()) }
    }

    /// The picture where it lies, for an engine of its device.
    #[must_use]
    pub fn picture(&self) -> &dyn DevicePicture {
        self.picture.as_ref()
    }

    /// The handle that all frames of this decoder share.
    #[must_use]
    pub const fn copies(&self) -> &Arc<HostCopies> {
        &self.copies
    }

    /// The copy on the CPU, made at the first call.
    pub(crate) fn to_cpu(&self) -> Result<&dyn CpuPicture, CopyError> {
        let _one_at_a_time = self.copying.lock();
        if let Some(copy) = self.copied.get() {
            return Ok(copy.picture.as_ref());
        }
        self.copies.reserve()?;
        let room = Room(Arc::clone(&self.copies));
        let memory = self.picture.memory();
        let picture =
            self.picture.copy_to_cpu().map_err(|problem| CopyError::Device { memory, problem })?;
        self.copies.made.fetch_add(1, Ordering::Relaxed);
        Ok(self.copied.get_or_init(|| HostCopy { picture, _room: room }).picture.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{
        ChromaLayout, CourtId, Frame, MediaTime, Monotonic, Pixels, Plane, SessionId,
    };

    #[derive(Debug)]
    struct Grey(Vec<u8>);

    impl CpuPicture for Grey {
        fn chroma(&self) -> ChromaLayout {
            ChromaLayout::Nv12
        }
        fn plane(&self, _index: usize) -> Option<Plane<'_>> {
            Some(Plane { bytes: &self.0, stride: 4 })
        }
    }

    /// A device of a script: each copy asks it what to say.
    #[derive(Debug)]
    struct Scripted {
        says: Mutex<Vec<Result<u8, String>>>,
    }

    impl DevicePicture for Scripted {
        fn memory(&self) -> &'static str {
            "scripted"
        }
        fn as_any(&self) -> &dyn Any {
            self
        }
        fn copy_to_cpu(&self) -> Result<Box<dyn CpuPicture>, String> {
            let shade = self.says.lock().remove(0)?;
            Ok(Box::new(Grey(vec![shade; 16])))
        }
    }

    fn frame(copies: &Arc<HostCopies>, says: &[Result<u8, &str>]) -> Arc<Frame> {
        let says = says.iter().map(|said| said.map_err(str::to_owned)).collect();
        let picture = Box::new(Scripted { says: Mutex::new(says) });
        Arc::new(Frame {
            court: CourtId::new("north").expect("name"),
            session: SessionId::from_bits(1),
            pts: MediaTime::ZERO,
            width: 4,
            height: 2,
            arrival: Monotonic::ZERO,
            decoded: Monotonic::ZERO,
            pixels: Pixels::Device(DevicePixels::new(picture, Arc::clone(copies))),
        })
    }

    fn shade(frame: &Frame) -> Result<u8, CopyError> {
        frame.to_cpu().map(|picture| picture.plane(0).expect("luma").bytes[0])
    }

    #[test]
    fn a_picture_is_copied_once_whoever_asks_and_the_copy_goes_with_its_frame() {
        let copies = Arc::new(HostCopies::at_most(2));
        let shared = frame(&copies, &[Ok(7)]);
        assert_eq!((copies.made(), copies.held()), (0, 0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(shade(&shared), Ok(7)));
            }
        });
        assert_eq!((copies.made(), copies.held()), (1, 1));
        drop(shared);
        assert_eq!((copies.made(), copies.held()), (1, 0));
    }

    #[test]
    fn copies_are_bounded_and_a_failed_one_takes_no_room() {
        let copies = Arc::new(HostCopies::at_most(1));
        let (one, two) = (frame(&copies, &[Err("gone"), Ok(1)]), frame(&copies, &[Ok(2)]));
        let failed = shade(&one).expect_err("the device fails first");
        assert_eq!(failed.to_string(), "copy a picture out of scripted memory: gone");
        assert_eq!(copies.held(), 0);
        assert_eq!(shade(&one), Ok(1));
        assert_eq!(shade(&two), Err(CopyError::TooMany { most: 1 }));
        drop(one);
        assert_eq!(shade(&two), Ok(2));
        assert_eq!(copies.made(), 2);
    }

    #[test]
    fn an_engine_of_the_device_reads_it_in_place() {
        let copies = Arc::new(HostCopies::at_most(1));
        let frame = frame(&copies, &[]);
        let Pixels::Device(pixels) = &frame.pixels else { panic!("on a device") };
        assert!(pixels.picture().as_any().is::<Scripted>());
        assert_eq!(pixels.copies().made(), 0);
    }
}
