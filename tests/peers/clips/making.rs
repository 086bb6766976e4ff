//! Clips that take longer to make than a request is held.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use courtside::clips::ReadTerms;
use courtside::disk::{Disk, DiskFile, DiskLock, Entry, LockError, OpenHow, RealDisk};
use courtside::media::{CloseReason, StreamItem};
use parking_lot::{Condvar, Mutex};
use serde_json::{Value, json};

use super::boxed::unhurried;
use super::{SESSION, ask};
use crate::mosquitto::until;
use crate::ring::{TestRing, settings};

#[path = "../../support/synthetic.rs"]
mod synthetic;

use synthetic::tenths;

/// What is hashed is read so many bytes at once, and nothing else is.
const HASHED_AT_ONCE: usize = 128 << 10;

/// A disk from which nothing is hashed while its gate is closed.
#[derive(Clone, Debug)]
struct GatedDisk {
    real: Arc<RealDisk>,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl GatedDisk {
    fn open() -> Self {
        Self { real: Arc::new(RealDisk::new()), gate: Arc::new((Mutex::new(true), Condvar::new())) }
    }

    fn set_open(&self, is_open: bool) {
        *self.gate.0.lock() = is_open;
        self.gate.1.notify_all();
    }
}

#[derive(Debug)]
struct GatedFile {
    real: Box<dyn DiskFile>,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl DiskFile for GatedFile {
    fn len(&self) -> io::Result<u64> {
        self.real.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        if buf.len() == HASHED_AT_ONCE {
            let mut is_open = self.gate.0.lock();
            while !*is_open {
                self.gate.1.wait(&mut is_open);
            }
        }
        self.real.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.real.write_at(offset, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.real.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.real.allocate(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.real.sync_data()
    }
}

impl Disk for GatedDisk {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Box<dyn DiskFile>> {
        let real = self.real.open(path, how)?;
        Ok(Box::new(GatedFile { real, gate: Arc::clone(&self.gate) }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.real.create_dir_all(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.real.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.real.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.real.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.real.sync_dir(dir)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        self.real.free_bytes(dir)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn DiskLock>, LockError> {
        self.real.lock(path)
    }
}

#[test]
fn a_clip_that_takes_long_is_answered_soon_made_once_and_holds_up_nothing() {
    let dir = tempfile::tempdir().expect("dir");
    let disk = GatedDisk::open();
    let of_disk = Arc::new(disk.clone()) as Arc<dyn Disk>;
    let mut tested = TestRing::open(settings(dir.path().join("ring")), of_disk).expect("ring");
    tested.opened(SESSION);
    tenths(SESSION, 0..50, 1_000_000).for_each(|item| tested.feed(item));
    tested.request("a-shot", SESSION, (500, 900));
    assert_eq!(tested.told(), ["a-shot"]);
    let (mailbox, shelf) = (tested.mailbox.clone(), tested.ring.shelf());
    tested.ring.start().expect("threads");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("tokio");
    let terms = ReadTerms { answers_within: Duration::from_millis(200), ..unhurried() };
    let routes = courtside::clips::routes(shelf, terms);
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("port");
    let to = listener.local_addr().expect("bound");
    runtime.spawn(async move { axum::serve(listener, routes).await });
    let json = |body: &[u8]| -> Value { serde_json::from_slice(body).expect("JSON") };
    let get = |path: &str| {
        let (status, _, body) = ask(to, &format!("GET {path}"), "", "");
        (status, json(&body))
    };
    let post = |path: &str, body: &Value| {
        let (status, fields, body) = ask(to, &format!("POST {path}"), "", &body.to_string());
        (status, fields, json(&body))
    };

    disk.set_open(false);
    let all = json!({ "court": "a", "last": 4.5, "note": "the whole quarter" });
    let (status, fields, told) = post("/v1/clips", &all);
    assert_eq!((status, &told["state"]), (202, &json!("making")), "{told:#}");
    let id = told["id"].as_str().expect("a name").to_owned();
    let at = format!("/v1/clips/{id}");
    assert!(fields.contains(&format!("location: {at}").to_lowercase()), "{fields}");
    assert!(fields.contains("retry-after: "), "{fields}");
    let (status, told) = get(&at);
    assert_eq!((status, &told["state"], &told["id"]), (202, &json!("making"), &json!(id)));
    // The same again is the same clip, though "the last" is another moment by now.
    tested.clock.advance(Duration::from_millis(500));
    let (status, _, told) = post("/v1/clips", &all);
    assert_eq!((status, &told["id"]), (202, &json!(id)), "{told:#}");
    let other = json!({ "session": SESSION.to_string(), "from": 1.0, "to": 2.0, "id": id });
    assert_eq!(post("/v1/clips", &other).0, 409, "the name is of another interval");
    let (_, list) = get("/v1/clips");
    assert_eq!((&list["clips"][0]["id"], &list["making"][0]["id"]), (&json!("a-shot"), &json!(id)));
    // What is asked of the ring meanwhile is done meanwhile.
    assert_eq!(post("/v1/clips/a-shot/ack", &json!({})).0, 200);

    disk.set_open(true);
    let entry = until("it is made", || {
        let (status, entry) = get(&at);
        (status == 200).then_some(entry)
    });
    assert_eq!((&entry["pinned"], &entry["kept"]["note"]), (&json!(true), &all["note"]));
    use sha2::Digest as _;
    let (_, _, bytes) = ask(to, &format!("GET {at}/media"), "", "");
    assert!(bytes.len() > 32 << 20, "{}", bytes.len());
    let sum: String =
        sha2::Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(entry["media"]["sha256"], sum);
    let (_, list) = get("/v1/clips");
    assert_eq!(list["clips"].as_array().map(Vec::len), Some(2), "{list:#}");
    assert!(list["making"].is_null(), "{list:#}");

    // What was promised and cannot be is told where it was promised.
    let ahead = json!({ "session": SESSION.to_string(), "from": 20.0, "to": 21.0, "id": "ahead" });
    let (status, _, told) = post("/v1/clips", &ahead);
    assert_eq!(status, 202, "{told:#}");
    mailbox.offer(StreamItem::Closed { session: SESSION, reason: CloseReason::Ended });
    let why = until("it cannot be made", || {
        let (status, told) = get("/v1/clips/ahead");
        (status == 410).then_some(told)
    });
    assert!(why["detail"].as_str().is_some_and(|text| text.contains("never recorded")), "{why:#}");
    runtime.shutdown_background();
    tested.join();
}
