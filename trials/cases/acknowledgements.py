"""SRS #795, #598: an encoder stops after its window when nothing is acknowledged. It announces W bytes (0: nothing)
and counts what comes back."""
import sys

from lib.paths import *
from lib.rtmp import *
PORT = int(sys.argv[1]); KEY = sys.argv[2]

W = int(sys.argv[3]); p = Pub(PORT, quiet=True); p.handshake(); p.connect('live')
if W: p.msg(5, struct.pack('>I', W), cs=2)
p.set_chunk(4096); print(p.publish(KEY)); tags = flv(IN + 'av.flv'); n = 0
def each(k, ts, b):
    global n
    if k == 9 and not is_seq(b): b = b + pack([b'\x0c' + b'\xff' * 60000 + b'\x80'])
    n += len(b); return [(k, ts, b)]
print(play(p, tags, each=each)); print('sent', n, 'acknowledgements', p.acks, 'one per', n // max(1, p.acks)); p.bye()
