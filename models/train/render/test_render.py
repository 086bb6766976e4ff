"""python3 -m unittest render.test_render, in models/train; needs torch only and takes about a minute."""
import unittest

import torch

from . import Cfg, render_batch, sensor, sim
from .rng import Rng

torch.set_num_threads(1)
SMALL = Cfg(size=32, frames=24, ring_px=((12.5, 1.),), again=0.)


class Renderer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.many = render_batch(range(40, 46), 'cpu', SMALL)

    def test_a_seed_is_the_same_attempt_in_any_batch(self):
        one = render_batch([43], 'cpu', SMALL)
        for k in ('outcome', 'mode', 'y'):
            self.assertTrue(torch.equal(one[k][0], self.many[k][3]), k)
        self.assertAlmostEqual(float(one['t_truth'][0]), float(self.many['t_truth'][3]), places=2)
        self.assertLess(float((one['x'][0].float() - self.many['x'][3].float()).abs().mean()), .5)

    def test_labels_follow_the_times(self):
        b = self.many
        for k in range(6):
            o = int(b['outcome'][k])
            if o in (1, 2):
                self.assertLessEqual(float(b['t_rim'][k]), float(b['t_truth'][k]))
                held = (b['t'][k] >= b['t_truth'][k]) & (b['t'][k] < b['t_truth'][k] + .5)
                self.assertTrue((b['y'][k][held] == o + 1).all())
            if o == 0:
                self.assertTrue((b['y'][k] == 0).all())

    def test_the_triangle_filter_is_the_contracts(self):
        w = sensor.triangle(torch.tensor([3.25]), torch.tensor([40.]), 20, 50)[0]
        self.assertTrue(torch.allclose(w.sum(1), torch.ones(20), atol=1e-5))
        s, n = 2., 50
        c = 3.25 + (4 + .5) * s
        ref = torch.tensor([max(0., 1 - abs(j + .5 - c) / s) for j in range(n)])
        self.assertTrue(torch.allclose(w[4], ref / ref.sum(), atol=1e-5))

    def test_a_clean_drop_is_made_and_the_net_brakes(self):
        rng = Rng([7], 'cpu')
        P = sim.draw_params(rng, torch.zeros(1), torch.zeros(1))
        P['mode'][:], P['hand'][:], P['net'][:] = 0, False, 0
        P['p'][0], P['v'][0] = torch.tensor([0., -.3, 1.2]), torch.tensor([0., 1., -2.])
        S = sim.simulate(P)
        J = sim.judge(P, S, torch.zeros(1), torch.zeros(1))
        self.assertEqual(int(J['outcome'][0]), 1)
        self.assertTrue(torch.isfinite(S['x'].float()).all())

    def test_a_ball_beside_the_ring_is_missed(self):
        rng = Rng([7], 'cpu')
        P = sim.draw_params(rng, torch.zeros(1), torch.zeros(1))
        P['mode'][:], P['hand'][:] = 0, False
        P['p'][0], P['v'][0] = torch.tensor([.55, -.3, 1.2]), torch.tensor([0., .3, -2.])
        S = sim.simulate(P)
        self.assertEqual(int(sim.judge(P, S, torch.zeros(1), torch.zeros(1))['outcome'][0]), 2)


if __name__ == '__main__':
    unittest.main()
