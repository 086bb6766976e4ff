//! What hangs on one court: its rims, and the hops that belong to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Anchors;
use crate::config::CourtConfig;
use crate::event::Decision;
use crate::floor::Laid;
use crate::game::jury::Room;
use crate::game::people::HearsPeople;
use crate::game::player::{Board, Seat, ToGame};
use crate::game::second::LooksAgain;
use crate::game::table::Table;
use crate::mailbox::{Ledger, Mailbox, UnitMailbox, WhenFull, hops};
use crate::media::{CourtId, Frame, RimBox};

/// Stream time that the recorder may be behind (DESIGN §2).
const RING_BOUND: Duration = Duration::from_secs(4);
/// Stream time that the decoder may be behind (DESIGN §2): bursts of a camera on a bad link are caught up with.
const DECODE_BOUND: Duration = Duration::from_secs(4);
/// … and may stay behind: what is no burst would make every answer late by as much as the hop holds.
const DECODE_STANDING: Duration = Duration::from_secs(1);
/// Answers that a game may be behind (DESIGN §2). More is a bug.
const ANSWERS: usize = 1024;

/// One court: its rims and the hops that belong to it.
#[derive(Debug)]
pub(crate) struct CourtParts {
    pub(crate) name: CourtId,
    pub(crate) rims: Vec<RimBox>,
    pub(crate) rims_of: Option<[u32; 2]>,
    /// Where its painted floor lies, if somebody clicked it.
    pub(crate) floor: Option<Laid>,
    pub(crate) ring: UnitMailbox,
    pub(crate) decode: UnitMailbox,
    pub(crate) answers: Mailbox<ToGame>,
    /// The last picture, for the page. Holds one buffer of the decoder's pool.
    pub(crate) last: Mutex<Option<Arc<Frame>>>,
    pub(crate) answered: AtomicU64,
    /// The court goes: the live model's last word of it closes its answers.
    pub(crate) leaving: AtomicBool,
    /// What its game shows.
    pub(crate) board: Arc<Board>,
}

impl CourtParts {
    pub(crate) fn new(court: &CourtConfig, ledger: &Ledger) -> Self {
        let (ring, decode) = unit_hops(&court.name, ledger);
        Self {
            name: court.name.clone(),
            rims: court.rims.clone(),
            rims_of: court.rims_of,
            floor: court.floor.clone(),
            ring,
            decode,
            answers: answers_hop(&court.name, ledger),
            last: Mutex::new(None),
            answered: AtomicU64::new(0),
            leaving: AtomicBool::new(false),
            board: Arc::default(),
        }
    }

    /// Where its game sits; what it tells goes to `outlet`, and `jury` hears it.
    pub(crate) fn seat(
        &self,
        outlet: Mailbox<Decision>,
        jury: &Room,
        (table, wall): (Arc<Table>, Anchors),
        (people, look): (Arc<dyn HearsPeople>, Arc<dyn LooksAgain>),
    ) -> Seat {
        Seat {
            court: self.name.clone(),
            rims: self.rims.len(),
            inbox: self.answers.clone(),
            board: Arc::clone(&self.board),
            jury: jury.clone(),
            outlet,
            table,
            wall,
            people,
            look,
        }
    }
}

/// A hop of answers: 1,024, losing the oldest; a loss is a bug and is told as one.
fn answers_hop(court: &CourtId, ledger: &Ledger) -> Mailbox<ToGame> {
    Mailbox::new(ANSWERS, WhenFull::DropOldest, ledger.hop(court.as_str(), hops::GAME))
}

/// The two hops that ingest fills for one court.
fn unit_hops(court: &CourtId, ledger: &Ledger) -> (UnitMailbox, UnitMailbox) {
    (
        UnitMailbox::new(RING_BOUND, ledger.hop(court.as_str(), hops::RING)),
        UnitMailbox::catching_up(
            DECODE_BOUND,
            DECODE_STANDING,
            ledger.hop(court.as_str(), hops::DECODE),
        ),
    )
}
