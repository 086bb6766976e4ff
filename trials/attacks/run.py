#!/usr/bin/env python3
"""What a peer may cost: attacks on a box beside two courts that play, each against the same time without attack.

  run.py --bin target/release/courtside                      every attack, one after the other (some 40 minutes)
  run.py --bin … --only guess_from_one_ipv6_64 pictures_h265  these; a part of a name will do
  run.py --bin … --all --minutes 10                          all at once from many addresses, attackers on one core
  run.py --list

A table comes out: memory of the box before, at most and after; pictures that the two courts lost, with those of the time
without attack; how many of what was sent was answered; time to the page and to `doctor`; right cameras that came in;
lines forged; who got in; held or FAILED. Ends 1 if one failed, 3 (NOT RUN) where something is lacking.

Attackers are processes of their own on the last core. They come from 127.66/16 and from one IPv6 /64; the latter, and
all sockets, live in a network namespace that this makes and that ends with it (root; else it says so aloud and leaves
IPv6 out). --csv FILE has a row a second: memory, page, doctor, pictures lost by then and at which hop for what reason. The broker is a real mosquitto behind a gate that can be hostile instead. Timings mean nothing on a machine
that others load: --noisy allows for that, and says so. Standard library, ffmpeg, mosquitto, openssl.
"""
import argparse, atexit, csv, json, os, random, shutil, signal, subprocess, sys, tempfile, threading, time

import texts as T
import venue as V
import wire as W
import pictures, bulk, keys, seats, words, disk
from registry import ATTACKS

CORES = sorted(os.sched_getaffinity(0))

# ---- an attacker's process
class Seen:
    """What an attacker is told of the venue."""
    def __init__(self, told):
        self.__dict__.update(told)
        self.bearer = f"Authorization: Bearer {self.token}\r\n"
        self.box = V.Box.__new__(V.Box)
        self.box.http, self.box.data, self.box.conf, self.box.program, self.box.logf = self.http, self.data, self.conf, self.program, self.logf
    def key(self, court): return V.key(court)
    def answered(self, court): return self.box.ledger().get(court, (0, 0))[1]
    def segments(self): return self.box.segments()
    def log_size(self): return os.path.getsize(self.logf)
    def log(self, at, raw=False): return self.box.raw(at) if raw else self.box.words(at)
    def doctor(self): return self.box.doctor()[2]
    def gate(self, word): print("GATE", word, flush=True)

def as_attacker(name):
    told = json.load(sys.stdin)
    one = ATTACKS[name]
    os.sched_setaffinity(0, CORES if one.alone else {CORES[-1]})
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    try: found = one.run(Seen(told), told["seconds"])
    except Exception as error:  # the attack broke, which must not look as if the box had held
        import traceback
        found = {"note": "the attack itself broke", "wrong": [f"not tried: {type(error).__name__} {error} {traceback.format_exc()[-300:]}"]}
    print("RESULT", json.dumps(found), flush=True)

