//! What a box knows and must not tell: secrets are planted wherever it has some, it is made to talk, and all
//! that left is searched for them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use courtside::config;
use courtside::detect::parcel::BoxKey;
use courtside::event::command::Role;
use courtside::http::Tokens;
use serde_json::Value;

use crate::afar::{Laptop, put};
use crate::broker::certificates;
use crate::mosquitto::{Mosquitto, until};

const STREAM_KEY: &str = "planted-stream-key-0a";
const KEY_IN_A_FILE: &str = "planted-stream-key-in-a-file-0b";
const RELAY_KEY: &str = "planted-relay-key-0c";
const RELAY_TOKEN: &str = "planted-relay-token-0d";
const RELAY_IN_A_FILE: &str = "planted-relay-in-a-file-0e";
const PASSWORD: &str = "net-and-hoop";
const WRONG_TOKEN: &str = "planted-wrong-token-somebodys";
const WRONG_KEY: &str = "planted-wrong-key-of-a-camera";

/// What is to stay, by what it is.
pub(crate) type Secrets = BTreeMap<&'static str, String>;
/// What has left, by where.
pub(crate) type Texts = BTreeMap<String, String>;

/// Each secret that stands in a text: plain, in hexadecimal digits, or in base 64 whatever stands before it.
pub(crate) fn leaks(texts: &Texts, secrets: &Secrets) -> BTreeSet<(String, &'static str)> {
    let mut found = BTreeSet::new();
    for (what, secret) in secrets {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        // Of the three ways to begin, the letters that depend on the secret alone.
        let inner = (0..3).map(|before| {
            let padded = [&vec![0; before][..], secret.as_bytes()].concat();
            let text = base64(&padded);
            let from = [0, 2, 3][before];
            text[from..text.len() - 4].to_owned()
        });
        let forms: Vec<String> = [secret.clone(), hex].into_iter().chain(inner).collect();
        for (place, text) in texts {
            if forms.iter().any(|form| text.contains(form.as_str())) {
                found.insert((place.clone(), *what));
            }
        }
    }
    found
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        (0..4).for_each(|at| text.push(char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize])));
    }
    text
}

/// The line of a PEM file that no two of them share.
fn line_of(pem: &Path) -> String {
    let text = std::fs::read_to_string(pem).expect("made");
    text.lines().nth(2).expect("a third line").to_owned()
}

