//! A real box's game on the stage: the whole program (RTMP, decoder, model, decision, outbox, games, page) plays
//! the rendered game, and a browser operates it. Nothing is scripted but the operator.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use courtside::app::{App, Devices, Options, World};
use courtside::clock::{Chance, Clock, SystemClock};
use courtside::config::Source;
use courtside::disk::RealDisk;
use courtside::tools::rig::publish::{self, Pace};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::Browser;
use super::played::Cabled;

const KEY: &str = "north-hoop-1";
const TABLET: (u32, u32) = (1024, 768);
const POINTS: &str =
    "[...document.querySelectorAll('#board .points')].map((node) => node.textContent).join('–')";
const ROWS: &str = "document.querySelectorAll('#calls .call:not(.provisional)').length";

/// The daemon in this process, with a broker that is away: all of this works without an uplink.
pub(super) struct Boxed {
    pub(super) http: SocketAddr,
    rtmp: SocketAddr,
    stop: watch::Sender<bool>,
    ended: Option<std::thread::JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

impl Boxed {
    pub(super) fn start() -> Self {
        let dir = tempfile::tempdir().expect("directory");
        let text = format!(
            "[box]\nname = \"rim-1\"\ndata_dir = \"{}\"\n[uplink]\nbroker = \"mqtt://127.0.0.1:1\"\n\
             [ingest]\nrtmp = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n[ring]\n\
             quota_bytes = 1_000_000_000\n[[court]]\nname = \"a\"\nstream_key = \"{KEY}\"\n\
             rims = [[562, 167, 44, 10]]\n",
            dir.path().display(),
        );
        let read = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
        let source = Source::new(Path::new("courtside.toml"), &text, Arc::new(read));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let (devices, disk) = (Devices::installed(&clock), Arc::new(RealDisk::new()));
        let begun = source.begin(&*disk).expect("it is right");
        let config = begun.config.clone();
        let world = World { clock, chance: Chance::system(), disk, devices };
        let options = Options { open_http: true, twin: Some(begun), ..Options::default() };
        let runtime = tokio::runtime::Runtime::new().expect("runtime");
        let app = runtime.block_on(App::build(config, world, options)).expect("it is built");
        let addresses = app.addresses();
        let (http, rtmp) = (addresses.http, addresses.rtmp.expect("it listens"));
        let (stop, stopped) = watch::channel(false);
        let run = move || {
            let report = runtime.block_on(app.run(stopped)).expect("it ends well");
            assert_eq!(report.unbalanced, [], "every hop balances");
        };
        Self { http, rtmp, stop, ended: Some(std::thread::spawn(run)), _dir: dir }
    }

    /// The rendered game, at its own pace.
    pub(super) fn plays(&self) -> std::thread::JoinHandle<()> {
        let url = format!("rtmp://{}/live/{KEY}", self.rtmp);
        std::thread::spawn(move || {
            let game = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo/game.flv");
            let game = std::fs::read(game).expect("the rendered game");
            let runtime = tokio::runtime::Runtime::new().expect("runtime");
            let played = publish::flv(game, &url, Pace::RealTime, |_| {});
            runtime.block_on(played).expect("published");
        })
    }

    /// What it answers, past the cable.
    fn told(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(self.http).expect("connected");
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.http);
        stream.write_all(head.as_bytes()).expect("asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.starts_with("HTTP/1.1 200").then(|| serde_json::from_str(body).expect("JSON"))
    }

    fn game(&self) -> Option<Value> {
        let games = self.told("/v1/games")?;
        let id = games["games"][0]["id"].as_str()?.to_owned();
        self.told(&format!("/v1/games/{id}"))
    }

    /// Finals of the game.
    fn finals(&self) -> usize {
        self.game().and_then(|game| Some(game["shots"].as_array()?.len())).unwrap_or(0)
    }
}

impl Drop for Boxed {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        let ended = self.ended.take().expect("it runs").join();
        // A test that fails already says more.
        assert!(ended.is_ok() || std::thread::panicking(), "the box did not end well");
    }
}

