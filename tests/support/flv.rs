//! Reads an FLV file as ingest would deliver it: H.264 and AAC, times in whole milliseconds.

use std::path::Path;
use std::sync::Arc;

use courtside::media::{
    AccessUnit, AudioParameters, AudioUnit, Codec, CodecParameters, MediaTime, Monotonic,
    SessionId, StreamItem,
};

/// The pictures and the sound of `file`, in its order.
pub(super) fn read(
    file: &Path,
    session: SessionId,
    (width, height): (u32, u32),
) -> Vec<StreamItem> {
    let bytes = std::fs::read(file).expect("file");
    let mut items = Vec::new();
    let mut video: Option<Arc<CodecParameters>> = None;
    let mut audio: Option<Arc<AudioParameters>> = None;
    let mut sequence = 0;
    let number = |bytes: &[u8]| bytes.iter().fold(0_i64, |n, byte| n << 8 | i64::from(*byte));
    let mut at = 13;
    while let Some(header) = bytes.get(at..at + 11) {
        let len = usize::try_from(number(&header[1..4])).expect("small");
        let ms = number(&header[4..7]) | i64::from(header[7]) << 24;
        let body = &bytes[at + 11..at + 11 + len];
        at += 11 + len + 4;
        let time = MediaTime::from_millis(ms);
        match (header[0], body) {
            (9, [_, 0, _, _, _, config @ ..]) => {
                video = Some(Arc::new(CodecParameters {
                    codec: Codec::H264,
                    width,
                    height,
                    config: config.to_vec().into(),
                    parameter_sets: Vec::new(),
                    low_delay_sets: None,
                    reorder_frames: None,
                    mime_codec: String::new(),
                }));
            }
            (9, [kind, 1, a, b, c, data @ ..]) => {
                let later = (number(&[*a, *b, *c]) << 40) >> 40;
                items.push(StreamItem::Video(AccessUnit {
                    session,
                    sequence,
                    pts: MediaTime::from_millis(ms + later),
                    dts: time,
                    key: kind >> 4 == 1,
                    b_slices: later != 0,
                    data: data.to_vec().into(),
                    parameters: Arc::clone(video.as_ref().expect("avcC first")),
                    arrival: Monotonic::ZERO,
                }));
                sequence += 1;
            }
            (8, [_, 0, config @ ..]) => {
                let rates = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050];
                let rate = rates[usize::from((config[0] & 7) << 1 | config[1] >> 7)];
                audio = Some(Arc::new(AudioParameters {
                    config: config.to_vec().into(),
                    sample_rate: rate,
                    channels: config[1] >> 3 & 15,
                }));
            }
            (8, [_, 1, data @ ..]) => items.push(StreamItem::Audio(AudioUnit {
                session,
                pts: time,
                data: data.to_vec().into(),
                parameters: Arc::clone(audio.as_ref().expect("config first")),
                arrival: Monotonic::ZERO,
            })),
            _ => {}
        }
    }
    items
}
