//! How far a command has come: a bar on a terminal; a plain line now and then where there is none, as in a service's log.
//!
//! [`Pace`] says when a line is due (pure): once a tenth more is done, and every ten seconds in between, moved or not, so
//! that a log tells one that stands still from one that ended. A last line says where it ended.

use std::io::IsTerminal as _;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::clock::{Clock as _, SystemClock};
use crate::tools::tell::remark;

/// A log hears so often of what goes on …
const EVERY: Duration = Duration::from_secs(10);
/// … and of a tenth more no sooner than this: what takes a second is one line.
const LEAST: Duration = Duration::from_secs(1);
/// It is looked at so often.
const LOOK: Duration = Duration::from_millis(250);

/// A bar that goes on by itself where nothing moves; of no length where that is not known yet.
pub(super) fn bar(length: Option<u64>, style: &str) -> ProgressBar {
    let bar = ProgressBar::new(length.unwrap_or(0));
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(LOOK);
    bar
}

/// When a line is due.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    last: Duration,
    tenth: u64,
}

impl Pace {
    /// True if a line is due `now`, since the beginning, with so many tenths done; the next is counted from there.
    pub(super) fn is_due(&mut self, now: Duration, tenth: u64) -> bool {
        let since = now.saturating_sub(self.last);
        let is_due = since >= EVERY || (tenth > self.tenth && since >= LEAST);
        if is_due {
            *self = Self { last: now, tenth };
        }
        is_due
    }
}

/// Says what a bar would show, where nobody sees one, until it is dropped.
pub(super) struct Lines {
    ends: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What a line says: of what is done, of how much, since when.
pub(super) type Line = fn(u64, u64, Duration) -> String;

impl Lines {
    /// None on a terminal: there the bar is.
    pub(super) fn beside(bar: &ProgressBar, line: Line) -> Option<Self> {
        if std::io::stderr().is_terminal() {
            return None;
        }
        let bar = bar.clone();
        let (ends, ended) = sync_channel(1);
        let tells = move || {
            let clock = SystemClock::new();
            let begun = clock.monotonic();
            let (mut pace, mut last) = (Pace::default(), None);
            loop {
                let is_over = ended.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout);
                let (done, all) = (bar.position(), bar.length().unwrap_or(0));
                let now = clock.monotonic().since(begun);
                let is_due = pace.is_due(now, tenth(done, all));
                if is_due || (is_over && last != Some((done, all))) {
                    remark(line(done, all, now));
                    last = Some((done, all));
                }
                if is_over {
                    return;
                }
            }
        };
        // Without a thread there are no lines, and all else is as it was.
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(tells).ok();
        Some(Self { ends: Some(ends), thread })
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // It ends as this hangs up, and says its last line first.
        drop(self.ends.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

const fn tenth(done: u64, all: u64) -> u64 {
    match done.saturating_mul(10).checked_div(all) {
        Some(tenth) => tenth,
        None => 0,
    }
}

/// Percent, as a line has it.
pub(super) const fn percent(done: u64, all: u64) -> u64 {
    match done.saturating_mul(100).checked_div(all) {
        Some(percent) => percent,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_a_tenth_or_ten_seconds_after_the_last() {
        let mut pace = Pace::default();
        let mut due = |ms, tenth| pace.is_due(Duration::from_millis(ms), tenth);
        assert!(!due(500, 9), "what takes a second is one line");
        assert!(due(1000, 3));
        assert!(!due(1500, 4));
        assert!(due(2000, 4));
        assert!(!due(9000, 4));
        assert!(due(12_000, 4), "it stands still");
        assert!(!due(21_999, 4));
        assert!(due(22_000, 4), "and is told again and again");
        assert!(due(23_000, 10));
        // More came than was known of.
        assert!(!due(25_000, 5));
        assert!(due(33_000, 5));
        assert_eq!([tenth(0, 0), tenth(99, 1000), tenth(1000, 1000)], [0, 0, 10]);
        assert_eq!([percent(0, 0), percent(1, 3)], [0, 33]);
    }

    #[test]
    fn what_ends_at_once_has_its_last_line() {
        let bar = ProgressBar::hidden();
        bar.set_length(10);
        static SAID: parking_lot::Mutex<Vec<(u64, u64)>> = parking_lot::Mutex::new(Vec::new());
        let line: Line = |done, all, _| {
            SAID.lock().push((done, all));
            String::from("so far")
        };
        let lines = Lines::beside(&bar, line);
        let is_terminal = lines.is_none();
        bar.set_position(10);
        drop(lines);
        let expected = if is_terminal { vec![] } else { vec![(10, 10)] };
        assert_eq!(*SAID.lock(), expected);
    }
}
