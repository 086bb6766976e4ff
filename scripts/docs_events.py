#!/usr/bin/env python3
"""Records the examples of docs/events.md from the program: a box, a mosquitto and a camera of this machine play the
rendered game, and what goes over the broker is written behind its mark. Two minutes; needs mosquitto with its clients
and ffmpeg.

    scripts/docs_events.py [--bin target/debug/courtside]

A mark is `<!-- example: NAME -->`, NAME a file of schemas/ without its ending; what follows it is replaced. What is longer
than a screen goes into docs/examples/NAME.json. `cargo test --test schemas` holds that each is there and is as its schema says.
"""
import argparse
import atexit
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
GAME = ROOT / "assets/demo/game.flv"
KEY = "north-hoop-of-the-examples"
# Longer than this, an example has a file of its own.
LINES = 45
# What is put in place of the folder that the box had here, so that no path of this machine is told.
DATA = "/var/lib/courtside"
TERMINAL = ("done", "failed", "refused")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Missing(Exception):
    """Something was not said in time."""


class Broker:
    """A mosquitto, and all that was said at it, in order."""

    def __init__(self, folder):
        self.port, self.said, self.changed = free_port(), [], threading.Condition()
        conf = folder / "mosquitto.conf"
        conf.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        self.process = subprocess.Popen(["mosquitto", "-c", conf], stderr=subprocess.DEVNULL)
        atexit.register(self.process.kill)
        end = time.monotonic() + 10
        while subprocess.run(self.client("pub") + ["-t", "up", "-m", "1"], stderr=subprocess.DEVNULL).returncode:
            if time.monotonic() > end:
                sys.exit("mosquitto does not come up")
        self.listener = subprocess.Popen(self.client("sub") + ["-q", "1", "-t", "courtside/1/#", "-F", "%t %p"],
                                         stdout=subprocess.PIPE, text=True, errors="replace")
        atexit.register(self.listener.kill)
        threading.Thread(target=self.listen, daemon=True).start()

    def client(self, what):
        return [f"mosquitto_{what}", "-V", "mqttv5", "-h", "127.0.0.1", "-p", str(self.port)]

    def listen(self):
        for line in self.listener.stdout:
            topic, _, payload = line.rstrip("\n").partition(" ")
            try:
                value = json.loads(payload)
            except ValueError:
                continue
            with self.changed:
                self.said.append((topic, value))
                self.changed.notify_all()

    def until(self, what, is_it, seconds=90, since=0):
        """Waits for a message of which `is_it` is true. -> it"""
        end = time.monotonic() + seconds
        with self.changed:
            while True:
                for topic, value in self.said[since:]:
                    if is_it(topic, value):
                        return value
                if not self.changed.wait(end - time.monotonic()):
                    raise Missing(f"waited {seconds} s for {what}; heard: {[v.get('type', t) for t, v in self.said[-12:]]}")

    def publish(self, topic, value):
        args = ["-q", "1", "-D", "PUBLISH", "message-expiry-interval", "600", "-t", topic, "-m", json.dumps(value)]
        subprocess.run(self.client("pub") + args, check=True)

    def ask(self, box, operation, arguments, wait=True, role=""):
        """Asks as docs/cloud.md says. -> the last state of the command"""
        with self.changed:
            since = len(self.said)
        name = f"example-{operation}-{since}"
        self.publish(f"courtside/1/{box}/{role}command/{name}", {"operation": operation, "arguments": arguments})
        said = f"courtside/1/{box}/{role}command/{name}/state"
        if not wait:
            return None
        told = self.until(operation, lambda t, v: t == said and v["state"] in TERMINAL, since=since)
        if told["state"] != "done":
            print(f"docs_events: {operation}: {told['state']}: {told.get('reason')}", file=sys.stderr)
        return told

    def close(self):
        for process in (self.listener, self.process):
            process.terminate()
            process.wait()


