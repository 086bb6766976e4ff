//! Whether times as sent run as the clock does (pure), and times by arrival where they do not.
//!
//! A camera's times are taken as they are sent: a network may delay a picture, its time stays right. That holds
//! while they mean something. Firmwares send times that stand still, count pictures, or run at half or double
//! speed; a recording by those is as long as they say, and nothing in it moves as it did. So stream time is held
//! against arrival, in windows of [`WINDOW`]:
//!
//! - more pictures a second of stream time than any camera takes: the times stand still;
//! - pictures arrive at the rate that the stream declares (metadata, VUI; of sound what a frame lasts) and their
//!   times say another one: the times are wrong. Where the times say the declared rate they are right, whatever
//!   the network does, and a file that is sent faster than it plays is what it is;
//! - nothing is declared: several windows run alike, off the clock, and the times are by now farther behind than a
//!   camera keeps pictures back, or ahead of all that came. Who catches up after a pause is not ahead.
//!
//! Times that jump again and again, or run to and fro, say nothing either: who places them sees that, and says so
//! ([`Pace::jumps`]). What was found holds for the rest of the publish.

use std::time::Duration;

use crate::media::{MediaTime, Monotonic};

/// What is held against the clock at once: bursts of two seconds are one window each (chosen).
const WINDOW: Duration = Duration::from_secs(2);
/// Pictures a second of stream time that no camera takes: more than are read of one.
const NO_CAMERA: i64 = 300;
/// So many in a window say that.
const ENOUGH: i64 = 20;
/// … or so few in a whole one: five a second.
const FEW: i64 = 8;
/// Off the clock by no more is on it: of a window's ends either may be late.
const ON_THE_CLOCK: f64 = 0.1;
/// Windows that must run alike where nothing is declared.
const ALIKE: usize = 3;
/// What cameras and encoders keep back while their link is slow, ms (chosen: OBS drops after one second, cameras
/// after four at most).
const KEPT_BACK_MS: i64 = 4_000;
/// Ahead of all that came before, ms: a server that hands on what it kept is ahead at once, and no further.
const AHEAD_MS: i64 = 1_000;

/// How a publish's times have run so far.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    first: Option<(i64, Monotonic)>,
    window: Option<Window>,
    /// Speeds of the last windows that were off the clock alike.
    off: Vec<f64>,
    /// The farthest that times were ahead of arrival, ms.
    ahead: i64,
    wrong: Option<Wrong>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    media: i64,
    arrival: Monotonic,
    count: i64,
}

/// Times that are not to be used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Wrong {
    /// Of the clock's speed.
    pub(crate) speed: f64,
    /// From one to the next, as they arrived, ns.
    pub(crate) step: f64,
    /// They jump, or run to and fro.
    pub(crate) jumps: bool,
}

impl Wrong {
    /// In words, for the court's state.
    pub(crate) fn text(&self) -> String {
        if self.jumps {
            return "its times jump again and again: it is recorded by arrival".to_owned();
        }
        if self.speed < 0.05 {
            return "its times stand still, or count its pictures: it is recorded by arrival"
                .to_owned();
        }
        format!(
            "its times run at {:.2} of the clock's speed: it is recorded by arrival",
            self.speed
        )
    }
}

impl Pace {
    /// What was found, if times are not to be used.
    pub(crate) const fn wrong(&self) -> Option<Wrong> {
        self.wrong
    }

    /// Times were found to jump again and again.
    pub(crate) const fn jumps(&mut self, step: f64) {
        if self.wrong.is_none() {
            self.wrong = Some(Wrong { speed: 1.0, step, jumps: true });
        }
    }

    /// Another run of timestamps begins.
    pub(crate) fn restart(&mut self) {
        let wrong = self.wrong;
        *self = Self { wrong, ..Self::default() };
    }

    /// Takes note of one that is due at `media` ms, of a stream that declares so many a second. True where its times
    /// were found to be wrong by it.
    pub(crate) fn saw(&mut self, media: i64, arrival: Monotonic, declared: Option<f64>) -> bool {
        if self.wrong.is_some() {
            return false;
        }
        let first = *self.first.get_or_insert((media, arrival));
        let Some(window) = &mut self.window else {
            self.window = Some(Window { media, arrival, count: 0 });
            return false;
        };
        window.count += 1;
        let Window { media: began, arrival: since, count } = *window;
        let (time, took) = (media.saturating_sub(began), arrival.since(since));
        let whole = took >= WINDOW;
        let stands = time.saturating_mul(NO_CAMERA) < count.saturating_mul(1_000)
            && (count >= ENOUGH || (whole && count >= FEW));
        if !stands && !whole {
            return false;
        }
        let took_ms = millis(took);
        let ahead = media.saturating_sub(first.0).saturating_sub(millis(arrival.since(first.1)));
        self.window = Some(Window { media, arrival, count: 0 });
        let (speed, step) = (ratio(time, took_ms), ratio(took_ms, count) * 1e6);
        if stands || self.is_off(speed, (time, took_ms, count), ahead, declared) {
            let speed = if stands { 0.0 } else { speed };
            self.wrong = Some(Wrong { speed, step, jumps: false });
            return true;
        }
        false
    }

