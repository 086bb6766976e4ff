"""Scores several nets on the same rendered attempts, which training never draws, and compares them in pairs.

    python -m train.score draw OUT --set boundary --first 920000000 --count 4096 --nets old=a.pt,b.pt new=c.pt,d.pt --devices cuda:0,cuda:1 --jobs 8
    python -m train.score again OUT --set boundary --nets new=e.pt          (a set drawn with --store)
    python -m train.score again OUT --set boundary --bundle DIR --each 1000 --jobs 16         (the files of a bundle on the first of them)
    python -m train.score tell OUT --set boundary [--rules KEY=VALUE …] [--strata]

`draw` renders on the devices given (every sequence through x264 unless --h264 says otherwise) and keeps each net's answers
in OUT/SET.npz; `tell` applies the rules of decide.py and prints found, unsure, right, false and lost makes with n and
Clopper-Pearson 95 % intervals, by aim of the shot, net and ring width, and McNemar's test between the nets. What the
renderer marks as undecided, and attempts that no careful eye could tell (source.judged), count neither way.
"""
import argparse
import glob
import math
import os
import subprocess
import sys
import time
import zipfile

import numpy as np
import torch

from . import decide, export, given, source, weights
from .evaluate import rules_from, share, timed, verdicts
from .render import CLOSE, MODES, NETS, VENUE, sim

# boundary: most of it hard for the eye. natural: what a gym sees. venue: what a venue sends, close: a game under the ring, both with every
# sequence at a bit rate.
# -held: the same on cameras, nets and boards that training never draws.
RATED = {name: {**{k: v for k, v in mix.items() if k not in ("h264", "sharp")}, "bitrate": 1.0, "slow": 0.4} for name, mix in dict(venue=VENUE, close=CLOSE).items()}
LIKE = dict(boundary=dict(weights=()), natural=dict(weights=tuple(sim.NATURAL)), **RATED)
SETS = {f"{name}{held}": dict(mix, held_out=bool(held)) for held in ("", "-held") for name, mix in LIKE.items()}
KEPT = ("ring_px", "az", "el", "dist", "mode", "net", "dmin", "tell", "why", "fps", "mbit")
STRATA = (("ring px", "ring_px", (0, 14, 18, 24, 31, 99)), ("frames/s", "fps", (0, 16, 22, 32)), ("Mbit/s", "mbit", (0.2, 0.5, 1, 2, 4)))


def members(o):
    """--nets KEY=FILE,FILE … -> {key: files}."""
    return {k: v.split(",") for k, v in given.pairs("--nets", o.nets)}


@torch.no_grad()
def part(o):
    dev = torch.device(o.devices)
    if dev.index is not None:
        torch.cuda.set_device(dev)
    torch.set_num_threads(1)
    nets = {k: weights.load(v, dev) for k, v in members(o).items()}
    got, stored, begin = [], [], time.time()
    for at in range(o.first, o.first + o.count, o.piece):
        if time.time() - begin > o.limit:
            break
        n = min(o.piece, o.first + o.count - at)
        d = source.draw(n, at, dev, o.chunk_px, h264=o.h264, **{**SETS[o.set], **({"ring_px": ((o.px, 1.0),)} if o.px else {})})
        z = {f"z_{k}": torch.cat([m(x.float() / 255) for x in d["y"].split(32)]).half().cpu().numpy() for k, m in nets.items()}
        got.append(dict(seed=np.arange(at, at + n), **timed(d), kind=np.array([d["kind"], d["kind2"]]).T, **{k: d[k].cpu().numpy() for k in KEPT}, **z))
        if o.store:
            stored.append(d["y"].cpu().numpy())
        if o.bundle and at == o.first:
            first_piece = d["y"].cpu().numpy()
        if o.keep:
            first = next(iter(z.values())).astype(np.float32)
            wrong = [i for i in range(n) if any(ok is False for *_, ok in verdicts(got[-1], first, i, decide.Rules()))][:o.keep]
            np.savez_compressed(os.path.join(o.out, f"look-{at}.npz"), seed=at + np.array(wrong, int), x=d["y"].cpu().numpy()[wrong][:, 8:88:2])
            o.keep -= len(wrong)
    np.savez(os.path.join(o.out, f"{o.set}-{o.first}.npz"), **{k: np.concatenate([g[k] for g in got]) for k in got[0]})
    if stored:
        np.save(os.path.join(o.out, f"{o.set}-{o.first}.npy"), np.concatenate(stored))
    if o.bundle:
        np.savez(os.path.join(o.out, f"precisions-{o.set}-{o.first}.npz"), **{k: v[:o.each] for k, v in got[0].items() if not k.startswith("z_")}, **precisions(o.bundle, first_piece[:o.each]))
    print(f"{o.set} {o.first}: {o.count} sequences in {time.time() - begin:.0f} s", flush=True)


