//! Which parameters decode alike (pure): encoders send sets again that differ in nothing a decoder looks at.
//!
//! A recording that began anew at each would be cut into as many clips. So those in force stay in force while what
//! comes says no more than they do: each set of it is one of theirs but for what only says which decoders may try
//! (constraint flags), how much a set is referred to (`nal_ref_idc`), zeros behind it, when pictures are due (timing, the buffer of the hypothetical decoder), and a level that is
//! no higher: a decoder of the higher one keeps as many pictures, or more. What fails: sets that cannot be read are
//! like themselves alone.

use bytes::Bytes;

use crate::media::unit::{Codec, CodecParameters};
use crate::media::{h264, h265};

/// True if pictures of `new` are decoded with the sets of `in_force` as with their own.
#[must_use]
pub fn decodes_alike(in_force: &CodecParameters, new: &CodecParameters) -> bool {
    let what = |of: &CodecParameters| (of.codec, of.width, of.height, of.reorder_frames);
    let (kept, sets) = (&in_force.parameter_sets, &new.parameter_sets);
    let is = |one: &Bytes, other: &Bytes| covers(in_force.codec, one, other);
    // The first is what sizes and names are told of.
    let same_first = kept.iter().zip(sets).next().is_some_and(|(one, other)| is(one, other));
    what(in_force) == what(new)
        && in_force.low_delay_sets.is_some() == new.low_delay_sets.is_some()
        && same_first
        && sets.iter().all(|set| kept.iter().any(|known| is(known, set)))
}

/// True if `known` says all that decoders look at in `set`.
fn covers(codec: Codec, known: &[u8], set: &[u8]) -> bool {
    let (looked_at, level): (fn(&[u8]) -> Vec<u8>, fn(&[u8]) -> u8) = match codec {
        Codec::H264 => (h264::looked_at, h264::level),
        Codec::H265 => (h265::looked_at, h265::level),
    };
    known == set || (looked_at(known) == looked_at(set) && level(known) >= level(set))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x264, High 4.0, 1920×1080, with timing, and one of its picture parameter sets.
    const SPS: &[u8] = b"\x67\x64\x00\x28\xac\xd9\x40\x78\x02\x27\xe5\xc0\x44\x00\x00\x03\x00\x04\x00\x00\x03\x00\xc8\x3c\x60\xc6\x58";
    const PPS: &[u8] = b"\x68\xeb\xe3\xcb\x22\xc0";

    fn parameters(sets: &[&[u8]]) -> CodecParameters {
        let mut known = h264::ParameterSets::default();
        assert!(sets.iter().all(|set| known.update(&Bytes::copy_from_slice(set))));
        known.parameters().expect("sets")
    }

    fn with(at: usize, byte: u8) -> Vec<u8> {
        let mut set = SPS.to_vec();
        set[at] = byte;
        set
    }

    #[test]
    fn the_header_of_a_set_and_zeros_behind_it_mean_nothing_in_h265_too() {
        use crate::media::naming::crafted::{nal, pps, sps};
        let more = |bits: &mut crate::media::bits::BitWriter| {
            bits.unsigned(0);
            bits.flag(false);
        };
        let sets =
            || [nal(32, |bits| bits.bits(0x0C01_FFFF, 32)), sps((1_920, 1_080), 4, more), pps()];
        let parameters = |sets: [Vec<u8>; 3]| {
            let mut known = h265::ParameterSets::default();
            assert!(sets.into_iter().all(|set| known.update(&set.into())));
            known.parameters().expect("sets")
        };
        let kept = parameters(sets());
        for at in 0..3 {
            let mut padded = sets();
            padded[at].extend([0, 0]);
            assert_eq!(parameters(padded.clone()), kept, "zeros behind set {at}");
            // Of another temporal layer, as only the picture parameter set may be.
            padded[at][1] = 3;
            assert!(decodes_alike(&kept, &parameters(padded)), "set {at}");
        }
        let other = parameters([sets()[0].clone(), sps((1_280, 720), 4, more), sets()[2].clone()]);
        assert!(!decodes_alike(&kept, &other));
    }

    #[test]
    fn what_no_decoder_looks_at_is_no_change_and_what_one_does_is() {
        let kept = parameters(&[SPS, PPS]);
        let alike = |sets: &[&[u8]]| decodes_alike(&kept, &parameters(sets));
        assert!(alike(&[SPS, PPS]));
        assert!(alike(&[&with(2, 0x04), PPS]), "a constraint flag");
        assert!(alike(&[&with(3, 0x1F), PPS]), "a lower level");
        assert!(alike(&[&with(22, 0xCC), PPS]), "another time scale");
        for header in [0x27, 0x47] {
            let pps = [&[header & 0x60 | 8], &PPS[1..]].concat();
            assert!(alike(&[&with(0, header), &pps]), "how much it is referred to");
        }
        let padded = |set: &[u8], zeros| [set, &vec![0; zeros]].concat();
        assert!(alike(&[&padded(SPS, 2), &padded(PPS, 3)]), "zeros behind them");
        assert!(!alike(&[&padded(SPS, 2), b"\x28\xee\0"]), "and another picture parameter set");
        assert!(!alike(&[&with(3, 0x33), PPS]), "a higher one wants more pictures kept");
        assert!(!alike(&[SPS, b"\x68\xee"]), "another picture parameter set");
        assert!(!alike(&[&with(6, 0x50), PPS]), "something of the picture itself");
        let more = parameters(&[SPS, PPS, b"\x68\x5c"]);
        assert!(decodes_alike(&more, &kept), "one fewer that no picture names any more");
        assert!(!decodes_alike(&kept, &more));
    }
}
