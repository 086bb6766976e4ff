//! Whether a parcel may be used on this box: the rules, one after the other, and none that guesses (pure).
//!
//! Form → signature by a key of the box → the trusted comment is the manifest's name and version → manifest
//! → rights → something for this box → not older than what is installed → every byte of every file.

use std::path::PathBuf;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::detect::bundle::check::Check;
use crate::detect::bundle::error::{BundleError, ManifestPlace, Task};
use crate::detect::bundle::files::{BUILTIN_DEVICES, FileEntry, MAX_FILE_BYTES, check_name, hex};
use crate::detect::bundle::head::{Head, Provenance};
use crate::detect::bundle::manifest::Manifest;
use crate::detect::parcel::container::{Parcel, Part};
use crate::detect::parcel::refused::Refused;
use crate::detect::parcel::source::Source;
use crate::minisign::{KeyId, PublicKey, Signature, Version, trusted_comment};

/// What of a name is on the box already: the highest version, and the SHA-256 of its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Of the highest.
    pub version: Version,
    /// What tells two bundles of one version apart.
    pub manifest_sha256: String,
}

/// What a box goes by. Each can be wider than a box has it: to see what it keeps out.
pub struct Rules<'a> {
    /// Whose models it runs.
    pub keys: &'a [PublicKey],
    /// Bytes of a parcel.
    pub most_bytes: u64,
    /// Whether data and rights must be named.
    pub licensed: bool,
    /// What is installed under a name.
    pub installed: &'a dyn Fn(&str) -> Option<Installed>,
}

impl Rules<'_> {
    /// RimNet in four precisions has 11 MB (chosen: a hundred times that is still read in seconds).
    pub const MOST_BYTES: u64 = 1 << 30;
}

/// A parcel that may be used.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Of the bundle.
    pub name: String,
    /// Of the bundle.
    pub version: Version,
    /// What it is for.
    pub task: Task,
    /// Who signed it.
    pub signed_by: KeyId,
    /// Of its manifest.
    pub manifest_sha256: String,
    /// True if this very bundle is installed.
    pub known: bool,
    /// Where its files lie.
    pub parcel: Parcel,
}

/// Checks a parcel, whole.
///
/// # Errors
/// [`Refused`]: the first rule that it breaks.
pub fn accept(source: &dyn Source, rules: &Rules<'_>) -> Result<Accepted, Refused> {
    let (bytes, most) = (source.len(), rules.most_bytes);
    if bytes > most {
        return Err(Refused::TooLong { bytes, most });
    }
    if rules.keys.is_empty() {
        return Err(Refused::NoKeys);
    }
    let parcel = Parcel::open(source)?;
    let signature = Signature::parse(&parcel.signature)?;
    let (comment, signed_by) = signature.verify(parcel.manifest.as_bytes(), rules.keys)?;
    let (Manifest { head, table, .. }, version) = manifest_of(&parcel.manifest, comment)?;
    if rules.licensed {
        licensed(&head.provenance)?;
    }
    runs_here(&head.files)?;
    let manifest_sha256 = hex(&Sha256::digest(parcel.manifest.as_bytes()));
    let installed = (rules.installed)(&head.name);
    let known = match &installed {
        Some(newest) if version < newest.version => {
            let (name, installed) = (head.name, newest.version);
            return Err(Refused::Older { name, version, installed });
        }
        Some(newest) if version == newest.version => {
            if newest.manifest_sha256 != manifest_sha256 {
                return Err(Refused::SameVersion { name: head.name, version });
            }
            true
        }
        _ => false,
    };
    same_files(&head.files, &parcel.files)?;
    for part in &parcel.files {
        let meant = |entry: &&FileEntry| entry.path == part.name;
        let hash = hash_of(source, part)?;
        if !head.files.iter().filter(meant).all(|entry| entry.sha256.eq_ignore_ascii_case(&hash)) {
            return Err(Refused::Altered { file: part.name.clone() });
        }
    }
    let (name, task) = (head.name, table.task());
    Ok(Accepted { name, version, task, signed_by, manifest_sha256, known, parcel })
}

/// The manifest, if it is that of the model whose name and version were signed.
fn manifest_of(text: &str, comment: &str) -> Result<(Manifest, Version), Refused> {
    let place = ManifestPlace::Parcel(PathBuf::new());
    let name = name_in(text, &place)?;
    let manifest = Manifest::parse(&name, &place, text)?;
    let Head { name, version, .. } = &manifest.head;
    let wanted = trusted_comment(name, version);
    let parsed = Version::parse(version).filter(|_| comment == wanted);
    let Some(parsed) = parsed else {
        let (name, version) = (name.clone(), version.clone());
        return Err(Refused::OtherComment { said: comment.to_owned(), name, version, wanted });
    };
    Ok((manifest, parsed))
}

/// The name that a manifest gives itself: a parcel has no folder.
pub(super) fn name_in(text: &str, place: &ManifestPlace) -> Result<String, BundleError> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let Named { name } = Check { place, table: "" }.read(text)?;
    check_name(&name)?;
    Ok(name)
}

fn licensed(provenance: &Provenance) -> Result<(), Refused> {
    if provenance.data.trim().is_empty() {
        return Err(Refused::Unlicensed { key: "data" });
    }
    if provenance.rights.iter().all(|right| right.trim().is_empty()) {
        return Err(Refused::Unlicensed { key: "rights" });
    }
    Ok(())
}

fn runs_here(entries: &[FileEntry]) -> Result<(), Refused> {
    if entries.iter().any(|entry| BUILTIN_DEVICES.contains(&entry.device.as_str())) {
        return Ok(());
    }
    let found: Vec<String> =
        entries.iter().map(|entry| format!("{} for {}", entry.precision, entry.device)).collect();
    let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    Err(Refused::NothingForUs { found })
}

/// The files are those of the manifest, each once, in its order.
fn same_files(entries: &[FileEntry], parts: &[Part]) -> Result<(), Refused> {
    let wanted = files_of(entries);
    let found: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    if wanted != found {
        let (found, wanted) = (found.join(", "), wanted.join(", "));
        return Err(Refused::OtherFiles { found, wanted });
    }
    match parts.iter().find(|part| part.len > MAX_FILE_BYTES) {
        Some(part) => Err(Refused::TooLong { bytes: part.len, most: MAX_FILE_BYTES }),
        None => Ok(()),
    }
}

/// The names of files, each once: one network may serve two devices.
pub(super) fn files_of(entries: &[FileEntry]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for entry in entries {
        if !names.contains(&entry.path.as_str()) {
            names.push(&entry.path);
        }
    }
    names
}

/// The SHA-256 of a part, in little memory.
fn hash_of(source: &dyn Source, part: &Part) -> Result<String, Refused> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 16];
    let (mut offset, end) = (part.offset, part.offset + part.len);
    while offset < end {
        let len = usize::try_from(end - offset).unwrap_or(usize::MAX).min(piece.len());
        let piece = piece.get_mut(..len).unwrap_or_default();
        source.read_exact_at(offset, piece)?;
        hash.update(&*piece);
        offset += len as u64;
    }
    Ok(hex(&hash.finalize()))
}
