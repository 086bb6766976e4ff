//! Peers that write more than text: a broker, a camera and a box whose words carry escape sequences, line
//! ends and marks that turn the order of reading. What the daemon logs, what it says of itself, and what
//! `doctor` prints, by the real program.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread;

use courtside::media::Foreign;
use courtside::rtmp::amf0::{self, Value as Amf};
use courtside::rtmp::chunk::write_message;
use courtside::rtmp::message;
use parking_lot::Mutex;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::fake_broker::TestBroker;
use crate::mosquitto::until;

/// Clears a screen, begins a line of the log, turns what follows round, colors it red in eight bits.
const HOSTILE: &str = "no\n2026-11-28T10:00:00Z  INFO forged\u{1b}[2J\u{202e}\u{9b}31m";
/// The same, made harmless.
const SHOWN: &str = r"no\n2026-11-28T10:00:00Z  INFO forged\u{1b}[2J\u{202e}\u{9b}31m";
const KEY: &str = "a-key-that-only-this-test-knows";

/// `courtside run`, and its log.
struct Daemon {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    dir: TempDir,
}

impl Daemon {
    fn start(broker: u16) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let config = dir.path().join("courtside.toml");
        let text = format!(
            "[box]\nname = \"foreign\"\ndata_dir = \"data\"\n\
             [uplink]\nbroker = \"mqtt://127.0.0.1:{broker}\"\n\
             [ingest]\nrtmp = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [[court]]\nname = \"a\"\nstream_key = \"{KEY}\"\nrims = [[562, 167, 44, 10]]\n"
        );
        std::fs::write(&config, text).expect("written");
        let mut child = Command::new(env!("CARGO_BIN_EXE_courtside"))
            .args(["run", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let log = Arc::<Mutex<Vec<String>>>::default();
        let (kept, stderr) = (Arc::clone(&log), child.stderr.take().expect("piped"));
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                kept.lock().push(line);
            }
        });
        Self { child, log, dir }
    }

    fn logged(&self, what: &str) -> String {
        until(what, || self.log.lock().iter().find(|line| line.contains(what)).cloned())
    }

    fn address(&self, key: &str) -> SocketAddr {
        let ready = self.logged("ready rtmp=");
        let (_, rest) = ready.split_once(key).expect("names its addresses");
        let end = rest.find([')', ' ']).unwrap_or(rest.len());
        rest[..end].parse().expect("an address")
    }

    fn token(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("data/token")).expect("a token")
    }

    /// What `/v1/state` answers, as it comes.
    fn state(&self) -> String {
        let mut stream = TcpStream::connect(self.address("http=")).expect("it listens");
        let request = format!(
            "GET /v1/state HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
             connection: close\r\n\r\n",
            self.address("http="),
            self.token().trim()
        );
        stream.write_all(request.as_bytes()).expect("asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        answer.split_once("\r\n\r\n").expect("a head").1.to_owned()
    }

    /// What `doctor` says, once the words of the broker are in it.
    fn doctor_says_forged(&self, more: &[&str]) -> String {
        let token = self.dir.path().join("data/token");
        let mut said = String::new();
        // Each try is a process.
        for _ in 0..200 {
            let done = doctor(self.address("http="), Some(&token), more);
            said = String::from_utf8(done.stdout).expect("UTF-8");
            if said.contains("INFO forged") {
                return said;
            }
        }
        panic!("the broker's words are not told: {said}\n{:#?}", self.log.lock());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn doctor(at: SocketAddr, token: Option<&Path>, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_courtside"));
    command.args(["doctor", "--url", &format!("http://{at}")]).args(more).stdin(Stdio::null());
    if let Some(token) = token {
        command.arg("--token-file").arg(token);
    }
    command.output().expect("runs")
}

/// Nothing in it moves a cursor, hides, or begins a line that somebody else wrote.
fn is_harmless(text: &str) {
    for line in text.lines() {
        assert!(Foreign::is_plain(line), "{line:?}");
        assert!(!line.starts_with("2026-11-28T10:00:00Z"), "a forged line: {line}");
    }
}

/// A camera that publishes under this name, for as long as the connection is kept.
fn camera(rtmp: SocketAddr, encoder: &str) -> TcpStream {
    let mut stream = TcpStream::connect(rtmp).expect("it listens");
    stream.write_all(&[[3].as_slice(), &[0; 1536]].concat()).expect("C0 and C1");
    let mut answer = [0; 1 + 2 * 1536];
    stream.read_exact(&mut answer).expect("S0, S1 and S2");
    stream.write_all(&answer[1..=1536]).expect("C2");
    let named = amf0::object([("app", amf0::string("live")), ("flashVer", amf0::string(encoder))]);
    let publish = [Amf::Null, amf0::string(KEY), amf0::string("live")];
    let mut bytes = Vec::new();
    write_message(&mut bytes, 3, &message::command(0, "connect", 1.0, &[named]), 128);
    write_message(&mut bytes, 4, &message::command(1, "publish", 2.0, &publish), 128);
    stream.write_all(&bytes).expect("connect and publish");
    stream
}

/// Every text with [`HOSTILE`] behind it, keys of maps with names of courts too.
fn poisoned(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text + HOSTILE),
        Value::Array(items) => items.into_iter().map(poisoned).collect(),
        Value::Object(members) => {
            let members = members.into_iter().map(|(key, value)| match key.as_str() {
                "streams" => {
                    let Value::Object(courts) = value else { panic!("courts by name") };
                    let named =
                        courts.into_iter().map(|(court, told)| (court + HOSTILE, poisoned(told)));
                    (key, Value::Object(named.collect()))
                }
                _ => (key, poisoned(value)),
            });
            Value::Object(members.collect())
        }
        plain => plain,
    }
}

