//! The desk: what is done with what boxes send. It keeps records and signs; it has no network and no clock.
//!
//! What comes goes in by [`Desk::hears`], what a person says by [`Desk::approve`] and [`Desk::decline`]; what is
//! to be done comes out as [`Effect`]s, in this order. A grant is on disk before its effect is returned, so
//! whoever is killed between gives the same answer again.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use serde::Deserialize;

use crate::claim::{
    Answer, Authority, AuthorityError, Code, Decision, Grant, Granted, Hidden, Policy, Report,
    Request, RequestId, Serial, Trouble, Verdict, decide, refusal,
};
use crate::config::Broker;
use crate::event::state::BoxState;
use crate::media::{BoxName, Foreign, UtcTime};
use crate::tools::provision::records::{BoxRecord, Records};
use crate::tools::provision::rules::Rules;
use crate::tools::provision::topics::{From, Topic};

/// Requests that wait for a person: more of them is somebody who plays boxes (chosen).
const MOST_PENDING: usize = 256;
/// A request is a key and some names.
const MOST_BYTES: usize = 64 << 10;
/// A box that waits for a person asks again after so long, s.
const PERSON_S: u32 = 10;
/// … and one that a person did not want, s.
const DECLINED_S: u32 = 300;
/// Messages that are none, told before the rest is only counted.
const ODD_TOLD: u32 = 5;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// What the broker reads follows from the records again, and it reads it anew.
    TellBroker,
    /// Nothing further before the broker lets in this user with this password.
    Admit(BoxName, Hidden),
    /// QoS 1, not retained.
    Publish {
        /// Whole topic.
        topic: String,
        /// JSON.
        payload: Vec<u8>,
    },
    /// A line for the person.
    Tell(String),
}

/// A box that waits for a person.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    /// What it asked.
    pub request: Request,
    /// When it asked first.
    pub since: UtcTime,
    /// The name that was thought of for it.
    pub name: Option<BoxName>,
}

/// What is read of `state/claim`.
#[derive(Deserialize)]
struct Settled {
    serial: Serial,
    request: Option<RequestId>,
}

/// The desk.
#[derive(Debug)]
pub(super) struct Desk {
    authority: Authority,
    records: Records,
    rules: Rules,
    /// Where those go that get a password.
    password_broker: Option<Broker>,
    pending: BTreeMap<Serial, Pending>,
    declined: BTreeSet<RequestId>,
    /// Whose earlier identity was passed over once: not again in this run.
    replaced: BTreeSet<Serial>,
    /// Granted in this run, or on the list.
    watched: BTreeSet<Serial>,
    odd: u32,
}

impl Desk {
    /// Begins on what is on record.
    pub(super) fn new(
        authority: Authority,
        records: Records,
        rules: Rules,
        password_broker: Option<Broker>,
    ) -> Self {
        let listed = rules.list.iter().flat_map(|list| list.keys().cloned());
        let untold = records.boxes().filter(|it| it.revoked.is_none() && !it.granted.committed);
        let watched = listed.chain(untold.map(|it| it.granted.serial.clone())).collect();
        Self {
            authority,
            records,
            rules,
            password_broker,
            pending: BTreeMap::new(),
            declined: BTreeSet::new(),
            replaced: BTreeSet::new(),
            watched,
            odd: 0,
        }
    }

    /// What is on record.
    pub(super) fn records(&self) -> &Records {
        &self.records
    }

    /// The authority.
    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The boxes that wait for a person, the longest first.
    pub(super) fn pending(&self) -> Vec<&Pending> {
        let mut pending: Vec<&Pending> = self.pending.values().collect();
        pending.sort_by_key(|it| it.since);
        pending
    }

    /// All that were named beforehand are who they are.
    pub(super) fn is_done(&self) -> bool {
        self.rules
            .list
            .as_ref()
            .is_some_and(|list| list.keys().all(|serial| self.is_settled(serial)))
    }

    fn is_settled(&self, serial: &Serial) -> bool {
        let record = self.records.of(serial);
        record.is_some_and(|it| it.granted.committed && it.revoked.is_none() && !self.owes(serial))
    }

    /// A new identity was promised by `--again`, and not asked for yet.
    fn owes(&self, serial: &Serial) -> bool {
        self.rules.again && !self.replaced.contains(serial)
    }

