//! The rules of the house that a text scan can hold (STYLE 4.1).
#![cfg(test)]
#![allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::clone_on_ref_ptr,
    reason = "tests make their own numbers and files, and bound their waits by the real clock"
)]

#[path = "house/foreign.rs"]
mod foreign;
#[path = "house/documents.rs"]
mod documents;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

/// Modules by row, lowest first. A file may name modules of lower rows, and its own.
const LAYERS: &[&[&str]] = &[
    &["media"],
    &["answer", "event", "rtmp", "minisign", "floor", "hear"],
    &["disk"],
    &["clock", "config", "device", "mailbox"],
    &["admission", "broker"],
    &["http"],
    &[
        "ingest",
        "relay",
        "decode",
        "router",
        "detect",
        "game",
        "clips",
        "upload",
        "update",
        "uplink",
        "claim",
        "provision",
        "health",
        "page",
        "recap",
        "look",
    ],
    &["app"],
    &["tools"],
];

/// Files in which `unsafe` may stand: the C library's heap; a GPU's driver, compiler, memory and surfaces;
/// foreign engines.
const UNSAFE_FILES: &[&str] = &[
    "src/tools/heap.rs",
    "src/device/compile.rs",
    "src/device/cuda.rs",
    "src/device/launch.rs",
    "src/device/memory.rs",
    "src/device/picture.rs",
    "src/detect/engine/linked.rs",
    "src/detect/engine/makes_cuda.rs",
    "src/detect/engine/tensorrt.rs",
    "src/detect/engine/onnx.rs",
    "src/decode/cuda.rs",
    "src/decode/nvmm.rs",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(below: &str) -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(dir) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(below), &mut found);
    found.sort();
    found
}

fn named(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// The code of a line: what stands before a comment. Crude, and enough: no URL stands in code here.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or("")
}

fn fail(rule: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{rule}:\n{}", wrong.join("\n"));
}

#[test]
fn a_stage_names_only_the_layers_below_it() {
    let mut wrong = Vec::new();
    for path in rust_files("src") {
        let inside = path.strip_prefix(root().join("src")).expect("below src");
        let own = inside.iter().next().and_then(|part| part.to_str()).unwrap_or("");
        let own = own.strip_suffix(".rs").unwrap_or(own);
        let Some(own_layer) = layer(own) else {
            if own != "main" && own != "lib" {
                wrong.push(format!("{}: `{own}` stands in no layer", named(&path)));
            }
            continue;
        };
        let text = fs::read_to_string(&path).expect("readable");
        for (number, line) in text.lines().enumerate() {
            let code = code(line);
            if code.contains("use crate::{") {
                wrong.push(format!("{}:{}: one line names one module", named(&path), number + 1));
            }
            for (at, way) in code.match_indices("crate::").chain(code.match_indices("super::")) {
                let rest = &code[at + way.len()..];
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                let module = &rest[..end.unwrap_or(rest.len())];
                let allowed = match layer(module) {
                    Some(other) if way == "crate::" => module == own || other < own_layer,
                    Some(_) | None => way == "super::" || module.is_empty(),
                };
                if !allowed {
                    wrong.push(format!(
                        "{}:{}: {own} must not name {module}",
                        named(&path),
                        number + 1
                    ));
                }
            }
        }
    }
    fail("move the shared word down, or wire it in `app`", &wrong);
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    let wrong: Vec<String> = rust_files("src")
        .into_iter()
        .chain(rust_files("tests"))
        .filter(|path| !fs::read_to_string(path).expect("readable").starts_with("//!"))
        .map(|path| named(&path))
        .collect();
    fail("begin the file with a //! header", &wrong);
}

#[test]
fn unsafe_code_is_allowed_in_the_listed_files_alone() {
    let wrong: Vec<String> = rust_files("src")
        .into_iter()
        .filter(|path| !UNSAFE_FILES.contains(&named(path).as_str()))
        .filter(|path| fs::read_to_string(path).expect("readable").contains("(unsafe_code"))
        .map(|path| named(&path))
        .collect();
    fail("unsafe code belongs behind a wrapper in a listed file", &wrong);
}

