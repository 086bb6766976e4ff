//! Encoded pictures and sound without an encoder: the ring looks at none of their bytes.

use std::sync::Arc;

use bytes::Bytes;

use crate::media::{
    AccessUnit, AudioParameters, AudioUnit, Codec, CodecParameters, CourtId, MediaTime, Monotonic,
    SessionId, StreamInfo, StreamItem,
};

/// A key frame is so many times another picture (chosen: as x264 makes them of a hall).
const KEY_WEIGHT: u64 = 5;
/// Samples of an AAC frame, and of a second.
const FRAME: i64 = 1024;
const RATE: i64 = 48_000;
/// Bytes of a sound frame: 96 kbit/s.
const SOUND_BYTES: usize = 256;

/// A stream of one court.
pub(super) struct Stream {
    pub(super) court: CourtId,
    pub(super) session: SessionId,
    fps: i64,
    key_every: i64,
    sound: bool,
    parameters: Arc<CodecParameters>,
    audio: Arc<AudioParameters>,
    /// Of a picture that is no key frame.
    picture_bytes: usize,
    bytes: Bytes,
    n: i64,
    heard: i64,
}

impl Stream {
    /// One of `mbps` in its pictures, a key frame every two seconds.
    pub(super) fn new(court: CourtId, session: u64, mbps: f64, fps: i64, sound: bool) -> Self {
        let key_every = fps * 2;
        // Weights of a group add up to its pictures and what the key frame has more.
        let weights = key_every.unsigned_abs() + KEY_WEIGHT - 1;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes of 2 s")]
        let group = (mbps * 1e6 / 8.0 * 2.0) as u64;
        let picture_bytes = usize::try_from((group / weights).max(16)).unwrap_or(16);
        let most = picture_bytes * usize::try_from(KEY_WEIGHT).unwrap_or(1);
        Self {
            court,
            session: SessionId::from_bits(session),
            fps,
            key_every,
            sound,
            parameters: Arc::new(CodecParameters {
                codec: Codec::H264,
                width: 1920,
                height: 1080,
                config: vec![1, 0x64, 0, 0x28, 0xff, 0xe1, 0, 1, 0, 1, 0, 1, 0].into(),
                parameter_sets: Vec::new(),
                low_delay_sets: None,
                reorder_frames: None,
                mime_codec: "avc1.640028".into(),
            }),
            audio: Arc::new(AudioParameters {
                config: vec![0x11, 0x90].into(),
                sample_rate: 48_000,
                channels: 2,
            }),
            picture_bytes,
            bytes: vec![0x5a; most.max(SOUND_BYTES)].into(),
            n: 0,
            heard: 0,
        }
    }

    /// Its beginning.
    pub(super) fn opened(&self, now: Monotonic) -> StreamItem {
        StreamItem::Opened(Arc::new(StreamInfo {
            court: self.court.clone(),
            session: self.session,
            peer: "bench".into(),
            encoder: None,
            opened: now,
        }))
    }

    /// When its next picture comes, in whole milliseconds as RTMP has them.
    pub(super) fn next_at(&self) -> MediaTime {
        MediaTime::from_millis(self.n * 1000 / self.fps)
    }

    /// The next picture, and the sound that comes before it.
    pub(super) fn next(&mut self, now: Monotonic) -> Vec<StreamItem> {
        let at = self.next_at();
        let mut items = Vec::new();
        while self.sound {
            let heard = MediaTime::from_millis(self.heard * FRAME * 1000 / RATE);
            if heard > at {
                break;
            }
            self.heard += 1;
            items.push(StreamItem::Audio(AudioUnit {
                session: self.session,
                pts: heard,
                data: self.bytes.slice(..SOUND_BYTES),
                parameters: Arc::clone(&self.audio),
                arrival: now,
            }));
        }
        let key = self.n % self.key_every == 0;
        let spread = usize::try_from(self.n * 37 % 101).unwrap_or(0);
        // As pictures of a moving scene: no two alike, half as large to half as large again.
        let varied = self.picture_bytes / 2 + self.picture_bytes * spread / 100;
        let bytes = if key { self.bytes.len().min(self.picture_bytes * 5) } else { varied };
        items.push(StreamItem::Video(AccessUnit {
            session: self.session,
            sequence: self.n.unsigned_abs(),
            pts: at,
            dts: at,
            key,
            b_slices: false,
            data: self.bytes.slice(..bytes),
            parameters: Arc::clone(&self.parameters),
            arrival: now,
        }));
        self.n += 1;
        items
    }
}
