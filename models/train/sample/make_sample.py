#!/usr/bin/env python3
"""Makes the demo's sample game: a player at dusk, eight shots, sound, and the truth beside it.

    python3 models/train/sample/make_sample.py assets/demo [--seed 7] [--sheet FILE]   -> game.flv, game.json

Ball, ring, board and net come from the physics of ../render (`sim.py`): for each shot of the script a few dozen aims are
simulated and the first that ends as the script says is taken. Everything else is drawn here: court and sky once, then
player, ball and net on top, at twice the size and scaled down. Needs torch, numpy, Pillow and ffmpeg with libx264. The same seed
gives the same game.
"""
import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import wave

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import torch  # noqa: E402

torch.set_num_threads(1)                     # many small steps: threads only wait for each other

from render import sim  # noqa: E402
from render.rng import Rng  # noqa: E402

W, H, FPS, SS = 854, 480, 30, 2
FLOOR, FENCE = -3.05, 3.9
# the script: what shall come of each shot, and where from (metres, the ring is the origin, the court lies at y < 0)
SCRIPT = [('swish', (-.6, -4.2)), ('rim-in', (.5, -3.7)), ('rim-out', (-1.2, -4.3)), ('bank', (1.0, -2.7)),
          ('air', (-.4, -4.7)), ('swish', (.9, -3.9)), ('rim-out', (.2, -3.4)), ('rim-in', (-1.0, -3.3))]
FIRST, EVERY, LENGTH = 3.3, 5.25, 45.0
RATE = 44100


# ---------------------------------------------------------------- camera

class Camera:
    """A camera on a mast beside the court, near the floor."""

    def __init__(self):
        self.eye = np.array([7.8, -6.2, -2.2])
        at = np.array([0., -2.05, -.93])
        f = at - self.eye
        self.f = f / np.linalg.norm(f)
        r = np.cross(self.f, [0, 0, 1.])
        self.r = r / np.linalg.norm(r)
        self.u = np.cross(self.r, self.f)
        self.focal = 870.0

    def __call__(self, p):
        """Points [...,3] -> pixels [...,2] of the final picture, and depth."""
        d = np.asarray(p, float) - self.eye
        z = np.maximum(d @ self.f, .2)
        return np.stack([W / 2 + self.focal * (d @ self.r) / z, H / 2 - self.focal * (d @ self.u) / z], -1), z


CAM = Camera()


def px(p):
    """Points to pixels of the drawing (twice the size), as a list of tuples."""
    q, _ = CAM(p)
    return [tuple(v) for v in np.atleast_2d(q * SS)]


# ---------------------------------------------------------------- shots

def choose_shots(seed):
    """Simulates candidates of every shot of the script and keeps the first that ends as told."""
    n = 28
    N = n * len(SCRIPT)
    rng = Rng(torch.arange(N) + seed * 100003, 'cpu')
    P = sim.draw_params(rng, torch.zeros(N), torch.zeros(N))
    one = Rng([seed], 'cpu')
    Q = sim.draw_params(one, torch.zeros(1), torch.zeros(1))
    # one hoop for all: a nylon net of usual make
    for k in ('anch', 'rest', 'mn', 'oz', 'oh', 'air', 'bend', 'mun', 'cut', 'bw', 'bz0', 'bz1', 'ks'):
        P[k] = Q[k].expand(N, *Q[k].shape[1:]).clone()
    lv = torch.arange(1, sim.LV + 1) / sim.LV
    prof = sim.R_IN + (.118 - sim.R_IN) * lv ** .75 + .02 * (lv - .75).clamp(min=0)
    full = torch.cat([torch.zeros(1), lv])
    th = 2 * math.pi / sim.K * (torch.arange(sim.K)[None] + .5 * (torch.arange(sim.LV + 1) % 2)[:, None])
    rad = torch.cat([torch.tensor([sim.R_IN]), prof])[:, None]
    x = torch.stack([rad * torch.cos(th), rad * torch.sin(th), (-.43 * full[:, None]).expand_as(th) - .01], -1)
    P['anch'], P['rest'] = x[0].expand(N, -1, -1).clone(), x[1:].reshape(1, -1, 3).expand(N, -1, -1).clone()
    P['cut'][:] = False
    P['kick'] = torch.zeros(N, sim.LV * sim.K, 3)
    P['mn'][:], P['oz'][:], P['oh'][:], P['air'][:], P['bend'][:], P['mun'][:] = .13 / (sim.LV * sim.K), 10., 6.5, 3.5, .02, .25
    P['bw'][:], P['bz0'][:], P['bz1'][:] = .9, -.15, .9
    P['ch'][:], P['cz'][:], P['ks'][:] = 30., 6., 1.7e5
    P['hand'][:] = False
    P['cd'][:], P['cl'][:] = 0., 0.                  # the flight before the simulation is drawn as a parabola
    P['mode'][:] = 0
    P['loss'][:], P['hold'][:] = .25, False
    P['er'][:], P['eb'][:] = .55, .72
    aims = np.random.default_rng(seed)
    flight = []
    for s, (what, spot) in enumerate(SCRIPT):
        for k in range(n):
            i = s * n + k
            rel = np.array([spot[0] + .1, spot[1] + .25, -.62])
            t = np.clip(.25 + .19 * np.linalg.norm(spot) + aims.normal(0, .03), .8, 1.25)
            a = aims.normal(0, {'swish': .03, 'bank': .03}.get(what, .05), 2)
            to = np.array([0., 0.])
            way = -rel[:2] / np.linalg.norm(rel[:2])
            if what == 'rim-in':
                to = way * aims.choice([-.14, .13]) + np.array([-way[1], way[0]]) * aims.uniform(-.12, .12)
            if what == 'rim-out':
                to = way * aims.choice([-.26, .20]) + np.array([-way[1], way[0]]) * aims.uniform(-.17, .17)
            if what == 'air':
                to = -way * aims.uniform(.46, .6) + np.array([-way[1], way[0]]) * .05
            to = to + a
            if what == 'bank':                       # aim at the ring's image behind the board
                yb = sim.BOARD - sim.RB
                to = np.array([a[0] + aims.uniform(-.22, .12) * np.sign(rel[0]), yb + (yb + aims.uniform(-.15, .3)) / float(P['eb'][i])])
            v = np.array([(to[0] - rel[0]) / t, (to[1] - rel[1]) / t, (0 - rel[2]) / t + .5 * 9.81 * t])
            b = t + sim.T0                           # seconds of flight before the simulation takes over
            P['p'][i] = torch.tensor(rel + v * b - np.array([0, 0, .5 * 9.81 * b * b]), dtype=torch.float32)
            P['v'][i] = torch.tensor(v - np.array([0, 0, 9.81 * b]), dtype=torch.float32)
            hv = np.array([v[1], -v[0], 0]) / np.hypot(v[0], v[1])
            P['w'][i] = torch.tensor(-hv * (4 if what == 'bank' else 12), dtype=torch.float32)
            flight.append((rel, v, t))
    S = sim.simulate(P)
    J = sim.judge(P, S, torch.zeros(N), torch.zeros(N))
    shots = []
    ts = sim.T0 + (np.arange(S['p'].shape[1]) + 1) * sim.REC / sim.HZ
    for s, (what, spot) in enumerate(SCRIPT):
        pick = None
        for k in range(n):
            i = s * n + k
            out, p, con = int(J['outcome'][i]), S['p'][i].numpy(), S['con'][i].numpy()
            early = (ts < float(J['t_truth'][i]) + .1)
            ring, board = con[early, 0].any(), con[early, 1].any()
            seen = ((p[:, 1] < sim.BOARD) | (p[:, 2] < -.45)).all() and abs(p[-1, 0]) < 2.6 and -5.2 < p[-1, 1] < (9 if what == 'air' else 2.6)
            dt = float(J['t_truth'][i] - J['t_rim'][i])
            ok = {'swish': out == 1 and not ring and not board, 'rim-in': out == 1 and ring and .2 < dt < .75,
                  'rim-out': out == 2 and ring and .12 < dt < .7, 'bank': out == 1 and board, 'air': out == 2 and not ring and not board}[what]
            if ok and seen:
                pick = i
                break
        if pick is None:
            raise SystemExit('no aim of shot %d (%s) came out as told: try another --seed' % (s, what))
        rel, v, t = flight[pick]
        y = S['p'][pick, :, 1]
        S['p'][pick, :, 1] = torch.where(y > FENCE, FENCE - (y - FENCE) * .35, y)      # the fence throws it back
        shots.append(dict(what=what, spot=np.array([*spot, FLOOR]), rel=rel, v=v, t=t, ts=ts, p=S['p'][pick].numpy(), w=S['w'][pick].numpy(), x=S['x'][pick].float().numpy(),
                          con=S['con'][pick].numpy(), made=int(J['outcome'][pick]) == 1, t_rim=float(J['t_rim'][pick]), t_truth=float(J['t_truth'][pick])))
    return shots, dict(anch=P['anch'][0].numpy(), rest=P['rest'][0].numpy())


