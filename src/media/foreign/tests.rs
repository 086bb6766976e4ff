//! What comes out of `Foreign`, whatever goes in.

use proptest::prelude::*;

use super::*;

const KINDS: [Kind; 3] = [Kind::Name, Kind::Text, Kind::Told];

/// What must never come out, said without the functions under test.
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{fffe}'
                | '\u{ffff}'
                | '\u{e000}'..='\u{f8ff}'
                | '\u{e0000}'..='\u{e00ff}'
                | '\u{e01f0}'..='\u{10ffff}'
        )
}

/// Characters that make trouble, alone and together, among ones that make none.
fn troublesome() -> impl Strategy<Value = String> {
    let picked = prop::sample::select(
        "a1#}… \\\n\r\t\u{1b}\u{7f}\u{9b}\u{85}\u{ad}\u{61c}\u{200b}\u{200c}\u{200d}\u{200e}\u{2028}\
         \u{202a}\u{202e}\u{2066}\u{2069}\u{2060}\u{feff}\u{180e}\u{e0041}\u{fe00}\u{fe0e}\u{fe0f}\
         \u{20e3}\u{e0100}\u{301}\u{338}\u{489}\u{fffd}\u{e000}\u{fdd0}\u{378}\u{3164}\u{2800}\u{3000}\
         葛❤👩🚒🏽مक्\u{93f}ﾞ"
            .chars()
            .collect::<Vec<_>>(),
    );
    let one = prop_oneof![8 => picked, 1 => any::<char>()];
    prop::collection::vec(one, 0..300).prop_map(String::from_iter)
}

proptest! {
    #[test]
    fn nothing_dangerous_comes_out_and_never_more_than_is_allowed(text in troublesome()) {
        for kind in KINDS {
            let clean = Foreign::of(kind, &text);
            prop_assert!(!clean.contains(is_dangerous), "{:?}", clean.as_str());
            prop_assert!(clean.chars().count() <= kind.most_chars());
            prop_assert!(Foreign::is_plain(&clean), "{:?}", clean.as_str());
        }
    }

    #[test]
    fn cleaned_twice_is_cleaned_once(text in troublesome()) {
        for kind in KINDS {
            let once = Foreign::of(kind, &text);
            for again in KINDS.iter().filter(|again| again.most_chars() >= kind.most_chars()) {
                prop_assert_eq!(&Foreign::of(*again, &once), &once);
            }
        }
    }

    #[test]
    fn plain_text_stays_as_it_is(text in "[ -~äßéÅ東京体育館コートقاعة]{0,80}") {
        prop_assert!(Foreign::is_plain(&text));
        let clean = Foreign::name(&text);
        prop_assert_eq!(clean.as_str(), text);
    }

    #[test]
    fn bytes_that_are_no_text_are_taken_too(bytes in prop::collection::vec(any::<u8>(), 0..900)) {
        let whole = Foreign::of(Kind::Name, &String::from_utf8_lossy(&bytes));
        prop_assert_eq!(Foreign::bytes(Kind::Name, &bytes), whole);
    }

    #[test]
    fn no_stack_of_marks_is_higher_than_is_written(text in troublesome()) {
        let clean = Foreign::told(&text);
        let mut stack = 0;
        for c in clean.chars() {
            stack = if matches!(c, '\u{301}' | '\u{338}' | '\u{489}') { stack + 1 } else { 0 };
            prop_assert!(stack <= MOST_MARKS);
        }
    }
}

#[test]
fn every_character_alone_is_shown_or_escaped() {
    for c in '\0'..=char::MAX {
        let clean = Foreign::name(c.encode_utf8(&mut [0; 4]));
        assert!(!clean.contains(is_dangerous), "{c:?}");
        assert!(clean == c.encode_utf8(&mut [0; 4]) as &str || clean.starts_with('\\'), "{c:?}");
    }
}

#[test]
fn names_of_honest_people_stay_readable() {
    for name in [
        "Larix Broadcaster/1.3.9 (Pixel 6, Android 14)",
        r"C:\Program Files\obs-studio",
        "東京体育館\u{3000}東コート",
        "ハーフコート ﾊﾞｽｹｯﾄ",
        "葛\u{e0100}飾区総合スポーツセンター",
        "ملعب كرة السلة الرئيسي",
        "مُحَمَّد",
        "می\u{200c}خواهم",
        "क्\u{200d}ष मुंबई",
        "אֱלֹהִ֑ים",
        "Nguyễn Việt",
        "Nguye\u{302}\u{303}n",
        "สนามกีฬา",
        "🏀 Court ❤\u{fe0f} 👩\u{200d}🚒 👩🏽\u{200d}🚒 🏳\u{fe0f}\u{200d}🌈 1\u{fe0f}\u{20e3}",
        "100\u{202f}% à\u{a0}gauche",
    ] {
        assert_eq!(Foreign::name(name).as_str(), name);
    }
}

