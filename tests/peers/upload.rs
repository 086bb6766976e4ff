//! Clips that a box sends to object storage as a cloud asks for them: the real program, a real mosquitto, a storage
//! that is strict.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;

use courtside::clips::RingReader;
use courtside::disk::{Disk, RealDisk};
use courtside::media::SessionId;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::afar::{Daemon, Laptop, put};
use crate::mosquitto::{Mosquitto, Subscriber, until};

#[path = "../support/ring.rs"]
mod ring;
#[path = "../support/storage.rs"]
pub(crate) mod storage;
#[path = "../support/synthetic.rs"]
mod synthetic;

use ring::{TestRing, settings};
use storage::{Fault, Storage};
use synthetic::tenths;

pub(crate) const SESSION: SessionId = SessionId::from_bits(0x5eed);
pub(crate) const PART: u64 = 64 << 10;
const QUOTA: u64 = 200_000_000;

/// A box with three clips of some 300 KB in its ring, its broker, and who asks.
pub(crate) struct Venue {
    pub(crate) broker: Mosquitto,
    pub(crate) subscriber: Subscriber,
    pub(crate) laptop: Laptop,
    pub(crate) config: PathBuf,
    dir: PathBuf,
    pub(crate) storage: Storage,
}

fn records(ring_dir: &Path, picture_bytes: usize) {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let quota =
        courtside::clips::RingSettings { quota_bytes: QUOTA, ..settings(ring_dir.to_owned()) };
    let mut tested = TestRing::open(quota, disk).expect("ring");
    tested.opened(SESSION);
    tenths(SESSION, 0..300, picture_bytes).for_each(|item| tested.feed(item));
    tested.closed(SESSION);
    for (n, id) in ["a-1", "a-2", "a-3"].into_iter().enumerate() {
        let from = 5_000 + 6_000 * i64::try_from(n).expect("small");
        tested.request(id, SESSION, (from, from + 5_000));
    }
    assert_eq!(tested.told(), ["a-1", "a-2", "a-3"]);
    tested.join();
}

pub(crate) fn venue(dir: &Path) -> Venue {
    venue_of(dir, 6_000)
}

/// The same with pictures of so many bytes, of which a clip has some fifty.
pub(crate) fn venue_of(dir: &Path, picture_bytes: usize) -> Venue {
    let data = dir.join("data");
    records(&data.join("ring"), picture_bytes);
    let broker = Mosquitto::start(false, None);
    let subscriber = Subscriber::to(broker.port);
    let config = dir.join("courtside.toml");
    let text = format!(
        "[box]\nname = \"rim-1\"\ndata_dir = \"{}\"\n\
         [uplink]\nbroker = \"mqtt://127.0.0.1:{}\"\n\
         [ingest]\nrtmp = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [ring]\nquota_bytes = {QUOTA}\nkeep_free_bytes = 0\n[detect]\nfinder = false\n[upload]\nplain = true\n\
         [[court]]\nname = \"a\"\nstream_key = \"north-hoop-1\"\nrims = [[612, 188, 44, 22]]\n",
        data.display(),
        broker.port
    );
    put(&config, &text);
    let laptop = Laptop {
        broker: format!("mqtt://127.0.0.1:{}", broker.port),
        folder: dir.to_owned(),
        said: Vec::new(),
    };
    let storage = Storage::start();
    Venue { broker, subscriber, laptop, config, dir: dir.to_owned(), storage }
}

impl Venue {
    pub(crate) fn born(&self, times: usize) {
        until("it is born", || {
            let told = self.subscriber.below("state/box");
            (told.iter().filter(|state| state.json["online"] == true).count() >= times)
                .then_some(())
        });
    }

    /// The newest state that was told of a command.
    fn state(&self, id: &str) -> Option<Value> {
        self.subscriber.below(&format!("command/{id}/state")).last().map(|told| told.json.clone())
    }

