"""Trains RimFinder on pictures that are drawn beside it.

    python -m train.finder.fit OUT --seconds 330 --seed 1 --device cuda:1 --workers 14 [--photos FILE] [--init FILE]

Processes draw pictures (draw.py) into a pool; each training picture is one of the pool, mirrored, moved, scaled, recoloured.
The learning rate follows the clock. Writes OUT/finder.pt (running average of the weights) and OUT/log.txt.
"""
import argparse
import math
import multiprocessing
import os
import queue
import time

import numpy as np
import torch
import torch.nn.functional as F

from .. import given
from ..fit import Average
from . import net

W, H, MOST, SMALL = 640, 360, 16, 6.0
VALIDATION_SEED = 9_000_000_000


def work(first, step, photos, out, piece):
    """Draws pictures first, first + step … for ever; hands out luma [n, H, W], chroma [n, 2, H/2, W/2], rings."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import cv2
    cv2.setNumThreads(1)
    from . import draw
    backs = draw.load_photos(photos) if photos else []
    seed = first
    while True:
        got = []
        while len(got) < piece:
            got.append(draw.picture(seed, backs))
            seed += step
        out.put(packed(got))


def packed(got):
    x = np.stack([g[0] for g in got])
    c = x[:, 1:].reshape(len(x), 2, H // 2, 2, W // 2, 2).mean((3, 5))
    return x[:, 0].copy(), np.rint(c).astype(np.uint8), np.stack([g[1] for g in got])


class Pool:
    """The pictures at hand, on the device; new ones take the oldest ones' places."""

    def __init__(self, size, device):
        self.y = torch.empty(size, H, W, dtype=torch.uint8, device=device)
        self.c = torch.empty(size, 2, H // 2, W // 2, dtype=torch.uint8, device=device)
        self.rings = torch.zeros(size, MOST, 5, device=device)
        self.size, self.at, self.total = size, 0, 0

    def put(self, y, c, rings):
        n = len(y)
        i = (torch.arange(n) + self.at) % self.size
        i = i.to(self.y.device)
        self.y[i], self.c[i], self.rings[i] = (torch.from_numpy(v).to(self.y.device) for v in (y, c, rings))
        self.at, self.total = (self.at + n) % self.size, self.total + n

    def sample(self, n):
        i = torch.randint(min(self.total, self.size), (n,), device=self.y.device)
        return whole(self.y[i], self.c[i]), self.rings[i]


def whole(y, c):
    """-> float [n, 3, H, W] in 0..1."""
    c = F.interpolate(c.float(), scale_factor=2, mode="bilinear", align_corners=False)
    return torch.cat([y[:, None].float(), c], 1) / 255


def augment(x, rings):
    """Mirrors, moves and scales each picture and its rings; light, colour, noise; the range that video has."""
    n, d = len(x), x.device
    r = lambda lo, hi, *s: torch.rand(n, *s, device=d) * (hi - lo) + lo
    p = lambda share: (torch.rand(n, device=d) < share).float()
    flip = 1 - 2 * p(0.5)
    k = torch.where(p(0.5) > 0, torch.exp(r(math.log(0.6), math.log(1.5))), torch.ones(n, device=d))
    room = (1 - 1 / k).abs() + 0.1
    tx, ty = r(-1, 1) * room * (k != 1), r(-1, 1) * room * (k != 1)
    theta = torch.zeros(n, 2, 3, device=d)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, 0, 2], theta[:, 1, 2] = flip / k, 1 / k, tx, ty
    grid = F.affine_grid(theta, x.shape, align_corners=False)
    x = F.grid_sample(x - 0.5, grid, mode="bilinear", padding_mode="zeros", align_corners=False)      # outside: grey
    rings = rings.clone()
    u, v = rings[..., 0] / W * 2 - 1, rings[..., 1] / H * 2 - 1
    rings[..., 0] = ((u - tx[:, None]) * (flip * k)[:, None] + 1) * W / 2
    rings[..., 1] = ((v - ty[:, None]) * k[:, None] + 1) * H / 2
    rings[..., 2:4] *= k[:, None, None]
    half = rings[..., 2] / 2
    cut = (rings[..., 0] - half * 0.5 < 0) | (rings[..., 0] + half * 0.5 > W) | (rings[..., 2] < SMALL)
    rings[..., 4] = torch.where((rings[..., 4] == 1) & cut, torch.full_like(half, 2.0), rings[..., 4])
    out = (rings[..., 0] < 0) | (rings[..., 0] >= W) | (rings[..., 1] < 0) | (rings[..., 1] >= H)
    rings[..., 4] = torch.where(out, torch.zeros_like(half), rings[..., 4])
    e = lambda a: a[:, None, None, None]
    y, c = x[:, :1], x[:, 1:]
    y = (y * e(r(0.75, 1.25)) + e(r(-0.08, 0.08)))
    a = r(-0.35, 0.35) * p(0.3) + math.pi * p(0.04)                                  # colours turned
    cb, cr = c[:, :1], c[:, 1:]
    c = torch.cat([cb * e(a.cos()) - cr * e(a.sin()), cb * e(a.sin()) + cr * e(a.cos())], 1) * e(r(0.4, 1.4) * (1 - p(0.06)))
    c = c + e(r(-0.03, 0.03, 1)[..., 0]) * torch.tensor([1.0, -1.0], device=d)[None, :, None, None]
    y = y + torch.randn_like(y) * e(r(0, 0.03) * p(0.4))
    video = e(p(0.6))
    y = torch.where(video > 0, y * (219 / 255) + (16 + 219 / 2) / 255 - 0.5, y)
    c = torch.where(video > 0, c * (224 / 255), c)
    return torch.cat([y, c], 1).clamp(-0.5, 0.5) + 0.5, rings


