//! Wall time in SEI user data: what cameras write, and ours.
//!
//! All are `user_data_unregistered` (payload type 5, ITU-T H.264 D.1.7, H.265 D.2.7): a UUID of 16
//! bytes, then:
//!
//! | who | UUID | after it |
//! | --- | --- | --- |
//! | ours | [`OUR_UUID`] | UTC, ns since 1970, `i64` big-endian: 24 bytes in all |
//! | MISB ST 0604.6 (Haivision and other contribution encoders; GStreamer's `misb` helpers), H.264 | "MISPmicrosectime" | status byte, then µs since 1970 as 8 big-endian bytes with 0xFF after the 2nd, 4th and 6th |
//! | the same, H.265 | a8687dd4-d759-3758-a5ce-f0338b6545f1 | the same |
//! | the same, H.265, ns | cf848278-ee23-306c-9265-e8fef22fb8b8 | the same with ns |
//!
//! x264 and x265 say there how they were set, as text, with their first picture; of it we read how many
//! pictures they look ahead (x264 `encoder/set.c` x264_sei_version_write, x265 `encoder.cpp`).
//!
//! Deliberately absent: `pic_timing` and `time_code` (hours to frames without a day or a zone).

use crate::media::bits::{escape, unescape};
use crate::media::time::UtcTime;
use crate::media::unit::Codec;

/// The UUID of our own wall time.
pub const OUR_UUID: [u8; 16] = *b"\xc0\x47\x51\xde\x8e\x2b\x4f\x0a\x9d\x61\x3b\x5a\x77\x14\xe2\x9c";
const MISP_H264: [u8; 16] = *b"MISPmicrosectime";
const MISP_H265: [u8; 16] = *b"\xa8\x68\x7d\xd4\xd7\x59\x37\x58\xa5\xce\xf0\x33\x8b\x65\x45\xf1";
/// x264 core and options, as text.
const X264: [u8; 16] = *b"\xdc\x45\xe9\xbd\xe6\xd9\x48\xb7\x96\x2c\xd8\x20\xd9\x23\xee\xef";
/// x265 build and options, as text.
const X265: [u8; 16] = *b"\x2c\xa2\xde\x09\xb5\x17\x47\xdb\xbb\x55\xa4\xfe\x7f\xc2\xfc\x4e";
const MISP_H265_NANOS: [u8; 16] =
    *b"\xcf\x84\x82\x78\xee\x23\x30\x6c\x92\x65\xe8\xfe\xf2\x2f\xb8\xb8";

/// SEI payload type of unregistered user data.
const USER_DATA_UNREGISTERED: usize = 5;
/// SEI payload type of a recovery point.
const RECOVERY_POINT: usize = 6;
/// Bytes of a SEI NAL unit that we look through.
const MAX_BYTES: usize = 4096;

/// What a SEI NAL unit says that we care for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sei {
    /// The camera's wall time at the picture.
    pub wall: Option<UtcTime>,
    /// The picture is a recovery point at once (H.264 `recovery_frame_cnt` 0).
    pub recovery: bool,
    /// Pictures that the encoder looks ahead before it sends one, by its own word.
    pub lookahead: Option<u16>,
}

impl Sei {
    /// Reads a SEI NAL unit with its header (7.3.2.3). What is damaged is left out.
    #[must_use]
    pub fn read(codec: Codec, nal: &[u8]) -> Self {
        let header = header_size(codec);
        let payload = unescape(nal.get(header..).unwrap_or_default(), MAX_BYTES);
        let mut rest = payload.as_slice();
        let mut found = Self::default();
        // The last byte is the trailing bits.
        while rest.len() > 1 {
            let (Some(kind), Some(size)) = (number(&mut rest), number(&mut rest)) else { break };
            let Some((body, after)) = rest.split_at_checked(size) else { break };
            match kind {
                USER_DATA_UNREGISTERED => {
                    found.wall = found.wall.or_else(|| wall(body));
                    found.lookahead = found.lookahead.or_else(|| lookahead(body));
                }
                // ue(v) 0 is a single 1 bit.
                RECOVERY_POINT if codec == Codec::H264 => {
                    found.recovery = body.first().is_some_and(|byte| byte & 0x80 != 0);
                }
                _ => {}
            }
            rest = after;
        }
        found
    }
}

/// A number in bytes of 255 and a last one (7.3.2.3.1).
fn number(rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0_usize;
    loop {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        value += usize::from(byte);
        if byte != 255 {
            return Some(value);
        }
    }
}

fn wall(body: &[u8]) -> Option<UtcTime> {
    let (&uuid, data) = body.split_first_chunk::<16>()?;
    let nanos = match uuid {
        OUR_UUID => i64::from_be_bytes(*data.first_chunk()?),
        MISP_H264 | MISP_H265 => misp(data)?.checked_mul(1_000)?,
        MISP_H265_NANOS => misp(data)?,
        _ => return None,
    };
    (nanos > 0).then(|| UtcTime::from_nanos(nanos))
}

