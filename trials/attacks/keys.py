"""Findings 3, 4 and 10: guesses of keys, and what a flood of wrong ones does to a camera that is slow."""
import collections, random, time

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

def slow_camera(step, source, tries=10, least=10):
    def witness(v, seconds):
        came, words, begin = [], [], time.monotonic()
        while len(came) < tries and time.monotonic() - begin < max(seconds, tries * (step * 4 + 2.5)):
            p, took, said = W.publisher(v.rtmp, v.key("g"), source, step=step)
            came.append(took if p else None)
            if p: p.bye()
            else: words.append(said)
            time.sleep(0.3)
        good = [t for t in came if t is not None]
        own = step * 4
        late = [t for t in good if t > own + 2]
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

@attack(10)
def one_guess_behind_a_flood_is_told(v, seconds):
    "lines of one hostile peer must not hide another: each single wrong key from elsewhere shows in the log"
    at, lone = v.log_size(), [f"127.99.7.{n}" for n in range(1, 7)]
    import threading
    loud = [W.hostile(40 + n) for n in range(8)]
    t = threading.Thread(target=lambda: flood(v, seconds, loud, 48))
    t.start(); time.sleep(2)
    for source in lone:
        try: one = W.dial(v.rtmp, source); one.sendall(W.breath("a-lone-guess")); W.verdict_of(one, 4); W.shut(one)
        except OSError: pass
        time.sleep(max(0.1, (seconds - 4) / len(lone) - 1.5))
    t.join(); time.sleep(1.5)
    lines = v.log(at).splitlines()
    seen = [a for a in lone if any(a + "]" in x or a + ":" in x or a + " " in x or x.endswith(a) or a + '"' in x or a + "," in x for x in lines)]
    noise = sum(any(a in x for a in loud) for x in lines)
    out = {"note": f"{len(seen)} of {len(lone)} lone guesses in the log, beside {noise} lines of the flood"}
    if len(seen) < len(lone): out["wrong"] = [f"{len(lone) - len(seen)} of {len(lone)} lone wrong keys are nowhere in the log"]
    if noise > 10 * seconds: out.setdefault("wrong", []).append(f"{noise} lines of the flood in {seconds:.0f} s")
    return out
