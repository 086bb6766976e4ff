//! What is worth watching again: today every made shot.

use std::time::Duration;

use crate::event::{ClipRequest, Event, FactId, Highlight, Saying};
use crate::media::CourtId;

/// Video kept before the ball reaches the ring: the play that led there (chosen).
const BEFORE: Duration = Duration::from_secs(6);
/// Video kept after it: the ball through the net, and the faces (chosen).
const AFTER: Duration = Duration::from_secs(3);

/// Names the clip of a shot.
fn clip_id(court: &CourtId, shot: FactId) -> String {
    format!("{court}-{shot}")
}

/// Where the clip of a shot is served.
pub(super) fn clip_path(court: &CourtId, shot: FactId) -> String {
    format!("/v1/clips/{}", clip_id(court, shot))
}

/// The highlight of a final made shot, with the clip that it asks for.
pub(super) fn of(shot: &Event) -> Option<Event> {
    let data = match &shot.saying {
        Saying::ShotMade(data) if !data.provisional => data,
        Saying::ShotMade(_)
        | Saying::ShotMissed(_)
        | Saying::ShotUnsure(_)
        | Saying::ShotWithdrawn(_)
        | Saying::Score(_)
        | Saying::Highlight(_)
        | Saying::HighlightWithdrawn(_) => return None,
    };
    let reason = "made_shot".to_owned();
    Some(Event {
        fact: FactId { n: shot.fact.n + 2, ..shot.fact },
        revision: 0,
        saying: Saying::Highlight(Highlight {
            shot: shot.fact.to_string(),
            reason: reason.clone(),
            t_stream: data.t_stream,
            clip: clip_path(&shot.court, shot.fact),
        }),
        clip: Some(ClipRequest {
            id: clip_id(&shot.court, shot.fact),
            from_ns: shot.at.minus(BEFORE).as_nanos(),
            to_ns: shot.at.plus(AFTER).as_nanos(),
            reason,
        }),
        ..shot.clone()
    })
}
