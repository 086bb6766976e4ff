//! Why a configuration was refused, and where.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::media::Foreign;

/// Why there is no configuration. Each text names file, line and column and what to write instead.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum ConfigError {
    /// The file could not be read.
    #[error(
        "read {}: {source}; `courtside config example` writes one to begin with",
        Foreign::path(file)
    )]
    Read { file: PathBuf, source: io::Error },
    /// The file is not what we understand.
    #[error("{}", lines(file, faults))]
    Refused { file: PathBuf, faults: Vec<Fault> },
}

/// One thing that is wrong in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what to write instead. May quote the file.
    pub text: Foreign,
}

fn lines(file: &Path, faults: &[Fault]) -> String {
    let file = Foreign::path(file);
    let line = |f: &Fault| format!("{file}:{}:{}: {}", f.line, f.column, f.text);
    faults.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Faults that are told; of a file with more, these are enough to begin with.
const TOLD_MOST: usize = 50;

/// What the checks of all sections found, in one pass.
pub(super) struct Findings<'a> {
    text: &'a str,
    faults: Vec<Fault>,
    /// Faults beyond those that are told.
    more: usize,
    advice: Vec<String>,
    secret_files: BTreeSet<PathBuf>,
}

impl<'a> Findings<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text,
            faults: Vec::new(),
            more: 0,
            advice: Vec::new(),
            secret_files: BTreeSet::new(),
        }
    }

    /// Refuses what stands at `span`.
    pub(super) fn fault(&mut self, span: Range<usize>, text: impl fmt::Display) {
        if self.faults.len() < TOLD_MOST {
            self.faults.push(at(self.text, span.start, text.to_string()));
        } else {
            self.more += 1;
        }
    }

    /// Remembers a file that holds a secret: whoever can read it has that too.
    pub(super) fn secret_in(&mut self, file: &Path) {
        self.secret_files.insert(file.to_owned());
    }

    /// Lets it pass, with a word.
    pub(super) fn advise(&mut self, text: impl fmt::Display) {
        self.advice.push(Foreign::told(text).to_string());
    }

    /// What was found: faults in the order of the file, advice, and files that hold secrets.
    pub(super) fn into_parts(mut self) -> (Vec<Fault>, Vec<String>, Vec<PathBuf>) {
        self.faults.sort_by_key(|fault| (fault.line, fault.column));
        if let (true, Some(last)) = (self.more > 0, self.faults.last().cloned()) {
            let text = format!("and {} more: mend these first", self.more);
            self.faults.push(Fault { text: Foreign::told(text), ..last });
        }
        (self.faults, self.advice, self.secret_files.into_iter().collect())
    }
}

/// Places `text` at a byte offset of the file.
pub(super) fn at(file: &str, offset: usize, text: String) -> Fault {
    let before = file.get(..offset).unwrap_or(file);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Fault {
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or("").chars().count() + 1,
        text: Foreign::told(text),
    }
}

/// The candidate nearest to `word` by edit distance, if it is near enough to be meant.
pub(super) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    candidates
        .into_iter()
        .map(|candidate| (edits(&word.to_lowercase(), candidate), candidate))
        .filter(|(edits, candidate)| *edits <= 2.max(candidate.chars().count() / 3))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and replacements from one word to the other (Levenshtein), by rows.
fn edits(from: &str, to: &str) -> usize {
    // A key of ours is short; a longer word is none of them, and must not cost its square.
    const LONGEST: usize = 64;
    if from.len() > LONGEST || to.len() > LONGEST {
        return usize::MAX;
    }
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        for ((j, b), above) in to.iter().enumerate().zip(row.windows(2)) {
            let &[diagonal, up] = above else { continue };
            let left = next.last().copied().unwrap_or(j);
            next.push((diagonal + usize::from(a != *b)).min(up + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_count_letters() {
        for (from, to, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("strem_key", "stream_key", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(edits(from, to), expected, "{from} → {to}");
        }
    }

    #[test]
    fn a_far_word_has_no_nearest() {
        assert_eq!(nearest("nam", ["name", "rims"]), Some("name"));
        assert_eq!(nearest("Rims_Of", ["rims", "rims_of"]), Some("rims_of"));
        assert_eq!(nearest("bananas", ["name", "rims"]), None);
    }

    #[test]
    fn a_place_is_counted_in_characters_from_one() {
        let file = "a = 1\nß = \"ü\" x\n";
        let offset = file.find('x').expect("there");
        let fault = at(file, offset, String::new());
        assert_eq!((fault.line, fault.column), (2, 9));
        assert_eq!(at(file, 10_000, String::new()).line, 3);
    }
}
