#!/usr/bin/env python3
"""What a box tells Home Assistant, before Home Assistant itself: its own code, not a copy of its schema.

Installs Home Assistant (the last version for this Python 3.11: 2024.3.3) into a virtual environment below
target/, starts a mosquitto, a box with `uplink.home_assistant = true` and a camera that plays the rendered game,
then Home Assistant's core with its MQTT integration, and looks at what stands in it:

1. each discovery message goes through the DISCOVERY_SCHEMA of its component, and no key is dropped there
   (control: the same with a device class that does not exist, and with a key that does not, is refused);
2. the entities are there and say what the game says: online, camera, score, last call, clip, picture;
3. Home Assistant begins anew: all is there again, though its start is later than what was told;
4. the box ends: unavailable; it begins anew: available;
5. the key is switched off by config/desired: the entities are gone, and nothing is retained.

  trials/home_assistant.py [--binary target/debug/courtside]     about 90 s; exit 0 good, 1 not
"""
import argparse
import asyncio
import importlib
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
VERSION = "2024.3.3"
# What Home Assistant would install by itself for http, camera and mqtt (their manifest.json).
PACKAGES = [f"homeassistant=={VERSION}", "paho-mqtt==1.6.1", "numpy==1.26.0", "PyTurboJPEG==1.7.1",
            "janus==1.0.0", "ha-av==10.1.1", "aiohttp_cors==0.7.0", "aiohttp-fast-url-dispatcher==0.3.0",
            "aiohttp-zlib-ng==0.3.1", "josepy<2"]
BOX, COURT = "rim-1", "a"
PATIENCE = 60


def inside_venv():
    """Runs this again with the virtual environment's Python, made where it is not there."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    python = target / "home-assistant" / "bin" / "python"
    if pathlib.Path(sys.executable) == python:
        return
    if not (target / "home-assistant" / f"ready-{VERSION}").exists():
        print(f"installing Home Assistant {VERSION} (some minutes)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", target / "home-assistant"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
        (target / "home-assistant" / f"ready-{VERSION}").touch()
    os.execv(python, [str(python), *sys.argv])


def free_port():
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return some.getsockname()[1]


def own_address():
    """An address of this machine that is not loopback, which the box's page is to be told with."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as some:
        try:
            some.connect(("192.0.2.1", 9))
            return some.getsockname()[0]
        except OSError:
            return None


