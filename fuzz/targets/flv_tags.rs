//! Media messages: any bodies, at any times.

use bytes::Bytes;
use courtside::media::Monotonic;
use courtside::rtmp::flv::{self, AudioTag, VideoTag};
use courtside::rtmp::message::Message;
use courtside::rtmp::message::kind;

#[path = "items.rs"]
mod items;

use items::{assembler, check};

/// Media messages: each a type, a step of time, a length, a body.
pub(crate) fn run(data: &[u8]) {
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
