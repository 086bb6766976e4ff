//! Fetches a file over HTTP or HTTPS into a [`PartFile`], over as many connections as it takes.
//!
//! What is asked and what an answer means stands in `resume`; here are the connections. Every wait is bounded,
//! every redirect counted, and who hands out a file too long or too slowly is left.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::header::{
    CONTENT_LENGTH, CONTENT_RANGE, ETAG, HOST, HeaderMap, HeaderName, IF_RANGE, LAST_MODIFIED,
    LOCATION, RANGE, USER_AGENT,
};
use hyper::{Request, Response};
use rustls::ClientConfig;

use crate::clock::{Clock, sleep, within};
use crate::http::outgoing::part::PartFile;
use crate::http::outgoing::resume::{Have, Head, Plan, Wrong, too_long};
use crate::http::outgoing::{self, AGENT, Terms, Tries, Web};
use crate::media::Foreign;

/// Addresses that one request may be sent on to.
const REDIRECTS: usize = 5;

/// What a fetch may take.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    /// Bytes of the file.
    pub bytes: u64,
    /// All of it, with every wait.
    pub deadline: Duration,
    /// Each step: connect, greet, the head, each piece.
    pub step: Duration,
    /// Before it is tried again; doubled each time, up to a minute.
    pub wait: Duration,
}

impl FetchLimits {
    /// Chosen: a parcel of 11 MB comes within an hour over 25 kbit/s; who says nothing for half a minute is gone.
    #[must_use]
    pub const fn usual(bytes: u64) -> Self {
        Self {
            bytes,
            deadline: Duration::from_secs(3_600),
            step: Duration::from_secs(30),
            wait: Duration::from_secs(1),
        }
    }
}

/// What it takes beside the address.
pub(crate) struct Fetch<'a> {
    pub(crate) clock: &'a dyn Clock,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) limits: FetchLimits,
    /// True if the SHA-256 is known before.
    pub(crate) hashed: bool,
    /// Spreads the waits.
    pub(crate) chance: u64,
    /// Told of bytes, and of how many there will be.
    pub(crate) progress: &'a (dyn Fn(u64, Option<u64>) + Send + Sync),
    /// Asked, once the length is known, whether there is room for so many more.
    pub(crate) room: &'a (dyn Fn(u64) -> Result<(), String> + Send + Sync),
}

/// How a connection ended.
enum End {
    Done,
    Again(String),
    Never(String),
    SentOn(Web),
}

