"""Writes a model bundle: graph, manifest with hashes, and small vectors that hold other implementations to this one.

    python -m train.bundle OUT --name rimnet --version 0.1.0 --weights a.pt b.pt … [--facts facts.toml] [--calibrate N]
    python -m train.bundle OUT --facts facts.toml --restate

--weights: members as `weights.py` takes them, so a bundle's folder too. `facts.toml` may hold [decision] and [provenance], copied into
the manifest; the courts that a member was tuned on go to its `seen`. With --calibrate, FP16 and INT8 variants too,
the latter calibrated on N rendered sequences of a seed range of their own: one for TensorRT, one for processors.
"""
import argparse
import hashlib
import json
import os
import tomllib

import numpy as np
import torch

from . import crop, export, given, net, weights

CALIBRATION_SEED = 950_000_000

DECISION = {"temperature": 1.0, "open": 0.5, "open_frames": 2, "provisional": 0.75, "final_after_ms": 300, "early_ms": 200, "early_odds": 2.5, "ball": 0.1, "unsure": 0.5}


def toml_value(v):
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, (int, str)):
        return json.dumps(v)
    if isinstance(v, float):
        return repr(v)
    return "[" + ", ".join(toml_value(x) for x in v) + "]"


def section(name, items):
    return f"\n{name}\n" + "".join(f"{k} = {toml_value(v)}\n" for k, v in items.items())


def manifest(name, version, files, size, rings, above, states, decision, provenance):
    t = f"# Written by models/train/bundle.py.\nformat = {given.FORMAT}\nname = {json.dumps(name)}\nversion = {json.dumps(version)}\ntask = \"rim\"\n"
    t += "budget_ms = 3.0\nrates = [24.0, 31.0]\nmax_gap_ms = 250\nwarmup_frames = 8\nqueue_frames = 8\n"
    for f in files:
        t += section("[[file]]", f)
    t += section("[[rim.input]]", {"name": "frame", "size": size, "channels": ["y"], "rings": rings, "above": above})
    for s in states:
        t += section("[[rim.state]]", s)
    t += section("[rim.output]", {"logits": "logits", "classes": list(net.CLASSES)})
    t += section("[rim.decision]", decision)
    t += section("[provenance]", provenance)
    tomllib.loads(t)
    return t


def vectors(folder, model, states, size, rings, above):
    """Random pictures and boxes with their crops; a random sequence with the graph's answers."""
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(20261122)
    cases = []
    # A box wholly inside, one whose crop leaves the picture on two sides, one that is magnified.
    for width, height, box, out in ((96, 72, [40, 24, 12, 5], 16), (60, 50, [4, 3, 17, 6], 12), (40, 32, [14, 9, 4, 2], 20)):
        y = rng.integers(0, 256, (height, width), np.uint8)
        c = crop.Cutter(box, y.shape, rings, above, out)(y)
        cases.append({"width": width, "height": height, "box": box, "rings": rings, "above": above, "size": out,
                      "picture": y.ravel().tolist(), "crop": [round(float(v), 6) for v in c.ravel()]})
    with open(os.path.join(folder, "crop.json"), "w") as f:
        json.dump({"about": "luma bytes of a picture (row by row) and the crop that the filter must give, in 0..1, to within 1e-4", "cases": cases}, f)
    run, frames = export.Runner(model, states), 12
    # A square that moves over a ramp: frame t, pixel (r, c) is the byte (2*r + c + 40 * inside) mod 256, see `about`.
    answers = []
    for t in range(frames):
        answers.append([round(float(v), 5) for v in run(moving_square(t, size))])
    about = ("frame t, row r, column c: byte = 60 + r/2 + c/4 (whole-number division), plus 90 where 4t <= r < 4t+14 and 30 <= c < 44; "
             "value = byte/255; states start at zero; logits must agree to within 2e-3")
    with open(os.path.join(folder, "net.json"), "w") as f:
        json.dump({"about": about, "size": size, "frames": frames, "logits": answers}, f)


def moving_square(t, size):
    r, c = np.mgrid[0:size, 0:size]
    b = 60 + r // 2 + c // 4 + 90 * ((r >= 4 * t) & (r < 4 * t + 14) & (c >= 30) & (c < 44))
    return (b / 255).astype(np.float32)


