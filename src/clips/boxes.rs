//! ISO base media boxes (ISO/IEC 14496-12): written and read, and what stands before the fragments.

use sha2::{Digest, Sha256};

use crate::clips::timeline::{AudioClock, Ticks, VIDEO_TIMESCALE};
use crate::disk::Format;
use crate::media::{AudioParameters, Codec, CodecParameters, CourtId, SessionId, UtcTime};

/// Track number of video in every file of ours.
pub(crate) const VIDEO_TRACK: u32 = 1;
/// Track number of sound.
pub(crate) const AUDIO_TRACK: u32 = 2;
/// Flags of a sample that decoding can start at.
pub(crate) const KEY_SAMPLE: u32 = 0x0200_0000;
/// Flags of a sample that needs others.
pub(crate) const OTHER_SAMPLE: u32 = 0x0101_0000;
/// What stands before the first fragment is at most this long: parameter sets are some hundred
/// bytes, ingest takes no record above 64 KiB.
pub(crate) const MAX_HEAD: u64 = 256 << 10;

/// Our own box in the head of a segment (version 4, random).
const SEGMENT_UUID: [u8; 16] = *b"\x8e\x4b\x9a\x52\x6c\x1d\x4f\x07\xa3\x5e\x20\xc7\x91\xb8\x0d\x66";

/// The format of a segment that this version writes: 1 where it has no hole, 2 where it has, 3 where it is
/// packed: a program of an earlier one would take either for its end.
pub const SEGMENT_FORMAT: Format = Format { format: 3, oldest_reader: 1 };
/// Both words of it in the one byte that the first format has for them: how far the format is beyond
/// 1 in the upper half, the oldest reader in the lower.
const WHOLE_FORMAT_BYTE: u8 = 0x01;
const HOLED_FORMAT_BYTE: u8 = 0x12;
const PACKED_FORMAT_BYTE: u8 = 0x23;

/// How the `moof`s of a segment lie on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As players get them: the segment plays by itself.
    Plain,
    /// In few bytes: `packed`.
    Packed,
}

/// The tracks of a segment. Another value means another segment (and another clip).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracks {
    /// The pictures.
    pub video: std::sync::Arc<CodecParameters>,
    /// The sound, if there is any.
    pub audio: Option<std::sync::Arc<AudioParameters>>,
}

/// What a segment says of itself, so that the index can be rebuilt from it (DESIGN R2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Counts the segments of the box.
    pub id: u64,
    /// The court.
    pub court: CourtId,
    /// The run of timestamps.
    pub session: SessionId,
    /// Media time of `tfdt` 0 of the video track.
    pub video_origin: Ticks,
    /// The same of the sound's track, in its samples.
    pub audio_origin: i64,
    /// The box's clock when the segment was begun.
    pub begun: UtcTime,
}

/// The head of a segment, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What it says of itself.
    pub header: SegmentHeader,
    /// `ftyp` and `moov`, as a clip carries them.
    pub init: Vec<u8>,
    /// How the sound's track counts, if there is one.
    pub audio: Option<AudioClock>,
    /// Bytes before the first fragment.
    pub len: u64,
    /// RFC 6381 names of the tracks, comma-separated.
    pub codecs: String,
    /// Width of the picture.
    pub width: u16,
    /// Height of the picture.
    pub height: u16,
    /// Whether it is what was written.
    pub(crate) is: HeadIs,
}

/// Whether the head of a segment is what was written. What cannot be read at all is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadIs {
    /// As its checksum says.
    Whole,
    /// Written before heads had one: as such a head is written, but for the parameter sets, which are
    /// whatever they are.
    Unsummed,
    /// Other bytes.
    Damaged,
}

/// `ftyp` and `moov` of a fragmented file with these tracks.
#[must_use]
pub fn init(tracks: &Tracks) -> Vec<u8> {
    let mut out = ftyp();
    out.extend(moov(tracks));
    out
}

