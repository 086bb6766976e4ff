//! Doctor finds what is wrong: a table of planted faults, each found and named with what to do, and a box
//! that is well beside them. Streams are made by ffmpeg's x264 and go the whole way; what is a fact of the
//! platform (a GPU's memory, a device's group) is planted in what was read of it, and `app::host` and
//! `health::syncs` test that it is read. Faults of a box that does not start stand in `tests/cli.rs`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use courtside::clock::Clock;
use courtside::disk::Mount;
use courtside::event::box_status::BoxStatus;
use courtside::event::catalogue::{Code, Severity};
use courtside::event::host::{RenderNode, SyncsStatus};
use courtside::event::state::Advice;
use courtside::event::words::{AdviceAbout, ModelCondition};
use courtside::health::doctor::{Finding, findings};
use courtside::media::{Foreign, UtcTime};
use courtside::rtmp::flv::{FileTag, read_file};
use courtside::rtmp::message::kind;
use rumqttc::mqttbytes::v5::{
    ConnAckProperties, ConnectReturnCode, DisconnectProperties, DisconnectReasonCode, PubAckReason,
};

use crate::broker::{Acks, Greets, Manners, no_limits};
use crate::film::made;
use crate::testbox::{Plan, TestBox, TestCourt};

/// A camera without a fault: 720p, 10 pictures a second, a key picture every 2 s, 4 Mbit/s.
const GOOD: &[&str] = &["-preset", "ultrafast", "-tune", "zerolatency", "-g", "20"];
const NOISE: &str = "testsrc2=size=1280x720:rate=10,noise=alls=12:allf=t";
const STILL: &str = "testsrc2=size=1280x720:rate=10,trim=end_frame=1,loop=loop=-1:size=1";
const RATE: &[&str] = &["-b:v", "4M", "-minrate", "4M", "-maxrate", "4M", "-bufsize", "1M"];

