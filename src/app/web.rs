//! What the box serves over HTTP: the page and its data, clips, metrics.
//!
//! `watch` puts a new picture of the whole here four times a second; requests only read it.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, oneshot, watch as told};

use crate::admission::Admission;
use crate::app::book::CourtBook;
use crate::app::court::CourtParts;
use crate::app::error::AppError;
use crate::app::faces::FromClips;
use crate::app::options::Options;
use crate::app::splits::Splits;
use crate::app::status::{decoder_reading, door_readings, reading, relay_readings};
use crate::clips::{self, Shelf};
use crate::clock::{Clock, within};
use crate::config::{Calibrate, Config};
use crate::detect;
use crate::detect::delivery::InstallRefused;
use crate::event::FactId;
use crate::event::box_status::BoxStatus;
use crate::event::models::{Disagreement, InstallOrder, SwapOrder};
use crate::event::state::ModelsState;
use crate::event::words::VerdictWord;
use crate::game::calibrate::Verdict;
use crate::game::player::ToGame;
use crate::health::{self, Metrics, Probed};
use crate::http::{self, Access, Local, Server, Tokens};
use crate::ingest::IngestHandle;
use crate::media::{CourtId, Frame, UtcTime};
use crate::page::{self, SentEvent};
use crate::recap;
use crate::relay::Relays;
use crate::uplink::{Given, Uplink};

/// Events that a slow page may be behind before it misses some and asks again.
pub(crate) const EVENTS_BEHIND: usize = 256;

/// So long whoever asks for the state of a box that has just started waits for the first look at it, which is made
/// within a quarter of a second (chosen: a machine that starts all else beside it).
const FIRST_LOOK: Duration = Duration::from_secs(2);
/// So long a person waits for a verdict to be on disk; below what a browser waits for.
const VERDICT_WAIT: Duration = Duration::from_secs(5);

/// What requests read.
#[derive(Debug)]
pub(crate) struct WebState {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) book: CourtBook,
    pub(crate) calibrate: Calibrate,
    pub(crate) metrics: Metrics,
    pub(crate) admission: Admission,
    pub(crate) events: broadcast::Sender<SentEvent>,
    pub(crate) uplink: Arc<Uplink>,
    pub(crate) models: Arc<Splits>,
    pub(crate) ingest: IngestHandle,
    pub(crate) relays: Arc<Relays>,
    pub(crate) shelf: Shelf,
    /// The venue's looks of the overlay, if it has any.
    pub(crate) theme: PathBuf,
    /// Replaced whole by `watch`.
    pub(crate) latest: told::Sender<Option<Arc<BoxStatus>>>,
}

impl WebState {
    pub(crate) fn put(&self, status: Arc<BoxStatus>) {
        self.latest.send_replace(Some(status));
    }
}

impl WebState {
    /// Hands a verdict to the game that knows the shot; it tells when that is on disk.
    fn say(
        &self,
        fact: FactId,
        verdict: VerdictWord,
    ) -> Result<oneshot::Receiver<Result<(), String>>, page::Refused> {
        let verdict = Verdict::of(verdict).ok_or(page::Refused::Word)?;
        if self.calibrate == Calibrate::Off {
            return Err(page::Refused::Off);
        }
        say(&self.book, fact, verdict).ok_or(page::Refused::Unknown)?
    }
}

/// Hands a verdict to the game that knows the shot; `None` if none does.
pub(crate) fn say(
    book: &CourtBook,
    fact: FactId,
    verdict: Verdict,
) -> Option<Result<oneshot::Receiver<Result<(), String>>, page::Refused>> {
    let mut all = book.all().into_iter().map(|listed| listed.parts);
    let parts = all.find(|parts: &Arc<CourtParts>| parts.board.knows(fact))?;
    let (waits, told) = oneshot::channel();
    let full = |_| page::Refused::Busy("the game of its court is behind".to_owned());
    Some(parts.answers.try_offer(ToGame::Said(fact, verdict, waits)).map_err(full).map(|_| told))
}

impl page::Source for WebState {
    fn snapshot(&self, court: &CourtId) -> Option<Arc<Frame>> {
        self.book.get(court)?.last.lock().clone()
    }

    fn has_court(&self, court: &CourtId) -> bool {
        self.book.get(court).is_some()
    }

    fn status(&self) -> Option<Arc<BoxStatus>> {
        self.latest.borrow().clone()
    }

    fn looked_at(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            let mut latest = self.latest.subscribe();
            let looked = async { drop(latest.wait_for(Option::is_some).await) };
            // Late: there is nothing to see yet, and that is said.
            let _late = within(&*self.clock, FIRST_LOOK, looked).await;
        })
    }

    fn utc(&self) -> UtcTime {
        self.clock.utc()
    }

    fn overlay_css(&self) -> PathBuf {
        self.theme.clone()
    }

    fn subscribe(&self) -> broadcast::Receiver<SentEvent> {
        self.events.subscribe()
    }

    fn replay(
        &self,
        after: u64,
        limit: usize,
    ) -> Pin<Box<dyn Future<Output = Vec<SentEvent>> + Send + '_>> {
        Box::pin(async move {
            let given = self.uplink.replay(None, after, limit).await;
            given
                .into_iter()
                .filter_map(|given| {
                    let json = String::from_utf8(given.message.to_vec()).ok()?;
                    Some(SentEvent { position: given.position, json })
                })
                .collect()
        })
    }

    fn verdict(&self, fact: FactId, verdict: VerdictWord) -> page::Said<'_> {
        let said = self.say(fact, verdict);
        Box::pin(async move {
            let waits = said?;
            let refused = || page::Refused::Busy("it could not be kept in time".to_owned());
            match within(&*self.clock, VERDICT_WAIT, waits).await {
                Some(Ok(Ok(()))) => Ok(()),
                Some(Ok(Err(why))) => Err(page::Refused::Busy(why)),
                // Let go on its way, for want of room; or the disk hangs.
                Some(Err(_)) | None => Err(refused()),
            }
        })
    }
}

