"""Where things stand: a camera, the surfaces of a hall or a court, and what is painted on them.

Metres; the first ring's centre is over the origin, its board's face stands at y > 0, the court lies at y < 0, z is up.
A hall is the inside of a box; an outdoor court is a larger one whose walls are what is seen behind it.
"""
import math

import cv2
import numpy as np

RING = 0.2376                         # outer radius of the ring
_NOISE = np.random.default_rng(7).standard_normal((1024, 1024)).astype(np.float32)


def unit(v):
    return v / max(1e-9, float(np.linalg.norm(v)))


class Camera:
    """A pinhole camera; `project` gives pixels and depth, `rays` one direction a pixel."""

    def __init__(self, eye, yaw, pitch, roll, f, size):
        self.eye, self.f, (self.w, self.h) = np.asarray(eye, np.float64), f, size
        ahead = np.array([math.sin(yaw) * math.cos(pitch), math.cos(yaw) * math.cos(pitch), math.sin(pitch)])
        right = np.array([math.cos(yaw), -math.sin(yaw), 0.0])
        up = np.cross(right, ahead)
        c, s = math.cos(roll), math.sin(roll)
        self.ahead, self.right, self.up = ahead, c * right + s * up, c * up - s * right

    def project(self, points):
        d = np.asarray(points, np.float64) - self.eye
        z = np.maximum(d @ self.ahead, 0.05)
        x = self.w / 2 + self.f * (d @ self.right) / z
        y = self.h / 2 - self.f * (d @ self.up) / z
        return np.stack([x, y], -1), d @ self.ahead

    def rays(self, step):
        """Directions of every step-th pixel, [h, w, 3]."""
        u = (np.arange(0, self.w, step, dtype=np.float32) + step / 2 - self.w / 2) / self.f
        v = (np.arange(0, self.h, step, dtype=np.float32) + step / 2 - self.h / 2) / self.f
        a = self.ahead.astype(np.float32)
        return a + u[None, :, None] * self.right.astype(np.float32) - v[:, None, None] * self.up.astype(np.float32)


def aimed(g, eye, point, at, f, roll, size):
    """The camera at `eye` that sees `point` at pixel `at`."""
    d = unit(point - eye)
    yaw, pitch = math.atan2(d[0], d[1]), math.asin(max(-1, min(1, d[2])))
    for _ in range(6):
        cam = Camera(eye, yaw, pitch, roll, f, size)
        p, _ = cam.project(point[None])
        yaw += math.atan((p[0, 0] - at[0]) / f) * 0.9
        pitch -= math.atan((p[0, 1] - at[1]) / f) * 0.9
        pitch = max(-1.2, min(1.3, pitch))
    return Camera(eye, yaw, pitch, roll, f, size)


# ---------------------------------------------------------------- colours and surfaces

def colour(g, spread=0.5):
    """RGB 0..255: grey more often than not, sometimes strong."""
    base = g.uniform(8, 248)
    if g.random() < spread:
        c = base + g.normal(0, 60, 3)
    else:
        c = base + g.normal(0, 9, 3)
    return np.clip(c, 0, 255)


def near(g, c, s=18):
    return np.clip(np.asarray(c, np.float64) + g.normal(0, s) + g.normal(0, s * 0.4, 3), 0, 255)


def one(g, colours, s=18):
    return near(g, colours[g.integers(len(colours))], s)


def tup(c):
    return tuple(float(v) for v in c)


def noise(g, w, h, cells):
    """Smooth noise, sd about 1, [h, w]."""
    n = max(2, int(cells))
    m = max(2, int(cells * h / max(w, 1)))
    y, x = g.integers(0, 1024 - m), g.integers(0, 1024 - n)
    return cv2.resize(_NOISE[y:y + m, x:x + n], (w, h), interpolation=cv2.INTER_CUBIC)


def grain(g, w, h):
    y, x = g.integers(0, 1024 - h), g.integers(0, 1024 - w)
    return _NOISE[y:y + h, x:x + w]


def mottled(g, w, h, c, strength):
    n = noise(g, w, h, g.uniform(2, 6)) + 0.6 * noise(g, w, h, g.uniform(8, 40))
    return np.clip(np.asarray(c, np.float32) * (1 + strength * n[..., None]), 0, 255).astype(np.uint8)


