"""Models of some hundred bytes, by raw protobuf (onnx.proto), with the manifest that makes a bundle of them."""
import hashlib, os, struct

def vbi(n):
    out = b""
    while True:
        n, b = n >> 7, n & 127
        out += bytes([b | (128 if n else 0)])
        if not n: return out
def field(number, value):
    if isinstance(value, int): return vbi(number << 3) + vbi(value)
    if isinstance(value, str): value = value.encode()
    return vbi(number << 3 | 2) + vbi(len(value)) + value

def value(name, shape, kind=1): return field(1, name) + field(2, field(1, field(1, kind) + field(2, b"".join(field(1, field(1, d)) for d in shape))))
def ints(name, *values): return field(5, field(1, len(values)) + field(2, 7) + field(8, name) + field(9, struct.pack(f"<{len(values)}q", *values)))
def floats(name, dims, value): return field(5, b"".join(field(1, d) for d in dims) + field(2, 1) + field(8, name) + field(9, struct.pack("<f", value)))
def tensor_of(name, value): return field(1, name) + field(5, field(1, 1) + field(2, 1) + field(9, struct.pack("<f", value))) + field(20, 4)
def node(op, inputs, output, *attributes): return field(1, b"".join(field(1, i) for i in inputs) + field(2, output) + field(4, op) + b"".join(field(5, a) for a in attributes))
def ints_of(name, *values): return field(1, name) + b"".join(field(8, v) for v in values) + field(20, 7)
def int_of(name, v): return field(1, name) + field(3, v) + field(20, 2)

def model(nodes, initial, side=8):
    graph = b"".join(nodes) + field(2, "g") + b"".join(initial) + field(11, value("frame", [1, 1, side, side])) + field(12, value("logits", [1, 4]))
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13))

# Whatever the middle is, its mean goes out as four logits.
END = [node("ReduceMean", ["big"], "mean", ints_of("axes", 2, 3), int_of("keepdims", 1)), node("Reshape", ["mean", "one_one"], "flat"), node("Tile", ["flat", "four"], "logits")]
END_INITIAL = [ints("one_one", 1, 1), ints("four", 1, 4)]

def honest(): return model([node("Relu", ["frame"], "big"), *END], END_INITIAL)
def tile(times=3000):
    "2.3 GB at the first picture"
    return model([node("Tile", ["frame", "much"], "big"), *END], [ints("much", 1, 1, times, times), *END_INITIAL])
def expand(times=24000):
    one = [node("ReduceMean", ["frame"], "point", ints_of("axes", 2, 3), int_of("keepdims", 1)), node("Expand", ["point", "much"], "big")]
    return model([*one, *END], [ints("much", 1, 1, times, times), *END_INITIAL])
def steps(times=8):
    "no step asks for much more than the one before it: eight doublings of both sides, then eight more"
    nodes, last = [], "frame"
    for n in range(times + 3):
        nodes.append(node("Concat", [last, last], f"w{n}", int_of("axis", 2))); nodes.append(node("Concat", [f"w{n}", f"w{n}"], f"h{n}", int_of("axis", 3))); last = f"h{n}"
    return model([*nodes, node("Relu", [last], "big"), *END], END_INITIAL)
def folded(side=5000, turns=12):
    "constants that an optimizer multiplies while it loads"
    nodes = [node("ConstantOfShape", ["shape"], "m0", tensor_of("value", 1 / side))] + [node("MatMul", [f"m{n}", f"m{n}"], f"m{n + 1}") for n in range(turns)]
    nodes += [node("Add", ["frame", "corner"], "big")]
    nodes.insert(-1, node("ReduceMean", [f"m{turns}"], "corner", ints_of("axes", 2, 3), int_of("keepdims", 1)))
    return model([*nodes, *END], [ints("shape", 1, 1, side, side), *END_INITIAL])
def slow(side=2000, turns=12):
    "small in memory, and 96 thousand million multiply-adds a picture"
    nodes = [node("Tile", ["frame", "much"], "m0")]
    for n in range(turns): nodes += [node("MatMul", [f"m{n}", f"m{n}"], f"n{n}"), node("Mul", [f"n{n}", "small"], f"m{n + 1}")]
    return model([*nodes, node("Relu", [f"m{turns}"], "big"), *END], [ints("much", 1, 1, side // 8, side // 8), floats("small", [1], 1 / side), *END_INITIAL])

def depends(side=160):
    "what it takes hangs on what is in the picture: as many numbers as the square of the points that are not gray"
    nodes = [node("Sub", ["frame", "half"], "d"), node("Abs", ["d"], "a"), node("Greater", ["a", "little"], "b"), node("NonZero", ["b"], "where"), node("Cast", ["where"], "f", int_of("to", 1)),
             node("Transpose", ["f"], "t", ints_of("perm", 1, 0)), node("MatMul", ["t", "f"], "square"), node("ReduceSum", ["square", "axes"], "sum", int_of("keepdims", 1)),
             node("Mul", ["sum", "tiny"], "st"), node("Tile", ["st", "four"], "logits")]
    return model(nodes, [floats("half", [1], 0.5), floats("little", [1], 0.05), ints("axes", 0, 1), floats("tiny", [1], 1e-30), ints("four", 1, 4)], side)

def bundle(folder, name, data, side=8):
    """Writes folder/name/ -> path of the model's file."""
    os.makedirs(f"{folder}/{name}", exist_ok=True)
    path = f"{folder}/{name}/m.onnx"
    if data is not None:
        with open(path, "wb") as f: f.write(data)
    with open(f"{folder}/{name}/model.toml", "w") as f:
        f.write(f'''format = 2
name = "{name}"
version = "0.0.1"
task = "rim"
budget_ms = 5.0
rates = [24.0, 31.0]
max_gap_ms = 250
[[file]]
path = "m.onnx"
precision = "fp32"
device = "any"
sha256 = "{hashlib.sha256(data or b"").hexdigest()}"
[[rim.input]]
name = "frame"
size = {side}
channels = ["y"]
rings = 4.0
above = 1.5
[rim.output]
logits = "logits"
classes = ["none", "under_way", "made", "missed"]
[provenance]
data = "made by trials/attacks"
''')
    return path
