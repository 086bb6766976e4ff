//! What is kept of one event, and the envelope that it leaves in. Pure.
//!
//! A record is written once and never changed: every sending is made from the stored bytes, so a
//! repeat has the same id and data. `time` and `historical` are worked out at each sending.
//!
//! Nothing here knows a kind. A record says of its event what order, topic and promise need (its
//! type, family, whether more must follow, what it stands on), and keeps the data as bytes: so an
//! event of a kind that another version made is kept and sent like any other.
//!
//! On disk: a header as JSON in one line, a line feed, the data as they are sent. What a header
//! says beyond what is known here stays in it. The header begins with `{"sum":"…",`: CRC-32 (IEEE 802.3) of
//! all that follows it, so a bit that turned on the disk is no event. Records of before have none.

use std::time::Duration;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::clock::{AnchorSnapshot, Stamp};
use crate::event::{ClipRequest, Envelope, Event, FactId, HISTORICAL_AFTER, Saying};
use crate::media::{
    BoxName, CourtId, GameId, MediaTime, Monotonic, SessionId, UtcTime, WallSource,
};

/// What may be let go when space runs out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    /// First. No message of this class is made yet.
    Telemetry,
    /// Never within the promise of 15 days; nor is what only another version knows.
    #[default]
    #[serde(other)]
    Fact,
}

/// When an event was decided, as well as this box knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DecidedWhen {
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
    pub(crate) fn decided(&self) -> DecidedWhen {
        DecidedWhen {
            boot: self.boot.to_owned(),
            monotonic_ns: self.monotonic.as_nanos(),
            utc_ns: self.utc.map(UtcTime::as_nanos),
        }
    }
}

impl DecidedWhen {
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

/// What a record with a checksum begins with.
pub(super) const SUM: &str = "{\"sum\":\"";

/// One event on disk.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    /// What is known of it, whatever its kind.
    pub header: Header,
    /// What stands under `data` of its envelope: JSON, sent as it is.
    pub data: Vec<u8>,
}

/// What the outbox knows of an event: everything but what it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// Order of decision over all courts of this box, from 1.
    pub position: u64,
    /// Order of decision within the court, or of what is the game's within the game, from 1.
    pub sequence: u64,
    /// The court.
    pub court: CourtId,
    /// The game that was started there, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game: Option<GameId>,
    /// True of what is told of the game as a whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wide: bool,
    /// The session that its times belong to, as the envelope has it.
    pub session: String,
    /// Names what happened.
    pub fact: String,
    /// 0, then counted up.
    pub revision: u32,
    /// The attempt, as the envelope has it.
    pub subject: String,
    /// Media time of the fact, ns.
    pub at_ns: i64,
    /// CloudEvents `type`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Last word of its topic.
    pub family: String,
    /// True when a final or a withdrawal must follow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
    /// The facts that it stands on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stands_on: Vec<String>,
    /// The clip's pin: one write with the event (DESIGN §5.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<ClipRequest>,
    /// When it was decided.
    pub decided: DecidedWhen,
    /// The clock's anchor at the decision.
    #[serde(default)]
    pub anchor: AnchorSnapshot,
    /// What may be let go first.
    #[serde(default)]
    pub class: Class,
    /// What another version says beside that.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

/// Why an event is no record, or bytes are none.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// No line feed between header and data.
    #[error("record of an event has no data")]
    NoData,
    /// Its checksum is another.
    #[error("record of an event is damaged: its checksum does not hold")]
    Damaged,
    /// A number that is no number.
    #[error("event holds what JSON cannot carry")]
    NoJson,
    /// Header or data.
    #[error("record of an event is not JSON as expected")]
    Json(#[from] serde_json::Error),
}

/// The places that an event takes in the two orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InOrder {
    /// Over all courts.
    pub position: u64,
    /// Within the court or the game.
    pub sequence: u64,
}

