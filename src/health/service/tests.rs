//! Every check by what is seen, and every step of the drawing in `mod.rs`.

use serde_json::{Value, json};

use super::*;
use crate::media::RimBox;

const NOON: &str = "2027-01-15T12:00:00.000Z";

/// A box whose one court has nothing left to be done but that somebody looks at its rims.
fn ready() -> Value {
    json!({
        "box": "rim-1", "version": "0.1.0",
        "streams": { "a": {
            "condition": "live", "session": "00000000000000aa", "publisher": null, "encoder": null,
            "codec": "H.264", "width": 1280, "height": 720, "fps": 30.0, "bitrate_kbps": 4100.0,
            "key_interval_s": 2.0, "audio": "none", "decoder": "avdec_h264", "ring_px": [44.0],
            "advice": [], "fault": null, "pictures": 900, "answers": 880, "dropped": 0,
            "rims": [{ "x": 612.0, "y": 188.0, "w": 44.0, "h": 22.0 }], "rims_of": [1280, 720],
            "score": { "made": [1], "attempts": [2], "after": null },
        } },
        "models": { "bundles": [{ "name": "rimnet", "version": "1", "condition": "ready",
            "engine": "builtin", "reason": null, "inference_ms": 1.9, "role": "live" }] },
        "storage": null,
        "uplink": { "connected": true, "acknowledges": true, "outbox_events": 0,
            "outbox_oldest_seconds": 0.0, "parked": 0, "refused": null, "shed": 0,
            "another_box": false, "fault": null, "disk_fault": null },
        "clock": { "plausible": true, "courts": [] },
    })
}

fn read(state: &Value) -> BoxStatus {
    BoxStatus::read(state).expect("a state")
}

fn at(minutes: u64) -> Monotonic {
    Monotonic::from_nanos(minutes * 60 * 1_000_000_000)
}

fn vouched(state: &Value) -> Vouched {
    let court = &read(state).streams["a"];
    Vouched {
        who: Foreign::told("Ada"),
        door: Foreign::told("page"),
        time: Some(NOON.to_owned()),
        rims: court.rims.clone(),
        rims_of: court.rims_of,
        picture: court.stream.width.zip(court.stream.height).map(|(w, h)| [w, h]),
    }
}

/// A box, and somebody who looks at it.
struct Looked {
    service: Service,
    state: Value,
    decoded: bool,
    claimed: bool,
    minutes: u64,
}

impl Looked {
    fn claimed() -> Self {
        let service = Service::default();
        Self { service, state: ready(), decoded: true, claimed: true, minutes: 0 }
    }

    fn set(&mut self, place: &str, value: Value) {
        let (parent, key) = place.rsplit_once('/').expect("a pointer");
        let parent = self.state.pointer_mut(parent).expect("a parent");
        match parent.as_array_mut() {
            Some(list) => list[key.parse::<usize>().expect("a place")] = value,
            None => parent[key] = value,
        }
    }

    fn look(&mut self) -> ServiceState {
        let status = read(&self.state);
        let decoded = self.decoded.then(|| "a".to_owned()).into_iter().collect();
        self.service.look(&Seen {
            status: &status,
            decoded: &decoded,
            claimed: self.claimed,
            time: Some(NOON),
            now: at(self.minutes),
        })
    }

    fn court(&mut self) -> CourtService {
        self.look().courts["a"].clone()
    }

    /// In service or not, by what, and whether it is to be checked anew.
    fn stands(&mut self) -> (bool, ServiceBy, bool) {
        let court = self.court();
        (court.in_service, court.by, court.recheck.is_some())
    }

    fn confirms(&mut self) {
        let vouched = vouched(&self.state);
        self.service.confirm("a", vouched);
    }

    fn overrides(&mut self, in_service: bool) {
        let vouched = vouched(&self.state);
        let reason = Foreign::told("the cup begins");
        self.service.overrides("a", Overridden { in_service, reason, vouched });
    }

    /// It ends, and begins anew with what was kept.
    fn restarts(&mut self) {
        self.service = Service::of(self.service.kept().clone());
    }
}

