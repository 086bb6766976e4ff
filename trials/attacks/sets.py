"""Parameter sets and pictures made by hand, so that a few bytes may declare what they like (ITU-T H.264, H.265 7.3)."""
import random, re, struct

class Bits:
    def __init__(self): self.text = []
    def u(self, n, value):
        if n: self.text.append(format(value, f"0{n}b"))
        return self
    def ue(self, value):
        text = format(value + 1, "b"); self.text.append("0" * (len(text) - 1) + text)
        return self
    def se(self, value): return self.ue(2 * value - 1 if value > 0 else -2 * value)
    def raw(self, text): self.text.append(text); return self
    def bytes(self, stop=True):
        text = "".join(self.text) + ("1" if stop else "")
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big") if text else b""

def guarded(payload): return re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", payload)
def nal(head, bits, tail=b""): return head + guarded(bits + tail)

# ---- H.264
def sps(w, h, chroma=1, depth=8, refs=16, crop=None, ident=0, level=62, buffering=None):
    """Progressive, order of output = order of decoding; `crop` is the size that is shown, `buffering` what VUI says is kept."""
    profile = 244 if chroma == 3 else 122 if chroma == 2 else 110 if depth > 8 else 100
    b = Bits().u(8, profile).u(8, 0).u(8, level).ue(ident).ue(chroma)
    if chroma == 3: b.u(1, 0)
    b.ue(depth - 8).ue(depth - 8).u(1, 0).u(1, 0).ue(12).ue(2).ue(refs).u(1, 0)
    across, down = -(-w // 16), -(-h // 16)
    b.ue(across - 1).ue(down - 1).u(1, 1).u(1, 1)
    shown = crop or (w, h)
    right, bottom = across * 16 - shown[0], down * 16 - shown[1]
    unit = (1 if chroma == 3 else 2, 2 if chroma == 1 else 1)
    if right or bottom: b.u(1, 1).ue(0).ue(right // unit[0]).ue(0).ue(bottom // unit[1])
    else: b.u(1, 0)
    if buffering is None: b.u(1, 0)
    else:  # VUI with nothing but bitstream_restriction
        b.u(1, 1).u(8, 0).u(1, 1).u(1, 1).ue(0).ue(0).ue(16).ue(16).ue(0).ue(buffering)
    return nal(b"\x67", b.bytes())

def pps(ident=0, of=0):
    b = Bits().ue(ident).ue(of).u(1, 0).u(1, 0).ue(0).ue(0).ue(0).u(1, 0).u(2, 0).se(0).se(0).se(0).u(1, 1).u(1, 0).u(1, 0)
    return nal(b"\x68", b.bytes())

def idr(w, h, chroma=1, pps_id=0, number=0, cut=None):
    """A gray key picture, a byte a macroblock: Intra_16x16, DC, no residual. `cut`: only so many macroblocks of it."""
    blocks = -(-w // 16) * -(-h // 16)
    b = Bits().ue(0).ue(7).ue(pps_id).u(16, 0).ue(number).u(1, 0).u(1, 0).se(0).ue(1)
    b.raw(("001001111" if chroma == 3 else "00100111") * min(blocks, cut or blocks))
    return nal(b"\x65", b.bytes())

def skipped(w, h, n, pps_id=0):
    """A picture that repeats the one before in ten bytes; frame_num `n`."""
    b = Bits().ue(0).ue(5).ue(pps_id).u(16, n % 65536).u(1, 0).u(1, 0).u(1, 0).se(0).ue(1)
    b.ue(-(-w // 16) * -(-h // 16))
    return nal(b"\x41", b.bytes())

def avcc(spss, ppss):
    return (b"\x01" + spss[0][1:4] + b"\xff" + bytes([0xE0 | len(spss)]) + b"".join(struct.pack(">H", len(x)) + x for x in spss)
            + bytes([len(ppss)]) + b"".join(struct.pack(">H", len(x)) + x for x in ppss))

def record(data, codec=7): return bytes([0x10 | codec]) + b"\0\0\0\0" + data
def picture(nals, key, codec=7):
    return bytes([(0x10 if key else 0x20) | codec]) + b"\1\0\0\0" + b"".join(struct.pack(">I", len(x)) + x for x in nals)

# ---- H.265
def _ptl(b, chroma, depth):
    plain = chroma == 1 and depth == 8
    profile = 1 if plain else 4
    b.u(2, 0).u(1, 0).u(5, profile).u(32, 1 << (31 - profile)).u(1, 1).u(1, 0).u(1, 0).u(1, 1).u(32, 0).u(12, 0).u(8, 186)

def hevc_sets(w, h, chroma=1, depth=8, refs=16):
    b = Bits().u(4, 0).u(1, 1).u(1, 1).u(6, 0).u(3, 0).u(1, 1).u(16, 0xFFFF); _ptl(b, chroma, depth)
    b.u(1, 1).ue(refs - 1).ue(0).ue(0).u(6, 0).ue(0).u(1, 0).u(1, 0)
    vps = nal(b"\x40\x01", b.bytes())
    b = Bits().u(4, 0).u(3, 0).u(1, 1); _ptl(b, chroma, depth)
    b.ue(0).ue(chroma)
    if chroma == 3: b.u(1, 0)
    b.ue(w).ue(h).u(1, 0).ue(depth - 8).ue(depth - 8).ue(12).u(1, 1).ue(refs - 1).ue(0).ue(0)
    b.ue(0).ue(3).ue(0).ue(3).ue(0).ue(0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).ue(0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0)
    s = nal(b"\x42\x01", b.bytes())
    b = Bits().ue(0).ue(0).u(1, 0).u(1, 0).u(3, 0).u(1, 0).u(1, 0).ue(0).ue(0).se(0).u(1, 0).u(1, 0).u(1, 0).se(0).se(0)
    b.u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 1).u(1, 0).u(1, 1).u(1, 0).u(1, 0).ue(0).u(1, 0).u(1, 0)
    return vps, s, nal(b"\x44\x01", b.bytes())

def hvcc(sets, chroma=1, depth=8):
    b = Bits(); _ptl(b, chroma, depth)
    out = b"\x01" + b.bytes(stop=False) + b"\xf0\x00\xfc" + bytes([0xFC | chroma, 0xF8 | depth - 8, 0xF8 | depth - 8]) + b"\0\0\x0f\x03"
    for kind, one in zip((32, 33, 34), sets):
        out += bytes([0x80 | kind]) + struct.pack(">HH", 1, len(one)) + one
    return out

def hevc_picture(n, noise=random.Random(5)):
    """Picture `n` of order; it keeps the 15 before it. What it shows is noise."""
    if n == 0: b, head = Bits().u(1, 1).u(1, 0).ue(0).ue(2), b"\x26\x01"
    else:
        b, head = Bits().u(1, 1).ue(0).ue(2).u(16, n % 65536).u(1, 0), b"\x02\x01"
        kept = min(n, 15); b.ue(kept).ue(0)
        for _ in range(kept): b.ue(0).u(1, 1)
    b.se(0)
    return nal(head, b.bytes(), noise.randbytes(300))
