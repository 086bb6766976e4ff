"""Draws sequences into files, so that training, tuning and scoring can go over the same ones.

    python -m train.ball.draw OUT --first 990000000 --count 3072 [--mix natural] [--held-out] [--on cuda,cuda,cpu] [--limit SECONDS]

OUT/FIRST.npz a piece: luma of the crops, where the ball is in them, and what came of it. A process for each device of --on. Runs on
Debian's python3-torch (1.13). What is there already is not drawn again, so a run that was stopped goes on.
"""
import argparse
import multiprocessing
import os
import queue
import time

import numpy as np
import torch

from .. import given, source
from ..render import MIXES

# Like RimNet's: six of ten through x264, the others through the stand-in.
H264 = 0.6


def one(path, seeds, device, **mix):
    """Draws a piece into its file."""
    d = source.draw(len(seeds), seeds.start, device, 24_000_000 if device.type == "cuda" else 4_000_000, **mix)
    n = lambda key: d[key].cpu().numpy()
    times = torch.cumsum(d["dt"], 1)
    part = path + ".part.npz"
    np.savez(
        part, y=n("y").reshape(len(seeds), source.FRAMES, source.SIZE, source.SIZE), t=times.cpu().numpy(),
        ball=n("ball"), depth=n("depth").astype(np.int8), radius=n("ball_r"), seen=n("seen"), clear=n("clear"),
        t_rim=source.seconds(d, "t_rim").cpu().numpy(), t_truth=source.seconds(d, "t_truth").cpu().numpy(), made=n("made"),
        undecided=n("undecided"), judged=source.judged(d).cpu().numpy(), kind=np.array([d["kind"], d["kind2"]]).T, ring_px=n("ring_px"))
    os.replace(part, path)


def work(out, mix, on, pieces, end):
    """Draws what is left, until `end`."""
    torch.set_num_threads(1)
    device = torch.device(on)
    if device.type == "cpu":
        os.nice(5)
    while time.time() < end:
        try:
            seeds = pieces.get(timeout=0.2)
        except queue.Empty:
            return
        path = os.path.join(out, f"{seeds.start}.npz")
        if not os.path.isfile(path):
            one(path, seeds, device, **mix)


def names(folder, least=0):
    """Files of the pieces that are there, in order of their seeds."""
    there = (f for f in os.listdir(folder) if f.endswith(".npz") and f[:-4].isdecimal())
    return [os.path.join(folder, f) for f in sorted(there, key=lambda f: int(f[:-4])) if int(f[:-4]) >= least]


def load(folder):
    """Pieces of a folder, in order of their seeds, as dicts of arrays."""
    do = f"python -m train.ball.draw {folder}"
    there = names(given.folder(folder, do))
    if not there:
        given.refuse(f"{folder}: nothing was drawn into it; {do}")
    for path in there:
        with given.arrays(path, "take it away, and draw again") as z:
            yield dict(z)


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("out")
    ask.add_argument("--first", type=int, default=990_000_000)
    ask.add_argument("--count", type=int, default=3072)
    ask.add_argument("--piece", type=int, default=32)
    ask.add_argument("--mix", choices=list(MIXES), default="boundary")
    ask.add_argument("--held-out", action="store_true", help="cameras, nets and boards that training never draws")
    ask.add_argument("--h264", type=float, default=H264, help="share that goes through x264; the others: a stand-in")
    ask.add_argument("--on", default="cpu", help="a device a process, as cuda,cuda,cpu")
    ask.add_argument("--limit", type=float, default=1e6, help="seconds after which no further piece is begun")
    o = ask.parse_args()
    os.makedirs(o.out, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    ctx = multiprocessing.get_context("spawn")
    pieces, begin = ctx.Queue(), time.time()
    for s in range(o.first, o.first + o.count, o.piece):
        pieces.put(range(s, min(s + o.piece, o.first + o.count)))
    mix = {**MIXES[o.mix], "h264": o.h264, "held_out": o.held_out}
    jobs = [ctx.Process(target=work, args=(o.out, mix, on, pieces, begin + o.limit)) for on in o.on.split(",")]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    pieces.cancel_join_thread()
    print(f"{o.out}: {len(names(o.out))} pieces, {time.time() - begin:.0f} s")


if __name__ == "__main__":
    main()
