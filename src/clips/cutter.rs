//! Makes clips of intervals; does with clips what is asked of them.
//!
//! Order of a clip: hold (nothing of it is evicted) → wait until its end was recorded → choose,
//! check the reserve (R6), hash → `entries` makes it durable → pin in memory, end the hold → tell. A
//! cut before the entry is durable leaves nothing: the outbox, or who asked to keep it, asks again, and
//! the same fragments give the same bytes. A cut after it leaves the clip. An interval of which nothing can be read is
//! tried again for a while, as a file may come back; then the entry says so, as it does at once of what is missing
//! of one that can be read in part.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

use crate::clips::clip::{Clip, Kept, LAYOUT, Media, PinEnd};
use crate::clips::cut::{NoClip, Plan, plan};
use crate::clips::deleting::Deletions;
use crate::clips::desk::{ChangeError, CutterCommand, Desk, PendingCut};
use crate::clips::entries::Entries;
use crate::clips::evict::pin_fits;
use crate::clips::files::{Log, OpenedSegment, Shape, Times, open_segment, put_together};
use crate::clips::fragment::Verify;
use crate::clips::hashing::{Aside, Hash};
use crate::clips::index::SegmentEntry;
use crate::clips::news::told;
use crate::clips::newslog::NewsLog;
use crate::clips::pins::Pins;
use crate::clips::reader::damage_in;
use crate::clips::timeline::Ticks;
use crate::disk::found_harmed;
use crate::event::models::{DISAGREEMENT, LABEL};
use crate::event::words::ClipWord;
use crate::media::{Foreign, MediaTime, Monotonic};

/// A session that brought nothing for so long is over, as far as clips go (DESIGN §5.1: a
/// publisher that stalls is let go after as long).
const STALLED: Duration = Duration::from_secs(10);
/// A clip whose entry could not be written, or told, is tried again after this long.
const RETRY: Duration = Duration::from_secs(5);

/// So long a clip of the outbox is tried whose segments cannot be read (chosen: somebody mounts a disk again, or puts
/// back what he took away).
const UNREADABLE: Duration = Duration::from_secs(600);

/// What one round came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// The writer is through, and so is this.
    pub(crate) finished: bool,
}

pub(crate) struct Cutter {
    pub(crate) desk: Arc<Desk>,
    pub(crate) entries: Entries,
    pub(crate) waiting: Vec<(PendingCut, Monotonic)>,
    deletions: Deletions,
    pins: Pins,
    /// `None` where this thread hashes what there is: while the ring is pumped by hand.
    aside: Option<Aside>,
}

impl Cutter {
    pub(crate) fn new(desk: Arc<Desk>, log: Log, news: NewsLog, deletions: Deletions) -> Self {
        let entries = Entries::new(Arc::clone(&desk), log, news);
        Self { desk, entries, waiting: Vec::new(), deletions, pins: Pins::default(), aside: None }
    }

    /// From now on long clips are hashed on a thread of their own.
    pub(crate) fn hash_aside(&mut self) {
        self.aside = Some(Aside::new(self.desk.cutter_bell.clone()));
    }

    /// One round: orders, commands, clips whose time has come, what went, pins that end.
    pub(crate) fn pump(&mut self) -> Round {
        let written = self.desk.is_written();
        if written {
            self.aside = None; // this round is the last: what can be cut is cut in it
        }
        self.desk.take_orders();
        let (taken, lost) = {
            let mut state = self.desk.state.lock();
            (std::mem::take(&mut state.taken), std::mem::take(&mut state.lost))
        };
        self.waiting.extend(taken.into_iter().map(|cut| {
            let asked = cut.asked;
            (cut, asked)
        }));
        self.entries.lost(&lost);
        while let Some(command) = self.desk.commands.try_take() {
            self.command(command);
        }
        let now = self.desk.clock.monotonic();
        for (wanted, not_before) in std::mem::take(&mut self.waiting) {
            let hashes = wanted.long && self.aside.as_mut().is_some_and(Aside::is_busy);
            if hashes || now < not_before || !self.is_ready(&wanted, now) {
                self.waiting.push((wanted, not_before));
                continue;
            }
            self.turn(wanted, now);
        }
        self.deletions.pump(&mut self.entries, now);
        self.pins.pump(&mut self.entries, now);
        self.entries.news.hand_on();
        Round { finished: written }
    }

