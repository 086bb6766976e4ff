//! Clips that are pulled: over HTTP by hand, by `courtside pull`, and by `examples/cloud/pull.py`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};

use courtside::disk::{Disk, RealDisk};
use serde_json::Value;
use sha2::Digest;

use super::ask;
use super::boxed::{Boxed, game, record, record_clips};
use crate::ring::{TestRing, settings};

fn get(to: SocketAddr, path: &str, fields: &str) -> (u16, String, Vec<u8>) {
    ask(to, &format!("GET {path}"), fields, "")
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}

fn sha256(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Name, hash and length of each clip.
fn listed(to: SocketAddr) -> Vec<(String, String, u64)> {
    let manifest = json(&get(to, "/v1/clips", "").2);
    let clip = |clip: &Value| {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let media = &clip["media"];
        (text(&clip["id"]), text(&media["sha256"]), media["bytes"].as_u64().expect("bytes"))
    };
    manifest["clips"].as_array().expect("clips").iter().map(clip).collect()
}

#[test]
fn a_pull_goes_on_where_it_was_after_a_restart_of_the_box() {
    let dir = tempfile::tempdir().expect("dir");
    record(dir.path());
    let boxed = Boxed::on(dir.path());
    let (id, hash, bytes) = listed(boxed.address).remove(0);
    let path = format!("/v1/clips/{id}/media");
    let (status, fields, first) = get(boxed.address, &path, "Range: bytes=0-70000\r\n");
    assert_eq!(status, 206);
    let tag = fields.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag");
    let digest = fields.lines().find_map(|line| line.strip_prefix("repr-digest: "));
    assert!(digest.is_some_and(|digest| digest.starts_with("sha-256=:")), "{fields}");
    drop(boxed);

    let again = Boxed::on(dir.path());
    let on = format!("Range: bytes=70001-\r\nIf-Range: {tag}\r\n");
    let (status, _, rest) = get(again.address, &path, &on);
    assert_eq!(status, 206);
    let whole = [first, rest].concat();
    assert_eq!((whole.len() as u64, sha256(&whole)), (bytes, hash));
}

#[test]
fn a_manifest_is_of_what_is_asked_for_and_told_once() {
    let dir = tempfile::tempdir().expect("dir");
    record(dir.path());
    let boxed = Boxed::on(dir.path());
    let to = boxed.address;
    let clips = |query: &str| {
        let (status, _, body) = get(to, &format!("/v1/clips{query}"), "");
        assert_eq!(status, 200, "{query}: {}", String::from_utf8_lossy(&body));
        json(&body)["clips"].as_array().map(Vec::len).expect("clips")
    };
    let session = game();
    let other = "0123456789abcdef";
    // The clock of the test stands at 2027-01-15T08:00:00Z when the film begins.
    for (query, count) in [
        (String::new(), 3),
        ("?limit=2".to_owned(), 2),
        ("?after=1".to_owned(), 2),
        ("?court=a".to_owned(), 3),
        (format!("?session={session}"), 3),
        (format!("?session={other}"), 0),
        (format!("?game={session}"), 3),
        (format!("?game={other}"), 0),
        ("?game=final-2027".to_owned(), 0),
        ("?to=2027-01-15T07:59:00Z".to_owned(), 0),
        ("?from=2027-01-15T08:00:09Z".to_owned(), 1),
        ("?to=2027-01-15T09:00:01%2B01:00".to_owned(), 1),
        ("?from=2027-01-15T07:00:00Z&to=2027-01-15T09:00:00Z".to_owned(), 3),
    ] {
        assert_eq!(clips(&query), count, "{query}");
    }
    for wrong in ["?from=yesterday", "?after=x", "?to=2027-01-15", "?cuort=a"] {
        assert_eq!(get(to, &format!("/v1/clips{wrong}"), "").0, 400, "{wrong}");
    }
    // What nobody has heard of is said to be that.
    for none in ["b", "zz", "No%20Court"] {
        let (status, _, body) = get(to, &format!("/v1/clips?court={none}"), "");
        let detail = json(&body)["detail"].as_str().unwrap_or_default().to_owned();
        assert!(status == 404 && detail.contains("no such court"), "{status} {detail}");
    }
    let note = |query: &str| json(&get(to, &format!("/v1/clips?{query}"), "").2)["note"].clone();
    assert!(note("game=final-2027").as_str().is_some_and(|note| note.contains("no such game")));
    let unheard = note(&format!("session={other}"));
    assert!(unheard.as_str().is_some_and(|note| note.contains("session")), "{unheard}");
    assert_eq!(note(&format!("session={session}&to=2027-01-15T07:59:00Z")), Value::Null);

    // In pages, with nothing lost and nothing twice.
    let (mut after, mut ids) = (0, Vec::new());
    loop {
        let page = json(&get(to, &format!("/v1/clips?limit=1&after={after}"), "").2);
        let page_ids = page["clips"].as_array().expect("clips").iter();
        ids.extend(page_ids.map(|clip| clip["id"].as_str().expect("an id").to_owned()));
        match page["next"].as_u64() {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(ids, [1, 2, 3].map(|n| format!("a-{session}-shot-{n}")));

    let path = format!("/v1/games/{session}/manifest");
    let (status, fields, body) = get(to, &path, "");
    let manifest = json(&body);
    assert_eq!((status, manifest["live"].as_bool()), (200, Some(false)));
    let clip = &manifest["clips"][0];
    assert_eq!(clip["fact"], format!("{session}-shot-1"));
    assert_eq!((&clip["game"], &clip["reason"]), (&Value::from(session.as_str()), &"made".into()));
    assert_eq!(clip["time"]["source"], "arrival");
    assert!(clip["time"]["start"].as_str().expect("a time").starts_with("2027-01-15T08:00:0"));
    let sum: u64 = listed(to).iter().map(|(_, _, bytes)| bytes).sum();
    assert_eq!(manifest["bytes"].as_u64(), Some(sum));
    // Told once: who has it is told that it is the same.
    let tag = fields.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag");
    let have = format!("If-None-Match: {tag}\r\n");
    assert_eq!(get(to, &path, &have).0, 304);
    let ack = ask(to, &format!("POST /v1/clips/a-{session}-shot-1/ack"), "", "");
    assert_eq!(ack.0, 200);
    assert_eq!(get(to, &path, &have).0, 200, "its pin has ended");
    assert_eq!(get(to, "/v1/games/none/manifest", "").0, 404);
}

#[test]
fn bytes_that_are_not_those_that_are_meant_are_refused() {
    let dir = tempfile::tempdir().expect("dir");
    record(dir.path());
    let disk = std::sync::Arc::new(RealDisk::new());
    let mut tested = TestRing::open(settings(dir.path().join("ring")), disk).expect("a ring");
    // Its clock begins anew: what it made would be of a time to come, and has no date then.
    tested.wait(std::time::Duration::from_secs(60));
    tested.ring.start().expect("threads");
    let boxed = Boxed::serving(tested);
    let (id, hash, bytes) = listed(boxed.address).remove(0);
    for (file, tag) in [("media", hash.clone()), ("fragments.mp4", format!("{hash}-f"))] {
        let path = format!("/v1/clips/{id}/{file}");
        let asked = |fields: &str| get(boxed.address, &path, &format!("{fields}\r\n"));
        let (status, fields, whole) = asked(&format!("If-Match: \"{tag}\""));
        assert_eq!(status, 200, "{file}");
        assert!(file != "media" || whole.len() as u64 == bytes);
        let made = fields.lines().find_map(|line| line.strip_prefix("last-modified: "));
        let made = made.expect("a date").to_owned();
        // As a date is written (RFC 9110, 5.6.7), which these fields were not: all of them are in lower case here.
        let mut made = made.replace("gmt", "GMT");
        for name in
            "mon tue wed thu fri sat sun jan feb mar apr may jun jul aug sep oct nov dec".split(' ')
        {
            let (first, rest) = name.split_at(1);
            made = made.replace(name, &format!("{}{rest}", first.to_uppercase()));
        }
        for (condition, expected) in [
            ("If-Match: \"00\"".to_owned(), 412),
            (format!("If-Match: W/\"{tag}\""), 412),
            ("If-Match: *".to_owned(), 200),
            (format!("If-Match: \"00\", \"{tag}\"\r\nRange: bytes=0-9"), 206),
            ("If-Match: \"00\"\r\nRange: bytes=0-9".to_owned(), 412),
            ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT".to_owned(), 412),
            (format!("If-Unmodified-Since: {made}"), 200),
            (format!("If-Modified-Since: {made}"), 304),
            (format!("If-None-Match: \"{tag}\""), 304),
        ] {
            let (status, fields, body) = asked(&condition);
            assert_eq!(status, expected, "{file} {condition}: {fields}");
            if status == 412 {
                assert!(fields.contains(&format!("etag: \"{tag}\"")), "{fields}");
                assert_eq!(json(&body)["status"], 412);
            }
        }
    }
    assert_eq!(get(boxed.address, "/v1/clips/none/media", "If-Match: \"00\"\r\n").0, 404);
}

fn pull(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_courtside")).arg("pull").args(words).output().expect("runs")
}

fn pulled(from: &str, out: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let out = out.to_str().expect("text");
    let told = pull(&[&["--from", from, "--all", "--out", out, "--json"], more].concat());
    let text = String::from_utf8_lossy(&told.stderr);
    assert!(!told.stdout.is_empty(), "{text}");
    // There is no terminal: a log has lines, and no bar.
    let last = text.lines().rfind(|line| line.starts_with("pull: ")).unwrap_or_default();
    assert!(last.contains(" MB (") && !text.contains('\u{1b}'), "{text}");
    assert!(told.status.code() != Some(0) || last.contains("(100 %)"), "{text}");
    (told.status.code(), json(&told.stdout))
}

/// Each clip stands in its file.
fn assert_here(listed: &[(String, String, u64)], folder: &Path) {
    for (id, hash, _) in listed {
        let bytes = std::fs::read(folder.join(format!("{id}.mp4"))).expect("pulled");
        assert_eq!(sha256(&bytes), *hash, "{id}");
    }
}

#[test]
fn pull_verifies_acknowledges_and_moves_nothing_twice() {
    let dir = tempfile::tempdir().expect("dir");
    record(dir.path());
    let boxed = Boxed::on(dir.path());
    let clips = listed(boxed.address);
    let all: u64 = clips.iter().map(|(_, _, bytes)| bytes).sum();
    let out = dir.path().join("out");

    let (code, sheet) = pulled(&boxed.url(), &out, &["--keep-pinned"]);
    assert_eq!((code, &sheet["moved_bytes"]), (Some(0), &all.into()), "{sheet}");
    assert_eq!((&sheet["clips"], &sheet["acknowledged"]), (&3.into(), &0.into()));
    assert_here(&clips, &out.join("rim-1"));
    let manifest = std::fs::read_to_string(out.join("rim-1/clips.jsonl")).expect("a manifest");
    assert_eq!(manifest.lines().count(), 3);

    // Kept until it is acknowledged, which moves no byte of a clip.
    let (code, sheet) = pulled(&boxed.url(), &out, &[]);
    assert_eq!(
        (code, &sheet["moved_bytes"], &sheet["had_bytes"]),
        (Some(0), &0.into(), &all.into())
    );
    assert_eq!(sheet["acknowledged"], 3);
    let (_, sheet) = pulled(&boxed.url(), &out, &[]);
    assert_eq!((&sheet["moved_bytes"], &sheet["acknowledged"]), (&0.into(), &0.into()));

    // What was begun goes on; what is damaged comes anew.
    let folder = out.join("rim-1");
    let begun = |n: usize, bytes: &[u8]| {
        let (id, hash, _) = &clips[n];
        std::fs::remove_file(folder.join(format!("{id}.mp4"))).expect("gone");
        let part = folder.join(format!("{id}.{}.part", &hash[..16]));
        std::fs::write(part, bytes).expect("written");
    };
    let first = std::fs::read(folder.join(format!("{}.mp4", clips[0].0))).expect("here");
    begun(0, &first[..50_000]);
    begun(1, &[7; 1000]);
    let game = game();
    let told = pull(&[
        "--from",
        &boxed.url(),
        "--game",
        &game,
        "--out",
        out.to_str().expect("text"),
        "--json",
    ]);
    let sheet = json(&told.stdout);
    // The damaged one came to its end first, and then from its beginning.
    let moved = clips[0].2 - 50_000 + (clips[1].2 - 1000) + clips[1].2;
    assert_eq!((told.status.code(), &sheet["moved_bytes"]), (Some(0), &moved.into()), "{sheet}");
    assert_here(&clips, &folder);
}

/// Forwards to a box, and hangs up after so many bytes of it, again and again.
fn cutting(to: SocketAddr, every: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut client) = stream else { return };
            let Ok(mut server) = TcpStream::connect(to) else { return };
            let (mut asks, mut is_asked) =
                (client.try_clone().expect("a clone"), server.try_clone().expect("a clone"));
            std::thread::spawn(move || std::io::copy(&mut asks, &mut is_asked));
            std::thread::spawn(move || {
                let mut left = every;
                let mut chunk = [0; 4096];
                while let Ok(n @ 1..) = server.read(&mut chunk) {
                    let n = n.min(left);
                    if client.write_all(&chunk[..n]).is_err() {
                        break;
                    }
                    left -= n;
                    if left == 0 {
                        break;
                    }
                }
                drop(client.shutdown(std::net::Shutdown::Both));
                drop(server.shutdown(std::net::Shutdown::Both));
            });
        }
    });
    address
}