/// `… rc_lookahead=40 …` of x264, `… rc-lookahead=20 …` of x265.
fn lookahead(body: &[u8]) -> Option<u16> {
    let (&uuid, text) = body.split_first_chunk::<16>()?;
    let mark: &[u8] = match uuid {
        X264 => b" rc_lookahead=",
        X265 => b" rc-lookahead=",
        _ => return None,
    };
    let at = memchr::memmem::find(text, mark)? + mark.len();
    let digits = text.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit()).take(5);
    digits.fold(None, |number: Option<u16>, byte| {
        number.unwrap_or(0).checked_mul(10)?.checked_add(u16::from(byte - b'0'))
    })
}

/// MISB ST 0604.6, 7.4: a status byte, then pairs of bytes with 0xFF between them.
fn misp(data: &[u8]) -> Option<i64> {
    let &[_, a, b, m1, c, d, m2, e, f, m3, g, h] = data.first_chunk::<12>()?;
    ([m1, m2, m3] == [0xFF; 3]).then(|| i64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

const fn header_size(codec: Codec) -> usize {
    match codec {
        Codec::H264 => 1,
        Codec::H265 => 2,
    }
}

/// Makes a SEI NAL unit of ours that says `utc`, without length or start code. It stands before the
/// first slice of its picture.
#[must_use]
pub fn wall_time_nal(codec: Codec, utc: UtcTime) -> Vec<u8> {
    const PREFIX_SEI_HEADER: [u8; 2] = [39 << 1, 1];
    let mut payload = vec![5, 24];
    payload.extend_from_slice(&OUR_UUID);
    payload.extend_from_slice(&utc.as_nanos().to_be_bytes());
    payload.push(0x80);
    let mut nal = match codec {
        Codec::H264 => vec![6],
        Codec::H265 => PREFIX_SEI_HEADER.to_vec(),
    };
    nal.extend(escape(&payload));
    nal
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_misp_time_is_read() {
        let micros = 1_700_000_000_123_456_i64.to_be_bytes();
        let mut nal = vec![6, 5, 28];
        nal.extend_from_slice(&MISP_H264);
        nal.push(0x1F);
        for (index, pair) in micros.chunks(2).enumerate() {
            nal.extend_from_slice(pair);
            if index < 3 {
                nal.push(0xFF);
            }
        }
        nal.push(0x80);
        let wall = Some(UtcTime::from_nanos(1_700_000_000_123_456_000));
        assert_eq!(Sei::read(Codec::H264, &nal), Sei { wall, ..Sei::default() });
        nal.insert(1, 6); // another message before it: recovery point, 1 byte
        nal.insert(2, 1);
        nal.insert(3, 0xC4);
        assert_eq!(Sei::read(Codec::H264, &nal), Sei { wall, recovery: true, lookahead: None });
    }

    #[test]
    fn how_far_an_encoder_looks_ahead_is_read_of_its_own_words() {
        let said = |uuid: [u8; 16], text: &str| {
            let mut nal = vec![6, 5];
            let size = 16 + text.len();
            nal.extend(std::iter::repeat_n(255, size / 255));
            nal.push((size % 255) as u8);
            nal.extend_from_slice(&uuid);
            nal.extend_from_slice(text.as_bytes());
            nal.push(0x80);
            Sei::read(Codec::H264, &nal).lookahead
        };
        let x264 = "x264 - core 164 r3095 - H.264/MPEG-4 AVC codec - options: cabac=1 keyint=250 \
                    rc_lookahead=40 rc=crf mbtree=1 crf=23.0 qcomp=0.60";
        assert_eq!(said(X264, x264), Some(40));
        assert_eq!(
            said(X265, "x265 (build 199) - options: bframes=4 rc-lookahead=20 info"),
            Some(20)
        );
        assert_eq!(said(X264, "x264 - core 164 - options: rc=cbr mbtree=0"), None, "zerolatency");
        assert_eq!(said(X264, "options: rc_lookahead=99999"), None);
        assert_eq!(said(X264, "options: rc_lookahead="), None);
        assert_eq!(said(OUR_UUID, x264), None);
    }

    proptest! {
        #[test]
        fn our_time_turns_back(nanos in 1..i64::MAX) {
            for codec in [Codec::H264, Codec::H265] {
                let utc = UtcTime::from_nanos(nanos);
                prop_assert_eq!(Sei::read(codec, &wall_time_nal(codec, utc)).wall, Some(utc));
            }
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Sei::read(Codec::H264, &bytes);
        }
    }
}
