//! One part over one connection: read, hashed, let go at the guest's pace, and what was answered.
//!
//! Nothing of a part that is not what its hash says is ever whole at the storage: the last piece is let go once
//! all of it was hashed. Every wait is bounded: who takes no byte for half a minute is left.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, ETAG, HOST, USER_AGENT};
use hyper::{Request, Response};
use rustls::ClientConfig;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::clock::{Clock, sleep, within};
use crate::http::outgoing::{self, AGENT, Terms};
use crate::upload::answer::ANSWER_MOST_BYTES;
use crate::upload::footage::Reads;
use crate::upload::machine::Job;

/// To connect, to greet, until the network takes the next byte.
pub(crate) const STALL: Duration = Duration::from_secs(30);
/// For an answer once all is sent: a storage hashes what came, and what lies in buffers has to go first.
const ANSWER: Duration = Duration::from_secs(60);
/// Read from the disk at once.
const WINDOW: u64 = 512 << 10;
/// Let go at once.
const PIECE: usize = 16 << 10;

/// Who says how fast it goes, and whether it goes on.
pub(crate) trait Pace {
    /// How long to wait before so many bytes; or why to stop.
    fn wait(&self, bytes: u64) -> Result<Duration, Halt>;
    /// Whether events go first: for how long at most, and how often to ask.
    fn events(&self) -> Option<(Duration, Duration)>;
    /// The network took them, and had us wait `held`.
    fn took(&self, bytes: u64, held: Duration);
}

/// Why a part is not sent to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// The box ends.
    Ends,
    /// Somebody gave it up.
    GivenUp,
    /// A game has begun.
    Yields,
}

/// How it came out.
pub(crate) enum Sent {
    Answered {
        status: u16,
        etag: Option<String>,
        body: Vec<u8>,
    },
    Broken(String),
    /// The clip's bytes are not what they were.
    Corrupt,
    Unread(std::io::Error),
    Halted(Halt),
}

/// What it is sent with.
pub(crate) struct Sending<'a> {
    pub(crate) clock: &'a dyn Clock,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) buffer: u64,
    pub(crate) pace: &'a (dyn Pace + Sync),
}

impl Sending<'_> {
    /// Sends a part.
    pub(crate) async fn send(&self, job: &Job, clip: &dyn Reads) -> Sent {
        let (tx, rx) = mpsc::channel(1);
        let bytes = job.to - job.from;
        let mut request = Request::put(&job.at.target)
            .header(HOST, &job.at.authority)
            .header(USER_AGENT, AGENT)
            .header(CONTENT_LENGTH, bytes);
        for (name, value) in &job.headers {
            request = request.header(name, value);
        }
        let Ok(request) = request.body(Pieces { rx, left: bytes }) else {
            return Sent::Broken("the address cannot be asked for".to_owned());
        };
        let send_buffer = u32::try_from(self.buffer).ok();
        let terms = Terms { clock: self.clock, tls: &self.tls, step: STALL, send_buffer };
        let stream = match outgoing::connect(&job.at, terms).await {
            Ok(stream) => stream,
            Err(why) => return Sent::Broken(why),
        };
        let mut answering = Box::pin(outgoing::exchange(stream, request));
        let feeding = self.feed(job, clip, tx);
        let answer = tokio::select! {
            biased;
            // Before all was sent: a refusal, most likely. The rest is not sent.
            answer = &mut answering => answer,
            fed = feeding => match fed {
                Err(sent) => return sent,
                Ok(()) => match within(self.clock, ANSWER, answering).await {
                    Some(answer) => answer,
                    None => return Sent::Broken(format!("no answer within {ANSWER:?}")),
                },
            },
        };
        match answer {
            Ok(answer) => self.answered(answer).await,
            Err(why) => Sent::Broken(why),
        }
    }

    /// Hands over all of a part, or says why not.
    async fn feed(&self, job: &Job, clip: &dyn Reads, tx: mpsc::Sender<Bytes>) -> Result<(), Sent> {
        let mut hash = Sha256::new();
        let mut at = job.from;
        while at < job.to {
            let end = job.to.min(at + WINDOW);
            let mut pieces = VecDeque::new();
            let mut sink = |chunk: Vec<u8>| {
                hash.update(&chunk);
                let mut chunk = Bytes::from(chunk);
                while !chunk.is_empty() {
                    pieces.push_back(chunk.split_to(chunk.len().min(PIECE)));
                }
                true
            };
            clip.read(at, end, &mut sink).map_err(Sent::Unread)?;
            at = end;
            if at == job.to && hex(&hash.clone().finalize()) != job.sha256 {
                return Err(Sent::Corrupt);
            }
            for piece in pieces {
                self.let_go(piece, &tx).await?;
            }
        }
        Ok(())
    }

    async fn let_go(&self, piece: Bytes, tx: &mpsc::Sender<Bytes>) -> Result<(), Sent> {
        let bytes = piece.len() as u64;
        self.events_first().await;
        let wait = self.pace.wait(bytes).map_err(Sent::Halted)?;
        if !wait.is_zero() {
            sleep(self.clock, wait).await;
        }
        let before = self.clock.monotonic();
        match within(self.clock, STALL, tx.send(piece)).await {
            None => Err(Sent::Broken(format!("nothing was taken for {STALL:?}"))),
            // The connection is over: why, its answer says.
            Some(Err(_)) => std::future::pending().await,
            Some(Ok(())) => {
                self.pace.took(bytes, self.clock.monotonic().since(before));
                Ok(())
            }
        }
    }

    async fn events_first(&self) {
        let began = self.clock.monotonic();
        while let Some((most, look)) = self.pace.events()
            && self.clock.monotonic().since(began) < most
        {
            sleep(self.clock, look).await;
        }
    }

    async fn answered(&self, answer: Response<Incoming>) -> Sent {
        let status = answer.status().as_u16();
        let etag = answer.headers().get(ETAG);
        let etag = etag.and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        let mut incoming = answer.into_body();
        let mut body = Vec::new();
        // A head says enough where its body does not come, or never ends.
        while body.len() < ANSWER_MOST_BYTES
            && let Some(Some(Ok(frame))) = within(self.clock, STALL, incoming.frame()).await
        {
            let piece = frame.into_data().unwrap_or_default();
            let room = ANSWER_MOST_BYTES - body.len();
            body.extend_from_slice(piece.get(..piece.len().min(room)).unwrap_or_default());
        }
        Sent::Answered { status, etag, body }
    }
}

/// The body of a request, as it is handed over. One that is let go before its end breaks the connection, so that a
/// storage never takes it for whole.
struct Pieces {
    rx: mpsc::Receiver<Bytes>,
    left: u64,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.rx.poll_recv(context).map(|piece| {
            Some(match piece {
                Some(piece) => {
                    self.left = self.left.saturating_sub(piece.len() as u64);
                    Ok(Frame::data(piece))
                }
                None => Err(std::io::ErrorKind::UnexpectedEof.into()),
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
