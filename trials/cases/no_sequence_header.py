"""SRS #2994, ireader/media-server #8: no sequence header (form none), one with no sets (empty), or one without its PPS (nopps); the sets stand in the key pictures, each NAL unit in a message of its own in form apart"""
import sys

from lib.paths import *
from lib.rtmp import *
PORT = int(sys.argv[1]); KEY = sys.argv[2]; form = sys.argv[3]; p = Pub(PORT, quiet=True); p.go(KEY); sets = []
def each(k, ts, b):
    if k != 9: return [(k, ts, b)]
    if is_seq(b):
        s, q = avcc_sets(b[5:]); sets.extend(s + q)
        if form == 'empty': return [(9, ts, b[:5] + b[5:10] + b'\xe0\x00')]
        if form == 'nopps': return [(9, ts, b[:5] + b[5:10] + b'\xe1' + len(s[0]).to_bytes(2, 'big') + s[0] + b'\x00')]
        return []
    if b[0] >> 4 == 1:
        if form == 'apart': return [(9, ts, b[:5] + pack([x])) for x in sets + nals(b)]
        return [(9, ts, b[:5] + pack(sets) + b[5:])]
    return [(k, ts, b)]
print(play(p, flv(IN + 'av.flv'), each=each)); p.bye()
