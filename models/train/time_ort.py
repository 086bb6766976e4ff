"""Times a bundle's network in ONNX Runtime, for the ratio to the engine in the binary.

    python -m train.time_ort BUNDLE [--against "target/release/courtside bench model --json"]

One thread, the thread's own time on its core. With --against, the command runs before and after, and the ratio of its
`network_ms` to ours is printed: what "within twice ONNX Runtime's time" means.
"""
import argparse
import json
import os
import shlex
import statistics
import subprocess
import time

import numpy as np
import onnxruntime as ort

from . import given

RUNS, PICTURES = 5, 200


def session(folder):
    m = given.manifest(folder)
    o = ort.SessionOptions()
    o.intra_op_num_threads = o.inter_op_num_threads = 1
    path = os.path.join(folder, m["file"][0]["path"])
    return m, ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])


def median_ms(folder):
    m, s = session(folder)
    noise = np.random.default_rng(1)
    feed = {i["name"]: noise.random((1, len(i["channels"]), i["size"], i["size"]), np.float32) for i in m["input"]}
    if "input_dt" in m:
        feed[m["input_dt"]["name"]] = np.full((1, 1), 1 / 30, np.float32)
    feed |= {q["input"]: np.zeros(q["shape"], np.float32) for q in m["state"]}
    outputs = [m["output"]["logits"]] + [q["output"] for q in m["state"]]
    runs = []
    for run in range(RUNS + 1):
        begin = time.thread_time()
        for _ in range(PICTURES):
            out = s.run(outputs, feed)
            feed |= {q["input"]: v for q, v in zip(m["state"], out[1:])}
        if run:
            runs.append((time.thread_time() - begin) * 1e3 / PICTURES)
    return statistics.median(runs)


def against(command):
    try:
        done = subprocess.run(shlex.split(command), capture_output=True, text=True)
        return json.loads(done.stdout)["network_ms"]
    except FileNotFoundError as e:
        given.refuse(f"--against: {e.filename}: no such program; build it with make build")
    except (ValueError, KeyError):
        given.refuse(f"--against: {command}: exit code {done.returncode} and no JSON with network_ms: {done.stderr.strip()[-200:]}")


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("bundle")
    p.add_argument("--against")
    a = p.parse_args()
    before = against(a.against) if a.against else None
    ours = median_ms(a.bundle)
    print(f"ONNX Runtime {ort.__version__}: {ours:.3f} ms a picture, median of {RUNS} runs of {PICTURES}")
    if before is not None:
        after = against(a.against)
        print(f"the binary: {before:.3f} and {after:.3f} ms, ratio {statistics.mean([before, after]) / ours:.2f}")
