//! All decisions of admission, as one function of what came before (pure: time and addresses are given).

use std::time::Duration;

use crate::admission::bucket::{Bucket, Minute};
use crate::admission::crowd::Crowd;
use crate::admission::known::{Known, Record};
use crate::admission::limits::Limits;
use crate::admission::lines::{About, Lines, Sum};
use crate::admission::members::{Full, Members};
use crate::admission::prefix::Prefix;
use crate::admission::room::{Entered, Room};
use crate::admission::seats::{Bounds, Gone, Seats};
use crate::admission::told::{self, AdmissionCounts, Door, Reason};
use crate::media::Monotonic;

/// A connection that was ended for others, and had never done anything or nothing for so long, was held open
/// for nothing. A camera takes half a second for a step.
const IDLE_AFTER: Duration = Duration::from_secs(1);
/// Guesses of one prefix in a minute that are told. An encoder that tries a wrong key again and again does
/// not guess: the same secret again is none.
const GUESSES_TOLD: u32 = 30;
/// … of all others together.
const GUESSES_OF_MANY_TOLD: u32 = 120;
/// Connections of one prefix in a minute, ended while they did nothing, that are told.
const IDLE_TOLD: u32 = 120;
/// Prefixes that are named.
const NAMED: usize = 3;

/// A secret that was shown.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Where.
    pub door: Door,
    /// By whom.
    pub peer: std::net::SocketAddr,
    /// It is one of ours.
    pub right: bool,
    /// Its digest: one of the last wrong ones again is no guess.
    pub given: u64,
    /// Which one of ours; anything for a wrong one.
    pub what: u64,
    /// From accept to now, where a connection shows one secret; else zero.
    pub took: Duration,
}

/// What a peer is told of its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It is right.
    Yes,
    /// It is wrong.
    No,
    /// Nothing: too many answers wait already. Close the connection, or say "later" and no more.
    Unheard,
}

/// When an answer may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decided {
    Now,
    /// After the delay; `instead` is not answered any more.
    Waits {
        instead: Option<u64>,
    },
    Unheard,
}

#[derive(Debug)]
pub(crate) struct Core {
    limits: Limits,
    known: Known,
    strangers: Bucket,
    /// Wrong secrets of the last minute, by door.
    guessed: [Minute; 2],
    crowds: [Crowd; 2],
    seats: [Seats; 2],
    members: [Members; 2],
    room: Room,
    guesses: Lines,
    noise: Lines,
    counts: AdmissionCounts,
}

impl Core {
    pub(crate) fn new(limits: Limits, now: Monotonic) -> Self {
        let doors = [&limits.rtmp, &limits.http];
        Self {
            known: Known::new(&limits),
            strangers: Bucket::new(limits.strangers, now),
            guessed: [Minute::default(); 2],
            crowds: doors.map(|door| Crowd::new(door.crowd, now)),
            seats: doors.map(|door| Seats::new(Bounds::of_strangers(door))),
            members: doors.map(Members::new),
            room: Room::default(),
            guesses: Lines::new(limits.prefixes_in_log),
            noise: Lines::new(limits.prefixes_in_log),
            counts: AdmissionCounts::default(),
            limits,
        }
    }

    /// True if a connection is taken in at once that costs as much as `weight` in clear; `others` wait.
    pub(crate) fn knock(
        &mut self,
        now: Monotonic,
        door: Door,
        prefix: Prefix,
        weight: u32,
        others: bool,
    ) -> bool {
        let proven = self.known.is_proven(prefix);
        at(&mut self.crowds, door).knock(now, prefix, proven, weight, others)
    }

    /// Takes in one that waits; else how long none is.
    pub(crate) fn next(&mut self, now: Monotonic, door: Door, weight: u32) -> Result<(), Duration> {
        at(&mut self.crowds, door).next(now, weight)
    }

    /// Notes that a connection is turned away.
    pub(crate) fn turn_away(&mut self, now: Monotonic, door: Door, prefix: Prefix) {
        at(&mut self.crowds, door).turn_away(now, prefix);
        self.counts.count(door, Reason::Crowd);
    }

    /// Seats a connection; returns who goes for it.
    pub(crate) fn enter(
        &mut self,
        now: Monotonic,
        id: u64,
        door: Door,
        prefix: Prefix,
    ) -> Option<u64> {
        let proven = self.known.is_proven(prefix);
        let offences = self.known.offences(prefix);
        let gone = at(&mut self.seats, door).enter(now, id, prefix, proven, offences)?;
        Some(self.evicted(now, door, gone))
    }

    /// Notes that a connection finished a step towards its secret.
    pub(crate) fn moved(&mut self, now: Monotonic, id: u64, door: Door) {
        at(&mut self.seats, door).moved(now, id);
    }

