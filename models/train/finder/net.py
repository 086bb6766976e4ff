"""RimFinder: plain convolutions over a whole picture; one answer a cell of 8 x 8 pixels.

In: `frame` [1, 3, 360, 640], Y, Cb, Cr as bytes / 255, fitted in with 0.5 about it. Out: `found` [1, 5, 45, 80]: the logit that a
ring's centre lies in the cell, the centre's place in the cell (x, y, in cells), ln(width / 16 px), ln(height / 16 px).
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

from .. import given

STRIDE, UNIT = 8, 16.0
ROWS, COLS = 45, 80
FLAT = 0.3                            # a ring's box is at least so high, in its width


class Conv(nn.Module):
    """3x3 (or 1x1) convolution, normalisation, ReLU; adds its input where `add`."""

    def __init__(self, i, o, stride=1, add=False, side=3):
        super().__init__()
        self.add = add
        self.conv = nn.Conv2d(i, o, side, stride, side // 2, bias=False)
        self.norm = nn.BatchNorm2d(o)

    def forward(self, x):
        y = self.norm(self.conv(x))
        return F.relu(x + y if self.add else y)


def twice(x, like):
    """Each cell four times, cut to the size of `like`."""
    x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    return x[:, :, :like.shape[2], :like.shape[3]]


class Finder(nn.Module):
    def __init__(self, width=(16, 24, 64, 96, 112)):
        super().__init__()
        self.width = tuple(width)
        a, b, c, d, e = width
        self.s2 = Conv(3, a, 2)
        self.s4 = nn.Sequential(Conv(a, b, 2), Conv(b, b, add=True))
        self.s8 = nn.Sequential(Conv(b, c, 2), Conv(c, c, add=True), Conv(c, c, add=True))
        self.s16 = nn.Sequential(Conv(c, d, 2), Conv(d, d, add=True), Conv(d, d, add=True))
        self.s32 = nn.Sequential(Conv(d, e, 2), Conv(e, e, add=True), Conv(e, e, add=True))
        self.down16, self.side16, self.join16 = Conv(e, c, side=1), Conv(d, c, side=1), Conv(c, c, add=True)
        self.down8, self.side8, self.join8 = Conv(c, c, side=1), Conv(c, c, side=1), Conv(c, c, add=True)
        self.head = nn.Conv2d(c, 5, 1)
        nn.init.normal_(self.head.weight, std=0.01)
        with torch.no_grad():
            self.head.bias.copy_(torch.tensor([-4.0, 0.5, 0.5, 0.5, -0.5]))

    def forward(self, x):
        x = self.s4(self.s2(x - 0.5))
        x8 = self.s8(x)
        x16 = self.s16(x8)
        x32 = self.s32(x16)
        y = self.join16(self.side16(x16) + twice(self.down16(x32), x16))
        y = self.join8(self.side8(x8) + twice(self.down8(y), x8))
        return self.head(y)


def save(net, path):
    torch.save({"width": net.width, "state": {k: v.detach().cpu() for k, v in net.state_dict().items()}}, path)


def load(path, device="cpu"):
    do = "name a file that train.finder.fit wrote"
    d = given.stored(path, do)
    try:
        net = Finder(d["width"])
        net.load_state_dict({k: v.float() if v.dtype.is_floating_point else v for k, v in d["state"].items()})
    except (KeyError, TypeError, AttributeError, RuntimeError) as e:
        given.refuse(f"{path}: no RimFinder ({str(e).splitlines()[0]}); {do}")
    return net.to(device).eval()


def peaks(found, least=0.3, apart=0.5, most=16):
    """[5, 45, 80] (numpy) -> rings [(score, cx, cy, w, h)], best first, in pixels of the 640 x 360 picture.

    A peak is the largest logit of its 3 x 3 cells; of two rings whose centres are nearer than `apart` of the wider one's
    width (and of that in height, at least 8 px) the better stays.
    """
    import numpy as np
    z = found[0]
    p = np.pad(z, 1, constant_values=-np.inf)
    top = np.max([p[i:i + z.shape[0], j:j + z.shape[1]] for i in range(3) for j in range(3)], 0)
    rows, cols = np.nonzero((z >= top) & (z > np.log(least / (1 - least))))
    out = []
    for i in sorted(range(len(rows)), key=lambda i: -z[rows[i], cols[i]]):
        r, c = rows[i], cols[i]
        dx, dy, lw, lh = found[1:, r, c]
        w, h = UNIT * float(np.exp(np.clip(lw, -4, 4))), UNIT * float(np.exp(np.clip(lh, -4, 4)))
        x, y = (c + float(dx)) * STRIDE, (r + float(dy)) * STRIDE
        if all(max(abs(x - q[1]), abs(y - q[2])) >= max(8.0, apart * max(w, q[3])) for q in out):
            out.append((1 / (1 + float(np.exp(-z[r, c]))), x, y, w, h))
            if len(out) == most:
                break
    return out


def tall(rings):
    """Rings (score, cx, cy, w, h) as they are given out: at least FLAT of their width high, about the same middle.

    A level ring W wide is W sin(elevation) and the rod high, and few cameras stand less than 16 degrees below it; the network says
    "flat" wherever it is unsure. Edges are both drawn to the middle, so the box grows to both sides."""
    return [(q, x, y, w, max(h, FLAT * w)) for q, x, y, w, h in rings]