/// Where files may be made or read by other ways than `disk`'s, and why.
const OTHER_WAYS: &[(&str, &str)] = &[
    ("src/disk/", "it is `disk`"),
    ("src/clock/system.rs", "the kernel's own files, which end"),
    ("src/health/syncs.rs", "a disk round the disk"),
    ("src/tools/", "what a person's command writes has the modes of his other files"),
    ("src/http/local.rs", "a socket and its folder, of modes that it says itself"),
    ("src/detect/bundle/files.rs", "models, which have rules of their own"),
];

#[test]
fn files_are_made_and_read_by_disk_alone() {
    let ways = [
        "File::create",
        "File::options",
        "File::open(",
        "OpenOptions",
        "create_dir",
        "DirBuilder",
        "fs::read(",
        "fs::read_to_string(",
        "pem_file_iter",
        "from_pem_file",
    ];
    let mut wrong = Vec::new();
    for path in rust_files("src") {
        let name = named(&path);
        let other = OTHER_WAYS.iter().any(|(begins, _)| name.starts_with(begins));
        if other || TEST_FILES.iter().any(|file| name.ends_with(file)) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("readable");
        for (number, line) in shipped(&text).lines().enumerate() {
            let code = code(line).replace("disk.create_dir_all(", "");
            if let Some(way) = ways.iter().find(|way| code.contains(*way)) {
                wrong.push(format!("{name}:{}: {way}", number + 1));
            }
        }
    }
    let rule = "made by `disk`, a file has mode 0600 whatever the umask; read by `disk`, it is regular \
                and bounded";
    fail(rule, &wrong);
}

#[test]
fn every_metric_is_moved_somewhere() {
    let text = fs::read_to_string(root().join("src/health/metrics.rs")).expect("readable");
    let others: String = rust_files("src")
        .into_iter()
        .filter(|path| !path.ends_with("health/metrics.rs"))
        .map(|path| fs::read_to_string(path).expect("readable"))
        .collect();
    let wrong: Vec<String> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub "))
        .filter_map(|field| field.split_once(": "))
        .filter(|(name, _)| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .map(|(name, _)| name.to_owned())
        .filter(|name| !others.contains(name.as_str()))
        .collect();
    fail("a metric that nobody moves", &wrong);
}

/// Names of metrics in a text, without what Prometheus adds to them.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for part in text.split("courtside_").skip(1) {
        let end = part.find(|c: char| c != '_' && !c.is_ascii_lowercase()).unwrap_or(part.len());
        let mut name = part.get(..end).unwrap_or_default();
        for added in ["_bucket", "_sum", "_count", "_total", "_seconds", "_bytes"] {
            name = name.strip_suffix(added).unwrap_or(name);
        }
        found.insert(name.to_owned());
    }
    found
}

#[test]
fn monitoring_names_metrics_that_there_are() {
    let source = fs::read_to_string(root().join("src/health/metrics.rs")).expect("readable");
    let is_there = |name: &String| source.contains(&format!("\"{name}\""));
    for file in ["courtside.rules.yml", "courtside.rules.test.yml", "grafana.json"] {
        let text = fs::read_to_string(root().join("monitoring").join(file)).expect("readable");
        let named = metrics_in(&text);
        assert!(named.len() > 8, "{file}: {named:?}");
        let wrong: Vec<String> = named.into_iter().filter(|name| !is_there(name)).collect();
        fail(
            &format!("a metric of monitoring/{file} that src/health/metrics.rs does not have"),
            &wrong,
        );
    }
    let made_up = metrics_in("rate(courtside_nobodys_total[5m]) / courtside_answer_seconds_bucket");
    assert_eq!(made_up.iter().filter(|name| !is_there(name)).count(), 1, "the control");
}

/// Enums whose variants are reasons in metrics, and where they stand.
const REASONS: &[(&str, &str)] = &[
    ("src/admission/told.rs", "Reason"),
    ("src/admission/told.rs", "Door"),
    ("src/mailbox/ledger.rs", "DropReason"),
    ("src/ingest/refused.rs", "MediaRefused"),
];

