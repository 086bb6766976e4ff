"""Writes first.facts.jsonl: what a box tells of a short game. Every call and figure below was set by hand;
this only puts the envelopes round them. `python3 make.py > first.facts.jsonl`."""
import json

GAME, OF_GAME, CAMERA = "first", "00000000000000aa", "00000000000000c1"
BLUES = 'The <b>Blues</b> & Co'
count, revisions = {}, {}


def tell(kind, family, n, data, at, *, session=CAMERA, place="north", game=GAME):
    fact = f"{session}-{family}-{n}"
    revision = revisions[fact] = revisions.get(fact, -1) + 1
    count[place] = count.get(place, 0) + 1
    envelope = {
        "specversion": "1.0", "id": f"{fact}.{revision}", "source": f"courtside:rim-1/{place}",
        "type": f"courtside.{kind}.v1", "time": f"2026-11-22T18:{at // 60:02}:{at % 60:02}.000Z",
        "datacontenttype": "application/json", "subject": f"{session}/{n}", "sequence": str(count[place]),
        "session": session, "fact": fact, "revision": revision, "historical": False, "clocksource": "sei",
        "clockerrorms": 5, **({"game": game} if game else {}), "data": data,
    }
    print(json.dumps(envelope, ensure_ascii=False))
    return fact


def whole(kind, family, data, at):
    return tell(kind, family, 1, {"game": GAME, **data}, at, session=OF_GAME, place=GAME)


def game(at, period, state="running", **more):
    teams = [{"id": "reds", "name": "Reds", "color": "#c62828"}, {"id": "blues", "name": BLUES}]
    players = [{"id": "7", "team": "reds", "name": "Ana"}, {"id": "9", "team": "reds", "name": "Bo"},
               {"id": "4", "team": "blues", "name": "Cy"}]
    whole("game", "game", {"state": state, "rules": "pickup", "teams": teams, "courts": ["north"],
                           "players": players, "period": period, "periods": 2, **more}, at)


def shot(n, t, word, points, team, player, *, by=None, who=None, reason=None, bundle="rimnet", provisional=False):
    data = {"rim": 0, "t_stream": float(t), "t_decided": t + 0.3, "confidence": 0.9, "provisional": provisional,
            "points": points, "points_by": "operator" if by else "rules", "team": team, "team_by": "rules",
            "model": {"bundle": bundle, "version": "1", "precision": "fp32", "engine": "builtin"},
            "latency_ms": 30.0}
    for name, value in (("player", player), ("by", by), ("who", who), ("reason", reason)):
        if value:
            data[name] = value
    return tell(f"shot.{word}", "shot", n, data, t)


def seen(n, t, word, points, team, player, share):
    shot(n, t, word, points, team, player, provisional=True)
    fact = shot(n, t, word, points, team, player)
    momentum(share, t, fact)


def momentum(share, at, after=None, run=None):
    pair = [("reds", share), ("blues", round(1 - share, 4))]
    data = {"drought": [{"team": team, "misses": 0, "seconds": 0} for team, _ in pair], "swing": 0, "swing_shots": 5,
            "win": [{"team": team, "share": of} for team, of in pair], "leverage": [], "pending_points": 0}
    if run:
        data["run"] = run
    if after:
        data["after"] = after
    whole("momentum", "momentum", data, at)


def highlight(n, shot_n, at, score, leverage, kind="made"):
    clip = f"/v1/clips/north-{CAMERA}-highlight-{n}"
    parts = {"leverage": leverage, "rarity": 0.4, "run": 0.1}
    tell("highlight", "highlight", n, {"shot": f"{CAMERA}-shot-{shot_n}", "reason": "made", "t_stream": float(at),
                                       "clip": clip, "kind": kind, "score": score, "parts": parts}, at)
    return clip


def score(at, reds, blues, changes, ties, after):
    def of(team, points, made, attempts, by_period):
        return {"team": team, "points": points, "made": made, "attempts": attempts, "by_period": by_period}
    leads = {} if reds[0] == blues[0] else {"leads": "reds" if reds[0] > blues[0] else "blues"}
    whole("game.score", "score", {
        "period": len(reds[3]), "teams": [of("reds", *reds), of("blues", *blues)],
        "pending": {"attempts": 0, "made": 0, "points": 0}, **leads, "by": abs(reds[0] - blues[0]),
        "lead_changes": changes, "ties": ties, "after": f"{CAMERA}-shot-{after}"}, at)


