"""What the commands take, and what they refuse: a bundle as the beginning of a training, files that are not there, rules that do not exist."""
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

import numpy as np
import torch

from . import augment, average, bundle, decide, evaluate, export, finetune, fit, footage, net, render, score, source, time_ort, weights, widen

MODELS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RIMNET = os.path.join(MODELS, "rimnet")


def said(main, *args):
    """What a command says as it refuses these arguments, and its exit code."""
    err = io.StringIO()
    with mock.patch("sys.argv", ["x", *args]), contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        try:
            main()
        except SystemExit as e:
            return (e.code, 1) if isinstance(e.code, str) else (err.getvalue(), e.code)
    return "it did not refuse", 0


class Refuses(unittest.TestCase):
    """Has `check`, for every command that names files."""

    def check(self, main, args, *words):
        with self.subTest(" ".join(args)):
            text, code = said(main, *args)
            for w in ("error: ", *words):
                self.assertIn(w, text)
            self.assertIn(code, (1, 2))
            if code == 1:
                self.assertTrue(text.startswith("error: ") and "\n" not in text, text)


def moving(frames, size=80):
    """A dark square that falls over a noisy ramp, in 0..1 [T, S, S]."""
    x = torch.linspace(0.2, 0.8, size).expand(frames, size, size) + 0.05 * torch.rand(frames, size, size)
    for t in range(frames):
        x[t, (2 * t) % (size - 14):(2 * t) % (size - 14) + 14, 33:47] = 0.05
    return x


def seen(seed, **shape):
    """A small trunk with statistics as after a training."""
    torch.manual_seed(seed)
    m = net.Trunk(size=80, **shape).eval()
    for b in m.blocks:
        b.norm.running_mean.normal_(0, 0.1), b.norm.running_var.uniform_(0.5, 1.5), b.norm.weight.data.uniform_(0.5, 1.5)
    return m


