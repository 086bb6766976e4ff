//! Which decoders are out, for what, and until when (pure).
//!
//! A failure is charged to one of two, and says nothing about anything else:
//! - the **stream**: a session and a parameter set. Forgotten with the session;
//! - the **machine**: a decoder does not start (no byte of any stream has gone in), or reports errors
//!   on every court at once. All courts know of it; it outlasts sessions.
//!
//! A decoder that is out is tried again beside the one that stands in for it (`trial`), after 5 s,
//! doubling to 60 s. So nothing is for ever: neither what a publisher sent, nor a lost GPU.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::media::{CodecParameters, CourtId, Monotonic};

/// Failures of a stream in a row after which a decoder is left for the next one.
const GIVEN_UP_AFTER: u32 = 2;
/// The first wait before a decoder that is out is tried again, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// Decoders of all courts that fail within so long fail together (chosen: one key interval).
const AT_ONCE: Duration = Duration::from_secs(2);
/// Charges kept a session (chosen: some parameter sets, times the decoders of a machine). The
/// oldest is forgotten: its decoder is tried once more than it should be.
const MAX_CHARGES: usize = 32;

/// How failures are held against decoders. Tests hold them otherwise, to see what that costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Charged to a session and its parameter set, and where all failed the best is tried on. Else
    /// charged to the court for as long as it lives, and the last one stays.
    pub(crate) forgiving: bool,
    /// Wait before a decoder that is out is tried again, and the longest; `None` is never.
    pub(crate) retry: Option<(Duration, Duration)>,
    /// Whether a decoder that is for machines without libav stands in where libav failed.
    pub(crate) last_resort_stands_in: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { forgiving: true, retry: Some(RETRY), last_resort_stands_in: false }
    }
}

/// What a failure is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The session and its parameter set.
    Stream,
    /// The machine: all courts, all sessions.
    Machine,
    /// Nobody: every court stands still at once, so the machine has too much to do. Another decoder
    /// would have no more of it.
    Nobody,
}

/// A decoder's failures in one matter.
#[derive(Clone, Debug, Default)]
struct Setback {
    failures: u32,
    reason: String,
    /// The last wait; zero before the first.
    wait: Duration,
    /// Out, and to be tried again from then on; `None` while it is not out.
    again_at: Option<Monotonic>,
}

impl Setback {
    fn more(&mut self, rules: Rules, limit: u32, reason: &str, now: Monotonic) {
        self.failures += 1;
        reason.clone_into(&mut self.reason);
        if self.failures >= limit {
            let (first, longest) = rules.retry.unwrap_or((Duration::MAX, Duration::MAX));
            self.wait = self.wait.saturating_mul(2).clamp(first, longest);
            self.again_at = Some(now.plus(self.wait));
        }
    }

    /// A trial went well: in use again, but the next failure puts it out at once, for longer.
    fn proven(&mut self) {
        self.again_at = None;
    }
}

/// A decoder that is out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Out {
    /// Why it failed.
    pub(crate) reason: String,
    /// The wait that it is in.
    pub(crate) wait: Duration,
    /// When it may be tried again.
    pub(crate) again_at: Monotonic,
}

/// What is known of the machine's decoders, by all courts. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    // Read at every key frame, written when something fails; held for lines.
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    setbacks: BTreeMap<&'static str, Setback>,
    /// Courts that use a decoder, each with its last failure since it was built.
    users: BTreeMap<(&'static str, CourtId), Option<(Monotonic, bool)>>,
}

impl Known {
    /// Whom a failure on `court` is to be charged to; `silent` if no error was reported.
    fn blame(
        &mut self,
        court: &CourtId,
        factory: &'static str,
        silent: bool,
        now: Monotonic,
    ) -> Blame {
        self.users.insert((factory, court.clone()), Some((now, silent)));
        let all: Vec<_> = self
            .users
            .iter()
            .filter(|((used, _), _)| *used == factory)
            .map(|(_, last)| *last)
            .collect();
        let together = |alike: bool| {
            all.len() >= 2
                && all.iter().all(|last| {
                    last.is_some_and(|(at, silent)| silent == alike && now.since(at) <= AT_ONCE)
                })
        };
        match silent {
            true if together(true) => Blame::Nobody,
            false if together(false) => Blame::Machine,
            _ => Blame::Stream,
        }
    }
}

