"""Scores a net on clips and streams with truth.

    python -m train.evaluate CACHE (--bundle DIR | --weights a.pt … | --folds A=a.pt B=b.pt … rest=r.pt) [--rules KEY=VALUE …] [--only COURT …] [--json]

With --folds each court is answered by the member that has not seen it; `rest` stands for the courts that have none of their own.
--bundle streams its FP32 file in ONNX Runtime; --weights and --folds take what `weights.py` takes, all pictures side by side.
Who is unsure was not called: right of all counts it as wrong, as `courtside eval` does.
Clips: the first picture is held for 1 s before and the last for 1 s after. "called" is what the rules of decide.py
make of them (one fact within +-1 s of t_rim, the right outcome); "sign" is the summed log-odds over the 0.35 s after
t_truth, whatever the rules found. Streams are scored as trials/score_stream.py scores the whole program.
"""
import argparse
import json
import math
import os

import numpy as np
import torch

from . import bundle, crop, decide, export, footage, given, net, source, weights

HOLD = 30


def clopper_pearson(k, n, alpha=0.05):
    if n == 0:
        return 0.0, 1.0
    ways = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in range(n + 1)]
    cdf = lambda k, p: sum(math.exp(ways[i] + i * math.log(p) + (n - i) * math.log1p(-p)) for i in range(k + 1))

    def solve(f):
        lo, hi = 0.0, 1.0
        for _ in range(40):
            m = (lo + hi) / 2
            lo, hi = (m, hi) if f(m) else (lo, m)
        return lo
    return (0.0 if k == 0 else solve(lambda p: 1 - cdf(k - 1, p) < alpha / 2)), (1.0 if k == n else solve(lambda p: cdf(k, p) > alpha / 2))


def share(k, n):
    lo, hi = clopper_pearson(k, n)
    return f"{k}/{n} = {100 * k / max(n, 1):.1f} % ({100 * lo:.0f}–{100 * hi:.0f})"


class Whole:
    """A torch net over whole sequences, in pieces that overlap enough to carry its memory."""

    def __init__(self, rimnet, device="cpu", piece=600, lead=200):
        self.net, self.device, self.piece, self.lead = rimnet.to(device).eval(), device, piece, lead

    @torch.no_grad()
    def __call__(self, y):
        out, at = [], 0
        while at < len(y):
            s = max(0, at - self.lead)
            x = torch.from_numpy(y[s:at + self.piece]).to(self.device).float()[None] / 255
            out.append(self.net(x)[0, at - s:].float().cpu().numpy())
            at += self.piece
        return np.concatenate(out)


class Streamed:
    """The exported graph, frame by frame."""

    def __init__(self, folder):
        m = given.manifest(folder)
        self.run = export.Runner(os.path.join(folder, m["file"][0]["path"]), m["state"])
        self.decision = m["decision"]

    def __call__(self, y):
        self.run.reset()
        return np.stack([self.run(f / np.float32(255)) for f in y])


def coarser(y, px):
    """The crops as a ring of `px` pixels would give them: smaller by area, and up again."""
    n = max(8, round(crop.RINGS * px))
    x = torch.from_numpy(y).float()[:, None]
    x = torch.nn.functional.interpolate(x, size=(n, n), mode="bilinear", antialias=True, align_corners=False)
    x = torch.nn.functional.interpolate(x, size=y.shape[1:], mode="bilinear", align_corners=False)
    return x[:, 0].round().clamp(0, 255).to(torch.uint8).numpy()


def answers(model, items, every=1, ring=0):
    """-> {name: (meta, times, logits)}; clips with their first and last picture held. `every` k-th picture only; `ring`:
    its width in pixels, where it is to be less than the crop's."""
    out = {}
    for m, y, t in items:
        y, t = y[::every], t[::every]
        if ring:
            y = coarser(y, ring)
        if m["kind"] == "clip":
            hold = HOLD // every
            dt = every / min(m["fps"], 30.0) if len(t) < 2 else float(np.median(np.diff(t)))
            y = np.concatenate([np.repeat(y[:1], hold, 0), y, np.repeat(y[-1:], hold, 0)])
            t = np.concatenate([t[0] - dt * np.arange(hold, 0, -1), t, t[-1] + dt * np.arange(1, hold + 1)])
        out[m["name"]] = (m, t, model(y))
    return out


def match(found, attempts, tolerance=1.0):
    """As score_stream.py: the nearest free fact within the tolerance. -> list of fact or None, facts left over."""
    free, got = list(found), []
    for a in attempts:
        near = sorted(((abs(f["t"] - a["t_rim"]), i) for i, f in enumerate(free)), key=lambda q: q[0])
        got.append(free.pop(near[0][1]) if near and near[0][0] <= tolerance else None)
    return got, free


