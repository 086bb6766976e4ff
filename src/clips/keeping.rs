//! What is asked to be kept or deleted, read and found in the ring (pure).
//!
//! A moment is of the stream, or UTC. UTC becomes a moment of a session by what the segments know of the
//! wall's time: how far it was ahead of the stream when they were begun, as the box's clock had it
//! when the pictures came in, or as the anchor of a session has it that still plays.

use std::time::Duration;

use serde::Serialize;

use crate::clips::clip::is_clip_id;
use crate::clips::cut::NoClip;
use crate::clips::index::SegmentEntry;
use crate::clips::timeline::Ticks;
use crate::event::clip::{DeleteArguments, KeepArguments, Moment};
use crate::media::{CourtId, Foreign, ForeignKind, GameId, MediaTime, SessionId, UtcTime};

/// A reason is a word or two, a note a sentence (chosen; the page offers as much).
const REASON_MOST: usize = 80;
const NOTE_MOST: usize = 400;
/// Nothing longer is kept as one clip: a game with all its breaks.
const LONGEST_NS: i64 = 6 * 3600 * 1_000_000_000;
/// Who asks for an interval that ends so far ahead waits for it; beyond that asks again.
const AHEAD_NS: i64 = 30 * 1_000_000_000;
/// Nobody promises to keep anything for longer: 100 years.
const UNTIL_MOST_NS: i64 = 100 * 366 * 86_400 * 1_000_000_000;

/// What is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// A clip that there is, or an interval.
    pub what: KeepWhat,
    /// Why, in a word or two.
    pub reason: Foreign,
    /// What else is to be known of it.
    pub note: Option<Foreign>,
    /// When the pin ends by itself; after `pin_days` if absent.
    pub until: Option<UtcTime>,
    /// Who asks, through which door.
    pub by: Foreign,
}

/// Of what a clip is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepWhat {
    /// A clip that there is.
    Clip(String),
    /// An interval, and the name that its clip is to have.
    Interval(Interval, Option<String>),
}

/// An interval of a court.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interval {
    /// Moments of a session.
    Stream {
        /// The court; that of the session if absent.
        court: Option<CourtId>,
        /// The session.
        session: SessionId,
        /// First moment.
        from: MediaTime,
        /// Last moment.
        to: MediaTime,
    },
    /// Moments in UTC; of all sessions of that time, the one that has most of it.
    Wall {
        /// The court; the only one if absent.
        court: Option<CourtId>,
        /// First moment.
        from: UtcTime,
        /// Last moment.
        to: UtcTime,
    },
    /// So much up to now. What came last may be a few seconds older; where nothing came in all that time it is
    /// refused, and where the stream ended meanwhile the clip says what is missing.
    Last {
        /// The court; the only one if absent.
        court: Option<CourtId>,
        /// How much.
        by: Duration,
    },
}

/// What is to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeleteWhat {
    /// The bytes of a clip.
    Clip(String),
    /// All of a session.
    Session(SessionId),
    /// What its courts recorded while a game was played, and its clips.
    Game(GameId),
    /// An interval.
    Interval(Interval),
}

/// A wish to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// What.
    pub what: DeleteWhat,
    /// Why.
    pub reason: Option<Foreign>,
    /// Who asks, through which door.
    pub by: Foreign,
}

/// What went by a deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Deleted {
    /// Which it is, in the audit log of the box's ring; 0 where that had nothing of it.
    pub number: u64,
    /// Clips that lost their bytes.
    pub clips: Vec<String>,
    /// Segments that went whole.
    pub segments: u64,
    /// Segments that have a hole now.
    pub holed: u64,
    /// Bytes that were deleted.
    pub bytes: u64,
    /// Imports that had some of it, which is counted above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<DeletedImport>,
}

/// An import that had some of what was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeletedImport {
    /// Its folder below `{data_dir}/import`.
    pub import: String,
    /// Which it is, in the audit log there.
    pub number: u64,
}