/// Waits for the real box, whose game lasts 45 s.
fn until(what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

fn shows(browser: &mut Browser, points: &str) {
    browser.until(&format!("{POINTS} === '{points}'"));
}

/// The row of the n-th final, by its fact: further ones push it down.
fn newest(browser: &mut Browser, n: usize) -> String {
    browser.until(&format!("{ROWS} >= {n}"));
    let finals = "[...document.querySelectorAll('#calls .call:not(.provisional)')]";
    let fact = browser.value(&format!("{finals}.at(-{n}).dataset.fact"));
    format!("#calls .call[data-fact='{}']", fact.as_str().expect("a fact"))
}

/// What stands on the page: facts of rows with what they say, of graphics, of the reel, and of the log.
fn page(browser: &mut Browser) -> Value {
    browser.value(
        "(() => { const all = (of, what) => [...document.querySelectorAll(of)].map(what); return { \
         shots: all('#calls .call', (row) => [row.dataset.fact, Number(row.dataset.revision), \
           row.querySelector('.what').textContent]), \
         graphics: all('#graphics .card', (card) => card.dataset.fact), \
         reel: all('#reel li', (line) => line.dataset.fact), \
         log: all('#log li', (line) => line.textContent) }; })()",
    )
}

/// The same of the box's own account of its game.
fn told(game: &Value) -> Value {
    let list = |name: &str| game[name].as_array().cloned().unwrap_or_default();
    let says = |shot: &Value| match shot["standing"].as_str() {
        Some("made") => format!("Made {}", shot["points"]),
        Some("missed") => "Missed".to_owned(),
        other => format!("{other:?}"),
    };
    let shots: BTreeSet<String> = list("shots")
        .iter()
        .map(|shot| json!([shot["fact"], shot["revision"], says(shot)]).to_string())
        .collect();
    let facts = |name: &str| -> BTreeSet<String> {
        list(name).iter().map(|one| one["fact"].as_str().expect("a fact").to_owned()).collect()
    };
    json!({"shots": shots, "reel": facts("highlights")})
}

fn as_told(page: &Value) -> Value {
    let set = |name: &str| -> BTreeSet<String> {
        let all = page[name].as_array().expect("a list").iter();
        all.map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned)).collect()
    };
    for name in ["shots", "reel", "graphics"] {
        let all = page[name].as_array().expect("a list");
        assert_eq!(all.len(), set(name).len(), "twice on the page: {page}");
    }
    json!({"shots": set("shots"), "reel": set("reel")})
}

/// Waits until the page shows what the box has, and says both where it never does.
fn agrees(browser: &mut Browser, boxed: &Boxed, when: &str) {
    let began = Instant::now();
    loop {
        let (page, game) = (page(browser), boxed.game().expect("a game"));
        let (shown, told) = (as_told(&page), told(&game));
        let score = [0, 1].map(|side| game["score"]["teams"][side]["points"].to_string()).join("–");
        let points = browser.value(POINTS);
        if shown == told && points == json!(score) {
            return;
        }
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{when}: the page shows {points} {shown:#}\nand the box has {score} {told:#}"
        );
        browser.value("new Promise((done) => setTimeout(done, 50))");
    }
}

