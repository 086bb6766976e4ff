//! What a court's pictures take of a GPU's memory, asked before a decoder is built for them (pure).
//!
//! Where decoders leave their pictures in a GPU, each court takes surfaces there, and a GPU that is full
//! fails all courts at once, in the middle of their games. So whoever comes must fit at its most beside what
//! is taken now, whoever took it; the others are counted by what the device itself says is free.
//!
//! **How the sum is made.** A surface of NVDEC's is the coded picture, 4:2:0, of one or two bytes a sample: those
//! that the stream's sets let it keep and [`IN_WORK`] more. A frame holds one of a pool, of rows of a multiple of
//! [`PITCH`] bytes and as much again below the luma, and the pool grows with what frames hold and never shrinks:
//! one while models keep up, [`MOST_SURFACES`] at the most. And [`decoder`] for the decoder itself.
//!
//! **How it stands to what is measured** (H200, MiB for one court more):
//!
//! | stream, 1 reference | one held: measured | summed | all held: measured | summed, which is asked |
//! | --- | --- | --- | --- | --- |
//! | H.264 1280×720 | 22 to 26 | 22 | – | 45 |
//! | H.264 1920×1080 | 30 to 33 | 30 | 74, 162 courts of which many held all while they opened | 77 |
//! | H.265 1920×1080 | 62 | 62 | – | 109 |
//!
//! What was read of the device is some seconds old. Courts that came since, or just before, may not have
//! taken what they will: for [`SETTLED`] the sum of theirs counts beside what is free.

use std::time::Duration;

use crate::device::{DeviceMemory, MOST_SURFACES};
use crate::media::{ChromaFormat, Codec, CodedPictures, Monotonic};

/// What stays free for others than courts: the engines of a model that is still to be made, and those of a
/// swap (measured on an H200: 762 MiB with one court, of which 65 are its own and some 300 the context).
const RESERVE: u64 = 512 << 20;
/// What a decoder takes before its first surface, H.264 (measured: what is left of 720p and 1080p, by their sizes).
const DECODER: u64 = 16 << 20;
/// The same, H.265 (measured: what is left of 1080p).
const DECODER_H265: u64 = 48 << 20;
/// Surfaces in NVDEC beside those that it keeps: in work, shown, and the pool's first (measured as above).
const IN_WORK: u64 = 4;
/// Bytes that a row of a surface of the pool is a multiple of (measured: 1280 lie in 1536, 1920 in 2048).
const PITCH: u64 = 512;
/// A court's decoder has taken what it will so long after it came (measured: 0.35 s where eight open at
/// once; 128 within 6 s).
const SETTLED: Duration = Duration::from_secs(5);

/// What a court's surfaces may take, and what that is made of, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeviceRoom {
    /// As it was read last.
    pub(crate) memory: DeviceMemory,
    /// What courts may still take that were admitted too lately to show in it.
    pub(crate) newcomers: u64,
    /// What this court was admitted with, and has taken.
    pub(crate) own: u64,
}

impl DeviceRoom {
    /// What is left for it.
    pub(crate) const fn left(&self) -> u64 {
        let free = self.memory.free.saturating_sub(RESERVE);
        free.saturating_sub(self.newcomers).saturating_add(self.own)
    }

    /// Of what, in words.
    pub(crate) fn told(&self) -> String {
        let mebi = |bytes: u64| bytes >> 20;
        let (free, all) = (mebi(self.memory.free), mebi(self.memory.all));
        let (reserve, new) = (mebi(RESERVE), mebi(self.newcomers));
        format!(
            "{free} MiB of its {all} MiB are free, {reserve} MiB of them are for engines, {new} MiB \
             for courts that have just come"
        )
    }
}

/// What a court was admitted with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Admitted {
    bytes: u64,
    since: Option<Monotonic>,
}

