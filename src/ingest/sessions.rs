//! Whole publishers, made up: a grammar of what encoders send, and what must come out of it (a property test).
//!
//! A publisher is a few choices: how its times run, how it packs pictures, what stands between them, what its sound
//! does, how the network delivers it, in which chunks. It is played through the real session and assembler, on a clock
//! of the test. The model: pictures that were sent are pictures that came out, or have a reason; a recording is as
//! long as it took; sound lies beside its picture; what means nothing changes nothing.
//!
//! `make test` plays 96 of them, others each time, and those that found something once (rows below). `make sessions` plays
//! new ones for ten minutes (`COURTSIDE_SESSIONS` seconds), from a seed that it says (`COURTSIDE_SESSIONS_SEED` plays one
//! again), and prints what fails as small as it can be made.

use std::io::Write;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use crate::clock::{Clock, SystemClock};
use crate::event::words::Sound;
use crate::ingest::stream::StreamAssembler;
use crate::media::{CloseReason, CourtId, MediaTime, Monotonic, SessionId, StreamItem};
use crate::rtmp::amf0::{self, Value};
use crate::rtmp::chunk::{INITIAL_CHUNK_SIZE, write_message};
use crate::rtmp::message::{self, Message, kind};
use crate::rtmp::session::{Event, ServerSession};

