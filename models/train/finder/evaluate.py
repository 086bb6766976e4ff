"""Scores RimFinder on real pictures with truth; nothing here was trained on.

    python -m train.finder.evaluate FOOTAGE (--bundle DIR [--files] | --weights finder.pt) [--least 0.3] [--sheet OUT.png] [--json]
    python -m train.finder.evaluate --drawn FIRST:END [--photos FILE] --bundle DIR [--files]

FOOTAGE: a folder of pictures with truth, not in the repository: frames/, clips/, streams/ and videos/. A ring is found where the boxes overlap by 0.3 or the centres are
nearer than 0.35 of the ring's width. Boxes of frames/ are ring and net: there the ring is taken as the upper part, 0.45 of
its width high. Clips: the picture at t_rim (their box is right there); streams and videos: nine pictures spread over each,
or, where the camera is in a hand, those of the attempts.
Only frames/ name every ring of a picture, so precision is theirs alone; of the others, how many further rings were said.
Boxes are as they are given out, at least 0.3 of their width high (net.tall). --files also runs the bundle's other files (FP16,
INT8) on the same pictures, and names each ring that one of them finds and FP32 does not, or the other way.
"""
import argparse
import glob
import json
import math
import os

import numpy as np

from .. import footage, given
from ..evaluate import share
from . import fit, net
from .letterbox import Letterbox, planes


def video(path, times):
    """Planes of the pictures nearest after `times` (sorted), of one video."""
    out, i, last = [], 0, None
    with footage.opened(path) as f:
        s = f.streams.video[0]
        for p in f.decode(s):
            if i == len(times):
                break
            if p.format.name not in ("yuv420p", "yuvj420p"):
                p = p.reformat(format="yuv420p")
            last = p
            if float(p.time or 0) >= times[i] - 1e-3:
                out.append(plane_bytes(p))
                i += 1
    if last is None:
        given.refuse(f"{path}: no picture in it; leave it out or mend it")
    return out or [plane_bytes(last)]


