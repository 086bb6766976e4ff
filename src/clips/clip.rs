//! `clips/{id}.json`: what a clip is, or why there is none.
//!
//! Of an entry that a newer version wrote, and that is not readable here, four members are read all
//! the same, and stay what they are in every format: `number`, `pinned`, `segments`, and the words of
//! its [`Format`]. So its clip keeps its place and its bytes until that version is back.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::clips::boxes::checksum;
use crate::clips::cut::Part;
use crate::clips::index::ClipBrief;
use crate::disk::{Format, seal, unseal};
use crate::event::ClipAbout;
use crate::event::tags::own_words;
use crate::media::Foreign;

/// Version of the way that clips are put together. Bytes of a clip never change (R7): another way
/// is another number, and the old way stays for old clips.
pub(crate) const LAYOUT: u32 = 2;
/// The first way: fragments from the key frame on (`cut`).
pub(crate) const AS_IT_LIES: u32 = 1;

/// The format of an entry that this version writes: 1 names no format and no `segments` of its own.
pub const CLIP_FORMAT: Format = Format { format: 2, oldest_reader: 1 };

/// What is said of an entry that the index names and that is not there.
pub(crate) const LOST: &str = "the index names it, it is not on the disk, and nothing says why";
/// What is said of an entry whose bytes changed under it.
pub(crate) const CHANGED: &str = "its bytes are not those that were written";
/// What is said of an entry that is none.
pub(crate) const NO_ENTRY: &str = "it cannot be read as a clip's entry";
/// What is said of a clip whose bytes on the disk are not those that were hashed.
pub(crate) const OTHER_BYTES: &str =
    "its bytes on the disk are not what was hashed: pulling it again does not help";

/// No file of ours is longer.
pub(crate) const MAX_JSON: u64 = 1 << 20;

/// An entry of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clip {
    /// How it is put together.
    pub layout: u32,
    /// Its name.
    pub id: String,
    /// Counts the clips of a box, from 1.
    pub number: u64,
    /// Its court.
    pub court: String,
    /// Its session.
    pub session: String,
    /// Why it was wanted.
    pub reason: String,
    /// First moment wanted, ns of media time.
    pub from_ns: i64,
    /// Last moment wanted, ns.
    pub to_ns: i64,
    /// The clip; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    /// What is missing, or why there is no clip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// True while its bytes must stay.
    pub pinned: bool,
    /// Why its pin ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<PinEnd>,
    /// When it was made, UTC ns.
    pub made_ns: i64,
    /// What somebody said who wants it kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
    /// When its bytes were deleted on demand, UTC ns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_ns: Option<i64>,
    /// The event that it is of was taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
    /// The clip of the highlight that shows what the one of this showed, where it was taken back for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<String>,
    /// The game that was started there, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game: Option<String>,
    /// How much it is worth watching, 0 to 100, where a game says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Number>,
    /// Words by which it is found, in order: what the game says of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// How often the world was told of it: the revision of its next event.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub revision: u32,
    /// When its bytes went since their place was needed, UTC ns. No file says so.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub gone_ns: Option<i64>,
    /// The file that it was read from: what is not known here is written again as it stood.
    #[serde(skip)]
    pub(crate) file: Map<String, Value>,
}

/// What somebody said who wants a clip kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Why.
    pub reason: Foreign,
    /// What else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Foreign>,
    /// Through which door, and as whom.
    pub by: Foreign,
    /// When that was, UTC ns.
    pub at_ns: i64,
    /// When the pin ends by itself, UTC ns; after `pin_days` where that is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ns: Option<i64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Why a file is not read as an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoEntry {
    /// A newer version wrote it.
    Newer(NewerEntry),
    /// It is none of ours, or was one.
    Damaged,
}

/// What is known of an entry of a newer format.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct NewerEntry {
    #[serde(flatten)]
    pub(crate) format: Format,
    #[serde(default)]
    number: Option<u64>,
    #[serde(default)]
    pinned: bool,
    #[serde(default)]
    segments: Vec<u64>,
}

