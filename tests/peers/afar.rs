//! A technician far away: the real program as box and as laptop, a real mosquitto between them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::mosquitto::{Mosquitto, Subscriber, until};

const STREAM_KEY: &str = "planted-stream-key";
const PASSWORD: &str = "planted-password";

/// The program as a box.
pub(crate) struct Daemon {
    child: Child,
}

impl Daemon {
    pub(crate) fn run(config: &Path) -> Self {
        Self::telling(config, Stdio::null())
    }

    /// With its log somewhere.
    pub(crate) fn telling(config: &Path, log: Stdio) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_courtside"))
            .args(["run", "--config"])
            .arg(config)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("it starts");
        Self { child }
    }

    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().expect("known")?.code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The program as a laptop.
pub(crate) struct Laptop {
    pub(crate) broker: String,
    pub(crate) folder: PathBuf,
    pub(crate) said: Vec<String>,
}

impl Laptop {
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_courtside"));
        command.arg("command").args(words).args(["--broker", &self.broker]);
        // Not this machine's own box.
        command.arg("--config").arg(self.folder.join("none.toml"));
        command
    }

    /// Exit code and last state of a command.
    pub(crate) fn asks(&mut self, words: &[&str]) -> (Option<i32>, Value) {
        let output =
            self.command(words).args(["--box", "rim-1", "--json"]).output().expect("it runs");
        self.heard(&output);
        let state = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code(), state)
    }

    pub(crate) fn heard(&mut self, output: &Output) {
        for said in [&output.stdout, &output.stderr] {
            self.said.push(String::from_utf8_lossy(said).into_owned());
        }
    }
}

pub(crate) fn put(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
    let only_ours = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(path, only_ours).expect("set");
}

