//! Text from outside is `Foreign` from the door on: a scan that finds doors, fields and prints where it
//! is not. What it cannot see, the log's own net catches (`health/harmless.rs`).

use std::collections::BTreeSet;
use std::fs;

use crate::{TEST_FILES, code, fail, named, root, rust_files, shipped};

/// By which text from outside comes in: bytes of peers, names of files, words of brokers, values of AMF,
/// what GStreamer says of a stream.
const DOORS: &[&str] = &[
    "from_utf8_lossy",
    "to_string_lossy",
    "reason_string",
    ".file_name()",
    "Value::text",
    ".object_text(",
    "error.error()",
    "warning.error()",
];

/// Where errors of libraries quote peers: there no error becomes a text by itself.
const QUOTING: &[&str] = &[
    "src/decode/file.rs",
    "src/decode/pipeline.rs",
    "src/ingest/server.rs",
    "src/uplink/mqtt.rs",
    "src/broker/tls.rs",
];

/// Doors behind which no text is told to anybody: a file, the door, and why.
const EXCUSED: &[(&str, &str, &str)] = &[
    ("src/media/foreign.rs", "from_utf8_lossy", "the one function"),
    ("src/media/foreign.rs", "to_string_lossy", "the one function"),
    ("src/rtmp/amf0.rs", "from_utf8_lossy", "a value: who tells it takes it through `Foreign`"),
    ("src/rtmp/message.rs", "Value::text", "hands a value on"),
    ("src/rtmp/client.rs", "Value::text", "compared; what is told goes through `Foreign`"),
    ("src/rtmp/session.rs", ".object_text(", "the application's name is compared, never told"),
    ("src/ingest/stream.rs", "Value::text", "a date and a time of day are parsed"),
    ("src/detect/bundle/files.rs", "from_utf8_lossy", "a manifest's text is parsed"),
    (
        "src/broker/trouble.rs",
        "reason_string",
        "into a DISCONNECT, which is told through `Foreign`",
    ),
    ("src/claim/serial.rs", "from_utf8_lossy", "a serial number is parsed"),
    ("src/claim/stick.rs", ".file_name()", "compared"),
    ("src/config/claim.rs", "to_string_lossy", "searched for a star"),
    ("src/clips/files.rs", ".file_name()", "a path is built of it"),
    ("src/disk/format.rs", "to_string_lossy", "a path is built of it"),
    ("src/disk/format.rs", ".file_name()", "a path is built of it"),
    ("src/disk/ours.rs", "to_string_lossy", "compared, and a path is built of it"),
    ("src/disk/ours.rs", ".file_name()", "compared, and a path is built of it"),
    ("src/device/render.rs", ".file_name()", "compared"),
    ("src/disk/forgetful.rs", ".file_name()", "a disk of tests"),
    ("src/disk/real.rs", ".file_name()", "a path is built of it"),
    ("src/tools/demo.rs", "to_string_lossy", "a path for a file of ours"),
    ("src/tools/beside.rs", ".file_name()", "a path is built of it"),
    ("src/tools/provision/folder.rs", ".file_name()", "a path is built of it"),
    (
        "src/tools/demo.rs",
        "from_utf8_lossy",
        "a number is parsed, or it goes into an error of `tell`",
    ),
    ("src/tools/completions.rs", "from_utf8_lossy", "made by clap of our own words"),
    ("src/tools/bench/latency.rs", "to_string_lossy", "a path for a file of ours"),
    ("src/tools/rig/camera.rs", "to_string_lossy", "a path for a pipeline"),
];

/// The statement that stands round a line, so far as a scan can see.
fn statement(lines: &[&str], at: usize) -> String {
    let ends = |line: &str| line.trim_end().ends_with([';', '{', '}']);
    let from = (0..at).rev().find(|before| ends(lines[*before])).map_or(0, |before| before + 1);
    let to = (at..lines.len()).find(|after| ends(lines[*after])).unwrap_or(at);
    lines[from..=to].join(" ")
}

/// Lines of a file that ships where text from outside comes in and does not become `Foreign`.
fn raw(place: &str, text: &str) -> Vec<(usize, &'static str)> {
    let kept = shipped(text);
    let lines: Vec<&str> = kept.lines().map(code).collect();
    let own = QUOTING.contains(&place).then_some("error.to_string()");
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        for door in DOORS.iter().copied().chain(own) {
            if line.contains(door) && !statement(&lines, at).contains("Foreign::") {
                found.push((at + 1, door));
            }
        }
    }
    found
}

#[test]
fn text_from_outside_comes_in_by_one_function() {
    let (mut wrong, mut met) = (Vec::new(), BTreeSet::new());
    for path in rust_files("src") {
        let place = named(&path);
        if TEST_FILES.iter().any(|name| place.ends_with(name)) {
            continue;
        }
        for (number, door) in raw(&place, &fs::read_to_string(&path).expect("readable")) {
            if EXCUSED.iter().any(|(file, excused, _)| *file == place && *excused == door) {
                met.insert((place.clone(), door));
            } else {
                wrong.push(format!("{place}:{number}: {door}"));
            }
        }
    }
    for (file, door, _) in EXCUSED {
        if !met.contains(&((*file).to_owned(), *door)) {
            wrong.push(format!("{file}: {door} is excused, and is not there any more"));
        }
    }
    let rule = "text from outside: make it a `media::Foreign` in that statement (`Foreign::name`, `text`, \
                `bytes`, `path`, `error`), or, if nobody is ever told it, list it in EXCUSED with why";
    fail(rule, &wrong);
}

