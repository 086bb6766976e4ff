//! Text from outside, made harmless at the door: [`Foreign`].
//!
//! Encoders name themselves, brokers give reasons, certificates, files and models have names, and
//! libraries quote all of them in their errors. Whoever writes such a text writes into our log, the
//! terminal of who runs `doctor`, the state and the page. So it is taken in through one function, in
//! which what could move a cursor, begin a line, turn the order of reading or hide is made visible,
//! and the length is bounded. There is no way back to the raw text.
//!
//! **The one way in which it is made visible is Rust's own escape**, `\n`, `\u{1b}`, `\u{202e}`: a
//! technician sees that something stood there, and what. (U+FFFD would not say what, leaving it out not
//! even that.) The escape is not marked as ours: who writes the eight characters `\u{202e}` gets the same
//! eight characters, which do nothing. That makes cleaning twice the same as once.
//!
//! What is escaped: everything that Unicode calls control, format, separator (but for four spaces with
//! a width), private use, surrogate or unassigned; what it calls default-ignorable; variation selectors
//! and joiners outside of the places where writing needs them; the fifth and later mark on one base,
//! and a mark without a base. What needs them: a joiner between two pictures (👩‍🚒) or between two
//! letters of Arabic, Syriac or an Indic script (Persian می‌خواهم), one selector behind a picture (❤️),
//! in a keycap (1️⃣) or behind a Han character. Letters that merely look alike are left alone: two names
//! are told apart by address and court, never by a text from outside.
//!
//! Text that reads from right to left keeps its own order; where it stands beside other text, the page
//! isolates it (`<bdi>`).

use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// Marks on one base: the most that a living script stacks (Hebrew with points and accents).
const MOST_MARKS: u32 = 4;

/// What a text is, which says how long it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name that somebody gave himself or a thing.
    Name,
    /// A reason, an error: a sentence or two.
    Text,
    /// Sentences of ours with such texts in them, paths, and whatever is read back from JSON.
    Told,
}

impl Kind {
    /// Characters, the ellipsis of what was cut included (chosen: a name fits into a line of the log,
    /// a text into three; no sentence of ours is half as long as the last).
    #[must_use]
    pub const fn most_chars(self) -> usize {
        match self {
            Self::Name => 80,
            Self::Text => 400,
            Self::Told => 2_000,
        }
    }
}

/// Text from outside, of bounded length, in which nothing is hidden. See the module.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Foreign(Arc<str>);

impl Foreign {
    /// The one function: every other way in ends here.
    #[must_use]
    pub fn of(kind: Kind, text: &str) -> Self {
        Self(cleaned(text, kind.most_chars()).into())
    }

    /// A name that somebody gave himself or a thing.
    #[must_use]
    pub fn name(text: &str) -> Self {
        Self::of(Kind::Name, text)
    }

    /// A reason, or what a library says.
    #[must_use]
    pub fn text(text: impl fmt::Display) -> Self {
        Self::of(Kind::Text, &text.to_string())
    }

    /// A sentence of ours in which texts from outside may stand.
    #[must_use]
    pub fn told(text: impl fmt::Display) -> Self {
        Self::of(Kind::Told, &text.to_string())
    }

    /// Bytes that should be UTF-8; what is none is replaced.
    #[must_use]
    pub fn bytes(kind: Kind, bytes: &[u8]) -> Self {
        // Four bytes a character: what lies behind them could not be kept anyway.
        let read = bytes.len().min(4 * (kind.most_chars() + 1));
        Self::of(kind, &String::from_utf8_lossy(bytes.get(..read).unwrap_or(bytes)))
    }

    /// A path, or a name out of a listing: as long as may be, because somebody has to find it.
    #[must_use]
    pub fn path(path: impl AsRef<Path>) -> Self {
        Self::of(Kind::Told, &path.as_ref().to_string_lossy())
    }

    /// An error and its causes in one line, each once.
    #[must_use]
    pub fn error(error: &dyn Error) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let said = error.to_string();
            if !text.contains(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            cause = error.source();
        }
        Self::of(Kind::Told, &text)
    }

    /// JSON from outside: all of its texts and keys. A picture as base 64 (RFC 4648 §4) stays whole, however
    /// long: its letters can do no harm, and half of it is none.
    #[must_use]
    pub fn json(value: Value) -> Value {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
        let clean = |text: &str| match text.bytes().all(letter) {
            true => text.to_owned(),
            false => Self::of(Kind::Told, text).to_string(),
        };
        match value {
            Value::String(text) => Value::String(clean(&text)),
            Value::Array(items) => Value::Array(items.into_iter().map(Self::json).collect()),
            Value::Object(members) => {
                let members = members.into_iter();
                Value::Object(members.map(|(key, of)| (clean(&key), Self::json(of))).collect())
            }
            plain => plain,
        }
    }

    /// True for a text in which nothing would be escaped, however long.
    #[must_use]
    pub fn is_plain(text: &str) -> bool {
        Self::first_hidden(text).is_none()
    }

    /// The first character that would be escaped, and its offset in bytes.
    #[must_use]
    pub fn first_hidden(text: &str) -> Option<(usize, char)> {
        let mut before = Before::default();
        let mut rest = text.char_indices().peekable();
        while let Some((at, c)) = rest.next() {
            let next = rest.peek().map(|(_, next)| *next);
            if before.take(c, next) == Piece::Escaped {
                return Some((at, c));
            }
        }
        None
    }

    /// The text as it may be shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What becomes of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Kept,
    /// Kept for the sake of what follows: never the last before a cut.
    Joins,
    Escaped,
}

