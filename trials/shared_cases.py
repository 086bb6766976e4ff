#!/usr/bin/env python3
"""Runs every script of a folder of cases from public reports, and holds what came of it to what is right.

    trials/shared_cases.py [--cases FOLDER] [--bin target/debug/courtside] [--only WORD] [--busy] [--expect-wrong]

The folder (`cases` in `shared`, beside the clone) is no part of the repository (its README says what is in it); without it nothing is shown, said loudly.
Publishers (a script NN-NAME/run.py PORT KEY [args]) go to courts of one box, some at once; right is how many pictures
were recorded, in how many seconds and sessions, whether all of it decodes, what became of the sound and how far it is
from its picture, and what state and log say. The others start a box of their own; right is what they print. A script
of the folder without a row, and a row without its script, are wrong.

--busy keeps every core busy meanwhile. --expect-wrong is the control: each row expects something else than what is
right, and every one must be found wrong. --show prints what a case printed, and what the box said.

Needs ffmpeg, mosquitto, openssl; 22 and 27 faketime; 25 the right to mount. Half an hour; --only takes a part of it.
Ends 0 if all are right, 1 if one is not, 3 where the folder or a program is lacking.
"""
import argparse
import json
import multiprocessing
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
COURTS = 'abcdefgh'
# Of ffmpeg's own bench, not of the file: it cannot write pictures of one millisecond to nowhere.
NO_ERROR = 'non monotonically increasing dts to muxer'
START, WRONG_KEY = r'.*NetStream\.Publish\.Start', r".*Unauthorized', 'wrong stream key"
REJECTED = r".*Connect\.Rejected', 'publish to rtmp://BOX/live/KEY"
CALLS = r'shot\.made\.v1'


def published(case, *args, pictures=360, seconds=12.0, sessions=1, sound='AAC', off=0.06, says=(), unsaid=(), out=(), whole=True,
              heard=0.5):
    """A publisher. `off`: sound from its picture at most, s, of pictures `heard` s from the beginning on. `whole`: cut
    as one file a session, else by segment."""
    return dict(case=case, args=args, pictures=pictures, seconds=seconds, sessions=sessions, sound=sound, off=off,
                says=says, unsaid=unsaid, out=out, whole=whole, heard=heard)


def alone(case, *args, out=(), unsaid=(), needs=(), patience=240, fails=False):
    """One with a box of its own: what it must print, and what it must not. `fails`: its script ends badly whatever the box does."""
    return dict(case=case, args=args, out=out, unsaid=unsaid, needs=needs, patience=patience, fails=fails)


def link(form, *out, unsaid=()):
    """A broker that is odd in one way; BASE is a free port."""
    return alone('20-mqtt-brokers', form, '8', 'BASE', out=(*out, r'^exit 0 [0-4]\.'),
                 unsaid=(r'Mqtt state', r'pkid', 'another box has', *unsaid))


