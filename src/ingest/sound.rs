//! The sound of one publish (pure): how it is coded, what of it is left out and why, and where its frames lie
//! beside the pictures.
//!
//! Times are taken as sent, and go on from frame to frame. Sound whose times lie far beside those of the pictures
//! that come with it (another clock, another zero) is put beside them by arrival, once; what comes behind a jump of
//! the pictures and is still of the old time is let go. Times that run otherwise than the clock are not used
//! (`pace`): its frames are laid one behind the other then, and set right by arrival.
//!
//! AAC alone is kept. Frames with an ADTS header, as some firmwares put into FLV, lose it; where no record came
//! (AudioSpecificConfig) the header says the same.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::event::words::Sound;
use crate::ingest::pace::Pace;
use crate::ingest::records::audio_parameters;
use crate::media::{AudioParameters, MediaTime, Monotonic};

/// Samples of a frame of AAC (960 is for broadcasts).
const FRAME: i64 = 1_024;
/// Farther beside the pictures than this it is of another clock, ms (chosen: an encoder's lookahead delays pictures
/// by three seconds at most).
pub(crate) const BESIDE_MS: i64 = 5_000;
/// A step from frame to frame is less, ms.
const MAX_STEP_MS: i64 = 10_000;
/// Behind a jump, for how long sound of the old time is let go.
const OLD_TIME: Duration = Duration::from_secs(2);
/// Frames by arrival stray no farther than this before they are put where they should be at once (chosen).
const STRAY_NANOS: i64 = 150_000_000;
/// … and go there by so much of it with each frame: in a second or two it is gone.
const RIGHTED: i64 = 32;

/// The sound of one publish.
#[derive(Debug, Default)]
pub(crate) struct SoundTrack {
    parameters: Option<Arc<AudioParameters>>,
    left_out: Option<String>,
    /// Frames came of which nobody said how they are coded.
    unrecorded: bool,
    pace: Pace,
    /// The last one of the session: as sent, and the ms that it was put to.
    last: Option<(u32, i64)>,
    last_pts: Option<MediaTime>,
    /// The last one of the session before: as sent; and when this session began.
    before: Option<(u32, Monotonic)>,
}

/// The picture that came last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beside {
    /// Its timestamp as sent, and the ms that it was put to.
    pub(crate) sent: (u32, i64),
    /// Its time.
    pub(crate) dts: MediaTime,
    /// When it came.
    pub(crate) arrival: Monotonic,
    /// Pictures are placed by arrival.
    pub(crate) by_arrival: bool,
}

impl SoundTrack {
    /// Takes a record. True if the sound that follows is coded otherwise.
    pub(crate) fn record(&mut self, config: &Bytes) -> bool {
        let Some(new) = audio_parameters(config) else {
            self.left_out = Some("this kind of AAC".to_owned());
            return false;
        };
        self.left_out = None;
        let changed = self.parameters.as_deref() != Some(&new);
        if changed {
            self.parameters = Some(Arc::new(new));
            self.pace.restart();
        }
        changed
    }

    /// Notes that what comes is coded so.
    pub(crate) fn other(&mut self, what: String) {
        self.left_out = Some(what);
    }

    /// How it is coded, where it is kept.
    pub(crate) fn kept(&self) -> Option<&Arc<AudioParameters>> {
        self.parameters.as_ref().filter(|_| self.left_out.is_none())
    }

    /// What becomes of it.
    pub(crate) fn told(&self) -> Sound {
        match (&self.left_out, &self.parameters) {
            (Some(what), _) => Sound::LeftOut(what.clone()),
            (None, Some(known)) => {
                Sound::Aac { sample_rate: known.sample_rate, channels: known.channels }
            }
            (None, None) if self.unrecorded => {
                let why = "AAC whose record (AudioSpecificConfig) never came, restart the encoder's stream";
                Sound::Unread(why.to_owned())
            }
            (None, None) => Sound::None,
        }
    }

    /// Raw frames of a message. True if one of them said how it is coded, and nobody had.
    pub(crate) fn frames(&mut self, data: &Bytes) -> (Vec<Bytes>, bool) {
        let (config, frames) = match adts(data) {
            Some(read) => read,
            None => (Bytes::new(), vec![data.clone()]),
        };
        let said = self.parameters.is_none() && !config.is_empty() && self.record(&config);
        self.unrecorded |= self.parameters.is_none();
        (frames, said)
    }

    /// What was sent last in this session, and the ms that it was put to.
    pub(crate) const fn last(&self) -> Option<(u32, i64)> {
        self.last
    }

    /// Another session begins. Sound alone, before the first picture, is of no old time: what follows it is put
    /// beside the pictures at once.
    pub(crate) fn begins(&mut self, now: Monotonic, had_pictures: bool) {
        self.before = self.last.map(|(sent, _)| (sent, now)).filter(|_| had_pictures);
        (self.last, self.last_pts) = (None, None);
        self.pace.restart();
    }

