//! What becomes of each picture of each court, for `bench courts`: when it was sent, decoded, answered.
//!
//! A picture is known by its court and its time in the stream. Of those that were answered while it is
//! measured sixteen bytes are kept, so that a long run hardly grows by what is measured.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;

use crate::answer::RimAnswer;
use crate::app::Probe;
use crate::clock::Clock;
use crate::media::{CourtId, Frame, MediaTime, Monotonic};
use crate::tools::bench::spread::Spread;

/// What came of the pictures of all courts.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Figures {
    /// From a picture's last byte given to the network to its answer, ms.
    pub(crate) answer: Spread,
    /// From the same to the picture out of the decoder.
    pub(crate) decoded: Spread,
    /// From the picture out of the decoder to its answer: queue, cut, network.
    pub(crate) looked: Spread,
    /// By how much pictures left late, through no fault of the box.
    pub(crate) late: Spread,
    /// Pictures that were sent while it was measured …
    pub(crate) pictures: u64,
    /// … and have no answer, though the model was to look at them.
    pub(crate) unanswered: u64,
    /// Passed over by design: the model takes fewer pictures a second.
    pub(crate) passed_over: u64,
}

/// Notes when each picture of each court passed each place.
#[derive(Debug)]
pub(crate) struct Watched {
    clock: Arc<dyn Clock>,
    /// What was sent since then counts, nanoseconds; nothing yet.
    from: AtomicU64,
    // A lock a court: written from its publisher's thread, its decoder's and the model's, a line at a time.
    courts: BTreeMap<CourtId, Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Under way, or lost.
    under_way: BTreeMap<MediaTime, Passed>,
    answers: bool,
    done: Vec<Done>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Passed {
    sent: Option<(Monotonic, Duration)>,
    decoded: Option<Monotonic>,
    answered: Option<Monotonic>,
}

/// Microseconds.
#[derive(Clone, Copy, Debug)]
struct Done {
    answer: u32,
    decoded: u32,
    looked: u32,
    late: u32,
}

impl Watched {
    pub(crate) fn of<'a>(
        courts: impl Iterator<Item = &'a CourtId>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let courts = courts.map(|court| (court.clone(), Mutex::default())).collect();
        Self { clock: Arc::clone(clock), from: AtomicU64::new(u64::MAX), courts }
    }

    fn note(&self, court: &CourtId, media: MediaTime, note: impl FnOnce(&mut Passed)) {
        let Some(seen) = self.courts.get(court) else { return };
        let mut seen = seen.lock();
        let passed = seen.under_way.entry(media).or_default();
        note(passed);
        // A publisher that has to wait for a core may say so after the answer.
        let Passed { sent: Some((sent, late)), decoded, answered: Some(answered) } = *passed else {
            return;
        };
        seen.under_way.remove(&media);
        seen.answers = true;
        if sent.as_nanos() >= self.from.load(Ordering::Relaxed) {
            let micros = |took: Duration| u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
            let decoded = decoded.unwrap_or(answered);
            seen.done.push(Done {
                answer: micros(answered.since(sent)),
                decoded: micros(decoded.since(sent)),
                looked: micros(answered.since(decoded)),
                late: micros(late),
            });
        }
    }

    pub(crate) fn sent(&self, court: &CourtId, media: MediaTime, late: Duration) {
        let now = self.clock.monotonic();
        self.note(court, media, |passed| passed.sent = Some((now, late)));
    }

    /// Courts of which a picture was answered.
    pub(crate) fn answering(&self) -> u32 {
        let answering = self.courts.values().filter(|seen| seen.lock().answers);
        u32::try_from(answering.count()).unwrap_or(u32::MAX)
    }

    /// What is sent from now on counts, and nothing from before.
    pub(crate) fn begin(&self, now: Monotonic) {
        self.from.store(now.as_nanos(), Ordering::Relaxed);
        self.courts.values().for_each(|seen| seen.lock().done.clear());
    }

    /// Of what was sent since the beginning. Of the pictures that have left the decoder and have no answer
    /// so many were passed over; at most one a court is of before.
    pub(crate) fn figures(&self, passed_over: u64) -> Figures {
        let from = self.from.load(Ordering::Relaxed);
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let (mut done, mut inside, mut decoded) = (Vec::new(), 0, 0);
        for seen in self.courts.values() {
            let seen = seen.lock();
            done.extend_from_slice(&seen.done);
            for passed in seen.under_way.values() {
                if passed.sent.is_some_and(|(at, _)| at.as_nanos() >= from) {
                    *if passed.decoded.is_some() { &mut decoded } else { &mut inside } += 1;
                }
            }
        }
        let passed_over = passed_over.min(decoded);
        let spread = |of: fn(&Done) -> u32| {
            Spread::of(done.iter().map(|done| Duration::from_micros(of(done).into())))
        };
        Figures {
            answer: spread(|done| done.answer),
            decoded: spread(|done| done.decoded),
            looked: spread(|done| done.looked),
            late: spread(|done| done.late),
            pictures: inside + decoded + count(done.len()),
            unanswered: inside + decoded - passed_over,
            passed_over,
        }
    }
}

impl Probe for Watched {
    fn frame(&self, frame: &Frame) {
        self.note(&frame.court, frame.pts, |passed| passed.decoded = Some(frame.decoded));
    }

    fn answer(&self, answer: &RimAnswer) {
        self.note(&answer.court, answer.pts, |passed| passed.answered = Some(answer.answered));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::media::UtcTime;

    #[test]
    fn a_picture_is_known_by_court_and_time_whoever_speaks_first_and_a_lost_one_is_told() {
        let manual = Arc::new(ManualClock::at(UtcTime::from_nanos(0)));
        let clock = Arc::clone(&manual) as Arc<dyn Clock>;
        let courts = ["east", "west"].map(|name| CourtId::new(name).expect("a name"));
        let watched = Watched::of(courts.iter(), &clock);
        let [east, west] = &courts;
        let at = MediaTime::from_millis;
        let ms = Duration::from_millis;
        let answered = |court: &CourtId, media, after: u64| {
            let now = clock.monotonic();
            watched.note(court, media, |passed| {
                passed.decoded = Some(now.plus(ms(after / 2)));
                passed.answered = Some(now.plus(ms(after)));
            });
        };
        // Before it is measured.
        watched.sent(east, at(0), ms(0));
        answered(east, at(0), 900);
        assert_eq!(watched.answering(), 1);
        manual.advance(ms(1000));
        watched.begin(clock.monotonic());
        // The same time at two courts; one is told of its sending late.
        watched.sent(east, at(33), ms(1));
        answered(east, at(33), 10);
        answered(west, at(33), 20);
        watched.sent(west, at(33), ms(3));
        // Lost.
        watched.sent(west, at(66), ms(0));
        let round = watched.figures(7);
        assert_eq!((round.pictures, round.unanswered, round.answer.n), (3, 1, 2));
        assert_eq!(round.passed_over, 0, "it never left the decoder");
        assert_eq!((round.answer.p50_ms, round.answer.max_ms), (10.0, 20.0));
        assert_eq!((round.looked.max_ms, round.late.max_ms), (10.0, 3.0));
        assert_eq!(watched.answering(), 2);
        // Left the decoder: one of them was passed over by design.
        for media in [66, 99] {
            watched.sent(west, at(media), ms(0));
            watched.note(west, at(media), |passed| passed.decoded = Some(clock.monotonic()));
        }
        let round = watched.figures(1);
        assert_eq!((round.pictures, round.unanswered, round.passed_over), (4, 1, 1));
    }
}
