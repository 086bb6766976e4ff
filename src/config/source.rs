//! The file that a box is run by, kept so that what is wanted over MQTT can be laid over it at any time.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::Config;
use crate::config::fault::ConfigError;
use crate::config::load::parse;
use crate::config::origin::{Origin, read_bounded};
use crate::config::overlay::{Base, Overlay, WHOLE};
use crate::config::site::{Site, under};
use crate::config::twin::{Store, Twin};
use crate::disk::{Disk, RealDisk};
use crate::event::twin::Refusal;
use crate::media::{BoxName, Foreign};

/// Reads a file of secrets.
pub type ReadFile = Arc<dyn Fn(&Path) -> io::Result<String> + Send + Sync>;

/// The file, as it was when it was read, and how to reach what it names.
#[derive(Clone)]
pub struct Source {
    file: PathBuf,
    text: String,
    base: Base,
    credentials: Option<PathBuf>,
    hostname: Option<String>,
    read: ReadFile,
}

/// Reads, checks and completes the configuration at `path`, with the secrets that it names, and with what
/// was wanted over MQTT laid over it.
///
/// # Errors
/// [`ConfigError`], whose text has a line for every fault.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let Begun { mut config, told, .. } = Source::of(path)?.look()?;
    config.advice.extend(told.iter().map(ToString::to_string));
    Ok(config)
}

/// What a box starts with. Its `Debug` says nothing of what may be secret.
#[derive(Clone)]
pub struct Begun {
    /// Its file.
    pub source: Source,
    /// What is wanted beside it.
    pub twin: Twin,
    /// Both together: what is in force.
    pub config: Config,
    /// What somebody must know of it.
    pub told: Vec<Foreign>,
    /// What was wanted beside the file could not be read, and was put aside: in words.
    pub damaged: Option<Foreign>,
}

impl Begun {
    /// The same for a box that was given a name: it counts where the file has none.
    #[must_use]
    pub fn named(mut self, name: Option<BoxName>) -> Self {
        if let Some(name) = name {
            self.source.hostname = Some(name.to_string());
            self.config.appliance.name = name;
        }
        self
    }
}

impl std::fmt::Debug for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Begun({:?})", self.twin)
    }
}

impl Source {
    /// Reads the file.
    ///
    /// # Errors
    /// [`ConfigError::Read`].
    pub fn of(file: &Path) -> Result<Self, ConfigError> {
        let text = read_bounded(file)
            .map_err(|source| ConfigError::Read { file: file.to_owned(), source })?;
        let hostname = read_bounded(Path::new("/proc/sys/kernel/hostname")).ok();
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let read = Arc::new(read_bounded);
        Ok(Self { credentials, hostname, ..Self::new(file, &text, read) })
    }

    /// Of a text, with a way to its secrets.
    #[must_use]
    pub fn new(file: &Path, text: &str, read: ReadFile) -> Self {
        // A text that is no TOML is refused by whoever asks what is in force.
        let base = Base::new(text).unwrap_or_default();
        Self {
            file: file.to_owned(),
            text: text.to_owned(),
            base,
            credentials: None,
            hostname: None,
            read,
        }
    }

