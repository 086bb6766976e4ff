//! Bundles that are loaded while frames already come, and what is answered meanwhile.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::tests::{HD, Heard, RIM, SESSION, Sink, court, data, frame};
use super::*;
use crate::clock::ManualClock;
use crate::detect::bundle::Bundle;
use crate::detect::engine::InstalledEngines;
use crate::detect::engine::contract::{Engine, EngineError, EngineFound};
use crate::mailbox::{Mailbox, Take, Tally, WhenFull};
use crate::media::CloseReason;

/// Long enough for a busy machine.
pub(super) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// The installed engines; what is not trusted is tried until the test says how it went.
#[derive(Debug)]
struct Gated {
    engines: InstalledEngines,
    outcomes: Mutex<Receiver<Result<(), String>>>,
}

impl Engines for Gated {
    fn engine_for(&self, bundle: &Bundle) -> Result<Box<dyn Engine>, EngineError> {
        self.engines.engine_for(bundle)
    }

    fn try_apart(&self, _: &Bundle) -> Result<(), String> {
        self.outcomes.lock().recv().expect("the test goes on")
    }

    fn found(&self) -> Vec<EngineFound> {
        self.engines.found()
    }
}

/// A box's models, as far as a router sees them.
pub(super) struct Late {
    pub(super) detect: Arc<Detect>,
    ledger: Ledger,
    pub(super) told: Mailbox<Heard>,
    feeds: Arc<Mutex<Vec<ModelFeedParts>>>,
    pub(super) clock: ManualClock,
    pub(super) outcome: SyncSender<Result<(), String>>,
}

impl Late {
    pub(super) fn with(bundles: &[&str]) -> Self {
        let settings = DetectSettings {
            bundles: bundles.iter().map(|name| (*name).to_owned()).collect(),
            search: vec![data()],
            finder: false,
            device: "auto".to_owned(),
            kept: None,
            parcels: None,
            least_queue_frames: 0,
        };
        let ledger = Ledger::new();
        let by_hand = ManualClock::at(UtcTime::from_nanos(0));
        let clock: Arc<dyn Clock> = Arc::new(by_hand.clone());
        let (outcome, outcomes) = sync_channel(8);
        let engines = InstalledEngines::new(Arc::clone(&clock));
        let engines = Arc::new(Gated { engines, outcomes: Mutex::new(outcomes) });
        let mut detect = Detect::begin(&settings, &ledger, clock, &*engines);
        let told = Mailbox::new(10_000, WhenFull::DropNewest, Tally::default());
        let sink: Arc<dyn AnswerSink> = Arc::new(Sink(told.clone()));
        detect.start(&sink, &mut |_| ModelMeters::default()).expect("threads");
        let detect = Arc::new(detect);
        detect.open_court(&CourtRims { court: court(), rims: vec![RIM], rims_of: Some(HD) });
        let feeds = Arc::new(Mutex::new(detect.feeds()));
        let routed = Arc::clone(&feeds);
        // As a router does it: what goes is told the end of its sessions, and closed.
        let switched = Box::new(move |feeds: Vec<ModelFeedParts>| {
            let before = std::mem::replace(&mut *routed.lock(), feeds.clone());
            let goes = |gone: &&ModelFeedParts| {
                feeds.iter().all(|stays| !stays.frames.is_same(&gone.frames))
            };
            for gone in before.iter().filter(goes) {
                gone.frames.session_closed(&court(), SESSION, CloseReason::Shutdown);
                gone.frames.close();
            }
        });
        let meters = Box::new(|_: &ModelIdentity| ModelMeters::default());
        detect.load_rest(engines, Joined { sink, meters, switched }).expect("a thread");
        Self { detect, ledger, told, feeds, clock: by_hand, outcome }
    }

    pub(super) fn offer(&self, ms: i64) {
        for feed in &*self.feeds.lock() {
            drop(feed.frames.offer(frame(SESSION, ms, HD, 51)));
        }
    }

    /// Who answered next.
    pub(super) fn answered(&self) -> String {
        match self.told.take(PATIENCE) {
            Take::Item(Heard::Answer(answer)) => answer.model.bundle.clone(),
            other => panic!("no answer: {other:?}"),
        }
    }

    fn condition(&self, at: usize) -> ModelCondition {
        self.detect.status().bundles[at].condition
    }

    /// Waits until the bundle is no longer loading.
    fn settled(&self, at: usize) -> ModelCondition {
        while self.condition(at) == ModelCondition::Loading {
            std::thread::yield_now();
        }
        self.condition(at)
    }

    /// The camera goes, then the box ends.
    pub(super) fn finish(&self) -> Vec<Heard> {
        self.detect.end();
        for feed in &*self.feeds.lock() {
            feed.frames.session_closed(&court(), SESSION, CloseReason::Ended);
            feed.frames.close();
        }
        self.detect.join();
        assert_eq!(self.ledger.unbalanced(), []);
        let mut all = Vec::new();
        while let Take::Item(told) = self.told.take(std::time::Duration::ZERO) {
            all.push(told);
        }
        all
    }
}

