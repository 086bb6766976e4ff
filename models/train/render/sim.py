"""The physics of an attempt: ball (drag, Magnus, spin), ring, board, bracket, and a net of strings that brakes the ball
and is thrown by it. One batch of attempts is one set of tensors; time is t = 0 where the aimed flight meets the ring's plane.

World: metres, the ring's centre is the origin, z up, the board's face stands at y = BOARD, the court lies at y < 0.
"""
import math

import torch

R_IN, ROD = 0.2286, 0.009             # inner radius of the ring, radius of its rod
R = R_IN + ROD
RB, MB = 0.1195, 0.61                 # ball
BOARD, G = 0.381, 9.81
LV, K = 6, 12                         # net: levels below the ring, strings round it
HZ, REC = 720, 3                      # steps a second; every REC-th is recorded
T0, T1 = -0.30, 1.95                  # seconds simulated
NREC = int((T1 - T0) * HZ) // REC

# what is meant by an attempt's aim; what comes of it is up to the physics
MODES = ['swish', 'rim', 'bank', 'front', 'behind', 'air', 'roll', 'drop', 'below', 'lay', 'board', 'dunk', 'tip',
         'empty', 'pass', 'bounce', 'hand', 'hang']
WEIGHTS = [.15, .21, .07, .105, .095, .04, .07, .05, .015, .045, .025, 0., 0.,
           .05, .05, .03, .04, .01]
# WEIGHTS puts most attempts near the limit between made and missed; NATURAL is what a gym sees; GAME has dunks too, keeps the
# balls before and behind the ring, and half of its attempts go in, so that what learns from it leans to neither side.
NATURAL = [.37, .20, .09, .015, .015, .04, .02, .01, .005, .06, .025, 0., 0.,
           .05, .04, .03, .02, .01]
GAME = [.20, .18, .075, .09, .055, .045, .06, .03, .01, .05, .025, .03, 0.,
        .04, .045, .03, .035, .015]
# LATE has what a call comes too early for (rolls, drops, lay-ups: a ball that leaves the ring and falls in after all) and balls that fall short.
LATE = [.16, .20, .08, .07, .04, .055, .10, .05, .01, .06, .015, .03, 0.,
        .03, .035, .025, .03, .01]
# CLOSE is a game under the ring: dunks, lay-ups and tip-ins beside shots, and more of nothing (passes, bounces, hands, nets that tremble) than any other.
CLOSE = [.22, .13, .07, .05, .02, .04, .05, .05, .01, .06, .015, .055, .03,
         .05, .055, .04, .035, .02]
MODE = {m: i for i, m in enumerate(MODES)}
FIRST_NONE = MODE['empty']


def _unit(v, eps=1e-6):
    d = (v * v).sum(-1, keepdim=True).clamp(min=eps * eps).sqrt()
    return v / d, d


def cross(a, b):
    return torch.stack([a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1],
                        a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2],
                        a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]], -1)


def _links(device):
    """Index tables of the diamond mesh. Node (l, k) hangs on (l-1, k) and on a neighbour of it."""
    p2, c2 = torch.zeros(LV, K, dtype=torch.long), torch.zeros(LV + 1, K, dtype=torch.long)
    for l in range(1, LV + 1):
        for k in range(K):
            q = (k + 1) % K if l % 2 else (k - 1) % K
            p2[l - 1, k] = (l - 1) * K + q
            c2[l - 1, q] = (l - 1) * K + k         # child, counted from level 1
    return p2.view(-1).to(device), c2[:LV].view(-1).to(device)


def held_net(L, rb, tight):
    """Nets that training never draws: middling long ones (m) of a middling width at the bottom, by kind."""
    return (L >= .395) & (L <= .435) & torch.where(tight, (rb >= .083) & (rb <= .095), (rb >= .112) & (rb <= .132))


