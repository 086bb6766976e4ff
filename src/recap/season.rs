//! Several games: who did what over all of them. Teams and players are one over games by their ids.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::event::game::{OfValue, Team};
use crate::event::words::GameWord;
use crate::media::{GameId, PlayerId, TeamId};
use crate::recap::box_score::{BoxScore, PlayerLine, Shooting, TeamLine, add_value, percent};
use crate::recap::chart::Colors;
use crate::recap::csv::row;
use crate::recap::html::{Page, day_and_minute, document};
use crate::recap::svg::{STYLE, escaped, variables};

/// What several games came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Season {
    /// The games that count, the oldest first.
    pub games: Vec<GameLine>,
    /// Teams, best first: by the share of games won (a drawn one is half), then by the points that they
    /// are ahead over all games, then by their points.
    pub teams: Vec<SeasonTeam>,
    /// Players, best first: by points, then by the share of shots made.
    pub players: Vec<SeasonPlayer>,
    /// What does not count, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One game of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GameLine {
    /// The game.
    pub game: GameId,
    /// RFC 3339; absent where nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Both teams, in the game's order.
    pub teams: [TeamId; 2],
    /// Their points.
    pub points: [u32; 2],
}

/// What a team did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeasonTeam {
    /// From 1; who are level share one.
    pub rank: u32,
    /// As it was called last.
    #[serde(flatten)]
    pub team: Team,
    /// Games.
    pub games: u32,
    /// Those that it won.
    pub won: u32,
    /// Those that it lost.
    pub lost: u32,
    /// Those that were drawn.
    pub drawn: u32,
    /// Its points.
    pub points: u32,
    /// Those of its opponents.
    pub against: u32,
    /// The most points without an answer, in one game.
    pub best_run: u32,
    /// Its shots.
    #[serde(flatten)]
    pub shooting: Shooting,
}

/// What a player did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeasonPlayer {
    /// From 1; who are level share one.
    pub rank: u32,
    /// The team.
    pub team: TeamId,
    /// The player.
    pub player: PlayerId,
    /// As people called them last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Games in which they were named for a shot.
    pub games: u32,
    /// Points.
    pub points: u32,
    /// Points a game, to two digits.
    pub per_game: f64,
    /// Their shots.
    #[serde(flatten)]
    pub shooting: Shooting,
}

impl Season {
    /// Over these games. A game that still runs counts for nothing, and one that is there twice counts
    /// once: the first that was given.
    #[must_use]
    pub fn of(mut scores: Vec<BoxScore>) -> Self {
        let mut notes = Vec::new();
        let mut seen = BTreeSet::new();
        scores.retain(|score| {
            let over = score.state == GameWord::Over;
            let new = seen.insert((score.game.clone(), score.start.clone()));
            if !new {
                notes.push(format!("game {} is there more than once, and counts once", score.game));
            } else if !over {
                notes.push(format!("game {} still ran, and does not count", score.game));
            }
            over && new
        });
        for score in scores.iter().filter(|score| score.pending.points > 0) {
            let points = score.pending.points;
            notes.push(format!(
                "game {}: {points} points have no team, and count for none",
                score.game
            ));
        }
        // RFC 3339 in UTC of one length sorts as time does.
        scores.sort_by(|a, b| (&a.start, &a.game).cmp(&(&b.start, &b.game)));
        let (mut teams, mut players) = (BTreeMap::new(), BTreeMap::new());
        for score in &scores {
            let [first, second] = &score.teams;
            for (line, other) in [(first, second), (second, first)] {
                take_team(&mut teams, score, line, other);
                for player in &line.players {
                    take_player(&mut players, &line.team.id, player);
                }
            }
        }
        let line = |score: &BoxScore| GameLine {
            game: score.game.clone(),
            start: score.start.clone(),
            teams: [score.teams[0].team.id.clone(), score.teams[1].team.id.clone()],
            points: [score.teams[0].points, score.teams[1].points],
        };
        Self {
            games: scores.iter().map(line).collect(),
            teams: ranked_teams(teams.into_values().collect()),
            players: ranked_players(players.into_values().collect()),
            notes,
        }
    }

