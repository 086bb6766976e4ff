//! An address over HTTP or HTTPS (pure).

use hyper::Uri;

/// Characters of an address: those of a cloud with its signature have some 1,500.
const MOST_CHARS: usize = 4_096;

/// Over the network. What is behind the path may be a secret: it is never told.
#[derive(Clone, PartialEq, Eq)]
pub struct Web {
    /// Over TLS.
    pub tls: bool,
    /// A name or an address, without brackets.
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// Host, and port where one was written: what `Host` says.
    pub authority: String,
    /// Path and query.
    pub target: String,
}

impl std::fmt::Debug for Web {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Web({})", self.told())
    }
}

impl Web {
    /// Reads it: `https://HOST[:PORT]/PATH`. None with a user in it, which would end in logs.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MOST_CHARS || text.chars().any(|c| c.is_control()) {
            return None;
        }
        let (without_fragment, _) = text.split_once('#').unwrap_or((text, ""));
        let uri: Uri = without_fragment.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Self {
            tls,
            host,
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.to_string(),
            target: uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
        })
    }

    /// Where a server sends on to; never from TLS to none.
    #[must_use]
    pub fn sent_on(&self, location: &str) -> Option<Self> {
        let scheme = if self.tls { "https" } else { "http" };
        let path = self.target.split(['?', '#']).next().unwrap_or("/");
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let text = match location {
            whole if whole.contains("://") => whole.to_owned(),
            host if host.starts_with("//") => format!("{scheme}:{host}"),
            path if path.starts_with('/') => format!("{scheme}://{}{path}", self.authority),
            beside => format!("{scheme}://{}{folder}/{beside}", self.authority),
        };
        let there = Self::parse(&text)?;
        (there.tls || !self.tls).then_some(there)
    }

    /// Without what may be a secret.
    #[must_use]
    pub fn told(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let path = self.target.split('?').next().unwrap_or("/");
        format!("{scheme}://{}{path}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_sent_on_goes_there_but_never_out_of_tls() {
        let at = Web::parse("https://h:1/a/b?q=1").expect("one");
        let rows = [
            ("https://other/c", Some("https://other/c")),
            ("//other/c", Some("https://other/c")),
            ("/c?d", Some("https://h:1/c")),
            ("c", Some("https://h:1/a/c")),
            ("http://h:1/a/b", None),
            ("file:///etc/shadow", None),
        ];
        for (location, there) in rows {
            assert_eq!(at.sent_on(location).map(|web| web.told()).as_deref(), there, "{location}");
        }
    }
}
