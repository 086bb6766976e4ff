#!/usr/bin/env python3
"""camera.py PORT KEY SOURCE: plays the demo's game at real pace for ever. Prints pictures sent and interruptions, twice a second."""
import sys, time

import wire as W

def main():
    port, key, source = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    tags = [t for t in W.R.flv(W.GAME) if t[0] in (8, 9)]
    length = tags[-1][1] + 33
    sent = breaks = 0
    told = time.monotonic()
    while True:
        p, _, said = W.publisher(port, key, source)
        if not p:
            breaks += 1; print(sent, breaks, flush=True); time.sleep(0.5)
            continue
        begin, turn = time.monotonic(), 0
        try:
            while not p.closed:
                for kind, ts, body in tags:
                    at = ts + turn * length
                    late = begin + at / 1000 - time.monotonic()
                    if late > 0: time.sleep(late)
                    if turn and kind == 9 and W.R.is_seq(body): continue
                    p.msg(kind, body, ts=at, sid=1, cs=6 if kind == 9 else 4)
                    if kind == 9 and not W.R.is_seq(body): sent += 1
                    if time.monotonic() - told > 0.5: told = time.monotonic(); print(sent, breaks, flush=True)
                turn += 1
        except OSError:
            pass
        p.bye(); breaks += 1; print(sent, breaks, flush=True)

if __name__ == "__main__":
    try: main()
    except KeyboardInterrupt: pass
