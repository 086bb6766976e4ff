//! A model that is brought to a box over MQTT: the real program, a real mosquitto, a server that cuts.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::afar::{Daemon, Laptop, put};
use crate::mosquitto::{Mosquitto, Subscriber, until};

/// What may come twice after a cut (DESIGN §4.6).
const BLOCK: usize = 1 << 20;

/// Serves files by name, and cuts or holds connections as it is told.
#[derive(Clone)]
struct Server {
    at: SocketAddr,
    state: Arc<Mutex<Told>>,
}

#[derive(Default)]
struct Told {
    files: Vec<(String, Vec<u8>)>,
    /// The next connections end after so many bytes of body.
    cuts: Vec<usize>,
    /// The next connection sends so many, and then nothing.
    hold: Option<usize>,
    /// First bytes that were asked for, a connection each.
    asked: Vec<usize>,
    sent: usize,
    held: Vec<TcpStream>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = Self { at: listener.local_addr().expect("bound"), state: Arc::default() };
        let serving = server.clone();
        // Ends with the test's process.
        thread::spawn(move || listener.incoming().flatten().for_each(|one| serving.serve(one)));
        server
    }

    fn has(&self, name: &str, bytes: Vec<u8>) -> String {
        self.state.lock().files.push((name.to_owned(), bytes));
        format!("http://{}/{name}", self.at)
    }

    fn asked(&self) -> usize {
        self.state.lock().asked.len()
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
            request.push(byte[0]);
        }
        let request = String::from_utf8(request).expect("text").to_lowercase();
        let mut told = self.state.lock();
        let name = request.split([' ', '?']).nth(1).unwrap_or_default().trim_start_matches('/');
        let Some(body) =
            told.files.iter().find(|(its, _)| its == name).map(|(_, body)| body.clone())
        else {
            drop(stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
            return;
        };
        let range = request.lines().find_map(|line| line.strip_prefix("range: bytes="));
        let from = range.and_then(|range| range.trim_end_matches('-').parse().ok()).unwrap_or(0);
        told.asked.push(from);
        let rest = &body[from..];
        let status = match from {
            0 => "HTTP/1.1 200 OK".to_owned(),
            from => format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{}/{}",
                body.len() - 1,
                body.len()
            ),
        };
        let head = format!("{status}\r\nETag: \"one\"\r\nContent-Length: {}\r\n\r\n", rest.len());
        let most = match (told.hold.take(), told.cuts.is_empty()) {
            (Some(most), _) => {
                told.held.extend(stream.try_clone());
                most
            }
            (None, true) => rest.len(),
            (None, false) => told.cuts.remove(0),
        };
        let rest = &rest[..most.min(rest.len())];
        told.sent += rest.len();
        drop(told);
        // Who has gone meanwhile asks again.
        drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(rest)));
    }
}

/// A folder like `models/rimnet`, of another version.
fn bundle(dir: &Path, version: &str) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/rimnet");
    let to = dir.join(format!("rimnet-{version}"));
    std::fs::create_dir(&to).expect("made");
    let manifest = std::fs::read_to_string(from.join("model.toml")).expect("there");
    put(
        &to.join("model.toml"),
        &manifest.replace("version = \"0.6.0\"", &format!("version = \"{version}\"")),
    );
    for entry in std::fs::read_dir(&from).expect("there").flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().ends_with(".onnx") {
            std::fs::copy(entry.path(), to.join(name)).expect("copied");
        }
    }
    let data = to.join("testdata");
    std::fs::create_dir(&data).expect("made");
    for entry in std::fs::read_dir(from.join("testdata")).expect("there").flatten() {
        std::fs::copy(entry.path(), data.join(entry.file_name())).expect("copied");
    }
    to
}

fn models(dir: &Path, words: &[&str]) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_courtside"))
        .current_dir(dir)
        .arg("models")
        .args(words)
        .output()
        .expect("it runs");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(done.status.success(), "{words:?}: {said}");
    said
}

/// A key, as files; its public half.
fn key(dir: &Path, name: &str) -> String {
    let said = models(dir, &["keygen", name]);
    let public = std::fs::read_to_string(dir.join(format!("{name}.pub"))).expect("made");
    public
        .lines()
        .find(|line| line.starts_with("RW"))
        .map_or_else(|| panic!("{said}"), str::to_owned)
}

