//! A box comes into service: every check on its way, what a technician says, and what changes then.

use std::time::Duration;

use courtside::event::words::{CheckWord, ServiceBy};
use serde_json::json;

use crate::film::{Shot, made, still};
use crate::testbox::{Plan, TestBox};

const RIMS: [[f32; 4]; 1] = [[612.0, 188.0, 44.0, 22.0]];

fn claimed() -> TestBox {
    TestBox::of(Plan { claimed: true, ..Plan::of(&["north"]) })
}

/// Lets the box look at itself.
fn looks(tested: &mut TestBox) {
    tested.pass(Duration::from_millis(500), Duration::from_millis(250));
}

fn state(tested: &TestBox, check: &str) -> CheckWord {
    tested.checked("north", check).state
}

/// By what it is in service, if it is.
fn by(tested: &TestBox) -> Option<ServiceBy> {
    let court = tested.service("north");
    court.in_service.then_some(court.by)
}

/// Its camera publishes, and pictures are answered; time for the box to see it.
fn plays(tested: &mut TestBox) {
    tested.camera("north");
    tested.show("north", &still(Shot::Nothing, 30));
    looks(tested);
}

#[test]
fn a_box_comes_from_no_camera_into_service_and_each_check_says_what_to_do() {
    let mut tested = claimed();
    looks(&mut tested);
    let camera = tested.checked("north", "camera");
    assert_eq!(camera.state, CheckWord::Waiting);
    assert_eq!(camera.code.as_deref(), Some("no_publisher"));
    assert!(camera.todo.is_some_and(|todo| todo.contains("rtmp://")), "it says where to publish");
    for waits in ["decodes", "rim", "width", "model"] {
        assert_ne!(state(&tested, waits), CheckWord::Passed, "{waits}");
    }
    assert_eq!(
        [state(&tested, "broker"), state(&tested, "clock")],
        [CheckWord::Passed, CheckWord::Passed]
    );
    assert_eq!(by(&tested), None);
    let refused = tested.confirms("north", &RIMS).expect_err("nobody can have seen them");
    assert!(refused.starts_with("no_picture: "), "{refused}");

    tested.camera_with_b_frames("north");
    tested.show("north", &still(Shot::Nothing, 60));
    looks(&mut tested);
    let camera = tested.checked("north", "camera");
    assert_eq!((camera.state, camera.code.as_deref()), (CheckWord::Failed, Some("b_frames")));
    let said = format!("{:?} {:?}", camera.text, camera.todo);
    assert!(said.contains("B-frames") && said.contains("Baseline"), "{said}");
    assert_eq!(state(&tested, "decodes"), CheckWord::Passed);
    tested.confirms("north", &RIMS).expect("it has a picture");
    looks(&mut tested);
    assert_eq!(by(&tested), None, "B-frames keep it out");
    let told = tested
        .retained("service", |told| told["courts"]["north"]["checks"][0]["code"] == "b_frames");
    assert_eq!(told["in_service"], false, "{told}");

    // They are switched off: the encoder begins anew.
    tested.camera_gone("north");
    plays(&mut tested);
    for check in ["camera", "decodes", "rim", "width", "model", "broker", "clock"] {
        let told = tested.checked("north", check);
        assert_eq!(told.state, CheckWord::Passed, "{told:?}");
    }
    assert_eq!(by(&tested), Some(ServiceBy::Checks));
    let told = tested.retained("service", |told| told["in_service"] == true);
    assert_eq!(told["courts"]["north"]["confirmed"]["who"], "Ada");

    // At night nothing is on, and after a restart it is what it was.
    tested.camera_gone("north");
    tested.stop();
    tested.start().expect("it starts");
    tested.connected();
    looks(&mut tested);
    assert_eq!(by(&tested), Some(ServiceBy::Checks));
    assert_eq!(state(&tested, "camera"), CheckWord::Waiting);
    tested.stop();
}

#[test]
fn shots_are_called_and_told_before_a_court_is_in_service() {
    let mut tested = claimed();
    tested.camera("north");
    tested.show("north", &made());
    looks(&mut tested);
    assert_eq!(by(&tested), None);
    let told = tested.told();
    assert!(told.contains(&"north shot.made".to_owned()), "{told:?}");
    assert_eq!(tested.recorded().len(), 1);
    assert!(tested.recorded()[0] > 0, "and it is recorded");
    tested.stop();
}

