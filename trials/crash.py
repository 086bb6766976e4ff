#!/usr/bin/env python3
"""Kills the daemon by SIGSEGV in mid-game, as a fault in a C decoder would, and times what comes back.

  trials/crash.py [--runs 10]     a loop starts it again as systemd/courtside.service does: 0.1 s
                                  after a crash, never after exit status 2. Told of each run, seconds
                                  from the signal: `ready`, the first answer of the model to a
                                  publisher that comes again, the first event at the broker's
                                  subscriber. In the end every promised event must have arrived.

A camera that reconnects 0.1 s after it was cut; the next shot of its game is some 2 s off, which the
column `event` holds. Needs mosquitto, mosquitto_sub and ffmpeg. Ends 0 if all held; says what did not
otherwise.
"""
import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import soak
from soak import GAME, ROOT, TRUTH, check, until

READY = re.compile(r" ready rtmp=")
RESTART_SEC = 0.1
REFUSED = 2


def writes_no_core(pid):
    # A core of a hundred megabytes would be written before anything restarts, with keys in it.
    return re.search(r"Max core file size +0 ", Path(f"/proc/{pid}/limits").read_text())


class Daemon(soak.Daemon):
    """One life of the daemon; knows when it was ready."""

    def __init__(self, program, config):
        self.ready_at = None
        super().__init__(program, config)

    def read(self):
        for line in self.process.stderr:
            if READY.search(line):
                self.ready_at = time.monotonic()
            self.lines.append(line)
            if found := soak.PROMISED.match(line):
                self.promised.append((soak.utc(found[1]), found[2], found[3], int(found[4])))


class Supervisor:
    """What systemd does, for machines without it."""

    def __init__(self, box):
        self.box, self.lives, self.stopping = box, [], False
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()
        until("the daemon runs", lambda: self.lives)

    def loop(self):
        while not self.stopping:
            life = Daemon(self.box.args.courtside, self.box.config)
            self.lives.append(life)
            life.process.wait()
            if life.process.returncode == REFUSED:
                return
            time.sleep(RESTART_SEC)

    @property
    def now(self):
        return self.lives[-1]

    def crash(self):
        """Returns when the signal was given. Rust's own handler passes the first one over: it is
        there for overflows of stacks, and lets a second one through."""
        life, at = self.now, time.monotonic()
        while life.process.poll() is None:
            life.process.send_signal(signal.SIGSEGV)
            time.sleep(0.001)
        check(life.process.returncode == -signal.SIGSEGV, f"ended with {life.process.returncode}")
        return at

    def end(self):
        self.stopping = True
        self.now.end(signal.SIGTERM)
        self.thread.join()
        return self.now.process.returncode


class Camera:
    """Publishes court a, and comes again when it is cut: each time 2 s before a shot."""

    def __init__(self, port, lottery):
        self.stopping, self.process = False, None
        self.starts = [max(0.0, one["t_rim"] - 2) for one in TRUTH["attempts"][:-1]]
        threading.Thread(target=self.publish, args=(port, lottery), daemon=True).start()

    def publish(self, port, lottery):
        while not self.stopping:
            self.process = subprocess.Popen(
                ["ffmpeg", "-v", "quiet", "-re", "-ss", f"{lottery.choice(self.starts):.1f}", "-i",
                 GAME, "-c", "copy", "-f", "flv", f"rtmp://127.0.0.1:{port}/live/a"],
                stdin=subprocess.DEVNULL)
            self.process.wait()
            time.sleep(0.1)

    def stop(self):
        self.stopping = True
        self.process.kill()
        self.process.wait()


def answered(box):
    return (box.metric("courtside_answer_seconds_count") or 0) > 0


def run(args, folder, lottery):
    broker = soak.Broker(folder, True)
    subscriber = soak.Subscriber(broker.port)
    until("the subscriber is in place", broker.subscriptions)
    box = soak.Box(args, folder, broker.port)
    box.data.mkdir(mode=0o700)
    supervisor = Supervisor(box)
    camera = Camera(box.rtmp, lottery)
    rows = []
    print(f"{'run':>4} {'ready':>7} {'answer':>7} {'event':>7}  s after the signal", flush=True)
    for number in range(args.runs):
        until("a game is called", lambda: len(supervisor.now.promised) >= 1, 120)
        time.sleep(lottery.uniform(0, 3))
        check(writes_no_core(supervisor.now.process.pid), "a crash would write a core")
        lives, seen = len(supervisor.lives), len(subscriber.messages)
        at = supervisor.crash()
        until("it is started again", lambda: len(supervisor.lives) > lives)
        life = supervisor.now
        until("it is ready", lambda: life.ready_at)
        until("the model answers", lambda: answered(box))
        answer_at = time.monotonic()
        until("an event is promised", lambda: life.promised)
        last = life.promised[0][1]
        until("it is at the subscriber", lambda: last in subscriber.ids())
        row = (life.ready_at - at, answer_at - at, time.monotonic() - at)
        rows.append(row)
        print(f"{number + 1:>4} " + " ".join(f"{value:>7.2f}" for value in row), flush=True)
        check(len(subscriber.messages) > seen, "nothing came after the crash")
    for what, of in (("median", lambda values: sorted(values)[len(values) // 2]), ("longest", max)):
        print(f"{what:>9} " + " ".join(f"{of([row[n] for row in rows]):.2f}" for n in range(3)))
    for n, what in enumerate(("ready", "answered")):
        check(max(row[n] for row in rows) <= args.bound, f"{what} later than {args.bound} s")
    camera.stop()
    box.drained(supervisor.now)
    check(supervisor.end() == 0, "it did not end well")
    promised = [one for life in supervisor.lives for one in life.promised]
    until("all arrived", lambda: {one[1] for one in promised} <= subscriber.ids(), 30)
    soak.judge(promised, subscriber.messages)
    for life in supervisor.lives:
        for line in life.lines:
            if " ERROR " in line or "panicked" in line:
                check(False, line.strip())
    subscriber.process.kill()
    broker.end(signal.SIGTERM)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser.add_argument("--courtside", default=target / "release/courtside", help="the program")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--bound", type=float, default=2, help="seconds to ready, and to an answer")
    parser.add_argument("--seed", type=int, default=None)
    args = parser.parse_args()
    args.courts = 1
    seed = args.seed if args.seed is not None else random.randrange(1 << 32)
    print("seed", seed, flush=True)
    folder = Path(tempfile.mkdtemp(prefix="courtside-crash-"))
    run(args, folder, random.Random(seed))
    if soak.wrong:
        print(f"{len(soak.wrong)} things did not hold; all of it lies in {folder}")
        sys.exit(1)
    shutil.rmtree(folder)
    print("all held")


if __name__ == "__main__":
    main()
