//! The engine in the binary: tract, on one core of the CPU.
//!
//! All shapes are fixed by the manifest before the network is optimised, so nothing is decided
//! while it runs. It computes in fp32: what a file holds in half is widened when it is read, so
//! that its weights are those of the file and its arithmetic is finer than on a GPU. int8 as the file
//! says.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tract_onnx::pb::TensorProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::Cost;
use tract_onnx::tract_hir::infer::Factoid;

use crate::detect::bundle::Bundle;
use crate::detect::bundle::files::ModelFile;
use crate::detect::engine::contract::{Engine, EngineError};

const NAME: &str = "builtin";

/// A network in tract, with the states of its slots.
pub(crate) struct Builtin {
    network: TypedSimpleState,
    crop_shapes: Vec<Vec<usize>>,
    takes_dt: bool,
    zeros: Vec<TValue>,
    slots: Vec<Vec<TValue>>,
}

impl Builtin {
    /// Reads and optimises the network of `bundle`. Takes some 100 ms.
    ///
    /// # Errors
    /// [`EngineError`]: what about the file does not fit the manifest or this engine.
    pub(crate) fn load(bundle: &Bundle) -> Result<Self, EngineError> {
        // tract indexes by the file's names in places: a file that is none can make it panic.
        catch_unwind(AssertUnwindSafe(|| Self::load_file(bundle))).unwrap_or_else(|_| {
            Err(EngineError::Parse {
                engine: NAME,
                file: bundle.file.path.clone(),
                problem: "its parts do not fit each other".to_owned(),
            })
        })
    }

    fn load_file(bundle: &Bundle) -> Result<Self, EngineError> {
        let unsupported = |error: TractError| EngineError::Unsupported {
            engine: NAME,
            file: bundle.file.path.clone(),
            problem: one_line(&error),
        };
        let network = Wanted::of(bundle).plan(&bundle.file)?;
        let zeros = bundle
            .states
            .iter()
            .map(|state| Tensor::zero::<f32>(&state.shape).map(IntoTValue::into_tvalue))
            .collect::<TractResult<Vec<TValue>>>()
            .map_err(unsupported)?;
        let crop_shapes = bundle
            .inputs
            .iter()
            .map(|input| vec![1, input.channels.len(), input.size, input.size])
            .collect();
        Ok(Self { network, crop_shapes, takes_dt: bundle.dt.is_some(), zeros, slots: Vec::new() })
    }

    fn run(&mut self, slot: usize, crops: &[Vec<f32>], dt: f32) -> TractResult<Vec<f32>> {
        let states =
            self.slots.get_mut(slot).ok_or_else(|| TractError::msg("a slot that nobody made"))?;
        let mut inputs: TVec<TValue> = TVec::with_capacity(crops.len() + 1 + states.len());
        for (crop, shape) in crops.iter().zip(&self.crop_shapes) {
            inputs.push(Tensor::from_shape(shape, crop)?.into_tvalue());
        }
        if self.takes_dt {
            inputs.push(Tensor::from_shape(&[1, 1], &[dt])?.into_tvalue());
        }
        inputs.extend(states.iter().cloned());
        let outputs = self.network.run(inputs);
        if outputs.is_err() {
            self.network.reset_turn()?;
        }
        let mut outputs = outputs?.into_iter();
        let logits = outputs.next().ok_or_else(|| TractError::msg("no logits"))?;
        let logits = logits.to_plain_array_view::<f32>()?.iter().copied().collect();
        *states = outputs.collect();
        Ok(logits)
    }
}

impl Engine for Builtin {
    fn name(&self) -> &'static str {
        NAME
    }

    fn multiply_adds(&self) -> Option<u64> {
        let network = self.network.model();
        let mut total = 0;
        for node in network.nodes() {
            let facts = network.node_input_facts(node.id).ok()?;
            for (cost, count) in node.op.cost(&facts).ok()? {
                if matches!(cost, Cost::FMA(_)) {
                    total += u64::try_from(count.to_i64().ok()?).ok()?;
                }
            }
        }
        Some(total)
    }

    fn set_slots(&mut self, slots: usize) {
        self.slots = vec![self.zeros.clone(); slots];
    }

    fn reset(&mut self, slot: usize) {
        if let Some(states) = self.slots.get_mut(slot) {
            states.clone_from(&self.zeros);
        }
    }

    fn step(
        &mut self,
        slot: usize,
        crops: &[Vec<f32>],
        dt_seconds: f32,
    ) -> Result<Vec<f32>, EngineError> {
        self.run(slot, crops, dt_seconds)
            .map_err(|error| EngineError::Run { engine: NAME, problem: one_line(&error) })
    }
}

