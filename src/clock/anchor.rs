//! One session's way from media time to UTC (pure; DESIGN §5.2).
//!
//! Two kinds of evidence are kept apart until a stamp is asked for, since the box's clock may step
//! at any moment, and be right only hours later:
//!
//! - when pictures *arrived*, by the monotonic clock: `arrival = media + delay`, where the delay is
//!   the lower envelope of what was seen over the last minute (the network only ever adds to it),
//!   moved along by the measured drift; one point a minute is kept for times long past;
//! - what the *publisher* wrote: pairs of media time and its own clock (SEI, `onFI`).
//!
//! [`WallAnchor::evidence`] says both of one moment; [`judge`] makes a [`Stamp`] of it with the
//! box's clock of that instant. At one instant the mapping never runs backwards: a later media time
//! is given no earlier UTC.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::words::ClockSource;
use crate::media::{MediaTime, Monotonic, UtcTime, WallReference, WallSource};

/// Files write whole seconds.
const FILE_MS: u64 = 1000;
const MS: i64 = 1_000_000;
const SECOND: i64 = 1000 * MS;
/// The envelope looks back so far.
const WINDOW: i64 = 60 * SECOND;
/// Points of the past are so far apart, and at most so many; then every second one goes.
const KNOT_EVERY: i64 = 60 * SECOND;
const MAX_KNOTS: usize = 240;
/// Knots that a drift is worked out from, at least and at most.
const DRIFT_KNOTS: (usize, usize) = (5, 30);
/// Beyond this it is no crystal and no 29.97-for-30 either.
const MAX_DRIFT: f64 = 0.005;
/// Drift that is allowed for where none is measured yet (two cheap crystals).
const ASSUMED_DRIFT: f64 = 0.000_1;
/// References of one source closer than this are one.
const REFERENCE_EVERY: i64 = SECOND;
const MAX_REFERENCES: usize = 512;
/// A publisher's clock that went back by more than this against its media time was set, and one
/// that went ahead by more than the other.
const REFERENCE_STEP: i64 = SECOND;
const REFERENCE_LEAP: i64 = 15 * SECOND;
/// One that moved by more than this is noted at once: a camera that falls behind its timestamps.
const REFERENCE_SLIP: i64 = 20 * MS;
/// A publisher's clock is believed only if pictures arrive so long after it: earlier, or later than
/// any encoder takes, it was never set.
const CREDIBLE: (i64, i64) = (-2 * SECOND, 15 * SECOND);
/// Local time is off by whole quarters of an hour.
const ZONE: i64 = 900 * SECOND;

/// Error of a clock that is set by NTP (chosen: a LAN without care).
const NTP_MS: i64 = 50;
/// What `onFI` adds: encoders write it between pictures.
const ONFI_MS: i64 = 50;
/// Error of a camera's delay that somebody measured, and of one that nobody did.
const KNOWN_DELAY_MS: i64 = 100;
const UNKNOWN_DELAY_MS: i64 = 1_000;
/// "No idea": a hundred years.
const NO_IDEA_MS: u64 = 3_155_760_000_000;

/// A moment as an event tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The moment.
    pub utc: UtcTime,
    /// Where it comes from; `None` when nothing tells the time.
    pub source: Option<WallSource>,
    /// Bound of its error, ms.
    pub error_ms: u64,
}

impl Stamp {
    /// The word of `clocksource`.
    #[must_use]
    pub const fn source_name(&self) -> &'static str {
        self.told_source().word()
    }

    /// The source as it is told.
    #[must_use]
    pub const fn told_source(&self) -> ClockSource {
        match self.source {
            Some(WallSource::File) => ClockSource::File,
            Some(WallSource::Sei) => ClockSource::Sei,
            Some(WallSource::OnFi) => ClockSource::OnFi,
            Some(WallSource::Arrival) => ClockSource::Arrival,
            None => ClockSource::None,
        }
    }
}

