//! The court drawn from above, with what was shot from where: SVG of its own style, for a page or a file. Pure.
//!
//! A made shot is a filled disk, a missed one a cross, one that is unsure a ring; so that it reads without colors.

use std::fmt::Write as _;

use crate::floor::plan::{Plan, Xy};

/// Room about the court, meters.
const ROOM_M: f64 = 1.0;
const MARK_M: f64 = 0.16;

/// A shot on the chart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shot {
    /// From where.
    pub at: Xy,
    /// True if it was made; `None` where nobody knows.
    pub made: Option<bool>,
}

/// The near half of a court, basket on top, with its shots.
#[must_use]
pub fn chart(plan: &Plan, shots: &[Shot]) -> String {
    let half = plan.width / 2.0 + ROOM_M;
    let deep = plan.length / f64::from(plan.halves);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"floor\" viewBox=\"{:.2} {:.2} {:.2} {:.2}\" role=\"img\">\
         <title>{}</title>",
        -half,
        -ROOM_M,
        2.0 * half,
        deep + 2.0 * ROOM_M,
        title(shots),
    );
    for line in plan.lines() {
        let places = line.iter().filter(|at| at.y <= deep + 0.01);
        let corners: Vec<String> = places.map(|at| format!("{:.2},{:.2}", at.x, at.y)).collect();
        if corners.len() > 1 {
            let _written =
                write!(out, "<polyline class=\"line\" points=\"{}\"/>", corners.join(" "));
        }
    }
    let _written =
        write!(out, "<circle class=\"ring\" cx=\"0\" cy=\"{:.3}\" r=\"0.23\"/>", plan.basket);
    for Shot { at: Xy { x, y }, made } in shots {
        let _written = match made {
            Some(true) => {
                write!(out, "<circle class=\"made\" cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{MARK_M}\"/>")
            }
            None => {
                write!(out, "<circle class=\"unsure\" cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{MARK_M}\"/>")
            }
            Some(false) => write!(
                out,
                "<path class=\"missed\" d=\"M{:.2} {:.2}l{m} {m}m0 -{m}l-{m} {m}\"/>",
                x - MARK_M,
                y - MARK_M,
                m = 2.0 * MARK_M
            ),
        };
    }
    out.push_str("</svg>");
    out
}

/// For who hears it.
fn title(shots: &[Shot]) -> String {
    let count = |made: Option<bool>| shots.iter().filter(|shot| shot.made == made).count();
    format!(
        "Shots: {} made, {} missed, {} unsure",
        count(Some(true)),
        count(Some(false)),
        count(None)
    )
}
