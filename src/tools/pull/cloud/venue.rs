//! One box, asked over its broker: what it has, that it sends a clip, that the clip is there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::broker::Access;
use crate::clock::{Clock, sleep};
use crate::event::command::{CommandRequest, CommandState, Role};
use crate::event::upload::{
    ClipAck, ClipAckArguments, ClipListArguments, ClipUploadArguments, ClipUploadUrlsArguments,
    UploadDone,
};
use crate::event::words::CommandWord;
use crate::media::{BoxName, Foreign, Monotonic, UtcTime};
use crate::tools::pull::http::{Entry, Listed, Which, making};
use crate::uplink::{self, DEFAULT_QUOTA_BYTES, Question, UplinkSettings};

/// Clips of a page: as many as there are in one.
const PAGE: u16 = 200;
/// For what is answered at once by a box that is there.
const PATIENCE: Duration = Duration::from_secs(30);
/// A box that was asked too much takes a command in 20 s: so often it is asked again …
const TURN: Duration = Duration::from_secs(5);
/// … and for so long.
const TURN_MOST: Duration = Duration::from_mins(10);
/// Not begun later than this after it was asked, s.
const EXPIRY_S: u32 = 600;

/// See the module.
#[derive(Debug)]
pub(super) struct Venue {
    settings: UplinkSettings,
    clock: Arc<dyn Clock>,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotDone {
    /// The box says so; `ran`: it had begun.
    #[error("the box says {code}: {reason}")]
    Refused { code: String, reason: Foreign, ran: bool },
    /// Nobody says anything.
    #[error("{0}")]
    NoAnswer(Foreign),
    /// What was said is not what is said there.
    #[error("{0}")]
    Unread(String),
}

impl NotDone {
    /// True where the box takes no more commands for the moment, or its inbox none.
    pub(super) fn is_for_now(&self) -> bool {
        ["too_many", "busy"].contains(&self.code())
    }

    /// The box's word for it.
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::NoAnswer(_) | Self::Unread(_) => "",
        }
    }
}

impl Venue {
    pub(super) fn new(name: BoxName, access: Access, clock: Arc<dyn Clock>) -> Self {
        let settings = UplinkSettings {
            box_name: name,
            access: Some(access),
            dir: PathBuf::new(),
            quota_bytes: DEFAULT_QUOTA_BYTES,
            boot: String::new(),
            time_floor: UtcTime::from_nanos(0).into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            courts: Vec::new(),
        };
        Self { settings, clock }
    }

    pub(super) fn name(&self) -> &str {
        self.settings.box_name.as_str()
    }

    /// What there is of what is wanted.
    pub(super) async fn list(&self, which: &Which) -> anyhow::Result<Listed> {
        // A court without a started game plays one that is its session.
        let game = match which {
            Which::All => None,
            Which::Game(game) => Some(game.clone()),
        };
        let (mut listed, mut after) = (Listed::default(), Some(0));
        while let Some(from) = after {
            let asked = ClipListArguments {
                after: Some(from),
                limit: Some(PAGE),
                game: game.clone(),
                ..ClipListArguments::default()
            };
            let page = self.soon("clip_list", &asked).await.context("list its clips")?;
            after = page.get("next").and_then(Value::as_u64).filter(|next| *next > from);
            let clips =
                page.get("clips").and_then(Value::as_array).context("a page without clips")?;
            for clip in clips {
                listed.entries.push(Entry::of(clip.clone())?.0);
            }
            listed.making = making(&page);
            let known = page.get("known").and_then(Value::as_bool);
            listed.unknown = known == Some(false) && listed.making == 0;
        }
        listed.unknown &= listed.entries.is_empty();
        Ok(listed)
    }

    /// Has a clip sent. `id` names the command: one that runs under it is only heard.
    pub(super) async fn upload(
        &self,
        id: String,
        asked: &ClipUploadArguments,
        wait: Duration,
        told: impl FnMut(&CommandState) + Send,
    ) -> Result<UploadDone, NotDone> {
        let done = self.ask(id, "clip_upload", asked, wait, told).await?;
        serde_json::from_value(done)
            .map_err(|error| NotDone::Unread(format!("what came of an upload: {error}")))
    }

    /// Gives an upload that runs what it asked for.
    pub(super) async fn give(&self, asked: &ClipUploadUrlsArguments) -> Result<(), NotDone> {
        self.soon("clip_upload_urls", asked).await.map(drop)
    }

    /// Says that clips are where they were sent; gives those that the box does not take for it, and why.
    pub(super) async fn acknowledge(
        &self,
        clips: &[ClipAck],
    ) -> Result<Vec<(String, Foreign)>, NotDone> {
        let asked = ClipAckArguments { clips: clips.to_vec(), ..ClipAckArguments::default() };
        let told = self.soon("clip_ack", &asked).await?;
        let refused = told.get("refused").and_then(Value::as_array);
        let one = |refused: &Value| {
            let text = |field: &str| refused.get(field).and_then(Value::as_str).unwrap_or_default();
            (text("clip").to_owned(), Foreign::text(text("reason")))
        };
        Ok(refused.into_iter().flatten().map(one).collect())
    }

    /// Asks under a new name each time, and again where the box takes no more commands for the moment.
    async fn soon(&self, operation: &str, asked: &impl Serialize) -> Result<Value, NotDone> {
        let began = self.clock.monotonic();
        loop {
            let mut bytes = [0_u8; 12];
            getrandom::fill(&mut bytes).map_err(|error| {
                NotDone::Unread(format!("take random bytes for an id: {error}"))
            })?;
            let id = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            match self.ask(id, operation, asked, PATIENCE, |_| ()).await {
                Err(why) if why.is_for_now() && self.waits(began).await => {}
                done => return done,
            }
        }
    }

    /// Waits until a box that takes no more commands may take one; false once that is too long.
    pub(super) async fn waits(&self, began: Monotonic) -> bool {
        if self.clock.monotonic().since(began) > TURN_MOST {
            return false;
        }
        sleep(&*self.clock, TURN).await;
        true
    }

    async fn ask(
        &self,
        id: String,
        operation: &str,
        asked: &impl Serialize,
        patience: Duration,
        told: impl FnMut(&CommandState) + Send,
    ) -> Result<Value, NotDone> {
        let arguments = match serde_json::to_value(asked) {
            Ok(Value::Object(arguments)) => arguments,
            _ => Map::new(),
        };
        let request = CommandRequest { operation: operation.to_owned(), arguments, expires: None };
        let role = Role::Technician;
        let question = Question { role, id, request, expiry_s: EXPIRY_S, patience };
        let state = uplink::ask(&self.settings, Arc::clone(&self.clock), &question, told).await;
        let state = state.map_err(NotDone::NoAnswer)?;
        if state.state == CommandWord::Done {
            return Ok(state.result.unwrap_or(Value::Null));
        }
        let code = state.code.map_or_else(|| state.state.to_string(), |code| code.to_string());
        let (reason, ran) = (state.reason.unwrap_or_default(), state.state == CommandWord::Failed);
        Err(NotDone::Refused { code, reason, ran })
    }
}
