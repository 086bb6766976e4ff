//! The form of a parcel: a list of names and lengths, then the bytes (pure).
//!
//! ```text
//! courtside parcel 1
//! model.toml 3021
//! model.toml.minisig 330
//! rimnet-fp32.onnx 5120384
//!
//! (the bytes of each, one behind the other, and nothing else)
//! ```
//! No tar: that has owners, times, padding and links, which no signature of the manifest would cover, and
//! which would have to be refused one by one. Here each value has one form, so nothing can be hidden.

use std::io;

use crate::detect::bundle::error::MANIFEST;
use crate::detect::bundle::files::MAX_MANIFEST_BYTES;
use crate::detect::parcel::refused::Refused;
use crate::detect::parcel::seal::is_sealed;
use crate::detect::parcel::source::Source;
use crate::minisign::{MOST_SIGNATURE_BYTES, SIGNATURE_FILE, UNTRUSTED, as_packed};

const MAGIC: &str = "courtside parcel ";
const FORMAT: &str = "1";
/// Bytes of the list.
const MOST_HEAD: u64 = 8 << 10;
/// Parts: three precisions for some devices are a dozen.
const MOST_PARTS: usize = 34;
/// Characters of a name.
const MOST_NAME: usize = 128;

/// A file in a parcel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name in the bundle's folder.
    pub name: String,
    /// Where it begins.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
}

impl Part {
    /// All of it.
    ///
    /// # Errors
    /// What the source says.
    pub fn read(&self, source: &dyn Source) -> io::Result<Vec<u8>> {
        let len = usize::try_from(self.len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut bytes = vec![0; len];
        source.read_exact_at(self.offset, &mut bytes)?;
        Ok(bytes)
    }
}

/// A parcel whose form is right. Nothing is said of who made it.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// The text of its manifest.
    pub manifest: String,
    /// The text of its signature.
    pub signature: String,
    /// The files of the manifest.
    pub files: Vec<Part>,
}

impl Parcel {
    /// Reads the list, the manifest and the signature.
    ///
    /// # Errors
    /// [`Refused`]: what is wrong with its form.
    pub fn open(source: &dyn Source) -> Result<Self, Refused> {
        let mut parts = list(source)?.into_iter();
        let text = |part: Option<Part>, name: &'static str, most: u64| {
            let damaged = || Refused::Damaged { what: name.to_owned() };
            let part = part.filter(|part| part.name == name && part.len <= most);
            let bytes = part.ok_or_else(damaged)?.read(source)?;
            String::from_utf8(bytes).map_err(|_| damaged())
        };
        let manifest = text(parts.next(), MANIFEST, MAX_MANIFEST_BYTES)?;
        let signature = text(parts.next(), SIGNATURE_FILE, MOST_SIGNATURE_BYTES)?;
        // The one text that no signature covers.
        if signature.split('\n').next() != Some(UNTRUSTED) {
            return Err(Refused::Damaged { what: SIGNATURE_FILE.to_owned() });
        }
        Ok(Self { manifest, signature, files: parts.collect() })
    }

    /// The part `name`.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&Part> {
        self.files.iter().find(|part| part.name == name)
    }
}

/// The list at the beginning, with where each part lies.
fn list(source: &dyn Source) -> Result<Vec<Part>, Refused> {
    let damaged = |what: &str| Refused::Damaged { what: what.to_owned() };
    let first = source.len().min(MOST_HEAD);
    let mut head = vec![0; usize::try_from(first).map_err(|_| Refused::NoParcel)?];
    source.read_exact_at(0, &mut head)?;
    if is_sealed(source) {
        return Err(Refused::NoBoxKey);
    }
    if !head.starts_with(MAGIC.as_bytes()) {
        return Err(Refused::NoParcel);
    }
    let end = head.windows(2).position(|two| two == b"\n\n").ok_or_else(|| damaged("its list"))?;
    let text = head.get(..end).and_then(|text| std::str::from_utf8(text).ok());
    let mut lines = text.ok_or_else(|| damaged("its list"))?.split('\n');
    match lines.next().and_then(|line| line.strip_prefix(MAGIC)) {
        Some(FORMAT) => {}
        Some(other) if !other.is_empty() && other.bytes().all(|c| c.is_ascii_digit()) => {
            return Err(Refused::Newer(other.chars().take(9).collect()));
        }
        _ => return Err(Refused::NoParcel),
    }
    let mut offset = end as u64 + 2;
    let mut parts: Vec<Part> = Vec::new();
    for line in lines {
        let part = line.split_once(' ').filter(|(name, _)| is_name(name));
        let part = part.and_then(|(name, len)| Some((name, number(len)?)));
        let (name, len) = part.ok_or_else(|| damaged("its list"))?;
        if parts.len() == MOST_PARTS || parts.iter().any(|part| part.name == name) {
            return Err(damaged("its list"));
        }
        parts.push(Part { name: name.to_owned(), offset, len });
        offset = offset.checked_add(len).ok_or_else(|| damaged("its list"))?;
    }
    if offset != source.len() {
        return Err(damaged(&format!("its end ({} of {offset} bytes)", source.len())));
    }
    Ok(parts)
}

fn is_name(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_graphic() && c != b'/' && c != b'\\';
    (1..=MOST_NAME).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(plain)
}

/// Digits, without a sign or zeros before them.
fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Packs a bundle: the bytes of a parcel. `files` in the order of the manifest, each once.
///
/// # Errors
/// [`Refused`]: a name or a signature that no parcel can hold.
pub fn pack(
    manifest: &str,
    signature: &str,
    files: &[(String, Vec<u8>)],
) -> Result<Vec<u8>, Refused> {
    let signature = as_packed(signature)?;
    let (head, signed) = ((MANIFEST, manifest.as_bytes()), (SIGNATURE_FILE, signature.as_bytes()));
    let files = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    let parts: Vec<(&str, &[u8])> = [head, signed].into_iter().chain(files).collect();
    let mut parcel = format!("{MAGIC}{FORMAT}\n");
    for (name, bytes) in &parts {
        parcel.push_str(&format!("{name} {}\n", bytes.len()));
    }
    parcel.push('\n');
    let mut parcel = parcel.into_bytes();
    parts.iter().for_each(|(_, bytes)| parcel.extend_from_slice(bytes));
    list(&parcel)?;
    Ok(parcel)
}
