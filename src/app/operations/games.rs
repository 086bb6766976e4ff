//! Operations on games: start one, end it, its periods; corrections of shots.

use schemars::schema_for;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::app::games::GameDesk;
use crate::app::operations::kit::Kit;
use crate::event::command::Role;
use crate::event::play::{
    GameArguments, GamePeriodArguments, GameStartArguments, ShotAddArguments, ShotCorrectArguments,
    ShotUndoArguments,
};
use crate::media::Foreign;
use crate::uplink::{Call, Failed, Operation, read_arguments};

/// What an operation on games works with.
#[derive(Clone)]
pub(super) struct GameKit {
    pub(super) kit: std::sync::Arc<Kit>,
    pub(super) desk: GameDesk,
}

/// One of them.
pub(super) enum GameOperation {
    /// `game_start`
    Start(GameKit),
    /// `game_end`
    End(GameKit),
    /// `game_period`
    Period(GameKit),
    /// `shot_correct`
    Correct(GameKit),
    /// `shot_undo`
    Undo(GameKit),
    /// `shot_add`
    Add(GameKit),
}

impl Operation for GameOperation {
    fn name(&self) -> &'static str {
        match self {
            Self::Start(_) => "game_start",
            Self::End(_) => "game_end",
            Self::Period(_) => "game_period",
            Self::Correct(_) => "shot_correct",
            Self::Undo(_) => "shot_undo",
            Self::Add(_) => "shot_add",
        }
    }

    fn arguments(&self) -> Value {
        match self {
            Self::Start(_) => schema_for!(GameStartArguments),
            Self::End(_) => schema_for!(GameArguments),
            Self::Period(_) => schema_for!(GamePeriodArguments),
            Self::Correct(_) => schema_for!(ShotCorrectArguments),
            Self::Undo(_) => schema_for!(ShotUndoArguments),
            Self::Add(_) => schema_for!(ShotAddArguments),
        }
        .to_value()
    }

    fn role(&self) -> Role {
        Role::Operator
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        match self {
            Self::Start(_) => read_arguments::<GameStartArguments>(arguments).map(drop),
            Self::End(_) => read_arguments::<GameArguments>(arguments).map(drop),
            Self::Period(_) => read_arguments::<GamePeriodArguments>(arguments).map(drop),
            Self::Correct(_) => read_arguments::<ShotCorrectArguments>(arguments).map(drop),
            Self::Undo(_) => read_arguments::<ShotUndoArguments>(arguments).map(drop),
            Self::Add(_) => read_arguments::<ShotAddArguments>(arguments).map(drop),
        }
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        match self {
            Self::Start(GameKit { kit, desk }) => told(kit.waits(desk.start(asked(call)?))),
            Self::End(GameKit { kit, desk }) => {
                let GameArguments { game } = asked(call)?;
                told(kit.waits(desk.end(game)))
            }
            Self::Period(GameKit { kit, desk }) => told(kit.waits(desk.period(asked(call)?))),
            Self::Correct(GameKit { kit, desk }) => {
                let mut correct: ShotCorrectArguments = asked(call)?;
                correct.who = Some(named(correct.who));
                told(kit.waits(desk.correct(correct)))
            }
            Self::Undo(GameKit { kit, desk }) => {
                let mut undo: ShotUndoArguments = asked(call)?;
                undo.who = Some(named(undo.who));
                told(kit.waits(desk.undo(undo)))
            }
            Self::Add(GameKit { kit, desk }) => {
                let mut add: ShotAddArguments = asked(call)?;
                add.who = Some(named(add.who));
                told(kit.waits(desk.add(add)))
            }
        }
    }
}

/// As over HTTP: a role and a name.
fn named(who: Option<String>) -> String {
    who.map_or_else(|| "operator".to_owned(), |who| format!("operator {who}"))
}

fn asked<Of: DeserializeOwned>(call: &Call) -> Result<Of, Failed> {
    call.read()
}

fn told<Of: Serialize>(done: Result<Of, Failed>) -> Result<Value, Failed> {
    serde_json::to_value(done?).map_err(|error| Failed::new("failed", Foreign::error(&error)))
}
