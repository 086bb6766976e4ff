//! What stands in an audio or video message: FLV tag bodies (Adobe FLV 10.1 E.4, Enhanced RTMP v2),
//! and FLV files for our own publisher.

use bytes::Bytes;

use crate::media::Codec;

/// A video message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VideoTag {
    /// `avcC` or `hvcC`.
    Configuration {
        /// Which coding.
        codec: Codec,
        /// The record.
        record: Bytes,
    },
    /// NAL units with their lengths.
    Picture {
        /// Which coding.
        codec: Codec,
        /// What the encoder says of it.
        key: bool,
        /// Milliseconds from decoding to presentation time.
        composition_ms: i32,
        /// Nanoseconds to add to the timestamp (Enhanced RTMP v2, `ModEx`).
        offset_nanos: u32,
        /// The NAL units.
        data: Bytes,
    },
    /// Nothing that is a picture: end of sequence, metadata, command frames, empty messages.
    Nothing,
    /// Of another track than the first one.
    OtherTrack,
    /// A coding that we do not take, by the name that people know.
    Other(String),
    /// Too short for what it says it is.
    Cut,
}

/// An audio message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioTag {
    /// `AudioSpecificConfig`.
    Configuration(Bytes),
    /// One raw AAC frame.
    Frame(Bytes),
    /// Nothing.
    Nothing,
    /// A coding that we do not store.
    Other(String),
}

impl VideoTag {
    /// True of a message that holds pictures of other tracks than the first one, whether or not the first one's too
    /// (Enhanced RTMP v2).
    #[must_use]
    pub fn has_other_tracks(body: &Bytes) -> bool {
        let Some((MULTITRACK, at, _)) = packet_type(body) else { return false };
        tracks(&body.slice(at.min(body.len())..)).is_some_and(|tracks| tracks.others)
    }

    /// Reads a video message. Its data share the message's bytes.
    #[must_use]
    pub fn read(body: &Bytes) -> Self {
        let Some(&first) = body.first() else { return Self::Nothing };
        if first & 0x80 != 0 {
            return enhanced(body, first);
        }
        let key = first >> 4 == 1;
        if first >> 4 == 5 {
            return Self::Nothing; // A command frame carries no picture.
        }
        let codec = match first & 0x0F {
            7 => Codec::H264,
            12 => Codec::H265, // What Chinese encoders have sent for years.
            other => return Self::Other(old_video_name(other)),
        };
        match body.get(1) {
            Some(0) if body.len() >= 5 => Self::Configuration { codec, record: body.slice(5..) },
            Some(1) => coded(codec, key, 0, body, 2),
            Some(_) => Self::Nothing,
            None => Self::Cut,
        }
    }
}

/// Pictures whose composition time stands at `at`.
fn coded(codec: Codec, key: bool, offset_nanos: u32, body: &Bytes, at: usize) -> VideoTag {
    let Some(&[a, b, c]) = body.get(at..).and_then(<[u8]>::first_chunk) else {
        return VideoTag::Cut;
    };
    let composition_ms = i32::from_be_bytes([a, b, c, 0]) >> 8;
    let data = body.slice(at + 3..);
    VideoTag::Picture { codec, key, composition_ms, offset_nanos, data }
}

/// Packet type of several tracks in one message of video.
const MULTITRACK: u8 = 6;

/// The packet type of an enhanced message of pictures, what follows where behind it, and the nanoseconds of its
/// modifiers. `None` of any other message, and of one that is cut.
fn packet_type(body: &[u8]) -> Option<(u8, usize, u32)> {
    const MOD_EX: u8 = 7;
    let first = *body.first().filter(|first| **first & 0x80 != 0)?;
    let (mut packet, mut at, mut offset_nanos) = (first & 0x0F, 1, 0);
    while packet == MOD_EX {
        let (kind, value, next, used) = mod_ex(body.get(at..).unwrap_or_default())?;
        if kind == 0 {
            offset_nanos = value.min(999_999);
        }
        packet = next;
        at += used;
    }
    Some((packet, at, offset_nanos))
}

