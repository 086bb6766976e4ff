//! TensorRT behind a C interface of our own: a shim of C++ a flavour and version (`native/tensorrt`).
//!
//! The daemon links nothing of it. [`Library::open`] opens the shims that lie in its library folders,
//! newest first, until one fits the TensorRT that is installed; the shim compares versions before it makes
//! an object, since headers of another version would crash inside the library. Here stands the safe half:
//! declarations are those of `native/tensorrt/shim.h`, handles are freed once, texts are copied and are
//! [`Foreign`]. `on_gpu` makes an engine of it, `plans` keeps what was built.

#![allow(unsafe_code, reason = "TensorRT is C++ behind a C interface")]

use std::ffi::{CStr, CString, c_char, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::ptr::{NonNull, null, null_mut};
use std::sync::Arc;

use tracing::{debug, info, warn};

use crate::device::{Buffer, Cuda, Span};
use crate::media::Foreign;

/// Of `shim.h`.
const ABI: i32 = 1;
/// What a shim's file begins with.
const FILE: &str = "libcourtside-tensorrt";
/// Bytes of the longest reason that is kept.
const REASON: usize = 2048;

#[repr(C)]
struct RawBytes {
    data: *mut c_void,
    size: usize,
}

#[repr(C)]
struct RawOrder {
    onnx: *const c_void,
    onnx_size: usize,
    timing: *const c_void,
    timing_size: usize,
    dla_core: i32,
    for_this_gpu: i32,
    progress: Option<Progress>,
    progress_user: *mut c_void,
}

#[repr(C)]
struct RawTensor {
    name: [c_char; 256],
    dimensions: i32,
    shape: [i64; 8],
    is_input: i32,
    kind: i32,
}

type Log = extern "C" fn(*mut c_void, i32, *const c_char);
type Progress = extern "C" fn(*mut c_void, *const c_char, *const c_char, i32, i32) -> i32;
type Handle = *mut c_void;

/// The functions of a shim, which stays open: TensorRT keeps its logger for good.
struct Shim {
    flavor: unsafe extern "C" fn() -> *const c_char,
    open: unsafe extern "C" fn(*const c_char, Log, *mut c_void, *mut c_char, usize) -> Handle,
    version: unsafe extern "C" fn(Handle) -> i32,
    close: unsafe extern "C" fn(Handle),
    no_gpu: unsafe extern "C" fn(*mut c_char, usize) -> i32,
    build: unsafe extern "C" fn(
        Handle,
        *const RawOrder,
        *mut RawBytes,
        *mut RawBytes,
        *mut c_char,
        usize,
    ) -> i32,
    free: unsafe extern "C" fn(*mut RawBytes),
    load: unsafe extern "C" fn(Handle, *const c_void, usize, *mut c_char, usize) -> Handle,
    unload: unsafe extern "C" fn(Handle),
    tensors: unsafe extern "C" fn(Handle) -> i32,
    tensor: unsafe extern "C" fn(Handle, i32, *mut RawTensor) -> i32,
    bind: unsafe extern "C" fn(Handle, *const c_char, u64) -> i32,
    enqueue: unsafe extern "C" fn(Handle, *mut c_void) -> i32,
    layers: unsafe extern "C" fn(Handle, *mut RawBytes) -> i32,
    capture: unsafe extern "C" fn(Handle, *mut c_void, *mut c_char, usize) -> Handle,
    launch: unsafe extern "C" fn(Handle, *mut c_void) -> i32,
    forget: unsafe extern "C" fn(Handle),
}

impl Shim {
    fn open(path: &Path) -> Result<Self, String> {
        let told = |error: libloading::Error| Foreign::text(error).to_string();
        // SAFETY: a shim runs nothing when it is opened; the file is one of the system's folders.
        let library = unsafe { libloading::Library::new(path) }.map_err(told)?;
        let library: &'static libloading::Library = Box::leak(Box::new(library));
        // SAFETY: the type is that of `shim.h`, which every version of it has had.
        let abi = unsafe { library.get::<unsafe extern "C" fn() -> i32>(b"courtside_shim_abi") };
        let abi = abi.map_err(told)?;
        // SAFETY: takes nothing, gives a number.
        let found = unsafe { abi() };
        if found != ABI {
            let path = path.display();
            return Err(format!("{path} is of another version of courtside: make shims"));
        }
        macro_rules! look {
            ($name:literal) => {{
                // SAFETY: the type is that of `shim.h` of this version, which was just compared.
                let function = unsafe { library.get(concat!("courtside_shim_", $name).as_bytes()) };
                *function.map_err(told)?
            }};
        }
        Ok(Self {
            flavor: look!("flavor"),
            open: look!("open"),
            version: look!("version"),
            close: look!("close"),
            no_gpu: look!("no_gpu"),
            build: look!("build"),
            free: look!("free"),
            load: look!("load"),
            unload: look!("unload"),
            tensors: look!("tensors"),
            tensor: look!("tensor"),
            bind: look!("bind"),
            enqueue: look!("enqueue"),
            layers: look!("layers"),
            capture: look!("capture"),
            launch: look!("launch"),
            forget: look!("forget"),
        })
    }
}

/// TensorRT, opened by the shim that fits it.
pub(crate) struct Library {
    shim: Shim,
    handle: NonNull<c_void>,
    flavor: String,
    version: i32,
}

// SAFETY: the library's objects are made from several threads by its own rules; its handle is only read.
unsafe impl Send for Library {}
// SAFETY: as above; the logger that it calls is a function without a state.
unsafe impl Sync for Library {}

/// Where shims and TensorRT are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// Folders of shims, first one first.
    pub(crate) shims: Vec<PathBuf>,
    /// The folder of TensorRT's libraries; `None`: where the loader looks.
    pub(crate) tensorrt: Option<PathBuf>,
}

