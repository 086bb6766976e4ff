//! The parcels of the box: whom it believes, its own key, and what brings them.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::app::world::World;
use crate::config::Config;
use crate::detect::delivery::{BoxKeys, Installer, InstallerParts, Parcels};
use crate::detect::parcel::{BoxKey, PublicKey, Rules};
use crate::detect::{Detect, DetectSettings, IN_THE_BINARY};
use crate::disk::{Disk, found_harmed, read_regular_text, read_whole, write_durably};
use crate::http::outgoing::FetchLimits;

/// The file of the box's key in the data folder.
const KEY_FILE: &str = "box.key";
/// A comment and a key.
const MOST_BYTES: u64 = 4 << 10;

/// What came from elsewhere, for these settings; a box that believes nobody has none of it.
pub(crate) fn parcels(config: &Config, world: &World, settings: &DetectSettings) -> Arc<Parcels> {
    let signers = config.detect.model_keys.iter().filter_map(|key| PublicKey::parse(key).ok());
    let signers: Vec<PublicKey> = signers.collect();
    let own = if signers.is_empty() {
        None
    } else {
        own_key(config, &*world.disk)
            .inspect_err(|why| tracing::error!(why, "what is sealed for this box cannot be opened"))
            .ok()
    };
    let folder = config.appliance.data_dir.join("models");
    let own_in_file = config.detect.box_key_file.is_none();
    let keys = BoxKeys { signers, own, own_in_file };
    let disk = Arc::clone(&world.disk);
    Arc::new(Parcels::new(disk, folder, keys, settings.search.clone(), IN_THE_BINARY))
}

/// What brings more of them.
pub(crate) fn installer(
    config: &Config,
    world: &World,
    parcels: &Arc<Parcels>,
    detect: &Arc<Detect>,
) -> Arc<Installer> {
    Installer::new(InstallerParts {
        parcels: Arc::clone(parcels),
        takes_over: Arc::new(Arc::clone(detect)),
        clock: Arc::clone(&world.clock),
        chance: world.chance.clone(),
        ca_file: config.uplink.ca_file.clone(),
        limits: FetchLimits::usual(Rules::MOST_BYTES),
    })
}

/// The key of `box_key_file`, else the one in the data folder, which is made at the first start.
fn own_key(config: &Config, disk: &dyn Disk) -> Result<BoxKey, String> {
    let none_in = |path: &Path| {
        let path = path.display();
        format!("{path} holds no key of age: put one of `age-keygen` there, or take the file away")
    };
    if let Some(path) = &config.detect.box_key_file {
        let text = read_regular_text(path, MOST_BYTES);
        let text = text.map_err(|error| format!("read {}: {error}", path.display()))?;
        return BoxKey::parse(&text).ok_or_else(|| none_in(path));
    }
    let path = config.appliance.data_dir.join(KEY_FILE);
    match read_whole(disk, &path, MOST_BYTES) {
        Ok(bytes) => {
            let key = String::from_utf8(bytes).ok().and_then(|text| BoxKey::parse(&text));
            // It stays: nothing else opens what was sealed to it.
            key.ok_or_else(|| {
                found_harmed(disk, &path, "it holds no key");
                none_in(&path)
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut bytes = [0; 32];
            let failed = |what: &str, error: &dyn std::fmt::Display| {
                format!("{what} {}: {error}", path.display())
            };
            getrandom::fill(&mut bytes).map_err(|error| failed("draw", &error))?;
            let key = BoxKey::from_random(bytes);
            write_durably(disk, &path, key.to_secret_file().as_bytes())
                .map_err(|error| failed("write", &error))?;
            tracing::info!(seal_to = %key.public(), "this box has a key, to which models can be sealed");
            Ok(key)
        }
        Err(error) => {
            found_harmed(disk, &path, error.to_string());
            Err(format!("read {}: {error}", path.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::{self, Origin};
    use crate::disk::ForgetfulDisk;

    fn config() -> Config {
        let text = "[box]\nname = \"b\"\ndata_dir = \"/data\"\n[uplink]\nbroker = \"mqtt://127.0.0.1:1883\"\n\
                    [[court]]\nname = \"a\"\nrims = [[10, 10, 40, 20]]\nstream_key = \"north-hoop-1\"\n";
        let read = |_: &Path| Err(io::ErrorKind::NotFound.into());
        let file = Path::new("courtside.toml");
        let origin = Origin { file, credentials: None, hostname: None, read: &read };
        config::parse(text, &origin).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_box_makes_its_key_once_and_takes_another_that_is_named() {
        let disk = ForgetfulDisk::new();
        disk.create_dir_all(Path::new("/data")).expect("made");
        let config = config();
        let first = own_key(&config, &disk).expect("made").public();
        assert_eq!(own_key(&config, &disk).expect("read").public(), first);
        // It is there after a power cut at once.
        assert_eq!(own_key(&config, &disk.power_cut(3)).expect("read").public(), first);
        let path = PathBuf::from("/data").join(KEY_FILE);
        write_durably(&disk, &path, b"something else").expect("written");
        let why = own_key(&config, &disk).expect_err("no key");
        assert!(why.contains("holds no key"), "{why}");
        assert_eq!(read_whole(&disk, &path, 99).expect("there"), b"something else", "left alone");
        let file = tempfile::NamedTempFile::new().expect("a file");
        let other = BoxKey::from_random([9; 32]);
        io::Write::write_all(&mut file.as_file(), other.to_secret_file().as_bytes())
            .expect("written");
        let mut named = config.clone();
        named.detect.box_key_file = Some(file.path().to_owned());
        assert_eq!(own_key(&named, &disk).expect("read").public(), other.public());
    }
}
