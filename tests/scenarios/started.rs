//! A game that was started, over two courts: one score, corrections, and a power cut at any write.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use courtside::clock::Clock as _;
use courtside::disk::Disk as _;

use crate::film::{Shot, made, missed, still};
use crate::testbox::{DATA, TestBox, until};

/// The status and the body of an answer.
pub(crate) fn ask(tested: &TestBox, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let at = tested.http();
    let mut stream = TcpStream::connect(at).expect("connected");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {at}\r\nCourtside-Who: ana\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.expect("a status"), serde_json::from_str(body).unwrap_or(Value::Null))
}

fn start(tested: &TestBox) -> Value {
    start_by(tested, "pickup-21")
}

fn start_by(tested: &TestBox, rules: &str) -> Value {
    let asked = json!({
        "id": "final", "rules": rules, "courts": ["north", "south"],
        "teams": [{ "id": "reds" }, { "id": "blues" }],
        "attacks": [
            { "court": "north", "rim": 0, "team": "reds" },
            { "court": "south", "rim": 0, "team": "blues" },
        ],
    });
    let (status, view) = ask(tested, "POST", "/v1/games", &asked);
    assert_eq!(status, 201, "{view}");
    view
}

/// Points of both teams, in the game's order, as a view or a score has them.
fn points(score: &Value) -> [u64; 2] {
    [0, 1].map(|side| score["teams"][side]["points"].as_u64().expect("points"))
}

/// The last revision of each fact, as it was told.
fn facts(tested: &TestBox) -> BTreeMap<String, Value> {
    let mut facts: BTreeMap<String, Value> = BTreeMap::new();
    for event in tested.envelopes() {
        let fact = event["fact"].as_str().expect("a fact").to_owned();
        let before = facts.get(&fact).map(|before| before["revision"].as_u64());
        assert!(before < Some(event["revision"].as_u64()), "{fact} goes back: {event}");
        facts.insert(fact, event);
    }
    facts
}

/// What must hold of the facts of a game, whatever happened to it.
fn hangs_together(tested: &TestBox, what: &str) {
    let facts = facts(tested);
    let kind = |event: &Value| event["type"].as_str().expect("a type").to_owned();
    let mut sums = [0, 0];
    for event in facts.values() {
        assert_ne!(event["data"]["provisional"], true, "{what}: open: {event}");
        if kind(event) == "courtside.shot.made.v1" {
            let team = event["data"]["team"].as_str().expect("attacked rims have a team");
            let points = event["data"]["points"].as_u64().expect("a game's shot has points");
            sums[usize::from(team == "blues")] += points;
        }
        // What stands on a shot stands on one that is there.
        for on in ["shot", "after", "highlight"] {
            let Some(on) = event["data"][on].as_str() else { continue };
            let under =
                facts.get(on).unwrap_or_else(|| panic!("{what}: {on} is not told: {event}"));
            let gone = kind(under).contains("withdrawn");
            let counts = ["after"].iter().any(|word| event["data"][word] == on);
            assert!(!gone || counts, "{what}: {event} stands on {under}");
        }
    }
    let (status, view) = ask(tested, "GET", "/v1/games/final", &Value::Null);
    assert_eq!(status, 200, "{what}: {view}");
    assert_eq!(points(&view["score"]), sums, "{what}: the score is the sum of its shots");
    let mut told = facts.values().filter(|event| kind(event) == "courtside.game.score.v1");
    let told = told.next().expect("a score of the game");
    assert_eq!(points(&told["data"]), sums, "{what}: and so is what was told of it");
    assert_eq!(told["game"], "final");
    assert_eq!(told["source"], "courtside:rim-1/final");
}

fn of_kind(tested: &TestBox, kind: &str) -> Vec<Value> {
    let all = tested.envelopes().into_iter();
    all.filter(|event| event["type"] == format!("courtside.{kind}.v1")).collect()
}

