//! What the last run left open, closed before anything new is told (DESIGN §5.5).

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Event, FactId, Family, Saying, Score};
use crate::game::book::Book;
use crate::game::log::{Decided, Entry, fold};
use crate::game::play::Game;
use crate::media::CourtId;

/// What the outbox still knows of a court and its last run did not finish.
#[derive(Debug, Default, PartialEq)]
pub struct Recovered {
    /// The last durable score.
    pub score: Option<Score>,
    /// Final shots that no durable score counts, facts whose last durable record is provisional,
    /// highlights whose shot has no final `made`; each in order of decision. Anything else is let be.
    pub facts: Vec<Event>,
    /// Highlights among the last events, with their revisions, by their shots.
    highlights: BTreeMap<FactId, (FactId, u32)>,
    /// Its log, from the last checkpoint on.
    log: Vec<Vec<u8>>,
}

impl Recovered {
    /// Finds what was not finished in what a store knows of a court: the last event of each family,
    /// facts whose last durable record is provisional, and the last events, in order of decision.
    #[must_use]
    pub fn of(mut latest: BTreeMap<String, Event>, open: Vec<Event>, recent: Vec<Event>) -> Self {
        let score = match latest.remove(Family::Score.topic()).map(|event| event.saying) {
            Some(Saying::Score(score)) => Some(score),
            Some(_) | None => None,
        };
        let scored: BTreeSet<String> =
            recent.iter().filter_map(|event| counted_by(&event.saying)).collect();
        let highlights = recent.iter().filter_map(highlighted).collect();
        let mut last: BTreeMap<FactId, (usize, Event)> = BTreeMap::new();
        for (order, event) in recent.into_iter().enumerate() {
            last.insert(event.fact, (order, event));
        }
        let made = |shot: &str| match FactId::parse(shot).and_then(|fact| last.get(&fact)) {
            Some((_, Event { saying: Saying::ShotMade(shot), .. })) => !shot.provisional,
            Some(_) => false,
            // Older than what was read: settled long ago.
            None => true,
        };
        let mut in_order: Vec<&(usize, Event)> = last.values().collect();
        in_order.sort_by_key(|(order, _)| *order);
        let (mut facts, mut standing) = (Vec::new(), Vec::new());
        for (_, event) in in_order {
            match &event.saying {
                // It stands in `open`.
                saying if saying.is_provisional() => {}
                Saying::ShotMade(_) | Saying::ShotMissed(_)
                    if !scored.contains(&event.fact.to_string()) =>
                {
                    facts.push(event.clone());
                }
                Saying::Highlight(highlight) if !made(&highlight.shot) => {
                    standing.push(event.clone());
                }
                _ => {}
            }
        }
        facts.extend(open);
        facts.extend(standing);
        Self { score, facts, highlights, log: Vec::new() }
    }

    /// With what is kept of its log.
    #[must_use]
    pub fn with_log(self, log: Vec<Vec<u8>>) -> Self {
        Self { log, ..self }
    }
}

/// The shot that a highlight is of, and the highlight.
fn highlighted(event: &Event) -> Option<(FactId, (FactId, u32))> {
    match &event.saying {
        Saying::Highlight(highlight) => {
            Some((FactId::parse(&highlight.shot)?, (event.fact, event.revision)))
        }
        _ => None,
    }
}

/// The shot that a score counts.
fn counted_by(saying: &Saying) -> Option<String> {
    match saying {
        Saying::Score(score) => score.after.clone(),
        _ => None,
    }
}

