//! Tables for a spreadsheet (RFC 4180), in which no text becomes a formula.

use std::fmt::Write as _;

use crate::recap::recap::Recap;

/// The shots of a game, a row each, with a head.
#[must_use]
pub fn shots_csv(recap: &Recap) -> String {
    let [first, second] = &recap.box_score.teams;
    let scores = [&first.team.id, &second.team.id].map(|id| format!("score_{id}"));
    let mut table = String::new();
    row(
        &mut table,
        [
            "n",
            "fact",
            "revision",
            "time",
            "seconds",
            "period",
            "court",
            "rim",
            "t_stream",
            "verdict",
            "points",
            "points_by",
            "team",
            "player",
            "by",
            "who",
            "reason",
            &scores[0],
            &scores[1],
            "clip",
            "tags",
        ],
    );
    for shot in &recap.shots {
        let by = shot.by.and_then(|by| serde_json::to_value(by).ok());
        row(
            &mut table,
            [
                shot.n.to_string().as_str(),
                &shot.fact,
                &shot.revision.to_string(),
                text(shot.time.as_ref()),
                &number(shot.seconds),
                &shot.period.to_string(),
                &shot.court,
                &shot.rim.to_string(),
                &format!("{:.3}", shot.t_stream),
                shot.verdict,
                &number(shot.points),
                text(shot.points_by.as_ref()),
                shot.team.as_ref().map_or("", |team| team.as_str()),
                shot.player.as_ref().map_or("", |player| player.as_str()),
                by.as_ref().and_then(|by| by.as_str()).unwrap_or_default(),
                text(shot.who.as_ref()),
                text(shot.reason.as_ref()),
                &shot.score[0].to_string(),
                &shot.score[1].to_string(),
                text(shot.clip.as_ref()),
                &shot.tags.join(" "),
            ],
        );
    }
    table
}

fn text(of: Option<&String>) -> &str {
    of.map_or("", String::as_str)
}

fn number(of: Option<u32>) -> String {
    of.map_or_else(String::new, |of| of.to_string())
}

/// Adds a row.
pub(super) fn row<const N: usize>(table: &mut String, cells: [&str; N]) {
    for (at, cell) in cells.into_iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        // Writing into a string cannot fail.
        write!(table, "{comma}{}", field(cell)).ok();
    }
    table.push_str("\r\n");
}

/// A cell as it stands in the table. What a spreadsheet would take for a formula gets an apostrophe before
/// it, which it shows as text (OWASP, CSV injection); a number that is one is left alone.
fn field(cell: &str) -> String {
    let begins = cell.trim_start_matches([' ', '\t', '\r', '\n']);
    let formula = begins.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
        || cell.starts_with(['\t', '\r', '\n']);
    let safe = match formula && cell.parse::<f64>().is_err() {
        true => format!("'{cell}"),
        false => cell.to_owned(),
    };
    match safe.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", safe.replace('"', "\"\"")),
        false => safe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_none_is_a_formula() {
        for (cell, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"so\"", "\"say \"\"so\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("+cmd", "'+cmd"),
            ("@sum", "'@sum"),
            (" =1", "' =1"),
            ("-12.5", "-12.5"),
            ("-", "'-"),
            ("\tx", "'\tx"),
        ] {
            assert_eq!(field(cell), expected, "{cell:?}");
        }
    }
}
