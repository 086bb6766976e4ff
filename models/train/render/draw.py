"""Pictures of simulated attempts. Everything that stands still (background, board, ring) is drawn once an attempt and
shifted with the camera; ball and net are splatted point by point with their own depth at several moments of the exposure,
so that strings lie over the ball or behind it as they should; people are articulated capsules.

Colours are full-range Y, Cb, Cr in 0..1 (Cb, Cr centred on 0) until the codec stand-in; then bytes as a decoder gives them.
"""
import math

import torch
import torch.nn.functional as F

from . import sim
from .sim import BOARD, K, LV, R, RB, ROD, R_IN

FAR = 60.0


def ycc(rgb):
    """RGB [..., 3] in 0..1 -> Y, Cb, Cr with Cb, Cr centred on 0 (BT.601)."""
    r, g, b = rgb.unbind(-1)
    y = .299 * r + .587 * g + .114 * b
    return torch.stack([y, (b - y) * .564, (r - y) * .713], -1)


def palette(rng, tag, colours, spread=.08):
    """One of the colours, varied."""
    c = torch.tensor(colours, dtype=torch.float32, device=rng.device)[rng.choice(tag + '/c', [1] * len(colours))]
    return (c + rng.g(tag + '/v', spread, 3)).clamp(0, 1)


def anycolour(rng, tag):
    base = rng.u(tag + '/g', .03, .97, 1)
    return (base + rng.g(tag + '/x', .16, 3) * (rng.p(tag + '/p', .6, 1))).clamp(0, 1)


# ---------------------------------------------------------------- camera

def held_camera(az, el):
    """Cameras (rad) that training never draws: in two wedges, or a little above the ring."""
    a, e = az.abs() * (180 / math.pi), el * (180 / math.pi)
    return (a >= 42) & (a <= 48) | (e >= 13) & (e <= 17)


def camera(rng, held=None):
    """Azimuth, elevation (rad), distance: most venues look from the side or front, from below or level. `held`: None, any;
    False, none of `held_camera`; True, only those."""
    az = rng.u('az', -100, 100) * math.pi / 180
    el = torch.where(rng.p('el/low', .6), rng.u('el', -35, 5), rng.u('el2', -50, 35)) * math.pi / 180
    near = rng.p('el/near', .25)                               # near the pole, looking up
    el = torch.where(near, rng.u('el3', -56, -24) * math.pi / 180, el)
    if held is not None:
        sign, u, r = torch.where(az < 0, -1., 1.), rng.u('held/az', 0, 1), math.pi / 180
        if held:                                               # three of four by azimuth
            by_az = rng.p('held/by', .75)
            az = torch.where(by_az & ~held_camera(az, el), sign * (42.1 + 5.8 * u) * r, az)
            el = torch.where(held_camera(az, el), el, rng.u('held/el', 13.1, 16.9) * r)
        else:
            a, e = az.abs(), el
            az = torch.where((a > 41.9 * r) & (a < 48.1 * r), sign * torch.where(u < .45, u / .45 * 41.9, 48.1 + (u - .45) / .55 * 51.9) * r, az)
            el = torch.where((e > 12.9 * r) & (e < 17.1 * r), torch.where(u < .7, 12.9 - u * 20, 17.1 + (u - .7) * 50) * r, el)
    return az, el, torch.where(near, rng.u('dist2', 2.8, 7.), rng.log('dist', 2.6, 22))


class View:
    """Projection of world points to canvas pixels, per attempt; drift [B,T,2] moves the picture by frame."""

    def __init__(self, rng, az, el, dist, n, margin, T, rings, above, dev):
        sa, ca, se, ce = torch.sin(az), torch.cos(az), torch.sin(el), torch.cos(el)
        self.r = torch.stack([ca, sa, ca * 0], 1)
        self.f = torch.stack([-sa * ce, ca * ce, -se], 1)
        self.u = torch.stack([-sa * se, ca * se, ce], 1)
        self.D, self.n = dist, n
        roll = rng.g('roll', 1.6).clamp(-4, 4) * math.pi / 180
        self.cr, self.sr = torch.cos(roll), torch.sin(roll)
        B = len(az)
        self.scale, self.o = torch.ones(B, device=dev), torch.zeros(B, 2, device=dev)
        a = torch.arange(64, device=dev) * (2 * math.pi / 64)
        ring = torch.stack([(R + ROD) * torch.cos(a), (R + ROD) * torch.sin(a), a * 0], -1)[None].expand(B, 64, 3)
        q, _ = self.project(ring)
        lo, hi = q.amin(1), q.amax(1)
        wm = hi[:, 0] - lo[:, 0]
        # the calibrated box is a little wrong; the crop follows it
        side = n * rng.u('crop', .80, .97)
        wbox = side / rings
        err = rng.u('box', -.12, .12, 4) * torch.where(rng.p('box/good', .5), .35, 1.)[:, None]
        self.scale = wbox / (1 + err[:, 0]) / wm
        self.w = self.scale * wm                                        # true ring width, pixels
        self.crop = torch.stack([(n - side) * rng.u('crop/x', 0, 1), (n - side) * rng.u('crop/y', 0, 1), side], 1)
        cx = self.crop[:, 0] + side / 2 - err[:, 1] * wbox
        top = self.crop[:, 1] + above * wbox - err[:, 2] * wbox * .8
        mid = (lo[:, 0] + hi[:, 0]) / 2 * self.scale
        self.o = torch.stack([cx - mid, top - lo[:, 1] * self.scale], 1)
        h = (hi[:, 1] - lo[:, 1]) * self.scale
        self.box = torch.stack([cx - self.w / 2, top, self.w, h], 1)      # the true one
        self.margin = margin
        self.drift = torch.zeros(B, T, 2, device=dev)

    def project(self, p):
        """[B,M,3] -> pixels [B,M,2], depth [B,M] (before drift)."""
        e = lambda a: a[:, None, :]
        X, Y, Z = (p * e(self.r)).sum(-1), -(p * e(self.u)).sum(-1), (p * e(self.f)).sum(-1)
        zc = (self.D[:, None] + Z).clamp(min=.4)
        k = self.D[:, None] / zc
        X, Y = X * k, Y * k
        x = X * self.cr[:, None] - Y * self.sr[:, None]
        y = X * self.sr[:, None] + Y * self.cr[:, None]
        return torch.stack([x, y], -1) * self.scale[:, None, None] + self.o[:, None], zc

    def ppm(self, zc):
        """Pixels a metre at depth zc [B,M]."""
        return self.scale[:, None] * self.D[:, None] / zc

    def rays(self, xy):
        """Pixels [B,M,2] -> ray directions with unit depth [B,M,3]; the eye is at -D f."""
        q = (xy - self.o[:, None]) / self.scale[:, None, None] / self.D[:, None, None]
        x = q[..., 0] * self.cr[:, None] + q[..., 1] * self.sr[:, None]
        y = -q[..., 0] * self.sr[:, None] + q[..., 1] * self.cr[:, None]
        return self.f[:, None] + x[..., None] * self.r[:, None] - y[..., None] * self.u[:, None]


