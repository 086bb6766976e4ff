//! What shipped networks want, and what bombs do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use tract_onnx::pb::{AttributeProto, TensorProto, ValueInfoProto};

use super::*;
use crate::clock::ManualClock;
use crate::detect::bundle::{Bundle, find_as};
use crate::detect::engine::builtin::{Builtin, sums_of};
use crate::detect::engine::contract::{Engine, EngineError};
use crate::detect::settings::ModelLimits;
use crate::media::UtcTime;

/// No limit at all: what was there before there were any.
const OFF: Limits = Limits {
    constants: u64::MAX,
    activations: u64::MAX,
    multiply_adds: u64::MAX,
    nodes: usize::MAX,
};

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn bomb(name: &str) -> Bundle {
    let manifest = root("tests/data/models/bombs").join(name).join("model.toml");
    Bundle::read(name, &manifest).expect("its manifest is good")
}

fn usual() -> Limits {
    Limits::of(ModelLimits::default())
}

fn load(limits: Limits, bundle: &Bundle) -> Result<Builtin, EngineError> {
    let clock = Arc::new(ManualClock::at(UtcTime::from_nanos(0)));
    Builtin::load_within(limits, bundle, clock)
}

#[test]
fn each_bomb_is_refused_with_its_sum() {
    let names = ["tile", "expand", "resize", "fill", "range", "chain", "dims", "external"];
    let told = names.map(|name| {
        let error = load(usual(), &bomb(name)).err().map(|error| error.to_string());
        format!("{name}: {}", error.expect("refused"))
    });
    insta::assert_snapshot!(told.join("\n"));
}

/// Negative control: without limits 500 bytes that want gigabytes at the first picture are as good as
/// any other network.
#[test]
fn without_limits_a_bomb_is_taken() {
    assert!(load(OFF, &bomb("tile")).is_ok());
    let few = Limits { constants: 3, ..OFF };
    assert!(matches!(load(few, &bomb("tile")), Err(EngineError::TooMuch { .. })));
}

/// A venue that knows its model lets it have more, or less, and is told by which key.
#[test]
fn what_is_configured_is_what_a_network_may_want() {
    let nodes = || vec![named("MatMul", &["x", "x"], "y", &[])];
    let refused = |size: usize, limits| {
        let input = [("x".to_owned(), vec![size, size])];
        let told = sum(&of(nodes(), vec![], "y"), &input, Limits::of(limits)).err();
        told.map(|error| error.to_string()).unwrap_or_default()
    };
    let usual = ModelLimits::default();
    assert_eq!(refused(3_000, usual), "");
    let told = refused(3_700, usual);
    assert!(told.contains("50653 million multiply-adds"), "{told}");
    assert!(told.ends_with("(`model_multiply_adds` of [detect])"), "{told}");
    let more = ModelLimits { multiply_adds: 60_000_000_000, ..usual };
    assert_eq!(refused(3_700, more), "");
    let less = ModelLimits { memory_bytes: 70_000_000, ..more };
    let told = refused(3_700, less);
    assert!(told.ends_with("may have 70 MB (`model_memory_bytes` of [detect])"), "{told}");
}

/// Every network that ships is known operator by operator, is far from each limit, and its sum of
/// multiply-adds is the engine's own.
#[test]
fn what_ships_is_summed_whole_and_wants_little() {
    for (name, precision) in
        [("rimnet", "fp32"), ("rimnet", "fp16"), ("rimnet", "int8"), ("rimfinder", "fp32")]
    {
        let bundle = find_as(name, precision, &[root("models")], &[]).expect("there");
        let sums = sums_of(&bundle).expect("summed");
        assert_eq!(sums.unknown, 0, "{name} {precision}");
        let Limits { constants, activations, multiply_adds, .. } = usual();
        let near = [
            sums.constants * 5 > constants,
            sums.activations * 5 > activations,
            sums.multiply_adds * 10 > multiply_adds,
        ];
        assert_eq!(near, [false; 3], "{name} {precision}: {sums:?}");
        assert!(sums.constants > 1_000_000 && sums.activations > 50_000, "{name}: {sums:?}");
        let engine = load(usual(), &bundle).expect("runs");
        let own = engine.multiply_adds().expect("it tells");
        if precision == "fp32" {
            let low = own - own / 10;
            assert!((low..own * 2).contains(&sums.multiply_adds), "{name}: {own}, {sums:?}");
        }
    }
}

fn named(op: &str, inputs: &[&str], output: &str, attributes: &[(&str, &[i64])]) -> NodeProto {
    let attribute = |(name, ints): &(&str, &[i64])| AttributeProto {
        name: (*name).to_owned(),
        i: ints.first().copied().unwrap_or(0),
        ints: ints.to_vec(),
        ..AttributeProto::default()
    };
    NodeProto {
        op_type: op.to_owned(),
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.to_owned()],
        attribute: attributes.iter().map(attribute).collect(),
        ..NodeProto::default()
    }
}

fn whole(name: &str, numbers: &[i64]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: vec![numbers.len() as i64],
        data_type: 7,
        int64_data: numbers.to_vec(),
        ..TensorProto::default()
    }
}

fn of(node: Vec<NodeProto>, initializer: Vec<TensorProto>, gives: &str) -> GraphProto {
    let output = vec![ValueInfoProto { name: gives.to_owned(), ..ValueInfoProto::default() }];
    GraphProto { node, initializer, output, ..GraphProto::default() }
}

