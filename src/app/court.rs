//! What hangs on one court, and the small adapters by which stages hand things on.
//!
//! Each adapter is the face that one stage shows to the stage before it. None of them waits.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::histogram::Histogram;

use crate::answer::{ModelIdentity, RimAnswer};
use crate::app::options::Probe;
use crate::clips::{FragmentDurable, FragmentSink};
use crate::clock::{Anchors, Clock};
use crate::config::{Calibrate, CourtConfig};
use crate::decode::FrameSink;
use crate::detect::{AnswerSink, ModelMeters};
use crate::disk::Ballast;
use crate::event::{Decision, Saying};
use crate::game::player::{Board, Seat, ToGame};
use crate::health::{CourtLabel, HopLabel, Metrics, ModelLabel};
use crate::ingest::UnitSink;
use crate::mailbox::{Ledger, Mailbox, UnitMailbox, WhenFull};
use crate::media::{
    BoxName, CloseReason, CourtId, Frame, RimBox, SessionId, StreamInfo, StreamItem,
};
use crate::page::SentEvent;
use crate::router::Router;
use crate::uplink::{Committed, CommittedSink, SpaceNeeded, Uplink};

/// Stream time that the recorder may be behind (DESIGN §2).
const RING_BOUND: Duration = Duration::from_secs(4);
/// Stream time that the decoder may be behind (DESIGN §2).
const DECODE_BOUND: Duration = Duration::from_secs(1);
/// Answers that a game may be behind (DESIGN §2). More is a bug.
const ANSWERS: usize = 1024;

/// What all parts of the wiring share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: BoxName,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ledger: Ledger,
    pub(crate) metrics: Metrics,
    pub(crate) anchors: Anchors,
    pub(crate) courts: BTreeMap<CourtId, Arc<CourtParts>>,
    pub(crate) uplink: OnceLock<Arc<Uplink>>,
    /// The ring's; the outbox may need its room before the ring is open.
    pub(crate) ballast: Ballast,
    pub(crate) probe: Option<Arc<dyn Probe>>,
    pub(crate) events: tokio::sync::broadcast::Sender<SentEvent>,
    pub(crate) calibrate: Calibrate,
}

/// One court: its rims and the hops that belong to it.
#[derive(Debug)]
pub(crate) struct CourtParts {
    pub(crate) name: CourtId,
    pub(crate) rims: Vec<RimBox>,
    pub(crate) rims_of: Option<[u32; 2]>,
    pub(crate) ring: UnitMailbox,
    pub(crate) decode: UnitMailbox,
    pub(crate) answers: Mailbox<ToGame>,
    /// The last picture, for the page. Holds one buffer of the decoder's pool.
    pub(crate) last: Mutex<Option<Arc<Frame>>>,
    pub(crate) answered: AtomicU64,
    /// What its game shows.
    pub(crate) board: Arc<Board>,
}

impl CourtParts {
    pub(crate) fn new(court: &CourtConfig, ledger: &Ledger) -> Self {
        let (ring, decode) = unit_hops(&court.name, ledger);
        Self {
            name: court.name.clone(),
            rims: court.rims.clone(),
            rims_of: court.rims_of,
            ring,
            decode,
            answers: answers_hop(&court.name, ledger),
            last: Mutex::new(None),
            answered: AtomicU64::new(0),
            board: Arc::default(),
        }
    }

    /// Where its game sits; what it tells goes to `outlet`.
    pub(crate) fn seat(&self, outlet: Mailbox<Decision>) -> Seat {
        Seat {
            court: self.name.clone(),
            rims: self.rims.len(),
            inbox: self.answers.clone(),
            board: Arc::clone(&self.board),
            outlet,
        }
    }
}

/// A hop of answers: 1,024, losing the oldest; a loss is a bug and is told as one.
fn answers_hop(court: &CourtId, ledger: &Ledger) -> Mailbox<ToGame> {
    Mailbox::new(ANSWERS, WhenFull::DropOldest, ledger.hop(court.as_str(), "game"))
}

/// The two hops that ingest fills for one court.
fn unit_hops(court: &CourtId, ledger: &Ledger) -> (UnitMailbox, UnitMailbox) {
    (
        UnitMailbox::new(RING_BOUND, ledger.hop(court.as_str(), "ring")),
        UnitMailbox::new(DECODE_BOUND, ledger.hop(court.as_str(), "decode")),
    )
}

/// Ingest → clock, ring, decode. The ring comes first: what is lost later can be seen again.
pub(crate) struct FromIngest {
    pub(crate) shared: Arc<Shared>,
}

impl UnitSink for FromIngest {
    fn deliver(&self, court: &CourtId, item: StreamItem) {
        let Some(parts) = self.shared.courts.get(court) else { return };
        self.shared.anchors.item(court, &item);
        parts.ring.offer(item.clone());
        parts.decode.offer(item);
    }
}

