//! The names of hops in the ledger, for who opens one and for who looks one up by its name.
//!
//! `/metrics` and `courtside doctor` say them to users: a name does not change. The hop of a model is
//! named after its bundle, by `detect`.

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
/// A court's pictures, on their way to the second look.
pub const LOOK: &str = "look";
/// Decisions of every court, on their way into the outbox.
pub const OUTBOX: &str = "outbox";
/// What games learnt of their rims, on its way to the disk.
pub const RIMS: &str = "rims";
/// Bundles that are still to be loaded; nothing but a name of who loads them.
pub const MODELS: &str = "models";
/// Orders of clips, from the outbox to the ring.
pub const CLIP_ORDERS: &str = "clip_orders";
/// Clips that are on disk, told by the ring to the outbox.
pub const CLIPS_DONE: &str = "clips_done";
/// What the hops of relays begin with: a court's messages, on their way to the relay that is named behind it.
pub const RELAY: &str = "relay:";