class Venue:
    def __init__(self, args, folder, six):
        self.args, self.folder, self.six, self.phase = args, folder, six, ""
        shutil.rmtree(folder, ignore_errors=True); os.makedirs(folder)
        broker, gate = V.free_port(), V.free_port()
        self.mosquitto = V.mosquitto(folder, broker)
        self.gate = subprocess.Popen([sys.executable, W.HERE + "/gate.py", str(gate), str(broker)], stdin=subprocess.PIPE, text=True)
        self.box = V.Box(args.bin, folder, f"mqtt://127.0.0.1:{gate}", courts=V.COURTS, host="dual" if six else "127.0.0.1", rtmp="tls")
        self.cameras = {}
        atexit.register(self.let_go)
        if self.box.start() is None: raise SystemExit("the box does not start:\n" + self.box.words()[-1500:])
        self.cameras = {c: V.Camera(self.box.rtmp, c) for c in V.LIVE}
        # Every court has had a camera by then, so that what a decoder costs is no growth.
        for court in V.COURTS[4:]: self.known(court)
        end = time.monotonic() + 30
        while not all(self.box.ledger().get(c, (0, 0))[1] > 90 for c in V.LIVE):
            if time.monotonic() > end: raise SystemExit("the two courts do not play: " + json.dumps(self.box.state()["streams"]["a"])[:600])
            time.sleep(0.5)
    def known(self, court, seconds=1.5):
        p, _, said = W.publisher(self.box.rtmp, V.key(court), W.CAMERAS["e"])
        if p: W.R.play(p, [t for t in W.R.flv(W.GAME) if t[0] == 9], stop=seconds); p.bye()
    def told(self, seconds, concert=False):
        b = self.box
        return {"rtmp": b.rtmp, "rtmps": b.rtmps, "http": b.http, "token": b.token(), "data": b.data, "conf": b.conf, "program": b.program, "logf": b.logf, "folder": self.folder + "-beside",
                "six": self.six, "seconds": seconds, "seed": self.args.seed, "concert": concert, "pid": b.pid, "ease": ease(self.args)}
    def attacker(self, name, seconds, concert=False):
        """Runs one attack to its end -> what it found."""
        one = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--as-attacker", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        one.stdin.write(json.dumps(self.told(seconds, concert))); one.stdin.close()
        found, limit = None, threading.Timer(seconds + 240, one.kill)
        limit.start()
        for line in one.stdout:
            if line.startswith("GATE "): self.hostile_broker(line.split()[1])
            elif line.startswith("RESULT "): found = json.loads(line[7:])
            else: print("  ", line.rstrip())
        one.wait(); limit.cancel()
        return found if found is not None else {"note": f"the attacker ended {one.returncode}", "wrong": ["not tried: the attacker ended"]}
    def hostile_broker(self, word): self.gate.stdin.write(word + "\n"); self.gate.stdin.flush()
    def second(self, row):
        if self.args.rows: self.args.rows.writerow([self.phase, *row]); self.args.rows_file.flush()
    def measure(self, run, cameras=True, back=20):
        """What the venue shows while `run` runs, and up to `back` seconds later, until memory is what it was -> (what it
        returned, measurements)."""
        b = self.box
        (hops, done), sent, breaks, at = b.counted(), {c: k.sent for c, k in self.cameras.items()}, {c: k.breaks for c, k in self.cameras.items()}, os.path.getsize(b.logf)
        m = {"rss_before": V.memory(b.pid)}
        watch, begin = V.Watch(b, cameras, self.second if self.args.rows else None), time.monotonic()
        found = run()
        m["seconds"] = time.monotonic() - begin
        watch.end()
        if b.process.poll() is not None: m["died"] = b.process.returncode
        m["rss_peak"] = max(watch.rss, default=0)
        m["page"], m["doctor"] = V.middle_and_most(watch.page), V.middle_and_most([t for t, _ in watch.doctors])
        came = watch.came["e"] + watch.came["f"]
        m["came"] = (sum(t <= 2 for t in came), len(came), max((t for t in came if t < 99), default=99.0 if came else 0.0), getattr(watch, "said", ""))
        if "died" not in m:
            stopped, told = time.monotonic(), 0
            while V.memory(b.pid) > m["rss_before"] + 64 and time.monotonic() < stopped + back:
                time.sleep(0.5)
                if back > 20 and time.monotonic() > stopped + told + 10: told += 10; print(f"    {told} s after it RSS is {V.memory(b.pid):.0f} MB", flush=True)
            m["rss_after"] = V.memory(b.pid)
            m["counted"] = time.monotonic() - begin
            try: hops_after, done_after = b.counted()
            except OSError as error: m["died"] = f"{error} for 30 s"; hops_after, done_after = hops, done
            lost = V.gone(hops, hops_after)
            m["lost"], m["hops"] = sum(lost.values()), V.in_words(lost)
            m["answered"] = sum(done_after[c] - done[c] for c in V.LIVE)
            m["sent"] = sum(k.sent - sent[c] for c, k in self.cameras.items())
            m["breaks"] = sum(k.breaks - breaks[c] for c, k in self.cameras.items())
        said = b.raw(at)
        forged, odd = T.raw_in(said)
        for _, told in watch.doctors:
            f, o = T.raw_in(told); forged, odd = forged + f, odd + o
        m["forged"], m["odd"] = forged, odd
        m["panics"] = said.count(b"panicked")
        return found, m
    def let_go(self):
        "Whatever happens, nothing of ours goes on."
        for one in (self.box.process, self.gate, self.mosquitto, *(k.process for k in self.cameras.values())):
            if one and one.poll() is None: one.kill(); one.wait()
    def end(self):
        for one in self.cameras.values(): one.stop()
        code, took = self.box.stop()
        said = self.box.words()
        self.gate.kill(); self.gate.wait(); self.mosquitto.terminate(); self.mosquitto.wait()
        return [] if code == 0 and "balanced=true" in said else [f"the box ended {code} after {took:.1f} s" + ("" if "balanced=true" in said else ", its ledger not balanced")]

