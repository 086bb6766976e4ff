//! The courts that play: each is one value, built while others run, and drained without them.
//!
//! [`Court`] is the value; [`Courts`] owns all of them, builds them and takes them away. Of each change every stage learns by a call of its own (ingest, decode, detect, ring,
//! game), so that no other court has anything to notice.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::app::book::{CourtBook, Listed};
use crate::app::court::CourtParts;
use crate::app::error::{AppError, CourtError};
use crate::app::faces::FromDecoder;
use crate::app::home::HomeDesk;
use crate::app::labels::Labels;
use crate::app::options::Probe;
use crate::app::second;
use crate::app::world::World;
use crate::clips::{Pace, Recorders};
use crate::clock::{Anchors, within};
use crate::config::{Calibrate, CourtConfig};
use crate::decode::{DecodeSettings, Decoder};
use crate::detect::Detect;
use crate::game::jury::Room;
use crate::game::people::HearsPeople;
use crate::game::table::Table;
use crate::game::{self, keeper, player};
use crate::health::Metrics;
use crate::ingest::{CourtKey, IngestHandle, StreamKey};
use crate::look::Look;
use crate::mailbox::{Ledger, Mailbox, hops};
use crate::media::{CourtId, CourtRims};
use crate::relay::Relays;
use crate::router::Router;
use crate::uplink::Uplink;

/// How long a court that goes may take to have what came in answered. A model that hangs holds up its
/// own answers, and no longer than this the court's end.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a court is joined to.
#[derive(Clone)]
pub(crate) struct Neighbours {
    pub(crate) world: World,
    pub(crate) ledger: Ledger,
    pub(crate) metrics: Metrics,
    pub(crate) anchors: Anchors,
    pub(crate) probe: Option<Arc<dyn Probe>>,
    pub(crate) book: CourtBook,
    pub(crate) calibrate: Calibrate,
    pub(crate) rims_dir: PathBuf,
    pub(crate) keep: Mailbox<keeper::Write>,
    pub(crate) ingest: IngestHandle,
    pub(crate) recorders: Recorders,
    pub(crate) relays: Arc<Relays>,
    pub(crate) router: Arc<Router>,
    pub(crate) detect: Arc<Detect>,
    pub(crate) jury: Room,
    pub(crate) uplink: Arc<Uplink>,
    pub(crate) home: HomeDesk,
    /// Of who reads clips and recordings.
    pub(crate) pace: Pace,
    /// What people say of shots, to learn from.
    pub(crate) labels: Arc<Labels>,
    /// The games that were started.
    pub(crate) table: Arc<Table>,
    /// Looks again at finals; absent where none is configured.
    pub(crate) look: Option<Look>,
}

/// One court: what it is made of, and the threads that are its own.
#[derive(Debug)]
pub(crate) struct Court {
    parts: Arc<CourtParts>,
    decoder: Decoder,
    game: player::Playing,
}

