//! What survives a power cut: one fragment, written and read back (pure).
//!
//! ```text
//! segment:  ftyp uuid moov | fragment | hole | fragment | …
//! fragment: free(checksum of the rest) moof(mfhd, traf video, traf sound) mdat(pictures, sound)
//! hole:     free("deleted", zeros), as long as the fragments that were there
//! ```
//! In a segment of a slow stream the `moof` is packed (`packed`): there it would be more than 2 % of what is
//! written.
//! The layout is that of fragmented MP4 (ISO/IEC 14496-12, 8.8), less what `trex` says already. A player passes over
//! `uuid` and `free`; a clip leaves them out. `tfdt` counts from the segment's origins, which stand
//! in `uuid`: a segment that is not packed plays by itself, and its media times come back exactly.

use bytes::Bytes as Payload;

use crate::clips::boxes::{
    AUDIO_TRACK, Bytes, Form, Head, KEY_SAMPLE, MAX_HEAD, OTHER_SAMPLE, VIDEO_TRACK, boxed,
    checksum, child, full, patch, put32, put64, read_head,
};
use crate::clips::packed::{PACKED, pack, unpack};
use crate::clips::timeline::{AudioClock, Ticks};

/// `free` box with a checksum before each `moof`.
pub(crate) const SEAL: usize = 16;
/// Begins what `free` holds in the place of fragments that were deleted on demand.
const HOLE_MARK: &[u8; 8] = b"deleted\0";
/// No `moof` of ours is longer: 4 s at 240 fps with sound are 30 KB.
const MAX_MOOF: usize = 1 << 20;

/// A picture with its place.
#[derive(Clone, Debug)]
pub struct VideoSample {
    /// Decoding time.
    pub dts: Ticks,
    /// Presentation time.
    pub pts: Ticks,
    /// True if decoding can start here.
    pub key: bool,
    /// Its bytes.
    pub data: Payload,
}

/// A sound frame with its place.
#[derive(Clone, Debug)]
pub struct AudioSample {
    /// In samples since media time 0.
    pub at: i64,
    /// Its bytes.
    pub data: Payload,
}

/// What a fragment will hold.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Pictures in decoding order, `dts` rising.
    pub video: Vec<VideoSample>,
    /// Sound, rising.
    pub audio: Vec<AudioSample>,
    /// When the picture after the last one is decoded, or the best guess.
    pub video_end: Ticks,
}

impl Draft {
    /// Encoded bytes inside.
    #[must_use]
    pub fn payload(&self) -> u64 {
        let video = self.video.iter().map(|sample| sample.data.len() as u64);
        let audio = self.audio.iter().map(|sample| sample.data.len() as u64);
        video.chain(audio).sum()
    }

    /// True when nothing is inside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.video.is_empty() && self.audio.is_empty()
    }

    /// The earliest time inside, on the video track's scale.
    #[must_use]
    pub fn start(&self, clock: Option<AudioClock>) -> Option<Ticks> {
        let video = self.video.first().map(|sample| sample.dts);
        let audio = self.audio.first().zip(clock);
        let audio = audio.map(|(sample, clock)| Ticks::of_samples(sample.at, clock.rate));
        video.into_iter().chain(audio).min()
    }
}

/// Where the tracks of a segment count from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origins {
    /// Media time of `tfdt` 0 of the video track.
    pub video: Ticks,
    /// The same of the sound's track, in its samples.
    pub audio: i64,
    /// How the sound's track counts, if there is one.
    pub clock: Option<AudioClock>,
}

/// A fragment as it lies in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Where its seal begins.
    pub offset: u64,
    /// Bytes of its `moof`, as players get it.
    pub moof: u32,
    /// Bytes that lie in the place of its `moof`: fewer where it is packed.
    pub stored: u32,
    /// Bytes of its `mdat`, header and all.
    pub mdat: u32,
    /// Its pictures.
    pub video: Option<VideoSpan>,
    /// Its sound, in samples since media time 0: first, and after the last.
    pub audio: Option<(i64, i64)>,
    /// Its time: from the first picture to the end of the last, or that of its sound.
    pub span: (Ticks, Ticks),
}

impl Fragment {
    /// Where it ends.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.mdat_at() + u64::from(self.mdat)
    }

    /// Where its `mdat` begins.
    #[must_use]
    pub const fn mdat_at(&self) -> u64 {
        self.offset + SEAL as u64 + self.stored as u64
    }

    /// Bytes that players get of it: of its `moof` and `mdat`.
    #[must_use]
    pub const fn played_bytes(&self) -> u64 {
        self.moof as u64 + self.mdat as u64
    }

    /// True if decoding can start at its first picture.
    #[must_use]
    pub fn starts_with_key(&self) -> bool {
        self.video.is_some_and(|video| video.key)
    }
}

/// The pictures of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoSpan {
    /// Decoding time of the first.
    pub start: Ticks,
    /// Decoding time of the last.
    pub last: Ticks,
    /// Presentation time of the first.
    pub first_pts: Ticks,
    /// True if the first is a key frame.
    pub key: bool,
    /// How many.
    pub pictures: u32,
}

