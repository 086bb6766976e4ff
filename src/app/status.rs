//! What the stages say of themselves at one look, and the one state of the box that it comes to (pure).

use std::sync::Arc;
use std::time::Duration;

use crate::admission::{AdmissionCounts, Door, Reason};
use crate::config::Calibrate;
use crate::decode::DecoderStatus;
use crate::detect::ring::Moved;
use crate::event::box_status::{
    AdmissionStatus, BoxStatus, CalibrationStatus, ConfigState, LedgerStatus, RimStatus,
    UplinkStatus,
};
use crate::event::catalogue::NO_USABLE;
use crate::event::host::HostStatus;
use crate::event::look::LookState;
use crate::event::models::{BoardRow, ModelFigures};
use crate::event::service::ServiceState;
use crate::event::state::{
    Advice, ClaimState, ClockState, ModelsState, RelayState, StorageState, StreamState,
};
use crate::event::twin::ConfigReported;
use crate::event::update::UpdateState;
use crate::event::upload::UploadsState;
use crate::event::words::{AdviceAbout, ClockSource, ModelRole, RelayCondition, StreamCondition};
use crate::event::{self, Score};
use crate::game::calibrate::{Calibration, Learnt};
use crate::health::{
    self, DecoderReading, DoorReading, ModelReading, Reading, RelayReading, RimReading,
};
use crate::ingest::{Astray, CourtStatus, wrong_app};
use crate::mailbox::{HopCount, HopId};
use crate::media::{BoxName, CourtId, Foreign, RimBox, RimFault, place_rims};
use crate::uplink::UplinkCounts;

/// What the stages say, each of its own part.
#[derive(Clone, Debug)]
pub(crate) struct StagesSay {
    pub(crate) name: BoxName,
    /// Where cameras publish to.
    pub(crate) rtmp: Option<Foreign>,
    pub(crate) courts: Vec<CourtSays>,
    pub(crate) models: ModelsState,
    /// Absent until the ring is open.
    pub(crate) storage: Option<StorageState>,
    pub(crate) uploads: UploadsState,
    pub(crate) update: UpdateState,
    /// Absent where nobody looks again.
    pub(crate) look: Option<LookState>,
    /// Absent until the outbox is open.
    pub(crate) uplink: Option<UplinkCounts>,
    /// Absent where a broker is configured.
    pub(crate) claim: Option<ClaimState>,
    pub(crate) clock: ClockState,
    pub(crate) calibrate: Calibrate,
    /// Who guesses, or holds the doors' seats for nothing.
    pub(crate) admission: Vec<String>,
    /// Whose questions to the page are told to come later.
    pub(crate) full: Vec<String>,
    pub(crate) counts: Vec<(HopId, HopCount)>,
    /// Absent where the box has no file of its own.
    pub(crate) config: Option<ConfigState>,
    /// What somebody must know of our files.
    pub(crate) files: Vec<Foreign>,
    /// The machine, as it was read last.
    pub(crate) host: HostStatus,
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
    /// For how long pictures have come and none came out of the decoder.
    pub(crate) undecoded: Option<Duration>,
    pub(crate) score: Option<Score>,
    pub(crate) learnt: Arc<Vec<(Calibration, Learnt)>>,
    /// How its stream is forwarded.
    pub(crate) relays: Vec<RelayState>,
}

impl StagesSay {
    /// The state of the box.
    pub(crate) fn status(self) -> BoxStatus {
        let calibrated = self.courts.iter().map(|court| (court.name.to_string(), learnt(court)));
        let calibration =
            CalibrationStatus { mode: self.calibrate.told(), courts: calibrated.collect() };
        let ledger = balance(&self.counts);
        let streams = self.courts.into_iter().map(|court| {
            let stream = stream(&court);
            let CourtSays { name, rims, rims_of, score, .. } = court;
            (name.to_string(), event::box_status::CourtStatus { stream, rims, rims_of, score })
        });
        BoxStatus {
            name: self.name.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            rtmp: self.rtmp,
            streams: streams.collect(),
            models: self.models,
            storage: self.storage,
            uploads: self.uploads,
            update: self.update,
            look: self.look,
            uplink: self.uplink.map(|counts| UplinkStatus {
                connected: counts.connected,
                acknowledges: counts.connected && counts.acknowledged_in == counts.session,
                state: counts.state,
                shed_long_ago: counts.shed_long_ago,
                another_box: counts.another_box,
                fault: counts.fault,
                trouble: counts.trouble,
                no_retained: counts.no_retained,
                todo: told(counts.todo),
                limits: counts.limits,
                refused_todo: told(counts.refused_todo),
                disk_fault: counts.disk_fault,
            }),
            claim: self.claim,
            clock: self.clock,
            calibration,
            admission: AdmissionStatus {
                faults: self.admission.iter().map(Foreign::told).collect(),
                full: self.full.iter().map(Foreign::told).collect(),
            },
            // Worked out of all this by `service`.
            service: ServiceState::default(),
            ledger,
            config: self.config,
            files: self.files,
            host: self.host,
        }
    }
}

