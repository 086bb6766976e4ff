//! Messages in, items out: what becomes of times, sets, sound and damage.

use super::*;
use crate::ingest::video::{MAX_SETS_A_PICTURE, MAX_UNITS_A_PICTURE};
use crate::media::UtcTime;

const SPS: &[u8] = b"\x67\x64\x00\x28\xac\xd9\x40\x78\x02\x27\xe5\xc0\x44\x00\x00\x03\x00\x04\x00\x00\x03\x00\xc8\x3c\x60\xc6\x58";
const PPS: &[u8] = b"\x68\xeb\xe3\xcb\x22\xc0";

fn assembler() -> StreamAssembler {
    let mut next = 0;
    let court = CourtId::new("a").unwrap();
    let ids = move || {
        next += 1;
        SessionId::from_bits(next)
    };
    let new = StreamAssembler::new(court, "peer".to_owned(), None, Box::new(ids));
    // What is tested here is not how pictures are cut into messages.
    StreamAssembler { joiner: Joiner::whole(), ..new }
}

fn avcc(units: &[&[u8]]) -> Vec<u8> {
    units
        .iter()
        .flat_map(|unit| [&u32::try_from(unit.len()).unwrap().to_be_bytes()[..], unit].concat())
        .collect()
}

fn record() -> Vec<u8> {
    let length = |set: &[u8]| u16::try_from(set.len()).unwrap().to_be_bytes();
    [b"\x17\0\0\0\0\x01\x64\x00\x28\xff\xe1", &length(SPS)[..], SPS, b"\x01", &length(PPS), PPS]
        .concat()
}

fn send(tested: &mut StreamAssembler, kind: u8, timestamp: u32, body: Vec<u8>) -> Vec<StreamItem> {
    let mut out = Vec::new();
    let message = Message { timestamp, kind, stream: 1, body: body.into() };
    tested.media(&message, Monotonic::from_nanos(1), &mut out).unwrap();
    out
}

fn picture(tested: &mut StreamAssembler, timestamp: u32, units: &[&[u8]]) -> Vec<StreamItem> {
    send(tested, kind::VIDEO, timestamp, [b"\x17\x01\0\0\0", &avcc(units)[..]].concat())
}

const IDR: &[u8] = b"\x65\x88\x80\x10";
const P: &[u8] = b"\x41\x9a\x00";
const B: &[u8] = b"\x01\xa0\x00\x00";

fn told(items: &[StreamItem]) -> Vec<String> {
    items
        .iter()
        .map(|item| match item {
            StreamItem::Opened(info) => format!("open {}", info.session.bits()),
            StreamItem::Video(unit) => format!(
                "video {} {}{}{}",
                unit.sequence,
                unit.dts.as_nanos() / 1_000_000,
                if unit.key { " key" } else { "" },
                if unit.b_slices { " b" } else { "" },
            ),
            StreamItem::Sound { parameters, .. } => format!("sound {}", parameters.sample_rate),
            StreamItem::Audio(unit) => format!("audio {}", unit.pts.as_nanos() / 1_000_000),
            StreamItem::Wall(wall) => format!("wall {:?} {}", wall.source, wall.utc.as_nanos()),
            StreamItem::Closed { session, reason } => {
                format!("close {} {reason:?}", session.bits())
            }
        })
        .collect()
}

#[test]
fn time_wraps_jitters_and_jumps() {
    let mut tested = assembler();
    assert!(send(&mut tested, kind::VIDEO, 0, record()).is_empty());
    let mut out = Vec::new();
    let body = [b"\x27\x01\0\0\0", &avcc(&[P])[..]].concat();
    for (n, timestamp) in (0_u64..).zip([0xFFFF_FF00_u32, 5, 5, 0, 40, 20_000, 100]) {
        let body = Bytes::copy_from_slice(&body);
        let message = Message { timestamp, kind: kind::VIDEO, stream: 1, body };
        let arrival = Monotonic::from_nanos(n * 1_100_000_000);
        tested.media(&message, arrival, &mut out).unwrap();
    }
    let wrapped = 1_i64 << 32;
    let expected = [
        "open 1".to_owned(),
        format!("video 0 {}", wrapped - 256),
        format!("video 1 {}", wrapped + 5),
        format!("video 2 {}", wrapped + 6), // the same time again: a millisecond later
        format!("video 3 {}", wrapped + 7), // 5 ms back: straightened
        format!("video 4 {}", wrapped + 40),
        "close 1 TimeJump".to_owned(),
        "open 2".to_owned(),
        "video 0 20000".to_owned(),
        "close 2 TimeJump".to_owned(),
        "open 3".to_owned(),
        "video 0 100".to_owned(),
    ];
    assert_eq!(told(&out), expected);
    assert_eq!(tested.times_told(), None, "jumps that are far between are sessions");
}

