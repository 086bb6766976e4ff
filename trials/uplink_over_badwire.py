#!/usr/bin/env python3
"""Calls a game while the link to the broker is bad and then gone, and counts what arrives.

  trials/uplink_over_badwire.py --bin target/debug/courtside [--delay 120 --jitter 60 --loss 3 --rate 256]

The box and its camera stand in one network namespace, broker and subscriber in another; badwire.py is the wire
between them: slow, lossy, and cut from second 12 to second 24 of the game. Held means: every event that the log
calls promised arrived; a fact's revisions in order; what was decided while the wire was cut is marked historical;
nothing else arrived. Needs root, /dev/net/tun, iproute2, mosquitto, ffmpeg; one minute. Ends 0 if all held,
3 where it cannot run.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GAME = ROOT / "assets/demo/game.flv"
TRUTH = json.loads((ROOT / "assets/demo/game.json").read_text())
EDGE, CLOUD, BROKER = "courtside-edge", "courtside-cloud", "10.213.0.2"
PROMISED = re.compile(r" promised id=(\S+)")
DOWN, UP = 12, 24


def until(what, condition, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise SystemExit(f"WRONG: gave up waiting until {what}")


def lacking():
    if os.geteuid():
        return "root"
    if not os.path.exists("/dev/net/tun"):
        return "/dev/net/tun"
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    return next((one for one in ("ip", "ffmpeg", "mosquitto", "mosquitto_sub") if not shutil.which(one, path=path)), None)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--bin", required=True)
    for name, default in (("delay", "120"), ("jitter", "60"), ("loss", "3"), ("rate", "256")):
        args.add_argument("--" + name, default=default)
    args = args.parse_args()
    missing = lacking()
    if missing:
        print(f"badwire: NOT RUN: {missing} is not here", file=sys.stderr)
        return 3
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    work = Path(tempfile.mkdtemp(prefix="badwire-"))
    running, wrong = [], []

    def start(namespace, *command, out=None):
        inside = ["ip", "netns", "exec", namespace] if namespace else []
        with open(out or os.devnull, "a") as file:
            running.append(subprocess.Popen([*inside, *map(str, command)], stdout=file, stderr=file))
        return running[-1]

    try:
        control = work / "control"
        start(None, sys.executable, ROOT / "trials/badwire.py", "--a", EDGE, "--b", CLOUD, "--rm", "--seed", "1", "--ready", work / "ready",
              "--control", control, "--delay", args.delay, "--jitter", args.jitter, "--loss", args.loss, "--rate", args.rate, out=work / "wire.log")
        until("the wire carries packets", (work / "ready").exists, 20)
        (work / "mosquitto.conf").write_text("listener 1883 0.0.0.0\nallow_anonymous true\nuser root\n")
        start(CLOUD, "mosquitto", "-c", work / "mosquitto.conf", out=work / "broker.log")
        until("the broker answers", lambda: subprocess.run(
            ["ip", "netns", "exec", CLOUD, "mosquitto_pub", "-h", BROKER, "-t", "x", "-m", "x"], capture_output=True).returncode == 0, 20)
        heard = work / "heard"
        start(CLOUD, "mosquitto_sub", "-h", BROKER, "-V", "5", "-q", "1", "-t", "courtside/1/wire/#", "-F", "%t\t%p", out=heard)
        (work / "courtside.toml").write_text(
            f'[box]\nname = "wire"\ndata_dir = "{work}/data"\n[uplink]\nbroker = "mqtt://{BROKER}:1883"\n[ingest]\nrtmp = "127.0.0.1:1935"\n'
            f'[http]\nlisten = "127.0.0.1:8080"\n[[court]]\nname = "a"\nstream_key = "badwire-key"\nrims = {json.dumps(TRUTH.get("rims") or [TRUTH["rim"]])}\n')
        log = work / "log"
        box = start(EDGE, args.bin, "run", "--config", work / "courtside.toml", out=log)
        until("the box is heard over the wire", lambda: "state/box" in heard.read_text(), 40)
        camera = start(EDGE, "ffmpeg", "-nostdin", "-v", "error", "-re", "-i", GAME, "-c", "copy", "-f", "flv",
                       "rtmp://127.0.0.1:1935/live/badwire-key", out=work / "camera.log")
        began = time.monotonic()
        for at, word in ((DOWN, "down"), (UP, "up")):
            time.sleep(max(0, began + at - time.monotonic()))  # the game's own clock
            subprocess.run([sys.executable, ROOT / "trials/badwire.py", "--send", control, word], check=True, stdout=subprocess.DEVNULL)
        camera.wait(60)

        def promised():
            return PROMISED.findall(re.sub(r"\x1b\[[0-9;]*m", "", log.read_text()))

        def events():
            lines = (line.split("\t", 1) for line in heard.read_text().splitlines() if "\t" in line)
            return [json.loads(payload) for topic, payload in lines if "/event/" in topic]

        until("the publisher's end is logged", lambda: "publish ended" in log.read_text(), 20)
        last = [0, 0.0]

        def quiet():
            """Nothing more was decided for 5 s, longer than any revision waits."""
            if len(promised()) != last[0]:
                last[:] = len(promised()), time.monotonic()
            return time.monotonic() - last[1] > 5

        until("the last event is decided", quiet, 60)
        until("every promised event arrived", lambda: set(promised()) and set(promised()) <= {event["id"] for event in events()}, 90)
        got, ids = events(), promised()
        if {event["id"] for event in got} - set(ids):
            wrong.append(f"events that nobody promised: {sorted({event['id'] for event in got} - set(ids))}")
        revisions = {}
        for event in got:
            if event["revision"] < revisions.get(event["fact"], 0):
                wrong.append(f"{event['id']} came after revision {revisions[event['fact']]}")
            revisions[event["fact"]] = event["revision"]
        late = sum(event["historical"] for event in got)
        if not late:
            wrong.append("nothing is historical, though the wire was cut for 12 s")
        box.terminate()
        if box.wait(20):
            wrong.append(f"the box ended {box.returncode}")
        if "balanced=true" not in re.sub(r"\x1b\[[0-9;]*m", "", log.read_text()):
            wrong.append("its ledger did not balance")
        wire = subprocess.run([sys.executable, ROOT / "trials/badwire.py", "--send", control, "stats"], capture_output=True, text=True).stdout.strip()
        print(f"badwire: {len(ids)} promised, {len(got)} arrived, {late} historical, {len(revisions)} facts; the wire: {wire}")
    finally:
        for one in reversed(running):
            one.terminate()
        for one in running:
            try:
                one.wait(10)
            except subprocess.TimeoutExpired:
                one.kill()
    for text in wrong:
        print("WRONG:", text)
    if wrong:
        print("kept:", work)
    else:
        shutil.rmtree(work)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