    /// What a whole window says.
    fn is_off(
        &mut self,
        speed: f64,
        (time, took, count): (i64, i64, i64),
        ahead: i64,
        declared: Option<f64>,
    ) -> bool {
        let near = |value: f64| (value - 1.0).abs() <= ON_THE_CLOCK;
        if near(speed) {
            self.ahead = self.ahead.max(ahead);
            self.off.clear();
            return false;
        }
        if let Some(rate) = declared {
            let of = |span: i64| ratio(span, count) * rate / 1e3;
            if near(of(time)) {
                self.off.clear();
                return false;
            }
            if count >= FEW && near(of(took)) {
                return true;
            }
        }
        let alike = self.off.last().is_some_and(|last| near(speed / last));
        if !alike {
            self.off.clear();
        }
        self.off.push(speed);
        let far = if speed > 1.0 {
            ahead > self.ahead + AHEAD_MS
        } else {
            ahead < self.ahead - KEPT_BACK_MS
        };
        self.off.len() >= ALIKE && far
    }
}

/// Times by arrival: as even as they come on the whole, since what arrives together was not taken together.
#[derive(Debug)]
pub(crate) struct ByArrival {
    /// A time and when it was.
    base: (MediaTime, Monotonic),
    last: MediaTime,
    /// From one to the next, ns.
    step: f64,
}

impl ByArrival {
    /// How much of what it errs by is put right with each (chosen: a second's error is gone in two seconds).
    const RIGHTED: f64 = 0.05;
    /// Farther off than this it goes where it should be at once, ns.
    const LOST: f64 = 1e9;
    /// The shortest step, ns.
    const LEAST: f64 = 1e6;

    /// Begins behind `last`; `base` came then.
    pub(crate) fn new(base: (MediaTime, Monotonic), last: MediaTime, step: f64) -> Self {
        Self { base, last, step: step.clamp(Self::LEAST, Self::LOST) }
    }

    /// The time of the first one, where what was recorded is behind: it goes where it should be at once.
    pub(crate) fn begin(&mut self, arrival: Monotonic) -> MediaTime {
        self.last = self.due(arrival).max(self.last.plus_nanos(1_000_000));
        self.last
    }

    /// The time that it is at a moment.
    pub(crate) fn due(&self, arrival: Monotonic) -> MediaTime {
        let since = i64::try_from(arrival.since(self.base.1).as_nanos()).unwrap_or(i64::MAX);
        self.base.0.plus_nanos(since)
    }