impl Keep {
    /// Reads what was asked, at `now`.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub fn read(asked: &KeepArguments, now: UtcTime, by: Foreign) -> Result<Self, Foreign> {
        let interval = interval(
            asked.court.as_deref(),
            asked.session.as_deref(),
            (asked.from.as_ref(), asked.to.as_ref()),
            asked.last,
        )?;
        let what = match (&asked.clip, interval) {
            (Some(id), None) if asked.id.is_none() => KeepWhat::Clip(clip_id(id)?),
            (None, Some(interval)) => {
                if let Interval::Wall { to, .. } = &interval
                    && to.nanos_since(now) > AHEAD_NS
                {
                    return Err(Foreign::told(
                        "the interval ends more than 30 s ahead: ask again once it has passed",
                    ));
                }
                let id = asked.id.as_deref().map(clip_id).transpose()?;
                KeepWhat::Interval(interval, id)
            }
            _ => {
                return Err(Foreign::told(
                    "name a `clip`, or an interval: `court` with `from` and `to` or with `last`",
                ));
            }
        };
        let reason = text("reason", asked.reason.as_deref(), REASON_MOST)?;
        let note = text("note", asked.note.as_deref(), NOTE_MOST)?;
        let until = match asked.until.as_deref() {
            None => None,
            Some(until) => {
                let at = UtcTime::from_rfc3339(until)
                    .filter(|at| (1..=UNTIL_MOST_NS).contains(&at.nanos_since(now)));
                Some(at.ok_or_else(|| {
                    Foreign::told("`until` is a time to come, like 2027-01-31T12:00:00Z")
                })?)
            }
        };
        let reason = reason.unwrap_or_else(|| Foreign::name("kept"));
        Ok(Self { what, reason, note, until, by })
    }
}

impl Delete {
    /// Reads what was asked.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub fn read(asked: &DeleteArguments, by: Foreign) -> Result<Self, Foreign> {
        if asked.session.is_some() && asked.game.is_some() {
            return Err(Foreign::told("name a game or a session: one of the two"));
        }
        let moments = (asked.from.as_ref(), asked.to.as_ref());
        // A court without a started game plays one that is its session.
        let (rolling, game) = match asked.game.as_deref() {
            Some(game) if SessionId::parse(game).is_some() => (Some(game), None),
            game => (None, game),
        };
        let session = asked.session.as_deref().or(rolling);
        let what = match (&asked.clip, game, session, moments) {
            (Some(id), None, None, (None, None)) => DeleteWhat::Clip(clip_id(id)?),
            (None, Some(game), None, (None, None)) if asked.court.is_none() => {
                let game = GameId::new(game).map_err(|error| Foreign::error(&error))?;
                DeleteWhat::Game(game)
            }
            (None, None, Some(session), (None, None)) => DeleteWhat::Session(session_of(session)?),
            (None, None, session, moments) => {
                let interval = interval(asked.court.as_deref(), session, moments, None)?;
                DeleteWhat::Interval(interval.ok_or_else(|| {
                    Foreign::told(
                        "name a `clip`, a `game`, a `session`, or a `court` with `from` and `to`",
                    )
                })?)
            }
            (Some(_), ..) => {
                return Err(Foreign::told("a `clip` is named alone, without session or moments"));
            }
            _ => return Err(Foreign::told("a `game` is named alone, without court or moments")),
        };
        let reason = text("reason", asked.reason.as_deref(), NOTE_MOST)?;
        Ok(Self { what, reason, by })
    }
}

fn clip_id(id: &str) -> Result<String, Foreign> {
    if is_clip_id(id) {
        return Ok(id.to_owned());
    }
    Err(Foreign::told("a clip's name is 1 to 128 of A-Z, a-z, 0-9, '-', '_' and '.'"))
}

fn session_of(session: &str) -> Result<SessionId, Foreign> {
    let wrong = || Foreign::told("a session is 16 hexadecimal digits");
    SessionId::parse(session).ok_or_else(wrong)
}

fn text(what: &str, text: Option<&str>, most: usize) -> Result<Option<Foreign>, Foreign> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.chars().count() > most {
        return Err(Foreign::told(format_args!("`{what}` has at most {most} characters")));
    }
    Ok(Some(Foreign::of(ForeignKind::Text, text)))
}

