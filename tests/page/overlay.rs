//! The overlay in a browser: what it shows, and when, by the pixels of the frames that were painted.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use courtside::clock::Clock;
use courtside::media::UtcTime;
use serde_json::{Value, json};

use super::Browser;
use super::played::{Cabled, GAME, Played};

const SIZE: (u32, u32) = (1280, 720);
/// As a venue might: a graphic that is found by its colour, which nothing else has.
const THEME: &str = ".graphic { background: rgb(0, 255, 0) !important; color: rgb(0, 255, 0); }";
const POINTS: &str =
    "[...document.querySelectorAll('.bug .points')].map((node) => node.textContent).join('–')";
/// A graphic of that colour is some thousand pixels, of half the width.
const GREEN_LEAST: usize = 500;

/// A game with the looks of a venue, and its overlay.
fn opened(delay: u32) -> Option<(Arc<Played>, Cabled, Browser, tempfile::TempDir)> {
    let dir = tempfile::tempdir().expect("a folder");
    let theme = dir.path().join("overlay.css");
    std::fs::write(&theme, THEME).expect("written");
    let played = Played::new();
    *played.source.theme.lock() = theme;
    played.shot(true, Some("comets"), 2, 60_000);
    let served = Cabled::serve(&played);
    let url = format!("http://{}/overlay?game={GAME}&delay={delay}", served.address);
    let mut browser = Browser::open(&url, SIZE)?;
    browser.until(&format!("{POINTS} === '2–0'"));
    Some((played, served, browser, dir))
}

/// Pixels of the venue's colour in a frame.
fn green(frame: &Value) -> usize {
    let decode = "base64 -d | ffmpeg -v error -i - -f rawvideo -pix_fmt rgb24 -";
    let mut child = Command::new("sh")
        .args(["-c", decode])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut stdin = child.stdin.take().expect("piped");
    let text = frame["data"].as_str().expect("a picture").to_owned();
    let feeding = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let pixels = child.wait_with_output().expect("decoded").stdout;
    feeding.join().expect("joined").expect("fed");
    assert!(!pixels.is_empty(), "no ffmpeg here: `make test` installs it");
    pixels.chunks_exact(3).filter(|pixel| pixel[0] < 60 && pixel[1] > 200 && pixel[2] < 60).count()
}

/// Seconds of UTC of the first frame that shows a graphic, from now until `until`.
fn first_green(browser: &mut Browser, played: &Played, until: UtcTime) -> Option<f64> {
    // Small ones, so that making them holds up no frame.
    let cast = json!({"format": "jpeg", "quality": 70, "maxWidth": 640, "everyNthFrame": 1});
    browser.call("Page.startScreencast", &cast);
    let mut frames = Vec::new();
    while played.clock.utc() < until {
        browser.value("new Promise((done) => setTimeout(done, 20))");
        for frame in std::mem::take(&mut browser.frames) {
            browser.call("Page.screencastFrameAck", &json!({"sessionId": frame["sessionId"]}));
            frames.push(frame);
        }
    }
    browser.call("Page.stopScreencast", &json!({}));
    browser.frames.clear();
    let shows = |frame: &&Value| green(frame) > GREEN_LEAST;
    let first = frames.iter().find(shows)?;
    first["metadata"]["timestamp"].as_f64()
}

fn seconds(time: UtcTime) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "to a microsecond")]
    let nanos = time.as_nanos() as f64;
    nanos / 1e9
}

fn after(time: UtcTime, wait: Duration) -> UtcTime {
    time.plus_nanos(i64::try_from(wait.as_nanos()).expect("seconds"))
}

/// A graphic of a moment `ago` milliseconds ago is taken now: its first frame, and when that was due.
fn taken(delay: u32, ago: i64) -> Option<(f64, f64)> {
    let (played, _served, mut browser, _dir) = opened(delay)?;
    let moment = played.ago(ago);
    played.graphic(1, "Comets on a run of seven", "proposed", 30, moment);
    let word = played.clock.utc();
    played.graphic(1, "Comets on a run of seven", "taken", 30, moment);
    let reached = after(moment, Duration::from_secs(delay.into()));
    let due = reached.max(word);
    let first = first_green(&mut browser, &played, after(due, Duration::from_millis(1200)));
    browser.picture(&format!("overlay-{delay}-{ago}"));
    Some((first.expect("it is shown"), seconds(due)))
}

