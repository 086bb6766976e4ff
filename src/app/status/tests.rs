//! What a box says in a few situations, word for word: programs read it.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::event::FactId;
use crate::event::host::{
    CertificateStatus, ClockKept, DamagedFile, DataDirStatus, EndedStatus, GpuMemory, RenderNode,
    SyncsStatus,
};
use crate::event::state::{CourtClock, ModelState, UplinkState};
use crate::event::update::UpdateState;
use crate::event::upload::{UploadNeeds, UploadState, UploadsState};
use crate::event::words::{
    CalibrationMode, LearntFrom, LinkTrouble, ModelCondition, Sound, StorageCondition,
    UploadCondition, UploadNeed, VerdictWord,
};
use crate::game::calibrate::Verdict;
use crate::ingest::{Astray, Spoke};
use crate::mailbox::DropReason;
use crate::media::{Codec, Foreign, SessionId};

fn court(name: &str, condition: StreamCondition) -> CourtSays {
    let live = condition != StreamCondition::Waiting;
    let ingest = CourtStatus {
        condition,
        publisher: live.then(|| "192.0.2.17:50112".to_owned()),
        encoder: live.then(|| Foreign::name("Lavf61.7.100")),
        session: live.then(|| "00000000000000aa".to_owned()),
        codec: live.then_some(Codec::H264),
        profile: live.then(|| "avc1.64001f".to_owned()),
        width: live.then_some(1280),
        height: live.then_some(720),
        fps: live.then_some(29.97),
        bitrate_bps: live.then_some(4_210_400),
        key_interval_ms: live.then_some(2_000),
        b_frames: false,
        lookahead: None,
        still_for: None,
        stray: None,
        times: None,
        several_tracks: false,
        reorder_ms: live.then_some(0),
        burst_ms: live.then_some(8),
        audio: Sound::from(if live { "aac" } else { "none" }.to_owned()),
        pictures: if live { 5_310 } else { 0 },
        pictures_dropped: 0,
        last_drop: None,
        takeovers: 0,
        last_refusal: None,
        refusals: if live { BTreeMap::new() } else { [("pictures", 2)].into() },
        picture_memory: if live { 95_000_000 } else { 0 },
        picture_memory_allowed: 512 << 20,
        gpu_memory: 0,
        fault: None,
        reconnects: None,
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
        undecoded: None,
        score: None,
        learnt: Arc::default(),
        relays: Vec::new(),
    }
}

fn relay(name: &str, state: RelayCondition) -> RelayState {
    RelayState {
        name: name.to_owned(),
        state,
        since: Some("2026-11-23T10:00:00.000Z".to_owned()),
        address: Foreign::told("rtmps://live.example.net/app"),
        dropped: 2,
        bytes: 41_000_000,
        ..RelayState::default()
    }
}

fn model() -> ModelState {
    ModelState {
        name: "rimnet".to_owned(),
        version: Some(Foreign::name("0.6.0")),
        condition: ModelCondition::Ready,
        engine: Some(Foreign::name("builtin")),
        reason: None,
        inference_ms: Some(1.87),
        ..ModelState::default()
    }
}

fn clock(court: &str, source: ClockSource, error_ms: u64) -> CourtClock {
    CourtClock { court: court.to_owned(), source, error_ms, drift_ppm: None }
}

fn said_by(courts: Vec<CourtSays>) -> StagesSay {
    StagesSay {
        name: BoxName::new("rim-1").expect("a name"),
        rtmp: Some(Foreign::told("rtmp://BOX:1935")),
        courts,
        models: ModelsState { bundles: vec![model()], ..ModelsState::default() },
        storage: None,
        uploads: UploadsState::default(),
        update: UpdateState::default(),
        look: None,
        uplink: None,
        claim: None,
        clock: ClockState { plausible: true, courts: Vec::new() },
        calibrate: Calibrate::Off,
        admission: Vec::new(),
        full: Vec::new(),
        counts: Vec::new(),
        config: None,
        files: Vec::new(),
        host: HostStatus::default(),
    }
}

