//! `courtside pull --mqtt --s3`: a box that nobody can reach, its broker, a storage, and who signs.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::afar::Daemon;
use crate::mosquitto::until;
use crate::upload::storage::Storage;
use crate::upload::{PART, SESSION, Venue, sha256, venue};

const SECRET: &str = "planted-secret-of-the-bucket";
const CLIPS: [&str; 3] = ["a-1", "a-2", "a-3"];

fn key(clip: &str) -> String {
    format!("venues/rim-1/{clip}.mp4")
}

/// The command, not begun.
fn pull(venue: &Venue, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_courtside"));
    command.args(["pull", "--mqtt", &venue.laptop.broker, "--box", "rim-1", "--s3", "clips"]);
    command.args(["--s3-endpoint", &venue.storage.address(), "--prefix", "venues/"]);
    command.args(["--part-bytes", &PART.to_string(), "--json"]).args(words);
    command.env("AWS_ACCESS_KEY_ID", "planted-key").env("AWS_SECRET_ACCESS_KEY", SECRET);
    command.env_remove("AWS_SESSION_TOKEN");
    command
}

fn pulled(venue: &mut Venue, words: &[&str]) -> (Option<i32>, Value) {
    let output = pull(venue, words).output().expect("it runs");
    venue.laptop.heard(&output);
    let sheet = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    assert!(sheet.is_object(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code(), sheet)
}

fn begun(venue: &Venue) -> Child {
    let mut command = pull(venue, &["--all"]);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs")
}

/// Every clip is in the bucket as it is in the ring; their bytes.
fn all_there(venue: &Venue) -> u64 {
    let mut sum = 0;
    for clip in CLIPS {
        let bytes = venue.bytes(clip);
        let object = venue.storage.object(&key(clip)).unwrap_or_else(|| panic!("{clip} is there"));
        assert_eq!(sha256(&object), sha256(&bytes), "{clip}");
        assert!(venue.storage.open(&key(clip)).is_empty(), "{clip} left nothing open");
        sum += bytes.len() as u64;
    }
    sum
}

fn start(dir: &Path) -> (Venue, Daemon) {
    let venue = venue(dir);
    let daemon = Daemon::run(&venue.config);
    venue.born(1);
    (venue, daemon)
}

fn sent(storage: &Storage) -> u64 {
    storage.puts().iter().map(|put| put.bytes as u64).sum()
}

#[test]
fn clips_go_to_the_bucket_once_and_are_acknowledged() {
    let dir = tempfile::tempdir().expect("directory");
    let (mut venue, _daemon) = start(dir.path());
    let (code, sheet) = pulled(&mut venue, &["--all", "--keep-pinned"]);
    let all = all_there(&venue);
    assert_eq!((code, &sheet["moved_bytes"]), (Some(0), &all.into()), "{sheet:#}");
    assert_eq!((&sheet["clips"], &sheet["acknowledged"]), (&3.into(), &0.into()), "{sheet:#}");
    assert_eq!(sheet["boxes"][0]["box"], "rim-1");
    assert_eq!(sent(&venue.storage), all, "each byte once");
    assert!(CLIPS.iter().all(|clip| venue.pinned(clip)), "kept until it is acknowledged");

    // What is there is acknowledged, and moves nothing.
    let game = SESSION.to_string();
    let (code, sheet) = pulled(&mut venue, &["--game", &game]);
    assert_eq!((code, &sheet["moved_bytes"]), (Some(0), &0.into()), "{sheet:#}");
    assert_eq!(
        (&sheet["had_bytes"], &sheet["acknowledged"]),
        (&all.into(), &3.into()),
        "{sheet:#}"
    );
    assert!(!CLIPS.iter().any(|clip| venue.pinned(clip)));
    let (code, sheet) = pulled(&mut venue, &["--all", "--verify"]);
    assert_eq!((code, &sheet["moved_bytes"]), (Some(0), &0.into()), "{sheet:#}");
    assert_eq!((&sheet["acknowledged"], sent(&venue.storage)), (&0.into(), all), "{sheet:#}");
    // A box takes few commands: all were acknowledged by one.
    let messages = venue.subscriber.messages();
    let acks = messages.iter().filter(|message| message.json["operation"] == "clip_ack");
    let ids: BTreeSet<_> = acks.filter_map(|message| message.json["id"].as_str()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    // A game that nobody has heard of is said to be that.
    let (code, sheet) = pulled(&mut venue, &["--game", "0123456789abcdef"]);
    assert_eq!((code, &sheet["clips"]), (Some(3), &0.into()), "{sheet:#}");
    assert_eq!(sheet["boxes"][0]["unknown"], true, "{sheet:#}");

    // A box that is not there holds up no other.
    let (code, sheet) = pulled(&mut venue, &["--all", "--box", "rim-2"]);
    assert_eq!(
        (code, &sheet["failed"], &sheet["clips"]),
        (Some(3), &1.into(), &3.into()),
        "{sheet:#}"
    );

    // No address and no key of the bucket is told.
    let told = venue.subscriber.messages().into_iter().filter(|message| {
        !message.topic.contains("/command/") || message.topic.ends_with("/state")
    });
    let told = told.map(|message| message.json.to_string()).chain(venue.laptop.said);
    let leak = told.filter(|text| text.contains("X-Amz-Signature") || text.contains(SECRET));
    assert_eq!(leak.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn a_killed_pull_goes_on_where_it_was() {
    let dir = tempfile::tempdir().expect("directory");
    let (mut venue, _daemon) = start(dir.path());
    venue.storage.holds(Some(5));
    let mut child = begun(&venue);
    until("some parts are there", || (venue.storage.puts().len() >= 5).then_some(()));
    child.kill().expect("killed");
    child.wait().expect("ended");
    let before = sent(&venue.storage);
    venue.storage.holds(None);
    let (code, sheet) = pulled(&mut venue, &["--all"]);
    let all = all_there(&venue);
    assert_eq!((code, &sheet["acknowledged"]), (Some(0), &3.into()), "{sheet:#}");
    assert!(sheet["boxes"][0]["resumed"].as_u64() >= Some(1), "{sheet:#}");
    let moved = sheet["moved_bytes"].as_u64().expect("a number");
    assert!(moved <= all - before, "{before} of {all} were there: {sheet:#}");
    assert_eq!(sent(&venue.storage), all, "no byte twice");
}

#[test]
fn an_upload_that_the_storage_lost_begins_anew() {
    let dir = tempfile::tempdir().expect("directory");
    let (venue, _daemon) = start(dir.path());
    venue.storage.holds(Some(4));
    let child = begun(&venue);
    until("some parts are there", || (venue.storage.puts().len() >= 4).then_some(()));
    let open: Vec<String> = CLIPS.iter().flat_map(|clip| venue.storage.open(&key(clip))).collect();
    assert!(!open.is_empty());
    open.iter().for_each(|upload| venue.storage.forgets(upload));
    venue.storage.holds(None);
    let output = child.wait_with_output().expect("it ends");
    let sheet: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((output.status.code(), &sheet["acknowledged"]), (Some(0), &3.into()), "{sheet:#}");
    all_there(&venue);
}

#[test]
fn what_is_wrong_with_the_words_or_the_bucket_is_said() {
    let dir = tempfile::tempdir().expect("directory");
    let (venue, _daemon) = start(dir.path());
    let ends = |command: &mut Command| {
        let output = command.output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, why) = ends(pull(&venue, &["--all"]).env_remove("AWS_ACCESS_KEY_ID"));
    assert!(code == Some(1) && why.contains("AWS_ACCESS_KEY_ID"), "{why}");
    for words in [&["--all", "--out", "x"][..], &["--all", "--from", "http://box"], &[]] {
        assert_eq!(ends(&mut pull(&venue, words)).0, Some(2), "{words:?}");
    }
    // A bucket that is not there: each clip says so, and nothing is sent.
    let mut command = Command::new(env!("CARGO_BIN_EXE_courtside"));
    command.args([
        "pull",
        "--mqtt",
        &venue.laptop.broker,
        "--box",
        "rim-1",
        "--s3",
        "no-bucket",
        "--all",
    ]);
    command.args(["--s3-endpoint", &venue.storage.address(), "--json"]);
    command.env("AWS_ACCESS_KEY_ID", "planted-key").env("AWS_SECRET_ACCESS_KEY", SECRET);
    let output = command.output().expect("it runs");
    let sheet: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((output.status.code(), &sheet["failed"]), (Some(3), &3.into()), "{sheet:#}");
    let why = sheet["boxes"][0]["failed"][0]["why"].as_str().expect("a text");
    assert!(why.contains("NoSuchBucket") && why.contains("--s3"), "{why}");
    assert!(venue.storage.puts().is_empty());
}