    /// What is not over, a line each.
    pub(super) fn open(&self) -> Vec<String> {
        let mut open = Vec::new();
        for serial in &self.watched {
            let record = self.records.of(serial).filter(|_| !self.owes(serial));
            match (record, self.pending.contains_key(serial)) {
                (Some(record), _) if record.revoked.is_some() => {
                    open.push(format!("{serial} was revoked"));
                }
                (Some(record), _) if !record.granted.committed => open.push(format!(
                    "{serial} has got its identity as `{}`, and has not told that it uses it: it goes on \
                     by itself, and is told here once `grant` runs again",
                    record.granted.name
                )),
                (Some(_), _) => {}
                (None, true) => open.push(format!("{serial} waits for your yes")),
                (None, false) => open.push(format!("{serial} has not asked yet")),
            }
        }
        for serial in self.pending.keys().filter(|serial| !self.watched.contains(*serial)) {
            open.push(format!("{serial} waits for your yes"));
        }
        open
    }

    /// Takes in a message.
    ///
    /// # Errors
    /// The disk says no: nothing was sent.
    pub(super) fn hears(
        &mut self,
        now: UtcTime,
        topic: &str,
        payload: &[u8],
        retained: bool,
    ) -> anyhow::Result<Vec<Effect>> {
        let Some(read) = Topic::read(topic) else { return Ok(Vec::new()) };
        if payload.len() > MOST_BYTES {
            return Ok(self.is_odd(topic, "too large"));
        }
        match read {
            // Nobody keeps requests at the broker: a retained one is somebody's trick.
            Topic::Req(_) if retained => Ok(self.is_odd(topic, "retained")),
            Topic::Req(from) => self.asked(now, topic, from, payload),
            Topic::Trial => Ok(match serde_json::from_slice::<Report>(payload) {
                Ok(report) => {
                    vec![Effect::Tell(format!("{}: tries its new identity", report.serial))]
                }
                Err(_) => self.is_odd(topic, "not as expected"),
            }),
            Topic::Committed(name) => match serde_json::from_slice::<Report>(payload) {
                Ok(report) => self.committed(now, &name, &report),
                Err(_) => Ok(self.is_odd(topic, "not as expected")),
            },
            Topic::State(name) => self.seen(now, &name, payload),
            Topic::Claimed(name) => self.claimed(now, &name, payload),
        }
    }

    fn is_odd(&mut self, topic: &str, why: &str) -> Vec<Effect> {
        self.odd = self.odd.saturating_add(1);
        let topic = Foreign::told(topic);
        match self.odd {
            1..ODD_TOLD => vec![Effect::Tell(format!("passed over what came to {topic}: {why}"))],
            ODD_TOLD => vec![Effect::Tell(format!(
                "passed over what came to {topic}: {why}; more of such is not told"
            ))],
            _ => Vec::new(),
        }
    }

    fn asked(
        &mut self,
        now: UtcTime,
        topic: &str,
        from: From,
        payload: &[u8],
    ) -> anyhow::Result<Vec<Effect>> {
        let Ok(request) = serde_json::from_slice::<Request>(payload) else {
            return match serde_json::from_slice::<Report>(payload) {
                Ok(report) => self.troubled(&report),
                Err(_) => Ok(self.is_odd(topic, "not as expected")),
            };
        };
        match &from {
            From::Claim(serial) if *serial != request.serial => {
                Ok(self.is_odd(topic, "a request of another serial number"))
            }
            _ => self.decide(now, &from, request, None),
        }
    }

    /// `said` is the name that a person has just said yes to.
    fn decide(
        &mut self,
        now: UtcTime,
        from: &From,
        request: Request,
        said: Option<&BoxName>,
    ) -> anyhow::Result<Vec<Effect>> {
        let serial = request.serial.clone();
        let own = match from {
            From::Itself(name) => Some(name),
            From::Claim(_) => None,
        };
        let again = self.owes(&serial);
        let record = self.records.of(&serial);
        if let Some(record) = record.filter(|it| it.revoked.is_some() && (own.is_some() || !again))
        {
            let text = format!("it was `{}`, and was revoked", record.granted.name);
            return Ok(self.refuse(from, &request, Code::EAlreadyClaimed, &text, None));
        }
        let thought = self.rules.name(&serial).cloned();
        let approved = said.cloned().or_else(|| thought.clone().filter(|_| self.rules.yes));
        let owner = approved.as_ref().and_then(|name| self.records.owner(name));
        // What was revoked is no answer that could be given again.
        let known = record.filter(|it| it.revoked.is_none()).map(|it| &it.granted);
        let policy = Policy { approved, again };
        match decide(&request, known, owner, own, &policy) {
            Decision::Again(answer) => Ok(self.again(from, &serial, &answer)),
            Decision::Refuse(answer) => Ok(vec![told(&answer, &serial), publish(from, &answer)]),
            Decision::Issue(name) => self.issue(now, from, &request, name),
            Decision::Ask if self.rules.unknown(&serial) => {
                let text = format!("{serial} is not among those that are expected");
                Ok(self.refuse(from, &request, Code::EUnknownSerial, &text, None))
            }
            Decision::Ask if self.declined.contains(&request.request) => {
                let text = "a person said no";
                Ok(self.refuse(from, &request, Code::ENotApproved, text, Some(DECLINED_S)))
            }
            Decision::Ask => Ok(self.wait(now, from, request, thought)),
        }
    }

