//! How the numbers of a picture are meant: what the stream's own words (its VUI) say of them.
//!
//! Models are fed what was decoded, as it is (`detect/resample`); these words are for whoever makes
//! colours for an eye, and for what is told.

use std::fmt;

/// How luma and chroma were made of red, green and blue (ITU-T H.273, `MatrixCoefficients`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601, 525 and 625 lines.
    Bt601,
    /// ITU-R BT.709: also what is assumed of a stream that says nothing.
    #[default]
    Bt709,
    /// ITU-R BT.2020, non-constant luminance.
    Bt2020,
}

/// Where a chroma sample lies among the four luma samples that it belongs to
/// (ITU-T H.273, `ChromaSampleLocType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Siting {
    /// Beside the left column, between the rows: type 0, what is assumed of a stream that says nothing.
    #[default]
    Left,
    /// In the middle of the four: type 1.
    Centre,
    /// On the upper left one: type 2.
    TopLeft,
}

/// How the numbers of a picture are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Colour {
    /// How luma and chroma were made.
    pub matrix: Matrix,
    /// True where luma goes from 0 to 255; else from 16 to 235, chroma from 16 to 240.
    pub full_range: bool,
    /// Where chroma lies.
    pub siting: Siting,
}

impl Colour {
    /// Weights of red and blue in luma.
    const fn weights(self) -> (f32, f32) {
        match self.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
        }
    }

    /// Returns red, green and blue, 0..=255 and beyond, of 8-bit luma and chroma.
    #[must_use]
    pub fn rgb(self, luma: f32, cb: f32, cr: f32) -> [f32; 3] {
        let (red, blue) = self.weights();
        let green = 1.0 - red - blue;
        let (light, chroma) = if self.full_range {
            (luma, 1.0)
        } else {
            ((luma - 16.0) * 255.0 / 219.0, 255.0 / 224.0)
        };
        let (cb, cr) = ((cb - 128.0) * chroma, (cr - 128.0) * chroma);
        let (to_red, to_blue) = (2.0 * (1.0 - red), 2.0 * (1.0 - blue));
        [
            light + to_red * cr,
            light - (red * to_red * cr + blue * to_blue * cb) / green,
            light + to_blue * cb,
        ]
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let matrix = match self.matrix {
            Matrix::Bt601 => "BT.601",
            Matrix::Bt709 => "BT.709",
            Matrix::Bt2020 => "BT.2020",
        };
        let range = if self.full_range { "full" } else { "limited" };
        let siting = match self.siting {
            Siting::Left => "left",
            Siting::Centre => "centre",
            Siting::TopLeft => "top left",
        };
        write!(f, "{matrix}, {range} range, chroma {siting}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primaries_come_back_in_every_matrix_and_range() {
        for matrix in [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020] {
            for full_range in [false, true] {
                let colour = Colour { matrix, full_range, siting: Siting::Left };
                let (kr, kb) = colour.weights();
                for rgb in
                    [[255.0, 0.0, 0.0], [0.0, 255.0, 0.0], [0.0, 0.0, 255.0], [9.0, 99.0, 200.0]]
                {
                    let [r, g, b] = rgb;
                    // The equations of the Recommendations, forwards.
                    let y = kr * r + (1.0 - kr - kb) * g + kb * b;
                    let (pb, pr) = ((b - y) / (2.0 * (1.0 - kb)), (r - y) / (2.0 * (1.0 - kr)));
                    let (y, scale) = if full_range {
                        (y, 1.0)
                    } else {
                        (16.0 + y * 219.0 / 255.0, 224.0 / 255.0)
                    };
                    let back = colour.rgb(y, 128.0 + pb * scale, 128.0 + pr * scale);
                    for (back, wanted) in back.iter().zip(rgb) {
                        assert!((back - wanted).abs() < 0.01, "{colour}: {back} for {wanted}");
                    }
                }
            }
        }
    }
}
