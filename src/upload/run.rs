//! One upload from its order to its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::clock::{sleep, within};
use crate::event::upload::{UploadDone, UploadNeeds};
use crate::event::words::UploadCondition;
use crate::http::outgoing::Tries;
use crate::media::{Foreign, Monotonic};
use crate::upload::answer;
use crate::upload::footage::{ClipFacts, NoFootage, Reads};
use crate::upload::machine::{Job, Machine, Next, Then};
use crate::upload::order::{Order, PARTS_MOST};
use crate::upload::record::{Part, Record, UPLOAD_FORMAT};
use crate::upload::send::{Halt, Sending, Sent, hex};
use crate::upload::uploads::{Hears, NotUploaded, Paced, Running, Uploads};

/// An upload that waits for addresses looks up so often: whether the box ends, or a game does.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Who is to give addresses and does not for so long is gone (chosen).
const NO_URLS: Duration = Duration::from_secs(600);
/// Without one part in so long it is told as failed; what it has behind it stays.
const NO_PART: Duration = Duration::from_secs(3_600);
/// A clip that is still recorded, or a busy ring, is waited for.
const FOOTAGE: Duration = Duration::from_secs(120);

impl Uploads {
    /// Runs an upload to its end, on the thread that polls this: it reads files. `resumed`: an earlier run was cut.
    ///
    /// # Errors
    /// [`NotUploaded`]; what it has behind it stays, and the same order goes on from there.
    pub async fn run(
        &self,
        order: Order,
        resumed: bool,
        hears: &dyn Hears,
    ) -> Result<UploadDone, NotUploaded> {
        let listed = self.list(&order.upload, &order.clip)?;
        let running = Arc::clone(&listed.running);
        let clip = order.clip.clone();
        let facts = self.there(hears, || self.parts.footage.facts(&clip)).await?;
        let _kept = self.there(hears, || self.parts.footage.keep(&clip)).await?;
        let at_work = |name: &str| self.runs(name);
        self.records.tidy(at_work).map_err(|error| disk(&error))?;
        let found = self.records.read(&order.upload).map_err(|error| disk(&error))?;
        let resumed = resumed || found.is_some();
        let record = match found {
            Some(record) => {
                let same = record.is_of(&order.clip, order.part_bytes)
                    && (record.bytes, &record.sha256) == (facts.bytes, &facts.sha256);
                if !same {
                    let reason = "an upload of this name is of another clip, or in other parts: take another \
                                  name";
                    return Err(NotUploaded::new("other_upload", reason));
                }
                record
            }
            None => {
                let record = self.hash(&order, &facts, hears).await?;
                self.records.write(&record).map_err(|error| disk(&error))?;
                record
            }
        };
        let (now, upload) = (order.now, order.upload.clone());
        let machine = Machine::new(record, order.given, resumed);
        let mut run = Run {
            uploads: self,
            running: &running,
            hears,
            now,
            machine,
            tries: Tries::for_at_most(NO_PART, self.parts.wait),
            moved_at: self.parts.clock.monotonic(),
            told: None,
        };
        let done = run.all_parts().await;
        match &done {
            Ok(done) => {
                self.totals.done.fetch_add(1, Ordering::Relaxed);
                tracing::info!(
                    upload,
                    clip,
                    bytes = done.bytes,
                    sent = done.sent_bytes,
                    again = done.again,
                    "a clip is uploaded"
                );
            }
            Err(why) => {
                tracing::warn!(upload, clip, code = why.code, why = %why.reason, "a clip is not uploaded");
            }
        }
        done
    }

    /// What the ring gives, once it does.
    async fn there<T>(
        &self,
        hears: &dyn Hears,
        get: impl Fn() -> Result<T, NoFootage>,
    ) -> Result<T, NotUploaded> {
        let began = self.parts.clock.monotonic();
        loop {
            match get() {
                Ok(there) => return Ok(there),
                Err(why) => {
                    let late = self.parts.clock.monotonic().since(began) > FOOTAGE;
                    if !why.again || late {
                        return Err(NotUploaded { code: why.code, reason: why.reason });
                    }
                }
            }
            if hears.stops() {
                return Err(ends());
            }
            sleep(&*self.parts.clock, LOOK_EVERY).await;
        }
    }

