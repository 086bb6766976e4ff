"""Whole pictures with hoops, as a camera gives them: `picture(seed)`; the same seed gives the same picture.

    python -m train.finder.draw OUT.png [--first 0 --count 24] [--photos FILE]     a sheet to look at
    python -m train.finder.draw --time 64                                          pictures a second

A picture is [360, 640] in Y, Cb, Cr, its content fitted in with grey about it, and its rings are boxes
(centre x, centre y, width, height, kind): kind 1 must be found, kind 2 weighs nothing (too small, hidden, cut off).
"""
import argparse
import math
import time

import cv2
import numpy as np

from .. import given
from . import scene, things

W, H, MOST = 640, 360, 16             # size, and rings a picture at most
SMALL = 6.0                           # narrower rings weigh nothing


def shape(g):
    """Width and height of the content within W x H, as a camera of that shape is fitted in."""
    k = g.random()
    a = 16 / 9 if k < 0.55 else 9 / 16 if k < 0.65 else 4 / 3 if k < 0.77 else 1.0 if k < 0.92 else g.uniform(0.45, 2.2)
    return (W, max(64, int(W / a))) if a > W / H else (max(64, int(H * a)), H)


def place(g, size, indoor, free):
    """A camera that sees the first ring, and where the hoops stand."""
    w, h = size
    zr = g.choice([3.05, 3.05, 3.05, g.uniform(1.8, 3.0)])
    az = g.uniform(-1.75, 1.75) if g.random() < 0.94 else g.uniform(-math.pi, math.pi)
    below = g.random() < 0.16                              # near the pole, looking up
    d = math.exp(g.uniform(math.log(0.9), math.log(3.2))) if below else math.exp(g.uniform(math.log(1.6), math.log(11 if g.random() < 0.75 else 22)))
    hc = g.uniform(0.2, 1.7) if below else g.choice([g.uniform(0.3, 1.9), g.uniform(1.2, 4.5), g.uniform(3.8, 9)], p=[0.64, 0.18, 0.18])
    eye = np.array([d * math.sin(az), -d * math.cos(az), hc])
    if np.linalg.norm(eye - (0, 0, zr)) < 1.3:
        eye[2] = zr - 1.6
    want = math.exp(g.uniform(math.log(7), math.log(28))) if not below and g.random() < 0.4 else math.exp(g.uniform(math.log(8), math.log(165 if below else 135)))
    dist = np.linalg.norm(eye - (0, 0, zr))
    f = want * dist / (2 * scene.RING)
    f = float(np.clip(f, 0.35 * max(w, h), 6 * max(w, h)))
    at = (g.uniform(0.06, 0.94) * w, float(np.clip(g.normal(0.38, 0.22), 0.05, 0.92)) * h)
    cam = scene.aimed(g, eye, np.array([0, 0, zr]), at, f, g.normal(0, 0.03), size)
    hoops = [(0, 0, zr, 0.0)]
    if not free:
        if g.random() < 0.5:                               # the other end
            hoops.append((g.normal(0, 0.3), -g.uniform(12, 26), zr, math.pi))
        if g.random() < 0.3:                               # beside it, on the same wall
            hoops += [(k * g.uniform(3, 8), g.normal(0, 0.1), zr, 0.0) for k in (-1, 1)[:g.integers(1, 3)]]
        if g.random() < 0.2:                               # at the sides
            x = g.uniform(6, 12)
            hoops += [(s * x, -g.uniform(3, 20), zr, -s * math.pi / 2) for s in (-1, 1)[:g.integers(1, 3)]]
    return cam, hoops


def far_first(cam, items, at):
    return sorted(items, key=lambda i: -float(np.linalg.norm(np.asarray(at(i), np.float64) - cam.eye)))


