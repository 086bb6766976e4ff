//! `bench drain` of a small outbox: nothing is lost, doubled or out of order. How fast it is, is for who runs
//! it by hand: tests are not timed.

use std::process::Command;

use serde_json::Value;

#[test]
fn a_full_outbox_arrives_once_and_in_order_while_live_events_go_on() {
    let ran = Command::new(env!("CARGO_BIN_EXE_courtside"))
        .args(["bench", "drain", "--events", "3000", "--every-ms", "20", "--quiet", "20", "--json"])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&ran.stderr);
    // 3: slower than the bounds, which this machine may be.
    assert!(matches!(ran.status.code(), Some(0 | 3)), "{said}");
    let told: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    assert!(told["events"].as_u64().is_some_and(|events| events >= 3000), "{told}");
    for wrong in ["lost", "doubled", "behind"] {
        assert_eq!(told[wrong], 0, "{told}");
    }
    assert!(told["live"]["n"].as_u64().is_some_and(|n| n > 0), "{told}");
    assert_eq!(told["quiet"]["n"], 20, "{told}");
}
