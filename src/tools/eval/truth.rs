//! Truth files: what really happened in a video.
//!
//! A *stream* truth is one object: `{"file", "court", "rim": [x,y,w,h], "attempts": [{"t_rim",
//! "t_truth", "outcome"}, …]}`; an attempt may say `"doubtful": true` and counts neither for nor
//! against. A *clip* truth is a list of objects, one short video with one attempt each. Files are
//! named from the truth file's folder. Other keys are somebody else's.
//!
//! Optional, for the strata: an attempt's `"kind"` (one of [`KINDS`], or any other word), its `"rim"`
//! where the camera moved, and `"ring_px"`, the ring's width before a video was scaled; a video's
//! `"net"` and `"fps"`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

use crate::media::RimBox;

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
    pub(crate) court: String,
    pub(crate) rims: Vec<RimBox>,
    pub(crate) attempts: Vec<Attempt>,
    /// Cut around one attempt: it begins and ends where a camera would go on.
    pub(crate) clip: bool,
    /// Pictures a second, where the truth says so.
    pub(crate) fps: Option<f64>,
    /// What the net is like, where the truth says so.
    pub(crate) net: Option<String>,
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
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Made,
    Missed,
}

/// Reads a truth file.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Video>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    parse(&text, folder).with_context(|| {
        format!(
            "{} is no truth file: write {{\"file\", \"rim\", \"attempts\": [{{\"t_rim\", \
             \"outcome\"}}]}} or a list of clips",
            path.display()
        )
    })
}

fn parse(text: &str, folder: &Path) -> Result<Vec<Video>, serde_json::Error> {
    // Told apart by the first sign, so that an error names the key that is wrong.
    if text.trim_start().starts_with('[') {
        let clips: Vec<RawClip> = serde_json::from_str(text)?;
        let video = |clip: RawClip| Video {
            file: folder.join(clip.file),
            court: clip.court,
            rims: vec![rim_box(clip.rim)],
            attempts: vec![attempt(clip.attempt)],
            clip: true,
            fps: clip.fps,
            net: clip.net,
        };
        return Ok(clips.into_iter().map(video).collect());
    }
    let stream: RawStream = serde_json::from_str(text)?;
    let rims = if stream.rims.is_empty() { Vec::from_iter(stream.rim) } else { stream.rims };
    if rims.is_empty() {
        return Err(serde::de::Error::missing_field("rim"));
    }
    Ok(vec![Video {
        file: folder.join(stream.file),
        court: stream.court,
        rims: rims.into_iter().map(rim_box).collect(),
        attempts: stream.attempts.into_iter().map(attempt).collect(),
        clip: false,
        fps: stream.fps,
        net: stream.net,
    }])
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
        ] {
            let said = parse(text, Path::new(".")).expect_err(text).to_string();
            assert!(said.contains(names), "{text}: {said}");
        }
    }

    #[test]
    fn both_kinds_of_truth_are_read() {
        let clips = r#"[{"file": "a.mp4", "court": "A", "rim": [1, 2, 3, 4], "t_rim": 0.7,
            "t_truth": 1.0, "outcome": "missed", "fps": 30}]"#;
        let videos = parse(clips, Path::new("d")).expect("clips");
        assert!(videos[0].clip && !videos[0].attempts[0].made);
        assert_eq!(videos[0].file, Path::new("d/a.mp4"));
        let stream = r#"{"file": "s.mp4", "rim": [1, 2, 3, 4], "quiet": [[0, 1]], "attempts":
            [{"t_rim": 4.5, "outcome": "made"}, {"t_rim": 9, "outcome": "made", "doubtful": true}]}"#;
        let videos = parse(stream, Path::new("d")).expect("stream");
        assert_eq!(videos[0].attempts.len(), 2);
        assert!(videos[0].attempts[1].doubtful);
        assert_eq!(videos[0].attempts[0].t_truth, 4.5);
        assert!(parse(r#"{"file": "s.mp4"}"#, Path::new("d")).is_err());
    }

    #[test]
    fn what_strata_need_is_read_and_may_lack() {
        let clips = r#"[{"file": "a.mp4", "rim": [1, 2, 3, 4], "t_rim": 0.7, "outcome": "missed", "fps": 59.94,
            "kind": "air-short", "net": "chain", "ring_px": 13.5},
            {"file": "b.mp4", "rim": [1, 2, 3, 4], "t_rim": 0.7, "outcome": "made"}]"#;
        let videos = parse(clips, Path::new("d")).expect("clips");
        assert_eq!((videos[0].fps, videos[0].net.as_deref()), (Some(59.94), Some("chain")));
        let attempt = &videos[0].attempts[0];
        assert_eq!((attempt.kind.as_deref(), attempt.ring_px), (Some("air-short"), Some(13.5)));
        let other = &videos[1].attempts[0];
        assert_eq!((videos[1].fps, &videos[1].net, &other.kind), (None, &None, &None));
        let stream = r#"{"file": "s.mp4", "rim": [1, 2, 30, 4], "net": "nylon", "attempts":
            [{"t_rim": 4.5, "outcome": "made", "rim": [2, 2, 48, 10]}, {"t_rim": 9, "outcome": "made"}]}"#;
        let videos = parse(stream, Path::new("d")).expect("stream");
        let rings: Vec<_> = videos[0].attempts.iter().map(|attempt| attempt.ring_px).collect();
        assert_eq!((rings, videos[0].net.as_deref()), (vec![Some(48.0), None], Some("nylon")));
    }
}
