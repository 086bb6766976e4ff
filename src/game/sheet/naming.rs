//! How teams, players and scores are called in sentences.

use crate::event::game::Team;
use crate::game::sheet::input::Setup;
use crate::media::PlayerId;

/// Letters of a name in a graphic (chosen: two of them and a score fit a line).
const SHORT: usize = 18;

/// The name, cut to what a graphic has room for.
fn short(name: &str) -> String {
    if name.chars().count() <= SHORT {
        return name.to_owned();
    }
    let kept: String = name.chars().take(SHORT - 1).collect();
    format!("{}…", kept.trim_end())
}

/// A team, as people call it.
pub(super) fn team(setup: &Setup, side: usize) -> String {
    let called = |team: &Team| short(team.name.as_deref().unwrap_or(team.id.as_str()));
    setup.teams.get(side).map(called).unwrap_or_default()
}

/// A player, as people call them.
pub(super) fn player(setup: &Setup, id: &PlayerId) -> String {
    let named = setup.players.iter().find(|player| player.id == *id);
    short(named.and_then(|player| player.name.as_deref()).unwrap_or(id.as_str()))
}

/// `Reds 18–15 Blues`.
pub(super) fn score(setup: &Setup, [first, second]: [u32; 2]) -> String {
    format!("{} {first}–{second} {}", team(setup, 0), team(setup, 1))
}

/// `18–15`, the named team's points first.
pub(super) fn points_of(side: usize, [first, second]: [u32; 2]) -> String {
    if side == 0 { format!("{first}–{second}") } else { format!("{second}–{first}") }
}

/// The word for points.
pub(super) fn points(points: u32) -> String {
    if points == 1 { "1 point".to_owned() } else { format!("{points} points") }
}
