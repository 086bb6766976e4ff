"""A hall as sound, synthesised by dice: 16 kHz, mono. Nothing recorded goes in.

`scene(rng, ...)` gives one stretch and what of it is a whistle. `features` is what src/hear/front.rs computes of
a hop, number by number: both are held together by models/hear/front.json (test in src/hear/front.rs).
"""
import numpy as np

RATE, FRAME, HOP = 16_000, 512, 256
WINDOW = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float64)
# 1.5 to 6.5 kHz, the larger of each two bins; and broad bands, by bins.
LOW, HIGH = 48, 208
BANDS = (1, 8, 16, 32, 48, 80, 144, 208, 256)
WIDTH = (HIGH - LOW) // 2
INPUTS = 2 * WIDTH + len(BANDS) - 1


def features(x):
    """One row a hop, from the second frame on: what the net is given."""
    n = (len(x) - FRAME) // HOP + 1
    at = np.arange(n)[:, None] * HOP + np.arange(FRAME)[None, :]
    power = np.abs(np.fft.rfft(x[at] * WINDOW, axis=1)) ** 2
    level = np.log(power + 1e-6)
    fine = level[:, LOW:HIGH].reshape(n, WIDTH, 2).max(axis=2)
    middle = np.sort(fine, axis=1)[:, WIDTH // 2]
    fine = np.clip((fine - middle[:, None]) / 4.0, -1.0, 3.0)
    bands = np.stack([level[:, a:b].mean(axis=1) for a, b in zip(BANDS, BANDS[1:])], axis=1)
    bands = np.clip((bands - middle[:, None]) / 4.0, -3.0, 3.0)
    return np.concatenate([fine[:-1], fine[1:], bands[1:]], axis=1).astype(np.float32)


def shaped(rng, n, shape):
    """Noise with a spectrum: `shape` is the gain of a frequency."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    x = np.fft.irfft(spectrum * shape(np.fft.rfftfreq(n, 1 / RATE)), n)
    return x / (x.std() + 1e-12)


def slow(rng, n, rate, depth):
    """A gain that wanders `rate` times a second."""
    knots = max(3, int(n / RATE * rate) + 2)
    return 1 + depth * np.interp(np.linspace(0, knots - 1, n), np.arange(knots), rng.uniform(-1, 1, knots))


def tone(freq):
    return np.sin(2 * np.pi * np.cumsum(freq) / RATE)


def edges(n, attack, decay):
    out = np.ones(n)
    a, d = min(n // 2, int(attack * RATE)), min(n // 2, int(decay * RATE))
    out[:a] *= np.linspace(0, 1, a, endpoint=False)
    out[n - d:] *= np.linspace(1, 0, d)
    return out


def whistle(rng, n=None):
    """Two or three close partials at 3.3 to 4.2 kHz (others' from 1.7 kHz on), the pea's warble, breath."""
    n = n or int(RATE * np.exp(rng.uniform(np.log(0.15), np.log(2.0))))
    f0 = rng.uniform(3000, 4300) if rng.random() < 0.5 else rng.uniform(1650, 3700)
    pea = rng.random() < 0.6
    rate = slow(rng, n, 6, 0.15) * rng.uniform(15, 45)
    warble = np.sin(2 * np.pi * np.cumsum(rate) / RATE)
    wander = f0 * slow(rng, n, 8, rng.uniform(0, 0.02))
    start = int(rng.uniform(0.01, 0.06) * RATE)
    wander[:start] *= np.linspace(rng.uniform(0.8, 1.0), 1.0, start)[:len(wander[:start])]
    wander = wander + (rng.uniform(0, 70) * warble if pea else 0)
    gap = rng.uniform(120, 380) * slow(rng, n, 6, 0.1)
    x = tone(wander) + 10 ** (rng.uniform(-22, 0) / 20) * tone(wander + gap)
    if rng.random() < 0.5:
        x = x + 10 ** (rng.uniform(-25, -4) / 20) * tone(wander - gap * rng.uniform(0.8, 1.2))
    x = x + 10 ** (rng.uniform(-35, -10) / 20) * tone(2 * np.minimum(wander, 3900))
    if pea:
        x = x * (1 - rng.uniform(0.1, 0.9) * (0.5 + 0.5 * warble))
    x = x * slow(rng, n, 10, rng.uniform(0, 0.4)) * edges(n, rng.uniform(0.005, 0.04), rng.uniform(0.02, 0.1))
    if rng.random() < 0.25:  # too loud for the microphone
        x = np.clip(x, -rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.9))
    breath = shaped(rng, n, lambda f: np.exp(-(((f - f0) / 900.0) ** 2)))
    return x + 10 ** (rng.uniform(-30, -14) / 20) * breath


def harmonic(rng, n, freq, tilt, most=7800, formants=()):
    """A stack of harmonics: a voice, a horn, a string."""
    x, mean = np.zeros(n), float(freq.mean())
    for k in range(1, max(2, min(60, int(most / mean)))):
        gain = k ** -tilt
        for at, wide, by in formants:
            gain *= 1 + by * np.exp(-(((k * mean - at) / wide) ** 2))
        x += gain * np.sin(k * 2 * np.pi * np.cumsum(freq) / RATE + rng.uniform(0, 6.28)) * (k * freq < 7900)
    return x / (x.std() + 1e-12)


def voice(rng, n):
    """Speech and shouts: a gliding stack under formants, in syllables."""
    f0 = rng.uniform(90, 420) if rng.random() < 0.7 else rng.uniform(400, 1100)
    freq = f0 * slow(rng, n, 4, rng.uniform(0.05, 0.3))
    formants = [(rng.uniform(300, 900), 120, 5), (rng.uniform(900, 2300), 200, 4), (rng.uniform(2300, 3400), 300, 3)]
    x = harmonic(rng, n, freq, rng.uniform(0.7, 1.6), 6000, formants)
    return x * np.clip(slow(rng, n, rng.uniform(3, 8), 1.2), 0, None)


def music(rng, n):
    x, at = np.zeros(n), 0
    root = rng.uniform(55, 220)
    step = int(rng.uniform(0.1, 0.5) * RATE)
    while at < n:
        m = min(n - at, int(step * rng.choice([1, 1, 2])))
        for note in rng.choice([0, 3, 4, 5, 7, 9, 12, 16, 19, 24, 31], rng.integers(1, 4)):
            x[at:at + m] += harmonic(rng, m, np.full(m, root * 2 ** (note / 12)), rng.uniform(0.6, 2.0), 7000) * edges(m, 0.005, 0.05)
        if rng.random() < 0.6:
            d = min(n - at, 2400)
            x[at:at + d] += 2 * shaped(rng, d, lambda f: 1 + f / 4000) * np.exp(-np.arange(d) / 400)
        at += m
    return x


def buzzer(rng, n):
    """Buzzer of the table, shot clock, air horn: long stacks from 90 to 900 Hz; a beep is one of three."""
    f0 = rng.uniform(90, 480) if rng.random() < 0.75 else rng.uniform(480, 1300)
    freq = np.full(n, f0) * (1 + 0.01 * np.sin(2 * np.pi * rng.uniform(3, 12) * np.arange(n) / RATE) * rng.random())
    x = harmonic(rng, n, freq, rng.uniform(0.2, 1.4), 7800)
    if rng.random() < 0.4:
        x = x + harmonic(rng, n, freq * rng.uniform(1.02, 1.5), rng.uniform(0.2, 1.4), 7800)
    return x * edges(n, 0.01, rng.uniform(0.02, 0.2))


def squeak(rng):
    """A shoe: a glide of 25 to 140 ms, often with harmonics."""
    n = int(RATE * rng.uniform(0.025, 0.14))
    f0 = rng.uniform(700, 4800)
    freq = f0 * np.linspace(1, rng.uniform(0.6, 1.5), n) * slow(rng, n, 40, 0.05)
    x = harmonic(rng, n, freq, rng.uniform(0.5, 2), 7800) if rng.random() < 0.6 else tone(np.minimum(freq, 7500))
    return x * edges(n, 0.005, 0.02) * slow(rng, n, 60, 0.5)


def bounce(rng):
    n = int(RATE * 0.12)
    t = np.arange(n) / RATE
    thump = np.sin(2 * np.pi * rng.uniform(60, 240) * t) * np.exp(-t / rng.uniform(0.01, 0.05))
    slap = shaped(rng, n, lambda f: 1 / (1 + f / rng.uniform(500, 3000))) * np.exp(-t / rng.uniform(0.002, 0.02))
    return 2 * thump + slap


def room(rng, x):
    """A hall's tail: 0.4 to 2.6 s, darker with time."""
    t60, n = rng.uniform(0.4, 2.6), len(x)
    m = int(RATE * t60)
    tail = rng.standard_normal(m) * 10 ** (-3 * np.arange(m) / m)
    tail = np.fft.irfft(np.fft.rfft(tail) / (1 + np.fft.rfftfreq(m, 1 / RATE) / rng.uniform(2000, 8000)), m)
    tail *= rng.uniform(0.05, 1.0) / (np.sqrt((tail ** 2).sum()) + 1e-12)
    tail[0] += 1
    size = 1 << (n + m - 1).bit_length()
    return np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(tail, size), size)[:n]


def rms(x):
    return np.sqrt((x ** 2).mean()) + 1e-12


def background(rng, n):
    """What a hall sounds like between whistles."""
    slope, corner = rng.uniform(0.3, 1.7), rng.uniform(150, 1500)
    x = shaped(rng, n, lambda f: 1 / (1 + (f / corner) ** slope)) * slow(rng, n, 2, 0.3)
    level = lambda lo, hi: 10 ** (rng.uniform(lo, hi) / 20)
    if rng.random() < 0.7:  # the crowd: a band of voices nobody tells apart
        mid = rng.uniform(500, 1600)
        x += level(-6, 12) * shaped(rng, n, lambda f: np.exp(-np.abs(np.log((f + 1) / mid)) * 1.6)) * slow(rng, n, 6, 0.4)
    for make, chance, lo, hi in ((voice, 0.5, -8, 14), (voice, 0.3, -8, 10), (music, 0.3, -8, 12)):
        if rng.random() < chance:
            x += level(lo, hi) * make(rng, n)
    if rng.random() < 0.25:
        m = min(n, int(RATE * rng.uniform(0.2, 2.0)))
        at = rng.integers(0, n - m + 1)
        x[at:at + m] += level(0, 22) * buzzer(rng, m)
    for make, most, lo, hi in ((bounce, 5, 0, 20), (squeak, 3, -3, 16)):
        for _ in range(rng.integers(0, most)):
            y = make(rng)
            at = rng.integers(0, max(1, n - len(y)))
            x[at:at + len(y)] += level(lo, hi) * (y / rms(y))[:n - at]
    return x


def scene(rng, seconds=1.5, share=0.5, snr=(-8.0, 25.0)):
    """A stretch of hall; in `share` of them one whistle. Returns sound, and the whistle's own share of it."""
    n = int(RATE * seconds)
    x, own = background(rng, n), np.zeros(n)
    if rng.random() < 0.8:
        x = room(rng, x)
    if rng.random() < share:
        y = whistle(rng)
        at = int(rng.integers(-len(y) // 2, n - 1600))
        a, b = max(0, at), min(n, at + len(y))
        own[a:b] = y[a - at:b - at]
        if rng.random() < 0.9:
            own = room(rng, own)
        by = rms(own[a:b]) / rms(x[a:b])
        own *= 10 ** (rng.uniform(*snr) / 20) / by
    loud = 10 ** (rng.uniform(-45, -6) / 20) / rms(x + own)
    x, own = x * loud, own * loud
    both = x + own
    if rng.random() < 0.1:
        both = np.clip(both, -0.7, 0.7)
    return both, own, x


def labels(own, rest):
    """1, 0 or nan (neither) of each hop of `features`: how loud the whistle is beside the rest."""
    n = (len(own) - FRAME) // HOP + 1
    at = np.arange(n)[:, None] * HOP + np.arange(FRAME)[None, :]
    db = 10 * np.log10(((own[at] ** 2).mean(1) + 1e-15) / ((rest[at] ** 2).mean(1) + 1e-15))
    db = np.minimum(db[:-1], db[1:])
    out = np.full(n - 1, np.nan)
    out[db > -6] = 1
    out[db < -22] = 0
    return out
