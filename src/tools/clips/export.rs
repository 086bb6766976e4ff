//! `courtside clips export`: any interval of the ring's files as MP4 that plays anywhere.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::clips::{Apart, Clip, Film, Films, RingReader, Sequence, ShelfError, Wanted};
use crate::media::{CourtId, MediaTime, SessionId, UtcTime};
use crate::tools::clips::{RingArg, seconds, to_file};
use crate::tools::tell::{remark, tell, tell_json};

/// Examples and exit codes.
pub(super) const HELP: &str = "\
Example: courtside clips export --court a --from 2026-11-29T18:00:00Z --to 2026-11-29T18:20:00Z --out half.mp4
         courtside clips export --session 00c0ffee00c0ffee --from-s 61.5 --to-s 70 --out play.mp4
         courtside clips export --clip a-00c0ffee00c0ffee-shot-3 --out shot.mp4
It shows the picture of its first moment first. What the ring has not is closed up where it is
longer than 2 s. Where the codec or the sound changes another file begins: half.2.mp4.
Exit: 0 all of it · 1 failed · 3 something is missing, and said";

/// Arguments of `clips export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    ring: RingArg,
    /// Court, with --from and --to
    #[arg(long, value_name = "NAME")]
    court: Option<String>,
    /// First moment by the box's clock, RFC 3339; right to about a second
    #[arg(long, value_name = "TIME", requires = "court", requires = "to")]
    from: Option<String>,
    /// Last moment by the box's clock
    #[arg(long, value_name = "TIME", requires = "from")]
    to: Option<String>,
    /// Session instead of the box's clock, 16 hexadecimal digits
    #[arg(long, value_name = "SESSION", conflicts_with = "from")]
    session: Option<String>,
    /// First moment, seconds of the stream's own timestamps [default: its beginning]
    #[arg(long, value_name = "SECONDS", requires = "session", allow_hyphen_values = true)]
    from_s: Option<f64>,
    /// Last moment, seconds [default: its end]
    #[arg(long, value_name = "SECONDS", requires = "session", allow_hyphen_values = true)]
    to_s: Option<f64>,
    /// Clip whose interval it is
    #[arg(long, value_name = "ID", conflicts_with_all = ["session", "from", "court"])]
    clip: Option<String>,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Title of the film [default: none]
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// One JSON object a file on stdout
    #[arg(long)]
    json: bool,
}

impl ExportArgs {
    /// Writes the files.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let asked = Asked::of(&self)?;
        let ring = self.ring.open()?;
        let times = if let Asked::Clock(_, times) = &asked { Some(*times) } else { None };
        let wanted = asked.in_ring(&ring)?;
        let mut films = ring
            .films(&wanted, self.title.as_deref(), (Sequence::AsPlayed, Apart::Files))
            .context("read the ring")?;
        if let Some(times) = times {
            tell_times(&mut films, times);
        }
        write(&films, &self.out, self.json)
    }
}

/// Says what of an interval of the box's clock is in no session.
fn tell_times(films: &mut Films, (from, to): (UtcTime, UtcTime)) {
    /// The box's clock is known to about a second.
    const NEAR_NS: i64 = 2_000_000_000;
    let mut at = Some(from);
    let shown: Vec<_> = films.films.iter().flat_map(|film| film.shown.clone()).collect();
    let mut tell = |from: UtcTime, to: UtcTime| {
        if to.nanos_since(from) > NEAR_NS {
            let (from, to) = (from.to_rfc3339(), to.to_rfc3339());
            films.told.push(format!("nothing was recorded from {from} to {to}"));
        }
    };
    let mut session = None;
    for scene in &shown {
        // Within a session it is told by its own time.
        if let (Some(at), Some(utc)) = (at, scene.utc)
            && session != Some(scene.session)
        {
            tell(at, utc);
        }
        session = Some(scene.session);
        let long = scene.end.nanos_since(scene.start);
        at = scene.utc.map(|utc| utc.plus_nanos(long)).or(at);
    }
    if let Some(at) = at {
        tell(at, to);
    }
}

/// What is asked for, read.
enum Asked {
    Clock(CourtId, (UtcTime, UtcTime)),
    Session(Option<CourtId>, SessionId, (MediaTime, MediaTime)),
    Clip(String),
}

impl Asked {
    fn of(args: &ExportArgs) -> anyhow::Result<Self> {
        let court = args.court.as_deref().map(CourtId::new).transpose()?;
        if let Some(id) = &args.clip {
            return Ok(Self::Clip(id.clone()));
        }
        if let Some(text) = &args.session {
            let session = session(text)?;
            let times = (args.from_s.map(seconds), args.to_s.map(seconds));
            let from = times.0.transpose()?.unwrap_or(MediaTime::from_nanos(i64::MIN / 2));
            let to = times.1.transpose()?.unwrap_or(MediaTime::from_nanos(i64::MAX / 2));
            return Ok(Self::Session(court, session, ordered(from, to)?));
        }
        match (court, &args.from, &args.to) {
            (Some(court), Some(from), Some(to)) => {
                Ok(Self::Clock(court, ordered(utc(from)?, utc(to)?)?))
            }
            _ => bail!("name --court, --from and --to, or --session, or --clip"),
        }
    }