/// Everything that stands before the first fragment of a segment.
#[must_use]
pub fn head(header: &SegmentHeader, tracks: &Tracks, form: Form) -> Vec<u8> {
    let mut out = ftyp();
    let moov = moov(tracks);
    let sum = checksum(&[&out, &moov]);
    boxed(&mut out, b"uuid", |out| {
        out.extend(SEGMENT_UUID);
        let mut says = Vec::new();
        says.push(match form {
            Form::Plain => WHOLE_FORMAT_BYTE,
            Form::Packed => PACKED_FORMAT_BYTE,
        });
        put64(&mut says, header.id);
        put64(&mut says, header.session.bits());
        put64(&mut says, header.video_origin.0.cast_unsigned());
        put64(&mut says, header.audio_origin.cast_unsigned());
        put64(&mut says, header.begun.as_nanos().cast_unsigned());
        says.extend(header.court.as_str().bytes());
        // Behind the zero is what the first versions do not look at: the checksum of `ftyp` and `moov`.
        says.push(0);
        says.extend(sum);
        out.extend(checksum(&[&says]));
        out.extend(says);
    });
    out.extend(moov);
    out
}

/// Reads the head of a segment. `None` if it is not whole or not ours.
#[must_use]
pub(crate) fn read_head(bytes: &[u8]) -> Option<Head> {
    let ftyp = child(bytes, 0).filter(|found| &found.kind == b"ftyp")?;
    let uuid = child(bytes, ftyp.end()).filter(|found| &found.kind == b"uuid")?;
    let moov = child(bytes, uuid.end()).filter(|found| &found.kind == b"moov")?;
    let header = read_header(uuid.body(bytes)?)?;
    let sum = header_says(uuid.body(bytes)?).and_then(init_sum);
    let mut init = bytes.get(..ftyp.end())?.to_vec();
    init.extend(bytes.get(moov.at..moov.end())?);
    let described = read_moov(moov.body(bytes)?)?;
    let is = match sum {
        Some(sum) if sum == checksum(&[&init]) => HeadIs::Whole,
        None if again(&init).as_deref() == Some(&init[..]) => HeadIs::Unsummed,
        Some(_) | None => HeadIs::Damaged,
    };
    Some(Head {
        is,
        header,
        init,
        audio: described.audio,
        len: moov.end() as u64,
        codecs: described.codecs,
        width: described.width,
        height: described.height,
    })
}

/// The format of a segment, if these are its first bytes. `ftyp`, then our own box with its checksum
/// and this byte: so it stays in all formats.
#[must_use]
pub(crate) fn segment_format(bytes: &[u8]) -> Option<Format> {
    let ftyp = child(bytes, 0).filter(|found| &found.kind == b"ftyp")?;
    let uuid = child(bytes, ftyp.end()).filter(|found| &found.kind == b"uuid")?;
    format_said(header_says(uuid.body(bytes)?)?)
}

/// The head of a segment that has holes, from that of one without. `None` if it is none of ours.
#[must_use]
pub(crate) fn holed_head(bytes: &[u8]) -> Option<Vec<u8>> {
    let ftyp = child(bytes, 0).filter(|found| &found.kind == b"ftyp")?;
    let uuid = child(bytes, ftyp.end()).filter(|found| &found.kind == b"uuid")?;
    let says = header_says(uuid.body(bytes)?)?;
    let sum_at = uuid.at + 8 + SEGMENT_UUID.len();
    let mut holed = bytes.to_vec();
    // Of a later format holes are part already.
    if *says.first()? == WHOLE_FORMAT_BYTE {
        patch(&mut holed, sum_at + 8, &[HOLED_FORMAT_BYTE]);
    }
    let sum = checksum(&[holed.get(sum_at + 8..uuid.end())?]);
    patch(&mut holed, sum_at, &sum);
    Some(holed)
}

fn format_said(says: &[u8]) -> Option<Format> {
    let byte = u32::from(*says.first()?);
    Some(Format { format: (byte >> 4) + 1, oldest_reader: byte & 0x0f })
}

