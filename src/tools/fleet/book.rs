//! What was decided, asked and wanted, and what was heard of it: nothing lost, nothing doubled. Pure.
//!
//! A repeat is no fault: QoS 1 promises it, and consumers drop ids that they know. A *double* is: an id with
//! another content, two ids for one place in a court's order, or two places for one id.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::event::{Envelope, Family};
use crate::media::{Monotonic, SessionId};

/// The families that a box of the fleet decides on, two facts a shot.
pub(super) const FAMILIES: [Family; 2] = [Family::Shot, Family::Score];
/// Latencies beyond this are no news: something was away.
const LATENCIES_MOST: usize = 2_000_000;

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// Which box plays which session.
    sessions: BTreeMap<SessionId, usize>,
    /// By box.
    boxes: Vec<BoxBook>,
    /// By id.
    commands: BTreeMap<String, Asked>,
    /// Decided → heard, while that is watched.
    latencies: Option<Vec<Duration>>,
    /// PUBLISHes of events that came.
    heard: u64,
    repeats: u64,
    /// Heard with another content, or another place, than before.
    doubled: u64,
    /// Nobody decided it.
    unknown: u64,
}

#[derive(Debug, Default)]
struct BoxBook {
    /// By family, by number from 1.
    facts: [Vec<Fact>; 2],
    /// By place in the court's order from 1: which fact it is.
    order: Vec<Option<(u8, u32)>>,
    online: bool,
    reported: Option<Reported>,
}

#[derive(Clone, Copy, Debug)]
struct Fact {
    decided: Monotonic,
    /// Of type and data; 0 as long as it was not heard.
    content: u64,
    place: u64,
}

/// Of `config/reported`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reported {
    /// In force.
    pub(super) revision: u64,
    /// The last one that came, and what became of it.
    pub(super) told: Option<(u64, String)>,
}

#[derive(Clone, Debug, Default)]
struct Asked {
    runs: u32,
    /// Number and word of the latest state.
    state: Option<(u64, String)>,
    began: Option<Monotonic>,
    took: Option<Duration>,
}

/// What it comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Sum {
    /// Events that were decided.
    pub(super) decided: u64,
    /// Of them, those that were heard at least once.
    pub(super) heard: u64,
    /// Not heard.
    pub(super) lost: u64,
    /// Heard again with the same content.
    pub(super) repeats: u64,
    /// See the module.
    pub(super) doubled: u64,
    /// Heard and never decided.
    pub(super) unknown: u64,
    /// Commands that were asked, each twice.
    pub(super) commands: u64,
    /// Of them, those that were done.
    pub(super) commands_done: u64,
    /// Of them, those that ran more than once.
    pub(super) commands_doubled: u64,
}

impl Book {
    /// Of so many boxes.
    pub(super) fn of(boxes: usize) -> Self {
        Self { boxes: (0..boxes).map(|_| BoxBook::default()).collect(), ..Self::default() }
    }

    /// A box plays under a session from now on.
    pub(super) fn plays(&mut self, number: usize, session: SessionId) {
        self.sessions.insert(session, number);
    }

    /// A box decided on the next fact of a family; its number.
    pub(super) fn decides(&mut self, number: usize, family: usize, now: Monotonic) -> u32 {
        let facts = self.boxes.get_mut(number).and_then(|of| of.facts.get_mut(family));
        let Some(facts) = facts else { return 0 };
        facts.push(Fact { decided: now, content: 0, place: 0 });
        u32::try_from(facts.len()).unwrap_or(u32::MAX)
    }

