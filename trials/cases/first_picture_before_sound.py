"""Both records first (as ffmpeg and OBS send them), then the first picture before the first sound: what sound has the first group of pictures?"""
import sys

from lib.paths import *
from lib.rtmp import *
PORT = int(sys.argv[1]); KEY = sys.argv[2]
p = Pub(PORT, quiet=True); p.go(KEY); t = flv(IN + 'av.flv'); v0 = next(i for i, x in enumerate(t) if x[0] == 9 and not is_seq(x[2]))
t = [x for x in t if x[0] != 8 or x[2][1] == 0 or x[1] >= t[v0][1]]   # no sound older than the first picture
v = next(x for x in t if x[0] == 9 and not is_seq(x[2])); t.remove(v); i = next(i for i, x in enumerate(t) if x[0] == 8 and x[2][1] == 1); t.insert(i, v)
print([(x[0], x[1], x[2][1]) for x in t[:6]]); print(play(p, t)); p.bye()
