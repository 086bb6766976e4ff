//! A highlight that is taken back, from the correction of its shot to the reel that leaves it out.

use std::path::Path;
use std::process::Command;

use courtside::disk::{Disk, read_whole};
use serde_json::{Value, json};

use crate::film::{Shot, made, still};
use crate::started::ask;
use crate::testbox::TestBox;

/// The manifest's clips, in order.
fn listed(tested: &TestBox) -> Vec<Value> {
    let (status, manifest) = ask(tested, "GET", "/v1/clips", &Value::Null);
    assert_eq!(status, 200, "{manifest}");
    manifest["clips"].as_array().expect("clips").clone()
}

/// The box's ring as files of this machine, and what its commands say of it.
fn ring_of(tested: &TestBox) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for below in ["", "segments", "clips"] {
        let (from, to) = (Path::new("/box/ring").join(below), folder.path().join(below));
        std::fs::create_dir_all(&to).expect("made");
        for name in tested.disk.names(&from).expect("a folder") {
            let bytes = read_whole(&tested.disk, &from.join(&name), 1 << 30).expect("read");
            std::fs::write(to.join(name), bytes).expect("written");
        }
    }
    folder
}

fn reel(ring: &Path, more: &[&str]) -> (Option<i32>, Value, String) {
    let out = ring.join("reel.mp4");
    let mut command = Command::new(env!("CARGO_BIN_EXE_courtside"));
    command.args(["clips", "reel", "--json", "--ring"]).arg(ring).arg("--out").arg(out).args(more);
    let done = command.output().expect("it runs");
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    (done.status.code(), serde_json::from_slice(&done.stdout).unwrap_or_default(), told)
}

#[test]
fn a_corrected_shot_takes_its_clip_back_in_the_entry_the_manifest_and_the_reel() {
    let mut tested = TestBox::with_courts(&["north"]);
    tested.camera("north");
    // The first shot's clip begins before it.
    tested.show("north", &still(Shot::Nothing, 200));
    // Each with a clip of its own: what follows a shot is in its clip, and is over before the next.
    for _ in 0..2 {
        tested.show("north", &made());
        tested.show("north", &still(Shot::Nothing, 300));
    }
    let before = listed(&tested);
    let ids: Vec<_> =
        before.iter().map(|clip| clip["id"].as_str().expect("id").to_owned()).collect();
    assert_eq!(ids.len(), 2, "{before:?}");
    let taken_back = |clips: &[Value]| -> Vec<bool> {
        // A correction is kept to learn from, too: a clip of its own, which no event has.
        let of_events = clips.iter().filter(|clip| clip["reason"] != "label");
        of_events.map(|clip| clip["withdrawn"] == true && clip["pinned"] == true).collect()
    };
    assert_eq!(taken_back(&before), [false, false], "{before:?}");
    let session = before[0]["session"].as_str().expect("a session").to_owned();

    let fact = before[0]["fact"].as_str().expect("the event that it is of").to_owned();
    let correct = |tested: &TestBox, verdict: &str| {
        let path = format!("/v1/shots/{fact}/correct");
        let (status, told) = ask(tested, "POST", &path, &json!({ "verdict": verdict }));
        assert_eq!(status, 200, "{told}");
    };
    correct(&tested, "missed");
    tested.show("north", &still(Shot::Nothing, 3));
    let told: Vec<_> = tested.envelopes().into_iter().rev().take(3).collect();
    let withdrawn = |event: &Value| event["type"] == "courtside.highlight.withdrawn.v1";
    assert!(told.iter().any(withdrawn), "{told:?}");
    assert_eq!(taken_back(&listed(&tested)), [true, false], "{:?}", listed(&tested));
    let entry = Path::new("/box/ring/clips").join(format!("{}.json", ids[0]));
    let entry = read_whole(&tested.disk, &entry, 1 << 20).expect("its entry");
    let entry: Value = serde_json::from_slice(&entry).expect("JSON");
    assert_eq!((&entry["withdrawn"], &entry["pinned"]), (&json!(true), &json!(true)), "{entry}");

    let ring = ring_of(&tested);
    let (code, film, told) = reel(ring.path(), &["--game", &session]);
    assert_eq!(code, Some(0), "{film} {told}");
    assert!(told.contains(&format!("{} was taken back: left out", ids[0])), "{told}");
    assert!(!told.contains(&ids[1]), "{told}");
    let shown = |film: &Value| film["scenes"].as_array().map_or(0, Vec::len);
    assert_eq!(shown(&film), 1, "{film}");
    // By its name it is shown all the same.
    let (code, film, told) = reel(ring.path(), &["--clips", &ids.join(",")]);
    assert_eq!((code, shown(&film)), (Some(0), 2), "{film} {told}");

    // Made after all: the clip is a highlight again.
    correct(&tested, "made");
    tested.show("north", &still(Shot::Nothing, 3));
    assert_eq!(taken_back(&listed(&tested)), [false, false], "{:?}", listed(&tested));
    tested.stop();
}
