//! `model_install`: a parcel is brought, checked, tried beside the model that decides, and takes over.

use serde_json::{Map, Value, json};

use schemars::schema_for;

use crate::app::operations::changes::{LOOK_EVERY, decides, follow};
use crate::app::operations::kit::With;
use crate::detect::delivery::{InstallRefused, looks_right};
use crate::event::models::{InstallOrder, InstallState, SwapOrder};
use crate::event::words::{InstallPhase, SwapOutcome};
use crate::media::Foreign;
use crate::uplink::{Call, Failed, Operation, read_arguments};

/// Of the whole, per cent: when all bytes are here, and when it is in its place. What then follows is as
/// long as is asked for.
const HERE: u8 = 80;
const IN_PLACE: u8 = 90;

/// See the module. Over when the model decides, or does not come to it.
pub(super) struct Install(pub(super) With);

impl Operation for Install {
    fn name(&self) -> &'static str {
        "model_install"
    }

    fn arguments(&self) -> Value {
        schema_for!(InstallOrder).to_value()
    }

    /// What has come stays, and is gone on with; what is in its place is not brought again.
    fn resumable(&self) -> bool {
        true
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        let order: InstallOrder = read_arguments(arguments)?;
        looks_right(&order).map_err(|refused| Foreign::error(&refused))
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        let (kit, web) = &self.0;
        let order: InstallOrder = call.read()?;
        let installer = &web.models.installer;
        installer.install(&order).map_err(|why| refused(&why))?;
        let installed = loop {
            let Some(state) = installer.state_of(&order) else {
                let reason =
                    "another one was asked for since: `courtside models` says what is there";
                return Err(Failed::new("replaced", reason));
            };
            if state.phase.is_over() && !installer.is_busy() {
                break state;
            }
            call.tells(Some(percent(&state)), words(&state));
            if call.stops() {
                return Err(Failed::new("ended", "the box ends"));
            }
            kit.pause(LOOK_EVERY);
        };
        let why = installed.reason.unwrap_or_default();
        let bundle = installed.bundle.unwrap_or_default();
        match installed.phase {
            InstallPhase::HandedOver => {}
            InstallPhase::Installed => {
                let reason = format_args!("{bundle} is on the box and does not decide: {why}");
                return Err(Failed::new("not_tried", reason));
            }
            _ => return Err(Failed::new("not_installed", why)),
        }
        let (after, precision) = (order.after, order.precision);
        let swap = SwapOrder { bundle: bundle.to_string(), precision, after, keep: order.keep };
        let told = web.models.models();
        if told.swap.is_none() && decides(&told, &swap) {
            return Ok(
                json!({ "outcome": SwapOutcome::Switched, "bundle": bundle, "models": told }),
            );
        }
        let mut out = follow(&self.0, call, Some(IN_PLACE))?;
        out["bundle"] = json!(bundle);
        Ok(out)
    }
}

fn refused(why: &InstallRefused) -> Failed {
    let code = match why {
        InstallRefused::UnderWay(_) => "under_way",
        InstallRefused::Order(_) => "order",
        InstallRefused::NoKeys => "no_keys",
        InstallRefused::Busy => "busy",
    };
    Failed::new(code, Foreign::error(why))
}

fn percent(state: &InstallState) -> u8 {
    match (state.phase, state.total) {
        (InstallPhase::Fetching, Some(total)) if total > 0 => {
            let part = u128::from(state.bytes.min(total)) * u128::from(HERE) / u128::from(total);
            u8::try_from(part).unwrap_or(HERE)
        }
        (InstallPhase::Fetching, _) => 0,
        (InstallPhase::Checking, _) => HERE,
        _ => IN_PLACE,
    }
}

fn words(state: &InstallState) -> String {
    match (state.phase, state.total) {
        (InstallPhase::Fetching, Some(total)) => {
            format!("{} of {total} bytes from {}", state.bytes, state.from)
        }
        (InstallPhase::Fetching, None) => format!("asks {} for it", state.from),
        _ => "its signature, its files and whether this box can run it are looked at".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_goes_one_way() {
        let fetching = |bytes, total| InstallState { bytes, total, ..InstallState::default() };
        let of = |phase| InstallState { phase, ..InstallState::default() };
        let rows = [
            fetching(0, None),
            fetching(0, Some(0)),
            fetching(1, Some(1000)),
            fetching(500, Some(1000)),
            fetching(u64::MAX, Some(u64::MAX)),
            of(InstallPhase::Checking),
            of(InstallPhase::HandedOver),
        ]
        .map(|mut state| {
            if state.phase == InstallPhase::default() {
                state.phase = InstallPhase::Fetching;
            }
            percent(&state)
        });
        assert_eq!(rows, [0, 0, 0, 40, 80, 80, 90]);
    }
}