#[test]
fn a_recording_whose_times_only_jump_is_refused() {
    let mut tested = assembler().of_recording();
    send(&mut tested, kind::VIDEO, 0, record());
    let mut refused = None;
    for round in 0..40_u32 {
        let body = [b"\x27\x01\0\0\0", &avcc(&[P])[..]].concat().into();
        let timestamp = if round % 2 == 0 { 0 } else { 60_000 };
        let message = Message { timestamp, kind: kind::VIDEO, stream: 1, body };
        refused = tested.media(&message, Monotonic::ZERO, &mut Vec::new()).err().or(refused);
    }
    assert_eq!(refused, Some(MediaRefused::Jumps));
}

#[test]
fn sound_is_placed_beside_the_pictures() {
    let mut tested = assembler();
    send(&mut tested, kind::VIDEO, 0, record());
    send(&mut tested, kind::AUDIO, 0, b"\xaf\x00\x12\x10".to_vec());
    let sound =
        |tested: &mut StreamAssembler, at| send(tested, kind::AUDIO, at, b"\xaf\x01aac".to_vec());
    let mut out = sound(&mut tested, 1_000);
    out.extend(picture(&mut tested, 980, &[IDR]));
    out.extend(sound(&mut tested, 990)); // behind the last sound: straightened
    out.extend(picture(&mut tested, 500_000, &[IDR]));
    out.extend(sound(&mut tested, 1_020)); // still of the old time: nowhere to put it
    out.extend(sound(&mut tested, 500_010));
    assert_eq!(
        told(&out),
        [
            "open 1",
            "sound 44100",
            "audio 1000",
            "video 0 980 key",
            "audio 1000",
            "close 1 TimeJump",
            "open 2",
            "sound 44100",
            "video 0 500000 key",
            "audio 500010"
        ]
    );
}

#[test]
fn sets_in_pictures_become_parameters() {
    let mut tested = assembler();
    // No record at all: the sets stand before the first key picture.
    assert!(picture(&mut tested, 0, &[P]).is_empty());
    assert_eq!(tested.unusable(), (1, Some(Unusable::NoParameters)));
    let unit = |items: Vec<StreamItem>| match items.into_iter().last() {
        Some(StreamItem::Video(unit)) => unit,
        other => panic!("{other:?}"),
    };
    let first = unit(picture(&mut tested, 40, &[b"\x09\xf0", SPS, PPS, IDR]));
    assert_eq!((first.parameters.width, first.parameters.height), (1920, 1080));
    assert_eq!(first.data, avcc(&[b"\x09\xf0", IDR]), "the sets are taken out");
    let second = unit(picture(&mut tested, 80, &[SPS, PPS, IDR]));
    assert!(Arc::ptr_eq(&first.parameters, &second.parameters));
    let third = unit(picture(&mut tested, 120, &[SPS, b"\x68\xee", IDR]));
    assert!(!Arc::ptr_eq(&first.parameters, &third.parameters));
    assert_eq!(third.parameters.parameter_sets[1].as_ref(), b"\x68\xee");
    // The sets and an SEI alone, then the picture.
    assert!(picture(&mut tested, 160, &[SPS, PPS, b"\x06\x05\x00\x80"]).is_empty());
    let fourth = unit(picture(&mut tested, 160, &[IDR]));
    assert_eq!(fourth.parameters.parameter_sets[1].as_ref(), PPS);
    assert_eq!(fourth.data, avcc(&[b"\x06\x05\x00\x80", IDR]));
}

#[test]
fn b_slices_and_damage_are_seen() {
    let mut tested = assembler();
    send(&mut tested, kind::VIDEO, 0, record());
    assert_eq!(told(&picture(&mut tested, 0, &[B]))[1], "video 0 0 b");
    assert!(
        send(&mut tested, kind::VIDEO, 40, b"\x17\x01\0\0\0\xff\xff\xff\xff\x65".to_vec())
            .is_empty()
    );
    assert_eq!(tested.unusable(), (1, Some(Unusable::Malformed)));
    assert_eq!(told(&picture(&mut tested, 40, &[P])), ["video 1 40"]);
}