#[test]
fn a_graphic_is_painted_when_the_programme_has_reached_it_and_never_before() {
    // Its moment is a second old as it is taken, or ten: then the programme has reached it long ago. In half a minute
    // much may be said of it meanwhile: it is 29 s old.
    for (delay, ago) in [(0, 1_000), (5, 1_000), (5, 10_000), (30, 29_000)] {
        let Some((first, due)) = taken(delay, ago) else { return };
        let late = first - due;
        eprintln!(
            "delay {delay} s, moment {ago} ms before it is taken: painted {:.0} ms after it is due",
            late * 1e3
        );
        assert!(late >= 0.0, "{late} s before its time, at a delay of {delay} s");
        // A frame is 17 ms; a machine that runs other tests beside this one paints when it can.
        assert!(late < 0.4, "{late} s late, at a delay of {delay} s");
    }
}

#[test]
fn a_fact_waits_for_no_frame() {
    let Some((played, served, mut browser, _dir)) = opened(0) else { return };
    // A source that is not shown has no frames; and of one that is, the next may be a whole one away.
    let first = json!({"source": "window.requestAnimationFrame = () => 0"});
    browser.call("Page.addScriptToEvaluateOnNewDocument", &first);
    let url = format!("http://{}/overlay?game={GAME}&delay=2", served.address);
    browser.call("Page.navigate", &json!({"url": url}));
    browser.until(&format!("{POINTS} === '2–0'"));
    played.graphic(1, "Comets on a run", "taken", 30, played.ago(500));
    browser.until("!!document.querySelector('.graphic')");
}

#[test]
fn the_programmes_own_time_code_moves_what_waits() {
    let Some((played, _served, mut browser, _dir)) = opened(3) else { return };
    // The programme is half a minute late, as whoever has its time code says: not 3 s.
    let says = |browser: &mut Browser, ago: i64| {
        #[expect(clippy::cast_precision_loss, reason = "to a millisecond")]
        let at = (played.ago(ago).as_nanos() / 1_000_000) as f64;
        let event =
            format!("new CustomEvent('courtside-programme', {{ detail: {{ unix_ms: {at} }} }})");
        browser.value(&format!("void dispatchEvent({event})"));
    };
    browser.until("import('/script/clock.js').then(({ box }) => box.known)");
    says(&mut browser, 30_000);
    let moment = played.ago(1_000);
    played.graphic(1, "Comets on a run", "taken", 60, moment);
    let end = after(moment, Duration::from_millis(5_000));
    assert_eq!(first_green(&mut browser, &played, end), None, "seen by the delay of 3 s");
    // It is caught up with, to 7 s: what waits comes by that, and not before.
    says(&mut browser, 7_000);
    let due = after(moment, Duration::from_secs(7));
    let first = first_green(&mut browser, &played, after(due, Duration::from_millis(1200)));
    let late = first.expect("it is shown") - seconds(due);
    assert!((0.0..0.4).contains(&late), "{late} s after its time");
}

#[test]
fn what_waits_is_placed_anew_and_revisions_stay_in_order() {
    let Some((_played, _served, mut browser, _dir)) = opened(0) else { return };
    let told = browser.value(
        "import('/script/overlay/schedule.js').then(({ Schedule }) => { \
         const of = new Schedule(5000); const seen = []; \
         const look = (now) => seen.push(of.due(now).map(({ what }) => what).join('')); \
         of.put('a', 1000, 1100, 'a0'); of.put('b', 2000, 2100, 'b0'); of.put('a', 500, 2200, 'a1'); \
         of.late = 1000; look(1999); look(2000); look(2999); look(3000); \
         of.put('b', 100, 3100, 'b1'); of.put('c', 3000, 3100, 'c0'); of.late = 9000; look(9099); look(12000); \
         return seen.join('|'); })",
    );
    // a1 is of an older moment, and known at 2200; b1 as well, of a moment that the programme passes at 9100.
    assert_eq!(told, json!("|a0|a1|b0||b1c0"));
}

