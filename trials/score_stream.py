#!/usr/bin/env python3
"""Score the whole program on a video with truth, from outside.

Starts mosquitto, `courtside run` and ffmpeg (which publishes the file by RTMP at the pace of its clock), listens
with mosquitto_sub, and holds what arrives against the truth file.

  score_stream.py --bin target/release/courtside --video dev.mp4 --truth dev.json [--extra TOML] [--json]

Truth: {"rim": [x,y,w,h], "attempts": [{"t_rim": s, "t_truth": s, "outcome": "made"|"missed"}, …]}; an attempt may say
"doubtful": true, and is then counted neither for nor against. An event belongs to the nearest free attempt whose t_rim
is within --tolerance. What counts is the highest revision of each fact; a withdrawn fact counts as not sent, one of type
shot.unsure as found but not called. Delay is in stream time: data.t_decided of the last revision minus t_truth.
Exit status: 0 printed, 1 the program could not be run.
"""
import argparse, json, math, os, shutil, socket, subprocess, sys, tempfile, threading, time


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def clopper_pearson(k, n, alpha=0.05):
    """Exact binomial interval, by bisection on the binomial tail (no scipy needed)."""
    if n == 0:
        return 0.0, 1.0

    def cdf(k, p):
        return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(0, k + 1))

    def solve(f):
        lo, hi = 0.0, 1.0
        for _ in range(60):
            mid = (lo + hi) / 2
            lo, hi = (mid, hi) if f(mid) else (lo, mid)
        return lo

    low = 0.0 if k == 0 else solve(lambda p: 1 - cdf(k - 1, p) < alpha / 2)
    high = 1.0 if k == n else solve(lambda p: cdf(k, p) > alpha / 2)
    return low, high


