//! The ways of the ball past all rims of a court, in the pictures of one size and session.

use crate::answer::RimProbabilities;
use crate::detect::rim::ball::rule::{self, Way};
use crate::detect::rim::ball::spots::spots;
use crate::detect::rim::manifest::BallTable;
use crate::detect::task::{AnswerError, Looked};
use crate::media::{MediaTime, RimBox, SessionId};

/// One court's.
pub(crate) struct Passes {
    table: BallTable,
    /// A way a rim, in the order of the views.
    rims: Vec<Pass>,
}

struct Pass {
    rim: RimBox,
    way: Way,
    /// The last picture that it was told of.
    last: Option<(SessionId, MediaTime)>,
}

impl Passes {
    /// Nothing is placed yet.
    pub(crate) fn new(table: &BallTable) -> Self {
        Self { table: table.clone(), rims: Vec::new() }
    }

    /// The rims are there from now on; what was seen elsewhere is of no use.
    pub(crate) fn place(&mut self, rims: &[RimBox]) {
        let pass = |rim: &RimBox| Pass { rim: *rim, way: Way::default(), last: None };
        self.rims = rims.iter().map(pass).collect();
    }

    /// What the network said of view `view`, as an answer.
    ///
    /// # Errors
    /// [`AnswerError`]: it is none.
    pub(crate) fn said(
        &mut self,
        view: usize,
        looked: &Looked<'_>,
        maps: &[f32],
    ) -> Result<RimProbabilities, AnswerError> {
        let Some(pass) = self.rims.get_mut(view) else {
            return Err(AnswerError::Count { count: view, wanted: self.rims.len() });
        };
        let seen = spots(maps, &self.table, pass.rim)?;
        let (session, pts) = (looked.frame.session, looked.pts);
        // Another run of timestamps, or a time that lies back: nothing goes on from what was.
        let goes_on = pass.last.is_some_and(|(known, last)| known == session && last < pts);
        if !goes_on || looked.warming {
            pass.way = Way::default();
        }
        pass.last = Some((session, pts));
        let half = pass.rim.h / pass.rim.w / 2.0;
        let (way, says) = rule::step(pass.way, pts, &seen, half, &self.table);
        pass.way = way;
        Ok(says)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::detect::rim::ball::spots::Spot;
    use crate::media::{ChromaLayout, CourtId, CpuPicture, Frame, Monotonic, Pixels, Plane};

    /// Nobody looks at its pixels.
    #[derive(Debug)]
    struct Blind;

    impl CpuPicture for Blind {
        fn chroma(&self) -> ChromaLayout {
            ChromaLayout::I420
        }
        fn plane(&self, _: usize) -> Option<Plane<'_>> {
            None
        }
    }

    fn frame(session: u64) -> Frame {
        Frame {
            court: CourtId::new("north").expect("name"),
            session: SessionId::from_bits(session),
            pts: MediaTime::ZERO,
            width: 64,
            height: 48,
            arrival: Monotonic::ZERO,
            decoded: Monotonic::ZERO,
            pixels: Pixels::Cpu(Box::new(Blind)),
        }
    }

    fn table(least: f32, through: f32, trust: f32) -> BallTable {
        BallTable { cells: 8, rings: 4.0, above: 1.5, least, through, trust }
    }

    fn vectors() -> serde_json::Value {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/ballnet/testdata/rule.json");
        serde_json::from_str(&std::fs::read_to_string(path).expect("testdata")).expect("JSON")
    }

    fn numbers(value: &serde_json::Value) -> Vec<f32> {
        value.as_array().expect("a list").iter().map(number).collect()
    }

    fn number(value: &serde_json::Value) -> f32 {
        value.as_f64().expect("a number") as f32
    }

