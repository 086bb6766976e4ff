//! What shape a node gives, and what it costs (pure): the operators that networks of the field are made
//! of, by their specification (ONNX, opset 9 to 18). What is not known here is `None`, never a guess.

use tract_onnx::pb::NodeProto;

use crate::detect::engine::graph::moves;
use crate::detect::engine::graph::values::{
    Inputs, MAX_RANK, Value, attribute, broadcast, input, int, ints, item_of, positive, product,
};

/// What `node` gives; `None`: it cannot be told from the shapes of what it takes.
pub(crate) fn outputs(node: &NodeProto, inputs: &Inputs<'_>) -> Option<Vec<Value>> {
    let mut given = given(node, inputs)?;
    let constant = inputs.iter().flatten().all(|value| value.constant);
    let constant =
        constant && inputs.iter().zip(&node.input).all(|(v, n)| v.is_some() || n.is_empty());
    for value in &mut given {
        if value.shape.len() > MAX_RANK {
            return None;
        }
        value.constant = constant || value.known.is_some();
    }
    // What else it may give is as large: masks, indices, statistics.
    let first = given.first()?.clone();
    given.resize(node.output.len().max(1), Value { known: None, ..first });
    Some(given)
}

fn given(node: &NodeProto, inputs: &Inputs<'_>) -> Option<Vec<Value>> {
    let x = input(inputs, 0);
    let one = |value: Value| Some(vec![value]);
    let op = node.op_type.as_str();
    match op {
        "Identity" | "Dropout" | "Floor" | "Ceil" | "Round" => one(x?.clone()),
        "Cast" => {
            let item = item_of(int(node, "to", 1));
            one(Value { item, ..x?.clone() })
        }
        "Relu"
        | "LeakyRelu"
        | "Sigmoid"
        | "Tanh"
        | "HardSigmoid"
        | "HardSwish"
        | "Clip"
        | "Exp"
        | "Log"
        | "Sqrt"
        | "Abs"
        | "Neg"
        | "Erf"
        | "Elu"
        | "Selu"
        | "Celu"
        | "Gelu"
        | "Mish"
        | "Softplus"
        | "Softsign"
        | "Softmax"
        | "LogSoftmax"
        | "Hardmax"
        | "BatchNormalization"
        | "InstanceNormalization"
        | "LayerNormalization"
        | "LpNormalization"
        | "GroupNormalization"
        | "Sin"
        | "Cos"
        | "Not"
        | "Sign"
        | "Reciprocal"
        | "CumSum"
        | "LRN"
        | "Trilu"
        | "ScatterND"
        | "ScatterElements"
        | "MeanVarianceNormalization"
        | "ThresholdedRelu" => one(Value::of(x?.shape.clone(), x?.item)),
        "QuantizeLinear" | "DynamicQuantizeLinear" | "IsNaN" | "IsInf" => {
            one(Value::of(x?.shape.clone(), 1))
        }
        "DequantizeLinear" => one(Value::of(x?.shape.clone(), 4)),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Min" | "Max" | "Mean" | "Sum" | "And" | "Or"
        | "Xor" | "Mod" | "PRelu" | "BitShift" | "Equal" | "Greater" | "Less"
        | "GreaterOrEqual" | "LessOrEqual" | "Where" => one(elementwise(op, inputs)?),
        "Conv" | "ConvInteger" | "QLinearConv" | "MaxPool" | "AveragePool" | "LpPool" => {
            one(window(node, inputs)?)
        }
        "ConvTranspose" => one(transposed(node, inputs)?),
        "GlobalAveragePool" | "GlobalMaxPool" => {
            let mut shape = x?.shape.clone();
            shape.iter_mut().skip(2).for_each(|dim| *dim = 1);
            one(Value::of(shape, x?.item))
        }
        "Gemm" => {
            let (a, b) = (x?, input(inputs, 1)?);
            let (ta, tb) = (int(node, "transA", 0) != 0, int(node, "transB", 0) != 0);
            let rows = *a.shape.get(usize::from(ta))?;
            let columns = *b.shape.get(usize::from(!tb))?;
            one(Value::of(vec![rows, columns], 4))
        }
        "MatMul" | "MatMulInteger" => one(matmul(x?, input(inputs, 1)?)?),
        "QLinearMatMul" => one(matmul(x?, input(inputs, 3)?)?),
        "GRU" | "LSTM" | "RNN" => recurrent(node, inputs),
        _ => moves::given(node, inputs),
    }
}

