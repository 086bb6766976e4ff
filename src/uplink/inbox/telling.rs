//! What is told of a command, as the link sends it.

use rumqttc::ManualAck;

use crate::event::command::CommandState;
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

pub(super) fn telling(
    id: Option<&str>,
    state: &CommandState,
    answer: Option<Answer>,
    retained: bool,
) -> Telling {
    Telling {
        kept: None,
        topic: format!("command/{}/state", id.unwrap_or(UNIDENTIFIED)),
        // JSON carries all of it.
        payload: serde_json::to_vec(state).unwrap_or_default().into(),
        retained,
        answer,
        ack: None,
    }
}

/// Of what leaves nothing behind.
pub(super) fn refusal(
    id: Option<&str>,
    answer: Option<Answer>,
    why: Why,
    ack: Option<ManualAck>,
    now: Now,
) -> Telling {
    tracing::debug!(id, code = why.code, "a command is turned away");
    let state = turned_away(id, why, now);
    Telling { ack, ..telling(id, &state, answer, false) }
}