impl Court {
    /// Builds a court and lets publishers come to it, sink first: whoever is joined before a stage is
    /// there to take what it gives. `left` is what its last game left on disk.
    ///
    /// # Errors
    /// [`CourtError`]; then nothing of it is left, and no other court was touched.
    pub(crate) fn build(
        beside: &Neighbours,
        config: &CourtConfig,
        left: game::Recovered,
    ) -> Result<Self, CourtError> {
        let court = &config.name;
        let io =
            |what: &str, source| CourtError::Build(AppError::Io { what: what.to_owned(), source });
        beside.anchors.camera_delay(court, config.camera_delay);
        let parts = Arc::new(CourtParts::new(config, &beside.ledger));
        parts.board.put_score(left.score.clone());
        let how = beside.calibrate;
        let rims = keeper::load(&*beside.world.disk, &beside.rims_dir, config, how);
        let learning = player::Learning { how, rims, keeper: beside.keep.clone() };
        let started = (Arc::clone(&beside.table), beside.anchors.clone());
        let people = Arc::clone(&beside.labels) as Arc<dyn HearsPeople>;
        let hears = (people, second::of_games(beside.look.as_ref()));
        let seat = parts.seat(beside.uplink.inbox(), &beside.jury, started, hears);
        beside.labels.rims(&parts);
        let game = player::start(seat, left, learning)
            .map_err(|source| io("start a game's thread", source))?;
        let court_rims = CourtRims {
            court: court.clone(),
            rims: config.rims.clone(),
            rims_of: config.rims_of.map(|[width, height]| (width, height)),
        };
        beside.detect.open_court(&court_rims);
        second::open_court(beside.look.as_ref(), court_rims, &beside.ledger);
        let decoder = Decoder::start(
            DecodeSettings::new(court.clone()),
            parts.decode.clone(),
            Arc::new(FromDecoder::new(
                &parts,
                &beside.router,
                &beside.metrics,
                beside.probe.clone(),
            )),
            beside.ledger.hop(court.as_str(), hops::DECODER),
            Arc::clone(&beside.world.clock),
            &*beside.world.devices.decoders,
        );
        let decoder = match decoder {
            Ok(decoder) => decoder,
            Err(error) => {
                parts.answers.close();
                if let Some(look) = &beside.look {
                    look.frames().close_court(court);
                }
                let _told = beside.detect.close_court(court);
                return Err(CourtError::Build(error.into()));
            }
        };
        beside.recorders.open_court(court.clone(), parts.ring.clone());
        let listed = Listed { parts: Arc::clone(&parts), decoder: decoder.watcher() };
        beside.book.put(listed);
        let built = Self { parts, decoder, game };
        let stream_key = key_of(config);
        if !beside.ingest.open_court(CourtKey { court: court.clone(), stream_key }) {
            built.close(beside);
            built.decoder.join();
            built.parts.answers.close();
            beside.book.take(court);
            return Err(CourtError::KeyTaken { court: court.clone() });
        }
        Ok(built)
    }

    /// Nothing comes in any more; what is inside runs on.
    fn close(&self, beside: &Neighbours) {
        beside.ingest.close_court(&self.parts.name);
        self.parts.decode.close();
        self.parts.ring.close();
    }

    /// Takes the court away in the order of the flow, while others play. What came in is decoded,
    /// answered, decided and on its way to disk when this returns; what its game had told and not
    /// finished is withdrawn.
    pub(crate) async fn drain(self, beside: &Neighbours) {
        self.close(beside);
        let Self { parts, decoder, game } = self;
        let court = parts.name.clone();
        let joined = tokio::task::spawn_blocking(move || decoder.join());
        if let Err(error) = joined.await {
            tracing::error!(%court, %error, "a decoder did not end cleanly");
        }
        parts.leaving.store(true, Ordering::Release);
        if let Some(look) = &beside.look {
            look.frames().close_court(&court);
        }
        if !beside.detect.close_court(&court) {
            parts.answers.close();
        }
        // Closed by the live model's last word of this court; by us, where that does not come.
        let clock = &*beside.world.clock;
        let ended = within(clock, PATIENCE, parts.answers.closed()).await;
        if ended.is_none() {
            tracing::error!(%court, "its model has not answered what came in: that is let go");
            parts.answers.close();
        }
        let game = tokio::task::spawn_blocking(move || game.join());
        match within(clock, PATIENCE, game).await {
            Some(Ok(Ok(0))) => {}
            Some(Ok(Ok(events))) => tracing::error!(%court, events, "lost: the outbox is closed"),
            Some(_) => tracing::error!(%court, "a game did not end cleanly"),
            // It ends by itself, when the outbox takes what it has.
            None => tracing::error!(%court, "the outbox is full: a game that ends waits for it"),
        }
        beside.book.take(&court);
    }

    pub(crate) fn parts(&self) -> &Arc<CourtParts> {
        &self.parts
    }

    /// Its threads, for an end of all courts at once.
    pub(crate) fn into_threads(self) -> (Decoder, player::Playing) {
        (self.decoder, self.game)
    }
}

fn key_of(config: &CourtConfig) -> StreamKey {
    StreamKey::new(config.stream_key.expose())
}

/// All courts of the box. Clones are the same ones.
#[derive(Clone)]
pub(crate) struct Courts {
    beside: Neighbours,
    /// `None` once the box ends. One change at a time.
    playing: Arc<tokio::sync::Mutex<Option<BTreeMap<CourtId, Court>>>>,
}