#[test]
fn short_lengths_are_made_four_bytes() {
    let mut tested = assembler();
    let mut body = record();
    body[9] = 0xFD; // NAL lengths of 2 bytes
    send(&mut tested, kind::VIDEO, 0, body);
    let out = send(&mut tested, kind::VIDEO, 0, b"\x17\x01\0\0\0\x00\x04\x65\x88\x80\x10".to_vec());
    let Some(StreamItem::Video(unit)) = out.last() else { panic!("{out:?}") };
    assert_eq!(unit.data, avcc(&[IDR]));
    assert_eq!(unit.parameters.config[4], 0xFF);
}

#[test]
fn wall_times_are_told_with_their_picture() {
    let mut tested = assembler();
    send(&mut tested, kind::VIDEO, 0, record());
    let sei = crate::media::sei::wall_time_nal(Codec::H264, UtcTime::from_nanos(77));
    assert_eq!(told(&picture(&mut tested, 40, &[&sei, IDR]))[1], "wall Sei 77");
    let object = crate::rtmp::amf0::object([
        ("sd", Value::String("24-11-2022".to_owned())),
        ("st", Value::String("17:20:33.5".to_owned())),
    ]);
    let mut out = Vec::new();
    tested.data(60, "onFI", &[object], &mut out);
    assert_eq!(told(&out), ["wall OnFi 1669310433500000000"]);
    assert_eq!(on_fi(Some("99-1-2022"), Some("1:2:3")), None);
}

#[test]
fn other_video_is_refused_and_other_sound_left_out() {
    let mut tested = assembler();
    send(&mut tested, kind::AUDIO, 0, b"\x2fmp3".to_vec());
    assert!(tested.sound_told().to_string().contains("MP3"));
    let message = Message {
        timestamp: 0,
        kind: kind::VIDEO,
        stream: 1,
        body: Bytes::from_static(b"\x90av01"),
    };
    let refused = tested.media(&message, Monotonic::ZERO, &mut Vec::new());
    assert!(refused.unwrap_err().to_string().starts_with("AV1 video is not taken"));
}

#[test]
fn sets_that_cost_too_much_are_refused_before_a_picture_of_them_goes_on() {
    let refused = |tested: &mut StreamAssembler, body: Vec<u8>| {
        let mut out = Vec::new();
        let message = Message { timestamp: 0, kind: kind::VIDEO, stream: 1, body: body.into() };
        let refused = tested.media(&message, Monotonic::ZERO, &mut out).err();
        assert!(refused.is_none() || out.is_empty(), "{out:?}");
        refused.map(|refused| refused.to_string())
    };
    let small = || {
        assembler().within(Box::new(|| Allowance { bytes: 50 << 20, of_box: false, device: None }))
    };
    // As a record, in a picture, behind a start code of another unit: it is seen.
    let hidden = [IDR, b"\0\0\x01", SPS].concat();
    let pictures = [&[SPS, PPS, IDR][..], &[SPS], &[PPS, &hidden]];
    let inband = pictures.map(|units| [b"\x17\x01\0\0\0", &avcc(units)[..]].concat());
    for body in inband.into_iter().chain([record()]) {
        let why = refused(&mut small(), body.clone()).unwrap();
        assert!(why.starts_with("1920×1088 4:2:0 8 bit needs "), "{why}");
        let mut roomy = assembler();
        assert_eq!(refused(&mut roomy, body), None, "negative control: a court with more");
        assert!(roomy.picture_memory() > 50 << 20);
    }
}

#[test]
fn a_picture_brings_no_more_sets_than_anybody_needs() {
    let mut tested = assembler();
    let many = |count: usize| [&vec![SPS; count][..], &[PPS, IDR]].concat();
    assert!(!picture(&mut tested, 0, &many(MAX_SETS_A_PICTURE - 1)).is_empty());
    assert!(picture(&mut tested, 40, &many(MAX_SETS_A_PICTURE)).is_empty());
    assert_eq!(tested.unusable(), (1, Some(Unusable::Malformed)));
    assert!(!picture(&mut tested, 80, &[SPS, PPS, IDR]).is_empty(), "the next one is taken");
    assert!(!picture(&mut tested, 120, &vec![P; MAX_UNITS_A_PICTURE]).is_empty());
    assert!(picture(&mut tested, 160, &vec![P; MAX_UNITS_A_PICTURE + 1]).is_empty());
}