impl Record {
    /// The record of `event`.
    ///
    /// # Errors
    /// [`RecordError`] when the event holds what JSON cannot carry.
    pub(crate) fn new(
        order: InOrder,
        event: &Event,
        decided: DecidedWhen,
        anchor: AnchorSnapshot,
    ) -> Result<Self, RecordError> {
        let saying = &event.saying;
        let header = Header {
            position: order.position,
            sequence: order.sequence,
            court: event.court.clone(),
            game: event.game.clone(),
            wide: saying.is_game_wide(),
            session: event.session.to_string(),
            fact: event.fact.to_string(),
            revision: event.revision,
            subject: event.subject(),
            at_ns: event.at.as_nanos(),
            event_type: saying.event_type().to_owned(),
            family: saying.family().topic().to_owned(),
            provisional: saying.is_provisional(),
            stands_on: saying.stands_on(),
            clip: event.clip.clone(),
            decided,
            anchor,
            class: Class::Fact,
            more: serde_json::Map::new(),
        };
        Ok(Self { header, data: saying.data().ok_or(RecordError::NoJson)? })
    }

    /// Its bytes on disk.
    ///
    /// # Errors
    /// [`RecordError`] when the header cannot be written.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, RecordError> {
        let header = serde_json::to_vec(&self.header)?;
        let rest = header.strip_prefix(b"{").unwrap_or(&header);
        let mut sum = crc32fast::Hasher::new();
        for part in [rest, b"\n", &self.data] {
            sum.update(part);
        }
        let mut bytes = format!("{SUM}{:08x}\",", sum.finalize()).into_bytes();
        for part in [rest, b"\n", &self.data] {
            bytes.extend_from_slice(part);
        }
        Ok(bytes)
    }

    /// Reads what `encode` wrote, here or in the version after.
    ///
    /// # Errors
    /// [`RecordError`] when the bytes are something else.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        if let Some(rest) = bytes.strip_prefix(SUM.as_bytes()) {
            let (sum, rest) = rest.split_at_checked(8).ok_or(RecordError::NoData)?;
            let said =
                std::str::from_utf8(sum).ok().and_then(|sum| u32::from_str_radix(sum, 16).ok());
            let rest = rest.strip_prefix(b"\",").ok_or(RecordError::Damaged)?;
            if said != Some(crc32fast::hash(rest)) {
                return Err(RecordError::Damaged);
            }
        }
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            return Err(RecordError::NoData);
        };
        let (header, data) = bytes.split_at(end);
        let data = data.get(1..).unwrap_or_default();
        // It is sent as it is: what is no JSON would make the whole envelope none.
        serde_json::from_slice::<IgnoredAny>(data)?;
        let mut header: Header = serde_json::from_slice(header)?;
        // Made anew at each writing: another version that carries it along carries an old one.
        header.more.remove("sum");
        Ok(Self { header, data: data.to_vec() })
    }

    /// The event again; `None` if it is of a kind that this version does not know.
    #[must_use]
    pub(crate) fn event(&self) -> Option<Event> {
        let header = &self.header;
        Some(Event {
            court: header.court.clone(),
            session: SessionId::parse(&header.session)?,
            game: header.game.clone(),
            fact: FactId::parse(&header.fact)?,
            revision: header.revision,
            attempt: Event::attempt_of(&header.subject)?,
            at: MediaTime::from_nanos(header.at_ns),
            saying: Saying::read(&header.event_type, &self.data)?,
            clip: header.clip.clone(),
        })
    }

    /// The envelope that it leaves in now, as bytes.
    ///
    /// # Errors
    /// [`RecordError`] when it cannot be written as JSON.
    pub(crate) fn message(
        &self,
        box_name: &BoxName,
        time: &Stamp,
        now: &Now<'_>,
    ) -> Result<Vec<u8>, RecordError> {
        let header = &self.header;
        let envelope = Envelope {
            specversion: "1.0".to_owned(),
            id: header.id(),
            source: format!("courtside:{box_name}/{}", header.told_by()),
            event_type: header.event_type.clone(),
            time: time.utc.to_rfc3339(),
            datacontenttype: "application/json".to_owned(),
            subject: header.subject.clone(),
            sequence: header.sequence.to_string(),
            session: header.session.clone(),
            fact: header.fact.clone(),
            revision: header.revision,
            historical: header.decided.is_historical(now) || time.source == Some(WallSource::File),
            clocksource: time.source_name().to_owned(),
            clockerrorms: time.error_ms,
            game: header.game.clone(),
            data: serde_json::Value::Null,
        };
        Ok(envelope.message(&self.data)?)
    }
}

impl Header {
    /// `{fact}.{revision}`.
    #[must_use]
    pub(crate) fn id(&self) -> String {
        format!("{}.{}", self.fact, self.revision)
    }

