#!/usr/bin/env python3
"""Streams for half an hour and holds the daemon's memory to its bound (1 MB per 10 minutes after the first 5).

  trials/soak_memory.py [--minutes 30] [--bin target/release/courtside]

Publishes the rendered game in a loop by ffmpeg, reads VmRSS every 10 s, and prints the slope by least squares
over all but the first 5 minutes. Needs mosquitto and ffmpeg. Ends 0 within the bound, 1 over it.
"""
import argparse, os, re, socket, subprocess, sys, tempfile, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def rss_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def slope_mib_per_10_min(samples):
    n = len(samples)
    mean_t = sum(t for t, _ in samples) / n
    mean_m = sum(m for _, m in samples) / n
    top = sum((t - mean_t) * (m - mean_m) for t, m in samples)
    low = sum((t - mean_t) ** 2 for t, _ in samples)
    return top / low * 600 / 1024


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--minutes", type=float, default=30)
    ask.add_argument("--settle", type=float, default=5, help="minutes left out at the beginning")
    ask.add_argument("--bin", default=os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target")) + "/release/courtside")
    o = ask.parse_args()
    work = tempfile.mkdtemp(prefix="soak-memory-")
    mqtt, rtmp, http = free_port(), free_port(), free_port()
    Path(work, "mosquitto.conf").write_text(f"listener {mqtt} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    Path(work, "courtside.toml").write_text(
        f'[box]\nname = "soak"\ndata_dir = "{work}/data"\n\n[uplink]\nbroker = "mqtt://127.0.0.1:{mqtt}"\n\n'
        f'[ingest]\nrtmp = "127.0.0.1:{rtmp}"\n\n[http]\nlisten = "127.0.0.1:{http}"\n\n[ring]\nquota_bytes = 200_000_000\n\n'
        '[[court]]\nname = "a"\nstream_key = "soak-key"\nrims = [[562, 167, 44, 10]]\n'
    )
    started = []

    def start(*words, **more):
        started.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, **more))
        return started[-1]

    samples = []
    try:
        quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        start("/usr/sbin/mosquitto", "-c", f"{work}/mosquitto.conf", **quiet)
        log = open(f"{work}/log", "w")
        daemon = start(o.bin, "run", "--config", f"{work}/courtside.toml", stdout=log, stderr=log)
        while "ready" not in Path(f"{work}/log").read_text():
            if daemon.poll() is not None:
                sys.exit("courtside ended:\n" + Path(f"{work}/log").read_text()[-2000:])
            time.sleep(0.1)
        start("ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-stream_loop", "-1", "-i", str(ROOT / "assets/demo/game.flv"),
              "-c", "copy", "-f", "flv", f"rtmp://127.0.0.1:{rtmp}/live/soak-key", **quiet)
        begin = time.monotonic()
        while (now := time.monotonic() - begin) < o.minutes * 60:
            samples.append((now, rss_kib(daemon.pid)))
            if len(samples) % 6 == 1:
                print(f"{now / 60:5.1f} min  {samples[-1][1] / 1024:7.1f} MiB", flush=True)
            time.sleep(10)
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(20)
    kept = [s for s in samples if s[0] >= o.settle * 60]
    slope = slope_mib_per_10_min(kept)
    print(f"after the first {o.settle:g} minutes: {slope:+.2f} MiB per 10 minutes over {len(kept)} samples (bound +1)")
    sys.exit(slope > 1)


main()
