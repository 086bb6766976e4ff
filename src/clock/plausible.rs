//! Dates that the present must be later than: for TLS on a box that starts in 1970 (DESIGN §5.2).

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::UNIX_EPOCH;

use crate::media::UtcTime;

/// This was written on 2026-11-22: no box runs it earlier.
const WRITTEN: UtcTime = UtcTime::from_nanos(1_795_305_600_000_000_000);

/// Where systemd-timesyncd says that it has set the clock (systemd-timesyncd.service(8)).
const SYNCHRONIZED: &str = "/run/systemd/timesync/synchronized";

/// A time that the present must be later than. Clones share it.
///
/// It can only fall, and never below the day that the program was written: files dated by a clock that
/// once ran ahead would otherwise make the right one implausible for good.
#[derive(Clone, Debug)]
pub struct Floor(Arc<AtomicI64>);

impl From<UtcTime> for Floor {
    fn from(at: UtcTime) -> Self {
        Self(Arc::new(AtomicI64::new(at.as_nanos())))
    }
}

impl Floor {
    /// The latest of the program's own date and the newest file directly in `dirs`. What cannot be
    /// read counts for nothing.
    #[must_use]
    pub fn of(dirs: &[&Path]) -> Self {
        let own = std::env::current_exe().ok().and_then(|exe| modified(&exe));
        let newest = dirs
            .iter()
            .filter_map(|dir| fs::read_dir(dir).ok())
            .flat_map(|entries| entries.flatten())
            .filter_map(|entry| modified(&entry.path()));
        newest.chain(own).fold(WRITTEN, UtcTime::max).into()
    }

    /// The time.
    #[must_use]
    pub fn at(&self) -> UtcTime {
        UtcTime::from_nanos(self.0.load(Ordering::Relaxed))
    }

    /// Takes the word of a clock that was set from the network against the dates of files. True if
    /// that changed anything.
    pub fn settle(&self, now: UtcTime) -> bool {
        self.settle_if(now, || Path::new(SYNCHRONIZED).exists())
    }

    fn settle_if(&self, now: UtcTime, synchronized: impl FnOnce() -> bool) -> bool {
        let lower = now < self.at() && now >= WRITTEN && synchronized();
        if lower {
            self.0.store(now.as_nanos(), Ordering::Relaxed);
        }
        lower
    }
}

/// Whether systemd-timesyncd has reached a server since the machine started; `None` where it does not run.
#[must_use]
pub fn kept_by_network() -> Option<bool> {
    kept_by(Path::new(SYNCHRONIZED))
}

fn kept_by(synchronized: &Path) -> Option<bool> {
    let runs = synchronized.parent().is_some_and(Path::is_dir);
    runs.then(|| synchronized.exists())
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
        let floor = Floor::of(&[dir.path(), Path::new("/does/not/exist")]).at();
        assert_eq!(floor, UtcTime::from_nanos(4_000_000_000_000_000_000));
        assert!(Floor::of(&[]).at() >= WRITTEN);
        assert_eq!(WRITTEN.to_rfc3339(), "2026-11-22T00:00:00.000Z");
        assert_eq!(tls_time(UtcTime::from_nanos(5), floor), floor);
    }

    #[test]
    fn who_keeps_the_clock_is_read_of_his_folder() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("timesync/synchronized");
        assert_eq!(kept_by(&file), None, "it does not run here");
        fs::create_dir(dir.path().join("timesync")).expect("made");
        assert_eq!(kept_by(&file), Some(false));
        fs::File::create(&file).expect("made");
        assert_eq!(kept_by(&file), Some(true));
    }

    #[test]
    fn a_clock_set_from_the_network_is_believed_against_files() {
        let far = UtcTime::from_nanos(4_000_000_000_000_000_000);
        let now = UtcTime::from_nanos(WRITTEN.as_nanos() + 1);
        let floor = Floor::from(far);
        assert!(!floor.settle_if(now, || false), "nobody set it");
        assert!(!floor.settle_if(UtcTime::from_nanos(0), || true), "before the program");
        assert_eq!(floor.at(), far);
        let shared = floor.clone();
        assert!(floor.settle_if(now, || true));
        assert_eq!(shared.at(), now);
        assert!(!floor.settle_if(far, || true), "nothing to settle");
    }
}
