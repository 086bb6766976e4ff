//! What the uplink needs to know, as `app` works it out from the configuration.

use std::path::PathBuf;

use crate::broker::Access;
use crate::clock::Floor;
use crate::media::BoxName;

/// Default of [`UplinkSettings::quota_bytes`]: 15 days of a real box (`EVENTS_OF_FIFTEEN_DAYS`).
pub const DEFAULT_QUOTA_BYTES: u64 = 320 << 20;

/// What a real box tells in 15 days, at the rate of the footage (28 attempts in 209 s of seven videos that
/// were cut to be dense, so 8 a minute), 3.5 events an attempt (provisional, final, score; a highlight where
/// it goes in), 12 hours a day. A league's game has half of that (796 attempts in ten halves of 20 minutes), so
/// it is two courts of games all day, or four courts for six hours.
#[cfg(test)]
pub(super) const EVENTS_OF_FIFTEEN_DAYS: u64 = 8 * 7 / 2 * 60 * 12 * 15;

/// What the uplink needs to know. Holds no secret: the password is read when it is needed.
#[derive(Clone, Debug)]
pub struct UplinkSettings {
    /// The box.
    pub box_name: BoxName,
    /// The broker, and as whom we go there; nowhere as long as the box is not claimed.
    pub access: Option<Access>,
    /// Directory of the outbox; made if absent.
    pub dir: PathBuf,
    /// Bytes of records; beyond it sent ones go first.
    pub quota_bytes: u64,
    /// Names the origin of the clock's monotonic time: the boot.
    pub boot: String,
    /// An earlier clock is implausible.
    pub time_floor: Floor,
    /// The program's version, for `state/box`.
    pub version: String,
    /// Names of the courts, for `state/box`.
    pub courts: Vec<String>,
}
