//! A model's folder → a checked bundle (DESIGN §4.8): refused with the reason, or whole.
//!
//! One kind of bundle for all tasks: what they share stands in [`Bundle`], what only one task has in
//! its [`TaskTable`], what an engine needs in [`Tensors`]. Read `manifest` (the format, and what is
//! refused), `head` and the tables of `rim` and `ring` (the checks), `files` (folders, bytes and
//! hashes), `error` (every refusal). `check` is the voice of the checks, `tensors` what a network
//! takes and gives, `format_1` how older manifests are read. Past this module nothing of a manifest
//! is checked again, but what only the engine can know (that the file's tensors are the manifest's).

pub(crate) mod error;
pub(crate) mod check;
pub(crate) mod tensors;
pub(crate) mod files;
pub(crate) mod head;
pub(crate) mod format_1;
pub(crate) mod manifest;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::detect::bundle::files::{DEFAULT_PRECISION, Located, Packed, locate};
use crate::detect::bundle::manifest::Manifest;
use crate::detect::rim::manifest::RimTable;
use crate::detect::ring::manifest::RingTable;

pub use crate::detect::bundle::error::{BundleError, ManifestPlace, Task};
pub use crate::detect::bundle::files::{Embedded, FileEntry, ModelFile, SYSTEM_MODELS};
pub use crate::detect::bundle::head::Provenance;
pub use crate::detect::bundle::manifest::{MANIFEST_FORMAT, TaskTable};
pub use crate::detect::bundle::tensors::{
    Channel, CropInput, FrameInput, OutputTensor, PictureInput, StateTensor, Tensors,
};

/// A checked bundle: everything that feeding and reading the model takes.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Name of its folder.
    pub name: String,
    /// `major.minor.patch`.
    pub version: String,
    /// Where it was found.
    pub place: ManifestPlace,
    /// Milliseconds a picture that it may take; more is told.
    pub budget_ms: f64,
    /// Lowest and highest frames a second that it takes; `None`: all.
    pub rates: Option<[f64; 2]>,
    /// Longest time between two frames that does not reset its state, ms; `None`: it has none.
    pub max_gap_ms: Option<u32>,
    /// Frames after a reset whose answers decide nothing.
    pub warmup_frames: u32,
    /// Frames of a court that may wait for it.
    pub queue_frames: usize,
    /// The file chosen for this machine.
    pub file: ModelFile,
    /// What the network takes and gives.
    pub tensors: Tensors,
    /// What only its task has.
    pub table: TaskTable,
    /// Where it came from.
    pub provenance: Provenance,
    entries: Vec<FileEntry>,
    located: Located,
    /// It was sealed: nothing of it is written anywhere.
    secret: bool,
}

/// A parcel that was accepted, to be made a bundle of.
#[derive(Debug)]
pub(crate) struct Whole {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its manifest.
    pub(crate) manifest: String,
    /// True if it is sealed on the disk.
    pub(crate) secret: bool,
    /// Its files.
    pub(crate) files: Arc<dyn Packed>,
}

/// Finds the bundle `name`, whatever its task: the first of `folders` that has it, else the one in
/// the binary.
///
/// A bundle that is found and bad is refused; a worse one behind it is never taken in silence.
///
/// # Errors
/// [`BundleError`]: not there, or what is wrong with it.
pub fn find(name: &str, folders: &[PathBuf], embedded: &[Embedded]) -> Result<Bundle, BundleError> {
    find_as(name, DEFAULT_PRECISION, folders, embedded)
}

/// [`find`], with the file of another precision: for comparisons.
///
/// # Errors
/// [`BundleError`]: not there, without such a file, or what is wrong with it.
pub fn find_as(
    name: &str,
    precision: &str,
    folders: &[PathBuf],
    embedded: &[Embedded],
) -> Result<Bundle, BundleError> {
    Bundle::checked(name, precision, locate(name, folders, embedded)?)
}

/// True if what [`find`] would give is the binary's own, or word for word that; or a refusal before any
/// of its files is read.
pub(crate) fn is_embedded(name: &str, folders: &[PathBuf], embedded: &[Embedded]) -> bool {
    locate(name, folders, embedded).map_or(true, |located| located.is_word_for_word(embedded))
}

/// A bundle without the bytes of its network, for another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedOver {
    name: String,
    place: String,
    manifest: String,
    file: String,
    precision: String,
}

impl Bundle {
    /// What another process needs beside the bytes of [`file`](Self::file).
    #[must_use]
    pub fn hand_over(&self) -> HandedOver {
        HandedOver {
            name: self.name.clone(),
            place: self.located.place.to_string(),
            manifest: self.located.text.clone(),
            file: self.file.path.clone(),
            precision: self.file.precision.clone(),
        }
    }

    /// The bundle that was handed over, with the bytes of its network: nothing is read.
    ///
    /// # Errors
    /// [`BundleError`]: what is wrong with it.
    pub fn from_hand_over(of: HandedOver, bytes: Vec<u8>) -> Result<Self, BundleError> {
        let HandedOver { name, place, manifest, file, precision } = of;
        let located = Located::handed_over(place.into(), manifest);
        let bytes = bytes.into();
        Self::with(&name, located, |_, _| Ok(ModelFile { path: file, precision, bytes }))
    }

