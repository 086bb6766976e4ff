//! All courts' anchors: fed by what ingest delivers, asked by whoever tells a time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::clock::anchor::{BoxClock, Evidence, Stamp, WallAnchor, judge};
use crate::clock::plausible::Floor;
use crate::clock::time::Clock;
use crate::event::state::{ClockState, CourtClock};
use crate::media::{CourtId, MediaTime, Monotonic, SessionId, StreamItem, UtcTime};

/// Sessions of a court that are remembered; older ones are told by their snapshots.
const SESSIONS: usize = 16;
/// Games whose own session is remembered (chosen: a hall's courts play one each, and some have just ended).
const GAMES: usize = 64;

/// What a record keeps so that its time can be told after a restart: some 200 bytes of JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorSnapshot {
    /// The boot that `evidence`'s monotonic time belongs to.
    boot: String,
    /// The arrival by the box's clock, ns since the epoch, if that clock could be true then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arrived_utc_ns: Option<i64>,
    /// What was known.
    #[serde(flatten)]
    evidence: Evidence,
}

/// Maps media time to UTC for every court. Clones share one set.
#[derive(Clone, Debug)]
pub struct Anchors {
    shared: Arc<AnchorTable>,
}

#[derive(Debug)]
struct AnchorTable {
    clock: Arc<dyn Clock>,
    boot: String,
    floor: Floor,
    // Fed per picture by ingest, read per event: lines, not calls, under the lock.
    courts: Mutex<BTreeMap<CourtId, Court>>,
    /// Sessions that no camera has: a game's own. Newest last.
    games: Mutex<VecDeque<(SessionId, WallAnchor)>>,
}

#[derive(Debug, Default)]
struct Court {
    camera_delay: Option<Duration>,
    /// Newest last.
    sessions: VecDeque<(SessionId, WallAnchor)>,
}

impl Court {
    fn anchor(&self, session: SessionId) -> Option<&WallAnchor> {
        self.sessions.iter().rev().find(|(known, _)| *known == session).map(|(_, anchor)| anchor)
    }

    fn anchor_mut(&mut self, session: SessionId) -> &mut WallAnchor {
        let at = self.sessions.iter().rposition(|(known, _)| *known == session);
        let at = at.unwrap_or_else(|| {
            if self.sessions.len() >= SESSIONS {
                self.sessions.pop_front();
            }
            self.sessions.push_back((session, WallAnchor::default()));
            self.sessions.len() - 1
        });
        &mut self.sessions[at].1
    }
}

