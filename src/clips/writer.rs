//! The one writer of video, for all courts of a disk.
//!
//! Order of a fragment (R1): write → `fdatasync` → (a new segment: sync its directory) → index in
//! memory → announce. A cut before the last sync leaves a tail that `recover` cuts off.
//! Order of an eviction (R4): take it out of the index in memory → write why, sync → remove the
//! file; its clips' entries stay, and say that they are gone. A cut after the second arrow is finished by
//! `recover`.
//! A segment whose file was taken away or damaged under the writer's hands ends there, told; the next fragment begins
//! another.
//! After a failed sync nothing is known of what was written: the segment ends at its last fragment
//! that is known to be there, and the next key frame begins another.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{error, info, trace, warn};

use crate::clips::boxes::{Form, SegmentHeader, Tracks, head};
use crate::clips::desk::{Desk, FragmentDurable, IDLE, Unremoved};
use crate::clips::evict::{Room, choose, room};
use crate::clips::files::Log;
use crate::clips::fragment::{Draft, Encoded, Origins, encode};
use crate::clips::index::{ClipBrief, Index, SegmentEntry, SegmentNumber, file_name};
use crate::clips::lines::{SegmentRecord, line};
use crate::clips::recorder::{Begin, Recorder, Step};
use crate::clips::timeline::{AudioClock, Ticks};
use crate::disk::{Disk, DiskFile, InPlace, OpenHow, found_harmed, in_folder, is_harm};
use crate::mailbox::{Take, UnitMailbox};
use crate::media::{CourtId, Monotonic, SessionId, StreamItem, UtcTime};

/// Items taken of one court before the next one's turn: 2 s of 30 fps.
const TURN: usize = 64;
/// Free room is looked at this often while nothing is written.
const LOOK: Duration = Duration::from_secs(1);
/// A court whose disk said no tries again after this long.
const RETRY: Duration = Duration::from_secs(1);
/// The ballast is made again this long after it was given up, at the earliest.
const BALLAST: Duration = Duration::from_secs(10);
/// What one court may add beyond the quota before recording stops: a segment and its last fragment.
const SEGMENT_BYTES: u64 = 80 << 20;

/// What one round came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// There was more than one turn's worth.
    pub(crate) more: bool,
    /// Every mailbox is closed and empty, and everything is on disk.
    pub(crate) finished: bool,
    /// Time until something is due.
    pub(crate) wait: Duration,
}

pub(crate) struct Writer {
    desk: Arc<Desk>,
    courts: Vec<CourtWriter>,
    log: Log,
    looked: Option<Monotonic>,
    ballast_tried: Option<Monotonic>,
    done: bool,
}

struct CourtWriter {
    court: CourtId,
    mailbox: UnitMailbox,
    recorder: Recorder,
    open: Option<OpenSegment>,
    /// The disk said no; not before this.
    retry: Option<Monotonic>,
    closed: bool,
}

impl CourtWriter {
    fn of((court, mailbox): (CourtId, UnitMailbox)) -> Self {
        let recorder = Recorder::default();
        Self { court, mailbox, recorder, open: None, retry: None, closed: false }
    }
}

struct OpenSegment {
    id: SegmentNumber,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    place: InPlace,
    session: SessionId,
    tracks: Tracks,
    /// What it begins with.
    head: Vec<u8>,
    origins: Origins,
    form: Form,
    /// Bytes that are known to be on disk.
    at: u64,
    fragments: u32,
}

impl OpenSegment {
    /// Why what is written into it now would be read by nobody.
    fn astray(&self, disk: &dyn Disk) -> Option<String> {
        if let Some(why) = self.place.astray(disk) {
            return Some(why.to_owned());
        }
        let mut head = vec![0; self.head.len()];
        match self.file.read_exact_at(0, &mut head) {
            Ok(()) => (head != self.head).then(|| "its head is not what was written".to_owned()),
            Err(error) => is_harm(&error).then(|| error.to_string()),
        }
    }
}

impl Writer {
    pub(crate) fn new(desk: Arc<Desk>, courts: Vec<(CourtId, UnitMailbox)>, log: Log) -> Self {
        let courts = courts.into_iter().map(CourtWriter::of).collect();
        Self { desk, courts, log, looked: None, ballast_tried: None, done: false }
    }

