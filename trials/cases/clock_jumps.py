"""The wall clock is set while a court records and calls shots (libfaketime, file that is read anew): forwards a year, back ten years. Then the stop, and a start with the clock in 1970/2000."""
import sys, os, json, time, subprocess, shutil, glob
from lib.paths import *
from lib import box as B, rtmp as R
base = int(sys.argv[1]) if len(sys.argv) > 1 else 24700; form = sys.argv[2] if len(sys.argv) > 2 else 'fwd'
so = glob.glob('/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1')[0]; F = RUN + '/faketimerc'
open(F, 'w').write('+0' if form != 'boot2000' else '-9000d')
env = {'LD_PRELOAD': so, 'FAKETIME_TIMESTAMP_FILE': F, 'FAKETIME_NO_CACHE': '1', 'FAKETIME_DONT_FAKE_MONOTONIC': '1', 'DONT_FAKE_MONOTONIC': '1'}
m = B.broker(); time.sleep(0.5)
b = B.Box('clock', base, courts='a', broker='mqtt://127.0.0.1:21883', rims='rims = [[562, 167, 44, 10]]', env=env)
p = R.Pub(base, quiet=True); p.go('key-court-a'); t0 = time.time(); done = False
def each(k, ts, x):
    global done
    if not done and ts > 6000: done = True; open(F, 'w').write({'fwd': '+365d', 'back': '-3650d', 'dst': '-3600s', 'boot2000': '+0'}[form])
    return [(k, ts, x)]
R.play(p, R.flv(GAME), each=each, stop=21); time.sleep(6)
s = b.state(); print(json.dumps(s.get('clock'))); print(b.doctor()[:1200]); cl = json.loads(b.get('/v1/clips'))['clips']
for c in cl: print(c['id'], {k: v for k, v in c.items() if k in ('pinned', 'ended', 'note', 'made', 'wall', 'time', 'reason')}, c.get('media') and {k: v for k, v in c['media'].items() if k != 'parts'})
print('\n'.join(b.log_since().splitlines()[-14:])); print('exit', b.stop())
m.terminate()
