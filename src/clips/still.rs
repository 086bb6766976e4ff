//! The coded pictures that one picture of a clip is decoded from.

use std::io;

use crate::clips::clip::Clip;
use crate::clips::cut::fragments_of;
use crate::clips::files::{read_moof, read_part};
use crate::clips::film::{entries, samples};
use crate::clips::shelf::{Shelf, ShelfError};
use crate::clips::timeline::Ticks;
use crate::media::{Codec, CourtId, MediaTime, SessionId};

/// Which picture of a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one that is shown at its moment: up to a key interval is decoded.
    Exactly,
    /// The key picture nearest to it: one is decoded.
    NearestKey,
}

/// Coded pictures in decoding order, the first a key picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Still {
    /// The court that they are of.
    pub court: CourtId,
    /// Their session.
    pub session: SessionId,
    /// Their coding.
    pub codec: Codec,
    /// `avcC` or `hvcC` record.
    pub config: Vec<u8>,
    /// Presentation time and bytes of each.
    pub units: Vec<(MediaTime, Vec<u8>)>,
    /// The moment whose picture is wanted.
    pub at: MediaTime,
}

impl Clip {
    /// The moment that it is about: two thirds of it are before. That is when the ball came to the ring
    /// in what the game asks for (6 s before, 3 s after).
    #[must_use]
    pub fn moment(&self) -> MediaTime {
        let before = self.to_ns.saturating_sub(self.from_ns) / 3 * 2;
        MediaTime::from_nanos(self.from_ns.saturating_add(before))
    }
}

impl Shelf {
    /// Pictures a second of what a clip was made of; none where it has none. Reads files on the caller's
    /// thread.
    ///
    /// # Errors
    /// [`ShelfError`]: `NoBytes`, `Gone` or `Disk`.
    pub fn pictures_a_second(&self, clip: &Clip) -> Result<Option<f64>, ShelfError> {
        let damaged = || {
            let text = "its segments are not what they were";
            ShelfError::Disk(io::Error::new(io::ErrorKind::InvalidData, text))
        };
        let (mut count, mut seconds) = (0_u32, 0.0);
        for (n, (part, opened)) in self.parts(clip)?.iter().enumerate() {
            for fragment in fragments_of(part, &opened.scanned).ok_or_else(damaged)? {
                let moof = read_moof(&*opened.file, fragment).map_err(ShelfError::Disk)?;
                let origins = opened.scanned.origins();
                let (pictures, _) = samples(&moof, fragment, origins, n).ok_or_else(damaged)?;
                if let (Some(first), Some(last)) = (pictures.first(), pictures.last()) {
                    count = count.saturating_add(u32::try_from(pictures.len()).unwrap_or(0));
                    seconds += last.until.since(first.dts).media().as_secs_f64();
                }
            }
        }
        Ok((count > 0 && seconds > 0.0).then(|| f64::from(count) / seconds))
    }

    /// The coded pictures of a clip that a picture of its moment is decoded from. Reads files on the
    /// caller's thread.
    ///
    /// # Errors
    /// [`ShelfError`]: `NoBytes`, `Gone` or `Disk`.
    pub fn still(&self, clip: &Clip, which: Which) -> Result<Still, ShelfError> {
        let damaged = || {
            let text = "its segments are not what they were";
            ShelfError::Disk(io::Error::new(io::ErrorKind::InvalidData, text))
        };
        let parts = self.parts(clip)?;
        let mut all = Vec::new();
        for (n, (part, opened)) in parts.iter().enumerate() {
            for fragment in fragments_of(part, &opened.scanned).ok_or_else(damaged)? {
                let moof = read_moof(&*opened.file, fragment).map_err(ShelfError::Disk)?;
                let origins = opened.scanned.origins();
                all.extend(samples(&moof, fragment, origins, n).ok_or_else(damaged)?.0);
            }
        }
        let moment = Ticks::of(clip.moment());
        let keys = || all.iter().enumerate().filter(|(_, picture)| picture.key);
        let away = |pts: Ticks| pts.since(moment).0.saturating_abs();
        let (from, to) = match which {
            Which::NearestKey => {
                let key = keys().min_by_key(|(_, picture)| away(picture.pts));
                let (key, _) = key.ok_or_else(damaged)?;
                (key, key)
            }
            Which::Exactly => {
                let before = keys().rfind(|(_, picture)| picture.pts <= moment);
                let (key, _) = before.or_else(|| keys().next()).ok_or_else(damaged)?;
                let last = all.iter().rposition(|picture| picture.pts <= moment);
                (key, last.unwrap_or(key).max(key))
            }
        };
        let first = parts.first().ok_or_else(damaged)?;
        let (entry, _) = entries(&first.1.scanned.head).ok_or_else(damaged)?;
        let mut units = Vec::new();
        for picture in all.get(from..=to).unwrap_or_default() {
            let (_, opened) = parts.get(picture.place.file).ok_or_else(damaged)?;
            let len = usize::try_from(picture.place.len).unwrap_or(usize::MAX);
            let data = read_part(&*opened.file, picture.place.offset, len);
            units.push((picture.pts.media(), data.map_err(ShelfError::Disk)?));
        }
        Ok(Still {
            court: CourtId::new(&clip.court).map_err(|_| damaged())?,
            session: SessionId::parse(&clip.session).ok_or_else(damaged)?,
            codec: if &entry.kind == b"hvc1" { Codec::H265 } else { Codec::H264 },
            config: entry.config,
            units,
            at: match which {
                Which::Exactly => clip.moment(),
                Which::NearestKey => all.get(from).map_or(clip.moment(), |key| key.pts.media()),
            },
        })
    }
}
