"""Findings 3, 4 and 10: guesses of keys, and what a flood of wrong ones does to a camera that is slow."""
import collections, random, re, threading, time

import wire as W
from registry import attack

def guess(v, seconds, sources, patience, at_once):
    """Works through a dictionary that holds court d's key -> how many guesses were answered, and whether the key was found."""
    place = int(100 * seconds)
    words = [f"hoop-{v.seed}-{n:05d}" for n in range(place * 40)]
    words[place] = v.key("d")
    crowd, end, begin = W.Crowd(v.rtmp), time.monotonic() + seconds, time.monotonic()
    tried = answered = n = 0
    found, again = None, collections.deque()
    while time.monotonic() < end and not found:
        while len(crowd.all) < at_once and n < len(words) and time.monotonic() < end:
            word = again.popleft() if again else words[n]
            if not crowd.add(sources[n % len(sources)], W.breath(word), time.monotonic() + patience, word): time.sleep(0.02)
            n += 1
        for key, said, how in crowd.turn():
            tried += 1
            if W.GOOD in said: found = key
            elif W.BAD in said: answered += 1
            # Who waits takes silence for no answer; who hangs up takes it for a no.
            elif patience > 1 or how == "closed": again.append(key)
        # The right one says so at once: nobody waits for it.
        for fd, one in list(crowd.all.items()):
            if W.GOOD in one[3]: found = one[4]; break
    took = time.monotonic() - begin
    crowd.end()
    rate = answered / took
    out = {"note": f"{tried / took:.0f} guesses/s tried, {rate:.1f}/s answered; right key (number {place} of {len(words)}) {'FOUND after %.1f s' % took if found else 'not found'}"}
    if found: out["got_in"] = f"guesser, {took:.1f} s"
    wrong = []
    if found: wrong.append(f"the right key was found after {took:.1f} s")
    most = 5 + 20 / took if len(sources) == 1 else 60 + 600 / took
    if rate > most: wrong.append(f"{rate:.0f} guesses/s were answered, at most {most:.0f}")
    if wrong: out["wrong"] = wrong
    return out

@attack(3)
def guess_and_hang_up_from_one_address(v, seconds): return guess(v, seconds, [W.hostile(10)], 0.04, 8)
@attack(3)
def guess_and_hang_up_from_200_addresses(v, seconds): return guess(v, seconds, [W.hostile(300 + n) for n in range(200)], 0.1, 48)
@attack(3)
def guess_and_wait_from_one_address(v, seconds): return guess(v, seconds, [W.hostile(11)], 4.0, 8)
@attack(3)
def guess_and_wait_from_200_addresses(v, seconds): return guess(v, seconds, [W.hostile(600 + n) for n in range(200)], 4.0, 64)
@attack(3)
def guess_from_one_ipv6_64(v, seconds):
    "one host, an address of its own for each guess"
    if not v.six: return {"note": "NOT TRIED: no IPv6"}
    return guess(v, seconds, [W.hostile6(n) for n in range(2000)], 0.1, 48)

@attack(3)
def guess_from_256_ipv6_64s(v, seconds):
    "a provider's customer has 256 of them, or 65,536"
    if not v.six: return {"note": "NOT TRIED: no IPv6"}
    return guess(v, seconds, [W.hostile6(n, 0x100 + n % 256) for n in range(2048)], 0.1, 48)

# ---- 4: the flood runs confined, the slow camera beside it
def flood(v, seconds, sources, at_once=96):
    crowd, end, n, told = W.Crowd(v.rtmp), time.monotonic() + seconds, 0, {}
    rng = random.Random(v.seed)
    while time.monotonic() < end:
        while len(crowd.all) < at_once:
            if not crowd.add(sources[n % len(sources)], W.breath(f"wrong-{rng.randrange(10 ** 9)}"), time.monotonic() + 4): time.sleep(0.02)
            n += 1
        for _, said, how in crowd.turn():
            word = "refused" if W.BAD in said else how
            told[word] = told.get(word, 0) + 1
    crowd.end()
    return {"note": f"{n / seconds:.0f} connections/s: {told}"}