/// Reads an interval; `None` where none is named.
fn interval(
    court: Option<&str>,
    session: Option<&str>,
    moments: (Option<&Moment>, Option<&Moment>),
    last: Option<f64>,
) -> Result<Option<Interval>, Foreign> {
    let court = court.map(CourtId::new).transpose();
    let court = court.map_err(|error| Foreign::error(&error))?;
    let read = match (moments, last, session) {
        ((None, None), None, None) => return Ok(None),
        ((None, None), Some(last), None) => {
            if !(0.5..=21_600.0).contains(&last) {
                return Err(Foreign::told("`last` is 0.5 to 21600 seconds"));
            }
            Interval::Last { court, by: Duration::from_secs_f64(last) }
        }
        ((Some(Moment::Utc(from)), Some(Moment::Utc(to))), None, None) => {
            let utc = |text: &str| {
                UtcTime::from_rfc3339(text).ok_or_else(|| {
                    Foreign::told("a moment in UTC is written like 2026-11-22T18:04:11.480Z")
                })
            };
            let (from, to) = (utc(from)?, utc(to)?);
            in_order(to.nanos_since(from))?;
            Interval::Wall { court, from, to }
        }
        ((Some(Moment::Stream(from)), Some(Moment::Stream(to))), None, Some(session)) => {
            let (from, to) = (seconds(*from)?, seconds(*to)?);
            in_order(to.nanos_since(from))?;
            Interval::Stream { court, session: session_of(session)?, from, to }
        }
        _ => {
            return Err(Foreign::told(
                "`from` and `to` are both in UTC, or both seconds of the `session` that is named",
            ));
        }
    };
    Ok(Some(read))
}

fn in_order(long_ns: i64) -> Result<(), Foreign> {
    if (0..=LONGEST_NS).contains(&long_ns) {
        return Ok(());
    }
    Err(Foreign::told("`to` comes after `from`, and by no more than six hours"))
}