def precisions(folder, sequences, only=("",)):
    """Answers of each file of a bundle, run frame by frame in ONNX Runtime: {"z_" + file: [N, T, 4]}."""
    m = given.manifest(folder)
    out = {}
    for f in (f for f in m["file"] if any(q in f["path"] for q in only)):
        run, z = export.Runner(os.path.join(folder, f["path"]), m["state"]), []
        for x in sequences:
            run.reset()
            z.append(np.stack([run(q / np.float32(255)) for q in x]))
        out["z_" + f["path"].removesuffix(".onnx")] = np.stack(z).astype(np.float32)
    return out


def draw(o):
    """Splits the work over processes, so that several renderers share each device."""
    # Said here once, not by every process after it has drawn.
    for paths in members(o).values():
        weights.load(paths)
    if o.bundle:
        given.manifest(o.bundle)
    elif not o.nets and not o.store:
        given.refuse("draw: nothing would be kept; name --nets KEY=FILE or --bundle DIR, or ask for --store")
    os.makedirs(o.out, exist_ok=True)
    devices, each, jobs = o.devices.split(","), -(-o.count // o.jobs), []
    for k in range(o.jobs):
        a = ["part", o.out, "--set", o.set, "--first", str(o.first + k * each), "--count", str(min(each, o.count - k * each)), *(["--nets", *o.nets] if o.nets else []),
             "--devices", devices[k % len(devices)], "--h264", str(o.h264), "--piece", str(o.piece), "--chunk-px", str(o.chunk_px), "--px", str(o.px), "--keep", str(o.keep if k == 0 else 0), "--limit", str(o.limit),
             *(["--bundle", o.bundle, "--each", str(o.each)] if o.bundle else []), *(["--store"] if o.store else [])]
        jobs.append(subprocess.Popen([sys.executable, "-m", "train.score", *a]))
    end = time.time() + o.limit * 1.2 + 60           # a piece that was begun is finished
    for j in jobs:
        try:
            j.wait(max(0.1, end - time.time()))
        except subprocess.TimeoutExpired:
            j.kill()
    drawn = [join(o.out, name) for name in (o.set, f"precisions-{o.set}")]
    if not drawn[0]:
        given.refuse(f"{o.out}: no process kept a sequence; what each said stands above")


def join(out, name):
    """OUT/NAME-N.npz of all N as OUT/NAME.npz. -> whether there was one."""
    files, parts = sorted(glob.glob(os.path.join(out, f"{name}-[0-9]*.npz"))), []
    for f in files:
        try:
            parts.append(dict(np.load(f)))
        except (ValueError, OSError, EOFError, zipfile.BadZipFile):
            print(f, "is torn, left out", flush=True)
    if parts:
        np.savez_compressed(os.path.join(out, f"{name}.npz"), **{k: np.concatenate([p[k] for p in parts]) for k in parts[0]})
    for f in files:
        os.remove(f)
    return bool(parts)


@torch.no_grad()
def again(o):
    """Adds the answers of more nets to a set that was drawn with --store."""
    dev = torch.device(o.devices.split(",")[0])
    d = pooled(o, o.set)
    files = sorted(glob.glob(os.path.join(o.out, f"{o.set}-[0-9]*.npy")))
    if sum(len(np.load(f, mmap_mode="r")) for f in files) != len(d["t"]):
        given.refuse(f"{o.out}: the stored pictures are not those of {o.set}.npz; draw the set anew with --store")
    if o.bundle:
        if not o.each * len(files):
            given.refuse("again --bundle: --each 0 leaves nothing to run")
        some = np.concatenate([np.load(f, mmap_mode="r")[:max(0, o.each - at)] for f, at in zip(files, at_of(files)) if at < o.each])
        with torch.multiprocessing.get_context("spawn").Pool(o.jobs) as pool:
            got = pool.starmap(precisions, [(o.bundle, x, o.only) for x in np.array_split(some, min(len(some), 4 * o.jobs))])
        np.savez_compressed(os.path.join(o.out, f"precisions-{o.set}.npz"), **{k: v[:len(some)] for k, v in d.items() if not k.startswith("z_")},
                            **{k: np.concatenate([g[k] for g in got]) for k in got[0]})
    for key, paths in members(o).items():
        m = weights.load(paths, dev)
        d[f"z_{key}"] = np.concatenate([m(torch.from_numpy(x).to(dev).float() / 255).half().cpu().numpy()
                                        for f in files for y in [np.load(f, mmap_mode="r")] for x in np.array_split(np.array(y), -(-len(y) // 64))])
    if o.nets:
        np.savez_compressed(os.path.join(o.out, f"{o.set}.npz"), **d)


def at_of(files):
    """How many sequences the files before each of these hold."""
    return np.cumsum([0] + [len(np.load(f, mmap_mode="r")) for f in files])[:-1].tolist()


def mcnemar(b, c):
    """Exact two-sided p of b against c discordant pairs."""
    b, c = int(b), int(c)
    n = b + c
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(min(b, c) + 1)) / 2 ** n) if n else 1.0


def pooled(o, name):
    do = f"draw it with python -m train.score draw {o.out} --set {o.set}" + (" --bundle DIR" if name != o.set else "")
    with given.arrays(os.path.join(o.out, f"{name}.npz"), do) as z:
        return dict(z)


def spread(seconds):
    return f"p50 {np.median(seconds):.2f} p95 {np.quantile(seconds, .95):.2f} s" if len(seconds) else "never"


def tell(o):
    rules = rules_from({}, o.rules)
    d = pooled(o, f"precisions-{o.set}" if o.precisions else o.set)
    if not any(k.startswith("z_") for k in d):
        given.refuse(f"{o.out}: no net's answers in the set {o.set}; add some with python -m train.score again {o.out} --set {o.set} --nets KEY=FILE")
    n = len(d["t"])
    all_rows = {}
    for key in (k for k in d if k.startswith("z_")):
        z, rows, quiet, alarms, extra = d[key].astype(np.float32), [], 0, 0, 0
        for i in range(n):
            has = not np.isnan(d["t_rim"][i]).all()
            alarm = False
            for slot, f, ok in verdicts(d, z, i, rules):
                if slot is None:
                    quiet += not has and not alarm
                    alarms += not has and f is not None and not alarm
                    alarm |= f is not None
                    extra += has and f is not None
                else:
                    rows.append((i, slot, f, ok))
        made = np.array([d["made"][i, s] == 1 for i, s, _, _ in rows], bool)
        ok = np.array([r[3] for r in rows], bool)
        found = np.array([r[2] is not None for r in rows], bool)
        unsure = np.array([r[2] is not None and r[2]["unsure"] for r in rows], bool)
        called = found & ~unsure
        late = np.array([f["decided"] - d["t_truth"][i, s] for i, s, f, _ in rows if f])
        early = np.array([f["provisional"] - d["t_rim"][i, s] for i, s, f, _ in rows if f and f["provisional"]])
        if not all_rows:
            tried = ~np.isnan(d["t_rim"]).all(1)
            print(f"{o.set}: {share((tried & ~d['judged']).sum(), tried.sum())} of the sequences with an attempt count neither way")
        print(f"{o.set} {key[2:]}: seeds {d['seed'].min()} to {d['seed'].max() + 1}; found {share(found.sum(), len(rows))}; unsure {share(unsure.sum(), found.sum())}; "
              f"right of called {share((ok & called).sum(), called.sum())}; of all, unsure and not found as wrong, {share((ok & called).sum(), len(rows))}; false makes {(called & ~ok & ~made).sum()}, lost makes {(called & ~ok & made).sum()}, extra facts {extra}; "
              f"facts in sequences without an attempt {share(alarms, quiet)}; final - truth {spread(late)}; "
              f"provisional - ring {spread(early)}")
        if o.later:
            mass, least = o.later
            heard = [(ok, decide.later(d["t"][i], z[i], f, mass, least), d["t_truth"][i, s]) for i, s, f, ok in rows if f]
            mended = [t - truth for ok, t, truth in heard if t is not None and not ok]
            print(f"  what follows the final says the opposite (mass {mass:g}, log-odds {least:g}): mends {len(mended)} of {sum(not ok for ok, *_ in heard)} wrong, "
                  f"breaks {sum(ok and t is not None for ok, t, _ in heard)} of {sum(bool(ok) for ok, *_ in heard)} right; heard after the truth {spread(mended)}")
        odds = np.array([f["odds"] for *_, f, _ in rows if f])
        p = 1 / (1 + np.exp(-np.abs(odds)))
        hit = ok[found]
        bins = np.digitize(p, [.6, .7, .8, .9, .95, .99])
        ece = sum(abs(hit[bins == b].mean() - p[bins == b].mean()) * (bins == b).mean() for b in set(bins))
        print(f"  calibration error {100 * ece:.1f} points; at |odds| under 1: {share((np.abs(odds) < 1).sum(), len(odds))} of calls, right {share(hit[np.abs(odds) < 1].sum(), (np.abs(odds) < 1).sum())}")
        if o.strata:
            at = np.array([i for i, *_ in rows], int)
            slot = np.array([s for _, s, *_ in rows], int)
            for what, groups in (("kind", [(k, d["kind"][at, slot] == k) for k in sim.KINDS[1:]]), ("aim", [(m, d["mode"][at] == k) for k, m in enumerate(MODES)]), ("net", [(m, d["net"][at] == k) for k, m in enumerate(NETS)]),
                                 *((what, [(f"{a}–{b}", (d[key][at] >= a) & (d[key][at] < b)) for a, b in zip(edges, edges[1:])]) for what, key, edges in STRATA if key in d),
                                 ("elevation", [(f"{a}…{b}", (np.degrees(d["el"][at]) >= a) & (np.degrees(d["el"][at]) < b)) for a, b in ((-60, -30), (-30, -12), (-12, 0), (0, 40))])):
                for m, w in groups:
                    if w.sum():
                        print(f"    {what} {m}: right of all {share((ok & called)[w].sum(), w.sum())}; not found {(~found & w).sum()}, unsure {(unsure & w).sum()}, false makes {(called & ~ok & ~made & w).sum()}, lost makes {(called & ~ok & made & w).sum()}")
        all_rows[key[2:]] = {(i, s): k for (i, s, _, _), k in zip(rows, ok & called)}
    names = list(all_rows)
    for a in range(len(names)):
        for b in range(a + 1, len(names)):
            x, y = all_rows[names[a]], all_rows[names[b]]
            p, q = sum(x[k] and not y[k] for k in x), sum(y[k] and not x[k] for k in x)
            print(f"only {names[a]} right {p}, only {names[b]} right {q}: p = {mcnemar(p, q):.2g}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=["draw", "part", "again", "tell"])
    p.add_argument("out")
    p.add_argument("--set", default="boundary", choices=list(SETS))
    p.add_argument("--first", type=int, default=920_000_000)
    p.add_argument("--count", type=int, default=4096)
    p.add_argument("--nets", nargs="+", default=[], help="KEY=FILE,FILE: .pt files, FP32 .onnx files, folders of bundles")
    p.add_argument("--devices", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--jobs", type=int, default=1)
    p.add_argument("--piece", type=int, default=1024)
    p.add_argument("--chunk-px", type=int, default=48_000_000)
    p.add_argument("--h264", type=float, default=1.0)
    p.add_argument("--limit", type=float, default=3600, help="seconds after which no further piece is begun")
    p.add_argument("--store", action="store_true", help="keep all pictures in OUT, for `again`")
    p.add_argument("--keep", type=int, default=0, help="pictures of so many wrong ones, to look at")
    p.add_argument("--rules", nargs="*", default=[], help="KEY=VALUE: a field of decide.Rules")
    p.add_argument("--strata", action="store_true")
    p.add_argument("--later", nargs=2, type=float, metavar=("MASS", "ODDS"), help="tell what listening on after a final would mend and break (decide.later)")
    p.add_argument("--bundle", default="", help="run the first --each sequences of every job (again: of the set) through this bundle's files as well")
    p.add_argument("--each", type=int, default=64)
    p.add_argument("--only", nargs="*", default=[""], help="of its files only those with such a word in their names")
    p.add_argument("--px", type=float, default=0, help="draw rings of about so many pixels only")
    p.add_argument("--precisions", action="store_true", help="tell of those")
    o = p.parse_args()
    {"draw": draw, "part": part, "again": again, "tell": tell}[o.what](o)


if __name__ == "__main__":
    main()
