//! The voice of a manifest's checks: which key of which manifest is wrong, and what to write (pure).

use std::fmt;

use serde::de::DeserializeOwned;

use crate::detect::bundle::error::{BundleError, ManifestPlace};

/// Refuses values of one manifest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check<'a> {
    /// Where the manifest was read.
    pub(crate) place: &'a ManifestPlace,
    /// What stands before the keys of the task's own table: nothing in format 1, `rim.` in `[rim]`.
    pub(crate) table: &'static str,
}

impl Check<'_> {
    /// The refusal of a key that all tasks have.
    pub(crate) fn wrong(&self, key: &str, found: impl fmt::Display, want: &str) -> BundleError {
        BundleError::Value {
            manifest: self.place.clone(),
            key: key.to_owned(),
            found: found.to_string(),
            want: want.to_owned(),
        }
    }

    /// The refusal of a key in the task's own table.
    pub(crate) fn wrong_in_table(
        &self,
        key: &str,
        found: impl fmt::Display,
        want: &str,
    ) -> BundleError {
        self.wrong(&format!("{}{key}", self.table), found, want)
    }

    /// Reads TOML, or says at which line and column it is none of ours.
    pub(crate) fn read<T: DeserializeOwned>(&self, text: &str) -> Result<T, BundleError> {
        toml::from_str(text).map_err(|error| self.not_ours(text, &error))
    }

    fn not_ours(&self, text: &str, error: &toml::de::Error) -> BundleError {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        let before = text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        BundleError::Manifest {
            manifest: self.place.clone(),
            line,
            column,
            problem: error.message().replace('\n', ", "),
        }
    }
}
