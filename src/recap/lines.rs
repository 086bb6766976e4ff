//! What is listed: the shots and the highlights, a line each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::By;
use crate::event::clip::ClipTold;
use crate::event::game::HighlightParts;
use crate::event::tags::own_words;
use crate::event::words::ClipWord;
use crate::media::{PlayerId, TeamId, UtcTime};
use crate::recap::fact::{Facts, Told};
use crate::recap::line::ScorePoint;
use crate::recap::shots::{Shot, Tally};
use crate::recap::tags;

/// One shot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShotLine {
    /// From 1, as they were played.
    pub n: u32,
    /// Its fact.
    pub fact: String,
    /// The revision that stands.
    pub revision: u32,
    /// RFC 3339; absent where nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Seconds since the game's beginning, by the time of day; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
    /// The period that was played, from 1.
    pub period: u16,
    /// Where.
    pub court: String,
    /// Index of the rim, from 0.
    pub rim: u16,
    /// Session of its stream.
    pub session: String,
    /// Seconds of the stream's own timestamps.
    pub t_stream: f64,
    /// `made`, `missed` or `unsure`.
    pub verdict: &'static str,
    /// What it counts if it goes in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<u32>,
    /// Who says so: `rules`, `operator`, `model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points_by: Option<String>,
    /// Whose it is, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<TeamId>,
    /// Whose it is, where somebody named them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub player: Option<PlayerId>,
    /// Who corrected it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// Which person that was, as they named themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Why it was corrected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Both teams' points after it, in the game's order.
    pub score: [u32; 2],
    /// Name of its clip on the box.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<String>,
    /// Words by which it is found.
    pub tags: Vec<String>,
}

/// One highlight.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClipLine {
    /// The highlight's fact.
    pub fact: String,
    /// Name of its clip on the box.
    pub clip: String,
    /// The shot, from 1.
    pub n: u32,
    /// The shot's fact.
    pub shot: String,
    /// Why it is one.
    pub reason: String,
    /// How good it is, 0 to 100, where it was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// What that is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<HighlightParts>,
    /// What became of its clip, where that was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<ClipWord>,
    /// Words by which it is found.
    pub tags: Vec<String>,
}

/// Data of a highlight, as far as a recap asks for them.
#[derive(Debug, Deserialize)]
struct Said {
    shot: String,
    reason: String,
    clip: String,
    /// Further shots that its cut shows.
    #[serde(default)]
    with: Vec<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    score: Option<f64>,
    #[serde(default)]
    parts: Option<HighlightParts>,
}

pub(super) fn shot_lines(
    facts: &Facts,
    shots: &[Shot],
    teams: &[TeamId; 2],
    score: &[ScorePoint],
) -> Vec<ShotLine> {
    let seconds: BTreeMap<&str, Option<u32>> =
        score.iter().map(|point| (point.shot.as_str(), point.seconds)).collect();
    let mut tally = Tally::default();
    let mut all = Vec::new();
    for (shot, tags) in shots.iter().zip(tags::tags(facts, shots, teams)) {
        tally.take(shot, teams);
        all.push(ShotLine {
            n: number(all.len()),
            fact: shot.fact.clone(),
            revision: shot.revision,
            time: shot.utc.map(UtcTime::to_rfc3339),
            seconds: seconds.get(shot.fact.as_str()).copied().flatten(),
            period: shot.period,
            court: shot.court.clone(),
            rim: shot.rim,
            session: shot.session.clone(),
            t_stream: shot.t_stream,
            verdict: shot.verdict.word(),
            points: shot.points,
            points_by: shot.points_by.clone(),
            team: shot.team.clone(),
            player: shot.player.clone(),
            by: shot.by,
            who: shot.who.clone(),
            reason: shot.reason.clone(),
            score: tally.points,
            clip: None,
            tags,
        });
    }
    all
}

fn number(before: usize) -> u32 {
    u32::try_from(before + 1).unwrap_or(u32::MAX)
}

/// The highlights in the order of their shots; their clips and tags go to the shots too.
pub(super) fn clip_lines(facts: &Facts, shots: &mut [ShotLine]) -> Vec<ClipLine> {
    // What became of each clip, and what was noted where it was kept.
    let mut clips: BTreeMap<String, (ClipWord, Vec<String>)> = BTreeMap::new();
    for told in facts.newest(&["courtside.clip.v1"]).filter_map(Told::data::<ClipTold>) {
        let noted = told.note.as_deref().map(own_words).into_iter().flatten();
        clips.entry(told.clip).or_insert((told.state, Vec::new())).1.extend(noted);
    }
    let places: BTreeMap<String, usize> =
        shots.iter().enumerate().map(|(at, shot)| (shot.fact.clone(), at)).collect();
    let mut all = Vec::new();
    for told in facts.newest(&["courtside.highlight.v1"]) {
        let Some(said) = told.data::<Said>() else { continue };
        // One whose shot is gone is gone with it; that it was not taken back is a fault of the box.
        let place = places.get(&said.shot);
        let Some(shot) = place.and_then(|at| shots.get_mut(*at)) else { continue };
        let clip = clips.get(&said.clip);
        let mut tags = shot.tags.clone();
        tags.extend(tags::of_highlight(said.kind.as_deref(), said.parts.as_ref()));
        tags.extend(clip.iter().flat_map(|(_, noted)| noted.iter().cloned()));
        tags.sort_unstable();
        tags.dedup();
        let name = said.clip.rsplit('/').next().unwrap_or_default().to_owned();
        shot.clip = Some(name.clone());
        shot.tags.clone_from(&tags);
        let n = shot.n;
        for at in said.with.iter().filter_map(|fact| places.get(fact)) {
            if let Some(shown) = shots.get_mut(*at) {
                shown.clip = Some(name.clone());
            }
        }
        all.push(ClipLine {
            fact: told.fact.clone(),
            clip: name,
            n,
            shot: said.shot,
            reason: said.reason,
            score: said.score,
            parts: said.parts,
            state: clip.map(|(state, _)| *state),
            tags,
        });
    }
    all.sort_by_key(|clip| clip.n);
    all
}
