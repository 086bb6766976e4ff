//! Engines that play a script: who answers when one fails, and what is remembered.

use std::cell::RefCell;
use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::clock::{ManualClock, SystemClock};
use crate::detect::engine::contract::EngineFound;
use crate::detect::engine::making::PATIENCE;
use crate::detect::engine::parity::{bundle, place, scene};
use crate::detect::settings::EngineWish;
use crate::media::UtcTime;

/// What goes wrong in a better engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Its run fails, and what the slots remember can be had.
    Error,
    /// Its run fails for the second half of a batch.
    Half,
    /// The device is lost with all that was on it.
    Lost,
    Panic,
    NaN,
    Silent,
    /// One picture cannot be read: nobody's fault.
    Picture,
    /// Its run, and whoever places it, does not return until it is let go.
    Hang,
    /// Whoever makes it does not.
    Makes,
}

#[derive(Debug)]
struct Script {
    fault: Fault,
    made: u32,
    cannot_be_made: Option<bool>,
    /// It is there, and does not run this network.
    refuses: bool,
    /// The file that it runs.
    file: Option<FileRun>,
    /// It hangs, and was not let go.
    hanging: bool,
    /// Who makes it is to say a word.
    word: bool,
    /// How often it was asked what a slot remembers.
    asked: usize,
    /// Seconds since the last look, as it was last told.
    dt_seconds: f32,
}

impl Script {
    fn new() -> Arc<Mutex<Self>> {
        let (fault, cannot_be_made, hanging) = (Fault::None, None, false);
        Arc::new(Mutex::new(Self {
            fault,
            made: 0,
            cannot_be_made,
            refuses: false,
            file: None,
            hanging,
            word: false,
            asked: 0,
            dt_seconds: 0.0,
        }))
    }
}

/// Waits for what another thread is about to do.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let clock = SystemClock::new();
    let began = clock.monotonic();
    while !done() {
        let waited = clock.monotonic().since(began);
        assert!(waited < Duration::from_secs(30), "{what} in 30 s");
        std::thread::yield_now();
    }
}

/// Counts the looks of each slot, and says so.
struct Scripted {
    name: &'static str,
    script: Arc<Mutex<Script>>,
    slots: Vec<f32>,
}

impl Engine for Scripted {
    fn name(&self) -> &'static str {
        self.name
    }

    fn file(&self) -> Option<FileRun> {
        self.script.lock().file.clone()
    }

    fn set_slots(&mut self, slots: usize) -> Result<(), EngineError> {
        self.slots.resize(slots, 0.0);
        Ok(())
    }

    fn place(&mut self, _slot: usize, _placement: Placement) -> Result<(), EngineError> {
        if self.script.lock().fault == Fault::Hang {
            self.hang();
        }
        Ok(())
    }

    fn reset(&mut self, slot: usize) {
        self.slots[slot] = 0.0;
    }

    fn run(&mut self, looks: &[Look<'_>], told: &mut dyn FnMut(usize, Result<Said, EngineError>)) {
        let fault = self.script.lock().fault;
        if fault == Fault::Hang {
            self.hang();
        }
        for (at, look) in looks.iter().enumerate() {
            self.script.lock().dt_seconds = look.dt_seconds;
            let failed =
                || EngineError::Run { engine: self.name, problem: "as written".to_owned() };
            match fault {
                Fault::Error | Fault::Lost => told(at, Err(failed())),
                Fault::Half if 2 * at >= looks.len() => told(at, Err(failed())),
                Fault::Picture => {
                    told(at, Err(EngineError::Picture { problem: "torn".to_owned() }));
                }
                Fault::Panic => panic!("as written"),
                Fault::Silent => {}
                Fault::None | Fault::Half | Fault::NaN | Fault::Hang | Fault::Makes => {
                    self.slots[look.slot] += 1.0;
                    let count = if fault == Fault::NaN { f32::NAN } else { self.slots[look.slot] };
                    let tensors = vec![vec![count, 0.0, 0.0, 0.0]];
                    let (prepared, ran) = (Duration::ZERO, Duration::ZERO);
                    told(at, Ok(Said { tensors, prepared, ran }));
                }
            }
        }
    }

    fn state(&mut self, slot: usize) -> Option<SlotState> {
        self.script.lock().asked += 1;
        let count = self.slots.get(slot)?;
        (self.script.lock().fault != Fault::Lost).then(|| vec![vec![*count]])
    }

    fn take_over(&mut self, slot: usize, state: &SlotState) -> Result<(), EngineError> {
        self.slots[slot] = state[0][0];
        Ok(())
    }
}