#[test]
fn rims_that_were_found_elsewhere_become_the_courts_and_are_checked() {
    let mut tested = claimed();
    plays(&mut tested);
    let narrow = [[400.0, 100.0, 9.0, 4.0]];
    tested.cameras_read_goodbyes("north");
    tested.confirms("north", &narrow).expect("taken");
    let reported = tested.reported_to(&tested.broker);
    assert_eq!(reported["config"]["court"]["north"]["rims"], json!([[400.0, 100.0, 9.0, 4.0]]));
    assert_eq!(reported["config"]["court"]["north"]["rims_of"], json!([1280, 720]));
    plays(&mut tested);
    let width = tested.checked("north", "width");
    assert_eq!(width.state, CheckWord::Failed, "{width:?}");
    assert!(width.figure.is_some_and(|figure| figure.contains("9 pixels")));
    assert_eq!((by(&tested), state(&tested, "rim")), (None, CheckWord::Passed));

    let wide = [[400.0, 100.0, 50.0, 22.0]];
    tested.cameras_read_goodbyes("north");
    tested.confirms("north", &wide).expect("taken");
    plays(&mut tested);
    assert_eq!(by(&tested), Some(ServiceBy::Checks));
    // They are its rims after a restart, too, and what is wanted from afar is laid over them.
    tested.stop();
    tested.start().expect("it starts");
    tested.connected();
    let reported = tested.reported();
    assert_eq!(reported.config["court"]["north"]["rims"], json!([[400.0, 100.0, 50.0, 22.0]]));
    tested.desired(1, json!({ "court": { "north": { "rims": [[10, 20, 44, 22]] } } }));
    let refused = {
        tested.camera("north");
        tested.show("north", &still(Shot::Nothing, 2));
        tested.confirms("north", &wide).expect_err("config/desired names them")
    };
    assert!(refused.contains("config/desired (revision 1)"), "{refused}");
    // It was in service and is to be checked anew, but a start may be in mid-game.
    looks(&mut tested);
    let court = tested.service("north");
    assert!(court.in_service && court.recheck.is_some(), "{court:?}");
    tested.pass(Duration::from_secs(21 * 60), Duration::from_secs(20));
    assert_eq!(by(&tested), None);
    tested.retained("service", |told| told["in_service"] == false);
    tested.stop();
}

#[test]
fn a_technicians_word_is_kept_over_a_restart_with_who_and_why() {
    let mut tested = claimed();
    looks(&mut tested);
    let court = tested.overrides("north", true, "the camera comes on Monday");
    assert_eq!((court.in_service, court.by), (true, ServiceBy::Override));
    tested.power_cut(3);
    tested.start().expect("it starts");
    tested.connected();
    looks(&mut tested);
    let told = tested.retained("service", |told| told["courts"]["north"]["by"] == "override");
    let court = &told["courts"]["north"];
    assert_eq!(told["in_service"], true, "{told}");
    assert_eq!(court["overridden"]["reason"], "the camera comes on Monday", "{court}");
    assert_eq!(
        (&court["overridden"]["who"], &court["overridden"]["door"]),
        (&json!("Ada"), &json!("page"))
    );
    assert_eq!(court["checks"][0]["state"], "waiting", "and its checks say what they say");
    // All that was missing comes: the checks decide again.
    plays(&mut tested);
    tested.confirms("north", &RIMS).expect("taken");
    looks(&mut tested);
    assert_eq!(by(&tested), Some(ServiceBy::Checks));
    let court = tested.overrides("north", false, "the ring is being replaced");
    assert!(!court.in_service);
    tested.confirms("north", &RIMS).expect("taken");
    looks(&mut tested);
    assert_eq!(by(&tested), Some(ServiceBy::Checks));
    tested.stop();
}

#[test]
fn what_a_technician_says_is_in_force_or_not_whatever_write_is_cut() {
    let mut found = std::collections::BTreeSet::new();
    for cut in 0..12 {
        let mut tested = claimed();
        looks(&mut tested);
        tested.disk.stop_after(tested.disk.operations() + cut);
        let said = tested.overrides_while_the_disk_stops("north", "the camera comes on Monday");
        tested.power_cut(cut);
        tested.start().expect("it starts");
        tested.connected();
        looks(&mut tested);
        let kept = tested.service("north").overridden.is_some();
        assert!(kept || !said, "what was taken is there, cut {cut}");
        found.insert(kept);
        tested.stop();
    }
    assert_eq!(found.len(), 2, "cuts before it and after it");
}

#[test]
fn a_box_that_nobody_claimed_is_in_service_by_its_file() {
    let mut tested = TestBox::with_courts(&["north"]);
    looks(&mut tested);
    assert_eq!(by(&tested), Some(ServiceBy::File));
    let told = tested.retained("service", |told| told["courts"]["north"]["by"] == "file");
    assert_eq!(told["in_service"], true, "{told}");
    tested.stop();
}
