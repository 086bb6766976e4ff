"""Trains members of RimNet on sequences that are rendered while it trains.

    python -m train.fit OUT --seconds 480 --members 2 --seed 1 [--real CACHE --courts A,B,X] [--check N]

Rendering and training share one device: a pool of sequences is filled, and a piece of it is drawn anew between steps.
The learning rate follows the clock, so that a run fits its time. Every 60 s the running average of the weights is tried
on rendered sequences of a seed range that training never draws. Writes OUT/m0.pt, m1.pt … and OUT/log.txt.
"""
import argparse
import importlib
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

from . import augment, net

SIZE, RINGS, ABOVE, FRAMES = 80, 4.0, 1.5, 96
IGNORE = -1
CLASS_WEIGHT = (0.7, 1.0, 1.5, 1.5)
VALIDATION_SEED = 900_000_000


def labels_from_times(frames, t_rim, t_truth, made, fps=30.0):
    """Targets per frame from the times of up to K attempts a sequence ([B, K], in frames, nan where there is none).

    Where people would disagree (when does an attempt begin, when is it over, the frames round the moment of truth)
    nothing is asked of the net.
    """
    b = t_rim.shape[0]
    k = torch.arange(frames, device=t_rim.device)[None].float()
    y = torch.zeros(b, frames, dtype=torch.long, device=t_rim.device)
    s = fps / 30.0
    for a in range(t_rim.shape[1]):
        r, t, m = (q[:, a:a + 1] for q in (t_rim, t_truth, made))
        on = ~torch.isnan(r) & ~torch.isnan(t)
        r, t = torch.nan_to_num(r, nan=-1e6), torch.nan_to_num(t, nan=-1e6)
        t = torch.maximum(t, r)
        y = torch.where(on & (k >= r - 16 * s) & (k < r - 2 * s), torch.full_like(y, IGNORE), y)
        y = torch.where(on & (k >= r - 2 * s) & (k < t - 0.5), torch.full_like(y, net.UNDER_WAY), y)
        y = torch.where(on & (k >= t - 0.5) & (k < t + 1.0), torch.full_like(y, IGNORE), y)
        out = torch.where(m > 0.5, torch.full_like(y, net.MADE), torch.full_like(y, net.MISSED))
        y = torch.where(on & (k >= t + 1.0) & (k < t + 17 * s), out, y)
        y = torch.where(on & (k >= t + 17 * s) & (k < t + 32 * s), torch.full_like(y, IGNORE), y)
    return y


class Rendered:
    """A pool of rendered sequences on the device, renewed a piece at a time."""

    def __init__(self, draw, n, piece, device, seed):
        self.draw, self.piece, self.device, self.seed, self.at = draw, piece, device, seed, 0
        self.x = torch.empty(n, FRAMES, SIZE, SIZE, dtype=torch.uint8, device=device)
        self.y = torch.empty(n, FRAMES, dtype=torch.long, device=device)
        self.filled = 0
        self.total = 0

    def renew(self):
        x, y = self.draw(self.piece, self.seed)
        self.seed += self.piece
        self.total += self.piece
        i = torch.arange(self.at, self.at + self.piece, device=self.device) % len(self.x)
        self.x[i], self.y[i] = x, y
        self.at = (self.at + self.piece) % len(self.x)
        self.filled = min(len(self.x), max(self.filled, self.filled + self.piece if self.filled < len(self.x) else 0))

    def sample(self, b):
        i = torch.randint(self.filled, (b,), device=self.device)
        return self.x[i], self.y[i]