    /// A frame's time, ns: exact where frames follow each other.
    fn frame_nanos(&self) -> i64 {
        let rate = self.parameters.as_ref().map_or(44_100, |known| known.sample_rate.max(1));
        FRAME * 1_000_000_000 / i64::from(rate)
    }

    /// The time of `count` frames that came in one message; `None` if they have no place beside the pictures.
    pub(crate) fn place(
        &mut self,
        sent: u32,
        arrival: Monotonic,
        count: usize,
        beside: Option<Beside>,
    ) -> Option<Vec<MediaTime>> {
        let frame = self.frame_nanos();
        let count = i64::try_from(count).unwrap_or(1).max(1);
        let by_arrival = beside.filter(|beside| beside.by_arrival);
        let at = match by_arrival {
            Some(beside) => due(beside, arrival).as_nanos() / 1_000_000,
            None => self.chained(sent, arrival, beside)?,
        };
        self.last = Some((sent, at));
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let declared = 1e9 / (frame * count) as f64;
        if self.pace.saw(at, arrival, Some(declared)) {
            tracing::debug!(?arrival, "the sound's times are not used");
        }
        let mut pts = MediaTime::from_millis(at);
        let frames_alone = by_arrival.is_some() || self.pace.wrong().is_some();
        if let Some(beside) = beside.filter(|_| frames_alone) {
            let due = due(beside, arrival);
            let next = self.last_pts.map(|last| last.plus_nanos(frame));
            let near = next.filter(|next| next.nanos_since(due).abs() <= STRAY_NANOS);
            pts = near.map_or(due, |next| next.plus_nanos(due.nanos_since(next) / RIGHTED));
        }
        pts = self.last_pts.map_or(pts, |last| last.max(pts));
        let all = (0..count).map(|n| pts.plus_nanos(n * frame)).collect::<Vec<_>>();
        self.last_pts = all.last().copied();
        Some(all)
    }

    /// Milliseconds that a timestamp is put to.
    fn chained(&self, sent: u32, arrival: Monotonic, beside: Option<Beside>) -> Option<i64> {
        let near = |(last, at): (u32, i64)| {
            let moved = step(last, sent);
            (-MAX_STEP_MS..=MAX_STEP_MS).contains(&moved).then_some(at + moved)
        };
        if let Some(at) = self.last.and_then(near) {
            return Some(at);
        }
        let Some(beside) = beside else { return Some(i64::from(sent)) };
        let due = due(beside, arrival).as_nanos() / 1_000_000;
        if let Some(at) = near(beside.sent).filter(|at| (at - due).abs() <= BESIDE_MS) {
            return Some(at);
        }
        let is_old = self.before.is_some_and(|(old, began)| {
            (-MAX_STEP_MS..=MAX_STEP_MS).contains(&step(old, sent))
                && arrival.since(began) < OLD_TIME
        });
        (!is_old).then_some(due)
    }
}

/// The time that it is beside the pictures.
fn due(beside: Beside, arrival: Monotonic) -> MediaTime {
    let since = arrival.since(beside.arrival).min(Duration::from_secs(10));
    beside.dts.plus_nanos(i64::try_from(since.as_nanos()).unwrap_or(0))
}

/// Milliseconds from `last` to `now`, both 32 bits and wrapping.
pub(crate) fn step(last: u32, now: u32) -> i64 {
    i64::from(now.wrapping_sub(last).cast_signed())
}

