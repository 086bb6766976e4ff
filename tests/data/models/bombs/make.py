#!/usr/bin/env python3
"""Writes the networks beside this file that want more than a box has, and the manifest of each.

    python3 make.py

Needs nothing installed: protobuf by hand, as little of it as ONNX takes. Each is a few hundred bytes, takes
what `toy` takes and says what `toy` says, so that nothing but its appetite is wrong.

tile      repeats the crop to 3.2 GB, at the first picture
expand    broadcasts it to 4 GB
resize    enlarges it a thousand times
fill      a constant of 4 GB out of its shape
range     counts to a thousand million
chain     40 products of matrices that hang on no picture: hours, at load
dims      an initializer that declares 40 GB and has none of it
external  an initializer that lies in /dev/zero
hot       an outer product of 14 GB by Einsum, whose shape we do not follow: only a trial shows it
slow      the same of time: product after product, at load
"""
import hashlib
import pathlib
import struct

HERE = pathlib.Path(__file__).parent
FLOAT, INT64 = 1, 7


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name, kind, dims, values=(), more=b""):
    raw = struct.pack(f"<{len(values)}{'f' if kind == FLOAT else 'q'}", *values)
    out = b"".join(field(1, dim) for dim in dims) + field(2, kind) + field(8, name)
    return out + (field(9, raw) if raw else b"") + more


def ints(name, *values):
    return field(1, name) + b"".join(field(8, value) for value in values) + field(20, 7)


def integer(name, value):
    return field(1, name) + field(3, value) + field(20, 2)


def string(name, value):
    return field(1, name) + field(4, value) + field(20, 3)


def one(name, value):
    return field(1, name) + field(5, value) + field(20, 4)


def node(op, inputs, outputs, *attributes):
    out = b"".join(field(1, name) for name in inputs) + b"".join(field(2, name) for name in outputs)
    return out + field(3, outputs[0]) + field(4, op) + b"".join(field(5, a) for a in attributes)


def info(name, dims):
    shape = b"".join(field(1, field(1, dim)) for dim in dims)
    return field(1, name) + field(2, field(1, field(1, FLOAT) + field(2, shape)))


def save(name, nodes, constants=()):
    """`nodes` make `mean`, `f32[1, 1]`, out of the crop or of nothing."""
    constants = [tensor("one", FLOAT, [1, 1], [1.0]), tensor("zero", FLOAT, [1, 1], [0.0]), *constants]
    nodes = [
        *nodes,
        node("Concat", ["mean", "seen", "dt", "zero"], ["logits"], integer("axis", 1)),
        node("Add", ["seen", "one"], ["seen_out"]),
    ]
    graph = b"".join(field(1, one) for one in nodes) + field(2, name)
    graph += b"".join(field(5, one) for one in constants)
    inputs = [("frame", [1, 1, 8, 8]), ("dt", [1, 1]), ("seen", [1, 1])]
    graph += b"".join(field(11, info(*one)) for one in inputs)
    graph += b"".join(field(12, info(*one)) for one in [("logits", [1, 4]), ("seen_out", [1, 1])])
    data = field(1, 8) + field(7, graph) + field(8, field(2, 13))
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    (folder / "bomb.onnx").write_bytes(data)
    toy = (HERE.parent / "toy" / "model.toml").read_text()
    head, rest = toy.split('sha256 = "', 1)
    text = head + f'sha256 = "{hashlib.sha256(data).hexdigest()}' + rest[64:]
    (folder / "model.toml").write_text(
        text.replace('name = "toy"', f'name = "{name}"').replace("toy.onnx", "bomb.onnx")
    )


MEAN4 = node("ReduceMean", ["big"], ["mean"], ints("axes", 2, 3), integer("keepdims", 0))


def of_matrix(name):
    return [
        node("ReduceMean", [name], ["dot"], ints("axes", 0, 1), integer("keepdims", 1)),
        node("Add", ["dot", "zero"], ["mean"]),
    ]


def table(name, *values):
    return tensor(name, INT64, [len(values)], values)


save("tile", [node("Tile", ["frame", "by"], ["big"]), MEAN4], [table("by", 1, 1, 5000, 2500)])
save("expand", [node("Expand", ["frame", "to"], ["big"]), MEAN4], [table("to", 4000, 4000, 8, 8)])
save(
    "resize",
    [node("Resize", ["frame", "", "by"], ["big"], string("mode", "nearest")), MEAN4],
    [tensor("by", FLOAT, [4], [1.0, 1.0, 1000.0, 1000.0])],
)
save("fill", [node("ConstantOfShape", ["dims"], ["big"], one("value", tensor("", FLOAT, [1], [1.0]))), *of_matrix("big")], [table("dims", 32000, 32000)])
save(
    "range",
    [
        node("Range", ["from", "to", "by"], ["big"]),
        node("ReduceMean", ["big"], ["dot"], ints("axes", 0), integer("keepdims", 1)),
        node("Add", ["dot", "zero"], ["mean"]),
    ],
    [tensor(name, FLOAT, [], [value]) for name, value in [("from", 0.0), ("to", 1e9), ("by", 1.0)]],
)
save(
    "chain",
    [
        node("ConstantOfShape", ["dims"], ["m0"], one("value", tensor("", FLOAT, [1], [1.0]))),
        *[node("MatMul", [f"m{n}", f"m{n}"], [f"m{n + 1}"]) for n in range(40)],
        *of_matrix("m40"),
    ],
    [table("dims", 2048, 2048)],
)
save("dims", of_matrix("weights"), [tensor("weights", FLOAT, [100000, 100000])])
zero = field(13, field(1, "location") + field(2, "/dev/zero")) + field(14, 1)
save("external", of_matrix("weights"), [tensor("weights", FLOAT, [1000, 1000], more=zero)])
save(
    "hot",
    [
        node("ConstantOfShape", ["dims"], ["line"], one("value", tensor("", FLOAT, [1], [1.0]))),
        node("Einsum", ["line", "line"], ["big"], string("equation", "i,j->ij")),
        *of_matrix("big"),
    ],
    [table("dims", 60000)],
)
save(
    "slow",
    [
        node("ConstantOfShape", ["dims"], ["m0"], one("value", tensor("", FLOAT, [1], [1.0]))),
        *[node("Einsum", [f"m{n}", f"m{n}"], [f"m{n + 1}"], string("equation", "ij,jk->ik")) for n in range(200)],
        *of_matrix("m200"),
    ],
    [table("dims", 2048, 2048)],
)
