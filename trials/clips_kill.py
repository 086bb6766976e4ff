#!/usr/bin/env python3
"""kill -9 of the daemon while clips are cut, kept, uploaded, released, acknowledged and deleted.

  trials/clips_kill.py [--runs 200] [--courtside FILE] [--seed N]

Before each kill two people ask over HTTP without pause, and a cloud that outlives the box has clips sent to
`rclone serve s3`, in parts or whole, compares what came, and acknowledges it over MQTT. Whatever was answered
holds after the kill: what was kept is pinned and its bytes are those of its SHA-256, at the storage too; what
is on its way is pinned; what was acknowledged or released is not pinned; what was deleted has no bytes and
stands in the audit log; what went with a deletion whose answer the kill cut off has moments that its line in
the audit log asks for; and `courtside clips verify` finds nothing. In the end whatever was answered as kept or
deleted was told as an event too, at least once. The ring is small, so that it evicts all the time. Needs ffmpeg and mosquitto; installs what trials/upload.py does. Ends 0 if all held; says what did
not otherwise.
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
import uuid
from pathlib import Path

import soak
import upload
from soak import check, until

QUOTA = 60_000_000
PART = 64 << 10  # the box's least; rclone takes parts of any size
OVER = ("done", "failed", "refused")


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


class Cloud:
    """Has clips sent to a storage, one after the other, whatever becomes of the box meanwhile."""

    def __init__(self, folder, broker, lottery, box="soak", tells=lambda *_: None):
        import boto3
        import paho.mqtt.client as mqtt
        from botocore.config import Config
        self.lottery, self.states, self.bell, self.stopping = lottery, {}, threading.Event(), False
        self.topic, self.tells = f"courtside/1/{box}", tells
        # `on_its_way` is pinned whatever happens, of `acknowledging` nobody knows yet.
        self.on_its_way, self.acknowledging, self.counts = set(), set(), {}
        # What events said of clips: pairs of name and word.
        self.news, self.heard_news = set(), 0
        port = soak.free_port()
        rclone = Path(sys.executable).parent / "rclone"
        (folder / "objects/clips").mkdir(parents=True)
        self.storage = subprocess.Popen(
            [rclone, "serve", "s3", "--auth-key", f"{upload.KEY},{upload.SECRET}", "--addr", f"127.0.0.1:{port}",
             folder / "objects"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.s3 = boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", aws_access_key_id=upload.KEY,
            aws_secret_access_key=upload.SECRET,
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 5}))
        until("the storage answers", self.answers, 30)
        self.mqtt = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self.mqtt.on_message = self.heard
        self.mqtt.connect("127.0.0.1", broker.port)
        self.mqtt.subscribe([(f"{self.topic}/command/+/state", 1), (f"{self.topic}/state/uploads", 1),
                             (f"{self.topic}/event/#", 1)])
        self.mqtt.loop_start()

    def answers(self):
        try:
            self.s3.list_buckets()
            return True
        except Exception:  # whatever says that it is not up yet
            return False

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def heard(self, _client, _data, message):
        if message.payload and message.topic.endswith("/state/uploads"):
            for one in json.loads(message.payload)["running"]:
                self.tells("upload", one["upload"], one["acknowledged_bytes"])
        elif "/event/" in message.topic:
            event = json.loads(message.payload)
            if event["type"] == "courtside.clip.v1":
                self.news.add((event["data"]["id"], event["data"]["state"]))
                self.heard_news += 1
        elif message.payload:
            state = json.loads(message.payload)
            ident = message.topic.split("/")[4]
            if state["number"] >= self.states.get(ident, {}).get("number", -1):
                self.states[ident] = state
                self.bell.set()

    def begins(self, operation, **arguments):
        ident = uuid.uuid4().hex
        body = {"operation": operation, "arguments": arguments, "expires": expires(600)}
        self.mqtt.publish(f"{self.topic}/command/{ident}", json.dumps(body), qos=1)
        return ident

    def waits(self, ident, needs=None):
        """The end of a command; `needs` is called for what it wants before. None where nothing came of it: it
        was told to a box that was away."""
        answered, began = -1, time.monotonic()
        while not self.stopping:
            self.bell.clear()
            state = self.states.get(ident, {})
            if time.monotonic() - began > (60 if state else 8):
                return None
            if state.get("state") in OVER:
                return state
            if needs and state.get("needs") and state["number"] != answered:
                answered = state["number"]
                needs(state["needs"])
            self.bell.wait(0.2)
        return None

    def sends(self, clip, sha256):
        """True once the storage has a clip's bytes."""
        name, key = f"up-{uuid.uuid4().hex[:12]}", f"{clip}.mp4"
        whole = self.lottery.random() < 0.3
        at = {"Bucket": "clips", "Key": key}
        if not whole:
            at["UploadId"] = self.s3.create_multipart_upload(**at)["UploadId"]

        def gives(needs):
            if whole:
                url = self.s3.generate_presigned_url("put_object", Params=at, ExpiresIn=60)
                self.begins("clip_upload_urls", upload=name, url=url, expires=expires(58))
                return
            if needs["reason"] == "no_such_upload":
                at["UploadId"] = self.s3.create_multipart_upload(Bucket="clips", Key=key)["UploadId"]
            have = []
            if needs["reason"] == "resumed":
                have = [{"number": part["PartNumber"], "etag": part["ETag"]}
                        for part in self.s3.list_parts(**at).get("Parts", [])]
                self.count("resumed")
            had = {part["number"] for part in have}
            parts = [{"number": n, "url": self.s3.generate_presigned_url("upload_part", Params={**at, "PartNumber": n},
                                                                         ExpiresIn=60)}
                     for n in needs["parts"] if n not in had]
            self.begins("clip_upload_urls", upload=name, parts=parts, have=have, expires=expires(58))

        to = {} if whole else {"multipart": {"part_bytes": PART}}
        for _ in range(10):
            state = self.waits(self.begins("clip_upload", clip=clip, upload=name, to=to, now=True), gives)
            if state and state["state"] == "done":
                break
            why = (state or {}).get("code", "nobody answered")
            self.count(f"upload: {why}")
            if state and why not in ("cut_short", "under_way", "busy", "ended") or self.stopping:
                return False
        else:
            return False
        done = state["result"]
        if not whole:
            parts = [{"PartNumber": part["number"], "ETag": part["etag"]} for part in done["parts"]]
            self.s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})
        came = hashlib.sha256(self.s3.get_object(Bucket="clips", Key=key)["Body"].read()).hexdigest()
        check(came == sha256 == done["sha256"], f"{clip}: {came} is at the storage, not {sha256}")
        self.s3.delete_object(Bucket="clips", Key=key)
        self.count("uploaded whole" if whole else "uploaded in parts")
        return True

    def run(self, people):
        while not self.stopping:
            with people.lock:
                held = [one for one in people.kept if one not in people.open]
                clip = self.lottery.choice(held) if held else None
                if clip:
                    self.on_its_way.add(clip)
                    sha256 = people.kept[clip]
            if clip is None:
                self.bell.wait(0.1)
                continue
            if not self.sends(clip, sha256):
                with people.lock:
                    self.on_its_way.discard(clip)
                continue
            with people.lock:
                self.on_its_way.discard(clip)
                self.acknowledging.add(clip)
            self.tells("asked", clip)
            state = self.waits(self.begins("clip_ack", clip=clip, sha256=sha256))
            with people.lock:
                if state and state["state"] == "done":
                    self.count("acknowledged")
                    self.tells("over", clip)
                    if people.kept.pop(clip, None):
                        people.over[clip] = "acknowledged over MQTT"
                else:
                    # Told as cut, or to a box that was away: it may be done or not.
                    self.count("ack: " + (state or {}).get("code", "nobody answered"))
                    people.kept.pop(clip, None)
                self.acknowledging.discard(clip)

    def end(self):
        self.stopping = True
        self.bell.set()
        self.mqtt.loop_stop()
        self.storage.terminate()
        self.storage.wait()


