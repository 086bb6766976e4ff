"""Writes a RimNet as a streaming ONNX graph: one frame and the states in, logits and the new states out.

The graph is put together node by node from plain operators (opset 17), so that every engine takes it: batch
normalisation is folded into the convolutions, the GRU is written out, all shapes are static.

Three precisions, the same inputs and outputs, all of them float32, so that a state of one is a state of another:
fp32; fp16, where the trunk (not the running statistics of the front end) computes in half; int8, where convolutions and
the large linear layer stand between QuantizeLinear and DequantizeLinear, symmetric and signed with zero point 0, weights
per output channel, which is what TensorRT takes. `Quant.most` is 127 for it, 63 for processors that add pairs of products
in 16 bits and would saturate.
"""
import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from . import net

OPSET = 17


class Quant:
    """How far the inputs of the layers go: {name of the layer: largest value that is told apart}, and the weights' range."""

    def __init__(self, reach, most=127):
        self.reach, self.most = reach, most


class Graph:
    """Collects nodes, constants, inputs and outputs."""

    def __init__(self, half=False, quant=None):
        self.half, self.quant = half, quant
        self.nodes, self.consts, self.inputs, self.outputs, self.states, self.n = [], [], [], [], [], 0

    def name(self, stem):
        self.n += 1
        return f"{stem}_{self.n}"

    def const(self, value, stem="c"):
        name = self.name(stem)
        self.consts.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(self, kind, *inputs, **attrs):
        out = self.name(kind.lower())
        self.nodes.append(helper.make_node(kind, list(inputs), [out], name=out, **attrs))
        return out

    def weight(self, value, stem):
        return self.const(np.asarray(value, np.float16 if self.half else np.float32), stem)

    def cast(self, x, half):
        """To or from half where the trunk computes in it."""
        return self.op("Cast", x, to=TensorProto.FLOAT16 if half else TensorProto.FLOAT) if self.half else x

    def rounded(self, x, w, layer):
        """Input and weight [out, ...] of a layer as eight bits hold them."""
        if not self.quant:
            return x, self.weight(w, "w")
        zero = self.const(np.int8(0))
        scale = self.const(np.float32(self.quant.reach[layer] / 127))
        x = self.op("DequantizeLinear", self.op("QuantizeLinear", x, scale, zero), scale, zero)
        steps = np.maximum(np.abs(w).reshape(len(w), -1).max(1), 1e-8).astype(np.float32) / self.quant.most
        q = np.clip(np.rint(w / steps.reshape(-1, *[1] * (w.ndim - 1))), -self.quant.most, self.quant.most).astype(np.int8)
        w = self.op("DequantizeLinear", self.const(q, "w"), self.const(steps), self.const(np.zeros(len(w), np.int8)), axis=0)
        return x, w

    def num(self, value):
        return self.const(np.array(value, np.float32).reshape(1))

    def slice(self, x, axis, start, end):
        c = lambda v: self.const(np.array([v], np.int64))
        return self.op("Slice", x, c(start), c(end), c(axis))

    def input(self, name, shape):
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))
        return name

    def output(self, x, name, shape):
        self.nodes.append(helper.make_node("Identity", [x], [name], name=name))
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))

    def state(self, stem, shape):
        self.states.append({"input": stem, "output": stem + "_out", "shape": list(shape)})
        return self.input(stem, shape)

    def keep(self, stem, x):
        s = next(q for q in self.states if q["input"] == stem)
        self.output(x, s["output"], s["shape"])

    def model(self, doc):
        g = helper.make_graph(self.nodes, "rimnet", self.inputs, self.outputs, self.consts)
        m = helper.make_model(g, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="courtside", doc_string=doc)
        m.ir_version = 8
        onnx.checker.check_model(m, full_check=True)
        return m


