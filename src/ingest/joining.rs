//! Messages → pictures: which messages are parts of one picture (pure).
//!
//! A message holds a picture (Adobe FLV 10.1, E.4.3.1). Some encoders send each NAL unit as a message of its
//! own, or several in one; taken for pictures these would be four, each a quarter new. A slice that is not a picture's
//! first (`first_mb_in_slice`, `first_slice_segment_in_pic_flag`: 7.4.1.2.4, H.265 7.4.2.4.5) begins none, whatever
//! the time that it is sent with. No slice says how many follow it (ITU-T H.264 7.3.3), so that a picture is whole
//! shows only in what comes next, unless its slices cut it evenly. Who sends one message a picture must not wait for
//! that. So how many slices a publish's pictures have is learnt of its first one:
//!
//! ```text
//! First     whole by its own slices: goes on; else it waits for what comes next, a message of sound too
//!   └─ it had n slices ─→ Known(n)   each goes on with its nth slice, in one message or in several
//! Known(n) ── one has fewer, in one message as all before it ─→ Whole   each message goes on at once
//!          ├─ one has fewer, and pictures came in parts ─→ Successor
//!          └─ one has more: what is behind the nth is let go ─→ Learning, or Successor where pictures came in parts
//! Whole ── a part of a picture that went on comes, and is let go ─→ Learning   each waits for the next
//! Learning ── one came in parts, of n slices ─→ Known(n)
//!          └─ one came in one ─────→ Successor  each waits for the next
//! ```
//! So one picture of a publish waits, the first, and no longer than until the next message. Both fields of a frame
//! in two messages of one time are two pictures still.

use bytes::{Bytes, BytesMut};

use crate::media::without_trailing_zeros;

/// Bytes of a picture in parts: more than the largest message, and no more than a picture may have.
const MAX_JOINED: usize = 16 << 20;

/// How a publish cuts its pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Cut {
    /// Nobody knows: the first picture is not there yet.
    #[default]
    First,
    /// Each has so many slices.
    Known {
        slices: u32,
        /// Pictures came in parts.
        in_parts: bool,
    },
    /// Into one message each, of ever other numbers of slices.
    Whole,
    /// Into several messages, nobody knows yet of how many slices.
    Learning,
    /// Into some, never the same.
    Successor,
}

/// A picture, or a part of one, that can be joined with what follows it.
pub(crate) trait Part {
    /// As sent.
    fn timestamp(&self) -> u32;
    /// True where a picture begins with it.
    fn begins(&self) -> bool;
    /// How many slices it has.
    fn slices(&self) -> u32;
    /// True where its slices say that no other follows.
    fn is_whole(&self) -> bool;
    /// Bytes.
    fn len(&self) -> usize;
    /// Takes what follows it.
    fn join(&mut self, next: Self);
}

/// Joins the parts of a publish's pictures.
pub(crate) struct Joiner<P> {
    cut: Cut,
    /// The picture that is not known to be whole, and its parts.
    held: Option<(P, u32)>,
    /// Time of the last part of the picture begun last.
    last: Option<u32>,
}

/// What becomes of a part.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Joined<P> {
    /// Whole pictures, in order.
    pub(crate) whole: [Option<P>; 2],
    /// It came too late, or made its picture too large: let go.
    pub(crate) lost: bool,
}

impl<P> Default for Joiner<P> {
    fn default() -> Self {
        Self { cut: Cut::default(), held: None, last: None }
    }
}

impl<P: Part> Joiner<P> {
    /// Takes a part.
    pub(crate) fn take(&mut self, part: P) -> Joined<P> {
        // What comes before any picture is taken for one: its decoder will say.
        let continues = self.last.is_some() && !part.begins();
        self.last = Some(part.timestamp());
        if continues {
            return self.go_on(part);
        }
        let before = self.flush();
        let goes_on = match self.cut {
            Cut::First if part.is_whole() => {
                self.cut = Cut::Known { slices: part.slices(), in_parts: false };
                true
            }
            Cut::Known { slices, .. } => part.slices() >= slices,
            Cut::Whole => true,
            Cut::First | Cut::Learning | Cut::Successor => false,
        };
        if goes_on {
            return Joined { whole: [before, Some(part)], lost: false };
        }
        self.held = Some((part, 1));
        Joined { whole: [before, None], lost: false }
    }

