//! `courtside recap`: what a game came to, as files that can be mailed; and several games over a season.
//!
//! The facts come from the box, or from a file of them; what is made of them is `crate::recap`'s. What
//! only a tool can do stands here: charts as PNG (`picture`), pictures of clips inside the document, the
//! reel out of the ring.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;

use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::disk::read_regular_text;
use crate::media::{Foreign, GameId, base64, without_isolates};
use crate::recap::chart::{Colors, score_chart, win_chart};
use crate::recap::{
    BoxScore, Clips, Recap, Season, games_in, html, of_game, season_csv, season_html, shots_csv,
    svg_file,
};
use crate::tools::ask::{AskArgs, Place};
use crate::tools::beside::put_beside;
use crate::tools::clips::reel_of;
use crate::tools::recap::picture::drawn;
use crate::tools::tell::{remark, tell, tell_json};

mod picture;

/// Examples and exit codes.
pub(super) const HELP: &str = "\
Example: courtside recap cup-7 --out cup-7
         courtside recap --facts cup-7/facts.jsonl --out again
         courtside recap --season games
Written: recap.html (all of it in one file), box_score.json, shots.csv,
facts.jsonl, charts as SVG and PNG, and reel.mp4 if this machine has the clips
Exit: 0 written · 1 failed";

/// Arguments of `recap`.
#[derive(Debug, Args)]
pub(super) struct RecapArgs {
    /// Game, as `game start` named it; not needed with a file of one game
    #[arg(value_name = "GAME", conflicts_with = "season",
          required_unless_present_any = ["season", "facts"])]
    game: Option<String>,
    /// Folder to write into; made if it is not there [default: GAME]
    #[arg(long, value_name = "DIR", conflicts_with = "season")]
    out: Option<PathBuf>,
    /// Facts from a file, as `recap` wrote them, instead of a box
    #[arg(long, value_name = "FILE", conflicts_with_all = ["season", "url"])]
    facts: Option<PathBuf>,
    /// Folder whose folders are recaps: writes season.html, .json and .csv there
    #[arg(long, value_name = "DIR")]
    season: Option<PathBuf>,
    /// The ring's directory, for the reel [default: that of the configuration]
    #[arg(long, value_name = "DIR", conflicts_with = "season")]
    ring: Option<PathBuf>,
    /// Print it as one JSON object on stdout; nothing is written without --out
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    ask: AskArgs,
}

/// A box has no more of a game than it serves at once; a file may have all of a season.
const FACTS_MOST_BYTES: u64 = 1 << 30;
/// More than any box score.
const SCORE_MOST_BYTES: u64 = 4 << 20;
/// Pictures in a document, and the bytes of each (chosen: a file of some megabytes can be mailed).
const STILLS: usize = 60;
const STILL_MOST_BYTES: usize = 64 << 10;
/// A box draws pictures when nobody else needs it: one that is slow gets no more time than that.
const STILLS_WITHIN: Duration = Duration::from_secs(2);

impl RecapArgs {
    /// Writes what is asked for.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match &self.season {
            Some(dir) => season(dir, self.json)?,
            None => self.recap(!self.json)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn recap(&self, print: bool) -> anyhow::Result<()> {
        let clock = SystemClock::new();
        let began = clock.monotonic();
        let (game, facts, place) = self.told()?;
        let recap = Recap::of(&facts, &game)?;
        for note in &recap.notes {
            remark(format_args!("courtside: {note}"));
        }
        if self.json {
            tell_json(&recap)?;
        }
        let usual = (!self.json).then(|| PathBuf::from(game.as_str()));
        let Some(dir) = self.out.clone().or(usual) else { return Ok(()) };
        let folder = Folder::made(dir)?;
        let stills = place.map_or_else(Default::default, |place| stills(&place, &recap, &clock));
        folder.write("facts.jsonl", of_game(&facts, &game)?.as_bytes())?;
        folder.write("box_score.json", &json(&recap.box_score)?)?;
        folder.write("shots.csv", shots_csv(&recap).as_bytes())?;
        let [first, second] = &recap.box_score.teams;
        let colors = Colors::of([&first.team, &second.team]);
        let charts = [("score", Some(score_chart(&recap))), ("win", win_chart(&recap))];
        for (name, chart) in charts {
            let Some(chart) = chart else { continue };
            folder.write(&format!("{name}.svg"), svg_file(&chart, &colors).as_bytes())?;
            folder.write(&format!("{name}.png"), &drawn(&chart, &colors, &recap)?)?;
        }
        let reel = self.reel(&recap, &folder.file("reel.mp4"))?;
        let clips = Clips {
            stills,
            reel: reel.then(|| "reel.mp4".to_owned()),
            files: FILES.iter().map(|(file, what)| ((*file).to_owned(), *what)).collect(),
            ..Clips::default()
        };
        folder.write("recap.html", html(&recap, &clips).html.as_bytes())?;
        if print {
            // A terminal escapes what it cannot show.
            let texts = recap.summary.iter().map(|sentence| without_isolates(&sentence.text));
            texts.for_each(|text| tell(&text));
        }
        let took = clock.monotonic().since(began);
        let at = Foreign::path(folder.file("recap.html"));
        remark(format_args!("courtside: {at}, in {:.2} s", took.as_secs_f64()));
        Ok(())
    }