    /// One round: a turn for every court, then what time asks for.
    pub(crate) fn pump(&mut self) -> Round {
        let mut more = false;
        let arrived = std::mem::take(&mut *self.desk.arrivals.lock());
        self.courts.extend(arrived.into_iter().map(CourtWriter::of));
        self.look();
        for n in 0..self.courts.len() {
            more |= self.turn(n);
        }
        self.split();
        let now = self.desk.clock.monotonic();
        for n in 0..self.courts.len() {
            let mut steps = Vec::new();
            if let Some(court) = self.courts.get_mut(n) {
                court.recorder.tick(now, &mut steps);
            }
            self.take_steps(n, steps);
        }
        let ending = self.desk.ending.load(Ordering::Acquire);
        let finished = ending && self.courts.iter().all(|court| court.closed);
        if !ending {
            self.let_go();
        }
        self.doom();
        if finished && !self.done {
            self.done = true;
            self.desk.set_written();
        }
        let due = self.courts.iter().filter_map(|court| court.recorder.deadline()).min();
        Round { more, finished, wait: due.map_or(IDLE, |due| due.since(now).min(IDLE)) }
    }

    /// Forgets courts that are closed; the same name may have come again meanwhile.
    fn let_go(&mut self) {
        let gone = |court: &CourtWriter| court.closed;
        if !self.courts.iter().any(gone) {
            return;
        }
        let names: Vec<_> =
            self.courts.extract_if(.., |court| court.closed).map(|court| court.court).collect();
        let arrivals = self.desk.arrivals.lock();
        let mut state = self.desk.state.lock();
        for name in names {
            let again = self.courts.iter().any(|court| court.court == name)
                || arrivals.iter().any(|(court, _)| *court == name);
            if !again {
                state.courts.remove(&name);
            }
        }
    }

    /// Ends the segments that somebody wants whole; their courts go on in the next.
    fn split(&mut self) {
        let splits = std::mem::take(&mut self.desk.state.lock().splits);
        for n in 0..self.courts.len() {
            let Some(court) = self.courts.get_mut(n) else { return };
            if splits.contains(&court.court) {
                let mut steps = Vec::new();
                court.recorder.split(&mut steps);
                self.take_steps(n, steps);
            }
        }
        if !splits.is_empty() {
            self.desk.cutter_bell.ring();
        }
    }

    /// Lets segments go that must, whoever holds them.
    fn doom(&mut self) {
        let doomed = std::mem::take(&mut self.desk.state.lock().doomed);
        if doomed.is_empty() {
            return;
        }
        let mut why = BTreeMap::new();
        let going: Vec<_> = {
            let mut state = self.desk.state.lock();
            let take = |(id, reason): (SegmentNumber, String)| {
                let going = Going::take(&mut state.index, id, self.desk.clock.utc())?;
                why.insert(id, reason);
                Some(going)
            };
            doomed.into_iter().filter_map(take).collect()
        };
        let reason = |id: &SegmentNumber| why.get(id).cloned().unwrap_or_default();
        if !self.let_segments_go(going, reason) {
            let again = why.into_iter().collect::<Vec<_>>();
            self.desk.state.lock().doomed.extend(again);
        }
        self.desk.cutter_bell.ring();
    }

    /// Takes up to [`TURN`] items of one court. Returns true if there may be more.
    fn turn(&mut self, n: usize) -> bool {
        for _ in 0..TURN {
            let Some(court) = self.courts.get_mut(n).filter(|court| !court.closed) else {
                return false;
            };
            match court.mailbox.take(Duration::ZERO) {
                Take::Item(item) => self.item(n, &item),
                Take::TimedOut => return false,
                Take::Closed => {
                    let mut steps = Vec::new();
                    if let Some(session) = court.recorder.session() {
                        court.recorder.closed(session, &mut steps);
                    }
                    court.closed = true;
                    self.take_steps(n, steps);
                    return false;
                }
            }
        }
        true
    }

