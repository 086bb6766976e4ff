"""A box that has recorded and has clips and undelivered events is stopped; one file is damaged; it starts again. For each file and damage: does it start, what does it say, what is left."""
import sys, os, json, time, subprocess, shutil, random
from lib.paths import *
from lib import box as B, rtmp as R
base = int(sys.argv[1]) if len(sys.argv) > 1 else 24500; only = sys.argv[2] if len(sys.argv) > 2 else ''
G = RUN + '/dmg-master'
def new(name, keep=False): return B.Box(name, base, courts='a', broker='mqtt://127.0.0.1:1', rims='rims = [[562, 167, 44, 10]]', keep=keep)
if not os.path.exists(G + '/done'):
    b = new('dmg-master'); p = R.Pub(base, quiet=True); p.go('key-court-a'); R.play(p, R.flv(GAME), stop=20); time.sleep(5)
    print(json.dumps(b.state()['uplink'])[:400]); b.stop(); open(G + '/done', 'w').close()
print(subprocess.run('cd %s/data; find . -type f | xargs ls -la' % G, shell=True, capture_output=True, text=True).stdout)
random.seed(4)
files = sorted(os.path.relpath(os.path.join(d, f), G + '/data') for d, _, fs in os.walk(G + '/data') for f in fs)
def damage(path, how):
    n = os.path.getsize(path); x = bytearray(open(path, 'rb').read())
    if how == 'zero': x = bytearray(n)
    elif how == 'empty': x = bytearray()
    elif how == 'half': x = x[:n // 2]
    elif how == 'flip':
        for _ in range(max(3, n // 4000)):
            if n: x[random.randrange(n)] ^= 1 << random.randrange(8)
    elif how == 'tail0': x[-4096:] = bytes(min(4096, n))
    elif how == 'head0': x[:4096] = bytes(min(4096, n))
    elif how == 'garbage': x = bytearray(random.randbytes(max(n, 100)))
    open(path, 'wb').write(x)
seen = set()
for f in files:
    kind = ('seg' if f.endswith('.mp4') else f)
    if kind in seen or 'ballast' in f or 'lock' in f: continue
    seen.add(kind)
    if only and only not in f: continue
    for how in ('zero', 'empty', 'half', 'flip', 'tail0', 'head0', 'garbage'):
        shutil.rmtree(RUN + '/dmg', ignore_errors=True); shutil.copytree(G, RUN + '/dmg'); os.path.exists(RUN + '/dmg/log') and os.remove(RUN + '/dmg/log')
        damage(RUN + '/dmg/data/' + f, how)
        b = new('dmg', keep=True); up = b.p.poll() is None
        s = {}
        if up:
            try: s = b.state()
            except Exception as e: s = {'error': repr(e)}
        u = s.get('uplink', {}); st = s.get('storage', {})
        w = [l for l in b.log_since().splitlines() if 'WARN' in l or 'ERROR' in l or 'rror' in l]
        clips = subprocess.run([B.BIN, 'clips', 'list', '-c', b.conf], capture_output=True, text=True)
        print('%-28s %-8s up=%s outbox=%s clips=%d segs=%d %s' % (f[:28], how, up, u.get('outbox_events'), len(clips.stdout.splitlines()), len(b.segments()), s.get('error', '')), flush=True)
        for l in w[:4]: print('        ', l[:260])
        rc = b.stop()
        if rc not in (0, None): print('         exit code', rc)
