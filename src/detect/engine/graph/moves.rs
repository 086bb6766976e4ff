//! Operators that only move numbers about, repeat or make them (pure): where few bytes of a file can ask
//! for much memory.

use tract_onnx::pb::NodeProto;

use crate::detect::engine::graph::values::{
    Inputs, MAX_KNOWN, Value, attribute, axis_of, broadcast, float, input, int, ints, item_of,
    positive, product, size, table, tensor_of, whole,
};

/// What `node` gives; `None`: it cannot be told from the shapes of what it takes.
pub(crate) fn given(node: &NodeProto, inputs: &Inputs<'_>) -> Option<Vec<Value>> {
    let op = node.op_type.as_str();
    if op == "Split" {
        return split(node, inputs);
    }
    let value = match op {
        "Constant" => constant(node)?,
        "ConstantOfShape" => filled(node, inputs)?,
        "Range" => range(inputs)?,
        "Shape" => shape_of(node, inputs)?,
        "Size" => {
            let len = input(inputs, 0)?.len();
            Value::of(Vec::new(), 8).knowing(Some(vec![float(len)]))
        }
        "Tile" => {
            let (x, times) = (input(inputs, 0)?, input(inputs, 1)?.known.as_deref()?);
            let dims =
                x.shape.iter().zip(times).map(|(dim, times)| dim.saturating_mul(size(*times)));
            Value::of(dims.collect(), x.item)
        }
        "Expand" => {
            let (x, to) = (input(inputs, 0)?, input(inputs, 1)?.known.as_deref()?);
            let to: Vec<u64> = to.iter().map(|dim| size(*dim)).collect();
            Value::of(broadcast(&x.shape, &to)?, x.item)
        }
        "Reshape" => reshape(node, inputs)?,
        "Flatten" => {
            let x = input(inputs, 0)?;
            let at = usize::try_from(int(node, "axis", 1)).ok()?;
            let (before, behind) = x.shape.split_at_checked(at)?;
            Value::of(vec![product(before), product(behind)], x.item)
        }
        "Transpose" => {
            let x = input(inputs, 0)?;
            let turned = (0..x.shape.len()).rev().filter_map(|at| i64::try_from(at).ok());
            let order = ints(node, "perm").unwrap_or_else(|| turned.collect());
            let dims = order.iter().map(|at| x.shape.get(axis_of(*at, x.shape.len())?).copied());
            Value::of(dims.collect::<Option<Vec<u64>>>()?, x.item)
        }
        "Squeeze" | "Unsqueeze" => squeezed(node, inputs)?,
        "Concat" => concat(node, inputs)?,
        "Gather" => gather(node, inputs)?,
        "Slice" => slice(node, inputs)?,
        "Pad" => pad(node, inputs)?,
        "Resize" | "Upsample" => resize(node, inputs)?,
        "DepthToSpace" | "SpaceToDepth" => {
            let x = input(inputs, 0)?;
            let by = positive(int(node, "blocksize", 1)).max(1);
            let [n, c, h, w] = *x.shape.as_slice() else { return None };
            let dims = if op == "DepthToSpace" {
                vec![n, c / by.saturating_mul(by), h.saturating_mul(by), w.saturating_mul(by)]
            } else {
                vec![n, c.saturating_mul(by).saturating_mul(by), h / by, w / by]
            };
            Value::of(dims, x.item)
        }
        "TopK" => {
            let (x, most) = (input(inputs, 0)?, input(inputs, 1)?.known.as_deref()?);
            let mut dims = x.shape.clone();
            let axis = axis_of(int(node, "axis", -1), dims.len())?;
            *dims.get_mut(axis)? = size(*most.first()?);
            Value::of(dims, 8)
        }
        "ArgMax" | "ArgMin" => reduced(node, inputs, Some(vec![int(node, "axis", 0)]), 8)?,
        op if op.starts_with("Reduce") => {
            let item = input(inputs, 0)?.item;
            reduced(node, inputs, table(node, inputs, "axes", 1), item)?
        }
        _ => return None,
    };
    Some(vec![value])
}

fn constant(node: &NodeProto) -> Option<Value> {
    if let Some(tensor) = attribute(node, "value").and_then(|value| value.t.as_ref()) {
        return Some(tensor_of(tensor));
    }
    let [attribute] = node.attribute.as_slice() else { return None };
    #[expect(clippy::cast_precision_loss, reason = "shapes are below 2^53")]
    let known: Vec<f64> = match attribute.name.as_str() {
        "value_int" => {
            return Some(Value::of(Vec::new(), 8).knowing(Some(vec![attribute.i as f64])));
        }
        "value_float" => {
            return Some(Value::of(Vec::new(), 4).knowing(Some(vec![f64::from(attribute.f)])));
        }
        "value_ints" => attribute.ints.iter().map(|one| *one as f64).collect(),
        "value_floats" => attribute.floats.iter().map(|one| f64::from(*one)).collect(),
        _ => return None,
    };
    Some(Value::of(vec![known.len() as u64], 8).knowing(Some(known)))
}

