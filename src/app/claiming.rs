//! A box that is claimed: who it is, where the uplink goes with that, and how far a claim is (DESIGN §4.5).
//!
//! A broker that is written in the configuration wins, and nothing is claimed. Else the identity in
//! `{data_dir}/identity` says name, broker and credentials; without one the box looks for a claim file.
//! An identity that comes while the box runs is used at once where its name is the one that the box runs
//! under (the outbox, the ring's clips and the topics bear it); else the box begins anew.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch as told;
use tracing::{error, info, warn};

use crate::app::world::World;
use crate::broker::Access;
use crate::claim::{self, Claim, Desk, Limits, RequestId, Stage, Store, Trouble};
use crate::clock::Floor;
use crate::config::Config;
use crate::event::state::{ClaimState, ClaimTrouble};
use crate::event::words::ClaimStage;
use crate::mailbox::Rest;
use crate::media::{BoxName, Foreign};
use crate::uplink::Uplink;

/// Where the uplink goes with the identity that the box was given. Clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Home(Arc<Mutex<Option<Access>>>);

impl Home {
    /// Nowhere, for a box that is nobody, or whose broker is configured.
    pub(crate) fn access(&self) -> Option<Access> {
        self.0.lock().clone()
    }
}

/// What the box says of its claim. Clones are one.
#[derive(Clone, Debug)]
pub(crate) enum ClaimSays {
    /// A broker is configured: nothing is claimed.
    Nothing,
    /// It cannot be claimed, and why.
    Cannot(Foreign),
    /// How far it is.
    Far(Desk),
}

/// Of a box that begins.
#[derive(Debug)]
pub(crate) struct Claiming {
    claim: Option<Claim>,
    using: Option<RequestId>,
    pub(crate) says: ClaimSays,
    pub(crate) home: Home,
    rest: Rest,
}

impl Claiming {
    /// Of a recording that is played into a box of its own: it goes where it is told, and claims nothing.
    pub(crate) fn of_recording(access: Option<Access>) -> Self {
        let home = Home::default();
        *home.0.lock() = access;
        Self { claim: None, using: None, says: ClaimSays::Nothing, home, rest: Rest::default() }
    }

    /// Finds out who the box is, and writes its name into the configuration. Blocking.
    pub(crate) fn begin(config: &mut Config, world: &World, floor: &Floor) -> Self {
        let (home, rest) = (Home::default(), Rest::default());
        let data_dir = config.appliance.data_dir.clone();
        let nothing =
            |says| Self { claim: None, using: None, says, home: home.clone(), rest: rest.clone() };
        if let Some(broker) = &config.uplink.broker {
            let given = Store::look(&*world.disk, &data_dir);
            if let Some(identity) = given.and_then(|given| given.identity()) {
                info!(
                    broker = %broker.url(), identity = %identity.name,
                    "the broker that is configured wins over the identity that the box was given: take \
                     [uplink] out of the configuration to use that"
                );
            }
            return nothing(ClaimSays::Nothing);
        }
        let cannot = |why: Foreign| {
            error!(%why, "this box has no broker, and cannot be claimed");
            nothing(ClaimSays::Cannot(why))
        };
        let serial = match claim::find_serial(config.claim.serial_file.as_deref()) {
            Ok(serial) => serial,
            Err(error) => return cannot(Foreign::error(&error)),
        };
        let opened = Claim::open(claim::Parts {
            disk: Arc::clone(&world.disk),
            data_dir,
            clock: Arc::clone(&world.clock),
            floor: floor.clone(),
            serial: serial.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hardware: Some(claim::describe_hardware(&*world.disk, Path::new("/"))),
            limits: Limits::default(),
            places: config.claim.files.clone(),
            rest: rest.clone(),
        });
        let claim = match opened {
            Ok(claim) => claim,
            Err(error) => return cannot(Foreign::error(&error)),
        };
        let identity = claim.identity();
        match &identity {
            Some(identity) => {
                if config.appliance.name != identity.name {
                    info!(
                        name = %identity.name, configured = %config.appliance.name,
                        "the name that this box was given counts, not `box.name` or the host's"
                    );
                }
                config.appliance.name = identity.name.clone();
                *home.0.lock() = Some(identity.access());
                info!(name = %identity.name, %serial, broker = %identity.broker.url(), "this box was claimed");
            }
            None => {
                let files = config.claim.files.iter().map(Foreign::path).collect::<Vec<_>>();
                warn!(
                    %serial, ?files,
                    "this box is nobody yet: it calls and records, its events wait on disk, and it looks for \
                     a claim file"
                );
            }
        }
        let says = ClaimSays::Far(claim.desk());
        let using = identity.map(|identity| identity.request);
        Self { claim: Some(claim), using, says, home, rest }
    }