/// What stands before a character, as it was written out.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    last: Option<char>,
    /// Marks since the last base, those over the bound included.
    marks: u32,
}

impl Before {
    fn take(&mut self, c: char, next: Option<char>) -> Piece {
        let piece = self.judge(c, next);
        match piece {
            // A flood of marks is one flood: its escapes are no new base for the rest of it.
            Piece::Escaped if is_mark(c) => self.last = Some('}'),
            Piece::Escaped => *self = Self { last: Some('}'), marks: 0 },
            Piece::Kept if is_mark(c) => {
                self.marks += u32::from(!is_selector(c));
                self.last = Some(c);
            }
            Piece::Kept | Piece::Joins => *self = Self { last: Some(c), marks: 0 },
        }
        piece
    }

    fn judge(&self, c: char, next: Option<char>) -> Piece {
        let kept = |keep: bool, as_piece| if keep { as_piece } else { Piece::Escaped };
        let last = self.last.unwrap_or(' ');
        match c {
            ' '..='~' => Piece::Kept,
            '\u{200d}' if is_picture(last) || last == '\u{fe0f}' => {
                kept(next.is_some_and(|next| is_picture(next) && is_shown(next)), Piece::Joins)
            }
            '\u{200c}' | '\u{200d}' => {
                let letter = |next: char| joins(next) && is_shown(next) && !is_mark(next);
                kept(joins(last) && next.is_some_and(letter), Piece::Joins)
            }
            '\u{fe0f}' if matches!(last, '0'..='9' | '#' | '*') => {
                kept(next == Some('\u{20e3}'), Piece::Joins)
            }
            '\u{fe0e}' | '\u{fe0f}' => kept(is_picture(last), Piece::Kept),
            '\u{e0100}'..='\u{e01ef}' => kept(is_han(last), Piece::Kept),
            '\u{a0}' | '\u{202f}' | '\u{3000}' => Piece::Kept,
            c if is_ignorable(c) || !is_shown(c) => Piece::Escaped,
            c if is_mark(c) => kept(self.last.is_some() && self.marks < MOST_MARKS, Piece::Kept),
            _ => Piece::Kept,
        }
    }
}

fn cleaned(text: &str, most_chars: usize) -> String {
    let mut out = String::new();
    let mut chars = 0;
    // Where the text may end, with room for the ellipsis.
    let mut end = 0;
    let mut before = Before::default();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let piece = before.take(c, rest.peek().copied());
        let whole = out.len();
        if piece == Piece::Escaped {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        chars += out.get(whole..).unwrap_or_default().chars().count();
        if chars > most_chars {
            out.truncate(end);
            out.push('…');
            break;
        }
        if chars < most_chars && piece != Piece::Joins {
            end = out.len();
        }
    }
    out
}

/// False for what Unicode calls control, format, private use, surrogate, unassigned, and for
/// separators: the standard library knows them, because it escapes them wherever they stand.
fn is_shown(c: char) -> bool {
    let mut text = [0; 5];
    // Behind a first character, where a mark may stand.
    let [first, rest @ ..] = &mut text;
    *first = b'x';
    let bytes = 1 + c.encode_utf8(rest).len();
    let text = text.get(..bytes).and_then(|text| std::str::from_utf8(text).ok());
    let escaped = text.is_none_or(|text| text.escape_debug().nth(1) == Some('\\'));
    !escaped || is_quoted(c)
}

/// True for what stands on the character before it.
fn is_mark(c: char) -> bool {
    is_selector(c) || (c.escape_debug().next() == Some('\\') && is_shown(c) && !is_quoted(c))
}

/// What is escaped in quotes only because of the quotes.
const fn is_quoted(c: char) -> bool {
    matches!(c, '\\' | '"' | '\'')
}

const fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Default-ignorable beyond format characters: Unicode, DerivedCoreProperties.txt. Braille's blank is
/// none by name and is one to the eye.
const fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2065}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Pictures that emoji sequences are made of, by block (Unicode, emoji-data.txt,
/// Extended_Pictographic, rounded up).
const fn is_picture(c: char) -> bool {
    matches!(
        c,
        '\u{a9}'
            | '\u{ae}'
            | '\u{203c}'
            | '\u{2049}'
            | '\u{2122}'
            | '\u{2139}'
            | '\u{2190}'..='\u{21ff}'
            | '\u{2300}'..='\u{23ff}'
            | '\u{24c2}'
            | '\u{25a0}'..='\u{27bf}'
            | '\u{2934}'
            | '\u{2935}'
            | '\u{2b00}'..='\u{2bff}'
            | '\u{3030}'
            | '\u{303d}'
            | '\u{3297}'
            | '\u{3299}'
            | '\u{1f000}'..='\u{1faff}'
    )
}

/// Scripts in which a joiner changes what is read: Arabic, Syriac, those of India and Sinhala.
const fn joins(c: char) -> bool {
    matches!(
        c,
        '\u{620}'..='\u{74f}' | '\u{750}'..='\u{77f}' | '\u{8a0}'..='\u{8ff}' | '\u{900}'..='\u{dff}'
    )
}

/// Han characters, of which names take variants (葛󠄀).
const fn is_han(c: char) -> bool {
    matches!(
        c,
        '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{323af}'
    )
}

impl Deref for Foreign {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Foreign {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other
    }
}

impl PartialEq<&str> for Foreign {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == **other
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Foreign {
    /// In quotes, so that a field of the log ends where it ends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for Foreign {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Foreign {
    /// What another box, or another version, wrote is from outside too.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::of(Kind::Told, &text))
    }
}

/// On the wire it is a text like any other.
impl JsonSchema for Foreign {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests;
