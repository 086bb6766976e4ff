//! What must hold of stream items, whatever came in.

use courtside::ingest::StreamAssembler;
use courtside::media::{CourtId, SessionId, StreamItem};

/// An assembler whose sessions count from 1.
pub(crate) fn assembler() -> StreamAssembler {
    let court = CourtId::new("a").expect("a name");
    let mut session = 0;
    let ids = move || {
        session += 1;
        SessionId::from_bits(session)
    };
    StreamAssembler::new(court, String::new(), None, Box::new(ids))
}

/// What must hold of items, whatever came in.
pub(crate) fn check(items: &[StreamItem]) {
    let mut open = None;
    let mut last = None;
    for item in items {
        match item {
            StreamItem::Opened(info) => {
                assert_eq!(open, None, "a session opens before the last one closed");
                open = Some(info.session);
                last = None;
            }
            StreamItem::Closed { session, .. } => {
                assert_eq!(open, Some(*session));
                open = None;
            }
            StreamItem::Video(unit) => {
                assert_eq!(open, Some(unit.session));
                let next = last.map_or((0, unit.dts), |(sequence, _)| (sequence + 1, unit.dts));
                assert_eq!(unit.sequence, next.0);
                assert!(last.is_none_or(|(_, dts)| dts < unit.dts), "time runs backwards");
                last = Some(next);
                let mut rest = &unit.data[..];
                while !rest.is_empty() {
                    let (length, after) = rest.split_first_chunk::<4>().expect("a length");
                    rest = after.get(u32::from_be_bytes(*length) as usize..).expect("a NAL unit");
                }
            }
            StreamItem::Sound { session, .. } => assert_eq!(open, Some(*session)),
            StreamItem::Audio(unit) => assert_eq!(open, Some(unit.session)),
            StreamItem::Wall(wall) => assert_eq!(open, Some(wall.session)),
        }
    }
}