#[test]
fn a_line_that_is_cut_again_and_again_costs_no_byte_twice() {
    let dir = tempfile::tempdir().expect("dir");
    record(dir.path());
    let boxed = Boxed::on(dir.path());
    let clips = listed(boxed.address);
    let all: u64 = clips.iter().map(|(_, _, bytes)| bytes).sum();
    let cut = format!("http://{}", cutting(boxed.address, 40_000));
    let out = dir.path().join("out");
    let (code, sheet) = pulled(&cut, &out, &[]);
    assert_eq!((code, &sheet["moved_bytes"]), (Some(0), &all.into()), "{sheet}");
    assert!(sheet["boxes"][0]["resumed"].as_u64() >= Some(all / 40_000 / 2), "{sheet}");
    assert_eq!(sheet["acknowledged"], 3);
    assert_here(&clips, &out.join("rim-1"));

    let python = dir.path().join("python");
    assert_eq!(by_python(&cut, &python), all);
    assert_eq!(by_python(&boxed.url(), &python), 0, "nothing twice");
    assert_here(&clips, &python);
}

/// Bytes that `examples/cloud/pull.py` moved.
fn by_python(url: &str, out: &Path) -> u64 {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/cloud/pull.py");
    let told = Command::new("python3").arg(script).arg(url).arg(out).output();
    let told = told.expect("python3 is installed (make test installs it)");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    json(&told.stdout)["moved_bytes"].as_u64().expect("a number")
}