#[test]
fn references_that_were_not_promised_are_asked_for() {
    use crate::media::naming::crafted::{nal, own, pps, slice, sps};
    let vps: Vec<u8> = nal(32, |bits| bits.bits(0x0C01_FFFF, 32));
    let sps = sps((4096, 2160), 1, |bits| {
        bits.unsigned(0);
        bits.flag(false);
    });
    let naming = |before, after| {
        slice(|bits| {
            bits.flag(false);
            own(bits, before, after);
        })
    };
    let tag = |units: &[&[u8]]| [b"\x1c\x01\0\0\0", &avcc(units)[..]].concat();
    let sets = |tested: &mut StreamAssembler| {
        assert!(send(tested, kind::VIDEO, 0, tag(&[&vps, &sps, &pps()])).is_empty());
        let first = send(tested, kind::VIDEO, 0, tag(&[b"\x26\x01\xaf\x12"]));
        assert!(matches!(first.last(), Some(StreamItem::Video(_))), "{first:?}");
    };
    let sent = |tested: &mut StreamAssembler, unit: &[u8]| {
        let (body, mut out) = (tag(&[unit]).into(), Vec::new());
        let message = Message { timestamp: 40, kind: kind::VIDEO, stream: 1, body };
        let refused = tested.media(&message, Monotonic::ZERO, &mut out).err();
        (out.len(), refused.map(|refused| refused.to_string()))
    };
    let usual = || assembler().within(Box::new(|| Budget::default().memory.share(1)));
    let (mut tested, mut roomy) = (
        usual(),
        assembler().within(Box::new(|| Allowance { bytes: 4 << 30, of_box: false, device: None })),
    );
    sets(&mut tested);
    let promised = tested.picture_memory();
    assert!(promised < 512 << 20, "what it promises fits: {promised}");
    assert_eq!(sent(&mut tested, &naming(0, 0)), (1, None));
    // One that is cut where its references stand is let go, and the publisher goes on.
    assert_eq!(sent(&mut tested, &naming(15, 15)[..9]), (0, None));
    assert_eq!(tested.unusable(), (1, Some(Unusable::Malformed)));
    let (passed, refused) = sent(&mut tested, &naming(15, 15));
    let why = refused.unwrap();
    let what = "4096×2160 4:4:4 10 bit needs 2.4 GiB for 48 pictures";
    assert!(passed == 0 && why.starts_with(what), "{why}");
    // Negative control: where nothing is counted, which is where it fits, the same goes on.
    sets(&mut roomy);
    assert_eq!(sent(&mut roomy, &naming(15, 15)), (1, None));
    assert_eq!(roomy.picture_memory(), promised);
}

#[test]
fn no_set_is_left_in_a_picture() {
    let mut tested = assembler();
    send(&mut tested, kind::VIDEO, 0, record());
    let hidden = [IDR, b"\0\0\x01", PPS, b"\0\0\x01", IDR].concat();
    let (subset, extension) = ([&b"\x6f"[..], &SPS[1..]].concat(), b"\x6d\x80");
    let out = picture(&mut tested, 0, &[&subset, extension, &hidden]);
    let Some(StreamItem::Video(unit)) = out.last() else { panic!("{out:?}") };
    assert_eq!(unit.data, avcc(&[IDR, IDR]));
    assert_eq!(unit.parameters.parameter_sets, [SPS, PPS]);
}

/// Plays pictures, `fps` a second for so many seconds, and a frame of sound behind each, all sent at the times that `of`
/// makes of when they came: the items.
fn played(
    tested: &mut StreamAssembler,
    (fps, seconds): (u64, u64),
    of: impl Fn(u64, u64) -> u32,
) -> Result<Vec<StreamItem>, MediaRefused> {
    let mut out = Vec::new();
    for n in 0..fps * seconds {
        let now = n * 1_000 / fps;
        let arrival = Monotonic::from_nanos((now + 5) * 1_000_000);
        let key = n % fps == 0;
        let body = [b"\x17\x01\0\0\0", &avcc(&[if key { IDR } else { P }])[..]].concat();
        for (kind, body) in [(kind::VIDEO, body), (kind::AUDIO, b"\xaf\x01aac".to_vec())] {
            let message = Message { timestamp: of(n, now), kind, stream: 1, body: body.into() };
            tested.media(&message, arrival, &mut out)?;
        }
    }
    Ok(out)
}

