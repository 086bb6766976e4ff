//! Where a parcel is fetched from: an address over HTTP or HTTPS, or a file of this machine (pure).

use std::path::PathBuf;

use crate::http::outgoing::Web;

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
}