    fn go_on(&mut self, part: P) -> Joined<P> {
        const LOST: bool = true;
        let Some((held, parts)) = &mut self.held else {
            self.cut = match self.cut {
                Cut::First | Cut::Whole | Cut::Learning | Cut::Known { in_parts: false, .. } => {
                    Cut::Learning
                }
                Cut::Known { in_parts: true, .. } | Cut::Successor => Cut::Successor,
            };
            return Joined { whole: [None, None], lost: LOST };
        };
        *parts += 1;
        if held.len() + part.len() > MAX_JOINED {
            return Joined { whole: [None, None], lost: LOST };
        }
        held.join(part);
        let is_whole = match &mut self.cut {
            Cut::First if held.is_whole() => {
                self.cut = Cut::Known { slices: held.slices(), in_parts: true };
                true
            }
            Cut::Known { slices, in_parts } => {
                *in_parts = true;
                held.slices() >= *slices
            }
            Cut::First | Cut::Whole | Cut::Learning | Cut::Successor => false,
        };
        let whole = if is_whole { self.held.take().map(|(held, _)| held) } else { None };
        Joined { whole: [whole, None], lost: false }
    }

    /// What is held is whole: another begins, or nothing more comes.
    pub(crate) fn flush(&mut self) -> Option<P> {
        let (held, parts) = self.held.take()?;
        let known = |in_parts| Cut::Known { slices: held.slices(), in_parts };
        self.cut = match self.cut {
            Cut::First => known(parts > 1),
            Cut::Learning if parts > 1 => known(true),
            Cut::Known { in_parts: false, .. } => Cut::Whole,
            Cut::Known { .. } | Cut::Whole | Cut::Learning | Cut::Successor => Cut::Successor,
        };
        Some(held)
    }

    /// What belongs to a moment other than that of the picture that is held shows that it is whole.
    pub(crate) fn flush_before(&mut self, timestamp: u32) -> Option<P> {
        let is_other = self.held.is_some() && self.last != Some(timestamp);
        if is_other { self.flush() } else { None }
    }

    /// Sound came: the first picture is whole, since what comes is in order, unless the sound is of the same time or
    /// of just before.
    pub(crate) fn heard(&mut self, timestamp: u32) -> Option<P> {
        const JUST_BEFORE_MS: i32 = 1_000;
        let last = self.last.filter(|_| self.cut == Cut::First)?;
        let later = timestamp.wrapping_sub(last).cast_signed();
        if (-JUST_BEFORE_MS..=0).contains(&later) { None } else { self.flush() }
    }

    /// The picture that is not known to be whole.
    pub(crate) fn held(&mut self) -> Option<&mut P> {
        self.held.as_mut().map(|(held, _)| held)
    }

    /// For tests of what is not about cutting.
    #[cfg(test)]
    pub(crate) const fn whole() -> Self {
        Self { cut: Cut::Whole, held: None, last: None }
    }

    /// Whether it asks if a part's slices say that its picture is whole: of the first picture alone.
    pub(crate) fn learns(&self) -> bool {
        self.cut == Cut::First
    }

    /// Time of the last part of the picture begun last.
    pub(crate) const fn last(&self) -> Option<u32> {
        self.last
    }
}

/// The units of `data`, each behind its length in 4 bytes, if start codes stand between them in place of
/// lengths of `length_size` bytes (H.264 Annex B in FLV, as some firmwares send it). `None` of data whose lengths
/// add up: a length of 256 to 511 looks like a start code too.
pub(crate) fn start_coded(data: &Bytes, length_size: usize) -> Option<Bytes> {
    // Any number of zeros may stand in front of the first one (B.1.1, `leading_zero_8bits`).
    let zeros = data.iter().take_while(|byte| **byte == 0).count();
    let begins = zeros >= 2 && data.get(zeros) == Some(&1);
    if !begins || lengths_add_up(data, length_size) {
        return None;
    }
    let mut units = BytesMut::with_capacity(data.len() + 64);
    for unit in units_of(data) {
        units.extend_from_slice(&u32::try_from(unit.len()).ok()?.to_be_bytes());
        units.extend_from_slice(unit);
    }
    Some(units.freeze())
}

/// The units between start codes, without the zeros that may stand behind them (Annex B.1).
pub(crate) fn units_of(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = memchr::memmem::find(data, &[0, 0, 1]).and_then(|at| data.get(at + 3..));
    std::iter::from_fn(move || {
        let from = rest?;
        let end = memchr::memmem::find(from, &[0, 0, 1]);
        rest = end.and_then(|at| from.get(at + 3..));
        let unit = from.get(..end.unwrap_or(from.len()))?;
        Some(without_trailing_zeros(unit))
    })
    .filter(|unit| !unit.is_empty())
}

