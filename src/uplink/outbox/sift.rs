//! Records in bytes of which nobody knows what they are (pure): a store whose pages lead nowhere any more.
//!
//! A record proves itself: it begins with its checksum, which is of all that follows up to the end of its data, and
//! says at which position it stands. So each whose own bytes are intact is found, whatever became of those
//! round it. What is believed is what was written: records of before there were checksums are not found.
//!
//! A store's file keeps bytes of what it let go, too: of events that were acknowledged and forgotten, which go out
//! again under their own ids, and of a commit that was cut. Of two records of one position the later decision stands.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;

use crate::uplink::outbox::record::{DecidedWhen, Record, SUM};

/// No record is longer: an event and its clip's order take some thousand bytes.
pub(super) const RECORD_MOST: usize = 1 << 20;

/// Adds to `found` every record that lies whole in `bytes`, by its position.
pub(super) fn sift(bytes: &[u8], found: &mut BTreeMap<u64, Record>) {
    let mark = SUM.as_bytes();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..) {
        let Some(begins) = rest.windows(mark.len()).position(|part| part == mark) else { return };
        let rest = rest.get(begins..).unwrap_or_default();
        at += begins;
        match record(rest.get(..rest.len().min(RECORD_MOST)).unwrap_or_default()) {
            Some((record, len)) => {
                at += len;
                keep(record, found);
            }
            None => at += mark.len(),
        }
    }
}

/// The record that `bytes` begin with, and how long it is.
fn record(bytes: &[u8]) -> Option<(Record, usize)> {
    // No text in a header has a line feed that is not written as two characters.
    let header = bytes.iter().position(|byte| *byte == b'\n')?;
    let data = bytes.get(header + 1..)?;
    let mut values = serde_json::Deserializer::from_slice(data).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    let len = header + 1 + values.byte_offset();
    Some((Record::decode(bytes.get(..len)?).ok()?, len))
}

fn keep(record: Record, found: &mut BTreeMap<u64, Record>) {
    let position = record.header.position;
    let is_later = |known: &Record| is_later(&record.header.decided, &known.header.decided);
    if found.get(&position).is_none_or(is_later) {
        found.insert(position, record);
    }
}

/// False where nobody can tell.
fn is_later(one: &DecidedWhen, other: &DecidedWhen) -> bool {
    if one.boot == other.boot {
        return one.monotonic_ns > other.monotonic_ns;
    }
    one.utc_ns.zip(other.utc_ns).is_some_and(|(one, other)| one > other)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::uplink::outbox::samples::{at, event, made, score};

    /// Records of positions from 1 on.
    fn records(n: u32) -> Vec<Record> {
        let events =
            (1..=n).map(|n| event("a", n, 0, if n % 3 == 0 { score(n) } else { made(false) }));
        let mut records = at(events, Some(1_000)).append;
        for (record, position) in records.iter_mut().zip(1..) {
            (record.header.position, record.header.sequence) = (position, position);
        }
        records
    }

    #[test]
    fn of_two_of_one_position_the_later_decision_stands() {
        let first = records(1).remove(0);
        let mut second = first.clone();
        second.data = b"{\"later\":1}".to_vec();
        second.header.decided.monotonic_ns += 1;
        let mut other_boot = first.clone();
        other_boot.data = b"{\"boot\":2}".to_vec();
        other_boot.header.decided =
            DecidedWhen { boot: "next".into(), monotonic_ns: 0, utc_ns: Some(2_000) };
        for (one, other, stands) in [
            (&first, &second, &second),
            (&second, &first, &second),
            (&first, &other_boot, &other_boot),
        ] {
            let bytes = [one.encode().expect("JSON"), other.encode().expect("JSON")].concat();
            let mut found = BTreeMap::new();
            sift(&bytes, &mut found);
            assert_eq!(found.into_values().collect::<Vec<_>>(), std::slice::from_ref(stands));
        }
    }

    proptest! {
        /// Whatever pages were zeroed or are noise: each record whose bytes are intact is found as it was, and
        /// nothing else is.
        #[test]
        fn every_record_that_is_intact_is_found_and_nothing_else(
            gaps in prop::collection::vec(0_usize..700, 12),
            harmed in prop::collection::vec((0_usize..12, any::<bool>()), 0..6),
            page in prop::sample::select(vec![64_usize, 512, 4096]),
            seed in any::<u64>(),
        ) {
            let all = records(12);
            let mut state = seed | 1;
            let mut noise = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            };
            let (mut bytes, mut places) = (Vec::new(), Vec::new());
            for (record, gap) in all.iter().zip(gaps) {
                bytes.extend(std::iter::repeat_with(&mut noise).take(gap));
                let encoded = record.encode().expect("JSON");
                places.push(bytes.len()..bytes.len() + encoded.len());
                bytes.extend(encoded);
            }
            let was = bytes.clone();
            for (n, zeroed) in harmed {
                let begins = n * page;
                for byte in bytes.iter_mut().skip(begins).take(page) {
                    *byte = if zeroed { 0 } else { noise() };
                }
            }
            let mut found = BTreeMap::new();
            sift(&bytes, &mut found);
            let intact: Vec<&Record> = all
                .iter()
                .zip(places)
                .filter(|(_, place)| bytes[place.clone()] == was[place.clone()])
                .map(|(record, _)| record)
                .collect();
            prop_assert_eq!(found.values().collect::<Vec<_>>(), intact);
        }

        /// Bytes from anywhere never panic, and are no record.
        #[test]
        fn whatever_bytes_there_are_none_of_them_is_taken_for_a_record(
            mut bytes in prop::collection::vec(any::<u8>(), 0..600),
            at in 0_usize..600,
        ) {
            let at = at.min(bytes.len());
            bytes.splice(at..at, b"{\"sum\":\"00000000\",\"position\":1}\n{}".iter().copied());
            let mut found = BTreeMap::new();
            sift(&bytes, &mut found);
            prop_assert!(found.is_empty());
        }
    }
}
