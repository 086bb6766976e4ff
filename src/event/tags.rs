//! Words by which clips are found again: those that people write.

/// Words of an operator on one clip, and letters of each: more is a text, not a tag (chosen).
const OWN_MOST: usize = 12;
const OWN_LETTERS: usize = 32;

/// Tags in a text: `#dunk` is `dunk`. Letters, digits, `-`, `_` and `:` of any script.
#[must_use]
pub fn own_words(text: &str) -> Vec<String> {
    let word = |word: &str| {
        let letter = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_' | ':');
        let tag: String = word.strip_prefix('#')?.chars().take_while(letter).collect();
        (!tag.is_empty()).then(|| tag.to_lowercase().chars().take(OWN_LETTERS).collect())
    };
    text.split_whitespace().filter_map(word).take(OWN_MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_an_operator_begin_with_a_mark_and_are_cut() {
        let long = format!("#{}", "x".repeat(99));
        for (text, tags) in [
            ("#Dunk by #ana, left hand", vec!["dunk", "ana"]),
            ("no tag # here #", vec![]),
            ("#a<b>c", vec!["a"]),
            ("#spot:corner #rim-out", vec!["spot:corner", "rim-out"]),
            ("#Übergabe", vec!["übergabe"]),
            (&long, vec![&long[1..=OWN_LETTERS]]),
        ] {
            assert_eq!(own_words(text), tags, "{text}");
        }
        assert_eq!(own_words(&"#a ".repeat(99)).len(), OWN_MOST);
    }
}
