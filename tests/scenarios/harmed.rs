//! Every kind of file that the box writes, damaged in every way: it starts and calls, it is told, nothing is
//! written over that may be wanted, and what looks through the files finds it.
//!
//! The kinds are those of `disk::LAYOUT`: a file of another kind in a box's data folder fails here, and so does a
//! kind that is neither tried nor named in [`TRIED_ELSEWHERE`] with where it is.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use courtside::clips::RingReader;
use courtside::disk::{
    Disk, ForgetfulDisk, Keeps, LAYOUT, kind_of, look_through, read_whole, write_sealed,
};
use courtside::event::box_status::BoxStatus;
use courtside::event::catalogue::Code;
use courtside::health::doctor::findings;
use courtside::uplink::look_at_stores;
use serde_json::{Value, json};

use crate::film::{Shot, made, still};
use crate::started::ask;
use crate::testbox::{DATA, TestBox};

/// Kinds that no box of these tests has, and what tries their damage.
const TRIED_ELSEWHERE: &[(&str, &str)] = &[
    ("token", "http::access"),
    ("token-operator", "http::access"),
    ("token-viewer", "http::access"),
    ("identity/current.json", "claim::store"),
    ("identity/next.json", "claim::store"),
    ("identity/prev.json", "claim::store"),
    ("identity/told", "claim::store"),
    ("box.key", "app::parcels"),
    ("update/.part/record.json", "detect::delivery"),
    ("update/.part/parcel", "detect::delivery"),
    ("update/*.bundle", "update::sheet"),
    ("models/.part/record.json", "detect::delivery"),
    ("models/.part/parcel", "detect::delivery"),
    ("models/*.parcel", "detect::delivery"),
    ("tried", "tools::tried"),
    ("gpu/*", "device::kept"),
    ("import/**", "peers imports"),
    ("look.json", "look::store"),
];

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Empty,
    Zeros,
    /// Half of it.
    Cut,
    Random,
    /// One bit of it turned, in the middle.
    Bit,
    Missing,
    /// A newer version wrote it, and this one cannot read it.
    Newer,
    /// The disk says that it cannot be read.
    Unreadable,
}

const DAMAGES: [Damage; 8] = [
    Damage::Empty,
    Damage::Zeros,
    Damage::Cut,
    Damage::Random,
    Damage::Bit,
    Damage::Missing,
    Damage::Newer,
    Damage::Unreadable,
];

impl Damage {
    /// Does it; what stands there then. `None` where there is no such damage of that file.
    fn to(self, disk: &ForgetfulDisk, path: &Path, keeps: Keeps) -> Option<Vec<u8>> {
        let mut bytes = read_whole(disk, path, 1 << 30).expect("there");
        let half = bytes.len() / 2;
        match self {
            Self::Empty => bytes.clear(),
            Self::Zeros => bytes.fill(0),
            Self::Cut => bytes.truncate(half),
            Self::Random => {
                let mut seed = 7_u64;
                for byte in &mut bytes {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    *byte = (seed >> 33) as u8;
                }
            }
            Self::Bit => bytes[half] ^= 1,
            Self::Missing => {
                disk.lose(path);
                return Some(Vec::new());
            }
            Self::Newer if keeps == Keeps::Json => {
                bytes = br#"{"format":99,"oldest_reader":99,"version":99}"#.to_vec();
            }
            Self::Newer => return None,
            // What is begun in its place has its name, and could be read no more than it.
            Self::Unreadable if keeps == Keeps::Store => return None,
            Self::Unreadable => {
                disk.fail_reads(path.to_str().expect("UTF-8"));
                return Some(bytes);
            }
        }
        disk.replace(path, &bytes);
        Some(bytes)
    }
}

