//! Who may write a line into the log about itself, and what is told of those who may not (pure).
//!
//! A prefix has its first line at once, then a sum every ten seconds. So many prefixes have lines of their
//! own; the others are summed together, with how many they are and the quietest of them by name, but who was
//! never told of has one line all the same, as long as there are not thousands of them: nobody hides behind those
//! who are loud. Wrong secrets and noise are kept apart ([`About`]). Proven prefixes, and those that show the same
//! wrong secret again and again as a camera does, have lines beside those of everybody else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use crate::admission::bucket::Bucket;
use crate::admission::limits::Rate;
use crate::admission::prefix::Prefix;
use crate::media::Monotonic;

/// Until a prefix is summed up.
const SUMMED_EVERY: Duration = Duration::from_secs(10);
/// Prefixes that are told apart among those without lines.
const OTHERS_MOST: usize = 4_096;
/// Lines about prefixes that were never told of, beside those of the loud ones.
const NEWCOMERS: Rate = Rate { burst: 64.0, per_second: 1.0 };

/// Of those that are summed together, so many are named: who knocked once, beside hundreds that knock on and on. As
/// many again of those of the sum before: by then it is known who knocks on.
const QUIETEST: usize = 24;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A secret that is none of ours.
    Guess,
    /// All else: broken handshakes, others that went for newcomers. It must hide no guess.
    Noise,
}

#[derive(Debug)]
pub(crate) struct Lines {
    most: usize,
    /// Who had a line: since when, what was left out since, and whether it counts among everybody.
    told: BTreeMap<Prefix, Told>,
    others: BTreeSet<Prefix>,
    /// Others of the sum before that were not named in it.
    earlier: BTreeSet<Prefix>,
    others_left_out: u64,
    others_since: Monotonic,
    /// How often each came since the start, as many as are told apart.
    seen: BTreeMap<Prefix, u64>,
    /// Who had a line since the start, as many as are told apart.
    ever: BTreeSet<Prefix>,
    newcomers: Bucket,
}

#[derive(Debug)]
struct Told {
    since: Monotonic,
    left_out: u64,
    apart: bool,
}

/// What was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sum {
    /// … of one prefix.
    Of(Prefix, u64),
    /// … of so many prefixes together.
    Others {
        prefixes: usize,
        left_out: u64,
        /// The quietest since the start, with how often each came.
        quietest: Vec<(Prefix, u64)>,
    },
}

impl Lines {
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            most,
            told: BTreeMap::new(),
            others: BTreeSet::new(),
            earlier: BTreeSet::new(),
            seen: BTreeMap::new(),
            others_left_out: 0,
            others_since: Monotonic::ZERO,
            ever: BTreeSet::new(),
            newcomers: Bucket::new(NEWCOMERS, Monotonic::ZERO),
        }
    }

    /// True if a line about the prefix may be written now; else it is counted. `apart`: it is proven, or does
    /// as a camera does.
    pub(crate) fn may(&mut self, now: Monotonic, prefix: Prefix, apart: bool) -> bool {
        if self.seen.len() >= OTHERS_MOST && !self.seen.contains_key(&prefix) {
            self.seen.clear();
        }
        *self.seen.entry(prefix).or_default() += 1;
        if let Some(told) = self.told.get_mut(&prefix) {
            told.left_out += 1;
            return false;
        }
        let beside = self.told.values().filter(|told| told.apart == apart).count();
        if beside < self.most {
            self.told.insert(prefix, Told { since: now, left_out: 0, apart });
            self.note(prefix);
            return true;
        }
        if !self.ever.contains(&prefix) && self.newcomers.has(NEWCOMERS, now) {
            self.newcomers.take(NEWCOMERS, now);
            self.note(prefix);
            return true;
        }
        if self.others_left_out == 0 {
            self.others_since = now;
        }
        if self.others.len() < OTHERS_MOST {
            self.others.insert(prefix);
        }
        self.others_left_out += 1;
        false
    }

    fn note(&mut self, prefix: Prefix) {
        if self.ever.len() >= OTHERS_MOST {
            self.ever.clear();
        }
        self.ever.insert(prefix);
    }

    fn quietest(&self, of: &BTreeSet<Prefix>) -> Vec<(Prefix, u64)> {
        let came = |prefix: &Prefix| (*prefix, self.seen.get(prefix).copied().unwrap_or(1));
        let mut quietest: Vec<(Prefix, u64)> = of.iter().map(came).collect();
        quietest.sort_by_key(|(_, came)| *came);
        quietest.truncate(QUIETEST);
        quietest
    }

    /// What is to be told now of what was left out.
    pub(crate) fn due(&mut self, now: Monotonic) -> Vec<Sum> {
        let mut sums = Vec::new();
        self.told.retain(|prefix, told| {
            if now.since(told.since) < SUMMED_EVERY {
                return true;
            }
            let left_out = std::mem::take(&mut told.left_out);
            told.since = now;
            if left_out > 0 {
                sums.push(Sum::Of(*prefix, left_out));
            }
            left_out > 0
        });
        // Once more after a flood has ended, for who knocked at its end and was as quiet as those who began then.
        let owed = self.others_left_out > 0 || !self.earlier.is_empty();
        if owed && now.since(self.others_since) >= SUMMED_EVERY {
            self.others_since = now;
            let others = std::mem::take(&mut self.others);
            let (prefixes, left_out) = (others.len(), std::mem::take(&mut self.others_left_out));
            let earlier = std::mem::replace(&mut self.earlier, others);
            let mut quietest = self.quietest(&earlier);
            let now = self.quietest(&self.earlier);
            quietest.extend(now.into_iter().filter(|(prefix, _)| !earlier.contains(prefix)));
            for (prefix, _) in &quietest {
                self.earlier.remove(prefix);
            }
            sums.push(Sum::Others { prefixes, left_out, quietest });
        }
        sums
    }
}

