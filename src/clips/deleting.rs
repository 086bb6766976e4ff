//! Deletes on demand: a person asks to be forgotten.
//!
//! Order: what is asked stands in the audit log → open segments of it end → its clips' entries say that
//! they are deleted, and pin nothing → segments that have other moments too are written anew without it
//! (`erase`) → segments that have nothing else go as evicted ones do, with why (R4) → the audit log says
//! what went, and who asked is answered. A cut anywhere leaves an `asked` without an end: the next start
//! does all of it again, and finds less to do. Eviction touches none of it meanwhile. What the disk refuses
//! (an I/O error, a file system that turned read-only) is tried again every [`AGAIN`], and stands in
//! `state/storage` until it is done; who asked is told that much at once, and the audit log has it as asked.
//!
//! What is deleted is a fragment or none: up to half a second before and behind the interval goes too,
//! and two seconds where it was named in UTC, which is known no better.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::{error, info, warn};

use crate::clips::audit::{self, Asked, AskedSpan, Audit, AuditRecord};
use crate::clips::clip::Clip;
use crate::clips::desk::{ChangeError, Desk, RingError};
use crate::clips::entries::Entries;
use crate::clips::erase::{Erased, Holes, look, write_holes};
use crate::clips::files::Places;
use crate::clips::index::{Hold, SegmentEntry, SegmentNumber};
use crate::clips::keeping::{Delete, DeleteWhat, Deleted, Interval, Span, of_wall};
use crate::clips::news::told;
use crate::clips::timeline::Ticks;
use crate::disk::{Disk, Wrong, found_harmed, is_harm, put_by};
use crate::event::words::ClipWord;
use crate::media::{CourtId, Foreign, GameId, MediaTime, Monotonic, SessionId, UtcTime};

/// What a time in UTC may be wrong by (`arrival` and the usual camera: DESIGN §5.2).
pub(crate) const UTC_SLACK_NS: i64 = 2_000_000_000;
/// What the disk refused is tried again after this long.
const AGAIN: Duration = Duration::from_secs(10);
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
    /// The disk refused: not before this.
    rests: Option<Monotonic>,
    reply: Option<oneshot::Sender<Result<Deleted, ChangeError>>>,
}

/// How far it is. ```Closing → Dooming → (done)```; a disk that refuses leaves it where it is.
#[derive(Debug)]
enum Stage {
    /// Open segments of it are to end.
    Closing,
    /// Segments that have nothing else are to go.
    Dooming(BTreeSet<SegmentNumber>),
}

/// What one turn came to.
enum Turn {
    /// Nothing is left to do.
    Done,
    /// The writer has something to do first.
    Waits,
    /// The disk refused to remove what went.
    Refused(String),
}

/// What went so far, each once however often it is tried.
#[derive(Debug, Default)]
struct Went {
    clips: Vec<String>,
    /// Segments that go whole, and their bytes.
    whole: BTreeMap<SegmentNumber, u64>,
    /// Holes in others: segment, first byte, and how many.
    holes: BTreeMap<(SegmentNumber, u64), u64>,
}

impl Went {
    fn told(&self, number: u64) -> Deleted {
        let holed: BTreeSet<_> = self.holes.keys().map(|(segment, _)| segment).collect();
        Deleted {
            number,
            clips: self.clips.clone(),
            segments: self.whole.len() as u64,
            holed: holed.len() as u64,
            bytes: self.whole.values().chain(self.holes.values()).sum(),
            imports: Vec::new(),
        }
    }
}

