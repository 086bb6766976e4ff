//! A box, asked over HTTP: what it has, a clip's bytes from somewhere on, and that they are here.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use hyper::StatusCode;
use hyper::header::{HeaderName, IF_RANGE, RANGE, RETRY_AFTER};
use serde::Deserialize;
use serde_json::Value;

use crate::clock::{Clock, sleep};
use crate::media::{BoxName, Foreign};
use crate::tools::client::{Answer, Asked, ClientError, Connection};
use crate::tools::pull::boxes::Pulled;

/// More than a page of 500 entries, or the manifest of a game of 10,000 clips.
const MANIFEST_MOST_BYTES: usize = 32 << 20;
/// Entries of a page, unless the line breaks.
const PAGE: usize = 500;
const JSON: &str = "application/json";
/// Tries in a row that brought nothing before a clip, or a box, is left for the next run.
const TRIES: u32 = 8;
/// Before the second of them, doubled for each further one, as far as …
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// A box that is busy for so long before anything comes is left for the next run.
const BUSY_MOST: Duration = Duration::from_mins(10);

/// Which clips are wanted.
#[derive(Clone, Debug)]
pub(super) enum Which {
    All,
    Game(String),
}

/// What a box has of what is wanted.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) entries: Vec<Entry>,
    /// Clips that will come, as it says.
    pub(super) making: u64,
    /// It never heard of that game.
    pub(super) unknown: bool,
}

/// A clip, as far as who pulls it must know; the rest stands in `told`.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) media: Option<Bytes>,
    pub(super) pinned: bool,
    pub(super) told: Value,
}

/// The bytes of a clip.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Bytes {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

#[derive(Deserialize)]
struct Read {
    id: String,
    #[serde(default)]
    number: u64,
    media: Option<Bytes>,
    #[serde(default)]
    pinned: bool,
}

impl Entry {
    pub(super) fn bytes(&self) -> u64 {
        self.media.as_ref().map_or(0, |media| media.bytes)
    }

    /// Reads an entry. Its name will be that of a file, and its hash part of one.
    pub(super) fn of(told: Value) -> anyhow::Result<(Self, u64)> {
        let read = Read::deserialize(&told).context("an entry of the manifest")?;
        let good = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        let Read { id, number, media, pinned } = read;
        let named = (1..=128).contains(&id.len()) && !id.starts_with('.') && id.bytes().all(good);
        let hashed = media.as_ref().is_none_or(|media| {
            media.sha256.len() == 64 && media.sha256.bytes().all(|c| c.is_ascii_hexdigit())
        });
        if !named || !hashed {
            bail!("the box lists `{}`, which is no clip", Foreign::text(&id));
        }
        Ok((Self { id, media, pinned, told }, number))
    }
}

/// What a try came to.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// Worth another try.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The box says when.
    #[error("the box is busy")]
    Busy(Duration),
    /// It will not be otherwise.
    #[error("{0}")]
    Refused(Foreign),
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let told = source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
        match error {
            ClientError::NoConnection(_) | ClientError::Broken(_) => Self::Broken(told),
            _ => Self::Refused(Foreign::told(told)),
        }
    }
}

/// One box.
#[derive(Debug)]
pub(super) struct Http {
    at: Pulled,
    clock: Arc<dyn Clock>,
}

/// A worker's own way to the box: a connection while it holds.
#[derive(Debug)]
pub(super) struct Way {
    at: Pulled,
    open: Option<Connection>,
}

impl Http {
    pub(super) const fn new(at: Pulled, clock: Arc<dyn Clock>) -> Self {
        Self { at, clock }
    }

    pub(super) fn way(&self) -> Way {
        Way { at: self.at.clone(), open: None }
    }

    /// What the box calls itself; its address, where it tells no name.
    pub(super) async fn name(&self) -> anyhow::Result<String> {
        let state = self.json("/v1/state").await?;
        let name = state.get("box").and_then(Value::as_str);
        let name = name.and_then(|name| BoxName::new(name).ok());
        let address = || self.at.origin.authority().replace([':', '[', ']'], "_");
        Ok(name.map_or_else(address, |name| name.as_str().to_owned()))
    }

