"""From answers per frame to one fact per attempt: the rules of `src/game/attempt.rs` in Python, to tune and to score with.

Held to the Rust by shared vectors: `tests/data/golden/calls.json` has what the Rust rules say of each recording there, and
the Rust's defaults; `test_decide.py` holds this file to it, `src/game/attempt/vectors.rs` the Rust (how the file is made
stands there). So what is tuned here is what the box does. Training does not call `courtside replay`: it scores hundreds of
thousands of short sequences a run, and needs no binary.

An attempt opens when p(not none) >= `open` for `open_frames` frames. The outcome shows at the first frame with
p(made) + p(missed) >= `outcome`. From there on the log-odds made : missed are summed, each frame weighted by
p(made) + p(missed). The final comes `final_after_ms` after the outcome showed, or earlier once p(none) >= 0.5 for three
frames, or at `early_ms` where the mean log-odds reach `early_odds`. Where under_way leads again before that
(p(under_way) >= `reopen`: the ball came back up, or still rolls), the outcome had not shown after all, and the sum starts
anew. An attempt that falls back to none without having shown an outcome is dropped, or taken back if it was told. After a
final nothing opens until p(none) >= 0.5 was seen or under_way leads again, and not within 0.7 s of the ring time of the last.

An attempt whose outcome shows more than `ring_long` s after it opened reached the ring `ring_open` s after it opened, not
just before the outcome showed. An outcome that shows although p(under_way) stayed under `ball` since none led is no
attempt's, and is passed over. One rule that the box does not have is here to be measured, and off unless asked for: the final
may wait until `late_ms` where the mean log-odds are under `late_odds`. Nor does the box listen on after a final: `later` says when
it would have heard the opposite, for `score tell --later`.
"""
import math
from dataclasses import dataclass

RING_BEFORE_OUTCOME = 0.13      # s: the outcome shows this long after the ball reached the ring, in the median
APART = 0.7                     # s: two attempts lie at least so far apart
MASS_AT_END = 4.0               # frames' worth of outcome that make a fact when the stream ends before its time
LIMIT = 4.0                     # s: an open attempt without an outcome is given up
BACK_UP = 2.0                   # s: a ball that came up again shows its outcome within so long, or what was told stands
PROVISIONAL_MASS = 2.0          # frames' worth of outcome before the first word
ODDS_AT_MOST = 6.0              # one frame's log-odds count no more


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
    early_odds: float = 6.0
    late_ms: float = 350
    late_odds: float = 0.0
    ring_long: float = 0.6
    ring_open: float = 0.3
    ball: float = 0.0


def softmax(z, temperature=1.0):
    z = [float(v) / temperature for v in z]
    e = [math.exp(v - max(z)) for v in z]
    return [v / sum(e) for v in e]


def ns(seconds):
    return round(seconds * 1e9)


def older(since, at, seconds):
    """True when `at` lies `seconds` or more after `since`, both ns."""
    return at - since >= ns(seconds)


@dataclass
class Call:
    """`made` is None where the model abstains; times in ns."""
    made: bool | None
    odds: float
    share: float
    reached: int