impl Scripted {
    fn hang(&self) {
        self.script.lock().hanging = true;
        until("it is let go", || !self.script.lock().hanging);
    }
}

struct Makes(&'static str, Arc<Mutex<Script>>);

impl Maker for Makes {
    fn name(&self) -> &'static str {
        self.0
    }

    fn is_wanted(&self, _wish: EngineWish) -> bool {
        true
    }

    fn found(&self) -> EngineFound {
        EngineFound { name: self.0, about: "scripted".to_owned() }
    }

    fn make(&self, _: &Bundle, told: &dyn Fn(String)) -> Result<Box<dyn Engine>, EngineError> {
        told("built: 50 %".to_owned());
        if self.1.lock().fault == Fault::Makes {
            self.1.lock().hanging = true;
            until("it is let go", || {
                let mut script = self.1.lock();
                if std::mem::take(&mut script.word) {
                    told("built: 51 %".to_owned());
                }
                !script.hanging
            });
        }
        let mut script = self.1.lock();
        script.made += 1;
        if script.refuses {
            let (file, problem) = ("x.onnx".to_owned(), "no such operator".to_owned());
            return Err(EngineError::Unsupported { engine: self.0, file, problem });
        }
        if let Some(for_good) = script.cannot_be_made {
            let problem = "not here".to_owned();
            return Err(match for_good {
                true => EngineError::Absent { problem },
                false => EngineError::Run { engine: self.0, problem },
            });
        }
        Ok(Box::new(Scripted { name: self.0, script: Arc::clone(&self.1), slots: Vec::new() }))
    }
}

thread_local! {
    /// What is made beside, until the test lets it be made.
    static LATER: RefCell<Vec<Box<dyn FnOnce() + Send>>> = RefCell::default();
}

/// Makes all that waits.
fn make() {
    let waiting = LATER.with(|later| std::mem::take(&mut *later.borrow_mut()));
    waiting.into_iter().for_each(|work| work());
}

/// The same on a thread that may hang.
fn make_beside() -> std::thread::JoinHandle<()> {
    let waiting = LATER.with(|later| std::mem::take(&mut *later.borrow_mut()));
    std::thread::spawn(|| waiting.into_iter().for_each(|work| work()))
}

/// How long an engine may say nothing.
const SILENCE: Duration = Duration::from_millis(250);

/// Two better engines, `first` and `second`, above `last`.
struct Rig {
    engine: FallOver,
    clock: Arc<ManualClock>,
    scripts: Vec<Arc<Mutex<Script>>>,
    t: usize,
}

impl Rig {
    fn new(asked_for: bool) -> Self {
        Self::that_waits(Some(SILENCE), asked_for)
    }

    fn that_waits(silence: Option<Duration>, asked_for: bool) -> Self {
        let clock = Arc::new(ManualClock::at(UtcTime::from_nanos(0)));
        let scripts = vec![Script::new(), Script::new(), Script::new()];
        let maker =
            |name, at: usize| -> Arc<dyn Maker> { Arc::new(Makes(name, Arc::clone(&scripts[at]))) };
        let last = Scripted { name: "last", script: Arc::clone(&scripts[2]), slots: Vec::new() };
        let bundle = Arc::new(bundle("rimnet", "fp32"));
        let mut engine = FallOver::new(Parts {
            better: vec![maker("first", 0), maker("second", 1)],
            last: Box::new(last),
            bundle: Arc::clone(&bundle),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            patience: Patience::USUAL,
            silence,
            beside: |work| {
                LATER.with(|later| later.borrow_mut().push(work));
                Ok(())
            },
            asked_for,
        });
        place(&mut engine, &bundle, 4).expect("placed");
        Self { engine, clock, scripts, t: 0 }
    }

    /// One batch of all slots: who answered, and what each was told.
    fn batch(&mut self) -> Vec<Result<f32, String>> {
        self.t += 1;
        let frame = scene(self.t);
        let looks: Vec<Look<'_>> =
            (0..4).map(|slot| Look { slot, frame: &frame, dt_seconds: 0.04 }).collect();
        let mut told = vec![Vec::new(); 4];
        self.engine.run(&looks, &mut |look, said| {
            told[look].push(said.map(|said| said.tensors[0][0]).map_err(|error| error.to_string()));
        });
        assert!(told.iter().all(|told| told.len() == 1), "each look is told once: {told:?}");
        told.into_iter().flatten().collect()
    }

    /// A batch in which every slot's count is `count`, by `engine`.
    fn counts(&mut self, engine: &str, count: f32) {
        assert_eq!(self.batch(), vec![Ok(count); 4]);
        assert_eq!(self.engine.name(), engine);
    }