def front(g, frame, size, wanted):
    """Running statistics, squeezed differences and, where a member wants them, luma; see `net.front`."""
    past = g.state("past", (1, 3, size, size))                       # luma of t-1, t-2, t-3
    back = g.state("back", (1, 1, size, size))
    stat = g.state("stat", (1, 3))                                   # mean, mean square, frames seen
    mean, square, seen = (g.slice(stat, 1, i, i + 1) for i in range(3))
    first = g.op("Div", g.num(1), g.op("Add", seen, g.num(1)))

    def blend(old, new, rate):
        a = g.op("Max", first, g.num(rate))
        if rate == net.BACK_RATE:
            a = g.op("Reshape", a, g.const(np.array([1, 1, 1, 1], np.int64)))
        return g.op("Add", old, g.op("Mul", a, g.op("Sub", new, old)))

    total = lambda x: g.op("Reshape", g.op("ReduceMean", x, axes=[1, 2, 3], keepdims=1), g.const(np.array([1, 1], np.int64)))
    mean2 = blend(mean, total(frame), net.STAT_RATE)
    square2 = blend(square, total(g.op("Mul", frame, frame)), net.STAT_RATE)
    var = g.op("Max", g.op("Sub", square2, g.op("Mul", mean2, mean2)), g.num(0))
    sigma = g.op("Sqrt", g.op("Add", var, g.num(net.SIGMA_FLOOR ** 2)))
    scale = g.op("Reshape", g.op("Div", g.num(1), sigma), g.const(np.array([1, 1, 1, 1], np.int64)))
    # 0 or 1: is there a frame that lies one (three) back?
    gate = lambda k: g.op("Reshape", g.op("Min", g.op("Max", g.op("Sub", seen, g.num(k - 1)), g.num(0)), g.num(1)), g.const(np.array([1, 1, 1, 1], np.int64)))
    g1, g3 = g.op("Mul", gate(1), scale), g.op("Mul", gate(3), scale)
    channels = []
    for old, q in ((g.slice(past, 1, 0, 1), g1), (g.slice(past, 1, 2, 3), g3), (back, g1)):
        d = g.op("Mul", g.op("Sub", frame, old), q)
        size_of = g.op("Abs", d)
        channels += [g.op("Div", d, g.op("Add", size_of, g.num(k))) for k in net.GAINS]
    if wanted > len(channels):
        box = g.const(np.full((1, 1, 5, 5), 1 / 25, np.float32), "box")
        soft = g.op("Conv", frame, box, kernel_shape=[5, 5], pads=[2, 2, 2, 2])
        middle = g.op("Reshape", mean2, g.const(np.array([1, 1, 1, 1], np.int64)))
        for old, k in ((middle, net.KNEE_LUMA), (soft, net.KNEE_DETAIL)):
            d = g.op("Mul", g.op("Sub", frame, old), scale)
            channels.append(g.op("Div", d, g.op("Add", g.op("Abs", d), g.num(k))))
    g.keep("past", g.op("Concat", frame, g.slice(past, 1, 0, 2), axis=1))
    g.keep("back", blend(back, frame, net.BACK_RATE))
    g.keep("stat", g.op("Concat", mean2, square2, g.op("Min", g.op("Add", seen, g.num(1)), g.num(1e6)), axis=1))
    return channels