impl Form {
    /// The form for a segment that begins with a draft: packed where more than 1 % of most fragments would
    /// be boxes, so that a segment's head has the other one of the 2 %.
    #[must_use]
    pub fn of_segment(draft: &Draft, clock: Option<AudioClock>) -> Self {
        let mut sizes: Vec<_> = draft.video.iter().map(|sample| sample.data.len()).collect();
        sizes.sort_unstable();
        // Key pictures come seldom.
        let usual = sizes.get(sizes.len() / 2).copied().unwrap_or(0) * sizes.len();
        let sound = draft.audio.iter().filter(|_| clock.is_some());
        let payload = usual + sound.clone().map(|sample| sample.data.len()).sum::<usize>();
        let offsets = draft.video.iter().any(|sample| sample.pts != sample.dts);
        let boxes = SEAL + 100 + sizes.len() * if offsets { 12 } else { 8 } + sound.count() * 6;
        if boxes * 100 > payload { Self::Packed } else { Self::Plain }
    }
}

/// Writes a fragment as it will lie at `offset`. Sound before the segment's origin is left out.
#[must_use]
pub fn encode(
    draft: &Draft,
    sequence: u32,
    origins: Origins,
    offset: u64,
    form: Form,
) -> Option<Encoded> {
    let audio: Vec<_> = draft.audio.iter().filter(|s| s.at >= origins.audio).collect();
    let audio = if origins.clock.is_some() { audio } else { Vec::new() };
    if draft.video.is_empty() && audio.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(1024 + usize::try_from(draft.payload()).unwrap_or(0));
    boxed(&mut out, b"free", |out| put64(out, 0));
    let mut video_data = 0;
    let mut audio_data = 0;
    boxed(&mut out, b"moof", |out| {
        full(out, b"mfhd", 0, 0, |out| put32(out, sequence));
        if let Some(first) = draft.video.first() {
            boxed(out, b"traf", |out| {
                // 0x20000: data offsets count from the moof.
                full(out, b"tfhd", 0, 0x0002_0000, |out| put32(out, VIDEO_TRACK));
                tfdt(out, first.dts.0 - origins.video.0);
                video_data = video_trun(out, draft);
            });
        }
        if let (Some(first), Some(clock)) = (audio.first(), origins.clock) {
            boxed(out, b"traf", |out| {
                full(out, b"tfhd", 0, 0x0002_0000, |out| put32(out, AUDIO_TRACK));
                tfdt(out, first.at - origins.audio);
                audio_data = audio_trun(out, &audio, clock);
            });
        }
    });
    // The seal is no part of the moof, so offsets count from behind it.
    let first_byte = u32::try_from(out.len() - SEAL + 8).ok()?;
    let video_bytes: usize = draft.video.iter().map(|sample| sample.data.len()).sum();
    let sound_byte = first_byte + u32::try_from(video_bytes).ok()?;
    let moof = u32::try_from(out.len() - SEAL).ok()?;
    if video_data > 0 {
        patch(&mut out, video_data, &first_byte.to_be_bytes());
    }
    if audio_data > 0 {
        patch(&mut out, audio_data, &sound_byte.to_be_bytes());
    }
    boxed(&mut out, b"mdat", |out| {
        for sample in &draft.video {
            out.extend_from_slice(&sample.data);
        }
        for sample in &audio {
            out.extend_from_slice(&sample.data);
        }
    });
    let moof_place = SEAL..SEAL + usize::try_from(moof).ok()?;
    let view = MoofView::read(out.get(moof_place.clone())?, origins.clock)?;
    let packed = match form {
        Form::Packed => pack(out.get(moof_place.clone())?),
        Form::Plain => None,
    };
    let stored = match packed {
        Some(packed) => {
            let stored = u32::try_from(packed.len()).ok()?;
            drop(out.splice(moof_place, packed));
            stored
        }
        None => moof,
    };
    let sum = checksum(&[out.get(SEAL..)?]);
    patch(&mut out, 8, &sum);
    let fragment = read_fragment(&view, origins, offset, (moof, stored))?;
    Some(Encoded { bytes: out, fragment })
}

/// The `moof` of a fragment, from what lies in its place. `None` if that is none of ours.
#[must_use]
pub(crate) fn moof_of(lies: Vec<u8>) -> Option<Vec<u8>> {
    let is_packed = child(&lies, 0).is_some_and(|found| &found.kind == PACKED);
    if is_packed { unpack(&lies) } else { Some(lies) }
}

/// A fragment, ready to be written.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// What to write.
    pub bytes: Vec<u8>,
    /// What it is.
    pub fragment: Fragment,
}

fn tfdt(out: &mut Vec<u8>, at: i64) {
    full(out, b"tfdt", 1, 0, |out| put64(out, u64::try_from(at).unwrap_or(0)));
}

