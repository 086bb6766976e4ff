//! A parcel that only some boxes can read: age's format, version 1, to X25519 recipients (pure).
//!
//! ```text
//! age-encryption.org/v1
//! -> X25519 SHARE          a stanza a box: the file's key, wrapped for it
//! WRAPPED
//! --- MAC                  over all of the above
//! NONCE, then chunks of 64 KiB by ChaCha20-Poly1305, the last one marked as the last
//! ```
//! The format is <https://c2sp.org/age>, so `age -r age1…` seals for a box and `age-keygen` makes a key of the
//! same kind. Chunks have their places, so a sealed parcel is read like any other [`Source`]: what is wanted is
//! opened in memory, and nothing of it is written anywhere. X25519 is x25519-dalek's, since ring agrees with keys
//! of one handshake alone; HKDF, HMAC and the cipher are ring's.

use std::fmt;
use std::io;

use parking_lot::Mutex;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::{hkdf, hmac};
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};

use crate::detect::parcel::bech32;
use crate::detect::parcel::refused::Refused;
use crate::detect::parcel::source::Source;
use crate::media::base64;

/// How every such file begins.
pub(super) const MAGIC: &str = "age-encryption.org/v1\n";
const STANZA: &str = "-> X25519 ";
const WRAP_INFO: &[u8] = b"age-encryption.org/v1/X25519";
const CHUNK: u64 = 64 << 10;
const TAG: u64 = 16;
const NONCE: u64 = 16;
/// Bytes of the header: some five hundred boxes.
const MOST_HEADER: u64 = 64 << 10;
/// Boxes of one parcel.
pub const MOST_BOXES: usize = 500;

/// A box for which parcels are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

impl Recipient {
    /// Reads `age1…`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        bech32::decode("age", text.trim()).filter(|_| text.trim().starts_with("age1")).map(Self)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bech32::encode("age", &self.0))
    }
}

/// A box's own key, which opens what is sealed for it. Never printed.
#[derive(Clone)]
pub struct BoxKey([u8; 32]);

impl fmt::Debug for BoxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BoxKey of {}", self.public())
    }
}

impl BoxKey {
    const PREFIX: &str = "age-secret-key-";

    /// Of 32 drawn bytes.
    #[must_use]
    pub const fn from_random(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads `AGE-SECRET-KEY-1…`, or a file of `age-keygen` with it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_key = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
        let mut lines = text.lines().filter(is_key);
        let key = bech32::decode(Self::PREFIX, lines.next()?.trim()).map(Self)?;
        lines.next().is_none().then_some(key)
    }

    /// The file. It is a secret.
    #[must_use]
    pub fn to_secret_file(&self) -> String {
        let line = bech32::encode(Self::PREFIX, &self.0).to_ascii_uppercase();
        format!("# public key: {}\n{line}\n", self.public())
    }

    /// What parcels are sealed to.
    #[must_use]
    pub fn public(&self) -> Recipient {
        Recipient(x25519(self.0, X25519_BASEPOINT_BYTES))
    }
}

/// Seals `plain` for boxes. `random` fills with bytes that nobody can foresee.
///
/// # Errors
/// What `random` says, or that the boxes are none or too many.
pub fn seal(
    plain: &[u8],
    boxes: &[Recipient],
    random: &mut dyn FnMut(&mut [u8]) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    if boxes.is_empty() || boxes.len() > MOST_BOXES {
        let text = format!("seal for 1 to {MOST_BOXES} boxes at once, and for more in groups");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let (mut file_key, mut nonce) = ([0; 16], [0; 16]);
    random(&mut file_key)?;
    random(&mut nonce)?;
    let mut sealed = MAGIC.to_owned();
    for to in boxes {
        let mut secret = [0; 32];
        random(&mut secret)?;
        let share = x25519(secret, X25519_BASEPOINT_BYTES);
        let key = wrap_key(&x25519(secret, to.0), &share, to).ok_or_else(unfit)?;
        let mut wrapped = file_key.to_vec();
        close(&key, [0; 12], &mut wrapped).ok_or_else(unfit)?;
        sealed.push_str(&format!("{STANZA}{}\n{}\n", unpadded(&share), unpadded(&wrapped)));
    }
    sealed.push_str("---");
    let mac = hmac::sign(&mac_key(&file_key).ok_or_else(unfit)?, sealed.as_bytes());
    sealed.push_str(&format!(" {}\n", unpadded(mac.as_ref())));
    let mut sealed = sealed.into_bytes();
    sealed.extend(nonce);
    let key = derive(&file_key, &nonce, b"payload").ok_or_else(unfit)?;
    let mut chunks = plain.chunks(64 << 10).peekable();
    let mut number = 0;
    loop {
        let mut chunk = chunks.next().unwrap_or_default().to_vec();
        let last = chunks.peek().is_none();
        close(&key, chunk_nonce(number, last), &mut chunk).ok_or_else(unfit)?;
        sealed.extend(chunk);
        if last {
            return Ok(sealed);
        }
        number += 1;
    }
}

fn unfit() -> io::Error {
    io::Error::other("a key is of no use: take the box's from `courtside models` again")
}

/// What was sealed, opened as it is read.
pub struct Opened<S: Source> {
    sealed: S,
    key: LessSafeKey,
    /// Where the first chunk begins.
    begins: u64,
    len: u64,
    /// The chunk that was opened last: files are read in their order.
    last: Mutex<Option<(u64, Vec<u8>)>>,
}

impl<S: Source> fmt::Debug for Opened<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("len", &self.len).finish_non_exhaustive()
    }
}

