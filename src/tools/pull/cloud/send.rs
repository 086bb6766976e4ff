//! One clip from its box to the bucket, whatever cuts it: this command, the box, the storage, an address's time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use indicatif::ProgressBar;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use crate::clock::{Clock, sleep};
use crate::event::command::CommandState;
use crate::event::upload::{
    ClipAck, ClipUploadArguments, ClipUploadUrlsArguments, UploadDone, UploadHave, UploadMultipart,
    UploadNeeds, UploadPartUrl, UploadTo,
};
use crate::event::words::UploadNeed;
use crate::tools::pull::cloud::bucket::{Bucket, HeldPart};
use crate::tools::pull::cloud::venue::{NotDone, Venue};
use crate::tools::pull::fetch::Fetched;
use crate::tools::pull::http::{Bytes, Entry};
use crate::tools::tell::remark;

/// Parts of an upload, at most: what a box takes.
const PARTS_MOST: u64 = 1_000;
/// Parts that are told at once to be there: a command is a small message.
const HAVE_MOST: usize = 400;
/// Uploads that the storage may lose, or that are found to be others, before a clip is left for the next run.
const ANEW_MOST: u32 = 4;
/// Commands of one upload that are over by now, from runs before this one.
const COMMANDS_MOST: u32 = 32;
/// Between two tries where another run of the upload comes to its end.
const MOMENT: Duration = Duration::from_secs(1);
/// Tries to tell a box something.
const TRIES: u32 = 5;
/// Clips of one `clip_ack`: what a box takes.
const ACKS_MOST: usize = 200;
/// Parts whose addresses are signed before the box asks: a clip of a shot has no more. Those of a long one are
/// signed as it gets there.
const AT_FIRST: u32 = 4;

/// What is wanted of every clip.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) part_bytes: u64,
    pub(super) now: bool,
    pub(super) verify: bool,
    pub(super) wait: Duration,
    pub(super) prefix: String,
    pub(super) acknowledge: bool,
}

/// Has one box send its clips.
pub(super) struct Sender {
    pub(super) venue: Venue,
    pub(super) storage: Arc<Bucket>,
    pub(super) terms: Terms,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) bar: ProgressBar,
    /// Clips that are there and not acknowledged yet. Taken for lines.
    pub(super) owed: Mutex<Vec<ClipAck>>,
}

/// A clip on its way.
struct Job<'a> {
    key: String,
    entry: &'a Entry,
    media: &'a Bytes,
    part_bytes: u64,
    /// The storage's upload: another one where that is lost.
    upload: Mutex<String>,
    /// The box's name of it.
    name: String,
    /// What the bar shows of it.
    shown: Mutex<u64>,
}

/// What came of an upload.
enum Ended {
    /// The box sent all of it.
    Sent(UploadDone),
    /// It has to begin anew.
    Lost,
}

impl Sender {
    /// Brings a clip to the bucket, and says so to the box.
    pub(super) async fn send(&self, entry: &Entry) -> (Fetched, Option<anyhow::Error>) {
        let mut sent = Fetched::default();
        let failed = self.try_send(entry, &mut sent).await.err();
        (sent, failed)
    }

    async fn try_send(&self, entry: &Entry, sent: &mut Fetched) -> anyhow::Result<()> {
        let Some(media) = &entry.media else { return Ok(()) };
        let key = format!("{}{}/{}.mp4", self.terms.prefix, self.venue.name(), entry.id);
        if self.is_there(&key, media, self.terms.verify).await? {
            (sent.had, sent.was_whole) = (media.bytes, true);
            self.bar.inc(media.bytes);
        } else {
            self.bring(key, entry, media, sent).await?;
        }
        sent.whole = true;
        if self.terms.acknowledge && entry.pinned {
            let (clip, sha256) = (entry.id.clone(), Some(media.sha256.clone()));
            self.owed.lock().push(ClipAck { clip, sha256 });
        }
        Ok(())
    }