/// Enhanced RTMP: packet type in the low bits, then a `FourCC`.
fn enhanced(body: &Bytes, first: u8) -> VideoTag {
    const SEQUENCE_START: u8 = 0;
    const CODED_FRAMES: u8 = 1;
    const CODED_FRAMES_X: u8 = 3;
    let frame_type = (first >> 4) & 7;
    if frame_type == 5 {
        return VideoTag::Nothing;
    }
    let Some((mut packet, at, offset_nanos)) = packet_type(body) else { return VideoTag::Cut };
    let first = if packet == MULTITRACK {
        let rest = body.slice(at.min(body.len())..);
        match tracks(&rest) {
            Some(Tracks { first: Some((fourcc, data)), packet: of_track, .. }) => {
                packet = of_track;
                Some((fourcc, data))
            }
            Some(Tracks { first: None, .. }) => return VideoTag::OtherTrack,
            None => return VideoTag::Cut,
        }
    } else {
        None
    };
    let (fourcc, body, at) = match first {
        Some((fourcc, data)) => (fourcc, data, 0),
        None => {
            let Some(&fourcc) = body.get(at..).and_then(<[u8]>::first_chunk::<4>) else {
                return VideoTag::Cut;
            };
            (fourcc, body.clone(), at + 4)
        }
    };
    let codec = match &fourcc {
        b"avc1" => Codec::H264,
        b"hvc1" => Codec::H265,
        other => return VideoTag::Other(fourcc_name(other)),
    };
    let key = frame_type == 1;
    match packet {
        SEQUENCE_START => VideoTag::Configuration { codec, record: body.slice(at..) },
        CODED_FRAMES => coded(codec, key, offset_nanos, &body, at),
        CODED_FRAMES_X => {
            let data = body.slice(at..);
            VideoTag::Picture { codec, key, composition_ms: 0, offset_nanos, data }
        }
        _ => VideoTag::Nothing,
    }
}

/// The tracks of one message.
struct Tracks {
    packet: u8,
    /// The first one, ours.
    first: Option<([u8; 4], Bytes)>,
    /// There are others.
    others: bool,
}

/// Reads a multitrack message, behind its packet type (Enhanced RTMP v2, "Multitrack Streaming via Enhanced
/// RTMP"). `None` if the first track, or what stands in front of it, is cut.
fn tracks(rest: &Bytes) -> Option<Tracks> {
    const ONE_TRACK: u8 = 0;
    const MANY_CODECS: u8 = 2;
    let (&head, _) = rest.split_first()?;
    let (kind, packet) = (head >> 4, head & 0x0F);
    let mut at = 1;
    let mut found = Tracks { packet, first: None, others: false };
    let mut common = None;
    if kind != MANY_CODECS {
        common = rest.get(at..)?.first_chunk::<4>().copied();
        common?;
        at += 4;
    }
    while at < rest.len() {
        // What comes behind the first one is told of, and not looked into.
        if found.first.is_some() {
            found.others = true;
            break;
        }
        let fourcc = match common {
            Some(fourcc) => fourcc,
            None => {
                let &fourcc = rest.get(at..)?.first_chunk::<4>()?;
                at += 4;
                fourcc
            }
        };
        let id = *rest.get(at)?;
        at += 1;
        let end = if kind == ONE_TRACK {
            rest.len()
        } else {
            let &[a, b, c] = rest.get(at..)?.first_chunk::<3>()?;
            at += 3;
            at + u32::from_be_bytes([0, a, b, c]) as usize
        };
        rest.get(at..end)?;
        if id == 0 {
            found.first = Some((fourcc, rest.slice(at..end)));
        } else {
            found.others = true;
        }
        at = end;
    }
    Some(found)
}

/// One modifier (Enhanced RTMP v2, `ModEx`): its type, its value, the packet type that follows, and
/// its length.
fn mod_ex(bytes: &[u8]) -> Option<(u8, u32, u8, usize)> {
    let (&short, _) = bytes.split_first()?;
    let (size, at) = match short {
        255 => {
            let &[_, high, low] = bytes.first_chunk()?;
            (usize::from(u16::from_be_bytes([high, low])) + 1, 3)
        }
        short => (usize::from(short) + 1, 1),
    };
    let data = bytes.get(at..at + size)?;
    let value = data.iter().take(4).fold(0_u32, |value, &byte| value << 8 | u32::from(byte));
    let &last = bytes.get(at + size)?;
    Some((last >> 4, value, last & 0x0F, at + size + 1))
}

