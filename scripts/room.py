#!/usr/bin/env python3
"""Prints what takes room in a binary that has its symbols still: sections that a box loads, then code by crate.

    scripts/room.py FILE [LINES]      of `cargo build --release`, before scripts/apart.sh

Code belongs to the crate that wrote the function; of a generic one that is not who asked for it (ndarray's, made for
tract, counts as ndarray's). A method of a trait is counted for the type's crate, where it names one.
"""

import collections
import re
import subprocess
import sys

file, lines = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 25


def printed(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


total = 0
print("| section | bytes |\n| --- | --- |")
rows = []
for row in re.finditer(r"^ *\[ *\d+\] (\S+) +(\S+) +\S+ \S+ ([0-9a-f]+) \S+ +(\S*) ", printed("readelf", "-SW", file), re.M):
    if "A" in row[4] and row[2] != "NOBITS":
        rows.append((int(row[3], 16), row[1]))
        total += rows[-1][0]
for size, name in sorted(rows, reverse=True)[:10]:
    print(f"| `{name}` | {size:,} |")
print(f"| all that is loaded | {total:,} |\n")

crates, seen = collections.Counter(), set()
for line in printed("nm", "-S", "-C", file).splitlines():
    row = re.match(r"([0-9a-f]+) ([0-9a-f]+) [tTwW] (.*)", line)
    # Two names of one place are one function, after the linker folded them.
    if not row or row[1] in seen:
        continue
    seen.add(row[1])
    name = re.sub(r"^(<|&|\*const |\*mut |mut |dyn |\(|\[|_<)+", "", row[3])
    crate = re.match(r"([a-z_][a-z0-9_]*)(::|\[)", name)
    crates[crate[1] if crate else "C, assembly, glue"] += int(row[2], 16)
print("| crate | bytes of code |\n| --- | --- |")
for crate, size in crates.most_common(lines):
    print(f"| {crate} | {size:,} |")
print(f"| {max(0, len(crates) - lines)} others | {sum(s for _, s in crates.most_common()[lines:]):,} |")
