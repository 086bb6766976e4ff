//! `courtside game`: start and end games of the running box, and put calls right.
//!
//! Asks the box beside it over its own socket, or over HTTP with its token (`ask`); the box decides, and
//! what it refuses is said in its own words.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::event::game::{GameView, Player, Team};
use crate::event::play::{
    GameEnded, GameLine, GamePeriodArguments, GameStartArguments, RimAttacked, ShotAddArguments,
    ShotCorrectArguments, ShotTold,
};
use crate::event::words::VerdictWord;
use crate::media::{CourtId, GameId, PlayerId, TeamId};
use crate::tools::ask::{AskArgs, Place};
use crate::tools::tell::{remark, tell, tell_json};

/// Arguments of `game`.
#[derive(Debug, Args)]
#[command(after_help = "Example: courtside game start --rules fiba-3x3 --team reds --team blues
         courtside game list
         courtside game end g-20261122-180411")]
pub(super) struct GameArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a game: from now on the shots of its courts are its own
    #[command(
        after_help = "Example: courtside game start --team reds=Foxes --team blues=Bears=#2040c0
         courtside game start --court north --court south --attack north/0=reds --attack south/0=blues
Exit: 0 started · 1 refused, with the reason"
    )]
    Start(StartArgs),
    /// End a game; it can be corrected for a day
    #[command(after_help = "Example: courtside game end g-20261122-180411
Exit: 0 ended · 1 refused, with the reason")]
    End {
        /// Name of the game
        #[arg(value_name = "GAME", value_parser = game)]
        game: GameId,
        #[command(flatten)]
        with: With,
    },
    /// List the games on record
    #[command(after_help = "Example: courtside game list --json")]
    List {
        #[command(flatten)]
        with: With,
    },
    /// Begin a period, or say when one began
    #[command(after_help = "Example: courtside game period final 2 --swapped true
         courtside game period final 2 --ago 25
Exit: 0 it is played · 1 refused, with the reason")]
    Period {
        /// Name of the game
        #[arg(value_name = "GAME", value_parser = game)]
        game: GameId,
        /// Which period, from 1; overtimes count on
        #[arg(value_name = "N")]
        n: u16,
        /// Teams attack the other basket than in the first [default: as the rules say]
        #[arg(long, value_name = "TRUE|FALSE")]
        swapped: Option<bool>,
        /// It began so many seconds ago; of the one that is played too
        #[arg(long, value_name = "S")]
        ago: Option<f64>,
        /// When it began, as RFC 3339 has it
        #[arg(long, value_name = "TIME", conflicts_with = "ago")]
        at: Option<String>,
        #[command(flatten)]
        with: With,
    },
    /// Add a shot that was not seen
    #[command(
        after_help = "Example: courtside game add final made --shot-by reds --points 3 --ago 12
         courtside game add final missed --court north --rim 0
Exit: 0 it counts · 1 refused, with the reason"
    )]
    Add(AddArgs),
    /// Say how a shot was
    #[command(
        after_help = "Example: courtside game correct 5d1f0c2ab3e49d07-shot-3 --verdict missed
         courtside game correct 5d1f0c2ab3e49d07-shot-3 --points 3 --shot-by reds
Exit: 0 it is so · 1 refused, with the reason"
    )]
    Correct(CorrectArgs),
    /// Take back the last correction of a shot, or of a game
    #[command(after_help = "Example: courtside game undo final
         courtside game undo 5d1f0c2ab3e49d07-shot-3
Exit: 0 it is as before · 1 refused, with the reason")]
    Undo {
        /// Fact of a shot, or name of a game
        #[arg(value_name = "FACT|GAME")]
        of: String,
        #[command(flatten)]
        with: With,
    },
}

