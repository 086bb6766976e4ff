"""Writes rendered attempts as videos with truth, for `courtside eval --gate`: the whole program on what no training drew.

    python -m train.gate OUT [--first 930000000] [--count 200]      (in models/)

OUT/gate.json is a clip truth; each clip is one attempt, as the renderer and x264 made it, stored without further loss. Of the
seeds from `--first` on, those with one attempt that a careful eye could judge are taken, until there are `--count`.
"""
import argparse
import fractions
import json
import os
import time

import av
import numpy as np
import torch

from . import source

PIECE = 32
# Longer than any wait of the rules, after the moment of truth.
AFTER = 0.6


def write(path, pictures, times):
    """Luma uint8 [T, S, S] at `times` s, as lossless H.264."""
    base = fractions.Fraction(1, 90_000)
    with av.open(path, "w") as out:
        stream = out.add_stream("libx264", options={"qp": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = pictures.shape[2], pictures.shape[1], "yuv420p"
        stream.time_base = stream.codec_context.time_base = base
        for y, t in zip(pictures, times):
            planes = np.full((y.shape[0] * 3 // 2, y.shape[1]), 128, np.uint8)
            planes[: y.shape[0]] = y
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = round(t * 90_000), base
            out.mux(stream.encode(frame))
        out.mux(stream.encode())


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("out")
    ask.add_argument("--first", type=int, default=930_000_000)
    ask.add_argument("--count", type=int, default=200)
    o = ask.parse_args()
    os.makedirs(o.out, exist_ok=True)
    torch.set_num_threads(1)
    ring = source.SIZE / source.RINGS
    rim = [(source.SIZE - ring) / 2, source.ABOVE * ring, ring, ring / 3]
    clips, seed, begin = [], o.first, time.monotonic()
    while len(clips) < o.count:
        d = source.draw(PIECE, seed, torch.device("cpu"), 4_000_000, h264=1.0)
        judged = source.judged(d).numpy()
        times = (torch.cumsum(d["dt"], 1) - d["dt"][:, :1]).numpy()
        # The renderer counts from the first picture's end, the video from its beginning.
        sec = lambda key: (d[key] / d["fps"][:, None] - d["dt"][:, :1]).numpy()
        t_rim, t_truth, made = sec("t_rim"), sec("t_truth"), d["made"].numpy()
        for i in range(PIECE):
            slots = np.flatnonzero(~np.isnan(t_rim[i]))
            if len(clips) == o.count or len(slots) != 1 or not judged[i]:
                continue
            k = slots[0]
            if t_rim[i, k] < 0.15 or max(t_rim[i, k] + 0.2, t_truth[i, k]) + AFTER > times[i, -1]:
                continue
            name = f"{seed + i}.mp4"
            write(os.path.join(o.out, name), d["y"][i].numpy().reshape(-1, source.SIZE, source.SIZE), times[i])
            clips.append(dict(file=name, court="rendered", rim=rim, t_rim=round(float(t_rim[i, k]), 3), t_truth=round(float(t_truth[i, k]), 3),
                              outcome="made" if made[i, k] == 1 else "missed"))
        seed += PIECE
        print(f"\r{len(clips)} of {o.count} attempts, {len(clips) * 60 / (time.monotonic() - begin):.0f} a minute", end="", flush=True)
    print()
    with open(os.path.join(o.out, "gate.json"), "w") as f:
        json.dump(clips, f, indent=0)


if __name__ == "__main__":
    main()