/// What is no box and answers every request with `body`.
fn pretended(body: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                request.extend(byte);
            }
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            // Who has gone does not want it.
            let _gone = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
        }
    });
    at
}

#[test]
fn peers_that_write_escape_sequences_and_lines_are_quoted_and_nothing_more() {
    let runtime = Runtime::new().expect("runtime");
    let broker = runtime.block_on(TestBroker::start());
    broker.refuse_states_saying(HOSTILE);
    let daemon = Daemon::start(broker.port());
    let refused = daemon.logged("the broker refused a state");
    assert!(refused.contains(SHOWN), "{refused}");

    let held = camera(daemon.address("rtmp=Some("), HOSTILE);
    let publishing = daemon.logged("publishing peer=");
    assert!(publishing.contains(r"no\\n2026-11-28T10:00:00Z  INFO forged"), "{publishing}");
    let told = until("the state names the encoder", || {
        let state = daemon.state();
        state.contains("forged").then_some(state)
    });
    is_harmless(&told);
    let state: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(state["streams"]["a"]["encoder"], SHOWN);
    drop(held);

    broker.send_away_saying(HOSTILE);
    broker.away();
    daemon.logged("link to the broker lost");
    broker.open();
    let said = daemon.doctor_says_forged(&[]);
    is_harmless(&said);
    let broker_line = |line: &&str| line.starts_with("✗ broker: ") && line.contains("INFO forged");
    assert!(said.lines().any(|line| broker_line(&line)), "{said}");
    let told = daemon.doctor_says_forged(&["--json"]);
    is_harmless(&told);
    let log = daemon.log.lock().join("\n");
    is_harmless(&log);
    // Each line is one of the daemon's own: it begins with the time at which it was written.
    let year = log.get(..5).expect("a line").to_owned();
    assert!(log.lines().all(|line| line.starts_with(&year)), "{log}");

    let hostile = poisoned(state).to_string();
    assert!(hostile.contains('\u{202e}') && hostile.contains('\u{9b}'), "the control: it is raw");
    let pretended = pretended(hostile);
    for more in [&[][..], &["--json"]] {
        let done = doctor(pretended, None, more);
        let said = String::from_utf8(done.stdout).expect("UTF-8");
        is_harmless(&said);
        is_harmless(&String::from_utf8(done.stderr).expect("UTF-8"));
        assert!(said.contains("INFO forged"), "{said}");
        assert_eq!(done.status.code(), Some(3), "{said}");
    }
}
