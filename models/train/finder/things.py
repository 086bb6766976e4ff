"""What stands in a hall or a court: hoops, people, balls, and things that are no hoops."""
import math

import cv2
import numpy as np

from .scene import RING, colour, near, one, tup

ROD = 0.010
SHIFT = 4                             # fraction bits of OpenCV's coordinates


class Pen:
    """Draws into a part of the picture at a multiple of its size, so that thin things keep their weight."""

    def __init__(self, img, box, scale):
        h, w = img.shape[:2]
        self.x0, self.y0 = int(max(0, box[0])), int(max(0, box[1]))
        self.x1, self.y1 = int(min(w, math.ceil(box[2]))), int(min(h, math.ceil(box[3])))
        self.img, self.k = img, scale
        self.empty = self.x1 - self.x0 < 2 or self.y1 - self.y0 < 2
        if not self.empty:
            part = img[self.y0:self.y1, self.x0:self.x1]
            self.p = np.ascontiguousarray(np.repeat(np.repeat(part, scale, 0), scale, 1)) if scale > 1 else part.copy()

    def at(self, xy):
        q = (np.asarray(xy) - (self.x0, self.y0)) * self.k * (1 << SHIFT)
        return np.clip(np.rint(q), -200000, 200000).astype(np.int32)

    def lines(self, segments, c, width):
        """segments [n, 2, 2] in pixels of the picture."""
        w = width * self.k
        s = self.at(segments)
        if w < 1:                                          # thinner than a pixel: paler
            q = self.p.copy()
            cv2.polylines(q, list(s), False, tup(c), 1, cv2.LINE_AA, SHIFT)
            cv2.addWeighted(q, float(w), self.p, 1 - float(w), 0, self.p)
        else:
            cv2.polylines(self.p, list(s), False, tup(c), max(1, int(round(w))), cv2.LINE_AA, SHIFT)

    def path(self, xy, c, width, closed=False):
        cv2.polylines(self.p, [self.at(xy)], closed, tup(c), max(1, int(round(width * self.k))), cv2.LINE_AA, SHIFT)

    def poly(self, xy, c, alpha=1.0):
        if alpha >= 0.999:
            cv2.fillPoly(self.p, [self.at(xy)], tup(c), cv2.LINE_AA, SHIFT)
            return
        q = self.p.copy()
        cv2.fillPoly(q, [self.at(xy)], tup(c), cv2.LINE_AA, SHIFT)
        cv2.addWeighted(q, float(alpha), self.p, 1 - float(alpha), 0, self.p)

    def close(self):
        if self.k > 1:
            p = cv2.resize(self.p, (self.x1 - self.x0, self.y1 - self.y0), interpolation=cv2.INTER_AREA)
        else:
            p = self.p
        self.img[self.y0:self.y1, self.x0:self.x1] = p


