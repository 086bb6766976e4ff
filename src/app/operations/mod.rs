//! What a box can be asked to do from afar: the table of its operations.
//!
//! Each is what a person at the box would type; none needs a shell. `kit` is what they work with; `looks`
//! only look (doctor, snapshot, aim, log, report, configuration), `changes` change something (models,
//! restart), `install` brings a model, `update` the box's next image, `keys` makes tokens anew, `identity` the box's own key, `service` brings
//! a court into service, as `technician` does it over either door; `clips` are those of the ring, `keeping` keeps them and deletes them; `games` starts games and corrects shots; `secrets` is what nothing that leaves may contain.

mod secrets;
mod kit;
mod looks;
mod changes;
mod install;
mod update;
mod identity;
mod keys;
mod technician;
mod service;
mod clips;
mod keeping;
mod games;

use std::sync::Arc;

use tokio::sync::watch;

use crate::app::games::GameDesk;
use crate::app::operations::changes::{Restart, Rollback, Swap};
use crate::app::operations::clips::{
    ClipAcks, ClipKit, ClipList, ClipRelease, ClipUpload, ClipUploadUrls,
};
use crate::app::operations::games::{GameKit, GameOperation};
use crate::app::operations::install::Install;
use crate::app::operations::keeping::{ClipDelete, ClipKeep};
use crate::app::operations::keys::Rotate;
use crate::app::operations::looks::{Aim, ConfigCheck, Doctor, LogTail, Report, Snapshot};
use crate::app::operations::service::{ServiceCheck, ServiceConfirm, ServiceOverride};
use crate::app::operations::update::SystemUpdate;
use crate::clips::Shelf;
use crate::http::Tokens;
use crate::update::Desk;
use crate::uplink::Operation;
use crate::upload::Uploads;

pub(super) use crate::app::operations::kit::Kit;
pub(super) use crate::app::operations::looks::court_named;
pub(super) use crate::app::operations::technician::Technician;

/// What a box can be asked to do, by name, in the order of the table below.
pub(crate) const OPERATIONS: [&str; 28] = [
    "config_check",
    "snapshot",
    "aim",
    "doctor",
    "log_tail",
    "report",
    "restart",
    "model_swap",
    "model_rollback",
    "model_install",
    "system_update",
    "key_rotate",
    "service_check",
    "service_confirm",
    "service_override",
    "clip_list",
    "clip_upload",
    "clip_upload_urls",
    "clip_ack",
    "clip_release",
    "clip_keep",
    "clip_delete",
    "game_start",
    "game_end",
    "game_period",
    "shot_correct",
    "shot_undo",
    "shot_add",
];

/// The operations of this box.
pub(super) fn all(
    technician: &Arc<Technician>,
    again: &watch::Sender<bool>,
    tokens: Option<Tokens>,
    (shelf, uploads): (Shelf, Arc<Uploads>),
    (desk, updates): (GameDesk, Arc<Desk>),
) -> Vec<Arc<dyn Operation>> {
    let kit = &technician.kit;
    let with = || (Arc::clone(kit), Arc::clone(&technician.web));
    let clips =
        || ClipKit { kit: Arc::clone(kit), shelf: shelf.clone(), uploads: Arc::clone(&uploads) };
    let games = GameKit { kit: Arc::clone(kit), desk };
    let all: [Box<dyn Operation>; OPERATIONS.len()] = [
        Box::new(ConfigCheck(with())),
        Box::new(Snapshot(with())),
        Box::new(Aim(with())),
        Box::new(Doctor(with())),
        Box::new(LogTail),
        Box::new(Report(with())),
        Box::new(Restart { kit: Arc::clone(kit), again: again.clone() }),
        Box::new(Swap(with())),
        Box::new(Rollback(with())),
        Box::new(Install(with())),
        Box::new(SystemUpdate(Arc::clone(kit), updates)),
        Box::new(Rotate { kit: Arc::clone(kit), tokens: tokens.map(Arc::new) }),
        Box::new(ServiceCheck(Arc::clone(technician))),
        Box::new(ServiceConfirm(Arc::clone(technician))),
        Box::new(ServiceOverride(Arc::clone(technician))),
        Box::new(ClipList(clips())),
        Box::new(ClipUpload(clips())),
        Box::new(ClipUploadUrls(clips())),
        Box::new(ClipAcks(clips())),
        Box::new(ClipRelease(clips())),
        Box::new(ClipKeep(with())),
        Box::new(ClipDelete(with())),
        Box::new(GameOperation::Start(games.clone())),
        Box::new(GameOperation::End(games.clone())),
        Box::new(GameOperation::Period(games.clone())),
        Box::new(GameOperation::Correct(games.clone())),
        Box::new(GameOperation::Undo(games.clone())),
        Box::new(GameOperation::Add(games)),
    ];
    // Each test that starts a box asks it.
    debug_assert!(all.iter().map(|one| one.name()).eq(OPERATIONS), "a name is missing above");
    all.into_iter().map(|one| kit.secrets.kept_by(one)).collect()
}
