//! Recordings played into a box of their own: what a camera would have given, with the file's own time.

use std::path::{Path, PathBuf};
use std::process::Command;

use courtside::clips::RingReader;
use courtside::disk::RealDisk;
use serde_json::Value;
use std::sync::Arc;

const GAME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo/game.flv");
const TRUTH: &str = include_str!("../../assets/demo/game.json");
const BEGAN: &str = "2026-11-28T18:00:00Z";

/// A box with one court, whose broker is not there.
fn configured(dir: &Path) -> PathBuf {
    configured_with(dir, "[uplink]\nbroker = \"mqtt://127.0.0.1:1\"")
}

fn configured_with(dir: &Path, uplink: &str) -> PathBuf {
    let truth: Value = serde_json::from_str(TRUTH).expect("JSON");
    let file = dir.join("courtside.toml");
    let data_dir = dir.join("data");
    std::fs::create_dir(&data_dir).expect("a folder");
    let text = format!(
        "[box]\nname = \"hall-1\"\ndata_dir = {data_dir:?}\n{uplink}\n\
         [[court]]\nname = \"a\"\nstream_key = \"of-the-camera\"\nrims = [{}]\n",
        truth["rim"]
    );
    std::fs::write(&file, text).expect("written");
    file
}

/// The events that an import tells, and what it says in the end.
fn import(config: &Path, file: &Path, more: &[&str]) -> (Vec<Value>, Value, String) {
    let (_, events, done, said) = ended(config, file, more);
    (events, done, said)
}

/// The same, with its exit code: `None` where it had not ended after five minutes.
fn ended(config: &Path, file: &Path, more: &[&str]) -> (Option<i32>, Vec<Value>, Value, String) {
    const LATE: i32 = 124; // `timeout`'s own
    let run = Command::new("timeout")
        .args(["300", env!("CARGO_BIN_EXE_courtside")])
        .args(["clips", "import", "--json", "--config"])
        .arg(config)
        .arg(file)
        .args(more)
        .output()
        .expect("run");
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    let lines = String::from_utf8_lossy(&run.stdout).into_owned();
    let mut lines: Vec<Value> =
        lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let done = lines.pop().unwrap_or_default();
    (run.status.code().filter(|code| *code != LATE), lines, done, said)
}

