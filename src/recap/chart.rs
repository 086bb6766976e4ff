//! What a chart of a game shows: axes and lines, in the game's own units. Drawing is `svg`'s, or a tool's.

use crate::event::game::Team;
use crate::recap::recap::Recap;

/// A chart, ready to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// From the bottom up.
    pub y: Axis,
    /// Vertical lines: where a period began.
    pub borders: Vec<f64>,
    /// A horizontal line that divides the teams.
    pub middle: Option<f64>,
    /// Words in the upper and the lower corner: what it means to be up there, or down there.
    pub corners: Option<[String; 2]>,
    /// What is drawn.
    pub lines: Vec<Line>,
}

/// One direction of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What stands beside it.
    pub label: &'static str,
    /// Its end; it begins at 0.
    pub to: f64,
    /// Places and what stands there.
    pub ticks: Vec<(f64, String)>,
}

/// A line through points, and its dots.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Whose, in the game's order of teams.
    pub side: usize,
    /// What stands at its end; nothing if it is empty.
    pub name: String,
    /// True of what was told of another score than stands now.
    pub faint: bool,
    /// Its corners.
    pub points: Vec<(f64, f64)>,
    /// Places that are marked, and what is said of each.
    pub dots: Vec<(f64, f64, String)>,
}

/// The score of both teams over the game.
#[must_use]
pub fn score_chart(recap: &Recap) -> Chart {
    let (across, by_minutes) = across(recap);
    let most = recap.score.iter().flat_map(|point| point.points).max().unwrap_or(0);
    let most = f64::from(most.max(4));
    let lines = [0, 1].map(|side| {
        let mut points = vec![(0.0, 0.0)];
        let mut dots = Vec::new();
        let mut last = 0.0;
        for (at, point) in across.iter().zip(&recap.score) {
            let now = f64::from(point.points[side]);
            if now > last {
                points.extend([(*at, last), (*at, now)]);
                dots.push((*at, now, format!("{}–{}", point.points[0], point.points[1])));
            }
            last = now;
        }
        points.push((end(&across), last));
        let name = recap.team_name(&recap.box_score.teams[side].team.id);
        Line { side, name, faint: false, points, dots }
    });
    Chart {
        title: "Score".to_owned(),
        x: x_axis(&across, by_minutes),
        y: Axis { label: "points", to: most, ticks: ticks(most, &[1, 2, 5, 10, 20, 50, 100], 6) },
        borders: borders(recap, &across),
        middle: None,
        corners: None,
        lines: lines.into(),
    }
}

/// The share of wins of the first team over the game; `None` where none was told.
#[must_use]
pub fn win_chart(recap: &Recap) -> Option<Chart> {
    let (across, by_minutes) = across(recap);
    let place = |shot: &str| {
        let at = recap.score.iter().position(|point| point.shot == shot)?;
        across.get(at).copied()
    };
    let mut lines: Vec<Line> = Vec::new();
    let mut last: Option<(f64, f64)> = None;
    for point in &recap.win {
        let at = match &point.shot {
            None => Some(0.0),
            Some(shot) => place(shot),
        };
        let Some(at) = at else { continue };
        let now = (at, point.share);
        let dot = (at, point.share, format!("{:.0} %", point.share * 100.0));
        let faint = !point.stands;
        // What was told holds until the next is told: the step up or down belongs to the next.
        let held = last.map(|last| (at, last.1));
        if let (Some(line), Some(held)) = (lines.last_mut(), held) {
            line.points.push(held);
        }
        match lines.last_mut().filter(|line| line.faint == faint) {
            Some(line) => {
                line.points.push(now);
                line.dots.push(dot);
            }
            None => {
                let points = held.into_iter().chain([now]).collect();
                lines.push(Line { side: 0, name: String::new(), faint, points, dots: vec![dot] });
            }
        }
        last = Some(now);
    }
    let last = last?;
    if let Some(line) = lines.last_mut() {
        line.points.push((end(&across), last.1));
    }
    let [first, second] = &recap.box_score.teams;
    let name = |team: &Team| recap.team_name(&team.id);
    let share = |at: f64, text: &str| (at, text.to_owned());
    Some(Chart {
        title: "Share of wins, by the model".to_owned(),
        x: x_axis(&across, by_minutes),
        y: Axis {
            label: "",
            to: 1.0,
            ticks: vec![
                share(0.0, "100 %"),
                share(0.25, "75 %"),
                share(0.5, "50 %"),
                share(0.75, "75 %"),
                share(1.0, "100 %"),
            ],
        },
        borders: borders(recap, &across),
        middle: Some(0.5),
        corners: Some([name(&first.team), name(&second.team)]),
        lines,
    })
}

