"""A whole picture as RimFinder is fed: aspect kept, fitted in the middle of 640 x 360, 0.5 about it.

The filter is the crop's (`train.crop.taps`): output pixel i has its centre at `origin + (i + 0.5) * scale` of the picture.
A pixel whose centre lies outside the picture is 0.5. Chroma planes are half the size, rounded up. The daemon does the
same; `testdata/letterbox.json` beside the bundle holds both to it.
"""
import numpy as np

from ..crop import taps


class Letterbox:
    def __init__(self, width, height, out=(640, 360)):
        self.width, self.height, self.out = width, height, out
        self.scale = max(width / out[0], height / out[1])
        self.left, self.top = (out[0] - width / self.scale) / 2, (out[1] - height / self.scale) / 2
        self.taps = {}
        for half in (1, 2):
            k = self.scale / half
            self.taps[half] = (taps(-self.top * k, out[1] * k, out[1], -(-height // half)).astype(np.float32),
                               taps(-self.left * k, out[0] * k, out[0], -(-width // half)).astype(np.float32).T.copy())
        inside = lambda n, at, extent: (lambda c: (c >= 0) & (c < extent))((np.arange(n) + 0.5 - at) * self.scale)
        self.mask = inside(out[1], self.top, height)[:, None] & inside(out[0], self.left, width)[None]

    def plane(self, p, half):
        rows, cols = self.taps[half]
        return np.where(self.mask, rows @ (p.astype(np.float32) / 255) @ cols, np.float32(0.5))

    def __call__(self, y, cb, cr):
        """Planes of bytes, 4:2:0 -> float32 [3, 360, 640]."""
        return np.stack([self.plane(y, 1), self.plane(cb, 2), self.plane(cr, 2)])

    def to_picture(self, box):
        """(score, cx, cy, w, h) in pixels of the output -> the same in pixels of the picture."""
        s, x, y, w, h = box
        return s, (x - self.left) * self.scale, (y - self.top) * self.scale, w * self.scale, h * self.scale


def planes(rgb):
    """RGB bytes -> Y, Cb, Cr planes of bytes, full range, 4:2:0."""
    x = rgb.astype(np.float32)
    y = x @ np.array([0.299, 0.587, 0.114], np.float32)
    c = [(x[..., 2] - y) * 0.564 + 128, (x[..., 0] - y) * 0.713 + 128]
    h, w = y.shape
    half = lambda p: np.pad(p, ((0, h % 2), (0, w % 2)), mode="edge").reshape(-(-h // 2), 2, -(-w // 2), 2).mean((1, 3))
    b = lambda p: np.clip(np.rint(p), 0, 255).astype(np.uint8)
    return b(y), b(half(c[0])), b(half(c[1]))