/// A failure on one court.
#[derive(Debug)]
pub(crate) struct Charge {
    set: Arc<CodecParameters>,
    factory: &'static str,
    setback: Setback,
}

/// What one court holds against its decoders.
#[derive(Debug)]
pub(crate) struct Setbacks {
    rules: Rules,
    court: CourtId,
    machine: Machine,
    /// Of this session; oldest first.
    charges: Vec<Charge>,
}

impl Setbacks {
    pub(crate) const fn new(rules: Rules, court: CourtId, machine: Machine) -> Self {
        Self { rules, court, machine, charges: Vec::new() }
    }

    /// A session begins: what streams did before is forgotten.
    pub(crate) fn new_session(&mut self) {
        if self.rules.forgiving {
            self.charges.clear();
        }
    }

    /// A pipeline of this court runs on `factory` from now on.
    pub(crate) fn runs(&self, factory: &'static str) {
        self.machine.known.lock().users.insert((factory, self.court.clone()), None);
    }

    /// It decodes nothing any more, for another reason than a failure.
    pub(crate) fn rests(&self) {
        self.machine.known.lock().users.retain(|(_, court), _| *court != self.court);
    }

    /// Whom a failure of this court's running decoder is to be charged to.
    pub(crate) fn blame(&self, factory: &'static str, silent: bool, now: Monotonic) -> Blame {
        self.machine.known.lock().blame(&self.court, factory, silent, now)
    }

    /// One failure more. One that does not start is out at once: no stream could have caused it.
    pub(crate) fn failed(
        &mut self,
        factory: &'static str,
        set: &Arc<CodecParameters>,
        blame: Blame,
        reason: &str,
        now: Monotonic,
    ) {
        let rules = self.rules;
        match blame {
            Blame::Stream => self.charge(factory, set).more(rules, GIVEN_UP_AFTER, reason, now),
            Blame::Machine => {
                let mut known = self.machine.known.lock();
                known.setbacks.entry(factory).or_default().more(rules, 1, reason, now);
            }
            Blame::Nobody => {}
        }
    }

    fn charge(&mut self, factory: &'static str, set: &Arc<CodecParameters>) -> &mut Setback {
        let forgiving = self.rules.forgiving;
        let at = self.charges.iter().position(|charge| of(charge, factory, set, forgiving));
        let at = at.unwrap_or_else(|| {
            if self.charges.len() >= MAX_CHARGES {
                self.charges.remove(0);
            }
            let setback = Setback::default();
            self.charges.push(Charge { set: Arc::clone(set), factory, setback });
            self.charges.len() - 1
        });
        &mut self.charges[at].setback
    }

    /// It has run well for long: what it failed at before is forgotten.
    pub(crate) fn forgive(&mut self, factory: &'static str, set: &Arc<CodecParameters>) {
        let forgiving = self.rules.forgiving;
        self.charges.retain(|charge| !of(charge, factory, set, forgiving));
        self.machine.known.lock().setbacks.remove(factory);
    }

    /// Why `factory` is not to be used for `set`, if it is not.
    pub(crate) fn out(&self, factory: &'static str, set: &Arc<CodecParameters>) -> Option<Out> {
        let forgiving = self.rules.forgiving;
        let charged = self.charges.iter().find(|charge| of(charge, factory, set, forgiving));
        let known = self.machine.known.lock();
        let both = [charged.map(|charge| &charge.setback), known.setbacks.get(factory)];
        let out = both.into_iter().flatten().filter_map(|setback| {
            let again_at = setback.again_at?;
            Some(Out { reason: setback.reason.clone(), wait: setback.wait, again_at })
        });
        out.max_by_key(|out| out.again_at)
    }

    /// A trial of `factory` begins: no other court tries the same before this one can have ended.
    pub(crate) fn claim(&self, factory: &'static str, now: Monotonic) {
        if let Some(setback) = self.machine.known.lock().setbacks.get_mut(factory)
            && setback.again_at.is_some()
        {
            setback.again_at = Some(now.plus(RETRY.1));
        }
    }