def score_streams(A, rules):
    rows, tot = [], dict(n=0, found=0, right=0, false=0)
    for name, (m, t, z) in sorted(A.items()):
        if m["kind"] != "stream":
            continue
        got, free = match(decide.facts(t, z, rules), m["attempts"])
        n = found = right = 0
        notes = []
        for a, f in zip(m["attempts"], got):
            if a.get("doubtful"):
                continue
            n += 1
            if f is None:
                notes.append(f"{a['t_rim']:.1f} {a['outcome']} not found")
                continue
            found += 1
            ok = f["made"] == (a["outcome"] == "made") and not f["unsure"]
            right += ok
            if not ok:
                notes.append(f"{a['t_rim']:.1f} {a['outcome']} {'unsure' if f['unsure'] else 'called wrong'} ({f['odds']:+.1f})")
        rows.append(dict(name=name, n=n, found=found, right=right, false=[round(float(f["t"]), 1) for f in free], notes=notes,
                         late=[round(float(f["t"] - a["t_rim"]), 2) for a, f in zip(m["attempts"], got) if f]))
        for k in ("n", "found", "right"):
            tot[k] += rows[-1][k]
        tot["false"] += len(free)
    return rows, tot


def score_clips(A, rules, groups=None):
    by = {}
    for name, (m, t, z) in sorted(A.items()):
        if m["kind"] != "clip":
            continue
        a = m["attempts"][0]
        made = a["outcome"] == "made"
        (f,), free = match(decide.facts(t, z, rules), [a])
        w = (t >= a["t_truth"] - 0.01) & (t <= a["t_truth"] + 0.36)
        s = float(np.clip(z[w, net.MADE] - z[w, net.MISSED], -6, 6).mean())
        g = m["court"] if m["court"] in "ABDX" else "single"
        by.setdefault(g, []).append(dict(name=name, made=made, found=f is not None, called=None if f is None else f["made"], unsure=f is not None and f["unsure"],
                                         odds=None if f is None else f["odds"], sign=s > 0, s=s, extra=len(free), view=m["view"]))
    return by


def auc(rows):
    p, q = [r["s"] for r in rows if r["made"]], [r["s"] for r in rows if not r["made"]]
    if not p or not q:
        return float("nan")
    return float(np.mean([[1.0 if a > b else 0.5 if a == b else 0.0 for b in q] for a in p]))


def report(A, rules):
    lines, summary = [], {}
    by = score_clips(A, rules)
    total = [r for g in by.values() for r in g]
    for g, rows in sorted(by.items()) + ([("all", total)] if total else []):
        n = len(rows)
        found = sum(r["found"] for r in rows)
        unsure = sum(r["unsure"] for r in rows)
        called = [r for r in rows if r["found"] and not r["unsure"]]
        right = sum(r["called"] == r["made"] for r in called)
        sign = sum(r["sign"] == r["made"] for r in rows)
        fm = sum(r["called"] and not r["made"] for r in called)
        lm = sum(not r["called"] and r["made"] for r in called)
        extra = sum(r["extra"] for r in rows)
        summary[g] = dict(n=n, found=found, unsure=unsure, right=right, sign=sign, auc=round(auc(rows), 3))
        lines.append(f"court {g}: found {found}/{n}; unsure {unsure}; right of all {share(right, n)}; of called {share(right, len(called))}; sign {share(sign, n)}; "
                     f"AUC {auc(rows):.3f}; false makes {fm}, lost makes {lm}, extra facts {extra}")
    rows, tot = score_streams(A, rules)
    for r in rows:
        lines.append(f"stream {r['name']}: found {r['found']}/{r['n']}, right {r['right']}, false {r['false']}, t - t_rim {r['late']}" + ("; " + "; ".join(r["notes"]) if r["notes"] else ""))
    lines.append(f"streams together: found {tot['found']}/{tot['n']}, right {share(tot['right'], tot['n'])}, false events {tot['false']}")
    summary["streams"] = tot
    return lines, summary


def verdicts(d, z, i, rules):
    """-> for attempt after attempt of sequence i: (slot, fact or None, right), and (None, fact, False) for facts too many."""
    t = d["t"][i]
    slots = [k for k in range(d["t_rim"].shape[1]) if not np.isnan(d["t_rim"][i, k])]
    # The sequence must show what the rules wait for.
    if not d["judged"][i] or any(d["t_rim"][i, k] < 0.15 or max(d["t_rim"][i, k] + 0.2, d["t_truth"][i, k]) + 0.5 > t[-1] for k in slots):
        return
    found, free = match(decide.facts(t, z[i], rules), [{"t_rim": d["t_rim"][i, k]} for k in slots])
    for k, f in zip(slots, found):
        yield k, f, f is not None and f["made"] == (d["made"][i, k] == 1)
    for f in free:
        yield None, f, False
    if not slots and not free:
        yield None, None, True


def timed(d):
    """What `verdicts` reads of sequences that `source.draw` drew: {"t", "t_rim", "t_truth", "judged", "made"}, in seconds."""
    sec = {k: source.seconds(d, k) for k in ("t_rim", "t_truth")}
    return {k: v.cpu().numpy() for k, v in dict(t=torch.cumsum(d["dt"], 1), **sec, judged=source.judged(d), made=d["made"]).items()}


