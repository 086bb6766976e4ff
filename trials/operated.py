#!/usr/bin/env python3
"""A game on real streams with a scripted operator: the whole program's facts are those that were written by hand.

  trials/operated.py --bin target/release/courtside [--footage DIR]

One game of two teams by the rules of FIBA, on three courts that are played one after the other: streams/dev.mp4,
dev2.mp4 and Q.mp4 of the footage (models/train/README.md says how it is laid out; it may not be redistributed, so
it is not in the repository). PLAY below was written from the truth files before the program ever played it: each
attempt in order, what the operator says of it, and the score before and after that. Compared are the score after
every shot and every tap, each shot as it stands in the end, the box score, and that all of it reached the broker.
Needs mosquitto, mosquitto_sub and ffmpeg. Takes three minutes. Ends 0 if all is equal, 1 if not, 3 where there is
no footage, and says so.
"""
import argparse
import json
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from score_stream import free_port, wait_port

GAME = "operated"
# A shot that comes later than this after its attempt, in time of the stream, is another one.
NEAR = 1.0
# A tap, and what the score is before and after it: reds, blues, points of whom nobody knows.
# t_rim s, outcome, score, then (tap, score) where the operator says something.
PLAY = {
    # The reds attack this ring. 2 points each, by the rules.
    "dev": [
        (4.367, "made", (2, 0, 0)),
        (9.233, "missed", (2, 0, 0)),
        (14.8, "made", (4, 0, 0)),
        (22.5, "made", (6, 0, 0), ({"points": 3}, (7, 0, 0))),
        (26.9, "missed", (7, 0, 0), ({"verdict": "made"}, (9, 0, 0)), ("undo", (7, 0, 0))),
        (31.6, "made", (9, 0, 0)),
        (40.4, "made", (11, 0, 0), ({"team": "blues"}, (9, 2, 0))),
        (45.3, "missed", (9, 2, 0)),
        (47.7, "made", (11, 2, 0)),
        (52.5, "made", (13, 2, 0), ({"verdict": "none"}, (11, 2, 0))),
    ],
    # The blues' in the first half, so the reds' in the third period, which begins here.
    "dev2": [
        (6.1, "made", (13, 2, 0)),
        (12.967, "missed", (13, 2, 0)),
        (17.333, "made", (15, 2, 0)),
        (24.933, "made", (17, 2, 0), ({"team": "blues", "points": 3}, (15, 5, 0))),
        (30.867, "missed", (15, 5, 0)),
        (36.3, "made", (17, 5, 0)),
        (40.6, "missed", (17, 5, 0), ({"added": 43.0, "verdict": "made", "team": "blues"}, (17, 7, 0))),
        (47.367, "made", (19, 7, 0)),
    ],
    # Both attack this one: a shot pends until somebody says whose it was.
    "Q": [
        (4.233, "made", (19, 7, 2), ({"team": "blues"}, (19, 9, 0))),
        (8.467, "made", (19, 9, 2)),
    ],
}
# After the end of the game the last one is the reds'.
AFTER = ({"team": "reds"}, (21, 9, 0))
# As they stand: court, outcome, points, team. In the order of the game.
SHOTS = [
    ("dev", "made", 2, "reds"), ("dev", "missed", 2, "reds"), ("dev", "made", 2, "reds"), ("dev", "made", 3, "reds"),
    ("dev", "missed", 2, "reds"), ("dev", "made", 2, "reds"), ("dev", "made", 2, "blues"), ("dev", "missed", 2, "reds"),
    ("dev", "made", 2, "reds"), ("dev", "withdrawn", 2, "reds"),
    ("dev2", "made", 2, "reds"), ("dev2", "missed", 2, "reds"), ("dev2", "made", 2, "reds"), ("dev2", "made", 3, "blues"),
    ("dev2", "missed", 2, "reds"), ("dev2", "made", 2, "reds"), ("dev2", "missed", 2, "reds"), ("dev2", "made", 2, "blues"),
    ("dev2", "made", 2, "reds"),
    ("Q", "made", 2, "blues"), ("Q", "made", 2, "reds"),
]
# Team: points, shots made, attempts.
BOX_SCORE = {"reds": (21, 10, 16), "blues": (9, 4, 4)}