    /// Whoever asked may be gone: what was asked is done all the same.
    fn command(&mut self, command: CutterCommand) {
        match command {
            CutterCommand::Acknowledge { id, sha256, reply } => {
                drop(reply.send(self.entries.acknowledge(&id, sha256.as_deref())));
            }
            CutterCommand::Release { id, reply } => {
                drop(reply.send(self.entries.end_pin(&id, PinEnd::Command)));
            }
            CutterCommand::Unpin { id } => match self.entries.end_pin(&id, PinEnd::Command) {
                Ok(_) | Err(ChangeError::Unknown | ChangeError::Damaged { .. }) => {}
                Err(error) => warn!(clip = id, %error, "pin not ended"),
            },
            CutterCommand::Keep { keep, named, reply } => self.keep(keep, named, reply),
            CutterCommand::Delete { delete, reply } => {
                self.deletions.take(&mut self.entries, delete, reply);
            }
        }
    }

    /// The time of a clip has come.
    fn turn(&mut self, mut wanted: PendingCut, now: Monotonic) {
        let id = wanted.request.id.clone();
        let keeping = wanted.keep.take();
        let cut = self.cut(&wanted, keeping.as_ref().map(|keeping| &keeping.kept));
        let cut = match cut {
            Ok(None) => {
                wanted.keep = keeping;
                wanted.long = true;
                self.waiting.push((wanted, now));
                return;
            }
            Ok(Some(clip)) => Ok(clip),
            Err(error) => Err(error),
        };
        if let Some(aside) = &mut self.aside {
            aside.forget(&id);
        }
        if let Some(keeping) = keeping {
            self.end_hold(&id);
            if let Err(Err(why)) = keeping.reply.send(cut) {
                warn!(clip = id, %why, "not kept, and nobody waits any more");
                self.desk.set_unmade(&id, why.to_string());
            }
            return;
        }
        match cut {
            Ok(_) => {
                self.desk.state.lock().index.release(&id);
                match self.desk.done.try_offer(id) {
                    Ok(()) => self.desk.state.lock().waiting -= 1,
                    // Kept: it is cut by then, and told alone.
                    Err(_full) => self.waiting.push((wanted, now.plus(RETRY))),
                }
            }
            Err(ChangeError::Harmed { why }) => {
                let is_news = !self.desk.state.lock().unmade.iter().any(|(of, _)| *of == id);
                if is_news {
                    warn!(clip = id, why, "no clip yet");
                    self.desk.set_unmade(&id, format!("{why}; it is tried again"));
                }
                self.waiting.push((wanted, now.plus(RETRY)));
            }
            Err(error) => {
                warn!(clip = id, %error, "clip's entry not written: again soon");
                self.waiting.push((wanted, now.plus(RETRY)));
            }
        }
    }

    fn end_hold(&self, id: &str) {
        let mut state = self.desk.state.lock();
        state.index.release(id);
        state.waiting -= 1;
    }

    /// True once nothing more of the interval can come.
    fn is_ready(&self, wanted: &PendingCut, now: Monotonic) -> bool {
        if let Some(clip) = wanted.request.withdraws() {
            // Behind the clip itself, where that is still to come: `waiting` has those before this.
            return !self.waiting.iter().any(|(before, _)| before.request.id == clip);
        }
        let state = self.desk.state.lock();
        if state.index.clip(&wanted.request.id).is_some() {
            return true; // asked again
        }
        let hold = wanted.hold();
        if let Some(court) = state.courts.get(&wanted.court)
            && court.live == Some(wanted.session)
        {
            // Later than `to`: then every fragment that begins at or before it is on disk.
            return court.durable.is_some_and(|durable| durable > hold.to)
                || now.since(court.progressed.max(wanted.asked)) >= STALLED;
        }
        let known = state.index.session(&hold.court, &hold.session).next().is_some();
        // A session that the ring has not heard of may be on its way through the mailbox.
        known || now.since(wanted.asked) >= STALLED
    }

