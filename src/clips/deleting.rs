//! Deletes on demand: a person asks to be forgotten.
//!
//! Order: what is asked stands in the audit log → open segments of it end → its clips' entries say that
//! they are deleted, and pin nothing → segments that have other moments too are written anew without it
//! (`erase`) → segments that have nothing else go as evicted ones do, with why (R4) → the audit log says
//! what went, and who asked is answered. A cut anywhere leaves an `asked` without an end: the next start
//! does all of it again, and finds less to do. Eviction touches none of it meanwhile.
//!
//! What is deleted is a fragment or none: up to half a second before and behind the interval goes too,
//! and two seconds where it was named in UTC, which is known no better.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::oneshot;
use tracing::{error, info, warn};

use crate::clips::audit::{self, Asked, AskedSpan, Audit, AuditRecord};
use crate::clips::clip::Clip;
use crate::clips::desk::{ChangeError, RingError};
use crate::clips::entries::Entries;
use crate::clips::erase::{Erased, Holes, look, write_holes};
use crate::clips::files::Places;
use crate::clips::index::{Hold, SegmentEntry, SegmentNumber};
use crate::clips::keeping::{Delete, DeleteWhat, Deleted, Interval, Span, of_wall};
use crate::clips::news::told;
use crate::clips::timeline::Ticks;
use crate::disk::Disk;
use crate::event::words::ClipWord;
use crate::media::{CourtId, Foreign, MediaTime};

/// What a time in UTC may be wrong by (`arrival` and the usual camera: DESIGN §5.2).
const UTC_SLACK_NS: i64 = 2_000_000_000;
/// As it stands with what went.
const DELETED: &str = "deleted on demand";

/// Deletions that are under way, one after the other.
#[derive(Debug)]
pub(crate) struct Deletions {
    audit: Audit,
    path: PathBuf,
    next: u64,
    open: Vec<Deletion>,
}

/// One of them.
#[derive(Debug)]
struct Deletion {
    asked: Asked,
    stage: Stage,
    went: Went,
    reply: Option<oneshot::Sender<Result<Deleted, ChangeError>>>,
}

/// How far it is. ```Closing → Dooming → (done)```
#[derive(Debug)]
enum Stage {
    /// Open segments of it are to end.
    Closing,
    /// Segments that have nothing else are to go.
    Dooming(BTreeSet<SegmentNumber>),
}

/// What went so far.
#[derive(Debug, Default)]
struct Went {
    clips: Vec<String>,
    segments: u64,
    holed: u64,
    bytes: u64,
}

impl Deletions {
    /// Reads what a start left undone.
    pub(crate) fn open(disk: &Arc<dyn Disk>, places: &Places) -> Result<Self, RingError> {
        let path = places.audit();
        let read = audit::read(&**disk, &path);
        let (records, damaged) =
            read.map_err(|source| RingError::Open { path: path.clone(), source })?;
        if damaged > 0 {
            warn!(path = %path.display(), damaged, "lines of the audit log cannot be read");
        }
        let open: Vec<_> = audit::open(&records).into_iter().map(Deletion::again).collect();
        if !open.is_empty() {
            warn!(deletions = open.len(), "deletions on demand were cut: done now");
        }
        let next = audit::greatest(&records) + 1;
        Ok(Self { audit: Audit::default(), path, next, open })
    }

    /// Takes one on, once it stands in the audit log.
    pub(crate) fn take(
        &mut self,
        entries: &mut Entries,
        delete: Delete,
        reply: oneshot::Sender<Result<Deleted, ChangeError>>,
    ) {
        match self.ask(entries, delete) {
            Ok(asked) => {
                let (stage, went) = (Stage::Closing, Went::default());
                self.open.push(Deletion { asked, stage, went, reply: Some(reply) });
            }
            // Whoever asked may be gone.
            Err(why) => drop(reply.send(Err(why))),
        }
    }

