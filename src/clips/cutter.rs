//! Makes clips of intervals, and ends their pins.
//!
//! Order of a clip: hold (nothing of it is evicted) → wait until its end was recorded → choose,
//! check the reserve (R6), hash → line "touched", sync → `clips/{id}.json` durable → pin in memory,
//! end the hold → line "is" → tell. A cut before the entry is durable leaves nothing: the outbox
//! asks again, and the same fragments give the same bytes. A cut after it leaves the clip.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, error, info, warn};

use crate::clips::clip::{Clip, LAYOUT, MAX_JSON, Media, NoEntry, PinEnd};
use crate::clips::cut::{NoClip, Plan, plan};
use crate::clips::desk::{AckError, CutterCommand, Desk, PendingCut};
use crate::clips::evict::pin_fits;
use crate::clips::files::{Log, OpenedSegment, open_segment, put_together};
use crate::clips::fragment::Verify;
use crate::clips::index::SegmentEntry;
use crate::clips::lines::{ClipRecord, line};
use crate::disk::{read_whole, write_durably};
use crate::event::models::DISAGREEMENT;
use crate::media::{Monotonic, UtcTime};

/// A session that brought nothing for so long is over, as far as clips go (DESIGN §5.1: a
/// publisher that stalls is let go after as long).
const STALLED: Duration = Duration::from_secs(10);
/// A clip whose entry could not be written, or told, is tried again after this long.
const RETRY: Duration = Duration::from_secs(5);
/// Pins are looked through this often.
const EXPIRE: Duration = Duration::from_secs(60);
/// What the box's clock says of a pin's days counts once it has gone along with the monotonic one
/// for so long. A clock that is wrong at boot is set right by a step as soon as there is a network,
/// minutes later, and the step begins the hour anew; an hour is also less than a box is on for.
/// What is wrong for longer than that is not told from a box that was off.
const STEADY: Duration = Duration::from_secs(3600);
/// More than this between two looks is a step, not a clock being slewed (at most 0.1 of the time).
const STEP_NS: i64 = 10_000_000_000;
/// No box was made before this (2025-01-01): an earlier clock is not set.
const PLAUSIBLE: UtcTime = UtcTime::from_nanos(1_735_689_600_000_000_000);
const DAY_NS: i64 = 86_400_000_000_000;

/// What one round came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// The writer is through, and so is this.
    pub(crate) finished: bool,
}

pub(crate) struct Cutter {
    desk: Arc<Desk>,
    log: Log,
    waiting: Vec<(PendingCut, Monotonic)>,
    expired: Option<Monotonic>,
    steady: Steady,
}

impl Cutter {
    pub(crate) fn new(desk: Arc<Desk>, log: Log) -> Self {
        Self { desk, log, waiting: Vec::new(), expired: None, steady: Steady::default() }
    }

    /// One round: orders, commands, clips whose time has come, pins that end.
    pub(crate) fn pump(&mut self) -> Round {
        let written = self.desk.is_written();
        self.desk.take_orders();
        let taken = std::mem::take(&mut self.desk.state.lock().taken);
        self.waiting.extend(taken.into_iter().map(|cut| {
            let asked = cut.asked;
            (cut, asked)
        }));
        while let Some(command) = self.desk.commands.try_take() {
            match command {
                CutterCommand::Acknowledge { id, sha256, reply } => {
                    // Whoever asked may be gone: the clip is acknowledged all the same.
                    drop(reply.send(self.acknowledge(&id, sha256.as_deref())));
                }
                CutterCommand::Unpin { id } => match self.end_pin(&id, PinEnd::Command) {
                    Ok(_) | Err(AckError::Unknown) => {}
                    Err(error) => warn!(clip = id, %error, "pin not ended"),
                },
            }
        }
        let now = self.desk.clock.monotonic();
        for (wanted, not_before) in std::mem::take(&mut self.waiting) {
            if now < not_before || !self.is_ready(&wanted, now) {
                self.waiting.push((wanted, not_before));
                continue;
            }
            match self.cut(&wanted) {
                Ok(()) => {
                    self.desk.state.lock().index.release(&wanted.request.id);
                    match self.desk.done.try_offer(wanted.request.id.clone()) {
                        Ok(()) => self.desk.state.lock().waiting -= 1,
                        // Kept: it is cut by then, and told alone.
                        Err(_full) => self.waiting.push((wanted, now.plus(RETRY))),
                    }
                }
                Err(error) => {
                    warn!(clip = wanted.request.id, %error, "clip's entry not written: again soon");
                    self.waiting.push((wanted, now.plus(RETRY)));
                }
            }
        }
        if self.expired.is_none_or(|at| now.since(at) >= EXPIRE) {
            self.expired = Some(now);
            self.expire(now);
        }
        Round { finished: written }
    }

