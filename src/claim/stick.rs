//! Where claim files are found: places with stars for folders, such as mounted sticks. Blocking.

use std::collections::BTreeSet;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::claim::contact::{AfterReading, Contact};
use crate::disk::{Disk, Unfit, read_whole};
use crate::media::Foreign;

/// A chain, a key and an authority take some thousand bytes.
const FILE_MOST_BYTES: u64 = 64 << 10;
/// Folders that are looked into at each star: a folder of more is no place of sticks.
const FOLDERS_MOST: usize = 64;

/// A file that was not there at the last look.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Where.
    pub path: PathBuf,
    /// What it says, or why it is of no use.
    pub read: Result<(Contact, AfterReading), Foreign>,
}

/// What one look came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// All that are there.
    pub there: BTreeSet<PathBuf>,
    /// Those that are new, read once.
    pub found: Vec<Found>,
}

/// Looks at every place. What is in `known` was read before and is not read again.
pub(super) fn look(disk: &dyn Disk, places: &[PathBuf], known: &BTreeSet<PathBuf>) -> Look {
    let mut look = Look::default();
    for path in places.iter().flat_map(|place| those_of(disk, place)) {
        if !is_there(disk, &path) {
            continue;
        }
        if known.contains(&path) || look.there.contains(&path) {
            look.there.insert(path);
            continue;
        }
        let read = match read_whole(disk, &path, FILE_MOST_BYTES) {
            Ok(bytes) => Contact::read(&bytes).map_err(|error| Foreign::error(&error)),
            Err(error) if is_absent(&error) => continue,
            Err(error) => Err(match Unfit::of(&error) {
                Some(unfit) => Foreign::error(unfit),
                None => Foreign::error(&error),
            }),
        };
        look.there.insert(path.clone());
        look.found.push(Found { path, read });
    }
    look
}

/// Removes a file, and the name from its folder.
pub(super) fn wipe(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if is_absent(&error) => Ok(()),
        Err(error) => Err(error),
        Ok(()) => disk.sync_dir(path.parent().unwrap_or(Path::new("."))),
    }
}

fn is_there(disk: &dyn Disk, path: &Path) -> bool {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return false };
    disk.names(dir).is_ok_and(|names| names.iter().any(|there| name == there.as_str()))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The paths that a place with stars stands for now.
fn those_of(disk: &dyn Disk, place: &Path) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::new()];
    for part in place.components() {
        let is_star = matches!(part, Component::Normal(name) if name == "*");
        paths = paths
            .into_iter()
            .flat_map(|path| if is_star { folders(disk, &path) } else { vec![path.join(part)] })
            .collect();
    }
    paths
}

fn folders(disk: &dyn Disk, dir: &Path) -> Vec<PathBuf> {
    // A folder that is not there, or is not ours to read, has none.
    let entries = disk.list(dir).unwrap_or_default();
    let folders = entries.into_iter().filter(|entry| entry.is_dir);
    let mut names: Vec<String> = folders.map(|entry| entry.name).collect();
    names.sort();
    names.truncate(FOLDERS_MOST);
    names.into_iter().map(|name| dir.join(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{ForgetfulDisk, write_durably};

    #[test]
    fn a_file_is_read_once_however_often_one_looks() {
        let disk = ForgetfulDisk::new();
        let put = |path: &str, text: &str| {
            let path = Path::new(path);
            disk.create_dir_all(path.parent().expect("a folder")).expect("made");
            write_durably(&disk, path, text.as_bytes()).expect("written");
        };
        put("/media/a/courtside-claim.toml", "broker = \"mqtts://laptop\"");
        put("/media/b/courtside-claim.toml", "broker = ");
        put("/media/c/other.toml", "broker = \"mqtts://laptop\"");
        put("/media/courtside-claim.toml", "broker = \"mqtts://laptop\"");
        let places = ["/media/*/courtside-claim.toml", "/run/media/*/courtside-claim.toml"];
        let places = places.map(PathBuf::from);
        let first = look(&disk, &places, &BTreeSet::new());
        let read: Vec<_> = first.found.iter().map(|it| (&*it.path, it.read.is_ok())).collect();
        assert_eq!(
            read,
            [
                (Path::new("/media/a/courtside-claim.toml"), true),
                (Path::new("/media/b/courtside-claim.toml"), false)
            ]
        );
        let again = look(&disk, &places, &first.there);
        assert!(again.found.is_empty() && again.there == first.there);
        // Taken out and put in again, it is another one.
        wipe(&disk, Path::new("/media/a/courtside-claim.toml")).expect("removed");
        wipe(&disk, Path::new("/media/a/courtside-claim.toml")).expect("nothing to remove");
        let without = look(&disk, &places, &first.there);
        assert_eq!(without.there.len(), 1);
    }
}
