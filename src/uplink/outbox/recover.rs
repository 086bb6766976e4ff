//! What a start finds in the store, by court: the last of each family, what is open, clips to cut.

use std::collections::BTreeMap;
use std::path::PathBuf;

use redb::{ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata};

use crate::event::{ClipOrder, Event};
use crate::media::CourtId;
use crate::uplink::caught::caught;
use crate::uplink::outbox::aside::PutAside;
use crate::uplink::outbox::store::Store;
use crate::uplink::outbox::tables::{
    BY_COURT, CHECKPOINTS, CLIPS, LATEST, LOG, OPEN, SEQUENCES, StoreError, WAITING,
};

/// Events of a court that a start is given: what one step of its game told is at most some ten.
pub(crate) const RECENT: usize = 64;

/// What the store knows of one court, of the kinds that this version knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CourtRecords {
    /// The last sequence.
    pub last_sequence: u64,
    /// The last event of each family.
    pub latest: BTreeMap<String, Event>,
    /// Facts whose last durable record is provisional, in order of decision.
    pub open: Vec<Event>,
    /// The last [`RECENT`] events, in order of decision, where some of them were written one by one and
    /// what was decided together may be parted. Empty where each decision is whole.
    pub recent: Vec<Event>,
}

/// What a start finds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovered {
    /// By court.
    pub courts: BTreeMap<CourtId, CourtRecords>,
    /// Each log from its last checkpoint on, or from its beginning if it has none: (n, entry).
    pub logs: BTreeMap<String, Vec<(u64, Vec<u8>)>>,
    /// Logs of which entries are gone: what they make cannot be made again.
    pub broken_logs: Vec<String>,
    /// Clips to cut.
    pub clips: Vec<ClipOrder>,
    /// Events without a PUBACK.
    pub unsent: u64,
    /// A store that could not be read was put there, and a new one begun.
    pub damaged: Option<PathBuf>,
    /// Stores of a newer version, which this one cannot read. They lie there untouched.
    pub put_aside: Vec<PutAside>,
}

impl Store {
    /// The clips that events after a position ask for and that are not on disk, in order of decision.
    ///
    /// # Errors
    /// [`StoreError`] when the disk or a record cannot be read.
    pub(crate) fn clips_owed(&self, after: u64) -> Result<Vec<(u64, ClipOrder)>, StoreError> {
        caught(|| -> Result<Vec<(u64, ClipOrder)>, StoreError> {
            let read = self.database()?.begin_read().map_err(StoreError::disk)?;
            let clips = read.open_table(CLIPS).map_err(StoreError::disk)?;
            let mut owed = Vec::new();
            for row in clips.iter().map_err(StoreError::disk)? {
                let position = row.map_err(StoreError::disk)?.1.value();
                if position <= after {
                    continue;
                }
                owed.extend(self.read_or_skip(position)?.and_then(|record| {
                    let (session, _) = record.header.moment();
                    let request = record.header.clip?;
                    Some((position, ClipOrder { court: record.header.court, session, request }))
                }));
            }
            owed.sort_by_key(|(position, _)| *position);
            Ok(owed)
        })?
    }

    /// What a start goes on from.
    ///
    /// # Errors
    /// [`StoreError`] when the disk or a record cannot be read.
    pub(crate) fn recover(&self) -> Result<Recovered, StoreError> {
        caught(|| -> Result<Recovered, StoreError> {
            let read = self.database()?.begin_read().map_err(StoreError::disk)?;
            let mut recovered = Recovered::default();
            let waiting = read.open_table(WAITING).map_err(StoreError::disk)?;
            recovered.unsent = waiting.len().map_err(StoreError::disk)?;
            let owed = self.clips_owed(0)?;
            recovered.clips = owed.into_iter().map(|(_, order)| order).collect();
            let sequences = read.open_table(SEQUENCES).map_err(StoreError::disk)?;
            for row in sequences.iter().map_err(StoreError::disk)? {
                let (court, last_sequence) = row.map_err(StoreError::disk)?;
                let Ok(court) = CourtId::new(court.value()) else { continue };
                let records = self.of_court(&read, court.as_str(), last_sequence.value())?;
                recovered.courts.insert(court, records);
            }
            (recovered.logs, recovered.broken_logs) = logs(&read)?;
            Ok(recovered)
        })?
    }

