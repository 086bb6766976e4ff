"""A venue: a box, its broker, two courts whose cameras play all the while, and those who look on and measure.

Courts: `a` and `b` play. Of `c` and `d` attackers hold the keys. At `e` a camera comes that came before, at `f` one that
never did; `g`, `h` and `i` are of slow cameras, `j` of one behind a NAT: two addresses that publish to one court in turn
are rightly refused. All of it lives in a network namespace of its own where that is allowed, so that a /64 can attack.
"""
import http.client, itertools, json, os, re, shutil, signal, socket, subprocess, sys, threading, time

import wire as W

ROOT = os.path.dirname(os.path.dirname(W.HERE))
LIVE, COURTS, RIM = ("a", "b"), "abcdefghij", "rims = [[562, 167, 44, 10]]"
MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"

def key(court): return f"north-hoop-{court}-7f3a91"

def isolate():
    """Starts over in a network namespace of our own; it goes with us. -> False, with a loud word, where that fails."""
    if os.environ.get("ATTACKS_INSIDE") == "1":
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        # Attackers' network and that of an honest camera.
        six = all(subprocess.run(["ip", "-6", "route", "add", "local", net, "dev", "lo"]).returncode == 0 for net in ("fd00:66::/48", "fd00:88::/64"))
        six = subprocess.run(["ip", "-6", "addr", "add", "fd00:77::1/128", "dev", "lo", "nodad"]).returncode == 0 and six
        try: open("/proc/sys/net/ipv6/ip_nonlocal_bind", "w").write("1")
        except OSError: six = False
        if not six: print("LOUD: no IPv6 here: what one /64 can do was NOT TRIED", flush=True)
        return six
    tried = shutil.which("unshare") and subprocess.run(["unshare", "--net", "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0
    if tried:
        os.environ["ATTACKS_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    print("LOUD: no network namespace (not root?): what one IPv6 /64 can do was NOT TRIED", flush=True)
    return False

def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]

def memory(pid, what="VmRSS"):
    """MB of a process and its children."""
    total = 0
    for one in [pid, *children(pid)]:
        try: total += int(re.search(what + r":\s+(\d+)", open(f"/proc/{one}/status").read())[1])
        except (OSError, TypeError): pass
    return total / 1024

def children(pid):
    try: return [int(x) for t in os.listdir(f"/proc/{pid}/task") for x in open(f"/proc/{pid}/task/{t}/children").read().split()]
    except OSError: return []

def cpu(pid):
    """Seconds of CPU that a process took so far."""
    spent = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(spent[11]) + int(spent[12])) / os.sysconf("SC_CLK_TCK")

def certificate(folder, mode=0o600):
    """Makes one for loopback -> its path; its key is `tls.key` beside it."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", folder + "/tls.key", "-out", folder + "/tls.pem", "-days", "30",
                    "-subj", "/CN=box", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    os.chmod(folder + "/tls.key", mode)
    return folder + "/tls.pem"

class Box:
    """One box. `files` are its lines beside the usual ones."""
    def __init__(self, program, folder, broker, courts="abcdef", host="127.0.0.1", detect="", rtmp="", env=None, umask=None, http_more="", rims=RIM, user=None):
        self.user, self.strangers = user, itertools.count()  # user: (user, group) that it runs as
        self.program, self.folder, self.host = os.path.abspath(program), folder, host
        os.makedirs(folder, exist_ok=True)
        self.rtmp, self.http, self.rtmps = free_port(), free_port(), free_port()
        self.data, self.conf, self.logf, self.env, self.umask = folder + "/data", folder + "/courtside.toml", folder + "/log", env, umask
        shown = "[::]" if host == "dual" else host
        if rtmp == "tls": rtmp = f'rtmps = "{shown}:{self.rtmps}"\ncert_file = "{certificate(folder)}"\nkey_file = "{folder}/tls.key"\n'
        plain = "plain = true\n" if host == "dual" else ""
        with open(self.conf, "w") as f:
            f.write(f'[box]\nname = "attacked"\ndata_dir = "{self.data}"\n[uplink]\nbroker = "{broker}"\n[ingest]\nrtmp = "{shown}:{self.rtmp}"\n{rtmp}'
                    f'[http]\nlisten = "{shown}:{self.http}"\n{plain}{http_more}[ring]\nquota_bytes = 2000000000\n[detect]\n{detect}\n'
                    + "".join(f'[[court]]\nname = "{c}"\nstream_key = "{key(c)}"\n{rims}\n' for c in courts))
        self.process = None
    def start(self, wait=30):
        """-> seconds to "ready", None if it did not come."""
        begin = time.monotonic()
        self.log = open(self.logf, "ab")
        def preset():
            if self.umask is not None: os.umask(self.umask)
            if self.user: os.setgroups([]); os.setgid(self.user[1]); os.setuid(self.user[0])
        self.process = subprocess.Popen([self.program, "run", "--config", self.conf], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        env={**os.environ, **(self.env or {})}, preexec_fn=preset)
        self.pid = self.process.pid
        while time.monotonic() - begin < wait:
            if self.process.poll() is not None: return None
            if " ready rtmp" in self.words(): return time.monotonic() - begin
            time.sleep(0.05)
        return None
    def words(self, at=0):
        with open(self.logf, "rb") as f:
            f.seek(at)
            return f.read().decode("utf-8", "replace")
    def raw(self, at=0):
        with open(self.logf, "rb") as f:
            f.seek(at)
            return f.read()
    def token(self): return open(self.data + "/token").read().strip()
    def bearer(self): return f"Authorization: Bearer {self.token()}\r\n"
    def get(self, path, timeout=5, source=None):
        code, said = W.ask(self.http, path, head=self.bearer(), timeout=timeout, whole=True, source=source)
        if code != 200: raise OSError(f"{path}: {code or 'no answer'}")
        head, _, body = said.partition(b"\r\n\r\n")
        if b"transfer-encoding: chunked" in head.lower():
            out = b""
            while body:
                size, _, body = body.partition(b"\r\n"); n = int(size, 16)
                if not n: break
                out, body = out + body[:n], body[n + 2:]
            body = out
        return body.decode("utf-8", "replace")
    def patient(self, path, seconds=30):
        end = time.monotonic() + seconds
        while True:
            try: return self.get(path)
            except OSError:
                if time.monotonic() > end: raise
                time.sleep(0.2)
    def court(self, c): return self.state()["streams"][c]
    def state(self): return json.loads(self.patient("/v1/state"))
    def counted(self):
        """-> ({(court, hop, reason): pictures lost}, {court: pictures answered}) since the start, by the ledger."""
        lost, answered = {}, {}
        for line in self.patient("/metrics").splitlines():
            m = re.match(r'courtside_hop_(dropped|taken)_total\{court="([^"]*)",hop="([^"]*)"(?:,reason="([^"]*)")?\} (\d+)', line)
            if not m: continue
            if m[1] == "dropped" and m[4] != "strided" and m[3] != "finder": lost[m[2], m[3], m[4]] = int(m[5])
            if m[1] == "taken" and m[3] == "game": answered[m[2]] = int(m[5])
        return lost, answered
    def ledger(self):
        """-> {court: (pictures lost, pictures answered)} since the start."""
        lost, answered = self.counted()
        return {court: (sum(n for (c, _, _), n in lost.items() if c == court), answered[court]) for court in answered}
    def doctor(self):
        """-> (seconds, exit code, what it said)."""
        begin = time.monotonic()
        try: r = subprocess.run([self.program, "doctor", "--config", self.conf], capture_output=True, timeout=20)
        except subprocess.TimeoutExpired: return time.monotonic() - begin, None, b""
        return time.monotonic() - begin, r.returncode, r.stdout + r.stderr
    def segments(self):
        folder = self.data + "/ring/segments"
        found = [e for d, _, f in os.walk(folder) for e in (os.path.join(d, n) for n in f)]
        return len(found), sum(os.path.getsize(f) for f in found if os.path.exists(f))
    def stop(self, wait=15):
        """-> (exit code, seconds)."""
        begin = time.monotonic()
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try: self.process.wait(wait)
            except subprocess.TimeoutExpired:
                self.process.kill(); self.process.wait()
                return None, time.monotonic() - begin
        return self.process.returncode if self.process else None, time.monotonic() - begin

def mosquitto(folder, port):
    os.makedirs(folder, exist_ok=True)
    with open(folder + "/mosquitto.conf", "w") as f: f.write(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n")
    return subprocess.Popen([MOSQUITTO, "-c", folder + "/mosquitto.conf"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

class Camera:
    """The demo's game at real pace, for ever, from a process of its own: what this one does cannot make it late."""
    def __init__(self, port, court):
        self.sent = self.breaks = 0
        self.process = subprocess.Popen([sys.executable, os.path.join(W.HERE, "camera.py"), str(port), key(court), W.CAMERAS[court]],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        threading.Thread(target=self.read, daemon=True).start()
    def read(self):
        for line in self.process.stdout: self.sent, self.breaks = map(int, line.split())
    def stop(self):
        self.process.terminate(); self.process.wait()

class Watch:
    """Those who look on: memory, the page, `doctor`, cameras that come with a right key, and where pictures are lost. One
    thread each. `told` is a function that is given a row every second."""
    def __init__(self, box, cameras=True, told=None):
        self.box, self.over, self.lock, self.told = box, threading.Event(), threading.Lock(), told
        self.page, self.doctors, self.rss, self.came = [], [], [], {"e": [], "f": []}
        jobs = [self.watch_memory, self.watch_page, self.watch_doctor]
        if cameras: jobs += [lambda: self.watch_camera("e"), lambda: self.watch_camera("f")]
        if told: jobs.append(self.watch_seconds)
        self.threads = [threading.Thread(target=one, daemon=True) for one in jobs]
        for one in self.threads: one.start()
    def watch_memory(self):
        while not self.over.wait(0.1): self.rss.append(memory(self.box.pid))
    def watch_seconds(self):
        begin, (before, _) = time.monotonic(), self.box.counted()
        while not self.over.wait(1.0):
            try: lost = gone(before, self.box.counted()[0])
            except OSError: lost = None
            ms = lambda t: "" if t is None else "none" if t >= 99 else round(t * 1e3)
            page, doctor = self.page[-1:] or [None], [t for t, _ in self.doctors[-1:]] or [None]
            self.told([round(time.monotonic() - begin, 1), round(self.rss[-1]) if self.rss else "", ms(page[0]), ms(doctor[0]),
                       "" if lost is None else sum(lost.values()), "?" if lost is None else in_words(lost)])
    def watch_page(self):
        while not self.over.wait(0.4):
            begin = time.monotonic()
            try: self.box.get("/", timeout=10); self.box.get("/v1/state", timeout=10); ok = True
            except OSError: ok = False
            self.page.append((time.monotonic() - begin) / 2 if ok else 99.0)
    def watch_doctor(self):
        while not self.over.wait(1.5):
            took, code, said = self.box.doctor()
            self.doctors.append((took if code in (0, 3) else 99.0, said))
    def watch_camera(self, court):
        while not self.over.wait(2.0):
            # Never two strangers after one another who did so lately: they would be told to take turns at a court.
            p, took, said = W.publisher(self.box.rtmp, key(court), W.CAMERAS["e"] if court == "e" else W.STRANGER % (1 + next(self.box.strangers) % 250))
            if p:
                p.bye()
            self.came[court].append(took if p else 99.0)
            if not p: self.said = said
    def end(self):
        self.over.set()
        for one in self.threads: one.join(25)

def gone(before, after):
    """What the live courts lost between, by court, hop and reason."""
    grown = {at: n - before.get(at, 0) for at, n in after.items() if at[0] in LIVE}
    return {at: n for at, n in grown.items() if n}

def in_words(lost): return "; ".join(f"{court} {hop} {reason}: {n}" for (court, hop, reason), n in sorted(lost.items()))

def middle_and_most(values):
    s = sorted(values)
    return (s[len(s) // 2], s[-1]) if s else (0.0, 0.0)
