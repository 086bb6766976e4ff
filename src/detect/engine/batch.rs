//! A network that was exported for one look, made to take several at once (pure).
//!
//! Bundles declare a first dimension of 1 everywhere. Most operators do not care; what does is what
//! says a shape: inputs, outputs, and the targets of `Reshape` whose data hangs on an input. Those that
//! begin with 1 begin with the size of the batch afterwards. Operators that work along that dimension
//! are refused, and whoever uses the result compares it with the network as it was.

use std::collections::HashSet;

use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto};
use tract_onnx::pb::{tensor_shape_proto, type_proto};

/// Makes the network of `model` one of `batch` looks at once.
///
/// # Errors
/// What of it cannot be.
pub(crate) fn batched(mut model: ModelProto, batch: usize) -> Result<ModelProto, String> {
    let size = i64::try_from(batch).map_err(|_| "a batch beyond all numbers".to_owned())?;
    let graph = model.graph.as_mut().ok_or("the file has no graph")?;
    let live = live(graph);
    let constants: HashSet<String> =
        graph.initializer.iter().map(|constant| constant.name.clone()).collect();
    let mut targets = HashSet::new();
    for node in &graph.node {
        if !node.input.iter().any(|input| live.contains(input)) {
            continue;
        }
        refuse_along_the_batch(node)?;
        let moved = node.input.first().is_some_and(|data| live.contains(data));
        if node.op_type == "Reshape" && moved {
            let target = node.input.get(1).cloned().unwrap_or_default();
            if !constants.contains(&target) {
                return Err(format!("`{}` takes a shape that is worked out", node.name));
            }
            targets.insert(target);
        }
    }
    for node in &graph.node {
        let shape = |at: usize, input: &String| {
            targets.contains(input) && (node.op_type != "Reshape" || at != 1)
        };
        if node.input.iter().enumerate().any(|(at, input)| shape(at, input)) {
            return Err(format!("`{}` shares the shape of a Reshape", node.name));
        }
    }
    for constant in &mut graph.initializer {
        if targets.contains(&constant.name) {
            begin_with(constant, size)?;
        }
    }
    for tensor in graph.input.iter_mut().chain(&mut graph.output) {
        let kind = tensor.r#type.as_mut().and_then(|kind| kind.value.as_mut());
        let Some(type_proto::Value::TensorType(kind)) = kind else {
            return Err(format!("`{}` is no tensor", tensor.name));
        };
        let first = kind.shape.as_mut().and_then(|shape| shape.dim.first_mut());
        let first = first.ok_or_else(|| format!("`{}` has no dimensions", tensor.name))?;
        match first.value {
            Some(tensor_shape_proto::dimension::Value::DimValue(1)) => {
                first.value = Some(tensor_shape_proto::dimension::Value::DimValue(size));
            }
            _ => return Err(format!("`{}` does not begin with a dimension of 1", tensor.name)),
        }
    }
    // What was noted of shapes in between is not true any more.
    graph.value_info.clear();
    Ok(model)
}

/// The bytes of a file of it.
#[cfg(any(feature = "tensorrt", all(feature = "onnx", feature = "cuda")))]
pub(crate) fn encoded(model: &ModelProto) -> Vec<u8> {
    use prost::Message as _;
    model.encode_to_vec()
}

/// Names of all that hangs on an input.
fn live(graph: &GraphProto) -> HashSet<String> {
    let mut live: HashSet<String> = graph.input.iter().map(|input| input.name.clone()).collect();
    for constant in &graph.initializer {
        live.remove(&constant.name);
    }
    for node in &graph.node {
        if node.input.iter().any(|input| live.contains(input)) {
            live.extend(node.output.iter().cloned());
        }
    }
    live
}

/// Refuses what would mix looks of a batch, as far as that is written in the node.
fn refuse_along_the_batch(node: &NodeProto) -> Result<(), String> {
    let attribute = |name: &str| node.attribute.iter().find(|attribute| attribute.name == name);
    let along = match node.op_type.as_str() {
        "Concat" | "Softmax" | "Split" | "Gather" | "LogSoftmax" | "ArgMax" => {
            attribute("axis").is_some_and(|axis| axis.i == 0)
        }
        "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceProd" => {
            attribute("axes").is_some_and(|axes| axes.ints.contains(&0))
        }
        "Transpose" => attribute("perm").is_some_and(|perm| perm.ints.first() != Some(&0)),
        "Flatten" => attribute("axis").is_some_and(|axis| axis.i == 0),
        "BatchNormalization" => attribute("training_mode").is_some_and(|mode| mode.i != 0),
        "If" | "Loop" | "Scan" | "NonMaxSuppression" | "NonZero" => true,
        _ => false,
    };
    if along {
        return Err(format!("`{}` ({}) works across looks", node.name, node.op_type));
    }
    Ok(())
}

