//! Rules by name: those in the binary, and a venue's own files in `{data_dir}/rules`, read when asked for.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::ConfigError;
use crate::disk::{Disk, read_whole};
use crate::event::play::RulesLine;
use crate::event::words::RulesSource;
use crate::game::rules::Rules;

/// A file of rules has some 3 kB.
const MOST_BYTES: u64 = 64 * 1024;
/// Files of a venue that are looked at (chosen: nobody chooses from more).
const MOST_FILES: usize = 100;

/// Why there are no such rules.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum NoRules {
    /// Neither ours nor a file.
    #[error(
        "no rules `{name}`: there are {ours}, and files in {}", folder.display(),
        ours = Rules::names().collect::<Vec<_>>().join(", ")
    )]
    Unknown { name: String, folder: PathBuf },
    /// A file that says something else.
    #[error(transparent)]
    Refused(#[from] ConfigError),
    /// Who asks for one name must not get another.
    #[error("{} says `name = \"{name}\"`: give the file that name", file.display())]
    OtherName { file: PathBuf, name: String },
    /// The disk said no.
    #[error("read {}", file.display())]
    Read { file: PathBuf, source: io::Error },
}

/// Rules by name and folder.
#[derive(Clone, Debug)]
pub struct Rulebook {
    folder: PathBuf,
}

impl Rulebook {
    /// That of a box.
    #[must_use]
    pub fn of(data_dir: &Path) -> Self {
        Self { folder: data_dir.join("rules") }
    }

    /// The rules of a name; ours before a file's. Reads a file on the caller's thread.
    ///
    /// # Errors
    /// [`NoRules`]: what to write instead.
    pub fn find(&self, name: &str, disk: &dyn Disk) -> Result<Rules, NoRules> {
        if let Some(rules) = Rules::named(name) {
            return Ok(rules);
        }
        let unknown = || NoRules::Unknown { name: name.to_owned(), folder: self.folder.clone() };
        // A plain name, so that no path leads elsewhere.
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(unknown());
        }
        let file = self.folder.join(format!("{name}.toml"));
        let bytes = read_whole(disk, &file, MOST_BYTES).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => unknown(),
            _ => NoRules::Read { file: file.clone(), source },
        })?;
        let text = String::from_utf8(bytes).map_err(|_| NoRules::Read {
            file: file.clone(),
            source: io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8"),
        })?;
        let rules = Rules::parse(&text, &file)?;
        if rules.name != name {
            return Err(NoRules::OtherName { file, name: rules.name });
        }
        Ok(rules)
    }

    /// All that a game can be started with, ours first; and what is wrong with the venue's other files.
    pub fn all(&self, disk: &dyn Disk) -> (Vec<RulesLine>, Vec<NoRules>) {
        let line = |rules: Rules, source| {
            let Rules { name, title, .. } = rules;
            RulesLine { name, title, source }
        };
        let ours = Rules::names().filter_map(Rules::named);
        let mut lines: Vec<_> = ours.map(|rules| line(rules, RulesSource::Courtside)).collect();
        let mut faults = Vec::new();
        let mut names = match disk.names(&self.folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => {
                faults.push(NoRules::Read { file: self.folder.clone(), source });
                Vec::new()
            }
        };
        names.sort_unstable();
        let files = names.iter().filter_map(|name| name.strip_suffix(".toml"));
        for name in files.filter(|name| Rules::named(name).is_none()).take(MOST_FILES) {
            match self.find(name, disk) {
                Ok(rules) => lines.push(line(rules, RulesSource::Venue)),
                Err(fault) => faults.push(fault),
            }
        }
        (lines, faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{ForgetfulDisk, write_durably};

    #[test]
    fn a_venues_own_rules_are_found_by_the_name_of_their_file() {
        let (disk, dir) = (ForgetfulDisk::new(), Path::new("/box"));
        let book = Rulebook::of(dir);
        let ours = book.all(&disk).0;
        assert_eq!(ours.len(), Rules::names().count());
        let own = include_str!("../../rules/pickup-11.toml");
        disk.create_dir_all(&dir.join("rules")).expect("made");
        let put = |name: &str, text: &str| {
            write_durably(&disk, &dir.join("rules").join(name), text.as_bytes()).expect("written");
        };
        put("hall-16.toml", &own.replace("pickup-11", "hall-16").replace("Pickup to 11", "Hall"));
        put("other.toml", own);
        put("bad.toml", "name = 1");
        put("notes.txt", "x");
        assert_eq!(book.find("hall-16", &disk).expect("found").name, "hall-16");
        let (lines, faults) = book.all(&disk);
        let own: Vec<_> = lines.iter().filter(|line| line.source == RulesSource::Venue).collect();
        assert_eq!(own.iter().map(|line| &line.name[..]).collect::<Vec<_>>(), ["hall-16"]);
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(faults.len() == 2 && faults[0].contains("bad.toml:1:"), "{faults:?}");
        assert!(faults[1].contains("give the file that name"), "{faults:?}");
        for (name, why) in [("hall-17", "there are fiba-3x3"), ("../box", "there are fiba-3x3")] {
            let told = book.find(name, &disk).expect_err("none").to_string();
            assert!(told.contains(why), "{told}");
        }
    }
}
