"""Findings 1, 2 and 7: what a publisher with one right key may declare, break and fill."""
import os, random, subprocess, tempfile, time

import sets as S
import wire as W
from registry import attack

def push(v, seconds, record, first, more, codec=7, rate=30, key=None):
    """Publishes these sets and pictures as long as it is let, again and again -> note. `first` is a list of NALs, `more(n)` too."""
    end, times, held, said = time.monotonic() + seconds, 0, 0.0, ""
    while time.monotonic() < end:
        p, _, said = W.publisher(v.rtmp, key or v.key("c"), W.hostile(1))
        if not p: time.sleep(0.5); continue
        times += 1; begin = time.monotonic()
        try:
            p.msg(9, S.record(record, codec), ts=0, sid=1, cs=6)
            p.msg(9, S.picture(first, True, codec), ts=0, sid=1, cs=6)
            n = 1
            while not p.closed and time.monotonic() < end:
                p.msg(9, S.picture(more(n), False, codec), ts=n * 1000 // rate, sid=1, cs=6)
                n += 1
                time.sleep(max(0.0, begin + n / rate - time.monotonic()))
        except OSError: pass
        held += time.monotonic() - begin
        told = [x[-1] for x in p.seen if x[0] == "cmd" and x[1] == "onStatus"]
        said = str(told[-1].get("description") or told[-1].get("code"))[:110] if told else ""
        p.bye(); time.sleep(0.2)
    return {"note": f"{times} sessions, {held:.1f} s on; told: {said}"}

def declared(v, seconds, w, h, chroma=1, depth=8, crop=None, key=None):
    return push(v, seconds, S.avcc([S.sps(w, h, chroma, depth, crop=crop)], [S.pps()]), [S.idr(w, h, chroma)], lambda n: [S.skipped(w, h, n)], key=key)

@attack(1, court="c")
def pictures_8192x4320(v, seconds): return declared(v, seconds, 8192, 4320)
@attack(1, court="c")
def pictures_444_10_bit(v, seconds): return declared(v, seconds, 8192, 4320, 3, 10)
@attack(1, court="c")
def pictures_10000(v, seconds): return declared(v, seconds, 10000, 10000)
@attack(1, court="c")
def pictures_16384(v, seconds): return declared(v, seconds, 16384, 16384)
@attack(1, court="c")
def pictures_cropped_to_small(v, seconds):
    "coded 8192x4320, shown 640x360: who asks for what is shown lets it pass"
    return declared(v, seconds, 8192, 4320, crop=(640, 360))
@attack(1, court="c")
def pictures_tall_and_narrow(v, seconds):
    "sides that each pass, and a product that a bound on one side does not see"
    return declared(v, seconds, 16384, 4096, 2, 10)

@attack(1, court="c")
def pictures_h265(v, seconds):
    sets = S.hevc_sets(8192, 4320)
    return push(v, seconds, S.hvcc(sets), [S.hevc_picture(0)], lambda n: [S.hevc_picture(n)], codec=12)
@attack(1, court="c")
def pictures_h265_444_10_bit(v, seconds):
    sets = S.hevc_sets(8192, 4320, 3, 10)
    return push(v, seconds, S.hvcc(sets, 3, 10), [S.hevc_picture(0)], lambda n: [S.hevc_picture(n)], codec=12)

@attack(1, court="c")
def pictures_whose_level_lies(v, seconds):
    "level 1.0 and a VUI that promises to keep none, sixteen references all the same: a decoder keeps them"
    w, h = 8192, 4320
    return push(v, seconds, S.avcc([S.sps(w, h, level=10, buffering=0)], [S.pps()]), [S.idr(w, h)], lambda n: [S.skipped(w, h, n)])

@attack(1, court="c")
def pictures_h265_whose_buffer_lies(v, seconds):
    "sets that promise to keep one picture, slices that keep fifteen"
    sets = S.hevc_sets(8192, 4320, refs=1)
    return push(v, seconds, S.hvcc(sets), [S.hevc_picture(0)], lambda n: [S.hevc_picture(n)], codec=12)

@attack(1, court="c")
def pictures_large_of_two_sizes(v, seconds):
    "4K in two sizes, ten pictures of each in turn: is what the one took given back before the other takes it?"
    sizes = ((3840, 2160), (3840, 2144))
    def more(n):
        (w, h), k = sizes[n // 10 % 2], n % 10
        return [S.sps(w, h), S.pps(), S.idr(w, h, number=n // 10 % 2)] if k == 0 else [S.skipped(w, h, k)]
    return push(v, seconds, S.avcc([S.sps(*sizes[0])], [S.pps()]), more(0), more)

@attack(1, court="c")
def pictures_a_thousand_a_second(v, seconds):
    "1920x1080 in ten bytes a picture: what it costs is the box's time, not the sender's"
    return push(v, seconds, S.avcc([S.sps(1920, 1088, crop=(1920, 1080))], [S.pps()]), [S.idr(1920, 1088)], lambda n: [S.skipped(1920, 1088, n)], rate=1000)

@attack(1, court="c")
def pictures_many_sets(v, seconds):
    "one record of 31 sets; the first is small, the pictures are of the last"
    spss = [S.sps(320, 192, ident=0)] + [S.sps(8192, 4320, ident=n) for n in range(1, 31)]
    return push(v, seconds, S.avcc(spss, [S.pps(n, n) for n in range(31)]), [S.idr(8192, 4320, pps_id=30)], lambda n: [S.skipped(8192, 4320, n, 30)])

@attack(1, court="c")
def pictures_sets_hidden_in_pictures(v, seconds):
    "a record of 320x192; the large set stands between the slices of the second key picture"
    w, h = 8192, 4320
    def more(n):
        if n < 15: return [S.skipped(320, 192, n)]
        if n == 15: return [S.sps(w, h), S.pps(), S.idr(w, h, number=1)]
        return [S.skipped(w, h, n - 15)]
    return push(v, seconds, S.avcc([S.sps(320, 192)], [S.pps()]), [S.idr(320, 192)], more)

@attack(1, court="c")
def pictures_set_swapped_by_id(v, seconds):
    "a record of 320x192, then pictures that name a set of another number, given as no key picture"
    w, h = 8192, 4320
    def more(n):
        if n < 15: return [S.skipped(320, 192, n)]
        if n == 15: return [S.sps(w, h, ident=7), S.pps(9, 7), S.skipped(320, 192, n)]
        if n == 16: return [S.idr(w, h, pps_id=9, number=1)]
        return [S.skipped(w, h, n - 16, 9)]
    return push(v, seconds, S.avcc([S.sps(320, 192)], [S.pps()]), [S.idr(320, 192)], more)

@attack(1, court="c")
def pictures_largest_that_is_taken(v, seconds):
    "the largest picture that is not refused, with every reference that its level allows, for the rest of the time"
    begin = time.monotonic()
    for w, h, chroma, depth in ((7680, 4320, 1, 8), (6144, 3456, 1, 8), (5120, 2880, 3, 10), (5120, 2880, 1, 8), (4096, 2304, 3, 10), (4096, 2304, 1, 8), (3840, 2160, 1, 8)):
        found = declared(v, 1.2, w, h, chroma, depth)
        if found["note"].startswith("1 sessions, 1."): break
    again = declared(v, max(6.0, seconds - (time.monotonic() - begin)), w, h, chroma, depth)
    return {"note": f"{w}x{h} {'4:4:4' if chroma == 3 else '4:2:0'} {depth} bit: {again['note']}"}

@attack(1, court="cd")
def pictures_two_courts(v, seconds):
    import threading
    notes = {}
    def one(court): notes[court] = declared(v, seconds, 8192, 4320, 3, 10, key=v.key(court))["note"]
    threads = [threading.Thread(target=one, args=(c,)) for c in "cd"]
    for t in threads: t.start()
    for t in threads: t.join()
    return {"note": notes.get("d", "")}

# ---- 2
def interlaced(v, court="d", seconds=6):
    """An honest camera of fields -> (answers that came of it, what it was told, the court's fault by then)."""
    file = tempfile.gettempdir() + "/attacks-interlaced.flv"
    if not os.path.exists(file):
        subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=30", "-t", "12", "-c:v", "libx264", "-preset", "veryfast", "-g", "30",
                        "-b:v", "600k", "-bf", "0", "-pix_fmt", "yuv420p", "-flags", "+ilme+ildct", "-x264-params", "threads=1:tff=1:rc-lookahead=0", "-f", "flv", file], check=True)
    tags = [t for t in W.R.flv(file) if t[0] == 9]
    before = v.answered(court)
    p, _, said = W.publisher(v.rtmp, v.key(court), "127.1.0.9")
    if not p: return 0, said, None
    W.R.play(p, tags, stop=seconds); time.sleep(0.3)
    after, fault = v.answered(court), v.box.court(court).get("fault")
    p.bye()
    return after - before, said, fault

def then_interlaced(v, found):
    if v.concert: return found  # one core for all is no place for an honest camera: the runner tries it at the end
    got, said, fault = interlaced(v)
    found["note"] = f"interlaced afterwards: {got} pictures answered; " + found.get("note", "")
    if got < 60: found["wrong"] = [f"an interlaced camera decodes {got} of 180 pictures afterwards ({said}; {fault})"]
    return found

@attack(2, court="d")
def no_garbage_then_interlaced(v, seconds):
    "the control: the same camera where nobody came before it"
    return then_interlaced(v, {})

@attack(2, court="d")
def garbage_16384_then_interlaced(v, seconds):
    "twice, so that a decoder fails twice without a picture between"
    declared(v, 6, 16384, 16384, key=v.key("d"))
    return then_interlaced(v, declared(v, 6, 16384, 16384, key=v.key("d")))

@attack(2, court="d")
def garbage_slices_then_interlaced(v, seconds):
    "good sets of 854x480, and slices of noise"
    noise = random.Random(v.seed)
    sets = S.avcc([S.sps(854, 480)], [S.pps()])
    cut = lambda nal: nal[:12] + noise.randbytes(400)
    return then_interlaced(v, push(v, 10, sets, [cut(S.idr(854, 480))], lambda n: [cut(S.idr(854, 480, number=n % 2)) if n % 5 == 0 else b"\x41" + noise.randbytes(300)], key=v.key("d")))

@attack(2, court="d")
def garbage_lies_then_interlaced(v, seconds):
    "slices of a picture that the sets do not declare: reference numbers, sizes and profiles that no decoder takes"
    sets = S.avcc([S.sps(640, 368, 2, 10, refs=16, level=10)], [S.pps()])
    return then_interlaced(v, push(v, 10, sets, [S.idr(1280, 720)], lambda n: [S.skipped(1280, 720, n * 37)], key=v.key("d")))

# ---- 7
def files(v, before, seconds, most, note, found=None):
    count, size = v.segments()
    grown = count - before[0]
    out = {"note": f"{grown} segment files, {(size - before[1]) / 1e6:.1f} MB on disk; {note}"}
    if grown > most: out["wrong"] = [f"{grown} segment files in {seconds:.0f} s, at most {most}"]
    return out

def most_files(seconds): return 40 + int(seconds * 2)

@attack(7, court="d")
def sets_alternate(v, seconds, inband=False):
    "two sets in turn, a key picture each, as fast as it is taken"
    before, end, sent, told = v.segments(), time.monotonic() + seconds, 0, ""
    a, b = (S.sps(320, 192), S.pps()), (S.sps(352, 288), S.pps())
    while time.monotonic() < end:
        p, _, told = W.publisher(v.rtmp, v.key("d"), W.hostile(2))
        if not p: time.sleep(0.3); continue
        n = 0
        try:
            p.msg(9, S.record(S.avcc([a[0]], [a[1]])), ts=0, sid=1, cs=6)
            while not p.closed and time.monotonic() < end:
                w, h, one = (320, 192, a) if n % 2 == 0 else (352, 288, b)
                nals = [S.idr(w, h, number=n % 2)]
                if inband: nals = [*one, *nals]
                elif n: p.msg(9, S.record(S.avcc([one[0]], [one[1]])), ts=n, sid=1, cs=6)
                p.msg(9, S.picture(nals, True), ts=n, sid=1, cs=6)
                n += 1; sent += 1
        except OSError: pass
        words = [x[-1].get("description") or x[-1].get("code") for x in p.seen if x[0] == "cmd" and x[1] == "onStatus"]
        told = str(words[-1])[:100] if words else ""
        p.bye(); time.sleep(0.05)
    time.sleep(1.5)
    return files(v, before, seconds, most_files(seconds), f"{sent} pictures; told: {told}")

@attack(7, court="d")
def sets_alternate_in_pictures(v, seconds): return sets_alternate(v, seconds, True)

@attack(7, court="d")
def reconnect_per_picture(v, seconds):
    "a session for each picture"
    before, end, n, last = v.segments(), time.monotonic() + seconds, 0, ""
    while time.monotonic() < end:
        try:
            one = W.dial(v.rtmp, W.hostile(3))
            one.sendall(W.breath(v.key("d")))
            last = W.verdict_of(one, 3)
            if last == "in":
                n += 1
                one.sendall(W.message(9, S.record(S.avcc([S.sps(320, 192)], [S.pps()])), cs=6, sid=1) + W.message(9, S.picture([S.idr(320, 192)], True), cs=6, sid=1))
                one.settimeout(0.02)
                try: one.recv(1)
                except TimeoutError: pass
            W.shut(one)
        except OSError: time.sleep(0.05)
    time.sleep(1.5)
    return files(v, before, seconds, most_files(seconds), f"{n} sessions taken, last: {last}")
