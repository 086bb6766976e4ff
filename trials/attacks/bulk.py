"""Finding 1: what costs time or memory by being long or many, and not by being large: sets beside sets, names of pictures."""
import os, random, struct, tempfile, subprocess, time

import sets as S
import venue as V
import wire as W
from pictures import push
from registry import attack

def long(nal, size=4096): return nal + b"\x55" * (size - len(nal))

class Cost:
    """The box's CPU beyond what it takes without us, which is looked at for 2 s first."""
    def __init__(self, v):
        self.pid, before = v.pid, V.cpu(v.pid)
        time.sleep(2)
        self.rate, self.spent, self.begin = (V.cpu(v.pid) - before) / 2, V.cpu(v.pid), time.monotonic()
    def end(self): return V.cpu(self.pid) - self.spent - self.rate * (time.monotonic() - self.begin)

def judged(v, note, spent, sent, most):
    """`most`: seconds of CPU a megabyte, beside one second for whatever."""
    note = f"{sent / 1e6:.2f} MB cost {spent:.1f} s of CPU; {note}"
    allowed = 1 + most * sent / 1e6
    # Beside other attacks nobody can say whose time it was.
    return {"note": note, **({"wrong": [f"{sent / 1e6:.2f} MB cost {spent:.1f} s of CPU, at most {allowed:.1f}"]} if spent > allowed and not v.concert else {})}

def told(p):
    said = [x[-1] for x in p.seen if x[0] == "cmd" and x[1] == "onStatus"]
    return str(said[-1].get("description") or said[-1].get("code"))[:120] if said else "nothing"

