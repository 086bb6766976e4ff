"""Findings 5 and 10: places at the page, guesses of token and cookie, forms of HTTP that nobody needs."""
import collections, hashlib, itertools, re, threading, time

import wire as W
from registry import attack

def sit(v, seconds, sources, said=b"GET / HTTP/1.1\r\nX: ", drip=None, at_most=600):
    """Takes every place it gets and keeps it."""
    crowd, end, n, fed, held = W.Crowd(v.http), time.monotonic() + seconds, 0, time.monotonic(), 0
    while time.monotonic() < end:
        while len(crowd.all) < at_most:
            if not crowd.add(sources[n % len(sources)], said, end): time.sleep(0.02); break
            n += 1
        crowd.turn(); held = max(held, len(crowd.all))
        if drip and time.monotonic() - fed > 1:
            fed = time.monotonic()
            for one in crowd.all.values():
                try: one[0].send(drip)
                except OSError: pass
    crowd.end()
    return {"note": f"{n} connections, at most {held} at once"}

@attack(5)
def seats_from_4_addresses(v, seconds): return sit(v, seconds, [W.hostile(50 + n) for n in range(4)])
@attack(5)
def seats_from_64_addresses(v, seconds): return sit(v, seconds, [W.hostile(100 + n) for n in range(64)])
@attack(5)
def seats_silent_from_64_addresses(v, seconds): return sit(v, seconds, [W.hostile(200 + n) for n in range(64)], b"")
@attack(5)
def seats_from_one_ipv6_64(v, seconds):
    if not v.six: return {"note": "NOT TRIED: no IPv6"}
    return sit(v, seconds, [W.hostile6(n, 3) for n in range(1000)])
@attack(5)
def seats_from_256_ipv6_64s(v, seconds):
    if not v.six: return {"note": "NOT TRIED: no IPv6"}
    return sit(v, seconds, [W.hostile6(n, 0x100 + n % 256) for n in range(1024)])
