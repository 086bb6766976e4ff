//! Room for connections: a box that a person starts has the soft limit of his shell.
//!
//! That is 1,024 nearly everywhere, fewer than admission lets wait at both doors together; the hard limit
//! is far above it. Under the unit both are `LimitNOFILE`, and nothing changes.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that a box has use for: those of the unit, whose `LimitNOFILE` says what for. No more, since
/// what runs away shall meet a limit before the machine's.
const WANTED: u64 = 8_192;

/// Raises the soft limit of descriptors to the hard one, within what a box has use for. Called once the
/// log runs.
pub(super) fn make_room() {
    make_room_for(WANTED);
}

/// The same for who wants so many.
pub(super) fn make_room_for(wanted: u64) {
    let had = getrlimit(Resource::Nofile);
    let Some(raised) = raised(had.current, had.maximum, wanted) else { return };
    match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), ..had }) {
        Ok(()) => tracing::debug!(had = had.current, now = raised, "descriptors"),
        Err(error) => tracing::warn!(had = had.current, %error, "no room for more descriptors"),
    }
}

/// The soft limit to set; none where it is high enough or cannot be higher. `None` is no limit.
fn raised(soft: Option<u64>, hard: Option<u64>, wanted: u64) -> Option<u64> {
    let most = hard.map_or(wanted, |hard| hard.min(wanted));
    soft.is_some_and(|soft| soft < most).then_some(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_goes_up_to_the_hard_one_and_never_down() {
        for (soft, hard, expected) in [
            (Some(1_024), Some(1_048_576), Some(WANTED)),
            (Some(1_024), None, Some(WANTED)),
            (Some(1_024), Some(4_096), Some(4_096)),
            (Some(1_024), Some(1_024), None),
            // Under the unit, and where somebody has given it more.
            (Some(WANTED), Some(WANTED), None),
            (Some(65_536), Some(1_048_576), None),
            (None, None, None),
        ] {
            assert_eq!(raised(soft, hard, WANTED), expected, "{soft:?} {hard:?}");
        }
    }
}
