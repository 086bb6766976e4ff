//! One question over HTTP(S): written, sent, answered or left, every wait bounded.
//!
//! Decides nothing but what is known of an exchange that broke: before a byte of the question was handed to a
//! connection it costs nothing, after that nobody knows. What an answer means is `shape`'s.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use rustls::ClientConfig;

use crate::clock::{Clock, within};
use crate::config::Secret;
use crate::http::outgoing::{self, AGENT, Terms};
use crate::look::breaker::Failure;
use crate::look::manifest::Hosted;
use crate::look::money::Cost;
use crate::look::shape::{Judged, Nothing, Question, judge};
use crate::media::Foreign;

/// Bytes of an answer: a model that thinks aloud has some thousands.
const ANSWER_MOST_BYTES: usize = 1 << 20;

/// How a question came out.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What it came to.
    pub judged: Judged,
    /// Why there is no answer, in words, where the network says so.
    pub broke: Option<String>,
}

/// A question that is ready to go: nothing is left to be made of the pictures.
#[derive(Debug)]
pub struct Ready {
    request: Request<Full<Bytes>>,
    /// Bytes of its body.
    pub bytes: usize,
}

impl Ready {
    /// Writes the question of one sheet. `None` where the key is none that can stand in a header.
    #[must_use]
    pub fn of(hosted: &Hosted, key: Option<&Secret>, sheet: &[u8]) -> Option<Self> {
        let written = hosted.shape.write(&Question {
            model: &hosted.model,
            prompt: &hosted.prompt,
            sheet,
            most_output_tokens: hosted.most_output_tokens,
            effort: hosted.effort.as_deref(),
        });
        let body = serde_json::to_vec(&written.body).ok()?;
        let bytes = body.len();
        let mut request = Request::post(format!("{}{}", hosted.address.target, written.path))
            .header(HOST, &hosted.address.authority)
            .header(USER_AGENT, AGENT)
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_LENGTH, bytes);
        for (name, value) in written.headers {
            request = request.header(name, value);
        }
        if let Some(key) = key {
            let (name, before) = hosted.shape.key_header();
            request = request.header(name, format!("{before}{}", key.expose()));
        }
        let request = request.body(Full::new(Bytes::from(body))).ok()?;
        Some(Self { request, bytes })
    }

    /// Asks, and waits at most `patience` for all of it.
    pub async fn ask(
        self,
        hosted: &Hosted,
        clock: &dyn Clock,
        tls: &Arc<ClientConfig>,
        patience: Duration,
    ) -> Asked {
        let sent = AtomicBool::new(false);
        let exchange = self.exchange(hosted, clock, tls, patience, &sent);
        match within(clock, patience, exchange).await {
            Some(asked) => asked,
            None => broke(&sent, format!("no answer within {patience:?}")),
        }
    }

    async fn exchange(
        self,
        hosted: &Hosted,
        clock: &dyn Clock,
        tls: &Arc<ClientConfig>,
        step: Duration,
        sent: &AtomicBool,
    ) -> Asked {
        let terms = Terms { clock, tls, step, send_buffer: None };
        let stream = match outgoing::connect(&hosted.address, terms).await {
            Ok(stream) => stream,
            Err(why) => return broke(sent, why),
        };
        sent.store(true, Ordering::Relaxed);
        let answer = match outgoing::exchange(stream, self.request).await {
            Ok(answer) => answer,
            Err(why) => return broke(sent, why),
        };
        let status = answer.status().as_u16();
        let wait = answer.headers().get(RETRY_AFTER).and_then(|wait| wait.to_str().ok());
        let wait = wait.map(str::to_owned);
        let body = match whole(answer.into_body()).await {
            Ok(body) => body,
            Err(why) => return broke(sent, why),
        };
        let judged = judge(hosted.shape, hosted.price, status, wait.as_deref(), &body);
        Asked { judged, broke: None }
    }
}

fn broke(sent: &AtomicBool, why: String) -> Asked {
    let asked = sent.load(Ordering::Relaxed);
    let judged = Judged {
        says: Err(Nothing::Status(0, Failure::NoAnswer)),
        cost: if asked { Cost::Unknown } else { Cost::Nothing },
        model: None,
        tokens: None,
    };
    Asked { judged, broke: Some(why) }
}

async fn whole(mut incoming: Incoming) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let frame =
            frame.map_err(|error| format!("the answer broke off ({})", Foreign::error(&error)))?;
        let piece = frame.into_data().unwrap_or_default();
        if body.len() + piece.len() > ANSWER_MOST_BYTES {
            return Err(format!("an answer of more than {ANSWER_MOST_BYTES} bytes is none"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}
