//! The whistle net: 168 numbers of a hop → 32 → 16 → the share of "a whistle blows". Pure.
//!
//! Its weights are little-endian FP32, a layer after the other, each the rows of its outputs and then its biases, as
//! models/train/hear/train.py saves them. Weights of another size, or that are no numbers, are refused.

use crate::hear::front::INPUTS;

const HIDDEN: [usize; 2] = [32, 16];
/// Numbers in the file.
const NUMBERS: usize = (INPUTS + 1) * HIDDEN[0] + (HIDDEN[0] + 1) * HIDDEN[1] + HIDDEN[1] + 1;

/// Why a file is no net of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum NetRefused {
    #[error(
        "a whistle net has {wanted} bytes, this file {bytes}: take one that this version's training wrote"
    )]
    Size { bytes: usize, wanted: usize },
    #[error("its weights have something that is no number: train it anew")]
    NoNumber,
}

/// One layer: rows of weights, each with its bias.
#[derive(Clone, Debug)]
struct Layer {
    weights: Vec<f32>,
    biases: Vec<f32>,
}

/// The net. 5,937 multiply-adds a hop.
#[derive(Clone, Debug)]
pub struct Net {
    layers: [Layer; 3],
}

impl Net {
    /// Reads weights.
    ///
    /// # Errors
    /// [`NetRefused`].
    pub fn read(bytes: &[u8]) -> Result<Self, NetRefused> {
        if bytes.len() != NUMBERS * 4 {
            return Err(NetRefused::Size { bytes: bytes.len(), wanted: NUMBERS * 4 });
        }
        let mut numbers = bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four));
        if numbers.clone().any(|number| !number.is_finite()) {
            return Err(NetRefused::NoNumber);
        }
        let mut layer = |inputs: usize, outputs: usize| Layer {
            weights: numbers.by_ref().take(inputs * outputs).collect(),
            biases: numbers.by_ref().take(outputs).collect(),
        };
        let layers = [layer(INPUTS, HIDDEN[0]), layer(HIDDEN[0], HIDDEN[1]), layer(HIDDEN[1], 1)];
        Ok(Self { layers })
    }

    /// How likely a whistle blows in a hop, 0 to 1.
    #[must_use]
    pub fn share(&self, row: &[f32; INPUTS]) -> f32 {
        let [first, second, last] = &self.layers;
        let (mut wide, mut narrow, mut one) = ([0.0; HIDDEN[0]], [0.0; HIDDEN[1]], [0.0]);
        first.run(row, &mut wide);
        second.run(&wide.map(|value| value.max(0.0)), &mut narrow);
        last.run(&narrow.map(|value| value.max(0.0)), &mut one);
        let [logit] = one;
        1.0 / (1.0 + (-logit).exp())
    }
}

impl Layer {
    fn run(&self, inputs: &[f32], outputs: &mut [f32]) {
        let rows = self.weights.chunks_exact(inputs.len().max(1)).zip(&self.biases);
        for (out, (row, bias)) in outputs.iter_mut().zip(rows) {
            *out = bias + row.iter().zip(inputs).map(|(weight, input)| weight * input).sum::<f32>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_net_is_refused() {
        let zeros = vec![0; NUMBERS * 4];
        let net = Net::read(&zeros).expect("of that size");
        assert_eq!(net.share(&[1.0; INPUTS]), 0.5, "it knows nothing");
        let short = Net::read(&zeros[1..]).expect_err("one byte less");
        assert_eq!(short, NetRefused::Size { bytes: NUMBERS * 4 - 1, wanted: NUMBERS * 4 });
        let mut odd = zeros;
        odd[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
        assert_eq!(Net::read(&odd).expect_err("no number"), NetRefused::NoNumber);
    }
}