/// What is known of one moment, without the box's clock. Serializable: it outlives a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Evidence {
    /// When its picture would have arrived on the fastest way, ns of the monotonic clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arrival_ns: Option<u64>,
    /// How much later than that it may be, ms.
    #[serde(default)]
    arrival_error_ms: i64,
    /// What a recording says of itself, ns since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_utc_ns: Option<i64>,
    /// The camera's clock by SEI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sei: Option<Claim>,
    /// The publisher's clock by `onFI`, in its own zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    onfi: Option<Claim>,
}

/// What a publisher's clock says of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    /// ns since the epoch.
    utc_ns: i64,
    /// How far it may have drifted since it was last written, ms.
    error_ms: i64,
    /// What it said when it was last written, and when that arrived: ns of the monotonic clock.
    written_ns: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arrival_ns: Option<u64>,
}

impl Claim {
    /// How long after its own time it arrived, by our clock; `arrived` is the moment's arrival, for
    /// want of a better one.
    fn behind(&self, now: &BoxClock, arrived: Option<i64>) -> Option<i64> {
        let written = self.arrival_ns.and_then(|at| now.utc_of(at));
        match written {
            Some(arrived) => Some(arrived.saturating_sub(self.written_ns)),
            None => Some(arrived?.saturating_sub(self.utc_ns)),
        }
    }
}

impl Evidence {
    /// The arrival by the box's clock of `now`, ns since the epoch, if that clock can be true.
    pub(crate) fn arrived_by(&self, now: &BoxClock) -> Option<i64> {
        self.arrival_ns.and_then(|at| now.utc_of(at))
    }

    /// The same without what belongs to one boot.
    pub(crate) fn without_monotonic(&self) -> Self {
        let without = |claim: Claim| Claim { arrival_ns: None, ..claim };
        let (sei, onfi) = (self.sei.map(without), self.onfi.map(without));
        Self { arrival_ns: None, sei, onfi, ..self.clone() }
    }
}

/// The box's clocks at one instant, and what is known about them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BoxClock {
    pub(crate) monotonic: Monotonic,
    pub(crate) utc: UtcTime,
    /// No time before this can be true.
    pub(crate) floor: UtcTime,
    /// From shutter to arrival on the fastest way, where somebody configured it.
    pub(crate) camera_delay: Option<Duration>,
}

impl BoxClock {
    /// UTC of a monotonic moment, if the box's clock can be true.
    fn utc_of(&self, at_ns: u64) -> Option<i64> {
        let ago = i128::from(self.monotonic.as_nanos()) - i128::from(at_ns);
        (self.utc >= self.floor).then(|| clamp(i128::from(self.utc.as_nanos()) - ago))
    }
}

/// Makes a stamp of `evidence`: the best source that can be believed.
///
/// `arrived_utc` is the arrival by a clock that was right then, where the monotonic time of the
/// evidence belongs to another boot.
pub(crate) fn judge(evidence: &Evidence, now: &BoxClock, arrived_utc: Option<i64>) -> Stamp {
    if let Some(utc) = evidence.file_utc_ns {
        // It came long after it was: nothing of the box's clock has to do with it.
        let (utc, source) = (UtcTime::from_nanos(utc), Some(WallSource::File));
        return Stamp { utc, source, error_ms: FILE_MS };
    }
    let arrived = evidence.arrived_by(now).or(arrived_utc);
    if let Some(stamp) = by_publisher(evidence, now, arrived) {
        return stamp;
    }
    let delay_ns = now.camera_delay.map_or(0, |delay| clamp_unsigned(delay.as_nanos()));
    let Some(arrived) = arrived else {
        let ago = evidence
            .arrival_ns
            .map_or(0, |at| clamp(i128::from(now.monotonic.as_nanos()) - i128::from(at)));
        let utc = now.utc.plus_nanos(ago.saturating_add(delay_ns).saturating_neg());
        return Stamp { utc, source: None, error_ms: NO_IDEA_MS };
    };
    let unknown = if now.camera_delay.is_some() { KNOWN_DELAY_MS } else { UNKNOWN_DELAY_MS };
    Stamp {
        utc: UtcTime::from_nanos(arrived.saturating_sub(delay_ns)),
        source: Some(WallSource::Arrival),
        error_ms: bound(NTP_MS + unknown, evidence.arrival_error_ms),
    }
}

