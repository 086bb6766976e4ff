"""What a camera and its encoder do to a picture: exposure, tone, optics, noise, denoising, sharpening, 4:2:0, and a
stand-in for H.264 (8x8 DCT quantisation of the change since the last decoded frame, key frames, deblocking), as bytes."""
import math

import torch
import torch.nn.functional as F

_TILE = {}


def tile(device, size=1 << 20):
    """A fixed supply of normal numbers."""
    k = str(device)
    if k not in _TILE:
        g = torch.Generator().manual_seed(20261122)
        _TILE[k] = torch.randn(size, generator=g).to(device)
    return _TILE[k]


def grain(rng, tag, T, n):
    """Noise [B,T,1,n,n], different in every frame."""
    z = tile(rng.device)
    off = (rng.u(tag, 0, 1, T) * (len(z) - n * n)).long()
    return z.unfold(0, n * n, 1)[off.reshape(-1)].view(rng.n, T, 1, n, n)


def blur3(x, a):
    """[.. ,h,w] by the kernel (a, 1-2a, a) both ways; a like [B,1,1,1,1]."""
    p = torch.cat([x[..., :1], x, x[..., -1:]], -1)
    x = x * (1 - 2 * a) + a * (p[..., :-2] + p[..., 2:])
    p = torch.cat([x[..., :1, :], x, x[..., -1:, :]], -2)
    return x * (1 - 2 * a) + a * (p[..., :-2, :] + p[..., 2:, :])


def develop(rng, img, tfr):
    """Light, tone, optics, noise: float Y, Cb, Cr [B,T,3,n,n] -> same, Y in 0..1, Cb, Cr about 0."""
    e = lambda a: a[:, None, None, None, None]
    B, T, _, n, _ = img.shape
    dt = img.dtype
    y, c = img[:, :, :1], img[:, :, 1:]
    # optics
    soft = e(rng.u('opt/a', .0, .26)).to(dt)
    img = blur3(torch.cat([y, c], 2), soft)
    twice = rng.p('opt/2', .35)
    i = torch.nonzero(twice)[:, 0]
    if len(i):
        img = img.index_copy(0, i, blur3(img[i], soft[i]))
    y, c = img[:, :, :1].float(), img[:, :, 1:].float()
    # exposure in time
    t = tfr[:, :, None, None, None]
    amp = rng.u('ev/a', 0, .3) * rng.p('ev', .15)
    gain = 1 + e(amp) * torch.tanh((t - e(rng.u('ev/t', .2, 2.))) * e(rng.u('ev/s', -6, 6)))
    gain = gain + e(rng.u('fl/a', 0, .05) * rng.p('fl', .15)) * torch.sin(t * e(rng.u('fl/f', 5, 60)))
    gain = gain * e(torch.where(rng.p('dark', .12), rng.u('dark/g', .25, .6), rng.u('gain', .8, 1.25)))
    haze = e(rng.u('haze', 0, .25) * rng.p('haze/p', .25))
    y = y * gain * (1 - haze) + haze * e(rng.u('haze/c', .4, .9))
    colour = c.shape[2] > 0
    if colour:
        c = c * gain.clamp(max=1.2) * (1 - haze) * e(rng.u('sat', .35, 1.3)) + rng.g('wb', .022, 2)[:, None, :, None, None]
    y = y.clamp(0, 1.3)
    y = (y + 1e-4) ** e(torch.exp(rng.g('gam', .22)))
    y = (y - .5) * e(rng.u('con', .65, 1.25)) + .5 + e(rng.g('off', .05))
    knee = e(rng.u('knee', .8, 1.0))
    y = torch.where(y > knee, knee + (1 - knee) * torch.tanh((y - knee) / (1 - knee + 1e-3)), y).clamp(0, 1)
    # noise, stronger in the dark
    s = e(torch.where(rng.p('noise/b', .2), rng.log('noise/h', .015, .05), rng.log('noise', .001, .015)))
    y = y + s * (1.2 - .7 * y) * grain(rng, 'noise/y', T, n)
    if colour:
        c = c + s * .5 * blur3(torch.cat([grain(rng, 'noise/u', T, n), grain(rng, 'noise/v', T, n)], 2), torch.full_like(s, .3)) * 1.5
    # sharpening
    k = e(rng.u('sharp', 0, 1.6) * rng.p('sharp/p', .5))
    y = y + k * (y - blur3(y, torch.full_like(k, .25)))
    return torch.cat([y.clamp(0, 1), c], 2).to(dt)


