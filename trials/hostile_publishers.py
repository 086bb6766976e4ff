#!/usr/bin/env python3
"""Hostile and awkward RTMP publishers, against a box of their own or any server on this machine.

  hostile_publishers.py --bin target/debug/courtside [--case CASE,CASE]
  hostile_publishers.py HOST:PORT [--case CASE,CASE] [--pid PID] [--app live] [--key k] [--exact]

With --bin it starts a box with two courts: on one an ordinary publisher plays the demo's game all the while, on the
other come the hostile ones. Held means: after each case a well-behaved publisher is taken, memory grew by 64 MB at
most in all, the game was never interrupted, and the box ended with its ledger balanced. Some three minutes.

Prints one line a case: what the server did (closed: it ended the connection; open: it kept it; refused), seconds,
growth of its memory, alive=yes/no: whether connect and publish work afterwards. A server with fixed stream keys
wants --key KEY --exact; else each case publishes under a name of its own. Ends 0 if all held.
Standard library only; every wait is bounded.
"""
import argparse, os, random, socket, struct, sys, threading, time

def amf_str(s): b = s.encode(); return b"\x02" + struct.pack(">H", len(b)) + b
def amf_num(x): return b"\x00" + struct.pack(">d", x)
def amf_key(s): b = s.encode(); return struct.pack(">H", len(b)) + b
END = b"\x00\x00\x09"
NULL = b"\x05"

def amf_obj(**kv):
    o = b"\x03"
    for k, v in kv.items():
        o += amf_key(k) + (amf_str(v) if isinstance(v, str) else amf_num(v))
    return o + END

def hdr0(csid, ts, length, typ, msid=0):
    t = min(ts, 0xFFFFFF)
    h = basic(0, csid) + t.to_bytes(3, "big") + length.to_bytes(3, "big") + bytes([typ]) + struct.pack("<I", msid)
    return h + (struct.pack(">I", ts) if t == 0xFFFFFF else b"")

def basic(fmt, csid):
    if csid < 64: return bytes([fmt << 6 | csid])
    if csid < 320: return bytes([fmt << 6, csid - 64])
    return bytes([fmt << 6 | 1]) + struct.pack("<H", csid - 64)

def msg(csid, typ, body, ts=0, msid=0, chunk=128):
    out = hdr0(csid, ts, len(body), typ, msid) + body[:chunk]
    for i in range(chunk, len(body), chunk):
        out += basic(3, csid) + body[i:i + chunk]
    return out

class Client:
    def __init__(s, addr, app="live", key="k", timeout=5):
        s.app, s.key = app, key
        s.sock = socket.create_connection(addr, timeout=timeout)
        s.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.chunk = 128
    def send(s, b): s.sock.sendall(b)
    def recv_n(s, n):
        b = b""
        while len(b) < n:
            c = s.sock.recv(n - len(b))
            if not c: raise EOFError("closed in handshake")
            b += c
        return b
    def handshake(s):
        c1 = struct.pack(">II", 0, 0) + random.Random(7).randbytes(1528)
        s.send(b"\x03" + c1)
        r = s.recv_n(1 + 1536 + 1536)
        s.send(r[1:1537])            # C2 = S1
        return s
    def connect(s):
        s.send(msg(3, 20, amf_str("connect") + amf_num(1) + amf_obj(app=s.app, type="nonprivate",
                  flashVer="FMLE/3.0", tcUrl=f"rtmp://127.0.0.1/{s.app}"), chunk=s.chunk))
        return s.drain(0.3)
    def set_chunk(s, n):
        s.send(msg(2, 1, struct.pack(">I", n), chunk=s.chunk)); s.chunk = n
    def publish(s):
        s.send(msg(3, 20, amf_str("createStream") + amf_num(2) + NULL, chunk=s.chunk))
        a = s.drain(0.3)
        s.send(msg(8, 20, amf_str("publish") + amf_num(3) + NULL + amf_str(s.key) + amf_str("live"), msid=1, chunk=s.chunk))
        return a + s.drain(0.3)
    def media_head(s):
        asc = b"\xaf\x00\x12\x10"
        sps = bytes.fromhex("6742c01fd900a0047fe0220000030002000003007908002000"); pps = bytes.fromhex("68ce3c80")
        avcc = b"\x01" + sps[1:4] + b"\xff\xe1" + struct.pack(">H", len(sps)) + sps + b"\x01" + struct.pack(">H", len(pps)) + pps
        s.send(msg(4, 8, asc, msid=1, chunk=s.chunk) + msg(6, 9, b"\x17\x00\x00\x00\x00" + avcc, msid=1, chunk=s.chunk))
    def drain(s, t):
        out, end = b"", time.time() + t
        while True:
            left = end - time.time()
            if left <= 0: break
            s.sock.settimeout(left)
            try: c = s.sock.recv(65536)
            except (TimeoutError, socket.timeout): break
            if not c: raise EOFError("closed after %d bytes" % len(out))
            out += c
        s.sock.settimeout(5)
        return out
    def ready(s):
        s.handshake(); s.connect(); s.publish(); return s

