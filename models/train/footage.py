"""Reads footage with truth: the crops of every clip and of whole streams, as the daemon would cut them.

    python -m train.footage FOOTAGE CACHE [--rings 4.0 --above 1.5 --size 80] [--only A B]

Writes one .npz per clip or stream into CACHE (never into the repository): `y` uint8 [T, S, S], `fps`, `meta` (JSON).
"""
import argparse
import contextlib
import glob
import json
import os
import zlib

import numpy as np

from . import crop, given

LAY = "lay the folder out as models/train/README.md says under: A venue's own clips"


def opened(path):
    """A video or picture, opened."""
    import av
    try:
        return av.open(given.file(path, LAY))
    except av.error.FFmpegError as e:
        given.refuse(f"{path}: nothing that FFmpeg reads ({e}); leave it out or mend it")


def luma(path):
    """Yields the luma plane of every picture, and its time in seconds."""
    with opened(path) as f:
        s = f.streams.video[0]
        s.thread_type = "NONE"
        for p in f.decode(s):
            if p.format.name not in ("yuv420p", "yuvj420p"):
                p = p.reformat(format="yuv420p")
            q = p.planes[0]
            a = np.frombuffer(q, np.uint8).reshape(q.height, q.line_size)[:, :q.width]
            yield a, float(p.time or 0)


def crops(path, box, rings, above, size, stride=1):
    cut, out, times = None, [], []
    for i, (a, t) in enumerate(luma(path)):
        if i % stride:
            continue
        cut = cut or crop.Cutter(box, a.shape, rings, above, size)
        out.append(np.clip(np.rint(cut(a) * 255), 0, 255).astype(np.uint8))
        times.append(t)
    if not out:
        given.refuse(f"{path}: no picture in it; leave it out or mend it")
    return np.stack(out), np.array(times)


def items(root):
    """-> list of {name, path, rim, kind: clip|stream, court, attempts, quiet}; every video is there."""
    given.folder(root, LAY)
    out, clips = [], os.path.join(root, "rims.json")
    for c in given.truth(clips, LAY) if os.path.isfile(clips) else []:
        with complete(clips, c):
            out.append({"name": os.path.basename(c["file"])[:-4], "path": os.path.join(root, c["file"]), "kind": "clip", "court": c["court"],
                        "view": c.get("view", ""), "rim": c["rim"], "fps": c["fps"], "notes": c.get("notes", ""),
                        "attempts": [{"t_rim": c["t_rim"], "t_truth": c["t_truth"], "outcome": c["outcome"]}]})
    for folder in ("streams", "videos"):
        d = os.path.join(root, folder)
        for path in sorted(glob.glob(os.path.join(glob.escape(d), "*.json"))):
            s = given.truth(path, LAY)
            with complete(path, s):
                out.append({"name": os.path.basename(path)[:-5], "path": os.path.join(d, s["file"]), "kind": "stream", "court": s["court"], "rim": s["rim"],
                            "fps": s["fps"], "attempts": s["attempts"], "quiet": s.get("quiet", []), "duration": s.get("duration"), "view": "", "notes": ""})
    if not out:
        given.refuse(f"{root}: neither clips in rims.json nor streams/*.json; {LAY}")
    for m in out:
        given.file(m["path"], "the truth names it: put it there, or take it out of the truth")
    return out


@contextlib.contextmanager
def complete(path, said):
    """Refuses a truth from which something is missing that the lines within look for."""
    try:
        yield
    except KeyError as e:
        given.refuse(f"{path}: {said.get('file', 'a recording')} lacks {e}; {LAY}")


FEW = "ABDX"                # courts with clips enough to be left out alone


def named(name, court):
    """Whether `name` means this court: by its whole name, by its first letter alone, or as `rest`, every court but A, B, D and X."""
    return court == name or court[0] == name or (name == "rest" and court[0] not in FEW)


def known(flag, name, courts):
    """Refuses a name that means no court: whoever wrote it would read figures of others."""
    if not any(named(name, c) for c in courts):
        given.refuse(f"{flag} {name}: no court is called so; there are {', '.join(sorted(courts))}")


def pack(cache, path, keep=lambda m: True):
    """All crops of a cache in one small file (differences in time, deflated), to be carried to another machine."""
    out = {}
    for i, (m, y, t) in enumerate(load(cache, keep)):
        d = y.copy()
        d[1:] -= y[:-1]
        out[f"y{i}"] = np.frombuffer(zlib.compress(d.tobytes(), 4), np.uint8)
        out[f"m{i}"] = np.array(json.dumps([m, y.shape, t.tolist()]))
    np.savez(path, **out)


def load(cache, keep=lambda m: True):
    """-> list of (meta, y uint8 [T, S, S], times [T]); of a folder or of a packed file."""
    out, do = [], f"make it with python -m train.footage FOLDER {cache}"
    if os.path.isfile(cache):
        z = given.arrays(cache, do)
        for i in range(len(z.files) // 2):
            m, shape, t = json.loads(str(z[f"m{i}"]))
            if keep(m):
                d = np.frombuffer(zlib.decompress(z[f"y{i}"].tobytes()), np.uint8).reshape(shape)
                out.append((m, np.cumsum(d, 0, dtype=np.uint8), np.array(t)))
        return out
    files = [f for f in sorted(os.listdir(given.folder(cache, do))) if f.endswith(".npz")]
    if not files:
        given.refuse(f"{cache}: no recording in it; {do}")
    for f in files:
        z = given.arrays(os.path.join(cache, f), do)
        m = json.loads(str(z["meta"]))
        if keep(m):
            out.append((m, z["y"], z["times"]))
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("footage")
    p.add_argument("cache")
    p.add_argument("--rings", type=float, default=crop.RINGS)
    p.add_argument("--above", type=float, default=crop.ABOVE)
    p.add_argument("--size", type=int, default=80)
    p.add_argument("--only", nargs="+", default=[], help="courts, by name or first letter")
    o = p.parse_args()
    wanted = items(o.footage)
    for name in o.only:
        known("--only", name, {m["court"] for m in wanted})
    wanted = [m for m in wanted if not o.only or any(named(name, m["court"]) for name in o.only)]
    os.makedirs(o.cache, exist_ok=True)
    for m in wanted:
        # The router strides streams of 50 and 60 pictures a second by two.
        y, t = crops(m["path"], m["rim"], o.rings, o.above, o.size, 2 if m["fps"] > 45 else 1)
        np.savez(os.path.join(o.cache, f"{m['kind']}_{m['name']}.npz"), y=y, times=t, meta=json.dumps(m))
    print(o.cache, len(os.listdir(o.cache)), "files")


if __name__ == "__main__":
    main()
