//! A running box, as those see it who are no part of it: asked, and its courts changed.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use crate::app::claiming::ClaimSays;
use crate::app::courts::Courts;
use crate::app::error::CourtError;
use crate::app::games::GameDesk;
use crate::app::operations::Technician;
use crate::app::splits::Splits;
use crate::app::twin::TwinDesk;
use crate::app::web::say;
use crate::clips::{RingStatus, Shelf};
use crate::config::CourtConfig;
use crate::decode::DecoderStatus;
use crate::detect::SwapRefused;
use crate::detect::delivery::InstallRefused;
use crate::device::DeviceMemory;
use crate::event::FactId;
use crate::event::box_status::BoxStatus;
use crate::event::game::GameView;
use crate::event::look::LookState;
use crate::event::models::{Disagreement, InstallOrder, SwapOrder};
use crate::event::play::{
    GameEnded, GameStartArguments, ShotCorrectArguments, ShotTold, ShotUndoArguments,
};
use crate::event::service::{ConfirmArguments, CourtService, OverrideArguments, ServiceState};
use crate::event::state::{ClaimState, ModelsState};
use crate::event::twin::{ConfigReported, DesiredTold};
use crate::event::words::VerdictWord;
use crate::game::calibrate::Verdict;
use crate::ingest::{CourtStatus, IngestCounts};
use crate::mailbox::Ledger;
use crate::media::{CourtId, Foreign, GameId};
use crate::page::Source;
use crate::uplink::{Failed, Given, UplinkCounts};

/// Asks a running box, and changes its courts. Clones ask the same one.
#[derive(Clone)]
pub struct AppHandle {
    pub(crate) courts: Courts,
    pub(crate) ring: Shelf,
    pub(crate) models: Arc<Splits>,
    pub(crate) technician: Arc<Technician>,
    pub(crate) games: GameDesk,
    pub(crate) claim: ClaimSays,
    pub(crate) again: watch::Sender<bool>,
}

impl fmt::Debug for AppHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppHandle").finish_non_exhaustive()
    }
}

impl AppHandle {
    /// A court more, from now on. Its game goes on from what is on disk of it.
    ///
    /// # Errors
    /// [`CourtError`]; then nothing has changed.
    pub async fn add_court(&self, court: &CourtConfig) -> Result<(), CourtError> {
        self.courts.add(court).await
    }

    /// The same court by another configuration: what came in is decided, then its publisher is let go
    /// and comes again. No other court notices.
    ///
    /// # Errors
    /// [`CourtError`]; after [`CourtError::Build`] the court is gone.
    pub async fn change_court(&self, court: &CourtConfig) -> Result<(), CourtError> {
        self.courts.change(court).await
    }

    /// A court less, from now on; what its game had told and not finished is withdrawn.
    ///
    /// # Errors
    /// [`CourtError`]; then nothing has changed.
    pub async fn remove_court(&self, court: &CourtId) -> Result<(), CourtError> {
        self.courts.remove(court).await
    }

    /// A `config/desired` as it came: judged, and applied if it is right. What became of it; `None` where
    /// the box has no file of its own, ends, or has several to judge already.
    pub async fn config_desired(&self, body: Bytes) -> Option<DesiredTold> {
        self.technician.twin.as_ref()?.wanted(body).await
    }

    /// As in `config/reported`; `None` where the box has no file of its own.
    #[must_use]
    pub fn config_reported(&self) -> Option<Arc<ConfigReported>> {
        self.technician.twin.as_ref().map(TwinDesk::reported)
    }

    /// Which courts are in service, and what is still to be done; `None` before the first look.
    #[must_use]
    pub fn service(&self) -> Option<ServiceState> {
        Some(self.technician.web.status()?.service.clone())
    }

