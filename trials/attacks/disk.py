"""Findings 8, 9 and 10: what lies on the disk. Each brings a box of its own: it is read at the start."""
import os, resource, shutil, stat, subprocess, tempfile, threading, time

import onnx as O
import texts as T
import venue as V
import wire as W
from registry import attack

# What a box of ours may take before the kernel stops it, so that an attack that works does not take the machine.
CEILING = 5 << 30

def folder(v, name):
    path = f"{v.folder}/{name}"
    shutil.rmtree(path, ignore_errors=True); os.makedirs(path)
    return path

class Peak:
    def __init__(self, pid):
        self.pid, self.most, self.over = pid, 0.0, threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True); self.thread.start()
    def look(self):
        while not self.over.wait(0.05): self.most = max(self.most, V.memory(self.pid))
    def end(self):
        self.over.set(); self.thread.join()
        return self.most

def capped(): resource.setrlimit(resource.RLIMIT_AS, (CEILING, CEILING))

def with_bundle(v, name, data=None, prepare=None, play=8, loads=False, side=8):
    """A box whose second bundle is hostile: it must be ready, call with the first, stay small and end."""
    here = folder(v, name)
    path = O.bundle(here + "/models", "evil", data, side)
    if prepare: prepare(here, path)
    box = V.Box(v.program, here, "mqtt://127.0.0.1:1", courts="a", detect=f'bundles = ["rimnet", "evil"]\nmodels_dir = "{here}/models"\nfinder = false')
    wrong, notes, watch = [], [], None
    try:
        got = {}
        t = threading.Thread(target=lambda: got.update(ready=box.start(wait=40))); t.start()
        while box.process is None: time.sleep(0.01)
        resource.prlimit(box.process.pid, resource.RLIMIT_AS, (CEILING, CEILING))
        watch = Peak(box.process.pid); t.join()
        ready = got["ready"]
        if ready is None: wrong.append("the box ended" if box.process.poll() is not None else "not ready after 40 s"); notes.append(box.words()[-160:].replace("\n", " ") if box.process.poll() is not None else "")
        else:
            notes.append(f"ready after {ready:.1f} s")
            if ready > 10: wrong.append(f"ready after {ready:.0f} s, at most 10")
            camera = V.Camera(box.rtmp, "a"); time.sleep(play)
            try:
                models = {m["name"]: m for m in box.state()["models"]["bundles"]}
                answered = box.ledger()["a"][1]
                evil, live = models.get("evil", {}), models.get("rimnet", {})
                notes.append(f"evil: {evil.get('condition')} {str(evil.get('reason') or '')[:150]}")
                if live.get("condition") != "ready" or answered < camera.sent * 0.8: wrong.append(f"rimnet is {live.get('condition')}, {answered} of {camera.sent} pictures answered")
                if loads and evil.get("condition") != "ready": wrong.append(f"an honest bundle is {evil.get('condition')}")
            except (OSError, KeyError) as error: wrong.append(f"the box does not answer: {error}")
            camera.stop()
        most = watch.end()
        notes.append(f"at most {most:.0f} MB")
        if most > 600: wrong.append(f"took {most:.0f} MB, at most 600")
    finally:
        code, took = box.stop(12)
        if ready is not None and code != 0: wrong.append(f"ended {code} after {took:.1f} s of SIGTERM")
        elif took > 5: wrong.append(f"SIGTERM took {took:.1f} s")
    return {"note": "; ".join(notes), **({"wrong": wrong} if wrong else {})}

def relink(path, to): os.path.lexists(path) and os.unlink(path); os.symlink(to, path)

@attack(8, alone=True)
def bundle_honest(v, seconds):
    "the control: a small bundle made the same way loads"
    return with_bundle(v, "bundle_honest", O.honest(), loads=True)
