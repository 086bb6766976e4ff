//! The task that finds rings, at one court: does its camera still stand where the rims were drawn?
//!
//! It only tells: no call ever depends on it. What it thinks is told in [`MovedCameras`] and in the
//! log, and stays when a session ends: a camera may be moved while its cable is out.

use tracing::{info, warn};

use crate::detect::engine::contract::View;
use crate::detect::ring::bump::{Bump, Change};
use crate::detect::ring::fitting::Fitting;
use crate::detect::ring::manifest::RingTable;
use crate::detect::ring::moved::{Moved, MovedCameras};
use crate::detect::ring::peaks::rings;
use crate::detect::task::{AnswerError, Looked, Manner, TaskAtCourt};
use crate::media::{CloseReason, CourtRims, RimBox, RimFault, SessionId};

/// Ten seconds of looks in vain, and it gives up.
pub(crate) const MANNER: Manner = Manner { most_failures: 10, stands_back: true };

/// One court, as it is looked at.
pub(crate) struct WatchedCourt {
    drawn: CourtRims,
    table: RingTable,
    placed: Option<Placed>,
    moved: MovedCameras,
}

/// The looks at pictures of one size.
struct Placed {
    rims: Vec<RimBox>,
    bump: Bump,
    fitting: Option<Fitting>,
}

impl WatchedCourt {
    /// Tells in `moved`.
    pub(crate) fn new(drawn: &CourtRims, table: &RingTable, moved: &MovedCameras) -> Self {
        let (drawn, table, moved) = (drawn.clone(), table.clone(), MovedCameras::clone(moved));
        Self { drawn, table, placed: None, moved }
    }

    fn tell(&self, changes: Vec<Change>, moved: Option<Moved>) {
        let court = &self.drawn.court;
        for change in changes {
            match change {
                Change::Moved { rim, now } => {
                    warn!(%court, rim, %now, "the camera has moved: run `courtside aim`");
                }
                Change::Back { rim } => info!(%court, rim, "the camera stands as it was drawn"),
            }
        }
        let mut told = self.moved.lock();
        match moved {
            Some(moved) => drop(told.insert(court.clone(), moved)),
            None => drop(told.remove(court)),
        }
    }
}

impl TaskAtCourt for WatchedCourt {
    fn slots(&self) -> usize {
        1
    }

    fn place(&mut self, picture: (u32, u32)) -> Result<Vec<View>, RimFault> {
        self.placed = None;
        self.drawn.rims_of.get_or_insert(picture);
        let rims = self.drawn.in_picture(picture)?;
        let (bump, input) = (Bump::new(&rims), &self.table.frame);
        let fitting = Fitting::new(picture, (input.width, input.height));
        self.placed = Some(Placed { rims, bump, fitting });
        Ok(vec![View::Whole])
    }

    fn said(
        &mut self,
        _view: usize,
        looked: &Looked<'_>,
        tensors: &[Vec<f32>],
    ) -> Result<(), AnswerError> {
        let Some(Placed { rims, bump, fitting: Some(fitting) }) = &mut self.placed else {
            return Ok(());
        };
        let found = tensors.first().map(Vec::as_slice).unwrap_or_default();
        let boxes: Vec<RimBox> =
            rings(found, &self.table, *fitting)?.iter().map(|ring| ring.rim).collect();
        tracing::trace!(court = %looked.frame.court, rings = boxes.len(), "looked for the ring");
        let changes = bump.look(&boxes);
        let moved = bump.moved().and_then(|(rim, now)| {
            let drawn = *rims.get(rim)?;
            Some(Moved { rim, now, drawn })
        });
        self.tell(changes, moved);
        Ok(())
    }

    fn session_closed(&mut self, _session: SessionId, _reason: CloseReason) {}

    fn gone(&mut self) {
        self.moved.lock().remove(&self.drawn.court);
    }
}