const SPS: &[u8] = b"\x67\x64\x00\x28\xac\xd9\x40\x78\x02\x27\xe5\xc0\x44\x00\x00\x03\x00\x04\x00\x00\x03\x00\xc8\x3c\x60\xc6\x58";
const PPS: &[u8] = b"\x68\xeb\xe3\xcb\x22\xc0";
/// Pictures a second, as the set declares.
const FPS: u64 = 25;
const SECONDS: u64 = 12;
const PICTURES: u64 = FPS * SECONDS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    Right,
    Zero,
    Counting,
    Half,
    Double,
    ToAndFro,
    Micro,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    Even,
    Jitter,
    Bursts(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SoundForm {
    None,
    /// So far beside the pictures, ms; its first frame so late.
    Beside(i64, u64),
    WithoutRecord,
    Adts,
}

/// What of a publisher is chosen.
#[derive(Clone, Debug)]
struct Made {
    base: u32,
    times: Times,
    network: Network,
    sound: SoundForm,
    slices: u64,
    in_own_messages: bool,
    /// Each of them a millisecond behind the one before.
    apart: bool,
    start_codes: bool,
    delimiters: bool,
    notes_behind: bool,
    sets_again: bool,
    flag_flips: bool,
    on_other_stream: bool,
    on_zero: bool,
    streams: u32,
    chunk: u32,
    split: usize,
}

fn made() -> impl Strategy<Value = Made> {
    let times = prop_oneof![
        6 => Just(Times::Right), 1 => Just(Times::Zero), 1 => Just(Times::Counting),
        1 => Just(Times::Half), 1 => Just(Times::Double), 1 => Just(Times::ToAndFro), 1 => Just(Times::Micro),
    ];
    let network = prop_oneof![
        3 => Just(Network::Even), 2 => Just(Network::Jitter),
        1 => (300_u64..3_000).prop_map(Network::Bursts),
    ];
    let beside = prop_oneof![
        3 => Just(0_i64), 1 => -300_i64..300, 1 => Just(15_000), 1 => Just(-15_000),
        1 => Just(6_000), 1 => Just(-6_000), 1 => Just(3_600_000),
    ];
    let sound = prop_oneof![
        1 => Just(SoundForm::None), 1 => Just(SoundForm::WithoutRecord), 1 => Just(SoundForm::Adts),
        5 => (beside, 0_u64..3_000).prop_map(|(by, late)| SoundForm::Beside(by, late)),
    ];
    let base = prop_oneof![Just(0_u32), Just(u32::MAX - 5_000), any::<u32>()];
    let packing = (1_u64..5, any::<[bool; 9]>());
    let chunks = (1_u32..4, prop_oneof![Just(128_u32), 1_u32..70_000], 1_usize..9_000);
    (base, times, network, sound, packing, chunks).prop_map(
        |(base, times, network, sound, (slices, flags), (streams, chunk, split))| Made {
            base,
            times,
            // By arrival of bursts nobody knows when a picture was taken.
            network: match network {
                Network::Bursts(_) if times != Times::Right => Network::Even,
                network => network,
            },
            sound,
            slices,
            in_own_messages: flags[0],
            apart: flags[8] && times == Times::Right,
            start_codes: flags[1],
            delimiters: flags[2],
            notes_behind: flags[3],
            sets_again: flags[4],
            flag_flips: flags[5],
            on_other_stream: flags[6] && !flags[7],
            on_zero: flags[7],
            streams,
            chunk,
            split,
        },
    )
}

impl Made {
    fn sent_at(&self, n: u64, now: u64) -> u32 {
        let at = match self.times {
            Times::Right => now,
            Times::Zero => 0,
            Times::Counting => n,
            Times::Half => now / 2,
            Times::Double => now * 2,
            Times::ToAndFro => now + (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) % 121,
            Times::Micro => now * 1_000,
        };
        self.base.wrapping_add(u32::try_from(at).unwrap())
    }

    fn came_at(&self, n: u64, now: u64) -> Monotonic {
        let ms = match self.network {
            Network::Even => now,
            Network::Jitter => now + n * 7 % 20,
            Network::Bursts(of) => (now / of + 1) * of,
        };
        Monotonic::from_nanos((ms + 10) * 1_000_000)
    }

    fn packed(&self, units: &[Vec<u8>]) -> Vec<u8> {
        let length = |unit: &Vec<u8>| u32::try_from(unit.len()).unwrap().to_be_bytes();
        let start = [0, 0, 0, 1];
        let front = |unit| if self.start_codes { start } else { length(unit) };
        units.iter().flat_map(|unit| [&front(unit)[..], unit].concat()).collect()
    }

    fn record(&self, flipped: bool) -> Vec<u8> {
        let mut sps = SPS.to_vec();
        sps[2] ^= u8::from(flipped) << 2;
        let length = |set: &[u8]| u16::try_from(set.len()).unwrap().to_be_bytes();
        [
            &b"\x17\0\0\0\0\x01"[..],
            &sps[1..4],
            b"\xff\xe1",
            &length(&sps),
            &sps,
            b"\x01",
            &length(PPS),
            PPS,
        ]
        .concat()
    }

    /// Bodies of the messages of one picture.
    fn picture(&self, n: u64) -> Vec<Vec<u8>> {
        let key = n.is_multiple_of(FPS);
        let head = if key { b"\x17\x01\0\0\0" } else { b"\x27\x01\0\0\0" };
        let slice = |part: u64| {
            let header = if key { 0x65 } else { 0x41 };
            // `first_mb_in_slice` 0, or not.
            vec![header, if part == 0 { 0x9A } else { 0x42 }, 0x22, n as u8 | 1, part as u8 | 1]
        };
        let mut bodies = Vec::new();
        if self.sets_again && key && n > 0 {
            bodies.push(self.record(self.flag_flips && (n / FPS).is_multiple_of(2)));
        }
        let mut units = Vec::new();
        if self.delimiters {
            units.push(vec![0x09, 0xF0]);
        }
        units.extend((0..self.slices).map(slice));
        if self.in_own_messages {
            bodies.extend(
                units
                    .iter()
                    .map(|unit| [&head[..], &self.packed(std::slice::from_ref(unit))].concat()),
            );
        } else {
            bodies.push([&head[..], &self.packed(&units)].concat());
        }
        if self.notes_behind {
            let note = vec![0x06, 0x05, 0x01, 0x77, 0x80];
            bodies.push([&head[..], &self.packed(&[note])].concat());
        }
        bodies
    }
}

/// What came of it.
struct Out {
    items: Vec<StreamItem>,
    unusable: u64,
    times_told: bool,
    sound: Sound,
    stray: u32,
}

/// A connection, driven by hand.
struct Line {
    session: ServerSession,
    assembler: Option<StreamAssembler>,
    items: Vec<StreamItem>,
    chunk: usize,
    split: usize,
}

impl Line {
    fn say(&mut self, said: &Message, now: Monotonic) {
        let mut bytes = Vec::new();
        let chunk_stream = match said.kind {
            kind::COMMAND => 3,
            kind::AUDIO => 4,
            _ => 6,
        };
        write_message(&mut bytes, chunk_stream, said, self.chunk);
        for piece in bytes.chunks(self.split) {
            let mut input = piece;
            while let Some(event) = self.session.next(&mut input).expect("it can be read") {
                self.heard(event, now);
            }
        }
        self.session.output().clear();
    }

    fn heard(&mut self, event: Event, now: Monotonic) {
        match event {
            Event::Publish { key } => {
                assert_eq!(key, "key");
                self.session.accept();
                let mut next = 0;
                let ids = move || {
                    next += 1;
                    SessionId::from_bits(next)
                };
                let court = CourtId::new("a").unwrap();
                let new = StreamAssembler::new(court, String::new(), None, Box::new(ids));
                self.assembler = Some(new);
            }
            Event::Media(message) => {
                let assembler = self.assembler.as_mut().expect("published");
                assembler.media(&message, now, &mut self.items).expect("it is taken");
            }
            Event::Unpublished => {
                let assembler = self.assembler.as_mut().expect("published");
                assembler.close(CloseReason::Ended, &mut self.items);
            }
            Event::Connected { .. } | Event::Data { .. } => {}
            Event::Refused(refusal) => panic!("{refusal:?}"),
        }
    }
}

fn command(stream: u32, name: &str, more: Value) -> Message {
    message::command(stream, name, 2.0, &[Value::Null, more])
}

fn play(made: &Made) -> Out {
    let mut line = Line {
        session: ServerSession::new(1),
        assembler: None,
        items: Vec::new(),
        chunk: INITIAL_CHUNK_SIZE,
        split: made.split,
    };
    let handshake = [&[3][..], &[0; 1536], &[0; 1536]].concat();
    assert!(line.session.next(&mut &handshake[..]).unwrap().is_none());
    let start = Monotonic::from_nanos(1);
    let app = amf0::object([("app", amf0::string("live"))]);
    line.say(&message::command(0, "connect", 1.0, &[app]), start);
    line.say(&message::control(kind::SET_CHUNK_SIZE, made.chunk), start);
    line.chunk = made.chunk as usize;
    (0..made.streams).for_each(|_| line.say(&command(0, "createStream", Value::Null), start));
    let published = made.streams;
    line.say(&command(published, "publish", amf0::string("key")), start);
    let stream = if made.on_zero { 0 } else { published };
    let tell = |line: &mut Line, kind, sent, body: Vec<u8>, now| {
        let message = Message { timestamp: sent, kind, stream, body: Bytes::from(body) };
        line.say(&message, now);
        if made.on_other_stream {
            line.say(&Message { stream: published + 1, ..message }, now);
        }
    };
    let record = made.record(false);
    tell(&mut line, kind::VIDEO, made.sent_at(0, 0), record, start);
    if let SoundForm::Beside(..) = made.sound {
        tell(&mut line, kind::AUDIO, made.sent_at(0, 0), b"\xaf\x00\x12\x10".to_vec(), start);
    }
    let mut frames = 0;
    for n in 0..PICTURES {
        let now = n * 1_000 / FPS;
        let (sent, came) = (made.sent_at(n, now), made.came_at(n, now));
        for (part, body) in (0..).zip(made.picture(n)) {
            let sent = sent.wrapping_add(if made.apart { part } else { 0 });
            tell(&mut line, kind::VIDEO, sent, body, came);
        }
        // Sound up to the next picture.
        while frames * 1_024_000 / 44_100 < now + 1_000 / FPS {
            let heard = frames * 1_024_000 / 44_100;
            frames += 1;
            let frame = frames * FPS / 43;
            let at = made.sent_at(frame, heard);
            let (body, at) = match made.sound {
                SoundForm::None => continue,
                SoundForm::Beside(_, late) if heard < late => continue,
                SoundForm::Beside(by, _) => {
                    let by = u32::try_from(by.rem_euclid(1 << 32)).unwrap();
                    (b"\xaf\x01aac".to_vec(), at.wrapping_add(by))
                }
                SoundForm::WithoutRecord => (b"\xaf\x01aac".to_vec(), at),
                SoundForm::Adts => {
                    let header = [0xFF, 0xF1, 0x50, 0x40, 0x01, 0x5F, 0xFC];
                    ([&b"\xaf\x01"[..], &header, b"aac"].concat(), at)
                }
            };
            let came = made.came_at(n, heard.max(now)).max(came);
            tell(&mut line, kind::AUDIO, at, body, came);
        }
    }
    let end = Monotonic::from_nanos((SECONDS * 1_000 + 4_000) * 1_000_000);
    line.say(&command(published, "deleteStream", Value::Number(published.into())), end);
    let assembler = line.assembler.take().expect("published");
    Out {
        unusable: assembler.unusable().0,
        times_told: assembler.times_told().is_some(),
        sound: assembler.sound_told(),
        stray: line.session.is_publishing().into(),
        items: line.items,
    }
}

fn slices(data: &[u8]) -> u64 {
    let (mut rest, mut count) = (data, 0);
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (unit, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        count += u64::from(matches!(unit[0] & 0x1F, 1 | 5));
        rest = after;
    }
    count
}

fn check(made: &Made) -> Result<(), TestCaseError> {
    judge(made, &play(made))
}

fn judge(made: &Made, out: &Out) -> Result<(), TestCaseError> {
    let (mut units, mut sessions, mut lasts) = (Vec::new(), 0, 0);
    let mut ends: Option<(MediaTime, MediaTime)> = None;
    for item in &out.items {
        match item {
            StreamItem::Opened(_) => sessions += 1,
            StreamItem::Video(unit) => {
                units.push(unit);
                ends = Some((ends.map_or(unit.dts, |(first, _)| first), unit.dts));
            }
            StreamItem::Closed { .. } => {
                lasts += ends.take().map_or(0, |(first, last)| last.nanos_since(first) / 1_000_000);
            }
            _ => {}
        }
    }
    prop_assert_eq!(out.stray, 0);
    prop_assert_eq!(units.len() as u64 + out.unusable, PICTURES, "pictures, or reasons");
    prop_assert_eq!(out.unusable, 0);
    prop_assert!(units.iter().all(|unit| slices(&unit.data) == made.slices), "whole pictures");
    prop_assert!(units.iter().all(|unit| unit.parameters == units[0].parameters), "one run");
    prop_assert_eq!(out.times_told, made.times != Times::Right);
    let took = i64::try_from((PICTURES - 1) * 1_000 / FPS).unwrap();
    // At double speed, what was recorded before it was known is twice as long.
    let (most, most_sessions) = if made.times == Times::Double { (2_500, 2) } else { (240, 1) };
    prop_assert!((lasts - took).abs() <= most, "{} ms of {}", lasts, took);
    prop_assert!(sessions <= most_sessions, "{} sessions", sessions);
    match made.sound {
        SoundForm::None => prop_assert_eq!(&out.sound, &Sound::None),
        SoundForm::WithoutRecord => {
            prop_assert!(out.sound.to_string().starts_with("left out: AAC whose record"));
        }
        SoundForm::Beside(..) | SoundForm::Adts => {
            let is_kept = matches!(&out.sound, Sound::Aac { sample_rate: 44_100, .. });
            prop_assert!(is_kept, "{}", out.sound);
            let by = match made.sound {
                SoundForm::Beside(by, _) if by.abs() < 5_000 && made.times == Times::Right => by,
                _ => 0,
            };
            let stray = match (made.network, made.times) {
                // Where one message tells which time is which, it is as late as that one was.
                (Network::Bursts(of), _) => i64::try_from(of).unwrap() + 60,
                _ => 60,
            };
            in_step(&out.items, by, stray)?;
        }
    }
    Ok(())
}

/// Sound of the last third lies beside the picture that it came behind.
fn in_step(items: &[StreamItem], by: i64, stray: i64) -> Result<(), TestCaseError> {
    let (mut shown, mut heard) = (None, 0);
    for item in &items[items.len() * 2 / 3..] {
        match item {
            StreamItem::Video(unit) => shown = Some(unit.dts),
            StreamItem::Audio(unit) => {
                heard += 1;
                let Some(shown) = shown else { continue };
                let apart = unit.pts.nanos_since(shown) / 1_000_000 - by;
                prop_assert!(apart.abs() <= stray + 40, "{} ms from its picture", apart);
            }
            _ => {}
        }
    }
    prop_assert!(heard > 100, "{} frames of sound in a third of it", heard);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_a_publisher_is_made_of_its_pictures_come_out_in_their_time(made in made()) {
        check(&made)?;
    }
}

fn plain() -> Made {
    Made {
        base: 0,
        times: Times::Right,
        network: Network::Even,
        sound: SoundForm::Beside(0, 0),
        slices: 1,
        in_own_messages: false,
        apart: false,
        start_codes: false,
        delimiters: false,
        notes_behind: false,
        sets_again: false,
        flag_flips: false,
        on_other_stream: false,
        on_zero: false,
        streams: 1,
        chunk: 4_096,
        split: 9_000,
    }
}

/// Each kind by itself, so that a failure names it.
#[test]
fn each_kind_of_publisher_by_itself() {
    let made = plain();
    let rows = [
        ("plain", made.clone()),
        (
            "slices in messages of their own",
            Made { slices: 4, in_own_messages: true, ..made.clone() },
        ),
        (
            "slices in messages of their own, a millisecond apart",
            Made { slices: 4, in_own_messages: true, apart: true, ..made.clone() },
        ),
        ("to and fro", Made { times: Times::ToAndFro, ..made.clone() }),
        ("microseconds", Made { times: Times::Micro, ..made.clone() }),
        ("sound 6 s behind", Made { sound: SoundForm::Beside(6_000, 0), ..made.clone() }),
        ("start codes", Made { start_codes: true, slices: 2, ..made.clone() }),
        (
            "delimiters and notes in messages of their own",
            Made {
                delimiters: true,
                notes_behind: true,
                slices: 3,
                in_own_messages: true,
                ..made.clone()
            },
        ),
        ("a flag that flips", Made { sets_again: true, flag_flips: true, ..made.clone() }),
        ("zero", Made { times: Times::Zero, ..made.clone() }),
        ("counting", Made { times: Times::Counting, ..made.clone() }),
        ("half", Made { times: Times::Half, ..made.clone() }),
        ("double", Made { times: Times::Double, ..made.clone() }),
        ("bursts", Made { network: Network::Bursts(2_000), ..made.clone() }),
        ("sound an hour beside", Made { sound: SoundForm::Beside(3_600_000, 0), ..made.clone() }),
        ("sound 15 s before", Made { sound: SoundForm::Beside(-15_000, 500), ..made.clone() }),
        ("sound that begins late", Made { sound: SoundForm::Beside(0, 2_000), ..made.clone() }),
        ("sound without a record", Made { sound: SoundForm::WithoutRecord, ..made.clone() }),
        ("sound of ADTS", Made { sound: SoundForm::Adts, ..made.clone() }),
        ("another stream's media", Made { on_other_stream: true, streams: 2, ..made.clone() }),
        ("all on stream 0", Made { on_zero: true, ..made.clone() }),
        ("times that wrap", Made { base: u32::MAX - 4_000, ..made }),
    ];
    for (name, made) in rows {
        if let Err(error) = check(&made) {
            panic!("{name}: {error}");
        }
    }
}

/// What a round of the fuzz plays before it looks at the time.
const CASES_A_ROUND: u32 = 16;

/// What failed, made as small as it can be.
#[derive(Debug)]
struct Failed {
    seed: u64,
    made: Made,
    why: String,
}

/// Plays rounds of new publishers while `goes_on`; the first that fails, and how many were played.
fn fuzz(
    seed: u64,
    holds: impl Fn(&Made) -> Result<(), TestCaseError>,
    mut goes_on: impl FnMut() -> bool,
) -> (Option<Failed>, u64) {
    for round in 0.. {
        if !goes_on() {
            return (None, round * u64::from(CASES_A_ROUND));
        }
        // A round has a seed of its own, so that what failed is played again in seconds.
        let seed = seed.wrapping_add(round);
        let bytes: Vec<u8> = (0..4).flat_map(|n| (seed ^ n).to_le_bytes()).collect();
        let config = Config {
            cases: CASES_A_ROUND,
            failure_persistence: None,
            max_shrink_iters: 512,
            ..Config::default()
        };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(config, rng);
        match runner.run(&made(), |made| holds(&made)) {
            Ok(()) => {}
            Err(TestError::Fail(why, made)) => {
                let failed = Failed { seed, made, why: why.to_string() };
                return (Some(failed), round * u64::from(CASES_A_ROUND));
            }
            Err(TestError::Abort(why)) => panic!("the fuzz cannot go on: {why}"),
        }
    }
    (None, 0)
}

/// A round from a fixed seed, or as long and from where it is asked for.
#[test]
fn new_publishers_for_as_long_as_is_asked() {
    let asked =
        |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let clock = SystemClock::new();
    let (began, seconds) = (clock.monotonic(), asked("COURTSIDE_SESSIONS"));
    let now = u64::try_from(clock.utc().as_nanos()).unwrap_or(7);
    let seed = asked("COURTSIDE_SESSIONS_SEED").or(seconds.map(|_| now)).unwrap_or(7);
    let mut rounds = 0;
    let (failed, played) = fuzz(seed, check, || {
        rounds += 1;
        let time = clock.monotonic().since(began).as_secs();
        seconds.map_or(rounds <= 1, |seconds| time < seconds)
    });
    if seconds.is_some() {
        let mut out = std::io::stdout();
        writeln!(out, "{played} publishers from seed {seed}").expect("a place to say it");
    }
    if let Some(Failed { seed, made, why }) = failed {
        panic!(
            "COURTSIDE_SESSIONS_SEED={seed} plays it again; a row for `each_kind_of_publisher_by_itself`: {made:?}: {why}"
        );
    }
}

/// Negative control of the fuzz: an ingest that loses a picture of some publishers alone is found, and the publisher
/// that is told has nothing beside what it takes.
#[test]
fn the_fuzz_finds_an_ingest_that_loses_a_picture_and_says_of_whom() {
    let loses = |made: &Made| {
        let mut out = play(made);
        if made.delimiters && made.slices > 2 {
            let at = out.items.iter().rposition(|item| matches!(item, StreamItem::Video(_)));
            out.items.remove(at.expect("pictures"));
        }
        judge(made, &out)
    };
    let mut rounds = 0;
    let (failed, _) = fuzz(3, loses, || {
        rounds += 1;
        rounds <= 64
    });
    let Failed { seed, made, why } = failed.expect("found");
    assert!(why.contains("pictures, or reasons"), "{why}");
    assert!(made.delimiters && made.slices == 3, "{made:?}");
    assert!(!made.start_codes && !made.notes_behind && !made.sets_again, "{made:?}");
    // Its seed alone plays it again.
    let mut once = true;
    let (again, _) = fuzz(seed, loses, || std::mem::replace(&mut once, false));
    assert_eq!(again.expect("again").seed, seed);
}

/// Negative control: a publisher that loses a picture, and one whose sound is late, are found.
#[test]
fn the_model_finds_what_is_wrong() {
    let out = play(&plain());
    let late = |item: &StreamItem| match item {
        StreamItem::Audio(unit) => {
            let pts = unit.pts.plus_nanos(200_000_000);
            StreamItem::Audio(crate::media::AudioUnit { pts, ..unit.clone() })
        }
        other => other.clone(),
    };
    let items: Vec<_> = out.items.iter().map(late).collect();
    assert!(in_step(&out.items, 0, 60).is_ok());
    assert!(in_step(&items, 0, 60).is_err());
    let torn = Made { slices: 2, ..plain() };
    let out = play(&torn);
    let whole = out.items.iter().filter_map(|item| match item {
        StreamItem::Video(unit) => Some(slices(&unit.data)),
        _ => None,
    });
    assert!(whole.clone().all(|count| count == 2) && whole.count() as u64 == PICTURES);
}