    /// Acknowledges what is owed, if it is that many at least: many in a command, since a box takes few. Gives what
    /// came of each.
    pub(super) async fn acknowledge(&self, least: usize) -> Vec<(String, Option<anyhow::Error>)> {
        let owed = {
            let mut owed = self.owed.lock();
            if owed.len() < least.max(1) {
                return Vec::new();
            }
            std::mem::take(&mut *owed)
        };
        let mut told = Vec::new();
        for some in owed.chunks(ACKS_MOST) {
            let mut answer = self.venue.acknowledge(some).await;
            for _ in 1..TRIES {
                let Err(NotDone::NoAnswer(why)) = &answer else { break };
                tracing::debug!(%why, "told again");
                answer = self.venue.acknowledge(some).await;
            }
            let failed = |clip: &str| match &answer {
                Ok(refused) => {
                    let why = refused.iter().find(|(refused, _)| refused == clip);
                    why.map(|(_, why)| anyhow::anyhow!("acknowledge it: {why}"))
                }
                Err(why) => Some(anyhow::anyhow!("acknowledge it: {why}")),
            };
            told.extend(some.iter().map(|ack| (ack.clip.clone(), failed(&ack.clip))));
        }
        told
    }

    /// True if the object is the clip. A storage that keeps no hash beside it has all of it read: that costs the
    /// venue's uplink nothing.
    async fn is_there(&self, key: &str, media: &Bytes, reads: bool) -> anyhow::Result<bool> {
        let Some(object) = self.storage.object(key).await? else { return Ok(false) };
        if object.bytes != media.bytes {
            return Ok(false);
        }
        let wanted = media.sha256.to_ascii_lowercase();
        match object.sha256 {
            Some(sha256) if !reads => Ok(sha256 == wanted),
            Some(sha256) if sha256 != wanted => Ok(false),
            _ => Ok(self.storage.sha256(key).await? == wanted),
        }
    }

    async fn bring(
        &self,
        key: String,
        entry: &Entry,
        media: &Bytes,
        sent: &mut Fetched,
    ) -> anyhow::Result<()> {
        for _ in 0..ANEW_MOST {
            let upload = match self.storage.open_upload(&key).await? {
                Some(upload) => upload,
                None => self.storage.begin(&key, &media.sha256).await?,
            };
            let part_bytes = part_bytes(media.bytes, self.terms.part_bytes);
            let name = name(entry, media, part_bytes, &upload);
            let job = Job {
                key: key.clone(),
                entry,
                media,
                part_bytes,
                upload: Mutex::new(upload),
                name,
                shown: Mutex::default(),
            };
            // What has no tag cannot be told to the box as there: it goes again.
            let told = |held: BTreeMap<u32, HeldPart>| {
                let parts = held.values().filter(|part| part.etag.is_some());
                parts.map(|part| part.bytes).sum()
            };
            let had = self.held(&job).await?.map_or(0, told);
            let ended = match self.upload(&job, had == 0).await {
                Ok(ended) => ended,
                Err(why) => {
                    // Its seat on the box is for the next clip; what the storage has of it stays.
                    self.gives_up(&job).await;
                    return Err(why);
                }
            };
            match ended {
                Ended::Sent(done) if self.complete(&job, &done).await? => {
                    self.shows(&job, 100);
                    (sent.had, sent.moved) = (had, media.bytes - had);
                    sent.resumed += u64::from(had > 0);
                    return Ok(());
                }
                Ended::Sent(_) | Ended::Lost => self.shows(&job, 0),
            }
        }
        bail!(
            "its upload was lost {ANEW_MOST} times: does a rule of the bucket, or somebody else, end it?"
        )
    }

    /// Parts that the storage has, as the box would cut them; none if it knows the upload no more.
    async fn held(&self, job: &Job<'_>) -> anyhow::Result<Option<BTreeMap<u32, HeldPart>>> {
        let upload = job.upload.lock().clone();
        let held = self.storage.parts(&job.key, &upload).await?;
        Ok(held.map(|mut held| {
            held.retain(|number, part| job.bytes_of(*number) == Some(part.bytes));
            held
        }))
    }

