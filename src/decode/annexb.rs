//! From NAL units behind lengths to NAL units behind start codes (ITU-T H.264 annex B; pure).

use bytes::Bytes;

const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// Bytes of a length before each NAL unit (`AccessUnit::data`).
const LENGTH: usize = START_CODE.len();

/// Returns `sets`, then the NAL units of `data`, each behind a start code. `None` when `data` is
/// empty or a length in it does not fit: such a unit cannot be decoded.
pub(crate) fn annex_b(sets: &[Bytes], data: &[u8]) -> Option<Vec<u8>> {
    let ahead: usize = sets.iter().map(|set| set.len() + START_CODE.len()).sum();
    let mut stream = Vec::with_capacity(ahead + data.len());
    for set in sets {
        stream.extend_from_slice(&START_CODE);
        stream.extend_from_slice(set);
    }
    let mut rest = data;
    let mut any = false;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<LENGTH>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (unit, after) = after.split_at_checked(length)?;
        if !unit.is_empty() {
            any = true;
            stream.extend_from_slice(&START_CODE);
            stream.extend_from_slice(unit);
        }
        rest = after;
    }
    any.then_some(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_become_start_codes_behind_the_sets() {
        let sets = [Bytes::from_static(&[0x67, 1]), Bytes::from_static(&[0x68])];
        let data = [0, 0, 0, 2, 0x65, 9, 0, 0, 0, 0, 0, 0, 0, 1, 0x41];
        let expected =
            [0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 0, 0, 0, 1, 0x65, 9, 0, 0, 0, 1, 0x41];
        assert_eq!(annex_b(&sets, &data).as_deref(), Some(&expected[..]));
    }

    #[test]
    fn damaged_lengths_are_no_unit() {
        for data in [&[][..], &[0, 0, 0], &[0, 0, 0, 2, 1], &[0xff; 9], &[0, 0, 0, 0]] {
            assert_eq!(annex_b(&[], data), None, "{data:?}");
        }
    }
}
