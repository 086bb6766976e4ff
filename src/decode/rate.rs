//! How many pictures a second a stream has, by its own timestamps (pure).

use crate::media::MediaTime;

/// The stream's own rate, from decoding times: smoothed over some 16 pictures.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    last: Option<MediaTime>,
    interval_ns: Option<f64>,
}

impl Rate {
    /// Takes note of the next unit's decoding time.
    #[expect(clippy::cast_precision_loss, reason = "intervals of seconds at most")]
    pub(crate) fn see(&mut self, dts: MediaTime) {
        if let Some(last) = self.last.replace(dts) {
            let interval = dts.nanos_since(last).max(0) as f64;
            self.interval_ns =
                Some(self.interval_ns.map_or(interval, |mean| mean + (interval - mean) / 16.0));
        }
    }

    /// From picture to picture, ms.
    pub(crate) fn interval_ms(&self) -> Option<f64> {
        self.interval_ns.map(|nanos| nanos / 1e6)
    }

    /// Pictures a second.
    pub(crate) fn fps(&self) -> Option<f64> {
        self.interval_ns.filter(|nanos| *nanos > 0.0).map(|nanos| 1e9 / nanos)
    }
}
