//! What people say of shots, kept to learn from: `{data_dir}/labels`, laid out as `train.footage` reads it
//! (`models/train/README.md`, "A venue's own clips").
//!
//! ```text
//! tap ─→ line "asked" ─order→ ring cuts a clip ─→ copied here, line "kept" ─→ its pin ends
//! labels.json      a line a shot: all that was said. The three below are made of it
//! rims.json        clips with an attempt: made or missed, as a person said
//! streams/*.json   clips in which there was no shot, as a person said
//! clips/*.mp4      the footage, whole pictures: `rim` says where the ring is
//! ```
//! Order on disk: footage → `labels.json` → the files that are made of it; a cut between two arrows leaves
//! footage that no line names, which the next start removes (but while a `labels.json` lies aside that could not be
//! read: it may name it), or files that the next change makes anew. Lines
//! that a crash lost come again: a game tells at its start what people said of its last shots.
//!
//! A game's thread only takes note ([`HearsPeople`]); `watch` does the rest, and what the disk refuses is tried
//! again. A later word on a shot replaces its label, and none is left of one that was taken back. At most
//! [`MOST`] and [`MOST_BYTES`]: the oldest go. What is deleted on demand goes from here too.
//!
//! `t_truth` is [`SURE_AFTER`] behind `t_rim`, since no person said it; a shot that no model saw has no time that
//! is good to a tenth of a second, so it stands in `labels.json` alone, and so does one of which a person said
//! points or team and not how it came out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::app::court::CourtParts;
use crate::clips::{AuditRecord, Clip, Shelf, ShelfError};
use crate::clock::Clock;
use crate::disk::{
    Disk, Format, Taken, read_json, take, was_put_aside, write_durably, write_sealed,
};
use crate::event::models::LABEL;
use crate::event::words::VerdictWord;
use crate::event::{ClipAbout, ClipOrder, ClipRequest, FactId};
use crate::game::people::{HearsPeople, Said};
use crate::mailbox::Mailbox;
use crate::media::{
    CourtId, GameId, MediaTime, Monotonic, PlayerId, RimBox, RimId, SessionId, TeamId,
};

/// Labels that are kept (chosen: what a court's evening of corrections comes to, some twenty times).
const MOST: usize = 400;
/// Their footage together (chosen: 400 of 5 s at 8 Mbit/s are 2 GB; most cameras send half of that).
const MOST_BYTES: u64 = 1 << 30;
/// Footage of one; more is no clip of a shot.
const ONE_MOST_BYTES: u64 = 64 << 20;
/// Shots whose label went: what a start tells again of them makes none.
const GONE_MOST: usize = 2_000;
/// Video before and after the ball reached the ring: what training looks at (its windows are 96 pictures).
const BEFORE: Duration = Duration::from_millis(2_500);
const AFTER: Duration = Duration::from_millis(2_000);
/// When a careful eye can be sure, after the ball reached the ring: the median of the 222 clips of the footage
/// that we measure by (0.20 s for both outcomes; nine of ten within 0.1 to 0.6 s).
const SURE_AFTER: Duration = Duration::from_millis(200);
/// What the disk refused, or the ring does not have yet, is tried again after this long.
const AGAIN: Duration = Duration::from_secs(5);
/// Its folder, below the data folder.
const FOLDER: &str = "labels";
const FILE: &str = "labels.json";
/// A line has some 600 bytes.
const FILE_MOST_BYTES: u64 = 4 << 20;
/// The format of `labels.json`.
const FORMAT: Format = Format { format: 1, oldest_reader: 1 };

/// Labels of a box.
#[derive(Debug)]
pub(crate) struct Labels {
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    dir: PathBuf,
    orders: Mailbox<ClipOrder>,
    shelf: Shelf,
    // Held for a look or a change, never across I/O.
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    rims: BTreeMap<CourtId, (Vec<RimBox>, Option<[u32; 2]>)>,
    /// Oldest first.
    lines: Vec<Line>,
    gone: VecDeque<FactId>,
    /// Of labels that are gone: pins that are to end.
    unpin: Vec<String>,
    /// The files are not what the lines say.
    changed: bool,
    /// Footage that no line names may lie there.
    untidy: bool,
    /// Not before this.
    rests: Monotonic,
    /// How long the ring's audit log was when it was looked at.
    audited: u64,
}

