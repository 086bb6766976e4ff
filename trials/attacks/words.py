"""Finding 6: words from outside. The runner scans log, `doctor`, state and page for all attacks; these say them."""
import time

import texts as T
import wire as W
from registry import attack

def scan(v, at):
    """What went through raw since `at`, in what the box says."""
    wrong = []
    said = {"the log": v.log(at, raw=True)}
    code, state = W.ask(v.http, "/v1/state", head=v.bearer, source=W.OPERATOR, whole=True)
    body = state.partition(b"\r\n\r\n")[2]
    import json
    def strings(x):
        if isinstance(x, str): yield x
        elif isinstance(x, dict):
            for k, y in x.items(): yield k; yield from strings(y)
        elif isinstance(x, list):
            for y in x: yield from strings(y)
    try: told = "\n".join(strings(json.loads(body)))
    except ValueError: told = ""
    said["/v1/state"] = told
    said["doctor"] = v.doctor()
    for where, text in said.items():
        forged, odd = T.raw_in(text)
        if forged or odd: wrong.append(f"{where}: {forged} forged lines, {odd} odd characters")
    return wrong

@attack(6)
def words_of_the_broker(v, seconds):
    "CONNACK, PUBACK and DISCONNECT whose reasons hold ESC, a forged line, bidi, zero width"
    at = v.log_size()
    v.gate("hostile")
    wrong, end = [], time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            time.sleep(2)
            for one in scan(v, at):
                if one.split(":")[0] not in [x.split(":")[0] for x in wrong]: wrong.append(one)
    finally:
        v.gate("real")
    sessions = v.log(at).count("broker")
    return {"note": f"{sessions} lines that name the broker; " + ("; ".join(wrong) or "all escaped"), **({"wrong": wrong} if wrong else {})}

@attack(6, court="c")
def words_of_an_encoder(v, seconds):
    "flashVer, keys, metadata and HTTP heads that hold the same"
    at, wrong, end, n = v.log_size(), [], time.monotonic() + seconds, 0
    while time.monotonic() < end:
        n += 1
        text = T.hostile("encoder", n)
        p, _, _ = W.publisher(v.rtmp, v.key("c"), W.hostile(80), flash=text)
        if p:
            try:
                p.msg(18, W.R.st("@setDataFrame") + W.R.st("onMetaData") + W.R.obj({"encoder": text, text[:60]: text, "audiocodecid": text}), sid=1, cs=4)
                p.msg(18, W.R.st(text[:120]) + W.R.obj({"x": text}), sid=1, cs=4)
                p.msg(9, b"\x90hvc\x1b" + text.encode("utf-8")[:40], sid=1, cs=6)
                time.sleep(1.2)
                for one in scan(v, at):
                    if one.split(":")[0] not in [x.split(":")[0] for x in wrong]: wrong.append(one)
            except OSError: pass
            p.bye()
        one = W.dial(v.rtmp, W.hostile(81)); one.sendall(W.breath(text, flash=text)); W.verdict_of(one, 2); W.shut(one)
        W.ask(v.http, "/%1b%5b2J%0aforged", head=f"User-Agent: {text[:20].encode('ascii', 'ignore').decode().splitlines()[0]}\r\nAuthorization: Bearer \x1b[2J\r\n", source=W.hostile(82))
        time.sleep(0.3)
    time.sleep(1); wrong += [one for one in scan(v, at) if one.split(":")[0] not in [x.split(":")[0] for x in wrong]]
    return {"note": f"{n} turns; " + ("; ".join(wrong) or "all escaped"), **({"wrong": wrong} if wrong else {})}