def slow_camera(step, source, tries=10, least=10, court="g"):
    def witness(v, seconds):
        came, words, begin = [], [], time.monotonic()
        while len(came) < tries and time.monotonic() - begin < max(seconds, tries * (step * 4 + 2.5)):
            p, took, said = W.publisher(v.rtmp, v.key(court), source, step=step)
            came.append(took if p else None)
            if p: p.bye()
            else: words.append(said)
            time.sleep(0.3)
        good = [t for t in came if t is not None]
        own = step * 4
        late = [t for t in good if t > own + 2 * v.ease]
        out = {"came": (len(good), len(came)), "note": f"camera of {step} s a step: in {len(good)} of {len(came)}, longest {max(good, default=0):.1f} s"}
        if len(good) < min(least, len(came)) or not came: out["wrong"] = [f"a camera of {step} s a step came in {len(good)} of {len(came)} times ({words[-1:]})"]
        elif late: out["wrong"] = [f"a slow camera was in after {max(late):.1f} s, its own pauses are {own:.1f}"]
        return out
    witness.seconds = tries * (step * 4 + 1.2)
    return witness

FROM = [W.hostile(20)]
MANY = [W.hostile(1000 + n) for n in range(100)]
@attack(4, witness=slow_camera(0.2, "127.3.0.1"))
def flood_and_camera_of_02_s_elsewhere(v, seconds): return flood(v, seconds, FROM)
@attack(4, witness=slow_camera(0.5, "127.3.0.2"))
def flood_and_camera_of_05_s_elsewhere(v, seconds): return flood(v, seconds, FROM)
@attack(4, witness=slow_camera(0.2, FROM[0]))
def flood_and_camera_of_02_s_behind_the_same_nat(v, seconds): return flood(v, seconds, FROM)
@attack(4, witness=slow_camera(0.5, FROM[0]))
def flood_and_camera_of_05_s_behind_the_same_nat(v, seconds): return flood(v, seconds, FROM)
@attack(4, witness=slow_camera(0.2, "127.3.0.4"))
def flood_of_100_addresses_and_slow_camera(v, seconds): return flood(v, seconds, MANY)

def half_open(v, seconds, sources, said, port=None):
    crowd, end, n, held = W.Crowd(port or v.rtmp), time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        while len(crowd.all) < 500:
            if not crowd.add(sources[n % len(sources)], said, end): time.sleep(0.02); break
            n += 1
        crowd.turn(); held = max(held, len(crowd.all))
    crowd.end()
    return {"note": f"{n} connections, at most {held} at once"}

@attack(4, witness=slow_camera(0.5, "127.3.0.5"))
def half_open_from_one_address(v, seconds): return half_open(v, seconds, [W.hostile(30)], b"")
@attack(4, witness=slow_camera(0.5, "127.3.0.6"))
def half_open_from_200_addresses(v, seconds): return half_open(v, seconds, [W.hostile(2000 + n) for n in range(200)], W.HELLO[:1000])
@attack(4, witness=slow_camera(0.2, "fd00:88::5"))
def half_open_from_one_ipv6_64(v, seconds):
    if not v.six: return {"note": "NOT TRIED: no IPv6"}
    return half_open(v, seconds, [W.hostile6(n, 2) for n in range(1000)], W.HELLO)

@attack(4, witness=slow_camera(0.2, "127.3.0.7"))
def tls_half_open_from_200_addresses(v, seconds):
    "RTMPS: the head of a handshake, and no more"
    return half_open(v, seconds, [W.hostile(2300 + n) for n in range(200)], bytes.fromhex("16030102000100"), v.rtmps)
@attack(4, witness=slow_camera(0.2, "127.3.0.8"))
def tls_noise_from_200_addresses(v, seconds):
    "RTMPS: what is no handshake"
    return half_open(v, seconds, [W.hostile(2600 + n) for n in range(200)], b"GET / HTTP/1.1\r\n\r\n", v.rtmps)

# ---- 10: what is told of them
def alone(v, source, secret):
    """One wrong key, said once, its answer awaited for 4 s -> what became of it."""
    try: one = W.dial(v.rtmp, source, timeout=4)
    except OSError: return "not let in"
    try:
        one.sendall(W.breath(secret))
        return W.verdict_of(one, 4)
    except OSError: return "closed"
    finally: W.shut(one)

def named(lines, source):
    "lines that name the address, and not one that begins like it"
    return [x for x in lines if re.search(re.escape(source) + r"(?![0-9.])", x)]