def ease(args): return 3.0 if args.noisy else 1.0

def judge(m, control, args, growth):
    """What of the measurements does not hold."""
    wrong = []
    if "died" in m: return [f"THE BOX DIED, or might as well have ({m['died']})"]
    eased = ease(args)
    spare = 1 << 30 if args.noisy else 0  # on a loaded machine a lost picture says nothing
    rate = max(1.0, m["counted"] / control["counted"]) if control else 1
    allowed = (control["lost"] * rate if control else 0) + spare
    if m["lost"] > allowed: wrong.append(f"{m['lost']} pictures lost beside it, {control['lost'] if control else 0} without")
    if m["breaks"]: wrong.append(f"the live cameras were interrupted {m['breaks']} times")
    if m["answered"] < m["sent"] - allowed - 30: wrong.append(f"{m['answered']} of {m['sent']} pictures answered")
    if m["rss_peak"] - m["rss_before"] > growth: wrong.append(f"memory grew by {m['rss_peak'] - m['rss_before']:.0f} MB, at most {growth}")
    if m["rss_after"] > m["rss_before"] + 96: wrong.append(f"{m['rss_after'] - m['rss_before']:.0f} MB were not given back")
    for what in ("page", "doctor"):
        if m[what][1] > 1.0 * eased: wrong.append(f"{what}: {m[what][1]:.1f} s" if m[what][1] < 99 else f"{what}: no answer")
    good, all_, longest, said = m["came"]
    if all_ and (good < all_ if not args.noisy else longest > 2 * eased): wrong.append(f"right cameras in within 2 s: {good} of {all_} {said}")
    if m["forged"] or m["odd"]: wrong.append(f"{m['forged']} lines forged, {m['odd']} odd characters")
    if m["panics"]: wrong.append(f"{m['panics']} panics")
    return wrong

HEAD = f"{'attack':46} {'s':>4} {'RSS MB':>16} {'lost':>9} {'answered/sent':>15} {'page p50/max':>14} {'doctor':>12} {'cameras in':>12} {'forged':>6}  verdict"
def row(name, m, control=None):
    if m is None: return f"{name:46} "
    if "died" in m: return f"{name:46} {m['seconds']:4.0f} {m['rss_before']:5.0f} {m['rss_peak']:5.0f}   died"
    t = lambda x: "none" if x >= 99 else f"{x * 1e3:.0f}"
    return (f"{name:46} {m['seconds']:4.0f} {m['rss_before']:5.0f} {m['rss_peak']:5.0f} {m['rss_after']:4.0f} {m['lost']:4d} ({control['lost'] if control else 0:2d}) {m['answered']:7d}/{m['sent']:<7d} "
            f"{t(m['page'][0]):>6}/{t(m['page'][1]):<7} {t(m['doctor'][0]):>5}/{t(m['doctor'][1]):<6} {m['came'][0]:3d}/{m['came'][1]:<3d} {m['came'][2]:4.1f}s {m['forged'] + m['odd']:5d}  ")

def tell(name, m, control, found, wrong):
    verdict = "FAILED" if wrong else "held"
    print(row(name, m, control) + verdict, flush=True)
    if m and m.get("hops"): print(f"    lost: {m['hops']}")
    if found.get("got_in"): print(f"    GOT IN: {found['got_in']}")
    print(f"    {found.get('note', '')}")
    for one in wrong: print(f"    FAILED: {one}", flush=True)
    return {"name": name, "finding": ATTACKS[name].finding if name in ATTACKS else None, "held": not wrong, "wrong": wrong, "note": found.get("note"), "got_in": found.get("got_in"), "measured": m}

