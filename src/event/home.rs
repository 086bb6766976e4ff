//! `state/home/{court}`: what a dashboard in somebody's home shows of a court, the latest of it. Retained,
//! and there only while `uplink.home_assistant` is on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::words::ShotWord;
use crate::event::{Envelope, FactId};

/// A court at a glance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HomeState {
    /// Made shots of each rim, by index.
    pub made: Vec<u32>,
    /// Attempts with a final call of each rim, by index.
    pub attempts: Vec<u32>,
    /// The latest call, once there was one.
    pub last: Option<LastCall>,
}

/// The latest call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LastCall {
    /// How it came out.
    pub call: ShotWord,
    /// The shot.
    pub fact: String,
    /// UTC of the shot, RFC 3339.
    pub time: String,
    /// Index of the rim; absent once it was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rim: Option<u64>,
    /// 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// True until the final.
    #[serde(default)]
    pub provisional: bool,
    /// Where its clip is: an address, or the path at the box where the box does not know its own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<String>,
}

impl LastCall {
    /// What an event says of a shot; `None` of one that is about something else. `page` is the address of
    /// the box's page, if it is known.
    #[must_use]
    pub fn of(envelope: &Envelope, page: Option<&str>) -> Option<Self> {
        let call = match envelope.event_type.as_str() {
            "courtside.shot.made.v1" => ShotWord::Made,
            "courtside.shot.missed.v1" => ShotWord::Missed,
            "courtside.shot.unsure.v1" => ShotWord::Unsure,
            "courtside.shot.withdrawn.v1" => ShotWord::Withdrawn,
            _ => return None,
        };
        let data = &envelope.data;
        let clip = data["clip"].as_str().map(|path| format!("{}{path}/media", page.unwrap_or("")));
        Some(Self {
            call,
            fact: envelope.fact.clone(),
            time: envelope.time.clone(),
            rim: data["rim"].as_u64(),
            confidence: data["confidence"].as_f64(),
            provisional: data["provisional"].as_bool().unwrap_or(false),
            clip,
        })
    }

    /// True if `other`, which was told later, is not about an earlier shot of the same session: a correction
    /// of that is no latest call.
    #[must_use]
    pub fn gives_way_to(&self, other: &Self) -> bool {
        match (FactId::parse(&self.fact), FactId::parse(&other.fact)) {
            (Some(this), Some(other)) => this.session != other.session || other.n >= this.n,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn envelope(event_type: &str, fact: &str) -> Envelope {
        let told = json!({
            "specversion": "1.0", "id": format!("{fact}.1"), "source": "courtside:rim-1/a",
            "type": event_type, "time": "2026-11-22T18:04:11.480Z",
            "datacontenttype": "application/json", "subject": "00000000000000aa/3", "sequence": "41",
            "session": "00000000000000aa", "fact": fact, "revision": 1, "historical": false,
            "clocksource": "sei", "clockerrorms": 40,
            "data": { "rim": 0, "confidence": 0.97, "provisional": false, "clip": "/v1/clips/a-1" },
        });
        serde_json::from_value(told).expect("an envelope")
    }

    #[test]
    fn a_call_is_told_with_its_clip() {
        let fact = "00000000000000aa-shot-3";
        let of =
            |event_type| LastCall::of(&envelope(event_type, fact), Some("http://10.0.0.7:8080"));
        let made = of("courtside.shot.made.v1").expect("a shot");
        assert_eq!(made.clip.as_deref(), Some("http://10.0.0.7:8080/v1/clips/a-1/media"));
        assert_eq!((made.call, made.rim), (ShotWord::Made, Some(0)));
        assert_eq!(of("courtside.shot.withdrawn.v1").expect("a shot").call, ShotWord::Withdrawn);
        assert_eq!(of("courtside.score.v1"), None);
        let path = LastCall::of(&envelope("courtside.shot.unsure.v1", fact), None).expect("a shot");
        assert_eq!(path.clip.as_deref(), Some("/v1/clips/a-1/media"));
    }

    #[test]
    fn a_correction_of_an_earlier_shot_is_no_latest_call() {
        let of = |fact| LastCall::of(&envelope("courtside.shot.made.v1", fact), None).expect("one");
        let third = of("00000000000000aa-shot-3");
        for (fact, expected) in [
            ("00000000000000aa-shot-2", false),
            ("00000000000000aa-shot-3", true),
            ("00000000000000aa-shot-12", true),
            ("00000000000000ab-shot-1", true),
        ] {
            assert_eq!(third.gives_way_to(&of(fact)), expected, "{fact}");
        }
    }
}