/// Ring and outbox are not open yet, and no camera has come.
fn just_started() -> StagesSay {
    let mut court = court("a", StreamCondition::Waiting);
    (court.rims, court.rims_of) = (Vec::new(), None);
    court.ingest.as_mut().expect("there").stray = Some(([192, 0, 2, 99].into(), Astray::Key));
    let mut said = said_by(vec![court]);
    said.models.bundles.push(ModelState {
        name: "of-the-league".to_owned(),
        version: None,
        condition: ModelCondition::Loading,
        engine: None,
        reason: Some(Foreign::told(
            "since 2026-11-23T10:00:00.000Z, until it is there rimnet 0.6.0 of the binary decides",
        )),
        inference_ms: None,
        ..ModelState::default()
    });
    said
}

/// Two courts in mid-game, one of them with all that a venue could change.
fn in_mid_game() -> StagesSay {
    let (mut north, mut south) =
        (court("north", StreamCondition::Live), court("south", StreamCondition::Live));
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
    north.relays = vec![relay("production", RelayCondition::Forwarding)];
    let ingest = south.ingest.as_mut().expect("there");
    (ingest.codec, ingest.audio) =
        (Some(Codec::H265), Sound::from("MP3 is left out: use AAC".to_owned()));
    (ingest.bitrate_bps, ingest.key_interval_ms) = (Some(300_000), Some(8_300));
    (ingest.b_frames, ingest.burst_ms, ingest.lookahead) = (true, Some(120), Some(40));
    ingest.reconnects =
        Some("37 publishes within a minute, the last by 192.0.2.17:50112".to_owned());
    (ingest.pictures_dropped, south.dropped) = (3, 4);
    south.rings = Some(vec![28.4, 12.9]);
    south.decoder.advice = Some("openh264 is the only decoder in software here");
    south.moved = Some("the camera has moved: the ring of rim 0 is elsewhere".to_owned());
    let mut said = said_by(vec![north, south]);
    said.calibrate = Calibrate::Watch;
    said.storage = Some(StorageState {
        disk_refuses: false,
        condition: StorageCondition::Recording,
        reason: None,
        ring_bytes: 12_400_000_000,
        quota_bytes: 80_000_000_000,
        pinned_bytes: 1_000_000,
        free_bytes: 400_000_000_000,
        clips: 3,
    });
    said.uplink = Some(UplinkCounts { connected: true, session: 4, ..UplinkCounts::default() });
    let upload = |(n, condition): (usize, &UploadCondition)| {
        let needs = UploadNeed::ALL.get(n).map(|reason| UploadNeeds {
            upload: Foreign::name("game-7"),
            parts: vec![2, 3],
            reason: *reason,
            said: None,
        });
        let (upload, clip) = (Foreign::name(&format!("game-{n}")), Foreign::name("north-1"));
        let (condition, part) = (*condition, Some(2));
        let (bytes, acknowledged_bytes, parts) = (40_000_000, 16_777_216, 3);
        let trouble = None;
        UploadState {
            upload,
            clip,
            condition,
            bytes,
            acknowledged_bytes,
            parts,
            part,
            needs,
            trouble,
        }
    };
    said.uploads = UploadsState {
        running: UploadCondition::ALL.iter().enumerate().map(upload).collect(),
        measured_bits_per_second: Some(8_100_000),
        waits: Some(Foreign::told("court north is played")),
        ..UploadsState::default()
    };
    said.clock.courts =
        vec![clock("north", ClockSource::Sei, 3), clock("south", ClockSource::Arrival, 80)];
    said.clock.courts[0].drift_ppm = Some(-1.25);
    said.counts = vec![(
        HopId { court: "north".to_owned(), hop: "decode".to_owned() },
        HopCount { offered: 9, taken: 8, dropped: BTreeMap::new(), waiting: 1 },
    )];
    said
}