def one_by_one(args, six, chosen):
    out, venue, control = [], None, None
    measured = [n for n in chosen if not ATTACKS[n].alone]
    print(HEAD)
    if measured:
        venue = Venue(args, args.folder + "/venue", six)
        venue.phase = "nobody"
        _, control = venue.measure(lambda: time.sleep(args.seconds))
        out.append(tell("(nobody attacks)", control, None, {"note": "the same time without attack"}, judge(control, control, args, args.growth)))
    for name in chosen:
        one = ATTACKS[name]
        if one.alone:
            os.makedirs(args.folder + "/venue-beside", exist_ok=True)
            found = (venue or Bare(args)).attacker(name, args.seconds)
            out.append(tell(name, None, None, found, found.get("wrong", [])))
            continue
        beside, venue.phase = {}, name
        def run():
            aside = threading.Thread(target=lambda: beside.update(one.witness(Seen(venue.told(args.seconds)), args.seconds))) if one.witness else None
            t = threading.Timer(1.0, aside.start) if aside else None
            if t: t.start()
            # A witness may need longer than the attack would last: the attack goes on as long.
            found = venue.attacker(name, args.seconds if not aside else max(args.seconds, one.witness.seconds))
            if aside: t.join(); aside.join(90)
            return found
        try: found, m = venue.measure(run)
        except OSError as error: found, m = {}, {"died": f"before it, {error}", "seconds": 0, "rss_before": 0, "rss_peak": 0}
        wrong = found.get("wrong", []) + beside.get("wrong", []) + judge(m, control, args, one.growth or args.growth)
        if beside: found["note"] = f"{beside.get('note', '')}; {found.get('note', '')}"
        out.append(tell(name, m, control, found, wrong))
        if "died" in m or "rss_after" in m and m["rss_after"] > m["rss_before"] + 150:
            print("    (a new box, since this one is not what it was)")
            venue.end(); venue = Venue(args, args.folder + "/venue", six)
        time.sleep(2)
    if venue:
        for one in venue.end(): out.append(tell("(the end)", None, None, {}, [one]))
    return out

class Bare:
    """No venue: for attacks that bring their own box."""
    def __init__(self, args): self.args = args
    def attacker(self, name, seconds): return Venue.attacker(self, name, seconds)
    def told(self, seconds, concert=False):
        return {"rtmp": 0, "http": 0, "token": "", "data": "", "conf": "", "program": os.path.abspath(self.args.bin), "logf": "/dev/null", "folder": self.args.folder + "/venue-beside", "six": False, "seconds": seconds, "seed": self.args.seed, "concert": concert, "pid": 0, "ease": ease(self.args)}

