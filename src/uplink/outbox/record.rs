//! What is kept of one event, and the envelope that it leaves in. Pure.
//!
//! A record is written once and never changed: every sending is made from the stored bytes, so a
//! repeat has the same id and data. `time` and `historical` are worked out at each sending.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{AnchorSnapshot, Stamp};
use crate::event::{ClipRequest, Envelope, Event, FactId, HISTORICAL_AFTER, Saying};
use crate::media::{BoxName, CourtId, MediaTime, Monotonic, SessionId, UtcTime};

/// What may be let go when space runs out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    /// Never within the promise of 72 h.
    #[default]
    Fact,
    /// First. No message of this class is made yet.
    Telemetry,
}

/// When an event was decided, as well as this box knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Decided {
    /// Names the origin of `monotonic_ns`.
    pub boot: String,
    /// The monotonic clock then.
    pub monotonic_ns: u64,
    /// UTC then, if the clock was plausible.
    pub utc_ns: Option<i64>,
}

/// The clocks at a sending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now<'a> {
    /// Names the origin of `monotonic`.
    pub boot: &'a str,
    /// The monotonic clock.
    pub monotonic: Monotonic,
    /// UTC, if it is plausible.
    pub utc: Option<UtcTime>,
}

impl Now<'_> {
    /// As a record keeps it.
    #[must_use]
    pub(crate) fn decided(&self) -> Decided {
        Decided {
            boot: self.boot.to_owned(),
            monotonic_ns: self.monotonic.as_nanos(),
            utc_ns: self.utc.map(UtcTime::as_nanos),
        }
    }
}

impl Decided {
    /// Time since then; `None` when neither clock can tell.
    #[must_use]
    pub(crate) fn age(&self, now: &Now<'_>) -> Option<Duration> {
        if self.boot == now.boot {
            return Some(now.monotonic.since(Monotonic::from_nanos(self.monotonic_ns)));
        }
        let nanos = now.utc?.nanos_since(UtcTime::from_nanos(self.utc_ns?));
        u64::try_from(nanos).ok().map(Duration::from_nanos)
    }

    /// True when it leaves more than 5 s after it was decided, or when nobody can tell.
    #[must_use]
    pub(crate) fn is_historical(&self, now: &Now<'_>) -> bool {
        self.age(now).is_none_or(|age| age > HISTORICAL_AFTER)
    }
}

/// One event on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Order of decision over all courts of this box, from 1.
    pub position: u64,
    /// Order of decision within the court, from 1.
    pub sequence: u64,
    /// The court.
    pub court: CourtId,
    /// `{session}-{n}`.
    pub fact: String,
    /// 0, then counted up.
    pub revision: u32,
    /// The attempt.
    pub attempt: u32,
    /// Media time of the fact, ns.
    pub at_ns: i64,
    /// What it says.
    pub saying: Saying,
    /// The clip's pin: one write with the event (DESIGN §5.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<ClipRequest>,
    /// When it was decided.
    pub decided: Decided,
    /// The clock's anchor at the decision.
    #[serde(default)]
    pub anchor: AnchorSnapshot,
    /// What may be let go first.
    #[serde(default)]
    pub class: Class,
}

/// Bytes of a record cannot be read back.
#[derive(Debug, thiserror::Error)]
#[error("record of an event cannot be read")]
pub struct RecordError(#[from] serde_json::Error);

/// The places that an event takes in the two orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Over all courts.
    pub position: u64,
    /// Within the court.
    pub sequence: u64,
}

impl Record {
    /// The record of `event`.
    #[must_use]
    pub(crate) fn new(
        place: Place,
        event: &Event,
        decided: Decided,
        anchor: AnchorSnapshot,
    ) -> Self {
        Self {
            position: place.position,
            sequence: place.sequence,
            court: event.court.clone(),
            fact: event.fact.to_string(),
            revision: event.revision,
            attempt: event.attempt,
            at_ns: event.at.as_nanos(),
            saying: event.saying.clone(),
            clip: event.clip.clone(),
            decided,
            anchor,
            class: Class::Fact,
        }
    }

    /// Its bytes on disk. They read back, or there are none: a number that is no number does not.
    ///
    /// # Errors
    /// [`RecordError`] when the event holds what JSON cannot carry.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, RecordError> {
        let bytes = serde_json::to_vec(self)?;
        Self::decode(&bytes)?;
        Ok(bytes)
    }

    /// Reads what `encode` wrote.
    ///
    /// # Errors
    /// [`RecordError`] when the bytes are something else.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        Ok(serde_json::from_slice(bytes)?)
    }

    /// `{fact}.{revision}`.
    #[must_use]
    pub(crate) fn id(&self) -> String {
        format!("{}.{}", self.fact, self.revision)
    }

    /// The event again; `None` if its fact's name was damaged.
    #[must_use]
    pub(crate) fn event(&self) -> Option<Event> {
        Some(Event {
            court: self.court.clone(),
            fact: FactId::parse(&self.fact)?,
            revision: self.revision,
            attempt: self.attempt,
            at: MediaTime::from_nanos(self.at_ns),
            saying: self.saying.clone(),
            clip: self.clip.clone(),
        })
    }

    /// When it was, by the stream's own clock.
    #[must_use]
    pub(crate) fn moment(&self) -> (SessionId, MediaTime) {
        let fact = FactId::parse(&self.fact);
        let session = fact.map_or(SessionId::from_bits(0), |fact| fact.session);
        (session, MediaTime::from_nanos(self.at_ns))
    }

    /// Where it is published, below the box's root.
    #[must_use]
    pub(crate) fn topic(&self) -> String {
        format!("event/{}/{}", self.court, self.saying.family().topic())
    }

    /// The envelope that it leaves in now.
    #[must_use]
    pub(crate) fn envelope(&self, box_name: &BoxName, time: &Stamp, now: &Now<'_>) -> Envelope {
        let (session, _) = self.moment();
        Envelope {
            specversion: "1.0".to_owned(),
            id: self.id(),
            source: format!("courtside:{box_name}/{}", self.court),
            event_type: self.saying.event_type().to_owned(),
            time: time.utc.to_rfc3339(),
            datacontenttype: "application/json".to_owned(),
            subject: format!("{session}/{}", self.attempt),
            sequence: self.sequence.to_string(),
            session: session.to_string(),
            fact: self.fact.clone(),
            revision: self.revision,
            historical: self.decided.is_historical(now),
            clocksource: time.source_name().to_owned(),
            clockerrorms: time.error_ms,
            data: data(&self.saying),
        }
    }
}

