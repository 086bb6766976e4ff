"""Averages the weights of members that one training led through, e.g. where it began and where it ended.

    python -m train.average OUT.pt a.pt b.pt …
"""
import sys

import torch

if __name__ == "__main__":
    out, *paths = sys.argv[1:]
    d = [torch.load(p, map_location="cpu", weights_only=True) for p in paths]
    state = {k: sum(q["state"][k].float() for q in d) / len(d) if v.dtype.is_floating_point else v for k, v in d[0]["state"].items()}
    torch.save({"config": d[0]["config"], "state": state}, out)