    /// The time of the one that came then.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "clamped to a second"
    )]
    pub(crate) fn place(&mut self, arrival: Monotonic) -> MediaTime {
        let off = self.due(arrival).nanos_since(self.last) as f64 - self.step;
        let next = if off > Self::LOST {
            // Behind a pause.
            self.step + off
        } else {
            (self.step + off * Self::RIGHTED).clamp(self.step / 2.0, self.step * 2.0)
        };
        self.step = (self.step + off.clamp(-self.step, self.step) * 0.002).max(Self::LEAST);
        self.last = self.last.plus_nanos(next.max(Self::LEAST) as i64);
        self.last
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a window, and counts")]
fn ratio(of: i64, to: i64) -> f64 {
    of as f64 / to.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Monotonic {
        Monotonic::from_nanos(u64::try_from(ms).unwrap() * 1_000_000)
    }

    /// Plays (time as sent, arrival), ms; when the times were found wrong, and at which speed.
    fn found(
        declared: Option<f64>,
        sent: impl IntoIterator<Item = (i64, i64)>,
    ) -> Option<(i64, f64)> {
        let mut pace = Pace::default();
        let mut begun = None;
        for (media, arrival) in sent {
            let begun = *begun.get_or_insert(arrival);
            if pace.saw(media, at(arrival), declared) {
                return Some((arrival - begun, (pace.wrong()?.speed * 100.0).round() / 100.0));
            }
        }
        None
    }

    /// Thirty pictures a second for `seconds`: number → (time as sent, arrival).
    fn pictures(
        seconds: i64,
        of: impl Fn(i64, i64) -> (i64, i64),
    ) -> impl Iterator<Item = (i64, i64)> {
        (0..seconds * 30).map(move |n| of(n, n * 100 / 3))
    }

    #[test]
    fn times_that_stand_still_or_count_pictures_are_found_within_a_second() {
        for declared in [None, Some(30.0)] {
            for of in [|_: i64| 0, |_| 77_000, |n| n, |n| n * 2] {
                let (after, speed) =
                    found(declared, pictures(5, |n, now| (of(n), now))).expect("found");
                assert!(after <= 1_000 && speed == 0.0, "{after} {speed}");
            }
        }
        let slow = (0..40).map(|n| (0, n * 200));
        assert!(found(None, slow).is_some_and(|(after, _)| after <= 2_000), "five a second");
    }

    #[test]
    fn times_at_another_speed_are_found_by_the_declared_rate_and_without_one() {
        for (speed, at_most) in [(0.5, 10_100), (2.0, 8_000), (0.25, 8_000), (1.3, 8_000)] {
            #[expect(clippy::cast_possible_truncation, reason = "small")]
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let of = |_: i64, now: i64| ((now as f64 * speed) as i64, now);
            let (after, told) = found(Some(30.0), pictures(20, of)).expect("found");
            assert!(after <= 2_100 && (told - speed).abs() < 0.02, "{speed}: {after} {told}");
            let (after, told) = found(None, pictures(20, of)).expect("found");
            assert!(after <= at_most && (told - speed).abs() < 0.02, "{speed}: {after} {told}");
        }
    }

    #[test]
    fn right_times_are_never_found_wrong_whatever_the_network_does() {
        let minute = |of: &dyn Fn(i64, i64) -> (i64, i64)| pictures(60, of).collect::<Vec<_>>();
        let rows: [(&str, Vec<(i64, i64)>); 7] = [
            ("even", minute(&|_, now| (now, now))),
            ("jitter", minute(&|n, now| (now, now + n * 7 % 90))),
            ("bursts of 2 s", minute(&|_, now| (now, now / 2_000 * 2_000 + 2_000))),
            ("bursts of 5 s", minute(&|_, now| (now, now / 5_000 * 5_000 + 5_000))),
            (
                "gone for 10 s, then at twice the pace",
                minute(&|_, now| {
                    let late = now.max(20_000).max(20_000 + (now - 10_000).max(0) / 2);
                    (now, if now < 10_000 { now } else { late.max(now) })
                }),
            ),
            (
                "a server's ten seconds at once",
                minute(&|_, now| (now, (now - 10_000).max(now / 100))),
            ),
            ("half the pictures of what is declared", minute(&|n, now| (now / 2 * 2, now + n % 2))),
        ];
        for (name, sent) in rows {
            assert_eq!(found(None, sent.iter().copied()), None, "{name}");
            assert_eq!(found(Some(30.0), sent.iter().copied()), None, "{name}, 30 declared");
        }
        // A link that takes half: the times say what is declared. A file that is sent ten times as fast, too.
        assert_eq!(found(Some(30.0), pictures(60, |_, now| (now, now * 2))), None);
        assert_eq!(found(Some(30.0), pictures(600, |_, now| (now, now / 10))), None);
    }

    #[test]
    fn by_arrival_a_recording_is_as_long_as_it_took_and_even() {
        let burst = |now: i64| now / 500 * 500 + 500;
        for arrival in [&|now: i64| now + now % 7 * 3, &burst] as [&dyn Fn(i64) -> i64; 2] {
            let start = MediaTime::from_millis(5_000);
            let mut tested = ByArrival::new((start, at(arrival(0))), start, 33e6);
            let mut last = start;
            let mut longest = 0;
            for (_, now) in pictures(60, |n, now| (n, now)) {
                let next = tested.place(at(arrival(now)));
                assert!(next > last, "no two at once");
                longest = longest.max(next.nanos_since(last));
                last = next;
            }
            let took = last.nanos_since(start) / 1_000_000;
            assert!((58_800..=61_200).contains(&took), "{took} ms of a minute");
            assert!(longest <= 70_000_000, "{longest} ns between two");
            let paused = tested.place(at(70_000 + arrival(0)));
            assert!(paused.nanos_since(start) / 1_000_000 >= 69_000, "a pause stays a pause");
        }
    }
}
