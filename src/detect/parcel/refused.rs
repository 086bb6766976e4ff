//! Every reason for which a parcel is refused, in words that say what to do.

use std::io;

use crate::detect::bundle::error::BundleError;
use crate::minisign::{KeyId, SignatureError, Version};

/// Why a parcel is not taken. Nothing of it was loaded.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum Refused {
    #[error("read it: {0}; make it readable for the user that courtside runs as")]
    Unreadable(#[from] io::Error),
    #[error(
        "it has {bytes} bytes, and a box takes at most {most}: leave out precisions that this box \
         does not run"
    )]
    TooLong { bytes: u64, most: u64 },
    #[error(
        "it is no packed bundle: make one with `courtside models sign FOLDER --key FILE`, and copy it \
         as it is"
    )]
    NoParcel,
    #[error(
        "it is sealed for {boxes} boxes, and this is none of them: have it sealed for this one too, \
         `courtside models` says its key"
    )]
    NotForUs { boxes: usize },
    #[error(
        "it is sealed, and no key is here that could open it: give the key of a box that it is for"
    )]
    NoBoxKey,
    #[error(
        "it is packed in format {0}, and this version of courtside reads 1: update courtside, or pack \
         it with this one"
    )]
    Newer(String),
    #[error("it is cut short, or damaged, at {what}: copy it again")]
    Damaged { what: String },
    #[error(
        "it is not signed as a model is: sign it with `courtside models sign FOLDER --key FILE`, or \
         `minisign -S` of version 0.10 or later"
    )]
    NoSignature,
    #[error(
        "no key is on this box, so nothing that comes from elsewhere is taken: name those whose models \
         it may run in `model_keys` of [detect]"
    )]
    NoKeys,
    #[error(
        "it is signed by the key {signed_by}, which is none of this box's ({known}): take the bundle \
         from whom you know, or add that key to `model_keys` of [detect]"
    )]
    UnknownKey { signed_by: KeyId, known: String },
    #[error(
        "its signature is wrong: it was changed after it was signed. Take it from its maker again"
    )]
    Forged,
    #[error(
        "what is signed is `{said}`, and the manifest is of {name} {version}: sign with the trusted \
         comment `{wanted}`"
    )]
    OtherComment { said: String, name: String, version: String, wanted: String },
    #[error("its manifest is refused: {0}")]
    Manifest(#[from] BundleError),
    #[error(
        "{file} is damaged or was changed: its sha256 is not the one of the manifest. Copy it again"
    )]
    Altered { file: String },
    #[error(
        "it holds {found} where its manifest names {wanted}: pack it again with `courtside models sign`"
    )]
    OtherFiles { found: String, wanted: String },
    #[error(
        "nobody says whether it may be used: its manifest lacks `{key}` of [provenance]. Its maker \
         writes what it was trained on, and the rights to that"
    )]
    Unlicensed { key: &'static str },
    #[error(
        "nothing of it runs here: a box takes networks for device \"any\" or \"cpu\" at least, it has \
         {found}. Export one more"
    )]
    NothingForUs { found: String },
    #[error(
        "{name} {version} is older than {installed}, which is installed: `courtside models back` goes \
         back to the one before; to run this one again let its maker sign it with a higher version"
    )]
    Older { name: String, version: Version, installed: Version },
    #[error(
        "another {name} {version} is installed already: its maker gives a changed bundle a higher version"
    )]
    SameVersion { name: String, version: Version },
}

impl From<SignatureError> for Refused {
    fn from(wrong: SignatureError) -> Self {
        match wrong {
            SignatureError::None => Self::NoSignature,
            SignatureError::UnknownKey { signed_by, known } => {
                Self::UnknownKey { signed_by, known }
            }
            SignatureError::Forged => Self::Forged,
        }
    }
}
