//! What is asked of an upload, checked (pure).

use std::collections::BTreeMap;

use hyper::header::{HeaderName, HeaderValue};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::event::upload::{
    ClipUploadArguments, ClipUploadUrlsArguments, UploadHave, UploadPartUrl, UploadTo,
};
use crate::http::outgoing::Web;
use crate::media::{Foreign, UtcTime};

/// Bytes of a part: less costs a request too many, more is lost by a cut too often. S3's own least is 5 MiB, which
/// is its to say.
const PART_BYTES: std::ops::RangeInclusive<u64> = (64 << 10)..=(1 << 30);
/// Parts of an upload (chosen: its journal is written again with each; 5 GB in parts of 5 MiB).
pub(crate) const PARTS_MOST: u64 = 1_000;
/// Fields that were signed.
const HEADERS_MOST: usize = 16;

/// Where something is sent, until when.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) web: Web,
    pub(crate) expires: Option<UtcTime>,
}

/// An upload as it is asked for.
#[derive(Clone)]
pub struct Order {
    pub(crate) upload: String,
    pub(crate) clip: String,
    /// Absent: whole.
    pub(crate) part_bytes: Option<u64>,
    pub(crate) given: Given,
    pub(crate) now: bool,
}

/// Addresses, as they come with an order or after it. The whole is part 1.
#[derive(Clone, Default)]
pub(crate) struct Given {
    pub(crate) urls: BTreeMap<u32, Url>,
    pub(crate) headers: Option<Vec<(HeaderName, HeaderValue)>>,
    pub(crate) have: BTreeMap<u32, String>,
    pub(crate) gives_up: bool,
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Order")
            .field("upload", &self.upload)
            .field("clip", &self.clip)
            .finish_non_exhaustive()
    }
}

impl Order {
    /// Checks it. `id` names the upload where the order does not; `plain`: HTTP without TLS is let through.
    ///
    /// # Errors
    /// What is wrong, and what to write.
    pub fn of(asked: &ClipUploadArguments, id: &str, plain: bool) -> Result<Self, Foreign> {
        let upload = asked.upload.clone().unwrap_or_else(|| id.to_owned());
        if !is_name(&upload) {
            return Err(Foreign::told("`upload` is 1 to 64 letters, digits, `-` and `_`"));
        }
        let UploadTo { url, multipart, headers, expires } = &asked.to;
        if url.is_some() && multipart.is_some() {
            return Err(Foreign::told("`to` is one `url`, or `multipart`: not both"));
        }
        let part_bytes = multipart.as_ref().map(|parts| parts.part_bytes);
        if let Some(bytes) = part_bytes
            && !PART_BYTES.contains(&bytes)
        {
            let (least, most) = PART_BYTES.into_inner();
            return Err(Foreign::told(format_args!("`part_bytes` is {least} to {most}")));
        }
        let parts = multipart.as_ref().map_or(&[][..], |multipart| &multipart.parts);
        let expires = expires.as_deref();
        let urls = urls(url.as_deref(), parts, expires, plain)?;
        let headers = Some(signed(headers)?);
        let given = Given { urls, headers, ..Given::default() };
        Ok(Self { upload, clip: asked.clip.clone(), part_bytes, given, now: asked.now })
    }
}

impl Given {
    /// Checks what came after an order.
    ///
    /// # Errors
    /// What is wrong, and what to write.
    pub(crate) fn of(asked: &ClipUploadUrlsArguments, plain: bool) -> Result<Self, Foreign> {
        let urls = urls(asked.url.as_deref(), &asked.parts, asked.expires.as_deref(), plain)?;
        let headers = asked.headers.as_ref().map(signed).transpose()?;
        let have = |have: &UploadHave| match number(have.number) {
            Ok(number) if have.etag.len() <= 256 && Foreign::is_plain(&have.etag) => {
                Ok((number, have.etag.clone()))
            }
            Ok(_) => Err(Foreign::told("`etag` is what ListParts gives: at most 256 characters")),
            Err(why) => Err(why),
        };
        let have: Result<_, Foreign> = asked.have.iter().map(have).collect();
        Ok(Self { urls, headers, have: have?, gives_up: asked.give_up })
    }
}

/// True for what can be a name in a path.
pub(crate) fn is_name(name: &str) -> bool {
    let good = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(good)
}

fn number(number: u32) -> Result<u32, Foreign> {
    let fits = number >= 1 && u64::from(number) <= PARTS_MOST;
    fits.then_some(number)
        .ok_or_else(|| Foreign::told(format_args!("a part's `number` is 1 to {PARTS_MOST}")))
}

fn urls(
    url: Option<&str>,
    parts: &[UploadPartUrl],
    expires: Option<&str>,
    plain: bool,
) -> Result<BTreeMap<u32, Url>, Foreign> {
    let expires = expires.map(|text| {
        read_time(text).ok_or_else(|| Foreign::told("`expires` is a time as in RFC 3339"))
    });
    let expires = expires.transpose()?;
    let mut urls = BTreeMap::new();
    let whole = url.map(|url| (1, url));
    let parts = parts.iter().map(|part| (part.number, part.url.as_str()));
    for (at, url) in whole.into_iter().chain(parts) {
        urls.insert(number(at)?, Url { web: web(url, plain)?, expires });
    }
    Ok(urls)
}

