//! Dates that the present must be later than: for TLS on a box that starts in 1970 (DESIGN §5.2).

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::media::UtcTime;

/// This was written on 2026-11-22: no box runs it earlier.
const WRITTEN: UtcTime = UtcTime::from_nanos(1_795_305_600_000_000_000);

/// Returns the latest of the program's own date and the newest file directly in `dirs`. What cannot
/// be read counts for nothing.
#[must_use]
pub fn floor(dirs: &[&Path]) -> UtcTime {
    let own = std::env::current_exe().ok().and_then(|exe| modified(&exe));
    let newest = dirs
        .iter()
        .filter_map(|dir| fs::read_dir(dir).ok())
        .flat_map(|entries| entries.flatten())
        .filter_map(|entry| modified(&entry.path()));
    newest.chain(own).fold(WRITTEN, UtcTime::max)
}

/// The time that certificates are checked against: never before `floor`.
#[must_use]
pub fn tls_time(now: UtcTime, floor: UtcTime) -> UtcTime {
    now.max(floor)
}

fn modified(path: &Path) -> Option<UtcTime> {
    let at = fs::metadata(path).ok()?.modified().ok()?;
    let since = at.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_nanos()).ok().map(UtcTime::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_the_newest_file_and_never_before_the_program() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = fs::File::create(dir.path().join("segment")).expect("a file");
        let far = UNIX_EPOCH + std::time::Duration::from_secs(4_000_000_000);
        file.set_modified(far).expect("dated");
        let floor = floor(&[dir.path(), Path::new("/does/not/exist")]);
        assert_eq!(floor, UtcTime::from_nanos(4_000_000_000_000_000_000));
        assert!(super::floor(&[]) >= WRITTEN);
        assert_eq!(WRITTEN.to_rfc3339(), "2026-11-22T00:00:00.000Z");
        assert_eq!(tls_time(UtcTime::from_nanos(5), floor), floor);
    }
}
