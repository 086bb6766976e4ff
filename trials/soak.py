#!/usr/bin/env python3
"""Kills the daemon, or its broker, under load, and counts what arrives.

  trials/soak.py kill   [--runs 50]     kill -9 of the daemon at random between commit, publish and
                                         PUBACK: every id logged as `promised` reaches a subscriber,
                                         repeats are the same, no provisional stays open, at most 1 s
                                         of video is missing
  trials/soak.py broker [--away 60]     the broker goes mid-game and comes back, with its sessions
                                         and without: all events arrive, in order per court and lane,
                                         backlog marked historical, live ones not behind it

Needs mosquitto, mosquitto_sub and ffmpeg. Ends 0 if all held; says what did not otherwise.
"""
import argparse
import calendar
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GAME = ROOT / "assets/demo/game.flv"
TRUTH = json.loads((ROOT / "assets/demo/game.json").read_text())
SAME = ["id", "source", "type", "subject", "sequence", "session", "fact", "revision", "data"]
PROMISED = re.compile(r"^(\S+)\s+INFO.* promised id=(\S+) court=(\S+) sequence=(\d+)")
RECORDED = re.compile(r"^(\S+)\s+DEBUG.* recorded court=(\S+)")
wrong = []


def check(holds, text):
    if not holds:
        wrong.append(text)
        print("WRONG:", text, flush=True)