/// What our own box holds behind its checksum.
fn header_says(body: &[u8]) -> Option<&[u8]> {
    let says = body.strip_prefix(&SEGMENT_UUID)?;
    let (sum, says) = says.split_at_checked(8)?;
    (sum == checksum(&[says])).then_some(says)
}

fn read_header(body: &[u8]) -> Option<SegmentHeader> {
    let says = header_says(body)?;
    if !format_said(says)?.is_read_by(SEGMENT_FORMAT) {
        return None;
    }
    let mut says = Bytes(says.get(1..)?);
    Some(SegmentHeader {
        id: says.u64()?,
        session: SessionId::from_bits(says.u64()?),
        video_origin: Ticks(says.u64()?.cast_signed()),
        audio_origin: says.u64()?.cast_signed(),
        begun: UtcTime::from_nanos(says.u64()?.cast_signed()),
        // What a later format adds stands behind a zero.
        court: CourtId::new(std::str::from_utf8(says.0.split(|&b| b == 0).next()?).ok()?).ok()?,
    })
}

/// The checksum of `ftyp` and `moov`, where our own box has it.
fn init_sum(says: &[u8]) -> Option<[u8; 8]> {
    let behind = says.get(1 + 5 * 8..)?;
    let zero = behind.iter().position(|&byte| byte == 0)?;
    behind.get(zero + 1..zero + 9)?.try_into().ok()
}

/// Of a track of ours the media box, and the kind and the body of its sample entry.
fn track_of<'a>(moov: &'a [u8], track: &Found) -> Option<(&'a [u8], [u8; 4], &'a [u8])> {
    let mdia = path(track.body(moov)?, &[b"mdia"])?;
    let entry = path(mdia, &[b"minf", b"stbl", b"stsd"])?.get(8..)?;
    let sample = child(entry, 0)?;
    Some((mdia, sample.kind, sample.body(entry)?))
}

/// `ftyp` and `moov` as they are written for the tracks that they describe.
fn again(init: &[u8]) -> Option<Vec<u8>> {
    let moov = path(init, &[b"moov"])?;
    let (mut video, mut audio) = (None, None);
    for part in children(moov).filter(|part| &part.kind == b"trak") {
        let (mdia, kind, body) = track_of(moov, &part)?;
        if &kind == b"mp4a" {
            let mut mdhd = Bytes(path(mdia, &[b"mdhd"])?);
            mdhd.skip(12)?;
            let mut fields = Bytes(body.get(16..)?);
            let channels = u8::try_from(fields.u16()?).ok()?;
            // Where `esds` below puts the config.
            let mut esds = Bytes(child(body, 28)?.body(body)?.get(25..)?);
            let len = esds.u8()?;
            let config = esds.take(len.into())?.to_vec().into();
            audio = Some(AudioParameters { config, sample_rate: mdhd.u32()?, channels });
        } else {
            let mut size = Bytes(body.get(24..)?);
            let codec = if &kind == b"hvc1" { Codec::H265 } else { Codec::H264 };
            video = Some(CodecParameters {
                codec,
                width: size.u16()?.into(),
                height: size.u16()?.into(),
                config: child(body, 78)?.body(body)?.to_vec().into(),
                parameter_sets: Vec::new(),
                low_delay_sets: None,
                reorder_frames: None,
                mime_codec: String::new(),
            });
        }
    }
    let tracks = Tracks { video: video?.into(), audio: audio.map(Into::into) };
    Some(self::init(&tracks))
}

struct Described {
    audio: Option<AudioClock>,
    codecs: String,
    width: u16,
    height: u16,
}