def draw_params(rng, az, el, weights=(), held=None):
    """Everything random of the physics; az and el (rad) are the camera's, so that some balls are aimed along its view. `held`:
    None, any net; False, none of `held_net`; True, only those."""
    n, d = rng.n, rng.device
    P = {}
    mode = P['mode'] = rng.choice('mode', weights or WEIGHTS)
    is_ = lambda *m: torch.stack([mode == MODE[x] for x in m]).any(0)
    # board, before the flight because banks need it
    P['eb'] = rng.u('eb', .6, .82)
    P['er'] = torch.where(rng.p('er/hi', .3), rng.u('er1', .6, .78), rng.u('er', .45, .7))
    P['mu'] = rng.u('mu', .25, .7)
    small = rng.p('board/small', .3)
    P['bw'] = torch.where(small, rng.u('bw', .5, .75), torch.full((n,), .9, device=d))
    P['bz0'] = -rng.u('bz0', .08, .32)
    P['bz1'] = P['bz0'] + torch.where(small, rng.u('bh', .7, .95), torch.full((n,), 1.05, device=d))
    # flight at the ring's plane
    psi = rng.u('psi', -80, 80) * math.pi / 180
    vh = rng.u('vh', 1.4, 4.6)
    vz = -rng.u('vz', 3.4, 6.2)
    slow = is_('lay', 'drop')
    vh = torch.where(slow, rng.u('vh2', .1, 1.8), vh)
    vz = torch.where(slow, -rng.u('vz2', 1.2, 3.6), vz)
    ang, rad = rng.u('aim/a', -math.pi, math.pi), rng.u('aim/r', .095, .30)
    tgt = rng.g('aim/s', .045, 2)
    ring = torch.stack([torch.cos(ang), torch.sin(ang)], 1) * rad[:, None]
    tgt = torch.where(is_('rim', 'lay')[:, None], ring, tgt)
    tgt = torch.where(is_('drop')[:, None], ring * .55, tgt)
    look = torch.stack([-torch.sin(az), torch.cos(az)], 1)
    far = torch.where(rng.p('aim/close', .5), rng.u('aim/far2', .25, .45), rng.u('aim/far', .27, .78))   # close: strikes the net from outside
    side = rng.g('aim/side', .10, 2)
    tgt = torch.where(is_('front')[:, None], -look * far[:, None] + side, tgt)
    tgt = torch.where(is_('behind')[:, None], look * far[:, None] + side, tgt)
    dirn = torch.stack([torch.sin(psi), torch.cos(psi)], 1)
    sgn = torch.where(rng.p('aim/short', .7), -1., 1.)
    tgt = torch.where(is_('air')[:, None], dirn * (sgn * rng.u('aim/air', .33, .85))[:, None] + side * 1.5, tgt)
    tgt = torch.where(is_('board')[:, None], torch.stack([rng.u('aim/bx', -.6, .6), BOARD + rng.u('aim/by', -.05, .6)], 1), tgt)
    p, v = torch.zeros(n, 3, device=d), torch.zeros(n, 3, device=d)
    p[:, :2], v[:, :2], v[:, 2] = tgt, dirn * vh[:, None], vz
    # bank: the flight after the board is chosen, then reflected back in time
    bank = is_('bank')
    tb = rng.u('bank/t', .07, .20)
    vy = -(BOARD - RB - rng.u('bank/y', -.12, .12)) / tb
    bx = rng.g('bank/x', .10)
    p = torch.where(bank[:, None], torch.stack([bx, BOARD - RB + vy * tb, torch.zeros(n, device=d)], 1), p)
    v = torch.where(bank[:, None], torch.stack([v[:, 0] * .6, vy, vz.clamp(min=-4.5)], 1), v)
    # roll: set on the ring, moving along it
    a = rng.u('roll/a', -math.pi, math.pi)
    rr = R + rng.u('roll/r', -.07, .06)
    s = torch.where(rng.p('roll/s', .5), -1., 1.)
    sp = rng.u('roll/v', .5, 2.0)
    rp = torch.stack([torch.cos(a) * rr, torch.sin(a) * rr, torch.full((n,), .0, device=d)], 1)
    rv = torch.stack([-torch.sin(a) * s * sp, torch.cos(a) * s * sp, -rng.u('roll/z', .8, 2.4)], 1) \
        + torch.stack([torch.cos(a), torch.sin(a), a * 0], 1) * rng.u('roll/o', -.5, .5)[:, None]
    p, v = torch.where(is_('roll')[:, None], rp, p), torch.where(is_('roll')[:, None], rv, v)
    ts = torch.full((n,), T0, device=d)
    # start of the flight at T0, against gravity (drag is small over 0.3 s)
    dt = torch.where(bank, tb, -ts)
    pb = p - v * dt[:, None]
    pb[:, 2] -= .5 * G * dt * dt
    vb = v.clone()
    vb[:, 2] += G * dt
    # the second leg of a bank: before the board
    v2 = vb.clone()
    v2[:, 1] = -vb[:, 1] / P['eb']
    rest = (-ts - tb)
    pk = pb - v2 * rest[:, None]
    pk[:, 2] -= .5 * G * rest * rest
    vk = v2.clone()
    vk[:, 2] += G * rest
    pb, vb = torch.where(bank[:, None], pk, pb), torch.where(bank[:, None], vk, vb)
    # dunks leave the hand close above the ring, fast, and a quarter of them on the rod
    dk = is_('dunk')
    into = torch.where(rng.p('dunk/off', .25), rng.u('dunk/r2', .12, .26), rng.u('dunk/r', 0, .10))
    vd = torch.cat([dirn * rng.u('dunk/h', 0, 1.2)[:, None], -rng.u('dunk/v', 2.5, 6.)[:, None]], 1)
    zd = .17 - .035 * vd[:, 2] + rng.u('dunk/z', 0, .18)
    at = torch.stack([torch.cos(ang), torch.sin(ang)], 1) * into[:, None] + vd[:, :2] * (zd / vd[:, 2])[:, None]
    pb = torch.where(dk[:, None], torch.cat([at, zd[:, None]], 1), pb)
    vb = torch.where(dk[:, None], vd, vb)
    # tip-ins: a ball that comes down beside the ring is met by a hand and pushed at it from close by
    tip = is_('tip')
    off, high, fly = rng.u('tip/r', .30, .75), rng.u('tip/z', .18, .55), rng.u('tip/t', .20, .38)
    at = torch.stack([torch.cos(ang), torch.sin(ang)], 1) * off[:, None]
    at = torch.stack([at[:, 0], at[:, 1].clamp(max=BOARD - RB - .06)], 1)
    to = rng.g('tip/s', .15, 2)
    pb = torch.where(tip[:, None], torch.cat([at, high[:, None]], 1), pb)
    vb = torch.where(tip[:, None], torch.cat([(to - at) / fly[:, None], (.5 * G * fly - high / fly)[:, None]], 1), vb)
    # drops come from a hand above the ring: shorter flight is hidden by keeping them still until then
    # from below: up into the net
    bl = is_('below')
    q = torch.stack([rng.g('bel/x', .12), rng.g('bel/y', .12) - .05, -rng.u('bel/z', .9, 1.3)], 1)
    top = rng.u('bel/top', -.32, .25)
    up = (2 * G * (top - q[:, 2])).clamp(min=.5).sqrt()
    pb = torch.where(bl[:, None], q, pb)
    vb = torch.where(bl[:, None], torch.stack([rng.g('bel/vx', .25), rng.g('bel/vy', .25), up], 1), vb)
    # passes: across the picture, in front of or below the ring, never within reach of it
    pa = is_('pass')
    s = torch.where(rng.p('pass/s', .5), -1., 1.)
    lat = torch.stack([torch.cos(az), torch.sin(az)], 1)
    hgt = rng.u('pass/h', -1.5, .9)
    depth = torch.where(rng.p('pass/back', .25), rng.u('pass/d2', 1.2, 2.5), -rng.u('pass/d', 1.1, 2.6))
    vx = rng.u('pass/v', 3, 11)
    xy = look * depth[:, None] - lat * (s * vx * rng.u('pass/t', .3, .9))[:, None]
    pb = torch.where(pa[:, None], torch.cat([xy, hgt[:, None]], 1), pb)
    vb = torch.where(pa[:, None], torch.cat([lat * (s * vx)[:, None], rng.u('pass/z', .5, 5)[:, None]], 1), vb)
    # bounced below the ring, or tossed up in front of it
    bo = is_('bounce')
    q = torch.cat([look * rng.u('bo/d', -2.2, -.9)[:, None] + lat * rng.u('bo/x', -.8, .8)[:, None], -rng.u('bo/z', .8, 1.6)[:, None]], 1)
    pb = torch.where(bo[:, None], q, pb)
    vb = torch.where(bo[:, None], torch.stack([rng.g('bo/vx', .5), rng.g('bo/vy', .4), rng.u('bo/v', 1., 4.6)], 1), vb)
    away = is_('empty', 'hang')
    pb = torch.where(away[:, None], torch.tensor([0., -30., 5.], device=d), pb)
    # a hand that moves through the net or past the ring (kinematic)
    P['hand'] = is_('hand')
    P['hand_c'] = torch.stack([rng.g('hand/x', .13), rng.g('hand/y', .13), -rng.u('hand/z', .05, .5)], 1)
    P['hand_d'] = _unit(rng.g('hand/d', 1., 3))[0] * torch.tensor([1., 1., .7], device=d)
    P['hand_t'] = rng.u('hand/t', -.1, .5)
    P['hand_w'] = rng.u('hand/w', 2.5, 7)
    P['p'], P['v'] = pb, vb
    # slow ones are brought by a hand: before T0 they come from the court's side, not along the parabola
    P['brought'] = is_('lay', 'drop', 'roll', 'dunk', 'tip')
    wa = rng.u('brought/a', -70, 70) * math.pi / 180
    P['way'] = torch.stack([torch.sin(wa), -torch.cos(wa)], 1) * rng.u('brought/v', 1.8, 4.)[:, None]
    P['dip'] = rng.u('brought/z', 1.5, 4.5)
    # what is tipped fell freely before, from the side that it is pushed from; P['fell']: how fast it came down (0: all others)
    P['fell'] = torch.where(tip, rng.u('tip/fell', .5, 3.), torch.zeros(n, device=d))
    P['way'] = torch.where(tip[:, None], _unit(at + rng.g('tip/w', .15, 2))[0] * rng.u('tip/v', .3, 2.5)[:, None], P['way'])
    # spin: back-spin about the horizontal axis across the flight, and some side spin
    ax = torch.stack([vb[:, 1], -vb[:, 0], vb[:, 0] * 0], 1)
    ax = _unit(ax)[0]
    w = -ax * rng.u('spin', -6, 20)[:, None] + rng.g('spin/s', 3., 3)
    P['w'] = torch.where(is_('roll')[:, None], rng.g('spin/r', 7., 3), w)
    P['cd'] = rng.u('cd', .010, .016) / MB * 1.25
    P['cl'] = rng.u('cl', .0, .004)
    # net
    kind = P['net'] = rng.choice('net', [.52, .14, .14, .10, .06, .04])    # nylon, tight, chain, stiff/new, torn, none
    chain = kind == 2
    L = rng.u('net/L', .36, .46)
    L = torch.where(chain, rng.u('net/Lc', .32, .46), L)
    rb = rng.u('net/rb', .092, .150)
    rb = torch.where(kind == 1, rng.u('net/rb1', .070, .108), rb)
    rb = torch.where(chain, rng.u('net/rbc', .085, .150), rb)
    if held is not None:
        tight, u = kind == 1, rng.u('held/rb', 0, 1)
        if held:
            L = rng.u('held/L', .396, .434)
            rb = torch.where(tight, .084 + .010 * u, .113 + .018 * u)
        else:                                                  # the others keep their length and get another width
            wide = torch.where(tight, torch.where(u < .5, .070 + .025 * u, .0955 + .025 * (u - .5)), torch.where(u < .5, .092 + .039 * u, .133 + .034 * (u - .5)))
            rb = torch.where(held_net(L, rb, tight), wide, rb)
    pw = rng.u('net/pow', .55, 1.4)
    lv = torch.arange(0, LV + 1, device=d) / LV
    prof = R_IN + (rb[:, None] - R_IN) * lv[None] ** pw[:, None]
    flare = torch.where(rng.p('net/fl', .3), rng.u('net/fla', .0, .035), torch.zeros(n, device=d))
    prof = prof + flare[:, None] * (lv[None] - .7).clamp(min=0) / .3
    th = 2 * math.pi / K * (torch.arange(K, device=d)[None] + .5 * (torch.arange(LV + 1, device=d) % 2)[:, None])
    th = th[None] + rng.u('net/ph', 0, 1)[:, None, None]
    x = torch.stack([prof[..., None] * torch.cos(th), prof[..., None] * torch.sin(th),
                     (-L[:, None] * lv[None])[..., None].expand(n, LV + 1, K) - .012], -1)
    wob = rng.g('net/wob', 1., LV + 1, K, 3) * (.004 + .02 * rng.u('net/wobs', 0, 1) ** 3)[:, None, None, None] * lv[None, :, None, None] * 2
    x = x + wob
    x[:, 1:, :, :2] += (rng.g('net/lean', .012, 2)[:, None, None] * lv[None, 1:, None, None] ** 1.5)
    P['L'], P['rb'] = L, rb
    P['anch'], P['rest'] = x[:, 0], x[:, 1:].reshape(n, LV * K, 3)
    P['faint'] = rng.p('str/faint', .1)
    mass = rng.u('net/m', .10, .22)
    mass = torch.where(chain, rng.u('net/mc', .7, 1.5), mass)
    mass = torch.where(kind == 5, torch.full((n,), 1e-4, device=d), mass)
    P['mn'] = mass / (LV * K)
    P['oz'] = torch.where(chain, rng.u('net/ozc', 9, 14), torch.where(kind == 3, rng.u('net/oz3', 10, 16), rng.u('net/oz', 7, 12)))
    P['oh'] = torch.where(chain, rng.u('net/ohc', 4.5, 7), torch.where(kind == 3, rng.u('net/oh3', 8, 14), rng.u('net/oh', 4.5, 9)))
    P['air'] = torch.where(chain, rng.u('net/airc', .4, 1.5), rng.u('net/air', 1.2, 5))
    P['bend'] = torch.where(chain, rng.u('net/bendc', .0, .004), rng.log('net/bend', .003, .06))
    P['mun'] = torch.where(chain, rng.u('net/muc', .1, .3), rng.u('net/mun', .3, .9))
    P['ks'] = torch.full((n,), 1.7e5, device=d)
    P['loss'] = torch.where(chain, rng.u('net/lossc', .5, .9), rng.u('net/loss', .15, .6))
    # what knots and loops take from the ball beyond tension and friction: along the level, and down
    P['ch'] = torch.where(chain, rng.u('net/chc', 1, 6), rng.u('net/ch', 2, 13)) * (kind != 5)
    P['cz'] = torch.where(chain, rng.u('net/czc', .5, 4), torch.where(kind == 1, rng.u('net/cz1', 3, 11), rng.u('net/cz', 1, 7))) * (kind != 5)
    # nets that hold the ball: it stands or creeps, then drops out
    hold = P['hold'] = rng.p('net/hold', .15) | ((kind == 1) | chain) & rng.p('net/hold2', .40)
    P['ch'] = torch.where(hold, rng.u('net/chh', 12, 40), P['ch']) * (kind != 5)
    P['cz'] = torch.where(hold, rng.log('net/czh', 8, 36), P['cz']) * (kind != 5)
    cut = torch.zeros(n, LV * K, dtype=torch.bool, device=d)
    tear = (kind == 4)
    k0 = (rng.u('net/cut', 0, K)).long()
    kk = torch.arange(LV * K, device=d) % K
    ll = torch.arange(LV * K, device=d) // K
    wid = rng.u('net/cutw', 1, 4).long()
    hit = ((kk[None] - k0[:, None]) % K < wid[:, None]) & (ll[None] >= rng.u('net/cutl', 1, 4).long()[:, None])
    P['cut'] = cut | (tear[:, None] & hit)
    # swing left over from before (wind, an earlier shot), fading
    hang = is_('hang') | rng.p('net/swing', .12)
    kick = rng.g('net/kick', 1., 3) * torch.tensor([.9, .9, .5], device=d) * hang[:, None]
    P['kick'] = kick[:, None] * (ll[None, :, None] + 1.) / LV
    return P


