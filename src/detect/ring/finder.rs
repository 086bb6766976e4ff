//! One picture in, its rings out, without a court: for tools that aim a camera or check a box.

use std::path::PathBuf;
use std::sync::Arc;

use crate::detect::bundle::error::BundleError;
use crate::detect::bundle::{self, Bundle};
use crate::detect::embedded::IN_THE_BINARY;
use crate::detect::engine::contract::{Engine, EngineError, Engines, Look, Placement, View};
use crate::detect::ring::fitting::Fitting;
use crate::detect::ring::manifest::RingTable;
use crate::detect::ring::peaks::{Ring, rings};
use crate::detect::task::AnswerError;
use crate::media::Frame;

/// The bundle that is looked for.
pub const RIMFINDER: &str = "rimfinder";

/// Why a picture could not be looked at, or there is no finder.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum FinderError {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the finder's answer is none: {0}")]
    Answer(#[from] AnswerError),
    #[error("a picture of {width}x{height} cannot be looked at")]
    Size { width: u32, height: u32 },
}

/// A model that finds rings. One thread owns it.
pub struct Finder {
    bundle: Bundle,
    table: RingTable,
    engine: Box<dyn Engine>,
    placed: Option<((u32, u32), Fitting)>,
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
    pub fn find_and_load(folders: &[PathBuf], engines: &dyn Engines) -> Result<Self, FinderError> {
        Self::load(bundle::find(RIMFINDER, folders, IN_THE_BINARY)?, engines)
    }

    /// Makes the engine of `bundle`.
    ///
    /// # Errors
    /// [`FinderError`]: it is for another task, or why the network cannot be run.
    pub fn load(bundle: Bundle, engines: &dyn Engines) -> Result<Self, FinderError> {
        let table = bundle.ring()?.clone();
        let mut engine = engines.engine_for(&bundle)?;
        engine.set_slots(1)?;
        Ok(Self { bundle, table, engine, placed: None })
    }

    /// The bundle that it runs.
    #[must_use]
    pub const fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The rings in `frame`, best first.
    ///
    /// # Errors
    /// [`FinderError`]: the picture is none, or the engine failed.
    pub fn find(&mut self, frame: &Arc<Frame>) -> Result<Vec<Ring>, FinderError> {
        let fitting = self.place((frame.width, frame.height))?;
        let mut said = None;
        let look = Look { slot: 0, frame, dt_seconds: 0.0 };
        self.engine.run(&[look], &mut |_, result| said = Some(result));
        let said = said.unwrap_or_else(|| {
            let problem = "it said nothing".to_owned();
            Err(EngineError::Run { engine: self.engine.name(), problem })
        })?;
        let found = said.tensors.first().map(Vec::as_slice).unwrap_or_default();
        Ok(rings(found, &self.table, fitting)?)
    }

    fn place(&mut self, picture: (u32, u32)) -> Result<Fitting, FinderError> {
        if let Some((known, fitting)) = self.placed
            && known == picture
        {
            return Ok(fitting);
        }
        let (width, height) = picture;
        let input = &self.table.frame;
        let fitting = Fitting::new(picture, (input.width, input.height))
            .ok_or(FinderError::Size { width, height })?;
        self.engine.place(0, Placement { picture, view: View::Whole })?;
        self.placed = Some((picture, fitting));
        Ok(fitting)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::clock::ManualClock;
    use crate::detect::engine::InstalledEngines;
    use crate::detect::ring::letterbox::Letterbox;
    use crate::detect::ring::peaks::peaks;
    use crate::media::{
        ChromaLayout, CourtId, CpuPicture, MediaTime, Monotonic, Pixels, Plane, SessionId, UtcTime,
    };

    #[derive(Debug)]
    struct Planes(Vec<(Vec<u8>, usize)>);

    impl CpuPicture for Planes {
        fn chroma(&self) -> ChromaLayout {
            ChromaLayout::I420
        }
        fn plane(&self, index: usize) -> Option<Plane<'_>> {
            self.0.get(index).map(|(bytes, stride)| Plane { bytes, stride: *stride })
        }
    }

    fn vectors(name: &str) -> serde_json::Value {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/rimfinder/testdata");
        let text = std::fs::read_to_string(folder.join(name)).expect("testdata");
        serde_json::from_str(&text).expect("JSON")
    }

