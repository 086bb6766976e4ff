//! Bits of NAL units: emulation prevention, fixed and Exp-Golomb codes (ITU-T H.264 7.3.1, 9.1).

/// Returns the payload of a NAL unit without emulation prevention bytes, at most `at_most` bytes.
pub(crate) fn unescape(nal: &[u8], at_most: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(nal.len().min(at_most));
    let mut zeros = 0;
    for &byte in nal {
        if out.len() == at_most {
            break;
        }
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// The first of `nal` up to a start code inside of it, which no NAL unit holds (ITU-T H.264 7.4.1):
/// whoever looks for start codes would take what follows for another unit.
pub(crate) fn up_to_start_code(nal: &[u8]) -> &[u8] {
    let start = memchr::memmem::find(nal, &[0, 0, 1]);
    start.and_then(|at| nal.get(..at)).unwrap_or(nal)
}

/// `nal` without zeros behind it: no NAL unit ends with one (ITU-T H.264 7.4.1, `trailing_zero_8bits` of B.1.1 are
/// not its own), and some encoders leave them there.
pub(crate) fn without_trailing_zeros(nal: &[u8]) -> &[u8] {
    let end = nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    nal.get(..end).unwrap_or(nal)
}

/// Puts emulation prevention bytes into a payload.
pub(crate) fn escape(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 8);
    let mut zeros = 0;
    for &byte in payload {
        if zeros >= 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// Reads bits, first bit first. `None` past the end.
#[derive(Clone, Debug)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bits taken.
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bits taken so far.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// Up to 32 bits.
    pub(crate) fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0_u32;
        for _ in 0..count {
            value = value << 1 | u32::from(self.flag()?);
        }
        Some(value)
    }

    pub(crate) fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count)?;
        (self.at <= self.bytes.len() * 8).then_some(())
    }

    /// ue(v). Values over 32 bits are no values.
    pub(crate) fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1_u32 << zeros) - 1 + self.bits(zeros)?)
    }

    /// se(v).
    pub(crate) fn signed(&mut self) -> Option<i32> {
        let code = i64::from(self.unsigned()?);
        let magnitude = (code + 1) / 2;
        i32::try_from(if code % 2 == 1 { magnitude } else { -magnitude }).ok()
    }
}

/// Writes bits, first bit first.
#[derive(Clone, Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits written.
    at: usize,
}

impl BitWriter {
    pub(crate) fn flag(&mut self, bit: bool) {
        if self.at.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << (7 - self.at % 8);
        }
        self.at += 1;
    }

    pub(crate) fn bits(&mut self, value: u32, count: u32) {
        (0..count).rev().for_each(|bit| self.flag(value >> bit & 1 == 1));
    }

    /// ue(v).
    pub(crate) fn unsigned(&mut self, value: u32) {
        let code = u64::from(value) + 1;
        let length = 64 - code.leading_zeros();
        (1..length).for_each(|_| self.flag(false));
        (0..length).rev().for_each(|bit| self.flag(code >> bit & 1 == 1));
    }

    /// Copies `count` bits, as far as there are.
    pub(crate) fn copy(&mut self, from: &mut BitReader<'_>, count: usize) {
        for _ in 0..count {
            let Some(bit) = from.flag() else { return };
            self.flag(bit);
        }
    }

    /// The stop bit and the zeros up to a whole byte (7.3.2.11), and the bytes.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.flag(true);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn escaping_turns_back(payload in prop::collection::vec(0_u8..5, 0..200)) {
            let escaped = escape(&payload);
            prop_assert!(!escaped.windows(3).any(|w| w[0] == 0 && w[1] == 0 && w[2] < 3));
            prop_assert_eq!(unescape(&escaped, usize::MAX), payload);
        }

        #[test]
        fn golomb_codes_turn_back(values in prop::collection::vec(0..u32::MAX - 1, 0..20)) {
            let mut writer = BitWriter::default();
            values.iter().for_each(|&value| writer.unsigned(value));
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            for value in values {
                prop_assert_eq!(reader.unsigned(), Some(value));
            }
        }
    }

    #[test]
    fn signed_codes_alternate() {
        let mut writer = BitWriter::default();
        (0..5).for_each(|code| writer.unsigned(code));
        let bytes = writer.finish();
        let mut reader = BitReader::new(&bytes);
        let values: Vec<_> = (0..5).filter_map(|_| reader.signed()).collect();
        assert_eq!(values, [0, 1, -1, 2, -2]);
    }
}
