//! What becomes of clips, on its way to the outbox as `courtside.clip.v1`.
//!
//! The ring never waits for the outbox: what finds no room there waits here, [`MAX_NEWS`] at most;
//! beyond that the oldest is let go, counted and told in the log. Nothing of it is kept over a restart:
//! what a clip is, and what became of it, stands in its entry.

use std::collections::VecDeque;

use tracing::warn;

use crate::clips::clip::Clip;
use crate::event::clip::ClipTold;
use crate::event::words::ClipWord;
use crate::event::{Decision, Event, FactId, Family, Saying};
use crate::mailbox::Mailbox;
use crate::media::{CourtId, Foreign, MediaTime, SessionId, UtcTime};

/// Chosen: four times what the outbox takes at once, and less than a megabyte.
const MAX_NEWS: usize = 1024;

/// News that wait for room.
#[derive(Debug)]
pub(crate) struct News {
    outbox: Option<Mailbox<Decision>>,
    waiting: VecDeque<Decision>,
    lost: u64,
}

impl News {
    pub(crate) const fn new(outbox: Option<Mailbox<Decision>>) -> Self {
        Self { outbox, waiting: VecDeque::new(), lost: 0 }
    }

    /// Tells the world, as soon as there is room.
    pub(crate) fn tell(&mut self, event: Option<Event>) {
        let (Some(event), Some(_)) = (event, &self.outbox) else { return };
        if self.waiting.len() >= MAX_NEWS {
            self.waiting.pop_front();
            self.lost += 1;
            if self.lost.is_power_of_two() {
                warn!(lost = self.lost, "news of clips let go: the outbox takes none");
            }
        }
        self.waiting.push_back(Decision::from(event));
        self.hand_on();
    }

    /// Hands on what there is room for.
    pub(crate) fn hand_on(&mut self) {
        let Some(outbox) = &self.outbox else { return };
        while let Some(next) = self.waiting.pop_front() {
            if let Err(next) = outbox.try_offer(next) {
                self.waiting.push_front(next);
                return;
            }
        }
    }
}

/// The event of what became of a clip. `None` for an entry whose names are none.
pub(crate) fn told(clip: &Clip, state: ClipWord, revision: u32) -> Option<Event> {
    let session = SessionId::parse(&clip.session)?;
    let court = CourtId::new(&clip.court).ok()?;
    let media = clip.media.as_ref();
    let (from, to) =
        media.map_or((clip.from_ns, clip.to_ns), |media| (media.start_ns, media.end_ns));
    let (from, to) = (MediaTime::from_nanos(from), MediaTime::from_nanos(to));
    let kept = clip.kept.as_ref();
    let note = match state {
        ClipWord::Kept => kept.and_then(|kept| kept.note.clone()),
        _ => clip.note.as_ref().map(Foreign::text),
    };
    let until = kept.and_then(|kept| kept.until_ns).filter(|_| state == ClipWord::Kept);
    let until = until.map(|until| UtcTime::from_nanos(until).to_rfc3339());
    let told = ClipTold {
        id: clip.id.clone(),
        clip: format!("/v1/clips/{}", clip.id),
        state,
        reason: kept.map_or_else(|| Foreign::text(&clip.reason), |kept| kept.reason.clone()),
        note,
        t_from: from.as_secs_f64(),
        t_to: to.as_secs_f64(),
        bytes: media.map(|media| media.bytes),
        sha256: media.map(|media| media.sha256.clone()),
        until,
    };
    let n = u32::try_from(clip.number).unwrap_or(u32::MAX);
    Some(Event {
        court,
        session,
        game: None,
        fact: FactId::new(session, Family::Clip, n),
        revision,
        attempt: 0,
        at: from,
        saying: Saying::Clip(told),
        clip: None,
    })
}