def all_at_once(args, six, chosen):
    seconds = args.minutes * 60
    chosen = [n for n in chosen if not ATTACKS[n].alone and not ATTACKS[n].honest and ATTACKS[n].court != "cd"]
    print(HEAD)
    venue = Venue(args, args.folder + "/venue", six)
    out = []
    venue.phase = "nobody"
    quiet = min(args.control, args.minutes)
    _, control = venue.measure(lambda: time.sleep(quiet * 60))
    out.append(tell("(nobody attacks)", control, None, {"note": f"{quiet:g} minutes without attack"}, []))
    found, lock = {}, threading.Lock()
    end = 0.0
    def take_turns(names):
        turn = 0
        while time.monotonic() < end - 3:
            name = names[turn % len(names)]; turn += 1
            part = max(4.0, min(args.seconds * 1.5, end - time.monotonic() - 2)) if len(names) > 1 or ATTACKS[name].finding in (3, 10) else max(4.0, end - time.monotonic() - 2)
            seen = venue.attacker(name, part, concert=True)
            with lock:
                was = found.setdefault(name, {"note": "", "wrong": [], "turns": 0})
                was["turns"] += 1; was["note"] = seen.get("note", "")
                was["wrong"] += [w for w in seen.get("wrong", []) if w not in was["wrong"]][:3]
                if seen.get("got_in"): was["got_in"] = seen["got_in"]
    slow = {}
    def slow_cameras():
        while time.monotonic() < end - 12:
            for step, source, court in ((0.2, "127.3.0.1", "g"), (0.5, "127.3.0.2", "h"), (0.2, keys.FROM[0], "i")):
                got = keys.slow_camera(step, source, tries=2, court=court)(Seen(venue.told(4)), 4)
                was = slow.setdefault(f"{step} s a step from {source}", {"note": "", "wrong": [], "in": 0, "tries": 0})
                was["note"] = got["note"]; was["wrong"] += got.get("wrong", []); was["in"] += got["came"][0]; was["tries"] += got["came"][1]
                if time.monotonic() > end - 12: break
    # Attacks on one court take turns; so do those of a door, so that all processes fit on the one core.
    groups = {}
    for name in chosen:
        a = ATTACKS[name]
        group = a.court or ({"guess": "keys", "flood": "flood", "half": "half", "seats": "seats", "slow": "slow", "beare": "bearers", "login": "logins"}.get(name.split("_")[0][:5], name))
        groups.setdefault(group, []).append(name)
    def run():
        nonlocal end
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=take_turns, args=(names,)) for names in groups.values()] + [threading.Thread(target=slow_cameras)]
        for t in threads: t.start()
        for t in threads: t.join()
    print(f"    {len(chosen)} attacks in {len(groups)} processes on core {CORES[-1]}: " + "; ".join(f"{g} {len(n)}" for g, n in groups.items()), flush=True)
    venue.phase = "attacked"
    _, m = venue.measure(run, back=60)
    venue.phase = "afterwards"
    wrong = judge(m, control, args, args.growth_all)
    out.append(tell("ALL AT ONCE", m, control, {"note": f"{args.minutes:g} minutes of {len(found)} attacks"}, wrong))
    for name, was in sorted(found.items(), key=lambda x: (ATTACKS[x[0]].finding, x[0])):
        out.append(tell(name, None, None, {"note": f"{was['turns']} turns; last: {was['note']}", "got_in": was.get("got_in")}, was["wrong"]))
    for name, was in slow.items(): out.append(tell(f"slow camera, {name}", None, None, {"note": f"in {was['in']} of {was['tries']}; {was['note']}"}, was["wrong"][:2]))
    out.append(after(venue, m, control, args))
    for one in venue.end(): out.append(tell("(the end)", None, None, {}, [one]))
    return out

def after(venue, m, control, args):
    """Everything as before, without a restart."""
    wrong, notes, b = [], [], venue.box
    if "died" in m: return tell("AFTERWARDS", None, None, {}, ["the box died"])
    began = time.monotonic()
    for court in "cd":
        end, got, said, fault = time.monotonic() + 60, 0, "", ""
        while (got < 60 or fault) and time.monotonic() < end: got, said, fault = pictures.interlaced(Seen(venue.told(5)), court, 5)
        notes.append(f"interlaced camera on {court}: {got} answered")
        if got < 60: wrong.append(f"an interlaced camera on {court} does not decode: {got} pictures, {said}")
        if fault: wrong.append(f"court {court} plays and says {fault}")
    for court in V.COURTS[4:]:
        p, took, said = W.publisher(b.rtmp, V.key(court), W.CAMERAS["e"])
        if not p: wrong.append(f"a camera does not come in at {court}: {said}"); continue
        W.R.play(p, [x for x in W.R.flv(W.GAME) if x[0] == 9], stop=3)
        fault = b.court(court).get("fault")
        if fault: wrong.append(f"court {court} plays and says {fault}")
        p.bye()
    end, bounced = time.monotonic() + 90, 0
    while time.monotonic() < end:
        s = b.state()
        if s["uplink"]["connected"] and not s["uplink"]["outbox_events"]: break
        # What a broker refused is tried again by the second session after it.
        if s["uplink"]["parked"] and bounced < 3 and time.monotonic() > end - 80 + bounced * 20: bounced += 1; venue.hostile_broker("real")
        time.sleep(1)
    else: wrong.append(f"90 s later: connected {s['uplink']['connected']}, {s['uplink']['outbox_events']} events wait, parked {s['uplink']['parked']}")
    for c in V.LIVE:
        if s["streams"][c].get("fault"): wrong.append(f"court {c}: {s['streams'][c]['fault']}")
    if s["ledger"]["unbalanced"]: wrong.append(f"ledger {s['ledger']['unbalanced']}")
    rss = V.memory(b.pid)
    notes.append(f"RSS {rss:.0f} MB ({m['rss_before']:.0f} before), all as before after {time.monotonic() - began:.0f} s")
    if rss > m["rss_before"] + 128: wrong.append(f"RSS {rss:.0f} MB, {m['rss_before']:.0f} before")
    _, calm = venue.measure(lambda: time.sleep(20))
    wrong += [f"afterwards: {w}" for w in judge(calm, control, args, 128)]
    return tell("AFTERWARDS", calm, control, {"note": "; ".join(notes)}, wrong)

