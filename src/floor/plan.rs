//! The painted court by rule book: its lines, the places of it that somebody can click, the border between values.
//!
//! A file a court, `rules/floors/*.toml`, in the binary; each number beside where it comes from. Past [`Plan::named`]
//! nothing is checked again: a test reads every file.

use std::f64::consts::PI;

use serde::Deserialize;

/// The files of the repository, by the name that stands in them.
const KNOWN: [(&str, &str); 5] = [
    ("fiba", include_str!("../../rules/floors/fiba.toml")),
    ("fiba-3x3", include_str!("../../rules/floors/fiba-3x3.toml")),
    ("nba", include_str!("../../rules/floors/nba.toml")),
    ("ncaa", include_str!("../../rules/floors/ncaa.toml")),
    ("high-school", include_str!("../../rules/floors/high-school.toml")),
];
/// Chords of a half circle: 0.5 mm beside an arc of 7 m at most.
const CHORDS: u32 = 128;
/// Where arc and corner line meet at less than this there is no corner to click (chosen).
const KINK_LEAST: f64 = 10.0 * PI / 180.0;
/// Marks nearer to each other are one to who clicks them (chosen: a line is 0.05 m wide).
const APART_M: f64 = 0.15;

/// A place on the floor, meters; see the stage for where from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Xy {
    /// To the right as one looks at the basket.
    pub x: f64,
    /// From the baseline into the court.
    pub y: f64,
}

impl Xy {
    /// From its two numbers.
    #[must_use]
    pub const fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }

    /// How far from another.
    #[must_use]
    pub fn distance(self, other: Self) -> f64 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

/// A basket of a court.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basket {
    /// That from whose baseline `y` counts.
    Near,
    /// The other one.
    Far,
}

/// A place that somebody can click.
#[derive(Clone, Debug, PartialEq)]
pub struct PointOf {
    /// For programs and the configuration: `elbow-left`, `far-elbow-left`.
    pub name: String,
    /// For people: which corner of which line.
    pub words: String,
    /// Where it is.
    pub at: Xy,
}

/// A painted court.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// As people call it.
    pub title: String,
    /// Baskets, 1 or 2.
    pub halves: u8,
    /// From baseline to baseline, or to the end of a half court.
    pub length: f64,
    /// From sideline to sideline.
    pub width: f64,
    /// The ring's center, from the baseline.
    pub basket: f64,
    /// Half the key's width.
    key_half: f64,
    key_length: f64,
    throw_circle: f64,
    center_circle: Option<f64>,
    /// The border between values: its radius about the basket …
    pub arc: f64,
    /// … and how far its straight lines are from the middle.
    pub corner: f64,
}

