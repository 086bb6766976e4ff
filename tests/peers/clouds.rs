//! Clips in storages that are not ours: `rclone serve s3`, `s3s-fs` and moto.
//!
//! `scripts/clouds.sh` fetches them into `clouds` of the target folder. `COURTSIDE_CLOUDS` names those that are
//! asked for, with commas: rclone alone where it names none (`make test`), all three in `make clouds`, `none` where
//! nothing can be fetched. rclone and s3s-fs check signatures and their time; moto checks neither, and knows
//! conditional requests.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusty_s3::{Bucket, Credentials, S3Action as _, UrlStyle};
use serde_json::{Value, json};

use crate::afar::{Daemon, put};
use crate::broker::certificates;
use crate::mosquitto::until;
use crate::upload::{PART, Venue, sha256, venue_of};

const KEY: &str = "courtside-clouds-key";
const SECRET: &str = "courtside-clouds-secret";
const CLIPS: [&str; 3] = ["a-1", "a-2", "a-3"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rclone,
    S3s,
    Moto,
}

impl Kind {
    fn asked_for() -> Vec<Self> {
        let named = std::env::var("COURTSIDE_CLOUDS").unwrap_or_else(|_| "rclone".to_owned());
        let kind = |name: &str| match name {
            "rclone" => Some(Self::Rclone),
            "s3s" => Some(Self::S3s),
            "moto" => Some(Self::Moto),
            "none" => None,
            other => panic!("COURTSIDE_CLOUDS: `{other}` is none of rclone, s3s, moto, none"),
        };
        named.split(',').filter_map(kind).collect()
    }

    /// What all parts but the last must have at least: s3s-fs refuses smaller ones as S3 does, once it is to put
    /// them together, and has forgotten the upload by then.
    fn part(self) -> u64 {
        if self == Self::S3s { 5 << 20 } else { PART }
    }

    /// A box whose clips have some five parts; of the great ones three.
    fn venue(self, dir: &Path) -> Venue {
        venue_of(dir, if self == Self::S3s { 220_000 } else { 6_000 })
    }

    fn program(self) -> PathBuf {
        // clouds beside debug/deps/peers-….
        let test = std::env::current_exe().expect("this program");
        let folder = test.ancestors().nth(3).expect("the target folder").join("clouds");
        let program = folder.join(match self {
            Self::Rclone => "venv/bin/rclone",
            Self::S3s => "tools/bin/s3s-fs",
            Self::Moto => "venv/bin/moto_server",
        });
        assert!(
            program.exists(),
            "no {}: scripts/clouds.sh fetches it; COURTSIDE_CLOUDS=none leaves it out",
            program.display()
        );
        program
    }
}

/// A storage with a bucket `clips`, on loopback.
struct Cloud {
    kind: Kind,
    child: Child,
    at: SocketAddr,
    /// Where rclone and s3s-fs keep objects as files.
    objects: PathBuf,
    tls: bool,
}

impl Cloud {
    /// `certificates`: a folder with those of a private authority.
    fn start(kind: Kind, dir: &Path, certificates: Option<&Path>) -> Self {
        let objects = dir.join("objects");
        std::fs::create_dir_all(objects.join("clips")).expect("made");
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = free.local_addr().expect("bound");
        drop(free);
        let port = at.port().to_string();
        let mut command = Command::new(kind.program());
        match kind {
            Kind::Rclone => {
                let keys = format!("{KEY},{SECRET}");
                command.args(["serve", "s3", "--auth-key", &keys, "--addr", &at.to_string()]);
                if let Some(files) = certificates {
                    command.arg("--cert").arg(files.join("broker.pem"));
                    command.arg("--key").arg(files.join("broker.key"));
                }
                command.arg(&objects);
            }
            Kind::S3s => {
                command.args(["--host", "127.0.0.1", "--port", &port]);
                command.args(["--access-key", KEY, "--secret-key", SECRET]).arg(&objects);
            }
            Kind::Moto => {
                command.args(["-H", "127.0.0.1", "-p", &port]);
                command.env("S3_UPLOAD_PART_MIN_SIZE", PART.to_string());
            }
        }
        // No settings of this machine's user.
        command.env("HOME", dir).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("it starts");
        let tls = certificates.is_some();
        let cloud = Self { kind, child, at, objects, tls };
        until("the storage listens", || TcpStream::connect(at).ok());
        if kind == Kind::Moto {
            assert_eq!(cloud.asks("PUT", "/clips").0, 200);
        }
        cloud
    }

