//! Names of facts: which session, which family, which one.

use std::fmt;

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::media::SessionId;

/// All revisions of a fact go to one topic: its family's (MQTT keeps order only there).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Made, missed, unsure.
    Shot,
    /// Made shots per rim; of a game that was started, its points.
    Score,
    /// Something to watch again.
    Highlight,
    /// What becomes of a clip: the ring's, no game's. Counted as the clips of the box are.
    Clip,
    /// A game that was started.
    Game,
    /// How it goes.
    Momentum,
    /// Who did what in it.
    Leaderboard,
    /// What might be shown.
    Graphic,
    /// What might be pushed to the world.
    #[serde(rename = "social.candidate")]
    SocialCandidate,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 9] = [
        Self::Shot,
        Self::Score,
        Self::Highlight,
        Self::Clip,
        Self::Game,
        Self::Momentum,
        Self::Leaderboard,
        Self::Graphic,
        Self::SocialCandidate,
    ];

    /// The word in the topic.
    #[must_use]
    pub const fn topic(self) -> &'static str {
        match self {
            Self::Shot => "shot",
            Self::Score => "score",
            Self::Highlight => "highlight",
            Self::Clip => "clip",
            Self::Game => "game",
            Self::Momentum => "momentum",
            Self::Leaderboard => "leaderboard",
            Self::Graphic => "graphic",
            Self::SocialCandidate => "social.candidate",
        }
    }
}

/// Names what happened and stays through all revisions: `{session}-{family}-{n}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactId {
    /// The session in which it happened; of what a game that was started tells, the game's own.
    pub session: SessionId,
    /// Its family. `None` where courtside 0.6 named it: that one counted all families of a session
    /// together and wrote `{session}-{n}`.
    pub family: Option<Family>,
    /// Counted per family by the game of that session, from 1.
    pub n: u32,
}

impl FactId {
    /// The `n`th fact of a family in a session.
    #[must_use]
    pub const fn new(session: SessionId, family: Family, n: u32) -> Self {
        Self { session, family: Some(family), n }
    }

    /// Reads what `Display` writes. `None` also for a family that this version does not know.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (session, rest) = text.split_once('-')?;
        let (family, n) = match rest.split_once('-') {
            Some((word, n)) => {
                (Some(Family::ALL.into_iter().find(|family| family.topic() == word)?), n)
            }
            None => (None, rest),
        };
        Some(Self { session: SessionId::parse(session)?, family, n: n.parse().ok()? })
    }
}

impl fmt::Display for FactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.family {
            Some(family) => write!(f, "{}-{}-{}", self.session, family.topic(), self.n),
            None => write!(f, "{}-{}", self.session, self.n),
        }
    }
}

impl Serialize for FactId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FactId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` names no fact")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_those_of_the_version_before_too() {
        let session = SessionId::from_bits(0xaa);
        let mut names: Vec<FactId> =
            Family::ALL.into_iter().map(|family| FactId::new(session, family, 12)).collect();
        names.push(FactId { session, family: None, n: 12 });
        for name in &names {
            assert_eq!(FactId::parse(&name.to_string()), Some(*name), "{name}");
        }
        assert_eq!(names[0].to_string(), "00000000000000aa-shot-12");
        assert_eq!(names[8].to_string(), "00000000000000aa-social.candidate-12");
        assert_eq!(names[9].to_string(), "00000000000000aa-12");
        let mut texts: Vec<String> = names.iter().map(ToString::to_string).collect();
        texts.dedup();
        assert_eq!(texts.len(), 10, "unique over families");
    }

    #[test]
    fn what_names_no_fact_is_refused() {
        for text in [
            "",
            "aa-1",
            "00000000000000aa",
            "00000000000000aa-",
            "00000000000000aa-shot",
            "00000000000000aa-shot-",
            "00000000000000aa-tempo-1",
            "00000000000000aa-shot-1-2",
        ] {
            assert_eq!(FactId::parse(text), None, "{text}");
        }
    }
}