def expires(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


class People:
    """Who ask, and remember what they were answered."""

    def __init__(self, ring, cloud, lottery, deletes=True, tells=lambda *_: None):
        self.ring, self.cloud, self.lottery, self.lock = ring, cloud, lottery, threading.Lock()
        self.deletes, self.tells = deletes, tells
        self.kept, self.over, self.deleted = {}, {}, set()
        # Asked and not answered: the kill came between, and both are right.
        self.open, self.number, self.counts = {}, 0, {}
        # Deletions that were cut short, by their clip: others may have gone with it, if the audit log says so.
        self.half_deleted = set()
        # Session and moments of each clip, as they were told.
        self.moments = {}
        # What was answered, to be told as an event too: pairs of name and word.
        self.answered = set()

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def is_at_cloud(self, clip):
        return clip in self.cloud.on_its_way or clip in self.cloud.acknowledging

    def holds(self, clip):
        """True where a clip is surely pinned: asked after whatever was seen, since the cloud goes on meanwhile."""
        with self.lock:
            return clip in self.kept and clip not in self.cloud.acknowledging

    def one(self):
        with self.lock:
            self.number += 1
            number = self.number
            held = [one for one in self.kept if one not in self.open and not self.is_at_cloud(one)]
            clip = self.lottery.choice(held) if held else None
            roll = self.lottery.random()
            keep = clip is None or roll < 0.6 or (len(held) < 6 and roll < 0.9)
            if keep:
                clip = f"k-{number}"
            self.open[clip] = True
        if not keep:
            self.tells("asked", clip)
        if keep:
            body = {"court": "a", "last": self.lottery.uniform(1, 4), "id": clip, "note": "trial"}
            self.done(clip, "kept", self.ring.ask("POST", "/v1/clips", body))
        elif roll < 0.75:
            body = {"sha256": self.kept[clip]}
            self.done(clip, "acknowledged", self.ring.ask("POST", f"/v1/clips/{clip}/ack", body))
        elif roll < 0.95 or not self.deletes:
            self.done(clip, "released", self.ring.ask("POST", f"/v1/clips/{clip}/release"))
        else:
            self.done(clip, "deleted", self.ring.ask("DELETE", f"/v1/clips/{clip}"))

    def done(self, clip, what, answer):
        with self.lock:
            if answer is None:
                self.count("cut short")
                if what == "deleted":
                    self.half_deleted.add(clip)
                return  # it stays open: nobody knows
            status, told = answer
            self.open.pop(clip, None)
            if status not in (200, 201):
                self.count(f"{what}: {status}")
                return
            self.count(what)
            if what == "kept":
                self.kept[clip] = told["media"]["sha256"]
                self.moments[clip] = (told["session"], told["media"]["start_ns"], told["media"]["end_ns"])
                self.answered.add((clip, "kept"))
                self.tells("kept", clip, told["media"]["sha256"])
            elif what == "deleted":
                # Its moments went from other clips too.
                for one in told["clips"]:
                    self.kept.pop(one, None)
                    self.over.pop(one, None)
                    self.deleted.add(one)
                    self.answered.add((one, "deleted"))
            else:
                self.kept.pop(clip, None)
                self.over[clip] = what
                self.tells("over", clip)

    def run(self, daemon, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and daemon.process.poll() is None:
            self.one()

    def went_along(self, clip, told, audit):
        """True for a clip that a deletion took along whose answer nobody heard: the audit log asks for moments
        that it has. Fragments go whole, so up to half a second beside them."""
        if not isinstance(told, dict) or "deleted_ns" not in told:
            return False
        session, start, end = self.moments[clip]
        asked = [one for one in audit if one["what"] == "asked" and one.get("clip") in self.half_deleted]
        spans = [span for one in asked for span in one["spans"] if span["session"] == session]
        if not any(span["from_ns"] - 600_000_000 < end and span["to_ns"] + 600_000_000 > start for span in spans):
            return False
        self.count("gone with a deletion that was cut short")
        with self.lock:
            self.kept.pop(clip, None)
            self.deleted.add(clip)
        return True

    def adopt(self):
        """What was asked to be kept, and nobody heard an answer of, may be kept all the same: then it is one of
        those that are to be released. Else kill after kill leaves pins that nobody ends, until the reserve is full."""
        for clip in [one for one in self.open if one not in self.kept and one.startswith("k-")]:
            status, told = self.ring.ask("GET", f"/v1/clips/{clip}") or (0, None)
            if status == 200 and told["pinned"] and "media" in told:
                with self.lock:
                    self.kept[clip] = told["media"]["sha256"]
                    self.moments[clip] = (told["session"], told["media"]["start_ns"], told["media"]["end_ns"])
                    self.count("kept, and the kill cut off the answer")
                    self.open.pop(clip)

    def judge(self, audit):
        """What was answered holds."""
        self.adopt()
        for clip, sha256 in list(self.kept.items()):
            if clip in self.open:
                # What was asked of it and not answered may have been done.
                status, told = self.ring.ask("GET", f"/v1/clips/{clip}")
                with self.lock:
                    if status == 200 and not told["pinned"]:
                        self.kept.pop(clip, None)
                    self.open.pop(clip)
                continue
            status, told = self.ring.ask("GET", f"/v1/clips/{clip}")
            if not self.went_along(clip, told, audit):
                check(status == 200 and told["pinned"] or not self.holds(clip), f"{clip} was kept: {status} {told}")
        with self.lock:
            kept = dict(self.kept)
        for clip in self.lottery.sample(sorted(kept), min(5, len(kept))):
            check(self.ring.media(clip) == (200, kept[clip]) or not self.holds(clip), f"{clip}: other bytes")
        for clip, what in list(self.over.items()):
            status, told = self.ring.ask("GET", f"/v1/clips/{clip}")
            check(status != 200 or not told["pinned"], f"{clip} was {what} and is pinned")
        for clip in self.deleted:
            check(self.ring.media(clip)[0] in (404, 410), f"{clip} was deleted and has bytes")
        self.open.clear()
        self.half_deleted.clear()


def audited(args, box):
    """The lines of the audit log."""
    told = subprocess.run([args.courtside, "clips", "audit", "--ring", box.data / "ring", "--json"],
                          capture_output=True, text=True)
    return [json.loads(line) for line in told.stdout.splitlines()]


def verify(args, box, what):
    told = subprocess.run([args.courtside, "clips", "verify", "--ring", box.data / "ring"],
                          capture_output=True, text=True)
    check(told.returncode == 0, f"{what}: {told.stdout}{told.stderr}")


def run(args, folder, lottery):
    broker = soak.Broker(folder, False)
    box = soak.Box(args, folder, broker.port)
    # So slow that a kill finds most uploads under way.
    text = box.config.read_text().replace(
        "quota_bytes = 2000000000",
        f"quota_bytes = {QUOTA}\n[detect]\nfinder = false\n[upload]\nplain = true\nmax_bits_per_second = {args.upload_bits}")
    box.config.write_text(text)
    cameras = soak.Cameras(box.rtmp, box.courts, lottery)
    ring = Ring(box)
    cloud = Cloud(folder, broker, random.Random(lottery.random()))
    people = People(ring, cloud, lottery)
    sending = threading.Thread(target=cloud.run, args=(people,), daemon=True)
    sending.start()
    for number in range(args.runs + 1):
        daemon = box.start()
        until("the box answers", lambda: box.metrics(), 180)
        people.judge(audited(args, box) if people.half_deleted else [])
        if number == args.runs:
            break
        until("it records", lambda: daemon.recorded, 180)
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
              f"{len(people.deleted)} deleted; {cloud.counts}", flush=True)
    cameras.stop()
    # Of a short while before the last kill some may be on their way yet.
    end = time.monotonic() + 60
    while not people.answered <= cloud.news and time.monotonic() < end:
        time.sleep(0.2)
    check(people.answered <= cloud.news, f"answered and not told: {sorted(people.answered - cloud.news)[:9]}")
    cloud.end()
    sending.join(90)
    evicted = box.metric("courtside_clips_evicted_total")
    daemon.end(soak.signal.SIGTERM)
    check(daemon.process.returncode == 0, f"ended with {daemon.process.returncode}")
    verify(args, box, "in the end")
    lines = audited(args, box)
    asked = {one["number"] for one in lines if one["what"] == "asked"}
    over = {one["number"] for one in lines if one["what"] in ("done", "failed")}
    check(asked == over, f"deletions without an end: {sorted(asked - over)}")
    broker.end(soak.signal.SIGTERM)
    check(cloud.counts.get("acknowledged") and cloud.counts.get("resumed"), f"the cloud did little: {cloud.counts}")
    print("answers:", people.counts, "· the cloud:", cloud.counts, "· deletions in the audit log:", len(asked),
          "· evicted since the last start:", evicted, "· events of clips:", cloud.heard_news)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    target = Path(os.environ.get("CARGO_TARGET_DIR", soak.ROOT / "target"))
    parser.add_argument("--courtside", default=target / "release/courtside", help="the program")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--longest", type=float, default=6, help="seconds until a kill, at most")
    parser.add_argument("--upload-bits", type=int, default=3_000_000, help="bits a second of uploads")
    parser.add_argument("--seed", type=int, default=None)
    args = parser.parse_args()
    upload.inside_venv()
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