def simulate(P):
    """Runs the physics. Returns records at HZ/REC: p [N,Q,3], w, x [N,Q,LV*K,3] (half precision), and the contacts."""
    d, n = P['p'].device, len(P['p'])
    p2, c2 = _links(d)
    lastlev = torch.arange(LV * K, device=d) < (LV - 1) * K
    dt = 1.0 / HZ
    p, v, w = P['p'].clone(), P['v'].clone(), P['w'].clone()
    x, xv = P['rest'].clone(), P['kick'].clone().expand(n, LV * K, 3).contiguous()
    anch = P['anch']
    full0 = torch.cat([anch, P['rest']], 1)
    l1 = (P['rest'] - full0[:, :LV * K]).norm(dim=-1, keepdim=True)
    l2 = (P['rest'] - full0[:, p2]).norm(dim=-1, keepdim=True)
    e1 = lambda a: a[:, None, None]
    ks, mn, air, mun, bend = e1(P['ks']), e1(P['mn']), e1(P['air']), e1(P['mun']), e1(P['bend'])
    om2 = torch.stack([P['oh'] ** 2, P['oh'] ** 2, P['oz'] ** 2], 1)[:, None]
    alive = (~P['cut'])[..., None].float()
    full_l = torch.cat([torch.ones(n, K, 1, device=d), alive], 1)
    # a torn string neither holds nor is held
    a1, a2 = alive * full_l[:, :LV * K], alive * full_l[:, p2]
    kd = .35 * ks.sqrt()
    few = torch.where(P['hold'], 1 / 3., 1 / 9.)[:, None]
    loss = e1(P['loss'])
    zero3 = torch.zeros(n, 1, 3, device=d)
    hand = P['hand'][:, None]
    m_ball = torch.where(P['hand'], torch.full((n,), 1e6, device=d), torch.full((n,), MB, device=d))[:, None]
    rb = torch.where(P['hand'], torch.full((n,), .055, device=d), torch.full((n,), RB, device=d))
    rbn = rb[:, None, None] + .004
    # boxes: board, bracket
    bc = torch.zeros(n, 2, 3, device=d)
    bh = torch.zeros(n, 2, 3, device=d)
    bc[:, 0, 1], bc[:, 0, 2] = BOARD + .02, (P['bz0'] + P['bz1']) / 2
    bh[:, 0, 0], bh[:, 0, 1], bh[:, 0, 2] = P['bw'], .02, (P['bz1'] - P['bz0']) / 2
    bc[:, 1, 1], bc[:, 1, 2] = (R + BOARD) / 2 + .01, -.03
    bh[:, 1, 0], bh[:, 1, 1], bh[:, 1, 2] = .07, (BOARD - R) / 2, .022
    eb = torch.stack([P['eb'], P['er'] * .8], 1)
    er, mu = P['er'][:, None], P['mu'][:, None]
    cd, cl = P['cd'][:, None], P['cl'][:, None]
    g = torch.tensor([0., 0., -G], device=d)
    cvec = torch.stack([P['ch'], P['ch'], P['cz']], 1)
    floor = torch.tensor([.8, .8, -.76], device=d)
    one = torch.ones(1, device=d)
    clock = T0 + torch.arange(NREC * REC, device=d) * dt

    def bounce(p, v, w, nrm, pen, e, mu_):
        """Impulse of a contact with normal nrm [N,3], penetration pen [N,1] (> 0 where touching)."""
        hit = (pen > 0) & ~hand
        vn = (v * nrm).sum(-1, keepdim=True)
        eff = torch.where(vn < -.25, e, torch.zeros_like(e))
        jn = torch.where(hit & (vn < 0), -(1 + eff) * vn, torch.zeros_like(vn))
        rc = -nrm * RB
        vt = v - vn * nrm + cross(w, rc)
        tdir, tl = _unit(vt)
        jt = torch.minimum(mu_ * jn, .4 * tl)
        dv = nrm * jn - tdir * jt
        v = v + dv
        w = w + cross(rc, -tdir * jt) * (1.5 / (RB * RB))
        p = p + nrm * torch.where(hit, pen, torch.zeros_like(pen))
        return p, v, w, (jn > .05)[:, 0]

    def substep(p, v, w, x, xv, con, t):
        """One step at time t [1]; con [N,3]: ring, board, net touched since the last record."""
        # ---- ball
        sp = (v * v).sum(-1, keepdim=True).sqrt()
        v = v + (g - cd * sp * v + cl * cross(w, v)) * dt
        p = p + v * dt
        ph = P['hand_t'] - t
        env = torch.exp(-(ph * 2.2) ** 2)
        pth = P['hand_c'] + P['hand_d'] * (torch.sin(ph * P['hand_w']) * .28)[:, None]
        pth = torch.cat([pth[:, :2], pth[:, 2:] - (1 - env)[:, None] * 1.3], 1)
        vh = (pth - p) / dt
        v = torch.where(hand, vh.clamp(-8, 8), v)
        p = torch.where(hand, pth, p)
        rho = (p[:, :2] ** 2).sum(-1, keepdim=True).clamp(min=1e-8).sqrt()
        c = torch.cat([p[:, :2] * (R / rho), torch.zeros_like(rho)], 1)
        nrm, dist = _unit(p - c)
        p, v, w, h0 = bounce(p, v, w, nrm, RB + ROD - dist, er, mu)
        rel = p[:, None] - bc
        q = rel - torch.maximum(torch.minimum(rel, bh), -bh)
        nb, db = _unit(q)
        pen = RB - db[..., 0]
        p, v, w, h1 = bounce(p, v, w, nb[:, 0], pen[:, :1], eb[:, :1], mu)
        p, v, w, h2 = bounce(p, v, w, nb[:, 1], pen[:, 1:], eb[:, 1:], mu)
        # floor
        fl = (p[:, 2:] < -3.05 + RB) & (v[:, 2:] < 0) & ~hand
        v = torch.where(fl, v * floor, v)
        # ---- net: strings pull, do not push; the shape is kept by weak springs
        full = torch.cat([anch, x], 1)
        fv = torch.cat([torch.zeros_like(anch), xv], 1)
        d1, d2 = x - full[:, :LV * K], x - full[:, p2]
        u1, n1 = _unit(d1)
        u2, n2 = _unit(d2)
        s1, s2 = n1 - l1, n2 - l2
        r1 = ((xv - fv[:, :LV * K]) * u1).sum(-1, keepdim=True)
        r2 = ((xv - fv[:, p2]) * u2).sum(-1, keepdim=True)
        # a string gives back less than it took
        k1 = torch.where(s1 > 0, ks * s1 * torch.where(r1 > 0, one, loss) + kd * r1.clamp(min=-3), ks * bend * s1).clamp(min=-4000)
        k2 = torch.where(s2 > 0, ks * s2 * torch.where(r2 > 0, one, loss) + kd * r2.clamp(min=-3), ks * bend * s2).clamp(min=-4000)
        f1, f2 = u1 * (k1 * a1), u2 * (k2 * a2)
        acc = -f1 - f2
        acc = acc + torch.cat([f1[:, K:], zero3.expand(n, K, 3)], 1)
        acc = acc + torch.cat([f2[:, c2[K:]], zero3.expand(n, K, 3)], 1)
        acc = acc - om2 * (x - P['rest']) - air * xv
        xv = xv + acc * dt
        x = x + xv * dt
        # ---- ball against the strings
        rel = x - p[:, None]
        un, dn = _unit(rel)
        touch = (dn < rbn) & (alive > 0)
        vr = v[:, None] - xv
        vn = (vr * un).sum(-1, keepdim=True)
        jn = torch.where(touch, vn.clamp(min=0), torch.zeros_like(vn))
        # push-out also counts as impulse, softly: the string is bent round the ball
        push = torch.where(touch, (rbn - dn), torch.zeros_like(dn))
        vt = vr - vn * un
        td, tl = _unit(vt)
        jt = torch.minimum(mun * (jn + push * 150), tl * touch)
        dv = un * jn + td * jt
        xv = xv + dv
        x = x + un * push
        v = v - (dv * (mn / m_ball[:, :, None])).sum(1)
        grip = (touch.float().sum(1) * few).clamp(max=1) * (p[:, 2:] < 0) * ~hand
        v = v * (1 - grip * (cvec * dt))
        return p, v, w, x, xv, torch.maximum(con, torch.stack([h0, h1 | h2, touch.any(1)[:, 0]], 1).float())

    def record(state, t):
        state = (*state, torch.zeros(n, 3, device=d))
        for k in range(REC):
            state = substep(*state, t[k:k + 1])
        return state

    out = dict(p=torch.empty(n, NREC, 3, device=d), w=torch.empty(n, NREC, 3, device=d),
               x=torch.empty(n, NREC, LV * K, 3, device=d, dtype=torch.half), con=torch.empty(n, NREC, 3, device=d))

    def keep(k, p, v, w, x, xv, con):
        out['p'][:, k], out['w'][:, k], out['x'][:, k], out['con'][:, k] = p, w, x, con

    if d.type != 'cuda':
        state = (p, v, w, x, xv)
        for k in range(NREC):
            *state, con = record(state, clock[k * REC:k * REC + REC])
            keep(k, *state, con)
        return out
    # Some five hundred kernels a record, each far shorter than its launch: recorded once, then played.
    state, now = [q.clone() for q in (p, v, w, x, xv)], clock[:REC].clone()
    side = torch.cuda.Stream(d)
    side.wait_stream(torch.cuda.current_stream(d))
    with torch.cuda.stream(side):
        record(state, now)
    torch.cuda.current_stream(d).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode='thread_local'):
        *new, con = record(state, now)
        for old, q in zip(state, new):
            old.copy_(q)
    for k in range(NREC):
        now.copy_(clock[k * REC:k * REC + REC])
        graph.replay()
        keep(k, *state, con)
    torch.cuda.current_stream(d).synchronize()            # before the graph and what it holds go away
    return out