impl Places {
    /// Beside the program, then the system's.
    pub(crate) fn usual(tensorrt: Option<PathBuf>) -> Self {
        let mut shims = Vec::new();
        if let Some(bin) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
            shims.extend([bin.to_owned(), bin.join("../lib/courtside")]);
        }
        shims.push(PathBuf::from("/usr/lib/courtside"));
        Self { shims, tensorrt }
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = self
            .shims
            .iter()
            .filter_map(|folder| folder.read_dir().ok())
            .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
            .filter(|path| {
                let name = path.as_os_str().as_encoded_bytes();
                let begins = path.parent().map(|folder| folder.join(FILE));
                let begins = begins.as_ref().map(|path| path.as_os_str().as_encoded_bytes());
                begins.is_some_and(|begins| name.starts_with(begins)) && name.ends_with(b".so")
            })
            .collect();
        found.sort();
        found.reverse();
        found
    }
}

impl Library {
    /// TensorRT where it is looked for, by the first shim that fits it.
    ///
    /// # Errors
    /// A line: why none does, and what to do.
    pub(crate) fn open(places: &Places) -> Result<Arc<Self>, String> {
        let mut reasons = Vec::new();
        for file in places.files() {
            match Self::by(&file, places.tensorrt.as_deref()) {
                Ok(library) => {
                    let version = library.version_text();
                    info!(shim = %file.display(), version, "TensorRT is there");
                    return Ok(Arc::new(library));
                }
                Err(why) => reasons.push(why),
            }
        }
        if reasons.is_empty() {
            let folders: Vec<String> =
                places.shims.iter().map(|folder| folder.display().to_string()).collect();
            return Err(format!(
                "no shim for TensorRT ({FILE}-*.so) in {}: build them with `make shims`",
                folders.join(", ")
            ));
        }
        Err(format!(
            "no TensorRT that a shim fits ({}): install one of these, or build a shim for yours",
            reasons.join("; ")
        ))
    }