# ---------------------------------------------------------------- the game in time

def smooth(a, b, t):
    k = np.clip((t - a) / (b - a), 0, 1)
    return k * k * (3 - 2 * k)


def fall_on(p, v, t):
    """Where a bouncing ball is t seconds later: list of (time, place), floor bounces as times."""
    p, v = p.copy(), v.copy()
    path, hits, dt = [], [], 1 / 240
    for i in range(int(t / dt)):
        v[2] -= 9.81 * dt
        p = p + v * dt
        if p[2] < FLOOR + sim.RB and v[2] < 0:
            if v[2] < -.4:
                hits.append((i * dt, -v[2]))
            p[2] = FLOOR + sim.RB
            v *= np.array([.82, .82, -.74])
        path.append(p.copy())
    return np.array(path), hits


class Game:
    """Positions of everything at any time, and the sounds."""

    def __init__(self, shots, net):
        self.shots, self.net, self.sounds, self.truth = shots, net, [], []
        self.legs = []
        for k, s in enumerate(shots):
            s['zero'] = FIRST + k * EVERY                      # game time of the simulation's t = 0
            s['release'] = s['zero'] - s['t']
            s['catch'] = s['zero'] + 2.25
            last = s['p'][-1]
            vel = (s['p'][-1] - s['p'][-4]) * sim.HZ / sim.REC / 3
            s['after'], hits = fall_on(last, vel, 1.5)
            q = s['after'][int((s['catch'] - s['zero'] - sim.T1) * 240)]
            s['grab'] = np.array([np.clip(q[0], -2.4, 1.8), np.clip(q[1], -4.8, 3.2), FLOOR])
            for i in range(1, len(s['ts'])):                   # contacts make the sounds
                t = s['zero'] + s['ts'][i]
                dv = np.linalg.norm((s['p'][i] - s['p'][i - 1]) - (s['p'][i - 1] - s['p'][max(i - 2, 0)])) * sim.HZ / sim.REC
                if s['con'][i, 0] and not s['con'][max(i - 3, 0):i, 0].any():
                    self.sounds.append((t, 'rim', min(1, dv / 5)))
                if s['con'][i, 1] and not s['con'][max(i - 3, 0):i, 1].any():
                    self.sounds.append((t, 'board', min(1, dv / 5)))
                if s['p'][i, 2] < FLOOR + sim.RB + .02 and s['p'][i - 1, 2] > s['p'][i, 2] and t < s['catch']:
                    if not any(n == 'bounce' and abs(t - u) < .12 for u, n, _ in self.sounds):
                        self.sounds.append((t, 'bounce', min(1, dv / 9 + .25)))
            for h, v in hits:
                t = s['zero'] + sim.T1 + h
                if t < s['catch'] - .1:
                    self.sounds.append((t, 'bounce', min(1, v / 9)))
            if s['made']:
                self.sounds.append((s['zero'] + s['t_truth'] - .06, 'swish', 1.))
                self.sounds.append((s['zero'] + s['t_truth'] + .15, 'cheer', 1. if s['what'] != 'swish' else .8))
            else:
                self.sounds.append((s['zero'] + s['t_truth'] + .1, 'ooh', .8))
            self.truth.append(dict(t_rim=round(s['zero'] + s['t_rim'], 3), t_truth=round(s['zero'] + s['t_truth'], 3), outcome='made' if s['made'] else 'missed', kind=s['what']))
        self.dribbles()

    def dribbles(self):
        """Bounces of the dribble, in time: between catching and the next shot."""
        for k in range(-1, len(self.shots)):
            a = 0. if k < 0 else self.shots[k]['catch'] + .1
            b = (self.shots[k + 1]['release'] if k + 1 < len(self.shots) else LENGTH + 1) - .75
            n = max(1, int((b - a) / .52))
            for j in range(n):
                self.sounds.append((a + (j + .5) * (b - a) / n, 'bounce', .3))

    def leg(self, t):
        """Which shot comes next, and which was last."""
        nxt = next((k for k, s in enumerate(self.shots) if t < s['catch']), len(self.shots))
        return nxt

    def player(self, t):
        """Ground position, facing, and a pose: dict."""
        k = self.leg(t)
        S = self.shots
        prev = S[k - 1] if k else None
        if k < len(S) and t >= S[k]['release'] - .75:            # shooting, then after the ball
            s = S[k]
            go = smooth(s['release'] + .55, s['catch'] - .05, t)
            pos = s['spot'] + (s['grab'] - s['spot']) * go
            moving = 0 < go < 1
            return dict(pos=pos, to=(s['grab'] - s['spot']) if moving and go > .02 else -s['spot'], run=float(moving) * (1 - abs(2 * go - 1) ** 4), phase=go * np.linalg.norm(s['grab'] - s['spot']) * 2.6,
                        shot=t - s['release'], hold=t < s['release'], dribble=None, reach=smooth(s['catch'] - .45, s['catch'] - .05, t), ball=t < s['release'])
        a = 0. if prev is None else prev['catch'] + .1
        end = S[k]['release'] if k < len(S) else LENGTH + 1
        b = end - .75
        frm = prev['grab'] if prev is not None else S[0]['spot'] + np.array([-.9, -.5, 0])
        to = S[k]['spot'] if k < len(S) else frm + np.array([-.4, -1.2, 0])
        go = smooth(a, b - .15, t)
        n = max(1, int((b - a) / .52))
        ph = ((t - a) / (b - a) * n) % 1 if t >= a else 0.
        moving = 0 < go < 1
        return dict(pos=frm + (to - frm) * go, to=(to - frm) if moving and go < .93 else -to, run=float(moving) * (1 - abs(2 * go - 1) ** 4) * .85, phase=go * np.linalg.norm(to - frm) * 2.6,
                    shot=-9., hold=False, dribble=ph, reach=0., ball=True)

    def hand(self, pl):
        """Where the dribbling hand is."""
        d = pl['to'][:2] / (np.linalg.norm(pl['to'][:2]) + 1e-6)
        side = np.array([d[1], -d[0]])
        return pl['pos'] + np.array([*(d * .28 + side * .30), 0.])

    def ball(self, t):
        """Place of the ball, and its turning."""
        k = self.leg(t)
        pl = self.player(t)
        if k < len(self.shots):
            s = self.shots[k]
            u = t - s['release']
            if u >= 0:
                if t < s['zero'] + s['ts'][0]:
                    p = s['rel'] + s['v'] * u - np.array([0, 0, .5 * 9.81 * u * u])
                elif t < s['zero'] + s['ts'][-1]:
                    i = (t - s['zero'] - s['ts'][0]) * sim.HZ / sim.REC
                    j = int(i)
                    p = s['p'][j] + (s['p'][min(j + 1, len(s['p']) - 1)] - s['p'][j]) * (i - j)
                else:
                    p = s['after'][min(int((t - s['zero'] - sim.T1) * 240), len(s['after']) - 1)]
                w = smooth(s['catch'] - .30, s['catch'], t)
                return p + (self.hand(pl) + np.array([0, 0, .95]) - p) * w, t * 9
            if u > -.75:                                          # gathered, dipped, raised
                d = -s['spot'][:2] / np.linalg.norm(s['spot'][:2])
                low = s['spot'] + np.array([*(d * .32), .95])
                dip = s['spot'] + np.array([*(d * .36), 1.02])
                p = low + (dip - low) * smooth(-.75, -.4, u)
                return p + (s['rel'] - p) * smooth(-.36, 0, u) ** 1.2, t * 2
        ph = pl['dribble'] or 0.
        h = abs(math.cos(math.pi * ph)) ** .8                     # 1 at the hand, 0 at the floor
        return self.hand(pl) + np.array([0, 0, sim.RB + .80 * h]), t * 6

    def strings(self, t):
        """The net's nodes [LV*K,3]."""
        for s in reversed(self.shots):
            u = t - s['zero']
            if u >= s['ts'][0]:
                i = min((u - s['ts'][0]) * sim.HZ / sim.REC, len(s['x']) - 1)
                x = s['x'][int(i)]
                late = max(0., u - s['ts'][-1])
                return self.net['rest'] + (x - self.net['rest']) * math.exp(-late * 3)
        return self.net['rest']


