//! A command as it is kept, and its steps from state to state (pure).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::event::command::{CommandState, Role};
use crate::event::words::CommandWord;
use crate::media::{Foreign, UtcTime};
use crate::uplink::inbox::letter::{Answer, Asked, Why};
use crate::uplink::inbox::operation::{Failed, Told};

/// Starts that may cut one command: what takes the daemon with it is not tried for ever.
const CUTS_MOST: u32 = 3;
/// Bytes of a result (chosen: with its envelope a message that every broker takes).
const RESULT_MOST_BYTES: usize = 192 << 10;
/// A state is taken back this long after its end (DESIGN §4.3).
pub(super) const SHOWN: Duration = Duration::from_secs(24 * 3600);

/// What is kept of a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// What is told of it.
    pub(super) state: CommandState,
    /// Its name for ever.
    pub(super) id: String,
    /// Order of arrival.
    pub(super) place: u64,
    /// What it is to be done with; gone once it is over.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) arguments: Map<String, Value>,
    /// Who asked, by the topic; the states are told there.
    pub(super) role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) answer: Option<Answer>,
    /// UTC ns at which it came, as far as the box knew.
    pub(super) came_ns: i64,
    /// UTC ns from which on it is not begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_ns: Option<i64>,
    /// UTC ns of its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended_ns: Option<i64>,
    /// The broker has not acknowledged the latest state.
    pub(super) untold: bool,
    /// Taken back: nothing is retained of it any more.
    #[serde(default)]
    pub(super) cleared: bool,
    /// Members of a later version.
    #[serde(flatten)]
    pub(super) more: Map<String, Value>,
}

/// The time as the box knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// Never before the newest time that is known for sure.
    pub(super) utc: UtcTime,
    /// `utc` is what the clock says.
    pub(super) is_known: bool,
}

impl Record {
    /// One that will be run.
    pub(super) fn accepted(asked: Asked, now: Now) -> Self {
        let role = asked.role;
        let after = |s: u32| now.utc.plus_nanos(i64::from(s).saturating_mul(1_000_000_000));
        let ends = [asked.expires, asked.expiry_s.map(after)];
        let mut record = Self {
            state: CommandState {
                id: Some(Foreign::name(&asked.id)),
                operation: Some(Foreign::name(&asked.request.operation)),
                ..CommandState::default()
            },
            id: asked.id,
            place: 0,
            arguments: asked.request.arguments,
            role,
            answer: asked.answer,
            came_ns: now.utc.as_nanos(),
            expires_ns: ends.into_iter().flatten().min().map(UtcTime::as_nanos),
            ended_ns: None,
            untold: true,
            cleared: false,
            more: Map::new(),
        };
        record.step(CommandWord::Accepted, now);
        record
    }

    fn step(&mut self, state: CommandWord, now: Now) {
        self.state.state = state;
        self.state.number += 1;
        self.state.time = now.is_known.then(|| now.utc.to_rfc3339());
        self.untold = true;
        if self.state.is_over() {
            self.ended_ns = Some(now.utc.as_nanos());
            self.arguments = Map::new();
            (self.state.progress, self.state.words, self.state.needs) = (None, None, None);
        }
    }

    /// None of ours.
    pub(super) fn refused(mut self, why: Why, now: Now) -> Self {
        self.state.number = 0;
        (self.state.code, self.state.reason) = (Some(Foreign::name(why.code)), Some(why.reason));
        self.step(CommandWord::Refused, now);
        self
    }

    /// Nobody here knows the operation.
    pub(super) fn unknown(mut self, known: Vec<Foreign>, now: Now) -> Self {
        let names: Vec<&str> = known.iter().map(|name| &**name).collect();
        let reason =
            format_args!("this box has no such operation; it has {}", names.join(", ")).to_string();
        self.state.known = known;
        self.fail("unknown_operation", Foreign::told(reason), now);
        self
    }

    pub(super) fn fail(&mut self, code: &str, reason: Foreign, now: Now) {
        (self.state.code, self.state.reason) = (Some(Foreign::name(code)), Some(reason));
        self.step(CommandWord::Failed, now);
    }

    /// It has waited too long.
    pub(super) fn is_late(&self, now: Now) -> bool {
        now.is_known && self.expires_ns.is_some_and(|at| now.utc.as_nanos() >= at)
    }

    pub(super) fn begins(&mut self, now: Now) {
        self.step(CommandWord::Running, now);
    }

    pub(super) fn progressed(&mut self, told: Told, now: Now) {
        self.state.progress = told.percent.map(|percent| percent.min(100));
        (self.state.words, self.state.needs) = (Some(told.words), told.needs.map(Box::new));
        self.step(CommandWord::Running, now);
    }

    pub(super) fn ends(&mut self, out: Result<Value, Failed>, now: Now) {
        match out {
            Ok(result) => {
                let bytes = result.to_string().len();
                if bytes > RESULT_MOST_BYTES {
                    let reason = format_args!(
                        "it was done, and what came out has {bytes} bytes: {RESULT_MOST_BYTES} are \
                         the most that is sent; ask for less"
                    );
                    self.fail("result_too_large", Foreign::told(reason), now);
                    return;
                }
                self.state.result = (!result.is_null()).then_some(result);
                self.step(CommandWord::Done, now);
            }
            Err(Failed { code, reason }) => self.fail(code, reason, now),
        }
    }

    /// What a start makes of one that the last run left: true if it is to be run (again).
    pub(super) fn found(&mut self, resumable: Option<bool>, now: Now) -> bool {
        match (self.state.state, resumable) {
            (CommandWord::Accepted, Some(_)) => true,
            (CommandWord::Running, Some(true)) if self.state.cuts < CUTS_MOST => {
                self.state.cuts += 1;
                true
            }
            (CommandWord::Running, Some(true)) => {
                let reason = format_args!(
                    "the box ended {CUTS_MOST} times while it ran, and it is not tried again: see \
                     the journal, then ask under a new id"
                );
                self.fail("cut", Foreign::told(reason), now);
                false
            }
            (_, None) => {
                self.fail("unknown_operation", Foreign::told("this version has it no more"), now);
                false
            }
            _ => {
                let reason = "the box ended while it ran: it is not known how far it came; look, then \
                              ask under a new id";
                self.fail("cut", Foreign::told(reason), now);
                false
            }
        }
    }

    /// Takes the state back: the id is remembered, what came out is not.
    pub(super) fn clears(&mut self) {
        self.cleared = true;
        self.untold = true;
        self.state.number += 1;
        self.state.result = None;
        self.state.known = Vec::new();
        self.answer = None;
    }

    /// Of one whose bytes mean nothing to us, of which there is nothing more to tell.
    pub(super) fn unreadable(id: &str) -> Self {
        Self {
            state: CommandState { state: CommandWord::Failed, ..CommandState::default() },
            id: id.to_owned(),
            place: 0,
            arguments: Map::new(),
            role: Role::Viewer,
            answer: None,
            came_ns: 0,
            expires_ns: None,
            ended_ns: Some(0),
            untold: false,
            cleared: true,
            more: Map::new(),
        }
    }
}

/// True once nobody needs to see what ended then.
pub(super) fn is_to_clear(ended_ns: i64, now: Now) -> bool {
    let shown = i64::try_from(SHOWN.as_nanos()).unwrap_or(i64::MAX);
    now.utc.as_nanos().saturating_sub(ended_ns) >= shown
}
