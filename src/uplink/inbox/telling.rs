//! What is told of a command, as the link sends it.

use rumqttc::ManualAck;

use crate::event::command::{CommandState, Role};
use crate::media::Foreign;
use crate::uplink::inbox::door::turned_away;
use crate::uplink::inbox::letter::{Answer, UNIDENTIFIED, Why};
use crate::uplink::inbox::post::Telling;
use crate::uplink::inbox::record::Now;
use crate::uplink::inbox::store::InboxError;

pub(super) fn cannot_keep(error: &InboxError) -> Why {
    let error = Foreign::error(error);
    Why::new("disk", format_args!("it cannot be kept, so it is not begun: {error}"))
}

/// Whom an answer is for: a command's own topic, of the role that asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct To<'a> {
    pub(super) role: Role,
    /// None of what names none.
    pub(super) id: Option<&'a str>,
}

pub(super) fn telling(
    to: To<'_>,
    state: &CommandState,
    answer: Option<Answer>,
    retained: bool,
) -> Telling {
    Telling {
        kept: None,
        topic: format!(
            "{}/{}/state",
            to.role.commands().unwrap_or("command"),
            to.id.unwrap_or(UNIDENTIFIED)
        ),
        // JSON carries all of it.
        payload: serde_json::to_vec(state).unwrap_or_default().into(),
        retained,
        answer,
        ack: None,
    }
}

/// Of what leaves nothing behind.
pub(super) fn refusal(
    to: To<'_>,
    answer: Option<Answer>,
    why: Why,
    ack: Option<ManualAck>,
    now: Now,
) -> Telling {
    tracing::debug!(role = %to.role, id = to.id, code = why.code, "a command is turned away");
    let state = turned_away(to.id, why, now);
    Telling { ack, ..telling(to, &state, answer, false) }
}