# ---------------------------------------------------------------- drawing

def mix(a, b, k):
    return tuple(int(round(x + (y - x) * k)) for x, y in zip(a, b))


def limb(d, p, q, rp, rq, col, light=None):
    """A tapered capsule between two world points; radii in metres."""
    (a, b), z = CAM(np.array([p, q]))
    a, b = a * SS, b * SS
    ra, rb = CAM.focal / z[0] * rp * SS, CAM.focal / z[1] * rq * SS
    v = b - a
    ln = math.hypot(*v)
    for k, (c, sc, sh) in enumerate(((col, 1., 0.), (light, .52, -.38)) if light else ((col, 1., 0.),)):
        o = np.array([sh * ra, sh * ra * .5])
        A, B, r0, r1 = a + o, b + o, ra * sc, rb * sc
        if ln > 1e-3:
            n = np.array([-v[1], v[0]]) / ln
            d.polygon([tuple(A + n * r0), tuple(B + n * r1), tuple(B - n * r1), tuple(A - n * r0)], fill=c)
        d.ellipse([A[0] - r0, A[1] - r0, A[0] + r0, A[1] + r0], fill=c)
        d.ellipse([B[0] - r1, B[1] - r1, B[0] + r1, B[1] + r1], fill=c)


SKIN, SKIN_L = (141, 90, 62), (176, 118, 84)
SHIRT, SHIRT_L = (24, 132, 140), (52, 172, 174)
SHORTS, SHORTS_L = (24, 34, 62), (46, 60, 98)
SHOE, SHOE_L = (236, 232, 224), (255, 255, 250)
HAIR = (34, 24, 22)