/// What is no longer needed is let go: a long chain of small steps wants what two of them want.
#[test]
fn what_is_alive_at_once_is_summed_not_what_ever_was() {
    let chain: Vec<NodeProto> =
        (0..100).map(|n| named("Relu", &[&format!("v{n}")], &format!("v{}", n + 1), &[])).collect();
    let input = [("v0".to_owned(), vec![1000, 1000])];
    let sums = sum(&of(chain, vec![], "v100"), &input, usual()).expect("little");
    assert_eq!((sums.activations, sums.multiply_adds), (8_000_000, 100_000_000));
}

#[test]
fn a_graph_without_end_is_refused_before_it_is_walked() {
    let many = (0..20_001).map(|_| named("Nobody", &[], "v", &[])).collect();
    let refused = sum(&of(many, vec![], "v"), &[], usual());
    assert_eq!(refused, Err(TooMuch::Nodes { has: 20_001, most: 20_000 }));
}

/// A trial shows nothing of what hangs on values: it has one picture, and the next finds more in it.
#[test]
fn what_hangs_on_the_picture_is_refused_by_its_operator() {
    let refused = |node: NodeProto| {
        let tables = vec![whole("two", &[2]), whole("depth", &[2])];
        let input = [("x".to_owned(), vec![1, 2, 10, 20])];
        sum(&of(vec![node], tables, "y"), &input, usual()).err().map(|error| error.to_string())
    };
    for op in ["NonZero", "Compress", "Unique", "NonMaxSuppression", "Loop", "Scan", "If"] {
        let told = refused(named(op, &["x"], "y", &[])).expect("refused");
        assert!(told.contains(&format!("({op}")), "{told}");
    }
    for op in ["Range", "ConstantOfShape", "Expand", "Tile", "Resize"] {
        assert!(
            refused(named(op, &["x", "x", "x", "x"], "y", &[])).is_some(),
            "{op} of what is shown"
        );
    }
    assert_eq!(refused(named("Relu", &["x"], "y", &[])), None);
    assert_eq!(refused(named("Nobody", &["x"], "y", &[])), None, "left to the trial");
}

/// Shapes are followed through the arithmetic that exporters write round them.
#[test]
fn tables_of_shapes_are_followed() {
    let nodes = vec![
        named("Shape", &["x"], "s", &[]),
        named("Slice", &["s", "two", "four"], "hw", &[]),
        named("Mul", &["hw", "by"], "larger", &[]),
        named("Slice", &["s", "none", "two"], "nc", &[]),
        named("Concat", &["nc", "larger"], "to", &[("axis", &[0])]),
        named("Resize", &["x", "", "", "to"], "y", &[]),
    ];
    let tables =
        vec![whole("none", &[0]), whole("two", &[2]), whole("four", &[4]), whole("by", &[3])];
    let input = [("x".to_owned(), vec![1, 2, 10, 20])];
    let sums = sum(&of(nodes, tables, "y"), &input, usual()).expect("little");
    assert_eq!(sums.unknown, 0);
    assert_eq!(sums.activations, 4 * (2 * 10 * 20 + 2 * 30 * 60));
}

proptest! {
    /// Whatever a graph says, the walk ends without a panic, and no known sum passes its limit.
    #[test]
    fn any_graph_is_summed_or_refused(
        ops in proptest::collection::vec((0_usize..40, 0_usize..6, 0_usize..6, any::<i64>()), 0..12),
        dims in proptest::collection::vec(any::<i64>(), 0..5),
        numbers in proptest::collection::vec(any::<i64>(), 0..6),
    ) {
        const OPS: [&str; 40] = [
            "Conv", "ConvTranspose", "MaxPool", "GlobalAveragePool", "Gemm", "MatMul", "GRU", "Tile",
            "Expand", "ConstantOfShape", "Range", "Shape", "Size", "Reshape", "Flatten", "Transpose",
            "Squeeze", "Unsqueeze", "Concat", "Gather", "Slice", "Split", "Pad", "Resize", "Upsample",
            "DepthToSpace", "SpaceToDepth", "TopK", "ArgMax", "ReduceMean", "ReduceSum", "Add", "Mul",
            "Div", "Cast", "QuantizeLinear", "Where", "Identity", "Softmax", "Nobody",
        ];
        let names = |at: usize| ["x", "w", "t", "v0", "v1", "v2"][at].to_owned();
        let nodes = ops.iter().enumerate().map(|(n, (op, a, b, number))| {
            let (a, b, t) = (names(*a), names(*b), "t".to_owned());
            named(OPS[*op], &[&a, &b, &t], &format!("v{}", n % 3), &[
                ("axis", &[*number]), ("axes", &[*number]), ("strides", &[*number, 2]),
                ("pads", &[*number, *number]), ("kernel_shape", &[*number]), ("group", &[*number]),
                ("perm", &[*number]), ("blocksize", &[*number]), ("hidden_size", &[*number]),
            ])
        });
        let weights = TensorProto { name: "w".to_owned(), dims, data_type: 1, ..TensorProto::default() };
        let graph = of(nodes.collect(), vec![weights, whole("t", &numbers)], "v0");
        let input = [("x".to_owned(), vec![1, 3, 16, 16])];
        if let Ok(sums) = sum(&graph, &input, usual()) {
            prop_assert!(sums.constants <= usual().constants);
            prop_assert!(sums.activations <= usual().activations);
            prop_assert!(sums.multiply_adds <= usual().multiply_adds);
        }
    }
}
