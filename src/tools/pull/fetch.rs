//! One clip into its file: whatever the link does, no byte twice that is here already.

use std::sync::Arc;

use anyhow::{Context, bail};
use indicatif::ProgressBar;

use crate::clock::{Clock, sleep};
use crate::tools::pull::http::{Bytes, Entry, Http, Tries, Trouble, Way};
use crate::tools::pull::shelf::{Folder, Part};

/// What fetches the clips of one box.
pub(super) struct Fetcher {
    pub(super) http: Arc<Http>,
    pub(super) folder: Folder,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) acknowledge: bool,
    pub(super) bar: ProgressBar,
}

/// What came of one clip.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fetched {
    /// Bytes that came.
    pub(super) moved: u64,
    /// Bytes that were here.
    pub(super) had: u64,
    /// Times that it went on where it had stopped.
    pub(super) resumed: u64,
    pub(super) whole: bool,
    pub(super) was_whole: bool,
    pub(super) acknowledged: bool,
}

impl Fetcher {
    /// Brings a clip here, and says so to the box.
    pub(super) async fn fetch(
        &self,
        way: &mut Way,
        entry: &Entry,
    ) -> (Fetched, Option<anyhow::Error>) {
        let mut fetched = Fetched::default();
        let failed = self.try_fetch(way, entry, &mut fetched).await.err();
        (fetched, failed)
    }

    async fn try_fetch(
        &self,
        way: &mut Way,
        entry: &Entry,
        fetched: &mut Fetched,
    ) -> anyhow::Result<()> {
        let Some(media) = &entry.media else { return Ok(()) };
        let wrote = || format!("write in {}", self.folder.path().display());
        if self.folder.has(entry, media).with_context(wrote)? {
            (fetched.had, fetched.was_whole) = (media.bytes, true);
            self.bar.inc(media.bytes);
        } else if !self.bring(way, entry, media, false, fetched).await? {
            // A box has one and the same bytes for a clip: what was here was damaged, or is another's.
            if !self.bring(way, entry, media, true, fetched).await? {
                bail!(
                    "its bytes are not what the manifest says: `courtside clips verify` on the box"
                );
            }
        }
        fetched.whole = true;
        if self.acknowledge && entry.pinned {
            self.tell(way, entry, media).await?;
            fetched.acknowledged = true;
        }
        Ok(())
    }

    /// Brings the bytes; false if they are not what was listed.
    async fn bring(
        &self,
        way: &mut Way,
        entry: &Entry,
        media: &Bytes,
        from_zero: bool,
        fetched: &mut Fetched,
    ) -> anyhow::Result<bool> {
        let wrote = || format!("write in {}", self.folder.path().display());
        let mut part = self.folder.part(&entry.id, media, from_zero).with_context(wrote)?;
        fetched.had = part.at;
        self.bar.inc(part.at);
        let mut tries = Tries::default();
        while part.at < media.bytes {
            let before = part.at;
            fetched.resumed += u64::from(before > 0);
            let ended = self.some(way, entry, media, &mut part, fetched).await?;
            if part.at > before {
                tries = Tries::default();
            }
            if let Err(trouble) = ended {
                way.broke();
                let wait = tries.after(trouble)?;
                sleep(&*self.clock, wait).await;
            }
        }
        self.folder.finish(part, entry, media).with_context(wrote)
    }

    /// Takes what comes of one request; `Err` inside where that ended early.
    async fn some(
        &self,
        way: &mut Way,
        entry: &Entry,
        media: &Bytes,
        part: &mut Part,
        fetched: &mut Fetched,
    ) -> anyhow::Result<Result<(), Trouble>> {
        let (mut answer, begins) = match way.bytes(&entry.id, &media.sha256, part.at).await {
            Ok(answer) => answer,
            Err(trouble) => return Ok(Err(trouble)),
        };
        if begins != part.at {
            bail!("the box has other bytes by now: ask for its list anew");
        }
        let wrote = || format!("write in {}", self.folder.path().display());
        loop {
            match answer.piece().await {
                Ok(Some(piece)) => {
                    let left = usize::try_from(media.bytes - part.at).unwrap_or(usize::MAX);
                    let piece = piece.get(..piece.len().min(left)).unwrap_or(&piece);
                    part.add(piece).with_context(wrote)?;
                    fetched.moved += piece.len() as u64;
                    self.bar.inc(piece.len() as u64);
                    if piece.is_empty() {
                        return Ok(Ok(()));
                    }
                }
                Ok(None) if part.at < media.bytes => {
                    return Ok(Err(Trouble::Broken("it ended early".to_owned())));
                }
                Ok(None) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error.into())),
            }
        }
    }

    async fn tell(&self, way: &mut Way, entry: &Entry, media: &Bytes) -> anyhow::Result<()> {
        let mut tries = Tries::default();
        loop {
            match way.acknowledge(&entry.id, &media.sha256).await {
                Ok(()) => return Ok(()),
                Err(trouble) => {
                    way.broke();
                    let wait = tries.after(trouble).context("acknowledge it")?;
                    sleep(&*self.clock, wait).await;
                }
            }
        }
    }
}
