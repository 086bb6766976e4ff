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


def develop(rng, img, tfr, noise=True):
    """Light, tone, optics, noise: float Y, Cb, Cr [B,T,3,n,n] -> same, Y in 0..1, Cb, Cr about 0. Without `noise` what it
    would be free of it, to compare."""
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
    if noise:
        y = y + s * (1.2 - .7 * y) * grain(rng, 'noise/y', T, n)
    if colour and noise:
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


def levels(rng, y):
    """Luma [B,T,1,n,n] in 0..1 as grey levels: limited or full range."""
    return torch.where(~rng.p('fullrange', .15)[:, None, None, None, None], 16 + 219 * y, 255 * y)


def encode(rng, img, fps, luma=False, real=0.0, rated=0.0):
    """Float Y, Cb, Cr -> decoded bytes as float: luma [B,T,n,n] and chroma [B,T,2,n/2,n/2] in 0..255. A share `real`
    of the attempts goes through x264 (its luma), of these a share `rated` (a number, or one an attempt) at a bit rate; the others through the stand-in."""
    e = lambda a: a[:, None, None, None, None]
    B, T, _, n, _ = img.shape
    lim = e(~rng.p('fullrange', .15))
    img = img.float()
    y = levels(rng, img[:, :, :1])
    q = torch.where(rng.p('q/none', .12), torch.zeros(B, device=rng.device), rng.log('q', 3.5, 34))
    gop = (rng.u('gop', .5, 4.) * fps).long().clamp(min=10)
    ph = (rng.u('gop/p', 0, 1) * gop).long()
    t = torch.arange(T, device=rng.device)
    key = ((t[None] + ph[:, None]) % gop[:, None]) == 0
    key[:, 0] = True
    tnr = torch.where(rng.p('tnr', .4), rng.u('tnr/a', .3, .85), torch.zeros(B, device=rng.device))
    x264 = rng.p('x264', real)
    i, j = torch.nonzero(~x264)[:, 0], torch.nonzero(x264)[:, 0]
    out = torch.empty_like(y[:, :, 0])
    if len(i):
        out[i] = code(y[i], q[i], key[i], tnr[i])[:, :, 0].round().clamp(0, 255)
    if len(j):
        out[j] = coded(rng.pick(j), y[j, :, 0], fps[j], rated[j] if torch.is_tensor(rated) else rated)
    y = out
    if luma:
        return y, None
    c = F.avg_pool2d(img[:, :, 1:].flatten(0, 1), 2).view(B, T, 2, n // 2, n // 2)
    c = torch.where(lim, c * 224, c * 255) + 128
    hc = (n // 2 + 7) // 8 * 8 - n // 2
    c = F.pad(c.flatten(0, 1), (0, hc, 0, hc), mode='replicate').view(B, T, 2, n // 2 + hc, n // 2 + hc)
    c = code(c, q, key, tnr)[..., :n // 2, :n // 2]
    return y, c.round().clamp(0, 255)


PRESETS = ('ultrafast', 'superfast', 'veryfast', 'faster')


PICTURE = 1280 * 720                     # pixels of the whole picture that a bit rate is meant for
SLICE = 100                              # bits of a picture's headers, which a small picture does not share with a large one
LEAD = 24                                # pictures that are encoded before, so that the rate has settled


def mbit(rng, real, rated):
    """Bit rate of the whole picture, Mbit/s [B]; nan for an attempt that is held to a quality or goes through the stand-in."""
    on = rng.p('x264', real) & rng.p('x264/rated', rated)
    return torch.where(on, rng.log('x264/mbit', .2, 4.), torch.full((rng.n,), math.nan, device=rng.device))


def h264(y, fps, crf, gop, preset, zerolatency, kbit=None, buffer=1.0, bits=None):
    """The real thing for one attempt: luma bytes y [T,n,n] (numpy) through x264 and back, by PyAV. Held to x264's quality `crf`
    or, with `kbit`, to that many kbit/s with a buffer of `buffer` seconds, so that what moves starves; then the beginning is encoded
    backwards before, and not returned. `bits`: a list that is told how many bits the pictures took."""
    from fractions import Fraction

    import av
    import numpy as np
    T, h, w = y.shape
    enc = av.CodecContext.create('libx264', 'w')
    enc.width, enc.height, enc.pix_fmt, enc.time_base, enc.framerate = w, h, 'yuv420p', Fraction(1, max(1, round(fps))), max(1, round(fps))
    enc.gop_size, enc.thread_count = gop, 1
    o = {'preset': preset, 'threads': '1'}
    lead = 0
    if kbit is None:
        o['crf'] = '%.1f' % crf
    else:
        lead = min(LEAD, T - 1)
        y = np.concatenate([y[lead:0:-1], y])
        enc.bit_rate = round(kbit * 1000)
        # beyond this quantiser a small picture turns grey all over, which no stream of a court does: the rate gives way
        o['maxrate'], o['bufsize'], o['qmax'] = str(enc.bit_rate), str(max(1000, round(enc.bit_rate * buffer))), '46'
    if zerolatency:
        o['tune'] = 'zerolatency'
    enc.options = o
    dec = av.CodecContext.create('h264', 'r')
    dec.thread_count = 1
    plane = np.full((h * 3 // 2, w), 128, np.uint8)
    out = []

    def take(packets):
        for p in packets:
            if bits is not None and p is not None and p.pts >= lead:
                bits.append(p.size * 8)
            for f in dec.decode(p):
                q = f.planes[0]
                out.append(np.frombuffer(q, np.uint8).reshape(q.height, q.line_size)[:h, :w].copy())

    for t in range(len(y)):
        plane[:h] = y[t]
        f = av.VideoFrame.from_ndarray(plane, format='yuv420p')
        f.pts = t
        take(enc.encode(f))
    take(enc.encode(None))
    take([None])
    return np.stack(out[lead:])


_POOL = []


def coded(rng, y, fps, rated=0.0):
    """Luma bytes y [B,T,n,n] (float) through x264, each attempt with settings of its own; on the processor's threads."""
    from concurrent.futures import ThreadPoolExecutor
    if not _POOL:
        _POOL.append(ThreadPoolExecutor(4))
    crf, gop = rng.u('x264/crf', 16, 33).tolist(), (rng.u('gop', .5, 4.) * fps).long().clamp(min=10).tolist()
    preset, live = rng.choice('x264/preset', [1] * len(PRESETS)).tolist(), rng.p('x264/live', .6).tolist()
    # a canvas gets its area's share of the bits, and up to three times that: round a ring more moves than elsewhere
    share = rng.log('x264/busy', 1, 3) * (y.shape[-1] * y.shape[-2] / PICTURE)
    kbit = (mbit(rng, 1.0, rated) * share * 1000 + SLICE * fps / 1000).tolist()
    buffer = rng.log('x264/buffer', .3, 2.).tolist()
    fps, src = fps.tolist(), y.round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    jobs = [_POOL[0].submit(h264, src[k], fps[k], crf[k], gop[k], PRESETS[preset[k]], live[k], None if math.isnan(kbit[k]) else kbit[k], buffer[k]) for k in range(len(src))]
    return torch.stack([torch.from_numpy(j.result()) for j in jobs]).to(y.device, y.dtype)


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
