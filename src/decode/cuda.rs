//! Pictures that stay where NVDEC wrote them: GStreamer's CUDA memory, in the context that we hand over.
//!
//! libgstcuda is loaded when it is first wanted, never linked: releases before 1.22 have none, and
//! without it pictures come over system memory. Its functions are declared here, by the headers of 1.22
//! (`gst/cuda/gstcudacontext.h`, `gstcudamemory.h`).
//!
//! A decoder copies each picture into a buffer of its pool, which is complete when it comes out. We map
//! that to a device pointer, which costs no copy, and hold it until the frame's last holder lets go.
//! A court holds at most [`MOST_SURFACES`]; a picture beyond is dropped, counted as `full`, rather than
//! that the pool, which has no bound of its own, takes the device's memory.

#![allow(unsafe_code, reason = "libgstcuda is a C library")]

use std::ffi::{c_int, c_void};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::glib::translate::from_glib_full;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;
use tracing::{info, warn};

use crate::decode::planes::colour_of;
use crate::device::{Cuda, CudaPicture, DeviceMemory, Gpu, MOST_SURFACES, Samples, Surface};
use crate::mailbox::DropReason;
use crate::media::{DevicePixels, Foreign, HostCopies, Pixels};

/// Decoders that write into device memory.
const DECODERS: [&str; 2] = ["nvh264dec", "nvh265dec"];
/// `GST_MAP_CUDA`: maps to the device pointer.
const MAP_CUDA: gst::ffi::GstMapFlags = 1 << 17;
const LIBRARY: &str = "libgstcuda-1.0.so.0";

/// The functions of libgstcuda.
struct Library {
    is_cuda_memory: unsafe extern "C" fn(*mut gst::ffi::GstMemory) -> glib::ffi::gboolean,
    /// Of 1.24 and later, whose decoders may give a picture that is still being copied.
    sync: Option<unsafe extern "C" fn(*mut gst::ffi::GstMemory)>,
}

/// What all courts share: the context as GStreamer knows it.
pub(crate) struct Handed {
    cuda: Arc<Cuda>,
    library: Library,
    context: gst::Context,
}

/// Made once, by the first court.
#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<OnceLock<Option<Arc<Handed>>>>);

impl Shared {
    /// What one court holds of `gpu`; `None` where pictures must come over system memory, which is told
    /// once.
    pub(crate) fn surfaces(&self, gpu: &Gpu) -> Option<Arc<Surfaces>> {
        let handed = self.0.get_or_init(|| {
            // Why there is no GPU was told by the GPU.
            let cuda = gpu.cuda().ok()?;
            match Handed::over(&cuda) {
                Ok(handed) => {
                    info!(most = MOST_SURFACES, "decoded pictures stay in the GPU");
                    Some(Arc::new(handed))
                }
                Err(problem) => {
                    warn!("decoded pictures come over system memory: {problem}");
                    None
                }
            }
        });
        handed.as_ref().map(|handed| Arc::new(Surfaces::new(Arc::clone(handed))))
    }

