//! Watches the whole: what is told in `state/*`, on the page, to systemd and to its watchdog.
//!
//! Four times a second it reads each stage's own status (cheap, never blocking) and puts the parts
//! together; a message is published only when it changed, measured numbers at most every 5 s.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch as told;

use crate::app::court::{CourtParts, Shared};
use crate::app::web::WebState;
use crate::clock::Ticks;
use crate::decode::{DecoderStatus, DecoderWatcher};
use crate::detect;
use crate::detect::ring::{Lookout, Moved};
use crate::event::state::{Advice, ModelsState, StreamState};
use crate::game::calibrate::Learnt;
use crate::health::{self, Notifier, Progress, Reading, RimReading};
use crate::ingest::{Condition, CourtStatus, IngestHandle};
use crate::media::{Codec, CourtId, Monotonic, place_rims};

/// A stall is told within 2 s of its beginning; this adds a quarter of a second at most.
const EVERY: Duration = Duration::from_millis(250);
/// Measured numbers change at every look; the world is told this often.
const NUMBERS_EVERY: Duration = Duration::from_secs(5);

/// The stages that are read.
pub(crate) struct Watched {
    pub(crate) shared: Arc<Shared>,
    pub(crate) ingest: IngestHandle,
    pub(crate) decoders: Vec<DecoderWatcher>,
    pub(crate) models: Arc<detect::Detect>,
    pub(crate) lookout: Option<Arc<Lookout>>,
    pub(crate) web: Arc<WebState>,
}

/// Runs until `stopped` turns to true.
pub(crate) async fn run(watched: Watched, mut stopped: told::Receiver<bool>) {
    let notifier = Notifier::from_environment();
    let mut progress = Progress::default();
    let mut publisher = Publisher::default();
    let mut ticks = Ticks::new(&watched.shared.clock, EVERY);
    loop {
        // Woken by the interval, and by the drain's beginning.
        tokio::select! {
            () = ticks.tick() => {}
            _ = stopped.wait_for(|told| *told) => break,
        }
        let now = watched.shared.clock.monotonic();
        let counts = watched.shared.ledger.counts();
        let stuck = progress.observe(now, &counts);
        for stuck in &stuck {
            tracing::error!(court = %stuck.hop.court, hop = %stuck.hop.hop, waiting = stuck.waiting, "a stage stands still");
        }
        if stuck.is_empty() {
            notifier.alive();
        }
        let anchors = &watched.shared.anchors;
        if anchors.floor().settle(watched.shared.clock.utc()) {
            tracing::warn!(
                "the clock was set from the network: files dated after it are not believed"
            );
        }
        let seen = look(&watched);
        if let Some(line) = publisher.line(&seen) {
            notifier.status(&line);
        }
        watched.web.put(seen.page(&watched.shared), seen.reading(&watched.shared));
        publisher.publish(&watched.shared, now, seen);
    }
}

/// One look at everything.
struct Seen {
    streams: BTreeMap<CourtId, StreamState>,
    models: ModelsState,
    storage: Option<crate::clips::RingStatus>,
}

fn look(watched: &Watched) -> Seen {
    let shared = &watched.shared;
    let faults: BTreeMap<CourtId, String> = watched.models.faults().into_iter().collect();
    let rings = watched.models.rings();
    let counts = shared.ledger.counts();
    let streams = shared
        .courts
        .values()
        .zip(&watched.decoders)
        .map(|(parts, decoder)| {
            let ingest = watched.ingest.status(&parts.name);
            let dropped = counts
                .iter()
                .filter(|(hop, _)| hop.court == parts.name.as_str() && !Lookout::is_hop(&hop.hop))
                .flat_map(|(_, count)| &count.dropped)
                .filter(|(reason, _)| !reason.is_expected())
                .map(|(_, dropped)| dropped)
                .sum();
            let fault = faults.get(&parts.name).cloned();
            let rings = rings.get(&parts.name).map(Vec::as_slice);
            let mut state = stream(parts, ingest, &decoder.status(), rings, fault, dropped);
            if state.condition != "waiting" {
                let moved = watched.lookout.as_ref().and_then(|looks| looks.moved(&parts.name));
                state.advice.extend(moved.map(|moved| camera_moved(&parts.name, &moved)));
            }
            (parts.name.clone(), state)
        })
        .collect();
    Seen {
        streams,
        models: watched.models.status(),
        storage: shared.ring.get().and_then(crate::clips::Shelf::status),
    }
}

