//! What a model has seen of a court: time since its last frame, when its state starts anew, when it
//! is warm (DESIGN §4.8). Pure.

use crate::media::{MediaTime, SessionId};

/// Why the state of a model starts from zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reset {
    /// It has seen nothing of this court yet, or its last answer was an error.
    First,
    /// Another session: its times have nothing to do with the last one's.
    Session,
    /// The picture changed its size.
    Resolution,
    /// More than `max_gap_ms` since the last frame that it saw.
    Gap,
    /// A time not after the last one.
    Backwards,
}

/// How one frame is to be fed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fed {
    /// Seconds since the last frame that the model saw; 0 after a reset.
    pub(crate) dt_seconds: f32,
    /// Set when its state starts from zeros with this frame.
    pub(crate) reset: Option<Reset>,
    /// True while its answers decide nothing.
    pub(crate) warming: bool,
}

/// Follows what one model has seen of one court.
#[derive(Clone, Debug)]
pub(crate) struct Continuity {
    max_gap_ms: u32,
    warmup_frames: u32,
    seen: Option<LastFrame>,
}

#[derive(Clone, Copy, Debug)]
struct LastFrame {
    session: SessionId,
    picture: (u32, u32),
    pts: MediaTime,
    /// Frames since the reset.
    frames: u32,
}

impl Continuity {
    /// Nothing seen yet.
    #[must_use]
    pub(crate) const fn new(max_gap_ms: u32, warmup_frames: u32) -> Self {
        Self { max_gap_ms, warmup_frames, seen: None }
    }

    /// The next frame that the model sees.
    pub(crate) fn step(&mut self, session: SessionId, picture: (u32, u32), pts: MediaTime) -> Fed {
        let (reset, since, frames) = match self.seen {
            None => (Some(Reset::First), 0, 0),
            Some(last) => {
                let since = pts.nanos_since(last.pts);
                let reset = if last.session != session {
                    Some(Reset::Session)
                } else if last.picture != picture {
                    Some(Reset::Resolution)
                } else if since <= 0 {
                    Some(Reset::Backwards)
                } else if since > i64::from(self.max_gap_ms) * 1_000_000 {
                    Some(Reset::Gap)
                } else {
                    None
                };
                if reset.is_some() { (reset, 0, 0) } else { (None, since, last.frames) }
            }
        };
        self.seen = Some(LastFrame { session, picture, pts, frames: frames.saturating_add(1) });
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "a gap is at most a minute"
        )]
        let dt_seconds = (since as f64 / 1e9) as f32;
        Fed { dt_seconds, reset, warming: frames < self.warmup_frames }
    }

    /// Starts anew at the next frame.
    pub(crate) fn forget(&mut self) {
        self.seen = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HD: (u32, u32) = (1280, 720);

    #[test]
    fn each_reason_resets_and_warms_again() {
        let [one, two] = [1, 2].map(SessionId::from_bits);
        let mut seen = Continuity::new(250, 2);
        let ms = MediaTime::from_millis;
        let rows = [
            (one, HD, 0, Some(Reset::First), 0.0, true),
            (one, HD, 33, None, 0.033, true),
            (one, HD, 283, None, 0.25, false),
            (one, HD, 534, Some(Reset::Gap), 0.0, true),
            (one, HD, 534, Some(Reset::Backwards), 0.0, true),
            (one, HD, 567, None, 0.033, true),
            (one, HD, 600, None, 0.033, false),
            (one, (1920, 1080), 633, Some(Reset::Resolution), 0.0, true),
            (two, (1920, 1080), 666, Some(Reset::Session), 0.0, true),
        ];
        for (session, picture, at, reset, dt_seconds, warming) in rows {
            let fed = seen.step(session, picture, ms(at));
            assert_eq!(fed, Fed { dt_seconds, reset, warming }, "at {at} ms");
        }
        seen.forget();
        assert_eq!(seen.step(two, HD, ms(700)).reset, Some(Reset::First));
    }
}
