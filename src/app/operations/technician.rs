//! What a technician does with a court that is to come into service: checks it, confirms its rims,
//! overrides. One way for both doors, commands over MQTT and the page.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::operations::kit::Kit;
use crate::app::operations::looks::{aimed, told};
use crate::app::service::{ServiceDesk, Word};
use crate::app::twin::{Seen, TwinDesk};
use crate::app::web::WebState;
use crate::config::SiteRims;
use crate::event::service::{
    ConfirmArguments, CourtService, Overridden, OverrideArguments, Vouched,
};
use crate::floor::{FloorDrawn, Laid, Told};
use crate::media::{CourtId, Foreign, ForeignKind, RimBox};
use crate::page::Source;
use crate::uplink::Failed;

/// What somebody calls themselves, and why they do something, is a line: longer ones are none (chosen).
const LINE_MOST: usize = 300;
/// Rims that a camera sees (chosen: a hall with six hoops in one picture is none that is called).
const RIMS_MOST: usize = 8;

/// What it works with.
pub(crate) struct Technician {
    pub(crate) web: Arc<WebState>,
    pub(crate) kit: Arc<Kit>,
    /// Absent where the box has no file of its own.
    pub(crate) twin: Option<TwinDesk>,
    pub(crate) desk: ServiceDesk,
}

impl Technician {
    /// How a court stands, with the picture, and the rings that were found in it. Blocking, some seconds.
    /// A court without a picture, or a box without a finder, is told as far as it goes.
    pub(crate) fn check(
        &self,
        court: &CourtId,
        tells: &dyn Fn(Option<u8>, String),
        stops: &dyn Fn() -> bool,
    ) -> Result<Value, Failed> {
        let mut out = match aimed(&self.kit, &self.web, court, tells, stops) {
            Ok(seen) => seen,
            Err(unseen) => {
                let frame = self.web.snapshot(court);
                let picture = frame.and_then(|frame| told(court, &frame).ok());
                let mut out = picture.unwrap_or_else(|| json!({ "court": court }));
                out["unseen"] = json!(unseen.reason);
                out
            }
        };
        let starting =
            || Failed::new("starting", "the box has just started: ask again in a second");
        let service = self.web.status().ok_or_else(starting)?.service.clone();
        let Some(of_court) = service.courts.get(court.as_str()) else { return Err(starting()) };
        out["service"] = json!(of_court);
        out["box_checks"] = json!(service.checks);
        Ok(out)
    }

    /// The rims of a court are these: somebody saw them in the picture.
    pub(crate) async fn confirm(
        &self,
        court: CourtId,
        asked: &ConfirmArguments,
        door: Foreign,
    ) -> Result<CourtService, Failed> {
        let rims = rims(&asked.rims).map_err(|why| Failed::new("rims", why))?;
        let who = line("who", &asked.who).map_err(|why| Failed::new("who", why))?;
        let Some(frame) = self.web.snapshot(&court) else {
            let reason = format!(
                "court {court} has no picture in which they could be seen: does its camera publish? \
                 `courtside command service_override court={court} reason=WHY who=YOU` puts it in service \
                 without"
            );
            return Err(Failed::new("no_picture", reason));
        };
        let picture = [frame.width, frame.height];
        drop(frame);
        let rims_of = asked.rims_of.unwrap_or(picture);
        let parts = self.web.book.get(&court);
        let drawn_on = parts.as_ref().map(|parts| parts.rims_of.unwrap_or(picture));
        let same = parts.is_some_and(|parts| parts.rims == rims) && drawn_on == Some(rims_of);
        if !same {
            let Some(twin) = &self.twin else {
                let reason = "these are others than the box runs with, and it was not started from a \
                              file: start it with them";
                return Err(Failed::new("no_file", reason));
            };
            let taken = SiteRims { rims: rims.clone(), rims_of };
            let taken = twin.confirm(court.clone(), Seen::Rims(taken)).await;
            taken.map_err(|reason| Failed { code: "refused", reason })?;
        }
        let vouched = self.vouched(who, door, rims, Some(rims_of), Some(picture));
        self.say(court, Word::Confirm(vouched)).await
    }

