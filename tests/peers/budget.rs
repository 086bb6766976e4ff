//! What a publisher may cost, at a real ingest on loopback: pictures that are declared and not sent, and
//! recordings that begin anew with each picture.

use std::sync::Arc;

use bytes::Bytes;
use courtside::admission::Limits;
use courtside::clock::SystemClock;
use courtside::ingest::{Budget, SegmentLimits};
use courtside::media::StreamItem;
use courtside::rtmp::message::kind;
use courtside::tools::rig::publish::{Pace, Publisher};

use crate::publishers::{TestIngest, h264_tags, pictures};

/// Writes bits, first bit first.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn bits(&mut self, value: u32, count: u32) -> &mut Self {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    /// ue(v).
    fn unsigned(&mut self, value: u32) -> &mut Self {
        let length = (value + 1).ilog2();
        self.bits(0, length).bits(value + 1, length + 1)
    }

    /// A NAL unit of them, with emulation prevention.
    fn nal(&mut self, header: &[u8]) -> Vec<u8> {
        self.bits(1, 1);
        let mut nal = header.to_vec();
        let mut zeros = 0;
        for eight in self.0.chunks(8) {
            let bits = eight.iter().chain(std::iter::repeat(&false)).take(8);
            let byte = bits.fold(0_u8, |byte, &bit| byte << 1 | u8::from(bit));
            if zeros >= 2 && byte <= 3 {
                nal.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            nal.push(byte);
        }
        nal
    }
}

/// What is declared: size, `chroma_format_idc`, bits of a sample; shown as 320×240.
type Declared = ((u32, u32), u32, u32);

const H264_PPS: &[u8] = b"\x68\xeb\xe3\xcb\x22\xc0";

fn h264_sps(((width, height), chroma, depth): Declared) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.bits(244, 8).bits(0, 8).bits(62, 8).unsigned(0).unsigned(chroma);
    if chroma == 3 {
        bits.bits(0, 1);
    }
    bits.unsigned(depth - 8).unsigned(depth - 8).bits(0, 2).unsigned(0).unsigned(2).unsigned(1);
    bits.bits(0, 1).unsigned(width.div_ceil(16) - 1).unsigned(height.div_ceil(16) - 1).bits(3, 2);
    let (across, down) = (if chroma == 3 { 1 } else { 2 }, if chroma == 1 { 2 } else { 1 });
    let (right, bottom) = ((width - 320) / across, (height - 240) / down);
    bits.bits(1, 1).unsigned(0).unsigned(right).unsigned(0).unsigned(bottom);
    bits.bits(0, 1).nal(&[0x67])
}

fn h264_record(declared: Declared) -> Bytes {
    let sps = h264_sps(declared);
    let set = |set: &[u8]| [&u16::try_from(set.len()).unwrap().to_be_bytes()[..], set].concat();
    let head = [b"\x17\0\0\0\0\x01", &sps[1..4], b"\xff\xe1"].concat();
    [head, set(&sps), vec![1], set(H264_PPS)].concat().into()
}

/// A key picture of H.265 by FourCC, the sets in front.
fn h265_picture(((width, height), chroma, depth): Declared) -> Bytes {
    let mut sps = Bits::default();
    sps.bits(1, 8).bits(4, 8).bits(0x0800_0000, 32).bits(0x9000_0000, 32).bits(0, 16).bits(186, 8);
    sps.unsigned(0).unsigned(chroma);
    if chroma == 3 {
        sps.bits(0, 1);
    }
    sps.unsigned(width).unsigned(height).bits(0, 1).unsigned(depth - 8).unsigned(depth - 8);
    sps.unsigned(4).bits(1, 1).unsigned(4).unsigned(2).unsigned(0).unsigned(0);
    let vps: &[u8] =
        b"\x40\x01\x0c\x01\xff\xff\x01\x60\0\0\x03\0\x90\0\0\x03\0\0\x03\0\x1e\x92\x80\x90";
    let units = [vps, &sps.nal(&[0x42, 1]), b"\x44\x01\xc1\x73\xd0\x89", b"\x26\x01\xaf\x00"];
    [&b"\x93hvc1"[..], &avcc(&units)].concat().into()
}

fn avcc(units: &[&[u8]]) -> Vec<u8> {
    let one = |unit: &&[u8]| [&u32::try_from(unit.len()).unwrap().to_be_bytes()[..], unit].concat();
    units.iter().flat_map(one).collect()
}

