#!/usr/bin/env python3
"""gate.py PORT UPSTREAM: between a box and its broker. "hostile" on stdin: it hangs up and is a broker that says hostile
words by itself, in five ways in turn; "real": it hangs up and passes everything on to UPSTREAM."""
import itertools, socket, struct, sys, threading

import texts as T

mode, pairs, ways = "real", [], itertools.count()

def s16(text): b = text.encode("utf-8", "surrogatepass"); return struct.pack(">H", len(b)) + b
def vbi(n):
    out = b""
    while True:
        n, b = n >> 7, n & 127
        out += bytes([b | (128 if n else 0)])
        if not n: return out
def packet(kind, body): return bytes([kind]) + vbi(len(body)) + body

def need(c, n):
    b = b""
    while len(b) < n:
        x = c.recv(n - len(b))
        if not x: raise EOFError
        b += x
    return b
def read(c):
    head, size, shift = need(c, 1)[0], 0, 0
    while True:
        b = need(c, 1)[0]; size |= (b & 127) << shift; shift += 7
        if not b & 128: return head, need(c, size)

def hostile(c):
    """One session with hostile words."""
    way = next(ways) % 5
    text = T.hostile("broker", way)
    reason = b"\x1f" + s16(text)
    more = b"\x26" + s16(text[:200]) + s16(text[:200])
    read(c)
    if way == 0: c.sendall(packet(0x20, b"\0\x87" + vbi(len(reason)) + reason)); return
    if way == 1: p = reason + b"\x1c" + s16(text) + more; c.sendall(packet(0x20, b"\0\x9d" + vbi(len(p)) + p)); return
    p = b"\x12" + s16("given") if way == 4 else reason + more
    c.sendall(packet(0x20, b"\0\0" + vbi(len(p)) + p))
    for n in range(400):
        head, body = read(c)
        if head >> 4 == 12: c.sendall(b"\xd0\0")
        if head >> 4 == 8: c.sendall(b"\x90\4" + body[:2] + b"\0\0")
        if head >> 4 == 3 and head >> 1 & 3:
            at = 2 + struct.unpack(">H", body[:2])[0]
            c.sendall(packet(0x40, body[at:at + 2] + b"\x87" + vbi(len(reason)) + reason))
        if n > (3 if way == 2 else 25): c.sendall(packet(0xE0, (b"\x8e" if way == 3 else b"\x98") + vbi(len(reason)) + reason)); return

def pump(a, b):
    try:
        while data := a.recv(65536): b.sendall(data)
    except OSError: pass
    for one in (a, b):
        try: one.shutdown(socket.SHUT_RDWR)
        except OSError: pass

def serve(c, upstream):
    pairs.append(c)
    try:
        if mode == "hostile":
            c.settimeout(20)
            hostile(c)
            c.settimeout(2); c.recv(1)
        else:
            up = socket.create_connection(("127.0.0.1", upstream), 5)
            pairs.append(up); up.settimeout(None)
            threading.Thread(target=pump, args=(up, c), daemon=True).start()
            pump(c, up); up.close()
    except (OSError, EOFError, struct.error): pass
    finally: c.close()

def main():
    global mode
    server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    def accept():
        while True:
            c, _ = server.accept()
            threading.Thread(target=serve, args=(c, int(sys.argv[2])), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    for line in sys.stdin:
        mode = line.strip()
        for one in pairs:
            try: one.shutdown(socket.SHUT_RDWR)
            except OSError: pass
        pairs.clear()

if __name__ == "__main__": main()
