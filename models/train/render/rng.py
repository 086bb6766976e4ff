"""Random numbers that belong to an attempt, not to a batch: the same seed and tag give the same numbers wherever they are drawn."""
import math
import zlib

import torch

_M = (1 << 64)


def _signed(x):
    x %= _M
    return x - _M if x >= _M // 2 else x


_G, _A, _B = _signed(0x9E3779B97F4A7C15), _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)


def _mix(z):
    z = (z ^ ((z >> 30) & ((1 << 34) - 1))) * _A
    z = (z ^ ((z >> 27) & ((1 << 37) - 1))) * _B
    return z ^ ((z >> 31) & ((1 << 33) - 1))


class Rng:
    """A counter-based generator (splitmix64) for a batch of seeds."""

    def __init__(self, seeds, device):
        self.device = torch.device(device)
        self.seeds = torch.as_tensor(seeds, dtype=torch.int64, device=self.device)
        self.n = len(self.seeds)

    def pick(self, i):
        """The generator of some of the attempts."""
        return Rng(self.seeds[i], self.device)

    def _bits(self, tag, shape):
        key = _mix(self.seeds * _G + _signed(zlib.crc32(tag.encode()) * 0x2545F4914F6CDD1D + 0x1234567))
        k = math.prod(shape)
        j = torch.arange(1, k + 1, device=self.device, dtype=torch.int64)
        return _mix(key[:, None] + j[None] * _G).view(self.n, *shape)

    def u(self, tag, lo=0.0, hi=1.0, *shape):
        """Uniform in [lo, hi), shape [N, *shape]."""
        f = ((self._bits(tag, shape) >> 40) & 0xFFFFFF).to(torch.float32) * (1.0 / (1 << 24))
        return f * (hi - lo) + lo

    def g(self, tag, sd=1.0, *shape):
        """Normal, mean 0."""
        a, b = self.u(tag + '/a', 0, 1, *shape), self.u(tag + '/b', 0, 1, *shape)
        return (-2 * torch.log(a + 3e-8)).sqrt() * torch.cos(2 * math.pi * b) * sd

    def log(self, tag, lo, hi, *shape):
        """Log-uniform in [lo, hi)."""
        return torch.exp(self.u(tag, math.log(lo), math.log(hi), *shape))

    def p(self, tag, share, *shape):
        """True with probability share."""
        return self.u(tag, 0, 1, *shape) < share

    def choice(self, tag, weights, *shape):
        """Index drawn with the given weights."""
        w = torch.tensor(weights, dtype=torch.float32, device=self.device)
        c = torch.cumsum(w / w.sum(), 0)
        return torch.searchsorted(c, self.u(tag, 0, 1, *shape).contiguous()).clamp(max=len(weights) - 1)
