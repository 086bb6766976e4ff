"""Members of RimNet as trainings go on from them: of the .pt files that `fit` and `finetune` write, or of a bundle.

A bundle's FP32 file holds all that `forward` needs, but the normalisations are folded into the convolutions (`export.trunk`).
A member read from it has norms that do nothing (mean 0, deviation 1, factor 1) and add the folded bias. It answers the same as
long as its norms keep their statistics, as `finetune` does; in train mode, as `fit` has it, the first batch would change them
and with them every answer. So `fit --init` takes the norms out of the convolutions first (`unfold`), and such a member is not
averaged with one that was not folded.
"""
import os

import numpy as np
import torch

from . import export, given, net

DO = "name a .pt file of train.fit or train.finetune, a bundle's folder such as models/rimnet, or its FP32 .onnx file"
CONVS, GEMMS = 7, 4         # a member's layers as `export.trunk` writes them: blocks; fc, GRU of the input, GRU of the memory, head
NEAR = 1e-3                 # largest difference of logits between a file and the net that was read from it


def trunks(path):
    """-> the trunks of a .pt file (one), a bundle's folder, or an FP32 ONNX file (as many as it averages)."""
    if os.path.isdir(path):
        plain = [f["path"] for f in given.manifest(path)["file"] if f["precision"] == "fp32"]
        if not plain:
            given.refuse(f"{path}: the bundle has no FP32 file; {DO}")
        path = os.path.join(path, plain[0])
    return of_graph(path) if path.endswith(".onnx") else [trunk(given.stored(path, DO), path)]


def member(path):
    """{'config', 'state'} of the only trunk of a file or bundle."""
    got = trunks(path)
    if len(got) != 1:
        given.refuse(f"{path}: {len(got)} members; this takes one: the .pt file of one of them")
    return {"config": got[0].config(), "state": got[0].state_dict()}


def seen(path):
    """Courts that a file or bundle says it was tuned on."""
    if os.path.isdir(path):
        return given.manifest(path).get("provenance", {}).get("seen", [])
    return [] if path.endswith(".onnx") else given.stored(path, DO).get("seen", [])


def folded(stored):
    """Whether a member was read from a graph, or tuned from there on."""
    return not any(v.any() for k, v in stored["state"].items() if k.endswith("norm.running_mean"))


@torch.no_grad()
def unfold(m, batches):
    """Gives a folded trunk norms that do something: statistics of what its convolutions give for `batches` (of `net.front`), factors
    and biases by which it answers as before, and convolutions of length 1 an output channel, since after a norm only the direction counts."""
    sums = [0.0] * len(m.blocks)
    told = 0

    def listen(k):
        def hear(_, args):
            x = args[0]
            sums[k] = sums[k] + torch.stack([x.mean((0, 2, 3)), (x * x).mean((0, 2, 3))])
        return hear

    heard = [b.norm.register_forward_pre_hook(listen(k)) for k, b in enumerate(m.blocks)]
    m.eval()
    for f in batches:
        m(f)
        told += 1
    for h in heard:
        h.remove()
    for b, s in zip(m.blocks, sums):
        mean, square = s / told
        var = (square - mean * mean).clamp(min=0)
        long = b.conv.weight.flatten(1).norm(dim=1).clamp(min=1e-6)
        b.conv.weight /= long[:, None, None, None]
        b.norm.running_mean.copy_(mean / long)
        b.norm.running_var.copy_(var / long ** 2)
        b.norm.bias += mean
        b.norm.weight.copy_((b.norm.running_var + b.norm.eps).sqrt() * long)


def load(paths, device="cpu"):
    """A RimNet of all trunks of `paths`."""
    return net.RimNet([m for p in paths for m in trunks(p)]).to(device).eval()


def trunk(stored, path):
    try:
        m = net.Trunk(**stored["config"])
        m.load_state_dict({k: v.float() if v.dtype.is_floating_point else v for k, v in stored["state"].items()})
    except (KeyError, TypeError, AttributeError, RuntimeError) as e:
        given.refuse(f"{path}: not a member as train/net.py has them ({str(e).splitlines()[0]}); {DO}")
    return m


def of_graph(path):
    """The trunks of a streaming graph, held to the answers that the graph gives."""
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import numpy_helper
    try:
        g = onnx.load(given.file(path, DO)).graph
    except DecodeError:
        given.refuse(f"{path}: no ONNX file; {DO}")
    const = {i.name: i for i in g.initializer}
    shapes = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in g.input}
    layers = {kind: [[const.get(name) for name in n.input[1:]] for n in g.node if n.op_type == kind and len(n.input) == 3] for kind in ("Conv", "Gemm")}
    convs, gemms, count = layers["Conv"], layers["Gemm"], len(layers["Conv"]) // CONVS
    whole = count and len(convs) == CONVS * count and len(gemms) == GEMMS * count
    spec = [{"input": k, "output": k + "_out", "shape": s} for k, s in shapes.items() if k != "frame"]
    known = "frame" in shapes and {"logits", *(s["output"] for s in spec)} == {o.name for o in g.output}
    if not whole or not known or any(w is None or w.data_type != onnx.TensorProto.FLOAT for layer in convs + gemms for w in layer):
        given.refuse(f"{path}: not the FP32 graph of a RimNet; {DO}")
    read = lambda some: [[torch.from_numpy(numpy_helper.to_array(w).copy()) for w in layer] for layer in some]
    got = [unfolded(read(convs[k * CONVS:(k + 1) * CONVS]), read(gemms[k * GEMMS:(k + 1) * GEMMS]), shapes["frame"][-1], path) for k in range(count)]
    # As long as the slowest memory of the front end, and brighter and brighter.
    x = np.random.default_rng(1).random((70, *shapes["frame"][-2:]), np.float32) * np.linspace(0.3, 1, 70, dtype=np.float32)[:, None, None]
    run = export.Runner(path, spec)
    with torch.no_grad():
        off = np.abs(net.RimNet(got).eval()(torch.from_numpy(x)[None])[0].numpy() - np.stack([run(f) for f in x])).max()
    if not off < NEAR:
        given.refuse(f"{path}: its answers are not those of train/net.py (logits off by {off:.3g}): another version wrote it; use the code of that version")
    return got


def unfolded(convs, gemms, size, path):
    """A trunk of layers [weight, bias]; widths, memory and channels of the front end are read off their shapes."""
    (w0, _), wide = convs[0], [w.shape[0] for w, _ in convs]
    config = dict(size=size, width=(wide[0], wide[1], wide[3], wide[5]), hidden=gemms[0][0].shape[0], inputs=w0.shape[1])
    eps = torch.nn.BatchNorm2d(1).eps
    state = {}
    for k, (w, b) in enumerate(convs):
        one = torch.ones_like(b)
        state |= {f"blocks.{k}.conv.weight": w, f"blocks.{k}.norm.weight": one, f"blocks.{k}.norm.bias": b, f"blocks.{k}.norm.running_mean": 0 * one,
                  f"blocks.{k}.norm.running_var": one - eps, f"blocks.{k}.norm.num_batches_tracked": torch.tensor(0)}
    for (w, b), names in zip(gemms, (("fc.weight", "fc.bias"), ("gru.weight_ih_l0", "gru.bias_ih_l0"), ("gru.weight_hh_l0", "gru.bias_hh_l0"), ("head.weight", "head.bias"))):
        state |= dict(zip(names, (w, b)))
    return trunk({"config": config, "state": state}, path)
