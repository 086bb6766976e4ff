"""From answers per frame to one fact per attempt: the rules of `game::attempt`, in Python, to tune and to score with.

An attempt opens when p(not none) >= `open` for `open_frames` frames. The outcome shows at the first frame with
p(made) + p(missed) >= 0.5. From there on the log-odds made : missed are summed, each frame weighted by
p(made) + p(missed). The final comes `final_after_ms` after the outcome showed, or earlier once p(none) >= 0.5 for three
frames. Where under_way leads again before that (p(under_way) >= `reopen`: the ball came back up, or still rolls), the outcome had not
shown after all, and the sum starts anew. An attempt that falls back to none without having shown an outcome is dropped. After a final nothing opens until
either p(none) >= 0.5 was seen or under_way leads again, and not within 0.7 s of the ring time of the last one.

The final may come at `early_ms` already where the mean log-odds reach `early_odds`. An attempt whose outcome shows more than
`ring_long` s after it opened reached the ring `ring_open` s after it opened, not just before the outcome showed. An outcome that shows
although p(under_way) stayed under `ball` since none led is no attempt's, and is passed over. A rule that
`game::attempt` does not have is here to be measured, and off unless asked for: the final may wait until `late_ms` where the
mean log-odds are under `late_odds`.
"""
from dataclasses import dataclass

import numpy as np

RING_BEFORE_OUTCOME = 0.13      # s: the outcome shows this long after the ball reached the ring, in the median
APART = 0.7                     # s: two attempts lie at least so far apart
MASS_AT_END = 4.0               # frames' worth of outcome that make a fact when the stream ends before its time
LIMIT = 4.0                     # s: an open attempt without an outcome is given up


@dataclass
class Rules:
    temperature: float = 1.0
    open: float = 0.5
    open_frames: int = 2
    provisional: float = 0.75
    final_after_ms: float = 350
    unsure: float = 0.0
    outcome: float = 0.5
    reopen: float = 0.5
    early_ms: float = 350
    early_odds: float = 99.0
    late_ms: float = 350
    late_odds: float = 0.0
    ring_long: float = 0.6
    ring_open: float = 0.3
    ball: float = 0.0


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


class Attempt:
    """Feed `step` one answer a frame; it returns the facts that became final."""

    def __init__(self, rules=None):
        self.r = rules or Rules()
        self.last_ring = -1e9
        self.armed = True
        self.clear()

    def clear(self):
        self.opened = self.shown = None
        self.run = self.quiet = 0
        self.mass = self.evidence = 0.0
        self.provisional = None
        self.seen = 0.0

    def step(self, t, logits):
        r, p = self.r, softmax(np.asarray(logits, float) / self.r.temperature)
        none, way, made, missed = p
        out = []
        if self.opened is None and none >= 0.5:
            self.seen = 0.0
        if self.shown is None:
            self.seen = max(self.seen, way)
        if self.opened is None:
            if not self.armed and (none >= 0.5 or way > made + missed):
                self.armed = True
            self.run = self.run + 1 if self.armed and 1 - none >= r.open else 0
            if self.run < r.open_frames:
                return out
            self.opened = t
        known = made + missed
        if self.shown is None and known >= r.outcome:
            if self.provisional is None and self.seen < r.ball:
                self.clear()
                self.armed = False
                return out
            self.shown = t
        if self.shown is not None:
            self.mass += known
            self.evidence += known * float(np.clip(np.log(made + 1e-9) - np.log(missed + 1e-9), -6, 6))
        self.quiet = self.quiet + 1 if none >= 0.5 else 0
        if self.shown is not None and way >= r.reopen:
            self.shown, self.mass, self.evidence = None, 0.0, 0.0
        odds = self.evidence / max(self.mass, 1e-6)
        if self.shown is not None and self.provisional is None and self.mass >= 2 and 1 / (1 + np.exp(-abs(odds))) >= r.provisional:
            self.provisional = t
        since = (t - self.shown) * 1000 + 1e-3 if self.shown is not None else 0.0
        over = self.shown is not None and (since >= r.final_after_ms and abs(odds) >= r.late_odds or since >= max(r.late_ms, r.final_after_ms)
                                           or since >= r.early_ms and abs(odds) >= r.early_odds or self.quiet >= 3)
        if over:
            out += self.finish(t, odds)
        elif self.shown is None and (self.quiet >= 5 or t - self.opened > LIMIT):
            self.clear()
        return out

    def finish(self, t, odds):
        ring, out = self.shown - RING_BEFORE_OUTCOME, []
        if self.shown - self.opened > self.r.ring_long:
            ring = self.opened + self.r.ring_open
        if ring - self.last_ring >= APART:
            out.append({"t": ring, "made": odds > 0, "odds": odds, "unsure": abs(odds) < self.r.unsure, "decided": t,
                        "opened": self.opened, "provisional": self.provisional, "shown": self.shown})
            self.last_ring = ring
        self.armed = False
        self.clear()
        return out

    def close(self, t):
        """The stream ended: an outcome that was in view for some frames is final."""
        return self.finish(t, self.evidence / self.mass) if self.shown is not None and self.mass >= MASS_AT_END else []


def facts(times, logits, rules=None):
    a, out = Attempt(rules), []
    for t, z in zip(times, logits):
        out += a.step(t, z)
    return out + (a.close(times[-1]) if len(times) else [])