impl Fetch<'_> {
    /// Fetches the file. What has come stays in `part`, however this ends.
    ///
    /// # Errors
    /// Why not, in words.
    pub(crate) async fn fetch(&self, from: &Web, part: &mut PartFile) -> Result<(), String> {
        let began = self.clock.monotonic();
        let mut tries = Tries::for_at_most(self.limits.deadline, self.limits.wait);
        let (mut at, mut sent_on) = (from.clone(), 0);
        loop {
            let before = part.have().bytes;
            let left = self.limits.deadline.saturating_sub(self.clock.monotonic().since(began));
            let ended = within(self.clock, left, self.connection(&at, part)).await;
            let ended = ended.unwrap_or_else(|| End::Again("it takes too long".to_owned()));
            part.keep().map_err(|error| disk(&error))?;
            let why = match ended {
                End::Done => return Ok(()),
                End::Never(why) => return Err(format!("{}: {why}", at.told())),
                End::SentOn(there) => {
                    sent_on += 1;
                    if sent_on > REDIRECTS {
                        return Err(format!(
                            "{}: sent on more than {REDIRECTS} times",
                            from.told()
                        ));
                    }
                    at = there;
                    continue;
                }
                End::Again(why) => why,
            };
            // An address that it was sent on to may have expired meanwhile.
            (at, sent_on) = (from.clone(), 0);
            let (elapsed, moved) =
                (self.clock.monotonic().since(began), part.have().bytes > before);
            let Some(wait) = tries.ended(elapsed, moved, self.chance) else {
                let (have, most) = (part.bytes(), self.limits.deadline.as_secs());
                return Err(format!(
                    "{}: {have} bytes came within {most} s, and it goes no further: {why}. Ask again, \
                     and it goes on from there",
                    from.told()
                ));
            };
            tracing::info!(from = from.told(), have = part.bytes(), why, wait = ?wait, "a fetch goes on");
            sleep(self.clock, wait).await;
        }
    }

    async fn connection(&self, at: &Web, part: &mut PartFile) -> End {
        let ask = part.have().ask(self.hashed);
        let mut request =
            Request::get(&at.target).header(HOST, &at.authority).header(USER_AGENT, AGENT);
        if let Some(from) = ask.from {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        if let Some(word) = ask.if_range {
            request = request.header(IF_RANGE, word);
        }
        let Ok(request) = request.body(Empty::<Bytes>::new()) else {
            return End::Never("the address cannot be asked for".to_owned());
        };
        let answer = match self.answer(at, request).await {
            Ok(answer) => answer,
            Err(why) => return End::Again(why),
        };
        let head = head_of(&answer);
        let mut have = part.have().clone();
        match have.answered(&head, self.limits.bytes) {
            Ok(Plan::Complete) => End::Done,
            Ok(Plan::Elsewhere(location)) => match at.sent_on(&location) {
                Some(there) => End::SentOn(there),
                None => End::Never("it sends on to where nothing is fetched from".to_owned()),
            },
            Ok(plan @ (Plan::Anew | Plan::GoOn)) => {
                if let Some(total) = have.total
                    && let Err(why) = (self.room)(total.saturating_sub(have.bytes))
                {
                    return End::Never(why);
                }
                let of_what = matches!(plan, Plan::GoOn) && have == *part.have();
                if !of_what && let Err(error) = part.begin(have) {
                    return End::Never(disk(&error));
                }
                self.body(answer.into_body(), part).await
            }
            Err(Wrong::Later(why)) => End::Again(why),
            Err(Wrong::Never(why)) => End::Never(why),
            Err(Wrong::Discard) => {
                let of = part.have().of.clone();
                match part.begin(Have { of, ..Have::default() }) {
                    Ok(()) => End::Again("the file has changed: it begins anew".to_owned()),
                    Err(error) => End::Never(disk(&error)),
                }
            }
        }
    }

    async fn body(&self, mut body: Incoming, part: &mut PartFile) -> End {
        loop {
            let total = part.have().total;
            (self.progress)(part.bytes(), total);
            let piece = match within(self.clock, self.limits.step, body.frame()).await {
                None => return End::Again("nothing came for half a minute".to_owned()),
                Some(Some(Err(error))) => {
                    return End::Again(format!(
                        "the connection broke ({})",
                        Foreign::error(&error)
                    ));
                }
                Some(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
                Some(None) => break,
            };
            let most = total.unwrap_or(self.limits.bytes);
            if part.bytes() + piece.len() as u64 > most {
                return End::Never(too_long(part.bytes() + piece.len() as u64, most));
            }
            if let Err(error) = part.take(&piece) {
                return End::Never(disk(&error));
            }
        }
        match part.have().total {
            Some(total) if part.bytes() < total => {
                End::Again("the connection ended before the file".to_owned())
            }
            _ => End::Done,
        }
    }

    async fn answer(
        &self,
        at: &Web,
        request: Request<Empty<Bytes>>,
    ) -> Result<Response<Incoming>, String> {
        let step = self.limits.step;
        let terms = Terms { clock: self.clock, tls: &self.tls, step, send_buffer: None };
        let stream = outgoing::connect(at, terms).await?;
        let answer = within(self.clock, step, outgoing::exchange(stream, request)).await;
        answer.ok_or("no answer within half a minute")?
    }
}

fn head_of(answer: &Response<Incoming>) -> Head {
    let text = |name: HeaderName| word(answer.headers(), name);
    Head {
        status: answer.status().as_u16(),
        length: text(CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        content_range: text(CONTENT_RANGE),
        etag: text(ETAG),
        modified: text(LAST_MODIFIED),
        location: text(LOCATION),
    }
}

fn word(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn disk(error: &std::io::Error) -> String {
    format!("keep it on the disk: {error}; see `courtside doctor`")
}
