//! A person's file, written whole or not at all.
//!
//! What is written lies beside it under a name of its own and takes its name once all of it is on the disk: what
//! was there before stays until then, and for good where anything fails. A device or a pipe is written as it is.
//! Not for files of the daemon: those go through `disk`.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::disk::{Disk, RealDisk};

/// Writes `path` by `write`.
///
/// # Errors
/// What `write` says, or the file system; then what was at `path` is there as it was.
pub(super) fn write_beside<T>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let wrong = || format!("write {}", path.display());
    // Through a link, to what it names.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let before = fs::metadata(&path).ok();
    if before.as_ref().is_some_and(|there| !there.is_file()) {
        let mut out =
            BufWriter::new(OpenOptions::new().write(true).open(&path).with_context(wrong)?);
        let value = write(&mut out)?;
        out.flush().with_context(wrong)?;
        return Ok(value);
    }
    let part = Part(part_of(&path));
    let mut out = BufWriter::new(File::create(&part.0).with_context(wrong)?);
    let value = write(&mut out)?;
    let file = out.into_inner().map_err(std::io::IntoInnerError::into_error).with_context(wrong)?;
    if let Some(before) = before {
        file.set_permissions(before.permissions()).with_context(wrong)?;
    }
    file.sync_all().with_context(wrong)?;
    RealDisk::new().rename(&part.0, &path).with_context(wrong)?;
    Ok(value)
}

/// Writes these bytes there.
///
/// # Errors
/// As of [`write_beside`].
pub(super) fn put_beside(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_beside(path, |out| {
        out.write_all(bytes).with_context(|| format!("write {}", path.display()))
    })
}

/// What is half yet. It goes, if it has not got its name.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// `.shot.mp4.part-4711`: of each process its own.
fn part_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".part-{}", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn what_fails_leaves_what_was_there_and_nothing_beside_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("mine.mp4");
        let names = || fs::read_dir(dir.path()).expect("a folder").count();
        let fails = |path: &Path| {
            let told: anyhow::Result<()> = write_beside(path, |out| {
                out.write_all(&[1; 100_000])?;
                bail!("the ring is damaged")
            });
            assert_eq!(told.expect_err("it fails").to_string(), "the ring is damaged");
        };
        fails(&path);
        assert_eq!(names(), 0);
        put_beside(&path, b"mine").expect("written");
        fails(&path);
        assert_eq!((fs::read(&path).expect("there"), names()), (b"mine".to_vec(), 1));
        put_beside(&path, b"other").expect("written");
        assert_eq!((fs::read(&path).expect("there"), names()), (b"other".to_vec(), 1));
        // A link stays one.
        let link = dir.path().join("link.mp4");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        put_beside(&link, b"third").expect("written");
        assert_eq!(fs::read(&path).expect("there"), b"third");
        assert!(link.is_symlink());
        let none = put_beside(&dir.path().join("no/such.mp4"), b"").expect_err("no folder");
        assert!(format!("{none:#}").contains("no/such.mp4"), "{none:#}");
        put_beside(Path::new("/dev/null"), b"gone").expect("a device");
    }
}
