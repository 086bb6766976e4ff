//! Doors, reasons, counts, and the words for what goes on at a door (pure).

use crate::admission::members::Full;
use crate::admission::prefix::Prefix;

/// Where peers come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Door {
    /// Publishers, in clear or over TLS.
    Rtmp,
    /// The page and programs.
    Http,
}

impl Door {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Rtmp, Self::Http];

    /// As metrics name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rtmp => "rtmp",
            Self::Http => "http",
        }
    }

    const fn port(self) -> &'static str {
        match self {
            Self::Rtmp => "the port of the cameras",
            Self::Http => "the page's port",
        }
    }

    const fn secrets(self) -> &'static str {
        match self {
            Self::Rtmp => "stream keys",
            Self::Http => "the token",
        }
    }
}

/// Why a peer was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A stream key, bearer or sign-in that is none of ours.
    WrongSecret,
    /// Not answered: too many from there, or from everywhere, waited already.
    Unheard,
    /// Not taken in: more knocked than are, and it among those who knock all the time.
    Crowd,
    /// It had to go for a newcomer.
    Evicted,
    /// It did not show a secret in time.
    Slow,
    /// Its TLS handshake failed.
    Tls,
    /// It broke the protocol or a limit of it.
    Broken,
    /// It asked for a name that is not ours.
    Host,
    /// It showed its secret, and as many of its address, or of all, are being answered as may be: told to come later.
    Full,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::WrongSecret,
        Self::Unheard,
        Self::Crowd,
        Self::Evicted,
        Self::Slow,
        Self::Tls,
        Self::Broken,
        Self::Host,
        Self::Full,
    ];

    /// As metrics name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WrongSecret => "wrong_secret",
            Self::Unheard => "unheard",
            Self::Crowd => "crowd",
            Self::Evicted => "evicted",
            Self::Slow => "slow",
            Self::Tls => "tls",
            Self::Broken => "broken",
            Self::Host => "host",
            Self::Full => "full",
        }
    }

    /// True if the prefix is to be blamed: an eviction is, where nothing had come for a while.
    pub(crate) const fn is_offence(self) -> bool {
        !matches!(self, Self::Evicted | Self::Crowd | Self::Full)
    }
}

/// Counts since start. All of them only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdmissionCounts {
    /// Connections that showed a right secret, by door.
    pub admitted: [u64; 2],
    /// Right answers that had to wait, by door.
    pub delayed: [u64; 2],
    /// By door and reason.
    pub refused: [[u64; Reason::ALL.len()]; 2],
}

impl AdmissionCounts {
    /// Refusals of one kind.
    #[must_use]
    pub fn refused(&self, door: Door, reason: Reason) -> u64 {
        let of_door = self.refused.get(door as usize);
        of_door.and_then(|of| of.get(reason as usize)).copied().unwrap_or(0)
    }

    pub(crate) fn count(&mut self, door: Door, reason: Reason) {
        let of_door = self.refused.get_mut(door as usize);
        if let Some(count) = of_door.and_then(|of| of.get_mut(reason as usize)) {
            *count += 1;
        }
    }
}

pub(crate) fn guesses(prefix: Prefix, door: Door, times: u32) -> String {
    format!(
        "{prefix} guessed {} {times} times in the last minute: block it at the venue's router; if one may have \
         been found, change {}",
        door.secrets(),
        match door {
            Door::Rtmp => "the keys",
            Door::Http => "it",
        }
    )
}

pub(crate) fn guesses_of_many(prefixes: usize, door: Door, times: u32) -> String {
    format!(
        "{prefixes} more addresses guessed {} {times} times in the last minute: let nobody from outside the \
         venue reach this box",
        door.secrets()
    )
}

pub(crate) fn idles(prefix: Prefix, door: Door, times: u32) -> String {
    format!(
        "{prefix} opened {times} connections to {} in the last minute and said nothing: block it at the \
         venue's router",
        door.port()
    )
}

pub(crate) fn full(prefix: Prefix, full: Full, times: u32) -> String {
    format!(
        "{times} questions of {prefix} to the page were told to come later in the last minute: {full}"
    )
}

pub(crate) fn crowd(door: Door, times: u32, most: u32, of: Prefix) -> String {
    format!(
        "{times} connections to {} were turned away in the last minute, {most} of them from {of}: block it at \
         the venue's router, and let nobody from outside the venue reach this box",
        door.port()
    )
}
