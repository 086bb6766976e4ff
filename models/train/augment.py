"""Changes to rendered or real sequences that a court, a camera or a careless calibration could have made.

Everything is batched on the device: sequences are [B, T, H, W] in 0..1.
"""
import math

import torch
import torch.nn.functional as F

RING_AT = 1.5 + 0.1        # the ring's middle lies about here below the crop's top, in ring widths (`above` + a bit)


def uniform(shape, lo, hi, device, g=None):
    return torch.rand(shape, device=device, generator=g) * (hi - lo) + lo


def chance(shape, p, device):
    return torch.rand(shape, device=device) < p


def retime(x, labels, stretch=0.2, repeat=0.1, freeze=0.1, shift=0.8, early=0.1, slow=0.18):
    """Moves the event in time, another frame rate, repeated frames, a picture that stands still at the start.

    A shift to later plays the quiet beginning to and fro before it; one to earlier cuts the beginning off, and where
    that cuts into the attempt (`early`) its frames ask for nothing. Labels [B, T] move along.
    """
    b, t = x.shape[:2]
    dev = x.device
    row = torch.arange(b, device=dev)[:, None]
    quiet = (labels != 0).long().cumsum(1) == 0
    m = quiet.sum(1, keepdim=True).clamp(min=1)                                       # quiet frames at the beginning
    step = torch.where(chance((b, 1), stretch, dev), uniform((b, 1), 0.8, 1.25, dev), torch.ones(b, 1, device=dev))
    step = torch.where(chance((b, 1), slow, dev), uniform((b, 1), 1.4, 2.0, dev), step)      # 15 to 20 pictures a second
    late = uniform((b, 1), 0, 0.7 * t, dev)
    cut = torch.where(chance((b, 1), early, dev), m + uniform((b, 1), -4, 14, dev), uniform((b, 1), 0, 1, dev) * (m - 4).clamp(min=0))
    d = torch.where(chance((b, 1), shift, dev), torch.where(chance((b, 1), 0.6, dev), late, -cut), torch.zeros(b, 1, device=dev)).round()
    k = (torch.arange(t, device=dev)[None] - d) * step
    hold = chance((b, 1), freeze, dev) * uniform((b, 1), 0, 30, dev)
    k = torch.where(k < 0, (k + hold).clamp(max=0), k)
    # To and fro over the quiet beginning (or hold still, where there is next to none).
    span = (m - 1).clamp(min=1).float()
    back = (-k) % (2 * span)
    back = torch.where(back > span, 2 * span - back, back)
    k = torch.where(k < 0, torch.where(m > 3, back, torch.zeros_like(k)), k)
    hit = chance((b, t), 0.08, dev) & chance((b, 1), repeat, dev)
    hit[:, 0] = False
    k = torch.where(hit, torch.cat([k[:, :1], k[:, :-1]], 1), k)
    end = t - 1 - (k - (t - 1)).clamp(min=0) % 20                                     # past the end: to and fro as well
    k = torch.where(k > t - 1, end, k).round().long().clamp(0, t - 1)
    y = labels[row, k]
    # An attempt that was cut into cannot be judged.
    started = (k[:, :1] >= m) & (labels != 0).any(1, keepdim=True)
    first = (y == 0).long().cumsum(1) == 0
    return x[row, k], torch.where(started & first, torch.full_like(y, -1), y), k


