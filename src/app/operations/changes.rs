//! Operations that change something: which model decides, and a new start.

use std::sync::Arc;
use std::time::Duration;

use schemars::schema_for;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::app::operations::kit::{Kit, With};
use crate::event::command::NoArguments;
use crate::event::models::SwapOrder;
use crate::event::state::ModelsState;
use crate::event::words::{ModelRole, SwapOutcome};
use crate::media::Foreign;
use crate::uplink::{Call, Failed, Operation, read_arguments};

/// A swap or an installation is looked at so often.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(250);

/// `model_swap`: another model decides, once it has been tried; over when it does, or did not come to it.
pub(super) struct Swap(pub(super) With);

/// True if the model that was ordered decides.
pub(super) fn decides(told: &ModelsState, order: &SwapOrder) -> bool {
    let precision = order.precision.as_deref().unwrap_or("fp32");
    let is = |model: &crate::event::state::ModelState| {
        let plain = model.name.split(':').next().unwrap_or_default();
        plain == order.bundle && model.precision.as_deref().unwrap_or("fp32") == precision
    };
    told.bundles.iter().any(|model| model.role == Some(ModelRole::Live) && is(model))
}

impl Operation for Swap {
    fn name(&self) -> &'static str {
        "model_swap"
    }

    fn arguments(&self) -> Value {
        schema_for!(SwapOrder).to_value()
    }

    /// A start ends what was tried; it is tried anew, unless it decides by now.
    fn resumable(&self) -> bool {
        true
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        read_arguments::<SwapOrder>(arguments).map(drop)
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        let (_, web) = &self.0;
        let order: SwapOrder = call.read()?;
        if call.resumed && decides(&web.models.models(), &order) {
            return Ok(json!({ "outcome": SwapOutcome::Switched, "models": web.models.models() }));
        }
        let refused = |error: &dyn std::error::Error| Failed::new("refused", Foreign::error(error));
        web.models.detect.swap(&order).map_err(|error| refused(&error))?;
        follow(&self.0, call, None)
    }
}

/// Waits until the swap that was begun is over; `percent` is told of it where that is known.
pub(super) fn follow((kit, web): &With, call: &Call, percent: Option<u8>) -> Result<Value, Failed> {
    loop {
        let told = web.models.models();
        let Some(swap) = &told.swap else {
            let Some(last) = told.last_swap.clone() else {
                return Err(Failed::new("unknown", "the box says nothing of it: see its log"));
            };
            let why = last.reason.clone().unwrap_or_default();
            return match last.outcome {
                SwapOutcome::Switched => Ok(json!({ "outcome": last.outcome, "models": told })),
                SwapOutcome::Cancelled => Err(Failed::new("cancelled", "somebody took it back")),
                SwapOutcome::Back => {
                    Err(Failed::new("back", "somebody had the one before decide again"))
                }
                _ => Err(Failed::new("failed", format_args!("{}: {why}", last.outcome))),
            };
        };
        let (frames, attempts) = (swap.frames, swap.attempts);
        call.tells(percent, format_args!("{}: {frames} frames, {attempts} attempts", swap.phase));
        if call.stops() {
            return Err(Failed::new("ended", "the box ends"));
        }
        kit.pause(LOOK_EVERY);
    }
}

/// `model_rollback`: the model that decided before decides again.
pub(super) struct Rollback(pub(super) With);

impl Operation for Rollback {
    fn name(&self) -> &'static str {
        "model_rollback"
    }

    fn arguments(&self) -> Value {
        schema_for!(NoArguments).to_value()
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        read_arguments::<NoArguments>(arguments).map(drop)
    }

    fn run(&self, _: &Call) -> Result<Value, Failed> {
        let models = &self.0.1.models;
        let refused = |error| Failed::new("refused", Foreign::error(&error));
        models.detect.swap_back().map_err(refused)?;
        Ok(json!({ "models": models.models() }))
    }
}

/// `restart`: the box drains as at SIGTERM, and begins anew in the same process.
pub(super) struct Restart {
    pub(super) kit: Arc<Kit>,
    pub(super) again: watch::Sender<bool>,
}

impl Operation for Restart {
    fn name(&self) -> &'static str {
        "restart"
    }

    fn arguments(&self) -> Value {
        schema_for!(NoArguments).to_value()
    }

    /// The start that cuts it is what was asked for.
    fn resumable(&self) -> bool {
        true
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        read_arguments::<NoArguments>(arguments).map(drop)
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        if call.resumed {
            return Ok(json!({ "restarted": true, "boot": self.kit.world.clock.boot() }));
        }
        tracing::info!(id = call.id, "a restart was asked for");
        self.again.send_replace(true);
        // Not over before the new start says so.
        while !call.stops() {
            self.kit.pause(LOOK_EVERY);
        }
        Err(Failed::new("ended", "the box ends"))
    }
}