#[test]
fn the_example_is_short_and_goes_on_over_a_box_that_begins_anew() {
    let script = include_str!("../../../examples/cloud/pull.py");
    assert!(script.lines().count() <= 64, "some 60 lines show it");
    let dir = tempfile::tempdir().expect("dir");
    record(dir.path());
    let boxed = Boxed::on(dir.path());
    let clips = listed(boxed.address);
    let all: u64 = clips.iter().map(|(_, _, bytes)| bytes).sum();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let home = dir.path().to_owned();
    let pulls = std::thread::spawn({
        let out = home.join("python");
        move || by_python(&url, &out)
    });
    // What becomes of each connection: nobody is there yet, the list ends in its middle, the box is away and
    // begins anew, gives its list, and is away again in the middle of a clip, and at an acknowledgement.
    let mut boxed = Some(boxed);
    let mut seen = 0;
    while !pulls.is_finished() {
        listener.set_nonblocking(true).expect("set");
        let Ok((mut client, _)) = listener.accept() else {
            std::thread::yield_now();
            continue;
        };
        client.set_nonblocking(false).expect("set");
        seen += 1;
        let most = match seen {
            1 | 3 | 6 | 8 => continue,
            2 => 700,
            5 => 50_000,
            _ => usize::MAX,
        };
        if seen == 4 {
            drop(boxed.take());
            boxed = Some(Boxed::on(&home));
        }
        let at = boxed.as_ref().expect("a box").address;
        forwards(&mut client, at, most);
    }
    assert_eq!(pulls.join().expect("it ends well"), all, "no byte twice");
    assert!(seen >= 8, "{seen}");
    assert_here(&clips, &home.join("python"));
}

