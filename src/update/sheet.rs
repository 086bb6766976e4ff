//! What is signed of a bundle, and whether a box may install it (pure).
//!
//! The signature is minisign's over the whole bundle. Its trusted comment, which it covers too, says what the bundle
//! is: `courtside update 0.3.0 for courtside-jetson-orin-nano`, and where it may be installed over a newer one
//! ` downgrade from 0.4.0`: from that very version, so that it is of no use to anybody later.

use std::io;

use blake2::{Blake2b512, Digest as _};
use sha2::Sha256;

use crate::disk::DiskFile;
use crate::minisign::{PublicKey, Signature, SignatureError, Version};

const SAYS: &str = "courtside update ";
const FOR: &str = " for ";
const DOWNGRADE: &str = " downgrade from ";
/// Characters of the word for a machine.
const MOST_NAME: usize = 64;
/// Bytes that are hashed at once.
const PIECE: usize = 1 << 16;

/// What a bundle is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// Of the image in it.
    pub version: Version,
    /// The machine that it is for, as RAUC calls it.
    pub compatible: String,
    /// The newer version over which it may be installed.
    pub downgrade_from: Option<Version>,
}

impl Sheet {
    /// Reads a trusted comment.
    #[must_use]
    pub fn parse(comment: &str) -> Option<Self> {
        let (version, rest) = comment.strip_prefix(SAYS)?.split_once(FOR)?;
        let (compatible, from) = match rest.split_once(DOWNGRADE) {
            Some((compatible, from)) => (compatible, Some(Version::parse(from)?)),
            None => (rest, None),
        };
        let version = Version::parse(version)?;
        let compatible = compatible.to_owned();
        is_name(&compatible).then_some(Self { version, compatible, downgrade_from: from })
    }

    /// The trusted comment.
    #[must_use]
    pub fn comment(&self) -> String {
        let Self { version, compatible, downgrade_from } = self;
        let from = downgrade_from.map(|from| format!("{DOWNGRADE}{from}")).unwrap_or_default();
        format!("{SAYS}{version}{FOR}{compatible}{from}")
    }
}

fn is_name(name: &str) -> bool {
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    (1..=MOST_NAME).contains(&name.len()) && name.bytes().all(fits)
}

/// Why a bundle is not installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotInstalled {
    #[error(
        "it has {found} bytes, and {wanted} were ordered: it is another file. Correct the order, or ask again"
    )]
    OtherSize { found: u64, wanted: u64 },
    #[error(
        "its sha256 is {found}, and {wanted} was ordered: it is another file, or it was changed on its way. \
         Correct the order, or ask again"
    )]
    OtherBytes { found: String, wanted: String },
    #[error(
        "no key is on this box whose updates it takes: an image has them in the file that `keys_file` of [update] \
         names"
    )]
    NoKeys,
    #[error(
        "its signature is none of minisign's: send the text of the .minisig file that `courtside update sign` made"
    )]
    NoSignature,
    #[error(
        "it is signed by the key {signed_by}, which is none of this box's ({known}): take the bundle from whom you \
         know"
    )]
    UnknownKey { signed_by: String, known: String },
    #[error(
        "its signature is wrong: it was changed after it was signed. Take it from its maker again"
    )]
    Forged,
    #[error("what is signed is `{said}`, which is no update: sign it with `courtside update sign`")]
    NoUpdate { said: String },
    #[error("it is version {found}, and {wanted} was ordered: correct the order")]
    OtherVersion { found: Version, wanted: String },
    #[error("it is for {found}, and this machine is {ours}: take the bundle for this machine")]
    OtherMachine { found: String, ours: String },
    #[error(
        "it is version {found} and {ours} runs: a box goes back only to a bundle that is signed for that (`courtside \
         update sign --downgrade-from {ours}`)"
    )]
    Older { found: Version, ours: String },
    #[error(
        "the version that runs is `{0}`, which is not three numbers: VERSION_ID of the image's os-release is wrong"
    )]
    NoVersion(String),
}

/// What was ordered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ordered<'a> {
    pub(crate) sha256: &'a str,
    pub(crate) size: u64,
    pub(crate) signature: &'a str,
    pub(crate) version: Option<&'a str>,
}

/// What a box goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here<'a> {
    pub(crate) keys: &'a [PublicKey],
    pub(crate) compatible: &'a str,
    pub(crate) version: &'a str,
    /// False takes older ones too: to see what it keeps out.
    pub(crate) refuse_older: bool,
}