/// True if the file says of itself that it is sealed.
pub fn is_sealed(source: &dyn Source) -> bool {
    let mut head = vec![0; MAGIC.len()];
    source.read_exact_at(0, &mut head).is_ok() && head == MAGIC.as_bytes()
}

impl<S: Source> Opened<S> {
    /// Opens what was sealed for the box of this key.
    ///
    /// # Errors
    /// [`Refused::NotForUs`], or that it is damaged.
    pub fn open(sealed: S, key: &BoxKey) -> Result<Self, Refused> {
        let damaged = || Refused::Damaged { what: "its seal".to_owned() };
        let first = sealed.len().min(MOST_HEADER);
        let mut head = vec![0; usize::try_from(first).unwrap_or(0)];
        sealed.read_exact_at(0, &mut head)?;
        let (head, begins) = header(&head).ok_or_else(damaged)?;
        let file_key = head.stanzas.iter().find_map(|stanza| stanza.open(key));
        let file_key = file_key.ok_or(Refused::NotForUs { boxes: head.stanzas.len() })?;
        let mac = mac_key(&file_key).ok_or_else(damaged)?;
        hmac::verify(&mac, head.covered, &head.mac).map_err(|_| damaged())?;
        let mut nonce = [0; 16];
        sealed.read_exact_at(begins, &mut nonce)?;
        let key = derive(&file_key, &nonce, b"payload").ok_or_else(damaged)?;
        let begins = begins + NONCE;
        let payload = sealed.len().checked_sub(begins).ok_or_else(damaged)?;
        let chunks = payload.div_ceil(CHUNK + TAG);
        let len = payload.checked_sub(chunks * TAG).filter(|_| chunks > 0).ok_or_else(damaged)?;
        let opened = Self { sealed, key, begins, len, last: Mutex::new(None) };
        // An empty one stands alone; and what was cut at a chunk's end has no last one.
        if (len.div_ceil(CHUNK)).max(1) != chunks {
            return Err(damaged());
        }
        opened.chunk(chunks - 1).map_err(|_| damaged())?;
        Ok(opened)
    }

    fn chunk(&self, number: u64) -> io::Result<Vec<u8>> {
        let from = number * CHUNK;
        let plain = (self.len - from).min(CHUNK);
        let size = usize::try_from(plain + TAG).map_err(io::Error::other)?;
        let mut chunk = vec![0; size];
        self.sealed.read_exact_at(self.begins + number * (CHUNK + TAG), &mut chunk)?;
        let nonce = chunk_nonce(number, from + plain == self.len);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let len = match self.key.open_in_place(nonce, Aad::empty(), &mut chunk) {
            Ok(plain) => plain.len(),
            Err(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "it was changed")),
        };
        chunk.truncate(len);
        Ok(chunk)
    }
}

impl<S: Source> Source for Opened<S> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64).filter(|end| *end <= self.len);
        if end.is_none() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (mut offset, mut rest) = (offset, buf);
        while !rest.is_empty() {
            let number = offset / CHUNK;
            let mut last = self.last.lock();
            if last.as_ref().is_none_or(|(known, _)| *known != number) {
                *last = Some((number, self.chunk(number)?));
            }
            let chunk = last.as_ref().map_or(&[][..], |(_, chunk)| chunk);
            let at = usize::try_from(offset % CHUNK).map_err(io::Error::other)?;
            let found = chunk.get(at..).unwrap_or_default();
            let size = found.len().min(rest.len());
            if size == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let (now, later) = rest.split_at_mut(size);
            now.copy_from_slice(found.get(..size).unwrap_or_default());
            rest = later;
            offset += size as u64;
        }
        Ok(())
    }
}

