//! Lines of the ring's two indexes: any bytes, and the same bytes behind right checksums.

use courtside::clips::{Clip, ClipRecord, SegmentRecord, line, lines};

/// What was read is written as it stood, up to the order of what JSON leaves open.
macro_rules! again {
    ($record:ty, $data:expr) => {
        let read = lines::<$record>($data);
        assert!(read.good <= $data.len());
        let records: Vec<$record> = read.records.into_iter().map(|(record, _)| record).collect();
        let again: Vec<u8> = records.iter().flat_map(line).collect();
        assert!(lines::<$record>(&again).records.into_iter().map(|(record, _)| record).eq(records));
    };
}

/// Reads `data` as either index, as an entry, and as the text of one line.
pub(crate) fn run(data: &[u8]) {
    again!(SegmentRecord, data);
    again!(ClipRecord, data);
    // Behind a checksum that is right the fuzzer would never come by itself.
    if let Ok(json) = std::str::from_utf8(data)
        && let Ok(value) = serde_json::from_str::<serde_json::Value>(json)
    {
        let sealed = line(&value);
        let _read = lines::<SegmentRecord>(&sealed);
        let _read = lines::<ClipRecord>(&sealed);
    }
    if let Some(clip) = Clip::from_json(data) {
        // Written, an entry of an older format is brought forward: once, and nothing that it says
        // is lost.
        let known = |clip: &Clip| serde_json::to_value(clip).ok();
        let written = clip.to_json();
        let again = Clip::from_json(&written);
        assert_eq!(again.as_ref().and_then(known), known(&clip));
        assert_eq!(again.map(|again| again.to_json()), Some(written));
    }
}
