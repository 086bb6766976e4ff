"""Trains the whistle net: `python3 -m train.hear.train --seed 23 --scenes 12000 --out hear/whistle.f32` in models/.

numpy alone; one core, some minutes. The same seed and numpy give the same file.
"""
import argparse
import json
import numpy as np

from train.hear import hall

HIDDEN = (32, 16)


def made(seed, scenes, seconds=1.5):
    rows, wanted = [], []
    for n in range(scenes):
        rng = np.random.default_rng([seed, n])
        both, own, rest = hall.scene(rng, seconds)
        row, want = hall.features(both), hall.labels(own, rest)
        keep = ~np.isnan(want)
        rows.append(row[keep].astype(np.float16))
        wanted.append(want[keep].astype(np.float32))
    return np.concatenate(rows), np.concatenate(wanted)


def begin(rng):
    sizes = (hall.INPUTS, *HIDDEN, 1)
    return [(rng.standard_normal((a, b)) * np.sqrt(2 / a), np.zeros(b)) for a, b in zip(sizes, sizes[1:])]


def forward(net, x):
    kept = [x]
    for n, (w, b) in enumerate(net):
        x = x @ w + b
        if n + 1 < len(net):
            x = np.maximum(x, 0)
        kept.append(x)
    return kept


def share(net, x):
    return 1 / (1 + np.exp(-np.clip(forward(net, x)[-1][:, 0], -30, 30)))


def fit(rows, wanted, seed, epochs, rate=2e-3, batch=1024):
    rng = np.random.default_rng([seed, 1])
    net = [(w.astype(np.float32), b.astype(np.float32)) for w, b in begin(rng)]
    flat = [p for pair in net for p in pair]
    m, v = [np.zeros_like(p) for p in flat], [np.zeros_like(p) for p in flat]
    step, steps = 0, epochs * (len(rows) // batch)
    for epoch in range(epochs):
        order, loss = rng.permutation(len(rows)), 0.0
        for k in range(len(rows) // batch):
            at = order[k * batch:(k + 1) * batch]
            x, y = rows[at].astype(np.float32), wanted[at]
            kept = forward(net, x)
            p = 1 / (1 + np.exp(-np.clip(kept[-1][:, 0], -30, 30)))
            loss += float(-(y * np.log(p + 1e-7) + (1 - y) * np.log(1 - p + 1e-7)).mean())
            back, grads = ((p - y) / batch)[:, None].astype(np.float32), []
            for n in reversed(range(len(net))):
                grads[:0] = [kept[n].T @ back, back.sum(0)]
                if n:
                    back = (back @ net[n][0].T) * (kept[n] > 0)
            step += 1
            lr = rate * 0.5 * (1 + np.cos(np.pi * step / steps))
            for i, (p_, g) in enumerate(zip(flat, grads)):
                m[i] = 0.9 * m[i] + 0.1 * g
                v[i] = 0.999 * v[i] + 0.001 * g * g
                p_ -= lr * (m[i] / (1 - 0.9 ** step) / (np.sqrt(v[i] / (1 - 0.999 ** step)) + 1e-8) + 1e-4 * p_)
        print(f"epoch {epoch + 1}: loss {loss / (len(rows) // batch):.4f}", flush=True)
    return net


def save(net, path):
    np.concatenate([np.concatenate([w.T.ravel(), b]) for w, b in net]).astype("<f4").tofile(path)


def load(path):
    flat, net, at = np.fromfile(path, "<f4"), [], 0
    sizes = (hall.INPUTS, *HIDDEN, 1)
    for a, b in zip(sizes, sizes[1:]):
        w = flat[at:at + a * b].reshape(b, a).T
        net.append((w, flat[at + a * b:at + a * b + b]))
        at += a * b + b
    assert at == len(flat), "another net's file"
    return net


def vectors(net, path):
    """What the front and the net must give, for the test of src/hear: one scene, three of its hops."""
    both, _, _ = hall.scene(np.random.default_rng([7, 7]), 1.0, 1.0, (5.0, 10.0))
    pcm = np.round(np.clip(both, -1, 1) * 32767).astype(int)
    rows = hall.features(pcm / 32768.0)
    told = share(net, rows)
    hops = [0, len(rows) // 2, len(rows) - 1]
    json.dump({"pcm": pcm.tolist(), "hops": hops, "rows": [[round(float(v), 4) for v in rows[h]] for h in hops],
               "shares": [round(float(p), 4) for p in told]}, open(path, "w"))


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seed", type=int, default=23)
    asked.add_argument("--scenes", type=int, default=12_000)
    asked.add_argument("--epochs", type=int, default=8)
    asked.add_argument("--out", default="hear/whistle.f32")
    asked = asked.parse_args()
    rows, wanted = made(asked.seed, asked.scenes)
    print(f"{len(rows)} hops, {wanted.mean():.3f} of them whistle", flush=True)
    net = fit(rows, wanted, asked.seed, asked.epochs)
    save(net, asked.out)
    vectors(net, asked.out.rsplit(".", 1)[0] + ".json")
    rows, wanted = made(asked.seed + 1, 400)
    told = share(net, rows.astype(np.float32)) >= 0.5
    print(f"held out by seed: found {(told & (wanted > 0)).sum()} of {int(wanted.sum())}, right {(told & (wanted > 0)).sum()} of {told.sum()}")