    /// The clip's bytes, by the ring's own files.
    pub(crate) fn bytes(&self, clip: &str) -> Vec<u8> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
        let reader = RingReader::open(&self.dir.join("data/ring"), disk).expect("reader");
        let shelf = reader.shelf().expect("shelf");
        let opened = shelf.open(&shelf.read(clip).expect("there")).expect("opened");
        let mut bytes = Vec::new();
        let mut sink = |chunk: Vec<u8>| {
            bytes.extend(chunk);
            true
        };
        opened.read(0, opened.bytes(), &mut sink).expect("read");
        bytes
    }

    fn asks(&mut self, operation: &str, arguments: &[(&str, Value)]) -> Value {
        let mut words = vec![operation.to_owned(), "--wait".to_owned(), "60".to_owned()];
        words.extend(arguments.iter().map(|(name, value)| format!("{name}={value}")));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.laptop.asks(&words).1
    }

    /// Begins an upload in parts, and does not wait for it.
    fn begins(&self, id: &str, clip: &str, upload: &str) -> Child {
        let to = json!({ "multipart": { "part_bytes": PART } });
        let words = [
            "clip_upload".to_owned(),
            format!("clip={clip}"),
            format!("upload={upload}"),
            format!("to={to}"),
        ];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = self.laptop.command(&words);
        command.args(["--id", id, "--wait", "120", "--box", "rim-1", "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs")
    }

    /// Waits until an upload wants addresses; which.
    fn wants(&self, id: &str) -> Vec<u32> {
        until("it wants addresses", || {
            let parts = self.state(id)?["needs"]["parts"].as_array()?.clone();
            Some(parts.iter().filter_map(|part| part.as_u64()?.try_into().ok()).collect())
        })
    }

    fn gives(&mut self, upload: &str, at_storage: &str, parts: &[u32]) -> Value {
        let url = |number: &u32| json!({ "number": number, "url": self.storage.signs_part(at_storage, *number) });
        let parts: Vec<Value> = parts.iter().map(url).collect();
        self.asks("clip_upload_urls", &[("upload", json!(upload)), ("parts", json!(parts))])
    }

    pub(crate) fn pinned(&mut self, clip: &str) -> bool {
        let told = self.asks("clip_list", &[("court", json!("a"))]);
        let clips = told["result"]["clips"].as_array().cloned().unwrap_or_default();
        let found =
            clips.iter().find(|one| one["id"] == clip).unwrap_or_else(|| panic!("{told:#}"));
        found["pinned"] == true
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_clip_goes_to_the_storage_and_its_acknowledgement_ends_its_pin() {
    let dir = tempfile::tempdir().expect("directory");
    let mut venue = venue(dir.path());
    let _daemon = Daemon::run(&venue.config);
    venue.born(1);
    let bytes = venue.bytes("a-1");
    assert!(bytes.len() > 2 * PART as usize, "{}", bytes.len());

    let told = venue.asks("clip_list", &[("limit", json!(2))]);
    let ids = |told: &Value| -> Vec<String> {
        let clips = told["result"]["clips"].as_array().cloned().unwrap_or_default();
        clips.iter().filter_map(|clip| clip["id"].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(ids(&told), ["a-1", "a-2"], "{told:#}");
    assert!(told["result"]["clips"][0]["media"]["parts"].is_null(), "{told:#}");
    let next = told["result"]["next"].clone();
    let told = venue.asks("clip_list", &[("after", next)]);
    assert_eq!((ids(&told), told["result"]["next"].is_null()), (vec!["a-3".to_owned()], true));
    let told = venue.asks("clip_list", &[("until", json!("2020-01-01T00:00:00Z"))]);
    assert_eq!(ids(&told), Vec::<String>::new());

    let url = venue.storage.signs_whole("clips/a-1.mp4");
    let to = json!({ "url": url, "headers": { "content-type": "video/mp4" } });
    let told = venue.asks("clip_upload", &[("clip", json!("a-1")), ("to", to)]);
    assert_eq!(told["state"], "done", "{told:#}");
    let done = &told["result"];
    assert_eq!(venue.storage.object("clips/a-1.mp4").as_deref(), Some(&bytes[..]));
    assert_eq!(done["sha256"], sha256(&bytes), "{done:#}");
    assert_eq!(done["parts"][0]["sha256"], sha256(&bytes), "{done:#}");
    assert!(venue.pinned("a-1"), "PUT is no acknowledgement");

    let wrong = json!("00".repeat(32));
    let told = venue.asks("clip_ack", &[("clip", json!("a-1")), ("sha256", wrong.clone())]);
    assert_eq!(told["code"], "other_bytes", "{told:#}");
    assert!(venue.pinned("a-1"));
    let right = done["sha256"].clone();
    let clips = json!([
        { "clip": "a-1", "sha256": right },
        { "clip": "a-2", "sha256": wrong },
        { "clip": "no-such", "sha256": wrong },
    ]);
    let told = venue.asks("clip_ack", &[("clips", clips)]);
    assert_eq!(told["result"]["acknowledged"], json!(["a-1"]), "{told:#}");
    let codes: Vec<&str> = told["result"]["refused"]
        .as_array()
        .map(|refused| refused.iter().filter_map(|one| one["code"].as_str()).collect())
        .unwrap_or_default();
    assert_eq!(codes, ["other_bytes", "no_such_clip"], "{told:#}");
    assert!(!venue.pinned("a-1") && venue.pinned("a-2"));
    let told = venue.asks("clip_release", &[("clip", json!("a-3"))]);
    assert_eq!(told["state"], "done", "{told:#}");
    until("it is released", || (!venue.pinned("a-3")).then_some(()));

    // What cannot be.
    for (operation, arguments, code) in [
        ("clip_upload", vec![("clip", json!("a-9")), ("to", json!({}))], "no_such_clip"),
        (
            "clip_upload",
            vec![("clip", json!("a-2")), ("to", json!({ "url": "ftp://s/x" }))],
            "arguments",
        ),
        ("clip_upload_urls", vec![("upload", json!("nobody"))], "no_such_upload"),
        ("clip_release", vec![("clip", json!("a-9"))], "no_such_clip"),
        ("clip_list", vec![("limit", json!(0))], "arguments"),
        ("clip_list", vec![("court", json!("zz"))], "no_such_court"),
    ] {
        let told = venue.asks(operation, &arguments);
        assert_eq!(told["code"], code, "{operation}: {told:#}");
    }
    let uploads = until("it is told", || {
        venue
            .subscriber
            .below("state/uploads")
            .last()
            .map(|told| told.json.clone())
            .filter(|told| told["done"] == 1)
    });
    assert_eq!(uploads["acknowledged_bytes"], bytes.len() as u64, "{uploads:#}");
    // What was asked stands there too; what the box tells does not repeat it.
    let told = venue.subscriber.messages().into_iter().filter(|message| {
        !message.topic.contains("/command/") || message.topic.ends_with("/state")
    });
    let leak = told.map(|message| message.json.to_string());
    let leak = leak.chain(venue.laptop.said).find(|text| text.contains("signature-"));
    assert_eq!(leak, None, "an address is a secret");
}

#[test]
fn parts_come_just_in_time_and_a_killed_box_sends_one_again_at_most() {
    let dir = tempfile::tempdir().expect("directory");
    let mut venue = venue(dir.path());
    let daemon = Daemon::run(&venue.config);
    venue.born(1);
    let bytes = venue.bytes("a-2");
    let all = u32::try_from(bytes.len().div_ceil(PART as usize)).expect("small");
    assert!(all >= 4, "{all}");
    let at = venue.storage.begins("clips/a-2.mp4");
    let asking = venue.begins("up-1", "a-2", "game-7");
    assert_eq!(venue.wants("up-1")[0], 1);
    // The second part is taken, and the link is cut before the box hears of it.
    venue.storage.meets([Fault::CutAfter(30_000)]);
    let told = venue.gives("game-7", &at, &[1, 2]);
    assert_eq!(told["result"]["taken"], 2, "{told:#}");
    until("it asks for the third", || (venue.wants("up-1").first() == Some(&3)).then_some(()));
    assert_eq!(venue.state("up-1").expect("told")["needs"]["reason"], "next");
    drop(daemon); // kill -9

    let _daemon = Daemon::run(&venue.config);
    until("it asks again", || {
        let state = venue.state("up-1")?;
        (state["cuts"] == 1 && state["needs"]["reason"] == "resumed").then_some(())
    });
    let left: Vec<u32> = (3..=all).collect();
    assert_eq!(venue.wants("up-1"), left);
    venue.gives("game-7", &at, &left);
    let output = asking.wait_with_output().expect("it ends");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["state"], "done", "{told:#}");
    let parts: Vec<(u32, String)> = told["result"]["parts"]
        .as_array()
        .expect("parts")
        .iter()
        .map(|part| {
            let number = part["number"].as_u64().and_then(|n| n.try_into().ok()).expect("one");
            (number, part["etag"].as_str().expect("one").to_owned())
        })
        .collect();
    assert!(venue.storage.completes(&at, &parts), "{told:#}");
    let object = venue.storage.object("clips/a-2.mp4").expect("whole");
    assert_eq!(sha256(&object), told["result"]["sha256"]);
    assert_eq!(object, bytes);
    assert_eq!(venue.storage.puts().len(), all as usize + 1, "one cut, one part again");
    drop(venue.broker);
}

/// `trials/upload.py` has a box send what this writes: `COURTSIDE_RING=DIR COURTSIDE_RING_MB=N`.
#[test]
fn a_ring_with_one_long_clip_is_written_where_a_trial_wants_it() {
    let temporary = tempfile::tempdir().expect("directory");
    let wanted = std::env::var_os("COURTSIDE_RING").map(PathBuf::from);
    let ring_dir = wanted.unwrap_or_else(|| temporary.path().join("ring"));
    let mb = std::env::var("COURTSIDE_RING_MB").ok().and_then(|mb| mb.parse::<usize>().ok());
    let pictures = 200_u64;
    let each = mb.unwrap_or(1) * 1_000_000 / pictures as usize;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let quota =
        courtside::clips::RingSettings { quota_bytes: 8 << 30, ..settings(ring_dir.clone()) };
    let mut tested = TestRing::open(quota, Arc::clone(&disk)).expect("ring");
    tested.opened(SESSION);
    tenths(SESSION, 0..pictures, each).for_each(|item| tested.feed(item));
    tested.closed(SESSION);
    tested.request("long-1", SESSION, (0, 30_000));
    assert_eq!(tested.told(), ["long-1"]);
    tested.join();
    let reader = RingReader::open(&ring_dir, disk).expect("reader");
    let clip = reader.shelf().expect("shelf").read("long-1").expect("there");
    let bytes = clip.media.expect("bytes").bytes;
    assert!(bytes as usize > mb.unwrap_or(1) * 990_000, "{bytes}");
}
