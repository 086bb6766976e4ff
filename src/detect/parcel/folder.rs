//! A bundle's folder, read whole: what is packed of it.

use std::path::Path;

use crate::detect::bundle::error::{BundleError, MANIFEST};
use crate::detect::bundle::files::Located;
use crate::detect::bundle::manifest::Manifest;
use crate::detect::parcel::accept::{files_of, name_in};

/// A bundle as it lies in a folder, every file with the hash that its manifest says.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The text of its manifest.
    pub manifest: String,
    /// Its files, in the order of the manifest.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Folder {
    /// Reads the folder at `path`, whatever it is called.
    ///
    /// # Errors
    /// [`BundleError`]: what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, BundleError> {
        let located = Located::on_disk(&path.join(MANIFEST))?;
        let name = name_in(&located.text, &located.place)?;
        let Manifest { head, .. } = Manifest::parse(&name, &located.place, &located.text)?;
        let mut files = Vec::new();
        for file in files_of(&head.files) {
            for entry in head.files.iter().filter(|entry| entry.path == file) {
                let bytes = located.one(&head.files, entry)?;
                // Of one network for two devices both hashes are looked at.
                if files.last().is_none_or(|(last, _)| last != file) {
                    files.push((file.to_owned(), bytes.into_owned()));
                }
            }
        }
        Ok(Self { name, version: head.version, manifest: located.text, files })
    }
}
