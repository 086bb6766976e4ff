//! The thread that plays one court's game: answers in, events out to the outbox.
//!
//! The one sender that waits (DESIGN §2, game → outbox): a full outbox holds this court's game and
//! nothing else; its answers wait in their own hop.

use std::sync::Arc;
use std::time::Duration;

use crate::answer::RimAnswer;
use crate::app::court::CourtParts;
use crate::event::Event;
use crate::game::{self, Game};
use crate::mailbox::{Mailbox, Take};
use crate::media::{CloseReason, CourtId, SessionId};

/// How long a game waits for room before it says so again.
const SAY_AGAIN: Duration = Duration::from_secs(5);
/// A bound for waits on a hop that is closed at shutdown anyway.
const WAIT: Duration = Duration::from_secs(1);

/// What the models tell a game, in order.
#[derive(Debug)]
pub(crate) enum Told {
    /// An answer of the live model.
    Answer(RimAnswer),
    /// The session is over; its last answer came before.
    Closed(SessionId, CloseReason),
}

/// Starts the game of one court with what its last run left on disk.
pub(crate) fn start(
    parts: &Arc<CourtParts>,
    recovered: game::Recovered,
    inbox: Mailbox<Event>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    let parts = Arc::clone(parts);
    std::thread::Builder::new().name(format!("game-{}", parts.name)).spawn(move || {
        let (score, mended) = game::resume(&parts.name, parts.rims.len(), recovered);
        hand_over(&parts.name, &inbox, mended);
        let mut game = Game::new(parts.name.clone(), parts.rims.len(), score);
        loop {
            let events = match parts.answers.take(WAIT) {
                Take::Item(Told::Answer(answer)) => game.step(&answer),
                Take::Item(Told::Closed(session, reason)) => game.session_closed(session, reason),
                Take::TimedOut => continue,
                Take::Closed => break,
            };
            hand_over(&parts.name, &inbox, events);
        }
    })
}

/// Closes what a court left open that is no longer configured: its last run told the world of facts
/// that nobody will finish (DESIGN §5.5).
pub(crate) fn close(
    court: CourtId,
    recovered: game::Recovered,
    inbox: Mailbox<Event>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name(format!("close-{court}")).spawn(move || {
        let (_, mended) = game::resume(&court, 0, recovered);
        hand_over(&court, &inbox, mended);
    })
}

/// Hands events to the outbox, never dropping one: waits as long as it takes, and says so.
fn hand_over(court: &CourtId, inbox: &Mailbox<Event>, events: Vec<Event>) {
    for mut event in events {
        // Woken when the outbox takes something.
        while let Err(back) = inbox.offer_waiting(event, SAY_AGAIN) {
            tracing::error!(%court, "the outbox is full or closed: this court's game waits");
            event = back;
        }
    }
}