/// What there is to do, if anything.
fn told(todo: &str) -> Option<Foreign> {
    (!todo.is_empty()).then(|| Foreign::told(todo))
}

/// What of `config/reported` somebody must know who looks at the box.
pub(crate) fn config_state(reported: &ConfigReported) -> ConfigState {
    ConfigState {
        revision: reported.revision,
        seen: reported.seen,
        waiting: reported.waiting.iter().map(|change| change.path.clone()).collect(),
        desired: reported.desired.clone(),
        passed_over: reported.passed_over.clone(),
    }
}

/// The law of the ledger: how many hops, and those that break it.
fn balance(counts: &[(HopId, HopCount)]) -> LedgerStatus {
    let unbalanced = counts.iter().filter(|(_, count)| !count.balances()).map(|(hop, count)| {
        let (offered, taken, waiting) = (count.offered, count.taken, count.waiting);
        let dropped = count.dropped_total();
        format!(
            "{}/{}: {offered} offered, but {taken} taken + {dropped} dropped + {waiting} waiting",
            hop.court, hop.hop
        )
    });
    LedgerStatus { hops: counts.len() as u64, unbalanced: unbalanced.collect() }
}

/// What metrics have of the state at a scrape; of clips, decoders and doors, see `web`,
/// [`decoder_reading`] and [`door_readings`].
pub(crate) fn reading(status: &BoxStatus) -> Reading {
    let uplink = status.uplink.as_ref().map(|uplink| &uplink.state);
    let live = |name: &String| (name.clone(), status.is_live(name));
    Reading {
        stream_up: status.streams.keys().map(live).collect(),
        publish_refused: status.streams.iter().flat_map(refusals).collect(),
        picture_memory_bytes: status
            .streams
            .iter()
            .map(|(court, told)| (court.clone(), told.stream.picture_memory_bytes.unwrap_or(0)))
            .collect(),
        gpu_memory_bytes: Vec::new(),
        clock_error_seconds: status
            .clock
            .courts
            .iter()
            .filter(|court| court.source != ClockSource::None)
            .map(|court| {
                #[expect(clippy::cast_precision_loss, reason = "milliseconds, for a gauge")]
                (court.court.clone(), court.error_ms as f64 / 1e3)
            })
            .collect(),
        outbox_events: uplink.map_or(0, |state| state.outbox_events),
        outbox_oldest_seconds: uplink.map_or(0.0, |state| state.outbox_oldest_seconds),
        calibration: status.calibration.courts.iter().flat_map(gauges).collect(),
        decoders: Vec::new(),
        doors: Vec::new(),
        relays: Vec::new(),
        models: status.models.board.iter().flat_map(model_readings).collect(),
        disagreements: status.models.disagreements.unwrap_or(0),
        uploads: status.uploads.clone(),
        update: status.update.clone(),
        look: status.look.clone(),
        clips_evicted: 0,
        clips_ended: Vec::new(),
        ring_bytes: status.storage.as_ref().map_or_else(Vec::new, |storage| {
            let pinned = storage.pinned_bytes;
            vec![("pinned", pinned), ("evictable", storage.ring_bytes.saturating_sub(pinned))]
        }),
    }
}

/// What metrics have of a model at a scrape, by court.
fn model_readings(row: &BoardRow) -> impl Iterator<Item = ModelReading> {
    let of = |figures: &ModelFigures| ModelReading {
        model: [&row.bundle, &row.version, &row.precision].map(ToString::to_string),
        court: figures.court.clone(),
        decides: row.role == ModelRole::Live,
        attempts: [
            ("compared", figures.attempts),
            ("agreed", figures.agreed),
            ("judged", figures.judged),
            ("right", figures.right),
            ("unsure", figures.unsure),
        ],
        answer_seconds: [("0.5", figures.p50_ms), ("0.99", figures.p99_ms)]
            .into_iter()
            .filter_map(|(quantile, ms)| Some((quantile, ms? / 1e3)))
            .collect(),
    };
    row.courts.iter().map(of)
}

