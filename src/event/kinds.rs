//! What an event says, as a store keeps it: its `type`, its data as JSON, and back.
//!
//! A store knows no kinds: it keeps type and bytes, and asks here for what they mean. `None` is an
//! answer: the type came with a later version, or its data do not read as this version expects.

use serde::de::DeserializeOwned;

use crate::event::game::{GameScore, Leaderboard, Momentum};
use crate::event::{Event, Saying, Score};

impl Saying {
    /// What stands under `data` of the envelope, as JSON with its members in order of name. `None`
    /// where JSON cannot carry it: a number that is no number does not read back.
    #[must_use]
    pub fn data(&self) -> Option<Vec<u8>> {
        let value = match self {
            Self::ShotMade(shot) | Self::ShotMissed(shot) | Self::ShotUnsure(shot) => {
                serde_json::to_value(shot)
            }
            Self::ShotWithdrawn(withdrawal)
            | Self::HighlightWithdrawn(withdrawal)
            | Self::GraphicWithdrawn(withdrawal)
            | Self::SocialWithdrawn(withdrawal) => serde_json::to_value(withdrawal),
            Self::Score(score) => serde_json::to_value(score),
            Self::Highlight(highlight) => serde_json::to_value(highlight),
            Self::Clip(clip) => serde_json::to_value(clip),
            Self::Game(game) => serde_json::to_value(game),
            Self::GameScore(score) => serde_json::to_value(score),
            Self::Momentum(momentum) => serde_json::to_value(momentum),
            Self::Leaderboard(board) => serde_json::to_value(board),
            Self::Graphic(graphic) => serde_json::to_value(graphic),
            Self::SocialCandidate(candidate) => serde_json::to_value(candidate),
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
            "courtside.game.v1" => Self::Game(json(data)?),
            "courtside.game.score.v1" => Self::GameScore(json(data)?),
            "courtside.momentum.v1" => Self::Momentum(json(data)?),
            "courtside.leaderboard.v1" => Self::Leaderboard(json(data)?),
            "courtside.graphic.v1" => Self::Graphic(json(data)?),
            "courtside.graphic.withdrawn.v1" => Self::GraphicWithdrawn(json(data)?),
            "courtside.social.candidate.v1" => Self::SocialCandidate(json(data)?),
            "courtside.social.candidate.withdrawn.v1" => Self::SocialWithdrawn(json(data)?),
            _ => return None,
        })
    }

    /// The facts that it stands on: revised with them.
    #[must_use]
    pub fn stands_on(&self) -> Vec<String> {
        match self {
            Self::Score(Score { after, .. })
            | Self::Momentum(Momentum { after, .. })
            | Self::Leaderboard(Leaderboard { after, .. }) => after.iter().cloned().collect(),
            Self::GameScore(GameScore { after, won_by, .. }) => {
                after.iter().chain(won_by).cloned().collect()
            }
            Self::Highlight(highlight) => {
                std::iter::once(&highlight.shot).chain(&highlight.with).cloned().collect()
            }
            Self::Graphic(graphic) => graphic.stands_on.clone(),
            Self::SocialCandidate(candidate) => vec![candidate.highlight.clone()],
            Self::ShotMade(_)
            | Self::ShotMissed(_)
            | Self::ShotUnsure(_)
            | Self::ShotWithdrawn(_)
            | Self::HighlightWithdrawn(_)
            | Self::Clip(_)
            | Self::Game(_)
            | Self::GraphicWithdrawn(_)
            | Self::SocialWithdrawn(_) => Vec::new(),
        }
    }
}

impl Event {
    /// `subject` of the envelope: the attempt, named through its session.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("{}/{}", self.session, self.attempt)
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
    use serde_json::json;

    use super::*;
    use crate::event::clip::ClipTold;
    use crate::event::words::ClipWord;
    use crate::event::{FactId, Family, Highlight, ModelRef, SaidBy, Score, Shot, Withdrawal};
    use crate::media::{CourtId, Foreign, GameId, MediaTime, PlayerId, SessionId, TeamId};

