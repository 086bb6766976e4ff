#!/usr/bin/env python3
"""Draws the pictures of docs/aiming.md: the demo's court from several places, and what `courtside aim` finds in each.

    scripts/docs_pictures.sh aiming     (or: /usr/bin/python3 scripts/docs_pictures.py [--bin target/debug/courtside])

The court, the ball and the net are those of models/train/sample/make_sample.py, with its seed; the camera is set here. No
recording is in them. Needs numpy, Pillow and torch (Debian: python3-numpy python3-pil python3-torch).
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(ROOT, "models/train/sample"))
import make_sample as sample  # noqa: E402

OUT = os.path.join(ROOT, "docs/pictures")
SEED = 7
# Larger than the demo's: what the page shows of a camera of 720 lines.
WIDE, HIGH, SCALE = 1280, 720, 1280 / 854
# name, eye, what it looks at, focal length in pixels, what is done to the picture (metres; the ring is the origin, the floor at -3.05)
GOOD = ((4.6, -4.6, 2.6), (0.0, -1.2, 0.0), 720)
VIEWS = [
    ("good", *GOOD, None),
    ("too-far", (16.0, -16.0, -0.9), (-0.5, -1.0, -1.3), 640, None),
    ("too-dark", *GOOD, "dark"),
    ("from-below", (1.5, -2.6, -2.75), (0.0, 0.0, -1.2), 560, None),
    ("level", (7.0, -5.6, 0.02), (0.0, -1.2, -1.0), 1150, None),
    ("at-the-edge", (4.6, -4.6, 2.6), (0.0, -4.75, 0.35), 720, None),
    ("moved", (4.6, -4.6, 2.6), (0.75, -1.2, 0.3), 720, None),
]


def set_camera(eye, at, focal):
    cam = sample.CAM
    cam.eye = np.array(eye, float)
    f = np.array(at, float) - cam.eye
    cam.f = f / np.linalg.norm(f)
    r = np.cross(cam.f, [0, 0, 1.0])
    cam.r = r / np.linalg.norm(r)
    cam.u = np.cross(cam.r, cam.f)
    cam.focal = float(focal)


def with_inset(picture, rim):
    """The ring and what is about it, four times as large, in the corner that it is not in."""
    x, y, w, h = rim
    left = min(max(int(x + w / 2) - 60, 0), WIDE - 120)
    top = min(max(int(y + h / 2) - 36, 0), HIGH - 90)
    inset = picture.crop((left, top, left + 120, top + 90)).resize((480, 360), Image.LANCZOS)
    place = (WIDE - 488, HIGH - 368) if x < WIDE * 0.75 else (8, HIGH - 368)
    picture.paste((255, 255, 255), (place[0] - 4, place[1] - 4, place[0] + 484, place[1] + 364))
    picture.paste(inset, place)
    return picture


def look(binary, picture, sheet):
    """What `courtside aim` says of a picture. -> rings as [x, y, w, h], the one that it chose first"""
    args = [binary, "aim", "--picture", picture, "--models-dir", os.path.join(ROOT, "models"), "--sheet", sheet, "--json"]
    told = json.loads(subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout)
    return told["rims"]


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--bin", default="target/debug/courtside")
    ask.add_argument("--only", help="names of pictures, with commas between")
    o = ask.parse_args()
    binary = os.path.abspath(o.bin)
    os.makedirs(OUT, exist_ok=True)
    sample.W, sample.H = WIDE, HIGH
    shots, net = sample.choose_shots(SEED)
    game = sample.Game(shots, net)
    # The ball is on its way to the ring.
    at = shots[0]["zero"] - 0.35
    truth = {}
    set_camera(*GOOD)
    good = sample.rim_box()
    for name, eye, to, focal, how in VIEWS:
        if o.only and name not in o.only.split(","):
            continue
        set_camera(eye, to, focal)
        picture = sample.draw_frame(sample.scenery(SEED), game, at)
        if how == "dark":
            dark = ImageEnhance.Contrast(ImageEnhance.Brightness(picture).enhance(0.28)).enhance(0.8)
            noise = np.random.default_rng(SEED).normal(0, 7, (HIGH, WIDE, 3))
            picture = Image.fromarray((np.asarray(dark, float) + noise).clip(0, 255).astype(np.uint8))
        truth[name] = sample.rim_box()
        with tempfile.TemporaryDirectory() as folder:
            plain, sheet = os.path.join(folder, "plain.png"), os.path.join(folder, "sheet.png")
            picture.save(plain)
            found = look(binary, plain, sheet)
            shown = Image.open(sheet) if os.path.exists(sheet) else picture
            if name == "moved":
                # Where the rim was drawn before somebody bumped the camera.
                x, y, w, h = good
                ImageDraw.Draw(shown).rectangle([x - 2, y - 2, x + w + 2, y + h + 2], outline=(255, 60, 60), width=2)
            shown = with_inset(shown.convert("RGB"), truth[name])
            shown.save(os.path.join(OUT, f"aim-{name}.jpg"), quality=82, optimize=True)
        print(f"{name}: the ring is at {truth[name]}, aim says {found}")


if __name__ == "__main__":
    main()