    /// Somebody saw a court's rims in its picture. Where they are others than it has, it takes these.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub async fn confirm_rims(
        &self,
        court: CourtId,
        asked: &ConfirmArguments,
    ) -> Result<CourtService, Failed> {
        self.technician.confirm(court, asked, Foreign::told("page")).await
    }

    /// Somebody puts a court in or out of service, whatever its checks say.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub async fn override_service(
        &self,
        court: CourtId,
        asked: &OverrideArguments,
    ) -> Result<CourtService, Failed> {
        self.technician.overrides(court, asked, Foreign::told("page")).await
    }

    /// As in `state/claim`; `None` where a broker is configured.
    #[must_use]
    pub fn claim(&self) -> Option<ClaimState> {
        self.claim.state()
    }

    /// Has the box make another key and ask for another certificate or password under its name; at once it
    /// only begins. False for a box that was given no identity.
    #[must_use]
    pub fn renew_identity(&self) -> bool {
        self.claim.renew()
    }

    /// What the box says of itself, as of at most a quarter of a second ago; `None` before its first look.
    #[must_use]
    pub fn status(&self) -> Option<Arc<BoxStatus>> {
        self.technician.web.status()
    }

    /// Has the box end as on a signal and begin anew: what waits for a restart comes into force.
    pub fn restart(&self) {
        self.again.send_replace(true);
    }

    /// Has another bundle decide, once it has been tried beside the one that does; at once it only begins.
    ///
    /// # Errors
    /// [`SwapRefused`]: why nothing was begun.
    pub fn swap_model(&self, order: &SwapOrder) -> Result<(), SwapRefused> {
        self.models.detect.swap(order)
    }

    /// Brings a parcel, and has its bundle decide as [`swap_model`](Self::swap_model) does; at once it
    /// only begins.
    ///
    /// # Errors
    /// [`InstallRefused`]: why nothing was begun.
    pub fn install_model(&self, order: &InstallOrder) -> Result<(), InstallRefused> {
        self.models.installer.install(order)
    }

    /// The model that decided before decides again, from the next look on.
    ///
    /// # Errors
    /// [`SwapRefused`]: there is none.
    pub fn swap_back(&self) -> Result<(), SwapRefused> {
        self.models.detect.swap_back()
    }

    /// Ends a swap that is under way.
    ///
    /// # Errors
    /// [`SwapRefused`]: none is.
    pub fn swap_cancel(&self) -> Result<(), SwapRefused> {
        self.models.detect.swap_cancel()
    }

    /// What the models do: `state/models`.
    #[must_use]
    pub fn models(&self) -> ModelsState {
        self.models.models()
    }

    /// Attempts at which two models said otherwise, the newest first.
    #[must_use]
    pub fn disagreements(&self) -> Vec<Disagreement> {
        self.models.disagreements()
    }

    /// A person says what a shot was; nothing if no game knows it. Tells when that is on disk.
    pub fn verdict(
        &self,
        fact: FactId,
        verdict: VerdictWord,
    ) -> Option<oneshot::Receiver<Result<(), String>>> {
        say(&self.courts.beside().book, fact, Verdict::of(verdict)?)?.ok()
    }

    /// A game as it stands. Waits while its lock is held, which is as long as the outbox is full.
    ///
    /// # Errors
    /// There is none of that name that can be played or corrected.
    pub fn game(&self, game: &GameId) -> Result<GameView, Failed> {
        self.games.view(game)
    }

    /// Starts a game; on disk when this returns.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub async fn start_game(&self, asked: GameStartArguments) -> Result<GameView, Failed> {
        self.games.start(asked).await
    }

    /// Ends a game; on disk when this returns.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub async fn end_game(&self, game: GameId) -> Result<GameEnded, Failed> {
        self.games.end(game).await
    }

    /// A shot was otherwise; on disk when this returns.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub async fn correct_shot(&self, asked: ShotCorrectArguments) -> Result<ShotTold, Failed> {
        self.games.correct(asked).await
    }

    /// The last correction of a shot, or of a game, is taken back; on disk when this returns.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub async fn undo_shot(&self, asked: ShotUndoArguments) -> Result<ShotTold, Failed> {
        self.games.undo(asked).await
    }

    /// What every hop counts, and who has nothing to do.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.courts.beside().ledger
    }

    /// How the second look does, now; nothing where none is configured.
    #[must_use]
    pub fn look(&self) -> Option<LookState> {
        let beside = self.courts.beside();
        let clock = &beside.world.clock;
        beside.look.as_ref().map(|look| look.state(clock.monotonic(), clock.utc()))
    }

    /// How the outbox and its link do.
    #[must_use]
    pub fn uplink(&self) -> UplinkCounts {
        self.courts.beside().uplink.status()
    }

    /// At most `limit` stored events after a position, as they would leave now.
    pub async fn events(&self, after: u64, limit: usize) -> Vec<Given> {
        self.courts.beside().uplink.replay(None, after, limit).await
    }

    /// What the ring does; nothing once it has ended.
    #[must_use]
    pub fn ring(&self) -> Option<RingStatus> {
        self.ring.status()
    }

    /// What is known of a court's stream; `None` for a court that is not ours.
    #[must_use]
    pub fn stream(&self, court: &CourtId) -> Option<CourtStatus> {
        self.courts.beside().ingest.status(court)
    }

    /// How the decoder of each court does.
    #[must_use]
    pub fn decoders(&self) -> Vec<DecoderStatus> {
        self.courts.beside().book.all().iter().map(|listed| listed.decoder.status()).collect()
    }

    /// What the stages have measured, as Prometheus reads it.
    #[cfg(feature = "gstreamer")]
    #[must_use]
    pub(crate) fn measured(&self) -> String {
        self.courts.beside().metrics.encode(&crate::health::Reading::default())
    }

    /// The memory of the GPU in which decoded pictures lie, as it was read last; `None` where they lie in
    /// none.
    #[must_use]
    pub fn gpu_memory(&self) -> Option<DeviceMemory> {
        self.courts.beside().ingest.device_memory()
    }

    /// What ingest has counted.
    #[must_use]
    pub fn connections(&self) -> IngestCounts {
        self.courts.beside().ingest.counts()
    }
}
