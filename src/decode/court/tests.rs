//! The court on scripted decoders: what is lost, what is built, what is said.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::clock::SystemClock;
use crate::decode::outlet::Picture;
use crate::decode::{DecoderStatus, FrameSink};
use crate::mailbox::Tally;
use crate::media::{ChromaLayout, Codec, CourtId, CpuPicture, Frame, Pixels, Plane};

pub(crate) fn parameters(width: u32, height: u32) -> Arc<CodecParameters> {
    let size = width.to_be_bytes();
    Arc::new(CodecParameters {
        codec: Codec::H264,
        width,
        height,
        config: Bytes::new(),
        parameter_sets: vec![Bytes::copy_from_slice(&size)],
        low_delay_sets: Some(vec![Bytes::from_static(b"low")]),
        reorder_frames: None,
        mime_codec: "avc1.64001f".to_owned(),
    })
}

pub(crate) fn unit_of(of: &Arc<CodecParameters>, sequence: u64, key: bool) -> AccessUnit {
    let at = MediaTime::from_millis(i64::try_from(sequence).expect("small") * 33);
    AccessUnit {
        session: SessionId::from_bits(7),
        sequence,
        pts: at,
        dts: at,
        key,
        b_slices: false,
        data: Bytes::from_static(&[0, 0, 0, 1, 0x65]),
        parameters: Arc::clone(of),
        arrival: Monotonic::ZERO,
    }
}

pub(crate) fn unit(sequence: u64, key: bool) -> AccessUnit {
    unit_of(&parameters(1280, 720), sequence, key)
}

#[derive(Debug)]
struct Gray;
impl CpuPicture for Gray {
    fn chroma(&self) -> ChromaLayout {
        ChromaLayout::I420
    }
    fn plane(&self, _index: usize) -> Option<Plane<'_>> {
        None
    }
}

/// What the scripted decoder does with the pictures of one pipeline.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Script {
    /// Gives each at once.
    Good,
    /// Gives nothing, and hangs at its end.
    Mute,
    /// Reports an error at the third unit.
    Dies,
    /// Marks every second one as damaged.
    Damages,
    /// Does not start.
    Refuses,
}

/// Says what the next pipeline plays: how many were built, its decoder, the width of the picture.
type Director = Box<dyn Fn(usize, &str, u32) -> Script + Send + Sync>;

struct Scripted {
    /// Decoders that the machine has.
    machine: &'static [&'static str],
    // Shared with the test, which reads what was built.
    built: Arc<Mutex<Vec<(u32, bool, &'static str)>>>,
    director: Director,
}

struct Playing {
    script: Script,
    outlet: Arc<Outlet>,
    taken: u32,
    width: u32,
}

impl Backend for Scripted {
    fn exists(&self, factory: &str) -> bool {
        self.machine.contains(&factory)
    }
    fn build(&self, order: &Order<'_>, outlet: Arc<Outlet>) -> Result<Box<dyn Pipeline>, Unbuilt> {
        let mut built = self.built.lock();
        let (width, factory) = (order.parameters.width, order.candidate.factory);
        let script = (self.director)(built.len(), factory, width);
        built.push((width, order.low_delay, factory));
        match script {
            Script::Refuses => Err(Unbuilt::DoesNotStart("no device".to_owned())),
            script => Ok(Box::new(Playing { script, outlet, taken: 0, width })),
        }
    }
}

impl Pipeline for Playing {
    fn push(&mut self, unit: Push) -> Result<(), String> {
        self.outlet.entered();
        self.taken += 1;
        let whole = match self.script {
            Script::Mute => return Ok(()),
            Script::Dies if self.taken == 3 => {
                self.outlet.failed("bad stream".to_owned());
                return Ok(());
            }
            Script::Damages => self.taken % 2 == 1,
            Script::Good | Script::Dies | Script::Refuses => true,
        };
        self.outlet.picture(Picture {
            ticket: Some(unit.pts),
            width: self.width,
            height: 2,
            pixels: if whole {
                Ok(Pixels::Cpu(Box::new(Gray)))
            } else {
                Err(DropReason::Undecodable)
            },
        });
        Ok(())
    }
    fn end(&mut self) {
        if self.script != Script::Mute {
            self.outlet.ended();
        }
    }
    fn stop(self: Box<Self>, _hangs: bool) {}
}

