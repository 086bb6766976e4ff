//! What was asked, answered and left, by why: for `state/look` and metrics (pure).

use std::collections::BTreeMap;

use crate::look::choose::{Call, Why};
use crate::look::shape::Nothing;

/// Why an attempt that would have been asked was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAsked {
    /// The venue has not switched it on.
    Consent,
    /// There is no key.
    Key,
    /// No picture of it is in memory any more, or yet.
    NoCrops,
    /// As many as may be are being asked.
    Busy,
    /// Nobody answers.
    BreakerOpen,
    /// The day's cap leaves too little.
    CapReached,
    /// What it would cost cannot be written down.
    Disk,
    /// Its answer could not come in time any more.
    Late,
}

impl NotAsked {
    /// For metrics and the log.
    #[must_use]
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Key => "key",
            Self::NoCrops => "no_crops",
            Self::Busy => "busy",
            Self::BreakerOpen => "breaker_open",
            Self::CapReached => "cap_reached",
            Self::Disk => "disk",
            Self::Late => "late",
        }
    }
}

/// The counts since the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) asked: BTreeMap<String, u64>,
    pub(crate) said: BTreeMap<String, u64>,
    pub(crate) changed: u64,
    pub(crate) failed: BTreeMap<String, u64>,
    pub(crate) not_asked: BTreeMap<String, u64>,
}

impl Counts {
    pub(crate) fn asked(&mut self, why: Why) {
        more(&mut self.asked, why.word());
    }

    pub(crate) fn not_asked(&mut self, why: NotAsked) {
        more(&mut self.not_asked, why.word());
    }

    pub(crate) fn answered(&mut self, says: &Result<Call, Nothing>) {
        match says {
            Ok(Call::Made) => more(&mut self.said, "made"),
            Ok(Call::Missed) => more(&mut self.said, "missed"),
            Ok(Call::Unsure) => more(&mut self.said, "unsure"),
            Err(nothing) => more(&mut self.failed, nothing.word()),
        }
    }
}

fn more(counts: &mut BTreeMap<String, u64>, word: &str) {
    *counts.entry(word.to_owned()).or_default() += 1;
}