impl Deletions {
    /// Reads what a start left undone.
    pub(crate) fn open(disk: &Arc<dyn Disk>, places: &Places) -> Result<Self, RingError> {
        let path = places.audit();
        let (records, damaged) = match audit::read(&**disk, &path) {
            Err(error) if is_harm(&error) => {
                put_by(&**disk, &path, Wrong::Damaged(error.to_string()));
                (Vec::new(), 0)
            }
            read => read.map_err(|source| RingError::Open { path: path.clone(), source })?,
        };
        if damaged > 0 {
            // Those that can be read are read where they stand: nothing is ever cut from it.
            found_harmed(&**disk, &path, format!("{damaged} of its lines cannot be read"));
        }
        let open: Vec<_> = audit::open(&records).into_iter().map(Deletion::of).collect();
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
                self.open.push(Deletion { reply: Some(reply), ..Deletion::of(asked) });
            }
            // Whoever asked may be gone.
            Err(why) => drop(reply.send(Err(why))),
        }
    }

    fn ask(&mut self, entries: &mut Entries, delete: Delete) -> Result<Asked, ChangeError> {
        let Delete { what, reason, by } = delete;
        let desk = &entries.desk;
        let (mut clip, mut game) = (None, None);
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
            DeleteWhat::Game(id) => {
                let spans = spans_of_game(entries, &id)?;
                game = Some(id);
                spans
            }
            DeleteWhat::Interval(Interval::Wall { court, from, to }) => {
                spans_of_wall(desk, &desk.court(court.as_ref())?, (from, to))
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
            game,
            spans: spans.iter().map(asked_span).collect(),
            upto: desk.state.lock().index.given_segment(),
        };
        self.next += 1;
        let record = AuditRecord::Asked(asked.clone());
        self.audit.append(&*desk.disk, &self.path, &record).map_err(ChangeError::Disk)?;
        info!(deletion = asked.number, who = %asked.who, "deletion on demand begun");
        Ok(asked)
    }

    /// Goes on with the first of them that does not rest: two at once would write one segment anew.
    pub(crate) fn pump(&mut self, entries: &mut Entries, now: Monotonic) {
        let mut resting = Vec::new();
        while let Some(mut deletion) = (!self.open.is_empty()).then(|| self.open.remove(0)) {
            if deletion.rests.is_some_and(|until| now < until) {
                resting.push(deletion);
                continue;
            }
            match deletion.go_on(entries) {
                Ok(Turn::Done) => match self.note_done(entries, &deletion) {
                    Ok(()) => deletion.end(entries),
                    Err(error) => {
                        deletion.put_off(entries, now, &error.to_string());
                        resting.push(deletion);
                    }
                },
                Ok(Turn::Waits) => {
                    self.open.insert(0, deletion);
                    break;
                }
                Ok(Turn::Refused(why)) => {
                    deletion.put_off(entries, now, &why);
                    resting.push(deletion);
                }
                Err(ChangeError::Disk(error)) => {
                    deletion.put_off(entries, now, &error.to_string());
                    resting.push(deletion);
                }
                Err(why) => self.give_up(entries, deletion, why),
            }
        }
        self.open.splice(0..0, resting);
    }

    /// Writes into the audit log that it is done.
    fn note_done(&mut self, entries: &Entries, deletion: &Deletion) -> io::Result<()> {
        let told = deletion.went.told(deletion.asked.number);
        let Deleted { number, clips, segments, holed, bytes, .. } = told;
        let time = entries.desk.clock.utc().to_rfc3339();
        let done = AuditRecord::Done { number, time, clips, segments, holed, bytes };
        self.audit.append(&*entries.desk.disk, &self.path, &done)
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
    /// One that nobody waits for: a start found it undone.
    fn of(asked: Asked) -> Self {
        Self { asked, stage: Stage::Closing, went: Went::default(), rests: None, reply: None }
    }

    /// Does what can be done now.
    fn go_on(&mut self, entries: &mut Entries) -> Result<Turn, ChangeError> {
        if let Stage::Closing = self.stage {
            if self.waits_for_open(entries) {
                return Ok(Turn::Waits);
            }
            let doomed = self.erase(entries)?;
            let mut state = entries.desk.state.lock();
            state.doomed.extend(doomed.iter().map(|id| (*id, DELETED.to_owned())));
            drop(state);
            entries.desk.writer_bell.ring();
            self.stage = Stage::Dooming(doomed);
        }
        let Stage::Dooming(doomed) = &self.stage else { return Ok(Turn::Waits) };
        let state = entries.desk.state.lock();
        if doomed.iter().any(|id| state.index.segment(*id).is_some()) {
            return Ok(Turn::Waits);
        }
        // Of these sessions, whatever it went for, and before the last start too.
        let sessions: BTreeSet<_> =
            self.asked.spans.iter().filter_map(|span| SessionId::parse(&span.session)).collect();
        let mut files = state.unremoved.values();
        let refused = files.find(|file| sessions.contains(&file.session));
        Ok(refused.map_or(Turn::Done, |file| Turn::Refused(file.why.clone())))
    }

    /// It is gone, and the audit log says so.
    fn end(self, entries: &Entries) {
        self.release(entries);
        let told = self.went.told(self.asked.number);
        let Deleted { number, clips, segments, holed, bytes, .. } = &told;
        info!(deletion = number, clips = clips.len(), segments, holed, bytes, "deleted on demand");
        if let Some(reply) = self.reply {
            // Whoever asked may be gone.
            drop(reply.send(Ok(told)));
        }
    }

    /// The disk refused: says so to who waits, and in the state, and lets it rest.
    fn put_off(&mut self, entries: &Entries, now: Monotonic, why: &str) {
        let number = self.asked.number;
        let known = entries.desk.state.lock().refused.contains_key(&number);
        self.release(entries);
        self.rests = Some(now.plus(AGAIN));
        entries.desk.state.lock().refused.insert(number, why.to_owned());
        if !known {
            error!(deletion = number, why, "deletion on demand refused by the disk: again soon");
        }
        if let Some(reply) = self.reply.take() {
            let why = format!("{why}; it stands in the audit log, and is tried until it is done");
            // Whoever asked may be gone.
            drop(reply.send(Err(ChangeError::Disk(io::Error::other(why)))));
        }
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
        state.refused.remove(&self.asked.number);
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
        let is_gone = |entry: &SegmentEntry| desk.state.lock().index.segment(entry.id).is_none();
        let mut doomed = BTreeSet::new();
        let mut parts: Vec<(SegmentEntry, Holes)> = Vec::new();
        for (entry, times) in chosen {
            match look(&*desk.disk, &desk.places, &entry, times) {
                Ok(Erased::Nothing) => {}
                Ok(Erased::Part(holes)) => parts.push((entry, holes)),
                // One that is missing, and may come back, is to go when it does.
                Err(error) if error.kind() == io::ErrorKind::NotFound && is_gone(&entry) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.went.whole.insert(entry.id, entry.bytes);
                    doomed.insert(entry.id);
                }
                // What cannot be read cannot be kept in part either.
                Err(error) if error.kind() != io::ErrorKind::InvalidData => {
                    return Err(ChangeError::Disk(error));
                }
                Ok(Erased::All) | Err(_) => {
                    self.went.whole.insert(entry.id, entry.bytes);
                    doomed.insert(entry.id);
                }
            }
        }
        self.take_from_clips(entries, &doomed, &parts)?;
        for (entry, holes) in &parts {
            let bytes = holes.iter().map(|(from, to)| ((entry.id, *from), to - from));
            self.went.holes.extend(bytes);
            let written = write_holes(&*desk.disk, &desk.places, entry, holes);
            let mut state = desk.state.lock();
            state.index.written_anew(entry.id); // perhaps, where the disk refused
            state.bytes_written += written.map_err(ChangeError::Disk)?;
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
                Err(
                    ChangeError::Newer { .. } | ChangeError::Unknown | ChangeError::Damaged { .. },
                ) => {
                    continue;
                }
                Err(why) => return Err(why),
            };
            let named = self.asked.clip.as_deref() == Some(&id[..]);
            // Again, where the disk refused: its file may say so already, and nobody was told.
            let again = self.went.clips.contains(&id);
            if again || (named && clip.deleted_ns.is_none()) || has_some(&clip, doomed, parts) {
                if !again {
                    self.went.clips.push(id);
                }
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
    let event = told(&clip, ClipWord::Deleted, clip.revision).map(without_bytes);
    let due = entries.due(event).map_err(ChangeError::Disk)?;
    let bytes = clip.media.take().map(|media| media.bytes);
    clip.kept = None; // what somebody noted may name a person
    entries.write(&clip).map_err(ChangeError::Disk)?;
    if had {
        entries.count_end("deleted");
    }
    info!(clip = clip.id, bytes, "clip deleted on demand");
    entries.news.tell(due);
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

/// All that a court recorded between two times, and a little more: UTC is known no better.
fn spans_of_wall(desk: &Desk, court: &CourtId, (from, to): (UtcTime, UtcTime)) -> Vec<Span> {
    let (from, to) = (from.plus_nanos(-UTC_SLACK_NS), to.plus_nanos(UTC_SLACK_NS));
    of_wall(&desk.timed(court), None, (from, to)).into_iter().map(|(span, _)| span).collect()
}

/// What the courts of a game recorded while it was played; and its clips, which say so themselves where
/// nobody knows any more when that was. Reads the entry of every clip.
fn spans_of_game(entries: &Entries, id: &GameId) -> Result<Vec<Span>, ChangeError> {
    let desk = &entries.desk;
    let mut spans = Vec::new();
    if let Some(played) = desk.games.as_ref().and_then(|games| games.game(id.as_str())) {
        let to = played.to.unwrap_or_else(|| desk.clock.utc());
        for court in &played.courts {
            spans.extend(spans_of_wall(desk, court, (played.from, to)));
        }
    }
    let all: Vec<String> = {
        let state = desk.state.lock();
        state.index.clips_after(0).map(|brief| brief.id.clone()).collect()
    };
    for clip in all {
        // One that goes meanwhile, or that this version cannot read, is passed over.
        let Ok(clip) = entries.read(&clip) else { continue };
        if clip.media.is_some() && clip.game() == id.as_str() {
            let own = spans_of(&clip)?;
            let is_in = |own: &Span, span: &Span| {
                own.session == span.session && span.from <= own.from && own.to <= span.to
            };
            let more = own.into_iter().filter(|own| !spans.iter().any(|span| is_in(own, span)));
            spans.extend(more.collect::<Vec<_>>());
        }
    }
    Ok(spans)
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
        game: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clips::desk::CutterCommand;
    use crate::clips::fragment::{SEAL, Verify, scan_bytes};
    use crate::clips::shelf::ShelfError;
    use crate::clips::synthetic::tenths;
    use crate::clips::test_ring::{TestRing, settings};
    use crate::disk::{ForgetfulDisk, read_whole};
    use crate::event::words::StorageCondition;

    const SESSION: SessionId = SessionId::from_bits(0xde1);

    fn open(disk: &ForgetfulDisk) -> TestRing {
        TestRing::open(settings("/ring".into()), Arc::new(disk.clone())).expect("a ring")
    }

    /// Two sessions of four seconds, a segment each, and a clip of the first.
    fn recorded(disk: &ForgetfulDisk) -> TestRing {
        let mut ring = open(disk);
        for k in 0..2 {
            let session = SessionId::from_bits(SESSION.bits() + k);
            ring.opened(session);
            tenths(session, 0..40, 20).for_each(|item| ring.feed(item));
            ring.closed(session);
        }
        ring.request("c", SESSION, (1200, 1900));
        assert_eq!(ring.told(), ["c"]);
        ring
    }

    fn wish(what: DeleteWhat) -> Delete {
        Delete { what, reason: None, by: Foreign::told("a test") }
    }

    fn interval(from: i64, to: i64) -> Delete {
        let (from, to) = (MediaTime::from_millis(from), MediaTime::from_millis(to));
        let session = SESSION;
        wish(DeleteWhat::Interval(Interval::Stream { court: None, session, from, to }))
    }

    /// Asks without letting the ring work.
    fn asked(
        ring: &mut TestRing,
        delete: Delete,
    ) -> oneshot::Receiver<Result<Deleted, ChangeError>> {
        let (reply, answer) = oneshot::channel();
        let command = CutterCommand::Delete { delete, reply };
        assert!(ring.ring.desk().commands.try_offer(command).is_ok(), "there is room");
        answer
    }

    /// The audit log in words.
    fn audited(ring: &TestRing) -> Vec<&'static str> {
        let (records, damaged) = ring.ring.shelf().audit().expect("read");
        assert_eq!(damaged, 0);
        let word = |record: &AuditRecord| match record {
            AuditRecord::Format(_) => None,
            AuditRecord::Asked(_) => Some("asked"),
            AuditRecord::Done { .. } => Some("done"),
            AuditRecord::Failed { .. } => Some("failed"),
        };
        records.iter().filter_map(word).collect()
    }

    fn segments(disk: &ForgetfulDisk) -> usize {
        disk.names(std::path::Path::new("/ring/segments")).expect("a folder").len()
    }

    fn of_the_first(disk: &ForgetfulDisk) -> PathBuf {
        let folder = std::path::Path::new("/ring/segments");
        let names = disk.names(folder).expect("a folder");
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort();
        folder.join(&names[0])
    }

    #[test]
    fn a_segment_that_is_missing_while_it_is_deleted_goes_when_it_comes_back() {
        let disk = ForgetfulDisk::new();
        let mut ring = recorded(&disk);
        let path = of_the_first(&disk);
        let bytes = read_whole(&disk, &path, 1 << 20).expect("there");
        disk.lose(&path);
        let shelf = ring.ring.shelf();
        let deleted = ring.asks(shelf.delete(interval(0, 1500))).expect("answered");
        assert_eq!(deleted.expect("deleted").segments, 1);
        ring.join();
        disk.replace(&path, &bytes);
        open(&disk).join();
        assert!(read_whole(&disk, &path, 1 << 20).is_err(), "gone");
    }

    #[test]
    fn what_is_damaged_in_the_interval_goes_too() {
        let disk = ForgetfulDisk::new();
        let mut ring = recorded(&disk);
        let path = of_the_first(&disk);
        let bytes = read_whole(&disk, &path, 1 << 20).expect("there");
        let hit = scan_bytes(&bytes, Verify::All).expect("a segment").fragments[5];
        let place = |at: u64| usize::try_from(at).expect("small");
        // Its first box is none any more.
        assert!(disk.rot(&path, place(hit.offset) + 5));
        let shelf = ring.ring.shelf();
        let deleted = ring.asks(shelf.delete(interval(2600, 2900))).expect("answered");
        assert_eq!(deleted.expect("deleted").holed, 1);
        let after = read_whole(&disk, &path, 1 << 20).expect("there");
        assert_eq!(after.len(), bytes.len());
        assert!(after[place(hit.offset) + SEAL..place(hit.end())].iter().all(|byte| *byte == 0));
        let scanned = scan_bytes(&after, Verify::All).expect("a segment");
        assert!(scanned.damaged.is_empty() && scanned.fragments.len() < 8, "{scanned:?}");
    }

    #[test]
    fn what_is_deleted_is_in_no_file_any_more_and_the_audit_log_says_so() {
        let disk = ForgetfulDisk::new();
        let mut ring = recorded(&disk);
        let shelf = ring.ring.shelf();
        let gone = ring.asks(shelf.delete(interval(1000, 1400))).expect("answered").expect("done");
        assert_eq!((gone.clips, gone.segments, gone.holed), (vec!["c".to_owned()], 0, 1));
        let clip = shelf.read("c").expect("its entry");
        assert!(clip.media.is_none() && clip.deleted_ns.is_some() && !clip.pinned, "{clip:?}");
        assert_eq!(audited(&ring), ["asked", "done"]);
        let gone = ring.asks(shelf.delete(wish(DeleteWhat::Session(SESSION))));
        let gone = gone.expect("answered").expect("done");
        assert_eq!((gone.segments, gone.holed, segments(&disk)), (1, 0, 1));
        assert_eq!(audited(&ring), ["asked", "done", "asked", "done"]);
        let nothing =
            ring.asks(shelf.delete(wish(DeleteWhat::Session(SESSION)))).expect("answered");
        assert!(matches!(nothing, Err(ShelfError::NotRecorded { .. })), "{nothing:?}");
        assert_eq!(audited(&ring).len(), 4, "what is refused is not asked");
    }

    #[test]
    fn a_removal_that_the_disk_refuses_is_told_and_tried_until_it_is_done() {
        let disk = ForgetfulDisk::new();
        let mut ring = recorded(&disk);
        let shelf = ring.ring.shelf();
        assert_eq!(ring.ring.status().storage.reason, None);
        disk.fail_removals(true);
        let refused =
            ring.asks(shelf.delete(wish(DeleteWhat::Session(SESSION)))).expect("answered");
        let Err(ShelfError::Disk(error)) = refused else { panic!("{refused:?}") };
        assert!(error.to_string().contains("tried until it is done"), "{error}");
        assert_eq!((audited(&ring), segments(&disk)), (vec!["asked"], 2));
        let storage = ring.ring.status().storage;
        assert_eq!(storage.condition, StorageCondition::Recording);
        let reason = storage.reason.expect("told").to_string();
        assert!(reason.contains("the disk refuses (the removal failed)"), "{reason}");
        // Others are done meanwhile.
        for _ in 0..3 {
            ring.wait(Duration::from_secs(20));
        }
        assert_eq!(audited(&ring), ["asked"]);
        disk.fail_removals(false);
        for _ in 0..2 {
            ring.wait(Duration::from_secs(20));
        }
        assert_eq!((audited(&ring), segments(&disk)), (vec!["asked", "done"], 1));
        assert_eq!(ring.ring.status().storage.reason, None);
    }

    #[test]
    fn a_start_goes_on_with_a_removal_that_was_refused() {
        let disk = ForgetfulDisk::new();
        let mut ring = recorded(&disk);
        let shelf = ring.ring.shelf();
        disk.fail_removals(true);
        let refused =
            ring.asks(shelf.delete(wish(DeleteWhat::Session(SESSION)))).expect("answered");
        assert!(refused.is_err());
        ring.join();
        // Twice: what a start could not remove the next one knows too.
        for _ in 0..2 {
            let mut ring = open(&disk);
            ring.wait(Duration::from_secs(20));
            assert_eq!((audited(&ring), segments(&disk)), (vec!["asked"], 2));
            assert!(ring.ring.status().storage.reason.is_some());
            ring.join();
        }
        disk.fail_removals(false);
        let mut ring = open(&disk);
        for _ in 0..2 {
            ring.wait(Duration::from_secs(20));
        }
        assert_eq!((audited(&ring), segments(&disk)), (vec!["asked", "done"], 1));
    }

    #[test]
    fn a_hole_that_the_disk_refuses_is_tried_again_and_counted_once() {
        let disk = ForgetfulDisk::new();
        let mut ring = recorded(&disk);
        // The audit log has it, and what comes behind is refused.
        let before = disk.operations();
        let _answer = asked(&mut ring, interval(1000, 1400));
        ring.ring.pump();
        let whole = disk.operations() - before;
        assert_eq!(audited(&ring), ["asked", "done"]);

        // The same at every place where the disk may begin to refuse: never done before it is.
        let mut refused = 0;
        for n in 0..whole {
            let disk = ForgetfulDisk::new();
            let mut ring = recorded(&disk);
            let mut answer = asked(&mut ring, interval(1000, 1400));
            disk.fail_syncs_after(disk.operations() + n);
            ring.ring.pump();
            let answered = answer.try_recv().expect("at once");
            disk.fail_syncs(false);
            let words = audited(&ring);
            match answered {
                Ok(deleted) => assert_eq!(deleted.holed, 1, "{n}"),
                Err(_) if words.is_empty() => continue, // it never stood in the audit log
                // Nor is it known to.
                Err(ChangeError::Disk(error)) if !error.to_string().contains("tried until") => {
                    continue;
                }
                Err(ChangeError::Disk(_)) => {
                    refused += 1;
                    for _ in 0..2 {
                        ring.wait(Duration::from_secs(20));
                    }
                }
                Err(other) => panic!("{n}: {other}"),
            }
            assert_eq!(audited(&ring).last(), Some(&"done"), "{n}");
            let (records, _) = ring.ring.shelf().audit().expect("read");
            let Some(AuditRecord::Done { clips, segments: 0, .. }) = records.last() else {
                panic!("{n}: {records:?}")
            };
            assert_eq!(clips, &["c"], "{n}");
            assert_eq!(ring.ring.status().storage.reason, None, "{n}");
            let bytes = {
                let desk = ring.ring.desk();
                let entry = desk.state.lock().index.segments().next().cloned().expect("one");
                read_whole(&disk, &desk.places.segment(&entry), 1 << 20).expect("there")
            };
            let left = scan_bytes(&bytes, Verify::All);
            assert_eq!(left.expect("a segment").fragments.len(), 7, "{n}");
        }
        assert!(refused > 2, "{refused}");
    }
}
