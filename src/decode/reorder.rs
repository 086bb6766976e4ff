//! When the decoder need not wait for pictures out of order (pure).
//!
//! ```text
//! Hopeful ──B slice──> Broken ──key frame, or `wait`──> Waiting
//!    ^───────────── other parameter sets ──────────────────┘
//! ```
//!
//! An SPS that promises nothing makes decoders hold up to 7 pictures. While a stream has shown no
//! B slice it is given the sets that promise "no reordering" (`low_delay_sets`). The first B slice
//! breaks that promise: `court` then gives a new pipeline the group so far, with its own sets; a
//! group that is too long for that waits for its end.

use std::sync::Arc;

use bytes::Bytes;

use crate::media::{AccessUnit, CodecParameters};

/// What a court's decoder may promise itself of the stream.
#[derive(Debug, Default)]
pub(crate) enum Reorder {
    /// No B slice seen: pictures come in order.
    #[default]
    Hopeful,
    /// A B slice came while none was expected; pictures may be missing up to the next key frame.
    Broken,
    /// The stream of these parameters has B slices: the decoder waits as the SPS says.
    Waiting(Arc<CodecParameters>),
}

impl Reorder {
    /// Takes note of the next unit, in decoding order, before it goes in.
    pub(crate) fn see(&mut self, unit: &AccessUnit) {
        *self = match std::mem::take(self) {
            Self::Waiting(known) if same(&known, &unit.parameters) => Self::Waiting(known),
            Self::Broken if unit.key => Self::Waiting(Arc::clone(&unit.parameters)),
            Self::Broken => Self::Broken,
            Self::Waiting(_) | Self::Hopeful if unit.b_slices => Self::Broken,
            Self::Waiting(_) | Self::Hopeful => Self::Hopeful,
        };
    }

    /// True from the B slice that nobody expected until the decoder waits for such.
    pub(crate) const fn is_broken(&self) -> bool {
        matches!(self, Self::Broken)
    }

    /// From here on the decoder waits as the SPS of `parameters` says.
    pub(crate) fn wait(&mut self, parameters: &Arc<CodecParameters>) {
        *self = Self::Waiting(Arc::clone(parameters));
    }

    /// True while the decoder may be told that pictures come in order.
    pub(crate) const fn low_delay(&self) -> bool {
        !matches!(self, Self::Waiting(_))
    }

    /// True once a B slice has been seen.
    pub(crate) const fn has_b_frames(&self) -> bool {
        !matches!(self, Self::Hopeful)
    }

    /// The parameter sets to put before a key unit.
    pub(crate) fn sets<'a>(&self, parameters: &'a CodecParameters) -> &'a [Bytes] {
        match &parameters.low_delay_sets {
            Some(sets) if self.low_delay() => sets,
            Some(_) | None => &parameters.parameter_sets,
        }
    }
}

fn same(known: &Arc<CodecParameters>, now: &Arc<CodecParameters>) -> bool {
    Arc::ptr_eq(known, now) || known.parameter_sets == now.parameter_sets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::court::tests::{parameters, unit, unit_of};

    #[test]
    fn the_first_b_slice_makes_the_decoder_wait_from_the_next_key_frame_on() {
        let mut reorder = Reorder::default();
        let mut sets = Vec::new();
        for (sequence, key, b) in [
            (0, true, false),
            (1, false, false),
            (2, false, true),
            (3, true, false),
            (4, true, false),
        ] {
            let mut unit = unit(sequence, key);
            unit.b_slices = b;
            reorder.see(&unit);
            sets.push(reorder.sets(&unit.parameters) == unit.parameters.parameter_sets);
        }
        assert_eq!(sets, [false, false, false, true, true]);
        assert!(reorder.has_b_frames());
    }

    #[test]
    fn a_reconnected_camera_is_remembered_and_another_one_is_not() {
        let mut reorder = Reorder::Waiting(parameters(1280, 720));
        reorder.see(&unit_of(&parameters(1280, 720), 0, true));
        assert!(!reorder.low_delay(), "the same sets");
        reorder.see(&unit_of(&parameters(1920, 1080), 0, true));
        assert!(reorder.low_delay(), "other sets");
    }
}
