//! The game that the demo plays: two teams at one ring, put right by keys.
//!
//! Whose a shot is no model sees at one ring, so the demo says it as an operator would: the teams in turn.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context;

use crate::app::AppHandle;
use crate::event::game::{GameScore, Team};
use crate::event::play::{GameStartArguments, ShotCorrectArguments, ShotUndoArguments};
use crate::event::words::VerdictWord;
use crate::event::{Envelope, FactId};
use crate::media::{GameId, TeamId};
use crate::tools::recap;

/// One ring, ones and twos.
const RULES: &str = "fiba-3x3";
/// What the keys do, as it is shown.
pub(super) const KEYS: &str = "r b: whose shot · m: made or missed · 1 2: points · x: no shot · u: undo · e: end the game · q: quit";
/// Who says whose a shot is while nobody does.
const DEMO: &str = "demo";
/// Who presses keys.
const KEYBOARD: &str = "keyboard";

/// The game of a demo.
pub(super) struct DemoGame {
    handle: AppHandle,
    pub(super) id: GameId,
    teams: [TeamId; 2],
    /// The shot that keys are about, and whether it was made.
    last: Option<(FactId, bool)>,
    /// Shots whose team was said.
    said: BTreeSet<FactId>,
    /// Shots that were corrected by key, once for each word; the last one last.
    keyed: Vec<FactId>,
    over: bool,
}

/// What a key asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pressed {
    /// It was done, or could not be: a line.
    Told(String),
    /// The game is to end.
    End,
    /// All of it is to end.
    Quit,
    /// No key of ours.
    Nothing,
}

impl DemoGame {
    /// Starts it.
    pub(super) async fn start(handle: AppHandle) -> anyhow::Result<Self> {
        let team = |id: &str, name: &str, color: &str| -> anyhow::Result<Team> {
            let (name, color) = (Some(name.to_owned()), Some(color.to_owned()));
            Ok(Team { id: TeamId::new(id)?, name, color })
        };
        let teams = [team("reds", "Reds", "#d03030")?, team("blues", "Blues", "#2040c0")?];
        let ids = teams.clone().map(|team| team.id);
        let asked = GameStartArguments {
            id: Some(GameId::new("demo")?),
            rules: Some(RULES.to_owned()),
            teams: Some(teams),
            ..GameStartArguments::default()
        };
        let asked = if handle.game(&GameId::new("demo")?).is_ok() {
            // A folder that was kept: games are named once.
            GameStartArguments { id: None, ..asked }
        } else {
            asked
        };
        let view = handle.start_game(asked).await;
        let view = view.map_err(|why| anyhow::anyhow!("{}", why.reason)).context("start a game")?;
        Ok(Self {
            handle,
            id: view.told.game,
            teams: ids,
            last: None,
            said: BTreeSet::new(),
            keyed: Vec::new(),
            over: false,
        })
    }

    /// An event came: the demo says whose shot it was.
    pub(super) async fn heard(&mut self, envelope: &Envelope) {
        let kind = envelope.event_type.as_str();
        let made = kind == "courtside.shot.made.v1";
        let Some(fact) = FactId::parse(&envelope.fact) else { return };
        let data = &envelope.data;
        let provisional = data.get("provisional").and_then(serde_json::Value::as_bool);
        if !(made || kind == "courtside.shot.missed.v1") || provisional == Some(true) {
            return;
        }
        if self.last.is_none_or(|(last, _)| last == fact || last.n < fact.n) {
            self.last = Some((fact, made));
        }
        if data.get("team").is_some() || self.over || !self.said.insert(fact) {
            return;
        }
        let team = self.teams.get((self.said.len() - 1) % 2).cloned();
        // Refused only if it went meanwhile.
        let _told = self.correct(fact, ShotCorrectArguments { team, ..by(DEMO) }).await;
    }

    /// A key was pressed.
    pub(super) async fn pressed(&mut self, key: char) -> Pressed {
        let [reds, blues] = self.teams.clone();
        let Some((fact, made)) = self.last else {
            return match key {
                'e' => Pressed::End,
                'q' => Pressed::Quit,
                _ => Pressed::Told("no shot was called yet".to_owned()),
            };
        };
        let asked = by(KEYBOARD);
        let other = if made { VerdictWord::Missed } else { VerdictWord::Made };
        let asked = match key {
            'r' => ShotCorrectArguments { team: Some(reds), ..asked },
            'b' => ShotCorrectArguments { team: Some(blues), ..asked },
            'm' => ShotCorrectArguments { verdict: Some(other), ..asked },
            '1' => ShotCorrectArguments { points: Some(1), ..asked },
            '2' => ShotCorrectArguments { points: Some(2), ..asked },
            'x' => ShotCorrectArguments { verdict: Some(VerdictWord::None), ..asked },
            'u' => {
                // The last word of a key: what the demo said of later shots stays.
                let Some(fact) = self.keyed.pop() else {
                    return Pressed::Told("no key has corrected a shot".to_owned());
                };
                let who = Some(KEYBOARD.to_owned());
                let undo = ShotUndoArguments { fact: Some(fact), game: None, who };
                return Pressed::Told(match self.handle.undo_shot(undo).await {
                    Ok(told) => format!("{} is as it was before", told.fact),
                    Err(why) => why.reason.to_string(),
                });
            }
            'e' => return Pressed::End,
            'q' => return Pressed::Quit,
            _ => return Pressed::Nothing,
        };
        let told = self.correct(fact, asked).await;
        self.keyed.extend(told.is_ok().then_some(fact));
        Pressed::Told(told.unwrap_or_else(|why| why))
    }

    async fn correct(&self, fact: FactId, asked: ShotCorrectArguments) -> Result<String, String> {
        let asked = ShotCorrectArguments { fact: Some(fact), ..asked };
        match self.handle.correct_shot(asked).await {
            Ok(told) => Ok(format!("{} stands at revision {}", told.fact, told.revision)),
            Err(why) => Err(why.reason.to_string()),
        }
    }

    /// True once it was ended.
    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    /// Ends it, and writes what it came to into `out`.
    /// `page` and `ring`: where its box serves, and keeps what it recorded.
    pub(super) async fn end(
        &mut self,
        (page, ring): (&str, PathBuf),
        out: PathBuf,
        print: bool,
    ) -> anyhow::Result<()> {
        self.over = true;
        let ended = self.handle.end_game(self.id.clone()).await;
        ended.map_err(|why| anyhow::anyhow!("{}", why.reason)).context("end the game")?;
        let (url, game) = (page.trim_end_matches('/').to_owned(), self.id.clone());
        let write = move || recap::of_box((url, ring), &game, out, print);
        tokio::task::spawn_blocking(write).await.context("the recap's thread")?
    }
}

fn by(who: &str) -> ShotCorrectArguments {
    let (who, reason) = (Some(who.to_owned()), Some("demo".to_owned()));
    ShotCorrectArguments { who, reason, ..ShotCorrectArguments::default() }
}

/// How a game stands, in a line.
pub(super) fn score_line(data: &serde_json::Value) -> Option<String> {
    let score: GameScore = serde_json::from_value(data.clone()).ok()?;
    let [first, second] = &score.teams;
    let pending = match score.pending.points {
        0 => String::new(),
        points => format!(", {points} of whom?"),
    };
    let (a, b) = (first.points, second.points);
    Some(format!("{} {a} : {b} {}{pending}", first.team, second.team))
}