    /// Seats a connection that showed its secret among those that did, and are being answered; returns who goes for
    /// it. Where there is no room it stays where it was, as one that leaves.
    pub(crate) fn admitted(
        &mut self,
        now: Monotonic,
        id: u64,
        door: Door,
        prefix: Prefix,
    ) -> Result<Option<u64>, Full> {
        let is_new = at(&mut self.members, door).prefix_of(id).is_none();
        let gone = match at(&mut self.members, door).asks(now, id, prefix) {
            Ok(gone) => gone,
            Err(full) => {
                self.counts.count(door, Reason::Full);
                at(&mut self.seats, door).leaving(id);
                return Err(full);
            }
        };
        at(&mut self.seats, door).leave(id);
        *at(&mut self.counts.admitted, door) += u64::from(is_new);
        if gone.is_some() {
            self.counts.count(door, Reason::Evicted);
        }
        Ok(gone)
    }

    pub(crate) fn leaving(&mut self, id: u64, door: Door) {
        at(&mut self.seats, door).leaving(id);
    }

    /// A connection asks something: one that showed its secret is answered now, or told to come later. Returns who
    /// goes for it.
    pub(crate) fn asks(
        &mut self,
        now: Monotonic,
        id: u64,
        door: Door,
    ) -> Result<Option<u64>, Full> {
        match at(&mut self.members, door).prefix_of(id) {
            Some(prefix) => self.admitted(now, id, door, prefix),
            None => Ok(None),
        }
    }

    /// Nothing is on its way to it any more. Returns who goes where too many rest: a browser opens another for its
    /// next question, and an event stream goes on.
    pub(crate) fn rests(&mut self, now: Monotonic, id: u64, door: Door) -> Option<u64> {
        at(&mut self.members, door).rests(now, id)
    }

    /// Gives a connection's seat back, wherever it sits.
    pub(crate) fn left(&mut self, id: u64, door: Door) {
        at(&mut self.seats, door).leave(id);
        at(&mut self.members, door).leave(id);
    }

    /// Ends one connection that has shown nothing, at the fuller door: descriptors are short.
    pub(crate) fn relieve(&mut self, now: Monotonic) -> Option<u64> {
        let door = Door::ALL.into_iter().max_by_key(|door| at(&mut self.seats, *door).len())?;
        let gone = at(&mut self.seats, door).relieve(now)?;
        Some(self.evicted(now, door, gone))
    }

    fn evicted(&mut self, now: Monotonic, door: Door, gone: Gone) -> u64 {
        self.counts.count(door, Reason::Evicted);
        let idle = !gone.begun || now.since(gone.moved) >= IDLE_AFTER;
        // One that was alone and on its way is the flood's victim, and not to be blamed for it.
        if idle || gone.one_of_many {
            let record = self.offends(now, gone.prefix);
            if idle {
                at(&mut record.idle, door).add(now);
            }
        }
        gone.id
    }

    /// Decides when a secret is answered. A wrong one is booked here, whether or not its peer waits for it.
    pub(crate) fn ask(&mut self, now: Monotonic, id: u64, ask: &Ask) -> Decided {
        let (door, prefix) = (ask.door, Prefix::of(ask.peer));
        let limits = &self.limits;
        let record = self.known.record(prefix);
        let its = |of: fn(&Bucket, _, _) -> bool, or| {
            record.map_or(or, |record| of(&record.guesses, limits.guesses, now))
        };
        let (has, clean) = (its(Bucket::has, true), its(Bucket::is_full, true));
        // The bucket of all others is not what a proven prefix guesses from, so it waits for none of them.
        let strangers = || self.strangers.has(limits.strangers, now);
        let free = has && (self.known.is_proven(prefix) || strangers());
        // A camera takes over at once. Nobody need be so quick at the other door, where one secret is everybody's:
        // whoever shares the operator's address would be told which guess is right.
        let camera = door == Door::Rtmp && self.known.showed(door, prefix, ask.what);
        if ask.right && (free || camera) {
            return Decided::Now;
        }
        if ask.right {
            *at(&mut self.counts.delayed, door) += 1;
        } else {
            self.book(now, ask, prefix);
        }
        match self.room.enter(&self.limits, id, prefix, !clean, ask.took) {
            Entered::Taken => Decided::Waits { instead: None },
            Entered::Instead(gone) => {
                self.counts.count(door, Reason::Unheard);
                Decided::Waits { instead: Some(gone) }
            }
            Entered::Full => {
                self.counts.count(door, Reason::Unheard);
                Decided::Unheard
            }
        }
    }

    fn book(&mut self, now: Monotonic, ask: &Ask, prefix: Prefix) {
        let proven = self.known.is_proven(prefix);
        self.offends(now, prefix);
        let limits = &self.limits;
        let record = self.known.offender(limits, prefix, now);
        if !record.gave(ask.given) {
            record.guesses.take(limits.guesses, now);
            at(&mut record.guessed, ask.door).add(now);
            at(&mut self.guessed, ask.door).add(now);
            if !proven {
                self.strangers.take(limits.strangers, now);
            }
        }
        self.counts.count(ask.door, Reason::WrongSecret);
    }

