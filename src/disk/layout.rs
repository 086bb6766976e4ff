//! Every kind of file that lies below the data folder: the one list of them.
//!
//! A box of the tests that leaves a file of another kind there fails (`tests/scenarios/harmed.rs`), and so does a
//! kind of which no damage is tried. From it are known what of a data folder is ours, where files may lie that were
//! put aside, and what the damage of one costs: [`look_through`] tells of all of them, for `check` and `doctor`.

use std::io;
use std::path::Path;

use crate::disk::format::was_put_aside;
use crate::disk::harm::Harm;
use crate::disk::sealed::{Wrong, no_json, unseal};
use crate::disk::{Disk, NEW_SUFFIX, read_whole};

/// What a file is, as far as its damage can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// JSON with its checksum behind it.
    Json,
    /// A line of text: a secret.
    Text,
    /// Lines, each with its checksum.
    Lines,
    /// Fragments, each with its checksum.
    Video,
    /// A database, which checks its own pages.
    Store,
    /// Signed by its maker, and looked at whenever it is loaded.
    Signed,
    /// Made again out of something else: may be removed at any time.
    Made,
    /// Nothing that could be damaged: room, a lock, a socket.
    Nothing,
    /// What people put there.
    Theirs,
}

/// A kind of file.
#[derive(Clone, Copy, Debug)]
pub struct FileKind {
    /// Its place below the data folder; `*` is a part of a name, `**` all that is below.
    pub at: &'static str,
    /// See [`Keeps`].
    pub keeps: Keeps,
    /// What it costs that one is damaged, and what to do.
    pub costs: &'static str,
}

const fn kind(at: &'static str, keeps: Keeps, costs: &'static str) -> FileKind {
    FileKind { at, keeps, costs }
}

