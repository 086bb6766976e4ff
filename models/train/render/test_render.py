"""python3 -m unittest render.test_render, in models/train; needs torch only and takes about a minute."""
import contextlib
import dataclasses
import importlib.util
import io
import unittest

import torch

from unittest import mock

from . import Cfg, draw, main, params, render, render_batch, sensor, sim, tell
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

    def flown(self, throws):
        """What came of balls from p with v (m, m/s) at rings with such a net, seen from below: P, S, J and their kinds."""
        n = len(throws)
        rng, z = Rng([7] * n, 'cpu'), torch.zeros(n)
        P = sim.draw_params(rng, z, z)
        P['mode'][:], P['hand'][:], P['hold'][:], P['w'] = 0, False, False, torch.zeros(n, 3)
        P['p'], P['v'] = (torch.tensor([t[k] for t in throws]) for k in (0, 1))
        P['net'] = torch.tensor([t[2] for t in throws])
        bare = P['net'] == 5
        P['mn'][bare], P['ch'][bare], P['cz'][bare], P['cut'][bare] = 1e-7, 0, 0, True
        torn = torch.nonzero(P['net'] == 4)[:, 0]
        P['cut'][torn] = True
        S = sim.simulate(P)
        J = sim.judge(P, S, z, z - .7)
        return P, S, J, [sim.KINDS[k] for k in sim.kinds(P, S, J, z, z - .7).tolist()]

    def test_what_a_ball_touches_says_its_kind_and_a_net_brakes(self):
        want = ['swish', 'swish', 'swish', 'air-side', 'air-short', 'bank-out', 'rim-out', 'below']
        fall = ([0., -.3, 1.2], [0., 1., -2.])
        P, S, J, kinds = self.flown([(*fall, 0), (*fall, 5), ([-.38, -.28, .44], [2.9, 2.3, -2.6], 4), ([.75, -.3, 1.2], [0., 1., -2.], 0), ([0., -1.2, 1.2], [0., 1.2, -2.], 0),
                                     ([.42, -.4, .6], [0., 3., 0.], 0), ([0., -.9, 1.2], [0., 2., -2.5], 0), ([-.3, 0., -1.2], [1.6, 0., 4.9], 0)])
        self.assertEqual(kinds, want)
        self.assertEqual(J['outcome'].tolist(), [1, 1, 1, 2, 2, 2, 2, 2])      # the third left through a hole in the net
        z = torch.zeros(len(kinds))
        braked = sim.brake(S, J, z, z - .7).tolist()
        self.assertGreater(braked[0], tell.BRAKE)
        self.assertLess(braked[1], .5 * tell.BRAKE)

    def test_depth_is_before_inside_and_behind(self):
        z, p = torch.zeros(1), torch.tensor([[[0., 0., .3], [0., -.5, -.2], [0., 0., -.2], [0., .5, -.2], [.6, 0., -.2], [0., 0., -.9]]])
        self.assertEqual(sim.depth(p, z + .4, z, z)[0].tolist(), [4, 1, 2, 3, 0, 0])
        # seen from the other side
        self.assertEqual(sim.depth(p, z + .4, z + 3.14159, z)[0].tolist(), [4, 3, 2, 1, 0, 0])

    def test_the_balls_radius_is_that_of_its_ring(self):
        b = self.many
        there = b['ball_r'] > 0
        self.assertTrue(there.any())
        # a ball is half as wide as the ring, nearer ones and those of rings seen wrong more
        r = b['ball_r'][there] / (SMALL.size / SMALL.rings)
        self.assertTrue(((r > .1) & (r < 2.)).all())
        self.assertTrue((b['depth'][~there] == 0).all())

    def verdict(self, ball=50., shown=1., net=100., brake=0., seen=1., crosses=True, board=0.):
        f = lambda v: torch.full((1, tell.FRAMES), v)
        t, w = tell.verdict(f(ball), f(shown), f(net), torch.tensor([brake]), f(seen), f(crosses), f(True), torch.tensor([board]))
        return float(t), tell.reasons(w[0])

    def test_every_reason_is_named(self):
        self.assertGreaterEqual(self.verdict()[0], 1)
        for want, how in (('faint', dict(ball=3.)), ('hidden', dict(shown=.1)), ('hidden', dict(seen=.2)), ('no evidence', dict(net=2.)),
                          ('behind the board', dict(ball=1., board=.9))):
            t, why = self.verdict(**how)
            self.assertLess(t, 1)
            self.assertEqual(why, [want])
        for how in (dict(net=2., brake=3.), dict(net=2., crosses=False), dict(board=.9)):
            self.assertEqual(self.verdict(**how)[1], [])

    def test_without_contrast_nobody_can_tell(self):
        """A dozen attempts as they are, and with all contrast gone before the encoder."""
        cfg = Cfg(size=32, frames=48, ring_px=((22, 1.),), again=0., fps=24.)
        as_is = render_batch(range(60, 66), 'cpu', cfg)
        real = sensor.levels
        with mock.patch.object(sensor, 'levels', lambda rng, y: 60 + .01 * (real(rng, y) - 60)):
            grey = render_batch(range(60, 66), 'cpu', cfg)
        tried = (as_is['outcome'] == 1) | (as_is['outcome'] == 2)
        self.assertGreaterEqual(int((as_is['tell'][tried, 0] >= 1).sum()), 1)
        self.assertTrue((grey['tell'][tried, 0] < 1).all())
        self.assertTrue(all('faint' in tell.reasons(w) or 'hidden' in tell.reasons(w) for w in grey['why'][tried, 0]))
        self.assertTrue((as_is['tell'][as_is['outcome'] == 0] > 9).all())

    def test_held_out_is_never_drawn_and_only_drawn(self):
        rng = Rng(range(4000), 'cpu')
        for held in (False, True):
            az, el, _ = draw.camera(rng, held)
            self.assertTrue((draw.held_camera(az, el) == held).all())
            P = sim.draw_params(rng, az, el, (), held)
            self.assertTrue((sim.held_net(P['L'], P['rb'], P['net'] == 1) == held).all())
        az, el, _ = draw.camera(rng)
        free = sim.draw_params(rng, az, el)
        none = lambda a: float(a.float().mean())
        self.assertTrue(.02 < none(draw.held_camera(az, el)) < .2)
        self.assertTrue(.02 < none(sim.held_net(free['L'], free['rb'], free['net'] == 1)) < .25)

    def test_who_is_not_held_out_stays_as_drawn(self):
        rng = Rng(range(500), 'cpu')
        a, b = draw.camera(rng), draw.camera(rng, False)
        keep = ~draw.held_camera(a[0], a[1])
        near = (a[0].abs() * 57.29578 > 37.8) & (a[0].abs() * 57.29578 < 52.2) | (a[1] * 57.29578 > 11.8) & (a[1] * 57.29578 < 18.2)
        self.assertTrue(torch.equal(a[0][keep & ~near], b[0][keep & ~near]) and torch.equal(a[1][keep & ~near], b[1][keep & ~near]))

    def test_dunks_and_slow_cameras_move_nobody_else(self):
        '''The sets that are named by their seeds stay what they were: a mode and a rate that others never draw.'''
        rng = Rng(range(2000), 'cpu')
        az, el, _ = draw.camera(rng)
        for weights in (sim.WEIGHTS, sim.NATURAL):
            for mode in ('dunk', 'tip'):
                self.assertEqual(weights[sim.MODE[mode]], 0)
                self.assertFalse((sim.draw_params(rng, az, el, weights)['mode'] == sim.MODE[mode]).any())
        share = float((sim.draw_params(rng, az, el, sim.GAME)['mode'] == sim.MODE['dunk']).float().mean())
        self.assertTrue(.02 < share < .05, share)
        fast, some = draw.rng_fps(rng), draw.rng_fps(rng, .25)
        self.assertTrue((fast >= 24).all() and (fast <= 31).all())
        slow = some < 22
        self.assertTrue(.2 < float(slow.float().mean()) < .3 and (some[slow] >= 14).all())
        self.assertTrue(torch.equal(some[~slow], fast[~slow]))

    def test_a_dunk_is_brought_by_somebody_who_hides_some_of_it(self):
        only = tuple(float(m == 'dunk') for m in sim.MODES)
        cfg = Cfg(size=32, frames=32, ring_px=((12.5, 1.),), again=0., weights=only, luma=True)
        alone = render_batch(range(80, 88), 'cpu', cfg)
        brought = render_batch(range(80, 88), 'cpu', dataclasses.replace(cfg, hands=1.))
        self.assertTrue(torch.equal(alone['outcome'], brought['outcome']))
        self.assertTrue((brought['outcome'] == 1).sum() >= 4 and ((alone['outcome'] == 1) | (alone['outcome'] == 2)).sum() >= 6)
        other = (alone['x'].float() - brought['x'].float()).abs().mean((1, 2, 3, 4))
        self.assertTrue((other > .5).all(), other)
        self.assertTrue((brought['seen'] <= alone['seen'] + 1e-6).all())
        self.assertLess(float(brought['seen'].mean()), float(alone['seen'].mean()) - .02)

    def test_a_ring_gives_way_under_who_hangs_on_it_and_comes_back(self):
        only = tuple(float(m == 'dunk') for m in sim.MODES)
        cfg = Cfg(size=32, frames=32, ring_px=((22, 1.),), again=0., weights=only, luma=True, hands=1.)
        stiff, soft = render_batch(range(80, 84), 'cpu', cfg), render_batch(range(80, 84), 'cpu', dataclasses.replace(cfg, pull=1.))
        for k in ('outcome', 't_rim', 't_truth'):
            self.assertTrue(torch.equal(stiff[k], soft[k]), k)
        self.assertTrue(((stiff['x'].float() - soft['x'].float()).abs().mean((1, 2, 3, 4)) > .2).any())
        rng = Rng(range(400), 'cpu')
        t = torch.linspace(sim.T0 - .5, sim.T0 + 4, 200)[None].expand(400, 200)
        a = draw.pulled(rng, t)
        self.assertTrue((a[t < sim.T0] == 0).all() and (a >= -.0401).all() and (a <= .61).all())
        self.assertGreater(int((a.amax(1) > .15).sum()), 60)
        self.assertTrue((a[:, -1].abs() < .02).all())

    def test_what_is_pulled_down_turns_about_its_hinge(self):
        p = torch.tensor([[[0., -sim.R, 0.], [0., draw.HINGE, 0.], [sim.R, 0., 0.]]])
        q = p + draw.given_way(p, torch.full((1, 3), .3))
        arm = lambda v: ((v[..., 1] - draw.HINGE) ** 2 + v[..., 2] ** 2).sqrt()
        self.assertTrue(torch.allclose(arm(p), arm(q), atol=1e-6) and torch.equal(q[..., 0], p[..., 0]))
        self.assertTrue(q[0, 0, 2] < q[0, 2, 2] < -.05 and torch.equal(q[0, 1], p[0, 1]))

    def test_a_tip_in_comes_down_and_is_pushed_from_close_by(self):
        rng, z = Rng(range(200), 'cpu'), torch.zeros(200)
        P = sim.draw_params(rng, z, z, tuple(float(m == 'tip') for m in sim.MODES))
        S = sim.simulate(P)
        made = torch.bincount(sim.judge(P, S, z, z - .7)['outcome'], minlength=4)
        self.assertTrue(made[1] > 60 and made[2] > 40, made)
        before = draw.ball_at(P, S, torch.tensor([[sim.T0 - .06, sim.T0 - .03, sim.T0]]).expand(200, 3))
        self.assertTrue((before[:, 0, 2] > before[:, 1, 2]).all() and (before[:, 1, 2] > before[:, 2, 2]).all())
        self.assertTrue((P['p'][:, :2].norm(dim=1) < .8).all() and (P['p'][:, 1] < sim.BOARD - sim.RB).all())

    @unittest.skipUnless(importlib.util.find_spec('av'), 'needs PyAV')
    def test_a_bit_rate_is_held_and_starves_what_moves(self):
        y = self.many['x'][3, :, 0].repeat_interleave(3, 1).repeat_interleave(3, 2).repeat(3, 1, 1).numpy()      # 72 pictures of 96 x 96
        off, took = [], []
        for kbit in (10, 40):
            bits = []
            z = sensor.h264(y, 24, 0, 48, 'veryfast', True, kbit, 1., bits)
            self.assertEqual(z.shape, y.shape)
            took.append(sum(bits) / (len(y) / 24) / 1000)
            off.append(float(abs(z.astype(float) - y).mean()))
        self.assertLess(took[0], 14)
        self.assertTrue(20 < took[1] < 50, took)
        self.assertGreater(off[0], 1.5 * off[1])

    @unittest.skipUnless(importlib.util.find_spec('av'), 'needs PyAV')
    def test_who_is_held_to_a_rate_is_told(self):
        told = lambda **how: render_batch(range(40, 46), 'cpu', dataclasses.replace(SMALL, luma=True, **how))['mbit']
        self.assertTrue(torch.isnan(told(h264=1.)).all() and torch.isnan(told(bitrate=1.)).all())
        every, half = told(h264=1., bitrate=1.), told(h264=1., bitrate=.5)
        self.assertTrue(((every >= .2) & (every < 4)).all())
        self.assertTrue(0 < int(torch.isnan(half).sum()) < 6)
        self.assertTrue(torch.equal(every[~torch.isnan(half)], half[~torch.isnan(half)]))

    @unittest.skipUnless(importlib.util.find_spec('av'), 'needs PyAV')
    def test_large_rings_are_sharp_where_that_is_asked(self):
        wide = ((12.5, .5), (30, .5))
        told = lambda **how: render_batch(range(40, 52), 'cpu', dataclasses.replace(SMALL, luma=True, h264=1., bitrate=1., ring_px=wide, frames=6, **how))
        some, none = told(), told(sharp=1.)
        large = none['ring_px'] >= 27
        self.assertTrue(0 < int(large.sum()) < 12)
        self.assertTrue(torch.equal(torch.isnan(none['mbit']), large) and not torch.isnan(some['mbit']).any())
        self.assertTrue(torch.equal(some['x'][~large], none['x'][~large]) and not torch.equal(some['x'][large], none['x'][large]))

    def test_late_truths_are_drawn_more_often(self):
        for weights in (sim.LATE, sim.CLOSE):
            self.assertAlmostEqual(sum(weights), 1., places=5)
            self.assertEqual(len(weights), len(sim.MODES))

    def test_the_gap_is_between_surface_and_rod(self):
        fall = lambda x: ([x, -.3, 1.2], [0., 1., -2.], 5)
        _, S, J, _ = self.flown([fall(0.), fall(.75), ([0., -.9, 1.2], [0., 2., -2.5], 0)])
        gap = sim.gap(S, J).tolist()
        # Through the middle: half of the ring without the ball's half. Far aside: more. On the ring: none.
        self.assertTrue(.02 < gap[0] < sim.R_IN - sim.RB, gap)
        self.assertGreater(gap[1], .3)
        self.assertEqual(gap[2], 0.)

    def test_a_ball_near_the_limit_turns_and_one_far_off_does_not(self):
        P, _, J, _ = self.flown([([0., -.3, 1.2], [0., 1., -2.], 0), ([.75, -.3, 1.2], [0., 1., -2.], 0)])
        z = torch.zeros(2)
        self.assertFalse(sim.turns(P, J['outcome'], z, z - .7, None, .02).any())
        self.assertTrue(bool(sim.turns(P, J['outcome'], z, z - .7, None, .75)[1]))

    def said(self, *args):
        out, err = io.StringIO(), io.StringIO()
        with mock.patch('sys.argv', ['render', '--device', 'cpu', *args]), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as e:
                return err.getvalue().splitlines()[-1], e.code
        return out.getvalue(), 0

    def test_ranges_without_a_seed_are_refused_in_a_line(self):
        for text, word in (('8:0', 'no seed'), ('5:5', 'no seed'), ('abc', 'no range'), (':', 'no range'), ('', 'no range'), ('-3:2', 'no range'), ('1:2:3', 'no range')):
            line, code = self.said('--seeds=' + text)
            self.assertEqual(code, 2, text)
            self.assertIn(word, line)
            self.assertIn('0:256', line)
        self.assertIn('--physics', self.said('--turns', '0.05')[0])
        self.assertIn('--sheet', self.said('--physics', '--sheet', 'x.png')[0])

    def test_the_command_tells_what_an_attempt_costs_and_how_near_it_was(self):
        text, code = self.said('--seeds', '0:3', '--physics')
        self.assertEqual(code, 0)
        for word in ('3 attempts flown', 'a core-minute', 'within 5 cm of the rod'):
            self.assertIn(word, text)


if __name__ == '__main__':
    unittest.main()
