//! The faces that one stage shows to the stage before it: the small adapters by which things are handed
//! on. None of them waits.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::broadcast;

use crate::answer::{ModelIdentity, RimAnswer};
use crate::app::book::CourtBook;
use crate::app::court::CourtParts;
use crate::app::home::HomeDesk;
use crate::app::options::Probe;
use crate::clips::{Draws, FragmentDurable, FragmentSink, Still};
use crate::clock::Anchors;
use crate::decode::{self, FrameSink, StillOrder};
use crate::detect::{AnswerSink, ModelMeters, RunBy};
use crate::disk::Ballast;
use crate::event::Saying;
use crate::game::jury::Room;
use crate::game::player::ToGame;
use crate::health::{CourtLabel, HopLabel, Metrics, ModelLabel};
use crate::ingest::UnitSink;
use crate::media::{
    CloseReason, CourtId, Frame, MediaTime, SessionId, StreamInfo, StreamItem, UtcTime,
    WallReference, WallSource,
};
use crate::page::{self, SentEvent};
use crate::relay::Relays;
use crate::router::Router;
use crate::rtmp::message::Message;
use crate::uplink::{Committed, CommittedSink, SpaceNeeded};

/// Ingest → clock, ring, decode, relays. The ring comes first: what is lost later can be seen again.
pub(crate) struct FromIngest {
    pub(crate) book: CourtBook,
    pub(crate) anchors: Anchors,
    pub(crate) relays: Arc<Relays>,
    /// When media time 0 was, of what is a recording.
    pub(crate) began: Option<UtcTime>,
}

impl UnitSink for FromIngest {
    fn deliver(&self, court: &CourtId, item: StreamItem) {
        let Some(parts) = self.book.get(court) else { return };
        self.anchors.item(court, &item);
        if let (Some(utc), StreamItem::Opened(info)) = (self.began, &item) {
            let (session, media, source) = (info.session, MediaTime::ZERO, WallSource::File);
            let told = WallReference { session, media, utc, source };
            self.anchors.item(court, &StreamItem::Wall(told));
        }
        parts.ring.offer(item.clone());
        parts.decode.offer(item);
    }

    fn message(&self, court: &CourtId, publish: u64, message: &Message) {
        self.relays.message(court, publish, message);
    }