    fn wait(
        &mut self,
        now: UtcTime,
        from: &From,
        request: Request,
        name: Option<BoxName>,
    ) -> Vec<Effect> {
        let serial = request.serial.clone();
        let known = self.pending.get(&serial);
        if known.is_none() && self.pending.len() >= MOST_PENDING {
            let text = format!("{MOST_PENDING} boxes wait for a person");
            return self.refuse(from, &request, Code::ERate, &text, Some(DECLINED_S));
        }
        let text = "a person is asked";
        let Effect::Publish { topic, payload } =
            publish(from, &no(&request, Code::ENotApproved, text, Some(PERSON_S)))
        else {
            return Vec::new();
        };
        let since = known.map_or(now, |it| it.since);
        self.pending.insert(serial, Pending { request, since, name });
        vec![Effect::Publish { topic, payload }]
    }

    /// A person says yes to a box that waits.
    ///
    /// # Errors
    /// The disk says no: nothing was sent.
    pub(super) fn approve(
        &mut self,
        now: UtcTime,
        serial: &Serial,
        name: &BoxName,
    ) -> anyhow::Result<Vec<Effect>> {
        let Some(pending) = self.pending.remove(serial) else { return Ok(Vec::new()) };
        let from = From::Claim(serial.clone());
        self.decide(now, &from, pending.request, Some(name))
    }

    /// A person says no to a box that waits.
    pub(super) fn decline(&mut self, serial: &Serial) -> Vec<Effect> {
        let Some(pending) = self.pending.remove(serial) else { return Vec::new() };
        self.declined.insert(pending.request.request);
        let from = From::Claim(serial.clone());
        let text = "a person said no";
        self.refuse(&from, &pending.request, Code::ENotApproved, text, Some(DECLINED_S))
    }

    fn refuse(
        &self,
        from: &From,
        request: &Request,
        code: Code,
        text: &str,
        retry_after_s: Option<u32>,
    ) -> Vec<Effect> {
        let answer = no(request, code, text, retry_after_s);
        vec![told(&answer, &request.serial), publish(from, &answer)]
    }

    /// The same answer as before. The broker is told again what it may not know: a cut may have come between.
    fn again(&self, from: &From, serial: &Serial, answer: &Answer) -> Vec<Effect> {
        let record = self.records.of(serial);
        let name = record.map(|it| it.granted.name.to_string()).unwrap_or_default();
        let mut effects =
            vec![Effect::Tell(format!("{serial}: asks again, gets the same: `{name}`"))];
        if let Some((record, password)) = record.and_then(|it| Some((it, it.password()?))) {
            effects.push(Effect::TellBroker);
            effects.push(Effect::Admit(record.granted.name.clone(), password.clone()));
        }
        effects.push(publish(from, answer));
        effects
    }

    fn issue(
        &mut self,
        now: UtcTime,
        from: &From,
        request: &Request,
        name: BoxName,
    ) -> anyhow::Result<Vec<Effect>> {
        let grant = match self.grant(now, request, &name) {
            Ok(grant) => grant,
            Err(error) => {
                return match error.downcast_ref::<AuthorityError>() {
                    Some(AuthorityError::Request(why)) => {
                        let text = format!("the signing request {why}");
                        Ok(self.refuse(from, request, Code::ECsr, &text, None))
                    }
                    _ => Err(error),
                };
            }
        };
        let serial = request.serial.clone();
        let verdict = Verdict::Grant(Box::new(grant));
        let answer =
            Answer { v: request.v, request: request.request, nonce: request.nonce, verdict };
        let granted = Granted {
            serial: serial.clone(),
            name: name.clone(),
            request: request.request,
            nonce: request.nonce,
            answer: answer.clone(),
            committed: false,
            void: false,
            granted_at: now.as_nanos().div_euclid(1_000_000_000),
        };
        let record = match self.records.of(&serial).cloned() {
            Some(before) => before.followed_by(granted),
            None => BoxRecord::first(granted),
        };
        let password = record.password().cloned();
        self.records.keep(record)?;
        if self.rules.again {
            self.replaced.insert(serial.clone());
        }
        self.watched.insert(serial.clone());
        self.pending.remove(&serial);
        let mut effects = vec![Effect::Tell(format!("{serial}: is `{name}` now"))];
        if let Some(password) = password {
            effects.push(Effect::TellBroker);
            effects.push(Effect::Admit(name, password));
        }
        effects.push(publish(from, &answer));
        Ok(effects)
    }