/// A network without memory: one tensor in, one out.
pub(crate) struct Whole {
    network: TypedSimpleState,
    shape: [usize; 4],
}

impl Whole {
    /// Reads and optimises `file`, whose input and output have these names and shapes.
    ///
    /// # Errors
    /// [`EngineError`]: what about the file does not fit, or cannot be run.
    pub(crate) fn load(
        file: &ModelFile,
        (input, shape): (&str, [usize; 4]),
        (output, given): (&str, [usize; 4]),
    ) -> Result<Self, EngineError> {
        let wanted = Wanted {
            inputs: vec![(input.to_owned(), shape.to_vec())],
            outputs: vec![(output.to_owned(), given.to_vec())],
        };
        let network =
            catch_unwind(AssertUnwindSafe(|| wanted.plan(file))).unwrap_or_else(|_| {
                Err(EngineError::Parse {
                    engine: NAME,
                    file: file.path.clone(),
                    problem: "its parts do not fit each other".to_owned(),
                })
            })?;
        Ok(Self { network, shape })
    }

    /// Runs `values`, of the input's shape, through.
    ///
    /// # Errors
    /// [`EngineError::Run`].
    pub(crate) fn run(&mut self, values: &[f32]) -> Result<Vec<f32>, EngineError> {
        let ran = Tensor::from_shape(&self.shape, values).and_then(|input| {
            let outputs = self.network.run(tvec!(input.into_tvalue()));
            if outputs.is_err() {
                self.network.reset_turn()?;
            }
            let outputs = outputs?;
            let first = outputs.first().ok_or_else(|| TractError::msg("no output"))?;
            Ok(first.to_plain_array_view::<f32>()?.iter().copied().collect())
        });
        ran.map_err(|error| EngineError::Run { engine: NAME, problem: one_line(&error) })
    }
}

/// The network's inputs and outputs, as the manifest says.
struct Wanted {
    inputs: Vec<(String, Vec<usize>)>,
    outputs: Vec<(String, Vec<usize>)>,
}

impl Wanted {
    fn of(bundle: &Bundle) -> Self {
        let mut inputs: Vec<(String, Vec<usize>)> = bundle
            .inputs
            .iter()
            .map(|input| {
                (input.name.clone(), vec![1, input.channels.len(), input.size, input.size])
            })
            .collect();
        inputs.extend(bundle.dt.iter().map(|name| (name.clone(), vec![1, 1])));
        let mut outputs = vec![(bundle.logits.clone(), vec![1, 4])];
        for state in &bundle.states {
            inputs.push((state.input.clone(), state.shape.clone()));
            outputs.push((state.output.clone(), state.shape.clone()));
        }
        Self { inputs, outputs }
    }

    /// The network of `file`, checked and ready to run.
    fn plan(&self, file: &ModelFile) -> Result<TypedSimpleState, EngineError> {
        let mut model = read(file.bytes.as_ref()).map_err(|error| EngineError::Parse {
            engine: NAME,
            file: file.path.clone(),
            problem: one_line(&error),
        })?;
        self.check(file, &model)?;
        let unsupported = |error: TractError| EngineError::Unsupported {
            engine: NAME,
            file: file.path.clone(),
            problem: one_line(&error),
        };
        let network =
            self.fix(&mut model).and_then(|()| model.into_optimized()).map_err(unsupported)?;
        self.check_outputs(file, &network)?;
        network.into_runnable().and_then(|plan| plan.spawn()).map_err(unsupported)
    }