/// A box that has everything, ended well: its disk, and a clip that is pinned.
fn lived() -> (TestBox, ForgetfulDisk, String) {
    let mut tested = TestBox::with_courts(&["north"]);
    tested.camera("north");
    tested.show("north", &still(Shot::Nothing, 90));
    tested.show("north", &made());
    tested.show("north", &still(Shot::Nothing, 120));
    let told = tested.envelopes();
    let shot = told.iter().rfind(|one| one["type"] == "courtside.shot.made.v1");
    let shot = shot.unwrap_or_else(|| panic!("{told:?}"));
    let fact = shot["fact"].as_str().expect("a fact").to_owned();
    let verdict = json!({ "verdict": "none" });
    assert_eq!(ask(&tested, "POST", &format!("/v1/shots/{fact}/correct"), &verdict).0, 200);
    let keep = json!({ "court": "north", "last": 2.0, "id": "kept", "note": "seen" });
    let made = ask(&tested, "POST", "/v1/clips", &keep);
    assert!(made.0 < 300, "{made:?}");
    tested.show("north", &still(Shot::Nothing, 60));
    let gone = json!({ "court": "north", "last": 0.5, "id": "gone" });
    assert!(ask(&tested, "POST", "/v1/clips", &gone).0 < 300);
    tested.show("north", &still(Shot::Nothing, 60));
    assert_eq!(ask(&tested, "DELETE", "/v1/clips/gone", &Value::Null).0, 200);
    tested.confirms("north", &[[612.0, 188.0, 44.0, 22.0]]).expect("confirmed");
    tested.desired(1, json!({ "health": { "log": "info" } }));
    tested.pass(std::time::Duration::from_secs(12), std::time::Duration::from_millis(500));
    tested.stop();
    let disk = tested.disk.apart();
    let data = Path::new(DATA);
    let put = |name: &str, value: Value| {
        let path = data.join(name);
        disk.create_dir_all(path.parent().expect("a folder")).expect("made");
        write_sealed(&disk, &path, value.to_string().into_bytes()).expect("written");
    };
    put("home.json", json!({ "format": 1, "retained": ["home/gone"] }));
    put("models.json", json!({ "format": 1, "live": "scripted" }));
    put(
        "update/record.json",
        json!({ "format": 1, "step": "fallen_back", "n": 2, "reason": "the broker was not reached", "fallen_back": 1 }),
    );
    put("disagreements.json", json!({ "format": 1, "disagreements": [] }));
    put(
        "uploads/u.json",
        json!({ "format": 1, "upload": "u", "clip": "kept", "bytes": 1, "sha256": "", "parts": [], "begun_ns": 1 }),
    );
    (tested, disk, "kept".to_owned())
}

/// Status and the beginning of the body, whatever it is.
fn get(tested: &TestBox, path: &str) -> (u16, String) {
    let at = tested.http();
    let mut stream = TcpStream::connect(at).expect("connected");
    let head = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("asked");
    let mut answer = Vec::new();
    // One that is cut off in the middle says so by that.
    let _cut = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.unwrap_or(0), body.chars().take(400).collect())
}

/// What `clips verify` and `check` say of these files, by place.
fn looked(disk: &ForgetfulDisk) -> Vec<(PathBuf, String)> {
    let data = Path::new(DATA);
    let mut found: Vec<_> = look_through(disk, data, true)
        .expect("looked")
        .into_iter()
        .map(|harm| (harm.path, harm.why))
        .collect();
    found.extend(look_at_stores(disk, data).into_iter().map(|harm| (harm.path, harm.why)));
    let reader = RingReader::open(&data.join("ring"), Arc::new(disk.clone())).expect("a ring");
    reader
        .verify(|finding| found.extend(finding.wrong.map(|why| (finding.path, why))))
        .expect("verified");
    found
}

fn has_damaged_outbox(status: &BoxStatus) -> bool {
    status.uplink.as_ref().is_some_and(|uplink| !uplink.state.damaged.is_empty())
}

/// What only an upload that goes on reads.
fn is_read_at_the_start(at: &str) -> bool {
    at != "uploads/*.json"
}