    fn of_court(
        &self,
        read: &ReadTransaction,
        court: &str,
        last_sequence: u64,
    ) -> Result<CourtRecords, StoreError> {
        let mut records = CourtRecords { last_sequence, ..CourtRecords::default() };
        let latest = read.open_table(LATEST).map_err(StoreError::disk)?;
        for row in latest.range((court, "")..).map_err(StoreError::disk)? {
            let (key, position) = row.map_err(StoreError::disk)?;
            let (of, family) = key.value();
            if of != court {
                break;
            }
            if let Some(event) = self.event(position.value())? {
                records.latest.insert(family.to_owned(), event);
            }
        }
        let open = read.open_table(OPEN).map_err(StoreError::disk)?;
        let mut positions = Vec::new();
        for row in open.range((court, "")..).map_err(StoreError::disk)? {
            let (key, position) = row.map_err(StoreError::disk)?;
            if key.value().0 != court {
                break;
            }
            positions.push(position.value());
        }
        positions.sort_unstable();
        records.open = self.events(positions)?;
        let by_court = read.open_table(BY_COURT).map_err(StoreError::disk)?;
        let rows = by_court.range((court, 0)..=(court, u64::MAX)).map_err(StoreError::disk)?;
        let mut positions = Vec::new();
        for row in rows.rev().take(RECENT) {
            positions.push(row.map_err(StoreError::disk)?.1.value());
        }
        positions.reverse();
        if positions.first().is_none_or(|oldest| *oldest > self.parted_to()) {
            positions.clear();
        }
        records.recent = self.events(positions)?;
        Ok(records)
    }

    fn events(&self, positions: Vec<u64>) -> Result<Vec<Event>, StoreError> {
        let events = positions.into_iter().map(|position| self.event(position));
        events.filter_map(Result::transpose).collect()
    }

    /// The event of a record; none where this version does not know what it means.
    fn event(&self, position: u64) -> Result<Option<Event>, StoreError> {
        Ok(self.read_or_skip(position)?.and_then(|record| record.event()))
    }
}

/// The logs that run on without a hole, and the names of those that do not.
fn logs(read: &ReadTransaction) -> Result<(Logs, Vec<String>), StoreError> {
    let checkpoints = read.open_table(CHECKPOINTS).map_err(StoreError::disk)?;
    let log = read.open_table(LOG).map_err(StoreError::disk)?;
    let (mut logs, mut broken) = (BTreeMap::new(), Vec::new());
    let mut next = (String::new(), 0);
    // From log to log, since most of each lies before its checkpoint.
    while let Some(row) = log.range((next.0.as_str(), next.1)..).map_err(StoreError::disk)?.next() {
        let name = row.map_err(StoreError::disk)?.0.value().0.to_owned();
        let checkpoint = checkpoints.get(name.as_str()).map_err(StoreError::disk)?;
        let from = checkpoint.map_or(0, |guard| guard.value());
        let mut entries = Vec::new();
        let rows = log.range((name.as_str(), from)..=(name.as_str(), u64::MAX));
        for row in rows.map_err(StoreError::disk)? {
            let (key, value) = row.map_err(StoreError::disk)?;
            entries.push((key.value().1, value.value().1.to_vec()));
        }
        // No name has a zero in it: the next log begins after this.
        next = (format!("{name}\0"), 0);
        let first = from.max(1);
        if entries.iter().map(|(n, _)| *n).eq(first..first + entries.len() as u64) {
            logs.insert(name, entries);
        } else {
            broken.push(name);
        }
    }
    Ok((logs, broken))
}

/// By name: (n, entry).
type Logs = BTreeMap<String, Vec<(u64, Vec<u8>)>>;