    fn name(&self, team: &TeamId) -> String {
        let known = self.teams.iter().find(|line| line.team.id == *team);
        known.and_then(|line| line.team.name.clone()).unwrap_or_else(|| team.to_string())
    }
}

fn take_team(
    teams: &mut BTreeMap<TeamId, SeasonTeam>,
    score: &BoxScore,
    line: &TeamLine,
    other: &TeamLine,
) {
    let new = || SeasonTeam {
        rank: 0,
        team: line.team.clone(),
        games: 0,
        won: 0,
        lost: 0,
        drawn: 0,
        points: 0,
        against: 0,
        best_run: 0,
        shooting: Shooting::default(),
    };
    let team = teams.entry(line.team.id.clone()).or_insert_with(new);
    team.team = Team {
        name: line.team.name.clone().or_else(|| team.team.name.take()),
        color: line.team.color.clone().or_else(|| team.team.color.take()),
        id: line.team.id.clone(),
    };
    team.games += 1;
    match &score.winner {
        Some(winner) if *winner == line.team.id => team.won += 1,
        Some(_) => team.lost += 1,
        None => team.drawn += 1,
    }
    team.points += line.points;
    team.against += other.points;
    team.best_run = team.best_run.max(line.best_run);
    add_shooting(&mut team.shooting, &line.shooting);
}

/// A player's own name within the team. Where both teams of a game have a 7, the second one's is named by its team
/// too (`{team}-7`), and is the same 7 in the next game.
fn number_of(team: &TeamId, player: &PlayerId) -> PlayerId {
    let short = player.as_str().strip_prefix(team.as_str()).and_then(|rest| rest.strip_prefix('-'));
    short.and_then(|short| PlayerId::new(short).ok()).unwrap_or_else(|| player.clone())
}

fn take_player(
    players: &mut BTreeMap<(TeamId, PlayerId), SeasonPlayer>,
    team: &TeamId,
    line: &PlayerLine,
) {
    let new = || SeasonPlayer {
        rank: 0,
        team: team.clone(),
        player: line.player.clone(),
        name: None,
        games: 0,
        points: 0,
        per_game: 0.0,
        shooting: Shooting::default(),
    };
    let player = players.entry((team.clone(), number_of(team, &line.player))).or_insert_with(new);
    player.name = line.name.clone().or_else(|| player.name.take());
    player.games += 1;
    player.points += line.points;
    player.per_game = (f64::from(player.points) / f64::from(player.games) * 100.0).round() / 100.0;
    add_shooting(&mut player.shooting, &line.shooting);
}

fn add_shooting(all: &mut Shooting, more: &Shooting) {
    all.made += more.made;
    all.attempts += more.attempts;
    all.percent = percent(all.made, all.attempts);
    // A streak does not go over from game to game.
    all.best_streak = all.best_streak.max(more.best_streak);
    for row in &more.by_value {
        let OfValue { points, made, attempts } = *row;
        add_value(&mut all.by_value, OfValue { points, made, attempts });
    }
}

/// The share of games won, compared without rounding: a won one is two, a drawn one is one.
fn compared(team: &SeasonTeam, other: &SeasonTeam) -> std::cmp::Ordering {
    let halves = |of: &SeasonTeam| u64::from(of.won) * 2 + u64::from(of.drawn);
    let share =
        (halves(other) * u64::from(team.games)).cmp(&(halves(team) * u64::from(other.games)));
    let ahead = |of: &SeasonTeam| i64::from(of.points) - i64::from(of.against);
    share.then(ahead(other).cmp(&ahead(team))).then(other.points.cmp(&team.points))
}

