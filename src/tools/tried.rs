//! Which bundles passed their trial before, so that a start does not try them again.
//!
//! A file in the data folder has a line for each: the SHA-256 of all that the outcome hangs on, the bundle's
//! manifest and network, what a model may want, and this very program. Refusals are not kept: what was refused
//! is tried at each start, since what it died of may have been the machine's. The file is read and written after
//! the data folder was judged to be ours; one that cannot be read is put aside, and is as good as none.

use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::detect::{Bundle, ModelLimits};
use crate::disk::{Disk, Wrong, take, unseal, write_sealed};

/// The file's name in the data folder.
const NAME: &str = "tried";
/// Its first line.
const HEAD: &str = "courtside trials 1";
/// Bundles that are remembered; the one that passed first is forgotten first. A box loads 16 at most.
const MOST: usize = 64;
/// Bytes of a file of ours.
const MOST_BYTES: u64 = 8 << 10;
/// Characters of a line: SHA-256 in hexadecimal digits.
const DIGITS: usize = 64;

/// What passed before.
#[derive(Debug)]
pub(super) struct Tried {
    disk: Arc<dyn Disk>,
    file: PathBuf,
    program: String,
}

/// What the outcome of a trial hangs on, beside the bytes of the network.
#[derive(Serialize)]
struct Of<'a, B: Serialize> {
    program: &'a str,
    limits: ModelLimits,
    bundle: B,
}

impl Tried {
    /// Keeps them in the data folder, for this program.
    pub(super) fn in_folder(disk: Arc<dyn Disk>, data_dir: &Path, program: &Path) -> Self {
        Self { disk, file: data_dir.join(NAME), program: identity(program) }
    }

    /// The name of a bundle's trial.
    pub(super) fn key(&self, bundle: &Bundle, limits: ModelLimits) -> io::Result<String> {
        let of = Of { program: &self.program, limits, bundle: bundle.hand_over() };
        let mut hash = Sha256::new();
        let words = serde_json::to_vec(&of)?;
        // The length of the words parts them from the network.
        hash.update(words.len().to_le_bytes());
        hash.update(&words);
        hash.update(&bundle.file.bytes);
        let mut key = String::with_capacity(DIGITS);
        for byte in hash.finalize() {
            // Writing to a String cannot fail.
            let _ = write!(key, "{byte:02x}");
        }
        Ok(key)
    }

    /// True if it passed before.
    pub(super) fn passed(&self, key: &str) -> bool {
        self.read().is_some_and(|keys| keys.iter().any(|known| known == key))
    }

    /// Remembers that it passed.
    ///
    /// # Errors
    /// What the file system says; then it is tried again at the next start.
    pub(super) fn note(&self, key: String) -> io::Result<()> {
        let mut keys = self.read().unwrap_or_default();
        keys.retain(|known| *known != key);
        keys.push(key);
        let newest = keys.get(keys.len().saturating_sub(MOST)..).unwrap_or_default();
        let text = format!("{HEAD}\n{}\n", newest.join("\n"));
        write_sealed(&*self.disk, &self.file, text.into_bytes())
    }

    /// The file's keys, oldest first; none where it is not there, damaged or of another version.
    fn read(&self) -> Option<Vec<String>> {
        let read = |bytes: &[u8]| {
            let keys = parse(unseal(bytes)?);
            keys.ok_or_else(|| Wrong::Damaged("it is no list of trials".to_owned()))
        };
        take(&*self.disk, &self.file, MOST_BYTES, read).is()
    }
}

fn parse(text: &[u8]) -> Option<Vec<String>> {
    let keys = std::str::from_utf8(text).ok()?.strip_prefix(HEAD)?.strip_prefix('\n')?;
    let is_key = |key: &str| key.len() == DIGITS && key.bytes().all(|b| b.is_ascii_hexdigit());
    let keys: Vec<&str> = keys.split('\n').collect();
    let good = keys.len() <= MOST && keys.iter().all(|key| is_key(key));
    good.then(|| keys.into_iter().map(str::to_owned).collect())
}

/// What tells this program from any other that was installed in its place, of the same version too.
fn identity(program: &Path) -> String {
    let commit = option_env!("COURTSIDE_COMMIT").unwrap_or("unknown");
    let file = std::fs::metadata(program);
    let file = file.map_or_else(
        |error| error.to_string(),
        |file| format!("{} bytes of {}.{}", file.len(), file.mtime(), file.mtime_nsec()),
    );
    format!("courtside {} {commit} {file}", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{IN_THE_BINARY, find};
    use crate::disk::{ForgetfulDisk, write_durably};

    fn tried(disk: &Arc<ForgetfulDisk>, program: &str) -> Tried {
        let disk = Arc::clone(disk) as Arc<dyn Disk>;
        disk.create_dir_all(Path::new("/data")).expect("made");
        Tried { disk, file: "/data/tried".into(), program: program.to_owned() }
    }

    #[test]
    fn what_passed_is_known_to_the_same_program_and_limits_alone() {
        let disk = Arc::new(ForgetfulDisk::new());
        let kept = tried(&disk, "one");
        let bundle = find("rimnet", &[], IN_THE_BINARY).expect("there");
        let limits = ModelLimits::default();
        let key = kept.key(&bundle, limits).expect("a key");
        assert!(!kept.passed(&key), "nothing is known yet");
        kept.note(key.clone()).expect("kept");
        assert!(kept.passed(&key));
        let others = [
            tried(&disk, "two").key(&bundle, limits),
            kept.key(&bundle, ModelLimits { memory_bytes: 1, ..limits }),
            kept.key(&find("rimfinder", &[], IN_THE_BINARY).expect("there"), limits),
        ];
        for other in others {
            assert!(!kept.passed(&other.expect("a key")));
        }
        let mut changed = bundle;
        changed.file.bytes = b"another network".to_vec().into();
        assert!(!kept.passed(&kept.key(&changed, limits).expect("a key")));
    }

    #[test]
    fn a_damaged_file_is_as_good_as_none_and_the_oldest_are_forgotten() {
        let disk = Arc::new(ForgetfulDisk::new());
        let kept = tried(&disk, "one");
        let key = |n: usize| format!("{n:064x}");
        let long = vec!["0".repeat(DIGITS); 1_000].join("\n");
        for damaged in [
            String::new(),
            HEAD.to_owned(),
            format!("courtside trials 2\n{}\n", key(1)),
            format!("{HEAD}\n{}\nno key\n", key(1)),
            format!("{HEAD}\n{long}\n"),
        ] {
            write_durably(&*kept.disk, &kept.file, damaged.as_bytes()).expect("written");
            assert!(!kept.passed(&key(1)), "{damaged:.80}");
            kept.note(key(2)).expect("written anew");
            assert!(kept.passed(&key(2)), "{damaged:.80}");
        }
        (3..3 + MOST).for_each(|n| kept.note(key(n)).expect("kept"));
        assert!(!kept.passed(&key(2)) && kept.passed(&key(3)) && kept.passed(&key(2 + MOST)));
        kept.note(key(3)).expect("kept");
        assert_eq!(kept.read().expect("good").len(), MOST);
    }
}