#[test]
fn a_game_of_two_courts_has_one_score_and_corrections_are_told_of_all_of_it() {
    let mut tested = TestBox::with_courts(&["north", "south"]);
    tested.camera("north");
    tested.camera("south");
    start(&tested);
    let (status, refused) = ask(&tested, "POST", "/v1/games", &json!({ "courts": ["south"] }));
    assert_eq!(status, 409, "a court plays one game at a time: {refused}");
    tested.show_all(&[("north", &made()), ("south", &missed())]);
    hangs_together(&tested, "both courts");
    let south = of_kind(&tested, "shot.missed").pop().expect("a final of south");
    assert_eq!(
        (&south["game"], &south["source"]),
        (&json!("final"), &json!("courtside:rim-1/south"))
    );
    assert_eq!(
        (&south["data"]["team"], &south["data"]["team_by"]),
        (&json!("blues"), &json!("rules"))
    );

    // Two points for the blues after all, said by ana.
    let fact = south["fact"].as_str().expect("a fact");
    let path = format!("/v1/shots/{fact}/correct");
    let (status, told) = ask(&tested, "POST", &path, &json!({ "verdict": "made", "points": 2 }));
    assert_eq!((status, &told["fact"]), (200, &json!(fact)), "{told}");
    let now = facts(&tested)[fact].clone();
    assert_eq!(now["type"], "courtside.shot.made.v1");
    assert_eq!(
        (&now["data"]["who"], &now["data"]["by"]),
        (&json!("technician ana"), &json!("operator"))
    );
    hangs_together(&tested, "corrected");
    let (_, view) = ask(&tested, "GET", "/v1/games/final", &Value::Null);
    assert_eq!(points(&view["score"]), [1, 2]);
    let (status, _) = ask(&tested, "POST", "/v1/games/final/undo", &Value::Null);
    assert_eq!(status, 200);
    hangs_together(&tested, "undone");
    let (status, refused) = ask(&tested, "POST", "/v1/games/final/undo", &Value::Null);
    assert_eq!(status, 409, "{refused}");

    // One that nobody saw; and what is no shot of these rules.
    let add = json!({ "court": "north", "rim": 0, "verdict": "made", "ago_s": 1.0, "player": "7" });
    let (status, told) = ask(&tested, "POST", "/v1/games/final/shots", &add);
    assert_eq!(status, 200, "{told}");
    hangs_together(&tested, "added");
    let (status, refused) = ask(&tested, "POST", &path, &json!({ "points": 3 }));
    assert_eq!(status, 409, "{refused}");
    let (status, refused) = ask(&tested, "POST", &path, &json!({}));
    assert_eq!(status, 400, "{refused}");
    let nobody = "/v1/shots/00000000000000aa-shot-1/correct";
    assert_eq!(ask(&tested, "POST", nobody, &json!({ "verdict": "made" })).0, 404);

    let (status, view) = ask(&tested, "POST", "/v1/games/final/end", &Value::Null);
    assert_eq!((status, &view["told"]["state"]), (200, &json!("over")), "{view}");
    // A correction counts after the end; what the courts call then does not.
    assert_eq!(ask(&tested, "POST", &path, &json!({ "verdict": "made" })).0, 200);
    hangs_together(&tested, "corrected after the end");
    tested.show("north", &missed());
    let late = of_kind(&tested, "shot.missed").pop().expect("another");
    assert_eq!(late.get("game"), None, "{late}");
    let (_, games) = ask(&tested, "GET", "/v1/games", &Value::Null);
    assert_eq!(games["games"][0]["state"], "over");
    tested.stop();
}

