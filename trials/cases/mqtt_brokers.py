"""run.py FORM [SECONDS]: a box against a broker that is odd in one way. Forms below."""
import sys, os, json, time, subprocess, struct
from lib.paths import *
from lib import box as B, mqtt5 as M, rtmp as R
form = sys.argv[1]; secs = float(sys.argv[2]) if len(sys.argv) > 2 else 16; base = int(sys.argv[3]) if len(sys.argv) > 3 else 24000
P = base + 5; mq = None; br = None; extra = ''
conf = {'noretain': 'retain_available false\n', 'smallpacket': 'max_packet_size 600\n', 'tinypacket': 'max_packet_size 250\n', 'qos0': 'max_qos 0\n'}
if form in conf: mq = B.broker(P, conf[form])
elif form == 'acl':
    open(RUN + '/acl', 'w').write('topic write courtside/1/+/state/#\ntopic read #\n'); mq = B.broker(P, 'acl_file ' + RUN + '/acl\n')
elif form == 'userempty': mq = B.broker(P)
else:
    kw = {}
    if form in ('recvmax1', 'recvmax1slow'): kw['props'] = b'\x21\x00\x01'
    if form == 'keepalive2': kw['props'] = b'\x13\x00\x02'
    if form == 'keepalive0': kw['props'] = b'\x13\x00\x00'
    if form == 'assigned': kw['props'] = b'\x12' + M.s16('broker-made-this-name-4711')
    if form == 'alias': kw['props'] = b'\x22\x00\x0a\x21\x00\x14\x27\x00\x00\xff\xff\x11\x00\x00\x00\x05\x24\x01\x28\x00\x2a\x00\x1f' + M.s16('reason: fine') + b'\x26' + M.s16('k') + M.s16('v')
    if form == 'v311': kw['raw_connack'] = b'\x20\x02\x00\x01'
    if form == 'v311close': kw['raw_connack'] = b''
    if form == 'badver': kw['code'] = 0x84
    if form == 'retain9a': kw['code'] = 0x9a
    if form == 'busy': kw['code'] = 0x89
    if form == 'banned': kw['code'] = 0x8a
    if form == 'moved': kw['code'] = 0x9d; kw['props'] = b'\x1c' + M.s16('other.example:1883')
    if form == 'notauth': kw['code'] = 0x87; kw['props'] = b'\x1f' + M.s16('client rim-1 not in group boxes')
    if form == 'http': kw['raw_connack'] = b'HTTP/1.1 400 Bad Request\r\n\r\n'
    st = {'n': 0}
    def pub(b, c, pk):
        if form == 'recvmax1slow':
            import select
            time.sleep(0.15)
            if select.select([c], [], [], 0)[0]: st['n'] += 1; print('  MORE IN FLIGHT THAN RECEIVE MAXIMUM', pk['topic'])
        if form == 'quota' and '/event/' in pk['topic']:
            st['n'] += 1
            if st['n'] <= 4: return b'\x40\x04' + struct.pack('>H', pk['pid']) + b'\x97\x00'
        if form == 'silent' and '/event/' in pk['topic']: return 'silent'
        if form == 'acl87' and '/event/' in pk['topic']: return b'\x40\x04' + struct.pack('>H', pk['pid']) + b'\x87\x00'
        if form == 'disc95' and pk['size'] > 500:
            c.sendall(b'\xe0\x02\x95\x00'); return 'close'
        if form == 'discretain' and pk['retain']:
            c.sendall(b'\xe0\x02\x9a\x00'); return 'close'
        if form == 'nomatch': return b'\x40\x03' + struct.pack('>H', pk['pid']) + b'\x10'
        if form == 'strayack': return b'\x40\x02\x7f\xff' + b'\x40\x02' + struct.pack('>H', pk['pid'])
        if form == 'incoming': return b'\x40\x02' + struct.pack('>H', pk['pid']) + b'\x32' + M.vbi(2 + 3 + 2 + 1 + 20000) + M.s16('a/b') + b'\x00\x07\x00' + b'x' * 20000
    br = M.Broker(P, on_publish=pub, log=lambda *a: print('  broker', *a, flush=True), **kw)
time.sleep(0.3)
b = B.Box('mq-' + form, base, courts='a', broker='mqtt://127.0.0.1:%d' % P, rims='rims = [[562, 167, 44, 10]]', uplink='username = ""' if form == 'userempty' else '')
sub = None
if mq: sub = subprocess.Popen(['mosquitto_sub', '-p', str(P), '-V', '5', '-t', '#', '-v'], stdout=open(RUN + '/sub-' + form, 'w'), stderr=subprocess.STDOUT)
try:
    p = R.Pub(base, quiet=True); print(p.go('key-court-a')[-1].get('code')); R.play(p, R.flv(GAME), stop=secs); time.sleep(2)
    s = b.state(); print('UPLINK', json.dumps(s.get('uplink')))
    print('DOCTOR', b.doctor()[:1500])
    print('LOG', '\n'.join(l for l in b.log_since().splitlines() if any(w in l for w in ('uplink', 'broker', 'WARN', 'ERROR', 'refus')))[-2200:])
    if br: print('CONNS', br.conns, 'pubs', len(br.pubs), [(x['at'], x['conn'], x['topic'].split('/', 3)[-1], 'r%d' % x['retain'], x['size']) for x in br.pubs][:30], 'pings', br.pings[:12])
    if sub: sub.terminate(); t = open(RUN + '/sub-' + form).read(); print('SUB lines', len(t.splitlines()), 'events', sum('/event/' in l for l in t.splitlines()), 'biggest', max([len(l) for l in t.splitlines()] or [0]))
finally:
    t = time.time(); print('exit', b.stop(), round(time.time() - t, 2), 's')
    if mq: mq.terminate()
