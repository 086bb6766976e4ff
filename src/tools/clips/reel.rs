//! `courtside clips reel`: the highlights of a game as one MP4.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use crate::clips::{Apart, Clip, RingReader, Sequence, Shelf, ShelfError, Wanted};
use crate::disk::RealDisk;
use crate::event::models::LABEL;
use crate::tools::clips::export::{wanted_of, write};
use crate::tools::clips::{RingArg, to_file};
use crate::tools::tell::remark;

/// Examples and exit codes.
pub(super) const HELP: &str = "\
Example: courtside clips reel --game 00c0ffee00c0ffee --title Cup --out cup.mp4
         courtside clips reel --clips a-00c0ffee00c0ffee-shot-3,a-00c0ffee00c0ffee-shot-7 --out reel.mp4
Highlights that overlap are shown once, those that were taken back only where
--clips names them. Nothing is encoded anew.
Exit: 0 all of them · 1 failed · 3 something is missing, and said";

/// Arguments of `clips reel`.
#[derive(Debug, Args)]
pub(super) struct ReelArgs {
    #[command(flatten)]
    ring: RingArg,
    /// Game whose clips are joined; where none was started, the session
    #[arg(long, value_name = "ID", required_unless_present = "clips", conflicts_with = "clips")]
    game: Option<String>,
    /// Clips that are joined, instead of a game's
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    clips: Vec<String>,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Order of the highlights
    #[arg(long, value_enum, default_value_t = Order::Time)]
    order: Order,
    /// Title of the film
    #[arg(long, value_name = "TEXT", default_value = "Highlights")]
    title: String,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// In which order highlights are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Order {
    /// As they were played
    Time,
    /// The best last, by the `score` of a clip's entry; those without one before, as they were played
    Score,
}

impl ReelArgs {
    /// Writes the film.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let ring = self.ring.open()?;
        let mut clips = match &self.game {
            Some(game) => highlights(&ring, game)?,
            None => by_name(&ring.shelf().context("list the clips")?, &self.clips)?,
        };
        if self.order == Order::Score {
            if clips.iter().all(|clip| clip.score().is_none()) {
                remark("courtside: no highlight says how good it is: they are in order of time");
            }
            clips.sort_by(by_score);
        }
        let sequence = match self.order {
            Order::Time => Sequence::AsPlayed,
            Order::Score => Sequence::AsNamed,
        };
        let wanted: Vec<Wanted> = clips.iter().map(wanted_of).collect::<anyhow::Result<_>>()?;
        let title = Some(self.title.as_str()).filter(|title| !title.is_empty());
        let films =
            ring.films(&wanted, title, (sequence, Apart::LeftOut)).context("read the ring")?;
        write(&films, &self.out, self.json)
    }
}