/// A picture that comes while a bundle loads is called by the one in the binary; then the other takes
/// over, in the same session: of that the game hears no end.
#[test]
fn one_of_the_binary_stands_in_until_the_bundle_is_there() {
    let late = Late::with(&["toy"]);
    assert_eq!(late.condition(0), ModelCondition::Loading);
    let reason = late.detect.status().bundles[0].reason.clone().unwrap_or_default();
    assert!(reason.starts_with("since 1970-01-01T00:00:00"), "{reason}");
    assert!(reason.contains("until it is there rimnet "), "{reason}");
    assert_eq!(late.detect.faults(), []);
    late.offer(0);
    assert_eq!(late.answered(), "rimnet");
    assert!(!late.ledger.awake().0.is_empty(), "who waits for quiet waits for what loads");
    late.outcome.send(Ok(())).expect("listened to");
    assert_eq!(late.settled(0), ModelCondition::Ready);
    late.offer(40);
    late.offer(80);
    assert_eq!((late.answered(), late.answered()), ("toy".to_owned(), "toy".to_owned()));
    let told = late.finish();
    assert!(matches!(told[..], [Heard::Closed(SESSION, CloseReason::Ended)]), "{told:?}");
    let counted = |hop: &str| late.ledger.hop("north", hop).count().taken;
    assert_eq!((counted("stand-in:rimnet"), counted("model:toy")), (1, 2));
}

/// Each picture is called once, by one or the other, however they meet the change.
#[test]
fn no_picture_is_lost_or_called_twice_when_models_change() {
    let late = Late::with(&["toy"]);
    let answers = |count: usize| -> Vec<String> { (0..count).map(|_| late.answered()).collect() };
    late.offer(0);
    late.outcome.send(Ok(())).expect("listened to");
    let mut by = Vec::new();
    for n in 1..200 {
        by.extend(answers(1));
        late.offer(n * 40);
    }
    by.extend(answers(1));
    assert_eq!(by.len(), 200);
    let change = by.iter().position(|name| name == "toy").unwrap_or(by.len());
    assert!(by.iter().skip(change).all(|name| name == "toy"), "{by:?}");
    assert!(matches!(late.finish()[..], [Heard::Closed(SESSION, CloseReason::Ended)]));
}

/// A bad bundle is told, and what stood in for it goes: nothing else is taken in its place in silence.
#[test]
fn when_nothing_passes_the_stand_in_goes_and_the_courts_say_why() {
    let late = Late::with(&["toy", "shade"]);
    late.outcome.send(Err("it wants 2.7 GB".to_owned())).expect("listened to");
    assert_eq!(late.settled(0), ModelCondition::Refused);
    late.offer(0);
    assert_eq!(late.answered(), "rimnet", "another one is to come");
    late.outcome.send(Err("it wants 2.8 GB".to_owned())).expect("listened to");
    assert_eq!(late.settled(1), ModelCondition::Refused);
    let faults = late.detect.faults();
    assert_eq!(faults[0].1, "no calls: no model could be loaded: it wants 2.7 GB");
    let told = late.finish();
    assert!(matches!(told[..], [Heard::Closed(SESSION, CloseReason::Shutdown)]), "{told:?}");
}

/// What hangs while it is loaded holds up neither calls nor the end.
#[test]
fn a_bundle_that_never_comes_holds_up_nobody() {
    let late = Late::with(&["toy"]);
    late.offer(0);
    assert_eq!(late.answered(), "rimnet");
    let told = late.finish();
    assert!(matches!(told[..], [Heard::Closed(SESSION, CloseReason::Ended)]), "{told:?}");
    // It comes after all: too late to be started.
    late.outcome.send(Ok(())).expect("listened to");
    while !late.ledger.awake().0.is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(late.condition(0), ModelCondition::Loading);
    assert_eq!(late.ledger.unbalanced(), []);
}

/// A shadow that comes late is one: who decides goes on deciding.
#[test]
fn a_bundle_behind_one_of_the_binary_comes_as_a_shadow() {
    let late = Late::with(&["rimnet", "toy"]);
    assert_eq!(late.condition(0), ModelCondition::Ready, "what is in the binary is there at once");
    late.outcome.send(Ok(())).expect("listened to");
    assert_eq!(late.settled(1), ModelCondition::Ready);
    late.offer(0);
    let told = late.finish();
    let who =
        |wanted: fn(&Heard) -> Option<&str>| told.iter().filter_map(wanted).collect::<Vec<_>>();
    let decided = who(|told| match told {
        Heard::Answer(answer) => Some(&answer.model.bundle),
        Heard::Shadow(_) | Heard::Closed(..) => None,
    });
    let compared = who(|told| match told {
        Heard::Shadow(answer) => Some(&answer.model.bundle),
        Heard::Answer(_) | Heard::Closed(..) => None,
    });
    assert_eq!((decided, compared), (vec!["rimnet"], vec!["toy"]));
}
