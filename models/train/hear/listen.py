"""What the whistle net makes of sound: `python3 -m train.hear.listen --weights hear/whistle.f32 …` in models/.

  --hours 10           false whistles in so many hours of synthesised hall without one, and found of those blown
  --recordings FOLDER  real ones of 50 ms, FOLDER/true and FOLDER/false, as IntelligentRoboticsLab/whistle_detection
                       has them (RoboCup halls, not basketball; no licence named: evaluation only, never in here);
                       each whistle again under synthesised hall noise at 0 dB
numpy alone. Intervals are Clopper and Pearson's of 95 %.
"""
import argparse
import math
import pathlib
import wave
import numpy as np

from train.hear import hall
from train.hear.train import load, share

LEAST, MOST, FALLS_OUT, MOSTLY = 0.13, 2.6, 0.048, 0.7


def interval(k, n):
    """Clopper-Pearson by bisection of the binomial's tails."""
    def tail(p, least):
        logs = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(p) + (n - i) * math.log1p(-p)
                for i in (range(k, n + 1) if least else range(k + 1))]
        top = max(logs)
        return math.exp(top) * sum(math.exp(v - top) for v in logs)

    def solve(least):
        low, high = 1e-9, 1 - 1e-9
        for _ in range(60):
            p = (low + high) / 2
            if (tail(p, least) < 0.025) == least:
                low = p
            else:
                high = p
        return low
    return (0.0 if k == 0 else solve(True)), (1.0 if k == n else solve(False))


def told(k, n):
    low, high = interval(k, n) if n else (0, 1)
    return f"{k} of {n} = {100 * k / max(n, 1):.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def whistles(shares):
    """The runs of src/hear/whistle.rs: (from, to) in seconds."""
    out, run = [], None
    for n, p in enumerate([*shares, *[0.0] * 8]):
        at = n * hall.HOP / hall.RATE
        if p >= 0.5:
            run = [at, at, 1, 1, 1] if run is None else [run[0], at, run[2] + 1, run[3] + 1, run[2] + 1]
        elif run is not None and at - run[1] <= FALLS_OUT:
            run[2] += 1
        elif run is not None:
            if LEAST <= run[1] - run[0] <= MOST and run[3] >= MOSTLY * run[4]:
                out.append((run[0], run[1]))
            run = None
    return out


def hours(net, wanted, seed):
    seconds, false, heard = 20.0, 0, 0.0
    found = blown = extra = 0
    n = 0
    while heard < wanted * 3600:
        rng = np.random.default_rng([seed, n])
        with_one = n % 10 == 0
        if with_one:
            x, own, rest = hall.scene(rng, seconds, 1.0, (0.0, 0.0))
            ends = np.flatnonzero(np.abs(own) > 0.1 * np.abs(own).max()) / hall.RATE
            got = whistles(share(net, hall.features(x)))
            hit = [g for g in got if g[0] < ends[-1] + 0.3 and g[1] > ends[0] - 0.1]
            if ends[-1] - ends[0] >= 0.15:
                blown, found = blown + 1, found + bool(hit)
            extra += len(got) - len(hit)
        else:
            x, _, _ = hall.scene(rng, seconds, 0.0)
            false += len(whistles(share(net, hall.features(x))))
            heard += seconds
        n += 1
    print(f"synthesised halls: {false} false whistles in {heard / 3600:.2f} h without one, {false / (heard / 3600):.1f} an hour; "
          f"at 0 dB found {told(found, blown)}; right {told(found, found + extra)}")


def read(path):
    with wave.open(str(path)) as file:
        x = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64) / 32768
        rate, n = file.getframerate(), file.getnframes()
    m = round(n * hall.RATE / rate)
    spectrum = np.fft.rfft(x)[: m // 2 + 1]
    return np.fft.irfft(spectrum, m) * m / n


def recordings(net, folder, seed, most):
    def all_of(kind):
        paths = sorted((folder / kind).glob("*.wav"), key=lambda p: int(p.stem))
        return [read(path) for path in paths[:: max(1, len(paths) // most) if most else 1]]
    real, rest = all_of("true"), all_of("false")
    say = lambda clips: np.array([share(net, hall.features(x))[-1] for x in clips]) >= 0.5
    rng = np.random.default_rng([seed, 3])
    noise = []
    for _ in range(len(real) // 16 + 1):
        x = hall.background(rng, hall.RATE)
        x = hall.room(rng, x) if rng.random() < 0.8 else x
        noise += [x[a:a + 800] for a in range(0, 12_800, 800)]
    mixed = [x + n * hall.rms(x) / hall.rms(n) for x, n in zip(real, noise)]
    alone, under, false, of_noise = say(real), say(mixed), say(rest), say(noise[:len(real)])
    print(f"RoboCup, single pieces of 50 ms, as recorded: found {told(alone.sum(), len(alone))}; "
          f"of {len(false)} others {false.sum()} taken for one; right {told(alone.sum(), alone.sum() + false.sum())}")
    print(f"the same under synthesised hall noise at 0 dB: found {told(under.sum(), len(under))}; "
          f"of {len(of_noise)} pieces of that noise {of_noise.sum()} taken for one; right {told(under.sum(), under.sum() + of_noise.sum())}")


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--weights", default="hear/whistle.f32")
    asked.add_argument("--hours", type=float, default=0)
    asked.add_argument("--recordings", type=pathlib.Path)
    asked.add_argument("--most", type=int, default=0, help="take about so many of each kind")
    asked.add_argument("--seed", type=int, default=1_000_023)
    asked = asked.parse_args()
    net = load(asked.weights)
    if asked.recordings:
        recordings(net, asked.recordings, asked.seed, asked.most)
    if asked.hours:
        hours(net, asked.hours, asked.seed)