/// All that can be wrong at once.
fn ill() -> StagesSay {
    let (mut a, mut b) = (court("a", StreamCondition::Stalled), court("b", StreamCondition::Live));
    a.decoder.fault = Some("avdec_h264 failed: no memory; it is built anew".to_owned());
    a.decoder.held_back = 6;
    a.rims.push(RimBox { x: 1_500.0, ..a.rims[0] });
    b.fault = Some("the picture is 1920 × 1088, of another aspect than `rims_of`".to_owned());
    (b.rings, b.rims_of) = (None, Some([1920, 1440]));
    let ingest = b.ingest.as_mut().expect("there");
    ingest.still_for = Some(Duration::from_secs(42));
    b.relays = ["production", "archive", "stands"]
        .map(|name| relay(name, RelayCondition::Waiting))
        .to_vec();
    b.relays[0].fault = Some(Foreign::told("its server refuses the stream key (no)"));
    b.relays[0].todo = "compare the stream key".to_owned();
    b.relays[1].state = RelayCondition::Connecting;
    (b.relays[2].state, b.relays[2].behind) = (RelayCondition::Forwarding, true);
    let mut said = said_by(vec![a, b]);
    said.models.bundles = vec![
        ModelState {
            version: None,
            condition: ModelCondition::Refused,
            engine: None,
            reason: Some(Foreign::told("rimnet-fp32.onnx has another sha256 than its manifest")),
            inference_ms: None,
            ..model()
        },
        ModelState {
            name: "shade".to_owned(),
            condition: ModelCondition::Stopped,
            reason: Some(Foreign::told("it answered NaN")),
            ..model()
        },
    ];
    said.storage = Some(StorageState {
        disk_refuses: false,
        condition: StorageCondition::Stopped,
        reason: Some(Foreign::told("less than 256 MiB is free: give the disk room")),
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
            refused: Some(Foreign::told("not authorized")),
            retrying: None,
            shed: 2,
            shed_telemetry: 0,
            shed_last: None,
            put_aside: Vec::new(),
            damaged: Vec::new(),
            gone: None,
            outbox_bytes: 9_600,
            outbox_share: 0.25,
            lost: None,
        },
        trouble: Some(LinkTrouble::Unreachable),
        fault: Some(Foreign::told("connection refused")),
        another_box: true,
        disk_fault: Some(Foreign::told("no space left on device")),
        ..UplinkCounts::default()
    });
    said.clock = ClockState {
        plausible: false,
        courts: vec![
            clock("a", ClockSource::None, 3_155_760_000_000),
            clock("b", ClockSource::OnFi, 120),
            clock("c", ClockSource::File, 500),
        ],
    };
    said.admission = vec![
        "10.0.0.7 guessed stream keys 412 times in the last minute: block it at the venue's router"
            .to_owned(),
    ];
    said.full = vec![
        "12 questions of 203.0.113.9 to the page were told to come later in the last minute"
            .to_owned(),
    ];
    said.calibrate = Calibrate::On;
    said.files = vec![Foreign::told(
        "whoever has an account here can read /etc/courtside/box.key, which holds a secret",
    )];
    said.host = HostStatus {
        data_dir: Some(DataDirStatus {
            path: Foreign::told("/var/lib/courtside"),
            in_ram: true,
            read_only: true,
            of_user: Some(1000),
            keep_free_bytes: 268_435_456,
        }),
        syncs: Some(SyncsStatus { count: 64, median_ms: 502.5, worst_ms: 1_904.0 }),
        gpu_memory: Some(GpuMemory { free_bytes: 40_000_000, total_bytes: 8_000_000_000 }),
        render_denied: vec![RenderNode { path: Foreign::told("/dev/dri/renderD128"), group: 105 }],
        certificates: vec![CertificateStatus {
            what: "ca_file of [uplink]".to_owned(),
            file: Foreign::told("/etc/courtside/ca.pem"),
            ends: "2026-11-30T00:00:00.000Z".to_owned(),
            ends_in_days: -2.5,
        }],
        clock: ClockKept { reached: Some(false), watched_s: 7_200, steps: 3, moved_ms: -2_400 },
        damaged: vec![DamagedFile {
            file: Foreign::told("/var/lib/courtside/home.json"),
            put_aside: Some(Foreign::told("/var/lib/courtside/home.json.damaged-2026-11-30-1")),
            why: Foreign::told("it is all zeros"),
            newer: false,
            costs: "what was shown in Home Assistant of courts that are gone may stay there: delete it there".to_owned(),
        }],
        ended: Some(EndedStatus {
            count: 3,
            file: Foreign::told("/var/lib/courtside/failures/000003-signal-SEGV.log"),
            how: Foreign::told("signal SEGV"),
        }),
    };
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

