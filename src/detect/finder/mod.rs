//! Where the rings are in a whole picture: to aim a camera, to check a configured rim, and to
//! notice that a camera was moved.
//!
//! Read `manifest` (the bundle), `letterbox` (what the model is shown), `peaks` (what it said),
//! `bump` (what a row of looks means), then `lookout` (the thread that looks once a second). The
//! finder only tells: no call ever depends on it.

mod manifest;
mod letterbox;
mod peaks;
mod bump;
mod lookout;

use crate::detect::bundle::BundleError;
use crate::detect::crop::CropError;
use crate::detect::embedded::IN_THE_BINARY;
use crate::detect::engine::{EngineError, Whole};
use crate::media::{Frame, Pixels, RimBox};

pub use crate::detect::finder::bump::{Bump, Change, Sight, is_at, sight};
pub use crate::detect::finder::letterbox::Letterbox;
pub use crate::detect::finder::lookout::{Lookout, Moved};
pub use crate::detect::finder::manifest::{FoundOutput, FrameInput, RingBundle, RingDecision};
pub use crate::detect::finder::peaks::{Peak, peaks};

/// The bundle that is looked for.
pub const RIMFINDER: &str = "rimfinder";

/// A ring that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ring {
    /// 0..1: how sure the model is.
    pub score: f32,
    /// The ring's visible ellipse, pixels of the picture.
    pub rim: RimBox,
}

/// Why a picture could not be looked at, or there is no finder.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum FinderError {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("a picture of {width}x{height} cannot be looked at")]
    Size { width: u32, height: u32 },
    #[error("fit the picture in: {0}")]
    Fit(#[from] CropError),
}

/// A model that finds rings. One thread owns it.
pub struct Finder {
    bundle: RingBundle,
    network: Whole,
    letterbox: Option<Letterbox>,
    input: Vec<f32>,
}

impl std::fmt::Debug for Finder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Finder({} {})", self.bundle.name, self.bundle.version)
    }
}

impl Finder {
    /// Loads the finder's own bundle out of `folders`, else out of the binary. Takes some 100 ms.
    ///
    /// # Errors
    /// [`FinderError`]: no such bundle, or what is wrong with it.
    pub fn find_and_load(folders: &[std::path::PathBuf]) -> Result<Self, FinderError> {
        Self::load(RingBundle::find(RIMFINDER, folders, IN_THE_BINARY)?)
    }

    /// Makes the engine of `bundle`.
    ///
    /// # Errors
    /// [`FinderError::Engine`]: why the network cannot be run.
    pub fn load(bundle: RingBundle) -> Result<Self, FinderError> {
        let (rows, columns) = bundle.cells();
        let (width, height) = (bundle.frame.width, bundle.frame.height);
        let network = Whole::load(
            &bundle.file,
            (&bundle.frame.name, [1, 3, height, width]),
            (&bundle.found.name, [1, 5, rows, columns]),
        )?;
        Ok(Self { bundle, network, letterbox: None, input: vec![0.5; 3 * width * height] })
    }

    /// The bundle that it runs.
    #[must_use]
    pub const fn bundle(&self) -> &RingBundle {
        &self.bundle
    }

    /// The rings in `frame`, best first.
    ///
    /// # Errors
    /// [`FinderError`]: the picture is none, or the engine failed.
    pub fn find(&mut self, frame: &Frame) -> Result<Vec<Ring>, FinderError> {
        let picture = (frame.width, frame.height);
        let out = (self.bundle.frame.width, self.bundle.frame.height);
        let mut letterbox = match self.letterbox.take() {
            Some(known) if known.picture() == picture => known,
            _ => Letterbox::new(picture, out)
                .ok_or(FinderError::Size { width: frame.width, height: frame.height })?,
        };
        let Pixels::Cpu(pixels) = &frame.pixels;
        let fitted = letterbox.fit(pixels.as_ref(), &mut self.input);
        let letterbox = self.letterbox.insert(letterbox);
        fitted?;
        let found = self.network.run(&self.input)?;
        let (bundle, cells) = (&self.bundle, self.bundle.cells());
        let rings = peaks(&found, cells, &bundle.found, &bundle.decision);
        let ring = |peak: &Peak| Ring { score: peak.score, rim: letterbox.to_picture(peak) };
        Ok(rings.iter().map(ring).collect())
    }
}