    /// The memory of the device on which pictures stay; `None` before the first court, and where they stay
    /// on none. A driver that is gone does not answer.
    pub(crate) fn memory(&self) -> Option<DeviceMemory> {
        let cuda = &self.0.get()?.as_ref()?.cuda;
        let (free, all) = cuda.memory().ok()?;
        let (free, all) = (u64::try_from(free).ok()?, u64::try_from(all).ok()?);
        Some(DeviceMemory { free, all })
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Handed {
    /// Loads the library and wraps the primary context.
    fn over(cuda: &Arc<Cuda>) -> Result<Self, String> {
        type Load = unsafe extern "C" fn() -> glib::ffi::gboolean;
        type Wrap = unsafe extern "C" fn(*mut c_void, c_int) -> *mut c_void;
        type ContextOf = unsafe extern "C" fn(*mut c_void) -> *mut gst::ffi::GstContext;
        let told = |error: libloading::Error| Foreign::text(error).to_string();
        // SAFETY: its initialisers are GLib's type registrations, which GStreamer's plug-in runs too.
        let library = unsafe { libloading::Library::new(LIBRARY) }.map_err(told)?;
        // SAFETY: the type is that of the header (`gboolean gst_cuda_load_library (void)`).
        let load = unsafe { library.get::<Load>(b"gst_cuda_load_library\0") }.map_err(told)?;
        // SAFETY: (`GstCudaContext * gst_cuda_context_new_wrapped (CUcontext, CUdevice)`).
        let wrap = unsafe { library.get::<Wrap>(b"gst_cuda_context_new_wrapped\0") };
        let wrap = wrap.map_err(told)?;
        // SAFETY: (`GstContext * gst_context_new_cuda_context (GstCudaContext *)`).
        let context_of = unsafe { library.get::<ContextOf>(b"gst_context_new_cuda_context\0") };
        let context_of = context_of.map_err(told)?;
        // SAFETY: (`gboolean gst_is_cuda_memory (GstMemory *)`).
        let is_cuda_memory = *unsafe { library.get(b"gst_is_cuda_memory\0") }.map_err(told)?;
        // SAFETY: (`void gst_cuda_memory_sync (GstCudaMemory *)`, which begins with a `GstMemory`).
        let sync = unsafe { library.get(b"gst_cuda_memory_sync\0") }.ok().map(|found| *found);
        // SAFETY: takes nothing; may be called any number of times.
        if unsafe { load() } == glib::ffi::GFALSE {
            return Err(format!("{LIBRARY} does not find the driver"));
        }
        let primary = cuda.context();
        // SAFETY: the context is never released (`Cuda::open`), and the device is its own.
        let wrapped = unsafe { wrap(primary.cu_ctx().cast(), primary.cu_device()) };
        if wrapped.is_null() {
            return Err(format!("{LIBRARY} does not take our context"));
        }
        // SAFETY: it is the object that was just made; the new context takes a reference of its own.
        let made = unsafe { context_of(wrapped) };
        if made.is_null() {
            return Err(format!("{LIBRARY} makes no context for pipelines"));
        }
        // SAFETY: a new object whose only reference is ours.
        let context = unsafe { from_glib_full::<*mut gst::ffi::GstContext, gst::Context>(made) };
        // Its functions are called as long as the process lives.
        std::mem::forget(library);
        let library = Library { is_cuda_memory, sync };
        Ok(Self { cuda: Arc::clone(cuda), library, context })
    }
}

/// What one court's frames hold of the device.
pub(crate) struct Surfaces {
    handed: Arc<Handed>,
    copies: Arc<HostCopies>,
    held: Arc<AtomicUsize>,
}

impl Surfaces {
    fn new(handed: Arc<Handed>) -> Self {
        // A copy goes with its frame, which holds a surface: there cannot be more of them.
        let copies = Arc::new(HostCopies::at_most(MOST_SURFACES));
        Self { handed, copies, held: Arc::default() }
    }

    /// True for a decoder that writes there.
    pub(crate) fn takes(&self, factory: &str) -> bool {
        DECODERS.contains(&factory)
    }

    /// Where such a decoder's pictures are, for people.
    pub(crate) fn told(&self) -> String {
        format!("its pictures stay in the GPU, at most {MOST_SURFACES} held")
    }

    /// Surfaces that are held now, and copies that were ever made of one to the CPU.
    pub(crate) fn count(&self) -> (usize, u64) {
        (self.held.load(Ordering::Relaxed), self.copies.made())
    }

    /// What the sink takes.
    pub(crate) fn caps(&self) -> gst::Caps {
        gst_video::VideoCapsBuilder::new()
            .features(["memory:CUDAMemory"])
            .format_list([gst_video::VideoFormat::Nv12, gst_video::VideoFormat::P01010le])
            .build()
    }

    /// Gives the context to all elements of `pipeline`, before they start.
    pub(crate) fn hand_over(&self, pipeline: &gst::Pipeline) {
        pipeline.set_context(&self.handed.context);
    }

    /// The picture in `buffer`, mapped and held.
    ///
    /// # Errors
    /// Why it is dropped: [`DropReason::Full`] where the court holds its bound.
    pub(crate) fn picture(
        &self,
        buffer: gst::Buffer,
        info: &gst_video::VideoInfo,
    ) -> Result<Pixels, DropReason> {
        let room = Room::of(&self.held).ok_or(DropReason::Full)?;
        let picture = self.map(buffer, info, room).ok_or(DropReason::Undecodable)?;
        Ok(Pixels::Device(DevicePixels::new(Box::new(picture), Arc::clone(&self.copies))))
    }

    fn map(
        &self,
        buffer: gst::Buffer,
        info: &gst_video::VideoInfo,
        room: Room,
    ) -> Option<CudaPicture> {
        let (surface, first) = surface_of(&buffer, info)?;
        let mapped = Mapped::of(&self.handed.library, buffer, room)?;
        let (pointer, bytes) = mapped.place();
        let place = (pointer.checked_add(u64::try_from(first).ok()?)?, bytes.checked_sub(first)?);
        let colour = colour_of(info);
        // SAFETY: the map is of so many bytes of the context that was handed over; the decoder has
        // written them before it gave the buffer (or `sync` has waited), and the pool keeps them while
        // the buffer is held, which `mapped` does.
        unsafe { CudaPicture::new(&self.handed.cuda, place, surface, colour, Box::new(mapped)) }
    }
}

impl fmt::Debug for Surfaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surfaces").field("count", &self.count()).finish_non_exhaustive()
    }
}

