//! Ranges and conditions of a request (RFC 9110, 13 and 14), read of its fields (pure).

use std::time::{Duration, UNIX_EPOCH};

use axum::http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use axum::http::{HeaderMap, HeaderValue};

use crate::media::UtcTime;

/// Which of the bytes a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BytesAsked {
    All,
    Part(u64, u64),
    Impossible,
}

/// Reads `Range` (RFC 9110 14.2): one range of bytes; anything else means the whole.
pub(super) fn range_asked(headers: &HeaderMap, etag: &str, len: u64) -> BytesAsked {
    let Some(range) = headers.get(RANGE).and_then(|value| value.to_str().ok()) else {
        return BytesAsked::All;
    };
    // Only a strong validator of ours keeps the range; dates we do not give.
    let same = headers.get(IF_RANGE).is_none_or(|value| value.as_bytes() == etag.as_bytes());
    let one = range.strip_prefix("bytes=").filter(|list| !list.contains(','));
    let Some((first, last)) = one.and_then(|one| one.trim().split_once('-')) else {
        return BytesAsked::All;
    };
    if !same {
        return BytesAsked::All;
    }
    let number = |text: &str| text.parse::<u64>().ok();
    let (from, to) = match (first, last) {
        ("", last) => match number(last) {
            Some(suffix) => (len.saturating_sub(suffix), if suffix == 0 { 0 } else { len }),
            None => return BytesAsked::All,
        },
        (first, "") => match number(first) {
            Some(from) => (from, len),
            None => return BytesAsked::All,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(from), Some(last)) if from <= last => (from, last.saturating_add(1).min(len)),
            _ => return BytesAsked::All,
        },
    };
    if from < to { BytesAsked::Part(from, to) } else { BytesAsked::Impossible }
}

/// True if who asks has that already (`If-None-Match`).
pub(super) fn has(headers: &HeaderMap, etag: &str) -> bool {
    let value = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or("");
    // Weak comparison (RFC 9110, 8.8.3.2): a cache on the way may have weakened the tag.
    let strong = |one: &str| one.trim().trim_start_matches("W/") == etag.trim_start_matches("W/");
    value == "*" || value.split(',').any(strong)
}

/// What the conditions of a GET come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conditions {
    /// It is answered.
    Met,
    /// Who asks has it: 304.
    Same,
    /// It is not what who asks means: 412.
    Failed,
}

/// Weighs the conditions, in the order of RFC 9110, 13.2.2. `modified`: since when the bytes are these, where
/// that is known; without it no date is weighed (13.1.3, 13.1.4).
pub(super) fn conditions(headers: &HeaderMap, etag: &str, modified: Option<UtcTime>) -> Conditions {
    const SECOND_NS: i64 = 1_000_000_000;
    // A date knows whole seconds.
    let since = |name: HeaderName| {
        let date = date(headers.get(name)?.to_str().ok()?)?;
        Some(modified?.as_nanos().div_euclid(SECOND_NS) > date)
    };
    let is_met = match headers.get(IF_MATCH) {
        Some(value) => {
            let value = value.to_str().unwrap_or_default().trim();
            // Strong comparison (8.8.3.2): a weak tag is equal to none.
            value == "*" || value.split(',').any(|one| one.trim() == etag)
        }
        None => since(IF_UNMODIFIED_SINCE) != Some(true),
    };
    let has = match headers.contains_key(IF_NONE_MATCH) {
        true => has(headers, etag),
        false => since(IF_MODIFIED_SINCE) == Some(false),
    };
    match (is_met, has) {
        (false, _) => Conditions::Failed,
        (true, true) => Conditions::Same,
        (true, false) => Conditions::Met,
    }
}

/// Seconds of UTC of an HTTP date, in any of its three forms (RFC 9110, 5.6.7); none where it is none, and then
/// it is no condition.
fn date(text: &str) -> Option<i64> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

/// A time as `Last-Modified` has it; none before 1970.
pub(super) fn http_date(at: UtcTime) -> Option<HeaderValue> {
    let since = Duration::from_nanos(u64::try_from(at.as_nanos()).ok()?);
    HeaderValue::from_str(&httpdate::fmt_http_date(UNIX_EPOCH + since)).ok()
}