#[test]
fn every_file_in_every_way() {
    let (mut tested, template, clip) = lived();
    let data = Path::new(DATA);
    let files = template.files();
    let mut tried = BTreeSet::new();
    let mut wrong = Vec::new();
    assert_eq!(looked(&template), [], "nothing is wrong with what is whole");
    for path in &files {
        let place = path.strip_prefix(data).expect("below the data folder");
        let kind =
            kind_of(place).unwrap_or_else(|| panic!("{} stands in no layout", place.display()));
        if !tried.insert(kind.at)
            || !matches!(kind.keeps, Keeps::Json | Keeps::Lines | Keeps::Video | Keeps::Store)
        {
            continue;
        }
        for damage in DAMAGES {
            let disk = template.apart();
            let Some(bytes) = damage.to(&disk, path, kind.keeps) else { continue };
            let row = format!("{}: {damage:?}", place.display());
            // Lines that are not there, or end early, are what a power cut leaves: made again, or told as torn.
            let as_a_cut_leaves =
                kind.keeps == Keeps::Lines && matches!(damage, Damage::Cut | Damage::Missing);
            // Whatever has a name of its own, nobody misses.
            let is_store = kind.keeps == Keeps::Store;
            let nobody_misses =
                damage == Damage::Missing && !kind.at.starts_with("ring/") && !is_store;
            // A page of a store that nothing stands in: `uplink::outbox` tries each.
            let may_be_nothing = is_store && matches!(damage, Damage::Bit | Damage::Cut);
            let silent = as_a_cut_leaves || nobody_misses || may_be_nothing;
            if !silent && damage != Damage::Newer {
                let found = looked(&disk);
                if !found.iter().any(|(of, _)| {
                    of == path
                        || (kind.keeps == Keeps::Json && of.ends_with(format!("{clip}.json")))
                }) {
                    wrong.push(format!("{row}: nothing finds it: {found:?}"));
                }
            }
            // It starts, and calls.
            tested.disk = disk.clone();
            if let Err(error) = tested.start() {
                wrong.push(format!("{row}: it does not start: {error}"));
                continue;
            }
            let status = tested.status();
            // Who asks for what is there is told what is true.
            let (listed, _) = get(&tested, "/v1/clips");
            let answers = ["", "/media", "/index.m3u8"]
                .map(|end| get(&tested, &format!("/v1/clips/{clip}{end}")));
            let _list = get(&tested, "/v1/courts/north/live.m3u8?back=600");
            if listed != 200 {
                wrong.push(format!("{row}: the manifest says {listed}"));
            }
            for (status, body) in &answers {
                if body.contains("its pin had ended") {
                    wrong.push(format!("{row}: {status} {body}"));
                }
            }
            let harms: Vec<PathBuf> = disk.harms().into_iter().map(|harm| harm.path).collect();
            let bit_in_the_middle = kind.keeps == Keeps::Video && damage == Damage::Bit;
            let found =
                harms.contains(path) || (is_store && has_damaged_outbox(&tested.status_now()));
            if !silent && is_read_at_the_start(kind.at) && !bit_in_the_middle && !found {
                wrong.push(format!("{row}: not told: {harms:?}, {answers:?}"));
            }
            let told = tested.status().host.damaged.len() + status.host.damaged.len();
            if !harms.is_empty() && told == 0 {
                wrong.push(format!("{row}: known, and not in the state"));
            }
            let found = findings(&tested.status_now());
            let is_told =
                |code| [Code::FileDamaged, Code::FileNewer, Code::OutboxDamaged].contains(&code);
            if (!silent || !harms.is_empty())
                && is_read_at_the_start(kind.at)
                && !bit_in_the_middle
                && !found.iter().any(|one| is_told(one.code))
            {
                wrong.push(format!("{row}: the doctor says nothing of {harms:?}"));
            }
            tested.stop();
            // What was there is there, under whatever name.
            let stem = path.to_string_lossy().trim_end_matches(".redb").to_owned();
            let lies = disk.files().iter().any(|file| {
                file.to_string_lossy().starts_with(&stem)
                    && read_whole(&disk, file, 1 << 30).is_ok_and(|found| found == bytes)
            });
            let unreadable = damage == Damage::Unreadable;
            if !silent
                && damage != Damage::Missing
                && is_read_at_the_start(kind.at)
                && !lies
                && !unreadable
            {
                wrong.push(format!("{row}: what was there is gone: {:?}", disk.files()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    let elsewhere: Vec<&str> = TRIED_ELSEWHERE.iter().map(|(at, _)| *at).collect();
    for kind in LAYOUT {
        let harmless = matches!(kind.keeps, Keeps::Nothing | Keeps::Theirs | Keeps::Made);
        let is = tried.contains(kind.at) || elsewhere.contains(&kind.at) || harmless;
        assert!(is, "no damage of {} is tried", kind.at);
    }
}

#[test]
fn a_box_calls_whatever_became_of_its_files() {
    let (mut tested, template, _) = lived();
    let disk = template.apart();
    for path in template.files() {
        let kind = kind_of(path.strip_prefix(DATA).expect("below")).expect("a kind");
        if matches!(kind.keeps, Keeps::Json | Keeps::Lines | Keeps::Video | Keeps::Store) {
            disk.replace(&path, &[0; 4096]);
        }
    }
    tested.disk = disk.clone();
    tested.start().expect("it starts");
    tested.connected();
    let before = tested.envelopes().len();
    tested.camera("north");
    tested.show("north", &still(Shot::Nothing, 90));
    tested.show("north", &made());
    tested.show("north", &still(Shot::Nothing, 60));
    assert!(tested.envelopes().len() > before, "it calls");
    assert!(tested.recorded().iter().any(|bytes| *bytes > 0), "and records");
    assert!(tested.found(Code::FileDamaged).len() > 5, "and tells");
    tested.stop();
}