    /// True once nothing more of the interval can come.
    fn is_ready(&self, wanted: &PendingCut, now: Monotonic) -> bool {
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

    fn cut(&mut self, wanted: &PendingCut) -> io::Result<()> {
        if self.desk.state.lock().index.clip(&wanted.request.id).is_some() {
            return Ok(()); // asked again, after a restart perhaps: the same clip
        }
        let hold = wanted.hold();
        let segments = self.desk.state.lock().index.around(&hold);
        let outcome = self.make(wanted, &segments);
        let refused = matches!(outcome, Err(WhyNot::Reserve { .. }));
        let (media, note) = match outcome {
            Ok((media, note)) => (Some(media), note),
            Err(why) => (None, Some(why.to_string())),
        };
        let clip = Clip {
            layout: LAYOUT,
            id: wanted.request.id.clone(),
            number: self.desk.state.lock().index.number_clip(),
            court: wanted.court.to_string(),
            session: wanted.session.to_string(),
            reason: wanted.request.reason.clone(),
            from_ns: wanted.request.from_ns,
            to_ns: wanted.request.to_ns,
            pinned: media.is_some(),
            media,
            note,
            ended: None,
            made_ns: self.desk.clock.utc().as_nanos(),
            file: serde_json::Map::new(),
        };
        self.write(&clip, true)?;
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
        Ok(())
    }

    fn make(
        &self,
        wanted: &PendingCut,
        segments: &[SegmentEntry],
    ) -> Result<(Media, Option<String>), WhyNot> {
        let hold = wanted.hold();
        let desk = &self.desk;
        let mut opened: Vec<(u64, OpenedSegment)> = Vec::new();
        for entry in segments {
            let path = desk.places.segment(entry);
            // Only what the index knows to be on disk: the writer may be at work behind it.
            match open_segment(&*desk.disk, &path, entry.bytes, Verify::Last) {
                Ok(segment) => opened.push((entry.id, segment)),
                Err(error) => warn!(path = %path.display(), %error, "segment cannot be read"),
            }
        }
        let views: Vec<_> = opened.iter().map(|(id, open)| (*id, &open.scanned)).collect();
        let plan = plan(hold.from, hold.to, &views)?;
        self.check_reserve(&plan, &wanted.request.reason)?;
        let mut parts = Vec::new();
        for part in &plan.parts {
            let found = opened.iter().find(|(id, _)| *id == part.segment);
            let (_, segment) = found.ok_or(WhyNot::No(NoClip::NotRecorded))?;
            parts.push((part.clone(), segment.clone()));
        }
        let first = parts.first().map(|(_, segment)| segment.scanned.head.clone());
        let head = first.ok_or(WhyNot::No(NoClip::NotRecorded))?;
        let assembly = put_together(&parts).map_err(WhyNot::Read)?;
        let sha256 = assembly.sha256().map_err(WhyNot::Read)?;
        let media = Media {
            mime: format!("video/mp4; codecs=\"{}\"", head.codecs),
            bytes: assembly.len,
            sha256,
            start_ns: plan.start.media().as_nanos(),
            end_ns: plan.end.media().as_nanos(),
            width: head.width,
            height: head.height,
            parts: plan.parts,
        };
        Ok((media, plan.missing))
    }

    /// R6. What models disagree on leaves half of the reserve to what was told.
    fn check_reserve(&self, plan: &Plan, reason: &str) -> Result<(), WhyNot> {
        let state = self.desk.state.lock();
        let segments: Vec<_> = plan.parts.iter().map(|part| part.segment).collect();
        let more = state.index.bytes_to_pin(&segments);
        let pinned = state.index.pinned_bytes();
        let reserve = state.limits.reserve;
        let reserve = if reason == DISAGREEMENT { reserve / 2 } else { reserve };
        if pin_fits(pinned, more, reserve) {
            return Ok(());
        }
        Err(WhyNot::Reserve { more, pinned, reserve })
    }

    /// Makes an entry durable, then known. `fresh`: it is a new one.
    fn write(&mut self, clip: &Clip, fresh: bool) -> io::Result<()> {
        let desk = Arc::clone(&self.desk);
        let path = desk.places.clip(&clip.id);
        let touched = line(&ClipRecord::Touched { id: clip.id.clone() });
        self.log.append(&touched)?;
        self.log.sync()?;
        let json = clip.to_json();
        write_durably(&*desk.disk, &path, &json)?;
        let brief = clip.brief();
        let is = line(&ClipRecord::Is(brief.clone()));
        {
            let mut state = desk.state.lock();
            state.bytes_written += (touched.len() + json.len() + is.len()) as u64;
            if fresh || state.index.clip(&clip.id).is_some() {
                state.index.put_clip(brief);
            } else {
                drop(state);
                // Its segments were evicted while its entry was being written.
                return desk.disk.remove(&path);
            }
        }
        if let Err(error) = self.log.append(&is) {
            // "touched" stands: the next start reads the entry itself.
            debug!(clip = clip.id, %error, "clip not named in the index");
        }
        desk.writer_bell.ring();
        Ok(())
    }

    fn read(&self, id: &str) -> Result<Clip, AckError> {
        if self.desk.state.lock().index.clip(id).is_none() {
            return Err(AckError::Unknown);
        }
        let path = self.desk.places.clip(id);
        let bytes = read_whole(&*self.desk.disk, &path, MAX_JSON).map_err(AckError::Disk)?;
        Clip::read(&bytes).map_err(|why| match why {
            NoEntry::Newer(newer) => AckError::Newer { format: newer.format.format },
            NoEntry::Damaged => AckError::Unknown,
        })
    }

    fn acknowledge(&mut self, id: &str, sha256: Option<&str>) -> Result<Clip, AckError> {
        let clip = self.read(id)?;
        if let (Some(media), Some(said)) = (&clip.media, sha256)
            && !media.sha256.eq_ignore_ascii_case(said)
        {
            return Err(AckError::OtherBytes { is: media.sha256.clone() });
        }
        self.end_pin(id, PinEnd::Acknowledged)
    }

    fn end_pin(&mut self, id: &str, why: PinEnd) -> Result<Clip, AckError> {
        let mut clip = self.read(id)?;
        if clip.ended.is_none() {
            clip.pinned = false;
            clip.ended = Some(why);
            self.write(&clip, false).map_err(AckError::Disk)?;
            info!(clip = id, ?why, "pin ended");
        }
        Ok(clip)
    }

    /// Ends pins that nobody came for, and removes old entries that have no clip.
    fn expire(&mut self, monotonic: Monotonic) {
        let now = self.desk.clock.utc();
        if now < PLAUSIBLE || self.steady.since(monotonic, now) < STEADY {
            return; // the clock is not set, or not to be believed yet: nothing is old
        }
        let days = i64::from(self.desk.settings.pin_days);
        let old = now.plus_nanos(-days.saturating_mul(DAY_NS));
        let ahead = now.plus_nanos(DAY_NS);
        let due: Vec<_> = {
            let state = self.desk.state.lock();
            let wants = |clip: &&_| -> bool {
                let clip: &crate::clips::index::ClipBrief = clip;
                let made = UtcTime::from_nanos(clip.made_ns);
                let due = (made < old || made > ahead) && (clip.pinned || clip.segments.is_empty());
                due && !clip.unread
            };
            state.index.clips_after(0).filter(wants).cloned().collect()
        };
        for brief in due {
            let made = UtcTime::from_nanos(brief.made_ns);
            let done = if made < PLAUSIBLE || made > ahead {
                self.date(&brief.id, now)
            } else if brief.pinned {
                self.end_pin(&brief.id, PinEnd::Expired).map(|_| ())
            } else {
                self.remove(&brief.id)
            };
            if let Err(error) = done {
                warn!(clip = brief.id, %error, "old clip not ended");
            }
        }
    }

    /// The clock was not right when the clip was made: its days count from now.
    fn date(&mut self, id: &str, now: UtcTime) -> Result<(), AckError> {
        let mut clip = self.read(id)?;
        clip.made_ns = now.as_nanos();
        self.write(&clip, false).map_err(AckError::Disk)
    }

    fn remove(&mut self, id: &str) -> Result<(), AckError> {
        let gone = line(&ClipRecord::Gone { id: id.to_owned() });
        self.desk.state.lock().index.remove_clip(id);
        self.log.append(&gone).map_err(AckError::Disk)?;
        self.desk.disk.remove(&self.desk.places.clip(id)).map_err(AckError::Disk)
    }
}

/// How long the box's clock has gone along with the monotonic one (pure).
#[derive(Debug, Default)]
struct Steady {
    since: Monotonic,
    /// UTC less monotonic time, when it was looked at last.
    ahead_ns: Option<i64>,
}

impl Steady {
    fn since(&mut self, monotonic: Monotonic, utc: UtcTime) -> Duration {
        let ran = i64::try_from(monotonic.as_nanos()).unwrap_or(i64::MAX);
        let ahead = utc.as_nanos().saturating_sub(ran);
        let before = self.ahead_ns.replace(ahead);
        if before.is_none_or(|before| ahead.abs_diff(before) > STEP_NS.unsigned_abs()) {
            self.since = monotonic;
        }
        monotonic.since(self.since)
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
}
