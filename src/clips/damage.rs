//! What of a segment cannot be read, in bytes and in seconds (pure).

use crate::clips::boxes::HeadIs;
use crate::clips::fragment::Scanned;
use crate::clips::timeline::Ticks;

/// A stretch of a segment that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// From and to, where they lie.
    pub(crate) bytes: (u64, u64),
    /// From what is whole before to what is whole behind.
    pub(crate) span: (Ticks, Ticks),
}

/// What is said of a segment that cannot be read, and of which no index says what was in it.
pub(crate) fn in_no_index(why: &str, bytes: u64) -> String {
    format!(
        "{why}; no index names it, so nobody knows what is in it: its {bytes} bytes count for no quota and stay \
         until somebody takes them away"
    )
}

impl Damage {
    /// True where an interval has some of it.
    pub(crate) fn is_in(&self, from: Ticks, to: Ticks) -> bool {
        self.span.0 <= to && self.span.1 >= from
    }

    /// When that is.
    pub(crate) fn seconds(&self) -> String {
        let seconds = |at: Ticks| at.media().as_secs_f64();
        format!("{:.2} to {:.2} s", seconds(self.span.0), seconds(self.span.1))
    }
}

impl Scanned {
    /// What of `len` bytes that were written cannot be read; `end`: where they end in time.
    pub(crate) fn damage(&self, len: u64, end: Ticks) -> Vec<Damage> {
        let before = |at: u64| {
            let last = self.fragments.iter().rfind(|fragment| fragment.end() <= at);
            last.map_or(self.head.header.video_origin, |fragment| fragment.span.1)
        };
        let behind = |at: u64| {
            let first = self.fragments.iter().find(|fragment| fragment.offset >= at);
            first.map_or(end, |fragment| fragment.span.0)
        };
        let tail = (self.whole < len).then_some((self.whole, len));
        let all = self.damaged.iter().copied().chain(tail);
        all.map(|(from, to)| {
            let start = before(from);
            Damage { bytes: (from, to), span: (start, behind(to).max(start)) }
        })
        .collect()
    }

    /// What is wrong with a segment of which `len` bytes were written, up to `end` in time; `None` if nothing is.
    pub(crate) fn wrong(&self, len: u64, end: Ticks) -> Option<String> {
        let mut wrong = Vec::new();
        if self.head.is == HeadIs::Damaged {
            wrong.push(format!("its head, up to byte {}, is damaged", self.head.len));
        }
        /// So many are named.
        const NAMED: usize = 5;
        let all = self.damage(len, end);
        wrong.extend(all.iter().take(NAMED).map(|damage| {
            let (from, to) = damage.bytes;
            format!("bytes {from} to {to} are damaged or missing: {}", damage.seconds())
        }));
        if all.len() > NAMED {
            wrong.push(format!("{} more stretches", all.len() - NAMED));
        }
        (!wrong.is_empty()).then(|| wrong.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clips::boxes::Form;
    use crate::clips::fragment::samples::segment;
    use crate::clips::fragment::{Verify, scan_bytes};

    #[test]
    fn what_cannot_be_read_is_told_by_its_bytes_and_seconds() {
        let whole = segment(1, Ticks::from_millis(1000), Form::Plain);
        let len = whole.len() as u64;
        let end = Ticks::from_millis(3000);
        let was = scan_bytes(&whole, Verify::All).expect("a segment");
        assert_eq!(was.wrong(len, end), None);
        let place = |at: u64| usize::try_from(at).expect("small");
        let rotten = |at: u64| {
            let mut bytes = whole.clone();
            bytes[place(at)] ^= 1;
            scan_bytes(&bytes, Verify::All).expect("a segment")
        };
        // The second of four, in a box before its pictures.
        let second = was.fragments[1];
        let told = rotten(second.mdat_at() - 24).wrong(len, end).expect("damaged");
        let (from, to) = (second.offset, second.end());
        assert_eq!(told, format!("bytes {from} to {to} are damaged or missing: 1.50 to 2.00 s"));
        let last = was.fragments[3];
        let told = rotten(last.end() - 1).wrong(len, end).expect("damaged");
        assert!(told.ends_with(": 2.50 to 3.00 s"), "{told}");
        let torn = scan_bytes(&whole[..place(last.offset)], Verify::All).expect("a segment");
        assert_eq!(torn.wrong(last.offset, end), None);
        assert!(torn.wrong(len, end).expect("shorter").ends_with(": 2.50 to 3.00 s"));
    }

    #[test]
    fn each_bit_of_a_head_is_looked_at() {
        let whole = segment(1, Ticks::from_millis(0), Form::Plain);
        let head = scan_bytes(&whole, Verify::Nothing).expect("a segment").head;
        assert_eq!(head.is, HeadIs::Whole);
        for at in 0..usize::try_from(head.len).expect("small") {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                let scanned = scan_bytes(&bytes, Verify::Nothing);
                let told = scanned.is_none_or(|scanned| scanned.head.is == HeadIs::Damaged);
                assert!(told, "bit {bit} of byte {at}");
            }
        }
    }
}