def beside():
    """The first folder of footage in the checkout or beside it."""
    root = Path(__file__).resolve().parent.parent
    found = [root / "footage", root.parent / "footage", *sorted(root.parent.glob("*/footage"))]
    return next((folder for folder in found if (folder / "streams/dev.json").is_file()), found[0])


class Wrong(Exception):
    """Something is not as it was written."""


class Box:
    """The program, asked over HTTP."""

    def __init__(self, port, token_file):
        self.url, self.token_file = f"http://127.0.0.1:{port}", token_file

    def ask(self, path, body=None):
        token = self.token_file.read_text().strip()
        data = None if body is None else json.dumps(body).encode()
        fields = {"authorization": f"Bearer {token}", "content-type": "application/json", "courtside-who": "script"}
        request = urllib.request.Request(self.url + path, data, fields)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise Wrong(f"{path} {body}: {error.code} {error.read().decode()}") from None

    def score(self):
        told = json.loads(self.ask(f"/v1/games/{GAME}"))["score"]
        by_team = {team["team"]: team["points"] for team in told["teams"]}
        return by_team["reds"], by_team["blues"], told["pending"]["points"]


class Heard:
    """What reaches the broker."""

    def __init__(self, port):
        topics = ["-t", "courtside/1/+/event/#", "-t", "courtside/1/+/game/#"]
        self.process = subprocess.Popen(["mosquitto_sub", "-p", str(port), "-q", "1", *topics, "-F", "%p"], stdout=subprocess.PIPE, text=True)
        self.events, self.all = queue.Queue(), []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            self.all.append(event)
            self.events.put(event)

    def final(self, known, seconds):
        """The next shot that has its first last word."""
        end = time.time() + seconds
        while True:
            try:
                event = self.events.get(timeout=max(0.01, end - time.time()))
            except queue.Empty:
                return None
            kind = event["type"].removeprefix("courtside.shot.").removesuffix(".v1")
            if kind in ("made", "missed", "unsure") and not event["data"].get("provisional") and event["fact"] not in known:
                return kind, event


def equal(what, is_, should):
    if is_ != should:
        raise Wrong(f"{what}: {is_}, and {should} was written")


def play(box, heard, footage, rtmp):
    known, count = set(), 0
    for court, attempts in PLAY.items():
        video = footage / "streams" / f"{court}.mp4"
        if court == "dev2":
            box.ask(f"/v1/games/{GAME}/period", {"n": 3})
        command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-i", str(video), "-c", "copy", "-f", "flv", f"rtmp://127.0.0.1:{rtmp}/live/key-of-{court.lower()}"]
        publisher = subprocess.Popen(command)
        try:
            for t_rim, outcome, score, *taps in attempts:
                what = f"{court} {t_rim} s"
                shot = heard.final(known, 40)
                if shot is None:
                    raise Wrong(f"{what}: nothing was called")
                kind, event = shot
                known.add(event["fact"])
                count += 1
                late = event["data"]["t_stream"] - t_rim
                if abs(late) > NEAR:
                    raise Wrong(f"{what}: what was called is {late:+.2f} s away")
                equal(what, kind, outcome)
                equal(f"{what}, score", box.score(), score)
                for tap, after in taps:
                    said = tapped(box, court, event, tap)
                    known.add(said["fact"])
                    equal(f"{what}, score after {tap}", box.score(), after)
            publisher.wait(90)
        finally:
            publisher.kill()
    return event, count


def tapped(box, court, event, tap):
    fact = event["fact"]
    if tap == "undo":
        return json.loads(box.ask(f"/v1/games/{GAME}/undo", {}))
    if "added" in tap:
        body = {"court": court.lower(), "rim": 0, "session": event["session"], "t_stream": tap["added"], "verdict": tap["verdict"], "team": tap["team"]}
        return json.loads(box.ask(f"/v1/games/{GAME}/shots", body))
    return json.loads(box.ask(f"/v1/shots/{fact}/correct", tap))