    /// When it was, by the stream's own clock.
    #[must_use]
    pub(crate) fn moment(&self) -> (SessionId, MediaTime) {
        let session = SessionId::parse(&self.session).unwrap_or(SessionId::from_bits(0));
        (session, MediaTime::from_nanos(self.at_ns))
    }

    /// Where it is published, below the box's root.
    #[must_use]
    pub(crate) fn topic(&self) -> String {
        match self.of_game() {
            Some(game) => format!("game/{game}/{}", self.family),
            None => format!("event/{}/{}", self.court, self.family),
        }
    }

    /// The game, of what is told of it as a whole.
    const fn of_game(&self) -> Option<&GameId> {
        if self.wide { self.game.as_ref() } else { None }
    }

    /// Whose word it is: a court's, or a game's. Both have names, and a box has few of each.
    fn told_by(&self) -> &str {
        self.of_game().map_or_else(|| self.court.as_str(), GameId::as_str)
    }

    /// What its sequence counts, as the store's tables name it: `{court}`, or `game/{game}`.
    #[must_use]
    pub(crate) fn line(&self) -> String {
        match self.of_game() {
            Some(game) => format!("game/{game}"),
            None => self.court.as_str().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ModelRef, Shot, Withdrawal};
    use crate::media::WallSource;

    fn shot(confidence: f64) -> Event {
        Event {
            court: CourtId::new("a").unwrap(),
            session: SessionId::from_bits(7),
            game: None,
            fact: FactId { session: SessionId::from_bits(7), family: None, n: 3 },
            revision: 1,
            attempt: 2,
            at: MediaTime::from_millis(12_345),
            saying: Saying::ShotMade(Shot {
                rim: 0,
                t_stream: 12.345,
                t_decided: 12.7,
                confidence,
                provisional: false,
                game: None,
                points: None,
                points_by: None,
                team: None,
                team_by: None,
                player: None,
                clip: None,
                model: ModelRef {
                    bundle: "rim".into(),
                    version: "1".into(),
                    precision: "fp32".into(),
                    engine: "builtin".into(),
                },
                latency_ms: 31.25,
                by: None,
                who: None,
                reason: None,
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

    fn record(confidence: f64, decided: DecidedWhen) -> Result<Record, RecordError> {
        let order = InOrder { position: 9, sequence: 4 };
        Record::new(order, &shot(confidence), decided, AnchorSnapshot::default())
    }

    #[test]
    fn a_record_reads_back_as_the_same_event() {
        let written = record(0.1 + 0.2, now("x", 1, Some(100)).decided()).unwrap();
        let read = Record::decode(&written.encode().unwrap()).unwrap();
        assert_eq!(read.event(), Some(shot(0.1 + 0.2)));
        assert_eq!(read, written);
    }

    #[test]
    fn what_json_cannot_carry_is_refused_before_it_is_promised() {
        assert!(record(f64::NAN, now("x", 1, None).decided()).is_err());
    }

    /// As a later version may write it: a kind, a class, members of header and data, a form of a
    /// fact's name and of a subject that are not known here.
    const OF_A_LATER_VERSION: &str = concat!(
        r#"{"position":9,"sequence":4,"court":"a","session":"0000000000000007","#,
        r#""fact":"0000000000000007/run/2","revision":3,"subject":"7th","at_ns":12345000000,"#,
        r#""type":"courtside.tempo.v1","family":"tempo","provisional":true,"#,
        r#""stands_on":["0000000000000007-3"],"hall":"g1","by":{"operator":2.5},"#,
        r#""decided":{"boot":"x","monotonic_ns":10000000000,"utc_ns":100000000000},"class":"chat"}"#,
        "\n",
        r#"{ "b": 1.10, "a": [0.30000000000000004] }"#
    );

    #[test]
    fn a_kind_of_a_later_version_is_read_sent_and_kept_to_the_byte() {
        let read = Record::decode(OF_A_LATER_VERSION.as_bytes()).unwrap();
        assert_eq!(read.event(), None, "nobody is told what it means");
        assert_eq!(read.header.topic(), "event/a/tempo");
        assert_eq!(read.header.class, Class::Fact, "not shed");
        let message = message(&read, &now("x", 11, Some(101)));
        let text = String::from_utf8(message.clone()).unwrap();
        assert!(text.ends_with(r#","data":{ "b": 1.10, "a": [0.30000000000000004] }}"#), "{text}");
        let envelope: Envelope = serde_json::from_slice(&message).unwrap();
        assert_eq!(envelope.id, "0000000000000007/run/2.3");
        assert_eq!(envelope.event_type, "courtside.tempo.v1");
        assert_eq!(envelope.subject, "7th");
        // Written again, what is not known here is still there.
        let again = Record::decode(&read.encode().unwrap()).unwrap();
        assert_eq!(again, read);
        assert_eq!(again.header.more["by"]["operator"], 2.5);
        assert_eq!(again.header.more["hall"], "g1");
    }

    #[test]
    fn bytes_that_would_spoil_an_envelope_are_no_record() {
        let (header, data) = OF_A_LATER_VERSION.split_once('\n').unwrap();
        for wrong in [
            header.to_owned(),
            data.to_owned(),
            format!("{header}\n"),
            format!("{header}\n{{\"a\":"),
            format!("{}\n{data}", header.replace("\"fact\"", "\"fuct\"")),
        ] {
            assert!(Record::decode(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    fn message(record: &Record, sent: &Now<'_>) -> Vec<u8> {
        let utc = UtcTime::from_nanos(100_000_000_000);
        let time = Stamp { utc, source: Some(WallSource::Sei), error_ms: 40 };
        record.message(&BoxName::new("rim-1").unwrap(), &time, sent).unwrap()
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
        let record = record(0.5, now("x", 10, Some(100)).decided()).unwrap();
        let message = message(&record, &now("x", 11, Some(101)));
        let envelope: Envelope = serde_json::from_slice(&message).unwrap();
        assert_eq!(envelope.id, "0000000000000007-3.1");
        assert_eq!(envelope.source, "courtside:rim-1/a");
        assert_eq!(envelope.event_type, "courtside.shot.made.v1");
        assert_eq!(envelope.subject, "0000000000000007/2");
        assert_eq!(envelope.session, "0000000000000007");
        assert_eq!(envelope.sequence, "4");
        assert_eq!(envelope.time, "1970-01-01T00:01:40.000Z");
        assert_eq!(envelope.data["t_stream"], 12.345);
        assert_eq!((envelope.clocksource.as_str(), envelope.clockerrorms), ("sei", 40));
        assert!(!envelope.historical);
        assert_eq!(record.header.topic(), "event/a/shot");
        // What a reader takes for the whole message is the whole message.
        assert_eq!(serde_json::to_value(&envelope).unwrap(), json(&message));
    }

    #[test]
    fn what_is_told_of_a_game_goes_to_the_game_and_names_it() {
        let game = GameId::new("final").unwrap();
        let told = |saying: Saying| {
            let event = Event { game: Some(game.clone()), saying, ..shot(0.5) };
            let order = InOrder { position: 9, sequence: 4 };
            let decided = now("x", 10, Some(100)).decided();
            Record::new(order, &event, decided, AnchorSnapshot::default()).unwrap()
        };
        let of_the_court = told(shot(0.5).saying);
        assert_eq!(of_the_court.header.topic(), "event/a/shot");
        assert_eq!(of_the_court.header.line(), "a");
        let withdrawal = Withdrawal { t_stream: 1.5, reason: "x".to_owned(), by: None, who: None };
        let of_the_game = told(Saying::GraphicWithdrawn(withdrawal));
        assert_eq!(of_the_game.header.topic(), "game/final/graphic");
        assert_eq!(of_the_game.header.line(), "game/final");
        for (record, source) in
            [(of_the_court, "courtside:rim-1/a"), (of_the_game, "courtside:rim-1/final")]
        {
            let read = Record::decode(&record.encode().unwrap()).unwrap();
            assert_eq!(read, record);
            assert_eq!(read.event().unwrap().game, Some(game.clone()));
            let message = json(&message(&record, &now("x", 11, Some(101))));
            assert_eq!((&message["source"], &message["game"]), (&source.into(), &"final".into()));
            assert_eq!(message["session"], "0000000000000007");
        }
        let of_none =
            message(&record(0.5, now("x", 10, None).decided()).unwrap(), &now("x", 11, None));
        assert_eq!(json(&of_none).get("game"), None);
    }

    fn json(bytes: &[u8]) -> serde_json::Value {
        serde_json::from_slice(bytes).unwrap()
    }
}
