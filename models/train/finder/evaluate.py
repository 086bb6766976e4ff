"""Scores RimFinder on real pictures with truth; nothing here was trained on.

    python -m train.finder.evaluate FOOTAGE (--bundle DIR | --weights finder.pt) [--least 0.3] [--sheet OUT.png] [--json]

FOOTAGE: a folder as shared/footage/README describes. A ring is found where the boxes overlap by 0.3 or the centres are
nearer than 0.35 of the ring's width. Boxes of frames/ are ring and net: there the ring is taken as the upper part, 0.45 of
its width high. Clips: the picture at t_rim (their box is right there); streams and videos: nine pictures spread over each,
or, where the camera is in a hand, those of the attempts.
Only frames/ name every ring of a picture, so precision is theirs alone; of the others, how many further rings were said.
"""
import argparse
import glob
import json
import math
import os

import numpy as np

from .. import footage, given
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


def runner(o):
    """-> function from [3, 360, 640] to [5, 45, 80]."""
    if o.weights:
        import torch
        m = net.load(o.weights)
        return lambda x: m(torch.from_numpy(x)[None])[0].detach().numpy()
    import onnxruntime as ort
    path = given.manifest(o.bundle, "ring")["file"][0]["path"]
    s = ort.InferenceSession(os.path.join(o.bundle, path), providers=["CPUExecutionProvider"])
    return lambda x: s.run(None, {"frame": x[None]})[0][0]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("footage")
    who = p.add_mutually_exclusive_group(required=True)
    who.add_argument("--bundle")
    who.add_argument("--weights")
    p.add_argument("--least", type=float, default=0.3)
    p.add_argument("--only", default="", help="beginnings of sources, parted by commas")
    p.add_argument("--sheet")
    p.add_argument("--json", action="store_true")
    o = p.parse_args()
    run, boxes, table, pictures = runner(o), {}, {}, []
    for source, name, planes_, true, every in cases(o.footage):
        if o.only and not any(source.startswith(q) for q in o.only.split(",")):
            continue
        shape = planes_[0].shape
        b = boxes.setdefault(shape, Letterbox(shape[1], shape[0]))
        x = b(*planes_)
        got = [b.to_picture(q) for q in net.peaks(run(x), o.least)]
        t = table.setdefault(source, dict(pictures=0, rings=0, found=0, best=0, extra=0, said=0, every=every, off=[], width=[], narrow=[]))
        t["pictures"] += 1
        t["rings"] += len(true)
        t["said"] += len(got)
        used = set()
        for r in true:
            t["narrow"].append(r[2] / b.scale)
            j = next((j for j, q in enumerate(got) if j not in used and fit.same(q[1:], r)), None)
            if j is not None:
                used.add(j)
                t["found"] += 1
                t["best"] += j == 0
                t["off"].append(math.hypot(got[j][1] - r[0], got[j][2] - r[1]) / r[2])
                t["width"].append(got[j][3] / r[2])
        t["extra"] += len(got) - len(used)
        if o.sheet:
            pictures.append((source, name, x, [[(q[0] / b.scale + b.left), (q[1] / b.scale + b.top), q[2] / b.scale, q[3] / b.scale] for q in true], net.peaks(run(x), o.least)))
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
