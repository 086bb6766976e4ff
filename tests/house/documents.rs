//! What a text scan can hold of the documents: links lead to what is there, each code of `doctor` is found by
//! its symptom, pictures are small and shown somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{fail, named, root, written};

/// The longest picture of `docs/`, bytes: a clone is for everybody.
const PICTURE_MOST_BYTES: u64 = 150_000;

/// A document's lines that are no code, in fences or in single words.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            kept.push_str(line);
        }
        kept.push('\n');
    }
    kept
}

/// Where one can jump to in a document: its headings, as GitHub and mdBook name them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in prose(text).lines().filter(|line| line.starts_with('#')) {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let name: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        // Of two of one name the second is told apart by a number.
        let again = (1..).map(|n| format!("{name}-{n}"));
        let free = std::iter::once(name.clone()).chain(again).find(|name| !found.contains(name));
        found.extend(free);
    }
    found
}

/// Links of a document, without those to other sites.
fn links(text: &str) -> Vec<&str> {
    let all =
        text.match_indices("](").map(|(at, _)| text[at + 2..].split(')').next().unwrap_or(""));
    all.filter(|link| !link.contains("://") && !link.contains(char::is_whitespace)).collect()
}

/// Links of the document at `path`, of text `text`, to an anchor that is not there.
fn lead_nowhere(path: &Path, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for link in links(&prose(text)) {
        let Some((file, anchor)) = link.split_once('#') else { continue };
        let other = match file {
            "" => text.to_owned(),
            file => {
                let target = path.parent().expect("in a folder").join(file);
                fs::read_to_string(target).unwrap_or_default()
            }
        };
        if !anchors(&other).contains(anchor) {
            wrong.push(format!("{}: {link}", named(path)));
        }
    }
    wrong
}

fn documents() -> Vec<std::path::PathBuf> {
    written().into_iter().filter(|path| path.extension().is_some_and(|e| e == "md")).collect()
}

#[test]
fn links_to_a_heading_lead_to_one() {
    let mut wrong = Vec::new();
    let mut followed = 0;
    for path in documents() {
        let text = fs::read_to_string(&path).expect("readable");
        followed += links(&prose(&text)).iter().filter(|link| link.contains('#')).count();
        wrong.extend(lead_nowhere(&path, &text));
    }
    assert!(followed > 20, "{followed}");
    fail("there is no such heading", &wrong);
}

#[test]
fn a_link_to_a_heading_that_is_not_there_is_found() {
    let path = root().join("docs/README.md");
    let text = "# One: `two`, three\n## A.b\n## A.b\n[a](#one-two-three) [b](#ab-1) [c](#four) [d](events.md#no)\n\
                ```text\n[e](#five)\n```\n[f](https://example.net/#six)\n";
    assert_eq!(
        lead_nowhere(&path, text),
        ["docs/README.md: #four", "docs/README.md: events.md#no"]
    );
}

/// Codes of `doctor` in the first column of the catalogue's table.
fn codes(doctor: &str) -> BTreeSet<&str> {
    let rows = doctor.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once("` | ")).map(|(code, _)| code).collect()
}

/// Codes that stand under a symptom: a heading of the second level, and what follows it.
fn under_a_symptom(text: &str) -> BTreeSet<&str> {
    let from = text.find("\n## ").unwrap_or(text.len());
    let words = text[from..].split('`').skip(1).step_by(2);
    words
        .filter(|word| {
            word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        })
        .collect()
}

#[test]
fn every_code_of_doctor_is_found_by_a_symptom() {
    let read = |name: &str| fs::read_to_string(root().join(name)).expect("readable");
    let (doctor, text) = (read("design/doctor.md"), read("docs/troubleshooting.md"));
    let (codes, told) = (codes(&doctor), under_a_symptom(&text));
    assert!(codes.len() > 80, "{codes:?}");
    let missing: Vec<String> = codes.difference(&told).map(ToString::to_string).collect();
    fail("put the code under what somebody sees, in docs/troubleshooting.md", &missing);
    // What looks like a code of several words there is one.
    let strangers =
        told.difference(&codes).filter(|word| word.contains('_') && !KEYS.contains(*word));
    let strangers: Vec<String> = strangers.map(ToString::to_string).collect();
    fail("docs/troubleshooting.md names a code that doctor does not have", &strangers);
}

/// Keys of the configuration and operations that stand there too.
const KEYS: &[&str] = &[
    "quota_bytes",
    "keep_free_bytes",
    "reserve_bytes",
    "pin_days",
    "stream_key",
    "log_tail",
    "ca_file",
    "cert_file",
    "key_file",
    "password_file",
    "data_dir",
    "rims_of",
    "camera_delay_ms",
    "read_bytes_per_second",
    "connections_per_address",
];

#[test]
fn a_code_without_a_symptom_is_found() {
    let doctor = "| code | | what |\n| `no_publisher` | ✗ | none |\n| `stalled` | ✗ | stands |\n";
    let text = "# Troubleshooting\n`stalled` before any symptom\n## No picture\n`no_publisher`, then `courtside doctor`\n";
    let (codes, told) = (codes(doctor), under_a_symptom(text));
    assert_eq!(codes.difference(&told).collect::<Vec<_>>(), [&"stalled"]);
}

#[test]
fn pictures_of_the_documents_are_small_and_shown() {
    let texts: String = documents()
        .iter()
        .filter(|path| named(path).starts_with("docs/"))
        .map(|path| fs::read_to_string(path).expect("readable"))
        .collect();
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(root().join("docs/pictures")).expect("docs/pictures").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let bytes = entry.metadata().expect("there").len();
        count += 1;
        if bytes > PICTURE_MOST_BYTES {
            wrong.push(format!("{name}: {bytes} bytes, {PICTURE_MOST_BYTES} at most"));
        }
        if !texts.contains(&format!("](pictures/{name})")) {
            wrong.push(format!("{name}: no document shows it"));
        }
    }
    assert!(count >= 6, "{count}");
    fail("docs/pictures", &wrong);
}
