//! Attempts at which two models said otherwise, each with both answers and a clip; and the board that
//! shows how all of them do.
//!
//! At most [`MOST`] are kept: the pin of the oldest clip ends as a new one comes, and pins of this kind
//! leave half of the ring's reserve to others (`clips/cutter`). What both said stands in
//! `{data_dir}/disagreements.json`, written by `watch`: a clip whose line was lost to a power cut is still a
//! clip of the ring.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::clips::Shelf;
use crate::clock::Anchors;
use crate::detect::Detect;
use crate::detect::delivery::{Installer, Stored};
use crate::disk::{Disk, Format, read_json, take, write_sealed};
use crate::event::models::{BoardRow, DISAGREEMENT, Disagreement, InstalledModel, ModelSaid};
use crate::event::state::ModelsState;
use crate::event::words::CallWord;
use crate::event::{ClipOrder, ClipRequest, FactId};
use crate::game::jury::{Hears, Room, Said, Split};
use crate::look::Look;
use crate::mailbox::Mailbox;
use crate::media::Foreign;

/// Disagreements that are kept (chosen: what a person looks through; at 10 s each 8 minutes of video).
const MOST: usize = 50;
/// Video before and after the ball reached the ring: that of a shot's own clip.
const BEFORE: Duration = Duration::from_secs(6);
const AFTER: Duration = Duration::from_secs(3);
/// Its name in the data folder.
const SPLITS_FILE: &str = "disagreements.json";
/// A line of the file has some 500 bytes.
const FILE_MOST_BYTES: u64 = 256 << 10;
const FORMAT: u32 = Format::FIRST.format;

/// What the models do, for who shows it: state, board and disagreements.
pub(crate) struct Splits {
    pub(crate) detect: Arc<Detect>,
    pub(crate) installer: Arc<Installer>,
    pub(crate) jury: Room,
    pub(crate) anchors: Anchors,
    pub(crate) orders: Mailbox<ClipOrder>,
    pub(crate) shelf: Shelf,
    /// Is asked of what two models say otherwise of.
    look: Option<Look>,
    // Held for a look or a change, never across I/O.
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Line>,
    /// Clips whose pins are to end.
    unpin: Vec<String>,
    changed: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    /// The shot that was told, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fact: Option<FactId>,
    #[serde(flatten)]
    told: Disagreement,
}

#[derive(Serialize, Deserialize)]
struct File {
    format: u32,
    disagreements: Vec<Line>,
}

impl Splits {
    /// With what the last run left in `data_dir`.
    pub(crate) fn new(
        (detect, installer): (&Arc<Detect>, Arc<Installer>),
        jury: &Room,
        anchors: &Anchors,
        orders: &Mailbox<ClipOrder>,
        (shelf, look): (Shelf, Option<Look>),
        (disk, data_dir): (&dyn Disk, &Path),
    ) -> Self {
        let lines = read(disk, data_dir).into();
        Self {
            detect: Arc::clone(detect),
            installer,
            jury: jury.clone(),
            anchors: anchors.clone(),
            orders: orders.clone(),
            shelf,
            look,
            kept: Mutex::new(Kept { lines, ..Kept::default() }),
        }
    }

    /// As in `state/models`, now.
    pub(crate) fn models(&self) -> ModelsState {
        let mut models = self.detect.status();
        let row = |(model, courts): (crate::event::ModelRef, _)| BoardRow {
            role: self.detect.role(&model),
            bundle: Foreign::name(&model.bundle),
            version: Foreign::name(&model.version),
            precision: Foreign::name(&model.precision),
            engine: Foreign::name(&model.engine),
            courts,
        };
        models.board = self.jury.rows().into_iter().map(row).collect();
        let count = self.kept.lock().lines.len() as u64;
        models.disagreements = (count > 0).then_some(count);
        let installed = |stored: Stored| InstalledModel {
            bundle: Foreign::name(&stored.full_name()),
            bytes: stored.bytes,
            sealed: stored.sealed,
        };
        models.installed = self.installer.stored().into_iter().map(installed).collect();
        models.install = self.installer.state();
        models.seal_key_lies_open = self.installer.key_lies_open();
        models.seal_to = self.installer.own_key().map(|key| Foreign::name(&key));
        models
    }

