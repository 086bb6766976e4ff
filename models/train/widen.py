"""Makes a member wider without changing what it answers, so that a longer training can go on from it.

    python -m train.widen IN.pt OUT.pt --widths 32,56,96,128 [--seed 1]

Channels are repeated; what reads a repeated channel reads each copy by a random part of the old weight, so that the copies
learn different things from the first step on (Net2Net). A channel that the temporal shift delays stays one that it delays.
"""
import argparse

import torch

from . import net, weights


def repeats(old, new, rng):
    """-> for each of `new` channels the old one that it repeats; the first quarter (delayed by the next block) stays the first quarter."""
    a, b = old // 4, new // 4
    lo = torch.cat([torch.arange(a), torch.randint(a, (b - a,), generator=rng)])
    hi = torch.cat([torch.arange(a, old), torch.randint(a, old, (new - b - (old - a),), generator=rng)])
    return torch.cat([lo, hi])


def parts(m, old, rng):
    """Random parts that sum to one over the copies of each old channel."""
    w = 0.3 + torch.rand(len(m), generator=rng)
    return w / torch.zeros(old).index_add_(0, m, w)[m]


def widen(trunk, width, seed=1):
    rng = torch.Generator().manual_seed(seed)
    c = trunk.config()
    out = net.Trunk(**{**c, "width": width})
    old, new = {k: v.clone() for k, v in trunk.state_dict().items()}, {}
    m, share = torch.arange(c["inputs"]), torch.ones(c["inputs"])
    for k, (a, b) in enumerate(zip(trunk.blocks, out.blocks)):
        o, n = a.conv.out_channels, b.conv.out_channels
        to = repeats(o, n, rng)
        w = old[f"blocks.{k}.conv.weight"][to][:, m] * share[None, :, None, None]
        new[f"blocks.{k}.conv.weight"] = w
        for q in ("weight", "bias", "running_mean", "running_var"):
            new[f"blocks.{k}.norm.{q}"] = old[f"blocks.{k}.norm.{q}"][to]
        new[f"blocks.{k}.norm.num_batches_tracked"] = old[f"blocks.{k}.norm.num_batches_tracked"]
        m, share = to, parts(to, o, rng)
    h, cells = c["hidden"], trunk.cells ** 2
    fc = old["fc.weight"].view(h, -1, cells)
    new["fc.weight"] = (fc[:, m] * share[None, :, None]).reshape(h, -1)
    out.load_state_dict({**old, **new})
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("source")
    p.add_argument("target")
    p.add_argument("--widths", default="32,56,96,128")
    p.add_argument("--seed", type=int, default=1)
    o = p.parse_args()
    a = net.RimNet([weights.trunk(weights.member(o.source), o.source)]).eval()
    b = widen(a.members[0], [int(v) for v in o.widths.split(",")], o.seed)
    x = torch.rand(1, 12, b.size, b.size)
    with torch.no_grad():
        torch.testing.assert_close(net.RimNet([b.eval()])(x), a(x), rtol=1e-3, atol=1e-4)
    net.save(b, o.target)
    count = sum(v.numel() for v in b.parameters())
    print(f"{o.target}: widths {b.width}, {count:,} parameters, {4 * count / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
