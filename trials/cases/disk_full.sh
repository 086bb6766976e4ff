#!/bin/bash
# A file system of 200 MB that others fill while a court records; then it is emptied again. Then read-only. Needs root (tmpfs).
set -u
M=${CASES_RUN:-${TMPDIR:-/tmp}/courtside-cases}/full-fs; mkdir -p "$M"
mountpoint -q "$M" || mount -t tmpfs -o "size=${1:-200}m" tmpfs "$M"
cd "$(dirname "$0")" || exit 1
python3 - <<'PY'
import os, json, time, threading
from lib.paths import *
from lib import box as B, rtmp as R
M = RUN + '/full-fs'; os.system('rm -rf %s/*' % M)
b = B.Box('full', 24800, courts='a', broker='mqtt://127.0.0.1:1', rims='rims = [[562, 167, 44, 10]]', ring='keep_free_bytes = 20000000', wait=False); b.stop()
c = open(b.conf).read().replace(RUN + '/full/data', M + '/data'); open(b.conf, 'w').write(c); os.symlink(M + '/data', b.dir + '/data') if not os.path.lexists(b.dir + '/data') else None
b.start(); p = R.Pub(24800, quiet=True); p.go('key-court-a'); tags = R.flv(GAME)
th = threading.Thread(target=lambda: R.play(p, tags)); th.start()
def show(l):
    try: s = b.state(); print(l, json.dumps(s.get('storage')), {k: s['uplink'][k] for k in ('outbox_events', 'disk_fault', 'fault') if k in s['uplink']}, flush=True)
    except Exception as e: print(l, repr(e))
time.sleep(5); show('5 s')
os.system('dd if=/dev/zero of=%s/filler bs=1M count=400 2>/dev/null; df -m %s | tail -1' % (M, M)); time.sleep(8); show('full'); print(b.doctor()[:700])
os.remove(M + '/filler'); time.sleep(8); show('free again'); th.join(); time.sleep(3); show('end')
print('\n'.join(b.log_since().splitlines()[-25:])[-3500:]); print('exit', b.stop()); print(len(b.segments()), 'segments')
PY
