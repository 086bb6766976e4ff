"""Sequences for training: what the renderer draws, with targets per frame, from worker processes beside the training."""
import importlib
import os
import queue

import torch

from . import net

SIZE, RINGS, ABOVE, FRAMES = 80, 4.0, 1.5, 96
IGNORE = -1


def labels_from_times(t, t_rim, t_truth, made):
    """Targets [B, T] for frames at t seconds ([B, T] or [T]) from the times of up to K attempts ([B, K], nan: none).

    Where people would disagree (when does an attempt begin, when is it over, the frames round the moment of truth)
    nothing is asked of the net.
    """
    b = t_rim.shape[0]
    t = t.expand(b, -1) if t.dim() == 1 else t
    y = torch.zeros_like(t, dtype=torch.long)
    for a in range(t_rim.shape[1]):
        r, u, m = (q[:, a:a + 1] for q in (t_rim, t_truth, made))
        on = ~torch.isnan(r) & ~torch.isnan(u)
        r, u = torch.nan_to_num(r, nan=-1e6), torch.nan_to_num(u, nan=-1e6)
        u = torch.maximum(u, r)
        out = torch.where(m > 0.5, net.MADE, net.MISSED)
        for lo, hi, what in ((r - 0.53, r - 0.07, IGNORE), (r - 0.07, u - 0.015, net.UNDER_WAY), (u - 0.015, u + 0.035, IGNORE),
                             (u + 0.035, u + 0.57, out), (u + 0.57, u + 1.05, IGNORE)):
            y = torch.where(on & (t >= lo) & (t < hi), what, y)
    return y


def seconds(d, key):
    """Times of what `render` gives in frames ([n, K], nan: none), in seconds of cumsum(dt): frames that were dropped take time."""
    t, f = torch.cumsum(d["dt"], 1), d[key]
    i = torch.nan_to_num(f).floor().long().clamp(0, t.shape[1] - 2)
    return t.gather(1, i) + (f - i) * (t.gather(1, i + 1) - t.gather(1, i))


def judged(d):
    """Who could judge it: not undecided by the renderer's own word, the ring not hidden when it came to it, and ball and what
    tells made from missed to be seen in the pictures (render/tell.py). bool [n]."""
    t = torch.cumsum(d["dt"], 1)
    at = lambda k: seconds(d, k)[:, :, None]
    near = (t[:, None] > at("t_rim") - 0.03) & (t[:, None] < at("t_truth") + 0.12)
    return ~d["undecided"] & ~(near & (d["seen"] < 0.35)[:, None]).any(2).any(1) & (d["tell"] >= 1).all(1)


def draw(n, seed, device, chunk_px=24_000_000, **mix):
    from .render import render as draw
    return draw(n, FRAMES, SIZE, RINGS, ABOVE, 0.0, device, seed, chunk_px=chunk_px, **mix)


def render(n, seed, device, **mix):
    """n rendered sequences -> uint8 [n, T, S, S], targets [n, T], where the ball is [n, T, 4] (`net.Ball.loss`). `mix`:
    fields of the renderer's `Cfg`."""
    d = draw(n, seed, device, **mix)
    y = labels_from_times(torch.cumsum(d["dt"], 1), seconds(d, "t_rim"), seconds(d, "t_truth"), d["made"].float())
    y = torch.where(d["undecided"][:, None] | (d["seen"] < 0.35), torch.full_like(y, IGNORE), y)
    # Who saw the ball go and not how cannot tell the outcome afterwards.
    y = torch.where(~judged(d)[:, None] & ((y == net.MADE) | (y == net.MISSED)), torch.full_like(y, IGNORE), y)
    xy, inside = d["ball"][..., :2] * 2 - 1, d["ball"][..., 2]
    ball = torch.cat([xy, torch.where((inside > 0) & (d["clear"] < 0.5), -torch.ones_like(inside), inside)[..., None],
                      d["depth"].float()[..., None]], -1)
    return d["y"], y, ball.clamp(-8, 8).half()


CPU_PIECE = 32               # what a process without a GPU draws at a time


def _work(source, piece, first, stride, out, rest, stop, device, mixes):
    gpu = device.startswith("cuda")
    torch.set_num_threads(2 if gpu else 1)
    if not gpu:
        os.nice(5)               # what feeds the GPUs goes first
        mixes = [{"chunk_px": 4_000_000, **mix} for mix in mixes]
    step = piece if gpu else min(piece, CPU_PIECE)
    dev = torch.device(device)
    if dev.index is not None:
        torch.cuda.set_device(dev)
    mod, fun = source.split(":")
    fun = getattr(importlib.import_module(mod), fun)
    halt = rest if gpu else stop
    seed, turn = first, first // piece
    while not halt.is_set():
        for at in range(seed, seed + piece, step):
            x, y, ball = fun(min(step, seed + piece - at), at, dev, **mixes[turn % len(mixes)])
            out.put((x.cpu(), y.to(torch.int8).cpu(), ball.cpu()))
            turn += 1
            if halt.is_set():
                break
        seed += stride
    stop.wait()                  # what lies in the queue is this process's memory until it is taken