    fn ask(&mut self, entries: &mut Entries, delete: Delete) -> Result<Asked, ChangeError> {
        let Delete { what, reason, by } = delete;
        let desk = &entries.desk;
        let mut clip = None;
        let spans = match what {
            DeleteWhat::Clip(id) => {
                let entry = entries.read(&id)?;
                clip = Some(id);
                spans_of(&entry)?
            }
            DeleteWhat::Session(session) => {
                let (from, to) = (MediaTime::from_nanos(0), MediaTime::from_nanos(0));
                let span = desk.find(&Interval::Stream { court: None, session, from, to })?;
                let (from, to) = (i64::MIN, i64::MAX);
                let (from, to) = (MediaTime::from_nanos(from), MediaTime::from_nanos(to));
                vec![Span { from, to, ..span }]
            }
            DeleteWhat::Interval(Interval::Wall { court, from, to }) => {
                let timed = desk.timed(&desk.court(court.as_ref())?);
                let (from, to) = (from.plus_nanos(-UTC_SLACK_NS), to.plus_nanos(UTC_SLACK_NS));
                of_wall(&timed, from, to).into_iter().map(|(span, _)| span).collect()
            }
            DeleteWhat::Interval(interval) => vec![desk.find(&interval)?],
        };
        if spans.is_empty() {
            let why = Foreign::told("nothing of it is in the ring");
            return Err(ChangeError::NotRecorded { why });
        }
        let asked = Asked {
            number: self.next,
            time: desk.clock.utc().to_rfc3339(),
            who: by,
            reason,
            clip,
            spans: spans.iter().map(asked_span).collect(),
            upto: desk.state.lock().index.given_segment(),
        };
        self.next += 1;
        let record = AuditRecord::Asked(asked.clone());
        self.audit.append(&*desk.disk, &self.path, &record).map_err(ChangeError::Disk)?;
        info!(deletion = asked.number, who = %asked.who, "deletion on demand begun");
        Ok(asked)
    }

    /// Goes on with the first of them.
    pub(crate) fn pump(&mut self, entries: &mut Entries) {
        while let Some(mut deletion) = (!self.open.is_empty()).then(|| self.open.remove(0)) {
            match deletion.go_on(entries) {
                Ok(true) => self.end(entries, deletion),
                Ok(false) => {
                    self.open.insert(0, deletion);
                    return;
                }
                Err(why) => self.give_up(entries, deletion, why),
            }
        }
    }

    fn end(&mut self, entries: &Entries, deletion: Deletion) {
        deletion.release(entries);
        let Deletion { asked, went, reply, .. } = deletion;
        let number = asked.number;
        let time = entries.desk.clock.utc().to_rfc3339();
        let Went { clips, segments, holed, bytes } = went;
        let done = AuditRecord::Done { number, time, clips: clips.clone(), segments, holed, bytes };
        let written = self.audit.append(&*entries.desk.disk, &self.path, &done);
        info!(deletion = number, clips = clips.len(), segments, holed, bytes, "deleted on demand");
        if let Err(error) = &written {
            // Done again at the next start, which then says so.
            error!(%error, deletion = number, "the audit log does not say that it is done");
        }
        let told = written.map(|()| Deleted { number, clips, segments, holed, bytes });
        if let Some(reply) = reply {
            // Whoever asked may be gone.
            drop(reply.send(told.map_err(ChangeError::Disk)));
        }
    }

    fn give_up(&mut self, entries: &Entries, deletion: Deletion, why: ChangeError) {
        deletion.release(entries);
        let Deletion { asked, reply, .. } = deletion;
        error!(deletion = asked.number, error = %why, "deletion on demand failed: ask again");
        let time = entries.desk.clock.utc().to_rfc3339();
        let failed = AuditRecord::Failed { number: asked.number, time, why: Foreign::told(&why) };
        if let Err(error) = self.audit.append(&*entries.desk.disk, &self.path, &failed) {
            warn!(%error, "the audit log does not say so: the next start tries again");
        }
        if let Some(reply) = reply {
            drop(reply.send(Err(why)));
        }
    }
}

impl Deletion {
    /// One that a start found undone.
    fn again(asked: Asked) -> Self {
        Self { asked, stage: Stage::Closing, went: Went::default(), reply: None }
    }

