//! What our texts tell people to type is there: every `courtside …` in backquotes or in an example.

use std::path::{Path, PathBuf};

use super::*;

/// Where texts for people stand, below the repository.
const PLACES: [&str; 8] =
    ["src", "design", "monitoring", "systemd", "README.md", "SECURITY.md", "models", "trials"];
const ENDINGS: [&str; 7] = ["rs", "md", "js", "html", "service", "toml", "sh"];
/// Behind the program's name, and no commands of a person's: two formats of files, and what a box starts for
/// itself.
const NO_COMMANDS: [&str; 3] = ["parcel", "model", "try-bundle"];
/// Commands that a build without GStreamer has not.
const WITH_GSTREAMER: [&str; 2] = ["aim", "eval"];

fn files(place: &Path, found: &mut Vec<PathBuf>) {
    if place.is_file() {
        found.push(place.to_owned());
        return;
    }
    for entry in std::fs::read_dir(place).expect("a folder") {
        let path = entry.expect("an entry").path();
        let is_text = path
            .extension()
            .and_then(|it| it.to_str())
            .is_some_and(|ending| ENDINGS.contains(&ending));
        // Footage and runs of a training are none of ours.
        if path.is_dir() && !path.is_symlink() || is_text {
            files(&path, found);
        }
    }
}

/// A text without what breaks its lines: a literal's backslash, and the marks of a comment.
fn joined(text: &str) -> String {
    let mut whole = String::new();
    for line in text.lines() {
        let line = line.trim_start();
        let line =
            ["//! ", "/// ", "// "].iter().find_map(|mark| line.strip_prefix(mark)).unwrap_or(line);
        match line.strip_suffix('\\') {
            Some(broken) => whole.push_str(broken),
            None => {
                whole.push_str(line);
                whole.push('\n');
            }
        }
    }
    whole
}

/// What stands behind each `courtside` that somebody is to type, to the end of it.
fn typed(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (mark, end) in [("`courtside ", '`'), ("Example: courtside ", '\n')] {
        for rest in text.split(mark).skip(1) {
            let words = rest.split(end).next().unwrap_or_default();
            // An attribute that ends on the line of its example.
            let words = words.split("\")]").next().unwrap_or_default();
            found.push(words.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    found
}

/// Why there is no such command. What a person puts in himself, `NAME` or `…`, ends the look.
fn wrong(whole: &clap::Command, words: &str) -> Option<String> {
    let mut command = whole;
    let mut path = String::from("courtside");
    for word in words.split(' ') {
        let word = word.trim_matches(|c: char| ",.;:)(\"'".contains(c));
        if let Some(flag) = word.strip_prefix("--") {
            let flag = flag.split('=').next().unwrap_or_default();
            let known = |it: &clap::Arg| it.get_long() == Some(flag);
            let usual = ["help", "version", ""].contains(&flag);
            if !usual && !command.get_arguments().any(known) {
                return Some(format!("`{path}` has no --{flag}"));
            }
            continue;
        }
        let is_word = |word: &str| {
            let letter = |c: char| c.is_ascii_lowercase() || c == '-' || c == '_';
            !word.is_empty() && !word.starts_with('-') && word.chars().all(letter)
        };
        let mut each = word.split('|');
        if !each.clone().all(is_word) {
            if command.has_subcommands() {
                return None;
            }
            continue;
        }
        if command.has_subcommands() {
            if let Some(none) = each.clone().find(|it| command.find_subcommand(it).is_none()) {
                let left_out = NO_COMMANDS.contains(&none)
                    || cfg!(not(feature = "gstreamer")) && WITH_GSTREAMER.contains(&none);
                return (!left_out).then(|| format!("`{path}` has no `{none}`"));
            }
            // Of several, what follows is said of each.
            let first = each.next().unwrap_or_default();
            command = command.find_subcommand(first)?;
            path = format!("{path} {first}");
        } else if path == "courtside command" {
            let schema = format!("{}/schemas/command.{word}.json", env!("CARGO_MANIFEST_DIR"));
            if !Path::new(&schema).exists() {
                return Some(format!("a box has no operation `{word}`"));
            }
            path.push_str(" OPERATION");
        }
    }
    None
}

#[test]
fn what_people_are_told_to_type_is_there() {
    let (root, mut found) = (Path::new(env!("CARGO_MANIFEST_DIR")), Vec::new());
    PLACES.iter().for_each(|place| files(&root.join(place), &mut found));
    let (whole, mut looked, mut faults) = (Cli::command(), 0, Vec::new());
    for file in found {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        for words in typed(&joined(&text)) {
            looked += 1;
            let at = file.strip_prefix(root).unwrap_or(&file).display();
            faults.extend(wrong(&whole, &words).map(|why| format!("{at}: {why}: {words}")));
        }
    }
    assert!(looked > 100, "only {looked} were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_is_not_there_is_found() {
    let whole = Cli::command();
    for (words, is_wrong) in [
        ("provision grant DIR --again", false),
        ("provision ca|request|grant|status", false),
        ("models swap rimnet --after 5", false),
        ("command doctor --json", false),
        ("command service_check court={0} --picture seen.jpg", false),
        ("release box", true),
        ("provision release NAME", true),
        ("provision ca|undo", true),
        ("provision grant --release NAME", true),
        ("command unclaim", true),
    ] {
        assert_eq!(wrong(&whole, words).is_some(), is_wrong, "{words}: {:?}", wrong(&whole, words));
    }
    let text = "//! type `courtside provision\n//! release NAME` there\n";
    assert_eq!(typed(&joined(text)), ["provision release NAME"]);
    let text = "\"write `courtside \\\n     release`\"";
    assert_eq!(typed(&joined(text)), ["release"]);
}