/// Signed by a key of that name.
fn parcel(dir: &Path, version: &str, key: &str) -> Vec<u8> {
    let from = bundle(dir, version);
    let out = dir.join(format!("rimnet-{version}.parcel"));
    let key = format!("{key}.key");
    models(
        dir,
        &[
            "sign",
            from.to_str().expect("UTF-8"),
            "--key",
            &key,
            "--out",
            out.to_str().expect("UTF-8"),
        ],
    );
    std::fs::read(out).expect("made")
}

struct Venue {
    broker: Mosquitto,
    subscriber: Subscriber,
    laptop: Laptop,
    config: PathBuf,
}

fn venue(dir: &Path, model_keys: &str) -> Venue {
    let broker = Mosquitto::start(false, None);
    let subscriber = Subscriber::to(broker.port);
    let config = dir.join("courtside.toml");
    let text = format!(
        "[box]\nname = \"rim-1\"\ndata_dir = \"{}\"\n\
         [uplink]\nbroker = \"mqtt://127.0.0.1:{}\"\n\
         [ingest]\nrtmp = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [detect]\nfinder = false\n{model_keys}\
         [[court]]\nname = \"a\"\nstream_key = \"north-hoop-1\"\nrims = [[612, 188, 44, 22]]\n",
        dir.join("data").display(),
        broker.port
    );
    put(&config, &text);
    let laptop = Laptop {
        broker: format!("mqtt://127.0.0.1:{}", broker.port),
        folder: dir.to_owned(),
        said: Vec::new(),
    };
    Venue { broker, subscriber, laptop, config }
}

impl Venue {
    fn born(&self, times: usize) {
        until("it is born", || {
            let told = self.subscriber.below("state/box");
            (told.iter().filter(|state| state.json["online"] == true).count() >= times)
                .then_some(())
        });
    }

    /// What was told of a command.
    fn states(&self, id: &str) -> Vec<Value> {
        let told = self.subscriber.below(&format!("command/{id}/state"));
        told.into_iter().map(|message| message.json).collect()
    }
}

fn live(models: &Value) -> String {
    let all = models["bundles"].as_array().expect("a list");
    let live = all.iter().find(|model| model["role"] == "live").expect("one decides");
    live["name"].as_str().expect("a name").to_owned()
}

