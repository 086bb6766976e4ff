//! A chart as SVG: inside a page, whose style it takes, or as a file of its own.

use std::fmt::Write as _;

use crate::media::Foreign;
use crate::recap::chart::{Chart, Colors, Plot};

/// Letters of a name at the end of a line: what fits beside the plot.
const NAME_LETTERS: usize = 11;

/// Text of ours or of others, as it stands in HTML and XML: nothing in it is markup, nothing moves what
/// stands around it.
pub(super) fn escaped(text: &str) -> String {
    marked(&Foreign::told(text))
}

/// A text of ours of any length, as it stands in HTML and XML: a picture's bytes are no name, and are not cut.
pub(super) fn marked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The chart as a file.
#[must_use]
pub fn svg_file(chart: &Chart, colors: &Colors) -> String {
    let style = format!(
        "<style>{}{STYLE}</style><rect class=\"ground\" width=\"100%\" height=\"100%\"/>",
        variables(colors, "svg")
    );
    let drawn = svg(chart).replacen("</title>", &format!("</title>{style}"), 1);
    let size = Plot::scaled(1.0);
    let (width, height) = (size.width * 1.5, size.height * 1.5);
    drawn.replacen(
        "<svg ",
        &format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" "
        ),
        1,
    ) + "\n"
}

/// How a chart looks; a page has it in its style sheet.
pub(super) const STYLE: &str = "\
.ground{fill:var(--ground)}
svg text{fill:var(--dim);font:13px system-ui,sans-serif}
svg .title{fill:var(--text);font-size:15px;font-weight:600}
svg .grid,svg .border{stroke:var(--line);stroke-width:1;fill:none}
svg .border{stroke:var(--dim);stroke-dasharray:2 3}
svg .line{fill:none;stroke-width:2.5;stroke-linejoin:round}
svg .faint{stroke-dasharray:4 4;opacity:.6}
svg .a{stroke:var(--a)}svg .b{stroke:var(--b)}
svg circle.a,svg text.a{fill:var(--a);stroke:none}
svg rect.b,svg text.b{fill:var(--b);stroke:none}
svg text.name{font-weight:600}
";

/// The variables of both looks.
pub(super) fn variables(colors: &Colors, of: &str) -> String {
    let [light, dark] = [(&colors.light, LIGHT), (&colors.dark, DARK)]
        .map(|([a, b], rest)| format!("{of}{{--a:{a};--b:{b};{rest}}}"));
    format!("{light}\n@media (prefers-color-scheme:dark){{{dark}}}\n@media print{{{light}}}\n")
}

const LIGHT: &str = "--ground:#fff;--panel:#f6f7f9;--line:#dde2e8;--text:#14181d;--dim:#58636f;\
                     --mark:#8a4b00";
const DARK: &str = "--ground:#0a0d12;--panel:#11161e;--line:#2a3441;--text:#eaeef3;--dim:#a3afbd;\
                    --mark:#ffc27a";

/// The chart, in a page that has its style.
pub(super) fn svg(chart: &Chart) -> String {
    let plot = Plot::scaled(1.0);
    let title = escaped(&chart.title);
    let mut out = format!(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\"><title>{title}</title>\
         <text class=\"title\" x=\"{}\" y=\"18\">{title}</text>",
        plot.width, plot.height, plot.left
    );
    // Writing into a string cannot fail.
    axes(&mut out, chart, &plot).ok();
    lines(&mut out, chart, &plot).ok();
    out.push_str("</svg>");
    out
}

fn axes(out: &mut String, chart: &Chart, plot: &Plot) -> std::fmt::Result {
    let (right, bottom) = (plot.width - plot.right, plot.height - plot.bottom);
    for (at, text) in &chart.y.ticks {
        let (_, y) = plot.place(chart, (0.0, *at));
        write!(out, "<path class=\"grid\" d=\"M{:.1} {y:.1}H{right:.1}\"/>", plot.left)?;
        let (x, y) = (plot.left - 6.0, y + 4.5);
        write!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{text}</text>")?;
    }
    for (at, text) in &chart.x.ticks {
        let (x, _) = plot.place(chart, (*at, 0.0));
        let y = bottom + 17.0;
        write!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{text}</text>")?;
    }
    let label = format!("<text x=\"{right:.1}\" y=\"{:.1}\" text-anchor=\"end\">", bottom + 34.0);
    write!(out, "{label}{}</text>", chart.x.label)?;
    for at in &chart.borders {
        let (x, _) = plot.place(chart, (*at, 0.0));
        write!(out, "<path class=\"border\" d=\"M{x:.1} {:.1}V{bottom:.1}\"/>", plot.top)?;
    }
    if let Some(at) = chart.middle {
        let (_, y) = plot.place(chart, (0.0, at));
        write!(out, "<path class=\"border\" d=\"M{:.1} {y:.1}H{right:.1}\"/>", plot.left)?;
    }
    if let Some([upper, lower]) = &chart.corners {
        let x = right + 8.0;
        for (y, side, name) in [(plot.top + 9.0, 'a', upper), (bottom, 'b', lower)] {
            let name = escaped(&cut(name));
            write!(out, "<text class=\"name {side}\" x=\"{x:.1}\" y=\"{y:.1}\">{name}</text>")?;
        }
    }
    Ok(())
}

fn lines(out: &mut String, chart: &Chart, plot: &Plot) -> std::fmt::Result {
    for line in &chart.lines {
        let side = if line.side == 0 { 'a' } else { 'b' };
        let faint = if line.faint { " faint" } else { "" };
        let mut path = String::new();
        for (at, point) in line.points.iter().enumerate() {
            let (x, y) = plot.place(chart, *point);
            write!(path, "{}{x:.1} {y:.1}", if at == 0 { 'M' } else { 'L' })?;
        }
        write!(out, "<path class=\"line {side}{faint}\" d=\"{path}\"/>")?;
        for (x, y, said) in &line.dots {
            let (x, y) = plot.place(chart, (*x, *y));
            let said = escaped(said);
            // Two shapes, for who cannot tell the colors apart.
            match line.side {
                0 => write!(out, "<circle class=\"a\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\">")?,
                _ => {
                    let (x, y) = (x - 2.75, y - 2.75);
                    write!(out, "<rect class=\"b\" x=\"{x:.1}\" y=\"{y:.1}\" ")?;
                    write!(out, "width=\"5.5\" height=\"5.5\">")?;
                }
            }
            let end = if line.side == 0 { "circle" } else { "rect" };
            write!(out, "<title>{said}</title></{end}>")?;
        }
    }
    for (y, at) in plot.names(chart, 15.0) {
        let Some(line) = chart.lines.get(at) else { continue };
        let side = if line.side == 0 { 'a' } else { 'b' };
        let (x, y) = (plot.width - plot.right + 8.0, y + 4.5);
        let name = escaped(&cut(&line.name));
        write!(out, "<text class=\"name {side}\" x=\"{x:.1}\" y=\"{y:.1}\">{name}</text>")?;
    }
    Ok(())
}

fn cut(name: &str) -> String {
    match name.chars().count() {
        0..=NAME_LETTERS => name.to_owned(),
        _ => name.chars().take(NAME_LETTERS - 1).chain(['…']).collect(),
    }
}