    /// The newest first.
    pub(crate) fn disagreements(&self) -> Vec<Disagreement> {
        self.kept.lock().lines.iter().rev().map(|line| line.told.clone()).collect()
    }

    /// What became due: pins end; returns what is to be written, if anything changed.
    pub(crate) fn due(&self) -> Option<Vec<u8>> {
        let mut kept = self.kept.lock();
        // What is busy is asked again.
        kept.unpin.retain(|id| self.shelf.unpin(id).is_err());
        if !std::mem::take(&mut kept.changed) {
            return None;
        }
        let file = File { format: FORMAT, disagreements: kept.lines.iter().cloned().collect() };
        serde_json::to_vec(&file).ok()
    }

    fn said(of: &Said) -> ModelSaid {
        ModelSaid {
            bundle: Foreign::name(&of.model.bundle),
            version: Foreign::name(&of.model.version),
            call: of.call,
            probability: (of.call != CallWord::Nothing).then(|| f64::from(of.share) / 1e4),
        }
    }
}

impl Hears for Splits {
    fn attempted(&self) {
        self.detect.attempted();
    }

    fn split(&self, split: Split) {
        let Split { court, rim, session, reached, fact, live, other } = split;
        if let (Some(look), Some(fact)) = (&self.look, fact) {
            look.disputed(fact);
        }
        let stamp = self.anchors.stamp(&court, session, reached, None);
        let ms = reached.as_nanos() / 1_000_000;
        // Of several others at one attempt each has a line, and all have one clip.
        let clip = format!("{court}-{session}-{DISAGREEMENT}-{rim}-{ms}");
        let told = Disagreement {
            time: stamp.source.map_or_else(String::new, |_| stamp.utc.to_rfc3339()),
            court: court.to_string(),
            rim,
            session: session.to_string(),
            t_stream: reached.as_secs_f64(),
            live: Self::said(&live),
            other: Self::said(&other),
            verdict: None,
            clip: clip.clone(),
        };
        tracing::info!(
            %court, rim, clip, live = %live.call, other = %other.call, by = other.model.bundle,
            "two models say otherwise"
        );
        let request = ClipRequest {
            id: clip,
            from_ns: reached.minus(BEFORE).as_nanos(),
            to_ns: reached.plus(AFTER).as_nanos(),
            reason: DISAGREEMENT.to_owned(),
            ..ClipRequest::default()
        };
        let mut kept = self.kept.lock();
        kept.lines.push_back(Line { fact, told });
        if kept.lines.len() > MOST {
            let gone = kept.lines.pop_front();
            kept.unpin.extend(gone.map(|gone| gone.told.clip));
        }
        kept.changed = true;
        drop(kept);
        if let Some(left) = self.orders.offer(ClipOrder { court, session, request }) {
            tracing::warn!(clip = left.request.id, "the ring is behind: no clip of a disagreement");
        }
    }

    fn judged(&self, fact: FactId, verdict: CallWord) {
        let mut kept = self.kept.lock();
        let Kept { lines, changed, .. } = &mut *kept;
        for line in lines.iter_mut().filter(|line| line.fact == Some(fact)) {
            line.told.verdict = Some(verdict);
            *changed = true;
        }
    }
}

fn file(data_dir: &Path) -> std::path::PathBuf {
    data_dir.join(SPLITS_FILE)
}

fn read(disk: &dyn Disk, data_dir: &Path) -> Vec<Line> {
    let read = |bytes: &[u8]| read_json::<File>(bytes, Format::FIRST);
    let taken = take(disk, &file(data_dir), FILE_MOST_BYTES, read);
    let mut lines = taken.is().map(|file| file.disagreements).unwrap_or_default();
    lines.truncate(MOST);
    lines
}

/// Writes what [`Splits::due`] gave.
///
/// # Errors
/// The disk said no; then what was there is there.
pub(crate) fn write(disk: &dyn Disk, data_dir: &Path, bytes: &[u8]) -> io::Result<()> {
    write_sealed(disk, &file(data_dir), bytes.to_vec())
}

impl std::fmt::Debug for Splits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Splits").finish_non_exhaustive()
    }
}