#[test]
fn each_check_says_what_it_waits_for_what_is_wrong_and_that_it_is_passed() {
    use CheckName::{Broker, Camera, Clock, Decodes, Model, Rim, Width};
    use CheckWord::{Failed, Passed, Waiting};
    let b_frames = json!([{ "about": "b_frames", "costs_ms": 66.7, "pixels": null,
        "text": "The camera sends B-frames: switch them off in …" }]);
    let moved = json!([{ "about": "camera_moved", "costs_ms": null, "pixels": null,
        "text": "the camera seems to have been moved" }]);
    let slow = json!({ "name": "rimnet", "version": "1", "condition": "ready", "engine": "builtin",
        "reason": "takes 9.0 ms, its budget is 3 ms: use a smaller model", "inference_ms": 9.0,
        "role": "live", "over_budget": true });
    let rows: &[(&str, Value, CheckName, CheckWord, &str)] = &[
        ("/streams/a/condition", json!("waiting"), Camera, Waiting, "no camera publishes"),
        ("/streams/a/condition", json!("stalled"), Camera, Failed, "no pictures come"),
        ("/streams/a/advice", b_frames, Camera, Failed, "B-frames"),
        ("/streams/a/pictures", json!(900), Camera, Passed, ""),
        ("/streams/a/rims", json!([]), Rim, Waiting, "no rim is drawn"),
        ("/streams/a/pictures", json!(900), Rim, Waiting, "nobody has looked"),
        ("/streams/a/advice", moved, Rim, Failed, "moved"),
        ("/streams/a/ring_px", json!([44.0, 12.0]), Width, Failed, "12 pixels"),
        ("/streams/a/ring_px", json!([]), Width, Waiting, "waits"),
        ("/streams/a/ring_px", json!([14.0]), Width, Passed, ""),
        ("/streams/a/answers", json!(0), Model, Failed, "no model answered"),
        ("/streams/a/fault", json!("the model sees nothing"), Model, Failed, "sees nothing"),
        ("/models/bundles", json!([]), Model, Failed, "no model"),
        ("/models/bundles/0/condition", json!("refused"), Model, Failed, "refused"),
        ("/models/bundles/0/condition", json!("loading"), Model, Waiting, "loaded"),
        ("/models/bundles/0", slow, Model, Failed, "budget"),
        ("/streams/a/pictures", json!(900), Model, Passed, ""),
        ("/uplink/connected", json!(false), Broker, Waiting, "no link"),
        ("/uplink/another_box", json!(true), Broker, Failed, "another box"),
        ("/uplink/acknowledges", json!(false), Broker, Waiting, "acknowledged"),
        ("/uplink", json!(null), Broker, Waiting, "outbox"),
        ("/clock/plausible", json!(false), Clock, Failed, "clock"),
        ("/streams/a/pictures", json!(900), Decodes, Passed, ""),
    ];
    for (place, value, check, state, text) in rows {
        let mut looked = Looked::claimed();
        looked.set(place, value.clone());
        let told = looked.look();
        let all = told.courts["a"].checks.iter().chain(&told.checks);
        let found = all.clone().find(|told| told.check == *check).expect("told");
        assert_eq!(found.state, *state, "{place} {value}: {found:?}");
        let said = found.text.as_ref().map_or("", Foreign::as_str);
        assert!(said.contains(text), "{place} {value}: {found:?}");
        assert_eq!(said.is_empty(), *state == Passed, "{found:?}");
        // What fails says what to do, by itself or with the text.
        let acts = found.todo.is_some() || said.contains(':') || *state != Failed;
        assert!(acts || said.contains("seems to have been moved"), "{found:?}");
        assert_eq!(all.count(), CheckName::ALL.len());
    }
}

#[test]
fn a_picture_that_stands_still_keeps_no_court_out_of_service_and_is_told_beside_its_check() {
    let mut looked = Looked::claimed();
    looked.set(
        "/streams/a/advice",
        json!([{ "about": "frozen", "text": "for 66 s nothing in them has moved" }]),
    );
    looked.confirms();
    let court = looked.court();
    let decodes = court.checks.iter().find(|told| told.check == CheckName::Decodes).expect("told");
    assert_eq!((decodes.state, decodes.code.as_deref()), (CheckWord::Passed, Some("frozen")));
    assert!(decodes.text.as_ref().is_some_and(|text| text.contains("66 s")), "{decodes:?}");
    assert!(decodes.todo.as_ref().is_some_and(|todo| todo.contains("wave a hand")), "{decodes:?}");
    assert!(court.in_service, "{court:?}");
}