/// Where each shot that counted stands: minutes since the beginning, or its number where a time is not
/// known.
fn across(recap: &Recap) -> (Vec<f64>, bool) {
    let minutes: Option<Vec<f64>> =
        recap.score.iter().map(|point| Some(f64::from(point.seconds?) / 60.0)).collect();
    match minutes.filter(|minutes| end(minutes) > 0.0) {
        Some(minutes) => (minutes, true),
        None => ((1_u32..).map(f64::from).take(recap.score.len()).collect(), false),
    }
}

fn end(across: &[f64]) -> f64 {
    across.last().copied().unwrap_or(0.0)
}

fn x_axis(across: &[f64], by_minutes: bool) -> Axis {
    let to = end(across).max(1.0);
    let label = if by_minutes { "minutes" } else { "shots" };
    Axis { label, to, ticks: ticks(to, &[1, 2, 5, 10, 15, 20, 30, 60, 120, 500], 8) }
}

/// Round numbers up to an end, at most so many: by the first step that does it.
fn ticks(to: f64, steps: &[u32], most: u32) -> Vec<(f64, String)> {
    let fits = |step: &&u32| to / f64::from(**step) <= f64::from(most);
    let step = steps.iter().find(fits).or_else(|| steps.last()).copied().unwrap_or(1).max(1);
    let all = (0..).map(|n: u32| n.saturating_mul(step));
    all.take_while(|n| f64::from(*n) <= to)
        .map(|n| (f64::from(n), n.to_string()))
        .take(1000)
        .collect()
}

fn borders(recap: &Recap, across: &[f64]) -> Vec<f64> {
    let shots = recap.score.iter().zip(across);
    let pairs = shots.clone().zip(shots.skip(1));
    let new = pairs.filter(|((before, _), (after, _))| after.period > before.period);
    new.map(|((_, before), (_, after))| f64::midpoint(*before, *after)).collect()
}

/// What a chart is drawn on: pixels, from the upper left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plot {
    /// Of the whole.
    pub width: f64,
    /// Of the whole.
    pub height: f64,
    /// Left of the plot, where the ticks' texts stand.
    pub left: f64,
    /// Right of it, where the lines' names stand.
    pub right: f64,
    /// Over it, where the title stands.
    pub top: f64,
    /// Under it.
    pub bottom: f64,
}

impl Plot {
    /// The usual one, so many times as large.
    #[must_use]
    pub fn scaled(by: f64) -> Self {
        Self {
            width: 460.0 * by,
            height: 270.0 * by,
            left: 46.0 * by,
            right: 102.0 * by,
            top: 34.0 * by,
            bottom: 40.0 * by,
        }
    }

    /// Where a point of the chart is.
    #[must_use]
    pub fn place(&self, chart: &Chart, (x, y): (f64, f64)) -> (f64, f64) {
        let (wide, high) =
            (self.width - self.left - self.right, self.height - self.top - self.bottom);
        let share = |of: f64, to: f64| if to > 0.0 { of / to } else { 0.0 };
        let down = self.height - self.bottom - high * share(y, chart.y.to);
        (self.left + wide * share(x, chart.x.to), down)
    }

    /// Where the names of lines stand, one under the other at least `apart`: their places down.
    #[must_use]
    pub fn names(&self, chart: &Chart, apart: f64) -> Vec<(f64, usize)> {
        let ends = chart.lines.iter().enumerate().filter(|(_, line)| !line.name.is_empty());
        let end =
            |line: &Line| self.place(chart, line.points.last().copied().unwrap_or_default()).1;
        let mut names: Vec<(f64, usize)> = ends.map(|(at, line)| (end(line), at)).collect();
        names.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut last = f64::MIN;
        for (down, _) in &mut names {
            *down = down.max(last + apart);
            last = *down;
        }
        names
    }
}

/// Colors of the two teams, as `#rrggbb`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Colors {
    /// On a light ground.
    pub light: [String; 2],
    /// On a dark ground.
    pub dark: [String; 2],
}

type Rgb = [u8; 3];

