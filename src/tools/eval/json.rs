//! What `eval --json` prints. Shares are 0 to 1, times seconds; null where there is nothing to tell.

use serde_json::{Map, Value, json};

use crate::tools::eval::score::{Score, by_court, clopper_pearson, paired, percentile, real};
use crate::tools::eval::strata::Stratum;
use crate::tools::eval::table::{SHARES, Table};

/// Every bundle, each against the first, and what gates and promotion say.
pub(super) fn json(
    tables: &[Table],
    broken: &[String],
    verdict: Option<&Result<String, String>>,
) -> Value {
    let pairs: Vec<Value> = tables
        .split_first()
        .map(|(first, rest)| rest.iter().map(|other| pair(first, other)).collect())
        .unwrap_or_default();
    json!({
        "bundles": tables.iter().map(bundle).collect::<Vec<_>>(),
        "pairs": pairs,
        "broken": broken,
        "promote": verdict.map(|verdict| json!({
            "may": verdict.is_ok(),
            "why": match verdict { Ok(why) | Err(why) => why },
        })),
    })
}

fn pair(first: &Table, other: &Table) -> Value {
    let pair = paired(&first.total(), &other.total());
    json!({
        "first": first.title(), "second": other.title(),
        "only_first": pair.only_first, "only_second": pair.only_second, "p": pair.p,
    })
}

fn bundle(table: &Table) -> Value {
    let total = table.total();
    let [all, called] = table.by_court();
    let [clips, streams] = &table.cuts;
    let cut = |score: &Score| (score.videos > 0).then(|| numbers(score));
    let strata: Map<String, Value> = table
        .strata
        .dimensions()
        .map(|(key, _, strata)| (key.to_owned(), strata.iter().map(stratum).collect()))
        .collect();
    let courts = table.courts.iter().map(|(court, score)| {
        let mut row = numbers(score);
        row.insert("court".to_owned(), json!(court));
        row
    });
    let mut whole = numbers(&total);
    let more = json!({
        "name": table.name,
        "version": table.version,
        "precision": table.precision,
        "engine": table.engine,
        "trained_on": table.seen(),
        "n_courts": all.courts,
        "low_by_court": all.interval.map(|(low, _)| low),
        "high_by_court": all.interval.map(|(_, high)| high),
        "called_n_courts": called.courts,
        "called_low_by_court": called.interval.map(|(low, _)| low),
        "called_high_by_court": called.interval.map(|(_, high)| high),
        "false_events_per_hour": total.false_per_hour(),
        "ms_per_frame": table.ms_per_frame,
        "clips_held_s": table.held.then_some(1.0),
        "narrow_attempts": table.narrow,
        "courts": courts.collect::<Vec<_>>(),
        "clips": cut(clips),
        "streams": cut(streams),
        "strata": strata,
        "coverage": coverage(&total),
    });
    if let Value::Object(more) = more {
        whole.extend(more);
    }
    Value::Object(whole)
}

fn stratum(stratum: &Stratum) -> Value {
    let total = stratum.total();
    let (n, right) = (total.attempts(), total.right());
    let (low, high) = clopper_pearson(right, n);
    let by_court = by_court(stratum.courts.values().map(|score| (score.right(), score.attempts())));
    json!({
        "stratum": stratum.name,
        "n": n,
        "right": right,
        "accuracy": real(right) / real(n).max(1.0),
        "low": low,
        "high": high,
        "n_courts": by_court.courts,
        "low_by_court": by_court.interval.map(|(low, _)| low),
        "high_by_court": by_court.interval.map(|(_, high)| high),
        "false_makes": total.false_makes(),
        "lost_makes": total.lost_makes(),
        "unsure": total.unsure(),
    })
}

fn coverage(total: &Score) -> Vec<Value> {
    let cuts = total.coverage(&SHARES);
    let row = |cut: &crate::tools::eval::score::Coverage| {
        let (low, high) = clopper_pearson(cut.right, cut.called);
        json!({
            "share": cut.share,
            "odds": cut.odds,
            "abstained": cut.abstained,
            "n": cut.called,
            "right": cut.right,
            "accuracy": (cut.called > 0).then(|| real(cut.right) / real(cut.called)),
            "low": low,
            "high": high,
        })
    };
    cuts.iter().map(row).collect()
}

