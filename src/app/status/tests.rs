//! What a box says in a few situations, word for word: programs read it.

use super::*;
use crate::event::FactId;
use crate::event::state::{CourtClock, ModelState, UplinkState};
use crate::game::calibrate::Verdict;
use crate::mailbox::DropReason;
use crate::media::SessionId;

fn court(name: &str, condition: Condition) -> CourtSays {
    let live = condition != Condition::Waiting;
    let ingest = CourtStatus {
        condition,
        publisher: live.then(|| "192.0.2.17:50112".to_owned()),
        encoder: live.then(|| "Lavf61.7.100".to_owned()),
        session: live.then(|| "00000000000000aa".to_owned()),
        codec: live.then_some("H.264"),
        profile: live.then(|| "avc1.64001f".to_owned()),
        width: live.then_some(1280),
        height: live.then_some(720),
        fps: live.then_some(29.97),
        bitrate_bps: live.then_some(4_210_400),
        key_interval_ms: live.then_some(2_000),
        b_frames: false,
        reorder_ms: live.then_some(0),
        burst_ms: live.then_some(8),
        audio: if live { "aac" } else { "none" }.to_owned(),
        pictures: if live { 5_310 } else { 0 },
        pictures_dropped: 0,
        last_drop: None,
        takeovers: 0,
        last_refusal: None,
        fault: None,
    };
    CourtSays {
        name: CourtId::new(name).expect("a name"),
        rims: vec![RimBox { x: 612.3, y: 188.0, w: 44.1, h: 22.0 }],
        rims_of: Some([1280, 720]),
        ingest: Some(ingest),
        decoder: DecoderStatus {
            decoder: live.then(|| "avdec_h264 (no GPU here)".to_owned()),
            ..DecoderStatus::default()
        },
        rings: live.then(|| vec![44.1]),
        fault: None,
        moved: None,
        answers: if live { 5_290 } else { 0 },
        dropped: 0,
        score: None,
        learnt: Arc::default(),
    }
}

fn model() -> ModelState {
    ModelState {
        name: "rimnet".to_owned(),
        version: Some("0.6.0".to_owned()),
        condition: "ready".to_owned(),
        engine: Some("builtin".to_owned()),
        reason: None,
        inference_ms: Some(1.87),
    }
}

fn clock(court: &str, source: &str, error_ms: u64) -> CourtClock {
    CourtClock { court: court.to_owned(), source: source.to_owned(), error_ms, drift_ppm: None }
}

fn said_by(courts: Vec<CourtSays>) -> StagesSay {
    StagesSay {
        name: BoxName::new("rim-1").expect("a name"),
        courts,
        models: ModelsState { bundles: vec![model()] },
        storage: None,
        uplink: None,
        clock: ClockState { plausible: true, courts: Vec::new() },
        calibrate: Calibrate::Off,
        counts: Vec::new(),
    }
}

/// Ring and outbox are not open yet, and no camera has come.
fn just_started() -> StagesSay {
    let mut court = court("a", Condition::Waiting);
    (court.rims, court.rims_of) = (Vec::new(), None);
    said_by(vec![court])
}

