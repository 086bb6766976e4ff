//! A bundle's files: in which folder it lies, what of it may be read, and that bytes are those meant.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::detect::bundle::check::Check;
use crate::detect::bundle::error::{BundleError, MANIFEST, ManifestPlace};
use crate::disk::{Unfit, open_regular, read_most};

/// Where `make install` puts bundles.
pub const SYSTEM_MODELS: &str = "/usr/share/courtside/models";
/// What a box runs, until an engine for another one is compiled in.
pub(crate) const DEFAULT_PRECISION: &str = "fp32";
/// Devices whose files the engine in the binary can run.
pub(crate) const BUILTIN_DEVICES: [&str; 2] = ["any", "cpu"];
/// Bytes of a manifest; ours have 3 KB.
pub(crate) const MAX_MANIFEST_BYTES: u64 = 256 << 10;
/// Bytes of a model file; RimNet has 5 MB, and the unit's `MemoryMax` is 6 GB.
pub(crate) const MAX_FILE_BYTES: u64 = 256 << 20;

/// A bundle that is part of the binary.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// Its name.
    pub name: &'static str,
    /// Its `model.toml`.
    pub manifest: &'static str,
    /// Where its files are.
    pub networks: Networks,
}

/// The files of a bundle whose manifest is in the binary.
#[derive(Clone, Copy, Debug)]
pub enum Networks {
    /// In it too, by the path that the manifest gives them.
    Inside(&'static [(&'static str, &'static [u8])]),
    /// In the bundle's folder below this one, where the program's package places them; the manifest's sums say
    /// that they are those meant.
    Below(&'static str),
}

impl Networks {
    const NONE: Self = Self::Inside(&[]);

    /// The bytes of `path`, if they are in the binary.
    fn inside(self, path: &str) -> Option<&'static [u8]> {
        let Self::Inside(files) = self else { return None };
        files.iter().find(|(known, _)| *known == path).map(|(_, bytes)| *bytes)
    }
}

/// A `[[file]]` of a manifest: one network for one kind of arithmetic and device.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name in the bundle's folder.
    pub path: String,
    /// `fp32`, `fp16` or `int8`.
    pub precision: String,
    /// `any`, `cpu` or `cuda`.
    pub device: String,
    /// Of its bytes, hexadecimal.
    pub sha256: String,
}

/// A model file whose hash was right.
#[derive(Clone)]
pub struct ModelFile {
    /// Its path in the bundle.
    pub path: String,
    /// `fp32`, `fp16` or `int8`.
    pub precision: String,
    /// The whole file.
    pub bytes: Cow<'static, [u8]>,
}

impl fmt::Debug for ModelFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelFile")
            .field("path", &self.path)
            .field("precision", &self.precision)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

/// The files of a bundle that lie in no folder, each checked before.
pub(crate) trait Packed: fmt::Debug + Send + Sync {
    /// All of the file `name`; `None`: there is none.
    ///
    /// # Errors
    /// What the file system says, or that it was changed.
    fn file(&self, name: &str) -> io::Result<Option<Vec<u8>>>;
}

/// A manifest that was found, whatever its task, and the files beside it.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    pub(crate) place: ManifestPlace,
    pub(crate) text: String,
    networks: Networks,
    packed: Option<Arc<dyn Packed>>,
}

