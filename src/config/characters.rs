//! Characters that a configuration may not contain, because who reads the file would be misled (pure).
//!
//! A character that is not seen, or that turns the order in which a line is read, makes a file say one
//! thing to a person and another to us: in a comment as well as in a name, a path or an address. Which
//! they are, [`Foreign`] knows. A text may not smuggle one in as an escape either: `"\u202e"`.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::fault::{Fault, at};
use crate::media::Foreign;

/// So many are told of one file; one is enough to refuse it.
const MOST_TOLD: usize = 20;

/// Such characters in the text itself. A tab, and what Windows puts at either end, stay.
pub(super) fn in_text(text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        // Each is placed by counting lines: of a file of nothing else that would be a square.
        if faults.len() == MOST_TOLD {
            break;
        }
        let seen = line.strip_suffix('\n').unwrap_or(line);
        let seen = seen.strip_suffix('\r').unwrap_or(seen).replace('\t', " ");
        let mark =
            if start == 0 && seen.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let hidden = Foreign::first_hidden(seen.get(mark..).unwrap_or_default());
        if let Some((offset, hidden)) = hidden {
            faults.push(fault(text, start + mark + offset, "this line", hidden));
        }
        start += line.len();
    }
    faults
}

/// Such characters in keys and values, by an escape. A file that is no TOML is refused elsewhere.
pub(super) fn in_values(text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Ok(table) = DeTable::parse(text) {
        of_table(text, table.get_ref(), &mut faults);
    }
    faults
}

fn of_table(text: &str, table: &DeTable<'_>, faults: &mut Vec<Fault>) {
    for (key, value) in table {
        if faults.len() >= MOST_TOLD {
            return;
        }
        if let Some((_, hidden)) = Foreign::first_hidden(key.get_ref()) {
            faults.push(fault(text, key.span().start, "this key", hidden));
        }
        of_value(text, value, faults);
    }
}

fn of_value(text: &str, value: &Spanned<DeValue<'_>>, faults: &mut Vec<Fault>) {
    match value.get_ref() {
        _ if faults.len() >= MOST_TOLD => {}
        DeValue::String(said) => {
            if let Some((_, hidden)) = Foreign::first_hidden(said) {
                faults.push(fault(text, value.span().start, "this text", hidden));
            }
        }
        DeValue::Array(values) => values.iter().for_each(|value| of_value(text, value, faults)),
        DeValue::Table(table) => of_table(text, table, faults),
        _ => {}
    }
}

fn fault(text: &str, offset: usize, what: &str, hidden: char) -> Fault {
    let said = format!(
        "{what} contains {}, which is not seen or changes how a line is read: write it again without",
        hidden.escape_default()
    );
    at(text, offset, said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(faults: &[Fault]) -> Vec<(usize, usize, String)> {
        let place = |fault: &Fault| {
            let shown = fault.text.split(',').next().unwrap_or_default();
            (fault.line, fault.column, shown.to_owned())
        };
        faults.iter().map(place).collect()
    }

    #[test]
    fn what_misleads_the_reader_is_found_where_it_stands() {
        let text =
            "[box]\nname = \"a\" # \u{202e}b\n\tdata_dir = \"/x\u{200b}\"\r\n\u{1b}[2J\nx\ry";
        let expected = [
            (2, 14, r"this line contains \u{202e}"),
            (3, 16, r"this line contains \u{200b}"),
            (4, 1, r"this line contains \u{1b}"),
            (5, 2, r"this line contains \r"),
        ];
        assert_eq!(told(&in_text(text)), expected.map(|(l, c, t)| (l, c, t.to_owned())));
        let honest = "\u{feff}# Halle Süd, 東京 ❤\u{fe0f}\r\n\tname = \"a\"\r\n";
        assert_eq!(in_text(honest), []);
        assert_eq!(in_text(&"\u{202e}\n".repeat(5_000)).len(), MOST_TOLD);
    }

    #[test]
    fn an_escape_smuggles_nothing_in() {
        let text = r#"
name = "a\u202eb"
[box]
"k\u001b" = ["fine", "\n"]
[[court]]
rims = [[1, 2]]
deep = { path = "/x\u200b" }
"#;
        let expected = [
            (2, 8, r"this text contains \u{202e}"),
            (4, 1, r"this key contains \u{1b}"),
            (4, 22, r"this text contains \n"),
            (7, 17, r"this text contains \u{200b}"),
        ];
        let mut found = told(&in_values(text));
        found.sort();
        assert_eq!(found, expected.map(|(l, c, t)| (l, c, t.to_owned())));
        assert_eq!(in_values("no TOML"), []);
    }
}
