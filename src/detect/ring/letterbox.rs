//! A whole picture fitted into a model's input, as models that find rings are fed (pure).
//!
//! Where it stands there is `fitting`'s; all else is 0.5. The filter is that of `resample`. The
//! training side has the same, to 1e-4.

use std::ops::Range;

use crate::detect::bundle::tensors::Channel;
use crate::detect::resample::{ShortPlane, Taps, resample};
use crate::detect::ring::fitting::{Fitting, float};
use crate::media::CpuPicture;

/// Fits pictures of one size into one size of input.
#[derive(Clone, Debug)]
pub(crate) struct Letterbox {
    out: (usize, usize),
    luma: (Taps, Taps),
    chroma: (Taps, Taps),
    /// Columns and rows of the input that show the picture.
    inside: (Range<usize>, Range<usize>),
    row: Vec<f32>,
}

impl Letterbox {
    /// Works out how pictures of `picture` (width, height) are fitted into `out` (width, height).
    /// `None` for a picture without pixels, or larger than any.
    #[must_use]
    pub(crate) fn new(picture: (u32, u32), out: (usize, usize)) -> Option<Self> {
        let Fitting { scale, edge } = Fitting::new(picture, out)?;
        let (width, height) = picture;
        let (across, down) = (float(out.0), float(out.1));
        let taps = |half: u32| {
            let step = scale / f64::from(half);
            (
                Taps::new(-edge.0 * step, across * step, out.0, width.div_ceil(half)),
                Taps::new(-edge.1 * step, down * step, out.1, height.div_ceil(half)),
            )
        };
        let inside = |size: usize, edge: f64, length: u32| {
            let centre = |index: usize| (float(index) + 0.5 - edge) * scale;
            let shows = |index: &usize| (0.0..f64::from(length)).contains(&centre(*index));
            let first = (0..size).find(shows).unwrap_or(0);
            first..(first..size).take_while(shows).last().map_or(first, |last| last + 1)
        };
        Some(Self {
            out,
            luma: taps(1),
            chroma: taps(2),
            inside: (inside(out.0, edge.0, width), inside(out.1, edge.1, height)),
            row: Vec::new(),
        })
    }

    /// What its channels are made of: across, down.
    pub(crate) fn channels(&self) -> [(Channel, &Taps, &Taps); 3] {
        [Channel::Y, Channel::Cb, Channel::Cr].map(|channel| {
            let taps = if channel == Channel::Y { &self.luma } else { &self.chroma };
            (channel, &taps.0, &taps.1)
        })
    }

    /// Columns and rows of the input that show the picture; all else is 0.5.
    pub(crate) fn inside(&self) -> (Range<usize>, Range<usize>) {
        self.inside.clone()
    }

    /// Fits `picture` into `out`: Y, Cb, Cr, each rows of columns, 0..1.
    ///
    /// # Errors
    /// [`ShortPlane`] when the picture is smaller than the one that this is for.
    pub(crate) fn fit(
        &mut self,
        picture: &dyn CpuPicture,
        out: &mut [f32],
    ) -> Result<(), ShortPlane> {
        let area = self.out.0 * self.out.1;
        let channels = [Channel::Y, Channel::Cb, Channel::Cr];
        for (channel, out) in channels.into_iter().zip(out.chunks_exact_mut(area)) {
            let taps = if channel == Channel::Y { &self.luma } else { &self.chroma };
            resample(picture, channel, (&taps.0, &taps.1), &mut self.row, out)?;
            let (columns, rows) = &self.inside;
            for (index, line) in out.chunks_exact_mut(self.out.0).enumerate() {
                if rows.contains(&index) {
                    for (column, value) in line.iter_mut().enumerate() {
                        if !columns.contains(&column) {
                            *value = 0.5;
                        }
                    }
                } else {
                    line.fill(0.5);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{ChromaLayout, Plane};

    #[derive(Debug)]
    struct Grey(Vec<u8>, usize);

    impl CpuPicture for Grey {
        fn chroma(&self) -> ChromaLayout {
            ChromaLayout::Nv12
        }
        fn plane(&self, _index: usize) -> Option<Plane<'_>> {
            Some(Plane { bytes: &self.0, stride: self.1 })
        }
    }

    #[test]
    fn a_picture_stands_in_the_middle_and_grey_about_it() {
        let mut letterbox = Letterbox::new((480, 853), (640, 360)).expect("sizes");
        let mut out = vec![0.0; 3 * 640 * 360];
        letterbox.fit(&Grey(vec![255; 480 * 853], 480), &mut out).expect("fitted");
        let at = |x: usize, y: usize| out[y * 640 + x];
        assert_eq!(at(0, 180), 0.5);
        assert!((at(320, 180) - 1.0).abs() < 1e-5);
        assert!((at(320, 0) - 1.0).abs() < 1e-5);
        // 360 · 480 / 853 = 202.6 columns of it.
        assert_eq!((0..640).filter(|x| at(*x, 100) > 0.9).count(), 202);
    }

    #[test]
    fn no_picture_is_refused_and_a_short_one_told() {
        assert!(Letterbox::new((0, 10), (640, 360)).is_none());
        assert!(Letterbox::new((10, 100_000), (640, 360)).is_none());
        let mut letterbox = Letterbox::new((64, 64), (32, 32)).expect("sizes");
        let mut out = vec![0.0; 3 * 32 * 32];
        let short = letterbox.fit(&Grey(vec![0; 64 * 20], 64), &mut out);
        assert_eq!(short, Err(ShortPlane { plane: 0 }));
    }
}
