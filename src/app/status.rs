//! What the stages say of themselves at one look, and the one state of the box that it comes to (pure).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::config::Calibrate;
use crate::decode::DecoderStatus;
use crate::event::Score;
use crate::event::state::{Advice, ClockState, ModelsState, StorageState, StreamState};
use crate::game::calibrate::{Calibration, Learnt};
use crate::health::{self, Reading, RimReading};
use crate::ingest::{Condition, CourtStatus};
use crate::mailbox::{HopCount, HopId};
use crate::media::{BoxName, Codec, CourtId, RimBox, place_rims};
use crate::uplink::UplinkCounts;

/// What the stages say, each of its own part.
#[derive(Clone, Debug)]
pub(crate) struct StagesSay {
    pub(crate) name: BoxName,
    pub(crate) courts: Vec<CourtSays>,
    pub(crate) models: ModelsState,
    /// Absent until the ring is open.
    pub(crate) storage: Option<StorageState>,
    /// Absent until the outbox is open.
    pub(crate) uplink: Option<UplinkCounts>,
    pub(crate) clock: ClockState,
    pub(crate) calibrate: Calibrate,
    pub(crate) counts: Vec<(HopId, HopCount)>,
}

/// What they say of one court.
#[derive(Clone, Debug)]
pub(crate) struct CourtSays {
    pub(crate) name: CourtId,
    pub(crate) rims: Vec<RimBox>,
    pub(crate) rims_of: Option<[u32; 2]>,
    pub(crate) ingest: Option<CourtStatus>,
    pub(crate) decoder: DecoderStatus,
    /// Widths of its rings, where the model has seen a picture.
    pub(crate) rings: Option<Vec<f32>>,
    /// Why the models call nothing.
    pub(crate) fault: Option<String>,
    /// Why the camera seems to have been moved.
    pub(crate) moved: Option<String>,
    pub(crate) answers: u64,
    /// Let go between ingest and the models, and not by design.
    pub(crate) dropped: u64,
    pub(crate) score: Option<Score>,
    pub(crate) learnt: Arc<Vec<(Calibration, Learnt)>>,
}

impl StagesSay {
    /// Every court's stream.
    pub(crate) fn streams(&self) -> BTreeMap<CourtId, StreamState> {
        self.courts.iter().map(|court| (court.name.clone(), stream(court))).collect()
    }

    /// What `/v1/state` answers.
    pub(crate) fn page(&self, streams: &BTreeMap<CourtId, StreamState>) -> Value {
        let streams: serde_json::Map<String, Value> = self
            .courts
            .iter()
            .filter_map(|court| Some((court, streams.get(&court.name)?)))
            .map(|(court, state)| {
                let mut value = serde_json::to_value(state).unwrap_or_default();
                value["rims"] = serde_json::to_value(&court.rims).unwrap_or_default();
                value["rims_of"] = serde_json::to_value(court.rims_of).unwrap_or_default();
                value["score"] = serde_json::to_value(&court.score).unwrap_or_default();
                (court.name.to_string(), value)
            })
            .collect();
        serde_json::json!({
            "box": self.name.as_str(),
            "version": env!("CARGO_PKG_VERSION"),
            "streams": streams,
            "models": self.models,
            "storage": self.storage,
            "uplink": self.uplink.as_ref().map(|status| serde_json::json!({
                "connected": status.connected,
                "outbox_events": status.state.outbox_events,
                "outbox_oldest_seconds": status.state.outbox_oldest_seconds,
                "parked": status.state.parked,
                "refused": status.state.refused,
                "shed": status.state.shed,
                "another_box": status.another_box,
                "fault": status.fault,
                "disk_fault": status.disk_fault,
            })),
            "clock": self.clock,
            "calibration": self.calibration(),
            "ledger": self.balance(),
        })
    }

    /// What is read at a scrape.
    pub(crate) fn reading(&self, streams: &BTreeMap<CourtId, StreamState>) -> Reading {
        let uplink = self.uplink.as_ref().map(|uplink| &uplink.state);
        Reading {
            stream_up: streams
                .iter()
                .map(|(court, state)| (court.to_string(), state.condition == "live"))
                .collect(),
            clock_error_seconds: self
                .clock
                .courts
                .iter()
                .filter(|court| court.source != "none")
                .map(|court| {
                    #[expect(clippy::cast_precision_loss, reason = "milliseconds, for a gauge")]
                    (court.court.clone(), court.error_ms as f64 / 1e3)
                })
                .collect(),
            outbox_events: uplink.map_or(0, |state| state.outbox_events),
            outbox_oldest_seconds: uplink.map_or(0.0, |state| state.outbox_oldest_seconds),
            calibration: self.courts.iter().flat_map(gauges).collect(),
            ring_bytes: self.storage.as_ref().map_or_else(Vec::new, |storage| {
                let pinned = storage.pinned_bytes;
                vec![("pinned", pinned), ("evictable", storage.ring_bytes.saturating_sub(pinned))]
            }),
        }
    }

    /// What is learnt of the courts' rims, for the page and `doctor`.
    fn calibration(&self) -> Value {
        let courts: serde_json::Map<String, Value> =
            self.courts.iter().map(|court| (court.name.to_string(), learnt(court))).collect();
        serde_json::json!({"mode": self.calibrate.word(), "courts": courts})
    }