    fn shot(confidence: f64) -> Shot {
        Shot {
            rim: 1,
            t_stream: 12.345,
            t_decided: 1.0 / 3.0,
            confidence,
            provisional: true,
            game: Some(GameId::new("g1").unwrap()),
            points: Some(3),
            points_by: Some(SaidBy::Rules),
            team: Some(TeamId::new("home").unwrap()),
            team_by: Some(SaidBy::Operator),
            player: Some(PlayerId::new("7").unwrap()),
            clip: None,
            model: ModelRef {
                bundle: "rim".into(),
                version: "1".into(),
                precision: "fp32".into(),
                engine: "builtin".into(),
            },
            latency_ms: 31.25,
            by: None,
            who: Some("ana".into()),
            reason: None,
        }
    }

    fn one_of_each() -> Vec<Saying> {
        let withdrawal =
            || Withdrawal { t_stream: 1.5, reason: "restart".into(), by: None, who: None };
        let score = Score { made: vec![1, 0], attempts: vec![2, 0], after: Some("f".into()) };
        let [shot_fact, reason, clip] = ["f", "made", "/v1/clips/x"].map(str::to_owned);
        let mut all = vec![
            Saying::ShotMade(shot(0.5)),
            Saying::ShotMissed(shot(0.25)),
            Saying::ShotUnsure(shot(0.75)),
            Saying::ShotWithdrawn(withdrawal()),
            Saying::Score(score),
            Saying::Highlight(Highlight {
                shot: shot_fact,
                reason,
                t_stream: 1.5,
                clip,
                score: Some(61.25),
                parts: None,
                with: vec!["g".to_owned()],
                tags: vec!["made".to_owned()],
            }),
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
        ];
        all.extend(of_a_game());
        all
    }

    fn of_a_game() -> [Saying; 8] {
        let withdrawal =
            || Withdrawal { t_stream: 1.5, reason: "operator".into(), by: None, who: None };
        let read = |event_type: &str, data: serde_json::Value| {
            let data = serde_json::to_vec(&data).unwrap();
            Saying::read(event_type, &data).unwrap()
        };
        let team = |team: &str| json!({ "team": team, "points": 4, "made": 2, "attempts": 3, "by_period": [4] });
        let row = json!({
            "rank": 1, "team": "home", "points": 4, "made": 2, "attempts": 3, "percent": 67,
            "streak": 1, "best_streak": 2, "best_run": 4,
            "by_value": [{ "points": 2, "made": 2, "attempts": 3 }],
        });
        [
            read(
                "courtside.game.v1",
                json!({
                    "game": "g", "state": "running", "rules": "fiba-3x3", "courts": ["a"],
                    "teams": [{ "id": "home" }, { "id": "away" }], "period": 1, "periods": 1,
                }),
            ),
            read(
                "courtside.game.score.v1",
                json!({
                    "game": "g", "period": 1, "teams": [team("home"), team("away")],
                    "pending": { "attempts": 1, "made": 1, "points": 2 }, "by": 0,
                    "lead_changes": 1, "ties": 1, "after": "f",
                }),
            ),
            read(
                "courtside.momentum.v1",
                json!({
                    "game": "g", "swing": -2, "swing_shots": 5, "pending_points": 2, "after": "f",
                    "drought": [
                        { "team": "home", "misses": 1, "seconds": 40 },
                        { "team": "away", "misses": 0, "seconds": 12 },
                    ],
                    "win": [{ "team": "home", "share": 0.5625 }, { "team": "away", "share": 0.4375 }],
                }),
            ),
            read(
                "courtside.leaderboard.v1",
                json!({ "game": "g", "teams": [row], "players": [], "after": "f" }),
            ),
            read(
                "courtside.graphic.v1",
                json!({
                    "game": "g", "about": "run", "text": "6-0", "priority": 60, "life_s": 30,
                    "state": "proposed", "stands_on": ["f"], "t_stream": 1.5,
                }),
            ),
            Saying::GraphicWithdrawn(withdrawal()),
            read(
                "courtside.social.candidate.v1",
                json!({
                    "game": "g", "highlight": "h", "clip": "/v1/clips/x", "caption": "c",
                    "why": "w", "score": 71.5, "state": "proposed", "t_stream": 1.5,
                }),
            ),
            Saying::SocialWithdrawn(withdrawal()),
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
            ("courtside.tempo.v1", data.as_slice()),
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
            session: SessionId::from_bits(7),
            game: None,
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
