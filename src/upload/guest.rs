//! How much of the venue's uplink uploads take (pure): a token bucket whose rate follows what the uplink gives.
//!
//! **The rule.** Now and then ([`PROBE_EVERY`]) a box sends for a second as fast as the network takes it: what it
//! gets then is its own rate and what nobody uses. Until the next time it takes `share` of that. Alone on an uplink
//! of `c` that is `share · c`. Of `n` boxes that share one, each comes to the same rate `x = share · (c − (n−1)·x)`,
//! so all together take `n·share / (1 + (n−1)·share) · c`: 70 % alone, 98 % as twenty, never more than there is,
//! with nobody to divide it among them. That is Jaffe's rule for a bottleneck (J. M. Jaffe, "Bottleneck Flow
//! Control", IEEE Trans. Communications 29(7), 1981): a rate in a fixed proportion to what is left free is fair, and
//! each box finds what is left by itself. The better of the last two tries is believed, and steps are halved, so that
//! two that try at once mislead nobody for long. Who
//! is held by the network while he takes no more than he was given goes down at once (multiplicative decrease:
//! Chiu and Jain, 1989); a link that was away altogether is no measure, and is tried again.
//!
//! LEDBAT (RFC 6817) was left: it wants one-way delays, which a program without `TCP_INFO` does not see, takes
//! all of an idle uplink, and gives who comes late more than who was there.

use std::time::Duration;

use crate::media::Monotonic;

/// From one probe to the next, in the middle; spread by half either way, so that boxes do not try at once.
const PROBE_EVERY: Duration = Duration::from_secs(120);
/// What a probe measures over. Ten round trips of a slow link (chosen).
const PROBE: Duration = Duration::from_secs(1);
/// No probe is longer, however slowly what was handed over leaves.
const PROBE_MOST: Duration = Duration::from_secs(15);
/// Of a connection's bytes in the system on their way to the network: a quarter of a second of what the uplink
/// gives, within these. Less would hold a fast one up, more hides its pace.
const BUFFER: std::ops::RangeInclusive<u64> = (32 << 10)..=(512 << 10);
/// … before anything is measured.
const FIRST_BUFFER: u64 = 256 << 10;
/// A sender that had nothing to send for so long has a probe begin again.
const GAP: Duration = Duration::from_millis(250);
/// Whether the network holds us is judged over this.
const LOOK: Duration = Duration::from_secs(2);
/// A piece of 16 KiB that the network holds for longer met a link that was away: that says nothing of its pace.
const AWAY: Duration = Duration::from_millis(1_500);
/// Pieces that a probe takes for such; further ones are its pace (less than 90 kbit/s).
const AWAY_MOST: u8 = 3;
/// After it a box tries anew, at most so often.
const AGAIN: Duration = Duration::from_secs(10);
/// Bytes that may go at once after a rest.
const BURST: u64 = 64 << 10;
/// Nobody is slower: an uplink that gives less gives nothing (chosen).
const LEAST_BITS: f64 = 16_000.0;

/// What uploads may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuestTerms {
    /// Part of what the uplink gives, above 0, 1 at most.
    pub share: f64,
    /// Bits a second that are never exceeded.
    pub most: Option<u64>,
}

/// See the module. All uploads of a box are one guest.
#[derive(Clone, Debug)]
pub struct Guest {
    terms: GuestTerms,
    phase: Phase,
    /// Bits a second; none before the first probe.
    rate: Option<f64>,
    measured: Option<f64>,
    /// The bucket: when the last bytes that were let go are paid for.
    free_at: Monotonic,
    took_at: Monotonic,
    probed_at: Monotonic,
    /// Uploads that send.
    senders: u32,
    look: Look,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Probe {
        began: Monotonic,
        /// Bytes so far.
        bytes: u64,
        /// From when on, and from how many bytes on, is measured.
        full: Option<(Monotonic, u64)>,
        held: Duration,
        /// Times that the link was away meanwhile.
        away: u8,
    },
    Cruise {
        until: Monotonic,
    },
}

#[derive(Clone, Copy, Debug)]
struct Look {
    began: Monotonic,
    bytes: u64,
    held: Duration,
}

impl Look {
    const fn new(began: Monotonic) -> Self {
        Self { began, bytes: 0, held: Duration::ZERO }
    }
}

impl Guest {
    /// One that has measured nothing yet: it begins with a probe.
    #[must_use]
    pub fn new(terms: GuestTerms, now: Monotonic) -> Self {
        Self {
            terms,
            phase: probe(now, 0),
            rate: None,
            measured: None,
            free_at: now,
            took_at: now,
            probed_at: now,
            senders: 0,
            look: Look::new(now),
        }
    }

    /// One upload more sends.
    pub fn begins(&mut self) {
        self.senders += 1;
    }

    /// One less.
    pub fn ends(&mut self) {
        self.senders = self.senders.saturating_sub(1);
    }

    /// Bits a second at which it sends now; none while it finds out.
    #[must_use]
    pub fn pace(&self) -> Option<f64> {
        let most = self.terms.most.map(bits);
        match (self.phase, self.rate) {
            (Phase::Cruise { .. }, Some(rate)) => Some(most.map_or(rate, |most| rate.min(most))),
            _ => most,
        }
    }

    /// Bits a second that it takes between probes; 0 before the first.
    #[must_use]
    pub fn allowed(&self) -> u64 {
        let most = self.terms.most.unwrap_or(u64::MAX);
        whole(self.rate.unwrap_or(0.0)).min(most)
    }

