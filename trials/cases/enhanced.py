"""mediamtx #3685, #1279: enhanced RTMP. Forms: avc1, modex (nanoseconds), multi (two tracks), one, twitch, av1, vp9."""
import sys

from lib.paths import *
from lib.rtmp import *
PORT = int(sys.argv[1]); KEY = sys.argv[2]

form = sys.argv[3]; N = float(sys.argv[4]) if len(sys.argv) > 4 else 12
p = Pub(PORT); print(p.go(KEY)); n = 0
def each(k, ts, b):
    global n
    if k != 9: return [(k, ts, b)]
    ft = b[0] >> 4; s = is_seq(b); pk = 0 if s else 1; body = b[5:] if s else b[2:]
    cc = {'av1': b'av01', 'vp9': b'vp09'}.get(form, b'avc1'); n += 1
    if form == 'modex':
        return [(9, ts, bytes([0x80 | ft << 4 | 7, 2]) + ((n * 333333) % 1000000).to_bytes(3, 'big') + bytes([0 << 4 | pk]) + cc + body)]
    if form == 'one':     # one track
        return [(9, ts, bytes([0x80 | ft << 4 | 6, 0 << 4 | pk]) + cc + b'\x00' + body)]
    if form == 'multi':   # many tracks, same codec: track ids 0 and 1 with sizes
        t = lambda i: bytes([i]) + len(body).to_bytes(3, 'big') + body
        return [(9, ts, bytes([0x80 | ft << 4 | 6, 1 << 4 | pk]) + cc + t(0) + t(1))]
    if form == 'twitch':  # OBS enhanced broadcasting: track 0 the old way, others as OneTrack messages
        return [(9, ts, b), (9, ts, bytes([0x80 | ft << 4 | 6, 0 << 4 | pk]) + cc + b'\x01' + body)]
    return [(9, ts, bytes([0x80 | ft << 4 | pk]) + cc + body)]
print(play(p, flv(IN + 'av.flv'), each=each, stop=N)); time.sleep(1); print('closed', p.closed, p.seen[-2:]); p.bye()
