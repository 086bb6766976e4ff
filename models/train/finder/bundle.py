"""Writes the bundle of RimFinder: graphs, manifest with their hashes, and small vectors that hold other implementations to this one.

    python -m train.finder.bundle DIR --weights finder.pt [--name rimfinder --version 0.1.0 --facts facts.toml] [--untrained]
                                  [--calibrate 96 --photos FILE]

FP32: weights are stored as halves and turned to floats in the graph, which halves the file; all arithmetic is in floats. With
--calibrate, FP16 (all arithmetic in halves) and INT8 too, the latter calibrated on N drawn pictures of a seed range of their
own: for TensorRT weights of +-127, for processors of +-63 (see export.py); the first and the last convolution stay in floats.
Inputs and outputs are floats in all.
"""
import argparse
import json
import os
import tomllib

import numpy as np
import torch

from .. import export, given
from ..bundle import put, section
from . import letterbox, net

W, H = 640, 360
FLOAT = ("s2.conv", "head")             # first and last convolution: eight bits there cost most of what INT8 costs, and save nothing
CALIBRATION_SEED = 7_000_000_000
DECISION = {"least": 0.3, "apart": 0.5, "most": 16}


def graph(finder, doc, half=False, quant=None):
    g, name = export.Graph(half, quant), {m: k for k, m in finder.named_modules()}

    def stored(v):
        """A constant as the file holds it: halves, which all but the graph in halves turn to floats."""
        from onnx import TensorProto
        c = g.const(np.asarray(v, np.float16), "w")
        return c if half else g.op("Cast", c, to=TensorProto.FLOAT)

    def product(conv, x, w, b, **attrs):
        """The convolution itself, in eight bits where they are asked for."""
        if quant and name[conv] not in FLOAT:
            x, w = g.rounded(x, np.asarray(w, np.float32), name[conv])
        else:
            w = stored(w)
        return g.op("Conv", x, w, stored(b), **attrs)

    def conv(m, x):
        """Convolution with its normalisation folded in."""
        n, a = m.norm, lambda t: t.detach().double().numpy()
        s = a(n.weight) / np.sqrt(a(n.running_var) + n.eps)
        w, b = a(m.conv.weight) * s[:, None, None, None], a(n.bias) - a(n.running_mean) * s
        side, st, pad = m.conv.kernel_size[0], m.conv.stride[0], m.conv.padding[0]
        y = product(m.conv, x, w, b, kernel_shape=[side, side], strides=[st, st], pads=[pad] * 4)
        return g.op("Relu", g.op("Add", x, y) if m.add else y)

    def seq(s, x):
        for m in s:
            x = conv(m, x)
        return x

    def twice(x, channels, size, to):
        h, w = size
        i = lambda v: g.const(np.array(v, np.int64))
        x = g.op("Reshape", x, i([1, channels, h, 1, w, 1]))
        x = g.op("Expand", x, i([1, channels, h, 2, w, 2]))
        x = g.op("Reshape", x, i([1, channels, 2 * h, 2 * w]))
        for axis, n, full in ((2, to[0], 2 * h), (3, to[1], 2 * w)):
            if n < full:
                x = g.slice(x, axis, 0, n)
        return x

    up = lambda n: -(-n // 2)
    s8 = (H // 8, W // 8)
    s16 = (up(s8[0]), up(s8[1]))
    s32 = (up(s16[0]), up(s16[1]))
    x = g.op("Sub", g.input("frame", (1, 3, H, W)), g.const(np.array(0.5, np.float32).reshape(1)))
    x = g.cast(x, True)
    x8 = seq(finder.s8, seq(finder.s4, conv(finder.s2, x)))
    x16 = seq(finder.s16, x8)
    x32 = seq(finder.s32, x16)
    c = finder.width[2]
    y = conv(finder.join16, g.op("Add", conv(finder.side16, x16), twice(conv(finder.down16, x32), c, s32, s16)))
    y = conv(finder.join8, g.op("Add", conv(finder.side8, x8), twice(conv(finder.down8, y), c, s16, s8)))
    w, b = finder.head.weight.detach().numpy(), finder.head.bias.detach().numpy()
    g.output(g.cast(product(finder.head, y, w, b, kernel_shape=[1, 1]), False), "found", (1, 5, *s8))
    return g.model(doc)


@torch.no_grad()
def reach(finder, pictures, share=0.9999):
    """What the inputs of the convolutions reach on `pictures` (Y, Cb, Cr bytes): {name: the share-quantile of the magnitudes}."""
    got, hooks = {}, []
    for name, m in finder.named_modules():
        if isinstance(m, torch.nn.Conv2d):
            def note(_, args, name=name):
                v = args[0].abs().flatten()
                got.setdefault(name, []).append(v[torch.randint(len(v), (100_000,))])
            hooks.append(m.register_forward_pre_hook(note))
    torch.manual_seed(1)
    for p in pictures:
        finder(torch.from_numpy(p)[None].float() / 255)
    for h in hooks:
        h.remove()
    return {k: float(np.quantile(torch.cat(v).numpy(), share)) for k, v in got.items()}


def pattern():
    """A picture by formula: Y, Cb, Cr bytes [3, 360, 640] with a flat reddish ellipse under a bright square, see `about`."""
    r, c = np.mgrid[0:H, 0:W]
    p = np.stack([60 + r // 4 + c // 8, 128 + (r // 16 + c // 32) % 5, 128 - (r // 32) % 7])
    square = (r >= 100) & (r < 170) & (c >= 270) & (c < 370)
    q = ((c - 320) * 3) ** 2 + ((r - 160) * 8) ** 2
    rim = (q >= 75 ** 2) & (q < 95 ** 2)
    p[0] = np.where(square, 230, p[0])
    for k, v in enumerate((120, 90, 200)):
        p[k] = np.where(rim, v, p[k])
    return p.astype(np.uint8)


ABOUT = ("row r, column c, all divisions of whole numbers: Y = 60 + r/4 + c/8, Cb = 128 + (r/16 + c/32) mod 5, Cr = 128 - (r/32) mod 7; Y = 230 where "
         "100 <= r < 170 and 270 <= c < 370; then Y, Cb, Cr = 120, 90, 200 where q = ((c-320)*3)^2 + ((r-160)*8)^2 is 75^2 <= q < 95^2; input = byte/255. "
         "`found` at the indices `at` of the flattened output; must agree to within 5e-3")


def vectors(folder, model):
    import onnxruntime as ort
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(20261122)
    cases = []
    # Wider than the output's shape, higher, odd sizes, and one that is enlarged.
    for w, h, out in ((64, 24, (32, 18)), (21, 37, (32, 18)), (51, 45, (32, 18)), (12, 8, (32, 18))):
        p = [rng.integers(0, 256, s, np.uint8) for s in ((h, w), (-(-h // 2), -(-w // 2)), (-(-h // 2), -(-w // 2)))]
        x = letterbox.Letterbox(w, h, out)(*p)
        cases.append({"width": w, "height": h, "out": list(out), "y": p[0].ravel().tolist(), "cb": p[1].ravel().tolist(), "cr": p[2].ravel().tolist(),
                      "input": [round(float(v), 5) for v in x.ravel()]})
    with open(os.path.join(folder, "letterbox.json"), "w") as f:
        json.dump({"about": "planes of bytes (4:2:0, row by row) and the input that fitting them into `out` (width, height) must give, to within 1e-4", "cases": cases}, f)
    s = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    y = s.run(None, {"frame": (pattern() / 255).astype(np.float32)[None]})[0].ravel()
    at = list(range(0, len(y), 61))
    with open(os.path.join(folder, "net.json"), "w") as f:
        json.dump({"about": ABOUT, "at": at, "found": [round(float(y[i]), 4) for i in at]}, f)
    maps = []
    for n in range(3):
        z = np.full((5, net.ROWS, net.COLS), 0, np.float32)
        z[0] = -6
        for _ in range(6 + 6 * n):
            r, c = int(rng.integers(0, net.ROWS)), int(rng.integers(0, net.COLS))
            z[:, r, c] = [rng.normal(0.5, 2), rng.uniform(0, 1), rng.uniform(0, 1), rng.normal(0.5, 0.6), rng.normal(-0.5, 0.6)]
        z = z.round(3)
        where = np.nonzero(z[0] > -6)
        rings = net.peaks(z, DECISION["least"], DECISION["apart"], DECISION["most"])
        rounded = lambda v: [[round(a, 4) for a in q] for q in v]
        maps.append({"cells": [[int(r), int(c)] + [float(v) for v in z[:, r, c]] for r, c in zip(*where)],
                     "rings": rounded(rings), "tall": rounded(net.tall(rings))})
    with open(os.path.join(folder, "peaks.json"), "w") as f:
        json.dump({"about": "cells [row, column, the five values]; all others are [-6, 0, 0, 0, 0]; rings [score, centre x, centre y, width, height] as `decision` has them; tall: the same, each at least 0.3 of its width high about the same middle", "maps": maps}, f)


def write(out, name, version, finder, provenance, reach=None):
    os.makedirs(out, exist_ok=True)
    files, doc = [], f"{name} {version}"

    model = graph(finder, doc)
    count = put(out, name, files, "fp32", "fp32", "any", model)
    if reach:
        put(out, name, files, "fp16", "fp16", "any", graph(finder, doc, half=True))
        put(out, name, files, "int8-cuda", "int8", "cuda", graph(finder, doc, quant=export.Quant(reach, 127)))
        put(out, name, files, "int8-cpu", "int8", "cpu", graph(finder, doc, quant=export.Quant(reach, 63)))
    t = f"# Written by models/train/finder/bundle.py.\nformat = {given.FORMAT}\nname = {json.dumps(name)}\nversion = {json.dumps(version)}\ntask = \"ring\"\n"
    t += "budget_ms = 60.0\nrates = [1.0, 1.0]\nqueue_frames = 1\n"
    for f in files:
        t += section("[[file]]", f)
    t += section("[ring.frame]", {"name": "frame", "width": W, "height": H})
    t += section("[ring.found]", {"name": "found", "stride": net.STRIDE, "unit": net.UNIT})
    t += section("[ring.decision]", DECISION)
    t += section("[provenance]", provenance)
    tomllib.loads(t)
    with open(os.path.join(out, "model.toml"), "w") as f:
        f.write(t)
    vectors(os.path.join(out, "testdata"), model)
    return count


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--name", default="rimfinder")
    p.add_argument("--version", default="0.1.0")
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument("--weights")
    what.add_argument("--untrained", action="store_true", help="random weights of the right shape, for integration")
    p.add_argument("--facts")
    p.add_argument("--calibrate", type=int, default=0, help="drawn pictures to calibrate INT8 on; 0: FP32 only")
    p.add_argument("--photos", help="backgrounds that photos.py packed, for the pictures of --calibrate")
    o = p.parse_args()
    torch.manual_seed(0)
    finder = net.Finder().eval() if o.untrained else net.load(o.weights)
    facts = given.toml(o.facts, "write it as models/train/finder/rimfinder.facts.toml is written") if o.facts else {}
    reaches = None
    if o.calibrate:
        from . import draw
        photos = draw.load_photos(o.photos) if o.photos else []
        reaches = reach(finder, (draw.picture(CALIBRATION_SEED + k, photos)[0] for k in range(o.calibrate)))
    n = write(o.out, o.name, o.version, finder, facts.get("provenance") or {"data": "none", "rights": []}, reaches)
    print(f"{o.out}: {n / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