    fn unpublished(&self, court: &CourtId, publish: u64) {
        self.relays.ended(court, publish);
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
    pub(crate) fn new(
        parts: &Arc<CourtParts>,
        router: &Arc<Router>,
        metrics: &Metrics,
        probe: Option<Arc<dyn Probe>>,
    ) -> Self {
        let court = CourtLabel { court: parts.name.to_string() };
        let decode_seconds = metrics.decode_seconds.get_or_create(&court).clone();
        Self { parts: Arc::clone(parts), router: Arc::clone(router), decode_seconds, probe }
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

    fn room(&self, within: Duration) {
        self.router.room(&self.parts.name, within);
    }

    fn closed(&self, session: SessionId, reason: CloseReason) {
        *self.parts.last.lock() = None;
        self.router.session_closed(&self.parts.name, session, reason);
    }
}

/// Detect → game.
pub(crate) struct FromModels {
    pub(crate) book: CourtBook,
    pub(crate) probe: Option<Arc<dyn Probe>>,
    pub(crate) jury: Room,
}

impl AnswerSink for FromModels {
    fn answer(&self, answer: RimAnswer) {
        let Some(parts) = self.book.get(&answer.court) else { return };
        parts.answered.fetch_add(1, Ordering::Relaxed);
        if let Some(probe) = &self.probe {
            probe.answer(&answer);
        }
        if parts.answers.offer(ToGame::Answer(answer)).is_some() {
            tracing::error!(court = %parts.name, "an answer was lost on its way to the game: this is a bug");
        }
    }

    fn session_closed(&self, court: &CourtId, session: SessionId, reason: CloseReason) {
        let Some(parts) = self.book.get(court) else { return };
        parts.answers.offer(ToGame::Closed(session, reason));
    }

    fn court_closed(&self, court: &CourtId) {
        let parts = self.book.get(court).filter(|parts| parts.leaving.load(Ordering::Acquire));
        if let Some(parts) = parts {
            parts.answers.close();
        }
    }

    fn shadow(&self, answer: RimAnswer) {
        if self.book.get(&answer.court).is_some() {
            self.jury.beside(&answer);
        }
    }
}

/// The handles that one model moves.
pub(crate) fn model_meters(metrics: &Metrics, model: &ModelIdentity) -> ModelMeters {
    let label = ModelLabel { model: model.bundle.clone(), engine: model.engine.clone() };
    let (all, whose) = (metrics.clone(), model.clone());
    let run_by = move |engine: &str| {
        model_meters(&all, &ModelIdentity { engine: engine.to_owned(), ..whose.clone() })
    };
    let hop = HopLabel { hop: format!("model:{}", model.bundle) };
    ModelMeters {
        preprocess_seconds: metrics.preprocess_seconds.get_or_create(&label).clone(),
        inference_seconds: metrics.inference_seconds.get_or_create(&label).clone(),
        queue_seconds: metrics.queue_seconds.get_or_create(&hop).clone(),
        answer_seconds: metrics.answer_seconds.get_or_create(&label).clone(),
        run_by: RunBy(Some(Arc::new(run_by))),
    }
}

/// Outbox → page, once an event is on disk.
pub(crate) struct FromOutbox {
    pub(crate) book: CourtBook,
    pub(crate) events: broadcast::Sender<SentEvent>,
    pub(crate) probe: Option<Arc<dyn Probe>>,
    pub(crate) home: HomeDesk,
}

impl CommittedSink for FromOutbox {
    fn committed(&self, told: &Committed<'_>) {
        let event = told.event;
        if let (Saying::Score(score), Some(parts)) = (&event.saying, self.book.get(&event.court)) {
            parts.board.put_score(Some(score.clone()));
        }
        self.home.hears(&event.court, told.message);
        match String::from_utf8(told.message.to_vec()) {
            // Nobody listening is no fault.
            Ok(json) => drop(self.events.send(SentEvent { position: told.position, json })),
            Err(error) => tracing::error!(%error, "an envelope could not be written for the page"),
        }
    }

    fn acknowledged(&self, took: Duration) {
        if let Some(probe) = &self.probe {
            probe.acknowledged(took);
        }
    }
}

/// Outbox → ballast: room for events on a full disk (R9).
pub(crate) struct GiveSpace {
    /// The ring's; the outbox may need its room before the ring is open.
    pub(crate) ballast: Ballast,
}

impl SpaceNeeded for GiveSpace {
    fn release(&self) -> bool {
        let given = self.ballast.release();
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

/// Clips → decoder → JPEG: what a clip looks like.
pub(crate) struct FromClips;

/// Pixels across a picture in a list (chosen: sharp at half of that, some 15 KB).
const THUMBNAIL_WIDTH: u32 = 320;

impl Draws for FromClips {
    fn jpeg(&self, still: &Still) -> Result<Vec<u8>, String> {
        let frame = decode::still(&StillOrder {
            court: still.court.clone(),
            session: still.session,
            codec: still.codec,
            config: &still.config,
            units: still.units.iter().map(|(at, data)| (*at, data.as_slice())).collect(),
            at: still.at,
        });
        let frame = frame.map_err(|error| error.to_string())?;
        page::jpeg(&frame, THUMBNAIL_WIDTH).ok_or_else(|| "it cannot be drawn".to_owned())
    }
}

impl fmt::Debug for FromDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FromDecoder({})", self.parts.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::DecisionParameters;
    use crate::health::Reading;
    use crate::mailbox::Ledger;

    /// Whoever reads the metrics sees which engine took how long, also of one that took over.
    #[test]
    fn times_of_an_engine_that_took_over_are_its_own() {
        let metrics = Metrics::new(&Ledger::new());
        let model = ModelIdentity {
            bundle: "rimnet".to_owned(),
            version: "1".to_owned(),
            precision: "fp32".to_owned(),
            engine: "builtin".to_owned(),
            decision: DecisionParameters::default(),
        };
        let first = model_meters(&metrics, &model);
        first.inference_seconds.observe(0.25);
        let RunBy(Some(run_by)) = first.run_by else { panic!("an engine may change") };
        let then = run_by("tensorrt");
        then.inference_seconds.observe(0.125);
        let RunBy(Some(run_by)) = then.run_by else { panic!("and change again") };
        run_by("builtin").inference_seconds.observe(0.25);
        let text = metrics.encode(&Reading::default());
        for expected in [
            "inference_seconds_sum{model=\"rimnet\",engine=\"builtin\"} 0.5",
            "inference_seconds_sum{model=\"rimnet\",engine=\"tensorrt\"} 0.125",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }
}