/// Writes the video run. Returns where its data offset stands.
fn video_trun(out: &mut Vec<u8>, draft: &Draft) -> usize {
    let samples = &draft.video;
    let keys_inside = samples.iter().skip(1).any(|sample| sample.key);
    let starts_with_key = samples.first().is_some_and(|sample| sample.key);
    let offsets = samples.iter().any(|sample| sample.pts != sample.dts);
    let mut flags = 0x301; // data offset, duration, size
    if keys_inside {
        flags |= 0x400;
    } else if starts_with_key {
        flags |= 0x004;
    }
    if offsets {
        flags |= 0x800;
    }
    let mut data_offset = 0;
    full(out, b"trun", 1, flags, |out| {
        put32(out, u32::try_from(samples.len()).unwrap_or(u32::MAX));
        data_offset = out.len();
        put32(out, 0);
        if flags & 0x004 != 0 {
            put32(out, KEY_SAMPLE);
        }
        let ends = samples.iter().skip(1).map(|sample| sample.dts);
        let ends = ends.chain(std::iter::once(draft.video_end));
        for (sample, end) in samples.iter().zip(ends) {
            put32(out, duration(end.0 - sample.dts.0));
            put32(out, u32::try_from(sample.data.len()).unwrap_or(u32::MAX));
            if keys_inside {
                put32(out, if sample.key { KEY_SAMPLE } else { OTHER_SAMPLE });
            }
            if offsets {
                let later = sample.pts.0.saturating_sub(sample.dts.0);
                let later =
                    i32::try_from(later).unwrap_or(if later < 0 { i32::MIN } else { i32::MAX });
                put32(out, later.cast_unsigned());
            }
        }
    });
    data_offset
}

fn duration(ticks: i64) -> u32 {
    u32::try_from(ticks.max(1)).unwrap_or(u32::MAX)
}

/// Writes the sound's run. Returns where its data offset stands.
fn audio_trun(out: &mut Vec<u8>, samples: &[&AudioSample], clock: AudioClock) -> usize {
    let frame = i64::from(clock.frame);
    let gaps = samples.windows(2).any(|pair| match pair {
        [a, b] => b.at - a.at != frame,
        _ => false,
    });
    let flags = if gaps { 0x301 } else { 0x201 };
    let mut data_offset = 0;
    full(out, b"trun", 1, flags, |out| {
        put32(out, u32::try_from(samples.len()).unwrap_or(u32::MAX));
        data_offset = out.len();
        put32(out, 0);
        let ends = samples.iter().skip(1).map(|sample| sample.at);
        let last = samples.last().map(|sample| sample.at.saturating_add(frame));
        for (sample, end) in samples.iter().zip(ends.chain(last)) {
            if gaps {
                put32(out, duration(end - sample.at));
            }
            put32(out, u32::try_from(sample.data.len()).unwrap_or(u32::MAX));
        }
    });
    data_offset
}

/// A `moof` of ours, read: what is in it, and where to write when a clip is made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MoofView {
    /// Where the sequence number stands.
    pub(crate) sequence_at: usize,
    /// The video track.
    pub(crate) video: Option<TrafView>,
    /// The sound's track.
    pub(crate) audio: Option<TrafView>,
}

/// One track of a `moof`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrafView {
    /// Where `tfdt`'s time stands.
    pub(crate) tfdt_at: usize,
    /// Time of the first sample, from the segment's origin.
    pub(crate) tfdt: u64,
    /// How many samples.
    pub(crate) samples: u32,
    /// Their length together, without the last.
    pub(crate) before_last: u64,
    /// Length of the last.
    pub(crate) last: u32,
    /// Where the length of the last stands, if it does.
    pub(crate) last_at: Option<usize>,
    /// Their bytes together.
    pub(crate) bytes: u64,
    /// True if the first is a key frame.
    pub(crate) key: bool,
    /// Presentation of the first after its decoding.
    pub(crate) first_later: i32,
}

impl MoofView {
    /// Reads a whole `moof`. `None` if it is none of ours.
    pub(crate) fn read(moof: &[u8], clock: Option<AudioClock>) -> Option<Self> {
        let whole = child(moof, 0).filter(|found| &found.kind == b"moof")?;
        let mut view = Self { sequence_at: 0, video: None, audio: None };
        let mut at = 8;
        while at < whole.end() {
            let part = child(moof, at)?;
            match &part.kind {
                b"mfhd" if part.len == 16 => view.sequence_at = part.at + 12,
                b"traf" => {
                    let (track, traf) = TrafView::read(moof, part.at, part.end(), clock)?;
                    match track {
                        VIDEO_TRACK => view.video = Some(traf),
                        AUDIO_TRACK => view.audio = Some(traf),
                        _ => return None,
                    }
                }
                _ => return None,
            }
            at = part.end();
        }
        (view.sequence_at > 0 && at == moof.len()).then_some(view)
    }

    fn payload(&self) -> u64 {
        self.video.map_or(0, |traf| traf.bytes) + self.audio.map_or(0, |traf| traf.bytes)
    }
}

impl TrafView {
    fn read(moof: &[u8], at: usize, end: usize, clock: Option<AudioClock>) -> Option<(u32, Self)> {
        let traf = moof.get(..end)?;
        let tfhd = child(traf, at + 8).filter(|found| &found.kind == b"tfhd")?;
        let tfdt = child(traf, tfhd.end()).filter(|found| &found.kind == b"tfdt")?;
        let trun = child(traf, tfdt.end()).filter(|found| &found.kind == b"trun")?;
        if tfhd.len != 16 || tfdt.len != 20 || trun.end() != end {
            return None;
        }
        let mut body = Bytes(tfhd.body(traf)?);
        body.skip(4)?;
        let track = body.u32()?;
        let mut body = Bytes(tfdt.body(traf)?);
        body.skip(4)?;
        let begins = body.u64()?;
        let fallback = if track == AUDIO_TRACK { clock?.frame } else { 0 };
        let view = Self {
            tfdt_at: tfdt.at + 12,
            tfdt: begins,
            samples: 0,
            before_last: 0,
            last: fallback,
            last_at: None,
            bytes: 0,
            key: false,
            first_later: 0,
        };
        Some((track, view.with_run(trun.body(traf)?, trun.at + 8)?))
    }