def draw_player(d, g, t):
    pl = g.player(t)
    pos, run, ph = pl['pos'], pl['run'], pl['phase'] * math.pi
    f = pl['to'][:2] / (np.linalg.norm(pl['to'][:2]) + 1e-6)
    F, S_, U = np.array([*f, 0.]), np.array([f[1], -f[0], 0.]), np.array([0, 0, 1.])
    u = pl['shot']
    crouch = .0
    jump = 0.
    if -1 < u < .8:
        crouch = .20 * smooth(-.7, -.38, u) * (1 - smooth(-.30, -.08, u)) + .10 * smooth(.3, .45, u) * (1 - smooth(.45, .62, u))
        jump = .26 * max(0., 1 - ((u - .08) / .30) ** 2)
    crouch += .10 * run + (.07 if pl['dribble'] is not None else 0) + .22 * pl['reach']
    hip = pos + U * (.92 - crouch + jump + .03 * abs(math.sin(ph)) * run)
    lean = F * (.16 * run + .10 * crouch + .25 * pl['reach'])
    chest = hip + U * (.50 - .05 * crouch) + lean
    neck = chest + U * .10 + lean * .2
    head = neck + U * .17 + F * .03
    ball, _ = g.ball(t)
    parts = []
    for sgn in (-1, 1):
        a = math.sin(ph + (0 if sgn > 0 else math.pi)) * run
        lift = max(0., math.cos(ph + (0 if sgn > 0 else math.pi))) * run
        foot = pos + S_ * .13 * sgn + F * (.40 * a + .02) + U * (.07 + .22 * lift + jump)
        hj = hip + S_ * .10 * sgn
        mid = (hj + foot) / 2 + F * (.09 + .30 * crouch + .12 * lift)
        parts.append((hj, mid, .105, .075, SHORTS, SHORTS_L))
        parts.append((mid, foot + U * .03, .065, .045, SKIN, SKIN_L))
        parts.append((mid + (foot - mid) * .72, foot + U * .03, .05, .047, SHOE, SHOE_L))
        parts.append((foot, foot + F * .15 - U * .02, .055, .042, SHOE, SHOE_L))
        parts.append((hj, hj + (mid - hj) * .82, .115, .10, SHORTS, SHORTS_L))
    up = 0.
    if -1 < u < 1.2:
        up = smooth(-.36, -.05, u) * (1 - smooth(.45, .8, u))
    arms = []
    for sgn in (-1, 1):
        sh = chest + S_ * .20 * sgn + U * .02
        rest = sh + S_ * .08 * sgn - U * .46 + F * (.10 + .22 * math.sin(ph + (math.pi if sgn > 0 else 0)) * run)
        hand = rest
        if pl['ball'] and pl['dribble'] is not None and sgn > 0:
            hand = ball + U * sim.RB * 1.0
            hand = hand if hand[2] > hip[2] - .12 else np.array([hand[0], hand[1], hip[2] - .12])
        elif pl['hold']:
            hand = ball - F * .05 + S_ * .09 * sgn
        elif -1 < u < 1.2:
            top = sh + U * (.52 if sgn > 0 else .44) + F * (.22 if sgn > 0 else .16) - S_ * .08 * sgn
            hand = rest + (top - rest) * up
        if pl['reach'] > 0:
            hand = hand + (ball - F * .08 + S_ * .10 * sgn - hand) * pl['reach']
        v = hand - sh
        ln = np.linalg.norm(v)
        if ln > .58:
            hand, ln = sh + v / ln * .58, .58
        bend = math.sqrt(max(0., .30 ** 2 - (ln / 2) ** 2))
        el = (sh + hand) / 2 + (S_ * sgn * .5 - U * .6 - F * .3) * bend * (1 if up < .5 else -.2) + (F * .25 * bend if up >= .5 else 0)
        arms.append(((sh, el, .058, .048, SKIN, SKIN_L), (el, hand, .045, .036, SKIN, SKIN_L), (hand, hand + (hand - el) * .16, .042, .03, SKIN, SKIN_L), (sh, sh + (el - sh) * .35, .072, .068, SHIRT, SHIRT_L)))
    _, z = CAM(np.array([chest - S_ * .2, chest + S_ * .2]))
    far, near = (arms[0], arms[1]) if z[0] > z[1] else (arms[1], arms[0])
    for a in far:
        limb(d, *a)
    legs = [parts[:5], parts[5:]]
    if z[0] < z[1]:
        legs.reverse()
    for p in legs[0] + legs[1]:
        limb(d, *p)
    limb(d, hip + U * .02, chest + U * .0, .155, .185, SHIRT, SHIRT_L)
    limb(d, hip - U * .05, hip + U * .05, .15, .15, SHORTS, SHORTS_L)
    limb(d, chest - S_ * .11 + U * .03, chest + S_ * .11 + U * .03, .09, .09, SHIRT, SHIRT_L)
    limb(d, chest + U * .06, neck + U * .06, .06, .055, SKIN)
    limb(d, head - U * .03, head + U * .02, .10, .105, SKIN, SKIN_L)
    limb(d, head + U * .06 - F * .03, head + U * .05 + F * .02, .098, .085, HAIR)
    q = px(head + U * .055 - F * .02)[0]
    for a in near:
        limb(d, *a)
    return pos, jump