impl NewerEntry {
    /// What the memory keeps of it. `number`: if it says none.
    pub(crate) fn brief(&self, id: &str, number: impl FnOnce() -> u64) -> ClipBrief {
        ClipBrief {
            id: id.to_owned(),
            number: self.number.unwrap_or_else(number),
            // Where nothing is pinned its segments may go, and the file stays.
            segments: if self.pinned { self.segments.clone() } else { Vec::new() },
            pinned: self.pinned,
            made_ns: 0,
            until_ns: None,
            gone_ns: None,
            sum: None,
            unread: true,
        }
    }
}

/// The bytes of a clip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Type with codecs (RFC 6381).
    pub mime: String,
    /// Length.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// First moment in it, ns of media time: that of a key picture.
    pub start_ns: i64,
    /// Its end, ns.
    pub end_ns: i64,
    /// First moment that players show, ns; absent where they show all that is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_start_ns: Option<i64>,
    /// The end of what they show, ns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_end_ns: Option<i64>,
    /// Width of the picture.
    pub width: u16,
    /// Height of the picture.
    pub height: u16,
    /// What it is put together from.
    pub parts: Vec<Part>,
}

impl Media {
    /// What players show of it, ns of media time: its first moment and its end.
    #[must_use]
    pub fn shown_ns(&self) -> (i64, i64) {
        (self.shown_start_ns.unwrap_or(self.start_ns), self.shown_end_ns.unwrap_or(self.end_ns))
    }
}

/// Why a pin ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinEnd {
    /// Somebody has the bytes and said so.
    Acknowledged,
    /// Nobody came for `pin_days`.
    Expired,
    /// A command.
    Command,
}

impl PinEnd {
    /// The word of it in metrics and lists.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Expired => "expired",
            Self::Command => "command",
        }
    }
}

impl Clip {
    /// What the memory keeps of it.
    #[must_use]
    pub fn brief(&self) -> ClipBrief {
        ClipBrief {
            id: self.id.clone(),
            number: self.number,
            segments: self.segments(),
            pinned: self.pinned,
            made_ns: self.made_ns,
            until_ns: self.kept.as_ref().and_then(|kept| kept.until_ns),
            gone_ns: self.deleted_ns,
            sum: None,
            unread: false,
        }
    }

    /// As others see it: of bytes that went there is nothing but when, and why.
    pub(crate) fn seen(mut self, gone_ns: Option<i64>) -> Self {
        if gone_ns.is_none() || self.media.is_none() {
            return self;
        }
        let why = self.ended.map_or("nothing held it", |why| match why {
            PinEnd::Acknowledged => "somebody has its bytes",
            PinEnd::Expired => "nobody came for it in time",
            PinEnd::Command => "it was released",
        });
        self.media = None;
        self.note = Some(format!("gone: {why}, and its place was needed"));
        self.gone_ns = gone_ns;
        self
    }

    /// How good a highlight it is, where its game said so.
    #[must_use]
    pub fn score(&self) -> Option<f64> {
        self.score.as_ref()?.as_f64()
    }

    /// The game that it is of: the one that was started there, else its session.
    #[must_use]
    pub fn game(&self) -> &str {
        self.game.as_deref().unwrap_or(&self.session)
    }

    /// What its game says of it now. `true`: that is news.
    pub(crate) fn tell_about(&mut self, about: &ClipAbout) -> bool {
        if about.is_empty() {
            return false; // of a version that says nothing, or of no game
        }
        // `merged` is said of what is taken back.
        let ClipAbout { game, score_tenths, tags, merged: _ } = about;
        let score = score_tenths.and_then(|tenths| Number::from_f64(f64::from(tenths) / 10.0));
        let said =
            (game.as_ref().map(ToString::to_string).or(self.game.clone()), score, tags.clone());
        let had = (self.game.take(), self.score.take(), std::mem::take(&mut self.tags));
        let is_news = said != had;
        (self.game, self.score, self.tags) = said;
        is_news
    }

