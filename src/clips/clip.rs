//! `clips/{id}.json`: what a clip is, or why there is none.

use serde::{Deserialize, Serialize};

use crate::clips::cut::Part;
use crate::clips::index::ClipBrief;

/// Version of the way that clips are put together. Bytes of a clip never change (R7): another way
/// is another number, and the old way stays for old clips.
pub(crate) const LAYOUT: u32 = 1;

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
    /// First moment in it, ns of media time.
    pub start_ns: i64,
    /// Its end, ns.
    pub end_ns: i64,
    /// Width of the picture.
    pub width: u16,
    /// Height of the picture.
    pub height: u16,
    /// What it is put together from.
    pub parts: Vec<Part>,
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

impl Clip {
    /// What the memory keeps of it.
    #[must_use]
    pub fn brief(&self) -> ClipBrief {
        let parts = self.media.iter().flat_map(|media| &media.parts);
        let mut segments: Vec<_> = parts.map(|part| part.segment).collect();
        segments.dedup();
        ClipBrief {
            id: self.id.clone(),
            number: self.number,
            segments,
            pinned: self.pinned,
            made_ns: self.made_ns,
        }
    }

    /// As its file holds it.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// Reads a file. `None` if it is none of ours.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|clip: &Self| clip.layout == LAYOUT)
    }
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
    fn a_clip_id_cannot_leave_its_folder() {
        for good in ["a-0123456789abcdef-1", "x", "A_b.c"] {
            assert!(is_clip_id(good), "{good}");
        }
        for bad in ["", ".", "..", ".x", "a/b", "a\\b", "a%2fb", "ä", &"x".repeat(129)] {
            assert!(!is_clip_id(bad), "{bad}");
        }
    }
}
