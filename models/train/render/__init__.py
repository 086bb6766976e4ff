"""Rendered attempts at a basketball ring, for training and testing made/missed models: physics, cameras, courts, people,
and what a camera and an encoder do to the picture. See README.md beside this file.

    from render import render_batch, Cfg
    b = render_batch(range(1000, 1256), 'cuda', Cfg(size=64))
"""
import dataclasses
import resource
import time

import torch

from . import draw, sensor, sim, tell
from .rng import Rng
from .sim import MODES

CLASSES = ('none', 'under_way', 'made', 'missed')
NETS = ('nylon', 'tight', 'chain', 'stiff', 'torn', 'none')


@dataclasses.dataclass
class Cfg:
    """What a batch is made of. The numbers of an attempt depend on its seed and on this."""
    size: int = 64                # S: the crop's side
    frames: int = 64              # T
    rings: float = 3.2            # crop's side in ring widths
    above: float = 0.9            # ring widths above the ring's top edge
    hold: float = 0.7             # seconds that made / missed are held from t_truth
    sub: int = 4                  # moments of the exposure
    string_points: int = 6        # points along a string
    ring_px: tuple = ((12.5, .14), (17, .20), (22, .20), (27, .20), (35, .20), (44, .06))  # ring's native width (about), share
    fps: float = 0.0              # a fixed frame rate; 0: 24 to 31
    again: float = .10            # share of attempts with a second one after it
    luma: bool = False            # only y: x has one channel
    h264: float = 0.0             # share of attempts that go through x264 (needs PyAV); the others: a stand-in
    bitrate: float = 0.0          # share of those that is held to a bit rate, 0.2 to 4 Mbit/s of a whole picture; the others: to a quality
    sharp: float = 0.0            # share of the attempts with a ring of 27 pixels and more that are held to no bit rate though `bitrate` would
    slow: float = 0.0             # share of attempts with 14 to 21 frames a second, where `fps` does not fix it
    hands: float = 0.0            # share of dunks, lay-ups and tip-ins that show who brings the ball
    pull: float = 0.0             # share of those dunks whose ring gives way under who hangs on it, and springs back
    held_out: bool = False        # only cameras, nets and boards that False never draws; None: any
    weights: tuple = ()           # shares of sim.MODES, where they differ from sim.WEIGHTS
    chunk_px: int = 2_200_000     # pixels (frames x canvas) drawn at a time; raise it on a large GPU
    raw: bool = False             # also return the decoded canvas (lists per attempt)


    def canvas(self, px):
        """Side of the native picture that is drawn for a ring of so many pixels: the crop and a border."""
        return int(-(-px * self.rings / .9 // 16) * 16)

    def rated(self, ring):
        """Share of the attempts with rings so wide (pixels [B]) that is held to a bit rate, of those that go through x264."""
        return torch.where(ring >= 27, self.bitrate * (1 - self.sharp), self.bitrate) if self.sharp else self.bitrate


# What a venue sends: dunks with who makes them, narrow rings, low bit rates, slow cameras. Fields of Cfg.
VENUE = dict(weights=tuple(sim.GAME), ring_px=((12.5, .17), (15.5, .20), (19, .20), (24, .17), (30, .14), (40, .12)), h264=.85, bitrate=.6, slow=.22, hands=.8)
# The same beside what a camera near the ring sees: half of the rings are large, and most of these sharp; more balls whose truth is late.
BOTH = dict(weights=tuple(sim.LATE), ring_px=((10, .05), (12.5, .09), (15.5, .12), (19, .12), (24, .12), (30, .20), (38, .20), (44, .10)), h264=.75, bitrate=.7, sharp=.6, slow=.18, hands=.8)
# A game under the ring: who dunks, lays up or tips in is seen, rings give way; narrow rings, most of the sequences at a bit rate, slow cameras. Drawn beside `boundary`.
CLOSE = dict(weights=tuple(sim.CLOSE), ring_px=((10, .04), (12.5, .10), (15.5, .14), (19, .17), (24, .15), (30, .16), (38, .15), (44, .09)), h264=.8, bitrate=.8, sharp=.4, slow=.22, hands=.9, pull=.8)
MIXES = dict(boundary={}, natural=dict(weights=tuple(sim.NATURAL)), venue=VENUE, both=BOTH, close=CLOSE)


def params(seeds, device, cfg):
    """Simulates; returns rng, camera, P, S, J."""
    rng = Rng(seeds, device)
    az, el, dist = draw.camera(rng, cfg.held_out)
    P = sim.draw_params(rng, az, el, cfg.weights, cfg.held_out)
    P['seen'] = torch.ones(rng.n, cfg.frames, device=rng.device)
    P['clear'] = torch.ones(rng.n, cfg.frames, device=rng.device)
    # put-backs: some have a second attempt at the same ring, of a seed of its own
    again = rng.p('again', cfg.again) & (P['mode'] < sim.FIRST_NONE)
    i2 = torch.nonzero(again)[:, 0]
    r2 = Rng(rng.seeds[i2] ^ 0x5DEECE66D, device)
    Q = sim.start_again({k: v[i2] for k, v in P.items()}, sim.draw_params(r2, az[i2], el[i2], cfg.weights, cfg.held_out))
    Q['kick'], Q['seen'], Q['clear'] = torch.zeros_like(Q['kick']), P['seen'][i2], P['clear'][i2]
    both = sim.simulate({k: torch.cat([v, Q[k]]) for k, v in P.items()})
    S, U = {k: v[:rng.n] for k, v in both.items()}, {k: v[rng.n:] for k, v in both.items()}
    J, V = sim.judge(P, S, az, el, dist), sim.judge(Q, U, az[i2], el[i2], dist[i2])
    gap = torch.maximum(rng.pick(i2).u('gap', .9, 2.), J['t_truth'][i2] + .75)
    ok = (gap < 2.3) & (V['outcome'] > 0) & (V['outcome'] < 3) & (J['outcome'][i2] > 0) & (J['outcome'][i2] < 3) & ~Q['hand']
    P['slot'] = torch.full((rng.n,), -1, dtype=torch.long, device=rng.device)
    P['slot'][i2[ok]] = torch.nonzero(ok)[:, 0]
    J2 = dict(outcome=torch.zeros(rng.n, dtype=torch.long, device=rng.device), t_rim=torch.full((rng.n,), 9., device=rng.device), t_truth=torch.full((rng.n,), 9., device=rng.device))
    J2['outcome'][i2[ok]] = V['outcome'][ok]
    J2['t_rim'][i2[ok]] = V['t_rim'][ok] + gap[ok]
    J2['t_truth'][i2[ok]] = V['t_truth'][ok] + gap[ok]
    J['kind'] = sim.kinds(P, S, J, az, el, dist)
    J['brake'] = sim.brake(S, J, az, el, dist)
    J['gap'] = sim.gap(S, J)
    J2['kind'], J2['brake'] = torch.zeros_like(J['kind']), torch.zeros_like(J['brake'])
    J2['brake'][i2[ok]] = sim.brake(U, V, az[i2], el[i2], dist[i2])[ok]
    J2['kind'][i2[ok]] = sim.kinds(Q, U, V, az[i2], el[i2], dist[i2])[ok]
    return rng, (az, el, dist), P, S, J, (Q, U, gap, J2)


def timing(rng, cfg):
    """Frame times: sim time [N,T] of what is shown, stream time step dt [N,T], index of the shown frame [N,T]."""
    d, N, T = rng.device, rng.n, cfg.frames
    fps = draw.rng_fps(rng, cfg.slow) if not cfg.fps else torch.full((N,), float(cfg.fps), device=d)
    k0 = rng.u('k0', .06, .62) * T
    k = torch.arange(T, device=d).float()[None].expand(N, T)
    drop = (rng.u('drop', 0, 1, T) < torch.where(rng.p('drop/p', .12), rng.u('drop/r', .01, .12), rng.u('z1', 0, 0))[:, None]).float()
    drop[:, 0] = 0
    times = (k + drop.cumsum(1) - k0[:, None] - (drop.sum(1) * .4)[:, None]) / fps[:, None]
    dt = (1 + drop) / fps[:, None]
    dt[:, 0] = 0
    rep = rng.u('rep', 0, 1, T) < torch.where(rng.p('rep/p', .12), rng.u('rep/r', .02, .2), rng.u('z1', 0, 0))[:, None]
    src = torch.arange(T, device=d)[None].expand(N, T).clone()
    for t in range(1, T):
        src[:, t] = torch.where(rep[:, t], src[:, t - 1], src[:, t])
    return fps, times, dt, src


def labels(rng, view, P, S, J, J2, times, cfg, cam):
    """Class, weight and ball by frame: its centre, its depth by the ring, its radius; and t_on."""
    N, T = times.shape
    d = times.device
    bp = draw.ball_at(P, S, times)
    q, z = view.project(bp)
    q = q + view.drift
    xy = (q - view.crop[:, None, :2]) / view.crop[:, None, 2:]
    inc = ((xy > -.04) & (xy < 1.04)).all(-1) & (bp[..., 1] > -25) & ~P['hand'][:, None]
    y = torch.zeros(N, T, dtype=torch.long, device=d)
    w = torch.ones(N, T, device=d)
    ons = []
    for j in (J, J2):
        out, tr, tt = j['outcome'], j['t_rim'][:, None], j['t_truth'][:, None]
        att = ((out == 1) | (out == 2))[:, None]
        fresh = inc & (times > tr - .5)
        first = torch.where(fresh.any(1), times.gather(1, fresh.float().argmax(1, keepdim=True))[:, 0], j['t_rim'] - .1)[:, None]
        t_on = torch.minimum(torch.maximum(first, tr - .45), tr)
        y = torch.where(att & (times >= t_on) & (times < tt), 1, y)
        y = torch.where(att & (times >= tt) & (times < tt + cfg.hold), (out + 1)[:, None], y)
        soft = ((times - t_on).abs() < .045) | ((times > tt + cfg.hold - .15) & (times < tt + cfg.hold + .15))
        w = torch.where(att & soft, 0., w)
        w = torch.where(att & ((times - tt).abs() < .02), .3, w)
        w = torch.where((out == 3)[:, None] & (times > tr.clamp(max=.3) - .6), 0., w)
        ons.append(t_on[:, 0])
    r = view.ppm(z) * sim.RB * rng.u('ball/size', .96, 1.02)[:, None] / view.crop[:, 2:] * cfg.size
    there = inc & (r < cfg.size * .6)
    deep = sim.depth(bp, P['L'], *cam) * inc
    return y, w * (P['seen'] > .35), torch.cat([xy, inc[..., None].float()], -1), deep, r * there, ons[0]


@torch.no_grad()
def render_batch(seeds, device='cpu', cfg=None):
    """Renders the attempts of these seeds. Returns a dict of tensors on `device`, first dimension the attempts in order:

    x        uint8 [N,T,3,S,S]  y, cb, cr as decoded bytes, resampled as the contract says
    y        long  [N,T]        class: none, under_way, made, missed
    w        float [N,T]        weight of the frame in a loss (0: nobody could say)
    dt       float [N,T]        seconds since the frame before
    t        float [N,T]        seconds, 0 at the first frame
    ball     float [N,T,3]      ball's centre in the crop (0..1), 1 if it is in the crop
    depth    long  [N,T]        where the ball lies to ring and net as the camera sees it: sim.depth; 0 where it isn't in the crop
    ball_r   float [N,T]        its apparent radius in the crop's pixels, 0 where it isn't in the crop
    seen     float [N,T]        share of ring and net not hidden by a person
    clear    float [N,T]        share of the ball's middle not hidden by a person
    tell     float [N,2]        by attempt: under 1 no careful eye could tell its outcome from the pictures (tell.py); 9.99: no attempt
    why      long [N,2]         reasons where it is, bits in the order of tell.REASONS
    outcome  long  [N]          0 no attempt, 1 made, 2 missed, 3 undecided (weights 0)
    t_on, t_rim, t_truth        float [N], in t (8 and more: none)
    outcome2, t_rim2, t_truth2  the second attempt, where there is one
    gap      float [N]          m, least distance of ball's surface and ring's rod until the truth (sim.gap)
    kind, kind2                 lists of str: sim.KINDS, '' where there is no attempt
    mbit     float [N]      the bit rate of a whole picture that it was held to, Mbit/s; nan where it was to none
    fps, ring_px, az, el, dist  float [N]; mode, net long [N]: sim.MODES, NETS; net_l, net_rb float [N]: its length and its
                                radius at the bottom, m
    """
    cfg = cfg or Cfg()
    dev = torch.device(device)
    rng, (az, el, dist), P, S, J, (Q, U, gap, J2) = params(seeds, dev, cfg)
    N, T = rng.n, cfg.frames
    fps, times, dt, src = timing(rng, cfg)
    which = rng.choice('bucket', [b[1] for b in cfg.ring_px])
    x = torch.zeros(N, T, 1 if cfg.luma else 3, cfg.size, cfg.size, dtype=torch.uint8, device=dev)
    y = torch.zeros(N, T, dtype=torch.long, device=dev)
    w, seen, clear = torch.zeros(N, T, device=dev), torch.ones(N, T, device=dev), torch.ones(N, T, device=dev)
    ball, t_on, ring = torch.zeros(N, T, 3, device=dev), torch.zeros(N, device=dev), torch.zeros(N, device=dev)
    depth, ball_r = torch.zeros(N, T, dtype=torch.long, device=dev), torch.zeros(N, T, device=dev)
    told, why = torch.full((N, 2), 9.99, device=dev), torch.zeros(N, 2, dtype=torch.long, device=dev)
    raw = [None] * N
    tfr = torch.cumsum(dt, 1)
    for bi, (px, _) in enumerate(cfg.ring_px):
        n = cfg.canvas(px)
        every = torch.nonzero(which == bi)[:, 0]
        # the encoder walks frame by frame, so it takes as many attempts at once as memory allows
        for many in every.split(max(1, cfg.chunk_px * 8 // (n * n * T))) if len(every) else ():
            imgs, crops, looks = [], [], []
            for i in many.split(max(1, cfg.chunk_px // (n * n * T))):
                r = rng.pick(i)
                Pi = {k: v[i] for k, v in P.items()}
                Si = {k: v[i] for k, v in S.items()}
                Ji, Ki = {k: v[i] for k, v in J.items()}, {k: v[i] for k, v in J2.items()}
                on = Pi['slot'] >= 0
                if on.any():
                    k = Pi['slot'].clamp(min=0)
                    Si = draw.join(Pi, Si, {a: v[k] for a, v in Q.items()}, {a: v[k] for a, v in U.items()}, gap[k] * on, on)
                view = draw.View(r, az[i], el[i], dist[i], n, 8 + n // 8, T, cfg.rings, cfg.above, dev)
                view.drift = draw.drift(r, view.w, T, fps[i]).clamp(-n / 4, n / 4)
                who, slot, f = tell.picks(times[i], src[i], Ji, Ki)
                img, layers, free, boarded = draw.frames(r, view, Pi, Si, times[i], tfr[i], cfg, (who, f))
                img = sensor.develop(r, img, tfr[i])
                imgs.append(img)
                crops.append(view.crop)
                if len(who):
                    # what the camera would have given of the layers without noise, at the crop's size
                    q, tq = r.pick(who), tfr[i].gather(1, src[i])[who[:, None], f]
                    wx, wy = (sensor.triangle(view.crop[who, k], view.crop[who, 2], cfg.size, n)[:, None] for k in (0, 1))
                    layers = [wy @ sensor.levels(q, sensor.develop(q, a, tq, noise=False))[:, :, 0].float() @ wx.transpose(-1, -2) for a in layers]
                    p3 = draw.ball_at(Pi, Si, times[i])[who[:, None], f]
                    cross = tell.overlap(p3, az[i][who], el[i][who], dist[i][who], -Pi['rest'][who][..., 2].amin(1))
                    looks.append((who + sum(len(c) for c in crops[:-1]), slot, f, layers, free, boarded, cross))
                yy, ww, bb, dd, rr, on = labels(r, view, Pi, Si, Ji, Ki, times[i].gather(1, src[i]), cfg, (az[i], el[i], dist[i]))
                y[i], w[i], ball[i], depth[i], ball_r[i], t_on[i], ring[i], seen[i], clear[i] = yy, ww, bb, dd, rr, on, view.w, Pi['seen'], Pi['clear']
                if cfg.raw:
                    for k, j in enumerate(i.tolist()):
                        raw[j] = dict(crop=view.crop[k].tolist(), box=view.box[k].tolist())
                del img
            i, crop, img = many, torch.cat(crops), torch.cat(imgs)
            imgs = None
            Y, C = sensor.encode(rng.pick(i), img, fps[i], cfg.luma, cfg.h264, cfg.rated(ring[i]))
            b = torch.arange(len(i), device=dev)[:, None]
            wx, wy = sensor.triangle(crop[:, 0], crop[:, 2], cfg.size, n), sensor.triangle(crop[:, 1], crop[:, 2], cfg.size, n)
            yo = (wy[:, None] @ Y @ wx[:, None].transpose(-1, -2))[:, :, None]
            for who, slot, f, layers, free, boarded, cross in looks:
                got = yo[who[:, None], f, 0]
                db, dn = tell.left(got, layers[0], layers[1]), tell.left(got, layers[0], layers[2])
                inside = ball[i[who][:, None], f, 2] > 0
                told[i[who], slot], why[i[who], slot] = tell.verdict(db, free, dn, torch.stack([J['brake'], J2['brake']], 1)[i[who], slot], seen[i[who][:, None], f], cross, inside, boarded)
                if cfg.raw:
                    for k in range(len(who)):
                        raw[int(i[who[k]])].setdefault('tell', {})[int(slot[k])] = dict(ball=db[k], net=dn[k], free=free[k], cross=cross[k], inside=inside[k], board=boarded[k], f=f[k])
            if not cfg.luma:
                cx, cy = sensor.triangle(crop[:, 0] / 2, crop[:, 2] / 2, cfg.size, n // 2), sensor.triangle(crop[:, 1] / 2, crop[:, 2] / 2, cfg.size, n // 2)
                yo = torch.cat([yo, cy[:, None, None] @ C @ cx[:, None, None].transpose(-1, -2)], 2)
            x[i] = yo.round().clamp(0, 255).to(torch.uint8)[b, src[i]]
            if cfg.raw:
                for k, j in enumerate(i.tolist()):
                    raw[j].update(y=Y[k, src[j]].to(torch.uint8), c=None if C is None else C[k, src[j]].to(torch.uint8))
    t0 = times[:, :1] - tfr[:, :1]
    names = lambda j: [sim.KINDS[k] for k in j['kind'].tolist()]
    out = dict(x=x, y=y, w=w, dt=dt, t=tfr, ball=ball, depth=depth, ball_r=ball_r, seen=seen, clear=clear, tell=told, why=why, outcome=J['outcome'], t_on=t_on - t0[:, 0], t_rim=J['t_rim'] - t0[:, 0], t_truth=J['t_truth'] - t0[:, 0],
               outcome2=J2['outcome'], t_rim2=J2['t_rim'] - t0[:, 0], t_truth2=J2['t_truth'] - t0[:, 0],
               mbit=sensor.mbit(rng, cfg.h264, cfg.rated(ring)), fps=fps, ring_px=ring, az=az, el=el, dist=dist, mode=P['mode'], net=P['net'], net_l=P['L'], net_rb=P['rb'], dmin=J['dmin'], gap=J['gap'],
               kind=names(J), kind2=names(J2))
    if cfg.raw:
        out['raw'] = raw
    return out


def render(n, T, size, rings, above, fps, device, seed, **mix):
    """The same in the trainer's words: y uint8 [n,T,S,S], label int8 [n,T] (-1: don't care), t_rim, t_truth float [n,2] in
    frames (nan: no such attempt), made int8 [n,2] (-1: none), dt float [n,T]. Attempts seed .. seed + n - 1, or `seed` is a list of
    n seeds; fps 0: 24 to 31."""
    cfg = Cfg(size=size, frames=T, rings=rings, above=above, fps=fps or 0.0, luma=True, **mix)
    b = render_batch(range(seed, seed + n) if isinstance(seed, int) else seed, device, cfg)
    both = []
    for k in ('', '2'):
        o = b['outcome' + k]
        att = (o == 1) | (o == 2)
        def fr(t):                                              # frames, where some were dropped: between two of them by share
            i = ((b['t'] <= t[:, None]).sum(1) - 1).clamp(0, T - 2)
            at = lambda k: b['t'].gather(1, k[:, None])[:, 0]
            f = i + (t - at(i)) / (at(i + 1) - at(i))
            return torch.where(att, f, torch.full_like(f, float('nan')))
        both.append((fr(b['t_rim' + k]), fr(b['t_truth' + k]), torch.where(att, (o == 1).long(), torch.full_like(o, -1))))
    t_rim, t_truth, made = (torch.stack(x, 1) for x in zip(*both))
    return dict(y=b['x'][:, :, 0], label=torch.where(b['w'] == 0, -1, b['y']).to(torch.int8), t_rim=t_rim, t_truth=t_truth, made=made.to(torch.int8),
                undecided=b['outcome'] == 3, dt=b['dt'], ring_px=b['ring_px'], seen=b['seen'], clear=b['clear'], tell=b['tell'], why=b['why'], ball=b['ball'], depth=b['depth'], ball_r=b['ball_r'], kind=b['kind'], kind2=b['kind2'], mode=b['mode'], net=b['net'], fps=b['fps'], t=b['t'],
                az=b['az'], el=b['el'], dist=b['dist'], dmin=b['dmin'], mbit=b['mbit'])


def seeds(text):
    """'0:256' -> range(0, 256)."""
    import argparse
    lo, colon, hi = text.partition(':')
    if not (colon and lo.isdecimal() and hi.isdecimal()):
        raise argparse.ArgumentTypeError("'%s' is no range of seeds: write FIRST:END, as 0:256" % text)
    if int(hi) <= int(lo):
        raise argparse.ArgumentTypeError("'%s' holds no seed: END must be above FIRST, as 0:256" % text)
    return range(int(lo), int(hi))


def processor():
    """Seconds of processor that this process, its threads (the encoder's, too) and its children have used."""
    return sum(r.ru_utime + r.ru_stime for r in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


@torch.no_grad()
def flown(which, device, cfg, by, piece=128):
    """What `main` tells, of the physics alone: outcome, mode, gap and whether `by` m aside it had come out otherwise."""
    got = []
    for k in range(0, len(which), piece):
        rng = Rng(which[k:k + piece], device)
        az, el, dist = draw.camera(rng, cfg.held_out)
        P = sim.draw_params(rng, az, el, cfg.weights, cfg.held_out)
        S = sim.simulate(P)
        J = sim.judge(P, S, az, el, dist)
        got.append((J['outcome'], P['mode'], sim.gap(S, J), sim.turns(P, J['outcome'], az, el, dist, by) if by else torch.zeros_like(P['hand'])))
    return dict(zip(('outcome', 'mode', 'gap', 'turns'), map(torch.cat, zip(*got))))


def share(k, n):
    return '%d of %d = %.1f %%' % (k, n, 100 * k / max(1, n))


def main():
    """python3 -m render --seeds 0:256 [--mix natural] [--h264 SHARE] [--physics [--turns 0.05]] [--device cuda] [--sheet FILE]

    Prints attempts a core-minute (by the processor time of the process, its threads and children) and what they are.
    --physics flies them and draws nothing; with --turns M it also tells how many would have come out otherwise M metres aside."""
    import argparse
    ap = argparse.ArgumentParser(prog='render', usage='python3 -m render --seeds FIRST:END [options]', description=main.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--seeds', type=seeds, default='0:64', metavar='FIRST:END')
    ap.add_argument('--mix', choices=list(MIXES), default='boundary', help='boundary: most near the limit; natural: what a gym sees; venue: what a venue sends; both: that and large, sharp rings; close: a game under the ring')
    ap.add_argument('--h264', type=float, default=0.0, help='share of the attempts that go through x264')
    ap.add_argument('--luma', action='store_true', help='without colour, as training draws')
    ap.add_argument('--physics', action='store_true')
    ap.add_argument('--turns', type=float, default=0.0, metavar='M')
    ap.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    ap.add_argument('--size', type=int, default=64)
    ap.add_argument('--batch', type=int, default=64, help='attempts at a time')
    ap.add_argument('--chunk-px', type=int, default=0)
    ap.add_argument('--sheet')
    ap.add_argument('--repeat', type=int, default=1)
    a = ap.parse_args()
    cfg = Cfg(**{**MIXES[a.mix], 'size': a.size, 'h264': a.h264, 'luma': a.luma})
    if a.chunk_px:
        cfg.chunk_px = a.chunk_px
    if a.batch < 1:
        ap.error('--batch %d: take at least one attempt at a time' % a.batch)
    if a.turns and not a.physics:
        ap.error('--turns flies each attempt five times and draws none: add --physics')
    if a.sheet and a.physics:
        ap.error('--sheet wants pictures: leave out --physics')
    n = len(a.seeds)
    for k in range(a.repeat):
        t, cpu, parts = time.time(), processor(), []
        if a.physics:
            b = flown(a.seeds, a.device, cfg, a.turns)
        else:
            for at in range(0, n, a.batch):
                part = render_batch(a.seeds[at:at + a.batch], a.device, cfg)
                first = part if at == 0 else first
                parts.append({q: part[q] for q in ('outcome', 'mode', 'gap', 'y', 'w')})
            b = {q: torch.cat([part[q] for part in parts]) for q in parts[0]}
        if a.device.startswith('cuda'):
            torch.cuda.synchronize()
        s, cpu = time.time() - t, processor() - cpu
        what = 'flown' if a.physics else 'of %d frames' % cfg.frames
        print('%d attempts %s in %.1f s, %.1f s of processor, on %s: %.0f attempts a core-minute' % (n, what, s, cpu, a.device, 60 * n / cpu))
    print('outcome none/made/missed/undecided', torch.bincount(b['outcome'], minlength=4).tolist())
    if not a.physics:
        print('frames by class', torch.bincount(b['y'].reshape(-1), minlength=4).tolist(), 'weightless %.3f' % (b['w'] == 0).float().mean())
    tried = (b['outcome'] == 1) | (b['outcome'] == 2)
    count = lambda m: int((m & tried).sum())
    print('of made and missed: ball within 5 cm of the rod %s (touched it: %d)' % (share(count(b['gap'] <= .05), count(tried)), count(b['gap'] == 0)))
    if a.turns:
        print('  would have come out otherwise %g cm aside: %s' % (100 * a.turns, share(count(b['turns']), count(tried))))
    for m, name in enumerate(MODES):
        i = b['mode'] == m
        if i.any():
            print('  %-7s %s' % (name, torch.bincount(b['outcome'][i], minlength=4).tolist()))
    if a.sheet:
        from .sheet import sheet
        sheet(first, a.sheet)