/// Which box is asked, and how it is answered.
#[derive(Debug, Args)]
struct With {
    #[command(flatten)]
    ask: AskArgs,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct StartArgs {
    /// Name of the game [default: the date and the time]
    #[arg(long, value_name = "GAME", value_parser = game)]
    id: Option<GameId>,
    /// Name of its rules [default: what `[game] rules` of its configuration says]
    #[arg(long, value_name = "RULES")]
    rules: Option<String>,
    /// A team, with its name and the color of its shirts; twice [default: home and away]
    #[arg(long = "team", value_name = "TEAM[=NAME][=#RRGGBB]", value_parser = team)]
    teams: Vec<Team>,
    /// A court that it is played on (can be repeated) [default: the box's only one]
    #[arg(long = "court", value_name = "NAME", value_parser = court)]
    courts: Vec<CourtId>,
    /// Which team attacks a rim in the first period (can be repeated)
    #[arg(long = "attack", value_name = "COURT/RIM=TEAM", value_parser = attack)]
    attacks: Vec<RimAttacked>,
    /// A player, their team and their name (can be repeated)
    #[arg(long = "player", value_name = "PLAYER=TEAM[=NAME]", value_parser = player)]
    players: Vec<Player>,
    #[command(flatten)]
    with: With,
}

#[derive(Debug, Args)]
struct CorrectArgs {
    /// Fact of the shot, as its event has it
    #[arg(value_name = "FACT")]
    fact: String,
    /// How it was: made, missed or none
    #[arg(long, value_name = "VERDICT", value_parser = verdict)]
    verdict: Option<VerdictWord>,
    /// What it is worth
    #[arg(long, value_name = "N")]
    points: Option<u8>,
    /// Whose it is
    #[arg(long, value_name = "TEAM", value_parser = team_id)]
    shot_by: Option<TeamId>,
    /// Who shot
    #[arg(long, value_name = "PLAYER", value_parser = player_id)]
    player: Option<PlayerId>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who says so
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    #[command(flatten)]
    with: With,
}

#[derive(Debug, Args)]
struct AddArgs {
    /// Name of the game
    #[arg(value_name = "GAME", value_parser = game)]
    game: GameId,
    /// How it was: made or missed
    #[arg(value_name = "VERDICT", value_parser = seen)]
    verdict: VerdictWord,
    /// How many seconds ago it was
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    ago: f64,
    /// Where [default: where the team attacks, or the game's only court]
    #[arg(long, value_name = "NAME", value_parser = court)]
    court: Option<CourtId>,
    /// Index of the rim, from 0 [default: the one that the team attacks, or the only one]
    #[arg(long, value_name = "N")]
    rim: Option<u16>,
    /// What it is worth [default: as the rules say]
    #[arg(long, value_name = "N")]
    points: Option<u8>,
    /// Whose it is [default: by the rim]
    #[arg(long, value_name = "TEAM", value_parser = team_id)]
    shot_by: Option<TeamId>,
    /// Who shot
    #[arg(long, value_name = "PLAYER", value_parser = player_id)]
    player: Option<PlayerId>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who says so
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    #[command(flatten)]
    with: With,
}

impl GameArgs {
    /// Asks the box.
    ///
    /// # Errors
    /// What the box refuses.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Start(args) => args.run(),
            Command::End { game, with } => with.end(&game),
            Command::List { with } => with.list(),
            Command::Period { game, n, swapped, ago, at, with } => {
                let asked = GamePeriodArguments { game: None, n, swapped, ago_s: ago, at };
                let asked = serde_json::to_string(&asked)?;
                with.game(&format!("/v1/games/{game}/period"), &asked)
            }
            Command::Add(args) => args.run(),
            Command::Correct(args) => args.run(),
            Command::Undo { of, with } => {
                let path = match crate::event::FactId::parse(&of) {
                    Some(fact) => format!("/v1/shots/{fact}/undo"),
                    None => format!("/v1/games/{}/undo", GameId::new(&of)?),
                };
                with.shot(&path, "{}")
            }
        }
    }
}

