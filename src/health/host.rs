//! What of the machine under a box is not as it should be (pure).

use crate::event::box_status::BoxStatus;
use crate::event::catalogue::Code;
use crate::event::host::{
    CertificateStatus, ClockKept, DamagedFile, DataDirStatus, EndedStatus, GpuMemory, HostStatus,
    SyncsStatus,
};
use crate::event::state::StorageState;
use crate::health::finding::Finding;

/// Less room than this is a few minutes of one court's video (chosen).
const ROOM_BYTES: u64 = 1 << 30;
/// An event is to be acknowledged 20 ms after it was decided, and waits for one sync; a disk ten times slower
/// is ill (DESIGN §3).
const SLOW_SYNC_MS: f64 = 200.0;
/// What one more court of 1080p needs of a GPU's memory, decoder and context (chosen; some 250 MB measured on
/// an H200 are the context's).
const GPU_ROOM_BYTES: u64 = 256 << 20;
/// A certificate that ends within so many days is told (chosen: two weeks to fetch a new one).
const ENDS_SOON_DAYS: f64 = 14.0;
/// Steps within a day that are a drift: the first may set a clock that stood still.
const DRIFTING_STEPS: u64 = 2;
/// timesyncd asks every 30 s at first; after so long it does not get through, s.
const UNKEPT_AFTER_S: u64 = 600;

/// Judges what was read of the machine.
pub(super) fn of_host(status: &BoxStatus, found: &mut Vec<Finding>) {
    let HostStatus {
        data_dir,
        syncs,
        gpu_memory,
        render_denied,
        certificates,
        clock,
        damaged,
        ended,
    } = &status.host;
    found.extend(ended.as_ref().map(of_ended));
    if let Some(dir) = data_dir {
        found.extend(of_folder(dir));
        found.extend(status.storage.as_ref().and_then(|storage| of_room(dir, storage)));
    }
    found.extend(syncs.as_ref().and_then(of_syncs));
    found.extend(gpu_memory.as_ref().and_then(of_gpu));
    // A box that decodes on an NVIDIA GPU needs none of them.
    if gpu_memory.is_none() {
        found.extend(render_denied.iter().map(|node| {
            let text = format!(
                "the daemon may not open {}: it belongs to group {}, and its user is not in it",
                node.path, node.group
            );
            Finding::new("gpu", Code::RenderDenied, text).with("group_id", node.group.into())
        }));
    }
    found.extend(certificates.iter().filter_map(of_certificate));
    found.extend(of_damage(damaged));
    if status.clock.plausible {
        found.extend(of_clock(clock));
    }
}

/// What is wrong with where `box.data_dir` lies.
#[must_use]
pub fn of_folder(dir: &DataDirStatus) -> Vec<Finding> {
    let path = &dir.path;
    let mut found = Vec::new();
    if dir.in_ram {
        let text = format!("{path} lies in memory: a power cut loses events, video and settings");
        found.push(Finding::new("disk", Code::DataInRam, text));
    }
    if dir.read_only {
        let text = format!("the file system of {path} is read-only: nothing is recorded or kept");
        found.push(Finding::new("disk", Code::DataReadOnly, text));
    }
    if let Some(user) = dir.of_user {
        let text = format!("{path} belongs to user {user}, and the daemon runs as another");
        found.push(Finding::new("disk", Code::DataNotOurs, text).with("user_id", user.into()));
    }
    found
}

/// That it ended without being asked to.
#[must_use]
pub fn of_ended(ended: &EndedStatus) -> Finding {
    let EndedStatus { count, file, how } = ended;
    let times = if *count == 1 { "once".to_owned() } else { format!("{count} times") };
    let text = format!(
        "the daemon ended {times} in the last week without being asked to, last by {how}: what it told before lies in \
         {file}"
    );
    Finding::new("box", Code::EndedBadly, text).with("ends", float(*count))
}

/// Files told one by one; a disk that loses more is told by their number.
const FILES_MOST: usize = 20;