def lone_guesses(v, seconds, loud, noise, how_many=6):
    """`noise` runs from the loud addresses; single guesses come from elsewhere. Who was answered must stand in the log, by
    itself or in a sum of those who knocked once; sums come every ten seconds, and may wait for one more."""
    rng, at = random.Random(f"{v.seed} {time.monotonic_ns()}"), v.log_size()
    # Addresses and secrets that never were: the same ones again would be a camera's typing error.
    net = f"127.{100 + rng.randrange(100)}.{rng.randrange(256)}"
    lone = {f"{net}.{n}": None for n in range(1, how_many + 1)}
    t = threading.Thread(target=noise); t.start(); time.sleep(2)
    end = time.monotonic() + seconds - 4
    for n, source in enumerate(lone):
        lone[source] = alone(v, source, f"lone-{rng.randrange(10 ** 9)}")
        time.sleep(max(0.1, (end - time.monotonic()) / max(1, how_many - n) - 1))
    t.join()
    heard, last = [a for a, how in lone.items() if how == "refused"], time.monotonic() + 25
    while True:
        lines = v.log(at).splitlines()
        seen = [a for a in heard if named(lines, a)]
        if len(seen) == len(heard) or time.monotonic() > last: break
        time.sleep(0.5)
    begin = {a: n for n, a in enumerate(loud)}
    of_noise = sum(any(a in begin for a in re.findall(r"127(?:\.\d+){3}", x)) for x in lines)
    said = collections.Counter(lone.values())
    out = {"note": f"lone guesses were {dict(said)}; {len(seen)} of {len(heard)} that were answered are in the log, beside {of_noise} lines of {len(loud)} loud addresses"}
    wrong = []
    if len(seen) < len(heard): wrong.append(f"{len(heard) - len(seen)} of {len(heard)} lone wrong keys that were answered are nowhere in the log ({', '.join(a for a in heard if a not in seen)})")
    if not heard and not v.concert: wrong.append(f"none of {len(lone)} lone guesses was answered: {dict(said)}")
    if of_noise > 10 * seconds + 2 * len(loud): wrong.append(f"{of_noise} lines of the flood in {seconds:.0f} s")
    return {**out, **({"wrong": wrong} if wrong else {})}

@attack(10)
def one_guess_behind_a_flood_is_told(v, seconds):
    "lines of one hostile peer must not hide another: each single wrong key from elsewhere shows in the log"
    loud = [W.hostile(40 + n) for n in range(8)]
    return lone_guesses(v, seconds, loud, lambda: flood(v, seconds, loud, 48))

@attack(10)
def one_guess_behind_60_who_wait_is_told(v, seconds):
    "sixty addresses that wait for their answers and come again: all of them have something to be told"
    loud, seconds = [W.hostile(3000 + n) for n in range(60)], max(seconds, 12)
    return lone_guesses(v, seconds, loud, lambda: flood(v, seconds, loud, 200))

@attack(10)
def one_guess_behind_60_who_hang_up_is_told(v, seconds):
    "sixty that never wait"
    loud, seconds = [W.hostile(3100 + n) for n in range(60)], max(seconds, 12)
    def noise():
        end, n = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            try: one = W.dial(v.rtmp, loud[n % 60]); one.sendall(W.breath(f"x{n}")); time.sleep(0.01); W.shut(one)
            except OSError: pass
            n += 1
    return lone_guesses(v, seconds, loud, noise)

@attack(10, honest=True)
def typing_errors_of_two_cameras_behind_one_nat(v, seconds):
    "cameras that try the same wrong key again and again do not guess: not told as a guesser, and a right one beside them is in at once"
    source, over, said = "127.77.0.1", time.monotonic() + max(seconds, 26), collections.Counter()
    def camera(key):
        while time.monotonic() < over:
            p, _, word = W.publisher(v.rtmp, key, source)
            said[word] += 1
            if p: p.bye()
            time.sleep(0.2)  # some forty in the time: thirty guesses a minute are told
    threads = [threading.Thread(target=camera, args=(f"north-hoop-{c}-7f3a19",)) for c in "ab"]
    for t in threads: t.start()
    time.sleep(max(1.0, over - time.monotonic() - 4))
    told = [x for x in strings(v.box.state()) if source in x and "guess" in x]
    came = []
    for _ in range(3):
        p, took, word = W.publisher(v.rtmp, v.key("j"), source)
        came.append((took, word, p is not None))
        if p: p.bye()
        time.sleep(0.3)
    for t in threads: t.join()
    wrong = [f"told as a guesser: {told[0][:150]}"] if told else []
    wrong += [f"a right camera beside them: {word} after {took:.1f} s" for took, word, there in came if not there or took > 2 * v.ease]
    return {"note": f"{dict(said)}; right ones beside in after {max(t for t, _, _ in came):.2f} s", **({"wrong": wrong} if wrong else {})}

def strings(x):
    if isinstance(x, str): yield x
    elif isinstance(x, dict):
        for y in x.values(): yield from strings(y)
    elif isinstance(x, list):
        for y in x: yield from strings(y)
