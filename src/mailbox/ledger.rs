//! What every hop counts: offered = taken + dropped(reason) + waiting, per court.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::mailbox::rest::Rest;

/// Why something was let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// The mailbox held its bound.
    Full,
    /// Part of a run that cannot be decoded since an earlier unit of it was let go.
    AwaitingKey,
    /// The decoder reported the unit as damaged or undecodable.
    Undecodable,
    /// The decoder gave no picture for it and said nothing.
    NoPicture,
    /// The router strides over it: the model takes fewer pictures a second.
    Strided,
    /// Nobody at the other end takes it now.
    NoPeer,
    /// The hop was closed with it inside.
    Closed,
}

impl DropReason {
    /// The word in metrics and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::AwaitingKey => "awaiting_key",
            Self::Undecodable => "undecodable",
            Self::NoPicture => "no_picture",
            Self::Strided => "strided",
            Self::NoPeer => "no_peer",
            Self::Closed => "closed",
        }
    }

    /// True when it happened by design and nobody needs to act.
    #[must_use]
    pub const fn is_expected(self) -> bool {
        matches!(self, Self::Strided | Self::Closed)
    }
}

/// One hop of one court, for example `decode` of `north`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HopId {
    /// The court, or `-` for a hop that all share.
    pub court: String,
    /// `ring`, `decode`, `decoder`, `model:rimnet`, `game`, `outbox` …
    pub hop: String,
}

/// The counts of a hop at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HopCount {
    /// Handed in.
    pub offered: u64,
    /// Handed on.
    pub taken: u64,
    /// Let go, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
    /// Inside, as the hop itself says.
    pub waiting: u64,
}

impl HopCount {
    /// All that was let go.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// The law.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.offered == self.taken + self.dropped_total() + self.waiting
    }
}

/// The counter of one hop. Cheap to clone; whoever moves an item counts it in the same call.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    // A lock, not atomics: a reader must never see a half-counted move.
    count: Arc<Mutex<HopCount>>,
    rest: Rest,
}

impl Tally {
    /// One came in.
    pub fn offered(&self) {
        let mut count = self.count.lock();
        count.offered += 1;
        count.waiting += 1;
    }

    /// One went on.
    pub fn taken(&self) {
        let mut count = self.count.lock();
        count.taken += 1;
        count.waiting = count.waiting.saturating_sub(1);
    }

    /// One that waited was let go.
    pub fn dropped(&self, reason: DropReason) {
        let mut count = self.count.lock();
        *count.dropped.entry(reason).or_insert(0) += 1;
        count.waiting = count.waiting.saturating_sub(1);
    }

    /// One was let go at the door: offered and dropped at once.
    pub fn refused(&self, reason: DropReason) {
        let mut count = self.count.lock();
        count.offered += 1;
        *count.dropped.entry(reason).or_insert(0) += 1;
    }

    /// Whether the hop's reader rests.
    #[must_use]
    pub fn rest(&self) -> &Rest {
        &self.rest
    }

    /// The counts now.
    #[must_use]
    pub fn count(&self) -> HopCount {
        self.count.lock().clone()
    }
}

/// All hops of the daemon. Shared; `app` makes it and hands a [`Tally`] to each hop.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    // Read once a second by metrics and status; never on a hop's path.
    hops: Arc<Mutex<BTreeMap<HopId, Tally>>>,
    /// Readers of no hop or of several; and those of hops, once they have waited.
    readers: Arc<Mutex<BTreeMap<HopId, Rest>>>,
}

impl Ledger {
    /// An empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tally of a hop; the same one for the same names.
    #[must_use]
    pub fn hop(&self, court: &str, hop: &str) -> Tally {
        let id = HopId { court: court.to_owned(), hop: hop.to_owned() };
        self.hops.lock().entry(id).or_default().clone()
    }

    /// Takes a reader into [`Self::awake`] that no single hop knows.
    pub fn reader(&self, court: &str, name: &str, rest: &Rest) {
        let id = HopId { court: court.to_owned(), hop: name.to_owned() };
        self.readers.lock().insert(id, rest.clone());
    }

    /// Readers that have work, or have never waited yet; and how often all of them have rested.
    ///
    /// Empty twice with the same number: nothing moved in between, so nothing will until something
    /// comes from outside.
    #[must_use]
    pub fn awake(&self) -> (Vec<HopId>, u64) {
        let hops = self.hops.lock();
        let readers = self.readers.lock();
        let of_hops = hops.iter().filter(|(_, tally)| tally.rest.has_reader());
        let all = of_hops.map(|(id, tally)| (id, &tally.rest)).chain(readers.iter());
        let (mut awake, mut turns) = (Vec::new(), 0);
        for (id, rest) in all {
            let (rests, rested) = rest.look();
            turns += rested;
            if !rests {
                awake.push(id.clone());
            }
        }
        (awake, turns)
    }

    /// The counts of every hop.
    #[must_use]
    pub fn counts(&self) -> Vec<(HopId, HopCount)> {
        self.hops.lock().iter().map(|(id, tally)| (id.clone(), tally.count())).collect()
    }

    /// Hops that break the law. Empty, or there is a bug.
    #[must_use]
    pub fn unbalanced(&self) -> Vec<(HopId, HopCount)> {
        self.counts().into_iter().filter(|(_, count)| !count.balances()).collect()
    }
}
