//! What clips there are: in pages, of a game, or one.
//!
//! A clip's game is the one that was started there; where none was, it is the session in which it was recorded.

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clips::clip::Clip;
use crate::clips::index::{ClipBrief, Hold, Index};
use crate::clips::library::NotPlayed;
use crate::clips::routes::ranges::{has, header};
use crate::clips::routes::reading::{Reading, blocking};
use crate::clips::routes::refusal::Refusal;
use crate::clips::shelf::{Shelf, ShelfError};
use crate::clips::times::{Times, ToldTime};
use crate::event::FactId;
use crate::media::{SessionId, UtcTime};

/// Clips on a page of the manifest, if nothing else is asked for.
const PAGE: usize = 100;
/// At most as many.
const MAX_PAGE: usize = 500;
/// A page looks at so many entries at most for those that are wanted.
const MAX_LOOK: usize = 5_000;
/// Names that are looked at with the ring's lock held.
const LOOK: usize = 2_000;

/// Which clips are asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    after: Option<u64>,
    limit: Option<usize>,
    court: Option<String>,
    session: Option<String>,
    game: Option<String>,
    /// Words by which it is found, with commas between: all of them.
    tag: Option<String>,
    /// RFC 3339: clips that end then or later …
    from: Option<String>,
    /// … and begin then or earlier.
    to: Option<String>,
}

#[derive(Debug, Serialize)]
struct Manifest {
    clips: Vec<Listed>,
    /// Ask for `after` this to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    making: Vec<Making>,
    /// Why there is none, where nobody has heard of what is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

/// A clip that is being recorded, or made.
#[derive(Debug, Serialize)]
pub(super) struct Making {
    id: String,
    state: &'static str,
    court: String,
    session: String,
    from_ns: i64,
    to_ns: i64,
    /// Where its entry will be.
    entry: String,
}

impl Making {
    fn of(id: &str, hold: &Hold) -> Self {
        Self {
            id: id.to_owned(),
            state: "making",
            court: hold.court.to_string(),
            session: hold.session.clone(),
            from_ns: hold.from.media().as_nanos(),
            to_ns: hold.to.media().as_nanos(),
            entry: format!("/v1/clips/{id}"),
        }
    }

    /// The answer to who asked for it: come again.
    pub(super) fn accepted(&self) -> Response {
        let fields = [
            (LOCATION, header(&self.entry)),
            (RETRY_AFTER, HeaderValue::from_static("2")),
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        ];
        (StatusCode::ACCEPTED, fields, serde_json::to_vec(self).unwrap_or_default()).into_response()
    }
}

/// The clip of that name, if it is being made.
pub(super) fn making(shelf: &Shelf, id: &str) -> Option<Making> {
    shelf.look(|index| index.held(id).map(|hold| Making::of(id, hold)))
}

/// All clips of a game.
#[derive(Debug, Serialize)]
struct GameManifest {
    game: String,
    /// More may come: it is played, its session goes on, or clips of it are being made.
    live: bool,
    /// Of all clips together.
    bytes: u64,
    clips: Vec<Listed>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    making: Vec<Making>,
}

/// An entry, as it is told.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    #[serde(flatten)]
    clip: Clip,
    /// The event that it is of, where it is of one; `reason` is what was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    fact: Option<String>,
    /// When it was, in UTC; absent where nothing tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<ToldTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    href: Option<String>,
    /// For players.
    #[serde(skip_serializing_if = "Option::is_none")]
    playlist: Option<String>,
}

impl Listed {
    /// Reads a file on the caller's thread.
    pub(super) fn of(clip: Clip, shelf: &Shelf, times: &Times) -> Self {
        let time = times.of_clip(shelf, &clip);
        let at = |what: &str| clip.media.as_ref().map(|_| format!("/v1/clips/{}/{what}", clip.id));
        let (href, playlist) = (at("media"), at("index.m3u8"));
        let fact = clip.id.strip_prefix(&format!("{}-", clip.court)).and_then(FactId::parse);
        let fact = fact.map(|fact| fact.to_string());
        Self { clip: clip.listed(), fact, time, href, playlist }
    }
}

