//! What an event says, as a store keeps it: its `type`, its data as JSON, and back.
//!
//! A store knows no kinds: it keeps type and bytes, and asks here for what they mean. `None` is an
//! answer: the type came with a later version, or its data do not read as this version expects.

use serde::de::DeserializeOwned;

use crate::event::{Event, Saying};

impl Saying {
    /// What stands under `data` of the envelope, as JSON with its members in order of name. `None`
    /// where JSON cannot carry it: a number that is no number does not read back.
    #[must_use]
    pub fn data(&self) -> Option<Vec<u8>> {
        let value = match self {
            Self::ShotMade(shot) | Self::ShotMissed(shot) | Self::ShotUnsure(shot) => {
                serde_json::to_value(shot)
            }
            Self::ShotWithdrawn(withdrawal) | Self::HighlightWithdrawn(withdrawal) => {
                serde_json::to_value(withdrawal)
            }
            Self::Score(score) => serde_json::to_value(score),
            Self::Highlight(highlight) => serde_json::to_value(highlight),
            Self::Clip(clip) => serde_json::to_value(clip),
        };
        let data = serde_json::to_vec(&value.ok()?).ok()?;
        Self::read(self.event_type(), &data).is_some().then_some(data)
    }

    /// Reads what [`Self::data`] wrote of an event of this `type`.
    #[must_use]
    pub fn read(event_type: &str, data: &[u8]) -> Option<Self> {
        Some(match event_type {
            "courtside.shot.made.v1" => Self::ShotMade(json(data)?),
            "courtside.shot.missed.v1" => Self::ShotMissed(json(data)?),
            "courtside.shot.unsure.v1" => Self::ShotUnsure(json(data)?),
            "courtside.shot.withdrawn.v1" => Self::ShotWithdrawn(json(data)?),
            "courtside.score.v1" => Self::Score(json(data)?),
            "courtside.highlight.v1" => Self::Highlight(json(data)?),
            "courtside.highlight.withdrawn.v1" => Self::HighlightWithdrawn(json(data)?),
            "courtside.clip.v1" => Self::Clip(json(data)?),
            _ => return None,
        })
    }

    /// The facts that it stands on: revised with them.
    #[must_use]
    pub fn stands_on(&self) -> Vec<String> {
        match self {
            Self::Score(score) => score.after.iter().cloned().collect(),
            Self::Highlight(highlight) => vec![highlight.shot.clone()],
            Self::ShotMade(_)
            | Self::ShotMissed(_)
            | Self::ShotUnsure(_)
            | Self::ShotWithdrawn(_)
            | Self::HighlightWithdrawn(_)
            | Self::Clip(_) => Vec::new(),
        }
    }
}

impl Event {
    /// `subject` of the envelope: the attempt, named through its session.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("{}/{}", self.fact.session, self.attempt)
    }

    /// The attempt that [`Self::subject`] names.
    #[must_use]
    pub fn attempt_of(subject: &str) -> Option<u32> {
        subject.split_once('/')?.1.parse().ok()
    }
}

fn json<T: DeserializeOwned>(data: &[u8]) -> Option<T> {
    serde_json::from_slice(data).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::clip::ClipTold;
    use crate::event::words::ClipWord;
    use crate::event::{FactId, Family, Highlight, ModelRef, Score, Shot, Withdrawal};
    use crate::media::{CourtId, Foreign, MediaTime, SessionId};

    fn shot(confidence: f64) -> Shot {
        Shot {
            rim: 1,
            t_stream: 12.345,
            t_decided: 1.0 / 3.0,
            confidence,
            provisional: true,
            points: Some(3),
            clip: None,
            model: ModelRef {
                bundle: "rim".into(),
                version: "1".into(),
                precision: "fp32".into(),
                engine: "builtin".into(),
            },
            latency_ms: 31.25,
            by: None,
            reason: None,
        }
    }

    fn one_of_each() -> [Saying; 8] {
        let withdrawal = || Withdrawal { t_stream: 1.5, reason: "restart".into(), by: None };
        let score = Score { made: vec![1, 0], attempts: vec![2, 0], after: Some("f".into()) };
        let [shot_fact, reason, clip] = ["f", "made", "/v1/clips/x"].map(str::to_owned);
        [
            Saying::ShotMade(shot(0.5)),
            Saying::ShotMissed(shot(0.25)),
            Saying::ShotUnsure(shot(0.75)),
            Saying::ShotWithdrawn(withdrawal()),
            Saying::Score(score),
            Saying::Highlight(Highlight { shot: shot_fact, reason, t_stream: 1.5, clip }),
            Saying::HighlightWithdrawn(withdrawal()),
            Saying::Clip(ClipTold {
                id: "a-x".into(),
                clip: "/v1/clips/a-x".into(),
                state: ClipWord::Gone,
                reason: Foreign::text("made"),
                note: None,
                t_from: 1.5,
                t_to: 9.25,
                bytes: None,
                sha256: None,
                until: None,
            }),
        ]
    }

    #[test]
    fn every_kind_reads_back_from_its_type_and_data() {
        for saying in one_of_each() {
            let data = saying.data().unwrap();
            assert_eq!(Saying::read(saying.event_type(), &data), Some(saying));
        }
    }

    #[test]
    fn what_this_version_does_not_know_is_none_and_no_error() {
        let data = one_of_each()[4].data().unwrap();
        for (event_type, data) in [
            ("courtside.momentum.v1", data.as_slice()),
            ("courtside.score.v2", data.as_slice()),
            ("courtside.score.v1", b"{}"),
            ("courtside.score.v1", b"7"),
        ] {
            assert_eq!(Saying::read(event_type, data), None, "{event_type}");
        }
        // More than this version knows of a kind that it knows is let be.
        let more = br#"{"made":[1],"attempts":[1],"by":"operator"}"#;
        assert!(Saying::read("courtside.score.v1", more).is_some());
    }

    #[test]
    fn what_json_cannot_carry_has_no_data() {
        assert_eq!(Saying::ShotMade(shot(f64::NAN)).data(), None);
    }

    #[test]
    fn a_subject_names_its_attempt() {
        let event = Event {
            court: CourtId::new("a").unwrap(),
            fact: FactId::new(SessionId::from_bits(7), Family::Shot, 3),
            revision: 0,
            attempt: 12,
            at: MediaTime::ZERO,
            saying: Saying::Score(Score::default()),
            clip: None,
        };
        assert_eq!(event.subject(), "0000000000000007/12");
        assert_eq!(Event::attempt_of(&event.subject()), Some(12));
        assert_eq!(Event::attempt_of("12"), None);
    }
}