def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--as-attacker": return as_attacker(sys.argv[2])
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", default=os.environ.get("CARGO_TARGET_DIR", V.ROOT + "/target") + "/release/courtside")
    p.add_argument("--only", nargs="+", default=[], metavar="NAME")
    p.add_argument("--all", action="store_true", help="all at once")
    p.add_argument("--minutes", type=float, default=10, help="of --all, and of the same without attack before it [default: 10]")
    p.add_argument("--control", type=float, default=10, metavar="MINUTES", help="without attack, at most; what is lost then is set against the minutes with [default: 10]")
    p.add_argument("--seconds", type=float, default=12, help="of one attack [default: 12]")
    p.add_argument("--growth", type=float, default=600, help="MB that the box may grow by in one attack [default: 600]")
    p.add_argument("--growth-all", type=float, default=1500, help="MB that it may grow by in --all [default: 1500]")
    p.add_argument("--noisy", action="store_true", help="others load this machine: times threefold, lost pictures are counted and not judged")
    p.add_argument("--seed", type=int, default=random.randrange(1 << 16))
    p.add_argument("--csv", metavar="FILE", help="a row a second: of which attack, time, RSS in MB, page and doctor in ms, pictures lost by then, and where")
    p.add_argument("--json", metavar="FILE"); p.add_argument("--list", action="store_true")
    args = p.parse_args()
    if args.list:
        for one in ATTACKS.values(): print(f"{one.finding:2} {one.name:46} {(one.run.__doc__ or '').strip()}")
        return
    args.bin = os.path.abspath(args.bin)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what is registered to end with us does
    for what, there in ((args.bin, os.access(args.bin, os.X_OK)), ("mosquitto", os.path.exists(V.MOSQUITTO)), ("ffmpeg", shutil.which("ffmpeg")), ("openssl", shutil.which("openssl"))):
        if not there: print(f"NOT RUN: {what} is not there"); sys.exit(3)
    chosen = [n for n in ATTACKS if not args.only or any(n == o or o in n for o in args.only)]
    if not chosen: p.error("no attack is called so: --list")
    six = V.isolate()
    args.folder = tempfile.mkdtemp(prefix="courtside-attacks-")
    print(f"attacks: {args.bin}, seed {args.seed}, {'IPv6 too' if six else 'IPv4 alone'}{', NOISY: bounds are eased' if args.noisy else ''}, load {os.getloadavg()[0]:.1f}", flush=True)
    args.rows = args.rows_file = None
    if args.csv:
        args.rows_file = open(args.csv, "w", newline="")
        args.rows = csv.writer(args.rows_file); args.rows.writerow(["of", "s", "rss_mb", "page_ms", "doctor_ms", "lost", "where"])
    out = all_at_once(args, six, chosen) if args.all else one_by_one(args, six, chosen)
    if args.json:
        with open(args.json, "w") as f: json.dump(out, f, indent=1)
    failed = [x["name"] for x in out if not x["held"]]
    print(f"attacks: {len(out)} lines, {len(failed)} FAILED {' '.join(failed)}")
    if failed: print(f"what the box said lies in {args.folder}")
    else: shutil.rmtree(args.folder)
    sys.exit(1 if failed else 0)

if __name__ == "__main__": main()
