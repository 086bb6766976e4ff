//! Reads the machine under the box, every ten seconds, where nothing waits for it: a disk that hangs holds up
//! this and no more. `health` judges what is read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::watch as told;

use crate::claim;
use crate::clips::{Scrub, Shelf};
use crate::clock::{Anchors, Clock, Ticks, kept_by_network};
use crate::config::Config;
use crate::device::{Denied, denied_render_nodes};
use crate::disk::{Disk, Harm, Harms, OpenHow, kind_of, look_through, read_regular};
use crate::event::host::{
    CertificateStatus, DamagedFile, DataDirStatus, EndedStatus, HostStatus, RenderNode,
};
use crate::health::{Steps, Syncs};
use crate::media::{Foreign, ForeignKind, UtcTime};

/// What changes here changes slowly, and a person who looks twice waits no longer.
const EVERY: Duration = Duration::from_secs(10);
/// Entries of clips that are looked at each time: 10,000 clips within an hour.
const ENTRIES_A_LOOK: usize = 50;
/// A segment is read every so many looks: once a minute 64 MiB at most, some 1 MB/s.
const LOOKS_A_SEGMENT: u64 = 6;
/// A chain of a few certificates takes some thousand bytes, the system's authorities 200 KB.
const PEM_MOST_BYTES: u64 = 1 << 20;

/// Which of a file's certificates says when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// A chain: without one of them it is none.
    First,
    /// Authorities: one that is good is enough.
    Last,
}

/// Reads the machine.
pub(crate) struct HostReader {
    data_dir: PathBuf,
    keep_free_bytes: u64,
    certificates: Vec<(&'static str, PathBuf, Whose)>,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    anchors: Anchors,
    syncs: Syncs,
    harms: Harms,
    /// Looks so far.
    looks: AtomicU64,
    /// What is looked through meanwhile, and how far; held for a look.
    scrub: Mutex<Option<(Shelf, Scrub)>>,
    /// What was seen of the clock; held for a look.
    steps: Mutex<Steps>,
    /// What was read last; held for a copy.
    latest: Mutex<HostStatus>,
}

impl HostReader {
    pub(crate) fn new(
        config: &Config,
        (disk, clock): (Arc<dyn Disk>, Arc<dyn Clock>),
        anchors: Anchors,
        (syncs, harms): (Syncs, Harms),
    ) -> Self {
        Self {
            data_dir: config.appliance.data_dir.clone(),
            keep_free_bytes: config.ring.keep_free_bytes,
            certificates: certificates(config),
            disk,
            clock,
            anchors,
            syncs,
            harms,
            looks: AtomicU64::new(0),
            scrub: Mutex::default(),
            steps: Mutex::default(),
            latest: Mutex::default(),
        }
    }

    /// Looks through a ring too, from now on, a little at each look.
    pub(crate) fn scrubs(&self, shelf: Shelf) {
        *self.scrub.lock() = Some((shelf, Scrub::default()));
    }

    /// What was read last. The GPU's memory, which must be known sooner, is `gpu`'s.
    pub(crate) fn latest(&self) -> HostStatus {
        self.latest.lock().clone()
    }

    /// Reads until `stopped` turns to true.
    pub(crate) async fn run(self: Arc<Self>, mut stopped: told::Receiver<bool>) {
        let mut ticks = Ticks::new(&self.clock, EVERY);
        loop {
            // Woken by the interval, and by the end.
            tokio::select! {
                () = ticks.tick() => {}
                _ = stopped.wait_for(|told| *told) => return,
            }
            let reader = Arc::clone(&self);
            // One that panicked told so, and the next one reads again.
            drop(tokio::task::spawn_blocking(move || reader.look()).await);
        }
    }

    fn look(&self) {
        let read = self.read();
        *self.latest.lock() = read;
    }