def compose(g, photos):
    """-> RGB picture of the content, boxes [n, 5]."""
    size = shape(g)
    w, h = size
    kind = g.choice(["hall", "court", "photo", "plain"], p=[0.42, 0.26, 0.22, 0.10] if photos else [0.5, 0.32, 0.0, 0.18])
    free = kind in ("photo", "plain")
    cam, hoops = place(g, size, kind == "hall", free)
    s = things.style(g)
    back = 0.4 + scene.RING + s["gap"] + s["back"] + g.uniform(0, 6) * (g.random() < 0.6)
    if kind in ("hall", "court"):
        big = 1 if kind == "hall" else g.uniform(2, 4)
        xs = [p[0] for p in hoops] + [cam.eye[0]]
        ys = [p[1] for p in hoops] + [cam.eye[1]]
        low = [min(-g.uniform(5, 14) * big, min(xs) - 2), min(-g.uniform(9, 30) * big, min(ys) - 2.5), 0.0]
        high = [max(g.uniform(5, 14) * big, max(xs) + 2), max(back * (big if kind == "court" else 1), max(ys) + 1), max(g.uniform(4.8, 12), cam.eye[2] + 1) if kind == "hall" else 60.0]
        img = scene.box_inside(g, cam, low, high, kind == "hall", photos)
    elif kind == "photo":
        img = scene.photo(g, w, h, photos)
        if g.random() < 0.5:
            f = g.uniform(0.3, 1.3)
            img = np.clip(img * f + g.uniform(0, 40), 0, 255).astype(np.uint8)
    else:
        k = g.random()
        if k < 0.35:
            img = np.full((h, w, 3), scene.one(g, [[250, 250, 250], [255, 255, 255], [240, 225, 225], [15, 15, 18], [200, 205, 210]], 6), np.float32)
        elif k < 0.6:
            a, b = scene.colour(g), scene.colour(g)
            t = np.linspace(0, 1, h)[:, None, None] if g.random() < 0.5 else np.linspace(0, 1, w)[None, :, None]
            img = a * (1 - t) + b * t + np.zeros((h, w, 3))
        elif k < 0.8:
            img = scene.leaves(g, w, h)
        else:
            img = scene.wall(g, w, h, g.uniform(10, 60), photos, 3)
        img = np.clip(img, 0, 255).astype(np.uint8)
    img = np.ascontiguousarray(img)
    if g.random() < 0.6:
        things.junk(g, img, int(g.integers(1, 9)))
    none = g.random() < 0.14                               # pictures without a hoop
    if none:
        hoops = []
    if free and hoops and g.random() < 0.25:               # several, as in catalogues and collages
        for _ in range(g.integers(1, 4)):
            hoops.append((g.uniform(-3, 3), g.uniform(-2, 4), hoops[0][2] + g.uniform(-1.5, 1.5), g.normal(0, 0.6)))
    people = []
    for _ in range(int(g.choice([0, 1, 2, 4, 8, 14], p=[0.24, 0.18, 0.2, 0.18, 0.12, 0.08]))):
        people.append(("person", (g.normal(0, 4), -abs(g.normal(0, 5)) + 1, 0.0)))
    if g.random() < 0.12:                                  # one near the camera
        d = scene.unit(cam.ahead * [1, 1, 0]) * g.uniform(1.2, 4)
        people.append(("person", (cam.eye[0] + d[0] + g.normal(0, 0.5), cam.eye[1] + d[1] + g.normal(0, 0.5), 0.0 if not free else cam.eye[2] - g.uniform(0.5, 2))))
    balls = [("ball", (g.normal(0, 2), -abs(g.normal(0, 3)), g.uniform(0.12, 4.5))) for _ in range(g.integers(0, 4))]
    items = far_first(cam, people + balls + [("hoop", p) for p in hoops], lambda i: i[1][:3] if i[0] != "person" else (*i[1][:2], 1.0))
    boxes = []
    for name, p in items:
        if name == "hoop":
            st = s if g.random() < 0.8 else things.style(g)
            ground = 0.0 if not free else p[2] - g.uniform(1.5, 3.2)
            got = things.hoop(g, img, cam, p, st, ground)
            if got:
                (cx, cy, bw, bh), seen = got
                inside = (min(cx + bw / 2, w) - max(cx - bw / 2, 0)) / bw * min(1, max(0, (min(cy + bh / 2, h) - max(cy - bh / 2, 0)) / bh))
                if cx < 0 or cy < 0 or cx >= w or cy >= h:
                    continue
                hidden = seen < 0.5 or inside < 0.75
                boxes.append([cx, cy, bw, bh, 2 if hidden or bw < SMALL else 1])
        elif name == "person":
            r = things.person(g, img, cam, p)
            if r:
                for b in boxes:                            # who covers a ring's middle hides it
                    ox = min(r[2], b[0] + b[2] / 2) - max(r[0], b[0] - b[2] / 2)
                    oy = min(r[3], b[1] + b[3] / 2) - max(r[1], b[1] - b[3] / 2)
                    if ox > 0.4 * b[2] and oy > 0.4 * b[3]:
                        b[4] = 2
        else:
            pp, z = cam.project(np.array([p]))
            if z[0] > 0.6 and 0 <= pp[0, 0] < w and 0 <= pp[0, 1] < h:
                r = 0.12 * cam.f / z[0] + 3
                pen = things.Pen(img, (pp[0, 0] - r, pp[0, 1] - r, pp[0, 0] + r, pp[0, 1] + r), 2)
                if not pen.empty:
                    things.ball(g, pen, cam, p)
                    pen.close()
    if g.random() < 0.1:                                   # marks that programs burn in
        scene.words(g, img, 1, g.uniform(0.2, 1))
    return img, np.array(boxes, np.float32).reshape(-1, 5)


