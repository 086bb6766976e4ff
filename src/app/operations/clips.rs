//! Operations on clips: list, send to object storage, acknowledge, release.

use std::sync::Arc;

use schemars::schema_for;
use serde_json::{Map, Value, json};

use crate::app::operations::kit::Kit;
use crate::app::uploads::refused;
use crate::clips::{Clip, ClipQuery, Shelf, ShelfError};
use crate::clock::stand_back;
use crate::event::command::Role;
use crate::event::upload::{
    ClipAck, ClipAckArguments, ClipArguments, ClipListArguments, ClipUploadArguments,
    ClipUploadUrlsArguments, UploadNeeds,
};
use crate::media::Foreign;
use crate::uplink::{Call, Failed, Operation, read_arguments};
use crate::upload::{Hears, NotUploaded, Order, Uploads, read_time};

/// Uploads at a time: while one waits for an address the other sends. Each has a seat of the ring's eight.
const AT_ONCE: usize = 2;
/// Clips of a page, unless fewer or more are asked for.
const PAGE: u16 = 100;
/// … at most.
const PAGE_MOST: u16 = 200;
/// Bytes of a page: with its envelope a message that every broker takes.
const PAGE_BYTES: usize = 128 << 10;
/// Clips that are named while they are being made.
const MAKING_MOST: usize = 50;
/// Entries that a page looks at for those that were asked for.
const LOOK_MOST: usize = 5_000;
/// Entries that are read at once.
const READ: usize = 200;
/// Clips of one `clip_ack`.
const ACKS_MOST: usize = 200;

/// What operations on clips work with.
#[derive(Clone)]
pub(super) struct ClipKit {
    pub(super) kit: Arc<Kit>,
    pub(super) shelf: Shelf,
    pub(super) uploads: Arc<Uploads>,
}

fn failed(error: &ShelfError) -> Failed {
    let why = refused(error);
    Failed { code: why.code, reason: why.reason }
}

fn not_uploaded(why: NotUploaded) -> Failed {
    Failed { code: why.code, reason: why.reason }
}

/// `clip_list`: the manifest, in pages.
pub(super) struct ClipList(pub(super) ClipKit);

/// A `clip_list`, checked.
struct Wanted {
    asked: ClipListArguments,
    since: Option<i64>,
    until: Option<i64>,
}

impl Wanted {
    fn of(arguments: &Map<String, Value>) -> Result<Self, Foreign> {
        let asked: ClipListArguments = read_arguments(arguments)?;
        let time = |name: &str, text: &Option<String>| {
            let read = text.as_deref().map(read_time);
            match read {
                Some(None) => Err(Foreign::told(format_args!("`{name}` is a time as in RFC 3339"))),
                Some(Some(at)) => Ok(Some(at.as_nanos())),
                None => Ok(None),
            }
        };
        let (since, until) = (time("since", &asked.since)?, time("until", &asked.until)?);
        if asked.limit.is_some_and(|limit| !(1..=PAGE_MOST).contains(&limit)) {
            return Err(Foreign::told(format_args!("`limit` is 1 to {PAGE_MOST}")));
        }
        Ok(Self { asked, since, until })
    }

    fn has(&self, clip: &Clip) -> bool {
        let asked = &self.asked;
        asked.session.as_ref().is_none_or(|session| clip.session == *session)
            && asked.game.as_ref().is_none_or(|game| clip.game() == *game)
            && clip.has_tags(&asked.tags)
            && asked.pinned.is_none_or(|pinned| clip.pinned == pinned)
            && self.since.is_none_or(|since| clip.made_ns >= since)
            && self.until.is_none_or(|until| clip.made_ns < until)
    }