def words(g, t, n, scale):
    """Letters, as on banners and scoreboards."""
    h, w = t.shape[:2]
    for _ in range(n):
        s = "".join(chr(g.integers(48, 91)) for _ in range(g.integers(2, 12)))
        size = scale * g.uniform(0.4, 1.6)
        cv2.putText(t, s, (int(g.uniform(0, w * 0.9)), int(g.uniform(h * 0.1, h))), int(g.integers(0, 8)), size, tup(colour(g)), max(1, int(size * g.uniform(1, 4))), cv2.LINE_AA)


def photo(g, w, h, photos):
    p = photos[g.integers(len(photos))]
    ph, pw = p.shape[:2]
    k = g.uniform(0.35, 1.0)
    cw = min(pw, ph * w / h) * k
    ch = cw * h / w
    x, y = g.uniform(0, pw - cw), g.uniform(0, ph - ch)
    t = cv2.resize(p[int(y):int(y + ch) + 1, int(x):int(x + cw) + 1], (w, h), interpolation=cv2.INTER_AREA)
    return t[:, ::-1].copy() if g.random() < 0.5 else t


def wall(g, w, h, ppm, photos, tall):
    """A wall's picture, h rows for `tall` metres."""
    t = mottled(g, w, h, one(g, [[225, 220, 212], [190, 180, 160], [150, 140, 118], [205, 205, 210], [90, 97, 107], [60, 52, 46], [130, 155, 180], [40, 50, 75], [215, 200, 155], [30, 30, 32], [235, 235, 235], [120, 60, 45]], 20), g.uniform(0.01, 0.08))
    kind = g.random()
    if kind < 0.3:                                        # blocks or bricks
        rh = ppm * g.uniform(0.08, 0.3)
        dark = g.uniform(0.82, 1.12)
        for i in range(int(h / rh) + 1):
            y = int(i * rh)
            t[y:y + max(1, int(rh * 0.08)), :] = np.clip(t[y:y + max(1, int(rh * 0.08)), :] * dark, 0, 255)
            for x in np.arange((i % 2) * rh, w, rh * 2):
                t[y:y + int(rh), int(x):int(x) + max(1, int(rh * 0.08))] = np.clip(t[y:y + int(rh), int(x):int(x) + max(1, int(rh * 0.08))] * dark, 0, 255)
    elif kind < 0.5:                                      # upright panels
        pw = ppm * g.uniform(0.2, 2)
        for i, x in enumerate(np.arange(0, w, pw)):
            t[:, int(x):int(x + pw)] = np.clip(t[:, int(x):int(x + pw)] * (1 + g.normal(0, 0.03)), 0, 255)
            t[:, int(x):int(x) + max(1, int(ppm * 0.02))] = t[:, int(x):int(x) + max(1, int(ppm * 0.02))] * 0.7
    if g.random() < 0.5:                                  # two colours, or pads along the lower part
        y = int(h - ppm * g.uniform(0.8, 4))
        if 0 < y < h:
            c = one(g, [[25, 50, 130], [130, 25, 25], [25, 90, 50], [25, 25, 25], [180, 150, 25], [50, 80, 90], [190, 180, 150], [240, 240, 235], [150, 100, 60]])
            t[y:] = np.clip(c * (1 + 0.03 * noise(g, w, h - y, 6)[..., None]), 0, 255)
            if g.random() < 0.6:
                for x in np.arange(0, w, ppm * g.uniform(0.4, 1.5)):
                    t[y:, int(x):int(x) + max(1, int(ppm * 0.03))] = t[y:, int(x):int(x) + max(1, int(ppm * 0.03))] * 0.75
            if g.random() < 0.4:
                cv2.line(t, (0, y), (w, y), tup(colour(g)), max(1, int(ppm * g.uniform(0.03, 0.4))))
    if g.random() < 0.25:                                 # stands with people
        y0, rows = int(h - ppm * g.uniform(2, 5)), int(g.integers(3, 12))
        y0 = max(0, y0)
        rh = (h - y0) / rows
        full, seat = g.random() ** 1.5, colour(g, 0.8)
        for i in range(rows):
            y = int(y0 + i * rh)
            cv2.rectangle(t, (0, y), (w, int(y + rh)), tup(near(g, seat, 6)), -1)
            cv2.line(t, (0, y), (w, y), tup(near(g, seat * 0.5, 6)), max(1, int(rh * 0.15)))
            for x in np.arange(0, w, max(3, ppm * 0.5)):
                if g.random() < full:
                    xx = int(x + g.normal(0, 2))
                    cv2.rectangle(t, (xx, int(y + rh * 0.1)), (int(xx + ppm * 0.4), int(y + rh * 0.8)), tup(colour(g, 0.8)), -1)
                    cv2.circle(t, (int(xx + ppm * 0.2), y), max(1, int(ppm * 0.12)), tup(one(g, [[215, 165, 130], [150, 105, 75], [90, 60, 40]])), -1)
    for _ in range(g.integers(0, 5)):                     # windows, doors, boards, banners
        ww, hh = ppm * g.uniform(0.3, 4), ppm * g.uniform(0.3, 3)
        x, y = g.uniform(-ww / 2, w), g.uniform(0, h - hh * 0.3)
        c = one(g, [[250, 250, 250], [200, 225, 250], [60, 60, 60], [30, 60, 140], [160, 30, 30], [230, 200, 60], [240, 240, 240], [90, 60, 40]])
        a, b = (int(x), int(y)), (int(x + ww), int(y + hh))
        for k in range(int(g.integers(1, 6)) if g.random() < 0.4 else 1):
            o = int(k * ww * 1.2)
            cv2.rectangle(t, (a[0] + o, a[1]), (b[0] + o, b[1]), tup(c), -1)
            if g.random() < 0.5:
                cv2.rectangle(t, (a[0] + o, a[1]), (b[0] + o, b[1]), tup(colour(g, 0.2)), max(1, int(ppm * 0.05)))
            if g.random() < 0.4:
                for q in np.linspace(0, 1, int(g.integers(2, 7))):
                    cv2.line(t, (int(a[0] + o + q * ww), a[1]), (int(a[0] + o + q * ww), b[1]), (90, 90, 90), 1)
                    cv2.line(t, (a[0] + o, int(a[1] + q * hh)), (b[0] + o, int(a[1] + q * hh)), (90, 90, 90), 1)
    if g.random() < 0.15:                                 # a painted wall: strong shapes over each other
        x, y = g.uniform(0, w), g.uniform(0, h)
        for _ in range(g.integers(4, 25)):
            at = (int(x + g.normal(0, 2) * ppm), int(y + g.normal(0, 1) * ppm))
            r = ppm * g.uniform(0.05, 0.7)
            th = -1 if g.random() < 0.6 else max(1, int(r * 0.2))
            if g.random() < 0.5:
                cv2.ellipse(t, at, (max(1, int(r)), max(1, int(r * g.uniform(0.2, 1)))), g.uniform(0, 180), 0, int(g.uniform(90, 360)), tup(colour(g, 0.9)), th, cv2.LINE_AA)
            else:
                cv2.fillPoly(t, [(np.array(at) + g.normal(0, r, (int(g.integers(3, 6)), 2))).astype(np.int32)], tup(colour(g, 0.9)), cv2.LINE_AA)
    if photos and g.random() < 0.2:
        ww, hh = int(min(w - 2, ppm * g.uniform(1, 5))), int(min(h - 2, ppm * g.uniform(0.8, 3)))
        if ww > 8 and hh > 8:
            x, y = int(g.integers(0, w - ww)), int(g.integers(0, h - hh))
            t[y:y + hh, x:x + ww] = photo(g, ww, hh, photos)
    if g.random() < 0.4:
        words(g, t, int(g.integers(1, 4)), ppm / 25)
    if g.random() < 0.15:                                 # wall bars or a net that parts the hall
        s, c = ppm * g.uniform(0.1, 0.4), tup(colour(g, 0.3))
        x0, x1 = sorted(g.uniform(0, w, 2))
        for x in np.arange(x0, x1, s):
            cv2.line(t, (int(x), 0), (int(x), h), c, 1)
        for y in np.arange(0, h, s):
            cv2.line(t, (int(x0), int(y)), (int(x1), int(y)), c, 1)
    for _ in range(g.integers(0, 3)):                     # circles that are no rings
        r = ppm * g.uniform(0.1, 1.0)
        cv2.ellipse(t, (int(g.uniform(0, w)), int(g.uniform(0, h))), (max(1, int(r)), max(1, int(r * g.uniform(0.6, 1)))), 0, 0, 360, tup(colour(g, 0.7)), -1 if g.random() < 0.4 else max(1, int(r * g.uniform(0.05, 0.3))), cv2.LINE_AA)
    return t


