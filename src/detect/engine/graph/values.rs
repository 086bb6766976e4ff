//! What is known of a value of the graph before anything runs, and how a node says what it wants (pure).
//!
//! Shapes, and the small tables that shapes are made of ([`MAX_KNOWN`]); nothing else is computed. Every
//! number saturates: who overflows has asked for too much.

use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto};

/// Numbers of a table that is still followed: shapes, pads, scales.
pub(crate) const MAX_KNOWN: usize = 1024;
/// Dimensions that a tensor may have; the engine has no operator for more.
pub(crate) const MAX_RANK: usize = 16;

/// What is known of one value of the graph before anything is run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Value {
    /// Its dimensions.
    pub(crate) shape: Vec<u64>,
    /// Bytes of one element.
    pub(crate) item: u64,
    /// Its numbers, where they are few and do not depend on a picture.
    pub(crate) known: Option<Vec<f64>>,
    /// It hangs on no picture, so it is computed at load and kept.
    pub(crate) constant: bool,
}

impl Value {
    /// Elements.
    pub(crate) fn len(&self) -> u64 {
        product(&self.shape)
    }

    /// Bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.len().saturating_mul(self.item)
    }

    pub(crate) fn of(shape: Vec<u64>, item: u64) -> Self {
        Self { shape, item, known: None, constant: false }
    }

    pub(crate) fn knowing(mut self, known: Option<Vec<f64>>) -> Self {
        let len = self.len();
        self.known = known.filter(|known| known.len() <= MAX_KNOWN && known.len() as u64 == len);
        self
    }
}

/// All factors, saturating.
pub(crate) fn product(factors: &[u64]) -> u64 {
    factors.iter().fold(1, |all, one| all.saturating_mul(*one))
}

/// Bytes of an element as `TensorProto.DataType` numbers it (onnx.proto3); half is widened when read.
pub(crate) const fn item_of(data_type: i64) -> u64 {
    match data_type {
        2 | 3 | 9 => 1,
        4 | 5 => 2,
        7 | 11 | 13 | 14 => 8,
        8 | 15 => 32,
        _ => 4,
    }
}

/// The attribute `name` of `node`.
pub(crate) fn attribute<'n>(node: &'n NodeProto, name: &str) -> Option<&'n AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

/// A number of a node.
pub(crate) fn int(node: &NodeProto, name: &str, otherwise: i64) -> i64 {
    attribute(node, name).map_or(otherwise, |attribute| attribute.i)
}

/// Numbers of a node.
pub(crate) fn ints(node: &NodeProto, name: &str) -> Option<Vec<i64>> {
    attribute(node, name).map(|attribute| attribute.ints.clone())
}

/// Inputs of a node; `None`: left out, or not known.
pub(crate) type Inputs<'v> = [Option<&'v Value>];

/// An input that is there and known.
pub(crate) fn input<'v>(inputs: &Inputs<'v>, at: usize) -> Option<&'v Value> {
    inputs.get(at).copied().flatten()
}

/// A small table of whole numbers, given as an attribute or as an input.
pub(crate) fn table(
    node: &NodeProto,
    inputs: &Inputs<'_>,
    name: &str,
    at: usize,
) -> Option<Vec<i64>> {
    ints(node, name).or_else(|| input(inputs, at)?.known.as_deref().map(whole))
}

#[expect(clippy::cast_possible_truncation, reason = "as saturates, and NaN is 0")]
pub(crate) fn whole(numbers: &[f64]) -> Vec<i64> {
    numbers.iter().map(|number| *number as i64).collect()
}

#[expect(clippy::cast_precision_loss, reason = "dimensions, compared with limits far below 2^53")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as saturates: below 0 is 0, NaN is 0, too much is the most"
)]
pub(crate) const fn size(number: f64) -> u64 {
    number as u64
}

/// Nothing is less than none.
pub(crate) fn positive(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// An axis of so many, counted from the end where it is negative.
pub(crate) fn axis_of(axis: i64, rank: usize) -> Option<usize> {
    let rank_signed = i64::try_from(rank).ok()?;
    let at = if axis < 0 { axis.checked_add(rank_signed)? } else { axis };
    usize::try_from(at).ok().filter(|at| *at < rank)
}

/// The shape that both can be seen as.
pub(crate) fn broadcast(a: &[u64], b: &[u64]) -> Option<Vec<u64>> {
    let rank = a.len().max(b.len());
    let of = |shape: &[u64], at: usize| {
        let missing = rank - shape.len();
        at.checked_sub(missing).and_then(|at| shape.get(at).copied()).unwrap_or(1)
    };
    (0..rank)
        .map(|at| match (of(a, at), of(b, at)) {
            (a, b) if a == b => Some(a),
            (1, b) => Some(b),
            (a, 1) => Some(a),
            _ => None,
        })
        .collect()
}

/// What is known of a tensor in the file: what it says of itself, and its numbers if they are few.
pub(crate) fn tensor_of(tensor: &TensorProto) -> Value {
    let shape = tensor.dims.iter().map(|dim| positive(*dim)).collect();
    let value = Value { constant: true, ..Value::of(shape, item_of(i64::from(tensor.data_type))) };
    let few = value.len() <= MAX_KNOWN as u64;
    let known = few.then(|| numbers(tensor)).flatten();
    value.knowing(known)
}

#[expect(clippy::cast_precision_loss, reason = "shapes are below 2^53")]
fn numbers(tensor: &TensorProto) -> Option<Vec<f64>> {
    let raw = tensor.raw_data.as_slice();
    Some(match tensor.data_type {
        1 if raw.is_empty() => tensor.float_data.iter().map(|one| f64::from(*one)).collect(),
        1 => raw.as_chunks().0.iter().map(|four| f64::from(f32::from_le_bytes(*four))).collect(),
        6 if raw.is_empty() => tensor.int32_data.iter().map(|one| f64::from(*one)).collect(),
        6 => raw.as_chunks().0.iter().map(|four| f64::from(i32::from_le_bytes(*four))).collect(),
        7 if raw.is_empty() => tensor.int64_data.iter().map(|one| *one as f64).collect(),
        7 => raw.as_chunks().0.iter().map(|eight| i64::from_le_bytes(*eight) as f64).collect(),
        _ => return None,
    })
}
