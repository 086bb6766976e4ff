//! Pages of `bench pages`, without a browser: each an event stream, and the clock that a page asks for; an
//! operator's takes pictures too. They run on a thread of their own and come from one address.

use std::convert::Infallible;
use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::clock::{Clock, SystemClock};
use crate::media::Monotonic;
use crate::tools::bench::latency::COURT;
use crate::tools::client::{Asked, Origin};

/// As `feed.js` and `thumbs.js` ask.
const CLOCK_EVERY: Duration = Duration::from_secs(5);
const PICTURE_EVERY: Duration = Duration::from_millis(500);
const SCORE: &str = "courtside.game.score.v1";
const EVENTS: &str = "/v1/events?state=1&last=300";
const PICTURE_MOST_BYTES: usize = 4 << 20;
/// Pages are opened so far apart, as people and screens do after a cut of the power.
const APART: Duration = Duration::from_millis(10);

/// A revision of the shot at one page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    pub(super) revision: u32,
    pub(super) shot: Monotonic,
    /// The score that came next.
    pub(super) score: Option<Monotonic>,
}

/// What all pages were told.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) pages: Vec<Vec<Came>>,
    pub(super) snapshots: u64,
    pub(super) refused_snapshots: u64,
    /// Times that the clock was asked for and not told: a page asks again.
    pub(super) no_clock: u64,
    /// Streams that ended before they were to.
    pub(super) broken: u64,
}

#[derive(Debug, Default)]
struct Counts {
    standing: AtomicU32,
    broken: AtomicU64,
    snapshots: AtomicU64,
    refused: AtomicU64,
    no_clock: AtomicU64,
}

/// Pages that are open.
#[derive(Debug)]
pub(super) struct Readers {
    counts: Arc<Counts>,
    end: watch::Sender<bool>,
    thread: std::thread::JoinHandle<anyhow::Result<Vec<Vec<Came>>>>,
}

impl Readers {
    /// Opens them; the revisions of `fact` are what they note.
    ///
    /// # Errors
    /// No thread can be started.
    pub(super) fn open(
        origin: &Origin,
        pages: u32,
        operators: u32,
        fact: &str,
    ) -> anyhow::Result<Self> {
        let counts = Arc::new(Counts::default());
        let (end, ended) = watch::channel(false);
        let page = Page {
            origin: origin.clone(),
            counts: Arc::clone(&counts),
            clock: Arc::new(SystemClock::new()),
            fact: fact.to_owned(),
            ended,
        };
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut all = JoinSet::new();
                for number in 0..pages {
                    all.spawn(page.clone().open(number, number < operators));
                }
                Ok(all.join_all().await)
            })
        };
        let thread = std::thread::Builder::new().name("pages".to_owned()).spawn(run);
        Ok(Self { counts, end, thread: thread.context("start the pages")? })
    }

    /// Pages that were told the state.
    pub(super) fn standing(&self) -> u32 {
        self.counts.standing.load(Ordering::Relaxed)
    }

    /// Closes them.
    ///
    /// # Errors
    /// Their thread failed.
    pub(super) fn end(self) -> anyhow::Result<Heard> {
        self.end.send_replace(true);
        let Ok(pages) = self.thread.join() else { bail!("the pages' thread panicked") };
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let Counts { broken, snapshots, refused, no_clock, .. } = &*self.counts;
        let (refused_snapshots, no_clock) = (count(refused), count(no_clock));
        let (snapshots, broken) = (count(snapshots), count(broken));
        Ok(Heard { pages: pages?, snapshots, refused_snapshots, no_clock, broken })
    }
}

/// What is read of an envelope.
#[derive(Deserialize)]
struct Told {
    r#type: String,
    fact: String,
    revision: u32,
}

#[derive(Clone)]
struct Page {
    origin: Origin,
    counts: Arc<Counts>,
    clock: Arc<dyn Clock>,
    fact: String,
    ended: watch::Receiver<bool>,
}

impl Page {
    async fn open(self, number: u32, operator: bool) -> Vec<Came> {
        tokio::time::sleep(APART * number).await;
        let mut came = Vec::new();
        let mut ended = self.ended.clone();
        // Woken by the end of the bench, or of the page's stream.
        let broke = tokio::select! {
            _ = ended.wait_for(|ended| *ended) => false,
            _ = self.listens(&mut came) => true,
            never = self.asks(operator) => match never {},
        };
        self.counts.broken.fetch_add(u64::from(broke), Ordering::Relaxed);
        came
    }

