"""RimNet: a small causal network that answers once a frame and keeps its memory as tensors.

Per frame of luma around the ring it forms signed differences (to the last frame, to the third last, to a running
background), divides them by the running contrast of the crop and squeezes them at two gains, so that a court's light
and contrast matter little. Seven dense 3x3 convolutions with a temporal shift follow, one layer over all cells, a GRU
and four classes. `forward` computes all frames of a sequence side by side for training; `export.py` writes the same
arithmetic as a streaming graph, one frame in, one answer out. A test holds the two together.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

CLASSES = ("none", "under_way", "made", "missed")
NONE, UNDER_WAY, MADE, MISSED = range(4)

STAT_RATE = 1 / 60          # memory of the running contrast, in frames
BACK_RATE = 1 / 30          # memory of the running background
SIGMA_FLOOR = 0.02          # luma; a crop with less contrast than this is treated as noise
GAINS = (0.5, 0.08)         # knees of the two squeezings, in units of the crop's contrast
KNEE_LUMA, KNEE_DETAIL = 1.0, 0.15
DEPTHS = ("away", "before", "inside", "behind", "above")      # where the ball is against ring and net, as the camera sees them
BALL_BLOCK = 4              # the block whose cells tell where the ball is
FRONT = 8                   # channels of the front end: six of differences, then luma and its detail; a trunk takes the first few


def running_weights(frames, rate, device):
    """[T, T] weights of a running mean that starts as a plain mean: row t says what each frame gives to the mean at t."""
    w = torch.zeros(frames, frames, device=device)
    for t in range(frames):
        a = max(1.0 / (t + 1), rate)
        if t:
            w[t] = w[t - 1] * (1 - a)
        w[t, t] = a
    return w


_weights = {}


def weights_for(frames, rate, device):
    key = (frames, rate, str(device))
    if key not in _weights:
        _weights[key] = running_weights(frames, rate, "cpu").to(device)
    return _weights[key]


def delayed(x, k):
    """[B, T, ...] -> the same k frames earlier, zeros before the start."""
    return torch.cat([torch.zeros_like(x[:, :k]), x[:, :-k]], 1) if x.shape[1] > k else torch.zeros_like(x)


def front(x):
    """[B, T, H, W] luma in 0..1 -> [B, T, FRONT, H, W]."""
    _, t, h, w = x.shape
    stat = weights_for(t, STAT_RATE, x.device)
    mean = torch.einsum("ts,bs->bt", stat, x.mean((2, 3)))
    square = torch.einsum("ts,bs->bt", stat, (x * x).mean((2, 3)))
    sigma = ((square - mean * mean).clamp(min=0) + SIGMA_FLOOR ** 2).sqrt()[:, :, None, None]
    back = torch.einsum("ts,bsp->btp", weights_for(t, BACK_RATE, x.device), x.flatten(2)).view_as(x)
    n = torch.arange(t, device=x.device)
    seen = lambda k: (n >= k).to(x.dtype)[None, :, None, None]
    out = []
    for d in ((x - delayed(x, 1)) * seen(1), (x - delayed(x, 3)) * seen(3), (x - delayed(back, 1)) * seen(1)):
        d = d / sigma
        out += [d / (d.abs() + g) for g in GAINS]
    soft = F.avg_pool2d(x.flatten(0, 1), 5, 1, 2).view_as(x)
    for d, g in (((x - mean[:, :, None, None]) / sigma, KNEE_LUMA), ((x - soft) / sigma, KNEE_DETAIL)):
        out.append(d / (d.abs() + g))
    return torch.stack(out, -1).movedim(-1, 2)       # channels last in memory, as the convolutions want it


class Shift(torch.autograd.Function):
    """[B * T, C, ...] with the first s channels from the frame before, zeros before the start. One copy of the whole and one
    of the part, whatever the memory format; slicing and joining would turn channels-last maps inside out, twice."""

    @staticmethod
    def forward(ctx, x, b, s):
        ctx.b, ctx.s = b, s
        y = x.clone()
        to, of = (q.unflatten(0, (b, -1)) for q in (y, x))
        to[:, 1:, :s] = of[:, :-1, :s]
        to[:, :1, :s] = 0
        return y

    @staticmethod
    def backward(ctx, grad):
        out = grad.clone()
        to, of = (q.unflatten(0, (ctx.b, -1)) for q in (out, grad))
        to[:, :-1, :ctx.s] = of[:, 1:, :ctx.s]
        to[:, -1:, :ctx.s] = 0
        return out, None, None


class Block(nn.Module):
    """3x3 convolution; a quarter of the channels comes from the frame before."""

    def __init__(self, i, o, stride, shift):
        super().__init__()
        self.shift = i // 4 if shift else 0
        self.conv = nn.Conv2d(i, o, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(o)

    def forward(self, x, b):
        if self.shift:
            x = Shift.apply(x, b, self.shift)
        return F.relu(self.norm(self.conv(x)), inplace=True)


class Trunk(nn.Module):
    """From the front end's channels to logits; one member of an ensemble."""

    def __init__(self, size=80, width=(16, 32, 64, 96), hidden=96, inputs=6, drop=0.3):
        super().__init__()
        self.size, self.width, self.hidden, self.inputs = size, tuple(width), hidden, inputs
        a, b, c, d = width
        plan = [(inputs, a, 2), (a, b, 2), (b, b, 1), (b, c, 2), (c, c, 1), (c, d, 2), (d, d, 1)]
        self.blocks = nn.ModuleList([Block(i, o, s, k > 0) for k, (i, o, s) in enumerate(plan)])
        cells = size
        for _ in range(4):
            cells = (cells + 1) // 2
        self.cells = cells
        self.fc = nn.Linear(d * cells * cells, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True)
        self.head = nn.Linear(hidden, len(CLASSES))
        self.drop = nn.Dropout(drop)

    def forward(self, f, inner=False):
        """[B, T, FRONT, S, S] -> logits [B, T, 4]; with `inner` also what `Ball` reads: the map of the fifth block, the memory."""
        b, t = f.shape[:2]
        y = f[:, :, :self.inputs].flatten(0, 1).contiguous(memory_format=torch.channels_last)
        for n, k in enumerate(self.blocks):
            y = k(y, b)
            if n == BALL_BLOCK:
                cells = y
        y = F.relu(self.fc(self.drop(y.contiguous().flatten(1)))).view(b, t, -1)
        y, _ = self.gru(y)
        z = self.head(self.drop(y)).float()
        return (z, cells, y) if inner else z

    def config(self):
        return dict(size=self.size, width=self.width, hidden=self.hidden, inputs=self.inputs)