fn ranked_teams(mut teams: Vec<SeasonTeam>) -> Vec<SeasonTeam> {
    // Who are level stay in order of name.
    teams.sort_by(compared);
    let ranks = ranks(&teams, |a, b| compared(a, b).is_eq());
    teams.iter_mut().zip(ranks).for_each(|(team, rank)| team.rank = rank);
    teams
}

fn ranked_players(mut players: Vec<SeasonPlayer>) -> Vec<SeasonPlayer> {
    let compared = |a: &SeasonPlayer, b: &SeasonPlayer| {
        let made = |of: &SeasonPlayer, by: &SeasonPlayer| {
            u64::from(of.shooting.made) * u64::from(by.shooting.attempts)
        };
        b.points.cmp(&a.points).then(made(b, a).cmp(&made(a, b)))
    };
    players.sort_by(compared);
    let ranks = ranks(&players, |a, b| compared(a, b).is_eq());
    players.iter_mut().zip(ranks).for_each(|(player, rank)| player.rank = rank);
    players
}

/// Ranks of what stands in order: who are level share the first one's.
fn ranks<T>(all: &[T], level: impl Fn(&T, &T) -> bool) -> Vec<u32> {
    let mut ranks: Vec<u32> = Vec::new();
    for (at, one) in all.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| all.get(at));
        let shared = before.filter(|before| level(before, one)).and_then(|_| ranks.last().copied());
        ranks.push(shared.unwrap_or_else(|| u32::try_from(at + 1).unwrap_or(u32::MAX)));
    }
    ranks
}

/// Teams, then players, a row each, with a head.
#[must_use]
pub fn season_csv(season: &Season) -> String {
    let mut table = String::new();
    row(
        &mut table,
        [
            "kind",
            "rank",
            "team",
            "player",
            "name",
            "games",
            "won",
            "lost",
            "drawn",
            "points",
            "against",
            "made",
            "attempts",
            "percent",
            "best_streak",
        ],
    );
    let percent = |of: &Shooting| of.percent.map_or_else(String::new, |of| of.to_string());
    for line in &season.teams {
        let [rank, games, won, lost, drawn, points, against, made, attempts, streak] = [
            line.rank,
            line.games,
            line.won,
            line.lost,
            line.drawn,
            line.points,
            line.against,
            line.shooting.made,
            line.shooting.attempts,
            line.shooting.best_streak,
        ]
        .map(|number| number.to_string());
        let name = line.team.name.as_deref().unwrap_or_default();
        row(
            &mut table,
            [
                "team",
                &rank,
                line.team.id.as_str(),
                "",
                name,
                &games,
                &won,
                &lost,
                &drawn,
                &points,
                &against,
                &made,
                &attempts,
                &percent(&line.shooting),
                &streak,
            ],
        );
    }
    for line in &season.players {
        let [rank, games, points, made, attempts, streak] = [
            line.rank,
            line.games,
            line.points,
            line.shooting.made,
            line.shooting.attempts,
            line.shooting.best_streak,
        ]
        .map(|number| number.to_string());
        let name = line.name.as_deref().unwrap_or_default();
        row(
            &mut table,
            [
                "player",
                &rank,
                line.team.as_str(),
                line.player.as_str(),
                name,
                &games,
                "",
                "",
                "",
                &points,
                "",
                &made,
                &attempts,
                &percent(&line.shooting),
                &streak,
            ],
        );
    }
    table
}

/// The season as a document.
#[must_use]
pub fn season_html(season: &Season, title: &str) -> Page {
    let style =
        format!("{}{STYLE}{}", variables(&Colors::usual(), ":root"), include_str!("page.css"));
    let mut body = String::new();
    // Writing into a string cannot fail.
    written(&mut body, season, title).ok();
    document(title, &style, &body)
}