/// What each court's sound can be, and a rim that was learnt from its odds alone.
fn of_three_sounds() -> StagesSay {
    let sounds = [
        Sound::Aac { sample_rate: 44_100, channels: 2 },
        Sound::LeftOut("MP3".to_owned()),
        Sound::None,
    ];
    let mut courts: Vec<CourtSays> =
        ["a", "b", "c"].map(|name| court(name, StreamCondition::Live)).into();
    for (court, sound) in courts.iter_mut().zip(sounds) {
        court.ingest.as_mut().expect("there").audio = sound;
    }
    let mut calibration = Calibration::new(courts[0].rims[0]);
    for n in 0..40_u32 {
        let odds = if n % 2 == 0 { 2.0 } else { -4.0 };
        let fact = FactId { session: SessionId::from_bits(0xaa), family: None, n };
        calibration.saw(fact, odds, ("rimnet", "0.6.0"), Some(-0.3));
    }
    let learnt = calibration.learnt(Some(-0.3));
    courts[0].learnt = Arc::new(vec![(calibration, learnt)]);
    let ingest = courts[0].ingest.as_mut().expect("there");
    ingest.times = Some("its times run at 0.50 of the clock's speed".to_owned());
    ingest.several_tracks = true;
    let mut waits = court("d", StreamCondition::Waiting);
    let stray = ([192, 0, 2, 99].into(), Astray::App(Foreign::name("Live")));
    waits.ingest.as_mut().expect("there").stray = Some(stray);
    courts.push(waits);
    let mut waits = court("e", StreamCondition::Waiting);
    let stray = ([192, 0, 2, 98].into(), Astray::Spoke(Spoke::Tls));
    waits.ingest.as_mut().expect("there").stray = Some(stray);
    courts.push(waits);
    let mut said = said_by(courts);
    said.calibrate = Calibrate::Watch;
    said
}

