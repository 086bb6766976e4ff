//! What is wrong with the link, and what was: for the status, and for `state/uplink` once it is over.
//!
//! An outage begins with the end of a session, or at the start, and is over with the first
//! acknowledgement of a session: a broker that greets and then says nothing does not end it.

use std::sync::Arc;

use parking_lot::Mutex;
use tracing::{debug, error, warn};

use crate::broker::Trouble;
use crate::clock::{Clock, Floor};
use crate::event::state::LinkLost;
use crate::event::words::LinkTrouble;
use crate::media::{BoxName, Monotonic};
use crate::uplink::backoff::{Past, SUSPICIOUS};
use crate::uplink::counts::UplinkCounts;

/// Written by the link's task and by those that wait for PUBACKs.
#[derive(Debug)]
pub(super) struct Outage {
    counts: Arc<Mutex<UplinkCounts>>,
    clock: Arc<dyn Clock>,
    floor: Floor,
    // Held for lines; `counts` is locked inside of it.
    now: Mutex<Option<Now>>,
}

#[derive(Debug)]
struct Now {
    begun: Monotonic,
    since: Option<String>,
    tries: u64,
    trouble: Trouble,
    /// Sessions end at once: an acknowledgement alone does not end it.
    flaps: bool,
}

impl Outage {
    pub(super) fn new(
        counts: Arc<Mutex<UplinkCounts>>,
        clock: Arc<dyn Clock>,
        floor: Floor,
    ) -> Self {
        Self { counts, clock, floor, now: Mutex::default() }
    }

    /// CONNACK came. What was wrong is over, unless it is wrong in sessions.
    pub(super) fn greeted(&self, session: u64, no_retained: bool) {
        let mut counts = self.counts.lock();
        counts.connected = true;
        counts.session = session;
        counts.no_retained = no_retained;
        let stays = matches!(
            counts.trouble,
            Some(LinkTrouble::Unacknowledged | LinkTrouble::CutShort | LinkTrouble::AnotherBox)
        );
        if !stays {
            (counts.trouble, counts.fault, counts.todo) = (None, None, "");
        }
    }

    /// Something that this session sent was acknowledged.
    pub(super) fn acknowledged(&self) {
        let mut now = self.now.lock();
        if now.as_ref().is_some_and(|now| !now.flaps) {
            self.over(&mut now);
        }
    }

    /// The session has lived for a while.
    pub(super) fn steady(&self) {
        let mut now = self.now.lock();
        self.counts.lock().another_box = false;
        match &mut *now {
            // It takes more than time.
            Some(now) if now.trouble.what == LinkTrouble::Unacknowledged => now.flaps = false,
            _ => self.over(&mut now),
        }
    }

    fn over(&self, now: &mut Option<Now>) {
        let mut counts = self.counts.lock();
        (counts.trouble, counts.fault, counts.todo) = (None, None, "");
        if let Some(Now { begun, since, tries, trouble, .. }) = now.take() {
            let Trouble { what, said, .. } = trouble;
            let seconds = self.clock.monotonic().since(begun).as_secs_f64();
            let seconds = (seconds * 10.0).round() / 10.0;
            counts.outage = Some(LinkLost { trouble: what, said, since, seconds, tries });
        }
    }

    /// A try came to nothing, or a session ended. `connected`: it had been one; `name`: the box's.
    pub(super) fn broken(&self, past: Past, connected: bool, trouble: &Trouble, name: &BoxName) {
        let mut trouble = trouble.clone();
        // The broker says that one, or nobody does: what ends sessions at once may be anything.
        let another_box = trouble.what == LinkTrouble::AnotherBox;
        let cut_short = past.is_cut_short() && trouble.what == LinkTrouble::Lost;
        if cut_short {
            let Past { short, .. } = past;
            let said =
                format_args!("the last {short} sessions ended within seconds: {}", trouble.said);
            let has_own = trouble.code.is_some();
            let todo = if has_own { trouble.todo } else { LinkTrouble::CutShort.todo() };
            trouble = Trouble { todo, ..Trouble::told(LinkTrouble::CutShort, said) };
        }
        let mut now = self.now.lock();
        let flaps = past.short >= SUSPICIOUS;
        let tries = now.as_ref().map_or(0, |now| now.tries) + 1;
        let (begun, since) = match now.take() {
            Some(Now { begun, since, .. }) => (begun, since),
            None => {
                let utc = self.clock.utc();
                let since = (utc >= self.floor.at()).then(|| utc.to_rfc3339());
                (self.clock.monotonic(), since)
            }
        };
        *now = Some(Now { begun, since, tries, trouble: trouble.clone(), flaps });
        let mut counts = self.counts.lock();
        let Trouble { what, said, todo, .. } = trouble;
        let news = counts.trouble != Some(what);
        counts.connected = false;
        counts.another_box = another_box;
        counts.trouble = Some(what);
        counts.fault = Some(said.clone());
        counts.todo = todo;
        drop(counts);
        if news && (another_box || cut_short) {
            error!(%name, why = %said, todo, "sessions with the broker do not last");
        } else if connected && past.short <= 1 && past.failed == 0
            || news && (past.failed <= 1 || tries <= 1)
        {
            warn!(why = %said, todo, "link to the broker lost: events wait on disk");
        } else {
            debug!(why = %said, ?past, "no link to the broker");
        }
    }
}
