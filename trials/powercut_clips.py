#!/usr/bin/env python3
"""What powercut.sh has done with clips while it records, and asks after each cut.

  powercut_clips.py ask --data DIR --http PORT --broker PORT --work DIR
      keeps, releases and acknowledges clips of a running box over HTTP, and has them sent to a storage and
      acknowledged over MQTT (clips_kill.py, without deletions). Each line on stdout is what was told:
      `kept ID SHA256`, `over ID`, `upload NAME BYTES`; before a pin may end, `asked ID`.
  powercut_clips.py look --data DIR --acks FILE --courtside FILE
      holds a directory that was recovered against them: what was kept is pinned with its SHA-256, what was
      acknowledged or released is not, what the storage was said to have of an upload stands in its file.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import threading
import types
from pathlib import Path

import soak
import upload
from clips_kill import Cloud, People, Ring


def tells(*words):
    # One write a line: others write to the same pipe.
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Broker(soak.Broker):
    """At a port that is given."""

    def __init__(self, folder, port):
        soak.free_port, kept = (lambda: port), soak.free_port
        try:
            super().__init__(folder, False)
        finally:
            soak.free_port = kept


def ask(args):
    work = Path(args.work)
    work.mkdir()
    lottery = random.Random(1)
    broker = Broker(work, args.broker)
    box = types.SimpleNamespace(data=Path(args.data), http=args.http)
    ring = Ring(box)
    cloud = Cloud(work, broker, random.Random(2), box="powercut", tells=tells)
    people = People(ring, cloud, lottery, deletes=False, tells=tells)
    soak.until("the box answers", lambda: (box.data / "token").exists() and ring.ask("GET", "/v1/clips"), 60)
    threading.Thread(target=cloud.run, args=(people,), daemon=True).start()
    alive = types.SimpleNamespace(process=types.SimpleNamespace(poll=lambda: None))
    people.run(alive, args.seconds)


def look(args):
    # What may have been changed since is either.
    kept, over, uploads, open_clips = {}, set(), {}, set()
    for line in Path(args.acks).read_text().splitlines():
        what, *words = line.split()
        if what == "kept":
            kept[words[0]] = words[1]
        elif what == "asked":
            open_clips.add(words[0])
        elif what == "over":
            over.add(words[0])
        elif what == "upload":
            uploads[words[0]] = max(uploads.get(words[0], 0), int(words[1]))
    ring = Path(args.data) / "ring"
    clips = {}
    if ring.exists():
        told = subprocess.run([args.courtside, "clips", "list", "--ring", ring, "--json"], capture_output=True, text=True)
        clips = {one["id"]: one for one in map(json.loads, told.stdout.splitlines())}
    wrong = []
    for clip, sha256 in kept.items():
        one = clips.get(clip)
        if not one or (one.get("media") or {}).get("sha256") != sha256:
            wrong.append(f"{clip} was kept: {one}")
        elif clip not in open_clips and not one["pinned"]:
            wrong.append(f"{clip} was kept and is not pinned")
    wrong += [f"{clip} is over and pinned" for clip in over if clips.get(clip, {}).get("pinned")]
    for name, taken in uploads.items():
        file = Path(args.data) / "uploads" / f"{name}.json"
        record = json.loads(file.read_text()) if file.exists() else {"parts": []}
        has = sum(part["bytes"] for part in record["parts"] if part.get("taken"))
        if has < taken:
            wrong.append(f"{name}: the storage has {taken} bytes, its file says {has}")
    for one in wrong:
        print("missing:", one)
    print(f"{len(kept)} clips kept, {len(over)} over, {len(uploads)} uploads told, {len(wrong)} missing")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["ask", "look"])
    parser.add_argument("--data", required=True)
    parser.add_argument("--http", type=int)
    parser.add_argument("--broker", type=int)
    parser.add_argument("--work")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--acks")
    parser.add_argument("--courtside")
    args = parser.parse_args()
    if args.what == "look":
        return look(args)
    upload.inside_venv()
    return ask(args)


if __name__ == "__main__":
    sys.exit(main())
