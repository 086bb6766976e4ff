"""Trains BallNet on sequences that `draw` wrote, also while it writes them.

    python -m train.ball.fit OUT.pt --drawn DIR --seconds 40 [--seed 17]

The learning rate follows the clock, or with --steps the number of steps. Runs on Debian's python3-torch (1.13).
"""
import argparse
import math
import time

import numpy as np
import torch
import torch.nn.functional as F

from .. import given, source
from . import draw, net


class Pool:
    """Sequences on the device, and where the ball is in them [N, T, 4]: x, y in cells, 1 there / 0 not / -1 unknown, depth."""

    def __init__(self, folder, device):
        self.folder, self.device, self.known, self.y, self.ball = folder, device, set(), [], []

    def renew(self):
        """Takes what was drawn since -> sequences."""
        for path in (p for p in draw.names(self.folder) if p not in self.known):
            with np.load(path) as z:
                d = {k: torch.from_numpy(z[k]) for k in ("y", "ball", "clear", "seen", "depth")}
            self.known.add(path)
            there = d["ball"][..., 2]
            # A ball behind a person is neither there nor not.
            there = torch.where((there > 0) & (d["clear"] < 0.5), torch.full_like(there, -1), there)
            self.y.append(d["y"].to(self.device))
            self.ball.append(torch.cat([d["ball"][..., :2] * net.CELLS, there[..., None], d["depth"].float()[..., None]], -1).to(self.device))
        return sum(len(y) for y in self.y)

    def sample(self, b):
        """Pictures [B, 3, S, S], newest first, and the ball in the newest."""
        piece = torch.randint(len(self.y), (8,)).tolist()
        xs, balls = [], []
        for k in piece:
            i = torch.randint(len(self.y[k]), (b // 8,), device=self.device)
            t = torch.randint(net.PAST, self.y[k].shape[1], (b // 8,), device=self.device)
            xs.append(torch.stack([self.y[k][i, t - n] for n in range(net.PAST + 1)], 1))
            balls.append(self.ball[k][i, t])
        return torch.cat(xs).float() / 255, torch.cat(balls)


def jolted(x, ball):
    """As another court, camera or calibration has it: mirrored, moved, larger or smaller, with another contrast."""
    b, d = len(x), x.device
    u = lambda lo, hi: torch.rand(b, device=d) * (hi - lo) + lo
    flip = torch.where(torch.rand(b, device=d) < 0.5, -1.0, 1.0)
    scale, dx, dy = u(0.9, 1.1), u(-0.06, 0.06), u(-0.06, 0.06)
    theta = torch.zeros(b, 2, 3, device=d)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, 0, 2], theta[:, 1, 2] = scale * flip, scale, dx, dy
    x = F.grid_sample(x, F.affine_grid(theta, x.shape, align_corners=False), padding_mode="border", align_corners=False)
    # A place p of the new picture shows theta p of the old one, both from -1 to 1.
    at = ball[:, :2] / net.CELLS * 2 - 1
    at = torch.stack([(at[:, 0] - dx) / (scale * flip), (at[:, 1] - dy) / scale], 1)
    inside = (at.abs() < 1.05).all(1)
    there = torch.where((ball[:, 2] > 0) & ~inside, torch.zeros_like(flip), ball[:, 2])
    x = (x - 0.5) * u(0.6, 1.3)[:, None, None, None] + 0.5 + u(-0.15, 0.15)[:, None, None, None]
    x = x.clamp(0, 1) + torch.randn_like(x) * u(0, 0.02)[:, None, None, None]
    return x, torch.cat([(at + 1) / 2 * net.CELLS, there[:, None], ball[:, 3:]], 1)


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("out")
    ask.add_argument("--drawn", required=True, help="a folder that train.ball.draw fills, or has filled")
    ask.add_argument("--seconds", type=float, default=0)
    ask.add_argument("--steps", type=int, default=0)
    ask.add_argument("--batch", type=int, default=512)
    ask.add_argument("--rate", type=float, default=3e-3)
    ask.add_argument("--seed", type=int, default=17)
    ask.add_argument("--init", help="goes on from this .pt file")
    ask.add_argument("--least", type=int, default=1, help="sequences that are waited for")
    ask.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    o = ask.parse_args()
    if bool(o.seconds) == bool(o.steps):
        given.refuse("fit: say how long: --seconds or --steps")
    given.folder(o.drawn, f"python -m train.ball.draw {o.drawn}")
    torch.manual_seed(o.seed)
    device = torch.device(o.device)
    m = (net.load(o.init, device) if o.init else net.BallNet().to(device)).train()
    pool, began = Pool(o.drawn, device), time.time()
    while pool.renew() < o.least:
        time.sleep(0.1)
    opt = torch.optim.AdamW(m.parameters(), lr=o.rate, weight_decay=1e-3)
    mean = {k: v.clone() for k, v in m.state_dict().items()}
    start, step, heard = time.time(), 0, 0.0
    while True:
        gone = step / o.steps if o.steps else (time.time() - start) / (o.seconds - (start - began))
        if gone >= 1:
            break
        for group in opt.param_groups:
            group["lr"] = o.rate * min(1, step / 200 + 0.01) * (0.02 + 0.98 * (1 + math.cos(math.pi * gone)) / 2)
        x, ball = jolted(*pool.sample(o.batch))
        where, deep = net.loss(m(x), ball)
        opt.zero_grad(set_to_none=True)
        (where + deep).backward()
        opt.step()
        step += 1
        with torch.no_grad():
            keep = min(0.999, step / (step + 20))
            for k, v in m.state_dict().items():
                mean[k] = v.clone() if not v.dtype.is_floating_point else mean[k].lerp(v, 1 - keep)
        if time.time() - heard > 3:
            heard = time.time()
            print(f"{heard - began:.0f} s, step {step}: where {float(where):.3f} inside {float(deep):.3f}, {pool.renew()} sequences", flush=True)
    m.load_state_dict(mean)
    net.save(m.eval(), o.out)
    print(f"{o.out}: {step} steps, {sum(p.numel() for p in m.parameters())} weights, {sum(map(len, pool.y)) * source.FRAMES} pictures")


if __name__ == "__main__":
    main()
