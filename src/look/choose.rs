//! Which attempts are worth a second look (pure).

use serde::{Deserialize, Serialize};

/// When a bundle that looks again is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Every final waits for it, up to its deadline.
    Live,
    /// Of attempts that are doubtful: it may revise what was called.
    Second,
    /// Never while a game runs: it labels what was recorded.
    Teacher,
}

impl Role {
    /// As a manifest has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Second => "second",
            Self::Teacher => "teacher",
        }
    }
}

/// How a model called an attempt, or a look saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Through the ring.
    Made,
    /// Not.
    Missed,
    /// Nobody can tell.
    Unsure,
}

/// Why an attempt is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// All are.
    Live,
    /// Its model abstained.
    Unsure,
    /// Its model was not sure enough.
    Doubtful,
    /// Another model said otherwise.
    Disputed,
}

impl Why {
    /// For the log.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Unsure => "unsure",
            Self::Doubtful => "doubtful",
            Self::Disputed => "disputed",
        }
    }
}

/// Why an attempt is looked at again, if it is, by its final. `share`: of the outcome that was called, ten
/// thousandths; `ask_below`: a call with less of it is doubtful.
#[must_use]
pub const fn asked(role: Role, call: Call, share: u32, ask_below: u32) -> Option<Why> {
    match (role, call) {
        (Role::Teacher, _) => None,
        (Role::Live, _) => Some(Why::Live),
        (Role::Second, Call::Unsure) => Some(Why::Unsure),
        (Role::Second, Call::Made | Call::Missed) if share < ask_below => Some(Why::Doubtful),
        (Role::Second, Call::Made | Call::Missed) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_sure_is_asked_by_one_that_is_live_alone() {
        for (role, call, share, expected) in [
            (Role::Second, Call::Unsure, 9_999, Some(Why::Unsure)),
            (Role::Second, Call::Made, 8_999, Some(Why::Doubtful)),
            (Role::Second, Call::Missed, 8_999, Some(Why::Doubtful)),
            (Role::Second, Call::Made, 9_000, None),
            (Role::Live, Call::Made, 10_000, Some(Why::Live)),
            (Role::Live, Call::Unsure, 5_000, Some(Why::Live)),
            (Role::Teacher, Call::Unsure, 5_000, None),
        ] {
            assert_eq!(asked(role, call, share, 9_000), expected, "{role:?} {call:?} {share}");
        }
    }
}
