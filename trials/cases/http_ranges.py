"""Range, HEAD, conditional, slow readers, many SSE clients on a box with clips (uses dmg-master's data)."""
import sys, os, json, time, subprocess, shutil, socket, threading, urllib.error
from lib.paths import *
from lib import box as B
base = int(sys.argv[1]) if len(sys.argv) > 1 else 24600
shutil.rmtree(RUN + '/http', ignore_errors=True); shutil.copytree(RUN + '/dmg-master', RUN + '/http')
b = B.Box('http', base, courts='a', broker='mqtt://127.0.0.1:1', rims='rims = [[562, 167, 44, 10]]', keep=True)
clips = json.loads(b.get('/v1/clips'))['clips']; c = [x for x in clips if x.get('href')][0]; print('clips', len(clips), c['id'], c['media'].get('bytes'), c['href'])
N = c['media']['bytes']; whole = b.get(c['href']); print('whole', len(whole) == N)
def r(h, m='GET', path=None):
    try: x = b.req(path or c['href'], h, m); d = x.read()
    except urllib.error.HTTPError as e: x = e; d = e.read()
    hd = {k.lower(): v for k, v in x.headers.items()}
    print('%-6s %-48s %s len=%s cl=%s cr=%s ct=%s' % (m, h, x.status, len(d), hd.get('content-length'), hd.get('content-range'), hd.get('content-type'))); return x.status, d, hd
s, d, h = r({}, 'HEAD'); et = h['etag']
for x in ('bytes=0-1', 'bytes=0-', 'bytes=-500', 'bytes=-0', 'bytes=%d-' % (N - 1), 'bytes=%d-' % N, 'bytes=5-2', 'bytes=0-%d' % (N * 10), 'bytes=0-0,10-20', 'bytes=0-0, -1', 'bytes=abc', 'Bytes=0-1', 'bytes= 0-1', 'bytes=18446744073709551615-', 'bytes=0-99999999999999999999999', 'items=0-1', 'bytes=-%d' % (N * 5), 'bytes=00-01'):
    s, d, h = r({'Range': x})
    if s == 206:
        cr = h['content-range'].split()[1].split('/')[0].split('-'); assert d == whole[int(cr[0]):int(cr[1]) + 1], 'WRONG BYTES'
r({'Range': 'bytes=0-1'}, 'HEAD'); r({'Range': 'bytes=0-1', 'If-Range': et}); r({'Range': 'bytes=0-1', 'If-Range': '"other"'}); r({'Range': 'bytes=0-1', 'If-Range': 'Sat, 01 Jan 2022 00:00:00 GMT'}); r({'If-None-Match': et}); r({'If-None-Match': 'W/' + et}); r({'If-None-Match': '*'}); r({}, 'HEAD', '/'); r({}, 'OPTIONS'); r({}, 'PUT'); r({}, 'GET', c['href'] + '?x=1'); r({}, 'GET', '/v1/clips/..%2f..%2ftoken/media'); r({}, 'GET', '/v1/clips?limit=0'); r({}, 'GET', '/v1/clips?limit=-1'); r({}, 'GET', '/v1/clips?after=99999999999999999999')
def raw(path, extra=''):
    s = socket.create_connection(('127.0.0.1', b.http)); s.sendall(('GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n%s\r\n' % (path, b.http, b.token(), extra)).encode()); return s
slow = [raw(c['href']) for _ in range(12)]; time.sleep(1)
for i, s in enumerate(slow): s.settimeout(2); print('slow', i, s.recv(12), end=' ')
print(); t = time.time(); print('page while 12 slow readers:', len(b.get('/')), round(time.time() - t, 2)); r({'Range': 'bytes=0-1'})
print('slow readers wait 40 s ...'); time.sleep(40); r({'Range': 'bytes=0-1'})
for s in slow: s.close()
time.sleep(1); r({'Range': 'bytes=0-1'})
rss = lambda: int(open('/proc/%d/status' % pid()).read().split('VmRSS:')[1].split()[0]) // 1024
def pid(): return int(subprocess.run(['pgrep', '-f', 'run --config ' + b.conf], capture_output=True, text=True).stdout.split()[-1])
a = rss(); sse = [raw('/v1/events', 'Accept: text/event-stream\r\n') for _ in range(200)]; time.sleep(2)
ok = 0; codes = {}
for s in sse:
    s.settimeout(2)
    try: x = s.recv(15)[:12]
    except Exception as e: x = repr(e)
    codes[x] = codes.get(x, 0) + 1
print('200 SSE:', codes, 'RSS', a, '->', rss(), 'MB'); t = time.time(); 
try: print('page meanwhile', len(b.get('/')), round(time.time() - t, 2))
except Exception as e: print('page meanwhile', repr(e))
for s in sse: s.close()
time.sleep(2); print('after', rss()); r({'Range': 'bytes=0-1'}); print('exit', b.stop())
