//! What comes next in a claim: a pure machine. The shell asks [`Machine::want`], does that, and tells
//! it what was [`Seen`]; whenever something comes by itself (an answer, the end of a connection) it
//! tells that too, and asks again.
//!
//! Two rules give all the others: what is to be kept is kept before anything else is wanted, and
//! what is wanted follows from what is kept. So a machine that begins anew on what a cut left goes
//! on where the last one stood.

use crate::claim::contact::Contact;
use crate::claim::judge::{Judged, judge};
use crate::claim::keys::Keys;
use crate::claim::papers::{Attempt, Identity, Report, RequestId, VERSION, fingerprint, json};
use crate::claim::steps::{Limits, Login, Seen, Stage, Told, Want};
use crate::claim::store::Held;
use crate::claim::words::{Code, Serial, Trouble};
use crate::media::{Foreign, Monotonic, UtcTime};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Off,
    /// Connected with the claim credential.
    Claim {
        listens: bool,
    },
    /// Connected with the new identity.
    New,
}

/// A durable step that is owed before anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owed {
    Keep(Box<Attempt>),
    Commit,
    Told(RequestId),
}

/// What is to be told to the technician's side over the claim credential.
#[derive(Clone, Debug)]
struct Owing {
    trouble: Trouble,
    /// The attempt is given up with it: another key is made.
    void: bool,
}

/// The machine.
#[derive(Debug)]
pub struct Machine {
    limits: Limits,
    serial: Serial,
    version: String,
    /// What the machine calls itself.
    hardware: Option<Foreign>,
    current: Option<Attempt>,
    next: Option<Attempt>,
    told: bool,
    contact: Option<Box<Contact>>,
    owed: Option<Owed>,
    link: Link,
    /// The credential that the connection was made with is not to be used any more.
    stale: bool,
    /// Nothing is tried before.
    not_before: Option<Monotonic>,
    /// The request goes out (again) then; at once if absent.
    ask_at: Option<Monotonic>,
    report: Option<Owing>,
    trouble: Option<Trouble>,
    failures: u32,
    refusals: u32,
}

impl Machine {
    /// Goes on from what is on disk.
    #[must_use]
    pub fn new(serial: Serial, version: &str, held: Held, limits: Limits) -> Self {
        let Held { current, next, told, damaged } = held;
        let trouble = damaged.into_iter().next().map(|text| Trouble { code: Code::EStore, text });
        Self {
            limits,
            serial,
            version: version.to_owned(),
            hardware: None,
            current,
            next,
            told,
            contact: None,
            owed: None,
            link: Link::Off,
            stale: false,
            not_before: None,
            ask_at: None,
            report: None,
            trouble,
            failures: 0,
            refusals: 0,
        }
    }

    /// The same, of a machine that says so of itself.
    #[must_use]
    pub fn on(self, hardware: Option<Foreign>) -> Self {
        Self { hardware, ..self }
    }