#[derive(Default)]
struct Received {
    // Written by the court, read by the test after it has ended.
    frames: Mutex<Vec<(MediaTime, u32)>>,
    marks: Mutex<Vec<&'static str>>,
    over: AtomicBool,
}

impl FrameSink for Received {
    fn opened(&self, _info: &Arc<StreamInfo>) {
        self.over.store(false, Ordering::Relaxed);
        self.marks.lock().push("opened");
    }
    fn frame(&self, frame: Arc<Frame>) {
        assert!(!self.over.load(Ordering::Relaxed), "no frame after the end of its session");
        self.frames.lock().push((frame.pts, frame.width));
    }
    fn closed(&self, _session: SessionId, _reason: CloseReason) {
        self.over.store(true, Ordering::Relaxed);
        self.marks.lock().push("closed");
    }
}

struct Played {
    seen: Arc<Received>,
    tally: Tally,
    status: DecoderStatus,
    built: Vec<(u32, bool, &'static str)>,
}

/// What a court is played with.
struct Film {
    machine: &'static [&'static str],
    rules: Rules,
    director: Director,
    /// Units of each session.
    sessions: Vec<Vec<AccessUnit>>,
}

/// A court that is not told to wait for anything.
fn court_of(film: &mut Film, court: &CourtId, outlet: Outlet) -> (Court, Built) {
    let built = Built::default();
    let director = std::mem::replace(&mut film.director, Box::new(|_, _, _| Script::Refuses));
    let backend = Scripted { machine: film.machine, built: Arc::clone(&built), director };
    let settings = DecodeSettings::new(court.clone());
    let machine = Machine::default();
    let mut tested = Court::new(settings, Arc::new(backend), machine, film.rules, outlet);
    tested.patience = Duration::from_millis(20);
    (tested.first_wait, tested.back_off) = (Duration::ZERO, Duration::ZERO);
    tested.aside = |job| {
        job();
        Ok(())
    };
    (tested, built)
}