/// A shot, and what was said of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    id: String,
    fact: FactId,
    court: CourtId,
    session: SessionId,
    rim: RimId,
    /// The ring in pixels of a picture of this size; of the stream's where that is absent.
    #[serde(rename = "box")]
    place: [f32; 4],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<[u32; 2]>,
    reached_ns: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<VerdictWord>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    added: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    game: Option<GameId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    points: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    team: Option<TeamId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    player: Option<PlayerId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    who: Option<String>,
    /// Its footage, once it is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    footage: Option<Footage>,
}

/// Footage of a label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Footage {
    bytes: u64,
    /// Seconds of it.
    seconds: f64,
    /// When the ball reached the ring, s from its beginning.
    t_rim: f64,
    fps: f64,
    size: [u16; 2],
}

#[derive(Serialize, Deserialize)]
struct File {
    #[serde(flatten)]
    format: Format,
    labels: Vec<Line>,
    #[serde(default)]
    gone: VecDeque<FactId>,
}

impl Line {
    fn of(court: &CourtId, said: Said, place: &RimBox, of: Option<[u32; 2]>) -> Self {
        let Said { fact, session, rim, reached, outcome, added, in_game, who } = said;
        let (game, points, team, player) = match in_game {
            Some((game, points, team, player)) => (Some(game), Some(points), team, player),
            None => (None, None, None, None),
        };
        Self {
            id: format!("{court}-{fact}-{LABEL}"),
            fact,
            court: court.clone(),
            session,
            rim,
            place: [place.x, place.y, place.w, place.h],
            of,
            reached_ns: reached.as_nanos(),
            outcome: outcome.map(crate::game::calibrate::Verdict::told),
            added,
            game,
            points,
            team,
            player,
            who,
            footage: None,
        }
    }

    fn order(&self) -> ClipOrder {
        let reached = MediaTime::from_nanos(self.reached_ns);
        let request = ClipRequest {
            id: self.id.clone(),
            from_ns: reached.minus(BEFORE).as_nanos(),
            to_ns: reached.plus(AFTER).as_nanos(),
            reason: LABEL.to_owned(),
            about: ClipAbout { game: self.game.clone(), ..ClipAbout::default() },
        };
        ClipOrder { court: self.court.clone(), session: self.session, request }
    }

    /// The ring in pixels of the footage.
    fn ring(&self, size: [u16; 2]) -> [f32; 4] {
        let [width, height] = size.map(f32::from);
        #[expect(clippy::cast_precision_loss, reason = "no picture is 16 million pixels wide")]
        let [x, y] = self.of.map_or([1.0, 1.0], |[w, h]| [width / w as f32, height / h as f32]);
        let [left, top, w, h] = self.place;
        [left * x, top * y, w * x, h * y]
    }

    /// As `train.footage` reads it.
    fn clip(&self) -> Option<serde_json::Value> {
        let footage = self.footage.as_ref().filter(|_| !self.added)?;
        let outcome = self.outcome.filter(|outcome| *outcome != VerdictWord::None)?;
        Some(json!({
            "file": format!("clips/{}.mp4", self.id),
            "court": self.court,
            "view": format!("rim-{}", self.rim.0),
            "outcome": outcome,
            "rim": self.ring(footage.size),
            "t_rim": footage.t_rim,
            "t_truth": footage.t_rim + SURE_AFTER.as_secs_f64(),
            "t_by": "model",
            "fps": footage.fps,
            "notes": format!("shot {}, as a person said", self.fact),
        }))
    }

    /// The same of a clip in which there was no shot.
    fn quiet(&self) -> Option<serde_json::Value> {
        let footage = self.footage.as_ref().filter(|_| self.outcome == Some(VerdictWord::None))?;
        Some(json!({
            "file": format!("../clips/{}.mp4", self.id),
            "court": self.court,
            "rim": self.ring(footage.size),
            "fps": footage.fps,
            "duration": footage.seconds,
            "attempts": [],
            "quiet": [[0.0, footage.seconds]],
        }))
    }
}