fn lengths_add_up(data: &[u8], length_size: usize) -> bool {
    let mut at = 0;
    while at < data.len() {
        let Some(length) = data.get(at..at + length_size) else { return false };
        let length = length.iter().fold(0_usize, |sum, &byte| sum << 8 | usize::from(byte));
        let Some(next) = (at + length_size).checked_add(length) else { return false };
        at = next;
    }
    at == data.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A time, where its slices begin, and a byte of each.
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Slice(u32, Vec<u32>, Vec<u8>);

    impl Part for Slice {
        fn timestamp(&self) -> u32 {
            self.0
        }
        fn begins(&self) -> bool {
            self.1.contains(&0)
        }
        fn slices(&self) -> u32 {
            u32::try_from(self.1.len()).unwrap()
        }
        fn is_whole(&self) -> bool {
            // Four of a quarter each.
            self.1 == [0, 25, 50, 75]
        }
        fn len(&self) -> usize {
            self.2.len()
        }
        fn join(&mut self, next: Self) {
            self.1.extend(next.1);
            self.2.extend(next.2);
        }
    }

    /// What each message makes go on, and how many were let go.
    fn sent<'a>(
        parts: impl IntoIterator<Item = (u32, &'a [u32])>,
    ) -> (Vec<Vec<(u32, usize)>>, usize) {
        let (mut joiner, mut lost) = (Joiner::default(), 0);
        let mut told: Vec<Vec<(u32, usize)>> = Vec::new();
        for (time, slices) in parts {
            let joined = joiner.take(Slice(time, slices.to_vec(), vec![0; slices.len()]));
            lost += usize::from(joined.lost);
            told.push(joined.whole.into_iter().flatten().map(|p| (p.0, p.2.len())).collect());
        }
        told.push(joiner.flush().into_iter().map(|p| (p.0, p.2.len())).collect());
        (told, lost)
    }

    /// The same of messages of one slice each.
    fn through(parts: &[(u32, u32)]) -> (Vec<Vec<(u32, usize)>>, usize) {
        sent(parts.iter().map(|(time, first)| (*time, std::slice::from_ref(first))))
    }

    #[test]
    fn one_message_a_picture_waits_with_the_first_alone() {
        let (told, lost) = through(&[(0, 0), (33, 0), (66, 0), (66, 0), (100, 0)]);
        let rows: [&[(u32, usize)]; 6] =
            [&[], &[(0, 1), (33, 1)], &[(66, 1)], &[(66, 1)], &[(100, 1)], &[]];
        assert_eq!((told, lost), (rows.map(<[_]>::to_vec).to_vec(), 0));
    }

    #[test]
    fn slices_of_one_time_are_one_picture_that_goes_on_with_its_last() {
        let slices = |time| [(time, 0), (time, 20), (time, 40)];
        let all: Vec<_> = [0, 33, 66, 100].into_iter().flat_map(slices).collect();
        let (told, lost) = through(&all);
        let whole: Vec<_> = told.iter().map(|told| told.as_slice()).collect();
        let none: &[(u32, usize)] = &[];
        assert_eq!(whole[..3], [none; 3], "nobody knows");
        assert_eq!(
            whole[3..6],
            [&[(0, 3)], none, &[(33, 3)]],
            "the first waits, and none after it"
        );
        assert_eq!(whole[6..9], [none, none, &[(66, 3)]]);
        assert_eq!(whole[9..], [none, none, &[(100, 3)], none]);
        assert_eq!(lost, 0);
    }

    #[test]
    fn pictures_of_ever_other_numbers_of_slices_wait_for_the_next() {
        let (told, lost) = through(&[
            (0, 0),
            (0, 9),
            (33, 0),
            (66, 0),
            (66, 5),
            (66, 9),
            (100, 0),
            (133, 0),
            (133, 4),
        ]);
        let told: Vec<_> = told.into_iter().flatten().collect();
        assert_eq!((told, lost), (vec![(0, 2), (33, 1), (66, 3), (100, 1), (133, 2)], 0));
    }

    #[test]
    fn a_publish_that_cuts_its_pictures_only_later_is_learnt_again() {
        let (told, lost) =
            through(&[(0, 0), (33, 0), (66, 0), (66, 9), (100, 0), (100, 9), (133, 0)]);
        let told: Vec<_> = told.into_iter().flatten().collect();
        assert_eq!((told, lost), (vec![(0, 1), (33, 1), (66, 1), (100, 2), (133, 1)], 1));
    }

    #[test]
    fn a_slice_that_begins_no_picture_is_none_whatever_its_time() {
        // A millisecond from slice to slice.
        let quarters = |time: u32| (0..4).map(move |n| (time + n, n * 25));
        let all: Vec<_> = [0, 33, 66, 100].into_iter().flat_map(quarters).collect();
        let (told, lost) = through(&all);
        for (at, told) in told.iter().enumerate() {
            let whole = at % 4 == 3;
            assert_eq!(told.len(), usize::from(whole), "{at}: {told:?}");
            assert!(told.iter().all(|(_, slices)| *slices == 4));
        }
        assert_eq!(lost, 0);
    }

    #[test]
    fn pictures_of_four_slices_are_whole_however_many_a_message_holds() {
        static ALL: [u32; 4] = [0, 25, 50, 75];
        let rows: [&[&[usize]]; 6] = [
            &[&[2, 2]],
            &[&[3, 1]],
            &[&[1, 3]],
            // The first in two, the others in four; the first in one.
            &[&[2, 2], &[1, 1, 1, 1], &[1, 1, 1, 1]],
            &[&[4], &[1, 1, 1, 1], &[1, 1, 1, 1], &[2, 2]],
            &[&[1, 1, 2], &[4], &[2, 2], &[3, 1], &[1, 3], &[1, 1, 1, 1], &[4]],
        ];
        for forms in rows {
            let mut messages: Vec<(u32, &[u32])> = Vec::new();
            let mut ends = Vec::new();
            for n in 0..12 {
                let mut rest = &ALL[..];
                for count in forms[n % forms.len()] {
                    let (now, after) = rest.split_at(*count);
                    messages.push((n as u32 * 33, now));
                    rest = after;
                }
                ends.push(messages.len() - 1);
            }
            let (told, lost) = sent(messages);
            assert_eq!(lost, 0, "{forms:?}");
            // Each with its own last slice: nothing waits for a successor.
            for (at, told) in told.iter().enumerate() {
                let expected: Vec<_> = ends.iter().position(|end| *end == at).into_iter().collect();
                let expected: Vec<_> = expected.iter().map(|n| (*n as u32 * 33, 4)).collect();
                assert_eq!(told, &expected, "{forms:?} message {at}");
            }
        }
    }

    #[test]
    fn a_publisher_of_one_message_a_picture_waits_once_where_its_slices_are_ever_others() {
        let slices: [&[u32]; 5] = [&[0, 10, 30], &[0], &[0, 40], &[0, 10, 30, 80], &[0]];
        let (told, lost) = sent((0..5).map(|n| (n as u32 * 33, slices[n])));
        let rows: [&[(u32, usize)]; 6] =
            [&[], &[(0, 3)], &[(33, 1), (66, 2)], &[(99, 4)], &[(132, 1)], &[]];
        assert_eq!((told, lost), (rows.map(<[_]>::to_vec).to_vec(), 0));
    }

    #[test]
    fn start_codes_become_lengths_and_lengths_that_look_like_them_stay() {
        let coded =
            |data: &[u8]| start_coded(&Bytes::copy_from_slice(data), 4).map(|units| units.to_vec());
        let two = [0, 0, 0, 1, 0x67, 5, 0, 0, 1, 0x65, 0x88, 0, 0];
        assert_eq!(coded(&two), Some(vec![0, 0, 0, 2, 0x67, 5, 0, 0, 0, 2, 0x65, 0x88]));
        assert_eq!(coded(&[0, 0, 1, 0x65, 7]), Some(vec![0, 0, 0, 2, 0x65, 7]));
        // Zeros in front of the first start code, and behind each unit (B.1.1).
        for zeros in 0..9 {
            let padded = [&vec![0; zeros], &two[..], &vec![0; zeros]].concat();
            assert_eq!(coded(&padded), coded(&two), "{zeros}");
        }
        assert_eq!(coded(&[0; 40]), None);
        // A unit of 256 bytes behind its own length.
        let mut long = vec![0, 0, 1, 0, 0x65];
        long.resize(4 + 256, 7);
        assert_eq!(coded(&long), None);
        assert_eq!(coded(&[0, 0, 0, 2, 0x65, 1]), None);
        assert_eq!(coded(&[]), None);
    }

    #[test]
    fn annex_b_and_lengths_say_the_same_of_any_units() {
        use proptest::prelude::*;
        let unit = proptest::collection::vec(1_u8..=255, 1..700);
        proptest!(|(units in proptest::collection::vec(unit, 1..9), long in any::<bool>())| {
            let mut start = Vec::new();
            let mut lengths = Vec::new();
            for unit in &units {
                start.extend_from_slice(if long { &[0, 0, 0, 1] } else { &[0, 0, 1][..] });
                start.extend_from_slice(unit);
                lengths.extend_from_slice(&(unit.len() as u32).to_be_bytes());
                lengths.extend_from_slice(unit);
            }
            prop_assert!(units_of(&start).eq(units.iter().map(Vec::as_slice)));
            prop_assert_eq!(start_coded(&Bytes::from(lengths.clone()), 4), None);
            // Where it cannot be either: both readings add up for some, and then lengths hold.
            if let Some(told) = start_coded(&Bytes::from(start), 4) {
                prop_assert_eq!(told.to_vec(), lengths);
            }
        });
    }
}
