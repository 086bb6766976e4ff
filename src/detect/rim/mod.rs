//! The task `rim`: models that decide made or missed.
//!
//! Read `manifest` (its table), `crop` (the square around a rim that a model is shown), `postprocess`
//! (logits to probabilities) or `ball` (where the ball is, to the same), then `court` (all of it at one
//! court's rims).

pub(crate) mod manifest;
pub(crate) mod crop;
pub(crate) mod postprocess;
pub(crate) mod ball;
pub(crate) mod court;