#[test]
fn a_power_cut_at_any_write_of_a_game_leaves_one_score() {
    let mut whole = TestBox::with_courts(&["north", "south"]);
    whole.camera("north");
    start(&whole);
    let begun = whole.disk.operations();
    whole.show("north", &made());
    let writes = whole.disk.operations() - begun;
    whole.stop();
    assert!(writes > 20, "{writes}");
    // Every fifth: a cut at each takes minutes, and those of one attempt are alike.
    for stop in (0..writes).step_by(5) {
        let what = format!("stop {stop} of {writes}");
        let mut tested = TestBox::with_courts(&["north", "south"]);
        tested.camera("north");
        start(&tested);
        tested.disk.stop_after(tested.disk.operations() + stop);
        tested.show_until_the_disk_stops("north", &made());
        tested.power_cut(stop);
        tested.start().unwrap_or_else(|error| panic!("{what}: {error}"));
        tested.connected();
        tested.quiet();
        hangs_together(&tested, &what);
        // And it goes on.
        tested.camera("south");
        tested.show("south", &made());
        hangs_together(&tested, &what);
        tested.stop();
    }
}

/// What a path gives, once it is as somebody waits for; time passes meanwhile.
fn once(tested: &mut TestBox, path: &str, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for _ in 0..200 {
        let (_, told) = ask(tested, "GET", path, &Value::Null);
        if is_it(&told) {
            return told;
        }
        last = told;
        tested.pass(Duration::from_millis(200), Duration::from_millis(100));
    }
    panic!("{path} never was {what}: {last}");
}

fn tags(clip: &Value) -> Vec<&str> {
    let tags = clip["tags"].as_array().expect("tags").iter();
    tags.map(|tag| tag.as_str().expect("a word")).collect()
}

#[test]
fn a_clip_knows_its_game_is_found_by_what_it_shows_and_goes_with_its_game() {
    let mut tested = TestBox::with_courts(&["north", "south"]);
    tested.camera("north");
    // Before the game: a clip of the session.
    tested.show("north", &made());
    tested.show("north", &still(Shot::Nothing, 400));
    start(&tested);
    tested.show("north", &made());
    tested.show("north", &still(Shot::Nothing, 150));
    let shot = of_kind(&tested, "shot.made").pop().expect("a final");
    let fact = shot["fact"].as_str().expect("a fact").to_owned();
    let has_one = |told: &Value| told["clips"].as_array().is_some_and(|clips| clips.len() == 1);
    let told = once(&mut tested, "/v1/clips?game=final", "one clip", has_one);
    let clip = &told["clips"][0];
    assert_eq!((&clip["game"], &clip["court"]), (&json!("final"), &json!("north")), "{clip}");
    for tag in ["made", "1pt", "team:reds", "court:north", "rim:0", "period:1"] {
        assert!(tags(clip).contains(&tag), "{tag}: {clip}");
    }
    assert!(clip["score"].as_f64().is_some_and(|score| score > 0.0), "{clip}");
    let (_, all) = ask(&tested, "GET", "/v1/clips", &Value::Null);
    let games: Vec<&Value> =
        all["clips"].as_array().expect("clips").iter().map(|clip| &clip["game"]).collect();
    assert_eq!(games.len(), 2, "{all}");
    assert_eq!(games[0], &shot["session"], "what no game had is its session's");

    // Its team was another: the clip is found by that, and by the word of who keeps it.
    let correct = json!({ "team": "blues" });
    let (status, told) = ask(&tested, "POST", &format!("/v1/shots/{fact}/correct"), &correct);
    assert_eq!(status, 200, "{told}");
    let blues = "/v1/clips?tag=team:blues,1pt,corrected";
    once(&mut tested, blues, "the corrected one", has_one);
    let id = clip["id"].as_str().expect("an id");
    let keep = json!({ "note": "what a #dunk" });
    assert_eq!(ask(&tested, "POST", &format!("/v1/clips/{id}/keep"), &keep).0, 200);
    once(&mut tested, "/v1/clips?tag=dunk", "the dunk", has_one);
    let (_, none) = ask(&tested, "GET", "/v1/clips?tag=team:reds", &Value::Null);
    assert_eq!(none["clips"], json!([]));
    let (status, manifest) = ask(&tested, "GET", "/v1/games/final/manifest", &Value::Null);
    assert_eq!((status, &manifest["live"]), (200, &json!(true)), "{manifest}");
    let (status, _) = ask(&tested, "GET", "/v1/courts/north/live.m3u8?game=final", &Value::Null);
    assert_eq!(status, 200);
    let (status, _) = ask(&tested, "GET", "/v1/courts/north/live.m3u8?game=other", &Value::Null);
    assert_eq!(status, 404);

    // The game is forgotten; what was before it stays.
    let (status, went) = ask(&tested, "POST", "/v1/deletions", &json!({ "game": "final" }));
    let gone = went["clips"].as_array().is_some_and(|clips| clips.contains(&json!(id)));
    assert!(status == 200 && gone, "{went}");
    let (_, entry) = ask(&tested, "GET", &format!("/v1/clips/{id}"), &Value::Null);
    assert!(entry.get("media").is_none() && entry["deleted_ns"].is_i64(), "{entry}");
    let (_, all) = ask(&tested, "GET", "/v1/clips", &Value::Null);
    assert!(all["clips"][0].get("media").is_some(), "{all}");
    let (_, audit) = ask(&tested, "GET", "/v1/deletions", &Value::Null);
    assert!(audit.to_string().contains(r#""game":"final""#), "{audit}");
    tested.stop();
}

/// A file of the labels, as JSON.
fn labels(tested: &TestBox, file: &str) -> Value {
    let path = Path::new(DATA).join("labels").join(file);
    let bytes = courtside::disk::read_whole(&tested.disk, &path, 1 << 20);
    bytes.map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).expect("JSON"))
}

