//! Models at work behind their hops: toy networks, engines that play a script, courts that come and
//! go.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::answer::RimAnswer;
use crate::clock::ManualClock;
use crate::detect::RunBy;
use crate::detect::engine::InstalledEngines;
use crate::detect::engine::contract::{Engine, EngineError, EngineNews, Look, Placement, Said};
use crate::mailbox::{Mailbox, Take, Tally, WhenFull, hops};
use crate::media::{
    ChromaLayout, CloseReason, CpuPicture, DevicePicture, DevicePixels, Frame, HostCopies,
    MediaTime, Monotonic, Pixels, Plane, RimBox, SessionId, UtcTime,
};

/// What a sink is told, in order.
#[derive(Debug)]
pub(super) enum Heard {
    Answer(RimAnswer),
    Shadow(RimAnswer),
    Closed(SessionId, CloseReason),
}

pub(super) struct Sink(pub(super) Mailbox<Heard>);

impl AnswerSink for Sink {
    fn answer(&self, answer: RimAnswer) {
        self.0.offer(Heard::Answer(answer));
    }
    fn session_closed(&self, _: &CourtId, session: SessionId, reason: CloseReason) {
        self.0.offer(Heard::Closed(session, reason));
    }
    fn shadow(&self, answer: RimAnswer) {
        self.0.offer(Heard::Shadow(answer));
    }
}

/// A picture of one shade.
#[derive(Debug)]
struct Shade(Vec<u8>, usize);

impl CpuPicture for Shade {
    fn chroma(&self) -> ChromaLayout {
        ChromaLayout::Nv12
    }
    fn plane(&self, index: usize) -> Option<Plane<'_>> {
        (index == 0).then_some(Plane { bytes: &self.0, stride: self.1 })
    }
}

pub(super) const SESSION: SessionId = SessionId::from_bits(1);

pub(super) fn court() -> CourtId {
    CourtId::new("north").expect("name")
}

pub(super) fn frame(session: SessionId, ms: i64, size: (u32, u32), shade: u8) -> Arc<Frame> {
    frame_of(&court(), session, ms, size, shade)
}

fn frame_of(
    court: &CourtId,
    session: SessionId,
    ms: i64,
    size: (u32, u32),
    shade: u8,
) -> Arc<Frame> {
    let bytes = vec![shade; (size.0 * size.1) as usize];
    Arc::new(Frame {
        court: court.clone(),
        session,
        pts: MediaTime::from_millis(ms),
        width: size.0,
        height: size.1,
        arrival: Monotonic::ZERO,
        decoded: Monotonic::ZERO,
        pixels: Pixels::Cpu(Box::new(Shade(bytes, size.0 as usize))),
    })
}

pub(super) const HD: (u32, u32) = (128, 72);
pub(super) const RIM: RimBox = RimBox { x: 60.0, y: 20.0, w: 8.0, h: 4.0 };

/// `Detect` on bundles of `tests/data/models`, with what its sink was told.
struct Tested {
    detect: Detect,
    ledger: Ledger,
    told: Mailbox<Heard>,
}

pub(super) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models")
}

impl Tested {
    fn with(bundles: &[&str], rims: &[RimBox]) -> Self {
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
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(UtcTime::from_nanos(0)));
        let engines = InstalledEngines::new(Arc::clone(&clock));
        let rims = CourtRims { court: court(), rims: rims.to_vec(), rims_of: Some(HD) };
        let mut detect = Detect::load(&settings, &[rims], &ledger, clock, &engines);
        // Tests hand in more frames at once than a live hop holds.
        let models = &mut detect.roster.get_mut().models;
        for model in models.iter_mut().filter_map(Model::named_mut).map(|(_, loaded)| loaded) {
            let hop = format!("model:{}", model.bundle.name);
            model.frames =
                FrameMailbox::new(&[court()], 1_000, |court| ledger.hop(court.as_str(), &hop));
        }
        let told = Mailbox::new(10_000, WhenFull::DropNewest, Tally::default());
        Self { detect, ledger, told }
    }

    fn script(&mut self, engine: impl Engine + 'static) {
        let first = self.detect.roster.get_mut().models.iter_mut().find_map(Model::named_mut);
        first.expect("a bundle").1.engine = Some(Box::new(engine));
    }

    fn start(&mut self) {
        let sink: Arc<dyn AnswerSink> = Arc::new(Sink(self.told.clone()));
        self.detect.start(&sink, &mut |_| ModelMeters::default()).expect("threads");
    }

    fn offer(&self, frame: &Arc<Frame>) {
        for feed in self.detect.feeds() {
            feed.frames.offer(Arc::clone(frame));
        }
    }

    /// Lets the flow run dry and returns what was told.
    fn finish(&mut self) -> Vec<Heard> {
        for feed in self.detect.feeds() {
            feed.frames.session_closed(&court(), SESSION, CloseReason::Ended);
            feed.frames.close();
        }
        self.detect.join();
        assert_eq!(self.ledger.unbalanced(), []);
        let mut all = Vec::new();
        while let Take::Item(told) = self.told.take(Duration::ZERO) {
            all.push(told);
        }
        all
    }
}