class Real:
    """Windows of FRAMES out of clips and streams; every court weighs the same."""

    def __init__(self, cache, courts, device):
        from . import footage
        self.items, w = [], []
        got = footage.load(cache, lambda m: m["court"][0] in courts)
        for m, y, t in got:
            fps = 1 / float(np.median(np.diff(t)))
            a = [q for q in m["attempts"]]
            frames = lambda key: torch.tensor([[(q[key] - t[0]) * fps for q in a]], dtype=torch.float32)
            made = torch.tensor([[float(q["outcome"] == "made") for q in a]])
            lab = labels_from_times(len(y), frames("t_rim"), frames("t_truth"), made)[0]
            self.items.append((torch.from_numpy(y).to(device), lab.to(device)))
            same = [q for q, _, _ in got if q["court"][0] == m["court"][0]]
            w.append(1 / len(same))
        self.w, self.device = torch.tensor(w), device

    def sample(self, b):
        xs, ys = [], []
        for i in torch.multinomial(self.w, b, replacement=True).tolist():
            x, y = self.items[i]
            n = len(x)
            # A clip lies anywhere in the window; what is missing repeats its first or last picture.
            s = int(torch.randint(-(FRAMES - 24), max(1, n - 24), (1,))) if n > 24 else 0
            s = max(s, -40) if n < FRAMES else max(s, 0)
            k = torch.arange(s, s + FRAMES, device=self.device)
            c = k.clamp(0, n - 1)
            lab = torch.where(k == c, y[c], torch.full_like(y[c], IGNORE))
            xs.append(x[c]), ys.append(lab)
        return torch.stack(xs), torch.stack(ys)


def loss_of(z, y, weight):
    return F.cross_entropy(z.flatten(0, 1), y.flatten(), weight=weight, ignore_index=IGNORE, label_smoothing=0.02)


class Average:
    """Running average of weights and statistics."""

    def __init__(self, m, decay=0.998):
        self.decay, self.n = decay, 0
        self.state = {k: v.detach().clone() for k, v in m.state_dict().items()}

    @torch.no_grad()
    def update(self, m):
        self.n += 1
        d = min(self.decay, self.n / (self.n + 10))
        for k, v in m.state_dict().items():
            if v.dtype.is_floating_point:
                self.state[k].lerp_(v, 1 - d)
            else:
                self.state[k].copy_(v)