pub(super) async fn page(
    State(reading): State<Reading>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Query(asked) = asked.map_err(|error| Refusal::query(error.body_text()))?;
    let wanted = Wanted::of(&asked)?;
    let limit = asked.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let after = asked.after.unwrap_or(0);
    let manifest = blocking(move || {
        // Before the clips: one that is made meanwhile is in both, and in neither would be lost.
        let making = wanted.making(&reading.shelf);
        let (clips, next) = wanted.select(&reading, after, limit, MAX_LOOK);
        let none = clips.is_empty() && next.is_none() && making.is_empty();
        if none && wanted.court.as_deref().is_some_and(|name| !reading.shelf.knows_court(name)) {
            return Err(Refusal::from(NotPlayed::NoCourt));
        }
        let note = if none { wanted.unheard_of(&reading.shelf) } else { None };
        Ok(Manifest { clips, next, making, note })
    })
    .await??;
    tagged(&manifest, &headers)
}

pub(super) async fn game(
    State(reading): State<Reading>,
    Path(game): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let asked = Asked { game: Some(game.clone()), ..Asked::default() };
    let wanted = Wanted::of(&asked)?;
    let manifest = blocking(move || {
        let started = reading.shelf.game(&game);
        let running = started.as_ref().is_some_and(|game| game.to.is_none());
        let making = wanted.making(&reading.shelf);
        // A clip of its last moments is recorded for seconds after it ended.
        let live = running || reading.shelf.is_live(&game) || !making.is_empty();
        let (clips, _) = wanted.select(&reading, 0, usize::MAX, usize::MAX);
        let bytes = |listed: &Listed| listed.clip.media.as_ref().map_or(0, |media| media.bytes);
        let bytes = clips.iter().map(bytes).sum();
        let some = live || started.is_some() || !clips.is_empty() || !making.is_empty();
        some.then_some(GameManifest { game, live, bytes, clips, making })
    })
    .await?;
    let none = "no such game is known, and no clip is of it: /v1/clips names the game of each";
    tagged(&manifest.ok_or_else(|| Refusal::not_found(none))?, &headers)
}

pub(super) async fn entry(
    State(reading): State<Reading>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let Reading { shelf, times, .. } = reading;
    blocking(move || match shelf.read(&id) {
        Ok(clip) => Ok(Json(Listed::of(clip, &shelf, &times)).into_response()),
        Err(ShelfError::StillRecorded) => match making(&shelf, &id) {
            Some(making) => Ok(making.accepted()),
            // Made in between.
            None => Ok(Json(Listed::of(shelf.read(&id)?, &shelf, &times)).into_response()),
        },
        Err(error) => Err(error.into()),
    })
    .await?
}

/// JSON with a tag of its own, or nothing for who has it already.
fn tagged(told: &impl Serialize, headers: &HeaderMap) -> Result<Response, Refusal> {
    let json = serde_json::to_vec(told).map_err(Refusal::ours)?;
    let sum = Sha256::digest(&json);
    let tag: String = sum.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let etag = format!("\"{tag}\"");
    if has(headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response());
    }
    let fields = [(CONTENT_TYPE, header("application/json")), (ETAG, header(&etag))];
    Ok((fields, Body::from(json)).into_response())
}

/// What is asked for, read.
#[derive(Debug)]
struct Wanted {
    court: Option<String>,
    session: Option<String>,
    game: Option<String>,
    tags: Vec<String>,
    from: Option<UtcTime>,
    to: Option<UtcTime>,
}

impl Wanted {
    fn of(asked: &Asked) -> Result<Self, Refusal> {
        let at = |name, text: &Option<String>| match text {
            Some(text) => moment(name, text).map(Some),
            None => Ok(None),
        };
        Ok(Self {
            court: asked.court.clone(),
            session: asked.session.clone(),
            game: asked.game.clone(),
            tags: tags_asked(asked.tag.as_deref()),
            from: at("from", &asked.from)?,
            to: at("to", &asked.to)?,
        })
    }