/// The toy's logits come back from its probabilities: differences to the last, which is 0.
fn toy_said(answer: &RimAnswer) -> [f32; 3] {
    let says = answer.says;
    [says.none, says.under_way, says.made].map(|p| (p / says.missed).ln())
}

fn near(found: [f32; 3], wanted: [f32; 3]) -> bool {
    found.iter().zip(&wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-3)
}

#[test]
fn states_carry_from_frame_to_frame_for_each_rim_and_start_anew_after_a_gap() {
    let mut tested = Tested::with(&["toy"], &[RIM, RIM]);
    tested.start();
    // (ms, frames that the state has seen, seconds since the last, warming)
    let rows = [
        (0, 0.0, 0.0, true),
        (40, 1.0, 0.04, true),
        (80, 2.0, 0.04, false),
        (280, 3.0, 0.2, false),
        (600, 0.0, 0.0, true),
        (640, 1.0, 0.04, true),
    ];
    for (ms, ..) in rows {
        tested.offer(&frame(SESSION, ms, HD, 51));
    }
    let told = tested.finish();
    for (index, (ms, seen, dt, warming)) in rows.into_iter().enumerate() {
        for rim in 0..2 {
            let Some(Heard::Answer(answer)) = told.get(index * 2 + rim) else { panic!("{told:?}") };
            assert_eq!(answer.pts, MediaTime::from_millis(ms));
            assert_eq!(usize::from(answer.rim.0), rim);
            assert_eq!(answer.warming, warming, "at {ms} ms");
            // 51 / 255 = 0.2, whatever the crop.
            let said = toy_said(answer);
            assert!(near(said, [0.2, seen, dt]), "at {ms} ms: {said:?}");
        }
    }
    let last = told.last();
    assert!(matches!(last, Some(Heard::Closed(SESSION, CloseReason::Ended))), "{last:?}");
}

#[test]
fn another_size_of_picture_is_scaled_and_another_aspect_is_a_fault() {
    let mut tested = Tested::with(&["toy"], &[RIM]);
    tested.start();
    tested.offer(&frame(SESSION, 0, HD, 51));
    tested.offer(&frame(SESSION, 40, (256, 144), 51));
    tested.offer(&frame(SESSION, 80, (96, 72), 51));
    let told = tested.finish();
    let answers = told.iter().filter(|told| matches!(told, Heard::Answer(_))).count();
    assert_eq!(answers, 2);
    let faults = tested.detect.faults();
    assert!(faults[0].1.contains("drawn on a picture of 128x72"), "{faults:?}");
}

