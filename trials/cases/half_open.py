"""nginx-rtmp #1152, #1779, NMS #449: the publisher vanishes without FIN (freeze), comes back (back), comes back every
3 s (often N), resets (rst)."""
import sys

from lib.paths import *
from lib.rtmp import *
PORT = int(sys.argv[1]); KEY = sys.argv[2]

form = sys.argv[3]; tags = flv(IN + 'av.flv')
if form == 'freeze':          # TCP stays open, nothing is sent any more
    p = Pub(PORT); print(p.go(KEY)); print(play(p, tags, stop=3)); t = time.time()
    p.wait(lambda x: x[0] == 'CLOSED', 40); print('closed after', round(time.time() - t, 1), p.seen[-2:])
elif form == 'back':
    p = Pub(PORT); print(p.go(KEY)); play(p, tags, stop=3)
    q = Pub(PORT, host='127.0.0.1'); t = time.time(); print(q.go(KEY), 'after', round(time.time() - t, 2)); print(play(q, tags, stop=5)); print('old closed', p.closed, p.seen[-2:])
elif form == 'often':
    for i in range(int(sys.argv[4])):
        p = Pub(PORT, quiet=True); r = p.go(KEY); ok = play(p, tags, stop=3); print(i, r[-1].get('code'), ok, flush=True); p.sock.close()
elif form == 'rst':
    p = Pub(PORT); print(p.go(KEY)); play(p, tags, stop=3)
    p.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); p.sock.close()