    /// Books an offence, and lets the doors know.
    fn offends(&mut self, now: Monotonic, prefix: Prefix) -> &mut Record {
        let record = self.known.offender(&self.limits, prefix, now);
        record.offences.add(now);
        for seats in &mut self.seats {
            seats.offended(prefix, record.offences);
        }
        record
    }

    /// How long an answer waits that does.
    pub(crate) const fn answer_after(&self) -> Duration {
        self.limits.answer_after
    }

    /// An answer was given, or is not awaited any more.
    pub(crate) fn answered(&mut self, id: u64) {
        self.room.leave(id);
    }

    /// The prefix published pictures or signed in by this secret of ours.
    pub(crate) fn proved(&mut self, door: Door, prefix: Prefix, what: u64) {
        self.known.prove(door, prefix, what);
    }

    /// Counts a refusal, and books it on the prefix where that is to be blamed.
    pub(crate) fn refused(&mut self, now: Monotonic, door: Door, prefix: Prefix, reason: Reason) {
        self.counts.count(door, reason);
        if reason.is_offence() {
            let record = self.offends(now, prefix);
            if reason == Reason::Slow {
                at(&mut record.idle, door).add(now);
            }
        }
    }

    /// True if the log may have a line about the prefix.
    pub(crate) fn may_log(&mut self, now: Monotonic, prefix: Prefix, about: About) -> bool {
        // A few cameras with typing errors try the same keys again; who guesses does not.
        let camera = |record: &Record| record.again > 0 && record.distinct <= 4;
        let apart = self.known.is_proven(prefix) || self.known.record(prefix).is_some_and(camera);
        let lines = match about {
            About::Guess => &mut self.guesses,
            About::Noise => &mut self.noise,
        };
        lines.may(now, prefix, apart)
    }

    /// What the log was not told, where it is time.
    pub(crate) fn sums(&mut self, now: Monotonic) -> [(About, Vec<Sum>); 2] {
        [(About::Guess, self.guesses.due(now)), (About::Noise, self.noise.due(now))]
    }

    pub(crate) const fn counts(&self) -> &AdmissionCounts {
        &self.counts
    }

    /// What a person should know of; gone by itself a minute after it ends.
    pub(crate) fn faults(&self, now: Monotonic) -> Vec<String> {
        Door::ALL.into_iter().flat_map(|door| self.faults_at(now, door)).collect()
    }

    /// Whose questions are told to come later, until a minute after the last.
    pub(crate) fn full(&self, now: Monotonic) -> Vec<String> {
        let told = self.members.iter().flat_map(|members| members.told(now));
        told.map(|(prefix, full, times)| told::full(prefix, full, times)).collect()
    }

    fn faults_at(&self, now: Monotonic, door: Door) -> Vec<String> {
        let told = |of: fn(&Record) -> &[Minute; 2], least: u32| {
            let records = self.known.records();
            let counts =
                records.map(|(prefix, record)| (at_ref(of(record), door).count(now), prefix));
            let mut counts: Vec<(u32, Prefix)> = counts.filter(|(count, _)| *count > 0).collect();
            counts.sort_unstable_by(|a, b| b.cmp(a));
            let named = counts.iter().take(NAMED).take_while(|(count, _)| *count >= least).count();
            let more = counts.len() - named;
            counts.truncate(named);
            (counts, more)
        };
        let (guessing, more) = told(|record| &record.guessed, GUESSES_TOLD);
        let (idle, _) = told(|record| &record.idle, IDLE_TOLD);
        let named: u32 = guessing.iter().map(|(count, _)| *count).sum();
        let rest = at_ref(&self.guessed, door).count(now).saturating_sub(named);
        let guesses =
            guessing.into_iter().map(|(count, prefix)| told::guesses(prefix, door, count));
        let many = (rest >= GUESSES_OF_MANY_TOLD).then(|| told::guesses_of_many(more, door, rest));
        let idle = idle.into_iter().map(|(count, prefix)| told::idles(prefix, door, count));
        let crowd = at_ref(&self.crowds, door).turned(now);
        let crowd = crowd.map(|told| told::crowd(door, told.all, told.most.0, told.most.1));
        guesses.chain(many).chain(idle).chain(crowd).collect()
    }
}

fn at<T>(of: &mut [T; 2], door: Door) -> &mut T {
    let [rtmp, http] = of;
    match door {
        Door::Rtmp => rtmp,
        Door::Http => http,
    }
}

const fn at_ref<T>(of: &[T; 2], door: Door) -> &T {
    let [rtmp, http] = of;
    match door {
        Door::Rtmp => rtmp,
        Door::Http => http,
    }
}

#[cfg(test)]
mod tests;
