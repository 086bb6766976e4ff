//! How often something is tried over a network, and how long is waited in between (pure).

use std::time::Duration;

/// How often it is tried, and how long is waited in between.
#[derive(Clone, Debug)]
pub struct Tries {
    deadline: Duration,
    first: Duration,
    failures: u32,
}

impl Tries {
    /// The longest wait (chosen: a router starts in a minute).
    const LONGEST: Duration = Duration::from_secs(60);

    /// For so long altogether, waiting so long at first.
    #[must_use]
    pub const fn for_at_most(deadline: Duration, first: Duration) -> Self {
        Self { deadline, first, failures: 0 }
    }

    /// A connection ended `elapsed` after the beginning; `moved`: a block came on it. How long to wait, or
    /// `None`: it took too long. `chance` spreads a fleet whose server was away.
    pub fn ended(&mut self, elapsed: Duration, moved: bool, chance: u64) -> Option<Duration> {
        self.failures = if moved { 1 } else { self.failures.saturating_add(1) };
        let doubled = self.first.saturating_mul(1 << (self.failures - 1).min(6));
        let wait = doubled.min(Self::LONGEST);
        let spread = wait.mul_f64((chance % 1_000) as f64 / 2_000.0);
        let wait = wait + spread;
        (elapsed + wait < self.deadline).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_while_nothing_comes_and_end_with_the_deadline() {
        let s = Duration::from_secs;
        let mut tries = Tries::for_at_most(s(3_600), s(1));
        let waits: Vec<u64> =
            (0..8).map(|_| tries.ended(s(0), false, 0).expect("a wait").as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(tries.ended(s(0), true, 0), Some(s(1)), "what moves is waited for little");
        assert!(tries.ended(s(0), false, 999).expect("a wait") > s(2), "spread over a fleet");
        assert_eq!(tries.ended(s(3_600), true, 0), None);
    }
}
