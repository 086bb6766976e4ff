//! Operations that change clips: keep this, forget that.

use schemars::schema_for;
use serde_json::{Map, Value, json};

use crate::app::operations::kit::With;
use crate::app::operations::looks::court_named;
use crate::app::uploads::refused;
use crate::clips::{self, Clip, Delete, Keep, KeepWhat, Shelf, ShelfError};
use crate::event::clip::{DeleteArguments, KeepArguments};
use crate::event::command::Role;
use crate::media::Foreign;
use crate::uplink::{Call, Failed, Operation, read_arguments};

/// `clip_keep`: an interval of a court becomes a clip that stays, or a clip that there is does.
pub(super) struct ClipKeep(pub(super) With);

impl Operation for ClipKeep {
    fn name(&self) -> &'static str {
        "clip_keep"
    }

    fn arguments(&self) -> Value {
        schema_for!(KeepArguments).to_value()
    }

    fn role(&self) -> Role {
        Role::Operator
    }

    /// The same again gives the same clip.
    fn resumable(&self) -> bool {
        true
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        let asked: KeepArguments = read_arguments(arguments)?;
        Keep::read(&asked, self.0.0.world.clock.utc(), Foreign::default()).map(drop)
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        let (kit, web) = &self.0;
        let mut asked: KeepArguments = call.read()?;
        let shelf = &web.shelf;
        if asked.clip.is_none() {
            let id = asked.id.get_or_insert_with(|| format!("keep-{}", call.id));
            if call.resumed
                && let Ok(clip) = shelf.read(id)
            {
                return Ok(told(&clip)); // it was kept before the cut
            }
            if asked.session.is_none() {
                asked.court = Some(court_named(web, asked.court)?.to_string());
            }
        }
        let by = Foreign::told(format_args!("command {}", call.id));
        let keep = Keep::read(&asked, kit.world.clock.utc(), by);
        let keep = keep.map_err(|reason| Failed { code: "arguments", reason })?;
        if matches!(keep.what, KeepWhat::Interval(..)) {
            call.tells(None, "waits until the interval is on disk");
        }
        kit.waits(shelf.keep(keep)).map(|clip| told(&clip)).map_err(|error| failed(&error))
    }
}

/// `clip_delete`: a clip, a session or an interval is forgotten, in the ring and in every clip.
pub(super) struct ClipDelete(pub(super) With);

impl Operation for ClipDelete {
    fn name(&self) -> &'static str {
        "clip_delete"
    }

    fn arguments(&self) -> Value {
        schema_for!(DeleteArguments).to_value()
    }

    /// What is deleted stays so.
    fn resumable(&self) -> bool {
        true
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        let asked: DeleteArguments = read_arguments(arguments)?;
        Delete::read(&asked, Foreign::default()).map(drop)
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        let (kit, web) = &self.0;
        let asked: DeleteArguments = call.read()?;
        let by = Foreign::told(format_args!("command {}", call.id));
        let delete = Delete::read(&asked, by);
        let delete = delete.map_err(|reason| Failed { code: "arguments", reason })?;
        let shelf: &Shelf = &web.shelf;
        let deleted = kit.waits(clips::delete(shelf, delete)).map_err(|error| failed(&error))?;
        Ok(json!({ "deleted": deleted }))
    }
}

fn told(clip: &Clip) -> Value {
    let media = clip.media.as_ref();
    json!({
        "clip": clip.id,
        "path": format!("/v1/clips/{}", clip.id),
        "court": clip.court,
        "session": clip.session,
        "pinned": clip.pinned,
        "bytes": media.map(|media| media.bytes),
        "sha256": media.map(|media| &media.sha256),
        "start_ns": media.map(|media| media.start_ns),
        "end_ns": media.map(|media| media.end_ns),
        "shown_start_ns": media.map(|media| media.shown_ns().0),
        "shown_end_ns": media.map(|media| media.shown_ns().1),
        "note": clip.note,
    })
}

/// What the shelf refuses, as the command's last state.
fn failed(error: &ShelfError) -> Failed {
    let refused = refused(error);
    Failed { code: refused.code, reason: refused.reason }
}
