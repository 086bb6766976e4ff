//! Events as they come, as server-sent events; stored ones first, where they are asked for.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, timeout};

use crate::event::box_status::BoxStatus;
use crate::page::source::{SentEvent, Source};

/// Events ready for one watcher; his connection holds a few hundred kilobytes more.
const READY: usize = 16;
/// A watcher who takes nothing for so long loses his place; below what `http` takes for a peer that is
/// gone. He comes again with `Last-Event-ID` and has missed nothing.
const SLOW_AT_MOST: Duration = Duration::from_secs(20);
/// Read from the store at once.
const STORED_AT_ONCE: usize = 64;
/// A state that changes all the time is told so often.
const STATE_EVERY: Duration = Duration::from_secs(1);
/// A quiet stream says so; below what `http` takes for a peer that is gone.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// Where a watcher begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum From {
    /// With what comes.
    Now,
    /// With what is stored after a position.
    After(u64),
    /// With the newest so many of what is stored.
    Newest(u16),
}

/// What watchers are told from. What they cost is bounded: each has [`READY`] events under way, of which one
/// at most is a state, and the text of a state is made once for all.
pub(super) struct Streams {
    source: Arc<dyn Source>,
    /// The state that was told last, and its text. Held while the text is made: who comes meanwhile waits
    /// for that one.
    state: Mutex<Option<(Arc<BoxStatus>, Arc<str>)>>,
    slow_at_most: Duration,
}

/// Why nothing more is told to a watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    /// He left.
    Left,
    /// He takes nothing.
    Slow,
}

struct Watcher {
    events: mpsc::Sender<Event>,
    slow_at_most: Duration,
}

impl Watcher {
    async fn send(&self, event: Event) -> Result<(), Gone> {
        match timeout(self.slow_at_most, self.events.send(event)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Gone::Left),
            Err(_) => Err(Gone::Slow),
        }
    }

    /// True if he has taken all that he was sent.
    fn is_near(&self) -> bool {
        self.events.capacity() == READY
    }
}

struct Sending {
    events: mpsc::Receiver<Event>,
    /// Says that he was too slow.
    slow: Option<oneshot::Receiver<()>>,
}

impl Stream for Sending {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let event = ready!(self.events.poll_recv(context));
        // The last words come when he has taken what was under way; he may be quick again by then.
        let last = || self.slow.take()?.try_recv().ok().map(|()| slow_words());
        Poll::Ready(event.or_else(last).map(Ok))
    }
}

fn slow_words() -> Event {
    let text = "you took nothing for a while, and others wait: come again with Last-Event-ID";
    Event::default().event("slow").data(text)
}

impl Streams {
    pub(super) fn of(source: Arc<dyn Source>) -> Self {
        Self { source, state: Mutex::default(), slow_at_most: SLOW_AT_MOST }
    }

    #[cfg(test)]
    pub(super) fn impatient(source: Arc<dyn Source>, slow_at_most: Duration) -> Self {
        Self { slow_at_most, ..Self::of(source) }
    }

    /// The stream of one watcher.
    pub(super) fn open(self: &Arc<Self>, from: From, with_state: bool) -> Response {
        let (sender, events) = mpsc::channel(READY);
        let (late, slow) = oneshot::channel();
        let streams = Arc::clone(self);
        // Ends when the watcher does: every send then fails.
        drop(tokio::spawn(async move {
            let watcher = Watcher { events: sender, slow_at_most: streams.slow_at_most };
            if let Err(Gone::Slow) = streams.tell(from, with_state, &watcher).await {
                tracing::debug!("a watcher of events took nothing for too long");
                // Before his stream ends with `watcher`.
                late.send(()).ok();
            }
        }));
        let sending = Sending { events, slow: Some(slow) };
        Sse::new(sending).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)).into_response()
    }

    /// The text of the box's state; none before the first look at it.
    pub(super) fn state(&self) -> Option<Arc<str>> {
        let status = self.source.status()?;
        let mut last = self.state.lock();
        if let Some((told, text)) = &*last
            && (Arc::ptr_eq(told, &status) || *told == status)
        {
            return Some(Arc::clone(text));
        }
        let text: Arc<str> = status.json().to_string().into();
        *last = Some((status, Arc::clone(&text)));
        Some(text)
    }

    /// Tells a watcher all that he asked for, until he is gone.
    async fn tell(&self, from: From, with_state: bool, watcher: &Watcher) -> Result<(), Gone> {
        // First of all, so that nothing falls between what is stored and what comes.
        let mut live = self.source.subscribe();
        let mut position = match from {
            From::Now => newest(self.source.as_ref()).await,
            From::After(position) => position,
            From::Newest(count) => newest(self.source.as_ref()).await.saturating_sub(count.into()),
        };
        let mut told_state = None;
        if with_state {
            self.tell_state(&mut told_state, watcher).await?;
        }
        self.tell_stored(&mut position, watcher).await?;
        let mut ticks = tokio::time::interval(STATE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Woken by an event, by the clock, and by the watcher's leaving.
            tokio::select! {
                event = live.recv() => match event {
                    Ok(event) if event.position <= position => {}
                    Ok(event) => {
                        position = event.position;
                        watcher.send(worded(event)).await?;
                    }
                    // Too slow for what comes: he is given what is stored, from where he was.
                    Err(RecvError::Lagged(_)) => self.tell_stored(&mut position, watcher).await?,
                    Err(RecvError::Closed) => return Ok(()),
                },
                _ = ticks.tick(), if with_state => {
                    self.tell_state(&mut told_state, watcher).await?;
                }
                () = watcher.events.closed() => return Err(Gone::Left),
            }
        }
    }

    async fn tell_stored(&self, position: &mut u64, watcher: &Watcher) -> Result<(), Gone> {
        loop {
            let stored = self.source.replay(*position, STORED_AT_ONCE).await;
            let all = stored.len() < STORED_AT_ONCE;
            for event in stored {
                *position = (*position).max(event.position);
                watcher.send(worded(event)).await?;
            }
            if all {
                return Ok(());
            }
        }
    }

    /// A state is large, and a later one says all that it said: who is behind is told the one of the day
    /// when he is near again.
    async fn tell_state(&self, told: &mut Option<Arc<str>>, watcher: &Watcher) -> Result<(), Gone> {
        if !watcher.is_near() {
            return Ok(());
        }
        let Some(text) = self.state().filter(|text| told.as_ref() != Some(text)) else {
            return Ok(());
        };
        watcher.send(Event::default().event("state").data(&*text)).await?;
        *told = Some(text);
        Ok(())
    }
}

fn worded(event: SentEvent) -> Event {
    Event::default().id(event.position.to_string()).data(event.json)
}

/// Position of the newest stored event, by doubling and halving: the store answers what lies after
/// a position, and holds far more than a watcher wants.
async fn newest(source: &dyn Source) -> u64 {
    let mut low = match source.replay(0, 1).await.first() {
        Some(event) => event.position,
        None => return 0,
    };
    let mut step: u64 = 1;
    while let Some(event) = source.replay(low.saturating_add(step), 1).await.first() {
        low = event.position;
        step = step.saturating_mul(2);
    }
    // The newest lies in low..=low + step.
    while step > 0 {
        step /= 2;
        if let Some(event) = source.replay(low.saturating_add(step), 1).await.first() {
            low = event.position;
        }
    }
    low
}
