//! Rules by name: those in the binary, and a venue's own files in `{data_dir}/rules`, read when asked for.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::ConfigError;
use crate::disk::{Disk, read_whole};
use crate::event::play::RulesLine;
use crate::event::words::RulesSource;
use crate::game::rules::Rules;
use crate::media::Foreign;

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
    /// Who changes a copy of ours plays by it, or is told why not.
    #[error(
        "{}: courtside brings rules `{name}` of its own: give the file another name, write that as its `name`, \
         and start games with it",
        file.display()
    )]
    Ours { file: PathBuf, name: String },
    /// The disk said no.
    #[error("read {}", file.display())]
    Read { file: PathBuf, source: io::Error },
}

impl NoRules {
    /// All of it in one line, with its causes.
    #[must_use]
    pub fn in_one_line(&self) -> Foreign {
        match self {
            Self::Refused(error) => {
                let said = error.to_string();
                Foreign::told(said.lines().collect::<Vec<_>>().join("; "))
            }
            other => Foreign::error(other),
        }
    }
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

    /// The rules of a name: ours, or a file's; a file that says something else under a name of ours is refused. Reads
    /// a file on the caller's thread.
    ///
    /// # Errors
    /// [`NoRules`]: what to write instead.
    pub fn find(&self, name: &str, disk: &dyn Disk) -> Result<Rules, NoRules> {
        let unknown = || NoRules::Unknown { name: name.to_owned(), folder: self.folder.clone() };
        // A plain name, so that no path leads elsewhere.
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(unknown());
        }
        let file = self.folder.join(format!("{name}.toml"));
        let ours = Rules::named(name);
        let bytes = match read_whole(disk, &file, MOST_BYTES) {
            Ok(bytes) => bytes,
            Err(source) => {
                let none = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
                return match ours {
                    found if none.contains(&source.kind()) => found.ok_or_else(unknown),
                    _ => Err(NoRules::Read { file, source }),
                };
            }
        };
        let text = String::from_utf8(bytes).map_err(|_| NoRules::Read {
            file: file.clone(),
            source: io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8"),
        })?;
        let rules = Rules::parse(&text, &file);
        if let Some(ours) = ours {
            // A copy in which nobody changed a number is ours.
            let same = rules.is_ok_and(|rules| rules == ours);
            let name = name.to_owned();
            return same.then_some(ours).ok_or(NoRules::Ours { file, name });
        }
        let rules = rules?;
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
        for name in files.take(MOST_FILES) {
            let is_ours = Rules::named(name).is_some();
            match self.find(name, disk) {
                Ok(_) if is_ours => {}
                Ok(rules) => lines.push(line(rules, RulesSource::Venue)),
                Err(fault) => {
                    lines.retain(|line| !is_ours || line.name != name);
                    faults.push(fault);
                }
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
        let fiba = include_str!("../../rules/fiba-3x3.toml");
        disk.create_dir_all(&dir.join("rules")).expect("made");
        let put = |name: &str, text: &str| {
            write_durably(&disk, &dir.join("rules").join(name), text.as_bytes()).expect("written");
        };
        put("hall-16.toml", &own.replace("pickup-11", "hall-16").replace("Pickup to 11", "Hall"));
        put("other.toml", own);
        put("bad.toml", "name = 1");
        put("notes.txt", "x");
        put("pickup-11.toml", own);
        put("fiba-3x3.toml", &fiba.replacen("value = 21,", "value = 15,", 1));
        assert_eq!(book.find("hall-16", &disk).expect("found").name, "hall-16");
        let (lines, faults) = book.all(&disk);
        let own: Vec<_> = lines.iter().filter(|line| line.source == RulesSource::Venue).collect();
        assert_eq!(own.iter().map(|line| &line.name[..]).collect::<Vec<_>>(), ["hall-16"]);
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(faults.len() == 3 && faults[0].contains("bad.toml:1:"), "{faults:?}");
        assert!(faults[2].contains("give the file that name"), "{faults:?}");
        // A copy of ours that somebody changed is not passed over: whoever would play by it is told.
        assert!(
            faults[1].contains("fiba-3x3.toml: courtside brings rules `fiba-3x3`"),
            "{faults:?}"
        );
        let refused = book.find("fiba-3x3", &disk).expect_err("refused").to_string();
        assert_eq!(refused, faults[1]);
        assert!(!lines.iter().any(|line| line.name == "fiba-3x3"), "no game is started with it");
        assert_eq!(book.find("pickup-11", &disk).expect("nobody changed it").target, Some(11));
        for (name, why) in [("hall-17", "there are fiba-3x3"), ("../box", "there are fiba-3x3")] {
            let told = book.find(name, &disk).expect_err("none").to_string();
            assert!(told.contains(why), "{told}");
        }
    }
}
