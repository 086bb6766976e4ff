//! The parcels that are on this box: `{data_dir}/models/NAME@VERSION.parcel`, and nothing beside them.
//!
//! The name of a file says what it is; whether it may be used is looked at each time it is loaded, by the keys
//! that the box has then. What is sealed stays sealed on the disk, and is opened in memory.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::detect::bundle::error::BundleError;
use crate::detect::bundle::files::{Embedded, Packed, hex, locate, version_in};
use crate::detect::bundle::{Bundle, Whole};
use crate::detect::parcel::{
    Accepted, BoxKey, Installed, Opened, Parcel, PublicKey, Refused, Rules, Source, Version,
    accept, is_sealed,
};
use crate::disk::{Disk, DiskFile, OpenHow};

/// How the name of a parcel ends.
const ENDING: &str = ".parcel";

/// Whom a box believes, and what is sealed for it.
#[derive(Clone, Debug, Default)]
pub struct BoxKeys {
    /// Whose parcels are taken.
    pub signers: Vec<PublicKey>,
    /// What opens those that are sealed for this box.
    pub own: Option<BoxKey>,
    /// True if that one lies open in a file of the data folder.
    pub own_in_file: bool,
}

/// A parcel that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Of the bundle.
    pub name: String,
    /// Of the bundle.
    pub version: Version,
    /// Its length.
    pub bytes: u64,
    /// True if it is sealed.
    pub sealed: bool,
}

impl Stored {
    /// By which it is loaded.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Parcels {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    keys: BoxKeys,
    /// Where bundles lie otherwise: none is gone back behind.
    search: Vec<PathBuf>,
    embedded: &'static [Embedded],
}

/// A file of `disk`, read by its place.
pub(super) struct OnDisk {
    file: Box<dyn DiskFile>,
    len: u64,
}

impl OnDisk {
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let file = disk.open(path, OpenHow::Read)?;
        let len = file.len()?;
        Ok(Self { file, len })
    }
}

impl Source for OnDisk {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(offset, buf)
    }
}

/// A parcel that was accepted, and its bytes.
pub(super) struct Taken {
    pub(super) accepted: Accepted,
    source: Box<dyn Source>,
    sealed: bool,
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taken").field("accepted", &self.accepted).finish_non_exhaustive()
    }
}

impl Packed for Taken {
    fn file(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let part = self.accepted.parcel.file(name);
        part.map(|part| part.read(&*self.source)).transpose()
    }
}

impl Parcels {
    /// Those in the folder of models; `search` and `embedded` are where other bundles are.
    #[must_use]
    pub fn new(
        disk: Arc<dyn Disk>,
        folder: PathBuf,
        keys: BoxKeys,
        search: Vec<PathBuf>,
        embedded: &'static [Embedded],
    ) -> Self {
        Self { disk, folder, keys, search, embedded }
    }