/// A program that ends with the test.
pub(crate) struct Ends(pub(crate) Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The whole answer, head and body, or its first part where it does not end.
pub(crate) fn asked(at: SocketAddr, method: &str, path: &str, more: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(at).expect("connected");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("asked");
    let mut answer = Vec::new();
    if path.starts_with("/v1/events?") {
        let mut piece = vec![0; 1 << 16];
        while !String::from_utf8_lossy(&answer).contains("event: state") {
            let read = stream.read(&mut piece).expect("answered");
            assert!(read > 0, "a stream that ends");
            answer.extend(&piece[..read]);
        }
    } else {
        drop(stream.read_to_end(&mut answer));
    }
    String::from_utf8_lossy(&answer).into_owned()
}

struct Planted {
    config: PathBuf,
    data: PathBuf,
    broker: Mosquitto,
    secrets: Secrets,
}

fn planted(dir: &Path) -> Planted {
    certificates(dir);
    let file = |name: &str| dir.join(name);
    let made = Command::new("mosquitto_passwd")
        .args(["-b", "-c"])
        .arg(file("passwords"))
        .args(["rim-1", PASSWORD])
        .status();
    assert!(made.is_ok_and(|made| made.success()), "mosquitto_passwd runs");
    let broker = Mosquitto::secured(&format!(
        "cafile {0}/ca.pem\ncertfile {0}/broker.pem\nkeyfile {0}/broker.key\n\
         require_certificate true\nallow_anonymous false\npassword_file {0}/passwords\n",
        dir.display()
    ));
    let data = dir.join("data");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::create_dir(&data).expect("made");
    std::fs::set_permissions(&data, mode).expect("set");
    let mut secrets = Secrets::new();
    for (role, what) in Role::ALL.into_iter().zip(["viewer's", "operator's", "technician's"]) {
        let name = match role {
            Role::Technician => "token".to_owned(),
            other => format!("token-{other}"),
        };
        let token = format!("planted-token-of-the-{role}-1c2d");
        put(&data.join(name), &token);
        secrets.insert(what, token);
    }
    let box_key = BoxKey::from_random([7; 32]);
    put(&data.join("box.key"), &box_key.to_secret_file());
    let secret_line = box_key.to_secret_file();
    let secret_line =
        secret_line.lines().find(|line| line.starts_with("AGE-SECRET-KEY")).expect("it");
    put(&dir.join("b.key.txt"), KEY_IN_A_FILE);
    put(&dir.join("relay.txt"), &format!("rtmp://127.0.0.1:9/live/{RELAY_IN_A_FILE}"));
    for (what, secret) in [
        ("stream key", STREAM_KEY.to_owned()),
        ("stream key in a file", KEY_IN_A_FILE.to_owned()),
        ("key of a relay", RELAY_KEY.to_owned()),
        ("token of a relay", RELAY_TOKEN.to_owned()),
        ("key of a relay in a file", RELAY_IN_A_FILE.to_owned()),
        ("password of the broker", PASSWORD.to_owned()),
        ("key of the client certificate", line_of(&file("box.key"))),
        ("key of the listener's certificate", line_of(&file("broker.key"))),
        ("key of the box for models", secret_line.to_owned()),
        // Typed at the wrong box, or with a letter too many: as good as the right one elsewhere.
        ("wrong token", WRONG_TOKEN.to_owned()),
        ("wrong stream key", WRONG_KEY.to_owned()),
    ] {
        secrets.insert(what, secret);
    }
    let models = Command::new(env!("CARGO_BIN_EXE_courtside"))
        .args(["models", "keygen"])
        .arg(file("signer"))
        .output()
        .expect("it runs");
    assert!(models.status.success());
    let public = std::fs::read_to_string(file("signer.pub")).expect("made");
    let public = public.lines().find(|line| line.starts_with("RW")).expect("a key").to_owned();
    let config = file("courtside.toml");
    let text = format!(
        "[box]\nname = \"rim-1\"\ndata_dir = \"{}\"\n\
         [uplink]\nbroker = \"mqtts://127.0.0.1:{}\"\nusername = \"rim-1\"\npassword_file = \"password\"\n\
         ca_file = \"ca.pem\"\ncert_file = \"box.pem\"\nkey_file = \"box.key\"\n\
         [ingest]\nrtmp = \"127.0.0.1:0\"\nrtmps = \"127.0.0.1:0\"\n\
         cert_file = \"broker.pem\"\nkey_file = \"broker.key\"\n\
         [http]\nlisten = \"127.0.0.1:0\"\n[detect]\nfinder = false\nmodel_keys = [\"{public}\"]\n\
         [[court]]\nname = \"a\"\nstream_key = \"{STREAM_KEY}\"\nrims = [[100, 100, 44, 22]]\n\
         relay = [{{ name = \"tv\", url = \"rtmp://127.0.0.1:9/live/{RELAY_KEY}?t={RELAY_TOKEN}\" }},\
         {{ name = \"file\", url_file = \"relay.txt\" }}]\n\
         [[court]]\nname = \"b\"\nstream_key_file = \"b.key.txt\"\nrims = [[100, 100, 44, 22]]\n",
        data.display(),
        broker.port,
    );
    put(&config, &text);
    for name in ["password", "box.key", "broker.key", "b.key.txt", "relay.txt"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(file(name), mode).expect("set");
    }
    Planted { config, data, broker, secrets }
}

/// Address out of the log's line of the start.
pub(crate) fn address(log: &str, name: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains("ready") && line.contains("http="))?;
    let rest = line.split(name).nth(1)?.trim_start_matches("Some(");
    rest.split([')', ' ']).next()?.parse().ok()
}

const DUMPED: &str = "COURTSIDE_TEST_DUMPED";

/// The child of the test below: dies with all that it knows in its words. Does nothing when it runs by itself.
#[test]
fn child_that_panics() {
    let Some(config) = std::env::var_os(DUMPED).map(PathBuf::from) else { return };
    let loaded = config::load(&config).expect("it loads");
    let tokens = Tokens::open(loaded.http.token_files()).expect("read");
    // The whole of it has no `Debug`: a court's key would be in it.
    let (http, uplink, ingest) = (&loaded.http, &loaded.uplink, &loaded.ingest);
    panic!("{http:#?}\n{uplink:#?}\n{ingest:#?}\n{tokens:?}\n{}", loaded.to_toml());
}

