//! Parcels that come from servers that change their mind; `cuts` has connections and power that are cut.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use crate::clock::{Chance, SystemClock};
use crate::detect::bundle::files::hex;
use crate::detect::delivery::address::Address;
use crate::detect::delivery::{BoxKeys, InstallRefused, Installer, InstallerParts, Parcels};
use crate::detect::parcel::{BoxKey, SecretKey, pack, seal, trusted_comment};
use crate::detect::roster::swapping::{SwapRefused, TakesOver};
use crate::disk::{Disk, ForgetfulDisk, OpenHow, RealDisk, read_whole};
use crate::event::models::{After, InstallOrder, SwapOrder};
use crate::event::words::InstallPhase;
use crate::http::outgoing::PartFile;
use crate::http::outgoing::{BLOCK, FetchLimits, Have};

mod cuts;

const MODELS: &str = "/data/models";

/// Bytes that are nowhere alike.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// What a server does, a connection after the other.
#[derive(Clone, Default)]
struct Script {
    body: Vec<u8>,
    etag: Option<&'static str>,
    /// Bytes after which each connection is cut; those behind them are whole.
    cuts: Vec<usize>,
    /// From this connection on it has another file.
    changes: Option<(usize, Vec<u8>)>,
    /// What it answers at first, whole.
    first: Vec<String>,
    ranges: bool,
}

struct Server {
    at: SocketAddr,
    sent: Arc<Mutex<usize>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn of(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("bound");
        let (sent, asked) = (Arc::default(), Arc::default());
        let (counts, notes) = (Arc::clone(&sent), Arc::clone(&asked));
        // Ends with the test's process.
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                serve(stream, number, &script, &counts, &notes);
            }
        });
        Self { at, sent, asked }
    }

    fn url(&self) -> String {
        format!("http://{}/toy.parcel?secret=1", self.at)
    }
}

fn serve(
    mut stream: TcpStream,
    number: usize,
    script: &Script,
    sent: &Mutex<usize>,
    asked: &Mutex<Vec<String>>,
) {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        request.push(byte[0]);
    }
    let request = String::from_utf8(request).expect("text");
    asked.lock().push(request.clone());
    if let Some(first) = script.first.get(number) {
        drop(stream.write_all(first.as_bytes()));
        return;
    }
    let changed = script.changes.as_ref().filter(|(from, _)| number >= *from);
    let (body, etag) = match changed {
        Some((_, body)) => (body, script.etag.map(|_| "\"other\"")),
        None => (&script.body, script.etag),
    };
    let header = |name: &str| {
        let of = |line: &str| line.strip_prefix(name).map(str::to_owned);
        request.lines().find_map(of)
    };
    let from = header("range: bytes=").and_then(|range| range.trim_end_matches('-').parse().ok());
    let same = header("if-range: ").is_none_or(|word| Some(word.as_str()) == etag);
    let from: usize = from.filter(|_| same && script.ranges).unwrap_or(0);
    let rest = &body[from.min(body.len())..];
    let mut head = match from {
        0 => "HTTP/1.1 200 OK\r\n".to_owned(),
        from => format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{}/{}\r\n",
            body.len() - 1,
            body.len()
        ),
    };
    if let Some(etag) = etag {
        head.push_str(&format!("ETag: {etag}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", rest.len()));
    let now = script.cuts.get(number).map_or(rest.len(), |cut| rest.len().min(*cut));
    // Before they leave: who has them all looks at once.
    *sent.lock() += now;
    drop(stream.write_all(head.as_bytes()));
    drop(stream.write_all(&rest[..now]));
    drop(stream.shutdown(Shutdown::Write));
}

/// Who would take over, and what it was told.
#[derive(Default)]
struct Podium {
    swaps: Mutex<Vec<SwapOrder>>,
    deciding: Mutex<Option<String>>,
}

impl TakesOver for Podium {
    fn swap(&self, order: &SwapOrder) -> Result<(), SwapRefused> {
        self.swaps.lock().push(order.clone());
        *self.deciding.lock() = Some(order.name());
        Ok(())
    }

    fn deciding(&self) -> Option<String> {
        self.deciding.lock().clone()
    }

    fn in_use(&self) -> Vec<String> {
        self.deciding.lock().iter().cloned().collect()
    }
}

fn signer() -> SecretKey {
    SecretKey::from_random([1; 8], [1; 32]).expect("a key")
}

fn own() -> BoxKey {
    BoxKey::from_random([5; 32])
}

