"""SRS #4625: AUD before, SEI after each picture as messages of their own with the picture's time; a type-13 NAL."""
import sys

from lib.paths import *
from lib.rtmp import *
PORT = int(sys.argv[1]); KEY = sys.argv[2]

p = Pub(PORT); print(p.go(KEY)); n = 0
AUD = b'\x09\xf0'; SEI = b'\x06\x05\x14' + bytes(range(16)) + b'hey!' + b'\x80'
def each(k, ts, b):
    global n
    if k != 9 or is_seq(b): return [(k, ts, b)]
    n += 1; h = b'\x27\x01\0\0\0'
    return [(9, ts, h + pack([AUD])), (9, ts, b), (9, ts, h + pack([SEI]))] + ([(9, ts, h + pack([b'\x6d' + b'\x00\x01\x02\x80']))] if n % 30 == 0 else [])
print(play(p, flv(IN + 'av.flv'), each=each)); p.bye()
