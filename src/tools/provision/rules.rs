//! Who is approved before it asks (pure).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::claim::{Serial, reserved};
use crate::media::{BoxName, Foreign};

/// Names by serial number.
pub(super) type List = BTreeMap<Serial, BoxName>;

/// What the technician has said beforehand.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// These boxes and no other; absent, a person says of each.
    pub list: Option<List>,
    /// They need no further yes.
    pub yes: bool,
    /// One that has an identity gets another one.
    pub again: bool,
    /// A password instead of a certificate.
    pub password: bool,
    /// How long a certificate lasts.
    pub lasts: Duration,
}

impl Rules {
    /// The name that was thought of for a box.
    pub(super) fn name(&self, serial: &Serial) -> Option<&BoxName> {
        self.list.as_ref()?.get(serial)
    }

    /// It is on no list, and there is one.
    pub(super) fn unknown(&self, serial: &Serial) -> bool {
        self.list.as_ref().is_some_and(|list| !list.contains_key(serial))
    }
}

/// A name that a box may have.
///
/// # Errors
/// What to write instead.
pub(super) fn name(text: &str) -> anyhow::Result<BoxName> {
    let name = BoxName::new(text)?;
    if reserved(&name) {
        bail!("`{name}` is reserved: choose another name");
    }
    Ok(name)
}

/// Reads lines of `serial,name`. Empty ones and those that begin with `#` count for nothing, nor does a first
/// line that says `serial,name`.
///
/// # Errors
/// The line that is wrong, and how.
pub(super) fn list(text: &str) -> anyhow::Result<List> {
    let mut list = List::new();
    let mut names = BTreeSet::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.is_empty()
            || line.starts_with('#')
            || (at == 0 && line.eq_ignore_ascii_case("serial,name"))
        {
            continue;
        }
        let read = || {
            let (serial, text) = line.split_once(',').context("write serial,name")?;
            let serial = Serial::new(serial.trim())?;
            let name = name(text.trim())?;
            if !names.insert(name.clone()) {
                bail!("`{name}` is another line's name too");
            }
            if list.insert(serial.clone(), name).is_some() {
                bail!("{serial} is on another line too");
            }
            Ok(())
        };
        let mut read = read;
        read().with_context(|| format!("line {}, `{}`", at + 1, Foreign::name(line)))?;
    }
    if list.is_empty() {
        bail!("it names no box: write a line of serial,name for each");
    }
    Ok(list)
}

/// What a person answers when asked about a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Yes, under this name.
    Yes(BoxName),
    /// No.
    No,
    /// That was neither: what to type.
    What(String),
}

/// Reads an answer; `thought` is the name that a yes means.
pub(super) fn reply(line: &str, thought: Option<&BoxName>) -> Reply {
    match (line.trim(), thought) {
        ("n" | "no", _) => Reply::No,
        ("y" | "yes", Some(name)) => Reply::Yes(name.clone()),
        ("" | "y" | "yes", None) => Reply::What("type a name, or n".to_owned()),
        ("", Some(_)) => Reply::What("type y or n".to_owned()),
        (text, _) => match name(text) {
            Ok(name) => Reply::Yes(name),
            Err(wrong) => Reply::What(format!("{wrong:#}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_spreadsheets_write_it() {
        let text = "\u{feff}Serial,Name\r\nCS-1,rim-1\r\n# later\r\n\r\n CS-2 , rim-2 \r\n";
        let read = list(text).expect("read");
        let row = |serial: &str, name: &str| {
            (Serial::new(serial).expect("a serial number"), BoxName::new(name).expect("a name"))
        };
        assert_eq!(read, List::from([row("CS-1", "rim-1"), row("CS-2", "rim-2")]));
    }

    #[test]
    fn what_is_wrong_with_a_list_is_said_by_its_line() {
        for (text, expected) in [
            ("", "it names no box"),
            ("CS-1,rim-1\nCS-2", "line 2, `CS-2`: write serial,name"),
            ("CS-1,Rim 1", "line 1, `CS-1,Rim 1`: `Rim 1` is no name"),
            ("CS/1,rim-1", "line 1, `CS/1,rim-1`: `CS/1` is no serial number"),
            ("CS-1,rim-1\nCS-2,rim-1", "`rim-1` is another line's name too"),
            ("CS-1,rim-1\nCS-1,rim-2", "CS-1 is on another line too"),
            ("CS-1,courtside-office", "reserved"),
            ("CS-1,rim-1,x", "is no name"),
        ] {
            let said = format!("{:#}", list(text).expect_err("refused"));
            assert!(said.contains(expected), "{text:?}: {said}");
        }
    }

    #[test]
    fn a_person_says_yes_no_or_a_name() {
        let thought = BoxName::new("rim-1").expect("a name");
        let other = BoxName::new("rim-2").expect("a name");
        for (line, named, expected) in [
            ("y", Some(&thought), Some(Reply::Yes(thought.clone()))),
            (" yes ", Some(&thought), Some(Reply::Yes(thought.clone()))),
            ("rim-2", Some(&thought), Some(Reply::Yes(other.clone()))),
            ("rim-2", None, Some(Reply::Yes(other.clone()))),
            ("n", None, Some(Reply::No)),
            ("no", Some(&thought), Some(Reply::No)),
            ("y", None, None),
            ("", Some(&thought), None),
            ("Rim 2", None, None),
            ("courtside-claim-x", None, None),
        ] {
            let said = reply(line, named);
            match expected {
                Some(expected) => assert_eq!(said, expected, "{line:?}"),
                None => assert!(matches!(said, Reply::What(_)), "{line:?}: {said:?}"),
            }
        }
    }
}
