//! The devices that draw and decode, as Linux names them: whether this process may open them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

/// Where Linux has them.
const DRI: &str = "/dev/dri";

/// A device that this process may not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Its path.
    pub path: PathBuf,
    /// The group that may.
    pub group: u32,
}

/// Returns the render nodes of this machine that our rights do not open, by name. A machine without any
/// gives none.
#[must_use]
pub fn denied_render_nodes() -> Vec<Denied> {
    denied(Path::new(DRI), &may_open)
}

fn denied(folder: &Path, may_open: &dyn Fn(&Path) -> bool) -> Vec<Denied> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let nodes = entries.flatten().filter(|entry| {
        let name = entry.file_name();
        name.as_encoded_bytes().starts_with(b"renderD")
    });
    let mut denied: Vec<Denied> = nodes
        .map(|entry| entry.path())
        .filter(|path| !may_open(path))
        .filter_map(|path| Some(Denied { group: fs::metadata(&path).ok()?.gid(), path }))
        .collect();
    denied.sort_by(|one, other| one.path.cmp(&other.path));
    denied
}

/// False only where our rights are what is missing.
fn may_open(path: &Path) -> bool {
    let asked = accessat(CWD, path, Access::READ_OK | Access::WRITE_OK, AtFlags::EACCESS);
    asked != Err(rustix::io::Errno::ACCESS)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn devices_that_we_may_not_open_are_named_with_their_group() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in ["renderD129", "renderD128", "card0", "by-path"] {
            File::create(dir.path().join(name)).expect("made");
        }
        assert_eq!(denied(dir.path(), &may_open), [], "our own");
        let told = denied(dir.path(), &|path| path.ends_with("renderD129"));
        let group = rustix::process::getegid().as_raw();
        assert_eq!(told, [Denied { path: dir.path().join("renderD128"), group }]);
        assert_eq!(denied(Path::new("/does/not/exist"), &may_open), []);
    }

    /// Read of the system: a device that everybody may open, one that is not there, and a file that is root's.
    #[test]
    fn rights_are_those_of_this_process() {
        assert!(may_open(Path::new("/dev/null")) && may_open(Path::new("/does/not/exist")));
        let root = rustix::process::geteuid().is_root();
        assert_eq!(may_open(Path::new("/etc/shadow")), root);
    }
}