    fn item(&mut self, n: usize, item: &StreamItem) {
        let now = self.desk.clock.monotonic();
        let may = self.may_record(n, now);
        let mut steps = Vec::new();
        let Some(court) = self.courts.get_mut(n) else { return };
        let before = court.recorder.session();
        match item {
            StreamItem::Opened(info) => court.recorder.opened(info.session, &mut steps),
            StreamItem::Closed { session, .. } => court.recorder.closed(*session, &mut steps),
            StreamItem::Video(unit) if may => court.recorder.video(unit, now, &mut steps),
            StreamItem::Video(unit) => court.recorder.skip(unit),
            StreamItem::Audio(unit) if may => court.recorder.audio(unit, now, &mut steps),
            StreamItem::Audio(_) => court.recorder.left_out_sound += 1,
            StreamItem::Sound { session, parameters } => {
                court.recorder.sound(*session, parameters, &mut steps);
            }
            StreamItem::Wall(_) => {}
        }
        let session = court.recorder.session();
        let name = court.court.clone();
        self.take_steps(n, steps);
        if session.is_some() && session != before {
            let mut state = self.desk.state.lock();
            let facts = state.courts.entry(name).or_default();
            facts.live = session;
            facts.durable = None;
            facts.progressed = now;
        }
    }

    fn may_record(&mut self, n: usize, now: Monotonic) -> bool {
        if self.desk.state.lock().stopped.is_some() {
            return false;
        }
        let Some(court) = self.courts.get_mut(n) else { return false };
        if court.retry.is_some_and(|retry| now < retry) {
            return false;
        }
        court.retry = None;
        true
    }

