//! Which frame goes to which model, and the fan-out that waits for none of them.
//!
//! In: decoded frames of every court, from the decoders' threads. Out: one
//! [`FrameMailbox`] a model (default 2 frames a court, oldest lost, counted as hop `model:NAME`).
//! Frames are shared, never copied. Read `policy` (which frame for which model), then [`Router`].

mod policy;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::mailbox::FrameMailbox;
use crate::media::{CloseReason, CourtId, Frame, SessionId};

pub use crate::router::policy::Stride;

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

/// Hands each frame to each model that wants it. Never waits.
#[derive(Debug)]
pub struct Router {
    models: Vec<Routed>,
}

#[derive(Debug)]
struct Routed {
    feed: ModelFeed,
    // Held for a few comparisons; decoders of several courts meet here, models never do.
    strides: Mutex<BTreeMap<CourtId, Stride>>,
}

impl Router {
    /// Fans out to `feeds`.
    #[must_use]
    pub fn new(feeds: Vec<ModelFeed>) -> Self {
        let routed = |feed| Routed { feed, strides: Mutex::new(BTreeMap::new()) };
        Self { models: feeds.into_iter().map(routed).collect() }
    }

    /// Offers a frame to every model; frames of a court come in presentation order.
    pub fn frame(&self, frame: &Arc<Frame>) {
        for model in &self.models {
            if model.wants(frame) {
                // What a slow model lost is counted by its hop; nobody else notices.
                drop(model.feed.frames.offer(Arc::clone(frame)));
            } else {
                model.feed.frames.strided(&frame.court);
            }
        }
    }

    /// Tells every model that a session is over, after its last frame.
    pub fn session_closed(&self, court: &CourtId, session: SessionId, reason: CloseReason) {
        for model in &self.models {
            model.strides.lock().remove(court);
            model.feed.frames.session_closed(court, session, reason);
        }
    }

    /// Closes every hop: models take what is left, then end.
    pub fn close(&self) {
        for model in &self.models {
            model.feed.frames.close();
        }
    }
}

impl Routed {
    fn wants(&self, frame: &Frame) -> bool {
        let Some(rates) = self.feed.rates else { return true };
        let mut strides = self.strides.lock();
        let stride = strides.entry(frame.court.clone()).or_insert_with(|| Stride::to(rates));
        stride.passes(frame.session, frame.pts)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
}
