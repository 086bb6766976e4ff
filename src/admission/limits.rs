//! Every bound of admission, with its reason.

use std::time::Duration;

#[cfg(doc)]
use crate::admission::prefix::Prefix;
use crate::config::CONNECTIONS_PER_ADDRESS;

/// So many at once, and so many a second from then on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Tokens that are there after a rest.
    pub burst: f64,
    /// Tokens that come back a second.
    pub per_second: f64,
}

/// Who goes when a door is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhoGoes {
    /// Of the prefix that costs most, who moved least lately.
    Costliest,
    /// Who came first. Shuts slow cameras out in a flood: for tests that show so.
    Oldest,
}

/// Who is taken in at one door; a connection with a TLS handshake counts as several.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrowdLimits {
    /// Whoever they are.
    pub all: Rate,
    /// Beyond those, of proven prefixes,
    pub proven: Rate,
    /// and of prefixes that do not knock all the time.
    pub newcomers: Rate,
}

/// Bounds of one door.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DoorLimits {
    /// Connections that have not shown a secret.
    pub seats: usize,
    /// … of them, of one prefix.
    pub seats_by_prefix: usize,
    /// … or of one of the venue's own networks ([`Prefix::is_local`]).
    pub seats_by_local_prefix: usize,
    /// … of them, kept for proven prefixes …
    pub kept: usize,
    /// … and of those, for any one of them.
    pub kept_by_prefix: usize,
    /// Connections that have, and are being answered; as many may rest beside.
    pub members: usize,
    /// … of them, of one prefix.
    pub members_by_prefix: usize,
    /// … or of one of the venue's own networks.
    pub members_by_local_prefix: usize,
    /// Who goes for a newcomer.
    pub who_goes: WhoGoes,
    /// Who is taken in.
    pub crowd: CrowdLimits,
}

/// All bounds. The default is what a box has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// At the door of publishers.
    pub rtmp: DoorLimits,
    /// At the door of the page.
    pub http: DoorLimits,
    /// Wrong secrets of one prefix.
    pub guesses: Rate,
    /// Wrong secrets of all prefixes that are not proven.
    pub strangers: Rate,
    /// How long a wrong answer waits, and a right one where tokens are gone.
    pub answer_after: Duration,
    /// Answers of one prefix that wait at once.
    pub waiting_by_prefix: usize,
    /// Answers that wait at once, of prefixes with wrong secrets behind them.
    pub waiting_offenders: usize,
    /// … and of prefixes without.
    pub waiting_newcomers: usize,
    /// Prefixes that are remembered for what they did.
    pub strangers_remembered: usize,
    /// Prefixes that are remembered as proven.
    pub proven_remembered: usize,
    /// Prefixes that have lines of their own in the log, within ten seconds.
    pub prefixes_in_log: usize,
}

impl Default for Limits {
    /// Chosen, all of them, by these: four answers that each wait 0.8 s are five guesses a second of a prefix
    /// that waits for its answers, one a second of one that hangs up, forty-five a second of all that guess again
    /// and again. A camera that takes half a second for a step stays on its seat while 512 others come. A
    /// connection before its secret costs a socket and at most 64 KiB.
    fn default() -> Self {
        let rtmp = DoorLimits {
            seats: 512,
            seats_by_prefix: 256,
            seats_by_local_prefix: 256,
            kept: 128,
            kept_by_prefix: 8,
            // A court has one publisher, and one taking over.
            members: usize::MAX,
            members_by_prefix: usize::MAX,
            members_by_local_prefix: usize::MAX,
            who_goes: WhoGoes::Costliest,
            // Some 0.15 ms each: a quarter of a core. So many that one address that floods as fast as one
            // program can does not keep out the camera behind it.
            crowd: CrowdLimits {
                all: Rate { burst: 1_500.0, per_second: 1_500.0 },
                proven: Rate { burst: 500.0, per_second: 500.0 },
                newcomers: Rate { burst: 300.0, per_second: 500.0 },
            },
        };
        let http = DoorLimits {
            // Pages of a venue behind one proxy begin anew together when a box does, as fast as one program can: of
            // 200 at once 69 had to go with 48 seats. Nobody from outside has more than before.
            seats: 448,
            seats_by_prefix: 48,
            seats_by_local_prefix: 320,
            kept: 48,
            kept_by_prefix: 16,
            members: usize::MAX,
            members_by_prefix: usize::MAX,
            members_by_local_prefix: usize::MAX,
            who_goes: WhoGoes::Costliest,
            // Some 0.2 ms each: a fifth of a core. Who floods from the operator's own address has more of one; else
            // the operator's page would be one of many there.
            crowd: CrowdLimits {
                all: Rate { burst: 600.0, per_second: 600.0 },
                proven: Rate { burst: 500.0, per_second: 1_500.0 },
                newcomers: Rate { burst: 200.0, per_second: 300.0 },
            },
        };
        let all = Self {
            rtmp,
            http,
            guesses: Rate { burst: 5.0, per_second: 1.0 },
            strangers: Rate { burst: 100.0, per_second: 50.0 },
            answer_after: Duration::from_millis(800),
            waiting_by_prefix: 4,
            waiting_offenders: 36,
            waiting_newcomers: 192,
            strangers_remembered: 4_096,
            proven_remembered: 256,
            prefixes_in_log: 32,
        };
        all.with_connections_per_address(CONNECTIONS_PER_ADDRESS)
    }
}

impl Limits {
    /// As many times more has a network of the venue's own (chosen: four hundred pages behind its proxy).
    const LOCAL_TIMES: usize = 2;
    /// Those that are left to others where one address has all that it may.
    const LEFT_TO_OTHERS: usize = 128;

    /// At the page's door so many connections of one address may be answered at once; of a network of the venue's
    /// own twice as many, of all together 128 more than these.
    #[must_use]
    pub const fn with_connections_per_address(mut self, most: usize) -> Self {
        self.http.members_by_prefix = most;
        self.http.members_by_local_prefix = most.saturating_mul(Self::LOCAL_TIMES);
        self.http.members = self.http.members_by_local_prefix.saturating_add(Self::LEFT_TO_OTHERS);
        self
    }
}

#[cfg(test)]
impl Limits {
    /// Nothing is bounded, and who came first goes at the old bounds: what this shows is why there are bounds.
    pub(crate) fn off() -> Self {
        let usual = Self::default();
        let without = Rate { burst: 1e18, per_second: 1e18 };
        let oldest = |door: DoorLimits| DoorLimits {
            seats: 64,
            seats_by_prefix: 8,
            seats_by_local_prefix: 8,
            kept: 0,
            who_goes: WhoGoes::Oldest,
            crowd: CrowdLimits { all: without, ..door.crowd },
            ..door
        };
        Self {
            rtmp: oldest(usual.rtmp),
            http: oldest(usual.http),
            guesses: without,
            strangers: without,
            waiting_by_prefix: usize::MAX,
            waiting_offenders: usize::MAX,
            waiting_newcomers: usize::MAX,
            strangers_remembered: usize::MAX,
            prefixes_in_log: usize::MAX,
            ..usual
        }
    }
}
