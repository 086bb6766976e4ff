//! A small fleet beside a real mosquitto, as `courtside fleet` runs it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
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
    assert!(number(&claims["desk_cuts"]) >= 2, "{sheet:#}");
    assert!(number(&sheet["begun_anew"]) >= 12, "{sheet:#}");
    assert!(number(&sheet["broker_away"]["waited"]) > 0, "{sheet:#}");
    assert!(number(&sheet["half_away"]["waited"]) > 0, "{sheet:#}");
    assert!(number(&sum["decided"]) > 50 * 20, "{sheet:#}");
}

/// Runs a fleet until it says that it is at `part`, then sends it a signal: nothing of it stays.
fn goes_by(signal: Signal, part: &str) {
    let dir = tempfile::tempdir().expect("folder");
    let mut fleet = Command::new(env!("CARGO_BIN_EXE_courtside"))
        .args(["fleet", "--boxes", "8", "--seconds", "600", "--dir"])
        .arg(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut said = BufReader::new(fleet.stderr.take().expect("piped")).lines();
    let at_it = said.by_ref().map(|line| line.expect("read")).any(|line| line.contains(part));
    assert!(at_it, "it never came to {part}");
    let its = fs::read_dir(dir.path()).expect("read").next().expect("its folder").expect("read");
    let config = fs::read_to_string(its.path().join("broker/mosquitto.conf")).expect("read");
    let port = config.lines().find_map(|line| line.strip_prefix("listener ")).expect("a port");
    let port: u16 = port.split(' ').next().and_then(|port| port.parse().ok()).expect("a port");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok(), "its broker is there");
    let id = i32::try_from(fleet.id()).ok().and_then(Pid::from_raw).expect("an id");
    kill_process(id, signal).expect("sent");
    let last: Vec<String> = said.map_while(Result::ok).collect();
    let ended = fleet.wait().expect("it ends");
    assert_eq!(ended.code(), Some(1), "{last:?}");
    assert!(last.iter().any(|line| line.contains("ended before its end")), "{last:?}");
    assert_eq!(fs::read_dir(dir.path()).expect("read").count(), 0, "its folder is gone");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "so is its broker");
}

#[test]
fn a_fleet_that_is_told_to_end_takes_its_broker_and_its_folder_with_it() {
    goes_by(Signal::TERM, "claims");
    goes_by(Signal::INT, "quiet");
}
