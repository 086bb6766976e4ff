//! What this process has in memory, as the kernel tells it.

use std::path::Path;

use crate::disk::read_regular_text;

/// No file of `/proc` that is read here is as large.
const MOST: u64 = 64 << 10;

/// A line of `/proc/self/status` that counts kilobytes, in bytes: `VmRSS:` what it has, `VmHWM:` the most that
/// it had. `None` where the kernel does not say.
pub(super) fn of_this_process(line: &str) -> Option<u64> {
    let text = read_regular_text(Path::new("/proc/self/status"), MOST).ok()?;
    let said = text.lines().find_map(|told| told.strip_prefix(line))?;
    said.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_never_had_less_than_it_has() {
        let now = of_this_process("VmRSS:").expect("told");
        assert!(now > 1 << 20 && of_this_process("VmHWM:").expect("told") >= now);
    }
}