class Weights(Refuses):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def written(self, *members):
        path = os.path.join(self.folder, "net.onnx")
        with open(path, "wb") as f:
            f.write(export.streaming(net.RimNet(list(members)).eval())[0].SerializeToString())
        return path

    def test_a_member_of_the_bundle_that_ships_answers_as_its_file_does(self):
        rim, run, x = weights.load([RIMNET]), evaluate.Streamed(RIMNET).run, moving(60)
        file = np.stack([run(f) for f in x.numpy()])
        with torch.no_grad():
            whole = rim(x[None])[0].numpy()
        np.testing.assert_allclose(whole, file, atol=1e-3)
        self.assertGreater(np.ptp(file), 1.0)                      # the input says something to it
        again = export.Runner(*export.streaming(rim))
        np.testing.assert_allclose(np.stack([again(f) for f in x.numpy()]), file, atol=1e-3)

    def test_a_bundle_its_file_and_a_pt_file_name_the_same_member(self):
        pt = os.path.join(self.folder, "m.pt")
        m = weights.member(RIMNET)
        torch.save(m, pt)
        for path in (pt, os.path.join(RIMNET, "rimnet-fp32.onnx")):
            got = weights.member(path)
            self.assertEqual(got["config"], m["config"])
            for k, v in m["state"].items():
                torch.testing.assert_close(got["state"][k], v, rtol=0, atol=0)

    def test_shapes_and_members_are_read_off_the_graph(self):
        a, b = seen(1, width=(8, 12, 16, 24), hidden=16, inputs=6), seen(2, width=(4, 8, 12, 20), hidden=24, inputs=8)
        path = self.written(a, b)
        rim, x = weights.load([path]), moving(12)[None]
        self.assertEqual([m.config() for m in rim.members], [a.config(), b.config()])
        with torch.no_grad():
            torch.testing.assert_close(rim(x), net.RimNet([a, b]).eval()(x), rtol=1e-4, atol=1e-4)
        with self.assertRaisesRegex(SystemExit, "2 members"):
            weights.member(path)

    def test_a_file_of_another_front_end_is_refused(self):
        for name, other in (("GAINS", (0.6, 0.08)), ("BACK_RATE", 1 / 45), ("STAT_RATE", 1 / 45), ("KNEE_DETAIL", 0.2)):
            with self.subTest(name), mock.patch.object(net, name, other), mock.patch.object(net, "_weights", {}), self.assertRaisesRegex(SystemExit, "another version"):
                weights.member(RIMNET)

    def test_tuning_goes_on_from_what_a_bundle_answers(self):
        """Statistics of folded norms must stay: in train mode the first batch's own would make it another net."""
        torch.manual_seed(4)
        base = weights.member(self.written(seen(4, width=(8, 8, 12, 12), hidden=16, inputs=8)))
        x, y = (255 * moving(96)).to(torch.uint8).expand(2, -1, -1, -1), torch.zeros(2, 96, dtype=torch.long)
        y[:, 40:60] = net.MADE
        stub = types.SimpleNamespace(sample=lambda b: (x[:b], y[:b], None))
        o = types.SimpleNamespace(batch=4, share=0.5, steps=5, rate=3e-4)
        state = finetune.tune(base, stub, stub, o, torch.device("cpu"), lambda *a: None)
        for k, v in state.items():
            if "running" in k:
                torch.testing.assert_close(v, base["state"][k], rtol=0, atol=0)
        answers = []
        for s in (base["state"], state):
            m = weights.trunk({"config": base["config"], "state": s}, "")
            with torch.no_grad():
                answers.append(net.RimNet([m]).eval()(x[:1].float() / 255)[0])
        loss = [finetune.fit.loss_of(z[None], y[:1], torch.tensor(finetune.fit.CLASS_WEIGHT)).item() for z in answers]
        self.assertLess(loss[1], loss[0] + 0.02)
        self.assertLess((answers[1] - answers[0]).abs().max().item(), 0.5)

    def test_norms_that_were_folded_are_taken_out_again(self):
        """What `fit` goes on from: in train mode a batch's own statistics must be nearly those that the member has."""
        path = self.written(seen(6, width=(8, 8, 12, 12), hidden=16, inputs=8))
        f = net.front(moving(60)[None])

        def member():
            m = weights.trunks(path)[0]
            m.drop.p = 0.0
            return m

        with torch.no_grad():
            before, as_folded = member().eval()(f), member().train()(f)
            m = member()
            weights.unfold(m, [f[:, :40], f[:, 20:]])
            torch.testing.assert_close(m.eval()(f), before, rtol=0, atol=1e-4)
            self.assertFalse(weights.folded({"state": m.state_dict()}))
            torch.testing.assert_close(m.blocks[2].conv.weight.flatten(1).norm(dim=1), torch.ones(8))
            m = member()
            weights.unfold(m, [f])
            after = m.train()(f)
        off, as_read = ((q - before).abs().max().item() for q in (after, as_folded))
        self.assertLess(off, 0.02)
        self.assertGreater(as_read, 5 * off)

    def test_a_bundle_is_written_of_a_bundle(self):
        out = os.path.join(self.folder, "again")
        with mock.patch("sys.argv", ["x", out, "--weights", RIMNET, "--version", "0.0.1"]), contextlib.redirect_stdout(io.StringIO()):
            bundle.main()
        a, b = (evaluate.Streamed(q).run for q in (RIMNET, out))
        np.testing.assert_allclose(a(moving(1)[0].numpy()), b(moving(1)[0].numpy()), atol=0.5)
        torch.testing.assert_close(weights.member(out), weights.member(RIMNET), rtol=0, atol=0)

    def test_members_of_other_scales_are_not_averaged(self):
        m = seen(5, width=(4, 8, 8, 8), hidden=8, inputs=8)
        pt, out = os.path.join(self.folder, "m.pt"), os.path.join(self.folder, "out.pt")
        net.save(m, pt)
        self.check(average.main, [out, pt, self.written(m)], "other scales")
        self.check(average.main, [out, pt, RIMNET], "shape")

    def test_what_holds_no_member_is_refused(self):
        junk = os.path.join(self.folder, "junk")
        for name in (junk, junk + ".onnx"):
            with open(name, "wb") as f:
                f.write(b"no weights at all")
        finder = os.path.join(self.folder, "finder.pt")
        torch.save({"width": (8,), "state": {}}, finder)
        for path, word in ((junk, "torch"), (junk + ".onnx", "ONNX"), (finder, "not a member"), (os.path.join(RIMNET, "rimnet-fp16.onnx"), "FP32"),
                           (os.path.join(MODELS, "rimfinder"), "ring"), (os.path.join(MODELS, "rimfinder", "rimfinder-fp32.onnx"), "FP32")):
            self.check(lambda: weights.load([path]), [path], path, word)


