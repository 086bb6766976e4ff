"""The crop round a calibrated ring, exactly as the daemon cuts it.

A crop is a square of `rings` ring widths whose top lies `above` ring widths over the ring's top edge, resampled to
`size` x `size` by an antialiased triangle filter, separable, edges replicated. The Rust side implements the same
formula; `testdata/` beside a bundle holds vectors that both must reproduce.
"""
import numpy as np

# The daemon's: a square of so many ring widths, so many of them over the ring's top edge.
RINGS, ABOVE = 4.0, 1.5


def square(box, rings, above):
    """-> left, top, side of the crop in picture coordinates, for a ring box [x, y, w, h]."""
    x, y, w, _ = box
    side = rings * w
    return x + w / 2 - side / 2, y - above * w, side


def taps(origin, side, size, extent):
    """Filter of one axis as a dense matrix [size, extent]: row i holds the weights of output pixel i."""
    step = side / size
    support = max(1.0, step)
    m = np.zeros((size, extent), np.float64)
    for i in range(size):
        centre = origin + (i + 0.5) * step
        j = np.arange(int(np.floor(centre - support - 0.5)), int(np.ceil(centre + support + 0.5)) + 1)
        w = np.maximum(0.0, 1.0 - np.abs(j + 0.5 - centre) / support)
        np.add.at(m[i], np.clip(j, 0, extent - 1), w / w.sum())
    return m


class Cutter:
    """Cuts the same crop out of many planes of one size."""

    def __init__(self, box, plane_shape, rings, above, size, scale=1.0):
        """`scale` is plane pixels per picture pixel (0.5 for the chroma planes of 4:2:0)."""
        left, top, side = square(box, rings, above)
        h, w = plane_shape
        self.rows = taps(top * scale, side * scale, size, h).astype(np.float32)
        self.cols = taps(left * scale, side * scale, size, w).astype(np.float32).T.copy()
        # Only the part of the plane that carries weight is touched.
        r, c = np.nonzero(self.rows.any(0))[0], np.nonzero(self.cols.any(1))[0]
        self.r, self.c = slice(r[0], r[-1] + 1), slice(c[0], c[-1] + 1)
        self.rows, self.cols = self.rows[:, self.r], self.cols[self.c]

    def __call__(self, plane):
        """-> float32 [size, size] in 0..1 from a plane of bytes."""
        return self.rows @ (plane[self.r, self.c].astype(np.float32) / 255.0) @ self.cols
