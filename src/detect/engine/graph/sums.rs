//! The walk: node by node in the order of the file, what is live added up, and bounds kept (pure).

use std::collections::HashMap;
use std::fmt;

use tract_onnx::pb::{GraphProto, NodeProto};

use crate::detect::engine::graph::shapes::{multiply_adds, outputs, scratch};
use crate::detect::engine::graph::values::{Value, tensor_of};
use crate::detect::settings::ModelLimits;

/// Operators that a network may have (chosen: RimFinder has some hundreds).
const MOST_NODES: usize = 20_000;

/// What a network here may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes that are there as long as the network is: weights, and what is made of them alone.
    pub(crate) constants: u64,
    /// Bytes of what is alive at once while one picture is looked at.
    pub(crate) activations: u64,
    /// Of one look.
    pub(crate) multiply_adds: u64,
    /// Operators: what an optimiser does with a graph takes more than twice as long for one of twice
    /// the size.
    pub(crate) nodes: usize,
}

impl Limits {
    /// Those of a configuration.
    pub(crate) const fn of(limits: ModelLimits) -> Self {
        let ModelLimits { memory_bytes, multiply_adds } = limits;
        Self {
            constants: memory_bytes,
            activations: memory_bytes,
            multiply_adds,
            nodes: MOST_NODES,
        }
    }
}

/// What a network wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) constants: u64,
    pub(crate) activations: u64,
    pub(crate) multiply_adds: u64,
    /// Operators of which shapes do not tell what they want.
    pub(crate) unknown: usize,
}

/// A network that wants too much.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooMuch {
    #[error(
        "it needs {} for constants ({at}); a model here may have {} (`model_memory_bytes` of [detect])",
        Bytes(*needs), Bytes(*most)
    )]
    Constants { needs: u64, most: u64, at: String },
    #[error(
        "it needs {} for activations ({at}); a model here may have {} (`model_memory_bytes` of [detect])",
        Bytes(*needs), Bytes(*most)
    )]
    Activations { needs: u64, most: u64, at: String },
    #[error(
        "it needs {} multiply-adds a look ({at}); a model here may have {} (`model_multiply_adds` of [detect])",
        Count(*needs), Count(*most)
    )]
    MultiplyAdds { needs: u64, most: u64, at: String },
    #[error("it has {has} operators; a model here may have {most}")]
    Nodes { has: usize, most: usize },
    #[error(
        "what it needs hangs on what is in the picture ({at}), so nobody can say how much: export it without \
         that operator (a detector without its selection of boxes)"
    )]
    OfValues { at: String },
}

/// Operators whose shapes may hang on values, and which make more of less: where they are not told by the file,
/// a trial with one picture says nothing about the next.
const OF_VALUES: [&str; 24] = [
    "AffineGrid",
    "BlackmanWindow",
    "CenterCropPad",
    "Col2Im",
    "Compress",
    "ConstantOfShape",
    "DFT",
    "Expand",
    "HammingWindow",
    "HannWindow",
    "If",
    "Loop",
    "MaxUnpool",
    "MelWeightMatrix",
    "NonMaxSuppression",
    "NonZero",
    "OneHot",
    "Pad",
    "Range",
    "Resize",
    "Scan",
    "Tile",
    "Unique",
    "Upsample",
];

/// Sums what `graph` wants when its inputs have these shapes, one picture at a time.
///
/// # Errors
/// [`TooMuch`]: the first sum that passes its limit, and where.
pub(crate) fn sum(
    graph: &GraphProto,
    inputs: &[(String, Vec<usize>)],
    limits: Limits,
) -> Result<Sums, TooMuch> {
    let has = graph.node.len();
    if has > limits.nodes {
        return Err(TooMuch::Nodes { has, most: limits.nodes });
    }
    let mut walk = Walk { limits, sums: Sums::default(), live: 0, values: HashMap::new() };
    for (name, shape) in inputs {
        let shape = shape.iter().map(|dim| *dim as u64).collect();
        walk.lives(name, Value::of(shape, 4));
    }
    for tensor in &graph.initializer {
        let value = tensor_of(tensor);
        walk.keeps(&value, || format!("{}: {}", short(&tensor.name), Shape(&value.shape)))?;
        walk.values.insert(&tensor.name, value);
    }
    let last = last_uses(graph);
    for (at, node) in graph.node.iter().enumerate() {
        walk.node(node)?;
        let done = |name: &&String| last.get(name.as_str()) == Some(&at);
        for name in node.input.iter().chain(&node.output).filter(done) {
            walk.dies(name);
        }
    }
    Ok(walk.sums)
}