class Missing(Refuses):
    def setUp(self):
        self.empty = self.enterContext(tempfile.TemporaryDirectory())
        self.no = os.path.join(self.empty, "nowhere")

    def test_files_that_are_not_there_are_named(self):
        out, cache = os.path.join(self.empty, "out"), os.path.join(self.empty, "cache")
        os.mkdir(cache)
        np.savez(os.path.join(cache, "clip_A.npz"), y=np.zeros((3, 80, 80), np.uint8), times=np.arange(3) / 30,
                 meta=json.dumps(dict(court="A", kind="clip", attempts=[], fps=30, name="A")))
        for main, args, word in (
            (footage.main, [self.no, out], "no such folder"),
            (footage.main, [self.empty, out], "neither clips"),
            (finetune.main, [out, "--weights", RIMNET, "--real", self.no], "train.footage"),
            (finetune.main, [out, "--weights", RIMNET, "--real", self.empty], "no recording"),
            (finetune.main, [out, "--weights", self.no, "--real", cache], "no such file"),
            (finetune.main, [out, "--weights", RIMNET, "--real", cache, "--leave", "Q"], "no court"),
            (finetune.main, [out, "--weights", RIMNET, "--real", cache, "--leave", "A"], "is left to learn from"),
            (finetune.main, [out, "--weights", RIMNET, "--real", cache, "--drawn", self.no], "--keep"),
            (evaluate.main, [self.no, "--bundle", RIMNET], "train.footage"),
            (evaluate.main, [cache, "--bundle", self.no], "no such folder"),
            (evaluate.main, [cache, "--bundle", self.empty], "model.toml"),
            (evaluate.main, [cache, "--weights", self.no], "no such file"),
            (evaluate.main, [cache, "--bundle", RIMNET, "--only", "Z"], "no court is called so"),
            (evaluate.main, [cache, "--folds", "B=" + RIMNET], "rest=FILE"),
            (evaluate.main, [cache, "--folds", RIMNET], "KEY=VALUE"),
            (evaluate.main, [cache], "--weights"),
            (evaluate.main, [cache, "--bundle", RIMNET, "--rendered", "8"], "--weights"),
            (score.main, ["tell", self.empty], "score draw"),
            (score.main, ["tell", self.empty, "--precisions"], "--bundle"),
            (score.main, ["again", self.empty, "--nets", "a=" + RIMNET], "score draw"),
            (score.main, ["draw", out, "--nets", "a=" + self.no], "no such file"),
            (score.main, ["draw", out, "--nets", RIMNET], "KEY=VALUE"),
            (score.main, ["draw", out, "--bundle", self.no], "no such folder"),
            (score.main, ["draw", out], "--nets"),
            (bundle.main, [out, "--weights", self.no], "no such file"),
            (bundle.main, [out, "--weights", RIMNET, "--facts", self.no], "rimnet.facts.toml"),
            (bundle.main, [self.no, "--restate"], "no such folder"),
            (bundle.main, [RIMNET, "--restate"], "--facts"),
            (bundle.main, [out], "--weights"),
            (widen.main, [self.no, out], "no such file"),
            (average.main, [out, self.no], "no such file"),
            (average.main, [], "out"),
            (lambda: time_ort.session(self.no), [], "no such folder"),
            (lambda: time_ort.against(self.no), [], "no such program"),
            (lambda: time_ort.against("false"), [], "exit code 1"),
        ):
            self.check(main, args, word)
        self.assertFalse(os.path.exists(out), "a command that refuses leaves nothing behind")

    def test_the_starved_encoders_transform_loses_nothing_by_itself(self):
        torch.manual_seed(3)
        x = torch.rand(2, 3, 16, 16)
        self.assertTrue(torch.allclose(augment.codec(x, 1.0, (1e-5, 2e-5)), x, atol=1e-3))
        self.assertGreater((augment.codec(x, 1.0, (0.3, 0.4)) - x).abs().max().item(), 0.05)
        # rows and columns keep their places: a ramp along one of them stays along it
        ramp = torch.arange(8.)[:, None].expand(8, 8).reshape(64)
        c = (augment.dct(8, "cpu") @ ramp).view(8, 8)
        self.assertLess(c[:, 1:].abs().max().item(), 1e-4)
        self.assertGreater(c[1, 0].abs().item(), 5)

    def test_mixes_that_take_turns_have_fields_of_their_own(self):
        a, b = fit.mixed("boundary,close", ["held_out=0", "boundary:h264=0.6"])
        self.assertEqual((a["h264"], b["h264"]), (0.6, render.CLOSE["h264"]))
        self.assertEqual((a["held_out"], b["held_out"]), (0, 0))
        for like, said, word in (("boundary,cloze", [], "cloze"), ("boundary", ["close:h264=1.0"], "names no close"), ("close", ["h264"], "KEY=VALUE")):
            with self.assertRaisesRegex(SystemExit, word):
                fit.mixed(like, said)

    def test_truth_that_cannot_be_is_refused(self):
        path = os.path.join(self.empty, "rims.json")
        clip = dict(file="a.mp4", court="A", rim=[1, 2, 3, 4], fps=30, t_rim=1.0, t_truth=1.1, outcome="made")
        for text, word in (("[{", "no JSON"), (json.dumps([{**clip, "court": "A"} | {"file": "a.mp4"}]), "a.mp4: no such file"),
                           (json.dumps([{k: v for k, v in clip.items() if k != "rim"}]), "lacks 'rim'")):
            with open(path, "w") as f:
                f.write(text)
            self.check(footage.main, [self.empty, self.no], word)
        with open(path, "w") as f:
            json.dump([clip], f)
        with open(os.path.join(self.empty, "a.mp4"), "wb") as f:
            f.write(b"no video")
        self.check(footage.main, [self.empty, self.no], "a.mp4: nothing that FFmpeg reads")
        self.check(footage.main, [self.empty, self.no, "--only", "B"], "no court")

    def test_streams_alone_are_footage_enough(self):
        os.mkdir(os.path.join(self.empty, "streams"))
        open(os.path.join(self.empty, "streams", "s.mp4"), "w").close()
        with open(os.path.join(self.empty, "streams", "s.json"), "w") as f:
            json.dump(dict(file="s.mp4", court="A", rim=[1, 2, 3, 4], fps=30, attempts=[]), f)
        self.assertEqual([m["name"] for m in footage.items(self.empty)], ["s"])

    def test_a_shell_sees_one_line_and_exit_code_1(self):
        got = subprocess.run([sys.executable, "-m", "train.evaluate", self.no, "--bundle", "rimnet"], cwd=MODELS, capture_output=True, text=True)
        self.assertEqual((got.returncode, got.stdout, len(got.stderr.splitlines())), (1, "", 1), got.stderr)