/// A film of `seconds` that ffmpeg makes of `source`.
fn film(source: &str, seconds: u32, options: &[&[&str]]) -> Vec<FileTag> {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("film.flv");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", source, "-t", &seconds.to_string()]);
    ffmpeg.args(["-c:v", "libx264", "-pix_fmt", "yuv420p"]).args(options.concat());
    let made = ffmpeg.arg(&file).stdin(Stdio::null()).output().expect("ffmpeg runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let bytes = Bytes::from(std::fs::read(&file).expect("a film"));
    read_file(&bytes).expect("tags")
}

fn good(seconds: u32) -> Vec<FileTag> {
    film(NOISE, seconds, &[GOOD, RATE])
}

/// A box with room for video.
fn plan() -> Plan {
    let court = TestCourt::new("north").with_delay(300);
    Plan { disk_bytes: 8 << 30, courts: vec![court], ..Plan::of(&[]) }
}

fn with_rim(rim: [u32; 4]) -> Plan {
    Plan { courts: vec![TestCourt::new("north").with_delay(300).with_rim(rim)], ..plan() }
}

/// What is found at a court to which an encoder sends `film`, in bursts of so many pictures.
fn seen_of(plan: Plan, film: &[FileTag], burst: usize) -> Vec<Finding> {
    let mut tested = TestBox::of(plan);
    // Before the stream: a court whose camera stops is stalled.
    tested.status();
    tested.camera("north");
    tested.play("north", film, burst);
    let found = findings(&tested.status_now());
    tested.stop();
    found
}

/// What is found once `plant` was done to a box with a good camera.
fn found_after(plan: Plan, plant: impl FnOnce(&mut TestBox)) -> Vec<Finding> {
    let mut tested = TestBox::of(plan);
    plant(&mut tested);
    findings(&tested.status())
}

/// What is found in the state of a box that is well but for what `plant` reads of the machine.
fn found_in(plant: impl FnOnce(&mut BoxStatus)) -> Vec<Finding> {
    let mut tested = TestBox::of(plan());
    tested.status();
    tested.camera("north");
    tested.play("north", &good(6), 1);
    let mut status = tested.status_now();
    assert_eq!(findings(&status), [], "it is well");
    plant(&mut status);
    findings(&status)
}

/// What a fault is held against: its code, what stands in the words, and in what to do.
fn holds(fault: &str, found: &[Finding], code: Code, says: &[&str], todo: &str) {
    let told: Vec<_> = found.iter().map(|one| (one.code.word(), one.text.as_str())).collect();
    let finding = found.iter().find(|one| one.code == code);
    let finding = finding.unwrap_or_else(|| panic!("{fault}: no {code} in {told:?}"));
    for part in says {
        assert!(finding.text.contains(part), "{fault}: no `{part}` in `{}`", finding.text);
    }
    assert!(finding.todo.contains(todo), "{fault}: no `{todo}` in `{}`", finding.todo);
    assert_eq!(finding.severity, code.severity());
    let json = serde_json::to_value(finding).expect("JSON");
    assert_eq!(json["code"], code.word(), "{json}");
}

/// The same, where nothing else is found.
fn alone(fault: &str, found: &[Finding], code: Code, says: &[&str], todo: &str) {
    holds(fault, found, code, says, todo);
    let codes: Vec<Code> = found.iter().map(|one| one.code).collect();
    assert_eq!(codes, [code], "{fault}: {found:?}");
}

/// A box and a stream that are well: none of all faults is found.
#[test]
fn a_box_that_is_well_raises_nothing() {
    assert_eq!(seen_of(plan(), &good(8), 1), []);
}

/// A fault, how it is planted, and what must be said of it.
type Row = (&'static str, fn() -> Vec<Finding>, Code, &'static [&'static str], &'static str);

/// Each alone: one fault gives one finding.
fn check(rows: &[Row]) {
    for (fault, plant, code, says, todo) in rows {
        alone(fault, &plant(), *code, says, todo);
    }
}

#[test]
fn what_a_camera_sends_is_told_with_what_it_costs() {
    // The film's decoder puts nothing in order: pictures are lost there too.
    let two = &["-preset", "ultrafast", "-bf", "2", "-g", "20"];
    let found = seen_of(plan(), &film(NOISE, 6, &[two, RATE]), 1);
    holds("B-frames", &found, Code::BFrames, &["the camera sends B-frames", "ms"], "B-frames to 0");
    let mut slow = TestBox::of(plan());
    slow.status();
    slow.camera("north");
    slow.play_dated("north", &good(8), 1, |at| at / 2);
    let found = findings(&slow.status_now());
    slow.stop();
    let says = &["its times run at 0.50 of the clock's speed"];
    holds("half speed", &found, Code::StreamClock, says, "the network is not to blame");
    assert!(found.iter().all(|one| one.code != Code::Bursts), "{found:?}");
    let mut two_tracks = good(6);
    let at = two_tracks[9].timestamp;
    let second = Bytes::from_static(b"\xa6\x03avc1\x01\0\0\0\x02\x41\x9a");
    two_tracks.insert(10, FileTag { kind: kind::VIDEO, timestamp: at, body: second });
    let found = seen_of(plan(), &two_tracks, 1);
    holds("two tracks", &found, Code::SeveralTracks, &["the first is taken"], "Multitrack Video");
    check(&[
        (
            "lookahead",
            || {
                let ahead =
                    &["-preset", "ultrafast", "-g", "20", "-x264-params", "rc-lookahead=15"];
                seen_of(plan(), &film(NOISE, 6, &[ahead, RATE]), 1)
            },
            Code::Lookahead,
            &["looks 15 pictures ahead", "1500 ms"],
            "zerolatency",
        ),
        (
            "long GOP",
            || {
                let long = &["-preset", "ultrafast", "-tune", "zerolatency", "-g", "50"];
                seen_of(plan(), &film(NOISE, 11, &[long, RATE]), 1)
            },
            Code::LongGop,
            &["key frames come every 5.0 s"],
            "key frame interval to 2 s",
        ),
        (
            "low bit rate",
            || {
                let low = &["-b:v", "200k", "-maxrate", "200k", "-bufsize", "100k"];
                let source = "testsrc2=size=1280x720:rate=10";
                seen_of(plan(), &film(source, 8, &[GOOD, low]), 1)
            },
            Code::LowBitrate,
            &["Mbit/s is little for 1280 × 720"],
            "set at least 2 Mbit/s",
        ),
        (
            "bursts",
            || seen_of(plan(), &good(6), 5),
            Code::Bursts,
            &["in bursts, up to 400 ms late"],
            "cable instead of Wi-Fi",
        ),
        (
            "frozen picture",
            || seen_of(plan(), &film(STILL, 66, &[GOOD, RATE]), 1),
            Code::Frozen,
            &["nothing in them has moved", "6"],
            "hand before the lens",
        ),
        (
            "rim outside the picture",
            || seen_of(with_rim([1500, 188, 44, 22]), &good(4), 1),
            Code::RimOutside,
            &["rim 0 is drawn at [1500, 188, 44, 22], outside the picture of 1280 × 720"],
            "courtside aim",
        ),
        (
            "ring too narrow",
            || seen_of(with_rim([612, 188, 10, 6]), &good(4), 1),
            Code::TinyRing,
            &["rim 0 is only 10 pixels wide"],
            "zoom in",
        ),
        (
            "ring narrow",
            || seen_of(with_rim([612, 188, 20, 10]), &good(4), 1),
            Code::SmallRing,
            &["rim 0 is 20 pixels wide"],
            "zoom in",
        ),
        (
            "no camera",
            || found_after(plan(), |_| {}),
            Code::NoPublisher,
            &["no camera publishes"],
            "stream_key",
        ),
        (
            "camera without pictures",
            || {
                let mut tested = TestBox::of(plan());
                tested.status();
                tested.camera("north");
                tested.play("north", &good(4), 1);
                tested.pass(Duration::from_secs(3), Duration::from_millis(250));
                findings(&tested.status_now())
            },
            Code::Stalled,
            &["no pictures come"],
            "network",
        ),
        (
            "wrong key",
            || {
                found_after(plan(), |tested| {
                    tested.publish_in_vain("key-of-court-nroth");
                })
            },
            Code::WrongKey,
            &["127.0.0.1 publishes with a stream key that no court has"],
            "Stream Key",
        ),
        (
            "camera bumped",
            || {
                found_in(|status| {
                    let text = "the camera has moved: the ring of rim 0 is now at [630, 188, 44, 22], it \
                                was drawn at [612, 188, 44, 22]";
                    let advice = Advice::new(AdviceAbout::CameraMoved, text.to_owned());
                    let court = status.streams.get_mut("north").expect("there");
                    court.stream.advice.push(advice);
                })
            },
            Code::CameraMoved,
            &["the camera has moved", "[630, 188, 44, 22]"],
            "courtside aim",
        ),
    ]);
}

/// What is found of a good camera's box whose machine or clock `plant` changed.
fn beside_a_camera(plant: impl FnOnce(&mut TestBox)) -> Vec<Finding> {
    let mut tested = TestBox::of(plan());
    plant(&mut tested);
    tested.status();
    tested.camera("north");
    tested.play("north", &good(4), 1);
    findings(&tested.status_now())
}

fn mounted(mount: Mount) -> Vec<Finding> {
    beside_a_camera(|tested| tested.disk.set_mount(mount))
}

/// What is found of a box whose page shows a certificate that ends on that day of January 2027; it is the 15th.
fn with_certificate(day: u8) -> Vec<Finding> {
    let dir = tempfile::tempdir().expect("a folder");
    let mut params = rcgen::CertificateParams::new(["rim-1".to_owned()]).expect("parameters");
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 1, day);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("signed");
    let [cert_file, key_file] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
    std::fs::write(&cert_file, certificate.pem()).expect("written");
    std::fs::write(&key_file, key.serialize_pem()).expect("written");
    let quoted = |path: &Path| format!("\"{}\"", path.display());
    let http = format!("cert_file = {}\nkey_file = {}\n", quoted(&cert_file), quoted(&key_file));
    let mut tested = TestBox::of(Plan { http, ..plan() });
    tested.status();
    tested.camera("north");
    tested.play("north", &good(4), 1);
    let found = findings(&tested.status_now());
    // Who may read the key is told too, and is not what is asked here.
    found.into_iter().filter(|one| one.code != Code::OpenToOthers).collect()
}

#[test]
fn what_the_machine_lacks_is_told() {
    check(&[
        (
            "data_dir in RAM",
            || mounted(Mount { in_ram: true, ..Mount::default() }),
            Code::DataInRam,
            &["/box lies in memory"],
            "findmnt",
        ),
        (
            "data_dir read-only",
            || mounted(Mount { read_only: true, ..Mount::default() }),
            Code::DataReadOnly,
            &["/box is read-only"],
            "dmesg",
        ),
        (
            "data_dir of another owner",
            || mounted(Mount { of_user: Some(1234), ..Mount::default() }),
            Code::DataNotOurs,
            &["/box belongs to user 1234"],
            "chown",
        ),
        (
            "data_dir nearly full",
            || beside_a_camera(|tested| tested.disk.set_capacity(Some(600 << 20))),
            Code::DiskNearlyFull,
            &["MB are free", "MB of video"],
            "df -h",
        ),
        (
            "disk slow (500 ms a sync)",
            || {
                found_in(|status| {
                    let syncs = SyncsStatus { count: 40, median_ms: 500.0, worst_ms: 900.0 };
                    status.host.syncs = Some(syncs);
                })
            },
            Code::DiskSlow,
            &["500 ms to sync"],
            "SSD",
        ),
        (
            "clock in 1970",
            || beside_a_camera(|tested| tested.clock.step_utc(UtcTime::from_nanos(60_000_000_000))),
            Code::Implausible,
            &["earlier than the program"],
            "timedatectl",
        ),
        (
            "clock drifting",
            || {
                beside_a_camera(|tested| {
                    for _ in 0..3 {
                        tested.pass(Duration::from_secs(3600), Duration::from_secs(600));
                        let to = tested.clock.utc().plus_nanos(900_000_000);
                        tested.clock.step_utc(to);
                    }
                })
            },
            Code::ClockDrifts,
            &["moved 3 times in 3.0 h, by +2700 ms"],
            "UDP 123",
        ),
        (
            "camera's clock drifting",
            || found_in(|status| status.clock.courts[0].drift_ppm = Some(340.0)),
            Code::CameraDrifts,
            &["+340 ppm", "+1224 ms an hour"],
            "NTP",
        ),
        (
            "render group missing",
            || {
                found_in(|status| {
                    let path = Foreign::told("/dev/dri/renderD128");
                    status.host.render_denied = vec![RenderNode { path, group: 105 }];
                })
            },
            Code::RenderDenied,
            &["/dev/dri/renderD128", "group 105"],
            "usermod -aG render",
        ),
        (
            "engine being built",
            || {
                found_in(|status| {
                    let model = &mut status.models.bundles[0];
                    model.condition = ModelCondition::Loading;
                    model.reason = Some(Foreign::told("since 2027-01-15T08:00:00.000Z"));
                })
            },
            Code::ModelLoading,
            &["since 2027-01-15T08:00"],
            "wait",
        ),
        (
            "certificate that ends in 10 days",
            || with_certificate(25),
            Code::CertificateEnds,
            &["cert_file of [http]", "ends on 2027-01-25, in 10 days"],
            "before that day",
        ),
        (
            "certificate that has ended",
            || with_certificate(10),
            Code::CertificateEnded,
            &["cert_file of [http]", "ended on 2027-01-10, 5 days ago"],
            "openssl x509 -enddate",
        ),
    ]);
}

/// Of what comes with others: a model that is refused, refusals of a broker, a night without a link.
#[test]
fn what_models_and_neighbors_do_is_told() {
    let refused = found_after(
        Plan { detect: "bundles = [\"rimnet\", \"nosuch\"]\n".to_owned(), ..plan() },
        |_| {},
    );
    holds(
        "model refused",
        &refused,
        Code::ModelRefused,
        &["refused: ", "nosuch"],
        "courtside check",
    );

    // Read as decoders read it.
    let full = found_after(plan(), |tested| tested.gpu_has(90));
    holds("GPU full", &full, Code::GpuFull, &["94 MB of 8589 MB"], "nvidia-smi");

    let parked = found_after(plan(), |tested| {
        tested.camera("north");
        for _ in 0..9 {
            tested.broker.refuse_saying(PubAckReason::NotAuthorized, "no such right");
        }
        tested.show("north", &made());
    });
    holds("events refused", &parked, Code::Refused, &["no such right"], "courtside/1/{box}/");

    let filling = found_after(plan(), |tested| {
        tested.camera("north");
        tested.broker_goes();
        tested.show("north", &made());
        tested.camera_gone("north");
        tested.pass(Duration::from_secs(25 * 3600), Duration::from_secs(600));
    });
    holds("outbox filling", &filling, Code::OutboxFilling, &["wait on disk", "25 h"], "shed first");

    let hostile = found_after(plan(), |tested| tested.guess(40));
    holds("hostile peers", &hostile, Code::Attacked, &["127.0.0.1"], "router or switch");
}

/// What is found once `code` is, of a box whose broker treats it so from its next connection on.
fn treated(code: Code, manners: Manners) -> Vec<Finding> {
    let mut tested = TestBox::of(plan());
    tested.status();
    tested.broker_goes();
    tested.broker.behave(manners);
    tested.broker.open();
    tested.camera("north");
    tested.found(code)
}

/// The same of a box whose broker is said to be there.
fn with_broker(code: Code, url: &str) -> Vec<Finding> {
    TestBox::of(Plan { broker: Some(url.to_owned()), ..plan() }).found(code)
}

fn greeting(greets: Greets) -> Manners {
    Manners { greets, ..Manners::default() }
}

#[test]
fn what_is_wrong_with_the_broker_is_told_apart() {
    let check = |fault: &str, code: Code, found: Vec<Finding>, says: &[&str], todo: &str| {
        holds(fault, &found, code, says, todo);
        let of_broker = found.iter().filter(|one| one.about == "broker").count();
        assert_eq!(of_broker, 1, "{fault}: {found:?}");
    };
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = held.local_addr().expect("bound").port();
    drop(held);
    let code = Code::BrokerUnreachable;
    let nobody = with_broker(code, &format!("mqtt://127.0.0.1:{silent}"));
    check("broker unreachable", code, nobody, &["refused"], "firewall");
    let code = Code::BrokerName;
    check("DNS gone", code, with_broker(code, "mqtt://broker.invalid"), &["(DNS)"], "address");

    let greetings = [
        (
            "broker refuses",
            Code::BrokerRefused,
            Greets::Refuses(ConnectReturnCode::NotAuthorized),
            "0x87 Not authorized",
            "username",
        ),
        (
            "broker busy",
            Code::BrokerBusy,
            Greets::Refuses(ConnectReturnCode::ServerBusy),
            "busy",
            "by itself",
        ),
        (
            "MQTT 3 only",
            Code::BrokerOldMqtt,
            Greets::With(vec![0x20, 2, 0, 1], true),
            "an older version",
            "mosquitto from 1.6",
        ),
        (
            "garbage",
            Code::BrokerNotMqtt,
            Greets::With(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), true),
            "no broker of MQTT 5",
            "proxy",
        ),
        ("no greeting", Code::BrokerNoGreeting, Greets::Never, "says nothing", "8883"),
        (
            "two boxes of one name",
            Code::AnotherBox,
            Greets::SendsAway(DisconnectReasonCode::SessionTakenOver, no_goodbye()),
            "our name",
            "box.name",
        ),
        (
            "against the rules",
            Code::BrokerMisunderstood,
            Greets::SendsAway(DisconnectReasonCode::ProtocolError, no_goodbye()),
            "0x82 Protocol Error",
            "update the broker",
        ),
        (
            "moved",
            Code::BrokerMoved,
            Greets::SendsAway(DisconnectReasonCode::ServerMoved, no_goodbye()),
            "another one",
            "`broker` of [uplink]",
        ),
    ];
    for (fault, code, greets, says, todo) in greetings {
        check(fault, code, treated(code, greeting(greets)), &[says], todo);
    }
    let code = Code::BrokerNoAcks;
    let silent = Manners { acks: Acks::Never, ..Manners::default() };
    check("no acknowledgements", code, treated(code, silent), &["acknowledge"], "restart it");
    let code = Code::NoRetained;
    let limits = ConnAckProperties { retain_available: Some(0), ..no_limits() };
    let forgets = Manners { limits: Some(limits), ..Manners::default() };
    check("no retained", code, treated(code, forgets), &["no retained"], "retain_available");
    let code = Code::BrokerLimits;
    let limits = ConnAckProperties { max_packet_size: Some(600), ..no_limits() };
    let small = Manners { limits: Some(limits), ..Manners::default() };
    check("small packets", code, treated(code, small), &["does not take all"], "max_packet_size");
    let code = Code::RefusedForNow;
    let waits = found_in(|status| {
        let uplink = status.uplink.as_mut().expect("it has one");
        uplink.state.retrying = Some(3);
        uplink.state.refused = Some(Foreign::told("0x97 Quota exceeded"));
        uplink.refused_todo = Some(Foreign::told("raise the quota"));
    });
    check("refused for now", code, waits, &["3 event(s) for now", "0x97"], "raise the quota");
}