    /// The law of the ledger, for `doctor` and `check`: how many hops, and those that break it.
    fn balance(&self) -> Value {
        let unbalanced: Vec<String> = self
            .counts
            .iter()
            .filter(|(_, count)| !count.balances())
            .map(|(hop, count)| {
                let (offered, taken, waiting) = (count.offered, count.taken, count.waiting);
                let dropped = count.dropped_total();
                format!(
                    "{}/{}: {offered} offered, but {taken} taken + {dropped} dropped + {waiting} waiting",
                    hop.court, hop.hop
                )
            })
            .collect();
        serde_json::json!({ "hops": self.counts.len(), "unbalanced": unbalanced })
    }
}

/// A camera that was moved, as the technician reads it.
fn camera_moved(text: String) -> Advice {
    Advice { about: "camera_moved".to_owned(), costs_ms: None, pixels: None, text }
}

/// Puts together what the stages say of one court.
fn stream(court: &CourtSays) -> StreamState {
    let decoder = &court.decoder;
    let Some(ingest) = court.ingest.clone() else { return StreamState::default() };
    let condition = match ingest.condition {
        Condition::Waiting => "waiting",
        Condition::Live => "live",
        Condition::Stalled => "stalled",
    };
    let picture = ingest.width.zip(ingest.height);
    // The model knows which picture the rims were drawn on, once it has seen one.
    let ring_px: Vec<f64> = match (picture, court.rings.as_deref()) {
        (None, _) => Vec::new(),
        (Some(_), Some(rings)) => rings.iter().copied().map(f64::from).collect(),
        (Some(size), None) => {
            let drawn_on = court.rims_of.map_or(size, |[width, height]| (width, height));
            let placed = place_rims(&court.rims, drawn_on, size).unwrap_or_default();
            placed.iter().map(|rim| f64::from(rim.w)).collect()
        }
    };
    let mut advice = Vec::new();
    if ingest.condition != Condition::Waiting {
        advice = health::advise(&measured(&ingest, decoder), &ring_px);
        advice.extend(court.moved.clone().map(camera_moved));
    }
    let no_rims = court.rims.is_empty().then(|| {
        "no rims are configured: open the page, drag a box round the ring and paste its lines"
            .to_owned()
    });
    let (bitrate_kbps, key_interval_s) = (kbps(&ingest), key_interval_s(&ingest));
    StreamState {
        condition: condition.to_owned(),
        session: ingest.session,
        publisher: ingest.publisher,
        encoder: ingest.encoder,
        codec: ingest.codec.map(str::to_owned),
        width: ingest.width,
        height: ingest.height,
        fps: ingest.fps.or(decoder.fps).map(rounded),
        bitrate_kbps: bitrate_kbps.map(rounded),
        key_interval_s: key_interval_s.map(rounded),
        audio: (ingest.condition != Condition::Waiting).then_some(ingest.audio),
        decoder: decoder.decoder.clone(),
        ring_px,
        advice,
        fault: ingest
            .fault
            .or_else(|| court.fault.clone())
            .or_else(|| decoder.fault.clone())
            .or(no_rims),
        pictures: ingest.pictures,
        answers: court.answers,
        dropped: court.dropped + ingest.pictures_dropped,
    }
}

/// What the advice is worked out from.
fn measured(ingest: &CourtStatus, decoder: &DecoderStatus) -> health::Measured {
    health::Measured {
        codec: match ingest.codec {
            Some("H.264") => Some(Codec::H264),
            Some("H.265") => Some(Codec::H265),
            _ => None,
        },
        width: ingest.width.unwrap_or(0),
        height: ingest.height.unwrap_or(0),
        fps: ingest.fps.or(decoder.fps),
        bitrate_kbps: kbps(ingest),
        key_interval_s: key_interval_s(ingest),
        jitter_p95_ms: ingest.burst_ms.map(f64::from),
        b_frames: ingest.b_frames || decoder.b_frames,
        held_back: decoder.held_back,
    }
}

#[expect(clippy::cast_precision_loss, reason = "bits a second, for people")]
fn kbps(ingest: &CourtStatus) -> Option<f64> {
    ingest.bitrate_bps.map(|bits| bits as f64 / 1e3)
}

fn key_interval_s(ingest: &CourtStatus) -> Option<f64> {
    ingest.key_interval_ms.map(|millis| f64::from(millis) / 1e3)
}

/// One digit behind the point: what is measured is no better.
fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// Verdicts of a rim that are told to the page: it shows no older calls.
const VERDICTS_SHOWN: usize = 60;

/// One entry a rim; none where calibration is off.
fn learnt(court: &CourtSays) -> Value {
    let rims: Vec<Value> = court
        .learnt
        .iter()
        .map(|(calibration, learnt)| {
            let (bundle, version) = calibration.bundle().unzip();
            let said: serde_json::Map<String, Value> = calibration
                .verdicts()
                .take(VERDICTS_SHOWN)
                .map(|(fact, verdict)| (fact.to_owned(), verdict.word().into()))
                .collect();
            serde_json::json!({
                "attempts": learnt.attempts, "verdicts": learnt.verdicts, "shift": learnt.shift,
                "from": learnt.from.word(), "middle": learnt.middle, "drift": learnt.drift,
                "bundle": bundle, "version": version, "said": said,
            })
        })
        .collect();
    rims.into()
}

/// The same for metrics.
fn gauges(court: &CourtSays) -> Vec<RimReading> {
    let rim = |(index, (_, learnt)): (usize, &(_, Learnt))| RimReading {
        court: court.name.to_string(),
        rim: index.to_string(),
        shift: learnt.shift.into(),
        attempts: u64::try_from(learnt.attempts).unwrap_or(u64::MAX),
    };
    court.learnt.iter().enumerate().map(rim).collect()
}

#[cfg(test)]
mod tests;