    /// Reads all of a clip: the SHA-256 of each part, and whether the whole has the one that its entry says.
    async fn hash(
        &self,
        order: &Order,
        facts: &ClipFacts,
        hears: &dyn Hears,
    ) -> Result<Record, NotUploaded> {
        let opened = self.there(hears, || self.parts.footage.open(&order.clip)).await?;
        let part_bytes = order.part_bytes.unwrap_or(facts.bytes).max(1);
        if facts.bytes.div_ceil(part_bytes) > PARTS_MOST {
            let least = facts.bytes.div_ceil(PARTS_MOST);
            let reason = format_args!(
                "the clip has {} bytes, and an upload has {PARTS_MOST} parts at most: make `part_bytes` {least} \
                 or more",
                facts.bytes
            );
            return Err(NotUploaded::new("too_many_parts", reason));
        }
        let (mut whole, mut parts, mut at) = (Sha256::new(), Vec::new(), 0);
        while at < facts.bytes {
            if hears.stops() {
                return Err(ends());
            }
            let end = facts.bytes.min(at + part_bytes);
            let mut part = Sha256::new();
            let mut sink = |chunk: Vec<u8>| {
                whole.update(&chunk);
                part.update(&chunk);
                true
            };
            opened.read(at, end, &mut sink).map_err(|error| unread(&error))?;
            let sha256 = hex(&part.finalize());
            parts.push(Part { bytes: end - at, sha256, taken: false, etag: None });
            at = end;
        }
        if hex(&whole.finalize()) != facts.sha256 {
            return Err(corrupt());
        }
        Ok(Record {
            format: UPLOAD_FORMAT,
            upload: order.upload.clone(),
            clip: order.clip.clone(),
            bytes: facts.bytes,
            sha256: facts.sha256.clone(),
            part_bytes: order.part_bytes,
            parts,
            anew: 0,
            sent_bytes: 0,
            again: 0,
            begun_ns: self.parts.clock.utc().as_nanos(),
        })
    }
}

/// One that sends.
struct Run<'a> {
    uploads: &'a Uploads,
    running: &'a Running,
    hears: &'a dyn Hears,
    now: bool,
    machine: Machine,
    tries: Tries,
    /// When a part was taken last, or it began.
    moved_at: Monotonic,
    told: Option<(u8, UploadCondition, Option<UploadNeeds>)>,
}