/// A number and where it comes from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sourced {
    value: u32,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlan {
    name: String,
    title: String,
    halves: Sourced,
    mm: RawLengths,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLengths {
    length: Sourced,
    width: Sourced,
    basket: Sourced,
    key_width: Sourced,
    key_length: Sourced,
    throw_circle: Sourced,
    center_circle: Option<Sourced>,
    arc: Sourced,
    corner: Sourced,
}

impl Plan {
    /// The names of those that there are.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|(name, _)| *name)
    }

    /// That of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (_, text) = KNOWN.iter().find(|(known, _)| *known == name)?;
        Self::parse(text).ok()
    }

    /// All of them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        Self::names().filter_map(Self::named).collect()
    }

    /// Reads a file of this form; what is wrong with it, in words.
    fn parse(text: &str) -> Result<Self, String> {
        let raw: RawPlan = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut unsourced = Vec::new();
        let mut meters = |key: &'static str, written: &Sourced| {
            if written.source.trim().is_empty() {
                unsourced.push(key);
            }
            f64::from(written.value) / 1000.0
        };
        let mm = &raw.mm;
        let plan = Self {
            halves: if raw.halves.value == 1 { 1 } else { 2 },
            length: meters("length", &mm.length),
            width: meters("width", &mm.width),
            basket: meters("basket", &mm.basket),
            key_half: meters("key_width", &mm.key_width) / 2.0,
            key_length: meters("key_length", &mm.key_length),
            throw_circle: meters("throw_circle", &mm.throw_circle),
            center_circle: mm.center_circle.as_ref().map(|of| meters("center_circle", of)),
            arc: meters("arc", &mm.arc),
            corner: meters("corner", &mm.corner),
            name: raw.name,
            title: raw.title,
        };
        if !unsourced.is_empty() || raw.halves.source.trim().is_empty() {
            return Err(format!("{unsourced:?} say nothing of where they come from"));
        }
        let half = plan.length / f64::from(plan.halves);
        let fits = plan.corner <= plan.arc
            && plan.corner <= plan.width / 2.0
            && plan.basket + plan.arc <= half
            && plan.key_half <= plan.corner
            && plan.basket < plan.key_length;
        if fits { Ok(plan) } else { Err("its lines do not fit into each other".to_owned()) }
    }

    /// A place as it lies before a basket, so that what is said of the near one holds.
    #[must_use]
    pub fn before(&self, basket: Basket, at: Xy) -> Xy {
        match basket {
            Basket::Near => at,
            Basket::Far => Xy::new(-at.x, self.length - at.y),
        }
    }

    /// The baskets that there are.
    #[must_use]
    pub const fn baskets(&self) -> &'static [Basket] {
        match self.halves {
            1 => &[Basket::Near],
            _ => &[Basket::Near, Basket::Far],
        }
    }

    /// Where the straight lines of the border go over into the arc, from the baseline.
    #[must_use]
    pub fn bend(&self) -> f64 {
        self.basket + (self.arc * self.arc - self.corner * self.corner).max(0.0).sqrt()
    }

    /// The whole painted border of the lesser value before the near basket, as a closed polygon: the baseline, both
    /// straight lines, the arc. The last corner is not the first again.
    #[must_use]
    pub fn border(&self) -> Vec<Xy> {
        let mut border = vec![Xy::new(-self.corner, 0.0)];
        let from = (self.bend() - self.basket).atan2(-self.corner);
        let to = (self.bend() - self.basket).atan2(self.corner);
        border.extend(self.around(self.basket, self.arc, (from, to)));
        border.push(Xy::new(self.corner, 0.0));
        border
    }

    /// Chords of an arc about a place on the middle line.
    fn around(&self, y: f64, radius: f64, (from, to): (f64, f64)) -> Vec<Xy> {
        let at = |n: u32| {
            let angle = from + (to - from) * f64::from(n) / f64::from(CHORDS);
            Xy::new(radius * angle.cos(), y + radius * angle.sin())
        };
        (0..=CHORDS).map(at).collect()
    }

    /// Places that somebody can click, each once, near half first.
    #[must_use]
    pub fn points(&self) -> Vec<PointOf> {
        let mut points = self.half();
        if self.halves == 2 {
            let far: Vec<PointOf> = points
                .iter()
                .map(|point| PointOf {
                    name: format!("far-{}", point.name),
                    words: format!("{}, at the other basket", point.words),
                    at: self.before(Basket::Far, point.at),
                })
                .collect();
            points.extend(self.middle());
            points.extend(far);
        } else {
            let end = self.width / 2.0;
            points.extend(both("end", "end line meets sideline, inner edges", end, self.length));
        }
        points
    }

    /// That of a name.
    #[must_use]
    pub fn point(&self, name: &str) -> Option<PointOf> {
        self.points().into_iter().find(|point| point.name == name)
    }

    fn half(&self) -> Vec<PointOf> {
        let mut points =
            both("corner", "baseline meets sideline, inner edges", self.width / 2.0, 0.0);
        let border = "baseline meets the arc's straight line, outer edge";
        points.extend(both("arc", border, self.corner, 0.0));
        points.extend(both("key", "baseline meets the key's side, outer edge", self.key_half, 0.0));
        let elbow = "free-throw line meets the key's side, outer edges";
        points.extend(both("elbow", elbow, self.key_half, self.key_length));
        if self.key_half - self.throw_circle >= APART_M {
            let throw = "free-throw line meets its half circle, outer edges";
            points.extend(both("throw", throw, self.throw_circle, self.key_length));
        }
        if (self.bend() - self.basket).atan2(self.corner) >= KINK_LEAST {
            let bend = "the straight line bends into the arc, outer edge";
            points.extend(both("bend", bend, self.corner, self.bend()));
        }
        points
    }

    fn middle(&self) -> Vec<PointOf> {
        let y = self.length / 2.0;
        let mut points = both(
            "half",
            "middle of the halfway line meets sideline, inner edge",
            self.width / 2.0,
            y,
        );
        if let Some(radius) = self.center_circle {
            let words = "middle of the halfway line meets the center circle, outer edge";
            points.extend(both("circle", words, radius, y));
        }
        let words = "the middle of the court".to_owned();
        points.push(PointOf { name: "center".to_owned(), words, at: Xy::new(0.0, y) });
        points
    }

    /// All painted lines, each as its corners.
    #[must_use]
    pub fn lines(&self) -> Vec<Vec<Xy>> {
        let (half, length) = (self.width / 2.0, self.length);
        let court = [(-half, 0.0), (half, 0.0), (half, length), (-half, length), (-half, 0.0)];
        let mut lines = vec![court.map(|(x, y)| Xy::new(x, y)).to_vec()];
        for basket in self.baskets() {
            let (key, deep) = (self.key_half, self.key_length);
            let key = [(-key, 0.0), (-key, deep), (key, deep), (key, 0.0)];
            let key = key.map(|(x, y)| Xy::new(x, y)).to_vec();
            let throw = self.around(deep, self.throw_circle, (PI, 0.0));
            let place =
                |line: Vec<Xy>| line.into_iter().map(|at| self.before(*basket, at)).collect();
            lines.extend([key, throw, self.border()].map(place));
        }
        if self.halves == 2 {
            let y = length / 2.0;
            lines.push(vec![Xy::new(-half, y), Xy::new(half, y)]);
            lines.extend(self.center_circle.map(|radius| self.around(y, radius, (0.0, 2.0 * PI))));
        }
        lines
    }
}

