"""Forms: mp3, pcma, opus (enhanced), adts (headers inside AAC tags), noconfig (AAC without its record), late (record
after 3 s), rate (48 kHz stereo after 6 s), hev2 (explicit SBR and PS)."""
import sys

from lib.paths import *
from lib.rtmp import *
PORT = int(sys.argv[1]); KEY = sys.argv[2]

form = sys.argv[3]
p = Pub(PORT); print(p.go(KEY)); f = {'mp3': 'av_mp3.flv', 'pcma': 'av_pcma.flv'}.get(form, 'av.flv'); cfg = None; told = False
def each(k, ts, b):
    global cfg, told
    if k != 8 or form in ('mp3', 'pcma'): return [(k, ts, b)]
    seq = b[1] == 0
    if seq: cfg = b
    if form == 'opus': return [(8, ts, bytes([0x90 | (0 if seq else 1)]) + b'Opus' + (b'OpusHead\x01\x01' + bytes(9) if seq else b[2:]))]
    if form == 'adts':
        if seq: return [(k, ts, b)]
        n = len(b) - 2 + 7; h = bytes([0xff, 0xf1, 0x50, 0x40 | n >> 11, n >> 3 & 255, (n & 7) << 5 | 0x1f, 0xfc])
        return [(8, ts, b[:2] + h + b[2:])]
    if form == 'noconfig': return [] if seq else [(k, ts, b)]
    if form == 'late':
        if seq: return []
        if ts > 3000 and not told: told = True; return [(8, ts, cfg), (8, ts, b)]
        return [(k, ts, b)]
    if form == 'rate' and ts > 6000 and not told: told = True; return [(8, ts, b[:1] + b'\x00' + b'\x11\x90'), (8, ts, b)]
    if form == 'hev2' and seq: return [(8, ts, b[:1] + b'\x00' + bytes.fromhex('eb8a0800'))]
    return [(k, ts, b)]
print(play(p, flv(IN + f), each=each)); p.bye()
