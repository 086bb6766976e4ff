//! What was compiled, kept on disk (pure): taken again only for the same key, and whole.
//!
//! ```text
//! courtside-kernel 1 <key: 64 hex> <sha256 of what follows: 64 hex>\n<bytes>
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::disk::Disk;

/// Where compiled kernels are kept.
#[derive(Clone, Debug)]
pub(crate) struct Keep {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) folder: PathBuf,
}

const NAME: &str = "courtside-kernel 1";

/// What a compiled module hangs on: who compiled it, for which device, out of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    /// `driver` and `compiler` are versions (13000 is 13.0), `architecture` as the compiler is told.
    pub(crate) fn new(driver: i32, compiler: (i32, i32), architecture: &str, source: &str) -> Self {
        let mut hash = Sha256::new();
        let (major, minor) = compiler;
        hash.update(format!("{driver} {major}.{minor} {architecture}\n"));
        hash.update(source);
        Self(hex(&hash.finalize()))
    }

    /// The name of the file: one a key, so that two devices do not take turns.
    pub(crate) fn file(&self) -> String {
        format!("kernel-{}", self.0.get(..16).unwrap_or(&self.0))
    }
}

/// A file of `module`.
pub(crate) fn write(key: &Key, module: &[u8]) -> Vec<u8> {
    let mut file = format!("{NAME} {} {}\n", key.0, hex(&Sha256::digest(module))).into_bytes();
    file.extend_from_slice(module);
    file
}

/// The module in `file`; `None` where it is of another key, or not what was written.
pub(crate) fn read<'a>(key: &Key, file: &'a [u8]) -> Option<&'a [u8]> {
    let end = file.iter().position(|byte| *byte == b'\n')?;
    let (head, rest) = file.split_at(end);
    let module = rest.get(1..).filter(|module| !module.is_empty())?;
    let wanted = format!("{NAME} {} {}", key.0, hex(&Sha256::digest(module)));
    (head == wanted.as_bytes()).then_some(module)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_or_damaged_module_is_not_taken() {
        let key = Key::new(13000, (13, 0), "sm_90", "source");
        let file = write(&key, b"module");
        assert_eq!(read(&key, &file), Some(&b"module"[..]));
        for other in [
            Key::new(12060, (13, 0), "sm_90", "source"),
            Key::new(13000, (12, 6), "sm_90", "source"),
            Key::new(13000, (13, 0), "sm_87", "source"),
            Key::new(13000, (13, 0), "sm_90", "source "),
        ] {
            assert_eq!(read(&other, &file), None, "{other:?}");
            assert_ne!(other.file(), key.file());
        }
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert_eq!(read(&key, &damaged), None, "byte {at}");
            assert_eq!(read(&key, &file[..at]), None, "cut at {at}");
        }
        assert_eq!(read(&key, &[&file[..], b"x"].concat()), None, "longer");
    }
}