    /// Has the box send it, and answers what it asks for meanwhile.
    async fn upload(&self, job: &Job<'_>, is_new: bool) -> anyhow::Result<Ended> {
        let upload = job.upload.lock().clone();
        // What the storage has of it the box is told when it asks.
        let first = if is_new { job.parts().min(AT_FIRST) } else { 0 };
        let parts = (1..=first).filter_map(|number| {
            let url = self.storage.part_url(&job.key, &upload, u16::try_from(number).ok()?);
            Some(UploadPartUrl { number, url })
        });
        let multipart = UploadMultipart { part_bytes: job.part_bytes, parts: parts.collect() };
        let asked = ClipUploadArguments {
            clip: job.entry.id.clone(),
            upload: Some(job.name.clone()),
            to: UploadTo { multipart: Some(multipart), ..UploadTo::default() },
            now: self.terms.now,
        };
        let (mut tries, mut last) = (0, None);
        let (mut command, began) = (0, self.clock.monotonic());
        let said = Mutex::new(String::new());
        while command < COMMANDS_MOST {
            // A command that an earlier run of this began is only heard, with all that it says.
            let id = format!("{}-{command}", job.name);
            command += 1;
            let (tells, heard) = watch::channel(None);
            let mut states = 0_u32;
            let told = |state: &CommandState| {
                states += 1;
                if let Some(percent) = state.progress {
                    self.shows(job, percent);
                }
                self.says(job, state, &said);
                tells.send_replace(state.needs.as_deref().cloned());
            };
            let ended = tokio::select! {
                ended = self.venue.upload(id, &asked, self.terms.wait, told) => ended,
                why = self.answers(job, heard) => return Err(why),
            };
            match ended {
                Ok(done) => return Ok(Ended::Sent(done)),
                Err(NotDone::Refused { code, .. }) if code == "under_way" && tries < TRIES => {
                    // Asked under a name that this does not know: it goes on under ours.
                    tries += 1;
                    let asked = ClipUploadUrlsArguments {
                        upload: job.name.clone(),
                        give_up: true,
                        ..ClipUploadUrlsArguments::default()
                    };
                    // Over meanwhile is as good.
                    let _over = self.venue.give(&asked).await;
                    sleep(&*self.clock, MOMENT).await;
                }
                Err(why)
                    if ["clip_corrupt", "no_such_clip", "gone", "no_bytes"]
                        .contains(&why.code()) =>
                {
                    let upload = job.upload.lock().clone();
                    self.storage.abort(&job.key, &upload).await?;
                    return Err(why.into());
                }
                Err(why) if why.code() == "other_upload" => {
                    let upload = job.upload.lock().clone();
                    self.storage.abort(&job.key, &upload).await?;
                    return Ok(Ended::Lost);
                }
                Err(why) if why.is_for_now() && self.venue.waits(began).await => command -= 1,
                // It was over before it was asked: an earlier run's.
                Err(why @ NotDone::Refused { ran: true, .. }) if states == 1 => last = Some(why),
                Err(why) => return Err(why.into()),
            }
        }
        Err(last.map_or_else(|| anyhow::anyhow!("its upload came to no end"), Into::into))
    }

    /// Says once why a box does not send yet.
    fn says(&self, job: &Job<'_>, state: &CommandState, said: &Mutex<String>) {
        let words = state.words.as_ref().map(ToString::to_string).unwrap_or_default();
        let waits = words.starts_with("yielding") || words.starts_with("waiting");
        let mut said = said.lock();
        if !waits || *said == words {
            return;
        }
        let hint = if self.terms.now { "" } else { " (--now has it sent all the same)" };
        self.bar.suspend(|| {
            remark(format_args!("{}: {}: {words}{hint}", self.venue.name(), job.entry.id));
        });
        *said = words;
    }

    /// Tells the box that nobody will answer it any more.
    async fn gives_up(&self, job: &Job<'_>) {
        let (upload, give_up) = (job.name.clone(), true);
        let asked = ClipUploadUrlsArguments { upload, give_up, ..Default::default() };
        if let Err(why) = self.venue.give(&asked).await {
            tracing::debug!(%why, "an upload was left to its end");
        }
    }

    /// Answers what a box needs, as long as this is polled; why it cannot.
    async fn answers(
        &self,
        job: &Job<'_>,
        mut heard: watch::Receiver<Option<UploadNeeds>>,
    ) -> anyhow::Error {
        let mut is_first = true;
        loop {
            if heard.changed().await.is_err() {
                // Nothing more is said: the other side ends it.
                std::future::pending::<()>().await;
            }
            let Some(needs) = heard.borrow_and_update().clone() else { continue };
            match self.answer(job, &needs, is_first).await {
                Ok(()) => is_first = false,
                Err(why) => return why.context("give it addresses"),
            }
        }
    }

