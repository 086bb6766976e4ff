"""Holds decide.py to the Rust by what that says of the recordings in tests/data/golden. Needs no package: python3 -m unittest train.test_decide"""
import json
import os
import unittest
from dataclasses import fields

from . import decide

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "data", "golden")
ONLY_HERE = {"outcome", "reopen", "late_ms", "late_odds", "ring_long", "ring_open"}     # constants of the Rust, and the rule that it lacks
ONLY_RUST = {"cut"}                                                                     # for calibration


def vectors():
    with open(os.path.join(GOLDEN, "calls.json")) as f:
        return json.load(f)


def rules(decision):
    return decide.Rules(**{k: v for k, v in decision.items() if k not in ONLY_RUST})


def played(name):
    """{(session, rim): what is told} of a recording: [at ns, kind, made, reached ns, odds, share] each, or [at ns, "taken_back", reason]."""
    rims, told, by, at = {}, {}, None, {}
    with open(os.path.join(GOLDEN, f"{name}.answers.jsonl")) as f:
        for line in map(json.loads, f):
            if line["line"] == "model":
                by = rules({**vectors()["defaults"], **line["decision"]})
            elif line["line"] == "answer":
                key = line["session"], line["rim"]
                a = rims.setdefault(key, decide.Attempt())
                a.r, at[key] = by, line["pts_ms"] * 1_000_000
                tell(told, key, at[key], a.look(at[key], None if line.get("warming") else line["says"]))
    for key, a in rims.items():
        tell(told, key, at[key], a.end())
    return told


def tell(told, key, at, ruling):
    rows = told.setdefault(key, [])
    if ruling is not None and ruling[0] == "taken_back":
        rows.append([at, *ruling])
    elif ruling is not None:
        kind, call = ruling
        rows.append([at, kind, call.made, call.reached, call.odds, call.share])


class Decide(unittest.TestCase):
    def test_defaults_are_those_of_the_daemon(self):
        rust = vectors()["defaults"]
        here = {f.name: f.default for f in fields(decide.Rules)}
        self.assertEqual({k: v for k, v in rust.items() if k not in ONLY_RUST}, {k: v for k, v in here.items() if k not in ONLY_HERE})

    def test_constants_are_those_of_the_daemon(self):
        here = {"ring_before_outcome_ms": decide.RING_BEFORE_OUTCOME * 1000, "long_at_ring_ms": decide.Rules.ring_long * 1000,
                "ring_after_opening_ms": decide.Rules.ring_open * 1000, "apart_ms": decide.APART * 1000, "open_at_most_ms": decide.LIMIT * 1000,
                "back_up_at_most_ms": decide.BACK_UP * 1000, "provisional_mass": decide.PROVISIONAL_MASS, "final_mass_at_end": decide.MASS_AT_END,
                "odds_at_most": decide.ODDS_AT_MOST, "in_view": decide.Rules.outcome, "back_up": decide.Rules.reopen}
        self.assertEqual(here, vectors()["constants"])

    def test_calls_are_those_of_the_daemon(self):
        told = {}
        for name, rims in vectors()["recordings"].items():
            here = played(name)
            self.assertEqual(sorted(here), sorted((r["session"], r["rim"]) for r in rims), name)
            for r in rims:
                mine = here[r["session"], r["rim"]]
                where = f"{name}, session {r['session']}, rim {r['rim']}"
                self.assertEqual(len(mine), len(r["told"]), where)
                for a, b in zip(mine, r["told"]):
                    told[b[1]] = told.get(b[1], 0) + 1
                    self.assertEqual(a[:4], b[:4], where)
                    for x, y in zip(a[4:], b[4:]):
                        self.assertAlmostEqual(x, y, 3, where)
        self.assertEqual(set(told), {"provisional", "final", "taken_back"})
        self.assertGreater(min(told.values()), 20, told)

    def test_a_sequence_of_logits_gives_facts(self):
        z = [[6, 0, 0, 0]] * 10 + [[0, 6, 0, 0]] * 5 + [[0, 0, 6, 0]] * 15 + [[6, 0, 0, 0]] * 5
        t = [k / 30 for k in range(len(z))]
        fact, = decide.facts(t, z)
        self.assertTrue(fact["made"] and not fact["unsure"])
        self.assertAlmostEqual(fact["t"], 15 / 30 - decide.RING_BEFORE_OUTCOME, 6)
        self.assertAlmostEqual(fact["decided"], t[15 + 11], 6)
        self.assertEqual(decide.facts(t[:18], z[:18]), [])
        self.assertEqual(decide.facts([], []), [])


if __name__ == "__main__":
    unittest.main()