    /// The broker brought an event.
    pub(super) fn hears(&mut self, envelope: &Envelope, now: Monotonic) {
        self.heard += 1;
        let content = content(envelope);
        let found = crate::event::FactId::parse(&envelope.fact).and_then(|fact| {
            let family = FAMILIES.iter().position(|family| fact.family == Some(*family))?;
            let number = *self.sessions.get(&fact.session)?;
            let of = self.boxes.get_mut(number)?;
            let known = usize::try_from(fact.n).ok()?.checked_sub(1)?;
            Some((of, family, fact.n, known))
        });
        let place = envelope.sequence.parse::<usize>().ok().and_then(|place| place.checked_sub(1));
        let (Some((of, family, n, known)), Some(place)) = (found, place) else {
            self.unknown += 1;
            return;
        };
        let BoxBook { facts, order, .. } = of;
        let Some(fact) = facts.get_mut(family).and_then(|facts| facts.get_mut(known)) else {
            self.unknown += 1;
            return;
        };
        if order.len() <= place {
            order.resize(place + 1, None);
        }
        let named = (u8::try_from(family).unwrap_or(u8::MAX), n);
        let taken = order.get(place).copied().flatten();
        if fact.content == 0 {
            if let (Some(latencies), took) = (&mut self.latencies, now.since(fact.decided))
                && latencies.len() < LATENCIES_MOST
            {
                latencies.push(took);
            }
            (fact.content, fact.place) = (content, place as u64);
            match (taken, order.get_mut(place)) {
                (None, Some(free)) => *free = Some(named),
                _ => self.doubled += 1,
            }
        } else if fact.content == content && fact.place == place as u64 && taken == Some(named) {
            self.repeats += 1;
        } else {
            self.doubled += 1;
        }
    }

    /// A command is asked, for the first time or again.
    pub(super) fn asks(&mut self, id: &str, now: Monotonic) {
        self.commands.entry(id.to_owned()).or_default().began.get_or_insert(now);
    }

    /// A box did what a command says.
    pub(super) fn runs(&mut self, id: &str) {
        self.commands.entry(id.to_owned()).or_default().runs += 1;
    }

    /// The broker brought a command's state.
    pub(super) fn hears_state(&mut self, id: &str, number: u64, word: &str, now: Monotonic) {
        let Some(asked) = self.commands.get_mut(id) else { return };
        if asked.state.as_ref().is_none_or(|(known, _)| number > *known) {
            asked.state = Some((number, word.to_owned()));
            if word == "done" {
                asked.took = asked.began.map(|began| now.since(began));
            }
        }
    }

    /// The broker brought `state/box`.
    pub(super) fn hears_box(&mut self, number: usize, online: bool) {
        if let Some(of) = self.boxes.get_mut(number) {
            of.online = online;
        }
    }

    /// The broker brought `config/reported`.
    pub(super) fn hears_reported(&mut self, number: usize, reported: Reported) {
        if let Some(of) = self.boxes.get_mut(number) {
            of.reported = Some(reported);
        }
    }

    /// Boxes that the broker calls online.
    pub(super) fn online(&self) -> usize {
        self.boxes.iter().filter(|of| of.online).count()
    }

    /// Boxes of which `is` is true of what they report.
    pub(super) fn report(&self, is: impl Fn(usize, &Reported) -> bool) -> usize {
        let all = self.boxes.iter().enumerate();
        all.filter(|(number, of)| of.reported.as_ref().is_some_and(|it| is(*number, it))).count()
    }

    /// PUBLISHes of events that came.
    pub(super) const fn messages(&self) -> u64 {
        self.heard
    }

    /// Times from decided to heard are kept from now on.
    pub(super) fn watch(&mut self) {
        self.latencies = Some(Vec::new());
    }

    /// Those that were kept; no more are.
    pub(super) fn watched(&mut self) -> Vec<Duration> {
        self.latencies.take().unwrap_or_default()
    }

    /// From asked to done, of those that are done.
    pub(super) fn commands_took(&self) -> Vec<Duration> {
        self.commands.values().filter_map(|asked| asked.took).collect()
    }

    /// What it comes to.
    pub(super) fn sum(&self) -> Sum {
        let facts = || self.boxes.iter().flat_map(|of| of.facts.iter().flatten());
        let heard = facts().filter(|fact| fact.content != 0).count() as u64;
        let decided = facts().count() as u64;
        let commands = self.commands.values().filter(|asked| asked.began.is_some());
        let done = |asked: &&Asked| asked.state.as_ref().is_some_and(|(_, word)| word == "done");
        Sum {
            decided,
            heard,
            lost: decided - heard,
            repeats: self.repeats,
            doubled: self.doubled,
            unknown: self.unknown,
            commands: commands.clone().count() as u64,
            commands_done: commands.filter(done).count() as u64,
            commands_doubled: self.commands.values().filter(|asked| asked.runs > 1).count() as u64,
        }
    }
}