    /// What there is of what is wanted.
    pub(super) async fn list(&self, which: &Which) -> anyhow::Result<Listed> {
        let mut listed = Listed::default();
        let of_game = match which {
            Which::All => String::new(),
            Which::Game(game) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
                if game.is_empty() || !game.chars().all(plain) {
                    bail!(
                        "`{game}` is no game: `courtside pull --all --json` names those that there are"
                    );
                }
                format!("&game={game}")
            }
        };
        let (mut after, mut limit) = (Some(0), PAGE);
        let mut tries = Tries::default();
        while let Some(from) = after {
            let path = format!("/v1/clips?after={from}&limit={limit}{of_game}");
            let manifest = match self.once(&path, &[StatusCode::OK]).await {
                Ok((_, manifest)) => manifest,
                Err(trouble) => {
                    // A line that does not hold for a page may hold for less.
                    limit = (limit / 4).max(1);
                    sleep(&*self.clock, tries.after(trouble)?).await;
                    continue;
                }
            };
            tries = Tries::default();
            after = manifest.get("next").and_then(Value::as_u64).filter(|next| *next > from);
            // Each page names all of them.
            listed.making = making(&manifest);
            for entry in clips(manifest)? {
                listed.entries.push(Entry::of(entry)?.0);
            }
        }
        if let Which::Game(game) = which
            && listed.entries.is_empty()
        {
            let path = format!("/v1/games/{game}/manifest");
            let taken = [StatusCode::OK, StatusCode::NOT_FOUND];
            listed.unknown = self.patiently(&path, &taken).await?.0 == StatusCode::NOT_FOUND;
        }
        Ok(listed)
    }

    async fn json(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.patiently(path, &[StatusCode::OK]).await?.1)
    }

    /// What is answered, asked again where the line broke or the box is busy.
    async fn patiently(
        &self,
        path: &str,
        taken: &[StatusCode],
    ) -> Result<(StatusCode, Value), Trouble> {
        let mut tries = Tries::default();
        loop {
            match self.once(path, taken).await {
                Err(trouble) => sleep(&*self.clock, tries.after(trouble)?).await,
                answered => return answered,
            }
        }
    }

    async fn once(&self, path: &str, taken: &[StatusCode]) -> Result<(StatusCode, Value), Trouble> {
        let asked = Asked { path, accept: JSON, body: None };
        let answer = accepted(self.way().ask(&asked, &[]).await?, taken).await?;
        let status = answer.status;
        let body = answer.whole(MANIFEST_MOST_BYTES).await.map_err(Trouble::from)?;
        let read = serde_json::from_slice(&body);
        let none =
            |_| Trouble::Refused(Foreign::told("what it answers is no JSON: is that a box?"));
        Ok((status, read.map_err(none)?))
    }
}

/// How many clips a manifest says will come.
pub(super) fn making(manifest: &Value) -> u64 {
    manifest.get("making").and_then(Value::as_array).map_or(0, |making| making.len() as u64)
}

fn clips(mut manifest: Value) -> anyhow::Result<Vec<Value>> {
    match manifest.get_mut("clips").map(Value::take) {
        Some(Value::Array(clips)) => Ok(clips),
        _ => bail!("a manifest without clips: is that a box?"),
    }
}