NONE = dict(pictures=0, seconds=0, sessions=0, sound=None)
BY_ARRIVAL = 'it is recorded by arrival'
TAKEN = (r'"connected": true',)
WAITS = (r'"connected": false',)
ROWS = [
    published('01-url-forms', **NONE, says=('wrong stream key',), out=(
        r'^plain live \+ KEY' + START, r'^live/ \+ KEY' + START, r'^live \+ KEY\?user' + START, r'^live\?user' + START,
        r'^objectEncoding 3' + START, r'^tcUrl with port' + START, r'^tcUrl missing' + START,
        r'^connect without numbers' + START, r'^LIVE \+ KEY' + REJECTED, r'^empty app \+ KEY' + REJECTED,
        r'^other app' + REJECTED, r'^wrong key' + WRONG_KEY, r'^live \+ " KEY "' + WRONG_KEY)),
    published('02-metadata-odd', out=(r'^alive True', r'^True')),
    *(published('03-chunk-forms', form) for form in ('csid2', 'csid3', 'sizes', 'ext', 'extno3', 'wrap', 'huge', 'small', 'delta')),
    *(published('04-annexb-in-flv', form, unsaid=('15700', 'too slow')) for form in ('pictures', 'rec', 'none')),
    published('05-nal-per-message'), published('06-sei-aud-own-message'), published('07-empty-and-filler-nals'),
    published('08-sound-first', pictures=300, seconds=10.0), published('08-sound-first', '5', pictures=210, seconds=7.0),
    *(published('11-constant-times', form, says=(BY_ARRIVAL,), off=0.25) for form in ('zero', 'video', 'slow')),
    published('11-constant-times', 'half', says=(BY_ARRIVAL,), off=1.2),
    published('12-time-jumps', 'fwd15h', pictures=345, seconds=11.5, sessions=2),
    published('12-time-jumps', 'zero', pictures=345, seconds=11.5, sessions=2, off=0.15),
    published('12-time-jumps', 'back1', pictures=345, seconds=11.5, sessions=2),
    # Five seconds that were never sent are a gap for as long as nobody knows better; then the clock decides.
    published('12-time-jumps', 'fwd5', pictures=range(325, 346), seconds=16.1, sessions=2, off=0.25, says=('stream_clock',)),
    published('12-time-jumps', 'fwd12', pictures=345, seconds=11.5, sessions=2),
    *(published('13-sps-every-gop', *form, whole=False, off=None) for form in (['size'], ['size', 'inband'])),
    *(published('13-sps-every-gop', *form, whole=False, off=None, says=('another aspect',)) for form in (['rotate'], ['rotate', 'inband'])),
    *(published('13-sps-every-gop', *form) for form in (['sps'], ['sps', 'inband'])),
    *(published('14-enhanced', form) for form in ('avc1', 'modex')),
    *(published('14-enhanced', form, says=('several tracks',)) for form in ('multi', 'twitch')), published('14-enhanced', 'one'),
    *(published('14-enhanced', form, **NONE, says=(name + ' video is not taken: set the encoder to H.264 or H.265',))
      for form, name in (('av1', 'AV1'), ('vp9', 'VP9'))),
    *(published('15-sound-codings', form, sound='left out: ' + name) for form, name in (
        ('mp3', 'MP3'), ('pcma', 'G.711'), ('opus', 'Opus'), ('noconfig', 'AAC whose record'))),
    published('15-sound-codings', 'adts'),
    # What comes before its record cannot be played, and is not there.
    published('15-sound-codings', 'late', heard=3.5),
    published('15-sound-codings', 'rate', off=None, says=('48000 Hz, 2 channels',)),
    # The record says a coding that the frames are not: they are kept as they are.
    published('15-sound-codings', 'hev2', off=None, sound='AAC that does not decode'),
    published('17-half-open', 'freeze', pictures=90, seconds=3.0, out=(r'^closed after (9|10|11)\.',), says=('no picture received for 10 s',)),
    published('17-half-open', 'back', pictures=240, seconds=8.0, sessions=2, says=('a newer publisher took over',)),
    published('17-half-open', 'often', '3', pictures=270, seconds=9.0, sessions=3),
    published('17-half-open', 'rst', pictures=90, seconds=3.0),
    published('19-acknowledgements', '0', out=(r'^sent \d+ acknowledgements [1-9]',)),
    published('19-acknowledgements', '100000', out=(r'acknowledgements 1\d\d one per 1[0-9]{5}$',)),
    published('28-odd-pictures', 'tff'), published('28-odd-pictures', '422', sound='none'), published('28-odd-pictures', 'odd'),
    published('28-odd-pictures', 'b', says=('b_frames',)), published('28-odd-pictures', 'burst', says=('BURST CAUGHT UP',)),
    published('30-first-picture-before-sound'),
    *(published('33-no-sequence-header', form) for form in ('none', 'empty', 'nopps', 'apart')),
    # Last: who came to a key within a minute is named before who speaks something else.
    published('18-not-rtmp', **NONE, out=(r'^HTTP -> .* 0\.', r'^TLS ->'), says=('speaks', 'to the port of ', 'wrong_protocol')),
    link('noretain', *TAKEN, r'keeps no retained messages', r'SUB lines \d+ events [1-9]'),
    link('smallpacket', *TAKEN, r'its packets hold 600 bytes', r'events [1-9]'),
    link('tinypacket', *TAKEN, r'its packets hold 250 bytes', r'0x95 larger than'),
    link('qos0', *TAKEN, r'QoS 0 alone', r'events [1-9]'),
    link('acl', *TAKEN, r'0x87 Not authorized: this user may not publish there', r'"parked": [1-9]'),
    link('userempty', *TAKEN, r'events [1-9]'),
    # It takes a SUBSCRIBE for a message in flight, which receive maximum does not count.
    link('recvmax1', *TAKEN, r"'event/"), link('recvmax1slow', *TAKEN, r"'event/"),
    link('keepalive2', *TAKEN, r"'event/"), link('keepalive0', *TAKEN, r"'event/"),
    link('assigned', *TAKEN, r'another client id than its own'), link('alias', *TAKEN, r'no subscription with a wildcard'),
    link('v311', *WAITS, r'needs MQTT 5'), link('v311close', *WAITS, r'needs MQTT 5'), link('badver', *WAITS, r'needs MQTT 5'),
    link('retain9a', *WAITS, r'0x9A Retain not supported'), link('busy', *WAITS, r'0x89 Server busy'),
    link('banned', *WAITS, r'0x8A Banned'), link('moved', *WAITS, r'go to other\.example:1883'),
    link('notauth', *WAITS, r'client rim-1 not in group boxes'), link('http', *WAITS, r'a web server answers there'),
    link('quota', *TAKEN, r'"outbox_events"'), link('silent', r'"outbox_events": [1-9]'),
    link('acl87', *TAKEN, r'"parked": [1-9]', r'0x87 Not authorized'), link('disc95', *TAKEN, r'its packets hold \d+ bytes'),
    link('discretain', *TAKEN, r'keeps no retained messages'), link('nomatch', *TAKEN, r'"parked": 0'),
    link('strayack', r'acknowledged a message \(number 32767\) that it was not sent', r'update the broker'),
    link('incoming', r'"outbox_events"', r'acknowledged a message \(number 7\) that it was not sent'),
    # Its port is its own broker's for ever, so only its first form is played.
    alone('20-mqtt-brokers/keepalive.py', out=(r'^keepalive 2 pings \[.+\].* longest silence [0-3]\.',), fails=True),
    alone('22-mqtt-tls', 'BASE', needs=('openssl', 'faketime'), out=(
        r'^root as CA, leaf.*connected=True', r'^same, IP SAN.*connected=True', r'^intermediate not sent, intermediate.*connected=True',
        r'^intermediate NOT sent.*=False .*does not send the certificate between', r'^wrong CA.*signed by nobody in `ca_file`',
        r'^no ca_file.*=False', r'^name does not match.*is not for localhost: it is for broker\.example$',
        r'^no SAN, only CN.*a common name \(CN\) does not', r'^expired.*ended on 2020-', r'^not yet valid.*begins on 2030-',
        r'^self-signed by openssl.*CA:TRUE', r'^mqtts to a plain listener.*a port without TLS',
        r'^mqtt to a TLS listener.*speaks TLS', r'^ca_file is a key.*no certificate in'), unsaid=('DnsName', 'Mqtt state', 'Traceback'), patience=900),
    alone('24-damaged-files', 'BASE', out=(r'up=True',), unsaid=(r'up=False', r'exit code', 'panicked', 'Traceback', 'BOX ENDED'), patience=1800),
    alone('25-disk-full/run.sh', out=(r"^full \{.*'disk_fault': None", r'^free again .*"condition": "recording"',
                                      r'^end .*"condition": "recording"', r'^exit 0'), unsaid=('Traceback',), needs=('mount',)),
    # Of what 24 left; right after it.
    alone('26-http-ranges', 'BASE', out=(r'^whole True', r"200 SSE: \{b'HTTP/1\.1 200': 200\}", r'^page meanwhile \d+ [0-4]\.', r'^exit 0',
                                         r"'bytes=-0'\} +416", r"'bytes=0-1'\} +206 len=2"), unsaid=('WRONG BYTES', 'Traceback')),
    *(alone('27-clock-jumps', 'BASE', form, needs=('faketime',), out=(r"'reason': 'made_shot'", r'^exit 0', told), unsaid=('Traceback', 'panicked'))
      for form, told in (('fwd', r'"plausible": true'), ('back', r'"plausible": false'), ('dst', r'"plausible"'), ('boot2000', r'"plausible": true'))),
    *(alone('32-camera-clock-years-off', form, 'BASE', out=(CALLS + r'.*(onfi|arrival)',), unsaid=('Traceback', CALLS + ' (1970|2099)'))
      for form in ('2099', '1970', 'late', 'local')),
]