    /// A page of them, and at its end what more there will be of a game.
    fn page(&self, shelf: &Shelf) -> Value {
        // Before the clips: one that is made meanwhile is in both, and in neither would be lost.
        let of_game = self.asked.game.as_ref().map(|game| {
            let making = shelf.making(self.asked.court.as_deref(), game, MAKING_MOST);
            (making, shelf.knows_game(game))
        });
        let mut page = self.clips(shelf);
        if page.get("next").is_none()
            && let (Some((making, known)), Some(fields)) = (of_game, page.as_object_mut())
        {
            fields.insert("making".to_owned(), json!(making));
            fields.insert("known".to_owned(), json!(known));
        }
        page
    }

    fn clips(&self, shelf: &Shelf) -> Value {
        let limit = usize::from(self.asked.limit.unwrap_or(PAGE));
        let (mut clips, mut bytes, mut looked) = (Vec::new(), 0, 0);
        let mut after = self.asked.after.unwrap_or(0);
        loop {
            let court = self.asked.court.clone();
            let list = shelf.list(&ClipQuery { after, limit: READ, court });
            let (read, more) = (list.clips.len(), list.next);
            looked += read.max(1);
            for clip in list.clips {
                let number = clip.number;
                if self.has(&clip) {
                    let told = told(&clip);
                    let long = told.to_string().len();
                    if clips.len() == limit || bytes + long > PAGE_BYTES {
                        return json!({ "clips": clips, "next": after });
                    }
                    bytes += long;
                    clips.push(told);
                }
                after = number;
            }
            match more {
                None => return json!({ "clips": clips }),
                Some(next) if looked >= LOOK_MOST => return json!({ "clips": clips, "next": next }),
                Some(next) => after = next,
            }
        }
    }
}

/// As `/v1/clips` has it.
fn told(clip: &Clip) -> Value {
    let mut told = json!(clip.clone().listed());
    if let Some(media) = told.get_mut("media").and_then(Value::as_object_mut) {
        media.remove("parts");
    }
    told
}

impl Operation for ClipList {
    fn name(&self) -> &'static str {
        "clip_list"
    }

    fn arguments(&self) -> Value {
        schema_for!(ClipListArguments).to_value()
    }

    fn role(&self) -> Role {
        Role::Operator
    }

    fn resumable(&self) -> bool {
        true
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        Wanted::of(arguments).map(drop)
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        let wanted = Wanted::of(&call.arguments);
        let wanted = wanted.map_err(|reason| Failed { code: "arguments", reason })?;
        if wanted.asked.court.as_deref().is_some_and(|name| !self.0.shelf.knows_court(name)) {
            return Err(Failed::new(
                "no_such_court",
                "this box has no court of that name, and recorded none: `state/box` has their names",
            ));
        }
        Ok(wanted.page(&self.0.shelf))
    }
}

/// `clip_upload`: a clip is sent to object storage. Over when the storage has all of it, or it cannot.
pub(super) struct ClipUpload(pub(super) ClipKit);

struct Told<'a>(&'a Call);

impl Hears for Told<'_> {
    fn tells(&self, percent: u8, words: String, needs: Option<UploadNeeds>) {
        match needs {
            Some(needs) => self.0.needs(Some(percent), words, needs),
            None => self.0.tells(Some(percent), words),
        }
    }

    fn stops(&self) -> bool {
        self.0.stops()
    }
}

impl Operation for ClipUpload {
    fn name(&self) -> &'static str {
        "clip_upload"
    }

    fn arguments(&self) -> Value {
        schema_for!(ClipUploadArguments).to_value()
    }

    /// What the storage has stands in the upload's file.
    fn resumable(&self) -> bool {
        true
    }

    fn beside(&self) -> usize {
        AT_ONCE
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        let asked: ClipUploadArguments = read_arguments(arguments)?;
        // The command's id is a name that an upload can have.
        Order::of(&asked, "id", self.0.uploads.plain()).map(drop)
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        // It hashes a clip, and nobody waits for it.
        stand_back();
        let uploads = &self.0.uploads;
        let asked: ClipUploadArguments = call.read()?;
        let order = Order::of(&asked, &call.id, uploads.plain());
        let order = order.map_err(|reason| Failed { code: "arguments", reason })?;
        let hears = Told(call);
        let done = self.0.kit.waits(uploads.run(order, call.resumed, &hears));
        done.map(|done| json!(done)).map_err(not_uploaded)
    }
}