impl Labels {
    /// With what the last run left.
    pub(crate) fn new(
        (disk, clock): (&Arc<dyn Disk>, &Arc<dyn Clock>),
        data_dir: &Path,
        orders: &Mailbox<ClipOrder>,
        shelf: Shelf,
    ) -> Self {
        let dir = data_dir.join(FOLDER);
        let read = |bytes: &[u8]| read_json::<File>(bytes, FORMAT);
        let kept = match take(&**disk, &dir.join(FILE), FILE_MOST_BYTES, read) {
            Taken::Is(File { labels: lines, gone, .. }) => {
                Kept { lines, gone, untidy: true, ..Kept::default() }
            }
            Taken::Nothing | Taken::Anew(_) => Kept { untidy: true, ..Kept::default() },
        };
        Self {
            disk: Arc::clone(disk),
            clock: Arc::clone(clock),
            dir,
            orders: orders.clone(),
            shelf,
            kept: Mutex::new(kept),
        }
    }

    /// Where a court's rings are from now on.
    pub(crate) fn rims(&self, parts: &CourtParts) {
        let rims = (parts.rims.clone(), parts.rims_of);
        self.kept.lock().rims.insert(parts.name.clone(), rims);
    }

    /// True if [`Self::tend`] may have something to do.
    pub(crate) fn is_due(&self) -> bool {
        let now = self.clock.monotonic();
        let kept = self.kept.lock();
        let waits = kept.lines.iter().any(|line| line.footage.is_none());
        now >= kept.rests
            && (waits
                || kept.changed
                || kept.untidy
                || !kept.unpin.is_empty()
                || !kept.lines.is_empty())
    }

    /// Does what became due. Reads and writes files on the caller's thread.
    pub(crate) fn tend(&self) {
        self.forget_deleted();
        let waiting: Vec<Line> = {
            let kept = self.kept.lock();
            kept.lines.iter().filter(|line| line.footage.is_none()).cloned().collect()
        };
        for line in waiting {
            match self.fetch(&line) {
                Ok(Fetched::Footage(footage)) => self.put(line.fact, footage),
                Ok(Fetched::Waits) => {}
                Ok(Fetched::Never(why)) => {
                    tracing::info!(
                        label = line.id,
                        why,
                        "no footage of what a person said: no label"
                    );
                    self.kept.lock().let_go(line.fact);
                }
                Err(error) => tracing::warn!(label = line.id, %error, "label not kept: again soon"),
            }
        }
        self.kept.lock().keep_bounds();
        if let Err(error) = self.write() {
            tracing::warn!(dir = %self.dir.display(), %error, "labels are not written: again soon");
        }
        let mut kept = self.kept.lock();
        // What is busy is asked again.
        kept.unpin.retain(|id| matches!(self.shelf.unpin(id), Err(ShelfError::Busy)));
        kept.rests = self.clock.monotonic().plus(AGAIN);
    }

    /// The footage of a label out of the ring.
    fn fetch(&self, line: &Line) -> Result<Fetched, ShelfError> {
        let clip = match self.shelf.read(&line.id) {
            Ok(clip) => clip,
            Err(ShelfError::StillRecorded) => return Ok(Fetched::Waits),
            Err(ShelfError::NoSuchClip) => {
                // Asked for again: the hop was full, or a crash came between. The same order twice is one clip.
                drop(self.orders.offer(line.order()));
                return Ok(Fetched::Waits);
            }
            Err(error) => return none_for_good(error),
        };
        let Some(media) = &clip.media else {
            return Ok(Fetched::Never(clip.note.unwrap_or_default()));
        };
        if media.bytes > ONE_MOST_BYTES {
            return Ok(Fetched::Never(format!("{} bytes are too many", media.bytes)));
        }
        let mut bytes = Vec::new();
        let opened = match self.shelf.open(&clip) {
            Ok(opened) => opened,
            Err(error) => return none_for_good(error),
        };
        let read = opened.read(0, media.bytes, |chunk| {
            bytes.extend_from_slice(&chunk);
            true
        });
        read.map_err(ShelfError::Disk)?;
        let footage = footage(&clip, line, self.shelf.pictures_a_second(&clip)?);
        let clips = self.dir.join("clips");
        self.disk.create_dir_all(&clips).map_err(ShelfError::Disk)?;
        let path = clips.join(format!("{}.mp4", line.id));
        write_durably(&*self.disk, &path, &bytes).map_err(ShelfError::Disk)?;
        Ok(footage.map_or_else(|| Fetched::Never("it has no time".to_owned()), Fetched::Footage))
    }

