//! The folder of one box: clips that are here, those that were begun, and what was verified.
//!
//! ```text
//! {id}.mp4                  a clip, verified
//! {id}.{sha256, 16}.part    one that was begun: bytes of that clip, from its first on
//! .lock                     held by the one pull that works here
//! clips.jsonl               a line a verified clip: {"file", "bytes", "sha256", "clip": its entry}
//! ```
//! Order of a clip: bytes → sync → its hash is right → rename → sync of the folder → line. A cut between two
//! arrows costs a look at bytes that are here, and no byte of the network.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use parking_lot::Mutex;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::disk::{Disk, DiskFile, DiskLock, OpenHow, read_whole};
use crate::tools::pull::http::{Bytes, Entry};

/// Lines of 100,000 clips.
const MANIFEST_MOST_BYTES: u64 = 256 << 20;
const MANIFEST: &str = "clips.jsonl";
const LOCK: &str = ".lock";
/// Bytes read at once to be hashed.
const CHUNK: usize = 1 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Folder {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// File, length and hash of what was verified; held for lines.
    verified: Mutex<BTreeMap<String, (u64, String)>>,
    /// Where the next line goes.
    lines: Mutex<(Box<dyn DiskFile>, u64)>,
    /// Two at once would write over each other's lines and parts.
    _lock: Box<dyn DiskLock>,
}

#[derive(Deserialize)]
struct Line {
    file: String,
    bytes: u64,
    sha256: String,
}

/// A clip that is on its way.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    sum: Sha256,
    /// Bytes that are here.
    pub(super) at: u64,
}

impl Folder {
    /// Opens the folder, made if it is not there.
    pub(super) fn open(disk: Arc<dyn Disk>, path: PathBuf) -> anyhow::Result<Self> {
        disk.create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        let lock = disk.lock(&path.join(LOCK)).with_context(|| {
            format!(
                "another pull writes into {}: let it end, or name another --out",
                path.display()
            )
        })?;
        let manifest = path.join(MANIFEST);
        let mut verified = BTreeMap::new();
        let mut whole = 0;
        match read_whole(&*disk, &manifest, MANIFEST_MOST_BYTES) {
            Ok(bytes) => {
                // What was cut while it was written has no end of line, and is written over.
                whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                for line in bytes.get(..whole).unwrap_or(&[]).split(|byte| *byte == b'\n') {
                    if let Ok(Line { file, bytes, sha256 }) = serde_json::from_slice(line) {
                        verified.insert(file, (bytes, sha256));
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("read {}", manifest.display()));
            }
        }
        let file = disk.open(&manifest, OpenHow::CreateOrOpen);
        let file = file.with_context(|| format!("open {}", manifest.display()))?;
        file.set_len(whole as u64).with_context(|| format!("write {}", manifest.display()))?;
        let lines = Mutex::new((file, whole as u64));
        Ok(Self { disk, path, verified: Mutex::new(verified), lines, _lock: lock })
    }

    fn file_of(id: &str) -> String {
        format!("{id}.mp4")
    }

    /// True if the clip is here: verified before, or now, since its line may have been lost.
    pub(super) fn has(&self, entry: &Entry, media: &Bytes) -> io::Result<bool> {
        let name = Self::file_of(&entry.id);
        let path = self.path.join(&name);
        let file = match self.disk.open(&path, OpenHow::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let len = file.len()?;
        if len != media.bytes {
            return Ok(false);
        }
        let said = self.verified.lock().get(&name).cloned();
        if said.is_some_and(|(bytes, sha256)| bytes == len && sha256 == media.sha256) {
            return Ok(true);
        }
        let mut sum = Sha256::new();
        hash(&*file, len, &mut sum)?;
        if hexadecimal(sum) != media.sha256.to_ascii_lowercase() {
            return Ok(false);
        }
        self.note(entry, media)?;
        Ok(true)
    }

    /// Goes on with a clip, or begins it. `from_zero`: what is here of it is not believed.
    pub(super) fn part(&self, id: &str, media: &Bytes, from_zero: bool) -> io::Result<Part> {
        let short = media.sha256.get(..16).unwrap_or(&media.sha256);
        let path = self.path.join(format!("{id}.{short}.part"));
        let file = self.disk.open(&path, OpenHow::CreateOrOpen)?;
        let mut at = file.len()?;
        if from_zero || at > media.bytes {
            at = 0;
            file.set_len(0)?;
        }
        let mut sum = Sha256::new();
        hash(&*file, at, &mut sum)?;
        Ok(Part { path, file, sum, at })
    }

    /// Gives a clip that is whole its name; false if its bytes are not what was listed, and then nothing of
    /// it is kept.
    pub(super) fn finish(&self, part: Part, entry: &Entry, media: &Bytes) -> io::Result<bool> {
        let Part { path, file, sum, .. } = part;
        if hexadecimal(sum) != media.sha256.to_ascii_lowercase() {
            drop(file);
            self.disk.remove(&path)?;
            return Ok(false);
        }
        file.sync_data()?;
        drop(file);
        self.disk.rename(&path, &self.path.join(Self::file_of(&entry.id)))?;
        self.disk.sync_dir(&self.path)?;
        self.note(entry, media)?;
        Ok(true)
    }

    fn note(&self, entry: &Entry, media: &Bytes) -> io::Result<()> {
        let file = Self::file_of(&entry.id);
        let Bytes { bytes, sha256 } = media;
        let line = serde_json::json!({
            "file": file, "bytes": bytes, "sha256": sha256, "clip": entry.told,
        });
        let line = format!("{line}\n");
        let mut lines = self.lines.lock();
        let at = lines.1;
        lines.0.write_at(at, line.as_bytes())?;
        lines.1 += line.len() as u64;
        drop(lines);
        self.verified.lock().insert(file, (*bytes, sha256.clone()));
        Ok(())
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Part {
    /// Adds what came.
    pub(super) fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(self.at, bytes)?;
        self.sum.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }
}

fn hash(file: &dyn DiskFile, len: u64, sum: &mut Sha256) -> io::Result<()> {
    let mut at = 0;
    let mut chunk = vec![0; CHUNK];
    while at < len {
        let n = usize::try_from(len - at).unwrap_or(CHUNK).min(CHUNK);
        let Some(part) = chunk.get_mut(..n) else { break };
        file.read_exact_at(at, part)?;
        sum.update(part);
        at += n as u64;
    }
    Ok(())
}

fn hexadecimal(sum: Sha256) -> String {
    let mut text = String::with_capacity(64);
    for byte in sum.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
