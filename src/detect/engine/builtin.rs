//! The engine in the binary: tract, on one core of the CPU.
//!
//! It cuts with `engine/cut`, out of planes that the CPU reads, and runs looks one by one.
//!
//! All shapes are fixed by the manifest before the network is optimised, so nothing is decided
//! while it runs. It computes in fp32: what a file holds in half is widened when it is read, so
//! that its weights are those of the file and its arithmetic is finer than on a GPU. int8 as the file
//! says.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tract_onnx::pb::{ModelProto, TensorProto};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::Cost;
use tract_onnx::tract_hir::infer::Factoid;

use crate::clock::Clock;
use crate::detect::bundle::Bundle;
use crate::detect::bundle::files::ModelFile;
use crate::detect::bundle::tensors::Tensors;
use crate::detect::engine::contract::{
    Engine, EngineError, EngineFound, Look, Placement, Said, SlotState,
};
use crate::detect::engine::cut::Cutters;
use crate::detect::engine::graph::sums::Limits;
#[cfg(test)]
use crate::detect::engine::graph::sums::{Sums, sum};
#[cfg(test)]
use crate::detect::engine::signature::taken_apart;
use crate::detect::engine::signature::{Signature, one_line};
#[cfg(test)]
use crate::detect::settings::ModelLimits;
use crate::media::Foreign;

const NAME: &str = "builtin";

/// A network in tract, with what its slots remember and where they look.
pub(crate) struct Builtin {
    network: TypedSimpleState,
    tensors: Tensors,
    zeros: Vec<TValue>,
    slots: Vec<Slot>,
    /// The inputs that are made of a picture. One set for all slots: looks are run one by one.
    values: Vec<Vec<f32>>,
    clock: Arc<dyn Clock>,
}

/// One place at one court.
struct Slot {
    states: Vec<TValue>,
    placed: Option<Cutters>,
}

/// What `--version` says of it.
pub(crate) fn found() -> EngineFound {
    EngineFound { name: NAME, about: "tract, one core of the CPU".to_owned() }
}

impl Builtin {
    /// [`load_within`](Self::load_within), of a network that may want what is usual.
    #[cfg(test)]
    pub(crate) fn load(bundle: &Bundle, clock: Arc<dyn Clock>) -> Result<Self, EngineError> {
        Self::load_within(Limits::of(ModelLimits::default()), bundle, clock)
    }

    /// Reads and optimises the network of `bundle`, which may want so much. Takes some 100 ms.
    ///
    /// # Errors
    /// [`EngineError`]: what about the file does not fit the manifest, this engine or the limits.
    pub(crate) fn load_within(
        limits: Limits,
        bundle: &Bundle,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, EngineError> {
        // tract indexes by the file's names in places: a file that is none can make it panic.
        let load = || Self::load_file(limits, bundle, clock);
        catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|panic| {
            // Where there is no memory it panics too, and says so.
            let why = panic.downcast_ref::<String>().cloned();
            let why = why.or_else(|| panic.downcast_ref::<&str>().map(|why| (*why).to_owned()));
            let why = Foreign::told(why.unwrap_or_default());
            Err(EngineError::Parse {
                engine: NAME,
                file: bundle.file.path.clone(),
                problem: format!("its parts do not fit each other: {why}"),
            })
        })
    }

