//! `courtside aim --floor`: the painted floor, laid by points that somebody saw, as the line to paste.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use crate::floor::{FloorDrawn, Laid, Plan, Told};
use crate::media::Frame;
use crate::tools::png_file::{PngFile, rgb};

/// Arguments of `aim` that concern the floor.
#[derive(Debug, Args)]
pub(super) struct FloorArgs {
    /// Lay the painted floor of this rule book instead: fiba, fiba-3x3, nba, ncaa, high-school
    #[arg(long, value_name = "PLAN")]
    floor: Option<String>,
    /// Point of the floor and its pixel; without any, the plan's points are listed (can be repeated)
    #[arg(long, value_name = "NAME=X,Y", requires = "floor", value_parser = point)]
    point: Vec<(String, [f64; 2])>,
}

/// `elbow-left=412,391.5`.
fn point(text: &str) -> Result<(String, [f64; 2]), String> {
    let read = || {
        let (name, at) = text.split_once('=')?;
        let (x, y) = at.split_once(',')?;
        Some((name.trim().to_owned(), [x.trim().parse().ok()?, y.trim().parse().ok()?]))
    };
    read().ok_or_else(|| "write, for example, elbow-left=412,391".to_owned())
}

impl FloorArgs {
    /// The court that is asked for, if one is.
    pub(super) fn plan(&self) -> anyhow::Result<Option<Plan>> {
        let Some(name) = &self.floor else { return Ok(None) };
        let Some(plan) = Plan::named(name) else {
            let known: Vec<&str> = Plan::names().collect();
            bail!("there is no court `{name}`: take one of {}", known.join(", "));
        };
        Ok(Some(plan))
    }