    fn grant(&self, now: UtcTime, request: &Request, name: &BoxName) -> anyhow::Result<Grant> {
        let nothing = Grant::to(name.clone());
        // A request that is signed by no key is refused in either case.
        let chain = self.authority.sign_box(&request.csr, name, now, self.rules.lasts)?;
        if !self.rules.password {
            return Ok(Grant { chain: Some(chain), ..nothing });
        }
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).context("draw a password")?;
        let password: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Grant {
            broker: self.password_broker.clone(),
            username: Some(name.to_string()),
            password: Some(Hidden::new(&password)),
            ..nothing
        })
    }

    fn troubled(&mut self, report: &Report) -> anyhow::Result<Vec<Effect>> {
        let serial = &report.serial;
        let Some(trouble) = &report.trouble else { return Ok(Vec::new()) };
        let told = vec![Effect::Tell(format!("{serial}: says {trouble}"))];
        if let Some(record) = self.records.of(serial) {
            let mut record = record.clone();
            if record.granted.hears(report) {
                self.records.keep(record)?;
            }
        }
        Ok(told)
    }

    fn committed(
        &mut self,
        now: UtcTime,
        name: &BoxName,
        report: &Report,
    ) -> anyhow::Result<Vec<Effect>> {
        let record = self.records.of(&report.serial).filter(|it| it.granted.name == *name).cloned();
        let Some(mut record) = record.filter(|_| report.trouble.is_none()) else {
            return Ok(vec![Effect::Tell(format!(
                "`{name}` says that it is {}, which is not on record",
                report.serial
            ))]);
        };
        if !record.granted.hears(report) {
            return Ok(Vec::new());
        }
        self.settled(now, record, "uses its identity")
    }

    /// A box is seen under its name. Says nothing where that name had another identity before, whose words
    /// these may be.
    fn seen(
        &mut self,
        now: UtcTime,
        name: &BoxName,
        payload: &[u8],
    ) -> anyhow::Result<Vec<Effect>> {
        let online = serde_json::from_slice::<BoxState>(payload).is_ok_and(|state| state.online);
        let had = |it: &&BoxRecord| {
            it.granted.name == *name || it.earlier.iter().any(|earlier| earlier.name == *name)
        };
        let of_name: Vec<&BoxRecord> = self.records.boxes().filter(had).take(2).collect();
        let Some(mut record) = (match of_name.as_slice() {
            [one] if online && one.earlier.is_empty() => Some((*one).clone()),
            _ => None,
        }) else {
            return Ok(Vec::new());
        };
        if record.revoked.is_some() || !record.granted.is_seen() {
            return Ok(Vec::new());
        }
        self.settled(now, record, "is there")
    }

    /// What a box retains of its claim names the attempt that it is committed to: so that is known even where
    /// nobody listened when it was told.
    fn claimed(
        &mut self,
        now: UtcTime,
        name: &BoxName,
        payload: &[u8],
    ) -> anyhow::Result<Vec<Effect>> {
        let Ok(Settled { serial, request: Some(request) }) = serde_json::from_slice(payload) else {
            return Ok(Vec::new());
        };
        let record = self.records.of(&serial);
        let record = record.filter(|it| it.granted.name == *name && it.granted.request == request);
        let Some(mut record) = record.filter(|it| it.revoked.is_none()).cloned() else {
            return Ok(Vec::new());
        };
        if !record.granted.is_seen() {
            return Ok(Vec::new());
        }
        self.settled(now, record, "uses its identity")
    }

    fn settled(
        &mut self,
        now: UtcTime,
        mut record: BoxRecord,
        how: &str,
    ) -> anyhow::Result<Vec<Effect>> {
        let ended = record.settle(self.records.ending(now));
        let Granted { serial, name, .. } = &record.granted;
        let mut effects = vec![Effect::Tell(format!("{serial}: `{name}` {how}"))];
        self.records.keep(record)?;
        if ended {
            effects.push(Effect::TellBroker);
        }
        Ok(effects)
    }
}

fn no(request: &Request, code: Code, text: &str, retry_after_s: Option<u32>) -> Answer {
    refusal(request, Trouble { code, text: Foreign::text(text) }, retry_after_s)
}

fn publish(from: &From, answer: &Answer) -> Effect {
    // They are ours and always have a JSON.
    let payload = serde_json::to_vec(answer).unwrap_or_default();
    Effect::Publish { topic: from.answers(), payload }
}

fn told(answer: &Answer, serial: &Serial) -> Effect {
    Effect::Tell(match &answer.verdict {
        Verdict::Refused { trouble, .. } => format!("{serial}: refused, {trouble}"),
        Verdict::Grant(grant) => format!("{serial}: is `{}`", grant.name),
    })
}

#[cfg(test)]
#[path = "desk/tests.rs"]
mod tests;
