"""Runs a bundle's files in TensorRT on this machine's GPU and holds their answers to the FP32 file's in ONNX Runtime.

    python -m train.tensorrt BUNDLE CROPS.npz … [--json FILE] [--clips N]

CROPS: files of crops as `footage.pack` writes them (clips are scored, and calls that differ from FP32 are named), or .npy
uint8 [N, T, S, S] (rendered sequences; calls by the sum of the log-odds are compared). Needs the Python module `tensorrt`
or `tensorrt_rtx_bindings`, and torch with CUDA. Prints per file: build time, GPU time of a picture (CUDA events round one
enqueue, p50 and p99), time from host call to answer on the host, flips, and the largest difference of the logits.
TensorRT-RTX 1.6 builds no INT8 convolution at all (Myelin: cudnn_impl.cpp), so the INT8 file is refused there, told and
passed over.
"""
import argparse
import json
import os
import time

import numpy as np
import torch

from . import evaluate, export, footage, given, net


def module():
    for name in ("tensorrt", "tensorrt_rtx_bindings", "tensorrt_rtx"):
        try:
            return __import__(name)
        except ImportError as e:
            why = e
    given.refuse(f"TensorRT's Python module is not here ({why}); install tensorrt or tensorrt-rtx")


class Refused(Exception):
    """TensorRT does not take the file."""


class Engine:
    """One file of a bundle as a TensorRT engine, fed frame by frame; its memory stays on the device."""

    def __init__(self, path, spec):
        trt = module()
        log = trt.Logger(trt.Logger.WARNING)
        builder = trt.Builder(log)
        strong = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
        graph = builder.create_network(0 if strong is None else 1 << int(strong))
        parser = trt.OnnxParser(graph, log)
        if not parser.parse(open(path, "rb").read()):
            raise Refused(f"{path}: TensorRT does not parse it: " + "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors)))
        config = builder.create_builder_config()
        if hasattr(trt, "ComputeCapability"):
            config.num_compute_capabilities = 1
            config.set_compute_capability(trt.ComputeCapability.CURRENT, 0)
        begin = time.monotonic()
        plan = builder.build_serialized_network(graph, config)
        if plan is None:
            raise Refused(f"{path}: TensorRT could not build it; its log above says why")
        self.runtime = trt.Runtime(log)
        self.engine = self.runtime.deserialize_cuda_engine(plan)
        self.context = self.engine.create_execution_context()
        self.build_s, self.plan_bytes = time.monotonic() - begin, plan.nbytes
        kind = {trt.DataType.FLOAT: torch.float32, trt.DataType.HALF: torch.float16}
        self.at = {}
        for i in range(self.engine.num_io_tensors):
            name = self.engine.get_tensor_name(i)
            self.at[name] = torch.zeros(tuple(self.engine.get_tensor_shape(name)), dtype=kind[self.engine.get_tensor_dtype(name)], device="cuda")
        for name, buffer in self.at.items():
            self.context.set_tensor_address(name, buffer.data_ptr())
        self.states = [(s["input"], s["output"]) for s in spec]
        self.stream = torch.cuda.Stream()
        self.gpu_ms, self.host_ms = [], []

    def reset(self):
        for a, _ in self.states:
            self.at[a].zero_()

    def __call__(self, frame):
        """[S, S] luma in 0..1 -> logits [4]."""
        begin = time.monotonic()
        a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        with torch.cuda.stream(self.stream):
            self.at["frame"].copy_(torch.from_numpy(np.ascontiguousarray(frame, np.float32))[None, None])
            a.record()
            if not self.context.execute_async_v3(self.stream.cuda_stream):
                raise RuntimeError("TensorRT refused to run the picture")
            b.record()
            for old, new in self.states:
                self.at[old].copy_(self.at[new])
            out = self.at["logits"].float().cpu().numpy()[0]
        self.host_ms.append((time.monotonic() - begin) * 1e3)
        self.gpu_ms.append(a.elapsed_time(b))
        return out


def over(run, y):
    run.reset()
    return np.stack([run(f / np.float32(255)) for f in y])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("bundle")
    p.add_argument("crops", nargs="+")
    p.add_argument("--clips", type=int, default=10**9, help="so many recordings, spread over the file, at most")
    p.add_argument("--json")
    o = p.parse_args()
    m = given.manifest(o.bundle)
    rules = evaluate.rules_from(m["decision"])
    real, drawn = [], []
    for path in o.crops:
        if path.endswith(".npy"):
            drawn.append(given.arrays(path, "train.score draw --store writes such"))
        else:
            given.file(path, "footage.pack writes such from a cache of train.footage")
            real += [q for q in footage.load(path) if q[0]["kind"] == "clip"]
    real = real[:: max(1, len(real) // o.clips)]
    files = {f["path"]: f for f in m["file"] if f["device"] in ("any", "cuda")}
    runs = {"fp32 in ONNX Runtime": export.Runner(os.path.join(o.bundle, m["file"][0]["path"]), m["state"])}
    out, ref = {}, None
    for path in files:
        try:
            runs[path] = Engine(os.path.join(o.bundle, path), m["state"])
        except Refused as e:
            out[path] = {"refused": str(e)}
            print(e, flush=True)
    for name, run in runs.items():
        A = evaluate.answers(lambda y: over(run, y), real)
        clips = {r["name"]: r for g in evaluate.score_clips(A, rules).values() for r in g}
        z = [np.stack([over(run, y) for y in part]) for part in drawn]
        got = dict(clips=len(clips), right=sum(r["found"] and r["called"] == r["made"] for r in clips.values()))
        if ref:
            got["flips"] = sorted(k for k, r in clips.items() if r["called"] != ref[0][k]["called"])
            d = [np.abs(A[k][2] - ref[1][k][2]) for k in A]
            got["logits_median"], got["logits_most"] = float(np.median(np.concatenate([q.ravel() for q in d]))) if d else None, float(max(q.max() for q in d)) if d else None
            sign = lambda v: np.concatenate([np.clip(q[..., net.MADE] - q[..., net.MISSED], -6, 6).sum(1) > 0 for q in v]) if v else np.zeros(0)
            got["drawn"], got["drawn_flips"] = int(sum(len(q) for q in drawn)), int((sign(z) != sign(ref[2])).sum())
        else:
            ref = clips, A, z
        if isinstance(run, Engine):
            warm = slice(200, None)
            got |= dict(build_s=round(run.build_s, 2), plan_mb=round(run.plan_bytes / 1e6, 2),
                        **{f"{k}_{q}": round(float(np.percentile(v[warm], n)), 4) for k, v in (("gpu_ms", run.gpu_ms), ("host_ms", run.host_ms)) for q, n in (("p50", 50), ("p99", 99))})
        out[name] = got
        print(name, json.dumps(got), flush=True)
    if o.json:
        json.dump(out, open(o.json, "w"), indent=1)


if __name__ == "__main__":
    main()
