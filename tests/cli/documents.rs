//! What the documents tell people to type and to write: each command is one that the program takes, each
//! configuration one that it reads.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{CommandFactory, Parser};
use courtside::config::Source;
use courtside::tools::Cli;

use super::commands;

/// What people read who type what stands there.
fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs")).expect("docs/").flatten().map(|e| e.path());
    let mut paths: Vec<PathBuf> =
        docs.filter(|path| path.extension().is_some_and(|e| e == "md")).collect();
    paths.sort();
    paths.extend(["README.md", "SECURITY.md", "design/how-to.md"].map(|name| root.join(name)));
    let name = |path: &Path| path.strip_prefix(root).expect("ours").display().to_string();
    let read = |path: PathBuf| (name(&path), std::fs::read_to_string(&path).expect("readable"));
    paths.into_iter().map(read).collect()
}

/// Blocks between fences, with the word behind the first one; and what stands outside of them.
fn blocks(text: &str) -> (Vec<(String, String)>, String) {
    let (mut found, mut outside) = (Vec::new(), String::new());
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(word), None) => open = Some((word.trim().to_owned(), String::new())),
            (None, Some((_, inside))) => *inside += &format!("{line}\n"),
            (None, None) => outside += &format!("{line}\n"),
        }
    }
    (found, outside)
}

/// Words of a shell's line, up to the end of its first command; quotes group, a `#` between words ends it.
fn words(line: &str) -> Vec<String> {
    let (mut found, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut begun = false;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => (quote, begun) = (Some(c), true),
            (None, ';' | '|' | '&' | '>' | '<' | ')') => break,
            (None, '#') if !begun => break,
            (None, ' ') if begun => {
                found.push(std::mem::take(&mut word));
                begun = false;
            }
            (None, ' ') => {}
            (None, c) => (begun, ()) = (true, word.push(c)),
        }
    }
    if begun {
        found.push(word);
    }
    found
}

/// Commands of a document: lines of its blocks, also behind others, and words in the text.
fn typed(text: &str) -> Vec<String> {
    let (blocks, outside) = blocks(text);
    let mut found = Vec::new();
    let of_shell = |word: &str| ["", "sh", "text", "console"].contains(&word);
    for (_, inside) in blocks.iter().filter(|(word, _)| of_shell(word)) {
        let joined = inside.replace("\\\n", " ");
        for line in joined.lines() {
            let parts = line.split("&&").flat_map(|part| part.split(';')).map(str::trim);
            for part in parts {
                let part = part.trim_start_matches("$ ").trim_start_matches("sudo ");
                let part = part.strip_prefix("-u courtside ").unwrap_or(part);
                found.extend(part.starts_with("courtside ").then(|| part.to_owned()));
            }
        }
    }
    for span in outside.split('`').skip(1).step_by(2) {
        for part in span.split("; ") {
            let part = part.trim_start_matches("sudo ").replace('\n', " ");
            let part = part.strip_prefix("-u courtside ").unwrap_or(&part);
            found.extend(part.starts_with("courtside ").then(|| part.to_owned()));
        }
    }
    found
}

/// Why the program would not take a command; nothing where it would. A name alone, or with `…`, tells of a command
/// and is not typed as it stands: then there is one of that name.
fn refused(line: &str, known: &[String]) -> Option<String> {
    let words = words(line);
    let path: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    let named = path.iter().take_while(|word| !word.contains(|c: char| !c.is_ascii_lowercase()));
    let mut name = String::new();
    for word in named {
        let longer = format!("{name} {word}").trim().to_owned();
        if !known.contains(&longer) {
            break;
        }
        name = longer;
    }
    let alone = words.len() == 1 + name.split_whitespace().count();
    let told = line.contains('…') || line.contains('{') || line.contains("a|") || alone;
    if told && !name.is_empty() {
        return None;
    }
    match Cli::try_parse_from(&words) {
        Ok(_) => None,
        // Help and version are answers.
        Err(error) if error.exit_code() == 0 => None,
        Err(error) => Some(format!("{line}: {}", error.to_string().lines().next().unwrap_or(""))),
    }
}

fn known() -> Vec<String> {
    let mut found = Vec::new();
    commands(&Cli::command(), "", &mut found);
    found.into_iter().map(|(path, _)| path).collect()
}

