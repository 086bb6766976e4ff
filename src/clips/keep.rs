//! Keeps what somebody asks for: an interval becomes a clip as one of the outbox does, a clip that there
//! is gets its pin again. The same again changes nothing and is answered the same.

use tokio::sync::oneshot;
use tracing::info;

use crate::clips::clip::{Clip, Kept};
use crate::clips::cutter::Cutter;
use crate::clips::desk::{ChangeError, Keeping, MAX_PENDING, PendingCut};
use crate::clips::index::Hold;
use crate::clips::keeping::{Interval, Keep, KeepWhat};
use crate::clips::news::told;
use crate::clips::timeline::Ticks;
use crate::event::ClipRequest;
use crate::event::words::ClipWord;
use crate::media::{CourtId, MediaTime, SessionId};

impl Cutter {
    /// Does it, or has it done once the interval was recorded.
    pub(crate) fn keep(&mut self, keep: Keep, reply: oneshot::Sender<Result<Clip, ChangeError>>) {
        let now_ns = self.desk.clock.utc().as_nanos();
        let Keep { what, reason, note, until, by } = keep;
        let until_ns = until.map(|until| until.as_nanos());
        let kept = Kept { reason, note, by, at_ns: now_ns, until_ns };
        let wanted = match what {
            KeepWhat::Clip(id) => {
                drop(reply.send(self.keep_again(&id, kept)));
                return;
            }
            KeepWhat::Interval(interval, id) => self.wanted(&interval, id, &kept),
        };
        match wanted {
            Ok(mut wanted) => {
                let now = self.desk.clock.monotonic();
                wanted.keep = Some(Keeping { kept, reply });
                self.waiting.push((wanted, now));
            }
            // Whoever asked may be gone.
            Err(Wanted::Is(id)) => drop(reply.send(self.keep_again(&id, kept))),
            Err(Wanted::Not(why)) => drop(reply.send(Err(why))),
        }
    }

    /// Finds the interval, and holds it.
    fn wanted(
        &self,
        interval: &Interval,
        id: Option<String>,
        kept: &Kept,
    ) -> Result<PendingCut, Wanted> {
        let span = self.desk.find(interval).map_err(Wanted::Not)?;
        let session = SessionId::parse(&span.session);
        let session = session.ok_or(Wanted::Not(ChangeError::Unknown))?;
        let ms = |time: MediaTime| time.as_nanos() / 1_000_000;
        let id = id.unwrap_or_else(|| {
            format!("{}-{session}-{}-{}", span.court, ms(span.from), ms(span.to))
        });
        let request = ClipRequest {
            id: id.clone(),
            from_ns: span.from.as_nanos(),
            to_ns: span.to.as_nanos(),
            reason: kept.reason.as_str().to_owned(),
            ..ClipRequest::default()
        };
        let asked = self.desk.clock.monotonic();
        let cut = PendingCut { court: span.court, session, request, asked, keep: None };
        let known = self.desk.state.lock().index.clip(&id).is_some();
        if known {
            let is = self.entries.read(&id).map_err(Wanted::Not)?;
            let same = (&is.court[..], &is.session[..], is.from_ns, is.to_ns)
                == (
                    cut.court.as_str(),
                    &session.to_string()[..],
                    cut.request.from_ns,
                    cut.request.to_ns,
                );
            return Err(if same { Wanted::Is(id) } else { Wanted::Not(ChangeError::Taken { id }) });
        }
        let mut state = self.desk.state.lock();
        if state.waiting >= MAX_PENDING || state.index.is_held(&id) {
            return Err(Wanted::Not(ChangeError::Busy));
        }
        state.index.hold(&id, cut.hold());
        state.waiting += 1;
        Ok(cut)
    }

    /// Gives a clip its pin again, or says more of it. Held meanwhile: nothing of it goes.
    pub(crate) fn keep_again(&mut self, id: &str, kept: Kept) -> Result<Clip, ChangeError> {
        let mut clip = self.entries.read(id)?;
        let Some(media) = &clip.media else {
            return Err(match clip.deleted_ns {
                Some(_) => ChangeError::Gone,
                None => ChangeError::NoBytes { why: clip.note.unwrap_or_default() },
            });
        };
        let segments: Vec<_> = media.parts.iter().map(|part| part.segment).collect();
        let hold = Hold {
            court: CourtId::new(&clip.court).map_err(|_| ChangeError::Unknown)?,
            session: clip.session.clone(),
            from: Ticks::of(MediaTime::from_nanos(media.start_ns)),
            to: Ticks::of(MediaTime::from_nanos(media.end_ns)),
        };
        // No clip's name: it cannot begin so.
        let name = format!(".{id}");
        {
            let mut state = self.desk.state.lock();
            if state.index.clip(id).is_none_or(|brief| brief.gone_ns.is_some()) {
                return Err(ChangeError::Gone);
            }
            state.index.hold(&name, hold);
        }
        let done = self.pin_again(&mut clip, &segments, kept);
        self.desk.state.lock().index.release(&name);
        done.map(|()| clip)
    }

    fn pin_again(
        &mut self,
        clip: &mut Clip,
        segments: &[u64],
        kept: Kept,
    ) -> Result<(), ChangeError> {
        let said = |kept: &Kept| (kept.reason.clone(), kept.note.clone(), kept.until_ns);
        if clip.pinned && clip.kept.as_ref().is_some_and(|had| said(had) == said(&kept)) {
            return Ok(()); // asked again
        }
        if !clip.pinned {
            self.fits_reserve(segments, &clip.reason).map_err(|[more, pinned, reserve]| {
                ChangeError::Reserve { more, pinned, reserve }
            })?;
        }
        clip.pinned = true;
        clip.ended = None;
        if clip.kept.is_some() {
            clip.revision = clip.revision.saturating_add(1);
        }
        clip.made_ns = kept.at_ns; // its days count from now
        clip.kept = Some(kept);
        let event = told(clip, ClipWord::Kept, clip.revision);
        let due = self.entries.due(event).map_err(ChangeError::Disk)?;
        self.entries.write(clip).map_err(ChangeError::Disk)?;
        info!(clip = clip.id, court = clip.court, "clip kept again");
        self.entries.news.tell(due);
        Ok(())
    }
}

/// What is with an interval that is to be kept and need not be cut.
enum Wanted {
    /// There is a clip of it.
    Is(String),
    /// It cannot be kept.
    Not(ChangeError),
}
