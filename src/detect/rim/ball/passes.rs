//! The ways of the ball past all rims of a court, in the pictures of one size and session.

use crate::answer::RimProbabilities;
use crate::detect::rim::ball::rule::{self, Way};
use crate::detect::rim::ball::spots::spots;
use crate::detect::rim::manifest::BallTable;
use crate::detect::task::{AnswerError, Looked};
use crate::media::{MediaTime, RimBox, SessionId};

/// One court's.
pub(crate) struct Passes {
    table: BallTable,
    /// A way a rim, in the order of the views.
    rims: Vec<Pass>,
}

struct Pass {
    rim: RimBox,
    way: Way,
    /// The last picture that it was told of.
    last: Option<(SessionId, MediaTime)>,
}

impl Passes {
    /// Nothing is placed yet.
    pub(crate) fn new(table: &BallTable) -> Self {
        Self { table: table.clone(), rims: Vec::new() }
    }

    /// The rims are there from now on; what was seen elsewhere is of no use.
    pub(crate) fn place(&mut self, rims: &[RimBox]) {
        let pass = |rim: &RimBox| Pass { rim: *rim, way: Way::default(), last: None };
        self.rims = rims.iter().map(pass).collect();
    }

    /// What the network said of view `view`, as an answer.
    ///
    /// # Errors
    /// [`AnswerError`]: it is none.
    pub(crate) fn said(
        &mut self,
        view: usize,
        looked: &Looked<'_>,
        maps: &[f32],
    ) -> Result<RimProbabilities, AnswerError> {
        let Some(pass) = self.rims.get_mut(view) else {
            return Err(AnswerError::Count { count: view, wanted: self.rims.len() });
        };
        let seen = spots(maps, &self.table, pass.rim)?;
        let (session, pts) = (looked.frame.session, looked.pts);
        // Another run of timestamps, or a time that lies back: nothing goes on from what was.
        let goes_on = pass.last.is_some_and(|(known, last)| known == session && last < pts);
        if !goes_on || looked.warming {
            pass.way = Way::default();
        }
        pass.last = Some((session, pts));
        let half = pass.rim.h / pass.rim.w / 2.0;
        let (way, says) = rule::step(pass.way, pts, &seen, half, &self.table);
        pass.way = way;
        Ok(says)
    }
}
