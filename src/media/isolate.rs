//! Names in sentences: one that is written from right to left turns nothing round that stands beside it.
//!
//! A score after such a name would be read from the wrong side: `{name} 12–2 Reds` as 2–12. So the name stands
//! between the marks of an isolate (Unicode UAX #9, FSI and PDI), and other names stand as they are. Pure.

const FIRST_STRONG: char = '\u{2068}';
const POP: char = '\u{2069}';

/// The name as it stands in a sentence.
#[must_use]
pub fn isolated(name: &str) -> String {
    let name = without_isolates(name);
    if name.chars().any(is_from_right) { format!("{FIRST_STRONG}{name}{POP}") } else { name }
}

/// A text without the marks of isolates.
#[must_use]
pub fn without_isolates(text: &str) -> String {
    text.chars().filter(|c| !matches!(*c, FIRST_STRONG | POP)).collect()
}

/// A text in pieces, those that are isolated with `true`; `None` where a mark has no partner.
#[must_use]
pub fn isolates(text: &str) -> Option<Vec<(bool, &str)>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(FIRST_STRONG) {
        let (inside, after) = after.split_once(POP)?;
        pieces.extend([(false, before), (true, inside)]);
        rest = after;
    }
    pieces.push((false, rest));
    let lone = |(_, piece): &(bool, &str)| piece.contains([FIRST_STRONG, POP]);
    (!pieces.iter().any(lone)).then_some(pieces)
}

/// Letters of scripts that are written from right to left, by block.
const fn is_from_right(c: char) -> bool {
    matches!(c,
        '\u{590}'..='\u{8ff}'
            | '\u{fb1d}'..='\u{fdff}'
            | '\u{fe70}'..='\u{fefc}'
            | '\u{10800}'..='\u{10fff}'
            | '\u{1e800}'..='\u{1efff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_right_to_left_is_isolated_and_others_stand_as_they_are() {
        assert_eq!(isolated("Reds"), "Reds");
        assert_eq!(isolated("מכבי"), "\u{2068}מכבי\u{2069}");
        assert_eq!(isolated("A\u{2068}b"), "Ab", "marks that came with a name are none of ours");
        let text = format!("{} 12–2 Reds", isolated("מכבי"));
        assert_eq!(isolates(&text), Some(vec![(false, ""), (true, "מכבי"), (false, " 12–2 Reds")]));
        assert_eq!(without_isolates(&text), "מכבי 12–2 Reds");
        for lone in ["a\u{2068}b", "a\u{2069}b", "\u{2068}\u{2068}a\u{2069}"] {
            assert_eq!(isolates(lone), None, "{lone:?}");
        }
    }
}
