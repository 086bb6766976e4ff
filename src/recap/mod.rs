//! The recap of a game: what it came to, from the facts that were told of it.
//!
//! In: envelopes of one game, one a line, in the order in which they were told, all revisions. Out: a
//! [`Recap`], and what people read of it: one HTML file that needs nothing else, tables, charts. Nothing
//! is owned on disk. All of it is pure but for `routes`, which asks `app` for the facts of a game.
//!
//! What is counted here is counted from the shots that stand, not taken from the sums that were told: so
//! a recap says where the two differ, instead of repeating one of them. A fact that was taken back is in
//! the file of facts and nowhere else.
//!
//! Read `fact` (envelopes, and which revision stands), `shots` (the shots in their order, and the score
//! after each), `box_score` (sums by team and player), `line` (the score and the share of wins over
//! time), `tags`, `lines` (what is listed), `words` (the summary: each sentence names the facts that it
//! stands on), `recap` (all of it), `csv`, `chart` (what a chart shows; `svg` draws it, a tool may draw it
//! otherwise), `html`, `season` (several games), `routes`.

mod fact;
mod shots;
mod box_score;
mod line;
mod tags;
mod lines;
mod words;
#[expect(clippy::module_inception, reason = "the value that the stage is named for")]
mod recap;
mod csv;
pub mod chart;
mod svg;
mod html;
mod season;
mod routes;

pub use crate::recap::box_score::{BoxScore, PlayerLine, Shooting, TeamLine};
pub use crate::recap::csv::shots_csv;
pub use crate::recap::fact::{RecapError, games_in, of_game};
pub use crate::recap::html::{Clips, Page, html};
pub use crate::recap::line::{ScorePoint, WinPoint};
pub use crate::recap::lines::{ClipLine, ShotLine};
pub use crate::recap::recap::Recap;
pub use crate::recap::routes::{Source, Stored, routes};
pub use crate::recap::season::{
    GameLine, Season, SeasonPlayer, SeasonTeam, season_csv, season_html,
};
pub use crate::recap::svg::svg_file;
pub use crate::recap::words::Sentence;

#[cfg(test)]
mod tests;