def floor(g, w, h, ppm, indoor, ring_at):
    """The ground, with lines; ring_at: pixel of the point under the first ring."""
    if indoor:
        c = one(g, [[200, 160, 105], [185, 140, 90], [215, 180, 130], [160, 115, 70], [120, 130, 125], [90, 130, 160], [70, 110, 80], [150, 70, 55], [200, 195, 185]])
    else:
        c = one(g, [[110, 112, 115], [75, 80, 85], [60, 95, 75], [70, 110, 150], [150, 80, 65], [160, 158, 150], [95, 120, 60], [185, 165, 130], [50, 60, 110]])
    t = mottled(g, w, h, c, g.uniform(0.01, 0.1))
    if indoor and g.random() < 0.6:                       # planks
        s = ppm * g.uniform(0.06, 0.4)
        for x in np.arange(0, w, max(2, s)):
            t[:, int(x):int(x + s) + 1] = np.clip(t[:, int(x):int(x + s) + 1] * (1 + g.normal(0, 0.04)), 0, 255)
    x0, y0 = ring_at
    base = y0 - 1.2 * ppm                                 # the end line; rows grow towards the court
    q = lambda x, y: (int(x0 + x * ppm), int(base + y * ppm))
    for layer in range(int(g.integers(1, 4)) if indoor else 1):
        if g.random() < 0.12:
            continue
        c, th = tup(one(g, [[245, 245, 245], [20, 20, 20], [190, 30, 30], [30, 60, 160], [240, 210, 60], [30, 120, 60]])), max(1, int(ppm * g.uniform(0.05, 0.09)))
        if layer == 0:
            kw = g.uniform(1.8, 2.5)
            if g.random() < 0.35:
                cv2.rectangle(t, q(-kw, 0), q(kw, 5.8), tup(colour(g, 0.8)), -1)
            cv2.rectangle(t, q(-kw, 0), q(kw, 5.8), c, th)
            cv2.ellipse(t, q(0, 5.8), (int(1.8 * ppm),) * 2, 0, 0, 360, c, th)
            cv2.ellipse(t, q(0, 1.4), (int(g.uniform(6.1, 7.2) * ppm),) * 2, 0, 0, 180, c, th)
            half, long = g.uniform(7, 8), g.uniform(22, 29)
            cv2.rectangle(t, q(-half, 0), q(half, long), c, th)
            cv2.line(t, q(-half, long / 2), q(half, long / 2), c, th)
            cv2.ellipse(t, q(0, long / 2), (int(1.8 * ppm),) * 2, 0, 0, 360, c, th)
        else:
            for _ in range(g.integers(1, 6)):
                x, y = g.uniform(-10, 10), g.uniform(-1, 25)
                if g.random() < 0.7:
                    cv2.line(t, q(x, y), q(x if g.random() < 0.5 else g.uniform(-10, 10), y if g.random() < 0.5 else g.uniform(-1, 25)), c, th)
                else:
                    cv2.ellipse(t, q(x, y), (int(g.uniform(0.5, 6) * ppm),) * 2, 0, 0, int(g.choice([180, 360])), c, th)
    if indoor and g.random() < 0.6:                       # reflections of lamps and windows
        s = np.clip(noise(g, w, h, g.uniform(3, 12)) - g.uniform(0.4, 1.5), 0, 2) * g.uniform(20, 120)
        t = np.clip(t + s[..., None], 0, 255).astype(np.uint8)
    if not indoor and g.random() < 0.5:                   # shade
        s = 1 - g.uniform(0.2, 0.6) * (noise(g, w, h, g.uniform(2, 10)) > g.uniform(-0.3, 1)).astype(np.float32)
        t = (t * s[..., None]).astype(np.uint8)
    return t


