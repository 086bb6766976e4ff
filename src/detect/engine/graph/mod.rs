//! What a network wants before it is run: its constants, activations and multiply-adds, summed from the
//! shapes of the graph as the file has it, without running, optimising or believing any of it.
//!
//! A few hundred bytes of ONNX can ask for gigabytes (`Tile`, `Expand`, `ConstantOfShape`) or for hours
//! (a chain of `MatMul`), and an optimiser that meets them computes them. So they are summed first, and
//! refused with the sum. What cannot be told from shapes (an operator that is not known, a shape that
//! hangs on a picture) is not guessed: for that a bundle that is not ours is tried apart
//! (`detect/engine/apart`). Read `sums`, then `shapes` and `moves` (one rule an operator), `values`.

pub(crate) mod values;
pub(crate) mod moves;
pub(crate) mod shapes;
pub(crate) mod sums;