def wait_port(port, seconds):
    end = time.time() + seconds
    while time.time() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 0.3).close()
            return True
        except OSError:
            time.sleep(0.1)
    return False


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--bin", required=True)
    a.add_argument("--video", required=True)
    a.add_argument("--truth", required=True)
    a.add_argument("--tolerance", type=float, default=1.0)
    a.add_argument("--drain", type=float, default=4.0, help="seconds to wait after the last frame")
    a.add_argument("--extra", default="", help="TOML lines put before [[court]]")
    a.add_argument("--json", action="store_true")
    a.add_argument("--keep", action="store_true", help="keep the working folder and say where")
    o = a.parse_args()
    truth = json.load(open(o.truth))
    work = tempfile.mkdtemp(prefix="score-")
    mq, rtmp, http = free_port(), free_port(), free_port()
    open(f"{work}/mosquitto.conf", "w").write(f"listener {mq} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    rims = truth.get("rims") or [truth["rim"]]
    open(f"{work}/courtside.toml", "w").write(
        f'[box]\nname = "score"\ndata_dir = "{work}/data"\n\n[uplink]\nbroker = "mqtt://127.0.0.1:{mq}"\n\n'
        f'[ingest]\nrtmp = "127.0.0.1:{rtmp}"\n\n[http]\nlisten = "127.0.0.1:{http}"\n\n{o.extra}\n\n'
        f'[[court]]\nname = "a"\nstream_key = "k"\nrims = {json.dumps(rims)}\n'
    )
    procs, got = [], []
    try:
        procs.append(subprocess.Popen([shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", f"{work}/mosquitto.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        if not wait_port(mq, 5):
            sys.exit("mosquitto did not start")
        sub = subprocess.Popen(["mosquitto_sub", "-p", str(mq), "-q", "1", "-t", "courtside/1/+/event/#", "-F", "%U\t%t\t%p"], stdout=subprocess.PIPE, text=True)
        procs.append(sub)

        def read():
            for line in sub.stdout:
                at, topic, payload = line.rstrip("\n").split("\t", 2)
                try:
                    got.append((float(at), topic, json.loads(payload)))
                except ValueError:
                    got.append((float(at), topic, {"type": "unreadable", "raw": payload}))

        threading.Thread(target=read, daemon=True).start()
        log = open(f"{work}/courtside.log", "w")
        cs = subprocess.Popen([o.bin, "run", "--config", f"{work}/courtside.toml"], stdout=log, stderr=log)
        procs.append(cs)
        if not wait_port(rtmp, 60):
            sys.exit("courtside does not listen for RTMP:\n" + open(f"{work}/courtside.log").read()[-3000:])
        time.sleep(1)
        ff = subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-i", o.video, "-c", "copy", "-f", "flv", f"rtmp://127.0.0.1:{rtmp}/live/k"], capture_output=True, text=True)
        if ff.returncode:
            print("ffmpeg:", ff.stderr[-500:], file=sys.stderr)
        time.sleep(o.drain)
        cs.terminate()
        try:
            cs.wait(15)
        except subprocess.TimeoutExpired:
            print("courtside did not end within 15 s of SIGTERM", file=sys.stderr)
    finally:
        for p in reversed(procs):
            if p.poll() is None:
                p.kill()

    facts = {}
    for at, topic, e in got:
        kind = str(e.get("type", "")).removeprefix("courtside.").removesuffix(".v1")
        if kind.startswith("shot."):
            f, d = e.get("fact") or e.get("id"), e.get("data") or {}
            if f not in facts or int(e.get("revision", 0)) >= facts[f]["revision"]:
                t = d.get("t_stream", facts.get(f, {}).get("t"))
                facts[f] = dict(revision=int(e.get("revision", 0)), kind=kind, t=t, decided=d.get("t_decided"), confidence=d.get("confidence"))
    shots = [f for f in facts.values() if f["kind"] in ("shot.made", "shot.missed", "shot.unsure") and f["t"] is not None]
    free = list(range(len(shots)))
    right = wrong = missing = unsure = 0
    rows, delays = [], []
    for t in truth["attempts"]:
        near = sorted((abs(shots[i]["t"] - t["t_rim"]), i) for i in free)
        hit = near[0][1] if near and near[0][0] <= o.tolerance else None
        if hit is not None:
            free.remove(hit)
        if t.get("doubtful"):
            continue
        if hit is None:
            missing += 1
            rows.append((t["t_rim"], t["outcome"], "no event"))
            continue
        s = shots[hit]
        if s["kind"] == "shot.unsure":
            unsure += 1
            rows.append((t["t_rim"], t["outcome"], "unsure"))
            continue
        ok = s["kind"] == "shot." + t["outcome"]
        right, wrong = right + ok, wrong + (not ok)
        if s["decided"] is not None:
            delays.append(s["decided"] - t.get("t_truth", t["t_rim"]))
        if not ok:
            rows.append((t["t_rim"], t["outcome"], s["kind"]))
    n = right + wrong + missing + unsure
    lo, hi = clopper_pearson(right, right + wrong)
    delays.sort()
    out = dict(video=os.path.basename(o.video), attempts=n, found=right + wrong + unsure, called=right + wrong, unsure=unsure, right=right, false_events=len(free),
               accuracy_called=right / max(1, right + wrong), interval=[lo, hi], accuracy_all=right / max(1, n),
               delay_p50=delays[len(delays) // 2] if delays else None, delay_max=delays[-1] if delays else None,
               false_at=[round(shots[i]["t"], 2) for i in free])
    if o.json:
        print(json.dumps(out))
    else:
        for r in sorted(rows):
            print("  %.2f s: truth %s, %s" % r)
        print(f"{out['video']}: {right}/{right + wrong} right of those called ({lo:.1%}–{hi:.1%}), {unsure} unsure, {out['found']}/{n} attempts found, "
              f"{len(free)} false events {out['false_at'][:12]}, delay after t_truth p50 {out['delay_p50']} s")
    if o.keep:
        print("kept:", work, file=sys.stderr)


if __name__ == "__main__":
    main()