    /// How far the box is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match (&self.next, &self.current) {
            (Some(next), _) if next.grant.is_some() && self.link == Link::New => Stage::Trial,
            (Some(next), _) if next.grant.is_some() => Stage::Issued,
            (Some(next), _) if next.asked => Stage::Requested,
            (Some(_), _) => Stage::Keyed,
            (None, Some(_)) => Stage::Committed,
            (None, None) => Stage::Factory,
        }
    }

    /// What to show of it.
    #[must_use]
    pub fn shown(&self) -> Told {
        Told {
            stage: self.stage(),
            serial: self.serial.clone(),
            identity: self.identity(),
            asks: self.next.as_ref().map(|next| next.contact.broker.clone()),
            fingerprint: self
                .next
                .as_ref()
                .filter(|next| next.grant.is_none())
                .and_then(|next| fingerprint(&next.csr)),
            file: None,
            trouble: self.trouble.clone(),
        }
    }

    /// True of a claim file whose contents are on disk, by its digest.
    pub(super) fn knows(&self, digest: &str) -> bool {
        let is_of = |attempt: &Attempt| attempt.contact.digest == digest;
        self.current.iter().chain(&self.next).any(is_of)
    }

    /// True of one that is, or is to be.
    pub(super) fn takes(&self, digest: &str) -> bool {
        let owed = match &self.owed {
            Some(Owed::Keep(attempt)) => attempt.contact.digest == digest,
            _ => false,
        };
        owed || self.knows(digest) || self.contact.as_ref().is_some_and(|it| it.digest == digest)
    }

    /// Who the box is.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        self.current.as_ref()?.identity()
    }

    /// What is to be done now. Asked twice without anything seen between, it is the same.
    #[must_use]
    pub fn want(&self, now: Monotonic) -> Want {
        if let Some(at) = self.not_before.filter(|at| *at > now) {
            return Want::Wait(at);
        }
        match &self.owed {
            Some(Owed::Keep(attempt)) => return Want::Keep(attempt.clone()),
            Some(Owed::Commit) => return Want::Commit,
            Some(Owed::Told(request)) => return Want::Told(*request),
            None => {}
        }
        if self.stale && self.link != Link::Off {
            return Want::HangUp;
        }
        match (&self.next, &self.contact) {
            (_, Some(_)) => Want::Keys,
            (Some(next), None) => match next.identity() {
                Some(identity) if self.report.is_none() => self.want_trial(next, &identity),
                _ => self.want_claim(next, now),
            },
            (None, None) => self.want_settled(),
        }
    }

    fn want_claim(&self, next: &Attempt, now: Monotonic) -> Want {
        let topics = Topics::of(&self.serial, &next.contact);
        match self.link {
            Link::New => Want::HangUp,
            Link::Off => Want::Connect(Box::new(claim_login(&self.serial, &next.contact))),
            // Before the request: the answer may come at once.
            Link::Claim { listens: false } => Want::Listen(topics.res),
            Link::Claim { listens: true } => {
                if let Some(owing) = &self.report {
                    let payload = json(&report(next, Some(owing.trouble.clone())));
                    return Want::Publish { topic: topics.req, payload };
                }
                match self.ask_at.filter(|at| *at > now) {
                    Some(at) => Want::Wait(at),
                    None if !next.asked => {
                        Want::Keep(Box::new(Attempt { asked: true, ..next.clone() }))
                    }
                    None => {
                        let payload = json(&next.request(&self.version, self.hardware.as_ref()));
                        Want::Publish { topic: topics.req, payload }
                    }
                }
            }
        }
    }

    fn want_trial(&self, next: &Attempt, identity: &Identity) -> Want {
        match self.link {
            Link::Claim { .. } => Want::HangUp,
            Link::Off => Want::Connect(Box::new(own_login(identity))),
            Link::New => Want::Publish {
                topic: format!("courtside/1/{}/claim/trial", identity.name),
                payload: json(&report(next, None)),
            },
        }
    }

    fn want_settled(&self) -> Want {
        let owes = self.current.as_ref().filter(|_| !self.told);
        let owes = owes.and_then(|current| Some((current, current.identity()?)));
        match (owes, self.link) {
            (None, Link::Off) => Want::Rest,
            (None, _) | (Some(_), Link::Claim { .. }) => Want::HangUp,
            (Some((_, identity)), Link::Off) => Want::Connect(Box::new(own_login(&identity))),
            (Some((current, identity)), Link::New) => Want::Publish {
                topic: format!("courtside/1/{}/claim/committed", identity.name),
                payload: json(&report(current, None)),
            },
        }
    }

    /// Takes in what happened. `utc` is what certificates' dates are held against.
    pub fn seen(&mut self, now: Monotonic, utc: UtcTime, seen: Seen) {
        match seen {
            Seen::Time => {}
            Seen::Contact(contact) => self.found(contact),
            Seen::Renew => self.renew(),
            Seen::Keys(keys) => self.made(*keys),
            Seen::Done(want) => self.done(now, *want),
            Seen::Failed(why) => {
                let code = if self.contact.is_some() && self.owed.is_none() {
                    Code::EKeygen
                } else {
                    Code::EStore
                };
                self.trouble = Some(Trouble { code, text: why });
                self.not_before = Some(now.plus(self.limits.disk));
            }
            Seen::Greeted => self.greeted(),
            Seen::Denied(why) => self.denied(now, why),
            Seen::Lost(why) => self.lost(now, Code::EUnreachable, why),
            Seen::Clock(why) => self.lost(now, Code::EClock, why),
            Seen::Answer(bytes) => self.answered(now, utc, &bytes),
        }
    }

    fn found(&mut self, contact: Box<Contact>) {
        if self.knows(&contact.digest) {
            return;
        }
        if let Some(current) = &self.current {
            let ours = self.identity().is_some_and(|own| contact.same_owner(&own.contact()));
            if !ours && !contact.same_owner(&current.contact) {
                let text = "a claim file of another owner: it changes nothing";
                self.trouble = Some(Trouble::new(Code::EOtherOwner, text));
                return;
            }
        }
        match &self.next {
            // Another way to ask for the same: key, request and nonce stay, so nothing is doubled.
            Some(next) => {
                let next = Attempt { contact: *contact, grant: None, ..next.clone() };
                self.owe_keep(next);
                self.stale = self.link != Link::Off;
                self.not_before = None;
                self.report = None;
            }
            None => {
                self.contact = Some(contact);
                self.stale = self.link != Link::Off;
                self.not_before = None;
            }
        }
    }

    fn renew(&mut self) {
        let Some(current) = self.current.as_ref().filter(|_| self.contact.is_none()) else {
            return;
        };
        if let (Some(identity), None) = (current.identity(), &self.next) {
            // The claim file that it was found by may stay where it is: it begins no other claim.
            let digest = current.contact.digest.clone();
            self.contact = Some(Box::new(Contact { digest, ..identity.contact() }));
        }
    }

    fn made(&mut self, keys: Keys) {
        let Some(contact) = self.contact.clone() else { return };
        let Keys { request, nonce, key, csr } = keys;
        self.owe_keep(Attempt {
            v: VERSION,
            request,
            nonce,
            serial: self.serial.clone(),
            key,
            csr,
            contact: *contact,
            asked: false,
            grant: None,
        });
    }

    fn owe_keep(&mut self, attempt: Attempt) {
        self.owed = Some(Owed::Keep(Box::new(attempt)));
    }

    fn done(&mut self, now: Monotonic, want: Want) {
        match want {
            Want::Keep(attempt) => self.kept(*attempt),
            Want::Commit => {
                self.owed = None;
                self.current = self.next.take();
                (self.told, self.trouble, self.refusals) = (false, None, 0);
            }
            Want::Told(_) => (self.owed, self.told) = (None, true),
            Want::Listen(_) => self.link = Link::Claim { listens: true },
            Want::HangUp => (self.link, self.stale) = (Link::Off, false),
            Want::Publish { .. } => self.published(now),
            Want::Rest | Want::Wait(_) | Want::Keys | Want::Connect(_) => {}
        }
    }

    fn published(&mut self, now: Monotonic) {
        if let (Link::New, Some(_)) = (self.link, &self.next) {
            self.owed = Some(Owed::Commit);
        } else if self.link == Link::New {
            self.owed = self.current.as_ref().map(|current| Owed::Told(current.request));
        } else if let (Some(owing), Some(next)) = (self.report.take(), &self.next) {
            if owing.void {
                // What it was asked with is how it is asked for again, with another key.
                self.contact = Some(Box::new(next.contact.clone()));
                self.stale = self.link != Link::Off;
            } else if next.grant.is_some() {
                self.owe_keep(Attempt { grant: None, ..next.clone() });
                self.ask_at = Some(now.plus(self.limits.person));
            }
        } else {
            self.ask_at = Some(now.plus(self.limits.answer));
            self.trouble.get_or_insert_with(|| {
                Trouble::new(Code::ENoAnswer, "the broker has the request, nobody has answered yet")
            });
        }
    }

    fn kept(&mut self, attempt: Attempt) {
        let granted = attempt.grant.is_some();
        if granted {
            self.trouble = None;
        }
        (self.owed, self.contact) = (None, None);
        self.next = Some(attempt);
    }

    fn greeted(&mut self) {
        self.failures = 0;
        let settled = self.next.is_none();
        let trial = self.next.as_ref().is_some_and(|next| next.grant.is_some());
        let trial = trial && self.report.is_none();
        self.link = if settled || trial { Link::New } else { Link::Claim { listens: false } };
        let unreached = |code| matches!(code, Code::EUnreachable | Code::EClaimAuth | Code::EClock);
        if self.trouble.as_ref().is_some_and(|trouble| unreached(trouble.code)) {
            self.trouble = None;
        }
        self.ask_at = None;
    }

    fn denied(&mut self, now: Monotonic, why: Foreign) {
        let trial = self.next.as_ref().is_some_and(|next| next.grant.is_some());
        let as_new = (trial && self.report.is_none()) || self.next.is_none();
        let code = if as_new { Code::EIdentityRefused } else { Code::EClaimAuth };
        self.lost(now, code, why);
        self.not_before = Some(now.plus(self.limits.refused));
        if trial && as_new {
            self.refusals += 1;
            if self.refusals >= self.limits.trials {
                self.refusals = 0;
                let owing = |trouble| Owing { trouble, void: false };
                self.report = self.trouble.clone().map(owing);
            }
        }
    }

    fn lost(&mut self, now: Monotonic, code: Code, why: Foreign) {
        let planned = matches!(self.want(now), Want::HangUp);
        (self.link, self.stale) = (Link::Off, false);
        if planned {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let wait = self.limits.retry.saturating_mul(1 << self.failures.min(6).saturating_sub(1));
        self.not_before = Some(now.plus(wait.min(self.limits.refused)));
        self.trouble = Some(Trouble { code, text: why });
    }

    fn answered(&mut self, now: Monotonic, utc: UtcTime, bytes: &[u8]) {
        let waits = self.owed.is_none() && self.report.is_none();
        let Some(next) = self.next.as_ref().filter(|next| waits && next.asked) else { return };
        if next.grant.is_some() {
            return;
        }
        let utc = next.contact.made().map_or(utc, |made| utc.max(made));
        match judge(bytes, next, utc) {
            Judged::Granted(grant) => {
                let next = Attempt { grant: Some(*grant), ..next.clone() };
                self.owe_keep(next);
            }
            Judged::PassedOver(trouble) => self.trouble = Some(trouble),
            Judged::Refused { trouble, retry_after } => {
                let wait = retry_after.unwrap_or(self.limits.person).max(self.limits.retry);
                self.ask_at = Some(now.plus(wait));
                self.trouble = Some(trouble);
            }
            Judged::Useless(trouble) => {
                self.ask_at = Some(now.plus(self.limits.person));
                self.report = Some(Owing { trouble: trouble.clone(), void: false });
                self.trouble = Some(trouble);
            }
            Judged::Void(trouble) => {
                self.report = Some(Owing { trouble: trouble.clone(), void: true });
                self.trouble = Some(trouble);
            }
        }
    }
}