#[test]
fn a_real_boxs_game_is_operated_over_a_cut_and_a_reload_and_its_recap_is_whole() {
    let boxed = Boxed::start();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().expect("runtime");
    let cable = Cabled::laid(runtime, boxed.http);
    let url = format!("http://{}/operate", cable.address);
    let Some(mut browser) = Browser::open(&url, TABLET) else { return };
    // Started on the page: pickup to 21, both teams at the one rim, so a shot's team waits for a tap.
    browser.until("!document.querySelector('#no-game').hidden");
    browser.value("localStorage.setItem('who', 'Ana')");
    browser.tap("#no-game button", 0);
    browser
        .until("document.querySelector('#game').open && !!document.querySelector('[name=court]')");
    browser.value(
        "document.querySelector('[name=rules][value=pickup-21]').checked = true; \
         document.querySelector('[name=name0]').value = 'Comets'; \
         document.querySelector('[name=name1]').value = 'Harbor'",
    );
    browser.picture("real-start");
    browser.tap("#start [type=submit]", 0);
    browser.until("document.querySelector('#game-open').textContent.startsWith('g-')");
    shows(&mut browser, "0–0");

    let camera = boxed.plays();
    // Made and pending, at 3 s; then whose it is.
    let first = newest(&mut browser, 1);
    browser.until(
        "document.querySelector('#board .pending').textContent === 'Pending: 1 point, 1 shot'",
    );
    browser.tap(&format!("{first} .quick .team"), 0);
    shows(&mut browser, "1–0");
    browser.until(&format!("document.querySelector(\"{first} .who\").textContent === '✎ Ana'"));
    let second = newest(&mut browser, 2);
    browser.tap(&format!("{second} .quick .team"), 1);
    shows(&mut browser, "1–1");
    // A miss that went in, after all.
    let third = newest(&mut browser, 3);
    browser.until(&format!("document.querySelector(\"{third} .what\").textContent === 'Missed'"));
    browser.tap(&format!("{third} .quick .team"), 1);
    browser.until(&format!("!document.querySelector(\"{third} .quick .team\")"));
    browser.tap(&format!("{third} .quick .is"), 0);
    shows(&mut browser, "1–2");
    // The lead went over: a graphic stands on that shot, and goes with it.
    browser.until("!!document.querySelector('#graphics .card')");
    browser.tap("#undo", 0);
    shows(&mut browser, "1–1");
    browser.until("!document.querySelector('#graphics .card')");
    agrees(&mut browser, &boxed, "after the first corrections");
    // The ring is cut out of the court's pictures, and of its clips.
    browser.until("document.querySelectorAll('#calls .thumb :is(canvas, .cut)').length >= 3");

    // The network goes while two shots come.
    let before = boxed.finals();
    cable.cut();
    browser.until("!document.querySelector('#lost').hidden");
    until("two more finals", || boxed.finals() >= before + 2);
    cable.mend();
    browser.until("document.querySelector('#lost').hidden");
    agrees(&mut browser, &boxed, "after the cut");
    browser.picture("real-after-cut");
    browser.call("Page.reload", &json!({}));
    browser.until(&format!("{ROWS} >= {}", before + 2));
    agrees(&mut browser, &boxed, "after a reload in mid-game");

    camera.join().expect("it published");
    until("all eight are final", || boxed.finals() == 8);
    // Whose the rest is: the home side's, a tap each.
    loop {
        let pending = "document.querySelectorAll('#calls .call:has(.quick .team)').length";
        let left = browser.value(pending).as_u64().expect("a count");
        if left == 0 {
            break;
        }
        browser.tap(".call:has(.quick .team) .quick .team", 0);
        browser.until(&format!("{pending} < {left}"));
    }
    agrees(&mut browser, &boxed, "at the end");
    let log = browser.value("document.querySelectorAll('#log li').length");
    for _ in 0..2 {
        browser.call("Page.reload", &json!({}));
        browser.until(&format!("{ROWS} === 8"));
        agrees(&mut browser, &boxed, "after a reload at the end");
        browser.until(&format!("document.querySelectorAll('#log li').length === {log}"));
    }
    // Five went in: all but what was corrected stands as the model called it.
    let game = boxed.game().expect("a game");
    let made = game["shots"].as_array().expect("shots").iter();
    assert_eq!(made.filter(|shot| shot["standing"] == "made").count(), 5, "{game:#}");
    // Every basket of a known team is a highlight, of one reel.
    browser.until("document.querySelectorAll('#reel li').length > 0");
    browser.picture("real-at-the-end");
    // Found by a tag that the recap gives it.
    let highlights = game["highlights"].as_array().expect("highlights");
    let whose = |one: &Value| {
        let shots = game["shots"].as_array().expect("shots");
        shots.iter().find(|shot| shot["fact"] == one["shot"]).expect("its shot")["team"].clone()
    };
    let theirs = highlights.iter().filter(|one| whose(one) == "harbor").count();
    assert!(theirs > 0 && theirs < highlights.len(), "{theirs} of {}", highlights.len());
    browser.key("r", 0);
    browser.value("document.querySelector('#find-tags').focus()");
    browser.call("Input.insertText", &json!({"text": "team:harbor"}));
    browser.until(&format!("document.querySelectorAll('#reel li').length === {theirs}"));
    browser.picture("real-found");
    browser.value("document.querySelector('#find-tags').select()");
    browser.call("Input.insertText", &json!({"text": "no-such-tag"}));
    browser.until(
        "document.querySelector('#no-reel').textContent === 'No highlight with these tags.'",
    );
    let emptied = "(() => { const field = document.querySelector('#find-tags'); field.value = ''; \
                   field.dispatchEvent(new Event('input')); })()";
    browser.value(emptied);
    browser
        .until(&format!("document.querySelectorAll('#reel li').length === {}", highlights.len()));

    // Ended at the page; the recap is whole within five seconds.
    browser.tap("#game-open", 0);
    browser.until(
        "document.querySelector('#game').open && !document.querySelector('#end-row').hidden",
    );
    browser.tap("#end", 0);
    browser.until("document.querySelector('#end').textContent === 'Really end it?'");
    browser.tap("#end", 0);
    let ended = Instant::now();
    let id = game["told"]["game"].as_str().expect("a name");
    let recap = format!("/games/{id}/box_score.json");
    let whole = |score: &Value| {
        let of = |name: &str| -> u64 {
            let teams = [0, 1].map(|side| score["teams"][side][name].as_u64().expect("a number"));
            teams.iter().sum()
        };
        score["state"] == "over" && (of("made"), of("attempts"), of("points")) == (5, 8, 5)
    };
    until("the recap is whole", || boxed.told(&recap).as_ref().is_some_and(whole));
    let took = ended.elapsed();
    eprintln!("the recap was whole {:.0} ms after the last tap", took.as_secs_f64() * 1e3);
    assert!(took < Duration::from_secs(5), "{took:?}");
    // It is one tap away.
    browser.until("document.querySelector('#board .period').textContent.startsWith('Over')");
    browser.picture("real-over");
    // What is taken lies over the broadcast's picture, on a ground that nobody sees.
    browser.tap("#graphics .card button", 0);
    browser.until("document.querySelector('#graphics .card').matches('.is-taken')");
    let over = format!("http://{}/overlay?game={id}&delay=0", cable.address);
    let mut overlay = Browser::open(&over, (1280, 720)).expect("the browser that was there");
    let nothing = json!({"color": {"r": 0, "g": 0, "b": 0, "a": 0}});
    overlay.call("Emulation.setDefaultBackgroundColorOverride", &nothing);
    overlay.until("document.querySelector('.graphic .text').textContent === 'Comets win 4–1'");
    overlay.picture("real-overlay");
    drop(overlay);
    browser.tap("#recap", 0);
    browser.until(&format!("location.pathname === '/games/{id}'"));
    browser
        .until("document.body.textContent.includes('Comets') && !!document.querySelector('svg')");
    browser.picture("real-recap");
}