impl StartArgs {
    fn run(self) -> anyhow::Result<ExitCode> {
        let Self { id, rules, teams, courts, attacks, players, with } = self;
        let teams = match teams.len() {
            0 => None,
            _ => Some(teams.try_into().ok().context("name two teams, each with --team")?),
        };
        let asked = GameStartArguments { id, rules, teams, courts, attacks, players };
        with.game("/v1/games", &serde_json::to_string(&asked)?)
    }
}

impl CorrectArgs {
    fn run(self) -> anyhow::Result<ExitCode> {
        let Self { fact, verdict, points, shot_by, player, reason, who, with } = self;
        let fact = crate::event::FactId::parse(&fact).context("FACT is that of a shot's event")?;
        let team = shot_by;
        let asked = ShotCorrectArguments { fact: None, verdict, points, team, player, reason, who };
        with.shot(&format!("/v1/shots/{fact}/correct"), &serde_json::to_string(&asked)?)
    }
}

impl AddArgs {
    fn run(self) -> anyhow::Result<ExitCode> {
        let Self { game, verdict, ago, court, rim, points, shot_by, player, reason, who, with } =
            self;
        let asked = ShotAddArguments {
            game: None,
            court,
            rim,
            verdict,
            ago_s: Some(ago),
            session: None,
            t_stream: None,
            points,
            team: shot_by,
            player,
            reason,
            who,
        };
        with.shot(&format!("/v1/games/{game}/shots"), &serde_json::to_string(&asked)?)
    }
}

impl With {
    fn game(&self, path: &str, body: &str) -> anyhow::Result<ExitCode> {
        let told = Place::of(&self.ask)?.post(path, body)?;
        if self.json {
            tell_json(&told)?;
            return Ok(ExitCode::SUCCESS);
        }
        show(&serde_json::from_value(told).context("the box is of another version")?);
        Ok(ExitCode::SUCCESS)
    }

