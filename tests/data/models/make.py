#!/usr/bin/env python3
"""Writes the toy networks beside this file, and the manifest of each: `python3 make.py` (needs onnx).

toy   logits = [mean of the crop, frames seen before, seconds since the last one, 0]
shade the same under another name
nan   the square root of minus the mean: not a number, but for a black picture
wide  a logit too many
"""
import hashlib
import pathlib

from onnx import TensorProto, checker, helper

HERE = pathlib.Path(__file__).parent
F = TensorProto.FLOAT


def tensor(name, values, shape):
    return helper.make_tensor(name, F, shape, values)


def info(name, shape):
    return helper.make_tensor_value_info(name, F, shape)


def save(name, nodes, constants, logits):
    graph = helper.make_graph(
        nodes,
        name,
        [info("frame", [1, 1, 8, 8]), info("dt", [1, 1]), info("seen", [1, 1])],
        [info("logits", [1, logits]), info("seen_out", [1, 1])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    checker.check_model(model)
    data = model.SerializeToString()
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.onnx").write_bytes(data)
    (folder / "model.toml").write_text(
        f"""format = 2
name = "{name}"
version = "0.1.0"
task = "rim"
budget_ms = 3.0
rates = [24.0, 31.0]
max_gap_ms = 250
warmup_frames = 2
[[file]]
path = "{name}.onnx"
precision = "fp32"
device = "any"
sha256 = "{hashlib.sha256(data).hexdigest()}"
[[rim.input]]
name = "frame"
size = 8
channels = ["y"]
rings = 3.2
above = 0.9
[rim.input_dt]
name = "dt"
[[rim.state]]
input = "seen"
output = "seen_out"
shape = [1, 1]
[rim.output]
logits = "logits"
classes = ["none", "under_way", "made", "missed"]
[provenance]
data = "none: a toy for tests"
"""
    )


ONE, ZERO = tensor("one", [1.0], [1, 1]), tensor("zero", [0.0], [1, 1])
COUNT = [helper.make_node("Add", ["seen", "one"], ["seen_out"])]
MEAN = [
    helper.make_node("ReduceMean", ["frame"], ["mean4"], axes=[2, 3], keepdims=0),
]
for name in ["toy", "shade"]:
    save(
        name,
        MEAN
        + COUNT
        + [helper.make_node("Concat", ["mean4", "seen", "dt", "zero"], ["logits"], axis=1)],
        [ONE, ZERO],
        4,
    )
save(
    "nan",
    MEAN
    + COUNT
    + [
        helper.make_node("Neg", ["mean4"], ["minus"]),
        helper.make_node("Sqrt", ["minus"], ["root"]),
        helper.make_node("Concat", ["root", "seen", "dt", "zero"], ["logits"], axis=1),
    ],
    [ONE, ZERO],
    4,
)
save(
    "wide",
    MEAN
    + COUNT
    + [helper.make_node("Concat", ["mean4", "seen", "dt", "zero", "zero"], ["logits"], axis=1)],
    [ONE, ZERO],
    5,
)