/// All of them. What is put aside from one has its name before the mark, and what is being written ends
/// with [`NEW_SUFFIX`].
pub const LAYOUT: &[FileKind] = &[
    kind(
        "token",
        Keeps::Text,
        "a new token of the technician was made: give it to whoever signed in with the old one",
    ),
    kind(
        "token-operator",
        Keeps::Text,
        "a new token of the operator was made: give it to whoever signed in with the old one",
    ),
    kind(
        "token-viewer",
        Keeps::Text,
        "a new token of the viewer was made: give it to whoever signed in with the old one",
    ),
    kind(
        "identity/current.json",
        Keeps::Json,
        "the box does not know any more who it is, and cannot reach its broker: calls go on; claim it anew, \
         with a new claim file",
    ),
    kind(
        "identity/next.json",
        Keeps::Json,
        "the claim that was under way is forgotten: begin it anew",
    ),
    kind("identity/prev.json", Keeps::Json, "who the box was before is not known any more"),
    kind("identity/told", Keeps::Json, "the box tells once more that it was claimed"),
    kind(
        "box.key",
        Keeps::Text,
        "models that are sealed for this box cannot be opened: take the file away, restart, and have them \
         sealed to the key that the box makes then",
    ),
    kind("outbox/outbox.redb", Keeps::Store, "events may be gone"),
    kind("outbox/inbox.redb", Keeps::Store, "commands may be done twice"),
    kind("outbox/lock", Keeps::Nothing, ""),
    kind(
        "ring/segments/*.mp4",
        Keeps::Video,
        "up to a minute of a court's video cannot be shown, nor the clips that need it: `courtside clips \
         verify` names them",
    ),
    kind("ring/segments.index", Keeps::Lines, "nothing: it was made again from the segments"),
    kind(
        "ring/clips/*.json",
        Keeps::Json,
        "the clip cannot be listed, pulled or released: its video stays where it is pinned; cut it anew by its \
         moments",
    ),
    kind("ring/clips.index", Keeps::Lines, "nothing: it was made again from the clips"),
    kind(
        "ring/audit.log",
        Keeps::Lines,
        "some lines of who had what deleted cannot be read: the others hold, and new ones are written behind them",
    ),
    kind(
        "ring/news.log",
        Keeps::Lines,
        "that some clips were kept, went or were deleted may not have been told: compare `courtside clips list`",
    ),
    kind("ring/ballast", Keeps::Nothing, ""),
    kind("ring/lock", Keeps::Nothing, ""),
    kind(
        "rims/*.json",
        Keeps::Json,
        "what was learnt of that rim is begun anew: calls go on as with a new camera",
    ),
    kind(
        "models/.part/record.json",
        Keeps::Json,
        "a model that was being fetched is fetched from its beginning",
    ),
    kind("models/.part/parcel", Keeps::Signed, "a model that was being fetched is fetched again"),
    kind("models/*.parcel", Keeps::Signed, "the model is refused: install it again"),
    kind("models/**", Keeps::Theirs, "the model is refused: put its files there again"),
    kind(
        "uploads/*.json",
        Keeps::Json,
        "an upload is begun anew: what the storage has of it is told by the cloud, or sent again",
    ),
    kind(
        "update/record.json",
        Keeps::Json,
        "an update that was under way is not gone on with: order it again; what root's part has installed stays",
    ),
    kind("update/ask.json", Keeps::Made, "nothing: root's part of the update is asked again"),
    kind("update/trial.json", Keeps::Made, "nothing: a box on trial shows again that it works"),
    kind(
        "update/.part/record.json",
        Keeps::Json,
        "an update that was being fetched is fetched from its beginning",
    ),
    kind("update/.part/parcel", Keeps::Signed, "an update that was being fetched is fetched again"),
    kind("update/*.bundle", Keeps::Signed, "the update is refused: order it again"),
    kind(
        "labels/labels.json",
        Keeps::Json,
        "what people said of shots is not learnt from any more; its footage stays as long as the file that was \
         put aside, and new labels are made",
    ),
    kind("labels/rims.json", Keeps::Made, "it is made again with the next label"),
    kind("labels/streams/*.json", Keeps::Made, "it is made again with the next label"),
    kind("labels/clips/*.mp4", Keeps::Theirs, "training refuses it: take it away"),
    kind(
        "config/twin.json",
        Keeps::Json,
        "the box's own configuration file alone is in force: send what was wanted over MQTT again",
    ),
    kind(
        "service.json",
        Keeps::Json,
        "which courts are in service is not known any more: confirm their rims again",
    ),
    kind(
        "home.json",
        Keeps::Json,
        "what was shown in Home Assistant of courts that are gone may stay there: delete it there",
    ),
    kind(
        "models.json",
        Keeps::Json,
        "the model of the configuration decides, not the one that a swap was told to keep: swap again",
    ),
    kind(
        "disagreements.json",
        Keeps::Json,
        "the list of what models disagreed on is begun anew; its clips are kept",
    ),
    kind(
        "look.json",
        Keeps::Json,
        "what the second look has spent today is not known any more: the day counts as spent, it goes on at midnight UTC",
    ),
    // What systemd/keep-log writes, beside the daemon.
    kind("failures/*.log", Keeps::Nothing, ""),
    kind("tried", Keeps::Made, "nothing: models are tried again at the start"),
    kind("gpu/*", Keeps::Made, "nothing: it is compiled again, which takes minutes at most"),
    kind("local/**", Keeps::Nothing, ""),
    kind("import/**", Keeps::Made, "import the file again"),
    kind("rules/**", Keeps::Theirs, "games by these rules are refused: write the file again"),
    kind("overlay.css", Keeps::Theirs, "the overlay looks as without it: write the file again"),
];

/// Files that are read whole when they are looked through; the ring's own are `clips verify`'s.
const MOST_BYTES: u64 = 4 << 20;
/// Files of a folder that are looked through.
const MOST_FILES: usize = 20_000;

/// What a data folder holds of ours, by what stands before the first dot of each name.
#[must_use]
pub fn top_names() -> Vec<&'static str> {
    let top = |kind: &FileKind| kind.at.split(['/', '.']).next().unwrap_or_default();
    let mut names: Vec<_> = LAYOUT.iter().map(top).collect();
    names.dedup();
    names
}

