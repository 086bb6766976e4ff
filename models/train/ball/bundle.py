"""Writes the bundle of BallNet: graphs, manifest with their hashes, and small vectors that hold other implementations to this one.

    python -m train.ball.bundle DIR --weights ballnet.pt --facts train/ballnet.facts.toml [--name ballnet --version 0.1.0] [--half]

FP32; with --half FP16 too, where the convolutions compute in halves. `facts.toml` may hold [ball] and [decision], which the rule is read by,
and has [provenance].
"""
import argparse
import json
import os
import tomllib

import numpy as np

from .. import crop, export, given
from ..bundle import DECISION, moving_square, put, section
from . import net, rule

BALL = {"least": 0.35, "through": 0.0, "trust": 1.0}


def graph(ballnet, doc, half=False):
    """-> (onnx model, list of states)."""
    g, s = export.Graph(half), net.SIZE
    array = lambda t: t.detach().double().numpy()
    shaped = lambda x: g.op("Reshape", x, g.const(np.array([1, 1, 1, 1], np.int64)))
    frame = g.input("frame", (1, 1, s, s))
    past = g.state("past", (1, net.PAST, s, s))                      # luma of t-1, t-2
    mean = g.op("ReduceMean", frame, axes=[1, 2, 3], keepdims=1)
    square = g.op("ReduceMean", g.op("Mul", frame, frame), axes=[1, 2, 3], keepdims=1)
    var = g.op("Max", g.op("Sub", square, g.op("Mul", mean, mean)), shaped(g.num(0)))
    sigma = g.op("Sqrt", g.op("Add", var, shaped(g.num(net.FLOOR ** 2))))
    channels = []
    for old, knee in zip((mean, g.slice(past, 1, 0, 1), g.slice(past, 1, 1, 2)), net.KNEES):
        d = g.op("Div", g.op("Sub", frame, old), sigma)
        channels.append(g.op("Div", d, g.op("Add", g.op("Abs", d), g.num(knee))))
    g.keep("past", g.op("Concat", frame, g.slice(past, 1, 0, 1), axis=1))
    x = g.cast(g.op("Concat", *channels, axis=1), True)
    for m in ballnet.layers:
        k = array(m.norm.weight) / np.sqrt(array(m.norm.running_var) + m.norm.eps)
        w, b = array(m.conv.weight) * k[:, None, None, None], array(m.norm.bias) - array(m.norm.running_mean) * k
        st, d = m.conv.stride[0], m.conv.dilation[0]
        y = g.op("Conv", x, g.weight(w, "w"), g.weight(b, "b"), kernel_shape=[3, 3], strides=[st, st], dilations=[d, d], pads=[d] * 4)
        x = g.op("Relu", g.op("Add", x, y) if m.add else y)
    y = g.op("Conv", x, g.weight(array(ballnet.head.weight), "w"), g.weight(array(ballnet.head.bias), "b"), kernel_shape=[1, 1])
    g.output(g.cast(y, False), "maps", (1, 2, net.CELLS, net.CELLS))
    return g.model(doc), g.states


def manifest(name, version, files, states, ball, decision, provenance):
    t = f"# Written by models/train/ball/bundle.py.\nformat = {given.FORMAT}\nname = {json.dumps(name)}\nversion = {json.dumps(version)}\ntask = \"rim\"\n"
    t += "budget_ms = 3.0\nrates = [24.0, 31.0]\nmax_gap_ms = 250\nwarmup_frames = 2\nqueue_frames = 8\n"
    for f in files:
        t += section("[[file]]", f)
    t += section("[[rim.input]]", {"name": "frame", "size": net.SIZE, "channels": ["y"], "rings": crop.RINGS, "above": crop.ABOVE})
    for s in states:
        t += section("[[rim.state]]", s)
    t += section("[rim.ball]", {"maps": "maps", "cells": net.CELLS, **ball})
    t += section("[rim.decision]", decision)
    t += section("[provenance]", provenance)
    tomllib.loads(t)
    return t


ABOUT = ("frame t, row r, column c: byte = 60 + r/2 + c/4 (whole-number division), plus 90 where 4t <= r < 4t+14 and 30 <= c < 44; "
         "value = byte/255; states start at zero; of the maps, flattened, the values `at` must agree to within 2e-3")


