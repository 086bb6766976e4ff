//! What of the second look somebody must know, for `doctor`, and its metrics (pure).

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::event::catalogue::Code;
use crate::event::look::LookState;
use crate::event::words::LookCondition;
use crate::health::finding::Finding;

/// A price that somebody looked up longer ago is told, days (chosen: they move monthly).
const PRICE_OLD_DAYS: i64 = 60;

/// Why nobody looks again, and a price that may not hold any more. Calls go on without it, so all is advice.
pub(super) fn of_look(look: Option<&LookState>, found: &mut Vec<Finding>) {
    let Some(look) = look else { return };
    let about = format!("look {}", look.bundle);
    let why = look.reason.as_deref().unwrap_or("it says no reason");
    let told = match look.condition {
        LookCondition::Asks | LookCondition::Teaches | LookCondition::Other => None,
        LookCondition::Refused => Some((Code::LookRefused, format!("nobody looks again: {why}"))),
        LookCondition::NoConsent => {
            let text = "nobody looks again: `crops_may_leave` of [look] is off";
            Some((Code::LookNoConsent, text.to_owned()))
        }
        LookCondition::NoKey => Some((Code::LookNoKey, format!("nobody looks again: {why}"))),
        LookCondition::BreakerOpen => {
            Some((Code::LookNoAnswer, format!("its server is left alone for a while: {why}")))
        }
        LookCondition::CapReached => {
            let why = look.reason.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
            let text =
                format!("${:.2} of ${:.2} are spent today{why}", look.spent_usd, look.cap_usd);
            Some((Code::LookCapReached, text))
        }
    };
    found.extend(told.map(|(code, text)| Finding::new(&about, code, text)));
    if look.condition != LookCondition::Refused && look.price_age_days > PRICE_OLD_DAYS {
        let (date, days) = (&look.price_date, look.price_age_days);
        let text = format!("its price is of {date}, {days} days ago");
        #[expect(clippy::cast_precision_loss, reason = "days, for a figure")]
        found.push(Finding::new(&about, Code::LookPriceOld, text).with("age_days", days as f64));
    }
}

/// Its counters and gauges; none where nobody looks again.
pub(super) fn encode(
    look: Option<&LookState>,
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), fmt::Error> {
    let Some(look) = look else { return Ok(()) };
    let (gauge, counter) =
        (ConstGauge::new(0_u64).metric_type(), ConstCounter::new(0_u64).metric_type());
    let mut by = |name: &str, help: &str, label: &str, counts: &BTreeMap<String, u64>| {
        let mut family = encoder.encode_descriptor(name, help, None, counter)?;
        for (word, count) in counts {
            let labels = [(label, word.as_str())];
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
        Ok::<(), fmt::Error>(())
    };
    by("look_asked", "Attempts that a second look was asked about, by why", "why", &look.asked)?;
    by("look_said", "Answers of the second look, by what they say", "call", &look.said)?;
    by("look_failed", "Questions that came to nothing, by why", "reason", &look.failed)?;
    let help = "Attempts worth a second look that were not asked, by why";
    by("look_not_asked", help, "reason", &look.not_asked)?;
    let help = "Answers by which a call became another one";
    let family = encoder.encode_descriptor("look_changed", help, None, counter)?;
    ConstCounter::new(look.changed).encode(family)?;
    let help = "Spent or reserved for second looks today, UTC";
    let family = encoder.encode_descriptor("look_spent_dollars", help, None, gauge)?;
    ConstGauge::new(look.spent_usd).encode(family)?;
    let family = encoder.encode_descriptor("look_cap_dollars", "The most of a day", None, gauge)?;
    ConstGauge::new(look.cap_usd).encode(family)?;
    let help = "1 while nobody is asked, since nobody answers";
    let family = encoder.encode_descriptor("look_breaker_open", help, None, gauge)?;
    let open = look.condition == LookCondition::BreakerOpen;
    ConstGauge::new(u64::from(open)).encode(family)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Foreign;

    fn look(condition: LookCondition) -> LookState {
        let reason = Some(Foreign::told("no answer"));
        LookState { bundle: Foreign::name("hosted-x"), condition, reason, ..LookState::default() }
    }

    #[test]
    fn each_reason_why_nobody_looks_again_is_advice_and_one_that_works_is_none() {
        for (condition, code) in [
            (LookCondition::Asks, None),
            (LookCondition::Teaches, None),
            (LookCondition::Refused, Some(Code::LookRefused)),
            (LookCondition::NoConsent, Some(Code::LookNoConsent)),
            (LookCondition::NoKey, Some(Code::LookNoKey)),
            (LookCondition::BreakerOpen, Some(Code::LookNoAnswer)),
            (LookCondition::CapReached, Some(Code::LookCapReached)),
        ] {
            let mut found = Vec::new();
            of_look(Some(&look(condition)), &mut found);
            assert_eq!(found.iter().map(|one| one.code).next(), code, "{condition}");
            assert!(found.len() <= 1);
        }
        let mut found = Vec::new();
        of_look(None, &mut found);
        assert_eq!(found, []);
    }

    #[test]
    fn a_price_is_old_after_sixty_days() {
        for (price_age_days, expected) in [(60, 0), (61, 1), (-3, 0)] {
            let mut found = Vec::new();
            let told = LookState { price_age_days, ..look(LookCondition::Asks) };
            of_look(Some(&told), &mut found);
            assert_eq!(found.len(), expected, "{price_age_days}");
            assert!(found.iter().all(|one| one.code == Code::LookPriceOld));
        }
    }
}