    /// Adds what a `trun` says; `at` is where its body begins.
    fn with_run(mut self, body: &[u8], at: usize) -> Option<Self> {
        let mut run = Bytes(body);
        let flags = run.u32()? & 0x00FF_FFFF;
        self.samples = run.u32()?;
        if flags & !0xF05 != 0 || flags & 0x201 != 0x201 || self.samples == 0 {
            return None;
        }
        run.skip(4)?;
        if flags & 0x004 != 0 {
            self.key = run.u32()? == KEY_SAMPLE;
        }
        for n in 0..self.samples {
            if n > 0 {
                self.before_last = self.before_last.checked_add(u64::from(self.last))?;
            }
            if flags & 0x100 != 0 {
                self.last_at = Some(at + (body.len() - run.0.len()));
                self.last = run.u32()?;
            }
            self.bytes = self.bytes.checked_add(u64::from(run.u32()?))?;
            if flags & 0x400 != 0 {
                let key = run.u32()? == KEY_SAMPLE;
                self.key = if n == 0 { key } else { self.key };
            }
            if flags & 0x800 != 0 {
                let later = run.u32()?.cast_signed();
                self.first_later = if n == 0 { later } else { self.first_later };
            }
        }
        run.0.is_empty().then_some(self)
    }
}

/// `moof` and `stored` are bytes of the `moof`, and of what lies in its place.
fn read_fragment(
    view: &MoofView,
    origins: Origins,
    offset: u64,
    (moof, stored): (u32, u32),
) -> Option<Fragment> {
    let video = match view.video {
        Some(traf) => {
            let start = origins.video.0.checked_add_unsigned(traf.tfdt)?;
            let last = start.checked_add_unsigned(traf.before_last)?;
            start.checked_add(i64::from(traf.first_later))?;
            last.checked_add(i64::from(traf.last))?;
            let span = VideoSpan {
                start: Ticks(start),
                last: Ticks(last),
                first_pts: Ticks(start + i64::from(traf.first_later)),
                key: traf.key,
                pictures: traf.samples,
            };
            Some((span, Ticks(last + i64::from(traf.last))))
        }
        None => None,
    };
    let audio = match view.audio {
        Some(traf) => {
            let start = origins.audio.checked_add_unsigned(traf.tfdt)?;
            let end = start.checked_add_unsigned(traf.before_last)?;
            Some((start, end.checked_add(i64::from(traf.last))?))
        }
        None => None,
    };
    let span = match (video, audio, origins.clock) {
        (Some((video, end)), _, _) => (video.start, end),
        (None, Some((start, end)), Some(clock)) => {
            (Ticks::of_samples(start, clock.rate), Ticks::of_samples(end, clock.rate))
        }
        _ => return None,
    };
    let mdat = u32::try_from(view.payload().checked_add(8)?).ok()?;
    let video = video.map(|(span, _)| span);
    Some(Fragment { offset, moof, stored, mdat, video, audio, span })
}

/// A segment, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// What stands before the fragments.
    pub head: Head,
    /// The whole fragments, in order.
    pub fragments: Vec<Fragment>,
    /// Bytes that cannot be read, from and to, in order: whole fragments stand behind each.
    pub damaged: Vec<(u64, u64)>,
    /// Where the last whole one ends: what follows is torn, or damaged where more was written.
    pub whole: u64,
}

impl Scanned {
    /// Where the tracks count from.
    #[must_use]
    pub fn origins(&self) -> Origins {
        origins(&self.head)
    }

    /// From the first fragment to the end of the last; `None` if there is none.
    #[must_use]
    pub fn span(&self) -> Option<(Ticks, Ticks)> {
        let start = self.fragments.iter().map(|fragment| fragment.span.0).min()?;
        let end = self.fragments.iter().map(|fragment| fragment.span.1).max()?;
        Some((start, end))
    }

    /// How far UTC was ahead of the stream where the segment begins, ns, by the box's clock: it was
    /// begun when its first fragment had come in.
    #[must_use]
    pub(crate) fn ahead_ns(&self) -> Option<i64> {
        let header = &self.head.header;
        let first = self.fragments.first()?;
        let came = if first.offset == self.head.len {
            first.span.1
        } else {
            Ticks(header.video_origin.0 + USUAL_FRAGMENT.0) // the first was deleted
        };
        Some(header.begun.as_nanos().saturating_sub(came.media().as_nanos()))
    }
}

/// As long as most fragments are.
const USUAL_FRAGMENT: Ticks = Ticks::from_millis(500);

/// What stands at the beginning of a hole of `len` bytes; the rest of it is zeros. `None` if there can
/// be none: fragments are longer.
#[must_use]
pub(crate) fn hole_head(len: u64) -> Option<Vec<u8>> {
    let size = u32::try_from(len).ok().filter(|size| *size as usize > SEAL)?;
    let mut out = Vec::with_capacity(SEAL);
    put32(&mut out, size);
    out.extend(b"free");
    out.extend(HOLE_MARK);
    Some(out)
}