def compare(box, heard):
    view = json.loads(box.ask(f"/v1/games/{GAME}"))
    shots = [(shot["court"], shot["standing"], shot["points"], shot.get("team")) for shot in view["shots"]]
    equal("shots", shots, [(court.lower(), *rest) for court, *rest in SHOTS])
    told = json.loads(box.ask(f"/games/{GAME}/box_score.json"))
    lines = {line["id"]: (line["points"], line["made"], line["attempts"]) for line in told["teams"]}
    equal("box score", lines, BOX_SCORE)
    # What a consumer knows who heard all of it: the last revision of each fact.
    facts = {}
    for line in box.ask(f"/games/{GAME}/facts.jsonl").decode().splitlines():
        event = json.loads(line)
        facts[event["id"]] = event
    missing = set(facts) - {event["id"] for event in heard.all}
    equal("facts that no broker heard", missing, set())
    last = max((event for event in heard.all if event["type"] == "courtside.game.score.v1"), key=lambda event: int(event["revision"]))
    equal("score at the broker", [team["points"] for team in last["data"]["teams"]], [AFTER[1][0], AFTER[1][1]])
    return len(facts)


def run(binary, footage, work):
    mq, rtmp, http = free_port(), free_port(), free_port()
    (work / "mosquitto.conf").write_text(f"listener {mq} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    token = work / "token"
    config = (
        f'[box]\nname = "operated"\ndata_dir = "{work}/data"\n\n[uplink]\nbroker = "mqtt://127.0.0.1:{mq}"\n\n'
        f'[ingest]\nrtmp = "127.0.0.1:{rtmp}"\n\n[http]\nlisten = "127.0.0.1:{http}"\ntoken_file = "{token}"\n\n'
    )
    for court in PLAY:
        truth = json.loads((footage / "streams" / f"{court}.json").read_text())
        config += f'[[court]]\nname = "{court.lower()}"\nstream_key = "key-of-{court.lower()}"\nrims = [{truth["rim"]}]\n\n'
    (work / "courtside.toml").write_text(config)
    processes = []
    try:
        mosquitto = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        processes.append(subprocess.Popen([mosquitto, "-c", work / "mosquitto.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        if not wait_port(mq, 5):
            raise Wrong("mosquitto did not start")
        heard = Heard(mq)
        processes.append(heard.process)
        log = open(work / "courtside.log", "w")
        box_process = subprocess.Popen([binary, "run", "--config", work / "courtside.toml"], stdout=log, stderr=log)
        processes.append(box_process)
        if not (wait_port(rtmp, 60) and wait_port(http, 10)):
            raise Wrong("courtside does not listen:\n" + (work / "courtside.log").read_text()[-3000:])
        box = Box(http, token)
        teams = [{"id": "reds"}, {"id": "blues"}]
        attacks = [{"court": "dev", "rim": 0, "team": "reds"}, {"court": "dev2", "rim": 0, "team": "blues"}]
        box.ask("/v1/games", {"id": GAME, "rules": "fiba-5x5", "teams": teams, "courts": [court.lower() for court in PLAY], "attacks": attacks})
        last, count = play(box, heard, footage, rtmp)
        box.ask(f"/v1/games/{GAME}/end", {})
        tap, score = AFTER
        tapped(box, "Q", last, tap)
        equal("score after the end", box.score(), score)
        # All of it leaves within seconds: each tap was on disk when it was answered.
        time.sleep(3)
        facts = compare(box, heard)
        taps = sum(len(taps) for attempts in PLAY.values() for _, _, _, *taps in attempts) + 1
        print(f"operated: {count} attempts called as written, {taps} taps, {facts} facts at the broker; reds {score[0]} : {score[1]} blues")
        box_process.terminate()
        equal("exit of the program", box_process.wait(20), 0)
    finally:
        for process in reversed(processes):
            if process.poll() is None:
                process.kill()


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--bin", required=True)
    args.add_argument("--footage", type=Path, default=beside())
    args.add_argument("--keep", action="store_true", help="keep the working folder and say where")
    args = args.parse_args()
    lacking = [path for court in PLAY if not (path := args.footage / "streams" / f"{court}.mp4").is_file()]
    if lacking:
        print(f"operated: NOT RUN: {lacking[0]} is not here, and nothing was played. Name the folder of the footage: "
              "make operated FOOTAGE=DIR", file=sys.stderr)
        return 3
    work = Path(tempfile.mkdtemp(prefix="operated-"))
    try:
        run(args.bin, args.footage, work)
    except Wrong as wrong:
        print(f"operated: FAILED: {wrong}", file=sys.stderr)
        return 1
    finally:
        if args.keep:
            print("kept:", work, file=sys.stderr)
        else:
            shutil.rmtree(work, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