@attack(8, alone=True)
def bundle_link_to_dev_zero(v, seconds): return with_bundle(v, "bundle_link_to_dev_zero", None, lambda h, p: relink(p, "/dev/zero"))
@attack(8, alone=True)
def bundle_manifest_is_dev_zero(v, seconds): return with_bundle(v, "bundle_manifest_is_dev_zero", O.honest(), lambda h, p: relink(h + "/models/evil/model.toml", "/dev/zero"))
@attack(8, alone=True)
def bundle_fifo(v, seconds): return with_bundle(v, "bundle_fifo", None, lambda h, p: os.mkfifo(p))
@attack(8, alone=True)
def bundle_sparse_10_gb(v, seconds):
    def make(h, p):
        with open(p, "wb") as f: f.truncate(10 << 30)
    return with_bundle(v, "bundle_sparse_10_gb", None, make)
@attack(8, alone=True)
def bundle_tile_bomb(v, seconds): return with_bundle(v, "bundle_tile_bomb", O.tile())
@attack(8, alone=True)
def bundle_expand_bomb(v, seconds): return with_bundle(v, "bundle_expand_bomb", O.expand())
@attack(8, alone=True)
def bundle_bomb_by_steps(v, seconds): return with_bundle(v, "bundle_bomb_by_steps", O.steps())
@attack(8, alone=True)
def bundle_time_bomb(v, seconds): return with_bundle(v, "bundle_time_bomb", O.folded())
@attack(8, alone=True)
def bundle_that_takes_seconds_a_picture(v, seconds): return with_bundle(v, "bundle_that_takes_seconds_a_picture", O.slow())

@attack(8, alone=True)
def bundle_that_takes_one_second_a_picture(v, seconds):
    "a twelfth of it: what slips below a bound on the sum must stop nobody either"
    return with_bundle(v, "bundle_one_second", O.slow(turns=1))
@attack(8, alone=True)
def bundle_of_48_thousand_million_a_picture(v, seconds): return with_bundle(v, "bundle_48", O.slow(turns=6))

@attack(8, alone=True)
def bundle_whose_size_hangs_on_the_picture(v, seconds):
    "NonZero: 2.6 GB for a picture of much contrast, nothing for a gray one"
    return with_bundle(v, "bundle_depends", O.depends(), side=160)

# ---- 9
def group_folder(v, beside):
    """A data folder of mode 0775, its own group's; `beside`: it holds more than our data -> (note, wrong)."""
    top = tempfile.mkdtemp(prefix="attacks-group-"); os.chmod(top, 0o755)
    user, group, token = 54_321, 54_322, "a-token-of-our-own-0123456789abcdef"
    wrong, told, box = [], [], V.Box(v.program, top + "/box", "mqtt://127.0.0.1:1", courts="a", user=(user, group))
    try:
        os.makedirs(box.data); os.chmod(box.data, 0o775)
        with open(box.data + "/token", "w") as f: f.write(token + "\n")
        if beside: open(box.data + "/notes.txt", "w").close()
        for path in (box.data + "/token", box.conf): os.chmod(path, 0o600)
        for path in (box.data, box.data + "/token", box.conf): os.chown(path, user, group)
        ready = box.start(wait=10)
        code, said = W.ask(box.http, "/v1/state", head=f"Authorization: Bearer {token}\r\n", whole=True) if ready else (0, b"")
        mode, wanted = stat.S_IMODE(os.stat(box.data).st_mode), 0o775 if beside else 0o700
        told = [x for x in box.words().splitlines() if box.data in x and ("WARN" in x or "ERROR" in x)] + [x for x in said.decode("utf-8", "replace").split('"') if "may write" in x]
        if not ready: wrong.append(f"it does not start: {box.words()[-200:]}")
        elif code != 200: wrong.append(f"its own token is answered {code}")
        elif mode != wanted: wrong.append(f"its mode is {mode:o} afterwards, not {wanted:o}")
        if ready and told: wrong.append(f"alarm: {told[0][:160]}")
        return f"{'with a file of others: ' if beside else ''}{'ready' if ready else 'not ready'}, token {code}, mode {mode:o}, {(told or ['not a word'])[0][:100]}", wrong
    finally:
        box.stop(); shutil.rmtree(top, ignore_errors=True)

