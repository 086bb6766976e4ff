//! What a stream begins with for whoever joins it later (pure).
//!
//! A server that takes a stream from its middle on needs what its publisher said at the beginning: its
//! metadata and the headers of picture and sound (`avcC`, `hvcC`, `AudioSpecificConfig`), then a key picture.

use crate::rtmp::flv::{AudioTag, VideoTag};
use crate::rtmp::message::{Message, kind};

/// As a publisher's metadata are written, behind the name of the command that most put before it.
const SET_DATA_FRAME: &[u8] = b"\x02\x00\x0d@setDataFrame";
const ON_METADATA: &[u8] = b"\x02\x00\x0aonMetaData";

/// What a message is to who joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// `onMetaData`.
    Metadata,
    /// The header of the pictures.
    VideoHeader,
    /// The header of the sound.
    AudioHeader,
    /// A picture that decoding can begin with, by the encoder's word.
    Key,
    /// Anything else.
    Other,
}

impl Part {
    /// What `message` is.
    pub(crate) fn of(message: &Message) -> Self {
        match message.kind {
            kind::VIDEO => match VideoTag::read(&message.body) {
                VideoTag::Configuration { .. } => Self::VideoHeader,
                VideoTag::Picture { key: true, .. } => Self::Key,
                _ => Self::Other,
            },
            kind::AUDIO => match AudioTag::read(&message.body) {
                AudioTag::Configuration(_) => Self::AudioHeader,
                _ => Self::Other,
            },
            kind::DATA | kind::DATA_AMF3 => {
                let body = crate::rtmp::message::amf_body(message);
                let body = body.strip_prefix(SET_DATA_FRAME).unwrap_or(body);
                if body.starts_with(ON_METADATA) { Self::Metadata } else { Self::Other }
            }
            _ => Self::Other,
        }
    }
}

/// The newest of each: what a stream begins with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers {
    metadata: Option<Message>,
    video: Option<Message>,
    audio: Option<Message>,
}

impl Headers {
    /// Takes note of a message; of what is no header nothing is kept.
    pub(crate) fn note(&mut self, part: Part, message: &Message) {
        let place = match part {
            Part::Metadata => &mut self.metadata,
            Part::VideoHeader => &mut self.video,
            Part::AudioHeader => &mut self.audio,
            Part::Key | Part::Other => return,
        };
        *place = Some(message.clone());
    }

    /// Those that somebody who was told `told` has not, in their order, with their parts.
    pub(crate) fn beyond<'a>(
        &'a self,
        told: &'a Self,
    ) -> impl Iterator<Item = (Part, &'a Message)> {
        let all = [
            (Part::Metadata, &self.metadata, &told.metadata),
            (Part::VideoHeader, &self.video, &told.video),
            (Part::AudioHeader, &self.audio, &told.audio),
        ];
        all.into_iter().filter_map(|(part, own, told)| {
            let own = own.as_ref()?;
            let known = told.as_ref().is_some_and(|told| told.body == own.body);
            (!known).then_some((part, own))
        })
    }
}

/// The coding of a video message of Enhanced RTMP; `None` for one as Adobe had them.
pub(crate) fn fourcc(message: &Message) -> Option<[u8; 4]> {
    let first = message.body.first().filter(|_| message.kind == kind::VIDEO)?;
    // A modifier, or several tracks, stand between: who sends them is told without.
    if first & 0x80 == 0 || first & 0x0F > 5 {
        return None;
    }
    message.body.get(1..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(kind: u8, body: &[u8]) -> Message {
        Message { timestamp: 0, kind, stream: 1, body: Bytes::copy_from_slice(body) }
    }

    #[test]
    fn what_a_stream_begins_with_is_known_by_its_first_bytes() {
        let data = [SET_DATA_FRAME, ON_METADATA, b"\x08"].concat();
        let amf3 = [b"\0", ON_METADATA].concat();
        for (of, body, expected) in [
            (kind::DATA, &data[..], Part::Metadata),
            (kind::DATA, ON_METADATA, Part::Metadata),
            (kind::DATA_AMF3, &amf3, Part::Metadata),
            (kind::DATA, b"\x02\x00\x04onFI", Part::Other),
            (kind::VIDEO, b"\x17\x00\0\0\0rec", Part::VideoHeader),
            (kind::VIDEO, b"\x90hvc1rec", Part::VideoHeader),
            (kind::VIDEO, b"\x17\x01\0\0\0nal", Part::Key),
            (kind::VIDEO, b"\x91hvc1\0\0\0nal", Part::Key),
            (kind::VIDEO, b"\x93hvc1nal", Part::Key),
            (kind::VIDEO, b"\x27\x01\0\0\0nal", Part::Other),
            (kind::VIDEO, b"\x17\x02\0\0\0", Part::Other),
            (kind::VIDEO, b"", Part::Other),
            (kind::AUDIO, b"\xaf\x00\x12\x10", Part::AudioHeader),
            (kind::AUDIO, b"\xaf\x01aac", Part::Other),
        ] {
            assert_eq!(Part::of(&message(of, body)), expected, "{}", body.escape_ascii());
        }
    }

    #[test]
    fn who_knows_a_header_is_not_told_it_again() {
        let mut headers = Headers::default();
        let video = message(kind::VIDEO, b"\x17\x00\0\0\0one");
        headers.note(Part::AudioHeader, &message(kind::AUDIO, b"\xaf\x00\x12\x10"));
        headers.note(Part::VideoHeader, &video);
        let told = headers.clone();
        let parts = |told: &Headers| headers.beyond(told).map(|(part, _)| part).collect::<Vec<_>>();
        assert_eq!(parts(&Headers::default()), [Part::VideoHeader, Part::AudioHeader]);
        assert_eq!(parts(&told), []);
        headers.note(Part::VideoHeader, &message(kind::VIDEO, b"\x17\x00\0\0\0two"));
        assert_eq!(
            headers.beyond(&told).map(|(part, _)| part).collect::<Vec<_>>(),
            [Part::VideoHeader]
        );
    }

    #[test]
    fn the_coding_is_named_where_the_publisher_names_it() {
        assert_eq!(fourcc(&message(kind::VIDEO, b"\x90hvc1rec")), Some(*b"hvc1"));
        for body in [&b"\x17\x00\0\0\0"[..], b"\x97\x02", b"\x90hv", b""] {
            assert_eq!(fourcc(&message(kind::VIDEO, body)), None);
        }
    }
}