/// Hands one request on, and so many bytes of its answer back.
fn forwards(client: &mut TcpStream, to: SocketAddr, most: usize) {
    let mut server = TcpStream::connect(to).expect("connected");
    let mut asked = Vec::new();
    let mut chunk = [0; 4096];
    let head = |asked: &[u8]| asked.windows(4).position(|four| four == b"\r\n\r\n");
    let whole = loop {
        if let Some(end) = head(&asked) {
            let fields = String::from_utf8_lossy(&asked[..end]).to_lowercase();
            let long = fields.lines().find_map(|line| line.strip_prefix("content-length: "));
            break end + 4 + long.and_then(|text| text.parse().ok()).unwrap_or(0);
        }
        let n = client.read(&mut chunk).expect("a request");
        asked.extend(&chunk[..n]);
    };
    while asked.len() < whole {
        let n = client.read(&mut chunk).expect("its body");
        asked.extend(&chunk[..n]);
    }
    server.write_all(&asked).expect("sent");
    let mut left = most;
    // Its `Connection: close` ends the answer.
    while let Ok(n @ 1..) = server.read(&mut chunk) {
        let n = n.min(left);
        if client.write_all(&chunk[..n]).is_err() || n == left {
            return;
        }
        left -= n;
    }
}

#[test]
fn a_list_that_no_line_lets_through_whole_comes_in_smaller_pages() {
    let dir = tempfile::tempdir().expect("dir");
    let intervals: Vec<_> = (0..60).map(|n| (n * 150, n * 150 + 400)).collect();
    record_clips(dir.path(), &intervals);
    let boxed = Boxed::on(dir.path());
    let whole = get(boxed.address, "/v1/clips?limit=500", "").2;
    let clips = listed(boxed.address);
    let cut = cutting(boxed.address, whole.len() / 2);
    let out = dir.path().join("out");
    let (code, sheet) = pulled(&format!("http://{cut}"), &out, &[]);
    assert_eq!((code, &sheet["clips"]), (Some(0), &60.into()), "{sheet}");
    assert_here(&clips, &out.join("rim-1"));
}