    fn near(found: &[f32], wanted: &[f32]) -> bool {
        found.len() == wanted.len() && found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-3)
    }

    /// What was tuned in Python is what the box does.
    #[test]
    fn the_rule_answers_as_its_training_side_does() {
        let told = vectors();
        let ways = told["ways"].as_array().expect("ways");
        assert!(ways.len() >= 20);
        for (n, case) in ways.iter().enumerate() {
            let by = table(0.35, number(&case["through"]), number(&case["trust"]));
            let mut way = Way::default();
            for picture in case["pictures"].as_array().expect("pictures") {
                let spot = |spot: &serde_json::Value| {
                    let &[across, below, score, inside] = &*numbers(spot) else { panic!("{spot}") };
                    Spot { across, below, score, inside }
                };
                let seen: Vec<Spot> =
                    picture["spots"].as_array().expect("spots").iter().map(spot).collect();
                let ms = picture["ms"].as_i64().expect("ms");
                let at = MediaTime::from_millis(ms);
                let (next, p) = rule::step(way, at, &seen, number(&case["half"]), &by);
                way = next;
                let (found, wanted) =
                    ([p.none, p.under_way, p.made, p.missed], numbers(&picture["says"]));
                assert!(near(&found, &wanted), "way {n} at {ms} ms: {found:?} {wanted:?}");
            }
        }
    }

    #[test]
    fn balls_are_found_as_the_training_side_finds_them() {
        for case in vectors()["seen"].as_array().expect("maps") {
            let rim = RimBox { x: 10.0, y: 10.0, w: 20.0, h: 40.0 * number(&case["half"]) };
            let found = spots(&numbers(&case["maps"]), &table(0.35, 0.0, 1.0), rim).expect("maps");
            let wanted = case["spots"].as_array().expect("spots");
            assert_eq!(found.len(), wanted.len());
            for (spot, wanted) in found.iter().zip(wanted) {
                let found = [spot.across, spot.below, spot.score, spot.inside];
                assert!(near(&found, &numbers(wanted)), "{spot:?} {wanted}");
            }
        }
    }

    /// Maps with a ball in the row `row` of the middle column.
    fn ball_in(row: usize) -> Vec<f32> {
        let mut maps = vec![-6.0; 128];
        maps[row * 8 + 4] = 4.0;
        maps[64..].fill(3.0);
        maps
    }

    /// One that was above the ring before a cut, a jump of the clock or another size has not gone through
    /// when one is seen below it afterwards.
    #[test]
    fn nothing_goes_on_from_another_session_or_a_time_that_lies_back() {
        let rim = RimBox { x: 10.0, y: 10.0, w: 20.0, h: 6.0 };
        let ends_as = |second_session: u64, second_ms: i64, warming: bool, anew: bool| {
            let mut passes = Passes::new(&table(0.35, 0.0, 1.0));
            passes.place(&[rim]);
            let mut last = None;
            for (session, ms, row, warming) in [
                (1, 1_000, 1, false),
                (1, 1_066, 2, false),
                (second_session, second_ms, 4, warming),
                (second_session, second_ms + 66, 6, false),
            ] {
                if anew && ms == second_ms && row == 4 {
                    passes.place(&[rim]);
                }
                let frame = frame(session);
                let pts = MediaTime::from_millis(ms);
                let looked = Looked { frame: &frame, pts, warming, answered: Monotonic::ZERO };
                last = Some(passes.said(0, &looked, &ball_in(row)).expect("maps"));
            }
            last.expect("answers")
        };
        assert!(ends_as(1, 1_132, false, false).made > 0.8);
        assert!(ends_as(2, 1_132, false, false).none > 0.8);
        assert!(ends_as(1, 500, false, false).none > 0.8);
        assert!(ends_as(1, 1_132, true, false).none > 0.8);
        assert!(ends_as(1, 1_132, false, true).none > 0.8);
    }

    #[test]
    fn a_view_that_is_not_placed_is_no_answer() {
        let mut passes = Passes::new(&table(0.35, 0.0, 1.0));
        let frame = frame(1);
        let (pts, answered) = (MediaTime::ZERO, Monotonic::ZERO);
        let looked = Looked { frame: &frame, pts, warming: false, answered };
        assert!(passes.said(0, &looked, &ball_in(1)).is_err());
    }
}