/// The variants of an enum, as they stand in a file.
fn variants<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let opens = format!("pub enum {name} {{");
    let inside = text.lines().skip_while(|line| *line != opens).skip(1);
    let inside = inside.take_while(|line| *line != "}").map(str::trim);
    let word = |line: &'a str| line.split(|c: char| !c.is_alphanumeric()).next();
    inside
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        // Made by `?` from an error of its own, which is given by its own name.
        .filter(|line| !line.contains("#[from]"))
        .filter_map(word)
        .collect()
}

/// Those of the variants that no text names, but by `Self::` where they have their words.
fn named_nowhere<'a>(name: &str, variants: &[&'a str], texts: &[String]) -> Vec<&'a str> {
    let nowhere = |variant: &&&str| {
        let way = format!("{name}::{variant}");
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let says =
            |text: &String| text.match_indices(&way).any(|(at, _)| ends(&text[at + way.len()..]));
        !texts.iter().any(says)
    };
    variants.iter().filter(nowhere).copied().collect()
}

#[test]
fn every_reason_is_given_somewhere() {
    let shipped_text = |path: PathBuf| {
        let text = fs::read_to_string(path).expect("readable");
        shipped(&text).lines().map(|line| code(line).to_owned() + "\n").collect::<String>()
    };
    let is_test = |path: &PathBuf| TEST_FILES.iter().any(|file| named(path).ends_with(file));
    let texts: Vec<String> =
        rust_files("src").into_iter().filter(|path| !is_test(path)).map(shipped_text).collect();
    let mut wrong = Vec::new();
    for (file, name) in REASONS {
        let text = fs::read_to_string(root().join(file)).expect("readable");
        let all = variants(&text, name);
        assert!(all.len() > 1, "{file} has {name}");
        let nowhere = named_nowhere(name, &all, &texts);
        wrong.extend(nowhere.iter().map(|variant| format!("{file}: {name}::{variant}")));
    }
    fail("a reason that nobody gives stays 0 in the metrics for ever", &wrong);
}

#[test]
fn a_reason_that_nobody_gives_is_found() {
    let text = "pub enum Why {\n    /// It.\n    Slow,\n    Slower { by: u32 },\n    Odd(Odd),\n    Its(#[from] Own),\n}\n";
    let all = variants(text, "Why");
    assert_eq!(all, ["Slow", "Slower", "Odd"]);
    let texts = ["return Why::Slower { by: 1 }".to_owned(), "Self::Odd => 1".to_owned()];
    assert_eq!(named_nowhere("Why", &all, &texts), ["Slow", "Odd"]);
}

/// `make score` with a scorer that tells of each video what it is given: attempts, found, right, false.
fn scored(of_dev: &str, ends: i32) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().expect("a folder");
    for folder in ["streams", "videos"] {
        fs::create_dir_all(dir.path().join(folder)).expect("made");
    }
    let videos = ["streams/dev", "streams/dev2", "streams/L", "streams/Q", "streams/R"];
    for video in videos.iter().chain(&["videos/mateo", "videos/wtf"]) {
        fs::write(dir.path().join(format!("{video}.json")), "{}").expect("written");
    }
    let scorer = format!(
        "import json, sys\ndev = any(a.endswith('/dev.mp4') for a in sys.argv)\n\
         a, f, r, e = {of_dev} if dev else (4, 4, 4, 0)\n\
         print(json.dumps(dict(attempts=a, found=f, right=r, false_events=e)))\n\
         sys.exit({ends} if dev else 0)\n"
    );
    fs::write(dir.path().join("scorer.py"), scorer).expect("written");
    run_score(dir.path())
}