#[test]
fn a_bundle_that_cannot_be_used_is_told_and_the_next_one_is_live() {
    let mut tested = Tested::with(&["nan", "wide", "gone", "toy", "toy"], &[RIM]);
    tested.start();
    tested.offer(&frame(SESSION, 0, HD, 51));
    let told = tested.finish();
    assert!(matches!(told.first(), Some(Heard::Answer(_))), "{told:?}");
    let state = tested.detect.status();
    let data = data().display().to_string();
    let lines: Vec<String> = state
        .bundles
        .iter()
        .map(|model| {
            let reason = model.reason.as_deref().unwrap_or("-").replace(&data, "MODELS");
            format!("{} {}: {reason}", model.name, model.condition)
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn without_a_model_every_court_says_why_nothing_is_called() {
    let tested = Tested::with(&["gone"], &[RIM]);
    assert!(tested.detect.feeds().is_empty());
    let faults = tested.detect.faults();
    assert!(faults[0].1.starts_with("no calls: no model could be loaded: no bundle `gone`"));
}

#[test]
fn bundles_behind_the_first_are_shadows() {
    let mut tested = Tested::with(&["toy", "shade"], &[RIM]);
    tested.start();
    tested.offer(&frame(SESSION, 0, HD, 51));
    let told = tested.finish();
    let count = |wanted: fn(&Heard) -> bool| told.iter().filter(|told| wanted(told)).count();
    assert_eq!(count(|told| matches!(told, Heard::Answer(_))), 1);
    assert_eq!(
        count(|told| matches!(told, Heard::Shadow(answer) if answer.model.bundle == "shade")),
        1
    );
    assert_eq!(count(|told| matches!(told, Heard::Closed(..))), 1);
}

/// Plays a script: one entry a step, then the last one for ever.
struct Scripted {
    steps: Vec<Play>,
    at: usize,
    resets: Arc<Mutex<u32>>,
}

fn said(values: &[f32]) -> Said {
    let (prepared, ran) = (Duration::ZERO, Duration::ZERO);
    Said { tensors: vec![values.to_vec()], prepared, ran }
}

#[derive(Clone, Copy)]
enum Play {
    Logits([f32; 4]),
    Fail,
    Panic,
}

impl Engine for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }
    fn set_slots(&mut self, _: usize) -> Result<(), EngineError> {
        Ok(())
    }
    fn place(&mut self, _: usize, _: Placement) -> Result<(), EngineError> {
        Ok(())
    }
    fn reset(&mut self, _: usize) {
        *self.resets.lock() += 1;
    }
    fn run(&mut self, looks: &[Look<'_>], told: &mut dyn FnMut(usize, Result<Said, EngineError>)) {
        for index in 0..looks.len() {
            let play = self.steps.get(self.at).or(self.steps.last()).copied();
            self.at += 1;
            let said = match play {
                Some(Play::Logits(logits)) => Ok(said(&logits)),
                Some(Play::Panic) => panic!("scripted"),
                Some(Play::Fail) | None => {
                    let problem = "out of tune".to_owned();
                    Err(EngineError::Run { engine: "scripted", problem })
                }
            };
            told(index, said);
        }
    }
}

fn played(steps: Vec<Play>, frames: i64) -> (Vec<Heard>, Tested, u32) {
    let resets = Arc::new(Mutex::new(0));
    let mut tested = Tested::with(&["toy"], &[RIM]);
    tested.script(Scripted { steps, at: 0, resets: Arc::clone(&resets) });
    for n in 0..frames {
        tested.offer(&frame(SESSION, n * 40, HD, 51));
    }
    tested.start();
    let told = tested.finish();
    let resets = *resets.lock();
    (told, tested, resets)
}

#[test]
fn an_answer_that_is_no_number_is_an_error_and_the_state_starts_anew() {
    let good = Play::Logits([0.0; 4]);
    let nan = Play::Logits([0.0, f32::NAN, 0.0, 0.0]);
    let (told, tested, resets) = played(vec![good, nan, good, good, good, good], 6);
    let warming: Vec<bool> = told
        .iter()
        .filter_map(|told| match told {
            Heard::Answer(answer) => Some(answer.warming),
            Heard::Shadow(_) | Heard::Closed(..) => None,
        })
        .collect();
    assert_eq!(warming, [true, true, true, false, false]);
    assert_eq!(resets, 2);
    assert_eq!(tested.detect.status().bundles[0].condition, ModelCondition::Ready);
}

#[test]
fn a_model_that_fails_without_end_is_put_out_and_what_it_began_is_closed() {
    let (told, tested, _) = played(vec![Play::Logits([0.0; 4]), Play::Fail], 100);
    assert!(matches!(told[..], [Heard::Answer(_), Heard::Closed(SESSION, CloseReason::Shutdown)]));
    let state = tested.detect.status();
    insta::assert_snapshot!(
        state.bundles[0].reason.as_deref().unwrap_or_default(),
        @"toy 0.1.0 was put out: 30 frames in a row failed: the engine `scripted` failed: out of tune; install another bundle or version, then restart courtside"
    );
    assert_eq!(state.bundles[0].condition, ModelCondition::Stopped);
    assert!(tested.detect.faults()[0].1.starts_with("no calls: toy 0.1.0 was put out"));
}

#[test]
fn a_panic_of_the_engine_stays_in_its_model() {
    let (told, tested, _) = played(vec![Play::Logits([0.0; 4]), Play::Panic], 10);
    assert!(matches!(told[..], [Heard::Answer(_), Heard::Closed(SESSION, _)]), "{told:?}");
    let reason = tested.detect.status().bundles[0].reason.clone().unwrap_or_default();
    assert!(reason.contains("it panicked: scripted"), "{reason}");
}

/// A frame's rims are one batch; what one look cannot say costs the others nothing.
#[test]
fn a_rim_without_an_answer_costs_the_other_rim_nothing() {
    let mut tested = Tested::with(&["toy"], &[RIM, RIM]);
    let steps = vec![Play::Fail, Play::Logits([0.0; 4])];
    tested.script(Scripted { steps, at: 0, resets: Arc::default() });
    tested.start();
    tested.offer(&frame(SESSION, 0, HD, 51));
    tested.offer(&frame(SESSION, 40, HD, 51));
    let told = tested.finish();
    let rims: Vec<(i64, u16)> = told
        .iter()
        .filter_map(|told| match told {
            Heard::Answer(answer) => Some((answer.pts.as_nanos() / 1_000_000, answer.rim.0)),
            Heard::Shadow(_) | Heard::Closed(..) => None,
        })
        .collect();
    assert_eq!(rims, [(0, 1), (40, 0), (40, 1)]);
}

/// The finder's net answers in a script: a ring at its box, then elsewhere.
struct Rings {
    looks: usize,
    moved_from: usize,
}

impl Engine for Rings {
    fn name(&self) -> &'static str {
        "scripted"
    }
    fn set_slots(&mut self, _: usize) -> Result<(), EngineError> {
        Ok(())
    }
    fn place(&mut self, _: usize, _: Placement) -> Result<(), EngineError> {
        Ok(())
    }
    fn reset(&mut self, _: usize) {}
    fn run(&mut self, looks: &[Look<'_>], told: &mut dyn FnMut(usize, Result<Said, EngineError>)) {
        for index in 0..looks.len() {
            // Cells of 8 pixels of 640 × 360, five to a pixel of the picture; a ring 40 wide.
            let column = if self.looks < self.moved_from { 40 } else { 60 };
            let mut found = vec![0.0; 5 * 45 * 80];
            found[..45 * 80].fill(-6.0);
            let values = [4.0, 0.0, 0.0, (40.0_f32 / 16.0).ln(), (20.0_f32 / 16.0).ln()];
            for (map, value) in values.into_iter().enumerate() {
                found[(map * 45 + 14) * 80 + column] = value;
            }
            self.looks += 1;
            told(index, Ok(said(&found)));
        }
    }
}

/// The finder goes the way of every model: files, hop, worker, engine.
#[test]
fn the_finder_is_a_model_like_any_other_and_tells_of_a_moved_camera() {
    let ledger = Ledger::new();
    let settings = DetectSettings {
        bundles: Vec::new(),
        finder: true,
        search: Vec::new(),
        device: "auto".to_owned(),
        kept: None,
        parcels: None,
        least_queue_frames: 0,
    };
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(UtcTime::from_nanos(0)));
    let engines = InstalledEngines::new(Arc::clone(&clock));
    // Centre 64, 22.4 in 128 × 72: 320, 112 in the input, column 40, row 14.
    let rim = RimBox { x: 60.0, y: 20.4, w: 8.0, h: 4.0 };
    let rims = CourtRims { court: court(), rims: vec![rim], rims_of: Some(HD) };
    let bare = CourtId::new("south").expect("name");
    let none = CourtRims { court: bare.clone(), rims: Vec::new(), rims_of: None };
    let mut detect = Detect::load(&settings, &[rims, none], &ledger, clock, &engines);
    let Finder::Loaded(finder) = &mut detect.roster.get_mut().finder else { panic!("none") };
    finder.frames =
        FrameMailbox::new(&[court()], 100, |court| ledger.hop(court.as_str(), hops::FINDER));
    finder.engine = Some(Box::new(Rings { looks: 0, moved_from: 20 }));
    let feeds = detect.feeds();
    assert_eq!((feeds.len(), feeds[0].rates), (1, Some([1.0, 1.0])));
    let frames = feeds[0].frames.clone();
    assert!(!frames.serves(&bare), "it looks where rims are drawn");
    let told = Mailbox::new(10, WhenFull::DropNewest, Tally::default());
    let sink: Arc<dyn AnswerSink> = Arc::new(Sink(told.clone()));
    detect.start(&sink, &mut |_| ModelMeters::default()).expect("threads");
    for n in 0..30 {
        frames.offer(frame(SESSION, n * 1_000, HD, 51));
    }
    frames.close();
    // Nobody joins it: it has told when it lets go of what it tells in.
    while Arc::strong_count(&detect.moved) > 1 {
        std::thread::yield_now();
    }
    let moved = detect.moved(&court()).expect("it was moved");
    assert_eq!((moved.rim, moved.drawn), (0, rim));
    assert!((moved.now.x - 92.0).abs() < 0.1, "{moved:?}");
    assert_eq!(detect.status().bundles, []);
    assert_eq!(ledger.unbalanced(), []);
    assert_eq!(ledger.hop("north", hops::FINDER).count().taken, 30);
}

/// A court is added, changed and taken away; the other one's state goes on, picture by picture.
#[test]
fn courts_come_and_go_and_no_other_court_notices() {
    let mut tested = Tested::with(&["toy"], &[RIM]);
    tested.start();
    let south = CourtId::new("south").expect("name");
    let drawn = |rims: &[RimBox]| CourtRims {
        court: south.clone(),
        rims: rims.to_vec(),
        rims_of: Some(HD),
    };
    let both = |tested: &Tested, times: std::ops::Range<i64>| {
        for n in times {
            tested.offer(&frame(SESSION, n * 40, HD, 51));
            tested.offer(&frame_of(&south, SESSION, n * 40, HD, 51));
        }
    };
    both(&tested, 0..1);
    tested.detect.open_court(&drawn(&[RIM]));
    both(&tested, 1..3);
    tested.detect.open_court(&drawn(&[RIM, RIM]));
    both(&tested, 3..4);
    assert!(tested.detect.close_court(&south), "the sink is told");
    both(&tested, 4..5);
    let told = tested.finish();
    let seen = |wanted: &CourtId| -> Vec<(u16, i64)> {
        let of = |told: &Heard| match told {
            Heard::Answer(answer) if answer.court == *wanted => {
                #[expect(clippy::cast_possible_truncation, reason = "a few frames")]
                let frames = toy_said(answer)[1].round() as i64;
                Some((answer.rim.0, frames))
            }
            Heard::Answer(_) | Heard::Shadow(_) | Heard::Closed(..) => None,
        };
        told.iter().filter_map(of).collect()
    };
    assert_eq!(seen(&court()), [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4)]);
    assert_eq!(seen(&south), [(0, 0), (0, 1), (0, 0), (1, 0)]);
    // What was begun before the court was changed, and before it went, was closed.
    let ends = told.iter().filter(|told| matches!(told, Heard::Closed(_, CloseReason::Shutdown)));
    assert_eq!(ends.count(), 2);
    assert_eq!(tested.detect.rings().keys().collect::<Vec<_>>(), [&court()]);
    let count = tested.ledger.hop("south", "model:toy").count();
    assert_eq!((count.offered, count.taken), (3, 3));
}

