//! What the uplink needs to know, as `app` works it out from the configuration.

use std::path::PathBuf;

use crate::clock::Floor;
use crate::config::{Broker, UplinkConfig};
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
    /// Where the broker is: `mqtt://HOST:PORT` or `mqtts://HOST:PORT`.
    pub broker: Broker,
    /// MQTT user.
    pub username: Option<String>,
    /// File whose first line is the password. Read at each connection.
    pub password_file: Option<PathBuf>,
    /// PEM of the authorities that may sign the broker's certificate; the system's if absent.
    pub ca_file: Option<PathBuf>,
    /// PEM of our certificate.
    pub cert_file: Option<PathBuf>,
    /// PEM of its key.
    pub key_file: Option<PathBuf>,
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

/// Where the link goes and as whom: what may change while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    broker: Broker,
    username: Option<String>,
    password_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
}

impl Target {
    /// As it is configured.
    #[must_use]
    pub fn of(config: &UplinkConfig) -> Self {
        let UplinkConfig { broker, username, password_file, ca_file, client } = config.clone();
        let (cert_file, key_file) = match client {
            Some(files) => (Some(files.cert_file), Some(files.key_file)),
            None => (None, None),
        };
        Self { broker, username, password_file, ca_file, cert_file, key_file }
    }
}

impl UplinkSettings {
    /// The same box at another target.
    pub(super) fn at(&self, target: &Target) -> Self {
        let Target { broker, username, password_file, ca_file, cert_file, key_file } =
            target.clone();
        Self { broker, username, password_file, ca_file, cert_file, key_file, ..self.clone() }
    }
}