/// How the picture in `buffer` lies, and its first byte: by the buffer's own meta, never by the width.
fn surface_of(buffer: &gst::BufferRef, info: &gst_video::VideoInfo) -> Option<(Surface, usize)> {
    let samples = match info.format() {
        gst_video::VideoFormat::Nv12 => Samples::Nv12,
        gst_video::VideoFormat::P01010le => Samples::P010,
        _ => return None,
    };
    let meta = buffer.meta::<gst_video::VideoMeta>();
    let (strides, offsets) = match &meta {
        Some(meta) => (meta.stride(), meta.offset()),
        None => (info.stride(), info.offset()),
    };
    let pitch = |plane: usize| usize::try_from(*strides.get(plane)?).ok();
    let (first, second) = (*offsets.first()?, *offsets.get(1)?);
    let surface = Surface {
        size: (info.width(), info.height()),
        samples,
        luma_pitch: pitch(0)?,
        chroma_offset: second.checked_sub(first)?,
        chroma_pitch: pitch(1)?,
    };
    Some((surface, first))
}

/// One of the surfaces that a court may hold.
struct Room(Arc<AtomicUsize>);

impl Room {
    fn of(held: &Arc<AtomicUsize>) -> Option<Self> {
        let more = |held: usize| (held < MOST_SURFACES).then_some(held + 1);
        held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Self(Arc::clone(held)))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A buffer of the decoder's pool, mapped for the device; unmapped and given back when dropped.
struct Mapped {
    memory: *mut gst::ffi::GstMemory,
    info: gst::ffi::GstMapInfo,
    _buffer: gst::Buffer,
    _room: Room,
}

// SAFETY: a GstMemory's map count is atomic, and it may be unmapped on any thread; nothing else of it is
// touched here. The buffer is `Send` and `Sync` itself.
unsafe impl Send for Mapped {}
// SAFETY: nothing is reached through a shared reference but two numbers.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// `None` where the buffer is no single block of CUDA memory, or cannot be mapped.
    fn of(library: &Library, buffer: gst::Buffer, room: Room) -> Option<Self> {
        if buffer.n_memory() != 1 {
            return None;
        }
        // SAFETY: the buffer has a memory 0, which lives as long as it; only its map count is changed.
        let memory = unsafe { gst::ffi::gst_buffer_peek_memory(buffer.as_mut_ptr(), 0) };
        // SAFETY: it is the memory of a buffer that we hold.
        if unsafe { (library.is_cuda_memory)(memory) } == glib::ffi::GFALSE {
            return None;
        }
        let mut info = std::mem::MaybeUninit::<gst::ffi::GstMapInfo>::zeroed();
        let flags = gst::ffi::GST_MAP_READ | MAP_CUDA;
        // SAFETY: as above; the map is written to room of ours.
        let mapped = unsafe { gst::ffi::gst_memory_map(memory, info.as_mut_ptr(), flags) };
        if mapped == glib::ffi::GFALSE {
            return None;
        }
        // SAFETY: a map that succeeded is filled in, and zeros were a value of it before.
        let info = unsafe { info.assume_init() };
        let held = Self { memory, info, _buffer: buffer, _room: room };
        if let Some(sync) = library.sync {
            // SAFETY: it is CUDA memory, as was asked.
            unsafe { sync(memory) };
        }
        Some(held)
    }