@torch.no_grad()
def check(model, x, y):
    """-> share of right outcomes (summed over the outcome's frames), of frames right by class, of quiet frames that stay quiet."""
    model.eval()
    z = torch.cat([model(q.float() / 255).float() for q in x.split(32)])
    known = (y == net.MADE) | (y == net.MISSED)
    has = known.sum(1) >= 4
    d = ((z[..., net.MADE] - z[..., net.MISSED]).clamp(-6, 6) * known).sum(1)
    made = (y == net.MADE).any(1)
    right = ((d > 0) == made)[has].float().mean().item()
    p = z.softmax(-1).argmax(-1)
    per = [((p == c) & (y == c)).sum().item() / max(1, (y == c).sum().item()) for c in range(4)]
    idle = (y == net.NONE).all(1)
    alarm = (((p == net.MADE) | (p == net.MISSED)).sum(1) >= 3)[idle].float().mean().item()
    missed_all = (((p == net.MADE) | (p == net.MISSED)) & known).sum(1)[has]
    return right, per, alarm, (missed_all < 3).float().mean().item()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--source", default="train.sample.draw:draw", help="module:function (n, seed, device) -> x uint8 [n, T, S, S], labels [n, T]")
    p.add_argument("--seconds", type=float, default=480)
    p.add_argument("--members", type=int, default=2)
    p.add_argument("--widths", default="16,32,64,96", help="one list, or one a member parted by /")
    p.add_argument("--hidden", type=int, default=96)
    p.add_argument("--batch", type=int, default=48)
    p.add_argument("--pool", type=int, default=12000)
    p.add_argument("--piece", type=int, default=64)
    p.add_argument("--first", type=int, default=1500, help="sequences drawn before the first step")
    p.add_argument("--draw-share", type=float, default=0.4, help="share of the time that goes into rendering")
    p.add_argument("--rate", type=float, default=2e-3)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--real")
    p.add_argument("--courts", default="A,B,X")
    p.add_argument("--check", type=int, default=768)
    p.add_argument("--init", nargs="*", default=[])
    o = p.parse_args()
    t0 = time.time()
    os.makedirs(o.out, exist_ok=True)
    log = open(os.path.join(o.out, "log.txt"), "a")

    def say(*a):
        line = f"{time.time() - t0:6.1f} " + " ".join(str(q) for q in a)
        print(line, flush=True)
        log.write(line + "\n"), log.flush()

    dev = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.manual_seed(o.seed)
    mod, fun = o.source.split(":")
    source = getattr(importlib.import_module(mod), fun)
    draw = lambda n, seed: source(n, seed, dev)
    pool = Rendered(draw, o.pool, o.piece, dev, o.seed * 10_000_000)
    held = [draw(o.piece, VALIDATION_SEED + i) for i in range(0, o.check, o.piece)]
    vx, vy = torch.cat([q[0] for q in held]), torch.cat([q[1] for q in held])
    say("validation", tuple(vx.shape), "classes", [round((vy == c).float().mean().item(), 3) for c in (-1, 0, 1, 2, 3)])
    a = time.time()
    while pool.total < o.first:
        pool.renew()
    say(f"first {pool.total} sequences, {pool.total * FRAMES / (time.time() - a):.0f} frames/s")
    real = Real(o.real, o.courts.split(","), dev) if o.real else None
    widths = [[int(v) for v in q.split(",")] for q in o.widths.split("/")]
    members = [net.Trunk(SIZE, widths[i % len(widths)], o.hidden).to(dev).to(memory_format=torch.channels_last) for i in range(o.members)]
    for m, f in zip(members, o.init):
        m.load_state_dict(torch.load(f, map_location=dev, weights_only=True)["state"])
    opts = [torch.optim.AdamW(m.parameters(), lr=o.rate, weight_decay=0.02) for m in members]
    avgs = [Average(m) for m in members]
    weight = torch.tensor(CLASS_WEIGHT, device=dev)
    step, drawn, spent, last, mean = 0, 0.0, 0.0, time.time(), [0.0] * o.members
    begin = time.time()

    def store():
        for i, (m, avg) in enumerate(zip(members, avgs)):
            torch.save({"config": m.config(), "state": {k: v.cpu() for k, v in avg.state.items()}}, os.path.join(o.out, f"m{i}.pt"))

    def validate():
        line = []
        for m, avg in zip(members, avgs):
            t = net.Trunk(**m.config()).to(dev)
            t.load_state_dict(avg.state)
            right, per, alarm, lost = check(net.RimNet([t]), vx, vy)
            line.append(f"right {right:.4f} per class {[round(q, 3) for q in per]} alarms {alarm:.3f} lost {lost:.3f}")
        say(f"step {step} drawn {pool.total} loss {[round(q, 4) for q in mean]}", " | ".join(line))
        store()

    while True:
        f = (time.time() - t0) / o.seconds
        if f >= 1:
            break
        g = (time.time() - begin) / (o.seconds - (begin - t0))
        lr = o.rate * min(1.0, (step + 1) / 150) * 0.5 * (1 + math.cos(math.pi * min(1, g)))
        for i, (m, opt) in enumerate(zip(members, opts)):
            a = time.time()
            m.train()
            if real:
                xa, ya = pool.sample(o.batch // 2)
                xb, yb = real.sample(o.batch - o.batch // 2)
                x, y = torch.cat([xa, xb]), torch.cat([ya, yb])
            else:
                x, y = pool.sample(o.batch)
            with torch.no_grad():
                x, y = augment.everything(x, y, SIZE, RINGS)
                feats = net.front(x)
            with torch.autocast(dev.type, dtype=torch.bfloat16):
                z = m(feats)
            loss = loss_of(z, y, weight)
            for q in opt.param_groups:
                q["lr"] = lr
            opt.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(m.parameters(), 2.0)
            opt.step()
            avgs[i].update(m)
            mean[i] += 0.02 * (loss.item() - mean[i]) if step else loss.item()
            spent += time.time() - a
        step += 1
        while drawn < (drawn + spent) * o.draw_share:
            a = time.time()
            pool.renew()
            if dev.type == "cuda":
                torch.cuda.synchronize()
            drawn += time.time() - a
        if time.time() - last > 60:
            last = time.time()
            validate()
    validate()
    say(f"done: {step} steps of {o.members} x {o.batch} x {FRAMES} frames; {pool.total} sequences drawn in {drawn:.0f} s, {spent:.0f} s of steps; "
        f"memory {torch.cuda.max_memory_allocated() / 2**30 if dev.type == 'cuda' else 0:.1f} GiB")


if __name__ == "__main__":
    main()