    fn in_ring(self, ring: &RingReader) -> anyhow::Result<Vec<Wanted>> {
        match self {
            Self::Clock(court, times) => {
                let wanted = ring.between(&court, times);
                if wanted.is_empty() {
                    bail!(
                        "nothing of court {court} from then is in the ring: see `clips list --segments`"
                    );
                }
                Ok(wanted)
            }
            Self::Session(court, session, (from, to)) => {
                let name = session.to_string();
                let mut wanted: Vec<Wanted> = Vec::new();
                for entry in ring.segments().filter(|entry| entry.session == name) {
                    let other = court.as_ref().is_some_and(|court| *court != entry.court);
                    if other || wanted.iter().any(|one| one.court == entry.court) {
                        continue;
                    }
                    let (court, title) = (entry.court.clone(), String::new());
                    wanted.push(Wanted { court, session, from, to, title });
                }
                if wanted.is_empty() {
                    bail!(
                        "nothing of session {session} is in the ring: see `clips list --segments`"
                    );
                }
                clamp(ring, &mut wanted);
                Ok(wanted)
            }
            Self::Clip(id) => {
                let shelf = ring.shelf().context("list the clips")?;
                match shelf.read(&id) {
                    Err(ShelfError::NoSuchClip) => bail!("no clip {id}: see `clips list`"),
                    read => Ok(vec![wanted_of(&read?)?]),
                }
            }
        }
    }
}

/// Takes an open end to be the session's own: so nothing of it is missed.
fn clamp(ring: &RingReader, wanted: &mut [Wanted]) {
    for one in wanted {
        let name = one.session.to_string();
        let own = || ring.segments().filter(|s| s.session == name && s.court == one.court);
        let time = |ticks: i64| crate::clips::Ticks(ticks).media();
        let first = own().map(|entry| time(entry.start)).min();
        let last = own().map(|entry| time(entry.end)).max();
        if one.from == MediaTime::from_nanos(i64::MIN / 2) {
            one.from = first.unwrap_or(one.from);
        }
        if one.to == MediaTime::from_nanos(i64::MAX / 2) {
            one.to = last.unwrap_or(one.to);
        }
    }
}

/// The interval of a clip, with what it is of as its title.
pub(super) fn wanted_of(clip: &Clip) -> anyhow::Result<Wanted> {
    let mut title = clip.reason.replace('_', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Ok(Wanted {
        court: CourtId::new(&clip.court)?,
        session: session(&clip.session)?,
        from: MediaTime::from_nanos(clip.from_ns),
        to: MediaTime::from_nanos(clip.to_ns),
        title,
    })
}

/// Reads the name of a session.
pub(super) fn session(text: &str) -> anyhow::Result<SessionId> {
    SessionId::parse(text).with_context(|| format!("`{text}` is no session: 16 hexadecimal digits"))
}

fn utc(text: &str) -> anyhow::Result<UtcTime> {
    let read = OffsetDateTime::parse(text, &Rfc3339);
    let read = read.with_context(|| format!("`{text}` is no time: write 2026-11-29T18:00:00Z"))?;
    let nanos = i64::try_from(read.unix_timestamp_nanos()).context("a time of this century")?;
    Ok(UtcTime::from_nanos(nanos))
}

fn ordered<T: Ord>(from: T, to: T) -> anyhow::Result<(T, T)> {
    if to < from {
        bail!("the last moment is before the first");
    }
    Ok((from, to))
}

/// Writes films: the first to `out`, further ones beside it.
pub(super) fn write(films: &Films, out: &Path, json: bool) -> anyhow::Result<ExitCode> {
    for (n, film) in films.films.iter().enumerate() {
        let file = if n == 0 { out.to_owned() } else { beside(out, n + 1) };
        to_file(&file, |sink| film.read(sink))?;
        if json {
            tell_json(&said(&file, film))?;
        } else {
            tell_film(&file, film);
        }
    }
    for line in &films.told {
        remark(format_args!("courtside: {line}"));
    }
    /// DESIGN §4.2.
    const DEGRADED: u8 = 3;
    Ok(ExitCode::from(if films.told.is_empty() { 0 } else { DEGRADED }))
}

/// `half.mp4` becomes `half.2.mp4`.
fn beside(out: &Path, n: usize) -> PathBuf {
    let mut end = OsString::from(n.to_string());
    if let Some(own) = out.extension() {
        end.push(".");
        end.push(own);
    }
    out.with_extension(end)
}

fn tell_film(file: &Path, film: &Film) {
    tell(format_args!("{}  {} bytes", file.display(), film.bytes()));
    for shown in &film.shown {
        let clock = shown.utc.map(|utc| format!("  {}", utc.to_rfc3339())).unwrap_or_default();
        tell(format_args!(
            "  {:>9.3} s  court {}  session {}  {} to {}{clock}",
            shown.at_s, shown.court, shown.session, shown.start, shown.end
        ));
    }
}

/// For programs.
fn said(file: &Path, film: &Film) -> serde_json::Value {
    let scenes = film.shown.iter().map(|shown| {
        json!({
            "at_s": shown.at_s, "court": shown.court, "session": shown.session.to_string(),
            "start_s": shown.start.as_secs_f64(), "end_s": shown.end.as_secs_f64(),
            "time": shown.utc.map(UtcTime::to_rfc3339),
        })
    });
    json!({"file": file, "bytes": film.bytes(), "scenes": scenes.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_files_lie_beside_the_first() {
        for (out, second) in [("a/half.mp4", "a/half.2.mp4"), ("half", "half.2")] {
            assert_eq!(beside(Path::new(out), 2), Path::new(second));
        }
    }
}
