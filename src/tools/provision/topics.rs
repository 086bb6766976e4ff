//! Which of a claim's topics a message came to (pure; protocol.md §4.5).

use crate::claim::Serial;
use crate::media::BoxName;

/// From whom a request comes, as the broker's rights say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// A claim file.
    Claim(Serial),
    /// Its own identity.
    Itself(BoxName),
}

impl From {
    /// Where it hears the answer.
    pub(super) fn answers(&self) -> String {
        match self {
            Self::Claim(serial) => format!("courtside/1/claim/{serial}/res"),
            Self::Itself(name) => format!("courtside/1/{name}/claim/res"),
        }
    }
}

/// What a topic is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    /// A request, or what a box in trouble tells.
    Req(From),
    /// A box tries its new identity.
    Trial,
    /// It is who it is.
    Committed(BoxName),
    /// `state/box`.
    State(BoxName),
    /// `state/claim`.
    Claimed(BoxName),
}

impl Topic {
    /// Reads one; `None` where the desk has nothing to do with it.
    pub(super) fn read(topic: &str) -> Option<Self> {
        let parts: Vec<&str> = topic.strip_prefix("courtside/1/")?.split('/').collect();
        let name = |text: &str| BoxName::new(text).ok();
        match parts.as_slice() {
            ["claim", serial, "req"] => Serial::new(serial).ok().map(From::Claim).map(Self::Req),
            [own, "claim", "req"] => name(own).map(From::Itself).map(Self::Req),
            [_, "claim", "trial"] => Some(Self::Trial),
            [own, "claim", "committed"] => name(own).map(Self::Committed),
            [own, "state", "box"] => name(own).map(Self::State),
            [own, "state", "claim"] => name(own).map(Self::Claimed),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_says_who_asks() {
        let name = BoxName::new("rim-1").expect("a name");
        let serial = Serial::new("CS-1").expect("a serial number");
        for (topic, expected) in [
            ("courtside/1/claim/CS-1/req", Some(Topic::Req(From::Claim(serial)))),
            ("courtside/1/rim-1/claim/req", Some(Topic::Req(From::Itself(name.clone())))),
            ("courtside/1/rim-1/claim/trial", Some(Topic::Trial)),
            ("courtside/1/rim-1/claim/committed", Some(Topic::Committed(name.clone()))),
            ("courtside/1/rim-1/state/box", Some(Topic::State(name.clone()))),
            ("courtside/1/rim-1/state/claim", Some(Topic::Claimed(name))),
            ("courtside/1/Rim 1/claim/req", None),
            ("courtside/1/claim/CS-1/res", None),
            ("courtside/1/claim/a/b/req", None),
            ("courtside/2/claim/CS-1/req", None),
            ("", None),
        ] {
            assert_eq!(Topic::read(topic), expected, "{topic}");
        }
    }
}