    fn fails(&self, which: usize, fault: Fault) {
        self.scripts[which].lock().fault = fault;
    }

    /// One batch, at which `which` hangs; `later` passes meanwhile.
    fn hung(&mut self, which: usize, later: Duration) -> Vec<Result<f32, String>> {
        self.fails(which, Fault::Hang);
        let (clock, script) = (Arc::clone(&self.clock), Arc::clone(&self.scripts[which]));
        let time = std::thread::spawn(move || {
            until("it hangs", || script.lock().hanging);
            clock.advance(later);
        });
        let told = self.batch();
        time.join().expect("time passes");
        told
    }

    fn let_go(&self, which: usize) {
        let mut script = self.scripts[which].lock();
        (script.fault, script.hanging) = (Fault::None, false);
    }

    /// The best runs, after some looks of the last one.
    fn running(asked_for: bool) -> Self {
        Self::on_the_best(Self::new(asked_for))
    }

    fn on_the_best(mut rig: Self) -> Self {
        rig.counts("last", 1.0);
        rig.counts("last", 2.0);
        make();
        rig.counts("first", 3.0);
        rig
    }
}

#[test]
fn nobody_waits_for_a_better_engine_and_it_goes_on_where_the_other_was() {
    let mut rig = Rig::new(false);
    rig.counts("last", 1.0);
    let news = rig.engine.news().expect("one is being made");
    assert_eq!((news.engine, news.provisional), ("last", true));
    let advice = "the engine first is being made: until it is there last runs it";
    assert_eq!(news.advice.as_deref(), Some(advice));
    assert_eq!(rig.engine.news(), None, "is told once");
    rig.counts("last", 2.0);
    make();
    rig.counts("first", 3.0);
    let news = rig.engine.news().expect("it is there");
    assert_eq!(news, EngineNews { engine: "first", file: None, advice: None, provisional: false });
    make();
    rig.counts("first", 4.0);
    assert_eq!(rig.scripts[1].lock().made, 0, "what is worse is not made");
}

/// In the batch in which it fails every look is answered, from what the slot remembered.
#[test]
fn whatever_fails_no_look_is_lost() {
    for fault in [Fault::Error, Fault::Half, Fault::Panic, Fault::NaN, Fault::Silent] {
        let mut rig = Rig::running(false);
        rig.fails(0, fault);
        let told = rig.batch();
        assert!(told.iter().all(|told| matches!(told, Ok(4.0 | 5.0))), "{fault:?}: {told:?}");
        assert_eq!(rig.engine.name(), "last", "{fault:?}");
        let news = rig.engine.news().expect("told");
        assert!(news.advice.is_some_and(|advice| advice.contains("second")), "{fault:?}");
        make();
        rig.batch();
        assert_eq!(rig.engine.name(), "second", "{fault:?}: the next best takes over");
    }
}

/// What the wrapper is for: the engine alone loses all of them, and goes on losing.
#[test]
fn without_another_engine_each_look_fails() {
    let script = Script::new();
    script.lock().fault = Fault::Error;
    let mut alone = Scripted { name: "first", script, slots: vec![0.0; 4] };
    let frame = scene(0);
    for _ in 0..3 {
        let looks = [0, 1, 2, 3].map(|slot| Look { slot, frame: &frame, dt_seconds: 0.04 });
        alone.run(&looks, &mut |_, said| assert!(said.is_err()));
    }
}

#[test]
fn what_went_with_the_device_is_told_once_and_starts_anew() {
    let mut rig = Rig::running(false);
    rig.fails(0, Fault::Lost);
    let told = rig.batch();
    let lost = "the engine `last` failed: what it remembered went with the engine before it";
    assert_eq!(told, vec![Err(lost.to_owned()); 4]);
    (0..4).for_each(|slot| rig.engine.reset(slot));
    rig.counts("last", 1.0);
}

#[test]
fn a_picture_that_cannot_be_read_is_no_engines_fault() {
    let mut rig = Rig::running(false);
    rig.fails(0, Fault::Picture);
    assert!(rig.batch().iter().all(Result::is_err));
    assert_eq!(rig.engine.name(), "first");
    rig.fails(0, Fault::None);
    rig.counts("first", 4.0);
}

