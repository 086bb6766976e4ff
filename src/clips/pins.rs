//! Pins that end by themselves, and entries that have said for long enough that there is nothing.

use std::time::Duration;

use tracing::warn;

use crate::clips::clip::PinEnd;
use crate::clips::entries::Entries;
use crate::clips::index::ClipBrief;
use crate::media::{Monotonic, UtcTime};

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
/// Entries of clips that went are kept for `pin_days`, and so many at most, whatever the clock says
/// (chosen: a season of a box, at some 700 bytes each).
const MAX_GONE: usize = 20_000;

/// When the pins were looked through, and whether the clock can be believed.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    looked: Option<Monotonic>,
    steady: Steady,
}

impl Pins {
    /// Looks through them if it is time.
    pub(crate) fn pump(&mut self, entries: &mut Entries, now: Monotonic) {
        if self.looked.is_some_and(|at| now.since(at) < EXPIRE) {
            return;
        }
        self.looked = Some(now);
        forget_the_oldest(entries);
        self.expire(entries, now);
    }

    /// Ends pins that nobody came for, and removes old entries that have no clip.
    fn expire(&mut self, entries: &mut Entries, monotonic: Monotonic) {
        let now = entries.desk.clock.utc();
        if now < PLAUSIBLE || self.steady.since(monotonic, now) < STEADY {
            return; // the clock is not set, or not to be believed yet: nothing is old
        }
        let days = i64::from(entries.desk.settings.pin_days);
        let old = now.plus_nanos(-days.saturating_mul(DAY_NS));
        let ahead = now.plus_nanos(DAY_NS);
        let due: Vec<_> = {
            let state = entries.desk.state.lock();
            let clips = state.index.clips_after(0).filter(|clip| !clip.unread);
            clips.filter(|clip| Due::of(clip, now, old, ahead).is_some()).cloned().collect()
        };
        for brief in due {
            let done = match Due::of(&brief, now, old, ahead) {
                Some(Due::Undated) => entries.date(&brief.id, now),
                Some(Due::Ends) => entries.end_pin(&brief.id, PinEnd::Expired).map(|_| ()),
                Some(Due::Goes) => entries.remove(&brief.id),
                None => Ok(()),
            };
            if let Err(error) = done {
                warn!(clip = brief.id, %error, "old clip not ended");
            }
        }
    }
}

/// What is due with a clip (pure).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// The clock was not right when it was made.
    Undated,
    /// Its pin ends.
    Ends,
    /// Its entry goes.
    Goes,
}

impl Due {
    fn of(clip: &ClipBrief, now: UtcTime, old: UtcTime, ahead: UtcTime) -> Option<Self> {
        let made = UtcTime::from_nanos(clip.made_ns);
        if let Some(gone) = clip.gone_ns.map(UtcTime::from_nanos) {
            return (gone < old || gone > ahead).then_some(Self::Goes);
        }
        if !clip.pinned && !clip.segments.is_empty() {
            return None; // it goes with its segments
        }
        let undated = made < PLAUSIBLE || made > ahead;
        match clip.until_ns.map(UtcTime::from_nanos).filter(|_| clip.pinned) {
            Some(until) => (until < now).then_some(Self::Ends),
            None if undated => Some(Self::Undated),
            None if made >= old => None,
            None => Some(if clip.pinned { Self::Ends } else { Self::Goes }),
        }
    }
}

fn forget_the_oldest(entries: &mut Entries) {
    let going: Vec<_> = {
        let state = entries.desk.state.lock();
        let over = state.index.gone_count().saturating_sub(MAX_GONE);
        let gone = state.index.clips_after(0).filter(|clip| clip.gone_ns.is_some());
        gone.take(over).map(|clip| clip.id.clone()).collect()
    };
    for id in going {
        if let Err(error) = entries.remove(&id) {
            warn!(clip = id, %error, "old entry not removed");
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_with_a_clip_hangs_on_its_pin_its_date_and_what_was_said() {
        let day = |n: i64| PLAUSIBLE.plus_nanos((1000 + n) * DAY_NS);
        let clip =
            |made: UtcTime, pinned, until: Option<UtcTime>, gone: Option<UtcTime>| ClipBrief {
                id: "x".into(),
                number: 1,
                segments: if pinned { vec![1] } else { Vec::new() },
                pinned,
                made_ns: made.as_nanos(),
                until_ns: until.map(UtcTime::as_nanos),
                gone_ns: gone.map(UtcTime::as_nanos),
                sum: None,
                unread: false,
            };
        let never = UtcTime::from_nanos(0);
        for (brief, due) in [
            (clip(day(0), true, None, None), None),
            (clip(day(-31), true, None, None), Some(Due::Ends)),
            (clip(day(-31), false, None, None), Some(Due::Goes)),
            (clip(never, true, None, None), Some(Due::Undated)),
            // What somebody said counts, longer or shorter than the days.
            (clip(day(-31), true, Some(day(1)), None), None),
            (clip(day(-1), true, Some(day(-1)), None), Some(Due::Ends)),
            (clip(never, true, Some(day(-1)), None), Some(Due::Ends)),
            (clip(day(-99), false, None, Some(day(-1))), None),
            (clip(day(-99), false, None, Some(day(-31))), Some(Due::Goes)),
        ] {
            assert_eq!(Due::of(&brief, day(0), day(-30), day(1)), due, "{brief:?}");
        }
    }
}
