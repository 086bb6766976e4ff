"""What the rule makes of drawn sequences: by a net's maps, or by where the ball truly is.

    python -m train.ball.score DIR (--weights ballnet.pt | --truth) [--by least=0.35 trust=1.0 …] [--rules KEY=VALUE …] [--wrong 20]

DIR: what train.ball.draw wrote; or an .npz file that holds maps already (--keep writes one). Lines as `train.score tell` has them.
"""
import argparse
import collections
import dataclasses
import os

import numpy as np
import torch

from .. import crop, decide, given, source
from ..evaluate import rules_from, share, verdicts
from . import draw, net, rule

HALF = 1 / 6            # of the ring's ellipse, where nobody says: `gate` has the ring a third as high as wide


def true_spots(d, i, t):
    """What a detector without error would see: where the ball is, and whether it is inside ring and net."""
    x, y, there = d["ball"][i, t]
    if there <= 0 or d["clear"][i, t] < 0.5:
        return []
    deep = 4.0 if d["depth"][i, t] == net.INSIDE else -4.0
    return [(x * crop.RINGS - crop.RINGS / 2, y * crop.RINGS - crop.ABOVE - HALF, 1.0, deep)]


def answers(d, i, by, spots):
    """Log-probabilities [T, 4] of sequence i."""
    way = rule.Way(HALF, by)
    return np.log([way.look(float(d["t"][i, t]), spots(d, i, t)) for t in range(d["t"].shape[1])])


def told(d, by, rules, truth=False):
    """-> counts, and (sequence, slot, verdict) of what was wrong."""
    n, wrong, kinds = collections.Counter(), [], collections.defaultdict(collections.Counter)
    for i in range(len(d["t"])):
        seen = true_spots if truth else (lambda d, i, t: rule.spots(d["maps"][i, t], HALF, by))
        z = {i: answers(d, i, by, seen)}
        for slot, fact, ok in verdicts(d, z, i, rules):
            if slot is None:
                n["quiet"] += fact is None
                has = not np.isnan(d["t_rim"][i]).all()
                n["extra"] += fact is not None and has
                n["alarms"] += fact is not None and not has
                continue
            made, kind = d["made"][i, slot] == 1, d["kind"][i][slot]
            n["attempts"] += 1
            n["found"] += fact is not None
            n["unsure"] += fact is not None and fact["unsure"]
            called = fact is not None and not fact["unsure"]
            n["called"] += called
            n["right"] += called and ok
            n["false makes"] += called and not ok and not made
            n["lost makes"] += called and not ok and made
            kinds[kind]["n"] += 1
            kinds[kind]["right"] += called and ok
            kinds[kind]["found"] += fact is not None
            if not (called and ok):
                wrong.append((i, slot, kind, "made" if made else "missed", fact and round(fact["odds"], 2)))
    return n, kinds, wrong


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("drawn")
    what = ask.add_mutually_exclusive_group()
    what.add_argument("--weights", help="what train.ball.fit wrote")
    what.add_argument("--truth", action="store_true", help="score the rule alone")
    ask.add_argument("--by", nargs="*", default=[], help="KEY=VALUE of [rim.ball]")
    ask.add_argument("--rules", nargs="*", default=[], help="KEY=VALUE: a field of decide.Rules")
    ask.add_argument("--wrong", type=int, default=0, help="so many that were not right, by their number")
    ask.add_argument("--keep", help="write what was read, with the maps, into this .npz file")
    o = ask.parse_args()
    if os.path.isdir(o.drawn):
        pieces = list(draw.load(o.drawn))
        d = {k: np.concatenate([p[k] for p in pieces]) for k in pieces[0]}
        if o.weights:
            d["maps"] = net.maps(net.load(o.weights), torch.from_numpy(d["y"])).numpy()
    else:
        with given.arrays(o.drawn, "name a folder that train.ball.draw filled") as z:
            d = dict(z)
        d["maps"] = d["maps"].astype(np.float32) / 15
    if o.keep:
        np.savez_compressed(o.keep, **{k: (v.clip(-8, 8) * 15).round().astype(np.int8) if k == "maps" else v for k, v in d.items() if k != "y"})
    by = dataclasses.replace(rule.By(), **{k: given.number("--by", v) for k, v in given.pairs("--by", o.by)})
    rules = rules_from({}, o.rules)
    n, kinds, wrong = told(d, by, rules, o.truth)
    print(f"found {share(n['found'], n['attempts'])}; unsure {share(n['unsure'], n['found'])}; right of called {share(n['right'], n['called'])}; of all "
          f"{share(n['right'], n['attempts'])}; false makes {n['false makes']}, lost makes {n['lost makes']}, extra facts {n['extra']}; "
          f"facts in sequences without an attempt {share(n['alarms'], n['quiet'] + n['alarms'])}")
    for kind, k in sorted(kinds.items()):
        print(f"  {kind}: right {k['right']} of {k['n']}, found {k['found']}")
    for row in wrong[:o.wrong]:
        print("  wrong", *row)


if __name__ == "__main__":
    main()