fn names(tested: &TestBox, folder: &str) -> Vec<String> {
    tested.disk.names(&Path::new(DATA).join("labels").join(folder)).unwrap_or_default()
}

/// The labels, once they are as somebody waits for.
fn learnt(tested: &mut TestBox, what: &str, is_it: impl Fn(&Value, &[String]) -> bool) -> Value {
    for _ in 0..200 {
        let (clips, quiet) = (labels(tested, "rims.json"), names(tested, "streams"));
        if is_it(&clips, &quiet) {
            return clips;
        }
        tested.pass(Duration::from_millis(500), Duration::from_millis(100));
    }
    panic!(
        "labels never were {what}: {} {:?}",
        labels(tested, "labels.json"),
        names(tested, "clips")
    );
}

#[test]
fn a_correction_becomes_a_label_that_training_reads() {
    let mut tested = TestBox::with_courts(&["north"]);
    tested.camera("north");
    tested.show("north", &still(Shot::Nothing, 90));
    tested.show("north", &made());
    tested.show("north", &still(Shot::Nothing, 120));
    let shot = of_kind(&tested, "shot.made").pop().expect("a final");
    let fact = shot["fact"].as_str().expect("a fact").to_owned();
    let path = format!("/v1/shots/{fact}/correct");
    assert_eq!(ask(&tested, "POST", &path, &json!({ "verdict": "missed" })).0, 200);
    let one = |clips: &Value, _: &[String]| clips.as_array().is_some_and(|clips| clips.len() == 1);
    let clips = learnt(&mut tested, "one", one);
    let label = &clips[0];
    assert_eq!((&label["outcome"], &label["court"]), (&json!("missed"), &json!("north")));
    let number = |key: &str| label[key].as_f64().expect("a number");
    assert!((number("t_truth") - number("t_rim") - 0.2).abs() < 1e-9, "{label}");
    assert!((2.4..6.0).contains(&number("t_rim")), "from the key picture before it: {label}");
    assert!((24.0..26.0).contains(&number("fps")), "{label}");
    assert_eq!(label["rim"].as_array().map(Vec::len), Some(4), "{label}");
    let file = label["file"].as_str().expect("a file");
    assert_eq!(names(&tested, "clips"), [file.strip_prefix("clips/").expect("there")]);
    // The ring need not hold it any longer.
    let id = format!("north-{fact}-label");
    let released = |entry: &Value| entry["pinned"] == false;
    once(&mut tested, &format!("/v1/clips/{id}"), "released", released);

    // After all there was no shot: a later word replaces the label, after a power cut too.
    assert_eq!(ask(&tested, "POST", &path, &json!({ "verdict": "none" })).0, 200);
    tested.power_cut(3);
    tested.start().expect("it starts");
    tested.connected();
    let quiet = |clips: &Value, quiet: &[String]| clips == &json!([]) && quiet.len() == 1;
    learnt(&mut tested, "a quiet one", quiet);
    let stream = labels(&tested, &format!("streams/{id}.json"));
    assert_eq!((&stream["attempts"], &stream["file"]), (&json!([]), &json!(format!("../{file}"))));

    // Both words are taken back: nothing was said.
    for _ in 0..2 {
        assert_eq!(ask(&tested, "POST", &format!("/v1/shots/{fact}/undo"), &Value::Null).0, 200);
    }
    let gone = |clips: &Value, quiet: &[String]| clips == &json!([]) && quiet.is_empty();
    learnt(&mut tested, "gone", gone);
    until(|| names(&tested, "clips").is_empty().then_some(()), || "its footage goes".to_owned());
    tested.stop();
}