    fn end(&self, game: &GameId) -> anyhow::Result<ExitCode> {
        let told = Place::of(&self.ask)?.post(&format!("/v1/games/{game}/end"), "{}")?;
        if self.json {
            tell_json(&told)?;
            return Ok(ExitCode::SUCCESS);
        }
        match serde_json::from_value(told).context("the box is of another version")? {
            GameEnded::Whole(view) => show(&view),
            GameEnded::Record { record, gone } => {
                tell(format_args!("{}  {}", record.id, record.state));
                remark(format_args!("courtside: {gone}"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn shot(&self, path: &str, body: &str) -> anyhow::Result<ExitCode> {
        let told = Place::of(&self.ask)?.post(path, body)?;
        if self.json {
            tell_json(&told)?;
            return Ok(ExitCode::SUCCESS);
        }
        let told: ShotTold =
            serde_json::from_value(told).context("the box is of another version")?;
        tell(format_args!("{} stands at revision {}", told.fact, told.revision));
        Ok(ExitCode::SUCCESS)
    }

    fn list(&self) -> anyhow::Result<ExitCode> {
        let told = Place::of(&self.ask)?.get("/v1/games", "application/json")?;
        let told: Value = serde_json::from_slice(&told)?;
        let games = told.get("games").cloned().unwrap_or_default();
        let games: Vec<GameLine> =
            serde_json::from_value(games).context("the box is of another version")?;
        for game in games {
            if self.json {
                tell_json(&game)?;
                continue;
            }
            let courts: Vec<&str> = game.courts.iter().map(CourtId::as_str).collect();
            let rules = game.rules.as_deref().unwrap_or("-");
            tell(format_args!(
                "{}  {}  {rules}  on {}  from {} to {}",
                game.id,
                game.state,
                courts.join(" and "),
                game.start,
                game.end.as_deref().unwrap_or("now")
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// One line of how a game stands.
fn show(view: &GameView) {
    let (game, score) = (&view.told, &view.score);
    let [first, second] = &score.teams;
    tell(format_args!(
        "{}  {} by {}, period {}: {} {} : {} {}",
        game.game,
        game.state,
        game.rules,
        game.period,
        first.team,
        first.points,
        second.points,
        second.team
    ));
}

fn game(text: &str) -> Result<GameId, String> {
    GameId::new(text).map_err(|error| error.to_string())
}

fn court(text: &str) -> Result<CourtId, String> {
    CourtId::new(text).map_err(|error| error.to_string())
}

fn team_id(text: &str) -> Result<TeamId, String> {
    TeamId::new(text).map_err(|error| error.to_string())
}

fn player_id(text: &str) -> Result<PlayerId, String> {
    PlayerId::new(text).map_err(|error| error.to_string())
}

fn team(text: &str) -> Result<Team, String> {
    let (id, rest) = match text.split_once('=') {
        Some((id, rest)) => (id, Some(rest)),
        None => (text, None),
    };
    let (name, color) = match rest {
        Some(rest) if rest.starts_with('#') => (None, Some(rest)),
        Some(rest) => match rest.rsplit_once("=#") {
            Some((name, _)) => (Some(name), rest.get(name.len() + 1..)),
            None => (Some(rest), None),
        },
        None => (None, None),
    };
    Ok(Team { id: team_id(id)?, name: name.map(str::to_owned), color: color.map(str::to_owned) })
}

fn player(text: &str) -> Result<Player, String> {
    let (id, rest) = text.split_once('=').ok_or("write PLAYER=TEAM or PLAYER=TEAM=NAME")?;
    let (team, name) = match rest.split_once('=') {
        Some((team, name)) => (team, Some(name.to_owned())),
        None => (rest, None),
    };
    Ok(Player { id: player_id(id)?, team: team_id(team)?, name })
}

fn attack(text: &str) -> Result<RimAttacked, String> {
    let wrong = || "write COURT/RIM=TEAM, for example north/0=reds".to_owned();
    let (place, team) = text.split_once('=').ok_or_else(wrong)?;
    let (on, rim) = place.split_once('/').ok_or_else(wrong)?;
    let (on, rim) = (court(on)?, rim.parse().map_err(|_| wrong())?);
    Ok(RimAttacked { court: on, rim, team: Some(team_id(team)?) })
}

/// Of a shot that is added: there was one.
fn seen(text: &str) -> Result<VerdictWord, String> {
    let words = [VerdictWord::Made, VerdictWord::Missed];
    let word = words.into_iter().find(|word| word.word() == text);
    word.ok_or_else(|| "a shot that is added was made or missed".to_owned())
}

fn verdict(text: &str) -> Result<VerdictWord, String> {
    let words = [VerdictWord::Made, VerdictWord::Missed, VerdictWord::None];
    let word = words.into_iter().find(|word| word.word() == text);
    word.ok_or_else(|| "a verdict is made, missed or none".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_is_written_with_its_name_and_its_color() {
        let rows = [
            ("reds", (None, None)),
            ("reds=#c62828", (None, Some("#c62828"))),
            ("reds=Red Foxes", (Some("Red Foxes"), None)),
            ("reds=Red Foxes=#c62828", (Some("Red Foxes"), Some("#c62828"))),
            ("reds=1 + 1 = 2", (Some("1 + 1 = 2"), None)),
        ];
        for (text, (name, color)) in rows {
            let told = team(text).expect("a team");
            assert_eq!(told.id.as_str(), "reds", "{text}");
            assert_eq!((told.name.as_deref(), told.color.as_deref()), (name, color), "{text}");
        }
        let ana = player("ana=reds=Ana Kovač").expect("a player");
        assert_eq!((ana.team.as_str(), ana.name.as_deref()), ("reds", Some("Ana Kovač")));
        assert_eq!(player("ana=reds").expect("a player").name, None);
        assert!(player("ana").is_err());
    }
}
