"""Writes rendered attempts as videos with truth, for `courtside eval --gate`: the whole program on what no training drew.

    python -m train.gate OUT [--first 930000000] [--count 200] [--jobs 2]      (in models/)

OUT/gate.json is a clip truth; each clip is one attempt, as the renderer and x264 made it, stored without further loss. Of the
seeds from `--first` on, those with one attempt that a careful eye could judge are taken, until there are `--count`. The same
attempts come out whatever the number of processes. Runs on Debian's own python3-torch (1.13) and python3-av (10), too.
"""
import argparse
import fractions
import functools
import json
import multiprocessing
import os
import time

import av
import numpy as np
import torch

from . import render, source

# Seeds simulated at once, and sequences drawn at once.
BLOCK, PIECE = 64, 16
# Shown after the moment of truth, s: longer than any wait of the rules.
AFTER = 0.6
# The same for simulating and drawing; nothing here depends on the random generator of torch.
DRAWN = dict(chunk_px=4_000_000, h264=1.0)
CPU = torch.device("cpu")


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


def shown(t_rim, t_truth, end):
    """Whether a video of `end` s shows the attempt from before the ring until the program must have answered."""
    return (t_rim >= 0.15) & (np.maximum(t_rim + 0.2, t_truth) + AFTER <= end)


def whole(seeds):
    """Those of the seeds whose sequence has one attempt and shows it all; from the simulation, a tenth of the work of drawing."""
    cfg = render.Cfg(size=source.SIZE, frames=source.FRAMES, rings=source.RINGS, above=source.ABOVE, luma=True, **DRAWN)
    rng, _, _, _, first, (*_, second) = render.params(seeds, CPU, cfg)
    _, times, dt, _ = render.timing(rng, cfg)
    t = torch.cumsum(dt, 1)
    begin = times[:, 0] - t[:, 0]
    tried = lambda j: (j["outcome"] == 1) | (j["outcome"] == 2)
    one = tried(first) & ~tried(second)
    ok = one.numpy() & shown((first["t_rim"] - begin).numpy(), (first["t_truth"] - begin).numpy(), t[:, -1].numpy())
    return [seed for seed, good in zip(seeds, ok) if good]


def clips(out, seeds):
    """Draws and writes those that an eye could judge. -> their truth, in order."""
    d = render.render(len(seeds), source.FRAMES, source.SIZE, source.RINGS, source.ABOVE, 0.0, CPU, seeds, **DRAWN)
    judged, times = source.judged(d).numpy(), d["t"].numpy()
    t_rim, t_truth, made = source.seconds(d, "t_rim").numpy(), source.seconds(d, "t_truth").numpy(), d["made"].numpy()
    ring = source.SIZE / source.RINGS
    rim = [(source.SIZE - ring) / 2, source.ABOVE * ring, ring, round(ring / 3, 3)]
    truth = []
    for i, seed in enumerate(seeds):
        slots = np.flatnonzero(~np.isnan(t_rim[i]))
        if len(slots) != 1 or not judged[i] or not shown(t_rim[i, slots[0]], t_truth[i, slots[0]], times[i, -1]):
            continue
        k, name = slots[0], f"{seed}.mp4"
        write(os.path.join(out, name), d["y"][i].numpy().reshape(-1, source.SIZE, source.SIZE), times[i])
        said = dict(file=name, court="rendered", rim=rim, t_rim=round(float(t_rim[i, k]), 3), t_truth=round(float(t_truth[i, k]), 3),
                    outcome="made" if made[i, k] == 1 else "missed", fps=round(float(d["fps"][i]), 2), ring_px=round(float(d["ring_px"][i]), 1),
                    net=render.NETS[int(d["net"][i])])
        kinds = d.get(("kind", "kind2")[k])
        if kinds:
            said["kind"] = kinds[i]
        truth.append(said)
    return truth


def one_core():
    torch.set_num_threads(1)


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("out")
    ask.add_argument("--first", type=int, default=930_000_000)
    ask.add_argument("--count", type=int, default=200)
    ask.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    o = ask.parse_args()
    os.makedirs(o.out, exist_ok=True)
    truth, seed, begin = [], o.first, time.monotonic()
    # A process a core: torch's own threads gain little on pictures this small.
    os.environ["OMP_NUM_THREADS"] = "1"
    with multiprocessing.get_context("spawn").Pool(o.jobs, one_core) as pool:
        while len(truth) < o.count:
            # Some seven of ten sequences show one attempt that can be judged.
            end = seed + -(-max(BLOCK, 3 * (o.count - len(truth)) // 2) // BLOCK) * BLOCK
            wanted = [s for some in pool.imap(whole, [range(s, s + BLOCK) for s in range(seed, end, BLOCK)]) for s in some]
            for some in pool.imap(functools.partial(clips, o.out), [wanted[k:k + PIECE] for k in range(0, len(wanted), PIECE)]):
                truth += some[:o.count - len(truth)]
                print(f"\r{len(truth)} of {o.count} attempts, {len(truth) * 60 / (time.monotonic() - begin):.0f} a minute", end="", flush=True)
                if len(truth) == o.count:
                    break
            seed = end
    print()
    # What was drawn beyond the last one, or half written when the others were told to stop.
    taken = {clip["file"] for clip in truth}
    for name in os.listdir(o.out):
        if name.endswith(".mp4") and name not in taken:
            os.remove(os.path.join(o.out, name))
    with open(os.path.join(o.out, "gate.json"), "w") as f:
        json.dump(truth, f, indent=0)


if __name__ == "__main__":
    main()
