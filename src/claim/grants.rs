//! Who gets which name: the technician's side of a claim (pure).
//!
//! One record a serial number, durable before its answer is sent. The nonce is the key: the same
//! request gets the same answer, however often it comes; another request of the same box gets
//! nothing until a person says that the first one counts no more.

use serde::{Deserialize, Serialize};

use crate::claim::papers::{Answer, Nonce, Report, Request, RequestId, VERSION, Verdict};
use crate::claim::words::{Code, Serial, Trouble, reserved};
use crate::media::BoxName;

/// What was given to a box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// The box.
    pub serial: Serial,
    /// Its name.
    pub name: BoxName,
    /// The attempt that it was given to.
    pub request: RequestId,
    /// Its nonce.
    pub nonce: Nonce,
    /// What was sent, and is sent again.
    pub answer: Answer,
    /// The box has said that it is who it is.
    pub committed: bool,
    /// The box has said that it could not use it: the next request counts.
    pub void: bool,
    /// When it was given, seconds of UTC.
    pub granted_at: i64,
}

/// What the technician allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// This one is approved, and called so.
    pub approved: Option<BoxName>,
    /// A box that was wiped or replaced gets another identity; its old certificate stays valid
    /// until it ends or is revoked.
    pub again: bool,
}

/// What to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Send what was sent before.
    Again(Box<Answer>),
    /// Sign, keep, send: under this name.
    Issue(BoxName),
    /// No, and why.
    Refuse(Box<Answer>),
    /// A person has to say.
    Ask,
}

/// Decides on a request. `known` is the record of its serial number; `owner` is who has the name
/// that is approved; `asked_as` the name under whose own identity it came: a rotation.
#[must_use]
pub fn decide(
    request: &Request,
    known: Option<&Granted>,
    owner: Option<&Serial>,
    asked_as: Option<&BoxName>,
    policy: &Policy,
) -> Decision {
    let refuse = |code, text: &str| {
        Decision::Refuse(Box::new(refusal(request, Trouble::new(code, text), None)))
    };
    if request.v != VERSION {
        return refuse(Code::ECsr, "a request of another version");
    }
    let known = known.filter(|known| known.serial == request.serial);
    if let Some(known) = known {
        if known.nonce == request.nonce && known.request == request.request && !known.void {
            return Decision::Again(Box::new(known.answer.clone()));
        }
        // The broker let it in under its own name, by its own certificate: it is who it says.
        if asked_as == Some(&known.name) {
            return Decision::Issue(known.name.clone());
        }
        if !known.void && !policy.again {
            return refuse(Code::EAlreadyClaimed, &format!("it is `{}`", known.name));
        }
    }
    if asked_as.is_some() {
        return refuse(Code::EUnknownSerial, "a box that asks as itself, and is not on record");
    }
    let Some(name) = &policy.approved else { return Decision::Ask };
    if reserved(name) {
        return refuse(Code::EName, &format!("`{name}` is reserved"));
    }
    match owner {
        Some(owner) if *owner != request.serial => {
            refuse(Code::ENameTaken, &format!("`{name}` is the box {owner}"))
        }
        _ => Decision::Issue(name.clone()),
    }
}

/// An answer that says no.
#[must_use]
pub fn refusal(request: &Request, trouble: Trouble, retry_after_s: Option<u32>) -> Answer {
    Answer {
        v: VERSION,
        request: request.request,
        nonce: request.nonce,
        verdict: Verdict::Refused { trouble, retry_after_s },
    }
}

impl Granted {
    /// The box was seen under its name, which its broker lets nobody else use: `state/box` is retained,
    /// so this is known even where nobody listened when it told of its commit. True if that is news.
    pub fn is_seen(&mut self) -> bool {
        !std::mem::replace(&mut self.committed, true)
    }

    /// Takes in what the box tells. True if that changed the record.
    pub fn hears(&mut self, report: &Report) -> bool {
        if report.request != self.request || report.nonce != self.nonce {
            return false;
        }
        let before = (self.committed, self.void);
        match &report.trouble {
            None => self.committed = true,
            Some(trouble) => self.void |= trouble.code == Code::ECertMismatch,
        }
        before != (self.committed, self.void)
    }
}
