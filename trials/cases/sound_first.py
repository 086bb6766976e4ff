"""mediamtx #2790: a camera sends sound alone for N seconds, then pictures."""
import sys

from lib.paths import *
from lib.rtmp import *
PORT = int(sys.argv[1]); KEY = sys.argv[2]

N = float(sys.argv[3]) if len(sys.argv) > 3 else 2
p = Pub(PORT); print(p.go(KEY)); seq = None; started = False
def each(k, ts, b):
    global seq, started
    if k == 9 and is_seq(b): seq = b; return []
    if k == 9:
        if ts < N * 1000: return []
        if not started:
            if b[0] >> 4 != 1: return []
            started = True; return [(9, ts, seq), (9, ts, b)]
    return [(k, ts, b)]
print(play(p, flv(IN + 'av.flv'), each=each)); p.bye()