/// A parcel with a network of so many bytes.
fn parcel(version: &str, bytes: usize) -> Vec<u8> {
    let network = noise(7, bytes);
    let manifest = format!(
        r#"format = 2
name = "toy"
version = "{version}"
task = "rim"
budget_ms = 3.0
max_gap_ms = 250
[[file]]
path = "toy.onnx"
precision = "fp32"
device = "any"
sha256 = "{}"
[[rim.input]]
name = "frame"
size = 16
channels = ["y"]
rings = 3.2
above = 0.9
[rim.output]
logits = "logits"
classes = ["none", "under_way", "made", "missed"]
[provenance]
data = "rendered"
rights = ["all ours"]
"#,
        hex(&Sha256::digest(&network))
    );
    let signature = signer().sign(manifest.as_bytes(), &trusted_comment("toy", version));
    pack(&manifest, &signature, &[("toy.onnx".to_owned(), network)]).expect("packed")
}

fn sealed(plain: &[u8]) -> Vec<u8> {
    let mut number = 0;
    let mut random = |bytes: &mut [u8]| {
        number += 1;
        bytes.copy_from_slice(&noise(number, bytes.len()));
        Ok(())
    };
    seal(plain, &[own().public()], &mut random).expect("sealed")
}

struct Box_ {
    disk: Arc<dyn Disk>,
    installer: Arc<Installer>,
    podium: Arc<Podium>,
}

fn a_box(disk: Arc<dyn Disk>, models: &Path, keys: BoxKeys) -> Box_ {
    let parcels = Parcels::new(Arc::clone(&disk), models.to_owned(), keys, Vec::new(), &[]);
    let podium = Arc::new(Podium::default());
    let installer = Installer::new(InstallerParts {
        parcels: Arc::new(parcels),
        takes_over: Arc::clone(&podium) as Arc<dyn TakesOver>,
        clock: Arc::new(SystemClock::new()),
        chance: Chance::seeded(1),
        ca_file: None,
        limits: FetchLimits {
            bytes: 16 << 20,
            deadline: Duration::from_secs(120),
            step: Duration::from_secs(60),
            wait: Duration::from_millis(1),
        },
    });
    Box_ { disk, installer, podium }
}

fn usual(disk: Arc<dyn Disk>) -> Box_ {
    let keys = BoxKeys { signers: vec![signer().public()], own: Some(own()), own_in_file: true };
    a_box(disk, Path::new(MODELS), keys)
}

fn forgetful() -> Box_ {
    usual(Arc::new(ForgetfulDisk::new()))
}

impl Box_ {
    fn stage(&self, from: &str, sha256: Option<&str>) -> Result<String, String> {
        let address = Address::parse(from).expect("an address");
        self.installer.stage(&address, sha256).map(|staged| staged.full_name)
    }

    fn names(&self) -> Vec<String> {
        self.disk.names(Path::new(MODELS)).unwrap_or_default()
    }

    fn kept(&self, name: &str) -> Vec<u8> {
        read_whole(&*self.disk, &Path::new(MODELS).join(name), 64 << 20).expect("kept")
    }
}

#[test]
fn a_file_that_changes_meanwhile_begins_anew() {
    let (old, new) = (parcel("0.2.0", 2 * BLOCK), parcel("0.3.0", BLOCK));
    for etag in [Some("\"v1\""), None] {
        let script = Script {
            body: old.clone(),
            etag,
            cuts: vec![BLOCK + 77],
            changes: Some((1, new.clone())),
            ranges: true,
            ..Script::default()
        };
        let server = Server::of(script);
        let toy = forgetful();
        assert_eq!(toy.stage(&server.url(), None), Ok("toy@0.3.0".to_owned()), "{etag:?}");
        assert_eq!(toy.kept("toy@0.3.0.parcel"), new);
    }
}

#[test]
fn a_server_that_knows_no_ranges_gives_all_of_it_again() {
    let body = parcel("0.2.0", BLOCK);
    let script = Script {
        body: body.clone(),
        etag: Some("\"v1\""),
        cuts: vec![1_000, BLOCK],
        ..Script::default()
    };
    let server = Server::of(script);
    let toy = forgetful();
    assert_eq!(toy.stage(&server.url(), None), Ok("toy@0.2.0".to_owned()));
    assert_eq!(toy.kept("toy@0.2.0.parcel"), body);
}

