"""mediamtx #4262, nginx-rtmp #890: sets change each second. Forms: size (320x180 / 640x360), rotate (320x180 /
180x320), sps (a harmless field); a second word `inband`: sets only inside key pictures."""
import sys

from lib.paths import *
from lib.rtmp import *
PORT = int(sys.argv[1]); KEY = sys.argv[2]

form = sys.argv[3]; inband = 'inband' in sys.argv
a = flv(IN + 'av.flv'); b2 = {'size': 'av_big.flv', 'rotate': 'av_port.flv'}.get(form, 'av.flv'); b = flv(IN + b2)
def seq(t): return next(x[2] for x in t if x[0] == 9 and is_seq(x[2]))
p = Pub(PORT); print(p.go(KEY))
sa, sb = seq(a), seq(b)
if form == 'sps':
    r = bytearray(sb); i = r.index(b'\x67', 8); r[i + 2] ^= 4; r[7] ^= 4; sb = bytes(r)   # a constraint flag
va = [x for x in a if x[0] == 9 and not is_seq(x[2])]; vb = [x for x in b if x[0] == 9 and not is_seq(x[2])]
au = [x for x in a if x[0] == 8]
out = []
for i, (x, y) in enumerate(zip(va, vb)):
    odd = (i // 30) % 2; k, ts, body = (y if odd else x); ts = x[1]
    if i % 30 == 0:
        s = sb if odd else sa
        if inband:
            q, w = avcc_sets(s[5:]); body = body[:5] + pack(q + w) + body[5:]
            if i == 0: out.append((9, ts, s))
        else: out.append((9, ts, s))
    out.append((9, ts, body))
print(play(p, sorted(out + au, key=lambda x: x[1]))); p.bye()