    /// Does what can be done now. Returns true once nothing is left to do.
    fn go_on(&mut self, entries: &mut Entries) -> Result<bool, ChangeError> {
        if let Stage::Closing = self.stage {
            if self.waits_for_open(entries) {
                return Ok(false);
            }
            let doomed = self.erase(entries)?;
            let mut state = entries.desk.state.lock();
            state.doomed.extend(doomed.iter().map(|id| (*id, DELETED.to_owned())));
            drop(state);
            entries.desk.writer_bell.ring();
            self.stage = Stage::Dooming(doomed);
        }
        let Stage::Dooming(doomed) = &self.stage else { return Ok(false) };
        let state = entries.desk.state.lock();
        Ok(!doomed.iter().any(|id| state.index.segment(*id).is_some()))
    }

    /// Holds all of it, and has open segments of it end.
    fn waits_for_open(&self, entries: &Entries) -> bool {
        let mut state = entries.desk.state.lock();
        for (n, span) in self.asked.spans.iter().enumerate() {
            if let Some(hold) = hold_of(span) {
                state.index.hold(&self.hold_name(n), hold);
            }
        }
        let open: BTreeSet<_> = self
            .entries_of(&state.index)
            .filter(|(entry, _)| entry.open)
            .map(|(entry, _)| entry.court.clone())
            .collect();
        let waits = !open.is_empty();
        state.splits.extend(open);
        drop(state);
        if waits {
            entries.desk.writer_bell.ring();
        }
        waits
    }

    /// No clip's name: it cannot begin so.
    fn hold_name(&self, n: usize) -> String {
        format!(".deletion-{}-{n}", self.asked.number)
    }

    fn release(&self, entries: &Entries) {
        let mut state = entries.desk.state.lock();
        for n in 0..self.asked.spans.len() {
            state.index.release(&self.hold_name(n));
        }
    }

    /// The segments that have moments of it, with those moments.
    fn entries_of<'a>(
        &'a self,
        index: &'a crate::clips::index::Index,
    ) -> impl Iterator<Item = (&'a SegmentEntry, (Ticks, Ticks))> {
        self.asked.spans.iter().filter_map(hold_of).flat_map(move |hold| {
            let (from, to) = (hold.from, hold.to);
            let of_session: Vec<_> = index.session(&hold.court, &hold.session).collect();
            let known = of_session
                .into_iter()
                .filter(move |entry| entry.id <= self.asked.upto && entry.overlaps(from, to));
            known.map(move |entry| (entry, (from, to)))
        })
    }

    /// Takes it out of clips and of segments that stay. Returns the segments that are to go whole.
    fn erase(&mut self, entries: &mut Entries) -> Result<BTreeSet<SegmentNumber>, ChangeError> {
        let desk = Arc::clone(&entries.desk);
        let chosen: Vec<_> = {
            let state = desk.state.lock();
            self.entries_of(&state.index).map(|(entry, times)| (entry.clone(), times)).collect()
        };
        let mut doomed = BTreeSet::new();
        let mut parts: Vec<(SegmentEntry, Holes)> = Vec::new();
        for (entry, times) in chosen {
            match look(&*desk.disk, &desk.places, &entry, times) {
                Ok(Erased::Nothing) => {}
                Ok(Erased::Part(holes)) => parts.push((entry, holes)),
                Ok(Erased::All) => {
                    self.went.segments += 1;
                    self.went.bytes += entry.bytes;
                    doomed.insert(entry.id);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // What cannot be read cannot be kept in part either.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    doomed.insert(entry.id);
                }
                Err(error) => return Err(ChangeError::Disk(error)),
            }
        }
        self.take_from_clips(entries, &doomed, &parts)?;
        for (entry, holes) in &parts {
            let written = write_holes(&*desk.disk, &desk.places, entry, holes);
            let written = written.map_err(ChangeError::Disk)?;
            let mut state = desk.state.lock();
            state.bytes_written += written;
            state.index.written_anew(entry.id);
            drop(state);
            self.went.holed += 1;
            self.went.bytes += holes.iter().map(|(from, to)| to - from).sum::<u64>();
        }
        Ok(doomed)
    }

    /// Clips that have some of it have no bytes any more.
    fn take_from_clips(
        &mut self,
        entries: &mut Entries,
        doomed: &BTreeSet<SegmentNumber>,
        parts: &[(SegmentEntry, Holes)],
    ) -> Result<(), ChangeError> {
        let touched = doomed.iter().copied().chain(parts.iter().map(|(entry, _)| entry.id));
        let mut ids: BTreeSet<String> = {
            let state = entries.desk.state.lock();
            touched.flat_map(|segment| state.index.clips_of(segment)).collect()
        };
        ids.extend(self.asked.clip.clone());
        for id in ids {
            let clip = match entries.read(&id) {
                Ok(clip) => clip,
                Err(ChangeError::Newer { .. } | ChangeError::Unknown) => continue,
                Err(why) => return Err(why),
            };
            let named = self.asked.clip.as_deref() == Some(&id[..]);
            if (named && clip.deleted_ns.is_none()) || has_some(&clip, doomed, parts) {
                self.went.clips.push(id);
                delete_entry(entries, clip)?;
            }
        }
        Ok(())
    }
}