/// `trials/score.py` on a folder of footage that holds the scorer too.
fn run_score(footage: &Path) -> (Option<i32>, String) {
    let done = std::process::Command::new("python3")
        .arg(root().join("trials/score.py"))
        .args(["--bin", "courtside", "--footage"])
        .arg(footage)
        .arg("--scorer")
        .arg(footage.join("scorer.py"))
        .output()
        .expect("python3 is there");
    (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
}

#[test]
fn the_score_on_footage_fails_where_it_is_worse() {
    assert_eq!(scored("(10, 10, 10, 0)", 0).0, Some(0));
    assert_eq!(scored("(10, 9, 9, 0)", 0).0, Some(0), "one is excused");
    for (worse, named) in [
        ("(10, 8, 8, 0)", "streams/dev (2 not right"),
        ("(10, 10, 8, 0)", "streams/dev (2 not right"),
        ("(10, 10, 10, 1)", "streams/dev (0 not right, 1 false)"),
    ] {
        let (status, said) = scored(worse, 0);
        assert_eq!(status, Some(1), "{worse}: {said}");
        assert!(said.contains("FAILED") && said.contains(named), "{said}");
    }
    let (status, said) = scored("(10, 10, 10, 0)", 1);
    assert!(status == Some(1) && said.contains("dev: could not be scored"), "{said}");
    let nothing = tempfile::tempdir().expect("a folder");
    let (status, said) = run_score(nothing.path());
    assert!(status == Some(3) && said.contains("NOT RUN"), "{said}");
}

/// A file without its modules for tests, which may look at anything; its lines keep their numbers. What
/// else stands under `#[cfg(test)]` is a line or two, and code that ships follows it.
fn shipped(text: &str) -> String {
    let (mut announced, mut inside) = (false, false);
    let mut kept = String::with_capacity(text.len());
    for line in text.lines() {
        let opens = announced && line.contains("mod ") && line.ends_with('{');
        if !inside && !opens {
            kept.push_str(line);
        }
        kept.push('\n');
        inside = (inside || opens) && line != "}";
        // Attributes alone may stand between.
        let attribute = line.starts_with([' ', ')']) || line.starts_with("#[");
        announced = line == "#[cfg(test)]" || announced && attribute;
    }
    kept
}

/// Files that are whole unit tests.
const TEST_FILES: &[&str] = &["/tests.rs", "/golden.rs", "/vectors.rs"];

/// Who waits by the clock of the world, and keeps files on its disk: `admission`, `http`, the stages, `app`.
const OF_THE_WORLD: &[&[&str]] = LAYERS.split_at(4).1.split_at(4).0;

/// What goes by the machine's clock, whatever time the world has.
const REAL_WAITS: &[&str] = &[
    "tokio::time",
    "Instant::now",
    "SystemTime",
    "thread::sleep",
    "park_timeout",
    "recv_timeout",
    "wait_timeout",
    ".wait_for(&mut",
];

/// What reads or writes files past the world's disk.
const REAL_FILES: &[&str] = &["std::fs", "fs::read"];

/// Where it must be so: a file, the word, and why.
const PAST_THE_WORLD: &[(&str, &str, &str)] = &[
    ("src/page/events.rs", "tokio::time", "how often a watcher is told: nothing is decided by it"),
    ("src/http/guard.rs", "tokio::time", "how long a stranger may hold a connection"),
    ("src/http/guard.rs", "Instant::now", "how long a stranger may hold a connection"),
    ("src/http/listener.rs", "tokio::time", "how long a stranger may hold a connection"),
    ("src/page/picture.rs", "tokio::time", "how long who draws for those who look rests"),
    ("src/page/picture.rs", "Instant::now", "how long who draws for those who look rests"),
    ("src/http/serving.rs", "tokio::time", "how long connections may take to end"),
    (
        "src/clips/shelf.rs",
        "tokio::time",
        "how long who asks over HTTP waits: it is done all the same",
    ),
    (
        "src/clips/routes/changes.rs",
        "tokio::time",
        "how long who asks over HTTP waits: it is done all the same",
    ),
    ("src/http/local.rs", "tokio::time", "how soon it is tried again to take a connection"),
    ("src/http/local.rs", "std::fs", "a socket: a file of its own mode, which no disk keeps"),
    ("src/http/access.rs", "std::fs", "the token: made once, before a disk"),
    ("src/decode/outlet.rs", ".wait_for(&mut", "a waker on the world's clock ends the wait"),
    ("src/uplink/outbox/desk.rs", ".wait_for(&mut", "a waker on the world's clock ends the wait"),
    ("src/uplink/inbox/post.rs", ".wait_for(&mut", "a waker on the world's clock ends the wait"),
    ("src/detect/bundle/files.rs", "std::fs", "models: an operator's files, only read"),
];

/// Lines of a file that ships which go past the world, as `number: word`.
fn past_the_world(text: &str) -> Vec<(usize, &'static str)> {
    let words = || REAL_WAITS.iter().chain(REAL_FILES);
    shipped(text)
        .lines()
        .map(code)
        .enumerate()
        .flat_map(|(at, line)| {
            words().filter(move |word| line.contains(**word)).map(move |word| (at + 1, *word))
        })
        .collect()
}

#[test]
fn stages_wait_by_the_worlds_clock_and_keep_files_on_its_disk() {
    let (mut wrong, mut met) = (Vec::new(), BTreeSet::new());
    for path in OF_THE_WORLD.concat().iter().flat_map(|stage| rust_files(&format!("src/{stage}"))) {
        let place = named(&path);
        if TEST_FILES.iter().any(|name| place.ends_with(name)) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("readable");
        for (number, word) in past_the_world(&text) {
            if PAST_THE_WORLD.iter().any(|(file, excused, _)| *file == place && *excused == word) {
                met.insert((place.clone(), word));
            } else {
                wrong.push(format!("{place}:{number}: {word}: use `clock` or `disk`"));
            }
        }
    }
    for (file, word, _) in PAST_THE_WORLD {
        if !met.contains(&((*file).to_owned(), *word)) {
            wrong.push(format!("{file}: {word} is excused, and is not there any more"));
        }
    }
    fail("a test of the whole box moves the clock and stops the disk", &wrong);
}

#[test]
fn a_wait_by_the_machines_clock_is_found_wherever_it_ships() {
    for (text, expected) in [
        ("fn f() {\n    thread::sleep(time);\n}", vec![(2, "thread::sleep")]),
        ("let now = std::time::Instant::now();", vec![(1, "Instant::now")]),
        ("inbox.recv_timeout(time)", vec![(1, "recv_timeout")]),
        ("let text = std::fs::read(path);", vec![(1, "std::fs"), (1, "fs::read")]),
        // A module or an import for tests hides nothing of what follows it.
        ("#[cfg(test)]\nmod samples;\nuse tokio::time::sleep;", vec![(3, "tokio::time")]),
        ("#[cfg(test)]\nuse a::B;\nlet now = SystemTime::now();", vec![(3, "SystemTime")]),
        ("#[cfg(test)]\nmod a {\n    use std::fs;\n}\nuse std::fs;", vec![(5, "std::fs")]),
        ("fn f() {}\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}", vec![]),
        ("#[cfg(test)]\n#[expect(a, reason = \"b\")]\nmod tests {\n    use std::fs;\n}", vec![]),
        ("#[cfg(test)]\nuse a::B;\nmod tests {\n    use std::fs;\n}", vec![(4, "std::fs")]),
        ("// thread::sleep would not do", vec![]),
    ] {
        assert_eq!(past_the_world(text), expected, "{text}");
    }
}

#[test]
fn every_scenario_is_run() {
    let mut wrong = Vec::new();
    for folder in ["tests/scenarios", "tests/peers"] {
        let Ok(main) = fs::read_to_string(root().join(folder).join("main.rs")) else { continue };
        for path in rust_files(folder) {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
            let top = path.parent() == Some(&root().join(folder));
            if top && stem != "main" && !main.contains(&format!("mod {stem};")) {
                wrong.push(named(&path));
            }
        }
    }
    fail("name the file as a `mod` in its main.rs, or it never runs", &wrong);
}

#[test]
fn what_is_unfinished_names_its_issue() {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let mut wrong = Vec::new();
    for path in rust_files("src").into_iter().chain(rust_files("tests")) {
        for (number, line) in fs::read_to_string(&path).expect("readable").lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) && !line.contains("(#") {
                wrong.push(format!("{}:{}", named(&path), number + 1));
            }
        }
    }
    fail("say which issue it belongs to: (#12)", &wrong);
}