fn no_goodbye() -> DisconnectProperties {
    DisconnectProperties {
        session_expiry_interval: None,
        reason_string: None,
        user_properties: Vec::new(),
        server_reference: None,
    }
}

#[test]
fn files_that_are_not_what_was_written_are_told() {
    let mut tested = TestBox::with_courts(&["a"]);
    tested.stop();
    let at = |name: &str| Path::new(crate::testbox::DATA).join(name);
    tested.disk.replace(&at("home.json"), &[0; 40]);
    tested.disk.replace(&at("service.json"), br#"{"format":9,"oldest_reader":9}"#);
    tested.start().expect("it starts");
    for (code, file) in [(Code::FileDamaged, "home.json"), (Code::FileNewer, "service.json")] {
        let found = tested.found(code);
        let is_told = found.iter().any(|one| one.code == code && one.text.contains(file));
        assert!(is_told, "{found:?}");
    }
    tested.stop();
}

/// Of the codes that a camera, a machine or a neighbor can raise, none is left without a row: what is not planted
/// here is named with where it is.
#[test]
fn every_code_is_planted_somewhere() {
    let source = include_str!("doctor.rs");
    let cli = include_str!("../cli.rs");
    let unit = include_str!("../../src/health/doctor.rs");
    let claim = include_str!("../../src/health/claimed.rs");
    let update = include_str!("../../src/health/updated.rs");
    let look = include_str!("../../src/health/looked.rs");
    let is_planted = |code: &Code| {
        let named = |end| source.contains(&format!("Code::{code:?}{end}"));
        let quoted = format!("\"{code}\"");
        [',', ';'].into_iter().any(named)
            || cli.contains(&quoted)
            || unit.contains(&quoted)
            || claim.contains(&quoted)
            || update.contains(&format!("[Code::{code:?}]"))
            || look.contains(&format!("Some(Code::{code:?})"))
            || look.contains(&format!("== Code::{code:?})"))
    };
    let left: BTreeSet<Code> = Code::ALL.iter().copied().filter(|code| !is_planted(code)).collect();
    assert_eq!(left, BTreeSet::new());
    assert!(Code::ALL.iter().any(|code| code.severity() == Severity::Advice));
}