impl Sum {
    /// Nothing was lost or doubled, and whatever was asked was done.
    pub(super) const fn is_good(&self) -> bool {
        self.lost == 0
            && self.doubled == 0
            && self.unknown == 0
            && self.commands_done == self.commands
            && self.commands_doubled == 0
    }

    /// All that was decided and asked has been heard of.
    pub(super) const fn is_over(&self) -> bool {
        self.lost == 0 && self.commands_done == self.commands
    }
}

/// FNV-1a of what may not differ between two repeats; never 0.
fn content(envelope: &Envelope) -> u64 {
    let data = envelope.data.to_string();
    let parts = [envelope.id.as_bytes(), envelope.event_type.as_bytes(), data.as_bytes()];
    let bytes = parts.iter().flat_map(|part| part.iter());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.max(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SESSION: SessionId = SessionId::from_bits(7);

    fn envelope(family: Family, n: u32, sequence: u64, data: u64) -> Envelope {
        let fact = crate::event::FactId::new(SESSION, family, n);
        Envelope {
            specversion: "1.0".to_owned(),
            id: format!("{fact}.0"),
            source: String::new(),
            event_type: "t".to_owned(),
            time: String::new(),
            game: None,
            datacontenttype: String::new(),
            subject: String::new(),
            sequence: sequence.to_string(),
            session: SESSION.to_string(),
            fact: fact.to_string(),
            revision: 0,
            historical: false,
            clocksource: String::new(),
            clockerrorms: 0,
            data: json!(data),
        }
    }

    /// Two shots and a score were decided; these were heard.
    fn sum(heard: &[(Family, u32, u64, u64)]) -> Sum {
        let mut book = Book::of(1);
        book.plays(0, SESSION);
        for family in [0, 0, 1] {
            book.decides(0, family, Monotonic::ZERO);
        }
        for (family, n, sequence, data) in heard {
            book.hears(&envelope(*family, *n, *sequence, *data), Monotonic::ZERO);
        }
        book.sum()
    }

    #[test]
    fn what_is_heard_once_or_again_is_good_and_anything_else_is_told() {
        use Family::{Score, Shot};
        let all = [(Shot, 1, 1, 5), (Score, 1, 2, 6), (Shot, 2, 3, 7)];
        assert!(sum(&all).is_good());
        let again = sum(&[&all[..], &all[..1]].concat());
        assert!(again.is_good() && again.repeats == 1, "{again:?}");
        for (heard, lost, doubled, unknown) in [
            (&all[..2], 1, 0, 0),
            // Another content, another place, a place that is taken.
            (&[&all[..], &[(Shot, 1, 1, 9)]].concat(), 0, 1, 0),
            (&[&all[..], &[(Shot, 1, 4, 5)]].concat(), 0, 1, 0),
            (&[&all[..2], &[(Shot, 2, 2, 7)]].concat(), 0, 1, 0),
            // Never decided.
            (&[&all[..], &[(Shot, 3, 4, 5)]].concat(), 0, 0, 1),
            (&[&all[..], &[(Family::Highlight, 1, 4, 5)]].concat(), 0, 0, 1),
        ] {
            let sum = sum(heard);
            assert_eq!((sum.lost, sum.doubled, sum.unknown), (lost, doubled, unknown), "{heard:?}");
            assert!(!sum.is_good());
        }
    }

    #[test]
    fn a_command_is_good_if_it_ran_once_and_was_told() {
        for (runs, words, good) in [
            (1, &["accepted", "running", "done"][..], true),
            (1, &["accepted", "running"], false),
            (1, &["failed"], false),
            (2, &["done"], false),
            (0, &[], false),
        ] {
            let mut book = Book::of(1);
            book.asks("one", Monotonic::ZERO);
            for _ in 0..runs {
                book.runs("one");
            }
            for (number, word) in words.iter().enumerate() {
                book.hears_state("one", number as u64 + 1, word, Monotonic::ZERO);
                book.hears_state("one", 0, "failed", Monotonic::ZERO);
            }
            assert_eq!(book.sum().is_good(), good, "{runs} {words:?}");
        }
    }
}
