//! `courtside clips`: what is in the ring, read from outside; the daemon may run meanwhile.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use sha2::{Digest, Sha256};

use crate::clips::{Clip, Finding, Mended, RingError, RingReader, Shelf, ShelfError, repair};
use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::disk::{Disk, Harm, RealDisk, look_through};
use crate::media::{CourtId, Foreign, MediaTime, SessionId};
use crate::tools::beside::write_beside;
use crate::tools::clips_delete::{DeleteArgs, audit};
use crate::tools::tell::{remark, tell, tell_json};
use crate::uplink::look_at_stores;

mod export;
#[cfg(feature = "gstreamer")]
mod import;
#[cfg(feature = "gstreamer")]
mod pacing;
mod reel;
#[cfg(feature = "gstreamer")]
mod sheet;

pub(super) use reel::reel_of;

/// Arguments of `clips`.
#[derive(Debug, Args)]
pub(super) struct ClipsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List clips, or what is recorded
    #[command(after_help = "Example: courtside clips list --segments")]
    List {
        #[command(flatten)]
        ring: RingArg,
        /// Segments instead of clips: court, session, time
        #[arg(long)]
        segments: bool,
        /// One JSON object a line on stdout
        #[arg(long)]
        json: bool,
    },
    /// Write a clip, or any interval of the ring, as one MP4
    #[command(after_help = "Example: courtside clips cut --id a-00c0ffee00c0ffee-3 shot.mp4
         courtside clips cut --court a --session 00c0ffee00c0ffee --from 61.5 --to 70 x.mp4
Exit: 0 written · 1 failed: FILE stays as it was · 3 written without what is
damaged, and said")]
    Cut {
        #[command(flatten)]
        ring: RingArg,
        /// Clip to write
        #[arg(long, value_name = "ID", conflicts_with_all = ["court", "session", "from", "to"])]
        id: Option<String>,
        /// Court of the interval
        #[arg(long, value_name = "NAME", required_unless_present = "id")]
        court: Option<String>,
        /// Session of the interval, 16 hexadecimal digits (see `clips list --segments`)
        #[arg(long, value_name = "SESSION", required_unless_present = "id")]
        session: Option<String>,
        /// First moment, seconds of the stream's own timestamps
        #[arg(long, value_name = "SECONDS", required_unless_present = "id")]
        from: Option<f64>,
        /// Last moment, seconds
        #[arg(long, value_name = "SECONDS", required_unless_present = "id")]
        to: Option<f64>,
        /// File to write
        file: PathBuf,
    },
    /// Write an interval as MP4 that plays anywhere, over gaps and changes
    #[command(after_help = export::HELP)]
    Export(export::ExportArgs),
    /// Play a recording through the whole chain, as a camera's stream
    #[cfg(feature = "gstreamer")]
    #[command(after_help = import::HELP)]
    Import(import::ImportArgs),
    /// Join the highlights of a game to one MP4, with chapters
    #[command(after_help = reel::HELP)]
    Reel(reel::ReelArgs),
    /// Draw a picture of each clip of a game on one sheet
    #[cfg(feature = "gstreamer")]
    #[command(after_help = sheet::HELP)]
    Sheet(sheet::SheetArgs),
    /// Read every byte of the ring against its checksums
    ///
    /// Without --ring the box's other files too: tokens, identity, outbox and inbox, and what it has learnt. The
    /// box may run meanwhile.
    ///
    /// Of segments that an earlier version wrote, the parameter sets in their heads have no checksum: how
    /// many those are is said.
    ///
    /// With --repair, and while no daemon runs, it mends what is safe: folders that are missing are made,
    /// indexes made anew, torn tails cut off, and what is in the place of an entry or a segment and is none
    /// put aside by name. Segments that are damaged or missing stay, with their clips and pins: they may come
    /// back. Where a whole folder of them is missing it does nothing. Then it says what it left, and why.
    /// Where nothing was recorded yet it says that, and ends with 0.
    #[command(after_help = "Example: courtside clips verify