#[test]
fn a_model_comes_over_the_air_through_cuts_and_a_restart_and_each_refusal_says_why() {
    let dir = tempfile::tempdir().expect("directory");
    let dir = dir.path();
    let (ours, _theirs) = (key(dir, "ours"), key(dir, "theirs"));
    let server = Server::start();
    let (seven, eight) = (parcel(dir, "0.7.0", "ours"), parcel(dir, "0.8.0", "ours"));
    let length = seven.len();
    let sha256: String = Sha256::digest(&seven).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut altered = parcel(dir, "0.9.0", "ours");
    let middle = altered.len() / 2;
    altered[middle] ^= 1;
    let foreign = parcel(dir, "0.9.1", "theirs");
    let from = server.has("seven.parcel", seven);
    let eight = server.has("eight.parcel", eight);
    let altered = server.has("altered.parcel", altered);
    let foreign = server.has("foreign.parcel", foreign);

    let mut venue = venue(dir, &format!("model_keys = [\"{ours}\"]\n"));
    let _daemon = Daemon::run(&venue.config);
    venue.born(1);

    // Through cuts: what comes twice is a MiB a cut at most.
    server.state.lock().cuts = vec![0, 1, 1_500_000, 3_000_001];
    let words = [
        "model_install",
        "--id",
        "seven",
        "--wait",
        "240",
        &format!("from={from}?key=hidden-in-a-query"),
        &format!("sha256=\"{sha256}\""),
        "after=now",
    ];
    let (code, told) = venue.laptop.asks(&words);
    assert_eq!((code, &told["state"]), (Some(0), &Value::from("done")), "{told:#}");
    assert_eq!(told["result"]["outcome"], "switched", "{told:#}");
    assert_eq!(told["result"]["bundle"], "rimnet@0.7.0", "{told:#}");
    assert_eq!(live(&told["result"]["models"]), "rimnet@0.7.0", "{told:#}");
    let told = server.state.lock();
    let (sent, asked) = (told.sent, told.asked.clone());
    drop(told);
    assert!(sent < length + 4 * BLOCK, "{sent} of {length}: {asked:?}");
    assert!(asked.len() >= 5 && asked.last().is_some_and(|from| *from > BLOCK), "{asked:?}");
    let progress: Vec<u64> =
        venue.states("seven").iter().filter_map(|state| state["progress"].as_u64()).collect();
    assert!(progress.is_sorted() && !progress.is_empty(), "{progress:?}");
    let told = venue.states("seven").into_iter().map(|state| state.to_string());
    assert!(told.into_iter().all(|state| !state.contains("hidden-in-a-query")));

    // The same id asks nobody anything; another one of the same parcel finds that it is there.
    let (_, again) = venue.laptop.asks(&words);
    assert_eq!(again["result"]["bundle"], "rimnet@0.7.0");
    let by_hash = ["model_install", words[5], words[6], "after=now", "--wait", "120"];
    let (code, again) = venue.laptop.asks(&by_hash);
    assert_eq!((code, &again["result"]["outcome"]), (Some(0), &Value::from("switched")), "{again}");
    assert_eq!(server.asked(), asked.len(), "nothing was fetched again");

    // What cannot be, with its reason; nothing changes.
    let missing = format!("http://{}/missing.parcel", server.at);
    for (from, code, why) in [
        (altered.as_str(), "not_installed", "was changed"),
        (&foreign, "not_installed", "key"),
        (&missing, "not_installed", "404"),
        ("/no/such/file.parcel", "not_installed", "/no/such/file.parcel"),
        ("ftp://127.0.0.1/x", "arguments", "http"),
    ] {
        let (exit, told) = venue.laptop.asks(&[
            "model_install",
            &format!("from={from}"),
            "after=now",
            "--wait",
            "240",
        ]);
        assert_eq!((exit, told["code"].as_str()), (Some(1), Some(code)), "{from}: {told:#}");
        let reason = told["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(why), "{from}: {reason}");
    }

    // A restart in the middle: it goes on from what is on disk, and is done by the next start.
    let before = server.asked();
    server.state.lock().hold = Some(5 << 20);
    let asking = venue.laptop.command(&[
        "model_install",
        "--id",
        "eight",
        "--wait",
        "300",
        "--box",
        "rim-1",
        "--json",
        &format!("from={eight}"),
        "after=now",
        "keep=true",
    ]);
    let asking = { asking }.stdout(std::process::Stdio::piped()).spawn().expect("it runs");
    until("bytes have come", || {
        let told = venue.states("eight");
        told.iter()
            .any(|state| state["progress"].as_u64().is_some_and(|part| part > 10))
            .then_some(())
    });
    // Another one meanwhile is told to wait.
    let (_, told) = venue.laptop.asks(&["model_install", "--wait", "2", &format!("from={from}")]);
    assert!(told.is_null() || told["state"] != "done", "one at a time: {told}");
    let (code, told) = venue.laptop.asks(&["restart", "--wait", "120"]);
    assert_eq!(code, Some(0), "{told}");
    let output = asking.wait_with_output().expect("it ends");
    venue.laptop.heard(&output);
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((output.status.code(), &told["cuts"]), (Some(0), &Value::from(1)), "{told:#}");
    assert_eq!(told["result"]["bundle"], "rimnet@0.8.0", "{told:#}");
    let asked = server.state.lock().asked[before..].to_vec();
    assert!(asked.len() >= 2 && asked[1..].iter().any(|from| *from >= 4 << 20), "{asked:?}");

    // Back to what decided before; then an older one is refused.
    let (code, told) = venue.laptop.asks(&["model_rollback"]);
    assert_eq!(code, Some(0), "{told}");
    let (_, told) = venue.laptop.asks(&["model_install", &format!("from={from}"), "--wait", "120"]);
    let reason = told["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("0.8.0"), "what is older than what is here is refused: {told:#}");
}

#[test]
fn a_box_without_keys_takes_no_model_and_says_so() {
    let dir = tempfile::tempdir().expect("directory");
    let mut venue = venue(dir.path(), "");
    let _daemon = Daemon::run(&venue.config);
    venue.born(1);
    let (exit, told) = venue.laptop.asks(&["model_install", "from=http://127.0.0.1:1/x.parcel"]);
    assert_eq!((exit, told["code"].as_str()), (Some(1), Some("no_keys")), "{told:#}");
    assert!(told["reason"].as_str().is_some_and(|why| why.contains("model_keys")), "{told}");
    drop(venue.broker);
}
