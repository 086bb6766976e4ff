//! Ranges and conditions of a request (RFC 9110, 13 and 14), read of its fields (pure).

use axum::http::header::{IF_NONE_MATCH, IF_RANGE, RANGE};
use axum::http::{HeaderMap, HeaderValue};

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
    fn a_range_of_other_bytes_gives_the_whole() {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, header("bytes=1-2"));
        headers.insert(IF_RANGE, header("\"a\""));
        assert_eq!(range_asked(&headers, "\"a\"", 100), BytesAsked::Part(1, 3));
        assert_eq!(range_asked(&headers, "\"b\"", 100), BytesAsked::All);
    }
}