    /// TensorRT by one shim.
    pub(crate) fn by(file: &Path, tensorrt: Option<&Path>) -> Result<Self, String> {
        let shim = Shim::open(file)?;
        let folder = tensorrt.map(|folder| CString::new(folder.as_os_str().as_bytes()));
        let folder =
            folder.transpose().map_err(|_| "a folder with a zero in its name".to_owned())?;
        let folder = folder.as_ref().map_or(null(), |folder| folder.as_ptr());
        let mut why = Reason::new();
        // SAFETY: the texts end with a zero and outlive the call; the logger needs nothing of ours.
        let handle = unsafe { (shim.open)(folder, log, null_mut(), why.text(), REASON) };
        let handle = NonNull::new(handle).ok_or_else(|| why.told())?;
        // SAFETY: takes nothing, gives a text.
        let flavor = unsafe { (shim.flavor)() };
        // SAFETY: it is the shim's own, and ends with a zero.
        let flavor = unsafe { CStr::from_ptr(flavor) };
        let flavor = Foreign::text(flavor.to_string_lossy()).to_string();
        // SAFETY: the handle was just opened.
        let version = unsafe { (shim.version)(handle.as_ptr()) };
        Ok(Self { shim, handle, flavor, version })
    }

    /// `tensorrt` or `tensorrt-rtx`.
    pub(crate) fn flavor(&self) -> &str {
        &self.flavor
    }

    /// As the library counts: 101600 is 10.16, 10601 is RTX 1.6.1.
    pub(crate) const fn version(&self) -> i32 {
        self.version
    }

    /// For people.
    pub(crate) fn version_text(&self) -> String {
        let (flavor, version) = (&self.flavor, self.version);
        format!("{flavor} {}.{}.{}", version / 10_000, version / 100 % 100, version % 100)
    }

    /// There is a driver and a GPU.
    ///
    /// # Errors
    /// A line: why not.
    pub(crate) fn has_gpu(&self) -> Result<(), String> {
        let mut why = Reason::new();
        // SAFETY: the text has so many bytes.
        match unsafe { (self.shim.no_gpu)(why.text(), REASON) } {
            0 => Ok(()),
            _ => Err(why.told()),
        }
    }

    /// Builds a plan for the network `onnx`; takes seconds, or minutes on a small machine. `told` is
    /// given how far it is, percent.
    ///
    /// # Errors
    /// A line: what the library said.
    pub(crate) fn build(&self, order: &Order<'_>) -> Result<Built, String> {
        let mut watch = Watch { told: order.told, phases: Vec::new(), last: None };
        let raw = RawOrder {
            onnx: order.onnx.as_ptr().cast(),
            onnx_size: order.onnx.len(),
            timing: order.timing.as_ptr().cast(),
            timing_size: order.timing.len(),
            dla_core: order.dla.and_then(|core| i32::try_from(core).ok()).unwrap_or(-1),
            for_this_gpu: i32::from(order.for_this_gpu),
            progress: Some(progress),
            progress_user: (&raw mut watch).cast(),
        };
        let empty = || RawBytes { data: null_mut(), size: 0 };
        let (mut plan, mut timing) = (empty(), empty());
        let mut why = Reason::new();
        let (handle, text) = (self.handle.as_ptr(), why.text());
        // SAFETY: everything that the order points to outlives the call, and so does the watch, which
        // only the calling thread's callback touches (the shim locks around it).
        let failed = unsafe {
            (self.shim.build)(handle, &raw const raw, &raw mut plan, &raw mut timing, text, REASON)
        };
        if failed != 0 {
            return Err(why.told());
        }
        Ok(Built { plan: self.taken(plan), timing: self.taken(timing) })
    }

    /// Copies what the shim gave, and gives it back.
    fn taken(&self, mut raw: RawBytes) -> Vec<u8> {
        if raw.data.is_null() {
            return Vec::new();
        }
        // SAFETY: the shim filled it: so many bytes of its own heap, which nobody else has.
        let bytes = unsafe { std::slice::from_raw_parts(raw.data.cast::<u8>(), raw.size) }.to_vec();
        // SAFETY: it is freed once, by who made it.
        unsafe { (self.shim.free)(&raw mut raw) };
        bytes
    }

