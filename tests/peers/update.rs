//! `system_update` from its order to its end: the real program as box, as root's part and as laptop, a real mosquitto, a
//! server that cuts; scripts stand for RAUC and systemctl.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread;

use courtside::minisign::SecretKey;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::afar::{Daemon, Laptop, put};
use crate::mosquitto::{Mosquitto, Subscriber, until};
use crate::upload::sha256;

/// Hands out one file; the first connection is cut in its middle. What each asked for.
fn served(bytes: Vec<u8>) -> (String, Arc<Mutex<Vec<Option<usize>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/box.raucb", listener.local_addr().expect("bound"));
    let asked = Arc::<Mutex<Vec<Option<usize>>>>::default();
    let tells = Arc::clone(&asked);
    // Ends with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let from = range(&stream);
            tells.lock().push(from);
            let is_first = tells.lock().len() == 1;
            let (at, all) = (from.unwrap_or(0), bytes.len());
            let head = match from {
                None => "HTTP/1.1 200 OK\r\n".to_owned(),
                Some(at) => format!(
                    "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {at}-{}/{all}\r\n",
                    all - 1
                ),
            };
            let head = format!(
                "{head}ETag: \"one\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                all - at
            );
            let until = if is_first { all / 2 } else { all };
            // Who hangs up has its reason.
            let mut stream = stream;
            drop(
                stream
                    .write_all(head.as_bytes())
                    .and_then(|()| stream.write_all(&bytes[at..until])),
            );
        }
    });
    (url, asked)
}

fn range(stream: &TcpStream) -> Option<usize> {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let range = lines.iter().find_map(|line| {
        line.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned)
    })?;
    range.strip_suffix('-')?.parse().ok()
}

struct Boxed {
    dir: PathBuf,
    laptop: Laptop,
}

impl Boxed {
    fn new(dir: &Path, broker: u16) -> Self {
        let (dir, here) = (dir.to_owned(), dir.display().to_string());
        for folder in ["data", "root"] {
            std::fs::create_dir(dir.join(folder)).expect("made");
        }
        let script = |name: &str, text: &str| {
            put(&dir.join(name), text);
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(dir.join(name), mode).expect("a script");
        };
        script(
            "rauc",
            &format!(
                "#!/bin/sh\ncase \"$1 $2\" in\n'status --detailed') cat {here}/slots; exit ;;\n\
                 'install '*) cp \"$2\" {here}/slot ;;\nesac\necho \"$1 $2 $3\" >> {here}/log\n"
            ),
        );
        script(
            "systemctl",
            &format!("#!/bin/sh\necho \"$1\" >> {here}/log\n: > {here}/rebooted\n"),
        );
        put(&dir.join("log"), "");
        put(&dir.join("keys"), &key().public().to_file());
        let text = format!(
            "[box]\nname = \"rim-1\"\ndata_dir = \"{here}/data\"\n\
             [uplink]\nbroker = \"mqtt://127.0.0.1:{broker}\"\n\
             [ingest]\nrtmp = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [ring]\nquota_bytes = 200000000\nkeep_free_bytes = 0\n[detect]\nfinder = false\n\
             [update]\nkeys_file = \"{here}/keys\"\nfolder = \"{here}/root\"\n\
             [[court]]\nname = \"a\"\nstream_key = \"north-hoop-1\"\nrims = [[612, 188, 44, 22]]\n"
        );
        put(&dir.join("box.toml"), &text);
        let laptop = Laptop {
            broker: format!("mqtt://127.0.0.1:{broker}"),
            folder: dir.clone(),
            said: Vec::new(),
        };
        let boxed = Self { dir, laptop };
        boxed.starts_from("A", "0.1.0");
        boxed
    }

    fn starts_from(&self, slot: &str, version: &str) {
        let slots = json!({ "compatible": "box", "booted": slot, "slots": [
            { "rootfs.0": { "bootname": "A", "boot_status": "good" } },
            { "rootfs.1": { "bootname": "B", "boot_status": "good" } },
        ]});
        put(&self.dir.join("slots"), &slots.to_string());
        put(&self.dir.join("os-release"), &format!("ID=x\nVERSION_ID=\"{version}\"\n"));
    }