impl Courts {
    /// None yet.
    pub(crate) fn new(beside: Neighbours) -> Self {
        Self { beside, playing: Arc::new(tokio::sync::Mutex::new(Some(BTreeMap::new()))) }
    }

    pub(crate) const fn beside(&self) -> &Neighbours {
        &self.beside
    }

    /// Builds the first courts, each with what the last run left of it.
    pub(crate) async fn begin(
        &self,
        configs: &[CourtConfig],
        mut left: BTreeMap<CourtId, game::Recovered>,
    ) -> Result<(), AppError> {
        let mut playing = self.playing.lock().await;
        let Some(playing) = playing.as_mut() else { return Ok(()) };
        for config in configs {
            let left = left.remove(&config.name).unwrap_or_default();
            let court = Court::build(&self.beside, config, left)?;
            self.beside.relays.set(&config.name, &config.relays);
            playing.insert(config.name.clone(), court);
        }
        Ok(())
    }

    /// A court more, from now on; its game goes on from what is on disk of it.
    pub(crate) async fn add(&self, config: &CourtConfig) -> Result<(), CourtError> {
        let mut playing = self.playing.lock().await;
        let playing = playing.as_mut().ok_or(CourtError::Ending)?;
        if playing.contains_key(&config.name) {
            return Err(CourtError::There { court: config.name.clone() });
        }
        self.build_into(playing, config).await
    }

    /// The same court by another configuration: its publisher comes again, no other one notices.
    pub(crate) async fn change(&self, config: &CourtConfig) -> Result<(), CourtError> {
        let mut playing = self.playing.lock().await;
        let playing = playing.as_mut().ok_or(CourtError::Ending)?;
        let (court, stream_key) = (config.name.clone(), key_of(config));
        if !playing.contains_key(&court) {
            return Err(CourtError::Unknown { court });
        }
        // Before the old one is let go of.
        if self.beside.ingest.has_key(&CourtKey { court: court.clone(), stream_key }) {
            return Err(CourtError::KeyTaken { court });
        }
        if let Some(old) = playing.remove(&court) {
            old.drain(&self.beside).await;
        }
        self.build_into(playing, config).await
    }

    /// A court less, from now on.
    pub(crate) async fn remove(&self, court: &CourtId) -> Result<(), CourtError> {
        let mut playing = self.playing.lock().await;
        let playing = playing.as_mut().ok_or(CourtError::Ending)?;
        let Some(old) = playing.remove(court) else {
            return Err(CourtError::Unknown { court: court.clone() });
        };
        old.drain(&self.beside).await;
        self.beside.relays.remove(court);
        self.beside.uplink.clear_state(&format!("stream/{court}"));
        self.beside.uplink.set_courts(self.beside.book.names());
        tracing::info!(%court, "a court is gone");
        Ok(())
    }

    async fn build_into(
        &self,
        playing: &mut BTreeMap<CourtId, Court>,
        config: &CourtConfig,
    ) -> Result<(), CourtError> {
        let log = player::log_of(&config.name);
        let found = self.beside.uplink.recover(config.name.clone(), log).await;
        let (records, log) = found.ok_or(CourtError::Ending)?;
        let left = game::Recovered::of(records.latest, records.open, records.recent);
        let state = format!("stream/{}", config.name);
        self.beside.uplink.restore_state(&state);
        let court = Court::build(&self.beside, config, left.with_log(log))
            .inspect_err(|_| self.beside.uplink.clear_state(&state))?;
        self.beside.relays.set(&config.name, &config.relays);
        playing.insert(config.name.clone(), court);
        self.beside.uplink.set_courts(self.beside.book.names());
        tracing::info!(court = %config.name, "a court plays");
        if let Some(line) = self.beside.ingest.memory_advice() {
            tracing::warn!("{line}");
        }
        Ok(())
    }

    /// Gives all of them away, for the end of the box: none comes any more.
    pub(crate) async fn end(&self) -> Vec<Court> {
        let playing = self.playing.lock().await.take().unwrap_or_default();
        playing.into_values().collect()
    }
}