    /// True if its manifest is that of a bundle in the binary; so, by their hashes, are its files.
    pub(crate) fn is_word_for_word(&self, embedded: &[Embedded]) -> bool {
        self.located.is_word_for_word(embedded)
    }

    /// Reads the bundle whose manifest is at `manifest`.
    ///
    /// # Errors
    /// [`BundleError`]: what is wrong with it.
    pub fn read(name: &str, manifest: &Path) -> Result<Self, BundleError> {
        Self::checked(name, DEFAULT_PRECISION, Located::on_disk(manifest)?)
    }

    /// The bundle in a parcel.
    pub(crate) fn packed(name: &str, precision: &str, whole: Whole) -> Result<Self, BundleError> {
        let Whole { path, manifest, secret, files } = whole;
        let located = Located::in_parcel(path, manifest, files);
        Ok(Self { secret, ..Self::checked(name, precision, located)? })
    }

    /// True if its files are sealed on the disk: what an engine makes of them is not written either.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        self.secret
    }

    fn checked(name: &str, precision: &str, located: Located) -> Result<Self, BundleError> {
        Self::with(name, located, |located, entries| located.file(entries, precision))
    }

    fn with(
        name: &str,
        located: Located,
        file: impl FnOnce(&Located, &[FileEntry]) -> Result<ModelFile, BundleError>,
    ) -> Result<Self, BundleError> {
        let Manifest { head, table, tensors } =
            Manifest::parse(name, &located.place, &located.text)?;
        let file = file(&located, &head.files)?;
        Ok(Self {
            name: head.name,
            version: head.version,
            place: located.place.clone(),
            budget_ms: head.budget_ms,
            rates: head.rates,
            max_gap_ms: head.max_gap_ms,
            warmup_frames: head.warmup_frames,
            queue_frames: head.queue_frames,
            file,
            tensors,
            table,
            provenance: head.provenance,
            entries: head.files,
            located,
            secret: false,
        })
    }

    /// Its files, one for each precision and device, of which [`file`](Self::file) is one.
    #[must_use]
    pub fn entries(&self) -> &[FileEntry] {
        &self.entries
    }

    /// The same bundle with its file of another precision: for an engine that wants that, or that
    /// takes over from another.
    ///
    /// # Errors
    /// [`BundleError`]: no such file, or what is wrong with it.
    pub fn in_precision(&self, precision: &str) -> Result<Self, BundleError> {
        let file = self.located.file(&self.entries, precision)?;
        Ok(Self { file, ..self.clone() })
    }

    /// The same bundle with this file of [`entries`](Self::entries).
    ///
    /// # Errors
    /// [`BundleError`]: it is not there, or is another.
    #[cfg(any(feature = "onnx", feature = "tensorrt"))]
    pub(crate) fn with_file(&self, entry: &FileEntry) -> Result<Self, BundleError> {
        if entry.path == self.file.path {
            return Ok(self.clone());
        }
        let bytes = self.located.one(&self.entries, entry)?;
        let (path, precision) = (entry.path.clone(), entry.precision.clone());
        Ok(Self { file: ModelFile { path, precision, bytes }, ..self.clone() })
    }

    /// The table of a bundle that decides.
    ///
    /// # Errors
    /// [`BundleError::Task`]: what it is for instead.
    pub fn rim(&self) -> Result<&RimTable, BundleError> {
        match &self.table {
            TaskTable::Rim(table) => Ok(table),
            TaskTable::Ring(_) => Err(self.not_for(Task::Rim)),
        }
    }

    /// The same, to change it.
    ///
    /// # Errors
    /// [`BundleError::Task`]: what it is for instead.
    pub fn rim_mut(&mut self) -> Result<&mut RimTable, BundleError> {
        let wrong = self.not_for(Task::Rim);
        match &mut self.table {
            TaskTable::Rim(table) => Ok(table),
            TaskTable::Ring(_) => Err(wrong),
        }
    }

    /// The table of a bundle that finds rings.
    ///
    /// # Errors
    /// [`BundleError::Task`]: what it is for instead.
    pub fn ring(&self) -> Result<&RingTable, BundleError> {
        match &self.table {
            TaskTable::Ring(table) => Ok(table),
            TaskTable::Rim(_) => Err(self.not_for(Task::Ring)),
        }
    }

    fn not_for(&self, want: Task) -> BundleError {
        let (manifest, name) = (self.place.clone(), self.name.clone());
        BundleError::Task { manifest, name, is: self.table.task(), want }
    }

    /// The bundle, if it is one for `task`.
    ///
    /// # Errors
    /// [`BundleError::Task`]: what it is for instead.
    pub fn for_task(self, task: Task) -> Result<Self, BundleError> {
        if self.table.task() == task { Ok(self) } else { Err(self.not_for(task)) }
    }
}

#[cfg(test)]
mod tests;
