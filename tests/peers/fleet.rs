//! A small fleet beside a real mosquitto, as `courtside fleet` runs it.

use std::process::Command;

use serde_json::Value;

#[test]
fn a_fleet_of_fifty_loses_and_doubles_nothing() {
    let told = Command::new(env!("CARGO_BIN_EXE_courtside"))
        .args([
            "fleet",
            "--boxes",
            "50",
            "--seconds",
            "2",
            "--rate",
            "300",
            "--burst",
            "10",
            "--json",
        ])
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&told.stdout);
    let said = String::from_utf8_lossy(&told.stderr);
    let sheet: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{said}"));
    assert_eq!(told.status.code(), Some(0), "{sheet:#}");
    let sum = &sheet["sum"];
    for (what, expected) in [
        ("lost", 0),
        ("doubled", 0),
        ("unknown", 0),
        ("commands", 150),
        ("commands_done", 150),
        ("commands_doubled", 0),
    ] {
        assert_eq!(sum[what], expected, "{what}: {sheet:#}");
    }
    assert_eq!((&sheet["twins_right"], &sheet["online"]), (&50.into(), &50.into()), "{sheet:#}");
    let claims = &sheet["claims"];
    for (what, expected) in [("right", 50), ("doubles", 0), ("signed", 50)] {
        assert_eq!(claims[what], expected, "{what}: {sheet:#}");
    }
    // It was tried: boxes began anew, events waited while broker and gate were away, and came then.
    let number = |of: &Value| of.as_u64().expect("a number");
    assert!(number(&claims["cuts"]) > 25 && number(&claims["breaks"]) > 0, "{sheet:#}");
    assert!(number(&sheet["begun_anew"]) >= 12, "{sheet:#}");
    assert!(number(&sheet["broker_away"]["waited"]) > 0, "{sheet:#}");
    assert!(number(&sheet["half_away"]["waited"]) > 0, "{sheet:#}");
    assert!(number(&sum["decided"]) > 50 * 20, "{sheet:#}");
}
