//! H.265: of which pictures a stream names more references than was promised (ITU-T H.265 7.3.6.1; pure).
//!
//! [`Naming`] reads the first slice segments of pictures as far as their references (`references` says
//! why), and tells when more pictures are kept for them than was known. What it does not read with
//! certainty it says to be [`Named::Unknown`]: decoders might read it in more than one way.

use std::collections::BTreeMap;

use crate::media::bits::{BitReader, unescape};
use crate::media::coded::CodedPictures;
use crate::media::h265::{ParameterSets, Pps, Sps, nal_type};
use crate::media::references::{References, kept};

/// Bytes of a slice in which its references end: 32 steps of 32 bits, and what stands before.
const MAX_HEADER_BYTES: usize = 256;

/// What a slice says of the pictures that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// No more than was known.
    AsKnown,
    /// These, for the first time.
    More(CodedPictures),
    /// It cannot be read with certainty.
    Unknown,
}

/// Reads what pictures name, by the parameter sets in force.
#[derive(Clone, Debug)]
pub struct Naming {
    pps: BTreeMap<u32, Pps>,
    sps: BTreeMap<u32, Sequence>,
}

/// One sequence parameter set.
#[derive(Clone, Debug)]
struct Sequence {
    /// `None` where the set cannot be read so far.
    references: Option<References>,
    reordered: u32,
    /// What the set promises.
    promised: CodedPictures,
    /// What its pictures were seen to name.
    kept: u32,
}

impl Naming {
    /// By these sets.
    #[must_use]
    pub fn new(sets: &ParameterSets) -> Self {
        let pps = sets.pps.iter().filter_map(|nal| Pps::read(nal)).map(|pps| (pps.id, pps));
        let sequence = |nal: &[u8]| {
            let sps = Sps::read(nal)?;
            let references = sps.references(nal);
            let promised = sps.coded()?;
            let most = references.as_ref().map_or(0, References::most);
            let reordered = sps.reorder_frames;
            let kept = kept(promised, reordered, most).kept;
            Some((sps.id, Sequence { references, reordered, promised, kept }))
        };
        let sps = sets.sps.iter().filter_map(|nal| sequence(nal));
        Self { pps: pps.collect(), sps: sps.collect() }
    }

    /// Looks at a NAL unit; what it names is known from then on.
    pub fn look(&mut self, nal: &[u8]) -> Named {
        // Pictures that refer to others, whichever decoders know (table 7-1).
        if !matches!(nal_type(nal), Some(0..=9 | 16..=18 | 21)) {
            return Named::AsKnown;
        }
        let payload = unescape(nal.get(2..).unwrap_or_default(), MAX_HEADER_BYTES);
        let mut bits = BitReader::new(&payload);
        match bits.flag() {
            Some(true) => {}
            Some(false) => return Named::AsKnown,
            None => return Named::Unknown,
        }
        let Some((id, named)) = self.named(nal, &mut bits) else { return Named::Unknown };
        let Some(sequence) = self.sps.get_mut(&id) else { return Named::Unknown };
        let pictures = kept(sequence.promised, sequence.reordered, named);
        if pictures.kept <= sequence.kept {
            return Named::AsKnown;
        }
        sequence.kept = pictures.kept;
        Named::More(pictures)
    }

    /// The id of a first slice segment's SPS, and how many references it names. `bits` stand behind its
    /// first one.
    fn named(&self, nal: &[u8], bits: &mut BitReader<'_>) -> Option<(u32, u32)> {
        if nal_type(nal)? >= 16 {
            bits.skip(1)?; // no_output_of_prior_pics_flag
        }
        let pps = self.pps.get(&bits.unsigned()?)?;
        let known = self.sps.get(&pps.sps)?.references.as_ref()?;
        bits.skip(pps.extra_bits)?;
        bits.unsigned().filter(|&kind| kind < 3)?;
        bits.skip(usize::from(pps.says_output))?;
        Some((pps.sps, known.named(bits)?))
    }
}

/// Streams written bit by bit.
#[cfg(test)]
pub(crate) mod crafted {
    use crate::media::bits::{BitWriter, escape};

    pub(crate) fn nal(kind: u8, write: impl FnOnce(&mut BitWriter)) -> Vec<u8> {
        let mut bits = BitWriter::default();
        write(&mut bits);
        [&[kind << 1, 1][..], &escape(&bits.finish())].concat()
    }

