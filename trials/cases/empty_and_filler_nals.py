"""cosmo-edge #42: NAL units of length 0, filler data, zeros behind NAL units, sets before every key picture, the
sequence header again each second."""
import sys

from lib.paths import *
from lib.rtmp import *
PORT = int(sys.argv[1]); KEY = sys.argv[2]

p = Pub(PORT); print(p.go(KEY)); seq = None
def each(k, ts, b):
    global seq
    if k != 9: return [(k, ts, b)]
    if is_seq(b): seq = b; return [(k, ts, b)]
    ns = nals(b); out = [b'', b'\x0c' + b'\xff' * 300 + b'\x80', b''] + [x + b'\0\0\0' for x in ns] + [b'']
    if b[0] >> 4 == 1:
        s, q = avcc_sets(seq[5:]); out = s + q + [b''] + s + q + out
        return [(9, ts, seq), (9, ts, b[:5] + pack(out))]
    return [(9, ts, b[:5] + pack(out))]
print(play(p, flv(IN + 'av.flv'), each=each)); p.bye()
