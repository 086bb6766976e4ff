//! What a claim knows and must not tell: the claim's credential, the box's keys before and after a rotation, the
//! password that it was given. The real program is made to talk from its carton on, and all that left is searched.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::afar::{Laptop, put};
use crate::claim::{PASSWORD, Technician, Venue};
use crate::mosquitto::until;
use crate::secrets::{Ends, Secrets, Texts, address, asked, base64, leaks};

/// The line of a PEM that no two of them share.
fn line_of(pem: &str) -> String {
    pem.lines().nth(2).or(pem.lines().nth(1)).expect("a line of it").to_owned()
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).expect("there")).into_owned()
}

/// Who the box is, once it is somebody.
fn identity(data: &Path) -> Option<Value> {
    let bytes = std::fs::read(data.join("identity/current.json")).ok()?;
    Some(serde_json::from_slice(&bytes).expect("whole"))
}

#[test]
fn no_secret_of_a_claim_leaves_a_box_whatever_is_asked_of_it() {
    let venue = Venue::new();
    let door = venue.address(venue.by_password);
    let technician = Technician::at(&venue, "rim-2", Some(door));
    let folder = tempfile::tempdir().expect("directory");
    let dir = folder.path();
    let file = |name: &str| dir.join(name);
    let data = file("data");
    let (certificate, key) = venue.papers_of("courtside-technician");
    put(&file("laptop.pem"), &certificate);
    put(&file("laptop.key"), &key);
    let ca = venue.papers.path().join("ca.pem");
    let heard = file("heard.txt");
    let listening = Command::new("mosquitto_sub")
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &venue.broker.port.to_string(),
            "-t",
            "#",
            "-F",
            "%r %t %p",
        ])
        .args(["-V", "mqttv5", "-q", "1", "-i", "everything"])
        .arg("--cafile")
        .arg(&ca)
        .arg("--cert")
        .arg(file("laptop.pem"))
        .arg("--key")
        .arg(file("laptop.key"))
        .stdout(File::create(&heard).expect("made"))
        .spawn()
        .expect("mosquitto_sub runs");
    let _listening = Ends(listening);

    // The stick: who has it is let in as whoever claims.
    let claim_file = venue.claim_file("keep");
    let claim_key = claim_file.split("BEGIN PRIVATE KEY").nth(1).expect("a key");
    let claim_key = line_of(&format!("-----BEGIN PRIVATE KEY{claim_key}"));
    put(&file("courtside-claim.toml"), &claim_file);
    put(&file("serial"), "CS-00002\n");
    let config = file("courtside.toml");
    let text = format!(
        "[box]\nname = \"rim-2\"\ndata_dir = \"{0}\"\n\
         [claim]\nfiles = [\"{1}/courtside-claim.toml\"]\nserial_file = \"{1}/serial\"\n\
         [ingest]\nrtmp = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [ring]\nquota_bytes = 67108864\n",
        data.display(),
        dir.display()
    );
    put(&config, &text);
    let log = file("log.txt");
    let running = Command::new(env!("CARGO_BIN_EXE_courtside"))
        .args(["run", "--config"])
        .arg(&config)
        .env("COURTSIDE_LOG", "trace")
        .stdout(Stdio::null())
        .stderr(File::create(&log).expect("made"))
        .spawn()
        .expect("it starts");
    let _running = Ends(running);
    technician.committed("CS-00002");
    let first = until("it is somebody", || identity(&data));
    until("it is born", || read(&heard).contains("rim-2/state/box").then_some(()));

    let mut laptop = Laptop {
        broker: format!("mqtts://127.0.0.1:{}", venue.broker.port),
        folder: dir.to_owned(),
        said: Vec::new(),
    };
    let path = |path: &Path| path.display().to_string();
    let own = [
        ("--ca-file", path(&ca)),
        ("--cert-file", path(&file("laptop.pem"))),
        ("--key-file", path(&file("laptop.key"))),
    ];
    for words in [
        &["doctor"][..],
        &["report"],
        &["log_tail", "lines=2000"],
        &["log_tail", &format!("contains={PASSWORD}")],
        &["key_rotate", "key=identity"],
        &["report"],
        &["config_check"],
    ] {
        let own = own.iter().flat_map(|(flag, value)| [*flag, value.as_str()]);
        let words: Vec<&str> = words.iter().copied().chain(own).collect();
        let output = laptop.command(&words).args(["--box", "rim-2", "--json"]).output();
        let output = output.expect("it runs");
        laptop.heard(&output);
        let state: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        assert_eq!(state["state"], "done", "{words:?}: {state} {}", laptop.said.join("\n"));
    }
    let second = identity(&data).expect("somebody");
    assert_ne!(first["key"], second["key"], "another key by now");

    let mut texts = Texts::new();
    texts.insert("courtside command --json".to_owned(), laptop.said.join("\n"));
    let http = until("it is ready", || address(&read(&log), "http="));
    let bearer = format!("Authorization: Bearer {}\r\n", read(&data.join("token")).trim());
    for place in ["/", "/v1/state", "/v1/config", "/v1/events?state=1&last=60", "/metrics"] {
        let said = asked(http, "GET", place, &bearer, "");
        assert!(said.starts_with("HTTP/1.1 200"), "{place}: {said}");
        texts.insert(format!("HTTP {place}"), said);
    }
    for words in [&["doctor", "--json"][..], &["check"], &["config", "show"], &["config", "check"]]
    {
        let done = Command::new(env!("CARGO_BIN_EXE_courtside"))
            .args(words)
            .arg("--config")
            .arg(&config)
            .env("COURTSIDE_LOG", "trace")
            .output()
            .expect("it runs");
        let said =
            [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        texts.insert(format!("courtside {}", words.join(" ")), said.concat());
    }
    texts.insert("log at trace".to_owned(), read(&log));
    texts.insert("MQTT".to_owned(), read(&heard));

    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut secrets = Secrets::from([
        ("key of the claim file", claim_key),
        ("key of the box, the first", line_of(&text(&first["key"]))),
        ("key of the box, the second", line_of(&text(&second["key"]))),
        ("password that it was given", text(&first["grant"]["password"])),
    ]);
    assert_eq!(secrets["password that it was given"], PASSWORD);
    // Made at the start, where a box opens sealed models.
    if let Ok(sealed) = std::fs::read_to_string(data.join("box.key")) {
        let line = sealed.lines().find(|line| line.starts_with("AGE-SECRET-KEY")).expect("it");
        secrets.insert("key of the box for models", line.to_owned());
    }
    for (place, of) in [
        ("MQTT", "/claim/CS-00002/req"),
        ("MQTT", "claim/committed"),
        ("log at trace", "DEBUG"),
        ("HTTP /v1/state", "CS-00002"),
    ] {
        assert!(texts[place].contains(of), "{place} says nothing of {of}: {}", texts[place]);
    }
    // What the technician's side sends is its own word: the grant, which this box alone may read.
    // Nor is what we ask for.
    let of_the_box = |line: &&str| {
        let topic = line.split(' ').nth(1).unwrap_or_default();
        let asked_by_us = topic.contains("/command/") && !topic.ends_with("/state");
        !topic.ends_with("/res") && !asked_by_us
    };
    let mqtt = texts.get_mut("MQTT").expect("there");
    assert!(mqtt.contains(PASSWORD), "the grant");
    *mqtt = mqtt.lines().filter(of_the_box).collect::<Vec<_>>().join("\n");
    let found = leaks(&texts, &secrets);
    assert!(found.is_empty(), "told: {found:?}");
    // And it would be found.
    for (place, said) in &texts {
        for (what, secret) in &secrets {
            for form in [secret.clone(), base64(format!("ab{secret}yz").as_bytes())] {
                let spoiled = Texts::from([(place.clone(), format!("{said}{form}"))]);
                assert!(leaks(&spoiled, &secrets).contains(&(place.clone(), *what)), "{what}");
            }
        }
    }
}
