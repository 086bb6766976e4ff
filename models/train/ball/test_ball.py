"""What BallNet is asked, its graph against itself, and the rule; run in models/: python -m unittest train.ball.test_ball"""
import unittest

import numpy as np
import torch

from .. import export
from . import bundle, fit, net, rule


def ball(x, y, there=1.0, depth=net.INSIDE):
    return torch.tensor([[x, y, there, depth]], dtype=torch.float32)


class Asked(unittest.TestCase):
    def maps(self, row, col, inside):
        m = torch.full((1, 2, net.CELLS, net.CELLS), -6.0)
        m[0, 0, row, col], m[0, 1] = 6.0, inside
        return m

    def test_the_loss_is_least_where_the_ball_is(self):
        at = ball(7.5, 3.5)
        right = net.loss(self.maps(3, 7, 4.0), at)
        for other in (self.maps(7, 3, 4.0), self.maps(3, 8, 4.0)):
            self.assertLess(float(right[0]), float(net.loss(other, at)[0]))
        self.assertLess(float(right[1]), float(net.loss(self.maps(3, 7, -4.0), at)[1]))
        self.assertLess(float(net.loss(self.maps(3, 7, -4.0), ball(7.5, 3.5, depth=1))[1]), 0.1)

    def test_a_ball_that_nobody_sees_asks_for_nothing(self):
        for maps in (self.maps(3, 7, 4.0), self.maps(9, 9, -4.0)):
            self.assertEqual([float(v) for v in net.loss(maps, ball(0, 0, -1.0))], [0.0, 0.0])

    def test_a_jolted_picture_has_its_ball_where_the_pixels_are(self):
        torch.manual_seed(3)
        x = torch.zeros(64, 3, net.SIZE, net.SIZE)
        x[:, :, 24:30, 50:56] = 1.0                     # middle: column 53, row 27 of 80
        y, at = fit.jolted(x, ball(53 / 4, 27 / 4).repeat(64, 1))
        y = y[:, 0] - y[:, 0].flatten(1).median(1)[0][:, None, None]
        y = torch.where(y > 0.2, y, torch.zeros_like(y))
        rows, cols = (torch.arange(net.SIZE) + 0.5).view(-1, 1), (torch.arange(net.SIZE) + 0.5)
        for k in range(64):
            if at[k, 2] > 0:
                s = y[k].sum()
                self.assertLess(abs(float((y[k] * cols).sum() / s) / 4 - float(at[k, 0])), 0.3)
                self.assertLess(abs(float((y[k] * rows).sum() / s) / 4 - float(at[k, 1])), 0.3)


class Graph(unittest.TestCase):
    def test_picture_by_picture_it_says_what_the_network_says_of_all(self):
        torch.manual_seed(5)
        m = net.BallNet()
        for p in m.parameters():
            torch.nn.init.normal_(p, std=0.2)
        m.eval()
        y = np.random.default_rng(1).integers(0, 256, (6, net.SIZE, net.SIZE)).astype(np.uint8)
        wanted = net.maps(m, torch.from_numpy(y)[None])[0].numpy()
        for half, by in ((False, 1e-4), (True, 0.05)):
            run = export.Runner(*bundle.graph(m, "", half), "maps")
            for picture, want in zip(y.astype(np.float32) / 255, wanted):
                self.assertLess(np.abs(run(picture) - want).max() / np.abs(want).max(), by)


class Rule(unittest.TestCase):
    def outcome(self, places, inside, by=None):
        way, at, shown = rule.Way(0.15, by), 0.0, None
        for (a, b), (c, d) in zip(places, places[1:]):
            for part in np.arange(0, 1, 1 / 8):
                at += 1 / 30
                says = way.look(at, [(a + part * (c - a), b + part * (d - b), 0.9, inside)])
                shown = says if says[2] + says[3] > 0.5 else shown
        return shown and float(np.log(shown[2] / shown[3]))

    def test_through_is_made_beside_is_missed_before_the_ring_by_the_networks_word(self):
        through = [(-0.6, -1.4), (0.0, -0.2), (0.05, 1.3)]
        self.assertGreater(self.outcome(through, 2.0), 1.5)
        self.assertLess(self.outcome(through, -2.0), -1.5)
        self.assertEqual(self.outcome(through, -2.0, rule.By(trust=0.0)), 0.0)
        self.assertLess(self.outcome([(1.0, -1.3), (0.9, 0.0), (0.9, 1.3)], 2.0), -1.5)
        self.assertIsNone(self.outcome([(1.9, -1.4), (1.9, 2.0)], 2.0))


if __name__ == "__main__":
    unittest.main()