class Pool:
    """Rendered sequences on the device; the oldest give way to new ones as the workers deliver them."""

    def __init__(self, source, n, piece, device, seed, workers, draw_on=(), mixes=({},)):
        self.x = torch.empty(n, FRAMES, SIZE, SIZE, dtype=torch.uint8, device=device)
        self.y = torch.empty(n, FRAMES, dtype=torch.long, device=device)
        self.ball = torch.empty(n, FRAMES, 4, dtype=torch.float16, device=device)
        self.at = self.filled = self.total = 0
        self.device, self.source, self.piece, self.seed = device, source, piece, seed
        self.jobs, self.own, self.mixes = [], not workers, list(mixes)
        if workers:
            ctx = torch.multiprocessing.get_context("spawn")
            self.out, self.gpus_rest, self.stop = ctx.Queue(maxsize=6 * workers), ctx.Event(), ctx.Event()
            for w in range(workers):
                on = draw_on[w % len(draw_on)] if draw_on else str(device)
                p = ctx.Process(target=_work, args=(source, piece, seed + w * piece, workers * piece, self.out, self.gpus_rest, self.stop, on, self.mixes), daemon=True)
                p.start()
                self.jobs.append(p)

    def add(self, x, y, ball):
        n = len(x)
        i = torch.arange(self.at, self.at + n, device=self.device) % len(self.x)
        self.x[i], self.y[i], self.ball[i] = x.to(self.device), y.to(self.device).long(), ball.to(self.device)
        self.at = (self.at + n) % len(self.x)
        self.total += n
        self.filled = min(len(self.x), self.total)

    def renew(self, wait=False):
        """Takes what the workers have; without workers it draws a piece itself when asked to wait."""
        if not self.jobs:
            if wait and self.own:
                mod, fun = self.source.split(":")
                mix = self.mixes[self.total // self.piece % len(self.mixes)]
                self.add(*getattr(importlib.import_module(mod), fun)(self.piece, self.seed + self.total, self.device, **mix))
            return
        try:
            while True:
                self.add(*self.out.get(timeout=300 if wait else 0.0005))
                wait = False
        except queue.Empty:
            return

    def rest(self):
        """From now on no GPU draws: after the pieces that are begun it is the training's alone."""
        if self.jobs:
            self.gpus_rest.set()

    def close(self):
        if self.jobs:
            self.rest()
            self.stop.set()
            for p in self.jobs:
                p.terminate()
            self.jobs = []

    def sample(self, b):
        i = torch.randint(self.filled, (b,), device=self.device)
        return self.x[i], self.y[i], self.ball[i].float()

    @classmethod
    def of(cls, path, device):
        """What `keep` wrote."""
        d = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        pool = cls("", len(d["x"]), 1, device, 0, 0)
        pool.own = False
        pool.add(d["x"], d["y"], d["ball"])
        return pool

    def keep(self, path, n):
        """The newest n sequences in a file, for `finetune`."""
        i = (torch.arange(min(n, self.filled), device=self.device) + self.at - min(n, self.filled)) % self.filled
        torch.save({"x": self.x[i].cpu(), "y": self.y[i].to(torch.int8).cpu(), "ball": self.ball[i].cpu()}, path)


class Real:
    """Windows of FRAMES out of clips and streams with truth; a court weighs by the root
    of how many it has. `keep` says of a recording's
    meta data whether it is taken."""

    def __init__(self, cache, keep, device):
        from . import footage
        self.items, w = [], []
        got = footage.load(cache, keep)
        if not got:
            given.refuse(f"{cache}: no recording to learn from; make the folder with python -m train.footage")
        for m, y, t in got:
            at = lambda key: torch.tensor([[q[key] for q in m["attempts"]]], dtype=torch.float32)
            made = torch.tensor([[float(q["outcome"] == "made") for q in m["attempts"]]])
            times = torch.tensor(t, dtype=torch.float32)
            lab = labels_from_times(times, at("t_rim"), at("t_truth"), made)[0]
            for q in m["attempts"]:
                if q.get("doubtful"):                             # nobody can say, so nothing is asked
                    lab = torch.where((times > q["t_rim"] - 0.6) & (times < q["t_truth"] + 1.1), IGNORE, lab)
            self.items.append((torch.from_numpy(y).to(device), lab.to(device)))
            w.append(sum(q["court"][0] == m["court"][0] for q, _, _ in got) ** -0.5)
        self.w, self.device = torch.tensor(w), device
        self.courts = sorted({m["court"] for m, _, _ in got})

    def sample(self, b):
        xs, ys = [], []
        for i in torch.multinomial(self.w, b, replacement=True).tolist():
            x, y = self.items[i]
            n = len(x)
            # A short clip lies anywhere in the window; what is missing repeats its first or last picture.
            s = int(torch.randint(min(0, n - FRAMES), max(1, n - FRAMES + 1), (1,)))
            k = torch.arange(s, s + FRAMES, device=self.device)
            c = k.clamp(0, n - 1)
            lab = torch.where(k == c, y[c], torch.where((k < 0) & (y[0] <= 0), net.NONE, IGNORE))
            xs.append(x[c]), ys.append(lab)
        y = torch.stack(ys)
        return torch.stack(xs), y, torch.full((*y.shape, 4), -1.0, device=self.device)
