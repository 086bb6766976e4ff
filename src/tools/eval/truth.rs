//! Truth files: what really happened in a video.
//!
//! A *stream* truth is one object: `{"file", "court", "rim": [x,y,w,h], "attempts": [{"t_rim",
//! "t_truth", "outcome"}, …]}`; an attempt may say `"doubtful": true` and counts neither for nor
//! against. A *clip* truth is a list of objects, one short video with one attempt each. Files are
//! named from the truth file's folder. Other keys are somebody else's. Times count from a video's
//! beginning, s: what comes before it, after its end, or in the wrong order is refused, and so is an
//! attempt that is given twice; each by its entry and key. A key that is nearly `doubtful` is refused
//! too, since an attempt would count that should not.
//!
//! Optional, for the strata: an attempt's `"kind"` (one of [`KINDS`], or any other word), its `"rim"`
//! where the camera moved, and `"ring_px"`, the ring's width before a video was scaled; a video's
//! `"net"` and `"fps"`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::disk::read_regular_text;
use crate::media::{CourtId, RimBox, SessionId};

/// Kinds of attempt that rendered truths tell apart, in the order in which they are told. A truth may
/// say others.
pub(crate) const KINDS: [&str; 11] = [
    "swish",
    "rim-in",
    "bank-in",
    "rim-out",
    "bank-out",
    "air-short",
    "air-long",
    "air-side",
    "behind",
    "below",
    "other",
];

/// One video and what happened in it.
#[derive(Clone, Debug)]
pub(crate) struct Video {
    pub(crate) file: PathBuf,
    /// The truth file, and which entry of a list.
    pub(crate) told_in: String,
    /// What it counts as: the truth's word, unless several names are one court.
    pub(crate) court: String,
    /// The truth's own word: a camera of that court, which learns by itself.
    pub(crate) camera: String,
    pub(crate) rims: Vec<RimBox>,
    pub(crate) attempts: Vec<Attempt>,
    /// Cut around one attempt: it begins and ends where a camera would go on.
    pub(crate) clip: bool,
    /// Pictures a second, where the truth says so.
    pub(crate) fps: Option<f64>,
    /// What the net is like, where the truth says so.
    pub(crate) net: Option<String>,
}

impl Video {
    /// Where the truth tells of an attempt, counted from 0.
    fn entry(&self, attempt: usize) -> String {
        let file = self.file.display();
        if self.clip {
            return format!("{} ({file})", self.told_in);
        }
        format!("{}, attempt {} ({file})", self.told_in, attempt + 1)
    }
}

/// One attempt.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Attempt {
    /// When the ball reached the ring, s.
    pub(crate) t_rim: f64,
    /// When a careful eye could be sure, s.
    pub(crate) t_truth: f64,
    pub(crate) made: bool,
    /// Counts neither for nor against.
    pub(crate) doubtful: bool,
    /// What kind of attempt, where the truth says so.
    pub(crate) kind: Option<String>,
    /// The ring's width, where the truth says so of this attempt, pixels.
    pub(crate) ring_px: Option<f64>,
}

#[derive(Deserialize)]
struct RawClip {
    file: PathBuf,
    #[serde(default)]
    court: String,
    rim: [f32; 4],
    fps: Option<f64>,
    net: Option<String>,
    #[serde(flatten)]
    attempt: RawAttempt,
}

#[derive(Deserialize)]
struct RawStream {
    file: PathBuf,
    #[serde(default)]
    court: String,
    rim: Option<[f32; 4]>,
    #[serde(default)]
    rims: Vec<[f32; 4]>,
    fps: Option<f64>,
    net: Option<String>,
    attempts: Vec<RawAttempt>,
    #[serde(flatten)]
    others: Others,
}

#[derive(Deserialize)]
struct RawAttempt {
    t_rim: f64,
    t_truth: Option<f64>,
    outcome: Outcome,
    #[serde(default)]
    doubtful: bool,
    kind: Option<String>,
    ring_px: Option<f64>,
    rim: Option<[f32; 4]>,
    #[serde(flatten)]
    others: Others,
}

/// Keys that are somebody else's.
type Others = BTreeMap<String, serde::de::IgnoredAny>;

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Made,
    Missed,
}

/// How many pictures beyond the last one a time may lie: it is shown for one, and times are rounded.
const BEYOND_PICTURES: f64 = 2.0;

/// The court that every video is played on, whatever its truth calls it.
pub(crate) fn court() -> anyhow::Result<CourtId> {
    Ok(CourtId::new("eval")?)
}

