#!/usr/bin/env python3
"""kill -9 of the daemon while clips are cut, kept, released, acknowledged and deleted over HTTP.

  trials/clips_kill.py [--runs 200] [--courtside FILE] [--seed N]

Before each kill two people ask without pause. Whatever was answered holds after it: what was kept is
pinned and its bytes are those of its SHA-256, what was acknowledged or released is not pinned, what was
deleted has no bytes and stands in the audit log, and `courtside clips verify` finds nothing. The ring is
small, so that it evicts all the time. Needs ffmpeg. Ends 0 if all held; says what did not otherwise.
"""
import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import soak
from soak import check, until

QUOTA = 60_000_000


class Ring:
    """The box's clips over HTTP."""

    def __init__(self, box):
        self.box = box

    def ask(self, method, path, body=None, timeout=15):
        """Status and JSON; None where the box is gone."""
        token = (self.box.data / "token").read_text().strip()
        request = urllib.request.Request(f"http://127.0.0.1:{self.box.http}{path}", method=method,
                                         data=json.dumps(body).encode() if body is not None else None,
                                         headers={"Authorization": f"Bearer {token}"})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")
        except (OSError, ValueError):
            return None

    def media(self, clip):
        token = (self.box.data / "token").read_text().strip()
        request = urllib.request.Request(f"http://127.0.0.1:{self.box.http}/v1/clips/{clip}/media",
                                         headers={"Authorization": f"Bearer {token}"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, hashlib.sha256(answer.read()).hexdigest()
        except urllib.error.HTTPError as error:
            return error.code, None


class People:
    """Who ask, and remember what they were answered."""

    def __init__(self, ring, lottery):
        self.ring, self.lottery, self.lock = ring, lottery, threading.Lock()
        self.kept, self.over, self.deleted = {}, {}, set()
        # Asked and not answered: the kill came between, and both are right.
        self.open, self.number, self.counts = {}, 0, {}

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def one(self):
        with self.lock:
            self.number += 1
            number = self.number
            held = [one for one in self.kept if one not in self.open]
            clip = self.lottery.choice(held) if held else None
            roll = self.lottery.random()
            keep = clip is None or roll < 0.4 or (len(held) < 3 and roll < 0.7)
            if keep:
                clip = f"k-{number}"
            self.open[clip] = True
        if keep:
            body = {"court": "a", "last": self.lottery.uniform(1, 4), "id": clip, "note": "trial"}
            self.done(clip, "kept", self.ring.ask("POST", "/v1/clips", body))
        elif roll < 0.65:
            body = {"sha256": self.kept[clip]}
            self.done(clip, "acknowledged", self.ring.ask("POST", f"/v1/clips/{clip}/ack", body))
        elif roll < 0.85:
            self.done(clip, "released", self.ring.ask("POST", f"/v1/clips/{clip}/release"))
        else:
            self.done(clip, "deleted", self.ring.ask("DELETE", f"/v1/clips/{clip}"))

    def done(self, clip, what, answer):
        with self.lock:
            if answer is None:
                self.count("cut short")
                return  # it stays open: nobody knows
            status, told = answer
            self.open.pop(clip, None)
            if status not in (200, 201):
                self.count(f"{what}: {status}")
                return
            self.count(what)
            if what == "kept":
                self.kept[clip] = told["media"]["sha256"]
            elif what == "deleted":
                # Its moments went from other clips too.
                for one in told["clips"]:
                    self.kept.pop(one, None)
                    self.over.pop(one, None)
                    self.deleted.add(one)
            else:
                self.kept.pop(clip, None)
                self.over[clip] = what

    def run(self, daemon, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and daemon.process.poll() is None:
            self.one()

    def judge(self):
        """What was answered holds."""
        for clip, sha256 in list(self.kept.items()):
            if clip in self.open:
                # What was asked of it and not answered may have been done.
                status, told = self.ring.ask("GET", f"/v1/clips/{clip}")
                if status == 200 and not told["pinned"]:
                    self.kept.pop(clip)
                self.open.pop(clip)
                continue
            status, told = self.ring.ask("GET", f"/v1/clips/{clip}")
            check(status == 200 and told["pinned"], f"{clip} was kept: {status} {told}")
        for clip in self.lottery.sample(sorted(self.kept), min(5, len(self.kept))):
            check(self.ring.media(clip) == (200, self.kept[clip]), f"{clip}: other bytes")
        for clip, what in self.over.items():
            status, told = self.ring.ask("GET", f"/v1/clips/{clip}")
            check(status != 200 or not told["pinned"], f"{clip} was {what} and is pinned")
        for clip in self.deleted:
            check(self.ring.media(clip)[0] in (404, 410), f"{clip} was deleted and has bytes")
        self.open.clear()


def verify(args, box, what):
    told = subprocess.run([args.courtside, "clips", "verify", "--ring", box.data / "ring"],
                          capture_output=True, text=True)
    check(told.returncode == 0, f"{what}: {told.stdout}{told.stderr}")


def run(args, folder, lottery):
    box = soak.Box(args, folder, soak.free_port())
    text = box.config.read_text().replace("quota_bytes = 2000000000", f"quota_bytes = {QUOTA}")
    box.config.write_text(text)
    cameras = soak.Cameras(box.rtmp, box.courts, lottery)
    ring = Ring(box)
    people = People(ring, lottery)
    for number in range(args.runs + 1):
        daemon = box.start()
        until("the box answers", lambda: box.metrics(), 60)
        people.judge()
        if number == args.runs:
            break
        until("it records", lambda: daemon.recorded, 60)
        asking = [threading.Thread(target=people.run, args=(daemon, 60)) for _ in range(2)]
        for one in asking:
            one.start()
        time.sleep(lottery.uniform(0.2, args.longest))
        check(daemon.process.poll() is None, f"the daemon ended by itself: {daemon.lines[-3:]}")
        daemon.end(soak.signal.SIGKILL)
        for one in asking:
            one.join()
        for line in daemon.lines:
            if " ERROR " in line and "refused" not in line or "panicked" in line:
                check(False, f"run {number}: {line.strip()}")
        verify(args, box, f"after kill {number + 1}")
        print(f"kill {number + 1}/{args.runs}: {len(people.kept)} kept, {len(people.over)} ended, "
              f"{len(people.deleted)} deleted", flush=True)
    cameras.stop()
    evicted = box.metric("courtside_clips_evicted_total")
    daemon.end(soak.signal.SIGTERM)
    check(daemon.process.returncode == 0, f"ended with {daemon.process.returncode}")
    verify(args, box, "in the end")
    audit = subprocess.run([args.courtside, "clips", "audit", "--ring", box.data / "ring", "--json"],
                           capture_output=True, text=True)
    lines = [json.loads(line) for line in audit.stdout.splitlines()]
    asked = {one["number"] for one in lines if one["what"] == "asked"}
    over = {one["number"] for one in lines if one["what"] in ("done", "failed")}
    check(asked == over, f"deletions without an end: {sorted(asked - over)}")
    print("answers:", people.counts, "· deletions in the audit log:", len(asked),
          "· evicted since the last start:", evicted)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    target = Path(os.environ.get("CARGO_TARGET_DIR", soak.ROOT / "target"))
    parser.add_argument("--courtside", default=target / "release/courtside", help="the program")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--longest", type=float, default=6, help="seconds until a kill, at most")
    parser.add_argument("--seed", type=int, default=None)
    args = parser.parse_args()
    args.courts = 1
    seed = args.seed if args.seed is not None else random.randrange(1 << 32)
    print("seed", seed, flush=True)
    folder = Path(tempfile.mkdtemp(prefix="courtside-clips-"))
    run(args, folder, random.Random(seed))
    if soak.wrong:
        print(f"{len(soak.wrong)} things did not hold; all of it lies in {folder}")
        sys.exit(1)
    shutil.rmtree(folder)
    print("all held")


if __name__ == "__main__":
    main()
