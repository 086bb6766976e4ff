//! What a film is made of, before anything of it is laid out (pure).

use crate::clips::film::entries::{Entry, SoundEntry};
use crate::clips::film::scenes::Scene;
use crate::clips::timeline::Ticks;

/// What a film is made of.
#[derive(Debug)]
pub(crate) struct Reel<'a> {
    /// Its title.
    pub(crate) title: Option<&'a str>,
    /// When its first picture was taken, seconds since 1970; 0 if nobody knows.
    pub(crate) taken: u64,
    /// In order.
    pub(crate) scenes: &'a [Scene],
    /// By the numbers that scenes have for them.
    pub(crate) entries: &'a [Entry],
    /// The sound that is heard, with its number. Scenes with another are silent.
    pub(crate) sound: Option<(usize, &'a SoundEntry)>,
    /// In order.
    pub(crate) chapters: &'a [Chapter],
}

/// A place to go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chapter {
    /// Where in the film.
    pub(crate) at: Ticks,
    /// What is there.
    pub(crate) title: String,
}

impl Chapter {
    /// Its title, as much of it as both kinds of chapters hold.
    #[must_use]
    pub(crate) fn title(&self) -> &str {
        let end = (0..=self.title.len().min(255)).rev().find(|&at| self.title.is_char_boundary(at));
        self.title.get(..end.unwrap_or(0)).unwrap_or("")
    }
}
