//! The hosted bundle that the configuration names, and its key: read once, at the start.

use std::path::{Path, PathBuf};

use crate::config::Secret;
use crate::disk::read_regular_text;
use crate::look::manifest::{Hosted, HostedRefused};
use crate::media::Foreign;

/// The one name of a manifest.
const MANIFEST: &str = "model.toml";
/// As of every bundle.
const MANIFEST_MOST_BYTES: u64 = 256 << 10;
/// More than any key.
const KEY_MOST_BYTES: u64 = 16 << 10;

/// Why there is no second look.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum NoLook {
    #[error("`{name}` is no name of a bundle: use 1 to 32 of a-z, 0-9 and '-'")]
    Name { name: String },
    #[error(
        "no bundle `{name}`: looked for {name}/model.toml in {searched}; put it there, or correct `bundle` of [look]"
    )]
    NotFound { name: String, searched: String },
    #[error("read {path}: {why}; make it readable for the user that courtside runs as")]
    Unreadable { path: String, why: Foreign },
    #[error(transparent)]
    Refused(#[from] HostedRefused),
}

/// Why there is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum NoKey {
    #[error("read {path}: {why}; put the key there, readable for the user that courtside runs as")]
    Unreadable { path: String, why: Foreign },
    #[error("{path} has no key on its first line")]
    Empty { path: String },
    #[error("the key in {path} has characters that no key has")]
    Odd { path: String },
}

/// Finds the hosted bundle `name` in the first of `folders` that has it. Reads a file.
///
/// # Errors
/// [`NoLook`]: not there, or what is wrong with it.
pub fn find(name: &str, folders: &[PathBuf]) -> Result<Hosted, NoLook> {
    let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if !(1..=32).contains(&name.len()) || !name.bytes().all(good) {
        return Err(NoLook::Name { name: name.chars().take(64).collect() });
    }
    for folder in folders {
        let manifest = folder.join(name).join(MANIFEST);
        match read_regular_text(&manifest, MANIFEST_MOST_BYTES) {
            Ok(text) => {
                let hosted = Hosted::parse(name, &manifest, &text)?;
                let key_file = hosted.key_file.map(|file| folder.join(name).join(file));
                return Ok(Hosted { key_file, ..hosted });
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                let (path, why) = (manifest.display().to_string(), Foreign::error(&error));
                return Err(NoLook::Unreadable { path, why });
            }
        }
    }
    let searched: Vec<String> = folders.iter().map(|dir| dir.display().to_string()).collect();
    Err(NoLook::NotFound { name: name.to_owned(), searched: searched.join(", ") })
}

/// The key of a file: its first line.
///
/// # Errors
/// [`NoKey`]: why there is none, without a word of what stands there.
pub fn key(file: &Path) -> Result<Secret, NoKey> {
    let path = || file.display().to_string();
    let text = read_regular_text(file, KEY_MOST_BYTES)
        .map_err(|error| NoKey::Unreadable { path: path(), why: Foreign::error(&error) })?;
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() {
        return Err(NoKey::Empty { path: path() });
    }
    if !line.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(NoKey::Odd { path: path() });
    }
    Ok(Secret::new(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{RealDisk, write_durably};

    const GOOD: &str = "format = 2\nname = \"hosted-x\"\nversion = \"0.1.0\"\ntask = \"rim\"\nwhere = \"hosted\"\n\
        role = \"second\"\nshape = \"openai\"\nmodel = \"m\"\nkey_file = \"key\"\ndeadline_ms = 6000\n\
        cap_usd_a_day = 2.0\n[price]\ndate = \"2026-11-28\"\ninput_usd_a_million = 1\noutput_usd_a_million = 1\n";

    #[test]
    fn the_first_folder_that_has_it_counts_and_a_key_lies_beside_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let folders = [dir.path().join("none"), dir.path().join("models")];
        let place = folders[1].join("hosted-x");
        std::fs::create_dir_all(&place).expect("made");
        let put = |name: &str, text: &str| {
            write_durably(&RealDisk::new(), &place.join(name), text.as_bytes()).expect("written");
        };
        assert!(matches!(find("hosted-x", &folders), Err(NoLook::NotFound { .. })));
        assert!(matches!(find("../x", &folders), Err(NoLook::Name { .. })));
        put("model.toml", GOOD);
        let hosted = find("hosted-x", &folders).expect("there");
        let file = hosted.key_file.expect("named");
        assert!(matches!(key(&file), Err(NoKey::Unreadable { .. })));
        for (text, expected) in [("\nsk-1\n", false), ("sk 1\n", false), ("sk-1\nmore", true)] {
            put("key", text);
            let found = key(&file);
            assert_eq!(found.as_ref().is_ok_and(|key| key.expose() == "sk-1"), expected, "{text}");
            assert!(!found.is_err_and(|error| error.to_string().contains("sk")), "never told");
        }
        put("model.toml", &GOOD.replace("deadline_ms = 6000", "deadline_ms = 1"));
        assert!(matches!(find("hosted-x", &folders), Err(NoLook::Refused(_))));
    }
}