    fn load_file(
        limits: Limits,
        bundle: &Bundle,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, EngineError> {
        let unsupported = |error: TractError| EngineError::Unsupported {
            engine: NAME,
            file: bundle.file.path.clone(),
            problem: one_line(&error),
        };
        let tensors = bundle.tensors.clone();
        let network = Signature::of(&tensors).plan(&bundle.file, limits)?;
        let zeros = tensors
            .states
            .iter()
            .map(|state| Tensor::zero::<f32>(&state.shape).map(IntoTValue::into_tvalue))
            .collect::<TractResult<Vec<TValue>>>()
            .map_err(unsupported)?;
        let values = tensors
            .inputs
            .iter()
            .map(|input| vec![0.0; input.shape().into_iter().product()])
            .collect();
        Ok(Self { network, tensors, zeros, slots: Vec::new(), values, clock })
    }

    /// Makes the inputs of one look, in `values`.
    fn prepare(&mut self, look: &Look<'_>) -> Result<(), EngineError> {
        let placed = self.slots.get_mut(look.slot).and_then(|slot| slot.placed.as_mut());
        Cutters::cut(placed, look, &mut self.values)
    }

    /// Runs the network on `values`, with and upon the state of `slot`.
    fn infer(&mut self, slot: usize, dt: f32) -> TractResult<Vec<Vec<f32>>> {
        let slot =
            self.slots.get_mut(slot).ok_or_else(|| TractError::msg("a slot that nobody made"))?;
        let states = &mut slot.states;
        let mut inputs: TVec<TValue> = TVec::with_capacity(self.values.len() + 1 + states.len());
        for (values, input) in self.values.iter().zip(&self.tensors.inputs) {
            inputs.push(Tensor::from_shape(&input.shape(), values)?.into_tvalue());
        }
        if self.tensors.dt.is_some() {
            inputs.push(Tensor::from_shape(&[1, 1], &[dt])?.into_tvalue());
        }
        inputs.extend(states.iter().cloned());
        let outputs = self.network.run(inputs);
        if outputs.is_err() {
            self.network.reset_turn()?;
        }
        let mut outputs = outputs?.into_iter();
        let mut said = Vec::with_capacity(self.tensors.outputs.len());
        for wanted in &self.tensors.outputs {
            let output =
                outputs.next().ok_or_else(|| TractError::msg(format!("no {}", wanted.name)))?;
            said.push(output.to_plain_array_view::<f32>()?.iter().copied().collect());
        }
        *states = outputs.collect();
        Ok(said)
    }

    fn look(&mut self, look: &Look<'_>) -> Result<Said, EngineError> {
        let began = self.clock.monotonic();
        self.prepare(look)?;
        let prepared = self.clock.monotonic();
        let tensors = self
            .infer(look.slot, look.dt_seconds)
            .map_err(|error| EngineError::Run { engine: NAME, problem: one_line(&error) })?;
        let ran = self.clock.monotonic();
        Ok(Said { tensors, prepared: prepared.since(began), ran: ran.since(prepared) })
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

    fn set_slots(&mut self, slots: usize) -> Result<(), EngineError> {
        let zeros = &self.zeros;
        self.slots.resize_with(slots, || Slot { states: zeros.clone(), placed: None });
        Ok(())
    }

    fn place(&mut self, slot: usize, placement: Placement) -> Result<(), EngineError> {
        let cutters = Cutters::new(&self.tensors.inputs, placement)?;
        let Some(slot) = self.slots.get_mut(slot) else {
            let problem = "a slot that nobody made".to_owned();
            return Err(EngineError::Run { engine: NAME, problem });
        };
        slot.placed = Some(cutters);
        Ok(())
    }

    fn reset(&mut self, slot: usize) {
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.states.clone_from(&self.zeros);
        }
    }

    fn run(&mut self, looks: &[Look<'_>], told: &mut dyn FnMut(usize, Result<Said, EngineError>)) {
        for (index, look) in looks.iter().enumerate() {
            told(index, self.look(look));
        }
    }

    fn state(&mut self, slot: usize) -> Option<SlotState> {
        let values = |state: &TValue| {
            Some(state.to_plain_array_view::<f32>().ok()?.iter().copied().collect())
        };
        self.slots.get(slot)?.states.iter().map(values).collect()
    }

    fn take_over(&mut self, slot: usize, state: &SlotState) -> Result<(), EngineError> {
        let both = self.tensors.states.iter().zip(state);
        let states = both.map(|(state, values)| {
            Tensor::from_shape(&state.shape, values).map(IntoTValue::into_tvalue)
        });
        let failed = |problem| EngineError::Run { engine: NAME, problem };
        let states: Vec<TValue> =
            states.collect::<TractResult<_>>().map_err(|error| failed(one_line(&error)))?;
        let slot = self.slots.get_mut(slot);
        slot.ok_or_else(|| failed("a slot that nobody made".to_owned()))?.states = states;
        Ok(())
    }
}

/// What the network of `bundle` wants, whatever that is.
#[cfg(test)]
pub(crate) fn sums_of(bundle: &Bundle) -> Option<Sums> {
    let most = u64::MAX;
    let off = Limits { constants: most, activations: most, multiply_adds: most, nodes: usize::MAX };
    let file = taken_apart(bundle.file.bytes.as_ref()).ok()?;
    sum(file.graph.as_ref()?, &Signature::of(&bundle.tensors).inputs, off).ok()
}

impl Signature {
    /// The network of `file`, checked and ready to run.
    fn plan(&self, file: &ModelFile, limits: Limits) -> Result<TypedSimpleState, EngineError> {
        let proto = self.proto_within(NAME, file, limits)?;
        let mut model = build(proto).map_err(|error| EngineError::Parse {
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

/// Builds the network, and widens what it holds in half: a core has no fast arithmetic for that.
fn build(mut file: ModelProto) -> TractResult<InferenceModel> {
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
    onnx().model_for_proto_model(&file)
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

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::clock::ManualClock;
    use crate::detect::bundle::manifest::TaskTable;
    use crate::detect::bundle::tensors::PictureInput;
    use crate::detect::bundle::{find, find_as};
    use crate::detect::embedded::IN_THE_BINARY;
    use crate::detect::engine::contract::View;
    use crate::detect::rim::crop::Crop;
    use crate::detect::rim::manifest::RimSays;
    use crate::media::{
        ChromaLayout, CourtId, CpuPicture, Frame, MediaTime, Monotonic, Pixels, Plane, RimBox,
        SessionId, UtcTime,
    };

    /// Luma alone, rows without a gap.
    #[derive(Debug)]
    struct Luma(Vec<u8>, usize);

    impl CpuPicture for Luma {
        fn chroma(&self) -> ChromaLayout {
            ChromaLayout::Nv12
        }
        fn plane(&self, index: usize) -> Option<Plane<'_>> {
            (index == 0).then_some(Plane { bytes: &self.0, stride: self.1 })
        }
    }

    fn models() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
    }

    fn load(bundle: &Bundle) -> Builtin {
        let clock = Arc::new(ManualClock::at(UtcTime::from_nanos(0)));
        Builtin::load(bundle, clock).expect("runs")
    }

    fn vectors(bundle: &str, file: &str) -> serde_json::Value {
        let path = models().join(bundle).join("testdata").join(file);
        let text = std::fs::read_to_string(path).expect("testdata");
        serde_json::from_str(&text).expect("JSON")
    }

    fn numbers(value: &serde_json::Value) -> Vec<f32> {
        #[expect(clippy::cast_possible_truncation, reason = "test data")]
        let number = |value: &serde_json::Value| value.as_f64().expect("a number") as f32;
        value.as_array().expect("a list").iter().map(number).collect()
    }

    /// Every bundle that ships, against what its training side wrote down.
    #[test]
    fn shipped_bundles_answer_as_their_training_side_does() {
        for embedded in IN_THE_BINARY {
            let bundle = find(embedded.name, &[], IN_THE_BINARY).expect("the binary's own");
            assert!(models().join(embedded.name).join("model.toml").exists(), "is in models/");
            let told = vectors(embedded.name, "net.json");
            match &bundle.table {
                TaskTable::Rim(table) => check_rim(&mut load(&bundle), &table.says, &told, 2e-3),
                TaskTable::Ring(_) => check_ring(&mut load(&bundle), &told),
            }
        }
    }

    /// Half is widened when it is read; eight bits answer more coarsely.
    #[test]
    fn other_precisions_of_a_shipped_bundle_answer_nearly_the_same() {
        for (name, precision, by) in
            [("rimnet", "fp16", 0.02), ("rimnet", "int8", 1.0), ("ballnet", "fp16", 0.05)]
        {
            let bundle = find_as(name, precision, &[models()], &[]).expect("there");
            assert_eq!(bundle.file.precision, precision);
            let says = bundle.rim().expect("decides").says.clone();
            check_rim(&mut load(&bundle), &says, &vectors(name, "net.json"), by);
        }
    }

    /// The moving square of `bundle.py` as bytes: picture `t`, square, `size` wide.
    fn moving_square(t: usize, size: usize) -> Vec<u8> {
        let value = |row: usize, column: usize| {
            let bright = (4 * t..4 * t + 14).contains(&row) && (30..44).contains(&column);
            60 + row / 2 + column / 4 + if bright { 90 } else { 0 }
        };
        let byte = |at: usize| u8::try_from(value(at / size, at % size)).expect("a byte");
        (0..size * size).map(byte).collect()
    }

    /// Of classes all that is said was written down, of maps some cells (`at`).
    fn check_rim(engine: &mut Builtin, says: &RimSays, told: &serde_json::Value, by: f32) {
        let size = usize::try_from(told["size"].as_u64().expect("size")).expect("small");
        let (what, at) = match says {
            RimSays::Classes => ("logits", (0..4).collect()),
            RimSays::Ball(_) => ("maps", cells(&told["at"])),
        };
        engine.set_slots(2).expect("room");
        for (t, wanted) in told[what].as_array().expect("answers").iter().enumerate() {
            engine.values =
                vec![moving_square(t, size).iter().map(|b| f32::from(*b) / 255.0).collect()];
            let found = engine.infer(1, 1.0 / 30.0).expect("runs").remove(0);
            let wanted = numbers(wanted);
            assert_eq!(wanted.len(), at.len());
            for (at, wanted) in at.iter().zip(wanted) {
                let found = found[*at];
                assert!((found - wanted).abs() < by, "frame {t}: {found} {wanted}");
            }
        }
    }

    fn cells(at: &serde_json::Value) -> Vec<usize> {
        let cell =
            |at: &serde_json::Value| usize::try_from(at.as_u64().expect("whole")).expect("small");
        at.as_array().expect("a list").iter().map(cell).collect()
    }

    /// The picture of `bundle.py`'s `pattern`, by the formula that the vectors tell.
    fn pattern() -> Vec<f32> {
        let mut values = vec![0.0; 3 * 360 * 640];
        for row in 0..360_i32 {
            for column in 0..640_i32 {
                let mut yuv = [
                    60 + row / 4 + column / 8,
                    128 + (row / 16 + column / 32) % 5,
                    128 - (row / 32) % 7,
                ];
                if (100..170).contains(&row) && (270..370).contains(&column) {
                    yuv[0] = 230;
                }
                let far = ((column - 320) * 3).pow(2) + ((row - 160) * 8).pow(2);
                if (75 * 75..95 * 95).contains(&far) {
                    yuv = [120, 90, 200];
                }
                for (plane, value) in yuv.iter().enumerate() {
                    let at = usize::try_from(row * 640 + column).expect("in the picture");
                    let byte = u8::try_from(*value).expect("byte");
                    values[plane * 360 * 640 + at] = f32::from(byte) / 255.0;
                }
            }
        }
        values
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "test data")]
    fn check_ring(engine: &mut Builtin, told: &serde_json::Value) {
        engine.set_slots(1).expect("room");
        engine.values = vec![pattern()];
        let found = engine.infer(0, 0.0).expect("ran").remove(0);
        for (at, wanted) in numbers(&told["at"]).into_iter().zip(numbers(&told["found"])) {
            let found = found[at as usize];
            assert!((found - wanted).abs() < 5e-3, "at {at}: {found} {wanted}");
        }
    }

    fn frame(bytes: Vec<u8>, size: usize) -> Arc<Frame> {
        let side = u32::try_from(size).expect("small");
        Arc::new(Frame {
            court: CourtId::new("north").expect("name"),
            session: SessionId::from_bits(1),
            pts: MediaTime::ZERO,
            width: side,
            height: side,
            arrival: Monotonic::ZERO,
            decoded: Monotonic::ZERO,
            pixels: Pixels::Cpu(Box::new(Luma(bytes, size))),
        })
    }

    /// Frames in, logits out: what it cuts and runs by itself is bit for bit what the crop's code
    /// cuts and the network makes of it, slot by slot, in batches too.
    #[test]
    fn a_batch_of_frames_says_what_crops_run_one_by_one_say() {
        let bundle = find("rimnet", &[], IN_THE_BINARY).expect("the binary's own");
        let PictureInput::Around(input) = &bundle.tensors.inputs[0] else { panic!("a crop") };
        let (mut engine, mut by_hand) = (load(&bundle), load(&bundle));
        let rims = [
            RimBox { x: 30.0, y: 30.0, w: 20.0, h: 10.0 },
            RimBox { x: -3.0, y: 11.0, w: 31.5, h: 12.0 },
        ];
        engine.set_slots(2).expect("room");
        by_hand.set_slots(2).expect("room");
        for (slot, rim) in rims.into_iter().enumerate() {
            let view = View::Around(rim);
            engine.place(slot, Placement { picture: (80, 80), view }).expect("placed");
        }
        for t in 0..6 {
            let frame = frame(moving_square(t, 80), 80);
            let dt_seconds = 0.04;
            let looks = [1, 0].map(|slot| Look { slot, frame: &frame, dt_seconds });
            let mut said = Vec::new();
            engine.run(&looks, &mut |index, result| said.push((index, result.expect("ran"))));
            assert_eq!(said.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1]);
            for (index, said) in said {
                let slot = looks[index].slot;
                let mut crop = Crop::new(input, rims[slot], (80, 80)).expect("box");
                let mut values = vec![0.0; crop.values()];
                crop.cut(frame.to_cpu().expect("here"), &mut values).expect("planes");
                by_hand.values = vec![values];
                assert_eq!(said.tensors, by_hand.infer(slot, dt_seconds).expect("ran"), "{t}");
            }
        }
    }

    #[test]
    fn a_look_that_cannot_be_had_is_told_for_itself() {
        let bundle = find("rimnet", &[], IN_THE_BINARY).expect("the binary's own");
        let mut engine = load(&bundle);
        engine.set_slots(2).expect("room");
        let view = View::Around(RimBox { x: 30.0, y: 30.0, w: 20.0, h: 10.0 });
        let placed = Placement { picture: (80, 80), view };
        engine.place(1, placed).expect("placed");
        let no_box = View::Around(RimBox { x: 30.0, y: 30.0, w: 0.0, h: 10.0 });
        let error = engine.place(0, Placement { view: no_box, ..placed }).expect_err("no box");
        assert!(matches!(error, EngineError::Place { .. }), "{error}");
        assert!(engine.place(2, placed).is_err(), "there is no such slot");
        assert!(engine.place(0, Placement { view: View::Whole, ..placed }).is_err(), "no rim");
        let whole = frame(moving_square(0, 80), 80);
        let short = frame(vec![0; 80], 80);
        let looks = [(0, &whole), (1, &short), (1, &whole)].map(|(slot, frame)| Look {
            slot,
            frame,
            dt_seconds: 0.0,
        });
        let mut told = Vec::new();
        engine.run(&looks, &mut |_, result| told.push(result.map_err(|error| error.to_string())));
        let [not_placed, unreadable, good] = told.as_slice() else { panic!("{told:?}") };
        let error = not_placed.as_ref().expect_err("not placed");
        assert!(error.contains("slot 0 is not placed for pictures of 80x80"), "{error}");
        let error = unreadable.as_ref().expect_err("short");
        assert!(error.starts_with("cut the crop: the decoder gave a picture whose"), "{error}");
        assert_eq!(good.as_ref().expect("ran").tensors[0].len(), 4);
    }

    /// Room for more takes nothing from those that there are.
    #[test]
    fn slots_that_stay_keep_what_they_remember() {
        let bundle = find("rimnet", &[], IN_THE_BINARY).expect("the binary's own");
        let (mut grown, mut alone) = (load(&bundle), load(&bundle));
        let say = |engine: &mut Builtin, t: usize| {
            engine.values =
                vec![moving_square(t, 80).iter().map(|b| f32::from(*b) / 255.0).collect()];
            engine.infer(0, 0.04).expect("ran")
        };
        for engine in [&mut grown, &mut alone] {
            engine.set_slots(1).expect("room");
            say(engine, 0);
        }
        grown.set_slots(3).expect("room");
        assert_eq!(say(&mut grown, 1), say(&mut alone, 1));
        grown.reset(0);
        assert_ne!(say(&mut grown, 2), say(&mut alone, 2));
    }
}
