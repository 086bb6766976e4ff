//! How much memory this process may have: what its control group says, or else what the machine has.
//!
//! A unit's `MemoryMax` is in force on all below it, so each group from ours up to the root is asked,
//! of both versions of control groups; the smallest counts. In a container the groups above are out of
//! sight, and ours may be shown at the root.

use std::path::{Path, PathBuf};

use crate::disk::read_regular_text;

/// Longest file of the kernel's that is read here, bytes.
const MOST: u64 = 64 << 10;

/// Bytes that this process may have. `None` where nothing says so.
pub(crate) fn memory_limit() -> Option<u64> {
    limit(&|path| read_regular_text(path, MOST).ok())
}

/// The same of the files that `read` reads.
fn limit(read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    let machine = read(Path::new("/proc/meminfo")).as_deref().and_then(total);
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().flat_map(files_of).filter_map(|path| {
        // `max`, where there is none.
        read(&path)?.trim().parse::<u64>().ok()
    });
    limits.chain(machine).min()
}

/// Where the limits stand of a line of `/proc/self/cgroup`, `NUMBER:CONTROLLERS:PATH` (cgroups(7)).
fn files_of(line: &str) -> Vec<PathBuf> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { return Vec::new() };
    let (root, name) = if controllers.is_empty() {
        (PathBuf::from("/sys/fs/cgroup"), "memory.max")
    } else if controllers.split(',').any(|controller| controller == "memory") {
        (PathBuf::from("/sys/fs/cgroup/memory"), "memory.limit_in_bytes")
    } else {
        return Vec::new();
    };
    let relative = Path::new(group).strip_prefix("/").unwrap_or(Path::new(""));
    relative.ancestors().map(|group| root.join(group).join(name)).collect()
}

/// `MemTotal` of `/proc/meminfo`.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: (&str, &str) = ("/proc/meminfo", "MemTotal:       24682728 kB\nMemFree: 1 kB\n");

    fn read(files: &[(&str, &str)]) -> Option<u64> {
        limit(&|path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn the_smallest_limit_above_us_counts() {
        let machine = 24_682_728 * 1024;
        let unit = "0::/system.slice/courtside.service\n";
        let max = |path: &'static str, text: &'static str| (path, text);
        let (own, slice) = (
            "/sys/fs/cgroup/system.slice/courtside.service/memory.max",
            "/sys/fs/cgroup/system.slice/memory.max",
        );
        let group = ("/proc/self/cgroup", unit);
        for (files, expected) in [
            (vec![], None),
            (vec![MACHINE], Some(machine)),
            (vec![MACHINE, group, max(own, "6442450944\n"), max(slice, "max\n")], Some(6 << 30)),
            (vec![MACHINE, group, max(own, "max\n"), max(slice, "1073741824\n")], Some(1 << 30)),
            // In a container: the root of its own is the limit.
            (
                vec![
                    MACHINE,
                    ("/proc/self/cgroup", "0::/\n"),
                    max("/sys/fs/cgroup/memory.max", "2147483648"),
                ],
                Some(2 << 30),
            ),
            // Version 1, whose "no limit" is a number larger than any machine.
            (
                vec![
                    MACHINE,
                    ("/proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/a/b\n0::/\n"),
                    max("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n"),
                    max("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "536870912\n"),
                ],
                Some(512 << 20),
            ),
            (vec![MACHINE, ("/proc/self/cgroup", "nonsense\n::\n4:memory:x\n")], Some(machine)),
        ] {
            assert_eq!(read(&files), expected, "{files:?}");
        }
    }

    #[test]
    fn this_machine_says_something() {
        assert!(memory_limit().is_some_and(|bytes| bytes > 64 << 20));
    }
}