/// What metrics have of a court's decoder at a scrape.
pub(crate) fn decoder_reading(court: &CourtId, decoder: &DecoderStatus) -> DecoderReading {
    DecoderReading {
        court: court.to_string(),
        stands_in: decoder.downgrade.is_some(),
        rebuilds: decoder.rebuilds,
        downgrades: decoder.downgrades,
        trials: decoder.trials,
        surfaces: decoder.surfaces,
    }
}

/// What metrics have of the relays at a scrape.
pub(crate) fn relay_readings(counts: Vec<(CourtId, RelayState, HopCount)>) -> Vec<RelayReading> {
    let reading = |(court, state, count): (CourtId, RelayState, HopCount)| RelayReading {
        court: court.to_string(),
        up: state.state == RelayCondition::Forwarding,
        relay: state.name,
        bytes: state.bytes,
        dropped: count.dropped.into_iter().map(|(why, count)| (why.name(), count)).collect(),
    };
    counts.into_iter().map(reading).collect()
}

/// What metrics have of the doors at a scrape.
pub(crate) fn door_readings(counts: &AdmissionCounts) -> Vec<DoorReading> {
    let of = |counts: &[u64; 2], door: Door| counts.get(door as usize).copied().unwrap_or(0);
    let reading = |door: Door| DoorReading {
        door: door.name(),
        admitted: of(&counts.admitted, door),
        delayed: of(&counts.delayed, door),
        refused: Reason::ALL
            .into_iter()
            .map(|reason| (reason.name(), counts.refused(door, reason)))
            .collect(),
    };
    Door::ALL.into_iter().map(reading).collect()
}

/// Of a court: reason and count.
fn refusals(
    (court, told): (&String, &event::box_status::CourtStatus),
) -> impl Iterator<Item = (String, String, u64)> {
    let of = |(reason, count): (&String, &u64)| (court.clone(), reason.clone(), *count);
    told.stream.refusals.iter().map(of)
}

fn gauges((court, rims): (&String, &Vec<RimStatus>)) -> Vec<RimReading> {
    let rim = |(index, rim): (usize, &RimStatus)| RimReading {
        court: court.clone(),
        rim: index.to_string(),
        shift: rim.shift,
        attempts: rim.attempts,
    };
    rims.iter().enumerate().map(rim).collect()
}

const NO_RIMS: &str = "no rims are configured";

/// What is wrong with where its rims are drawn, in a picture of this size.
fn of_rims(court: &CourtSays, size: (u32, u32)) -> Vec<Advice> {
    let drawn_on = court.rims_of.map_or(size, |[width, height]| (width, height));
    match place_rims(&court.rims, drawn_on, size) {
        Ok(placed) => health::outside(&placed, size),
        Err(RimFault::OtherAspect { of_width, of_height, width, height }) => {
            let text = format!(
                "the rims were drawn on a picture of {of_width}x{of_height}, the camera now sends \
                 {width}x{height}"
            );
            let advice = Advice::new(AdviceAbout::RimAspect, text);
            vec![advice.with("width_px", width.into()).with("height_px", height.into())]
        }
    }
}

