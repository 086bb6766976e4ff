//! What the store lets go, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use redb::{ReadTransaction, ReadableDatabase, ReadableTable, WriteTransaction};

use crate::media::UtcTime;
use crate::uplink::caught::caught;
use crate::uplink::outbox::record::{Class, Record};
use crate::uplink::outbox::store::Store;
use crate::uplink::outbox::tables::{
    BY_COURT, CHECKPOINTS, CLIPS, LATEST, LOG, OPEN, RECORDS, SENT, StoreError, WAITING, readable,
};
use crate::uplink::outbox::write::write_counts;

/// Sent records stay so long, to be given again, entries of a log to make its game again; and no fact
/// is shed within it (DESIGN §5.4).
const KEPT: Duration = Duration::from_secs(15 * 24 * 3600);
/// Newest records that are never let go: `recover` reads the last facts among them.
const NEVER_FORGOTTEN: u64 = 256;
/// Records forgotten in one commit, so that housekeeping never delays an event by much.
const FORGOTTEN_AT_ONCE: usize = 512;
/// Waiting records read in one call, for the same reason: a million may wait, and none of them go.
const LOOKED_AT_ONCE: usize = 512;

impl Store {
    /// Forgets what need not be kept: sent ones older than 15 days, then, while the records hold more
    /// than `quota` bytes, sent ones, telemetry, and facts older than 15 days, each oldest first.
    ///
    /// Facts are shed once all that wait were looked at for telemetry, 512 a call, since the store was opened.
    /// Never one whose clip is not durable, never the newest 256. Returns what was shed without a
    /// PUBACK. Writes nothing when there is nothing to do. At most 512 records a call. What was sent
    /// before `floor`, by a clock that was not set yet, has no age: only the quota takes it.
    ///
    /// Of a log, what is older than 15 days *and* stands before its last checkpoint: the rest makes
    /// its game again, whatever its age and size.
    ///
    /// # Errors
    /// [`StoreError`], as [`Self::commit`].
    pub(crate) fn forget(
        &mut self,
        quota: u64,
        now: Option<UtcTime>,
        floor: UtcTime,
    ) -> Result<Vec<u64>, StoreError> {
        caught(|| -> Result<Vec<u64>, StoreError> {
            let plan = self.plan(quota, now, floor)?;
            self.swept = plan.swept;
            let mut counts = self.counts();
            let sheds = !plan.shed.is_empty() || (counts.shed > 0 && counts.shed_at == 0);
            if let Some(now) = now.filter(|_| sheds) {
                counts.shed_at = u64::try_from(now.as_nanos()).unwrap_or(0);
            }
            let is_dated = counts.shed_at != self.counts().shed_at;
            if plan.forget.is_empty() && plan.entries.is_empty() && !is_dated {
                return Ok(Vec::new());
            }
            let write = self.database()?.begin_write().map_err(StoreError::disk)?;
            counts.bytes = counts.bytes.saturating_sub(plan.bytes);
            counts.shed += plan.shed.len() as u64;
            counts.shed_telemetry += plan.telemetry;
            remove(&write, &plan.forget)?;
            write_counts(&write, &counts)?;
            remove_entries(&write, &plan.entries)?;
            write.commit().map_err(StoreError::disk)?;
            self.counted(counts);
            Ok(plan.shed)
        })?
    }

    fn plan(&self, quota: u64, now: Option<UtcTime>, floor: UtcTime) -> Result<Plan, StoreError> {
        let read = self.database()?.begin_read().map_err(StoreError::disk)?;
        let records = read.open_table(RECORDS).map_err(StoreError::disk)?;
        let clips = read.open_table(CLIPS).map_err(StoreError::disk)?;
        let mut pinned = BTreeSet::new();
        for row in clips.iter().map_err(StoreError::disk)? {
            pinned.insert(row.map_err(StoreError::disk)?.1.value());
        }
        let open = read.open_table(OPEN).map_err(StoreError::disk)?;
        for row in open.iter().map_err(StoreError::disk)? {
            pinned.insert(row.map_err(StoreError::disk)?.1.value());
        }
        let latest = read.open_table(LATEST).map_err(StoreError::disk)?;
        for row in latest.iter().map_err(StoreError::disk)? {
            pinned.insert(row.map_err(StoreError::disk)?.1.value());
        }
        let newest = self.last_position().saturating_sub(NEVER_FORGOTTEN);
        let entries = old_entries(&read, now, floor)?;
        let mut plan = Plan { entries, swept: self.swept, ..Plan::default() };
        let over = |plan: &Plan| self.counts().bytes.saturating_sub(plan.bytes) > quota;
        let sent = read.open_table(SENT).map_err(StoreError::disk)?;
        for row in sent.iter().map_err(StoreError::disk)? {
            let (position, at) = row.map_err(StoreError::disk)?;
            let (position, at) = (position.value(), UtcTime::from_nanos(at.value()));
            let old = at >= floor && now.is_some_and(|now| older(now, at));
            if position > newest || plan.is_full() || !(old || over(&plan)) {
                break;
            }
            if !pinned.contains(&position) {
                let bytes = records.get(position).map_err(StoreError::disk)?;
                plan.add(position, bytes.map_or(0, |guard| guard.value().len()));
            }
        }
        if !over(&plan) {
            return Ok(plan);
        }
        let waiting = read.open_table(WAITING).map_err(StoreError::disk)?;
        let readable = |position: u64| -> Result<Option<(Record, usize)>, StoreError> {
            let bytes = records.get(position).map_err(StoreError::disk)?;
            Ok(bytes.and_then(|bytes| {
                let bytes = bytes.value();
                Some((readable(position, bytes)?, bytes.len()))
            }))
        };
        if plan.swept < newest {
            let rows = waiting.range(plan.swept + 1..=newest).map_err(StoreError::disk)?;
            for (looked, row) in rows.enumerate() {
                if looked >= LOOKED_AT_ONCE || plan.is_full() || !over(&plan) {
                    return Ok(plan);
                }
                let position = row.map_err(StoreError::disk)?.0.value();
                plan.swept = position;
                if let Some((record, bytes)) = readable(position)?
                    && record.header.class == Class::Telemetry
                    && !pinned.contains(&position)
                {
                    plan.shed(position, bytes, Class::Telemetry);
                }
            }
            plan.swept = newest;
        }
        // Only when no telemetry is left.
        for row in waiting.iter().map_err(StoreError::disk)?.take(LOOKED_AT_ONCE) {
            let position = row.map_err(StoreError::disk)?.0.value();
            if position > newest || plan.is_full() || !over(&plan) {
                break;
            }
            let Some((record, bytes)) = readable(position)? else { continue };
            let decided = record.header.decided.utc_ns.map(UtcTime::from_nanos);
            match now.zip(decided).map(|(now, decided)| older(now, decided)) {
                // What follows was decided later.
                Some(false) => break,
                None => {}
                // What only another version knows is not ours to shed.
                Some(true) => {
                    let is_ours = record.event().is_some() && !pinned.contains(&position);
                    if is_ours && !plan.forget.contains_key(&position) {
                        plan.shed(position, bytes, Class::Fact);
                    }
                }
            }
        }
        Ok(plan)
    }
}

