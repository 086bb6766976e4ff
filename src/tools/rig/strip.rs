//! A clock in the picture: 48 blocks along the lower edge, bright for 1 (pure).
//!
//! 40 bits of UTC in tenths of a millisecond, Gray-coded (between two instants one block changes, so
//! that an exposure across a change reads one or the other), then 8 bits of parity.

use crate::media::UtcTime;

/// Side of a block, pixels: whole macroblocks, so that the encoder keeps them apart.
const BLOCK: usize = 16;
const TIME_BITS: u32 = 40;
const PARITY_BITS: u32 = 8;
const BITS: u32 = TIME_BITS + PARITY_BITS;
/// What one step of the clock lasts, ns.
const TICK: i64 = 100_000;
const BRIGHT: u8 = 235;
const DARK: u8 = 16;
/// Narrowest picture that carries a strip, pixels.
pub(crate) const MIN_WIDTH: usize = BITS as usize * BLOCK;

/// Draws `at` into a luma plane. Nothing is drawn where it does not fit.
pub(crate) fn draw(luma: &mut [u8], stride: usize, (width, height): (usize, usize), at: UtcTime) {
    if width < MIN_WIDTH || height < BLOCK {
        return;
    }
    let bits = encode(at);
    let top = (height - BLOCK) / BLOCK * BLOCK;
    for row in luma.chunks_mut(stride).skip(top).take(BLOCK) {
        for (block, bit) in row.chunks_mut(BLOCK).zip((0..BITS).rev()) {
            block.fill(if bits >> bit & 1 == 1 { BRIGHT } else { DARK });
        }
    }
}

/// Reads the clock of a picture that was taken within some days of `near`. `None` where there is no
/// strip, or it is damaged.
pub(crate) fn read(
    luma: &[u8],
    stride: usize,
    (width, height): (usize, usize),
    near: UtcTime,
) -> Option<UtcTime> {
    if width < MIN_WIDTH || height < BLOCK || stride < width {
        return None;
    }
    let top = (height - BLOCK) / BLOCK * BLOCK;
    let rows: Vec<&[u8]> = luma.chunks(stride).skip(top + BLOCK / 4).take(BLOCK / 2).collect();
    let mut bits = 0_u64;
    for block in 0..BITS as usize {
        let from = block * BLOCK + BLOCK / 4;
        let mut sum = 0_usize;
        for row in &rows {
            sum += row
                .get(from..from + BLOCK / 2)?
                .iter()
                .map(|&luma| usize::from(luma))
                .sum::<usize>();
        }
        let mean = sum / (rows.len() * BLOCK / 2).max(1);
        bits = bits << 1 | u64::from(mean > 125);
    }
    decode(bits, near)
}

fn encode(at: UtcTime) -> u64 {
    let ticks = u64::try_from(at.as_nanos().div_euclid(TICK)).unwrap_or(0) & ((1 << TIME_BITS) - 1);
    let gray = ticks ^ ticks >> 1;
    gray << PARITY_BITS | parity(gray)
}

fn decode(bits: u64, near: UtcTime) -> Option<UtcTime> {
    let gray = bits >> PARITY_BITS;
    if bits & ((1 << PARITY_BITS) - 1) != parity(gray) {
        return None;
    }
    let ticks = (0..TIME_BITS).fold(0, |ticks, shift| ticks ^ gray >> shift);
    let range = 1_i64 << TIME_BITS;
    let base = near.as_nanos().div_euclid(TICK);
    // The whole that is nearest to `near`.
    let ahead = (i64::try_from(ticks).ok()? - base + range / 2).rem_euclid(range) - range / 2;
    Some(UtcTime::from_nanos((base + ahead).saturating_mul(TICK)))
}

/// All bytes together, inverted, so that a plain dark strip is no time.
fn parity(gray: u64) -> u64 {
    u64::from(!gray.to_be_bytes().into_iter().fold(0, |sum, byte| sum ^ byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbouring_instants_differ_in_one_block_and_its_parity() {
        let at = UtcTime::from_nanos(1_796_083_200_123_400_000);
        let (now, next) = (encode(at), encode(at.plus_nanos(TICK)));
        assert_eq!(((now ^ next) >> PARITY_BITS).count_ones(), 1);
    }

    #[test]
    fn a_picture_without_a_strip_tells_no_time() {
        let near = UtcTime::from_nanos(0);
        for luma in [16, 128, 235] {
            assert_eq!(read(&[luma; 768 * 64], 768, (768, 64), near), None, "{luma}");
        }
        assert_eq!(read(&[], 768, (768, 64), near), None);
    }

    proptest! {
        #[test]
        fn what_is_drawn_is_read(nanos in 0..i64::MAX / 2, off in -864_000_i64..864_000, noise in 0..60_u8) {
            let at = UtcTime::from_nanos(nanos.div_euclid(TICK) * TICK);
            let (stride, size) = (1344, (1280, 722));
            let mut luma = vec![100; stride * size.1];
            draw(&mut luma, stride, size, at);
            for (n, luma) in luma.iter_mut().enumerate() {
                let by = u8::try_from(n * 31 % 61).unwrap_or(0).min(noise);
                *luma = if n % 2 == 0 { luma.saturating_add(by) } else { luma.saturating_sub(by) };
            }
            let near = at.plus_nanos(off * 1_000_000_000);
            prop_assert_eq!(read(&luma, stride, size, near), Some(at));
        }
    }
}
