"""livego #123, mediamtx #2802: HTTP, TLS, RTSP and nothing at all to the RTMP port."""
import sys

from lib.paths import *
from lib.rtmp import *
PORT = int(sys.argv[1]); KEY = sys.argv[2]

def raw(label, b):
    s = socket.create_connection(('127.0.0.1', PORT)); s.sendall(b); s.settimeout(13); t = time.time()
    try: r = s.recv(2000)
    except Exception as e: r = repr(e)
    print(label, '->', r[:80], round(time.time() - t, 2), flush=True); s.close()
raw('HTTP', b'GET /live/%s HTTP/1.1\r\nHost: x\r\n\r\n' % KEY.encode()); raw('RTMPT', b'POST /open/1 HTTP/1.1\r\n\r\n'); raw('RTSP', b'OPTIONS rtsp://x/live RTSP/1.0\r\nCSeq: 1\r\n\r\n')
raw('RTMPE', b'\x06' + bytes(1536)); raw('SRT-ish', b'\x80' + bytes(100))
try:
    c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE
    c.wrap_socket(socket.create_connection(('127.0.0.1', PORT)))
except Exception as e: print('TLS ->', e)
