//! `key_rotate` of the box's own key from end to end: the real daemon, a real mosquitto on what `provision ca` wrote,
//! one laptop that asks and one that grants.

use std::fs::File;
use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use crate::afar::{Daemon, Laptop, put};
use crate::mosquitto::until;
use crate::provision::{self, Venue};

const NAME: &str = "rim-7";

/// A box that somebody claimed by certificate, and runs.
struct Claimed {
    venue: Venue,
    config: PathBuf,
    daemon: Option<Daemon>,
    laptop: Laptop,
}

impl Claimed {
    fn new() -> Self {
        let mut venue = Venue::new(&[]);
        venue.start();
        venue.stick(&[]);
        let home = venue.dir.path().join("box");
        std::fs::create_dir(&home).expect("made");
        put(&home.join("serial"), "CS-7\n");
        let config = home.join("courtside.toml");
        let text = format!(
            "[box]\ndata_dir = \"{0}/data\"\n\
             [claim]\nfiles = [\"{1}/stick/courtside-claim.toml\"]\nserial_file = \"{0}/serial\"\n\
             [ingest]\nrtmp = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [ring]\nquota_bytes = 67108864\n",
            home.display(),
            venue.dir.path().display()
        );
        put(&config, &text);
        let laptop = Laptop {
            broker: format!("mqtts://127.0.0.1:{}", venue.port("port")),
            folder: venue.folder(),
            said: Vec::new(),
        };
        let mut claimed = Self { venue, config, daemon: None, laptop };
        let grants = claimed.venue.grants(&["--serial", "CS-7", "--name", NAME]);
        claimed.starts();
        let (code, told) = grants.ends();
        assert_eq!(code, Some(0), "{told}");
        // It begins anew under its name.
        until("the box does what it is told", || claimed.answers().then_some(()));
        claimed
    }

    fn starts(&mut self) {
        let log = self.venue.dir.path().join("box.log");
        let log = File::options().append(true).create(true).open(log).expect("a log");
        self.daemon = Some(Daemon::telling(&self.config, log.into()));
    }

    /// The power goes: SIGKILL.
    fn killed(&mut self) {
        self.daemon = None;
    }

    fn words(&self, words: &[&str]) -> Vec<String> {
        let file = |name: &str| self.venue.folder().join(name).display().to_string();
        let mut all: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        for (flag, name) in [
            ("--ca-file", "ca.crt"),
            ("--cert-file", "technician.crt"),
            ("--key-file", "technician.key"),
        ] {
            all.extend([flag.to_owned(), file(name)]);
        }
        all.extend(["--box", NAME, "--json"].map(str::to_owned));
        all
    }

    fn asks(&self, words: &[&str]) -> Output {
        let words = self.words(words);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.laptop.command(&words).output().expect("it runs")
    }

    /// Whether a command comes to it and its answer back.
    fn answers(&self) -> bool {
        self.asks(&["config_check", "--wait", "5"]).status.success()
    }

    /// What `{data_dir}/identity/{name}.json` says, if it is there: whole, or this fails.
    fn paper(&self, name: &str) -> Option<Value> {
        let path = self.config.with_file_name("data/identity").join(format!("{name}.json"));
        let bytes = std::fs::read(path).ok()?;
        Some(serde_json::from_slice(&bytes).expect("a whole paper"))
    }

    fn is(&self) -> Value {
        self.paper("current").expect("it is somebody")
    }

    /// Whether the broker lets in who has the key and the certificate of this paper.
    fn is_let_in(&self, paper: &Value) -> bool {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let mut access = self.venue.access("technician.crt", "technician.key");
        access.client = Some((text(&paper["grant"]["chain"]), text(&paper["key"])));
        // Under an id of its own: the box is not to be put out by this.
        self.venue.connect(&access, "courtside-rim-7-tried").is_ok()
    }

    /// A laptop that is there to sign, whoever it waits for.
    fn signs(&self) -> provision::Laptop {
        self.venue.grants(&["--serial", "CS-9", "--name", "rim-9"])
    }
}

fn told(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{:?}: {said}", output.status))
}

#[test]
fn a_box_goes_by_another_key_and_the_old_one_opens_nothing_any_more() {
    let claimed = Claimed::new();
    let first = claimed.is();
    assert!(claimed.is_let_in(&first));
    let signs = claimed.signs();
    let output = claimed.asks(&["key_rotate", "key=identity"]);
    let state = told(&output);
    assert_eq!((output.status.code(), &state["state"]), (Some(0), &"done".into()), "{state}");
    let second = claimed.is();
    assert_eq!(state["result"]["request"], second["request"], "{state}");
    assert_eq!(state["result"]["name"], NAME, "{state}");
    for what in ["request", "nonce", "key", "csr"] {
        assert_ne!(first[what], second[what], "{what} is another");
    }
    assert_ne!(first["grant"]["chain"], second["grant"]["chain"]);
    // Nothing of a key is told.
    let key = second["key"].as_str().expect("a key").lines().nth(1).expect("a line").to_owned();
    assert!(!state.to_string().contains(&key));
    assert_eq!((claimed.paper("prev"), claimed.paper("next")), (Some(first.clone()), None));
    until("the old certificate is refused", || (!claimed.is_let_in(&first)).then_some(()));
    // So it can only be the new one by which it is reached.
    until("the box is reached", || claimed.answers().then_some(()));
    assert!(claimed.is_let_in(&second));
    signs.dies();
}

#[test]
fn a_rotation_that_is_cut_leaves_one_whole_identity_and_goes_on() {
    let mut claimed = Claimed::new();
    let first = claimed.is();
    // Nobody is there to sign.
    let rotate = ["key_rotate", "key=identity", "--id", "rotate-1", "--wait"];
    let asks = |claimed: &Claimed, wait| claimed.asks(&[&rotate[..], &[wait]].concat());
    assert_eq!(asks(&claimed, "1").status.code(), Some(1), "it is not over");
    let asked = || claimed.paper("next").filter(|next| next["asked"] == true);
    let next = until("it has asked", asked);
    claimed.killed();
    assert_eq!(claimed.is(), first, "who it was");
    claimed.starts();
    until("the box is reached as who it was", || claimed.answers().then_some(()));
    assert_eq!(claimed.is(), first);
    // And again: at each start it asks at once, so nobody waits here until it asks by itself.
    claimed.killed();
    assert_eq!(claimed.is(), first);
    let seen = || claimed.venue.log().matches("as courtside-technician").count();
    let before = seen();
    let signs = claimed.signs();
    until("the laptop is there", || (seen() > before).then_some(()));
    claimed.starts();
    let output = asks(&claimed, "60");
    let state = told(&output);
    assert_eq!((output.status.code(), &state["state"]), (Some(0), &"done".into()), "{state}");
    // The key that was made before the cut: nothing was signed twice.
    let second = claimed.is();
    assert_eq!(
        (&second["request"], &second["key"]),
        (&next["request"], &next["key"]),
        "the same attempt"
    );
    until("the old certificate is refused", || (!claimed.is_let_in(&first)).then_some(()));
    until("the box is reached", || claimed.answers().then_some(()));
    signs.dies();
    // Cut again, where all is done: it is who it is.
    claimed.killed();
    claimed.starts();
    until("the box is reached", || claimed.answers().then_some(()));
    assert_eq!((claimed.is(), claimed.paper("next")), (second, None));
}