#[test]
fn what_is_taken_back_meanwhile_is_never_shown() {
    let Some((played, _served, mut browser, _dir)) = opened(3) else { return };
    let moment = played.ago(500);
    played.graphic(1, "Comets on a run", "taken", 30, moment);
    played.takes_graphic_back(1);
    let end = after(moment, Duration::from_millis(4_500));
    assert_eq!(first_green(&mut browser, &played, end), None);
}

#[test]
fn a_correction_of_an_older_shot_does_not_give_away_the_newest_and_a_reload_neither() {
    let Some((played, served, mut browser, _dir)) = opened(6) else { return };
    let watch = "window.shown = []; new MutationObserver(() => { const now = \
        [...document.querySelectorAll('.bug .points')].map((node) => node.textContent).join('–'); \
        if (shown.at(-1)?.[1] !== now) shown.push([Date.now(), now]); }).observe(document.body, \
        { subtree: true, childList: true, characterData: true })";
    browser.value(watch);
    let moment = played.ago(300);
    played.shot(true, Some("harbor"), 2, 300);
    // The shot of a minute ago was none: its score is told at once, and knows the newest too.
    let body = json!({"verdict": "missed"}).to_string();
    let path = "/v1/shots/00000000000000bb-shot-0/correct";
    browser.value(&format!(
        "fetch('{path}', {{ method: 'POST', headers: {{ 'Content-Type': 'application/json', \
         'Courtside-Who': 'Ana' }}, body: '{body}' }}).then((answer) => answer.status)"
    ));
    browser.until(&format!("{POINTS} === '0–2'"));
    let due = seconds(after(moment, Duration::from_secs(6)));
    let first = browser.value("shown.find(([, points]) => points.endsWith('–2'))[0]");
    let first = first.as_f64().expect("a time") / 1e3;
    assert!(first >= due, "{} s too early", due - first);

    // A page that is opened in between knows the whole, and waits with what it may not show yet.
    let moment = played.ago(300);
    played.shot(true, Some("harbor"), 1, 300);
    let due = seconds(after(moment, Duration::from_secs(6)));
    let url = format!("http://{}/overlay?delay=6", served.address);
    browser.call("Page.navigate", &json!({"url": url}));
    browser.until(&format!("{POINTS} === '0–3'"));
    assert!(seconds(played.clock.utc()) >= due, "shown too early after a reload");
}

#[test]
fn a_delay_that_is_none_says_so_and_shows_nothing() {
    let played = Played::new();
    let served = Cabled::serve(&played);
    let url = format!("http://{}/overlay?delay=soon", served.address);
    let Some(mut browser) = Browser::open(&url, SIZE) else { return };
    browser.until("document.querySelector('.wrong').textContent === 'delay is seconds, 0 to 600: soon is not'");
    assert_eq!(browser.value("document.querySelector('.bug').hidden"), json!(true));
    // Over nothing: what is under it is seen.
    assert_eq!(
        browser.value("getComputedStyle(document.body).backgroundColor"),
        json!("rgba(0, 0, 0, 0)")
    );
}

/// The period or the end, as the bug has it.
const WORD: &str =
    "(document.querySelector('.bug:not([hidden]) .period:not([hidden])')?.textContent ?? '')";

#[test]
fn the_game_that_runs_is_shown_whatever_is_stored_of_games_that_ended() {
    let played = Played::new();
    played.shot(true, Some("comets"), 2, 60_000);
    let game = |id: &str, hour: u32| {
        json!({"id": id, "state": "over", "courts": ["a"], "rules": "fiba-3x3",
            "start": format!("2026-11-30T{hour:02}:00:00.000Z")})
    };
    *played.others.lock() = vec![game("aa", 9), game("ab", 10)];
    // Of these the beginning is stored, of the end the page is told nothing.
    played.told_of("aa", played.ago(9_000_000));
    played.told_of("ab", played.ago(6_000_000));
    let served = Cabled::serve(&played);
    for query in ["", "?court=a", "?court=a&delay=2"] {
        let url = format!("http://{}/overlay{query}", served.address);
        let Some(mut browser) = Browser::open(&url, SIZE) else { return };
        browser.until(&format!("{POINTS} === '2–0'"));
        assert_eq!(browser.value(WORD), json!(""), "{query}: it runs, and has one period");
    }
    let url = format!("http://{}/overlay?game=zz", served.address);
    let Some(mut browser) = Browser::open(&url, SIZE) else { return };
    browser.until(&format!("{WORD} === 'Final'"));
}

