//! `uploads/{upload}.json`: what an upload has behind it, so that a cut costs one part at most.
//!
//! Order: a part is taken by the storage → its ETag is here, durably → the next part. A cut between the first two
//! leaves a part that the storage has and this file does not know: it is sent again, once, or told by the cloud
//! (`have`). No address stands in it: they are secrets, and short-lived.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::disk::{
    Disk, Format, NEW_SUFFIX, make_folder, read_json, take, was_put_aside, write_sealed,
};

/// The format that this version writes.
pub const UPLOAD_FORMAT: Format = Format::FIRST;

/// No file of ours is longer: 1,000 parts.
const MOST_BYTES: u64 = 1 << 20;
/// Files that are kept; the oldest goes.
const KEPT_MOST: usize = 256;

/// What is on disk of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// See [`UPLOAD_FORMAT`].
    #[serde(flatten)]
    pub(crate) format: Format,
    pub(crate) upload: String,
    pub(crate) clip: String,
    /// Of the whole.
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    /// Absent: whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) part_bytes: Option<u64>,
    /// In order, the whole as one.
    pub(crate) parts: Vec<Part>,
    #[serde(default)]
    pub(crate) anew: u32,
    #[serde(default)]
    pub(crate) sent_bytes: u64,
    #[serde(default)]
    pub(crate) again: u64,
    /// UTC ns, as the box knew it.
    pub(crate) begun_ns: i64,
}

/// A part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    /// The storage has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) taken: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) etag: Option<String>,
}

impl Record {
    /// Bytes that the storage has.
    pub(crate) fn taken_bytes(&self) -> u64 {
        self.parts.iter().filter(|part| part.taken).map(|part| part.bytes).sum()
    }

    /// True if it is of the same clip, cut in the same way.
    pub(crate) fn is_of(&self, clip: &str, part_bytes: Option<u64>) -> bool {
        self.clip == clip && self.part_bytes == part_bytes
    }
}

