//! What becomes of clips, on its way to the outbox as `courtside.clip.v1`: each at least once, in order.
//!
//! Order: a line that it is due (`newslog`), synced → the change is on disk → the outbox is handed it →
//! the outbox has it on its own disk → that is written down. A stop before the change leaves a line of
//! what never was, which the next start lets go; one after it leaves a line that the next start tells.
//! What a start finds to be gone, and nobody wrote down, it tells too.
//!
//! The ring never waits for the outbox: what finds no room there waits, [`MAX_NEWS`] at most; beyond
//! that the oldest is let go, counted and told in the log.

use std::collections::VecDeque;
use std::io;

use tokio::sync::oneshot;
use tracing::{error, warn};

use crate::clips::clip::{Clip, Media};
use crate::clips::newslog::{Item, NewsLog};
use crate::event::clip::ClipTold;
use crate::event::words::ClipWord;
use crate::event::{Decision, Event, FactId, Family, Saying};
use crate::mailbox::Mailbox;
use crate::media::{CourtId, Foreign, MediaTime, SessionId, UtcTime};

/// Chosen: all that a box may have of clips that are gone, in some 8 MB.
const MAX_NEWS: usize = 16_384;
/// An outbox that drops it so often has a reason to.
const TRIES: u32 = 3;

/// News that are due, and wait for the change that they tell of.
#[derive(Debug, Default)]
#[must_use = "what is due is told once it came about"]
pub(crate) struct Due(Vec<Item>);

/// News that wait for the outbox.
#[derive(Debug)]
pub(crate) struct News {
    outbox: Option<Mailbox<Decision>>,
    log: NewsLog,
    waiting: VecDeque<Item>,
    /// Handed over; each with the word that the outbox has it on its disk.
    handed: VecDeque<(Item, oneshot::Receiver<()>)>,
    /// Due, and not told: the change failed, and may yet be on disk. A start knows.
    in_doubt: u64,
    /// The outbox dropped that one so often.
    dropped: (u64, u32),
    lost: u64,
}

impl News {
    pub(crate) fn new(outbox: Option<Mailbox<Decision>>, mut log: NewsLog) -> Self {
        let waiting = log.take_found().into();
        let (handed, dropped) = (VecDeque::new(), (0, 0));
        Self { outbox, log, waiting, handed, in_doubt: 0, dropped, lost: 0 }
    }

    /// Writes down that it is to be told. Returns the bytes written, too.
    ///
    /// # Errors
    /// What the file system says: then the change that it tells of must not be made.
    pub(crate) fn due(&mut self, event: Option<Event>) -> io::Result<(Due, u64)> {
        let (items, written) = self.write(event.into_iter().collect());
        written.map(|bytes| (Due(items), bytes))
    }

    /// The same of what came about already: it is told in any case.
    pub(crate) fn due_of_past(&mut self, events: Vec<Event>) -> (Due, u64) {
        let (items, written) = self.write(events);
        let written = written.unwrap_or_else(|error| {
            warn!(%error, "news of clips are not on disk: a stop before they are told loses them");
            0
        });
        (Due(items), written)
    }

    fn write(&mut self, events: Vec<Event>) -> (Vec<Item>, io::Result<u64>) {
        if self.outbox.is_none() {
            return (Vec::new(), Ok(0)); // there is nobody to tell
        }
        let (items, written) = self.log.due(events);
        self.in_doubt += items.len() as u64;
        (items, written)
    }

    /// It came about: tells the world, as soon as there is room.
    pub(crate) fn tell(&mut self, Due(items): Due) {
        self.in_doubt -= items.len() as u64;
        self.waiting.extend(items);
        while self.waiting.len() > MAX_NEWS {
            self.waiting.pop_front();
            self.lose();
        }
        self.hand_on();
    }

    fn lose(&mut self) {
        self.lost += 1;
        if self.lost.is_power_of_two() {
            warn!(lost = self.lost, "news of clips let go: the outbox takes none");
        }
    }

    /// Hands on what there is room for, and writes down what the outbox has.
    pub(crate) fn hand_on(&mut self) {
        self.settle();
        let Some(outbox) = &self.outbox else { return };
        while let Some(item) = self.waiting.pop_front() {
            let (waits, on_disk) = oneshot::channel();
            let decision = Decision { waits: Some(waits), ..Decision::from(item.event()) };
            if outbox.try_offer(decision).is_err() {
                self.waiting.push_front(item);
                return;
            }
            self.handed.push_back((item, on_disk));
        }
    }

    fn settle(&mut self) {
        let mut told = None;
        while let Some((item, on_disk)) = self.handed.front_mut() {
            match on_disk.try_recv() {
                Ok(()) => told = Some(item.n),
                Err(oneshot::error::TryRecvError::Empty) => break,
                Err(oneshot::error::TryRecvError::Closed) => {
                    let n = item.n;
                    let times = if self.dropped.0 == n { self.dropped.1 + 1 } else { 1 };
                    self.dropped = (n, times);
                    if times < TRIES {
                        // All behind it too, so that their order stays.
                        let again = self.handed.drain(..).map(|(item, _)| item);
                        let mut again: VecDeque<_> = again.collect();
                        again.append(&mut self.waiting);
                        self.waiting = again;
                        break;
                    }
                    error!(clip = item.of_clip(), state = %item.state(), "the outbox drops it: not told");
                    told = Some(n);
                }
            }
            self.handed.pop_front();
        }
        if let Some(n) = told {
            let rest = !self.waiting.is_empty() || !self.handed.is_empty() || self.in_doubt > 0;
            self.log.told(n, rest);
        }
    }
}
/// The event of a clip whose bytes went, as it is seen since.
pub(crate) fn told_gone(clip: &Clip) -> Option<Event> {
    told(clip, ClipWord::Gone, clip.revision.saturating_add(1))
}

/// The event of what became of a clip. `None` for an entry whose names are none.
pub(crate) fn told(clip: &Clip, state: ClipWord, revision: u32) -> Option<Event> {
    let session = SessionId::parse(&clip.session)?;
    let court = CourtId::new(&clip.court).ok()?;
    let media = clip.media.as_ref();
    let (from, to) = media.map_or((clip.from_ns, clip.to_ns), Media::shown_ns);
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