impl AudioTag {
    /// Reads an audio message. Its data share the message's bytes.
    #[must_use]
    pub fn read(body: &Bytes) -> Self {
        const EXTENDED: u8 = 9;
        const AAC: u8 = 10;
        let Some(&first) = body.first() else { return Self::Nothing };
        match first >> 4 {
            AAC => match body.get(1) {
                Some(0) => Self::Configuration(body.slice(2..)),
                Some(1) if body.len() > 2 => Self::Frame(body.slice(2..)),
                _ => Self::Nothing,
            },
            EXTENDED => extended_audio(body, first & 0x0F),
            other => Self::Other(old_audio_name(other)),
        }
    }
}

/// Enhanced RTMP: packet type, then a `FourCC`; of several tracks the first.
fn extended_audio(body: &Bytes, mut packet: u8) -> AudioTag {
    const MULTITRACK: u8 = 5;
    const MOD_EX: u8 = 7;
    let mut at = 1;
    while packet == MOD_EX {
        let Some((_, _, next, used)) = mod_ex(body.get(at..).unwrap_or_default()) else {
            return AudioTag::Nothing;
        };
        packet = next;
        at += used;
    }
    let rest = body.slice(at.min(body.len())..);
    let (packet, fourcc, data) = if packet == MULTITRACK {
        match tracks(&rest) {
            Some(Tracks { packet, first: Some((fourcc, data)), .. }) => (packet, fourcc, data),
            Some(Tracks { first: None, .. }) | None => return AudioTag::Nothing,
        }
    } else {
        let Some(&fourcc) = rest.first_chunk::<4>() else { return AudioTag::Nothing };
        (packet, fourcc, rest.slice(4..))
    };
    match (&fourcc, packet) {
        (b"mp4a", 0) => AudioTag::Configuration(data),
        (b"mp4a", 1) if !data.is_empty() => AudioTag::Frame(data),
        (b"mp4a", _) | (_, 2..) => AudioTag::Nothing,
        (other, _) => AudioTag::Other(fourcc_name(other)),
    }
}

fn old_video_name(id: u8) -> String {
    match id {
        2 => "Sorenson H.263".to_owned(),
        3 | 6 => "Screen Video".to_owned(),
        4 | 5 => "VP6".to_owned(),
        8 => "H.263".to_owned(),
        9 => "MPEG-4 part 2".to_owned(),
        13 => "AV1 (codec id 13)".to_owned(),
        other => format!("video codec id {other}"),
    }
}

fn old_audio_name(id: u8) -> String {
    match id {
        0 | 3 => "PCM".to_owned(),
        1 => "ADPCM".to_owned(),
        2 | 14 => "MP3".to_owned(),
        4..=6 => "Nellymoser".to_owned(),
        7 | 8 => "G.711".to_owned(),
        11 => "Speex".to_owned(),
        13 => "Opus (codec id 13)".to_owned(),
        other => format!("audio codec id {other}"),
    }
}

fn fourcc_name(fourcc: &[u8; 4]) -> String {
    match fourcc {
        b"av01" => "AV1".to_owned(),
        b"vp09" => "VP9".to_owned(),
        b"vp08" => "VP8".to_owned(),
        b"vvc1" => "H.266".to_owned(),
        b"Opus" => "Opus".to_owned(),
        b".mp3" => "MP3".to_owned(),
        b"ac-3" | b"ec-3" => "Dolby Digital".to_owned(),
        b"fLaC" => "FLAC".to_owned(),
        other => format!("codec \"{}\"", other.escape_ascii()),
    }
}

/// One tag of an FLV file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTag {
    /// 8 audio, 9 video, 18 data: the RTMP message types.
    pub kind: u8,
    /// Milliseconds.
    pub timestamp: u32,
    /// Body.
    pub body: Bytes,
}

