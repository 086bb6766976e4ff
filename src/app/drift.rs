//! What of a state merely drifts: measured figures, also those that stand in a sentence. Pure.
//!
//! A retained state is told again when something *changed*. A median that moved by a tenth of a millisecond is
//! no change, and neither is the sentence that quotes it.

use serde_json::Value;

/// Fields with sentences, of which some quote figures.
const SENTENCES: [&str; 7] = ["reason", "fault", "text", "todo", "said", "figure", "decoder"];
/// What somebody drew: told as it is.
const DRAWN: [&str; 2] = ["rims", "rims_of"];
/// Digits of a measured figure that a person can use.
const DIGITS: i32 = 3;

/// The same with every figure in a sentence let go: what is left changes only with what is said.
#[must_use]
pub(crate) fn fixed(mut state: Value) -> Value {
    strip(&mut state, false);
    state
}

fn strip(value: &mut Value, is_sentence: bool) {
    match value {
        Value::String(text) if is_sentence => *text = without_figures(text),
        Value::Array(all) => all.iter_mut().for_each(|one| strip(one, is_sentence)),
        Value::Object(fields) => {
            for (name, field) in fields {
                strip(field, SENTENCES.contains(&name.as_str()));
            }
        }
        _ => {}
    }
}

/// `#` for each run of digits, with points, commas and a sign in it.
fn without_figures(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let digit_follows = rest.peek().is_some_and(char::is_ascii_digit);
        let begins = c.is_ascii_digit() || (matches!(c, '-' | '+') && digit_follows);
        if !begins {
            plain.push(c);
            continue;
        }
        plain.push('#');
        while let Some(next) = rest.peek().copied() {
            let mut after = rest.clone();
            after.next();
            let goes_on = after.peek().is_some_and(char::is_ascii_digit);
            if next.is_ascii_digit() || (matches!(next, '.' | ',') && goes_on) {
                rest.next();
            } else {
                break;
            }
        }
    }
    plain
}

/// The same with measured figures rounded to three digits; whole numbers count something and stay.
#[must_use]
pub(crate) fn rounded(mut state: Value) -> Value {
    round(&mut state);
    state
}

fn round(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let digits = number.as_f64().map(to_digits).and_then(serde_json::Number::from_f64);
            if let Some(digits) = digits {
                *number = digits;
            }
        }
        Value::Array(all) => all.iter_mut().for_each(round),
        Value::Object(fields) => {
            for (name, field) in fields {
                if !DRAWN.contains(&name.as_str()) {
                    round(field);
                }
            }
        }
        _ => {}
    }
}

/// Three digits; what has more before the point keeps those.
fn to_digits(figure: f64) -> f64 {
    if figure == 0.0 || !figure.is_finite() {
        return figure;
    }
    let mut places = 0;
    let mut size = figure.abs();
    while size < 10_f64.powi(DIGITS - 1) && places < 12 {
        size *= 10.0;
        places += 1;
    }
    let scale = 10_f64.powi(places);
    (figure * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_are_rounded_to_what_a_person_can_use() {
        for (measured, told) in [
            (42.8431, 42.8),
            (29.970_029, 30.0),
            (0.001_234_5, 0.001_23),
            (1520.46, 1520.0),
            (-3.006, -3.01),
        ] {
            assert!(
                (to_digits(measured) - told).abs() < 1e-9,
                "{measured}: {}",
                to_digits(measured)
            );
        }
        let state = json!({ "fps": 29.970_029, "pictures": 123_456, "rims": [[1.234_567, 2.5]] });
        let told = json!({ "fps": 30.0, "pictures": 123_456, "rims": [[1.234_567, 2.5]] });
        assert_eq!(rounded(state), told);
    }

    #[test]
    fn a_sentence_is_the_same_whatever_figure_it_quotes_and_no_name_is_touched() {
        let of = |took: &str| {
            fixed(json!({
                "name": "rim-1", "session": "00c0ffee12345678",
                "bundles": [{ "reason": format!("takes {took} ms, its budget is 3 ms") }],
            }))
        };
        assert_eq!(of("42.8"), of("1,043.25"));
        let other = fixed(json!({ "reason": "the file is not there" }));
        assert_eq!(other, json!({ "reason": "the file is not there" }));
        let names = [json!({ "name": "rim-1" }), json!({ "name": "rim-2" })].map(fixed);
        assert_ne!(names[0], names[1]);
    }
}
