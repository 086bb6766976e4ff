"""Odd onMetaData, unknown data messages and user control events, then an ordinary stream."""
import sys

from lib.paths import *
from lib.rtmp import *
PORT = int(sys.argv[1]); KEY = sys.argv[2]

p = Pub(PORT); print(p.go(KEY))
meta = {'width': 320, 'height': 180, 'videocodecid': 7, 'framerate': 30}
def data(*vs): p.msg(18, b''.join(map(val, vs)), sid=1, cs=4)
odd = [('@setDataFrame', 'onMetaData', NULL), ('onMetaData', UNDEF), ('@setDataFrame', 'onMetaData', [1, 2, 'x']), ('@setDataFrame', 'onMetaData', typed('Meta', meta)),
       ('@setDataFrame', 'onMetaData', ecma({**meta, 'comment': 'x' * 60000})), ('@setDataFrame', 'onMetaData', obj({'encoder': 'Kamera Ünï \u0001\u202e evil', 'a': b'\x0b' + struct.pack('>dh', 1.6e12, 0)})),
       ('@setDataFrame',), ('onMetaData',), (5,), ('onTextData', {'text': 'hi'}), ('@setDataFrame', 'onMetaData', ecma(meta)[:-3]), ('@setDataFrame', 'onMetaData', b'\x08' + struct.pack('>I', 99999) + members(meta)),
       ('@clearDataFrame', 'onMetaData'), ('|RtmpSampleAccess', True, True), ('onFI', {'sd': '01-01-1970', 'st': '00:00:00.0'}), ('onFI', {'sd': '31-12-2099', 'st': '23:59:59.9'})]
for o in odd: data(*o)
p.msg(15, b'\x00' + b''.join(map(val, ('onMetaData', meta))), sid=1, cs=4)
p.msg(4, struct.pack('>HII', 3, 1, 3000), cs=2); p.msg(4, struct.pack('>HI', 31, 1), cs=2); p.msg(4, b'\x00\x1a', cs=2); p.msg(16, b'zzz', cs=4); p.msg(19, b'zzz', cs=4)
print('alive', not p.closed); print(play(p, flv(IN + 'av.flv')))
p.bye()
