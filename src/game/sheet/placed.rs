//! A shot in its place, as the layers of a moment look at it.

use crate::game::sheet::tally::{Play, Tally};

/// What stood before a shot, as far as its moment and its graphics ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    pub(super) points: [u32; 2],
    pub(super) lead_changes: u32,
    pub(super) game_point: [bool; 2],
    pub(super) attempts: u32,
    pub(super) player_points: u32,
}

/// A shot in its place: what was before it, and what it came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'a> {
    /// Its place among the shots.
    pub(super) index: usize,
    pub(super) play: &'a Play,
    pub(super) before: Before,
    pub(super) after: &'a Tally,
    /// The period that was played when it was shot.
    pub(super) period: u16,
}