/// Texts of the state that are all ours, or are checked names. Every other one is `Foreign`.
const OURS: &[(&str, &str)] = &[
    ("version", "of a box: the program's own"),
    ("courts", "checked names"),
    ("court", "a checked name"),
    ("name", "a checked name"),
    ("session", "sixteen digits"),
    ("instance", "sixteen digits"),
    ("publisher", "an address"),
    ("codec", "one of two words"),
    ("text", "a sentence of advice, with figures"),
    ("todo", "a sentence of the catalogue's"),
    ("figures", "by names of ours"),
    ("since", "a time of ours"),
    ("shed_last", "a time of ours"),
    ("serial", "checked letters and digits"),
    ("request", "digits of ours"),
    ("fingerprint", "digits"),
    ("code", "a word of ours"),
    ("streams", "by checked names"),
    ("bundle", "a checked name"),
    ("said", "by facts"),
    ("unbalanced", "hops and figures"),
    ("refusals", "by words of ours"),
];

/// Fields of this text that hold a `String`, as `number: name`, but for ours.
fn strings(text: &str) -> Vec<(usize, String)> {
    let kept = shipped(text);
    let fields = kept.lines().map(code).enumerate().filter_map(|(at, line)| {
        let (name, of) = line.trim().strip_prefix("pub ")?.split_once(": ")?;
        (of.contains("String") && !name.contains('(')).then(|| (at + 1, name.to_owned()))
    });
    fields.filter(|(_, name)| !OURS.iter().any(|(ours, _)| ours == name)).collect()
}

#[test]
fn what_a_box_tells_of_others_is_foreign() {
    let mut wrong = Vec::new();
    for place in ["src/event/state.rs", "src/event/box_status.rs"] {
        let text = fs::read_to_string(root().join(place)).expect("readable");
        wrong.extend(strings(&text).iter().map(|(at, name)| format!("{place}:{at}: {name}")));
    }
    let rule = "a text that may quote somebody is a `Foreign`; one that is all ours is listed in OURS \
                with why";
    fail(rule, &wrong);
}

/// Files that print by themselves, and why no text from outside stands in it.
const PRINTING: &[(&str, &str)] = &[
    ("src/tools/tell.rs", "cleans what is printed"),
    ("src/tools/cli.rs", "the version"),
    ("src/tools/config.rs", "the example and the schema"),
    ("src/tools/completions.rs", "made of our own help"),
    ("src/tools/aim.rs", "figures of rings"),
    ("src/tools/aim_floor.rs", "figures, and our own names of points"),
    ("src/floor/fit/tests.rs", "figures, of tests"),
    ("src/tools/demo.rs", "addresses, and calls of our own box"),
    ("src/tools/bench/ingest.rs", "figures"),
    (
        "src/tools/bench/courts.rs",
        "figures, and words of publishers and decoders that were cleaned",
    ),
    ("src/tools/bench/latency.rs", "figures"),
    ("src/tools/bench/drain/mod.rs", "figures"),
    ("src/tools/bench/model.rs", "figures"),
    ("src/tools/bench/swap.rs", "figures"),
    ("src/detect/engine/parity.rs", "tests alone"),
];

const PRINTS: &[&str] = &["println!(", "print!("];

#[test]
fn commands_print_text_from_outside_by_what_cleans_it() {
    let (mut wrong, mut met) = (Vec::new(), BTreeSet::new());
    for path in rust_files("src") {
        let place = named(&path);
        for (at, line) in shipped(&fs::read_to_string(&path).expect("readable")).lines().enumerate()
        {
            if !PRINTS.iter().any(|print| code(line).contains(print)) {
                continue;
            }
            if PRINTING.iter().any(|(file, _)| *file == place) {
                met.insert(place.clone());
            } else {
                wrong.push(format!("{place}:{}", at + 1));
            }
        }
    }
    for (file, _) in PRINTING {
        if !met.contains(*file) {
            wrong.push(format!("{file} may print, and does not any more"));
        }
    }
    fail("print with `tools::tell`: what a command prints may quote a box, a ring, a file", &wrong);
}

#[test]
fn a_door_is_found_however_the_statement_is_broken() {
    let outlet = "src/uplink/mqtt.rs";
    for (text, expected) in [
        ("let a = String::from_utf8_lossy(bytes);", vec![(1, "from_utf8_lossy")]),
        ("let a = Foreign::told(String::from_utf8_lossy(bytes));", vec![]),
        ("let a = path\n    .to_string_lossy()\n    .into_owned();", vec![(2, "to_string_lossy")]),
        ("let a = x\n    .file_name()\n    .map(Foreign::path);", vec![]),
        ("f(Foreign::name(a));\nlet b = ack.reason_string;", vec![(2, "reason_string")]),
        ("return Err(error.to_string());", vec![(1, "error.to_string()")]),
        ("// from_utf8_lossy", vec![]),
        ("fn f() {}\n#[cfg(test)]\nmod tests {\n    use x::from_utf8_lossy;\n}", vec![]),
    ] {
        assert_eq!(raw(outlet, text), expected, "{text}");
    }
    assert_eq!(raw("src/clips/x.rs", "return Err(error.to_string());"), []);
    let fields =
        "pub struct A {\n    pub court: String,\n    pub why: Option<String>,\n    pub n: u8,\n}";
    assert_eq!(strings(fields), [(3, "why".to_owned())]);
}