Example: sudo -u courtside courtside clips verify --repair
Exit: 0 all is well · 1 something is damaged, or was left")]
    Verify {
        #[command(flatten)]
        ring: RingArg,
        /// Mend what is safe, while no daemon runs
        #[arg(long)]
        repair: bool,
        /// One JSON object a file on stdout
        #[arg(long)]
        json: bool,
    },
    /// Delete on demand, through the running box: a clip, a session, an interval
    #[command(after_help = "Example: courtside clips delete --id a-00c0ffee00c0ffee-3 --yes
         courtside clips delete --court a --from 2026-11-22T18:04:00Z --to 2026-11-22T18:05:00Z --yes
Exit: 0 it is gone, and the audit log says so · 1 refused")]
    Delete(DeleteArgs),
    /// Show what was deleted on demand: who asked, when, what, how many bytes
    #[command(after_help = "Example: courtside clips audit
Exit: 0 shown · 1 lines of it cannot be read")]
    Audit {
        #[command(flatten)]
        ring: RingArg,
        /// One JSON object a line on stdout
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct RingArg {
    /// Configuration file that names the data directory
    #[arg(long, short, value_name = "FILE", default_value = "/etc/courtside/courtside.toml")]
    config: PathBuf,
    /// The ring's directory, instead of `{data_dir}/ring` of the configuration
    #[arg(long, value_name = "DIR")]
    ring: Option<PathBuf>,
}

impl RingArg {
    /// The ring's folder; in words, why there is none yet.
    fn dir(self) -> anyhow::Result<Result<PathBuf, String>> {
        if let Some(dir) = self.ring {
            return Ok(Ok(dir));
        }
        let data_dir = config::load(&self.config)?.appliance.data_dir;
        let dir = data_dir.join("ring");
        if !dir.exists() && data_dir.is_dir() {
            return Ok(Err(format!(
                "nothing is recorded in {} yet: the daemon makes the ring when it starts first",
                data_dir.display()
            )));
        }
        Ok(Ok(dir))
    }

    /// What is wrong with the box's other files, where its data folder is known.
    fn beside(&self) -> anyhow::Result<Vec<Finding>> {
        if self.ring.is_some() {
            return Ok(Vec::new());
        }
        Ok(beside_the_ring(&config::load(&self.config)?.appliance.data_dir))
    }

    fn open(self) -> anyhow::Result<RingReader> {
        match self.dir()? {
            Ok(dir) => RingReader::open(&dir, Arc::new(RealDisk::new())).map_err(no_ring(&dir)),
            Err(none) => bail!(none),
        }
    }
}

/// What is wrong with the files of a data folder that are not the ring's.
fn beside_the_ring(data_dir: &Path) -> Vec<Finding> {
    let disk = RealDisk::new();
    let mut harms = look_through(&disk, data_dir, true).unwrap_or_default();
    // What was put aside is damaged no more: `check` and `doctor` name it until it is taken away.
    harms.retain(|harm| harm.aside.is_none());
    harms.extend(look_at_stores(&disk, data_dir));
    let finding = |Harm { path, why, .. }: Harm| Finding { path, wrong: Some(why) };
    harms.into_iter().map(finding).collect()
}

/// What there is instead of a ring, and what to do.
fn no_ring(dir: &Path) -> impl Fn(io::Error) -> anyhow::Error {
    move |error| match error.kind() {
        io::ErrorKind::NotFound => anyhow!(
            "no ring in {}: {error}; is its disk mounted? The daemon makes the ring that its \
             configuration names; --ring names another: the folder with segments and clips in it",
            dir.display()
        ),
        _ => anyhow::Error::new(error).context(format!("read the ring in {}", dir.display())),
    }
}

impl ClipsArgs {
    /// Does what they ask for.
    ///
    /// # Errors
    /// What could not be read or written.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::List { ring, segments: true, json } => segments(&ring.open()?, json),
            Command::List { ring, segments: false, json } => list(&ring.open()?, json),
            Command::Cut { ring, id: Some(id), file, .. } => clip(&ring.open()?, &id, &file),
            Command::Cut { ring, court, session, from, to, file, .. } => {
                let (Some(court), Some(session), Some(from), Some(to)) = (court, session, from, to)
                else {
                    bail!("name --court, --session, --from and --to");
                };
                let court = CourtId::new(&court)?;
                let session = SessionId::parse(&session)
                    .with_context(|| format!("`{session}` is no session: 16 hexadecimal digits"))?;
                interval(&ring.open()?, &court, session, (seconds(from)?, seconds(to)?), &file)
            }
            Command::Export(args) => args.run(),
            #[cfg(feature = "gstreamer")]
            Command::Import(args) => args.run(),
            Command::Reel(args) => args.run(),
            #[cfg(feature = "gstreamer")]
            Command::Sheet(args) => args.run(),
            Command::Verify { ring, repair: true, json } => match ring.dir()? {
                Err(none) => {
                    remark(Foreign::told(none));
                    Ok(ExitCode::SUCCESS)
                }
                Ok(dir) => mend(&dir, json),
            },
            Command::Verify { ring, repair: false, json } => {
                let beside = ring.beside()?;
                let reader = match ring.dir()? {
                    Err(none) => {
                        remark(Foreign::told(none));
                        None
                    }
                    Ok(dir) => {
                        let read = RingReader::open(&dir, Arc::new(RealDisk::new()));
                        Some(read.map_err(no_ring(&dir))?)
                    }
                };
                verify(reader.as_ref(), beside, json)
            }
            Command::Delete(delete) => delete.run(),
            Command::Audit { ring, json } => match ring.dir()? {
                Err(none) => bail!(none),
                Ok(dir) => {
                    let read = RingReader::open(&dir, Arc::new(RealDisk::new()));
                    let imports = dir.parent().map(|data_dir| data_dir.join("import"));
                    audit(&read.map_err(no_ring(&dir))?, imports.as_deref(), json)
                }
            },
        }
    }
}