class Attempt:
    """One rim. `look` and `end` return what there is to tell: ("provisional" | "final", Call), ("taken_back", reason) or None.

    `step` and `close` are the same with logits and seconds, and return the facts that became final.
    """

    def __init__(self, rules=None):
        self.r = rules or Rules()
        self.last = None                                    # when the ball of the last attempt reached the ring
        self.quieted(0, 0.0)

    # The states: quiet, open, showing, settled.
    def quieted(self, run, ball):
        self.state, self.run, self.ball, self.told = "quiet", run, ball, None

    def settled(self, last):
        self.state, self.last, self.told = "settled", last, None

    def look(self, at, p):
        """A picture at `at` ns; `p` None while the model is warming."""
        if p is None:
            return self.unclear(at)
        none, way, made, missed = p
        if self.state == "settled":
            if none >= 0.5 or way > made + missed:
                self.quieted(int(1 - none >= self.r.open), way)
            return None
        if self.state == "quiet":
            self.run = self.run + 1 if 1 - none >= self.r.open else 0
            self.ball = way if none >= 0.5 else max(self.ball, way)
            if self.run < max(self.r.open_frames, 1):
                return None
            self.state, self.opened, self.quiet, self.told, self.told_at = "open", at, 0, None, None
        if self.state == "open":
            return self.opening(at, p)
        self.weigh(p)
        if way >= self.r.reopen:
            self.state = "open"
            return None
        return self.judged(at)

    def unclear(self, at):
        if self.state == "quiet":
            self.quieted(0, 0.0)
        elif self.state == "open" and self.too_long(at):
            return self.timed_out()
        elif self.state == "showing":
            return self.judged(at)
        return None

    def end(self):
        """No picture comes any more: an outcome that was in view for some frames is final."""
        if self.state == "quiet":
            self.quieted(0, 0.0)
        elif self.state == "showing" and self.mass >= MASS_AT_END:
            return self.over()
        elif self.state in ("open", "showing"):
            return self.given_up("stream_ended")
        return None

    def opening(self, at, p):
        none, way, made, missed = p
        self.ball = max(self.ball, way)
        if self.too_long(at):                               # first of all: after a gap the outcome is that of another ball
            return self.timed_out()
        if made + missed >= self.r.outcome:
            if self.told is None and self.ball < self.r.ball:
                self.settled(self.last)
                return None
            if self.told is not None:
                self.reached = self.told.reached
            elif at - self.opened > ns(self.r.ring_long):
                self.reached = self.opened + ns(self.r.ring_open)
            else:
                self.reached = at - ns(RING_BEFORE_OUTCOME)
            self.state, self.shown, self.mass, self.evidence, self.quiet = "showing", at, 0.0, 0.0, 0
            self.weigh(p)
            return self.judged(at)
        self.quiet = self.quiet + 1 if none >= 0.5 else 0
        return self.given_up("no_outcome") if self.quiet >= 5 else None

    def weigh(self, p):
        none, _, made, missed = p
        odds = math.log(made + 1e-9) - math.log(missed + 1e-9)
        self.mass += made + missed
        self.evidence += (made + missed) * max(-ODDS_AT_MOST, min(ODDS_AT_MOST, odds))
        self.quiet = self.quiet + 1 if none >= 0.5 else 0

    def judged(self, at):
        r, odds = self.r, abs(self.odds())
        late = older(self.shown, at, r.final_after_ms / 1000) and odds >= r.late_odds or older(self.shown, at, max(r.late_ms, r.final_after_ms) / 1000)
        if late or older(self.shown, at, r.early_ms / 1000) and odds >= r.early_odds or self.quiet >= 3:
            return self.over()
        call = self.call()
        if self.mass >= PROVISIONAL_MASS and call.share >= r.provisional and self.told is None and not self.echo():
            self.told, self.told_at = call, at
            return "provisional", call
        return None

    def over(self):
        if self.echo():
            self.settled(self.last)
            return None
        call = self.call()
        if abs(call.odds) < self.r.unsure:
            call.made = None
        self.settled(call.reached)
        return "final", call

    def given_up(self, reason):
        told = self.told
        self.last = told.reached if told else self.last
        self.quieted(0, 0.0)
        return ("taken_back", reason) if told else None

    def timed_out(self):
        """It took too long: what was told stands, since nothing came to say otherwise."""
        told = self.told
        if told is None:
            self.quieted(0, 0.0)
            return None
        self.settled(told.reached)
        return "final", told

    def too_long(self, at):
        return older(self.told.reached, at, BACK_UP) if self.told else older(self.opened, at, LIMIT)

    def echo(self):
        """True where this is the ball of the attempt before, seen again too soon, and nobody was told."""
        return self.told is None and self.last is not None and not older(self.last, self.reached, APART)

    def odds(self):
        """The mean, not the sum: pictures of one attempt are no independent witnesses."""
        return self.evidence / max(self.mass, 1e-6)

    def call(self):
        odds = self.odds()
        return Call(odds > 0, odds, 1 / (1 + math.exp(-abs(odds))), self.reached)

    # For sequences of logits.
    def step(self, t, logits):
        return self.facts_of(self.look(ns(t), softmax(logits, self.r.temperature)), t)

    def close(self, t):
        return self.facts_of(self.end(), t)

    def facts_of(self, ruling, t):
        if ruling is None or ruling[0] != "final":
            return []
        call, seconds = ruling[1], lambda at: None if at is None else at / 1e9
        return [{"t": call.reached / 1e9, "made": call.odds > 0, "odds": call.odds, "unsure": call.made is None, "decided": t,
                 "opened": seconds(self.opened), "provisional": seconds(self.told_at), "shown": seconds(self.shown)}]


def later(times, logits, fact, mass=5.0, odds=3.0):
    """When what follows a final says the opposite (s), or None. Pictures with an outcome are counted from the first that contradicts it,
    until they weigh `mass` with mean log-odds of `odds`; one that agrees starts the count anew. Within 2 s, and only where the first
    came so soon that another ball could not be told (APART): later it is an attempt of its own."""
    sign, weight, evidence, first = 1 if fact["made"] else -1, 0.0, 0.0, None
    for t, z in zip(times, logits):
        if t <= fact["decided"] or t > fact["decided"] + BACK_UP:
            continue
        _, _, made, missed = softmax(z)
        if made + missed < 0.5:
            continue
        one = max(-ODDS_AT_MOST, min(ODDS_AT_MOST, math.log(made + 1e-9) - math.log(missed + 1e-9)))
        if one * sign > 0:
            weight, evidence, first = 0.0, 0.0, None
            continue
        if first is None:
            first = t
            if first - RING_BEFORE_OUTCOME - fact["t"] >= APART:
                return None
        weight, evidence = weight + made + missed, evidence + (made + missed) * abs(one)
        if weight >= mass and evidence / weight >= odds:
            return float(t)
    return None


def facts(times, logits, rules=None):
    a, out = Attempt(rules), []
    for t, z in zip(times, logits):
        out += a.step(float(t), z)
    return out + (a.close(float(times[-1])) if len(times) else [])
