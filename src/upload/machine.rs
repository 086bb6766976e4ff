//! An upload, step by step (pure): which part is next, what it lacks, what an answer makes of it.
//!
//! ```text
//!  next: no part left ──────────────────────────────→ Done
//!        a part with an address ──→ Send ─ taken ───→ its ETag is kept → next
//!                                     ├─ new address → Needs (expired)
//!                                     ├─ gone ───────→ every ETag forgotten → Needs (no such upload)
//!                                     └─ broken ─────→ the same part, later
//!        a part without ──→ Needs ─ addresses, or `have` ─→ next
//! ```

use std::collections::{BTreeMap, BTreeSet};

use hyper::header::{HeaderName, HeaderValue};

use crate::event::upload::{UploadDone, UploadNeeds, UploadedPart};
use crate::event::words::UploadNeed;
use crate::http::outgoing::Web;
use crate::media::{Foreign, UtcTime};
use crate::upload::answer::Said;
use crate::upload::order::{Given, Url};
use crate::upload::record::Record;

/// Parts that are asked for at once. An address may live for a minute only, so the cloud gives as many of them as
/// it likes.
const ASKED_FOR: usize = 8;
/// Parts that have an address before more are asked for: so long as one is sent, the next comes.
const AHEAD: usize = 2;
/// Addresses that may be refused in a row before it is no matter of time (chosen).
const REFUSED_MOST: u32 = 8;
/// Times in a row that the storage may know it no more, without a part between.
const ANEW_MOST: u32 = 4;

/// See the module.
pub(crate) struct Machine {
    record: Record,
    /// By part, with the gift that it came in.
    urls: BTreeMap<u32, (u32, Url)>,
    gift: u32,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Why the next address is wanted.
    reason: UploadNeed,
    said: Option<Foreign>,
    refused: u32,
    lost: u32,
    begun: BTreeSet<u32>,
}

/// A part that is to be sent.
pub(crate) struct Job {
    pub(crate) number: u32,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) sha256: String,
    pub(crate) at: Web,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// That it came in.
    gift: u32,
    /// It was begun before.
    pub(crate) again: bool,
}

/// What is next.
pub(crate) enum Next {
    Send(Job),
    Needs(UploadNeeds),
    Done,
}

/// What an answer makes of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Make the record durable, and go on.
    Keep,
    /// Go on.
    GoOn,
    /// The same part, later.
    Again(String),
    /// It is over: a code, and why.
    Fail(&'static str, String),
}

impl Machine {
    /// Of what is on disk, with what was given with the order. `resumed`: a part may be there that the record does
    /// not know.
    pub(crate) fn new(record: Record, given: Given, resumed: bool) -> Self {
        let reason = if resumed { UploadNeed::Resumed } else { UploadNeed::Next };
        let mut machine = Self {
            record,
            urls: BTreeMap::new(),
            gift: 0,
            headers: Vec::new(),
            reason,
            said: None,
            refused: 0,
            lost: 0,
            begun: BTreeSet::new(),
        };
        machine.given(given);
        machine
    }

    pub(crate) const fn record(&self) -> &Record {
        &self.record
    }

    pub(crate) const fn in_parts(&self) -> bool {
        self.record.part_bytes.is_some()
    }

    /// Takes addresses, and what the storage has. True if the record changed.
    pub(crate) fn given(&mut self, given: Given) -> bool {
        self.gift += 1;
        let gift = self.gift;
        self.urls.extend(given.urls.into_iter().map(|(number, url)| (number, (gift, url))));
        if let Some(headers) = given.headers {
            self.headers = headers;
        }
        let mut changed = false;
        for (number, etag) in given.have {
            let part = usize::try_from(number).ok().and_then(|n| self.record.parts.get_mut(n - 1));
            if let Some(part) = part.filter(|part| !part.taken) {
                (part.taken, part.etag) = (true, Some(etag));
                changed = true;
            }
        }
        changed
    }