    async fn listens(&self, came: &mut Vec<Came>) -> anyhow::Result<()> {
        let mut connection = self.origin.connect(None).await?;
        let asked = Asked { path: EVENTS, accept: "text/event-stream", body: None };
        let mut answer = connection.ask(&asked, &[], None).await?;
        if !answer.status.is_success() {
            bail!("{}", answer.status);
        }
        let (mut line, mut stands) = (Vec::new(), false);
        // The state changes every second, so the client's patience is never tried.
        while let Some(piece) = answer.piece().await? {
            let mut rest = &piece[..];
            while rest.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
                if !stands && line.starts_with(b"event: state") {
                    stands = true;
                    self.counts.standing.fetch_add(1, Ordering::Relaxed);
                }
                self.heard(&line, came);
                line.clear();
            }
        }
        Ok(())
    }

    /// Reads what may be of the shot and no more: the readers are not what is measured.
    fn heard(&self, line: &[u8], came: &mut Vec<Came>) {
        let Some(data) = line.strip_prefix(b"data: ") else { return };
        let has = |word: &str| std::str::from_utf8(data).is_ok_and(|text| text.contains(word));
        if (has(&self.fact) || has(SCORE))
            && let Ok(told) = serde_json::from_slice(data)
        {
            self.note(&told, came);
        }
    }

    fn note(&self, told: &Told, came: &mut Vec<Came>) {
        let now = self.clock.monotonic();
        if told.fact == self.fact {
            came.push(Came { revision: told.revision, shot: now, score: None });
        } else if told.r#type == SCORE
            && let Some(last) = came.last_mut()
        {
            last.score.get_or_insert(now);
        }
    }

    /// What a page asks beside. One that is not answered asks again.
    async fn asks(&self, operator: bool) -> Infallible {
        let mut clock = tokio::time::interval(CLOCK_EVERY);
        let mut pictures = tokio::time::interval(PICTURE_EVERY);
        for ticks in [&mut clock, &mut pictures] {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let picture = format!("/v1/courts/{COURT}/snapshot.jpg");
        loop {
            let picture = tokio::select! {
                _ = clock.tick() => None,
                _ = pictures.tick(), if operator => Some(picture.as_str()),
            };
            let answered = self.asked(picture.unwrap_or("/v1/clock")).await;
            let counts = match (picture, answered) {
                (None, Ok(true)) => continue,
                (Some(_), Ok(true)) => &self.counts.snapshots,
                (Some(_), _) => &self.counts.refused,
                (None, _) => &self.counts.no_clock,
            };
            counts.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// True if it was answered well. Each on a connection of its own, which costs the box more than a browser
    /// does, that keeps one.
    async fn asked(&self, path: &str) -> anyhow::Result<bool> {
        let asked = Asked { path, accept: "*/*", body: None };
        let answer = self.origin.ask(&asked, None, None).await?;
        let well = answer.status.is_success();
        answer.whole(PICTURE_MOST_BYTES).await?;
        Ok(well)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_the_pages_once_the_score_behind_it_has_come() {
        let page = Page {
            origin: Origin::of("http://127.0.0.1:1").expect("an address"),
            counts: Arc::default(),
            clock: Arc::new(SystemClock::new()),
            fact: "a-shot-1".to_owned(),
            ended: watch::channel(false).1,
        };
        let mut came = Vec::new();
        let mut tell = |kind: &str, fact: &str, revision| {
            let r#type = format!("courtside.{kind}.v1");
            page.note(&Told { r#type, fact: fact.to_owned(), revision }, &mut came);
            came.iter().map(|came| (came.revision, came.score.is_some())).collect::<Vec<_>>()
        };
        assert_eq!(tell("game.score", "g-score-1", 4), [], "of an older shot");
        assert_eq!(tell("shot.made", "a-shot-2", 0), [], "another shot");
        assert_eq!(tell("shot.missed", "a-shot-1", 3), [(3, false)]);
        assert_eq!(tell("leaderboard", "g-leaderboard-1", 9), [(3, false)]);
        assert_eq!(tell("game.score", "g-score-1", 5), [(3, true)]);
        assert_eq!(tell("shot.made", "a-shot-1", 4), [(3, true), (4, false)]);
    }
}
