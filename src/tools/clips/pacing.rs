//! The pace of an import: when the next picture of a recording may go.
//!
//! It may go when no hop has more waiting than it holds. What was sent and shows in no hop is under way, or kept back
//! until more comes: `ingest/joining.rs` knows of a picture of one slice only by the next message that it is whole,
//! and a decoder gives out late. Which of the two it is shows by nothing moving for a while. `tests/peers/imports.rs`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use tokio::sync::Notify;

use crate::answer::RimAnswer;
use crate::app::{AppHandle, Probe};
use crate::clock::Clock;
use crate::event::words::ModelCondition;
use crate::mailbox::hops;
use crate::media::{CourtId, Frame, Monotonic};

/// Sends no picture before the ones before it have been taken: by ring, decoder and every model.
pub(super) struct Pacer {
    handle: AppHandle,
    court: CourtId,
    passed: Arc<Passed>,
    /// Pictures: messages of one time are parts of one.
    pub(super) sent: u64,
    /// Time of the one sent last.
    last: Option<u32>,
    /// Pictures that were sent and will not come before more is: found out. Ingest waits with one until it knows
    /// that it is whole, and cannot use others.
    kept: u64,
    /// Pictures that the decoder keeps while it waits for more: found out.
    held: u64,
    /// Where all were when something moved last, and when that was.
    moved: (Waiting, Monotonic),
    clock: Arc<dyn Clock>,
}

/// Units that may wait for the ring: far below the 4 s that it takes.
const RING_WAITS: u64 = 30;
/// The most that a decoder is thought to keep.
const MOST_HELD: u64 = 64;

/// Nothing moves for so long while so many do not come: what is waited for comes behind what follows it. Longer the
/// more there are, since an ingest that stands still and then goes on gives its hop all of them at once: six in 2 s.
fn still(kept: u64) -> Duration {
    const STILL: Duration = Duration::from_millis(30);
    const DOUBLED_MOST: u64 = 5;
    STILL * (1 << kept.min(DOUBLED_MOST))
}
/// Nothing moves for so long: it will not go on. Far beyond one answer of a model on the slowest machine (chosen).
const STUCK: Duration = Duration::from_secs(60);

impl Pacer {
    pub(super) fn new(
        handle: AppHandle,
        court: CourtId,
        passed: Arc<Passed>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let moved = (Waiting::default(), clock.monotonic());
        Self { handle, court, passed, sent: 0, last: None, kept: 0, held: 1, moved, clock }
    }

    /// Waits until the picture of this time may go. Woken by a picture, by an answer, or by the clock.
    ///
    /// # Errors
    /// Nothing has moved for [`STUCK`], and where the pictures are.
    pub(super) async fn wait(&mut self, time: u32) -> anyhow::Result<()> {
        if self.last.replace(time) == Some(time) {
            return Ok(());
        }
        let mut still_since = self.clock.monotonic();
        loop {
            // Before the hops are looked at, so that nothing is missed between.
            let passed = self.passed.moved.notified();
            let waiting = self.where_all_are();
            let now = self.clock.monotonic();
            if waiting != self.moved.0 {
                (self.moved, still_since) = ((waiting, now), now);
            }
            // Both fields of a frame come as two.
            self.sent = self.sent.max(waiting.came);
            self.kept = self.kept.min(self.sent - waiting.came);
            if waiting.may_send(self.sent, (self.kept, self.held)) {
                break;
            }
            if tokio::time::timeout(Duration::from_millis(2), passed).await.is_ok() {
                still_since = self.clock.monotonic();
            }
            if waiting.all_rests() && now.since(still_since) >= still(self.kept) {
                self.rests(waiting);
                still_since = now;
            }
            if now.since(self.moved.1) < STUCK {
                continue;
            }
            if self.is_loading() {
                self.moved.1 = now; // an engine is made for minutes
            } else {
                bail!(
                    "nothing has moved for {} s: {} ({} pictures were sent). Is the machine that slow, or is this \
                     no picture that it can decode? `courtside doctor` tries the decoder and the models",
                    STUCK.as_secs(),
                    waiting.where_it_stays(),
                    self.sent
                );
            }
        }
        self.sent += 1;
        Ok(())
    }

    /// Nothing moves: what was sent and is nowhere comes with what follows it; what is inside the decoder too.
    fn rests(&mut self, waiting: Waiting) {
        let missing = self.sent - waiting.came;
        if missing > self.kept {
            self.kept = missing;
        } else {
            self.held = (self.held + 1).min(MOST_HELD);
        }
    }