/// Reads the tags of an FLV file; a cut last tag is left out. `None` if it is no FLV file.
#[must_use]
pub fn read_file(file: &Bytes) -> Option<Vec<FileTag>> {
    const HEADER: usize = 9;
    const BACK_POINTER: usize = 4;
    const TAG_HEADER: usize = 11;
    if !file.starts_with(b"FLV") {
        return None;
    }
    let mut rest = file.slice((HEADER + BACK_POINTER).min(file.len())..);
    let mut tags = Vec::new();
    while let Some(&[kind, a, b, c, d, e, f, g, _, _, _]) = rest.first_chunk::<TAG_HEADER>() {
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        if rest.len() < TAG_HEADER + length {
            break;
        }
        tags.push(FileTag {
            kind: kind & 0x1F,
            timestamp: u32::from_be_bytes([g, d, e, f]),
            body: rest.slice(TAG_HEADER..TAG_HEADER + length),
        });
        rest = rest.slice((TAG_HEADER + length + BACK_POINTER).min(rest.len())..);
    }
    Some(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video(body: &[u8]) -> VideoTag {
        VideoTag::read(&Bytes::copy_from_slice(body))
    }

    fn picture(codec: Codec, key: bool, composition_ms: i32, data: &[u8]) -> VideoTag {
        let data = Bytes::copy_from_slice(data);
        VideoTag::Picture { codec, key, composition_ms, offset_nanos: 0, data }
    }

    #[test]
    fn video_is_told_by_its_head() {
        let record = Bytes::from_static(b"rec");
        let rows: [(&[u8], VideoTag); 15] = [
            (b"", VideoTag::Nothing),
            (b"\x17", VideoTag::Cut),
            (
                b"\x17\x00\0\0\0rec",
                VideoTag::Configuration { codec: Codec::H264, record: record.clone() },
            ),
            (b"\x27\x01\0\0\x21nal", picture(Codec::H264, false, 33, b"nal")),
            (b"\x17\x01\xff\xff\xffnal", picture(Codec::H264, true, -1, b"nal")),
            (b"\x17\x01\xff\xff", VideoTag::Cut),
            (b"\x17\x02\0\0\0", VideoTag::Nothing),
            (b"\x57\x01\0\0\0", VideoTag::Nothing),
            (
                b"\x1c\x00\0\0\0rec",
                VideoTag::Configuration { codec: Codec::H265, record: record.clone() },
            ),
            (b"\x90hvc1rec", VideoTag::Configuration { codec: Codec::H265, record }),
            (b"\x91hvc1\0\0\x05nal", picture(Codec::H265, true, 5, b"nal")),
            (b"\xa3hvc1nal", picture(Codec::H265, false, 0, b"nal")),
            (b"\x94hvc1xx", VideoTag::Nothing),
            (b"\x90av01rec", VideoTag::Other("AV1".to_owned())),
            (b"\x22xxx", VideoTag::Other("Sorenson H.263".to_owned())),
        ];
        for (body, expected) in rows {
            assert_eq!(video(body), expected, "{}", body.escape_ascii());
        }
    }

    #[test]
    fn a_nanosecond_modifier_moves_the_picture() {
        // ModEx of 3 bytes, value 500,000, type 0, followed by CodedFramesX.
        let tag = video(b"\x97\x02\x07\xa1\x20\x03avc1nal");
        assert!(
            matches!(tag, VideoTag::Picture { offset_nanos: 500_000, key: true, .. }),
            "{tag:?}"
        );
        assert_eq!(video(b"\x97\xff\xff"), VideoTag::Cut);
    }

    #[test]
    fn of_several_tracks_the_first_is_taken() {
        let nal = |data: &[u8]| picture(Codec::H264, true, 0, data);
        let rows: [(&[u8], VideoTag); 7] = [
            // One track, of number 0 and of number 1.
            (b"\x96\x03avc1\x00nal", nal(b"nal")),
            (b"\x96\x03avc1\x01nal", VideoTag::OtherTrack),
            // Several of one coding, in any order.
            (b"\x96\x13avc1\x00\0\0\x03nal\x01\0\0\x02no", nal(b"nal")),
            (b"\x96\x13avc1\x01\0\0\x02no\x00\0\0\x03nal", nal(b"nal")),
            // Each with its own.
            (b"\x96\x23hvc1\x01\0\0\x02noavc1\x00\0\0\x03nal", nal(b"nal")),
            (b"\x96\x13avc1\x00\0\0\x04nal", VideoTag::Cut),
            (b"\x96", VideoTag::Cut),
        ];
        for (body, expected) in rows {
            assert_eq!(video(body), expected, "{}", body.escape_ascii());
        }
        let record = Bytes::from_static(b"rec");
        let expected = VideoTag::Configuration { codec: Codec::H265, record };
        assert_eq!(video(b"\x96\x00hvc1\x00rec"), expected);
        let sound = |body: &'static [u8]| AudioTag::read(&Bytes::from_static(body));
        assert_eq!(sound(b"\x95\x01mp4a\x00aac"), AudioTag::Frame(Bytes::from_static(b"aac")));
        assert_eq!(sound(b"\x95\x01mp4a\x01aac"), AudioTag::Nothing);
    }

    #[test]
    fn further_tracks_are_seen_wherever_they_stand() {
        let rows: [(&[u8], bool); 12] = [
            (b"\x96\x03avc1\x00nal", false),
            (b"\x96\x03avc1\x01nal", true),
            (b"\x96\x13avc1\x00\0\0\x03nal", false),
            (b"\x96\x13avc1\x00\0\0\x03nal\x01\0\0\x02no", true),
            (b"\x96\x13avc1\x01\0\0\x02no\x00\0\0\x03nal", true),
            (b"\x96\x23avc1\x00\0\0\x03nalav01\x01\0\0\x02no", true),
            (b"\x96\x23av01\x01\0\0\x02noavc1\x00\0\0\x03nal", true),
            // Behind a modifier.
            (b"\x97\x02\x07\xa1\x20\x06\x03avc1\x01nal", true),
            (b"\x97\x02\x07\xa1\x20\x03avc1nal", false),
            (b"\x91avc1\0\0\0nal", false),
            (b"\x17\x01\0\0\0nal", false),
            (b"\x96", false),
        ];
        for (body, expected) in rows {
            let told = VideoTag::has_other_tracks(&Bytes::copy_from_slice(body));
            assert_eq!(told, expected, "{}", body.escape_ascii());
        }
    }

    #[test]
    fn audio_is_told_by_its_head() {
        let rows: [(&[u8], AudioTag); 8] = [
            (b"", AudioTag::Nothing),
            (b"\xaf", AudioTag::Nothing),
            (b"\xaf\x00\x12\x10", AudioTag::Configuration(Bytes::from_static(b"\x12\x10"))),
            (b"\xaf\x01aac", AudioTag::Frame(Bytes::from_static(b"aac"))),
            (b"\x2fmp3", AudioTag::Other("MP3".to_owned())),
            (b"\x90mp4a\x12\x10", AudioTag::Configuration(Bytes::from_static(b"\x12\x10"))),
            (b"\x91mp4aaac", AudioTag::Frame(Bytes::from_static(b"aac"))),
            (b"\x91Opusxxx", AudioTag::Other("Opus".to_owned())),
        ];
        for (body, expected) in rows {
            assert_eq!(AudioTag::read(&Bytes::copy_from_slice(body)), expected);
        }
    }

    #[test]
    fn a_file_is_read_to_its_last_whole_tag() {
        let mut file = b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec();
        file.extend(b"\x09\0\0\x02\0\0\x28\x01\0\0\0ab\0\0\0\x0d");
        file.extend(b"\x08\0\0\x09\0\0\x28\0\0\0\0cut");
        let tags = read_file(&file.into()).unwrap();
        let expected = FileTag { kind: 9, timestamp: 0x0100_0028, body: Bytes::from_static(b"ab") };
        assert_eq!(tags, [expected]);
        assert_eq!(read_file(&Bytes::from_static(b"RIFF")), None);
    }
}