/// What stands under `data`. An enum of plain structs always becomes JSON.
fn data(saying: &Saying) -> serde_json::Value {
    match serde_json::to_value(saying) {
        Ok(serde_json::Value::Object(mut tagged)) => {
            tagged.remove("data").unwrap_or(serde_json::Value::Null)
        }
        Ok(_) | Err(_) => serde_json::Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ModelRef, Shot};
    use crate::media::WallSource;

    fn shot(confidence: f64) -> Event {
        Event {
            court: CourtId::new("a").unwrap(),
            fact: FactId { session: SessionId::from_bits(7), n: 3 },
            revision: 1,
            attempt: 2,
            at: MediaTime::from_millis(12_345),
            saying: Saying::ShotMade(Shot {
                rim: 0,
                t_stream: 12.345,
                t_decided: 12.7,
                confidence,
                provisional: false,
                points: None,
                clip: None,
                model: ModelRef {
                    bundle: "rim".into(),
                    version: "1".into(),
                    precision: "fp32".into(),
                    engine: "builtin".into(),
                },
                latency_ms: 31.25,
            }),
            clip: None,
        }
    }

    fn now(boot: &str, monotonic_s: u64, utc_s: Option<i64>) -> Now<'_> {
        Now {
            boot,
            monotonic: Monotonic::from_nanos(monotonic_s * 1_000_000_000),
            utc: utc_s.map(|s| UtcTime::from_nanos(s * 1_000_000_000)),
        }
    }

    fn record(confidence: f64, decided: Decided) -> Record {
        let place = Place { position: 9, sequence: 4 };
        Record::new(place, &shot(confidence), decided, AnchorSnapshot::default())
    }

    #[test]
    fn a_record_reads_back_as_the_same_event() {
        let written = record(0.1 + 0.2, now("x", 1, Some(100)).decided());
        let read = Record::decode(&written.encode().unwrap()).unwrap();
        assert_eq!(read.event(), Some(shot(0.1 + 0.2)));
        assert_eq!(read, written);
    }

    #[test]
    fn what_json_cannot_carry_is_refused_before_it_is_promised() {
        assert!(record(f64::NAN, now("x", 1, None).decided()).encode().is_err());
    }

    #[test]
    fn historical_is_worked_out_at_each_sending() {
        // (decided, sent, historical)
        let table = [
            (now("x", 10, Some(100)), now("x", 15, Some(105)), false),
            (now("x", 10, Some(100)), now("x", 16, Some(106)), true),
            // UTC stepped a year forwards or back: the monotonic clock knows better.
            (now("x", 10, Some(100)), now("x", 11, Some(31_536_100)), false),
            (now("x", 10, Some(31_536_000)), now("x", 16, Some(100)), true),
            // Another boot: UTC, if both were plausible.
            (now("x", 10, Some(100)), now("y", 1, Some(103)), false),
            (now("x", 10, Some(100)), now("y", 1, Some(106)), true),
            (now("x", 10, Some(100)), now("y", 1, Some(99)), true),
            (now("x", 10, None), now("y", 1, Some(103)), true),
            (now("x", 10, Some(100)), now("y", 1, None), true),
        ];
        for (decided, sent, expected) in table {
            assert_eq!(decided.decided().is_historical(&sent), expected, "{decided:?} {sent:?}");
        }
    }

    #[test]
    fn the_envelope_is_that_of_the_design() {
        let record = record(0.5, now("x", 10, Some(100)).decided());
        let sent = now("x", 11, Some(101));
        let utc = UtcTime::from_nanos(100_000_000_000);
        let time = Stamp { utc, source: Some(WallSource::Sei), error_ms: 40 };
        let envelope = record.envelope(&BoxName::new("rim-1").unwrap(), &time, &sent);
        assert_eq!(envelope.id, "0000000000000007-3.1");
        assert_eq!(envelope.source, "courtside:rim-1/a");
        assert_eq!(envelope.event_type, "courtside.shot.made.v1");
        assert_eq!(envelope.sequence, "4");
        assert_eq!(envelope.time, "1970-01-01T00:01:40.000Z");
        assert_eq!(envelope.data["t_stream"], 12.345);
        assert_eq!((envelope.clocksource.as_str(), envelope.clockerrorms), ("sei", 40));
        assert!(!envelope.historical);
        assert_eq!(record.topic(), "event/a/shot");
    }
}