impl Run<'_> {
    async fn all_parts(&mut self) -> Result<UploadDone, NotUploaded> {
        let clock = &*self.uploads.parts.clock;
        let mut asked_at = None;
        loop {
            if self.hears.stops() {
                return Err(ends());
            }
            self.take_gifts()?;
            let job = match self.machine.next(clock.utc()) {
                Next::Done => return Ok(self.machine.done()),
                Next::Send(job) => job,
                Next::Needs(needs) => {
                    let since = *asked_at.get_or_insert_with(|| clock.monotonic());
                    if clock.monotonic().since(since) >= NO_URLS {
                        let reason = format_args!(
                            "nobody gave the address of part {} for {} s: the same `upload` again goes on",
                            needs.parts.first().copied().unwrap_or(1),
                            NO_URLS.as_secs()
                        );
                        return Err(NotUploaded::new("no_urls", reason));
                    }
                    self.tells(UploadCondition::Needing, None, Some(needs), None);
                    within(clock, LOOK_EVERY, self.running.bell.notified()).await;
                    continue;
                }
            };
            asked_at = None;
            if let Some(why) = self.uploads.holds(self.now) {
                self.tells(UploadCondition::Yielding, Some(job.number), None, Some(why));
                // It was not begun.
                self.machine.not_begun(&job);
                self.moved_at = clock.monotonic();
                sleep(clock, LOOK_EVERY).await;
                continue;
            }
            let wants = self.machine.wants(clock.utc());
            self.tells(UploadCondition::Sending, Some(job.number), wants, None);
            self.part(&job).await?;
        }
    }

    /// Sends a part, and waits where it must go again.
    async fn part(&mut self, job: &Job) -> Result<(), NotUploaded> {
        let uploads = self.uploads;
        let clip: String = self.machine.record().clip.clone();
        let opened: Arc<dyn Reads> =
            uploads.there(self.hears, || uploads.parts.footage.open(&clip)).await?;
        let paced = Paced {
            uploads,
            running: self.running,
            hears: self.hears,
            now: self.now,
            sent: AtomicU64::new(0),
        };
        let sent = {
            let _sender = uploads.sender();
            let tls = uploads.tls().map_err(|why| NotUploaded::new("tls", why))?;
            let (clock, buffer) = (&*uploads.parts.clock, uploads.buffer());
            Sending { clock, tls, buffer, pace: &paced }.send(job, &*opened).await
        };
        // Its seat in the ring is for others while this waits.
        drop(opened);
        let bytes = paced.sent.load(Ordering::Relaxed);
        self.machine.sent(bytes);
        let said = match sent {
            Sent::Answered { status, etag, body } => {
                answer::read(status, etag.as_deref(), &body, self.machine.in_parts())
            }
            Sent::Broken(why) => answer::Said::Again(why),
            Sent::Corrupt => return Err(corrupt()),
            Sent::Unread(error) => return Err(unread(&error)),
            Sent::Halted(Halt::Ends) => return Err(ends()),
            Sent::Halted(Halt::GivenUp | Halt::Yields) => return Ok(()),
        };
        let (totals, refused) = (&uploads.totals, matches!(said, answer::Said::NewUrl(_)));
        // An address that was over took nothing; what went out before it said so is told apart.
        totals.again.fetch_add(u64::from(job.again && !refused), Ordering::Relaxed);
        totals.refused.fetch_add(u64::from(refused && bytes > 0), Ordering::Relaxed);
        let taken = matches!(said, answer::Said::Taken { .. });
        match self.machine.answered(job, said) {
            Then::Keep => {
                uploads.records.write(self.machine.record()).map_err(|error| disk(&error))?;
                if !taken {
                    return Ok(());
                }
                totals.parts.fetch_add(1, Ordering::Relaxed);
                totals.acknowledged_bytes.fetch_add(job.to - job.from, Ordering::Relaxed);
                self.moved_at = uploads.parts.clock.monotonic();
                self.tries = Tries::for_at_most(NO_PART, uploads.parts.wait);
                Ok(())
            }
            Then::GoOn => Ok(()),
            Then::Again(why) => self.rest(job, &why).await,
            Then::Fail(code, why) => Err(NotUploaded::new(code, why)),
        }
    }

    async fn rest(&mut self, job: &Job, why: &str) -> Result<(), NotUploaded> {
        let parts = &self.uploads.parts;
        let elapsed = parts.clock.monotonic().since(self.moved_at);
        let chance = parts.chance.next(&*parts.clock);
        let Some(wait) = self.tries.ended(elapsed, false, chance) else {
            let reason = format_args!(
                "no part came through for {} s: {why}. The same `upload` again goes on",
                NO_PART.as_secs()
            );
            return Err(NotUploaded::new("unreachable", reason));
        };
        tracing::info!(to = job.at.told(), part = job.number, why, ?wait, "a part goes again");
        let why = Some(Foreign::told(why));
        self.tells(UploadCondition::Retrying, Some(job.number), None, why);
        let until = parts.clock.monotonic().plus(wait);
        while parts.clock.monotonic() < until {
            if self.hears.stops() {
                return Err(ends());
            }
            let left = until.since(parts.clock.monotonic()).min(LOOK_EVERY);
            sleep(&*parts.clock, left).await;
        }
        Ok(())
    }

    fn take_gifts(&mut self) -> Result<(), NotUploaded> {
        for given in self.running.gifts() {
            if given.gives_up {
                return Err(NotUploaded::new("given_up", "it was given up, as was asked for"));
            }
            // Told again if it is not enough.
            self.told = None;
            if self.machine.given(given) {
                let records = &self.uploads.records;
                records.write(self.machine.record()).map_err(|error| disk(&error))?;
            }
        }
        Ok(())
    }

    fn tells(
        &mut self,
        condition: UploadCondition,
        part: Option<u32>,
        needs: Option<UploadNeeds>,
        trouble: Option<Foreign>,
    ) {
        let record = self.machine.record();
        let taken = record.taken_bytes();
        let percent = u128::from(taken) * 100 / u128::from(record.bytes.max(1));
        let percent = u8::try_from(percent).unwrap_or(100);
        let all = u32::try_from(record.parts.len()).unwrap_or(u32::MAX);
        let bytes = record.bytes;
        {
            let mut state = self.running.state.lock();
            (state.condition, state.bytes, state.acknowledged_bytes) = (condition, bytes, taken);
            (state.parts, state.part) = (all, part);
            state.needs.clone_from(&needs);
            if trouble.is_some() || condition == UploadCondition::Sending {
                state.trouble.clone_from(&trouble);
            }
        }
        let told = (percent, condition, needs.clone());
        if self.told.as_ref() == Some(&told) {
            return;
        }
        self.told = Some(told);
        let at = part.map_or_else(String::new, |part| format!(", part {part} of {all}"));
        let why = trouble.map_or_else(String::new, |why| format!(": {why}"));
        self.hears.tells(percent, format!("{condition}{at}, {taken} of {bytes} bytes{why}"), needs);
    }
}

fn ends() -> NotUploaded {
    NotUploaded::new("ended", "the box ends")
}

fn corrupt() -> NotUploaded {
    let reason = "the clip's bytes on this box are not those that its hash is of: `courtside clips verify` \
                  says where; nothing of it was sent that would be believed";
    NotUploaded::new("clip_corrupt", reason)
}

fn unread(error: &std::io::Error) -> NotUploaded {
    NotUploaded::new("clip_unread", format_args!("read the clip: {error}; see `courtside doctor`"))
}

fn disk(error: &std::io::Error) -> NotUploaded {
    NotUploaded::new("disk", format_args!("keep how far it is: {error}; see `courtside doctor`"))
}
