//! One input of a network, made of pictures of one size: by the CPU, or as a table for a device's kernel.
//!
//! The tests here hold both against each other: the kernel's own source is run by the C++ compiler, and
//! its Rust twin everywhere.

use crate::detect::bundle::tensors::{Channel, PictureInput};
use crate::detect::engine::contract::{EngineError, Placement, View};
use crate::detect::resample::{ShortPlane, Taps};
use crate::detect::rim::crop::Crop;
use crate::detect::ring::letterbox::Letterbox;
use crate::device::{Axis, Part, Sample, Table};
use crate::media::CpuPicture;

/// How one input is made.
pub(crate) enum Cut {
    Crop(Crop),
    Letterbox(Box<Letterbox>),
}

impl Cut {
    /// Of `input`, of pictures that are looked at so.
    ///
    /// # Errors
    /// [`EngineError::Place`]: one cannot look there.
    pub(crate) fn new(input: &PictureInput, placement: Placement) -> Result<Self, EngineError> {
        let Placement { picture, view } = placement;
        match (input, view) {
            (PictureInput::Around(input), View::Around(rim)) => Crop::new(input, rim, picture)
                .map(Self::Crop)
                .map_err(|error| EngineError::Place { problem: error.to_string() }),
            (PictureInput::Around(input), View::Whole) => Err(EngineError::Place {
                problem: format!(
                    "input {} is a crop around a rim, and no rim is given",
                    input.name
                ),
            }),
            (PictureInput::Whole(input), View::Around(_) | View::Whole) => {
                let letterbox = Letterbox::new(picture, (input.width, input.height));
                letterbox.map(|fits| Self::Letterbox(Box::new(fits))).ok_or_else(|| {
                    let (width, height) = picture;
                    let problem = format!("a picture of {width}x{height} cannot be looked at");
                    EngineError::Place { problem }
                })
            }
        }
    }

    /// Makes it on the CPU.
    ///
    /// # Errors
    /// [`ShortPlane`]: the picture is smaller than the one that this is for.
    pub(crate) fn make(
        &mut self,
        picture: &dyn CpuPicture,
        out: &mut [f32],
    ) -> Result<(), ShortPlane> {
        match self {
            Self::Crop(crop) => crop.cut(picture, out),
            Self::Letterbox(letterbox) => letterbox.fit(picture, out),
        }
    }

    /// The same for a device's kernel: `input` of pictures of `picture`, of which this was made. `None`
    /// for an input that the kernel does not make: one of more than three channels.
    #[cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "for engines on a device"))]
    pub(crate) fn table(&self, input: &PictureInput, picture: (u32, u32)) -> Option<Table> {
        let [_, _, high, wide] = input.shape();
        let all = (0..wide, 0..high);
        let parts: Vec<Part<'_>> = match self {
            Self::Crop(crop) => crop.channels().map(|channel| part(channel, all.clone())).collect(),
            Self::Letterbox(fits) => {
                fits.channels().into_iter().map(|channel| part(channel, fits.inside())).collect()
            }
        };
        Table::new(picture, (wide, high), &parts)
    }
}

#[cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "for engines on a device"))]
fn part<'a>(
    (channel, across, down): (Channel, &'a Taps, &'a Taps),
    inside: (std::ops::Range<usize>, std::ops::Range<usize>),
) -> Part<'a> {
    let sample = match channel {
        Channel::Y => Sample::Y,
        Channel::Cb => Sample::Cb,
        Channel::Cr => Sample::Cr,
    };
    Part { sample, across: axis(across), down: axis(down), inside }
}

