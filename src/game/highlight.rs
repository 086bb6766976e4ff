//! What is worth watching again: every made shot.

use std::time::Duration;

use crate::event::{By, ClipAbout, ClipRequest, Event, FactId, Highlight, Saying, Withdrawal};
use crate::media::{CourtId, MediaTime};

/// Video kept before the ball reaches the ring: the play that led there (chosen).
const BEFORE: Duration = Duration::from_secs(6);
/// Video kept after it: the ball through the net, and the faces (chosen).
const AFTER: Duration = Duration::from_secs(3);

/// Where clips are served.
const CLIPS: &str = "/v1/clips/";

/// Names the clip of a shot.
fn clip_id(court: &CourtId, shot: FactId) -> String {
    format!("{court}-{shot}")
}

/// Where the clip of a shot is served.
pub(super) fn clip_path(court: &CourtId, shot: FactId) -> String {
    format!("{CLIPS}{}", clip_id(court, shot))
}

/// The highlight of a made shot, with the clip that it asks for.
pub(super) fn of(shot: &Event, (fact, revision): (FactId, u32)) -> Event {
    let reason = "made_shot".to_owned();
    Event {
        fact,
        revision,
        saying: Saying::Highlight(Highlight {
            shot: shot.fact.to_string(),
            reason: reason.clone(),
            t_stream: shot.at.as_secs_f64(),
            clip: clip_path(&shot.court, shot.fact),
            ..Highlight::default()
        }),
        clip: Some(ClipRequest {
            id: clip_id(&shot.court, shot.fact),
            from_ns: shot.at.minus(BEFORE).as_nanos(),
            to_ns: shot.at.plus(AFTER).as_nanos(),
            reason,
            about: ClipAbout { tags: tags(shot), ..ClipAbout::default() },
        }),
        ..shot.clone()
    }
}

/// Words for a made shot, in order.
fn tags(shot: &Event) -> Vec<String> {
    let mut tags = vec![format!("court:{}", shot.court), "made".to_owned(), "made-shot".to_owned()];
    if let Saying::ShotMade(said) = &shot.saying {
        tags.push(format!("rim:{}", said.rim));
    }
    tags
}

/// The shot was none, or not made: takes its highlight back. The clip says so, and stays until its pin ends.
pub(super) fn withdrawn(
    shot: &Event,
    (fact, revision): (FactId, u32),
    (by, who, reason): (Option<By>, Option<String>, String),
) -> Event {
    let t_stream = shot.at.as_secs_f64();
    let saying = Saying::HighlightWithdrawn(Withdrawal { t_stream, reason, by, who });
    let clip = Some(ClipRequest::withdrawal(&clip_id(&shot.court, shot.fact), shot.at));
    Event { fact, revision, saying, clip, ..shot.clone() }
}

/// The same of a highlight that a start finds without its shot.
pub(super) fn clip_withdrawn(highlight: &Highlight, at: MediaTime) -> Option<ClipRequest> {
    Some(ClipRequest::withdrawal(highlight.clip.strip_prefix(CLIPS)?, at))
}
