//! What a start finds in the store: the last score, what was not finished, clips to cut.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata};

use crate::event::{ClipRequest, Event, Saying, Score};
use crate::media::{CourtId, SessionId};
use crate::uplink::outbox::record::Record;
use crate::uplink::outbox::store::{
    CLIPS, OPEN, RECORDS, SCORES, SEQUENCES, Store, StoreError, WAITING, readable,
};

/// Records before a court's last score that belong to what it stands on: the burst of one step of
/// the game is at most some ten, those of other courts may lie between.
const BEFORE_A_SCORE: u64 = 64;
/// Records to look through for a court that never had a score.
const WITHOUT_A_SCORE: u64 = 1024;

/// A clip that an event asked for, not yet durable.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingClip {
    /// The court.
    pub court: CourtId,
    /// The session that its times belong to.
    pub session: SessionId,
    /// The fact that asked for it.
    pub fact: String,
    /// What is wanted.
    pub request: ClipRequest,
}

/// What a start finds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovered {
    /// The last sequence of each court.
    pub last_sequence: BTreeMap<CourtId, u64>,
    /// The last durable score of each court.
    pub last_score: BTreeMap<CourtId, Score>,
    /// Final shots, made or missed, that no durable score counts. In order of decision.
    pub unscored: Vec<Event>,
    /// Facts whose last durable record is provisional.
    pub open: Vec<Event>,
    /// Highlights whose shot has no final `made`.
    pub standing: Vec<Event>,
    /// Clips to cut.
    pub clips: Vec<PendingClip>,
    /// Events without a PUBACK.
    pub unsent: u64,
    /// A store that could not be read was put there, and a new one begun.
    pub damaged: Option<PathBuf>,
}

impl Store {
    /// What a start goes on from.
    ///
    /// # Errors
    /// [`StoreError`] when the disk or a record cannot be read.
    pub(crate) fn recover(&self) -> Result<Recovered, StoreError> {
        let read = self.database()?.begin_read().map_err(StoreError::disk)?;
        let mut recovered = Recovered::default();
        let waiting = read.open_table(WAITING).map_err(StoreError::disk)?;
        recovered.unsent = waiting.len().map_err(StoreError::disk)?;
        for row in
            read.open_table(CLIPS).map_err(StoreError::disk)?.iter().map_err(StoreError::disk)?
        {
            let position = row.map_err(StoreError::disk)?.1.value();
            let pending = self.read_or_skip(position)?.and_then(|record| {
                let event = record.event()?;
                let request = event.clip.clone()?;
                let (court, session) = (event.court, event.fact.session);
                Some(PendingClip { court, session, fact: record.fact, request })
            });
            recovered.clips.extend(pending);
        }
        let sequences = read.open_table(SEQUENCES).map_err(StoreError::disk)?;
        for row in sequences.iter().map_err(StoreError::disk)? {
            let (court, last_sequence) = row.map_err(StoreError::disk)?;
            let Ok(court) = CourtId::new(court.value()) else { continue };
            self.recover_court(&read, &court, &mut recovered)?;
            recovered.last_sequence.insert(court, last_sequence.value());
        }
        Ok(recovered)
    }

    fn recover_court(
        &self,
        read: &redb::ReadTransaction,
        court: &CourtId,
        recovered: &mut Recovered,
    ) -> Result<(), StoreError> {
        let name = court.as_str();
        let scores = read.open_table(SCORES).map_err(StoreError::disk)?;
        let score_at = scores.get(name).map_err(StoreError::disk)?.map(|guard| guard.value());
        if let Some(at) = score_at
            && let Some(Record { saying: Saying::Score(score), .. }) = self.read_or_skip(at)?
        {
            recovered.last_score.insert(court.clone(), score);
        }
        let from = match score_at {
            Some(at) => at.saturating_sub(BEFORE_A_SCORE),
            None => self.last_position.saturating_sub(WITHOUT_A_SCORE),
        };
        let mut found = Vec::new();
        let open = read.open_table(OPEN).map_err(StoreError::disk)?;
        for row in open.iter().map_err(StoreError::disk)? {
            let (key, position) = row.map_err(StoreError::disk)?;
            if key.value().0 == name && position.value() < from {
                found.extend(self.read_or_skip(position.value())?);
            }
        }
        let records = read.open_table(RECORDS).map_err(StoreError::disk)?;
        for row in records.range(from..).map_err(StoreError::disk)? {
            let (position, bytes) = row.map_err(StoreError::disk)?;
            found.extend(readable(position.value(), bytes.value()));
        }
        found.retain(|record| record.court == *court);
        let left = unfinished(found);
        recovered.unscored.extend(left.unscored);
        recovered.open.extend(left.open);
        recovered.standing.extend(left.standing);
        Ok(())
    }
}

/// What the last run did not finish, of one court's last records in order of decision. Pure.
fn unfinished(records: Vec<Record>) -> Recovered {
    let mut last: BTreeMap<String, Record> = BTreeMap::new();
    let mut scored = BTreeSet::new();
    for record in records {
        if let Saying::Score(score) = &record.saying {
            scored.extend(score.after.clone());
        }
        last.insert(record.fact.clone(), record);
    }
    let made = |shot: &str| match last.get(shot).map(|record| &record.saying) {
        Some(Saying::ShotMade(shot)) => !shot.provisional,
        Some(_) => false,
        // Older than what was read: settled long ago.
        None => true,
    };
    let mut in_order: Vec<&Record> = last.values().collect();
    in_order.sort_by_key(|record| record.position);
    let mut left = Recovered::default();
    for record in in_order {
        let Some(event) = record.event() else { continue };
        match &record.saying {
            saying if saying.is_provisional() => left.open.push(event),
            Saying::ShotMade(_) | Saying::ShotMissed(_) if !scored.contains(&record.fact) => {
                left.unscored.push(event);
            }
            Saying::Highlight(highlight) if !made(&highlight.shot) => left.standing.push(event),
            Saying::ShotMade(_)
            | Saying::ShotMissed(_)
            | Saying::ShotUnsure(_)
            | Saying::ShotWithdrawn(_)
            | Saying::Score(_)
            | Saying::Highlight(_)
            | Saying::HighlightWithdrawn(_) => {}
        }
    }
    left
}