/// Reads what is needed of a `moov` of ours: sample entries, timescale and frame of the sound.
fn read_moov(moov: &[u8]) -> Option<Described> {
    let mut found = Described { audio: None, codecs: String::new(), width: 0, height: 0 };
    let mut rate = None;
    let mut frame = None;
    for part in children(moov) {
        match &part.kind {
            b"trak" => {
                let (mdia, kind, body) = track_of(moov, &part)?;
                if &kind == b"mp4a" {
                    let mut mdhd = Bytes(path(mdia, &[b"mdhd"])?);
                    mdhd.skip(12)?;
                    rate = Some(mdhd.u32()?);
                    // Where `esds` below puts the config: fixed lengths stand before it.
                    let object = child(body, 28)?.body(body)?.get(26)? >> 3;
                    found.codecs.push_str(&format!(",mp4a.40.{object}"));
                } else {
                    let mut size = Bytes(body.get(24..)?);
                    found.width = size.u16()?;
                    found.height = size.u16()?;
                    let config = child(body, 78)?;
                    found.codecs.insert_str(0, &mime(&kind, config.body(body)?)?);
                }
            }
            b"mvex" => {
                let mvex = part.body(moov)?;
                for trex in children(mvex) {
                    let mut body = Bytes(trex.body(mvex)?);
                    body.skip(4)?;
                    let track = body.u32()?;
                    body.skip(4)?;
                    if track == AUDIO_TRACK {
                        frame = Some(body.u32()?);
                    }
                }
            }
            _ => {}
        }
    }
    if let (Some(rate), Some(frame)) = (rate, frame) {
        found.audio = Some(AudioClock { rate: rate.max(1), frame });
    }
    Some(found)
}

/// RFC 6381 name from a configuration record (ISO/IEC 14496-15 annex E for H.265).
fn mime(kind: &[u8; 4], config: &[u8]) -> Option<String> {
    match kind {
        b"avc1" => match config.get(1..4)? {
            [profile, flags, level] => Some(format!("avc1.{profile:02x}{flags:02x}{level:02x}")),
            _ => None,
        },
        b"hvc1" => {
            let mut record = Bytes(config);
            record.skip(1)?;
            let profile = record.u8()?;
            let compatible = record.u32()?.reverse_bits();
            let constraints = record.take(6)?;
            let level = record.u8()?;
            let space = ["", "A", "B", "C"][usize::from(profile >> 6)];
            let tier = if profile & 0x20 == 0 { 'L' } else { 'H' };
            let mut name = format!("hvc1.{space}{}.{compatible:X}.{tier}{level}", profile & 31);
            let used = constraints.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            for byte in constraints.iter().take(used) {
                name.push_str(&format!(".{byte:X}"));
            }
            Some(name)
        }
        _ => None,
    }
}

pub(crate) fn ftyp() -> Vec<u8> {
    let mut out = Vec::new();
    boxed(&mut out, b"ftyp", |out| {
        out.extend(b"isom");
        put32(out, 0x200);
        out.extend(b"isomiso6iso2avc1mp41");
    });
    out
}

fn moov(tracks: &Tracks) -> Vec<u8> {
    let mut out = Vec::new();
    boxed(&mut out, b"moov", |out| {
        full(out, b"mvhd", 0, 0, |out| {
            put32s(out, &[0, 0, 1000, 0, 0x0001_0000]); // times, timescale, duration, rate
            out.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // volume 1.0, reserved
            matrix(out);
            put32s(out, &[0; 6]);
            put32(out, AUDIO_TRACK + 1);
        });
        video_trak(out, &tracks.video);
        if let Some(audio) = &tracks.audio {
            audio_trak(out, audio);
        }
        boxed(out, b"mvex", |out| {
            trex(out, VIDEO_TRACK, 0, OTHER_SAMPLE);
            if let Some(audio) = &tracks.audio {
                trex(out, AUDIO_TRACK, AudioClock::of(audio).frame, KEY_SAMPLE);
            }
        });
    });
    out
}

/// Defaults of a track's samples; fragments leave out what equals them.
fn trex(out: &mut Vec<u8>, track: u32, duration: u32, flags: u32) {
    full(out, b"trex", 0, 0, |out| put32s(out, &[track, 1, duration, 0, flags]));
}

