//! What a back office may cost a box (pure): sizes, rates, what is remembered.

use std::time::Duration;

use crate::media::Monotonic;

/// The bounds. `None` switches one off, which tests do to show what it is there for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of a body.
    pub(super) body_bytes: Option<usize>,
    /// Commands that are kept.
    pub(super) rate: Option<Rate>,
    /// Accepted ones that are not over.
    pub(super) unfinished: Option<usize>,
    /// Retained commands and those without an end are refused.
    pub(super) only_fresh: bool,
    /// An id that ended is forgotten once it is older …
    pub(super) remembered: Duration,
    /// … and so many newer ones are known.
    pub(super) ids: u64,
    /// Bytes of all that is kept; the oldest results go first. Ids stay.
    pub(super) kept_bytes: u64,
}

impl Limits {
    /// Those of a box.
    pub(super) const USUAL: Self = Self {
        body_bytes: Some(64 << 10),
        rate: Some(Rate { burst: 256, every: Duration::from_secs(20) }),
        unfinished: Some(64),
        only_fresh: true,
        remembered: Duration::from_secs(30 * 24 * 3600),
        ids: 10_000,
        kept_bytes: 32 << 20,
    };
}

/// So many at once, and one more each time. 256 and 3 a minute are 130,000 ids in 30 days, some 30 MB.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) burst: u32,
    pub(super) every: Duration,
}

/// Tokens of one rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// When all tokens will be back.
    full_at: Monotonic,
}

impl Bucket {
    pub(super) const fn new(now: Monotonic) -> Self {
        Self { full_at: now }
    }

    /// Takes a token; the wait for one, where none is there.
    pub(super) fn take(&mut self, rate: Rate, now: Monotonic) -> Result<(), Duration> {
        let owed = self.full_at.since(now);
        let most = rate.every * rate.burst;
        let after = owed + rate.every;
        if after > most {
            return Err(after - most);
        }
        self.full_at = now.plus(after);
        Ok(())
    }
}