    /// Makes a network that runs of a plan. The GPU's context must be current for this thread.
    ///
    /// # Errors
    /// A line: why not.
    pub(crate) fn load(self: &Arc<Self>, plan: &[u8]) -> Result<Network, String> {
        let mut why = Reason::new();
        let data = plan.as_ptr().cast();
        // SAFETY: the plan has so many bytes and is only read during the call.
        let handle =
            unsafe { (self.shim.load)(self.handle.as_ptr(), data, plan.len(), why.text(), REASON) };
        let handle = NonNull::new(handle).ok_or_else(|| why.told())?;
        Ok(Network { library: Arc::clone(self), handle, graph: None })
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: opened once, closed once, and all that was made with it holds an `Arc` of it.
        unsafe { (self.shim.close)(self.handle.as_ptr()) };
    }
}

/// What is to be built.
pub(crate) struct Order<'a> {
    pub(crate) onnx: &'a [u8],
    /// What an earlier build learnt; may be empty.
    pub(crate) timing: &'a [u8],
    pub(crate) dla: Option<u32>,
    /// For the GPU that is here; else for whatever the library chooses, and none is needed.
    pub(crate) for_this_gpu: bool,
    /// How far it is, percent.
    pub(crate) told: &'a dyn Fn(u32),
}

/// What came of it.
pub(crate) struct Built {
    pub(crate) plan: Vec<u8>,
    pub(crate) timing: Vec<u8>,
}

/// A network that runs, on one thread at a time.
pub(crate) struct Network {
    library: Arc<Library>,
    handle: NonNull<c_void>,
    graph: Option<NonNull<c_void>>,
}

// SAFETY: it has no tie to a thread; it is not `Sync`, so one at a time uses it.
unsafe impl Send for Network {}

/// An input or output of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) shape: Vec<i64>,
    pub(crate) is_input: bool,
    /// Its type, for people, if it is not 32-bit floats.
    pub(crate) other_type: Option<String>,
}

impl Network {
    /// Its inputs and outputs.
    fn ports(&self) -> Vec<Port> {
        let shim = &self.library.shim;
        // SAFETY: the handle is open.
        let count = unsafe { (shim.tensors)(self.handle.as_ptr()) };
        let port = |index| {
            let mut raw =
                RawTensor { name: [0; 256], dimensions: 0, shape: [0; 8], is_input: 0, kind: 0 };
            // SAFETY: the handle is open, and `raw` is one such tensor.
            let failed = unsafe { (shim.tensor)(self.handle.as_ptr(), index, &raw mut raw) };
            if failed != 0 {
                return None;
            }
            // SAFETY: the shim ends the name within its 256 bytes.
            let name = unsafe { CStr::from_ptr(raw.name.as_ptr()) };
            let count = usize::try_from(raw.dimensions).unwrap_or(0);
            let other_type = match raw.kind {
                0 => None,
                1 => Some("f16".to_owned()),
                _ => Some("another type".to_owned()),
            };
            Some(Port {
                name: name.to_str().ok()?.to_owned(),
                shape: raw.shape.get(..count).unwrap_or_default().to_vec(),
                is_input: raw.is_input != 0,
                other_type,
            })
        };
        (0..count).filter_map(port).collect()
    }

    /// Says where the tensor `name` lies.
    ///
    /// # Safety
    /// `address` is device memory of the context that is current, of at least as many bytes as the tensor
    /// has, and stays so as long as this network runs.
    unsafe fn bind(&mut self, name: &str, address: u64) -> Result<(), String> {
        let text = CString::new(name).map_err(|_| "a name with a zero in it".to_owned())?;
        // SAFETY: the handle is open, the text ends with a zero, the address is the caller's word.
        match unsafe { (self.library.shim.bind)(self.handle.as_ptr(), text.as_ptr(), address) } {
            0 => Ok(()),
            _ => Err(format!("there is no tensor `{}` in the plan", Foreign::text(name))),
        }
    }

    /// Runs it once on `stream`, which is not awaited.
    ///
    /// # Safety
    /// `stream` is a stream of the current context, and every tensor is bound.
    unsafe fn enqueue(&mut self, stream: *mut c_void) -> Result<(), String> {
        let shim = &self.library.shim;
        let failed = match self.graph {
            // SAFETY: the graph is open, the stream is the caller's word.
            Some(graph) => unsafe { (shim.launch)(graph.as_ptr(), stream) },
            // SAFETY: the handle is open, the stream is the caller's word.
            None => unsafe { (shim.enqueue)(self.handle.as_ptr(), stream) },
        };
        match failed {
            0 => Ok(()),
            status => Err(format!("TensorRT did not run it (status {status})")),
        }
    }