def style(g):
    """How the hoops of one place look."""
    s = {}
    toy = g.random() < 0.18
    s["bw"] = g.choice([0.915, 0.915, 0.915, 0.9, 0.7, 0.55]) if not toy else g.uniform(0.3, 0.6)
    s["bh"] = {True: 1.07, False: g.uniform(0.75, 1.1)}[s["bw"] > 0.9] if not toy else g.uniform(0.4, 0.8)
    s["low"] = g.uniform(0.1, 0.35) if not toy else g.uniform(-0.05, 0.3)
    s["fan"] = g.random() < (0.12 if not toy else 0.3)
    s["gap"] = g.uniform(0.10, 0.18)                       # from the ring's rod to the board
    kind = g.random()
    s["glass"] = kind < 0.38
    s["alpha"] = g.uniform(0.02, 0.45) if s["glass"] else 1.0
    s["mesh"] = kind > 0.95                                # steel with holes
    s["face"] = one(g, [[240, 242, 245], [215, 220, 225], [140, 150, 160]]) if s["glass"] else one(
        g, [[240, 240, 240], [225, 225, 218], [245, 245, 250], [20, 20, 22], [150, 110, 70], [90, 95, 100], [40, 60, 120], [130, 30, 30], [120, 80, 50], [200, 200, 205]])
    dark = s["face"].mean() < 110
    s["line"] = one(g, [[245, 245, 245], [240, 240, 240], [230, 60, 30]] if s["glass"] or dark else [[210, 25, 25], [15, 15, 15], [25, 40, 130], [240, 110, 25], [180, 180, 180]])
    s["lines"], s["edge"] = g.random() < 0.85, g.random() < 0.7
    s["lw"], s["frame"] = g.uniform(0.03, 0.06), g.uniform(0, 0.06) if g.random() < 0.7 else 0
    s["framec"] = one(g, [[25, 25, 25], [180, 185, 190], [235, 235, 235], [25, 40, 110], [190, 25, 25], [15, 80, 50]])
    s["pad"] = g.random() < 0.35
    s["padc"] = one(g, [[15, 15, 15], [25, 40, 130], [150, 15, 15], [25, 100, 50], [100, 100, 105], [200, 170, 20]])
    s["ring"] = one(g, [[215, 65, 20], [205, 30, 20], [240, 105, 25], [160, 35, 30], [25, 25, 25], [230, 230, 230], [140, 80, 40], [240, 140, 40], [30, 60, 150], [220, 190, 30]] if g.random() < 0.45 else [[215, 65, 20], [225, 80, 30], [205, 30, 20], [240, 105, 25]])
    s["rod"] = g.uniform(0.007, 0.013) if not toy else g.uniform(0.01, 0.03)
    s["double"] = g.random() < 0.15
    s["bracket"] = s["ring"] if g.random() < 0.7 else colour(g, 0.3)
    net = g.choice(["white", "tricolour", "chain", "colour", "none"], p=[0.64, 0.10, 0.06, 0.08, 0.12])
    s["net"], s["netc"] = net, {"white": near(g, [232, 232, 230], 14), "tricolour": near(g, [232, 232, 230], 10), "chain": near(g, [150, 152, 155], 30), "colour": colour(g, 0.9), "none": None}[net]
    s["strings"], s["levels"] = int(g.choice([8, 10, 12, 12, 12, 16])), int(g.integers(4, 8))
    s["length"], s["bottom"], s["bulge"] = g.uniform(0.32, 0.5), g.uniform(0.07, 0.16), g.uniform(0.5, 1.5)
    s["cord"] = g.uniform(0.004, 0.012) if net != "chain" else g.uniform(0.006, 0.014)
    s["mount"] = g.choice(["post", "goose", "base", "arms", "truss", "wall", "free"], p=[0.22, 0.16, 0.14, 0.16, 0.14, 0.14, 0.04])
    s["polec"] = one(g, [[25, 25, 25], [75, 75, 80], [215, 215, 215], [25, 40, 100], [130, 25, 25], [150, 152, 155], [20, 70, 50]])
    s["r"] = g.uniform(0.04, 0.11)
    s["back"] = g.uniform(0.6, 2.4)
    s["board"] = g.random() > 0.03
    s["shade"] = g.uniform(0.55, 1.15)
    return s