def develop(g, img):
    """Light, optics, noise, encoder: RGB bytes -> RGB bytes."""
    h, w = img.shape[:2]
    x = img.astype(np.float32)
    if g.random() < 0.3:                                   # light that falls from somewhere
        x *= 1 + g.uniform(0, 0.35) * scene.noise(g, w, h, 2)[..., None]
    if g.random() < 0.2:
        yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
        x *= 1 - g.uniform(0.1, 0.6) * (((xx / w - 0.5) ** 2 + (yy / h - 0.5) ** 2) * 2)[..., None]
    gain = g.uniform(0.25, 0.65) if g.random() < 0.12 else g.uniform(1.3, 2.0) if g.random() < 0.1 else g.uniform(0.75, 1.25)
    x *= gain * (1 + g.normal(0, 0.05, 3) * (2 if g.random() < 0.2 else 1))
    grey = x.mean(-1, keepdims=True)
    sat = g.uniform(0, 0.4) if g.random() < 0.1 else g.uniform(0.6, 1.35)
    x = grey + (x - grey) * sat
    if g.random() < 0.2:
        f = g.uniform(0, 0.35)
        x = x * (1 - f) + f * scene.one(g, [[220, 220, 220], [160, 160, 160], [240, 230, 200]])
    x = 255 * (np.clip(x, 0, 400) / 255 + 1e-4) ** math.exp(g.normal(0, 0.2))
    x = np.clip((x - 128) * g.uniform(0.7, 1.25) + 128 + g.normal(0, 8), 0, 255)
    k = g.random()
    if k < 0.35:
        x = cv2.GaussianBlur(x, (0, 0), g.uniform(0.3, 1.0) if g.random() < 0.8 else g.uniform(1, 2))
    elif k < 0.45:                                         # moved while exposed
        n = int(g.integers(2, 8))
        m = np.zeros((2 * n + 1,) * 2, np.float32)
        a = g.uniform(0, math.pi)
        cv2.line(m, (int(n + n * math.cos(a)), int(n + n * math.sin(a))), (int(n - n * math.cos(a)), int(n - n * math.sin(a))), 1.0, 1)
        x = cv2.filter2D(x, -1, m / m.sum())
    if g.random() < 0.3:                                   # enlarged from a smaller picture
        f = g.uniform(0.35, 0.9)
        x = cv2.resize(cv2.resize(x, (max(32, int(w * f)), max(32, int(h * f))), interpolation=cv2.INTER_AREA), (w, h), interpolation=cv2.INTER_LINEAR if g.random() < 0.5 else cv2.INTER_CUBIC)
    s = g.uniform(0, 4) if g.random() < 0.86 else g.uniform(4, 14)
    x += s * scene.grain(g, w, h)[..., None]
    if s > 3:
        x += (0.5 * s * np.stack([scene.grain(g, w, h) for _ in range(3)], -1))
    if g.random() < 0.35:
        x += g.uniform(0.2, 1.3) * (x - cv2.GaussianBlur(x, (0, 0), g.uniform(0.7, 1.6)))
    x = np.clip(x, 0, 255).astype(np.uint8)
    if g.random() < 0.75:
        q = int(g.uniform(12, 50)) if g.random() < 0.45 else int(g.uniform(50, 95))
        x = cv2.imdecode(cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, q])[1], cv2.IMREAD_COLOR)
    return x