/// What each file of `src` imports of others: `use crate::…` lines and paths in the code. Its own unit
/// tests do not count, nor do the lines by which a `mod.rs` shows what its folder offers.
fn imports(sources: &BTreeMap<String, String>) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut graph = BTreeMap::new();
    for (name, text) in sources {
        let face = name.ends_with("/mod.rs");
        let mut found = BTreeSet::new();
        for line in shipped(text).lines().map(code) {
            if face && line.trim_start().starts_with("pub") && line.contains(" use crate::") {
                continue;
            }
            for (at, way) in line.match_indices("crate::") {
                let rest = &line[at + way.len()..];
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
                let path = &rest[..end.unwrap_or(rest.len())];
                found.extend(file_of(path, sources).filter(|other| other != name));
            }
        }
        graph.insert(name.as_str(), found);
    }
    graph
}

/// The file in which what `path` names stands: the deepest there is.
fn file_of<'a>(path: &str, sources: &'a BTreeMap<String, String>) -> Option<&'a str> {
    let parts: Vec<&str> = path.split("::").filter(|part| !part.is_empty()).collect();
    (1..=parts.len()).rev().find_map(|deep| {
        let stem = parts[..deep].join("/");
        let found = sources.get_key_value(&format!("src/{stem}.rs"));
        let found = found.or_else(|| sources.get_key_value(&format!("src/{stem}/mod.rs")));
        found.map(|(name, _)| name.as_str())
    })
}

