//! Keeps what somebody asks for: an interval becomes a clip as one of the outbox does, a clip that there
//! is gets its pin again. The same again changes nothing and is answered the same.

use std::time::Duration;

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
use crate::media::{CourtId, Foreign, MediaTime, SessionId};

impl Cutter {
    /// Does it, or has it done once the interval was recorded.
    pub(crate) fn keep(
        &mut self,
        keep: Keep,
        named: oneshot::Sender<String>,
        reply: oneshot::Sender<Result<Clip, ChangeError>>,
    ) {
        let now_ns = self.desk.clock.utc().as_nanos();
        let Keep { what, reason, note, until, by } = keep;
        let until_ns = until.map(|until| until.as_nanos());
        let kept = Kept { reason, note, by, at_ns: now_ns, until_ns };
        let last = last_of(&what);
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
                // Whoever asked may be gone.
                drop(named.send(wanted.request.id.clone()));
                wanted.keep = Some(Keeping { kept, last, reply });
                self.waiting.push((wanted, now));
            }
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
        let last = match interval {
            Interval::Last { by, .. } => Some(*by),
            Interval::Stream { .. } | Interval::Wall { .. } => None,
        };
        let span = self.desk.find(interval).map_err(Wanted::Not)?;
        // "The last minute" is another one when it is asked for again: while it is made it is the same wish.
        if id.is_none()
            && let Some(id) = last.and_then(|last| self.making(&span.court, last, kept))
        {
            return Err(Wanted::Not(ChangeError::Making { id }));
        }
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
        let cut =
            PendingCut { court: span.court, session, request, asked, keep: None, long: false };
        let known = self.desk.state.lock().index.clip(&id).is_some();
        if known {
            let is = self.entries.read(&id).map_err(Wanted::Not)?;
            let same = match last {
                Some(last) => is.court == cut.court.as_str() && is_long(is.from_ns, is.to_ns, last),
                None => {
                    (&is.court[..], &is.session[..], is.from_ns, is.to_ns)
                        == (
                            cut.court.as_str(),
                            &session.to_string()[..],
                            cut.request.from_ns,
                            cut.request.to_ns,
                        )
                }
            };
            return Err(if same { Wanted::Is(id) } else { Wanted::Not(ChangeError::Taken { id }) });
        }
        let hold = Hold { game: self.game_of(&cut), ..cut.hold() };
        let mut state = self.desk.state.lock();
        if let Some(held) = state.index.held(&id) {
            let (from, to) = (held.from.media().as_nanos(), held.to.media().as_nanos());
            let same = match last {
                Some(last) => held.court == cut.court && is_long(from, to, last),
                None => *held == Hold { game: held.game.clone(), ..hold.clone() },
            };
            let why = ChangeError::Making { id: id.clone() };
            return Err(Wanted::Not(if same { why } else { ChangeError::Taken { id } }));
        }
        if state.waiting >= MAX_PENDING {
            return Err(Wanted::Not(ChangeError::Busy));
        }
        state.unmade.retain(|(unmade, _)| *unmade != id);
        state.index.hold(&id, hold);
        state.waiting += 1;
        Ok(cut)
    }

    /// The clip that is made of the last so much of a court, wanted in the same words.
    fn making(&self, court: &CourtId, last: Duration, kept: &Kept) -> Option<String> {
        let same = |cut: &&PendingCut| {
            cut.court == *court
                && cut.keep.as_ref().is_some_and(|keeping| {
                    keeping.last == Some(last) && said(&keeping.kept) == said(kept)
                })
        };
        let found = self.waiting.iter().map(|(cut, _)| cut).find(same);
        found.map(|cut| cut.request.id.clone())
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
            game: clip.game.clone(),
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

/// What somebody said, but for when.
fn said(kept: &Kept) -> (Foreign, Option<Foreign>, Option<i64>) {
    (kept.reason.clone(), kept.note.clone(), kept.until_ns)
}

fn last_of(what: &KeepWhat) -> Option<Duration> {
    match what {
        KeepWhat::Interval(Interval::Last { by, .. }, _) => Some(*by),
        _ => None,
    }
}

/// True of an interval of that length, as far as ticks tell.
fn is_long(from_ns: i64, to_ns: i64, by: Duration) -> bool {
    let by = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
    to_ns.saturating_sub(from_ns).saturating_sub(by).saturating_abs() < 1_000_000
}

/// What is with an interval that is to be kept and need not be cut.
enum Wanted {
    /// There is a clip of it.
    Is(String),
    /// It cannot be kept.
    Not(ChangeError),
}
