"""Red5 #84: 15 h forwards in mid-stream (fwd15h); go2rtc #1943: back to 0 (zero); back1, fwd5, fwd12: seconds. No key
picture at the jump."""
import sys

from lib.paths import *
from lib.rtmp import *
PORT = int(sys.argv[1]); KEY = sys.argv[2]

form = sys.argv[3]
p = Pub(PORT); print(p.go(KEY)); cut = 5500
def each(k, ts, b):
    if ts >= cut: ts = {'fwd15h': ts + 54000000, 'zero': ts - cut, 'back1': ts - 1000, 'fwd5': ts + 5000, 'fwd12': ts + 12000, 'drift': ts}[form]
    return [(k, ts, b)]
print(play(p, flv(IN + 'av.flv'), each=each)); p.bye()
