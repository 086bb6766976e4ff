//! Keys and signatures of minisign, so that its own program makes and checks them too (pure).
//!
//! The format is minisign's of version 0.6 and later: a public key is `Ed`, eight bytes that name it and 32 of
//! Ed25519; a signature is `ED`, the eight bytes and 64 over the file's BLAKE2b-512, then 64 more over
//! the first and the trusted comment. Signatures over files that are not hashed (`Ed`, `minisign -S -l`) are not
//! taken: one form is enough. A secret key is one without a password (`minisign -G -W`); one with a password
//! needs scrypt, and its owner signs with minisign itself. Models and updates are signed so.

mod names;

use std::fmt;

use blake2::{Blake2b512, Digest as _};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::media::base64::{decode, encode};

pub use crate::minisign::names::{KeyId, Version};

/// The one name of a signature, beside its manifest.
pub const SIGNATURE_FILE: &str = "model.toml.minisig";
/// The comment that no signature covers: in a parcel it is this and nothing else.
pub const UNTRUSTED: &str = "untrusted comment: signature of a courtside model";
const TRUSTED: &str = "trusted comment: ";
/// What the file and its names take at most; ours have 330 bytes.
pub const MOST_SIGNATURE_BYTES: u64 = 2 << 10;

/// Why a text is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Something else.
    #[error(
        "it is no public key of minisign: take the line of 56 characters that begins with RW out of \
         the .pub file of `courtside models keygen` or `minisign -G`"
    )]
    Public,
    /// Something else.
    #[error(
        "it is no secret key of minisign: take the file that `courtside models keygen` or \
         `minisign -G -W` made"
    )]
    Secret,
    /// Only minisign asks for passwords.
    #[error(
        "it is locked with a password: sign with `minisign -S`, then pack with `courtside models sign` \
         without --key"
    )]
    Locked,
    /// Its halves do not belong together.
    #[error("it is damaged: its two halves are of different keys; take it from a copy")]
    Damaged,
}

/// Why a signature is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureError {
    /// It is none of minisign's.
    None,
    /// Of a key that is not known here.
    UnknownKey {
        /// Whose it is.
        signed_by: KeyId,
        /// Those that are, in words.
        known: String,
    },
    /// It is not of these bytes.
    Forged,
}

/// Whose signatures are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    key: [u8; 32],
}

impl PublicKey {
    /// Reads the line of a key, or the file that it stands in.
    ///
    /// # Errors
    /// [`KeyError::Public`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let line = text.trim().lines().next_back().unwrap_or_default();
        let bytes = decode(line.trim()).ok_or(KeyError::Public)?;
        let (algorithm, rest) = bytes.split_at_checked(2).ok_or(KeyError::Public)?;
        let (id, key) = rest.split_at_checked(8).ok_or(KeyError::Public)?;
        match (algorithm, id.try_into(), key.try_into()) {
            (b"Ed", Ok(id), Ok(key)) => Ok(Self { id: KeyId(id), key }),
            _ => Err(KeyError::Public),
        }
    }

    /// Which one it is.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The file that minisign has it in.
    #[must_use]
    pub fn to_file(&self) -> String {
        format!("untrusted comment: minisign public key {}\n{self}\n", self.id)
    }
}

impl fmt::Display for PublicKey {
    /// The line that stands in a configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(&[b"Ed".as_slice(), &self.id.0, &self.key].concat()))
    }
}

/// What signs. Never printed: it has no `Display`, and says nothing in `Debug`.
pub struct SecretKey {
    id: KeyId,
    pair: Ed25519KeyPair,
    seed: [u8; 32],
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Bytes of an unlocked secret key: algorithm, kind of lock, kind of checksum, then salt and costs.
const SECRET_HEAD: [u8; 6] = *b"Ed\0\0B2";
const SECRET_LOCK_BYTES: usize = 32 + 8 + 8;

impl SecretKey {
    /// The key of 32 drawn bytes, named by eight others.
    ///
    /// # Errors
    /// [`KeyError::Secret`]: no pair comes of it.
    pub fn from_random(id: [u8; 8], seed: [u8; 32]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::Secret)?;
        Ok(Self { id: KeyId(id), pair, seed })
    }

