//! `key_rotate` of the identity: the box makes another key pair and is given another certificate or password.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::claiming::ClaimSays;
use crate::app::operations::kit::Kit;
use crate::claim::{Stage, Told};
use crate::uplink::{Call, Failed};

/// The claim is looked at so often.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// So often at most: ten minutes, in which somebody starts `courtside provision grant`.
const LOOKS: u32 = 4 * 600;

/// Over once the box goes by the new key; the old one counts until then. A start goes on with the attempt that is
/// on disk; where there is none, another is begun.
pub(super) fn renew(kit: &Kit, call: &Call) -> Result<Value, Failed> {
    let ClaimSays::Far(desk) = &kit.claim else {
        let text = "this box has no identity of its own: its broker and files are configured";
        return Err(Failed::new("not_claimed", text));
    };
    let before = desk.told();
    let Some(old) = before.identity.as_ref().map(|identity| identity.request) else {
        return Err(Failed::new("not_claimed", "this box is nobody yet: claim it first"));
    };
    if before.stage == Stage::Committed && !desk.renew() {
        return Err(Failed::new("ended", "the box ends"));
    }
    let mut told = before;
    for _ in 0..LOOKS {
        let Told { stage, identity, trouble, .. } = &told;
        let new = identity.as_ref().filter(|identity| identity.request != old);
        if let Some(identity) = new {
            let (name, broker) = (identity.name.to_string(), identity.broker.url());
            return Ok(
                json!({ "name": name, "broker": broker, "request": identity.request.to_string() }),
            );
        }
        let trouble = trouble.as_ref().map(|it| format!(", {it}")).unwrap_or_default();
        call.tells(None, format_args!("{stage:?}{trouble}"));
        if call.stops() {
            return Err(Failed::new("ended", "the box ends"));
        }
        kit.pause(LOOK_EVERY);
        told = desk.told();
    }
    let why = told.trouble.map_or_else(String::new, |trouble| format!(": {trouble}"));
    let text = format!("not within ten minutes; it goes on by itself, and the old key counts{why}");
    Err(Failed::new("late", text))
}
