"""Brokers that set the keep alive: how long is the box silent?"""
import sys, time
from lib.paths import *
from lib import box as B, mqtt5 as M
for port, n, props in ((24066, 'keepalive 2', b'\x13\x00\x02'), (24067, 'keepalive 0', b'\x13\x00\x00'), (24068, 'none', b'')):
    br = M.Broker(port, props=props, log=lambda *a: None); b = B.Box('ka', 24060, courts='a', broker='mqtt://127.0.0.1:%d' % port); time.sleep(24)
    t = sorted([x['at'] for x in br.pubs] + br.pings); print(n, 'pings', br.pings, 'pubs', [(x['at'], x['topic'][-9:]) for x in br.pubs], 'longest silence', max(b - a for a, b in zip(t, t[1:]))); b.stop(); br.stop = True; br.l.close(); time.sleep(0.5)
