//! The bytes of a file in memory, by pages: what was never written costs nothing, and a copy shares
//! every page with its original until one of them changes it.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of a page.
const PAGE: usize = 4096;

/// The bytes of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Pages {
    len: usize,
    /// By number; those that are not there are zeros.
    written: BTreeMap<usize, Arc<[u8; PAGE]>>,
}

impl Pages {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Cuts it, or fills it with zeros up to `len`.
    pub(super) fn set_len(&mut self, len: usize) {
        if len < self.len {
            self.written.split_off(&len.div_ceil(PAGE));
            if let Some(last) = self.written.get_mut(&(len / PAGE)) {
                Arc::make_mut(last)[len % PAGE..].fill(0);
            }
        }
        self.len = len;
    }

    /// Writes at `offset`, making it longer where it must be.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.len = self.len.max(offset + bytes.len());
        let mut rest = bytes;
        let mut at = offset;
        while !rest.is_empty() {
            let here = rest.len().min(PAGE - at % PAGE);
            let (now, later) = rest.split_at(here);
            let page = self.written.entry(at / PAGE).or_insert_with(|| Arc::new([0; PAGE]));
            Arc::make_mut(page)[at % PAGE..at % PAGE + here].copy_from_slice(now);
            (rest, at) = (later, at + here);
        }
    }

    /// Reads what there is at `offset`; how much that was.
    pub(super) fn read(&self, offset: usize, into: &mut [u8]) -> usize {
        let count = into.len().min(self.len.saturating_sub(offset));
        let mut done = 0;
        while done < count {
            let at = offset + done;
            let here = (count - done).min(PAGE - at % PAGE);
            let into = &mut into[done..done + here];
            match self.written.get(&(at / PAGE)) {
                Some(page) => into.copy_from_slice(&page[at % PAGE..at % PAGE + here]),
                None => into.fill(0),
            }
            done += here;
        }
        count
    }

    /// Changes one byte by `change`; false if there is no such byte.
    pub(super) fn change(&mut self, offset: usize, change: impl FnOnce(u8) -> u8) -> bool {
        let mut byte = [0];
        if self.read(offset, &mut byte) == 0 {
            return false;
        }
        self.write(offset, &[change(byte[0])]);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One of `Pages`' operations.
    #[derive(Clone, Debug)]
    enum Change {
        SetLen(usize),
        Write(usize, Vec<u8>),
    }

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        let change = prop_oneof![
            (0..20_000_usize).prop_map(Change::SetLen),
            (0..16_000_usize, prop::collection::vec(1..=255_u8, 0..6_000))
                .prop_map(|(offset, bytes)| Change::Write(offset, bytes)),
        ];
        prop::collection::vec(change, 1..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn they_hold_what_a_list_of_bytes_would(changes in changes()) {
            let (mut pages, mut bytes) = (Pages::default(), Vec::new());
            for change in changes {
                let copy = (pages.clone(), bytes.clone());
                match change {
                    Change::SetLen(len) => {
                        pages.set_len(len);
                        bytes.resize(len, 0);
                    }
                    Change::Write(offset, more) => {
                        pages.write(offset, &more);
                        let end = offset + more.len();
                        bytes.resize(bytes.len().max(end), 0);
                        bytes[offset..end].copy_from_slice(&more);
                    }
                }
                for (pages, bytes) in [(&pages, &bytes), (&copy.0, &copy.1)] {
                    let mut read = vec![9; bytes.len() + 10];
                    prop_assert_eq!(pages.read(0, &mut read), bytes.len());
                    prop_assert_eq!(&read[..bytes.len()], &bytes[..]);
                    prop_assert_eq!(pages.len(), bytes.len());
                }
            }
        }
    }
}
