//! A clip that begins with the picture that was asked for (pure): layout 2.
//!
//! `ftyp moov mdat`, a film of one scene: decoded from the key picture at or before the interval on, shown from
//! the interval's first picture to its last by an edit list. Fragmented MP4 cannot have that: of such a file
//! ffmpeg 5.1 shows what an edit leaves out, before time 0 (tried; so does Chromium's length of it). A gap
//! keeps its length, the picture before it stands. Of the parts' bytes those alone are in it that are needed.

use crate::clips::cut::{Part, Piece, fragments_of};
use crate::clips::film::{Reel, SoundEntry, Stretch, entries, lay_out, one_scene, samples};
use crate::clips::fragment::{Fragment, Scanned};
use crate::clips::timeline::Ticks;

/// A clip, laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edited {
    /// Its bytes. Numbers of files are those of the parts.
    pub(crate) pieces: Vec<Piece>,
    /// What players show of it: the time of its first picture, and the end of its last.
    pub(crate) shown: (Ticks, Ticks),
    /// What is in it.
    pub(crate) holds: (Ticks, Ticks),
}

/// Lays out `from` to `to` of parts that a plan chose for it. `moof(part, fragment)` gives a fragment's
/// `moof`, as players get it.
///
/// `None` if the segments do not hold what the parts say.
///
/// # Errors
/// What `moof` says.
pub(crate) fn edited<E>(
    parts: &[(&Part, &Scanned)],
    (from, to): (Ticks, Ticks),
    mut moof: impl FnMut(usize, &Fragment) -> Result<Vec<u8>, E>,
) -> Result<Option<Edited>, E> {
    let Some((_, first)) = parts.first() else { return Ok(None) };
    let Some((entry, _)) = entries(&first.head) else { return Ok(None) };
    // Sound may begin, end or change in the midst of it: the first is heard, and no picture is lost for it.
    let sounds = parts.iter().map(|(_, scanned)| entries(&scanned.head)?.1);
    let sounds: Vec<Option<SoundEntry>> = sounds.collect();
    let sound = sounds.iter().flatten().next();
    let clock = sound.map(|sound| (0, sound.clock));
    let mut stretch = Stretch { sound: clock, ..Stretch::default() };
    for (n, ((part, scanned), own)) in parts.iter().zip(&sounds).enumerate() {
        let Some(fragments) = fragments_of(part, scanned) else { return Ok(None) };
        for fragment in fragments {
            let moof = moof(n, fragment)?;
            let Some((pictures, sounds)) = samples(&moof, fragment, scanned.origins(), n) else {
                return Ok(None);
            };
            stretch.pictures.extend(pictures);
            stretch.sounds.extend(sounds.into_iter().filter(|_| own.as_ref() == sound));
        }
    }
    let Some(scene) = one_scene(stretch, from, to) else { return Ok(None) };
    let holds = (scene.first(), scene.end.max(scene.own_end()));
    let shown = (scene.start, scene.end);
    let pieces = lay_out(&Reel {
        title: None,
        taken: 0,
        scenes: &[scene],
        entries: &[entry],
        sound: sound.map(|sound| (0, sound)),
        chapters: &[],
    });
    Ok(Some(Edited { pieces, shown, holds }))
}
