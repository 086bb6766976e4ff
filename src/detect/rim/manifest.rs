//! The table `[rim]` of a manifest: a model that decides made or missed (pure).

use serde::Deserialize;

use crate::answer::{DecisionParameters, ODDS_AT_MOST};
use crate::detect::bundle::check::Check;
use crate::detect::bundle::error::BundleError;
use crate::detect::bundle::tensors::{CropInput, OutputTensor, PictureInput, StateTensor, Tensors};

/// Pixels of a crop's side.
const SIZES: std::ops::RangeInclusive<usize> = 8..=512;
/// Values of all states together: 64 MB a rim.
const MAX_STATE_VALUES: usize = 16 << 20;
/// Maps of a model that says where the ball is: that it is there, and that it is inside ring and net.
pub(crate) const BALL_MAPS: usize = 2;
/// Cells of a side of these maps.
const CELLS: std::ops::RangeInclusive<usize> = 4..=128;
/// What a rim model answers, in this order.
const RIM_CLASSES: [&str; 4] = ["none", "under_way", "made", "missed"];

/// What only a rim model has.
#[derive(Clone, Debug, PartialEq)]
pub struct RimTable {
    /// How its answers become a decision.
    pub decision: DecisionParameters,
    /// How what the network gives becomes an answer.
    pub says: RimSays,
}

/// What the network of a rim model gives.
#[derive(Clone, Debug, PartialEq)]
pub enum RimSays {
    /// `[rim.output]`: the answer itself, `f32[1,4]`, logits of the classes.
    Classes,
    /// `[rim.ball]`: where the ball is; a rule makes the answer of its way.
    Ball(BallTable),
}

/// How maps of the ball are read, and its way past the ring.
///
/// The output is `f32[1, 2, cells, cells]`, logits, over the crop: that the ball's middle lies in the cell,
/// and that a ball which lies there is inside ring and net.
#[derive(Clone, Debug, PartialEq)]
pub struct BallTable {
    /// Cells of a side.
    pub cells: usize,
    /// The crop's side, widths of the ring ([`CropInput::rings`]).
    pub rings: f32,
    /// Of it above the ring's top edge ([`CropInput::above`]).
    pub above: f32,
    /// A lower probability is no ball that comes; one that is followed may have half of it.
    pub least: f32,
    /// The most that its log-odds of being inside were, of the pictures since it passed the ring's plane, at
    /// which made and missed are as likely.
    pub through: f32,
    /// Log-odds of made for each of these beyond `through`; 0: the way alone decides, so whatever passes
    /// within the ring's picture is a toss-up.
    pub trust: f32,
}

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRim {
    #[serde(rename = "input", default)]
    pub(crate) inputs: Vec<CropInput>,
    pub(crate) input_dt: Option<RawName>,
    #[serde(rename = "state", default)]
    pub(crate) states: Vec<StateTensor>,
    pub(crate) output: Option<RawOutput>,
    pub(crate) ball: Option<RawBall>,
    #[serde(default)]
    pub(crate) decision: DecisionParameters,
}

/// A tensor of which only the name is free.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawName {
    name: String,
}

/// What the network says, `f32[1,4]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawOutput {
    logits: String,
    classes: Vec<String>,
}

/// Where the ball is, `f32[1,2,cells,cells]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBall {
    maps: String,
    cells: usize,
    least: f32,
    through: f32,
    trust: f32,
}

impl RawRim {
    /// Checks the table.
    pub(crate) fn checked(self, check: Check<'_>) -> Result<(RimTable, Tensors), BundleError> {
        check_inputs(check, &self.inputs)?;
        let (says, output) = match (self.output, self.ball) {
            (Some(output), None) => check_classes(check, output)?,
            (None, Some(ball)) => check_ball(check, ball, &self.inputs)?,
            (Some(_), Some(_)) => {
                let want = "a model says either classes or where the ball is: take one out";
                return Err(check.wrong_in_table("ball", "beside output", want));
            }
            (None, None) => {
                let want = format!("write [{}output], or [{0}ball]", check.table);
                return Err(check.wrong_in_table("output", "missing", &want));
            }
        };
        check_states(check, &self.states)?;
        check_decision(check, &self.decision)?;
        let tensors = Tensors {
            inputs: self.inputs.into_iter().map(PictureInput::Around).collect(),
            dt: self.input_dt.map(|dt| dt.name),
            states: self.states,
            outputs: vec![output],
        };
        Ok((RimTable { decision: self.decision, says }, tensors))
    }
}

fn check_classes(
    check: Check<'_>,
    output: RawOutput,
) -> Result<(RimSays, OutputTensor), BundleError> {
    let classes: Vec<&str> = output.classes.iter().map(String::as_str).collect();
    if classes != RIM_CLASSES {
        let want = format!("a rim model answers {RIM_CLASSES:?}, in this order");
        let found = format!("{classes:?}");
        return Err(check.wrong_in_table("output.classes", found, &want));
    }
    Ok((RimSays::Classes, OutputTensor { name: output.logits, shape: vec![1, 4] }))
}