def ycc(rgb):
    """RGB bytes -> Y, Cb, Cr bytes (BT.601, full range)."""
    x = rgb.astype(np.float32)
    y = x @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.clip(np.rint(np.stack([y, (x[..., 2] - y) * 0.564 + 128, (x[..., 0] - y) * 0.713 + 128])), 0, 255).astype(np.uint8)


def picture(seed, photos=()):
    """-> Y, Cb, Cr uint8 [3, H, W], rings float32 [MOST, 5] (kind 0: none)."""
    g = np.random.default_rng(seed)
    img, boxes = compose(g, photos)
    img = develop(g, img)
    if g.random() < 0.5:
        img, boxes = np.ascontiguousarray(img[:, ::-1]), boxes * [-1, 1, 1, 1, 1] + [img.shape[1], 0, 0, 0, 0]
    if g.random() < 0.04:                                  # bars that are part of the picture
        b = int(g.uniform(0.03, 0.14) * img.shape[0])
        img[:b] = img[-b:] = 0
        boxes[:, 4] = np.where((boxes[:, 1] < b + 2) | (boxes[:, 1] > img.shape[0] - b - 2), 2, boxes[:, 4])
    h, w = img.shape[:2]
    out = np.full((3, H, W), 128, np.uint8)
    x0, y0 = (W - w) // 2, (H - h) // 2
    out[:, y0:y0 + h, x0:x0 + w] = ycc(img)
    rings = np.zeros((MOST, 5), np.float32)
    boxes = boxes[:MOST]
    rings[:len(boxes)] = boxes + np.array([x0, y0, 0, 0, 0], np.float32) if len(boxes) else boxes
    return out, rings


def load_photos(path):
    """Backgrounds that `photos.py` packed, RGB."""
    z = given.arrays(path, "pack it with python -m train.finder.photos, or leave --photos out")
    return [cv2.imdecode(z[k], cv2.IMREAD_COLOR)[..., ::-1].copy() for k in sorted(z.files)]


def rgb(p):
    y, b, r = p.astype(np.float32)
    b, r = b - 128, r - 128
    return np.clip(np.stack([y + 1.403 * r, y - 0.344 * b - 0.714 * r, y + 1.773 * b], -1), 0, 255).astype(np.uint8)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out", nargs="?")
    p.add_argument("--first", type=int, default=0)
    p.add_argument("--count", type=int, default=24)
    p.add_argument("--photos")
    p.add_argument("--time", type=int, default=0)
    o = p.parse_args()
    if not o.out and not o.time:
        p.error("name OUT.png, or ask for --time N")
    cv2.setNumThreads(1)
    photos = load_photos(o.photos) if o.photos else []
    if o.time:
        a = time.process_time()
        for s in range(o.time):
            picture(o.first + s, photos)
        a = time.process_time() - a
        print(f"{o.time} pictures, {a / o.time * 1000:.0f} ms of one core each")
    if o.out:
        cols = 4
        rows = -(-o.count // cols)
        sheet = np.zeros((rows * H, cols * W, 3), np.uint8)
        for i in range(o.count):
            x, rings = picture(o.first + i, photos)
            x = np.ascontiguousarray(rgb(x))
            for cx, cy, w, h, k in rings:
                if k:
                    cv2.rectangle(x, (int(cx - w / 2 - 2), int(cy - h / 2 - 2)), (int(cx + w / 2 + 2), int(cy + h / 2 + 2)), (0, 255, 0) if k == 1 else (255, 0, 255), 1)
            sheet[i // cols * H:i // cols * H + H, i % cols * W:i % cols * W + W] = x
        cv2.imwrite(o.out, sheet[..., ::-1])


if __name__ == "__main__":
    main()