    fn take_steps(&mut self, n: usize, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Fragment { draft, begins } => self.fragment(n, &draft, begins),
                Step::SegmentEnds => self.end_segment(n),
                Step::SessionEnds(session) => self.end_session(n, session),
            }
        }
        let Some(court) = self.courts.get(n) else { return };
        let mut state = self.desk.state.lock();
        let facts = state.courts.entry(court.court.clone()).or_default();
        facts.lost_pictures = court.recorder.lost_pictures;
        facts.left_out_sound = court.recorder.left_out_sound;
        facts.recording = court.open.is_some();
    }

    fn fragment(&mut self, n: usize, draft: &Draft, begins: Option<Begin>) {
        self.look_now();
        if self.desk.state.lock().stopped.is_some() {
            self.give_up(n, draft);
            return;
        }
        let written = match begins {
            Some(begin) => self.begin_segment(n, draft, &begin),
            None => match self.astray(n) {
                Some(begin) => {
                    self.end_segment(n);
                    self.begin_segment(n, draft, &begin)
                }
                None => self.go_on(n, draft),
            },
        };
        match written {
            Ok(true) => self.make_room(),
            Ok(false) => self.give_up(n, draft), // an earlier fragment of this segment failed
            Err(error) => self.failed(n, draft, &error),
        }
    }

    /// How a segment begins that goes on for one which came to harm while it was recorded; that is told.
    fn astray(&self, n: usize) -> Option<Begin> {
        let open = self.courts.get(n)?.open.as_ref()?;
        let why = open.astray(&*self.desk.disk)?;
        let why = format!("{why}; recording goes on in another");
        found_harmed(&*self.desk.disk, &open.path, why);
        Some(Begin { session: open.session, tracks: open.tracks.clone() })
    }

    /// Begins a segment with its first fragment. Returns false if there is nothing to write.
    fn begin_segment(&mut self, n: usize, draft: &Draft, begin: &Begin) -> io::Result<bool> {
        let Some(court) = self.courts.get_mut(n) else { return Ok(false) };
        let desk = &self.desk;
        let clock = begin.tracks.audio.as_deref().map(AudioClock::of);
        let Some(start) = draft.start(clock) else { return Ok(false) };
        let id = desk.state.lock().index.number_segment();
        let origins = Origins {
            video: start,
            audio: clock.map_or(0, |clock| start.samples(clock.rate)),
            clock,
        };
        let begun = match desk.settings.recorded {
            Some(zero) if draft.video.is_empty() => zero.plus_nanos(start.media().as_nanos()),
            Some(zero) => zero.plus_nanos(draft.video_end.media().as_nanos()),
            None => desk.clock.utc(),
        };
        let header = SegmentHeader {
            id,
            court: court.court.clone(),
            session: begin.session,
            video_origin: origins.video,
            audio_origin: origins.audio,
            begun,
        };
        let form = Form::of_segment(draft, clock);
        let mut bytes = head(&header, &begin.tracks, form);
        let (at, written_head) = (bytes.len() as u64, bytes.clone());
        let Some(encoded) = encode(draft, 1, origins, at, form) else { return Ok(false) };
        bytes.extend_from_slice(&encoded.bytes);
        let name = file_name(id, &court.court, &begin.session.to_string());
        let path = desk.places.segments.join(name);
        let file = create(desk, &path)?;
        let place = InPlace::of(&*desk.disk, &path);
        let session = begin.session;
        // Open from here on, so that a failure below finds the file to cut.
        let open = OpenSegment {
            id,
            path,
            file,
            place,
            session,
            tracks: begin.tracks.clone(),
            head: written_head,
            origins,
            form,
            at: 0,
            fragments: 0,
        };
        let open = court.open.insert(open);
        write(desk, open, &bytes)?;
        desk.disk.sync_dir(&desk.places.segments)?;
        open.at = bytes.len() as u64;
        open.fragments = 1;
        let (start, end) = encoded.fragment.span;
        desk.state.lock().index.put_segment(SegmentEntry {
            id,
            court: court.court.clone(),
            session: session.to_string(),
            start: start.0,
            end: end.0,
            bytes: open.at,
            ahead_ns: Some(begun.as_nanos().saturating_sub(end.media().as_nanos())),
            open: true,
            anew: 0,
        });
        announce(desk, &court.court, open, draft, &encoded, bytes.len());
        Ok(true)
    }

    /// Adds a fragment to the open segment. Returns false if there is none.
    fn go_on(&mut self, n: usize, draft: &Draft) -> io::Result<bool> {
        let Some(court) = self.courts.get_mut(n) else { return Ok(false) };
        let desk = &self.desk;
        let Some(open) = &mut court.open else { return Ok(false) };
        let sequence = open.fragments.saturating_add(1);
        let Some(encoded) = encode(draft, sequence, open.origins, open.at, open.form) else {
            return Ok(true); // sound from before the segment alone: nothing to write
        };
        write(desk, open, &encoded.bytes)?;
        open.at += encoded.bytes.len() as u64;
        open.fragments = sequence;
        let (start, end) = encoded.fragment.span;
        let grown = encoded.bytes.len() as u64;
        desk.state.lock().index.grow_segment(open.id, grown, start, end);
        announce(desk, &court.court, open, draft, &encoded, encoded.bytes.len());
        Ok(true)
    }

    fn give_up(&mut self, n: usize, draft: &Draft) {
        self.end_segment(n);
        if let Some(court) = self.courts.get_mut(n) {
            court.recorder.abandon(draft.video.len() as u64);
        }
    }

    /// The disk said no to a fragment of this court.
    fn failed(&mut self, n: usize, draft: &Draft, error: &io::Error) {
        let full = error.kind() == io::ErrorKind::StorageFull;
        let now = self.desk.clock.monotonic();
        if let Some(court) = self.courts.get_mut(n) {
            error!(court = %court.court, %error, "fragment not written: recording stops");
            court.retry = Some(now.plus(RETRY));
            if let Some(open) = &court.open {
                // Best effort: `recover` would cut it as well.
                if let Err(error) = open.file.set_len(open.at) {
                    warn!(path = %open.path.display(), %error, "torn tail stays");
                }
            }
            let mut state = self.desk.state.lock();
            let facts = state.courts.entry(court.court.clone()).or_default();
            facts.fault = Some(format!("the disk refused a fragment ({error}): check it"));
            if full {
                state.stopped = Some(format!(
                    "the disk is full ({error}): free some room or lower ring.quota_bytes"
                ));
            }
        }
        self.give_up(n, draft);
    }

    fn end_segment(&mut self, n: usize) {
        let Some(open) = self.courts.get_mut(n).and_then(|court| court.open.take()) else { return };
        if open.fragments == 0 {
            // Its first write failed: the file says nothing.
            if let Err(error) = self.desk.disk.remove(&open.path) {
                warn!(path = %open.path.display(), %error, "empty segment stays");
            }
            return;
        }
        let closed = self.desk.state.lock().index.close_segment(open.id).cloned();
        let Some(entry) = closed else { return };
        let bytes = line(&SegmentRecord::Closed(entry));
        // A line that is lost is found again by scan.
        match self.log.append(&bytes).and_then(|()| self.log.sync()) {
            Ok(()) => self.desk.state.lock().bytes_written += bytes.len() as u64,
            Err(error) => warn!(segment = open.id, %error, "segment not named in the index"),
        }
        self.make_room();
    }

    fn end_session(&mut self, n: usize, session: SessionId) {
        let Some(court) = self.courts.get(n) else { return };
        let mut state = self.desk.state.lock();
        let facts = state.courts.entry(court.court.clone()).or_default();
        if facts.live == Some(session) {
            facts.live = None;
            facts.durable = None;
        }
        drop(state);
        self.desk.cutter_bell.ring();
    }

    /// Looks at the room now and then, so that recording resumes by itself.
    fn look(&mut self) {
        let now = self.desk.clock.monotonic();
        if self.looked.is_none_or(|looked| now.since(looked) >= LOOK) {
            self.looked = Some(now);
            self.remove_again();
            self.look_now();
        }
    }

    /// Removes what went and was refused by the disk. It is told until it is gone.
    fn remove_again(&self) {
        let unremoved = self.desk.state.lock().unremoved.clone();
        for (id, Unremoved { path, session, .. }) in unremoved {
            self.remove(id, path, session);
        }
    }

    fn look_now(&mut self) {
        // First: what is over the quota is room that recording may be waiting for.
        self.make_room();
        let desk = &self.desk;
        let settings = &desk.settings;
        let free = match desk.disk.free_bytes(&desk.places.dir) {
            Ok(free) => free,
            Err(error) => {
                warn!(%error, "free room not known");
                return;
            }
        };
        let spare = SEGMENT_BYTES.saturating_mul(self.courts.len() as u64);
        let beside = desk.ballast.room_beside(free);
        let changed = {
            let mut state = desk.state.lock();
            state.free_bytes = free;
            let was = state.stopped.take();
            let bytes = state.index.bytes();
            state.limits = settings.asked().that_fits(state.limits.quota, bytes, beside);
            let most = state.limits.quota.saturating_add(spare);
            state.stopped = match room(free, settings.keep_free_bytes, bytes, most, was.is_some()) {
                Room::Enough => None,
                Room::KeepFree => Some(format!(
                    "{free} bytes are free, ring.keep_free_bytes is {}: free some room",
                    settings.keep_free_bytes
                )),
                Room::Quota => Some(format!(
                    "{} bytes of pinned clips leave no room in the quota of {}: pull clips, or \
                     raise ring.quota_bytes",
                    state.index.pinned_bytes(),
                    state.limits.quota
                )),
            };
            let reason = state.stopped.clone();
            if reason.is_none() && was.is_some() {
                state.courts.values_mut().for_each(|facts| facts.fault = None);
            }
            (was.is_some() != reason.is_some()).then_some(reason)
        };
        match changed {
            Some(Some(reason)) => error!(%reason, "recording stopped"),
            Some(None) => info!(free, "recording resumed"),
            None => {}
        }
        self.keep_ballast(free);
    }

    fn keep_ballast(&mut self, free: u64) {
        let desk = &self.desk;
        if desk.ballast.is_held() {
            return;
        }
        let now = desk.clock.monotonic();
        let needed = desk.settings.keep_free_bytes.saturating_add(2 * desk.ballast.bytes());
        let waited = self.ballast_tried.is_none_or(|tried| now.since(tried) >= BALLAST);
        if free < needed || !waited {
            return;
        }
        self.ballast_tried = Some(now);
        match desk.ballast.remake() {
            Ok(()) => info!("ballast made"),
            Err(error) => warn!(%error, "no room for the ballast"),
        }
    }

    /// Lets the oldest segments go while the ring is over its quota.
    fn make_room(&mut self) {
        self.desk.take_orders();
        let (quota, going): (u64, Vec<Going>) = {
            let mut state = self.desk.state.lock();
            let quota = state.limits.quota;
            if state.index.bytes() <= quota {
                return;
            }
            let kept = state.index.kept();
            let chosen = choose(&state.index, quota, &kept);
            let now = self.desk.clock.utc();
            let take = |id| Going::take(&mut state.index, id, now);
            (quota, chosen.into_iter().filter_map(take).collect())
        };
        self.let_segments_go(going, |_| format!("the ring was over its quota of {quota} bytes"));
    }

    /// Writes why, then lets the segments go. False if it cannot be written: then nothing goes (R4).
    fn let_segments_go(
        &mut self,
        going: Vec<Going>,
        why: impl Fn(&SegmentNumber) -> String,
    ) -> bool {
        if going.is_empty() {
            return true;
        }
        let mut lines = Vec::new();
        for Going { entry, .. } in &going {
            lines.extend(line(&SegmentRecord::Evicted { id: entry.id, why: why(&entry.id) }));
        }
        if let Err(error) = self.write_why(&lines) {
            warn!(%error, "eviction cannot be written down: nothing is removed");
            let mut state = self.desk.state.lock();
            for Going { entry, clips } in going {
                state.index.put_segment(entry);
                clips.into_iter().for_each(|clip| state.index.put_clip(clip));
            }
            return false;
        }
        {
            let mut state = self.desk.state.lock();
            state.bytes_written += lines.len() as u64;
            let clips = going.iter().flat_map(|going| &going.clips);
            state.lost.extend(clips.map(|clip| clip.id.clone()));
        }
        for Going { entry, .. } in going {
            let session = SessionId::parse(&entry.session).unwrap_or(SessionId::from_bits(0));
            self.remove(entry.id, self.desk.places.segment(&entry), session);
            trace!(segment = entry.id, court = %entry.court, "segment evicted");
        }
        // A name that comes back after a cut is named in the log, and goes at the next start.
        self.desk.cutter_bell.ring();
        true
    }

    /// Writes why segments go. A disk without room for a line gets the ballast's: what goes gives
    /// back more, and the ballast is made again.
    fn write_why(&mut self, lines: &[u8]) -> io::Result<()> {
        let write = |log: &mut Log| log.append(lines).and_then(|()| log.sync());
        match write(&mut self.log) {
            Err(error)
                if error.kind() == io::ErrorKind::StorageFull && self.desk.ballast.release() =>
            {
                info!("ballast given up, to make room in the ring");
                write(&mut self.log)
            }
            other => other,
        }
    }

    /// Removes the file of a segment that went. What the disk refuses is tried again at the next look.
    fn remove(&self, id: SegmentNumber, path: PathBuf, session: SessionId) {
        let known = self.desk.state.lock().unremoved.contains_key(&id);
        match self.desk.disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                if !known {
                    error!(path = %path.display(), %error, "file cannot be removed: again soon");
                }
                let why = error.to_string();
                self.desk.state.lock().unremoved.insert(id, Unremoved { path, session, why });
            }
            _ if known => {
                info!(path = %path.display(), "file removed that could not be");
                self.desk.state.lock().unremoved.remove(&id);
                self.desk.cutter_bell.ring();
            }
            _ => {}
        }
    }
}