fn written(out: &mut String, season: &Season, title: &str) -> fmt::Result {
    writeln!(out, "<header><h1 class=\"season\">{}</h1>", escaped(title))?;
    writeln!(out, "<p class=\"dim\">{} games</p></header>\n<main>", season.games.len())?;
    out.push_str("<section>\n<h2>Teams</h2>\n");
    head(
        out,
        &["Rank", "Team"],
        &["Games", "Won", "Lost", "Drawn", "Points", "Against", "Made", "%", "Best run"],
    )?;
    for line in &season.teams {
        let name = escaped(&season.name(&line.team.id));
        write!(
            out,
            "<tr><td class=\"left\">{}</td><th scope=\"row\"><bdi>{name}</bdi></th>",
            line.rank
        )?;
        write!(out, "<td>{}</td><td>{}</td><td>{}</td>", line.games, line.won, line.lost)?;
        write!(out, "<td>{}</td><td>{}</td><td>{}</td>", line.drawn, line.points, line.against)?;
        shooting(out, &line.shooting)?;
        writeln!(out, "<td>{}</td></tr>", line.best_run)?;
    }
    out.push_str("</tbody></table></div>\n</section>\n");
    if !season.players.is_empty() {
        out.push_str("<section>\n<h2>Players</h2>\n");
        head(
            out,
            &["Rank", "Player", "Team"],
            &["Games", "Points", "A game", "Made", "%", "Best streak"],
        )?;
        for line in &season.players {
            let name = line.name.clone().unwrap_or_else(|| line.player.to_string());
            let (name, team) = (escaped(&name), escaped(&season.name(&line.team)));
            write!(
                out,
                "<tr><td class=\"left\">{}</td><th scope=\"row\"><bdi>{name}</bdi></th>",
                line.rank
            )?;
            write!(out, "<td class=\"left\"><bdi>{team}</bdi></td><td>{}</td>", line.games)?;
            write!(out, "<td>{}</td><td>{:.2}</td>", line.points, line.per_game)?;
            shooting(out, &line.shooting)?;
            writeln!(out, "<td>{}</td></tr>", line.shooting.best_streak)?;
        }
        out.push_str("</tbody></table></div>\n</section>\n");
    }
    out.push_str("<section>\n<h2>Games</h2>\n");
    head(out, &["Game", "Began", "Teams"], &["Points"])?;
    for line in &season.games {
        let start = line.start.as_deref().map(day_and_minute).unwrap_or_default();
        let [a, b] = [0, 1].map(|at| escaped(&season.name(&line.teams[at])));
        write!(out, "<tr><th scope=\"row\">{}</th><td class=\"left\">{start}</td>", line.game)?;
        write!(out, "<td class=\"left\"><bdi>{a}</bdi> – <bdi>{b}</bdi></td>")?;
        writeln!(out, "<td>{}–{}</td></tr>", line.points[0], line.points[1])?;
    }
    out.push_str("</tbody></table></div>\n</section>\n");
    if !season.notes.is_empty() {
        out.push_str("<section>\n<h2>What does not count</h2>\n<ul class=\"notes\">\n");
        for note in &season.notes {
            writeln!(out, "<li>{}</li>", escaped(note))?;
        }
        out.push_str("</ul>\n</section>\n");
    }
    out.push_str("</main>\n");
    Ok(())
}

fn head(out: &mut String, left: &[&str], right: &[&str]) -> fmt::Result {
    out.push_str("<div class=\"wide\" tabindex=\"0\"><table><thead><tr>");
    for head in left {
        write!(out, "<th scope=\"col\" class=\"left\">{head}</th>")?;
    }
    for head in right {
        write!(out, "<th scope=\"col\">{head}</th>")?;
    }
    out.push_str("</tr></thead><tbody>\n");
    Ok(())
}

fn shooting(out: &mut String, of: &Shooting) -> fmt::Result {
    let percent = of.percent.map_or_else(|| "–".to_owned(), |percent| percent.to_string());
    write!(out, "<td>{}/{}</td><td>{percent}</td>", of.made, of.attempts)
}
