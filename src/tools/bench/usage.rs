//! What this process takes of the machine: processor time, of publishers' threads apart, and memory.

use std::fs;
use std::path::Path;

use crate::disk::read_regular_text;
use crate::tools::bench::memory;

/// What the names of publishers' threads begin with: what they take is the bench's, not the box's.
pub(crate) const PUBLISHER: &str = "publisher";
/// The name of the thread that all relays run on.
const RELAYS: &str = "relays";
/// Longest file of the kernel's that is read here, bytes.
const MOST: u64 = 64 << 10;
/// Linux counts processor time in hundredths of a second, whatever machine it is on (`USER_HZ`).
const A_SECOND: f64 = 100.0;

/// Seconds of processor time since the start: of the box, and of its publishers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Processor {
    pub(crate) ours: f64,
    pub(crate) publishers: f64,
    /// Of the box's, its relays' thread.
    pub(crate) relays: f64,
}

impl Processor {
    /// Now.
    pub(crate) fn now() -> Self {
        let (mut publishers, mut relays) = (0.0, 0.0);
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        for task in tasks {
            let stat = read_regular_text(&task.path().join("stat"), MOST).unwrap_or_default();
            match stat_of(&stat) {
                Some((name, seconds)) if name.starts_with(PUBLISHER) => publishers += seconds,
                Some((RELAYS, seconds)) => relays += seconds,
                _ => {}
            }
        }
        let whole = read_regular_text(Path::new("/proc/self/stat"), MOST).unwrap_or_default();
        let whole = stat_of(&whole).map_or(0.0, |(_, seconds)| seconds);
        Self { ours: (whole - publishers).max(0.0), publishers, relays }
    }

    /// Cores that were busy in the `seconds` since `before`: of the box, and of its publishers.
    pub(crate) fn cores_since(self, before: Self, seconds: f64) -> (f64, f64) {
        let cores = |now: f64, then: f64| (now - then).max(0.0) / seconds.max(1e-3);
        (cores(self.ours, before.ours), cores(self.publishers, before.publishers))
    }

    /// Cores that the thread of the box's relays took meanwhile.
    #[cfg_attr(not(feature = "gstreamer"), expect(dead_code, reason = "asked by benches of video"))]
    pub(crate) fn relays_since(self, before: Self, seconds: f64) -> f64 {
        (self.relays - before.relays).max(0.0) / seconds.max(1e-3)
    }
}

/// Name and seconds of `/proc/self/stat`, or of a task's (proc(5): fields 2, 14 and 15).
fn stat_of(stat: &str) -> Option<(&str, f64)> {
    // A name may hold blanks and brackets of its own.
    let (head, rest) = stat.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((name, (ticks()? + ticks()?) / A_SECOND))
}

/// What the process has in memory, bytes; `None` where the kernel does not say.
pub(crate) fn resident() -> Option<u64> {
    memory::of_this_process("VmRSS:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_hides_no_time() {
        let stat = "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0 77";
        assert_eq!(stat_of(stat), Some(("a) b (c", 2.0)));
        assert_eq!(stat_of("12 (a"), None);
    }

    /// Works for so many seconds of processor time.
    fn work(seconds: f64, spent: fn(Processor) -> f64) {
        let begun = spent(Processor::now());
        let mut sum = 0_u64;
        while spent(Processor::now()) - begun < seconds {
            sum = (0..1_000_000_u64).fold(sum, |sum, n| sum.rotate_left(1) ^ n);
        }
        assert!(std::hint::black_box(sum) != 1);
    }

    #[test]
    fn what_publishers_take_is_not_the_boxs() {
        assert!(resident().is_some_and(|bytes| bytes > 1 << 20));
        let before = Processor::now();
        let publisher = std::thread::Builder::new().name(format!("{PUBLISHER}-1"));
        // It is asked while it lives.
        let (told, tell) = std::sync::mpsc::sync_channel(0);
        let (end, ended) = std::sync::mpsc::sync_channel::<()>(0);
        let thread = publisher.spawn(move || {
            work(0.05, |spent| spent.publishers);
            told.send(Processor::now()).expect("told");
            let _closed = ended.recv();
        });
        let after = tell.recv().expect("told");
        drop(end);
        thread.expect("started").join().expect("ends");
        let (_, publishers) = after.cores_since(before, 1.0);
        assert!(publishers >= 0.05, "{publishers}");
    }
}