class Rules(Refuses):
    def test_a_rule_that_does_not_exist_is_refused(self):
        for word, why in (("foo=1", "there are temperature, open, "), ("cut=0.1", "no such rule"), ("unsure=much", "no number"), ("unsure=nan", "no number"),
                          ("open_frames=2.5", "no whole number"), ("unsure", "KEY=VALUE"), ("unsure=", "KEY=VALUE")):
            self.check(evaluate.main, ["nowhere", "--bundle", RIMNET, "--rules", word], why)
            self.check(score.main, ["tell", "nowhere", "--rules", word], why)

    def test_a_bundle_s_decision_is_taken_and_changed(self):
        r = evaluate.rules_from({"unsure": 0.2, "open_frames": 2, "cut": -0.3}, ["unsure=0.4", "open_frames=3"])
        self.assertEqual((r.unsure, r.open_frames), (0.4, 3))


class Report(unittest.TestCase):
    def test_who_is_unsure_is_neither_right_nor_called(self):
        """Two clips and two attempts of a stream, all made: one of each at log-odds of 3, one of each at 0.3."""
        t = np.arange(180) / 30

        def said(*at_odds):
            z = np.full((len(t), 4), -6.0)
            z[:, net.NONE] = 6
            for at, odds in at_odds:
                z[at:at + 8] = [-6, 6, -6, -6]
                z[at + 8:at + 24] = [-6, -6, 6, 6 - odds]
            return z

        one = lambda at: {"t_rim": (at + 4) / 30, "t_truth": (at + 8) / 30, "outcome": "made"}
        clip = lambda name: {"name": name, "kind": "clip", "court": "A", "view": "", "attempts": [one(40)]}
        A = {"sure": (clip("sure"), t, said((40, 3.0))), "coin": (clip("coin"), t, said((40, 0.3))),
             "s": ({"name": "s", "kind": "stream", "attempts": [one(40), one(110)]}, t, said((40, 3.0), (110, 0.3)))}
        lines, summary = evaluate.report(A, evaluate.rules_from({}, ["unsure=0.5"]))
        self.assertIn("found 2/2; unsure 1; right of all 1/2", lines[0])
        self.assertIn("of called 1/1", lines[0])
        self.assertIn("lost makes 0", lines[0])
        self.assertEqual((summary["streams"]["found"], summary["streams"]["right"]), (2, 1))
        self.assertIn("unsure (+0.3)", "".join(lines))
        self.assertIn("right of all 2/2", evaluate.report(A, evaluate.rules_from({}))[0][0])