    /// A trial ended without a verdict, or started and then failed at this stream: whether the machine
    /// has the decoder again is for the next one to find out, here or on another court.
    pub(crate) fn release(&self, factory: &'static str, now: Monotonic) {
        if let Some(setback) = self.machine.known.lock().setbacks.get_mut(factory)
            && setback.again_at.is_some()
        {
            setback.again_at = Some(now);
        }
    }

    /// It failed at this stream, and more than chance is known of it: out at once.
    pub(crate) fn put_out(
        &mut self,
        factory: &'static str,
        set: &Arc<CodecParameters>,
        reason: &str,
        now: Monotonic,
    ) {
        let rules = self.rules;
        self.charge(factory, set).more(rules, 1, reason, now);
    }

    /// A trial gave pictures: it is used from the next key frame on, here and on every court.
    pub(crate) fn proven(&mut self, factory: &'static str, set: &Arc<CodecParameters>) {
        let forgiving = self.rules.forgiving;
        let charged = self.charges.iter_mut().filter(|charge| of(charge, factory, set, forgiving));
        charged.for_each(|charge| charge.setback.proven());
        if let Some(setback) = self.machine.known.lock().setbacks.get_mut(factory) {
            setback.proven();
        }
    }
}

impl Drop for Setbacks {
    fn drop(&mut self) {
        self.rests();
    }
}

fn of(charge: &Charge, factory: &str, set: &Arc<CodecParameters>, forgiving: bool) -> bool {
    charge.factory == factory && (!forgiving || same_sets(&charge.set, set))
}

