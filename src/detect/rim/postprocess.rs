//! Logits → probabilities. What is no number is an error, not an answer (DESIGN §5.6).

use crate::answer::RimProbabilities;
use crate::detect::task::AnswerError;

/// Logits beyond this are no network's opinion but a broken one: softmax is exact far below it.
const MAX_LOGIT: f32 = 1e4;

/// Returns the softmax of `logits / temperature`, in the order none, under way, made, missed.
///
/// # Errors
/// [`AnswerError`] when a logit is NaN, infinite or out of range, or their number is wrong.
pub(crate) fn rim_probabilities(
    logits: &[f32],
    temperature: f32,
) -> Result<RimProbabilities, AnswerError> {
    for (index, value) in logits.iter().copied().enumerate() {
        if value.is_nan() {
            return Err(AnswerError::NotANumber { index });
        }
        if value.abs() > MAX_LOGIT {
            return Err(AnswerError::OutOfRange { index, value });
        }
    }
    let &[none, under_way, made, missed] = logits else {
        return Err(AnswerError::Count { count: logits.len(), wanted: 4 });
    };
    let highest = none.max(under_way).max(made).max(missed);
    let power = |logit: f32| ((logit - highest) / temperature).exp();
    let [none, under_way, made, missed] = [none, under_way, made, missed].map(power);
    let sum = none + under_way + made + missed;
    Ok(RimProbabilities {
        none: none / sum,
        under_way: under_way / sum,
        made: made / sum,
        missed: missed / sum,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_number_is_an_error() {
        let broken = |logits: &[f32]| rim_probabilities(logits, 1.0).expect_err("broken");
        let nan = broken(&[0.0, f32::NAN, 0.0, 0.0]);
        assert_eq!(nan, AnswerError::NotANumber { index: 1 });
        let infinite = broken(&[0.0, 0.0, f32::INFINITY, 0.0]);
        assert_eq!(infinite, AnswerError::OutOfRange { index: 2, value: f32::INFINITY });
        assert_eq!(broken(&[0.0; 3]), AnswerError::Count { count: 3, wanted: 4 });
    }

    #[test]
    fn temperature_softens() {
        let sharp = rim_probabilities(&[0.0, 0.0, 2.0, 0.0], 1.0).expect("numbers");
        let soft = rim_probabilities(&[0.0, 0.0, 2.0, 0.0], 4.0).expect("numbers");
        assert!(sharp.made > soft.made && soft.made > 0.25);
        assert!((sharp.made - 2.0f32.exp() / (2.0f32.exp() + 3.0)).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn probabilities_sum_to_one(
            logits in proptest::array::uniform4(-1e4f32..1e4),
            temperature in 0.01f32..50.0,
        ) {
            let p = rim_probabilities(&logits, temperature).expect("numbers");
            let all = [p.none, p.under_way, p.made, p.missed];
            prop_assert!(all.iter().all(|p| (0.0..=1.0).contains(p)));
            prop_assert!((all.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }
}
