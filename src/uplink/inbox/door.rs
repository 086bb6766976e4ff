//! Whether a command is taken (pure). What is refused here leaves nothing on disk, and its id is free.

use crate::event::command::{CommandState, Role};
use crate::event::words::CommandWord;
use crate::media::{Foreign, Monotonic};
use crate::uplink::inbox::letter::{Asked, Why};
use crate::uplink::inbox::limits::{Bucket, Limits};
use crate::uplink::inbox::operation::Table;
use crate::uplink::inbox::record::{Now, Record};

/// What becomes of a command whose id is new.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Judged {
    /// It is kept, in whatever state.
    Kept(Box<Record>),
    /// It is answered, and nothing of it stays.
    TurnedAway(Why),
}

/// What decides beside the command itself.
#[derive(Debug)]
pub(super) struct Door<'a> {
    pub(super) limits: &'a Limits,
    pub(super) table: &'a Table,
    /// Accepted ones that are not over.
    pub(super) unfinished: usize,
    pub(super) now: Now,
    pub(super) monotonic: Monotonic,
}

impl Door<'_> {
    /// Judges a command whose id is new.
    pub(super) fn judge(&self, asked: Asked, bucket: &mut Bucket) -> Judged {
        let role = asked.role;
        let away = |code, reason: &str| Judged::TurnedAway(Why::new(code, reason));
        if self.limits.only_fresh && asked.retained {
            return away(
                "retained",
                "a retained command would come again at each connection: publish it without retain, \
                 and take this one back with an empty retained message",
            );
        }
        if self.limits.only_fresh && asked.expires.is_none() && asked.expiry_s.is_none() {
            return away(
                "no_expiry",
                "it never expires, and a box may be off for days: give it a message expiry, or \
                 `expires` in the body",
            );
        }
        if let Some(rate) = self.limits.rate
            && let Err(wait) = bucket.take(rate, self.monotonic)
        {
            let reason = format_args!(
                "{} at once and one in {} s are the most: ask again in {} s",
                rate.burst,
                rate.every.as_secs(),
                wait.as_secs() + 1
            );
            return Judged::TurnedAway(Why::new("too_many", reason));
        }
        let record = Record::accepted(asked, self.now);
        if record.is_late(self.now) {
            let why = Why::new("expired", "it came after it was to be begun: ask again");
            return Judged::Kept(Box::new(record.refused(why, self.now)));
        }
        let name = record.state.operation.clone().unwrap_or_default();
        let Some(operation) = self.table.get(&name) else {
            return Judged::Kept(Box::new(record.unknown(self.table.names(), self.now)));
        };
        if role < operation.role() {
            let least = operation.role();
            let reason = format_args!(
                "{name} is for the {least}, and who publishes here is the {role}: ask a {least}"
            );
            let why = Why::new("role", reason);
            return Judged::Kept(Box::new(record.refused(why, self.now)));
        }
        if let Err(wrong) = operation.check(&record.arguments) {
            let why = Why::new("arguments", format_args!("`arguments`: {wrong}"));
            return Judged::Kept(Box::new(record.refused(why, self.now)));
        }
        // However many an operator has under way, there is room for the technician.
        let his = |most: usize| if role == Role::Technician { most } else { most / 2 };
        if self.limits.unfinished.is_some_and(|most| self.unfinished >= his(most)) {
            return Judged::TurnedAway(Why::new(
                "busy",
                format_args!("{} wait already: ask again when some are over", self.unfinished),
            ));
        }
        Judged::Kept(Box::new(record))
    }
}

/// What is told of a letter that is turned away.
pub(super) fn turned_away(id: Option<&str>, why: Why, now: Now) -> CommandState {
    CommandState {
        id: id.map(Foreign::name),
        state: CommandWord::Refused,
        time: now.is_known.then(|| now.utc.to_rfc3339()),
        code: Some(Foreign::name(why.code)),
        reason: Some(why.reason),
        ..CommandState::default()
    }
}