fn filled(node: &NodeProto, inputs: &Inputs<'_>) -> Option<Value> {
    let dims = input(inputs, 0)?.known.as_deref()?;
    let with = attribute(node, "value").and_then(|value| value.t.as_ref());
    let item = with.map_or(4, |tensor| item_of(i64::from(tensor.data_type)));
    let value = Value::of(dims.iter().map(|dim| size(*dim)).collect(), item);
    let with = with.map(tensor_of);
    let with = with.map_or(Some(0.0), |with| with.known?.first().copied());
    let count = usize::try_from(value.len()).ok().filter(|count| *count <= MAX_KNOWN);
    Some(value.knowing(count.zip(with).map(|(count, with)| vec![with; count])))
}

fn range(inputs: &Inputs<'_>) -> Option<Value> {
    let at = |at: usize| input(inputs, at)?.known.as_deref()?.first().copied();
    let (start, limit, delta) = (at(0)?, at(1)?, at(2)?);
    let count = size(((limit - start) / delta).ceil());
    let value = Value::of(vec![count], input(inputs, 0)?.item);
    let few = usize::try_from(count).ok().filter(|count| *count <= MAX_KNOWN);
    #[expect(clippy::cast_precision_loss, reason = "few")]
    let known = few.map(|few| (0..few).map(|n| start + n as f64 * delta).collect());
    Some(value.knowing(known))
}

fn shape_of(node: &NodeProto, inputs: &Inputs<'_>) -> Option<Value> {
    let x = input(inputs, 0)?;
    if attribute(node, "start").is_some() || attribute(node, "end").is_some() {
        return None;
    }
    let known = x.shape.iter().map(|dim| float(*dim)).collect();
    Some(Value::of(vec![x.shape.len() as u64], 8).knowing(Some(known)))
}

fn reshape(node: &NodeProto, inputs: &Inputs<'_>) -> Option<Value> {
    let x = input(inputs, 0)?;
    let to = table(node, inputs, "shape", 1)?;
    let keep = int(node, "allowzero", 0) == 0;
    let mut dims = Vec::with_capacity(to.len());
    for (at, dim) in to.iter().enumerate() {
        dims.push(match dim {
            0 if keep => *x.shape.get(at)?,
            -1 => 1,
            dim => positive(*dim),
        });
    }
    if let Some(open) = to.iter().position(|dim| *dim == -1) {
        *dims.get_mut(open)? = x.len() / product(&dims).max(1);
    }
    Some(Value::of(dims, x.item).knowing(x.known.clone()))
}

fn squeezed(node: &NodeProto, inputs: &Inputs<'_>) -> Option<Value> {
    let x = input(inputs, 0)?;
    let axes = table(node, inputs, "axes", 1);
    let mut dims = x.shape.clone();
    if node.op_type == "Squeeze" {
        let axes: Vec<usize> = match axes {
            Some(axes) => {
                axes.iter().map(|at| axis_of(*at, dims.len())).collect::<Option<Vec<usize>>>()?
            }
            None => (0..dims.len()).filter(|at| dims.get(*at) == Some(&1)).collect(),
        };
        dims = (0..dims.len()).filter(|at| !axes.contains(at)).map(|at| dims[at]).collect();
    } else {
        let axes = axes?;
        let rank = dims.len() + axes.len();
        let mut axes = axes.iter().map(|at| axis_of(*at, rank)).collect::<Option<Vec<usize>>>()?;
        axes.sort_unstable();
        for at in axes {
            if at > dims.len() {
                return None;
            }
            dims.insert(at, 1);
        }
    }
    Some(Value::of(dims, x.item).knowing(x.known.clone()))
}

fn concat(node: &NodeProto, inputs: &Inputs<'_>) -> Option<Value> {
    let first = input(inputs, 0)?;
    let axis = axis_of(int(node, "axis", 0), first.shape.len())?;
    let mut dims = first.shape.clone();
    let (mut along, mut item) = (0_u64, 1);
    let mut known = Some(Vec::new());
    for at in 0..inputs.len() {
        let part = input(inputs, at)?;
        along = along.saturating_add(*part.shape.get(axis)?);
        item = item.max(part.item);
        known = known.zip(part.known.as_ref()).map(|(mut all, part)| {
            all.extend(part);
            all
        });
    }
    *dims.get_mut(axis)? = along;
    Some(Value::of(dims, item).knowing(known.filter(|_| first.shape.len() == 1)))
}

fn gather(node: &NodeProto, inputs: &Inputs<'_>) -> Option<Value> {
    let (x, which) = (input(inputs, 0)?, input(inputs, 1)?);
    let axis = axis_of(int(node, "axis", 0), x.shape.len())?;
    let (before, behind) = x.shape.split_at_checked(axis)?;
    let dims = before.iter().chain(&which.shape).chain(behind.get(1..)?).copied();
    let known = x.known.as_ref().zip(which.known.as_deref()).filter(|_| x.shape.len() == 1);
    let known = known.and_then(|(numbers, which)| {
        let at = |at: i64| numbers.get(axis_of(at, numbers.len())?).copied();
        whole(which).into_iter().map(at).collect()
    });
    Some(Value::of(dims.collect(), x.item).knowing(known))
}

