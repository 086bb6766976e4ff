//! The names of hops in the ledger, for who opens one and for who looks one up by its name.
//!
//! They are told to users too, in metrics and by `courtside doctor`: a name does not change. The hop of
//! a model is named after its bundle, by `detect`.

/// A court's units, on their way into its recording.
pub const RING: &str = "ring";
/// A court's units, on their way to its decoder.
pub const DECODE: &str = "decode";
/// A court's units, inside its decoder.
pub const DECODER: &str = "decoder";
/// A court's answers, on their way to its game.
pub const GAME: &str = "game";
/// Pictures of every court, on their way to the finder of rings.
pub const FINDER: &str = "finder";
/// Decisions of every court, on their way into the outbox.
pub const OUTBOX: &str = "outbox";
/// Rims as they were found, on their way to the disk.
pub const RIMS: &str = "rims";
/// Clips that were ordered.
pub const CLIP_ORDERS: &str = "clip_orders";
/// Clips that are sent, and whose order can go.
pub const CLIPS_DONE: &str = "clips_done";
