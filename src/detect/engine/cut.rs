//! Inputs made of pictures by the CPU: crops by `rim/crop`, whole pictures by `ring/letterbox`.
//!
//! For engines that compute on the CPU; one on a device cuts with its own kernel.

use crate::detect::bundle::tensors::PictureInput;
use crate::detect::engine::contract::{EngineError, Look, Placement, View};
use crate::detect::rim::crop::Crop;
use crate::detect::ring::letterbox::Letterbox;

/// How the inputs of one slot are made of pictures of one size.
pub(crate) struct Cutters {
    picture: (u32, u32),
    cutters: Vec<Cutter>,
}

/// How one input is made.
enum Cutter {
    Crop(Crop),
    Letterbox(Box<Letterbox>),
}

impl Cutters {
    /// Works out how `inputs` are made of pictures that are looked at so.
    ///
    /// # Errors
    /// [`EngineError::Place`]: one cannot look there.
    pub(crate) fn new(inputs: &[PictureInput], placement: Placement) -> Result<Self, EngineError> {
        let cutters = inputs
            .iter()
            .map(|input| cutter(input, placement))
            .collect::<Result<Vec<Cutter>, EngineError>>()?;
        Ok(Self { picture: placement.picture, cutters })
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
        for (cutter, values) in placed.cutters.iter_mut().zip(values) {
            match cutter {
                Cutter::Crop(crop) => crop.cut(pixels, values),
                Cutter::Letterbox(letterbox) => letterbox.fit(pixels, values),
            }
            .map_err(|error| unreadable(error.to_string()))?;
        }
        Ok(())
    }
}

/// How `input` is made of pictures that are looked at so.
fn cutter(input: &PictureInput, placement: Placement) -> Result<Cutter, EngineError> {
    let Placement { picture, view } = placement;
    match (input, view) {
        (PictureInput::Around(input), View::Around(rim)) => Crop::new(input, rim, picture)
            .map(Cutter::Crop)
            .map_err(|error| EngineError::Place { problem: error.to_string() }),
        (PictureInput::Around(input), View::Whole) => Err(EngineError::Place {
            problem: format!("input {} is a crop around a rim, and no rim is given", input.name),
        }),
        (PictureInput::Whole(input), View::Around(_) | View::Whole) => {
            let letterbox = Letterbox::new(picture, (input.width, input.height));
            letterbox.map(|fits| Cutter::Letterbox(Box::new(fits))).ok_or_else(|| {
                let (width, height) = picture;
                let problem = format!("a picture of {width}x{height} cannot be looked at");
                EngineError::Place { problem }
            })
        }
    }
}
