//! Which frame goes to which model, and the fan-out that waits for none of them.
//!
//! In: decoded frames of every court, from the decoders' threads. Out: one
//! [`FrameMailbox`] a model (default 2 frames a court, oldest lost, counted as hop `model:NAME`).
//! Frames are shared, never copied. Models come and go while frames run ([`Router::replace`]). Read
//! `policy` (which frame for which model), then [`Router`].

mod policy;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use crate::mailbox::FrameMailbox;
use crate::media::{CloseReason, CourtId, Frame, SessionId};

pub use crate::router::policy::{Pace, Stride};

/// One model, as the router sees it.
#[derive(Clone, Debug)]
pub struct ModelFeed {
    /// The bundle's name.
    pub name: String,
    /// Lowest and highest frames a second that it takes; `None`: all that come.
    pub rates: Option<[f64; 2]>,
    /// Where its frames go.
    pub frames: FrameMailbox,
}

/// Hands each frame to each model that wants it. Never waits for a model.
#[derive(Debug)]
pub struct Router {
    // Read for the length of one fan-out, which waits for nothing; written by `replace`, for the
    // length of some closings. So a frame goes to the models of before or to those of after.
    models: RwLock<Vec<Routed>>,
}

#[derive(Debug)]
struct Routed {
    feed: ModelFeed,
    // Held for a few comparisons; decoders of several courts meet here, models never do.
    courts: Mutex<BTreeMap<CourtId, Fed>>,
}

/// What one model is given of one court.
#[derive(Debug)]
struct Fed {
    pace: Pace,
    /// The session of its last frame.
    session: SessionId,
}

impl Router {
    /// Fans out to `feeds`.
    #[must_use]
    pub fn new(feeds: Vec<ModelFeed>) -> Self {
        Self { models: RwLock::new(feeds.into_iter().map(Routed::new).collect()) }
    }

    /// Offers a frame to every model that serves its court; frames of a court come in presentation
    /// order.
    pub fn frame(&self, frame: &Arc<Frame>) {
        for model in self.models.read().iter() {
            model.frame(frame);
        }
    }

    /// Waits up to `within` in all until each model that serves the court has room for a frame of it: for who hands
    /// in a burst faster than it was taken. A model that stays full loses what it always does.
    pub fn room(&self, court: &CourtId, within: Duration) {
        let feeds: Vec<_> =
            self.models.read().iter().map(|model| model.feed.frames.clone()).collect();
        let each = within / u32::try_from(feeds.len().max(1)).unwrap_or(u32::MAX);
        for frames in feeds {
            frames.room(court, each);
        }
    }

    /// Tells every model that a session is over, after its last frame.
    pub fn session_closed(&self, court: &CourtId, session: SessionId, reason: CloseReason) {
        for model in self.models.read().iter() {
            drop(model.courts.lock().remove(court));
            model.feed.frames.session_closed(court, session, reason);
        }
    }

    /// Fans out to `feeds` from now on, between two frames, while decoders go on.
    ///
    /// A feed whose hop is among those of before stays, its pace and its place in a session with
    /// it: it gets every frame once. One that goes is told the end of each session that it was in,
    /// after its last frame, and its hop is closed: it takes what is left, then ends. One that comes
    /// gets the next frame of each court, which opens the session for it.
    pub fn replace(&self, feeds: Vec<ModelFeed>) {
        let mut models = self.models.write();
        let mut before = std::mem::take(&mut *models);
        for feed in feeds {
            let stays = before.iter().position(|known| known.feed.frames.is_same(&feed.frames));
            models.push(match stays {
                Some(at) => before.remove(at),
                None => Routed::new(feed),
            });
        }
        before.iter().for_each(Routed::leave);
    }

    /// Closes every hop: models take what is left, then end.
    pub fn close(&self) {
        for model in self.models.read().iter() {
            model.feed.frames.close();
        }
    }
}

impl Routed {
    const fn new(feed: ModelFeed) -> Self {
        Self { feed, courts: Mutex::new(BTreeMap::new()) }
    }

    fn frame(&self, frame: &Arc<Frame>) {
        if self.wants(frame) {
            // What a slow model lost is counted by its hop; nobody else notices. A hop that does not
            // serve the court lets it pass.
            drop(self.feed.frames.offer(Arc::clone(frame)));
        } else {
            self.feed.frames.strided(&frame.court);
        }
    }