    /// Has later runs launched as one recorded graph. It must have run on `stream` before.
    ///
    /// # Safety
    /// As [`enqueue`](Self::enqueue); tensors stay bound where they are from now on.
    unsafe fn record(&mut self, stream: *mut c_void) -> Result<(), String> {
        let mut why = Reason::new();
        let handle = self.handle.as_ptr();
        // SAFETY: the handle is open, the stream is the caller's word.
        let graph = unsafe { (self.library.shim.capture)(handle, stream, why.text(), REASON) };
        self.graph = Some(NonNull::new(graph).ok_or_else(|| why.told())?);
        Ok(())
    }

    /// Its layers, as the library tells them in JSON.
    fn layers(&self) -> Option<Foreign> {
        let mut json = RawBytes { data: null_mut(), size: 0 };
        // SAFETY: the handle is open, `json` is empty.
        let failed = unsafe { (self.library.shim.layers)(self.handle.as_ptr(), &raw mut json) };
        let text = self.library.taken(json);
        (failed == 0).then(|| Foreign::told(String::from_utf8_lossy(&text)))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let shim = &self.library.shim;
        if let Some(graph) = self.graph.take() {
            // SAFETY: recorded once, forgotten once, before what it runs.
            unsafe { (shim.forget)(graph.as_ptr()) };
        }
        // SAFETY: made once, unloaded once, before its library.
        unsafe { (shim.unload)(self.handle.as_ptr()) };
    }
}

/// A network with memory for all its tensors on the GPU, run on the stream of cutters and states.
pub(crate) struct Bound {
    // Before what it reads and writes.
    network: Network,
    cuda: Arc<Cuda>,
    memory: Vec<(Port, Buffer)>,
}

impl Bound {
    /// Takes memory for `network`, and runs it twice on zeros, after which its kernels are loaded.
    ///
    /// # Errors
    /// A line: the GPU has no room, a tensor is not of 32-bit floats or not of a fixed shape, or it does
    /// not run.
    pub(crate) fn new(network: Network, cuda: &Arc<Cuda>) -> Result<Self, String> {
        let mut bound = Self { network, cuda: Arc::clone(cuda), memory: Vec::new() };
        for port in bound.network.ports() {
            let count = port.shape.iter().try_fold(1, |all: usize, size| {
                usize::try_from(*size).ok().and_then(|size| all.checked_mul(size))
            });
            let count = count.filter(|_| port.other_type.is_none()).ok_or_else(|| {
                format!("the tensor `{}` is none of 32-bit floats", Foreign::text(&port.name))
            })?;
            let buffer = Buffer::zeros(cuda, 4 * count).map_err(|fault| fault.to_string())?;
            // SAFETY: the buffer is of the primary context, has the tensor's bytes, and is freed after
            // the network.
            unsafe { bound.network.bind(&port.name, buffer.span().pointer()) }?;
            bound.memory.push((port, buffer));
        }
        for _ in 0..2 {
            bound.run()?;
            cuda.synchronize().map_err(|fault| fault.to_string())?;
        }
        Ok(bound)
    }

    /// Its layers, as the library tells them in JSON.
    pub(crate) fn layers(&self) -> Option<Foreign> {
        self.network.layers()
    }

    /// Its inputs and outputs.
    pub(crate) fn ports(&self) -> impl Iterator<Item = &Port> {
        self.memory.iter().map(|(port, _)| port)
    }

