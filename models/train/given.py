"""What a command line names: files, folders, bundles, KEY=VALUE. What is not there is refused in one line that says what to
do; the exit code is then 1. Refuse where the name is known, not round a whole command: a traceback of ours stays one."""
import json
import math
import os
import pickle
import tomllib
import zipfile

import numpy as np

FORMAT = 2      # of a manifest: what is written, and the newest that is read (src/detect/bundle/manifest.rs says what it has)


def refuse(text):
    raise SystemExit(f"error: {text}")


def file(path, do):
    """The path, if a file is there. `do` says how one comes by it."""
    if not os.path.isfile(path):
        refuse(f"{path}: {'is a folder, not a file' if os.path.isdir(path) else 'no such file'}; {do}")
    return path


def folder(path, do):
    if not os.path.isdir(path):
        refuse(f"{path}: {'is a file, not a folder' if os.path.isfile(path) else 'no such folder'}; {do}")
    return path


def toml(path, do):
    with open(file(path, do), "rb") as f:
        try:
            return tomllib.load(f)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
            refuse(f"{path}: no TOML: {e}; {do}")


def truth(path, do):
    """What a JSON file holds."""
    with open(file(path, do)) as f:
        try:
            return json.load(f)
        except ValueError as e:
            refuse(f"{path}: no JSON: {e}; mend it")


def arrays(path, do):
    """{name: array} of an .npz file, or the array of an .npy file, not yet read."""
    try:
        return np.load(file(path, do))
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as e:
        refuse(f"{path}: numpy cannot read it ({e}); {do}")


def stored(path, do):
    """What torch.save wrote."""
    import torch
    try:
        return torch.load(file(path, do), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError):
        refuse(f"{path}: nothing that torch stored; {do}")


def manifest(bundle, task="rim"):
    """The model.toml of a bundle for `task` whose files are all there: head and the task's own tables in one dict, as format 1 wrote them."""
    do = "name the folder of a bundle, such as models/rimnet or what train.bundle wrote"
    m = toml(os.path.join(folder(bundle, do), "model.toml"), do)
    if m.get("task") != task:
        refuse(f"{bundle}: a bundle for the task {m.get('task')}, not for {task}; {do}")
    if m.get("format", 1) > FORMAT:
        refuse(f"{bundle}: a manifest of format {m['format']}, and this tree reads 1 to {FORMAT}; {do}")
    m.update(m.pop(task, {}))
    for f in m["file"]:
        file(os.path.join(bundle, f["path"]), "model.toml names it: fetch the bundle again, or write it anew with train.bundle")
    return m


def pairs(flag, words):
    """KEY=VALUE after a flag -> [(key, value)]."""
    for w in words:
        if not all(w.partition("=")):
            refuse(f"{flag} {w}: write it as KEY=VALUE")
    return [tuple(w.split("=", 1)) for w in words]


def number(flag, text, kind=float):
    """The text as a finite number of that kind."""
    try:
        n = kind(text)
    except ValueError:
        n = math.nan
    if not math.isfinite(n):
        refuse(f"{flag}: {text} is no {'whole ' if kind is int else ''}number")
    return n