/// Where teams have no shirts, or shirts that nobody could tell apart (chosen: apart for the color-blind
/// too).
const USUAL: [Rgb; 2] = [[0x1f, 0x6f, 0xd1], [0xd9, 0x5f, 0x02]];
/// What charts and names are on, with the light and with the dark look: of the page's grounds those that
/// are nearest to the colors.
const GROUNDS: [Rgb; 2] = [[0xf6, 0xf7, 0xf9], [0x11, 0x16, 0x1e]];
/// A name in a team's color must stand out from its ground so far (WCAG 2.2, 1.4.3); a line less.
const CONTRAST: f64 = 4.5;
/// Two colors nearer than this, as the sum over red, green and blue, are one to the eye (chosen).
const APART: u32 = 120;

impl Colors {
    /// Of these two teams: the color of their shirts, as far as it can be seen on the ground.
    #[must_use]
    pub fn of([first, second]: [&Team; 2]) -> Self {
        Self::shirts([first, second].map(|team| team.color.as_deref().and_then(parsed)))
    }

    /// Of teams without shirts.
    #[must_use]
    pub fn usual() -> Self {
        Self::shirts([None, None])
    }

    fn shirts(shirts: [Option<Rgb>; 2]) -> Self {
        let shown = |ground: Rgb| {
            let usual = USUAL.map(|usual| seen(usual, ground));
            let worn = shirts.map(|shirt| shirt.map(|shirt| seen(shirt, ground)));
            // Who has no shirt gets what is farther from the other's.
            let far = |from: Rgb| match apart(usual[0], from) > apart(usual[1], from) {
                true => usual[0],
                false => usual[1],
            };
            let both = match worn {
                [Some(a), Some(b)] if apart(a, b) >= APART => [a, b],
                [Some(a), None] => [a, far(a)],
                [None, Some(b)] => [far(b), b],
                _ => usual,
            };
            both.map(|[r, g, b]| format!("#{r:02x}{g:02x}{b:02x}"))
        };
        Self { light: shown(GROUNDS[0]), dark: shown(GROUNDS[1]) }
    }
}

fn apart(a: Rgb, b: Rgb) -> u32 {
    a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b))).sum()
}

/// `#rrggbb`, and nothing else: it goes into a style sheet.
fn parsed(text: &str) -> Option<Rgb> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let [_, r, g, b] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
    Some([r, g, b])
}

/// The color, moved away from the ground as far as it must be to be seen.
fn seen(color: Rgb, ground: Rgb) -> Rgb {
    let away = if light(ground) > 0.5 { 0 } else { 255 };
    let mut now = color;
    // A tenth of the way each time; the far end stands out from both grounds.
    for _ in 0..40 {
        if contrast(now, ground) >= CONTRAST {
            break;
        }
        now = now.map(|part| {
            let step = u8::try_from(u32::from(part.abs_diff(away)).div_ceil(10)).unwrap_or(u8::MAX);
            if away > part { part.saturating_add(step) } else { part.saturating_sub(step) }
        });
    }
    now
}

/// Relative luminance (WCAG 2.2).
fn light([r, g, b]: Rgb) -> f64 {
    let part = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b)
}

fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (light(a), light(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::TeamId;

    fn team(color: Option<&str>) -> Team {
        Team { id: TeamId::new("a").unwrap(), name: None, color: color.map(str::to_owned) }
    }

    #[test]
    fn a_color_stands_out_from_both_grounds_and_no_text_becomes_style() {
        let whites = [Some("#ffffff"), Some("#000000"), Some("#ffff00"), Some("red;}"), None];
        for first in whites {
            for second in whites {
                let colors = Colors::of([&team(first), &team(second)]);
                for (ground, shown) in GROUNDS.iter().zip([&colors.light, &colors.dark]) {
                    let [a, b] = [0, 1].map(|at: usize| parsed(&shown[at]).expect("a color"));
                    assert!(contrast(a, *ground) >= CONTRAST, "{first:?} {shown:?}");
                    assert!(contrast(b, *ground) >= CONTRAST, "{second:?} {shown:?}");
                    assert_ne!(a, b, "{first:?} {second:?}");
                }
            }
        }
        let red = Colors::of([&team(Some("#c00000")), &team(Some("#0000c0"))]);
        assert_eq!(red.light, ["#c00000", "#0000c0"], "what can be seen stays as it is");
    }

    #[test]
    fn ticks_are_round_and_few() {
        let texts = |to: f64| {
            let all = ticks(to, &[1, 2, 5, 10], 6);
            all.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(texts(4.0), "0 1 2 3 4");
        assert_eq!(texts(21.0), "0 5 10 15 20");
        assert_eq!(texts(60.0), "0 10 20 30 40 50 60");
    }
}