    fn wants(&self, frame: &Frame) -> bool {
        let mut courts = self.courts.lock();
        if let Some(fed) = courts.get_mut(&frame.court) {
            fed.session = frame.session;
            return fed.pace.passes(frame.session, frame.pts);
        }
        let mut pace = Pace::of(self.feed.rates);
        let wants = pace.passes(frame.session, frame.pts);
        courts.insert(frame.court.clone(), Fed { pace, session: frame.session });
        wants
    }

    /// Tells it the end of what it was in. It goes, so to it we are shutting down.
    fn leave(&self) {
        for (court, fed) in std::mem::take(&mut *self.courts.lock()) {
            self.feed.frames.session_closed(&court, fed.session, CloseReason::Shutdown);
        }
        self.feed.frames.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::{DropReason, FrameItem, Ledger, Take};
    use crate::media::{ChromaLayout, CpuPicture, MediaTime, Monotonic, Pixels, Plane};

    #[derive(Debug)]
    struct NoPicture;

    impl CpuPicture for NoPicture {
        fn chroma(&self) -> ChromaLayout {
            ChromaLayout::I420
        }
        fn plane(&self, _index: usize) -> Option<Plane<'_>> {
            None
        }
    }

    fn court() -> CourtId {
        CourtId::new("north").expect("name")
    }

    fn frame(n: i64, rate: i64) -> Arc<Frame> {
        Arc::new(Frame {
            court: court(),
            session: SessionId::from_bits(1),
            pts: MediaTime::from_nanos(n * 1_000_000_000 / rate),
            width: 2,
            height: 2,
            arrival: Monotonic::ZERO,
            decoded: Monotonic::ZERO,
            pixels: Pixels::Cpu(Box::new(NoPicture)),
        })
    }

    fn feed(ledger: &Ledger, name: &str, rates: Option<[f64; 2]>) -> ModelFeed {
        let hop = format!("model:{name}");
        let frames = FrameMailbox::new(&[court()], 2, |court| ledger.hop(court.as_str(), &hop));
        ModelFeed { name: name.to_owned(), rates, frames }
    }

    #[test]
    fn a_model_that_sleeps_delays_neither_the_decoder_nor_another_model() {
        let ledger = Ledger::new();
        let (awake, asleep) = (feed(&ledger, "awake", None), feed(&ledger, "asleep", None));
        let router = Router::new(vec![asleep.clone(), awake.clone()]);
        // The sleeper takes one frame and holds on to it until the test is over.
        let (wake, sleep) = std::sync::mpsc::sync_channel::<()>(0);
        let sleeper = std::thread::spawn(move || {
            let first = asleep.frames.take(Duration::from_secs(60));
            let woken = sleep.recv();
            drop(first);
            (woken.is_ok(), asleep)
        });
        // This thread is the decoder: each frame is through the other model before the next comes,
        // so a router that waited for the sleeper would never end.
        for n in 0..1_000 {
            router.frame(&frame(n, 30));
            let Take::Item(FrameItem::Frame(seen)) = awake.frames.take(Duration::ZERO) else {
                panic!("frame {n} did not reach the model that is awake");
            };
            assert_eq!(seen.pts, frame(n, 30).pts);
        }
        wake.send(()).expect("the sleeper still sleeps");
        let (woken, asleep) = sleeper.join().expect("joined");
        assert!(woken);
        assert_eq!(ledger.unbalanced(), []);
        let count = ledger.hop("north", "model:awake").count();
        assert_eq!((count.offered, count.taken, count.dropped_total()), (1_000, 1_000, 0));
        let count = ledger.hop("north", "model:asleep").count();
        assert_eq!(count.offered, 1_000);
        assert!(count.waiting <= 2 && count.dropped[&DropReason::Full] >= 997, "{count:?}");
        drop(asleep);
    }

    #[test]
    fn every_second_frame_of_60_fps_is_strided_and_counted() {
        let ledger = Ledger::new();
        let model = feed(&ledger, "rimnet", Some([24.0, 31.0]));
        let router = Router::new(vec![model.clone()]);
        for n in 0..600 {
            router.frame(&frame(n, 60));
            while let Take::Item(_) = model.frames.take(Duration::ZERO) {}
        }
        router.session_closed(&court(), SessionId::from_bits(1), CloseReason::Ended);
        router.close();
        assert!(matches!(
            model.frames.take(Duration::ZERO),
            Take::Item(FrameItem::SessionClosed { reason: CloseReason::Ended, .. })
        ));
        assert!(matches!(model.frames.take(Duration::ZERO), Take::Closed));
        let count = ledger.hop("north", "model:rimnet").count();
        assert_eq!((count.offered, count.dropped[&DropReason::Strided]), (600, 300));
        assert_eq!(ledger.unbalanced(), []);
    }