#[test]
fn it_comes_back_when_it_is_well() {
    let mut rig = Rig::running(false);
    rig.scripts[1].lock().cannot_be_made = Some(true);
    rig.fails(0, Fault::Error);
    rig.counts("last", 4.0);
    make();
    rig.counts("last", 5.0);
    make();
    rig.counts("last", 6.0);
    let news = rig.engine.news().expect("told").advice.expect("why");
    assert!(
        news.starts_with("the engine first failed (the engine `first` failed: as written)"),
        "{news}"
    );
    assert!(news.ends_with("last runs it, first is tried again soon"), "{news}");
    // It is tried too early, with the fault still there: its trial on a grey picture says so.
    rig.clock.advance(Duration::from_secs(5));
    rig.counts("last", 7.0);
    make();
    rig.counts("last", 8.0);
    assert_eq!(rig.scripts[0].lock().made, 2);
    rig.fails(0, Fault::None);
    rig.clock.advance(Duration::from_secs(9));
    rig.counts("last", 9.0);
    make();
    rig.counts("last", 10.0);
    rig.clock.advance(Duration::from_secs(1));
    rig.counts("last", 11.0);
    make();
    rig.counts("first", 12.0);
    let back = EngineNews { engine: "first", file: None, advice: None, provisional: false };
    assert_eq!(rig.engine.news(), Some(back));
}

#[test]
fn what_cannot_be_had_is_told_to_whoever_asked_for_it() {
    for asked_for in [false, true] {
        let mut rig = Rig::new(asked_for);
        rig.scripts[0].lock().cannot_be_made = Some(true);
        rig.scripts[1].lock().cannot_be_made = Some(true);
        for count in 1..4_u8 {
            rig.counts("last", f32::from(count));
            make();
        }
        rig.clock.advance(Duration::from_secs(1000));
        rig.counts("last", 4.0);
        assert_eq!((rig.scripts[0].lock().made, rig.scripts[1].lock().made), (1, 1), "for good");
        let advice = rig.engine.news().expect("told").advice;
        let told = "the engine first cannot run it (not here): last does".to_owned();
        assert_eq!(advice, asked_for.then_some(told));
    }
}

#[test]
fn slots_that_come_and_go_are_those_of_all_engines() {
    let mut rig = Rig::running(false);
    rig.engine.set_slots(6).expect("room");
    rig.engine.reset(1);
    rig.fails(0, Fault::Error);
    let told = rig.batch();
    assert_eq!(told, [4.0, 1.0, 4.0, 4.0].map(Ok));
    assert_eq!(rig.engine.state(5), Some(vec![vec![0.0]]));
}

/// A driver that is gone does not fail, it waits: its looks are answered all the same, from what its slots
/// remembered lately.
#[test]
fn one_that_never_returns_is_left_and_its_looks_are_answered_from_what_was_copied() {
    let mut rig = Rig::running(false);
    (4..7_u8).for_each(|count| rig.counts("first", f32::from(count)));
    // Four looks of 40 ms are more than half of the gap of 250 ms: what is remembered is copied.
    until("all slots are copied", || rig.scripts[0].lock().asked >= 4);
    rig.counts("first", 7.0);
    assert_eq!(rig.hung(0, SILENCE), vec![Ok(7.0); 4], "one look was not seen");
    assert_eq!(rig.engine.name(), "last");
    let dt = rig.scripts[2].lock().dt_seconds;
    assert!((dt - 0.08).abs() < 1e-6, "and it is told how long ago the last one was: {dt}");
    let advice = rig.engine.news().and_then(|news| news.advice).expect("told");
    assert_eq!(
        advice, "the engine second is being made: until it is there last runs it",
        "the next best is made"
    );
    make();
    rig.counts("second", 8.0);
    let advice = rig.engine.news().and_then(|news| news.advice).expect("told");
    assert_eq!(
        advice,
        "the engine first failed (it has not returned from a call for 250 ms): second runs it, first \
         is tried again once that call has ended"
    );
    // However long it hangs, no second one hangs beside it.
    rig.clock.advance(Duration::from_secs(10_000));
    rig.counts("second", 9.0);
    make();
    assert_eq!(rig.scripts[0].lock().made, 1);
    rig.let_go(0);
    until("it is made again", || {
        rig.batch();
        make();
        rig.scripts[0].lock().made == 2
    });
    rig.batch();
    assert_eq!(rig.engine.name(), "first", "and back again when it is well");
}

/// What the limit is for.
#[test]
fn without_a_limit_one_that_hangs_is_waited_for_however_long() {
    let mut rig = Rig::on_the_best(Rig::that_waits(None, false));
    let (clock, script) = (Arc::clone(&rig.clock), Arc::clone(&rig.scripts[0]));
    rig.fails(0, Fault::Hang);
    let time = std::thread::spawn(move || {
        until("it hangs", || script.lock().hanging);
        clock.advance(Duration::from_secs(3_600));
        let mut script = script.lock();
        (script.fault, script.hanging) = (Fault::None, false);
    });
    rig.counts("first", 4.0);
    time.join().expect("time passes");
    assert_eq!(
        rig.clock.monotonic(),
        crate::media::Monotonic::ZERO.plus(Duration::from_secs(3_600))
    );
}