/// A segment that goes, out of the index, and its clips as they stood there.
struct Going {
    entry: SegmentEntry,
    clips: Vec<ClipBrief>,
}

impl Going {
    fn take(index: &mut Index, id: SegmentNumber, now: UtcTime) -> Option<Self> {
        let clips = index.clips_of(id);
        let entry = index.remove_segment(id)?;
        let lose = |clip: &String| index.lose_clip(clip, now.as_nanos());
        Some(Self { entry, clips: clips.iter().filter_map(lose).collect() })
    }
}

/// Makes a segment's file; and the folder, where somebody took it away.
fn create(desk: &Desk, path: &Path) -> io::Result<Box<dyn DiskFile>> {
    let open = || desk.disk.open(path, OpenHow::CreateNew);
    in_folder(&*desk.disk, &desk.places.segments, open)
}

/// Writes behind what is known to be there, and waits until it is on disk.
fn write(desk: &Desk, open: &OpenSegment, bytes: &[u8]) -> io::Result<()> {
    let begun = desk.clock.monotonic();
    open.file.write_at(open.at, bytes)?;
    let written = desk.clock.monotonic();
    open.file.sync_data()?;
    let synced = desk.clock.monotonic();
    desk.meters.write_seconds.observe(written.since(begun).as_secs_f64());
    desk.meters.fsync_seconds.observe(synced.since(written).as_secs_f64());
    Ok(())
}

/// Tells that a fragment is on disk.
fn announce(
    desk: &Desk,
    court: &CourtId,
    open: &OpenSegment,
    draft: &Draft,
    encoded: &Encoded,
    written: usize,
) {
    let end: Ticks = encoded.fragment.span.1;
    let now = desk.clock.monotonic();
    {
        let mut state = desk.state.lock();
        state.bytes_written += written as u64;
        state.bytes_encoded += draft.payload();
        let facts = state.courts.entry(court.clone()).or_default();
        facts.durable = facts.durable.max(Some(end));
        facts.last_end = Some(end);
        facts.progressed = now;
        facts.fault = None;
    }
    let (session, segment, bytes) = (open.session, open.id, open.at);
    let court = court.clone();
    desk.sink.fragment(&FragmentDurable { court, session, segment, end: end.media(), bytes });
    desk.cutter_bell.ring();
}

#[cfg(test)]
mod tests;
