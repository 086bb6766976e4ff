"""What attackers and cameras say on the wire: sockets from chosen addresses, RTMP in one breath, raw HTTP."""
import os, select, socket, struct, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "cases"))
from lib import rtmp as R

GAME = os.path.join(os.path.dirname(os.path.dirname(HERE)), "assets", "demo", "game.flv")

# Who comes from where. The operator sits on 127.0.0.1 and the live courts' cameras beside him; attackers have 127.66/16
# and fd00:66::/48. All of them are addresses of `lo`.
OPERATOR = "127.0.0.1"
CAMERAS = {"a": "127.1.0.1", "b": "127.1.0.2", "e": "127.1.0.5"}
STRANGER = "127.2.0.%d"
def hostile(n): return f"127.66.{n // 250 % 250}.{1 + n % 250}"
def hostile6(n, subnet=1): return f"fd00:66:0:{subnet:x}::{n + 1:x}"

def dial(port, source=None, timeout=5.0, host=None):
    """A connection from `source`; IPv6 where it is such an address."""
    six = source is not None and ":" in source
    one = socket.socket(socket.AF_INET6 if six else socket.AF_INET)
    try:
        one.settimeout(timeout)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if source: one.bind((source, 0))
        one.connect((host or ("fd00:77::1" if six else "127.0.0.1"), port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        one.close()
        raise
    return one

def shut(one):
    try: one.close()
    except OSError: pass

# ---- RTMP
def message(kind, body, cs=3, sid=0, ts=0, chunk=128):
    head = bytes([cs]) + ts.to_bytes(3, "big") + len(body).to_bytes(3, "big") + bytes([kind]) + struct.pack("<I", sid)
    return head + bytes([0xC0 | cs]).join(body[at:at + chunk] for at in range(0, len(body), chunk))

def command(name, number, *args, sid=0, cs=3):
    return message(20, R.st(name) + R.num(number) + b"".join(map(R.val, args)), cs=cs, sid=sid)

HELLO = b"\x03" + bytes(8) + bytes(1528) + bytes(1536)  # C0, C1 and a C2 that echoes nothing
def breath(key, flash="FMLE/3.0"):
    """Handshake to publish without waiting for one answer."""
    return (HELLO + command("connect", 1, {"app": "live", "flashVer": flash, "tcUrl": "rtmp://127.0.0.1/live"})
            + command("createStream", 2, None) + command("publish", 3, None, key, "live", sid=1, cs=8))

GOOD, BAD = b"NetStream.Publish.Start", b"NetStream.Publish."
def verdict_of(one, patience):
    """-> "in", "refused", "closed" or "silent": what came within `patience` seconds, read whole."""
    end, seen = time.monotonic() + patience, b""
    while True:
        if GOOD in seen: return "in"
        if BAD in seen: return "refused"
        left = end - time.monotonic()
        if left <= 0: return "silent"
        one.settimeout(left)
        try: got = one.recv(8192)
        except TimeoutError: return "silent"
        except OSError: return "closed"
        if not got: return "closed"
        seen += got

def publisher(port, key, source=None, timeout=10, step=0.0, flash=None):
    """A camera that publishes, `step` seconds of thought between its steps -> (Pub or None, seconds, last word)."""
    begin = time.monotonic()
    p = R.Pub.__new__(R.Pub)
    try:
        sock = dial(port, source, timeout)
        R.Pub.take(p, sock, quiet=True)
        time.sleep(step); p.handshake()
        time.sleep(step)
        if not p.connect(extra={"flashVer": flash} if flash is not None else None): raise EOFError("no answer to connect")
        time.sleep(step); p.set_chunk(65536); p.cmd("createStream", 4, None)
        if not p.wait(lambda x: x[0] == "cmd" and x[1] == "_result" and x[2] == 4): raise EOFError("no answer to createStream")
        time.sleep(step); p.cmd("publish", 5, None, key, "live", sid=1, cs=8)
        said = p.wait(lambda x: x[0] == "cmd" and x[1] == "onStatus", timeout)
        code = said[-1].get("code") if said else "no answer"
        if code == "NetStream.Publish.Start": return p, time.monotonic() - begin, code
        p.bye()
        return None, time.monotonic() - begin, code
    except (OSError, EOFError) as error:
        if hasattr(p, "sock"): p.bye()
        return None, time.monotonic() - begin, f"{type(error).__name__} {error}"

# ---- HTTP
def ask(port, path="/", method="GET", head="", body=b"", source=None, timeout=5, host=True, whole=False):
    """One request -> (status or 0, bytes of the answer)."""
    try:
        one = dial(port, source, timeout)
    except OSError:
        return 0, b""
    try:
        named = f"Host: 127.0.0.1:{port}\r\n" if host else ""
        size = f"Content-Length: {len(body)}\r\n" if body else ""
        one.sendall(f"{method} {path} HTTP/1.1\r\n{named}{head}{size}Connection: close\r\n\r\n".encode() + body)
        seen, end = b"", time.monotonic() + timeout
        while time.monotonic() < end:
            got = one.recv(65536)
            if not got: break
            seen += got
            if not whole and b"\r\n\r\n" in seen: break
        return (int(seen.split()[1]) if seen.startswith(b"HTTP/1.1 ") else 0), seen
    except (OSError, ValueError, IndexError):
        return 0, b""
    finally:
        shut(one)

class Crowd:
    """Many sockets at once, without a thread each: connects, writes, looks at what comes."""
    def __init__(self, port):
        self.port, self.poll, self.all = port, select.epoll(), {}
    def add(self, source, data, until, note=None):
        six = ":" in source
        one = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((source, 0))
            one.connect_ex(("fd00:77::1" if six else "127.0.0.1", self.port))
        except OSError:
            one.close()
            return False
        self.all[one.fileno()] = [one, data, until, b"", note]
        self.poll.register(one.fileno(), select.EPOLLIN | select.EPOLLOUT | select.EPOLLERR | select.EPOLLHUP)
        return True
    def drop(self, fd):
        one = self.all.pop(fd)
        try: self.poll.unregister(fd)
        except OSError: pass
        one[0].close()
        return one
    def turn(self, wait=0.02):
        """-> those that ended: (note, what they read, "closed" or "late")."""
        ended = []
        for fd, what in self.poll.poll(wait):
            one = self.all.get(fd)
            if one is None: continue
            try:
                if what & select.EPOLLOUT and one[1]:
                    one[1] = one[1][one[0].send(one[1]):]
                    if not one[1]: self.poll.modify(fd, select.EPOLLIN | select.EPOLLERR | select.EPOLLHUP)
                if what & (select.EPOLLIN | select.EPOLLERR | select.EPOLLHUP):
                    got = one[0].recv(65536)
                    if not got: raise EOFError
                    one[3] = (one[3] + got)[-16384:]
            except BlockingIOError:
                continue
            except (OSError, EOFError):
                self.drop(fd); ended.append((one[4], one[3], "closed"))
        now = time.monotonic()
        for fd in [fd for fd, one in self.all.items() if one[2] <= now]:
            one = self.drop(fd); ended.append((one[4], one[3], "late"))
        return ended
    def end(self):
        for fd in list(self.all): self.drop(fd)
        self.poll.close()