#[test]
fn what_is_deleted_on_demand_is_learnt_from_no_more() {
    let mut tested = TestBox::with_courts(&["north"]);
    tested.camera("north");
    tested.show("north", &still(Shot::Nothing, 90));
    tested.show("north", &made());
    tested.show("north", &still(Shot::Nothing, 120));
    let shot = of_kind(&tested, "shot.made").pop().expect("a final");
    let fact = shot["fact"].as_str().expect("a fact").to_owned();
    let path = format!("/v1/shots/{fact}/correct");
    assert_eq!(ask(&tested, "POST", &path, &json!({ "verdict": "missed" })).0, 200);
    learnt(&mut tested, "one", |clips, _| clips.as_array().is_some_and(|clips| clips.len() == 1));
    tested.camera_gone("north");
    let session = json!({ "session": shot["session"] });
    assert_eq!(ask(&tested, "POST", "/v1/deletions", &session).0, 200);
    learnt(&mut tested, "gone", |clips, _| clips == &json!([]));
    until(|| names(&tested, "clips").is_empty().then_some(()), || "its footage goes".to_owned());
    // Nor does a start learn it again.
    tested.stop();
    tested.start().expect("it starts");
    tested.connected();
    tested.pass(Duration::from_secs(20), Duration::from_secs(1));
    assert_eq!(labels(&tested, "labels.json")["labels"], json!([]));
    tested.stop();
}

#[test]
fn what_a_game_tells_before_any_picture_has_the_time_when_it_was() {
    let mut tested = TestBox::with_courts(&["north", "south"]);
    let began = tested.clock.utc();
    start_by(&tested, "fiba-5x5");
    tested.pass(Duration::from_secs(90), Duration::from_secs(1));
    let tapped = tested.clock.utc();
    assert_eq!(ask(&tested, "POST", "/v1/games/final/period", &json!({ "n": 2 })).0, 200);
    tested.pass(Duration::from_secs(60), Duration::from_secs(1));
    let told = of_kind(&tested, "game");
    let times: Vec<&Value> = told.iter().map(|event| &event["time"]).collect();
    let near = |time: &Value, expected: courtside::media::UtcTime| {
        let time = courtside::media::UtcTime::from_rfc3339(time.as_str().expect("a time"));
        let off = time.expect("a time").nanos_since(expected).abs();
        assert!(off < 2_000_000_000, "{off} ns: {told:?}");
    };
    near(times[0], began);
    near(times[1], tapped);
    assert!(told.iter().all(|event| event["clocksource"] == "arrival"), "{told:?}");
    tested.stop();
}

