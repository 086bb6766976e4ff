//! Events as they come, as server-sent events; stored ones first, where they are asked for.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::event::box_status::BoxStatus;
use crate::page::source::{SentEvent, Source};

/// Events ready for one watcher; his connection holds more.
const READY: usize = 16;
/// Read from the store at once.
const STORED_AT_ONCE: usize = 200;
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

/// The stream of one watcher.
pub(super) fn stream(source: Arc<dyn Source>, from: From, with_state: bool) -> Response {
    let (sender, receiver) = mpsc::channel(READY);
    // Ends when the watcher does: every send then fails.
    drop(tokio::spawn(async move {
        let _: Option<()> = tell(source, from, with_state, sender).await;
    }));
    Sse::new(Sending(receiver)).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)).into_response()
}

struct Sending(mpsc::Receiver<Event>);

impl Stream for Sending {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|event| event.map(Ok))
    }
}

/// Tells a watcher all that he asked for; `None` once he is gone.
async fn tell(
    source: Arc<dyn Source>,
    from: From,
    with_state: bool,
    watcher: mpsc::Sender<Event>,
) -> Option<()> {
    // First of all, so that nothing falls between what is stored and what comes.
    let mut live = source.subscribe();
    let mut position = match from {
        From::Now => newest(source.as_ref()).await,
        From::After(position) => position,
        From::Newest(count) => newest(source.as_ref()).await.saturating_sub(count.into()),
    };
    let mut told_state = None;
    if with_state {
        tell_state(source.as_ref(), &mut told_state, &watcher).await?;
    }
    tell_stored(source.as_ref(), &mut position, &watcher).await?;
    let mut ticks = tokio::time::interval(STATE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // Woken by an event, by the clock, and by the watcher's leaving.
        tokio::select! {
            event = live.recv() => match event {
                Ok(event) if event.position <= position => {}
                Ok(event) => {
                    position = event.position;
                    watcher.send(worded(event)).await.ok()?;
                }
                // Too slow for what comes: he is given what is stored, from where he was.
                Err(RecvError::Lagged(_)) => {
                    tell_stored(source.as_ref(), &mut position, &watcher).await?;
                }
                Err(RecvError::Closed) => return None,
            },
            _ = ticks.tick(), if with_state => {
                tell_state(source.as_ref(), &mut told_state, &watcher).await?;
            }
            () = watcher.closed() => return None,
        }
    }
}

async fn tell_stored(
    source: &dyn Source,
    position: &mut u64,
    watcher: &mpsc::Sender<Event>,
) -> Option<()> {
    loop {
        let stored = source.replay(*position, STORED_AT_ONCE).await;
        let all = stored.len() < STORED_AT_ONCE;
        for event in stored {
            *position = (*position).max(event.position);
            watcher.send(worded(event)).await.ok()?;
        }
        if all {
            return Some(());
        }
    }
}

async fn tell_state(
    source: &dyn Source,
    told: &mut Option<Arc<BoxStatus>>,
    watcher: &mpsc::Sender<Event>,
) -> Option<()> {
    let status = source.status();
    if let Some(status) = status.filter(|status| told.as_ref() != Some(status)) {
        let state = Event::default().event("state").data(status.json().to_string());
        watcher.send(state).await.ok()?;
        *told = Some(status);
    }
    Some(())
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
