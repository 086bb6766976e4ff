//! The command as it is called; and recaps of games that are really played.

use std::fs::File;

use clap::Parser;

use super::*;

mod played;

const FIRST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/recap/first.facts.jsonl");

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    recap: RecapArgs,
}

fn args(words: &[&str]) -> RecapArgs {
    let words = ["recap", "--config", "/no/such/file"].iter().chain(words);
    Line::try_parse_from(words).expect("arguments").recap
}

fn png(file: &Path) -> png::OutputInfo {
    let file = std::io::BufReader::new(File::open(file).expect("there"));
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("its size")];
    let info = reader.next_frame(&mut pixels).expect("a picture");
    let shades: std::collections::BTreeSet<&[u8]> = pixels.chunks_exact(3).collect();
    assert!(shades.len() > 4, "ground, grid, text and two lines");
    info
}

#[test]
fn a_recap_is_a_folder_of_files_from_which_the_same_recap_is_made() {
    let dir = tempfile::tempdir().expect("a folder");
    let [one, two] = ["one", "two"].map(|name| dir.path().join(name));
    let path = |dir: &Path| dir.to_str().expect("text").to_owned();
    args(&["first", "--facts", FIRST, "--out", &path(&one)]).run().expect("written");
    let facts = path(&one.join("facts.jsonl"));
    // Of one game now: it need not be named.
    args(&["--facts", &facts, "--out", &path(&two)]).run().expect("written again");
    for name in ["facts.jsonl", "box_score.json", "shots.csv", "recap.html", "score.svg", "win.png"]
    {
        let [a, b] = [&one, &two].map(|dir| std::fs::read(dir.join(name)).expect(name));
        assert!(a == b && !a.is_empty(), "{name}");
    }
    for name in ["score.png", "win.png"] {
        let info = png(&one.join(name));
        assert_eq!((info.width, info.height), (1380, 810));
    }
    let said = args(&["--facts", FIRST, "--out", &path(&two)]).run().expect_err("two games");
    assert!(said.to_string().contains("name one of first, second"), "{said}");

    args(&["--season", &path(dir.path())]).run().expect("a season");
    let season = std::fs::read_to_string(dir.path().join("season.json")).expect("there");
    let season: serde_json::Value = serde_json::from_str(&season).expect("JSON");
    assert_eq!(season["games"].as_array().map(Vec::len), Some(1), "{season}");
    assert!(season["notes"][0].as_str().expect("a note").contains("more than once"));
    assert!(dir.path().join("season.html").exists() && dir.path().join("season.csv").exists());
}

#[test]
fn what_is_no_recap_is_said_with_what_to_do() {
    let dir = tempfile::tempdir().expect("a folder");
    let empty = dir.path().to_str().expect("text");
    let said = args(&["--season", empty]).run().expect_err("no recap there");
    assert!(said.to_string().contains("recap GAME"), "{said}");
    let said = args(&["third", "--facts", FIRST, "--out", empty]).run().expect_err("no game");
    assert!(said.to_string().contains("game list"), "{said}");
    assert_eq!(std::fs::read_dir(dir.path()).expect("there").count(), 0, "nothing was written");
}