#[test]
fn a_period_that_is_tapped_late_takes_its_shots_along_with_their_sides() {
    let mut tested = TestBox::with_courts(&["north", "south"]);
    tested.camera("north");
    start_by(&tested, "fiba-5x5");
    tested.pass(Duration::from_secs(3), Duration::from_millis(100));
    tested.show("north", &made());
    let shot = of_kind(&tested, "shot.made").pop().expect("a final");
    let fact = shot["fact"].as_str().expect("a fact").to_owned();
    assert_eq!(
        (&shot["data"]["team"], &shot["data"]["team_by"]),
        (&json!("reds"), &json!("rules"))
    );
    let utc = courtside::media::UtcTime::from_rfc3339(shot["time"].as_str().expect("a time"));
    let at = |seconds: i64| utc.expect("a time").plus_nanos(seconds * 1_000_000_000).to_rfc3339();
    tested.pass(Duration::from_secs(20), Duration::from_secs(1));
    let path = "/v1/games/final/period";
    // The second half had begun before that shot, and teams had changed baskets.
    let (status, view) = ask(&tested, "POST", path, &json!({ "n": 3, "at": at(-1) }));
    assert_eq!(status, 200, "{view}");
    assert_eq!(points(&view["score"]), [0, 2], "{view}");
    assert_eq!(view["shots"][0]["period"], 3, "{view}");
    let told = facts(&tested)[&fact].clone();
    assert_eq!(
        (&told["data"]["team"], &told["data"]["team_by"]),
        (&json!("blues"), &json!("rules"))
    );
    assert_eq!(told["data"].get("by"), None, "nobody corrected it: {told}");
    hangs_together(&tested, "tapped late");
    // Whose an added one is decides at which rim it was.
    let added = json!({ "verdict": "made", "team": "blues", "ago_s": 0.5 });
    assert_eq!(ask(&tested, "POST", "/v1/games/final/shots", &added).0, 200);
    let last = of_kind(&tested, "shot.made").pop().expect("one");
    assert_eq!(
        (&last["source"], &last["data"]["rim"]),
        (&json!("courtside:rim-1/north"), &json!(0))
    );
    // It was after that shot after all, and by a word of how long ago.
    let (status, view) = ask(&tested, "POST", path, &json!({ "n": 3, "ago_s": 1.5 }));
    assert_eq!((status, points(&view["score"])), (200, [2, 2]), "{view}");
    hangs_together(&tested, "moved back");
    // What a person says of a team no period takes back.
    let correct = format!("/v1/shots/{fact}/correct");
    assert_eq!(ask(&tested, "POST", &correct, &json!({ "team": "reds" })).0, 200);
    let (status, view) = ask(&tested, "POST", path, &json!({ "n": 3, "at": at(-1) }));
    assert_eq!((status, points(&view["score"])), (200, [2, 2]), "{view}");
    for (wrong, status) in [
        (json!({ "n": 3, "at": at(3_600) }), 409),
        (json!({ "n": 1, "ago_s": 1.0 }), 409),
        (json!({ "n": 3, "at": "yesterday" }), 400),
        (json!({ "n": 3, "ago_s": -1.0 }), 400),
        (json!({ "n": 3, "ago_s": 1.0, "at": at(-1) }), 400),
    ] {
        assert_eq!(ask(&tested, "POST", path, &wrong).0, status, "{wrong}");
    }
    // A start has nothing to tell of it.
    let before = tested.told();
    tested.stop();
    tested.start().expect("it starts");
    tested.pass(Duration::from_secs(3), Duration::from_millis(100));
    assert_eq!(tested.told(), before);
    hangs_together(&tested, "after a start");
    tested.stop();
}