/// The sums of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashes {
    /// Its length.
    pub bytes: u64,
    /// In hexadecimal digits.
    pub sha256: String,
    /// What minisign signs.
    pub blake2b: Vec<u8>,
}

/// Reads a file for its sums, in little memory.
///
/// # Errors
/// What the file system says.
pub fn hashes(file: &dyn DiskFile) -> io::Result<Hashes> {
    let (mut sha, mut blake, mut piece) = (Sha256::new(), Blake2b512::new(), vec![0; PIECE]);
    let mut bytes = 0;
    loop {
        let read = file.read_at(bytes, &mut piece)?;
        if read == 0 {
            break;
        }
        let piece = piece.get(..read).unwrap_or_default();
        sha.update(piece);
        blake.update(piece);
        bytes += read as u64;
    }
    let sha256 = sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Hashes { bytes, sha256, blake2b: blake.finalize().to_vec() })
}

/// What can be seen of an order before a byte of the bundle is here: its signature's form, its key, and what the
/// comment says. That the comment is the signer's is only known with the bundle.
///
/// # Errors
/// [`NotInstalled`].
pub(crate) fn looks_right(ordered: &Ordered<'_>, here: &Here<'_>) -> Result<Sheet, NotInstalled> {
    let signature = Signature::parse(ordered.signature).map_err(wrong)?;
    // Of no bytes: whose it is, is all that can be known yet.
    match signature.verify_hash(&[], here.keys).map_err(wrong) {
        Ok(_) | Err(NotInstalled::Forged) => fits(signature.says(), ordered, here),
        Err(_) if here.keys.is_empty() => Err(NotInstalled::NoKeys),
        Err(why) => Err(why),
    }
}

/// Whether a bundle of these sums may be installed here.
///
/// # Errors
/// [`NotInstalled`]: the first rule that it breaks.
pub(crate) fn accept(
    hashes: &Hashes,
    ordered: &Ordered<'_>,
    here: &Here<'_>,
) -> Result<Sheet, NotInstalled> {
    if hashes.bytes != ordered.size {
        return Err(NotInstalled::OtherSize { found: hashes.bytes, wanted: ordered.size });
    }
    if !hashes.sha256.eq_ignore_ascii_case(ordered.sha256) {
        let (found, wanted) = (hashes.sha256.clone(), ordered.sha256.to_owned());
        return Err(NotInstalled::OtherBytes { found, wanted });
    }
    if here.keys.is_empty() {
        return Err(NotInstalled::NoKeys);
    }
    let signature = Signature::parse(ordered.signature).map_err(wrong)?;
    let (comment, _) = signature.verify_hash(&hashes.blake2b, here.keys).map_err(wrong)?;
    fits(comment, ordered, here)
}

fn wrong(error: SignatureError) -> NotInstalled {
    match error {
        SignatureError::None => NotInstalled::NoSignature,
        SignatureError::UnknownKey { signed_by, known } => {
            NotInstalled::UnknownKey { signed_by: signed_by.to_string(), known }
        }
        SignatureError::Forged => NotInstalled::Forged,
    }
}

fn fits(comment: &str, ordered: &Ordered<'_>, here: &Here<'_>) -> Result<Sheet, NotInstalled> {
    let sheet = Sheet::parse(comment)
        .ok_or_else(|| NotInstalled::NoUpdate { said: comment.chars().take(200).collect() })?;
    if let Some(wanted) = ordered.version.filter(|wanted| *wanted != sheet.version.to_string()) {
        let (found, wanted) = (sheet.version, wanted.to_owned());
        return Err(NotInstalled::OtherVersion { found, wanted });
    }
    if sheet.compatible != here.compatible {
        let (found, ours) = (sheet.compatible, here.compatible.to_owned());
        return Err(NotInstalled::OtherMachine { found, ours });
    }
    let ours = Version::parse(here.version)
        .ok_or_else(|| NotInstalled::NoVersion(here.version.to_owned()))?;
    let meant = sheet.downgrade_from == Some(ours);
    if here.refuse_older && sheet.version <= ours && !meant {
        return Err(NotInstalled::Older { found: sheet.version, ours: ours.to_string() });
    }
    Ok(sheet)
}

