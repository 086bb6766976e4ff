"""python -m unittest train.finder.test_finder"""
import os
import tempfile
import unittest

import numpy as np
import torch

from .. import given
from ..test_tools import MODELS, RIMNET, Refuses
from . import bundle, draw, evaluate, fit, net
from .letterbox import Letterbox


class Whole(unittest.TestCase):
    def test_the_graph_answers_as_the_net_does(self):
        import onnxruntime as ort
        torch.manual_seed(1)
        m = net.Finder((8, 8, 16, 24, 24)).eval()
        for b in m.modules():
            if isinstance(b, torch.nn.BatchNorm2d):
                b.running_mean.normal_(0, 0.1), b.running_var.uniform_(0.5, 2)
        s = ort.InferenceSession(bundle.graph(m, "test").SerializeToString(), providers=["CPUExecutionProvider"])
        x = torch.rand(1, 3, 360, 640)
        got = s.run(None, {"frame": x.numpy()})[0]
        self.assertLess(np.abs(got - m(x).detach().numpy()).max(), 5e-3)

    def test_the_files_of_the_bundle_agree(self):
        import onnxruntime as ort
        ring = os.path.join(MODELS, "rimfinder")
        manifest = given.manifest(ring, "ring")
        self.assertEqual([(f["precision"], f["device"]) for f in manifest["file"]], [("fp32", "any"), ("fp16", "any"), ("int8", "cuda"), ("int8", "cpu")])
        x = (bundle.pattern() / 255).astype(np.float32)[None]
        answers = []
        for f in manifest["file"]:
            path = os.path.join(ring, f["path"])
            self.assertLess(os.path.getsize(path), 5e6)
            answers.append(ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"frame": x})[0])
        sure = answers[0][0, 0] > -3
        for got, most in zip(answers[1:], (0.02, 1.0, 1.0)):
            self.assertLess(np.abs(got - answers[0])[0, :, sure].max(), most)

    def test_boxes_are_given_out_tall_enough_and_keep_their_middle(self):
        self.assertEqual(net.tall([(0.9, 50, 40, 30, 2), (0.8, 9, 9, 10, 8)]), [(0.9, 50, 40, 30, 9.0), (0.8, 9, 9, 10, 8)])

    def test_a_seed_gives_one_picture(self):
        a, b = draw.picture(12345), draw.picture(12345)
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])

    def test_targets_and_peaks_are_inverse(self):
        rings = torch.zeros(1, 16, 5)
        rings[0, 0] = torch.tensor([100.3, 50.9, 30.0, 10.0, 1])
        rings[0, 1] = torch.tensor([400.0, 201.0, 90.0, 25.0, 1])
        rings[0, 2] = torch.tensor([600.0, 300.0, 5.0, 2.0, 2])
        heat, weight, box = fit.targets(rings)
        z = torch.cat([(heat * 20 - 10)[:, None], box], 1)[0].numpy()
        got = net.peaks(z, 0.5)
        self.assertEqual(len(got), 2)
        for want in ([100.3, 50.9, 30.0, 10.0], [400.0, 201.0, 90.0, 25.0]):
            self.assertLess(min(np.abs(np.array(q[1:]) - want).max() for q in got), 1e-2)
        self.assertEqual(weight[0, 37, 75].item(), 0)
        self.assertEqual(weight[0, 6, 12].item(), 1)

    def test_mirrored_and_scaled_pictures_keep_their_rings(self):
        torch.manual_seed(3)
        x = torch.full((8, 3, 360, 640), 0.5)
        rings = torch.zeros(8, 16, 5)
        x[:, 0, 170:180, 300:330] = 1.0
        rings[:, 0] = torch.tensor([315.0, 175.0, 30.0, 10.0, 1])
        y, r = fit.augment(x, rings)
        for p, q in zip(y, r):
            if q[0, 4] == 1:
                w = (p[0] - p[0].median()).clamp(min=0.2) - 0.2
                cols = torch.arange(640) + 0.5
                rows = torch.arange(360) + 0.5
                self.assertLess(abs((w.sum(0) * cols).sum() / w.sum() - q[0, 0]), 1.5)
                self.assertLess(abs((w.sum(1) * rows).sum() / w.sum() - q[0, 1]), 1.5)

    def test_boxes_come_back_from_the_letterbox(self):
        b = Letterbox(480, 853)
        s, x, y, w, h = b.to_picture((0.5, b.left + 10, b.top + 20, 30, 5))
        np.testing.assert_allclose([x, y, w, h], np.array([10, 20, 30, 5]) * b.scale)
        x = b(np.full((853, 480), 255, np.uint8), np.full((427, 240), 100, np.uint8), np.full((427, 240), 100, np.uint8))
        self.assertEqual(x[0, 180, 0], 0.5)
        self.assertAlmostEqual(float(x[0, 180, 320]), 1.0, 5)


class Missing(Refuses):
    def test_files_that_are_not_there_are_named(self):
        empty = self.enterContext(tempfile.TemporaryDirectory())
        no, out, member = os.path.join(empty, "nowhere"), os.path.join(empty, "out"), os.path.join(empty, "member.pt")
        torch.save({"config": {}, "state": {}}, member)
        ring = os.path.join(MODELS, "rimfinder")
        for main, args, word in (
            (evaluate.main, [no, "--bundle", ring], "no such folder"),
            (evaluate.main, [empty, "--bundle", ring], "neither clips"),
            (evaluate.main, [empty, "--bundle", no], "no such folder"),
            (evaluate.main, [empty, "--bundle", RIMNET], "not for ring"),
            (evaluate.main, [empty, "--weights", no], "no such file"),
            (evaluate.main, [empty], "--weights"),
            (evaluate.main, ["--bundle", ring], "FOOTAGE"),
            (evaluate.main, ["--bundle", ring, "--drawn", "8:0"], "no range"),
            (bundle.main, [out, "--weights", no], "no such file"),
            (bundle.main, [out, "--weights", member], "no RimFinder"),
            (bundle.main, [out, "--untrained", "--facts", no], "rimfinder.facts.toml"),
            (bundle.main, [out], "--weights"),
            (draw.main, [out, "--photos", no], "train.finder.photos"),
            (draw.main, [], "OUT.png"),
            (fit.main, [out, "--photos", no], "train.finder.photos"),
            (fit.main, [out, "--init", no], "no such file"),
        ):
            self.check(main, args, word)
        self.assertFalse(os.path.exists(out), "a command that refuses leaves nothing behind")


if __name__ == "__main__":
    unittest.main()
