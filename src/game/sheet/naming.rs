//! How teams, players and scores are called in sentences.

use crate::event::game::Team;
use crate::game::sheet::input::{NAME_MOST, Setup};
use crate::media::{PlayerId, isolated};

/// Letters of a name beside another one's and a score, in a graphic's second line (chosen: both and the score are 80).
const BESIDE: usize = 33;
/// Letters of a name beside another one's in its first line (chosen: both and their shots are 60).
const SHORT: usize = 18;

/// The name, cut to what there is room for; whole where that is as long as a name can be.
fn within(most: usize, name: &str) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    let kept: String = name.chars().take(most - 1).collect();
    format!("{}…", kept.trim_end())
}

fn called(setup: &Setup, side: usize, most: usize) -> String {
    let name =
        |team: &Team| isolated(&within(most, team.name.as_deref().unwrap_or(team.id.as_str())));
    setup.teams.get(side).map(name).unwrap_or_default()
}

/// A team, as people call it.
pub(super) fn team(setup: &Setup, side: usize) -> String {
    called(setup, side, NAME_MOST)
}

/// A team, where both stand in a first line.
pub(super) fn team_in_short(setup: &Setup, side: usize) -> String {
    called(setup, side, SHORT)
}

/// A player, as people call them.
pub(super) fn player(setup: &Setup, id: &PlayerId) -> String {
    let named = setup.players.iter().find(|player| player.id == *id);
    let name = named.and_then(|player| player.name.as_deref()).unwrap_or(id.as_str());
    isolated(&within(NAME_MOST, name))
}

/// `Reds 18–15 Blues`.
pub(super) fn score(setup: &Setup, [first, second]: [u32; 2]) -> String {
    format!("{} {first}–{second} {}", called(setup, 0, BESIDE), called(setup, 1, BESIDE))
}

/// The same for a first line.
pub(super) fn score_in_short(setup: &Setup, [first, second]: [u32; 2]) -> String {
    format!("{} {first}–{second} {}", called(setup, 0, SHORT), called(setup, 1, SHORT))
}

/// `18–15`, the named team's points first.
pub(super) fn points_of(side: usize, [first, second]: [u32; 2]) -> String {
    if side == 0 { format!("{first}–{second}") } else { format!("{second}–{first}") }
}

/// The word for points.
pub(super) fn points(points: u32) -> String {
    if points == 1 { "1 point".to_owned() } else { format!("{points} points") }
}