/// Element by element, with tables followed through plain arithmetic.
fn elementwise(op: &str, inputs: &Inputs<'_>) -> Option<Value> {
    let mut shape = Vec::new();
    let mut item = 1;
    for at in 0..inputs.len() {
        let value = input(inputs, at)?;
        shape = broadcast(&shape, &value.shape)?;
        item = item.max(value.item);
    }
    if matches!(op, "Equal" | "Greater" | "Less" | "GreaterOrEqual" | "LessOrEqual") {
        item = 1;
    }
    let arithmetic: Option<fn(f64, f64) -> f64> = match op {
        "Add" => Some(|a, b| a + b),
        "Sub" => Some(|a, b| a - b),
        "Mul" => Some(|a, b| a * b),
        "Div" => Some(|a, b| if b == 0.0 { 0.0 } else { a / b }),
        "Min" => Some(f64::min),
        "Max" => Some(f64::max),
        _ => None,
    };
    let known = arithmetic.filter(|_| inputs.len() == 2).and_then(|of| {
        let (a, b) = (input(inputs, 0)?.known.as_ref()?, input(inputs, 1)?.known.as_ref()?);
        let count = a.len().max(b.len());
        let at = |numbers: &Vec<f64>, at: usize| {
            if numbers.len() == 1 { numbers.first().copied() } else { numbers.get(at).copied() }
        };
        (0..count).map(|index| Some(of(at(a, index)?, at(b, index)?))).collect::<Option<Vec<f64>>>()
    });
    Some(Value::of(shape, item).knowing(known))
}

/// Kernel, steps, dilations and pads of something that slides over a picture.
struct Sliding {
    kernel: Vec<u64>,
    strides: Vec<u64>,
    dilations: Vec<u64>,
    pads: Vec<u64>,
}

impl Sliding {
    fn of(node: &NodeProto, kernel: &[u64]) -> Self {
        let dims = kernel.len();
        let each = |name: &str, usual: u64, count: usize| -> Vec<u64> {
            let given = ints(node, name).unwrap_or_default();
            let at = |at: usize| given.get(at).map_or(usual, |given| positive(*given));
            (0..count).map(at).collect()
        };
        Self {
            kernel: kernel.to_vec(),
            strides: each("strides", 1, dims).into_iter().map(|stride| stride.max(1)).collect(),
            dilations: each("dilations", 1, dims),
            pads: each("pads", 0, 2 * dims),
        }
    }

    /// What the kernel spans along `at`.
    fn span(&self, at: usize) -> u64 {
        let of = |all: &[u64]| all.get(at).copied().unwrap_or(1);
        of(&self.kernel).saturating_sub(1).saturating_mul(of(&self.dilations)).saturating_add(1)
    }

    fn padded(&self, at: usize) -> u64 {
        let of = |at: usize| self.pads.get(at).copied().unwrap_or(0);
        of(at).saturating_add(of(at + self.kernel.len()))
    }
}

/// What a kernel looks at: of the weights, or as the node says.
pub(crate) fn kernel_of(node: &NodeProto, inputs: &Inputs<'_>) -> Option<Vec<u64>> {
    match weights_of(node, inputs) {
        Some(weights) => Some(weights.shape.get(2..)?.to_vec()),
        None => ints(node, "kernel_shape").map(|all| all.into_iter().map(positive).collect()),
    }
}

/// The weights of a convolution.
pub(crate) fn weights_of<'v>(node: &NodeProto, inputs: &Inputs<'v>) -> Option<&'v Value> {
    match node.op_type.as_str() {
        "Conv" | "ConvInteger" | "ConvTranspose" => input(inputs, 1),
        "QLinearConv" => input(inputs, 3),
        _ => None,
    }
}

fn auto_pad(node: &NodeProto) -> &str {
    attribute(node, "auto_pad").and_then(|how| std::str::from_utf8(&how.s).ok()).unwrap_or_default()
}

fn window(node: &NodeProto, inputs: &Inputs<'_>) -> Option<Value> {
    let x = input(inputs, 0)?;
    let is_pool = node.op_type.ends_with("Pool");
    let channels =
        if is_pool { *x.shape.get(1)? } else { *weights_of(node, inputs)?.shape.first()? };
    let slides = Sliding::of(node, &kernel_of(node, inputs)?);
    let mut shape = vec![*x.shape.first()?, channels];
    for (at, dim) in x.shape.get(2..)?.iter().enumerate() {
        let stride = slides.strides.get(at).copied().unwrap_or(1);
        shape.push(match auto_pad(node) {
            "SAME_UPPER" | "SAME_LOWER" => dim.div_ceil(stride),
            how => {
                let pads = if how == "VALID" { 0 } else { slides.padded(at) };
                let room = dim.saturating_add(pads).saturating_sub(slides.span(at));
                let steps = if int(node, "ceil_mode", 0) != 0 {
                    room.div_ceil(stride)
                } else {
                    room / stride
                };
                steps.saturating_add(1)
            }
        });
    }
    Some(Value::of(shape, x.item.max(4)))
}