fn web(url: &str, plain: bool) -> Result<Web, Foreign> {
    let web = Web::parse(url).ok_or_else(|| {
        Foreign::told("an address is https://HOST/PATH?SIGNATURE, of 4,096 characters at most")
    })?;
    if !web.tls && !plain {
        return Err(Foreign::told(format_args!(
            "{}: sent without TLS it could be read and changed on its way: sign an https address, or set \
             `plain = true` under [upload] of the box",
            web.told()
        )));
    }
    Ok(web)
}

/// A time as a person or a cloud writes it.
pub fn read_time(text: &str) -> Option<UtcTime> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos()).ok().map(UtcTime::from_nanos)
}

/// Fields that a signature may cover. None that says how the request is carried.
fn signed(headers: &BTreeMap<String, String>) -> Result<Vec<(HeaderName, HeaderValue)>, Foreign> {
    let wrong = || {
        Foreign::told(format_args!(
            "`headers` are at most {HEADERS_MOST} of content-type, content-md5, if-none-match and x-…, as they \
             were signed"
        ))
    };
    if headers.len() > HEADERS_MOST {
        return Err(wrong());
    }
    let field = |(name, value): (&String, &String)| {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let may = ["content-type", "content-md5", "if-none-match"].contains(&name.as_str())
            || name.as_str().starts_with("x-");
        let value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        if may { Ok((name, value)) } else { Err(wrong()) }
    };
    headers.iter().map(field).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn order(value: Value, plain: bool) -> Result<Order, String> {
        let asked = serde_json::from_value(value).map_err(|error| error.to_string())?;
        Order::of(&asked, "id-1", plain).map_err(|why| why.to_string())
    }

    #[test]
    fn an_order_is_whole_or_in_parts_and_over_tls() {
        let whole =
            order(json!({"clip": "a", "to": {"url": "https://s/b?X=1"}}), false).expect("one");
        assert_eq!((whole.upload.as_str(), whole.part_bytes), ("id-1", None));
        assert_eq!(whole.given.urls.keys().copied().collect::<Vec<_>>(), [1]);
        let asks = order(json!({"clip": "a", "to": {}}), false).expect("it asks in its turn");
        assert!(asks.given.urls.is_empty());
        let parts = json!({"clip": "a", "upload": "u_1", "to": {"multipart": {"part_bytes": 5_242_880,
            "parts": [{"number": 1, "url": "https://s/b?p=1"}, {"number": 7, "url": "https://s/b?p=7"}]},
            "headers": {"Content-Type": "video/mp4", "x-amz-meta-a": "b"},
            "expires": "2026-11-29T20:00:00Z"}});
        let parts = order(parts, false).expect("in parts");
        assert_eq!((parts.upload.as_str(), parts.part_bytes), ("u_1", Some(5_242_880)));
        assert_eq!(parts.given.urls.keys().copied().collect::<Vec<_>>(), [1, 7]);
        assert!(parts.given.urls.values().all(|url| url.expires.is_some()));
        assert_eq!(parts.given.headers.map(|all| all.len()), Some(2));
        let plain = json!({"clip": "a", "to": {"url": "http://127.0.0.1:9000/b?X-Secret=1"}});
        assert!(order(plain.clone(), true).is_ok());
        let why = order(plain, false).expect_err("refused");
        assert!(why.contains("plain = true") && !why.contains("Secret"), "{why}");
    }

    #[test]
    fn what_is_no_order_says_why() {
        let part = |number: u32| json!({"number": number, "url": "https://s/b"});
        let parts =
            |bytes: u64, part: Value| json!({"multipart": {"part_bytes": bytes, "parts": [part]}});
        let mut both = parts(5 << 20, part(1));
        both["url"] = "https://s/b".into();
        for (to, why) in [
            (both, "not both"),
            (parts(1, part(1)), "part_bytes"),
            (parts(5 << 20, part(0)), "number"),
            (parts(5 << 20, part(1_001)), "number"),
            (json!({"url": "ftp://s/b"}), "https"),
            (json!({"url": "https://u:p@s/b"}), "https"),
            (json!({"url": "https://s/b", "expires": "soon"}), "RFC 3339"),
            (json!({"url": "https://s/b", "headers": {"host": "x"}}), "headers"),
            (json!({"url": "https://s/b", "headers": {"x-a": "b\r\nc: d"}}), "headers"),
            (json!({"url": "https://s/b", "headers": {"content-length": "1"}}), "headers"),
            (json!({"urls": []}), "unknown field"),
        ] {
            let said = order(json!({"clip": "a", "to": to}), false).expect_err("refused");
            assert!(said.contains(why), "{to}: {said}");
        }
        for name in ["", "a/b", "..", "ä", &"x".repeat(65)] {
            let asked = json!({"clip": "a", "upload": name, "to": {}});
            assert!(order(asked, false).is_err(), "{name}");
        }
    }
}