class Box:
    """`courtside run` on a folder of its own."""

    def __init__(self, binary, folder, broker, more="", name="rim-1"):
        self.name, self.rtmp, self.data = name, free_port(), folder / f"{name}-data"
        config = folder / f"{name}.toml"
        config.touch(mode=0o600)
        uplink = f'[uplink]\nbroker = "mqtt://127.0.0.1:{broker.port}"\nhome_assistant = true\n' if broker else ""
        config.write_text(f'[box]\nname = "{name}"\ndata_dir = "{self.data}"\n{uplink}'
                          f'[ingest]\nrtmp = "127.0.0.1:{self.rtmp}"\n[http]\nlisten = "127.0.0.1:{free_port()}"\n'
                          f'[ring]\nquota_bytes = 1_000_000_000\n{more}\n[[court]]\nname = "a"\nstream_key = "{KEY}"\n'
                          "rims = [[562, 167, 44, 10]]\nrims_of = [854, 480]\n")
        self.log = open(folder / f"{name}.log", "w")
        self.process = subprocess.Popen([binary, "run", "--config", config], stdout=self.log, stderr=self.log)
        atexit.register(self.process.kill)

    def camera(self):
        camera = subprocess.Popen(["ffmpeg", "-v", "error", "-nostdin", "-re", "-i", GAME, "-c", "copy", "-f", "flv",
                                 f"rtmp://127.0.0.1:{self.rtmp}/live/{KEY}"], stderr=subprocess.DEVNULL)
        atexit.register(camera.kill)
        return camera

    def state(self):
        """/v1/state, by the socket of this machine: no token, no TLS."""
        socks = list(self.data.glob("local/*.sock"))
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(socks[0]))
            s.sendall(b"GET /v1/state HTTP/1.0\r\nHost: localhost\r\n\r\n")
            told = b"".join(iter(lambda: s.recv(65536), b""))
        return json.loads(told.split(b"\r\n\r\n", 1)[1])

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def game(binary, folder, found):
    """A game of two teams and eight shots, with everything that can be asked for."""
    broker = Broker(folder)
    box = Box(binary, folder, broker)
    name, at = box.name, f"courtside/1/{box.name}/"
    asked = {}

    def ask(operation, arguments, **how):
        asked[operation] = arguments
        return broker.ask(name, operation, arguments, **how)

    broker.until("the box", lambda t, v: t == at + "state/uplink")
    ask("game_start", {"id": "final", "rules": "fiba-5x5", "courts": ["a"],
                       "teams": [{"id": "reds", "name": "Foxes", "color": "#d03030"}, {"id": "blues", "name": "Bears"}],
                       "players": [{"id": "r7", "team": "reds", "name": "Ada"}, {"id": "b4", "team": "blues", "name": "Bo"}]})
    camera = box.camera()
    said, answered = [], set()
    final = lambda t, v: t == at + "event/a/shot" and v["revision"] == 1 and v["fact"] not in answered
    for n in range(8):
        try:
            shot = broker.until(f"shot {n + 1}", final, seconds=30)
        except Missing:
            # A machine that is busy with something else lets pictures go, and a shot with them.
            if n < 5:
                raise
            break
        answered.add(shot["fact"])
        said.append(shot)
        whose = ("reds", "r7") if n in (0, 3, 7) else ("blues", "b4")
        what = {"fact": shot["fact"], "team": whose[0], "player": whose[1], "who": "Ada at the table"}
        ask("shot_correct", what, role="operator/")
        if n == 3:
            ask("game_period", {"game": "final", "n": 2}, role="operator/")
            found["v1.state"] = box.state()
            ask("snapshot", {"court": "a"}, role="operator/")
            found["command.state"] = dict(ask("doctor", {}, role="operator/"))
            ask("service_check", {"court": "a"})
            ask("service_confirm", {"court": "a", "rims": [[562, 167, 44, 10]], "rims_of": [854, 480], "who": "Ada"})
            ask("aim", {"court": "a"})
    camera.wait()
    made = [s for s in said if s["type"].endswith("made.v1")]
    ask("shot_add", {"game": "final", "verdict": "made", "team": "blues", "player": "b4", "points": 3, "ago_s": 8, "who": "Ada at the table"},
        role="operator/")
    # Taken back, with all that stands on it: highlights, graphics, candidates.
    for shot in made[1:4]:
        broker.ask(name, "shot_correct", {"fact": shot["fact"], "verdict": "missed", "reason": "seen again"}, role="operator/")
    ask("shot_undo", {"game": "final", "who": "Ada at the table"}, role="operator/")
    ask("clip_keep", {"court": "a", "session": said[0]["session"], "from": 2.0, "to": 8.0, "id": "the-dunk", "note": "#dunk"}, role="operator/")
    listed = ask("clip_list", {"game": "final", "tags": ["made"], "limit": 20})
    clip = listed["result"]["clips"][0]
    ask("clip_upload", {"clip": clip["id"], "upload": "final-1", "now": False, "to": {"multipart": {"part_bytes": 8388608, "parts": []}}}, wait=False)
    ask("clip_upload_urls", {"upload": "final-1", "give_up": False, "parts": [{"number": 1, "url": "https://storage.example.net/clips/final-1?partNumber=1&X-Amz-Signature=…"}]})
    broker.ask(name, "clip_upload_urls", {"upload": "final-1", "give_up": True})
    ask("clip_ack", {"clip": clip["id"], "sha256": clip["media"]["sha256"]})
    ask("clip_release", {"clip": listed["result"]["clips"][-1]["id"]})
    ask("clip_delete", {"clip": "the-dunk", "reason": "a player asked for it"})
    broker.until("the clip's end", lambda t, v: t == at + "event/a/clip" and v["data"]["state"] == "deleted")
    ask("service_override", {"court": "a", "in_service": True, "reason": "the new camera comes on Monday", "who": "Ada"})
    ask("config_check", {"toml": "[health]\nlog = \"debug\"\n"})
    ask("log_tail", {"lines": 20, "contains": "camera"})
    ask("report", {})
    ask("key_rotate", {"key": "token", "role": "viewer"})
    ask("model_swap", {"bundle": "ballnet", "after": {"attempts": 20}, "keep": False}, wait=False)
    ask("model_rollback", {})
    ask("system_update", {
        "url": "https://updates.example.net/courtside-0.3.0.raucb",
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "size": 734003200,
        "signature": "untrusted comment: the text of courtside-0.3.0.raucb.minisig\n…\ntrusted comment: courtside update "
                     "0.3.0 for courtside-jetson-orin-nano-devkit\n…\n",
        "version": "0.3.0", "now": False})
    ask("model_install", {"from": "https://models.example.net/rimnet-0.7.0.parcel", "after": {"attempts": 20}, "keep": True})
    desired = {"revision": 7, "config": {"health": {"log": "debug"}, "court": {"a": {"camera_delay_ms": 40}}}}
    found["config.desired"] = desired
    broker.publish(at + "config/desired", desired)
    broker.until("what became of it", lambda t, v: t == at + "config/reported" and v["revision"] == 7)
    # Somebody pulls the camera's plug while the ball is at the ring.
    since = len(broker.said)
    camera = box.camera()
    broker.until("a provisional call", lambda t, v: t == at + "event/a/shot" and v["revision"] == 0, since=since)
    camera.kill()
    broker.until("its withdrawal", lambda t, v: v.get("type") == "courtside.shot.withdrawn.v1" or t == at + "event/a/shot" and v["revision"] == 1, since=since)
    ask("game_end", {"game": "final"}, role="operator/")
    ask("restart", {})
    box.close()
    for operation, arguments in asked.items():
        found[f"command.{operation}"] = arguments
    found["command.request"] = {"operation": "game_start", "arguments": asked["game_start"], "expires": "2099-01-01T00:00:00Z"}
    broker.close()
    return broker.said