/// Where the tracks of a segment count from.
#[must_use]
pub fn origins(head: &Head) -> Origins {
    Origins { video: head.header.video_origin, audio: head.header.audio_origin, clock: head.audio }
}

/// Which fragments' checksums a scan compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// The last alone: each was synced before the next was begun, so no other can be torn.
    Last,
    /// Every one: finds bit rot.
    All,
    /// None: what the index says is on disk is read to be played.
    Nothing,
}

/// Reads a segment of `len` bytes. `read` gives exactly the bytes asked for.
///
/// What is not whole is passed over where a whole fragment stands behind it: that one's checksum is compared,
/// whatever `verify` says. `None` if there is no whole head.
///
/// # Errors
/// What `read` says.
pub(crate) fn scan<E>(
    len: u64,
    verify: Verify,
    mut read: impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
) -> Result<Option<Scanned>, E> {
    let first = read(0, to_usize(len.min(MAX_HEAD)))?;
    let Some(head) = read_head(&first) else { return Ok(None) };
    drop(first);
    let origins = origins(&head);
    let mut whole = head.len;
    let mut found = Vec::new();
    let mut damaged: Vec<(u64, u64)> = Vec::new();
    while whole < len {
        // Where what is rotten says that it ends.
        let ends = match next_at(len, whole, origins, &mut read)? {
            Some(Next::Fragment(fragment, sum)) => {
                if verify != Verify::All || sealed(&fragment, sum, &mut read)? {
                    whole = fragment.end();
                    found.push((fragment, sum));
                    continue;
                }
                Some(fragment.end())
            }
            Some(Next::Hole(end)) => {
                if verify != Verify::All || is_empty((whole + SEAL as u64, end), &mut read)? {
                    whole = end;
                    continue;
                }
                Some(end)
            }
            None => None,
        };
        let next = match ends {
            Some(end) if next_at(len, end, origins, &mut read)?.is_some() => Some(end),
            _ => fragment_behind((whole, len), origins, &mut read)?,
        };
        let Some(next) = next else { break };
        match damaged.last_mut() {
            Some((_, to)) if *to == whole => *to = next,
            _ => damaged.push((whole, next)),
        }
        whole = next;
    }
    while verify == Verify::Last
        && let Some((fragment, sum)) = found.last()
        && !sealed(fragment, *sum, &mut read)?
    {
        whole = fragment.offset;
        found.pop();
    }
    while let Some((from, _)) = damaged.pop_if(|(_, to)| *to >= whole) {
        whole = from; // nothing whole stands behind it
    }
    let fragments = found.into_iter().map(|(fragment, _)| fragment).collect();
    Ok(Some(Scanned { head, fragments, damaged, whole }))
}

/// Read at once where bytes are looked through.
const LOOK: usize = 1 << 20;

/// The first whole fragment behind bytes that are none. What was deleted there is passed over with them.
fn fragment_behind<E>(
    (at, len): (u64, u64),
    origins: Origins,
    read: &mut impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
) -> Result<Option<u64>, E> {
    /// Length and name of a seal.
    const BEGINS: &[u8] = b"\0\0\0\x10free";
    let mut at = at + 1;
    while at < len {
        let n = to_usize(len - at).min(LOOK);
        let bytes = read(at, n)?;
        for place in memchr::memmem::find_iter(&bytes, BEGINS) {
            let place = at + place as u64;
            if let Some(Next::Fragment(fragment, sum)) = next_at(len, place, origins, read)?
                && sealed(&fragment, sum, read)?
            {
                return Ok(Some(place));
            }
        }
        // One that lies over the border is seen with what comes behind it.
        let last = at + n as u64 == len;
        at += (if last { n } else { n - (BEGINS.len() - 1) }) as u64;
    }
    Ok(None)
}

/// True where a hole has nothing but zeros.
fn is_empty<E>(
    (mut at, end): (u64, u64),
    read: &mut impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
) -> Result<bool, E> {
    while at < end {
        let bytes = read(at, to_usize(end - at).min(LOOK))?;
        if bytes.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at += bytes.len().max(1) as u64;
    }
    Ok(true)
}

type Sum = [u8; 8];

/// Reads one read's worth: seal, a usual `moof` and the header of `mdat`.
const FIRST_READ: u64 = 4096;

/// What stands at a place in a segment.
enum Next {
    Fragment(Fragment, Sum),
    /// Nothing any more, up to there.
    Hole(u64),
}

fn next_at<E>(
    len: u64,
    at: u64,
    origins: Origins,
    read: &mut impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
) -> Result<Option<Next>, E> {
    let left = len.saturating_sub(at);
    let mut bytes = read(at, to_usize(left.min(FIRST_READ)))?;
    if let Some(hole) = read_hole(&bytes) {
        return Ok((hole <= left).then_some(Next::Hole(at + hole)));
    }
    let Some((sum, stored)) = read_seal(&bytes) else { return Ok(None) };
    let needed = SEAL + stored + 8;
    if stored > MAX_MOOF || needed as u64 > left {
        return Ok(None);
    }
    if bytes.len() < needed {
        bytes = read(at, needed)?;
    }
    let read_all = || {
        let moof = moof_of(bytes.get(SEAL..SEAL + stored)?.to_vec())?;
        let view = MoofView::read(&moof, origins.clock)?;
        let sizes = (u32::try_from(moof.len()).ok()?, u32::try_from(stored).ok()?);
        let fragment = read_fragment(&view, origins, at, sizes)?;
        let mut mdat = Bytes(bytes.get(SEAL + stored..needed)?);
        let right = mdat.u32()? == fragment.mdat && mdat.take(4)? == b"mdat";
        (right && fragment.end() <= len).then_some(Next::Fragment(fragment, sum))
    };
    Ok(read_all())
}

