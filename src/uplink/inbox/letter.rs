//! What the broker brought, read (pure): a command, a wanted configuration, or why it is neither.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::event::command::{CommandRequest, Role};
use crate::media::{Foreign, ForeignKind, UtcTime};
use crate::uplink::inbox::limits::Limits;

/// One PUBLISH as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Letter {
    /// Whole.
    pub topic: Bytes,
    /// The body.
    pub payload: Bytes,
    /// It lay in the broker before we asked for it.
    pub retained: bool,
    /// Seconds after which nobody wants it any more, as the broker counts them down.
    pub expiry_s: Option<u32>,
    /// Where its sender listens, too.
    pub response: Option<String>,
    /// What its sender knows the answer by.
    pub correlation: Option<Bytes>,
    /// So many came at once that only its topic was kept.
    pub is_body_lost: bool,
}

/// The configuration that somebody wants, as it came. The latest wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Counts what came.
    pub number: u64,
    /// Its bytes, on disk by now; or why they were not kept, which is for `config/reported`.
    pub body: Result<Bytes, Foreign>,
}

/// Where the answers go besides the command's own topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Whole.
    pub topic: String,
    /// Goes back as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<Vec<u8>>,
}

/// A command that can be read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    pub(super) id: String,
    /// As whom, by its topic.
    pub(super) role: Role,
    pub(super) request: CommandRequest,
    /// What `request.expires` says.
    pub(super) expires: Option<UtcTime>,
    pub(super) expiry_s: Option<u32>,
    pub(super) retained: bool,
    pub(super) answer: Option<Answer>,
}

/// Why something is refused: a word for programs, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Why {
    pub(crate) code: &'static str,
    pub(crate) reason: Foreign,
}

impl Why {
    pub(super) fn new(code: &'static str, reason: impl std::fmt::Display) -> Self {
        Self { code, reason: Foreign::told(reason) }
    }
}

/// What a letter is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Read {
    Command(Asked),
    /// A retained message was taken back.
    Nothing,
    /// The wanted configuration, or why its bytes are not kept.
    Desired(Result<Bytes, Why>),
    /// It is told why, at its id's topic where it names one.
    Refused {
        role: Role,
        id: Option<String>,
        answer: Option<Answer>,
        why: Why,
    },
}

/// Bytes of a topic that is answered to.
const ANSWER_TOPIC_MOST: usize = 256;
/// Bytes of what a sender knows its answer by.
const CORRELATION_MOST: usize = 256;

/// Reads a letter for the box whose root is `root` (`courtside/1/{box}`).
pub(super) fn read(letter: &Letter, root: &str, limits: &Limits) -> Read {
    let answer = answer_of(letter, root);
    let below = std::str::from_utf8(&letter.topic)
        .ok()
        .and_then(|topic| topic.strip_prefix(root)?.strip_prefix('/'));
    let too_large = limits.body_bytes.filter(|most| letter.payload.len() > *most);
    if letter.payload.is_empty() && !letter.is_body_lost {
        return Read::Nothing;
    }
    if below == Some("config/desired") {
        return Read::Desired(match too_large {
            Some(most) => Err(Why::new(
                "too_large",
                format_args!(
                    "{} bytes, and {most} are the most: leave out what has its default",
                    letter.payload.len()
                ),
            )),
            None => Ok(letter.payload.clone()),
        });
    }
    let of = |role: Role| Some((role, below?.strip_prefix(role.commands()?)?.strip_prefix('/')?));
    let Some((role, id)) = Role::ALL.into_iter().find_map(of) else {
        let topic = Foreign::bytes(ForeignKind::Name, &letter.topic);
        let reason = format_args!("{topic} is no topic of this box: publish to {root}/command/ID");
        let why = Why::new("foreign_topic", reason);
        return Read::Refused { role: Role::Technician, id: None, answer, why };
    };
    let refused = |id, why| Read::Refused { role, id, answer: answer.clone(), why };
    if !is_id(id) {
        let reason = "the topic ends with no id: give it 1 to 64 letters, digits, - and _";
        return refused(None, Why::new("no_id", reason));
    }
    let id = id.to_owned();
    if letter.is_body_lost {
        let reason = "more came at once than the broker was told: ask again, one after the other";
        return refused(Some(id), Why::new("too_many", reason));
    }
    if let Some(most) = too_large {
        let reason = format_args!("{} bytes, and {most} are the most", letter.payload.len());
        return refused(Some(id), Why::new("too_large", reason));
    }
    let request: CommandRequest = match serde_json::from_slice(&letter.payload) {
        Ok(request) => request,
        Err(error) => {
            let error = Foreign::error(&error);
            let reason = format_args!(
                "the body is no command: {error}; write {{\"operation\": \"doctor\"}}"
            );
            return refused(Some(id), Why::new("not_json", reason));
        }
    };
    let expires = match request.expires.as_deref().map(time_of) {
        None => None,
        Some(Some(at)) => Some(at),
        Some(None) => {
            let reason = "`expires` is no time: write it as 2027-01-31T18:00:00Z";
            return refused(Some(id), Why::new("not_json", reason));
        }
    };
    let (expiry_s, retained) = (letter.expiry_s, letter.retained);
    Read::Command(Asked { id, role, request, expires, expiry_s, retained, answer })
}

/// An id may stand in a topic and in a file's name.
pub(super) fn is_id(id: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (1..=64).contains(&id.len()) && id.chars().all(fits) && id != UNIDENTIFIED
}

/// Answers to what names no id go there.
pub(super) const UNIDENTIFIED: &str = "unidentified";

fn time_of(text: &str) -> Option<UtcTime> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos()).ok().map(UtcTime::from_nanos)
}

/// Where the sender listens, if we may speak there: nowhere in our protocol's tree but below this
/// box's `answer/`, so that nobody has a box command another one.
fn answer_of(letter: &Letter, root: &str) -> Option<Answer> {
    let topic = letter.response.as_deref()?;
    let ours = topic.strip_prefix(root).is_some_and(|below| below.starts_with("/answer/"));
    let fits = !topic.is_empty()
        && topic.len() <= ANSWER_TOPIC_MOST
        && !topic.starts_with('$')
        && !topic.contains(['+', '#', '\0'])
        && Foreign::is_plain(topic);
    if !fits || (topic.starts_with("courtside/") && !ours) {
        return None;
    }
    let correlation = letter.correlation.as_ref().filter(|data| data.len() <= CORRELATION_MOST);
    Some(Answer { topic: topic.to_owned(), correlation: correlation.map(|data| data.to_vec()) })
}