    pub(super) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// True if parcels of anybody are taken.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        !self.keys.signers.is_empty()
    }

    /// This box's key, to seal parcels to.
    #[must_use]
    pub fn own_key(&self) -> Option<String> {
        self.keys.own.as_ref().map(|key| key.public().to_string())
    }

    /// True if that key lies open in the data folder.
    #[must_use]
    pub const fn own_key_in_file(&self) -> bool {
        self.keys.own_in_file
    }

    /// Where the parcel of a bundle is kept.
    pub(super) fn path(&self, name: &str, version: Version) -> PathBuf {
        self.folder.join(format!("{name}@{version}{ENDING}"))
    }

    /// What is here, by name and then version.
    ///
    /// # Errors
    /// What the file system says.
    pub fn list(&self) -> io::Result<Vec<Stored>> {
        let entries = match self.disk.list(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            entries => entries?,
        };
        let mut found: Vec<Stored> = entries
            .into_iter()
            .filter(|entry| !entry.is_dir)
            .filter_map(|entry| {
                let (name, version) = entry.name.strip_suffix(ENDING)?.split_once('@')?;
                let version = Version::parse(version)?;
                let file = OnDisk::open(&*self.disk, &self.path(name, version));
                let sealed = file.is_ok_and(|file| is_sealed(&file));
                Some(Stored { name: name.to_owned(), version, bytes: entry.len, sealed })
            })
            .collect();
        found.sort_by(|one, other| (&one.name, one.version).cmp(&(&other.name, other.version)));
        Ok(found)
    }

    /// The highest version of a name that is on the box, wherever it lies.
    pub(super) fn installed(&self, name: &str) -> Option<Installed> {
        let mut here = self.list().unwrap_or_default();
        here.retain(|stored| stored.name == name);
        let stored = here.last().and_then(|newest| {
            let source = self.source(&self.path(name, newest.version)).ok()?;
            let parcel = Parcel::open(&*source.0).ok()?;
            Some(Installed {
                version: newest.version,
                manifest_sha256: sha256_of(&parcel.manifest),
            })
        });
        let beside = locate(name, &self.search, self.embedded).ok().and_then(|located| {
            let version = Version::parse(&version_in(&located)?)?;
            Some(Installed { version, manifest_sha256: sha256_of(&located.text) })
        });
        stored.into_iter().chain(beside).max_by_key(|installed| installed.version)
    }

    /// The bytes of a parcel, opened where they are sealed; true if they were.
    fn source(&self, path: &Path) -> Result<(Box<dyn Source>, bool), Refused> {
        let file = OnDisk::open(&*self.disk, path)?;
        if !is_sealed(&file) {
            return Ok((Box::new(file), false));
        }
        let own = self.keys.own.as_ref().ok_or(Refused::NoBoxKey)?;
        Ok((Box::new(Opened::open(file, own)?), true))
    }

    /// Checks the parcel at `path` by the keys of the box.
    ///
    /// # Errors
    /// [`Refused`].
    pub(super) fn take(
        &self,
        path: &Path,
        installed: &dyn Fn(&str) -> Option<Installed>,
    ) -> Result<Taken, Refused> {
        let (source, sealed) = self.source(path)?;
        let rules = Rules {
            keys: &self.keys.signers,
            most_bytes: Rules::MOST_BYTES,
            licensed: true,
            installed,
        };
        let accepted = accept(&*source, &rules)?;
        Ok(Taken { accepted, source, sealed })
    }

    /// The bundle `NAME@VERSION`, with its file of a precision.
    ///
    /// # Errors
    /// [`BundleError`]: it is not here, or why it is not taken any more.
    pub(crate) fn bundle(&self, full: &str, precision: &str) -> Result<Bundle, BundleError> {
        let none = || BundleError::NoParcel { name: full.to_owned(), folder: self.folder.clone() };
        let (name, version) = full.split_once('@').ok_or_else(none)?;
        crate::detect::bundle::files::check_name(name)?;
        let version = Version::parse(version).ok_or_else(none)?;
        let path = self.path(name, version);
        let taken = self.take(&path, &|_| None).map_err(|why| match why {
            Refused::Unreadable(error) if error.kind() == io::ErrorKind::NotFound => none(),
            why => BundleError::Parcel { path: path.clone(), reason: why.to_string() },
        })?;
        if (taken.accepted.name.as_str(), taken.accepted.version) != (name, version) {
            let reason = format!("it is {} {}", taken.accepted.name, taken.accepted.version);
            return Err(BundleError::Parcel { path, reason });
        }
        let (manifest, secret) = (taken.accepted.parcel.manifest.clone(), taken.sealed);
        Bundle::packed(name, precision, Whole { path, manifest, secret, files: Arc::new(taken) })
    }

    /// Removes old versions of `name`: the two highest stay, and those of `used`.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn tidy(&self, name: &str, used: &[String]) -> io::Result<Vec<Stored>> {
        let mut here = self.list()?;
        here.retain(|stored| stored.name == name);
        let old = here.len().saturating_sub(2);
        here.truncate(old);
        here.retain(|stored| !used.contains(&stored.full_name()));
        for stored in &here {
            self.disk.remove(&self.path(name, stored.version))?;
        }
        if !here.is_empty() {
            self.disk.sync_dir(&self.folder)?;
        }
        Ok(here)
    }
}

fn sha256_of(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}