impl Located {
    /// The manifest at a path.
    pub(crate) fn on_disk(manifest: &Path) -> Result<Self, BundleError> {
        let bytes = read_whole(manifest, MAX_MANIFEST_BYTES)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Self::handed_over(manifest.to_path_buf(), text))
    }

    /// The manifest of the parcel at `path`, with its files.
    pub(crate) fn in_parcel(path: PathBuf, text: String, files: Arc<dyn Packed>) -> Self {
        Self {
            place: ManifestPlace::Parcel(path),
            packed: Some(files),
            networks: Networks::NONE,
            text,
        }
    }

    /// A manifest that somebody else has read.
    pub(crate) const fn handed_over(manifest: PathBuf, text: String) -> Self {
        Self { place: ManifestPlace::File(manifest), text, networks: Networks::NONE, packed: None }
    }

    /// True if a bundle of the binary has the same manifest.
    pub(crate) fn is_word_for_word(&self, embedded: &[Embedded]) -> bool {
        embedded.iter().any(|known| known.manifest == self.text)
    }

    /// A file of the bundle, if it is the one meant; `None`: it is not there.
    ///
    /// One on disk is read twice: by pieces for its hash, then whole, so that a wrong one takes no
    /// memory whatever its size.
    fn read(&self, entry: &FileEntry) -> Result<Option<Cow<'static, [u8]>>, BundleError> {
        let is_meant = |found: &[u8]| {
            let found = hex(found);
            if found.eq_ignore_ascii_case(&entry.sha256) {
                return Ok(());
            }
            let (file, wanted) = (entry.path.clone(), entry.sha256.clone());
            Err(BundleError::Hash { manifest: self.place.clone(), file, wanted, found })
        };
        if let Some(packed) = &self.packed {
            let unreadable = |error| unreadable(Path::new(&entry.path), error);
            let Some(bytes) = packed.file(&entry.path).map_err(unreadable)? else {
                return Ok(None);
            };
            is_meant(&Sha256::digest(&bytes))?;
            return Ok(Some(Cow::Owned(bytes)));
        }
        let folder = match (&self.place, self.networks) {
            (ManifestPlace::File(manifest), _) => {
                manifest.parent().unwrap_or_else(|| Path::new(".")).to_path_buf()
            }
            (ManifestPlace::Embedded(name), Networks::Below(folder)) => {
                Path::new(folder).join(name)
            }
            _ => {
                let Some(bytes) = self.networks.inside(&entry.path) else { return Ok(None) };
                is_meant(&Sha256::digest(bytes))?;
                return Ok(Some(Cow::Borrowed(bytes)));
            }
        };
        let path = folder.join(&entry.path);
        let hash = match hash_of(&path, MAX_FILE_BYTES) {
            Err(BundleError::Unreadable { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                return Ok(None);
            }
            hashed => hashed?,
        };
        is_meant(&hash)?;
        let bytes = read_whole(&path, MAX_FILE_BYTES)?;
        is_meant(&Sha256::digest(&bytes))?;
        Ok(Some(Cow::Owned(bytes)))
    }

    /// Reads the file of `precision` that the engine in the binary can run, of `entries`, and checks
    /// its hash.
    pub(crate) fn file(
        &self,
        entries: &[FileEntry],
        precision: &str,
    ) -> Result<ModelFile, BundleError> {
        let chosen = self.choose(entries, precision)?;
        let bytes = self.one(entries, chosen)?;
        Ok(ModelFile { path: chosen.path.clone(), precision: chosen.precision.clone(), bytes })
    }

    /// Reads the file of one of `entries`, and checks its hash.
    pub(crate) fn one(
        &self,
        entries: &[FileEntry],
        chosen: &FileEntry,
    ) -> Result<Cow<'static, [u8]>, BundleError> {
        self.read(chosen)?.ok_or_else(|| self.missing(entries, chosen))
    }

    fn choose<'e>(
        &self,
        entries: &'e [FileEntry],
        precision: &str,
    ) -> Result<&'e FileEntry, BundleError> {
        let fits = |file: &&FileEntry| {
            file.precision == precision && BUILTIN_DEVICES.contains(&file.device.as_str())
        };
        entries.iter().find(fits).ok_or_else(|| {
            let found: Vec<String> = entries
                .iter()
                .map(|file| format!("{} for {}", file.precision, file.device))
                .collect();
            let found = if found.is_empty() { "missing".to_owned() } else { found.join(", ") };
            let want = format!(
                "the engine in the binary needs a [[file]] of precision \"{precision}\", device \
                 \"any\" or \"cpu\""
            );
            Check { place: &self.place, table: "" }.wrong("file", found, &want)
        })
    }

    /// Why a file that the manifest names cannot be read.
    fn missing(&self, entries: &[FileEntry], wanted: &FileEntry) -> BundleError {
        let ManifestPlace::Embedded(name) = self.place else {
            let (manifest, file) = (self.place.clone(), wanted.path.clone());
            return BundleError::MissingFile { manifest, file };
        };
        if let Networks::Below(folder) = self.networks {
            let file = Path::new(folder).join(name).join(&wanted.path);
            return BundleError::NotPlaced { file };
        }
        let is_inside = |file: &&FileEntry| self.networks.inside(&file.path).is_some();
        let inside: Vec<String> =
            entries.iter().filter(is_inside).map(|file| file.precision.to_uppercase()).collect();
        BundleError::NotInBinary {
            name: name.to_owned(),
            inside: inside.join(" and "),
            file: wanted.path.clone(),
            precision: wanted.precision.to_uppercase(),
            system: SYSTEM_MODELS.to_owned(),
        }
    }
}