fn pictures_of(items: &[StreamItem]) -> Vec<&AccessUnit> {
    let mut units = Vec::new();
    for item in items {
        if let StreamItem::Video(unit) = item {
            units.push(unit);
        }
    }
    units
}

/// Milliseconds of all sessions, from their first picture to their last.
fn lasts(items: &[StreamItem]) -> i64 {
    let (mut all, mut first, mut last) = (0, None, None);
    for item in items {
        match item {
            StreamItem::Opened(_) => {
                all += span(first.take(), last.take());
            }
            StreamItem::Video(unit) => {
                first.get_or_insert(unit.dts);
                last = Some(unit.dts);
            }
            _ => {}
        }
    }
    all + span(first, last)
}

fn span(first: Option<MediaTime>, last: Option<MediaTime>) -> i64 {
    first.zip(last).map_or(0, |(first, last)| last.nanos_since(first) / 1_000_000)
}

#[test]
fn a_recording_that_declares_no_rate_keeps_its_times_however_fast_it_comes() {
    #[expect(clippy::cast_possible_truncation, reason = "some seconds")]
    let thrice = |_, now: u64| now as u32 * 3;
    for (tested, kept) in [(assembler(), false), (assembler().of_recording(), true)] {
        let mut tested = tested;
        send(&mut tested, kind::VIDEO, 0, record());
        let items = played(&mut tested, (25, 12), thrice).unwrap();
        assert_eq!((lasts(&items) - 3 * 11_960).abs() <= 200, kept, "{} ms", lasts(&items));
        assert_eq!(tested.times_told().is_none(), kept);
    }
}

#[test]
fn times_of_no_use_are_replaced_by_arrival() {
    #[expect(clippy::cast_possible_truncation, reason = "some seconds")]
    let rows: [(&str, &dyn Fn(u64, u64) -> u32, i64); 6] = [
        ("right", &|_, now| now as u32, 200),
        ("zero", &|_, _| 0, 200),
        ("counts pictures", &|n, _| n as u32, 200),
        ("half speed", &|_, now| now as u32 / 2, 200),
        ("quarter speed", &|_, now| now as u32 / 4, 200),
        // Known after two seconds that are recorded as four.
        ("double speed", &|_, now| now as u32 * 2, 2_400),
    ];
    for (name, of, errs) in rows {
        let mut tested = assembler();
        let rate = crate::rtmp::amf0::object([("framerate", Value::Number(25.0))]);
        tested.data(0, "onMetaData", &[rate], &mut Vec::new());
        send(&mut tested, kind::VIDEO, 0, record());
        send(&mut tested, kind::AUDIO, 0, b"\xaf\x00\x12\x10".to_vec());
        let items = played(&mut tested, (25, 12), of).unwrap();
        let off = lasts(&items) - 11_960;
        assert!(off.abs() <= errs, "{name}: {off} ms");
        assert_eq!(pictures_of(&items).len(), 300, "{name}");
        assert_eq!(tested.times_told().is_some(), name != "right", "{name}");
        // Sound is heard where its picture is shown; of frames of 23 ms only one comes a picture here.
        let mut shown = MediaTime::ZERO;
        let mut apart = Vec::new();
        for item in &items[items.len() * 2 / 3..] {
            match item {
                StreamItem::Video(unit) => shown = unit.dts,
                StreamItem::Audio(unit) => apart.push(unit.pts.nanos_since(shown) / 1_000_000),
                _ => {}
            }
        }
        let (_, rest) = apart.split_at(1);
        assert!(rest.iter().all(|apart| apart.abs() <= 160), "{name}: {rest:?}");
    }
}

/// Of all that is 0 up to `most`, as if by dice.
fn dice(n: u64, most: u64) -> u64 {
    (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) % (most + 1)
}

