//! The entries of clips on disk: written, read, let go; what ends is counted and told.
//!
//! Order of a change: line "touched", sync → `clips/{id}.json` durable → memory → line "is" (not
//! synced: a start without it reads the entry). So whoever is answered has it on disk, and a cut in
//! between leaves the entry of before or the one of after.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tracing::{debug, info, warn};

use crate::clips::clip::{Clip, LOST, MAX_JSON, NO_ENTRY, NoEntry, OTHER_BYTES, PinEnd, sum_of};
use crate::clips::desk::{ChangeError, Desk};
use crate::clips::files::{Log, open_clip};
use crate::clips::lines::{ClipRecord, line};
use crate::clips::news::{Due, News, told_gone};
use crate::clips::newslog::NewsLog;
use crate::disk::{found_harmed, in_folder, is_harm, read_whole, write_durably};
use crate::event::{ClipAbout, Event};
use crate::media::UtcTime;

/// The only one that changes entries, on the cutter's thread.
pub(crate) struct Entries {
    pub(crate) desk: Arc<Desk>,
    log: Log,
    pub(crate) news: News,
}

impl Entries {
    pub(crate) fn new(desk: Arc<Desk>, log: Log, news: NewsLog) -> Self {
        let news = News::new(desk.news.clone(), news);
        Self { desk, log, news }
    }

    /// Writes down what is to be told once a change is on disk; the change must not be made after an error.
    pub(crate) fn due(&mut self, event: Option<Event>) -> io::Result<Due> {
        let (due, written) = self.news.due(event)?;
        self.desk.state.lock().bytes_written += written;
        Ok(due)
    }

    /// Makes an entry durable, then known.
    pub(crate) fn write(&mut self, clip: &Clip) -> io::Result<()> {
        let desk = Arc::clone(&self.desk);
        let touched = line(&ClipRecord::Touched { id: clip.id.clone() });
        self.log.append(&touched)?;
        self.log.sync()?;
        let json = clip.to_json();
        let path = desk.places.clip(&clip.id);
        let write = || write_durably(&*desk.disk, &path, &json);
        in_folder(&*desk.disk, &desk.places.clips, write)?;
        let mut brief = clip.brief();
        brief.sum = Some(sum_of(&json));
        let is = {
            let mut state = desk.state.lock();
            let gone_ns = state.index.clip(&clip.id).and_then(|before| before.gone_ns);
            if let Some(gone_ns) = gone_ns {
                brief = brief.gone(gone_ns); // what went does not come back by another word of it
            }
            let is = line(&ClipRecord::Is(brief.clone()));
            state.bytes_written += (touched.len() + json.len() + is.len()) as u64;
            state.index.put_clip(brief);
            is
        };
        if let Err(error) = self.log.append(&is) {
            // "touched" stands: the next start reads the entry itself.
            debug!(clip = clip.id, %error, "clip not named in the index");
        }
        desk.writer_bell.ring();
        Ok(())
    }

