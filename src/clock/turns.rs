//! Whose turn it is where there are fewer cores than threads that want one.
//!
//! A call hangs on the threads that read what a camera sends, decode, look, keep the game and write; so does
//! whoever looks at the page meanwhile. Where the system lets us they come before all others of the machine that
//! are as usual (`LimitNICE` of the unit; root),
//! else they are as good as any. What no call depends on stands back behind all of them, which nobody needs a
//! permission for. Both are of the calling thread alone and of those that it makes (Linux).

use std::path::Path;
use std::time::Duration;

use crate::disk::read_regular_text;

/// Niceness of a thread that does neither.
const USUAL: i32 = 0;
/// … of one that stands back (setpriority(2)).
const BACK: i32 = 10;
/// … of one that comes first: about three times the share of one as usual.
const FIRST: i32 = -5;
/// … of one that comes before those: twice theirs.
const BEFORE: i32 = -8;

/// Has the calling thread come before those that no call depends on, where the system lets us.
pub fn come_first() {
    set(FIRST);
}

/// Has the calling thread come before those that come first: one that serves every court with little work each,
/// and would lose pictures of all to the decoder of one.
pub fn come_before_all() {
    set(BEFORE);
}

/// Has the calling thread, which came before others, be as any other again.
pub fn as_usual() {
    set(USUAL);
}

/// Has the calling thread stand back behind all others of the process.
pub fn stand_back() {
    set(BACK);
}

/// How long a thread waited for a core that others had, as the kernel counts it (proc(5), `schedstat`: its second
/// number, ns).
#[derive(Debug, Default)]
pub struct Waits {
    counted: bool,
    before: Duration,
}

impl Waits {
    /// Those of the calling thread, from now on; none where the kernel does not tell.
    #[must_use]
    pub fn of_this_thread() -> Self {
        let mut waits = Self { counted: true, ..Self::default() };
        waits.lately();
        waits
    }

    /// What was waited since this was last asked, on the thread that it is of.
    pub fn lately(&mut self) -> Duration {
        if !self.counted {
            return Duration::ZERO;
        }
        let text = read_regular_text(Path::new("/proc/thread-self/schedstat"), 96).ok();
        let waited = text.and_then(|text| text.split_whitespace().nth(1)?.parse().ok());
        let waited = waited.map_or(self.before, Duration::from_nanos);
        waited.saturating_sub(std::mem::replace(&mut self.before, waited))
    }
}

/// What a thread is among others, for another one that works for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn(i32);

impl Turn {
    /// Of the calling thread.
    #[must_use]
    pub fn ours() -> Self {
        Self(rustix::process::getpriority_process(None).unwrap_or(USUAL))
    }

    /// Has the calling thread be like that, where the system lets us.
    pub fn take(self) {
        set(self.0);
    }
}

/// Absolute, since a thread has that of the one that made it.
fn set(niceness: i32) {
    // Nobody by name is the calling thread (Linux). Refused is as usual.
    let _refused_is_as_usual = rustix::process::setpriority_process(None, niceness);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    fn nice() -> i32 {
        rustix::process::getpriority_process(None).expect("told")
    }

    #[test]
    fn what_a_thread_waits_for_is_counted_and_what_it_works_is_not() {
        // Of four threads a core each has a quarter of the time.
        let work = || {
            let mut waits = Waits::of_this_thread();
            assert_eq!(waits.lately().as_secs(), 0, "from now on");
            let clock = SystemClock::new();
            let began = clock.monotonic();
            while clock.monotonic().since(began) < Duration::from_millis(400) {}
            waits.lately()
        };
        let cores = std::thread::available_parallelism().expect("told").get();
        let threads: Vec<_> = (0..4 * cores).map(|_| std::thread::spawn(work)).collect();
        for thread in threads {
            let waited = thread.join().expect("ends");
            assert!((50..=2_000).contains(&waited.as_millis()), "{waited:?}");
        }
        assert_eq!(Waits::default().lately(), Duration::ZERO, "nobody tells");
    }

    #[test]
    fn a_thread_moves_itself_alone_and_what_it_makes() {
        let usual = nice();
        let child = std::thread::spawn(|| {
            stand_back();
            (nice(), std::thread::spawn(nice).join().expect("ends"))
        });
        assert_eq!(child.join().expect("ends"), (BACK.max(usual), BACK.max(usual)));
        assert_eq!(nice(), usual, "others are as they were");
        let first = std::thread::spawn(|| {
            come_first();
            let made = std::thread::spawn(|| {
                come_first();
                nice()
            });
            let made = made.join().expect("ends");
            let first = nice();
            as_usual();
            (first, made, nice())
        });
        let (first, made, after) = first.join().expect("ends");
        let like = std::thread::spawn(|| {
            stand_back();
            let back = Turn::ours();
            std::thread::spawn(move || {
                back.take();
                nice()
            })
        });
        let like = like.join().and_then(std::thread::JoinHandle::join).expect("ends");
        assert_eq!(like, BACK.max(usual), "who works for another one is as that is");
        // Refused without a permission, which is no error.
        assert!(first == FIRST || first == usual, "{first}");
        assert_eq!(made, first, "once is as good as twice");
        assert!(after == USUAL || after == usual, "{after}");
    }
}