def place(x, size, rings=4.0, jitter=0.10, zoom=(0.82, 1.25), rotate=4.0, shake=0.25, drift=0.15, border=0.15, moves=0.0):
    """Calibration error, mirror, camera shake and drift, picture edges inside the crop. Returns also the affine map
    [B, T, 2, 3] from places in the new crop to places in the old one, both in -1..1."""
    b, t, h, w = x.shape
    dev = x.device
    z = torch.exp(uniform(b, math.log(zoom[0]), math.log(zoom[1]), dev))
    z = torch.where(chance(b, 0.4, dev), torch.ones_like(z), z)
    th = uniform(b, -rotate, rotate, dev) * math.pi / 180
    flip = torch.where(chance(b, 0.5, dev), -1.0, 1.0)
    unit = 2 / rings                                                                  # a ring width in grid units
    tx, ty = (uniform(b, -jitter, jitter, dev) * unit for _ in "xy")
    cy = -1 + RING_AT * unit
    co, si = torch.cos(th) / z, torch.sin(th) / z
    a = torch.stack([torch.stack([co * flip, -si, tx + si * cy], 1), torch.stack([si * flip, co, ty + cy - co * cy], 1)], 1)
    a = a[:, None].expand(b, t, 2, 3).clone()
    wob = torch.randn(b, t, 2, device=dev) * (chance((b, 1, 1), shake, dev) * uniform((b, 1, 1), 0, 0.012, dev))
    v = torch.randn(b, t, 2, device=dev).cumsum(1)
    v = F.avg_pool1d(v.transpose(1, 2), 9, 1, 4, count_include_pad=False).transpose(1, 2)
    wob = wob + (v - v.mean(1, keepdim=True)) * (chance((b, 1, 1), drift, dev) * uniform((b, 1, 1), 0, 0.012, dev))
    a[..., 2] += wob + motion(b, t, moves, dev) if moves else wob
    # The picture ends inside the crop: what lies beyond repeats its edge. Fixed in the picture, so before the shake.
    lim = torch.where(chance((b, 4), border, dev), uniform((b, 4), 0.35, 1.0, dev), torch.full((b, 4), 9.0, device=dev))
    lim[:, 2] = lim[:, 2].clamp(min=0.75)                                              # the top edge stays above the ring
    lo = torch.stack([-lim[:, 0], -lim[:, 2]], 1)[:, None, None, None]
    hi = torch.stack([lim[:, 1], lim[:, 3]], 1)[:, None, None, None]
    return warp(x, a, lo, hi, size), a


def warp(x, a, lo, hi, size):
    """x [B, T, H, W] seen through maps a [B, T, 2, 3], nothing beyond lo and hi [B, 1, 1, 1, 2] -> [B, T, size, size]."""
    b, t, h, w = x.shape
    grid = F.affine_grid(a.reshape(b * t, 2, 3), (b * t, 1, size, size), align_corners=False).view(b, t, size, size, 2)
    grid = torch.maximum(torch.minimum(grid, hi), lo).reshape(b * t, size, size, 2)
    y = F.grid_sample(x.reshape(b * t, 1, h, w), grid, mode="bilinear", padding_mode="border", align_corners=False)
    return y.view(b, t, size, size)


def motion(b, t, share, device):
    """Ways of a camera that is knocked or pans slowly while the ring is followed late: offsets [B, T, 2] in units of the crop's half,
    none of most sequences. A knock rings out within a second; a pan moves by up to a quarter of a ring width and stays there."""
    one = (b, 1, 1)
    k = torch.arange(t, device=device)[None, :, None] - uniform(one, 0, t, device)
    after = k.clamp(min=0)
    knock = uniform((b, 1, 2), -0.08, 0.08, device) * torch.exp(-after / uniform(one, 3, 12, device)) * torch.sin(after * uniform(one, 0.6, 1.8, device))
    pan = uniform((b, 1, 2), -0.12, 0.12, device) * (0.5 + 0.5 * torch.tanh(k / uniform(one, 4, 30, device)))
    return knock * chance(one, share, device) + pan * chance(one, share, device)


def moved(ball, k, a):
    """Places of the ball [B, T, 4] (`net.Ball.loss`) after `retime` by frames k and `place` by maps a."""
    ball = ball[torch.arange(len(ball), device=ball.device)[:, None], k]
    xy = torch.linalg.solve(a[..., :2], (ball[..., :2] - a[..., 2]).unsqueeze(-1)).squeeze(-1)
    return torch.cat([xy, ball[..., 2:]], -1)


