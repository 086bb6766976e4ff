//! The device's primary context, opened so that nothing that is missing is called.

#![allow(unsafe_code, reason = "CUDA's driver is a C library")]

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cudarc::driver::{CudaContext, CudaModule, CudaStream, DriverError, sys};
use cudarc::nvrtc::Ptx;

use crate::device::KERNELS;
use crate::device::compile::{cubin, nvrtc_version};
use crate::device::kept::{self, Keep, Key};
use crate::device::kernels::Kernels;
use crate::device::no_gpu::{NoGpu, chosen};
use crate::disk;
use crate::media::{Foreign, ForeignKind};

/// The oldest driver that is taken: CUDA 12.0 (JetPack 6 has 12.6).
const OLDEST_DRIVER: i32 = 12_000;
/// The longest file of compiled kernels that is read; ours have some 20 KB.
const MOST_KEPT: u64 = 1 << 20;

/// The device did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {problem}")]
pub struct CudaFault {
    /// What was asked.
    pub what: &'static str,
    /// What it said.
    pub problem: String,
}

impl CudaFault {
    /// What the driver said of `what`.
    pub(crate) fn of(what: &'static str) -> impl Fn(DriverError) -> Self {
        move |error| Self { what, problem: said(error) }
    }
}

/// A driver's error in words.
fn said(error: DriverError) -> String {
    match error.error_string() {
        Ok(text) => Foreign::bytes(ForeignKind::Text, text.to_bytes()).to_string(),
        Err(_) => Foreign::text(error).to_string(),
    }
}

/// A GPU: its primary context, which GStreamer, ONNX Runtime and TensorRT use too.
pub struct Cuda {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    copies: Arc<CudaStream>,
    pub(crate) kernels: Kernels,
    name: String,
    capability: (i32, i32),
    driver: i32,
    /// Kernels came from disk.
    kept: bool,
}

impl Cuda {
    /// Opens the GPU of this number; `keep` is where compiled kernels are kept.
    pub(crate) fn open(keep: Option<&Keep>, number: u32) -> Result<Arc<Self>, NoGpu> {
        // A library of another make may lack a name that is wanted: its loader panics then.
        catch_unwind(AssertUnwindSafe(|| Self::try_open(keep, number))).unwrap_or_else(|_| {
            let problem = "a library of CUDA lacks what one of version 12 has".to_owned();
            Err(NoGpu::Failed { what: "load the driver", problem })
        })
    }

    fn try_open(keep: Option<&Keep>, number: u32) -> Result<Arc<Self>, NoGpu> {
        let failed = |what| move |error| NoGpu::Failed { what, problem: said(error) };
        // SAFETY: loads the library and asks nothing of it; its initialisers are the driver's.
        if !unsafe { sys::is_culib_present() } {
            return Err(NoGpu::NoDriver);
        }
        let mut driver = 0;
        // SAFETY: the library is there; the only argument points to an integer of ours.
        let asked = unsafe { sys::cuDriverGetVersion(&raw mut driver) };
        asked.result().map_err(failed("ask the driver for its version"))?;
        if driver < OLDEST_DRIVER {
            return Err(NoGpu::OldDriver { found: driver, wanted: OLDEST_DRIVER });
        }
        let compiler = nvrtc_version().ok_or(NoGpu::NoCompiler)?;
        let devices = CudaContext::device_count();
        let devices = match devices {
            Err(error) if is_no_device(&error) => 0,
            devices => devices.map_err(failed("count the GPUs"))?,
        };
        let index = chosen(number, devices)?;
        let context = CudaContext::new(index).map_err(failed("open a context on the GPU"))?;
        // SAFETY: no buffer exists yet. Each of ours is used on one stream, or after a wait for it, so
        // events between streams would order nothing.
        unsafe { context.disable_event_tracking() };
        // Decoders that hang, and pictures that somebody holds, may outlive whoever opened it.
        std::mem::forget(Arc::clone(&context));
        let stream = context.new_stream().map_err(failed("make a stream on the GPU"))?;
        let copies = context.new_stream().map_err(failed("make a stream on the GPU"))?;
        let capability =
            context.compute_capability().map_err(failed("ask the GPU what it can do"))?;
        let name = context.name().map_err(failed("ask the GPU for its name"))?;
        let name = Foreign::text(name).to_string();
        let (module, kept) = module(&context, driver, compiler, capability, keep)?;
        let kernels = Kernels::of(&module).map_err(failed("find the kernels"))?;
        Ok(Arc::new(Self { context, stream, copies, kernels, name, capability, driver, kept }))
    }