    fn put(&self, fact: FactId, footage: Footage) {
        let mut kept = self.kept.lock();
        let Kept { lines, unpin, changed, untidy, .. } = &mut *kept;
        match lines.iter_mut().find(|line| line.fact == fact) {
            Some(line) => {
                unpin.push(line.id.clone());
                line.footage = Some(footage);
                *changed = true;
            }
            // Taken back meanwhile.
            None => *untidy = true,
        }
    }

    /// What was deleted on demand is learnt from no more.
    fn forget_deleted(&self) {
        let long = self.shelf.audit_bytes();
        if std::mem::replace(&mut self.kept.lock().audited, long) == long {
            return;
        }
        let Ok((records, _)) = self.shelf.audit() else { return };
        let spans: Vec<_> = records
            .into_iter()
            .filter_map(|record| match record {
                AuditRecord::Asked(asked) => Some(asked.spans),
                _ => None,
            })
            .flatten()
            .collect();
        let mut kept = self.kept.lock();
        let deleted = |line: &&Line| {
            let order = line.order();
            let (session, request) = (order.session.to_string(), order.request);
            spans.iter().any(|span| {
                span.session == session
                    && span.from_ns <= request.to_ns
                    && span.to_ns >= request.from_ns
            })
        };
        let facts: Vec<FactId> = kept.lines.iter().filter(deleted).map(|line| line.fact).collect();
        for fact in facts {
            kept.let_go(fact);
        }
    }

    /// Brings the files to what the lines say.
    fn write(&self) -> io::Result<()> {
        let (lines, gone, changed, untidy) = {
            let kept = self.kept.lock();
            (kept.lines.clone(), kept.gone.clone(), kept.changed, kept.untidy)
        };
        if changed {
            let streams = self.dir.join("streams");
            self.disk.create_dir_all(&streams)?;
            let json = |value: &serde_json::Value| serde_json::to_vec_pretty(value);
            let file = File { format: FORMAT, labels: lines.clone(), gone };
            write_sealed(&*self.disk, &self.dir.join(FILE), serde_json::to_vec_pretty(&file)?)?;
            let clips: Vec<_> = lines.iter().filter_map(Line::clip).collect();
            write_durably(&*self.disk, &self.dir.join("rims.json"), &json(&clips.into())?)?;
            for line in &lines {
                if let Some(quiet) = line.quiet() {
                    let path = streams.join(format!("{}.json", line.id));
                    write_durably(&*self.disk, &path, &json(&quiet)?)?;
                }
            }
        }
        if (changed || untidy) && !self.is_aside()? {
            self.remove_all_but("clips", ".mp4", &named(&lines, |line| line.footage.is_some()))?;
            self.remove_all_but("streams", ".json", &named(&lines, |line| line.quiet().is_some()))?;
        }
        let mut kept = self.kept.lock();
        // Unless somebody said more meanwhile.
        if kept.lines == lines {
            (kept.changed, kept.untidy) = (false, false);
        }
        Ok(())
    }

    /// True while a file of labels lies aside: it names footage that no line here does.
    fn is_aside(&self) -> io::Result<bool> {
        let names = match self.disk.names(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            names => names?,
        };
        Ok(names.iter().any(|name| was_put_aside(name).is_some_and(|(of, _)| of == FILE)))
    }

    fn remove_all_but(
        &self,
        folder: &str,
        suffix: &str,
        stay: &BTreeSet<String>,
    ) -> io::Result<()> {
        let folder = self.dir.join(folder);
        let names = match self.disk.names(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            names => names?,
        };
        for name in names {
            // A file that was being written too.
            let id = name.strip_suffix(crate::disk::NEW_SUFFIX).unwrap_or(&name);
            let is_ours = id.strip_suffix(suffix).is_some_and(|id| id.ends_with(LABEL));
            let stays = id.len() == name.len()
                && id.strip_suffix(suffix).is_some_and(|id| stay.contains(id));
            if is_ours && !stays {
                self.disk.remove(&folder.join(&name))?;
            }
        }
        Ok(())
    }
}