def light(x, gamma=0.5, contrast=0.5, invert=0.2, flicker=0.1):
    """Tone, contrast, polarity, mains flicker."""
    b, t = x.shape[:2]
    dev = x.device
    one = (b, 1, 1, 1)
    x = x.clamp(1e-3, 1) ** torch.exp(uniform(one, -gamma, gamma, dev))
    x = torch.where(chance(one, invert, dev), 1 - x, x)
    c = uniform(one, 1 - contrast, 1.1, dev)
    x = (x - 0.5) * c + 0.5 + uniform(one, -1, 1, dev) * (0.5 * (1 - c)).clamp(min=0)
    k = torch.arange(t, device=dev)[None, :, None, None]
    f = torch.sin(k * uniform(one, 0.3, 3.0, dev) + uniform(one, 0, 6, dev)) * uniform(one, 0, 0.02, dev)
    return x + f * chance(one, flicker, dev)


def occlude(x, share=0.25):
    """A limb, a head or a post that passes: a soft-edged ellipse or strip on its own way."""
    b, t, h, w = x.shape
    dev = x.device
    one = (b, 1, 1, 1)
    gy, gx = torch.meshgrid(torch.linspace(-1, 1, h, device=dev), torch.linspace(-1, 1, w, device=dev), indexing="ij")
    k = torch.arange(t, device=dev)[None, :, None, None] - uniform(one, 0, t, dev)
    px, py = uniform(one, -1.2, 1.2, dev) + k * uniform(one, -0.09, 0.09, dev), uniform(one, -0.6, 1.4, dev) + k * uniform(one, -0.03, 0.03, dev) + torch.sin(k * 0.2) * uniform(one, 0, 0.2, dev)
    th = uniform(one, 0, math.pi, dev)
    dx, dy = gx - px, gy - py
    u, v = dx * torch.cos(th) + dy * torch.sin(th), dy * torch.cos(th) - dx * torch.sin(th)
    ru, rv = uniform(one, 0.05, 0.3, dev), uniform(one, 0.15, 1.2, dev)
    soft = uniform(one, 0.05, 0.4, dev)
    m = ((1 - ((u / ru) ** 2 + (v / rv) ** 2)) / soft).clamp(0, 1) * chance(one, share, dev)
    return x * (1 - m) + m * (uniform(one, 0, 1, dev) + 0.1 * torch.sin(u * uniform(one, 5, 30, dev)))