def run(*line):
    return subprocess.run(line, capture_output=True, text=True, check=False)


def looked_at(file):
    """What a recording is worth: pictures, frames of sound, seconds of pictures, errors, sound from its picture."""
    probe = run('ffprobe', '-v', 'error', '-show_entries', 'stream=codec_type,nb_frames,duration', '-of', 'json', file)
    streams = {one['codec_type']: one for one in json.loads(probe.stdout or '{}').get('streams', [])}
    said = run('ffmpeg', '-v', 'error', '-i', file, '-f', 'null', '-').stderr.splitlines()
    errors = [line for line in said if NO_ERROR not in line and 'Last message repeated' not in line]
    video, audio = streams.get('video', {}), streams.get('audio', {})
    return dict(pictures=int(video.get('nb_frames', 0)), seconds=float(video.get('duration', 0)),
                frames=int(audio.get('nb_frames', 0)), errors=errors)


def apart(file, since):
    """How far beeps are from their flashes, s; a recording that begins with one tells nothing by it."""
    said = run('ffmpeg', '-v', 'info', '-i', file, '-vf', 'signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-', '-an', '-f', 'null', '-').stdout
    flashes, at, before = [], 0.0, 255.0
    for line in said.splitlines():
        at = float(found[1]) if (found := re.search(r'pts_time:([\d.]+)', line)) else at
        if found := re.search(r'YAVG=([\d.]+)', line):
            light = float(found[1])
            if light > 180 >= before:
                flashes.append(at)
            before = light
    heard = run('ffmpeg', '-v', 'info', '-i', file, '-vn', '-af', 'silencedetect=n=-30dB:d=0.3', '-f', 'null', '-').stderr
    beeps = [float(found) for found in re.findall(r'silence_end: ([\d.]+)', heard)]
    return max([min([abs(flash - beep) for beep in beeps] or [99]) for flash in flashes if flash > since] or [0])