#[tokio::test]
async fn pictures_that_cost_gigabytes_are_refused_in_words_before_anything_is_built() {
    let tested = TestIngest::start().await;
    let mut beside = Publisher::connect(&tested.url("key-b")).await.unwrap();
    beside.play(&h264_tags(10), Pace::FullSpeed, |_| ()).await.unwrap();
    let mut refused = 0;
    for (declared, told) in [
        (((8192, 4320), 1, 8), "8192×4320 4:2:0 8 bit needs "),
        (((8192, 4320), 3, 10), "8192×4320 4:4:4 10 bit needs "),
        (((10_000, 10_000), 1, 8), "10000×10000 4:2:0 8 bit needs "),
        (((10_000, 10_000), 2, 10), "10000×10000 4:2:2 10 bit needs "),
    ] {
        for body in [h264_record(declared), h265_picture(declared)] {
            let mut publisher = Publisher::connect(&tested.url("key-a")).await.unwrap();
            publisher.send(kind::VIDEO, 0, body).await.unwrap();
            let why = publisher.ended().await;
            assert!(why.starts_with(&format!("NetStream.Publish.Rejected: {told}")), "{why}");
            assert!(why.contains("this court has 576 MiB: set the encoder to at most "), "{why}");
            refused += 1;
            let status = tested.status("a");
            assert!(status.last_refusal.unwrap().starts_with(told));
            assert_eq!(status.refusals["pictures"], refused);
            assert_eq!(status.picture_memory, 0);
        }
    }
    assert!(tested.heard.of("a").is_empty(), "nothing went on");
    // What is refused keeps nobody out, here or beside.
    let mut honest = Publisher::connect(&tested.url("key-a")).await.unwrap();
    honest.play(&h264_tags(10), Pace::FullSpeed, |_| ()).await.unwrap();
    tested.heard.until("a", |items| pictures(items).len() == 10).await;
    assert!((1..64 << 20).contains(&tested.status("a").picture_memory));
    assert_eq!(tested.status("a").picture_memory_allowed, 576 << 20);
    // Larger sets in mid-stream end that publish, and what came stays.
    honest.send(kind::VIDEO, 5_000, h264_record(((8192, 4320), 1, 8))).await.unwrap();
    let why = honest.ended().await;
    assert!(why.starts_with("NetStream.Publish.Rejected: 8192×4320"), "{why}");
    assert_eq!(pictures(&tested.heard.of("a")).len(), 10);
    beside.play(&h264_tags(10), Pace::FullSpeed, |_| ()).await.unwrap();
    tested.heard.until("b", |items| pictures(items).len() == 20).await;
    tested.stop().await;
}

/// Plays 300 key pictures whose sets alternate, coming back whenever it is refused; the recordings
/// that they begin, and the refusals.
async fn alternate(segments: SegmentLimits) -> (usize, u64) {
    let budget = Budget { segments, ..Budget::default() };
    let tested =
        TestIngest::within(Arc::new(SystemClock::new()), None, Limits::default(), budget).await;
    let sets = [320, 640].map(|width| h264_sps(((width, 480), 1, 8)));
    let mut publisher = Publisher::connect(&tested.url("key-a")).await.unwrap();
    for number in 0..300_u32 {
        let set: &[u8] = &sets[number as usize % 2];
        let picture = avcc(&[set, H264_PPS, b"\x65\x88\x80\x10"]);
        let body: Bytes = [&b"\x17\x01\0\0\0"[..], &picture].concat().into();
        while publisher.send(kind::VIDEO, number * 40, body.clone()).await.is_err() {
            publisher = Publisher::connect(&tested.url("key-a")).await.unwrap();
        }
    }
    drop(publisher.finish().await);
    tested.heard.until("a", |items| matches!(items.last(), Some(StreamItem::Closed { .. }))).await;
    let units = pictures(&tested.heard.of("a"));
    let begins = units.windows(2).filter(|pair| {
        let (before, after) = (&pair[0], &pair[1]);
        before.session != after.session || before.parameters != after.parameters
    });
    let begun = 1 + begins.count();
    let refused = tested.status("a").refusals.get("segments").copied().unwrap_or(0);
    // Another publisher is taken, and its pictures go on.
    let before = units.len();
    let mut honest = Publisher::connect(&tested.url("key-a")).await.unwrap();
    honest.play(&h264_tags(10), Pace::FullSpeed, |_| ()).await.unwrap();
    tested.heard.until("a", |items| pictures(items).len() > before).await;
    honest.vanish();
    tested.stop().await;
    (begun, refused)
}

#[tokio::test]
async fn sets_that_alternate_begin_no_recording_a_picture() {
    let (begun, refused) = alternate(SegmentLimits::USUAL).await;
    assert!(begun <= 60, "{begun} recordings");
    assert!(refused > 0);
    let (begun, refused) = alternate(SegmentLimits::OFF).await;
    assert_eq!((begun, refused), (300, 0), "negative control: a recording a picture");
}