fn numbers(score: &Score) -> Map<String, Value> {
    let (n, right, called) = (score.attempts(), score.right(), score.called());
    let (low, high) = clopper_pearson(right, n);
    let (called_low, called_high) = clopper_pearson(right, called);
    let [made, missed] = score.confusion();
    let (first, last) = (score.first_delays(), score.final_delays());
    let share = |k: usize, of: usize| (of > 0).then(|| real(k) / real(of));
    let numbers = json!({
        "videos": score.videos,
        "n": n,
        "found": score.found(),
        "found_share": share(score.found(), n),
        "right": right,
        "accuracy": share(right, n),
        "low": low,
        "high": high,
        "unsure": score.unsure(),
        "unsure_share": share(score.unsure(), n),
        "called": called,
        "called_accuracy": share(right, called),
        "called_low": called_low,
        "called_high": called_high,
        "false_makes": score.false_makes(),
        "lost_makes": score.lost_makes(),
        "confusion": {"made": made, "missed": missed, "columns": ["made", "missed", "unsure", "not_called"]},
        "made_precision": score.made_precision(),
        "auc": score.auc(),
        "calibration_error": score.calibration_error(),
        "false_events": score.false_events,
        "first_p50_s": percentile(&first, 50),
        "first_p95_s": percentile(&first, 95),
        "final_p50_s": percentile(&last, 50),
        "final_p95_s": percentile(&last, 95),
    });
    match numbers {
        Value::Object(numbers) => numbers,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::eval::score::{Call, judge};
    use crate::tools::eval::strata::Facts;
    use crate::tools::eval::truth::Attempt;

    #[test]
    fn a_bundle_says_what_scripts_ask_for() {
        let attempt = |t_rim, made, doubtful| Attempt {
            t_rim,
            t_truth: t_rim + 0.1,
            made,
            doubtful,
            ring_px: Some(16.0),
            ..Attempt::default()
        };
        let truth = [
            attempt(1.0, true, false),
            attempt(5.0, false, false),
            attempt(9.0, true, false),
            attempt(13.0, true, false),
            attempt(17.0, true, true),
        ];
        let call = |t, made, confidence| Call { t, told: t, decided: t + 0.3, made, confidence };
        let calls = [
            call(1.0, Some(true), 0.9),
            call(5.0, Some(true), 0.6),
            call(9.0, None, 0.5),
            call(17.0, Some(false), 0.9),
        ];
        let (score, _) = judge(&truth, &calls);
        let facts = Facts { fps: Some(15.0), ..Facts::default() };
        let mut table = Table::of("rimnet", "int8", "A", score.clone());
        table.strata.take(&facts, &score.judged);
        let told = json(&[table], &[], None);
        let bundle = &told["bundles"][0];
        for (key, value) in [
            ("name", json!("rimnet")),
            ("precision", json!("int8")),
            ("n", json!(4)),
            ("accuracy", json!(0.25)),
            ("unsure", json!(1)),
            ("unsure_share", json!(0.25)),
            ("called", json!(2)),
            ("called_accuracy", json!(0.5)),
            ("false_makes", json!(1)),
            ("lost_makes", json!(0)),
            ("found", json!(3)),
            ("clips_held_s", Value::Null),
        ] {
            assert_eq!(bundle[key], value, "{key}");
        }
        let ring = &bundle["strata"]["ring_px"][0];
        assert_eq!((&ring["stratum"], &ring["n"]), (&json!("14–18"), &json!(4)));
        assert_eq!((&ring["right"], &ring["false_makes"]), (&json!(1), &json!(1)));
        assert_eq!(bundle["strata"]["fps"][0]["stratum"], "< 20");
        assert_eq!(bundle["strata"]["mbit_s"][0]["stratum"], "not said");
        // Of two calls a fifth is none, a half would be the wrong one.
        assert_eq!(bundle["coverage"][0]["n"], 2);
        assert_eq!(bundle["coverage"].as_array().map(Vec::len), Some(SHARES.len()));
    }
}