/// Begins an import, and lets it run until something of it was recorded.
fn begun(config: &Path, file: &Path) -> std::process::Child {
    let before = std::time::SystemTime::now();
    let mut run = Command::new(env!("CARGO_BIN_EXE_courtside"))
        .args(["clips", "import", "--json", "--began", BEGAN, "--config"])
        .arg(config)
        .arg(file)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("run");
    let imports = config.with_file_name("data").join("import");
    let recorded = || {
        let folders = std::fs::read_dir(&imports).into_iter().flatten().flatten();
        // What an earlier one left there was changed before.
        let is_new = |dir: &PathBuf| {
            let changed = std::fs::metadata(dir).and_then(|meta| meta.modified());
            changed.is_ok_and(|at| at > before)
        };
        let segments = folders.map(|folder| folder.path().join("ring/segments")).filter(is_new);
        segments.flat_map(std::fs::read_dir).flatten().next().is_some()
    };
    while !recorded() {
        assert_eq!(run.try_wait().expect("asked"), None, "it ended before anything was recorded");
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    run
}

/// Names in the folder of imports.
fn folders(config: &Path) -> Vec<String> {
    let entries =
        std::fs::read_dir(config.with_file_name("data").join("import")).expect("a folder");
    let mut names: Vec<_> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    // Locks behind.
    names.sort_by_key(|name| (name.ends_with(".lock"), name.clone()));
    names
}

/// Id, type and data of each event, without what hangs on how fast it was.
fn facts(events: &[Value]) -> Vec<Value> {
    let mut facts: Vec<_> = events
        .iter()
        .map(|event| {
            let mut data = event["data"].clone();
            if let Some(data) = data.as_object_mut() {
                data.remove("latency_ms");
            }
            serde_json::json!([event["id"], event["type"], data])
        })
        .collect();
    facts.sort_by_key(ToString::to_string);
    facts
}

/// Rim time and outcome of each final call.
fn calls(events: &[Value]) -> Vec<(f64, String)> {
    let finals = events.iter().filter(|event| event["data"]["provisional"] == false);
    finals
        .filter_map(|event| {
            let outcome = event["type"].as_str()?.strip_prefix("courtside.shot.")?;
            let outcome = outcome.strip_suffix(".v1")?.to_owned();
            Some((event["data"]["t_stream"].as_f64()?, outcome))
        })
        .collect()
}

#[test]
fn a_recording_gives_the_attempts_of_the_stream_with_its_own_time_and_the_same_ids_again() {
    let dir = tempfile::tempdir().expect("dir");
    let config = configured(dir.path());
    let truth: Value = serde_json::from_str(TRUTH).expect("JSON");
    let began = ["--began", BEGAN];
    let (events, done, said) = import(&config, Path::new(GAME), &began);
    assert_eq!(done["lost"], 0, "{done} {said}");
    let called = calls(&events);
    let attempts = truth["attempts"].as_array().expect("attempts");
    assert_eq!(called.len(), attempts.len(), "{called:?}");
    for ((at, outcome), attempt) in called.iter().zip(attempts) {
        assert!((at - attempt["t_rim"].as_f64().expect("a time")).abs() < 1.0, "{called:?}");
        assert_eq!(outcome, &attempt["outcome"], "{called:?}");
    }
    for event in &events {
        assert_eq!((&event["historical"], &event["clocksource"]), (&true.into(), &"file".into()));
        assert_eq!(event["source"], "courtside:hall-1-import/a");
        if let Some(at) = event["data"]["t_stream"].as_f64() {
            let time = event["time"].as_str().expect("a time");
            let second = format!("2026-11-28T18:00:{:02}", at.floor());
            assert!(time.starts_with(&second), "{time} of {at}");
        }
    }
    // Its broker was never there, so it is not done; again it gives the same.
    let (again, _, _) = import(&config, Path::new(GAME), &began);
    assert_eq!(facts(&again), facts(&events));

    // The court's own folder has nothing of it; its clips lie with it.
    let data = dir.path().join("data");
    let mine: Vec<_> = std::fs::read_dir(&data).expect("folder").flatten().collect();
    assert_eq!(mine.iter().map(std::fs::DirEntry::file_name).collect::<Vec<_>>(), ["import"]);
    let mut imports = std::fs::read_dir(data.join("import")).expect("folder").flatten();
    let ring = imports.find(|entry| entry.path().is_dir()).expect("one").path().join("ring");
    let reader = RingReader::open(&ring, Arc::new(RealDisk::new())).expect("a ring");
    let made = called.iter().filter(|(_, outcome)| outcome == "made").count();
    let clips = reader.clips().expect("clips");
    assert_eq!(clips.iter().filter(|clip| clip.media.is_some()).count(), made, "{clips:?}");
}

#[test]
fn the_same_game_in_other_files_gives_the_same_attempts_and_what_is_no_game_is_refused() {
    let dir = tempfile::tempdir().expect("dir");
    let config = configured(dir.path());
    let convert = |args: &str, file: &Path| {
        let run = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-i", GAME, "-t", "12"])
            .args(args.split_whitespace())
            .arg(file)
            .status();
        assert!(run.expect("ffmpeg is installed (make test installs it)").success());
    };
    let flv = dir.path().join("game.flv");
    convert("-c copy", &flv);
    let (as_flv, ..) = import(&config, &flv, &["--began", BEGAN]);
    assert!(!calls(&as_flv).is_empty(), "{as_flv:?}");
    // Its own word of when it was.
    let mp4 = dir.path().join("game.mp4");
    convert("-c copy -metadata creation_time=2026-11-27T12:00:00Z", &mp4);
    let (as_mp4, done, said) = import(&config, &mp4, &[]);
    assert_eq!(done["lost"], 0, "{done} {said}");
    let rounded = |events: &[Value]| -> Vec<_> {
        calls(events).into_iter().map(|(at, what)| ((at * 20.0).round() as i64, what)).collect()
    };
    assert_eq!(rounded(&as_mp4), rounded(&as_flv));
    let first = as_mp4.first().and_then(|event| event["time"].as_str()).unwrap_or_default();
    assert!(first.starts_with("2026-11-27T12:00:"), "{first} {said}");

    let ts = dir.path().join("game.ts");
    convert("-c copy", &ts);
    let (as_ts, done, said) = import(&config, &ts, &["--began", BEGAN]);
    assert_eq!(done["lost"], 0, "{done} {said}");
    assert_eq!(rounded(&as_ts), rounded(&as_flv), "{said}");

    let (_, _, said) = import(&config, &ts, &[]);
    assert!(said.contains("--began"), "{said}");
    let webm = dir.path().join("other.webm");
    convert("-c:v libvpx -deadline realtime -an -s 320x180", &webm);
    let (_, _, said) = import(&config, &webm, &["--began", BEGAN]);
    assert!(said.contains("vp8") && said.contains("H.264"), "{said}");
    let (_, _, said) = import(&config, &config, &["--began", BEGAN]);
    assert!(said.contains("courtside.toml"), "{said}");
}

/// Pictures of a film as ffprobe decodes them: of six seconds its TS has one fewer than its MOV.
fn pictures_in(film: &Path) -> u64 {
    let counted = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-select_streams", "v"])
        .args(["-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"])
        .arg(film)
        .output()
        .expect("ffprobe is installed (make test installs it)");
    let text = String::from_utf8(counted.stdout).expect("UTF-8");
    let first = text.lines().next().unwrap_or_default();
    first.trim_end_matches(',').parse().unwrap_or_else(|_| panic!("{text}"))
}

#[test]
fn films_without_sound_whose_pictures_are_one_slice_each_come_to_their_end() {
    let dir = tempfile::tempdir().expect("dir");
    let config = configured(dir.path());
    let h264 = "-c:v libx264 -preset veryfast -x264-params slices=1:threads=1:sliced-threads=0";
    let h265 = "-c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params slices=1:log-level=error";
    let mut told = Vec::new();
    for (name, how) in [("a.mov", h264), ("a.mp4", h264), ("a.ts", h264), ("b.mp4", h265)] {
        let film = dir.path().join(name);
        let run = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-i", GAME, "-t", "6", "-an", "-r", "25"])
            .args(how.split_whitespace())
            .arg(&film)
            .status();
        assert!(run.expect("ffmpeg is installed (make test installs it)").success());
        let (code, _, done, said) = ended(&config, &film, &["--began", BEGAN]);
        // 3: the broker of this box is not there.
        assert_eq!((code, &done["lost"]), (Some(3), &0.into()), "{name}: {done} {said}");
        told.push((name, done["pictures"].as_u64(), Some(pictures_in(&film))));
    }
    assert!(told.iter().all(|(_, came, there)| came == there && *there > Some(140)), "{told:?}");
}

#[test]
fn a_box_that_has_no_broker_yet_is_not_told_to_look_for_it() {
    let dir = tempfile::tempdir().expect("dir");
    let config = configured_with(dir.path(), "");
    let film = dir.path().join("game.flv");
    let run = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-i", GAME, "-t", "8", "-c", "copy"])
        .arg(&film)
        .status();
    assert!(run.expect("ffmpeg is installed (make test installs it)").success());
    let (code, events, done, said) = ended(&config, &film, &["--began", BEGAN]);
    assert_eq!(code, Some(0), "{done} {said}");
    assert!(!events.is_empty() && done["unsent"].as_u64() > Some(0), "{done} {said}");
    assert!(said.contains("events wait: the box has no broker yet"), "{said}");
    assert!(!said.contains("not acknowledged"), "{said}");
    let (code, ..) = ended(&config, &film, &["--began", BEGAN]);
    assert_eq!(code, Some(0), "it was imported already");

    // Once it has one they go there, or it is said why not.
    let text = std::fs::read_to_string(&config).expect("read");
    let text =
        text.replacen("[[court]]", "[uplink]\nbroker = \"mqtt://127.0.0.1:1\"\n[[court]]", 1);
    std::fs::write(&config, text).expect("written");
    let (code, again, _, said) = ended(&config, &film, &["--began", BEGAN]);
    assert_eq!((code, facts(&again)), (Some(3), facts(&events)), "{said}");
}

#[test]
fn an_import_that_was_cut_off_begins_anew_and_doubles_nothing() {
    let dir = tempfile::tempdir().expect("dir");
    let config = configured(dir.path());
    let file = dir.path().join("game.mp4");
    let run = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-i", GAME, "-f", "lavfi", "-i", "sine=f=440:r=48000"])
        .args(["-t", "8", "-c:v", "copy", "-c:a", "aac"])
        .arg(&file)
        .status();
    assert!(run.expect("ffmpeg is installed (make test installs it)").success());

    // By a kill: what is half stays, and is taken for nothing.
    let mut killed = begun(&config, &file);
    let (_, _, said) = import(&config, &file, &["--began", BEGAN]);
    assert!(said.contains("being imported already"), "{said}");
    killed.kill().expect("killed");
    killed.wait().expect("gone");
    let left = folders(&config);
    assert_eq!(left.len(), 2, "a folder and its lock: {left:?}");
    assert!(
        !config.with_file_name("data").join("import").join(&left[0]).join("done.json").exists()
    );

    let (events, done, said) = import(&config, &file, &["--began", BEGAN]);
    assert_eq!(done["lost"], 0, "{done} {said}");
    let mut ids: Vec<_> = events.iter().map(|event| event["id"].to_string()).collect();
    let told = ids.len();
    ids.sort();
    ids.dedup();
    assert!(told > 0 && ids.len() == told, "{events:?}");

    // Its sound is known from the first segment on.
    let ring = config.with_file_name("data").join("import").join(&left[0]).join("ring");
    let reader = RingReader::open(&ring, Arc::new(RealDisk::new())).expect("a ring");
    assert_eq!(reader.segments().count(), 1, "eight seconds are one segment");
    let mut wrong = Vec::new();
    reader.verify(|finding| wrong.extend(finding.wrong)).expect("verified");
    assert_eq!(wrong, Vec::<String>::new());
    let segment = std::fs::read_dir(ring.join("segments")).expect("a folder").flatten().next();
    let bytes = std::fs::read(segment.expect("one").path()).expect("read");
    assert!(bytes.windows(4).take(4096).any(|kind| kind == b"mp4a"));

    // By a signal: it ends in order, and takes away what is half.
    let cut = begun(&config, &file);
    let told = Command::new("kill").args(["-INT", &cut.id().to_string()]).status().expect("kill");
    assert!(told.success());
    let cut = cut.wait_with_output().expect("ended");
    let said = String::from_utf8_lossy(&cut.stderr).into_owned();
    assert_eq!(cut.status.code(), Some(1), "{said}");
    assert!(said.contains("cut off: run again"), "{said}");
    assert_eq!(folders(&config), left[1..], "the lock alone");
    let (again, ..) = import(&config, &file, &["--began", BEGAN]);
    assert_eq!(facts(&again), facts(&events));
}

#[test]
fn what_no_rim_of_the_court_is_in_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().expect("dir");
    let config = configured(dir.path());
    let made = |args: &str, name: &str| {
        let file = dir.path().join(name);
        let run = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-i", GAME, "-t", "1"])
            .args(args.split_whitespace())
            .arg(&file)
            .status();
        assert!(run.expect("ffmpeg is installed (make test installs it)").success());
        file
    };
    let check = |file: &Path, expected: &str| {
        let (events, _, said) = import(&config, file, &["--began", BEGAN]);
        assert!(events.is_empty() && said.contains(expected), "{said}");
    };
    check(&made("-c copy -metadata:s:v rotate=90", "phone.mov"), "its pictures lie on their side");
    check(&made("-vf scale=320:180 -bf 0", "small.mp4"), "outside of this recording's 320x180");
    let upright = made("-c copy", "upright.mp4");
    let (_, _, said) = import(&config, &upright, &["--began", "2199-01-01T00:00:00Z"]);
    assert!(said.contains("which is still to come"), "{said}");
}
