//! What the maker calls the box. Blocking: reads a file of the system's.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::claim::words::{Serial, SerialError};
use crate::disk::{Unfit, read_regular};
use crate::media::Foreign;

/// Jetson, and most boards with a device tree.
const DEVICE_TREE: &str = "/sys/firmware/devicetree/base/serial-number";
/// Made at the first start of every Linux (machine-id(5)).
const MACHINE_ID: &str = "/etc/machine-id";
/// A page of sysfs.
const FILE_MOST_BYTES: u64 = 4096;
/// Hexadecimal digits of a serial number that is made of the machine's id: 2⁶⁴ are told apart.
const DIGITS: usize = 16;

/// The box has no serial number.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum NoSerial {
    /// The file that is configured.
    #[error(
        "cannot read `claim.serial_file` {path} ({why}): write the serial number on its first line"
    )]
    File { path: PathBuf, why: Foreign },
    /// What stands there.
    #[error("{path}")]
    Form { path: PathBuf, source: SerialError },
    /// Neither of the usual two.
    #[error(
        "neither a device tree nor /etc/machine-id says who this machine is: write `claim.serial_file`"
    )]
    Nowhere,
}

/// Finds it: in `file`, else in the device tree, else made of the machine's id.
///
/// # Errors
/// [`NoSerial`].
pub fn find(file: Option<&Path>) -> Result<Serial, NoSerial> {
    if let Some(path) = file {
        let text = first_line(path).map_err(|why| NoSerial::File { path: path.to_owned(), why })?;
        return named(path, &text);
    }
    if let Ok(text) = first_line(Path::new(DEVICE_TREE)) {
        return named(Path::new(DEVICE_TREE), &text);
    }
    let id = first_line(Path::new(MACHINE_ID)).map_err(|_| NoSerial::Nowhere)?;
    made_of(&id).ok_or(NoSerial::Nowhere)
}

fn named(path: &Path, text: &str) -> Result<Serial, NoSerial> {
    Serial::new(text).map_err(|source| NoSerial::Form { path: path.to_owned(), source })
}

/// Of an id that is not to be told to anybody (machine-id(5)): a hash of it, for this use alone.
fn made_of(machine_id: &str) -> Option<Serial> {
    if machine_id.len() < DIGITS {
        return None;
    }
    let hash = Sha256::digest(format!("courtside claim {machine_id}"));
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Serial::new(&format!("m-{}", digits.get(..DIGITS)?)).ok()
}

fn first_line(path: &Path) -> Result<String, Foreign> {
    let bytes = read_regular(path, FILE_MOST_BYTES).map_err(|error| match Unfit::of(&error) {
        Some(unfit) => Foreign::error(unfit),
        None => Foreign::error(&error),
    })?;
    // The device tree ends its texts with a zero.
    let end = bytes.iter().position(|c| matches!(c, 0 | b'\n' | b'\r')).unwrap_or(bytes.len());
    let line = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).trim().to_owned();
    if line.is_empty() { Err(Foreign::told("it is empty")) } else { Ok(line) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_the_makers_or_made_of_the_machines_id() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("serial");
        let disk = crate::disk::RealDisk::new();
        let put = |text: &str| {
            crate::disk::write_durably(&disk, &path, text.as_bytes()).expect("written");
        };
        for (text, expected) in [("1421924061234\0", "1421924061234"), ("CS-7\n", "CS-7")] {
            put(text);
            assert_eq!(find(Some(&path)).expect("found").as_str(), expected);
        }
        for (text, expected) in [("", "it is empty"), ("a b", "")] {
            put(text);
            let why = find(Some(&path)).expect_err("refused").to_string();
            assert!(why.contains(expected), "{why}");
        }
        let made = made_of("0123456789abcdef0123456789abcdef").expect("made");
        assert_eq!(made.as_str().len(), 18);
        assert!(!made.as_str().contains("0123456789"));
        assert_eq!(made_of(""), None);
    }
}
