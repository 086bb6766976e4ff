"""The streaming graph must give what the side-by-side form gave in training."""
import math
import os
import tempfile
import unittest

import numpy as np
import torch

from . import augment, crop, export, finetune, fit, footage, net, source, weights, widen


class Streaming(unittest.TestCase):
    def test_streaming_equals_side_by_side(self):
        torch.manual_seed(1)
        members = [net.Trunk(size=80), net.Trunk(size=80, width=(8, 16, 24, 32), hidden=48, inputs=8)]
        for m in members:
            for b in m.blocks:                                 # statistics as after a training, not 0 and 1
                b.norm.running_mean.normal_(0, 0.1)
                b.norm.running_var.uniform_(0.5, 1.5)
        rim = net.RimNet(members).eval()
        x = torch.rand(1, 70, 80, 80) * torch.linspace(0.3, 1, 70)[None, :, None, None]
        with torch.no_grad():
            whole = rim(x)[0].numpy()
        model, states = export.streaming(rim)
        run = export.Runner(model, states)
        one = np.stack([run(f) for f in x[0].numpy()])
        np.testing.assert_allclose(one, whole, rtol=1e-4, atol=1e-4)

    def test_a_wider_member_answers_the_same(self):
        torch.manual_seed(2)
        small = net.Trunk(size=80, width=(8, 12, 16, 24), hidden=16, inputs=8)
        for b in small.blocks:
            b.norm.running_mean.normal_(0, 0.1)
            b.norm.running_var.uniform_(0.5, 1.5)
        wide = widen.widen(small, (12, 16, 24, 32))
        x = torch.rand(1, 12, 80, 80)
        with torch.no_grad():
            torch.testing.assert_close(net.RimNet([wide]).eval()(x), net.RimNet([small]).eval()(x), rtol=1e-3, atol=1e-4)

    def test_other_precisions_answer_nearly_the_same(self):
        torch.manual_seed(3)
        rim = net.RimNet([net.Trunk(size=80, width=(8, 12, 16, 24), hidden=16, inputs=8)]).eval()
        x = np.random.default_rng(3).integers(0, 256, (1, 20, 80, 80), np.uint8)
        quant = export.Quant(export.reach(rim, x, share=1.0))
        answers = []
        for how in ({}, {"half": True}, {"quant": quant}):
            run = export.Runner(*export.streaming(rim, **how))
            answers.append(np.stack([run(f / np.float32(255)) for f in x[0]]))
        np.testing.assert_allclose(answers[1], answers[0], atol=0.01)
        np.testing.assert_allclose(answers[2], answers[0], atol=0.1)

    def test_inversion_of_light_only_changes_signs(self):
        x = torch.rand(1, 12, 80, 80)
        a, b = net.front(x), net.front(1 - x)
        inner = (..., slice(None), slice(2, -2), slice(2, -2))        # the detail channel differs at the very edge
        torch.testing.assert_close(a[inner], -b[inner], rtol=1e-3, atol=1e-4)

    def test_gain_and_offset_of_a_court_do_not_matter(self):
        x = torch.rand(1, 12, 80, 80)
        a, b = net.front(x), net.front(0.5 * x + 0.2)
        inner = (..., slice(None), slice(2, -2), slice(2, -2))
        torch.testing.assert_close(a[inner], b[inner], rtol=0.05, atol=0.01)


class Shift(unittest.TestCase):
    def test_forwards_and_backwards_it_is_slicing_and_joining(self):
        torch.manual_seed(3)
        b, t, c, s = 2, 5, 8, 2
        x, g = torch.randn(b * t, c, 4, 4), torch.randn(b * t, c, 4, 4)

        def plain(q):
            y = q.view(b, t, c, 4, 4)
            return torch.cat([net.delayed(y[:, :, :s], 1), y[:, :, s:]], 2).flatten(0, 1)
        for form in (torch.contiguous_format, torch.channels_last):
            p, q = x.clone().requires_grad_(), x.clone(memory_format=form).requires_grad_()
            a, z = plain(p), net.Shift.apply(q, b, s)
            torch.testing.assert_close(a, z)
            self.assertTrue(z.is_contiguous(memory_format=form))
            a.backward(g), z.backward(g.clone(memory_format=form))
            torch.testing.assert_close(p.grad, q.grad)


