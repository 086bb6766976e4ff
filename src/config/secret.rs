//! A value that must not reach a log, a dump or `--json`.

use subtle::ConstantTimeEq;

/// Stands where a secret is, in what is told of a configuration.
pub(super) const HIDDEN: &str = "(hidden)";

/// A secret. Has neither `Debug` nor `Display`, so that a struct holding one cannot be logged by
/// accident (STYLE 2.37).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Takes a secret in.
    #[must_use]
    pub fn new(value: &str) -> Self {
        Self(value.into())
    }

    /// The secret itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True if `offered` is the secret; takes the same time wherever they differ. Length shows.
    #[must_use]
    pub fn matches(&self, offered: &[u8]) -> bool {
        bool::from(self.0.as_bytes().ct_eq(offered))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_matches() {
        let secret = Secret::new("north-hoop");
        assert!(secret.matches(b"north-hoop"));
        for other in ["", "north", "north-hooq", "north-hoop "] {
            assert!(!secret.matches(other.as_bytes()), "{other}");
        }
    }
}
