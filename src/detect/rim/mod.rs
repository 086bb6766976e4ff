//! The task `rim`: models that decide made or missed.
//!
//! Read `manifest` (its table), `crop` (the square around a rim that a model is shown), `postprocess`
//! (logits to probabilities), then `court` (both at one court's rims).

pub(crate) mod manifest;
pub(crate) mod crop;
pub(crate) mod postprocess;
pub(crate) mod court;