fn report(attempt: &Attempt, trouble: Option<Trouble>) -> Report {
    Report {
        v: VERSION,
        request: attempt.request,
        nonce: attempt.nonce,
        serial: attempt.serial.clone(),
        trouble,
    }
}

/// Where requests and answers of a box go.
struct Topics {
    req: String,
    res: String,
}

impl Topics {
    fn of(serial: &Serial, contact: &Contact) -> Self {
        let root = match &contact.own {
            Some(name) => format!("courtside/1/{name}/claim"),
            None => format!("courtside/1/claim/{serial}"),
        };
        Self { req: format!("{root}/req"), res: format!("{root}/res") }
    }
}

fn claim_login(serial: &Serial, contact: &Contact) -> Login {
    Login {
        client_id: format!("courtside-claim-{serial}"),
        broker: contact.broker.clone(),
        ca: contact.ca.clone(),
        client: contact.client.clone(),
        username: contact.username.clone(),
        password: contact.password.clone(),
        floor: contact.made(),
    }
}

/// Under a client id of its own: the uplink keeps its session.
pub(super) fn own_login(identity: &Identity) -> Login {
    Login {
        client_id: format!("courtside-{}-claim", identity.name),
        broker: identity.broker.clone(),
        ca: identity.ca.clone(),
        client: identity.client.clone(),
        username: identity.username.clone(),
        password: identity.password.clone(),
        floor: None,
    }
}