#[test]
fn a_technician_far_away_needs_no_shell_and_learns_no_secret() {
    let broker = Mosquitto::start(false, None);
    let subscriber = Subscriber::to(broker.port);
    let dir = tempfile::tempdir().expect("directory");
    let (config, data) = (dir.path().join("courtside.toml"), dir.path().join("data"));
    put(&dir.path().join("password"), PASSWORD);
    let text = format!(
        "[box]\nname = \"rim-1\"\ndata_dir = \"{}\"\n\
         [uplink]\nbroker = \"mqtt://127.0.0.1:{}\"\nusername = \"box\"\npassword_file = \"password\"\n\
         [ingest]\nrtmp = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [[court]]\nname = \"a\"\nstream_key = \"{STREAM_KEY}\"\nrims = [[612, 188, 44, 22]]\n",
        data.display(),
        broker.port
    );
    put(&config, &text);
    let mut daemon = Daemon::run(&config);
    let born = |times: usize| {
        let told = subscriber.below("state/box");
        told.iter().filter(|state| state.json["online"] == true).count() >= times
    };
    until("it is born", || born(1).then_some(()));
    let mut laptop = Laptop {
        broker: format!("mqtt://127.0.0.1:{}", broker.port),
        folder: dir.path().to_owned(),
        said: Vec::new(),
    };

    let found = until("it has looked at itself", || {
        let (code, told) = laptop.asks(&["doctor"]);
        (code == Some(0)).then_some(told)
    });
    assert_eq!(found["result"]["well"], false, "{found}");
    assert!(found.to_string().contains("no_publisher"), "{found}");
    let (code, told) = laptop.asks(&["report"]);
    assert_eq!(code, Some(0), "{told}");
    let report = &told["result"];
    assert!(report["config"].as_str().is_some_and(|text| text.contains("(hidden)")), "{report}");
    assert!(report["log"].as_array().is_some_and(|log| !log.is_empty()), "{report}");
    assert_eq!(report["state"]["box"], "rim-1");
    let (code, told) = laptop.asks(&["log_tail", "lines=3"]);
    assert_eq!((code, told["result"]["lines"].as_array().map(Vec::len)), (Some(0), Some(3)));
    let (_, told) = laptop.asks(&["config_check"]);
    assert_eq!(told["result"]["good"], true, "{told}");
    let (_, told) = laptop.asks(&["config_check", "toml=[box]\nnam = \"x\""]);
    assert_eq!(told["result"]["good"], false, "{told}");
    for (words, code) in [
        (&["snapshot"][..], "no_picture"),
        (&["aim", "court=a"], "no_picture"),
        (&["aim", "court=z"], "no_such_court"),
        (&["aim", "cuort=a"], "arguments"),
        (&["model_rollback"], "refused"),
        (&["model_swap", "bundle=No Such"], "refused"),
        (&["dance"], "unknown_operation"),
    ] {
        let (exit, told) = laptop.asks(words);
        assert_eq!((exit, told["code"].as_str()), (Some(1), Some(code)), "{words:?}: {told}");
    }
    let output =
        laptop.command(&["doctor", "--box", "rim-2", "--wait", "1"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    laptop.heard(&output);
    assert!(
        laptop.said.last().is_some_and(|said| said.contains("no answer from rim-2 within 1 s"))
    );
    assert_eq!(
        laptop.command(&["doctor", "--box", "R!"]).output().expect("runs").status.code(),
        Some(2)
    );

    // Asked once, answered by the start that comes of it.
    let asking = laptop.command(&["restart", "--id", "again", "--box", "rim-1", "--json"]);
    let asking = { asking }.stdout(Stdio::piped()).spawn().expect("it runs");
    let output = asking.wait_with_output().expect("it ends");
    laptop.heard(&output);
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((output.status.code(), &told["result"]["restarted"]), (Some(0), &Value::Bool(true)));
    assert_eq!(told["cuts"], 1);
    until("it is born again", || born(2).then_some(()));
    assert_eq!(daemon.ended(), None, "it is the same process");

    let token = std::fs::read_to_string(data.join("token")).expect("made at the first start");
    let token = token.trim();
    assert!(token.len() > 20);
    let sent = subscriber.messages().into_iter().map(|message| message.json.to_string());
    let texts: Vec<String> = sent.chain(laptop.said).collect();
    assert!(texts.len() > 30, "{}", texts.len());
    for (secret, what) in [(STREAM_KEY, "key"), (PASSWORD, "password"), (token, "token")] {
        let leak = texts.iter().find(|text| text.contains(secret));
        assert_eq!(leak, None, "the {what} left the box");
    }
}

/// What a picture or a game is needed for; the rest is in the test above and in `install`.
#[test]
fn each_operation_does_what_it_says_or_says_why_not() {
    let broker = Mosquitto::start(false, None);
    let subscriber = Subscriber::to(broker.port);
    let dir = tempfile::tempdir().expect("directory");
    let (config, log) = (dir.path().join("courtside.toml"), dir.path().join("log.txt"));
    let text = format!(
        "[box]\nname = \"rim-1\"\ndata_dir = \"{}\"\n\
         [uplink]\nbroker = \"mqtt://127.0.0.1:{}\"\n\
         [ingest]\nrtmp = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [[court]]\nname = \"a\"\nstream_key = \"{STREAM_KEY}\"\nrims = [[100, 100, 44, 22]]\n",
        dir.path().join("data").display(),
        broker.port
    );
    put(&config, &text);
    let _daemon = Daemon::telling(&config, std::fs::File::create(&log).expect("made").into());
    let born = || subscriber.below("state/box").iter().any(|state| state.json["online"] == true);
    until("it is born", || born().then_some(()));
    let mut laptop = Laptop {
        broker: format!("mqtt://127.0.0.1:{}", broker.port),
        folder: dir.path().to_owned(),
        said: Vec::new(),
    };
    // Another model decides and the one before does again, while nobody plays.
    let live = |told: &Value| {
        let all = told["result"]["models"]["bundles"].as_array().cloned().unwrap_or_default();
        let live = all.iter().find(|model| model["role"] == "live");
        live.and_then(|model| model["name"].as_str()).map(str::to_owned)
    };
    let (code, told) = laptop.asks(&["model_swap", "bundle=ballnet", "after=now", "--wait", "120"]);
    assert_eq!((code, live(&told).as_deref()), (Some(0), Some("ballnet")), "{told:#}");
    let (code, told) = laptop.asks(&["model_rollback"]);
    assert_eq!((code, live(&told).as_deref()), (Some(0), Some("rimnet")), "{told:#}");

    // What takes no such arguments, and what an operator may and may not.
    for (words, code) in [
        (&["doctor", "court=a"][..], "arguments"),
        (&["report", "all=true"], "arguments"),
        (&["restart", "now=true"], "arguments"),
        (&["log_tail", "lines=many"], "arguments"),
        (&["config_check", "toml=7"], "arguments"),
        (&["model_rollback", "to=rimnet"], "arguments"),
        (&["key_rotate", "key=house"], "arguments"),
        (&["restart", "--as", "operator"], "role"),
        (&["model_install", "from=/x.parcel", "--as", "operator"], "role"),
        (&["log_tail", "--as", "operator"], "role"),
    ] {
        let (exit, told) = laptop.asks(words);
        assert_eq!((exit, told["code"].as_str()), (Some(1), Some(code)), "{words:?}: {told}");
    }
    let (code, told) = laptop.asks(&["doctor", "--as", "operator"]);
    assert_eq!((code, &told["result"]["version"]), (Some(0), &env!("CARGO_PKG_VERSION").into()));

    let ready = || crate::secrets::address(&std::fs::read_to_string(&log).ok()?, "rtmp=");
    let url = format!("rtmp://{}/live/{STREAM_KEY}", until("it is ready", ready));
    let camera = Command::new("ffmpeg")
        .args(["-v", "quiet", "-re", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=25"])
        .args([
            "-pix_fmt",
            "yuv420p",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-bf",
            "0",
            "-g",
            "25",
            "-f",
            "flv",
            &url,
        ])
        .stdin(Stdio::null())
        .spawn()
        .expect("no ffmpeg here: `make test` installs it");
    let _camera = Daemon { child: camera };
    let (seen, words) = (dir.path().join("seen.jpg"), ["snapshot", "court=a", "--picture"]);
    let words: Vec<&str> = words.into_iter().chain([seen.to_str().expect("UTF-8")]).collect();
    // Each look is a program that asks over the broker.
    let told = (0..60).map(|_| laptop.asks(&words)).find(|(code, _)| *code == Some(0));
    let (_, told) = told.unwrap_or_else(|| panic!("no picture: {:?}", laptop.said.last()));
    assert_eq!(told["result"]["size"], serde_json::json!([640, 360]), "{told}");
    let jpeg = std::fs::read(&seen).expect("written");
    assert!(jpeg.starts_with(b"\xff\xd8") && jpeg.ends_with(b"\xff\xd9"), "{}", jpeg.len());
    let (code, told) = laptop.asks(&["aim", "court=a", "--wait", "120"]);
    assert_eq!(code, Some(0), "{told}");
    let aimed = &told["result"];
    assert_eq!(aimed["rims_of"], serde_json::json!([640, 360]), "{told}");
    assert!(aimed["pictures"].as_u64().is_some_and(|looked| looked >= 2), "{aimed}");
    // A test card has no ring.
    assert_eq!(aimed["rims"], serde_json::json!([]), "{aimed}");
    assert!(aimed["jpeg_base64"].as_str().is_some_and(|text| text.starts_with("/9j/")), "{told}");
}
