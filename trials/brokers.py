#!/usr/bin/env python3
"""What brokers make of a box: each a real one, with what must be seen of it.

mosquitto with what it can forbid (retained messages, packets, QoS, rights); rumqttd, another of MQTT 5 (from PyPI, as
iotcore has it); brokers of MQTT 3.1.1 from public registries (amqtt from PyPI, aedes from npm). `--dir` keeps them. A game plays on the box's court: its events must
arrive, or wait and be told in the words that stand here. With promtool in the path, or named by PROMTOOL, each box's
/metrics is checked in the format that it gives who asks for none; in the other by prometheus_client's own parser.
`--control` expects wrong words of each, and must fail everywhere.

    trials/brokers.py [--only NAME] [--control] [--dir DIR]

Ends 0 if all held, 1 if not, 3 where mosquitto is lacking.
"""
import argparse
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / 'cases'))
from lib import box as boxes  # noqa: E402
from lib import rtmp  # noqa: E402
from lib.paths import GAME, MOSQUITTO, RUN  # noqa: E402

# What stands in the state's `trouble` and `fault`, or in `limits`; and whether events arrive at the broker.
MOSQUITTOS = [
    ('as it is', '', None, '', True),
    ('no retained messages', 'retain_available false\n', None, '', True),
    ('packets of 1,000 bytes', 'max_packet_size 1000\n', None, '', True),
    ('packets of 600 bytes', 'max_packet_size 600\n', None, 'its packets hold 600 bytes', True),
    ('QoS 0 alone', 'max_qos 0\n', None, 'QoS 0 alone', True),
    ('one at a time', 'max_inflight_messages 1\n', None, '', True),
    ('rights to states alone', 'acl', None, '0x87 Not authorized', False),
]
ACL = 'topic write courtside/1/+/state/#\n'
AMQTT = """
import asyncio, logging, sys
from amqtt.broker import Broker
async def main():
    logging.disable(logging.CRITICAL)
    broker = Broker({'listeners': {'default': {'type': 'tcp', 'bind': '127.0.0.1:' + sys.argv[1]}}})
    await broker.start()
    await asyncio.Event().wait()
asyncio.run(main())
"""
RUMQTTD = """
import sys, tempfile
from iotcore import Broker
config = tempfile.NamedTemporaryFile('w', suffix='.toml')
config.write('id = 0\\n[router]\\nid = 0\\nmax_connections = 100\\nmax_outgoing_packet_count = 200\\nmax_segment_size = 104857600\\n'
             'max_segment_count = 10\\n[v5.1]\\nname = "v5"\\nlisten = "127.0.0.1:' + sys.argv[1] + '"\\nnext_connection_delay_ms = 1\\n'
             '[v5.1.connections]\\nconnection_timeout_ms = 60000\\nmax_payload_size = 200000\\nmax_inflight_count = 100\\n')
config.flush()
Broker(config_path=config.name).run_forever()
"""
AEDES = """
import { Aedes } from 'aedes'; import { createServer } from 'net';
const aedes = await Aedes.createBroker();
createServer(aedes.handle).listen(Number(process.argv[2]), '127.0.0.1');
"""


def installed(folder):
    """What the registries have: names and commands; what cannot be had is said."""
    found = []
    venv = folder / 'venv'
    if not (venv / 'bin/python').exists():
        subprocess.run([sys.executable, '-m', 'venv', str(venv)], check=False)
        subprocess.run([str(venv / 'bin/pip'), 'install', '-q', 'amqtt==0.12.1', 'iotcore==0.4.0', 'prometheus_client'],
                       check=False)
    if subprocess.run([str(venv / 'bin/python'), '-c', 'import iotcore'], check=False).returncode == 0:
        found.append(('rumqttd, which is of MQTT 5', [str(venv / 'bin/python'), '-c', RUMQTTD]))
    else:
        print('NOT RUN: iotcore, which has rumqttd, cannot be had')
    if subprocess.run([str(venv / 'bin/python'), '-c', 'import amqtt'], check=False).returncode == 0:
        found.append(('amqtt, which is of MQTT 3.1.1', [str(venv / 'bin/python'), '-c', AMQTT]))
    else:
        print('NOT RUN: amqtt cannot be had')
    aedes = folder / 'aedes'
    aedes.mkdir(exist_ok=True)
    if shutil.which('npm') and not (aedes / 'node_modules/aedes').exists():
        subprocess.run(['npm', 'install', '--silent', 'aedes@1.2.0'], cwd=aedes, check=False)
    if (aedes / 'node_modules/aedes').exists():
        (aedes / 'broker.mjs').write_text(AEDES)
        found.append(('aedes, which is of MQTT 3.1.1', ['node', str(aedes / 'broker.mjs')]))
    else:
        print('NOT RUN: aedes cannot be had')
    return found, venv / 'bin/python'