    fn origin(&self) -> Origin<'_> {
        Origin {
            file: &self.file,
            credentials: self.credentials.as_deref(),
            hostname: self.hostname.as_deref(),
            read: &*self.read,
        }
    }

    /// What the file says by itself.
    ///
    /// # Errors
    /// [`ConfigError::Refused`], with line and column.
    pub fn alone(&self) -> Result<Config, ConfigError> {
        parse(&self.text, &self.origin())
    }

    /// What it says with the confirmed rims of `site` over it, and `wanted` over both.
    ///
    /// # Errors
    /// What is wrong with the whole, by path.
    pub fn with(&self, site: &Site, wanted: &Overlay) -> Result<Config, Vec<Refusal>> {
        let overlay = &under(site, wanted, &self.base);
        if overlay.is_empty() {
            let path = || Foreign::told(WHOLE);
            let refused =
                |error: ConfigError| Refusal { path: path(), reason: Foreign::told(error) };
            return self.alone().map_err(|error| vec![refused(error)]);
        }
        self.base.with(overlay, &self.origin())
    }

    /// Where a key in force comes from: `config/desired` of which revision, the file, or its default.
    #[must_use]
    pub fn says(&self, path: &str, twin: &Twin) -> String {
        if twin.force.overlay.names(path) {
            format!("desired, revision {}", twin.force.revision)
        } else if under(&twin.site, &twin.force.overlay, &self.base).names(path) {
            "confirmed in the picture".to_owned()
        } else if self.base.names(path) {
            "file".to_owned()
        } else {
            "default".to_owned()
        }
    }

    /// What is in force, for who only looks: nothing is written, and a twin that cannot be read is told.
    ///
    /// # Errors
    /// [`ConfigError`]: the file is refused.
    pub fn look(self) -> Result<Begun, ConfigError> {
        let alone = self.alone()?;
        let (twin, mut told) = match Store::of(&alone.appliance.data_dir).read(&RealDisk::new()) {
            Ok(twin) => (twin, Vec::new()),
            Err(why) => (Twin::default(), vec![why]),
        };
        let (twin, config) = self.fitting(alone, twin, &mut told);
        Ok(Begun { source: self, twin, config, told, damaged: None })
    }

    /// What is in force for a box that starts; its data folder must be ours by now. What is on trial is
    /// counted, and what cannot be used any more is let go, on disk, before anything is built.
    ///
    /// # Errors
    /// [`ConfigError`]: the file is refused.
    pub fn begin(self, disk: &dyn Disk) -> Result<Begun, ConfigError> {
        let alone = self.alone()?;
        let store = Store::of(&alone.appliance.data_dir);
        let (found, damaged) = store.take(disk);
        let mut told = Vec::new();
        let started = found.starting().unwrap_or_else(|| found.clone());
        let (twin, config) = self.fitting(alone, started, &mut told);
        if twin != found
            && let Err(error) = store.write(disk, &twin)
        {
            told.push(Foreign::told(format_args!(
                "what became of the wanted configuration could not be kept ({error})"
            )));
        }
        Ok(Begun { source: self, twin, config, told, damaged })
    }

    /// What of a twin still fits the file, and the configuration that it comes to.
    fn fitting(&self, alone: Config, mut twin: Twin, told: &mut Vec<Foreign>) -> (Twin, Config) {
        let errors = match self.with(&twin.site, &twin.force.overlay) {
            Ok(config) => return (twin, config),
            Err(errors) => errors,
        };
        if !twin.site.is_empty()
            && let Ok(config) = self.with(&Site::new(), &twin.force.overlay)
        {
            told.push(Foreign::told(
                "the rims that were confirmed in the picture do not fit the box's file any more: they \
                 are those of the file again; confirm them anew",
            ));
            twin.site.clear();
            return (twin, config);
        }
        let revision = twin.force.revision;
        for Refusal { path, reason } in &errors {
            told.push(Foreign::told(format_args!(
                "the configuration wanted over MQTT (revision {revision}) does not fit the box's file \
                 any more: {path}: {reason}"
            )));
        }
        let back = twin.undone("the box's file was changed so that it does not fit any more");
        match self.with(&back.site, &back.force.overlay) {
            Ok(config) if back.force.revision > 0 => (back, config),
            _ => (twin.let_go(errors), alone),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::twin::{Came, Circumstances, Wanted};
    use crate::disk::ForgetfulDisk;
    use crate::event::words::DesiredOutcome;

    #[test]
    fn a_file_that_is_not_there_is_an_error_with_a_way_out() {
        let error = load(Path::new("/nowhere/courtside.toml")).err().expect("refused").to_string();
        assert!(
            error.contains("/nowhere/courtside.toml") && error.contains("config example"),
            "{error}"
        );
    }

    fn source(rims: &str) -> Source {
        let text = format!(
            "[box]\nname = \"rim-1\"\ndata_dir = \"/box\"\n[uplink]\nbroker = \"mqtt://h\"\n\
             [[court]]\nname = \"a\"\nstream_key = \"north-hoop-1\"\nrims = {rims}\n"
        );
        Source::new(Path::new("c.toml"), &text, Arc::new(|_| Err(io::ErrorKind::NotFound.into())))
    }

    fn wanted(twin: &Twin, revision: u64, json: serde_json::Value) -> Twin {
        let overlay = Overlay::new(json).unwrap_or_default();
        let circumstances = Circumstances { checked: Some(Ok(Vec::new())), has_broker: true };
        match twin.came(Wanted { revision, overlay }, circumstances) {
            Came::Taken(twin) => *twin,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_says_where_it_comes_from() {
        let source = source("[[1, 2, 44, 22]]");
        let twin = wanted(
            &Twin::default(),
            7,
            json!({
                "health": { "log": "debug" }, "court": { "a": { "camera_delay_ms": 5 } },
            }),
        );
        for (path, expected) in [
            ("health.log", "desired, revision 7"),
            ("court.a.camera_delay_ms", "desired, revision 7"),
            ("court.a.rims", "file"),
            ("court.a.stream_key", "file"),
            ("court.a.rims_of", "default"),
            ("box.name", "file"),
            ("ring.pin_days", "default"),
        ] {
            assert_eq!(source.says(path, &twin), expected, "{path}");
        }
    }

    #[test]
    fn a_file_that_was_changed_by_hand_rules_where_nothing_fits_it_any_more() {
        let (disk, store) = (ForgetfulDisk::new(), Store::of(Path::new("/box")));
        let small =
            wanted(&Twin::default(), 1, json!({ "court": { "a": { "rims_of": [640, 360] } } }));
        store.write(&disk, &small).expect("written");
        let begun = source("[[1, 2, 44, 22]]").begin(&disk).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((begun.config.courts[0].rims_of, begun.told.len()), (Some([640, 360]), 0));
        // The rim lies outside of that picture now.
        let begun = source("[[900, 2, 44, 22]]").begin(&disk).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((begun.config.courts[0].rims_of, begun.twin.force.revision), (None, 0));
        let told = begun.twin.told.as_ref().expect("told");
        assert_eq!((told.revision, told.outcome), (1, DesiredOutcome::Refused));
        assert_eq!(&*told.errors[0].path, "court.a.rims[0]");
        assert!(begun.told[0].contains("court.a.rims[0]"), "{:?}", begun.told);
        // It is on disk: mending the file does not bring it back by surprise.
        assert_eq!(store.read(&disk).expect("there"), begun.twin);
        // A file that is no configuration is refused as ever, and the twin stays.
        assert!(source("[[1, 2]]").begin(&disk).is_err() && source("[").begin(&disk).is_err());
        assert_eq!(store.read(&disk).expect("there"), begun.twin);
    }
}
