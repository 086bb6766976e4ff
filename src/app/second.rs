//! Game, jury and pictures → the second look, and its word back to the game: the adapters, and how it is made.
//!
//! None of them waits. Where no bundle is configured nobody is asked, no thread is started, and no picture goes there.

use std::sync::Arc;
use std::time::Duration;

use crate::app::book::CourtBook;
use crate::app::settings::detect_settings;
use crate::app::world::World;
use crate::config::Config;
use crate::event::FactId;
use crate::game::calibrate::Verdict;
use crate::game::input::{Called, Standing};
use crate::game::player::ToGame;
use crate::game::second::{AttemptId, Looked, LooksAgain, Says};
use crate::health::Metrics;
use crate::look::{self, Attempt, Call, HearsLook, Look, LookMeters, LookParts, Seen};
use crate::mailbox::{FrameMailbox, Ledger, hops};
use crate::media::{CourtId, CourtRims, RimId};
use crate::router::ModelFeed;

/// The second look of the configuration, if there is one. Reads its manifest and its key.
pub(crate) fn second(
    config: &Config,
    world: &World,
    metrics: &Metrics,
    (book, ledger): (&CourtBook, &Ledger),
) -> Option<Look> {
    let name = config.look.bundle.clone()?;
    let mut no_key = None;
    let folders = detect_settings(config).search;
    let found = look::find(&name, &folders).map_err(|error| error.to_string()).map(|hosted| {
        let key = hosted.key_file.as_deref().map(look::key);
        let key = key.and_then(|key| {
            key.inspect_err(|error| {
                tracing::warn!(bundle = name, %error, "no key: nobody looks again");
                no_key = Some(error.to_string());
            })
            .ok()
        });
        (hosted, key)
    });
    let hop = |court: &CourtId| ledger.hop(court.as_str(), hops::LOOK);
    let look = Look::new(LookParts {
        found,
        name,
        no_key,
        consent: config.look.crops_may_leave,
        clock: Arc::clone(&world.clock),
        disk: Arc::clone(&world.disk),
        data_dir: config.appliance.data_dir.clone(),
        runtime: tokio::runtime::Handle::current(),
        frames: FrameMailbox::new(&[], look::QUEUE, hop),
        meters: LookMeters {
            sheet_seconds: metrics.look_sheet_seconds.clone(),
            answer_seconds: metrics.look_answer_seconds.clone(),
        },
    });
    look.tells(Arc::new(FromLook { book: book.clone() }));
    Some(look)
}

/// Where its pictures go, if it wants any.
pub(crate) fn feed(look: Option<&Look>) -> Option<ModelFeed> {
    let frames = look.filter(|look| look.watches())?.frames().clone();
    Some(ModelFeed { name: hops::LOOK.to_owned(), rates: Some(look::RATES), frames })
}

/// A court more that it may be asked about.
pub(crate) fn open_court(look: Option<&Look>, rims: CourtRims, ledger: &Ledger) {
    if let Some(look) = look.filter(|look| look.watches()) {
        let tally = ledger.hop(rims.court.as_str(), hops::LOOK);
        look.frames().open_court(rims, &tally);
    }
}

/// Who looks again at the finals of games.
pub(crate) fn of_games(look: Option<&Look>) -> Arc<dyn LooksAgain> {
    look.map_or_else(
        || Arc::new(()) as Arc<dyn LooksAgain>,
        |look| Arc::new(FromGames(look.clone())),
    )
}

/// Games → the second look.
#[derive(Debug)]
struct FromGames(Look);

impl LooksAgain for FromGames {
    fn holds(&self) -> Option<Duration> {
        self.0.holds()
    }

    fn decided(&self, court: &CourtId, called: &Called, fact: Option<FactId>) -> bool {
        let call = match called.standing {
            Standing::Made => Call::Made,
            Standing::Missed => Call::Missed,
            Standing::Unsure => Call::Unsure,
            Standing::NoShot => return false,
        };
        self.0.decided(Attempt {
            court: court.clone(),
            session: called.session,
            rim: called.rim,
            reached: called.reached(),
            fact,
            call,
            share: called.confidence,
        })
    }
}

/// The second look → the game that asked.
struct FromLook {
    book: CourtBook,
}

impl HearsLook for FromLook {
    fn seen(&self, attempt: &Attempt, seen: Option<Seen>) {
        let Some(parts) = self.book.get(&attempt.court) else { return };
        let says = seen.map(|Seen { made, reason, by }| Says {
            verdict: if made { Verdict::Made } else { Verdict::Missed },
            reason,
            by,
        });
        let Attempt { session, rim, reached, fact, .. } = *attempt;
        let of = AttemptId { session, rim: RimId(rim), reached };
        parts.answers.offer(ToGame::Looked(Looked { of, fact, says }));
    }
}