#[test]
fn a_box_that_starts_again_goes_on_where_it_was() {
    let body = parcel("0.2.0", 3 * BLOCK);
    let script =
        Script { body: body.clone(), etag: Some("\"v1\""), ranges: true, ..Script::default() };
    let server = Server::of(script);
    let disk: Arc<dyn Disk> = Arc::new(ForgetfulDisk::new());
    // As the run before left it: two blocks of the same version of the same file.
    let target = Address::parse(&server.url()).map(|address| match address {
        Address::Web(web) => format!("{} {}", web.told(), web.target),
        Address::File(_) => String::new(),
    });
    let of = hex(&Sha256::digest(target.expect("an address")));
    let mut part = PartFile::take_up(&disk, Path::new(MODELS), &of).expect("begun");
    let (validator, total) = (Some("\"v1\"".to_owned()), Some(body.len() as u64));
    part.begin(Have { of, validator, total, bytes: 0 }).expect("begun");
    part.take(&body[..2 * BLOCK]).expect("kept");
    drop(part);
    let toy = usual(disk);
    assert_eq!(toy.stage(&server.url(), None), Ok("toy@0.2.0".to_owned()));
    assert_eq!(toy.kept("toy@0.2.0.parcel"), body);
    assert_eq!(*server.sent.lock(), body.len() - 2 * BLOCK);
    assert!(server.asked.lock()[0].contains("range: bytes=2097152-"));
}