fn transposed(node: &NodeProto, inputs: &Inputs<'_>) -> Option<Value> {
    let (x, weights) = (input(inputs, 0)?, weights_of(node, inputs)?);
    let group = positive(int(node, "group", 1)).max(1);
    let slides = Sliding::of(node, weights.shape.get(2..)?);
    let told = ints(node, "output_shape");
    let more = ints(node, "output_padding").unwrap_or_default();
    let mut shape = vec![*x.shape.first()?, weights.shape.get(1)?.saturating_mul(group)];
    for (at, dim) in x.shape.get(2..)?.iter().enumerate() {
        let stride = slides.strides.get(at).copied().unwrap_or(1);
        let full = dim.saturating_sub(1).saturating_mul(stride).saturating_add(slides.span(at));
        let full = full.saturating_add(positive(more.get(at).copied().unwrap_or(0)));
        shape.push(match (&told, auto_pad(node)) {
            (Some(told), _) => positive(*told.get(at)?),
            (None, "SAME_UPPER" | "SAME_LOWER") => dim.saturating_mul(stride),
            (None, _) => full.saturating_sub(slides.padded(at)),
        });
    }
    Some(Value::of(shape, 4))
}

fn matmul(a: &Value, b: &Value) -> Option<Value> {
    let split = |shape: &[u64]| -> Option<(Vec<u64>, u64, u64)> {
        let (columns, rest) = shape.split_last()?;
        let (rows, batch) = rest.split_last()?;
        Some((batch.to_vec(), *rows, *columns))
    };
    let with = |shape: &[u64], at: usize| {
        let mut shape = shape.to_vec();
        if shape.len() == 1 {
            shape.insert(at, 1);
        }
        shape
    };
    let (batch_a, rows, _) = split(&with(&a.shape, 0))?;
    let (batch_b, _, columns) = split(&with(&b.shape, 1))?;
    let mut shape = broadcast(&batch_a, &batch_b)?;
    if a.shape.len() > 1 {
        shape.push(rows);
    }
    if b.shape.len() > 1 {
        shape.push(columns);
    }
    Some(Value::of(shape, 4))
}

fn recurrent(node: &NodeProto, inputs: &Inputs<'_>) -> Option<Vec<Value>> {
    let (x, weights) = (input(inputs, 0)?, input(inputs, 1)?);
    let [steps, batch, _] = *x.shape.as_slice() else { return None };
    let directions = *weights.shape.first()?;
    let hidden = positive(int(node, "hidden_size", 0));
    let all = Value::of(vec![steps, directions, batch, hidden], 4);
    let last = Value::of(vec![directions, batch, hidden], 4);
    Some(vec![all, last.clone(), last])
}

/// Multiply-adds of a node; what only moves or compares counts each element once.
pub(crate) fn multiply_adds(node: &NodeProto, inputs: &Inputs<'_>, outputs: &[Value]) -> u64 {
    let given = outputs.first().map_or(0, Value::len);
    let taken = input(inputs, 0).map_or(0, Value::len);
    let each = match node.op_type.as_str() {
        "Conv" | "ConvInteger" | "QLinearConv" | "ConvTranspose" => {
            weights_of(node, inputs).and_then(|weights| weights.shape.get(1..)).map_or(1, product)
        }
        "MaxPool" | "AveragePool" | "LpPool" => {
            kernel_of(node, inputs).map_or(1, |kernel| product(&kernel))
        }
        "Gemm" | "MatMul" | "MatMulInteger" | "QLinearMatMul" => input(inputs, 0).map_or(1, |a| {
            let ta = node.op_type == "Gemm" && int(node, "transA", 0) != 0;
            let inner = if ta { a.shape.first() } else { a.shape.last() };
            inner.copied().unwrap_or(1)
        }),
        "GRU" | "LSTM" | "RNN" => {
            let weights = |at| input(inputs, at).map_or(0, Value::len);
            let steps =
                input(inputs, 0).map_or(0, |x| product(x.shape.get(..2).unwrap_or_default()));
            return steps.saturating_mul(weights(1).saturating_add(weights(2)));
        }
        _ => return taken.max(given),
    };
    let elements = if node.op_type == "ConvTranspose" { taken } else { given };
    elements.saturating_mul(each)
}

/// Bytes that a node takes while it runs, beside what it takes and gives: a convolution lays out what
/// each kernel sees.
pub(crate) fn scratch(node: &NodeProto, inputs: &Inputs<'_>, outputs: &[Value]) -> u64 {
    let (Some(weights), Some(given)) = (weights_of(node, inputs), outputs.first()) else {
        return 0;
    };
    let seen = weights.shape.get(1..).map_or(0, product);
    let places = product(given.shape.get(2..).unwrap_or_default());
    if int(node, "group", 1) == 1 { seen.saturating_mul(places).saturating_mul(4) } else { 0 }
}