/// What is wrong with files of the box.
#[must_use]
pub fn of_damage(damaged: &[DamagedFile]) -> Vec<Finding> {
    let tell = |one: &DamagedFile| {
        let DamagedFile { file, put_aside, why, newer, costs } = one;
        let lies = put_aside.as_ref().map(|aside| format!("; it lies in {aside} now"));
        let lies = lies.unwrap_or_default();
        if *newer {
            let text = format!("{file} is of a newer version{lies}: this one does without it");
            return Finding::new("disk", Code::FileNewer, text);
        }
        Finding::new("disk", Code::FileDamaged, format!("{file} is damaged ({why}){lies}: {costs}"))
    };
    let mut found: Vec<Finding> = damaged.iter().take(FILES_MOST).map(tell).collect();
    if damaged.len() > FILES_MOST {
        let text = format!("{} files more are damaged", damaged.len() - FILES_MOST);
        found.push(Finding::new("disk", Code::FileDamaged, text));
    }
    found
}

fn of_room(dir: &DataDirStatus, storage: &StorageState) -> Option<Finding> {
    let evictable = storage.ring_bytes.saturating_sub(storage.pinned_bytes);
    let room = storage.free_bytes.saturating_add(evictable).saturating_sub(dir.keep_free_bytes);
    if room >= ROOM_BYTES {
        return None;
    }
    let text = format!(
        "the disk is nearly full: {} MB are free, {} MB are kept for events, so there is room for {} MB \
         of video",
        storage.free_bytes / 1_000_000,
        dir.keep_free_bytes / 1_000_000,
        room / 1_000_000
    );
    let finding = Finding::new("disk", Code::DiskNearlyFull, text);
    Some(finding.with("free_bytes", float(storage.free_bytes)).with("room_bytes", float(room)))
}

fn of_syncs(syncs: &SyncsStatus) -> Option<Finding> {
    let SyncsStatus { count, median_ms, worst_ms } = syncs;
    if *median_ms < SLOW_SYNC_MS {
        return None;
    }
    let text = format!(
        "the disk takes {median_ms:.0} ms to sync (the middle of {count}; the longest {worst_ms:.0} ms)"
    );
    let finding = Finding::new("disk", Code::DiskSlow, text);
    Some(finding.with("median_ms", *median_ms).with("worst_ms", *worst_ms))
}

fn of_gpu(memory: &GpuMemory) -> Option<Finding> {
    let GpuMemory { free_bytes, total_bytes } = memory;
    if *free_bytes >= GPU_ROOM_BYTES {
        return None;
    }
    let text = format!(
        "the GPU's memory is full: {} MB of {} MB are free",
        free_bytes / 1_000_000,
        total_bytes / 1_000_000
    );
    let finding = Finding::new("gpu", Code::GpuFull, text);
    Some(finding.with("free_bytes", float(*free_bytes)).with("total_bytes", float(*total_bytes)))
}

fn of_certificate(certificate: &CertificateStatus) -> Option<Finding> {
    let CertificateStatus { what, file, ends, ends_in_days: days } = certificate;
    let day = ends.get(..10).unwrap_or(ends);
    let (code, text) = if *days < 0.0 {
        let text = format!("the certificate {file} ({what}) ended on {day}, {:.0} days ago", -days);
        (Code::CertificateEnded, text)
    } else if *days <= ENDS_SOON_DAYS {
        let text = format!("the certificate {file} ({what}) ends on {day}, in {days:.0} days");
        (Code::CertificateEnds, text)
    } else {
        return None;
    };
    Some(Finding::new("certificates", code, text).with("ends_in_days", *days))
}

fn of_clock(clock: &ClockKept) -> Vec<Finding> {
    let mut found = Vec::new();
    if clock.steps >= DRIFTING_STEPS {
        let hours = (float(clock.watched_s) / 3600.0).min(24.0);
        let text = format!(
            "the box's clock was moved {} times in {hours:.1} h, by {:+} ms in all",
            clock.steps, clock.moved_ms
        );
        let finding = Finding::new("clock", Code::ClockDrifts, text);
        found.push(finding.with("steps", float(clock.steps)));
    }
    if clock.reached == Some(false) && clock.watched_s >= UNKEPT_AFTER_S {
        let minutes = clock.watched_s / 60;
        let text = format!("systemd-timesyncd has reached no server in {minutes} min");
        let finding = Finding::new("clock", Code::ClockUnkept, text);
        found.push(finding.with("watched_s", float(clock.watched_s)));
    }
    found
}

#[expect(clippy::cast_precision_loss, reason = "figures for people and programs that show them")]
const fn float(count: u64) -> f64 {
    count as f64
}