/// The entry of a clip whose bytes are deleted: it pins nothing, and says so.
fn delete_entry(entries: &mut Entries, mut clip: Clip) -> Result<(), ChangeError> {
    let had = clip.pinned;
    clip.pinned = false;
    clip.deleted_ns = Some(entries.desk.clock.utc().as_nanos());
    clip.note = Some(DELETED.to_owned());
    clip.revision = clip.revision.saturating_add(2); // behind `gone`, which has no write of its own
    let event = told(&clip, ClipWord::Deleted, clip.revision);
    let bytes = clip.media.take().map(|media| media.bytes);
    clip.kept = None; // what somebody noted may name a person
    entries.write(&clip).map_err(ChangeError::Disk)?;
    if had {
        entries.count_end("deleted");
    }
    info!(clip = clip.id, bytes, "clip deleted on demand");
    entries.news.tell(event.map(without_bytes));
    Ok(())
}

/// What is told of a deleted clip says nothing of its bytes, nor what was noted.
fn without_bytes(mut event: crate::event::Event) -> crate::event::Event {
    if let crate::event::Saying::Clip(told) = &mut event.saying {
        (told.bytes, told.sha256, told.until) = (None, None, None);
        told.reason = Foreign::told(DELETED);
        told.note = None;
    }
    event
}

fn has_some(
    clip: &Clip,
    doomed: &BTreeSet<SegmentNumber>,
    parts: &[(SegmentEntry, Holes)],
) -> bool {
    let media = clip.media.iter().flat_map(|media| &media.parts);
    let mut media = media.filter(|part| {
        let holes = parts.iter().filter(|(entry, _)| entry.id == part.segment);
        let mut holes = holes.flat_map(|(_, holes)| holes);
        doomed.contains(&part.segment) || holes.any(|(from, to)| *from < part.to && *to > part.from)
    });
    media.next().is_some()
}

/// The moments that a clip has.
fn spans_of(clip: &Clip) -> Result<Vec<Span>, ChangeError> {
    let court = CourtId::new(&clip.court).map_err(|_| ChangeError::Unknown)?;
    let (from, to) = match &clip.media {
        Some(media) => (media.start_ns, media.end_ns),
        None => (clip.from_ns, clip.to_ns),
    };
    let (from, mut to) = (MediaTime::from_nanos(from), MediaTime::from_nanos(to));
    if clip.media.is_some() {
        to = Ticks(Ticks::of(to).0 - 1).media(); // its last moment: what follows is not its own
    }
    Ok(vec![Span { court, session: clip.session.clone(), from, to }])
}

fn asked_span(span: &Span) -> AskedSpan {
    AskedSpan {
        court: span.court.to_string(),
        session: span.session.clone(),
        from_ns: span.from.as_nanos(),
        to_ns: span.to.as_nanos(),
    }
}

fn hold_of(span: &AskedSpan) -> Option<Hold> {
    let time = |ns| Ticks::of(MediaTime::from_nanos(ns));
    Some(Hold {
        court: CourtId::new(&span.court).ok()?,
        session: span.session.clone(),
        from: time(span.from_ns),
        to: time(span.to_ns),
    })
}