def ceiling(g, w, h, ppm):
    t = mottled(g, w, h, one(g, [[230, 230, 228], [180, 178, 172], [110, 108, 105], [50, 50, 52], [25, 25, 25], [190, 160, 120], [140, 110, 80]]), g.uniform(0.01, 0.06))
    for _ in range(g.integers(0, 4)):                     # beams, trusses, ducts
        s, th, c = ppm * g.uniform(0.8, 5), max(1, int(ppm * g.uniform(0.05, 0.5))), tup(colour(g, 0.25))
        across = g.random() < 0.5
        for x in np.arange(g.uniform(0, s), w if across else h, s):
            a, b = ((int(x), 0), (int(x), h)) if across else ((0, int(x)), (w, int(x)))
            cv2.line(t, a, b, c, th)
            if g.random() < 0.3:
                for k in np.arange(0, h if across else w, s / 2):
                    p = (int(x - s / 4), int(k)) if across else (int(k), int(x - s / 4))
                    e = (int(x + s / 4), int(k + s / 2)) if across else (int(k + s / 2), int(x + s / 4))
                    cv2.line(t, p, e, c, max(1, th // 2))
    if g.random() < 0.8:                                  # lamps
        sx, sy, c = ppm * g.uniform(1.5, 6), ppm * g.uniform(1.5, 6), tup(near(g, [255, 252, 240], 8))
        lw, lh, disc = ppm * g.uniform(0.1, 0.8), ppm * g.uniform(0.1, 1.5), g.random() < 0.4
        for x in np.arange(sx / 2, w, sx):
            for y in np.arange(sy / 2, h, sy):
                if disc:
                    cv2.circle(t, (int(x), int(y)), max(1, int(lw)), c, -1)
                else:
                    cv2.rectangle(t, (int(x - lw), int(y - lh)), (int(x + lw), int(y + lh)), c, -1)
    return t


def sky(g, w, h):
    top = one(g, [[80, 120, 190], [115, 155, 220], [190, 200, 215], [220, 220, 222], [50, 75, 130], [20, 22, 35], [230, 160, 110]])
    low = one(g, [[150, 180, 225], [205, 215, 230], [230, 230, 230], [150, 165, 180], [240, 190, 140]]) if top.mean() > 60 else near(g, top, 10)
    f = np.linspace(0, 1, h, dtype=np.float32)[:, None, None] ** g.uniform(0.5, 2)
    t = top * (1 - f) + low * f + np.zeros((h, w, 3), np.float32)
    if g.random() < 0.6:
        n = noise(g, w, h, g.uniform(2, 5)) * 0.7 + noise(g, w, h, 12) * 0.4 + noise(g, w, h, 30) * 0.2
        a = np.clip(n - g.uniform(-0.3, 1), 0, 1)[..., None] * 0.8
        t = t * (1 - a) + near(g, [240, 240, 243], 15) * min(1, top.mean() / 120) * a
    return np.clip(t, 0, 255).astype(np.uint8)


def leaves(g, w, h):
    a = one(g, [[20, 30, 12], [38, 50, 20], [50, 40, 25], [12, 15, 12]], 8)
    b = one(g, [[76, 107, 38], [140, 140, 50], [100, 130, 76], [150, 158, 128], [128, 90, 50]], 15)
    n = 0.35 * noise(g, w, h, 8) + 0.4 * noise(g, w, h, 30) + 0.45 * noise(g, w, h, 110) + 0.3 * grain(g, w, h)
    f = np.clip(0.35 + g.uniform(0.15, 0.6) * n, 0, 1.3)[..., None]
    t = a * (1 - f) + b * f
    if g.random() < 0.5:                                  # sky through the crowns
        hole = (0.6 * noise(g, w, h, 20) + 0.6 * noise(g, w, h, 80) > g.uniform(0.9, 2))[..., None]
        t = np.where(hole, near(g, [225, 230, 238], 10), t)
    t = np.ascontiguousarray(np.clip(t, 0, 255).astype(np.uint8))
    for _ in range(g.integers(0, 14)):                    # trunks
        x, th = g.uniform(0, w), max(1, int(g.uniform(0.003, 0.03) * w))
        cv2.line(t, (int(x), h), (int(x + g.normal(0, 0.03) * w), int(g.uniform(-0.2, 0.6) * h)), tup(one(g, [[60, 50, 40], [110, 100, 90], [30, 26, 22]], 10)), th)
    return t


def facade(g, w, h):
    t = mottled(g, w, h, one(g, [[190, 170, 150], [150, 90, 70], [215, 210, 205], [110, 115, 120], [230, 225, 210]]), 0.04)
    sx, sy, c = w / g.uniform(3, 16), h / g.uniform(2, 8), tup(one(g, [[40, 45, 55], [90, 110, 130], [200, 215, 230], [230, 210, 140]]))
    fx, fy = g.uniform(0.25, 0.8, 2)
    for x in np.arange(0, w, sx):
        for y in np.arange(sy * 0.2, h, sy):
            cv2.rectangle(t, (int(x), int(y)), (int(x + sx * fx), int(y + sy * fy)), c, -1)
    return t


def outlook(g, w, h, ppm, back, tall, photos):
    """What is seen behind an outdoor court: sky above trees, houses or a fence; h rows for `tall` metres."""
    if photos and g.random() < 0.45:
        return photo(g, w, h, photos)
    t = cv2.resize(back, (w, h))
    for _ in range(g.integers(1, 4)):
        top = int(h * (1 - min(0.98, g.uniform(1, 25) / tall)))
        if h - top < 4:
            continue
        kind = g.random()
        if kind < 0.55:
            edge = top + (noise(g, w, 8, g.uniform(4, 60))[4] * h * g.uniform(0.01, 0.08))
            m = (np.arange(h)[:, None] > edge[None])[..., None]
            t = np.where(m, leaves(g, w, h), t)
        elif kind < 0.85:
            x0, x1 = sorted(g.uniform(-0.2, 1.2, 2) * w)
            x0, x1 = int(max(0, x0)), int(min(w, x1))
            if x1 - x0 > 8:
                t = t.copy()
                t[top:, x0:x1] = facade(g, x1 - x0, h - top)
        else:
            t = t.copy()
            t[top:] = mottled(g, w, h - top, colour(g), 0.05)
    t = np.ascontiguousarray(t)
    if g.random() < 0.4:                                  # a fence
        top, s, c = int(h * (1 - g.uniform(1, 4) / tall)), max(2, ppm * g.uniform(0.06, 0.5)), tup(one(g, [[60, 60, 60], [170, 172, 175], [30, 60, 40]]))
        lean = s * g.choice([0, 1, -1, 0.5])
        for x in np.arange(-h, w + h, s):
            cv2.line(t, (int(x), top), (int(x + (h - top) * (lean / s)), h), c, 1)
            cv2.line(t, (int(x), top), (int(x - (h - top) * (lean / s)), h), c, 1)
        cv2.line(t, (0, top), (w, top), c, 2)
    return t


def box_inside(g, cam, low, high, indoor, photos):
    """The picture of the inside of a box [low, high], seen by `cam`."""
    step = 1 if g.random() < 0.7 else 2
    d = cam.rays(step)
    d = np.where(np.abs(d) < 1e-5, 1e-5, d)
    edge = np.where(d > 0, np.asarray(high, np.float32), np.asarray(low, np.float32))
    t3 = (edge - cam.eye.astype(np.float32)) / d
    axis = t3.argmin(-1)
    t = np.take_along_axis(t3, axis[..., None], -1)
    p = cam.eye.astype(np.float32) + t * d
    out = np.zeros(d.shape[:2] + (3,), np.uint8)
    size = np.asarray(high) - np.asarray(low)
    back = sky(g, 512, 256)
    same = None
    for a in range(3):
        for s in (0, 1):
            m = (axis == a) & ((d[..., a] > 0) == bool(s))
            if m.sum() < 4:
                continue
            iu, iv = ((1, 2), (0, 2), (0, 1))[a]
            ppm = min(g.uniform(14, 40), 1000 / size[iu], 1000 / size[iv])
            w, h = max(16, int(size[iu] * ppm)), max(16, int(size[iv] * ppm))
            if a == 2 and s == 0:
                tex = floor(g, w, h, ppm, indoor, (-low[0] * ppm, (high[1] - 0) * ppm))
                v = (high[1] - p[..., 1]) * ppm
            elif a == 2:
                tex = ceiling(g, w, h, ppm) if indoor else cv2.resize(back, (w, h))
                v = (p[..., iv] - low[iv]) * ppm
            else:
                if indoor:
                    tex = wall(g, w, h, ppm, photos, size[2])
                    if same is not None and g.random() < 0.5:
                        tex = cv2.resize(same, (w, h))
                    same = tex
                else:
                    tex = outlook(g, w, h, ppm, back, size[2], photos)
                v = (high[2] - p[..., 2]) * ppm
            u = (p[..., iu] - low[iu]) * ppm
            r = cv2.remap(tex, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            if indoor:
                r = np.clip(r * g.uniform(0.6, 1.1), 0, 255).astype(np.uint8)
            out[m] = r[m]
    if step > 1:
        out = cv2.resize(out, (cam.w, cam.h), interpolation=cv2.INTER_LINEAR)
    return out