/// Likes many looks at once, and notes those that it is given: courts and slots of each batch.
struct Batches {
    seen: Arc<Mutex<Vec<Vec<(String, usize)>>>>,
    /// Says nothing of the last look of a batch.
    silent: bool,
}

impl Engine for Batches {
    fn name(&self) -> &'static str {
        "scripted"
    }
    fn most_looks(&self) -> usize {
        3
    }
    fn set_slots(&mut self, _: usize) -> Result<(), EngineError> {
        Ok(())
    }
    fn place(&mut self, _: usize, _: Placement) -> Result<(), EngineError> {
        Ok(())
    }
    fn reset(&mut self, _: usize) {}
    fn run(&mut self, looks: &[Look<'_>], told: &mut dyn FnMut(usize, Result<Said, EngineError>)) {
        let batch = looks.iter().map(|look| (look.frame.court.to_string(), look.slot));
        self.seen.lock().push(batch.collect());
        // In any order.
        for index in (0..looks.len()).rev().skip(usize::from(self.silent)) {
            told(index, Ok(said(&[0.0; 4])));
        }
    }
}

#[test]
fn frames_of_several_courts_that_wait_are_one_batch() {
    let mut tested = Tested::with(&["toy"], &[RIM, RIM]);
    let seen = Arc::<Mutex<Vec<Vec<(String, usize)>>>>::default();
    tested.script(Batches { seen: Arc::clone(&seen), silent: false });
    let courts = ["south", "west"].map(|name| CourtId::new(name).expect("name"));
    for court in &courts {
        let (court, rims) = (court.clone(), vec![RIM]);
        tested.detect.open_court(&CourtRims { court, rims, rims_of: Some(HD) });
    }
    for ms in [0, 40] {
        tested.offer(&frame(SESSION, ms, HD, 51));
        for court in &courts {
            tested.offer(&frame_of(court, SESSION, ms, HD, 51));
        }
    }
    tested.start();
    let told = tested.finish();
    let seen = seen.lock().clone();
    // The courts that came are opened on the way; each court's frames keep their order, no batch
    // has two of one court, and three looks are enough.
    assert!(
        seen.iter().any(|batch| {
            let courts: Vec<&str> = batch.iter().map(|(court, _)| court.as_str()).collect();
            batch.len() == 3 && courts[0] == courts[1] && courts[1] != courts[2]
        }),
        "{seen:?}"
    );
    for batch in &seen {
        let slots: std::collections::BTreeSet<usize> =
            batch.iter().map(|(_, slot)| *slot).collect();
        assert_eq!(slots.len(), batch.len(), "{seen:?}");
    }
    assert_eq!(seen.iter().map(Vec::len).sum::<usize>(), 8);
    for court in courts.iter().chain([&court()]) {
        let times: Vec<i64> = told
            .iter()
            .filter_map(|told| match told {
                Heard::Answer(answer) if answer.court == *court && answer.rim.0 == 0 => {
                    Some(answer.pts.as_nanos() / 1_000_000)
                }
                Heard::Answer(_) | Heard::Shadow(_) | Heard::Closed(..) => None,
            })
            .collect();
        assert_eq!(times, [0, 40], "{court}");
    }
}

