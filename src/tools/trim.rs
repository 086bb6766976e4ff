//! When the heap is told to give back what is free in it.
//!
//! After an hour of many courts, or of peers that ask for much and go, most of an arena is free and little of it
//! goes back by itself (`heap`). Giving it back holds each arena's lock for a moment, and what is needed again is
//! fetched page by page: so it is done when much has become free, and not twice within [`REST`].

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tracing::debug;

use crate::clock::{Clock, Ticks};
use crate::disk::read_regular_text;
use crate::media::Monotonic;
use crate::tools::heap;

/// How often it is looked (chosen: a look takes some 0.1 ms).
const EVERY: Duration = Duration::from_secs(5);
/// The least time from one giving back to the next (chosen: some 10 ms for 100 MB, so a thousandth of the time).
const REST: Duration = Duration::from_secs(10);
/// What must have become free since the last time, bytes (chosen: courts that play move 10 to 20 MB of it about; a
/// court of 1920×1080 that ended leaves more).
const WORTH: u64 = 32 << 20;
/// Longest `/proc/self/status` that is read, bytes.
const STATUS: u64 = 64 << 10;

/// Decides by memory that is there and not in use.
#[derive(Clone, Copy, Debug, Default)]
struct Trimming {
    /// The least that was there since the last giving back: stacks, devices, pages with a little in them.
    least: Option<u64>,
    last: Option<Monotonic>,
}

impl Trimming {
    /// True if it is time to give back, `unused` bytes being there and not in use.
    fn is_due(&mut self, now: Monotonic, unused: u64) -> bool {
        let least = self.least.map_or(unused, |least| least.min(unused));
        self.least = Some(least);
        self.last.is_none_or(|last| now.since(last) >= REST) && unused - least >= WORTH
    }

    /// It was given back, and `unused` bytes are left.
    fn done(&mut self, now: Monotonic, unused: u64) {
        (self.least, self.last) = (Some(unused), Some(now));
    }
}

/// Looks again and again, for as long as it is polled.
pub(super) async fn keep(clock: Arc<dyn Clock>) {
    let mut trimming = Trimming::default();
    let mut ticks = Ticks::new(&clock, EVERY);
    loop {
        ticks.tick().await;
        let clock = Arc::clone(&clock);
        // Not on the network's threads: the heap's locks are waited for.
        let looked = tokio::task::spawn_blocking(move || look(&*clock, trimming)).await;
        // It ends early with the runtime alone.
        let Ok(looked) = looked else { return };
        trimming = looked;
    }
}

fn look(clock: &dyn Clock, mut trimming: Trimming) -> Trimming {
    let begin = clock.monotonic();
    if let Some(before) = unused()
        && trimming.is_due(begin, before)
    {
        heap::give_back_free();
        let now = clock.monotonic();
        let left = unused().unwrap_or(before);
        trimming.done(now, left);
        debug!(bytes = before.saturating_sub(left), took = ?now.since(begin), "memory given back");
    }
    trimming
}

/// Bytes of this process that are in memory, belong to no file and are not in use. `None` where nobody says.
///
/// Pieces that nobody has written to yet are in use and not in memory, so this may say too little, never too much.
fn unused() -> Option<u64> {
    let status = read_regular_text(Path::new("/proc/self/status"), STATUS).ok()?;
    Some(resident(&status)?.saturating_sub(heap::in_use()?))
}

/// `RssAnon` of `/proc/self/status`, bytes.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MB: u64 = 1 << 20;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::ZERO.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn what_became_free_is_given_back_once() {
        let mut trimming = Trimming::default();
        for (second, unused, left) in [
            (0, 100, None),
            (5, 120, None),
            (10, 131, None),
            (15, 132, Some(95)),
            // What attackers free goes back after a rest.
            (20, 400, None),
            (25, 400, Some(96)),
            (40, 127, None),
            // A device took 200 MB for itself: in vain, and once.
            (45, 296, Some(296)),
            (55, 296, None),
            (60, 327, None),
            (65, 328, Some(300)),
            // It let go of it: what becomes free after that counts again.
            (80, 90, None),
            (85, 122, Some(90)),
        ] {
            let due = trimming.is_due(at(second), unused * MB);
            assert_eq!(due, left.is_some(), "{unused} MB after {second} s");
            if let Some(left) = left {
                trimming.done(at(second), left * MB);
            }
        }
    }

    #[test]
    fn the_kernel_s_words_are_understood() {
        let status = "VmRSS:\t  186368 kB\nRssAnon:\t  109000 kB\nRssFile:\t   77000 kB\n";
        assert_eq!(resident(status), Some(109_000 << 10));
        for odd in
            ["", "RssAnon:", "RssAnon: 1", "RssAnon: x kB", "RssAnon: 18446744073709551615 kB"]
        {
            assert_eq!(resident(odd), None, "{odd}");
        }
    }

    #[cfg(all(target_env = "gnu", target_os = "linux"))]
    #[test]
    fn this_process_is_asked() {
        let all = read_regular_text(Path::new("/proc/self/status"), STATUS).unwrap();
        let all = resident(&all).unwrap();
        assert!(all > MB && heap::in_use().unwrap() > 0 && unused().unwrap() < 2 * all);
    }

    proptest! {
        /// Whatever comes and goes: never twice within the rest, and what stays free is given back by its end.
        #[test]
        fn it_rests_and_it_does_not_forget(looks in proptest::collection::vec((0..600 * MB, 0..40 * MB), 1..60)) {
            let (mut trimming, mut given) = (Trimming::default(), None);
            let mut least = u64::MAX;
            for (nth, (unused, left)) in looks.into_iter().enumerate() {
                let now = at(5 * nth as u64);
                least = least.min(unused);
                let due = trimming.is_due(now, unused);
                let rests = given.is_some_and(|given| now.since(given) < REST);
                prop_assert_eq!(due, !rests && unused - least >= WORTH);
                if due {
                    let left = left.min(unused);
                    trimming.done(now, left);
                    (given, least) = (Some(now), left);
                }
            }
        }
    }
}