    /// Numbers of the frames that were left in a hop, and what came last.
    fn left(feed: &ModelFeed) -> (Vec<i64>, Vec<Option<CloseReason>>) {
        let (mut seen, mut ends) = (Vec::new(), Vec::new());
        loop {
            match feed.frames.take(Duration::ZERO) {
                Take::Item(FrameItem::Frame(frame)) => seen.push(frame.pts.as_nanos() / 1_000_000),
                Take::Item(FrameItem::SessionClosed { reason, .. }) => ends.push(Some(reason)),
                Take::Item(other) => panic!("nobody opened or closed a court: {other:?}"),
                Take::Closed => {
                    ends.push(None);
                    return (seen, ends);
                }
                Take::TimedOut => return (seen, ends),
            }
        }
    }

    #[test]
    fn models_come_and_go_between_two_frames_while_a_decoder_goes_on() {
        const FRAMES: i64 = 20_000;
        let ledger = Ledger::new();
        let roomy = |name: &str, rates| {
            let hop = format!("model:{name}");
            let most = usize::try_from(FRAMES).expect("fits");
            let frames =
                FrameMailbox::new(&[court()], most, |court| ledger.hop(court.as_str(), &hop));
            ModelFeed { name: name.to_owned(), rates, frames }
        };
        // The one that stays is strided to every second frame: its pattern must not move either.
        let stays = roomy("stays", Some([400.0, 600.0]));
        let first = roomy("0", None);
        let router = Router::new(vec![stays.clone(), first.clone()]);
        let mut replaced = vec![first];
        let (router, sent) = (&router, &std::sync::atomic::AtomicI64::new(0));
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for n in 0..FRAMES {
                    router.frame(&frame(n, 1_000));
                    sent.store(n, std::sync::atomic::Ordering::Release);
                }
            });
            // Each swap waits for the decoder to go on, so that frames lie between any two.
            let mut seen = -1;
            while seen < FRAMES - 1 && replaced.len() < 200 {
                let now = sent.load(std::sync::atomic::Ordering::Acquire);
                if now == seen {
                    std::thread::yield_now();
                    continue;
                }
                seen = now;
                let next = roomy(&replaced.len().to_string(), None);
                router.replace(vec![next.clone(), stays.clone()]);
                replaced.push(next);
            }
        });
        assert!(replaced.len() > 2, "nothing was replaced while frames ran");
        let (kept, ends) = left(&stays);
        assert_eq!(kept, (0..FRAMES).step_by(2).collect::<Vec<_>>(), "lost, doubled or uneven");
        assert_eq!(ends, []);
        // What the others got, one behind the other, is every frame once.
        let last = replaced.pop().expect("a last one");
        let mut all = Vec::new();
        for gone in &replaced {
            let (seen, ends) = left(gone);
            // One that was there between two frames was in no session.
            let told: &[Option<CloseReason>] =
                if seen.is_empty() { &[None] } else { &[Some(CloseReason::Shutdown), None] };
            assert_eq!(ends, told, "{}", gone.name);
            all.extend(seen);
        }
        let (seen, ends) = left(&last);
        all.extend(seen);
        assert_eq!(ends, []);
        assert_eq!(all, (0..FRAMES).collect::<Vec<_>>());
        assert_eq!(ledger.unbalanced(), []);
    }

    #[test]
    fn a_court_that_a_model_does_not_serve_is_none_of_its_business() {
        let ledger = Ledger::new();
        let other = CourtId::new("south").expect("name");
        let frames = FrameMailbox::new(&[other], 2, |court| ledger.hop(court.as_str(), "finder"));
        let finder = ModelFeed { name: "finder".to_owned(), rates: Some([1.0, 1.0]), frames };
        let router = Router::new(vec![finder.clone()]);
        router.frame(&frame(0, 30));
        router.session_closed(&court(), SessionId::from_bits(1), CloseReason::Ended);
        assert!(finder.frames.is_empty());
        assert_eq!(ledger.hop("north", "finder").count().offered, 0);
    }
}