/// Where each value is needed last; what the graph gives is needed to the end.
fn last_uses(graph: &GraphProto) -> HashMap<&str, usize> {
    let mut last = HashMap::new();
    for (at, node) in graph.node.iter().enumerate() {
        for name in node.output.iter().chain(&node.input) {
            last.insert(name.as_str(), at);
        }
    }
    for output in &graph.output {
        last.insert(&output.name, usize::MAX);
    }
    last
}

struct Walk<'g> {
    limits: Limits,
    sums: Sums,
    /// Bytes alive now.
    live: u64,
    values: HashMap<&'g str, Value>,
}

impl<'g> Walk<'g> {
    fn node(&mut self, node: &'g NodeProto) -> Result<(), TooMuch> {
        let inputs: Vec<Option<&Value>> =
            node.input.iter().map(|name| self.values.get(name.as_str())).collect();
        let Some(given) = outputs(node, &inputs) else {
            if OF_VALUES.contains(&node.op_type.as_str()) {
                let at = format!("{} {}", short(&node.op_type), short(&node.name));
                return Err(TooMuch::OfValues { at: at.trim_end().to_owned() });
            }
            self.sums.unknown += 1;
            return Ok(());
        };
        let costs = multiply_adds(node, &inputs, &given);
        let beside = scratch(node, &inputs, &given);
        let at = || {
            let shape = given.first().map(|value| value.shape.clone()).unwrap_or_default();
            let name = if node.name.is_empty() { node.output.first() } else { Some(&node.name) };
            let name = name.map(|name| short(name)).unwrap_or_default();
            format!("{} {name}: {}", short(&node.op_type), Shape(&shape))
        };
        self.sums.multiply_adds = self.sums.multiply_adds.saturating_add(costs);
        let (needs, most) = (self.sums.multiply_adds, self.limits.multiply_adds);
        if needs > most {
            return Err(TooMuch::MultiplyAdds { needs, most, at: at() });
        }
        let bytes = given.iter().filter(|value| !value.constant).map(Value::bytes);
        let bytes = bytes.fold(self.live.saturating_add(beside), u64::saturating_add);
        self.sums.activations = self.sums.activations.max(bytes);
        if bytes > self.limits.activations {
            let (needs, most) = (bytes, self.limits.activations);
            return Err(TooMuch::Activations { needs, most, at: at() });
        }
        for value in given.iter().filter(|value| value.constant) {
            self.keeps(value, at)?;
        }
        for (name, value) in node.output.iter().zip(given) {
            self.lives(name, value);
        }
        Ok(())
    }

    /// A value is there as long as the network is.
    fn keeps(&mut self, value: &Value, at: impl Fn() -> String) -> Result<(), TooMuch> {
        self.sums.constants = self.sums.constants.saturating_add(value.bytes());
        let (needs, most) = (self.sums.constants, self.limits.constants);
        if needs > most {
            return Err(TooMuch::Constants { needs, most, at: at() });
        }
        Ok(())
    }

    fn lives(&mut self, name: &'g str, value: Value) {
        if !value.constant {
            self.live = self.live.saturating_add(value.bytes());
        }
        self.values.insert(name, value);
    }

    fn dies(&mut self, name: &str) {
        // What shapes are made of stays: it is small, and its readers were counted.
        let value = self.values.get(name).filter(|value| !value.constant);
        if let Some(bytes) = value.map(Value::bytes) {
            self.live = self.live.saturating_sub(bytes);
            self.values.remove(name);
        }
    }
}

/// Names of a file are anybody's, and as long as he likes.
fn short(name: &str) -> String {
    name.chars().take(48).collect()
}

struct Shape<'s>(&'s [u64]);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<String> = self.0.iter().take(8).map(ToString::to_string).collect();
        f.write_str(&dims.join("×"))
    }
}

/// Bytes, for people.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            u64::MAX => f.write_str("more than can be counted"),
            bytes if bytes >= 1_000_000_000 => {
                write!(f, "{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10)
            }
            bytes => write!(f, "{} MB", bytes.div_ceil(1_000_000)),
        }
    }
}

/// A large number, for people.
struct Count(u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            u64::MAX => f.write_str("more than can be counted"),
            count => write!(f, "{} million", count / 1_000_000),
        }
    }
}

#[cfg(test)]
mod tests;