/// True where a box ran from this folder before: the ring's index stands there, which is made once the outbox, the
/// inbox and all else are. So a store of theirs that is missing or empty was lost.
#[must_use]
pub fn has_run(disk: &dyn Disk, data_dir: &Path) -> bool {
    let ring = disk.names(&data_dir.join("ring"));
    ring.is_ok_and(|names| names.iter().any(|name| name == "segments.index"))
}

/// The kind of a file at a place below the data folder; of what was put aside, or is being written, that of the
/// file itself. `None` where nothing of ours stands there.
#[must_use]
pub fn kind_of(place: &Path) -> Option<&'static FileKind> {
    let place = place.to_str()?;
    let place = place.strip_suffix(NEW_SUFFIX).unwrap_or(place);
    let (dir, name) = place.rsplit_once('/').map_or(("", place), |(dir, name)| (dir, name));
    let name = was_put_aside(name).map_or(name, |(of, _)| of);
    // The outbox has its dates before its ending.
    let name = if name == "outbox" { "outbox.redb" } else { name };
    let place = if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") };
    LAYOUT.iter().find(|kind| is_at(kind.at, &place))
}

/// True of a folder that files of ours lie in.
fn is_folder(above: &str, name: &str) -> bool {
    let place = if above.is_empty() { format!("{name}/") } else { format!("{above}/{name}/") };
    LAYOUT.iter().any(|kind| kind.at.starts_with(&place))
}

fn is_at(pattern: &str, place: &str) -> bool {
    if let Some(folder) = pattern.strip_suffix("**") {
        return place.starts_with(folder);
    }
    match pattern.split_once('*') {
        None => pattern == place,
        Some((before, behind)) => place
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(behind))
            .is_some_and(|part| !part.is_empty() && !part.contains('/')),
    }
}

/// Looks for what was put aside below a data folder and, if it is to be `read`, for damage of what is read whole.
/// Of the outbox's own file and of what is inside the ring's files others tell. Blocking.
///
/// # Errors
/// What the file system says of the data folder itself.
pub fn look_through(disk: &dyn Disk, data_dir: &Path, read: bool) -> io::Result<Vec<Harm>> {
    disk.list(data_dir)?;
    let mut folders: Vec<&str> =
        LAYOUT.iter().map(|kind| kind.at.rsplit_once('/').map_or("", |(dir, _)| dir)).collect();
    folders.sort_unstable();
    folders.dedup();
    let mut found = Vec::new();
    for folder in folders {
        let dir = data_dir.join(folder);
        // What stands where a file or a folder belongs may be either, where there are few.
        let names = match folder {
            "" | "outbox" => {
                disk.list(&dir).map(|all| all.into_iter().map(|one| one.name).collect())
            }
            _ => disk.names(&dir),
        };
        // A folder that is not there has nothing.
        let Ok(mut names) = names else { continue };
        names.sort();
        names.retain(|name| folder != "outbox" || !name.starts_with("outbox."));
        for name in names.into_iter().take(MOST_FILES) {
            let place = Path::new(folder).join(&name);
            let path = dir.join(&name);
            let aside = was_put_aside(&name);
            let kind = kind_of(&place);
            if let Some((of, newer)) =
                aside.filter(|(of, _)| kind.is_some() || is_folder(folder, of))
            {
                let why = if newer { "a newer version wrote it" } else { "it was damaged" };
                let (path, aside) = (dir.join(of), Some(path));
                found.push(Harm { path, why: why.to_owned(), aside, newer });
            } else if let Some(kind) = kind
                && read
                && aside.is_none()
                && !name.ends_with(NEW_SUFFIX)
            {
                let why = wrong_with(disk, &path, kind);
                found.extend(why.map(|why| Harm { path, why, aside: None, newer: false }));
            }
        }
    }
    Ok(found)
}