def trunk(g, x, m, tag):
    """One member; returns its logits."""
    array = lambda t: t.detach().cpu().numpy().astype(np.float32)
    cells = m.size
    for k, b in enumerate(m.blocks):
        if b.shift:
            now = g.slice(x, 1, 0, b.shift)
            stem = f"{tag}shift{k}"
            old = g.cast(g.state(stem, (1, b.shift, cells, cells)), True)
            g.keep(stem, g.cast(now, False))
            x = g.op("Concat", old, g.slice(x, 1, b.shift, b.conv.in_channels), axis=1)
        n = b.norm
        s = array(n.weight) / np.sqrt(array(n.running_var) + n.eps)
        w = array(b.conv.weight) * s[:, None, None, None]
        bias = array(n.bias) - array(n.running_mean) * s
        st = b.conv.stride[0]
        x, w = g.rounded(x, w, f"{tag}{k}")
        x = g.op("Relu", g.op("Conv", x, w, g.weight(bias, "b"), kernel_shape=[3, 3], strides=[st, st], pads=[1, 1, 1, 1]))
        cells = (cells + st - 1) // st
    x = g.op("Reshape", x, g.const(np.array([1, m.width[-1] * cells * cells], np.int64)))
    gemm = lambda x, w, b: g.op("Gemm", x, g.weight(array(w), "w"), g.weight(array(b), "b"), transB=1)
    x, w = g.rounded(x, array(m.fc.weight), f"{tag}fc")
    x = g.op("Relu", g.op("Gemm", x, w, g.weight(array(m.fc.bias), "b"), transB=1))
    h = g.cast(g.state(f"{tag}memory", (1, m.hidden)), True)
    gi = gemm(x, m.gru.weight_ih_l0, m.gru.bias_ih_l0)
    gh = gemm(h, m.gru.weight_hh_l0, m.gru.bias_hh_l0)
    part = lambda x, i: g.slice(x, 1, i * m.hidden, (i + 1) * m.hidden)
    r = g.op("Sigmoid", g.op("Add", part(gi, 0), part(gh, 0)))
    z = g.op("Sigmoid", g.op("Add", part(gi, 1), part(gh, 1)))
    new = g.op("Tanh", g.op("Add", part(gi, 2), g.op("Mul", r, part(gh, 2))))
    h2 = g.op("Add", new, g.op("Mul", z, g.op("Sub", h, new)))
    g.keep(f"{tag}memory", g.cast(h2, False))
    return g.cast(gemm(h2, m.head.weight, m.head.bias), False)


@torch.no_grad()
def reach(rimnet, sequences, share=0.9999):
    """What the inputs of the layers reach on sequences uint8 [N, T, S, S]: {layer: the share-quantile of the magnitudes}."""
    got, hooks = {}, []
    for i, m in enumerate(rimnet.members):
        for name, layer in [(f"m{i}_{k}", b.conv) for k, b in enumerate(m.blocks)] + [(f"m{i}_fc", m.fc)]:
            def note(_, args, name=name):
                v = args[0].abs().flatten()
                got.setdefault(name, []).append(v[torch.randint(len(v), (200_000,))])
            hooks.append(layer.register_forward_pre_hook(note))
    torch.manual_seed(1)
    for x in sequences:
        rimnet(torch.from_numpy(x)[None].float() / 255)
    for h in hooks:
        h.remove()
    return {k: float(np.quantile(torch.cat(v).numpy(), share)) for k, v in got.items()}


def streaming(rimnet, doc="", half=False, quant=None):
    """-> (onnx model, list of states)."""
    g, size = Graph(half, quant), rimnet.members[0].size
    frame = g.input("frame", (1, 1, size, size))
    channels = front(g, frame, size, max(m.inputs for m in rimnet.members))
    out, joined = None, {}
    for i, m in enumerate(rimnet.members):
        if m.inputs not in joined:
            joined[m.inputs] = g.cast(g.op("Concat", *channels[:m.inputs], axis=1), True)
        y = trunk(g, joined[m.inputs], m, f"m{i}_")
        out = y if out is None else g.op("Add", out, y)
    if len(rimnet.members) > 1:
        out = g.op("Mul", out, g.num(1.0 / len(rimnet.members)))
    g.output(out, "logits", (1, len(net.CLASSES)))
    return g.model(doc), g.states


class Runner:
    """Runs the exported graph frame by frame, as the daemon does."""

    def __init__(self, model, states, says="logits"):
        import onnxruntime as ort
        o = ort.SessionOptions()
        o.intra_op_num_threads = 1
        data = model if isinstance(model, (str, bytes)) else model.SerializeToString()
        self.session, self.spec = ort.InferenceSession(data, o, providers=["CPUExecutionProvider"]), states
        self.says = says
        self.reset()

    def reset(self):
        self.now = {s["input"]: np.zeros(s["shape"], np.float32) for s in self.spec}

    def __call__(self, frame):
        """[S, S] luma in 0..1 -> logits [4], or whatever else the graph says."""
        names = [self.says] + [s["output"] for s in self.spec]
        got = self.session.run(names, {"frame": frame.astype(np.float32)[None, None], **self.now})
        self.now = {s["input"]: v for s, v in zip(self.spec, got[1:])}
        return got[0][0]
