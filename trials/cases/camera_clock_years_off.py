"""moonfire #244, ex_nvr #404: the camera's own clock (onFI) is years off, or jumps from 1970 to right in mid-stream. What time do events get?"""
import sys, json, time, subprocess, datetime
from lib.paths import *
from lib import box as B
from lib.rtmp import *
form = sys.argv[1]; base = int(sys.argv[2]); P = 21883
m = B.broker(); time.sleep(0.5)
b = B.Box('onfi-' + form, base, courts='a', rims='rims = [[562, 167, 44, 10]]')
sub = subprocess.Popen(['mosquitto_sub', '-p', '21883', '-t', 'courtside/1/onfi-%s/event/#' % form], stdout=open(RUN + '/onfi-events-' + form, 'w'))
p = Pub(base, quiet=True); p.go('key-court-a'); last = [-9999]; t0 = time.time()
def each(k, ts, x):
    out = [(k, ts, x)]
    if k == 9 and ts - last[0] > 900:
        last[0] = ts; now = datetime.datetime.utcnow()
        d = {'2099': now.replace(year=2099), '1970': datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ts), 'late': now if ts > 6000 else datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ts), 'local': now + datetime.timedelta(hours=5, minutes=45)}[form]
        out.append((18, ts, st('onFI') + obj({'sd': d.strftime('%d-%m-%Y'), 'st': d.strftime('%H:%M:%S.%f')[:-3]})))
    return out
play(p, flv(GAME), each=each, stop=15); time.sleep(2); s = b.state(); print(form, json.dumps(s['clock'])[:300]); sub.terminate()
for l in open(RUN + '/onfi-events-' + form):
    e = json.loads(l)
    if 'shot' in e['type']: t = datetime.datetime.fromisoformat(e['time'].replace('Z', '+00:00').split('.')[0] + '+00:00' if '.' in e['time'] else e['time'].replace('Z', '+00:00')); print('  ', e['type'][10:], e['time'], 'stream second', round(t.timestamp() - t0, 1), {k: v for k, v in e.items() if 'clock' in k or 'err' in k})
b.stop()
m.terminate()