#[test]
fn what_comes_out_of_no_decoder_is_waited_for_and_then_failed() {
    let mut looked = Looked::claimed();
    looked.decoded = false;
    looked.set("/streams/a/pictures", json!(20));
    let state = |looked: &mut Looked| looked.court().checks[1].state;
    assert_eq!(state(&mut looked), CheckWord::Waiting);
    looked.set("/streams/a/pictures", json!(300));
    assert_eq!(state(&mut looked), CheckWord::Failed);
    looked.set("/streams/a/pictures", json!(20));
    looked.set("/streams/a/fault", json!("the decoder refuses 4:4:4"));
    assert_eq!(state(&mut looked), CheckWord::Failed);
}

#[test]
fn a_court_of_a_claimed_box_is_in_service_once_all_is_passed_and_stays_so_at_night() {
    let mut looked = Looked::claimed();
    assert_eq!(looked.stands(), (false, ServiceBy::Nothing, false));
    assert!(!looked.look().in_service);
    looked.confirms();
    assert_eq!(looked.stands(), (true, ServiceBy::Checks, false));
    assert!(looked.look().in_service);
    // The venue switches all off; nobody has changed what was checked.
    looked.set("/streams/a/condition", json!("waiting"));
    looked.set("/uplink/connected", json!(false));
    looked.decoded = false;
    looked.minutes = 600;
    assert_eq!(looked.stands(), (true, ServiceBy::Checks, false));
    looked.restarts();
    looked.minutes = 1200;
    assert_eq!(looked.stands(), (true, ServiceBy::Checks, false));
    assert_eq!(looked.court().checks[0].state, CheckWord::Waiting, "and its checks say so");
}

#[test]
fn what_was_checked_and_changes_falls_out_once_nobody_plays() {
    let moved = json!([{ "about": "camera_moved", "costs_ms": null, "pixels": null, "text": "…" }]);
    for (place, value) in [
        ("/streams/a/rims", json!([{ "x": 612.0, "y": 190.0, "w": 44.0, "h": 22.0 }])),
        ("/streams/a/rims_of", json!([1920, 1080])),
        ("/streams/a/width", json!(1920)),
        ("/streams/a/advice", moved),
    ] {
        let mut looked = Looked::claimed();
        looked.confirms();
        looked.look();
        looked.minutes = 100;
        looked.set("/streams/a/score/attempts", json!([3]));
        looked.look();
        looked.set(place, value.clone());
        looked.minutes = 119;
        assert_eq!(looked.stands(), (true, ServiceBy::Checks, true), "{place}: in mid-game");
        looked.set("/streams/a/score/attempts", json!([4]));
        looked.look();
        looked.minutes = 138;
        assert_eq!(looked.stands(), (true, ServiceBy::Checks, true), "{place}: still");
        looked.restarts();
        looked.look();
        looked.minutes = 157;
        assert_eq!(looked.stands(), (true, ServiceBy::Checks, true), "{place}: a start is play");
        looked.minutes = 158;
        assert_eq!(looked.stands(), (false, ServiceBy::Nothing, false), "{place}");
        looked.set("/streams/a/advice", json!([]));
        looked.confirms();
        assert_eq!(looked.stands(), (true, ServiceBy::Checks, false), "{place}: checked anew");
    }
}

#[test]
fn what_is_changed_back_in_time_never_falls_out() {
    let mut looked = Looked::claimed();
    looked.confirms();
    looked.look();
    looked.set("/streams/a/width", json!(1920));
    assert!(looked.court().recheck.is_some_and(|why| why.contains("1920x720")));
    looked.set("/streams/a/width", json!(1280));
    looked.minutes = 60;
    assert_eq!(looked.stands(), (true, ServiceBy::Checks, false));
}

#[test]
fn rims_that_are_confirmed_to_be_others_are_checked_before_they_count() {
    let mut looked = Looked::claimed();
    looked.confirms();
    looked.look();
    looked.minutes = 60;
    looked.set("/streams/a/rims/0/x", json!(400.0));
    looked.set("/streams/a/ring_px", json!([9.0]));
    looked.confirms();
    assert_eq!(looked.stands(), (false, ServiceBy::Nothing, false), "too narrow");
    looked.set("/streams/a/ring_px", json!([44.0]));
    assert_eq!(looked.stands(), (true, ServiceBy::Checks, false));
}

