//! Names of things: box, court, rim, session.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A name is not of the form that topics, paths and addresses can carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no name: use 1 to 32 of a-z, 0-9 and '-', for example \"north-2\"")]
pub struct NameError {
    /// What was given, cut to 64 characters.
    pub name: String,
}

fn checked(name: &str) -> Result<Arc<str>, NameError> {
    let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if (1..=32).contains(&name.len()) && name.bytes().all(good) {
        Ok(Arc::from(name))
    } else {
        Err(NameError { name: name.chars().take(64).collect() })
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks a name: `[a-z0-9-]{1,32}` (DESIGN §4.1).
            ///
            /// # Errors
            /// [`NameError`] when it is of another form.
            pub fn new(name: &str) -> Result<Self, NameError> {
                checked(name).map(Self)
            }

            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(&name)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// One camera and the rims that it sees.
    CourtId
);
name_type!(
    /// One appliance.
    BoxName
);
name_type!(
    /// One game, on whatever courts it is played.
    GameId
);
name_type!(
    /// One team of a game.
    TeamId
);
name_type!(
    /// One player of a team.
    PlayerId
);

/// Index of a rim in its court's `rims`, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RimId(pub u16);

impl fmt::Display for RimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The ring's visible ellipse as a box, in pixels of the picture that it was drawn on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RimBox {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width; the unit of every crop.
    pub w: f32,
    /// Height.
    pub h: f32,
}

impl fmt::Display for RimBox {
    /// Whole pixels, as they stand in the configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:.0}, {:.0}, {:.0}, {:.0}]", self.x, self.y, self.w, self.h)
    }
}

/// One unbroken run of a stream's timestamps: a publish, or what follows a jump (DESIGN §5.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u64);

impl SessionId {
    /// From its 64 bits (random where it is made; fixed in tests).
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Its 64 bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Reads the 16 hexadecimal digits that `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten().map(Self)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("`{text}` is no 16 hexadecimal digits")))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_topics_can_carry() {
        for good in ["a", "north-2", "0", &"x".repeat(32)] {
            assert!(CourtId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "North", "a/b", "a b", "ü", "+", "#", &"x".repeat(33)] {
            assert!(CourtId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_session_reads_back() {
        let session = SessionId::from_bits(0x0123_4567_89ab_cdef);
        assert_eq!(SessionId::parse(&session.to_string()), Some(session));
        assert_eq!(SessionId::parse("12"), None);
    }
}