/// Checks every entry, whichever will be read.
pub(crate) fn check_entries(check: Check<'_>, entries: &[FileEntry]) -> Result<(), BundleError> {
    for file in entries {
        let key = |field: &str| format!("file \"{}\", {field}", file.path);
        // A bundle names only its own files.
        if file.path.is_empty() || file.path.starts_with('.') || file.path.contains(['/', '\\']) {
            let want = "write the name of a file in the bundle's own folder";
            return Err(check.wrong("file.path", format!("\"{}\"", file.path), want));
        }
        if !["fp32", "fp16", "int8"].contains(&file.precision.as_str()) {
            let want = "write \"fp32\", \"fp16\" or \"int8\"";
            return Err(check.wrong(&key("precision"), format!("\"{}\"", file.precision), want));
        }
        if !["any", "cpu", "cuda"].contains(&file.device.as_str()) {
            let want = "write \"any\", \"cpu\" or \"cuda\"";
            return Err(check.wrong(&key("device"), format!("\"{}\"", file.device), want));
        }
        if file.sha256.len() != 64 || !file.sha256.bytes().all(|c| c.is_ascii_hexdigit()) {
            let want = "write the 64 hexadecimal digits that `sha256sum` prints";
            return Err(check.wrong(&key("sha256"), format!("\"{}\"", file.sha256), want));
        }
    }
    Ok(())
}

/// The manifest of the bundle `name`: the first of `folders` that has it, else the one in the binary.
pub(crate) fn locate(
    name: &str,
    folders: &[PathBuf],
    embedded: &[Embedded],
) -> Result<Located, BundleError> {
    check_name(name)?;
    for folder in folders {
        let manifest = folder.join(name).join(MANIFEST);
        // Not through a link: one that leads nowhere is a bundle that is bad.
        match manifest.symlink_metadata() {
            Ok(_) => return Located::on_disk(&manifest),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(BundleError::Unreadable { path: manifest, source }),
        }
    }
    if let Some(found) = embedded.iter().find(|bundle| bundle.name == name) {
        let (place, text) = (ManifestPlace::Embedded(found.name), found.manifest.to_owned());
        return Ok(Located { place, text, networks: found.networks, packed: None });
    }
    let mut searched: Vec<String> = folders.iter().map(|dir| dir.display().to_string()).collect();
    searched.push("the binary".to_owned());
    Err(BundleError::NotFound { name: name.to_owned(), searched: searched.join(", ") })
}

/// What a manifest says is its version, whatever else is wrong with it.
pub(crate) fn version_in(located: &Located) -> Option<String> {
    #[derive(Deserialize)]
    struct Versioned {
        version: String,
    }
    toml::from_str(&located.text).ok().map(|Versioned { version }| version)
}

pub(crate) fn check_name(name: &str) -> Result<(), BundleError> {
    let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if (1..=32).contains(&name.len()) && name.bytes().all(good) {
        Ok(())
    } else {
        Err(BundleError::Name { name: name.chars().take(64).collect() })
    }
}

/// Opens a file of a bundle on disk: a regular one of the bundle's own folder. Whoever put it there is
/// not trusted, so nothing is waited for, and nothing followed out of the folder.
fn open(path: &Path) -> Result<File, BundleError> {
    open_regular(&inside(path)?).map_err(|error| unreadable(path, error))
}

/// All of it, at most `most` bytes.
fn read_whole(path: &Path, most: u64) -> Result<Vec<u8>, BundleError> {
    read_most(open(path)?, most).map_err(|error| unreadable(path, error))
}

/// Its SHA-256, in little memory.
fn hash_of(path: &Path, most: u64) -> Result<Vec<u8>, BundleError> {
    let too_long = || Err(unreadable(path, Unfit::TooLong { limit: most }.into()));
    let unreadable = |error| unreadable(path, error);
    let file = open(path)?;
    if file.metadata().map_err(unreadable)?.len() > most {
        return too_long();
    }
    let mut pieces = BufReader::with_capacity(1 << 16, file.take(most + 1));
    let (mut hash, mut read) = (Sha256::new(), 0);
    loop {
        let piece = pieces.fill_buf().map_err(unreadable)?;
        if piece.is_empty() {
            return if read > most { too_long() } else { Ok(hash.finalize().to_vec()) };
        }
        hash.update(piece);
        let taken = piece.len();
        read += taken as u64;
        pieces.consume(taken);
    }
}

fn unreadable(path: &Path, source: io::Error) -> BundleError {
    let path = path.to_path_buf();
    match Unfit::of(&source) {
        Some(unfit) => BundleError::Unfit { path, unfit: unfit.clone() },
        None => BundleError::Unreadable { path, source },
    }
}

/// Where the file at `path` is, if that is in its folder.
fn inside(path: &Path) -> Result<PathBuf, BundleError> {
    let unreadable = |source| unreadable(path, source);
    if !path.symlink_metadata().map_err(unreadable)?.is_symlink() {
        return Ok(path.to_path_buf());
    }
    let target = path.canonicalize().map_err(unreadable)?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    if target.starts_with(folder.canonicalize().map_err(unreadable)?) {
        Ok(target)
    } else {
        Err(BundleError::Outside { path: path.to_path_buf(), target })
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