/// Puts together what the stages say of one court.
fn stream(court: &CourtSays) -> StreamState {
    let decoder = &court.decoder;
    let Some(ingest) = court.ingest.clone() else { return StreamState::default() };
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
    if ingest.condition != StreamCondition::Waiting {
        advice.extend(picture.map(|size| of_rims(court, size)).unwrap_or_default());
        advice.extend(health::advise(&measured(&ingest, decoder), &ring_px));
        let times = ingest.times.clone();
        advice.extend(times.map(|text| Advice::new(AdviceAbout::StreamClock, text)));
        let several = "the encoder sends several tracks of pictures: the first is taken";
        let several = ingest.several_tracks.then(|| several.to_owned());
        advice.extend(several.map(|text| Advice::new(AdviceAbout::SeveralTracks, text)));
        advice.extend(court.moved.clone().map(|text| Advice {
            todo: Moved::todo(&court.name),
            ..Advice::new(AdviceAbout::CameraMoved, text)
        }));
        advice
            .extend(decoder.advice.map(|text| Advice::new(AdviceAbout::Decoder, text.to_owned())));
    }
    advice.extend(ingest.stray.as_ref().map(|(peer, what)| match what {
        Astray::App(app) => Advice::new(AdviceAbout::WrongApp, wrong_app(*peer, app)),
        Astray::Spoke(spoke) => {
            Advice::new(AdviceAbout::WrongProtocol, format!("{peer} {}", spoke.text()))
        }
        Astray::Key => {
            let text = format!("{peer} publishes with a stream key that no court has");
            Advice::new(AdviceAbout::WrongKey, text)
        }
    }));
    advice.extend(ingest.reconnects.clone().map(|text| Advice::new(AdviceAbout::Reconnects, text)));
    let no_rims = court.rims.is_empty().then(|| NO_RIMS.to_owned());
    advice.extend(no_rims.clone().map(|text| Advice::new(AdviceAbout::NoRims, text)));
    let (bitrate_kbps, key_interval_s) = (kbps(&ingest), key_interval_s(&ingest));
    StreamState {
        condition: ingest.condition,
        session: ingest.session,
        publisher: ingest.publisher,
        encoder: ingest.encoder,
        codec: ingest.codec.map(|codec| codec.name().to_owned()),
        width: ingest.width,
        height: ingest.height,
        fps: ingest.fps.or(decoder.fps).map(rounded),
        bitrate_kbps: bitrate_kbps.map(rounded),
        key_interval_s: key_interval_s.map(rounded),
        audio: (ingest.condition != StreamCondition::Waiting).then_some(ingest.audio),
        decoder: decoder.decoder.as_ref().map(Foreign::told),
        ring_px,
        advice,
        fault: ingest
            .fault
            .or_else(|| court.fault.clone())
            .or_else(|| decoder.fault.clone())
            .or_else(|| decoder.downgrade.clone())
            .or_else(|| undecoded(court))
            .or(no_rims)
            .map(Foreign::told),
        picture_memory_bytes: Some(ingest.picture_memory).filter(|bytes| *bytes > 0),
        picture_memory_allowed_bytes: (ingest.picture_memory > 0)
            .then_some(ingest.picture_memory_allowed),
        gpu_memory_bytes: Some(ingest.gpu_memory).filter(|bytes| *bytes > 0),
        refusals: ingest
            .refusals
            .iter()
            .map(|(reason, count)| ((*reason).to_owned(), *count))
            .collect(),
        relays: court.relays.clone(),
        pictures: ingest.pictures,
        answers: court.answers,
        // A picture may be counted at more than one hop; it was lost once.
        dropped: (court.dropped + ingest.pictures_dropped).min(ingest.pictures),
    }
}

/// What is wrong where pictures come, and none out of the decoder.
fn undecoded(court: &CourtSays) -> Option<String> {
    let seconds = court.undecoded.filter(|time| *time >= UNDECODED)?.as_secs();
    let why = court.decoder.last_error.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
    Some(format!(
        "{NO_USABLE} for {seconds} s: none comes out of the decoder{why}: restart the encoder's stream; if it \
         stays so, set it to H.264 High, 8 bit, 4:2:0"
    ))
}

/// Pictures that come and none that comes out are at fault after so long.
const UNDECODED: Duration = Duration::from_secs(2);

/// What the advice is worked out from.
fn measured(ingest: &CourtStatus, decoder: &DecoderStatus) -> health::Measured {
    health::Measured {
        codec: ingest.codec,
        width: ingest.width.unwrap_or(0),
        height: ingest.height.unwrap_or(0),
        fps: ingest.fps.or(decoder.fps),
        bitrate_kbps: kbps(ingest),
        key_interval_s: key_interval_s(ingest),
        // Where times are not used they say nothing of the network.
        burst_ms: ingest.burst_ms.map(f64::from).filter(|_| ingest.times.is_none()),
        // As the camera sends now: the decoder goes on waiting for B-frames until the parameter sets change.
        b_frames: ingest.b_frames,
        held_back: decoder.held_back,
        lookahead: ingest.lookahead,
        still_for: ingest.still_for,
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
fn learnt(court: &CourtSays) -> Vec<RimStatus> {
    let rim = |(calibration, learnt): &(Calibration, Learnt)| {
        let (bundle, version) = calibration.bundle().unzip();
        let said = calibration.verdicts().take(VERDICTS_SHOWN);
        RimStatus {
            attempts: learnt.attempts as u64,
            verdicts: learnt.verdicts as u64,
            shift: learnt.shift.into(),
            from: learnt.from.told(),
            middle: learnt.middle.map(f64::from),
            drift: learnt.drift.map(f64::from),
            bundle: bundle.map(str::to_owned),
            version: version.map(str::to_owned),
            said: said.map(|(fact, verdict)| (fact.to_owned(), verdict.told())).collect(),
        }
    };
    court.learnt.iter().map(rim).collect()
}

#[cfg(test)]
mod tests;
