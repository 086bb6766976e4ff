//! The real clocks: the one place that reads them.

use std::fs;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::clock::time::{Clock, Reached, Wake};
use crate::media::{Monotonic, UtcTime};

/// The system's clocks. `monotonic` counts from the boot, to some 10 ms, so that what was stored
/// before a restart of the daemon can still be compared.
#[derive(Debug)]
pub struct SystemClock {
    origin: Instant,
    /// Time since the boot at `origin`; zero where the kernel does not say.
    booted: Duration,
}

fn since_boot() -> Duration {
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = uptime.split_whitespace().next().and_then(|text| text.parse::<f64>().ok());
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or_default()
}

impl SystemClock {
    /// Starts counting.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the real clocks")]
    pub fn new() -> Self {
        Self { origin: Instant::now(), booted: since_boot() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Monotonic {
        Monotonic::ZERO.plus(self.booted).plus(self.origin.elapsed())
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the real clocks")]
    fn utc(&self) -> UtcTime {
        let nanos = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_nanos()).unwrap_or(i64::MAX),
        };
        UtcTime::from_nanos(nanos)
    }

    fn boot(&self) -> String {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let id = id.trim();
        if id.is_empty() {
            // No other run has this one.
            return format!("unknown-{}-{}", std::process::id(), self.utc().as_nanos());
        }
        id.to_owned()
    }

    fn reached(&self, at: Monotonic) -> Reached {
        Box::pin(tokio::time::sleep(at.since(self.monotonic())))
    }

    /// It moves by itself: who waits for it bounds the wait.
    fn when_moved(&self, _wake: Wake) {}
}