def put(out, name, files, stem, precision, device, m):
    """Writes a graph into the bundle's folder and adds it to `files`, as the manifest has them -> bytes."""
    data = m.SerializeToString(deterministic=True)
    with open(os.path.join(out, f"{name}-{stem}.onnx"), "wb") as f:
        f.write(data)
    files.append({"path": f"{name}-{stem}.onnx", "precision": precision, "device": device, "sha256": hashlib.sha256(data).hexdigest()})
    return len(data)


def write(out, name, version, rimnet, decision=None, provenance=None, rings=crop.RINGS, above=crop.ABOVE, reach=None):
    os.makedirs(out, exist_ok=True)
    files, doc, size = [], f"{name} {version}", rimnet.members[0].size

    model, states = export.streaming(rimnet, doc)
    count = put(out, name, files, "fp32", "fp32", "any", model)
    if reach:
        put(out, name, files, "fp16", "fp16", "any", export.streaming(rimnet, doc, half=True)[0])
        put(out, name, files, "int8-cuda", "int8", "cuda", export.streaming(rimnet, doc, quant=export.Quant(reach, 127))[0])
        put(out, name, files, "int8-cpu", "int8", "cpu", export.streaming(rimnet, doc, quant=export.Quant(reach, 63))[0])
    text = manifest(name, version, files, size, rings, above, states, {**DECISION, **(decision or {})}, provenance or {"data": "none", "rights": []})
    with open(os.path.join(out, "model.toml"), "w") as f:
        f.write(text)
    vectors(os.path.join(out, "testdata"), model, states, size, rings, above)
    return count


def restate(out, version, facts):
    """Writes the manifest anew for files that are there: other facts, the same networks."""
    old = given.manifest(out)
    if "provenance" not in facts:
        given.refuse("--restate: wants --facts FILE with [provenance], as models/train/rimnet.facts.toml has it")
    for f in old["file"]:
        f["sha256"] = hashlib.sha256(open(os.path.join(out, f["path"]), "rb").read()).hexdigest()
    i = old["input"][0]
    text = manifest(old["name"], version or old["version"], old["file"], i["size"], i["rings"], i["above"], old["state"],
                    {**DECISION, **facts.get("decision", {})}, facts["provenance"])
    with open(os.path.join(out, "model.toml"), "w") as f:
        f.write(text)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--name", default="rimnet")
    p.add_argument("--version", default="0.1.0")
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument("--weights", nargs="+", help=".pt files, FP32 .onnx files, folders of bundles")
    what.add_argument("--restate", action="store_true", help="write only the manifest anew, of the files that OUT holds")
    what.add_argument("--untrained", action="store_true", help="random weights of the right shape, for integration")
    p.add_argument("--facts")
    p.add_argument("--rings", type=float, default=crop.RINGS)
    p.add_argument("--above", type=float, default=crop.ABOVE)
    p.add_argument("--calibrate", type=int, default=0, help="rendered sequences to calibrate INT8 on; 0: FP32 only")
    o = p.parse_args()
    facts = given.toml(o.facts, "write it as models/train/rimnet.facts.toml is written") if o.facts else {}
    if o.restate:
        restate(o.out, "", facts)
        return
    if o.untrained:
        torch.manual_seed(0)
        rimnet = net.RimNet([net.Trunk(), net.Trunk(), net.Trunk()]).eval()
    else:
        rimnet = weights.load(o.weights)
    reach = None
    if o.calibrate:
        from . import source
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        draw = lambda at, n: source.draw(n, at, device, 2_000_000 if device.type == "cpu" else 24_000_000, h264=0.5)["y"].cpu().numpy()
        reach = export.reach(rimnet, np.concatenate([draw(CALIBRATION_SEED + k, min(24, o.calibrate - k)) for k in range(0, o.calibrate, 24)]))
    told = facts.get("provenance", {"data": "not said: name --facts FILE with [provenance]", "rights": []})
    courts = sorted({*told.get("seen", []), *(c for w in o.weights or [] for c in weights.seen(w))})
    n = write(o.out, o.name, o.version, rimnet, facts.get("decision"), {**told, **({"seen": courts} if courts else {})}, o.rings, o.above, reach)
    print(f"{o.out}: {n / 1e6:.2f} MB, {len(rimnet.members)} members")


if __name__ == "__main__":
    main()