fn named(lines: &[Line], of: impl Fn(&Line) -> bool) -> BTreeSet<String> {
    lines.iter().filter(|line| of(line)).map(|line| line.id.clone()).collect()
}

enum Fetched {
    Footage(Footage),
    /// It is being cut.
    Waits,
    /// There is none.
    Never(String),
}

/// There will be no footage, or it is asked for again.
fn none_for_good(error: ShelfError) -> Result<Fetched, ShelfError> {
    match error {
        ShelfError::NoBytes { .. }
        | ShelfError::Gone
        | ShelfError::Lost { .. }
        | ShelfError::Harmed { .. }
        | ShelfError::Damaged { .. } => Ok(Fetched::Never(error.to_string())),
        error => Err(error),
    }
}

/// What is to be known of a clip; `None` where it has no length.
fn footage(clip: &Clip, line: &Line, rate: Option<f64>) -> Option<Footage> {
    let media = clip.media.as_ref()?;
    // What players show: readers of the footage get these pictures and no others.
    let (start, end) = media.shown_ns();
    let (start, end) = (MediaTime::from_nanos(start), MediaTime::from_nanos(end));
    let seconds = end.as_secs_f64() - start.as_secs_f64();
    let rate = rate.filter(|_| seconds > 0.0)?;
    let millis = |of: f64| (of * 1e3).round() / 1e3;
    Some(Footage {
        bytes: media.bytes,
        seconds: millis(seconds),
        t_rim: millis(MediaTime::from_nanos(line.reached_ns).as_secs_f64() - start.as_secs_f64()),
        fps: millis(rate),
        size: [media.width, media.height],
    })
}

impl Kept {
    /// A label goes.
    fn let_go(&mut self, fact: FactId) {
        let Some(at) = self.lines.iter().position(|line| line.fact == fact) else { return };
        let line = self.lines.remove(at);
        self.unpin.push(line.id);
        self.gone.push_back(fact);
        if self.gone.len() > GONE_MOST {
            self.gone.pop_front();
        }
        self.changed = true;
    }

    fn keep_bounds(&mut self) {
        let bytes = |lines: &[Line]| -> u64 {
            lines.iter().filter_map(|line| line.footage.as_ref()).map(|footage| footage.bytes).sum()
        };
        while self.lines.len() > MOST || bytes(&self.lines) > MOST_BYTES {
            let Some(oldest) = self.lines.first().map(|line| line.fact) else { return };
            self.let_go(oldest);
        }
    }
}

impl HearsPeople for Labels {
    fn said(&self, court: &CourtId, said: Said, at_start: bool) {
        let fact = said.fact;
        let mut kept = self.kept.lock();
        if at_start && kept.gone.contains(&fact) {
            return;
        }
        let Some((place, of)) = kept
            .rims
            .get(court)
            .and_then(|(rims, of)| Some((*rims.get(usize::from(said.rim.0))?, *of)))
        else {
            return; // a rim that is configured no more
        };
        let line = Line::of(court, said, &place, of);
        let known = kept.lines.iter_mut().find(|known| known.fact == fact);
        if let Some(known) = known {
            // The ring is where it was when its footage was cut.
            let (footage, place, of) = (known.footage.clone(), known.place, known.of);
            let line = Line { footage, place, of, ..line };
            if *known != line {
                *known = line;
                kept.changed = true;
            }
            return;
        }
        let order = line.order();
        kept.gone.retain(|gone| *gone != fact);
        kept.lines.push(line);
        kept.changed = true;
        drop(kept);
        // What finds no room is asked for again.
        drop(self.orders.offer(order));
    }

    fn unsaid(&self, fact: FactId) {
        let mut kept = self.kept.lock();
        if kept.lines.iter().any(|line| line.fact == fact) {
            kept.let_go(fact);
        }
    }
}