def video(n, key=False): return (b"\x17" if key else b"\x27") + b"\x01\x00\x00\x00" + struct.pack(">I", n - 9) + bytes([0x65 if key else 0x41]) + b"\x55" * (n - 10)

CASES = {}
def case(f): CASES[f.__name__] = f; return f

# ---- before connect
@case
def nested_amf_object(c, depth=6000, key=b"\x00\x01a", chunk=65536):
    "one connect whose object nests DEPTH objects under one-letter keys: 4 bytes a level, 24 KB at 6000"
    c.handshake(); b = amf_str("connect") + amf_num(1) + b"\x03" + (key + b"\x03") * depth
    c.set_chunk(chunk); c.send(msg(3, 20, b, chunk=c.chunk))
@case
def nested_amf_emptykey(c): "the same with empty keys, 3 bytes a level"; nested_amf_object(c, 8000, b"\0\0")
@case
def nested_amf_big(c): "the same, 4 million levels: the largest message a header can announce"; nested_amf_object(c, 4_100_000, chunk=0xFFFFFF)
@case
def nested_amf_strict(c):
    "nested strict arrays, 5 bytes a level"
    c.handshake(); c.set_chunk(65536); c.send(msg(3, 20, amf_str("connect") + amf_num(1) + b"\x0a\x00\x00\x00\x01" * 6000, chunk=c.chunk))
@case
def nested_amf_data(c):
    "the same depth in a data message (onMetaData) after publish"
    c.ready(); c.set_chunk(65536); c.send(msg(4, 18, amf_str("@setDataFrame") + amf_str("onMetaData") + b"\x08\xff\xff\xff\xff" + b"\x00\x01a\x03" * 8000, msid=1, chunk=c.chunk))
@case
def strict_array_count(c):
    "strict array claiming 2^32-1 elements with none there (pre-allocation)"
    c.handshake(); c.send(msg(3, 20, amf_str("connect") + amf_num(1) + b"\x0a\xff\xff\xff\xff"))
@case
def long_string_len(c):
    "long string claiming 4 GiB"
    c.handshake(); c.send(msg(3, 20, amf_str("connect") + amf_num(1) + b"\x0c\xff\xff\xff\xff" + b"x" * 20))
@case
def bad_utf8(c):
    "command name and app that are not UTF-8"
    c.handshake(); c.send(msg(3, 20, b"\x02\x00\x07conn\xff\xfe\xfd" + amf_num(1) + b"\x03" + amf_key("app") + b"\x02\x00\x02\xc3\x28" + END))
@case
def empty_command(c): "command message of zero bytes"; c.handshake(); c.send(msg(3, 20, b"")); c.send(msg(3, 17, b""))
@case
def giant_message_never_sent(c):
    "60 chunk streams, each with a header announcing 16 MiB-1 and one chunk of it: is it allocated ahead?"
    c.handshake()
    for cs in range(3, 63): c.send(hdr0(cs, 0, 0xFFFFFF, 9, 1) + b"z" * 128)
@case
def many_chunk_streams(c):
    "65,000 chunk stream ids, each half a message of 200 bytes (state per id)"
    c.handshake(); c.send(b"".join(hdr0(cs, 0, 200, 9, 1) + b"q" * 128 for cs in range(64, 65064)))
@case
def big_messages_no_publish(c):
    "200 MB of complete video messages of 16 MiB-1 on different chunk streams without connect"
    c.handshake(); c.set_chunk(0xFFFFFF); body = b"v" * 0xFFFFFF
    for cs in range(4, 16): c.send(hdr0(cs, 0, len(body), 9, 1) + body)