fn slice(node: &NodeProto, inputs: &Inputs<'_>) -> Option<Value> {
    let x = input(inputs, 0)?;
    let (starts, ends) = (table(node, inputs, "starts", 1)?, table(node, inputs, "ends", 2)?);
    let in_order = (0..starts.len()).filter_map(|at| i64::try_from(at).ok()).collect();
    let given = node.input.get(3).is_some_and(|name| !name.is_empty());
    let axes = match table(node, inputs, "axes", 3) {
        None if given => return None,
        axes => axes.unwrap_or(in_order),
    };
    let steps = table(node, inputs, "steps", 4).unwrap_or_default();
    let (mut dims, mut known) = (x.shape.clone(), x.known.clone());
    for (at, axis) in axes.iter().enumerate() {
        let dim = dims.get_mut(axis_of(*axis, x.shape.len())?)?;
        let len = i64::try_from(*dim).unwrap_or(i64::MAX);
        let step = steps.get(at).copied().unwrap_or(1);
        let place = |to: i64| if to < 0 { to.saturating_add(len) } else { to };
        let (start, end) = (place(*starts.get(at)?), place(*ends.get(at)?));
        let count = if step > 0 {
            let (start, end) = (start.clamp(0, len), end.clamp(0, len));
            positive(end.saturating_sub(start)).div_ceil(positive(step))
        } else {
            *dim
        };
        known = known.filter(|_| step == 1).and_then(|known| {
            let from = usize::try_from(start.clamp(0, len)).ok()?;
            let part = known.get(from..)?.get(..usize::try_from(count).ok()?)?;
            Some(part.to_vec())
        });
        *dim = count;
    }
    Some(Value::of(dims, x.item).knowing(known.filter(|_| x.shape.len() == 1)))
}

fn split(node: &NodeProto, inputs: &Inputs<'_>) -> Option<Vec<Value>> {
    let x = input(inputs, 0)?;
    let axis = axis_of(int(node, "axis", 0), x.shape.len())?;
    let whole = *x.shape.get(axis)?;
    let parts = node.output.len() as u64;
    let sizes = match table(node, inputs, "split", 1) {
        Some(sizes) => sizes.into_iter().map(positive).collect(),
        None => vec![whole.div_ceil(parts.max(1)); node.output.len()],
    };
    let part = |size: u64| {
        let mut dims = x.shape.clone();
        if let Some(dim) = dims.get_mut(axis) {
            *dim = size.min(whole);
        }
        Value::of(dims, x.item)
    };
    Some(sizes.into_iter().map(part).collect())
}

fn pad(node: &NodeProto, inputs: &Inputs<'_>) -> Option<Value> {
    let x = input(inputs, 0)?;
    let pads = table(node, inputs, "pads", 1)?;
    let rank = x.shape.len();
    if pads.len() != 2 * rank {
        return None;
    }
    let dims = x.shape.iter().enumerate().map(|(at, dim)| {
        let of = |at: usize| pads.get(at).copied().unwrap_or(0);
        let more = of(at).saturating_add(of(at + rank));
        dim.saturating_add_signed(more)
    });
    Some(Value::of(dims.collect(), x.item))
}

fn resize(node: &NodeProto, inputs: &Inputs<'_>) -> Option<Value> {
    let x = input(inputs, 0)?;
    if attribute(node, "axes").is_some() {
        return None;
    }
    let known = |at: usize| {
        input(inputs, at)?.known.as_deref().filter(|known| known.len() == x.shape.len())
    };
    let dims = if let Some(sizes) = known(3) {
        sizes.iter().map(|dim| size(*dim)).collect()
    } else {
        let told = attribute(node, "scales").map(|told| told.floats.clone());
        let told: Option<Vec<f64>> = told.map(|all| all.into_iter().map(f64::from).collect());
        let at = if inputs.len() == 2 { 1 } else { 2 };
        let scales = told.or_else(|| known(at).map(<[f64]>::to_vec))?;
        x.shape.iter().zip(scales).map(|(dim, by)| size((float(*dim) * by).floor())).collect()
    };
    Some(Value::of(dims, x.item))
}

fn reduced(
    node: &NodeProto,
    inputs: &Inputs<'_>,
    axes: Option<Vec<i64>>,
    item: u64,
) -> Option<Value> {
    let x = input(inputs, 0)?;
    let rank = x.shape.len();
    let axes = match axes {
        Some(axes) if !axes.is_empty() => {
            axes.iter().map(|at| axis_of(*at, rank)).collect::<Option<Vec<usize>>>()?
        }
        _ => (0..rank).collect(),
    };
    let keep = int(node, "keepdims", 1) != 0;
    let dims = x.shape.iter().enumerate().filter_map(|(at, dim)| match axes.contains(&at) {
        true => keep.then_some(1),
        false => Some(*dim),
    });
    Some(Value::of(dims.collect(), item))
}