    /// Names and shapes that the file declares.
    fn check(&self, file: &ModelFile, model: &InferenceModel) -> Result<(), EngineError> {
        let file = || file.path.clone();
        let has: Vec<String> =
            model.inputs.iter().map(|outlet| model.node(outlet.node).name.clone()).collect();
        for (name, shape) in &self.inputs {
            let Some(at) = has.iter().position(|known| known == name) else {
                let (name, has) = (name.clone(), has.join(", "));
                return Err(EngineError::Name { file: file(), what: "input", name, has });
            };
            let fact = model.input_fact(at).cloned().map_err(|error| EngineError::Unsupported {
                engine: NAME,
                file: file(),
                problem: one_line(&error),
            })?;
            let declared = InferenceFact::dt_shape(f32::datum_type(), shape);
            if fact.unify(&declared).is_err() {
                return Err(EngineError::Shape {
                    file: file(),
                    name: name.clone(),
                    wanted: format!("f32 {shape:?}"),
                    found: format!("{fact:?}"),
                });
            }
        }
        for name in &has {
            if !self.inputs.iter().any(|(known, _)| known == name) {
                let has = self.inputs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
                return Err(EngineError::Name {
                    file: "model.toml".to_owned(),
                    what: "entry for the network's input",
                    name: name.clone(),
                    has: has.join(", "),
                });
            }
        }
        let has: Vec<String> = model
            .outputs
            .iter()
            .map(|outlet| match model.outlet_label(*outlet) {
                Some(label) => label.to_owned(),
                None => model.node(outlet.node).name.clone(),
            })
            .collect();
        for (name, _) in &self.outputs {
            if !has.contains(name) {
                let (name, has) = (name.clone(), has.join(", "));
                return Err(EngineError::Name { file: file(), what: "output", name, has });
            }
        }
        Ok(())
    }

    /// Fixes order and shapes of inputs and outputs.
    fn fix(&self, model: &mut InferenceModel) -> TractResult<()> {
        let names: Vec<&str> = self.inputs.iter().map(|(name, _)| name.as_str()).collect();
        model.set_input_names(&names)?;
        for (at, (_, shape)) in self.inputs.iter().enumerate() {
            model.set_input_fact(at, InferenceFact::dt_shape(f32::datum_type(), shape))?;
        }
        let names: Vec<&str> = self.outputs.iter().map(|(name, _)| name.as_str()).collect();
        model.select_outputs_by_name(&names)
    }

    /// Shapes that the network turned out to give.
    fn check_outputs(&self, file: &ModelFile, network: &TypedModel) -> Result<(), EngineError> {
        for (at, (name, shape)) in self.outputs.iter().enumerate() {
            let found = network.output_fact(at).ok().cloned();
            let right = found.as_ref().is_some_and(|fact| {
                fact.datum_type == f32::datum_type()
                    && fact.shape.as_concrete().is_some_and(|found| found == shape.as_slice())
            });
            if !right {
                return Err(EngineError::Shape {
                    file: file.path.clone(),
                    name: name.clone(),
                    wanted: format!("f32 {shape:?}"),
                    found: found.map_or_else(|| "none".to_owned(), |fact| format!("{fact:?}")),
                });
            }
        }
        Ok(())
    }
}

/// Reads a file, and widens what it holds in half: a core has no fast arithmetic for that.
fn read(bytes: &[u8]) -> TractResult<InferenceModel> {
    let onnx = onnx();
    let mut file = onnx.proto_model_for_read(&mut Cursor::new(bytes))?;
    if let Some(graph) = &mut file.graph {
        for tensor in &mut graph.initializer {
            widen(tensor);
        }
        for node in &mut graph.node {
            for attribute in &mut node.attribute {
                if node.op_type == "Cast" && attribute.name == "to" && attribute.i == HALF {
                    attribute.i = SINGLE;
                }
            }
        }
    }
    onnx.model_for_proto_model(&file)
}

/// Numbers of `TensorProto.DataType` (onnx.proto3).
const SINGLE: i64 = 1;
const HALF: i64 = 10;

/// A constant in half as the same numbers in single.
fn widen(tensor: &mut TensorProto) {
    if i64::from(tensor.data_type) == HALF && !tensor.raw_data.is_empty() {
        tensor.data_type = 1;
        tensor.raw_data = tensor
            .raw_data
            .chunks_exact(2)
            .flat_map(|pair| match *pair {
                [low, high] => f16::from_le_bytes([low, high]).to_f32().to_le_bytes(),
                _ => [0; 4],
            })
            .collect();
    }
}

/// tract's chain of causes as one line.
fn one_line(error: &TractError) -> String {
    format!("{error:#}").replace('\n', " ")
}
