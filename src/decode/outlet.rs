//! Where one pipeline's pictures, errors and end come out: matched, counted and handed on.
//!
//! Called from the pipeline's threads; the court's thread waits here for room and for the end. An
//! outlet serves one pipeline of one session, and is shut before either is over: what a pipeline
//! gives after that goes nowhere.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::clock::Clock;
use crate::decode::matching::{Matching, Ticket};
use crate::decode::{DecoderStatus, FrameSink};
use crate::mailbox::{DropReason, Tally};
use crate::media::{
    AccessUnit, CloseReason, CourtId, Frame, MediaTime, Monotonic, Pixels, SessionId, StreamInfo,
};

/// A picture as the pipeline gives it.
#[derive(Debug)]
pub struct Picture {
    /// Of the unit that it was made of; a decoder may have lost it.
    pub ticket: Option<Ticket>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Why it is dropped, where it is: the decoder marks it as damaged, or too many are held.
    pub pixels: Result<Pixels, DropReason>,
}

/// What a wait on the pipeline found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It may be given another unit.
    Room,
    /// It holds its bound.
    Full,
    /// It has reported an error; or it stands still, `silent`.
    Failed { reason: String, silent: bool },
}

/// See the module.
pub struct Outlet {
    court: CourtId,
    pub(crate) sink: Arc<dyn FrameSink>,
    pub(crate) tally: Tally,
    pub(crate) clock: Arc<dyn Clock>,
    // Written a few times a picture from here and from the court's thread, read once a second.
    pub(crate) status: Arc<Mutex<DecoderStatus>>,
    // Held while a picture is handed on (a sink never blocks): once `shut` returns, no picture of
    // this pipeline can reach the sink. Never held together with the lock of the status.
    state: Mutex<OutletState>,
    /// Wakes the court's thread: a picture, an error, the end.
    changed: Condvar,
}

struct OutletState {
    matching: Matching,
    /// Units that have entered the decoder itself, and units that have been settled since.
    entered: u64,
    settled: u64,
    /// Inside the decoder when the last units entered it.
    held: [u32; HELD_OVER],
    failed: Option<String>,
    ended: bool,
    shut: bool,
    pictures: u64,
    /// When a picture last came, or a unit went into the empty pipeline.
    progress: Monotonic,
}

/// Units over which the least number of pictures held is taken: at a burst a hardware decoder has
/// several inside without waiting for any.
const HELD_OVER: usize = 16;

/// Sees pictures that nobody shall see.
struct Nobody;

impl FrameSink for Nobody {
    fn opened(&self, _info: &Arc<StreamInfo>) {}
    fn frame(&self, _frame: Arc<Frame>) {}
    fn closed(&self, _session: SessionId, _reason: CloseReason) {}
}

impl OutletState {
    fn new(tally: &Tally, last: Option<MediaTime>, progress: Monotonic) -> Self {
        Self {
            matching: Matching::new(tally.clone(), last),
            entered: 0,
            settled: 0,
            held: [0; HELD_OVER],
            failed: None,
            ended: false,
            shut: false,
            pictures: 0,
            progress,
        }
    }
}