/// The length of a hole, if one begins here.
fn read_hole(bytes: &[u8]) -> Option<u64> {
    let mut bytes = Bytes(bytes);
    let len = bytes.u32()?;
    let is_hole = bytes.take(4)? == b"free" && bytes.take(8)? == HOLE_MARK;
    (is_hole && len as usize > SEAL).then_some(u64::from(len))
}

/// The checksum, and the length of the `moof` behind it, as it lies.
fn read_seal(bytes: &[u8]) -> Option<(Sum, usize)> {
    let mut bytes = Bytes(bytes);
    if usize::try_from(bytes.u32()?).ok()? != SEAL || bytes.take(4)? != b"free" {
        return None;
    }
    let sum = bytes.take(8)?.try_into().ok()?;
    let stored = usize::try_from(bytes.u32()?).ok()?;
    let kind = bytes.take(4)?;
    ((kind == b"moof" || kind == PACKED) && stored >= 8).then_some((sum, stored))
}

fn sealed<E>(
    fragment: &Fragment,
    sum: Sum,
    read: &mut impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
) -> Result<bool, E> {
    let len = to_usize(u64::from(fragment.stored) + u64::from(fragment.mdat));
    Ok(checksum(&[&read(fragment.offset + SEAL as u64, len)?]) == sum)
}

