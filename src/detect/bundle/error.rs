//! Why a bundle is refused, and where the one meant lies.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::disk::Unfit;

/// The one name of a manifest.
pub(crate) const MANIFEST: &str = "model.toml";

/// Why a bundle was refused. Each text names the place and says what to do.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum BundleError {
    #[error("`{name}` is no name of a bundle: use 1 to 32 of a-z, 0-9 and '-'")]
    Name { name: String },
    #[error(
        "no bundle `{name}`: looked for {name}/model.toml in {searched}; put it there, or correct \
         `bundles` of [detect]"
    )]
    NotFound { name: String, searched: String },
    #[error("read {path}: {source}; make it readable for the user that courtside runs as")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path}: {unfit}")]
    Unfit { path: PathBuf, unfit: Unfit },
    #[error("{path} leads out of its bundle, to {target}: copy that file into the bundle's folder")]
    Outside { path: PathBuf, target: PathBuf },
    #[error("{manifest}:{line}:{column}: {problem}; correct the manifest (keys: DESIGN §4.8)")]
    Manifest { manifest: ManifestPlace, line: usize, column: usize, problem: String },
    #[error(
        "{manifest}: {name} {} (task = \"{}\"); name a bundle that {} (task = \"{}\")",
        is.does(), is.word(), want.does(), want.word()
    )]
    Task { manifest: ManifestPlace, name: String, is: Task, want: Task },
    #[error("{manifest}: {key} is {found}: {want}")]
    Value { manifest: ManifestPlace, key: String, found: String, want: String },
    #[error(
        "no parcel {name} in {}: `courtside models` lists those that are here, `courtside models \
         install` brings one", folder.display()
    )]
    NoParcel { name: String, folder: PathBuf },
    #[error("{}: {reason}", path.display())]
    Parcel { path: PathBuf, reason: String },
    #[error("{manifest} names {file}, which is not there: copy the whole bundle again")]
    MissingFile { manifest: ManifestPlace, file: String },
    #[error(
        "only {inside} of {name} is inside the binary, not {file} ({precision}): the whole bundle \
         is the folder `{name}` in `models` of a checkout, or in {system} of an installation; name \
         the folder that it lies in with --models-dir, or with `models_dir` of [detect]"
    )]
    NotInBinary { name: String, inside: String, file: String, precision: String, system: String },
    #[error(
        "{} is missing: this program carries no networks, its package places them there; install the \
         package again (a program that carries them is what `make build` makes)",
        file.display()
    )]
    NotPlaced { file: PathBuf },
    #[error(
        "{file} is damaged or was changed: its sha256 is {found}, {manifest} says {wanted}; copy \
         the bundle again, or write the new sha256 if you changed the file yourself"
    )]
    Hash { manifest: ManifestPlace, file: String, wanted: String, found: String },
}

/// What a model is for.
///
/// A new task is a variant here, a folder with its table, its `at_court` and its answers, and the
/// arms that the compiler then asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Its answers decide made or missed.
    Rim,
    /// It finds rings in whole pictures.
    Ring,
}

impl Task {
    /// Every one.
    pub(crate) const ALL: [Self; 2] = [Self::Rim, Self::Ring];

    /// What a manifest calls it, and its table.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Rim => "rim",
            Self::Ring => "ring",
        }
    }

    const fn does(self) -> &'static str {
        match self {
            Self::Rim => "decides made or missed",
            Self::Ring => "finds rings",
        }
    }
}

/// Where a manifest was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestPlace {
    /// On disk.
    File(PathBuf),
    /// In the binary.
    Embedded(&'static str),
    /// In a parcel: the file, or nothing where its name is told anyway.
    Parcel(PathBuf),
}

impl fmt::Display for ManifestPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Embedded(name) => write!(f, "{name}/{MANIFEST} in the binary"),
            Self::Parcel(path) if path.as_os_str().is_empty() => f.write_str(MANIFEST),
            Self::Parcel(path) => write!(f, "{MANIFEST} in {}", path.display()),
        }
    }
}
