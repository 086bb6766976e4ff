//! Lines of the ring's two indexes: any bytes, and the same bytes behind right checksums.

use courtside::clips::{Clip, ClipRecord, SegmentRecord, line, lines};

/// Reads `data` as either index, as an entry, and as the text of one line.
pub(crate) fn run(data: &[u8]) {
    let (segments, read) = lines::<SegmentRecord>(data);
    assert!(read <= data.len());
    // What was read is written as it stood, up to the order of what JSON leaves open.
    let again: Vec<u8> = segments.iter().flat_map(line).collect();
    assert_eq!(lines::<SegmentRecord>(&again).0, segments);
    let (clips, read) = lines::<ClipRecord>(data);
    assert!(read <= data.len());
    let again: Vec<u8> = clips.iter().flat_map(line).collect();
    assert_eq!(lines::<ClipRecord>(&again).0, clips);
    // Behind a checksum that is right the fuzzer would never come by itself.
    if let Ok(json) = std::str::from_utf8(data)
        && let Ok(value) = serde_json::from_str::<serde_json::Value>(json)
    {
        let sealed = line(&value);
        let _read = lines::<SegmentRecord>(&sealed);
        let _read = lines::<ClipRecord>(&sealed);
    }
    if let Some(clip) = Clip::from_json(data) {
        assert_eq!(Clip::from_json(&clip.to_json()), Some(clip));
    }
}
