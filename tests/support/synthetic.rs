//! Access units whose bytes are noise and whose times are whole milliseconds.

use std::sync::Arc;

use courtside::media::{
    AccessUnit, AudioParameters, AudioUnit, Codec, CodecParameters, MediaTime, Monotonic,
    SessionId, StreamItem,
};

/// Parameters that differ from those of another `kind`.
pub(crate) fn parameters(kind: u8) -> Arc<CodecParameters> {
    Arc::new(CodecParameters {
        codec: Codec::H264,
        width: 1280,
        height: 720,
        config: vec![1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 1, kind, 1, 0, 1, kind].into(),
        parameter_sets: Vec::new(),
        low_delay_sets: None,
        reorder_frames: None,
        mime_codec: "avc1.64001f".into(),
    })
}

/// A picture of `bytes` bytes.
pub(crate) fn picture(
    session: SessionId,
    sequence: u64,
    ms: i64,
    key: bool,
    bytes: usize,
    parameters: &Arc<CodecParameters>,
) -> StreamItem {
    let mut noise = sequence.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ session.bits();
    let data: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        noise.to_be_bytes()[0]
    })
    .take(bytes)
    .collect();
    StreamItem::Video(AccessUnit {
        session,
        sequence,
        pts: MediaTime::from_millis(ms),
        dts: MediaTime::from_millis(ms),
        key,
        b_slices: false,
        data: data.into(),
        parameters: Arc::clone(parameters),
        arrival: Monotonic::ZERO,
    })
}

/// Pictures of `bytes` bytes, ten a second, the first of each second a key picture.
#[allow(dead_code, reason = "not every test that makes pictures makes these")]
pub(crate) fn tenths(
    session: SessionId,
    numbers: std::ops::Range<u64>,
    bytes: usize,
) -> impl Iterator<Item = StreamItem> {
    numbers.map(move |n| {
        let ms = i64::try_from(n).expect("small") * 100;
        picture(session, n, ms, n % 10 == 0, bytes, &parameters(0))
    })
}

/// A sound frame.
pub(crate) fn sound(session: SessionId, ms: i64, parameters: &Arc<AudioParameters>) -> StreamItem {
    StreamItem::Audio(AudioUnit {
        session,
        pts: MediaTime::from_millis(ms),
        data: vec![0x21; 40].into(),
        parameters: Arc::clone(parameters),
        arrival: Monotonic::ZERO,
    })
}

/// AAC-LC, 48 kHz, stereo.
pub(crate) fn aac() -> Arc<AudioParameters> {
    Arc::new(AudioParameters { config: vec![0x11, 0x90].into(), sample_rate: 48_000, channels: 2 })
}
