//! Other TOML files than the configuration (the rules of a game), refused in the same words: file, line,
//! column, and the key that was meant.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::config::characters;
use crate::config::fault::{ConfigError, Fault, at, nearest};
use crate::config::load::{section_at, short};

/// Reads a file of this form. What its values mean is for the caller to check; [`refused`] tells it.
///
/// # Errors
/// [`ConfigError::Refused`]: the first fault of form, or all characters that mislead who reads it.
pub fn table<T: DeserializeOwned>(text: &str, file: &Path) -> Result<T, ConfigError> {
    let refused = |faults| ConfigError::Refused { file: file.to_owned(), faults };
    let mut misleading = characters::in_text(text);
    if misleading.is_empty() {
        misleading = characters::in_values(text);
    }
    if !misleading.is_empty() {
        return Err(refused(misleading));
    }
    toml::from_str(text).map_err(|error| refused(vec![explain(text, &error)]))
}

/// What is wrong with values, each at its byte offset: in the order of the file.
#[must_use]
pub fn refused(text: &str, file: &Path, faults: Vec<(usize, String)>) -> ConfigError {
    let mut faults: Vec<Fault> =
        faults.into_iter().map(|(offset, said)| at(text, offset, said)).collect();
    faults.sort_by_key(|fault| (fault.line, fault.column));
    ConfigError::Refused { file: file.to_owned(), faults }
}

fn explain(text: &str, error: &toml::de::Error) -> Fault {
    let offset = error.span().map_or(0, |span| span.start);
    let message = short(error.message().trim());
    let section = section_at(text, offset);
    let said = match message.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`')) {
        Some((unknown, expected)) => {
            let keys: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
            let place =
                if section.is_empty() { "the file".to_owned() } else { format!("[{section}]") };
            match nearest(unknown, keys.iter().copied()) {
                Some(meant) => {
                    format!("unknown key `{unknown}` in {place}: did you mean `{meant}`?")
                }
                None => format!(
                    "unknown key `{unknown}` in {place}: take it out; known here are {}",
                    keys.join(", ")
                ),
            }
        }
        None if message == "duplicate key" => {
            "this key stands twice in its table: take one out".to_owned()
        }
        None => message.replace('\n', ", "),
    };
    at(text, offset, said)
}