def metrics(box, python):
    """What checkers say of /metrics, in both formats."""
    def read(accept):
        headers = {'Authorization': 'Bearer ' + box.token(), **({'Accept': accept} if accept else {})}
        address = 'http://127.0.0.1:%d/metrics' % box.http
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=20) as answer:
            return answer.headers['Content-Type'], answer.read()
    wrong = []
    for accept in (None, 'text/plain'):
        kind, text = read(accept)
        if not kind.startswith('text/plain; version=0.0.4'):
            wrong.append('%s for %s' % (kind, accept))
        promtool = os.environ.get('PROMTOOL') or shutil.which('promtool')
        if promtool:
            said = subprocess.run([promtool, 'check', 'metrics'], input=text, capture_output=True, check=False)
            if said.returncode or said.stdout or said.stderr:
                wrong.append('promtool: ' + (said.stdout + said.stderr).decode()[:300])
        else:
            print('      NOT RUN: no promtool')
    kind, text = read('application/openmetrics-text; version=1.0.0')
    if not kind.startswith('application/openmetrics-text'):
        wrong.append(kind)
    parse = ('import sys; from prometheus_client.openmetrics.parser import text_string_to_metric_families as of; '
             'print(len(list(of(sys.stdin.read()))))')
    said = subprocess.run([str(python), '-c', parse], input=text, capture_output=True, check=False)
    if said.returncode:
        wrong.append('OpenMetrics: ' + said.stderr.decode()[-200:])
    return wrong


def listens(port):
    """Waits until somebody takes connections there."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with socket.socket() as asks:
            if asks.connect_ex(('127.0.0.1', port)) == 0:
                return
        time.sleep(0.1)


def plays(name, port, base, seconds, peer, expected, python):
    """A box with a game at this broker; what is wrong with what is seen."""
    trouble, words, arrives = expected
    hears = subprocess.Popen(['mosquitto_sub', '-p', str(port), '-V', '5', '-t', 'courtside/#', '-v'],
                              stdout=open(RUN + '/brokers-sub', 'wb'), stderr=subprocess.DEVNULL)
    box = boxes.Box('brokers', base, courts='a', broker='mqtt://127.0.0.1:%d' % port,
                    rims='rims = [[562, 167, 44, 10]]')
    wrong = []
    try:
        publisher = rtmp.Pub(base, quiet=True)
        publisher.go('key-court-a')
        rtmp.play(publisher, rtmp.flv(GAME), stop=seconds)
        time.sleep(3)
        uplink = box.state()['uplink']
        came = sum(b'/event/' in line for line in open(RUN + '/brokers-sub', 'rb'))
        said = ' '.join([str(uplink.get('fault')), str(uplink['state']['refused'] if 'state' in uplink else
                         uplink.get('refused'))] + [limit['said'] for limit in uplink.get('limits', [])])
        print('      %s; %d events came, %s wait, %s parked; %s' % (
            'connected' if uplink['connected'] else uplink.get('trouble'), came, uplink.get('outbox_events'),
            uplink.get('parked'), said[:260]))
        if uplink.get('trouble') != trouble:
            wrong.append('trouble is %s' % uplink.get('trouble'))
        if words and words not in said:
            wrong.append('`%s` is not said' % words)
        if arrives != (came > 0):
            wrong.append('%d events came' % came)
        if came and arrives and uplink.get('parked') and '600' not in name:
            wrong.append('%d are parked' % uplink['parked'])
        if 'another box' in said:
            wrong.append('another box is told')
        wrong += metrics(box, python)
    finally:
        if box.stop() != 0:
            wrong.append('the box did not end well')
        hears.terminate()
        peer.terminate()
        peer.wait()
    return wrong


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument('--only', default='')
    arguments.add_argument('--control', action='store_true')
    arguments.add_argument('--dir', type=Path, default=Path(RUN) / 'brokers-of-registries')
    arguments.add_argument('--seconds', type=float, default=14)
    asked = arguments.parse_args()
    if not os.path.exists(MOSQUITTO) or not shutil.which('mosquitto_sub'):
        print('NOT RUN: mosquitto or mosquitto_sub is lacking')
        return 3
    asked.dir.mkdir(parents=True, exist_ok=True)
    others, python = installed(asked.dir)
    base, held, all_of_them = 24400, 0, 0
    rows = [(name, lines, None, (trouble, words, arrives)) for name, lines, trouble, words, arrives in MOSQUITTOS]
    # amqtt hears a CONNECT of MQTT 5 and says nothing, ever.
    right = {'amqtt': ('no_greeting', 'needs MQTT 5', False), 'aedes': ('mqtt_3_only', 'needs MQTT 5', False),
             'rumqttd': (None, '', True)}
    rows += [(name, None, command, right[name.split(',')[0]]) for name, command in others]
    for name, lines, command, expected in rows:
        if asked.only not in name:
            continue
        base += 10
        port = base + 5
        if command:
            peer = subprocess.Popen(command + [str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        else:
            if lines == 'acl':
                Path(RUN, 'brokers.acl').write_text(ACL)
                lines = 'acl_file %s/brokers.acl\n' % RUN
            peer = boxes.broker(port, lines)
        listens(port)
        if asked.control:
            expected = ('busy', 'what nobody says', not expected[2])
        print('%s' % name, flush=True)
        wrong = plays(name, port, base, asked.seconds, peer, expected, python)
        all_of_them += 1
        held += not wrong
        print('   %s' % ('held' if not wrong else 'WRONG: ' + '; '.join(wrong)), flush=True)
    print('%d of %d held' % (held, all_of_them))
    if asked.control:
        return 0 if held == 0 else 1
    return 0 if held == all_of_them else 1


if __name__ == '__main__':
    sys.exit(main())
