#!/usr/bin/env python3
"""Empties an outbox over a bad link to the broker while live events go on, and counts what arrives and when.

  trials/lanes_over_badwire.py --bin target/debug/courtside [--events 1500 --delay 120 --jitter 60 --loss 3 --rate 1024]

`courtside bench drain` stands in one network namespace, mosquitto in another; badwire.py is the wire between them:
slow, lossy, and cut from second 10 to second 22 of the drain. The bench's subscriber hears the broker over the same
wire, so a wait is there and back. Held means: nothing is lost, each court of the backlog arrives in order, and half of
the live events go before the backlog (their median wait, partition and all, is under 5 s while the backlog takes
longer than that). Repeats are allowed: what was in flight when the wire was cut goes out again under the same id.
Needs root, /dev/net/tun, iproute2, mosquitto; two minutes. Ends 0 if all held, 3 where it cannot run.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EDGE, CLOUD, BROKER = "courtside-lanes-a", "courtside-lanes-b", "10.213.4.2"
DOWN, UP = 10, 22
MEDIAN_MS = 5000


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
    return next((one for one in ("ip", "mosquitto", "mosquitto_pub") if not shutil.which(one, path=path)), None)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--bin", required=True)
    for name, default in (("events", "1500"), ("delay", "120"), ("jitter", "60"), ("loss", "3"), ("rate", "1024")):
        args.add_argument("--" + name, default=default)
    args = args.parse_args()
    missing = lacking()
    if missing:
        print(f"lanes: NOT RUN: {missing} is not here", file=sys.stderr)
        return 3
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    work = Path(tempfile.mkdtemp(prefix="lanes-"))
    running, wrong = [], []

    def start(namespace, *command, out=subprocess.DEVNULL, err=None):
        inside = ["ip", "netns", "exec", namespace] if namespace else []
        running.append(subprocess.Popen([*inside, *map(str, command)], stdout=out, stderr=err or subprocess.DEVNULL))
        return running[-1]

    def send(word):
        return subprocess.run([sys.executable, ROOT / "trials/badwire.py", "--send", work / "control", word],
                              check=True, capture_output=True, text=True).stdout.strip()

    try:
        start(None, sys.executable, ROOT / "trials/badwire.py", "--a", EDGE, "--b", CLOUD, "--rm", "--seed", "1", "--ip-a", "10.213.4.1",
              "--ip-b", BROKER, "--ready", work / "ready", "--control", work / "control", "--delay", args.delay, "--jitter", args.jitter,
              "--loss", args.loss, "--rate", args.rate)
        until("the wire carries packets", (work / "ready").exists, 20)
        (work / "mosquitto.conf").write_text("listener 1883 0.0.0.0\nallow_anonymous true\nuser root\n"
                                             "max_inflight_messages 0\nmax_queued_messages 0\n")
        start(CLOUD, "mosquitto", "-c", work / "mosquitto.conf")
        until("the broker answers", lambda: subprocess.run(
            ["ip", "netns", "exec", CLOUD, "mosquitto_pub", "-h", BROKER, "-t", "x", "-m", "x"], capture_output=True).returncode == 0, 20)
        with open(work / "err", "w") as err:
            bench = start(EDGE, args.bin, "bench", "drain", "--events", args.events, "--every-ms", "500", "--quiet", "20", "--broker",
                          f"mqtt://{BROKER}:1883", "--json", out=subprocess.PIPE, err=err)
        # It says so on stderr when it begins to drain.
        until("it drains", lambda: bench.poll() is not None or "draining" in (work / "err").read_text(), 120)
        began = time.monotonic()
        for at, word in ((DOWN, "down"), (UP, "up")):
            time.sleep(max(0, began + at - time.monotonic()))  # the wire's own clock
            send(word)
        told, _ = bench.communicate(timeout=600)
        if bench.returncode not in (0, 3):
            raise SystemExit(f"WRONG: the bench ended {bench.returncode}: {(work / 'err').read_text()}")
        got = json.loads(told)
        wire = send("stats")
        if got["lost"]:
            wrong.append(f"{got['lost']} events are lost")
        if got["behind"]:
            wrong.append(f"{got['behind']} of the backlog came behind a later one of their court")
        if got["drain_seconds"] <= UP:
            wrong.append(f"it drained in {got['drain_seconds']:.0f} s: the cut was no part of it, give it more events")
        if got["live"]["p50_ms"] > MEDIAN_MS:
            wrong.append(f"live events waited {got['live']['p50_ms']:.0f} ms in the middle: behind the backlog")
        live, quiet = got["live"], got["quiet"]
        print(f"lanes: {got['events']} waited, drained in {got['drain_seconds']:.0f} s ({got['drained_a_second']:.0f} a second), "
              f"{got['lost']} lost, {got['doubled']} repeats; live ones there and back p50 {live['p50_ms']:.0f}, p95 {live['p95_ms']:.0f}, "
              f"max {live['max_ms']:.0f} ms (n {live['n']}), afterwards p50 {quiet['p50_ms']:.0f}, p99 {quiet['p99_ms']:.0f} ms; the wire: {wire}")
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