/// A camera that was moved, as the technician reads it.
fn camera_moved(court: &CourtId, moved: &Moved) -> Advice {
    Advice {
        about: "camera_moved".to_owned(),
        costs_ms: None,
        pixels: None,
        text: moved.text(court),
    }
}

/// Puts together what the stages say of one court.
fn stream(
    parts: &CourtParts,
    ingest: Option<CourtStatus>,
    decoder: &DecoderStatus,
    rings: Option<&[f32]>,
    fault: Option<String>,
    dropped: u64,
) -> StreamState {
    let answers = parts.answered.load(std::sync::atomic::Ordering::Relaxed);
    let Some(ingest) = ingest else { return StreamState::default() };
    let condition = match ingest.condition {
        Condition::Waiting => "waiting",
        Condition::Live => "live",
        Condition::Stalled => "stalled",
    };
    let picture = ingest.width.zip(ingest.height);
    // The model knows which picture the rims were drawn on, once it has seen one.
    let ring_px: Vec<f64> = match (picture, rings) {
        (None, _) => Vec::new(),
        (Some(_), Some(rings)) => rings.iter().copied().map(f64::from).collect(),
        (Some(size), None) => {
            let drawn_on = parts.rims_of.map_or(size, |[width, height]| (width, height));
            let placed = place_rims(&parts.rims, drawn_on, size).unwrap_or_default();
            placed.iter().map(|rim| f64::from(rim.w)).collect()
        }
    };
    let advice: Vec<Advice> = if ingest.condition == Condition::Waiting {
        Vec::new()
    } else {
        health::advise(&measured(&ingest, decoder), &ring_px)
    };
    let no_rims = parts.rims.is_empty().then(|| {
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
        fault: ingest.fault.or(fault).or_else(|| decoder.fault.clone()).or(no_rims),
        pictures: ingest.pictures,
        answers,
        dropped: dropped + ingest.pictures_dropped,
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

impl Seen {
    fn page(&self, shared: &Shared) -> Value {
        let uplink = shared.uplink.get().map(|uplink| uplink.status());
        let streams: serde_json::Map<String, Value> = self
            .streams
            .iter()
            .map(|(court, state)| {
                let parts = &shared.courts[court];
                let mut value = serde_json::to_value(state).unwrap_or_default();
                value["rims"] = serde_json::to_value(&parts.rims).unwrap_or_default();
                value["rims_of"] = serde_json::to_value(parts.rims_of).unwrap_or_default();
                value["score"] = serde_json::to_value(parts.board.score()).unwrap_or_default();
                (court.to_string(), value)
            })
            .collect();
        serde_json::json!({
            "box": shared.name.as_str(),
            "version": env!("CARGO_PKG_VERSION"),
            "streams": streams,
            "models": self.models,
            "storage": self.storage.as_ref().map(|ring| &ring.storage),
            "uplink": uplink.map(|status| serde_json::json!({
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
            "clock": shared.anchors.state(),
            "calibration": calibration(shared),
            "ledger": balance(shared),
        })
    }

    fn reading(&self, shared: &Shared) -> Reading {
        let uplink = shared.uplink.get().map(|uplink| uplink.status().state);
        let clock = shared.anchors.state();
        Reading {
            stream_up: self
                .streams
                .iter()
                .map(|(court, state)| (court.to_string(), state.condition == "live"))
                .collect(),
            clock_error_seconds: clock
                .courts
                .iter()
                .filter(|court| court.source != "none")
                .map(|court| {
                    #[expect(clippy::cast_precision_loss, reason = "milliseconds, for a gauge")]
                    (court.court.clone(), court.error_ms as f64 / 1e3)
                })
                .collect(),
            outbox_events: uplink.as_ref().map_or(0, |state| state.outbox_events),
            outbox_oldest_seconds: uplink.as_ref().map_or(0.0, |state| state.outbox_oldest_seconds),
            calibration: shared.courts.values().flat_map(|parts| gauges(parts)).collect(),
            ring_bytes: self.storage.as_ref().map_or_else(Vec::new, |ring| {
                let pinned = ring.storage.pinned_bytes;
                vec![
                    ("pinned", pinned),
                    ("evictable", ring.storage.ring_bytes.saturating_sub(pinned)),
                ]
            }),
        }
    }
}

/// Verdicts of a rim that are told to the page: it shows no older calls.
const VERDICTS_SHOWN: usize = 60;

/// What is learnt of the courts' rims, for the page and `doctor`.
fn calibration(shared: &Shared) -> Value {
    let courts = shared.courts.values();
    let courts: serde_json::Map<String, Value> =
        courts.map(|parts| (parts.name.to_string(), learnt(parts))).collect();
    serde_json::json!({"mode": shared.calibrate.word(), "courts": courts})
}

/// One entry a rim; none where calibration is off.
fn learnt(parts: &CourtParts) -> Value {
    let learnt = parts.board.learnt();
    let rims: Vec<Value> = learnt
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
fn gauges(parts: &CourtParts) -> Vec<RimReading> {
    let learnt = parts.board.learnt();
    let rim = |(index, (_, learnt)): (usize, &(_, Learnt))| RimReading {
        court: parts.name.to_string(),
        rim: index.to_string(),
        shift: learnt.shift.into(),
        attempts: u64::try_from(learnt.attempts).unwrap_or(u64::MAX),
    };
    learnt.iter().enumerate().map(rim).collect()
}

/// The law of the ledger, for `doctor` and `check`: how many hops, and those that break it.
fn balance(shared: &Shared) -> Value {
    let counts = shared.ledger.counts();
    let unbalanced: Vec<String> = counts
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
    serde_json::json!({ "hops": counts.len(), "unbalanced": unbalanced })
}

/// Remembers what the world was told.
#[derive(Default)]
struct Publisher {
    told: BTreeMap<String, (Value, Value, Monotonic)>,
    line: String,
}

impl Publisher {
    /// The line of `systemctl status`, when it changed.
    fn line(&mut self, seen: &Seen) -> Option<String> {
        let streams: Vec<String> = seen
            .streams
            .iter()
            .map(|(court, state)| format!("{court} {}", state.condition))
            .collect();
        let line = streams.join(", ");
        (line != self.line).then(|| {
            self.line.clone_from(&line);
            line
        })
    }

    fn publish(&mut self, shared: &Shared, now: Monotonic, seen: Seen) {
        for (court, state) in &seen.streams {
            // What merely counts or wavers is told every 5 s, what changed is told at once.
            let mut fixed = state.clone();
            (fixed.fps, fixed.bitrate_kbps, fixed.key_interval_s) = (None, None, None);
            (fixed.pictures, fixed.answers, fixed.dropped) = (0, 0, 0);
            for advice in &mut fixed.advice {
                (advice.costs_ms, advice.pixels, advice.text) = (None, None, String::new());
            }
            self.put(shared, now, format!("stream/{court}"), &fixed, state);
        }
        let mut fixed = seen.models.clone();
        for model in &mut fixed.bundles {
            model.inference_ms = None;
        }
        self.put(shared, now, "models".to_owned(), &fixed, &seen.models);
        if let Some(ring) = &seen.storage {
            let mut fixed = ring.storage.clone();
            (fixed.ring_bytes, fixed.free_bytes) = (0, 0);
            self.put(shared, now, "storage".to_owned(), &fixed, &ring.storage);
        }
        let clock = shared.anchors.state();
        let mut fixed = clock.clone();
        for court in &mut fixed.courts {
            (court.error_ms, court.drift_ppm) = (0, None);
        }
        self.put(shared, now, "clock".to_owned(), &fixed, &clock);
    }

    fn put<T: serde::Serialize>(
        &mut self,
        shared: &Shared,
        now: Monotonic,
        what: String,
        fixed: &T,
        whole: &T,
    ) {
        let (Ok(fixed), Ok(whole)) = (serde_json::to_value(fixed), serde_json::to_value(whole))
        else {
            return;
        };
        let due = match self.told.get(&what) {
            None => true,
            Some((told, _, _)) if *told != fixed => true,
            Some((_, told, at)) => *told != whole && now.since(*at) >= NUMBERS_EVERY,
        };
        if due {
            if let Some(uplink) = shared.uplink.get() {
                uplink.set_state(&what, &whole);
            }
            self.told.insert(what, (fixed, whole, now));
        }
    }
}
