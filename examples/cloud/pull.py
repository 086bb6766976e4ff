#!/usr/bin/env python3
"""Pull the clips of a box as `courtside pull` does: resumed, verified, acknowledged. Standard library alone.
    pull.py http://10.0.0.7:8080 clips [--token-file operator.token] [--game SESSION] [--keep-pinned]
"""
import argparse, hashlib, http.client, json, os, sys, time, urllib.request

arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
for name in ("box", "out", "--token-file", "--game"):
    arguments.add_argument(name)
arguments.add_argument("--keep-pinned", action="store_true")
asked = arguments.parse_args()
token = {"Authorization": "Bearer " + open(asked.token_file).readline().strip()} if asked.token_file else {}

def again(work, *what):
    """Tries for half a minute: a line is cut, a box begins anew and is not there meanwhile."""
    for tries in range(8):
        try:
            return work(*what)
        except (OSError, http.client.HTTPException, json.JSONDecodeError) as error:
            if tries == 7 or getattr(error, "code", 503) not in (429, 503):
                raise
            time.sleep(0.25 * 2**tries)

def ask(path, fields={}, body=None):
    return urllib.request.urlopen(urllib.request.Request(asked.box + path, body, {**token, **fields}), timeout=10)

def listed(after=0):
    while after is not None:
        path = f"/v1/games/{asked.game}/manifest" if asked.game else f"/v1/clips?after={after}&limit=500"
        page = again(lambda: json.load(ask(path)))
        yield from page["clips"]
        after = page.get("next")

def sum_of(path):
    return hashlib.file_digest(open(path, "rb"), "sha256").hexdigest()

def more(id, sha256, part):
    """Bytes that came of one request, whatever cut it; an error where there were none."""
    at, moved = os.path.getsize(part) if os.path.exists(part) else 0, 0
    fields = {"Range": f"bytes={at}-", "If-Range": f'"{sha256}"'} if at else {}
    try:
        with ask(f"/v1/clips/{id}/media", fields) as answer, open(part, "ab" if answer.status == 206 else "wb") as file:
            while piece := answer.read(1 << 16):
                moved += file.write(piece)
    except (OSError, http.client.HTTPException):
        if not moved:
            raise
    return moved

os.makedirs(asked.out, exist_ok=True)
moved = clips = 0
for clip in (clip for clip in listed() if clip.get("media")):
    path, sha256 = os.path.join(asked.out, os.path.basename(clip["id"]) + ".mp4"), clip["media"]["sha256"]
    if not (os.path.exists(path) and sum_of(path) == sha256):
        while not os.path.exists(path + ".part") or os.path.getsize(path + ".part") < clip["media"]["bytes"]:
            moved += again(more, clip["id"], sha256, path + ".part")
        if sum_of(path + ".part") != sha256:
            os.remove(path + ".part")
            sys.exit(f"{clip['id']}: not the bytes that were listed; run this again")
        os.rename(path + ".part", path)
    if clip["pinned"] and not asked.keep_pinned:
        again(lambda: ask(f"/v1/clips/{clip['id']}/ack", body=json.dumps({"sha256": sha256}).encode()).read())
    clips += 1
print(json.dumps({"clips": clips, "moved_bytes": moved}))
