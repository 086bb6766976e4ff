//! A bundle's files: in which folder it lies, what of it may be read, and that bytes are those meant.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::detect::bundle::error::{BundleError, MANIFEST, Place};

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
pub(crate) struct Located {
    pub(crate) place: Place,
    pub(crate) text: String,
    embedded: &'static [(&'static str, &'static [u8])],
}

impl Located {
    pub(crate) fn on_disk(manifest: &Path) -> Result<Self, BundleError> {
        let bytes = read_bounded(manifest, MAX_MANIFEST_BYTES)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Self { place: Place::File(manifest.to_path_buf()), text, embedded: &[] })
    }

    /// A file of the bundle; `None`: it is not there.
    pub(crate) fn read(&self, path: &str) -> Result<Option<Cow<'static, [u8]>>, BundleError> {
        let Place::File(manifest) = &self.place else {
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
        let (place, text) = (Place::Embedded(found.name), found.manifest.to_owned());
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
