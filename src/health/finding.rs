//! One thing that is not as it should be, as it was seen.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::event::catalogue::{Code, Severity};
use crate::event::state::Advice;

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where: `court a`, `model rimnet`, `broker`, `disk`, `clock`, `doors`, `ledger`.
    pub about: String,
    /// What it is, by the catalogue's word, for example `no_publisher`.
    pub code: Code,
    /// What is wrong, with the figure that was seen.
    pub text: String,
    /// What to do.
    pub todo: String,
    /// The figures of the text, by name and unit.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, f64>,
}

impl Finding {
    /// One as the catalogue has it, seen so.
    #[must_use]
    pub fn new(about: impl fmt::Display, code: Code, text: impl fmt::Display) -> Self {
        Self {
            severity: code.severity(),
            about: about.to_string(),
            code,
            text: text.to_string(),
            todo: code.todo().to_owned(),
            figures: BTreeMap::new(),
        }
    }

    /// The same with a figure; `name` ends with its unit.
    #[must_use]
    pub fn with(mut self, name: &str, figure: f64) -> Self {
        self.figures.insert(name.to_owned(), figure);
        self
    }

    /// The same with what to do where it was found; nothing said leaves what the catalogue has.
    #[must_use]
    pub fn todo(mut self, todo: &str) -> Self {
        if !todo.is_empty() {
            todo.clone_into(&mut self.todo);
        }
        self
    }

    /// What a court is advised of; `None` for a word that this version does not know.
    pub(super) fn advised(about: &str, advice: &Advice) -> Option<Self> {
        let mut finding = Self::new(about, Code::of(advice.about.word())?, &advice.text);
        finding.figures.clone_from(&advice.figures);
        // A box of before has its own words for it in the text.
        if !advice.todo.is_empty() {
            finding.todo.clone_from(&advice.todo);
        }
        Some(finding)
    }
}