/// Shortest ways from a file back to itself, each once, beginning at its first file by name.
fn circles(graph: &BTreeMap<&str, BTreeSet<&str>>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for start in graph.keys() {
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut next = VecDeque::from([*start]);
        while let Some(at) = next.pop_front() {
            if graph[at].contains(start) {
                let mut way = vec![at];
                while let Some(before) = came_from.get(way[way.len() - 1]) {
                    way.push(before);
                }
                way.reverse();
                let first = (0..way.len()).min_by_key(|at| way[*at]).unwrap_or(0);
                way.rotate_left(first);
                way.push(way[0]);
                found.insert(way.join(" → "));
                break;
            }
            for other in &graph[at] {
                if other != start && !came_from.contains_key(other) {
                    came_from.insert(other, at);
                    next.push_back(other);
                }
            }
        }
    }
    found
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let sources: BTreeMap<String, String> = rust_files("src")
        .into_iter()
        .map(|path| (named(&path), fs::read_to_string(&path).expect("readable")))
        .collect();
    let wrong: Vec<String> = circles(&imports(&sources)).into_iter().collect();
    fail("move what both need into a file below both", &wrong);
}

#[test]
fn a_circle_between_files_is_found_however_it_is_written() {
    let circled = |files: &[(&str, &str)]| {
        let sources: BTreeMap<String, String> =
            files.iter().map(|(name, text)| (format!("src/{name}"), (*text).to_owned())).collect();
        circles(&imports(&sources)).into_iter().collect::<Vec<_>>()
    };
    let two = "src/a/x.rs → src/a/y.rs → src/a/x.rs";
    for (files, expected) in [
        (vec![("a/x.rs", "use crate::a::y::Y;"), ("a/y.rs", "use crate::a::x::X;")], vec![two]),
        (
            vec![("a/x.rs", "use crate::a::y::Y;"), ("a/y.rs", "fn f(x: crate::a::x::X) {}")],
            vec![two],
        ),
        (vec![("a/x.rs", "use crate::a::y::Y;"), ("a/y.rs", "// see crate::a::x")], vec![]),
        // By three, and only that.
        (
            vec![
                ("a/x.rs", "use crate::a::y::Y;"),
                ("a/y.rs", "use crate::b::z::Z;"),
                ("b/z.rs", "use crate::a::x::X;"),
                ("b/w.rs", "use crate::b::z::Z;"),
            ],
            vec!["src/a/x.rs → src/a/y.rs → src/b/z.rs → src/a/x.rs"],
        ),
        // A face may show what its folder has; it must hold nothing that its files need.
        (
            vec![("a/mod.rs", "mod x;\npub use crate::a::x::X;"), ("a/x.rs", "use crate::a::W;")],
            vec![],
        ),
        (
            vec![("a/mod.rs", "use crate::a::x::X;"), ("a/x.rs", "use crate::a::W;")],
            vec!["src/a/mod.rs → src/a/x.rs → src/a/mod.rs"],
        ),
        // Tests may look at anything.
        (
            vec![
                ("a/x.rs", "use crate::a::y::Y;"),
                ("a/y.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::a::x::X;\n}"),
            ],
            vec![],
        ),
    ] {
        assert_eq!(circled(&files), expected, "{files:?}");
    }
}

