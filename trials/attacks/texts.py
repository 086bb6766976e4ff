"""Hostile words, and how to see that they went through raw."""
import re

ODD = {chr(c) for c in (*range(0x20), *range(0x7F, 0xA0)) if chr(c) not in "\n\t"} | set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u200b\u200c\u200d\u2060\ufeff\u2028\u2029\u061c")
FORGED = re.compile(r"^\S*\s*(?:INFO|WARN|ERROR)\s+forged|^(?:forged|✗ forged|✓ forged)", re.M)

def hostile(who, form=0):
    """ESC, a line that looks like one of the log's own, bidi and zero width; long in some forms."""
    text = (f"no\x1b[2J\x1b]0;{who}\x07\r\n2026-01-01T00:00:00.000000Z  INFO forged by {who}\n✓ forged: all is well\u202egnp.exe\u200b\u2066x\u0085\x9b31m")
    return text * (1, 1, 40, 1, 8)[form % 5]

def raw_in(said):
    """-> (lines forged, odd characters) in what a box said."""
    text = said if isinstance(said, str) else said.decode("utf-8", "replace")
    return len(FORGED.findall(text)), sum(c in ODD for c in text)
