//! What a fleet takes of the machine: processor time by thread, memory, descriptors, threads.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::disk::read_regular_text;

/// Longest file of the kernel's that is read here, bytes.
const MOST: u64 = 64 << 10;
/// Linux counts processor time of other processes in hundredths of a second (`USER_HZ`).
const A_SECOND: f64 = 100.0;

/// What a process has of the machine now.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    /// Seconds of processor time, by the first word of its threads' names. Of threads that live.
    pub(super) seconds: BTreeMap<String, f64>,
    /// In memory, bytes.
    pub(super) resident: u64,
    pub(super) threads: u64,
    pub(super) descriptors: u64,
}

/// Processor time of a part, in thousandths of a second a second.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Busy(pub(super) BTreeMap<String, f64>);

impl Usage {
    /// Of this process.
    pub(super) fn of_us() -> Self {
        let mut seconds = BTreeMap::new();
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        for task in tasks {
            let name = read_regular_text(&task.path().join("comm"), MOST).unwrap_or_default();
            let ran = read_regular_text(&task.path().join("schedstat"), MOST).unwrap_or_default();
            if let Some(ran) = ran_of(&ran) {
                *seconds.entry(part(&name)).or_default() += ran;
            }
        }
        let (resident, threads) = status(Path::new("/proc/self/status"));
        let descriptors = fs::read_dir("/proc/self/fd").map_or(0, |names| names.count() as u64);
        Self { seconds, resident, threads, descriptors }
    }

    /// Of a process of ours.
    pub(super) fn of(process: u32) -> Self {
        let folder = Path::new("/proc").join(process.to_string());
        let stat = read_regular_text(&folder.join("stat"), MOST).unwrap_or_default();
        let whole = seconds_of(&stat).unwrap_or_default();
        let (resident, threads) = status(&folder.join("status"));
        let descriptors = fs::read_dir(folder.join("fd")).map_or(0, |names| names.count() as u64);
        Self {
            seconds: BTreeMap::from([("whole".to_owned(), whole)]),
            resident,
            threads,
            descriptors,
        }
    }

    /// How busy each part was in the `seconds` since `before`, ms/s.
    pub(super) fn since(&self, before: &Self, seconds: f64) -> Busy {
        let busy = |(part, now): (&String, &f64)| {
            let then = before.seconds.get(part).copied().unwrap_or_default();
            (part.clone(), (now - then).max(0.0) * 1e3 / seconds.max(1e-3))
        };
        Busy(self.seconds.iter().map(busy).collect())
    }
}

impl Busy {
    /// Of the parts that a box consists of, for one of `boxes`, ms/s.
    pub(super) fn a_box(&self, parts: &[&str], boxes: usize) -> f64 {
        let sum: f64 = parts.iter().filter_map(|part| self.0.get(*part)).sum();
        #[expect(clippy::cast_precision_loss, reason = "a count of boxes")]
        let boxes = boxes.max(1) as f64;
        sum / boxes
    }
}

/// `fleet-net-3` is one of `fleet-net`.
fn part(name: &str) -> String {
    name.trim().trim_end_matches(|c: char| c.is_ascii_digit() || c == '-').to_owned()
}

/// Seconds on a processor of `schedstat` (proc(5): its first figure, ns).
fn ran_of(schedstat: &str) -> Option<f64> {
    let nanos = schedstat.split_whitespace().next()?.parse::<f64>().ok()?;
    Some(nanos / 1e9)
}

/// Seconds of `stat` (proc(5): fields 14 and 15).
fn seconds_of(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / A_SECOND)
}

/// Bytes in memory, and threads.
fn status(file: &Path) -> (u64, u64) {
    let text = read_regular_text(file, MOST).unwrap_or_default();
    let figure = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().split(' ').next()?.parse::<u64>().ok()
    };
    (figure("VmRSS:").unwrap_or_default() * 1024, figure("Threads:").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_kernel_are_read() {
        assert_eq!(ran_of("178296918 213796392 71\n"), Some(0.178_296_918));
        assert_eq!(seconds_of("1 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0"), Some(2.0));
        for (name, expected) in
            [("outbox\n", "outbox"), ("fleet-net-1", "fleet-net"), ("gate", "gate")]
        {
            assert_eq!(part(name), expected);
        }
        let us = Usage::of_us();
        assert!(us.resident > 1 << 20 && us.threads > 1 && us.descriptors > 2, "{us:?}");
        assert!(us.seconds.values().sum::<f64>() > 0.0, "{us:?}");
        assert!(Usage::of(std::process::id()).resident > 1 << 20);
    }
}
