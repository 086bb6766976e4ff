//! Deletion on demand over HTTP, where imports have some of it too.

use courtside::clips::{RingReader, RingSettings};
use courtside::disk::RealDisk;
use courtside::media::{SessionId, UtcTime};
use serde_json::Value;
use std::sync::Arc;

use super::ask;
use super::boxed::{Boxed, record};
use crate::ring::{TestRing, settings};

#[path = "../../support/synthetic.rs"]
mod synthetic;
use synthetic::tenths;

const IMPORTED: SessionId = SessionId::from_bits(0x1a);
/// When the imported recording began: 2023-11-14T22:13:20Z.
const BEGAN: UtcTime = UtcTime::from_nanos(1_700_000_000_000_000_000);

#[test]
fn who_asks_to_be_forgotten_is_forgotten_in_imports_too_and_the_audit_log_says_so() {
    let dir = tempfile::tempdir().expect("dir");
    record(dir.path());
    let imports = dir.path().join("import");
    let ring = imports.join("abc/ring");
    let disk = || Arc::new(RealDisk::new());
    let recorded = RingSettings { recorded: Some(BEGAN), ..settings(ring.clone()) };
    let mut imported = TestRing::open(recorded, disk()).expect("a ring");
    imported.opened(IMPORTED);
    tenths(IMPORTED, 0..100, 200).for_each(|item| imported.feed(item));
    imported.closed(IMPORTED);
    imported.request("first", IMPORTED, (1_000, 1_900));
    imported.request("last", IMPORTED, (8_000, 9_000));
    assert_eq!(imported.told(), ["first", "last"]);
    imported.join();

    let whole = RingSettings { imports: Some(imports), ..settings(dir.path().join("ring")) };
    let mut tested = TestRing::open(whole, disk()).expect("a ring");
    tested.ring.start().expect("threads");
    let boxed = Boxed::serving(tested);
    let json = |body: &[u8]| serde_json::from_slice::<Value>(body).expect("JSON");
    let deletes = |asked: &str| ask(boxed.address, "POST /v1/deletions", "", asked);
    let has = |clip: &str| {
        let reader = RingReader::open(&ring, disk()).expect("a ring");
        let clip = reader.shelf().expect("a shelf").read(clip).expect("its entry stays");
        clip.media.is_some()
    };

    // By time: the box itself recorded nothing then.
    let (status, _, body) = deletes(
        r#"{"court": "a", "from": "2023-11-14T22:13:21Z", "to": "2023-11-14T22:13:22Z", "reason": "asked"}"#,
    );
    let told = json(&body);
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["clips"], serde_json::json!(["first"]), "{told}");
    assert_eq!(told["imports"][0]["import"], "abc", "{told}");
    assert!(told["bytes"].as_u64() > Some(0), "{told}");
    assert_eq!((has("first"), has("last")), (false, true));
    // By the clip's name.
    let (status, _, body) = deletes(r#"{"clip": "last"}"#);
    assert_eq!((status, has("last")), (200, false), "{}", json(&body));
    // What neither has is said to be that.
    let never = r#"{"court": "a", "from": "2001-01-01T00:00:00Z", "to": "2001-01-01T00:00:09Z"}"#;
    assert_eq!(deletes(never).0, 404);

    let told = json(&ask(boxed.address, "GET /v1/deletions", "", "").2);
    let words: Vec<_> = told["imports"][0]["deletions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|line| line["what"].as_str())
        .filter(|what| *what != "format")
        .collect();
    assert_eq!(words, ["asked", "done", "asked", "done"], "{told}");
    assert_eq!(told["imports"][0]["deletions"][1]["reason"], "asked", "{told}");

    // As a person reads it on the box.
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_courtside"))
        .args(["clips", "audit", "--ring"])
        .arg(dir.path().join("ring"))
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&run.stdout);
    let lines = said.lines().filter(|line| line.starts_with("import abc  ")).count();
    assert_eq!(lines, 4, "{said}");
}
