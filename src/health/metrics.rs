//! Every metric: its name, help and unit (DESIGN §4.7). Prometheus text at `/metrics`.
//!
//! Stages are given the handles that they move; what can be read from a stage is read when it is
//! scraped ([`Metrics::encode`]), so that it is never stale. Labels are bounded: court, hop, model,
//! engine, reason, class, rim.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::event::look::LookState;
use crate::event::update::UpdateState;
use crate::event::upload::UploadsState;
use crate::event::words::UpdateStep;
use crate::health::looked;
use crate::mailbox::Ledger;

/// Bounds of all latency histograms, seconds: 0.25 ms to 8 s, doubling. Chosen so that each budget
/// of DESIGN §3 (15, 20, 60, 400 ms) has a bound within a factor of 1.5 on either side.
const SECONDS: [f64; 16] = [
    0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.0, 4.0,
    8.0,
];

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

/// A family of latency histograms.
pub(super) type Latencies<L> = Family<L, Histogram, fn() -> Histogram>;

/// Label of a metric that each court has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CourtLabel {
    /// The court.
    pub court: String,
}

/// Label of a hop's metric.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct HopLabel {
    /// The hop.
    pub hop: String,
}

/// Labels of a model's metric.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ModelLabel {
    /// The bundle's name.
    pub model: String,
    /// The engine that runs it.
    pub engine: String,
}

