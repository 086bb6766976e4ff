//! The words between a claim's machine and its shell: what is wanted, what was seen, how far it is.

use std::time::Duration;

use crate::claim::contact::Contact;
use crate::claim::keys::Keys;
use crate::claim::papers::{Attempt, Identity, RequestId};
use crate::claim::words::{Hidden, Roots, Serial, Trouble};
use crate::config::Broker;
use crate::media::{Foreign, Monotonic, UtcTime};

/// How long things wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The same request again after so long without an answer.
    pub answer: Duration,
    /// No credential is shown again sooner after it was refused.
    pub refused: Duration,
    /// After a connection that did not come about; doubles up to `refused`.
    pub retry: Duration,
    /// After a disk that said no.
    pub disk: Duration,
    /// After an answer that only a person can change.
    pub person: Duration,
    /// Refusals of a new identity by its broker before it is told and asked for anew.
    pub trials: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(30),
            refused: Duration::from_secs(60),
            retry: Duration::from_secs(2),
            disk: Duration::from_secs(30),
            person: Duration::from_secs(60),
            trials: 5,
        }
    }
}

/// How far a box is.
///
/// ```text
/// Factory → Keyed → Requested → Issued → Trial → Committed
///              ↑_________________|________|   the new identity is refused: asked for anew
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nobody, and no claim file yet.
    Factory,
    /// Key, request and claim credential are on disk.
    Keyed,
    /// It was asked.
    Requested,
    /// A grant that was found good is on disk.
    Issued,
    /// Connected with the new identity; its broker has not acknowledged anything yet.
    Trial,
    /// It is who it is. Nothing goes back from here.
    Committed,
}

/// As whom to connect, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// MQTT client id.
    pub client_id: String,
    /// Where.
    pub broker: Broker,
    /// PEM of the broker's authorities; the system's, if absent.
    pub ca: Option<Roots>,
    /// PEM of certificate chain and key.
    pub client: Option<(String, Hidden)>,
    /// User.
    pub username: Option<String>,
    /// Password.
    pub password: Option<Hidden>,
    /// The present is later than this.
    pub floor: Option<UtcTime>,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// Nothing, until something is seen.
    Rest,
    /// Nothing, until then at the latest: [`Seen::Time`].
    Wait(Monotonic),
    /// A key pair of this serial number: [`Seen::Keys`] or [`Seen::Failed`].
    Keys,
    /// Durable: [`Seen::Done`] or [`Seen::Failed`].
    Keep(Box<Attempt>),
    /// [`Seen::Greeted`], [`Seen::Denied`] or [`Seen::Lost`].
    Connect(Box<Login>),
    /// SUBACK: [`Seen::Done`], [`Seen::Denied`] or [`Seen::Lost`].
    Listen(String),
    /// PUBACK: the same.
    Publish {
        /// Whole topic.
        topic: String,
        /// JSON.
        payload: Vec<u8>,
    },
    /// A goodbye: [`Seen::Done`].
    HangUp,
    /// One rename: [`Seen::Done`] or [`Seen::Failed`].
    Commit,
    /// Durable that the commit was told: the same.
    Told(RequestId),
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Seen {
    /// A claim file was found.
    Contact(Box<Contact>),
    /// A person wants another key under the name that the box has.
    Renew,
    /// The keys that were wanted.
    Keys(Box<Keys>),
    /// What was wanted is done.
    Done(Box<Want>),
    /// The disk or the system said no.
    Failed(Foreign),
    /// The broker took us in.
    Greeted,
    /// It does not: by CONNACK, SUBACK or PUBACK.
    Denied(Foreign),
    /// There is no connection, or it ended.
    Lost(Foreign),
    /// The broker's certificate, or ours, is not valid by our clock.
    Clock(Foreign),
    /// An answer came.
    Answer(Vec<u8>),
    /// Time went by.
    Time,
}

/// What to show: `doctor`, the console, `state/claim`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// How far.
    pub stage: Stage,
    /// The box.
    pub serial: Serial,
    /// Who it is.
    pub identity: Option<Identity>,
    /// Where it asks.
    pub asks: Option<Broker>,
    /// Of the key that a certificate is asked for: what a person compares at the box and on the laptop.
    pub fingerprint: Option<String>,
    /// What became of the last claim file that was seen.
    pub file: Option<Foreign>,
    /// What went wrong last, and has not come right since.
    pub trouble: Option<Trouble>,
}
