#!/usr/bin/env python3
"""One laptop provisions a box, end to end, on loopback: authority, mosquitto, stick, box, grant, a command.

  trials/provision.py [--bin target/debug/courtside] [--bound 180] [--password] [--keep]

The box starts with nothing but the stick: its configuration names no broker and no court. Each step is one that a
person types (`courtside provision …`, `mosquitto -c …`), and is timed; waiting is for a condition, never for a
time. Prints the seconds of each and of all, ends 0 within the bound, 1 over it or where a step failed. Needs
mosquitto; writes into a folder of its own among the temporary ones.
"""
import argparse, json, os, shutil, socket, subprocess, sys, tempfile, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERIAL, NAME = "CS-TRIAL-1", "rim-1"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Trial:
    def __init__(self, options):
        self.bin, self.options = options.bin, options
        self.work = Path(tempfile.mkdtemp(prefix="courtside-provision-"))
        self.venue, self.stick, self.box = (self.work / n for n in ("venue", "stick", "box"))
        self.steps, self.children, self.begun = [], [], time.monotonic()

    def step(self, name, does):
        begin = time.monotonic()
        got = does()
        self.steps.append((name, time.monotonic() - begin))
        print(f"{time.monotonic() - begin:7.2f} s  {name}", flush=True)
        return got

    def runs(self, *words, fine=(0,), wait=120):
        done = subprocess.run([self.bin, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=wait)
        if done.returncode not in fine:
            sys.exit(f"FAILED: courtside {' '.join(map(str, words))} ended {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def starts(self, name, *words):
        log = open(self.work / f"{name}.log", "w")
        child = subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.children.append((name, child))
        return child

    def until(self, what, holds, patience=120):
        end = time.monotonic() + patience
        while time.monotonic() < end:
            for name, child in self.children:
                if child.poll() is not None:
                    sys.exit(f"FAILED: {name} ended {child.returncode}:\n{(self.work / f'{name}.log').read_text()[-4000:]}")
            if found := holds():
                return found
            time.sleep(0.05)
        logs = "\n".join(f"--- {n}\n{(self.work / f'{n}.log').read_text()[-3000:]}" for n, _ in self.children)
        sys.exit(f"FAILED: not within {patience} s: {what}\n{logs}")

    def authority(self):
        port = free_port()
        words = ["--host", "127.0.0.1", "--bind", "127.0.0.1", "--port", port]
        if self.options.password:
            words += ["--password-port", free_port()]
        self.runs("provision", "ca", self.venue, *words)
        return port

    def broker(self, port):
        self.starts("mosquitto", "mosquitto", "-c", self.venue / "broker" / "mosquitto.conf")

        def listens():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0
        self.until("mosquitto listens", listens)

    def contact(self):
        self.stick.mkdir()
        bound = ["--serial", SERIAL] if self.options.password else []
        self.runs("provision", "request", self.venue, "--stick", self.stick, *bound)

    def starts_box(self):
        self.box.mkdir(mode=0o700)
        (self.box / "serial").write_text(SERIAL + "\n")
        (self.box / "courtside.toml").write_text(
            f'[box]\ndata_dir = "{self.box}/data"\n\n'
            f'[claim]\nfiles = ["{self.stick}/courtside-claim.toml"]\nserial_file = "{self.box}/serial"\n\n'
            f'[ingest]\nrtmp = "127.0.0.1:0"\n\n[http]\nlisten = "127.0.0.1:0"\n')
        self.starts("box", self.bin, "run", "--config", self.box / "courtside.toml")

    def grants(self):
        how = ["--password"] if self.options.password else []
        self.runs("provision", "grant", self.venue, "--serial", SERIAL, "--name", NAME, "--yes", "--wait", 120, *how,
                  wait=150)

    def online(self):
        def there():
            rows = json.loads(self.runs("provision", "status", self.venue, "--json", fine=(0, 3)))["boxes"]
            return rows and rows[0]["condition"] == "claimed" and rows[0].get("online")
        self.until("the box is online under its name", there)

    def commands(self, port):
        file = lambda name: self.venue / name
        said = self.runs("command", "config_check", "--json", "--broker", f"mqtts://127.0.0.1:{port}", "--box", NAME,
                         "--ca-file", file("ca.crt"), "--cert-file", file("technician.crt"),
                         "--key-file", file("technician.key"), "--config", self.work / "none.toml")
        if json.loads(said)["state"] != "done":
            sys.exit(f"FAILED: config_check: {said}")

    def imports(self):
        """A recording goes to the broker as the claimed box's, and no claim is made for it."""
        rim = json.loads((ROOT / "assets/demo/game.json").read_text())["rim"]
        config = self.box / "import.toml"
        config.write_text((self.box / "courtside.toml").read_text() +
                          f'\n[[court]]\nname = "a"\nstream_key = "of-the-camera-1"\nrims = [{rim}]\n')
        config.chmod(0o600)
        said = self.runs("clips", "import", ROOT / "assets/demo/game.flv", "--config", config, "--json",
                         "--began", "2026-11-28T18:00:00Z", wait=400)
        done = json.loads(said.splitlines()[-1])
        if done["events"] < 8 or done["unsent"]:
            sys.exit(f"FAILED: import: {done}")
        for new in (self.box / "data/import").glob("*/identity"):
            sys.exit(f"FAILED: import claims something of its own: {new}")

    def all(self):
        port = self.step("provision ca", self.authority)
        self.step("mosquitto starts", lambda: self.broker(port))
        self.step("provision request: the stick", self.contact)
        self.step("the box starts, the stick in it", self.starts_box)
        self.step("provision grant: it is somebody", self.grants)
        self.step("provision status: it is online", self.online)
        self.step("command config_check, there and back", lambda: self.commands(port))
        took = time.monotonic() - self.begun
        self.step("clips import: a recording, as the box's", self.imports)
        return took

    def ends(self):
        for _, child in reversed(self.children):
            child.terminate()
        for _, child in self.children:
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
        if self.options.keep:
            print(f"kept: {self.work}")
        else:
            shutil.rmtree(self.work)


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--bin", default=os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target")) + "/debug/courtside")
    ask.add_argument("--bound", type=float, default=180, help="seconds")
    ask.add_argument("--password", action="store_true", help="give a password instead of a certificate")
    ask.add_argument("--keep", action="store_true", help="leave the folder")
    options = ask.parse_args()
    trial = Trial(options)
    try:
        took = trial.all()
    finally:
        trial.ends()
    print(f"{took:7.2f} s  in all, bound {options.bound:.0f} s")
    sys.exit(0 if took <= options.bound else 1)


if __name__ == "__main__":
    main()