def blur(x, rings=4.0, ring=(9.0, 22.0), share=0.5):
    """Fewer pixels on the ring than the crop has: down and up again, a few strengths a batch."""
    b, t, h, w = x.shape
    n = int(b * share)
    out = []
    groups = max(1, n // 8)
    for part in torch.chunk(x[:n], groups) if n else []:
        r = float(torch.empty(1).uniform_(*ring))
        s = max(16, int(round(rings * r)))
        if s < w:
            q = F.interpolate(part, size=(s, s), mode="bilinear", antialias=True, align_corners=False)
            part = F.interpolate(q, size=(h, w), mode="bilinear", align_corners=False)
        out.append(part)
    return torch.cat(out + [x[n:]]) if n else x


_dct = {}


def dct(n, device):
    """The transform of n x n pixels, row after row: [n * n, n * n]."""
    if (n, str(device)) not in _dct:
        k = torch.arange(n, dtype=torch.float64)
        m = torch.cos(math.pi / n * (k[None] + 0.5) * k[:, None]) * math.sqrt(2 / n)
        m[0] /= math.sqrt(2)
        _dct[(n, str(device))] = torch.kron(m, m).float().to(device)
    return _dct[(n, str(device))]


def _requantise(src, q, key):
    prev, out = torch.zeros_like(src[:, 0]), []
    for k in range(src.shape[1]):
        prev = prev * (~key[:, k, None, None, None, None])
        r = (src[:, k] - prev) / q
        prev = prev + torch.sign(r) * (r.abs() + 0.33).floor() * q                     # a third of a step of dead zone
        out.append(prev)
    return torch.stack(out, 1)


_graphs = {}


def requantised(*args):
    """Coefficients [n, T, rows, columns, 8, 8] as a decoder holds them, by steps q [n, 1, 1, 8, 8] and key frames [n, T].
    On a GPU the thousand small kernels are recorded once for a shape and played."""
    if args[0].device.type != "cuda":
        return _requantise(*args)
    shape = tuple(args[0].shape)
    if shape not in _graphs:
        held = [a.clone() for a in args]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            _requantise(*held)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            out = _requantise(*held)
        _graphs[shape] = graph, held, out
    graph, held, out = _graphs[shape]
    for old, new in zip(held, args):
        old.copy_(new)
    graph.replay()
    return out.clone()


def codec(x, share=0.6, quality=(0.004, 0.06), block=8):
    """What a starved encoder of a still camera does: per block, only differences that survive a coarse quantiser
    reach the picture, refreshed by a key frame now and then."""
    b, t, h, w = x.shape
    n = int(b * share)
    if not n:
        return x
    dev = x.device
    d = dct(block, dev)
    f = (1 + torch.arange(block, device=dev)[None] + torch.arange(block, device=dev)[:, None]) ** 0.5
    q = torch.exp(uniform((n, 1, 1, 1, 1), math.log(quality[0]), math.log(quality[1]), dev)) * f
    gop = torch.randint(15, 120, (n,), device=dev)
    phase = torch.randint(0, 120, (n,), device=dev)
    cut_all = x[:n].view(n, t, h // block, block, w // block, block).permute(0, 1, 2, 4, 3, 5)
    src = (cut_all.flatten(-2) @ d.T).unflatten(-1, (block, block))
    key = (torch.arange(t, device=dev)[None] + phase[:, None]) % gop[:, None] == 0
    key[:, 0] = True
    y = (requantised(src, q, key).flatten(-2) @ d).unflatten(-1, (block, block))
    y = y.permute(0, 1, 2, 4, 3, 5).reshape(n, t, h, w)
    return torch.cat([y, x[n:]])


def noise(x, most=0.03):
    b, t, h, w = x.shape
    return x + torch.randn_like(x) * uniform((b, 1, 1, 1), 0, 1, x.device) ** 2 * most


def fuse():
    """On a GPU: what passes over every pixel many times becomes one kernel each (of 128 sequences on an H100: occlude 6.6 to 0.5 ms, light 2.4
    to 0.4, noise and warp not measured). Where that can't be compiled it stays as it is."""
    import torch._dynamo
    global occlude, light, noise, warp
    torch._dynamo.config.suppress_errors = True
    occlude, light, noise, warp = (torch.compile(f) for f in (occlude, light, noise, warp))


def everything(x, labels, size, rings=4.0, rendered=True, ball=None, slow=0.18, moves=0.0):
    """uint8 [B, T, H, W] and targets -> float [B, T, size, size] in 0..1, targets and, if given, where the ball is. What
    the renderer varies by itself (box, blur, noise, encoder) is varied little here; real sequences get the full measure. A share
    `slow` is thinned to 15 to 20 pictures a second; of a share `moves` the camera is knocked, of as many it pans."""
    few = 0.35 if rendered else 1.0
    x, labels, k = retime(x, labels, slow=slow)
    x, a = place(x.float() / 255, size, rings, jitter=0.04 if rendered else 0.10, shake=0.25 * few, drift=0.15 * few,
                 zoom=(0.88, 1.18) if rendered else (0.8, 1.25), moves=moves)
    ball = None if ball is None else moved(ball, k, a)
    x = occlude(x, 0.15)
    x = light(x)
    b = x.shape[0]
    x = noise(x, 0.03 * few).clamp(0, 1)
    for spoil in (lambda q: codec(q, 0.5 * few), lambda q: blur(q, rings, share=0.5 * few)):
        p = torch.randperm(b, device=x.device)
        x, labels, ball = spoil(x[p]), labels[p], None if ball is None else ball[p]
    return (x.clamp(0, 1) * 255).round() / 255, labels, ball
