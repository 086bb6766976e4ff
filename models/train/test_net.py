"""The streaming graph must give what the side-by-side form gave in training."""
import unittest

import numpy as np
import torch

from . import crop, export, net, widen


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