fn check_ball(
    check: Check<'_>,
    ball: RawBall,
    inputs: &[CropInput],
) -> Result<(RimSays, OutputTensor), BundleError> {
    let [CropInput { rings, above, .. }] = *inputs else {
        let want = "its maps are over one crop: leave one [[rim.input]]";
        return Err(check.wrong_in_table("input", format!("{} crops", inputs.len()), want));
    };
    let RawBall { maps, cells, least, through, trust } = ball;
    if !CELLS.contains(&cells) {
        let want = "write the cells of a side, 4 to 128";
        return Err(check.wrong_in_table("ball.cells", cells, want));
    }
    if !(least > 0.0 && least < 1.0) {
        return Err(check.wrong_in_table("ball.least", least, "write a share, 0 to 1"));
    }
    if !(through.abs() <= 100.0) {
        return Err(check.wrong_in_table("ball.through", through, "write log-odds, -100 to 100"));
    }
    if !(0.0..=100.0).contains(&trust) {
        return Err(check.wrong_in_table("ball.trust", trust, "write 0 to 100"));
    }
    let shape = vec![1, BALL_MAPS, cells, cells];
    let table = BallTable { cells, rings, above, least, through, trust };
    Ok((RimSays::Ball(table), OutputTensor { name: maps, shape }))
}

fn check_inputs(check: Check<'_>, inputs: &[CropInput]) -> Result<(), BundleError> {
    if inputs.is_empty() {
        let want = format!("write [[{}input]] for each crop", check.table);
        return Err(check.wrong_in_table("input", "missing", &want));
    }
    for input in inputs {
        let key = |field: &str| format!("input \"{}\", {field}", input.name);
        if !SIZES.contains(&input.size) {
            let want = "write the side of the crop, 8 to 512 pixels";
            return Err(check.wrong_in_table(&key("size"), input.size, want));
        }
        if input.channels.is_empty() || input.channels.len() > 3 {
            let want = "write 1 to 3 of \"y\", \"cb\", \"cr\"";
            let found = format!("{:?}", input.channels);
            return Err(check.wrong_in_table(&key("channels"), found, want));
        }
        if !(input.rings > 0.0 && input.rings <= 100.0) {
            let want = "write the crop's side in widths of the ring, for example 3.2";
            return Err(check.wrong_in_table(&key("rings"), input.rings, want));
        }
        if !(input.above.abs() <= 100.0) {
            let want = "write the crop's part above the ring in widths of the ring";
            return Err(check.wrong_in_table(&key("above"), input.above, want));
        }
    }
    Ok(())
}

fn check_states(check: Check<'_>, states: &[StateTensor]) -> Result<(), BundleError> {
    let mut values = 0_usize;
    for state in states {
        let count = state.shape.iter().try_fold(1_usize, |all, dim| all.checked_mul(*dim));
        match count {
            Some(count) if count > 0 && !state.shape.is_empty() => {
                values = values.saturating_add(count);
            }
            _ => {
                let key = format!("state \"{}\", shape", state.input);
                let want = "write every dimension, 1 or more";
                return Err(check.wrong_in_table(&key, format!("{:?}", state.shape), want));
            }
        }
    }
    if values > MAX_STATE_VALUES {
        let want = format!("states of a rim hold at most {MAX_STATE_VALUES} values");
        return Err(check.wrong_in_table("state", format!("{values} values"), &want));
    }
    Ok(())
}

fn check_decision(check: Check<'_>, decision: &DecisionParameters) -> Result<(), BundleError> {
    let share = |value: f32| (0.0..=1.0).contains(&value);
    let wrong = |key: &str, found: f32, want: &str| Err(check.wrong_in_table(key, found, want));
    if !(0.01..=100.0).contains(&decision.temperature) {
        let want = "write 0.01 to 100; 1 leaves the logits as they are";
        return wrong("decision.temperature", decision.temperature, want);
    }
    for (key, found) in [
        ("decision.open", decision.open),
        ("decision.provisional", decision.provisional),
        ("decision.ball", decision.ball),
    ] {
        if !share(found) {
            return wrong(key, found, "write 0 to 1");
        }
    }
    if !(1..=1000).contains(&decision.open_frames) {
        let found = decision.open_frames;
        return Err(check.wrong_in_table("decision.open_frames", found, "write 1 to 1000"));
    }
    for (key, found) in [
        ("decision.final_after_ms", decision.final_after_ms),
        ("decision.early_ms", decision.early_ms),
    ] {
        if found > 10_000 {
            return Err(check.wrong_in_table(key, found, "write 0 to 10000"));
        }
    }
    for (key, found) in
        [("decision.early_odds", decision.early_odds), ("decision.unsure", decision.unsure)]
    {
        if !(0.0..=ODDS_AT_MOST).contains(&found) {
            let want = format!("write log-odds, 0 to {ODDS_AT_MOST}: no call's mean goes beyond");
            return wrong(key, found, &want);
        }
    }
    let most = ODDS_AT_MOST;
    if let Some(cut) = decision.cut.filter(|cut| !(-most..=most).contains(cut)) {
        let want = format!("write -{most} to {most}, or leave it out");
        return wrong("decision.cut", cut, &want);
    }
    Ok(())
}