    /// Device pointer and bytes.
    fn place(&self) -> (u64, usize) {
        (self.info.data as u64, self.info.size)
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this info, once, and the buffer is still held.
        unsafe { gst::ffi::gst_memory_unmap(self.memory, &raw mut self.info) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_court_holds_its_bound_of_surfaces_and_takes_more_when_some_went_back() {
        let held = Arc::<AtomicUsize>::default();
        let mut rooms: Vec<Room> = (0..MOST_SURFACES).filter_map(|_| Room::of(&held)).collect();
        assert_eq!(rooms.len(), MOST_SURFACES);
        assert!(Room::of(&held).is_none(), "one more than the bound");
        rooms.pop();
        assert!(Room::of(&held).is_some());
        drop(rooms);
        assert_eq!(held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn strides_and_offsets_are_the_buffers_own() {
        gst::init().expect("GStreamer");
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Nv12, 1920, 1080)
            .build()
            .expect("info");
        let mut buffer = gst::Buffer::with_size(2048 * 1080 * 2).expect("room");
        let plain = surface_of(&buffer, &info).expect("a surface").0;
        assert_eq!((plain.luma_pitch, plain.chroma_offset), (1920, 1920 * 1080));
        gst_video::VideoMeta::add_full(
            buffer.get_mut().expect("ours"),
            gst_video::VideoFrameFlags::empty(),
            gst_video::VideoFormat::Nv12,
            1920,
            1080,
            &[0, 2048 * 1080],
            &[2048, 2048],
        )
        .expect("a meta");
        let padded = surface_of(&buffer, &info).expect("a surface").0;
        assert_eq!((padded.luma_pitch, padded.chroma_offset), (2048, 2048 * 1080));
        let other = gst_video::VideoInfo::builder(gst_video::VideoFormat::Y444, 64, 64).build();
        assert!(surface_of(&buffer, &other.expect("info")).is_none());
    }

    /// Memory that is not the device's is refused, whatever machine this is; without a GPU there is
    /// nothing to hand over, and that is no fault.
    #[test]
    fn what_is_no_device_memory_is_not_taken() {
        gst::init().expect("GStreamer");
        let gpu = Gpu::default();
        let surfaces = Shared::default().surfaces(&gpu);
        assert!(surfaces.is_none() || gpu.cuda().is_ok());
        let Some(surfaces) = surfaces else { return };
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Nv12, 64, 64).build();
        let buffer = gst::Buffer::with_size(64 * 96).expect("room");
        let refused = surfaces.picture(buffer, &info.expect("info"));
        assert_eq!(refused.err(), Some(DropReason::Undecodable));
        assert_eq!(surfaces.count(), (0, 0));
    }
}