    /// Words by which it is found: its game's, and those that people wrote where it was kept.
    #[must_use]
    pub fn all_tags(&self) -> Vec<String> {
        let texts = self.kept.iter().flat_map(|kept| [Some(&kept.reason), kept.note.as_ref()]);
        let own = texts.flatten().flat_map(|text| own_words(text.as_str()));
        let all: BTreeSet<String> = self.tags.iter().cloned().chain(own).collect();
        all.into_iter().collect()
    }

    /// True if it is found by each of these.
    #[must_use]
    pub fn has_tags(&self, wanted: &[String]) -> bool {
        if wanted.is_empty() {
            return true;
        }
        let all = self.all_tags();
        wanted.iter().all(|tag| all.contains(tag))
    }

    /// As it is listed: with all that it is found by, and without where its bytes lie, which is nobody
    /// else's business.
    #[must_use]
    pub fn listed(mut self) -> Self {
        self.tags = self.all_tags();
        self.game = Some(self.game().to_owned());
        if let Some(media) = &mut self.media {
            media.parts.clear();
        }
        self
    }

    /// How it stands, in a word: `pinned`, `deleted`, `gone`, why its pin ended, `none`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match (self.pinned, self.deleted_ns, self.gone_ns, self.ended) {
            (true, ..) => "pinned",
            (_, Some(_), ..) => "deleted",
            (_, _, Some(_), _) => "gone",
            (.., Some(why)) => why.word(),
            _ => "none",
        }
    }

    fn segments(&self) -> Vec<u64> {
        let parts = self.media.iter().flat_map(|media| &media.parts);
        let mut segments: Vec<_> = parts.map(|part| part.segment).collect();
        segments.dedup();
        segments
    }

    /// As its file holds it, its checksum behind it. What was read stands as it stood, but for what may change of a clip.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let Ok(Value::Object(ours)) = serde_json::to_value(self) else { return Vec::new() };
        let said = Format::deserialize(Value::Object(self.file.clone())).unwrap_or(Format::FIRST);
        let format = said.brought_forward(CLIP_FORMAT);
        let mut file = self.file.clone();
        for name in CHANGES.into_iter().chain(self.media.is_none().then_some("media")) {
            if !ours.contains_key(name) {
                file.remove(name);
            }
        }
        for (name, value) in ours {
            if CHANGES.contains(&name.as_str()) || !file.contains_key(&name) {
                file.insert(name, value);
            }
        }
        file.insert("format".to_owned(), format.format.into());
        file.insert("oldest_reader".to_owned(), format.oldest_reader.into());
        file.insert("segments".to_owned(), self.segments().into());
        seal(serde_json::to_vec_pretty(&file).unwrap_or_default())
    }

    /// Reads a file. `None` if it is none that this version can read.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        Self::read(bytes).ok()
    }

    /// Reads a file.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, NoEntry> {
        Self::parse(unseal(bytes).map_err(|_| NoEntry::Damaged)?)
    }

    /// Reads a file whose checksum is wrong, as far as it reads on: nothing says which of its words are right, but
    /// for what it pins.
    pub(crate) fn read_on(bytes: &[u8]) -> Option<Self> {
        Self::parse(bytes).ok()
    }

    fn parse(json: &[u8]) -> Result<Self, NoEntry> {
        let damaged = |_| NoEntry::Damaged;
        let file: Value = serde_json::from_slice(json).map_err(damaged)?;
        let format = Format::deserialize(&file).map_err(damaged)?;
        let layout = file.get("layout").and_then(Value::as_u64);
        // Another layout: its bytes are put together in a way that this version does not know.
        if !format.is_read_by(CLIP_FORMAT)
            || layout.is_some_and(|layout| layout > u64::from(LAYOUT))
        {
            let newer = NewerEntry::deserialize(&file).map_err(damaged)?;
            return Err(NoEntry::Newer(newer));
        }
        let clip: Self = Self::deserialize(&file).map_err(damaged)?;
        match file {
            Value::Object(file) if (AS_IT_LIES..=LAYOUT).contains(&clip.layout) => {
                Ok(Self { file, ..clip })
            }
            _ => Err(NoEntry::Damaged),
        }
    }
}

/// What of an entry is ever written anew.
const CHANGES: [&str; 12] = [
    "pinned",
    "ended",
    "made_ns",
    "kept",
    "note",
    "deleted_ns",
    "withdrawn",
    "merged",
    "revision",
    "game",
    "score",
    "tags",
];