fn by_publisher(evidence: &Evidence, now: &BoxClock, arrived: Option<i64>) -> Option<Stamp> {
    let (least, most) = CREDIBLE;
    let stamp = |claim: &Claim, zone: i64, behind: Option<i64>, source, error_ms: i64| {
        let utc = claim.utc_ns.saturating_add(zone);
        let behind = behind.map(|behind| behind.saturating_sub(zone));
        let credible = utc >= now.floor.as_nanos()
            && behind.is_none_or(|behind| (least..=most).contains(&behind));
        // A picture cannot arrive before it was taken: one of the clocks is wrong by that much.
        let early = behind.map_or(0, |behind| behind.saturating_neg().max(0) / MS);
        let error_ms = bound(error_ms + early, claim.error_ms);
        let utc = UtcTime::from_nanos(utc);
        credible.then_some(Stamp { utc, source: Some(source), error_ms })
    };
    let by_sei = evidence
        .sei
        .as_ref()
        .and_then(|claim| stamp(claim, 0, claim.behind(now, arrived), WallSource::Sei, NTP_MS));
    by_sei.or_else(|| {
        // Encoders write local time: it needs a clock of ours to tell the zone.
        let claim = evidence.onfi.as_ref()?;
        let behind = claim.behind(now, arrived)?;
        let zone = behind.saturating_add(ZONE / 2).div_euclid(ZONE).saturating_mul(ZONE);
        stamp(claim, zone, Some(behind), WallSource::OnFi, NTP_MS + ONFI_MS)
    })
}

fn bound(chosen_ms: i64, measured_ms: i64) -> u64 {
    u64::try_from(chosen_ms.saturating_add(measured_ms)).unwrap_or(0)
}