class Decision(unittest.TestCase):
    def test_it_asks_for_the_first_frames_of_an_outcome_and_for_each_outcome_once(self):
        y = torch.zeros(2, 40, dtype=torch.long)
        y[0, 10:30], y[1, 5:8] = net.MADE, net.MISSED              # three frames are too few to tell
        z = torch.zeros(2, 40, 4)
        z[0, 10:19, net.MADE], z[0, 19:30, net.MISSED] = 4.0, 50.0
        self.assertAlmostEqual(fit.decision_of(z, y).item(), math.log1p(math.exp(-4)), places=5)
        self.assertAlmostEqual(fit.decision_of(-z, y).item(), math.log1p(math.exp(4)), places=5)
        self.assertEqual(fit.decision_of(z, torch.zeros_like(y)).item(), 0.0)


class Early(unittest.TestCase):
    def test_a_wrong_word_before_the_truth_costs_and_a_right_one_does_not(self):
        y = torch.zeros(1, 60, dtype=torch.long)
        y[0, 20:30], y[0, 30:32], y[0, 32:48] = net.UNDER_WAY, -1, net.MADE
        z = torch.zeros(1, 60, 4)
        z[..., net.NONE] = 50.0
        self.assertLess(fit.early_of(z, y).item(), 1e-6)
        said = lambda what: torch.zeros(1, 60, 4).index_fill_(2, torch.tensor([net.NONE, net.UNDER_WAY]), -20.0).index_fill_(2, torch.tensor([what]), 5.0)
        wrong, right = fit.early_of(said(net.MISSED), y).item(), fit.early_of(said(net.MADE), y).item()
        self.assertAlmostEqual(wrong, 10 / fit.CALL * math.log1p(math.exp(5)), places=4)      # ten frames under way
        self.assertLess(right, 0.02)
        y[0, 32:48] = net.MISSED
        self.assertLess(fit.early_of(said(net.MISSED), y).item(), 0.02)
        y[0, 30:32] = net.UNDER_WAY
        y[0, 32:48] = -1                                           # nobody could tell what came of it
        self.assertEqual(fit.early_of(said(net.MISSED), y).item(), 0.0)

    def test_long_before_the_truth_nothing_is_asked(self):
        y = torch.zeros(1, 90, dtype=torch.long)
        y[0, 10:60], y[0, 60:76] = net.UNDER_WAY, net.MISSED
        z = torch.zeros(1, 90, 4)
        z[0, :60 - fit.SOON, net.MADE] = 20.0
        z[0, 60 - fit.SOON:, net.UNDER_WAY] = 20.0
        self.assertLess(fit.early_of(z, y).item(), 1e-6)
        z[0, 60 - fit.SOON, net.MADE] = 40.0
        self.assertGreater(fit.early_of(z, y).item(), 1.0)


class Motion(unittest.TestCase):
    def test_a_camera_moves_by_little_and_most_do_not(self):
        torch.manual_seed(3)
        m = augment.motion(400, 96, 0.1, "cpu")
        self.assertEqual(tuple(m.shape), (400, 96, 2))
        still = (m == 0).all(2).all(1).float().mean().item()
        self.assertTrue(0.7 < still < 0.9, still)
        self.assertLess(m.abs().max().item(), 0.21)
        x = torch.rand(2, 96, 80, 80)
        torch.manual_seed(4)
        a = augment.place(x, 80)[1]
        torch.manual_seed(4)
        self.assertTrue(torch.equal(a, augment.place(x, 80, moves=0.0)[1]))


