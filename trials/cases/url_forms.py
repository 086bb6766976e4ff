"""Every way that people type address and key. Each line: what was sent, what came back."""
import sys

from lib.paths import *
from lib.rtmp import *
PORT = int(sys.argv[1]); KEY = sys.argv[2]

K = KEY
def one(label, app, name, tcurl=None, extra=None, host='127.0.0.1', order=True):
    p = Pub(PORT, host=host, quiet=True); p.handshake()
    r = p.connect(app, tcurl, extra); res = None
    if r and r[1] == '_result':
        p.set_chunk(4096); res = p.publish(name)
    else: res = r
    why = (res[-1].get('code'), res[-1].get('description')) if res and isinstance(res[-1], dict) else res
    print('%-46s %s' % (label, why), flush=True); p.bye(); time.sleep(0.1)
one('plain live + KEY', 'live', K)
one('live/ + KEY', 'live/', K)
one('/live + KEY', '/live', K)
one('live + /KEY', 'live', '/' + K)
one('live + KEY/', 'live', K + '/')
one('live + KEY?user=a&pass=b', 'live', K + '?user=a&pass=b')
one('live?user=a&pass=b + KEY', 'live?user=a&pass=b', K)
one('live/KEY + empty name (OBS: all in Server)', 'live/' + K, '')
one('live/KEY + KEY (key in both fields)', 'live/' + K, K)
one('live/_definst_ + KEY (Wowza style)', 'live/_definst_', K)
one('live/instance + KEY', 'live/instance', K)
one('LIVE + KEY (capitals)', 'LIVE', K)
one('live + " KEY " (spaces pasted)', 'live', ' ' + K + ' ')
one('live + KEY newline', 'live', K + '\n')
one('live + flv:KEY', 'live', 'flv:' + K)
one('empty app + live/KEY (librtmp, rtmp://h/)', '', 'live/' + K)
one('empty app + KEY (go2rtc style)', '', K)
one('KEY + empty name (go2rtc rtmp://h/KEY)', K, '')
one('no app, tcUrl rtmp://h/live', None, K, 'rtmp://127.0.0.1/live')
one('other app "stream" + KEY', 'stream', K)
one('live + url-encoded key', 'live', K.replace('-', '%2D'))
one('objectEncoding 3', 'live', K, extra={'objectEncoding': 3})
one('tcUrl with port + IPv6', 'live', K, 'rtmp://[::1]:1935/live')
one('tcUrl missing', 'live', K, extra={'tcUrl': NULL})
one('connect without numbers as usual (videoFunction etc.)', 'live', K, extra={'audioCodecs': 3575.0, 'videoCodecs': 252.0, 'videoFunction': 1.0, 'fpad': False, 'capsEx': 15.0, 'fourCcList': ['hvc1','av01']})
one('wrong key', 'live', 'wrong-key-123')