/// What `forget` takes out.
#[derive(Debug, Default)]
struct Plan {
    forget: BTreeMap<u64, u64>,
    /// Of the logs, by name and n.
    entries: Vec<(String, u64)>,
    bytes: u64,
    shed: Vec<u64>,
    /// Of those shed, the ones that are no facts.
    telemetry: u64,
    /// Waiting records up to here were looked at for telemetry.
    swept: u64,
}

impl Plan {
    fn add(&mut self, position: u64, bytes: usize) {
        self.forget.insert(position, bytes as u64);
        self.bytes += bytes as u64;
    }

    fn shed(&mut self, position: u64, bytes: usize, class: Class) {
        self.add(position, bytes);
        self.shed.push(position);
        self.telemetry += u64::from(class == Class::Telemetry);
    }

    fn is_full(&self) -> bool {
        self.forget.len() >= FORGOTTEN_AT_ONCE
    }
}

fn older(now: UtcTime, at: UtcTime) -> bool {
    i64::try_from(KEPT.as_nanos()).is_ok_and(|kept| now.nanos_since(at) > kept)
}

fn old_entries(
    read: &ReadTransaction,
    now: Option<UtcTime>,
    floor: UtcTime,
) -> Result<Vec<(String, u64)>, StoreError> {
    let mut old = Vec::new();
    let Some(now) = now else { return Ok(old) };
    let checkpoints = read.open_table(CHECKPOINTS).map_err(StoreError::disk)?;
    let log = read.open_table(LOG).map_err(StoreError::disk)?;
    for row in checkpoints.iter().map_err(StoreError::disk)? {
        let (name, checkpoint) = row.map_err(StoreError::disk)?;
        let name = name.value();
        let rows = log.range((name, 0)..(name, checkpoint.value())).map_err(StoreError::disk)?;
        for row in rows {
            let (key, value) = row.map_err(StoreError::disk)?;
            let at = UtcTime::from_nanos(value.value().0);
            // What follows is younger.
            if old.len() >= FORGOTTEN_AT_ONCE || at < floor || !older(now, at) {
                break;
            }
            old.push((name.to_owned(), key.value().1));
        }
    }
    Ok(old)
}

fn remove_entries(write: &WriteTransaction, entries: &[(String, u64)]) -> Result<(), StoreError> {
    let mut log = write.open_table(LOG).map_err(StoreError::disk)?;
    for (name, n) in entries {
        log.remove((name.as_str(), *n)).map_err(StoreError::disk)?;
    }
    Ok(())
}

fn remove(write: &WriteTransaction, forget: &BTreeMap<u64, u64>) -> Result<(), StoreError> {
    let mut records = write.open_table(RECORDS).map_err(StoreError::disk)?;
    let mut by_court = write.open_table(BY_COURT).map_err(StoreError::disk)?;
    let mut waiting = write.open_table(WAITING).map_err(StoreError::disk)?;
    let mut sent = write.open_table(SENT).map_err(StoreError::disk)?;
    for position in forget.keys() {
        let removed = match records.remove(position).map_err(StoreError::disk)? {
            Some(guard) => readable(*position, guard.value()),
            None => None,
        };
        if let Some(record) = removed {
            by_court
                .remove((record.header.line().as_str(), record.header.sequence))
                .map_err(StoreError::disk)?;
        }
        waiting.remove(position).map_err(StoreError::disk)?;
        sent.remove(position).map_err(StoreError::disk)?;
    }
    Ok(())
}
