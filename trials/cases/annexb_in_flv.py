"""SRS #184, PHZ76/rtmp #14: pictures with start codes in place of lengths. Forms: pictures, rec (the record
in start codes too), none (no record)."""
import sys

from lib.paths import *
from lib.rtmp import *
PORT = int(sys.argv[1]); KEY = sys.argv[2]

form = sys.argv[3] if len(sys.argv) > 3 else 'pictures'
p = Pub(PORT); print(p.go(KEY)); sets = None
def each(k, ts, b):
    global sets
    if k != 9: return [(k, ts, b)]
    if is_seq(b):
        s, q = avcc_sets(b[5:]); sets = s + q
        return [(9, ts, b[:5] + b''.join(b'\0\0\0\1' + x for x in sets))] if form == 'rec' else [] if form == 'none' else [(9, ts, b)]
    ns = nals(b)
    if form in ('rec', 'none') and b[0] >> 4 == 1: ns = sets + ns
    return [(9, ts, b[:5] + b''.join(b'\0\0\0\1' + x for x in ns))]
print(play(p, flv(IN + 'av.flv'), each=each)); p.bye()