    async fn answer(
        &self,
        job: &Job<'_>,
        needs: &UploadNeeds,
        is_first: bool,
    ) -> anyhow::Result<()> {
        let mut have = Vec::new();
        if needs.reason == UploadNeed::NoSuchUpload {
            // Told twice it is begun once.
            if self.held(job).await?.is_none() {
                let upload = self.storage.begin(&job.key, &job.media.sha256).await?;
                *job.upload.lock() = upload;
            }
        } else if is_first || needs.reason == UploadNeed::Resumed {
            let held = self.held(job).await?.unwrap_or_default();
            let of =
                |(number, part): (u32, HeldPart)| part.etag.map(|etag| UploadHave { number, etag });
            have = held.into_iter().filter_map(of).take(HAVE_MOST).collect();
        }
        let upload = job.upload.lock().clone();
        let parts = needs.parts.iter().filter_map(|number| {
            let url = self.storage.part_url(&job.key, &upload, u16::try_from(*number).ok()?);
            Some(UploadPartUrl { number: *number, url })
        });
        let asked = ClipUploadUrlsArguments {
            upload: job.name.clone(),
            parts: parts.collect(),
            have,
            ..ClipUploadUrlsArguments::default()
        };
        match self.patiently(|| self.venue.give(&asked)).await {
            // It came to its end meanwhile: that is told on its own way.
            Err(why) if why.code() == "no_such_upload" => Ok(()),
            given => Ok(given?),
        }
    }

    /// Tells a box something, again where nobody says anything.
    async fn patiently<F: Future<Output = Result<(), NotDone>>>(
        &self,
        tell: impl Fn() -> F,
    ) -> Result<(), NotDone> {
        for _ in 1..TRIES {
            match tell().await {
                Err(NotDone::NoAnswer(why)) => tracing::debug!(%why, "told again"),
                told => return told,
            }
        }
        tell().await
    }

    /// Puts the parts together, if the storage has them as the box sent them; false if not.
    async fn complete(&self, job: &Job<'_>, done: &UploadDone) -> anyhow::Result<bool> {
        let media = job.media;
        if !done.sha256.eq_ignore_ascii_case(&media.sha256) || done.bytes != media.bytes {
            bail!("what was sent is not what was listed: ask for its list anew");
        }
        let upload = job.upload.lock().clone();
        let Some(held) = self.storage.parts(&job.key, &upload).await? else {
            // Completed by a request whose answer was lost, or gone.
            return self.is_there(&job.key, media, self.terms.verify).await;
        };
        let Some(etags) = etags(done, &held, media.bytes) else {
            // Some storages list nothing, instead of saying that they know it no more.
            if held.is_empty() && self.is_there(&job.key, media, self.terms.verify).await? {
                return Ok(true);
            }
            self.storage.abort(&job.key, &upload).await?;
            return Ok(false);
        };
        self.storage.complete(&job.key, &upload, &etags).await?;
        let object = self.storage.object(&job.key).await?;
        let Some(object) = object else { return Ok(false) };
        let same = |sha256: &String| sha256.eq_ignore_ascii_case(&media.sha256);
        if object.bytes != media.bytes || !object.sha256.as_ref().is_none_or(same) {
            bail!(
                "the object in the bucket is not the clip: {} bytes of {}",
                object.bytes,
                media.bytes
            );
        }
        if self.terms.verify && !same(&self.storage.sha256(&job.key).await?) {
            bail!("the object in the bucket has another SHA-256 than the clip");
        }
        Ok(true)
    }

    /// The bar shows so much of a clip.
    fn shows(&self, job: &Job<'_>, percent: u8) {
        let now = job.media.bytes / 100 * u64::from(percent.min(100));
        let now = if percent >= 100 { job.media.bytes } else { now };
        let mut shown = job.shown.lock();
        self.bar.set_position((self.bar.position() + now).saturating_sub(*shown));
        *shown = now;
    }
}

impl Job<'_> {
    /// How many there are.
    fn parts(&self) -> u32 {
        u32::try_from(self.media.bytes.div_ceil(self.part_bytes)).unwrap_or(u32::MAX)
    }

    /// Bytes of a part.
    fn bytes_of(&self, number: u32) -> Option<u64> {
        let from = u64::from(number.checked_sub(1)?).checked_mul(self.part_bytes)?;
        (from < self.media.bytes).then(|| self.part_bytes.min(self.media.bytes - from))
    }
}

