//! What a release publishes is made by scripts; these hold the scripts to what they promise. Nothing is compiled: two
//! whole builds are compared by `make release` itself.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "tests make their own files")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Exit status, and all that was said.
fn run(program: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let done = Command::new(root().join(program))
        .args(arguments)
        .current_dir(root())
        // As sources that are no repository have it: these do not ask git.
        .envs([("SOURCE_DATE_EPOCH", "1764460800"), ("COURTSIDE_COMMIT", "0123456789")])
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = [done.stdout, done.stderr].concat();
    (done.status.code(), String::from_utf8_lossy(&said).into_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// A program with debug information, compiled here.
fn program(dir: &Path) -> PathBuf {
    let (source, made) = (dir.join("little.c"), dir.join("little"));
    let code =
        "const char said[] = \"courtside says so\";\nint main(void) { return said[1] == 'x'; }\n";
    fs::write(&source, code).expect("written");
    let done = Command::new("cc")
        .args(["-g", "-Wl,--build-id", "-o"])
        .args([&made, &source])
        .status()
        .expect("cc is there");
    assert!(done.success());
    made
}

#[test]
fn two_builds_that_differ_are_told_apart_by_section() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = program(dir.path());
    let (status, said) = run("scripts/reproduce.sh", &["compare", text(&one), text(&one)]);
    assert!(status == Some(0) && said.contains("the same bytes"), "{said}");

    let mut bytes = fs::read(&one).expect("read");
    let word = b"courtside says so";
    let at = bytes.windows(word.len()).position(|part| part == word).expect("in it");
    bytes[at] = b'C';
    let other = dir.path().join("other");
    fs::write(&other, bytes).expect("written");
    let (status, said) = run("scripts/reproduce.sh", &["compare", text(&one), text(&other)]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("section < .rodata") && said.contains("Courtside says so"), "{said}");
    assert!(!said.contains("section < .text"), "{said}");
}

#[test]
fn a_binary_that_names_this_machine_is_not_released() {
    let dir = tempfile::tempdir().expect("a folder");
    let (plain, named) = (dir.path().join("plain"), dir.path().join("named"));
    fs::write(&plain, "/courtside/src/lib.rs of localhost").expect("written");
    fs::write(&named, format!("{}/src/lib.rs", dir.path().display())).expect("written");
    let clean = |file: &Path| {
        let done = Command::new(root().join("scripts/reproduce.sh"))
            .arg("clean")
            .arg(file)
            // A folder that is this run's, wherever the checkout lies.
            .env("CARGO_TARGET_DIR", dir.path())
            .output()
            .expect("run");
        (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned())
    };
    let (status, said) = clean(&plain);
    assert_eq!(status, Some(0), "{said}");
    let (status, said) = clean(&named);
    assert!(status == Some(1) && said.contains("src/lib.rs"), "{said}");
}

#[test]
fn what_a_box_gets_is_stripped_and_its_symbols_are_kept() {
    let dir = tempfile::tempdir().expect("a folder");
    let (whole, boxed) = (program(dir.path()), dir.path().join("usr/bin/little"));
    let sections = |path: &Path| {
        let done = Command::new("readelf").args(["-SWn"]).arg(path).output().expect("readelf");
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    let id = |path: &Path| {
        let told = sections(path);
        told.split("Build ID: ")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next())
            .map(str::to_owned)
    };
    for _ in 0..2 {
        // The second time it is stripped already.
        let from = if boxed.exists() { &boxed } else { &whole };
        let done = Command::new(root().join("scripts/apart.sh"))
            .args([from, &boxed])
            .env("CARGO_TARGET_DIR", dir.path())
            .status()
            .expect("run");
        assert!(done.success());
        let told = sections(&boxed);
        assert!(!told.contains(".debug_line") && !told.contains(".symtab"), "{told}");
        assert!(told.contains(".gnu_debuglink"), "{told}");
    }
    assert!(Command::new(&boxed).status().expect("it runs").success());
    let id_of_it = id(&boxed).expect("a build id");
    let (first, rest) = id_of_it.split_at(2);
    let kept = dir.path().join(format!("symbols/.build-id/{first}/{rest}.debug"));
    assert_eq!(id(&kept), id(&whole));
    assert!(sections(&kept).contains(".debug_line"));
}

#[test]
fn both_bills_of_materials_name_the_same_and_are_the_same_twice() {
    let dir = tempfile::tempdir().expect("a folder");
    let into = dir.path();
    let make = || {
        let (status, said) = run("scripts/sbom.py", &[text(into)]);
        assert_eq!(status, Some(0), "{said}");
        let read = |ending: &str| {
            let mut found = fs::read_dir(into).expect("read").flatten().map(|entry| entry.path());
            let path = found.find(|path| text(path).ends_with(ending)).expect("made");
            fs::read_to_string(path).expect("read")
        };
        (read(".cdx.json"), read(".spdx.json"))
    };
    let first = make();
    assert_eq!(first, make());
    let name = |part: &Value, version: &str| {
        let version = part[version].as_str().unwrap_or_default();
        format!("{} {version}", part["name"].as_str().expect("a name"))
    };
    let cyclone: Value = serde_json::from_str(&first.0).expect("JSON");
    let spdx: Value = serde_json::from_str(&first.1).expect("JSON");
    let mut parts: BTreeSet<String> = cyclone["components"]
        .as_array()
        .expect("parts")
        .iter()
        .map(|part| name(part, "version"))
        .collect();
    parts.insert(name(&cyclone["metadata"]["component"], "version"));
    let packages: BTreeSet<String> = spdx["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|part| name(part, "versionInfo"))
        .collect();
    assert_eq!(parts, packages);
    for wanted in [
        "rimnet ",
        "rimfinder ",
        "courtside-tensorrt-shim ",
        "hls.js ",
        "rust-std ",
        "tokio ",
        "ring ",
    ] {
        assert!(parts.iter().any(|part| part.starts_with(wanted)), "{wanted}");
    }
    // Who fetches a crate goes by its package URL; no registry's host is written anywhere but in Cargo.lock.
    for package in spdx["packages"].as_array().expect("packages") {
        assert_eq!(package["downloadLocation"], "NOASSERTION", "{package}");
    }
    // Of the tests alone, so not shipped.
    assert!(!parts.iter().any(|part| part.starts_with("proptest ")));
}

#[test]
fn an_advisory_that_nobody_judged_holds_a_release_up() {
    let dir = tempfile::tempdir().expect("a folder");
    let (told, judged, out) =
        (dir.path().join("told"), dir.path().join("vex.toml"), dir.path().join("vex.json"));
    let line = r#"{"fields":{"advisory":{"id":"RUSTSEC-2026-9999","aliases":["CVE-2026-99999"],"title":"Made up"},"code":"vulnerability","graphs":[{"Krate":{"name":"redb","version":"4.6.0"}}]},"type":"diagnostic"}"#;
    fs::write(&told, line).expect("written");
    let write = |judgements: &str| {
        fs::write(&judged, judgements).expect("written");
        let arguments = [text(&out), "--told", text(&told), "--judged", text(&judged)];
        let (status, said) = run("scripts/vex.py", &arguments);
        let made = fs::read_to_string(&out).expect("written all the same");
        (status, said, serde_json::from_str::<Value>(&made).expect("JSON"))
    };
    let (status, said, made) = write("");
    assert!(
        status == Some(1) && said.contains("NOT JUDGED: RUSTSEC-2026-9999: redb 4.6.0"),
        "{said}"
    );
    assert_eq!(made["statements"][0]["status"], "under_investigation");
    let (status, said, made) = write(
        "[[judged]]\nvulnerability = \"CVE-2026-99999\"\nin = \"pkg:cargo/redb@4.6.0\"\n\
         status = \"not_affected\"\njustification = \"vulnerable_code_not_present\"\n",
    );
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(made["statements"].as_array().map(Vec::len), Some(1));
}

#[test]
fn the_newest_change_is_of_this_version() {
    let (status, said) = run("scripts/changelog.sh", &[]);
    assert_eq!(status, Some(0));
    let newest = said.lines().find_map(|line| line.strip_prefix("## "));
    assert_eq!(newest, Some(env!("CARGO_PKG_VERSION")), "{said}");
}