    /// Makes a clip; `None` while it is hashed. An order of the outbox gets an entry in any case: one that says
    /// why there is none. Who asks to keep an interval is told that himself, and nothing is written.
    fn cut(
        &mut self,
        wanted: &PendingCut,
        kept: Option<&Kept>,
    ) -> Result<Option<Clip>, ChangeError> {
        let id = &wanted.request.id;
        if let Some(clip) = wanted.request.withdraws() {
            self.entries.withdraw(clip, wanted.request.merged_into())?;
            return Ok(Some(nothing(wanted)));
        }
        if self.desk.state.lock().index.clip(id).is_some() {
            if let Some(kept) = kept {
                return self.keep_again(id, kept.clone()).map(Some); // another asked for the same meanwhile
            }
            // Asked again, after a restart perhaps: the same clip. Or its event is told again.
            self.entries.tell_again(id, &wanted.request.about)?;
            return Ok(Some(nothing(wanted)));
        }
        let hold = wanted.hold();
        let segments = self.desk.state.lock().index.around(&hold);
        let outcome = self.make(wanted, &segments);
        let refused = matches!(outcome, Err(WhyNot::Reserve { .. }));
        let (media, note) = match outcome {
            Ok(Some((media, note))) => (Some(media), note),
            Ok(None) => return Ok(None),
            Err(why) if kept.is_some() => return Err(why.into()),
            Err(why @ WhyNot::Unreadable(_)) if self.may_come_back(wanted) => {
                return Err(why.into());
            }
            Err(why) => (None, Some(why.to_string())),
        };
        let mut clip = Clip {
            number: self.desk.state.lock().index.number_clip(),
            reason: kept.map_or_else(
                || wanted.request.reason.clone(),
                |kept| kept.reason.as_str().to_owned(),
            ),
            pinned: media.is_some(),
            media,
            note,
            made_ns: self.desk.clock.utc().as_nanos(),
            kept: kept.cloned(),
            ..nothing(wanted)
        };
        clip.tell_about(&wanted.request.about);
        if kept.is_some() {
            clip.game = self.game_of(wanted);
        }
        let event = kept.and_then(|_| told(&clip, ClipWord::Kept, clip.revision));
        let due = self.entries.due(event).map_err(ChangeError::Disk)?;
        self.entries.write(&clip).map_err(ChangeError::Disk)?;
        let note = clip.note.as_deref();
        match &clip.media {
            Some(media) => {
                info!(clip = clip.id, court = clip.court, bytes = media.bytes, note, "clip kept");
            }
            None if refused => {
                error!(clip = clip.id, court = clip.court, why = note, "clip refused");
            }
            None => warn!(clip = clip.id, court = clip.court, why = note, "no clip"),
        }
        self.entries.news.tell(due);
        Ok(Some(clip))
    }

    /// What a disk lost may be back soon: the outbox asks again at the next start too.
    fn may_come_back(&self, wanted: &PendingCut) -> bool {
        self.desk.clock.monotonic().since(wanted.asked) < UNREADABLE
    }

    /// The game that was played in an interval that somebody wants kept, where the wall's time is known.
    pub(crate) fn game_of(&self, wanted: &PendingCut) -> Option<String> {
        let (games, wall) = (self.desk.games.as_ref()?, self.desk.wall.as_ref()?);
        let from = MediaTime::from_nanos(wanted.request.from_ns);
        let stamp = wall.stamp(&wanted.court, wanted.session, from, None);
        stamp.source?;
        games.at(&wanted.court, stamp.utc).map(|game| game.to_string())
    }

    /// `None` while it is hashed.
    fn make(
        &mut self,
        wanted: &PendingCut,
        segments: &[SegmentEntry],
    ) -> Result<Option<(Media, Option<String>)>, WhyNot> {
        let hold = wanted.hold();
        let desk = Arc::clone(&self.desk);
        let mut opened: Vec<(u64, OpenedSegment)> = Vec::new();
        let mut unread = Vec::new();
        for entry in segments {
            let path = desk.places.segment(entry);
            // Only what the index knows to be on disk: the writer may be at work behind it.
            match open_segment(&*desk.disk, &path, entry.bytes, Verify::Last) {
                Ok(segment) => {
                    unread.extend(damage_in(entry, &segment.scanned, (hold.from, hold.to)));
                    opened.push((entry.id, segment));
                }
                Err(error) => {
                    let why = error.to_string();
                    if entry.overlaps(hold.from, hold.to) {
                        unread.push(format!("segment {} cannot be read: {why}", entry.id));
                    }
                    found_harmed(&*desk.disk, &path, why);
                }
            }
        }
        let views: Vec<_> = opened.iter().map(|(id, open)| (*id, &open.scanned)).collect();
        let mut plan = plan(hold.from, hold.to, &views).map_err(|why| match unread.as_slice() {
            [] => WhyNot::No(why),
            unread => WhyNot::Unreadable(unread.join("; ")),
        })?;
        // What cannot be read is missed where something is.
        let missing = plan.missing.take().map(|missing| {
            unread.insert(0, missing);
            unread.join("; ")
        });
        self.check_reserve(&plan, &wanted.request.reason)?;
        let mut parts = Vec::new();
        for part in &plan.parts {
            let found = opened.iter().find(|(id, _)| *id == part.segment);
            let (_, segment) = found.ok_or(WhyNot::No(NoClip::NotRecorded))?;
            parts.push((part.clone(), segment.clone()));
        }
        // Sound may begin in the midst of it.
        let mut heads = parts.iter().map(|(_, segment)| &segment.scanned.head);
        let first = heads.clone().next();
        let head = heads.find(|head| head.audio.is_some()).or(first).cloned();
        let head = head.ok_or(WhyNot::No(NoClip::NotRecorded))?;
        let shape = Shape::Edited(hold.from, hold.to);
        let (assembly, times) = put_together(&parts, shape).map_err(WhyNot::Read)?;
        let whole = (plan.start, plan.end);
        let Times { shown, holds } = times.unwrap_or(Times { shown: whole, holds: whole });
        let ns = |at: Ticks| at.media().as_nanos();
        let hash = match &mut self.aside {
            Some(aside) => aside.sha256(&wanted.request.id, &plan.parts, &assembly),
            None => assembly.sha256().map(Hash::Is),
        };
        let Hash::Is(sha256) = hash.map_err(WhyNot::Read)? else { return Ok(None) };
        let media = Media {
            mime: format!("video/mp4; codecs=\"{}\"", head.codecs),
            bytes: assembly.len,
            sha256,
            start_ns: ns(holds.0),
            end_ns: ns(holds.1),
            shown_start_ns: Some(ns(shown.0)),
            shown_end_ns: Some(ns(shown.1)),
            width: head.width,
            height: head.height,
            parts: plan.parts,
        };
        Ok(Some((media, missing)))
    }

