"""Averages the weights of members that one training led through, e.g. where it began and where it ended.

    python -m train.average OUT.pt a.pt b.pt …
"""
import argparse

import torch

from . import given, weights


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("members", nargs="+")
    o = p.parse_args()
    d = [weights.member(path) for path in o.members]
    for path, q in zip(o.members, d):
        if q["config"] != d[0]["config"]:
            given.refuse(f"{path}: {q['config']} is not the shape of {o.members[0]}, {d[0]['config']}; average members of one training")
        if weights.folded(q) != weights.folded(d[0]):
            given.refuse(f"{path}: only one of it and {o.members[0]} began with a bundle's file, so their weights have other scales; average members of one training")
    state = {k: sum(q["state"][k] for q in d) / len(d) if v.dtype.is_floating_point else v for k, v in d[0]["state"].items()}
    torch.save({"config": d[0]["config"], "state": state}, o.out)


if __name__ == "__main__":
    main()