/// The key of a file, wrapped for one box.
struct Stanza {
    share: [u8; 32],
    wrapped: [u8; 32],
}

impl Stanza {
    fn open(&self, key: &BoxKey) -> Option<[u8; 16]> {
        let wrap = wrap_key(&x25519(key.0, self.share), &self.share, &key.public())?;
        let mut wrapped = self.wrapped;
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        wrap.open_in_place(nonce, Aad::empty(), &mut wrapped).ok()?.try_into().ok()
    }
}

struct Header<'a> {
    stanzas: Vec<Stanza>,
    /// What the MAC is over.
    covered: &'a [u8],
    mac: Vec<u8>,
}

/// The header, and where the nonce begins.
fn header(bytes: &[u8]) -> Option<(Header<'_>, u64)> {
    let close = bytes.windows(5).position(|five| five == b"\n--- ")?;
    let covered = bytes.get(..close + 4)?;
    let text = std::str::from_utf8(bytes.get(..close)?).ok()?;
    let rest = bytes.get(close + 5..)?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let mac = padded(std::str::from_utf8(rest.get(..end)?).ok()?)?;
    let mut lines = text.strip_prefix(MAGIC)?.split('\n').peekable();
    let mut stanzas = Vec::new();
    while let Some(line) = lines.next() {
        let arguments = line.strip_prefix("-> ")?;
        // A body ends with the first line that is not full; other kinds of stanzas are for others.
        let mut body = Vec::new();
        loop {
            let line = lines.next()?;
            body.extend(padded(line)?);
            match line.len() {
                64 => {}
                0..=63 => break,
                _ => return None,
            }
        }
        if let Some(share) = arguments.strip_prefix("X25519 ") {
            let (share, wrapped) = (padded(share)?.try_into().ok()?, body.try_into().ok()?);
            stanzas.push(Stanza { share, wrapped });
        }
    }
    let begins = (close + 5 + end + 1) as u64;
    (mac.len() == 32).then_some((Header { stanzas, covered, mac }, begins))
}

fn wrap_key(shared: &[u8; 32], share: &[u8; 32], to: &Recipient) -> Option<LessSafeKey> {
    // Of a share that is no point of the curve's large group, everybody knows what comes out.
    if *shared == [0; 32] {
        return None;
    }
    derive(shared, &[share.as_slice(), &to.0].concat(), WRAP_INFO)
}

fn expand(secret: &[u8], salt: &[u8], info: &[u8]) -> Option<[u8; 32]> {
    let pseudo = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let mut key = [0; 32];
    pseudo.expand(&[info], hkdf::HKDF_SHA256).ok()?.fill(&mut key).ok()?;
    Some(key)
}

fn derive(secret: &[u8], salt: &[u8], info: &[u8]) -> Option<LessSafeKey> {
    let key = expand(secret, salt, info)?;
    UnboundKey::new(&CHACHA20_POLY1305, &key).ok().map(LessSafeKey::new)
}

fn mac_key(file_key: &[u8; 16]) -> Option<hmac::Key> {
    expand(file_key, &[], b"header").map(|key| hmac::Key::new(hmac::HMAC_SHA256, &key))
}

fn close(key: &LessSafeKey, nonce: [u8; 12], bytes: &mut Vec<u8>) -> Option<()> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, Aad::empty(), bytes).ok()
}

/// Eleven bytes that count, and one that marks the last.
fn chunk_nonce(number: u64, last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    let (counter, flag) = nonce.split_at_mut(11);
    counter[3..].copy_from_slice(&number.to_be_bytes());
    flag[0] = u8::from(last);
    nonce
}

fn unpadded(bytes: &[u8]) -> String {
    base64::encode(bytes).trim_end_matches('=').to_owned()
}