/// Says after its first batch that another one runs it.
struct Changes(u32);

impl Engine for Changes {
    fn name(&self) -> &'static str {
        "scripted"
    }
    fn set_slots(&mut self, _: usize) -> Result<(), EngineError> {
        Ok(())
    }
    fn place(&mut self, _: usize, _: Placement) -> Result<(), EngineError> {
        Ok(())
    }
    fn reset(&mut self, _: usize) {}
    fn run(&mut self, looks: &[Look<'_>], told: &mut dyn FnMut(usize, Result<Said, EngineError>)) {
        self.0 += 1;
        (0..looks.len()).for_each(|look| told(look, Ok(said(&[0.0; 4]))));
    }
    fn news(&mut self) -> Option<EngineNews> {
        (self.0 == 1).then_some(EngineNews {
            engine: "another",
            file: None,
            advice: None,
            provisional: false,
        })
    }
}

#[test]
fn times_are_counted_as_those_of_the_engine_that_took_over() {
    let mut tested = Tested::with(&["toy"], &[RIM]);
    tested.script(Changes(0));
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let listener = Arc::clone(&asked);
    let sink: Arc<dyn AnswerSink> = Arc::new(Sink(tested.told.clone()));
    let meters = move |engine: &str| {
        listener.lock().push(engine.to_owned());
        ModelMeters::default()
    };
    let run_by = RunBy(Some(Arc::new(meters)));
    let mut meters = |_: &_| ModelMeters { run_by: run_by.clone(), ..ModelMeters::default() };
    tested.detect.start(&sink, &mut meters).expect("threads");
    for ms in [0, 40, 80] {
        tested.offer(&frame(SESSION, ms, HD, 51));
    }
    tested.finish();
    assert_eq!(*asked.lock(), ["another"], "once, when it changed");
}