_D = {}


def dct(device):
    k = str(device)
    if k not in _D:
        i = torch.arange(8.)
        m = torch.cos(math.pi * (2 * i[None] + 1) * i[:, None] / 16) * math.sqrt(2 / 8)
        m[0] /= math.sqrt(2)
        _D[k] = m.to(device)
    return _D[k]


def blocks(x):
    b, c, h, w = x.shape
    return x.view(b, c, h // 8, 8, w // 8, 8).permute(0, 1, 2, 4, 3, 5)


def unblocks(x):
    b, c, i, j, _, _ = x.shape
    return x.permute(0, 1, 2, 4, 3, 5).reshape(b, c, i * 8, j * 8)


def deblock(x, s):
    """Softens block edges by at most s [B,1,1,1]."""
    for dim in (-1, -2):
        v = x.transpose(dim, -1) if dim != -1 else x
        v = v.clone()
        p, q = v[..., 7:-1:8], v[..., 8::8]
        d = q - p
        a = torch.where(d.abs() < 3 * s, d * .25, torch.zeros_like(d))
        v[..., 7:-1:8] += a
        v[..., 8::8] -= a
        x = v.transpose(dim, -1) if dim != -1 else v
    return x


def code(x, q, key, tnr):
    """x [B,T,C,h,w] in byte units -> decoded. q [B] quantiser step, key [B,T] key frames, tnr [B] denoiser's weight."""
    B, T, C, h, w = x.shape
    M = dct(x.device).to(x.dtype)
    e = lambda a: a[:, None, None, None]
    qe = e(q)
    step = (qe * 1.)[..., None, None]
    ramp = (torch.arange(8, device=x.device)[:, None] + torch.arange(8, device=x.device)[None]).to(x.dtype) * .02 + .9
    step = step * ramp
    pure = e(q) < .5
    out, prev, dn = [], torch.zeros_like(x[:, 0]), x[:, 0]
    for t in range(T):
        cur = x[:, t]
        if t:                                              # temporal denoising in the camera: slow where little changes
            df = cur - dn
            wgt = 1 - e(tnr) * torch.exp(-(df / 7) ** 2)
            dn = dn + wgt * df
        kf = e(key[:, t])
        base = torch.where(kf, torch.full_like(prev, 128.), prev)
        r = blocks(dn - base)
        co = M @ r @ M.t()
        rnd = torch.where(kf, .36, .20)[..., None, None]
        st = torch.where(kf[..., None, None], step * .85, step)
        lv = torch.sign(co) * torch.floor(co.abs() / st.clamp(min=.5) + rnd)
        if not bool(kf.all()):                             # a lone small coefficient is not worth its bits
            lone = (lv.abs().sum((-1, -2), keepdim=True) <= 1) & (co.abs().amax((-1, -2), keepdim=True) < 1.3 * st[..., :1, :1]) & ~kf[..., None, None]
            lv = torch.where(lone, torch.zeros_like(lv), lv)
        rec = base + unblocks(M.t() @ (lv * st) @ M)
        rec = deblock(rec, qe * .5)
        prev = torch.where(pure, dn, rec).clamp(0, 255)
        out.append(prev)
    return torch.stack(out, 1)


def encode(rng, img, fps, luma=False, real=0.0):
    """Float Y, Cb, Cr -> decoded bytes as float: luma [B,T,n,n] and chroma [B,T,2,n/2,n/2] in 0..255."""
    e = lambda a: a[:, None, None, None, None]
    B, T, _, n, _ = img.shape
    lim = e(~rng.p('fullrange', .15))
    img = img.float()
    y = torch.where(lim, 16 + 219 * img[:, :, :1], 255 * img[:, :, :1])
    x264 = rng.p('x264', real)
    q = torch.where(rng.p('q/none', .12) | x264, torch.zeros(B, device=rng.device), rng.log('q', 3.5, 34))
    gop = (rng.u('gop', .5, 4.) * fps).long().clamp(min=10)
    ph = (rng.u('gop/p', 0, 1) * gop).long()
    t = torch.arange(T, device=rng.device)
    key = ((t[None] + ph[:, None]) % gop[:, None]) == 0
    key[:, 0] = True
    tnr = torch.where(rng.p('tnr', .4), rng.u('tnr/a', .3, .85), torch.zeros(B, device=rng.device))
    y = code(y, q, key, tnr)[:, :, 0].round().clamp(0, 255)
    if luma:
        return through(rng, x264, y, None, fps, gop), None
    c = F.avg_pool2d(img[:, :, 1:].flatten(0, 1), 2).view(B, T, 2, n // 2, n // 2)
    c = torch.where(lim, c * 224, c * 255) + 128
    hc = (n // 2 + 7) // 8 * 8 - n // 2
    c = F.pad(c.flatten(0, 1), (0, hc, 0, hc), mode='replicate').view(B, T, 2, n // 2 + hc, n // 2 + hc)
    c = code(c, q, key, tnr)[..., :n // 2, :n // 2]
    c = c.round().clamp(0, 255)
    return through(rng, x264, y, c, fps, gop), c


def through(rng, which, y, c, fps, gop):
    """Sends some of the attempts through x264, in place."""
    for i in torch.nonzero(which)[:, 0].tolist():
        T, n, _ = y[i].shape
        bits = float(rng.log('x264/b', .02, .25)[i])                 # a pixel; 720p30 at 1 Mb/s has 0.036
        cc = torch.full((T, 2, n // 2, n // 2), 128., device=y.device) if c is None else c[i]
        a, b = h264(y[i].byte().cpu().numpy(), cc.byte().cpu().numpy(), float(fps[i]), bits * n * n * float(fps[i]) / 1000, int(gop[i]))
        y[i] = torch.from_numpy(a).to(y)
        if c is not None:
            c[i] = torch.from_numpy(b).to(c)
    return y


def h264(y, c, fps, kbps, gop):
    """The real thing for one attempt: y [T,n,n], c [T,2,n/2,n/2] bytes (numpy) through x264 and back, by PyAV."""
    import io

    import av
    import numpy as np
    T, h, w = y.shape
    buf = io.BytesIO()
    out = av.open(buf, 'w', format='matroska')
    s = out.add_stream('libx264', rate=max(1, round(fps)))
    s.width, s.height, s.pix_fmt = w, h, 'yuv420p'
    s.bit_rate, s.gop_size = int(kbps * 1000), gop
    s.options = {'preset': 'veryfast', 'tune': 'zerolatency', 'bf': '0'}
    for t in range(T):
        f = av.VideoFrame(w, h, 'yuv420p')
        for p, a in zip(f.planes, (y[t], c[t, 0], c[t, 1])):
            b = np.zeros((a.shape[0], p.line_size), np.uint8)
            b[:, :a.shape[1]] = a
            p.update(b.tobytes())
        f.pts = t
        for pk in s.encode(f):
            out.mux(pk)
    for pk in s.encode(None):
        out.mux(pk)
    out.close()
    buf.seek(0)
    ys, cs = [], []
    for f in av.open(buf).decode(video=0):
        pl = [np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, :p.width] for p in f.planes]
        ys.append(pl[0])
        cs.append(np.stack(pl[1:]))
    return np.stack(ys), np.stack(cs)


def triangle(origin, side, size, n):
    """The contract's antialiased triangle filter: weights [B, size, n] from a line of n pixels."""
    d = origin.device
    s = (side / size)[:, None, None]
    c = origin[:, None, None] + (torch.arange(size, device=d)[None, :, None] + .5) * s
    sup = s.clamp(min=1)
    # indices beyond the picture count for its edge pixel
    pad = n
    j = torch.arange(-pad, n + pad, device=d)[None, None]
    w = (1 - (j + .5 - c).abs() / sup).clamp(min=0)
    m = w[..., pad:pad + n].clone()
    m[..., 0] += w[..., :pad].sum(-1)
    m[..., -1] += w[..., pad + n:].sum(-1)
    return m / m.sum(-1, keepdim=True)
