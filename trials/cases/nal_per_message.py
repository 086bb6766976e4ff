"""MiBeeNvr #427: each NAL unit is an RTMP message of its own, all of a picture with one timestamp."""
import sys

from lib.paths import *
from lib.rtmp import *
PORT = int(sys.argv[1]); KEY = sys.argv[2]

p = Pub(PORT); print(p.go(KEY))
def each(k, ts, b):
    if k != 9 or is_seq(b): return [(k, ts, b)]
    return [(9, ts, b[:5] + pack([n])) for n in nals(b)]
print(play(p, flv(IN + 'av_slices.flv'), each=each)); p.bye()
