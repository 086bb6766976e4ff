//! `key_rotate`: what somebody may know who should not is made anew.

use std::sync::Arc;

use schemars::schema_for;
use serde_json::{Map, Value, json};

use crate::app::operations::identity;
use crate::app::operations::kit::Kit;
use crate::event::command::{KeyArguments, Role, RotatedKey};
use crate::http::Tokens;
use crate::media::Foreign;
use crate::uplink::{Call, Failed, Operation, read_arguments};

/// See the module. Over when the new one is on disk, and nothing runs any more that the old one let in.
///
/// The new token is not told: it stands in the box's file, and no secret leaves by MQTT.
pub(super) struct Rotate {
    /// Whose claim makes the box's own key.
    pub(super) kit: Arc<Kit>,
    /// None where nobody is asked for one.
    pub(super) tokens: Option<Arc<Tokens>>,
}

impl Operation for Rotate {
    fn name(&self) -> &'static str {
        "key_rotate"
    }

    fn arguments(&self) -> Value {
        schema_for!(KeyArguments).to_value()
    }

    /// One more that nobody has seen does no harm.
    fn resumable(&self) -> bool {
        true
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        let arguments: KeyArguments = read_arguments(arguments)?;
        match arguments.key {
            RotatedKey::Token => role_of(&arguments).map(drop),
            RotatedKey::Identity => Ok(()),
        }
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        let wrong = |reason| Failed { code: "arguments", reason };
        let arguments: KeyArguments = call.read()?;
        if arguments.key == RotatedKey::Identity {
            return identity::renew(&self.kit, call);
        }
        let role = role_of(&arguments).map_err(wrong)?;
        let Some(tokens) = &self.tokens else {
            return Err(Failed::new("open", "this box asks nobody for a token"));
        };
        let file = tokens.renew(role).map_err(|error| {
            let source = std::error::Error::source(&error).map(Foreign::error);
            Failed::new("not_written", format_args!("{error} ({})", source.unwrap_or_default()))
        })?;
        tracing::info!(id = call.id, %role, "a token is made anew");
        Ok(json!({ "key": "token", "role": role, "file": Foreign::path(&file) }))
    }
}

/// Whose token it is about.
fn role_of(arguments: &KeyArguments) -> Result<Role, Foreign> {
    arguments.role.ok_or_else(|| {
        Foreign::told("whose token? Name it with `role`: viewer, operator, technician")
    })
}
