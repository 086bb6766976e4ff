//! `/games/{game}`: the recap of a game as a page, and its files beside it.
//!
//! Nothing is kept of it but where each game began: a recap is made of what the store has whenever somebody
//! asks, so it is right at once after a correction. Making it takes milliseconds; reading the events from
//! the game's first one on takes longer, so only few are read at once.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parking_lot::Mutex;

use crate::http::{Problem, ShareLimits, at_most};
use crate::media::GameId;
use crate::recap::csv::shots_csv;
use crate::recap::fact::{RecapError, of_game};
use crate::recap::html::{Clips, html};
use crate::recap::recap::Recap;

/// Stored events, each with its position.
pub type Stored<'a> = Pin<Box<dyn Future<Output = Vec<(u64, String)>> + Send + 'a>>;

/// What a recap is made of: `app` gives it.
pub trait Source: Send + Sync {
    /// At most so many stored events after a position, as envelopes in their order.
    fn stored(&self, after: u64, limit: usize) -> Stored<'_>;
}

/// Chosen: a person looks at one, and `courtside recap` asks for its facts beside.
const READ: ShareLimits = ShareLimits { each: 2, all: 4 };
/// Read from the store at once.
const AT_ONCE: usize = 200;
/// Bytes of a game's facts (chosen: ten times a game of 400 shots).
const MOST_BYTES: usize = 32 << 20;
/// Games whose first event is remembered.
const REMEMBERED: usize = 256;

#[derive(Clone)]
struct Recaps {
    source: Arc<dyn Source>,
    /// The position before a game's first event. Held for a look and an insertion.
    begins: Arc<Mutex<BTreeMap<GameId, u64>>>,
}

/// The recaps of a box.
pub fn routes(source: Arc<dyn Source>) -> Router {
    Router::new()
        .route("/games/{game}", at_most(get(page), "recaps", READ))
        .route("/games/{game}/{file}", at_most(get(file), "recaps", READ))
        .with_state(Recaps { source, begins: Arc::default() })
}

impl Recaps {
    /// All that was told of a game, and of its clips.
    async fn facts(&self, game: &GameId) -> Result<String, Problem> {
        let named = format!("\"game\":\"{game}\"");
        let of_it = |event: &str| event.contains(&named);
        let known = self.begins.lock().get(game).copied();
        let (mut after, mut found) = (known.unwrap_or(0), String::new());
        // Clips that it named: what becomes of a clip names no game, and comes after who wanted it.
        let mut clips = HashSet::new();
        let mut begins = known;
        loop {
            let stored = self.source.stored(after, AT_ONCE).await;
            let all = stored.len() < AT_ONCE;
            for (position, event) in stored {
                if of_it(&event) && begins.is_none() {
                    begins = Some(after);
                }
                let is_wanted = if of_it(&event) {
                    clips.extend(clips_in(&event).map(str::to_owned));
                    true
                } else {
                    clips_in(&event).any(|clip| clips.contains(clip))
                };
                if is_wanted {
                    found.push_str(&event);
                    found.push('\n');
                }
                after = after.max(position);
            }
            if found.len() > MOST_BYTES {
                let detail = format!("more than {MOST_BYTES} bytes were told of game {game}");
                return Err(Problem::new(StatusCode::INSUFFICIENT_STORAGE, "Too much", detail));
            }
            if all {
                break;
            }
        }
        if let Some(begins) = begins {
            let mut known = self.begins.lock();
            known.insert(game.clone(), begins);
            if known.len() > REMEMBERED {
                known.pop_first();
            }
        }
        Ok(found)
    }

    async fn made<T: Send + 'static>(
        &self,
        game: &str,
        make: impl FnOnce(&str, &GameId) -> Result<T, RecapError> + Send + 'static,
    ) -> Result<T, Problem> {
        let game = GameId::new(game).map_err(|error| Problem::not_found(error.to_string()))?;
        let facts = self.facts(&game).await?;
        // Some milliseconds of computing: not on a thread that serves.
        let made = tokio::task::spawn_blocking(move || make(&facts, &game)).await;
        let ended = |_| {
            let detail = "the recap could not be made: see the box's log";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "No recap", detail)
        };
        made.map_err(ended)?.map_err(|error| match error {
            RecapError::NoGame { .. } => Problem::not_found(error.to_string()),
            RecapError::NoEnvelope { .. } => Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "No recap",
                "an event in the store cannot be read",
            ),
        })
    }
}

/// The clips that an event names, as the box writes it.
fn clips_in(event: &str) -> impl Iterator<Item = &str> {
    const CLIP: &str = "\"clip\":\"";
    event.split(CLIP).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0))
}

