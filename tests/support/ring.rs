//! A ring in a world that stands still: its clock is moved by the stream.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use courtside::clips::{
    ClipSink, FragmentDurable, Ring, RingError, RingMeters, RingSettings, RingStatus,
};
use courtside::clock::{Clock, ManualClock};
use courtside::disk::Disk;
use courtside::event::ClipRequest;
use courtside::mailbox::{Tally, UnitMailbox};
use courtside::media::{
    CloseReason, CourtId, MediaTime, SessionId, StreamInfo, StreamItem, UtcTime,
};
use parking_lot::Mutex;
use prometheus_client::metrics::histogram::Histogram;

/// What the ring promised.
#[derive(Debug, Default)]
pub(super) struct Promises {
    pub clips: Mutex<Vec<String>>,
    pub fragments: Mutex<Vec<FragmentDurable>>,
}

impl ClipSink for Promises {
    fn durable(&self, id: &str) {
        self.clips.lock().push(id.to_owned());
    }

    fn fragment(&self, done: &FragmentDurable) {
        self.fragments.lock().push(done.clone());
    }
}

/// A ring with one court, `a`.
pub(super) struct TestRing {
    pub ring: Ring,
    pub clock: Arc<ManualClock>,
    pub promises: Arc<Promises>,
    pub mailbox: UnitMailbox,
    pub court: CourtId,
    origin: Option<(MediaTime, u64)>,
}

pub(super) fn meters() -> RingMeters {
    let empty = || Histogram::new([0.001, 0.01, 0.1]);
    RingMeters { write_seconds: empty(), fsync_seconds: empty() }
}

pub(super) fn settings(dir: PathBuf) -> RingSettings {
    RingSettings { keep_free_bytes: 0, ballast_bytes: 0, ..RingSettings::new(dir, 1 << 30) }
}

impl TestRing {
    pub(super) fn open(settings: RingSettings, disk: Arc<dyn Disk>) -> Result<Self, RingError> {
        let clock = Arc::new(ManualClock::at(UtcTime::from_nanos(1_800_000_000_000_000_000)));
        let promises = Arc::new(Promises::default());
        let court = CourtId::new("a").expect("name");
        let mailbox = UnitMailbox::new(Duration::from_secs(4), Tally::default());
        let ring = Ring::open(
            settings,
            disk,
            Arc::clone(&clock) as Arc<dyn Clock>,
            vec![(court.clone(), mailbox.clone())],
            Arc::clone(&promises) as Arc<dyn ClipSink>,
            meters(),
        )?;
        Ok(Self { ring, clock, promises, mailbox, court, origin: None })
    }

    pub(super) fn opened(&mut self, session: SessionId) {
        self.origin = None;
        self.mailbox.offer(StreamItem::Opened(Arc::new(StreamInfo {
            court: self.court.clone(),
            session,
            peer: "127.0.0.1:1".into(),
            encoder: None,
            opened: self.clock.monotonic(),
        })));
        self.ring.pump();
    }

    /// Moves the clock to when `item` would come, hands it in, lets the ring work.
    pub(super) fn feed(&mut self, item: StreamItem) {
        let at = match &item {
            StreamItem::Video(unit) => Some(unit.dts),
            StreamItem::Audio(unit) => Some(unit.pts),
            _ => None,
        };
        if let Some(at) = at {
            let now = self.clock.monotonic().as_nanos();
            let (first, then) = *self.origin.get_or_insert((at, now));
            let due = then + u64::try_from(at.nanos_since(first).max(0)).expect("positive");
            // In steps, as a thread would wake: fragments close by wall time too.
            let mut left = due.saturating_sub(now);
            while left > 0 {
                let step = left.min(100_000_000);
                self.clock.advance(Duration::from_nanos(step));
                left -= step;
                self.ring.pump();
            }
        }
        self.mailbox.offer(item);
        self.ring.pump();
    }

    pub(super) fn wait(&mut self, by: Duration) {
        self.clock.advance(by);
        self.ring.pump();
    }

    pub(super) fn closed(&mut self, session: SessionId) {
        self.mailbox.offer(StreamItem::Closed { session, reason: CloseReason::Ended });
        self.ring.pump();
    }

    pub(super) fn request(&mut self, id: &str, session: SessionId, (from, to): (i64, i64)) {
        let request = ClipRequest {
            id: id.into(),
            from_ns: from * 1_000_000,
            to_ns: to * 1_000_000,
            reason: "made".into(),
        };
        self.ring.request(&self.court, session, request).expect("taken");
        self.ring.pump();
    }

    pub(super) fn join(self) -> RingStatus {
        self.mailbox.close();
        self.ring.join()
    }
}