#[test]
fn the_next_game_of_the_court_follows_once_the_programme_has_reached_its_beginning() {
    let played = Played::new();
    played.shot(true, Some("comets"), 2, 60_000);
    let served = Cabled::serve(&played);
    let url = format!("http://{}/overlay?court=a&delay=3", served.address);
    let Some(mut browser) = Browser::open(&url, SIZE) else { return };
    browser.until(&format!("{POINTS} === '2–0'"));
    // What comes so soon after the stream stands was stored, and then the box is asked instead.
    browser.value("window.filled = performance.now()");
    browser.until("performance.now() > filled + 4000");
    let ended = played.clock.utc();
    played.becomes(ended, json!({"state": "over", "ended_at": ended.to_rfc3339()}));
    browser.until(&format!("{WORD} === 'Final'"));
    let due = seconds(after(ended, Duration::from_secs(3)));
    assert!(seconds(played.clock.utc()) >= due, "the end of the programme's own game");
    let began = played.clock.utc();
    played.told_of("ac", began);
    let asks =
        "performance.getEntriesByType('resource').some((one) => one.name.endsWith('/v1/games/ac'))";
    browser.until(asks);
    assert!(seconds(played.clock.utc()) >= seconds(after(began, Duration::from_secs(3))));
}

#[test]
fn a_tap_is_seen_when_the_programme_reaches_it_on_a_page_that_is_opened_too() {
    let played = Played::new();
    played.shot(true, Some("comets"), 2, 60_000);
    let ended = played.clock.utc();
    // Stored events are gone: the page has the whole alone.
    played.becomes(ended, json!({"state": "over", "ended_at": ended.to_rfc3339()}));
    played.source.stored.lock().clear();
    let served = Cabled::serve(&played);
    let url = format!("http://{}/overlay?game={GAME}&delay=4", served.address);
    let Some(mut browser) = Browser::open(&url, SIZE) else { return };
    browser.until(&format!("{WORD} === 'Final'"));
    let due = seconds(after(ended, Duration::from_secs(4)));
    assert!(seconds(played.clock.utc()) >= due, "shown before the programme reached it");
}

#[test]
fn a_graphic_that_is_told_again_long_after_it_was_taken_has_no_second_life() {
    let played = Played::new();
    played.shot(true, Some("comets"), 2, 600_000);
    let moment = played.ago(600_000);
    let told = |detail: &str| {
        json!({"game": GAME, "about": "run", "text": "Comets on a run", "detail": detail, "priority": 50,
            "life_s": 30, "state": "taken", "taken_at": moment.to_rfc3339(), "stands_on": [],
            "t_stream": 12.5, "team": "comets"})
    };
    let name = "00000000000000bb-graphic-1";
    played.tell("graphic", name, moment, told("2–0"));
    // It was told more than the last 500 events ago.
    played.source.stored.lock().clear();
    let served = Cabled::serve(&played);
    let url = format!("http://{}/overlay?game={GAME}", served.address);
    let Some(mut browser) = Browser::open(&url, SIZE) else { return };
    browser.until(&format!("{POINTS} === '2–0'"));
    // The oldest basket was a three: the run's second line is another.
    played.tell("graphic", name, moment, told("3–0"));
    played.shot(true, Some("harbor"), 1, 0);
    browser.until(&format!("{POINTS} === '2–1'"));
    assert_eq!(browser.value("document.querySelectorAll('.graphic').length"), json!(0));
}

#[test]
fn nothing_lies_over_a_broadcast_that_has_something_to_show() {
    let Some((_played, served, mut browser, _dir)) = opened(0) else { return };
    // As after a restart of the box, which knows no browser any more.
    let signed_out = "window.fetch = async () => new Response('{}', { status: 401 }); void 0";
    browser.value(signed_out);
    served.cut();
    let counted = "window.asked = 0; window.fetch = async () => { asked += 1; return new Response('{}', { status: 401 }); }; void 0";
    browser.value(counted);
    browser.until("asked > 1");
    assert_eq!(browser.value("document.querySelector('.wrong').hidden"), json!(true));
    assert_eq!(browser.value(POINTS), json!("2–0"), "what it had");
}