    /// 4:4:4 of 10 bits that promises to keep `promised` pictures. `more` writes from
    /// `num_short_term_ref_pic_sets` to the long-term references.
    pub(crate) fn sps(
        size: (u32, u32),
        promised: u32,
        more: impl FnOnce(&mut BitWriter),
    ) -> Vec<u8> {
        nal(33, |bits| {
            bits.bits(1, 8);
            bits.bits(0x0408_0000, 32);
            (0..2).for_each(|_| bits.bits(0x9000_0000, 32));
            [0, 3].into_iter().for_each(|value| bits.unsigned(value));
            bits.flag(false);
            [size.0, size.1].into_iter().for_each(|side| bits.unsigned(side));
            bits.flag(false);
            [2, 2, 12].into_iter().for_each(|value| bits.unsigned(value));
            bits.flag(true);
            [promised - 1, 0, 0].into_iter().for_each(|value| bits.unsigned(value));
            [0, 3, 0, 3, 0, 0].into_iter().for_each(|value| bits.unsigned(value));
            // Lists, of which each is taken from the one before but one of 16 with its own DC.
            (0..2).for_each(|_| bits.flag(true));
            for list in 0..20 {
                bits.flag(list == 12);
                match list {
                    12 => (0..65).for_each(|_| bits.unsigned(0)),
                    _ => bits.unsigned(0),
                }
            }
            bits.bits(0b001, 3); // PCM
            bits.bits(0x99, 8);
            (0..2).for_each(|_| bits.unsigned(0));
            bits.flag(false);
            more(bits);
            bits.bits(0, 4);
        })
    }

    /// One that says `pic_output_flag`, and has an extra bit.
    pub(crate) fn pps() -> Vec<u8> {
        nal(34, |bits| {
            (0..2).for_each(|_| bits.unsigned(0));
            bits.bits(0b01_001, 5);
            bits.bits(0, 20);
        })
    }

    /// The first slice segment of a P picture; `more` writes from `short_term_ref_pic_set_sps_flag`.
    pub(crate) fn slice(more: impl FnOnce(&mut BitWriter)) -> Vec<u8> {
        nal(1, |bits| {
            bits.flag(true);
            bits.unsigned(0);
            bits.flag(false);
            bits.unsigned(1);
            bits.flag(true);
            bits.bits(40, 16);
            more(bits);
            bits.bits(0xFFFF, 16);
        })
    }