def soft_shadow(img, p, rx, ry, a):
    """A soft dark ellipse on the floor."""
    (c,), z = CAM(np.array([p]))
    k = CAM.focal / z[0]
    w, h = int(rx * k * SS * 3), int(max(3, ry * k * SS * 3))
    m = Image.new('L', (w, h), 0)
    ImageDraw.Draw(m).ellipse([w / 3.2, h / 3.2, w - w / 3.2, h - h / 3.2], fill=int(255 * a))
    m = m.filter(ImageFilter.GaussianBlur(w / 12))
    img.paste((12, 10, 26), (int(c[0] * SS - w / 2), int(c[1] * SS - h / 2)), m)


_BALL = {}


def ball_sprite(r, ang):
    """A shaded ball with seams, RGBA, radius r pixels."""
    key = (round(r, 1), int(ang * 8) % 50)
    if key in _BALL:
        return _BALL[key]
    n = int(math.ceil(r)) * 2 + 4
    y, x = np.mgrid[0:n, 0:n] + .5
    x, y = (x - n / 2) / r, (y - n / 2) / r
    rr = np.hypot(x, y)
    z = np.sqrt(np.clip(1 - rr ** 2, 0, 1))
    a = key[1] / 8
    bx = x * .8 - y * .6
    by0 = x * .6 + y * .8
    by, bz = by0 * math.cos(a) - z * math.sin(a), by0 * math.sin(a) + z * math.cos(a)
    seam = np.minimum(np.minimum(np.abs(by), np.abs(bz)), np.abs(np.abs(bx) - .42 - .30 * by ** 2))
    s = np.clip(1 - seam / .075, 0, 1) * .75
    light = .42 + .62 * np.clip(-.55 * x - .62 * y + .55 * z, 0, 1)
    spec = np.clip(-.45 * x - .60 * y + .66 * z, 0, 1) ** 18 * .25
    rim = np.clip((rr - .72) / .28, 0, 1) * np.clip(x * .7 - y * .1 + .3, 0, 1) * .35        # warm light of the low sun
    col = np.array([226., 112., 40.])[None, None] * (light * (1 - s))[..., None] + 255 * spec[..., None] + np.array([255, 150, 90.])[None, None] * rim[..., None]
    al = np.clip((1 - rr) * r + .5, 0, 1)
    im = Image.fromarray(np.concatenate([np.clip(col, 0, 255), al[..., None] * 255], -1).astype(np.uint8), 'RGBA')
    if len(_BALL) > 400:
        _BALL.clear()
    _BALL[key] = im
    return im


def draw_ball(img, g, t):
    """The ball smeared over the exposure."""
    ts = t + (np.arange(5) / 4 - .5) * (1 / 90)
    ps = [g.ball(u) for u in ts]
    q, z = CAM(np.array([p for p, _ in ps]))
    r = sim.RB * CAM.focal / z * SS
    far = np.hypot(*(q[-1] - q[0])) * SS
    if far < 2:
        s = ball_sprite(r[2], ps[2][1])
        img.paste(s, (int(round(q[2, 0] * SS - s.width / 2)), int(round(q[2, 1] * SS - s.height / 2))), s)
        return
    lo = np.floor(q.min(0) * SS - r.max() - 4).astype(int)
    hi = np.ceil(q.max(0) * SS + r.max() + 4).astype(int)
    acc = np.zeros((hi[1] - lo[1], hi[0] - lo[0], 4))
    for (p, a), c, rr in zip(ps, q, r):
        s = np.asarray(ball_sprite(rr, ps[2][1]), float)
        x, y = int(round(c[0] * SS - s.shape[1] / 2)) - lo[0], int(round(c[1] * SS - s.shape[0] / 2)) - lo[1]
        x, y = max(0, x), max(0, y)
        h, w = min(s.shape[0], acc.shape[0] - y), min(s.shape[1], acc.shape[1] - x)
        k = s[:h, :w, 3:] / 255 / len(ps)
        acc[y:y + h, x:x + w, :3] += s[:h, :w, :3] * k
        acc[y:y + h, x:x + w, 3:] += k
    rgb = acc[..., :3] / np.maximum(acc[..., 3:], 1e-6)
    im = Image.fromarray(np.concatenate([rgb, acc[..., 3:] * 255], -1).clip(0, 255).astype(np.uint8), 'RGBA')
    img.paste(im, (int(lo[0]), int(lo[1])), im)


RING, RING_L = (226, 74, 28), (255, 132, 70)


def ring_parts(after, depth):
    """Segments of the ring nearer (after) or farther than a depth."""
    a = np.linspace(0, 2 * math.pi, 49)
    p = np.stack([sim.R * np.cos(a), sim.R * np.sin(a), a * 0], -1)
    _, z = CAM(p)
    return [(p[i], p[i + 1]) for i in range(48) if ((z[i] + z[i + 1]) / 2 <= depth) == after]


def draw_hoop(d, g, t, after, depth):
    """Those strings and parts of the ring that are nearer than the ball (after) or farther."""
    x = np.concatenate([g.net['anch'], g.strings(t)])
    q, z = CAM(x)
    q = q * SS
    p2, _ = sim._links('cpu')
    zc = CAM(np.zeros((1, 3)))[1][0]

    def rings():
        for a, b in ring_parts(after, depth):
            limb(d, a, b, .014, .014, RING)
            limb(d, a + np.array([0, 0, .004]), b + np.array([0, 0, .004]), .005, .005, RING_L)
    if not after:
        rings()
    for i in range(sim.K, len(x)):
        for j in (i - sim.K, int(p2[i - sim.K])):
            zz = (z[i] + z[j]) / 2
            if (zz <= depth) == after:
                c = (250, 246, 240) if zz < zc else (188, 180, 186)
                d.line([tuple(q[i]), tuple(q[j])], fill=c, width=2)
    if after:
        rings()


def gradient(stops, h, w):
    ys = np.linspace(0, 1, h)
    pos, col = zip(*stops)
    return np.stack([np.interp(ys, pos, [c[k] for c in col]) for k in range(3)], -1)[:, None].repeat(w, 1)


def floor_poly(pts):
    """Points on the floor, joined by many, so that lines keep straight and clip well."""
    return px(np.array([[x, y, FLOOR] for x, y in pts]))