/// The run of timestamps that every video is said to be.
pub(crate) const SESSION: SessionId = SessionId::from_bits(1);

/// More than the truth of a season.
const TRUTH_MOST_BYTES: u64 = 64 << 20;

/// Reads a truth file.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Video>> {
    let text = read_regular_text(path, TRUTH_MOST_BYTES).with_context(|| {
        format!(
            "read the truth in {} (give --truth a file of a stream or of clips)",
            path.display()
        )
    })?;
    let videos = parse(&text, path).with_context(|| {
        format!(
            "{} is no truth file: write {{\"file\", \"rim\", \"attempts\": [{{\"t_rim\", \
             \"outcome\"}}]}} or a list of clips",
            path.display()
        )
    })?;
    check(&videos)?;
    Ok(videos)
}

/// Refuses what no video can have shown.
fn check(videos: &[Video]) -> anyhow::Result<()> {
    for video in videos {
        for RimBox { x, y, w, h } in &video.rims {
            if !([x, y].iter().all(|at| at.is_finite()) && *w > 0.0 && *h > 0.0) {
                let (entry, file) = (&video.told_in, video.file.display());
                bail!("{entry} ({file}): rim is [{x}, {y}, {w}, {h}]: write x, y, width, height");
            }
        }
        if let Some(fps) = video.fps.filter(|fps| !(fps.is_finite() && *fps > 0.0)) {
            let (entry, file) = (&video.told_in, video.file.display());
            bail!("{entry} ({file}): fps is {fps}: write pictures a second, or leave it out");
        }
        for (index, Attempt { t_rim, t_truth, .. }) in video.attempts.iter().enumerate() {
            let entry = || video.entry(index);
            if *t_rim < 0.0 {
                bail!("{}: t_rim is {t_rim}: write seconds from the video's beginning", entry());
            }
            if t_truth < t_rim {
                let want =
                    "nobody can be sure before the ball is there: correct it, or leave it out";
                bail!("{}: t_truth is {t_truth}, before t_rim, {t_rim}: {want}", entry());
            }
        }
    }
    Ok(())
}

/// Refuses attempts beyond a video's end: its last picture comes at `ends` and is shown for
/// `picture`, s.
///
/// # Errors
/// Names the entry, the key and both times.
pub(crate) fn within(video: &Video, ends: f64, picture: f64) -> anyhow::Result<()> {
    let latest = picture.mul_add(BEYOND_PICTURES, ends);
    for (index, attempt) in video.attempts.iter().enumerate() {
        for (key, at) in [("t_rim", attempt.t_rim), ("t_truth", attempt.t_truth)] {
            if at > latest {
                bail!(
                    "{}: {key} is {at} s, but the video's last picture comes at {ends:.3} s: correct \
                     the truth, or give the whole video",
                    video.entry(index)
                );
            }
        }
    }
    Ok(())
}

/// Refuses videos that are not there, and an attempt that is told of twice, in whatever files: each
/// would count for two.
///
/// # Errors
/// Names the entries.
pub(crate) fn each_once(videos: &[Video]) -> anyhow::Result<()> {
    let mut known: BTreeMap<(PathBuf, Option<u64>), String> = BTreeMap::new();
    for video in videos {
        let file = video.file.canonicalize().with_context(|| {
            let file = video.file.display();
            format!("{}: find {file} (files are named from the truth's folder)", video.told_in)
        })?;
        // A video without attempts counts by its length alone.
        let quiet = video.attempts.is_empty().then(|| (None, video.told_in.clone()));
        let attempts = video.attempts.iter().enumerate();
        // To the millisecond, as truth is written.
        let told = attempts.map(|(index, attempt)| {
            (Some((attempt.t_rim * 1e3).round().to_bits()), video.entry(index))
        });
        for (at, entry) in quiet.into_iter().chain(told) {
            if let Some(before) = known.insert((file.clone(), at), entry.clone()) {
                bail!(
                    "{entry} is given twice, first as {before}: it would count twice, leave one out"
                );
            }
        }
    }
    Ok(())
}