    /// Root's part, as its unit runs it.
    fn root(&self, what: &str) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_courtside"));
        command.args(["update", what]).stdout(Stdio::null());
        for (option, file) in [
            ("--config", "box.toml"),
            ("--rauc", "rauc"),
            ("--systemctl", "systemctl"),
            ("--os-release", "os-release"),
        ] {
            command.arg(option).arg(self.dir.join(file));
        }
        command.spawn().expect("it runs")
    }

    fn log(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.dir.join("log")).expect("a log");
        log.lines().map(str::to_owned).collect()
    }

    fn orders(&self, url: &str, bundle: &[u8], comment: &str) -> Child {
        let words = [
            "system_update".to_owned(),
            format!("url={url}"),
            format!("sha256={}", sha256(bundle)),
            format!("size={}", bundle.len()),
            format!("signature={}", key().sign(bundle, comment)),
        ];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = self.laptop.command(&words);
        command.args(["--wait", "300", "--box", "rim-1", "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs")
    }
}

fn key() -> SecretKey {
    SecretKey::from_random([1; 8], [1; 32]).expect("a key")
}

fn last_state(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn born(subscriber: &Subscriber, times: usize) {
    until("it is born", || {
        let told = subscriber.below("state/box");
        (told.iter().filter(|state| state.json["online"] == true).count() >= times).then_some(())
    });
}

#[test]
fn an_image_comes_over_a_cut_is_installed_and_is_done_from_the_other_slot() {
    let broker = Mosquitto::start(false, None);
    let subscriber = Subscriber::to(broker.port);
    let dir = tempfile::tempdir().expect("directory");
    let boxed = Boxed::new(dir.path(), broker.port);
    assert!(boxed.root("good").wait().expect("it ends").success());
    assert_eq!(boxed.log(), ["status mark-good booted"]);
    let daemon = Daemon::run(&boxed.dir.join("box.toml"));
    born(&subscriber, 1);

    // Some MiB, since that is what is durable at a time.
    let bundle: Vec<u8> =
        (0..6_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (url, asked) = served(bundle.clone());
    let ordered = boxed.orders(&url, &bundle, "courtside update 0.2.0 for box");
    until("it restarts", || {
        // As the path unit does once `ask.json` is written; without a new ask it does nothing.
        if boxed.dir.join("data/update/ask.json").exists() {
            assert!(boxed.root("serve").wait().expect("it ends").success());
        }
        boxed.dir.join("rebooted").exists().then_some(())
    });
    let asked = asked.lock().clone();
    assert!(matches!(asked[..], [None, Some(at)] if at > 0), "cut, and gone on with: {asked:?}");
    assert!(std::fs::read(boxed.dir.join("slot")).expect("installed") == bundle);
    let copy = boxed.dir.join("root/bundle.raucb");
    let did = [
        "status mark-good booted",
        "status mark-good booted",
        &format!("install {} ", copy.display()),
        "status mark-active other",
        "reboot",
    ];
    assert_eq!(boxed.log(), did);

    drop(daemon);
    boxed.starts_from("B", "0.2.0");
    let mut trial = boxed.root("good");
    let _daemon = Daemon::run(&boxed.dir.join("box.toml"));
    let output = ordered.wait_with_output().expect("it ends");
    let told = last_state(&output);
    assert_eq!((output.status.code(), &told["state"]), (Some(0), &"done".into()), "{told:#}");
    let done = &told["result"];
    assert_eq!(
        (&done["step"], &done["version"], &done["slot"], &done["good"]),
        (&"good".into(), &"0.2.0".into(), &"B".into(), &1.into()),
        "{told:#}"
    );
    assert!(trial.wait().expect("it ends").success());
    assert_eq!(boxed.log()[did.len()..], ["status mark-good booted"]);

    // What is refused, is refused before a byte of it is here, and RAUC hears nothing.
    for (comment, why) in [
        ("courtside update 0.3.0 for other", "this machine is box"),
        ("courtside update 0.1.9 for box", "0.2.0 runs"),
        ("courtside update 0.1.9 for box downgrade from 0.3.0", "0.2.0 runs"),
    ] {
        let output = boxed.orders(&url, b"another", comment).wait_with_output().expect("it ends");
        let told = last_state(&output);
        assert_eq!((output.status.code(), &told["code"]), (Some(1), &"bundle".into()), "{told:#}");
        assert!(told.to_string().contains(why), "{told:#}");
    }
    assert_eq!(boxed.log().len(), did.len() + 1);
}
