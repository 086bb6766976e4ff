"""From maps to an answer a picture: `src/detect/rim/ball/{spots,rule}.rs` in Python, to tune and to score with.

Held to the Rust by shared vectors: `models/ballnet/testdata/rule.json` has ways of the ball and what this file answers; a test on either
side holds it to them.
"""
import math
from dataclasses import dataclass

import numpy as np

MOST = 4
FOLLOWS = 0.5
ABOVE, MOUTH, BESIDE, DECIDED, NEAR, COMES, AWAY = 0.1, 0.5, 0.75, 0.35, 0.9, 1.4, 0.6
FASTEST, STEP_AT_LEAST, FAR, FAR_AWAY, CAME = 20.0, 0.4, 0.3, 1.2, 0.5
HIDDEN, HIDDEN_IN_NET, SHOWN = 0.250, 0.170, 0.550
SURE, MOST_ODDS, LEAST = 4.0, 6.0, 0.01


@dataclass
class By:
    """`[rim.ball]` of a manifest, and the crop."""
    least: float = 0.35
    through: float = 0.0
    trust: float = 1.0
    rings: float = 4.0
    above: float = 1.5


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def spots(maps, half, by):
    """[2, C, C] -> [(across, below, score, inside)], best first."""
    ball, deep = maps
    n = len(ball)
    pad = np.full((n + 2, n + 2), -np.inf)
    pad[1:-1, 1:-1] = ball
    top = np.ones_like(ball, bool)
    for r in range(3):
        for c in range(3):
            q = pad[r:r + n, c:c + n]
            # Of equals the last one in order is the top.
            top &= ~((q > ball) | ((q == ball) & ((r, c) > (1, 1)))) if (r, c) != (1, 1) else True
    least = FOLLOWS * by.least
    floor = math.log(least / (1 - least))
    found = [(ball[r, c], r, c) for r, c in zip(*np.nonzero(top & (ball > floor)))]
    found.sort(key=lambda f: -f[0])
    cell, out = by.rings / n, []
    for z, r, c in found[:MOST]:
        rs, cs = slice(max(0, r - 1), r + 2), slice(max(0, c - 1), c + 2)
        w = sigmoid(ball[rs, cs])
        rows, cols = np.mgrid[rs.start:min(n, r + 2), cs.start:min(n, c + 2)] + 0.5
        s = w.sum()
        out.append(((w * cols).sum() / s * cell - by.rings / 2, (w * rows).sum() / s * cell - by.above - half, float(sigmoid(z)), (w * deep[rs, cs]).sum() / s))
    return out


def from_ring(across, below):
    return math.hypot(max(0.0, abs(across) - 0.5), below)


def across_plane(last, spot):
    """Where it passed the plane on its way down, or None."""
    if not (last[2] < 0 <= spot[1]):
        return None
    return last[1] + -last[2] / (spot[1] - last[2]) * (spot[0] - last[1])


class Way:
    """One rim; phases as in the Rust: away, coming (nearest, farthest), through (inside, nearest, farthest), shown (since, odds)."""

    def __init__(self, half, by=None):
        self.half, self.by, self.last, self.phase = half, by or By(), None, ("away",)

    def same_ball(self, at, seen):
        """Of those that could be the ball which was there before the one where it would be by now; else the best, if nobody is followed."""
        followed = self.phase[0] in ("coming", "through")
        best = seen[0] if seen and seen[0][2] >= self.by.least else None
        if self.last is None:
            return None if followed else best
        gone = at - self.last[0]
        reach = max(STEP_AT_LEAST, FASTEST * gone)
        across, below = self.last[1] + self.last[3] * gone, self.last[2] + self.last[4] * gone
        near = [s for s in seen if math.hypot(s[0] - self.last[1], s[1] - self.last[2]) <= reach]
        if near:
            return max(near, key=lambda s: s[2] - FAR * math.hypot(s[0] - across, s[1] - below))
        return None if followed else best

    def look(self, at, seen):
        """A picture at `at` s with spots -> none, under way, made, missed."""
        spot = self.same_ball(at, seen)
        self.phase = self.seen(at, spot) if spot else self.unseen(at)
        if self.phase[0] == "shown" and at - self.phase[1] >= SHOWN:
            self.phase = ("away",)
        if spot:
            v = (0.0, 0.0)
            if self.last and at > self.last[0]:
                v = tuple(max(-FASTEST, min(FASTEST, (spot[k] - self.last[1 + k]) / (at - self.last[0]))) for k in (0, 1))
            self.last = (at, spot[0], spot[1], *v)
        elif self.last and at - self.last[0] >= HIDDEN:
            self.last = None
        return self.told()

    def seen(self, at, spot):
        across, below, _, inside = spot
        near, p = from_ring(across, below), self.phase
        comes = below < -ABOVE and near < COMES
        if p[0] == "away":
            return ("coming", near, near) if comes else p
        if p[0] == "coming":
            return self.coming(at, spot, min(p[1], near), max(p[2], near))
        if p[0] == "through":
            if below < -ABOVE:
                return ("coming", p[2], p[3])
            p = ("through", max(p[1], inside), p[2], p[3])
            if abs(across) > BESIDE:
                return ("shown", at, -SURE)
            return ("shown", at, self.odds(p)) if below > self.half + DECIDED else p
        if comes and near < NEAR and self.last and self.last[2] < -ABOVE:
            return ("coming", near, CAME)
        return p

    def coming(self, at, spot, nearest, farthest):
        def outcome(odds):
            return ("shown", at, odds) if nearest < NEAR and farthest >= CAME else ("away",)
        through = self.last and across_plane(self.last, spot)
        if through is not None:
            if abs(through) > MOUTH:
                return outcome(-SURE)
            return ("through", spot[3], nearest, farthest) if farthest >= CAME else ("away",)
        if spot[1] >= 0 and abs(spot[0]) > BESIDE or from_ring(spot[0], spot[1]) > max(nearest + AWAY, FAR_AWAY):
            return outcome(-SURE)
        return ("coming", nearest, farthest)

    def unseen(self, at):
        p, since = self.phase, self.last[0] if self.last else at
        if p[0] == "through" and at - since >= HIDDEN_IN_NET:
            return ("shown", at, self.odds(p))
        if p[0] == "coming" and at - since >= HIDDEN:
            return ("shown", at, -SURE / 2) if p[1] < NEAR and p[2] >= CAME else ("away",)
        return p

    def odds(self, p):
        return max(-MOST_ODDS, min(MOST_ODDS, self.by.trust * (p[1] - self.by.through)))

    def told(self):
        p, way, made = self.phase, 0.0, None
        if p[0] == "coming" and self.last:
            way = max(0.0, min(1.0, (COMES - from_ring(self.last[1], self.last[2])) / (COMES - NEAR)))
        elif p[0] == "through":
            way = 1.0
        elif p[0] == "shown":
            made = float(sigmoid(p[2]))
        none = 0.0 if made is not None else 1 - way
        return [LEAST + (1 - 4 * LEAST) * v for v in (none, way, made or 0.0, 0.0 if made is None else 1 - made)]