    /// The primary context. Its events between streams are off: order work by hand.
    #[must_use]
    pub const fn context(&self) -> &Arc<CudaContext> {
        &self.context
    }

    /// The stream on which cutters and engines work.
    #[must_use]
    pub const fn stream(&self) -> &Arc<CudaStream> {
        &self.stream
    }

    /// The stream on which pictures are copied to the CPU.
    pub(crate) const fn copies(&self) -> &Arc<CudaStream> {
        &self.copies
    }

    /// Bytes of device memory that are free, and all.
    ///
    /// # Errors
    /// [`CudaFault`].
    pub fn memory(&self) -> Result<(usize, usize), CudaFault> {
        self.context.mem_get_info().map_err(CudaFault::of("ask the GPU for its memory"))
    }

    /// Waits until all that was asked on [`stream`](Self::stream) is done.
    ///
    /// # Errors
    /// [`CudaFault`]: of what was asked before, too.
    pub fn synchronize(&self) -> Result<(), CudaFault> {
        self.stream.synchronize().map_err(CudaFault::of("wait for the GPU"))
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Compute capability, major and minor.
    #[must_use]
    pub const fn capability(&self) -> (i32, i32) {
        self.capability
    }

    /// The driver's version of CUDA: 13000 is 13.0.
    #[must_use]
    pub const fn driver(&self) -> i32 {
        self.driver
    }

    /// True if its kernels came from disk.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.kept
    }
}

const fn is_no_device(error: &DriverError) -> bool {
    matches!(error.0, sys::CUresult::CUDA_ERROR_NO_DEVICE)
}

/// The kernels: from disk where they are there, whole and for this device; else compiled, and kept.
fn module(
    context: &Arc<CudaContext>,
    driver: i32,
    compiler: (i32, i32),
    (major, minor): (i32, i32),
    keep: Option<&Keep>,
) -> Result<(Arc<CudaModule>, bool), NoGpu> {
    let architecture = format!("sm_{major}{minor}");
    let key = Key::new(driver, compiler, &architecture, KERNELS);
    let load = |module: &[u8]| context.load_module(Ptx::from_binary(module.to_vec()));
    if let Some(keep) = keep
        && let Ok(file) = disk::read_whole(&*keep.disk, &keep.folder.join(key.file()), MOST_KEPT)
        && let Some(bytes) = kept::read(&key, &file)
        && let Ok(module) = load(bytes)
    {
        return Ok((module, true));
    }
    let compiled = cubin(KERNELS, &architecture)
        .map_err(|problem| NoGpu::Failed { what: "compile the kernels", problem })?;
    let module = load(&compiled)
        .map_err(|error| NoGpu::Failed { what: "load the kernels", problem: said(error) })?;
    if let Some(keep) = keep {
        let file = keep.folder.join(key.file());
        let kept = keep.disk.create_dir_all(&keep.folder);
        let kept = kept
            .and_then(|()| disk::write_durably(&*keep.disk, &file, &kept::write(&key, &compiled)));
        if let Err(error) = kept {
            tracing::warn!(%error, "compiled kernels are not kept: they are compiled at each start");
        }
    }
    Ok((module, false))
}

impl fmt::Display for Cuda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.capability;
        let (whole, tenths) = (self.driver / 1000, self.driver % 1000 / 10);
        write!(f, "{}, compute capability {major}.{minor}, CUDA {whole}.{tenths}", self.name)?;
        match self.memory() {
            Ok((free, total)) => write!(f, ", {} of {} MiB free", free >> 20, total >> 20),
            Err(_) => Ok(()),
        }
    }
}

impl fmt::Debug for Cuda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cuda").field("name", &self.name).finish_non_exhaustive()
    }
}