class Ball(nn.Module):
    """Asked beside the answer while training, and left out of what ships: in which cell the ball is, and whether it is
    before the ring, in it, behind it or above it. What tells an air ball that moves the net from a make is learnt from this."""

    def __init__(self, trunk):
        super().__init__()
        self.cell = nn.Conv2d(trunk.width[2], 1, 1)
        self.nowhere = nn.Linear(trunk.width[2], 1)
        self.depth = nn.Linear(trunk.hidden, len(DEPTHS))

    def forward(self, cells, memory):
        """-> logits [B * T, cells + 1] (the last: not in the crop), [B, T, DEPTHS]."""
        return torch.cat([self.cell(cells).flatten(1), self.nowhere(cells.mean((2, 3)))], 1).float(), self.depth(memory).float()

    def loss(self, cells, memory, ball):
        """`ball` [B, T, 4]: x, y in -1..1 of the crop, 1 in it / 0 not / -1 unknown, depth or -1."""
        n = cells.shape[-1]
        where, depth = self(cells, memory)
        at = ((ball[..., :2] + 1) / 2 * n).floor().long()
        inside = (ball[..., 2] > 0) & (at >= 0).all(-1) & (at < n).all(-1)
        cell = torch.where(inside, at[..., 1] * n + at[..., 0], torch.full_like(at[..., 0], n * n))
        cell = torch.where(ball[..., 2] < 0, torch.full_like(cell, -1), cell)
        deep = torch.where(inside, ball[..., 3].long(), torch.full_like(cell, -1))
        a = F.cross_entropy(where, cell.flatten(), ignore_index=-1, reduction="sum") / (cell >= 0).sum().clamp(min=1)
        b = F.cross_entropy(depth.flatten(0, 1), deep.flatten(), ignore_index=-1, reduction="sum") / (deep >= 0).sum().clamp(min=1)
        return a + b


class RimNet(nn.Module):
    """Members share the front end; their logits are averaged."""

    def __init__(self, members):
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x):
        f = front(x)
        return sum(m(f) for m in self.members) / len(self.members)


def save(trunk, path):
    state = {k: v.detach().cpu() for k, v in trunk.state_dict().items()}
    torch.save({"config": trunk.config(), "state": state}, path)