class Publishing:
    """One box with courts, to which publishers go."""

    def __init__(self, tried):
        self.tried = tried
        from box import Box, broker
        self.broker = broker(tried.base + 5)
        self.box = Box('shared', tried.base, courts=COURTS, broker='mqtt://127.0.0.1:%d' % (tried.base + 5),
                       rims='rims = [[140, 60, 24, 10]]\nrims_of = [320, 180]')

    def play(self, row, court):
        """What a publisher showed, as one dictionary."""
        box, before = self.box, {one['id'] for one in self.box.segments()}
        at, said = box.log_len(), set()
        script = self.tried.cases / row['case'] / 'run.py'
        out = tempfile.TemporaryFile('w+')
        playing = subprocess.Popen([sys.executable, '-u', script, str(box.rtmp), 'key-court-' + court, *row['args']],
                                   stdout=out, stderr=subprocess.STDOUT)
        last = None
        while playing.poll() is None:
            time.sleep(0.5)
            last = box.court(court)
            said.add(json.dumps({key: last.get(key) for key in ('advice', 'fault', 'audio', 'refusals')}))
        waits, new = time.monotonic() + 25, []
        while time.monotonic() < waits:
            last = box.court(court)
            said.add(json.dumps({key: last.get(key) for key in ('advice', 'fault', 'refusals')}))
            if not row['pictures']:  # a court that waits may tell of it, whichever it is
                said.add(json.dumps([one.get('advice') for one in box.state()['streams'].values()]))
            seen = [one for one in box.segments() if one['id'] not in before and one['court'] == court]
            if last['condition'] == 'waiting' and (seen or not row['pictures']) and len(seen) == len(new):
                break
            new = seen
            time.sleep(1)
        new = seen
        out.seek(0)
        pictures, answers = last.get('pictures', 0), last.get('pictures', 0) - last.get('dropped', 0)
        if answers >= 0.6 * max(pictures, 1):
            said.add('BURST CAUGHT UP')
        log = '\n'.join(line for line in box.log_since(at).splitlines() if 'court="%s"' % court in line or 'court=%s' % court in line
                        or (not row['pictures'] and 'WARN' in line))
        got = dict(out=out.read(), said='\n'.join(sorted(said)) + '\n' + log, sessions=len({one['session'] for one in new}),
                   pictures=0, seconds=0.0, frames=0, errors=[], off=0.0, ended=playing.returncode)
        pieces = [[one] for one in new]
        if row['whole']:
            pieces = [[one for one in new if one['session'] == session] for session in dict.fromkeys(one['session'] for one in new)]
        for piece in pieces:
            first, last = min(one['start'] for one in piece) / 90000, max(one['end'] for one in piece) / 90000
            file = '%s/cut-%s-%s-%d.mp4' % (self.tried.run, court, piece[0]['session'][:6], piece[0]['id'])
            box.cut(court, piece[0]['session'], first, last, file)
            found = looked_at(file)
            for key in ('pictures', 'seconds', 'frames', 'errors'):
                got[key] += found[key]
            if row['off'] is not None and row['sound'] == 'AAC' and found['frames']:
                got['off'] = max(got['off'], apart(file, row['heard']))
            Path(file).unlink(missing_ok=True)
        return got

    def end(self):
        ended = self.box.stop()
        log = self.box.log_since()
        verified = run(self.tried.bin, 'clips', 'verify', '-c', self.box.conf)
        self.broker.terminate()
        return [text for text, holds in (
            ('the box ended %s' % ended, ended == 0), ('its ledger does not balance', 'balanced=true' in log),
            ('a panic', 'panicked' not in log), ('its segments do not verify', verified.returncode == 0)) if not holds]