@case
def chunk_size_zero(c): "Set Chunk Size 0, then connect"; c.handshake(); c.send(msg(2, 1, b"\0\0\0\0")); c.connect()
@case
def chunk_size_huge(c): "Set Chunk Size 2^31-1, then one video header of 16 MiB-1 and 1 KB of it"; c.handshake(); c.send(msg(2, 1, b"\x7f\xff\xff\xff")); c.send(hdr0(6, 0, 0xFFFFFF, 9, 1) + b"z" * 1024)
@case
def chunk_size_top_bit(c): "Set Chunk Size with the top bit set"; c.handshake(); c.send(msg(2, 1, b"\xff\xff\xff\xff")); c.connect()
@case
def chunk_size_one(c): "Set Chunk Size 1, then an ordinary connect in chunks of 1 (legal)"; c.handshake(); c.set_chunk(1); c.connect(); c.publish()
@case
def chunk_size_short(c): "Set Chunk Size with a 2 byte body"; c.handshake(); c.send(msg(2, 1, b"\0\1")); c.connect()
@case
def control_short(c):
    "every control type with 0 to 3 byte bodies"
    c.handshake()
    for t in (1, 2, 3, 4, 5, 6):
        for n in range(4): c.send(msg(2, t, b"\0" * n))
@case
def fmt3_first(c): "first chunk of a connection is fmt 3"; c.handshake(); c.send(basic(3, 5) + b"a" * 128); c.connect()
@case
def fmt2_first(c): "first chunk is fmt 2"; c.handshake(); c.send(basic(2, 5) + b"\0\0\1" + b"a" * 128); c.connect()
@case
def fmt1_first(c): "first chunk is fmt 1 (some encoders do this; stream id unknown)"; c.handshake(); c.send(basic(1, 5) + b"\0\0\1" + b"\0\0\4" + b"\x09" + b"abcd"); c.connect()
@case
def length_change_midway(c): "a fmt 0 header with a smaller length in the middle of a message on the same chunk stream"; c.handshake(); c.send(hdr0(6, 0, 1000, 9, 1) + b"a" * 128 + hdr0(6, 0, 60, 9, 1) + b"b" * 60 + hdr0(6, 0, 100, 9, 1) + b"b" * 100); c.connect()
@case
def zero_length_message(c): "messages of length 0 (audio, video, data), legal and seen in the field"; c.ready(); [c.send(msg(4, t, b"", msid=1)) for t in (8, 9, 18)]
@case
def aggregate_bad(c): "aggregate message (22) whose inner length overruns"; c.ready(); c.send(msg(4, 22, b"\x09\xff\xff\xff\0\0\0\0\0\0\0abc", msid=1))
@case
def user_control_odd(c): "user control events unknown / short"; c.handshake(); c.send(msg(2, 4, b"\0\x63\0\0")); c.send(msg(2, 4, b"\0\x06")); c.send(msg(2, 4, b"")); c.connect()
@case
def unknown_types(c): "unknown message types 0, 7, 21, 99, 255"; c.handshake(); [c.send(msg(5, t, b"abc")) for t in (0, 7, 21, 99, 255)]; c.connect()
@case
def abort_odd(c): "Abort for an unknown chunk stream"; c.handshake(); c.send(msg(2, 2, b"\0\0\0\x63")); c.connect()
@case
def interleave_av(c):
    "LEGAL: audio chunks between the chunks of a video message, as in the specification's example; twice"
    c.ready(); c.media_head()
    for k in range(2):
        v, a = video(500, k == 0), b"\xaf\x01" + b"\x21" * 300
        out = hdr0(6, 40 * k, len(v), 9, 1) + v[:128] + hdr0(4, 40 * k, len(a), 8, 1) + a[:128] + basic(3, 6) + v[128:256] + basic(3, 4) + a[128:256]
        out += basic(3, 6) + v[256:384] + basic(3, 4) + a[256:] + basic(3, 6) + v[384:]
        c.send(out)
@case
def interleave_control(c): "LEGAL: Set Chunk Size from the client between two chunks of a video message"; c.ready(); c.media_head(); v = video(500, True); c.send(hdr0(6, 0, 500, 9, 1) + v[:128] + msg(2, 1, struct.pack(">I", 4096)) + basic(3, 6) + v[128:])
@case
def ext_timestamp(c): "LEGAL: extended timestamps, repeated on fmt 3 chunks as most encoders do"; c.ready(); c.media_head(); v = video(300, True); e = struct.pack(">I", 0x1000000); c.send(hdr0(6, 0x1000000, 300, 9, 1) + v[:128] + basic(3, 6) + e + v[128:256] + basic(3, 6) + e + v[256:])
@case
def time_backwards(c):
    "timestamps jumping back and wrapping"
    c.ready(); c.media_head()
    for t in (0, 5000, 10, 0xFFFFFF00, 5, 0x7FFFFFFF, 3): c.send(msg(6, 9, video(60, True), ts=t, msid=1))
