//! What each fuzz target does with its bytes. `tests/corpora.rs` runs the same over the corpora.

use bytes::Bytes;
use courtside::ingest::StreamAssembler;
use courtside::ingest::flv::{self, AudioTag, VideoTag};
use courtside::ingest::rtmp::chunk::Message;
use courtside::ingest::rtmp::message::kind;
use courtside::ingest::rtmp::session::{Event, ServerSession};
use courtside::media::sei::Sei;
use courtside::media::{Codec, CourtId, Monotonic, SessionId, StreamItem, h264, h265};

fn assembler() -> StreamAssembler {
    let court = CourtId::new("a").expect("a name");
    let mut session = 0;
    let ids = move || {
        session += 1;
        SessionId::from_bits(session)
    };
    StreamAssembler::new(court, String::new(), None, Box::new(ids))
}

/// What must hold of items, whatever came in.
fn check(items: &[StreamItem]) {
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
            StreamItem::Audio(unit) => assert_eq!(open, Some(unit.session)),
            StreamItem::Wall(wall) => assert_eq!(open, Some(wall.session)),
        }
    }
}

/// Everything that a connection sent after its handshake, in pieces of the first byte's size; the
/// same bytes whole must give the same.
pub fn rtmp(data: &[u8]) {
    let Some((&size, bytes)) = data.split_first() else { return };
    let run = |size: usize| {
        let mut session = ServerSession::new(1);
        let mut assembler = assembler();
        let mut items = Vec::new();
        let hello = [&[3][..], &[0; 2 * 1536]].concat();
        let mut said = Vec::new();
        for piece in [hello.as_slice()].into_iter().chain(bytes.chunks(size)) {
            let mut input = piece;
            loop {
                match session.next(&mut input) {
                    Ok(Some(Event::Publish { .. })) => session.accept(),
                    Ok(Some(Event::Media(message))) => {
                        if let Err(refused) = assembler.media(&message, Monotonic::ZERO, &mut items)
                        {
                            return (items, format!("{said:?} {refused}"));
                        }
                    }
                    Ok(Some(Event::Data { timestamp, name, values })) => {
                        assembler.data(timestamp, &name, &values, &mut items);
                    }
                    Ok(Some(event)) => said.push(format!("{event:?}")),
                    Ok(None) => break,
                    // How much a peer left unread depends on the pieces.
                    Err(courtside::ingest::rtmp::RtmpError::Unsent { .. }) => {
                        return (Vec::new(), String::new());
                    }
                    Err(error) => return (items, format!("{said:?} {error}")),
                }
            }
            assert!(input.is_empty(), "bytes are left");
            session.output().clear();
        }
        (items, format!("{said:?}"))
    };
    let (items, said) = run(usize::from(size) + 1);
    check(&items);
    let (whole, said_whole) = run(usize::MAX);
    if !said.is_empty() && !said_whole.is_empty() {
        assert_eq!(said, said_whole);
        assert_eq!(format!("{items:?}"), format!("{whole:?}"));
    }
}

/// Media messages: each a type, a step of time, a length, a body.
pub fn flv(data: &[u8]) {
    let all = Bytes::copy_from_slice(data);
    drop(flv::read_file(&all));
    let mut assembler = assembler();
    let mut items = Vec::new();
    let mut timestamp = 0_u32;
    let mut rest = all;
    while let Some(&[which, a, b, high, low]) = rest.first_chunk::<5>() {
        let end = (5 + usize::from(u16::from_be_bytes([high, low]))).min(rest.len());
        let body = rest.slice(5..end);
        rest = rest.slice(end..);
        let step = u32::from(u16::from_be_bytes([a, b]));
        timestamp = timestamp.wrapping_add(if which & 0x40 == 0 { step } else { step << 16 });
        drop((VideoTag::read(&body), AudioTag::read(&body)));
        let kind = if which & 1 == 0 { kind::VIDEO } else { kind::AUDIO };
        let message = Message { timestamp, kind, stream: 1, body };
        if assembler.media(&message, Monotonic::ZERO, &mut items).is_err() {
            break;
        }
    }
    check(&items);
}

/// Parameter sets, their records, slices and SEI. The first byte says which.
pub fn sets(data: &[u8]) {
    let Some((&which, bytes)) = data.split_first() else { return };
    let bytes = Bytes::copy_from_slice(bytes);
    if which & 1 == 0 {
        if let Some(new) = h264::without_reordering(&bytes) {
            let (old, new) = (h264::Sps::read(&bytes), h264::Sps::read(&new));
            let (old, new) = (old.expect("it was rewritten"), new.expect("it is whole"));
            assert_eq!(new.reorder_frames, Some(0));
            assert_eq!((new.width, new.height, new.id), (old.width, old.height, old.id));
        }
        drop((h264::slice_type(&bytes), Sei::read(Codec::H264, &bytes)));
        if let Some((mut sets, _)) = h264::ParameterSets::from_record(&bytes) {
            sets.supersede(&bytes);
            if let Some(known) = sets.parameters() {
                assert!(h264::ParameterSets::from_record(&known.config).is_some());
            }
        }
    } else {
        drop((h265::Sps::read(&bytes), Sei::read(Codec::H265, &bytes)));
        if let Some((mut sets, _)) = h265::ParameterSets::from_record(&bytes) {
            sets.supersede(&bytes);
            drop((sets.is_reordered_b(&bytes), h265::slice_type(&bytes, &sets.pps)));
            if let Some(known) = sets.parameters() {
                assert!(h265::ParameterSets::from_record(&known.config).is_some());
            }
        }
    }
}