def unsure(binary, folder):
    """A model that is never sure enough, so that its calls are `unsure`."""
    models = folder / "models/rimnet"
    shutil.copytree(ROOT / "models/rimnet", models)
    manifest = models / "model.toml"
    text, count = re.subn(r"(?m)^unsure = .*$", "unsure = 6.0", manifest.read_text())
    if count != 1:
        sys.exit(f"{count} lines of `unsure` in models/rimnet/model.toml")
    manifest.write_text(text)
    broker = Broker(folder)
    box = Box(binary, folder, broker, f'[detect]\nmodels_dir = "{folder / "models"}"\n')
    broker.until("the box", lambda t, v: t.endswith("/state/uplink"))
    camera = box.camera()
    broker.until("an unsure call", lambda t, v: v.get("type") == "courtside.shot.unsure.v1")
    camera.kill()
    box.close()
    broker.close()
    return broker.said


def claimed(binary, folder):
    """A box that is claimed from a stick."""
    venue, stick = folder / "venue", folder / "stick"
    stick.mkdir()
    port = free_port()
    run = lambda *args: subprocess.run([binary, "provision", *args], check=True, stdout=subprocess.DEVNULL)
    run("ca", str(venue), "--host", "localhost", "--port", str(port), "--bind", "127.0.0.1")
    broker = subprocess.Popen(["mosquitto", "-c", venue / "broker/mosquitto.conf"], stderr=subprocess.DEVNULL)
    atexit.register(broker.kill)
    run("request", str(venue), "--stick", str(stick))
    serial = folder / "serial"
    serial.write_text("CS-00042\n")
    os.chmod(stick / "courtside-claim.toml", 0o644)
    box = Box(binary, folder, None, f'[claim]\nfiles = ["{stick}/courtside-claim.toml"]\nserial_file = "{serial}"\n', "unnamed")
    run("grant", str(venue), "--serial", "CS-00042", "--name", "rim-2", "--yes", "--wait", "60")
    sub = ["mosquitto_sub", "-V", "mqttv5", "-h", "localhost", "-p", str(port), "--cafile", venue / "ca.crt", "--cert", venue / "technician.crt",
           "--key", venue / "technician.key", "-q", "1", "-t", "courtside/1/+/state/claim", "-C", "1", "-W", "20", "-F", "%t %p"]
    told = subprocess.run(sub, stdout=subprocess.PIPE, text=True).stdout
    box.close()
    broker.terminate()
    broker.wait()
    topic, _, payload = told.strip().partition(" ")
    return [(topic, json.loads(payload))]