@case
def bad_avc(c):
    "AVC configuration records cut at every length, then NALU lengths past the end, then empty video"
    c.ready(); rec = bytes.fromhex("01640028ffe1001967640028acd940780227e5c044000003000400000300c83c60c65801000668ebe3cb22c0")
    for n in range(len(rec)): c.send(msg(6, 9, b"\x17\x00\0\0\0" + rec[:n], msid=1))
    c.send(msg(6, 9, b"\x17\x01\0\0\0\xff\xff\xff\xff\x65", msid=1)); c.send(msg(6, 9, b"\x17", msid=1)); c.send(msg(4, 8, b"\xaf", msid=1)); c.send(msg(4, 8, b"\xaf\x00", msid=1))
@case
def ack_wrap(c): "Window Ack Size 0 and 1 (an acknowledgement for each byte?)"; c.handshake(); c.send(msg(2, 5, b"\0\0\0\0")); c.send(msg(2, 5, b"\0\0\0\1")); c.connect(); c.publish()
@case
def twice_publish(c): "publish twice on one stream, then deleteStream of another id"; c.ready(); c.publish(); c.send(msg(3, 20, amf_str("deleteStream") + amf_num(9) + NULL + amf_num(float("nan"))))
@case
def transaction_nan(c): "transaction id NaN / infinity / negative"; c.handshake(); c.connect(); [c.send(msg(3, 20, amf_str("createStream") + amf_num(x) + NULL)) for x in (float("nan"), float("inf"), -1e300)]
@case
def bad_version(c): "C0 = 6 (RTMPE) then C1"; c.send(b"\x06" + b"\0" * 1536); c.drain(2)
@case
def http_get(c): "an HTTP request on the RTMP port"; c.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"); c.drain(3)
@case
def slow_handshake(c):
    "one handshake byte a second: does the server give up within 20 s?"
    t = time.time(); c.send(b"\x03")
    while time.time() - t < 20: c.send(b"\0"); c.drain(1)
    return "still open after 20 s"
@case
def idle_after_handshake(c): "silence after the handshake: closed within 20 s?"; c.handshake(); c.drain(20); return "still open after 20 s"
@case
def never_reads(c):
    "asks for an answer 200,000 times and never reads: does the server's memory grow?"
    c.handshake(); c.connect(); c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096); b = msg(3, 20, amf_str("createStream") + amf_num(2) + NULL) * 500
    c.sock.settimeout(3)
    for i in range(400):
        try: c.sock.sendall(b)
        except (TimeoutError, socket.timeout): return "server stopped reading after about %d requests (good)" % (i * 500)
    return "server took all 200000"
@case
def half_chunk_then_close(c): "cut in the middle of a message"; c.ready(); c.media_head(); c.send(hdr0(6, 0, 5000, 9, 1) + b"\x17\x01"); c.sock.close(); return "sent"
@case
def garbage(c): "1 MB of random bytes after the handshake"; c.handshake(); c.send(random.Random(3).randbytes(1 << 20))
@case
def mutated(c):
    "300 connections, each an ordinary publish with a few bytes changed"
    base = msg(3, 20, amf_str("connect") + amf_num(1) + amf_obj(app=c.app, tcUrl="rtmp://h/live")) + msg(3, 20, amf_str("createStream") + amf_num(2) + NULL) + msg(8, 20, amf_str("publish") + amf_num(3) + NULL + amf_str(c.key) + amf_str("live"), msid=1) + msg(4, 8, b"\xaf\x00\x12\x10", msid=1) + msg(6, 9, video(400, True), msid=1)
    peer = c.sock.getpeername()
    for i in range(300):
        r = random.Random(i); b = bytearray(base)
        for _ in range(r.randint(1, 6)): b[r.randrange(len(b))] = r.randrange(256)
        try:
            k = Client(peer); k.handshake(); k.send(bytes(b)); k.drain(0.02)
        except (OSError, EOFError): pass
        finally:
            try: k.sock.close()
            except Exception: pass
    return "300 sent"