/// A field of ours, which is never anything but ASCII.
pub(super) fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_has_them() {
        let rows = [
            ("", BytesAsked::All),
            ("bytes=0-", BytesAsked::Part(0, 100)),
            ("bytes=0-0", BytesAsked::Part(0, 1)),
            ("bytes=10-19", BytesAsked::Part(10, 20)),
            ("bytes=90-200", BytesAsked::Part(90, 100)),
            ("bytes=-10", BytesAsked::Part(90, 100)),
            ("bytes=-1000", BytesAsked::Part(0, 100)),
            ("bytes=-0", BytesAsked::Impossible),
            ("bytes=100-", BytesAsked::Impossible),
            ("bytes=20-10", BytesAsked::All),
            ("bytes=0-1,5-6", BytesAsked::All),
            ("lines=0-1", BytesAsked::All),
            ("bytes=x-y", BytesAsked::All),
        ];
        for (range, expected) in rows {
            let mut headers = HeaderMap::new();
            if !range.is_empty() {
                headers.insert(RANGE, header(range));
            }
            assert_eq!(range_asked(&headers, "\"a\"", 100), expected, "{range}");
        }
    }

    #[test]
    fn conditions_are_weighed_in_the_order_of_the_standard() {
        use Conditions::{Failed, Met, Same};
        let modified = Some(UtcTime::from_nanos(784_111_777_500_000_000)); // 1994-11-06T08:49:37.5Z
        let then = "Sun, 06 Nov 1994 08:49:37 GMT";
        let before = "Sun, 06 Nov 1994 08:49:36 GMT";
        let rows: &[(&[(HeaderName, &str)], Conditions)] = &[
            (&[], Met),
            (&[(IF_MATCH, "\"a\"")], Met),
            (&[(IF_MATCH, "\"x\", \"a\"")], Met),
            (&[(IF_MATCH, "*")], Met),
            (&[(IF_MATCH, "\"x\"")], Failed),
            (&[(IF_MATCH, "W/\"a\"")], Failed),
            (&[(IF_UNMODIFIED_SINCE, then)], Met),
            (&[(IF_UNMODIFIED_SINCE, before)], Failed),
            (&[(IF_UNMODIFIED_SINCE, "yesterday")], Met),
            (&[(IF_UNMODIFIED_SINCE, "Sunday, 06-Nov-94 08:49:36 GMT")], Failed),
            (&[(IF_UNMODIFIED_SINCE, "Sun Nov  6 08:49:37 1994")], Met),
            (&[(IF_MATCH, "\"a\""), (IF_UNMODIFIED_SINCE, before)], Met),
            (&[(IF_NONE_MATCH, "\"a\"")], Same),
            (&[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, then)], Met),
            (&[(IF_MODIFIED_SINCE, then)], Same),
            (&[(IF_MODIFIED_SINCE, before)], Met),
            (&[(IF_MATCH, "\"x\""), (IF_NONE_MATCH, "\"a\"")], Failed),
            (&[(IF_MATCH, "\"a\""), (IF_NONE_MATCH, "\"a\"")], Same),
        ];
        for (fields, expected) in rows {
            let mut headers = HeaderMap::new();
            for (name, value) in *fields {
                headers.insert(name, header(value));
            }
            assert_eq!(conditions(&headers, "\"a\"", modified), *expected, "{fields:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(IF_UNMODIFIED_SINCE, header(before));
        assert_eq!(conditions(&headers, "\"a\"", None), Met, "no date of ours to weigh it by");
        let told = modified.and_then(http_date).expect("a date");
        assert_eq!(told, then);
    }

    #[test]
    fn a_range_of_other_bytes_gives_the_whole() {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, header("bytes=1-2"));
        headers.insert(IF_RANGE, header("\"a\""));
        assert_eq!(range_asked(&headers, "\"a\"", 100), BytesAsked::Part(1, 3));
        assert_eq!(range_asked(&headers, "\"b\"", 100), BytesAsked::All);
    }
}