#[test]
fn a_persons_word_counts_either_way_over_a_restart_until_it_is_not_needed() {
    let mut looked = Looked::claimed();
    looked.set("/streams/a/ring_px", json!([9.0]));
    looked.overrides(true);
    assert_eq!(looked.stands(), (true, ServiceBy::Override, false));
    looked.restarts();
    let court = looked.court();
    let overridden = court.overridden.as_ref().expect("kept");
    assert_eq!((&*overridden.reason, &*overridden.vouched.who), ("the cup begins", "Ada"));
    assert_eq!(court.since.as_deref(), Some(NOON));
    // All passed: the checks decide again.
    looked.set("/streams/a/ring_px", json!([44.0]));
    looked.confirms();
    assert_eq!(looked.stands(), (true, ServiceBy::Checks, false));
    looked.overrides(false);
    assert_eq!(looked.stands(), (false, ServiceBy::Override, false));
    looked.restarts();
    assert_eq!(looked.stands(), (false, ServiceBy::Override, false));
    looked.confirms();
    assert_eq!(looked.stands(), (true, ServiceBy::Checks, false));
}

#[test]
fn an_override_ends_with_what_it_was_said_of() {
    let mut looked = Looked::claimed();
    looked.set("/streams/a/ring_px", json!([9.0]));
    looked.overrides(true);
    looked.look();
    looked.set("/streams/a/rims/0/x", json!(400.0));
    assert_eq!(looked.stands(), (true, ServiceBy::Override, true));
    looked.minutes = 20;
    assert_eq!(looked.stands(), (false, ServiceBy::Nothing, false));
}

#[test]
fn a_box_that_nobody_claimed_is_in_service_by_its_file_and_checked_once_it_is_claimed() {
    let mut looked = Looked::claimed();
    looked.claimed = false;
    looked.set("/streams/a/condition", json!("waiting"));
    assert_eq!(looked.stands(), (true, ServiceBy::File, false));
    looked.set("/streams/a/rims/0/x", json!(400.0));
    looked.minutes = 60;
    assert_eq!(looked.stands(), (true, ServiceBy::File, false), "its file is what counts");
    looked.restarts();
    looked.claimed = true;
    assert_eq!(looked.stands(), (true, ServiceBy::File, true), "a game may be on");
    looked.minutes = 80;
    assert_eq!(looked.stands(), (false, ServiceBy::Nothing, false));
    looked.set("/streams/a/condition", json!("live"));
    looked.confirms();
    assert_eq!(looked.stands(), (true, ServiceBy::Checks, false));
}

#[test]
fn a_check_says_since_when_it_stands_so() {
    let mut looked = Looked::claimed();
    let status = read(&looked.state);
    let decoded = BTreeSet::from(["a".to_owned()]);
    let mut look = |time, status: &BoxStatus| {
        let seen = Seen { status, decoded: &decoded, claimed: true, time: Some(time), now: at(0) };
        looked.service.look(&seen).courts["a"].checks[0].since.clone()
    };
    assert_eq!(look("t1", &status).as_deref(), Some("t1"));
    assert_eq!(look("t2", &status).as_deref(), Some("t1"));
    let mut gone = status.clone();
    gone.streams.get_mut("a").expect("there").stream.condition =
        crate::event::words::StreamCondition::Waiting;
    assert_eq!(look("t3", &gone).as_deref(), Some("t3"));
}

#[test]
fn what_is_kept_is_read_again_and_what_cannot_be_read_is_put_aside() {
    use crate::disk::{Disk, ForgetfulDisk};
    let (disk, dir) = (ForgetfulDisk::with_capacity(1 << 20), std::path::Path::new("/box"));
    disk.create_dir_all(dir).expect("made");
    let store = ServiceStore::of(dir);
    assert_eq!(store.take(&disk), (Kept::default(), None));
    let mut looked = Looked::claimed();
    looked.confirms();
    looked.overrides(true);
    looked.look();
    store.write(&disk, looked.service.kept()).expect("written");
    let (kept, told) = store.take(&disk.power_cut(7));
    assert_eq!((&kept, told), (looked.service.kept(), None));
    assert_eq!(
        kept.courts["a"].confirmed.as_ref().expect("kept").rims[0],
        RimBox { x: 612.0, y: 188.0, w: 44.0, h: 22.0 }
    );
    for (text, why) in [
        ("no JSON", "line 1, column 2 cannot be read"),
        (r#"{"format":9,"oldest_reader":9}"#, "newer"),
    ] {
        crate::disk::write_durably(&disk, &dir.join("service.json"), text.as_bytes()).expect("so");
        let (kept, told) = store.take(&disk);
        assert_eq!(kept, Kept::default());
        assert!(told.is_some_and(|told| told.contains(why)), "{text}");
        assert_eq!(store.take(&disk), (Kept::default(), None), "it is away");
    }
}
