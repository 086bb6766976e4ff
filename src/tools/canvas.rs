//! A picture that a tool draws for a person: squares, small pictures, words in a font of 3 × 5 squares.

/// RGB pixels, row by row.
#[derive(Debug)]
pub(super) struct Canvas {
    pixels: Vec<u8>,
    width: usize,
}

/// What nothing was drawn on.
const DARK: u8 = 24;
#[cfg(any(feature = "gstreamer", test))]
const LIGHT: [u8; 3] = [230, 230, 230];

impl Canvas {
    /// A dark one of that width and height.
    pub(super) fn new((width, height): (usize, usize)) -> Self {
        Self { pixels: vec![DARK; width * height * 3], width }
    }

    /// Its pixels.
    pub(super) fn rgb(&self) -> &[u8] {
        &self.pixels
    }

    fn set(&mut self, (x, y): (usize, usize), colour: [u8; 3]) {
        let at = (y * self.width + x) * 3;
        if x < self.width
            && let Some(pixel) = self.pixels.get_mut(at..at + 3)
        {
            pixel.copy_from_slice(&colour);
        }
    }

    /// Fills a rectangle: left and top, width and height.
    pub(super) fn fill(
        &mut self,
        (left, top): (usize, usize),
        (w, h): (usize, usize),
        colour: [u8; 3],
    ) {
        for y in top..top + h {
            for x in left..left + w {
                self.set((x, y), colour);
            }
        }
    }

    /// Puts RGB pixels there, of rows of `width`.
    #[cfg(any(feature = "gstreamer", test))]
    pub(super) fn paste(&mut self, (left, top): (usize, usize), width: usize, rgb: &[u8]) {
        for (y, row) in rgb.chunks_exact(width.max(1) * 3).enumerate() {
            for (x, pixel) in row.chunks_exact(3).enumerate() {
                if let [r, g, b] = *pixel {
                    self.set((left + x, top + y), [r, g, b]);
                }
            }
        }
    }

    /// Writes a line, each square of a letter `dot` pixels wide. Letters are capitals; what has no shape
    /// leaves a space. Returns the width of it.
    #[cfg(any(feature = "gstreamer", test))]
    pub(super) fn text(&mut self, at: (usize, usize), dot: usize, text: &str) -> usize {
        self.words(at, dot, text, LIGHT)
    }

    /// Writes a line in a color; else as [`Self::text`] does.
    pub(super) fn words(
        &mut self,
        (left, top): (usize, usize),
        dot: usize,
        text: &str,
        colour: [u8; 3],
    ) -> usize {
        for (place, letter) in text.chars().enumerate() {
            for (y, bits) in shape(letter).into_iter().enumerate() {
                for x in 0..3 {
                    if bits >> (2 - x) & 1 == 1 {
                        let at = (left + (place * 4 + x) * dot, top + y * dot);
                        self.fill(at, (dot, dot), colour);
                    }
                }
            }
        }
        text.chars().count() * 4 * dot
    }
}

/// True of a letter that is seen when it is written.
pub(super) fn has_shape(letter: char) -> bool {
    shape(letter) != [0; 5]
}

/// Rows of a letter, three bits each, from the top.
fn shape(letter: char) -> [u8; 5] {
    match letter.to_ascii_uppercase() {
        '0' => [7, 5, 5, 5, 7],
        '1' => [2, 6, 2, 2, 7],
        '2' => [7, 1, 7, 4, 7],
        '3' => [7, 1, 7, 1, 7],
        '4' => [5, 5, 7, 1, 1],
        '5' => [7, 4, 7, 1, 7],
        '6' => [7, 4, 7, 5, 7],
        '7' => [7, 1, 2, 2, 2],
        '8' => [7, 5, 7, 5, 7],
        '9' => [7, 5, 7, 1, 7],
        'A' => [2, 5, 7, 5, 5],
        'B' => [6, 5, 6, 5, 6],
        'C' => [3, 4, 4, 4, 3],
        'D' => [6, 5, 5, 5, 6],
        'E' => [7, 4, 6, 4, 7],
        'F' => [7, 4, 6, 4, 4],
        'G' => [3, 4, 5, 5, 3],
        'H' => [5, 5, 7, 5, 5],
        'I' => [7, 2, 2, 2, 7],
        'J' => [1, 1, 1, 5, 2],
        'K' => [5, 5, 6, 5, 5],
        'L' => [4, 4, 4, 4, 7],
        'M' => [5, 7, 7, 5, 5],
        'N' => [6, 5, 5, 5, 5],
        'O' => [2, 5, 5, 5, 2],
        'P' => [6, 5, 6, 4, 4],
        'Q' => [2, 5, 5, 6, 3],
        'R' => [6, 5, 6, 5, 5],
        'S' => [3, 4, 2, 1, 6],
        'T' => [7, 2, 2, 2, 2],
        'U' => [5, 5, 5, 5, 7],
        'V' => [5, 5, 5, 5, 2],
        'W' => [5, 5, 7, 7, 5],
        'X' => [5, 5, 2, 5, 5],
        'Y' => [5, 5, 2, 2, 2],
        'Z' => [7, 1, 2, 4, 7],
        ':' => [0, 2, 0, 2, 0],
        '.' => [0, 0, 0, 0, 2],
        ',' => [0, 0, 0, 2, 4],
        '-' => [0, 0, 7, 0, 0],
        '_' => [0, 0, 0, 0, 7],
        '%' => [5, 1, 2, 4, 5],
        '/' => [1, 1, 2, 4, 4],
        _ => [0; 5],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_over_the_edge_is_left_out() {
        let mut canvas = Canvas::new((4, 3));
        canvas.fill((3, 2), (5, 5), [1, 2, 3]);
        canvas.paste((3, 0), 2, &[9; 12]);
        canvas.text((2, 1), 1, "8");
        let lit = canvas.rgb().chunks_exact(3).filter(|pixel| *pixel != [DARK; 3]).count();
        assert_eq!(canvas.rgb().len(), 36);
        assert_eq!(lit, 5);
    }
}