def clip_line(a, b):
    """A floor line cut to what lies before the camera."""
    n = 28
    p = np.array([[a[0] + (b[0] - a[0]) * i / n, a[1] + (b[1] - a[1]) * i / n, FLOOR] for i in range(n + 1)])
    return p[(p - CAM.eye) @ CAM.f > 1.2]


def scenery(seed):
    """Sky, town, trees, fence, court, pole and board, at twice the size."""
    w, h = W * SS, H * SS
    r = np.random.default_rng(seed)
    _, zfar = CAM(np.array([[0, 0, 0.]]))
    hor = CAM(CAM.eye + np.array([[CAM.f[0], CAM.f[1], 0]]) * 500)[0][0, 1] * SS
    sky = gradient([(0, (38, 46, 92)), (.35, (88, 84, 142)), (.62, (206, 134, 138)), (.80, (250, 182, 128)), (1, (255, 214, 150))], int(hor) + 2, w)
    img = np.zeros((h, w, 3))
    img[:sky.shape[0]] = sky
    yy, xx = np.mgrid[0:h, 0:w]
    glow = np.exp(-(((xx - w * .16) / (w * .30)) ** 2 + ((yy - hor) / (h * .34)) ** 2))
    img += glow[..., None] * np.array([60, 38, 6])[None, None]
    z = Image.fromarray((r.random((14, 26)) * 255).astype(np.uint8)).resize((w, h), Image.BICUBIC)
    z2 = Image.fromarray((r.random((34, 40)) * 255).astype(np.uint8)).resize((w, h), Image.BICUBIC)
    cl = np.clip((np.asarray(z, float) * .7 + np.asarray(z2, float) * .3 - 138) / 90, 0, 1) * np.clip(1 - yy / (hor * .95), 0, 1) ** .5
    img += cl[..., None] * np.array([70, 34, 30])[None, None] * .9
    img = Image.fromarray(img.clip(0, 255).astype(np.uint8))
    d = ImageDraw.Draw(img)
    # the town, two rows
    for base, col, hs, ws in ((hor, (128, 96, 138), (40, 150), (36, 90)), (hor, (84, 66, 112), (20, 95), (40, 120))):
        x = -20
        while x < w:
            bw, bh = r.integers(*ws), r.integers(*hs)
            d.rectangle([x, base - bh, x + bw, base + 4], fill=col)
            for _ in range(int(bw * bh / 420)):
                if r.random() < .5:
                    wx, wy = x + 6 + r.integers(0, max(1, bw - 14)) // 9 * 9, base - bh + 8 + r.integers(0, max(1, bh - 14)) // 12 * 12
                    d.rectangle([wx, wy, wx + 3, wy + 5], fill=(255, 206, 132))
            x += bw + r.integers(0, 14)
    img = img.filter(ImageFilter.GaussianBlur(2.4))
    d = ImageDraw.Draw(img)
    # trees
    for x in range(-30, w + 40, 34):
        s = r.integers(34, 74)
        for _ in range(9):
            cx, cy, q = x + r.normal(0, 18), hor - s * r.uniform(.1, .85), r.integers(10, 24)
            d.ellipse([cx - q, cy - q * .85, cx + q, cy + q * .85], fill=mix((34, 44, 58), (64, 66, 70), r.random()))
    img = img.filter(ImageFilter.GaussianBlur(1.6))
    d = ImageDraw.Draw(img)
    # ground: asphalt, then the painted court
    g = gradient([(0, (84, 70, 92)), (.3, (70, 62, 84)), (1, (50, 48, 70))], h - int(hor), w)
    img.paste(Image.fromarray(g.astype(np.uint8)), (0, int(hor)))
    d = ImageDraw.Draw(img, 'RGBA')

    def area(pts, col):
        e = []
        for a, b in zip(pts, pts[1:] + pts[:1]):
            e += [tuple(v) for v in clip_line(a, b)]
        d.polygon(px(np.array(e)), fill=col)
    base = 1.575                                        # the base line behind the ring's centre
    area([(-7.5, base), (7.5, base), (7.5, -12), (-7.5, -12)], (58, 112, 128))
    area([(-2.45, base), (2.45, base), (2.45, base - 5.8), (-2.45, base - 5.8)], (176, 88, 70))
    white = (236, 226, 220)

    def stroke(p, wid=.05, col=white):
        q, z = CAM(p)
        for i in range(len(p) - 1):
            d.line([tuple(q[i] * SS), tuple(q[i + 1] * SS)], fill=col, width=max(2, int(wid * CAM.focal / z[i] * SS * .45)))
    for a, b in (((-7.5, base), (7.5, base)), ((-7.5, base), (-7.5, -12)), ((7.5, base), (7.5, -12)), ((-2.45, base), (-2.45, base - 5.8)), ((2.45, base), (2.45, base - 5.8)), ((-2.45, base - 5.8), (2.45, base - 5.8))):
        stroke(clip_line(a, b))
    a = np.linspace(math.pi, 2 * math.pi, 80)
    arc = lambda cx, cy, rad, a: np.stack([cx + rad * np.cos(a), cy + rad * np.sin(a), a * 0 + FLOOR], -1)
    stroke(arc(0, base - 5.8, 1.8, a))
    stroke(arc(0, 0, 1.25, a))
    b = np.linspace(math.pi + .22, 2 * math.pi - .22, 140)
    three = arc(0, 0, 6.75, b)
    stroke(three[(three - CAM.eye) @ CAM.f > 1.2])
    # light from the left, and grain of the asphalt
    arr = np.asarray(img).astype(float)
    below = (yy > hor)
    sheen = np.exp(-((xx - w * .12) / (w * .35)) ** 2) * np.clip(1 - (yy - hor) / (h * .30), 0, 1) * below
    arr += sheen[..., None] * np.array([70, 42, 18])[None, None]
    arr += (r.normal(0, 2.2, (h, w)) * below)[..., None]
    arr *= (1 - .20 * (((xx / w - .5) * 1.5) ** 2 + ((yy / h - .55) * 1.2) ** 2))[..., None]
    img = Image.fromarray(arr.clip(0, 255).astype(np.uint8))
    # fence behind the base line
    d = ImageDraw.Draw(img, 'RGBA')
    yf = 4.2
    for x in np.arange(-16, 9, .16):
        for s in (-1, 1):
            q = px(np.array([[x, yf, FLOOR], [x + s * 2.6, yf, FLOOR + 2.6]]))
            d.line(q, fill=(28, 26, 48, 70), width=1)
    for x in np.arange(-16, 9, 2.2):
        d.line(px(np.array([[x, yf, FLOOR], [x, yf, FLOOR + 2.65]])), fill=(40, 38, 60, 255), width=5)
    for zf in (.05, 2.6):
        d.line(px(np.array([[-16, yf, FLOOR + zf], [9, yf, FLOOR + zf]])), fill=(40, 38, 60, 255), width=4)
    # long shadows of pole and board, away from the low sun on the left
    sh = Image.new('L', (w, h), 0)
    ds = ImageDraw.Draw(sh)
    ds.polygon(px(np.array([[.10, 1.85, FLOOR], [-.10, 1.85, FLOOR], [2.9, 3.9, FLOOR], [3.2, 3.8, FLOOR]])), fill=90)
    img.paste((16, 12, 30), (0, 0), sh.filter(ImageFilter.GaussianBlur(5)))
    # pole, arm, board
    d = ImageDraw.Draw(img, 'RGBA')
    for wd, col in ((.085, (40, 42, 58)), (.03, (92, 92, 116))):
        o = np.array([0, 0, 0]) if wd > .05 else -CAM.r * .035
        limb(d, np.array([0, 1.9, FLOOR]) + o, np.array([0, 1.9, -.35]) + o, wd, wd, col)
        limb(d, np.array([0, 1.9, -.35]) + o, np.array([0, .62, .22]) + o, wd * .9, wd * .8, col)
        limb(d, np.array([0, 1.9, -1.15]) + o, np.array([0, .55, -.02]) + o, wd * .5, wd * .5, col)
    limb(d, (0, 1.9, FLOOR), (0, 1.9, FLOOR + 1.7), .16, .16, (30, 74, 96), (46, 104, 124))
    B, T = sim.BOARD, .04

    def board(x0, x1, z0, z1, y, **k):
        d.polygon(px(np.array([[x0, y, z0], [x1, y, z0], [x1, y, z1], [x0, y, z1]])), **k)
    d.polygon(px(np.array([[.9, B, -.15], [.9, B + T, -.15], [.9, B + T, .9], [.9, B, .9]])), fill=(96, 100, 120, 255))
    d.polygon(px(np.array([[-.9, B, .9], [.9, B, .9], [.9, B + T, .9], [-.9, B + T, .9]])), fill=(150, 150, 166, 255))
    board(-.9, .9, -.15, .9, B, fill=(238, 236, 240, 255))
    board(-.9, .9, .45, .9, B, fill=(248, 244, 242, 255))

    def frame(x0, x1, z0, z1, t, col):
        for q in ((x0, x1, z0, z0 + t), (x0, x1, z1 - t, z1), (x0, x0 + t, z0, z1), (x1 - t, x1, z0, z1)):
            board(*q, B - .002, fill=col)
    frame(-.9, .9, -.15, .9, .05, (38, 62, 92, 255))
    frame(-.295, .295, .15, .60, .05, (208, 62, 40, 255))
    limb(d, (0, B, -.05), (0, sim.R + .01, -.01), .05, .04, (190, 58, 24))
    limb(d, (-.07, B, -.10), (-.06, sim.R * .97, -.01), .02, .018, (160, 48, 22))
    limb(d, (.07, B, -.10), (.06, sim.R * .97, -.01), .02, .018, (190, 58, 24))
    return img