def rss(pid):
    try:
        for l in open(f"/proc/{pid}/status"):
            if l.startswith("VmRSS"): return int(l.split()[1]) // 1024
    except OSError: pass
    return -1

def alive(addr, a):
    try:
        c = Client(addr, a.app, a.key if a.exact else "alive%d" % random.randrange(10**9), timeout=3); c.handshake(); r = c.connect(); r2 = c.publish(); c.sock.close()
        return "yes" if b"_result" in r and b"NetStream.Publish" in r2 else "odd"
    except Exception as e: return "NO(%s)" % type(e).__name__

def run(addr, a):
    """Plays the cases -> names of those after which nobody was taken, or whose own check said so."""
    bad = []
    for n in (a.case.split(",") if a.case else CASES):
        before, t, note = (rss(a.pid) if a.pid else 0), time.time(), None
        try:
            c = Client(addr, a.app, a.key if a.exact else a.key + n); note = CASES[n](c); c.drain(1.0) if c.sock.fileno() >= 0 else None; out = "open"
        except ConnectionRefusedError: out = "refused"
        except (EOFError, OSError) as e: out = "closed(%s)" % str(e)[:40]
        dt = time.time() - t; grown = rss(a.pid) - before if a.pid else 0
        try: c.sock.close()
        except Exception: pass
        time.sleep(0.2); al = alive(addr, a)
        if al != "yes": bad.append(n)
        print(f"{n:26} {out:34} {dt:5.1f}s rss{grown:+d}MB alive={al} {note or ''}", flush=True)
    return bad

def own_box(a):
    """The same against a box of ours, with a court beside that must not notice."""
    os.environ["COURTSIDE"] = os.path.abspath(a.bin)
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases"))
    from lib import box as B, rtmp as R
    base = 25000 + os.getpid() % 500 * 10
    box = B.Box("hostile", base, courts="ab", broker="mqtt://127.0.0.1:1", rims="rims = [[562, 167, 44, 10]]")
    a.pid, a.key, a.exact = box.pid, "key-court-a", True
    over, broken, games = threading.Event(), [], 0
    def camera():
        nonlocal games
        tags = R.flv(B.GAME); p = R.Pub(base, quiet=True); p.go("key-court-b"); last, shift = 0, 0
        def each(k, ts, body):
            nonlocal last
            last = ts + shift
            return [(k, last, body)]
        while not over.is_set():
            if not R.play(p, tags, each=each): broken.append(str(p.seen[-1:])); return
            shift = last + 33; games += 1
        p.bye()
    live = threading.Thread(target=camera); live.start()
    until = time.time() + 20
    while box.court("b").get("condition") != "live" and time.time() < until: time.sleep(0.1)
    time.sleep(5); before = rss(a.pid)  # decoder and model of the court beside have their memory by then
    bad = run(("127.0.0.1", base), a)
    grown = rss(a.pid) - before; over.set(); live.join()
    sessions = {x["session"] for x in box.segments() if x["court"] == "b"}
    ended, log = box.stop(), box.log_since()
    for what, holds in ((f"memory grew by {grown} MB, at most 64", grown <= 64), (f"the court beside played {games} games in {len(sessions)} session, never interrupted {broken}", not broken and len(sessions) == 1),
                        ("the box ended 0", ended == 0), ("its ledger balanced", "balanced=true" in log), ("no panic", "panicked" not in log)):
        print("held " if holds else "WRONG", what)
        if not holds: bad.append(what)
    return bad

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("target", nargs="?"); p.add_argument("--bin"); p.add_argument("--case", default=""); p.add_argument("--pid", type=int); p.add_argument("--app", default="live"); p.add_argument("--key", default="k")
    p.add_argument("--exact", action="store_true", help="use --key as it is, for servers that know their keys; otherwise each case publishes under a name of its own")
    a = p.parse_args()
    if bool(a.bin) == bool(a.target): p.error("give either HOST:PORT or --bin")
    if a.bin: bad = own_box(a)
    else:
        h, _, port = a.target.rpartition(":"); addr = (h or "127.0.0.1", int(port))
        if addr[0] not in ("127.0.0.1", "localhost", "::1"): sys.exit("loopback only")
        bad = run(addr, a)
    print(f"hostile: {len(a.case.split(',') if a.case else CASES)} cases, {len(bad)} wrong {'; '.join(bad)}")
    sys.exit(1 if bad else 0)
if __name__ == "__main__": main()
