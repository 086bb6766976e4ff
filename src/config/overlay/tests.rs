//! What is laid over a file, what is refused and how, and that no mutated configuration does harm.

use std::io;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use serde_json::json;

use super::*;
use crate::config::plan::plan;

const FILE: &str = r#"
[box]
name = "rim-1"
data_dir = "/var/lib/courtside"
[uplink]
broker = "mqtt://127.0.0.1:1883"
[[court]]
name = "a"
stream_key = "north-hoop-1"
rims = [[612, 188, 44, 22]]
[[court]]
name = "b"
stream_key_file = "south-key"
rims = [[10, 20, 44, 22], [300, 20, 44, 22]]
"#;

pub(crate) fn laid(overlay: Json) -> Result<Config, Vec<Refusal>> {
    let read = |path: &Path| match path.to_str() {
        Some("/etc/courtside/south-key" | "/etc/courtside/other-key") => {
            Ok(format!("{}-secret\n", path.display().to_string().replace('/', ".")))
        }
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let origin = Origin {
        file: Path::new("/etc/courtside/c.toml"),
        credentials: None,
        hostname: Some("hall\n"),
        read: &read,
    };
    let base = Base::new(FILE).expect("TOML");
    let overlay = Overlay::new(overlay).map_err(|refused| vec![refused])?;
    base.with(&overlay, &origin)
}

fn told(overlay: Json) -> String {
    let refused = laid(overlay).err().unwrap_or_default();
    let line = |refusal: &Refusal| format!("{}: {}", refusal.path, refusal.reason);
    refused.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn taken(overlay: Json) -> Config {
    laid(overlay).unwrap_or_else(|refused| panic!("{refused:?}"))
}

#[test]
fn what_is_not_named_is_as_in_the_file() {
    let plain = taken(json!({}));
    let changed = taken(json!({
        "uplink": { "broker": "mqtt://10.0.0.7", "username": "rim-1" },
        "court": { "a": { "rims": [[1, 2, 44, 22.5]] }, "b": null,
                   "c": { "stream_key": "a-new-key-of-c" } },
    }));
    let broker = changed.uplink.broker.as_ref().map(crate::config::Broker::url);
    assert_eq!(broker.as_deref(), Some("mqtt://10.0.0.7:1883"));
    assert_eq!(changed.uplink.username.as_deref(), Some("rim-1"));
    assert_eq!(changed.courts[0].stream_key.expose(), "north-hoop-1", "as in the file");
    assert_eq!(changed.courts[0].rims[0].h, 22.5);
    let names: Vec<&str> = changed.courts.iter().map(|court| court.name.as_str()).collect();
    assert_eq!(names, ["a", "c"]);
    assert_eq!(plain.to_toml(), taken(json!({ "court": { "x": null } })).to_toml());
    // A table that is taken away is one that stands nowhere: its defaults hold.
    assert_eq!(taken(json!({ "health": null })).health.log, "info");
    // The other way to say a key takes the place of the one in the file.
    let other = taken(json!({ "court": {
        "a": { "stream_key_file": "other-key" }, "b": { "stream_key": "12345678-b" },
    } }));
    assert_eq!(other.courts[0].stream_key.expose(), ".etc.courtside.other-key-secret");
    assert_eq!(other.courts[1].stream_key.expose(), "12345678-b");
}

#[test]
fn a_whole_file_is_an_overlay_too() {
    let file: Table = FILE.replace("612", "600").parse().expect("TOML");
    let mut overlay = Overlay::of_file(file).unwrap_or_else(|refused| panic!("{refused:?}"));
    assert!(overlay.names("court.b.rims") && overlay.names("box.data_dir"));
    assert!(!overlay.names("court.c.rims") && !overlay.names("health.log"));
    assert!(told(overlay.exposed()).starts_with("box.data_dir: this key stands in"));
    let appliance = overlay.0.get_mut("box").and_then(Json::as_object_mut).expect("[box]");
    appliance.remove("data_dir");
    assert_eq!(taken(overlay.exposed()).courts[0].rims[0].x, 600.0);
}

#[test]
fn a_refusal_says_which_key_and_what_to_write() {
    let rows = [
        json!({ "uplink": { "brokr": "mqtt://h" } }),
        json!({ "uplink": { "broker": "tcp://h" } }),
        json!({ "uplink": { "broker": null } }),
        json!({ "uplink": null }),
        json!({ "uplnk": { "broker": "mqtt://h" } }),
        json!({ "log": "debug" }),
        json!({ "helth": "debug" }),
        json!({ "court": { "a": null, "b": null } }),
        json!({ "court": { "a": { "rims": [[1, 2, 44, 22], [1, 2, 3]] } } }),
        json!({ "court": { "a": { "rims": [[1, 2, 44, 22], ["x", 2, 44, 22]] } } }),
        json!({ "court": { "a": { "rimz": [] } } }),
        json!({ "court": { "a": { "name": "z" } } }),
        json!({ "court": { "c": {} } }),
        json!({ "court": { "A b": { "stream_key": "12345678" } } }),
        json!({ "court": [{ "name": "a" }] }),
        json!({ "court": { "a": { "camera_delay_ms": "5" }, "b": { "rims_of": [0, 1] } } }),
        json!({ "court": { "a": { "camera_delay_ms": 70_000 }, "b": { "rims_of": [0, 1] } } }),
        json!({ "court": { "a": { "rims": [null] } } }),
        json!({ "court": { "b": { "stream_key": "north-hoop-1" } } }),
        json!({ "box": { "data_dir": "/tmp" }, "detect": { "onnxruntime": "/tmp/x.so" } }),
        json!({ "ring": { "quota_bytes": 1 } }),
        json!({ "ring": { "quota_bytes": u64::MAX } }),
        json!({ "detect": { "bundles": ["rimnet", "../x"] } }),
        json!({ "detect": { "bundles": [[[[[[[[[[1]]]]]]]]]] } }),
        json!({ "health": { "log": "info\n\u{202e}" } }),
        json!({ "health": { "a b\n": 1 } }),
        json!([]),
    ];
    let lines: Vec<String> = rows
        .into_iter()
        .map(|row| {
            let said = told(row.clone());
            assert!(!said.is_empty(), "{row} is taken");
            format!("{}\n    {}", Foreign::told(&row), said.replace('\n', "\n    "))
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_secret_is_told_in_no_refusal() {
    for overlay in [
        json!({ "court": { "a": { "stream_key": "planted secret" } } }),
        json!({ "court": { "a": { "stream_key": 271_828_182 } } }),
        json!({ "court": { "a": { "stream_key": ["planted secret"] } } }),
        json!({ "court": { "a": { "stream_key": { "planted secret": "planted secret" } } } }),
        json!({ "court": { "a": { "stream_key": "planted-secret" },
                           "b": { "stream_key": "planted-secret" } } }),
        json!({ "court": { "a": { "stream_key": "planted-secret", "rims": 7 } } }),
        json!({ "court": { "a": { "stream_key": "planted-secret", "rims": "planted-secret" } } }),
        json!({ "court": { "a": { "stream_kye": "planted-secret" } } }),
        json!({ "uplink": { "broker": "mqtt://rim:planted-secret@h" } }),
    ] {
        let said = told(overlay.clone());
        assert!(!said.is_empty(), "{overlay} is taken");
        let planted = ["planted", "271828182", "271_828_182"];
        assert!(!planted.iter().any(|secret| said.contains(secret)), "{said}");
    }
}

/// A value that stands somewhere in the schema, or nowhere.
fn value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (0..70_000_i64).prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "\\PC{0,12}".prop_map(Json::from),
        any::<String>().prop_map(Json::from),
        prop_oneof![
            "mqtt://[a-z]{1,9}",
            "[a-z0-9-]{8,20}",
            "(info|warn|debug)",
            "1[.]2[.]3[.]4:[1-9]{1,4}"
        ]
        .prop_map(Json::from),
        Just(json!([[612, 188, 44, 22]])),
        Just(json!([1280, 720])),
        Just(json!(["rimnet"])),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            proptest::collection::btree_map("[a-z_\\PC]{0,6}", inner, 0..3)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

/// Mostly keys that there are, with values that may be theirs.
fn overlay() -> impl Strategy<Value = Json> {
    let known: Vec<String> = keys().keys().cloned().collect();
    let right = prop_oneof![
        Just(("uplink.broker".to_owned(), json!("mqtt://10.1.2.3:1884"))),
        Just(("uplink.username".to_owned(), json!("rim"))),
        Just(("health.log".to_owned(), json!("debug"))),
        Just(("court.rims".to_owned(), json!([[1.5, 2, 40, 20]]))),
        Just(("court.stream_key".to_owned(), json!("another-key-7"))),
        (0..60_000_i64).prop_map(|ms| ("court.camera_delay_ms".to_owned(), json!(ms))),
        Just(("ring.pin_days".to_owned(), json!(7))),
        Just(("detect.calibrate".to_owned(), json!("on"))),
        Just(("http.listen".to_owned(), json!("127.0.0.1:9090"))),
        Just(("box.name".to_owned(), json!("rim-2"))),
        Just(("court".to_owned(), json!(null))),
    ];
    let any_key = (proptest::sample::select(known), value());
    let strange = ("[a-z]{1,6}([.][a-z_\\PC]{0,8}){0,2}", value());
    let one = prop_oneof![6 => right, 2 => any_key, 1 => strange];
    let court =
        prop_oneof![4 => Just("a".to_owned()), 2 => Just("b".to_owned()), 1 => "[a-z]{1,3}"];
    proptest::collection::vec((one, court), 0..4).prop_map(|written| {
        let mut overlay = json!({});
        for ((path, value), court) in written {
            let mut parts: Vec<&str> = path.split('.').collect();
            if parts[0] == "court" {
                parts.insert(1, &court);
            }
            let mut at = &mut overlay;
            for part in &parts {
                if !at.is_object() {
                    *at = json!({});
                }
                at = &mut at[*part];
            }
            *at = value;
        }
        overlay
    })
}

#[test]
fn ten_thousand_mutated_configurations_are_refused_or_planned() {
    let counts = std::cell::Cell::new((0_u32, 0_u32));
    let current = taken(json!({}));
    let cases = Cases { cases: 10_000, failure_persistence: None, ..Cases::default() };
    let mut runner = TestRunner::new(cases);
    let run = runner.run(&overlay(), |overlay| {
        let (mut refused, mut planned) = counts.get();
        match laid(overlay) {
            Err(said) => {
                refused += 1;
                prop_assert!(!said.is_empty());
                for refusal in &said {
                    prop_assert!(!refusal.path.is_empty() && !refusal.reason.is_empty());
                    prop_assert!(!refusal.reason.contains("another-key-7"), "{:?}", refusal);
                }
            }
            Ok(desired) => {
                planned += 1;
                prop_assert_eq!(plan(&desired, &desired), Vec::new());
                let changes = plan(&current, &desired);
                let now = current.with_live_keys_of(&desired);
                let waits: Vec<_> = changes
                    .iter()
                    .filter(|change| change.applies == crate::event::words::Applies::Restart)
                    .cloned()
                    .collect();
                // What was applied at once is what the plan says; what waits is the rest.
                prop_assert_eq!(plan(&now, &desired), waits.clone());
                let applied = plan(&current, &now);
                prop_assert_eq!(applied.len() + waits.len(), changes.len());
            }
        }
        counts.set((refused, planned));
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    let (refused, planned) = counts.get();
    assert!(refused > 1_000 && planned > 1_000, "{refused} refused, {planned} planned");
}
