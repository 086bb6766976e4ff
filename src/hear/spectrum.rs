//! The power spectrum of one frame of 512 samples, by a radix-2 transform of our own: 256 complex points, no tables
//! but one, made once. Pure. Tested against the sum of its definition.

use std::f64::consts::PI;

/// Samples of a frame: 32 ms at 16 kHz.
pub(super) const FRAME: usize = 512;
/// Frequencies that come out, from 0 to half the rate.
pub(super) const BINS: usize = FRAME / 2 + 1;

/// The transform, its window and its turns.
#[derive(Clone, Debug)]
pub(super) struct Spectrum {
    window: Vec<f32>,
    /// `exp(-2πik/FRAME)`.
    turns: Vec<(f32, f32)>,
    work: Vec<(f32, f32)>,
}

impl Spectrum {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "512 and below"
    )]
    pub(super) fn new() -> Self {
        let turn = |k: usize| 2.0 * PI * k as f64 / FRAME as f64;
        Self {
            // Hann, periodic: as the training has it.
            window: (0..FRAME).map(|k| (0.5 - 0.5 * turn(k).cos()) as f32).collect(),
            turns: (0..FRAME).map(|k| (turn(k).cos() as f32, -turn(k).sin() as f32)).collect(),
            work: vec![(0.0, 0.0); FRAME],
        }
    }

    /// The power of each frequency of a windowed frame; samples beyond [`FRAME`] are not looked at, missing ones are 0.
    pub(super) fn power(&mut self, frame: &[f32], power: &mut [f32; BINS]) {
        let shift = usize::BITS - FRAME.trailing_zeros();
        for (place, (n, window)) in
            self.window.iter().enumerate().map(|(n, w)| (n.reverse_bits() >> shift, (n, w)))
        {
            let sample = frame.get(n).copied().unwrap_or(0.0);
            if let Some(slot) = self.work.get_mut(place) {
                *slot = (sample * window, 0.0);
            }
        }
        let mut half = 1;
        while half < FRAME {
            let step = FRAME / (2 * half);
            for block in self.work.chunks_exact_mut(2 * half) {
                let (low, high) = block.split_at_mut(half);
                let turns = self.turns.iter().step_by(step);
                for ((a, b), (c, s)) in low.iter_mut().zip(high).zip(turns) {
                    let turned = (b.0 * c - b.1 * s, b.0 * s + b.1 * c);
                    *b = (a.0 - turned.0, a.1 - turned.1);
                    *a = (a.0 + turned.0, a.1 + turned.1);
                }
            }
            half *= 2;
        }
        for (out, (re, im)) in power.iter_mut().zip(&self.work) {
            *out = re * re + im * im;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_sum_of_its_definition() {
        let frame: Vec<f32> =
            (0..FRAME).map(|n| ((n * n * 7 + n) % 101) as f32 / 50.0 - 1.0).collect();
        let mut power = [0.0; BINS];
        Spectrum::new().power(&frame, &mut power);
        for (k, told) in power.iter().enumerate() {
            let (mut re, mut im) = (0.0_f64, 0.0_f64);
            for (n, sample) in frame.iter().enumerate() {
                let angle = 2.0 * PI * n as f64 / FRAME as f64;
                let windowed = f64::from(*sample) * (0.5 - 0.5 * angle.cos());
                re += windowed * (angle * k as f64).cos();
                im -= windowed * (angle * k as f64).sin();
            }
            let wanted = re * re + im * im;
            assert!(
                (f64::from(*told) - wanted).abs() <= 1e-3 * wanted.max(1.0),
                "{k}: {told} for {wanted}"
            );
        }
    }
}