    /// Reads minisign's file.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let line = text.trim().lines().next_back().unwrap_or_default();
        let bytes = decode(line.trim()).ok_or(KeyError::Secret)?;
        let head = bytes.get(..6).ok_or(KeyError::Secret)?;
        let body = bytes.get(6 + SECRET_LOCK_BYTES..).filter(|body| body.len() == 104);
        let body = body.ok_or(KeyError::Secret)?;
        match head {
            b"EdScB2" => return Err(KeyError::Locked),
            head if head == SECRET_HEAD => {}
            _ => return Err(KeyError::Secret),
        }
        // The checksum tells a wrong password; without one minisign leaves it empty. That the halves of the
        // pair belong together is seen.
        let (id, keys) = body.split_at(8);
        let (seed, rest) = keys.split_at(32);
        let (public, _checksum) = rest.split_at(32);
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public);
        match (id.try_into(), seed.try_into(), pair) {
            (Ok(id), Ok(seed), Ok(pair)) => Ok(Self { id: KeyId(id), pair, seed }),
            _ => Err(KeyError::Damaged),
        }
    }

    /// The file that minisign reads. It is a secret.
    #[must_use]
    pub fn to_secret_file(&self) -> String {
        let public = self.pair.public_key();
        let keys = [self.id.0.as_slice(), &self.seed, public.as_ref()].concat();
        let (lock, checksum) = ([0; SECRET_LOCK_BYTES], [0; 32]);
        let all = [SECRET_HEAD.as_slice(), &lock, &keys, &checksum].concat();
        format!("untrusted comment: minisign secret key, no password\n{}\n", encode(&all))
    }

    /// Its other half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey { id: self.id, key }
    }

    /// The text of [`SIGNATURE_FILE`] for a manifest.
    #[must_use]
    pub fn sign(&self, manifest: &[u8], trusted: &str) -> String {
        self.sign_hash(&Blake2b512::digest(manifest), trusted)
    }

    /// The same of a file of which the BLAKE2b-512 is known.
    #[must_use]
    pub fn sign_hash(&self, hash: &[u8], trusted: &str) -> String {
        let signature = self.pair.sign(hash);
        let first = [b"ED".as_slice(), &self.id.0, signature.as_ref()].concat();
        let global = self.pair.sign(&[signature.as_ref(), trusted.as_bytes()].concat());
        let (first, global) = (encode(&first), encode(global.as_ref()));
        format!("{UNTRUSTED}\n{first}\n{TRUSTED}{trusted}\n{global}\n")
    }
}

/// The trusted comment of a bundle's signature: what is signed is a model, which one, and its version.
#[must_use]
pub fn trusted_comment(name: &str, version: &str) -> String {
    format!("courtside model {name} {version}")
}

/// A signature as it stands in its file.
#[derive(Clone, Debug)]
pub struct Signature<'a> {
    id: KeyId,
    first: [u8; 64],
    trusted: &'a str,
    global: [u8; 64],
}

impl<'a> Signature<'a> {
    /// Reads its file; the untrusted comment may be anything.
    ///
    /// # Errors
    /// [`SignatureError::None`].
    pub fn parse(text: &'a str) -> Result<Self, SignatureError> {
        let read = || {
            let mut lines = text.strip_suffix('\n')?.split('\n');
            lines.next()?.strip_prefix("untrusted comment: ")?;
            let first = decode(lines.next()?)?;
            let trusted = lines.next()?.strip_prefix(TRUSTED)?;
            let global = decode(lines.next()?)?.try_into().ok()?;
            if lines.next().is_some() {
                return None;
            }
            let (algorithm, rest) = first.split_at_checked(2)?;
            let (id, first) = rest.split_at_checked(8)?;
            let (id, first) = (KeyId(id.try_into().ok()?), first.try_into().ok()?);
            (algorithm == b"ED").then_some(Self { id, first, trusted, global })
        };
        read().ok_or(SignatureError::None)
    }

    /// The trusted comment, which nobody has verified.
    #[must_use]
    pub const fn says(&self) -> &'a str {
        self.trusted
    }

    /// The trusted comment and the key that signed `manifest`, if that is one of `keys`.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(
        &self,
        manifest: &[u8],
        keys: &[PublicKey],
    ) -> Result<(&'a str, KeyId), SignatureError> {
        self.verify_hash(&Blake2b512::digest(manifest), keys)
    }

    /// The same of a file of which the BLAKE2b-512 is known.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify_hash(
        &self,
        hash: &[u8],
        keys: &[PublicKey],
    ) -> Result<(&'a str, KeyId), SignatureError> {
        let mut known = keys.iter().filter(|key| key.id == self.id).peekable();
        if known.peek().is_none() {
            return Err(SignatureError::UnknownKey { signed_by: self.id, known: ids(keys) });
        }
        let both = [self.first.as_slice(), self.trusted.as_bytes()].concat();
        // Who makes a key draws its name: two may have the same.
        let signed = |key: &PublicKey| {
            let key = UnparsedPublicKey::new(&ED25519, &key.key);
            key.verify(hash, &self.first).is_ok() && key.verify(&both, &self.global).is_ok()
        };
        if known.any(signed) { Ok((self.trusted, self.id)) } else { Err(SignatureError::Forged) }
    }
}

fn ids(keys: &[PublicKey]) -> String {
    match keys {
        [] => "none".to_owned(),
        keys => keys.iter().map(|key| key.id.to_string()).collect::<Vec<_>>().join(", "),
    }
}

/// The signature of a detached file as it stands in a parcel: with the one untrusted comment.
///
/// # Errors
/// [`SignatureError::None`].
pub fn as_packed(text: &str) -> Result<String, SignatureError> {
    Signature::parse(text)?;
    let (_, rest) = text.split_once('\n').ok_or(SignatureError::None)?;
    Ok(format!("{UNTRUSTED}\n{rest}"))
}