def vectors(folder, model, states):
    """The moving square of RimNet's vectors, and what some cells say of it."""
    os.makedirs(folder, exist_ok=True)
    run, at, told = export.Runner(model, states, "maps"), np.arange(0, 2 * net.CELLS ** 2, 37), []
    for t in range(12):
        told.append([round(float(v), 5) for v in run(moving_square(t, net.SIZE)).ravel()[at]])
    with open(os.path.join(folder, "net.json"), "w") as f:
        json.dump({"about": ABOUT, "size": net.SIZE, "at": at.tolist(), "maps": told}, f)


def ways(folder):
    """Ways of a ball past a ring, with other things that are taken for one, and what `rule` answers; maps, and the balls in them."""
    rng, told, seen = np.random.default_rng(20261129), [], []
    for _ in range(40):
        half, by = float(rng.uniform(0.03, 0.3)), rule.By(trust=float(rng.uniform(0, 2)), through=float(rng.uniform(-2, 2)))
        way, at, pictures = rule.Way(half, by), 0, []
        places = [rng.uniform((-1.5, -1.6), (1.5, -0.6)), rng.uniform((-0.8, -0.4), (0.8, 0.1)), *rng.uniform((-1.5, -1.5), (1.5, 2), (rng.integers(1, 4), 2))]
        inside = float(rng.uniform(-4, 4))
        for a, b in zip(places, places[1:]):
            for part in np.arange(0, 1, 1 / rng.integers(3, 12)):
                at += int(rng.integers(30, 45)) if rng.random() < 0.97 else 200
                ball = [[*(a + part * (b - a)), 0.8, inside + rng.normal()]] if rng.random() < 0.9 else []
                other = [[*rng.uniform((-2, -1.5), (2, 2.3)), 0.9, -2.0]] if rng.random() < 0.1 else []
                spots = [[round(float(v), 4) for v in s] for s in other + ball]
                pictures.append({"ms": at, "spots": spots, "says": [round(v, 5) for v in way.look(at / 1000, spots)]})
        for _ in range(12):
            at += 66
            pictures.append({"ms": at, "spots": [], "says": [round(v, 5) for v in way.look(at / 1000, [])]})
        told.append({"half": half, "through": by.through, "trust": by.trust, "pictures": pictures})
    for _ in range(6):
        maps = np.round(rng.normal(-3, 2.5, (2, 8, 8)), 3)
        seen.append({"half": 0.2, "maps": maps.ravel().tolist(), "spots": [[round(float(v), 5) for v in s] for s in rule.spots(maps, 0.2, rule.By())]})
    about = ("ways: balls by the ring (across, below, score, log-odds of inside), picture by picture, and none, under way, made, missed to within 1e-3; "
             "seen: two maps of 8 x 8 logits and the balls in them, to within 1e-3, with least 0.35, rings 4, above 1.5")
    with open(os.path.join(folder, "rule.json"), "w") as f:
        json.dump({"about": about, "ways": told, "seen": seen}, f)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--weights", required=True, help="what train.ball.fit wrote")
    p.add_argument("--facts", required=True)
    p.add_argument("--name", default="ballnet")
    p.add_argument("--version", default="0.1.0")
    p.add_argument("--half", action="store_true")
    o = p.parse_args()
    facts, m, files = given.toml(o.facts, "write it as models/train/ballnet.facts.toml is written"), net.load(o.weights), []
    os.makedirs(o.out, exist_ok=True)
    doc = f"{o.name} {o.version}"
    model, states = graph(m, doc)
    count = put(o.out, o.name, files, "fp32", "fp32", "any", model)
    if o.half:
        put(o.out, o.name, files, "fp16", "fp16", "any", graph(m, doc, half=True)[0])
    text = manifest(o.name, o.version, files, states, {**BALL, **facts.get("ball", {})}, {**DECISION, **facts.get("decision", {})}, facts["provenance"])
    with open(os.path.join(o.out, "model.toml"), "w") as f:
        f.write(text)
    vectors(os.path.join(o.out, "testdata"), model, states)
    ways(os.path.join(o.out, "testdata"))
    print(f"{o.out}: {count / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
