//! `/v1/clips`, `/v1/games` and what is played of a court over HTTP: requests become calls of the shelf,
//! what the shelf refuses becomes problem details (DESIGN §4.4).
//!
//! `manifest` (what there is, and one entry), `media` (a clip's bytes, its acknowledgement), `changes` (keep, release, delete), `played` (lists and
//! segments for players), `ranges` (what part is asked for, pure), `reading` (what
//! requests are answered from), `refusal`, and `body`, by which all bytes
//! leave: a chunk at a time, as fast as the box's rate for readers lets them.

mod refusal;
mod ranges;
mod reading;
mod body;
mod manifest;
mod media;
mod changes;
mod played;

use std::sync::Arc;
use std::time::Duration;

use axum::routing::{get, post};

use crate::clips::library::Library;
use crate::clips::pace::Pace;
use crate::clips::routes::reading::Reading;
use crate::clips::shelf::Shelf;
use crate::clips::times::Times;
use crate::clock::Anchors;
use crate::http::{ShareLimits, at_most};

/// Chosen: each holds open the files that a clip lies in, and a chunk in memory. A browser asks for one, a
/// pull for some; all share the rate, so more of them are no faster.
const PULLED: ShareLimits = ShareLimits { each: 32, all: 64 };
/// Chosen: a player asks for one at a time, a wall of courts for as many as it has.
const PLAYED: ShareLimits = ShareLimits { each: 24, all: 96 };
/// Chosen: each may read the heads of a ring's segments. A wall of courts asks for all of its lists at once.
const LISTED: ShareLimits = ShareLimits { each: 16, all: 48 };

/// Less than the 10 s that a request is held (`http::guard`).
pub const ANSWERS_WITHIN: Duration = Duration::from_secs(8);

/// On what terms clips and recordings are read over HTTP.
#[derive(Clone, Debug)]
pub struct ReadTerms {
    /// How fast, all readers together.
    pub pace: Pace,
    /// Tells the time of sessions that are going on.
    pub wall: Option<Anchors>,
    /// Whoever asks for a change is answered by then, whatever is left to do: [`ANSWERS_WITHIN`].
    pub answers_within: Duration,
}

/// The routes of a ring's clips, without authentication: mount them behind yours.
pub fn routes(shelf: Shelf, terms: ReadTerms) -> axum::Router {
    let times = Times::new(terms.wall);
    let library = Arc::new(Library::new(shelf.clone(), times.clone()));
    axum::Router::new()
        .route("/v1/clips", at_most(get(manifest::page), "manifests", LISTED))
        .route("/v1/games/{game}/manifest", at_most(get(manifest::game), "manifests", LISTED))
        .route("/v1/clips/{id}", get(manifest::entry))
        .route("/v1/clips/{id}/media", at_most(get(media::bytes), "clips under way", PULLED))
        .route("/v1/clips/{id}/media.mp4", at_most(get(media::played), "clips played", PLAYED))
        .route(
            "/v1/clips/{id}/fragments.mp4",
            at_most(get(media::fragments), "clips played", PLAYED),
        )
        .route("/v1/clips/{id}/ack", post(media::acknowledge))
        .route("/v1/clips/{id}/index.m3u8", at_most(get(played::of_clip), "lists", LISTED))
        .route("/v1/courts/{court}/live.m3u8", at_most(get(played::of_court), "lists", LISTED))
        .route(
            "/v1/courts/{court}/segments/{segment}",
            at_most(get(played::segment), "segments under way", PLAYED),
        )
        .route("/v1/courts/{court}/segments/{segment}/init.mp4", get(played::init))
        .merge(changes::routes())
        .with_state(Reading {
            shelf,
            times,
            library,
            pace: terms.pace,
            answers_within: terms.answers_within,
        })
}
