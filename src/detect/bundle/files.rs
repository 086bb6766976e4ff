//! A bundle's files: in which folder it lies, what of it may be read, and that bytes are those meant.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::detect::bundle::check::Check;
use crate::detect::bundle::error::{BundleError, MANIFEST, ManifestPlace};

/// Where `make install` puts bundles.
pub const SYSTEM_MODELS: &str = "/usr/share/courtside/models";
/// What a box runs, until an engine for another one is compiled in.
pub(crate) const DEFAULT_PRECISION: &str = "fp32";
/// Devices whose files the engine in the binary can run.
const BUILTIN_DEVICES: [&str; 2] = ["any", "cpu"];
/// Bytes of a manifest; ours have 3 KB.
const MAX_MANIFEST_BYTES: u64 = 256 << 10;
/// Bytes of a model file; RimNet has 5 MB, and a box has 8 GB.
const MAX_FILE_BYTES: u64 = 512 << 20;

/// A bundle that is part of the binary.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// Its name.
    pub name: &'static str,
    /// Its `model.toml`.
    pub manifest: &'static str,
    /// Its files, by the path that the manifest gives them.
    pub files: &'static [(&'static str, &'static [u8])],
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

/// A manifest that was found, whatever its task, and the files beside it.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    pub(crate) place: ManifestPlace,
    pub(crate) text: String,
    embedded: &'static [(&'static str, &'static [u8])],
}

impl Located {
    /// The manifest at a path.
    pub(crate) fn on_disk(manifest: &Path) -> Result<Self, BundleError> {
        let bytes = read_bounded(manifest, MAX_MANIFEST_BYTES)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Self { place: ManifestPlace::File(manifest.to_path_buf()), text, embedded: &[] })
    }

    /// A file of the bundle; `None`: it is not there.
    fn read(&self, path: &str) -> Result<Option<Cow<'static, [u8]>>, BundleError> {
        let ManifestPlace::File(manifest) = &self.place else {
            let file = self.embedded.iter().find(|(known, _)| *known == path);
            return Ok(file.map(|(_, bytes)| Cow::Borrowed(*bytes)));
        };
        let path = manifest.parent().unwrap_or_else(|| Path::new(".")).join(path);
        match read_bounded(&path, MAX_FILE_BYTES) {
            Ok(bytes) => Ok(Some(Cow::Owned(bytes))),
            Err(BundleError::Unreadable { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    /// Reads the file of `precision` that the engine in the binary can run, of `entries`, and checks
    /// its hash.
    pub(crate) fn file(
        &self,
        entries: &[FileEntry],
        precision: &str,
    ) -> Result<ModelFile, BundleError> {
        let chosen = self.choose(entries, precision)?;
        let bytes = self.read(&chosen.path)?.ok_or_else(|| self.missing(entries, chosen))?;
        let found = hex(&Sha256::digest(&bytes));
        if !found.eq_ignore_ascii_case(&chosen.sha256) {
            return Err(BundleError::Hash {
                manifest: self.place.clone(),
                file: chosen.path.clone(),
                wanted: chosen.sha256.clone(),
                found,
            });
        }
        Ok(ModelFile { path: chosen.path.clone(), precision: chosen.precision.clone(), bytes })
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
        let is_inside =
            |file: &&FileEntry| self.embedded.iter().any(|(path, _)| *path == file.path);
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
        match manifest.try_exists() {
            Ok(true) => return Located::on_disk(&manifest),
            Ok(false) => {}
            Err(source) => return Err(BundleError::Unreadable { path: manifest, source }),
        }
    }
    if let Some(found) = embedded.iter().find(|bundle| bundle.name == name) {
        let (place, text) = (ManifestPlace::Embedded(found.name), found.manifest.to_owned());
        return Ok(Located { place, text, embedded: found.files });
    }
    let mut searched: Vec<String> = folders.iter().map(|dir| dir.display().to_string()).collect();
    searched.push("the binary".to_owned());
    Err(BundleError::NotFound { name: name.to_owned(), searched: searched.join(", ") })
}

fn check_name(name: &str) -> Result<(), BundleError> {
    let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if (1..=32).contains(&name.len()) && name.bytes().all(good) {
        Ok(())
    } else {
        Err(BundleError::Name { name: name.chars().take(64).collect() })
    }
}

fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, BundleError> {
    let unreadable = |source| BundleError::Unreadable { path: path.to_path_buf(), source };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > limit {
        return Err(BundleError::TooLarge { path: path.to_path_buf(), bytes, limit });
    }
    std::fs::read(path).map_err(unreadable)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
