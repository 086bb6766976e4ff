//! What the net is given of a hop of 16 ms: the fine spectrum from 1.5 to 6.5 kHz of this frame and the one before,
//! both over their own median, and how loud seven broad bands are beside it. Pure.
//!
//! The same numbers as `features` of models/train/hear/hall.py; models/hear/whistle.json, which training writes, holds
//! both together (test below).

use crate::hear::spectrum::{BINS, FRAME, Spectrum};

/// Samples from hop to hop.
pub const HOP: usize = 256;
/// 1.5 to 6.5 kHz.
const FINE: std::ops::Range<usize> = 48..208;
const WIDTH: usize = 80;
/// Where broad bands begin and end.
const BANDS: [usize; 9] = [1, 8, 16, 32, 48, 80, 144, 208, 256];
/// Numbers of a hop.
pub(super) const INPUTS: usize = 2 * WIDTH + BANDS.len() - 1;

/// One hop, as it is looked at.
#[derive(Clone, Debug)]
pub struct Hop {
    /// What the net is given.
    pub row: [f32; INPUTS],
    /// Power of the whole frame, 0 dB is a full square wave's.
    pub power: f32,
}

/// Samples in, hops out.
#[derive(Clone, Debug)]
pub struct Front {
    spectrum: Spectrum,
    waiting: Vec<f32>,
    before: Option<[f32; WIDTH]>,
}

impl Default for Front {
    fn default() -> Self {
        Self { spectrum: Spectrum::new(), waiting: Vec::with_capacity(FRAME), before: None }
    }
}

impl Front {
    /// Takes samples (-1 to 1) in; each hop that is full goes to `each`, the first after two frames.
    pub fn take(&mut self, samples: &[f32], mut each: impl FnMut(&Hop)) {
        for sample in samples {
            // What is no number would stay in every sum from here on.
            self.waiting.push(if sample.is_finite() { sample.clamp(-4.0, 4.0) } else { 0.0 });
            if self.waiting.len() == FRAME {
                if let Some(hop) = self.hop() {
                    each(&hop);
                }
                self.waiting.drain(..HOP);
            }
        }
    }

    /// Samples that follow do not follow on those before.
    pub fn begin_anew(&mut self) {
        self.waiting.clear();
        self.before = None;
    }

    fn hop(&mut self) -> Option<Hop> {
        let mut power = [0.0; BINS];
        self.spectrum.power(&self.waiting, &mut power);
        let level = power.map(|power| (power + 1e-6).ln());
        let mut fine = [0.0; WIDTH];
        for (out, two) in fine.iter_mut().zip(level.get(FINE)?.chunks_exact(2)) {
            *out = two.iter().copied().fold(f32::MIN, f32::max);
        }
        let mut sorted = fine;
        sorted.sort_unstable_by(f32::total_cmp);
        let middle = *sorted.get(WIDTH / 2)?;
        let fine = fine.map(|level| ((level - middle) / 4.0).clamp(-1.0, 3.0));
        let before = self.before.replace(fine)?;
        let mut row = [0.0; INPUTS];
        let bands = BANDS.windows(2).filter_map(|ends| {
            let band = level.get(*ends.first()?..*ends.last()?)?;
            #[expect(clippy::cast_precision_loss, reason = "64 and below")]
            let mean = band.iter().sum::<f32>() / band.len() as f32;
            Some(((mean - middle) / 4.0).clamp(-3.0, 3.0))
        });
        for (out, value) in row.iter_mut().zip(before.into_iter().chain(fine).chain(bands)) {
            *out = value;
        }
        #[expect(clippy::cast_precision_loss, reason = "512")]
        let power = self.waiting.iter().map(|sample| sample * sample).sum::<f32>() / FRAME as f32;
        Some(Hop { row, power })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_are_the_same_however_samples_are_cut() {
        let samples: Vec<f32> =
            (0..6_000_u32).map(|n| ((n * n) % 997) as f32 / 997.0 - 0.5).collect();
        let hops = |cut: usize| {
            let (mut front, mut rows) = (Front::default(), Vec::new());
            for part in samples.chunks(cut) {
                front.take(part, |hop| rows.push(hop.row.to_vec()));
            }
            rows
        };
        let whole = hops(6_000);
        assert_eq!(whole.len(), (6_000 - FRAME) / HOP);
        for cut in [1, 255, 256, 1_023] {
            assert_eq!(hops(cut), whole, "{cut}");
        }
    }

    #[test]
    fn what_is_no_number_is_silence() {
        let (mut front, mut hops) = (Front::default(), 0);
        front.take(&[f32::NAN, f32::INFINITY].repeat(1_000), |hop| {
            assert!(hop.row.iter().all(|value| value.is_finite()) && hop.power == 0.0);
            hops += 1;
        });
        assert_eq!(hops, (2_000 - FRAME) / HOP);
    }
}