    fn numbers(value: &serde_json::Value) -> Vec<f32> {
        #[expect(clippy::cast_possible_truncation, reason = "test data")]
        let number = |value: &serde_json::Value| value.as_f64().expect("a number") as f32;
        value.as_array().expect("a list").iter().map(number).collect()
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "test data")]
    fn whole(value: &serde_json::Value) -> Vec<usize> {
        numbers(value).iter().map(|value| *value as usize).collect()
    }

    fn shipped() -> Bundle {
        bundle::find(RIMFINDER, &[], IN_THE_BINARY).expect("the binary's own")
    }

    #[test]
    fn pictures_are_fitted_in_as_the_training_side_does() {
        for case in vectors("letterbox.json")["cases"].as_array().expect("cases") {
            let size = |key: &str| u32::try_from(case[key].as_u64().expect("size")).expect("small");
            let (width, out) = (size("width"), whole(&case["out"]));
            let bytes = |key: &str| {
                whole(&case[key]).iter().map(|byte| u8::try_from(*byte).expect("byte")).collect()
            };
            let half = usize::try_from(width.div_ceil(2)).expect("small");
            let picture = Planes(vec![
                (bytes("y"), usize::try_from(width).expect("small")),
                (bytes("cb"), half),
                (bytes("cr"), half),
            ]);
            let mut letterbox =
                Letterbox::new((width, size("height")), (out[0], out[1])).expect("sizes");
            let wanted = numbers(&case["input"]);
            let mut found = vec![0.0; 3 * out[0] * out[1]];
            letterbox.fit(&picture, &mut found).expect("planes");
            assert_eq!(found.len(), wanted.len());
            for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                assert!((found - wanted).abs() < 1e-4, "width {width} at {at}: {found} {wanted}");
            }
        }
    }

    #[test]
    fn cells_become_rings_as_the_training_side_does() {
        let bundle = shipped();
        let table = bundle.ring().expect("finds rings");
        let (rows, columns) = table.cells();
        for map in vectors("peaks.json")["maps"].as_array().expect("maps") {
            let mut found = vec![0.0; 5 * rows * columns];
            found[..rows * columns].fill(-6.0);
            for cell in map["cells"].as_array().expect("cells") {
                let values = numbers(cell);
                let place = whole(cell);
                for (index, value) in values[2..].iter().enumerate() {
                    found[(index * rows + place[0]) * columns + place[1]] = *value;
                }
            }
            let rings = peaks(&found, (rows, columns), &table.found, &table.decision);
            let wanted = map["tall"].as_array().expect("rings");
            assert_eq!(rings.len(), wanted.len());
            for (ring, wanted) in rings.iter().zip(wanted) {
                let got = [ring.score, ring.x, ring.y, ring.w, ring.h];
                for (got, wanted) in got.iter().zip(numbers(wanted)) {
                    assert!((got - wanted).abs() < 1e-2, "{ring:?} {wanted}");
                }
            }
        }
    }

    #[test]
    fn a_picture_is_looked_at_and_one_without_pixels_refused() {
        let engines = InstalledEngines::new(Arc::new(ManualClock::at(UtcTime::from_nanos(0))));
        let mut finder = Finder::load(shipped(), &engines).expect("runs");
        let frame = |width: u32, height: u32| {
            Arc::new(Frame {
                court: CourtId::new("a").expect("name"),
                session: SessionId::from_bits(1),
                pts: MediaTime::from_nanos(0),
                width,
                height,
                arrival: Monotonic::ZERO,
                decoded: Monotonic::ZERO,
                pixels: Pixels::Cpu(Box::new(Planes(vec![(vec![128; 96 * 54], 96); 3]))),
            })
        };
        assert_eq!(finder.find(&frame(96, 54)).expect("looked"), []);
        let size = finder.find(&frame(0, 54)).expect_err("no picture");
        assert!(matches!(size, FinderError::Size { .. }), "{size}");
        let short = finder.find(&frame(960, 540)).expect_err("short planes");
        assert!(matches!(short, FinderError::Engine(EngineError::Picture { .. })), "{short}");
    }
}