#[cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "for engines on a device"))]
fn axis(taps: &Taps) -> Axis<'_> {
    Axis { first: taps.first(), width: taps.width(), weights: taps.weights() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::bundle::tensors::{CropInput, FrameInput};
    use crate::device::hosted::tests::Hosted;
    use crate::device::{Samples, Surface, half_bits, reference};
    use crate::media::{ChromaLayout, Plane, RimBox};

    /// One grey level of values 0..1.
    const GREY: f32 = 1.0 / 255.0;

    /// A surface as a device has it, and the picture that the CPU's path is given of it.
    #[derive(Debug)]
    struct Shown {
        surface: Surface,
        memory: Vec<u8>,
        eight: Vec<u8>,
    }

    impl Shown {
        fn noise((width, height): (u32, u32), samples: Samples, pad: usize, seed: u32) -> Self {
            let step = samples.bytes();
            let pitch = (width.div_ceil(2) as usize * 2 + pad * 2) * step;
            let (rows, chroma_rows) = (height as usize, height.div_ceil(2) as usize);
            let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state >> 16
            };
            let (mut memory, mut eight) = (Vec::new(), Vec::new());
            for _ in 0..pitch / step * (rows + chroma_rows) {
                match samples {
                    Samples::Nv12 => {
                        let value = (next() & 0xff) as u8;
                        memory.push(value);
                        eight.push(value);
                    }
                    Samples::P010 => {
                        let ten = next() & 0x3ff;
                        memory.extend(((ten << 6) as u16).to_le_bytes());
                        eight.push(((ten + 2) / 4).min(255) as u8);
                    }
                }
            }
            let surface = Surface {
                size: (width, height),
                samples,
                luma_pitch: pitch,
                chroma_offset: pitch * rows,
                chroma_pitch: pitch,
            };
            Self { surface, memory, eight }
        }
    }

    impl CpuPicture for Shown {
        fn chroma(&self) -> ChromaLayout {
            ChromaLayout::Nv12
        }
        fn plane(&self, index: usize) -> Option<Plane<'_>> {
            let step = self.surface.samples.bytes();
            let (luma, chroma) = self.eight.split_at(self.surface.chroma_offset / step);
            let bytes = if index == 0 { luma } else { chroma };
            (index < 2).then_some(Plane { bytes, stride: self.surface.luma_pitch / step })
        }
    }

    fn crop(size: usize, channels: &[Channel]) -> PictureInput {
        PictureInput::Around(CropInput {
            name: "frame".to_owned(),
            size,
            channels: channels.to_vec(),
            rings: 4.0,
            above: 1.5,
        })
    }

    fn whole(width: usize, height: usize) -> PictureInput {
        PictureInput::Whole(FrameInput { name: "frame".to_owned(), width, height })
    }

    /// What the CPU's path makes, and the table for the kernel.
    fn made(input: &PictureInput, view: View, shown: &Shown) -> (Vec<f32>, Table) {
        let placement = Placement { picture: shown.surface.size, view };
        let mut cut = Cut::new(input, placement).expect("a place");
        let mut out = vec![0.0; input.shape().into_iter().product()];
        cut.make(shown, &mut out).expect("planes");
        (out, cut.table(input, shown.surface.size).expect("a table"))
    }

    fn rim(x: f32, y: f32, w: f32) -> View {
        View::Around(RimBox { x, y, w, h: w / 2.0 })
    }

    fn apart(found: &[f32], wanted: &[f32]) -> f32 {
        assert_eq!(found.len(), wanted.len());
        found.iter().zip(wanted).map(|(found, wanted)| (found - wanted).abs()).fold(0.0, f32::max)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Rims anywhere, half outside too; odd sizes; padded rows; crops and whole pictures; 8 and 10
        /// bits. Of 8 bits the words give what the CPU gives; of 10 they are finer, within a level.
        #[test]
        fn the_kernels_words_say_what_the_cpu_makes(
            size in (3u32..90, 3u32..70),
            (x, y, w) in (-20.0f32..80.0, -20.0f32..60.0, 0.5f32..40.0),
            (wide, high) in (8usize..24, 8usize..24),
            (crops, ten) in (any::<bool>(), any::<bool>()),
            pad in 0usize..5,
            seed in any::<u32>(),
        ) {
            let samples = if ten { Samples::P010 } else { Samples::Nv12 };
            let shown = Shown::noise(size, samples, pad, seed);
            let (input, view) = if crops {
                (crop(wide, &[Channel::Cr, Channel::Y, Channel::Cb]), rim(x, y, w))
            } else {
                (whole(wide, high), View::Whole)
            };
            let (wanted, table) = made(&input, view, &shown);
            let memory = &shown.memory[..shown.surface.bytes().expect("a surface")];
            let found = reference::cut(&table, &shown.surface, memory);
            let bound = if ten { GREY } else { 1e-5 };
            prop_assert!(apart(&found, &wanted) <= bound, "{} of {bound}", apart(&found, &wanted));
        }
    }

    /// A kernel that took the nearest pixel instead of the filter, or the other chroma, is found.
    #[test]
    fn a_wrong_filter_is_more_than_a_grey_level_off() {
        let shown = Shown::noise((64, 48), Samples::Nv12, 1, 7);
        let (wanted, _) = made(&crop(12, &[Channel::Cb]), rim(20.0, 20.0, 9.0), &shown);
        let (_, other) = made(&crop(12, &[Channel::Cr]), rim(20.0, 20.0, 9.0), &shown);
        let (_, moved) = made(&crop(12, &[Channel::Cb]), rim(21.0, 20.0, 9.0), &shown);
        for table in [other, moved] {
            let found = reference::cut(&table, &shown.surface, &shown.memory);
            assert!(apart(&found, &wanted) > 4.0 * GREY);
        }
    }

    /// The source that NVRTC compiles, run by the C++ compiler: batches of several courts' surfaces, in
    /// both precisions.
    #[test]
    fn the_kernel_itself_cuts_what_the_cpu_cuts() {
        let Some(kernels) = Hosted::build() else {
            println!(
                "NOT TRIED: no C++ compiler on this machine, so the kernel's source did not run"
            );
            return;
        };
        let (eight, ten) = (Samples::Nv12, Samples::P010);
        let shown = [
            Shown::noise((640, 360), eight, 3, 1),
            Shown::noise((353, 287), eight, 0, 2),
            Shown::noise((320, 180), ten, 1, 3),
        ];
        let crops = crop(24, &[Channel::Y, Channel::Cb, Channel::Cr]);
        let luma = crop(80, &[Channel::Y]);
        let fitted = whole(64, 36);
        for (input, views) in [
            (&crops, [rim(200.0, 100.0, 31.0), rim(-9.0, 250.0, 60.0), rim(300.0, 3.0, 12.5)]),
            (&luma, [rim(20.0, 30.0, 40.0), rim(100.0, 90.0, 9.0), rim(150.0, 80.0, 20.0)]),
            (&fitted, [View::Whole; 3]),
        ] {
            let made: Vec<_> =
                shown.iter().zip(views).map(|(shown, view)| made(input, view, shown)).collect();
            let looks: Vec<_> = shown
                .iter()
                .zip(&made)
                .map(|(shown, (_, table))| (table, &shown.surface, shown.memory.as_slice()))
                .collect();
            let wanted: Vec<f32> = made.iter().flat_map(|(values, _)| values.clone()).collect();
            let bytes = kernels.cut(4, &looks);
            let found: Vec<f32> = bytes
                .chunks_exact(4)
                .map(|four| f32::from_le_bytes(four.try_into().expect("four")))
                .collect();
            let off = apart(&found, &wanted);
            assert!(off <= GREY, "{off} of a grey level's {GREY}");
            let halves = kernels.cut(2, &looks);
            let rounded: Vec<u8> =
                found.iter().flat_map(|value| half_bits(*value).to_le_bytes()).collect();
            assert_eq!(halves, rounded);
        }
    }
}