def until(what, condition, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise SystemExit(f"gave up waiting until {what}")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def utc(text):
    """RFC 3339 of the log, as seconds."""
    whole, _, part = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0." + (part or "0"))


class Broker:
    def __init__(self, folder, persistent):
        self.folder, self.port = folder, free_port()
        self.log = folder / "broker.log"
        (folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\n"
            f"max_inflight_messages 0\nmax_queued_messages 0\n"
            f"persistence {'true' if persistent else 'false'}\npersistence_location {folder}/\n"
            f"log_type subscribe\nlog_type error\nlog_dest file {self.log}\n")
        self.start()

    def start(self):
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.process = subprocess.Popen([program, "-c", self.folder / "mosquitto.conf"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until("the broker listens", self.listens)

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def subscriptions(self):
        return self.log.read_text().count("soak-sub 1 courtside") if self.log.exists() else 0

    def end(self, how):
        self.process.send_signal(how)
        self.process.wait()


class Gate:
    """Between daemon and broker: opened once the subscriber is in place. MQTT keeps nothing for a
    subscriber that a broker without memory does not know yet."""

    def __init__(self, upstream):
        self.upstream, self.is_open, self.pairs = upstream, True, []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.server.accept()
            try:
                if not self.is_open:
                    raise OSError
                server = socket.create_connection(("127.0.0.1", self.upstream), 5)
            except OSError:
                client.close()
                continue
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.pairs += [client, server]
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=self.copy, args=(a, b), daemon=True).start()

    @staticmethod
    def copy(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass
        for one in (a, b):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def shut(self):
        self.is_open = False
        for one in self.pairs:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.pairs.clear()


class Subscriber:
    def __init__(self, port):
        self.messages = []
        self.process = subprocess.Popen(
            ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-V", "mqttv5", "-q", "1", "-c",
             "-i", "soak-sub", "-x", "3600", "-t", "courtside/#", "-F", "%U\t%t\t%p"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            at, topic, payload = line.rstrip("\n").split("\t", 2)
            if "/event/" in topic:
                self.messages.append((float(at), topic, json.loads(payload)))

    def ids(self):
        return {message["id"] for _, _, message in list(self.messages)}


class Daemon:
    def __init__(self, program, config):
        self.promised, self.recorded, self.lines = [], {}, []
        self.process = subprocess.Popen(
            [program, "run", "--config", config], stderr=subprocess.PIPE, text=True,
            env={**os.environ, "COURTSIDE_LOG": "info,courtside::clips::ring=debug"})
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.lines.append(line)
            if found := PROMISED.match(line):
                self.promised.append((utc(found[1]), found[2], found[3], int(found[4])))
            elif found := RECORDED.match(line):
                self.recorded[found[2]] = utc(found[1])

    def end(self, how):
        self.process.send_signal(how)
        self.process.wait()
        self.reader.join()


class Cameras:
    """ffmpeg for each court, again and again, from anywhere in the game."""

    def __init__(self, port, courts, lottery):
        self.stopping, self.running, self.lock = False, {}, threading.Lock()
        for court in courts:
            threading.Thread(target=self.publish, args=(port, court, random.Random(lottery.random())),
                             daemon=True).start()

    def publish(self, port, court, lottery):
        while not self.stopping:
            start = lottery.uniform(0, TRUTH["duration"] - 10)
            with self.lock:
                if self.stopping:
                    return
                one = self.running[court] = subprocess.Popen(
                    ["ffmpeg", "-v", "quiet", "-re", "-ss", f"{start:.1f}", "-i", GAME, "-c", "copy",
                     "-f", "flv", f"rtmp://127.0.0.1:{port}/live/{court}"], stdin=subprocess.DEVNULL)
            one.wait()
            time.sleep(0.1)

    def stop(self):
        with self.lock:
            self.stopping = True
        for one in self.running.values():
            one.kill()
            one.wait()


class Box:
    def __init__(self, args, folder, broker_port):
        self.args, self.rtmp, self.http = args, free_port(), free_port()
        self.data = folder / "data"
        self.courts = [chr(ord("a") + n) for n in range(args.courts)]
        rim = json.dumps(TRUTH["rim"])
        self.config = folder / "courtside.toml"
        self.config.write_text(
            f'[box]\nname = "soak"\ndata_dir = "{self.data}"\n'
            f'[uplink]\nbroker = "mqtt://127.0.0.1:{broker_port}"\n'
            f'[ingest]\nrtmp = "127.0.0.1:{self.rtmp}"\n[http]\nlisten = "127.0.0.1:{self.http}"\n'
            f'[ring]\nquota_bytes = 2000000000\n' + "".join(
                f'[[court]]\nname = "{court}"\nstream_key = "{court}"\nrims = [{rim}]\n'
                for court in self.courts))

    def start(self):
        return Daemon(self.args.courtside, self.config)

    def metric(self, name):
        found = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)", self.metrics(), re.M)
        return float(found[1]) if found else None

    def quantile(self, name, share):
        """Upper bound of the bucket that holds this share, of how many."""
        buckets = re.findall(rf'^{name}_bucket{{le="([^"]+)"}} (\d+)', self.metrics(), re.M)
        total = int(buckets[-1][1]) if buckets else 0
        bound = next((le for le, count in buckets if int(count) >= share * total), None)
        return f"p{share * 100:.0f} at most {bound} s of {total}"

    def metrics(self):
        try:
            token = (self.data / "token").read_text().strip()
            ask = urllib.request.Request(f"http://127.0.0.1:{self.http}/metrics",
                                         headers={"Authorization": f"Bearer {token}"})
            return urllib.request.urlopen(ask, timeout=5).read().decode()
        except OSError:
            return ""

    def drained(self, daemon):
        """No attempt under way and nothing waits."""
        quiet = [len(daemon.promised), time.monotonic()]

        def settled():
            if len(daemon.promised) != quiet[0]:
                quiet[:] = [len(daemon.promised), time.monotonic()]
            return time.monotonic() - quiet[1] > 3 and self.metric("courtside_outbox_events") == 0
        until("all is sent", settled, 180)


def judge(promised, messages):
    """What holds whatever happened. Returns first arrivals."""
    known, first = {}, []
    for at, topic, message in messages:
        before = known.get(message["id"])
        if before is None:
            known[message["id"]] = (topic, message)
            first.append((at, topic, message))
        else:
            check(before[0] == topic and all(before[1][key] == message[key] for key in SAME),
                  f"repeat of {message['id']} differs")
    lost = [one for _, one, _, _ in promised if one not in known]
    check(not lost, f"{len(lost)} promised and never arrived: {lost[:5]}")
    last = {}
    for _, _, message in first:
        if message["revision"] >= last.get(message["fact"], message)["revision"]:
            last[message["fact"]] = message
    opened = [one["id"] for one in last.values() if one["data"].get("provisional")]
    check(not opened, f"provisional without final or withdrawal: {opened[:5]}")
    for court in sorted({topic.split("/")[4] for _, topic, _ in first}):
        numbers = sorted(int(one["sequence"]) for _, topic, one in first if topic.split("/")[4] == court)
        check(numbers == list(range(1, len(numbers) + 1)), f"court {court}: sequences have gaps")
    repeats = len(messages) - len(first)
    print(f"{len(promised)} promised, {len(first)} arrived, {repeats} repeats", flush=True)
    return first


def kill(args, folder, lottery):
    broker = Broker(folder, False)
    subscriber = Subscriber(broker.port)
    until("the subscriber is in place", broker.subscriptions)
    box = Box(args, folder, broker.port)
    cameras = Cameras(box.rtmp, box.courts, lottery)
    promised, gaps, how_many = [], [], {"promise": 0, "any": 0}
    for run in range(args.runs):
        daemon = box.start()
        way = "promise" if lottery.random() < 0.7 else "any"
        how_many[way] += 1
        if way == "promise":
            enough = lottery.randint(1, 6)
            until("enough is promised", lambda: len(daemon.promised) >= enough
                  or daemon.process.poll() is not None, 120)
            time.sleep(lottery.uniform(0, 0.03))
        else:
            time.sleep(lottery.uniform(0.1, 8))
        check(daemon.process.poll() is None, f"the daemon ended by itself: {daemon.lines[-3:]}")
        at = time.time()
        daemon.end(signal.SIGKILL)
        promised += daemon.promised
        gaps += [at - last for last in daemon.recorded.values()]
        for line in daemon.lines:
            if " ERROR " in line or " PANIC" in line or "panicked" in line:
                check(False, f"run {run}: {line.strip()}")
        print(f"kill {run + 1}/{args.runs} ({way}): {len(daemon.promised)} promised, "
              f"{len(daemon.recorded)} courts recorded", flush=True)
    daemon = box.start()
    until("a last game is called", lambda: len(daemon.promised) >= 4, 120)
    cameras.stop()
    box.drained(daemon)
    daemon.end(signal.SIGTERM)
    check(daemon.process.returncode == 0, f"ended with {daemon.process.returncode}")
    promised += daemon.promised
    until("all arrived", lambda: {one for _, one, _, _ in promised} <= subscriber.ids(), 30)
    judge(promised, subscriber.messages)
    gaps.sort()
    if gaps:
        print(f"from the last durable fragment to the kill: median {gaps[len(gaps) // 2]:.2f} s, "
              f"longest {gaps[-1]:.2f} s, of {len(gaps)}")
        check(gaps[-1] <= 1.0, f"{gaps[-1]:.2f} s of video not on disk at a kill")
    print("kills after a promise and at any time:", how_many)
    subscriber.process.kill()
    broker.end(signal.SIGTERM)


def two_lanes(numbers):
    """Rising, or two rising runs with all of the backlog below all that is live."""
    for bound in [0, *numbers]:
        old = [one for one in numbers if one <= bound]
        new = [one for one in numbers if one > bound]
        if old == sorted(old) and new == sorted(new):
            return True
    return False


def broker(args, folder, lottery):
    for persistent in (True, False):
        print("--- the broker", "keeps its sessions" if persistent else "forgets everything", flush=True)
        here = folder / ("kept" if persistent else "lost")
        here.mkdir()
        server = Broker(here, persistent)
        gate = Gate(server.port)
        subscriber = Subscriber(server.port)
        until("the subscriber is in place", server.subscriptions)
        box = Box(args, here, gate.port)
        cameras = Cameras(box.rtmp, box.courts, lottery)
        daemon = box.start()
        until("a game is called", lambda: len(subscriber.messages) >= 8, 180)
        gone, sessions = time.time(), server.subscriptions()
        server.end(signal.SIGTERM if persistent else signal.SIGKILL)
        gate.shut()
        before = len(subscriber.messages)
        time.sleep(args.away)
        away = [one for one in daemon.promised if one[0] > gone]
        check(away, "nothing was decided while the broker was away: the soak shows nothing")
        server.start()
        until("the subscriber is back", lambda: server.subscriptions() > sessions, 120)
        gate.is_open, back = True, time.time()
        until("events come again", lambda: len(subscriber.messages) > before, 120)
        print(f"found again after {subscriber.messages[before][0] - back:.2f} s; "
              f"{len(away)} decided meanwhile", flush=True)
        enough = len(daemon.promised) + 8
        until("the game goes on", lambda: len(daemon.promised) >= enough, 180)
        cameras.stop()
        box.drained(daemon)
        dropped = re.findall(r"^courtside_\S*dropped\S* .*$", box.metrics(), re.M)
        print("commit of the outbox:", box.quantile("courtside_outbox_commit_seconds", 0.5),
              box.quantile("courtside_outbox_commit_seconds", 0.99))
        daemon.end(signal.SIGTERM)
        until("all arrived", lambda: {one[1] for one in daemon.promised} <= subscriber.ids(), 30)
        first = judge(daemon.promised, subscriber.messages)
        decided = {one: at for at, one, _, _ in daemon.promised}
        for part in (subscriber.messages[:before], subscriber.messages[before:]):
            for court in box.courts:
                numbers = [int(one["sequence"]) for _, topic, one in part if f"/event/{court}/" in topic]
                check(two_lanes(numbers), f"court {court}: order within a lane: {numbers}")
        waits = []
        for at, _, one in first:
            if one["id"] not in decided:
                continue
            waited = at - decided[one["id"]]
            if gone < decided[one["id"]] < back - 6:
                check(one["historical"], f"{one['id']} waited {waited:.1f} s and is not historical")
            elif decided[one["id"]] > back + 5:
                check(not one["historical"], f"{one['id']} is live and marked historical")
                waits.append(waited)
        waits.sort()
        if waits:
            print(f"live after the return: {len(waits)}, promised to subscriber median "
                  f"{waits[len(waits) // 2] * 1e3:.0f} ms, longest {waits[-1] * 1e3:.0f} ms")
            check(waits[-1] < 2, "live events waited behind the backlog")
        print("dropped by hops:", dropped)
        for line in daemon.lines:
            if " ERROR " in line or "panicked" in line:
                check(False, line.strip())
        subscriber.process.kill()
        server.end(signal.SIGTERM)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["kill", "broker"])
    parser.add_argument("--courtside", default=Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/courtside", help="the program")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--away", type=float, default=60, help="seconds without the broker")
    parser.add_argument("--courts", type=int, default=2)
    parser.add_argument("--seed", type=int, default=None)
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else random.randrange(1 << 32)
    print("seed", seed, flush=True)
    folder = Path(tempfile.mkdtemp(prefix="courtside-soak-"))
    {"kill": kill, "broker": broker}[args.what](args, folder, random.Random(seed))
    if wrong:
        print(f"{len(wrong)} things did not hold; all of it lies in {folder}")
        sys.exit(1)
    shutil.rmtree(folder)
    print("all held")


if __name__ == "__main__":
    main()