class Around:
    """Broker, box and camera; all end with it."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.mqtt, self.rtmp, self.http, self.home = (free_port() for _ in range(4))
        (folder / "mosquitto.conf").write_text(
            f"listener {self.mqtt} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest none\n")
        # Off loopback, so that clips have an address; plain, since it ends with this trial.
        (folder / "courtside.toml").write_text(
            f'[box]\nname = "{BOX}"\ndata_dir = "{folder}/box"\n[uplink]\n'
            f'broker = "mqtt://127.0.0.1:{self.mqtt}"\nhome_assistant = true\n[ingest]\n'
            f'rtmp = "127.0.0.1:{self.rtmp}"\n[http]\nlisten = "0.0.0.0:{self.http}"\nplain = true\n[ring]\n'
            f'quota_bytes = 67108864\nkeep_free_bytes = 1048576\n[[court]]\nname = "{COURT}"\n'
            f'stream_key = "rendered-game"\nrims = [{TRUTH["rim"]}]\nrims_of = {TRUTH["size"]}\n')
        self.broker = subprocess.Popen([shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c",
                                        str(folder / "mosquitto.conf")])
        self.box = self.camera = None

    def start_box(self):
        log = open(self.folder / "box.log", "ab")
        self.box = subprocess.Popen([self.binary, "run", "--config", str(self.folder / "courtside.toml")],
                                    stdout=log, stderr=log)

    def stop_box(self):
        self.box.terminate()
        self.box.wait(20)

    def play(self):
        """The rendered game, at its own pace, again and again."""
        self.camera = subprocess.Popen(
            ["ffmpeg", "-hide_banner", "-loglevel", "error", "-re", "-stream_loop", "-1", "-i",
             str(ROOT / "assets/demo/game.flv"), "-c", "copy", "-f", "flv",
             f"rtmp://127.0.0.1:{self.rtmp}/live/rendered-game"], stdin=subprocess.DEVNULL)

    def end(self):
        for one in (self.camera, self.box, self.broker):
            if one and one.poll() is None:
                one.terminate()
                one.wait(20)

    def retained(self, *filters):
        """What the broker retains below the filters now, by topic."""
        import paho.mqtt.client as mqtt
        found, ready = {}, []
        client = mqtt.Client()
        client.on_connect = lambda c, *_: c.subscribe([(topic, 0) for topic in filters])
        client.on_subscribe = lambda *_: ready.append(True)
        client.on_message = lambda _c, _u, m: m.retain and found.update({m.topic: m.payload})
        client.connect("127.0.0.1", self.mqtt)
        client.loop_start()
        until("the broker grants it", lambda: ready)
        time.sleep(0.3)  # What is retained comes right behind the SUBACK.
        client.loop_stop()
        return found

    def publish(self, topic, value, retain=False):
        import paho.mqtt.publish as publish
        publish.single(topic, value, qos=1, retain=retain, port=self.mqtt)


def until(what, is_so, patience=PATIENCE):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = is_so()
        if found:
            return found
        time.sleep(0.1)
    raise SystemExit(f"FAILED: gave up waiting until {what}")


def check(what, is_so, told=""):
    print(f"{'ok    ' if is_so else 'FAILED'} {what} {told}")
    if not is_so:
        raise SystemExit(1)


def schemas(around):
    """Each message through its component's own schema."""
    import voluptuous as vol

    def dropped(topic, message):
        component = topic.split("/")[1]
        schema = importlib.import_module(f"homeassistant.components.mqtt.{component}").DISCOVERY_SCHEMA
        return set(message) - set(schema(dict(message)))

    messages = until("discovery is told", lambda: len(
        found := around.retained("homeassistant/#")) == 6 and found)
    for topic, payload in messages.items():
        message = json.loads(payload)
        gone = dropped(topic, message)
        check(f"schema of {topic}", not gone, f"drops {gone}" if gone else "")
    topic = f"homeassistant/binary_sensor/{BOX}/online/config"
    message = json.loads(messages[topic])
    try:
        dropped(topic, {**message, "device_class": "hoop"})
        check("control: a device class that does not exist is refused", False)
    except vol.Invalid:
        check("control: a device class that does not exist is refused", True)
    gone = dropped(topic, {**message, "avail_topic_wrong": "x"})
    check("control: a key that does not exist is dropped", gone == {"avail_topic_wrong"})


class Home:
    """Home Assistant's core with its MQTT integration, in this process."""

    def __init__(self, around, folder):
        self.around, self.folder = around, folder

    async def __aenter__(self):
        from homeassistant import bootstrap, config_entries, loader
        from homeassistant.auth import auth_manager_from_config
        from homeassistant.core import HomeAssistant
        from homeassistant.setup import async_setup_component
        storage = self.folder / ".storage"
        storage.mkdir(parents=True, exist_ok=True)
        (self.folder / "configuration.yaml").touch()
        entry = {"entry_id": "trial", "version": 1, "domain": "mqtt", "title": "MQTT",
                 "data": {"broker": "127.0.0.1", "port": self.around.mqtt, "discovery": True}, "options": {},
                 "pref_disable_new_entities": False, "pref_disable_polling": False, "source": "user",
                 "unique_id": None, "disabled_by": None}
        (storage / "core.config_entries").write_text(json.dumps({
            "version": 1, "minor_version": 1, "key": "core.config_entries", "data": {"entries": [entry]}}))
        hass = self.hass = HomeAssistant(str(self.folder))
        hass.config.skip_pip = True
        loader.async_setup(hass)
        hass.config_entries = config_entries.ConfigEntries(hass, {})
        await bootstrap.async_load_base_functionality(hass)
        hass.auth = await auth_manager_from_config(hass, [{"type": "homeassistant"}], [])
        http = {"http": {"server_host": "127.0.0.1", "server_port": self.around.home}}
        check("Home Assistant's http begins", await async_setup_component(hass, "http", http))
        check("Home Assistant's mqtt begins", await async_setup_component(hass, "mqtt", {}))
        await hass.async_start()
        return self

    async def __aexit__(self, *_):
        await self.hass.async_stop(force=True)

    def of(self, entity):
        return self.hass.states.get(entity)

    async def until(self, what, is_so, patience=PATIENCE):
        end = time.monotonic() + patience
        while time.monotonic() < end:
            found = is_so()
            if found:
                return found
            await asyncio.sleep(0.1)
        states = {one.entity_id: one.state for one in self.hass.states.async_all()}
        raise SystemExit(f"FAILED: gave up waiting until {what}: {states}")

    async def shows_the_game(self):
        """Everything is there, and says what the game says."""
        names = {what: f"sensor.{BOX.replace('-', '_')}_{COURT}_{what}"
                 for what in ("state", "score", "call", "clip")}
        online = f"binary_sensor.{BOX.replace('-', '_')}_online"
        camera = f"camera.{BOX.replace('-', '_')}_{COURT}_picture"

        def state(what):
            found = self.of(names.get(what, what))
            return found and found.state
        await self.until("the box is online", lambda: state(online) == "on")
        await self.until("the camera is live", lambda: state("state") == "live")
        await self.until("a shot is called", lambda: state("call") in ("made", "missed"))
        await self.until("the score counts", lambda: (state("score") or "").isdigit() and int(state("score")) > 0)
        clip = await self.until("a clip is linked", lambda: "/v1/clips/" in (state("clip") or "") and state("clip"))
        address = own_address()
        if address:
            expected = f"http://{address}:{self.around.http}/v1/clips/"
            check("the clip's link is an address", clip.startswith(expected), clip)
        score, call = self.of(names["score"]), self.of(names["call"])
        check("the score has its parts", sum(score.attributes["made"]) == int(score.state)
              and score.attributes["attempts"][0] >= score.attributes["made"][0], dict(score.attributes))
        check("the call has its parts", {"confidence", "fact", "time", "clip"} <= set(call.attributes),
              call.state)
        from homeassistant.components.camera import async_get_image
        await self.until("the camera is there", lambda: self.of(camera))
        image = None
        for _ in range(100):
            try:
                image = await async_get_image(self.hass, camera, timeout=2)
                break
            except Exception as error:  # noqa: BLE001: told if it stays so
                why = error
                await asyncio.sleep(0.2)
        check("the picture is a JPEG", image is not None and image.content[:3] == b"\xff\xd8\xff",
              f"{len(image.content)} bytes" if image else repr(why))
        return online, names, camera