def drift(rng, w, T, fps):
    """Hand-held sway, wind on a mast, knocks: pixels [N,T,2]."""
    t = torch.arange(T, device=rng.device)[None, :, None] / fps[:, None, None]
    hand = torch.where(rng.p('shake', .30), rng.log('shake/a', .01, .16), torch.where(rng.p('shake/w', .3), rng.log('shake/b', .002, .012), rng.u('z0', 0, 0)))
    out = 0
    for k, (f0, f1, a) in enumerate([(.15, .5, 1.), (.5, 1.4, .5), (1.5, 4., .16), (5., 9., .05)]):
        f, ph = rng.u('shake/f%d' % k, f0, f1, 1, 2), rng.u('shake/p%d' % k, 0, 6.283, 1, 2)
        out = out + a * torch.sin(2 * math.pi * f * t + ph)
    knock = rng.p('knock', .05)[:, None, None] * torch.exp(-((t - rng.u('knock/t', .2, 1.8)[:, None, None]) * 3).clamp(min=0)) \
        * (t > rng.u('knock/t', .2, 1.8)[:, None, None]) * torch.sin(t * rng.u('knock/f', 25, 60)[:, None, None]) * .06
    mid = (out * hand[:, None, None] + knock) * w[:, None, None]
    return mid - mid[:, T // 3:T // 3 + 1] * rng.u('shake/c', .3, 1.)[:, None, None]


# ---------------------------------------------------------------- what stands still

def noise(rng, tag, cells, n):
    """Smooth noise of about `cells` bumps across, [N,1,n,n], sd about 1."""
    z = rng.g(tag, 1., 1, cells + 2, cells + 2)
    return F.interpolate(z, size=(n + 2 * (n // cells), ) * 2, mode='bicubic', align_corners=False)[..., n // cells:n // cells + n, n // cells:n // cells + n] \
        if cells < n else rng.g(tag, 1., 1, n, n)


def mixc(img, a, c):
    """img [B,3,...] with colour c [B,3] laid over by a [B,1,...]."""
    return img + a * (c.view(c.shape + (1,) * (img.dim() - 2)) - img)


def background(rng, n):
    """[N,3,n,n] in Y, Cb, Cr: sky, trees, walls with bricks, pads, windows, stands with people, plain, night."""
    N, d = rng.n, rng.device
    yy, xx = torch.meshgrid(torch.linspace(0, 1, n, device=d), torch.linspace(0, 1, n, device=d), indexing='ij')
    yy, xx = yy[None, None], xx[None, None]
    e = lambda a: a[:, None, None, None]
    kind = rng.choice('bg', [.17, .15, .22, .14, .14, .10, .08])         # sky, trees, wall, stands, plain, clutter, night
    is_ = lambda k: e((kind == k).float())
    oct_ = [noise(rng, 'bg/n%d' % k, k, n) for k in (2, 4, 9, 20, 44)]
    soft = oct_[0] * .5 + oct_[1] * .35 + oct_[2] * .2
    fine = oct_[3] * .6 + oct_[4] * .5
    col = lambda c: ycc(c)
    # sky
    sky0 = col(palette(rng, 'sky0', [[.30, .45, .70], [.45, .6, .85], [.75, .8, .85], [.85, .85, .85], [.2, .3, .5], [.9, .6, .45]]))
    sky1 = col(palette(rng, 'sky1', [[.55, .68, .88], [.8, .85, .9], [.9, .9, .9], [.6, .65, .7]]))
    img = sky0[:, :, None, None] + (sky1 - sky0)[:, :, None, None] * (yy * e(rng.u('sky/g', .2, 1.2)) + .08 * soft)
    cloud = (soft * .8 - e(rng.u('sky/c', -.2, 1.6))).clamp(0, 1)
    img = mixc(img, cloud * .8, col(palette(rng, 'sky/cl', [[.95, .95, .96], [.7, .72, .75]])))
    # trees below a ragged edge, or everywhere
    leaf0 = col(palette(rng, 'leaf0', [[.08, .12, .05], [.15, .2, .08], [.2, .16, .1], [.05, .06, .05]], .04))
    leaf1 = col(palette(rng, 'leaf1', [[.3, .42, .15], [.55, .55, .2], [.4, .5, .3], [.6, .62, .5], [.5, .35, .2]], .08))
    tex = (oct_[2] * .35 + fine * .7 + .2 * oct_[1]) * e(rng.u('leaf/c', .15, .7)) + .35
    trees = leaf0[:, :, None, None] + (leaf1 - leaf0)[:, :, None, None] * tex.clamp(0, 1.3)
    edge = e(rng.u('leaf/e', -.3, 1.0)) + .08 * oct_[2] + .12 * oct_[0]
    holes = ((oct_[1] * .6 + fine * .5) > e(rng.u('leaf/h', 1.1, 3.0))).float()
    tm = ((yy - edge) * 12).clamp(0, 1) * (1 - holes)
    img = torch.where(is_(1) > 0, img + tm * (trees - img), img)
    img = torch.where((is_(0) > 0) & (e(rng.p('sky/t', .35)) > 0), img + ((yy - edge.clamp(min=.55)) * 12).clamp(0, 1) * (trees - img), img)
    # wall: colour, courses of bricks, pads, a line, rectangles for windows, doors, posters
    w0 = col(palette(rng, 'wall', [[.9, .88, .84], [.75, .7, .62], [.6, .55, .45], [.8, .8, .82], [.35, .38, .42], [.25, .2, .18], [.5, .6, .7], [.15, .2, .3], [.85, .78, .6]]))
    wall = w0[:, :, None, None] * (1 + .05 * soft) + torch.zeros_like(img)
    light = soft * .06 + (xx - .5) * e(rng.g('wall/l', .12)) + (yy - .5) * e(rng.g('wall/l2', .12))
    wall = torch.cat([wall[:, :1] * (1 + light), wall[:, 1:]], 1)
    per = e(rng.log('brick/p', 5, 30))
    row = torch.floor(yy * per)
    mort = (((yy * per) % 1) < .14) | (((xx * per * .45 + .5 * (row % 2)) % 1) < .06)
    bri = e(rng.p('brick', .4).float() * rng.u('brick/a', -.15, .12))
    wall = torch.cat([wall[:, :1] + bri * (mort.float() + .25 * torch.sin(row * 91.7 + torch.floor(xx * per * .45 + .5 * (row % 2)) * 37.3)), wall[:, 1:]], 1)
    strip = e(rng.u('pad/y', .35, 1.4))
    pad = col(palette(rng, 'pad', [[.1, .2, .5], [.5, .1, .1], [.1, .35, .2], [.1, .1, .1], [.7, .6, .1], [.2, .3, .35], [.75, .7, .6]]))
    pm = (yy > strip).float() * e((rng.p('pad', .5)).float())
    joint = 1 - .25 * ((((xx + e(rng.u('pad/o', 0, 1))) * e(rng.u('pad/n', 2, 9))) % 1) < .05).float()
    wall = wall + pm * (pad[:, :, None, None] * torch.cat([joint, torch.ones_like(joint), torch.ones_like(joint)], 1) - wall)
    line = ((yy - strip).abs() < e(rng.u('pad/w', .004, .04))).float() * e(rng.p('pad/line', .4).float())
    wall = mixc(wall, line, col(anycolour(rng, 'pad/lc')))
    img = torch.where(is_(2) > 0, wall, img)
    # stands: rows of seats and of blobs in all colours
    rows = e(rng.log('st/r', 5, 16))
    rr = torch.floor(yy * rows + .08 * soft)
    cc = torch.floor(xx * rows * 1.2 + (rr % 2) * .5)
    h = torch.sin(rr * 12.9898 + cc * 78.233 + e(rng.u('st/h', 0, 90))) * 43758.547
    h = h - torch.floor(h)
    h2 = torch.sin(h * 913.7) * .5 + .5
    h3 = torch.sin(h * 2713.7) * .5 + .5
    st = torch.cat([h * .7 + .08, (h2 - .5) * .25, (h3 - .5) * .25], 1)
    seat = ((yy * rows + .08 * soft) % 1)
    st = torch.cat([st[:, :1] * (.45 + .55 * (seat > .3).float()) + .04 * fine, st[:, 1:] * .8], 1)
    dim = e(rng.u('st/d', .25, 1.))
    img = torch.where(is_(3) > 0, torch.cat([st[:, :1] * dim, st[:, 1:] * dim], 1), img)
    # plain and night
    pl = col(anycolour(rng, 'plain'))[:, :, None, None] + torch.cat([soft * e(rng.u('plain/s', 0, .05)) + fine * .008 + light, soft * 0, soft * 0], 1)
    img = torch.where(is_(4) > 0, pl, img)
    nz = torch.cat([(soft * e(rng.u('cl/a', .02, .22)) + fine * e(rng.u('cl/b', .0, .18)) + e(rng.u('cl/m', .2, .7))), oct_[1] * .04, oct_[0] * .04], 1)
    img = torch.where(is_(5) > 0, nz, img)
    ng = torch.cat([(.03 + .05 * soft.clamp(min=0) + .02 * fine.clamp(min=0)), soft * .01, soft * .01], 1)
    img = torch.where(is_(6) > 0, ng, img)
    # things: rectangles and beams, upright or leaning
    many = rng.choice('rect/n', [.3, .25, .25, .2]) * 4
    cnt = 12
    a = {k: rng.u('rect/' + k, lo, hi, cnt) for k, lo, hi in (('x', -.1, 1.1), ('y', -.1, 1.1), ('w', .01, .28), ('h', .01, .3), ('t', -.15, .15), ('a', .4, 1.), ('c', 0, 1), ('thin', 0, 1))}
    colr = ycc((rng.u('rect/col', .02, .98, cnt, 1) + rng.g('rect/colv', .12, cnt, 3)).clamp(0, 1))
    for k in range(cnt):
        on = (many > k) & (kind != 0)
        ww = torch.where(a['thin'][:, k] < .25, a['w'][:, k] * .08, a['w'][:, k])
        hh = torch.where(a['thin'][:, k] > .75, a['h'][:, k] * .08, a['h'][:, k] * torch.where(a['thin'][:, k] < .25, 4., 1.))
        dx, dy = xx - e(a['x'][:, k]) + (yy - .5) * e(a['t'][:, k]), yy - e(a['y'][:, k]) + (xx - .5) * e(a['t'][:, k])
        m = ((e(ww) - dx.abs()) * n).clamp(0, 1) * ((e(hh) - dy.abs()) * n).clamp(0, 1) * e(a['a'][:, k] * on)
        img = mixc(img, m, colr[:, k])
    return torch.cat([img[:, :1].clamp(0, 1), img[:, 1:].clamp(-.4, .4)], 1)


def capsule(xy, p, q, rp, rq, soft=1.0):
    """Coverage [B,1,h,w] of a capsule from p to q [B,2] with radii rp, rq [B] (pixels); xy is (x, y) grids."""
    x, y = xy
    e = lambda a: a[:, None, None, None]
    dx, dy = e(q[:, 0] - p[:, 0]), e(q[:, 1] - p[:, 1])
    ux, uy = x - e(p[:, 0]), y - e(p[:, 1])
    s = ((ux * dx + uy * dy) / (dx * dx + dy * dy + 1e-6)).clamp(0, 1)
    dd = ((ux - s * dx) ** 2 + (uy - s * dy) ** 2).sqrt()
    r = e(rp) + (e(rq) - e(rp)) * s
    return ((r - dd) / soft + .5).clamp(0, 1) * (2 * r).clamp(max=1), s


SEGMENTS = 40                # of the ring that stands still


def still(rng, view, P, held=None, bare=None):
    """Background, board, poles, bracket, ring (none where `bare` [B]): the channels of the still picture [B,C,n+2m,n+2m].

    0-2 colour, 3 cover (board or ring hides what is behind), 4 ring coverage, 5 ring coverage x depth (from D), 6 board cover."""
    d, B, m = rng.device, rng.n, view.margin
    n = view.n + 2 * m
    img = background(rng, n)
    yy, xx = torch.meshgrid(torch.arange(n, device=d) + .5 - m, torch.arange(n, device=d) + .5 - m, indexing='ij')
    grid = (xx[None, None], yy[None, None])
    e = lambda a: a[:, None, None, None]
    eye_y = -(view.D * view.f[:, 1])
    behind = eye_y > BOARD                                    # the camera stands behind the board
    cover = torch.zeros(B, 1, n, n, device=d)

    def seg(a, b, r, col, img, cover, alpha=1.0, shade=.25):
        q, zc = view.project(torch.stack([a, b], 1))
        rp = view.ppm(zc) * r[:, None]
        c, s = capsule(grid, q[:, 0], q[:, 1], rp[:, 0], rp[:, 1])
        c = c * (alpha if isinstance(alpha, float) else e(alpha))
        img = mixc(img, c, col)
        return img, torch.maximum(cover, c)

    full = lambda v: torch.full((B,), float(v), device=d)
    P3 = lambda x, y, z: torch.stack([x if torch.is_tensor(x) else full(x), y if torch.is_tensor(y) else full(y), z if torch.is_tensor(z) else full(z)], 1)
    # pole and arms behind the board
    pc = ycc(palette(rng, 'pole', [[.1, .1, .1], [.3, .3, .32], [.85, .85, .85], [.1, .15, .4], [.5, .1, .1], [.6, .6, .6]]))
    style = rng.choice('pole', [.3, .25, .3, .15])             # arm to the wall, post, truss, none
    on = (style < 3).float()
    rr = rng.u('pole/r', .02, .07)
    y2 = BOARD + rng.u('pole/y', .5, 2.2)
    z1 = rng.u('pole/z', -.1, .6)
    tr = (style == 2).float()
    img, cover = seg(P3(0, BOARD + .04, z1), P3(0, y2, z1 + rng.g('pole/dz', .25)), rr, pc, img, cover, on)
    img, cover = seg(P3(0, y2, z1), P3(0, y2 + .2, -4.), rr * 1.5, pc, img, cover, on * (style == 1))
    for sx in (-1, 1):
        img, cover = seg(P3(.45 * sx, BOARD + .04, .7), P3(.55 * sx, BOARD + 2.2, rng.u('tr/z', .2, 1.8)), rr * .6, pc, img, cover, tr)
        img, cover = seg(P3(.45 * sx, BOARD + .04, -.05), P3(.55 * sx, BOARD + 2.2, rng.u('tr/z2', -.2, .8)), rr * .6, pc, img, cover, tr)
        img, cover = seg(P3(.45 * sx, BOARD + .05, -.05), P3(-.45 * sx, BOARD + .05, .7), rr * .4, pc, img, cover, tr * .8)
    # board: three slices of its thickness
    kind = rng.choice('board', [.34, .30, .12, .09, .08, .07])  # glass, white, painted, wood, steel, fan
    fan = (kind == 5) | (rng.p('board/fan', .06))
    if held is not None:                                       # training never draws a fan
        fan, kind = torch.full_like(fan, held), torch.where(kind == 5, 1, kind)
    glass = kind == 0
    face = ycc(torch.where((kind == 1)[:, None] | fan[:, None], palette(rng, 'bd/w', [[.95, .95, .95], [.85, .85, .83], [.9, .9, .96]], .04),
               torch.where((kind == 3)[:, None], palette(rng, 'bd/o', [[.55, .38, .22], [.4, .28, .18]]), torch.where((kind == 4)[:, None], palette(rng, 'bd/s', [[.5, .52, .55], [.3, .32, .34]]),
               torch.where(glass[:, None], palette(rng, 'bd/g', [[.8, .85, .88], [.5, .55, .6], [.95, .95, .95]]), anycolour(rng, 'bd/p'))))))
    fa = torch.where(glass, rng.u('bd/ga', .03, .4), torch.where(kind == 4, rng.u('bd/sa', .5, .9), full(1)))
    lc = ycc(torch.where(glass[:, None], palette(rng, 'bd/l', [[.95, .95, .95], [.9, .9, .9], [.9, .3, .1]]), palette(rng, 'bd/l2', [[.85, .1, .1], [.05, .05, .05], [.1, .15, .5], [.95, .45, .1], [.95, .95, .95]])))
    fc = ycc(palette(rng, 'bd/f', [[.1, .1, .1], [.7, .72, .75], [.9, .9, .9], [.1, .15, .4], [.8, .1, .1], [.05, .3, .2]]))
    padc = ycc(palette(rng, 'bd/pad', [[.05, .05, .05], [.1, .15, .5], [.6, .05, .05], [.1, .4, .2], [.4, .4, .42]]))
    lw, fw = rng.u('bd/lw', .02, .04), rng.u('bd/fw', .0, .06)
    hasline = (~rng.p('bd/nl', .12)).float() * (~(kind == 4)).float()
    pad = rng.p('bd/padon', .4).float()
    dirs = view.rays(torch.stack([xx.reshape(-1), yy.reshape(-1)], -1)[None].expand(B, -1, 2))
    eye = -view.D[:, None] * view.f
    bcov = torch.zeros(B, 1, n, n, device=d)
    W, z0, z1 = e(P['bw']), e(P['bz0']), e(P['bz1'])
    for k, yb in enumerate((BOARD + .045, BOARD + .022, BOARD)):
        dy = dirs[..., 1]
        zc = ((yb - eye[:, 1:2]) / torch.where(dy.abs() < 1e-4, torch.full_like(dy, 1e-4), dy))
        hit = (zc > .3).view(B, 1, n, n).float()
        bx = (eye[:, 0:1] + zc * dirs[..., 0]).view(B, 1, n, n)
        bz = (eye[:, 2:3] + zc * dirs[..., 2]).view(B, 1, n, n)
        px = (view.scale[:, None] * view.D[:, None] / zc.clamp(min=.3)).view(B, 1, n, n).clamp(1, 400)
        sf = lambda v: (v * px + .5).clamp(0, 1)
        cap = torch.where(e(fan) > 0, z0 + (z1 - z0) * (1 - (bx / W).abs().clamp(max=1) ** 2.6 * .55), z1)
        low = torch.where(e(fan) > 0, z0 + (z1 - z0) * ((bx / W).abs().clamp(max=1) ** 3 * .3), z0)
        dd = torch.minimum(torch.minimum(W - bx.abs(), bz - low), cap - bz)
        ins = sf(dd) * hit
        sq = torch.maximum((bx.abs() - .295).abs() - 0, torch.zeros_like(bx))
        zi = bz - .15
        inner = torch.minimum(.295 - bx.abs(), torch.minimum(zi, .45 - zi))
        lin = sf(e(lw) / 2 * 1.3 - inner.abs()) * e(hasline)
        bord = sf(e(lw) / 2 - (dd - e(lw) * 1.2).abs()) * e(hasline * (~rng.p('bd/nb', .3)).float())
        frame = sf(e(fw) - dd)
        col = face[:, :, None, None].expand(B, 3, n, n)
        shine = (1 + e(rng.g('bd/sh', .10)) * (bx / W + (bz - .4)))
        col = torch.cat([col[:, :1] * shine, col[:, 1:]], 1)
        if k < 2:
            a = ins * torch.maximum(e(fa) * .5, frame)
            c2 = col + frame * (fc[:, :, None, None] * .8 - col)
        else:
            lin = torch.maximum(lin, bord)
            a = ins * torch.maximum(torch.maximum(e(fa), frame), lin * .95)
            c2 = col + lin * (lc[:, :, None, None] - col)
            c2 = c2 + frame * (fc[:, :, None, None] - c2)
        pm = sf(.03 - (bz - z0 + .01).abs()) * sf(W + .02 - bx.abs()) * e(pad) * hit
        a = torch.maximum(a, pm)
        c2 = c2 + pm * (padc[:, :, None, None] - c2)
        img = img + a * (c2 - img)
        bcov = torch.maximum(bcov, a)
        if k == 2:                                              # the net's and ring's soft shadow on the board, low and to a side
            sx, sz = rng.g('sh/x', .15), -rng.u('sh/z', .1, .5)
            sd = ((bx - e(sx)) ** 2 / .05 + (bz - e(sz) - .0) ** 2 / .04)
            img = torch.cat([img[:, :1] * (1 - ins * e(rng.u('sh/a', 0, .3) * rng.p('sh', .5)) * torch.exp(-sd)), img[:, 1:]], 1)
    cover = torch.maximum(cover, bcov)
    # bracket
    rc = ycc(palette(rng, 'ring', [[.85, .25, .08], [.8, .1, .08], [.95, .4, .1], [.6, .12, .1], [.1, .1, .1], [.9, .9, .9], [.55, .3, .15]], .06))
    bcol = torch.where(rng.p('brk/same', .7)[:, None], rc, ycc(anycolour(rng, 'brk')))
    wbr = rng.u('brk/w', .02, .035)
    for x0, x1, za, zb in ((-.06, -.05, -.02, -.02), (.06, .05, -.02, -.02), (0., 0., -.025, -.03), (-.1, -.06, -.16, -.01), (.1, .06, -.16, -.01), (0., 0., -.14, -.03)):
        img, cover = seg(P3(x0, BOARD - .005, za), P3(x1, R * .97, zb), wbr, bcol, img, cover)
    sq = rng.u('brk/p', .05, .12)
    img, cover = seg(P3(-sq, BOARD - .01, -.03), P3(sq, BOARD - .01, -.03), rng.u('brk/h', .03, .09), bcol, img, cover)
    # ring
    look = dict(board=kind, ring=rc, rod=ROD * rng.u('ring/r', .9, 1.35))
    img, ra, rz = hoop(view, grid, img, look, SEGMENTS, on=None if bare is None else (~bare).float())
    cover = torch.maximum(cover, ra)
    return torch.cat([img, cover, ra, rz * (ra > 0), bcov], 1), look


def hoop(view, grid, img, look, segments, tilt=None, drift=None, on=None):
    """The ring laid over img [B,3,h,w], far parts first; its coverage and that times its depth (from D) [B,1,h,w]. `tilt` [B]: rad that it
    is pulled down by; `drift` [B,2]: pixels; `on` [B]: 0, none."""
    e = lambda a: a[:, None, None, None]
    turn = torch.atan2(view.f[:, 1], view.f[:, 0])              # far first: start behind
    ra = rz = torch.zeros_like(img[:, :1])
    at = lambda t: torch.stack([R * torch.cos(t), R * torch.sin(t), t * 0], 1)
    for k in sorted(range(segments), key=lambda k: -math.cos(2 * math.pi * (k + .5) / segments)):
        ends = torch.stack([at(turn + 2 * math.pi * k / segments), at(turn + 2 * math.pi * (k + 1) / segments)], 1)
        if tilt is not None:
            ends = ends + given_way(ends, tilt[:, None].expand(-1, 2))
        q, zc = view.project(ends)
        q = q if drift is None else q + drift[:, None]
        rp = view.ppm(zc) * look['rod'][:, None]
        c, _ = capsule(grid, q[:, 0], q[:, 1], rp[:, 0], rp[:, 1])
        c = c if on is None else c * e(on)
        sh = .85 + .3 * math.cos(2 * math.pi * (k / segments + 7 / 40))
        img = mixc(img, c, look['ring'] * torch.tensor([sh, 1., 1.], device=img.device))
        rz = torch.where(c > .2, e(zc.mean(1) - view.D).expand_as(rz), rz)
        ra = torch.maximum(ra, c)
    return img, ra, rz


HINGE = R + .05              # y of the line that a ring gives way about, between ring and board


def given_way(p, tilt):
    """How far points p [B,M,3] of a ring lie from where they were when it is pulled down by tilt [B,M] rad about its hinge."""
    arm = HINGE - p[..., 1]
    y, z = arm * (1 - torch.cos(tilt)), -arm * torch.sin(tilt)
    return torch.stack([torch.zeros_like(y), y, z], -1)


def holds(rng):
    """How long who dunks holds on to the ring, s [B]."""
    return torch.where(rng.p('sc/hang', .6), rng.u('sc/h', .25, 1.5), rng.u('sc/h2', .02, .15))


def pulled(rng, t):
    """How far the ring gives way under who hangs on it, rad at times t [B,M], and how it springs back when he lets go."""
    e = lambda a: a[:, None]
    since, hang = t - sim.T0, holds(rng)
    soft = rng.p('pull/soft', .65)                              # a ring on springs; the others bend a little
    most = torch.where(soft, rng.u('pull/a', .12, .50), rng.u('pull/a2', .02, .08)) * (1 - torch.exp(-hang / .10))
    on = (since / .12).clamp(0, 1)
    sway = 1 + .2 * torch.sin(torch.minimum(since, e(hang)) * e(rng.u('sc/f', 3., 6.)) + e(rng.u('sc/p', 0, 6.28)))
    after = (since - e(hang)).clamp(min=0)
    back = torch.exp(-after * e(rng.u('pull/d', 4., 9.))) * torch.cos(2 * math.pi * after * e(torch.where(soft, rng.u('pull/f', 3., 6.), rng.u('pull/f2', 7., 12.))))
    return (e(most) * on * on * (3 - 2 * on) * sway * back).clamp(min=-.04)


# ---------------------------------------------------------------- what moves

def lerp_rec(h, q):
    """Records h [B,Q,...] at fractional index q [B,M] -> [B,M,...] (float)."""
    B, Q = h.shape[:2]
    q = q.clamp(0, Q - 1.001)
    i = q.floor().long()
    f = (q - i).view(q.shape + (1,) * (h.dim() - 2))
    b = torch.arange(B, device=h.device)[:, None]
    return h[b, i].float() * (1 - f) + h[b, i + 1].float() * f


def ball_at(P, S, t):
    """Ball's centre at times t [B,M]; before the records the flight is followed back."""
    q = (t - sim.T0) * sim.HZ / sim.REC - 1
    p = lerp_rec(S['p'], q)
    early = (t < sim.T0 + sim.REC / sim.HZ)
    dt = (t - sim.T0)[..., None]
    z = torch.zeros_like(dt)
    back = P['p'][:, None] + P['v'][:, None] * dt * (1 - .0 * dt) + torch.cat([z, z, -.5 * sim.G * dt * dt], -1)
    ago = -dt
    fell = P['fell'][:, None, None]
    z = torch.where(fell > 0, fell * ago - .5 * sim.G * ago * ago, -P['dip'][:, None, None] * (ago - .10).clamp(min=0) ** 1.5)
    hand = torch.cat([P['p'][:, None, :2] + P['way'][:, None] * ago, P['p'][:, None, 2:] + z], -1)
    back = torch.where(P['brought'][:, None, None], hand, back)
    return torch.where(early[..., None] & ~P['hand'][:, None, None], back, p)


def join(P, S, Q, U, gap, on):
    """Puts the second attempt (Q, U) `gap` seconds after the first where `on`: records of both as one, in place of S."""
    d = gap.device
    extra = int(math.ceil(float(gap.max()) * sim.HZ / sim.REC)) if len(gap) else 0
    n = S['p'].shape[1] + extra
    ts = sim.T0 + (torch.arange(n, device=d) + 1) * sim.REC / sim.HZ
    t1 = ts[None].expand(len(gap), n)
    t2 = t1 - gap[:, None]
    q1 = (t1 - sim.T0) * sim.HZ / sim.REC - 1
    q2 = (t2 - sim.T0) * sim.HZ / sim.REC - 1
    sw = on[:, None] & (t2 > -.5)
    out = {}
    out['p'] = torch.where(sw[..., None], ball_at(Q, U, t2), ball_at(P, S, t1))
    out['w'] = torch.where(sw[..., None], lerp_rec(U['w'], q2), lerp_rec(S['w'], q1))
    x1 = lerp_rec(S['x'].flatten(2), q1)
    x2 = lerp_rec(U['x'].flatten(2), q2)
    rest = P['rest'].flatten(1)[:, None]
    late = ((t1 - sim.T1).clamp(min=0) * 2.5)[..., None]                       # after the records the swing dies down
    x = rest + (x1 - rest) * torch.exp(-late) + torch.where((on[:, None] & (t2 > sim.T0))[..., None], x2 - rest, torch.zeros_like(x2))
    out['x'] = x.half().view(len(gap), n, LV * K, 3)
    out['con'] = S['con']
    return out


def spin_frames(S):
    """Orientation (body axes) at every record, [B,Q,3,3], from the spin."""
    w = S['w']
    B, Q, _ = w.shape
    ang = w.norm(dim=-1, keepdim=True).clamp(min=1e-4)
    ax, th = w / ang, ang[..., 0] * (sim.REC / sim.HZ)
    c, s = torch.cos(th / 2), torch.sin(th / 2)[..., None]
    q = torch.cat([c[..., None], ax * s], -1)
    # prefix product of quaternions by doubling
    k = 1
    while k < Q:
        a, b = q[:, k:], q[:, :-k]
        aw, av, bw, bv = a[..., :1], a[..., 1:], b[..., :1], b[..., 1:]
        r = torch.cat([aw * bw - (av * bv).sum(-1, keepdim=True), aw * bv + bw * av + sim.cross(av, bv)], -1)
        q = torch.cat([q[:, :k], r], 1)
        k *= 2
    return q


def rot_inv(q, v):
    """Rotates v [...,3] by the inverse of unit quaternion q [...,4]."""
    w, a = q[..., :1], -q[..., 1:]
    t = 2 * sim.cross(a.expand_as(v), v)
    return v + w * t + sim.cross(a.expand_as(v), t)


def splat(buf, b_off, x, y, w, n):
    """Adds w (list of channels, each like x) bilinearly at pixels x, y; buf [C, B*T*n*n]."""
    xi, yi = torch.floor(x - .5), torch.floor(y - .5)
    fx, fy = x - .5 - xi, y - .5 - yi
    for dx, dy, ww in ((0, 0, (1 - fx) * (1 - fy)), (1, 0, fx * (1 - fy)), (0, 1, (1 - fx) * fy), (1, 1, fx * fy)):
        ix, iy = xi + dx, yi + dy
        ok = (ix >= 0) & (ix < n) & (iy >= 0) & (iy < n)
        idx = (b_off + (iy * n + ix).clamp(0, n * n - 1)).long().reshape(-1)
        for c, val in enumerate(w):
            buf[c].index_add_(0, idx, (val * ww * ok).reshape(-1).to(buf.dtype))


def people(rng, view, T, tt, where):
    """Coverage and colour of one person as capsules, [B,T,1,n,n], [B,T,3,n,n]. `where`: front or back."""
    d, B, n = rng.device, rng.n, view.n
    tag = 'ppl/' + where
    f2 = lambda a: a[:, None]
    big = rng.log(tag + '/s', .8, 2.2) if where == 'front' else rng.log(tag + '/s', .35, .9)
    px = view.scale * big                                        # pixels a metre of this person
    w = view.w
    head = rng.u(tag + '/y', -.7, 2.2) if where == 'front' else rng.u(tag + '/y', .2, 2.2)      # top of the head under the ring's top, ring widths
    x0 = rng.u(tag + '/x', -2.2, 2.2)
    vx = rng.g(tag + '/v', 1.) * torch.where(rng.p(tag + '/still', .25), .15, 1.3)
    t = tt
    sway = f2(rng.u(tag + '/sw', 0, .12)) * torch.sin(t * f2(rng.u(tag + '/swf', 2, 7)) + f2(rng.u(tag + '/swp', 0, 6.28)))
    cx = f2(view.box[:, 0] + w / 2) + (f2(x0) + f2(vx) * (t - .5)) * f2(w) + sway * f2(w)
    jump = torch.exp(-((t - f2(rng.u(tag + '/jt', -.2, 1.4))) * 3.2) ** 2) * f2(rng.u(tag + '/j', 0, .9) * rng.p(tag + '/jp', .5))
    cy = f2(view.box[:, 1] + head * w) - jump * f2(px) * .7 - (sway * .3).abs() * f2(w)
    cx, cy = cx + view.drift[..., 0], cy + view.drift[..., 1]
    s = f2(px)
    raise_ = [torch.sigmoid(4 * torch.sin(t * f2(rng.u(tag + '/rf%d' % k, 1, 5)) + f2(rng.u(tag + '/rp%d' % k, 0, 6.28))) + f2(rng.g(tag + '/ro%d' % k, 3.))) for k in (0, 1)]
    lean = f2(rng.g(tag + '/lean', .08))
    pt = lambda x, y: torch.stack([cx + x * s, cy + y * s], -1)
    skin = ycc(palette(rng, tag + '/skin', [[.85, .65, .5], [.6, .42, .3], [.35, .22, .15], [.75, .55, .4], [.25, .16, .11]], .05))
    hair = ycc(palette(rng, tag + '/hair', [[.05, .04, .04], [.15, .1, .07], [.4, .3, .2], [.7, .6, .4], [.6, .6, .6]], .04))
    shirt, shorts = ycc(anycolour(rng, tag + '/shirt')), ycc(anycolour(rng, tag + '/shorts'))
    sleeve = torch.where(rng.p(tag + '/sl', .5)[:, None], shirt, skin)
    parts = []
    hip = pt(lean * -1, torch.full_like(cx, .85))
    nk = pt(lean * 0, torch.full_like(cx, .30))
    for sx in (-1, 1):
        ph = f2(rng.u(tag + '/leg%d' % sx, 0, 6.28)) + t * 6
        kn = pt(sx * .12 + .15 * torch.sin(ph), torch.full_like(cx, 1.30))
        parts.append((hip, kn, .10, .08, shorts))
        parts.append((kn, pt(sx * .14 + .2 * torch.sin(ph + .6), torch.full_like(cx, 1.75)), .07, .05, skin))
    parts.append((pt(lean * 0, torch.full_like(cx, .42)), hip, .19, .16, shirt))
    for k, sx in ((0, -1), (1, 1)):
        sh = pt(torch.full_like(cx, .19 * sx), torch.full_like(cx, .34))
        a = (1 - raise_[k]) * (math.pi / 2) - raise_[k] * (math.pi / 2 - .25)
        el = pt(.19 * sx + sx * .28 * torch.cos(a) * .5, .34 + .28 * torch.sin(a))
        hd = pt(.19 * sx + sx * (.28 * torch.cos(a) * .5 + .12 * torch.cos(a * 1.3)), .34 + .28 * torch.sin(a) + .27 * torch.sin(a * 1.05) * torch.where(raise_[k] > .3, torch.ones_like(cx), torch.full_like(cx, .6)))
        parts.append((sh, el, .06, .05, sleeve))
        parts.append((el, hd, .045, .04, skin))
        parts.append((hd, hd + .01, .06, .06, skin))
    parts.append((nk, pt(lean * 0, torch.full_like(cx, .2)), .05, .05, skin))
    parts.append((pt(lean * 0, torch.full_like(cx, .14)), pt(lean * 0, torch.full_like(cx, .12)), .105, .105, skin))
    parts.append((pt(lean * 0, torch.full_like(cx, .08)), pt(lean * .5, torch.full_like(cx, .07)), .11, .105, hair))
    h = n // 2                                                     # drawn at half the size
    yy, xx = torch.meshgrid(torch.arange(h, device=d) + .5, torch.arange(h, device=d) + .5, indexing='ij')
    grid = (xx[None, None] * 2, yy[None, None] * 2)
    cov = torch.zeros(B * T, 1, h, h, device=d)
    col = torch.zeros(B * T, 3, h, h, device=d)
    sf = (1.3 + .02 * view.w * vx.abs())[:, None].expand(B, T).reshape(-1)[:, None, None, None]   # smear of motion
    pr = px[:, None].expand(B, T).reshape(-1)
    for p, q, r0, r1, c in parts:
        a, along = capsule(grid, p.reshape(-1, 2), q.reshape(-1, 2), pr * r0, pr * r1, sf)
        cc = c[:, None].expand(B, T, 3).reshape(-1, 3)
        cc = cc[:, :, None, None] * torch.cat([.85 + .25 * (1 - along), torch.ones_like(along), torch.ones_like(along)], 1)
        col = col * (1 - a) + cc * a
        cov = cov + a - cov * a
    up = F.interpolate(torch.cat([cov, col], 1), size=(n, n), mode='bilinear', align_corners=False)
    return up[:, :1].view(B, T, 1, n, n), up[:, 1:].view(B, T, 3, n, n)           # colour is premultiplied


def frames(rng, view, P, S, times, tfr, cfg, look):
    """Draws [B,T,3,n,n] (float) at frame times; P, S, rng and view belong to the same attempts. Of the frames `look` (attempts
    [R], frames [R,F]) it returns the luma as well, [R,F,1,n,n]: whole, without the ball, without the net; and by [R,F] how
    much of the ball's disc nobody and nothing but the net covers; by [R] how much of ring and net lies behind the board."""
    d, B, n = rng.device, rng.n, view.n
    T = times.shape[1]
    m = view.margin
    # who brings the ball, and whose ring gives way under him
    by = torch.nonzero(((P['mode'] == sim.MODE['dunk']) | (P['mode'] == sim.MODE['lay']) | (P['mode'] == sim.MODE['tip'])) & rng.p('scorer', cfg.hands))[:, 0]
    gives = by[(P['mode'][by] == sim.MODE['dunk']) & rng.pick(by).p('pull', cfg.pull)]
    bare = torch.zeros(B, dtype=torch.bool, device=d).index_fill(0, gives, True)
    st, hooped = still(rng, view, P, cfg.held_out, bare if len(gives) else None)
    N2 = n + 2 * m
    # still picture, shifted with the camera
    c = torch.arange(n, device=d) + .5 + m
    gx = (c[None, None, :] - view.drift[..., 0:1]) / N2 * 2 - 1
    gy = (c[None, None, :] - view.drift[..., 1:2]) / N2 * 2 - 1
    grid = torch.stack([gx[:, :, None, :].expand(B, T, n, n), gy[:, :, :, None].expand(B, T, n, n)], -1).view(B, T * n, n, 2)
    C = st.shape[1]
    dt = torch.float16 if d.type == 'cuda' else torch.float32
    pic = F.grid_sample(st, grid, mode='bilinear', padding_mode='border', align_corners=False).to(dt)
    pic = pic.view(B, C, T, n, n).transpose(1, 2)
    CH = 1 if cfg.luma else 3
    tilt = pulled(rng.pick(gives), times[gives])
    yy, xx = torch.meshgrid(torch.arange(n, device=d) + .5, torch.arange(n, device=d) + .5, indexing='ij')
    for k, i in enumerate(gives.tolist()):
        each = torch.full((T,), i, device=d)
        c, a, z = hoop(sub(view, each), (xx[None, None], yy[None, None]), pic[i, :, :3].float(), {q: hooped[q][each] for q in ('ring', 'rod')}, 24, tilt[k], view.drift[i])
        pic[i, :, :3], pic[i, :, 3:4], pic[i, :, 4:5], pic[i, :, 5:6] = c.to(dt), torch.maximum(pic[i, :, 3:4], a.to(dt)), a.to(dt), (z * (a > 0)).to(dt)
    img, cover, ra, rz, bcov = pic[:, :, :CH], pic[:, :, 3:4], pic[:, :, 4:5], pic[:, :, 5:6], pic[:, :, 6:7]
    # people and things behind the board
    hasb = rng.p('ppl/back', .3)
    i = torch.nonzero(hasb)[:, 0]
    if len(i):
        cov, col = people(rng.pick(i), sub(view, i), T, tfr[i], 'back')
        a = (1 - cover[i])
        img = img.index_copy(0, i, (img[i] * (1 - cov * a) + col[:, :, :CH] * a).to(dt))
    # LED wall or flicker: a patch whose pattern runs
    led = rng.p('led', .06)
    i = torch.nonzero(led)[:, 0]
    if len(i):
        r = rng.pick(i)
        e = lambda a: a[:, None, None, None, None]
        xx = torch.arange(n, device=d)[None, None, None, None, :] / n
        yy = torch.arange(n, device=d)[None, None, None, :, None] / n
        mk = (yy > e(r.u('led/y', .1, 1.))) & (yy < e(r.u('led/y', .1, 1.) + r.u('led/h', .06, .2)))
        ph = torch.floor((xx + tfr[i][:, :, None, None, None] * e(r.g('led/v', .4))) * e(r.u('led/n', 6, 30)))
        ch = torch.sin(ph * 12.99 + torch.floor(yy * 40) * 78.2) * .5 + .5
        pat = torch.cat([ch * e(r.u('led/b', .3, 1.)), torch.sin(ph) * .15 * torch.ones_like(ch), torch.cos(ph) * .15 * torch.ones_like(ch)], 2)[:, :, :CH]
        a = mk * (1 - cover[i])
        img = img.index_copy(0, i, (img[i] + a * (pat - img[i])).to(dt))
    # ---- ball and net over sub-frames of the exposure
    ns = cfg.sub
    expo = torch.where(rng.p('expo/short', .5), rng.u('expo', .02, .25), rng.u('expo2', .25, .95)) / rng_fps(rng, cfg.slow)
    fac = (torch.arange(ns, device=d) + .5) / ns - .5
    tsub = (times[:, :, None] + expo[:, None, None] * fac).reshape(B, T * ns)
    rs = rng.u('rs', 0, .004)
    bp = ball_at(P, S, tsub)
    px0, _ = view.project(bp)
    tsub_b = tsub + rs[:, None] * (px0[..., 1] / n - .5).clamp(-1, 2)    # rows are read one after another
    bp = ball_at(P, S, tsub_b)
    bq, bz = view.project(bp)
    dr = view.drift[:, :, None].expand(B, T, ns, 2).reshape(B, T * ns, 2)
    bq = bq + dr
    br = view.ppm(bz) * torch.where(P['hand'], .055, RB)[:, None] * (rng.u('ball/size', .96, 1.02))[:, None]
    shown = (bp[..., 1] > -25) & (br < .45 * n)
    # a second ball, behind or beside, on its own way
    sb = second_ball(rng, view, P, tsub)
    balls = [(bq, bz, br, bp, shown & ~P['hand'][:, None], 'ball', spin_frames(S))]
    if sb is not None:
        q2, z2 = view.project(sb[0])
        balls.append((q2 + dr, z2, view.ppm(z2) * RB, sb[0], sb[1], 'ball2', None))
    # who brings the ball: a body behind the ring is drawn before the ball, one in front of it after the net
    if len(by):
        sunk = torch.zeros(B, T, device=d).index_copy(0, gives, tilt)[by]
        body, hand_, near = scorer(rng.pick(by), sub(view, by), {k: P[k][by] for k in ('mode', 'p', 'v', 'way', 'dip', 'fell', 'brought', 'hand')}, {'p': S['p'][by]}, times[by], sunk)
        i, k = by[~near], torch.nonzero(~near)[:, 0]
        a = 1 - cover[i]
        img = img.index_copy(0, i, (img[i] * (1 - body[0][k] * a) + body[1][k][:, :, :CH] * a).to(dt))
    spot = (look[0][:, None], look[1])
    change = disc = torch.zeros(*look[1].shape, 1, n, n, device=d)
    veils = []                                               # what lies over ball and net: attempts (None: all), coverage
    for (q, z, r, p, vis, tag, quat) in balls:
        i = torch.nonzero(vis.any(1))[:, 0]
        if not len(i):
            continue
        near_ = ((q > -.3 * n) & (q < 1.3 * n)).all(-1) & vis
        Pp = int(math.ceil(.34 * n / 2) * 2)
        Bi = len(i)
        ox, oy = torch.floor(q[i, :, 0] - Pp / 2), torch.floor(q[i, :, 1] - Pp / 2)
        k = torch.arange(Pp, device=d)
        ix, iy = ox[..., None] + k, oy[..., None] + k                    # [Bi, M, Pp]
        dx = (ix + .5 - q[i, :, 0:1]) / r[i][..., None]
        dy = (iy + .5 - q[i, :, 1:2]) / r[i][..., None]
        rr2 = dx[:, :, None, :] ** 2 + dy[:, :, :, None] ** 2
        rr_ = rr2.clamp(min=1e-6).sqrt()
        al = ((1 - rr_) * r[i][..., None, None] + .5).clamp(0, 1) * near_[i][..., None, None]
        nz = (1 - rr2).clamp(min=0).sqrt()
        nx = dx[:, :, None, :].expand_as(nz)
        ny = dy[:, :, :, None].expand_as(nz)
        fr = (torch.arange(T, device=d)[:, None].expand(T, ns).reshape(-1))[None]
        bt = (i[:, None] * T + fr)[..., None, None]
        cxi, cyi = ix.clamp(0, n - 1).long(), iy.clamp(0, n - 1).long()
        okp = ((ix >= 0) & (ix < n))[:, :, None, :] & ((iy >= 0) & (iy < n))[:, :, :, None]
        idx = bt * (n * n) + cyi[:, :, :, None] * n + cxi[:, :, None, :]
        # ring before the ball? board before it?
        rav, rzv = ra.reshape(-1)[idx], rz.reshape(-1)[idx]
        surf = (z[i] - view.D[i, None])[..., None, None] - nz * RB
        al = al * (1 - rav * (rzv < surf))
        hid = (p[i, :, 1] > BOARD) == (view.f[i, 1] > 0)[:, None]          # on the far side of the board
        al = al * (1 - bcov.reshape(-1)[idx] * hid[..., None, None]) * okp
        # colour
        r_ = rng.pick(i)
        g = lambda a: a[:, None, None, None]
        c0 = ycc(palette(r_, tag, [[.80, .40, .18], [.72, .33, .15], [.55, .28, .15], [.85, .5, .28], [.60, .22, .16], [.75, .12, .10], [.88, .86, .82], [.25, .18, .15], [.8, .7, .25]], .06))
        two = r_.p(tag + '/two', .12)
        c1 = torch.where(two[:, None], ycc(anycolour(r_, tag + '/c1')), c0)
        lx, ly = r_.g(tag + '/lx', .45), -r_.u(tag + '/ly', .1, .9)
        lam = (nx * g(lx) + ny * g(ly) + nz * .65).clamp(-.3, 1.2)
        light = g(r_.u(tag + '/amb', .35, .75)) + g(r_.u(tag + '/dif', .25, .7)) * lam
        if quat is not None:
            wn = nx[..., None] * view.r[i][:, None, None, None] - ny[..., None] * view.u[i][:, None, None, None] - nz[..., None] * view.f[i][:, None, None, None]
            qq = lerp_rec(quat[i], (tsub[i] - sim.T0) * sim.HZ / sim.REC - 1)
            qq = qq / qq.norm(dim=-1, keepdim=True).clamp(min=.1)
            bn = rot_inv(qq[:, :, None, None, :], wn)
            a_, b_, c_ = bn.unbind(-1)
            sw = g(r_.u(tag + '/seam', .035, .075))
            wd = sw + .35 / r[i][..., None, None]
            sd = torch.minimum(torch.minimum(a_.abs(), b_.abs()), (c_.abs() - .35 - .45 * a_ * a_).abs() * .8)
            seam = (1 - sd / wd).clamp(0, 1) * g(r_.u(tag + '/sa', .1, .8)) * (sw / wd) ** .5
            pan = (a_ * b_ > 0).float()
        else:
            seam, pan = torch.zeros_like(lam), torch.zeros_like(lam)
        y_ = (g(c0[:, 0]) + pan * g(c1[:, 0] - c0[:, 0])) * light * (1 - .8 * seam)
        chans = [al, al * y_]
        if CH == 3:
            cb = (g(c0[:, 1]) + pan * g(c1[:, 1] - c0[:, 1])) * (1 - .7 * seam) * light.clamp(max=1.1)
            cr = (g(c0[:, 2]) + pan * g(c1[:, 2] - c0[:, 2])) * (1 - .7 * seam) * light.clamp(max=1.1)
            chans += [al * cb, al * cr]
        buf = torch.zeros(1 + CH, B * T * n * n, device=d)
        fi = idx.reshape(-1)
        for ch, val in enumerate(chans):
            buf[ch].index_add_(0, fi, (val / ns).reshape(-1))
        A = buf[0].view(B, T, 1, n, n).clamp(0, 1)
        colr = buf[1:].view(CH, B, T, n, n).permute(1, 2, 0, 3, 4)
        if tag == 'ball':
            disc, under = A[spot], img[:, :, :1][spot]
        else:
            veils.append((None, A))
        img = img * (1 - A).to(dt) + colr.to(dt)
        if tag == 'ball':
            change = img[:, :, :1][spot].float() - under.float()
    # ---- net
    xq = lerp_rec(S['x'].view(B, -1, LV * K * 3), (tsub - sim.T0) * sim.HZ / sim.REC - 1).view(B, T * ns, LV * K, 3)
    anch = P['anch'][:, None].expand(B, T * ns, K, 3)
    full = torch.cat([anch, xq], 2)                                     # [B,M,(LV+1)K,3]
    if len(gives):                                                      # the net goes with its ring, each level a little later
        late = [pulled(rng.pick(gives), tsub[gives] - .012 * k)[..., None] for k in range(LV + 1)]
        full = full.index_add(0, gives, torch.cat([given_way(P['anch'][gives][:, None], a) for a in late], 2))
    Mn = (LV + 1) * K
    nq, nz_ = view.project(full.view(B, -1, 3))
    nq = nq.view(B, T * ns, Mn, 2) + dr[:, :, None]
    nz_ = nz_.view(B, T * ns, Mn)
    p2, _ = sim._links(d)
    child = torch.arange(K, Mn, device=d)
    sa_, sb_ = torch.cat([child, child]), torch.cat([child - K, p2])
    J = cfg.string_points
    f = ((torch.arange(J, device=d) + .5) / J)
    kind = P['net']
    chain = kind == 2
    none = (kind == 5)
    alive = torch.cat([torch.ones(B, K, device=d), (~P['cut']).float()], 1)
    thick = torch.where(chain, rng.u('str/c', .006, .012), torch.where(kind == 3, rng.u('str/s', .007, .012), rng.u('str', .004, .010)))
    thick = thick * (~none) * torch.where(P['faint'], .5, 1.)
    buf = torch.zeros(2, B * T * n * n, device=d)
    seg_on = alive[:, sa_] * alive[:, sb_]
    lev = (child // K).float()
    b_off = ((torch.arange(B, device=d)[:, None] * T + torch.arange(T, device=d)[:, None].expand(T, ns).reshape(-1)[None]) * (n * n))[..., None].double()
    a, b = nq[:, :, sa_], nq[:, :, sb_]
    za, zb = nz_[:, :, sa_], nz_[:, :, sb_]
    ln = (a - b).norm(dim=-1)
    zring = view.D[:, None, None]
    wln = ln * view.ppm(za.reshape(B, -1)).view_as(za) * thick[:, None, None] * seg_on[:, None] / J / ns * .9
    bxx, byy, brr, bzz = bq[:, :, None, 0], bq[:, :, None, 1], br[:, :, None], bz[:, :, None]
    hide_ok = shown[:, :, None] & ~P['hand'][:, None, None]
    links = rng.u('str/link', 2., 3.5)
    boff = b_off.long()
    for j in range(J):
        fj = float(f[j])
        x, y = a[..., 0] + (b[..., 0] - a[..., 0]) * fj, a[..., 1] + (b[..., 1] - a[..., 1]) * fj
        z = za + (zb - za) * fj
        u2 = ((x - bxx) ** 2 + (y - byy) ** 2) / (brr * brr)
        hid = (u2 < 1) & (z > bzz - RB * (1 - u2).clamp(min=0).sqrt() * .97) & hide_ok
        far = torch.where(z > zring, .72, 1.0)
        w = wln * (~hid)
        if j == 0:
            pass
        mod = torch.where(chain[:, None, None], (1.0 + .7 * torch.sin(2 * math.pi * links[:, None, None] * fj)).expand_as(w), torch.ones_like(w))
        w = w * mod
        splat(buf, boff, x, y, (w, w * far), n)
    A = buf[0].view(B, T, 1, n, n)
    shade = (buf[1] / (buf[0] + 1e-6)).view(B, T, 1, n, n)
    A = 1 - torch.exp(-A * 1.25)
    white = palette(rng, 'net/col', [[.95, .95, .95], [.88, .88, .85], [.8, .8, .78]], .04)
    dark = palette(rng, 'net/dark', [[.1, .1, .12], [.35, .35, .3], [.1, .15, .4], [.5, .1, .1]], .05)
    grey = palette(rng, 'net/grey', [[.6, .62, .65], [.35, .36, .38], [.8, .8, .82]], .06)
    if cfg.held_out is not None:                               # coloured ones of one colour are held out
        which = rng.choice('held/col', [1, 1])[:, None] + (2 if cfg.held_out else 0)
        dark = torch.tensor([[.1, .1, .12], [.35, .35, .3], [.1, .15, .4], [.5, .1, .1]], device=d)[which[:, 0]] + rng.g('net/dark/v', .05, 3)
        dark = dark.clamp(0, 1)
    ncol = ycc(torch.where(chain[:, None], grey, torch.where(rng.p('net/isdark', .10)[:, None], dark, white)))
    tri = rng.p('net/tri', .12) & ~chain
    c2 = ycc(palette(rng, 'net/c2', [[.8, .1, .1], [.1, .2, .7]], .05))
    c3 = ycc(palette(rng, 'net/c3', [[.1, .2, .7], [.9, .9, .9], [.8, .1, .1]], .05))
    yrow = (torch.arange(n, device=d)[None, None] + .5 - view.drift[..., 1:2] - (view.box[:, 1] + view.box[:, 3] / 2)[:, None, None]) / (view.w * .9)[:, None, None]
    bandr = (yrow / .33).clamp(0, 2.99).floor()[:, :, None, :, None]
    e = lambda a: a[:, None, :, None, None]
    ncl = torch.where(tri[:, None, None, None, None], torch.where(bandr < 1, e(ncol), torch.where(bandr < 2, e(c2), e(c3))), e(ncol))
    lightn = rng.u('net/li', .6, 1.1)[:, None, None, None, None]
    ncl = ncl[:, :, :CH] * shade * torch.cat([lightn, torch.ones_like(lightn), torch.ones_like(lightn)], 2)[:, :, :CH]
    vis = 1 - ra * (rz < .0) * .9                                     # the front of the ring lies over the strings
    A = A * vis
    string, strings = A[spot].float(), (ncl[:, :, :1] - img[:, :, :1]).expand(B, T, 1, n, n)[spot].float()
    img = img + (A * (ncl - img)).to(dt)
    # ---- the hand in the net, with its arm
    i = torch.nonzero(P['hand'])[:, 0]
    if len(i):
        pic_, _ = arm(rng.pick(i), sub(view, i), img[i].float(), bq[i].view(len(i), T, ns, 2)[:, :, ns // 2], br[i].view(len(i), T, ns)[:, :, ns // 2])
        img = img.index_copy(0, i, pic_.to(dt))
    # ---- somebody's arm beside the ring: a block, a rebound
    i = torch.nonzero(rng.p('reach', .10) & ~P['hand'])[:, 0]
    if len(i):
        r, v = rng.pick(i), sub(view, i)
        t_ = times[i]
        env = torch.exp(-((t_ - r.u('reach/t', -.3, .8)[:, None]) / r.u('reach/d', .12, .4)[:, None]) ** 2)
        at = torch.stack([v.box[:, 0] + v.w * (.5 + r.g('reach/x', .55)), v.box[:, 1] + v.w * r.u('reach/y', -.5, .5)], -1)[:, None]
        frm = torch.stack([v.box[:, 0] + v.w * (.5 + r.g('reach/fx', 1.)), v.box[:, 1] + v.w * r.u('reach/fy', 2.2, 3.6)], -1)[:, None]
        q_ = frm + (at - frm) * env[..., None] + v.drift
        rad = (v.scale * r.u('reach/r', .045, .085))[:, None].expand(len(i), T)
        pic_, cov = arm(r, v, img[i].float(), q_, rad)
        img = img.index_copy(0, i, pic_.to(dt))
        veils.append((i, cov))
    # ---- who brought it
    if len(by):
        cov, col = (torch.where(near[:, None, None, None, None], under * (1 - hand_[0]) + over, over) for under, over in zip(body, hand_))
        img = img.index_copy(0, by, (img[by] * (1 - cov) + col[:, :, :CH]).to(dt))
        veils.append((by, cov))
        P['seen'].index_copy_(0, by, visible(cov, sub(view, by)))
        P['clear'].index_copy_(0, by, 1 - at_middle(cov, bq[by].view(len(by), T, ns, 2)[:, :, ns // 2]))
    # ---- people in front
    hasf = rng.p('ppl/front', .30)
    i = torch.nonzero(hasf)[:, 0]
    if len(i):
        cov, col = people(rng.pick(i), sub(view, i), T, tfr[i], 'front')
        img = img.index_copy(0, i, (img[i] * (1 - cov) + col[:, :, :CH]).to(dt))
        veils.append((i, cov))
        P['seen'].index_copy_(0, i, torch.minimum(P['seen'][i], visible(cov, sub(view, i))))
        P['clear'].index_copy_(0, i, P['clear'][i] * (1 - at_middle(cov, bq[i].view(len(i), T, ns, 2)[:, :, ns // 2])))
    thru = torch.ones_like(string)
    for i, cov in veils:
        to = torch.arange(B, device=d) if i is None else torch.full((B,), -1, device=d).index_copy(0, i, torch.arange(len(i), device=d))
        r = torch.nonzero(to[look[0]] >= 0)[:, 0]
        thru[r] *= 1 - cov[to[look[0][r]][:, None], look[1][r]].float().clamp(0, 1)
    full = img[:, :, :1][spot].float()
    area = math.pi * br.view(B, T, ns)[:, :, ns // 2][spot] ** 2
    back = (view.D * -view.f[:, 1] > BOARD)[:, None, None, None, None]
    boarded = zone(view, bcov.float().mean(1, keepdim=True) * back)[look[0], 0]
    return img, (full, full - change * (1 - string) * thru, full - string * strings * thru), (disc * thru).sum((2, 3, 4)) / area, boarded


def at_middle(cov, q):
    """Coverage cov [B,T,1,n,n] at the pixels q [B,T,2]."""
    B, T, _, n, _ = cov.shape
    at = (q / n * 2 - 1).view(B * T, 1, 1, 2)
    return F.grid_sample(cov.reshape(-1, 1, n, n).float(), at, mode='bilinear', padding_mode='zeros', align_corners=False).view(B, T)


def visible(cov, view):
    """How much of the ring and the net stays in view, [B,T]."""
    return 1 - zone(view, cov)


def zone(view, cov):
    """Mean of cov [B,T,1,n,n] over ring and net, [B,T]."""
    n = view.n
    d = cov.device
    x = (torch.arange(n, device=d) + .5)[None, :]
    inx = ((x > view.box[:, :1]) & (x < view.box[:, :1] + view.w[:, None])).float()
    iny = ((x > view.box[:, 1:2] - .2 * view.w[:, None]) & (x < view.box[:, 1:2] + .9 * view.w[:, None])).float()
    wgt = iny[:, None, :, None] * inx[:, None, None, :]
    return (cov[:, :, 0] * wgt).sum((2, 3)) / wgt.sum((2, 3)).clamp(min=1)


def arm(rng, view, img, q, r):
    """An arm reaching up to q [B,T,2], laid over img; and its coverage [B,T,1,n,n]."""
    d, B, n = rng.device, rng.n, view.n
    T = q.shape[1]
    yy, xx = torch.meshgrid(torch.arange(n, device=d) + .5, torch.arange(n, device=d) + .5, indexing='ij')
    grid = (xx[None, None], yy[None, None])
    sx = view.box[:, 0] + view.w * (.5 + rng.g('arm/x', .5))
    sh = torch.stack([sx, view.box[:, 1] + view.w * rng.u('arm/y', 1.6, 2.6)], -1)[:, None].expand(B, T, 2)
    el = (sh + q) / 2 + (rng.g('arm/e', .15, 2) * view.w[:, None])[:, None]
    skin = ycc(palette(rng, 'arm/skin', [[.85, .65, .5], [.6, .42, .3], [.35, .22, .15], [.75, .55, .4]], .05))
    slv = torch.where(rng.p('arm/sl', .5)[:, None], ycc(anycolour(rng, 'arm/sc')), skin)
    f = lambda a: a.reshape(-1, *a.shape[2:])
    rr = f(r)
    CH = img.shape[2]
    out, cov = img.reshape(B * T, CH, n, n), torch.zeros(B * T, 1, n, n, device=d)
    for p, s, k, c in ((sh, el, 1.1, slv), (el, q, .85, skin), (q, q + .1, 1.25, skin)):
        a, _ = capsule(grid, f(p), f(s), rr * k, rr * k * .85)
        out = mixc(out, a, c[:, None, :CH].expand(B, T, CH).reshape(-1, CH))
        cov = torch.maximum(cov, a)
    return out.view(B, T, CH, n, n), cov.view(B, T, 1, n, n)


def scorer(rng, view, P, S, t, tilt):
    """Who lays the ball in, tips it in or dunks it, at times t [B,T]. Returns the body and the arm that has the ball, each as coverage
    [B,T,1,n,n] and colour [B,T,3,n,n] times that; and whether he is nearer to the camera than the ring [B].

    The hand goes with the ball until it leaves it; who tips meets it in the air. Who dunks holds on to the ring then, for up to one and a half
    seconds, and swings; `tilt` [B,T]: rad that the ring gives way by."""
    d, n = rng.device, view.n
    B, T = t.shape
    e = lambda a: a[:, None]
    dunk, tips = P['mode'] == sim.MODE['dunk'], e(e(P['mode'] == sim.MODE['tip']))
    out = torch.cat([P['way'] / P['way'].norm(dim=1, keepdim=True).clamp(min=.1), torch.zeros(B, 1, device=d)], 1)     # the side he comes from
    lat = torch.stack([-out[:, 1], out[:, 0], out[:, 2]], 1)
    up = torch.tensor([0., 0., 1.], device=d)
    since = (t - sim.T0)[..., None]
    held = (ball_at(P, S, t.clamp(max=sim.T0)) + e(out) * .09 + up * torch.where(dunk, .07, -.08)[:, None, None])
    hang = holds(rng)[:, None, None]
    rod = e(out * R + up * .03 + lat * rng.u('sc/l', -.1, .1)[:, None])
    rod = rod + given_way(rod, tilt)
    on = (since / .09).clamp(0, 1)
    fall = (since - hang).clamp(0, 1.2)
    hung = held + (rod - held) * on - up * (4.9 * fall * fall) + e(out) * fall * .5
    laid = held - up * (1.6 * since.clamp(0, 1.2) + 3 * since.clamp(0, 1.2) ** 2) + e(out) * since.clamp(0, 1.2) * .4
    # the hand that tips comes up to where the ball is met
    met = ball_at(P, S, torch.full_like(t, sim.T0)) + e(out) * .07 - up * .08 - up * (rng.u('sc/up', 1.5, 4.)[:, None, None] * (-since).clamp(0, .5))
    hand = torch.where(since < 0, torch.where(tips, met, held), torch.where(e(e(dunk)), hung, laid))
    swing = torch.sin(since * rng.u('sc/f', 3., 6.)[:, None, None] + rng.u('sc/p', 0, 6.28)[:, None, None]) * rng.u('sc/a', .02, .22)[:, None, None]
    reach = .30 - .16 * on * (fall <= 0) * e(e(dunk.float()))
    sh = hand + e(out) * (reach + swing * .5) - up * rng.u('sc/arm', .52, .68)[:, None, None] + e(lat) * .05
    hip = sh + e(out) * (.10 + swing) - up * .53 - e(lat) * .16
    knee = hip + e(out) * (swing - .08) - up * .42
    foot = knee + e(out) * (swing + .14) - up * .42
    head = sh - e(lat) * .19 + up * .16
    elbow = (sh + hand) / 2 + e(out) * .07 + e(lat) * .05
    other = sh - e(lat) * .34
    both = e(rng.p('sc/two', .4))[..., None]
    far = torch.where(both, hand - e(lat) * .18, other + e(out) * .12 - up * .5)
    skin = ycc(palette(rng, 'sc/skin', [[.85, .65, .5], [.6, .42, .3], [.35, .22, .15], [.75, .55, .4], [.25, .16, .11]], .05))
    shirt, shorts = ycc(anycolour(rng, 'sc/shirt')), ycc(anycolour(rng, 'sc/shorts'))
    hair = ycc(palette(rng, 'sc/hair', [[.05, .04, .04], [.15, .1, .07], [.4, .3, .2], [.7, .6, .4]], .04))
    mid = sh - e(lat) * .17
    h = n // 2                                                     # drawn at half the size
    yy, xx = torch.meshgrid(torch.arange(h, device=d) + .5, torch.arange(h, device=d) + .5, indexing='ij')
    grid = (xx[None, None] * 2, yy[None, None] * 2)

    def drawn(parts):
        cov, col = torch.zeros(B * T, 1, h, h, device=d), torch.zeros(B * T, 3, h, h, device=d)
        for p, q, r0, r1, c in parts:
            (pq, pz), (qq, qz) = view.project(p), view.project(q)
            pq, qq = (pq + view.drift).reshape(-1, 2), (qq + view.drift).reshape(-1, 2)
            a, along = capsule(grid, pq, qq, (view.ppm(pz) * r0).reshape(-1), (view.ppm(qz) * r1).reshape(-1), 1.5)
            cc = c[:, None].expand(B, T, 3).reshape(-1, 3)[:, :, None, None] * torch.cat([.85 + .25 * (1 - along), torch.ones_like(along), torch.ones_like(along)], 1)
            col = col * (1 - a) + cc * a
            cov = cov + a - cov * a
        both = F.interpolate(torch.cat([cov, col], 1), size=(n, n), mode='bilinear', align_corners=False)
        return both[:, :1].view(B, T, 1, n, n), both[:, 1:].view(B, T, 3, n, n)

    legs = [(hip, knee, .10, .07, shorts), (knee, foot, .07, .05, skin), (hip + e(lat) * .2, knee + e(lat) * .26 - e(out) * .1, .10, .07, shorts), (knee + e(lat) * .26 - e(out) * .1, foot + e(lat) * .24, .07, .05, skin)]
    body = drawn([*legs, (other, far, .055, .04, skin), (mid - up * .04, hip + e(lat) * .08, .19, .15, shirt), (head - up * .04, head, .10, .105, skin), (head + up * .06, head + up * .07, .105, .10, hair)])
    arm_ = drawn([(sh, elbow, .06, .05, skin), (elbow, hand, .045, .035, skin), (hand, hand + up * .02, .055, .05, skin)])
    _, z = view.project(sh)
    k = (t - sim.T0 - .2).abs().argmin(1)
    return body, arm_, z[torch.arange(B, device=d), k] < view.D


def second_ball(rng, view, P, t):
    """A ball of somebody else: behind, below or in front, not at this ring. None if nobody has one."""
    on = rng.p('ball2', .13)
    if not on.any():
        return None
    s = torch.where(rng.p('b2/s', .5), -1., 1.)
    far = rng.p('b2/far', .6)
    look, lat = torch.stack([view.f[:, 0], view.f[:, 1]], 1), torch.stack([view.r[:, 0], view.r[:, 1]], 1)
    look = look / look.norm(dim=1, keepdim=True).clamp(min=.2)
    depth = torch.where(far, rng.u('b2/d', 1.3, 6), -rng.u('b2/d2', 1., 2.4))
    t0 = rng.u('b2/t', -.4, 1.2)
    q = torch.cat([look * depth[:, None] + lat * rng.g('b2/x', .5)[:, None], rng.u('b2/z', -1.6, .5)[:, None]], 1)
    v = torch.cat([lat * rng.g('b2/v', 2.5)[:, None], rng.g('b2/vz', 2.)[:, None]], 1)
    dt = (t - t0[:, None])[..., None]
    z = torch.zeros_like(dt)
    return q[:, None] + v[:, None] * dt + torch.cat([z, z, -.5 * sim.G * dt * dt], -1), on[:, None].expand(t.shape)


def sub(view, i):
    """The view of some of the attempts."""
    v = object.__new__(View)
    for k, a in view.__dict__.items():
        setattr(v, k, a[i] if torch.is_tensor(a) else a)
    return v


def rng_fps(rng, slow=0.0):
    """Frame rate of each attempt: 24 to 31, of a share `slow` 14 to 21."""
    c = rng.choice('fps/k', [.35, .2, .2, .25])
    fast = torch.where(c == 0, 30., torch.where(c == 1, 25., torch.where(c == 2, 29.97, rng.u('fps', 24, 31))))
    c = rng.choice('fps/sk', [.35, .25, .4])
    return torch.where(rng.p('fps/slow', slow), torch.where(c == 0, 15., torch.where(c == 1, 20., rng.u('fps/s', 14, 21))), fast)