type Built = Arc<Mutex<Vec<(u32, bool, &'static str)>>>;

/// Gives the sessions of `film` to a court, and lets it run dry.
fn played(mut film: Film) -> Played {
    let court = CourtId::new("north").expect("name");
    let hop = UnitMailbox::new(Duration::from_secs(60), Tally::default());
    let sessions = std::mem::take(&mut film.sessions);
    let marks = ["opened", "closed"].repeat(sessions.len());
    for (number, units) in sessions.into_iter().enumerate() {
        let session = SessionId::from_bits(7 + number as u64);
        hop.offer(StreamItem::Opened(Arc::new(StreamInfo {
            court: court.clone(),
            session,
            peer: String::new(),
            encoder: None,
            opened: Monotonic::ZERO,
        })));
        for unit in units {
            assert!(hop.offer(StreamItem::Video(AccessUnit { session, ..unit })));
        }
    }
    hop.close();
    let (seen, tally) = (Arc::new(Received::default()), Tally::default());
    let status = Arc::new(Mutex::new(DecoderStatus::default()));
    let sink = Arc::clone(&seen);
    let clock = Arc::new(SystemClock::new());
    let outlet = Outlet::new(court.clone(), sink, tally.clone(), clock, Arc::clone(&status));
    let (tested, built) = court_of(&mut film, &court, outlet);
    tested.run(&hop);
    let count = tally.count();
    assert!(count.balances() && count.waiting == 0, "{count:?}");
    assert_eq!(*seen.marks.lock(), marks);
    let (status, built) = (status.lock().clone(), built.lock().clone());
    Played { seen, tally, status, built }
}

/// Gives `units` to a court whose pipelines play `scripts`, one after another; the last one stands for
/// all that follow.
fn play(scripts: &[Script], units: Vec<AccessUnit>) -> Played {
    let scripts = scripts.to_vec();
    played(Film {
        machine: &["nvh264dec", "avdec_h264"],
        rules: Rules::default(),
        director: Box::new(move |nth, _, _| scripts[nth.min(scripts.len() - 1)]),
        sessions: vec![units],
    })
}

/// `count` units with a key frame at every tenth.
fn stream(count: u64) -> Vec<AccessUnit> {
    (0..count).map(|sequence| unit(sequence, sequence % 10 == 0)).collect()
}

fn dropped(played: &Played) -> Vec<(DropReason, u64)> {
    played.tally.count().dropped.into_iter().collect()
}

#[test]
fn every_unit_becomes_a_picture_with_its_own_time() {
    let played = play(&[Script::Good], stream(40));
    let expected: Vec<_> = (0..40).map(|n| (MediaTime::from_millis(n * 33), 1280)).collect();
    assert_eq!(*played.seen.frames.lock(), expected);
    assert_eq!(dropped(&played), []);
    assert_eq!(played.status.held_back, 0);
    assert_eq!(played.built, [(1280, true, "nvh264dec")]);
    assert!(played.status.fps.is_some_and(|fps| (fps - 30.3).abs() < 0.1));
}

#[test]
fn a_start_within_a_group_and_a_lost_unit_wait_for_a_key_frame() {
    let mut units = stream(40);
    units.remove(15);
    units.drain(..3);
    let played = play(&[Script::Good], units);
    assert_eq!(dropped(&played), [(DropReason::AwaitingKey, 7 + 4)]);
    assert_eq!(played.seen.frames.lock().len(), 25);
}

#[test]
fn a_unit_that_is_no_list_of_nal_units_costs_its_group_alone() {
    let mut units = stream(30);
    units[12].data = Bytes::from_static(&[0, 0, 9, 9, 1]);
    let played = play(&[Script::Good], units);
    assert_eq!(dropped(&played), [(DropReason::AwaitingKey, 7), (DropReason::Undecodable, 1)]);
}

#[test]
fn damaged_pictures_are_counted_and_not_handed_on() {
    let played = play(&[Script::Damages], stream(20));
    assert_eq!(dropped(&played), [(DropReason::Undecodable, 10)]);
    assert_eq!(played.seen.frames.lock().len(), 10);
}

#[test]
fn a_change_of_size_or_a_first_b_slice_gets_a_new_pipeline_at_its_key_frame() {
    let mut units = stream(30);
    for unit in &mut units[10..20] {
        unit.parameters = parameters(640, 360);
    }
    units[23].b_slices = true;
    units.extend((30..35).map(|sequence| unit(sequence, sequence == 30)));
    let played = play(&[Script::Good], units);
    assert_eq!(dropped(&played), []);
    let low_delay: Vec<_> = played.built.iter().map(|built| (built.0, built.1)).collect();
    assert_eq!(low_delay, [(1280, true), (640, true), (1280, true), (1280, false)]);
    assert!(played.status.b_frames);
    assert_eq!(played.status.rebuilds, 0);
}

#[test]
fn a_pipeline_that_dies_is_built_anew_at_a_key_frame() {
    let played = play(&[Script::Dies, Script::Good], stream(30));
    // Two pictures came; the third unit died with it, seven more lost their references.
    assert_eq!(dropped(&played), [(DropReason::AwaitingKey, 7), (DropReason::NoPicture, 1)]);
    assert_eq!(played.status.rebuilds, 1);
    assert_eq!(played.status.last_error.as_deref(), Some("nvh264dec: bad stream"));
    assert_eq!(played.status.fault, None, "pictures come again");
}

#[test]
fn a_mute_pipeline_is_given_up_and_the_next_decoder_is_taken_and_said() {
    let played = play(&[Script::Mute, Script::Mute, Script::Good], stream(90));
    assert_eq!(played.status.rebuilds, 2);
    let factories: Vec<_> = played.built.iter().map(|built| built.2).collect();
    assert_eq!(factories, ["nvh264dec", "nvh264dec", "avdec_h264"]);
    let told = played.status.decoder.as_deref().expect("told");
    assert!(told.starts_with("avdec_h264 (software): nvh264dec failed"), "{told}");
    assert!(played.tally.count().taken > 0);
    assert!(dropped(&played).iter().any(|(reason, _)| *reason == DropReason::NoPicture));
}

#[test]
fn a_decoder_that_does_not_start_costs_nothing_where_another_stands_in() {
    let played = play(&[Script::Refuses, Script::Good], stream(30));
    assert_eq!(dropped(&played), []);
    assert_eq!(played.status.fault, None, "pictures come");
    let downgrade = played.status.downgrade.expect("said");
    assert_eq!(
        downgrade,
        "avdec_h264 (software) stands in for nvh264dec, which failed (no device); tried again after \
         5 s"
    );
    assert_eq!(played.status.downgrades, 1);
    let refused = play(&[Script::Refuses], stream(30));
    assert_eq!(dropped(&refused), [(DropReason::AwaitingKey, 30)]);
    assert!(refused.status.fault.expect("said").contains("no device"));
    assert_eq!(refused.status.downgrade, None, "nobody stands in");
}

/// `count` units of a picture of this size.
fn stream_of(count: u64, width: u32, height: u32) -> Vec<AccessUnit> {
    let of = parameters(width, height);
    (0..count).map(|sequence| unit_of(&of, sequence, sequence % 10 == 0)).collect()
}

/// Garbage that no decoder gives a picture of, then an interlaced camera, which openh264 cannot
/// decode. Returns what was built for the camera, and how many of its pictures came.
fn garbage_then_a_camera(rules: Rules) -> (Vec<&'static str>, usize) {
    let mut garbage = stream_of(90, 16_384, 16_384);
    garbage.extend(stream_of(90, 64, 64));
    let played = played(Film {
        machine: &["avdec_h264", "openh264dec"],
        rules,
        director: Box::new(|_, factory, width| match (factory, width) {
            ("avdec_h264", 1920) => Script::Good,
            _ => Script::Mute,
        }),
        sessions: vec![garbage, stream_of(60, 1920, 1080)],
    });
    let built = played.built.iter().filter(|(width, ..)| *width == 1920);
    let factories = built.map(|(_, _, factory)| *factory).collect();
    let came = played.seen.frames.lock().iter().filter(|(_, width)| *width == 1920).count();
    (factories, came)
}

#[test]
fn garbage_takes_no_decoder_from_the_camera_that_comes_after_it() {
    let (built, came) = garbage_then_a_camera(Rules::default());
    assert_eq!((built, came), (vec!["avdec_h264"], 60));
}

#[test]
fn failures_that_outlive_sessions_would_take_it_for_good() {
    let old = Rules { forgiving: false, retry: None, last_resort_stands_in: true };
    let (built, came) = garbage_then_a_camera(old);
    assert_eq!(came, 0);
    assert!(built.iter().all(|factory| *factory == "openh264dec"), "{built:?}");
}

#[test]
fn a_set_that_fails_says_nothing_about_another_of_the_same_session() {
    let mut units = stream_of(60, 16_384, 16_384);
    let good = parameters(1280, 720);
    units.extend((60..90).map(|sequence| unit_of(&good, sequence, sequence % 10 == 0)));
    let played = played(Film {
        machine: &["nvh264dec", "avdec_h264"],
        rules: Rules::default(),
        director: Box::new(|_, _, width| if width == 1280 { Script::Good } else { Script::Mute }),
        sessions: vec![units],
    });
    assert_eq!(played.seen.frames.lock().len(), 30);
    assert_eq!(played.built.last(), Some(&(1280, true, "nvh264dec")));
    assert_eq!(played.status.downgrade, None);
}

/// The GPU is gone at the first pipeline, and plays `then` at those that follow.
fn a_gpu_that_comes_back(retry: Option<(Duration, Duration)>, then: Script) -> Played {
    played(Film {
        machine: &["nvh264dec", "avdec_h264"],
        rules: Rules { retry, ..Rules::default() },
        director: Box::new(move |nth, factory, _| match (nth, factory) {
            (0, _) => Script::Refuses,
            (_, "nvh264dec") => then,
            _ => Script::Good,
        }),
        sessions: vec![stream(60)],
    })
}

const AT_ONCE: Option<(Duration, Duration)> = Some((Duration::ZERO, Duration::ZERO));

#[test]
fn a_decoder_that_runs_again_is_taken_at_a_key_frame_and_no_picture_is_lost() {
    let played = a_gpu_that_comes_back(AT_ONCE, Script::Good);
    let factories: Vec<_> = played.built.iter().map(|built| built.2).collect();
    assert_eq!(
        factories,
        ["nvh264dec", "avdec_h264", "nvh264dec", "nvh264dec"],
        "a trial, then it"
    );
    assert_eq!(dropped(&played), []);
    let expected: Vec<_> = (0..60).map(|n| (MediaTime::from_millis(n * 33), 1280)).collect();
    assert_eq!(*played.seen.frames.lock(), expected);
    let status = played.status;
    assert_eq!((status.downgrade, status.downgrades, status.trials), (None, 1, 1));
    assert_eq!(
        status.decoder.as_deref(),
        Some("nvh264dec (NVIDIA hardware): the best of this machine")
    );
}

#[test]
fn without_another_try_the_substitute_stays_for_ever() {
    let played = a_gpu_that_comes_back(None, Script::Good);
    let factories: Vec<_> = played.built.iter().map(|built| built.2).collect();
    assert_eq!(factories, ["nvh264dec", "avdec_h264"]);
    assert!(played.status.downgrade.is_some());
}

#[test]
fn a_trial_that_fails_costs_no_picture() {
    for then in [Script::Refuses, Script::Dies, Script::Mute] {
        let played = a_gpu_that_comes_back(AT_ONCE, then);
        assert_eq!(dropped(&played), [], "{then:?}");
        assert_eq!(played.seen.frames.lock().len(), 60, "{then:?}");
        assert!(played.status.trials > 0 && played.status.downgrade.is_some(), "{then:?}");
    }
}

/// What waits in a decoder has been asked for: a stream that promises nothing has what its level was counted
/// for, and no 16 pictures more.
#[test]
fn a_stream_that_promises_nothing_holds_what_was_counted_for_it() {
    // Main, 1920×1088, four references, no VUI; level 4, and level 1, which does not hold them.
    let sets: [(&[u8], u32); 2] = [
        (b"\x67\x4d\x00\x28\x8d\x8d\x28\x0f\x00\x44\xc8", 4),
        (b"\x67\x4d\x00\x0a\x8d\x8d\x28\x0f\x00\x44\xc8", 16),
    ];
    for (nal, counted) in sets {
        let sps = h264::Sps::read(nal).expect("readable");
        assert_eq!((sps.promised_reorder(), sps.reference_frames), (None, 4));
        let parameters = CodecParameters {
            parameter_sets: vec![Bytes::from_static(nal)],
            ..(*parameters(1920, 1088)).clone()
        };
        assert_eq!(held_at_most(&parameters, true), 0, "until a B slice comes");
        assert_eq!(u32::from(held_at_most(&parameters, false)), counted);
        assert_eq!(sps.coded().expect("pictures").kept, 4 + counted);
    }
    let unreadable = parameters(1920, 1088);
    assert_eq!(held_at_most(&unreadable, false), MAX_REORDER);
}
