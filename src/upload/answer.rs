//! What a storage's answer to a PUT means (pure).

/// Bytes of an answer that are read: S3's errors have some 400.
pub(crate) const ANSWER_MOST_BYTES: usize = 64 << 10;
/// Characters of an ETag, with its quotes: 34, of a part that was encrypted some 40.
const ETAG_MOST: usize = 256;
/// Characters of an error's code that are told.
const CODE_MOST: usize = 64;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It is there.
    Taken { etag: Option<String> },
    /// The address is over, or was never good: another one.
    NewUrl(String),
    /// The upload is gone: begin anew.
    Anew(String),
    /// It may go better soon: the same again.
    Again(String),
    /// It will not.
    Never(String),
}

/// Reads an answer. `in_parts`: of an upload in parts.
pub(crate) fn read(status: u16, etag: Option<&str>, body: &[u8], in_parts: bool) -> Said {
    let code = code(body);
    let told = match code {
        Some(code) => format!("the storage says {status} {code}"),
        None => format!("the storage says {status}"),
    };
    match (status, code) {
        (200 | 201 | 204, _) => match etag.map(str::trim).filter(|etag| is_etag(etag)) {
            Some(etag) => Said::Taken { etag: Some(etag.to_owned()) },
            // Nothing can be completed without.
            None if in_parts => Said::Again(format!("{told}, and gives no ETag")),
            None => Said::Taken { etag: None },
        },
        // Answers to a connection that stood still, or to bytes that were hurt on their way.
        (
            400,
            Some("RequestTimeout" | "IncompleteBody" | "BadDigest" | "XAmzContentSHA256Mismatch"),
        ) => Said::Again(told),
        (400, Some("EntityTooLarge" | "EntityTooSmall" | "InvalidPartNumber")) => Said::Never(told),
        (404, Some("NoSuchUpload")) if in_parts => Said::Anew(told),
        // Some storages answer 400 where an address is over, others 403 (rclone, AWS).
        (400 | 401 | 403 | 404 | 410, _) => Said::NewUrl(told),
        (408 | 409 | 423 | 425 | 429 | 500..=599, _) => Said::Again(told),
        (300..=399, _) => Said::Never(format!(
            "{told} and sends on elsewhere, where a signed address is none: sign for the storage's own \
             address and region"
        )),
        (412, _) => Said::Never(format!("{told}: there is an object of this name already")),
        _ => Said::Never(told),
    }
}

fn is_etag(etag: &str) -> bool {
    (1..=ETAG_MOST).contains(&etag.len()) && etag.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

/// The text of the first `<Code>` in an error (S3, REST Error Responses). No XML is read for it: a code is a word
/// of letters and digits, and anything else is none.
fn code(body: &[u8]) -> Option<&str> {
    const OPENS: &[u8] = b"<Code>";
    let body = body.get(..body.len().min(ANSWER_MOST_BYTES))?;
    let from = memchr::memmem::find(body, OPENS)? + OPENS.len();
    let rest = body.get(from..)?;
    let to = rest.iter().take(CODE_MOST + 1).position(|byte| *byte == b'<')?;
    let code = std::str::from_utf8(rest.get(..to)?).ok()?.trim();
    (!code.is_empty() && code.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str) -> Vec<u8> {
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>")
            .into()
    }

    #[test]
    fn each_answer_has_its_meaning() {
        let kind = |said: Said| match said {
            Said::Taken { .. } => "taken",
            Said::NewUrl(_) => "url",
            Said::Anew(_) => "anew",
            Said::Again(_) => "again",
            Said::Never(_) => "never",
        };
        for (status, code, expected) in [
            (200, "", "taken"),
            (400, "AccessDenied", "url"),
            (400, "ExpiredToken", "url"),
            (400, "", "url"),
            (400, "RequestTimeout", "again"),
            (400, "BadDigest", "again"),
            (400, "EntityTooLarge", "never"),
            (401, "", "url"),
            (403, "AccessDenied", "url"),
            (403, "SignatureDoesNotMatch", "url"),
            (404, "NoSuchUpload", "anew"),
            (404, "NoSuchBucket", "url"),
            (307, "TemporaryRedirect", "never"),
            (409, "OperationAborted", "again"),
            (412, "PreconditionFailed", "never"),
            (429, "", "again"),
            (500, "InternalError", "again"),
            (503, "SlowDown", "again"),
            (507, "", "again"),
            (418, "", "never"),
        ] {
            let said = read(status, Some("\"a\""), &error(code), true);
            assert_eq!(kind(said), expected, "{status} {code}");
        }
        assert_eq!(kind(read(404, None, &error("NoSuchUpload"), false)), "url", "there was none");
        assert_eq!(read(200, None, b"", false), Said::Taken { etag: None });
        assert_eq!(kind(read(200, None, b"", true)), "again", "a part without an ETag is none");
        assert_eq!(kind(read(200, Some("\"a\r\nx: y\""), b"", true)), "again");
    }

    #[test]
    fn a_code_is_a_word_or_none() {
        assert_eq!(code(&error("SlowDown")), Some("SlowDown"));
        assert_eq!(code(&error("")), None);
        assert_eq!(code(&error("a b")), None);
        assert_eq!(code(&error(&"x".repeat(100))), None);
        assert_eq!(code(b"<Code>NeverEnds"), None);
        assert_eq!(code(b"no XML"), None);
        let mut long = vec![b' '; ANSWER_MOST_BYTES];
        long.extend(error("SlowDown"));
        assert_eq!(code(&long), None, "no further than is read");
    }
}
