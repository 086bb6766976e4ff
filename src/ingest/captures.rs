//! Recorded publishers, replayed: whole, byte by byte and at random splits they give the same.
//! `tests/data/README.md` says how they were made.

use proptest::prelude::*;

use crate::ingest::stream::StreamAssembler;
use crate::media::{CloseReason, Codec, CourtId, Monotonic, SessionId, StreamItem};
use crate::rtmp::session::{Event, ServerSession};

struct Capture {
    name: &'static str,
    bytes: &'static [u8],
    encoder: &'static str,
    b_frames: bool,
}

const CAPTURES: [Capture; 3] = [
    Capture {
        name: "ffmpeg",
        bytes: include_bytes!("../../tests/data/ffmpeg-5.1.9/publish.rtmp"),
        encoder: "Lavf59.27.100",
        b_frames: true,
    },
    Capture {
        name: "rtmp2sink",
        bytes: include_bytes!("../../tests/data/gstreamer-rtmp2sink-1.22.0/publish.rtmp"),
        encoder: "GStreamer 1.22.0 FLV muxer",
        b_frames: false,
    },
    Capture {
        name: "librtmp",
        bytes: include_bytes!("../../tests/data/librtmp-2.4/publish.rtmp"),
        encoder: "GStreamer 1.22.0 FLV muxer",
        b_frames: false,
    },
];

/// What a box would have delivered, had the bytes come in these pieces.
fn replay<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<StreamItem> {
    let mut session = ServerSession::new(1);
    let mut assembler = None;
    let mut items = Vec::new();
    for piece in pieces {
        let mut input = piece;
        while let Some(event) = session.next(&mut input).unwrap() {
            match event {
                Event::Publish { key } => {
                    assert!(key.starts_with("key-"), "{key}");
                    session.accept();
                    assembler = Some(StreamAssembler::new(
                        CourtId::new("a").unwrap(),
                        "peer".to_owned(),
                        None,
                        Box::new(|| SessionId::from_bits(7)),
                    ));
                }
                Event::Media(message) => {
                    let assembler = assembler.as_mut().unwrap();
                    assembler.media(&message, Monotonic::ZERO, &mut items).unwrap();
                }
                Event::Data { message, name, values } => {
                    let assembler = assembler.as_mut().unwrap();
                    assembler.data(message.timestamp, &name, &values, &mut items);
                }
                Event::Unpublished => {
                    assembler.as_mut().unwrap().close(CloseReason::Ended, &mut items);
                }
                Event::Connected { .. } => {}
                Event::Refused(refusal) => panic!("{refusal:?}"),
            }
        }
        assert!(input.is_empty());
        session.output().clear();
    }
    items
}

#[test]
fn every_picture_of_every_publisher_comes_out() {
    for Capture { name, bytes, encoder, b_frames } in CAPTURES {
        let items = replay(std::iter::once(bytes));
        let StreamItem::Opened(info) = &items[0] else { panic!("{name}: {:?}", items[0]) };
        assert_eq!(info.encoder.as_deref(), Some(encoder), "{name}");
        let closed = matches!(items.last(), Some(StreamItem::Closed { .. }));
        assert!(closed, "{name} says goodbye");
        let pictures: Vec<_> = items
            .iter()
            .filter_map(|item| match item {
                StreamItem::Video(unit) => Some(unit),
                _ => None,
            })
            .collect();
        assert_eq!(pictures.len(), 40, "{name}");
        assert!(pictures[0].key && pictures[15].key, "{name}: a key picture every 15");
        assert_eq!(pictures.iter().any(|unit| unit.b_slices), b_frames, "{name}");
        assert_eq!(pictures.iter().any(|unit| unit.pts > unit.dts), b_frames, "{name}");
        let parameters = &pictures[0].parameters;
        assert_eq!((parameters.codec, parameters.width, parameters.height), (Codec::H264, 64, 48));
        assert_eq!(parameters.reorder_frames, Some(if b_frames { 2 } else { 0 }), "{name}");
        let shown = pictures.iter().map(|unit| unit.pts).max().unwrap();
        let first = pictures.iter().map(|unit| unit.pts).min().unwrap();
        assert_eq!(shown.nanos_since(first), 39 * 40_000_000, "{name}");
        let sound = items.iter().filter(|item| matches!(item, StreamItem::Audio(_))).count();
        assert!((55..80).contains(&sound), "{name}: {sound} AAC frames");
    }
}

#[test]
fn byte_by_byte_is_the_same() {
    for Capture { name, bytes, .. } in CAPTURES {
        let whole = format!("{:?}", replay(std::iter::once(bytes)));
        assert_eq!(format!("{:?}", replay(bytes.chunks(1))), whole, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_splits_are_the_same(cuts in prop::collection::vec(1_usize..3_000, 1..40)) {
        for Capture { name, bytes, .. } in CAPTURES {
            let (mut rest, mut pieces, mut cut) = (bytes, Vec::new(), cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, later) = rest.split_at((*cut.next().unwrap()).min(rest.len()));
                pieces.push(piece);
                rest = later;
            }
            let split = format!("{:?}", replay(pieces.into_iter()));
            prop_assert_eq!(split, format!("{:?}", replay(std::iter::once(bytes))), "{}", name);
        }
    }

    /// A damaged recording ends in an error or in fewer pictures, never in a panic.
    #[test]
    fn damage_is_survived(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        which in 0_usize..3,
    ) {
        let mut bytes = CAPTURES[which].bytes.to_vec();
        for (at, with) in damage {
            let at = at.index(bytes.len());
            bytes[at] = with;
        }
        let mut session = ServerSession::new(1);
        let mut assembler = StreamAssembler::new(
            CourtId::new("a").unwrap(), String::new(), None, Box::new(|| SessionId::from_bits(7)));
        let (mut input, mut items) = (bytes.as_slice(), Vec::new());
        while let Ok(Some(event)) = session.next(&mut input) {
            match event {
                Event::Publish { .. } => session.accept(),
                Event::Media(message) => {
                    drop(assembler.media(&message, Monotonic::ZERO, &mut items));
                }
                Event::Data { message, name, values } => {
                    assembler.data(message.timestamp, &name, &values, &mut items);
                }
                Event::Unpublished | Event::Connected { .. } | Event::Refused(_) => {}
            }
        }
    }
}