def small_among_long(v, seconds, size, times=1):
    """31 sets of 4096 bytes are in force; a key picture is made of thousands of short ones that each take another's place."""
    spss, one = [long(S.sps(320, 192, ident=n)) for n in range(31)], S.sps(320, 192, ident=30)
    unit = struct.pack(">I", len(one)) + one
    body = b"\x27\x01\0\0\0" + unit * (size // len(unit)) + S.picture([S.idr(320, 192)], True)[5:]
    cost, sent, words = Cost(v), 0, ""
    for _ in range(times):
        p, _, words = W.publisher(v.rtmp, v.key("d"), W.hostile(1))
        if not p: continue
        try:
            p.msg(9, S.record(S.avcc(spss, [S.pps(0, 30)])), ts=0, sid=1, cs=6)
            p.msg(9, body, ts=0, sid=1, cs=6); sent += len(body)
            time.sleep(seconds / times)
            words = told(p)
        except OSError as error: words = str(error)
        p.bye()
    return judged(v, f"told: {words}", cost.end(), sent, 0.1)

@attack(1, court="d")
def sets_small_among_long(v, seconds):
    "300 kB; as it was, 100 kB took a worker two seconds"
    return small_among_long(v, seconds, 300_000)
@attack(1, court="d")
def sets_small_among_long_four_times(v, seconds):
    "a message as long as one may be, four times"
    return small_among_long(v, seconds, 7_900_000, 4)

@attack(1, court="c", growth=250)
def sets_of_8_mb(v, seconds):
    "sets that are known are replaced, each by one of 7.9 MB: sixteen of them, and a unit that names them all again"
    spss, size, n = [S.sps(320, 192, refs=1, ident=k) for k in range(31)], 7_900_000, 0
    cost, begin, sent = Cost(v), time.monotonic(), 0
    p, _, words = W.publisher(v.rtmp, v.key("c"), W.hostile(1))
    if not p: return {"note": words}
    try:
        p.msg(9, S.record(S.avcc(spss, [S.pps(0, 0)])), ts=0, sid=1, cs=6)
        p.msg(9, S.picture([S.idr(320, 192)], True), ts=0, sid=1, cs=6)
        for n in range(1, 17):
            p.msg(9, S.picture([long(S.sps(320, 192, refs=1, ident=n), size), S.skipped(320, 192, n)], False), ts=n * 40, sid=1, cs=6)
            sent += size; time.sleep(0.15)
        while not p.closed and time.monotonic() - begin < seconds:
            n += 1
            p.msg(9, S.picture([S.pps(0, 0) + (b"\x55" if n % 2 else b""), S.skipped(320, 192, n)], False), ts=1000 + n, sid=1, cs=6)
            time.sleep(0.01)
        words = told(p)
    except OSError as error: words = f"{told(p)} ({error})"
    p.bye()
    return judged(v, f"told: {words}", cost.end(), sent, 0.1)

@attack(1, court="c")
def pps_toggles_a_thousand_times_a_second(v, seconds):
    "31 sets and 31 PPS of 4096 bytes in force; in each picture of 1080p one of them is another"
    spss, ppss = [long(S.sps(1920, 1088, refs=1, ident=n)) for n in range(31)], [long(S.pps(n, 0)) for n in range(31)]
    two, n, held, words, end = (S.pps(30, 0), S.pps(30, 0) + b"\x55"), 0, 0.0, "", time.monotonic() + seconds
    while time.monotonic() < end:
        p, _, words = W.publisher(v.rtmp, v.key("c"), W.hostile(1))
        if not p: time.sleep(0.3); continue
        begin, k = time.monotonic(), 0
        try:
            p.msg(9, S.record(S.avcc(spss, ppss)), ts=0, sid=1, cs=6)
            p.msg(9, S.picture([S.idr(1920, 1088)], True), ts=0, sid=1, cs=6)
            while time.monotonic() < end and not p.closed:
                k += 1
                p.msg(9, S.picture([two[k % 2], S.skipped(1920, 1088, k)], False), ts=k, sid=1, cs=6)
                time.sleep(max(0.0, begin + k / 1000 - time.monotonic()))
        except OSError: pass
        words = told(p); n += k; held += time.monotonic() - begin
        p.bye(); time.sleep(0.2)
    return {"note": f"{n} pictures in {held:.1f} s; told: {words}"}

@attack(1, court="d")
def slices_against_64_pps(v, seconds, size=7_900_000):
    "H.265: 64 PPS in force, and one picture of 7.9 MB made of slices of nine bytes that name the last of them"
    vps, sps, _ = S.hevc_sets(320, 192)
    def pps(ident):
        b = S.Bits().ue(ident).ue(0).u(1, 0).u(1, 0).u(3, 0).u(1, 0).u(1, 0).ue(0).ue(0).se(0).u(1, 0).u(1, 0).u(1, 0).se(0).se(0)
        b.u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 1).u(1, 0).u(1, 1).u(1, 0).u(1, 0).ue(0).u(1, 0).u(1, 0)
        return S.nal(b"\x44\x01", b.bytes()) + b"\x55" * 40
    head = S.hvcc((vps, sps, pps(0)))
    record = head[:head.index(b"\0\0\x0f\x03") + 4]
    for kind, many in ((32, [vps]), (33, [long(sps)]), (34, [pps(n) for n in range(64)])):
        record += bytes([0x80 | kind]) + struct.pack(">H", len(many)) + b"".join(struct.pack(">H", len(x)) + x for x in many)
    unit = b"\x02\x01" + S.Bits().u(1, 1).ue(63).ue(0).bytes()
    one = struct.pack(">I", len(unit)) + unit
    body = b"\x2c\x01\0\0\0" + one * (size // len(one))
    cost = Cost(v)
    p, _, words = W.publisher(v.rtmp, v.key("d"), W.hostile(1))
    if not p: return {"note": words}
    try:
        p.msg(9, S.record(record, 12), ts=0, sid=1, cs=6)
        p.msg(9, S.picture([S.hevc_picture(0)], True, 12), ts=0, sid=1, cs=6)
        p.msg(9, body, ts=40, sid=1, cs=6)
        time.sleep(seconds)
        words = told(p)
    except OSError as error: words = f"{told(p)} ({error})"
    p.bye()
    return judged(v, f"told: {words}", cost.end(), len(body), 0.1)

def missing(n, each=15):
    """An H.265 picture that names 15 before it and 15 after it, none of which ever came; other ones each time."""
    if n == 0: return S.hevc_picture(0)
    b = S.Bits().u(1, 1).ue(0).ue(2).u(16, n * 40 % 65536).u(1, 0).ue(each).ue(each)
    for _ in range(2 * each): b.ue(0).u(1, 1)
    return S.nal(b"\x02\x01", b.se(0).bytes(), random.Random(n).randbytes(200))

def misnaming(v, seconds, w, h, chroma, depth, more):
    "sets that promise to keep one picture"
    sets = S.hevc_sets(w, h, chroma, depth, refs=1)
    return push(v, seconds, S.hvcc(sets, chroma, depth), [S.hevc_picture(0)], lambda n: [more(n)], codec=12, rate=15)

@attack(1, court="c")
def pictures_h265_444_10_bit_that_name_missing_ones(v, seconds):
    "4096x2160, 4:4:4 of 10 bit: thirty names of pictures that never came"
    return misnaming(v, seconds, 4096, 2160, 3, 10, missing)
@attack(1, court="c")
def pictures_h265_444_10_bit_that_keep_15(v, seconds):
    "the same, naming those that came"
    return misnaming(v, seconds, 4096, 2160, 3, 10, S.hevc_picture)
@attack(1, court="c")
def pictures_h265_that_name_missing_ones(v, seconds):
    "8 bit, 4:2:0, as large as is taken with one reference"
    return misnaming(v, seconds, 4864, 3072, 1, 8, missing)

def reordering(w, h, chroma, depth, ident, reorder, kept):
    """A set whose VUI says how many are reordered and kept."""
    profile = 244 if chroma == 3 else 110 if depth > 8 else 100
    b = S.Bits().u(8, profile).u(8, 0).u(8, 62).ue(ident).ue(chroma)
    if chroma == 3: b.u(1, 0)
    b.ue(depth - 8).ue(depth - 8).u(1, 0).u(1, 0).ue(12).ue(2).ue(1).u(1, 0)
    b.ue(-(-w // 16) - 1).ue(-(-h // 16) - 1).u(1, 1).u(1, 1).u(1, 0)
    b.u(1, 1).u(8, 0).u(1, 1).u(1, 1).ue(0).ue(0).ue(16).ue(16).ue(reorder).ue(kept)
    return S.nal(b"\x67", b.bytes())

@attack(1, court="c")
def pictures_by_the_delay_of_another_set(v, seconds):
    "a small set that reorders 16 pictures, then a large one that promises none: a decoder keeps the delay of the first"
    w, h, end, times, words = 4096, 2304, time.monotonic() + seconds, 0, ""
    record = S.avcc([reordering(320, 192, 3, 10, 0, 16, 16), reordering(w, h, 3, 10, 1, 0, 1)], [S.pps(0, 0), S.pps(1, 1)])
    while time.monotonic() < end:
        p, _, words = W.publisher(v.rtmp, v.key("c"), W.hostile(1))
        if not p: time.sleep(0.5); continue
        times += 1; begin, n = time.monotonic(), 0
        try:
            p.msg(9, S.record(record), ts=0, sid=1, cs=6)
            p.msg(9, S.picture([S.idr(320, 192, 3)], True), ts=0, sid=1, cs=6)
            while not p.closed and time.monotonic() < end:
                n += 1; k = n - 30
                first = k >= 0 and k % 40 == 0
                one = S.skipped(320, 192, n) if k < 0 else S.idr(w, h, 3, pps_id=1, number=k // 40 % 2) if first else S.skipped(w, h, k % 40, 1)
                p.msg(9, S.picture([one], first), ts=n * 50, sid=1, cs=6)
                time.sleep(max(0.0, begin + n / 20 - time.monotonic()))
        except OSError: pass
        words = told(p); p.bye(); time.sleep(0.2)
    return {"note": f"{times} sessions; told: {words}"}

@attack(1, alone=True)
def camera_of_4k_with_16_references_is_taken(v, seconds):
    "honest: x264, 3840x2160, 25 pictures a second, as many references as it may ask for"
    file = tempfile.gettempdir() + "/attacks-4k.flv"
    if not os.path.exists(file):
        subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "testsrc2=s=3840x2160:r=25", "-t", "4", "-c:v", "libx264", "-preset", "ultrafast", "-refs", "16", "-bf", "2",
                        "-g", "30", "-pix_fmt", "yuv420p", "-f", "flv", file], check=True)
    here = f"{v.folder}/four"; os.makedirs(here, exist_ok=True)
    box, wrong, words, court, answered = V.Box(v.program, here, "mqtt://127.0.0.1:1", courts="ab"), [], "", {}, 0
    if box.start() is None: return {"note": box.words()[-200:], "wrong": ["the box does not start"]}
    try:
        p, _, words = W.publisher(box.rtmp, V.key("a"))
        if p:
            W.R.play(p, [x for x in W.R.flv(file) if x[0] == 9], stop=4); time.sleep(1.5)
            words, court, answered = told(p), box.court("a"), box.ledger().get("a", (0, 0))[1]
            if p.closed: wrong.append(f"refused: {words}")
            p.bye()
        else: wrong.append(f"refused: {words}")
        if court.get("width") != 3840: wrong.append(f"its pictures are not decoded: {court.get('fault') or court.get('last_refusal') or court.get('condition')}")
    finally: box.stop()
    return {"note": f"{court.get('width')}x{court.get('height')}, asks for {(court.get('picture_memory_bytes') or 0) / 1e6:.0f} MB, {answered} pictures answered; told: {words}", **({"wrong": wrong} if wrong else {})}