    fn endpoint(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.at)
    }

    /// As it stands, and without a signature where none is in it.
    fn asks(&self, method: &str, path: &str) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(self.at).expect("connected");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            self.at
        );
        stream.write_all(head.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("fields end");
        let status = std::str::from_utf8(&answer[9..12]).expect("text").parse().expect("a status");
        (status, answer.split_off(end + 4))
    }

    fn object(&self, key: &str) -> Option<Vec<u8>> {
        match self.kind {
            Kind::Moto => {
                let (bucket, keys) = self.bucket();
                let url = bucket.get_object(Some(&keys), key).sign(Duration::from_secs(60));
                let (status, body) =
                    self.asks("GET", &format!("{}?{}", url.path(), url.query().unwrap_or("")));
                (status == 200).then_some(body)
            }
            _ => std::fs::read(self.objects.join("clips").join(key)).ok(),
        }
    }

    /// An address to which a whole object is put.
    fn signs(&self, key: &str, lives: Duration) -> String {
        let (bucket, keys) = self.bucket();
        bucket.put_object(Some(&keys), key).sign(lives).to_string()
    }

    fn bucket(&self) -> (Bucket, Credentials) {
        let at = self.endpoint().parse().expect("an address");
        let bucket = Bucket::new(at, UrlStyle::Path, "clips", "us-east-1").expect("a bucket");
        (bucket, Credentials::new(KEY, SECRET))
    }

    fn pull(&self, venue: &Venue, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_courtside"));
        command.args(["pull", "--mqtt", &venue.laptop.broker, "--box", "rim-1", "--s3", "clips"]);
        command.args(["--s3-endpoint", &self.endpoint(), "--prefix", "venues/", "--all"]);
        command.args(["--part-bytes", &self.kind.part().to_string(), "--json"]).args(words);
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
        command.env_remove("AWS_SESSION_TOKEN");
        command
    }

    fn pulled(&self, venue: &Venue, words: &[&str]) -> (Option<i32>, Value) {
        let output = self.pull(venue, words).output().expect("it runs");
        let sheet: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        assert!(sheet.is_object(), "{}", String::from_utf8_lossy(&output.stderr));
        (output.status.code(), sheet)
    }

    /// Every clip is there as it is in the ring; their bytes.
    fn has_all(&self, venue: &Venue) -> u64 {
        let mut sum = 0;
        for clip in CLIPS {
            let bytes = venue.bytes(clip);
            let key = format!("venues/rim-1/{clip}.mp4");
            let object = self.object(&key).unwrap_or_else(|| panic!("{clip} is there"));
            assert_eq!(sha256(&object), sha256(&bytes), "{clip}");
            sum += bytes.len() as u64;
        }
        sum
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Adds to `[upload]` of the box's file.
fn also(venue: &Venue, lines: &str) {
    let text = std::fs::read_to_string(&venue.config).expect("its file");
    put(&venue.config, &text.replace("[upload]\n", &format!("[upload]\n{lines}\n")));
}

#[test]
fn clips_go_to_each_cloud_once_and_are_acknowledged() {
    for kind in Kind::asked_for() {
        let dir = tempfile::tempdir().expect("directory");
        let mut venue = kind.venue(dir.path());
        let cloud = Cloud::start(kind, dir.path(), None);
        let _daemon = Daemon::run(&venue.config);
        venue.born(1);
        let (code, sheet) = cloud.pulled(&venue, &[]);
        assert_eq!(code, Some(0), "{sheet:#}");
        let all = cloud.has_all(&venue);
        assert_eq!((code, &sheet["moved_bytes"]), (Some(0), &all.into()), "{sheet:#}");
        assert_eq!((&sheet["clips"], &sheet["acknowledged"]), (&3.into(), &3.into()), "{sheet:#}");
        assert!(!CLIPS.iter().any(|clip| venue.pinned(clip)));
        // Each object is read back.
        let (code, sheet) = cloud.pulled(&venue, &["--verify"]);
        assert_eq!((code, &sheet["moved_bytes"]), (Some(0), &0.into()), "{sheet:#}");
    }
}

#[test]
fn a_killed_pull_goes_on_with_the_parts_that_a_cloud_has() {
    for kind in Kind::asked_for() {
        let dir = tempfile::tempdir().expect("directory");
        let venue = kind.venue(dir.path());
        // Some seconds a clip.
        let most = if kind == Kind::S3s { 40_000_000 } else { 1_000_000 };
        also(&venue, &format!("max_bits_per_second = {most}"));
        let cloud = Cloud::start(kind, dir.path(), None);
        let _daemon = Daemon::run(&venue.config);
        venue.born(1);
        let mut pull = cloud.pull(&venue, &[]);
        let mut child = pull.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        until("some parts are there", || {
            let told = venue.subscriber.messages();
            let mut states = told.iter().filter(|message| message.topic.ends_with("/state"));
            states.any(|told| told.json["progress"].as_u64() >= Some(20)).then_some(())
        });
        child.kill().expect("killed");
        child.wait().expect("ended");
        let (code, sheet) = cloud.pulled(&venue, &[]);
        assert_eq!(code, Some(0), "{sheet:#}");
        let all = cloud.has_all(&venue);
        assert_eq!(sheet["acknowledged"], 3, "{sheet:#}");
        let of = |name: &str| sheet[name].as_u64().expect("a number");
        // s3s-fs cannot list what is open, nor tell the ETag of a part: all goes again.
        if kind != Kind::S3s {
            assert!(of("had_bytes") >= kind.part(), "{sheet:#}");
            assert_eq!(of("had_bytes") + of("moved_bytes"), all, "no byte twice: {sheet:#}");
        }
    }
}

#[test]
fn an_address_that_is_over_is_asked_for_anew_and_an_object_that_is_there_is_not_written_over() {
    for kind in Kind::asked_for() {
        let dir = tempfile::tempdir().expect("directory");
        let mut venue = kind.venue(dir.path());
        let cloud = Cloud::start(kind, dir.path(), None);
        let _daemon = Daemon::run(&venue.config);
        venue.born(1);
        let bytes = venue.bytes("a-1");
        let asks = |venue: &mut Venue, upload: &str, to: &Value| {
            let words = [
                "clip_upload".to_owned(),
                "clip=a-1".to_owned(),
                format!("upload={upload}"),
                format!("to={to}"),
            ];
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut command = venue.laptop.command(&words);
            command.args(["--id", upload, "--wait", "60", "--box", "rim-1", "--json"]);
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs")
        };
        let ends = |child: Child| -> Value {
            let output = child.wait_with_output().expect("it ends");
            serde_json::from_slice(&output.stdout).expect("JSON")
        };
        if kind == Kind::Moto {
            let to = json!({
                "url": cloud.signs("once.mp4", Duration::from_secs(60)),
                "headers": { "if-none-match": "*" },
            });
            let told = ends(asks(&mut venue, "first", &to));
            assert_eq!(told["state"], "done", "{told:#}");
            assert_eq!(cloud.object("once.mp4").as_ref(), Some(&bytes));
            let told = ends(asks(&mut venue, "second", &to));
            assert_eq!(told["state"], "failed", "{told:#}");
            assert!(told.to_string().contains("there is an object of this name"), "{told:#}");
            continue;
        }
        let (began, lives) = (Instant::now(), Duration::from_secs(1));
        let late = cloud.signs("late.mp4", lives);
        until("it is over", || (began.elapsed() > lives * 2).then_some(()));
        let asking = asks(&mut venue, "late", &json!({ "url": late }));
        until("it wants another address", || {
            let told = venue.subscriber.below("command/late/state");
            let needs = told.last()?.json["needs"].clone();
            (needs["parts"] == json!([1])).then_some(())
        });
        assert_eq!(cloud.object("late.mp4"), None);
        let fresh = cloud.signs("late.mp4", Duration::from_secs(60));
        let parts = json!([{ "number": 1, "url": fresh }]);
        let given = format!("parts={parts}");
        let (_, told) = venue.laptop.asks(&["clip_upload_urls", "upload=late", &given]);
        assert_eq!(told["state"], "done", "{told:#}");
        let told = ends(asking);
        assert_eq!(
            (&told["state"], &told["result"]["sha256"]),
            (&"done".into(), &sha256(&bytes).into())
        );
        assert_eq!(cloud.object("late.mp4"), Some(bytes));
    }
}

#[test]
fn a_storage_of_a_private_authority_is_believed_by_its_ca_file_alone() {
    for kind in Kind::asked_for().into_iter().filter(|kind| *kind == Kind::Rclone) {
        let dir = tempfile::tempdir().expect("directory");
        let venue = kind.venue(dir.path());
        certificates(dir.path());
        let cloud = Cloud::start(kind, dir.path(), Some(dir.path()));
        let ca = dir.path().join("ca.pem");
        let ca = ca.to_str().expect("text");
        let daemon = Daemon::run(&venue.config);
        venue.born(1);
        // The box does not believe it, and says so; nothing of the clip leaves it.
        let url = cloud.signs("a-1.mp4", Duration::from_secs(600));
        let to = format!("to={}", json!({ "url": url }));
        let words = vec!["clip_upload", "clip=a-1", "upload=plain", &to];
        let mut command = venue.laptop.command(&words);
        command.args(["--id", "unbelieved", "--wait", "60", "--box", "rim-1", "--json"]);
        let mut asking =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        let why = until("it says why", || {
            let told = venue.subscriber.below("command/unbelieved/state");
            let text = told.last()?.json.to_string();
            text.to_lowercase().contains("certificate").then_some(text)
        });
        println!("{why}");
        asking.kill().expect("killed");
        asking.wait().expect("ended");
        assert_eq!(cloud.object("a-1.mp4"), None);
        drop(daemon);

        // Of another authority it is not believed either; of this one it is, by box and by who signs.
        also(&venue, &format!("ca_file = \"{ca}\""));
        let _daemon = Daemon::run(&venue.config);
        venue.born(2);
        let other = dir.path().join("other-ca.pem");
        let (code, sheet) = cloud.pulled(&venue, &["--ca-file", other.to_str().expect("text")]);
        assert_eq!((code, &sheet["acknowledged"]), (Some(3), &0.into()), "{sheet:#}");
        let (code, sheet) = cloud.pulled(&venue, &["--ca-file", ca]);
        assert_eq!((code, &sheet["acknowledged"]), (Some(0), &3.into()), "{sheet:#}");
        cloud.has_all(&venue);
    }
}