/// The frames of ADTS (ISO/IEC 13818-7 6.2) without their headers, and the record that these are worth. `None` of what
/// is none: the lengths in the headers must make up all of the data.
fn adts(data: &Bytes) -> Option<(Bytes, Vec<Bytes>)> {
    let (mut at, mut frames, mut config) = (0, Vec::new(), Bytes::new());
    while at < data.len() {
        let &[a, b, c, d, e, f, g] = data.get(at..)?.first_chunk::<7>()?;
        let is_header = a == 0xFF && b & 0xF6 == 0xF0 && g & 3 == 0;
        let length = usize::from(d & 3) << 11 | usize::from(e) << 3 | usize::from(f >> 5);
        let header = if b & 1 == 1 { 7 } else { 9 };
        if !is_header || length <= header {
            return None;
        }
        data.get(at..at + length)?;
        if frames.is_empty() {
            let (kind, rate, channels) = ((c >> 6) + 1, c >> 2 & 0x0F, (c & 1) << 2 | d >> 6);
            config = vec![kind << 3 | rate >> 1, (rate & 1) << 7 | channels << 3].into();
        }
        frames.push(data.slice(at + header..at + length));
        at += length;
    }
    (!frames.is_empty()).then_some((config, frames))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Monotonic {
        Monotonic::from_nanos(ms * 1_000_000)
    }

    fn track() -> SoundTrack {
        let mut track = SoundTrack::default();
        assert!(track.record(&Bytes::from_static(b"\x12\x10")));
        track
    }

    /// Frames of ten seconds beside pictures that came at their times, a picture each 40 ms: how far each frame lies
    /// from where it was heard, ms; `None` where it was let go.
    fn beside(
        by_arrival: bool,
        of: impl Fn(u64) -> u32,
        heard_late: impl Fn(u64) -> u64,
    ) -> Vec<Option<i64>> {
        let mut track = track();
        (0..430)
            .map(|n| {
                let heard = n * 1_024_000 / 44_100;
                let now = heard + heard_late(n);
                let shown = now / 40 * 40;
                let sent = (u32::try_from(shown).unwrap(), i64::try_from(shown).unwrap());
                let dts = MediaTime::from_millis(sent.1);
                let picture = Beside { sent, dts, arrival: at(shown), by_arrival };
                let placed = track.place(of(heard), at(now), 1, Some(picture))?;
                Some(placed[0].as_nanos() / 1_000_000 - i64::try_from(heard).unwrap())
            })
            .collect()
    }

    #[test]
    fn sound_of_another_clock_is_put_beside_the_pictures() {
        let jitter = |n: u64| n * 7 % 20;
        for beside_by in [0_i64, 200, -200, 15_000, -15_000, 3_600_000, -3_600_000] {
            let of = |heard: u64| {
                u32::try_from(i64::try_from(heard).unwrap().rem_euclid(1 << 32))
                    .unwrap()
                    .wrapping_add((beside_by as u64 & 0xFFFF_FFFF) as u32)
            };
            let off = beside(false, of, jitter);
            let wanted = if beside_by.abs() < 5_000 { beside_by } else { 0 };
            let good = |off: &Option<i64>| off.is_some_and(|off| (off - wanted).abs() <= 50);
            assert!(off.iter().all(good), "{beside_by}: {off:?}");
        }
    }

    #[test]
    fn sound_whose_times_are_of_no_use_is_laid_frame_behind_frame() {
        let jitter = |n: u64| n * 7 % 20;
        for of in [|_: u64| 0, |heard| u32::try_from(heard / 2).unwrap()] {
            let off = beside(false, of, jitter);
            let rest = &off[120..];
            assert!(rest.iter().all(|off| off.is_some_and(|off| off.abs() <= 300)), "{off:?}");
        }
        let off = beside(true, |_| 0, jitter);
        assert!(off.iter().all(|off| off.is_some_and(|off| off.abs() <= 50)), "{off:?}");
    }

    #[test]
    fn sound_of_the_old_time_is_let_go_behind_a_jump_and_no_longer() {
        let mut track = track();
        let picture = |sent: u32, ms: u64| Beside {
            sent: (sent, i64::from(sent)),
            dts: MediaTime::from_millis(i64::from(sent)),
            arrival: at(ms),
            by_arrival: false,
        };
        assert!(track.place(1_000, at(0), 1, Some(picture(990, 0))).is_some());
        track.begins(at(20), true);
        assert_eq!(track.place(1_023, at(23), 1, Some(picture(500_000, 20))), None);
        let placed = track.place(500_010, at(46), 1, Some(picture(500_000, 20)));
        assert_eq!(placed, Some(vec![MediaTime::from_millis(500_010)]));
        // The sound's clock did not jump with the pictures': from then on it is put beside them.
        track.begins(at(60), true);
        assert_eq!(track.place(500_100, at(70), 1, Some(picture(7, 60))), None);
        let placed = track.place(502_200, at(2_170), 1, Some(picture(2_107, 2_160)));
        assert_eq!(placed, Some(vec![MediaTime::from_millis(2_117)]));
    }

    #[test]
    fn headers_of_adts_are_taken_off_and_say_how_it_is_coded() {
        let frame = |raw: &[u8], protected: bool| {
            let header = if protected { 9 } else { 7 };
            let n = raw.len() + header;
            let mut out = vec![0xFF, if protected { 0xF0 } else { 0xF1 }, 0x50];
            out.extend([0x40 | (n >> 11) as u8, (n >> 3) as u8, (n as u8 & 7) << 5 | 0x1F, 0xFC]);
            out.resize(header, 0);
            [out, raw.to_vec()].concat()
        };
        let two = Bytes::from([frame(b"abc", false), frame(b"defg", true)].concat());
        let mut track = SoundTrack::default();
        let (frames, said) = track.frames(&two);
        assert!(said);
        assert_eq!(frames, [&b"abc"[..], b"defg"]);
        assert_eq!(track.told(), Sound::Aac { sample_rate: 44_100, channels: 1 });
        let cut = two.slice(..two.len() - 1);
        assert_eq!(track.frames(&cut).0, [cut], "what is none stays as it is");
    }

    #[test]
    fn sound_without_its_record_is_told_as_that() {
        let mut track = SoundTrack::default();
        assert_eq!(track.told(), Sound::None);
        assert_eq!(track.frames(&Bytes::from_static(b"\x21\x10aac")).0.len(), 1);
        assert!(track.kept().is_none());
        assert!(track.told().to_string().starts_with("left out: AAC whose record"));
        assert!(track.record(&Bytes::from_static(b"\x12\x10")));
        assert!(track.kept().is_some());
    }
}