impl Admitted {
    /// It may take `bytes` from `now` on.
    pub(crate) fn takes(&mut self, bytes: u64, now: Monotonic) {
        if bytes != self.bytes {
            *self = Self { bytes, since: Some(now) };
        }
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What of it may not show in what was read at `read`.
    pub(crate) fn newcomer(&self, read: Monotonic) -> u64 {
        if self.shows(read) { 0 } else { self.bytes }
    }

    /// What of it shows there.
    pub(crate) fn settled(&self, read: Monotonic) -> u64 {
        if self.shows(read) { self.bytes } else { 0 }
    }

    fn shows(&self, read: Monotonic) -> bool {
        self.since.is_none_or(|since| read >= since.plus(SETTLED))
    }
}

/// Bytes that surfaces of these pictures take at most; 0 where a device decodes none such (libavcodec does).
pub(crate) fn memory(pictures: &CodedPictures) -> u64 {
    let taken = matches!(pictures.chroma, ChromaFormat::Monochrome | ChromaFormat::Yuv420)
        && pictures.luma_bits <= 10
        && !pictures.separate_planes;
    if !taken {
        return 0;
    }
    usual(pictures) + OTHERS_HELD * pooled(pictures)
}

/// The same while models keep up.
fn usual(pictures: &CodedPictures) -> u64 {
    decoder(pictures) + (u64::from(pictures.kept) + IN_WORK) * surface(pictures)
}

/// Surfaces at most.
pub(crate) fn count(pictures: &CodedPictures) -> u64 {
    u64::from(pictures.kept) + IN_WORK + OTHERS_HELD
}

/// Surfaces of the pool that frames may hold beside its first.
const OTHERS_HELD: u64 = MOST_SURFACES as u64 - 1;

const fn decoder(pictures: &CodedPictures) -> u64 {
    match pictures.codec {
        Codec::H264 => DECODER,
        Codec::H265 => DECODER_H265,
    }
}

fn side(side: u32) -> u64 {
    u64::from(side).next_multiple_of(16)
}

fn sample(pictures: &CodedPictures) -> u64 {
    if pictures.luma_bits > 8 { 2 } else { 1 }
}

fn surface(pictures: &CodedPictures) -> u64 {
    side(pictures.width) * side(pictures.height) * 3 / 2 * sample(pictures)
}

fn pooled(pictures: &CodedPictures) -> u64 {
    let row = (side(pictures.width) * sample(pictures)).next_multiple_of(PITCH);
    row * side(pictures.height) * 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(size: (u32, u32), bits: u32, kept: u32) -> CodedPictures {
        CodedPictures {
            codec: Codec::H264,
            width: size.0,
            height: size.1,
            chroma: ChromaFormat::Yuv420,
            separate_planes: false,
            luma_bits: bits,
            chroma_bits: bits,
            kept,
            motion_side: 4,
        }
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic::ZERO.plus(Duration::from_secs(seconds))
    }

    /// The header's table.
    #[test]
    fn the_sum_is_what_was_measured_with_one_held_and_more_at_most() {
        let h265 = CodedPictures { codec: Codec::H265, ..of((1920, 1088), 8, 1) };
        for (pictures, one_held, all_held) in [
            (of((1280, 720), 8, 1), 22..=26_u64, 45),
            (of((1920, 1088), 8, 1), 30..=33, 77),
            (h265, 62..=62, 109),
        ] {
            let usual = usual(&pictures) >> 20;
            assert!(one_held.contains(&usual), "{pictures:?}: {usual} MiB");
            assert_eq!(memory(&pictures) >> 20, all_held, "{pictures:?}");
        }
        let deep = CodedPictures { chroma: ChromaFormat::Yuv444, ..of((1920, 1088), 8, 4) };
        assert_eq!(memory(&deep), 0, "no device decodes it");
        let (eight, ten) = (memory(&of((2048, 1088), 8, 4)), memory(&of((2048, 1088), 10, 4)));
        assert_eq!(ten - DECODER, 2 * (eight - DECODER));
    }

    #[test]
    fn what_is_left_is_what_is_free_less_what_engines_and_newcomers_will_take() {
        let room = |free: u64, newcomers: u64, own: u64| DeviceRoom {
            memory: DeviceMemory { free: free << 20, all: 8 << 30 },
            newcomers: newcomers << 20,
            own: own << 20,
        };
        for (room, left) in [
            (room(1024, 0, 0), 512),
            (room(1024, 100, 0), 412),
            (room(1024, 100, 64), 476),
            (room(500, 0, 0), 0),
            (room(500, 0, 64), 64),
        ] {
            assert_eq!(room.left() >> 20, left, "{room:?}");
        }
        assert_eq!(
            room(600, 47, 0).told(),
            "600 MiB of its 8192 MiB are free, 512 MiB of them are for engines, 47 MiB for courts \
             that have just come"
        );
    }

    #[test]
    fn a_court_is_a_newcomer_until_the_device_was_read_well_after_it_came() {
        let mut court = Admitted::default();
        assert_eq!((court.newcomer(at(0)), court.settled(at(0))), (0, 0));
        court.takes(64, at(10));
        for (read, newcomer) in [(8, 64), (10, 64), (14, 64), (15, 0), (100, 0)] {
            assert_eq!(court.newcomer(at(read)), newcomer, "read at {read}");
            assert_eq!(court.settled(at(read)), 64 - newcomer, "read at {read}");
        }
        // It sends the same sets again: it is no newcomer for that.
        court.takes(64, at(90));
        assert_eq!(court.newcomer(at(100)), 0);
        court.takes(80, at(98));
        assert_eq!(court.newcomer(at(100)), 80);
    }

    proptest! {
        /// Whoever is there already may send again what he was admitted with, whatever the device says.
        #[test]
        fn nobody_is_refused_for_what_he_has(free in 0_u64..1 << 36, newcomers in 0_u64..1 << 30, own in 0_u64..1 << 30) {
            let room = DeviceRoom { memory: DeviceMemory { free, all: 1 << 36 }, newcomers, own };
            prop_assert!(room.left() >= own);
            prop_assert!(room.left() <= free + own);
        }
    }
}