fn parse(text: &str, path: &Path) -> Result<Vec<Video>, serde_json::Error> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let told_in = path.display();
    // Told apart by the first sign, so that an error names the key that is wrong.
    if text.trim_start().starts_with('[') {
        let clips: Vec<RawClip> = serde_json::from_str(text)?;
        for (index, clip) in clips.iter().enumerate() {
            nearly_doubtful(&clip.attempt.others, &format!("entry {}", index + 1))?;
        }
        let video = |(index, clip): (usize, RawClip)| Video {
            file: folder.join(clip.file),
            told_in: format!("{told_in}, entry {}", index + 1),
            camera: clip.court.clone(),
            court: clip.court,
            rims: vec![rim_box(clip.rim)],
            attempts: vec![attempt(clip.attempt)],
            clip: true,
            fps: clip.fps,
            net: clip.net,
        };
        return Ok(clips.into_iter().enumerate().map(video).collect());
    }
    let stream: RawStream = serde_json::from_str(text)?;
    nearly_doubtful(&stream.others, "the stream")?;
    for (index, attempt) in stream.attempts.iter().enumerate() {
        nearly_doubtful(&attempt.others, &format!("attempt {}", index + 1))?;
    }
    let rims = if stream.rims.is_empty() { Vec::from_iter(stream.rim) } else { stream.rims };
    if rims.is_empty() {
        return Err(serde::de::Error::missing_field("rim"));
    }
    Ok(vec![Video {
        file: folder.join(stream.file),
        told_in: told_in.to_string(),
        camera: stream.court.clone(),
        court: stream.court,
        rims: rims.into_iter().map(rim_box).collect(),
        attempts: stream.attempts.into_iter().map(attempt).collect(),
        clip: false,
        fps: stream.fps,
        net: stream.net,
    }])
}

/// Refuses what was meant to be an attempt's `doubtful`, and would silently be none.
fn nearly_doubtful(others: &Others, of: &str) -> Result<(), serde_json::Error> {
    match others.keys().find(|key| key.to_lowercase().starts_with("doubt")) {
        Some(key) => Err(serde::de::Error::custom(format!(
            "{of}: no key is called {key} here: write \"doubtful\": true in an attempt"
        ))),
        None => Ok(()),
    }
}

/// Counts all of `names` as one court, under the first of them. Returns those that no video has.
pub(crate) fn as_one<'a>(videos: &mut [Video], names: &'a [String]) -> Vec<&'a str> {
    let Some((shown, others)) = names.split_first() else { return Vec::new() };
    // The first may be a name for the whole.
    let lacking = others.iter().filter(|name| videos.iter().all(|video| video.court != **name));
    let lacking = lacking.map(String::as_str).collect();
    for video in videos.iter_mut().filter(|video| names.contains(&video.court)) {
        video.court.clone_from(shown);
    }
    lacking
}

fn attempt(raw: RawAttempt) -> Attempt {
    let width = |[_, _, width, _]: [f32; 4]| f64::from(width);
    Attempt {
        t_rim: raw.t_rim,
        t_truth: raw.t_truth.unwrap_or(raw.t_rim),
        made: raw.outcome == Outcome::Made,
        doubtful: raw.doubtful,
        kind: raw.kind,
        ring_px: raw.ring_px.or(raw.rim.map(width)),
    }
}