@attack(9, alone=True)
def data_folder_that_our_own_group_may_write(v, seconds):
    "honest: mode 0775, as umask 002 makes it where everybody has a group of his own; no alarm, its token goes on"
    if os.getuid(): return {"note": "NOT TRIED: not root"}
    (one, wrong), (two, more) = group_folder(v, False), group_folder(v, True)
    return {"note": f"{one}; {two}", **({"wrong": wrong + more} if wrong + more else {})}

@attack(9, alone=True)
def planted_token_in_an_open_folder(v, seconds):
    here = folder(v, "planted")
    box = V.Box(v.program, here, "mqtt://127.0.0.1:1", courts="a")
    os.makedirs(box.data); os.chmod(box.data, 0o777)
    with open(box.data + "/token", "w") as f: f.write("planted-by-a-local-user-0123456789\n")
    os.chown(box.data + "/token", 65534, 65534); os.chmod(box.data + "/token", 0o644)
    ready = box.start(wait=10)
    code = W.ask(box.http, "/v1/state", head="Authorization: Bearer planted-by-a-local-user-0123456789\r\n")[0] if ready else 0
    ended, _ = box.stop()
    told = [x for x in box.words().splitlines() if "token" in x or "data_dir" in x or "others" in x]
    out = {"note": f"{'ready' if ready else f'ended {ended}'}, the planted token: {code or 'not asked'}; {(told or box.words().splitlines()[-1:] or [''])[-1][:160]}"}
    if code == 200: out.update(got_in="local user, by a planted token", wrong=["a token that another user planted is taken"])
    elif not told and ready: out["wrong"] = ["not a word about it"]
    return out

@attack(9, alone=True)
def umask_of_000(v, seconds):
    here = folder(v, "umask")
    box = V.Box(v.program, here, "mqtt://127.0.0.1:1", courts="a", umask=0)
    box.start(wait=15)
    camera = V.Camera(box.rtmp, "a"); time.sleep(7); camera.stop(); box.stop()
    loose = [os.path.relpath(p, here) for d, ds, fs in os.walk(box.data) for p in [d, *(os.path.join(d, n) for n in ds + fs)] if stat.S_IMODE(os.lstat(p).st_mode) & 0o077]
    return {"note": f"{len(set(loose))} files and folders that others may open {sorted(set(loose))[:4]}", **({"wrong": [f"{len(set(loose))} files are open to others"]} if loose else {})}

@attack(9, alone=True)
def tls_key_that_the_world_may_read(v, seconds):
    here = folder(v, "tls")
    V.certificate(here, 0o644)
    box = V.Box(v.program, here, "mqtt://127.0.0.1:1", courts="a", http_more=f'cert_file = "{here}/tls.pem"\nkey_file = "{here}/tls.key"\n')
    ready = box.start(wait=10); ended, _ = box.stop()
    told = [x for x in box.words().splitlines() if "tls.key" in x]
    return {"note": (told or ["not a word"])[-1][:160], **({} if told or ready is None else {"wrong": ["a private key that everybody may read: not a word"]})}