def judged(row, got, busy):
    """What is wrong with what a publisher showed."""
    wrong = []
    if got['ended'] != 0:
        wrong.append('its script ended %d' % got['ended'])
    may = row['pictures'] if isinstance(row['pictures'], range) else [row['pictures']]
    if got['pictures'] not in may:
        wrong.append('%d pictures, not %s' % (got['pictures'], row['pictures']))
    if abs(got['seconds'] - row['seconds']) > 0.02 * row['seconds'] + 0.1:
        wrong.append('%.2f s, not %.2f' % (got['seconds'], row['seconds']))
    if got['sessions'] != row['sessions']:
        wrong.append('%d sessions, not %d' % (got['sessions'], row['sessions']))
    sound = row['sound']
    if sound == 'AAC':
        # A frame has 23 ms; a form may leave out what has no picture.
        if got['frames'] < 0.9 * row['seconds'] * 43:
            wrong.append('%d frames of sound' % got['frames'])
        off = None if row['off'] is None else row['off'] + (0.2 if busy and row['off'] > 0.1 else 0)
        if off is not None and got['off'] > off:
            wrong.append('sound is %.2f s from its picture' % got['off'])
    elif sound and sound != 'AAC that does not decode' and '"audio": "' + sound not in got['said']:
        wrong.append('`%s` is not said of the sound' % sound)
    if got['errors'] and sound != 'AAC that does not decode':
        wrong.append('it does not decode: ' + got['errors'][0][:120])
    for words in row['says']:
        # What is caught up with hangs on what the machine has left.
        if words not in got['said'] and not (busy and words == 'BURST CAUGHT UP'):
            wrong.append('`%s` is not said' % words)
    wrong += ['`%s` is said' % words for words in row['unsaid'] if words in got['said']]
    return wrong + unprinted(row, got['out'])


def unprinted(row, text):
    return ['`%s` is not printed' % words for words in row['out'] if not re.search(words, text, re.M)]


def lonely(tried, row):
    """What a case with a box of its own printed, and what is wrong with that."""
    lacking = [name for name in row['needs'] if not shutil.which(name)]
    if lacking:
        return '', ['NOT RUN: %s is lacking' % ', '.join(lacking)]
    script = tried.cases / row['case']
    script = script / 'run.py' if script.is_dir() else script
    args = [str(tried.next_base()) if one == 'BASE' else one for one in row['args']]
    line = ['bash', str(script)] if script.suffix == '.sh' else [sys.executable, '-u', str(script)]
    with tempfile.TemporaryFile('w+') as out:
        playing = subprocess.Popen(line + args, stdout=out, stderr=subprocess.STDOUT)
        try:
            playing.wait(row['patience'])
            late = []
        except subprocess.TimeoutExpired:
            playing.kill()
            playing.wait()
            late = ['it did not end in %d s' % row['patience']]
        out.seek(0)
        text = out.read()
    if playing.returncode and not late and not row['fails']:
        late = ['its script ended %d' % playing.returncode]
    return text, late + unprinted(row, text) + ['`%s` is printed' % words for words in row['unsaid'] if re.search(words, text, re.M)]


def expect_wrong(row):
    """The control: what nobody does."""
    row = dict(row, out=(*row['out'], 'what nobody prints'))
    if 'pictures' in row:
        row.update(pictures=999, says=(*row['says'], 'what nobody says'))
    return row