/// What is wanted, or more where a clip would have too many parts.
fn part_bytes(bytes: u64, wanted: u64) -> u64 {
    if bytes.div_ceil(wanted) <= PARTS_MOST {
        return wanted;
    }
    bytes.div_ceil(PARTS_MOST).next_multiple_of(1 << 20)
}

/// The box's name of an upload: the same for the same clip to the same upload of the storage in the same parts, and
/// for nothing else.
fn name(entry: &Entry, media: &Bytes, part_bytes: u64, upload: &str) -> String {
    let mut sum = Sha256::new();
    for text in [&entry.id, &media.sha256, upload, &part_bytes.to_string()] {
        sum.update(text.as_bytes());
        sum.update([0]);
    }
    sum.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The parts' tags in order, if what the storage has is what the box sent. Where one of the two knows no tag, the
/// other's is taken.
fn etags(done: &UploadDone, held: &BTreeMap<u32, HeldPart>, bytes: u64) -> Option<Vec<String>> {
    let plain = |tag: &str| tag.trim().trim_matches('"').to_owned();
    let (mut tags, mut sum) = (Vec::new(), 0);
    for (number, part) in (1..).zip(&done.parts) {
        let has = held.get(&number)?;
        let sent = part.etag.as_ref().map(|tag| tag.as_str().to_owned());
        let is_other =
            sent.as_ref().zip(has.etag.as_ref()).is_some_and(|(a, b)| plain(a) != plain(b));
        if part.number != number || has.bytes != part.bytes || is_other {
            return None;
        }
        sum += part.bytes;
        tags.push(has.etag.clone().or(sent)?);
    }
    (sum == bytes).then_some(tags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::upload::UploadedPart;
    use crate::media::Foreign;

    fn held(parts: &[(u32, &str, u64)]) -> BTreeMap<u32, HeldPart> {
        let part = |(number, etag, bytes): &(u32, &str, u64)| {
            let etag = Some((*etag).to_owned()).filter(|etag| !etag.is_empty());
            (*number, HeldPart { etag, bytes: *bytes })
        };
        parts.iter().map(part).collect()
    }

    #[test]
    fn what_is_put_together_is_what_the_box_sent() {
        let part = |number, etag: Option<&str>, bytes| UploadedPart {
            number,
            etag: etag.map(Foreign::told),
            bytes,
            sha256: String::new(),
        };
        let done = UploadDone {
            parts: vec![part(1, Some("\"a\""), 5), part(2, None, 3)],
            ..UploadDone::default()
        };
        let of = |parts: &[(u32, &str, u64)]| etags(&done, &held(parts), 8);
        let right = [(1, "\"a\"", 5), (2, "\"b\"", 3)];
        assert_eq!(of(&right), Some(vec!["\"a\"".to_owned(), "\"b\"".to_owned()]));
        // A tag without its quotes is the same; a part more is nobody's.
        assert!(of(&[(1, "a", 5), (2, "b", 3), (3, "c", 9)]).is_some());
        assert_eq!(of(&right[..1]), None, "lost");
        assert_eq!(of(&[(1, "x", 5), (2, "b", 3)]), None, "another's");
        assert_eq!(of(&[(1, "a", 5), (2, "b", 4)]), None, "of another length");
        assert_eq!(etags(&done, &held(&right), 9), None, "not all of it");
        // A storage that lists parts without their tags: the box has them of its own sending, or nobody.
        let untold = |tags| of(&[(1, "", 5), (2, tags, 3)]);
        assert_eq!(untold("\"b\""), Some(vec!["\"a\"".to_owned(), "\"b\"".to_owned()]));
        assert_eq!(untold(""), None, "nobody knows the second's");
    }

    #[test]
    fn a_clip_is_cut_into_as_many_parts_as_a_box_takes() {
        assert_eq!(part_bytes(300_000, 64 << 10), 64 << 10);
        assert_eq!(part_bytes(300_000, 8 << 20), 8 << 20);
        let bytes = 40_000_000_000_u64;
        assert!(bytes.div_ceil(part_bytes(bytes, 8 << 20)) <= PARTS_MOST);
    }
}