/// The same mark at the left and at the right.
fn both(name: &str, words: &str, x: f64, y: f64) -> Vec<PointOf> {
    let one = |side: &str, x: f64| PointOf {
        name: format!("{name}-{side}"),
        words: format!("{side}: {words}"),
        at: Xy::new(x, y),
    };
    vec![one("left", -x), one("right", x)]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_is_read_under_its_name_and_each_point_lies_on_its_court() {
        for (name, text) in KNOWN {
            let plan = Plan::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(plan.name, name);
            let points = plan.points();
            let names: BTreeSet<&String> = points.iter().map(|point| &point.name).collect();
            assert_eq!(names.len(), points.len(), "{name}");
            for point in &points {
                let Xy { x, y } = point.at;
                assert!(
                    x.abs() <= plan.width / 2.0 && (0.0..=plan.length).contains(&y),
                    "{point:?}"
                );
                let near = points.iter().filter(|other| other.at.distance(point.at) < APART_M);
                assert_eq!(near.count(), 1, "{name}: {point:?} is another's place");
            }
        }
        let fiba = Plan::named("fiba").expect("there");
        assert_eq!(fiba.points().len(), 29);
        assert_eq!(Plan::named("fiba-3x3").expect("there").points().len(), 14);
        assert_eq!(Plan::named("nobody"), None);
    }

    #[test]
    fn figures_of_the_books_are_met() {
        let rows = [
            ("fiba", 2.990),
            ("fiba-3x3", 2.990),
            ("nba", 4.327),
            ("ncaa", 3.012),
            ("high-school", 1.6),
        ];
        for (name, bend) in rows {
            let plan = Plan::named(name).expect("there");
            assert!((plan.bend() - bend).abs() < 0.002, "{name}: {}", plan.bend());
        }
        let fiba = Plan::named("fiba").expect("there");
        let elbow = fiba.point("far-elbow-left").expect("a point").at;
        assert!(elbow.distance(Xy::new(2.45, 22.2)) < 1e-9, "left as one looks at that basket");
    }

    #[test]
    fn the_border_is_closed_goes_round_once_and_is_a_line_from_the_book_everywhere() {
        for plan in Plan::all() {
            let border = plan.border();
            let basket = Xy::new(0.0, plan.basket);
            for at in &border {
                let on_arc =
                    (at.distance(basket) - plan.arc).abs() < 1e-9 && at.y >= plan.bend() - 1e-9;
                let on_line = (at.x.abs() - plan.corner).abs() < 1e-9 && at.y <= plan.bend() + 1e-9;
                assert!(on_arc || on_line, "{}: {at:?}", plan.name);
            }
            let pairs = border.iter().zip(border.iter().cycle().skip(1));
            let area: f64 = pairs.map(|(a, b)| (a.x * b.y - b.x * a.y) / 2.0).sum();
            let half = (plan.corner / plan.arc).asin();
            let (r, c, rise) = (plan.arc, plan.corner, plan.bend() - plan.basket);
            let exact = 2.0 * c * plan.bend() + r * r * half - c * rise;
            assert!((area.abs() - exact).abs() < 0.01, "{}: {area} {exact}", plan.name);
        }
    }

    #[test]
    fn a_number_without_a_source_and_lines_that_do_not_fit_are_refused() {
        let text = KNOWN[0].1;
        let source = "\"FIBA Art. 2.4: to the outer edge\"";
        assert!(text.contains(source));
        let bare = text.replacen(source, "\" \"", 1);
        assert!(Plan::parse(&bare).expect_err("refused").contains("where they come from"));
        let wide = text.replace("value = 6600", "value = 6800");
        assert!(Plan::parse(&wide).expect_err("refused").contains("do not fit"));
        let typo = text.replace("corner =", "korner =");
        assert!(Plan::parse(&typo).expect_err("refused").contains("korner"));
    }
}