/// True if both say the same of the stream.
pub(crate) fn same_sets(one: &Arc<CodecParameters>, other: &Arc<CodecParameters>) -> bool {
    Arc::ptr_eq(one, other)
        || (one.codec == other.codec && one.parameter_sets == other.parameter_sets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::court::tests::parameters;
    use proptest::prelude::*;

    const GPU: &str = "nvh264dec";

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    fn court(name: &str, machine: &Machine) -> Setbacks {
        let court = CourtId::new(name).expect("a name");
        Setbacks::new(Rules::default(), court, machine.clone())
    }

    fn fail(of: &mut Setbacks, set: &Arc<CodecParameters>, now: u64) {
        of.failed(GPU, set, Blame::Stream, "odd", at(now));
    }

    #[test]
    fn a_failure_of_one_stream_says_nothing_about_another_set_session_or_court() {
        let machine = Machine::default();
        let (mut a, b) = (court("a", &machine), court("b", &machine));
        let (bad, good) = (parameters(16_384, 16_384), parameters(1280, 720));
        fail(&mut a, &bad, 0);
        assert_eq!(a.out(GPU, &bad), None, "once is chance");
        fail(&mut a, &bad, 1);
        assert!(a.out(GPU, &bad).is_some());
        assert_eq!(a.out(GPU, &good), None);
        assert_eq!(b.out(GPU, &bad), None);
        a.new_session();
        assert_eq!(a.out(GPU, &bad), None);
    }

    #[test]
    fn what_is_held_against_the_court_for_ever_takes_the_decoder_from_all_that_follow() {
        let rules = Rules { forgiving: false, retry: None, last_resort_stands_in: true };
        let name = CourtId::new("a").expect("a name");
        let mut old = Setbacks::new(rules, name, Machine::default());
        fail(&mut old, &parameters(16_384, 16_384), 0);
        fail(&mut old, &parameters(16_384, 16_384), 1);
        old.new_session();
        let out = old.out(GPU, &parameters(1280, 720)).expect("for ever");
        assert!(out.again_at > at(1_000_000_000));
    }

    #[test]
    fn the_wait_doubles_to_a_minute_and_begins_anew_when_it_has_run_well() {
        let mut a = court("a", &Machine::default());
        let set = parameters(1280, 720);
        fail(&mut a, &set, 0);
        let mut waits = Vec::new();
        for now in 0..6 {
            fail(&mut a, &set, now);
            let out = a.out(GPU, &set).expect("out");
            assert_eq!(out.again_at, at(now).plus(out.wait));
            waits.push(out.wait.as_secs());
        }
        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
        a.proven(GPU, &set);
        assert_eq!(a.out(GPU, &set), None);
        fail(&mut a, &set, 9);
        assert_eq!(a.out(GPU, &set).map(|out| out.wait.as_secs()), Some(60), "at once, and long");
        a.forgive(GPU, &set);
        fail(&mut a, &set, 10);
        assert_eq!(a.out(GPU, &set), None);
    }

    #[test]
    fn what_does_not_start_is_out_for_all_courts_until_one_of_them_has_shown_that_it_runs() {
        let machine = Machine::default();
        let (mut a, mut b) = (court("a", &machine), court("b", &machine));
        let set = parameters(1280, 720);
        a.failed(GPU, &set, Blame::Machine, "no CUDA device", at(0));
        let out = b.out(GPU, &set).expect("of the machine");
        assert_eq!((out.reason.as_str(), out.wait.as_secs()), ("no CUDA device", 5));
        b.new_session();
        assert!(b.out(GPU, &set).is_some(), "no session mends a machine");
        b.claim(GPU, at(5));
        assert_eq!(a.out(GPU, &set).map(|out| out.again_at), Some(at(65)), "one trial at a time");
        // It starts and fails at b's stream: another court tries it at once, b waits.
        b.put_out(GPU, &set, "odd", at(6));
        b.release(GPU, at(6));
        assert_eq!(a.out(GPU, &set).map(|out| out.again_at), Some(at(6)));
        assert_eq!(b.out(GPU, &set).map(|out| out.again_at), Some(at(11)));
        a.proven(GPU, &set);
        assert_eq!(a.out(GPU, &set), None);
        assert_eq!(b.out(GPU, &set).map(|out| out.reason), Some("odd".to_owned()));
    }

    #[test]
    fn errors_on_all_courts_at_once_are_the_machines_and_silence_on_all_is_nobodys() {
        let machine = Machine::default();
        let all = ["a", "b", "c"].map(|name| court(name, &machine));
        all.iter().for_each(|court| court.runs(GPU));
        let blames =
            |silent, now: u64| [0, 1, 2].map(|n: usize| all[n].blame(GPU, silent, at(now)));
        let last = |machines| [Blame::Stream, Blame::Stream, machines];
        assert_eq!(blames(false, 10), last(Blame::Machine));
        all.iter().for_each(|court| court.runs(GPU));
        assert_eq!(blames(true, 20), last(Blame::Nobody));
        all.iter().for_each(|court| court.runs(GPU));
        assert_eq!(all[0].blame(GPU, false, at(30)), Blame::Stream);
        assert_eq!(all[1].blame(GPU, false, at(30)), Blame::Stream);
        assert_eq!(all[2].blame(GPU, false, at(33)), Blame::Stream, "three seconds later");
        all[1].rests();
        all[2].rests();
        assert_eq!(all[0].blame(GPU, false, at(40)), Blame::Stream, "alone, nothing is at once");
    }

    proptest! {
        /// Whatever one court's streams do: no other court, set or session notices, what is kept is
        /// bounded, and no wait is longer than a minute.
        #[test]
        fn streams_hurt_nobody_else(
            steps in proptest::collection::vec((1..60_u32, any::<bool>(), 0..5_u64), 0..200)
        ) {
            let machine = Machine::default();
            let (mut a, b) = (court("a", &machine), court("b", &machine));
            let untouched = parameters(1280, 720);
            let mut now = 0;
            for (width, session, later) in steps {
                now += later;
                if session {
                    a.new_session();
                    prop_assert!(a.charges.is_empty());
                }
                let set = parameters(width, 16);
                fail(&mut a, &set, now);
                prop_assert!(a.charges.len() <= MAX_CHARGES);
                prop_assert!(a.out(GPU, &set).is_none_or(|out| out.again_at <= at(now + 60)));
                prop_assert_eq!(a.out(GPU, &untouched), None);
                prop_assert_eq!(b.out(GPU, &set), None);
            }
        }
    }
}
