"""Goes on from a shipped member with a venue's own labelled recordings, half of every batch rendered so that it forgets nothing.

    python -m train.footage FOLDER CACHE                        # crops of the recordings; see footage/README.md's format there
    python -m train.finetune OUT --weights rimnet --real CACHE (--drawn FILE | --draw N) [--leave A B …] [--steps 400]

--weights: a bundle's folder, its FP32 .onnx file or a .pt file (`weights.py`).

--leave: courts that are not learnt from, by name or first letter; `rest` is every court but A, B, D and X. Several --leave-sets in one run,
parted by slashes (`--leave A / B / rest / none`), each make a member of their own: leave one court out. OUT/{set}.pt is
what the steps came to, OUT/{set}-half.pt the average with where it began, which keeps more of what the rendered courts
taught (Wortsman et al. 2022, Robust fine-tuning of zero-shot models). Rendered sequences come from a file that `fit --keep` wrote, or
are drawn here. With the same files and seed on one device the same steps are taken.
"""
import argparse
import math
import os
import time

import torch

from . import augment, fit, footage, given, net, weights
from .source import FRAMES, RINGS, SIZE, Pool, Real

DRAWN_SEED = 800_000_000


def taken(leave):
    """-> which recordings are learnt from. A name leaves out the court of that name; a single letter all that begin with it."""
    return lambda meta: not any(footage.named(name, meta["court"]) for name in leave)


def known(leave, courts):
    """Refuses a name that leaves nothing out (whoever wrote it would score a court that was learnt from), and names that leave nothing in."""
    for name in leave:
        if name != "none":
            footage.known("--leave", name, courts)
    if not any(taken(leave)({"court": c}) for c in courts):
        given.refuse(f"--leave {' '.join(leave)}: no court is left to learn from; name fewer, or none")


def tune(base, pool, real, o, dev, say):
    """-> state of the member after the steps."""
    m = net.Trunk(**base["config"]).to(dev).to(memory_format=torch.channels_last)
    m.load_state_dict(base["state"])
    opt = torch.optim.AdamW(m.parameters(), lr=o.rate, weight_decay=0.02)
    weight = torch.tensor(fit.CLASS_WEIGHT, device=dev)
    n, mean, begin = int(o.batch * o.share), None, time.time()
    for step in range(o.steps):
        parts = []
        with torch.no_grad():
            for source, k, rendered in ((pool, o.batch - n, True), (real, n, False)):
                x, y, _ = source.sample(k)
                parts.append(augment.everything(x, y, SIZE, RINGS, rendered)[:2])
            x, y = (torch.cat(q) for q in zip(*parts))
            feats = net.front(x)
        # Statistics of the normalisation stay those of the base: a few courts are no population, and where they were folded
        # into the convolutions (`weights.py`) a batch's own would make it another net.
        m.train()
        for b in m.modules():
            if isinstance(b, torch.nn.BatchNorm2d):
                b.eval()
        with torch.autocast(dev.type, dtype=torch.bfloat16):
            z = m(feats)
        loss = fit.loss_of(z, y, weight)
        for q in opt.param_groups:
            q["lr"] = o.rate * min(1.0, (step + 1) / 30) * 0.5 * (1 + math.cos(math.pi * step / o.steps))
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(m.parameters(), 2.0)
        opt.step()
        mean = loss.detach() if mean is None else mean.lerp_(loss.detach(), 0.05)
        if step % 50 == 49 or step + 1 == o.steps:
            say(f"step {step + 1} of {o.steps}, loss {mean.item():.3f}, {(time.time() - begin) / (step + 1):.2f} s a step")
    return {k: v.detach().float().cpu() if v.dtype.is_floating_point else v.cpu() for k, v in m.state_dict().items()}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--weights", required=True, help="a bundle's folder, its FP32 .onnx file, or a .pt file")
    p.add_argument("--real", required=True, help="what train.footage wrote")
    p.add_argument("--drawn", default="", help="file of rendered sequences")
    p.add_argument("--draw", type=int, default=2048, help="rendered sequences to draw, where there is no --drawn")
    p.add_argument("--leave", nargs="+", default=["none"])
    p.add_argument("--steps", type=int, default=400)
    p.add_argument("--batch", type=int, default=96)
    p.add_argument("--share", type=float, default=0.5, help="of a batch that is real")
    p.add_argument("--rate", type=float, default=3e-4)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    o = p.parse_args()
    dev, begin = torch.device(o.device), time.time()
    if dev.index is not None:
        torch.cuda.set_device(dev)
    say = lambda *a: print(f"{time.time() - begin:6.1f}", *a, flush=True)
    sets = [q.split() for q in " ".join(o.leave).replace("/", " / ").split(" / ")]
    courts = {m["court"] for m, _, _ in footage.load(o.real)}
    for courts_left in sets:
        known(courts_left, courts)
    base, seen = weights.member(o.weights), weights.seen(o.weights)
    if base["config"]["size"] != SIZE:
        given.refuse(f"{o.weights}: takes crops of {base['config']['size']} pixels, and the recordings are cut to {SIZE}; name another member")
    if o.drawn:
        given.file(o.drawn, "make one with train.fit --keep FILE:N, or leave --drawn out")
    os.makedirs(o.out, exist_ok=True)
    if o.drawn:
        pool = Pool.of(o.drawn, dev)
    else:
        pool = Pool("train.source:render", o.draw, min(64, o.draw), dev, DRAWN_SEED, 0, mixes=[{"h264": 0.5}])
        while pool.total < o.draw:
            pool.renew(wait=True)
            say(f"drawn {pool.total} of {o.draw}")
    say(f"{pool.filled} rendered sequences of {FRAMES} frames")
    for left in sets:
        name = "-".join(left)
        real = Real(o.real, taken(left), dev)
        say(f"without {name}: {len(real.items)} recordings of {len(real.courts)} courts: {' '.join(real.courts)}")
        torch.manual_seed(o.seed)
        state = tune(base, pool, real, o, dev, say)
        half = {k: (v + base["state"][k].float()) / 2 if v.dtype.is_floating_point else v for k, v in state.items()}
        for stem, q in (("", state), ("-half", half)):
            torch.save({"config": base["config"], "state": q, "seen": sorted({*real.courts, *seen})}, os.path.join(o.out, f"{name}{stem}.pt"))
        say("written", os.path.join(o.out, f"{name}.pt"))


if __name__ == "__main__":
    main()
