"""Trains members of RimNet on sequences that are rendered while it trains.

    python -m train.fit OUT --seconds 480 --members 2 --seed 1 [--check N]

A pool of sequences is filled while the training goes on, by processes on this or on other devices (--draw-on), or without
them between steps. Beside the answer each member is asked where the ball is (--ball: the weight of that). The learning rate follows the clock, so that a run fits its time. Every --every seconds the running
average of the weights is tried on rendered sequences of a seed range that training never draws. Writes OUT/m0.pt,
m1.pt … and OUT/log.txt.
"""
import argparse
import importlib
import math
import os
import time

import torch
import torch.nn.functional as F

from . import augment, given, net, render, weights
from .source import FRAMES, IGNORE, RINGS, SIZE, Pool

CLASS_WEIGHT = (0.7, 1.0, 1.5, 1.5)
VALIDATION_SEED = 900_000_000
UNFOLD = 2                   # batches that the norms of a member out of a bundle are measured on
DECISIVE = 9                 # frames after the truth by which the daemon has decided
SOON, CALL = 24, 6           # frames before the truth in which a call would come too early, and that a call takes


def loss_of(z, y, weight):
    return F.cross_entropy(z.flatten(0, 1), y.flatten(), weight=weight, ignore_index=IGNORE, label_smoothing=0.02)


def decision_of(z, y):
    """Cross-entropy of what the daemon decides by: the log-odds made : missed, in the mean over the first DECISIVE frames that
    tell of an outcome, one number a sequence and outcome. z [B, T, 4], y [B, T]."""
    d = z[..., net.MADE] - z[..., net.MISSED]
    total, n = 0.0, 0.0
    for what, sign in ((net.MADE, 1.0), (net.MISSED, -1.0)):
        on = y == what
        on = (on & (on.cumsum(1) <= DECISIVE)).float()
        count = on.sum(1)
        some = (count >= 4).float()
        total = total + (F.softplus(-sign * (d * on).sum(1) / count.clamp(min=1)) * some).sum()
        n = n + some.sum()
    return total / n.clamp(min=1)


def early_of(z, y):
    """What is said before the truth, by which the daemon would call too early: of the frames under way within SOON of their outcome, the
    chance that the net gives to an outcome times the cross-entropy of the right one, in CALL frames' worth an attempt. An early word
    that is right costs nothing here. z [B, T, 4], y [B, T]."""
    t = torch.arange(y.shape[1], device=y.device).expand_as(y)
    known = (y == net.MADE) | (y == net.MISSED)
    after = torch.where(known, t, torch.full_like(t, y.shape[1])).flip(1).cummin(1)[0].flip(1)
    on = ((y == net.UNDER_WAY) & (after < y.shape[1]) & (after - t <= SOON)).float()
    sign = torch.where(y.gather(1, after.clamp(max=y.shape[1] - 1)) == net.MADE, 1.0, -1.0)
    p = z.softmax(-1)[..., [net.MADE, net.MISSED]].sum(-1)
    cost = p * F.softplus(-sign * (z[..., net.MADE] - z[..., net.MISSED])) * on
    return cost.sum() / CALL / on.any(1).float().sum().clamp(min=1)


class Average:
    """Running average of weights and statistics."""

    def __init__(self, m, decay=0.998):
        self.decay, self.n = decay, 0
        self.live = m.state_dict()
        self.state = {k: v.detach().clone() for k, v in self.live.items()}
        self.keys = [k for k, v in self.live.items() if v.dtype.is_floating_point]

    @torch.no_grad()
    def update(self):
        self.n += 1
        d = min(self.decay, self.n / (self.n + 10))
        torch._foreach_lerp_([self.state[k] for k in self.keys], [self.live[k] for k in self.keys], 1 - d)


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


@torch.no_grad()
def check_ball(trunk, asked, x, ball):
    """-> share of the frames with the ball in the crop where it is told within a cell, and where its place by the ring is."""
    trunk.eval(), asked.eval()
    near, deep, n = 0.0, 0.0, 0
    for q, b in zip(x.split(32), ball.split(32)):
        _, cells, memory = trunk(net.front(q.float() / 255), inner=True)
        where, depth = asked(cells, memory)
        k = cells.shape[-1]
        at = ((b[..., :2] + 1) / 2 * k).floor().flatten(0, 1)
        on = ((b[..., 2].flatten() > 0) & (at >= 0).all(1) & (at < k).all(1))
        c = where.argmax(1)
        hit = (c < k * k) & ((c % k - at[:, 0]).abs() <= 1) & ((c.div(k, rounding_mode="floor") - at[:, 1]).abs() <= 1)
        near, n = near + (hit & on).sum().item(), n + on.sum().item()
        deep += ((depth.argmax(-1).flatten() == b[..., 3].flatten()) & on).sum().item()
    asked.train()
    return near / max(n, 1), deep / max(n, 1)