def start_again(P, Q):
    """Gives the attempts Q (drawn with other seeds) the hoop of the attempts P: a second ball at the same ring."""
    keep = ('eb', 'er', 'bw', 'bz0', 'bz1', 'net', 'L', 'rb', 'anch', 'rest', 'mn', 'oz', 'oh', 'air', 'bend', 'mun', 'ks', 'ch', 'cz', 'hold', 'loss', 'cut', 'faint')
    return {k: (P[k] if k in keep else v) for k, v in Q.items()}


def seen_from(p, az, el, away=None):
    """Points [N,M,3] as the camera sees them: to the right of the ring's centre and above it in metres at the ring's
    distance, and how far behind it (negative: nearer); [N,M] each."""
    e = lambda a: a[:, None]
    sa, ca, se, ce = e(torch.sin(az)), e(torch.cos(az)), e(torch.sin(el)), e(torch.cos(el))
    on = -p[..., 0] * sa + p[..., 1] * ca
    lat, up, deep = p[..., 0] * ca + p[..., 1] * sa, on * se + p[..., 2] * ce, on * ce - p[..., 2] * se
    if away is not None:
        k = e(away) / (e(away) + deep).clamp(min=.4)
        lat, up = lat * k, up * k
    return lat, up, deep


def brake(S, J, az, el, away=None):
    """How far the ball falls behind free flight in the picture, in radii of it, within .25 s of its last way down through
    the ring's plane (or the last touch of ring or board, if that was later): what a net does to a ball inside it. [N]"""
    p, con = S['p'], S['con']
    n, q, _ = p.shape
    k = torch.arange(q, device=p.device)
    ts = T0 + (k + 1) * REC / HZ
    before = ts[None] < J['t_truth'][:, None]
    down = torch.zeros_like(before)
    down[:, 1:] = (p[:, :-1, 2] > 0) & (p[:, 1:, 2] <= 0)
    begin = (down | (con[..., :2] > 0).any(2)) & before
    s = torch.where(begin, k[None], torch.zeros_like(k)[None]).amax(1).clamp(max=q - 3) + 1
    i = torch.arange(n, device=p.device)
    v = (p[i, s + 1] - p[i, s]) * (HZ / REC)
    e = (s + int(.25 * HZ / REC)).clamp(max=q - 1)
    t = (e - s).float()[:, None] * (REC / HZ)
    free = p[i, s] + v * t - torch.tensor([0., 0., .5 * G], device=p.device) * t * t
    a, b = (torch.stack(seen_from(x[:, None], az, el, away)[:2], -1)[:, 0] for x in (free, p[i, e]))
    return (a - b).norm(dim=1) / RB


