"""Chunk streams with two- and three-byte ids, sizes changed in mid-stream, extended times with and without
their repetition in type 3 chunks, deltas. Forms: csid2, csid3, sizes, ext, extno3, wrap, huge, small, delta."""
import sys

from lib.paths import *
from lib.rtmp import *
PORT = int(sys.argv[1]); KEY = sys.argv[2]

form = sys.argv[3]; base = {'ext': 0x01000000 - 3000, 'extno3': 0x01000000 - 3000, 'wrap': 0xffffffff - 5000, 'huge': 0xf0000000}.get(form, 0)
p = Pub(PORT); print(p.go(KEY, chunk=128 if form == 'small' else 1000))
tags = flv(IN + 'av.flv'); n = 0
csv, csa = {'csid2': (64, 100), 'csid3': (320, 65599)}.get(form, (6, 4))
last = {}
def send(k, ts, b):
    global n
    n += 1
    cs = {9: csv, 8: csa}.get(k, 5)
    if form == 'sizes' and n % 7 == 0: p.set_chunk([1, 127, 65536, 0x7fffffff, 33, 4096][n // 7 % 6])
    if form == 'delta' and k in last and k != 18:
        d = ts - last[k][0]; f = 2 if last[k][1] == len(b) else 1
        if f == 2 and d == last[k][2]: p.msg(k, b, cs=cs, fmt=3, delta=0, sid=1)
        else: p.msg(k, b, cs=cs, fmt=f, delta=d, sid=1)
        last[k] = (ts, len(b), d)
    else:
        p.msg(k, b, ts=base + ts, sid=1, cs=cs, ext3=form != 'extno3')
        last[k] = (ts, len(b), None)
def each(k, ts, b): send(k, ts, b); return []
print(play(p, tags, each=each)); p.bye()