def targets(rings):
    """-> how much a cell is a centre [n, 45, 80] (1: is), what weighs [n, 45, 80], boxes [n, 4, 45, 80]."""
    n, d = len(rings), rings.device
    gy, gx = torch.arange(net.ROWS, device=d)[None, None, :, None], torch.arange(net.COLS, device=d)[None, None, None, :]
    e = lambda a: a[:, :, None, None]
    cx, cy, w, h, kind = (e(rings[..., i]) for i in range(5))
    ux, uy = cx / net.STRIDE, cy / net.STRIDE
    sx, sy = (w / net.STRIDE * 0.12).clamp(min=0.45), (torch.maximum(h, 0.3 * w) / net.STRIDE * 0.12).clamp(min=0.45)
    dx, dy = gx - ux.floor(), gy - uy.floor()
    t = torch.exp(-0.5 * ((dx / sx) ** 2 + (dy / sy) ** 2)) * (kind == 1)
    heat, which = t.max(1)
    near = (gx + 0.5 - ux).abs() < w / net.STRIDE / 2 + 1
    near = near & ((gy + 0.5 - uy).abs() < torch.maximum(h, 0.3 * w) / net.STRIDE / 2 + 1)
    weight = 1 - (near & (kind == 2)).any(1).float() * (heat < 0.999).float()
    pick = lambda a: a.expand(n, a.shape[1], net.ROWS, net.COLS).gather(1, which[:, None])[:, 0]
    box = torch.stack([pick(ux - gx), pick(uy - gy), pick((w.clamp(min=1) / net.UNIT).log()), pick((h.clamp(min=1.5) / net.UNIT).log())], 1)
    return heat, weight, box


def loss_of(z, rings):
    heat, weight, box = targets(rings)
    logit = z[:, 0]
    p = logit.sigmoid().clamp(1e-5, 1 - 1e-5)
    is_ = heat > 0.999
    pos = -((1 - p) ** 2 * p.log())[is_].sum()
    neg = -((1 - heat) ** 4 * p ** 2 * (1 - p).log() * weight * (~is_).float()).sum()
    count = is_.sum().clamp(min=1)
    q = heat ** 2 * (heat > 0.3)
    off = ((z[:, 1:3] - box[:, :2]).abs().sum(1) * q).sum() / q.sum().clamp(min=1)
    size = ((z[:, 3:5] - box[:, 2:]).abs().sum(1) * q).sum() / q.sum().clamp(min=1)
    return (pos + neg) / count + 0.5 * off + size, torch.stack([(pos + neg) / count, off, size]).detach()


def overlap(a, b):
    """Intersection over union of boxes (cx, cy, w, h)."""
    w = min(a[0] + a[2] / 2, b[0] + b[2] / 2) - max(a[0] - a[2] / 2, b[0] - b[2] / 2)
    h = min(a[1] + a[3] / 2, b[1] + b[3] / 2) - max(a[1] - a[3] / 2, b[1] - b[3] / 2)
    i = max(0, w) * max(0, h)
    return i / (a[2] * a[3] + b[2] * b[3] - i + 1e-9)


def same(found, true):
    """Is the ring `found` (cx, cy, w, h) the one at `true`?"""
    far = math.hypot(found[0] - true[0], found[1] - true[1])
    return overlap(found, true) >= 0.3 or far <= 0.35 * true[2]