impl Way {
    async fn ask(
        &mut self,
        asked: &Asked<'_>,
        fields: &[(HeaderName, &str)],
    ) -> Result<Answer, Trouble> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.at.origin.connect(self.at.certificate.as_deref()).await?,
        };
        let answer = open.ask(asked, fields, self.at.token.as_deref()).await?;
        // The next is asked once this one's body was read; else the connection ends and is made anew.
        self.open = Some(open);
        Ok(answer)
    }

    /// The bytes of a clip from `from` on, and where the box begins: at `from`, or at 0 where it has other
    /// bytes by now.
    pub(super) async fn bytes(
        &mut self,
        id: &str,
        sha256: &str,
        from: u64,
    ) -> Result<(Answer, u64), Trouble> {
        let path = format!("/v1/clips/{id}/media");
        let asked = Asked { path: &path, accept: "video/mp4", body: None };
        let (range, tag) = (format!("bytes={from}-"), format!("\"{sha256}\""));
        let fields = [(RANGE, range.as_str()), (IF_RANGE, tag.as_str())];
        let fields = if from > 0 { &fields[..] } else { &[] };
        let answer = self.ask(&asked, fields).await?;
        let taken = [StatusCode::OK, StatusCode::PARTIAL_CONTENT];
        let answer = accepted(answer, &taken).await?;
        let begins = if answer.status == StatusCode::PARTIAL_CONTENT { from } else { 0 };
        Ok((answer, begins))
    }

    /// Tells the box that its clip is here.
    pub(super) async fn acknowledge(&mut self, id: &str, sha256: &str) -> Result<(), Trouble> {
        let path = format!("/v1/clips/{id}/ack");
        let body = serde_json::json!({ "sha256": sha256 }).to_string();
        let asked = Asked { path: &path, accept: JSON, body: Some(&body) };
        let answer = self.ask(&asked, &[]).await?;
        let answer = accepted(answer, &[StatusCode::OK]).await?;
        answer.whole(MANIFEST_MOST_BYTES).await?;
        Ok(())
    }

    /// What was under way on it broke.
    pub(super) fn broke(&mut self) {
        self.open = None;
    }
}

/// The answer, if its status is one of these; else what the box says.
async fn accepted(answer: Answer, taken: &[StatusCode]) -> Result<Answer, Trouble> {
    let status = answer.status;
    if taken.contains(&status) {
        return Ok(answer);
    }
    let after = answer.fields.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let busy = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    let body = answer.whole(64 << 10).await.unwrap_or_default();
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    let said = problem.get("detail").and_then(Value::as_str).unwrap_or_default();
    if busy {
        return Err(Trouble::Busy(Duration::from_secs(after.unwrap_or(1_u64).clamp(1, 30))));
    }
    let hint = match status {
        StatusCode::UNAUTHORIZED => " (name the file of its operator's token with --token-file)",
        _ => "",
    };
    Err(Trouble::Refused(Foreign::told(format!("the box answers {status}: {said}{hint}"))))
}

/// Tries in a row that brought nothing, and how long the box was busy meanwhile.
#[derive(Debug, Default)]
pub(super) struct Tries(u32, Duration);

impl Tries {
    /// How long to wait before the next.
    ///
    /// # Errors
    /// Where no other is worth it.
    pub(super) fn after(&mut self, trouble: Trouble) -> Result<Duration, Trouble> {
        if matches!(trouble, Trouble::Refused(_)) {
            return Err(trouble);
        }
        // A box that is busy with others is there, and says when: its turns are no failures.
        if let Trouble::Busy(wait) = &trouble {
            self.1 += *wait;
            return if self.1 > BUSY_MOST { Err(trouble) } else { Ok(*wait) };
        }
        self.0 += 1;
        if self.0 >= TRIES {
            return Err(trouble);
        }
        Ok((FIRST_WAIT * (1 << (self.0 - 1))).min(LONGEST_WAIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_not_tried_again_and_what_broke_is_for_a_while() {
        let mut tries = Tries::default();
        let refused = Trouble::Refused(Foreign::told("no"));
        assert!(tries.after(refused).is_err());
        let broke = || Trouble::Broken("cut".to_owned());
        let waits: Vec<u128> =
            std::iter::from_fn(|| Some(tries.after(broke()).ok()?.as_millis())).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 8000]);
        let mut tries = Tries::default();
        let busy = Trouble::Busy(Duration::from_secs(3));
        assert_eq!(tries.after(busy).expect("again"), Duration::from_secs(3));
        let mut tries = Tries::default();
        let turns = std::iter::repeat_with(|| tries.after(Trouble::Busy(Duration::from_secs(30))));
        assert_eq!(turns.take_while(Result::is_ok).count(), 20, "ten minutes of them");
    }
}
