//! Another way to decide made or missed: a network that says where the ball is, and a rule about its way.
//!
//! Read `spots` (what the network said of one picture to balls, each by the ring), then `rule` (their way
//! past the ring to the answer that every model at a rim gives), both pure, then `passes` (all rims of a
//! court). So games, figures and swaps know one kind of answer, and no second way to a call.

pub(crate) mod spots;
pub(crate) mod rule;
pub(crate) mod passes;