/// Two courts in mid-game, one of them with all that a venue could change.
fn in_mid_game() -> StagesSay {
    let (mut north, mut south) = (court("north", Condition::Live), court("south", Condition::Live));
    north.score = Some(Score { made: vec![7], attempts: vec![10], after: None });
    let mut calibration = Calibration::new(north.rims[0]);
    let session = SessionId::from_bits(0xaa);
    for n in 0..40_u32 {
        let odds = if n % 2 == 0 { 2.5 } else { -3.1 };
        calibration.saw(FactId { session, family: None, n }, odds, ("rimnet", "0.6.0"), Some(-0.3));
    }
    for (n, verdict) in [(36, Verdict::Made), (37, Verdict::Missed), (39, Verdict::None)] {
        assert!(calibration.said(FactId { session, family: None, n }, verdict));
    }
    let learnt = calibration.learnt(Some(-0.3));
    let unseen = Calibration::new(north.rims[0]);
    let nothing = unseen.learnt(None);
    north.learnt = Arc::new(vec![(calibration, learnt), (unseen, nothing)]);
    let ingest = south.ingest.as_mut().expect("there");
    (ingest.codec, ingest.audio) = (Some("H.265"), "MP3 is left out: use AAC".to_owned());
    (ingest.bitrate_bps, ingest.key_interval_ms) = (Some(300_000), Some(8_300));
    (ingest.b_frames, ingest.burst_ms) = (true, Some(120));
    (ingest.pictures_dropped, south.dropped) = (3, 4);
    south.rings = Some(vec![28.4, 12.9]);
    south.moved = Some("the camera of court south seems to have been moved".to_owned());
    let mut said = said_by(vec![north, south]);
    said.calibrate = Calibrate::Watch;
    said.storage = Some(StorageState {
        condition: "recording".to_owned(),
        reason: None,
        ring_bytes: 12_400_000_000,
        quota_bytes: 80_000_000_000,
        pinned_bytes: 1_000_000,
        free_bytes: 400_000_000_000,
        clips: 3,
    });
    said.uplink = Some(UplinkCounts { connected: true, session: 4, ..UplinkCounts::default() });
    said.clock.courts = vec![clock("north", "sei", 3), clock("south", "arrival", 80)];
    said.clock.courts[0].drift_ppm = Some(-1.25);
    said.counts = vec![(
        HopId { court: "north".to_owned(), hop: "decode".to_owned() },
        HopCount { offered: 9, taken: 8, dropped: BTreeMap::new(), waiting: 1 },
    )];
    said
}

/// All that can be wrong at once.
fn ill() -> StagesSay {
    let (mut a, mut b) = (court("a", Condition::Stalled), court("b", Condition::Live));
    a.decoder.fault = Some("avdec_h264 failed: no memory; it is built anew".to_owned());
    a.decoder.held_back = 6;
    b.fault = Some("the picture is 1920 × 1088, of another aspect than `rims_of`".to_owned());
    b.rings = None;
    let mut said = said_by(vec![a, b]);
    said.models.bundles = vec![
        ModelState {
            version: None,
            condition: "refused".to_owned(),
            engine: None,
            reason: Some("rimnet-fp32.onnx has another sha256 than its manifest".to_owned()),
            inference_ms: None,
            ..model()
        },
        ModelState {
            name: "shade".to_owned(),
            condition: "stopped".to_owned(),
            reason: Some("it answered NaN".to_owned()),
            ..model()
        },
    ];
    said.storage = Some(StorageState {
        condition: "stopped".to_owned(),
        reason: Some("less than 256 MiB is free: give the disk room".to_owned()),
        ring_bytes: 1,
        quota_bytes: 2,
        pinned_bytes: 0,
        free_bytes: 3,
        clips: 0,
    });
    said.uplink = Some(UplinkCounts {
        state: UplinkState {
            outbox_events: 12,
            outbox_oldest_seconds: 61.0,
            parked: 1,
            refused: Some("not authorized".to_owned()),
            shed: 2,
            put_aside: Vec::new(),
        },
        fault: Some("connection refused".to_owned()),
        another_box: true,
        disk_fault: Some("no space left on device".to_owned()),
        ..UplinkCounts::default()
    });
    said.clock = ClockState {
        plausible: false,
        courts: vec![clock("a", "none", 3_155_760_000_000), clock("b", "onfi", 120)],
    };
    said.calibrate = Calibrate::On;
    said.counts = vec![(
        HopId { court: "a".to_owned(), hop: "ring".to_owned() },
        HopCount {
            offered: 9,
            taken: 5,
            dropped: BTreeMap::from([(DropReason::Full, 2)]),
            waiting: 1,
        },
    )];
    said
}

#[test]
fn a_box_says_what_it_said() {
    for (name, said) in
        [("just_started", just_started()), ("in_mid_game", in_mid_game()), ("ill", ill())]
    {
        let state = said.page(&said.streams()).to_string();
        let mut state: Value = serde_json::from_str(&state).expect("JSON");
        state["version"] = "(the program's)".into();
        insta::assert_snapshot!(name, format!("{state:#}"));
    }
}