/// The handles, and the registry behind them. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    /// From the arrival of a unit's last byte to its picture.
    pub decode_seconds: Latencies<CourtLabel>,
    /// How long things waited in a hop.
    pub queue_seconds: Latencies<HopLabel>,
    /// Cutting and scaling a model's input.
    pub preprocess_seconds: Latencies<ModelLabel>,
    /// One run of a model.
    pub inference_seconds: Latencies<ModelLabel>,
    /// From the arrival of a picture's last byte to its answer.
    pub answer_seconds: Latencies<ModelLabel>,
    /// From the decision to the broker's acknowledgement.
    pub event_seconds: Histogram,
    /// One commit of the outbox.
    pub outbox_commit_seconds: Histogram,
    /// Writing one fragment, sync included.
    pub ring_write_seconds: Histogram,
    /// One `fdatasync` of the ring.
    pub fsync_seconds: Histogram,
    /// From a local final until its contact sheet leaves memory.
    pub look_sheet_seconds: Histogram,
    /// From a local final until its second look is read.
    pub look_answer_seconds: Histogram,
    registry: std::sync::Arc<Registry>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// What is read from the stages at a scrape.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Courts, and whether a publisher is live.
    pub stream_up: Vec<(String, bool)>,
    /// Courts, reasons, and publishes that were refused for them.
    pub publish_refused: Vec<(String, String, u64)>,
    /// Courts, and what the pictures of their streams may take.
    pub picture_memory_bytes: Vec<(String, u64)>,
    /// The GPU's memory by what it is: `free`, `all`; absent where pictures lie in none.
    pub gpu_memory_bytes: Vec<(&'static str, u64)>,
    /// Courts, and the bound of their clock's error; absent without any anchor.
    pub clock_error_seconds: Vec<(String, f64)>,
    /// Events on disk that no PUBACK has come for.
    pub outbox_events: u64,
    /// Age of the oldest of them.
    pub outbox_oldest_seconds: f64,
    /// Bytes of the ring by class: `free_to_evict`, `pinned`.
    pub ring_bytes: Vec<(&'static str, u64)>,
    /// Clips whose bytes went since the start.
    pub clips_evicted: u64,
    /// Pins of clips that ended since the start, by why: `acknowledged`, `expired`, `command`, `deleted`.
    pub clips_ended: Vec<(&'static str, u64)>,
    /// What is learnt of each rim.
    pub calibration: Vec<RimReading>,
    /// How each court's decoder does.
    pub decoders: Vec<DecoderReading>,
    /// Who came to each door.
    pub doors: Vec<DoorReading>,
    /// How each court's stream is forwarded.
    pub relays: Vec<RelayReading>,
    /// How each model does at each court.
    pub models: Vec<ModelReading>,
    /// Disagreements of models of which a clip is kept.
    pub disagreements: u64,
    /// Clips on their way to object storage.
    pub uploads: UploadsState,
    /// The image that runs, and the next one.
    pub update: UpdateState,
    /// The second look; absent where there is none.
    pub look: Option<LookState>,
}

/// How a model does at a court, over its last attempts and answers there.
#[derive(Clone, Debug, Default)]
pub struct ModelReading {
    /// Bundle, version and precision.
    pub model: [String; 3],
    /// The court.
    pub court: String,
    /// It decides.
    pub decides: bool,
    /// Attempts: what they are counted as, and how many.
    pub attempts: [(&'static str, u64); 5],
    /// From a picture's last byte to its answer: quantile and seconds.
    pub answer_seconds: Vec<(&'static str, f64)>,
}

/// How a court's stream is forwarded by one relay.
#[derive(Clone, Debug, Default)]
pub struct RelayReading {
    /// The court.
    pub court: String,
    /// The relay.
    pub relay: String,
    /// Its server takes the stream.
    pub up: bool,
    /// Bytes that its servers took.
    pub bytes: u64,
    /// Messages that were not forwarded, by reason.
    pub dropped: Vec<(&'static str, u64)>,
}

/// Who came to a door.
#[derive(Clone, Debug, Default)]
pub struct DoorReading {
    /// `rtmp` or `http`.
    pub door: &'static str,
    /// Connections that showed a right secret.
    pub admitted: u64,
    /// Right answers that had to wait.
    pub delayed: u64,
    /// Refusals by reason.
    pub refused: Vec<(&'static str, u64)>,
}

/// How a court's decoder does.
#[derive(Clone, Debug, Default)]
pub struct DecoderReading {
    /// The court.
    pub court: String,
    /// A lesser decoder than the machine's best is in use, because that one failed.
    pub stands_in: bool,
    /// Pipelines that failed and were built anew.
    pub rebuilds: u64,
    /// Times that a lesser one began to stand in.
    pub downgrades: u64,
    /// Times that a better one was tried again.
    pub trials: u64,
    /// Surfaces of a GPU that its frames hold now, and copies that were ever made of one to the CPU;
    /// `None` where pictures are on the CPU anyway.
    pub surfaces: Option<(usize, u64)>,
}

/// What is learnt of a rim.
#[derive(Clone, Debug, Default)]
pub struct RimReading {
    /// The court.
    pub court: String,
    /// Index of the rim.
    pub rim: String,
    /// Shift of its log-odds; in force only where `calibrate = "on"`.
    pub shift: f64,
    /// Attempts that it was learnt from.
    pub attempts: u64,
}

impl Metrics {
    /// Registers everything.
    #[must_use]
    pub fn new(ledger: &Ledger) -> Self {
        let mut registry = Registry::with_prefix("courtside");
        let mut metrics = Self {
            decode_seconds: Family::new_with_constructor(seconds),
            queue_seconds: Family::new_with_constructor(seconds),
            preprocess_seconds: Family::new_with_constructor(seconds),
            inference_seconds: Family::new_with_constructor(seconds),
            answer_seconds: Family::new_with_constructor(seconds),
            event_seconds: seconds(),
            outbox_commit_seconds: seconds(),
            ring_write_seconds: seconds(),
            fsync_seconds: seconds(),
            look_sheet_seconds: seconds(),
            look_answer_seconds: seconds(),
            registry: std::sync::Arc::default(),
        };
        let mut latency = |name: &str, help: &str, metric: Box<dyn RegisterAs>| {
            metric.register(&mut registry, name, help);
        };
        latency(
            "decode",
            "Last byte of a unit in to its picture",
            Box::new(metrics.decode_seconds.clone()),
        );
        latency("queue", "Time in a hop", Box::new(metrics.queue_seconds.clone()));
        latency(
            "preprocess",
            "Cutting a model's input",
            Box::new(metrics.preprocess_seconds.clone()),
        );
        latency("inference", "One run of a model", Box::new(metrics.inference_seconds.clone()));
        latency(
            "answer",
            "Last byte of a picture in to its answer",
            Box::new(metrics.answer_seconds.clone()),
        );
        latency(
            "event",
            "Decision to the broker's acknowledgement",
            Box::new(metrics.event_seconds.clone()),
        );
        latency(
            "outbox_commit",
            "One commit of the outbox",
            Box::new(metrics.outbox_commit_seconds.clone()),
        );
        latency(
            "ring_write",
            "Writing one fragment, sync included",
            Box::new(metrics.ring_write_seconds.clone()),
        );
        latency("fsync", "One fdatasync of the ring", Box::new(metrics.fsync_seconds.clone()));
        latency(
            "look_sheet",
            "Local final until its contact sheet leaves memory",
            Box::new(metrics.look_sheet_seconds.clone()),
        );
        latency(
            "look_answer",
            "Local final until its second look is read",
            Box::new(metrics.look_answer_seconds.clone()),
        );
        registry.register_collector(Box::new(LedgerCollector { ledger: ledger.clone() }));
        metrics.registry = std::sync::Arc::new(registry);
        metrics
    }

    /// Prometheus text (OpenMetrics), with `reading` in it.
    #[must_use]
    pub fn encode(&self, reading: &Reading) -> String {
        let mut text = String::new();
        let mut at_scrape = Registry::with_prefix("courtside");
        at_scrape.register_collector(Box::new(ReadingCollector { reading: reading.clone() }));
        // Writing to a String cannot fail; an error here would be a bug of the encoder and shows
        // as a cut text, which Prometheus reports.
        let _ = prometheus_client::encoding::text::encode_registry(&mut text, &self.registry);
        let _ = prometheus_client::encoding::text::encode_registry(&mut text, &at_scrape);
        text.push_str("# EOF\n");
        text
    }
}

trait RegisterAs {
    fn register(&self, registry: &mut Registry, name: &str, help: &str);
}

impl<M> RegisterAs for M
where
    M: prometheus_client::registry::Metric + Clone,
{
    fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register_with_unit(name, help, Unit::Seconds, self.clone());
    }
}

#[derive(Debug)]
struct LedgerCollector {
    ledger: Ledger,
}

impl Collector for LedgerCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counts = self.ledger.counts();
        let counter = ConstCounter::new(0_u64);
        let mut totals = |name: &str, help: &str, of: &dyn Fn(&crate::mailbox::HopCount) -> u64| {
            let mut family = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            for (id, count) in &counts {
                let labels = [("court", id.court.as_str()), ("hop", id.hop.as_str())];
                ConstCounter::new(of(count)).encode(family.encode_family(&labels)?)?;
            }
            Ok::<(), fmt::Error>(())
        };
        totals("hop_offered", "Things handed to a hop", &|count| count.offered)?;
        totals("hop_taken", "Things that a hop handed on", &|count| count.taken)?;
        let gauge = ConstGauge::new(0_u64);
        let mut family = encoder.encode_descriptor(
            "hop_waiting",
            "Things inside a hop",
            None,
            gauge.metric_type(),
        )?;
        for (id, count) in &counts {
            let labels = [("court", id.court.as_str()), ("hop", id.hop.as_str())];
            ConstGauge::new(count.waiting).encode(family.encode_family(&labels)?)?;
        }
        let mut family = encoder.encode_descriptor(
            "hop_dropped",
            "Things that a hop let go, by reason",
            None,
            counter.metric_type(),
        )?;
        for (id, count) in &counts {
            for (reason, dropped) in &count.dropped {
                let labels = [
                    ("court", id.court.as_str()),
                    ("hop", id.hop.as_str()),
                    ("reason", reason.name()),
                ];
                ConstCounter::new(*dropped).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct ReadingCollector {
    reading: Reading,
}

impl Collector for ReadingCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let reading = &self.reading;
        let kind = ConstGauge::new(0_u64).metric_type();
        let mut family =
            encoder.encode_descriptor("stream_up", "1 while a publisher is live", None, kind)?;
        for (court, up) in &reading.stream_up {
            let labels = [("court", court.as_str())];
            ConstGauge::new(u64::from(*up)).encode(family.encode_family(&labels)?)?;
        }
        let mut family = encoder.encode_descriptor(
            "publish_refused",
            "Publishes with a right key that were refused, by reason",
            None,
            ConstCounter::new(0_u64).metric_type(),
        )?;
        for (court, reason, count) in &reading.publish_refused {
            let labels = [("court", court.as_str()), ("reason", reason.as_str())];
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
        let mut family = encoder.encode_descriptor(
            "picture_memory",
            "What the pictures of a stream may take, by its parameter sets",
            Some(&Unit::Bytes),
            kind,
        )?;
        for (court, bytes) in &reading.picture_memory_bytes {
            let labels = [("court", court.as_str())];
            ConstGauge::new(*bytes).encode(family.encode_family(&labels)?)?;
        }
        let mut family = encoder.encode_descriptor(
            "gpu_memory",
            "Memory of the GPU in which decoded pictures lie",
            Some(&Unit::Bytes),
            kind,
        )?;
        for (what, bytes) in &reading.gpu_memory_bytes {
            ConstGauge::new(*bytes).encode(family.encode_family(&[("what", *what)])?)?;
        }
        let mut family = encoder.encode_descriptor(
            "clock_error",
            "Bound of the error of an event's time",
            Some(&Unit::Seconds),
            kind,
        )?;
        for (court, error) in &reading.clock_error_seconds {
            let labels = [("court", court.as_str())];
            ConstGauge::new(*error).encode(family.encode_family(&labels)?)?;
        }
        let family = encoder.encode_descriptor(
            "outbox_events",
            "Events on disk that no PUBACK has come for",
            None,
            kind,
        )?;
        ConstGauge::new(reading.outbox_events).encode(family)?;
        let family = encoder.encode_descriptor(
            "outbox_oldest",
            "Age of the oldest of them",
            Some(&Unit::Seconds),
            kind,
        )?;
        ConstGauge::new(reading.outbox_oldest_seconds).encode(family)?;
        let mut family = encoder.encode_descriptor(
            "ring",
            "Bytes of the ring, by class",
            Some(&Unit::Bytes),
            kind,
        )?;
        for (class, bytes) in &reading.ring_bytes {
            let labels = [("class", *class)];
            ConstGauge::new(*bytes).encode(family.encode_family(&labels)?)?;
        }
        self.clips(&mut encoder)?;
        self.decoders(&mut encoder)?;
        self.doors(&mut encoder)?;
        self.relays(&mut encoder)?;
        self.models(&mut encoder)?;
        self.uploads(&mut encoder)?;
        self.update(&mut encoder)?;
        looked::encode(self.reading.look.as_ref(), &mut encoder)?;
        let mut family = encoder.encode_descriptor(
            "calibration_shift",
            "Shift of a rim's log-odds of made, in force where calibration is on",
            None,
            kind,
        )?;
        for rim in &reading.calibration {
            let labels = [("court", rim.court.as_str()), ("rim", rim.rim.as_str())];
            ConstGauge::new(rim.shift).encode(family.encode_family(&labels)?)?;
        }
        let mut family = encoder.encode_descriptor(
            "calibration_attempts",
            "Attempts that it was learnt from",
            None,
            kind,
        )?;
        for rim in &reading.calibration {
            let labels = [("court", rim.court.as_str()), ("rim", rim.rim.as_str())];
            ConstGauge::new(rim.attempts).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl ReadingCollector {
    /// The relays.
    fn relays(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counter = ConstCounter::new(0_u64).metric_type();
        let mut family = encoder.encode_descriptor(
            "relay_up",
            "1 while a relay's server takes the stream",
            None,
            ConstGauge::new(0_u64).metric_type(),
        )?;
        for relay in &self.reading.relays {
            let labels = [("court", relay.court.as_str()), ("relay", relay.relay.as_str())];
            ConstGauge::new(u64::from(relay.up)).encode(family.encode_family(&labels)?)?;
        }
        let mut family = encoder.encode_descriptor(
            "relay",
            "What a relay's servers took",
            Some(&Unit::Bytes),
            counter,
        )?;
        for relay in &self.reading.relays {
            let labels = [("court", relay.court.as_str()), ("relay", relay.relay.as_str())];
            ConstCounter::new(relay.bytes).encode(family.encode_family(&labels)?)?;
        }
        let mut family = encoder.encode_descriptor(
            "relay_dropped",
            "Messages of a stream that a relay did not forward, by reason",
            None,
            counter,
        )?;
        for relay in &self.reading.relays {
            for (reason, dropped) in &relay.dropped {
                let labels = [
                    ("court", relay.court.as_str()),
                    ("relay", relay.relay.as_str()),
                    ("reason", *reason),
                ];
                ConstCounter::new(*dropped).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    /// The board of models.
    fn models(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let kind = ConstGauge::new(0_u64).metric_type();
        let models = &self.reading.models;
        let labels = |of: &ModelReading| {
            let [model, version, precision] = of.model.clone();
            [
                ("court", of.court.clone()),
                ("model", model),
                ("version", version),
                ("precision", precision),
            ]
        };
        let mut family = encoder.encode_descriptor(
            "model_decides",
            "1 for the model that decides, 0 for those that are compared with it",
            None,
            kind,
        )?;
        for model in models {
            let decides = u64::from(model.decides);
            ConstGauge::new(decides).encode(family.encode_family(&labels(model))?)?;
        }
        let mut family = encoder.encode_descriptor(
            "model_attempts",
            "A model's last attempts: compared with the one that decides, agreed, judged by people, right, unsure",
            None,
            kind,
        )?;
        for model in models {
            let [court, name, version, precision] = labels(model);
            for (what, count) in model.attempts {
                let what = ("what", what.to_owned());
                let labels =
                    [court.clone(), name.clone(), version.clone(), precision.clone(), what];
                ConstGauge::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        let mut family = encoder.encode_descriptor(
            "model_answer",
            "Last byte of a picture in to its answer, of a model's last answers",
            Some(&Unit::Seconds),
            kind,
        )?;
        for model in models {
            let [court, name, version, precision] = labels(model);
            for (quantile, seconds) in &model.answer_seconds {
                // `quantile` is a label of summaries alone.
                let quantile = ("share", (*quantile).to_owned());
                let labels =
                    [court.clone(), name.clone(), version.clone(), precision.clone(), quantile];
                ConstGauge::new(*seconds).encode(family.encode_family(&labels)?)?;
            }
        }
        let family = encoder.encode_descriptor(
            "model_disagreements",
            "Attempts at which two models said otherwise, of which a clip is kept",
            None,
            kind,
        )?;
        ConstGauge::new(self.reading.disagreements).encode(family)
    }

    /// Clips on their way to object storage.
    fn uploads(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let uploads = &self.reading.uploads;
        let (gauge, counter) =
            (ConstGauge::new(0_u64).metric_type(), ConstCounter::new(0_u64).metric_type());
        let help =
            "Bytes of clips that went to object storage, and those of them that it acknowledged";
        let mut family = encoder.encode_descriptor("upload", help, Some(&Unit::Bytes), counter)?;
        let bytes = [("sent", uploads.sent_bytes), ("acknowledged", uploads.acknowledged_bytes)];
        for (what, count) in bytes {
            ConstCounter::new(count).encode(family.encode_family(&[("what", what)])?)?;
        }
        let help = "Parts that object storage acknowledged, that were sent again, and of which bytes went \
                    to an address that was over";
        let mut family = encoder.encode_descriptor("upload_parts", help, None, counter)?;
        for (what, count) in [
            ("acknowledged", uploads.parts),
            ("again", uploads.again),
            ("refused", uploads.refused),
        ] {
            ConstCounter::new(count).encode(family.encode_family(&[("what", what)])?)?;
        }
        let help =
            "Bytes a second that uploads may take, and what the uplink gave when it was tried last";
        let mut family = encoder.encode_descriptor("upload_bytes_per_second", help, None, gauge)?;
        let measured = uploads.measured_bits_per_second.unwrap_or(0);
        for (what, bits) in [("allowed", uploads.allowed_bits_per_second), ("measured", measured)] {
            ConstGauge::new(bits / 8).encode(family.encode_family(&[("what", what)])?)?;
        }
        let family =
            encoder.encode_descriptor("uploads_running", "Uploads that run", None, gauge)?;
        ConstGauge::new(uploads.running.len() as u64).encode(family)
    }

    /// The box's own image.
    fn update(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let update = &self.reading.update;
        let (gauge, counter) =
            (ConstGauge::new(0_u64).metric_type(), ConstCounter::new(0_u64).metric_type());
        let help = "Updates of the box by how they ended";
        let mut family = encoder.encode_descriptor("updates", help, None, counter)?;
        let ended =
            [("good", update.good), ("fallen_back", update.fallen_back), ("failed", update.failed)];
        for (how, count) in ended {
            ConstCounter::new(count).encode(family.encode_family(&[("how", how)])?)?;
        }
        let help = "1 while the image that runs is on trial";
        let family = encoder.encode_descriptor("update_trial", help, None, gauge)?;
        ConstGauge::new(u64::from(update.step == UpdateStep::Trial)).encode(family)
    }

    fn clips(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let kind = ConstCounter::new(0_u64).metric_type();
        let family = encoder.encode_descriptor(
            "clips_evicted",
            "Clips whose pin had ended, and whose place was needed",
            None,
            kind,
        )?;
        ConstCounter::new(self.reading.clips_evicted).encode(family)?;
        let mut family = encoder.encode_descriptor(
            "clips_ended",
            "Pins of clips that ended, by why",
            None,
            kind,
        )?;
        for (why, count) in &self.reading.clips_ended {
            ConstCounter::new(*count).encode(family.encode_family(&[("why", *why)])?)?;
        }
        Ok(())
    }

    fn doors(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let kind = ConstCounter::new(0_u64).metric_type();
        let doors = &self.reading.doors;
        let mut total = |name: &str, help: &str, of: fn(&DoorReading) -> u64| {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for door in doors {
                let labels = [("door", door.door)];
                ConstCounter::new(of(door)).encode(family.encode_family(&labels)?)?;
            }
            Ok::<(), fmt::Error>(())
        };
        total("admitted", "Connections that showed a right secret", |door| door.admitted)?;
        total("delayed", "Right answers that waited, because wrong ones came", |door| {
            door.delayed
        })?;
        let mut family = encoder.encode_descriptor(
            "refused",
            "Peers refused, by door and reason",
            None,
            kind,
        )?;
        for door in doors {
            for (reason, count) in &door.refused {
                let labels = [("door", door.door), ("reason", *reason)];
                ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn decoders(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let decoders = &self.reading.decoders;
        let mut family = encoder.encode_descriptor(
            "decoder_stands_in",
            "1 while a lesser decoder stands in for the machine's best, which failed",
            None,
            ConstGauge::new(0_u64).metric_type(),
        )?;
        for decoder in decoders {
            let labels = [("court", decoder.court.as_str())];
            ConstGauge::new(u64::from(decoder.stands_in)).encode(family.encode_family(&labels)?)?;
        }
        let kind = ConstCounter::new(0_u64).metric_type();
        let mut total = |name: &str, help: &str, of: fn(&DecoderReading) -> u64| {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for decoder in decoders {
                let labels = [("court", decoder.court.as_str())];
                ConstCounter::new(of(decoder)).encode(family.encode_family(&labels)?)?;
            }
            Ok::<(), fmt::Error>(())
        };
        total("decoder_rebuilds", "Decoders that failed and were built anew", |of| of.rebuilds)?;
        total("decoder_downgrades", "Times that a lesser one began to stand in", |of| {
            of.downgrades
        })?;
        total("decoder_trials", "Times that a better one was tried again", |of| of.trials)?;
        total("decoder_host_copies", "Pictures that were copied from a GPU to the CPU", |of| {
            of.surfaces.map_or(0, |(_, copies)| copies)
        })?;
        let mut family = encoder.encode_descriptor(
            "decoder_surfaces",
            "Surfaces of a GPU that a court's pictures hold now",
            None,
            ConstGauge::new(0_u64).metric_type(),
        )?;
        for decoder in decoders {
            let labels = [("court", decoder.court.as_str())];
            let held = decoder.surfaces.map_or(0, |(held, _)| held);
            let held = u64::try_from(held).unwrap_or(u64::MAX);
            ConstGauge::new(held).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_and_the_histograms_are_in_the_text() {
        let ledger = Ledger::new();
        ledger.hop("north", "decode").offered();
        let metrics = Metrics::new(&ledger);
        metrics.event_seconds.observe(0.01);
        let rim = RimReading {
            court: "north".to_owned(),
            rim: "0".to_owned(),
            shift: -0.25,
            attempts: 40,
        };
        let text = metrics.encode(&Reading {
            stream_up: vec![("north".to_owned(), true)],
            publish_refused: vec![("north".to_owned(), "pictures".to_owned(), 3)],
            picture_memory_bytes: vec![("north".to_owned(), 95_000_000)],
            gpu_memory_bytes: vec![("free", 5_000_000_000), ("all", 8_000_000_000)],
            calibration: vec![rim],
            decoders: vec![DecoderReading {
                court: "north".to_owned(),
                stands_in: true,
                downgrades: 2,
                surfaces: Some((3, 5)),
                ..DecoderReading::default()
            }],
            doors: vec![DoorReading {
                door: "rtmp",
                refused: vec![("wrong_secret", 7)],
                ..DoorReading::default()
            }],
            relays: vec![RelayReading {
                court: "north".to_owned(),
                relay: "tv".to_owned(),
                up: true,
                bytes: 7_000,
                dropped: vec![("no_peer", 3)],
            }],
            models: vec![ModelReading {
                model: ["rimnet", "0.6.0", "fp32"].map(str::to_owned),
                court: "north".to_owned(),
                decides: true,
                attempts: [
                    ("compared", 9),
                    ("agreed", 8),
                    ("judged", 2),
                    ("right", 1),
                    ("unsure", 0),
                ],
                answer_seconds: vec![("0.99", 0.021)],
            }],
            disagreements: 1,
            uploads: UploadsState {
                sent_bytes: 900,
                again: 2,
                refused: 1,
                measured_bits_per_second: Some(5_000_000),
                ..UploadsState::default()
            },
            update: UpdateState {
                step: UpdateStep::Trial,
                fallen_back: 2,
                ..UpdateState::default()
            },
            clips_evicted: 4,
            clips_ended: vec![("expired", 2)],
            ..Reading::default()
        });
        for line in [
            "courtside_admitted_total{door=\"rtmp\"} 0",
            "courtside_refused_total{door=\"rtmp\",reason=\"wrong_secret\"} 7",
            "courtside_hop_offered_total{court=\"north\",hop=\"decode\"} 1",
            "courtside_event_seconds_count 1",
            "courtside_publish_refused_total{court=\"north\",reason=\"pictures\"} 3",
            "courtside_picture_memory_bytes{court=\"north\"} 95000000",
            "courtside_gpu_memory_bytes{what=\"free\"} 5000000000",
            "courtside_stream_up{court=\"north\"} 1",
            "courtside_relay_up{court=\"north\",relay=\"tv\"} 1",
            "courtside_relay_bytes_total{court=\"north\",relay=\"tv\"} 7000",
            "courtside_relay_dropped_total{court=\"north\",relay=\"tv\",reason=\"no_peer\"} 3",
            "courtside_decoder_stands_in{court=\"north\"} 1",
            "courtside_decoder_downgrades_total{court=\"north\"} 2",
            "courtside_decoder_surfaces{court=\"north\"} 3",
            "courtside_decoder_host_copies_total{court=\"north\"} 5",
            "courtside_calibration_shift{court=\"north\",rim=\"0\"} -0.25",
            "courtside_model_decides{court=\"north\",model=\"rimnet\",version=\"0.6.0\",precision=\"fp32\"} 1",
            "courtside_model_attempts{court=\"north\",model=\"rimnet\",version=\"0.6.0\",precision=\"fp32\",what=\"agreed\"} 8",
            "courtside_model_answer_seconds{court=\"north\",model=\"rimnet\",version=\"0.6.0\",precision=\"fp32\",share=\"0.99\"} 0.021",
            "courtside_model_disagreements 1",
            "courtside_upload_bytes_total{what=\"sent\"} 900",
            "courtside_upload_parts_total{what=\"again\"} 2",
            "courtside_upload_parts_total{what=\"refused\"} 1",
            "courtside_upload_bytes_per_second{what=\"measured\"} 625000",
            "courtside_uploads_running 0",
            "courtside_updates_total{how=\"fallen_back\"} 2",
            "courtside_update_trial 1",
            "courtside_clips_evicted_total 4",
            "courtside_clips_ended_total{why=\"expired\"} 2",
            "courtside_calibration_attempts{court=\"north\",rim=\"0\"} 40",
            "# EOF",
        ] {
            assert!(text.contains(line), "no `{line}` in\n{text}");
        }
    }
}