#[test]
fn what_was_not_copied_lately_is_lost_with_it_and_told_once() {
    let mut rig = Rig::running(false);
    let lost = "the engine `last` failed: what it remembered went with the engine before it";
    assert_eq!(rig.hung(0, SILENCE), vec![Err(lost.to_owned()); 4]);
    (0..4).for_each(|slot| rig.engine.reset(slot));
    rig.counts("last", 1.0);
    rig.let_go(0);
}

#[test]
fn one_that_hangs_as_it_takes_over_is_left_too() {
    let mut rig = Rig::new(false);
    rig.counts("last", 1.0);
    make();
    assert_eq!(rig.hung(0, SILENCE), vec![Ok(2.0); 4]);
    assert_eq!(rig.engine.name(), "last");
    rig.let_go(0);
}

/// A compiler that never returns: nobody waits for it, the next one is made, and no second one beside it.
#[test]
fn whoever_makes_one_and_says_nothing_is_left_and_the_next_one_is_made() {
    let mut rig = Rig::new(false);
    rig.fails(0, Fault::Makes);
    rig.counts("last", 1.0);
    let hangs = make_beside();
    until("it hangs", || rig.scripts[0].lock().hanging);
    let almost = PATIENCE.saturating_sub(Duration::from_secs(1));
    rig.clock.advance(almost);
    rig.counts("last", 2.0);
    let advice = rig.engine.news().and_then(|news| news.advice).expect("told");
    assert_eq!(advice, "the engine first is built: 50 %: until it is there last runs it");
    // A word is enough.
    rig.scripts[0].lock().word = true;
    until("it says a word", || !rig.scripts[0].lock().word);
    rig.clock.advance(almost);
    rig.counts("last", 3.0);
    assert!(rig.engine.news().is_some_and(|news| news.provisional), "it is still made");
    rig.clock.advance(Duration::from_secs(1));
    rig.counts("last", 4.0);
    let advice = rig.engine.news().and_then(|news| news.advice).expect("told");
    assert_eq!(advice, "the engine second is being made: until it is there last runs it");
    make();
    rig.counts("second", 5.0);
    let advice = rig.engine.news().and_then(|news| news.advice).expect("told");
    assert_eq!(
        advice,
        "the engine first failed (the engine `first` failed: whoever makes it has said nothing for \
         300 s): second runs it, first is tried again once that call has ended"
    );
    rig.clock.advance(Duration::from_secs(10_000));
    rig.counts("second", 6.0);
    make();
    assert_eq!(rig.scripts[0].lock().made, 0, "no second one is made beside it");
    rig.let_go(0);
    hangs.join().expect("it ends");
    rig.counts("second", 7.0);
    make();
    rig.counts("first", 8.0);
}

#[test]
fn another_file_than_was_asked_for_is_told_and_so_is_a_network_that_is_refused() {
    let mut rig = Rig::new(false);
    let (path, precision) = ("x-fp16.onnx".to_owned(), "fp16".to_owned());
    let file = FileRun { path, precision, instead: Some("it builds no INT8".to_owned()) };
    rig.scripts[0].lock().file = Some(file.clone());
    rig.counts("last", 1.0);
    make();
    rig.counts("first", 2.0);
    let news = rig.engine.news().expect("it is there");
    assert_eq!(news.file, Some(file));
    let advice = "the engine first runs x-fp16.onnx of it: it builds no INT8";
    assert_eq!(news.advice.as_deref(), Some(advice));
    rig.fails(0, Fault::Error);
    rig.batch();
    assert_eq!(rig.engine.file(), None, "the last one runs what the bundle was found with");

    // Nobody asked for it by name; that it is there and refuses the network is told all the same.
    let mut rig = Rig::new(false);
    rig.scripts[0].lock().refuses = true;
    rig.scripts[1].lock().cannot_be_made = Some(true);
    for count in 1..4_u8 {
        rig.counts("last", f32::from(count));
        make();
    }
    let advice = rig.engine.news().and_then(|news| news.advice).expect("told");
    assert!(
        advice.starts_with("the engine first cannot run it (x.onnx cannot be run by"),
        "{advice}"
    );
    assert!(advice.ends_with("last does"), "{advice}");
}