def draw_frame(bg, g, t):
    img = bg.copy()
    pl = g.player(t)
    b, _ = g.ball(t)
    soft_shadow(img, np.array([pl['pos'][0] + .1, pl['pos'][1], FLOOR]), .42, .11, .55)
    k = 1 / (1 + .8 * (b[2] - FLOOR))
    soft_shadow(img, np.array([b[0] + .05, b[1], FLOOR]), .17, .05, .6 * k)
    d = ImageDraw.Draw(img)
    depth = CAM(np.array([b]))[1][0]
    pdepth = CAM(np.array([pl['pos'] + np.array([0, 0, 1.])]))[1][0]
    draw_hoop(d, g, t, False, depth)
    near_player = pl['ball'] or pl['reach'] > .5
    if depth > pdepth and not near_player or (near_player and depth > pdepth + .05):
        draw_ball(img, g, t)
        d = ImageDraw.Draw(img)
        draw_hoop(d, g, t, True, depth)
        draw_player(d, g, t)
    else:
        if not near_player:
            draw_player(d, g, t)
            draw_ball(img, g, t)
            d = ImageDraw.Draw(img)
            draw_hoop(d, g, t, True, depth)
        else:
            draw_hoop(d, g, t, True, depth)
            draw_player(d, g, t)
            draw_ball(img, g, t)
    return img.reduce(SS)


# ---------------------------------------------------------------- sound

def band(x, lo, hi):
    """Keeps the frequencies between lo and hi."""
    f = np.fft.rfft(x)
    q = np.fft.rfftfreq(len(x), 1 / RATE)
    m = 1 / (1 + (lo / np.maximum(q, 1)) ** 4) / (1 + (q / hi) ** 4)
    return np.fft.irfft(f * m, len(x))


