//! A clip that publishers of a bench play again and again: FLV tags whose time goes on.
//!
//! Made once of the rendered game, or read from a file; [`Clip::tag`] is the n-th picture of an endless
//! stream. Nothing is encoded while something is measured.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use bytes::Bytes;

use crate::media::MediaTime;
use crate::rtmp::flv::{self, FileTag, VideoTag};

/// A clip without end.
#[derive(Debug)]
pub(crate) struct Clip {
    /// What stands before the first picture.
    head: Vec<FileTag>,
    pictures: Vec<FileTag>,
    /// From its first picture to the first of the next round, ms.
    length: u32,
}

/// One picture of it.
#[derive(Clone, Debug)]
pub(crate) struct Played {
    pub(crate) tag: FileTag,
    /// Its presentation time.
    pub(crate) media: MediaTime,
}

impl Clip {
    /// Of tags: their pictures alone, from the first on; sound is left out.
    ///
    /// # Errors
    /// They hold no two pictures, or do not begin with a key picture.
    pub(crate) fn of(tags: Vec<FileTag>) -> anyhow::Result<Self> {
        let (mut head, mut pictures) = (Vec::new(), Vec::new());
        for tag in tags {
            match VideoTag::read(&tag.body) {
                VideoTag::Configuration { .. } if tag.kind == VIDEO && pictures.is_empty() => {
                    head.push(tag);
                }
                VideoTag::Picture { key, .. } if tag.kind == VIDEO => {
                    if pictures.is_empty() && !key {
                        bail!("the clip does not begin with a key picture: cut it before one");
                    }
                    pictures.push(tag);
                }
                _ => {}
            }
        }
        let (Some(first), Some(last)) = (pictures.first(), pictures.last()) else {
            bail!("the clip holds no picture of H.264 or H.265");
        };
        let span = last.timestamp.saturating_sub(first.timestamp);
        let steps = u32::try_from(pictures.len().saturating_sub(1)).unwrap_or(u32::MAX);
        if steps == 0 || span == 0 {
            bail!("the clip holds one picture: make it longer");
        }
        // Its last picture is shown as long as the others in the mean.
        let length = span + (span + steps / 2) / steps;
        if head.is_empty() {
            bail!("the clip does not say how it is coded: it has no avcC or hvcC");
        }
        Ok(Self { head, pictures, length })
    }

    /// Of an FLV file.
    ///
    /// # Errors
    /// It cannot be read, or see [`Self::of`].
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let said = || format!("read {}", path.display());
        let bytes = std::fs::read(path).with_context(said)?;
        let tags = flv::read_file(&Bytes::from(bytes)).context("it is no FLV file");
        tags.and_then(Self::of).with_context(said)
    }

    /// As an FLV file: what [`Self::read`] reads.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let mut bytes = b"FLV\x01\x01\0\0\0\x09\0\0\0\0".to_vec();
        for tag in self.head.iter().chain(&self.pictures) {
            let [_, size @ ..] = u32::try_from(tag.body.len())?.to_be_bytes();
            let [high, low @ ..] = tag.timestamp.to_be_bytes();
            let begun = bytes.len();
            bytes.push(tag.kind);
            bytes.extend(size);
            bytes.extend(low);
            bytes.extend([high, 0, 0, 0]);
            bytes.extend_from_slice(&tag.body);
            let whole = u32::try_from(bytes.len() - begun)?;
            bytes.extend(whole.to_be_bytes());
        }
        let written = std::fs::File::create(path).and_then(|mut file| file.write_all(&bytes));
        written.with_context(|| format!("write {}", path.display()))
    }

    /// What stands before the first picture, at time 0.
    pub(crate) fn head(&self) -> impl Iterator<Item = FileTag> {
        self.head.iter().map(|tag| FileTag { timestamp: 0, ..tag.clone() })
    }

    /// The `number`-th picture of the endless stream, which begins at time 0.
    pub(crate) fn tag(&self, number: usize) -> Option<Played> {
        let first = self.pictures.first()?.timestamp;
        let tag = self.pictures.get(number % self.pictures.len())?;
        let round = u32::try_from(number / self.pictures.len()).ok()?;
        let timestamp = (tag.timestamp - first).checked_add(round.checked_mul(self.length)?)?;
        let VideoTag::Picture { composition_ms, .. } = VideoTag::read(&tag.body) else {
            return None;
        };
        let media = MediaTime::from_millis(i64::from(timestamp) + i64::from(composition_ms));
        Some(Played { tag: FileTag { timestamp, ..tag.clone() }, media })
    }

    /// Pictures a second.
    pub(crate) fn rate(&self) -> f64 {
        let pictures = u32::try_from(self.pictures.len()).unwrap_or(u32::MAX);
        f64::from(pictures) * 1e3 / f64::from(self.length)
    }

    /// Megabits a second.
    pub(crate) fn megabits(&self) -> f64 {
        let bytes: usize = self.pictures.iter().map(|tag| tag.body.len()).sum();
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        f64::from(bytes) * 8.0 / 1e3 / f64::from(self.length)
    }

    /// Bytes of it in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.pictures.iter().map(|tag| tag.body.len()).sum()
    }
}

/// RTMP's type of a video message.
const VIDEO: u8 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(timestamp: u32, body: &'static [u8]) -> FileTag {
        FileTag { kind: VIDEO, timestamp, body: Bytes::from_static(body) }
    }

    fn clip() -> Clip {
        let tags = vec![
            FileTag { kind: 18, timestamp: 0, body: Bytes::from_static(b"onMetaData") },
            tag(40, b"\x17\0\0\0\0record"),
            tag(40, b"\x17\x01\0\0\0key"),
            FileTag { kind: 8, timestamp: 41, body: Bytes::from_static(b"\xaf\x01sound") },
            tag(73, b"\x27\x01\0\0\x02next"),
            tag(107, b"\x27\x01\0\0\0last"),
        ];
        Clip::of(tags).expect("a clip")
    }

    #[test]
    fn its_time_goes_on_from_round_to_round() {
        let clip = clip();
        let times: Vec<u32> =
            (0..7).map(|number| clip.tag(number).expect("a picture").tag.timestamp).collect();
        assert_eq!(times, [0, 33, 67, 101, 134, 168, 202]);
        assert_eq!(clip.tag(4).expect("a picture").media, MediaTime::from_millis(136));
        assert_eq!(clip.head().map(|tag| tag.timestamp).collect::<Vec<_>>(), [0]);
        assert!((clip.rate() - 29.7).abs() < 0.1, "{}", clip.rate());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let (path, clip) = (dir.path().join("clip.flv"), clip());
        clip.write(&path).expect("written");
        let again = Clip::read(&path).expect("read");
        assert_eq!((&again.head, &again.pictures), (&clip.head, &clip.pictures));
        assert_eq!(again.length, clip.length);
    }

    #[test]
    fn what_cannot_be_played_without_end_is_refused_in_words() {
        let head = || tag(0, b"\x17\0\0\0\0record");
        for (tags, said) in [
            (vec![], "no picture"),
            (vec![head(), tag(0, b"\x17\x01\0\0\0key")], "one picture"),
            (vec![head(), tag(0, b"\x27\x01\0\0\0next")], "key picture"),
            (vec![tag(0, b"\x17\x01\0\0\0key"), tag(9, b"\x27\x01\0\0\0next")], "how it is coded"),
        ] {
            let error = Clip::of(tags).expect_err("refused").to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