fn to_usize(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

/// Reads every box of `bytes` as a file of ours would be read: for the fuzzer and for `verify`.
#[must_use]
pub fn scan_bytes(bytes: &[u8], verify: Verify) -> Option<Scanned> {
    let read = |at: u64, n: usize| {
        let from = to_usize(at);
        Ok::<_, ()>(bytes.get(from..from.saturating_add(n)).unwrap_or(&[]).to_vec())
    };
    scan(bytes.len() as u64, verify, read).ok().flatten()
}

/// Segments for the tests of who reads them.
#[cfg(test)]
pub(crate) mod samples {
    use std::sync::Arc;

    use super::*;
    use crate::clips::boxes::{SegmentHeader, Tracks, head};
    use crate::clips::synthetic::parameters;
    use crate::media::{AudioParameters, CourtId, SessionId, UtcTime};

    /// Two seconds from `start` on, four fragments of pictures and sound.
    pub(crate) fn segment(id: u64, start: Ticks, form: Form) -> Vec<u8> {
        let config = vec![0x11, 0x90].into();
        let audio = AudioParameters { config, sample_rate: 48_000, channels: 2 };
        let clock = AudioClock::of(&audio);
        let tracks = Tracks { video: parameters(0), audio: Some(Arc::new(audio)) };
        let heard = start.samples(clock.rate);
        let header = SegmentHeader {
            id,
            court: CourtId::new("a").expect("name"),
            session: SessionId::from_bits(1),
            video_origin: start,
            audio_origin: heard,
            begun: UtcTime::from_nanos(0),
        };
        let origins = Origins { video: start, audio: heard, clock: Some(clock) };
        let mut bytes = head(&header, &tracks, form);
        for n in 0..4 {
            let mut draft =
                Draft { video_end: Ticks(start.0 + (n + 1) * 45_000), ..Draft::default() };
            for k in 0..15 {
                let dts = Ticks(start.0 + n * 45_000 + k * 3000);
                let data = vec![(n * 15 + k) as u8; 30 + k as usize].into();
                draft.video.push(VideoSample { dts, pts: dts, key: k == 0, data });
            }
            for k in 0..23 {
                let at = heard + (n * 23 + k) * 1024;
                draft.audio.push(AudioSample { at, data: vec![0xaa; 9].into() });
            }
            let at = bytes.len() as u64;
            let encoded = encode(&draft, n as u32 + 1, origins, at, form).expect("pictures");
            bytes.extend(encoded.bytes);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::clips::boxes::{SegmentHeader, Tracks, head};
    use crate::media::{AudioParameters, Codec, CodecParameters, CourtId, SessionId, UtcTime};

    fn tracks(sound: bool) -> Tracks {
        let video = CodecParameters {
            codec: Codec::H264,
            width: 1280,
            height: 720,
            config: vec![1, 0x64, 0, 0x1f, 0xff, 0xe0, 0].into(),
            parameter_sets: Vec::new(),
            low_delay_sets: None,
            reorder_frames: None,
            mime_codec: "avc1.64001f".into(),
        };
        let config = vec![0x11, 0x90].into();
        let audio = AudioParameters { config, sample_rate: 48_000, channels: 2 };
        Tracks { video: Arc::new(video), audio: sound.then(|| Arc::new(audio)) }
    }

    /// The head of a segment that counts from `start`, and what it counts from.
    fn begin(start: Ticks, sound: bool, form: Form) -> (Vec<u8>, Origins) {
        let tracks = tracks(sound);
        let clock = tracks.audio.as_deref().map(AudioClock::of);
        let audio = clock.map_or(0, |clock| start.samples(clock.rate));
        let header = SegmentHeader {
            id: 7,
            court: CourtId::new("north-2").expect("name"),
            session: SessionId::from_bits(0xabc),
            video_origin: start,
            audio_origin: audio,
            begun: UtcTime::from_nanos(5),
        };
        (head(&header, &tracks, form), Origins { video: start, audio, clock })
    }

    prop_compose! {
        fn drafts()(
            start in 0_i64..1_000_000,
            pictures in prop::collection::vec(
                (1_i64..9000, -3000_i64..9000, any::<bool>(), 0_usize..50), 0..40),
            frames in prop::collection::vec((any::<bool>(), 1_usize..30), 0..40),
        ) -> Draft {
            let mut at = start;
            let mut draft = Draft::default();
            for (step, later, key, bytes) in pictures {
                let data = vec![u8::from(key); bytes].into();
                let sample = VideoSample { dts: Ticks(at), pts: Ticks(at + later), key, data };
                draft.video.push(sample);
                at += step;
            }
            draft.video_end = Ticks(at);
            let mut at = Ticks(start).samples(48_000) + 100;
            for (gap, bytes) in frames {
                at += if gap { 5000 } else { 0 };
                draft.audio.push(AudioSample { at, data: vec![9; bytes].into() });
                at += 1024;
            }
            draft
        }
    }

    fn segment(drafts: &[Draft], sound: bool, form: Form) -> (Vec<u8>, Vec<Fragment>) {
        let clock = sound.then_some(AudioClock { rate: 48_000, frame: 1024 });
        let starts = drafts.iter().filter_map(|draft| draft.start(clock));
        let start = starts.min().unwrap_or_default();
        let (mut bytes, origins) = begin(start, sound, form);
        let mut written = Vec::new();
        for (n, draft) in (1..).zip(drafts) {
            if let Some(encoded) = encode(draft, n, origins, bytes.len() as u64, form) {
                bytes.extend(encoded.bytes);
                written.push(encoded.fragment);
            }
        }
        (bytes, written)
    }

    fn forms() -> impl Strategy<Value = Form> {
        prop_oneof![Just(Form::Plain), Just(Form::Packed)]
    }

    #[test]
    fn a_segment_is_packed_where_its_boxes_would_be_more_than_a_hundredth() {
        let draft = |key: usize, other: usize, frames: usize| {
            let picture = |n: i64| VideoSample {
                dts: Ticks(n * 3000),
                pts: Ticks(n * 3000),
                key: n == 0,
                data: vec![0; if n == 0 { key } else { other }].into(),
            };
            let sound = |at| AudioSample { at, data: vec![0; 256].into() };
            let video = (0..15).map(picture).collect();
            let audio = (0..frames as i64).map(|n| sound(n * 1024)).collect();
            Draft { video, audio, video_end: Ticks(45_000) }
        };
        let clock = AudioClock { rate: 48_000, frame: 1024 };
        for (key, other, frames, form) in [
            (2000, 300, 0, Form::Packed),      // 0.1 Mbit/s
            (30_000, 300, 0, Form::Packed),    // a large key picture is no rate
            (4000, 1200, 23, Form::Packed),    // 0.4 Mbit/s with the sound
            (8000, 4000, 23, Form::Plain),     // 1 Mbit/s
            (160_000, 32_000, 0, Form::Plain), // 8 Mbit/s
        ] {
            assert_eq!(Form::of_segment(&draft(key, other, frames), Some(clock)), form, "{other}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(
            drafts in prop::collection::vec(drafts(), 1..4), sound: bool, form in forms()
        ) {
            let (bytes, written) = segment(&drafts, sound, form);
            let scanned = scan_bytes(&bytes, Verify::All).expect("a segment");
            prop_assert_eq!(scanned.whole, bytes.len() as u64);
            prop_assert_eq!(&scanned.fragments, &written);
            prop_assert_eq!(scanned.head.header.court.as_str(), "north-2");
            let used = drafts.iter().filter(|draft| !draft.video.is_empty());
            let spans = written.iter().filter_map(|f| Some((f.video?, f.span.1)));
            for (draft, (span, end)) in used.zip(spans) {
                prop_assert_eq!(span.start, draft.video[0].dts);
                prop_assert_eq!(span.first_pts, draft.video[0].pts);
                prop_assert_eq!(span.key, draft.video[0].key);
                prop_assert_eq!(end, draft.video_end);
            }
        }

        #[test]
        fn a_torn_tail_is_cut_to_the_last_whole_fragment(
            drafts in prop::collection::vec(drafts(), 1..4), sound: bool, cut in 0.0_f64..1.0,
            form in forms(),
        ) {
            let (bytes, written) = segment(&drafts, sound, form);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
            let at = (bytes.len() as f64 * cut) as usize;
            // What was lost reads as nothing, or as zeros where the file is longer already.
            for zeros in [0, bytes.len() - at] {
                let mut torn = bytes[..at].to_vec();
                torn.resize(at + zeros, 0);
                let whole = written.iter().take_while(|f| f.end() <= at as u64).count();
                match scan_bytes(&torn, Verify::Last) {
                    // Zeros may stand where zeros stood.
                    Some(scanned) => prop_assert!(scanned.fragments.len() >= whole
                        && written.starts_with(&scanned.fragments)),
                    None => prop_assert_eq!(whole, 0),
                }
            }
        }

        #[test]
        fn a_rotten_byte_of_the_last_fragment_is_found(
            drafts in prop::collection::vec(drafts(), 1..4), place in any::<prop::sample::Index>(),
            form in forms(),
        ) {
            let (mut bytes, written) = segment(&drafts, true, form);
            let Some(last) = written.last() else { return Ok(()) };
            let from = usize::try_from(last.offset).expect("small");
            let at = from + place.index(bytes.len() - from);
            bytes[at] ^= 0x10;
            let scanned = scan_bytes(&bytes, Verify::Last).expect("its head is whole");
            prop_assert_eq!(&scanned.fragments, &written[..written.len() - 1]);
        }

        #[test]
        fn what_stands_behind_a_rotten_bit_is_read_wherever_that_is(
            drafts in prop::collection::vec(drafts(), 2..5), place in any::<prop::sample::Index>(),
            bit in 0_u8..8, sound: bool, form in forms(),
        ) {
            let (mut bytes, written) = segment(&drafts, sound, form);
            let Some(first) = written.first() else { return Ok(()) };
            let from = to_usize(first.offset);
            let at = from + place.index(bytes.len() - from);
            bytes[at] ^= 1 << bit;
            let hit = |f: &&Fragment| f.offset <= at as u64 && (at as u64) < f.end();
            let hit = *written.iter().find(hit).expect("one has it");
            let scanned = scan_bytes(&bytes, Verify::All).expect("its head is whole");
            let left = written.iter().filter(|f| **f != hit).copied();
            prop_assert_eq!(&scanned.fragments, &left.collect::<Vec<_>>());
            let len = bytes.len() as u64;
            if hit.end() == len {
                prop_assert_eq!((scanned.whole, scanned.damaged), (hit.offset, vec![]));
            } else {
                prop_assert_eq!((scanned.whole, scanned.damaged), (len, vec![(hit.offset, hit.end())]));
            }
            // Boxes that cannot be read are passed over by who compares no checksums, too.
            for verify in [Verify::Last, Verify::Nothing] {
                let scanned = scan_bytes(&bytes, verify).expect("its head is whole");
                let behind = written.iter().filter(|f| f.offset > hit.offset);
                prop_assert!(behind.clone().all(|f| scanned.fragments.contains(f)));
            }
        }

        #[test]
        fn what_is_behind_a_hole_is_read_as_before(
            drafts in prop::collection::vec(drafts(), 2..5), which in any::<prop::sample::Index>(),
            more in 1_usize..3, form in forms(),
        ) {
            let (mut bytes, written) = segment(&drafts, true, form);
            if written.is_empty() { return Ok(()) }
            let first = which.index(written.len());
            let going = &written[first..(first + more).min(written.len())];
            let (from, to) = (going[0].offset, going[going.len() - 1].end());
            let place = usize::try_from(from).expect("small")..usize::try_from(to).expect("small");
            bytes[place.clone()].fill(0);
            let head = hole_head(to - from).expect("long enough");
            bytes[place.start..place.start + head.len()].copy_from_slice(&head);
            for verify in [Verify::All, Verify::Last] {
                let scanned = scan_bytes(&bytes, verify).expect("its head is whole");
                let left = written.iter().filter(|f| !going.contains(f)).copied();
                prop_assert_eq!(&scanned.fragments, &left.collect::<Vec<_>>());
                prop_assert_eq!(scanned.whole, bytes.len() as u64);
            }
        }

        #[test]
        fn a_packed_fragment_is_unpacked_to_the_very_one(
            drafts in prop::collection::vec(drafts(), 1..4), sound: bool
        ) {
            let (plain, written) = segment(&drafts, sound, Form::Plain);
            let (packed, again) = segment(&drafts, sound, Form::Packed);
            prop_assert_eq!(written.len(), again.len());
            for (one, other) in written.iter().zip(&again) {
                let at = |offset: u64| to_usize(offset + SEAL as u64);
                let moof = plain[at(one.offset)..to_usize(one.mdat_at())].to_vec();
                let lies = packed[at(other.offset)..to_usize(other.mdat_at())].to_vec();
                prop_assert_eq!(moof_of(lies), Some(moof));
                let data = &plain[to_usize(one.mdat_at())..to_usize(one.end())];
                prop_assert_eq!(data, &packed[to_usize(other.mdat_at())..to_usize(other.end())]);
                prop_assert!(other.stored < one.stored);
                prop_assert_eq!(one.played_bytes(), other.played_bytes());
            }
        }

        #[test]
        fn any_bytes_are_read_without_panic(
            drafts in prop::collection::vec(drafts(), 1..2),
            noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
            form in forms(),
        ) {
            let (mut bytes, _) = segment(&drafts, true, form);
            for (at, byte) in noise {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let _read = scan_bytes(&bytes, Verify::All);
            let _read = scan_bytes(&bytes, Verify::Last);
        }
    }
}
