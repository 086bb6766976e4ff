#!/usr/bin/env python3
"""Makes the recordings of this folder but `demo`: answers as models give them, by seeds. `python3 tests/data/golden/make.py`

Each recording is of one kind of stream; the attempts in it are drawn from STORIES, which go down every path of
`src/game/attempt.rs`. A letter of a story is a phase: u under way, m made, x missed, ? either, . none, w warming, g a gap
without pictures; the number is its length in ms.
"""
import json
import os
import random

HERE = os.path.dirname(os.path.abspath(__file__))
RIMNET = dict(temperature=1.0, open=0.5, open_frames=2, provisional=0.75, final_after_ms=350, early_ms=230, early_odds=3.0, ball=0.1, unsure=0.5, cut=-0.5)

STORIES = [
    ["u150", "m500"], ["u150", "x500"], ["u300", "m600"], ["u250", "x400"],
    ["u200", "x130", "m500"],                      # the first sight was wrong
    ["u150", "x100", "u200", "m500"],              # a bounce before it was told
    ["u150", "x180", "u250", "m500"],              # a bounce after it was told
    ["u150", "x180", "u250", ".500"],              # told, and then nothing: taken back
    ["u150", "m180", "u250", "g900"],              # the same, and pictures are lost
    ["u150", "x180", "u2600", "m500"],             # it rolls for too long
    ["u150", "x700", "u350", "m500"],              # a put-back
    ["u150", "x450", ".66", "u80", "x500"],        # an echo
    ["u700", "m500"], ["u900", "x500"],            # stays at the ring
    ["u150", "m40", ".300"],                       # too short for a provisional
    ["u150", "?600"], ["u200", "?300", "m100"],    # unsure
    ["u4500"], ["u200", ".400"],                   # no outcome is ever seen
    ["m500"], ["x120"],                            # no ball led to it
    ["u150", "m120", "w600"], ["w300", "u200", "x500"],
    ["u150", "m150", "g400", "m300"], ["u150", "g5000", "x300"],
]

# name: rims, pictures a second, decision, share of lost pictures, what ends a session, noise
KINDS = {
    "one-rim-30": dict(rims=1, fps=30, decision={}, lost=0.0, cut=0.03, noise=0.02, pictures=3000),
    "three-rims-30": dict(rims=3, fps=30, decision=RIMNET, lost=0.0, cut=0.02, noise=0.05, pictures=1300),
    "two-rims-lossy-25": dict(rims=2, fps=25, decision=RIMNET, lost=0.2, cut=0.05, noise=0.1, pictures=1800),
    "one-rim-15": dict(rims=1, fps=15, decision=RIMNET, lost=0.02, cut=0.05, noise=0.05, pictures=2500),
    "two-rims-60": dict(rims=2, fps=60, decision={}, lost=0.01, cut=0.02, noise=0.08, pictures=2000),
    "short-sessions-50": dict(rims=2, fps=50, decision=RIMNET, lost=0.0, cut=0.7, noise=0.05, pictures=1600),
    "doubtful-24": dict(rims=1, fps=24, decision=dict(RIMNET, unsure=1.5, provisional=0.6), lost=0.05, cut=0.05, noise=0.35, pictures=2800),
    "learning-30": dict(rims=2, fps=30, decision=RIMNET, lost=0.0, cut=0.02, noise=0.12, pictures=2400),
    "watched-30": dict(rims=1, fps=30, decision=RIMNET, lost=0.0, cut=0.02, noise=0.12, pictures=2000),
}
LOOKS = {"u": (0.05, 0.85, 0.05, 0.05), "m": (0.02, 0.05, 0.88, 0.05), "x": (0.02, 0.05, 0.05, 0.88), "?": (0.02, 0.06, 0.47, 0.45), ".": (0.94, 0.02, 0.02, 0.02)}


def phases(rng):
    """One rim, for ever: (letter, ms)."""
    while True:
        yield ".", rng.choice([200, 400, 700, 1500])
        for part in rng.choice(STORIES):
            yield part[0], int(int(part[1:]) * rng.uniform(0.8, 1.3))


def says(rng, letter, noise):
    p = [max(0.001, q + rng.gauss(0, noise) * (0.2 + q)) for q in LOOKS["." if letter == "w" else letter]]
    return [round(q / sum(p), 4) for q in p]


def recording(name, rims, fps, decision, lost, cut, noise, pictures):
    rng = random.Random(f"courtside golden {name}")
    lines = [dict(line="model", bundle="scripted", version="1", precision="fp32", engine="script", decision=decision)]
    session, pts, left = 0xAA00, 0.0, [None] * rims
    stories = [phases(rng) for _ in range(rims)]
    for picture in range(pictures):
        pts += 1000 / fps
        gap = False
        for rim in range(rims):
            if left[rim] is None or pts >= left[rim][1]:
                letter, ms = next(stories[rim])
                if letter == "g":
                    pts, gap, letter = pts + ms, True, "."
                left[rim] = letter, pts + ms
            letter = left[rim][0]
            if not gap and rng.random() >= lost:
                lines.append(dict(line="answer", session=f"{session:016x}", rim=rim, pts_ms=int(pts), says=says(rng, letter, noise),
                                  **({"warming": True} if letter == "w" else {}), latency_us=rng.randrange(9_000, 45_000)))
        if rng.random() < cut / fps:
            if rng.random() < 0.6:
                lines.append(dict(line="end", session=f"{session:016x}"))
            session, pts, left = session + 1, rng.uniform(0, 5000), [None] * rims
        if picture == pictures // 2:
            lines.append(dict(lines[0], version="2"))
    lines.append(dict(line="end", session=f"{session:016x}"))
    with open(os.path.join(HERE, f"{name}.answers.jsonl"), "w") as f:
        f.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


for name, kind in KINDS.items():
    recording(name, **kind)