fn padded(text: &str) -> Option<Vec<u8>> {
    if text.ends_with('=') {
        return None;
    }
    base64::decode(&format!("{text}{}", "=".repeat(text.len().wrapping_neg() % 4)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> BoxKey {
        BoxKey::from_random([n; 32])
    }

    /// Draws bytes that count up, so that the same is sealed alike each time.
    fn counting() -> impl FnMut(&mut [u8]) -> io::Result<()> {
        let mut next = 0_u8;
        move |bytes| {
            for byte in bytes {
                next = next.wrapping_add(1);
                *byte = next;
            }
            Ok(())
        }
    }

    fn sealed(plain: &[u8], boxes: &[u8]) -> Vec<u8> {
        let boxes: Vec<Recipient> = boxes.iter().map(|n| key(*n).public()).collect();
        seal(plain, &boxes, &mut counting()).expect("sealed")
    }

    fn opened(sealed: Vec<u8>, key: &BoxKey) -> Result<Vec<u8>, Refused> {
        let opened = Opened::open(sealed, key)?;
        let mut plain = vec![0; usize::try_from(opened.len()).expect("small")];
        opened.read_exact_at(0, &mut plain)?;
        Ok(plain)
    }

    /// Made with age 1.1.1, for two boxes of which this is the second.
    #[test]
    fn keys_and_files_are_those_of_age() {
        let text = include_str!("../../../tests/data/age/box.key");
        let key = BoxKey::parse(text).expect("age's");
        let public = "age156s00hn687qvmnrfx774x8rq6n5mmz2x7ad6rhs4fuwn9ehjt33sq7lzn7";
        assert_eq!(key.public().to_string(), public);
        assert_eq!(Recipient::parse(public), Some(key.public()));
        assert_eq!(key.to_secret_file().lines().last(), text.lines().last());
        let theirs = include_bytes!("../../../tests/data/age/hello.age").to_vec();
        assert_eq!(opened(theirs, &key).expect("opened"), b"hello\n");
        let ours = seal(b"hello\n", &[key.public()], &mut counting()).expect("sealed");
        let kept = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/age/ours.age");
        assert_eq!(ours, std::fs::read(kept).expect("kept"));
        assert!(!format!("{key:?}").to_ascii_uppercase().contains("SECRET"));
        for bad in ["", "age1", text, &public[..60], "AGE-SECRET-KEY-1JZH"] {
            assert!(Recipient::parse(bad).is_none(), "{bad}");
        }
        assert!(BoxKey::parse(&format!("{text}{text}")).is_none(), "two keys");
    }

    #[test]
    fn each_box_that_it_is_for_opens_it_and_no_other() {
        let plain: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let chunk = usize::try_from(CHUNK).expect("small");
        for len in [0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 200_000] {
            let sealed = sealed(&plain[..len], &[1, 2, 3]);
            for n in [1, 2, 3] {
                assert_eq!(opened(sealed.clone(), &key(n)).expect("opened"), plain[..len], "{len}");
            }
            let other = opened(sealed, &key(4));
            assert!(matches!(other, Err(Refused::NotForUs { boxes: 3 })), "{len}");
        }
        assert!(seal(b"", &[], &mut counting()).is_err());
        assert!(seal(b"", &[key(1).public(); MOST_BOXES + 1], &mut counting()).is_err());
        let most = seal(b"x", &[key(1).public(); MOST_BOXES], &mut counting()).expect("sealed");
        assert_eq!(opened(most, &key(1)).expect("opened"), b"x");
    }

    #[test]
    fn any_changed_byte_and_any_cut_is_refused() {
        let good = sealed(&[7; 300], &[1, 2]);
        for at in 0..good.len() {
            for bit in [at % 8, 5] {
                let mut changed = good.clone();
                changed[at] ^= 1 << bit;
                assert!(opened(changed, &key(2)).is_err(), "byte {at}, bit {bit}");
            }
            assert!(opened(good[..at].to_vec(), &key(2)).is_err(), "cut at {at}");
        }
        // A whole chunk less has no last one; a chunk more is none.
        let chunk = usize::try_from(CHUNK + TAG).expect("small");
        let two = sealed(&vec![7; 2 * (chunk - 16)], &[1]);
        assert!(opened(two[..two.len() - chunk].to_vec(), &key(1)).is_err());
        assert!(opened([two.as_slice(), &two[two.len() - chunk..]].concat(), &key(1)).is_err());
    }

    #[test]
    fn what_is_wanted_is_opened_by_its_place() {
        let plain: Vec<u8> = (0..150_000_u32).flat_map(|n| n.to_le_bytes()).collect();
        let opened = Opened::open(sealed(&plain, &[1]), &key(1)).expect("opened");
        for (from, len) in [(0, 4), (65_534, 4), (70_000, 200_000), (599_999, 1), (600_000, 0)] {
            let mut found = vec![0; len];
            opened.read_exact_at(from as u64, &mut found).expect("there");
            assert_eq!(found, plain[from..from + len], "{from}");
        }
        assert!(opened.read_exact_at(599_999, &mut [0; 2]).is_err());
        assert!(is_sealed(&sealed(b"", &[1])) && !is_sealed(&b"courtside parcel 1\n".to_vec()));
    }
}
