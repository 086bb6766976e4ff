//! Mutated configurations against a running box: none stops it, and what is refused or hot is not noticed
//! by a court that plays.
//!
//! `COURTSIDE_MUTATIONS=10000 cargo test --test scenarios mutated` tries as many; `COURTSIDE_SEED` takes
//! another seed.

use std::collections::BTreeMap;
use std::time::Duration;

use courtside::config::keys;
use courtside::event::words::DesiredOutcome;
use serde_json::{Map, Value, json};

use crate::film::{Shot, still};
use crate::testbox::TestBox;

/// Of an ordinary run (chosen: some seconds).
const MUTATIONS: u32 = 400;

/// xorshift64*: the same seed gives the same run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let rolled = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(rolled).expect("31 bits") % below
    }

    fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len())]
    }
}

/// A value that a key may be given, right or not.
fn value(dice: &mut Dice) -> Value {
    let texts = [
        "",
        "debug",
        "info",
        "on",
        "off",
        "auto",
        "mqtt://127.0.0.1:1",
        "mqtts://h",
        "a b",
        "127.0.0.1:0",
        "0.0.0.0:99999",
        "/nowhere",
        "../..",
        "\u{202e}x\u{7}",
        "north",
        "🏀",
        "key-of-another-court",
    ];
    match dice.roll(12) {
        0 => Value::Null,
        1 => json!(dice.roll(2) == 0),
        2 => json!(dice.roll(100)),
        3 => json!(i64::MAX - dice.roll(3) as i64),
        4 => json!(-(dice.roll(1000) as i64)),
        5 => json!(f64::from(u32::try_from(dice.roll(1 << 20)).expect("small")) / 7.0),
        6 => json!([]),
        7 => json!([[dice.roll(2000), dice.roll(2000), dice.roll(90), dice.roll(60)]]),
        8 => json!({ *dice.one_of(&texts): dice.roll(9) }),
        9 => json!("x".repeat(dice.roll(5000))),
        10 => json!([dice.one_of(&texts), dice.roll(9)]),
        _ => json!(dice.one_of(&texts)),
    }
}

/// A configuration that changes one to three keys of those that there are, or of others.
fn wanted(dice: &mut Dice, paths: &[String]) -> Value {
    let mut config = Map::new();
    for _ in 0..=dice.roll(3) {
        let mut path: Vec<String> = dice.one_of(paths).split('.').map(str::to_owned).collect();
        if path[0] == "court" {
            let court = *dice.one_of(&["north", "south", "west", "", "no such"]);
            path.insert(1, court.to_owned());
        }
        if dice.roll(12) == 0 {
            path.truncate(1 + dice.roll(path.len()));
        }
        if dice.roll(15) == 0 {
            let last = path.len() - 1;
            path[last].push('x');
        }
        let mut at = &mut config;
        let last = path.pop().expect("a key");
        for part in path {
            let table = at.entry(part).or_insert_with(|| json!({}));
            if !table.is_object() {
                *table = json!({});
            }
            at = table.as_object_mut().expect("an object");
        }
        at.insert(last, value(dice));
    }
    Value::Object(config)
}

/// Bytes of a message, some of them others.
fn damaged(dice: &mut Dice, body: &str) -> Vec<u8> {
    let mut bytes = body.as_bytes().to_vec();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(bytes.len());
        match dice.roll(4) {
            0 => bytes[at] = u8::try_from(dice.roll(256)).expect("a byte"),
            1 => bytes.truncate(at.max(1)),
            2 => bytes.insert(at, b'{'),
            _ => {
                let again = bytes.clone();
                bytes.extend(again.iter().take(at));
            }
        }
    }
    bytes
}

/// What of a court's configuration, if it changes, has its camera come again.
fn stream_keys_of(tested: &TestBox) -> Value {
    let mut north = tested.reported().config["court"]["north"].clone();
    if let Some(north) = north.as_object_mut() {
        north.retain(|key, _| {
            let applies = keys().iter().find(|(path, _)| path.rsplit('.').next() == Some(key));
            applies.is_none_or(|(_, key)| key.applies.word() != "hot")
        });
    }
    north
}

#[test]
fn no_mutated_configuration_stops_a_box_and_a_court_that_plays_notices_none_that_is_refused() {
    let of = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let count = of("COURTSIDE_MUTATIONS").unwrap_or(u64::from(MUTATIONS));
    let seed = of("COURTSIDE_SEED").unwrap_or(20_261_129);
    let mut dice = Dice(seed);
    let paths: Vec<String> = keys().keys().cloned().collect();
    let mut tested = TestBox::with_courts(&["north", "south"]);
    tested.camera("north");
    tested.show("north", &still(Shot::Nothing, 2));
    let file = stream_keys_of(&tested);
    let (mut told, mut built, mut revision, mut shown) = (BTreeMap::new(), 0, 0, 0_u64);
    for number in 0..count {
        revision += 1;
        let config = wanted(&mut dice, &paths);
        let body = json!({ "revision": revision, "config": config }).to_string();
        let body = if dice.roll(5) == 0 { damaged(&mut dice, &body) } else { body.into_bytes() };
        let text = String::from_utf8_lossy(&body).into_owned();
        let (session, before) = (tested.stream("north").session, tested.reported());
        let became = tested.desired_bytes("north", body);
        let after = tested.reported();
        revision = revision.max(after.seen);
        *told.entry(became.outcome.word()).or_insert(0_u32) += 1;
        if became.outcome == DesiredOutcome::Refused {
            assert!(!became.errors.is_empty(), "seed {seed}, {number}: no reason: {text}");
            assert_eq!(after.hash, before.hash, "seed {seed}, {number}: {text}");
        }
        if stream_keys_of(&tested) == file {
            let why = || format!("seed {seed}, {number}: its publisher noticed {text}");
            assert_eq!(tested.stream("north").session, session, "{}", why());
            tested.show("north", &still(Shot::Nothing, 1));
            shown += 1;
        } else {
            // It was to be built anew: all is as in the file again, and its camera comes back.
            built += 1;
            tested.cameras_read_goodbyes("north");
            revision += 1;
            let back = tested.desired(revision, json!({}));
            assert!(back.errors.is_empty(), "seed {seed}, {number}: {text}: {back:?}");
            assert_eq!(stream_keys_of(&tested), file, "seed {seed}, {number}: {text}");
            tested.camera("north");
            tested.show("north", &still(Shot::Nothing, 1));
            shown += 1;
        }
    }
    // Whatever it was left with, it is what it was once nothing is wanted any more.
    let back = tested.desired(revision + 1, json!({}));
    assert!(back.errors.is_empty(), "{back:?}");
    tested.pass(Duration::from_secs(62), Duration::from_secs(1));
    tested.connected();
    let lost: u64 = ["ring", "decode", "decoder", "model:rimnet", "game"]
        .map(|hop| tested.dropped("north", hop))
        .iter()
        .sum();
    assert_eq!(lost, 0, "seed {seed}");
    assert!(shown > count / 2 && told.contains_key("refused") && told.contains_key("applied"));
    println!("{count} mutated: {told:?}, {built} built north anew, {shown} pictures, none lost");
    tested.stop();
}