#[test]
fn two_pulls_into_one_folder_are_told_apart_and_a_game_that_nobody_knows_is_said() {
    let dir = tempfile::tempdir().expect("dir");
    record(dir.path());
    let boxed = Boxed::on(dir.path());
    let out = dir.path().join("out");
    std::fs::create_dir_all(out.join("rim-1")).expect("a folder");
    let other = RealDisk::new().lock(&out.join("rim-1/.lock")).expect("another pull");
    let (code, sheet) = pulled(&boxed.url(), &out, &[]);
    let said = sheet["boxes"][0]["error"].as_str().unwrap_or_default();
    assert_eq!((code, &sheet["moved_bytes"]), (Some(3), &0.into()), "{sheet}");
    assert!(said.contains("another pull writes into"), "{said}");
    drop(other);
    assert_eq!(pulled(&boxed.url(), &out, &[]).0, Some(0));

    let folder = out.to_str().expect("text");
    let told = pull(&["--from", &boxed.url(), "--game", "cpu2", "--out", folder, "--json"]);
    let said = String::from_utf8_lossy(&told.stderr);
    assert_eq!(told.status.code(), Some(3), "{said}");
    assert!(said.contains("no box here has heard of a game `cpu2`"), "{said}");
    let wrong = pull(&["--from", &format!("{}/v1/", boxed.url()), "--all", "--out", folder]);
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert!(wrong.status.code() == Some(1) && said.contains("write http://HOST:PORT"), "{said}");
}

#[test]
fn a_box_that_does_not_answer_holds_up_no_other() {
    let dir = tempfile::tempdir().expect("dir");
    record(dir.path());
    let boxed = Boxed::on(dir.path());
    let clips = listed(boxed.address);
    // Takes the connection and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = silent.local_addr().expect("bound");
    let file = dir.path().join("boxes.txt");
    let text = format!("# two boxes\nhttp://{silent}\n\n{}\n", boxed.url());
    std::fs::write(&file, text).expect("written");
    let out = dir.path().join("out");
    let (file, folder) = (file.to_str().expect("text"), out.to_str().expect("text"));
    let told = pull(&["--boxes", file, "--all", "--out", folder, "--json"]);
    let sheet = json(&told.stdout);
    assert_eq!((told.status.code(), &sheet["failed"]), (Some(3), &1.into()), "{sheet}");
    assert_eq!((&sheet["clips"], &sheet["acknowledged"]), (&3.into(), &3.into()));
    assert!(sheet["boxes"][0]["error"].is_string() && sheet["boxes"][1]["error"].is_null());
    assert_here(&clips, &out.join("rim-1"));
    let wrong = pull(&["--from", "box:8080", "--all", "--out", folder]);
    assert_eq!(wrong.status.code(), Some(1));
    assert_eq!(pull(&["--all", "--out", folder]).status.code(), Some(1), "no box is named");
    assert_eq!(pull(&["--from", "http://box", "--out", folder]).status.code(), Some(2));
}
