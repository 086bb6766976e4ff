//! The most of something that still goes well, by doubling and bisecting (pure).

/// What has been tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Search {
    first: u32,
    at_most: u32,
    does: u32,
    does_not: Option<u32>,
}

/// It is known well enough when what goes well is this share of it away from what does not: 1 ÷ 20.
const WELL_ENOUGH: u32 = 20;

impl Search {
    /// Begins with `first`; more than `at_most` is never tried.
    pub(crate) fn new(first: u32, at_most: u32) -> Self {
        let first = first.clamp(1, at_most.max(1));
        Self { first, at_most: at_most.max(1), does: 0, does_not: None }
    }

    /// What is to be tried next; `None` when it is known.
    pub(crate) fn due(&self) -> Option<u32> {
        let Some(does_not) = self.does_not else {
            let next = if self.does == 0 { self.first } else { self.does.saturating_mul(2) };
            return (self.does < self.at_most).then_some(next.min(self.at_most));
        };
        let gap = does_not.saturating_sub(self.does);
        (gap > (self.does / WELL_ENOUGH).max(1)).then_some(self.does + gap / 2)
    }

    /// So many were tried, and it went `well`.
    pub(crate) fn tried(&mut self, count: u32, well: bool) {
        if well {
            self.does = self.does.max(count);
        } else if self.does_not.is_none_or(|does_not| count < does_not) {
            self.does_not = Some(count);
        }
        // By chance more went well than failed once: the one that failed is to be believed.
        if self.does_not.is_some_and(|does_not| does_not <= self.does) {
            self.does = self.does_not.map_or(0, |does_not| does_not.saturating_sub(1));
        }
    }

    /// The most that went well; 0 if nothing did.
    pub(crate) const fn most(&self) -> u32 {
        self.does
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found where `limit` still do, and how often it was tried.
    fn found(first: u32, at_most: u32, limit: u32) -> (u32, u32) {
        let mut search = Search::new(first, at_most);
        let mut tries = 0;
        while let Some(count) = search.due() {
            assert!((1..=at_most).contains(&count), "{count} of {at_most}");
            search.tried(count, count <= limit);
            tries += 1;
            assert!(tries < 40, "it ends");
        }
        (search.most(), tries)
    }

    #[test]
    fn the_most_that_goes_well_is_found_to_a_twentieth_and_never_told_too_high() {
        for limit in 0..=256 {
            for (first, at_most) in [(1, 256), (64, 256), (200, 256), (8, 100), (1, 1)] {
                let (most, tries) = found(first, at_most, limit);
                let right = limit.min(at_most);
                assert!(most <= right, "{first} {at_most} {limit}: {most}");
                assert!(right - most <= (right / 20).max(1), "{first} {at_most} {limit}: {most}");
                assert!(tries <= 14, "{first} {at_most} {limit}: {tries} tries");
            }
        }
        assert_eq!(found(4, 256, 256).0, 256);
        assert_eq!(found(4, 256, 0).0, 0);
    }
}