# ---- 10
def check_config(v, name, text, seconds=20, must_refuse=True):
    here = folder(v, name)
    with open(here + "/c.toml", "w") as f: f.write(text.replace("HERE", here))
    begin = time.monotonic()
    one = subprocess.Popen([v.program, "config", "check", "--config", here + "/c.toml"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, preexec_fn=capped)
    watch = Peak(one.pid)
    try: said = one.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired: one.kill(); said = b"HANGS"; one.wait()
    took, most = time.monotonic() - begin, watch.end()
    wrong = []
    forged, odd = T.raw_in(said)
    if forged or odd: wrong.append(f"its answer holds {odd} odd characters, {forged} forged lines: {said.decode('utf-8', 'replace')[:200]!r}")
    if must_refuse and one.returncode == 0: wrong.append("taken as good")
    if one.returncode not in (0, 2): wrong.append(f"ended {one.returncode}")
    if took > 5: wrong.append(f"took {took:.1f} s")
    if most > 300: wrong.append(f"took {most:.0f} MB")
    if len(said) > 20_000: wrong.append(f"answered {len(said)} bytes")
    return {"note": f"{one.returncode} after {took:.2f} s, {most:.0f} MB: {said.decode('utf-8', 'replace').strip()[:110]!r}", **({"wrong": wrong} if wrong else {})}

HEAD = '[box]\nname = "t"\ndata_dir = "HERE/data"\n[uplink]\nbroker = "mqtt://127.0.0.1:1"\n'
def court(n, key=None, rims=""): return f'[[court]]\nname = "c{n}"\nstream_key = "{key or f"key-{n}-9f3a77c1"}"\n{rims}\n'

@attack(10, alone=True)
def config_of_5000_courts(v, seconds): return check_config(v, "courts", HEAD + "".join(court(n) for n in range(5000)))
@attack(10, alone=True)
def config_of_10000_rims(v, seconds): return check_config(v, "rims", HEAD + court(1, rims="rims = [" + ", ".join(f"[{n % 800}, 167, 44, 10]" for n in range(10_000)) + "]"))
@attack(10, alone=True)
def config_with_bidi_and_zero_width(v, seconds):
    found = [check_config(v, "bidi", HEAD + court(1, key=k)) for k in ("north\u202ehoop-9f3a77", "north\u200bhoop-9f3a77", "north\u0085hoop-9f3a77")]
    found.append(check_config(v, "bidi", HEAD.replace('[uplink]', '[uplink]\nusername = "bo\u202ex"') + court(1)))
    found.append(check_config(v, "bidi", HEAD + '"new\\u001b[2J\\nforged\u202e" = 1\n' + court(1)))
    found.append(check_config(v, "bidi", HEAD.replace('"t"', '"t\\u001b[2J\\u202e"') + court(1)))
    wrong = [w for one in found for w in one.get("wrong", [])]
    return {"note": " | ".join(x["note"][:60] for x in found), **({"wrong": wrong} if wrong else {})}
@attack(10, alone=True)
def config_secret_without_end(v, seconds):
    found = [check_config(v, "secret", HEAD + '[[court]]\nname = "a"\nstream_key_file = "/dev/zero"\n')]
    for name in ("fifo", "far"):
        path = f"{v.folder}/secret-{name}"
        if os.path.lexists(path): os.unlink(path)
        if name == "fifo": os.mkfifo(path)
        else:
            with open(path, "wb") as f: f.truncate(10 << 30)
        found.append(check_config(v, "secret", HEAD + f'[[court]]\nname = "a"\nstream_key_file = "{path}"\n'))
    wrong = [w for one in found for w in one.get("wrong", [])]
    return {"note": " | ".join(x["note"][:80] for x in found), **({"wrong": wrong} if wrong else {})}
@attack(10, alone=True)
def config_is_dev_zero(v, seconds):
    here = folder(v, "zero"); os.symlink("/dev/zero", here + "/z.toml")
    begin = time.monotonic()
    one = subprocess.Popen([v.program, "config", "check", "--config", here + "/z.toml"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=capped)
    watch = Peak(one.pid)
    try: said = one.communicate(timeout=15)[0]
    except subprocess.TimeoutExpired: one.kill(); said = b"HANGS"; one.wait()
    most = watch.end()
    wrong = ([] if one.returncode == 2 else [f"ended {one.returncode}"]) + ([f"took {most:.0f} MB"] if most > 300 else [])
    return {"note": f"{one.returncode} after {time.monotonic() - begin:.1f} s, {most:.0f} MB: {said.decode('utf-8', 'replace').strip()[:110]}", **({"wrong": wrong} if wrong else {})}
