//! Every task by name: how its models are called and run, what is made of one at a court.
//!
//! A new task is an arm in each of these, and the compiler asks for them.

use std::sync::Arc;

use crate::answer::{DecisionParameters, ModelIdentity};
use crate::detect::bundle::Bundle;
use crate::detect::bundle::manifest::TaskTable;
use crate::detect::podium::Seat;
use crate::detect::rim;
use crate::detect::rim::court::RimsOfCourt;
use crate::detect::ring;
use crate::detect::ring::court::WatchedCourt;
use crate::detect::ring::moved::MovedCameras;
use crate::detect::sink::AnswerSink;
use crate::detect::task::{Manner, TaskAtCourt};
use crate::mailbox::hops;
use crate::media::CourtRims;

/// Where what models think goes.
#[derive(Clone)]
pub(crate) struct Outlets {
    /// Answers about rims.
    pub(crate) sink: Arc<dyn AnswerSink>,
    /// Cameras that were moved.
    pub(crate) moved: MovedCameras,
    /// Who is told how the model does, of one that decides or might.
    pub(crate) seat: Option<Seat>,
}

/// The hop by which a model gets its frames, in the ledger.
pub(crate) fn hop_of(bundle: &Bundle) -> String {
    match bundle.table {
        TaskTable::Rim(_) => format!("model:{}", bundle.name),
        TaskTable::Ring(_) => hops::FINDER.to_owned(),
    }
}

/// The name of its thread.
pub(crate) fn thread_of(bundle: &Bundle) -> String {
    match bundle.table {
        TaskTable::Rim(_) => format!("model-{}", bundle.name),
        TaskTable::Ring(_) => hops::FINDER.to_owned(),
    }
}

/// How it runs beside the others.
pub(crate) const fn manner_of(bundle: &Bundle) -> Manner {
    match bundle.table {
        TaskTable::Rim(_) => rim::court::MANNER,
        TaskTable::Ring(_) => ring::court::MANNER,
    }
}

/// Who answers, and how the answers are to be read.
pub(crate) fn identity_of(bundle: &Bundle, engine: &str) -> ModelIdentity {
    let decision = match &bundle.table {
        TaskTable::Rim(table) => table.decision.clone(),
        TaskTable::Ring(_) => DecisionParameters::default(),
    };
    ModelIdentity {
        bundle: bundle.name.clone(),
        version: bundle.version.clone(),
        precision: bundle.file.precision.clone(),
        engine: engine.to_owned(),
        decision,
    }
}

/// The task's work at one court.
pub(crate) fn at_court(
    bundle: &Bundle,
    court: &CourtRims,
    identity: &Arc<ModelIdentity>,
    to: &Outlets,
) -> Box<dyn TaskAtCourt> {
    match &bundle.table {
        TaskTable::Rim(table) => Box::new(RimsOfCourt::new(court, table, identity, &to.sink)),
        TaskTable::Ring(table) => Box::new(WatchedCourt::new(court, table, &to.moved)),
    }
}