@torch.no_grad()
def check(m, y, c, rings, device):
    """-> recall, precision at a score of 0.5, by rings narrower and wider than 20 px."""
    m.eval()
    hit = {0: [0, 0], 1: [0, 0]}
    right = wrong = 0
    for i in range(0, len(y), 32):
        x = whole(torch.from_numpy(y[i:i + 32]).to(device), torch.from_numpy(c[i:i + 32]).to(device))
        for f, r in zip(m(x).float().cpu().numpy(), rings[i:i + 32]):
            got = net.peaks(f, 0.5)
            used = set()
            for t in r:
                j = next((j for j, q in enumerate(got) if t[4] and j not in used and same(q[1:], t)), None)
                if j is not None:
                    used.add(j)
                if t[4] == 1:
                    hit[int(t[2] >= 20)][0] += j is not None
                    hit[int(t[2] >= 20)][1] += 1
                    right += j is not None
            wrong += len(got) - len(used)
    s = lambda a: f"{a[0]}/{a[1]} = {a[0] / max(1, a[1]):.3f}"
    return f"recall under 20 px {s(hit[0])}, over {s(hit[1])}, precision {right / max(1, right + wrong):.3f}"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--seconds", type=float, default=330)
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--workers", type=int, default=8, help="processes that draw")
    p.add_argument("--piece", type=int, default=16)
    p.add_argument("--pool", type=int, default=24000)
    p.add_argument("--first", type=int, default=600, help="pictures drawn before the first step")
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--widths", default="16,24,64,96,112")
    p.add_argument("--rate", type=float, default=2e-3)
    p.add_argument("--decay", type=float, default=0.998)
    p.add_argument("--warm-up", type=int, default=150)
    p.add_argument("--check", type=int, default=192)
    p.add_argument("--every", type=float, default=60)
    p.add_argument("--photos", help="backgrounds that photos.py packed")
    p.add_argument("--init")
    o = p.parse_args()
    # The processes that draw read the photos: without them they would end, and this one wait for ever.
    if o.photos:
        given.arrays(o.photos, "pack them with python -m train.finder.photos, or leave --photos out").close()
    earlier = net.load(o.init).state_dict() if o.init else None
    t0 = time.time()
    os.makedirs(o.out, exist_ok=True)
    log = open(os.path.join(o.out, "log.txt"), "a")

    def say(*a):
        line = f"{time.time() - t0:6.1f} " + " ".join(str(q) for q in a)
        print(line, flush=True)
        log.write(line + "\n"), log.flush()

    dev = torch.device(o.device)
    if dev.type == "cuda":
        torch.cuda.set_device(dev)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.manual_seed(o.seed)
    ctx = multiprocessing.get_context("spawn")
    got = ctx.Queue(max(4, 2 * o.workers))
    first = o.seed * 100_000_000
    many = [ctx.Process(target=work, args=(first + k, o.workers, o.photos, got, o.piece), daemon=True) for k in range(o.workers)]
    seen = ctx.Queue(2)
    many.append(ctx.Process(target=work, args=(VALIDATION_SEED, 1, o.photos, seen, o.check), daemon=True))
    for q in many:
        q.start()
    pool = Pool(o.pool, dev)
    while pool.total < o.first:
        pool.put(*got.get())
    say("drawn", pool.total, f"pictures, {pool.total / (time.time() - t0):.0f} a second")
    held = []                                              # the validation pictures, once they are drawn
    model = net.Finder([int(v) for v in o.widths.split(",")]).to(dev).to(memory_format=torch.channels_last)
    if earlier:
        model.load_state_dict(earlier)
    opt = torch.optim.AdamW(model.parameters(), lr=o.rate, weight_decay=0.02, fused=dev.type == "cuda")
    avg = Average(model, o.decay)
    step, last, begin, mean = 0, time.time(), time.time(), torch.zeros(3, device=dev)

    def store():
        if not held:
            held.extend(seen.get())
            many.pop().kill()
            say(f"validation {len(held[0])} pictures, {int((held[2][..., 4] == 1).sum())} rings")
        t = net.Finder(model.width).to(dev)
        t.load_state_dict(avg.state)
        say(f"step {step} drawn {pool.total} loss {[round(v, 4) for v in mean.tolist()]}", check(t, *held, dev))
        net.save(t, os.path.join(o.out, "finder.pt"))

    while True:
        if time.time() - t0 >= o.seconds:
            break
        g = (time.time() - begin) / (o.seconds - (begin - t0))
        for q in opt.param_groups:
            q["lr"] = o.rate * min(1.0, (step + 1) / o.warm_up) * 0.5 * (1 + math.cos(math.pi * min(1, g)))
        try:
            while True:
                pool.put(*got.get_nowait())
        except queue.Empty:
            pass
        x, rings = pool.sample(o.batch)
        with torch.no_grad():
            x, rings = augment(x, rings)
        model.train()
        with torch.autocast(dev.type, torch.bfloat16, enabled=dev.type == "cuda"):
            z = model(x.contiguous(memory_format=torch.channels_last))
        loss, parts = loss_of(z.float(), rings)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        opt.step()
        avg.update()
        mean = parts if step == 0 else mean.lerp(parts, 0.02)
        step += 1
        if time.time() - last > o.every:
            last = time.time()
            store()
    store()
    for q in many:
        q.kill()


if __name__ == "__main__":
    main()