    /// Parts that are to be sent, in order, from 1.
    fn left(&self) -> impl Iterator<Item = u32> {
        let open = self.record.parts.iter().enumerate().filter(|(_, part)| !part.taken);
        open.filter_map(|(at, _)| u32::try_from(at + 1).ok())
    }

    fn has_url(&self, number: u32, now: UtcTime) -> bool {
        let url = self.urls.get(&number).map(|(_, url)| url);
        url.is_some_and(|url| url.expires.is_none_or(|ends| now < ends))
    }

    /// What is next.
    pub(crate) fn next(&mut self, now: UtcTime) -> Next {
        let Some(number) = self.left().next() else { return Next::Done };
        if !self.has_url(number, now) {
            if self.urls.remove(&number).is_some() && self.reason == UploadNeed::Next {
                self.reason = UploadNeed::Expired;
            }
            return Next::Needs(self.needs(now));
        }
        let (Some((gift, url)), Some(part)) =
            (self.urls.get(&number), self.record.parts.get(number as usize - 1))
        else {
            return Next::Needs(self.needs(now));
        };
        let from = u64::from(number - 1) * self.record.part_bytes.unwrap_or(0);
        let again = !self.begun.insert(number);
        self.record.again += u64::from(again);
        Next::Send(Job {
            number,
            from,
            to: from + part.bytes,
            sha256: part.sha256.clone(),
            at: url.web.clone(),
            headers: self.headers.clone(),
            gift: *gift,
            again,
        })
    }

    /// It was not sent after all, or nobody took it by that address.
    pub(crate) fn not_begun(&mut self, job: &Job) {
        if job.again {
            self.record.again -= 1;
        } else {
            self.begun.remove(&job.number);
        }
    }

    /// What should come while a part is sent, so that nothing waits for it.
    pub(crate) fn wants(&self, now: UtcTime) -> Option<UploadNeeds> {
        let lacks = self.left().take(AHEAD).any(|number| !self.has_url(number, now));
        lacks.then(|| self.needs(now))
    }

    fn needs(&self, now: UtcTime) -> UploadNeeds {
        let lacking = self.left().take(ASKED_FOR).filter(|number| !self.has_url(*number, now));
        UploadNeeds {
            upload: Foreign::name(&self.record.upload),
            parts: lacking.collect(),
            reason: self.reason,
            said: self.said.clone(),
        }
    }

    /// Bytes went out.
    pub(crate) const fn sent(&mut self, bytes: u64) {
        self.record.sent_bytes += bytes;
    }

    /// The storage answered.
    pub(crate) fn answered(&mut self, job: &Job, said: Said) -> Then {
        match said {
            Said::Taken { etag } => {
                if let Some(part) = self.record.parts.get_mut(job.number as usize - 1) {
                    (part.taken, part.etag) = (true, etag);
                }
                self.urls.remove(&job.number);
                (self.refused, self.lost) = (0, 0);
                (self.reason, self.said) = (UploadNeed::Next, None);
                Then::Keep
            }
            Said::NewUrl(why) => {
                // What is sent again is what somebody might have had.
                self.not_begun(job);
                // What came with it is over too, most likely; what came since is not.
                self.urls.retain(|_, (gift, _)| *gift > job.gift);
                self.refused += 1;
                if self.refused >= REFUSED_MOST {
                    let why =
                        format!("{why}, to {REFUSED_MOST} addresses in a row: what is signed?");
                    return Then::Fail("refused", why);
                }
                (self.reason, self.said) = (UploadNeed::Expired, Some(Foreign::told(why)));
                Then::GoOn
            }
            Said::Anew(why) => {
                self.urls.retain(|_, (gift, _)| *gift > job.gift);
                self.lost += 1;
                if self.lost >= ANEW_MOST {
                    return Then::Fail(
                        "no_such_upload",
                        format!("{why}, {ANEW_MOST} times in a row"),
                    );
                }
                for part in &mut self.record.parts {
                    (part.taken, part.etag) = (false, None);
                }
                self.record.anew += 1;
                (self.reason, self.said) = (UploadNeed::NoSuchUpload, Some(Foreign::told(why)));
                Then::Keep
            }
            Said::Again(why) => Then::Again(why),
            Said::Never(why) => Then::Fail("refused", why),
        }
    }

