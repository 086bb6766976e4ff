//! The real clocks, and one that tests move by hand.

use std::fs;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::media::{Monotonic, UtcTime};

/// The system's clocks. `monotonic` counts from the boot, to some 10 ms, so that what was stored
/// before a restart of the daemon can still be compared.
#[derive(Debug)]
pub struct SystemClock {
    origin: Instant,
    /// Time since the boot at `origin`; zero where the kernel does not say.
    booted: Duration,
}

/// Returns the kernel's name of this boot; one that no other run has where it gives none.
#[must_use]
pub fn boot_id() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let id = id.trim();
    if id.is_empty() {
        let nanos = SystemClock::new().utc().as_nanos();
        return format!("unknown-{}-{nanos}", std::process::id());
    }
    id.to_owned()
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
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<(Monotonic, UtcTime)>,
}

impl ManualClock {
    /// Stands at `utc`, monotonic 0.
    #[must_use]
    pub const fn at(utc: UtcTime) -> Self {
        Self { now: Mutex::new((Monotonic::ZERO, utc)) }
    }

    /// Moves both clocks.
    pub fn advance(&self, by: Duration) {
        let mut now = self.now.lock();
        now.0 = now.0.plus(by);
        now.1 = now.1.plus_nanos(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX));
    }

    /// Steps UTC alone, as an administrator or NTP does.
    pub fn step_utc(&self, to: UtcTime) {
        self.now.lock().1 = to;
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Monotonic {
        self.now.lock().0
    }

    fn utc(&self) -> UtcTime {
        self.now.lock().1
    }
}
