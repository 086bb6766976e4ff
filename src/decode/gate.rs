//! Which unit may go into the decoder (pure): from a key frame on, without gaps.

use crate::mailbox::DropReason;
use crate::media::AccessUnit;

/// Lets units of one session through from a key frame on, and closes at a gap.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// Sequence that the next unit must have; `None` until a key frame has gone through.
    next: Option<u64>,
}

impl Gate {
    /// Says whether `unit` may go in.
    ///
    /// # Errors
    /// [`DropReason::AwaitingKey`] while it cannot be decoded for want of what came before.
    pub(crate) fn admit(&mut self, unit: &AccessUnit) -> Result<(), DropReason> {
        if unit.key || self.next == Some(unit.sequence) {
            self.next = Some(unit.sequence.saturating_add(1));
            Ok(())
        } else {
            self.next = None;
            Err(DropReason::AwaitingKey)
        }
    }

    /// Something was lost behind the gate: closed until the next key frame.
    pub(crate) const fn close(&mut self) {
        self.next = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::court::tests::unit;

    #[test]
    fn a_gap_closes_the_gate_until_a_key_frame() {
        let mut gate = Gate::default();
        let mut seen = Vec::new();
        for (sequence, key) in
            [(0, false), (1, true), (2, false), (4, false), (5, false), (6, true), (7, false)]
        {
            seen.push(gate.admit(&unit(sequence, key)).is_ok());
        }
        assert_eq!(seen, [false, true, true, false, false, true, true]);
        gate.close();
        assert!(gate.admit(&unit(8, false)).is_err());
        assert!(gate.admit(&unit(30, true)).is_ok(), "a key frame mends any gap");
    }
}