class Tried:
    """What all cases share."""

    def __init__(self, asked):
        self.cases, self.bin = asked.cases.resolve(), str(Path(asked.bin).resolve())
        self.run = os.environ.get('CASES_RUN') or os.path.join(tempfile.gettempdir(), 'shared-cases-%d' % os.getpid())
        self.base = 25000 + os.getpid() % 300 * 10
        self.bases = iter(range(self.base + 3010, 60000, 300))
        self.lock = threading.Lock()
        os.environ.update(CASES_RUN=self.run, COURTSIDE=self.bin, COURTSIDE_GAME=str(REPOSITORY / 'assets/demo/game.flv'))
        sys.path.insert(0, str(self.cases / 'lib'))

    def next_base(self):
        with self.lock:
            return next(self.bases)


def spin():
    while True:
        pass


def standing():
    """The broker that some scripts want at its usual place; somebody else's there will do."""
    with socket.socket() as asks:
        if asks.connect_ex(('127.0.0.1', 21883)) == 0:
            return None
    from box import broker
    return broker(21883)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument('--cases', type=Path, default=REPOSITORY.parent / 'shared' / 'cases')
    arguments.add_argument('--bin', default='target/debug/courtside')
    arguments.add_argument('--only', default='', help='rows whose case and words match this expression')
    arguments.add_argument('--at-once', type=int, default=3, help='publishers at once')
    for name in ('busy', 'expect-wrong', 'show'):
        arguments.add_argument('--' + name, action='store_true')
    asked = arguments.parse_args()
    lacking = [name for name in ('ffmpeg', 'ffprobe', 'mosquitto') if not shutil.which(name)]
    if not (asked.cases / 'lib/box.py').exists():
        print('NOT RUN, NOTHING IS SHOWN: there are no cases in %s (--cases FOLDER)' % asked.cases)
        return 3
    if lacking or not Path(asked.bin).exists():
        print('NOT RUN, NOTHING IS SHOWN: %s is lacking' % ', '.join(lacking or [asked.bin]))
        return 3
    tried = Tried(asked)
    name = lambda row: ' '.join([row['case'], *(word for word in row['args'] if word != 'BASE')])
    rows = [expect_wrong(row) if asked.expect_wrong else row for row in ROWS if re.search(asked.only, name(row))]
    results, lock = [], threading.Lock()

    def told(row, wrong, text='', seconds=0.0):
        with lock:
            results.append((name(row), wrong))
            print('%-6s %-46s %5.0f s  %s' % ('WRONG' if wrong else 'right', name(row), seconds, '; '.join(wrong)), flush=True)
            if asked.show or (wrong and not asked.expect_wrong):
                print('\n'.join('    | ' + line[:300] for line in text.splitlines()[-40:]), flush=True)

    spinning = [multiprocessing.Process(target=spin, daemon=True) for _ in range(os.cpu_count() if asked.busy else 0)]
    for one in spinning:
        one.start()
    broker = standing()
    if not asked.only:
        here = {str(script.relative_to(tried.cases)) for script in tried.cases.glob('[0-9]*/*') if script.suffix in ('.py', '.sh')}
        wanted = {row['case'] if '.' in row['case'] else row['case'] + '/run.py' for row in ROWS}
        for script in sorted(here ^ wanted):
            told(dict(case=script, args=()), ['it has no row here' if script in here else 'there is no such script'])
    courts = [row for row in rows if 'pictures' in row]
    if courts:
        box = Publishing(tried)

        def play(court):
            while True:
                with lock:
                    if not courts:
                        return
                    row = courts.pop(0)
                began = time.monotonic()
                try:
                    got = box.play(row, court)
                    wrong, text = judged(row, got, asked.busy), got['out'] + got['said']
                except Exception as error:  # noqa: BLE001: one case is not the others
                    wrong, text = ['it could not be judged: %r' % error], ''
                told(row, wrong, text, time.monotonic() - began)

        threads = [threading.Thread(target=play, args=(court,)) for court in COURTS[:asked.at_once]]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        ends = box.end()
        told(dict(case='the box of the publishers', args=()), ends if not asked.expect_wrong else ['(control)'])
    for row in rows:
        if 'pictures' not in row:
            began = time.monotonic()
            text, wrong = lonely(tried, row)
            told(row, wrong, text, time.monotonic() - began)
    if broker:
        broker.terminate()
    for one in spinning:
        one.terminate()
    wrong = [row for row, why in results if why]
    print('%d cases, %d right, %d wrong%s' % (len(results), len(results) - len(wrong), len(wrong), ' on a busy machine' if asked.busy else ''))
    if asked.expect_wrong:
        return 0 if len(wrong) == len(results) else 1
    return 1 if wrong or not results else 0


if __name__ == '__main__':
    sys.exit(main())