def judge(P, S, az, el, away=None):
    """What came of it, read from the simulation: outcome (0 none, 1 made, 2 missed, 3 undecided), t_rim, t_truth in s."""
    p, con = S['p'], S['con']
    n, q, _ = p.shape
    d = p.device
    ts = T0 + (torch.arange(q, device=d) + 1) * REC / HZ
    z, rho = p[..., 2], p[..., :2].norm(dim=-1)
    inf = torch.full((n,), 9.0, device=d)
    first = lambda m: torch.where(m.any(1), ts[m.float().argmax(1)], inf)
    below_c = (rho < R_IN - .02) & (z < 0)
    cross_ = (z[:, :-1] > 0) & (z[:, 1:] <= 0) & (rho[:, 1:] < R_IN)
    inside = torch.zeros(n, q, dtype=torch.bool, device=d)
    left, st = torch.zeros_like(inside), torch.zeros(n, dtype=torch.bool, device=d)
    L = -P['rest'][..., 2].amin(1)
    for i in range(1, q):                                   # inside: came through the ring from above and has not left
        was = st | cross_[:, i - 1]
        st = was & (z[:, i] < .02) & (z[:, i] > -L - .15) & (rho[:, i] < R + .12)
        inside[:, i], left[:, i] = st, was & ~st & (z[:, i] < -RB)
    thru = inside & (z < -(L[:, None] * .8)) | left         # left: below the ring, through a hole in the net at the latest
    made = thru.any(1)
    t_thru = first(thru)
    near = ((z < RB + .03) & (z > -.4) & (rho < R + RB + .03)) | (con[..., 0] > 0)
    plane = torch.zeros_like(near)
    plane[:, 1:] = (z[:, :-1] > 0) & (z[:, 1:] <= 0)
    t_rim = torch.minimum(first(near), first(plane))
    bc = con[..., 1] > 0                                    # a ball that only meets the board: nearest to the ring
    dist = (rho - R).clamp(min=0) ** 2 + z ** 2
    t_near = ts[dist.argmin(1)]
    dmin = dist.amin(1).sqrt()
    t_rim = torch.where(t_rim > 8, t_near, t_rim)
    t_rim = torch.where(dmin > .45, t_near, t_rim)
    # made: sure once the ball is well below the ring inside the net on its last way down
    lastout = torch.where(~inside & (ts[None] < t_thru[:, None]), ts[None], torch.full_like(z, -9.)).amax(1)
    deep = inside & (z < -.17) & (ts[None] > lastout[:, None])
    t_made = first(deep)
    # missed: after the last touch of ring or board, when the path plainly leads away for good
    hard = (con[..., 0] > 0) | (bc & (rho < 1.2))
    hard = hard & (z > -.16)
    t_last = torch.where(hard, ts[None], torch.full_like(z, -9.)).amax(1)
    gone = (z < -.14) & (rho > R_IN - .03) | (rho > R + .17)
    stay = torch.flip(torch.cummin(torch.flip((gone | (ts[None] < t_rim[:, None])).int(), [1]), 1)[0], [1]) > 0
    t_miss = first(stay & gone & (ts[None] > t_rim[:, None] + .03))
    t_miss = torch.maximum(t_miss, torch.where(t_last > -8, t_last + .07, t_miss))
    air = t_last < -8
    t_miss = torch.where(air, torch.maximum(t_miss, first((z < -.18) & (ts[None] > t_rim[:, None] - .2))), t_miss)
    # a ball that misses in depth alone: sure only when order, size and speed have shown it for two frames
    lat, up, _ = seen_from(p, az, el, away)
    se, ce = torch.sin(el)[:, None], torch.cos(el)[:, None]
    inpic = (lat.abs() < R + .05) & (up < R * se.abs() - .03) & (up > -R * se.abs() - .30 * ce) & (ts[None] > t_rim[:, None] - .25)
    t_pic = first(inpic) + .10
    t_miss = torch.where(air & (t_pic < 8) & (t_miss < 8), torch.maximum(t_miss, t_pic), t_miss)
    t_truth = torch.where(made, t_made, t_miss)
    none = P['mode'] >= FIRST_NONE
    ok = (t_truth < 8) & (t_rim < 1.3) & (t_rim > T0 + .02)
    far = dmin > .62                                        # air balls that never come near are no attempts
    out = torch.where(made, 1, 2)
    out = torch.where(~ok, 3, out)
    out = torch.where(far & ~made, 3, out)
    # without a net to be seen, and nothing touched, depth alone divides made from missed: nobody could say
    clear = (t_last < -8) & ((P['net'] == 5) | P['faint'])
    flat = torch.where(P['net'] == 5, .6, .21)
    out = torch.where(clear & (((out == 2) & (t_pic < 8) & (dmin < .6)) | ((out == 1) & (el.abs() < flat))), 3, out)
    touched = dmin < .45
    out = torch.where(none, torch.where(touched & ~P['hand'] & (P['mode'] != MODE['hang']) & (P['mode'] != MODE['empty']), 3, 0), out)
    return dict(outcome=out, t_rim=t_rim, t_truth=t_truth, dmin=dmin)