#[test]
fn times_that_jump_again_and_again_are_replaced_by_arrival() {
    #[expect(clippy::cast_possible_truncation, reason = "made up")]
    let rows: [(&str, &dyn Fn(u64, u64) -> u32); 5] = [
        ("60 ms to and fro", &|n, now| (now + dice(n, 120)) as u32),
        ("microseconds", &|_, now| (now * 1_000) as u32),
        ("dice", &|n, _| dice(n, 1 << 31) as u32),
        ("two clocks", &|n, now| (now + n % 2 * 60_000) as u32),
        ("back by a second in each", &|_, now| (now + 10_000 - now % 1_500 / 500 * 700) as u32),
    ];
    for (name, of) in rows {
        for fps in [25, 15] {
            // At 15 a second 60 ms are less than a picture, and never far back.
            if fps == 15 && name.starts_with("60 ms") {
                continue;
            }
            let mut tested = assembler();
            send(&mut tested, kind::VIDEO, 0, record());
            send(&mut tested, kind::AUDIO, 0, b"\xaf\x00\x12\x10".to_vec());
            let items = played(&mut tested, (fps, 12), of).expect(name);
            let off = lasts(&items) - 11_960;
            let sessions = items.iter().filter(|item| matches!(item, StreamItem::Opened(_)));
            let most = if name.starts_with("back") { 3 } else { 1 };
            assert!(sessions.count() <= most, "{name}");
            assert!(off.abs() <= 400 && off >= -2_400, "{name}: {off} ms");
            assert_eq!(pictures_of(&items).len() as u64, 12 * fps, "{name}");
            let told = tested.times_told().unwrap_or_default();
            assert!(told.starts_with("its times jump again and again"), "{name}: {told}");
            let mut last = None;
            for item in &items[items.len() / 2..] {
                if let StreamItem::Video(unit) = item {
                    let step = last.map_or(40, |last| unit.dts.nanos_since(last) / 1_000_000);
                    assert!((10..=140).contains(&step), "{name}: {step} ms");
                    last = Some(unit.dts);
                }
            }
        }
    }
}

#[test]
fn one_step_back_that_is_more_than_jitter_ends_no_session_and_is_not_told() {
    let mut tested = assembler();
    send(&mut tested, kind::VIDEO, 0, record());
    #[expect(clippy::cast_possible_truncation, reason = "some seconds")]
    let set_right = |_, now: u64| (if now < 5_000 { now } else { now - 150 }) as u32;
    let items = played(&mut tested, (25, 12), set_right).unwrap();
    assert_eq!(items.iter().filter(|item| matches!(item, StreamItem::Opened(_))).count(), 1);
    assert_eq!(pictures_of(&items).len(), 300);
    assert_eq!(tested.times_told(), None);
}

#[test]
fn a_jump_right_behind_the_beginning_leaves_no_picture_without_its_key_picture() {
    let mut tested = assembler();
    send(&mut tested, kind::VIDEO, 0, record());
    // The first one at 0, all others by the encoder's clock.
    #[expect(clippy::cast_possible_truncation, reason = "some seconds")]
    let items =
        played(&mut tested, (25, 3), |n, now| if n == 0 { 0 } else { 900_000 + now as u32 })
            .unwrap();
    assert_eq!(items.iter().filter(|item| matches!(item, StreamItem::Opened(_))).count(), 1);
    assert!((lasts(&items) - 2_960).abs() <= 50, "{}", lasts(&items));
    assert_eq!(tested.times_told(), None);
}

#[test]
fn sound_that_comes_first_and_far_beside_is_put_beside_the_pictures_at_once() {
    for beside in [6_000_i64, 8_000, 15_000, 3_600_000, -6_000, -3_600_000] {
        let mut tested = assembler();
        send(&mut tested, kind::VIDEO, 0, record());
        send(&mut tested, kind::AUDIO, 0, b"\xaf\x00\x12\x10".to_vec());
        let mut out = Vec::new();
        let mut message = |kind, at: i64, now: u64, body: &[u8]| {
            let timestamp = u32::try_from(at.rem_euclid(1 << 32)).unwrap();
            let message =
                Message { timestamp, kind, stream: 1, body: Bytes::copy_from_slice(body) };
            tested.media(&message, Monotonic::from_nanos(now * 1_000_000), &mut out).unwrap();
        };
        for n in 0..150_u64 {
            let now = n * 20;
            let at = i64::try_from(now).unwrap() + 7_000_000;
            message(kind::AUDIO, at + beside, now, b"\xaf\x01aac");
            if n >= 3 && n % 2 == 1 {
                let unit = [b"\x17\x01\0\0\0", &avcc(&[IDR])[..]].concat();
                message(kind::VIDEO, at, now, &unit);
            }
        }
        let first = out.iter().position(|item| matches!(item, StreamItem::Video(_))).unwrap();
        let mut shown = MediaTime::ZERO;
        let mut heard = 0;
        for item in &out[first..] {
            match item {
                StreamItem::Video(unit) => shown = unit.dts,
                StreamItem::Audio(unit) => {
                    heard += 1;
                    let apart = unit.pts.nanos_since(shown) / 1_000_000;
                    assert!(apart.abs() <= 60, "{beside}: {apart} ms");
                }
                _ => {}
            }
        }
        assert_eq!(heard, 146, "{beside}: from the first picture on");
        assert_eq!(tested.times_told(), None);
    }
}