async fn page(State(recaps): State<Recaps>, Path(game): Path<String>) -> Response {
    let make = |facts: &str, game: &GameId| {
        let recap = Recap::of(facts, game)?;
        Ok(html(&recap, &served(&recap)))
    };
    let page = match recaps.made(&game, make).await {
        Ok(page) => page,
        Err(problem) => return problem.into_response(),
    };
    let mut response = ([(CONTENT_TYPE, "text/html; charset=utf-8")], page.html).into_response();
    // Its own, which lets its own style and script in by their hashes.
    if let Ok(policy) = HeaderValue::from_str(&page.policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Where the box itself serves what a recap shows.
fn served(recap: &Recap) -> Clips {
    let game = &recap.box_score.game;
    let name = |clip: &str| {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        (!clip.is_empty() && clip.chars().all(good)).then(|| clip.to_owned())
    };
    let names = || recap.clips.iter().filter_map(|clip| name(&clip.clip));
    Clips {
        videos: names().map(|clip| (clip.clone(), format!("/v1/clips/{clip}/media.mp4"))).collect(),
        stills: names()
            .map(|clip| (clip.clone(), format!("/v1/clips/{clip}/thumbnail.jpg")))
            .collect(),
        reel: None,
        files: FILES.iter().map(|(file, what)| (format!("/games/{game}/{file}"), *what)).collect(),
    }
}

const FILES: &[(&str, &str)] = &[
    ("box_score.json", "box score (JSON)"),
    ("shots.csv", "shots (CSV)"),
    ("recap.json", "all of it (JSON)"),
    ("facts.jsonl", "facts as they were told"),
];

async fn file(
    State(recaps): State<Recaps>,
    Path((game, file)): Path<(String, String)>,
) -> Response {
    let Some((name, _)) = FILES.iter().find(|(name, _)| *name == file) else {
        let names: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        let detail = format!("a recap has no such file; it has {}", names.join(", "));
        return Problem::not_found(detail).into_response();
    };
    let make = |facts: &str, game: &GameId| {
        let recap = || Recap::of(facts, game);
        Ok(match *name {
            "facts.jsonl" => ("application/jsonl", of_game(facts, game)?),
            "shots.csv" => ("text/csv; charset=utf-8", shots_csv(&recap()?)),
            "box_score.json" => ("application/json", json(&recap()?.box_score)),
            _ => ("application/json", json(&recap()?)),
        })
    };
    match recaps.made(&game, make).await {
        Ok((kind, text)) => {
            let saved = format!("attachment; filename=\"{game}-{name}\"");
            ([(CONTENT_TYPE, kind.to_owned()), (CONTENT_DISPOSITION, saved)], text).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

fn json(value: &impl serde::Serialize) -> String {
    // Plain words and numbers always become JSON.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;

    const FIRST: &str = include_str!("../../tests/data/recap/first.facts.jsonl");

    /// A store that has these events, a few hundred others round them.
    struct Store(Vec<String>);

    impl Store {
        fn of(facts: &str) -> Self {
            let other = |n: usize| {
                FIRST
                    .lines()
                    .last()
                    .expect("one of another game")
                    .replace("shot-13", &format!("shot-{n}"))
            };
            // As the box writes it: without spaces.
            let plain = |line: &str| {
                let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
                value.to_string()
            };
            let before = (100..450).map(other);
            let after = (450..800).map(other);
            let own = facts.lines().map(str::to_owned);
            Self(before.chain(own).chain(after).map(|line| plain(&line)).collect())
        }
    }

    impl Source for Store {
        fn stored(&self, after: u64, limit: usize) -> Stored<'_> {
            let all = (1_u64..).zip(self.0.iter());
            let given = all.filter(|(at, _)| *at > after).take(limit);
            let given: Vec<_> = given.map(|(at, line)| (at, line.clone())).collect();
            Box::pin(async move { given })
        }
    }

    fn recaps(facts: &str) -> Recaps {
        Recaps { source: Arc::new(Store::of(facts)), begins: Arc::default() }
    }

    async fn answered(response: Response) -> (StatusCode, String, String) {
        let status = response.status();
        let policy = response.headers().get(CONTENT_SECURITY_POLICY);
        let policy = policy.map_or_else(String::new, |policy| policy.to_str().unwrap().to_owned());
        let body = to_bytes(response.into_body(), 1 << 24).await.expect("a body");
        (status, policy, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn a_game_is_found_among_others_and_its_page_has_a_policy_of_its_own() {
        let recaps = recaps(FIRST);
        for _ in 0..2 {
            let (status, policy, text) =
                answered(page(State(recaps.clone()), Path("first".to_owned())).await).await;
            assert_eq!(status, StatusCode::OK);
            assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors"));
            assert!(text.contains("Reds beat The &lt;b&gt;"), "{text}");
            let clip = "/v1/clips/north-00000000000000c1-highlight-3";
            assert!(text.contains(&format!("{clip}/media.mp4")), "{text}");
            assert!(text.contains(&format!("{clip}/thumbnail.jpg")), "{text}");
            // The second time it is read from its first event on.
            assert_eq!(
                *recaps.begins.lock(),
                BTreeMap::from([(GameId::new("first").unwrap(), 350)])
            );
        }
    }

    #[tokio::test]
    async fn files_are_those_of_the_game_and_what_is_not_there_is_said() {
        let of = |game: &str, file_name: &str| {
            let path = Path((game.to_owned(), file_name.to_owned()));
            file(State(recaps(FIRST)), path)
        };
        let (status, _, text) = answered(of("first", "facts.jsonl").await).await;
        assert_eq!((status, text.lines().count()), (StatusCode::OK, 53));
        let (_, _, text) = answered(of("first", "box_score.json").await).await;
        let score: crate::recap::BoxScore = serde_json::from_str(&text).expect("a box score");
        assert_eq!(score.teams[0].points, 7);
        let (_, _, text) = answered(of("first", "shots.csv").await).await;
        assert_eq!(text.lines().count(), 12);
        for (game, name) in [("third", "facts.jsonl"), ("No Name", "shots.csv"), ("first", "x")] {
            let (status, _, text) = answered(of(game, name).await).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{game}/{name}: {text}");
        }
    }
}