    fn is_loading(&self) -> bool {
        let models = self.handle.models();
        models.bundles.iter().any(|model| model.condition == ModelCondition::Loading)
    }

    fn where_all_are(&self) -> Waiting {
        let mut waiting = Waiting::default();
        for (id, count) in self.handle.ledger().counts() {
            if id.court != self.court.as_str() {
                continue;
            }
            match id.hop.as_str() {
                hops::RING => waiting.ring = count.waiting,
                hops::DECODE => (waiting.came, waiting.decode) = (count.offered, count.waiting),
                hops::DECODER => waiting.decoder = count.waiting,
                hop if hop.starts_with("model:") => waiting.models += count.waiting,
                _ => {}
            }
        }
        waiting
    }
}

/// Where the pictures are that were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Waiting {
    came: u64,
    ring: u64,
    decode: u64,
    decoder: u64,
    models: u64,
}

impl Waiting {
    /// `kept` of those that were sent do not come before more is sent, `held` are inside the decoder.
    fn may_send(self, sent: u64, (kept, held): (u64, u64)) -> bool {
        // A model's hop holds two; what the decoder gives next must find room.
        let room = self.models <= 1 && self.decode <= 1 && self.decoder <= held;
        self.came + kept >= sent && room && self.ring <= RING_WAITS
    }

    /// True when all that came is in the decoder, or through.
    fn all_rests(self) -> bool {
        self.decode == 0 && self.models == 0
    }

    /// What holds the pictures up, in words.
    fn where_it_stays(self) -> String {
        match self {
            Self { came: 0, .. } => "the box takes no picture of it".to_owned(),
            Self { models, .. } if models > 1 => format!("{models} pictures wait for the models"),
            Self { ring, .. } if ring > RING_WAITS => format!("{ring} units wait for the ring"),
            Self { decode, decoder, .. } if decode + decoder > 0 => {
                format!("{} pictures wait for the decoder", decode + decoder)
            }
            Self { came, .. } => format!("the box has taken {came} pictures, and takes no more"),
        }
    }
}

/// Says when something has moved.
#[derive(Debug, Default)]
pub(super) struct Passed {
    moved: Notify,
}

impl Probe for Passed {
    fn frame(&self, _: &Frame) {
        self.moved.notify_one();
    }

    fn answer(&self, _: &RimAnswer) {
        self.moved.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ingest_keeps_until_the_next_comes_is_not_waited_for_and_every_hop_is() {
        // Sent, kept; came, ring, decode, decoder, models; whether the next may go.
        let rows = [
            ((1, 0), (0, 0, 0, 0, 0), false),
            ((1, 1), (0, 0, 0, 0, 0), true),
            ((3, 1), (1, 0, 0, 0, 0), false),
            ((3, 1), (2, 0, 0, 1, 1), true),
            ((3, 1), (2, 0, 2, 0, 0), false),
            ((3, 1), (2, 0, 0, 2, 0), false),
            ((3, 1), (2, 0, 0, 0, 2), false),
            ((3, 1), (2, 31, 0, 0, 0), false),
        ];
        for ((sent, kept), (came, ring, decode, decoder, models), expected) in rows {
            let waiting = Waiting { came, ring, decode, decoder, models };
            assert_eq!(waiting.may_send(sent, (kept, 1)), expected, "{waiting:?} of {sent}");
        }
    }

    #[test]
    fn the_words_say_where_the_pictures_stay() {
        let at = |came, decode, models| {
            Waiting { came, decode, models, ..Waiting::default() }.where_it_stays()
        };
        assert_eq!(at(0, 0, 0), "the box takes no picture of it");
        assert_eq!(at(9, 0, 2), "2 pictures wait for the models");
        assert_eq!(at(9, 2, 0), "2 pictures wait for the decoder");
        assert_eq!(at(9, 0, 0), "the box has taken 9 pictures, and takes no more");
    }

    #[test]
    fn an_ingest_that_stands_still_for_two_seconds_is_given_few_pictures_meanwhile() {
        let mut waited = Duration::ZERO;
        let given = (0..).take_while(|kept| {
            waited += still(*kept);
            waited < Duration::from_secs(2)
        });
        assert_eq!(given.count(), 6);
    }
}
