//! What commands say on the terminal: lines in which no text from outside moves a cursor or begins one.
//!
//! State of a box, entries of a ring, names of files and errors of libraries come from who knows whom.
//! A command prints them with these and with nothing else; `tests/house.rs` says which files print by
//! themselves, and why nothing of the kind stands in what they print.

use std::fmt::Display;

use serde::Serialize;

use crate::config::ConfigError;
use crate::media::Foreign;

/// One line of the answer.
pub(super) fn tell(line: impl Display) {
    println!("{}", Foreign::told(line));
}

/// One line of JSON of the answer. Clean JSON is printed as it was written, key by key.
pub(super) fn tell_json(value: &impl Serialize) -> serde_json::Result<()> {
    let text = serde_json::to_string(value)?;
    if Foreign::is_plain(&text) {
        println!("{text}");
    } else {
        println!("{}", Foreign::json(serde_json::from_str(&text)?));
    }
    Ok(())
}

/// One line beside the answer.
pub(super) fn remark(line: impl Display) {
    eprintln!("{}", Foreign::told(line));
}

/// Why the configuration is refused: a line for each fault, as editors read them. What a fault quotes of
/// the file was cleaned when the fault was found.
pub(super) fn remark_refused(error: &ConfigError) {
    error.to_string().lines().for_each(remark);
}

/// Why a command failed. What an error quotes begins no line of its own: all but the first are indented.
pub(super) fn remark_failed(error: &anyhow::Error) {
    if let Some(refused) = error.downcast_ref() {
        return remark_refused(refused);
    }
    for (at, line) in format!("{error:#}").lines().enumerate() {
        let margin = if at == 0 { "courtside:" } else { " " };
        remark(format_args!("{margin} {line}"));
    }
}
