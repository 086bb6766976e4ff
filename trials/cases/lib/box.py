from lib.paths import *
import subprocess, os, time, json, urllib.request, signal, sys, shutil
class Box:
    def __init__(s, name, base, courts='abcdef', broker=None, keep=False, extra='', ring='', rims='', wait=True, pre=None, env=None, rtmps='', uplink='', http=None):
        s.dir = RUN + '/' + name; s.rtmp = base; s.http = base + 1
        if not keep: shutil.rmtree(s.dir, ignore_errors=True)
        os.makedirs(s.dir, exist_ok=True)
        s.conf = s.dir + '/c.toml'; s.logf = s.dir + '/log'; s.name = name
        with open(s.conf, 'w') as f:
            f.write('[box]\nname = "%s"\ndata_dir = "%s/data"\n[uplink]\nbroker = "%s"\n%s\n[ingest]\nrtmp = "127.0.0.1:%d"\n%s\n[http]\nlisten = "%s"\n[ring]\nquota_bytes = 2000000000\n%s\n[detect]\nfinder = false\n[health]\nlog = "info"\n%s\n' % (name, s.dir, broker or 'mqtt://127.0.0.1:21883', uplink, base, rtmps, http or '127.0.0.1:%d' % s.http, ring, extra))
            for c in courts: f.write('[[court]]\nname = "%s"\nstream_key = "key-court-%s"\n%s\n' % (c, c, rims))
        s.p = None; s.pre = pre or []; s.env = env
        s.start(wait)
    def start(s, wait=True):
        s.log = open(s.logf, 'ab')
        s.p = subprocess.Popen(s.pre + ['nice', '-n', '10', BIN, 'run', '--config', s.conf], stdout=s.log, stderr=s.log, env={**os.environ, **(s.env or {})})
        s.pid = s.p.pid
        if wait:
            for _ in range(150):
                if s.p.poll() is not None: print('BOX ENDED', s.p.returncode, open(s.logf).read()[-1500:]); return
                try: s.get('/healthz'); return
                except Exception: time.sleep(0.1)
            print('BOX NOT UP', open(s.logf).read()[-1500:])
    def token(s): return open(s.dir + '/data/token').read().strip()
    def req(s, path, headers=None, method='GET'):
        r = urllib.request.Request('http://127.0.0.1:%d%s' % (s.http, path), method=method, headers={'Authorization': 'Bearer ' + s.token(), **(headers or {})})
        return urllib.request.urlopen(r, timeout=20)
    def get(s, path): return s.req(path).read()
    def state(s): return json.loads(s.get('/v1/state'))
    def court(s, c): return s.state()['streams'][c]
    def doctor(s):
        r = subprocess.run([BIN, 'doctor', '--config', s.conf], capture_output=True, text=True); return r.stdout + r.stderr
    def segments(s):
        r = subprocess.run([BIN, 'clips', 'list', '--segments', '--json', '-c', s.conf], capture_output=True, text=True)
        return [json.loads(x) for x in r.stdout.splitlines()]
    def cut(s, court, session, a, b, out):
        r = subprocess.run([BIN, 'clips', 'cut', '-c', s.conf, '--court', court, '--session', session, '--from', str(a), '--to', str(b), out], capture_output=True, text=True)
        return (r.stdout + r.stderr).strip()
    def log_since(s, at=0):
        return open(s.logf, errors='replace').read()[at:]
    def log_len(s): return os.path.getsize(s.logf)
    def stop(s, sig=signal.SIGTERM):
        if s.p and s.p.poll() is None:
            s.p.send_signal(sig)
            try: s.p.wait(15)
            except subprocess.TimeoutExpired: s.p.kill(); print('HAD TO KILL')
        return s.p.returncode if s.p else None
def broker(port=21883, extra=''):
    d = RUN + '/broker-%d' % port; os.makedirs(d, exist_ok=True)
    open(d + '/m.conf', 'w').write('listener %d 127.0.0.1\nallow_anonymous true\nuser root\n%s' % (port, extra))
    return subprocess.Popen([MOSQUITTO, '-c', d + '/m.conf'], stdout=open(d + '/log', 'ab'), stderr=subprocess.STDOUT)