/// What is wrong with a file that is read whole.
fn wrong_with(disk: &dyn Disk, path: &Path, kind: &FileKind) -> Option<String> {
    let read = || match read_whole(disk, path, MOST_BYTES) {
        // It went between the look and the read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(|error| error.to_string()),
    };
    let judged = match kind.keeps {
        Keeps::Json if !kind.at.starts_with("ring/") => read().and_then(|bytes| {
            let Some(bytes) = bytes else { return Ok(()) };
            let json = unseal(&bytes).and_then(|json| {
                serde_json::from_slice::<serde_json::Value>(json).map_err(|error| no_json(&error))
            });
            match json {
                Ok(_) | Err(Wrong::Newer(_)) => Ok(()),
                Err(Wrong::Damaged(why)) => Err(why),
            }
        }),
        Keeps::Text => read().and_then(|bytes| match bytes {
            Some(bytes) => no_text(&bytes).map_or(Ok(()), |why| Err(why.to_owned())),
            None => Ok(()),
        }),
        _ => Ok(()),
    };
    judged.err()
}

/// Why bytes are no line of text that somebody could type.
#[must_use]
pub fn no_text(bytes: &[u8]) -> Option<&'static str> {
    let is_blank = |byte: &u8| byte.is_ascii_whitespace();
    if bytes.iter().all(is_blank) {
        Some("it is empty")
    } else if bytes.iter().all(|byte| *byte == 0) {
        Some("it is all zeros")
    } else if bytes.iter().any(|byte| !byte.is_ascii_graphic() && !is_blank(byte)) {
        Some("it is no text that anybody could type")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::disk::{ForgetfulDisk, put_unfit_aside, write_durably, write_sealed};

    #[test]
    fn every_place_has_one_kind_and_what_is_put_aside_has_its_own() {
        for (place, at) in [
            ("token", "token"),
            ("token.damaged-2026-11-30-1", "token"),
            ("ring/clips/k-1.json", "ring/clips/*.json"),
            ("ring/clips/k-1.json.new", "ring/clips/*.json"),
            ("ring/clips/k-1.json.unfit-2", "ring/clips/*.json"),
            ("rims/a-0.json.newer-3", "rims/*.json"),
            ("outbox/outbox.damaged-2026-11-30-1.redb", "outbox/outbox.redb"),
            ("models/rimnet@1.2.3.parcel", "models/*.parcel"),
            ("models/own/manifest.toml", "models/**"),
            ("models/.part/record.json", "models/.part/record.json"),
        ] {
            assert_eq!(kind_of(Path::new(place)).map(|kind| kind.at), Some(at), "{place}");
        }
        for place in ["secret.txt", "ring/clips/a/b.json", "ring/other", "rims/.json"] {
            assert!(kind_of(Path::new(place)).is_none(), "{place}");
        }
        for kind in LAYOUT {
            let harmless = matches!(kind.keeps, Keeps::Nothing);
            assert_eq!(kind.costs.is_empty(), harmless, "{}", kind.at);
        }
        assert!(top_names().contains(&"home") && top_names().contains(&"box"));
    }

    #[test]
    fn what_is_damaged_and_what_was_put_aside_is_found() {
        let disk = ForgetfulDisk::new();
        let data = Path::new("/box");
        for folder in ["", "rims", "ring/clips"] {
            disk.create_dir_all(&data.join(folder)).expect("made");
        }
        write_sealed(&disk, &data.join("home.json"), b"{}".to_vec()).expect("written");
        write_durably(&disk, &data.join("token"), b"0123456789abcdef\n").expect("written");
        write_durably(&disk, &data.join("rims/a-0.json"), b"{").expect("written");
        let found = |read| {
            let found = look_through(&disk, data, read).expect("looked");
            found.into_iter().map(|harm| harm.path).collect::<Vec<_>>()
        };
        assert_eq!(found(false), Vec::<PathBuf>::new());
        assert_eq!(found(true), [data.join("rims/a-0.json")]);
        put_unfit_aside(&disk, &data.join("rims/a-0.json")).expect("put aside");
        assert_eq!(found(false), [data.join("rims/a-0.json")]);
        assert!(disk.rot(&data.join("home.json"), 0));
        disk.replace(&data.join("token"), &[0; 65]);
        assert_eq!(found(true).len(), 3);
    }
}