/// The folder of all of them.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl Records {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        Self { disk, dir: dir.to_owned() }
    }

    fn path(&self, upload: &str) -> PathBuf {
        self.dir.join(format!("{upload}.json"))
    }

    /// What is there of an upload. What cannot be read is put aside, and begun anew.
    ///
    /// # Errors
    /// None yet: what the disk cannot read is damaged.
    pub(crate) fn read(&self, upload: &str) -> io::Result<Option<Record>> {
        let read = |bytes: &[u8]| read_json::<Record>(bytes, UPLOAD_FORMAT);
        let read = take(&*self.disk, &self.path(upload), MOST_BYTES, read);
        Ok(read.is().filter(|record| record.upload == upload))
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// What the file system says; then the one before is there.
    pub(crate) fn write(&self, record: &Record) -> io::Result<()> {
        write_sealed(&*self.disk, &self.path(&record.upload), serde_json::to_vec(record)?)
    }

    /// Makes the folder, and room for one more: the oldest that nobody works at goes.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn tidy(&self, at_work: impl Fn(&str) -> bool) -> io::Result<()> {
        make_folder(&*self.disk, &self.dir)?;
        let mut names = self.disk.names(&self.dir)?;
        // What a cut left half-written.
        for half in names.extract_if(.., |name| name.ends_with(NEW_SUFFIX)) {
            let upload = half.trim_end_matches(NEW_SUFFIX).trim_end_matches(".json");
            if !at_work(upload) {
                self.gone(&self.dir.join(&half))?;
            }
        }
        names.retain(|name| was_put_aside(name).is_none());
        if names.len() < KEPT_MOST {
            return Ok(());
        }
        let more = names.len() + 1 - KEPT_MOST;
        let of = |name: String| name.strip_suffix(".json").map(str::to_owned);
        let mut all: Vec<(i64, String)> = Vec::new();
        for upload in names.into_iter().filter_map(of).filter(|upload| !at_work(upload)) {
            let begun = self.read(&upload).ok().flatten().map_or(0, |record| record.begun_ns);
            all.push((begun, upload));
        }
        all.sort();
        for (_, upload) in all.into_iter().take(more) {
            self.gone(&self.path(&upload))?;
        }
        self.disk.sync_dir(&self.dir)
    }

    /// Removes a file, which another upload that ends meanwhile may have given its name, or removed.
    fn gone(&self, path: &Path) -> io::Result<()> {
        match self.disk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{ForgetfulDisk, read_whole, write_durably};

    pub(crate) fn record(upload: &str, begun_ns: i64) -> Record {
        let part = |n: u64| Part { bytes: n, sha256: "ab".to_owned(), taken: false, etag: None };
        Record {
            format: UPLOAD_FORMAT,
            upload: upload.to_owned(),
            clip: "clip-1".to_owned(),
            bytes: 30,
            sha256: "cd".to_owned(),
            part_bytes: Some(20),
            parts: vec![part(20), part(10)],
            anew: 0,
            sent_bytes: 0,
            again: 0,
            begun_ns,
        }
    }

    #[test]
    fn an_upload_that_ends_while_another_tidies_up_is_no_trouble() {
        let disk = ForgetfulDisk::new();
        let records = Records::new(Arc::new(disk.clone()), Path::new("/u"));
        records.tidy(|_| false).expect("made");
        let (half, whole) = (Path::new("/u/one.json.new"), Path::new("/u/one.json"));
        disk.open(half, crate::disk::OpenHow::CreateNew).expect("begun");
        // It ends between the look at the folder and the question.
        let ends = |_: &str| {
            disk.rename(half, whole).expect("ended");
            false
        };
        records.tidy(ends).expect("tidied up");
        assert!(disk.open(whole, crate::disk::OpenHow::Read).is_ok());
    }

    #[test]
    fn what_is_written_is_read_again_and_says_its_format() {
        let disk = ForgetfulDisk::new();
        let records = Records::new(Arc::new(disk.clone()), Path::new("/u"));
        records.tidy(|_| false).expect("made");
        assert_eq!(records.read("one").expect("read"), None);
        let mut one = record("one", 5);
        one.parts[0].taken = true;
        one.parts[0].etag = Some("\"x\"".to_owned());
        records.write(&one).expect("written");
        assert_eq!(records.read("one").expect("read"), Some(one.clone()));
        assert_eq!(one.taken_bytes(), 20);
        let text = read_whole(&disk, Path::new("/u/one.json"), 9_999).expect("there");
        let json: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        assert_eq!((&json["format"], &json["oldest_reader"]), (&1.into(), &1.into()));
        // Of a newer version: left as it is, aside.
        let newer = br#"{"format":3,"oldest_reader":2,"upload":"one"}"#;
        write_durably(&disk, Path::new("/u/one.json"), newer).expect("written");
        assert_eq!(records.read("one").expect("read"), None);
        assert_eq!(read_whole(&disk, Path::new("/u/one.json.newer-3"), 99).expect("there"), newer);
        write_durably(&disk, Path::new("/u/one.json"), b"{").expect("written");
        assert_eq!(records.read("one").expect("read"), None, "damaged");
    }

    #[test]
    fn the_oldest_goes_and_none_that_is_at_work() {
        let disk = ForgetfulDisk::new();
        let records = Records::new(Arc::new(disk.clone()), Path::new("/u"));
        records.tidy(|_| false).expect("made");
        for n in 0..KEPT_MOST {
            records.write(&record(&format!("u{n}"), n as i64)).expect("written");
        }
        records.tidy(|upload| upload == "u0").expect("tidied");
        let names = disk.names(Path::new("/u")).expect("listed");
        assert!(names.contains(&"u0.json".to_owned()) && !names.contains(&"u1.json".to_owned()));
        assert_eq!(names.len(), KEPT_MOST - 1);
    }

    #[test]
    fn a_cut_at_any_write_leaves_the_one_before_or_the_one_after() {
        for stops in 0..40 {
            let disk = ForgetfulDisk::new();
            let records = Records::new(Arc::new(disk.clone()), Path::new("/u"));
            records.tidy(|_| false).expect("made");
            let before = record("one", 5);
            records.write(&before).expect("written");
            let mut after = before.clone();
            after.parts[0].taken = true;
            disk.stop_after(stops);
            let wrote = records.write(&after).is_ok();
            for seed in 0..8 {
                let later = Records::new(Arc::new(disk.power_cut(seed)), Path::new("/u"));
                let found = later.read("one").expect("read").expect("there");
                assert!(found == after || (found == before && !wrote), "{stops} {seed}");
            }
        }
    }
}