@attack(5)
def login_bodies_that_never_come(v, seconds):
    return sit(v, seconds, [W.hostile(700 + n) for n in range(64)], b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 4000\r\n\r\ntoken=")
@attack(5)
def slow_headers(v, seconds): return sit(v, seconds, [W.hostile(60)], drip=b"x")
@attack(5)
def seats_kept_after_an_answer(v, seconds):
    "asks what is open to everybody, reads the answer, and keeps the connection"
    return sit(v, seconds, [W.hostile(400 + n) for n in range(64)], b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

# ---- 10
def bearers(v, seconds, sources):
    """Wrong tokens, sixteen a breath -> how many were answered. The right one lies among them; what was put off or cut off
    is asked again."""
    place, end, begin = int(200 * seconds), time.monotonic() + seconds, time.monotonic()
    fresh, again, lock = itertools.count(), collections.deque(), threading.Lock()
    found, answered, put_off = threading.Event(), [0], [0]
    def take():
        with lock:
            n = again.popleft() if again else next(fresh)
        return n, (v.token if n == place else f"{n:064x}")
    def one(source):
        while time.monotonic() < end and not found.is_set():
            s, mine, seen = None, [], b""
            try:
                s = W.dial(v.http, source, timeout=3)
                while time.monotonic() < end and not found.is_set():
                    mine, seen = [take() for _ in range(16)], b""
                    s.sendall(b"".join(f"GET /v1/state HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {t}\r\n\r\n".encode() for _, t in mine))
                    while seen.count(b"HTTP/1.1 ") < 16:
                        got = s.recv(65536)
                        if not got: raise OSError
                        seen += got
                    judge(mine, seen)
                    mine = []
            except OSError: judge(mine, seen); time.sleep(0.05)
            finally: s and W.shut(s)
    def judge(mine, seen):
        said = re.findall(rb"HTTP/1\.1 (\d+)", seen)
        with lock:
            for at, (n, _) in enumerate(mine):
                code = said[at] if at < len(said) else b""
                if code == b"200": found.set()
                elif code == b"401": answered[0] += 1
                else: put_off[0] += 1; again.append(n)
    threads = [threading.Thread(target=one, args=(sources[k % len(sources)],)) for k in range(max(4, min(64, len(sources))))]
    for t in threads: t.start()
    for t in threads: t.join()
    took = time.monotonic() - begin
    rate, most = answered[0] / took, (5 + 40 / took if len(sources) == 1 else 60 + 600 / took)
    out = {"note": f"{rate:.1f} guesses/s answered, {put_off[0] / took:.0f}/s put off; right token (number {place}) {'FOUND after %.1f s' % took if found.is_set() else 'not found'}"}
    wrong = []
    if found.is_set(): out["got_in"] = f"bearer guesser, {took:.1f} s"; wrong.append(f"the right token was found after {took:.1f} s")
    if rate > most: wrong.append(f"{rate:.0f} bearer guesses/s answered, at most {most:.0f}")
    if wrong: out["wrong"] = wrong
    return out

@attack(10)
def bearers_from_one_address(v, seconds): return bearers(v, seconds, [W.hostile(70)])
@attack(10)
def bearers_from_64_addresses(v, seconds): return bearers(v, seconds, [W.hostile(800 + n) for n in range(64)])

def asks(v, source, over, word, patience, at_once=16):
    """Wrong tokens from one address until `over`; `word(n)` is the n-th request. -> how many were tried, and which was let in."""
    crowd, n, found = W.Crowd(v.http), 0, None
    while time.monotonic() < over and found is None:
        while len(crowd.all) < at_once and time.monotonic() < over:
            if not crowd.add(source, word(n), time.monotonic() + patience, n): time.sleep(0.02)
            n += 1
        for k, said, _ in crowd.turn():
            if b" 200 " in said[:20] or b"set-cookie" in said.lower(): found = k
    crowd.end()
    return n, found

def bearer(token): return f"GET /v1/state HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
def login(token): return f"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(token) + 6}\r\n\r\ntoken={token}".encode()
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
def sign_in(v, source):
    """-> the cookie, or what was answered instead."""
    code, said = W.ask(v.http, "/login", "POST", FORM, f"token={v.token}".encode(), source=source)
    cookie, to = re.search(rb"set-cookie: *([^;\r\n]+)", said, re.I), re.search(rb"location: *(\S+)", said, re.I)
    return cookie[1].decode() if cookie else None, f"{code} {to[1].decode() if to else ''}".strip()

@attack(10)
def bearers_beside_a_signed_in_operator(v, seconds):
    "whoever shares the operator's address hangs up after 50 ms: is he told by that which one is right? The operator's page goes on"
    source, place, begin = "127.50.0.2", 120 * int(seconds), time.monotonic()
    cookie, said = None, ""
    while not cookie and time.monotonic() - begin < 10:
        cookie, said = sign_in(v, source)
        if not cookie: time.sleep(0.5)
    W.ask(v.http, "/v1/state", head=v.bearer, source=source)
    got, over = {}, time.monotonic() + seconds
    t = threading.Thread(target=lambda: got.update(zip(("tried", "found"), asks(v, source, over, lambda n: bearer(v.token if n % place == place - 1 else format(n, "064x")), 0.05)))); t.start()
    looks = []
    while time.monotonic() < over:
        one = time.monotonic()
        looks.append((W.ask(v.http, "/v1/state", head=f"Cookie: {cookie}\r\n", source=source)[0], time.monotonic() - one)); time.sleep(0.3)
    t.join()
    late = [x for x in looks if x[0] != 200 or x[1] > v.ease]
    wrong = [] if cookie else [f"the operator could not sign in: {said}"]
    if got["found"] is not None: wrong.append(f"the right token (number {got['found']}) was found")
    if cookie and late and not v.concert: wrong.append(f"the operator's page: {len(late)} of {len(looks)} late or refused, {late[0][0]} after {late[0][1]:.1f} s")
    out = {"note": f"{got['tried'] / seconds:.0f}/s tried, each {place}th the right one: {'FOUND' if got['found'] is not None else 'not found'}; operator's page at most {max(t for _, t in looks):.2f} s"}
    if got["found"] is not None: out["got_in"] = "guesser behind the operator's address"
    return {**out, **({"wrong": wrong} if wrong else {})}

@attack(10)
def logins_beside_an_operator_who_signs_in(v, seconds):
    "sign-ins are guessed from the address of an operator who never signed in: he must get in all the same, within 20 s"
    source, over = "127.50.0.3", time.monotonic() + max(seconds, 22)
    got = {}
    t = threading.Thread(target=lambda: got.update(zip(("tried", "found"), asks(v, source, over, lambda n: login(format(n, "064x")), 0.9, 40)))); t.start()
    time.sleep(2)
    begin, cookie, answers = time.monotonic(), None, collections.Counter()
    while not cookie and time.monotonic() < over:
        cookie, said = sign_in(v, source)
        answers[said or "none"] += 1
        if not cookie: time.sleep(0.7)
    took, over = time.monotonic() - begin, 0
    t.join()
    out = {"note": f"{got['tried']} guesses; signed in after {took:.1f} s; {dict(answers)}" if cookie else f"{got['tried']} guesses; not signed in after {took:.1f} s; {dict(answers)}"}
    if not cookie or took > 20 * v.ease: out["wrong"] = [f"the operator was {'in after' if cookie else 'not in within'} {took:.0f} s"]
    return out

@attack(5, honest=True)
def displays_20_behind_one_proxy(v, seconds, displays=20):
    "each an event stream and the pictures of two courts a second, from the one address of the proxy that shows the token"
    source, codes, streams, over, held = "127.51.0.1", collections.Counter(), collections.Counter(), time.monotonic() + seconds, []
    def display():
        try:
            s = W.dial(v.http, source); held.append(s)
            s.sendall(f"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n{v.bearer}Accept: text/event-stream\r\n\r\n".encode())
            streams[s.recv(100)[9:12].decode()] += 1
        except OSError as error: streams[str(error)] += 1
        while time.monotonic() < over:
            for c in "ab": codes[W.ask(v.http, f"/v1/courts/{c}/snapshot.jpg", head=v.bearer, source=source, whole=True)[0]] += 1
            time.sleep(1)
    threads = [threading.Thread(target=display) for _ in range(displays)]
    for t in threads: t.start()
    for t in threads: t.join()
    for s in held: W.shut(s)
    refused = sum(n for code, n in codes.items() if code != 200)
    wrong = [] if streams == {"200": displays} else [f"event streams: {dict(streams)}"]
    if refused: wrong.append(f"{refused} of {sum(codes.values())} pictures were not given: {dict(codes)}")
    return {"note": f"streams {dict(streams)}, pictures {dict(codes)}", **({"wrong": wrong} if wrong else {})}

@attack(10)
def logins_and_hang_up(v, seconds):
    "the right answer comes at once, so nobody waits for a wrong one"
    place, crowd, end, begin, found = int(20 * seconds), W.Crowd(v.http), time.monotonic() + seconds, time.monotonic(), None
    fresh, again, tried, answered = itertools.count(), collections.deque(), 0, 0
    while time.monotonic() < end and not found:
        while len(crowd.all) < 32:
            n = again.popleft() if again else next(fresh)
            body = f"token={v.token if n == place else format(n, '064x')}"
            asked = f"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
            if not crowd.add(W.hostile(75), asked, time.monotonic() + 0.3, n): time.sleep(0.02)
        for n, said, how in crowd.turn():
            tried += 1; answered += b"wrong=1" in said
            if b"set-cookie" in said.lower(): found = True
            elif b"wrong=1" not in said and (said or how == "closed"): again.append(n)  # put off or cut off, so not a wrong one
        if any(b"set-cookie" in one[3].lower() for one in crowd.all.values()): found = True
    took = time.monotonic() - begin
    crowd.end()
    out = {"note": f"{tried / took:.0f} logins/s tried, {answered / took:.1f}/s answered; right one (number {place}) {'FOUND after %.1f s' % took if found else 'not found'}"}
    if found: out.update(got_in=f"login guesser, {took:.1f} s", wrong=[f"the right token was found at /login after {took:.1f} s"])
    return out

@attack(10)
def hosts_none_and_two(v, seconds):
    wrong = []
    good, _ = W.ask(v.http, "/v1/state", head=v.bearer, source=W.OPERATOR)
    if good != 200: wrong.append(f"an ordinary request was answered {good}")
    for what, head, host in (("no Host", v.bearer, False), ("two Host", v.bearer + "Host: evil.example\r\n", True), ("two like Host", v.bearer + f"Host: 127.0.0.1:{v.http}\r\n", True)):
        code, _ = W.ask(v.http, "/v1/state", head=head, host=host, source=W.OPERATOR)
        if code == 200: wrong.append(f"{what} was answered 200")
    return {"note": "; ".join(wrong) or "refused", **({"wrong": wrong} if wrong else {})}

@attack(10)
def cookie_after_sign_out(v, seconds):
    "a cookie that can be worked out of the token, or goes on after signing out, cannot be taken back"
    wrong = []
    made = hashlib.sha256(b"courtside cookie 1\0" + v.token.encode()).hexdigest()
    code, _ = W.ask(v.http, "/v1/state", head=f"Cookie: courtside={made}\r\n", source=W.OPERATOR)
    if code == 200: wrong.append("a cookie worked out of the token is taken")
    body = f"token={v.token}".encode()
    cookies = []
    for _ in range(2):
        _, said = W.ask(v.http, "/login", "POST", "Content-Type: application/x-www-form-urlencoded\r\n", body, source=W.OPERATOR)
        m = re.search(rb"set-cookie: *([^;\r\n]+)", said, re.I)
        if m: cookies.append(m[1].decode())
    if len(cookies) < 2: return {"note": "could not sign in", "wrong": ["could not sign in"]}
    if cookies[0] == cookies[1]: wrong.append("every browser has the same cookie")
    if W.ask(v.http, "/v1/state", head=f"Cookie: {cookies[0]}\r\n", source=W.OPERATOR)[0] != 200: wrong.append("a cookie just given is not taken")
    out = [W.ask(v.http, p, "POST", f"Cookie: {cookies[0]}\r\nOrigin: http://127.0.0.1:{v.http}\r\nContent-Type: application/x-www-form-urlencoded\r\n", b"x=1", source=W.OPERATOR)[0] for p in ("/logout", "/signout", "/sign-out")]
    if W.ask(v.http, "/v1/state", head=f"Cookie: {cookies[0]}\r\n", source=W.OPERATOR)[0] == 200: wrong.append(f"the cookie goes on after signing out (answers {out})")
    if W.ask(v.http, "/v1/state", head=f"Cookie: {cookies[1]}\r\n", source=W.OPERATOR)[0] != 200: wrong.append("signing out one browser signs out the other")
    return {"note": "; ".join(wrong) or "signed out", **({"wrong": wrong} if wrong else {})}

@attack(10)
def event_streams_a_thousand(v, seconds):
    "with the right token: a page left open a thousand times, that never reads"
    crowd, end, n, codes = W.Crowd(v.http), time.monotonic() + seconds, 0, {}
    ask = f"GET /v1/events?after=0 HTTP/1.1\r\nHost: 127.0.0.1\r\n{v.bearer}Accept: text/event-stream\r\n\r\n".encode()
    while time.monotonic() < end:
        while n < 1000 and len(crowd.all) < 1000:
            if not crowd.add("127.4.0.1", ask, end): time.sleep(0.02); break
            n += 1
        for _, said, how in crowd.turn():
            code = said[9:12].decode("ascii", "replace") or how
            codes[code] = codes.get(code, 0) + 1
    held = sum(b" 200 " in one[3][:20] or len(one[3]) >= 16384 for one in crowd.all.values())
    crowd.end()
    return {"note": f"{n} asked, {held} held, others: {codes}"}