game(0, 1)
momentum(0.5, 0)
seen(1, 10, "made", 2, "reds", "7", 0.58)
highlight(1, 1, 10, 31.0, 0.2)
score(10, (2, 1, 1, [2]), (0, 0, 0, [0]), 0, 0, 1)
seen(2, 25, "missed", 2, "blues", "4", 0.60)
seen(3, 40, "made", 1, "blues", "4", 0.55)
seen(4, 55, "made", 2, "reds", "9", 0.66)
seen(5, 70, "missed", 1, "reds", "7", 0.63)
seen(6, 85, "made", 2, "blues", "4", 0.55)
score(85, (4, 2, 3, [4]), (3, 2, 3, [3]), 0, 0, 6)
# The operator: number 4 was a 1, not a 2.
shot(4, 55, "made", 1, "reds", "9", by="operator", who="Ada", reason="#toe on the line, not =2")
momentum(0.50, 85, f"{CAMERA}-shot-4")
seen(7, 100, "made", 1, "reds", "7", 0.58)
highlight(2, 7, 100, 20.0, 0.3)
seen(8, 115, "made", 2, "blues", "4", 0.42)
clip = highlight(3, 8, 115, 74.0, 0.6, kind="lead_change")
# The operator: number 7 was none, the ball was out.
tell("shot.withdrawn", "shot", 7, {"t_stream": 100.0, "reason": "the ball was out", "by": "operator"}, 100)
tell("highlight.withdrawn", "highlight", 2, {"t_stream": 100.0, "reason": "the ball was out", "by": "operator"}, 100)
momentum(0.33, 115, f"{CAMERA}-shot-7", {"team": "blues", "points": 4, "shots": 2, "seconds": 30})
game(180, 2)
seen(9, 200, "made", 1, "reds", "7", 0.40)
seen(10, 215, "missed", 2, "blues", None, 0.44)
seen(11, 230, "made", 2, "reds", "9", 0.62)
highlight(4, 11, 230, 55.0, 0.5)
# The operator: nobody saw a 1 of Ana's at 205 s.
shot(12, 205, "made", 1, "reds", "7", by="operator", reason="not seen", bundle="operator")
momentum(0.75, 230, f"{CAMERA}-shot-12", {"team": "reds", "points": 4, "shots": 3, "seconds": 30})
score(230, (7, 5, 6, [3, 4]), (5, 3, 5, [5, 0]), 2, 2, 12)
tell("clip", "clip", 1, {"id": clip.rsplit("/", 1)[1], "clip": clip, "state": "kept", "reason": "made",
                         "note": "look again #Dunk", "t_from": 109.0, "t_to": 119.0}, 240, game=None)


def row(rank, team, points, made, attempts, percent, player=None, run=None):
    data = {"rank": rank, "team": team, "points": points, "made": made, "attempts": attempts, "percent": percent,
            "streak": 0, "best_streak": 3, "by_value": []}
    return {**data, **({"player": player} if player else {}), **({"best_run": run} if run else {})}


whole("leaderboard", "leaderboard", {
    "teams": [row(1, "reds", 7, 5, 6, 83, run=4), row(2, "blues", 5, 3, 5, 60, run=4)],
    "players": [row(1, "blues", 5, 3, 4, 75, "4"), row(2, "reds", 4, 3, 4, 75, "7"), row(3, "reds", 3, 2, 2, 100, "9")]},
    230)
game(300, 2, "over", winner="reds", ended="operator")
# Of another game, on the same court.
tell("shot.made", "shot", 13, {"rim": 0, "t_stream": 400.0, "t_decided": 400.3, "confidence": 0.9, "provisional": False,
                               "points": 3, "team": "reds", "latency_ms": 30.0, "model": {
                                   "bundle": "rimnet", "version": "1", "precision": "fp32", "engine": "builtin"}},
     400, game="second")