def mixed(like, said):
    """Names of `render.MIXES` parted by commas, and KEY=NUMBER or NAME:KEY=NUMBER that change them -> [fields of Cfg], one a name."""
    names = like.split(",")
    own = {}
    for k, v in given.pairs("--mix", said):
        name, key = k.split(":") if ":" in k else ("", k)
        if name and name not in names:
            given.refuse(f"--mix {k}: --like names no {name}, only {', '.join(names)}")
        own.setdefault(name, {})[key] = float(v) if "." in v else int(v)
    for name in names:
        if name not in render.MIXES:
            given.refuse(f"--like {name}: no such mix; there are {', '.join(render.MIXES)}")
    return [{**render.MIXES[name], **own.get("", {}), **own.get(name, {})} for name in names]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--source", default="train.source:render", help="module:function (n, seed, device) -> x uint8 [n, T, S, S], targets [n, T]")
    p.add_argument("--seconds", type=float, default=480)
    p.add_argument("--members", type=int, default=2)
    p.add_argument("--widths", default="16,32,64,96", help="one list, or one a member parted by /")
    p.add_argument("--hidden", type=int, default=96)
    p.add_argument("--drop", type=float, default=0.3, help="share of the cells and of the memory that is dropped while training")
    p.add_argument("--decide", type=float, default=0.0, help="weight of the cross-entropy of the decision, beside that of the frames")
    p.add_argument("--early", type=float, default=0.0, help="weight of what is said wrongly before the truth (early_of)")
    p.add_argument("--inputs", default="6", help="channels of the front end that a member sees, one number a member parted by /")
    p.add_argument("--batch", type=int, default=48)
    p.add_argument("--pool", type=int, default=12000)
    p.add_argument("--piece", type=int, default=64)
    p.add_argument("--first", type=int, default=1500, help="sequences drawn before the first step")
    p.add_argument("--workers", type=int, default=0, help="processes that render beside the training; 0: renders between steps")
    p.add_argument("--draw-on", default="", help="devices of these processes, parted by commas; otherwise the training's own")
    p.add_argument("--like", default="boundary", help="what is drawn, as `python -m render --mix` has it; several parted by commas take turns, as many sequences of each")
    p.add_argument("--mix", nargs="*", default=[], help="KEY=NUMBER: fields of the renderer's Cfg that differ from that, e.g. h264=0.5; NAME:KEY=NUMBER in one of several")
    p.add_argument("--slowed", type=float, default=0.18, help="share of the sequences that is thinned to 15 to 20 pictures a second; a mix may draw slow ones itself")
    p.add_argument("--moves", type=float, default=0.0, help="share of the sequences whose camera is knocked, and of those that pan (augment.motion)")
    p.add_argument("--rate", type=float, default=2e-3)
    p.add_argument("--rate-end", type=float, default=0.0, help="share of the rate that is left at the end")
    p.add_argument("--decay", type=float, default=0.998, help="of the running average of the weights, a step")
    p.add_argument("--every", type=float, default=60, help="seconds between tries on the validation sequences")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--ball", nargs="*", type=float, default=[0.2], help="weight of the question where the ball is; one number, or one a member")
    p.add_argument("--drawn", default="", help="learn from a file that --keep wrote, and draw nothing")
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--keep", default="", help="FILE:N: store the newest N sequences for train.finetune once --enough are drawn")
    p.add_argument("--check", type=int, default=768)
    p.add_argument("--init", nargs="*", default=[], help="files of an earlier run or bundles to go on from, one a member; what it begins with is written to OUT/begin0.pt …")
    p.add_argument("--enough", type=int, default=10**9, help="sequences after which the workers stop and leave the device to training")
    p.add_argument("--draw-for", type=float, default=1e9, help="seconds after which the workers stop, if there are not --enough before")
    p.add_argument("--gpus-draw-for", type=float, default=1e9, help="seconds after which no GPU draws any more, though cores may")
    p.add_argument("--fuse", action="store_true", help="compile front end and trunk: 60 instead of 87 ms a step of 128 x 96 pictures on an H200, after a minute")
    p.add_argument("--resume", default="", help="folder of an earlier run that was cut: goes on from its last.pt and m0.pt with the rate where it was; one member")
    p.add_argument("--stop", type=float, default=1e9, help="end after so many seconds, though the rate follows --seconds")
    p.add_argument("--warm-up", type=int, default=150, help="steps until the full rate")
    o = p.parse_args()
    t0 = time.time()
    os.makedirs(o.out, exist_ok=True)
    log = open(os.path.join(o.out, "log.txt"), "a")

    def say(*a):
        line = f"{time.time() - t0:6.1f} " + " ".join(str(q) for q in a)
        print(line, flush=True)
        log.write(line + "\n"), log.flush()

    dev = torch.device(o.device)
    if dev.index is not None:
        torch.cuda.set_device(dev)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.manual_seed(o.seed)
    if dev.type == "cuda":
        augment.fuse()
    mod, fun = o.source.split(":")
    source = getattr(importlib.import_module(mod), fun)
    mixes = mixed(o.like, o.mix)
    if o.drawn:
        pool = Pool.of(given.file(o.drawn, "make one with --keep FILE:N"), dev)
    else:
        pool = Pool(o.source, o.pool, o.piece, dev, o.seed * 10_000_000, o.workers, [q for q in o.draw_on.split(",") if q], mixes)
    a = time.time()
    vx, vy, vball = (torch.cat(q) for q in zip(*(source(-(-o.check // len(mixes)), VALIDATION_SEED, dev, **mix) for mix in mixes)))
    say("validation", tuple(vx.shape), "classes", [round((vy == c).float().mean().item(), 3) for c in (-1, 0, 1, 2, 3)])
    say(f"{o.check} sequences drawn in {time.time() - a:.1f} s beside {o.workers} workers")
    def fill():
        while pool.total < o.first and not o.drawn:
            pool.renew(wait=True)
            say("drawn", pool.total)
        say(f"first {pool.total} sequences, {pool.total * FRAMES / (time.time() - a):.0f} frames/s")

    widths = [[int(v) for v in q.split(",")] for q in o.widths.split("/")]
    inputs = [int(q) for q in o.inputs.split("/")]
    members = [net.Trunk(SIZE, widths[i % len(widths)], o.hidden, inputs[i % len(inputs)], o.drop).to(dev).to(memory_format=torch.channels_last) for i in range(o.members)]
    begun = []
    if o.init:
        fill()
    for m, f in zip(members, o.init):
        d = weights.member(f)
        if weights.folded(d):
            m.load_state_dict(d["state"])
            weights.unfold(m, (net.front(augment.everything(*pool.sample(o.batch)[:2], SIZE, RINGS)[0]) for _ in range(UNFOLD)))
            say("norms of", f, "measured anew")
        else:
            m.load_state_dict(d["state"])
        net.save(m, os.path.join(o.out, f"begin{len(begun)}.pt"))
        begun.append(f)
    balls = [net.Ball(m).to(dev) for m in members]
    asks = [o.ball[i % len(o.ball)] for i in range(o.members)]
    both = [[*m.parameters(), *b.parameters()] for m, b in zip(members, balls)]
    opts = [torch.optim.AdamW(q, lr=o.rate, weight_decay=0.02, fused=dev.type == "cuda") for q in both]
    avgs = [Average(m, o.decay) for m in members]
    weight = torch.tensor(CLASS_WEIGHT, device=dev)
    step, last, gone = 0, time.time(), 0.0
    if o.resume:
        at = torch.load(os.path.join(o.resume, "last.pt"), map_location=dev)
        members[0].load_state_dict(at["state"]), opts[0].load_state_dict(at["opt"])
        for k, v in torch.load(os.path.join(o.resume, "m0.pt"), map_location=dev)["state"].items():
            avgs[0].state[k].copy_(v)
        step, gone, avgs[0].n = at["step"], at["gone"], at["step"]
        say("goes on at step", step, "of a run", f"{gone:.3f} done")
    front = net.front
    runs = list(members)
    if o.fuse:
        front = torch.compile(lambda q: net.front(q).to(torch.bfloat16), dynamic=False)
        runs = [torch.compile(m, dynamic=False) for m in members]
        for m, run in zip(members, runs):                   # compiled now, while the first sequences are drawn
            kept = {k: v.clone() for k, v in m.state_dict().items()}
            with torch.no_grad():
                feats = front(torch.rand(o.batch, FRAMES, SIZE, SIZE, device=dev))
            m.train()
            with torch.autocast(dev.type, dtype=torch.bfloat16):
                z = run(feats, inner=True)[0]
            z.mean().backward()
            m.zero_grad(set_to_none=True), m.load_state_dict(kept)
        say("compiled")
    mean, decided, soon, where = (torch.zeros(o.members, device=dev) for _ in range(4))
    fill()
    begin, enough = time.time(), False

    def progress():
        return gone + (1 - gone) * min(1.0, (time.time() - begin) / max(o.seconds - (begin - t0), 1e-9))

    def store():
        torch.save({"state": {k: v.cpu() for k, v in members[0].state_dict().items()}, "opt": opts[0].state_dict(), "step": step, "gone": progress()}, os.path.join(o.out, "last.part"))
        os.replace(os.path.join(o.out, "last.part"), os.path.join(o.out, "last.pt"))
        for i, (m, avg) in enumerate(zip(members, avgs)):
            ball = {k: v.cpu() for k, v in balls[i].state_dict().items()}
            torch.save({"config": m.config(), "state": {k: v.cpu() for k, v in avg.state.items()}, "ball": ball}, os.path.join(o.out, f"m{i}.pt"))

    def validate():
        line, both = [], []
        for m, avg in zip(members, avgs):
            t = net.Trunk(**m.config()).to(dev)
            t.load_state_dict(avg.state)
            both.append(t)
            right, per, alarm, lost = check(net.RimNet([t]), vx, vy)
            if asks[len(line)]:
                near, deep = check_ball(t, balls[len(line)], vx, vball.float())
                per = [*per, near, deep]
            line.append(f"right {right:.4f} per class {[round(q, 3) for q in per]} alarms {alarm:.3f} lost {lost:.3f}")
        if len(both) > 1:
            right, per, alarm, lost = check(net.RimNet(both), vx, vy)
            line.append(f"together right {right:.4f} alarms {alarm:.3f} lost {lost:.3f}")
        say(f"step {step} drawn {pool.total} loss {[round(q, 4) for q in mean.tolist()]} decision {[round(q, 4) for q in decided.tolist()]} early {[round(q, 4) for q in soon.tolist()]} ball {[round(q, 3) for q in where.tolist()]}", " | ".join(line))
        store()

    while True:
        f = (time.time() - t0) / o.seconds
        if f >= 1 or time.time() - t0 > o.stop:
            break
        lr = o.rate * min(1.0, (step + 1) / o.warm_up) * (o.rate_end + (1 - o.rate_end) * 0.5 * (1 + math.cos(math.pi * progress())))
        x, y, ball = pool.sample(o.batch)
        with torch.no_grad():
            x, y, ball = augment.everything(x, y, SIZE, RINGS, ball=ball, slow=o.slowed, moves=o.moves)
            feats = front(x)
        for i, (m, run, opt) in enumerate(zip(members, runs, opts)):
            m.train()
            with torch.autocast(dev.type, dtype=torch.bfloat16):
                z, cells, memory = run(feats, inner=True)
                beside = balls[i].loss(cells, memory, ball) if asks[i] else 0.0
            loss = loss_of(z, y, weight)
            told = decision_of(z, y) if o.decide else torch.zeros((), device=dev)
            hasty = early_of(z, y) if o.early else torch.zeros((), device=dev)
            for q in opt.param_groups:
                q["lr"] = lr
            opt.zero_grad(set_to_none=True)
            (loss + o.decide * told + o.early * hasty + asks[i] * beside).backward()
            if asks[i]:
                where[i].lerp_(beside.detach(), 0.02 if step else 1.0)
            torch.nn.utils.clip_grad_norm_(both[i], 2.0)
            opt.step()
            avgs[i].update()
            mean[i].lerp_(loss.detach(), 0.02 if step else 1.0)
            decided[i].lerp_(told.detach(), 0.02 if step else 1.0)
            soon[i].lerp_(hasty.detach(), 0.02 if step else 1.0)
        step += 1
        if step % 20 == 0:
            if dev.type == "cuda":
                torch.cuda.synchronize()          # the clock rules the run, so the host must not run ahead of the device
            pool.renew(wait=not o.workers and not o.drawn)
        if time.time() - t0 > o.gpus_draw_for:
            pool.rest()
        if (pool.total >= o.enough or time.time() - t0 > o.draw_for) and not enough:
            enough = True
            pool.close()
            say("enough sequences:", pool.total)
            if o.keep:
                path, n = o.keep.rsplit(":", 1)
                pool.keep(path, int(n))
                say("kept", path)
        if time.time() - last > o.every:
            last = time.time()
            validate()
    pool.close()
    validate()
    say(f"done: {step} steps of {o.members} x {o.batch} x {FRAMES} frames; {pool.total} sequences drawn; "
        f"memory {torch.cuda.max_memory_allocated() / 2**30 if dev.type == 'cuda' else 0:.1f} GiB")


if __name__ == "__main__":
    main()