    /// Whether it waits for something from outside; nobody's where nothing is claimed.
    pub(crate) fn rest(&self) -> Option<&Rest> {
        self.claim.as_ref().map(|_| &self.rest)
    }

    /// True for a box that bears the name that it was given.
    pub(crate) const fn is_somebody(&self) -> bool {
        self.using.is_some()
    }

    /// Runs until `stopped` turns to true. `name` is the one that the box runs under; `again` has it begin
    /// anew.
    pub(crate) async fn run(
        self,
        name: BoxName,
        uplink: Arc<Uplink>,
        again: told::Sender<bool>,
        stopped: told::Receiver<bool>,
    ) {
        let Self { claim: Some(claim), using, home, .. } = self else { return };
        let desk = claim.desk();
        let follows = follow(desk, using, name, home, uplink, again);
        tokio::select! {
            () = claim.run(stopped) => {}
            () = follows => {}
        }
    }
}

/// Brings each identity that comes into use. Never ends: the claim does.
async fn follow(
    mut desk: Desk,
    mut using: Option<RequestId>,
    name: BoxName,
    home: Home,
    uplink: Arc<Uplink>,
    again: told::Sender<bool>,
) {
    loop {
        let identity = desk.told().identity;
        if let Some(identity) = identity.filter(|identity| Some(identity.request) != using) {
            using = Some(identity.request);
            let broker = identity.broker.url();
            if identity.name == name {
                info!(%name, %broker, "this box was claimed: it goes to its broker");
                *home.0.lock() = Some(identity.access());
                uplink.redirect(identity.access());
            } else {
                warn!(
                    name = %identity.name, was = %name, %broker,
                    "this box was claimed and begins anew under its name"
                );
                again.send_replace(true);
            }
        }
        if !desk.changed().await {
            std::future::pending::<()>().await;
        }
    }
}

impl ClaimSays {
    /// Wishes another key; false where there is none to be made.
    pub(crate) fn renew(&self) -> bool {
        match self {
            Self::Far(desk) => desk.told().identity.is_some() && desk.renew(),
            Self::Nothing | Self::Cannot(_) => false,
        }
    }

    /// As in `state/claim`; nothing where a broker is configured.
    pub(crate) fn state(&self) -> Option<ClaimState> {
        let desk = match self {
            Self::Nothing => return None,
            Self::Cannot(why) => {
                let todo = "write `serial_file` under [claim], or `broker` under [uplink]; look at the disk";
                let trouble = ClaimTrouble {
                    code: "E_STORE".to_owned(),
                    text: why.clone(),
                    todo: todo.to_owned(),
                };
                return Some(ClaimState { trouble: Some(trouble), ..ClaimState::default() });
            }
            Self::Far(desk) => desk.told(),
        };
        Some(ClaimState {
            stage: word(desk.stage),
            serial: Some(desk.serial.to_string()),
            name: desk.identity.as_ref().map(|identity| identity.name.to_string()),
            request: desk.identity.map(|identity| identity.request.to_string()),
            fingerprint: desk.fingerprint,
            asks: desk.asks.map(|broker| Foreign::told(broker.url())),
            file: desk.file,
            trouble: desk.trouble.map(trouble),
        })
    }
}

fn trouble(trouble: Trouble) -> ClaimTrouble {
    let Trouble { code, text } = trouble;
    ClaimTrouble { code: code.to_string(), text, todo: code.advice().to_owned() }
}

const fn word(stage: Stage) -> ClaimStage {
    match stage {
        Stage::Factory => ClaimStage::Factory,
        Stage::Keyed => ClaimStage::Keyed,
        Stage::Requested => ClaimStage::Requested,
        Stage::Issued => ClaimStage::Issued,
        Stage::Trial => ClaimStage::Trial,
        Stage::Committed => ClaimStage::Committed,
    }
}

/// One line for the console, while there is something to do about the claim.
pub(crate) fn line(state: &ClaimState) -> Option<String> {
    let serial = state.serial.as_deref().unwrap_or("no serial number");
    match (&state.name, &state.trouble) {
        (Some(_), None) => None,
        (None, None) => Some(format!("unclaimed ({serial}): {}", state.stage)),
        (name, Some(trouble)) => {
            let who = name.as_ref().map_or_else(|| format!("unclaimed ({serial})"), Clone::clone);
            Some(format!("{who}: {}, {}: {}", state.stage, trouble.code, trouble.todo))
        }
    }
}
