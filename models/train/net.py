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
    box = torch.full((1, 1, 5, 5), 1 / 25, device=x.device, dtype=x.dtype)
    soft = F.conv2d(x.flatten(0, 1)[:, None], box, padding=2).view_as(x)
    for d, g in (((x - mean[:, :, None, None]) / sigma, KNEE_LUMA), ((x - soft) / sigma, KNEE_DETAIL)):
        out.append(d / (d.abs() + g))
    return torch.stack(out, 2)


class Block(nn.Module):
    """3x3 convolution; a quarter of the channels comes from the frame before."""

    def __init__(self, i, o, stride, shift):
        super().__init__()
        self.shift = i // 4 if shift else 0
        self.conv = nn.Conv2d(i, o, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(o)

    def forward(self, x, b):
        if self.shift:
            y = x.view(b, -1, *x.shape[1:])
            y = torch.cat([delayed(y[:, :, :self.shift], 1), y[:, :, self.shift:]], 2)
            x = y.flatten(0, 1)
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

    def forward(self, f):
        """[B, T, FRONT, S, S] -> logits [B, T, 4]."""
        b, t = f.shape[:2]
        y = f[:, :, :self.inputs].flatten(0, 1).contiguous(memory_format=torch.channels_last)
        for k in self.blocks:
            y = k(y, b)
        y = F.relu(self.fc(self.drop(y.contiguous().flatten(1)))).view(b, t, -1)
        y, _ = self.gru(y)
        return self.head(self.drop(y)).float()

    def config(self):
        return dict(size=self.size, width=self.width, hidden=self.hidden, inputs=self.inputs)


class RimNet(nn.Module):
    """Members share the front end; their logits are averaged."""

    def __init__(self, members):
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x):
        f = front(x)
        return sum(m(f) for m in self.members) / len(self.members)


def load(paths, device="cpu"):
    """A RimNet of the trunks stored in `paths` (each {'config', 'state'})."""
    members = []
    for p in paths:
        d = torch.load(p, map_location=device, weights_only=True)
        m = Trunk(**d["config"])
        m.load_state_dict({k: v.float() for k, v in d["state"].items()})
        members.append(m)
    return RimNet(members).to(device).eval()


def save(trunk, path):
    state = {k: v.detach().cpu() for k, v in trunk.state_dict().items()}
    torch.save({"config": trunk.config(), "state": state}, path)