/// Everything that people write: code, scripts, documents.
fn written() -> Vec<PathBuf> {
    const ENDINGS: [&str; 6] = ["rs", "py", "sh", "toml", "md", "js"];
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(dir) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                walk(&path, found);
            } else if path
                .extension()
                .and_then(|e| e.to_str())
                .is_some_and(|e| ENDINGS.contains(&e))
            {
                found.push(path);
            }
        }
    }
    let mut found = vec![root().join("Makefile")];
    walk(&root(), &mut found);
    found.sort();
    found
}

#[test]
fn what_is_cited_is_in_the_clone() {
    let design: String = written()
        .into_iter()
        .filter(|path| named(path).starts_with("design/"))
        .map(|path| fs::read_to_string(path).expect("readable"))
        .collect();
    let mut wrong = Vec::new();
    for path in written().into_iter().filter(|path| !named(path).starts_with("tests/house.rs")) {
        let text = fs::read_to_string(&path).expect("readable");
        for (number, line) in text.lines().enumerate() {
            let mut say =
                |what: &str| wrong.push(format!("{}:{}: {what}", named(&path), number + 1));
            for (at, word) in line.match_indices("DESIGN §") {
                let rest = &line[at + word.len()..];
                let end =
                    rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
                let section = rest[..end].trim_end_matches('.');
                if !design.contains(&format!("\n## §{section} ")) {
                    say(&format!("there is no section §{section} in design/"));
                }
            }
            for (at, word) in line.match_indices("STYLE ") {
                let rest = &line[at + word.len()..];
                let end =
                    rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
                let rule = rest[..end].trim_end_matches('.');
                let whole = !rule.is_empty() && !rule.contains('.');
                if whole {
                    say(&format!("STYLE {rule} is a whole section: name the rule"));
                } else if !rule.is_empty() && !design.contains(&format!("**{rule} ")) {
                    say(&format!("there is no rule {rule} in design/style.md"));
                }
            }
            for document in [
                "accuracy.md",
                "shared/",
                "field/accuracy",
                "field/platform",
                "field/crates",
                "field/gpu",
                "field/performance",
            ] {
                if line.contains(document) {
                    say("a clone has no such document");
                }
            }
        }
    }
    fail("cite what stands in design/, or say the reason itself", &wrong);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut wrong = Vec::new();
    for path in written().into_iter().filter(|path| path.extension().is_some_and(|e| e == "md")) {
        let text = fs::read_to_string(&path).expect("readable");
        for (at, _) in text.match_indices("](") {
            let link = text[at + 2..].split(')').next().unwrap_or("");
            let file = link.split('#').next().unwrap_or("");
            if file.is_empty() || file.contains("://") || file.contains(char::is_whitespace) {
                continue;
            }
            if !path.parent().expect("in a folder").join(file).exists() {
                wrong.push(format!("{}: {link}", named(&path)));
            }
        }
    }
    fail("the link leads nowhere", &wrong);
}

#[test]
fn the_readme_fits_on_a_page() {
    let bytes = fs::metadata(root().join("README.md")).expect("there").len();
    assert!(bytes <= 6_000, "README.md has {bytes} bytes: move what is longer into design/");
}