fn seconds(of: f64) -> anyhow::Result<MediaTime> {
    let ms = (of * 1000.0).round();
    if !(-1e12..1e12).contains(&ms) {
        bail!("{of} is no time in seconds");
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked above")]
    Ok(MediaTime::from_millis(ms as i64))
}

fn list(ring: &RingReader, json: bool) -> anyhow::Result<ExitCode> {
    let clips = ring.clips().context("list the clips")?;
    let unread = ring.unread_of(&clips).context("list the segments")?;
    for (clip, unread) in clips.iter().zip(unread) {
        if json {
            tell_json(clip)?;
        } else {
            let line = line(clip);
            match unread.first() {
                None => tell(line),
                Some(segment) => {
                    tell(format_args!("{line}  damaged: segment {segment} of it cannot be read"));
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(clip: &Clip) -> String {
    let what = match &clip.media {
        Some(media) => {
            let (from, to) = media.shown_ns();
            let long = MediaTime::from_nanos(to - from);
            format!("{long}  {} bytes", media.bytes)
        }
        None => "no clip".to_owned(),
    };
    let state = match (clip.state(), clip.ended) {
        ("none", _) => String::new(),
        ("gone", Some(why)) => format!("gone ({})", why.word()),
        (state, _) => state.to_owned(),
    };
    let back = match (&clip.merged, clip.withdrawn) {
        (Some(into), true) => format!("merged into {into}  "),
        (_, true) => "taken back  ".to_owned(),
        (_, false) => String::new(),
    };
    let note = clip.note.as_deref().unwrap_or_default();
    format!("{}  {}  {what}  {state}  {back}{note}", clip.id, clip.reason).trim_end().to_owned()
}

fn segments(ring: &RingReader, json: bool) -> anyhow::Result<ExitCode> {
    for entry in ring.segments() {
        if json {
            tell_json(entry)?;
        } else {
            let time = |ticks| crate::clips::Ticks(ticks).media();
            tell(format_args!(
                "{}  court {}  session {}  {} to {}  {} bytes",
                entry.id,
                entry.court,
                entry.session,
                time(entry.start),
                time(entry.end),
                entry.bytes
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn clip(ring: &RingReader, id: &str, file: &Path) -> anyhow::Result<ExitCode> {
    let shelf = ring.shelf().context("list the clips")?;
    let clip = match shelf.read(id) {
        Err(ShelfError::NoSuchClip) => bail!("no clip {id}: see `clips list`"),
        read => read?,
    };
    let bytes = shelf.open(&clip)?;
    let mut sum = Sha256::new();
    to_file(file, |sink| {
        bytes.read(0, bytes.bytes(), |chunk| {
            sum.update(&chunk);
            sink(chunk)
        })?;
        // It has its name once it is what was hashed.
        let sha256: String = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        match &clip.media {
            Some(media) if media.sha256 != sha256 => Err(damaged(&shelf, &clip)),
            _ => Ok(()),
        }
    })?;
    if let Some(note) = clip.note {
        remark(format_args!("courtside: {note}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// What is wrong with a clip whose bytes are not what was hashed.
fn damaged(shelf: &Shelf, clip: &Clip) -> io::Error {
    let seconds = shelf.damage(clip).unwrap_or_default();
    let which =
        if seconds.is_empty() { String::new() } else { format!(" ({})", seconds.join(", ")) };
    let text = format!(
        "the clip is damaged{which}: its bytes are not what was hashed, and nothing was written; \
         `courtside clips export --clip {} --out FILE` gives what can be read",
        clip.id
    );
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn interval(
    ring: &RingReader,
    court: &CourtId,
    session: SessionId,
    times: (MediaTime, MediaTime),
    file: &Path,
) -> anyhow::Result<ExitCode> {
    let lacks = to_file(file, |sink| ring.cut(court, session, times, sink))?;
    for line in lacks.missing.iter().chain(&lacks.damaged) {
        remark(format_args!("courtside: {line}"));
    }
    /// DESIGN §4.2.
    const DEGRADED: u8 = 3;
    Ok(ExitCode::from(if lacks.damaged.is_empty() { 0 } else { DEGRADED }))
}

fn to_file<T>(
    file: &Path,
    read: impl FnOnce(&mut dyn FnMut(Vec<u8>) -> bool) -> io::Result<T>,
) -> anyhow::Result<T> {
    write_beside(file, |out| {
        let mut failed = None;
        let value = read(&mut |chunk| match out.write_all(&chunk) {
            Ok(()) => true,
            Err(error) => {
                failed = Some(error);
                false
            }
        });
        if let Some(error) = failed {
            return Err(error).with_context(|| format!("write {}", file.display()));
        }
        value.context("read the ring")
    })
}

fn mend(dir: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let now = SystemClock::new().utc();
    let (mended, left) = match repair(dir, &disk, now) {
        Err(RingError::Open { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Err(no_ring(dir)(source));
        }
        mended => mended.context("mend the ring")?,
    };
    for Mended { path, did } in &mended {
        if json {
            tell_json(&serde_json::json!({"file": path, "did": did}))?;
        } else {
            tell(Foreign::told(format_args!("{}: {did}", path.display())));
        }
    }
    for Finding { path, wrong } in &left {
        if json {
            tell_json(&serde_json::json!({"file": path, "left": wrong}))?;
        } else {
            let wrong = wrong.as_deref().unwrap_or_default();
            tell(Foreign::told(format_args!(
                "{}: left as it is: {wrong}; what rotted cannot be made again here",
                path.display()
            )));
        }
    }
    remark(format_args!("{} mended, {} left", mended.len(), left.len()));
    Ok(ExitCode::from(u8::from(!left.is_empty())))
}

fn verify(ring: Option<&RingReader>, beside: Vec<Finding>, json: bool) -> anyhow::Result<ExitCode> {
    let (mut files, mut damaged, mut told) = (0, 0, Ok(()));
    let mut tell_of = |finding: Finding| {
        files += 1;
        damaged += u32::from(finding.wrong.is_some());
        if json {
            let line = serde_json::json!({"file": finding.path, "wrong": finding.wrong});
            if let Err(error) = tell_json(&line) {
                told = Err(error);
            }
        } else if let Some(wrong) = &finding.wrong {
            tell(format_args!("{}: {wrong}", finding.path.display()));
        }
    };
    beside.into_iter().for_each(&mut tell_of);
    if let Some(ring) = ring {
        ring.verify(&mut tell_of).context("read the ring")?;
    }
    told?;
    match ring.map_or(0, RingReader::unsummed_heads) {
        0 => {}
        n => remark(format_args!(
            "{n} segments of an earlier version: the parameter sets in their heads have no checksum"
        )),
    }
    remark(format_args!("{files} files read, {damaged} damaged"));
    Ok(ExitCode::from(u8::from(damaged > 0)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::clips::{Apart, Sequence, Verify, Wanted, scan_bytes};
    use crate::tools::beside::put_beside;

    /// A ring of 30 pictures in three segments, of which one is left, with a pinned clip.
    fn copied(to: &Path) {
        let from = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/formats/ring-3"));
        for folder in ["", "segments", "clips"] {
            std::fs::create_dir_all(to.join(folder)).expect("made");
            for file in std::fs::read_dir(from.join(folder)).expect("a folder") {
                let file = file.expect("a file");
                if file.file_type().expect("a kind").is_file() {
                    let to = to.join(folder).join(file.file_name());
                    std::fs::copy(file.path(), to).expect("copied");
                }
            }
        }
    }

    #[test]
    fn what_verifies_looks_at_tokens_at_what_was_learnt_and_at_stores_too() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(dir.path().join("outbox")).expect("made");
        let put = |name: &str, bytes: &[u8]| {
            put_beside(&dir.path().join(name), bytes).expect("written");
        };
        put("token", b"0123456789abcdef0123\n");
        put("service.json", b"{\"format\":1}");
        let found = || -> Vec<String> {
            let found = beside_the_ring(dir.path()).into_iter();
            let mut names: Vec<_> = found
                .map(|one| one.path.file_name().expect("a name").to_string_lossy().into_owned())
                .collect();
            names.sort();
            names
        };
        assert_eq!(found(), [""; 0]);
        put("token", &[0; 77]);
        put("service.json", b"{\"format\":");
        put("outbox/outbox.redb", &[0; 40_960]);
        assert_eq!(found(), ["outbox.redb", "service.json", "token"]);
        let said = verify(None, beside_the_ring(dir.path()), true).expect("looked");
        assert_eq!(format!("{said:?}"), format!("{:?}", ExitCode::FAILURE));
    }

    #[test]
    fn what_is_damaged_is_never_written_without_a_word() {
        let dir = tempfile::tempdir().expect("a folder");
        copied(dir.path());
        let ring = || RingReader::open(dir.path(), Arc::new(RealDisk::new())).expect("a ring");
        let file = dir.path().join("mine.mp4");
        let mine = || put_beside(&file, b"mine").expect("written");
        let is_mine = || std::fs::read(&file).expect("there") == b"mine";
        let session = SessionId::from_bits(0xa1);
        let court = CourtId::new("a").expect("name");
        let times = (MediaTime::from_millis(2000), MediaTime::from_millis(2900));
        let cut = |times| interval(&ring(), &court, session, times, &file);
        let (from, to) = times;
        let wanted = Wanted { court: court.clone(), session, from, to, title: String::new() };
        let films = || {
            ring().films(std::slice::from_ref(&wanted), None, (Sequence::AsPlayed, Apart::Files))
        };
        let said = |code: ExitCode| format!("{code:?}");

        mine();
        clip(&ring(), "pinned", &file).expect("written");
        assert!(!is_mine());
        assert_eq!(said(cut(times).expect("written")), said(ExitCode::SUCCESS));
        assert_eq!(films().expect("read").told, Vec::<String>::new());
        mine();
        let never = (MediaTime::from_millis(90_000), MediaTime::from_millis(99_000));
        cut(never).expect_err("never recorded");
        assert!(is_mine(), "what fails writes nothing");

        // One bit of the pictures of the clip's first fragment.
        let shelf = ring().shelf().expect("a shelf");
        let media = shelf.read("pinned").expect("an entry").media.expect("bytes");
        let path = dir.path().join("segments/0000000003.a.00000000000000a1.mp4");
        let bytes = std::fs::read(&path).expect("there");
        let scanned = scan_bytes(&bytes, Verify::All).expect("a segment");
        let begins = media.parts[0].from;
        let hit = scanned.fragments.iter().find(|fragment| fragment.offset == begins);
        let at = hit.expect("its first").end() - 3;
        let rotten = [bytes[usize::try_from(at).expect("small")] ^ 1];
        let opened = std::fs::OpenOptions::new().write(true).open(&path).expect("opened");
        opened.write_all_at(&rotten, at).expect("written");

        let told = format!("{:#}", clip(&ring(), "pinned", &file).expect_err("damaged"));
        assert!(told.contains("the clip is damaged (2.00 to 2.50 s)"), "{told}");
        assert!(is_mine(), "what fails writes nothing");
        assert_eq!(said(cut(times).expect("the rest")), said(ExitCode::from(3)));
        let told = films().expect("the rest").told;
        assert!(
            told.iter().any(|line| line.starts_with("2.00 to 2.50 s of segment 3")),
            "{told:?}"
        );
    }
}
