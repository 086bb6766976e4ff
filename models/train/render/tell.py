"""Could a careful eye tell? For each attempt a number, and the reasons where it could not.

The renderer knows every layer of a picture. So it can ask of what came out of sensor and encoder how much of the ball and of
the net is left in it: the picture without the ball is developed as well, free of noise; what the ball should have changed is
the template, and the template's strength in the decoded picture over what else moves there (noise, codec) is d', as of a
detector that knows where to look. The same for the net. No model has a say.

`tell` is the least of the following, each over what it needs; under 1 nobody could tell:
ball: d' of the ball must reach BALL in half of the decisive frames (in which it is in the crop);
shown: SHOWN of the ball's disc, but for net and ring, must lie free in half of them, of ring and net in all but a third;
evidence: where the ball passes through the picture of ring and net, path alone does not tell whether it was inside, in front
or behind. Either d' of the net must reach NET (strings over the ball or under it, thrown about or at rest), or the ball must fall
behind free flight by BRAKE of its radii, which nothing but a net does to it below the ring.
"""
import torch
import torch.nn.functional as F

from . import sim

FRAMES = 12                          # decisive frames that are looked at, per attempt
BEFORE, AFTER, LONGEST = .10, .20, .70    # s before t_rim, after t_truth, together at most
BALL, SHOWN, NET, BRAKE = 10.0, .45, 20.0, 1.5   # what must be reached; set by eye, see README.md
BOARD = .5                           # a board over so much of ring and net is the reason for what cannot be seen
FLOOR = 1.5                          # grey levels that no eye tells apart on a screen, as noise
REASONS = ('hidden', 'faint', 'behind the board', 'no evidence')
HIDDEN, FAINT, BOARDED, BARE = (1 << k for k in range(len(REASONS)))


def picks(times, src, first, second):
    """Rows (attempt, slot) of a batch and the frames shown when it came to it: i [R], slot [R], f [R,FRAMES]."""
    at, slot, f = [], [], []
    for k, j in enumerate((first, second)):
        i = torch.nonzero((j['outcome'] == 1) | (j['outcome'] == 2))[:, 0]
        hi = j['t_truth'][i] + AFTER
        lo = torch.maximum(j['t_rim'][i] - BEFORE, hi - LONGEST)
        want = lo[:, None] + (hi - lo)[:, None] * torch.linspace(0, 1, FRAMES, device=times.device)
        g = (torch.searchsorted(times[i].contiguous(), want.contiguous(), right=True) - 1).clamp(0, times.shape[1] - 1)
        at.append(i), slot.append(torch.full_like(i, k)), f.append(src[i].gather(1, g))
    return torch.cat(at), torch.cat(slot), torch.cat(f)


def left(picture, full, less):
    """d' [R,F] of what `full` has and `less` lacks, in the decoded picture; all [R,F,S,S] in grey levels."""
    t = full - less
    e = (t * t).sum((2, 3))
    o = picture - less
    m = ((t * o).sum((2, 3)) / e.clamp(min=1e-3)).clamp(0, 1.3)
    r = o - m[..., None, None] * t
    # Noise of the encoder is smooth: its power is taken after a mean over 3 x 3, as white noise of the same weight.
    r = F.avg_pool2d(r, 3, 1, 1)
    w = F.avg_pool2d(t.abs(), 7, 1, 3)
    s = 9 * (w * r * r).sum((2, 3)) / w.sum((2, 3)).clamp(min=1e-6)
    return m * (e / (s + FLOOR ** 2)).sqrt()


def overlap(p, az, el, away, length):
    """Where the ball's middle lies in the picture of ring and net, below the ring's middle: bool like p[..., 0]."""
    lat, up, _ = sim.seen_from(p, az, el, away)
    e = lambda a: a[:, None]
    top = sim.R * e(el.sin().abs())
    return (lat.abs() < sim.R + .02) & (up < .02) & (up > -top - e(length * el.cos()))


def verdict(ball, shown, net, brake, seen, crosses, inside, board):
    """tell [R] and why [R] (bits in the order of REASONS) from frames [R,F]: d' of ball and net, shares of the ball's disc and
    of ring and net that are shown, whether the ball lies in the picture of ring and net, whether it is in the crop; [R]: how
    far the net braked it, in its radii (sim.brake), and the share of ring and net that lies behind the board."""
    n = inside.float().sum(1)

    def but(x, share):                                      # what all but this share of the frames in the crop reach
        q = torch.where(inside, x, torch.full_like(x, 1e9)).sort(1)[0]
        return q.gather(1, (n * share).floor().long().clamp(max=x.shape[1] - 1)[:, None])[:, 0].clamp(max=1e3) * (n > 0)
    b = but(ball, 1 / 2) / BALL
    s = torch.minimum(but(shown, 1 / 2), but(seen, 1 / 3)) / SHOWN
    v = torch.maximum(net.median(1)[0] / NET, brake / BRAKE)
    v = torch.where((crosses & inside).sum(1) >= 2, v, torch.full_like(v, 1e3))
    tell = torch.minimum(torch.minimum(b, s), v).clamp(max=9.99)
    behind = (board > BOARD) & (tell < 1)
    why = BOARDED * behind + HIDDEN * ((s < 1) & ~behind) + FAINT * ((b < 1) & (s >= 1) & ~behind) + BARE * ((v < 1) & (s >= 1) & ~behind)
    return tell, why.long()


def reasons(why):
    """The names of the bits of one `why`."""
    return [r for k, r in enumerate(REASONS) if int(why) >> k & 1]