#[test]
fn what_people_add_and_say_counts_alike_wherever_it_is_told() {
    let mut tested = TestBox::with_courts(&["north"]);
    tested.connected();
    let asked = |attacks: Value| {
        json!({
            "id": "final", "rules": "pickup-21", "courts": ["north"], "attacks": attacks,
            "teams": [{ "id": "reds" }, { "id": "blues" }],
            "players": [{ "id": "7", "team": "reds", "name": "Ana" }],
        })
    };
    let detail = |told: &Value| told["detail"].as_str().unwrap_or_default().to_owned();
    let nine = json!([{ "court": "north", "rim": 9, "team": "reds" }]);
    let (status, refused) = ask(&tested, "POST", "/v1/games", &asked(nine));
    assert_eq!(status, 400, "{refused}");
    assert!(detail(&refused).contains("has no rim 9: it has 1"), "{refused}");
    assert_eq!(ask(&tested, "POST", "/v1/games", &asked(json!([]))).0, 201);
    let shots = "/v1/games/final/shots";
    let shot = |more: Value| {
        let mut shot = json!({ "court": "north", "rim": 0, "verdict": "made" });
        let more = more.as_object().expect("an object").clone();
        shot.as_object_mut().expect("an object").extend(more);
        shot
    };
    tested.pass(Duration::from_secs(3), Duration::from_millis(100));

    // No camera came: what is not seen can be said all the same.
    let blues = shot(json!({ "ago_s": 1.0, "team": "blues", "points": 2 }));
    let (status, told) = ask(&tested, "POST", shots, &blues);
    assert_eq!(status, 200, "{told}");
    hangs_together(&tested, "added without a camera");
    let first = of_kind(&tested, "shot.made").pop().expect("one");
    assert_ne!(first["clocksource"], "none", "by the box's clock: {first}");
    // One by a player has the team of the player.
    assert_eq!(ask(&tested, "POST", shots, &shot(json!({ "ago_s": 0.5, "player": "7" }))).0, 200);
    hangs_together(&tested, "added by player");
    // And one that pends, once its player is named: the shot itself says so, not the score alone.
    let (status, told) = ask(&tested, "POST", shots, &shot(json!({ "ago_s": 0.2 })));
    assert_eq!(status, 200, "{told}");
    let fact = told["fact"].as_str().expect("a fact").to_owned();
    assert_eq!(facts(&tested)[&fact]["data"].get("team"), None);
    let path = format!("/v1/shots/{fact}/correct");
    assert_eq!(ask(&tested, "POST", &path, &json!({ "player": "7" })).0, 200);
    assert_eq!(facts(&tested)[&fact]["data"]["team"], "reds");
    hangs_together(&tested, "corrected by player");
    let (_, view) = ask(&tested, "GET", "/v1/games/final", &Value::Null);
    assert_eq!(points(&view["score"]), [2, 2]);

    // Not of the game: from before it; of one that never was; a period that its rules have not.
    for ago in [3_600.0, 1e7] {
        let (status, refused) = ask(&tested, "POST", shots, &shot(json!({ "ago_s": ago })));
        assert_eq!(status, 409, "{refused}");
        assert!(detail(&refused).contains("the game began after that"), "{refused}");
    }
    let (status, refused) =
        ask(&tested, "POST", "/v1/games/csv/shots", &shot(json!({ "ago_s": 1 })));
    assert_eq!(status, 404, "{refused}");
    assert!(detail(&refused).contains("no game `csv` is known"), "{refused}");
    let period = json!({ "n": 2 });
    let (status, refused) = ask(&tested, "POST", "/v1/games/final/period", &period);
    assert_eq!(status, 409, "{refused}");
    assert!(detail(&refused).contains("have no overtime"), "{refused}");

    // After the end, without a camera still: it was not later than the end.
    let (status, view) = ask(&tested, "POST", "/v1/games/final/end", &Value::Null);
    assert_eq!((status, &view["told"]["ended"]), (200, &json!("operator")), "{view}");
    tested.pass(Duration::from_secs(60), Duration::from_secs(1));
    let late = shot(json!({ "ago_s": 0.1, "team": "blues" }));
    assert_eq!(ask(&tested, "POST", shots, &late).0, 200);
    let (_, view) = ask(&tested, "GET", "/v1/games/final", &Value::Null);
    assert_eq!(points(&view["score"]), [2, 3]);
    let last = of_kind(&tested, "shot.made").pop().expect("one");
    let end = of_kind(&tested, "game").pop().expect("over");
    assert_eq!(end["data"]["state"], "over");
    let [last, end] =
        [&last["time"], &end["data"]["ended_at"]].map(|at| at.as_str().expect("a time"));
    assert!(last <= end, "{last} is after {end}");
    tested.stop();
}