#[test]
fn several_tracks_are_told_where_the_first_is_one_of_them() {
    let record = &record()[5..];
    let unit = avcc(&[IDR]);
    let part = |id: u8, data: &[u8]| {
        [&[id][..], &u32::try_from(data.len()).unwrap().to_be_bytes()[1..], data].concat()
    };
    let many = |packet: u8, data: &[u8]| {
        [&[0x96, 0x10 | packet][..], b"avc1", &part(1, b"\0\0\0"), &part(0, data)].concat()
    };
    let mut tested = assembler();
    send(&mut tested, kind::VIDEO, 0, many(0, record));
    assert_eq!(told(&send(&mut tested, kind::VIDEO, 0, many(3, &unit)))[1], "video 0 0 key");
    assert!(tested.has_several_tracks());
    // The second alone: nothing is taken, and that is why.
    let mut tested = assembler();
    let second = [&b"\x96\x03avc1\x01"[..], &unit].concat();
    assert!(send(&mut tested, kind::VIDEO, 0, second).is_empty());
    assert!(!tested.has_several_tracks());
    assert_eq!(tested.unusable(), (0, Some(Unusable::OtherTrack)));
    // Once the first comes, it no longer is.
    send(&mut tested, kind::VIDEO, 0, many(0, record));
    assert!(tested.has_several_tracks());
    assert_eq!(tested.unusable(), (0, None));
}

#[test]
fn a_set_that_changes_without_meaning_is_no_change() {
    let mut tested = assembler();
    let mut parameters = Vec::new();
    for n in 0..20_u32 {
        let mut body = record();
        if n % 2 == 1 {
            // A constraint flag, in the record and in the set.
            let at = body.windows(SPS.len()).position(|part| part == SPS).unwrap();
            body[7] ^= 4;
            body[at + 2] ^= 4;
        }
        send(&mut tested, kind::VIDEO, n * 1_000, body);
        let items = picture(&mut tested, n * 1_000, &[IDR]);
        parameters.extend(pictures_of(&items).iter().map(|unit| Arc::clone(&unit.parameters)));
    }
    assert_eq!(parameters.len(), 20);
    assert!(parameters.iter().all(|one| Arc::ptr_eq(one, &parameters[0])), "one run");
    // One that means something is another.
    send(&mut tested, kind::VIDEO, 20_000, record());
    let items = picture(&mut tested, 20_000, &[SPS, b"\x68\xee", IDR]);
    assert!(!Arc::ptr_eq(&pictures_of(&items)[0].parameters, &parameters[0]));
}

#[test]
fn how_sound_is_coded_is_told_before_the_first_picture() {
    let mut tested = assembler();
    send(&mut tested, kind::VIDEO, 0, record());
    send(&mut tested, kind::AUDIO, 0, b"\xaf\x00\x12\x10".to_vec());
    let mut out = picture(&mut tested, 0, &[IDR]);
    out.extend(send(&mut tested, kind::AUDIO, 700, b"\xaf\x01aac".to_vec()));
    out.extend(send(&mut tested, kind::AUDIO, 700, b"\xaf\x00\x11\x90".to_vec()));
    assert_eq!(told(&out), ["open 1", "sound 44100", "video 0 0 key", "audio 700", "sound 48000"]);
}

#[test]
fn sound_of_another_clock_ends_no_session() {
    let mut tested = assembler();
    send(&mut tested, kind::VIDEO, 0, record());
    send(&mut tested, kind::AUDIO, 0, b"\xaf\x00\x12\x10".to_vec());
    let hour = 3_600_000;
    let mut out = picture(&mut tested, 0, &[IDR]);
    for n in 1..5 {
        out.extend(send(&mut tested, kind::AUDIO, hour + n * 23, b"\xaf\x01aac".to_vec()));
        out.extend(picture(&mut tested, n * 23, &[P]));
    }
    assert_eq!(out.iter().filter(|item| matches!(item, StreamItem::Opened(_))).count(), 1);
    assert_eq!(told(&out)[3], "audio 0");
    assert_eq!(out.iter().filter(|item| matches!(item, StreamItem::Audio(_))).count(), 4);
}

