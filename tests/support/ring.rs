//! A ring in a world that stands still: its clock is moved by the stream.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use courtside::clips::{
    FragmentDurable, FragmentSink, Ring, RingError, RingMeters, RingParts, RingSettings, RingStatus,
};
use courtside::clock::{Clock, ManualClock};
use courtside::disk::Disk;
use courtside::event::{ClipOrder, ClipRequest, Decision};
use courtside::mailbox::{Mailbox, Tally, UnitMailbox, WhenFull};
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

impl FragmentSink for Promises {
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
    pub orders: Mailbox<ClipOrder>,
    pub done: Mailbox<String>,
    pub news: Mailbox<Decision>,
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
        Self::with_room(settings, disk, 4096)
    }

    /// Opens one whose outbox leaves room for so many names of clips that are on disk.
    pub(super) fn with_room(
        settings: RingSettings,
        disk: Arc<dyn Disk>,
        room: usize,
    ) -> Result<Self, RingError> {
        let clock = Arc::new(ManualClock::at(UtcTime::from_nanos(1_800_000_000_000_000_000)));
        let promises = Arc::new(Promises::default());
        let court = CourtId::new("a").expect("name");
        let mailbox = UnitMailbox::new(Duration::from_secs(4), Tally::default());
        let orders = Mailbox::new(4096, WhenFull::DropNewest, Tally::default());
        let done = Mailbox::new(room, WhenFull::DropNewest, Tally::default());
        let news = Mailbox::new(4096, WhenFull::DropNewest, Tally::default());
        let ring = Ring::open(RingParts {
            settings,
            disk,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            courts: vec![(court.clone(), mailbox.clone())],
            orders: orders.clone(),
            done: done.clone(),
            sink: Arc::clone(&promises) as Arc<dyn FragmentSink>,
            news: Some(news.clone()),
            wall: None,
            games: None,
            meters: meters(),
        })?;
        Ok(Self { ring, clock, promises, mailbox, orders, done, news, court, origin: None })
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

    /// Asks something of the ring and lets it work until it is answered: `None` if that takes 20 s.
    pub(super) fn asks<T>(&mut self, asked: impl Future<Output = T>) -> Option<T> {
        let mut asked = std::pin::pin!(asked);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        for round in 0..200 {
            if let std::task::Poll::Ready(answer) = asked.as_mut().poll(&mut context) {
                return Some(answer);
            }
            if round > 3 {
                self.clock.advance(Duration::from_millis(100));
            }
            self.ring.pump();
        }
        None
    }

    /// The clips that were told to be on disk, in order.
    pub(super) fn told(&self) -> Vec<String> {
        let mut clips = self.promises.clips.lock();
        clips.extend(std::iter::from_fn(|| self.done.try_take()));
        clips.clone()
    }

    pub(super) fn request(&mut self, id: &str, session: SessionId, interval: (i64, i64)) {
        self.order(id, session, interval);
        self.ring.pump();
    }

    /// Leaves an order without letting the ring work.
    pub(super) fn order(&self, id: &str, session: SessionId, (from, to): (i64, i64)) {
        let request = ClipRequest {
            id: id.into(),
            from_ns: from * 1_000_000,
            to_ns: to * 1_000_000,
            reason: "made".into(),
            ..ClipRequest::default()
        };
        let order = ClipOrder { court: self.court.clone(), session, request };
        assert_eq!(self.orders.offer(order), None, "there is room");
    }

    pub(super) fn join(self) -> RingStatus {
        self.mailbox.close();
        self.ring.join()
    }
}