def gap(S, J):
    """Least distance between the ball's surface and the ring's rod until the truth, m, 0 where they touched. [N]"""
    p = S['p']
    k = torch.arange(p.shape[1], device=p.device)
    before = T0 + (k + 1)[None] * REC / HZ < J['t_truth'][:, None]
    # Between two records a ball goes up to 4 cm.
    part = torch.arange(4, device=p.device)[None, None, :, None] / 4
    fine = p[:, :-1, None] * (1 - part) + p[:, 1:, None] * part
    d = ((fine[..., :2].norm(dim=-1) - R) ** 2 + fine[..., 2] ** 2).sqrt().amin(2) - RB - ROD
    d = torch.where(before[:, 1:], d, torch.full_like(d, 9.)).amin(1).clamp(min=0)
    return torch.where(((S['con'][..., 0] > 0) & before).any(1), torch.zeros_like(d), d)


def turns(P, outcome, az, el, dist, by=.05):
    """Would the same ball, thrown `by` m to one of four sides (across the flight and along it), have had the other outcome? [N]"""
    way = _unit(torch.where(P['v'][:, :2].norm(dim=1, keepdim=True) > .05, P['v'][:, :2], torch.tensor([0., 1.], device=az.device)))[0]
    other = torch.zeros(len(outcome), dtype=torch.bool, device=az.device)
    for x, y in ((1, 0), (0, 1), (-1, 0), (0, -1)):
        d = by * torch.stack([x * way[:, 0] - y * way[:, 1], x * way[:, 1] + y * way[:, 0]], 1)
        Q = {**P, 'p': torch.cat([P['p'][:, :2] + d, P['p'][:, 2:]], 1)}
        other |= judge(Q, simulate(Q), az, el, dist)['outcome'] == 3 - outcome
    return other


