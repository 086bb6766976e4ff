//! The rims of one court, as its technician drew them.

use crate::media::names::{CourtId, RimBox};
use crate::media::place::{RimFault, place_rims};

/// A court's rims, as its technician drew them.
#[derive(Clone, Debug)]
pub struct CourtRims {
    /// The court.
    pub court: CourtId,
    /// Its rims.
    pub rims: Vec<RimBox>,
    /// Size of the picture that they were drawn on; `None`: the first picture's.
    pub rims_of: Option<(u32, u32)>,
}

impl CourtRims {
    /// Returns the rims in pixels of a picture of size `picture`, which is the first one where it
    /// is not known on which they were drawn.
    ///
    /// # Errors
    /// [`RimFault::OtherAspect`] when the picture is of another aspect than the one drawn on.
    pub fn in_picture(&self, picture: (u32, u32)) -> Result<Vec<RimBox>, RimFault> {
        place_rims(&self.rims, self.rims_of.unwrap_or(picture), picture)
    }
}