/// The keys of a file: a line each, comments beside them.
#[must_use]
pub fn keys_in(text: &str) -> Vec<PublicKey> {
    text.lines().filter_map(|line| PublicKey::parse(line).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::minisign::SecretKey;

    const BUNDLE: &[u8] = b"an image, and its manifest";

    fn key(n: u8) -> SecretKey {
        SecretKey::from_random([n; 8], [n; 32]).expect("a key")
    }

    fn sums(bytes: &[u8]) -> Hashes {
        let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Hashes { bytes: bytes.len() as u64, sha256, blake2b: Blake2b512::digest(bytes).to_vec() }
    }

    fn judged(comment: &str, by: u8, bytes: &[u8], runs: &str) -> Result<Sheet, NotInstalled> {
        let (signature, sums) = (key(by).sign(BUNDLE, comment), sums(BUNDLE));
        let ordered = Ordered {
            sha256: &sums.sha256,
            size: sums.bytes,
            signature: &signature,
            version: Some("0.3.0"),
        };
        let keys = [key(1).public()];
        let here = Here { keys: &keys, compatible: "box", version: runs, refuse_older: true };
        accept(&self::sums(bytes), &ordered, &here)
    }

    #[test]
    fn what_is_signed_says_which_version_for_which_machine_and_from_where() {
        for text in [
            "courtside update 0.3.0 for courtside-orin",
            "courtside update 0.3.0 for a downgrade from 0.4.1",
        ] {
            assert_eq!(Sheet::parse(text).expect("one").comment(), text);
        }
        for none in [
            "",
            "courtside model rimnet 0.3.0",
            "courtside update 0.3 for a",
            "courtside update 0.3.0 for ",
            "courtside update 0.3.0 for a b",
            "courtside update 0.3.0 for a downgrade from x",
            "courtside update 0.3.0 for a downgrade from 0.4.0 downgrade from 0.5.0",
        ] {
            assert_eq!(Sheet::parse(none), None, "{none}");
        }
    }

    #[test]
    fn each_rule_refuses_by_itself() {
        let good = "courtside update 0.3.0 for box";
        assert_eq!(judged(good, 1, BUNDLE, "0.2.9").expect("good").comment(), good);
        let back = "courtside update 0.3.0 for box downgrade from 0.4.0";
        assert_eq!(judged(back, 1, BUNDLE, "0.4.0").expect("meant").comment(), back);
        let name = |result: Result<Sheet, NotInstalled>| {
            let text = format!("{:?}", result.expect_err("refused"));
            text.split([' ', '(']).next().unwrap_or_default().to_owned()
        };
        let (turned, longer) = (b"an image, and its manifesT", b"an image, and its manifest.");
        for (judged, why) in [
            (judged(good, 1, turned, "0.2.9"), "OtherBytes"),
            (judged(good, 1, longer, "0.2.9"), "OtherSize"),
            (judged(good, 2, BUNDLE, "0.2.9"), "UnknownKey"),
            (judged("courtside model toy 0.3.0", 1, BUNDLE, "0.2.9"), "NoUpdate"),
            (judged("courtside update 0.3.1 for box", 1, BUNDLE, "0.2.9"), "OtherVersion"),
            (judged("courtside update 0.3.0 for other", 1, BUNDLE, "0.2.9"), "OtherMachine"),
            (judged(good, 1, BUNDLE, "0.3.0"), "Older"),
            (judged(good, 1, BUNDLE, "0.4.0"), "Older"),
            (judged(back, 1, BUNDLE, "0.4.1"), "Older"),
            (judged(good, 1, BUNDLE, "12"), "NoVersion"),
        ] {
            assert_eq!(name(judged), why);
        }
        // By a key of the same name that is another: what looks right before the bundle is here is none.
        let other = SecretKey::from_random([1; 8], [9; 32]).expect("a key");
        let signature = other.sign(BUNDLE, good);
        let (sums, keys) = (sums(BUNDLE), [key(1).public()]);
        let ordered = Ordered {
            sha256: &sums.sha256,
            size: sums.bytes,
            signature: &signature,
            version: None,
        };
        let here = Here { keys: &keys, compatible: "box", version: "0.2.0", refuse_older: true };
        assert!(looks_right(&ordered, &here).is_ok());
        assert_eq!(accept(&sums, &ordered, &here), Err(NotInstalled::Forged));
        let here = Here { keys: &[], ..here };
        assert_eq!(looks_right(&ordered, &here), Err(NotInstalled::NoKeys));
    }
}