/// Returns the game to go on with, and what mends what the last run left open.
///
/// The log alone says how things stand, unless it cannot be read, or ends with another score than
/// was told last: then a version without a log ran in between. From what was told a new log is begun
/// then, by a checkpoint; a final that no score counts is counted, and its highlight asked for. A
/// provisional is withdrawn in any case.
#[must_use]
pub fn resume(court: &CourtId, rims: usize, recovered: Recovered) -> (Game, Vec<Decided>) {
    let Recovered { score, facts, highlights, log } = recovered;
    let folded = match fold(Book::new(court.clone(), 0), &log) {
        Ok(_) if log.is_empty() => None,
        Ok(book) if score.is_none() || book.told() == score.as_ref() => Some(book),
        Ok(_) => {
            tracing::warn!(%court, "another version told events since: the game goes on from the score that was told last");
            None
        }
        Err((entry, error)) => {
            tracing::warn!(%court, entry, %error, "the game's log cannot be read: it goes on from the score that was told last");
            None
        }
    };
    let anew = folded.is_none() && (score.is_some() || !log.is_empty());
    let mut book = folded.unwrap_or_else(|| Book::with_score(court.clone(), rims, score));
    let mut events = Vec::new();
    for fact in facts.into_iter().filter(|fact| fact.court == *court) {
        if !book.knows(fact.fact) {
            let told = highlights.get(&fact.fact).copied();
            events.extend(book.mend(fact, told));
        }
    }
    let mut decided = Vec::new();
    let mut entries = log.len();
    if anew || !events.is_empty() {
        decided.push(Decided { entry: Entry::Checkpoint(Box::new(book.clone())), events });
        entries = 0;
    }
    let mut game = Game::on(book, rims, entries);
    decided.extend(game.started(rims));
    (game, decided)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Highlight, ModelRef, Shot, Withdrawal};
    use crate::media::{MediaTime, SessionId};

    fn event(n: u32, revision: u32, saying: Saying) -> Event {
        Event {
            court: CourtId::new("a").unwrap(),
            session: SessionId::from_bits(5),
            game: None,
            fact: fact(n),
            revision,
            attempt: n,
            at: MediaTime::from_millis(i64::from(n) * 1000),
            saying,
            clip: None,
        }
    }

    fn fact(n: u32) -> FactId {
        FactId::new(SessionId::from_bits(5), Family::Shot, n)
    }

    fn made(provisional: bool) -> Saying {
        let [bundle, version, precision, engine] = ["b", "1", "fp32", "e"].map(str::to_owned);
        Saying::ShotMade(Shot {
            rim: 0,
            t_stream: 1.0,
            t_decided: 1.5,
            confidence: 0.75,
            provisional,
            game: None,
            points: None,
            points_by: None,
            team: None,
            team_by: None,
            player: None,
            clip: None,
            model: ModelRef { bundle, version, precision, engine },
            latency_ms: 20.0,
            by: None,
            who: None,
            reason: None,
        })
    }

    fn score(after: u32) -> Saying {
        let after = Some(fact(after).to_string());
        Saying::Score(Score { made: vec![1], attempts: vec![1], after })
    }

    fn highlight(shot: u32) -> Saying {
        let [reason, clip] = ["made", "/v1/clips/x"].map(str::to_owned);
        let shot = fact(shot).to_string();
        let more = Highlight::default();
        Saying::Highlight(Highlight { shot, reason, t_stream: 1.0, clip, ..more })
    }

    #[test]
    fn a_start_finds_what_the_last_run_did_not_finish() {
        let withdrawal = || {
            Saying::ShotWithdrawn(Withdrawal {
                t_stream: 1.0,
                reason: "no_outcome".into(),
                by: None,
                who: None,
            })
        };
        let open = event(4, 0, made(true));
        let recent = vec![
            event(1, 0, made(true)),
            event(1, 1, made(false)),
            event(2, 0, score(1)),
            event(3, 0, highlight(1)),
            open.clone(),
            event(6, 0, highlight(4)),
            event(5, 0, made(true)),
            event(5, 1, withdrawal()),
            event(7, 0, made(false)),
            event(8, 0, highlight(99)),
        ];
        let latest = [("score", event(2, 0, score(1))), ("shot", event(7, 0, made(false)))];
        let latest = latest.map(|(family, event)| (family.to_owned(), event)).into();
        let found = Recovered::of(latest, vec![open], recent);
        assert_eq!(found.score.unwrap().after, Some(fact(1).to_string()));
        let ids: Vec<String> = found.facts.iter().map(Event::id).collect();
        let id = |id: &str| format!("0000000000000005-shot-{id}");
        // A final that no score counts, what is open, a highlight on nothing.
        assert_eq!(ids, [id("7.0"), id("4.0"), id("6.0")]);
        assert_eq!(Recovered::of(BTreeMap::new(), Vec::new(), Vec::new()), Recovered::default());
    }

    /// What a start tells of what a version without a log left, without the checkpoint.
    fn mended(score: Option<Score>, recent: Vec<Event>) -> (Game, Vec<Decided>) {
        let latest = score.map(|score| ("score".to_owned(), event(90, 0, Saying::Score(score))));
        let open = recent.iter().filter(|event| event.saying.is_provisional()).cloned().collect();
        let found = Recovered::of(latest.into_iter().collect(), open, recent);
        resume(&CourtId::new("a").unwrap(), 1, found)
    }

    fn old(n: u32, revision: u32, saying: Saying) -> Event {
        let fact = FactId { family: None, ..fact(n) };
        Event { fact, ..event(n, revision, saying) }
    }

    #[test]
    fn what_a_version_without_a_log_left_is_closed_under_its_own_ids() {
        let before = Score { made: vec![4], attempts: vec![9], after: Some("x".to_owned()) };
        let (game, decided) =
            mended(Some(before), vec![old(1, 0, made(false)), old(4, 0, made(true))]);
        let Entry::Checkpoint(_) = &decided[0].entry else { panic!("{decided:?}") };
        let ids: Vec<String> = decided[0].events.iter().map(Event::id).collect();
        let id = |id: &str| format!("0000000000000005-{id}");
        assert_eq!(ids, [id("highlight-1.0"), id("score-1.0"), id("4.1")]);
        assert!(
            matches!(&decided[0].events[2].saying, Saying::ShotWithdrawn(w) if w.reason == "restart")
        );
        let score = game.book().told().unwrap();
        assert_eq!((&score.made[..], &score.attempts[..]), (&[5][..], &[10][..]));
        assert_eq!(decided[1].events, [], "nothing is left open");
        // Its highlight had been told: not a second one.
        let highlight =
            Event { fact: old(3, 0, made(true)).fact, ..old(3, 0, highlight_of_old(1)) };
        let (_, decided) = mended(None, vec![old(1, 0, made(false)), highlight]);
        let ids: Vec<String> = decided[0].events.iter().map(Event::id).collect();
        assert_eq!(ids, [id("score-1.0")]);
    }

    fn highlight_of_old(shot: u32) -> Saying {
        match highlight(shot) {
            Saying::Highlight(highlight) => Saying::Highlight(Highlight {
                shot: FactId { family: None, ..fact(shot) }.to_string(),
                ..highlight
            }),
            other => other,
        }
    }

    #[test]
    fn a_highlight_without_its_shot_is_withdrawn_at_start() {
        let (_, decided) =
            mended(None, vec![old(1, 0, made(true)), old(3, 0, highlight_of_old(1))]);
        let told: Vec<String> = decided[0].events.iter().map(Event::id).collect();
        assert_eq!(told, ["0000000000000005-1.1", "0000000000000005-3.1"]);
        assert!(
            matches!(&decided[0].events[1].saying, Saying::HighlightWithdrawn(w) if w.reason == "restart")
        );
    }

    #[test]
    fn where_another_version_told_since_what_was_told_counts() {
        let court = CourtId::new("a").unwrap();
        let (_, first) = resume(&court, 1, Recovered::default());
        let log = || first.iter().map(|decided| decided.entry.encode().unwrap()).collect();
        let recovered = Recovered::default().with_log(log());
        assert_eq!(resume(&court, 1, recovered).0.book().told(), None);
        let told = Score { made: vec![2], attempts: vec![3], after: None };
        let recovered = Recovered { score: Some(told.clone()), ..Recovered::default() };
        let (game, decided) = resume(&court, 1, recovered.with_log(log()));
        assert_eq!(game.book().told(), Some(&told));
        assert!(matches!(decided[0].entry, Entry::Checkpoint(_)), "the log begins anew");
        // A log that cannot be read: the same.
        let recovered = Recovered { score: Some(told.clone()), ..Recovered::default() };
        let (game, _) = resume(&court, 1, recovered.with_log(vec![b"{}".to_vec()]));
        assert_eq!(game.book().told(), Some(&told));
        // No score is left on disk: the log knows it.
        let checkpoint = Entry::Checkpoint(Box::new(game.book().clone())).encode().unwrap();
        let (game, _) = resume(&court, 1, Recovered::default().with_log(vec![checkpoint]));
        assert_eq!(game.book().told(), Some(&told));
    }
}