    /// Of one that is done.
    pub(crate) fn done(&self) -> UploadDone {
        let part = |(at, part): (usize, &crate::upload::record::Part)| UploadedPart {
            number: u32::try_from(at + 1).unwrap_or(u32::MAX),
            etag: part.etag.as_deref().map(Foreign::text),
            bytes: part.bytes,
            sha256: part.sha256.clone(),
        };
        let record = &self.record;
        UploadDone {
            upload: Foreign::name(&record.upload),
            clip: Foreign::text(&record.clip),
            bytes: record.bytes,
            sha256: record.sha256.clone(),
            part_bytes: record.part_bytes,
            parts: record.parts.iter().enumerate().map(part).collect(),
            anew: record.anew,
            sent_bytes: record.sent_bytes,
            again: record.again,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upload::record::{Part, UPLOAD_FORMAT};

    fn record(parts: u64) -> Record {
        let part = |n: u64| Part {
            bytes: if n == parts { 7 } else { 20 },
            sha256: n.to_string(),
            taken: false,
            etag: None,
        };
        Record {
            format: UPLOAD_FORMAT,
            upload: "u".to_owned(),
            clip: "c".to_owned(),
            bytes: (parts - 1) * 20 + 7,
            sha256: "all".to_owned(),
            part_bytes: Some(20),
            parts: (1..=parts).map(part).collect(),
            anew: 0,
            sent_bytes: 0,
            again: 0,
            begun_ns: 0,
        }
    }

    fn urls(numbers: &[u32], expires: Option<i64>) -> Given {
        let url = |number: &u32| {
            let web = Web::parse(&format!("https://s/o?part={number}")).expect("one");
            (*number, Url { web, expires: expires.map(UtcTime::from_nanos) })
        };
        Given { urls: numbers.iter().map(url).collect(), ..Given::default() }
    }

    fn taken(etag: &str) -> Said {
        Said::Taken { etag: Some(etag.to_owned()) }
    }

    const NOW: UtcTime = UtcTime::from_nanos(100);

    fn job(machine: &mut Machine) -> Job {
        match machine.next(NOW) {
            Next::Send(job) => job,
            Next::Needs(needs) => panic!("{needs:?}"),
            Next::Done => panic!("done"),
        }
    }

    fn needs(machine: &mut Machine) -> (Vec<u32>, UploadNeed) {
        match machine.next(NOW) {
            Next::Needs(needs) => (needs.parts, needs.reason),
            Next::Send(job) => panic!("sends {}", job.number),
            Next::Done => panic!("done"),
        }
    }

    #[test]
    fn parts_go_in_order_and_more_addresses_are_asked_for_in_time() {
        let mut machine = Machine::new(record(3), urls(&[1], None), false);
        assert_eq!(
            machine.wants(NOW).map(|needs| needs.parts),
            Some(vec![2, 3]),
            "while 1 is sent"
        );
        let first = job(&mut machine);
        assert_eq!((first.number, first.from, first.to), (1, 0, 20));
        assert_eq!(machine.answered(&first, taken("\"1\"")), Then::Keep);
        assert_eq!(needs(&mut machine), (vec![2, 3], UploadNeed::Next));
        machine.given(urls(&[2, 3], None));
        assert_eq!(machine.wants(NOW), None);
        let second = job(&mut machine);
        assert_eq!(machine.answered(&second, taken("\"2\"")), Then::Keep);
        let third = job(&mut machine);
        assert_eq!((third.number, third.from, third.to), (3, 40, 47));
        assert_eq!(machine.answered(&third, taken("\"3\"")), Then::Keep);
        assert!(matches!(machine.next(NOW), Next::Done));
        let done = machine.done();
        let etags: Vec<String> = done
            .parts
            .iter()
            .filter_map(|part| part.etag.clone())
            .map(|etag| etag.to_string())
            .collect();
        assert_eq!(etags, ["\"1\"", "\"2\"", "\"3\""]);
        assert_eq!((done.again, done.anew, done.bytes), (0, 0, 47));
    }

    #[test]
    fn an_address_that_is_over_is_not_used_and_one_that_is_refused_takes_its_like_along() {
        let mut machine = Machine::new(record(3), urls(&[1, 2], Some(100)), false);
        assert_eq!(needs(&mut machine), (vec![1, 2, 3], UploadNeed::Expired));
        machine.given(urls(&[1, 2], Some(200)));
        let first = job(&mut machine);
        machine.given(urls(&[3], None));
        let said = Said::NewUrl("400".to_owned());
        assert_eq!(machine.answered(&first, said), Then::GoOn);
        assert_eq!(needs(&mut machine), (vec![1, 2], UploadNeed::Expired), "3 came since");
        machine.given(urls(&[1], None));
        let first = job(&mut machine);
        assert_eq!(machine.answered(&first, taken("\"1\"")), Then::Keep);
        assert_eq!(machine.record().again, 0, "nobody took any of it before");
        assert_eq!(needs(&mut machine).1, UploadNeed::Next, "what was refused is forgotten");
    }

    #[test]
    fn refusals_without_end_end_it() {
        let mut machine = Machine::new(record(2), urls(&[1], None), false);
        let mut last = Then::GoOn;
        for _ in 0..REFUSED_MOST {
            let first = job(&mut machine);
            last = machine.answered(&first, Said::NewUrl("403 AccessDenied".to_owned()));
            machine.given(urls(&[1], None));
        }
        assert!(matches!(&last, Then::Fail("refused", why) if why.contains("403")), "{last:?}");
    }

    #[test]
    fn an_upload_that_the_storage_knows_no_more_begins_anew() {
        let mut machine = Machine::new(record(2), urls(&[1, 2], None), false);
        let first = job(&mut machine);
        machine.answered(&first, taken("\"1\""));
        let second = job(&mut machine);
        assert_eq!(machine.answered(&second, Said::Anew("404".to_owned())), Then::Keep);
        assert_eq!(machine.record().taken_bytes(), 0, "what it had is gone with it");
        assert_eq!(needs(&mut machine), (vec![1, 2], UploadNeed::NoSuchUpload));
        machine.given(urls(&[1, 2], None));
        for etag in ["\"a\"", "\"b\""] {
            let part = job(&mut machine);
            machine.answered(&part, taken(etag));
        }
        assert_eq!(machine.done().anew, 1);
    }

    #[test]
    fn after_a_cut_what_the_storage_has_may_be_told() {
        let mut cut = record(3);
        (cut.parts[0].taken, cut.parts[0].etag) = (true, Some("\"1\"".to_owned()));
        let mut machine = Machine::new(cut, Given::default(), true);
        assert_eq!(needs(&mut machine), (vec![2, 3], UploadNeed::Resumed));
        let have =
            [(2, "\"2\"".to_owned()), (1, "\"other\"".to_owned()), (9, "\"9\"".to_owned())].into();
        assert!(machine.given(Given { have, ..urls(&[3], None) }));
        let third = job(&mut machine);
        assert_eq!(third.number, 3);
        machine.answered(&third, taken("\"3\""));
        let etags: Vec<_> = machine.done().parts.into_iter().filter_map(|part| part.etag).collect();
        assert_eq!(
            etags.iter().map(|etag| &**etag).collect::<Vec<_>>(),
            ["\"1\"", "\"2\"", "\"3\""]
        );
    }
}