#[test]
fn two_precisions_of_one_bundle_have_a_hop_each() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let settings = DetectSettings {
        bundles: vec!["rimnet".to_owned(), "rimnet:fp16".to_owned()],
        search: vec![models],
        finder: false,
        device: "auto".to_owned(),
        kept: None,
        parcels: None,
        least_queue_frames: 0,
    };
    let ledger = Ledger::new();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(UtcTime::from_nanos(0)));
    let engines = InstalledEngines::new(Arc::clone(&clock));
    let rims = CourtRims { court: court(), rims: vec![RIM], rims_of: Some(HD) };
    let detect = Detect::load(&settings, &[rims], &ledger, clock, &engines);
    let state = detect.status().bundles;
    assert!(state.iter().all(|model| model.reason.is_none()), "{state:?}");
    for feed in detect.feeds() {
        feed.frames.offer(frame(SESSION, 0, HD, 51));
    }
    let offered =
        ["model:rimnet", "model:rimnet.2"].map(|hop| ledger.hop("north", hop).count().offered);
    assert_eq!(offered, [1, 1]);
}

#[test]
fn a_look_of_which_nothing_is_said_is_a_failure() {
    let mut tested = Tested::with(&["toy"], &[RIM]);
    tested.script(Batches { seen: Arc::default(), silent: true });
    for n in 0..40 {
        tested.offer(&frame(SESSION, n * 40, HD, 51));
    }
    tested.start();
    let told = tested.finish();
    assert!(matches!(told[..], [Heard::Closed(SESSION, CloseReason::Shutdown)]), "{told:?}");
    let reason = tested.detect.status().bundles[0].reason.clone().unwrap_or_default();
    assert!(reason.contains("the engine said nothing of 1 views"), "{reason}");
}