    /// A floor as it would be laid, with its errors and its lines in the picture; nothing changes.
    pub(crate) fn lays(&self, court: &CourtId, drawn: &FloorDrawn) -> Result<Told, Failed> {
        let laid = drawn.lay().map_err(|why| Failed::new("floor", why))?;
        Ok(laid.told(&self.middles(court, &laid)))
    }

    /// Where the floor of a court lies, if that is known.
    pub(crate) fn floor(&self, court: &CourtId) -> Option<Told> {
        let parts = self.web.book.get(court)?;
        let laid = parts.floor.as_ref()?;
        Some(laid.told(&self.middles(court, laid)))
    }

    /// The middles of the rims in the picture that a floor was clicked on.
    fn middles(&self, court: &CourtId, laid: &Laid) -> Vec<[f64; 2]> {
        let Some(parts) = self.web.book.get(court) else { return Vec::new() };
        laid.middles(&parts.rims, parts.rims_of)
    }

    /// The floor of a court lies so: somebody saw it in the picture. Its stream begins anew.
    pub(crate) async fn lay(&self, court: CourtId, drawn: FloorDrawn) -> Result<Told, Failed> {
        let told = self.lays(&court, &drawn)?;
        let Some(twin) = &self.twin else {
            let reason = "the box was not started from a file: start it with this floor";
            return Err(Failed::new("no_file", reason));
        };
        let taken = twin.confirm(court, Seen::Floor(drawn)).await;
        taken.map_err(|reason| Failed { code: "refused", reason })?;
        Ok(told)
    }

    /// A court is in service, or out of it, whatever its checks say.
    pub(crate) async fn overrides(
        &self,
        court: CourtId,
        asked: &OverrideArguments,
        door: Foreign,
    ) -> Result<CourtService, Failed> {
        let who = line("who", &asked.who).map_err(|why| Failed::new("who", why))?;
        let reason = line("reason", &asked.reason).map_err(|why| Failed::new("reason", why))?;
        let picture = self.web.snapshot(&court).map(|frame| [frame.width, frame.height]);
        let parts = self.web.book.get(&court);
        let (rims, rims_of) =
            parts.map_or((Vec::new(), None), |parts| (parts.rims.clone(), parts.rims_of));
        let vouched = self.vouched(who, door, rims, rims_of.or(picture), picture);
        let overridden = Overridden { in_service: asked.in_service, reason, vouched };
        self.say(court, Word::Override(overridden)).await
    }

    async fn say(&self, court: CourtId, word: Word) -> Result<CourtService, Failed> {
        let said = self.desk.say(court, word).await;
        said.map_err(|reason| Failed { code: "not_kept", reason })
    }

    fn vouched(
        &self,
        who: Foreign,
        door: Foreign,
        rims: Vec<RimBox>,
        rims_of: Option<[u32; 2]>,
        picture: Option<[u32; 2]>,
    ) -> Vouched {
        let plausible = self.web.status().is_some_and(|status| status.clock.plausible);
        let time = plausible.then(|| self.web.clock.utc().to_rfc3339());
        Vouched { who, door, time, rims, rims_of, picture }
    }
}

/// A line that somebody wrote.
pub(crate) fn line(what: &str, text: &str) -> Result<Foreign, Foreign> {
    let text = text.trim();
    if text.is_empty() || text.len() > LINE_MOST {
        return Err(Foreign::told(format_args!("`{what}` is 1 to {LINE_MOST} bytes of text")));
    }
    Ok(Foreign::of(ForeignKind::Text, text))
}

/// Rims as they are written, `[x, y, width, height]` each.
pub(crate) fn rims(written: &[[f32; 4]]) -> Result<Vec<RimBox>, Foreign> {
    let whole = |[x, y, w, h]: &[f32; 4]| {
        let fits = [x, y, w, h].iter().all(|value| value.is_finite()) && *w > 0.0 && *h > 0.0;
        (fits && *x >= 0.0 && *y >= 0.0).then_some(RimBox { x: *x, y: *y, w: *w, h: *h })
    };
    let rims: Option<Vec<RimBox>> = written.iter().map(whole).collect();
    rims.filter(|rims| (1..=RIMS_MOST).contains(&rims.len())).ok_or_else(|| {
        Foreign::told(format_args!(
            "`rims` is 1 to {RIMS_MOST} boxes of [x, y, width, height], in pixels of the picture"
        ))
    })
}
