//! Operations that bring a court into service: look at its checks, confirm its rims, override.

use std::sync::Arc;

use schemars::schema_for;
use serde_json::{Map, Value, json};

use crate::app::operations::looks::court_named;
use crate::app::operations::technician::{Technician, line, rims};
use crate::event::service::{ConfirmArguments, OverrideArguments, ServiceCheckArguments};
use crate::media::Foreign;
use crate::uplink::{Call, Failed, Operation, read_arguments};

/// `service_check`: how a court's checks stand, with the picture and the rings found in it.
pub(super) struct ServiceCheck(pub(super) Arc<Technician>);

impl Operation for ServiceCheck {
    fn name(&self) -> &'static str {
        "service_check"
    }

    fn arguments(&self) -> Value {
        schema_for!(ServiceCheckArguments).to_value()
    }

    fn resumable(&self) -> bool {
        true
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        read_arguments::<ServiceCheckArguments>(arguments).map(drop)
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        let court = court_named(&self.0.web, call.read::<ServiceCheckArguments>()?.court)?;
        self.0.check(&court, &|percent, words| call.tells(percent, words), &|| call.stops())
    }
}

/// `service_confirm`: the rims of a court are these; somebody saw them in the picture.
pub(super) struct ServiceConfirm(pub(super) Arc<Technician>);

impl Operation for ServiceConfirm {
    fn name(&self) -> &'static str {
        "service_confirm"
    }

    fn arguments(&self) -> Value {
        schema_for!(ConfirmArguments).to_value()
    }

    /// The same rims again change nothing.
    fn resumable(&self) -> bool {
        true
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        let asked = read_arguments::<ConfirmArguments>(arguments)?;
        rims(&asked.rims)?;
        line("who", &asked.who).map(drop)
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        let asked: ConfirmArguments = call.read()?;
        let court = court_named(&self.0.web, asked.court.clone())?;
        let door = Foreign::told(format_args!("command {}", call.id));
        let done = self.0.confirm(court.clone(), &asked, door);
        let service = self.0.kit.waits(done)?;
        Ok(json!({ "court": court, "service": service }))
    }
}

/// `service_override`: a court is in service, or out of it, whatever its checks say.
pub(super) struct ServiceOverride(pub(super) Arc<Technician>);

impl Operation for ServiceOverride {
    fn name(&self) -> &'static str {
        "service_override"
    }

    fn arguments(&self) -> Value {
        schema_for!(OverrideArguments).to_value()
    }

    /// The same word again says the same.
    fn resumable(&self) -> bool {
        true
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        let asked = read_arguments::<OverrideArguments>(arguments)?;
        line("reason", &asked.reason)?;
        line("who", &asked.who).map(drop)
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        let asked: OverrideArguments = call.read()?;
        let court = court_named(&self.0.web, asked.court.clone())?;
        let door = Foreign::told(format_args!("command {}", call.id));
        let service = self.0.kit.waits(self.0.overrides(court.clone(), &asked, door))?;
        Ok(json!({ "court": court, "service": service }))
    }
}
