"""mediamtx #3000, mpv #5564: every picture has the same time (zero), or only pictures (video); slow counts 1 ms a
picture, half runs at half speed."""
import sys

from lib.paths import *
from lib.rtmp import *
PORT = int(sys.argv[1]); KEY = sys.argv[2]

form = sys.argv[3] if len(sys.argv) > 3 else 'zero'
p = Pub(PORT); print(p.go(KEY)); n = 0
def each(k, ts, b):
    global n
    if form == 'half': return [(k, ts // 2, b)]
    if form == 'slow':
        if k == 9: n += 1; return [(k, n, b)]
        return [(k, ts // 33, b)]
    return [(k, 0 if form == 'zero' or k == 9 else ts, b)]
tags = flv(IN + 'av.flv')
loops = int(sys.argv[4]) if len(sys.argv) > 4 else 1
long = [(k, ts + 12000 * i, b) for i in range(loops) for k, ts, b in tags]
print(play(p, long, each=each)); p.bye()