fn seconds(of: f64) -> Result<MediaTime, Foreign> {
    let ms = (of * 1000.0).round();
    if !(-1e12..1e12).contains(&ms) {
        return Err(Foreign::told("that is no time in seconds"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked above")]
    Ok(MediaTime::from_millis(ms as i64))
}

/// A segment, and how far UTC was ahead of the stream there, ns.
pub(crate) type Timed = (SegmentEntry, i64);

/// The moments of each session in an interval of UTC, in the order of the segments, with how many ns of
/// it are recorded.
#[must_use]
pub(crate) fn of_wall(
    timed: &[Timed],
    live: Option<&str>,
    (from, to): (UtcTime, UtcTime),
) -> Vec<(Span, i64)> {
    let mut found: Vec<(Span, i64)> = Vec::new();
    let newest = timed.iter().map(|(entry, _)| entry).filter(|e| Some(&e.session[..]) == live);
    let newest = newest.max_by_key(|entry| entry.end).map(|entry| entry.id);
    for (entry, ahead_ns) in timed {
        let utc =
            |ticks| UtcTime::from_nanos(Ticks(ticks).media().as_nanos()).plus_nanos(*ahead_ns);
        let goes_on = newest == Some(entry.id);
        let end = if goes_on { to.max(utc(entry.end)) } else { utc(entry.end) };
        let covered = end.min(to).nanos_since(utc(entry.start).max(from));
        if covered < 0 {
            continue;
        }
        let media = |utc: UtcTime| MediaTime::from_nanos(utc.as_nanos().saturating_sub(*ahead_ns));
        match found.iter_mut().find(|(span, _)| span.session == entry.session) {
            Some((span, had)) => {
                span.to = media(to);
                *had += covered;
            }
            None => {
                let (court, session) = (entry.court.clone(), entry.session.clone());
                found.push((Span { court, session, from: media(from), to: media(to) }, covered));
            }
        }
    }
    found
}

/// Moments of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) court: CourtId,
    /// 16 hexadecimal digits.
    pub(crate) session: String,
    pub(crate) from: MediaTime,
    pub(crate) to: MediaTime,
}

/// The one session of an interval of UTC that has most of it, the first of equals.
pub(crate) fn most_of(found: Vec<(Span, i64)>) -> Result<Span, NoClip> {
    let mut best: Option<(Span, i64)> = None;
    for (span, covered) in found {
        if best.as_ref().is_none_or(|(_, most)| covered > *most) {
            best = Some((span, covered));
        }
    }
    best.map(|(span, _)| span).ok_or(NoClip::NotRecorded)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UtcTime = UtcTime::from_nanos(1_800_000_000_000_000_000);

    /// What an asker is told, or how it was read.
    fn check(json: &str, expected: &str) {
        let asked: KeepArguments = serde_json::from_str(json).expect("arguments");
        let told = match Keep::read(&asked, NOW, Foreign::told("test")) {
            Err(why) => format!("refused: {why}"),
            Ok(keep) => format!("{:?} {} {:?}", keep.what, keep.reason, keep.note),
        };
        assert!(told.contains(expected), "{json}: {told}");
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_what_to_write() {
        for (json, expected) in [
            (r#"{}"#, "name a `clip`"),
            (r#"{"clip":"../x"}"#, "a clip's name is"),
            (r#"{"clip":"x","last":3}"#, "name a `clip`"),
            (r#"{"clip":"x"}"#, "Clip(\"x\") kept None"),
            (r#"{"last":0.1}"#, "`last` is"),
            (r#"{"last":30,"note":"dunk"}"#, "kept Some(\"dunk\")"),
            (r#"{"court":"A!","last":30}"#, "refused"),
            (r#"{"from":1,"to":2}"#, "both in UTC, or both seconds"),
            (r#"{"from":2,"to":1,"session":"00000000000000a1"}"#, "`to` comes after"),
            (r#"{"from":1,"to":2,"session":"00000000000000a1"}"#, "Stream"),
            (r#"{"from":"x","to":"y"}"#, "a moment in UTC"),
            (r#"{"from":"2027-01-15T08:00:00Z","to":"2027-01-15T08:01:00Z"}"#, "30 s ahead"),
            (r#"{"last":9,"until":"2020-01-01T00:00:00Z"}"#, "a time to come"),
        ] {
            check(json, expected);
        }
        let long = format!(r#"{{"last":9,"note":"{}"}}"#, "x".repeat(401));
        check(&long, "at most 400");
    }

    #[test]
    fn what_cannot_be_deleted_is_refused() {
        for (json, expected) in [
            (r#"{}"#, "name a `clip`"),
            (r#"{"clip":"x","session":"00000000000000a1"}"#, "named alone"),
            (r#"{"game":"00000000000000a1"}"#, "Session"),
            (r#"{"game":"cup-final"}"#, "Game("),
            (r#"{"game":"cup final"}"#, "refused"),
            (r#"{"game":"cup-final","court":"a"}"#, "named alone"),
            (r#"{"game":"00000000000000a1","session":"00000000000000a1"}"#, "one of the two"),
            (r#"{"session":"00000000000000a1","from":1,"to":3}"#, "Stream"),
            (r#"{"court":"a","from":"2026-01-15T08:00:00Z","to":"2026-01-15T08:01:00Z"}"#, "Wall"),
        ] {
            let asked: DeleteArguments = serde_json::from_str(json).expect("arguments");
            let told = match Delete::read(&asked, Foreign::told("test")) {
                Err(why) => format!("refused: {why}"),
                Ok(delete) => format!("{:?}", delete.what),
            };
            assert!(told.contains(expected), "{json}: {told}");
        }
    }

    #[test]
    fn an_interval_of_utc_is_that_of_the_session_that_has_most_of_it() {
        let second = 1_000_000_000;
        let of = |id, session: &str, start: i64, end: i64, ahead: i64| {
            let court = CourtId::new("a").expect("name");
            let (start, end) = (start * 90_000, end * 90_000);
            let (session, ahead_ns) = (session.to_owned(), Some(ahead * second));
            let entry = SegmentEntry {
                id,
                court,
                session,
                start,
                end,
                bytes: 1,
                ahead_ns,
                open: false,
                anew: 0,
            };
            (entry, ahead * second)
        };
        // One session ends at 1010 s of UTC, the next begins at 1015 s.
        let ring = [of(1, "s", 0, 5, 1000), of(2, "s", 5, 10, 1000), of(3, "t", 0, 60, 1015)];
        let utc = |seconds: i64| UtcTime::from_nanos(seconds * second);
        let at = |from, to| most_of(of_wall(&ring, None, (utc(from), utc(to))));
        let span = at(1003, 1008).expect("recorded");
        assert_eq!((&span.session[..], span.from), ("s", MediaTime::from_millis(3000)));
        assert_eq!(span.to, MediaTime::from_millis(8000));
        let span = at(1008, 1030).expect("recorded");
        assert_eq!((&span.session[..], span.to), ("t", MediaTime::from_millis(15_000)));
        assert_eq!(at(900, 950), Err(NoClip::NotRecorded));
        assert_eq!(of_wall(&ring, None, (utc(1008), utc(1030))).len(), 2);
        // What is still to come is of the session that plays, and of none that has ended.
        let to_come = (utc(1080), utc(1090));
        assert_eq!(most_of(of_wall(&ring, None, to_come)), Err(NoClip::NotRecorded));
        assert_eq!(most_of(of_wall(&ring, Some("s"), to_come)).expect("it plays").session, "s");
        let span = most_of(of_wall(&ring, Some("t"), to_come)).expect("it plays");
        assert_eq!((&span.session[..], span.from), ("t", MediaTime::from_millis(65_000)));
        assert_eq!(span.to, MediaTime::from_millis(75_000));
    }
}
