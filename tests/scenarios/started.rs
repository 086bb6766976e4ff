//! A game that was started, over two courts: one score, corrections, and a power cut at any write.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::film::{made, missed};
use crate::testbox::TestBox;

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
    let asked = json!({
        "id": "final", "rules": "pickup-21", "courts": ["north", "south"],
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
