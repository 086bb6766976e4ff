//! Three kinds of time (DESIGN §5.2). There is no arithmetic between them but through `clock`.

use std::fmt;
use std::time::Duration;

/// Nanoseconds of a stream's own timestamps, unwrapped from RTMP's 32-bit milliseconds.
///
/// Means nothing without its [`SessionId`](crate::media::SessionId).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaTime(i64);

impl MediaTime {
    /// The zero of the stream's timestamps.
    pub const ZERO: Self = Self(0);

    /// From nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From milliseconds; saturates.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Seconds, as events carry them (`t_stream`).
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "for display and JSON: 2^53 ns are 104 days")]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Nanoseconds from `earlier` to `self`; negative if `earlier` is later. Saturates.
    #[must_use]
    pub const fn nanos_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// `self` moved by `nanos`, either way. Saturates.
    #[must_use]
    pub const fn plus_nanos(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// `self` moved later. Saturates.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        self.plus_nanos(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX))
    }

    /// `self` moved earlier. Saturates.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        self.plus_nanos(-i64::try_from(by.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for MediaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s", self.as_secs_f64())
    }
}

/// Nanoseconds since this boot, never stepping. For intervals only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(u64);

impl Monotonic {
    /// The clock's origin.
    pub const ZERO: Self = Self(0);

    /// From nanoseconds since the clock's origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// `self` moved later. Saturates.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Nanoseconds since 1970-01-01T00:00:00Z. May step at any moment; orders nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcTime(i64);

impl UtcTime {
    /// From nanoseconds since the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// `self` moved by `nanos`, either way. Saturates.
    #[must_use]
    pub const fn plus_nanos(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// Nanoseconds from `earlier` to `self`; negative if `earlier` is later. Saturates.
    #[must_use]
    pub const fn nanos_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads RFC 3339. `None` for what is none, or beyond what nanoseconds can count.
    #[must_use]
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let rfc3339 = &time::format_description::well_known::Rfc3339;
        let at = time::OffsetDateTime::parse(text, rfc3339).ok()?;
        i64::try_from(at.unix_timestamp_nanos()).ok().map(Self)
    }

    /// RFC 3339 in UTC with milliseconds, as envelopes carry it.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        let format = time::macros::format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0))
            .ok()
            .and_then(|at| at.format(format).ok())
            .unwrap_or_else(|| "1970-01-01T00:00:00.000Z".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc_is_written_with_milliseconds() {
        let time = UtcTime::from_nanos(1_500_000_000);
        assert_eq!(time.to_rfc3339(), "1970-01-01T00:00:01.500Z");
        assert_eq!(UtcTime::from_rfc3339("1970-01-01T02:00:01.500+02:00"), Some(time));
        assert_eq!(UtcTime::from_rfc3339("yesterday"), None);
    }
}