    /// R6. What is kept to learn from leaves half of the reserve to what was told.
    fn check_reserve(&self, plan: &Plan, reason: &str) -> Result<(), WhyNot> {
        let segments: Vec<_> = plan.parts.iter().map(|part| part.segment).collect();
        self.fits_reserve(&segments, reason).map_err(|[more, pinned, reserve]| WhyNot::Reserve {
            more,
            pinned,
            reserve,
        })
    }

    /// Whether pinning these stays within the reserve; else how much it takes, of what there is.
    pub(crate) fn fits_reserve(&self, segments: &[u64], reason: &str) -> Result<(), [u64; 3]> {
        let state = self.desk.state.lock();
        let more = state.index.bytes_to_pin(segments);
        let pinned = state.index.pinned_bytes();
        let reserve = state.limits.reserve;
        let to_learn = reason == DISAGREEMENT || reason == LABEL;
        let reserve = if to_learn { reserve / 2 } else { reserve };
        if pin_fits(pinned, more, reserve) { Ok(()) } else { Err([more, pinned, reserve]) }
    }
}

/// The entry of a clip of which there is nothing.
fn nothing(wanted: &PendingCut) -> Clip {
    Clip {
        layout: LAYOUT,
        id: wanted.request.id.clone(),
        number: 0,
        court: wanted.court.to_string(),
        session: wanted.session.to_string(),
        reason: wanted.request.reason.clone(),
        from_ns: wanted.request.from_ns,
        to_ns: wanted.request.to_ns,
        media: None,
        note: None,
        pinned: false,
        ended: None,
        made_ns: 0,
        kept: None,
        deleted_ns: None,
        withdrawn: false,
        merged: None,
        game: None,
        score: None,
        tags: Vec::new(),
        revision: 0,
        gone_ns: None,
        file: serde_json::Map::new(),
    }
}

/// Why there is no clip, or none that can be kept.
#[derive(Debug, thiserror::Error)]
enum WhyNot {
    #[error(transparent)]
    No(#[from] NoClip),
    #[error(
        "its segments of {more} bytes exceed what is left of ring.reserve_bytes \
         ({pinned} of {reserve} pinned): pull clips, or raise it"
    )]
    Reserve { more: u64, pinned: u64, reserve: u64 },
    #[error("its segments cannot be read: {0}")]
    Read(#[source] io::Error),
    #[error("it was recorded, and cannot be read now: {0}")]
    Unreadable(String),
}

impl From<WhyNot> for ChangeError {
    fn from(why: WhyNot) -> Self {
        match why {
            WhyNot::No(why) => Self::NotRecorded { why: Foreign::told(why) },
            WhyNot::Reserve { more, pinned, reserve } => Self::Reserve { more, pinned, reserve },
            WhyNot::Read(error) => Self::Disk(error),
            why @ WhyNot::Unreadable(_) => Self::Harmed { why: why.to_string() },
        }
    }
}