fn situations() -> [(&'static str, BoxStatus); 4] {
    [
        ("just_started", just_started()),
        ("in_mid_game", in_mid_game()),
        ("ill", ill()),
        ("of_three_sounds", of_three_sounds()),
    ]
    .map(|(name, said)| {
        let version = "(the program's)".to_owned();
        (name, BoxStatus { version, ..said.status() })
    })
}

/// The page and the schema are tested with the same files. `UPDATE_STATES=1` writes them.
#[test]
#[expect(clippy::disallowed_methods, reason = "writes the repository's own files, when asked to")]
fn a_box_says_what_it_said() {
    for (name, status) in situations() {
        let text = format!("{:#}\n", status.json());
        let file = format!("{}/tests/data/state/{name}.json", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_STATES").is_some() {
            std::fs::write(&file, &text).expect("written");
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap_or_default(), text, "{name}");
        let told = serde_json::from_str(&text).expect("JSON");
        assert_eq!(BoxStatus::read(&told).expect("read"), status, "read back as it was said");
    }
}

/// Of each enum, every word; a new one is not told until it stands in a situation.
#[test]
fn every_word_is_said_in_some_situation() {
    let all: Vec<BoxStatus> = situations().into_iter().map(|(_, status)| status).collect();
    fn check<T: Ord + Copy + std::fmt::Debug>(known: &[T], said: impl Iterator<Item = T>) {
        let said: BTreeSet<T> = said.collect();
        assert_eq!(said, known.iter().copied().collect::<BTreeSet<T>>());
    }
    let streams =
        || all.iter().flat_map(|status| status.streams.values().map(|court| &court.stream));
    let rims = || all.iter().flat_map(|status| status.calibration.courts.values().flatten());
    check(StreamCondition::ALL, streams().map(|stream| stream.condition));
    let relays = streams().flat_map(|stream| &stream.relays);
    check(RelayCondition::ALL, relays.map(|relay| relay.state));
    check(AdviceAbout::ALL, streams().flat_map(|stream| &stream.advice).map(|advice| advice.about));
    check(
        ModelCondition::ALL,
        all.iter().flat_map(|status| &status.models.bundles).map(|model| model.condition),
    );
    check(
        StorageCondition::ALL,
        all.iter().filter_map(|status| status.storage.as_ref()).map(|storage| storage.condition),
    );
    check(
        ClockSource::ALL,
        all.iter().flat_map(|status| &status.clock.courts).map(|court| court.source),
    );
    let uploads = || all.iter().flat_map(|status| &status.uploads.running);
    check(UploadCondition::ALL, uploads().map(|upload| upload.condition));
    let needs = uploads().filter_map(|upload| upload.needs.as_ref());
    check(UploadNeed::ALL, needs.map(|needs| needs.reason));
    check(CalibrationMode::ALL, all.iter().map(|status| status.calibration.mode));
    check(LearntFrom::ALL, rims().map(|rim| rim.from));
    check(VerdictWord::ALL, rims().flat_map(|rim| rim.said.values().copied()));
}

#[test]
fn metrics_have_what_the_state_has() {
    let [_, (_, status), ..] = situations();
    let read = reading(&status);
    assert_eq!(read.stream_up, [("north".to_owned(), true), ("south".to_owned(), true)]);
    assert_eq!(read.clock_error_seconds, [("north".to_owned(), 0.003), ("south".to_owned(), 0.08)]);
    assert_eq!(read.ring_bytes, [("pinned", 1_000_000), ("evictable", 12_399_000_000)]);
    let attempts: Vec<u64> = read.calibration.iter().map(|rim| rim.attempts).collect();
    assert_eq!(attempts, [39, 0]);
    let [_, _, (_, ill), _] = situations();
    let errors = reading(&ill).clock_error_seconds;
    assert_eq!(
        errors,
        [("b".to_owned(), 0.12), ("c".to_owned(), 0.5)],
        "none where nothing tells the time"
    );
}

#[test]
fn a_decoder_that_stands_in_is_a_fault_while_pictures_come_and_none_when_it_is_over() {
    let fault = "avdec_h264 (software) stands in for nvh264dec, which failed (no device); tried again \
                 after 5 s";
    let told = |downgrade: Option<&str>, fault: Option<&str>| {
        let mut north = court("north", StreamCondition::Live);
        north.decoder.downgrade = downgrade.map(str::to_owned);
        north.decoder.fault = fault.map(str::to_owned);
        let read = decoder_reading(&north.name, &north.decoder).stands_in;
        let status = said_by(vec![north]).status();
        (status.streams["north"].stream.fault.as_ref().map(ToString::to_string), read)
    };
    assert_eq!(told(Some(fault), None), (Some(fault.to_owned()), true));
    let no_pictures = "nvh264dec failed: odd; it is built anew";
    assert_eq!(told(Some(fault), Some(no_pictures)), (Some(no_pictures.to_owned()), true), "worse");
    assert_eq!(told(None, None), (None, false));
}