    /// A set that is predicted by nothing.
    pub(crate) fn own(bits: &mut BitWriter, before: u32, after: u32) {
        bits.unsigned(before);
        bits.unsigned(after);
        for _ in 0..before + after {
            bits.unsigned(0);
            bits.flag(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::crafted::{nal, own, pps, slice, sps};
    use super::*;
    use crate::media::bits::BitWriter;
    use crate::media::references::MOST_KEPT;

    /// -1, -2, 1; and by prediction from that -1, -2, -3. One long-term reference.
    fn two_sets(bits: &mut BitWriter) {
        bits.unsigned(2);
        own(bits, 2, 1);
        bits.flag(true);
        bits.flag(true);
        bits.unsigned(0); // by -1
        bits.flag(true); // -2
        bits.bits(0b01, 2); // -3, not used by this picture
        bits.bits(0b00, 2); // 0: left out
        bits.flag(true); // -1
        bits.flag(true);
        bits.unsigned(1);
        bits.bits(0, 17);
    }

    fn naming(sps: Vec<u8>) -> Naming {
        let mut sets = ParameterSets::default();
        assert!(sets.update(&sps.into()) && sets.update(&pps().into()));
        Naming::new(&sets)
    }

    #[test]
    fn sets_are_read_plain_and_predicted() {
        let nal = sps((4096, 2160), 6, two_sets);
        let read = Sps::read(&nal).unwrap().references(&nal).unwrap();
        assert_eq!(read.sets, [vec![-1, -2, 1], vec![-1, -2, -3]]);
        assert_eq!((read.long_term, read.most()), (Some(1), 3));
    }

    #[test]
    fn slices_name_by_number_by_prediction_and_by_themselves() {
        let by_number = |bits: &mut BitWriter| {
            bits.bits(0b11, 2); // the second
            bits.unsigned(1); // the long-term one of the SPS
            bits.unsigned(1); // and another
        };
        let predicted = |bits: &mut BitWriter| {
            bits.bits(0b01, 2);
            bits.unsigned(1); // from the last but one
            bits.flag(true);
            bits.unsigned(3); // by -4
            bits.bits(0b1111, 4);
            bits.unsigned(0);
            bits.unsigned(0);
        };
        let own_set = |bits: &mut BitWriter| {
            bits.bits(0b00, 2);
            own(bits, 9, 3);
            bits.unsigned(0);
            bits.unsigned(0);
        };
        let steps: [(Vec<u8>, u32); 3] =
            [(slice(by_number), 5), (slice(predicted), 4), (slice(own_set), 12)];
        for (nal, named) in steps {
            let mut tested = naming(sps((4096, 2160), named, two_sets));
            let Named::More(pictures) = tested.look(&nal) else { panic!("{named}") };
            assert_eq!(pictures.kept, 2 * named + 1);
            assert_eq!(tested.look(&nal), Named::AsKnown, "asked once");
            let mut promised = naming(sps((4096, 2160), named + 1, two_sets));
            assert_eq!(promised.look(&nal), Named::AsKnown, "it promised as many");
        }
    }

    #[test]
    fn sets_of_the_sps_count_before_a_picture_names_them() {
        let coded = |promised| {
            let mut sets = ParameterSets::default();
            sets.update(&sps((4096, 2160), promised, two_sets).into());
            sets.coded().next().unwrap().kept
        };
        assert_eq!((coded(4), coded(3), coded(1)), (4, 7, 7));
    }

    #[test]
    fn what_is_not_certain_is_unknown() {
        let full = slice(|bits| {
            bits.bits(0b00, 2);
            own(bits, 16, 16);
            bits.unsigned(0);
            bits.unsigned(0);
        });
        let of =
            |more: fn(&mut BitWriter)| naming(sps((4096, 2160), 1, two_sets)).look(&slice(more));
        assert!(matches!(
            naming(sps((4096, 2160), 1, two_sets)).look(&full),
            Named::More(pictures) if pictures.kept == MOST_KEPT
        ));
        let unknown: [fn(&mut BitWriter); 4] = [
            |bits| {
                bits.bits(0b00, 2);
                bits.unsigned(17);
            },
            |bits| {
                bits.bits(0b01, 2);
                bits.unsigned(2); // before the first set
            },
            |bits| {
                bits.bits(0b01, 2);
                bits.unsigned(1);
                bits.flag(false);
                bits.unsigned(0); // by 1: the picture itself
                bits.bits(0b1111, 4);
            },
            |bits| {
                bits.bits(0b11, 2);
                bits.unsigned(2); // two of one
            },
        ];
        for more in unknown {
            assert_eq!(of(more), Named::Unknown);
        }
        let mut cut = full.clone();
        cut.truncate(12);
        assert_eq!(naming(sps((4096, 2160), 1, two_sets)).look(&cut), Named::Unknown);
        let other_pps = nal(1, |bits| {
            bits.flag(true);
            bits.unsigned(5);
        });
        let unreadable = |bits: &mut BitWriter| bits.unsigned(65);
        assert_eq!(naming(sps((4096, 2160), 1, two_sets)).look(&other_pps), Named::Unknown);
        assert_eq!(naming(sps((4096, 2160), 1, unreadable)).look(&full), Named::Unknown);
        let mut later = full;
        later[2] &= 0x7F; // no first slice segment
        assert_eq!(naming(sps((4096, 2160), 1, two_sets)).look(&later), Named::AsKnown);
    }

    #[test]
    fn a_real_encoder_is_read_whole_and_names_what_it_promised() {
        const STREAM: &[u8] = include_bytes!("../../tests/data/x265-3.5/64x48.h265");
        let mut sets = ParameterSets::default();
        let starts: Vec<_> =
            (0..STREAM.len() - 2).filter(|&at| STREAM[at..].starts_with(&[0, 0, 1])).collect();
        let ends = starts.iter().skip(1).copied().chain([STREAM.len()]);
        let nals: Vec<_> =
            starts.iter().zip(ends).map(|(&from, to)| &STREAM[from + 3..to]).collect();
        for nal in &nals {
            sets.update(&Bytes::copy_from_slice(nal));
        }
        let mut tested = Naming::new(&sets);
        assert_eq!(sets.coded().next().unwrap().kept, 4);
        let mut named = Vec::new();
        for nal in nals.iter().filter(|nal| matches!(nal_type(nal), Some(1 | 21))) {
            assert_eq!(tested.look(nal), Named::AsKnown);
            if nal_type(nal) != Some(1) {
                continue;
            }
            let payload = unescape(&nal[2..], MAX_HEADER_BYTES);
            let mut bits = BitReader::new(&payload);
            bits.skip(1).unwrap();
            named.push(tested.named(nal, &mut bits).unwrap().1);
        }
        // Key pictures each tenth: as many references as there are pictures before, up to three.
        assert_eq!(named.len(), 22);
        assert!(named.starts_with(&[1, 2, 3, 3]), "{named:?}");
        assert!(named.iter().all(|count| (1..=3).contains(count)), "{named:?}");
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0_u8..22) {
            let mut tested = naming(sps((4096, 2160), 1, two_sets));
            if let Named::More(pictures) = tested.look(&[&[kind << 1, 1][..], &bytes].concat()) {
                prop_assert!((2..=MOST_KEPT).contains(&pictures.kept));
            }
            let nal = sps((4096, 2160), 1, |bits| bytes.iter().for_each(|&byte| bits.bits(byte.into(), 8)));
            let sps = Sps::read(&nal).unwrap();
            if let Some(read) = sps.references(&nal) {
                prop_assert!(read.most() <= MOST_KEPT);
            }
        }
    }
}