fn video_trak(out: &mut Vec<u8>, video: &CodecParameters) {
    let width = u16::try_from(video.width).unwrap_or(u16::MAX);
    let height = u16::try_from(video.height).unwrap_or(u16::MAX);
    boxed(out, b"trak", |out| {
        tkhd(out, VIDEO_TRACK, 0, width, height);
        boxed(out, b"mdia", |out| {
            mdhd(out, VIDEO_TIMESCALE);
            hdlr(out, b"vide", b"courtside video\0");
            boxed(out, b"minf", |out| {
                full(out, b"vmhd", 0, 1, |out| put32s(out, &[0, 0]));
                dinf(out);
                stbl(out, |out| {
                    let (entry, record) = match video.codec {
                        Codec::H264 => (b"avc1", b"avcC"),
                        Codec::H265 => (b"hvc1", b"hvcC"),
                    };
                    boxed(out, entry, |out| {
                        put32s(out, &[0, 1, 0, 0, 0, 0]); // reserved, data reference 1, predefined
                        put16(out, width);
                        put16(out, height);
                        put32s(out, &[0x0048_0000, 0x0048_0000, 0]); // 72 dpi
                        put16(out, 1); // pictures a sample
                        out.extend([0; 32]); // name of the compressor
                        put16(out, 0x18);
                        put16(out, 0xFFFF);
                        boxed(out, record, |out| out.extend(video.config.iter()));
                    });
                });
            });
        });
    });
}

fn audio_trak(out: &mut Vec<u8>, audio: &AudioParameters) {
    boxed(out, b"trak", |out| {
        tkhd(out, AUDIO_TRACK, 0x0100, 0, 0);
        boxed(out, b"mdia", |out| {
            mdhd(out, audio.sample_rate.max(1));
            hdlr(out, b"soun", b"courtside sound\0");
            boxed(out, b"minf", |out| {
                full(out, b"smhd", 0, 0, |out| put32(out, 0));
                dinf(out);
                stbl(out, |out| {
                    boxed(out, b"mp4a", |out| {
                        put32s(out, &[0, 1, 0, 0]); // reserved, data reference 1, reserved
                        put16(out, u16::from(audio.channels));
                        put16(out, 16);
                        put32(out, 0);
                        let rate = u16::try_from(audio.sample_rate).unwrap_or(0);
                        put32(out, u32::from(rate) << 16);
                        esds(out, &audio.config);
                    });
                });
            });
        });
    });
}

fn tkhd(out: &mut Vec<u8>, track: u32, volume: u16, width: u16, height: u16) {
    full(out, b"tkhd", 0, 3, |out| {
        put32s(out, &[0, 0, track, 0, 0, 0, 0]);
        put32(out, 0); // layer, group
        put16(out, volume);
        put16(out, 0);
        matrix(out);
        put32(out, u32::from(width) << 16);
        put32(out, u32::from(height) << 16);
    });
}

fn mdhd(out: &mut Vec<u8>, timescale: u32) {
    // 0x55C4: language "und".
    full(out, b"mdhd", 0, 0, |out| put32s(out, &[0, 0, timescale, 0, 0x55C4_0000]));
}

pub(crate) fn hdlr(out: &mut Vec<u8>, kind: &[u8; 4], name: &[u8]) {
    full(out, b"hdlr", 0, 0, |out| {
        put32(out, 0);
        out.extend(kind);
        put32s(out, &[0; 3]);
        out.extend(name);
    });
}

pub(crate) fn dinf(out: &mut Vec<u8>) {
    boxed(out, b"dinf", |out| {
        full(out, b"dref", 0, 0, |out| {
            put32(out, 1);
            full(out, b"url ", 0, 1, |_| {});
        });
    });
}

/// A sample table that only describes: samples stand in the fragments.
fn stbl(out: &mut Vec<u8>, entry: impl FnOnce(&mut Vec<u8>)) {
    boxed(out, b"stbl", |out| {
        full(out, b"stsd", 0, 0, |out| {
            put32(out, 1);
            entry(out);
        });
        full(out, b"stts", 0, 0, |out| put32(out, 0));
        full(out, b"stsc", 0, 0, |out| put32(out, 0));
        full(out, b"stsz", 0, 0, |out| put32s(out, &[0, 0]));
        full(out, b"stco", 0, 0, |out| put32(out, 0));
    });
}

