//! How long a relay waits before its next try. Pure.

use std::time::Duration;

/// After the first try that came to nothing (chosen: what restarts is found soon).
const FIRST: Duration = Duration::from_secs(1);
/// … and the longest, for ever: a server that comes back is found within a minute.
const LONGEST: Duration = Duration::from_secs(60);
/// A server that took the stream for so long is a good one, whatever ended it (chosen).
const GOOD_AFTER: Duration = Duration::from_secs(10);

/// Tries in a row that came to nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    failed: u32,
}

impl Backoff {
    /// A try came to nothing, or its server let go of a stream that it had taken for `forwarded`. Returns
    /// the time before the next one; `random` spreads those of many boxes over half of it.
    pub(crate) fn failed(&mut self, forwarded: Duration, random: u8) -> Duration {
        if forwarded >= GOOD_AFTER {
            self.failed = 0;
        }
        let whole = (FIRST * (1 << self.failed.min(6))).min(LONGEST);
        self.failed = self.failed.saturating_add(1);
        whole / 2 + whole / 2 * u32::from(random) / 255
    }

    /// The stream was forwarded to its end.
    pub(crate) fn well(&mut self) {
        self.failed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_a_minute_and_begins_anew_once_a_server_was_good() {
        let mut backoff = Backoff::default();
        let nothing = Duration::ZERO;
        let seconds: Vec<u64> = (0..9).map(|_| backoff.failed(nothing, 255).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        // One that takes the stream for a second each time is no good one.
        assert_eq!(backoff.failed(Duration::from_secs(1), 0), Duration::from_secs(30));
        assert_eq!(backoff.failed(GOOD_AFTER, 0), Duration::from_millis(500));
        assert_eq!(backoff.failed(nothing, 255), Duration::from_secs(2));
        backoff.well();
        assert_eq!(backoff.failed(nothing, 255), Duration::from_secs(1));
    }
}