impl recap::Source for WebState {
    fn stored(&self, after: u64, limit: usize) -> recap::Stored<'_> {
        Box::pin(async move {
            let given = self.uplink.replay(None, after, limit).await;
            let text = |given: Given| {
                Some((given.position, String::from_utf8(given.message.to_vec()).ok()?))
            };
            given.into_iter().filter_map(text).collect()
        })
    }
}

impl detect::ChangesModels for WebState {
    fn models(&self) -> ModelsState {
        self.models.models()
    }

    fn disagreements(&self) -> Vec<Disagreement> {
        self.models.disagreements()
    }

    fn swap(&self, order: &SwapOrder) -> detect::Changed {
        self.models.detect.swap(order)
    }

    fn install(&self, order: &InstallOrder) -> Result<(), InstallRefused> {
        self.models.installer.install(order)
    }

    fn back(&self) -> detect::Changed {
        self.models.detect.swap_back()
    }

    fn cancel(&self) -> detect::Changed {
        self.models.detect.swap_cancel()
    }
}

impl Probed for WebState {
    fn ready(&self) -> Result<(), String> {
        // The sockets are bound and the stages run before anything is served; what may be missing
        // later (broker, camera, disk) is told in the state and makes no box unready.
        Ok(())
    }

    fn metrics(&self) -> String {
        let latest = self.latest.borrow().clone();
        let mut reading = latest.map(|status| reading(&status)).unwrap_or_default();
        let listed = self.book.all().into_iter();
        reading.decoders = listed
            .map(|court| decoder_reading(&court.parts.name, &court.decoder.status()))
            .collect();
        reading.doors = door_readings(&self.admission.counts());
        reading.relays = relay_readings(self.relays.counts());
        reading.gpu_memory_bytes = self
            .ingest
            .device_memory()
            .map_or_else(Vec::new, |memory| vec![("free", memory.free), ("all", memory.all)]);
        if let Some(ring) = self.shelf.status() {
            reading.clips_evicted = ring.clips_evicted;
            reading.clips_ended = ring.clips_ended;
        }
        self.metrics.encode(&reading)
    }
}

/// A bound server and what it serves.
pub(crate) struct Bound {
    server: Server,
    /// At which `doctor` asks.
    local: Option<Local>,
    tokens: Option<Tokens>,
    routes: axum::Router,
}

impl Bound {
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Those that are asked for, if any are.
    pub(crate) fn tokens(&self) -> Option<Tokens> {
        self.tokens.clone()
    }

    pub(crate) const fn routes(&self) -> &axum::Router {
        &self.routes
    }

    pub(crate) async fn serve<F: Future<Output = ()> + Send>(self, stopped: impl Fn() -> F) {
        let local = async {
            match self.local {
                Some(local) => local.serve(self.routes.clone(), stopped()).await,
                None => Ok(()),
            }
        };
        let served = tokio::join!(self.server.serve(self.routes.clone(), stopped()), local);
        if let (Err(error), _) | (_, Err(error)) = served {
            tracing::error!(%error, "the page is not served any more");
        }
    }
}

/// Binds the page's socket. `more` are the routes that know more of the box than the state has.
pub(crate) fn bind(
    config: &Config,
    options: &Options,
    state: &Arc<WebState>,
    (shelf, reading): (Shelf, clips::ReadTerms),
    more: axum::Router,
) -> Result<Bound, AppError> {
    let tokens = match options.open_http {
        true => None,
        false => Some(Tokens::open(config.http.token_files())?),
    };
    let access = tokens.clone().map_or(Access::Open, Access::Tokens);
    let admission = state.admission.clone();
    let terms = http::Terms { admission, ..http::Terms::usual(&state.clock) };
    let certificate = match &config.http.tls {
        Some(files) => Some(http::server_config(files, &[b"http/1.1"])?),
        None => None,
    };
    let server = Server::bind(config.http.listen, certificate, access, terms)?;
    let page = page::routes(Arc::clone(state) as Arc<dyn page::Source>);
    let mut routes = page.merge(health::routes(Arc::clone(state) as Arc<dyn Probed>));
    let drawn = clips::thumbnails(shelf.clone(), Arc::new(FromClips));
    routes = routes.merge(drawn.map_err(|source| AppError::Io {
        what: "start a thread that draws pictures of clips".to_owned(),
        source,
    })?);
    routes = routes.merge(clips::routes(shelf, reading));
    routes = routes.merge(detect::routes(Arc::clone(state) as Arc<dyn detect::ChangesModels>));
    routes = routes.merge(recap::routes(Arc::clone(state) as Arc<dyn recap::Source>));
    routes = routes.merge(more);
    let local = if options.local { local(&config.appliance.data_dir) } else { None };
    Ok(Bound { server, local, tokens, routes })
}

/// The socket of this machine. A box without one does all else that it should.
fn local(data_dir: &Path) -> Option<Local> {
    match Local::bind(data_dir) {
        Ok(local) => Some(local),
        Err(error) => {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, ?source, "doctor cannot ask past the network's listener");
            None
        }
    }
}