/// Elementary stream descriptor of AAC (ISO/IEC 14496-1 7.2.6.5).
fn esds(out: &mut Vec<u8>, config: &[u8]) {
    let config = config.get(..config.len().min(64)).unwrap_or(config);
    let len = u8::try_from(config.len()).unwrap_or(0);
    full(out, b"esds", 0, 0, |out| {
        out.extend([3, 23 + len, 0, 2, 0]);
        out.extend([4, 15 + len, 0x40, 0x15, 0, 0, 0]);
        put32s(out, &[0, 0]); // bit rates: not known
        out.extend([5, len]);
        out.extend(config);
        out.extend([6, 1, 2]);
    });
}

pub(crate) fn matrix(out: &mut Vec<u8>) {
    put32s(out, &[0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000]);
}

/// The first 8 bytes of SHA-256: finds torn and rotten bytes.
pub(crate) fn checksum(parts: &[&[u8]]) -> [u8; 8] {
    let mut sum = Sha256::new();
    for part in parts {
        sum.update(part);
    }
    let mut first = [0; 8];
    for (to, from) in first.iter_mut().zip(sum.finalize()) {
        *to = from;
    }
    first
}

/// Writes a box around what `body` writes.
pub(crate) fn boxed(out: &mut Vec<u8>, kind: &[u8; 4], body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    put32(out, 0);
    out.extend(kind);
    body(out);
    let len = u32::try_from(out.len() - at).unwrap_or(u32::MAX);
    patch(out, at, &len.to_be_bytes());
}

/// Writes a box with version and flags around what `body` writes.
pub(crate) fn full(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    version: u8,
    flags: u32,
    body: impl FnOnce(&mut Vec<u8>),
) {
    boxed(out, kind, |out| {
        put32(out, u32::from(version) << 24 | flags);
        body(out);
    });
}

/// Overwrites bytes that are there; does nothing where they are not.
pub(crate) fn patch(out: &mut [u8], at: usize, with: &[u8]) {
    if let Some(place) = out.get_mut(at..at + with.len()) {
        place.copy_from_slice(with);
    }
}

pub(crate) fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend(value.to_be_bytes());
}

pub(crate) fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_be_bytes());
}

pub(crate) fn put64(out: &mut Vec<u8>, value: u64) {
    out.extend(value.to_be_bytes());
}

pub(crate) fn put32s(out: &mut Vec<u8>, values: &[u32]) {
    for &value in values {
        put32(out, value);
    }
}

/// A box found among bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its type.
    pub(crate) kind: [u8; 4],
    /// Where it begins.
    pub(crate) at: usize,
    /// Its length with its header.
    pub(crate) len: usize,
}

impl Found {
    pub(crate) const fn end(&self) -> usize {
        self.at + self.len
    }

    pub(crate) fn body<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        bytes.get(self.at + 8..self.end())
    }
}

/// The whole box at `at`. Deliberately absent: 64-bit and open-ended lengths, which we never write.
pub(crate) fn child(bytes: &[u8], at: usize) -> Option<Found> {
    let mut header = Bytes(bytes.get(at..)?);
    let len = usize::try_from(header.u32()?).ok()?;
    let kind = header.take(4)?.try_into().ok()?;
    (len >= 8 && len <= bytes.len() - at).then_some(Found { kind, at, len })
}

/// The whole boxes among bytes, up to the first that is not.
pub(crate) fn children(bytes: &[u8]) -> impl Iterator<Item = Found> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let found = child(bytes, at)?;
        at = found.end();
        Some(found)
    })
}

/// The body of the first box along a path.
pub(crate) fn path<'a>(bytes: &'a [u8], kinds: &[&[u8; 4]]) -> Option<&'a [u8]> {
    let mut bytes = bytes;
    for &kind in kinds {
        bytes = children(bytes).find(|found| &found.kind == kind)?.body(bytes)?;
    }
    Some(bytes)
}

/// Reads big-endian numbers from the front.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn skip(&mut self, n: usize) -> Option<()> {
        self.take(n).map(|_| ())
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }
}