/// `clip_upload_urls`: what an upload that runs asked for. An operation of its own, since `clip_upload` is over when
/// the upload is, an id runs once, and this is done at once.
pub(super) struct ClipUploadUrls(pub(super) ClipKit);

impl Operation for ClipUploadUrls {
    fn name(&self) -> &'static str {
        "clip_upload_urls"
    }

    fn arguments(&self) -> Value {
        schema_for!(ClipUploadUrlsArguments).to_value()
    }

    /// The same addresses again do no harm; an upload that the start has cut asks for others.
    fn resumable(&self) -> bool {
        true
    }

    /// Whatever else runs: an upload stands still until they are there.
    fn beside(&self) -> usize {
        1
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        read_arguments::<ClipUploadUrlsArguments>(arguments).map(drop)
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        let asked: ClipUploadUrlsArguments = call.read()?;
        let taken = self.0.uploads.give(&asked).map_err(not_uploaded)?;
        Ok(json!({ "upload": asked.upload, "taken": taken }))
    }
}

/// `clip_ack`: somebody has a clip's bytes, so its pin ends.
pub(super) struct ClipAcks(pub(super) ClipKit);

/// One that it asks for alone, or several.
fn acks(asked: ClipAckArguments) -> Result<(Vec<ClipAck>, bool), Foreign> {
    match (asked.clip, asked.clips) {
        (Some(clip), clips) if clips.is_empty() => {
            Ok((vec![ClipAck { clip, sha256: asked.sha256 }], true))
        }
        (None, clips) if (1..=ACKS_MOST).contains(&clips.len()) && asked.sha256.is_none() => {
            Ok((clips, false))
        }
        _ => Err(Foreign::told(format_args!(
            "write `clip` with its `sha256`, or 1 to {ACKS_MOST} such in `clips`"
        ))),
    }
}

impl Operation for ClipAcks {
    fn name(&self) -> &'static str {
        "clip_ack"
    }

    fn arguments(&self) -> Value {
        schema_for!(ClipAckArguments).to_value()
    }

    fn role(&self) -> Role {
        Role::Operator
    }

    /// What is acknowledged already is acknowledged again.
    fn resumable(&self) -> bool {
        true
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        acks(read_arguments(arguments)?).map(drop)
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        let (clips, alone) =
            acks(call.read()?).map_err(|reason| Failed { code: "arguments", reason })?;
        let (mut acknowledged, mut refusals) = (Vec::new(), Vec::new());
        for ClipAck { clip, sha256 } in clips {
            let done = self.0.kit.waits(self.0.shelf.acknowledge(&clip, sha256.as_deref()));
            match done {
                Ok(_) => acknowledged.push(clip),
                Err(error) if alone => return Err(failed(&error)),
                Err(error) => {
                    let why = refused(&error);
                    let clip = Foreign::text(clip);
                    refusals.push(json!({ "clip": clip, "code": why.code, "reason": why.reason }));
                }
            }
        }
        Ok(json!({ "acknowledged": acknowledged, "refused": refusals }))
    }
}

/// `clip_release`: a clip's pin ends, whoever has its bytes.
pub(super) struct ClipRelease(pub(super) ClipKit);

impl Operation for ClipRelease {
    fn name(&self) -> &'static str {
        "clip_release"
    }

    fn arguments(&self) -> Value {
        schema_for!(ClipArguments).to_value()
    }

    fn resumable(&self) -> bool {
        true
    }

    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign> {
        read_arguments::<ClipArguments>(arguments).map(drop)
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        let ClipArguments { clip } = call.read()?;
        let shelf = &self.0.shelf;
        self.0.kit.waits(shelf.release(&clip)).map_err(|error| failed(&error))?;
        Ok(json!({ "released": clip }))
    }
}
