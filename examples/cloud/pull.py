#!/usr/bin/env python3
"""Pull the clips of a box as `courtside pull` does: resumed, verified, acknowledged. Standard library alone.

    pull.py http://10.0.0.7:8080 clips [--token-file operator.token] [--game SESSION] [--keep-pinned]
"""
import argparse, hashlib, json, os, sys, time, urllib.error, urllib.request

arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("box")
arguments.add_argument("out")
arguments.add_argument("--token-file")
arguments.add_argument("--game")
arguments.add_argument("--keep-pinned", action="store_true")
asked = arguments.parse_args()
token = {"Authorization": "Bearer " + open(asked.token_file).readline().strip()} if asked.token_file else {}

def ask(path, fields={}, body=None):
    return urllib.request.urlopen(urllib.request.Request(asked.box + path, body, {**token, **fields}), timeout=10)

def listed():
    if asked.game:
        yield from json.load(ask(f"/v1/games/{asked.game}/manifest"))["clips"]
        return
    after = 0
    while after is not None:
        page = json.load(ask(f"/v1/clips?after={after}&limit=500"))
        yield from page["clips"]
        after = page.get("next")

def sum_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

def bring(clip, path):
    """Bytes that moved. What is here is kept, whatever cut the line."""
    size, sha256, part, moved, tries = clip["media"]["bytes"], clip["media"]["sha256"], path + ".part", 0, 0
    while (at := os.path.getsize(part) if os.path.exists(part) else 0) < size:
        try:
            fields = {"Range": f"bytes={at}-", "If-Range": f'"{sha256}"'} if at else {}
            with ask(f"/v1/clips/{clip['id']}/media", fields) as answer, open(part, "ab" if answer.status == 206 else "wb") as file:
                while piece := answer.read(1 << 16):
                    moved, tries = moved + file.write(piece), 0
        except (OSError, urllib.error.URLError) as error:
            if tries == 8 or getattr(error, "code", 503) not in (429, 503):
                raise
            tries += 1
            time.sleep(0.25 * 2**tries)
    if sum_of(part) != sha256:
        os.remove(part)
        sys.exit(f"{clip['id']}: not the bytes that were listed; run this again")
    os.rename(part, path)
    return moved

os.makedirs(asked.out, exist_ok=True)
moved = clips = 0
for clip in listed():
    if clip.get("media"):
        path = os.path.join(asked.out, os.path.basename(clip["id"]) + ".mp4")
        if not (os.path.exists(path) and sum_of(path) == clip["media"]["sha256"]):
            moved += bring(clip, path)
        if clip["pinned"] and not asked.keep_pinned:
            ask(f"/v1/clips/{clip['id']}/ack", body=json.dumps({"sha256": clip["media"]["sha256"]}).encode()).read()
        clips += 1
print(json.dumps({"clips": clips, "moved_bytes": moved}))