/// A picture in the memory of a device that nobody has.
#[derive(Debug)]
struct OnDevice(u8);

impl DevicePicture for OnDevice {
    fn memory(&self) -> &'static str {
        "scripted"
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
    fn copy_to_cpu(&self) -> Result<Box<dyn CpuPicture>, String> {
        Ok(Box::new(Shade(vec![self.0; 128 * 72], 128)))
    }
}

/// Reads frames of its device in place.
struct ReadsInPlace;

impl Engine for ReadsInPlace {
    fn name(&self) -> &'static str {
        "scripted"
    }
    fn set_slots(&mut self, _: usize) -> Result<(), EngineError> {
        Ok(())
    }
    fn place(&mut self, _: usize, _: Placement) -> Result<(), EngineError> {
        Ok(())
    }
    fn reset(&mut self, _: usize) {}
    fn run(&mut self, looks: &[Look<'_>], told: &mut dyn FnMut(usize, Result<Said, EngineError>)) {
        for (index, look) in looks.iter().enumerate() {
            let Pixels::Device(pixels) = &look.frame.pixels else { panic!("on the CPU") };
            let picture = pixels.picture().as_any().downcast_ref::<OnDevice>();
            let shade = f32::from(picture.expect("of this device").0) / 255.0;
            told(index, Ok(said(&[shade, 0.0, 0.0, 0.0])));
        }
    }
}

#[test]
fn frames_on_a_device_are_read_there_or_copied_once_for_all_who_cannot() {
    let on_device = |copies: &Arc<HostCopies>, ms: i64| {
        let on_cpu = frame(SESSION, ms, HD, 0);
        let pixels = DevicePixels::new(Box::new(OnDevice(51)), Arc::clone(copies));
        Arc::new(Frame {
            court: on_cpu.court.clone(),
            pixels: Pixels::Device(pixels),
            ..Arc::into_inner(on_cpu).expect("alone")
        })
    };
    let answers = |tested: &mut Tested| -> Vec<f32> {
        let of = |told: Heard| match told {
            Heard::Answer(answer) | Heard::Shadow(answer) => Some(toy_said(&answer)[0]),
            Heard::Closed(..) => None,
        };
        tested.finish().into_iter().filter_map(of).collect()
    };
    // An engine of that device: no pixel passes through the CPU.
    let copies = Arc::new(HostCopies::at_most(4));
    let mut tested = Tested::with(&["toy"], &[RIM, RIM]);
    tested.script(ReadsInPlace);
    tested.start();
    tested.offer(&on_device(&copies, 0));
    let said = answers(&mut tested);
    assert!(said.len() == 2 && said.iter().all(|said| (said - 0.2).abs() < 1e-3), "{said:?}");
    assert_eq!(copies.made(), 0);
    // Engines of the CPU: one copy for two models of two rims.
    let mut tested = Tested::with(&["toy", "shade"], &[RIM, RIM]);
    tested.start();
    tested.offer(&on_device(&copies, 0));
    let said = answers(&mut tested);
    assert!(said.len() == 4 && said.iter().all(|said| (said - 0.2).abs() < 1e-3), "{said:?}");
    assert_eq!((copies.made(), copies.held()), (1, 0));
}