    /// Where the tensor `name` lies.
    ///
    /// # Errors
    /// A line: there is none.
    pub(crate) fn span(&self, name: &str) -> Result<Span<'_>, String> {
        let found = self.memory.iter().find(|(port, _)| port.name == name);
        found
            .map(|(_, buffer)| buffer.span())
            .ok_or_else(|| format!("there is no tensor `{}` in the plan", Foreign::text(name)))
    }

    /// Runs it once; whoever reads what came of it waits.
    ///
    /// # Errors
    /// A line.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        self.current()?;
        let stream = self.cuda.stream().cu_stream().cast();
        // SAFETY: the stream is of the context that was just made current; all tensors are bound.
        unsafe { self.network.enqueue(stream) }
    }

    /// Has later runs launched as one recorded graph.
    ///
    /// # Errors
    /// A line: it goes on without.
    pub(crate) fn record(&mut self) -> Result<(), String> {
        self.current()?;
        let stream = self.cuda.stream().cu_stream().cast();
        // SAFETY: the stream is of the context that was just made current; it ran there, and tensors stay
        // where they are as long as it does.
        unsafe { self.network.record(stream) }
    }

    fn current(&self) -> Result<(), String> {
        let bound = self.cuda.context().bind_to_thread();
        bound.map_err(|error| Foreign::text(error).to_string())
    }
}

/// A text that the shim fills.
struct Reason(Vec<u8>);

impl Reason {
    fn new() -> Self {
        Self(vec![0; REASON])
    }

    fn text(&mut self) -> *mut c_char {
        self.0.as_mut_ptr().cast()
    }

    /// Up to its zero, on one line.
    fn told(&self) -> String {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        let text = self.0.get(..end).unwrap_or_default();
        Foreign::told(String::from_utf8_lossy(text).replace('\n', " ")).to_string()
    }
}

/// TensorRT's own words.
extern "C" fn log(_user: *mut c_void, severity: i32, text: *const c_char) {
    if text.is_null() {
        return;
    }
    // SAFETY: TensorRT's texts end with a zero, and are there during the call.
    let text = unsafe { CStr::from_ptr(text) };
    #[cfg(test)]
    tests::heard(text.to_bytes());
    let text = Foreign::told(text.to_string_lossy());
    match severity {
        ..=1 => warn!(%text, "TensorRT"),
        _ => debug!(%text, "TensorRT"),
    }
}

/// How far a build is: phases lie in each other, and only the outermost two are looked at.
struct Watch<'a> {
    told: &'a dyn Fn(u32),
    /// Name, step, steps.
    phases: Vec<(String, i32, i32)>,
    last: Option<u32>,
}

impl Watch<'_> {
    fn step(&mut self, phase: &str, parent: &str, step: i32, steps: i32) {
        let depth = if parent.is_empty() { Some(0) } else { self.depth(parent).map(|at| at + 1) };
        let Some(depth) = depth else { return };
        self.phases.truncate(depth + 1);
        match self.phases.get_mut(depth) {
            Some(known) => *known = (phase.to_owned(), step, steps),
            None => self.phases.push((phase.to_owned(), step, steps)),
        }
        let now = self.percent();
        if self.last != Some(now) {
            self.last = Some(now);
            (self.told)(now);
        }
    }

    fn depth(&self, phase: &str) -> Option<usize> {
        self.phases.iter().position(|(name, ..)| name == phase)
    }

    fn percent(&self) -> u32 {
        let mut share = 0.0;
        for (_, step, steps) in self.phases.iter().take(2).rev() {
            let steps = f64::from((*steps).max(1));
            share = ((f64::from(*step) + share) / steps).clamp(0.0, 1.0);
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
        let percent = (share * 100.0) as u32;
        percent
    }
}

extern "C" fn progress(
    user: *mut c_void,
    phase: *const c_char,
    parent: *const c_char,
    step: i32,
    steps: i32,
) -> i32 {
    // SAFETY: the watch of the build that calls; the shim calls once at a time.
    let watch = unsafe { user.cast::<Watch<'_>>().as_mut() };
    if let (Some(watch), false, false) = (watch, phase.is_null(), parent.is_null()) {
        // SAFETY: texts of the shim, which end with a zero.
        let phase = unsafe { CStr::from_ptr(phase) };
        // SAFETY: as above.
        let parent = unsafe { CStr::from_ptr(parent) };
        if let (Ok(phase), Ok(parent)) = (phase.to_str(), parent.to_str()) {
            watch.step(phase, parent, step, steps);
        }
    }
    1
}

#[cfg(test)]
mod tests;
