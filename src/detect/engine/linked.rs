//! A network in ONNX Runtime whose tensors are taken once, where it computes, and bound (IoBinding): nothing
//! of it is copied between a device and the CPU unless somebody asks.

#![allow(unsafe_code, reason = "device memory of another library")]

use std::sync::Arc;

use ort::memory::{Allocator, MemoryInfo};
use ort::session::{IoBinding, Session};
use ort::value::{Outlet, Tensor, TensorElementType, ValueType};

use crate::detect::engine::on_gpu::OnDevice;
use crate::detect::engine::onnx::one_line;
use crate::device::{Cuda, Span};
use crate::media::Foreign;

/// See the module.
pub(crate) struct Linked {
    // Before what it reads and writes.
    binding: IoBinding,
    session: Session,
    tensors: Vec<Bound>,
}

struct Bound {
    name: String,
    address: u64,
    bytes: usize,
    _tensor: Tensor<f32>,
}

impl Linked {
    /// Takes memory at `place` for all tensors of `session`, and binds them.
    ///
    /// # Errors
    /// A line: there is no room, or a tensor is none of 32-bit floats and of a fixed shape.
    pub(crate) fn new(session: Session, place: MemoryInfo<'_>) -> Result<Self, String> {
        let told = |error: ort::Error| one_line(&error);
        let allocator = Allocator::new(&session, place).map_err(told)?;
        let mut binding = session.create_binding().map_err(told)?;
        let mut tensors = Vec::new();
        for (outlets, is_input) in [(session.inputs(), true), (session.outputs(), false)] {
            for outlet in outlets {
                let shape = shape_of(outlet)?;
                let count: usize = shape.iter().product();
                let mut tensor = Tensor::<f32>::new(&allocator, shape).map_err(told)?;
                let name = outlet.name().to_owned();
                if is_input {
                    binding.bind_input(&name, &tensor).map_err(told)?;
                } else {
                    binding.bind_output(&name, &mut tensor).map_err(told)?;
                }
                let address = tensor.data_ptr_mut() as u64;
                tensors.push(Bound { name, address, bytes: 4 * count, _tensor: tensor });
            }
        }
        Ok(Self { binding, session, tensors })
    }

    /// Runs it once on what lies in its inputs.
    ///
    /// # Errors
    /// A line: what the library says.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        self.session.run_binding(&self.binding).map(drop).map_err(|error| one_line(&error))
    }

    /// Where the tensor `name` lies, and how long it is.
    fn place(&self, name: &str) -> Result<(u64, usize), String> {
        let found = self.tensors.iter().find(|tensor| tensor.name == name);
        let missing = || format!("there is no tensor `{}` in the network", Foreign::text(name));
        found.map(|tensor| (tensor.address, tensor.bytes)).ok_or_else(missing)
    }
}

fn shape_of(outlet: &Outlet) -> Result<Vec<usize>, String> {
    let shape = match outlet.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => {
            shape.iter().map(|size| usize::try_from(*size).ok()).collect::<Option<Vec<usize>>>()
        }
        _ => None,
    };
    shape.ok_or_else(|| {
        format!("the tensor `{}` is none of 32-bit floats", Foreign::text(outlet.name()))
    })
}

/// One of it on the GPU of `cuda`, on whose stream it runs.
pub(crate) struct OnItsGpu {
    pub(crate) linked: Linked,
    pub(crate) cuda: Arc<Cuda>,
}

impl OnDevice for OnItsGpu {
    fn span(&self, name: &str) -> Result<Span<'_>, String> {
        let (address, bytes) = self.linked.place(name)?;
        // SAFETY: the tensor was allocated by the CUDA provider of this device, whose context is the primary
        // one, has so many bytes, and is held by `self`, which whoever asks on the stream waits for.
        Ok(unsafe { Span::foreign(address, bytes) })
    }

    fn run(&mut self) -> Result<(), String> {
        let bound = self.cuda.context().bind_to_thread();
        bound.map_err(|error| Foreign::text(error).to_string())?;
        self.linked.run()
    }
}

#[cfg(test)]
mod tests {
    use ort::memory::{AllocationDevice, AllocatorType, MemoryType};

    use super::*;
    use crate::detect::engine::contract::Engine as _;
    use crate::detect::engine::onnx::{Library, builder, library_for_tests};
    use crate::detect::engine::parity::{bundle, say, scene};
    use crate::detect::engine::signature::Signature;

    fn linked(library: &Library, bytes: &[u8]) -> Linked {
        let session = builder(library).expect("options").commit_from_memory(bytes);
        let here =
            MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default);
        Linked::new(session.expect("a session"), here.expect("memory")).expect("bound")
    }

    impl Linked {
        /// The floats of a tensor that lies on the CPU.
        fn floats(&mut self, name: &str) -> &mut [f32] {
            let (address, bytes) = self.place(name).expect("there");
            // SAFETY: the tensor lies on the CPU, has so many bytes, and is held by `self`.
            unsafe { std::slice::from_raw_parts_mut(address as *mut f32, bytes / 4) }
        }
    }

    /// Bound once, it answers run after run what the same network does that is given its tensors each time,
    /// states that are copied from its outputs to its inputs among them.
    #[test]
    fn what_is_bound_once_is_read_and_written_at_each_run() {
        let bundle = bundle("rimnet", "fp32");
        let Some((library, mut other)) = library_for_tests(&bundle) else { return };
        let mut linked = linked(&library, &bundle.file.bytes);
        crate::detect::engine::parity::place(&mut other, &bundle, 1).expect("placed");
        let signature = Signature::of(&bundle.tensors);
        assert_eq!(linked.tensors.len(), signature.inputs.len() + signature.outputs.len());
        bundle.tensors.states.iter().for_each(|state| linked.floats(&state.input).fill(0.0));
        let mut greatest = 0.0_f32;
        for t in 0..6 {
            let frame = scene(t);
            let look = crate::detect::engine::Look { slot: 0, frame: &frame, dt_seconds: 0.04 };
            let mut wanted = Vec::new();
            other.run(&[look], &mut |_, said| wanted = said.expect("answers").tensors);
            for (values, input) in other.made().iter().zip(&bundle.tensors.inputs) {
                linked.floats(input.name()).copy_from_slice(values);
            }
            if let Some(name) = &bundle.tensors.dt {
                linked.floats(name).fill(0.04);
            }
            linked.run().expect("runs");
            for (output, wanted) in bundle.tensors.outputs.iter().zip(&wanted) {
                let found = linked.floats(&output.name);
                let apart = found.iter().zip(wanted).map(|(one, other)| (one - other).abs());
                greatest = apart.fold(greatest, f32::max);
            }
            for state in &bundle.tensors.states {
                let next = linked.floats(&state.output).to_vec();
                linked.floats(&state.input).copy_from_slice(&next);
            }
        }
        say(format_args!("bound once, 6 runs: at most {greatest:e} apart"));
        assert!(greatest < 1e-4, "{greatest}");
        assert!(linked.place("nothing").is_err());
    }
}