const fn rim_box([x, y, w, h]: [f32; 4]) -> RimBox {
    RimBox { x, y, w, h }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_truth_is_named() {
        for (text, names) in [
            (r#"[{"file": "a.mp4", "rim": [1, 2, 3, 4], "outcome": "made"}]"#, "t_rim"),
            (r#"[{"file": "a.mp4", "t_rim": 1, "outcome": "made"}]"#, "rim"),
            (r#"{"file": "a.mp4", "attempts": []}"#, "rim"),
            (r#"{"file": "a.mp4", "rim": [1, 2, 3, 4]}"#, "attempts"),
            (r#"{"file": "a.mp4", "rim": [1, 2], "attempts": []}"#, "length 2"),
            (
                r#"[{"file": "a.mp4", "rim": [1, 2, 3, 4], "t_rim": 1, "outcome": "made", "doubtfull": true}]"#,
                "entry 1: no key is called doubtfull here",
            ),
            (
                r#"{"file": "a.mp4", "rim": [1, 2, 3, 4], "attempts": [{"t_rim": 1, "outcome": "made", "Doubt": 1}]}"#,
                "attempt 1: no key is called Doubt here",
            ),
            (
                r#"{"file": "a.mp4", "rim": [1, 2, 3, 4], "attempts": [], "doubtful": true}"#,
                "the stream: no key is called doubtful here",
            ),
        ] {
            let said = parse(text, Path::new("t.json")).expect_err(text).to_string();
            assert!(said.contains(names), "{text}: {said}");
        }
    }

    #[test]
    fn times_that_no_video_can_have_are_refused_by_entry_and_key() {
        let clip = |rim: &str, times: &str| {
            format!(
                r#"[{{"file": "a.mp4", "rim": [1, 2, 3, 4], "t_rim": 1, "outcome": "made"}},
                {{"file": "b.mp4", "rim": {rim}, {times}, "outcome": "made"}}]"#
            )
        };
        let stream = |times: &str| {
            format!(
                r#"{{"file": "s.mp4", "rim": [1, 2, 3, 4], "attempts": [{{"t_rim": 1, "outcome":
                "made"}}, {{{times}, "outcome": "missed", "doubtful": true}}]}}"#
            )
        };
        let rim = "[1, 2, 3, 4]";
        for (text, names) in [
            (clip(rim, r#""t_rim": -0.5"#), ["d/t.json, entry 2 (d/b.mp4)", "t_rim is -0.5"]),
            (
                clip(rim, r#""t_rim": 2, "t_truth": 1.2"#),
                ["entry 2", "t_truth is 1.2, before t_rim"],
            ),
            (clip("[1, 2, 0, 4]", r#""t_rim": 2"#), ["entry 2 (d/b.mp4)", "rim is [1, 2, 0, 4]"]),
            (stream(r#""t_rim": -3"#), ["d/t.json, attempt 2 (d/s.mp4)", "t_rim is -3"]),
            (stream(r#""t_rim": 2, "t_truth": -1"#), ["attempt 2", "t_truth is -1, before t_rim"]),
        ] {
            let videos = parse(&text, Path::new("d/t.json")).expect("well formed");
            let said = check(&videos).expect_err(&text).to_string();
            assert!(names.iter().all(|part| said.contains(part)), "{names:?}: {said}");
        }
        let good = clip(rim, r#""t_rim": 0, "t_truth": 0"#);
        check(&parse(&good, Path::new("t.json")).expect("well formed")).expect("at the beginning");
        assert!(parse(&clip(rim, r#""t_rim": 1e999"#), Path::new("t.json")).is_err());
    }

    #[test]
    fn a_rate_that_is_none_is_refused() {
        for (fps, is_one) in
            [("0", false), ("-25", false), ("-0.0", false), ("25", true), ("null", true)]
        {
            let text = format!(
                r#"[{{"file": "a.mp4", "rim": [1, 2, 3, 4], "t_rim": 1, "outcome": "made", "fps": {fps}}}]"#
            );
            let mut videos = parse(&text, Path::new("t.json")).expect("well formed");
            let told = check(&videos).map_err(|error| error.to_string());
            assert_eq!(told.is_ok(), is_one, "{fps}: {told:?}");
            assert!(is_one || told.expect_err(fps).contains("entry 1 (a.mp4): fps is"));
            videos[0].fps = Some(f64::NAN);
            assert!(check(&videos).is_err());
        }
    }

    #[test]
    fn names_of_one_court_are_counted_as_the_first() {
        let clip = |file: &str, court: &str| {
            format!(
                r#"{{"file": "{file}", "court": "{court}", "rim": [1, 2, 3, 4], "t_rim": 1, "outcome": "made"}}"#
            )
        };
        let text = format!("[{}, {}, {}]", clip("a", "D1"), clip("b", "D2"), clip("c", "E"));
        let mut videos = parse(&text, Path::new("t.json")).expect("well formed");
        let names = ["D", "D1", "D2", "D3"].map(str::to_owned);
        assert_eq!(as_one(&mut videos, &names), ["D3"]);
        let courts: Vec<_> = videos.iter().map(|video| video.court.as_str()).collect();
        assert_eq!(courts, ["D", "D", "E"]);
    }

    #[test]
    fn times_beyond_the_last_picture_are_refused_with_both() {
        let text = r#"{"file": "s.mp4", "rim": [1, 2, 3, 4], "attempts":
            [{"t_rim": 1, "outcome": "made"}, {"t_rim": 9.8, "t_truth": 10.2, "outcome": "made"}]}"#;
        let video = &parse(text, Path::new("t.json")).expect("well formed")[0];
        within(video, 10.2, 0.04).expect("at the last picture");
        within(video, 10.15, 0.04).expect("rounded");
        let said = within(video, 10.0, 0.04).expect_err("too late").to_string();
        for part in ["t.json, attempt 2 (s.mp4)", "t_truth is 10.2 s", "10.000 s"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(
            within(video, 5.0, 0.04).expect_err("too late").to_string().contains("t_rim is 9.8")
        );
    }

    #[test]
    fn an_attempt_that_is_given_twice_is_refused_by_both_entries() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in ["a.mp4", "b.mp4"] {
            std::fs::File::create(dir.path().join(name)).expect("made");
        }
        let folder = dir.path().join("x/..");
        std::fs::create_dir(dir.path().join("x")).expect("made");
        let of = |text: &str, name: &str| parse(text, &folder.join(name)).expect("well formed");
        let clip = |file: &str, t: f64| {
            format!(r#"{{"file": "{file}", "rim": [1, 2, 3, 4], "t_rim": {t}, "outcome": "made"}}"#)
        };
        let list = |clips: &[String]| of(&format!("[{}]", clips.join(", ")), "clips.json");
        let stream = |file: &str, attempts: &str| {
            of(
                &format!(r#"{{"file": "{file}", "rim": [1, 2, 3, 4], "attempts": [{attempts}]}}"#),
                "stream.json",
            )
        };
        let good = list(&[clip("a.mp4", 1.0), clip("b.mp4", 1.0), clip("a.mp4", 1.5)]);
        each_once(&good).expect("all differ");
        let quiet = stream("a.mp4", "");
        each_once(&[quiet.clone(), good.clone()].concat()).expect("quiet here, not there");
        let again = stream("b.mp4", r#"{"t_rim": 1, "outcome": "made"}"#);
        for (videos, names) in [
            (list(&[clip("a.mp4", 1.0), clip("./a.mp4", 1.0)]), ["entry 1", "entry 2"]),
            ([good.clone(), good.clone()].concat(), ["entry 1", "first as"]),
            ([good, again].concat(), ["clips.json, entry 2", "stream.json, attempt 1"]),
            ([quiet.clone(), quiet].concat(), ["stream.json", "twice"]),
        ] {
            let said = each_once(&videos).expect_err("twice").to_string();
            assert!(names.iter().all(|part| said.contains(part)), "{names:?}: {said}");
        }
        let said =
            format!("{:#}", each_once(&list(&[clip("no.mp4", 1.0)])).expect_err("not there"));
        assert!(said.contains("entry 1") && said.contains("no.mp4"), "{said}");
    }

    #[test]
    fn both_kinds_of_truth_are_read() {
        let clips = r#"[{"file": "a.mp4", "court": "A", "rim": [1, 2, 3, 4], "t_rim": 0.7,
            "t_truth": 1.0, "outcome": "missed", "fps": 30}]"#;
        let videos = parse(clips, Path::new("d/t.json")).expect("clips");
        assert!(videos[0].clip && !videos[0].attempts[0].made);
        assert_eq!(videos[0].file, Path::new("d/a.mp4"));
        let stream = r#"{"file": "s.mp4", "rim": [1, 2, 3, 4], "quiet": [[0, 1]], "attempts":
            [{"t_rim": 4.5, "outcome": "made"}, {"t_rim": 9, "outcome": "made", "doubtful": true}]}"#;
        let videos = parse(stream, Path::new("d/t.json")).expect("stream");
        assert_eq!(videos[0].attempts.len(), 2);
        assert!(videos[0].attempts[1].doubtful);
        assert_eq!(videos[0].attempts[0].t_truth, 4.5);
        assert!(parse(r#"{"file": "s.mp4"}"#, Path::new("d/t.json")).is_err());
    }

    #[test]
    fn what_strata_need_is_read_and_may_lack() {
        let clips = r#"[{"file": "a.mp4", "rim": [1, 2, 3, 4], "t_rim": 0.7, "outcome": "missed", "fps": 59.94,
            "kind": "air-short", "net": "chain", "ring_px": 13.5},
            {"file": "b.mp4", "rim": [1, 2, 3, 4], "t_rim": 0.7, "outcome": "made"}]"#;
        let videos = parse(clips, Path::new("d/t.json")).expect("clips");
        assert_eq!((videos[0].fps, videos[0].net.as_deref()), (Some(59.94), Some("chain")));
        let attempt = &videos[0].attempts[0];
        assert_eq!((attempt.kind.as_deref(), attempt.ring_px), (Some("air-short"), Some(13.5)));
        let other = &videos[1].attempts[0];
        assert_eq!((videos[1].fps, &videos[1].net, &other.kind), (None, &None, &None));
        let stream = r#"{"file": "s.mp4", "rim": [1, 2, 30, 4], "net": "nylon", "attempts":
            [{"t_rim": 4.5, "outcome": "made", "rim": [2, 2, 48, 10]}, {"t_rim": 9, "outcome": "made"}]}"#;
        let videos = parse(stream, Path::new("d/t.json")).expect("stream");
        let rings: Vec<_> = videos[0].attempts.iter().map(|attempt| attempt.ring_px).collect();
        assert_eq!((rings, videos[0].net.as_deref()), (vec![Some(48.0), None], Some("nylon")));
    }
}
