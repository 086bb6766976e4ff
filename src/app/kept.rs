//! The bundle that a swap was told to keep: `{data_dir}/models.json`, which the next start reads.
//!
//! Without the file, after a restart the box runs what the configuration says. With it that bundle comes
//! first, and those of the configuration behind it. It is written once the bundle has done well for a
//! minute, and goes when somebody takes the swap back; `state/models` says that there is one.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::detect::DetectSettings;
use crate::disk::{Disk, Format, read_json, take, write_sealed};
use crate::media::Foreign;

/// Its name in the data folder.
const KEPT_FILE: &str = "models.json";
/// A name, and little else.
const MOST_BYTES: u64 = 4096;

#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    live: String,
}

const FORMAT: u32 = Format::FIRST.format;

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join(KEPT_FILE)
}

/// The bundle that was kept. A file that cannot be read is put aside and told, and the configuration rules.
pub(crate) fn read(disk: &dyn Disk, data_dir: &Path) -> Option<String> {
    let read = |bytes: &[u8]| read_json::<Kept>(bytes, Format::FIRST);
    take(disk, &file(data_dir), MOST_BYTES, read).is().map(|kept| kept.live)
}

/// Keeps a bundle, or none.
///
/// # Errors
/// The disk said no; then what was there is there.
pub(crate) fn write(disk: &dyn Disk, data_dir: &Path, live: Option<&str>) -> io::Result<()> {
    let path = file(data_dir);
    let Some(live) = live else {
        return match disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => disk.sync_dir(data_dir),
        };
    };
    let kept = Kept { format: FORMAT, live: live.to_owned() };
    let json = serde_json::to_vec(&kept).map_err(io::Error::other)?;
    write_sealed(disk, &path, json)
}

/// The same settings with the bundle that was kept before all others.
pub(crate) fn first(mut settings: DetectSettings, kept: Option<String>) -> DetectSettings {
    let Some(kept) = kept else { return settings };
    tracing::info!(model = %Foreign::name(&kept), "decides, as a swap was told to keep it");
    settings.bundles.retain(|name| *name != kept);
    settings.bundles.insert(0, kept.clone());
    settings.kept = Some(kept);
    settings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{ForgetfulDisk, write_durably};

    #[test]
    fn what_was_kept_comes_before_what_is_configured_until_it_goes() {
        let (disk, dir) = (ForgetfulDisk::with_capacity(1 << 20), Path::new("/box"));
        disk.create_dir_all(dir).expect("made");
        let settings = DetectSettings {
            bundles: vec!["rimnet".to_owned(), "new:fp16".to_owned()],
            finder: false,
            search: Vec::new(),
            device: "auto".to_owned(),
            kept: None,
            parcels: None,
            least_queue_frames: 0,
        };
        assert_eq!(read(&disk, dir), None);
        write(&disk, dir, Some("new:fp16")).expect("written");
        let found = first(settings.clone(), read(&disk, dir));
        assert_eq!(found.bundles, ["new:fp16", "rimnet"]);
        assert_eq!(found.kept.as_deref(), Some("new:fp16"));
        write(&disk, dir, None).expect("gone");
        write(&disk, dir, None).expect("again");
        assert_eq!(first(settings, read(&disk, dir)).bundles, ["rimnet", "new:fp16"]);
        // Of a later version, or nonsense: the configuration rules.
        write_durably(&disk, &file(dir), br#"{"format":2,"live":"x"}"#).expect("written");
        assert_eq!(read(&disk, dir), None);
    }
}