class Later(unittest.TestCase):
    def test_only_what_contradicts_soon_and_long_enough_is_heard(self):
        t = np.arange(60) / 30
        z = np.zeros((60, 4))
        z[:, net.NONE] = 9.0
        fact = {"t": 0.2, "made": False, "decided": 0.5}

        def say(what, begin, end):
            y = z.copy()
            y[begin:end] = 0
            y[begin:end, what] = 9.0
            return y

        heard = decide.later(t, say(net.MADE, 20, 40), fact)
        self.assertAlmostEqual(heard, t[25], places=2)                                   # the sixth picture: none weighs quite one
        self.assertIsNone(decide.later(t, say(net.MISSED, 20, 40), fact))
        self.assertIsNone(decide.later(t, say(net.MADE, 20, 24), fact))
        self.assertIsNone(decide.later(t, say(net.MADE, 5, 15), fact))                  # before it was final
        self.assertIsNone(decide.later(t, say(net.MADE, 40, 59), fact))                 # another ball's
        broken = say(net.MADE, 20, 27)
        broken[23] = say(net.MISSED, 23, 24)[23]
        self.assertIsNone(decide.later(t, broken, fact))
        self.assertIsNotNone(decide.later(t, say(net.MISSED, 20, 40), {**fact, "made": True}))


class Rendered(unittest.TestCase):
    def test_a_set_is_drawn_without_nets_and_answered_afterwards(self):
        with tempfile.TemporaryDirectory() as out, mock.patch.dict(os.environ, PYTHONPATH=MODELS, OMP_NUM_THREADS="1"), contextlib.redirect_stdout(io.StringIO()) as said:
            for args in (["draw", out, "--first", "7", "--count", "1", "--store", "--devices", "cpu", "--chunk-px", "2000000"], ["again", out, "--devices", "cpu", "--nets", f"a={RIMNET}"], ["tell", out]):
                with mock.patch("sys.argv", ["score", *args, "--set", "venue-held"]):
                    score.main()
            self.assertIn("venue-held a: seeds 7 to 8", said.getvalue())
            with mock.patch("sys.argv", ["score", "again", out, "--devices", "cpu", "--set", "venue-held", "--bundle", RIMNET, "--only", "fp32", "int8-cpu", "--each", "1"]):
                score.main()
            with np.load(os.path.join(out, "precisions-venue-held.npz")) as p, np.load(os.path.join(out, "venue-held.npz")) as d:
                self.assertEqual(sorted(k for k in p if k.startswith("z_")), ["z_rimnet-fp32", "z_rimnet-int8-cpu"])
                self.assertLess(np.abs(p["z_rimnet-fp32"] - d["z_a"].astype(np.float32)).max(), 0.05)
            with np.load(os.path.join(out, "venue-held.npz")) as d:
                self.assertTrue(0.2 <= d["mbit"][0] < 4)

    def test_what_nobody_could_tell_counts_neither_way(self):
        """Four sequences with a made shot each: one can be judged, one is undecided, in one the ring is hidden, in one nothing tells."""
        n, t = 4, source.FRAMES
        one = torch.ones(n, 1)
        d = dict(y=torch.zeros(n, t, 80, 80, dtype=torch.uint8), dt=torch.full((n, t), 1 / 30), t_rim=40 * one, t_truth=44 * one, made=one.long(),
                 undecided=torch.tensor([False, True, False, False]), seen=torch.ones(n, t), tell=one.long())
        d["seen"][2, 40], d["tell"][3] = 0.1, 0

        def sure(x):
            z = torch.full((len(x), t, 4), -4.0)
            z[..., net.NONE] = 4
            z[:, 38:44] = torch.tensor([-4.0, 4.0, -4.0, -4.0])
            z[:, 44:62] = torch.tensor([-4.0, -4.0, 4.0, -4.0])
            return z

        with mock.patch.object(source, "draw", lambda *a, **k: d):
            (line,) = evaluate.rendered(sure, n, 0, "cpu", evaluate.rules_from({}))
        self.assertIn("found 1/1", line)
        self.assertIn("right of all 1/1", line)
        self.assertIn("3 sequences count neither way", line)


if __name__ == "__main__":
    unittest.main()