    /// What is said where no clip is of a game or session that nobody has heard of.
    fn unheard_of(&self, shelf: &Shelf) -> Option<&'static str> {
        let recorded = |session: &String| {
            shelf.is_live(session)
                || shelf.look(|index| index.segments().any(|entry| entry.session == *session))
        };
        if self.game.as_ref().is_some_and(|game| !shelf.knows_game(game) && !recorded(game)) {
            return Some("no such game is known: /v1/games names those that were started");
        }
        let unknown = self.session.as_ref().is_some_and(|session| !recorded(session));
        unknown.then_some("nothing is recorded of such a session: each clip names its own")
    }

    /// Those that are being recorded, or made. What part of the day they are of is not looked at.
    fn making(&self, shelf: &Shelf) -> Vec<Making> {
        let is = |wanted: &Option<String>, it: &str| wanted.as_ref().is_none_or(|w| w == it);
        let wanted = |hold: &Hold| {
            is(&self.court, hold.court.as_str())
                && is(&self.session, &hold.session)
                && is(&self.game, hold.game.as_deref().unwrap_or(&hold.session))
        };
        shelf.look(|index| {
            let all = index.making().filter(|(_, hold)| wanted(hold)).take(MAX_PAGE);
            all.map(|(id, hold)| Making::of(id, hold)).collect()
        })
    }

    /// At most `limit` of them after a number, and the number to go on after if there may be more. Looks at
    /// no more than `most` entries' files.
    fn select(
        &self,
        reading: &Reading,
        after: u64,
        limit: usize,
        most: usize,
    ) -> (Vec<Listed>, Option<u64>) {
        let (mut found, mut looked, mut after) = (Vec::new(), 0_usize, after);
        loop {
            let (names, last) = reading.shelf.look(|index| self.names(index, after));
            let Some(last) = last else { return (found, None) };
            for (number, id) in names {
                if found.len() >= limit || looked >= most {
                    return (found, Some(after));
                }
                after = number;
                looked += 1;
                let Ok(clip) = reading.shelf.read(&id) else { continue };
                if !self.takes(&clip) {
                    continue;
                }
                let listed = Listed::of(clip, &reading.shelf, &reading.times);
                if self.is_then(listed.time.as_ref()) {
                    found.push(listed);
                }
            }
            after = last;
        }
    }

    /// Numbers and names of clips after a number that may be wanted, and the number of the last one looked at.
    fn names(&self, index: &Index, after: u64) -> (Vec<(u64, String)>, Option<u64>) {
        let mut last = None;
        let mut names = Vec::new();
        for brief in index.clips_after(after).take(LOOK) {
            last = Some(brief.number);
            if !brief.unread && self.may_be(index, brief) {
                names.push((brief.number, brief.id.clone()));
            }
        }
        (names, last)
    }

    /// False where the index alone says that it is not wanted: its file need not be read.
    fn may_be(&self, index: &Index, brief: &ClipBrief) -> bool {
        let first = brief.segments.first().and_then(|segment| index.segment(*segment));
        let Some(entry) = first else { return true };
        let is = |wanted: &Option<String>, it: &str| wanted.as_ref().is_none_or(|w| w == it);
        // A game that is named otherwise may have clips of any session.
        let rolling = self.game.clone().filter(|game| SessionId::parse(game).is_some());
        is(&self.court, entry.court.as_str())
            && is(&self.session, &entry.session)
            && is(&rolling, &entry.session)
    }

    fn takes(&self, clip: &Clip) -> bool {
        let is = |wanted: &Option<String>, it: &str| wanted.as_ref().is_none_or(|w| w == it);
        is(&self.court, &clip.court)
            && is(&self.session, &clip.session)
            && is(&self.game, clip.game())
            && clip.has_tags(&self.tags)
    }

    /// A clip whose time nobody knows was at no time that is asked for.
    fn is_then(&self, time: Option<&ToldTime>) -> bool {
        let (Self { from, to, .. }, Some(ToldTime { at: (start, end), .. })) = (self, time) else {
            return self.from.is_none() && self.to.is_none();
        };
        from.is_none_or(|from| *end >= from) && to.is_none_or(|to| *start <= to)
    }
}

/// Tags as a query has them.
fn tags_asked(text: Option<&str>) -> Vec<String> {
    let words = text.unwrap_or_default().split(',').map(|tag| tag.trim().to_lowercase());
    words.filter(|tag| !tag.is_empty()).collect()
}

/// A time as a query has it.
pub(super) fn moment(name: &str, text: &str) -> Result<UtcTime, Refusal> {
    let read = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339);
    let nanos = read.ok().and_then(|at| i64::try_from(at.unix_timestamp_nanos()).ok());
    nanos.map(UtcTime::from_nanos).ok_or_else(|| {
        let text = format!("`{name}` is a time as RFC 3339 has it, such as 2026-11-29T18:04:11Z");
        Refusal::query(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::refused;

    #[test]
    fn what_the_table_lets_in_is_read_here_and_nothing_else() {
        let said = refused::<Asked>("/v1/clips");
        let said = said("cuort").expect("refused");
        assert!(said.contains("cuort"), "{said}");
    }
}
