"""Forms: tff (interlaced), 422 (10 bit 4:2:2), odd (854x482, cropped), b (B pictures), burst (bursts of 2 s)."""
import sys

from lib.paths import *
from lib.rtmp import *
PORT = int(sys.argv[1]); KEY = sys.argv[2]

form = sys.argv[3]; p = Pub(PORT); print(p.go(KEY))
print(play(p, flv(IN + ('av.flv' if form == 'burst' else 'av_%s.flv' % form)), burst=2 if form == 'burst' else 0)); time.sleep(0.5); print('closed', p.closed, p.seen[-1]); p.bye()