#[test]
fn no_secret_leaves_a_box_whatever_is_asked_of_it() {
    let folder = tempfile::tempdir().expect("directory");
    let dir = folder.path();
    let Planted { config, data, broker, secrets } = planted(dir);
    let file = |name: &str| dir.join(name);
    let heard = file("heard.txt");
    // All that goes over the broker, in its own words.
    let listening = Command::new("mosquitto_sub")
        .args(["-h", "127.0.0.1", "-p", &broker.port.to_string(), "-t", "#", "-F", "%r %t %p"])
        .args(["-V", "mqttv5", "-u", "rim-1", "-P", PASSWORD, "-q", "1", "-i", "everything"])
        .arg("--cafile")
        .arg(file("ca.pem"))
        .arg("--cert")
        .arg(file("box.pem"))
        .arg("--key")
        .arg(file("box.key"))
        .stdout(File::create(&heard).expect("made"))
        .spawn()
        .expect("mosquitto_sub runs");
    let _listening = Ends(listening);
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
    let read =
        |path: &Path| String::from_utf8_lossy(&std::fs::read(path).expect("there")).into_owned();
    let (http, rtmp) = until("it is ready", || {
        let log = read(&log);
        Some((address(&log, "http=")?, address(&log, "rtmp=")?))
    });
    until("it is born", || read(&heard).contains("state/box").then_some(()));

    // It is made to talk: cameras with right and wrong keys, tokens, commands.
    for key in [STREAM_KEY, WRONG_KEY, KEY_IN_A_FILE] {
        let url = format!("rtmp://{rtmp}/live/{key}");
        let sent = Command::new("ffmpeg")
            .args(["-v", "quiet", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=2"])
            .args([
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
            .status();
        assert!(sent.is_ok(), "no ffmpeg here: `make test` installs it");
    }
    let mut texts = Texts::new();
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let form = |token: &str| format!("token={token}");
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    let said = asked(http, "GET", "/v1/state", &bearer(WRONG_TOKEN), "");
    texts.insert("HTTP, wrong token".to_owned(), said);
    let said = asked(http, "POST", "/login", kind, &form(WRONG_TOKEN));
    texts.insert("HTTP, wrong sign-in".to_owned(), said);
    for (role, what) in [("viewer", "viewer's"), ("technician", "technician's")] {
        let said = asked(http, "POST", "/login", kind, &form(&secrets[what]));
        assert!(said.contains("set-cookie"), "{said}");
        texts.insert(format!("HTTP, sign-in of the {role}"), said);
    }
    let technician = bearer(&secrets["technician's"]);
    for path in [
        "/",
        "/script/page.js",
        "/login",
        "/v1/session",
        "/v1/state",
        "/v1/config",
        "/v1/config/schema",
        "/v1/models",
        "/v1/clips",
        "/v1/events?state=1&last=60",
        "/metrics",
    ] {
        let said = asked(http, "GET", path, &technician, "");
        assert!(said.starts_with("HTTP/1.1 200"), "{path}: {said}");
        texts.insert(format!("HTTP {path}"), said);
    }
    let pushed = format!(
        "{{\"revision\": 1, \"config\": {{\"court\": {{\"a\": {{\"stream_key\": \"{STREAM_KEY}x\"}}}}}}}}"
    );
    let said = asked(http, "PUT", "/v1/config/desired", &technician, &pushed);
    texts.insert("HTTP PUT /v1/config/desired".to_owned(), said);
    let mut laptop = Laptop {
        broker: format!("mqtts://127.0.0.1:{}", broker.port),
        folder: dir.to_owned(),
        said: Vec::new(),
    };
    let path = |name: &str| file(name).display().to_string();
    let (password, ca) = (path("password"), path("ca.pem"));
    let (cert, key) = (path("box.pem"), path("box.key"));
    let with = |words: &[&str]| {
        let access = ["--username", "rim-1", "--password-file", &password, "--ca-file", &ca];
        let own = ["--cert-file", &cert, "--key-file", &key];
        words.iter().chain(&access).chain(&own).map(|word| (*word).to_owned()).collect::<Vec<_>>()
    };
    let relay = format!("toml=[[court]]\nname = \"a\"\nrelay = [{{ url = \"{RELAY_KEY}\" }}]\n");
    let typed = format!("toml=[[court]]\nname = \"a\"\nstream_key = \"{STREAM_KEY}\"\nrims = 7\n");
    for words in [
        &["doctor"][..],
        &["report"],
        &["log_tail", "lines=2000"],
        &["log_tail", &format!("contains={STREAM_KEY}")],
        &["config_check"],
        &["config_check", &typed],
        &["config_check", &relay],
        &["snapshot", "court=a"],
        &["key_rotate", "key=token", "role=operator"],
        &["key_rotate", "key=token"],
    ] {
        let words = with(words);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (code, told) = laptop.asks(&words);
        assert!(code.is_some() && told["state"].is_string(), "{words:?}: {told}");
    }
    texts.insert("courtside command --json".to_owned(), laptop.said.join("\n"));
    for words in [
        &["doctor", "--json"][..],
        &["check", "--json"],
        &["check"],
        &["config", "show"],
        &["config", "check"],
        &["clips", "list", "--json"],
        &["models", "--json"],
    ] {
        let done = Command::new(env!("CARGO_BIN_EXE_courtside"))
            .args(words)
            .arg("--config")
            .arg(&config)
            .env("COURTSIDE_LOG", "trace")
            .output()
            .expect("it runs");
        let said =
            [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        // There are no clips to list.
        assert!(!said.concat().is_empty() || words[0] == "clips", "{words:?}");
        texts.insert(format!("courtside {}", words.join(" ")), said.concat());
    }
    let died = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "secrets::child_that_panics", "--nocapture", "--test-threads=1"])
        .env(DUMPED, &config)
        .output()
        .expect("it runs");
    let said = [died.stdout, died.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(said.concat().contains("panicked at") && said.concat().contains("HttpConfig"));
    texts.insert("panic".to_owned(), said.concat());

    // The operator's token is another one by now, and stays as well.
    let mut secrets = secrets;
    let renewed = read(&data.join("token-operator")).trim().to_owned();
    assert!(renewed.len() == 76 && renewed != secrets["operator's"]);
    secrets.insert("operator's, renewed", renewed);
    let told = until("the configuration is told", || {
        let heard = read(&heard);
        heard.contains("config/reported").then_some(heard)
    });
    texts.insert("MQTT".to_owned(), told);
    let traced = read(&log);
    assert!(traced.contains("DEBUG") && traced.contains("a browser signed in"), "it talks");
    texts.insert("log at trace".to_owned(), traced);

    // What somebody else says of a secret is his: the command that we typed lies in the broker's own log
    // of what came, and nowhere else.
    let heard = texts.get_mut("MQTT").expect("there");
    let asked_by_us = |line: &&str| !line.contains("/command/") || line.contains("/state ");
    *heard = heard.lines().filter(asked_by_us).collect::<Vec<_>>().join("\n");

    for (place, of) in [
        ("MQTT", "config/reported"),
        ("MQTT", "(hidden)"),
        ("HTTP /metrics", "courtside_"),
        ("HTTP /v1/config", "stream_key"),
        ("HTTP /v1/config", "rtmp://127.0.0.1:9/live/(hidden)"),
        ("HTTP /v1/state", "rtmp://127.0.0.1:9/live"),
        ("HTTP /metrics", "courtside_relay_up{court=\"a\",relay=\"tv\"} 0"),
        ("courtside config show", "stream_key"),
        ("courtside command --json", "\"log\""),
    ] {
        assert!(texts[place].contains(of), "{place} says nothing of {of}: {}", texts[place]);
    }
    let found = leaks(&texts, &secrets);
    assert!(found.is_empty(), "told: {found:?}");

    // And it would be found: each, wherever it stood.
    for place in texts.keys() {
        for (what, secret) in &secrets {
            for form in [secret.clone(), base64(format!("ab{secret}yz").as_bytes())] {
                let mut spoiled = Texts::from([(place.clone(), texts[place].clone())]);
                spoiled.get_mut(place).expect("there").push_str(&form);
                let found = leaks(&spoiled, &secrets);
                assert!(found.contains(&(place.clone(), *what)), "{what} at {place}");
            }
        }
    }
}

/// A text that is longer than another and says it: only whole secrets count.
#[test]
fn what_is_searched_for_is_found_in_each_form_and_nothing_else_is() {
    let secrets = Secrets::from([("it", "planted-secret".to_owned())]);
    let text = |text: &str| Texts::from([("here".to_owned(), text.to_owned())]);
    for form in ["xplanted-secretx", "706c616e7465642d736563726574", "IHBsYW50ZWQtc2VjcmV0IA=="] {
        assert_eq!(leaks(&text(form), &secrets).len(), 1, "{form}");
    }
    for form in ["planted-secre", "", "unplanted"] {
        assert!(leaks(&text(form), &secrets).is_empty(), "{form}");
    }
    let value = Value::from("planted-secret").to_string();
    assert_eq!(leaks(&text(&value), &secrets).len(), 1);
}
