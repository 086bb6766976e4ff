//! A chart of a recap as PNG, for who cannot show SVG: drawn with the squares of `canvas`.

use anyhow::Context;

use crate::recap::Recap;
use crate::recap::chart::{Chart, Colors, Line, Plot};
use crate::tools::canvas::{Canvas, has_shape};

/// So many times the size of the usual plot: 1380 × 810 pixels, which a page can show at half of that.
const SCALE: f64 = 3.0;
/// Pixels of a square of a letter, of a line, of half a dot.
const LETTER: usize = 4;
const THICK: usize = 7;
const DOT: usize = 9;
/// Pixels of a dash, and of what is left out after it.
const DASH: usize = 14;

const WHITE: [u8; 3] = [255; 3];
const GRID: [u8; 3] = [0xdd, 0xe2, 0xe8];
const DIM: [u8; 3] = [0x58, 0x63, 0x6f];
const DARK: [u8; 3] = [0x14, 0x18, 0x1d];

/// The chart as the bytes of a PNG, on a light ground.
///
/// # Errors
/// None is known: it is written into memory.
pub(super) fn drawn(chart: &Chart, colors: &Colors, recap: &Recap) -> anyhow::Result<Vec<u8>> {
    let plot = Plot::scaled(SCALE);
    let size = (whole(plot.width), whole(plot.height));
    let mut canvas = Canvas::new(size);
    canvas.fill((0, 0), size, WHITE);
    let names = [0, 1].map(|side| name(recap, side));
    let mut drawing = Drawing {
        canvas: &mut canvas,
        chart,
        plot,
        names,
        colors: [0, 1].map(|side| rgb(&colors.light[side])),
    };
    drawing.axes();
    drawing.lines();
    let mut bytes = Vec::new();
    let wide = |size: usize| u32::try_from(size).context("a size");
    let mut encoder = png::Encoder::new(&mut bytes, wide(size.0)?, wide(size.1)?);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().context("write the chart")?;
    writer.write_image_data(canvas.rgb()).context("write the chart")?;
    writer.finish().context("write the chart")?;
    Ok(bytes)
}

/// What a team is called here: as people call it where the letters have shapes, else by its id.
fn name(recap: &Recap, side: usize) -> String {
    let Some(line) = recap.box_score.teams.get(side) else { return String::new() };
    let called = recap.team_name(&line.team.id);
    let shown = called.chars().all(|letter| letter == ' ' || has_shape(letter));
    let name = if shown { called } else { line.team.id.to_string() };
    // What fits beside the plot.
    name.chars().take(16).collect()
}

struct Drawing<'a> {
    canvas: &'a mut Canvas,
    chart: &'a Chart,
    plot: Plot,
    names: [String; 2],
    colors: [[u8; 3]; 2],
}

impl Drawing<'_> {
    fn place(&self, point: (f64, f64)) -> (usize, usize) {
        let (x, y) = self.plot.place(self.chart, point);
        (whole(x), whole(y))
    }

    fn words(&mut self, (x, y): (usize, usize), text: &str, color: [u8; 3]) {
        self.canvas.words((x, y.saturating_sub(LETTER * 5 / 2)), LETTER, text, color);
    }

    fn axes(&mut self) {
        let chart = self.chart;
        let right = whole(self.plot.width - self.plot.right);
        let bottom = whole(self.plot.height - self.plot.bottom);
        let (left, top) = (whole(self.plot.left), whole(self.plot.top));
        self.words((left, top / 2), &chart.title, DARK);
        for (at, text) in &chart.y.ticks {
            let (_, y) = self.place((0.0, *at));
            self.canvas.fill((left, y), (right - left, 2), GRID);
            let wide = text.chars().count() * 4 * LETTER;
            self.words((left.saturating_sub(wide + 8), y), text, DIM);
        }
        for (at, text) in &chart.x.ticks {
            let (x, _) = self.place((*at, 0.0));
            let wide = text.chars().count() * 4 * LETTER - LETTER;
            self.words((x.saturating_sub(wide / 2), bottom + 34), text, DIM);
        }
        let wide = chart.x.label.chars().count() * 4 * LETTER;
        self.words((right.saturating_sub(wide), bottom + 82), chart.x.label, DIM);
        for at in &chart.borders {
            let (x, _) = self.place((*at, 0.0));
            self.segment(((x, top), (x, bottom)), 2, DIM, true);
        }
        if let Some(at) = chart.middle {
            let (_, y) = self.place((0.0, at));
            self.segment(((left, y), (right, y)), 2, DIM, true);
        }
        if chart.corners.is_some() {
            for (side, y) in [(0, top + 8), (1, bottom.saturating_sub(8))] {
                let (name, color) = (self.names[side].clone(), self.colors[side]);
                self.words((right + 20, y), &name, color);
            }
        }
    }

    fn lines(&mut self) {
        for line in &self.chart.lines {
            let color = self.color(line);
            let corners: Vec<(usize, usize)> =
                line.points.iter().map(|point| self.place(*point)).collect();
            for pair in corners.windows(2) {
                if let [from, to] = *pair {
                    self.segment((from, to), THICK, color, line.faint);
                }
            }
            for (x, y, _) in &line.dots {
                let (x, y) = self.place((*x, *y));
                let corner = (x.saturating_sub(DOT), y.saturating_sub(DOT));
                self.canvas.fill(corner, (DOT * 2, DOT * 2), color);
            }
        }
        for (y, at) in self.plot.names(self.chart, 15.0 * SCALE) {
            let Some(line) = self.chart.lines.get(at) else { continue };
            let (name, color) = (self.names.get(line.side).cloned(), self.color(line));
            let right = whole(self.plot.width - self.plot.right);
            self.words((right + 20, whole(y)), &name.unwrap_or_default(), color);
        }
    }

    fn color(&self, line: &Line) -> [u8; 3] {
        self.colors.get(line.side).copied().unwrap_or(DARK)
    }

    /// A line from left to right or from top to bottom, whichever way it was given; lines of a chart go no
    /// other way.
    fn segment(
        &mut self,
        (from, to): ((usize, usize), (usize, usize)),
        thick: usize,
        color: [u8; 3],
        dashed: bool,
    ) {
        let half = thick / 2;
        let (x, y) = (from.0.min(to.0), from.1.min(to.1));
        let (long, high) = (from.0.abs_diff(to.0), from.1.abs_diff(to.1));
        let level = long >= high;
        let length = long.max(high) + if dashed { 0 } else { thick };
        let dash = if dashed { DASH } else { length.max(1) };
        for begin in (0..length).step_by(dash * 2) {
            let size = dash.min(length - begin);
            let (corner, size) = match level {
                true => ((x + begin, y), (size, thick)),
                false => ((x, y + begin), (thick, size)),
            };
            let corner = (corner.0.saturating_sub(half), corner.1.saturating_sub(half));
            self.canvas.fill(corner, size, color);
        }
    }
}

/// A place on the canvas; what lies outside of it is its edge.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between the two bounds every value is a place"
)]
fn whole(at: f64) -> usize {
    at.clamp(0.0, 100_000.0).round() as usize
}

/// The color that `Colors` wrote.
fn rgb(text: &str) -> [u8; 3] {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let [_, r, g, b] = u32::from_str_radix(digits, 16).unwrap_or(0).to_be_bytes();
    [r, g, b]
}