def sound(g, seed):
    r = np.random.default_rng(seed + 1)
    n = int(LENGTH * RATE)
    out = np.zeros(n)
    murmur = band(r.normal(0, 1, n), 180, 900)
    slow = np.interp(np.arange(n), np.linspace(0, n, 60), r.uniform(.5, 1, 60))
    out += murmur / murmur.std() * .010 * slow

    def add(t, s, gain):
        i = int(t * RATE)
        if 0 <= i < n:
            s = s[:n - i]
            out[i:i + len(s)] += s * gain
    tt = lambda s: np.arange(int(s * RATE)) / RATE
    for t, what, k in g.sounds:
        if what == 'bounce':
            u = tt(.22)
            s = np.sin(2 * math.pi * (92 * u + 60 * (1 - np.exp(-u * 40)) / 40)) * np.exp(-u * 26) + band(r.normal(0, 1, len(u)), 300, 2200) * np.exp(-u * 90) * .6
            add(t, s, .55 * k)
        if what == 'rim':
            u = tt(.7)
            s = sum(a * np.sin(2 * math.pi * f * u + p) * np.exp(-u * q) for f, a, q, p in ((412, 1, 9, 0), (1130, .6, 12, 1), (1968, .45, 16, 2), (2890, .3, 22, .5), (187, .8, 14, .3)))
            add(t, s + band(r.normal(0, 1, len(u)), 800, 5000) * np.exp(-u * 120), .16 * (.3 + k))
        if what == 'board':
            u = tt(.35)
            s = np.sin(2 * math.pi * 148 * u) * np.exp(-u * 18) + .6 * np.sin(2 * math.pi * 331 * u) * np.exp(-u * 26) + band(r.normal(0, 1, len(u)), 200, 1500) * np.exp(-u * 60)
            add(t, s, .34 * (.3 + k))
        if what == 'swish':
            u = tt(.34)
            s = band(r.normal(0, 1, len(u)), 2200, 8500)
            add(t, s / s.std() * np.minimum(u / .04, 1) * np.exp(-np.maximum(u - .05, 0) * 13), .13)
        if what in ('cheer', 'ooh'):
            u = tt(1.7 if what == 'cheer' else 1.1)
            v = np.zeros(len(u))
            for _ in range(16):
                f0 = r.uniform(150, 420)
                gl = f0 * (1 + (.18 if what == 'cheer' else -.22) * u + .02 * np.sin(2 * math.pi * r.uniform(3, 6) * u + r.uniform(0, 6)))
                ph = np.cumsum(2 * math.pi * gl / RATE)
                v += sum(np.sin(h * ph + r.uniform(0, 6)) / h for h in range(1, 6)) * r.uniform(.3, 1) * (u > r.uniform(0, .18))
            v = band(v + r.normal(0, 2.2, len(u)), 350, 2400 if what == 'cheer' else 1100)
            e = np.minimum(u / .18, 1) * np.exp(-np.maximum(u - (.7 if what == 'cheer' else .3), 0) * 3.2)
            add(t, v / v.std() * e, (.060 if what == 'cheer' else .030) * k)
            if what == 'cheer':
                for _ in range(46):                                  # clapping
                    c = tt(.05)
                    add(t + .15 + r.gamma(2, .35), band(r.normal(0, 1, len(c)), 900, 3500) * np.exp(-c * 110), .05 * r.uniform(.3, 1))
    out = np.tanh(out * 2.6)
    fade = np.minimum(1, np.minimum(np.arange(n), n - np.arange(n)) / (RATE * .4))
    return (out * fade * 30000).clip(-32000, 32000).astype(np.int16)


# ---------------------------------------------------------------- all together

def rim_box():
    a = np.linspace(0, 2 * math.pi, 200)
    q, _ = CAM(np.stack([(sim.R + .014) * np.cos(a), (sim.R + .014) * np.sin(a), a * 0], -1))
    lo, hi = q.min(0), q.max(0)
    return [int(round(v)) for v in (lo[0], lo[1], hi[0] - lo[0], hi[1] - lo[1])]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('out')
    ap.add_argument('--seed', type=int, default=7)
    ap.add_argument('--sheet', help='only draw a contact sheet of single moments, no film')
    ap.add_argument('--times', help='moments of the sheet, seconds, comma between')
    a = ap.parse_args()
    if not a.sheet and not shutil.which('ffmpeg'):
        raise SystemExit('error: ffmpeg: no such program; install it, or draw only a --sheet')
    shots, net = choose_shots(a.seed)
    g = Game(shots, net)
    bg = scenery(a.seed)
    print('rim', rim_box())
    for x in g.truth:
        print(x)
    if a.sheet:
        times = [float(v) for v in a.times.split(',')] if a.times else [s['zero'] + k for s in shots[:4] for k in (-.9, -.4, .1)]
        ims = [np.asarray(draw_frame(bg, g, t)) for t in times]
        rows = [np.concatenate(ims[i:i + 2], 1) for i in range(0, len(ims) // 2 * 2, 2)]
        Image.fromarray(np.concatenate(rows)).save(a.sheet)
        return
    os.makedirs(a.out, exist_ok=True)
    wav = os.path.join(a.out, 'game.wav')
    with wave.open(wav, 'wb') as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(RATE)
        f.writeframes(sound(g, a.seed).tobytes())
    film = os.path.join(a.out, 'game.flv')
    p = subprocess.Popen(['ffmpeg', '-v', 'error', '-y', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', '%dx%d' % (W, H), '-r', str(FPS), '-i', '-', '-i', wav,
                          '-c:v', 'libx264', '-preset', 'slow', '-tune', 'zerolatency', '-bf', '0', '-g', str(2 * FPS), '-keyint_min', str(2 * FPS), '-sc_threshold', '0', '-b:v', '500k', '-maxrate', '750k',
                          '-bufsize', '1000k', '-pix_fmt', 'yuv420p', '-profile:v', 'high', '-c:a', 'aac', '-b:a', '64k', '-shortest', '-f', 'flv', film], stdin=subprocess.PIPE)
    r = np.random.default_rng(a.seed + 2)
    grain = r.normal(0, 1.0, (8, H, W, 1))
    for k in range(int(LENGTH * FPS)):
        im = np.asarray(draw_frame(bg, g, k / FPS)).astype(float)
        p.stdin.write((im + grain[k % 8]).clip(0, 255).astype(np.uint8).tobytes())
    p.stdin.close()
    if p.wait():
        raise SystemExit('ffmpeg failed')
    os.remove(wav)
    with open(os.path.join(a.out, 'game.json'), 'w') as f:
        json.dump(dict(file='game.flv', court='demo', fps=FPS, size=[W, H], duration=LENGTH, rim=rim_box(), attempts=g.truth), f, indent=1)
        f.write('\n')
    print('%s: %.2f MB' % (film, os.path.getsize(film) / 1e6))


if __name__ == '__main__':
    main()