async def looks(around, folder):
    async with Home(around, folder / "first") as home:
        await home.shows_the_game()
    print("Home Assistant begins anew")
    async with Home(around, folder / "second") as home:
        online, names, camera = await home.shows_the_game()
        device = [one for one in __import__("homeassistant.helpers.device_registry", fromlist=["x"])
                  .async_get(home.hass).devices.values()]
        check("one device", len(device) == 1 and device[0].manufacturer == "Courtside", device[0].name)
        print("the box ends and begins anew")
        await asyncio.to_thread(around.stop_box)
        await home.until("it is offline", lambda: home.of(online).state == "off")
        await home.until("the rest is unavailable", lambda: all(
            home.of(one).state == "unavailable" for one in [*names.values(), camera]))
        around.start_box()
        await home.until("it is online again", lambda: home.of(online).state == "on")
        await home.until("the score is there again", lambda: home.of(names["score"]).state.isdigit())
        await home.until("the last call is known again",
                         lambda: home.of(names["call"]).state in ("made", "missed", "unsure"))
        print("the key is switched off")
        wanted = {"revision": 1, "config": {"uplink": {"home_assistant": False}}}
        await asyncio.to_thread(around.publish, f"courtside/1/{BOX}/config/desired", json.dumps(wanted), True)
        await home.until("the entities are gone", lambda: not any(
            home.of(one) for one in [online, camera, *names.values()]))
        left = await asyncio.to_thread(around.retained, "homeassistant/#", f"courtside/1/{BOX}/state/home/#",
                                       f"courtside/1/{BOX}/state/picture/#")
        check("nothing is retained", not left, list(left))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser.add_argument("--binary", default=str(target / "debug/courtside"))
    args = parser.parse_args()
    inside_venv()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="courtside-home-"))
    around = Around(args.binary, folder)
    try:
        around.start_box()
        schemas(around)
        until("the box listens", lambda: b'"ready"' in (log := (folder / "box.log").read_bytes())
              or b"ready" in log)
        around.play()
        asyncio.run(looks(around, folder))
        print(f"good, by Home Assistant {VERSION}")
    finally:
        around.end()
        if sys.exc_info()[0] is None:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"look at {folder}/box.log", file=sys.stderr)


TRUTH = json.loads((ROOT / "assets/demo/game.json").read_text())

if __name__ == "__main__":
    main()