class Ball(unittest.TestCase):
    def test_the_ball_s_place_moves_with_the_picture(self):
        torch.manual_seed(5)
        b, t, n = 6, 96, 80
        x, y = torch.zeros(b, t, n, n, dtype=torch.uint8), torch.zeros(b, t, dtype=torch.long)
        y[:, 60:80] = net.MADE
        at = torch.stack([torch.linspace(30, 50, t), torch.linspace(48, 34, t)], 1)          # column, row
        r, c = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
        for k in range(t):
            x[:, k] = (255 * ((c - at[k, 0]) ** 2 + (r - at[k, 1]) ** 2 < 9)).byte()
        ball = torch.ones(b, t, 4)
        ball[..., :2] = (at + 0.5) / n * 2 - 1
        z, _, k = augment.retime(x, y)
        z, a = augment.place(z.float(), n, border=0.0)
        got = (augment.moved(ball, k, a)[..., :2] + 1) / 2 * n - 0.5
        mass = z.sum((2, 3))
        seen = (mass > 0.8 * mass.median()) & (got > 6).all(-1) & (got < n - 6).all(-1)
        middle = torch.stack([(z * c).sum((2, 3)) / mass, (z * r).sum((2, 3)) / mass], -1)
        self.assertGreater(seen.float().mean().item(), 0.5)
        self.assertLess((middle - got)[seen].abs().max().item(), 0.7)

    def test_what_is_not_known_of_the_ball_is_not_asked(self):
        torch.manual_seed(6)
        m = net.Trunk(size=80, width=(8, 8, 8, 8), hidden=8, inputs=8)
        asked, (z, cells, memory) = net.Ball(m), m(net.front(torch.rand(1, 4, 80, 80)), inner=True)
        ball = torch.tensor([[[0.1, 0.1, -1, 2], [0.1, 0.1, -1, 2], [0.1, 0.1, -1, 2], [0.1, 0.1, 1, 2]]])
        one = asked.loss(cells, memory, ball)
        ball[:, :3, :2], ball[:, :3, 3] = -0.7, 4
        self.assertEqual(one.item(), asked.loss(cells, memory, ball).item())
        ball[:, 3, :2] = -0.7
        self.assertNotEqual(one.item(), asked.loss(cells, memory, ball).item())


class Times(unittest.TestCase):
    def test_frames_that_were_dropped_take_time(self):
        d = dict(dt=torch.tensor([[0.0, 1.0, 3.0, 1.0]]) / 30, fps=torch.tensor([30.0]), t_rim=torch.tensor([[2.5, float("nan")]]))
        got = source.seconds(d, "t_rim")
        self.assertAlmostEqual(got[0, 0].item(), 4.5 / 30, places=6)
        d["t_rim"] = torch.tensor([[1.5, 4.0]])
        torch.testing.assert_close(source.seconds(d, "t_rim") * 30, torch.tensor([[2.5, 6.0]]))
        self.assertTrue(torch.isnan(got[0, 1]))


class Finetune(unittest.TestCase):
    def test_a_court_that_is_left_out_is_not_learnt_from(self):
        courts = ["A", "B", "D1", "D2", "X", "L", "W"]
        self.assertEqual([c for c in ("north", "oak", "hall") if footage.named("north", c)], ["north"])      # no letters of a name
        kept = lambda *leave: [c for c in courts if finetune.taken(list(leave))({"court": c})]
        self.assertEqual(kept("none"), courts)
        self.assertEqual(kept("D"), ["A", "B", "X", "L", "W"])
        self.assertEqual(kept("rest"), ["A", "B", "D1", "D2", "X"])
        self.assertEqual(kept("A", "rest"), ["B", "D1", "D2", "X"])
        self.assertEqual(kept("D1"), ["A", "B", "D2", "X", "L", "W"])
        finetune.known(["D1", "rest", "none"], courts)
        with self.assertRaises(SystemExit):
            finetune.known(["north"], courts)


class Seen(unittest.TestCase):
    def test_the_courts_of_a_member_go_with_it(self):
        with tempfile.TemporaryDirectory() as d:
            m, path = net.Trunk(80, (8, 8, 8, 8), 8, 8), os.path.join(d, "a.pt")
            torch.save({"config": m.config(), "state": m.state_dict(), "seen": ["north", "oak"]}, path)
            self.assertEqual(weights.seen(path), ["north", "oak"])
            net.save(m, path)
            self.assertEqual(weights.seen(path), [])
        self.assertIn("A", weights.seen(os.path.join(os.path.dirname(__file__), "..", "rimnet-tuned")))
        self.assertEqual(weights.seen(os.path.join(os.path.dirname(__file__), "..", "rimnet")), [])


class Crop(unittest.TestCase):
    def test_weights_sum_to_one_and_a_flat_picture_stays_flat(self):
        for origin, side in ((-20.3, 64.0), (3.2, 200.0), (90.0, 33.0)):
            np.testing.assert_allclose(crop.taps(origin, side, 80, 100).sum(1), 1, atol=1e-9)

    def test_identity_where_pixels_coincide(self):
        p = np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)
        c = crop.Cutter([10, 12, 8, 4], p.shape, rings=2.5, above=0.5, size=20)   # side 20 at 4, 8: one to one
        np.testing.assert_allclose(c(p), p[8:28, 4:24] / 255, atol=1e-6)


if __name__ == "__main__":
    unittest.main()