impl Anchors {
    /// None yet. `boot` is [`Clock::boot`], `floor` a time that the present
    /// must be later than.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, boot: String, floor: impl Into<Floor>) -> Self {
        let floor = floor.into();
        Self {
            shared: Arc::new(AnchorTable {
                clock,
                boot,
                floor,
                courts: Mutex::default(),
                games: Mutex::default(),
            }),
        }
    }

    /// Sets a court's configured delay from shutter to arrival; zero means that nobody measured it.
    pub fn camera_delay(&self, court: &CourtId, delay: Duration) {
        let delay = (delay > Duration::ZERO).then_some(delay);
        self.shared.courts.lock().entry(court.clone()).or_default().camera_delay = delay;
    }

    /// Takes note of what ingest delivers. Never waits.
    pub fn item(&self, court: &CourtId, item: &StreamItem) {
        let mut courts = self.shared.courts.lock();
        let known = match courts.get_mut(court) {
            Some(known) => known,
            None => courts.entry(court.clone()).or_default(),
        };
        match item {
            StreamItem::Opened(info) => {
                known.anchor_mut(info.session);
            }
            StreamItem::Video(unit) => {
                known.anchor_mut(unit.session).arrived(unit.dts, unit.arrival);
            }
            StreamItem::Wall(reference) => {
                known.anchor_mut(reference.session).referenced(reference);
            }
            StreamItem::Sound { .. } | StreamItem::Audio(_) | StreamItem::Closed { .. } => {}
        }
    }

    /// A game began so long ago: the times of its own session count from then, by the box's clock.
    pub fn begun(&self, session: SessionId, ago: Duration) {
        let ago = u64::try_from(ago.as_nanos()).unwrap_or(u64::MAX);
        let now = self.shared.clock.monotonic().as_nanos();
        // Before the boot: what is told of it before its first picture has the time of its sending.
        let Some(began) = now.checked_sub(ago) else { return };
        let mut anchor = WallAnchor::default();
        anchor.arrived(MediaTime::ZERO, Monotonic::from_nanos(began));
        let mut games = self.shared.games.lock();
        games.retain(|(known, _)| *known != session);
        if games.len() >= GAMES {
            games.pop_front();
        }
        games.push_back((session, anchor));
    }

    /// What is known of a game's own session.
    fn of_game(&self, session: SessionId, media: MediaTime) -> Option<Evidence> {
        let games = self.shared.games.lock();
        let (_, anchor) = games.iter().find(|(known, _)| *known == session)?;
        Some(anchor.evidence(media))
    }

    /// What to store with a record that is decided now.
    #[must_use]
    pub fn snapshot(
        &self,
        court: &CourtId,
        session: SessionId,
        media: MediaTime,
    ) -> AnchorSnapshot {
        let courts = self.shared.courts.lock();
        let known = courts.get(court);
        let anchor = known.and_then(|known| known.anchor(session));
        let evidence = anchor.map(|anchor| anchor.evidence(media));
        let evidence = evidence.or_else(|| self.of_game(session, media)).unwrap_or_default();
        let arrived_utc_ns = evidence.arrived_by(&self.now(None));
        AnchorSnapshot { boot: self.shared.boot.clone(), arrived_utc_ns, evidence }
    }

    /// Tells the time of `media`, as well as it can be told now: from the session's anchor while it
    /// is remembered, otherwise from what was `stored`.
    #[must_use]
    pub fn stamp(
        &self,
        court: &CourtId,
        session: SessionId,
        media: MediaTime,
        stored: Option<&AnchorSnapshot>,
    ) -> Stamp {
        let courts = self.shared.courts.lock();
        let known = courts.get(court);
        let now = self.now(known.and_then(|known| known.camera_delay));
        if let Some(anchor) = known.and_then(|known| known.anchor(session))
            && anchor.latest().is_some()
        {
            return judge(&anchor.evidence(media), &now, None);
        }
        if let Some(evidence) = self.of_game(session, media) {
            // No shutter and no network before it.
            return judge(&evidence, &self.now(Some(Duration::ZERO)), None);
        }
        match stored {
            Some(stored) if stored.boot == self.shared.boot => {
                judge(&stored.evidence, &now, stored.arrived_utc_ns)
            }
            // Another boot's monotonic time means nothing now.
            Some(stored) => {
                judge(&stored.evidence.without_monotonic(), &now, stored.arrived_utc_ns)
            }
            None => judge(&Evidence::default(), &now, None),
        }
    }

    /// True when the box's clock can be true: later than every date that it must be later than.
    #[must_use]
    pub fn plausible(&self) -> bool {
        self.shared.clock.utc() >= self.shared.floor.at()
    }

    /// The time by the box's clock.
    #[must_use]
    pub fn utc(&self) -> UtcTime {
        self.shared.clock.utc()
    }

    /// A time that the present must be later than.
    #[must_use]
    pub fn floor(&self) -> &Floor {
        &self.shared.floor
    }

    /// How the newest picture of each court maps, for `state/clock`.
    #[must_use]
    pub fn state(&self) -> ClockState {
        let mut told = Vec::new();
        for (court, known) in self.shared.courts.lock().iter() {
            let now = self.now(known.camera_delay);
            let newest = known.sessions.back().map(|(_, anchor)| anchor);
            let evidence = newest
                .and_then(|anchor| Some(anchor.evidence(anchor.latest()?)))
                .unwrap_or_default();
            let stamp = judge(&evidence, &now, None);
            told.push(CourtClock {
                court: court.to_string(),
                source: stamp.told_source(),
                error_ms: stamp.error_ms,
                drift_ppm: newest.and_then(WallAnchor::drift_ppm),
            });
        }
        ClockState { plausible: self.plausible(), courts: told }
    }

    fn now(&self, camera_delay: Option<Duration>) -> BoxClock {
        let clock = &self.shared.clock;
        let (monotonic, utc) = (clock.monotonic(), clock.utc());
        BoxClock { monotonic, utc, floor: self.shared.floor.at(), camera_delay }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::event::words::ClockSource;
    use crate::media::{CloseReason, StreamInfo, WallReference, WallSource};

    use crate::media::UtcTime;

    const FLOOR: UtcTime = UtcTime::from_nanos(1_795_305_600_000_000_000);
    const TODAY: UtcTime = UtcTime::from_nanos(1_796_083_200_000_000_000);

    fn court() -> CourtId {
        CourtId::new("north").expect("name")
    }

    fn open(anchors: &Anchors, session: SessionId, opened: Monotonic) {
        anchors.item(
            &court(),
            &StreamItem::Opened(Arc::new(StreamInfo {
                court: court(),
                session,
                peer: String::new(),
                encoder: None,
                opened,
            })),
        );
    }

    fn arrive(anchors: &Anchors, session: SessionId, dts: MediaTime, arrival: Monotonic) {
        let mut courts = anchors.shared.courts.lock();
        courts.entry(court()).or_default().anchor_mut(session).arrived(dts, arrival);
    }

    #[test]
    fn a_record_of_a_cold_start_is_told_after_a_restart_once_the_clock_is_set() {
        let session = SessionId::from_bits(1);
        let cold = Arc::new(ManualClock::at(UtcTime::from_nanos(0)));
        let clock: Arc<dyn Clock> = Arc::clone(&cold) as _;
        let first = Anchors::new(clock, "boot-1".to_owned(), FLOOR);
        open(&first, session, Monotonic::ZERO);
        cold.advance(Duration::from_secs(20));
        arrive(&first, session, MediaTime::from_millis(500), cold.monotonic());
        let stored = first.snapshot(&court(), session, MediaTime::from_millis(500));
        assert_eq!(first.stamp(&court(), session, MediaTime::from_millis(500), None).source, None);
        let text = serde_json::to_string(&stored).expect("text");
        assert!(text.len() < 300, "{text}");
        let stored: AnchorSnapshot = serde_json::from_str(&text).expect("read");

        // The daemon restarts within the boot; a minute later NTP sets the clock.
        cold.advance(Duration::from_secs(60));
        cold.step_utc(TODAY);
        let clock: Arc<dyn Clock> = Arc::clone(&cold) as _;
        let again = Anchors::new(clock, "boot-1".to_owned(), FLOOR);
        let stamp = again.stamp(&court(), session, MediaTime::from_millis(500), Some(&stored));
        assert_eq!(stamp.source, Some(WallSource::Arrival));
        assert_eq!(stamp.utc, TODAY.plus_nanos(-60_000_000_000));

        // After another boot the monotonic time means nothing, and it was 1970 then.
        let clock: Arc<dyn Clock> = cold;
        let other = Anchors::new(clock, "boot-2".to_owned(), FLOOR);
        let stamp = other.stamp(&court(), session, MediaTime::from_millis(500), Some(&stored));
        assert_eq!(stamp.source_name(), "none");
    }

    #[test]
    fn a_later_reference_tells_an_earlier_event_better() {
        let session = SessionId::from_bits(1);
        let manual = Arc::new(ManualClock::at(TODAY));
        let anchors = Anchors::new(Arc::clone(&manual) as _, "boot".to_owned(), FLOOR);
        anchors.camera_delay(&court(), Duration::ZERO);
        open(&anchors, session, Monotonic::ZERO);
        arrive(&anchors, session, MediaTime::ZERO, Monotonic::ZERO);
        let stored = anchors.snapshot(&court(), session, MediaTime::ZERO);
        let before = anchors.stamp(&court(), session, MediaTime::ZERO, Some(&stored));
        assert_eq!(before.source_name(), "arrival");
        let utc = TODAY.plus_nanos(-200_000_000);
        let media = MediaTime::ZERO;
        let wall = WallReference { session, media, utc, source: WallSource::Sei };
        anchors.item(&court(), &StreamItem::Wall(wall));
        let reason = CloseReason::Ended;
        anchors.item(&court(), &StreamItem::Closed { session, reason });
        let after = anchors.stamp(&court(), session, MediaTime::ZERO, Some(&stored));
        assert_eq!((after.source_name(), after.utc), ("sei", utc));
        assert!(after.error_ms < before.error_ms);
        let state = anchors.state();
        assert!(state.plausible);
        assert_eq!(state.courts[0].source, ClockSource::Sei);
    }

    #[test]
    fn what_a_game_tells_before_any_picture_has_its_time_also_after_a_restart() {
        let session = SessionId::from_bits(0x6a);
        let manual = Arc::new(ManualClock::at(TODAY));
        manual.advance(Duration::from_secs(5));
        let anchors = Anchors::new(Arc::clone(&manual) as _, "boot-1".to_owned(), FLOOR);
        let at = MediaTime::from_millis(90_000);
        assert_eq!(anchors.stamp(&court(), session, at, None).source, None);
        let began = manual.utc();
        anchors.begun(session, Duration::ZERO);
        // Told ten minutes late, and an hour later by another boot.
        manual.advance(Duration::from_secs(600));
        let expected = began.plus_nanos(90_000_000_000);
        let stamp = anchors.stamp(&court(), session, at, None);
        assert_eq!((stamp.source_name(), stamp.utc), ("arrival", expected));
        let stored = anchors.snapshot(&court(), session, at);
        let later = Arc::new(ManualClock::at(manual.utc().plus_nanos(3_600_000_000_000)));
        let other = Anchors::new(later as _, "boot-2".to_owned(), FLOOR);
        let stamp = other.stamp(&court(), session, at, Some(&stored));
        assert_eq!((stamp.source_name(), stamp.utc), ("arrival", expected));
        // A court's state is its cameras'.
        assert!(anchors.state().courts.is_empty());
    }

    #[test]
    fn old_sessions_are_forgotten_and_told_by_their_snapshots() {
        let manual = Arc::new(ManualClock::at(TODAY));
        let anchors = Anchors::new(Arc::clone(&manual) as _, "boot".to_owned(), FLOOR);
        let mut stored = Vec::new();
        for n in 0..40 {
            let session = SessionId::from_bits(n);
            open(&anchors, session, manual.monotonic());
            arrive(&anchors, session, MediaTime::ZERO, manual.monotonic());
            stored.push((session, anchors.snapshot(&court(), session, MediaTime::ZERO)));
            manual.advance(Duration::from_secs(10));
        }
        assert_eq!(anchors.shared.courts.lock()[&court()].sessions.len(), SESSIONS);
        for (n, (session, snapshot)) in (0_i64..).zip(&stored) {
            let stamp = anchors.stamp(&court(), *session, MediaTime::ZERO, Some(snapshot));
            assert_eq!(stamp.utc, TODAY.plus_nanos(n * 10_000_000_000));
        }
    }
}