fn clamp(nanos: i128) -> i64 {
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

fn clamp_unsigned(nanos: u128) -> i64 {
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

/// A delay of arrival against media time, at a media time; both ns.
#[derive(Clone, Copy, Debug)]
struct Point {
    media: i64,
    delay: i64,
}

/// See the module. One session's.
#[derive(Debug, Default)]
pub(crate) struct WallAnchor {
    /// The least delay of each second of the last minute, oldest first.
    recent: VecDeque<Point>,
    /// Where the second of the newest of `recent` began.
    second: i64,
    latest: i64,
    /// The envelope at each minute of the past.
    knots: VecDeque<Point>,
    /// Growth of the delay with media time, once it can be told.
    drift: Option<f64>,
    /// When the newest picture arrived.
    newest_arrival: Option<Monotonic>,
    sei: References,
    onfi: References,
    /// UTC of media time 0 of a recording, ns.
    file: Option<i64>,
}

impl WallAnchor {
    /// A picture with decoding time `dts` arrived.
    pub(crate) fn arrived(&mut self, dts: MediaTime, arrival: Monotonic) {
        let media = dts.as_nanos();
        self.newest_arrival = Some(arrival);
        let delay = clamp(i128::from(arrival.as_nanos()) - i128::from(media));
        match self.recent.back_mut() {
            Some(newest) if media.saturating_sub(self.second) < SECOND => {
                if delay < newest.delay {
                    *newest = Point { media, delay };
                }
            }
            _ => {
                self.second = media;
                self.recent.push_back(Point { media, delay });
            }
        }
        self.latest = if self.recent.len() == 1 { media } else { self.latest.max(media) };
        while self
            .recent
            .front()
            .is_some_and(|oldest| self.latest.saturating_sub(oldest.media) > WINDOW)
            && self.recent.len() > 1
        {
            self.recent.pop_front();
        }
        let since = self.knots.back().or_else(|| self.recent.front());
        if since.is_some_and(|last| self.latest.saturating_sub(last.media) >= KNOT_EVERY) {
            self.tie_knot();
        }
    }

    /// The publisher wrote its clock.
    pub(crate) fn referenced(&mut self, reference: &WallReference) {
        let references = match reference.source {
            WallSource::File => {
                let zero = reference.utc.as_nanos().saturating_sub(reference.media.as_nanos());
                self.file = Some(zero);
                return;
            }
            WallSource::Sei => &mut self.sei,
            WallSource::OnFi => &mut self.onfi,
            WallSource::Arrival => return,
        };
        // The picture that carries it follows; the one before arrived a moment ago.
        let away = reference.media.as_nanos().saturating_sub(self.latest).saturating_abs();
        let arrival = self.newest_arrival.filter(|_| away <= SECOND).map(Monotonic::as_nanos);
        references.add(reference.media.as_nanos(), reference.utc.as_nanos(), arrival);
    }

    /// What is known of `media`.
    pub(crate) fn evidence(&self, media: MediaTime) -> Evidence {
        let media = media.as_nanos();
        let arrival = self.delay_at(media).map(|delay| media.saturating_add(delay));
        Evidence {
            arrival_ns: arrival.map(|at| u64::try_from(at).unwrap_or(0)),
            arrival_error_ms: self.uncertainty_ms(media),
            file_utc_ns: self.file.map(|zero| zero.saturating_add(media)),
            sei: self.sei.at(media),
            onfi: self.onfi.at(media),
        }
    }

    /// Media time of the newest picture.
    pub(crate) fn latest(&self) -> Option<MediaTime> {
        self.recent.back().map(|_| MediaTime::from_nanos(self.latest))
    }

    /// Drift of the camera's clock against ours, parts per million; positive if it runs slow.
    pub(crate) fn drift_ppm(&self) -> Option<f64> {
        self.drift.map(|drift| drift * 1e6)
    }

    fn tie_knot(&mut self) {
        let Some(knot) = self.now() else { return };
        self.knots.push_back(knot);
        if self.knots.len() > MAX_KNOTS {
            let mut kept = false;
            self.knots.retain(|_| {
                kept = !kept;
                kept
            });
        }
        self.drift = slope(&self.knots);
    }

    /// The envelope at the newest picture.
    fn now(&self) -> Option<Point> {
        let media = self.latest;
        let drift = self.drift.unwrap_or(0.0);
        let along = |point: &Point| {
            point.delay.saturating_add(drifted(media.saturating_sub(point.media), drift))
        };
        let delay = self.recent.iter().map(along).min()?;
        // The mapping must not run backwards, however fast the network became.
        let least = self.knots.back().map_or(i64::MIN, |knot| {
            knot.delay.saturating_sub(media.saturating_sub(knot.media) / 2)
        });
        Some(Point { media, delay: delay.max(least) })
    }

    fn delay_at(&self, media: i64) -> Option<i64> {
        let now = self.now()?;
        let drift = self.drift.unwrap_or(0.0);
        let from = |point: Point| {
            point.delay.saturating_add(drifted(media.saturating_sub(point.media), drift))
        };
        if media >= now.media {
            return Some(from(now));
        }
        let after = self.knots.partition_point(|knot| knot.media < media);
        let later = self.knots.get(after).copied().unwrap_or(now);
        match after.checked_sub(1).and_then(|before| self.knots.get(before)) {
            Some(earlier) => Some(between(*earlier, later, media)),
            None => Some(from(later)),
        }
    }

    /// How much less the true delay may be than the envelope's, ms.
    fn uncertainty_ms(&self, media: i64) -> i64 {
        let (Some(oldest), Some(now)) = (self.recent.front(), self.now()) else { return 0 };
        let seen = now.media.saturating_sub(oldest.media);
        // At first nothing may have come by the fastest way: as much again as the delays differ.
        // Later as much as they differ usually: nothing on a cable, all on a camera that falls
        // behind its own timestamps.
        let mut delays: Vec<i64> = self.recent.iter().map(|point| point.delay).collect();
        delays.sort_unstable();
        let (usual, least) = if seen < 10 * SECOND {
            (delays.last(), 20 * MS)
        } else {
            (delays.get(delays.len() / 2), 0)
        };
        let usual = usual.copied().unwrap_or(now.delay);
        let spread = usual.saturating_sub(now.delay).max(0).saturating_add(least);
        let past = self.knots.front().map_or(oldest.media, |knot| knot.media.min(oldest.media));
        let outside = past.saturating_sub(media).max(media.saturating_sub(now.media)).max(0);
        let within = seen.min(WINDOW);
        let drift = if self.drift.is_some() { ASSUMED_DRIFT / 5.0 } else { ASSUMED_DRIFT };
        let drifting = drifted(outside.saturating_add(within), drift);
        // Rounded up, and RTMP's own milliseconds.
        spread.saturating_add(drifting) / MS + 2
    }
}

/// `span` times `drift`, ns.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a small share")]
fn drifted(span: i64, drift: f64) -> i64 {
    (span as f64 * drift) as i64
}

/// The delay at `media` on the line between two points.
fn between(earlier: Point, later: Point, media: i64) -> i64 {
    let span = i128::from(later.media) - i128::from(earlier.media);
    if span <= 0 {
        return later.delay;
    }
    let part = i128::from(media) - i128::from(earlier.media);
    let rise = i128::from(later.delay) - i128::from(earlier.delay);
    clamp((rise.saturating_mul(part) / span).saturating_add(earlier.delay.into()))
}

/// The median of the slopes between all pairs of the last knots: one bad minute moves it little.
#[expect(clippy::cast_precision_loss, reason = "a ratio")]
fn slope(knots: &VecDeque<Point>) -> Option<f64> {
    let (least, most) = DRIFT_KNOTS;
    if knots.len() < least {
        return None;
    }
    let last: Vec<Point> = knots.iter().rev().take(most).copied().collect();
    let mut slopes: Vec<f64> = Vec::with_capacity(last.len() * last.len() / 2);
    for (at, later) in last.iter().enumerate() {
        for earlier in last.iter().skip(at + 1) {
            let span = later.media.saturating_sub(earlier.media);
            if span > 0 {
                slopes.push(later.delay.saturating_sub(earlier.delay) as f64 / span as f64);
            }
        }
    }
    slopes.sort_by(f64::total_cmp);
    slopes.get(slopes.len() / 2).map(|slope| slope.clamp(-MAX_DRIFT, MAX_DRIFT))
}

/// What one source of the publisher said, media time and its clock both growing.
#[derive(Debug, Default)]
struct References(VecDeque<Reference>);

/// A moment that the publisher put both times to; ns.
#[derive(Clone, Copy, Debug)]
struct Reference {
    media: i64,
    utc: i64,
    /// About when it arrived, by the monotonic clock.
    arrival: Option<u64>,
}

impl References {
    fn add(&mut self, media: i64, utc: i64, arrival: Option<u64>) {
        if let Some(last) = self.0.back() {
            let passed = media.saturating_sub(last.media);
            let moved = utc.saturating_sub(last.utc).saturating_sub(passed);
            // Its clock was set (the later one is the better one), or its media time ran back.
            if !(-REFERENCE_STEP..=REFERENCE_LEAP).contains(&moved) || passed < 0 || utc < last.utc
            {
                self.0.clear();
            } else if passed < REFERENCE_EVERY
                && moved.saturating_abs() < REFERENCE_SLIP
                && (last.arrival.is_some() || arrival.is_none())
            {
                return;
            }
        }
        self.0.push_back(Reference { media, utc, arrival });
        if self.0.len() > MAX_REFERENCES {
            let mut kept = false;
            self.0.retain(|_| {
                kept = !kept;
                kept
            });
        }
    }

    /// What the publisher's clock says of `media`.
    fn at(&self, media: i64) -> Option<Claim> {
        let after = self.0.partition_point(|reference| reference.media < media);
        let later = self.0.get(after);
        let earlier = after.checked_sub(1).and_then(|before| self.0.get(before));
        let nearest = earlier.or(later)?;
        let claim = |utc_ns, far| Claim {
            utc_ns,
            error_ms: drifted(far, ASSUMED_DRIFT) / MS,
            written_ns: nearest.utc,
            arrival_ns: nearest.arrival,
        };
        if let (Some(a), Some(b)) = (earlier, later) {
            let (from, to) =
                (Point { media: a.media, delay: a.utc }, Point { media: b.media, delay: b.utc });
            return Some(claim(between(from, to, media), 0));
        }
        let away = media.saturating_sub(nearest.media);
        Some(claim(nearest.utc.saturating_add(away), away.saturating_abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::SessionId;
    use proptest::prelude::*;

    /// 2026-12-01, later than the floor of these tests.
    const START: i64 = 1_796_083_200 * SECOND;
    const FLOOR: UtcTime = UtcTime::from_nanos(1_795_305_600 * SECOND);

    fn clock(monotonic_ns: i64, utc_ns: i64, camera_delay_ms: Option<u64>) -> BoxClock {
        BoxClock {
            monotonic: Monotonic::from_nanos(u64::try_from(monotonic_ns).expect("positive")),
            utc: UtcTime::from_nanos(utc_ns),
            floor: FLOOR,
            camera_delay: camera_delay_ms.map(Duration::from_millis),
        }
    }

    fn arrive(anchor: &mut WallAnchor, media: i64, arrival: i64) {
        let arrival = Monotonic::from_nanos(u64::try_from(arrival).unwrap_or(0));
        anchor.arrived(MediaTime::from_nanos(media), arrival);
    }

    /// A camera whose shutter opened at media time 0 when the box had `BOOTED` behind it.
    const BOOTED: i64 = 1000 * SECOND;
    const PATH: i64 = 130 * MS;

    /// `seconds` of 25 pictures a second, each up to 40 ms late; its clock runs `ppm` slow.
    fn camera(seconds: i64, ppm: i64) -> WallAnchor {
        let mut anchor = WallAnchor::default();
        for n in 0..seconds * 25 {
            let media = n * 40 * MS;
            let shutter = BOOTED + media + media / 1_000_000 * ppm;
            let late = n * 7919 % 41 * MS;
            arrive(&mut anchor, media, shutter + PATH + late);
        }
        anchor
    }

    fn at(anchor: &WallAnchor, media: i64, now: &BoxClock) -> Stamp {
        judge(&anchor.evidence(MediaTime::from_nanos(media)), now, None)
    }

    /// How far the stamp of `media` is from the moment its shutter opened, ms.
    fn off(stamp: &Stamp, media: i64, ppm: i64) -> i64 {
        let shutter = START + media + media / 1_000_000 * ppm;
        (stamp.utc.as_nanos() - shutter) / MS
    }

    fn reference(media: i64, utc: i64, source: WallSource) -> WallReference {
        let (media, utc) = (MediaTime::from_nanos(media), UtcTime::from_nanos(utc));
        WallReference { session: SessionId::from_bits(1), media, utc, source }
    }

    #[test]
    fn arrival_tells_the_shutter_where_the_delay_is_configured() {
        let anchor = camera(90, 0);
        let now = clock(BOOTED + 95 * SECOND, START + 95 * SECOND, Some(130));
        for media in [0, 10 * SECOND, 89 * SECOND] {
            let stamp = at(&anchor, media, &now);
            assert_eq!(stamp.source, Some(WallSource::Arrival));
            assert!(off(&stamp, media, 0).abs() <= 1, "{stamp:?}");
            assert!(stamp.error_ms <= 200, "{stamp:?}");
        }
        let unknown = at(&anchor, 0, &clock(BOOTED + 95 * SECOND, START + 95 * SECOND, None));
        assert_eq!(off(&unknown, 0, 0), 130, "late by the path, and says so");
        assert!(unknown.error_ms >= 1000);
    }

    #[test]
    fn drift_is_told_and_an_hour_old_moment_stays_where_it_was() {
        let anchor = camera(3600, 80);
        assert!((anchor.drift_ppm().expect("an hour") - 80.0).abs() < 5.0);
        let now = clock(BOOTED + 3700 * SECOND, START + 3700 * SECOND, Some(130));
        for media in [0, 600 * SECOND, 3000 * SECOND, 3599 * SECOND] {
            let stamp = at(&anchor, media, &now);
            assert!(off(&stamp, media, 80).abs() <= 10, "{media}: {stamp:?}");
        }
    }

    #[test]
    fn a_box_in_1970_tells_nothing_and_then_everything() {
        let anchor = camera(30, 0);
        let cold = at(&anchor, 20 * SECOND, &clock(BOOTED + 30 * SECOND, 77 * SECOND, Some(130)));
        assert_eq!((cold.source, cold.error_ms), (None, NO_IDEA_MS));
        let set =
            at(&anchor, 20 * SECOND, &clock(BOOTED + 60 * SECOND, START + 60 * SECOND, Some(130)));
        assert_eq!(set.source_name(), "arrival");
        assert!(off(&set, 20 * SECOND, 0).abs() <= 1);
    }

    #[test]
    fn the_camera_s_own_clock_wins_unless_it_was_never_set() {
        let now = clock(BOOTED + 60 * SECOND, START + 60 * SECOND, None);
        let rows = [
            (WallSource::Sei, 0, "sei", 0),
            (WallSource::OnFi, 0, "onfi", 0),
            // Local time of a zone that is 5 h 45 min ahead.
            (WallSource::OnFi, 20_700 * SECOND, "onfi", 0),
            (WallSource::OnFi, -12_600 * SECOND + 40 * MS, "onfi", 40),
            // An hour ahead of us, a day behind, and 1970.
            (WallSource::Sei, 3600 * SECOND, "arrival", 130),
            (WallSource::Sei, -86_400 * SECOND, "arrival", 130),
            (WallSource::Sei, -START, "arrival", 130),
        ];
        for (source, ahead, told, expected) in rows {
            let mut anchor = camera(30, 0);
            anchor.referenced(&reference(10 * SECOND, START + 10 * SECOND + ahead, source));
            let stamp = at(&anchor, 20 * SECOND, &now);
            assert_eq!(stamp.source_name(), told, "{ahead}");
            assert!((off(&stamp, 20 * SECOND, 0) - expected).abs() <= 1, "{ahead}: {stamp:?}");
        }
        let mut both = camera(30, 0);
        both.referenced(&reference(SECOND, START + SECOND + 9 * MS, WallSource::Sei));
        both.referenced(&reference(SECOND, START + SECOND, WallSource::OnFi));
        assert_eq!(off(&at(&both, SECOND, &now), SECOND, 0), 9, "SEI before onFI");
    }

    #[test]
    fn a_camera_s_clock_helps_a_box_in_1970_and_its_step_is_followed() {
        let mut anchor = camera(60, 0);
        let cold = clock(BOOTED + 60 * SECOND, 77 * SECOND, None);
        anchor.referenced(&reference(SECOND, START - 500 * SECOND, WallSource::Sei));
        anchor.referenced(&reference(40 * SECOND, START + 40 * SECOND, WallSource::Sei));
        let stamp = at(&anchor, 20 * SECOND, &cold);
        assert_eq!(stamp.source_name(), "sei");
        assert_eq!(off(&stamp, 20 * SECOND, 0), 0, "the later one is believed for all");
    }

    #[test]
    fn a_camera_that_falls_behind_its_own_timestamps_is_told_by_its_clock_or_with_a_wide_bound() {
        // Half speed: a second of media takes two.
        let mut anchor = WallAnchor::default();
        for second in 0..40 {
            let media = second * SECOND;
            let shutter = START + 2 * media;
            anchor.referenced(&reference(media, shutter, WallSource::Sei));
            arrive(&mut anchor, media, BOOTED + 2 * media + PATH);
        }
        let now = clock(BOOTED + 80 * SECOND, START + 80 * SECOND, Some(130));
        let media = 30 * SECOND;
        let stamp = at(&anchor, media, &now);
        assert_eq!(stamp.source_name(), "sei");
        assert_eq!(stamp.utc.as_nanos(), START + 2 * media);
        anchor.sei = References::default();
        let stamp = at(&anchor, media, &now);
        let off = (stamp.utc.as_nanos() - START - 2 * media).abs() / MS;
        assert!(i64::try_from(stamp.error_ms).expect("small") * 2 >= off, "{stamp:?}");
    }

    #[test]
    fn evidence_survives_json() {
        let mut anchor = camera(30, 0);
        anchor.referenced(&reference(SECOND, START, WallSource::Sei));
        let evidence = anchor.evidence(MediaTime::from_millis(5));
        let text = serde_json::to_string(&evidence).expect("text");
        assert_eq!(serde_json::from_str::<Evidence>(&text).expect("read"), evidence);
    }

    #[test]
    fn a_line_as_steep_and_long_as_can_be_does_not_overflow() {
        let early = Point { media: i64::MIN, delay: i64::MIN };
        let late = Point { media: i64::MIN + 1, delay: i64::MAX };
        assert_eq!(between(early, late, i64::MAX), i64::MAX);
        let (early, late) = (Point { delay: -1, ..early }, Point { delay: i64::MIN, ..late });
        assert_eq!(between(early, late, i64::MAX), i64::MIN);
    }

    proptest! {
        /// At one instant a later media time is never given an earlier UTC, whatever arrived when,
        /// and whatever the box's clock says.
        #[test]
        fn the_mapping_never_runs_backwards(
            steps in proptest::collection::vec((1..9_000_i64, 0..20_000_i64), 1..400),
            references in proptest::collection::vec((0..900_i64, -3..3_i64), 0..20),
            utc in prop_oneof![Just(77 * SECOND), Just(START), -START..2 * START],
            mut asked in proptest::collection::vec(-100_000..2_000_000_i64, 2..20),
        ) {
            let mut anchor = WallAnchor::default();
            let mut media = 0;
            for (forward, late) in steps {
                media += forward * MS;
                arrive(&mut anchor, media, BOOTED + media + late * MS);
            }
            for (media, ahead) in references {
                let utc = START + media * SECOND + ahead * SECOND;
                anchor.referenced(&reference(media * SECOND, utc, WallSource::Sei));
            }
            asked.sort_unstable();
            let now = clock(BOOTED + media, utc, None);
            let stamps: Vec<Stamp> =
                asked.iter().map(|media| at(&anchor, media * MS, &now)).collect();
            for pair in stamps.windows(2).filter(|pair| pair[0].source == pair[1].source) {
                prop_assert!(pair[0].utc <= pair[1].utc, "{pair:?}");
            }
        }

        /// The bound holds: for every drift of real crystals, and jitter that sometimes lets a
        /// picture through.
        #[test]
        fn the_true_moment_lies_within_the_bound(
            ppm in -60..60_i64,
            seconds in 12..400_i64,
            part in 0.0..1.0_f64,
        ) {
            let anchor = camera(seconds, ppm);
            #[expect(clippy::cast_possible_truncation, reason = "below the length")]
            #[expect(clippy::cast_precision_loss, reason = "seconds")]
            let media = (seconds as f64 * part) as i64 * SECOND;
            let end = seconds * SECOND;
            let now = clock(BOOTED + end, START + end, Some(130));
            let stamp = at(&anchor, media, &now);
            let error = i64::try_from(stamp.error_ms).expect("small");
            prop_assert!(off(&stamp, media, ppm).abs() <= error, "{stamp:?}");
            prop_assert!(error <= 250, "{stamp:?}");
        }

        /// No time is too odd.
        #[test]
        fn nothing_overflows(
            media in any::<i64>(), arrival in any::<u64>(), utc in any::<i64>(), asked in any::<i64>(),
            second in any::<i64>(), monotonic in any::<u64>(),
        ) {
            let mut anchor = WallAnchor::default();
            anchor.arrived(MediaTime::from_nanos(media), Monotonic::from_nanos(arrival));
            anchor.arrived(MediaTime::from_nanos(second), Monotonic::from_nanos(monotonic));
            for source in [WallSource::Sei, WallSource::OnFi] {
                anchor.referenced(&reference(media, utc, source));
                anchor.referenced(&reference(second, utc.wrapping_mul(3), source));
            }
            let evidence = anchor.evidence(MediaTime::from_nanos(asked));
            let now = BoxClock {
                monotonic: Monotonic::from_nanos(monotonic),
                utc: UtcTime::from_nanos(utc),
                floor: FLOOR,
                camera_delay: Some(Duration::MAX),
            };
            judge(&evidence, &now, None);
            judge(&evidence.without_monotonic(), &now, Some(second));
        }
    }
}
