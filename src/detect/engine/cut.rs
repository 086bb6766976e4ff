//! All inputs of a slot made of pictures by the CPU, each by `engine/cutting`.
//!
//! For engines that compute on the CPU; one on a device cuts with `detect/kernel`.

use crate::detect::bundle::tensors::PictureInput;
use crate::detect::engine::contract::{EngineError, Look, Placement};
use crate::detect::engine::cutting::Cut;

/// How the inputs of one slot are made of pictures of one size.
pub(crate) struct Cutters {
    picture: (u32, u32),
    cuts: Vec<Cut>,
}

impl Cutters {
    /// Works out how `inputs` are made of pictures that are looked at so.
    ///
    /// # Errors
    /// [`EngineError::Place`]: one cannot look there.
    pub(crate) fn new(inputs: &[PictureInput], placement: Placement) -> Result<Self, EngineError> {
        let cuts = inputs
            .iter()
            .map(|input| Cut::new(input, placement))
            .collect::<Result<Vec<Cut>, EngineError>>()?;
        Ok(Self { picture: placement.picture, cuts })
    }

    /// Makes the inputs of one look, each in its place of `values`, with what was worked out for its
    /// slot.
    ///
    /// # Errors
    /// [`EngineError`]: the slot is not placed for such a picture, or it cannot be read.
    pub(crate) fn cut(
        slot: Option<&mut Self>,
        look: &Look<'_>,
        values: &mut [Vec<f32>],
    ) -> Result<(), EngineError> {
        let picture = (look.frame.width, look.frame.height);
        let Some(placed) = slot.filter(|placed| placed.picture == picture) else {
            let (slot, (width, height)) = (look.slot, picture);
            let problem = format!("slot {slot} is not placed for pictures of {width}x{height}");
            return Err(EngineError::Place { problem });
        };
        let unreadable = |problem: String| EngineError::Picture { problem };
        let pixels = look.frame.to_cpu().map_err(|error| unreadable(error.to_string()))?;
        for (cut, values) in placed.cuts.iter_mut().zip(values) {
            cut.make(pixels, values).map_err(|error| unreadable(error.to_string()))?;
        }
        Ok(())
    }
}