#[test]
fn b_pictures_with_the_time_of_their_showing_are_told_as_that() {
    let mut tested = assembler();
    send(&mut tested, kind::VIDEO, 0, record());
    let mut refused = None;
    for group in 0..60_u32 {
        for (at, unit) in [(120, P), (40, B), (80, B)] {
            let body = [b"\x27\x01\0\0\0", &avcc(&[unit])[..]].concat().into();
            let timestamp = group * 120 + at;
            let message = Message { timestamp, kind: kind::VIDEO, stream: 1, body };
            let arrival = Monotonic::from_nanos(u64::from(group) * 120_000_000);
            refused = tested.media(&message, arrival, &mut Vec::new()).err().or(refused);
        }
    }
    assert_eq!(refused, Some(MediaRefused::BFrames));
}

#[test]
fn why_no_picture_can_be_used_is_known() {
    let why = |bodies: &[Vec<u8>]| {
        let mut tested = assembler();
        bodies.iter().for_each(|body| drop(send(&mut tested, kind::VIDEO, 0, body.clone())));
        tested.unusable()
    };
    let one = [b"\x17\x01\0\0\0", &avcc(&[IDR])[..]].concat();
    let late = [b"\x17\x01\x7f\xff\xff", &avcc(&[IDR])[..]].concat();
    let rows = [
        (vec![one.clone()], Unusable::NoParameters),
        (vec![b"\x17\0\0\0\0\x07rubbish".to_vec(), one], Unusable::Record),
        (vec![record(), late], Unusable::Composition),
        (vec![record(), b"\x17\x01\0".to_vec()], Unusable::Cut),
        (vec![record(), b"\x17\x01\0\0\0\xff\xff\xff\xff".to_vec()], Unusable::Malformed),
    ];
    for (bodies, expected) in rows {
        assert_eq!(why(&bodies), (1, Some(expected)));
    }
}

#[test]
fn the_first_picture_of_slices_in_messages_of_their_own_is_whole() {
    const SECOND: &[u8] = b"\x65\x42\x22\x10";
    let fresh = || {
        let mut tested = StreamAssembler { joiner: Joiner::default(), ..assembler() };
        send(&mut tested, kind::VIDEO, 0, record());
        tested
    };
    let mut tested = fresh();
    let mut out = picture(&mut tested, 0, &[b"\x06\x05\x00\x80", IDR]);
    out.extend(picture(&mut tested, 0, &[SECOND]));
    assert!(out.is_empty(), "not yet");
    // A set in a message of its own at its end does not cut it, nor does what follows it.
    out.extend(picture(&mut tested, 0, &[PPS]));
    out.extend(picture(&mut tested, 40, &[P]));
    assert_eq!(told(&out), ["open 1", "video 0 0 key"]);
    assert_eq!(pictures_of(&out)[0].data, avcc(&[b"\x06\x05\x00\x80", IDR, SECOND]));
    // From there on with its last part.
    assert_eq!(told(&picture(&mut tested, 40, &[b"\x41\x42\x22"])), ["video 1 40"]);
    // Who sends one message a picture waits with the first alone, and only for what comes next.
    let mut tested = fresh();
    send(&mut tested, kind::AUDIO, 0, b"\xaf\x00\x12\x10".to_vec());
    assert!(picture(&mut tested, 0, &[IDR]).is_empty());
    let out = send(&mut tested, kind::AUDIO, 23, b"\xaf\x01aac".to_vec());
    assert_eq!(told(&out), ["open 1", "sound 44100", "video 0 0 key", "audio 23"]);
    assert_eq!(told(&picture(&mut tested, 40, &[P])), ["video 1 40"]);
    // Several slices in one message that cut the picture evenly: nothing waits. Nor where each comes by itself,
    // a millisecond behind the one before.
    const HALF: &[u8] = b"\x65\x00\x1f\xe2\x22\x10";
    let mut tested = fresh();
    assert_eq!(told(&picture(&mut tested, 0, &[IDR, HALF])), ["open 1", "video 0 0 key"]);
    let mut tested = fresh();
    assert!(picture(&mut tested, 0, &[IDR]).is_empty());
    assert_eq!(told(&picture(&mut tested, 1, &[HALF])), ["open 1", "video 0 0 key"]);
    assert!(picture(&mut tested, 40, &[P]).is_empty());
    assert_eq!(told(&picture(&mut tested, 41, &[HALF])), ["video 1 40"]);
    assert_eq!(tested.unusable(), (0, None));
}