/// Decode → router, and the page's last picture.
pub(crate) struct FromDecoder {
    parts: Arc<CourtParts>,
    router: Arc<Router>,
    decode_seconds: Histogram,
    probe: Option<Arc<dyn Probe>>,
}

impl FromDecoder {
    pub(crate) fn new(parts: &Arc<CourtParts>, shared: &Shared, router: &Arc<Router>) -> Self {
        let court = CourtLabel { court: parts.name.to_string() };
        Self {
            parts: Arc::clone(parts),
            router: Arc::clone(router),
            probe: shared.probe.clone(),
            decode_seconds: shared.metrics.decode_seconds.get_or_create(&court).clone(),
        }
    }
}

impl FrameSink for FromDecoder {
    fn opened(&self, _info: &Arc<StreamInfo>) {}

    fn frame(&self, frame: Arc<Frame>) {
        self.decode_seconds.observe(frame.decoded.since(frame.arrival).as_secs_f64());
        if let Some(probe) = &self.probe {
            probe.frame(&frame);
        }
        *self.parts.last.lock() = Some(Arc::clone(&frame));
        self.router.frame(&frame);
    }

    fn closed(&self, session: SessionId, reason: CloseReason) {
        *self.parts.last.lock() = None;
        self.router.session_closed(&self.parts.name, session, reason);
    }
}

/// Detect → game.
pub(crate) struct FromModels {
    pub(crate) shared: Arc<Shared>,
}

impl AnswerSink for FromModels {
    fn answer(&self, answer: RimAnswer) {
        let Some(parts) = self.shared.courts.get(&answer.court) else { return };
        parts.answered.fetch_add(1, Ordering::Relaxed);
        if let Some(probe) = &self.shared.probe {
            probe.answer(&answer);
        }
        if parts.answers.offer(ToGame::Answer(answer)).is_some() {
            tracing::error!(court = %parts.name, "an answer was lost on its way to the game: this is a bug");
        }
    }

    fn session_closed(&self, court: &CourtId, session: SessionId, reason: CloseReason) {
        let Some(parts) = self.shared.courts.get(court) else { return };
        parts.answers.offer(ToGame::Closed(session, reason));
    }
}

/// The handles that one model moves.
pub(crate) fn model_meters(metrics: &Metrics, model: &ModelIdentity) -> ModelMeters {
    let label = ModelLabel { model: model.bundle.clone(), engine: model.engine.clone() };
    let hop = HopLabel { hop: format!("model:{}", model.bundle) };
    ModelMeters {
        preprocess_seconds: metrics.preprocess_seconds.get_or_create(&label).clone(),
        inference_seconds: metrics.inference_seconds.get_or_create(&label).clone(),
        queue_seconds: metrics.queue_seconds.get_or_create(&hop).clone(),
        answer_seconds: metrics.answer_seconds.get_or_create(&label).clone(),
    }
}

/// Outbox → page, once an event is on disk.
pub(crate) struct FromOutbox {
    pub(crate) shared: Arc<Shared>,
}

impl CommittedSink for FromOutbox {
    fn committed(&self, told: &Committed<'_>) {
        let event = told.event;
        if let (Saying::Score(score), Some(parts)) =
            (&event.saying, self.shared.courts.get(&event.court))
        {
            parts.board.put_score(Some(score.clone()));
        }
        match String::from_utf8(told.message.to_vec()) {
            // Nobody listening is no fault.
            Ok(json) => drop(self.shared.events.send(SentEvent { position: told.position, json })),
            Err(error) => tracing::error!(%error, "an envelope could not be written for the page"),
        }
    }

    fn acknowledged(&self, took: Duration) {
        if let Some(probe) = &self.shared.probe {
            probe.acknowledged(took);
        }
    }
}

/// Outbox → ballast: room for events on a full disk (R9).
pub(crate) struct GiveSpace {
    pub(crate) shared: Arc<Shared>,
}

impl SpaceNeeded for GiveSpace {
    fn release(&self) -> bool {
        let given = self.shared.ballast.release();
        if given {
            tracing::warn!("the ballast was given up, so that events go on: free some room");
        }
        given
    }
}

/// Ring → log: what survives a power cut from now on.
pub(crate) struct FromRing;

impl FragmentSink for FromRing {
    fn fragment(&self, done: &FragmentDurable) {
        tracing::debug!(
            target: "courtside::clips::ring",
            court = %done.court, session = %done.session, end_ns = done.end.as_nanos(),
            segment = done.segment, bytes = done.bytes, "recorded"
        );
    }
}

impl fmt::Debug for FromDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FromDecoder({})", self.parts.name)
    }
}
