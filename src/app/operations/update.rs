//! `system_update`: the box's next image, into its other slot.

use std::sync::Arc;
use std::time::Duration;

use schemars::schema_for;
use serde_json::{Map, Value, json};

use crate::app::operations::kit::Kit;
use crate::event::update::{UpdateArguments, UpdateState};
use crate::event::words::UpdateStep;
use crate::media::Foreign;
use crate::update::{Desk, looks_right};
use crate::uplink::{Call, Failed, Operation, read_arguments};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Of the whole, per cent: all bytes are here; it is in the other slot; the box is to start from it.
const HERE: u8 = 60;
const IN_SLOT: u8 = 90;
const STARTS: u8 = 95;

/// See the module. Over when the image is good, or is not.
pub(super) struct SystemUpdate(pub(super) Arc<Kit>, pub(super) Arc<Desk>);

impl Operation for SystemUpdate {
    fn name(&self) -> &'static str {
        "system_update"
    }

    fn arguments(&self) -> Value {
        schema_for!(UpdateArguments).to_value()
    }

    /// It goes on by itself; what is asked again is how far it is.
    fn resumable(&self) -> bool {
        true
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        let asked: UpdateArguments = read_arguments(arguments)?;
        looks_right(&asked).map_err(|refused| Foreign::error(&refused))
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        let asked: UpdateArguments = call.read()?;
        let Self(kit, desk) = self;
        let sha256 = asked.sha256.to_ascii_lowercase();
        let ours = |state: &UpdateState| state.sha256.as_deref() == Some(&*sha256);
        // After a restart it is not ordered again: it may be over.
        if !call.resumed || !ours(&desk.state()) {
            let ordered = desk.order(&asked);
            ordered.map_err(|why| Failed::new(why.code(), Foreign::error(&why)))?;
        }
        loop {
            let state = desk.state();
            if !ours(&state) {
                let reason = "another one was ordered since: `courtside update status` says which";
                return Err(Failed::new("replaced", reason));
            }
            let why = state.reason.clone().unwrap_or_default();
            match state.step {
                UpdateStep::Good => return Ok(json!(state)),
                UpdateStep::FallenBack => return Err(Failed::new("fallen_back", why)),
                UpdateStep::Failed => return Err(Failed::new("not_installed", why)),
                _ => call.tells(Some(percent(&state)), words(&state)),
            }
            if call.stops() {
                return Err(Failed::new("ended", "the box ends"));
            }
            kit.pause(LOOK_EVERY);
        }
    }
}

fn percent(state: &UpdateState) -> u8 {
    match state.step {
        UpdateStep::Fetching if state.total > 0 => {
            let part = u128::from(state.bytes.min(state.total)) * u128::from(HERE);
            u8::try_from(part / u128::from(state.total)).unwrap_or(HERE)
        }
        UpdateStep::Verified | UpdateStep::Installing => HERE,
        UpdateStep::Waiting => IN_SLOT,
        UpdateStep::Restarting | UpdateStep::Trial => STARTS,
        _ => 0,
    }
}

fn words(state: &UpdateState) -> String {
    match state.step {
        UpdateStep::Fetching => format!("{} of {} bytes", state.bytes, state.total),
        UpdateStep::Verified | UpdateStep::Installing => {
            "root's part looks at it and writes it into the other slot".to_owned()
        }
        UpdateStep::Waiting => "it is in the other slot, and waits for the game's end".to_owned(),
        UpdateStep::Restarting => "the box is to start from it".to_owned(),
        UpdateStep::Trial => {
            let lacks = state.reason.clone().unwrap_or_default();
            format!("it runs, and has not shown yet that it works: {lacks}")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_goes_one_way() {
        let at = |step, bytes| UpdateState { step, bytes, total: 1_000, ..UpdateState::default() };
        let rows = [
            at(UpdateStep::Fetching, 0),
            at(UpdateStep::Fetching, 500),
            at(UpdateStep::Fetching, u64::MAX),
            at(UpdateStep::Verified, 1_000),
            at(UpdateStep::Installing, 1_000),
            at(UpdateStep::Waiting, 1_000),
            at(UpdateStep::Restarting, 1_000),
            at(UpdateStep::Trial, 1_000),
        ];
        assert_eq!(rows.map(|state| percent(&state)), [0, 30, 60, 60, 60, 90, 95, 95]);
    }
}