def plane_bytes(p):
    out = []
    for k, q in enumerate(p.planes[:3]):
        w, h = (p.width, p.height) if k == 0 else (-(-p.width // 2), -(-p.height // 2))
        out.append(np.frombuffer(q, np.uint8).reshape(-1, q.line_size)[:h, :w].copy())
    return out


def still(path):
    with footage.opened(path) as f:
        return planes(next(f.decode(video=0)).to_ndarray(format="rgb24"))


def cases(root):
    """Yields (source, name, planes, true rings (cx, cy, w, h), all rings named?)."""
    recordings = footage.items(root)
    for folder, prefix in (("K", "gym_"), ("K", "web_"), ("B", "")):
        for path in sorted(glob.glob(os.path.join(root, "frames", folder, prefix + "*.jpg"))):
            p = still(path)
            h, w = p[0].shape
            true = []
            with open(given.file(path[:-4] + ".txt", "write the boxes of the picture beside it there")) as f:
                for line in f:
                    k, x, y, a, b = map(float, line.split())
                    if k == 1:
                        ring = min(b * h, 0.45 * a * w)
                        true.append((x * w, (y - b / 2) * h + ring / 2, a * w, ring))
            yield {"gym_": "K gym", "web_": "K web", "": "B frames"}[prefix], os.path.basename(path), p, true, True
    centre = lambda r: (r[0] + r[2] / 2, r[1] + r[3] / 2, r[2], r[3])
    for m in recordings:
        if m["kind"] == "clip":
            p = video(m["path"], [m["attempts"][0]["t_rim"]])[0]
            yield "clips " + m["court"][0], os.path.basename(m["path"]), p, [centre(m["rim"])], False
            continue
        # Hand-held: a box is right at its own attempt only.
        moments = [(a["t_rim"], a["rim"]) for a in m["attempts"] if "rim" in a]
        if not moments and not m["duration"]:
            given.refuse(f"{m['path']}: its truth lacks 'duration', over which pictures are spread; write it there, in seconds")
        moments = moments or [(m["duration"] * (k + 0.2) / 9, m["rim"]) for k in range(9)]
        for i, (p, (_, rim)) in enumerate(zip(video(m["path"], [t for t, _ in moments]), moments)):
            yield "stream " + m["name"], f"{m['name']} {i}", p, [centre(rim)], False


def shown(o):
    """Yields (source, name, input [3, 360, 640], its Letterbox, true rings, rings that weigh nothing, all rings named?)."""
    boxes = {}
    if o.drawn:
        from . import draw
        lo, _, hi = o.drawn.partition(":")
        if not (lo.isdecimal() and hi.isdecimal() and int(lo) < int(hi)):
            given.refuse(f"--drawn {o.drawn}: no range of seeds; write FIRST:END, as 8000000000:8000000400")
        photos = draw.load_photos(o.photos) if o.photos else []
        for seed in range(int(lo), int(hi)):
            p, rings = draw.picture(seed, photos)
            is_ = lambda k: [tuple(map(float, r[:4])) for r in rings if r[4] == k]
            for narrow in (True, False):
                if any((r[2] < 20) == narrow for r in is_(1)) or not (narrow or is_(1)):
                    true, other = ([r for r in is_(1) if (r[2] < 20) == q] for q in (narrow, not narrow))
                    yield "drawn, < 20 px" if narrow else "drawn, others", str(seed), (p / 255).astype(np.float32), Letterbox(640, 360), true, other + is_(2), True
        return
    for source, name, planes_, true, every in cases(o.footage):
        if not o.only or any(source.startswith(q) for q in o.only.split(",")):
            h, w = planes_[0].shape
            b = boxes.setdefault((h, w), Letterbox(w, h))
            yield source, name, b(*planes_), b, true, [], every


def runners(o):
    """-> {name: function from [3, 360, 640] to [5, 45, 80]}, first the one that is scored."""
    if o.weights:
        import torch
        m = net.load(o.weights)
        return {o.weights: lambda x: m(torch.from_numpy(x)[None])[0].detach().numpy()}
    import onnxruntime as ort

    def one(path):
        s = ort.InferenceSession(os.path.join(o.bundle, path), providers=["CPUExecutionProvider"])
        return lambda x: s.run(None, {"frame": x[None]})[0][0]
    files = [f["path"] for f in given.manifest(o.bundle, "ring")["file"]]
    return {f: one(f) for f in files[:None if o.files else 1]}


def matched(got, true):
    """-> for each true ring the index of the ring in `got` that finds it, or None."""
    used, out = set(), []
    for r in true:
        j = next((j for j, q in enumerate(got) if j not in used and fit.same(q[1:], r)), None)
        used.add(j)
        out.append(j)
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("footage", nargs="?")
    p.add_argument("--drawn", metavar="FIRST:END", help="drawn pictures of these seeds instead of footage")
    p.add_argument("--photos", help="backgrounds that photos.py packed, for --drawn")
    p.add_argument("--files", action="store_true", help="also the bundle's other files, with each ring on which they differ")
    who = p.add_mutually_exclusive_group(required=True)
    who.add_argument("--bundle")
    who.add_argument("--weights")
    p.add_argument("--least", type=float, default=0.3)
    p.add_argument("--only", default="", help="beginnings of sources, parted by commas")
    p.add_argument("--sheet")
    p.add_argument("--json", action="store_true")
    o = p.parse_args()
    if not o.footage and not o.drawn:
        p.error("name FOOTAGE, or --drawn FIRST:END")
    runs, table, pictures = runners(o), {}, []
    also, differ = {k: {} for k in runs}, []
    for source, name, x, b, true, ignored, every in shown(o):
        here = {}
        for key, run in runs.items():
            said = net.tall(net.peaks(run(x), o.least))
            got = [b.to_picture(q) for q in said]
            here[key] = matched(got, true + ignored)[:len(true)], got, said
            k, n = also[key].get(source, (0, 0))
            also[key][source] = k + sum(j is not None for j in here[key][0]), n + len(true)
        first, (hits, got, said) = next(iter(here.items()))
        for key, (other, theirs, _) in here.items():
            for r, i, j in zip(true, hits, other):
                if (i is None) != (j is None):
                    differ.append(f"{key} {'loses' if j is None else 'gains'} {source}, {name}: {r[2] / b.scale:.0f} px, score {(got[i] if j is None else theirs[j])[0]:.2f}")
        t = table.setdefault(source, dict(pictures=0, rings=0, found=0, best=0, extra=0, said=0, every=every, off=[], width=[], narrow=[]))
        t["pictures"] += 1
        t["rings"] += len(true)
        known = sum(j is not None for j in matched(got, true + ignored))
        t["said"] += len(got) - known + sum(j is not None for j in hits)
        for r, j in zip(true, hits):
            t["narrow"].append(r[2] / b.scale)
            if j is not None:
                t["found"] += 1
                t["best"] += j == 0
                t["off"].append(math.hypot(got[j][1] - r[0], got[j][2] - r[1]) / r[2])
                t["width"].append(got[j][3] / r[2])
        t["extra"] += len(got) - known
        if o.sheet:
            pictures.append((source, name, x, [[(q[0] / b.scale + b.left), (q[1] / b.scale + b.top), q[2] / b.scale, q[3] / b.scale] for q in true], said))
    rows = []
    for s, t in table.items():
        med = lambda v: float(np.median(v)) if v else None
        rows.append(dict(source=s, pictures=t["pictures"], rings=t["rings"], found=t["found"], best=t["best"], extra=t["extra"],
                         precision=(t["found"] / t["said"] if t["said"] else None) if t["every"] else None,
                         centre=med(t["off"]), width=med(t["width"]), ring_px=med(t["narrow"])))
    if o.json:
        print(json.dumps(rows, indent=1))
    else:
        num = lambda v, f: "" if v is None else f % v
        print(f"{'source':14} {'pictures':>8} {'rings':>5} {'px':>4} {'found':>16} {'best':>5} {'others':>6} {'precision':>9} {'centre off':>10} {'width':>6}")
        for r in rows:
            print(f"{r['source']:14} {r['pictures']:8} {r['rings']:5} {num(r['ring_px'], '%.0f'):>4} {r['found']:5}/{r['rings']:<4} {100 * r['found'] / max(1, r['rings']):4.0f} % {r['best']:5} {r['extra']:6} {num(r['precision'], '%.2f'):>9} {num(r['centre'], '%.3f'):>10} {num(r['width'], '%.2f'):>6}")
        for key in list(runs)[1:]:
            print(f"{key}: {share(*np.sum(list(also[key].values()), 0))} found; " + ", ".join(f"{s} {k}/{n}" for s, (k, n) in also[key].items()))
        print("\n".join(differ))
    if o.sheet:
        import cv2
        from . import draw
        cols = 6
        pictures = pictures[::max(1, len(pictures) // 72)]
        sheet = np.zeros((-(-len(pictures) // cols) * 360, cols * 640, 3), np.uint8)
        for i, (_, name, x, true, got) in enumerate(pictures):
            im = np.ascontiguousarray(draw.rgb(np.clip(x * 255, 0, 255)))
            for cx, cy, w, h in true:
                cv2.rectangle(im, (int(cx - w / 2), int(cy - h / 2)), (int(cx + w / 2), int(cy + h / 2)), (255, 0, 255), 1)
            for q, cx, cy, w, h in got:
                cv2.rectangle(im, (int(cx - w / 2), int(cy - h / 2)), (int(cx + w / 2), int(cy + h / 2)), (0, 255, 0), 1)
                cv2.putText(im, f"{q:.2f}", (int(cx - w / 2), int(cy - h / 2) - 3), 0, 0.5, (0, 255, 0), 1)
            cv2.putText(im, name, (4, 350), 0, 0.5, (255, 255, 0), 1)
            sheet[i // cols * 360:i // cols * 360 + 360, i % cols * 640:i % cols * 640 + 640] = im
        cv2.imwrite(o.sheet, cv2.resize(sheet, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)[..., ::-1])


if __name__ == "__main__":
    main()