KINDS = ('', 'swish', 'rim-in', 'bank-in', 'rim-out', 'bank-out', 'air-short', 'air-long', 'air-side', 'behind', 'below', 'other')


def kinds(P, S, J, az, el, away=None):
    """What an attempt was, from what the ball touched until its truth: index of KINDS, long [N]; 0 where there was none.

    bank: the board came first; rim: the ring was touched. Of the balls that touched neither: below, rose through the ring's
    plane from below; behind, passed through the picture of ring and net on their far side; air-short, -long and -side, where
    they came down through the ring's plane, along their flight. other: undecided, or made from below and out again."""
    p, con = S['p'], S['con']
    q = p.shape[1]
    ts = T0 + (torch.arange(q, device=p.device) + 1) * REC / HZ
    before = ts[None] < J['t_truth'][:, None]
    inf = torch.full_like(J['t_rim'], 9.)
    first = lambda m: torch.where(m.any(1), ts[m.float().argmax(1)], inf)
    ring, board = first((con[..., 0] > 0) & before), first((con[..., 1] > 0) & before)
    z, rho = p[..., 2], p[..., :2].norm(dim=-1)
    rose = ((z[:, :-1] < 0) & (z[:, 1:] >= 0) & (rho[:, 1:] < .6) & before[:, 1:]).any(1)
    began_below = (p[:, 0, 2] < -.2) & ~((z > RB) & before).any(1)
    # where it came down through the ring's plane, from the ring's centre along the flight and across it
    down = (z[:, :-1] > 0) & (z[:, 1:] <= 0)
    k = torch.where(down.any(1), down.float().argmax(1), (rho ** 2 + z ** 2).argmin(1).clamp(max=q - 2))
    i = torch.arange(len(k), device=k.device)
    at, way = p[i, k, :2], _unit(p[i, k + 1, :2] - p[i, k, :2])[0]
    along = (at * way).sum(1)
    across = (at[:, 0] * way[:, 1] - at[:, 1] * way[:, 0]).abs()
    lat, up, deep = seen_from(p, az, el, away)
    se, ce = torch.sin(el)[:, None].abs(), torch.cos(el)[:, None]
    over = (lat.abs() < R) & (up < R * se) & (up > -R * se - .4 * ce) & (z < RB) & before & (ts[None] > J['t_rim'][:, None] - .15)
    far = (over & (deep > R * ce)).any(1)
    name = {n: torch.full_like(k, j) for j, n in enumerate(KINDS)}
    side = torch.where(across > along.abs(), name['air-side'], torch.where(along < 0, name['air-short'], name['air-long']))
    air = torch.where(rose | began_below, name['below'], torch.where(far, name['behind'], side))
    out = torch.where(board < ring, name['bank-out'], torch.where(ring < 8, name['rim-out'], air))
    into = torch.where(board < ring, name['bank-in'], torch.where(ring < 8, name['rim-in'], name['swish']))
    o = J['outcome']
    return torch.where(o == 1, into, torch.where(o == 2, out, torch.where(o == 3, name['other'], name[''])))


def depth(p, length, az, el, away=None):
    """Where the ball's middle p [N,M,3] lies to the volume of ring and net, `length` [N] deep, as the camera sees it, long
    [N,M]: 0 elsewhere; 1 before it and 3 behind it, where the pictures of both overlap; 2 inside it; 4 over it, not yet (or
    no longer) down at the ring's plane. What distinguishes made from missed where the picture does not."""
    lat, up, deep = seen_from(p, az, el, away)
    z, rho = p[..., 2], p[..., :2].norm(dim=-1)
    se, ce = torch.sin(el)[:, None], torch.cos(el)[:, None]
    low = -length[:, None]
    inside = (rho < R) & (z <= 0) & (z > low)
    over = (lat.abs() < R + .5 * RB) & (up < R * se.abs() + .5 * RB) & (up > -R * se.abs() + low * ce - .5 * RB)
    # of the volume's axis the nearest point at the ball's height in the picture
    axis = (up / ce.clamp(min=.3)).clamp(max=0).maximum(low) * -se
    side = torch.where(deep < axis, 1, 3)
    d = torch.where(over & (z <= 0), side, 0)
    d = torch.where((z > 0) & (rho < 1.) & (z < 1.), 4, d)
    return torch.where(inside, 2, d)