    /// The game, all that was told of it, and the box that was asked.
    fn told(&self) -> anyhow::Result<(GameId, String, Option<Place>)> {
        let named = self.game.as_deref().map(GameId::new).transpose()?;
        let Some(file) = &self.facts else {
            let game = named.context("name a game")?;
            let place = Place::of(&self.ask)?;
            let path = format!("/games/{game}/facts.jsonl");
            let facts = place.get(&path, "application/jsonl, application/problem+json")?;
            let facts = String::from_utf8(facts).context("facts are text")?;
            return Ok((game, facts, Some(place)));
        };
        let facts = read_regular_text(file, FACTS_MOST_BYTES)
            .with_context(|| format!("read {}", file.display()))?;
        let game = match named {
            Some(game) => game,
            None => match games_in(&facts)?.as_slice() {
                [game] => game.clone(),
                [] => bail!("{} has facts of no game", file.display()),
                games => {
                    let names: Vec<&str> = games.iter().map(GameId::as_str).collect();
                    bail!("{} has several games: name one of {}", file.display(), names.join(", "))
                }
            },
        };
        Ok((game, facts, None))
    }

    /// The reel, where the ring is on this machine and has clips of the game.
    fn reel(&self, recap: &Recap, out: &Path) -> anyhow::Result<bool> {
        let of_config = || {
            let config = config::load(&self.ask.config).ok()?;
            Some(config.appliance.data_dir.join("ring"))
        };
        let usual = || of_config().filter(|dir| dir.is_dir());
        let Some(ring) = self.ring.clone().or_else(usual) else { return Ok(false) };
        let clips: Vec<&str> = recap.clips.iter().map(|clip| clip.clip.as_str()).collect();
        let [first, second] = &recap.box_score.teams;
        let [a, b] = [first, second].map(|line| recap.team_name(&line.team.id));
        let title = format!("{a} {} – {} {b}", first.points, second.points);
        match reel_of(&ring, &clips, &title, out) {
            Ok(written) => Ok(written),
            Err(error) if self.ring.is_some() => Err(error),
            // Nobody asked for it, and the rest is there.
            Err(error) => {
                remark(format_args!("courtside: no reel: {error:#}"));
                Ok(false)
            }
        }
    }
}

/// Writes the recap of a game of the box at `url`, whose ring is on this machine, into `out`.
pub(super) fn of_box(
    (url, ring): (String, PathBuf),
    game: &GameId,
    out: PathBuf,
    print: bool,
) -> anyhow::Result<()> {
    // A box without a configuration file: its address is all that there is.
    let ask = AskArgs { url: Some(url), token_file: None, config: PathBuf::new() };
    let game = Some(game.to_string());
    let (out, ring) = (Some(out), Some(ring));
    let args = RecapArgs { game, out, facts: None, season: None, ring, json: false, ask };
    args.recap(print)
}

const FILES: &[(&str, &str)] = &[
    ("box_score.json", "box score (JSON)"),
    ("shots.csv", "shots (CSV)"),
    ("facts.jsonl", "facts as they were told"),
];

/// Pictures of the clips, as a document holds them; those that come in time.
fn stills(place: &Place, recap: &Recap, clock: &SystemClock) -> BTreeMap<String, String> {
    let began = clock.monotonic();
    let mut all = BTreeMap::new();
    for clip in recap.clips.iter().take(STILLS) {
        if clock.monotonic().since(began) > STILLS_WITHIN {
            remark(format_args!(
                "courtside: {} of {} clips have a picture: the box draws them later",
                all.len(),
                recap.clips.len()
            ));
            break;
        }
        let path = format!("/v1/clips/{}/thumbnail.jpg", clip.clip);
        // A clip without a picture is named all the same.
        let Ok(picture) = place.get(&path, "image/jpeg") else { continue };
        let is_jpeg = picture.starts_with(&[0xff, 0xd8]);
        if is_jpeg && picture.len() <= STILL_MOST_BYTES {
            let text = base64::encode(&picture);
            all.insert(clip.clip.clone(), format!("data:image/jpeg;base64,{text}"));
        }
    }
    all
}

/// Writes what the recaps below `dir` come to, into it.
fn season(dir: &Path, print: bool) -> anyhow::Result<()> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(dir)
        .with_context(|| format!("read {}", dir.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("box_score.json").is_file())
        .collect();
    folders.sort();
    let read = |folder: &PathBuf| -> anyhow::Result<BoxScore> {
        let file = folder.join("box_score.json");
        let wrong = || format!("read {}", file.display());
        let text = read_regular_text(&file, SCORE_MOST_BYTES).with_context(wrong)?;
        serde_json::from_str(&text).with_context(wrong)
    };
    let scores = folders.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    if scores.is_empty() {
        bail!("no folder in {} has a box_score.json: write some with `recap GAME`", dir.display());
    }
    let season = Season::of(scores);
    for note in &season.notes {
        remark(format_args!("courtside: {note}"));
    }
    let folder = Folder { dir: dir.to_owned() };
    folder.write("season.json", &json(&season)?)?;
    folder.write("season.csv", season_csv(&season).as_bytes())?;
    let title = format!("{} games", season.games.len());
    folder.write("season.html", season_html(&season, &title).html.as_bytes())?;
    if print {
        tell_json(&season)?;
    } else {
        for line in &season.teams {
            tell(format_args!(
                "{:>3}  {:<32}  {} won, {} lost, {} drawn, {}–{}",
                line.rank, line.team.id, line.won, line.lost, line.drawn, line.points, line.against
            ));
        }
    }
    remark(format_args!("courtside: {}", Foreign::path(folder.file("season.html"))));
    Ok(())
}

fn json(value: &impl Serialize) -> anyhow::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(text)
}

/// Where files are written.
struct Folder {
    dir: PathBuf,
}

impl Folder {
    fn made(dir: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
        Ok(Self { dir })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        put_beside(&self.file(name), bytes)
    }
}

#[cfg(test)]
mod tests;