    /// Bits a second that the uplink gave when it was tried last.
    #[must_use]
    pub fn measured(&self) -> Option<u64> {
        self.measured.map(whole)
    }

    /// Bytes that a connection should have in the system on their way.
    #[must_use]
    pub fn buffer(&self) -> u64 {
        let quarter = |bits: u64| (bits / 32).clamp(*BUFFER.start(), *BUFFER.end());
        self.measured().map_or(FIRST_BUFFER, quarter)
    }

    /// Bytes that are on their way before the network's pace shows: the system's buffers, twice what they are asked
    /// to be (socket(7)), and as much of ours.
    fn fill(&self) -> u64 {
        3 * self.buffer() * u64::from(self.senders.max(1))
    }

    /// How long to wait before so many bytes go; they are let go then.
    pub fn wait(&mut self, now: Monotonic, bytes: u64) -> Duration {
        match self.phase {
            Phase::Probe { away, .. } if now.since(self.took_at) > GAP => {
                self.phase = probe(now, away);
            }
            Phase::Cruise { until } if now >= until => self.phase = probe(now, 0),
            _ => {}
        }
        let Some(pace) = self.pace() else { return Duration::ZERO };
        let earliest = Monotonic::from_nanos(now.as_nanos().saturating_sub(nanos(BURST, pace)));
        let at = self.free_at.max(earliest);
        self.free_at = at.plus(Duration::from_nanos(nanos(bytes, pace)));
        at.since(now)
    }

    /// The network took them, and had us wait `held` for it. `chance` spreads the next probe.
    pub fn took(&mut self, now: Monotonic, bytes: u64, held: Duration, chance: u64) {
        self.took_at = now;
        if held > AWAY && self.was_away(now) {
            return;
        }
        self.look.bytes += bytes;
        self.look.held += held;
        let fill = self.fill();
        let all = match &mut self.phase {
            Phase::Probe { began, bytes: so_far, full, held: waited, .. } => {
                *so_far += bytes;
                *waited += held;
                if full.is_none() && *so_far >= fill {
                    *full = Some((now, *so_far));
                }
                let since = full.map_or(*began, |(at, _)| at);
                let over =
                    full.is_some() && now.since(since) >= PROBE || now.since(*began) >= PROBE_MOST;
                let measured = *so_far - full.map_or(0, |(_, bytes)| bytes);
                let (took, was_held) = (now.since(since), *waited * 5 > now.since(*began));
                over.then(|| (rate(measured, took), was_held))
            }
            Phase::Cruise { .. } => None,
        };
        if let Some((measured, was_held)) = all {
            self.probed(now, measured, was_held, chance);
        } else if now.since(self.look.began) >= LOOK {
            self.looks(now);
        }
    }

    /// The link was away: what was seen of it so far says nothing. False if it is only slow.
    fn was_away(&mut self, now: Monotonic) -> bool {
        self.look = Look::new(now);
        match self.phase {
            Phase::Probe { away: AWAY_MOST.., .. } => return false,
            Phase::Probe { away, .. } => self.phase = probe(now, away + 1),
            Phase::Cruise { .. } if now.since(self.probed_at) >= AGAIN => {
                self.phase = probe(now, 0);
            }
            Phase::Cruise { .. } => {}
        }
        true
    }

    fn probed(&mut self, now: Monotonic, measured: f64, was_held: bool, chance: u64) {
        // Two that try at once get half each: the better of two tries is believed.
        let before = self.measured.replace(measured);
        let measured = before.map_or(measured, |before| measured.max(before));
        let target = match self.terms.most {
            // The cap alone held it: there is more than that, and how much more is nobody's business.
            Some(most) if !was_held && measured > 0.8 * bits(most) => bits(most),
            _ => self.terms.share * measured,
        };
        // A half of the way at a time (see the module).
        let rate = self.rate.map_or(target, |rate| f64::midpoint(rate, target));
        self.rate = Some(rate.max(LEAST_BITS));
        let spread = 0.5 + (chance % 1_000) as f64 / 1_000.0;
        self.probed_at = now;
        self.phase = Phase::Cruise { until: now.plus(PROBE_EVERY.mul_f64(spread)) };
        self.free_at = now;
        self.look = Look::new(now);
    }

    /// Down to its part of what it gets, where it gets less than it takes.
    fn looks(&mut self, now: Monotonic) {
        let look = std::mem::replace(&mut self.look, Look::new(now));
        let (Phase::Cruise { .. }, Some(pace)) = (self.phase, self.rate) else { return };
        let took = now.since(look.began);
        let got = rate(look.bytes, took);
        if look.held * 2 > took && got < 0.9 * pace {
            self.rate = Some((self.terms.share * got).max(LEAST_BITS));
            self.measured = Some(got);
        }
    }
}

const fn probe(now: Monotonic, away: u8) -> Phase {
    Phase::Probe { began: now, bytes: 0, full: None, held: Duration::ZERO, away }
}

#[expect(clippy::cast_precision_loss, reason = "bits a second, as good as they are measured")]
fn rate(bytes: u64, took: Duration) -> f64 {
    bytes as f64 * 8.0 / took.as_secs_f64().max(1e-3)
}

#[expect(clippy::cast_precision_loss, reason = "bits a second, of a person")]
const fn bits(most: u64) -> f64 {
    most as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative")]
const fn whole(bits: f64) -> u64 {
    bits as u64
}

/// How long so many bytes take.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "pieces of some KiB"
)]
fn nanos(bytes: u64, pace: f64) -> u64 {
    (bytes as f64 * 8e9 / pace.max(1.0)) as u64
}

#[cfg(test)]
mod tests;
