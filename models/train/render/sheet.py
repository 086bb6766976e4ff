"""Contact sheets, to look at."""
import numpy as np
import torch


def rgb(x):
    """uint8 [...,3,S,S] y, cb, cr (limited range) -> uint8 [...,S,S,3]."""
    x = x.float()
    y, cb, cr = (x[..., 0, :, :] - 16) * 1.164, x[..., 1, :, :] - 128, x[..., 2, :, :] - 128
    return torch.stack([y + 1.596 * cr, y - .392 * cb - .813 * cr, y + 2.017 * cb], -1).round().clamp(0, 255).to(torch.uint8)


def sheet(b, path, rows=14, cols=14, step=2, pre=4, zoom=1):
    """One attempt a row, every step-th frame round t_rim (or the middle); a bar under each frame shows its class."""
    from PIL import Image
    bar = torch.tensor([[40, 40, 40], [230, 200, 0], [0, 200, 0], [220, 0, 0]], dtype=torch.uint8)
    out = []
    for k in range(min(rows, len(b['x']))):
        t = b['t'][k]
        f = int((t - b['t_rim'][k]).abs().argmin()) if 0 < b['outcome'][k] < 3 else len(t) // 3
        r = []
        for j in range(cols):
            q = min(max(f + (j - pre) * step, 0), len(t) - 1)
            im = rgb(b['x'][k, q].cpu())
            S = im.shape[0]
            im = im.repeat_interleave(zoom, 0).repeat_interleave(zoom, 1)
            m = bar[b['y'][k, q]][None, None].expand(4, im.shape[1], 3).clone()
            if b['w'][k, q] == 0:
                m[2:] = 120
            r.append(torch.cat([im, m], 0))
        out.append(torch.cat(r, 1))
    Image.fromarray(torch.cat(out, 0).numpy().astype(np.uint8)).save(path)
