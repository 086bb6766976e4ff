//! The last lines of the log, in memory: for who cannot come to the box.
//!
//! As they stand on stderr, cleaned by the same net. Bounded in lines and bytes; nothing of it is on disk.

use std::collections::VecDeque;
use std::io;

use parking_lot::Mutex;

use crate::media::{Foreign, ForeignKind};

/// Lines that are kept, and their bytes.
const LINES: usize = 2_000;
const BYTES: usize = 512 << 10;

/// The process's own.
static TAIL: Tail = Tail::new();

#[derive(Debug)]
struct Tail(Mutex<Lines>);

#[derive(Debug)]
struct Lines {
    lines: VecDeque<Foreign>,
    bytes: usize,
}

impl Tail {
    const fn new() -> Self {
        Self(Mutex::new(Lines { lines: VecDeque::new(), bytes: 0 }))
    }

    fn put(&self, line: &[u8]) {
        let line = Foreign::bytes(ForeignKind::Told, line.trim_ascii_end());
        let mut kept = self.0.lock();
        kept.bytes += line.len();
        kept.lines.push_back(line);
        while kept.bytes > BYTES || kept.lines.len() > LINES {
            let Some(oldest) = kept.lines.pop_front() else { return };
            kept.bytes -= oldest.len();
        }
    }

    fn last(&self, most: usize, bytes: usize, contains: &str) -> Vec<Foreign> {
        let mut left = bytes;
        let fits = |line: &&Foreign| {
            // Quotes and a comma.
            let cost = line.len() + 3;
            let fits = cost <= left;
            left = left.saturating_sub(cost);
            fits
        };
        let kept = self.0.lock();
        let lines = kept.lines.iter().rev().filter(|line| line.contains(contains));
        let mut last: Vec<Foreign> = lines.take(most).take_while(fits).cloned().collect();
        last.reverse();
        last
    }
}

/// One event's line on its way.
pub(super) struct Writer;

/// For the log.
pub(super) const fn writer() -> Writer {
    Writer
}

impl io::Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        TAIL.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The last lines of the log that contain a text: so many at most, and so many bytes; the oldest first.
#[must_use]
pub fn log_tail(lines: usize, bytes: usize, contains: &str) -> Vec<Foreign> {
    TAIL.last(lines, bytes, contains)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_within_their_bounds() {
        let tail = Tail::new();
        for n in 0..3_000 {
            tail.put(format!("line {n} {}\n", "x".repeat(300)).as_bytes());
        }
        let bytes = tail.0.lock().bytes;
        assert!(bytes <= BYTES && bytes > BYTES / 2, "{bytes}");
        let text = |lines: Vec<Foreign>| -> Vec<String> {
            lines
                .iter()
                .map(|line| line.split(" x").next().unwrap_or_default().to_owned())
                .collect()
        };
        assert_eq!(text(tail.last(2, usize::MAX, "")), ["line 2998", "line 2999"]);
        assert_eq!(text(tail.last(9, 700, "")), ["line 2998", "line 2999"]);
        assert_eq!(text(tail.last(1, usize::MAX, "line 2990 ")), ["line 2990"]);
        assert!(tail.last(5, usize::MAX, "line 5 ").is_empty(), "it is gone");
    }
}