def told(said, found):
    """What is kept of what was said: of each message the last, but for a shot its final and not a correction."""
    for topic, value in said:
        parts = topic.split("/")[3:]
        if parts[0] in ("event", "game"):
            kind = value["type"].removesuffix(".json")
            fresh = value["data"].get("by") is None
            if kind not in found or fresh and not value["data"].get("provisional", False):
                found[kind] = value
        elif parts[0] == "state" and parts[1] != "picture":
            # A stream that is live says more than one that ended.
            name = f"state.{parts[1]}"
            live = parts[1] == "stream" and value.get("state") == "live"
            if parts[1] != "stream" or live or name not in found:
                found[name] = value
        elif parts[0] == "config" and parts[1] == "reported":
            found["config.reported"] = value


def lines(value, indent=0, room=118):
    """JSON, a member a line where a whole does not fit into one."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent <= room or not isinstance(value, (dict, list)) or not value:
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, list):
        inside = [lines(one, indent + 2) for one in value]
        ends = "[]"
    else:
        inside = [f"{json.dumps(key)}: {lines(one, indent + 2)}" for key, one in value.items()]
        ends = "{}"
    return ends[0] + "\n" + ",\n".join(pad + one for one in inside) + "\n" + " " * indent + ends[1]


def shortened(value):
    """Pictures and logs are named, not printed."""
    if isinstance(value, dict):
        return {key: "/9j/4AAQSkZJRg…" if key == "jpeg_base64" else shortened(one) for key, one in value.items()}
    return [shortened(one) for one in value] if isinstance(value, list) else value


def write(found, folder):
    page = ROOT / "docs/events.md"
    text, examples = page.read_text(), ROOT / "docs/examples"
    examples.mkdir(exist_ok=True)
    marks = re.findall(r"<!-- example: (\S+) -->", text)
    missing = []
    for name in marks:
        if name not in found:
            missing.append(name)
            continue
        shown = re.sub(re.escape(str(folder)) + r"/\w+/(rim-1|unnamed)-data", DATA, lines(shortened(found[name])))
        if shown.count("\n") > LINES:
            (examples / f"{name}.json").write_text(shown + "\n")
            block = f"[`examples/{name}.json`](examples/{name}.json)\n"
        else:
            (examples / f"{name}.json").unlink(missing_ok=True)
            block = f"```json\n{shown}\n```\n"
        old = r"(<!-- example: %s -->\n)(```json\n.*?\n```\n|\[`examples/[^\n]*\n)?" % re.escape(name)
        text = re.sub(old, lambda m: m.group(1) + block, text, count=1, flags=re.S)
    page.write_text(text)
    left = sorted(set(found) - set(marks))
    if left:
        print(f"docs_events: said, and without a mark in docs/events.md: {left}", file=sys.stderr)
    if missing:
        print(f"docs_events: nothing was said of these, and what stands there stays: {missing}", file=sys.stderr)
    return bool(missing)


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--bin", default="target/debug/courtside")
    ask.add_argument("--only", default="game,unsure,claim", help="parts of it; what they do not say stays as it is")
    o = ask.parse_args()
    binary = os.path.abspath(o.bin)
    folder, found = pathlib.Path(tempfile.mkdtemp(prefix="courtside-docs-")), {}
    plays = {"game": lambda where: game(binary, where, found), "unsure": lambda where: unsure(binary, where),
             "claim": lambda where: claimed(binary, where)}
    missing = False
    try:
        for part in o.only.split(","):
            where = folder / part
            where.mkdir()
            try:
                told(plays[part](where), found)
            except Missing as why:
                print(f"docs_events: {part}: {why}", file=sys.stderr)
                missing = True
        return write(found, folder) or missing
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