    fn read(&self) -> HostStatus {
        let looks = self.looks.fetch_add(1, Ordering::Relaxed);
        // What earlier starts put aside.
        if looks == 0
            && let Ok(found) = look_through(&*self.disk, &self.data_dir, false)
        {
            for harm in &found {
                self.disk.harmed(harm);
            }
        }
        if let Some((shelf, scrub)) = &mut *self.scrub.lock() {
            scrub.entries(shelf, ENTRIES_A_LOOK);
            if looks.is_multiple_of(LOOKS_A_SEGMENT) {
                scrub.segment(shelf);
            }
        }
        let harms = self.harms.still(&*self.disk);
        let (now, utc) = (self.clock.monotonic(), self.clock.utc());
        let plausible = self.anchors.state().plausible;
        let clock = {
            let mut steps = self.steps.lock();
            steps.look(now, utc, plausible);
            steps.told(now, kept_by_network())
        };
        let read = self.certificates.iter().filter(|_| plausible);
        HostStatus {
            data_dir: data_dir(&*self.disk, &self.data_dir, self.keep_free_bytes),
            syncs: self.syncs.told(now),
            gpu_memory: None,
            render_denied: denied_render_nodes().into_iter().map(node).collect(),
            certificates: read
                .filter_map(|(what, file, whose)| ends(what, file, *whose, utc))
                .collect(),
            clock,
            damaged: harms.into_iter().map(|harm| damaged(&self.data_dir, harm)).collect(),
            ended: ended(&*self.disk, &self.data_dir, utc),
        }
    }
}

/// How long an end that nobody asked for is told, s.
const ENDED_TOLD_S: i64 = 7 * 86_400;
/// The first line of what was kept of one: 160 bytes of it are ours.
const ENDED_LINE_BYTES: usize = 512;
/// Records that are looked at; `systemd/keep-log` keeps fewer.
const ENDED_MOST: usize = 64;

/// What the unit kept of ends that nobody asked for: of each a file, of which the first line says when and how
/// (`systemd/keep-log`). A file that says neither is passed over: it is no record.
pub(crate) fn ended(disk: &dyn Disk, data_dir: &Path, now: UtcTime) -> Option<EndedStatus> {
    let dir = data_dir.join("failures");
    let mut names = disk.names(&dir).ok()?;
    names.retain(|name| name.ends_with(".log"));
    names.sort_unstable();
    let mut told = names.iter().rev().take(ENDED_MOST).filter_map(|name| {
        let path = dir.join(name);
        let file = disk.open(&path, OpenHow::Read).ok()?;
        let mut line = vec![0; ENDED_LINE_BYTES];
        let read = file.read_at(0, &mut line).ok()?;
        let line = line.get(..read)?.split(|byte| *byte == b'\n').next()?;
        let line = Foreign::bytes(ForeignKind::Text, line);
        let line = line.as_str().strip_prefix("courtside-failure 1 ")?;
        let said = |key: &str| line.split(' ').find_map(|word| word.strip_prefix(key));
        let at: i64 = said("at=")?.parse().ok()?;
        let age = now.as_nanos() / 1_000_000_000 - at;
        let how = format!("{} {}", said("result=")?, said("status=")?);
        (age < ENDED_TOLD_S).then_some((path, how))
    });
    let (path, how) = told.next()?;
    let count = 1 + told.count() as u64;
    Some(EndedStatus { count, file: Foreign::path(path), how: Foreign::told(how) })
}

/// As it is told.
pub(crate) fn damaged(data_dir: &Path, harm: Harm) -> DamagedFile {
    let Harm { path, why, aside, newer } = harm;
    let kind = path.strip_prefix(data_dir).ok().and_then(kind_of);
    DamagedFile {
        file: Foreign::path(&path),
        put_aside: aside.map(Foreign::path),
        why: Foreign::told(why),
        newer,
        costs: kind.map_or("begun anew", |kind| kind.costs).to_owned(),
    }
}

fn node(denied: Denied) -> RenderNode {
    RenderNode { path: Foreign::path(denied.path), group: denied.group }
}

/// Where a folder lies.
pub(crate) fn data_dir(disk: &dyn Disk, dir: &Path, keep_free_bytes: u64) -> Option<DataDirStatus> {
    let mount = disk.mount(dir).ok()?;
    Some(DataDirStatus {
        path: Foreign::path(dir),
        in_ram: mount.in_ram,
        read_only: mount.read_only,
        of_user: mount.of_user,
        keep_free_bytes,
    })
}

/// The certificates that a configuration names, each by its key.
fn certificates(config: &Config) -> Vec<(&'static str, PathBuf, Whose)> {
    let uplink = &config.uplink;
    let client = uplink.client.as_ref();
    let named = [
        ("ca_file of [uplink]", uplink.ca_file.as_ref(), Whose::Last),
        ("ca_file of [upload]", config.upload.ca_file.as_ref(), Whose::Last),
        ("cert_file of [uplink]", client.map(|files| &files.cert_file), Whose::First),
        (
            "cert_file of [http]",
            config.http.tls.as_ref().map(|files| &files.cert_file),
            Whose::First,
        ),
        (
            "cert_file of [ingest]",
            config.ingest.tls.as_ref().map(|files| &files.cert_file),
            Whose::First,
        ),
    ];
    named.into_iter().filter_map(|(what, file, whose)| Some((what, file?.clone(), whose))).collect()
}

/// When the certificates of a file end; `None` where it holds none, which is told elsewhere.
fn ends(what: &str, file: &Path, whose: Whose, now: UtcTime) -> Option<CertificateStatus> {
    let pem = read_regular(file, PEM_MOST_BYTES).ok()?;
    let chain = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
    let ends = chain.filter_map(|certificate| claim::ends(&certificate));
    let at = match whose {
        Whose::First => ends.min(),
        Whose::Last => ends.max(),
    }?;
    #[expect(clippy::cast_precision_loss, reason = "days, to a tenth")]
    let days = at.as_nanos().saturating_sub(now.as_nanos()) as f64 / 86_400e9;
    Some(CertificateStatus {
        what: what.to_owned(),
        file: Foreign::path(file),
        ends: at.to_rfc3339(),
        ends_in_days: (days * 10.0).round() / 10.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    #[test]
    fn a_folder_is_read_where_it_lies() {
        let disk = RealDisk::new();
        let shm = data_dir(&disk, Path::new("/dev/shm/courtside/is/not/there"), 7).expect("read");
        assert!(shm.in_ram && shm.of_user.is_none(), "{shm:?}");
        assert_eq!(shm.keep_free_bytes, 7);
        let own = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a folder");
        let own = data_dir(&disk, own.path(), 7).expect("read");
        assert!(!own.in_ram && !own.read_only && own.of_user.is_none(), "{own:?}");
        // The kernel's own files lie in no memory that a power cut empties, and are root's.
        let proc = data_dir(&disk, Path::new("/proc"), 7).expect("read");
        let root = rustix::process::geteuid().is_root();
        assert_eq!((proc.in_ram, proc.of_user), (false, (!root).then_some(0)));
    }

    #[test]
    fn ends_that_nobody_asked_for_are_told_for_a_week() {
        let disk = RealDisk::new();
        let dir = tempfile::tempdir().expect("a folder");
        let now = UtcTime::from_nanos(1_798_761_600_000_000_000);
        assert_eq!(ended(&disk, dir.path(), now), None, "no folder");
        let failures = dir.path().join("failures");
        disk.create_dir_all(&failures).expect("made");
        let record = |name: &str, text: &str| {
            #[expect(clippy::disallowed_methods, reason = "a test's own file")]
            std::fs::write(failures.join(name), text).expect("written");
        };
        record("000001.log", "courtside-failure 1 at=1798000000 result=exit-code status=1\nold\n");
        record("000002.log", "no record\n");
        record("000003.log", "");
        assert_eq!(ended(&disk, dir.path(), now), None, "one is nine days old, two are none");
        record(
            "000004.log",
            "courtside-failure 1 at=1798700000 result=watchdog status=ABRT boot=b\n",
        );
        record("000010.log", "courtside-failure 1 at=1798761000 result=signal status=SEGV\nlog\n");
        record("000011.log.new", "courtside-failure 1 at=1798761000 result=signal status=BUS\n");
        let told = ended(&disk, dir.path(), now).expect("told");
        assert_eq!((told.count, told.how.as_str()), (2, "signal SEGV"));
        assert!(told.file.as_str().ends_with("/failures/000010.log"), "{told:?}");
    }

    #[test]
    fn certificates_are_read_with_their_ends() {
        let dir = tempfile::tempdir().expect("a folder");
        let day = |day: u8| {
            let mut params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
            params.not_before = rcgen::date_time_ymd(2026, 1, 1);
            params.not_after = rcgen::date_time_ymd(2027, 1, day);
            let key = rcgen::KeyPair::generate().expect("a key");
            params.self_signed(&key).expect("signed").pem()
        };
        let file = dir.path().join("chain.pem");
        #[expect(clippy::disallowed_methods, reason = "a test's own file")]
        std::fs::write(&file, day(20) + &day(11)).expect("written");
        // 2027-01-01T00:00:00Z.
        let now = UtcTime::from_nanos(1_798_761_600_000_000_000);
        let first = ends("cert_file of [http]", &file, Whose::First, now).expect("read");
        assert_eq!((first.ends.as_str(), first.ends_in_days), ("2027-01-11T00:00:00.000Z", 10.0));
        assert_eq!(ends("", &file, Whose::Last, now).expect("read").ends_in_days, 19.0);
        assert_eq!(ends("", Path::new("/does/not/exist"), Whose::First, now), None);
    }
}
