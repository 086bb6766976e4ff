//! A picture in, its rings out: bundle, letterbox, network and peaks put together.

use std::path::PathBuf;

use crate::detect::bundle::error::BundleError;
use crate::detect::embedded::IN_THE_BINARY;
use crate::detect::engine::builtin::Whole;
use crate::detect::engine::contract::EngineError;
use crate::detect::rim::crop::CropError;
use crate::detect::ring::letterbox::Letterbox;
use crate::detect::ring::manifest::RingBundle;
use crate::detect::ring::peaks::{Peak, peaks};
use crate::media::{CopyError, Frame, RimBox};

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
    #[error(transparent)]
    Copy(#[from] CopyError),
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
    pub fn find_and_load(folders: &[PathBuf]) -> Result<Self, FinderError> {
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
        let pixels = frame.to_cpu()?;
        let fitted = letterbox.fit(pixels, &mut self.input);
        let letterbox = self.letterbox.insert(letterbox);
        fitted?;
        let found = self.network.run(&self.input)?;
        let (bundle, cells) = (&self.bundle, self.bundle.cells());
        let rings = peaks(&found, cells, &bundle.found, &bundle.decision);
        let ring = |peak: &Peak| Ring { score: peak.score, rim: letterbox.to_picture(peak) };
        Ok(rings.iter().map(ring).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::media::{
        ChromaLayout, CourtId, CpuPicture, MediaTime, Monotonic, Pixels, Plane, SessionId,
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

    fn shipped() -> RingBundle {
        RingBundle::find(RIMFINDER, &[], IN_THE_BINARY).expect("the binary's own")
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
        let (rows, columns) = bundle.cells();
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
            let rings = peaks(&found, (rows, columns), &bundle.found, &bundle.decision);
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

    /// The picture of `bundle.py`'s `pattern`, by the formula that the vectors tell.
    fn pattern() -> Vec<f32> {
        let mut values = vec![0.0; 3 * 360 * 640];
        for row in 0..360_i32 {
            for column in 0..640_i32 {
                let mut yuv = [
                    60 + row / 4 + column / 8,
                    128 + (row / 16 + column / 32) % 5,
                    128 - (row / 32) % 7,
                ];
                if (100..170).contains(&row) && (270..370).contains(&column) {
                    yuv[0] = 230;
                }
                let far = ((column - 320) * 3).pow(2) + ((row - 160) * 8).pow(2);
                if (75 * 75..95 * 95).contains(&far) {
                    yuv = [120, 90, 200];
                }
                for (plane, value) in yuv.iter().enumerate() {
                    let at = usize::try_from(row * 640 + column).expect("in the picture");
                    let byte = u8::try_from(*value).expect("byte");
                    values[plane * 360 * 640 + at] = f32::from(byte) / 255.0;
                }
            }
        }
        values
    }

    #[test]
    fn the_shipped_net_answers_as_its_training_side_does() {
        let mut finder = Finder::load(shipped()).expect("runs");
        let found = finder.network.run(&pattern()).expect("ran");
        let told = vectors("net.json");
        for (at, wanted) in whole(&told["at"]).into_iter().zip(numbers(&told["found"])) {
            assert!((found[at] - wanted).abs() < 5e-3, "at {at}: {} {wanted}", found[at]);
        }
    }

    #[test]
    fn a_picture_is_looked_at_and_one_without_pixels_refused() {
        let mut finder = Finder::load(shipped()).expect("runs");
        let frame = |width: u32, height: u32| Frame {
            court: CourtId::new("a").expect("name"),
            session: SessionId::from_bits(1),
            pts: MediaTime::from_nanos(0),
            width,
            height,
            arrival: Monotonic::ZERO,
            decoded: Monotonic::ZERO,
            pixels: Pixels::Cpu(Box::new(Planes(vec![(vec![128; 96 * 54], 96); 3]))),
        };
        assert_eq!(finder.find(&frame(96, 54)).expect("looked"), []);
        let size = finder.find(&frame(0, 54)).expect_err("no picture");
        assert!(matches!(size, FinderError::Size { .. }), "{size}");
        let short = finder.find(&frame(960, 540)).expect_err("short planes");
        assert!(matches!(short, FinderError::Fit(_)), "{short}");
    }
}