#[test]
fn what_moves_a_cursor_begins_a_line_or_hides_is_seen() {
    for (text, shown) in [
        ("a\nINFO forged", r"a\nINFO forged"),
        ("a\r\tb", r"a\r\tb"),
        ("\u{1b}[2J\u{9b}2J\u{7f}", r"\u{1b}[2J\u{9b}2J\u{7f}"),
        ("a\u{2028}b\u{85}c", r"a\u{2028}b\u{85}c"),
        ("gpj\u{202e}.exe", r"gpj\u{202e}.exe"),
        ("a\u{2066}b\u{2069}\u{200f}", r"a\u{2066}b\u{2069}\u{200f}"),
        ("a\u{200b}b\u{feff}\u{ad}", r"a\u{200b}b\u{feff}\u{ad}"),
        ("a\u{200d}b\u{200c}c", r"a\u{200d}b\u{200c}c"),
        ("م\u{200c}a", r"م\u{200c}a"),
        ("👩\u{200d}", r"👩\u{200d}"),
        ("👩\u{200d}\u{200d}🚒", r"👩\u{200d}\u{200d}🚒"),
        ("a\u{fe0f}1\u{fe0f}2", r"a\u{fe0f}1\u{fe0f}2"),
        ("❤\u{fe0f}\u{fe0f}", "❤\u{fe0f}\\u{fe0f}"),
        ("🏴\u{e0067}\u{e007f}", r"🏴\u{e0067}\u{e007f}"),
        ("\u{301}a", r"\u{301}a"),
        ("\u{e000}\u{fdd0}\u{378}\u{10ffff}", r"\u{e000}\u{fdd0}\u{378}\u{10ffff}"),
        ("\u{2003}\u{3164}\u{2800}", r"\u{2003}\u{3164}\u{2800}"),
        (r"\u{202e}", r"\u{202e}"),
    ] {
        assert_eq!(Foreign::name(text).as_str(), shown);
        assert_eq!(Foreign::is_plain(text), text == shown, "{shown}");
    }
    let stacked = format!("Z{}a", "\u{334}".repeat(6));
    assert_eq!(Foreign::name(&stacked).as_str(), "Z\u{334}\u{334}\u{334}\u{334}\\u{334}\\u{334}a");
}

#[test]
fn what_is_too_long_ends_in_an_ellipsis_and_in_no_half_escape() {
    let most = Kind::Name.most_chars();
    assert_eq!(Foreign::name(&"x".repeat(most)).as_str(), "x".repeat(most));
    assert_eq!(Foreign::name(&"x".repeat(most + 1)).as_str(), "x".repeat(most - 1) + "…");
    assert_eq!(Foreign::name(&"東".repeat(5_000)).as_str(), "東".repeat(most - 1) + "…");
    let floods = Foreign::name(&"\u{202e}".repeat(5_000));
    assert_eq!(floods.as_str(), r"\u{202e}".repeat(9) + "…");
    let family = Foreign::name(&["👩"; 60].join("\u{200d}"));
    assert!(family.ends_with("👩…"), "{family}");
}

#[test]
fn debug_display_and_json_have_the_same_text_and_json_is_cleaned_when_it_is_read() {
    let clean = Foreign::name("a\u{1b}\"b");
    assert_eq!(format!("{clean}"), r#"a\u{1b}"b"#);
    assert_eq!(format!("{clean:?}"), r#""a\\u{1b}\"b""#);
    assert_eq!(serde_json::to_value(&clean).expect("JSON"), r#"a\u{1b}"b"#);
    let read: Foreign = serde_json::from_str(r#""a\u001b\u202e""#).expect("text");
    assert_eq!(read, r"a\u{1b}\u{202e}");
    let whole = serde_json::json!({"a\u{202e}": ["\n", 1, null, {"b": "\u{9b}"}]});
    let expected = serde_json::json!({r"a\u{202e}": [r"\n", 1, null, {"b": r"\u{9b}"}]});
    assert_eq!(Foreign::json(whole), expected);
    // A picture is not cut, and anything but its letters is no picture.
    let picture = Value::from("/9j+".repeat(50_000) + "==");
    assert_eq!(Foreign::json(picture.clone()), picture);
    let long = Value::from("/9j ".repeat(50_000));
    assert!(Foreign::json(long).as_str().is_some_and(|text| text.len() < 3_000));
    let schemas = [schemars::schema_for!(Foreign), schemars::schema_for!(String)];
    assert_eq!(schemas[0], schemas[1]);
}

#[test]
fn an_error_is_told_with_its_causes_each_once() {
    #[derive(Debug, thiserror::Error)]
    #[error("outer\u{1b}")]
    struct Outer(#[source] std::io::Error);
    let error = Outer(std::io::Error::other("inner\nforged"));
    assert_eq!(Foreign::error(&error), r"outer\u{1b}: inner\nforged");
}