/// Checksum of an entry's file, as the index has it.
#[must_use]
pub(crate) fn sum_of(json: &[u8]) -> u64 {
    u64::from_be_bytes(checksum(&[json]))
}

/// True for a name that can stand in a path and in an address.
#[must_use]
pub(crate) fn is_clip_id(id: &str) -> bool {
    let good = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    (1..=128).contains(&id.len()) && !id.starts_with('.') && id.bytes().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_of_an_entry_survives_the_end_of_its_pin() {
        let later = br#"{"format":3,"oldest_reader":2,"layout":1,"id":"a-1","number":7,"court":"a",
            "session":"00000000000000a1","reason":"made","from_ns":1,"to_ns":2,"pinned":true,
            "made_ns":5,"game":"g-1","media":{"mime":"video/mp4","bytes":9,"sha256":"ab",
            "start_ns":1,"end_ns":2,"width":16,"height":16,"poster":"x",
            "parts":[{"segment":3,"from":0,"to":9,"sealed":true}]}}"#;
        let read = Clip::read(later).expect("readable");
        let ended = Clip { pinned: false, ended: Some(PinEnd::Command), ..read };
        let written: Value = serde_json::from_slice(&ended.to_json()).expect("JSON");
        let mut expected: Value = serde_json::from_slice(later).expect("JSON");
        expected["pinned"] = false.into();
        expected["ended"] = "command".into();
        expected["segments"] = vec![3].into();
        assert_eq!(written, expected);
        assert_eq!(Clip::read(&ended.to_json()).expect("again").to_json(), ended.to_json());
    }

    #[test]
    fn what_an_entry_no_longer_says_is_not_in_its_file_either() {
        let json = br#"{"layout":1,"id":"a-1","number":7,"court":"a","session":"s","reason":"made",
            "from_ns":1,"to_ns":2,"pinned":false,"ended":"command","made_ns":5,"note":"n",
            "media":{"mime":"video/mp4","bytes":9,"sha256":"ab","start_ns":1,"end_ns":2,"width":16,
            "height":16,"parts":[]}}"#;
        let read = Clip::read(json).expect("readable");
        let again = Clip { pinned: true, ended: None, note: None, media: None, ..read };
        let written: Value = serde_json::from_slice(&again.to_json()).expect("JSON");
        for name in ["ended", "note", "media", "gone_ns"] {
            assert_eq!(written.get(name), None, "{name}");
        }
    }

    #[test]
    fn an_entry_of_a_newer_format_is_known_for_what_it_pins() {
        for (words, pins) in [
            (
                r#""format":9,"oldest_reader":3,"number":4,"pinned":true,"segments":[5,6]"#,
                &[5, 6][..],
            ),
            (r#""format":9,"oldest_reader":3,"number":4,"pinned":false,"segments":[5]"#, &[]),
            (r#""layout":3,"number":4,"pinned":true,"segments":[5],"parts":0"#, &[5]),
            (r#""format":9"#, &[]),
        ] {
            let json = format!("{{{words}}}");
            let Err(NoEntry::Newer(newer)) = Clip::read(json.as_bytes()) else { panic!("{json}") };
            let brief = newer.brief("x", || 4);
            assert_eq!(
                (brief.number, &brief.segments[..], brief.unread),
                (4, pins, true),
                "{json}"
            );
        }
        for json in ["", "[]", "{}", r#"{"format":"x"}"#, r#"{"layout":0}"#] {
            assert_eq!(Clip::read(json.as_bytes()), Err(NoEntry::Damaged), "{json}");
        }
    }

    #[test]
    fn a_clip_id_cannot_leave_its_folder() {
        for good in ["a-0123456789abcdef-1", "x", "A_b.c"] {
            assert!(is_clip_id(good), "{good}");
        }
        for bad in ["", ".", "..", ".x", "a/b", "a\\b", "a%2fb", "ä", &"x".repeat(129)] {
            assert!(!is_clip_id(bad), "{bad}");
        }
    }
}
