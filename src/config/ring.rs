//! `[ring]`: how much video is kept.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::fault::Findings;

/// Left free for events and the system, DESIGN R9.
const KEEP_FREE_BYTES: u64 = 256 * 1024 * 1024;
/// How long a clip waits for the cloud, DESIGN §5.4.
const PIN_DAYS: u32 = 30;
/// Less does not hold a few fragments of one court.
const QUOTA_LEAST_BYTES: u64 = 4 * 1024 * 1024;

/// `[ring]`, checked.
#[derive(Clone, Debug)]
pub struct RingConfig {
    /// Bound of the ring, DESIGN R5. `None`: 80 % of what is free and what the ring has, at
    /// most 200 GiB (`app/settings`).
    pub quota_bytes: Option<u64>,
    /// Part of the quota that pins may hold, DESIGN R6. `None`: half of it (`clips/evict`).
    pub reserve_bytes: Option<u64>,
    /// Recording stops while less than this is free, DESIGN R9. 256 MiB unless given.
    pub keep_free_bytes: u64,
    /// A pin ends after so many days, DESIGN §5.4. 30 unless given.
    pub pin_days: u32,
}

/// How much video is kept.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRing {
    /// Bytes of video kept; 80 % of what is free and what it has, at most 200 GiB, if absent.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<u64>")]
    quota_bytes: Option<Spanned<u64>>,
    /// Bytes of it that pinned clips may hold; half of it, if absent.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<u64>")]
    reserve_bytes: Option<Spanned<u64>>,
    /// Recording stops while less than this is free on the disk.
    #[schemars(extend("x-applies" = "restart"))]
    keep_free_bytes: Option<u64>,
    /// Days that a clip waits for the cloud before it may go.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<u32>", range(min = 1, max = 3650))]
    pin_days: Option<Spanned<u32>>,
}

impl RawRing {
    pub(super) fn check(self, findings: &mut Findings<'_>) -> RingConfig {
        if let Some(quota) = &self.quota_bytes
            && *quota.get_ref() < QUOTA_LEAST_BYTES
        {
            let text = format!(
                "`quota_bytes` is too small to hold video: write {QUOTA_LEAST_BYTES} or more"
            );
            findings.fault(quota.span(), text);
        }
        let quota_bytes = self.quota_bytes.map(Spanned::into_inner);
        if let (Some(reserve), Some(quota)) = (&self.reserve_bytes, quota_bytes)
            && *reserve.get_ref() > quota
        {
            let text = format!("`reserve_bytes` is part of `quota_bytes`: write {quota} or less");
            findings.fault(reserve.span(), text);
        }
        let pin_days = self.pin_days.map_or(PIN_DAYS, |days| {
            if !(1..=3650).contains(days.get_ref()) {
                findings.fault(days.span(), "`pin_days` is out of range: write 1 to 3650");
            }
            days.into_inner()
        });
        RingConfig {
            quota_bytes,
            reserve_bytes: self.reserve_bytes.map(Spanned::into_inner),
            keep_free_bytes: self.keep_free_bytes.unwrap_or(KEEP_FREE_BYTES),
            pin_days,
        }
    }
}
