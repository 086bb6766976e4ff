//! What is wrong with the box's own image, for `doctor` (pure).

use crate::event::catalogue::Code;
use crate::event::update::UpdateState;
use crate::event::words::UpdateStep;
use crate::health::finding::Finding;

/// A trial, a way back, and an update that was not installed: until the next one is ordered.
pub(super) fn of_update(update: &UpdateState, found: &mut Vec<Finding>) {
    let to = update.to.as_deref().unwrap_or("the new image");
    let why = update.reason.as_deref().unwrap_or("its reason is not known");
    let (code, text) = match update.step {
        UpdateStep::FallenBack => {
            (Code::UpdateFellBack, format!("the box went back from {to}: {why}"))
        }
        UpdateStep::Failed => (Code::UpdateFailed, format!("{to} was not installed: {why}")),
        UpdateStep::Trial => (Code::UpdateTrial, format!("{to} is on trial: {why}")),
        _ => return,
    };
    found.push(Finding::new("update", code, text));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Foreign;

    #[test]
    fn what_went_back_is_a_fault_and_what_goes_on_is_none() {
        let codes = |step| {
            let reason = Some(Foreign::told("the broker was not reached"));
            let mut found = Vec::new();
            of_update(&UpdateState { step, reason, ..UpdateState::default() }, &mut found);
            found.into_iter().map(|finding| finding.code).collect::<Vec<_>>()
        };
        assert_eq!(codes(UpdateStep::FallenBack), [Code::UpdateFellBack]);
        assert_eq!(codes(UpdateStep::Failed), [Code::UpdateFailed]);
        assert_eq!(codes(UpdateStep::Trial), [Code::UpdateTrial]);
        for well in [UpdateStep::Idle, UpdateStep::Fetching, UpdateStep::Good] {
            assert_eq!(codes(well), []);
        }
    }
}
