//! How long to wait before the next try to connect. Pure.

use std::time::Duration;

/// Tries in the first minutes are a second apart at most: a broker that restarts is found soon.
const QUICK_TRIES: u32 = 90;
/// Later ones: for ever, so that a broker that comes back after hours is found within this.
const CAP: Duration = Duration::from_secs(30);
/// Another box has our name: each of the two takes the session from the other.
const TAKEN_OVER: Duration = Duration::from_secs(30);

/// Time before try `failed + 1`; `random` spreads a fleet's boxes over half of it.
#[must_use]
pub(super) fn delay(failed: u32, taken_over: bool, random: u8) -> Duration {
    let whole = if taken_over {
        TAKEN_OVER
    } else if failed < QUICK_TRIES {
        Duration::from_millis(250 << failed.min(2))
    } else {
        Duration::from_secs(1 << (failed - QUICK_TRIES).min(5)).min(CAP)
    };
    whole / 2 + whole / 2 * u32::from(random) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_at_first_then_slower_and_never_slower_than_the_cap() {
        let table = [(0, 250), (1, 500), (2, 1000), (60, 1000), (92, 4000), (95, 30_000), (u32::MAX, 30_000)];
        for (failed, ms) in table {
            assert_eq!(delay(failed, false, 255), Duration::from_millis(ms), "{failed}");
            assert_eq!(delay(failed, false, 0), Duration::from_millis(ms / 2), "{failed}");
        }
        assert_eq!(delay(0, true, 255), TAKEN_OVER);
    }
}