/// A target shape that begins with 1 begins with `size`.
fn begin_with(shape: &mut TensorProto, size: i64) -> Result<(), String> {
    if let Some(first) = shape.int64_data.first_mut() {
        return if *first == 1 {
            *first = size;
            Ok(())
        } else {
            Err(format!("the shape `{}` does not begin with 1", shape.name))
        };
    }
    let mut raw = shape.raw_data.to_vec();
    match raw.first_chunk_mut::<8>() {
        Some(first) if i64::from_le_bytes(*first) == 1 => *first = size.to_le_bytes(),
        _ => return Err(format!("the shape `{}` does not begin with 1", shape.name)),
    }
    shape.raw_data = raw;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tract_onnx::prelude::*;

    use super::*;
    use crate::detect::engine::parity::bundle;
    use crate::detect::engine::signature::{Signature, taken_apart};

    type Runs = Arc<TypedSimplePlan>;

    fn runs(model: &ModelProto, inputs: &[(String, Vec<usize>)]) -> Runs {
        let mut network = onnx().model_for_proto_model(model).expect("a network");
        for (name, shape) in inputs {
            let at = network
                .inputs
                .iter()
                .position(|outlet| network.node(outlet.node).name == *name)
                .expect("an input");
            network.set_input_fact(at, f32::fact(shape).into()).expect("fits");
        }
        network.into_optimized().and_then(|network| network.into_runnable()).expect("runs")
    }

    fn noise(shape: &[usize], seed: u32) -> Tensor {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
        let count: usize = shape.iter().product();
        let values: Vec<f32> = (0..count)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f32::from(u16::try_from(state >> 16).expect("16 bits")) / 65_536.0
            })
            .collect();
        Tensor::from_shape(shape, &values).expect("shape")
    }

    /// A batch of three says of each what the network says of it alone, in outputs and states.
    #[test]
    fn a_batch_says_what_its_looks_say_alone() {
        for (name, precision) in [("rimnet", "fp32"), ("rimfinder", "fp32")] {
            let bundle = bundle(name, precision);
            let file = taken_apart(&bundle.file.bytes).expect("ONNX");
            let one = Signature::of(&bundle.tensors).inputs;
            let three: Vec<(String, Vec<usize>)> = one
                .iter()
                .map(|(name, shape)| (name.clone(), [&[3], &shape[1..]].concat()))
                .collect();
            let alone = runs(&file, &one);
            let together = runs(&batched(file, 3).expect("is batched"), &three);
            let looks: Vec<Vec<Tensor>> = (0..3)
                .map(|look| {
                    let seeds = one.iter().zip(0..);
                    seeds.map(|((_, shape), at)| noise(shape, 7 * look + at)).collect()
                })
                .collect();
            let stacked = (0..one.len()).map(|input| {
                let each: Vec<Tensor> = looks.iter().map(|look| look[input].clone()).collect();
                Tensor::stack_tensors(0, &each).expect("stacks").into_tvalue()
            });
            let said = together.run(stacked.collect()).expect("ran");
            for (at, look) in looks.into_iter().enumerate() {
                let inputs = look.into_iter().map(IntoTValue::into_tvalue).collect();
                for (alone, together) in alone.run(inputs).expect("ran").iter().zip(&said) {
                    let row = together.slice(0, at, at + 1).expect("a row");
                    alone.close_enough(&row, true).expect("the same");
                }
            }
        }
    }

    #[test]
    fn what_works_across_looks_is_refused() {
        let bundle = bundle("rimnet", "fp32");
        let file = taken_apart(&bundle.file.bytes).expect("ONNX");
        let mut across = file.clone();
        let graph = across.graph.as_mut().expect("a graph");
        let node = graph.node.iter_mut().find(|node| node.op_type == "Concat").expect("has one");
        node.attribute.iter_mut().for_each(|attribute| attribute.i = 0);
        let error = batched(across, 3).expect_err("along the batch");
        assert!(error.ends_with("(Concat) works across looks"), "{error}");
        let error = batched(batched(file, 2).expect("once"), 3).expect_err("twice");
        assert!(error.contains("does not begin with"), "{error}");
    }
}
