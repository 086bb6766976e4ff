#!/usr/bin/env python3
"""Scores the whole program on every video with truth, and fails where it calls worse than it did.

  trials/score.py --bin target/release/courtside [--footage DIR]

DIR holds streams/ and videos/ with a .json of truth beside each .mp4 (models/train/README.md says how one is
laid out). The footage that the figures of design/status.md come from may not be redistributed, so it is not in
the repository: without --footage it is looked for as footage/ in the checkout, or in a folder beside it.
Every attempt is to be found and called right, but for one in all; nothing may be called where nothing
happened. Ends 0 if that held, 1 if not, 3 where there is no footage; says what did not.
"""
import argparse
import json
import subprocess
import sys
from pathlib import Path

VIDEOS = ["streams/dev", "streams/dev2", "streams/L", "streams/Q", "streams/R", "videos/mateo", "videos/wtf"]
# Attempts that may be silent, unsure or wrong, of all videos together.
EXCUSED = 1


def beside():
    """The first folder of footage in the checkout or beside it."""
    root = Path(__file__).resolve().parent.parent
    found = [root / "footage", root.parent / "footage", *sorted(root.parent.glob("*/footage"))]
    return next((folder for folder in found if (folder / f"{VIDEOS[0]}.json").is_file()), found[0])


def scored(scorer, binary, video):
    """What the scorer prints of one video. Raises RuntimeError if it could not be run."""
    command = [sys.executable, scorer, "--json", "--bin", binary]
    done = subprocess.run([*command, "--video", f"{video}.mp4", "--truth", f"{video}.json"], stdout=subprocess.PIPE, text=True)
    try:
        told = json.loads(done.stdout)
        counts = [told[key] for key in ("attempts", "found", "right", "false_events")]
        if done.returncode == 0 and all(type(count) is int for count in counts):
            return told, counts
    except (ValueError, KeyError, TypeError):
        pass
    raise RuntimeError(f"{video}: could not be scored (the scorer ended {done.returncode}, printed {done.stdout!r})")


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--bin", required=True)
    args.add_argument("--footage", type=Path, default=beside())
    args.add_argument("--scorer", type=Path, default=Path(__file__).with_name("score_stream.py"))
    args = args.parse_args()
    scorer, footage = args.scorer, args.footage
    lacking = [path for path in (footage / f"{video}.json" for video in VIDEOS) if not path.is_file()]
    if lacking:
        print(f"score: NOT RUN: {lacking[0]} is not here, and nothing was scored. Name the folder of the footage: "
              "make score FOOTAGE=DIR", file=sys.stderr)
        return 3
    wrong, total = [], [0, 0, 0, 0]
    for video in VIDEOS:
        try:
            told, counts = scored(scorer, args.bin, footage / video)
        except RuntimeError as error:
            print(f"score: FAILED: {error}", file=sys.stderr)
            return 1
        attempts, found, right, false = counts
        late = told.get("delay_p50")
        print(f"{video}: {found}/{attempts} attempts found, {right} right, {told.get('unsure')} unsure, {false} false events "
              f"{told.get('false_at')}, delay after t_truth p50 {'-' if late is None else f'{late:.3f}'} s", flush=True)
        if right < attempts or false:
            wrong.append(f"{video} ({attempts - right} not right, {false} false)")
        total = [one + other for one, other in zip(total, counts)]
    attempts, found, right, false = total
    print(f"all: {found}/{attempts} attempts found, {right} right, {false} false events")
    if attempts == 0 or attempts - right > EXCUSED or false > 0:
        print(f"score: FAILED: of {attempts} attempts at most {EXCUSED} may not be right, and no event may be false: "
              f"{', '.join(wrong) or 'no attempt'}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
