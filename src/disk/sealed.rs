//! A file of JSON that says of itself whether it is what was written (pure).
//!
//! Behind the JSON stand 32 blanks and tabs, and a line feed: its checksum, a bit each, the lowest first. To
//! whoever reads JSON they are nothing, so older versions, people's tools and the cloud read the file as before;
//! and whoever writes it anew without them leaves no checksum that is wrong. A file without one (of an earlier
//! version, or of a person) is believed as far as it can be read.

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::disk::Format;

/// Bits of a checksum.
const BITS: usize = 32;
/// What is said of a file whose checksum is another's.
const CHANGED: &str = "its bytes are not those that were written";

/// Why a file is none that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A newer version wrote it.
    Newer(Format),
    /// It is damaged: why that is said.
    Damaged(String),
}

/// `json`, with its checksum behind it.
#[must_use]
pub fn seal(mut json: Vec<u8>) -> Vec<u8> {
    json.truncate(body(&json).len());
    let sum = sum(&json);
    json.extend((0..BITS).map(|bit| if sum >> bit & 1 == 1 { b'\t' } else { b' ' }));
    json.push(b'\n');
    json
}

/// The JSON of a file.
///
/// # Errors
/// Why it is not what was written.
pub fn unseal(bytes: &[u8]) -> Result<&[u8], Wrong> {
    let json = body(bytes);
    let behind = bytes.get(json.len()..).unwrap_or_default();
    let damaged = |why: &str| Err(Wrong::Damaged(why.to_owned()));
    if bytes.is_empty() {
        return damaged("it is empty");
    }
    if bytes.iter().all(|byte| *byte == 0) {
        return damaged("it is all zeros");
    }
    match behind {
        b"" | b"\n" | b"\r\n" => Ok(json),
        [bits @ .., b'\n'] if bits.len() == BITS => {
            let said = bits.iter().enumerate().try_fold(0_u32, |said, (bit, byte)| match byte {
                b'\t' => Some(said | 1 << bit),
                b' ' => Some(said),
                _ => None,
            });
            if said == Some(sum(json)) { Ok(json) } else { damaged(CHANGED) }
        }
        _ => damaged(CHANGED),
    }
}

/// True where the checksum stands behind the JSON, and holds.
#[must_use]
pub fn is_sealed(bytes: &[u8]) -> bool {
    bytes.len() > body(bytes).len() + BITS && unseal(bytes).is_ok()
}

/// Reads a file that names its [`Format`], for a program that writes `ours`.
///
/// # Errors
/// [`Wrong`].
pub fn read_json<T: DeserializeOwned>(bytes: &[u8], ours: Format) -> Result<T, Wrong> {
    let json = unseal(bytes)?;
    let format: Format = serde_json::from_slice(json).map_err(|error| no_json(&error))?;
    if !format.is_read_by(ours) {
        return Err(Wrong::Newer(format));
    }
    serde_json::from_slice(json).map_err(|error| no_json(&error))
}

/// What is said of JSON that cannot be read: its place alone, for what stands there may be secret.
#[must_use]
pub fn no_json(error: &serde_json::Error) -> Wrong {
    Wrong::Damaged(format!("line {}, column {} cannot be read", error.line(), error.column()))
}

/// Without the blanks behind it.
fn body(bytes: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let long = bytes.iter().rposition(|byte| !is_blank(byte)).map_or(0, |last| last + 1);
    bytes.get(..long).unwrap_or_default()
}

fn sum(json: &[u8]) -> u32 {
    let hash = Sha256::digest(json);
    hash.iter().take(4).fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_that_turns_and_every_cut_is_seen() {
        let json = br#"{"format":1,"name":"a","n":17}"#;
        let sealed = seal(json.to_vec());
        assert_eq!(unseal(&sealed), Ok(&json[..]));
        assert_eq!(seal(sealed.clone()), sealed, "once is enough");
        let value: serde_json::Value = serde_json::from_slice(&sealed).expect("JSON to anybody");
        assert_eq!(value["n"], 17);
        let reads = |bytes: &[u8]| read_json::<serde_json::Value>(bytes, Format::FIRST).ok();
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut turned = sealed.clone();
                turned[at] ^= 1 << bit;
                assert_eq!(reads(&turned), None, "bit {bit} of byte {at}");
            }
            // All of the JSON and nothing behind it is what an earlier version wrote.
            let whole = at == json.len();
            assert_eq!(reads(&sealed[..at]).is_some(), whole, "cut at {at}");
        }
        assert_eq!(reads(&vec![0; sealed.len()]), None);
    }

    #[test]
    fn what_earlier_versions_and_people_write_is_read() {
        for text in ["{\"n\":1}", "{\"n\":1}\n", "{\n \"n\": 1\n}\r\n"] {
            assert!(unseal(text.as_bytes()).is_ok(), "{text:?}");
        }
        let newer = seal(br#"{"format":9,"oldest_reader":4}"#.to_vec());
        let read = read_json::<serde_json::Value>(&newer, Format::FIRST);
        assert_eq!(read, Err(Wrong::Newer(Format { format: 9, oldest_reader: 4 })));
    }
}