#[test]
fn every_command_in_the_documents_is_one_that_the_program_takes() {
    let known = known();
    let mut wrong = Vec::new();
    for (name, text) in documents() {
        let typed = typed(&text);
        if ["docs/installing.md", "docs/operating.md", "docs/troubleshooting.md"].contains(&&*name)
        {
            assert!(typed.len() > 5, "{name}: {typed:?}");
        }
        wrong.extend(
            typed
                .iter()
                .filter_map(|line| refused(line, &known))
                .map(|why| format!("{name}: {why}")),
        );
    }
    assert!(wrong.is_empty(), "a reader types these:\n{}", wrong.join("\n"));
}

#[test]
fn a_command_that_is_none_is_found_wherever_it_stands() {
    let known = known();
    let text = "`courtside doctor --loud` and `courtside check`, `courtside clips …`\n```sh\nsudo courtside aim \\\n  --shet x.png\n\
                systemctl stop courtside && courtside nothing; courtside check --config 'a b.toml' # why\n```\n\
                ```json\n\"courtside no\"\n```\n`courtside command doctor 'after={\"frames\": 3}' --box rim-1`\n";
    let typed = typed(text);
    assert_eq!(typed.len(), 7, "{typed:?}");
    let wrong: Vec<String> = typed.iter().filter_map(|line| refused(line, &known)).collect();
    let of = |part: &str| wrong.iter().any(|why| why.contains(part));
    assert!(wrong.len() == 3 && of("--loud") && of("--shet") && of("nothing"), "{wrong:?}");
}

/// Why a block would be refused: as a hosted model's manifest, where it says that it is one, else as a box's file.
fn block_fault(block: &str) -> Option<String> {
    if !courtside::look::is_hosted(block) {
        return config_fault(block);
    }
    let named = block.lines().find_map(|line| line.strip_prefix("name = \""));
    let name = named.map_or("", |rest| rest.trim_end_matches('"'));
    let read = courtside::look::Hosted::parse(name, Path::new("model.toml"), block);
    read.err().map(|error| error.to_string())
}

/// Why a block would be refused as a box's file; what it does not show is put in as it would stand there.
fn config_fault(block: &str) -> Option<String> {
    let lacks = |section: &str| !block.lines().any(|line| line.trim() == section);
    let mut text = block.to_owned();
    for (section, inside) in [
        ("[uplink]", "broker = \"mqtt://127.0.0.1:1883\"\n"),
        ("[[court]]", "name = \"a\"\nstream_key = \"a-key-of-this-test\"\n"),
    ] {
        if lacks(section) {
            text += &format!("\n{section}\n{inside}");
        }
    }
    // Files that a block names hold something.
    let read = |_: &Path| Ok("a-word-of-this-test\n".to_owned());
    let source = Source::new(Path::new("courtside.toml"), &text, Arc::new(read));
    source.alone().err().map(|error| error.to_string())
}

#[test]
fn every_configuration_in_the_documents_is_read() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (name, text) in documents() {
        for (_, block) in blocks(&text).0.iter().filter(|(word, _)| word == "toml") {
            count += 1;
            wrong.extend(block_fault(block).map(|why| format!("{name}: {why}\n{block}")));
        }
    }
    assert!(count > 4, "{count}");
    assert!(wrong.is_empty(), "a reader writes these:\n{}", wrong.join("\n"));
}

#[test]
fn the_file_to_begin_with_is_read_and_calls_nothing_before_it_is_aimed() {
    let text = courtside::config::example("a-key-of-this-test");
    let read = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let source = Source::new(Path::new("courtside.toml"), &text, Arc::new(read));
    let config = source.alone().expect("it is right");
    let [court] = &config.courts[..] else { panic!("{}", config.courts.len()) };
    assert!(court.rims.is_empty(), "{:?}", court.rims);
}

#[test]
fn a_configuration_that_is_refused_is_found() {
    assert_eq!(config_fault("[box]\nname = \"rim-1\"\n"), None);
    for (block, word) in [
        ("[ring]\nquota = 5\n", "quota"),
        ("[[court]]\nname = \"A B\"\nstream_key = \"a-key\"\n", "name"),
        ("[uplink]\nbroker = \"http://here\"\n", "broker"),
        ("format = 2\nname = \"a\"\nwhere = \"hosted\"\ncap = 2\n", "cap"),
    ] {
        let fault = block_fault(block).unwrap_or_default();
        assert!(fault.contains(word), "{block}: {fault:?}");
    }
}