/// In words: `10.0.0.7 once, 10.0.0.8 41 times`.
pub(crate) fn told(quietest: &[(Prefix, u64)]) -> String {
    let mut text = String::new();
    for (prefix, times) in quietest {
        let comma = if text.is_empty() { "" } else { ", " };
        let _infallible = match times {
            1 => write!(text, "{comma}{prefix} once"),
            times => write!(text, "{comma}{prefix} {times} times"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u32) -> Prefix {
        Prefix::of((std::net::Ipv4Addr::from_bits(0x0A00_0000 + last), 1).into())
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    /// Lines that a flood of ten seconds from so many prefixes gets, and the sums after it.
    fn flood(lines: &mut Lines, prefixes: u32) -> (usize, Vec<Sum>) {
        let mut written = 0;
        for second in 0..10 {
            for of in 0..prefixes {
                written += usize::from(lines.may(at(second), ip(of), false));
            }
        }
        (written, lines.due(at(10)))
    }

    #[test]
    fn a_prefix_has_a_line_and_then_a_sum() {
        let mut lines = Lines::new(32);
        assert_eq!(flood(&mut lines, 1), (1, vec![Sum::Of(ip(0), 9)]));
        assert!(!lines.may(at(11), ip(0), false), "it goes on: a sum again");
        assert_eq!(lines.due(at(20)), [Sum::Of(ip(0), 1)]);
        assert_eq!(lines.due(at(30)), []);
        assert!(lines.may(at(31), ip(0), false), "it was quiet");
    }

    #[test]
    fn a_flood_from_everywhere_hides_no_camera() {
        let mut lines = Lines::new(32);
        let (written, sums) = flood(&mut lines, 1_000);
        let newcomers = 64 + 9;
        assert_eq!((written, sums.len()), (32 + newcomers, 33));
        let left_out = 9_680 - newcomers as u64;
        let Sum::Others { prefixes, left_out: others, quietest } = &sums[32] else {
            panic!("others")
        };
        assert_eq!((*prefixes, *others, quietest.len()), (968, left_out, QUIETEST));
        flood(&mut lines, 1_000);
        assert!(!lines.may(at(9), ip(5_000), false));
        assert!(lines.may(at(9), ip(5_001), true), "a camera's");
    }

    #[test]
    fn sixty_loud_ones_hide_nobody_who_knocks_once() {
        let mut lines = Lines::new(32);
        flood(&mut lines, 60);
        flood(&mut lines, 60);
        for of in 1_000..1_006 {
            assert!(lines.may(at(9), ip(of), false), "{of} was never told of");
            assert!(!lines.may(at(9), ip(of), false), "once");
        }
        assert!(!lines.may(at(9), ip(59), false), "it was");
    }

    #[test]
    fn who_knocks_once_among_hundreds_is_named() {
        let mut lines = Lines::new(32);
        flood(&mut lines, 1_000);
        flood(&mut lines, 1_000);
        for of in 5_000..5_004 {
            assert!(!lines.may(at(9), ip(of), false), "newcomers have had their lines");
        }
        // A hundred more begin to flood just then, so that they are as quiet as those who knocked once.
        for of in 2_000..2_100 {
            lines.may(at(9), ip(of), false);
        }
        lines.due(at(20));
        for of in 2_000..2_100 {
            lines.may(at(20), ip(of), false);
        }
        let sums = lines.due(at(30));
        let Some(Sum::Others { quietest, .. }) = sums.last() else { panic!("others") };
        let once: Vec<Prefix> =
            quietest.iter().map_while(|(p, n)| (*n == 1).then_some(*p)).collect();
        assert_eq!(once, (5_000..5_004).map(ip).collect::<Vec<_>>());
        assert!(
            told(quietest).starts_with("10.0.19.136 once, 10.0.19.137 once"),
            "{}",
            told(quietest)
        );
    }

    #[test]
    fn who_knocks_once_as_a_flood_ends_is_named_after_it() {
        let mut lines = Lines::new(32);
        flood(&mut lines, 1_000);
        flood(&mut lines, 1_000);
        // Thirty more come for the first time, with lower addresses; then all is quiet.
        for of in (2_000..2_030).chain([5_000]) {
            assert!(!lines.may(at(9), ip(of), false));
        }
        let first = lines.due(at(20));
        let second = lines.due(at(30));
        let named = |sums: &[Sum]| {
            sums.iter().any(|sum| match sum {
                Sum::Others { quietest, .. } => {
                    quietest.iter().any(|(prefix, _)| *prefix == ip(5_000))
                }
                Sum::Of(..) => false,
            })
        };
        assert!(!named(&first) && named(&second), "{first:?} {second:?}");
        assert_eq!(lines.due(at(40)), [], "and that is all");
    }

    #[test]
    fn without_the_bound_each_of_them_writes() {
        assert_eq!(flood(&mut Lines::new(usize::MAX), 1_000).0, 1_000);
    }
}