    /// Lays the floor and tells it.
    ///
    /// # Errors
    /// Points that cannot be so, no picture, or a sheet that cannot be written.
    pub(super) fn run(
        &self,
        plan: &Plan,
        json: bool,
        sheet: Option<&PngFile>,
        picture: impl FnOnce() -> anyhow::Result<Frame>,
    ) -> anyhow::Result<ExitCode> {
        if self.point.is_empty() {
            for line in listed(plan) {
                println!("{line}");
            }
            return Ok(ExitCode::SUCCESS);
        }
        let frame = picture()?;
        let mut points = BTreeMap::new();
        for (name, at) in &self.point {
            if points.insert(name.clone(), *at).is_some() {
                bail!("{name} stands twice: take one --point out");
            }
        }
        let drawn = FloorDrawn { plan: plan.name.clone(), of: [frame.width, frame.height], points };
        let laid = drawn.lay().map_err(anyhow::Error::msg)?;
        let told = laid.told(&[]);
        if let Some(sheet) = sheet {
            draw(sheet, &frame, &laid, &told)?;
        }
        if json {
            println!("{}", serde_json::to_value(&told).context("tell the floor")?);
        } else {
            for line in lines(&told) {
                println!("{line}");
            }
            for advice in &told.advice {
                eprintln!("courtside: {advice}");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The points of a court, each with where it is.
fn listed(plan: &Plan) -> Vec<String> {
    let line = |point: crate::floor::PointOf| {
        format!("{:18} {:6.2} {:6.2}  {}", point.name, point.at.x, point.at.y, point.words)
    };
    plan.points().into_iter().map(line).collect()
}

/// What is to be pasted; the rest are comments.
fn lines(told: &Told) -> Vec<String> {
    let FloorDrawn { plan, of, points } = &told.floor;
    let points: Vec<String> =
        points.iter().map(|(name, [x, y])| format!("{name} = [{x}, {y}]")).collect();
    let mut lines = vec![format!(
        "floor = {{ plan = \"{plan}\", of = [{}, {}], points = {{ {} }} }}",
        of[0],
        of[1],
        points.join(", ")
    )];
    lines.push(format!(
        "# the points fit within {} px, {} cm (root mean square)",
        told.rms_px, told.rms_cm
    ));
    if let Some(sigma) = told.sigma_cm {
        lines.push(format!("# a spot at the arc may be off by {sigma} cm where it is seen worst"));
    }
    if let Some(up) = told.camera_up_m {
        lines.push(format!("# by them the camera hangs {up} m high"));
    }
    for point in &told.points {
        lines.push(format!(
            "# {:18} {:5.1} px {:6.1} cm beside",
            point.name, point.off_px, point.off_cm
        ));
    }
    lines
}

const GREEN: [u8; 3] = [40, 220, 90];
const YELLOW: [u8; 3] = [240, 210, 50];

/// Writes `frame` as a PNG with the painted lines in green and a yellow cross at each point that was clicked.
fn draw(file: &PngFile, frame: &Frame, laid: &Laid, told: &Told) -> anyhow::Result<()> {
    let mut pixels = rgb(frame).context("the picture's planes are short")?;
    let size = (frame.width, frame.height);
    for line in laid.lines() {
        for pair in line.windows(2) {
            stroke(&mut pixels, size, [pair[0], pair[1]], GREEN);
        }
    }
    for point in &told.points {
        let [x, y] = point.pixel;
        stroke(&mut pixels, size, [[x - 6.0, y], [x + 6.0, y]], YELLOW);
        stroke(&mut pixels, size, [[x, y - 6.0], [x, y + 6.0]], YELLOW);
    }
    file.write(size, &pixels)
}

/// A line two pixels wide, as far as it is in the picture.
fn stroke(
    pixels: &mut [u8],
    (width, height): (u32, u32),
    [from, to]: [[f64; 2]; 2],
    color: [u8; 3],
) {
    let Some([from, to]) = inside([from, to], [f64::from(width), f64::from(height)]) else {
        return;
    };
    let steps = (to[0] - from[0]).abs().max((to[1] - from[1]).abs()).ceil().max(1.0);
    let mut step = 0.0;
    while step <= steps {
        let [x, y] = [0, 1].map(|k| from[k] + (to[k] - from[k]) * step / steps);
        for (dx, dy) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)] {
            dot(pixels, (width, height), (x + dx, y + dy), color);
        }
        step += 1.0;
    }
}

/// The part of a line that is in a picture of this size, if any (Liang and Barsky, 1984): what lies behind the horizon's
/// edge may be as far away as a number goes.
fn inside([from, to]: [[f64; 2]; 2], size: [f64; 2]) -> Option<[[f64; 2]; 2]> {
    let (mut first, mut last) = (0.0_f64, 1.0_f64);
    for k in [0, 1] {
        let way = to[k] - from[k];
        if way == 0.0 {
            if !(0.0..=size[k]).contains(&from[k]) {
                return None;
            }
            continue;
        }
        let (a, b) = (-from[k] / way, (size[k] - from[k]) / way);
        first = first.max(a.min(b));
        last = last.min(a.max(b));
    }
    let at = |share: f64| [0, 1].map(|k| from[k] + (to[k] - from[k]) * share);
    (first <= last).then(|| [at(first), at(last)])
}

fn dot(pixels: &mut [u8], (width, height): (u32, u32), (x, y): (f64, f64), color: [u8; 3]) {
    if !((0.0..f64::from(width)).contains(&x) && (0.0..f64::from(height)).contains(&y)) {
        return;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the picture"
    )]
    let (x, y) = (x as usize, y as usize);
    let start = (y * usize::try_from(width).unwrap_or(0) + x) * 3;
    if let Some(pixel) = pixels.get_mut(start..start + 3) {
        pixel.copy_from_slice(&color);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_read_or_says_how_to_write_it() {
        assert_eq!(point("elbow-left=412,391.5"), Ok(("elbow-left".to_owned(), [412.0, 391.5])));
        for bad in ["", "elbow-left", "elbow-left=412", "elbow-left=a,b", "=,"] {
            assert!(point(bad).expect_err("refused").contains("elbow-left=412,391"), "{bad}");
        }
    }

    #[test]
    fn what_is_printed_is_taken_by_the_configuration_as_it_stands() {
        let points = [
            ("key-left", [420.0, 330.0]),
            ("key-right", [820.0, 334.0]),
            ("elbow-left", [366.0, 520.0]),
            ("elbow-right", [902.5, 526.0]),
        ];
        let points = points.into_iter().map(|(name, at)| (name.to_owned(), at)).collect();
        let drawn = FloorDrawn { plan: "fiba".to_owned(), of: [1280, 720], points };
        let told = drawn.lay().expect("laid").told(&[]);
        let printed = lines(&told).join("\n");
        let read: toml::Table = printed.parse().expect("TOML");
        let floor: FloorDrawn = read["floor"].clone().try_into().expect("a floor");
        assert_eq!(floor, drawn);
        assert!(printed.contains("# elbow-left"), "{printed}");
    }

    #[test]
    fn a_line_is_drawn_as_far_as_it_is_in_the_picture() {
        let mut pixels = vec![0; 10 * 10 * 3];
        stroke(&mut pixels, (10, 10), [[-100.0, 5.0], [1e9, 5.0]], GREEN);
        let row = |y: usize| pixels[y * 30..y * 30 + 30].iter().filter(|byte| **byte > 0).count();
        assert_eq!(row(0), 0);
        // All three bytes of each pixel; the first may be off by a rounding.
        assert!(row(5) >= 27, "{}", row(5));
        // What is beside it, or no number, is not drawn and does not take for ever.
        for far in [[[-9.0, -9.0], [-1.0, 20.0]], [[f64::NAN, 5.0], [5.0, f64::INFINITY]]] {
            let before = pixels.clone();
            stroke(&mut pixels, (10, 10), far, YELLOW);
            assert_eq!(pixels, before, "{far:?}");
        }
    }
}
