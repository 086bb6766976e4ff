//! What the cutting kernel computes, word by word in plain Rust: tests hold the CPU's path against it,
//! and the kernel against the same words.

use crate::device::plan::Table;
use crate::device::surface::{Samples, Surface};

/// The values of one look: channels, rows, columns, as `cut_f32` writes them. `memory` is the surface's.
///
/// # Panics
/// Where a word or a sample lies outside: what the checks of [`Table`] and [`Surface`] rule out.
pub(crate) fn cut(table: &Table, surface: &Surface, memory: &[u8]) -> Vec<f32> {
    let words = &table.words;
    let (wide, high) = (table.out.0 as usize, table.out.1 as usize);
    let word = |at: usize| words[at] as usize;
    let mut out = Vec::with_capacity(table.values());
    for channel in 0..table.channels as usize {
        let part = word(channel);
        let (step, offset) = (word(part + 1), word(part + 2));
        let (across, down) = (word(part + 3), word(part + 4));
        let (columns, rows) = (word(part + 5)..word(part + 6), word(part + 7)..word(part + 8));
        let firsts = part + 9;
        let weights = firsts + wide + high;
        let (plane, pitch) = match word(part) {
            0 => (0, surface.luma_pitch),
            _ => (surface.chroma_offset, surface.chroma_pitch),
        };
        let sample = |x: usize, y: usize| {
            let at = plane + y * pitch + (x * step + offset) * surface.samples.bytes();
            match surface.samples {
                Samples::Nv12 => f32::from(memory[at]) / 255.0,
                Samples::P010 => {
                    f32::from(u16::from_le_bytes([memory[at], memory[at + 1]])) / (255.0 * 256.0)
                }
            }
        };
        let weight = |at: usize| f32::from_bits(words[weights + at]);
        for y in 0..high {
            for x in 0..wide {
                if !columns.contains(&x) || !rows.contains(&y) {
                    out.push(0.5);
                    continue;
                }
                let (first_x, first_y) = (word(firsts + x), word(firsts + wide + y));
                let mut sum = 0.0;
                for j in 0..down {
                    let line: f32 = (0..across)
                        .map(|i| weight(x * across + i) * sample(first_x + i, first_y + j))
                        .sum();
                    sum += weight(wide * across + y * down + j) * line;
                }
                out.push(sum);
            }
        }
    }
    out
}