/// Writes the film of these clips of the ring in `dir`, for `recap`; false where it has none of them.
///
/// # Errors
/// The ring cannot be read, or the file not be written.
pub(in crate::tools) fn reel_of(
    dir: &Path,
    clips: &[&str],
    title: &str,
    out: &Path,
) -> anyhow::Result<bool> {
    let ring = RingReader::open(dir, Arc::new(RealDisk::new()));
    let ring = ring.with_context(|| format!("read the ring in {}", dir.display()))?;
    let shelf = ring.shelf().context("list the clips")?;
    let mut wanted = Vec::new();
    for id in clips {
        match shelf.read(id) {
            Ok(clip) if clip.media.is_some() => wanted.push(wanted_of(&clip)?),
            Ok(_) | Err(ShelfError::NoSuchClip) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if wanted.is_empty() {
        return Ok(false);
    }
    let films = ring
        .films(&wanted, Some(title), (Sequence::AsPlayed, Apart::LeftOut))
        .context("read the ring")?;
    films.told.iter().for_each(|line| remark(format_args!("courtside: {line}")));
    let Some(film) = films.films.first() else { return Ok(false) };
    to_file(out, |sink| film.read(sink))?;
    Ok(true)
}

/// The best last; those that say nothing of it first. As they stand where that is equal.
fn by_score(one: &Clip, other: &Clip) -> Ordering {
    let score = |clip: &Clip| clip.score().unwrap_or(f64::NEG_INFINITY);
    score(one).total_cmp(&score(other))
}

/// The clips of a game that there are bytes of, those too whose event was taken back.
pub(super) fn clips_of_game(ring: &RingReader, game: &str) -> anyhow::Result<Vec<Clip>> {
    let mut clips = ring.clips().context("list the clips")?;
    // What is kept to learn from is no highlight.
    let is_shown = |clip: &Clip| clip.reason != LABEL && clip.media.is_some();
    clips.retain(|clip| (clip.game() == game || clip.session == game) && is_shown(clip));
    if clips.is_empty() {
        bail!("no clip of game {game}: see `clips list`");
    }
    // Times of several sessions cannot be compared; clips were asked for as they were played.
    let of_one = clips.windows(2).all(|two| matches!(two, [a, b] if a.session == b.session));
    clips.sort_by_key(|clip| if of_one { (clip.from_ns, 0) } else { (0, clip.number) });
    Ok(clips)
}

/// The clips of a game but those whose event was taken back, which is said.
fn highlights(ring: &RingReader, game: &str) -> anyhow::Result<Vec<Clip>> {
    let (clips, back) = standing(clips_of_game(ring, game)?);
    for clip in &back {
        remark(format_args!("courtside: {} was taken back: left out", clip.id));
    }
    if clips.is_empty() {
        bail!("every highlight of game {game} was taken back: name clips with --clips");
    }
    Ok(clips)
}

/// The clips whose event stands, and those whose was taken back. Of the latter without those that went into one that
/// stands, by way of others perhaps: what they show is shown there.
pub(super) fn standing(clips: Vec<Clip>) -> (Vec<Clip>, Vec<Clip>) {
    let (back, clips): (Vec<_>, Vec<_>) = clips.into_iter().partition(|clip| clip.withdrawn);
    let into = |id: &str| back.iter().find(|clip| clip.id == id)?.merged.as_deref();
    let is_shown = |clip: &Clip| {
        let way = std::iter::successors(clip.merged.as_deref(), |id| into(id));
        // No longer than there are clips: what is written on a disk may go in a circle.
        way.take(back.len()).any(|id| clips.iter().any(|other| other.id == id))
    };
    let back = back.iter().filter(|clip| !is_shown(clip)).cloned().collect();
    (clips, back)
}

fn by_name(shelf: &Shelf, names: &[String]) -> anyhow::Result<Vec<Clip>> {
    let mut clips = Vec::new();
    for id in names {
        match shelf.read(id) {
            Err(ShelfError::NoSuchClip) => bail!("no clip {id}: see `clips list`"),
            read => clips.push(read?),
        }
    }
    Ok(clips)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and whether they were taken back, and into what.
    fn clips(rows: &[(&str, bool, Option<&str>)]) -> Vec<Clip> {
        let clip = |(id, withdrawn, merged): &(&str, bool, Option<&str>)| {
            let merged = merged.map_or(String::new(), |into| format!(r#","merged":"{into}""#));
            let json = format!(
                r#"{{"layout":2,"id":"{id}","number":1,"court":"a","session":"s","reason":"made","from_ns":1,
                    "to_ns":2,"pinned":true,"made_ns":1,"withdrawn":{withdrawn}{merged}}}"#
            );
            Clip::from_json(json.as_bytes()).expect("an entry")
        };
        rows.iter().map(clip).collect()
    }

    #[test]
    fn what_went_into_a_longer_highlight_is_not_told_as_taken_back() {
        let names = |clips: Vec<Clip>| clips.into_iter().map(|clip| clip.id).collect::<Vec<_>>();
        let (stands, back) = standing(clips(&[
            ("a", true, Some("b")),
            ("b", true, Some("c")),
            ("c", false, None),
            ("d", true, None),
            ("e", true, Some("f")),
            ("f", true, Some("e")),
        ]));
        assert_eq!(
            (names(stands), names(back)),
            (vec!["c".into()], vec!["d".into(), "e".into(), "f".into()])
        );
    }
}