def hoop(g, img, cam, place, s, ground, most=1600):
    """Draws one; returns the ring's box (cx, cy, w, h), and how much of it can be seen; None: behind the camera or out of the picture.

    place: (x, y, z, turn): the ring's centre, and how it is turned round the upright."""
    cx, cy, cz, turn = place
    c, sn = math.cos(turn), math.sin(turn)

    def world(p):
        p = np.asarray(p, np.float64)
        return np.stack([cx + c * p[..., 0] - sn * p[..., 1], cy + sn * p[..., 0] + c * p[..., 1], cz + p[..., 2]], -1)

    scr = lambda p: cam.project(world(p))[0]
    a = np.linspace(0, 2 * math.pi, 64, endpoint=False)
    r0 = RING - s["rod"]
    circ = np.stack([r0 * np.cos(a), r0 * np.sin(a), a * 0], -1)
    outer, z = cam.project(world(circ * [RING / r0, RING / r0, 1]))
    if z.min() < 0.4:
        return None
    lo, hi = outer.min(0), outer.max(0)
    w = hi[0] - lo[0]
    px = w / (2 * RING)                                    # pixels a metre at the ring
    thick = 2 * s["rod"] * px
    box = ((lo[0] + hi[0]) / 2, (lo[1] + hi[1]) / 2, w, max(hi[1] - lo[1], thick))
    if w < 2 or hi[0] < -3 * w or lo[0] > cam.w + 3 * w or hi[1] < -3 * w or lo[1] > cam.h + 6 * w:
        return None
    f = RING + s["gap"]                                    # the board's face
    W, z0, z1 = s["bw"], -s["low"], s["bh"] - s["low"]
    eye = cam.eye - (cx, cy, cz)
    ey = -sn * eye[0] + c * eye[1]
    behind = ey > f
    # the part of the picture that is touched
    far = f + s["back"] + 0.4
    down = ground - cz if s["mount"] in ("post", "goose", "base") else (-1.5 if s["mount"] == "free" else z0 - 0.3)
    up = 4.0 if s["mount"] == "truss" else z1 + 1.0
    corners = world([[x, y, zz] for x in (-W - 0.6, W + 0.6) for y in (-RING, far) for zz in (down, up)])
    q, zq = cam.project(corners)
    if zq.min() < 0.3:
        q = np.array([[0, 0], [cam.w, cam.h]])
    area = (q[:, 0].min() - 2, q[:, 1].min() - 2, q[:, 0].max() + 2, q[:, 1].max() + 2)
    area = (max(area[0], 0), max(area[1], 0), min(area[2], cam.w), min(area[3], cam.h))
    k = int(np.clip(round(90 / max(w, 1)), 1, 5))
    while k > 1 and max(area[2] - area[0], area[3] - area[1]) * k > most:
        k -= 1
    pen = Pen(img, area, k)
    if pen.empty:
        return None
    sh = s["shade"]
    col = lambda v, t=1.0: np.clip(np.asarray(v) * sh * t, 0, 255)

    def beam(p, q, r, cc):
        pts, zz = cam.project(world([p, q]))
        if zz.min() > 0.3:
            pen.path(pts, cc, max(0.6 / pen.k, 2 * r * cam.f / zz.mean()))

    def mount():
        m, b, pc, r = s["mount"], f + 0.04, col(s["polec"]), s["r"]
        y2 = f + s["back"]
        if m == "post" or m == "base":
            beam((0, y2, z1 * 0.4), (0, y2 + (0.5 if m == "base" else 0), ground - cz), r, pc)
            for zz in (z0 + 0.1, z1 * 0.7):
                beam((0, b, zz), (0, y2, zz * (0.8 if m == "base" else 1) - 0.2), r * 0.7, pc)
            beam((-0.3, b, z0 + 0.15), (0, y2, z0), r * 0.4, pc)
            beam((0.3, b, z0 + 0.15), (0, y2, z0), r * 0.4, pc)
            if m == "base":
                bc = col(s["padc"])
                pts = np.array([[x, y2 + yy, zz] for x in (-0.5, 0.5) for yy in (-0.2, 1.2) for zz in (ground - cz, ground - cz + 0.35)])
                p, zz = cam.project(world(pts))
                if zz.min() > 0.3:
                    hull = cv2.convexHull(p.astype(np.float32)).reshape(-1, 2)
                    pen.poly(hull, bc)
        elif m == "goose":
            pts = [(0, b, z0 + 0.3), (0, b + s["back"] * 0.4, z0 + 0.35), (0, b + s["back"] * 0.8, z0 + 0.2), (0, b + s["back"] * 0.97, z0 - 0.15), (0, y2, z0 - 0.6), (0, y2, ground - cz)]
            for p, q in zip(pts, pts[1:]):
                beam(p, q, r, pc)
        elif m == "arms":
            for x in (-0.45, 0.45):
                for za, zb in ((z1 - 0.1, z1 + 0.1), (z0 + 0.1, z0 + 0.1)):
                    beam((x, b, za), (x * 1.2, y2, zb), r * 0.6, pc)
                beam((x, b, z0 + 0.1), (x * 1.2, y2, z1), r * 0.4, pc)
            beam((-0.45, b, z1 - 0.1), (0.45, b, z0 + 0.1), r * 0.4, pc)
        elif m == "truss":
            for x in (-0.5, 0.5):
                beam((x, b, z0 + 0.1), (x * 1.4, y2, 4.0), r * 0.7, pc)
                beam((x, b, z1), (x, b, 4.0), r * 0.6, pc)
                beam((x, b, z1), (x * 1.2, y2, 2.0), r * 0.5, pc)
            for zz in (z0 + 0.15, z1, 2.2, 3.2):
                beam((-0.5, b, zz), (0.5, b, zz), r * 0.5, pc)

    def board():
        if not s["board"]:
            return
        if s["fan"]:
            t = np.linspace(0, math.pi, 24)
            out = np.stack([W * np.cos(t), 0 * t + f, z0 + (z1 - z0) * (0.35 + 0.65 * np.sin(t))], -1)
            out = np.concatenate([out, [[-W * 0.55, f, z0], [W * 0.55, f, z0]]])
        else:
            out = np.array([[-W, f, z0], [W, f, z0], [W, f, z1], [-W, f, z1]])
        side = np.concatenate([out, out + [0, 0.04, 0]])
        alpha = s["alpha"] * (0.8 if s["mesh"] else 1)
        if s["alpha"] > 0.6:
            pen.poly(cv2.convexHull(scr(side).astype(np.float32)).reshape(-1, 2), col(s["face"], 0.6))
        pen.poly(scr(out), col(s["face"], g.uniform(0.85, 1.1)), alpha)
        if s["mesh"]:
            seg = [[[x, f, z0], [x, f, z1]] for x in np.linspace(-W, W, 24)] + [[[-W, f, y], [W, f, y]] for y in np.linspace(z0, z1, 14)]
            pen.lines(scr(np.array(seg)), col(s["framec"]), 0.012 * px)
        if behind and not s["glass"]:
            return
        lw = max(0.5 / pen.k, s["lw"] * px)
        if s["edge"]:
            mid = out.mean(0)
            pen.path(scr(mid + (out - mid) * 0.96), col(s["line"]), lw, True)
        if s["lines"]:
            pen.path(scr(np.array([[x, f, zz] for x, zz in ((-0.295, 0.15), (0.295, 0.15), (0.295, 0.6), (-0.295, 0.6))]) * [min(1, W / 0.75), 1, min(1, z1 / 0.75)]), col(s["line"]), lw, True)
        if s["frame"]:
            pen.path(scr(out), col(s["framec"]), max(0.5 / pen.k, s["frame"] * px), True)
        if s["pad"]:
            for p, q2 in (((-W, f, z0), (W, f, z0)), ((-W, f, z0), (-W, f, z0 + 0.35)), ((W, f, z0), (W, f, z0 + 0.35))):
                beam(p, q2, 0.03, col(s["padc"]))

    # net: strings in a diamond mesh
    back_seg = front_seg = bottom = None
    view_y = (cam.eye - (cx, cy, cz))[:2]
    view = np.array([c * view_y[0] + sn * view_y[1], -sn * view_y[0] + c * view_y[1]])
    view = view / max(1e-6, np.linalg.norm(view))
    if s["net"] != "none":
        n, L = s["strings"], s["levels"]
        lv = np.arange(L + 1) / L
        rad = r0 + (s["bottom"] - r0) * lv ** s["bulge"]
        rad = rad * (1 + g.uniform(0, 0.25) * np.maximum(0, lv - 0.7))
        th = 2 * math.pi / n * (np.arange(n)[None] + 0.5 * (np.arange(L + 1) % 2)[:, None])
        x = np.stack([rad[:, None] * np.cos(th), rad[:, None] * np.sin(th), np.broadcast_to(-s["length"] * lv[:, None], th.shape)], -1)
        x = x + g.normal(0, 1, x.shape) * (0.003 + 0.015 * g.random() ** 2) * lv[:, None, None] * 2
        x[..., :2] += g.normal(0, 0.03 if g.random() < 0.8 else 0.12, 2) * lv[:, None, None] ** 1.4
        if g.random() < 0.06:                               # thrown up by a ball
            x[..., 2] *= g.uniform(0.2, 0.7)
        seg, lev = [], []
        for l in range(L):
            o = 1 if l % 2 else 0
            nxt = x[l + 1]
            seg += [np.stack([x[l], nxt], 1), np.stack([x[l], np.roll(nxt, 1 if not o else -1, 0)], 1)]
            lev += [np.full(n, l)] * 2
        seg, lev = np.concatenate(seg), np.concatenate(lev)
        if g.random() < 0.1:                                # torn
            seg, lev = (lambda keep: (seg[keep], lev[keep]))(g.random(len(seg)) > g.uniform(0.05, 0.5))
        near_side = (seg[:, :, :2].mean(1) * view).sum(-1) > 0
        cuts = [(seg[~near_side], lev[~near_side]), (seg[near_side], lev[near_side])]

        def strings(which, t):
            sg, l = cuts[which]
            if not len(sg):
                return
            xy = scr(sg)
            wd = s["cord"] * px
            if s["net"] == "tricolour":
                third = np.minimum(2, l * 3 // s["levels"])
                for kk, cc in enumerate(([200, 40, 40], [235, 235, 235], [40, 60, 160])):
                    if (third == kk).any():
                        pen.lines(xy[third == kk], col(cc, t), wd)
            else:
                pen.lines(xy, col(s["netc"], t), wd)
    else:
        strings = lambda which, t: None

    def ring(front):
        m = (circ[:, :2] * view).sum(-1)
        pts = scr(circ)
        order = m > 0 if front else m <= 0
        idx = np.nonzero(order)[0]
        if not len(idx):
            return
        start = [i for i in idx if not order[(i - 1) % 64]]
        i0 = start[0] if start else 0
        path = [pts[(i0 + j) % 64] for j in range(-1, order.sum() + 1)]
        wd = max(0.7 / pen.k, thick)
        cc = col(s["ring"], 1.0 if front else 0.8)
        if s["double"]:
            p2 = scr(circ * [1, 1, 0] - [0, 0, 2.2 * s["rod"]])
            pen.path(np.array([p2[(i0 + j) % 64] for j in range(-1, order.sum() + 1)]), cc * 0.85, wd)
        pen.path(np.array(path), cc, wd)

    def bracket():
        bc = col(s["bracket"])
        for x0, x1, za, zb in ((-0.06, -0.05, -0.02, 0), (0.06, 0.05, -0.02, 0), (0, 0, -0.14, -0.02), (-0.1, -0.06, -0.16, -0.01), (0.1, 0.06, -0.16, -0.01)):
            beam((x0, f - 0.005, za), (x1, r0 * 0.97, zb), 0.014, bc)
        h = 0.03 + 0.06 * (s["lw"] > 0.045)
        pen.poly(scr(np.array([[-0.08, f - 0.005, -h], [0.08, f - 0.005, -h], [0.08, f - 0.005, h * 0.6], [-0.08, f - 0.005, h * 0.6]])), bc)

    def basket():
        ring(False)
        strings(0, 0.85)
        if g.random() < 0.08:                               # a ball in or at the ring
            b = world(np.array([g.normal(0, 0.12), g.normal(0, 0.12), g.uniform(-0.35, 0.3)]))
            ball(g, pen, cam, b)
        strings(1, 1.0)
        ring(True)

    if behind:
        bracket(), basket(), board(), mount()
        seen = 0.0 if not s["glass"] and s["board"] and abs(ey / max(1e-6, np.linalg.norm(eye[:2]))) > 0.3 else 0.7
    else:
        mount(), board(), bracket(), basket()
        seen = 1.0
    pen.close()
    return box, seen


def ball(g, pen, cam, at):
    p, z = cam.project(np.asarray(at)[None])
    if z[0] < 0.5:
        return
    r = 0.12 * cam.f / z[0]
    c = one(g, [[205, 105, 45], [190, 85, 40], [225, 130, 60], [150, 75, 40], [60, 60, 120], [200, 200, 200]] if g.random() < 0.3 else [[205, 105, 45], [190, 85, 40], [225, 130, 60]])
    o = tuple(int(v) for v in pen.at(p)[0])
    rr = int(r * pen.k * (1 << SHIFT))
    cv2.circle(pen.p, o, rr, tup(c * 0.8), -1, cv2.LINE_AA, SHIFT)
    cv2.circle(pen.p, (o[0] - rr // 8, o[1] - rr // 6), int(rr * 0.8), tup(np.minimum(c * 1.08, 255)), -1, cv2.LINE_AA, SHIFT)
    if r > 4:
        t = g.uniform(0, 360)
        for w in (1.0, 0.35):
            cv2.ellipse(pen.p, o, (rr, int(rr * w * 0.5)), t, 0, 360, tup(c * 0.3), 1, cv2.LINE_AA, SHIFT)


SKIN = [[217, 166, 128], [153, 107, 77], [90, 56, 38], [190, 140, 102]]


def person(g, img, cam, at, height=None):
    """A figure of capsules that stands at `at`; returns its mask's bounding box in pixels, or None."""
    hgt = height or g.uniform(1.3, 2.0)
    turn = g.uniform(0, 2 * math.pi)
    c, s = math.cos(turn), math.sin(turn)
    k = hgt / 1.8
    jump = g.uniform(0, 0.7) if g.random() < 0.2 else 0

    def w(x, y, z):
        return [at[0] + (c * x - s * y) * k, at[1] + (s * x + c * y) * k, at[2] + z * k + jump]

    stride, bend = g.normal(0, 0.18), abs(g.normal(0, 0.1))
    lean = g.normal(0, 0.1)
    hip = lambda q: w(0.09 * q, 0, 0.92 - bend)
    knee = lambda q: w(0.12 * q, stride * q + bend, 0.48 - bend * 0.3)
    foot = lambda q: w(0.13 * q, 1.7 * stride * q, 0.06)
    sh = lambda q: w(0.19 * q, lean, 1.45 - bend)
    joints = {}
    up = g.random() < 0.35
    for q in (-1, 1):
        a = g.uniform(1.8, 3.0) if up else g.uniform(-0.6, 1.2)
        b = a + g.uniform(-0.3, 1.2)
        e = (0.22 * q + g.normal(0, 0.03), lean + 0.28 * math.sin(a), 1.45 - bend - 0.28 * math.cos(a))
        h = (e[0] * g.uniform(0.4, 1.1), e[1] + 0.27 * math.sin(b), e[2] - 0.27 * math.cos(b))
        joints[q] = (w(*e), w(*h))
    pts = [w(0, 0, 0), w(0, lean, 1.8)]
    p, z = cam.project(np.array(pts))
    if z.min() < 0.5:
        return None
    tall = abs(p[0, 1] - p[1, 1])
    x0, x1 = p[:, 0].min() - tall * 0.5, p[:, 0].max() + tall * 0.5
    y0, y1 = p[:, 1].min() - tall * 0.5, p[:, 1].max() + tall * 0.15
    if x1 < 0 or x0 > cam.w or y1 < 0 or y0 > cam.h or tall < 4:
        return None
    pen = Pen(img, (x0, y0, x1, y1), 2 if tall < 150 else 1)
    if pen.empty:
        return None
    skin, shirt, short, shoe, hair = one(g, SKIN, 10), colour(g, 0.8), colour(g, 0.5), colour(g, 0.4), one(g, [[20, 18, 16], [70, 50, 30], [160, 130, 80], [120, 120, 120]], 8)
    m = k * cam.f / z.mean()

    def limb(a, b, r, cc):
        q, _ = cam.project(np.array([a, b]))
        pen.path(q, cc, 2 * r * m)

    sleeve = shirt if g.random() < 0.5 else skin
    trousers = short if g.random() < 0.4 else skin
    for q in (-1, 1):
        limb(hip(q), knee(q), 0.085, short), limb(knee(q), foot(q), 0.055, trousers), limb(foot(q), w(0.13 * q, 1.7 * stride * q + 0.12, 0.04), 0.045, shoe)
    t, _ = cam.project(np.array([w(-0.17, lean, 1.46 - bend), w(0.17, lean, 1.46 - bend), w(0.13, 0, 0.9 - bend), w(-0.13, 0, 0.9 - bend), w(0, lean + 0.1, 1.42), w(0, lean - 0.1, 1.42), w(0, 0.1, 0.9), w(0, -0.1, 0.9)]))
    pen.poly(cv2.convexHull(t.astype(np.float32)).reshape(-1, 2), shirt)
    limb(hip(-1), hip(1), 0.1, short)
    for q in (-1, 1):
        e, h = joints[q]
        limb(sh(q), e, 0.05, sleeve), limb(e, h, 0.04, skin), limb(h, h, 0.05, skin)
    limb(w(0, lean, 1.5 - bend), w(0, lean, 1.6 - bend), 0.05, skin)
    head = w(0, lean + 0.02, 1.68 - bend)
    limb(head, w(0, lean + 0.02, 1.71 - bend), 0.105, skin)
    limb(w(0, lean - 0.03, 1.74 - bend), w(0, lean - 0.03, 1.75 - bend), 0.1, hair)
    if g.random() < 0.25:
        ball(g, pen, cam, joints[1][1])
    pen.close()
    return x0 + tall * 0.25, y0 + tall * 0.3, x1 - tall * 0.25, y1


def junk(g, img, n):
    """Things that look a little like rings, boards or nets, anywhere in the picture."""
    h, w = img.shape[:2]
    for _ in range(n):
        k = g.random()
        x, y = g.uniform(0, w), g.uniform(0, h)
        r = math.exp(g.uniform(math.log(4), math.log(90)))
        c = one(g, [[215, 65, 20], [240, 105, 25], [205, 30, 20], [230, 230, 230], [30, 30, 30], [240, 200, 40]]) if g.random() < 0.6 else colour(g, 0.8)
        pen = Pen(img, (x - 2 * r, y - 2 * r, x + 2 * r, y + 2 * r), 3 if r < 30 else 1)
        if pen.empty:
            continue
        o = tuple(int(v) for v in pen.at((x, y)))
        R = int(r * pen.k * 16)
        th = max(1, int(pen.k * r * g.uniform(0.05, 0.3)))
        if k < 0.14:                                        # a circle or an upright ellipse
            cv2.ellipse(pen.p, o, (int(R * g.uniform(0.25, 1)), R), g.uniform(-25, 25), 0, 360, tup(c), -1 if g.random() < 0.4 else th, cv2.LINE_AA, 4)
        elif k < 0.24:                                      # a part of a flat ellipse: lines of a court, edges of plates
            a = g.uniform(0, 360)
            cv2.ellipse(pen.p, o, (R, int(R * g.uniform(0.05, 0.5))), g.uniform(-20, 20), a, a + g.uniform(30, 150), tup(c), th, cv2.LINE_AA, 4)
        elif k < 0.34:                                      # a board without a ring: windows, signs, screens
            a = g.uniform(0.4, 1)
            pts = np.array([[-1, -a], [1, -a], [1, a], [-1, a]]) * r + (x, y) + g.normal(0, 0.06, (4, 2)) * r
            pen.poly(pts, colour(g, 0.4), g.uniform(0.3, 1))
            pen.path(pts, c, max(1, 0.06 * r), True)
            if g.random() < 0.5:
                pen.path((pts - (x, y)) * 0.35 + (x, y), c, max(1, 0.05 * r), True)
        elif k < 0.44:                                      # a lattice: fences, goal nets
            s = max(2, r * g.uniform(0.08, 0.3))
            seg = []
            lean = g.choice([0, 1])
            for q in np.arange(-r, r, s):
                seg += [[[x + q, y - r], [x + q + lean * r, y + r]], [[x + q, y - r], [x + q - lean * r, y + r]] if lean else [[x - r, y + q], [x + r, y + q]]]
            pen.lines(np.array(seg), colour(g, 0.2), g.uniform(0.3, 1.5))
        elif k < 0.54:                                      # a wheel, a fan, a clock
            rr = R * g.uniform(0.85, 1)
            cv2.circle(pen.p, o, int(rr), tup(c), th, cv2.LINE_AA, 4)
            for a in np.linspace(0, 2 * math.pi, int(g.integers(3, 24)), endpoint=False):
                pen.lines(np.array([[[x, y], [x + r * math.cos(a), y + r * math.sin(a)]]]), c, max(0.4, 0.03 * r))
        elif k < 0.64:                                      # orange: cones, jackets, bibs, balls
            if g.random() < 0.5:
                pen.poly(np.array([[x - r * 0.5, y + r], [x + r * 0.5, y + r], [x + r * 0.05, y - r], [x - r * 0.05, y - r]]), one(g, [[240, 110, 30], [220, 60, 25]]))
            else:
                cv2.circle(pen.p, o, R // 2, tup(one(g, [[205, 105, 45], [190, 85, 40]])), -1, cv2.LINE_AA, 4)
        elif k < 0.74:                                      # bars: pipes, handrails, antennas
            a = g.uniform(-0.3, 0.3) + g.choice([0, math.pi / 2])
            d = np.array([math.cos(a), math.sin(a)]) * r * 2
            for j in range(int(g.integers(1, 5))):
                e = np.array([-d[1], d[0]]) * j * 0.1
                pen.path(np.array([(x, y) - d + e, (x, y) + d + e]), c, max(0.5, r * g.uniform(0.01, 0.08)))
        elif k < 0.82:                                      # a lamp
            q = pen.p.astype(np.float32)
            yy, xx = np.mgrid[0:q.shape[0], 0:q.shape[1]]
            d2 = ((xx - o[0] / 16) ** 2 + (yy - o[1] / 16) ** 2) / (pen.k * r * 0.4) ** 2
            pen.p = np.clip(q + 300 * np.exp(-d2)[..., None], 0, 255).astype(np.uint8)
        elif k < 0.92:                                      # letters
            cv2.putText(pen.p, "".join(chr(g.integers(48, 91)) for _ in range(g.integers(1, 6))), (o[0] // 16 - R // 16, o[1] // 16), int(g.integers(0, 8)), pen.k * r / 25, tup(c), max(1, int(pen.k * r / 12)), cv2.LINE_AA)
        else:                                               # a cup or a lampshade: narrower above or below, no ring's colour and no cords
            a, b = g.uniform(0.3, 1, 2)
            pen.poly(np.array([[x - r * a, y - r], [x + r * a, y - r], [x + r * b, y + r], [x - r * b, y + r]]), colour(g, 0.4))
        pen.close()
