"""BallNet: plain convolutions over the crop round a ring; two maps of 20 x 20 cells.

In: luma of the picture and of the two before it, as bytes / 255. Out [2, 20, 20]: the logit that the ball's middle lies in the cell,
and the logit that a ball which lies there is inside ring and net, not above, before, behind or beside them. It remembers nothing but the two pictures.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

from .. import given

SIZE, CELLS, PAST = 80, 20, 2
FLOOR = 0.02                          # luma; a crop with less contrast than this is treated as noise
KNEES = (1.0, 0.2, 0.2)               # of the picture and of its differences, in units of the crop's contrast
INSIDE = 2                            # render.sim.depth
SIGMA = 0.8                           # cells: how far a ball's target reaches


class Conv(nn.Module):
    """3x3 convolution, normalisation, ReLU; adds its input where `add`."""

    def __init__(self, i, o, stride=1, apart=1, add=False):
        super().__init__()
        self.add = add
        self.conv = nn.Conv2d(i, o, 3, stride, apart, apart, bias=False)
        self.norm = nn.BatchNorm2d(o)

    def forward(self, x):
        y = self.norm(self.conv(x))
        return F.relu(x + y if self.add else y)


def front(x):
    """[B, 3, S, S] luma, newest first -> the same of squeezed contrast: the picture, what is new since the last and the second last."""
    now = x[:, :1]
    mean = now.mean((1, 2, 3), keepdim=True)
    sigma = ((now * now).mean((1, 2, 3), keepdim=True) - mean * mean).clamp(min=0).add(FLOOR ** 2).sqrt()
    out = []
    for d, knee in zip((now - mean, now - x[:, 1:2], now - x[:, 2:3]), KNEES):
        d = d / sigma
        out.append(d / (d.abs() + knee))
    return torch.cat(out, 1)


class BallNet(nn.Module):
    """Two steps of half the side each, then looks farther and farther about at the same side: nothing is made larger again."""

    def __init__(self, width=(16, 24, 40)):
        super().__init__()
        self.width = tuple(width)
        a, b, c = width
        self.layers = nn.Sequential(Conv(3, a, 2), Conv(a, b, 2), Conv(b, c), *(Conv(c, c, apart=n, add=True) for n in (2, 4, 2)))
        self.head = nn.Conv2d(c, 2, 1)
        nn.init.normal_(self.head.weight, std=0.01)
        with torch.no_grad():
            self.head.bias.copy_(torch.tensor([-4.0, 0.0]))

    def forward(self, x):
        return self.head(self.layers(front(x)))


def loss(maps, ball):
    """`ball` [B, 4]: x, y in cells, 1 there / 0 not / -1 unknown, depth. CenterNet's focal loss of where it is; cross-entropy of whether
    it is inside, asked where there is a ball."""
    at = torch.arange(CELLS, device=maps.device) + 0.5
    far = (at[None, None] - ball[:, 0, None, None]) ** 2 + (at[None, :, None] - ball[:, 1, None, None]) ** 2
    there = (ball[:, 2] > 0).float()[:, None, None]
    hill = torch.exp(-far / (2 * SIGMA ** 2)) * there
    # The cell that it lies in is the top, whatever its place in it.
    top = (far <= far.flatten(1).min(1)[0][:, None, None] + 1e-6).float() * there
    z = maps[:, 0]
    p = z.sigmoid()
    yes, no = F.logsigmoid(z) * (1 - p) ** 2 * top, F.logsigmoid(-z) * p ** 2 * (1 - hill) ** 4 * (1 - top)
    known = (ball[:, 2] >= 0).float()[:, None, None]
    where = -((yes + no) * known).sum() / max(1.0, float(there.sum()))
    asked = there * (hill > 0.3)
    deep = F.binary_cross_entropy_with_logits(maps[:, 1], (ball[:, 3] == INSIDE).float()[:, None, None].expand_as(z), reduction="none")
    return where, (deep * asked).sum() / asked.sum().clamp(min=1)


def save(net, path):
    torch.save({"width": net.width, "state": {k: v.detach().cpu() for k, v in net.state_dict().items()}}, path)


def load(path, device="cpu"):
    do = "name a file that train.ball.fit wrote"
    d = given.stored(path, do)
    try:
        net = BallNet(d["width"])
        net.load_state_dict({k: v.float() if v.dtype.is_floating_point else v for k, v in d["state"].items()})
    except (KeyError, TypeError, AttributeError, RuntimeError) as e:
        given.refuse(f"{path}: no BallNet ({str(e).splitlines()[0]}); {do}")
    return net.to(device).eval()


@torch.no_grad()
def maps(net, y, batch=512):
    """Sequences uint8 [N, T, S, S] -> maps float32 [N, T, 2, CELLS, CELLS] on the CPU; before the first picture lies black, as in the daemon."""
    n, t = y.shape[:2]
    device, out = next(net.parameters()).device, []
    past = torch.cat([torch.zeros_like(y[:, :PAST]), y], 1)
    x = torch.stack([past[:, PAST - k:PAST - k + t] for k in range(PAST + 1)], 2).flatten(0, 1)
    for part in x.split(batch):
        out.append(net(part.to(device).float() / 255).float().cpu())
    return torch.cat(out).view(n, t, 2, CELLS, CELLS)