def rendered(model_net, n, seed, device, rules, piece=512):
    """Scores a torch net on rendered attempts of a seed range, as `train.score tell` does: lines to print."""
    t = dict.fromkeys(("n", "found", "right", "false_makes", "lost_makes", "idle", "alarms", "extra", "neither"), 0)
    for s in range(seed, seed + n, piece):
        drawn = source.draw(min(piece, seed + n - s), s, device, 48_000_000)
        with torch.no_grad():
            z = torch.cat([model_net(q.float() / 255) for q in drawn["y"].split(64)]).float().cpu().numpy()
        d = timed(drawn)
        for i in range(len(z)):
            rows = list(verdicts(d, z, i, rules))
            tried = [q for q in rows if q[0] is not None]
            t["neither"] += not rows
            if rows and not tried:
                t["idle"] += 1
                t["alarms"] += rows[0][1] is not None
            elif rows:
                t["extra"] += len(rows) - len(tried)
            for slot, f, ok in tried:
                made = d["made"][i, slot] == 1
                t["n"] += 1
                t["found"] += f is not None
                t["right"] += ok
                t["false_makes"] += f is not None and not ok and not made
                t["lost_makes"] += f is not None and not ok and made
    return [f"rendered, seeds {seed} to {seed + n}: found {share(t['found'], t['n'])}; right of all {share(t['right'], t['n'])}; false makes {t['false_makes']}, "
            f"lost makes {t['lost_makes']}, extra facts {t['extra']}; facts in sequences without an attempt {share(t['alarms'], t['idle'])}; "
            f"{t['neither']} sequences count neither way"]


def rules_from(decision, said=()):
    """A bundle's [decision] (what else it says is the daemon's), changed by the KEY=VALUE of a command line."""
    known = decide.Rules.__dataclass_fields__
    kind = lambda k: type(known[k].default)
    rules = {k: kind(k)(v) for k, v in decision.items() if k in known}
    for k, v in given.pairs("--rules", said):
        if k not in known:
            given.refuse(f"--rules {k}: no such rule; there are {', '.join(known)}")
        rules[k] = given.number(f"--rules {k}", v, kind(k))
    return decide.Rules(**rules)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("cache")
    who = p.add_mutually_exclusive_group(required=True)
    who.add_argument("--bundle", help="its FP32 file, picture by picture in ONNX Runtime")
    who.add_argument("--weights", nargs="+", help=".pt files, FP32 .onnx files, folders of bundles")
    who.add_argument("--folds", nargs="+", help="COURT=FILE, courts by first letter")
    p.add_argument("--rules", nargs="*", default=[], help="KEY=VALUE: a field of decide.Rules")
    p.add_argument("--save", help="keep all logits in this .npz")
    p.add_argument("--only", nargs="+", default=[], help="courts, by name or first letter as finetune's --leave takes them")
    p.add_argument("--every", type=int, default=1, help="every so-many-th picture only: 2 makes 30 a second 15")
    p.add_argument("--ring", type=float, default=0, help="blur to a ring of so many pixels")
    p.add_argument("--json", action="store_true")
    p.add_argument("--rendered", type=int, default=0, help="score --weights on so many rendered sequences instead; CACHE is not read")
    p.add_argument("--seed", type=int, default=910_000_000)
    o = p.parse_args()
    if o.rendered and not o.weights:
        p.error("--rendered goes with --weights, which takes a bundle's folder too")
    dev = "cuda" if torch.cuda.is_available() else "cpu"
    folds = {k: Whole(weights.load([v]), dev) for k, v in given.pairs("--folds", o.folds or [])}
    model = None if folds else Streamed(o.bundle) if o.bundle else Whole(weights.load(o.weights), dev)
    # A member without a manifest is scored by the rules that a bundle of it would ship with.
    rules = rules_from(getattr(model, "decision", bundle.DECISION), o.rules)
    if o.rendered:
        print("\n".join(rendered(model.net, o.rendered, o.seed, model.device, rules)))
        return
    items = footage.load(o.cache)
    for name in o.only:
        footage.known("--only", name, {m["court"] for m, _, _ in items})
    items = [i for i in items if not o.only or any(footage.named(name, i[0]["court"]) for name in o.only)]
    lone = sorted({m["court"] for m, _, _ in items if m["court"][0] not in folds})
    if folds and "rest" not in folds and lone:
        given.refuse(f"--folds: no member for {', '.join(lone)}; add rest=FILE, or leave them out with --only")
    own = lambda m: (folds.get(m["court"][0]) or folds["rest"]) if folds else model
    A = {k: v for i in items for k, v in answers(own(i[0]), [i], o.every, o.ring).items()}
    if o.save:
        np.savez(o.save, **{k: np.concatenate([t[:, None], z], 1) for k, (m, t, z) in A.items()})
    lines, summary = report(A, rules)
    print(json.dumps(summary) if o.json else "\n".join(lines))


if __name__ == "__main__":
    main()