#[test]
fn what_a_server_says_is_done_or_told() {
    let body = parcel("0.2.0", 1_000);
    let answer = |line: &str, headers: &str| {
        format!("HTTP/1.1 {line}\r\n{headers}Content-Length: 0\r\n\r\n")
    };
    let at = |first: Vec<String>| {
        let script = Script { body: body.clone(), ranges: true, first, ..Script::default() };
        let server = Server::of(script);
        let told = forgetful().stage(&server.url(), None);
        (told, server.asked.lock().len(), server.at.to_string())
    };
    let later = ["503 No", "429 Slow", "500 Oh"].map(|line| answer(line, "")).to_vec();
    assert_eq!(at(later).0, Ok("toy@0.2.0".to_owned()));
    let sent_on = vec![answer("302 Found", "Location: /there\r\n")];
    assert_eq!(at(sent_on).0, Ok("toy@0.2.0".to_owned()));
    let mut told = String::new();
    for first in [
        vec![answer("404 None", "")],
        vec![answer("403 No", "")],
        vec![answer("301 Gone", "")],
        vec![answer("302 Found", "Location: ftp://h/x\r\n")],
        vec![answer("302 Found", "Location: /again\r\n"); 9],
        vec!["HTTP/1.1 200 OK\r\nContent-Length: 99000000\r\n\r\n".to_owned()],
    ] {
        let (outcome, asked, host) = at(first);
        let why = outcome.expect_err("told").replace(&host, "HOST");
        assert!(!why.contains("secret"), "{why}");
        told.push_str(&format!("{why} ({asked} asked)\n"));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn what_comes_is_checked_before_it_has_a_name() {
    let good = parcel("0.2.0", 5_000);
    let hash = hex(&Sha256::digest(&good));
    let mut altered = good.clone();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    let told = |body: Vec<u8>, sha256: Option<&str>| {
        let server = Server::of(Script { body, ranges: true, ..Script::default() });
        let toy = forgetful();
        let why = toy.stage(&server.url(), sha256).expect_err("refused");
        assert!(toy.names().iter().all(|name| !name.ends_with(".parcel")), "{:?}", toy.names());
        why
    };
    let found = hex(&Sha256::digest(&altered));
    let told = [
        told(altered, None),
        told(good, Some(&"0".repeat(64))).replace(&hash, "HASH"),
        told(b"<html>log in first".to_vec(), None),
    ];
    assert!(!told[0].contains(&found));
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_sealed_parcel_stays_sealed_on_the_disk_and_is_loaded_from_memory() {
    let plain = parcel("0.2.0", 200_000);
    let body = sealed(&plain);
    let server = Server::of(Script { body: body.clone(), ranges: true, ..Script::default() });
    let toy = forgetful();
    assert_eq!(toy.stage(&server.url(), None), Ok("toy@0.2.0".to_owned()));
    assert_eq!(toy.kept("toy@0.2.0.parcel"), body);
    let keys = BoxKeys { signers: vec![signer().public()], own: Some(own()), own_in_file: true };
    let parcels =
        |keys: BoxKeys| Parcels::new(Arc::clone(&toy.disk), MODELS.into(), keys, Vec::new(), &[]);
    let bundle = parcels(keys.clone()).bundle("toy@0.2.0", "fp32").expect("loaded");
    assert_eq!((bundle.file.bytes.as_ref(), bundle.is_secret()), (&noise(7, 200_000)[..], true));
    let without =
        |keys: BoxKeys| parcels(keys).bundle("toy@0.2.0", "fp32").expect_err("refused").to_string();
    let told = [
        without(BoxKeys { own: None, ..keys.clone() }),
        without(BoxKeys { own: Some(BoxKey::from_random([6; 32])), ..keys.clone() }),
        without(BoxKeys { signers: Vec::new(), ..keys }),
    ];
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn the_same_twice_is_once_and_old_versions_go() {
    let toy = forgetful();
    let serve = |version: &str| {
        let body = parcel(version, 1_000);
        let hash = hex(&Sha256::digest(&body));
        (Server::of(Script { body, ranges: true, ..Script::default() }), hash)
    };
    let (first, hash) = serve("0.1.0");
    for _ in 0..2 {
        assert_eq!(toy.stage(&first.url(), Some(&hash)), Ok("toy@0.1.0".to_owned()));
    }
    assert_eq!(first.asked.lock().len(), 1, "what is here is not fetched");
    assert_eq!(toy.stage(&first.url(), None), Ok("toy@0.1.0".to_owned()));
    let parcels = |toy: &Box_| {
        let mut names = toy.names();
        names.retain(|name| name.ends_with(".parcel"));
        names.sort();
        names
    };
    assert_eq!(parcels(&toy), ["toy@0.1.0.parcel"]);
    for version in ["0.2.0", "0.10.0"] {
        toy.stage(&serve(version).0.url(), None).expect("installed");
    }
    assert_eq!(parcels(&toy), ["toy@0.10.0.parcel", "toy@0.2.0.parcel"]);
    // What decides is never taken away.
    *toy.podium.deciding.lock() = Some("toy@0.2.0".to_owned());
    toy.stage(&serve("0.11.0").0.url(), None).expect("installed");
    toy.stage(&serve("0.12.0").0.url(), None).expect("installed");
    assert_eq!(parcels(&toy), ["toy@0.11.0.parcel", "toy@0.12.0.parcel", "toy@0.2.0.parcel"]);
    let why = toy.stage(&serve("0.2.1").0.url(), None).expect_err("older");
    assert!(why.contains("is older than 0.12.0"), "{why}");
}

#[test]
fn without_room_nothing_is_begun() {
    let disk = ForgetfulDisk::with_capacity((64 << 20) + 100_000);
    let toy = usual(Arc::new(disk.clone()));
    let server = Server::of(Script { body: parcel("0.2.0", 200_000), ..Script::default() });
    let why = toy.stage(&server.url(), None).expect_err("no room");
    assert!(why.contains("no room"), "{why}");
    disk.set_capacity(None);
    assert!(toy.stage(&server.url(), None).is_ok());
}

#[test]
fn a_file_of_the_machine_is_taken_like_one_of_the_network() {
    let folder = tempfile::tempdir().expect("a folder");
    let models = folder.path().join("models");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    disk.create_dir_all(&models).expect("made");
    let body = parcel("0.2.0", BLOCK + 5);
    let stick = folder.path().join("stick.parcel");
    let file = disk.open(&stick, OpenHow::CreateNew).expect("made");
    file.write_at(0, &body).expect("written");
    let keys = BoxKeys { signers: vec![signer().public()], ..BoxKeys::default() };
    let toy = a_box(disk, &models, keys);
    let told = toy.stage(stick.to_str().expect("text"), None);
    assert_eq!(told, Ok("toy@0.2.0".to_owned()));
    let kept = read_whole(&*toy.disk, &models.join("toy@0.2.0.parcel"), 64 << 20);
    assert_eq!(kept.expect("kept"), body);
    let why = toy.stage("/nowhere/x.parcel", None).expect_err("not there");
    assert!(why.contains("/nowhere/x.parcel"), "{why}");
}

#[test]
fn an_order_is_done_once_and_handed_to_the_swap() {
    let toy = forgetful();
    let server =
        Server::of(Script { body: parcel("0.2.0", 1_000), ranges: true, ..Script::default() });
    let order = |from: String| InstallOrder {
        from,
        sha256: None,
        precision: None,
        after: After::Now,
        keep: true,
    };
    let wanted = order(server.url());
    for round in 0..2 {
        toy.installer.install(&wanted).expect("begun");
        while toy.installer.state().is_none_or(|state| !state.phase.is_over()) {
            std::thread::yield_now();
        }
        let state = toy.installer.state().expect("told");
        assert_eq!(state.phase, InstallPhase::HandedOver, "{state:?}");
        assert_eq!(toy.podium.swaps.lock().len(), 1, "round {round}");
        while toy.installer.is_busy() {
            std::thread::yield_now();
        }
    }
    let swap = toy.podium.swaps.lock()[0].clone();
    assert_eq!((swap.name(), swap.after, swap.keep), ("toy@0.2.0".to_owned(), After::Now, true));
    for (bad, sha256) in [("toy.parcel", None), ("https://h/x", Some("12"))] {
        let order = InstallOrder { sha256: sha256.map(str::to_owned), ..order(bad.to_owned()) };
        assert!(matches!(toy.installer.install(&order), Err(InstallRefused::Order(_))));
    }
    let nobody = a_box(Arc::new(ForgetfulDisk::new()), Path::new(MODELS), BoxKeys::default());
    assert!(matches!(nobody.installer.install(&wanted), Err(InstallRefused::NoKeys)));
}