    /// Reads an entry as its file has it.
    pub(crate) fn read(&self, id: &str) -> Result<Clip, ChangeError> {
        if self.desk.state.lock().index.clip(id).is_none() {
            return Err(ChangeError::Unknown);
        }
        let path = self.desk.places.clip(id);
        let damaged = |path: PathBuf, why: &str| {
            found_harmed(&*self.desk.disk, &path, why);
            ChangeError::Damaged { path }
        };
        // Nobody else takes one away.
        let bytes = match read_whole(&*self.desk.disk, &path, MAX_JSON) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(damaged(path, LOST));
            }
            Err(error) if is_harm(&error) => return Err(damaged(path, &error.to_string())),
            read => read.map_err(ChangeError::Disk)?,
        };
        Clip::read(&bytes).map_err(|why| match why {
            NoEntry::Newer(newer) => ChangeError::Newer { format: newer.format.format },
            NoEntry::Damaged => damaged(path, NO_ENTRY),
        })
    }

    pub(crate) fn acknowledge(
        &mut self,
        id: &str,
        sha256: Option<&str>,
    ) -> Result<Clip, ChangeError> {
        let clip = self.read(id)?;
        if let (Some(media), Some(said)) = (&clip.media, sha256)
            && !media.sha256.eq_ignore_ascii_case(said)
        {
            // Who has other bytes than were hashed may have what the disk made of them.
            let desk = &self.desk;
            let entry = |id| desk.state.lock().index.segment(id).cloned();
            let is = open_clip(&*desk.disk, &desk.places, &clip, entry)
                .and_then(|assembly| assembly.sha256());
            if is.is_ok_and(|is| is != media.sha256) {
                let path = desk.places.clip(id);
                found_harmed(&*desk.disk, &path, OTHER_BYTES);
                return Err(ChangeError::Harmed { why: OTHER_BYTES.to_owned() });
            }
            return Err(ChangeError::OtherBytes { is: media.sha256.clone() });
        }
        self.end_pin(id, PinEnd::Acknowledged)
    }

    /// Ends a pin; one that has ended stays as it is.
    pub(crate) fn end_pin(&mut self, id: &str, why: PinEnd) -> Result<Clip, ChangeError> {
        let mut clip = self.read(id)?;
        if clip.ended.is_none() && clip.deleted_ns.is_none() {
            let had = clip.pinned;
            clip.pinned = false;
            clip.ended = Some(why);
            self.write(&clip).map_err(ChangeError::Disk)?;
            if had {
                self.count_end(why.word());
            }
            info!(clip = id, why = why.word(), "pin ended");
        }
        let gone_ns = self.desk.state.lock().index.clip(id).and_then(|brief| brief.gone_ns);
        Ok(clip.seen(gone_ns))
    }

    /// Has a clip say that its event was taken back. One that is not there, or cannot be read by this
    /// version, stays as it is.
    /// `into`: the clip that shows what it showed.
    pub(crate) fn withdraw(&mut self, id: &str, into: Option<&str>) -> Result<(), ChangeError> {
        self.change(id, |clip| {
            let before = (clip.withdrawn, clip.merged.take());
            (clip.withdrawn, clip.merged) = (true, into.map(str::to_owned));
            before != (true, clip.merged.clone())
        })
    }

    /// A clip's event is told again: it stands, and its game may say otherwise of it. One that is not
    /// there, or cannot be read by this version, stays as it is.
    pub(crate) fn tell_again(&mut self, id: &str, about: &ClipAbout) -> Result<(), ChangeError> {
        self.change(id, |clip| {
            let stands_again = std::mem::take(&mut clip.withdrawn);
            clip.merged = None;
            clip.tell_about(about) || stands_again
        })
    }

    fn change(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut Clip) -> bool,
    ) -> Result<(), ChangeError> {
        let mut clip = match self.read(id) {
            Ok(clip) => clip,
            Err(ChangeError::Unknown | ChangeError::Newer { .. } | ChangeError::Damaged { .. }) => {
                return Ok(());
            }
            Err(why) => return Err(why),
        };
        if change(&mut clip) {
            self.write(&clip).map_err(ChangeError::Disk)?;
            info!(clip = id, withdrawn = clip.withdrawn, "clip's event was told otherwise");
        }
        Ok(())
    }

    /// The end of a pin, for the metrics.
    pub(crate) fn count_end(&self, why: &'static str) {
        *self.desk.state.lock().ended.entry(why).or_insert(0) += 1;
    }

    /// The clock was not right when the clip was made: its days count from now.
    pub(crate) fn date(&mut self, id: &str, now: UtcTime) -> Result<(), ChangeError> {
        let mut clip = self.read(id)?;
        clip.made_ns = now.as_nanos();
        self.write(&clip).map_err(ChangeError::Disk)
    }

    /// Takes an entry away for good. After an error it is known as before, so that it is due again.
    pub(crate) fn remove(&mut self, id: &str) -> Result<(), ChangeError> {
        let gone = line(&ClipRecord::Gone { id: id.to_owned() });
        // On disk before the file goes: what the index names and is not there was lost.
        self.log.append(&gone).and_then(|()| self.log.sync()).map_err(ChangeError::Disk)?;
        match self.desk.disk.remove(&self.desk.places.clip(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ChangeError::Disk(error)),
            _ => {
                self.desk.state.lock().index.remove_clip(id);
                Ok(())
            }
        }
    }

    /// The writer let segments of these go. Their entries stay, and say so: of the index that line is
    /// enough, and where it is lost a start sees that the segments are not there. That it is to be told
    /// stands on disk before that line: what a start sees so, it tells.
    pub(crate) fn lost(&mut self, ids: &[String]) {
        let briefs: Vec<_> = {
            let state = self.desk.state.lock();
            let of = ids.iter().filter_map(|id| state.index.clip(id));
            of.filter(|brief| brief.gone_ns.is_some()).cloned().collect()
        };
        let mut events = Vec::new();
        for brief in &briefs {
            match self.read(&brief.id) {
                Ok(clip) => {
                    let clip = clip.seen(brief.gone_ns);
                    let (court, why) = (&clip.court, clip.note.as_deref());
                    info!(clip = clip.id, court, why, "clip gone");
                    events.extend(told_gone(&clip));
                }
                Err(error) => {
                    warn!(clip = brief.id, %error, "clip gone, and its entry cannot be read");
                }
            }
        }
        let (due, mut written) = self.news.due_of_past(events);
        for brief in &briefs {
            let is = line(&ClipRecord::Is(brief.clone()));
            if let Err(error) = self.log.append(&is) {
                debug!(clip = brief.id, %error, "clip that went is not named in the index");
            }
            written += is.len() as u64;
        }
        {
            let mut state = self.desk.state.lock();
            state.bytes_written += written;
            state.evicted += briefs.len() as u64;
        }
        self.news.tell(due);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clips::shelf::ShelfError;
    use crate::clips::synthetic::tenths;
    use crate::clips::test_ring::{TestRing, settings};
    use crate::disk::ForgetfulDisk;
    use crate::media::SessionId;

    const SESSION: SessionId = SessionId::from_bits(0xa7);

    fn open(disk: &ForgetfulDisk) -> TestRing {
        TestRing::open(settings("/ring".into()), Arc::new(disk.clone())).expect("a ring")
    }

    /// A ring with a pinned clip, `c`.
    fn with_clip() -> (ForgetfulDisk, TestRing) {
        let disk = ForgetfulDisk::new();
        let mut ring = open(&disk);
        ring.opened(SESSION);
        tenths(SESSION, 0..20, 20).for_each(|item| ring.feed(item));
        ring.closed(SESSION);
        ring.request("c", SESSION, (200, 900));
        assert_eq!(ring.told(), ["c"]);
        (disk, ring)
    }

    fn entries(ring: &mut TestRing) -> &mut Entries {
        ring.ring.entries().expect("it is not started")
    }

    #[test]
    fn a_cut_leaves_the_entry_of_before_or_the_one_of_after() {
        let mut seen = [0, 0];
        for n in 0.. {
            let (disk, mut ring) = with_clip();
            disk.stop_after(disk.operations() + n);
            let done = entries(&mut ring).withdraw("c", None);
            let again = open(&disk.power_cut(n));
            let clip = again.ring.shelf().read("c").expect("its entry is whole");
            assert!(clip.pinned && clip.media.is_some(), "{clip:?}");
            assert!(clip.withdrawn || done.is_err(), "who is answered has it on disk ({n})");
            seen[usize::from(clip.withdrawn)] += 1;
            if !disk.is_stopped() {
                break;
            }
        }
        assert!(seen[0] > 1 && seen[1] > 1, "{seen:?}");
    }

    #[test]
    fn what_is_said_twice_is_written_once() {
        let (disk, mut ring) = with_clip();
        for (withdrawn, writes) in [(false, false), (true, true), (true, false), (false, true)] {
            let before = disk.operations();
            let entries = entries(&mut ring);
            let done = match withdrawn {
                true => entries.withdraw("c", None),
                false => entries.tell_again("c", &ClipAbout::default()),
            };
            done.expect("written");
            assert_eq!(disk.operations() > before, writes, "{withdrawn}");
            assert_eq!(ring.ring.shelf().read("c").expect("there").withdrawn, withdrawn);
        }
        entries(&mut ring).withdraw("of nothing", None).expect("nothing to say it of");
        for _ in 0..2 {
            let clip = entries(&mut ring).end_pin("c", PinEnd::Command).expect("ended");
            assert_eq!((clip.pinned, clip.ended), (false, Some(PinEnd::Command)));
        }
        assert_eq!(ring.ring.status().clips_ended, [("command", 1)]);
        let clip = entries(&mut ring).end_pin("c", PinEnd::Expired).expect("as it was");
        assert_eq!(clip.ended, Some(PinEnd::Command));
    }

    #[test]
    fn a_clip_says_which_other_one_shows_what_it_showed_until_it_stands_again() {
        let (_, mut ring) = with_clip();
        let mut said = |withdraw: Option<Option<&str>>| {
            let entries = entries(&mut ring);
            match withdraw {
                Some(into) => entries.withdraw("c", into),
                None => entries.tell_again("c", &ClipAbout::default()),
            }
            .expect("written");
            let clip = ring.ring.shelf().read("c").expect("there");
            (clip.withdrawn, clip.merged)
        };
        assert_eq!(said(Some(Some("d"))), (true, Some("d".to_owned())));
        assert_eq!(said(Some(Some("e"))), (true, Some("e".to_owned())));
        assert_eq!(said(Some(None)), (true, None));
        assert_eq!(said(Some(Some("d"))), (true, Some("d".to_owned())));
        assert_eq!(said(None), (false, None));
    }

    #[test]
    fn what_is_acknowledged_has_the_bytes_that_were_sent() {
        let (_, mut ring) = with_clip();
        let sum = ring.ring.shelf().read("c").expect("there").media.expect("bytes").sha256;
        let wrong = entries(&mut ring).acknowledge("c", Some("00"));
        assert!(matches!(wrong, Err(ChangeError::OtherBytes { is }) if is == sum));
        assert!(ring.ring.shelf().read("c").expect("there").pinned);
        let upper = sum.to_uppercase();
        assert!(!entries(&mut ring).acknowledge("c", Some(&upper)).expect("taken").pinned);
        let none = entries(&mut ring).acknowledge("d", None);
        assert!(matches!(none, Err(ChangeError::Unknown)));
    }

    #[test]
    fn an_entry_that_the_disk_does_not_let_go_is_known_until_it_does() {
        let (disk, mut ring) = with_clip();
        disk.fail_removals(true);
        assert!(matches!(entries(&mut ring).remove("c"), Err(ChangeError::Disk(_))));
        assert!(ring.ring.shelf().read("c").is_ok());
        disk.fail_removals(false);
        entries(&mut ring).remove("c").expect("removed");
        assert!(matches!(ring.ring.shelf().read("c"), Err(ShelfError::NoSuchClip)));
        ring.join();
        let again = open(&disk);
        assert!(matches!(again.ring.shelf().read("c"), Err(ShelfError::NoSuchClip)));
    }
}
