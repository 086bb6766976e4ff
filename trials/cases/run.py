#!/usr/bin/env python3
"""Plays every awkward publisher against one box, and says whether the box held.

  trials/cases/run.py [--bin target/debug/courtside] [--only WORD] [--show]

What people reported of other servers and recorders, a file a kind of trouble; the files' first lines say which.
Each case has a court of its own for as long as it lasts. Held means: the case ended, an ordinary publisher is taken
at once afterwards, and video was recorded or not as the table below says. At the end every clip and segment must
verify, and the box must end with its ledger balanced. --show tells state and log of each case, and what the
recording is worth (A/V sync by flash and beep): for looking into one.

Needs ffmpeg and mosquitto; three minutes. Ends 0 if all held. mqtt_*, damaged_files, http_ranges, disk_full,
clock_jumps and camera_clock_years_off are no publishers: each starts a box of its own and prints what it saw.
"""
import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
COURTS = 'abcdef'
# Case, its words, and whether video is to be recorded: where not, the publisher is refused, or told of in the state.
CASES = [
    ('url_forms', [], False), ('metadata_odd', [], True),
    *(('chunk_forms', [form], True) for form in ('csid2', 'csid3', 'sizes', 'ext', 'extno3', 'wrap', 'huge', 'small', 'delta')),
    *(('annexb_in_flv', [form], True) for form in ('pictures', 'rec', 'none')),
    ('nal_per_message', [], True), ('sei_aud_own_message', [], True), ('empty_and_filler_nals', [], True), ('sound_first', [], True),
    *(('constant_times', [form], True) for form in ('zero', 'video', 'slow', 'half')),
    *(('time_jumps', [form], True) for form in ('fwd15h', 'zero', 'back1', 'fwd5', 'fwd12')),
    *(('sps_every_gop', form, True) for form in (['size'], ['rotate'], ['sps'], ['size', 'inband'], ['rotate', 'inband'])),
    *(('enhanced', [form, '6'], True) for form in ('avc1', 'modex', 'multi', 'one', 'twitch')),
    *(('enhanced', [form, '6'], False) for form in ('av1', 'vp9')),
    *(('sound_codings', [form], True) for form in ('mp3', 'pcma', 'opus', 'adts', 'noconfig', 'late', 'rate', 'hev2')),
    *(('half_open', form, True) for form in (['freeze'], ['back'], ['often', '3'], ['rst'])),
    ('not_rtmp', [], False), ('acknowledgements', ['0'], True), ('acknowledgements', ['100000'], True),
    *(('odd_pictures', [form], True) for form in ('tff', '422', 'odd', 'b', 'burst')),
    ('first_picture_before_sound', [], True),
    *(('no_sequence_header', [form], True) for form in ('none', 'empty', 'nopps', 'apart')),
]


def taken(box, rtmp, court):
    """Whether an ordinary publisher is taken."""
    try:
        one = rtmp.Pub(box.rtmp, quiet=True)
        said = one.go('key-court-' + court)
        one.bye()
        return bool(said) and said[-1].get('code') == 'NetStream.Publish.Start'
    except (OSError, EOFError) as error:
        return f'no ({error})'


def tell(box, court, at, new):
    from lib.clipcheck import check
    from lib.paths import RUN
    print('STATE', json.dumps({k: v for k, v in box.court(court).items() if v not in (None, [])}))
    print('LOG', '\n'.join(line for line in box.log_since(at).splitlines() if f'court={court}' in line or f'court="{court}"' in line)[-2500:])
    for session in {one['session'] for one in new}:
        mine = [one for one in new if one['session'] == session]
        first, last = min(one['start'] for one in mine) / 90000, max(one['end'] for one in mine) / 90000
        out = f'{RUN}/cut-{court}-{session[:4]}.mp4'
        print('CUT', round(first, 3), 'to', round(last, 3), box.cut(court, session, first, last, out))
        check(out)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument('--bin')
    args.add_argument('--only', default='', help='cases whose name and words hold this')
    args.add_argument('--show', action='store_true')
    args = args.parse_args()
    if args.bin:
        os.environ['COURTSIDE'] = os.path.abspath(args.bin)
    from lib import box as B, rtmp as R
    cases = [case for case in CASES if args.only in ' '.join([case[0], *case[1]])]
    base = 22000 + os.getpid() % 500 * 10
    broker = B.broker(base + 5)
    box = B.Box('cases', base, courts=COURTS, broker=f'mqtt://127.0.0.1:{base + 5}', rims='rims = [[140, 60, 24, 10]]\nrims_of = [320, 180]')
    wrong, lock, memory = [], threading.Lock(), []

    def play(court):
        while True:
            with lock:
                if not cases:
                    return
                name, words, records = cases.pop(0)
            at, before = box.log_len(), {one['id'] for one in box.segments()}
            done = subprocess.run([sys.executable, '-u', HERE / f'{name}.py', str(base), 'key-court-' + court, *words],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
            end = time.monotonic() + 20
            new = []
            while time.monotonic() < end:  # the last fragment is written within a second of its last unit
                new = [one for one in box.segments() if one['id'] not in before and one['court'] == court]
                if new or not records:
                    break
                time.sleep(0.2)
            after = taken(box, R, court)
            held = done.returncode == 0 and after is True and bool(new) == records
            with lock:
                print(f"{'held ' if held else 'WRONG'} {name} {' '.join(words)}: {len(new)} segments, {len({one['session'] for one in new})} sessions; "
                      f'an ordinary publisher afterwards: {after}', flush=True)
                memory.append(int(Path(f'/proc/{box.pid}/status').read_text().split('VmRSS:')[1].split()[0]) // 1024)
                if not held:
                    wrong.append(f'{name} {words}')
                    print(done.stdout[-1500:])
                if args.show:
                    print(done.stdout[-1500:])
                    tell(box, court, at, new)

    threads = [threading.Thread(target=play, args=(court,)) for court in COURTS]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    ended = box.stop()
    verified = subprocess.run([B.BIN, 'clips', 'verify', '-c', box.conf], capture_output=True, text=True)
    log = box.log_since()
    for text, holds in (('the box ended 0', ended == 0), ('its ledger balanced', 'balanced=true' in log), ('no panic', 'panicked' not in log),
                        ('segments and clips verify', verified.returncode == 0)):
        print('held ' if holds else 'WRONG', text)
        if not holds:
            wrong.append(text)
    if verified.returncode:
        print(verified.stdout[-800:], verified.stderr[-800:])
    broker.terminate()
    print(f'cases: {len(memory)} played, {len(wrong)} wrong; memory {min(memory)} to {max(memory)} MB. {"; ".join(wrong)}')
    return 1 if wrong or not memory else 0


if __name__ == '__main__':
    sys.exit(main())