impl Outlet {
    /// For a court's first pipeline.
    pub(crate) fn new(
        court: CourtId,
        sink: Arc<dyn FrameSink>,
        tally: Tally,
        clock: Arc<dyn Clock>,
        status: Arc<Mutex<DecoderStatus>>,
    ) -> Self {
        let state = OutletState::new(&tally, None, clock.monotonic());
        Self {
            court,
            sink,
            tally,
            clock,
            status,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// For the next pipeline of this court; pictures up to `last` were handed on by the one before.
    pub(crate) fn of_next(&self, last: Option<MediaTime>) -> Self {
        let state = OutletState::new(&self.tally, last, self.clock.monotonic());
        Self {
            court: self.court.clone(),
            sink: Arc::clone(&self.sink),
            tally: self.tally.clone(),
            clock: Arc::clone(&self.clock),
            status: Arc::clone(&self.status),
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// For a pipeline that is tried beside this court's own: nobody sees its pictures, and they are
    /// counted nowhere.
    pub(crate) fn of_trial(&self) -> Self {
        Self {
            sink: Arc::new(Nobody),
            tally: Tally::default(),
            status: Arc::default(),
            state: Mutex::new(OutletState::new(&Tally::default(), None, self.clock.monotonic())),
            ..self.of_next(None)
        }
    }

    /// Notes that `unit` goes into the pipeline, `again` if an earlier one had it; returns its
    /// timestamps there.
    pub(crate) fn goes_in(&self, unit: &AccessUnit, again: bool) -> (Ticket, Ticket) {
        let mut state = self.state.lock();
        if state.matching.len() == 0 {
            state.progress = self.clock.monotonic();
        }
        if again { state.matching.goes_in_again(unit) } else { state.matching.goes_in(unit) }
    }

    /// The last picture that was handed on.
    pub(crate) fn last(&self) -> Option<MediaTime> {
        self.state.lock().matching.last()
    }

    /// A unit enters the decoder itself: what is in there now was held back.
    pub fn entered(&self) {
        let least = {
            let mut state = self.state.lock();
            let held = u32::try_from(state.entered.saturating_sub(state.settled));
            let at = usize::try_from(state.entered).unwrap_or(0) % HELD_OVER;
            if let Some(slot) = state.held.get_mut(at) {
                *slot = held.unwrap_or(u32::MAX);
            }
            state.entered += 1;
            state.held.iter().copied().min().unwrap_or(0)
        };
        self.status.lock().held_back = least;
    }

    /// The pipeline gives a picture.
    pub fn picture(&self, picture: Picture) {
        let decoded = self.clock.monotonic();
        {
            let mut state = self.state.lock();
            if state.shut {
                return;
            }
            let before = state.matching.len();
            let Picture { ticket, width, height, pixels } = picture;
            let whole = pixels.as_ref().map(|_| ()).map_err(|reason| *reason);
            let matched = ticket.and_then(|ticket| state.matching.came_out(ticket, whole));
            state.settled += u64::try_from(before - state.matching.len()).unwrap_or(0);
            state.progress = decoded;
            self.changed.notify_all();
            let (Some(inside), Ok(pixels)) = (matched, pixels) else { return };
            state.pictures += 1;
            self.sink.frame(Arc::new(Frame {
                court: self.court.clone(),
                session: inside.session,
                pts: inside.pts,
                width,
                height,
                arrival: inside.arrival,
                decoded,
                pixels,
            }));
        }
        let mut status = self.status.lock();
        status.pictures += 1;
        (status.fault, status.starved_since) = (None, None);
    }

    /// The pipeline reports an error that it does not survive.
    pub fn failed(&self, reason: String) {
        self.state.lock().failed.get_or_insert(reason);
        self.changed.notify_all();
    }

    /// Everything that went in has come out or will not.
    pub fn ended(&self) {
        self.state.lock().ended = true;
        self.changed.notify_all();
    }

    /// Waits up to `timeout` until fewer than `bound` units are inside.
    ///
    /// [`Found::Failed`] when the pipeline reported an error, or has given nothing for `patience`
    /// while it held `bound`.
    pub(crate) fn room(&self, bound: usize, patience: Duration, timeout: Duration) -> Found {
        let mut state = self.state.lock();
        // Woken by `picture`, `failed` and `ended`.
        if state.failed.is_none() && state.matching.len() >= bound {
            self.changed.wait_for(&mut state, timeout);
        }
        if let Some(reason) = &state.failed {
            return Found::Failed { reason: reason.clone(), silent: false };
        }
        if state.matching.len() < bound {
            return Found::Room;
        }
        let still = self.clock.monotonic().since(state.progress);
        if still >= patience {
            let inside = state.matching.len();
            let seconds = still.as_secs_f64();
            let reason =
                format!("it gave no picture for {seconds:.1} s with {inside} units inside");
            return Found::Failed { reason, silent: true };
        }
        Found::Full
    }

    /// Waits up to `timeout` for the end that was asked for. False if it did not come.
    pub(crate) fn wait_ended(&self, timeout: Duration) -> bool {
        let until = self.clock.monotonic().plus(timeout);
        let mut state = self.state.lock();
        while !state.ended && state.failed.is_none() {
            let left = until.since(self.clock.monotonic());
            if left.is_zero() {
                break;
            }
            // Woken by `ended`, `failed` and a clock that was moved by hand.
            self.changed.wait_for(&mut state, left);
        }
        state.ended
    }

    /// Wakes the court's thread, for a clock that was moved by hand: false once the pipeline is gone.
    pub(crate) fn waker(outlet: &Arc<Self>) -> impl Fn() -> bool + Send + Sync + 'static {
        let outlet = Arc::downgrade(outlet);
        move || {
            let Some(outlet) = outlet.upgrade() else { return false };
            // A thread that has looked at the clock and does not wait yet holds the lock.
            drop(outlet.state.lock());
            outlet.changed.notify_all();
            true
        }
    }

    /// Lets go of what is inside, for `reason`. Nothing reaches the sink after this returns.
    pub(crate) fn shut(&self, reason: DropReason) {
        let mut state = self.state.lock();
        state.shut = true;
        state.matching.abandon(reason);
    }

    /// Units inside.
    pub(crate) fn inside(&self) -> usize {
        self.state.lock().matching.len()
    }

    /// The error that was reported, if one was.
    pub(crate) fn failure(&self) -> Option<String> {
        self.state.lock().failed.clone()
    }

    /// Pictures handed on.
    pub(crate) fn pictures(&self) -> u64 {
        self.state.lock().pictures
    }
}
