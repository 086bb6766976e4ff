//! Where a parcel is fetched from: an address over HTTP or HTTPS, or a file of this machine (pure).

use std::path::PathBuf;

use hyper::Uri;

/// Characters of an address: those of a cloud with its signature have some 1,500.
const MOST_CHARS: usize = 4_096;

/// Where it is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// A file of this machine, a stick for instance.
    File(PathBuf),
    /// Over the network.
    Web(Web),
}

/// Over the network. What is behind the path may be a secret: it is never told.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Web {
    pub(crate) tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Host, and port where one was written: what `Host` says.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) target: String,
}

/// Why it is none.
pub(crate) const NO_ADDRESS: &str = "it is no address: write https://HOST/PATH, http://HOST/PATH, or the \
                                     whole path of a file on the box, /media/stick/NAME.parcel";

impl Address {
    /// Reads it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > MOST_CHARS || text.chars().any(|c| c.is_control()) {
            return None;
        }
        let path = text.strip_prefix("file://").unwrap_or(text);
        if path.starts_with('/') {
            return Some(Self::File(path.into()));
        }
        Web::parse(text).map(Self::Web)
    }

    /// What is told of it.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Web(web) => web.told(),
        }
    }
}

impl Web {
    fn parse(text: &str) -> Option<Self> {
        let (without_fragment, _) = text.split_once('#').unwrap_or((text, ""));
        let uri: Uri = without_fragment.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        // A name and password in an address end in logs.
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
    pub(crate) fn sent_on(&self, location: &str) -> Option<Self> {
        let scheme = if self.tls { "https" } else { "http" };
        let path = self.target.split(['?', '#']).next().unwrap_or("/");
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let text = match location {
            whole if whole.contains("://") => whole.to_owned(),
            host if host.starts_with("//") => format!("{scheme}:{host}"),
            path if path.starts_with('/') => format!("{scheme}://{}{path}", self.authority),
            beside => format!("{scheme}://{}{folder}/{beside}", self.authority),
        };
        let there = Self::parse(&text).filter(|_| text.len() <= MOST_CHARS)?;
        (there.tls || !self.tls).then_some(there)
    }

    /// Without what may be a secret.
    pub(crate) fn told(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let path = self.target.split('?').next().unwrap_or("/");
        format!("{scheme}://{}{path}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web(text: &str) -> Option<Web> {
        match Address::parse(text)? {
            Address::Web(web) => Some(web),
            Address::File(_) => None,
        }
    }

    #[test]
    fn what_is_an_address_and_what_is_told_of_it() {
        let signed =
            web("https://models.example:8443/a/b.parcel?X-Signature=secret#end").expect("one");
        assert_eq!((signed.port, signed.target.as_str()), (8443, "/a/b.parcel?X-Signature=secret"));
        assert_eq!(signed.told(), "https://models.example:8443/a/b.parcel");
        assert_eq!(web("http://[::1]/x").expect("one").host, "::1");
        for path in ["/media/stick/a.parcel", "file:///media/stick/a.parcel"] {
            let file = Address::File("/media/stick/a.parcel".into());
            assert!(Address::parse(path) == Some(file), "{path}");
        }
        let none =
            ["", "a.parcel", "../a", "ftp://h/a", "https://", "https://u:p@h/a", "https://h/a\n"];
        for text in none {
            assert!(Address::parse(text).is_none(), "{text:?}");
        }
        assert!(Address::parse(&format!("https://h/{}", "a".repeat(5_000))).is_none());
    }

    #[test]
    fn who_is_sent_on_goes_there_but_never_out_of_tls() {
        let at = web("https://h:1/a/b?q=1").expect("one");
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
