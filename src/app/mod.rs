//! The one wiring: the only module that names two stages (STYLE 2.4).
//!
//! [`App::build`] makes mailboxes, then stages from sink to source, and binds sockets, so that
//! tests can use port 0. [`App::run`] starts what is not yet running, watches, and drains in flow
//! order when it is told to: ingest, decode, router, detect, game, uplink, ring.
//!
//! `world` is what the box is given of the outside, `settings` what each stage is given of the
//! configuration, `orders` the two hops between outbox and ring, `court` what hangs on one court,
//! `status` the one state of the box, `watch` what is told of it four times a second, `web` what is
//! served.

mod world;
mod options;
mod error;
mod settings;
mod orders;
mod court;
mod status;
mod handle;
mod watch;
mod web;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch as told;

use crate::clips::{self, Ring};
use crate::clock::{Anchors, Floor};
use crate::config::Config;
use crate::decode::{Decoder, Decoders};
use crate::detect::{self, Detect, Engines};
use crate::game::games::Games;
use crate::game::{self, games, keeper, player};
use crate::health::{Metrics, Notifier};
use crate::ingest::{Ingest, IngestHandle};
use crate::mailbox::{HopCount, HopId, Ledger, Mailbox, UnitMailbox, WhenFull};
use crate::media::CourtId;
use crate::page::SentEvent;
use crate::router::{ModelFeed, Router};
use crate::uplink::{self, Uplink};

use crate::app::court::{CourtParts, FromDecoder, FromIngest, FromModels, Shared};
use crate::app::error::told_if_full;
use crate::app::orders::OrderHops;
use crate::app::settings::{ingest_settings, ring_settings};

pub use crate::app::error::AppError;
pub use crate::app::handle::AppHandle;
pub use crate::app::options::{Options, Probe};
pub(crate) use crate::app::settings::{court_rims, detect_settings, uplink_settings};
pub use crate::app::world::{Devices, World};

/// SIGTERM to exit, all in all (issue: within 5 s).
const GRACE: Duration = Duration::from_secs(5);
/// Of it, what outbox, link and ring need once the games are through: 2 s for PUBACKs, and some.
const FOR_THE_REST: Duration = Duration::from_secs(3);

/// What is left when the daemon has ended.
#[derive(Debug)]
pub struct Report {
    /// Every hop's counts.
    pub ledger: Vec<(HopId, HopCount)>,
    /// Hops that break the law.
    pub unbalanced: Vec<(HopId, HopCount)>,
    /// Events on disk that wait for a broker.
    pub unsent: u64,
}

/// The daemon, built and bound.
pub struct App {
    shared: Arc<Shared>,
    ingest: Ingest,
    handle: IngestHandle,
    router: Arc<Router>,
    detect: Arc<Detect>,
    decoders: Vec<Decoder>,
    games: Vec<player::Playing>,
    keeper: (Mailbox<keeper::Write>, std::thread::JoinHandle<()>),
    ring: Ring,
    web: web::Bound,
    deadline_on_signal: Duration,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "App({})", self.shared.name)
    }
}

/// Where a built daemon listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// RTMP.
    pub rtmp: Option<SocketAddr>,
    /// RTMPS.
    pub rtmps: Option<SocketAddr>,
    /// Page and clips.
    pub http: SocketAddr,
}

impl App {
    /// Makes every stage, sink first, and binds every socket.
    ///
    /// # Errors
    /// [`AppError`]: what could not be opened or bound. A bundle or a broker that is missing is no
    /// error: the box records and says what is wrong.
    pub async fn build(config: Config, world: World, options: Options) -> Result<Self, AppError> {
        let data_dir = config.appliance.data_dir.clone();
        world.disk.create_private_dir_all(&data_dir).map_err(|source| AppError::Io {
            what: format!("make {}: set another `box.data_dir`", data_dir.display()),
            source,
        })?;
        let ledger = Ledger::new();
        let metrics = Metrics::new(&ledger);
        let floor = Floor::of(&[&data_dir]);
        let anchors = Anchors::new(Arc::clone(&world.clock), world.clock.boot(), floor.clone());
        for line in &config.advice {
            tracing::warn!("{line}");
        }

        let courts: BTreeMap<CourtId, Arc<CourtParts>> = config
            .courts
            .iter()
            .map(|court| {
                anchors.camera_delay(&court.name, court.camera_delay);
                (court.name.clone(), Arc::new(CourtParts::new(court, &ledger)))
            })
            .collect();
        let (events, _) = tokio::sync::broadcast::channel::<SentEvent>(web::EVENTS_BEHIND);
        let ring_settings = ring_settings(&config);
        let ballast = ring_settings.ballast(&world.disk);
        let shared = Arc::new(Shared {
            name: config.appliance.name.clone(),
            clock: Arc::clone(&world.clock),
            ledger: ledger.clone(),
            metrics: metrics.clone(),
            anchors,
            courts,
            uplink: OnceLock::new(),
            ballast: ballast.clone(),
            probe: options.probe.clone(),
            events,
            calibrate: config.detect.calibrate,
        });

        let order_hops = OrderHops::new(&shared.ledger);
        let full = |error| told_if_full(error, &data_dir, &*world.disk);
        let (uplink, recovered) =
            open_uplink(&config, &order_hops, &shared, &world, floor).await.map_err(full)?;
        list_games(&recovered);
        let mut recovered = by_court(recovered);
        let thread = |source| AppError::Io { what: "start a game's thread".to_owned(), source };
        let keep = rims_hop(&shared.ledger);
        let rims_dir = keeper::folder(&data_dir);
        let mut games = Vec::new();
        for court in &config.courts {
            let Some(parts) = shared.courts.get(&court.name) else { continue };
            let left = recovered.remove(&parts.name).unwrap_or_default();
            parts.board.put_score(left.score.clone());
            let how = config.detect.calibrate;
            let rims = keeper::load(&*world.disk, &rims_dir, court, how);
            let learning = player::Learning { how, rims, keeper: keep.clone() };
            games.push(player::start(parts.seat(uplink.inbox()), left, learning));
        }
        let disk = Arc::clone(&world.disk);
        let keeping = keeper::start(disk, rims_dir, keep.clone()).map_err(thread)?;
        let gone = recovered.into_iter();
        games.extend(gone.map(|(court, left)| player::close(court, left, uplink.inbox())));
        let games = games.into_iter().collect::<Result<Vec<_>, _>>().map_err(thread)?;

        let ring_settings = clips::RingSettings { ballast: Some(ballast), ..ring_settings };
        let mut ring =
            open_ring(ring_settings, &order_hops, &shared, &world).await.map_err(full)?;
        // After the outbox has ordered what it is owed: that is taken before anything is let go.
        ring.start()?;
        let (detect, router) = start_models(&config, &shared, &*world.devices.engines)?;
        let mut decoders = Vec::new();
        for parts in shared.courts.values() {
            let decoders_of = &*world.devices.decoders;
            decoders.push(start_decoder(parts, &shared, &router, decoders_of)?);
        }

        let ingest = Ingest::bind(
            ingest_settings(&config)?,
            Arc::clone(&world.clock),
            world.chance.clone(),
            Arc::new(FromIngest { shared: Arc::clone(&shared) }),
        )
        .await?;
        let handle = ingest.handle();
        let web = web::bind(&config, &options, &shared, ring.shelf())?;
        Ok(Self {
            shared,
            ingest,
            handle,
            router,
            detect,
            decoders,
            games,
            keeper: (keep, keeping),
            ring,
            web,
            deadline_on_signal: GRACE,
        })
    }

    /// Asks it while it runs.
    ///
    /// # Panics
    /// Never: the stages that it asks were made by [`App::build`].
    #[must_use]
    pub fn handle(&self) -> AppHandle {
        AppHandle {
            ledger: self.shared.ledger.clone(),
            ingest: self.handle.clone(),
            ring: self.ring.shelf(),
            uplink: Arc::clone(self.shared.uplink.get().expect("set by build")),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        Addresses {
            rtmp: self.handle.rtmp_address(),
            rtmps: self.handle.rtmps_address(),
            http: self.web.address(),
        }
    }

    /// Runs until `shutdown` turns to true, then drains in the order of the flow.
    ///
    /// # Errors
    /// None today; what fails at run time stays in its court and is told in `state/*`.
    pub async fn run(self, mut shutdown: told::Receiver<bool>) -> Result<Report, AppError> {
        let Self {
            shared,
            ingest,
            handle,
            router,
            detect,
            decoders,
            games,
            keeper: (keeper, keeping),
            ring,
            web,
            deadline_on_signal,
        } = self;
        let uplink = Arc::clone(shared.uplink.get().expect("set by build"));
        uplink.connect(&tokio::runtime::Handle::current());
        let (stop, stopped) = told::channel(false);
        let addresses = (handle.rtmp_address(), web.address());
        let ingest = tokio::spawn(ingest.run(until(stopped.clone())));
        let watching = tokio::spawn(watch::run(
            watch::Watched {
                shared: Arc::clone(&shared),
                ingest: handle.clone(),
                decoders: decoders.iter().map(Decoder::watcher).collect(),
                models: Arc::clone(&detect),
                shelf: ring.shelf(),
                web: web.state(),
            },
            stopped.clone(),
        ));
        let web = tokio::spawn(web.serve(until(stopped.clone())));
        let notifier = Notifier::from_environment();
        notifier.ready();
        tracing::info!(rtmp = ?addresses.0, http = %addresses.1, "ready");

        // Woken by the signal handler, or by the sender's end.
        drop(shutdown.wait_for(|told| *told).await);
        notifier.stopping();
        let began = shared.clock.monotonic();
        stop.send_replace(true);

        // Flow order: nothing downstream is closed before what feeds it has run dry.
        drop(ingest.await);
        let drained = tokio::task::spawn_blocking({
            let shared = Arc::clone(&shared);
            move || {
                for parts in shared.courts.values() {
                    parts.decode.close();
                    parts.ring.close();
                }
                for decoder in decoders {
                    decoder.join();
                }
                router.close();
                detect.join();
                for parts in shared.courts.values() {
                    parts.answers.close();
                }
            }
        })
        .await;
        if let Err(error) = drained {
            tracing::error!(%error, "a stage did not end cleanly");
        }
        let left = deadline_on_signal.saturating_sub(shared.clock.monotonic().since(began));
        let patience = left.saturating_sub(FOR_THE_REST);
        player::join(games, &uplink.inbox(), patience, &*shared.clock).await;
        keeper.close();
        let left = deadline_on_signal.saturating_sub(shared.clock.monotonic().since(began));
        let unsent = uplink.shutdown(left.min(Duration::from_secs(2))).await.unsent;
        drop(tokio::task::spawn_blocking(move || ring.join()).await);
        drop(tokio::task::spawn_blocking(move || keeping.join()).await);
        drop(watching.await);
        drop(web.await);

        let report = Report {
            ledger: shared.ledger.counts(),
            unbalanced: shared.ledger.unbalanced(),
            unsent,
        };
        for (hop, count) in &report.unbalanced {
            tracing::error!(?hop, ?count, "the ledger does not balance: this is a bug");
        }
        tracing::info!(
            unsent,
            balanced = report.unbalanced.is_empty(),
            after_ms =
                u64::try_from(shared.clock.monotonic().since(began).as_millis()).unwrap_or(0),
            "ended"
        );
        Ok(report)
    }

    /// The metrics, for `bench`.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics.clone()
    }

    /// The ledger, for tests and `bench`.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.shared.ledger.clone()
    }
}

/// Resolves when `stopped` turns to true, or its sender is gone.
async fn until(mut stopped: told::Receiver<bool>) {
    let _ = stopped.wait_for(|told| *told).await;
}

async fn open_uplink(
    config: &Config,
    hops: &OrderHops,
    shared: &Arc<Shared>,
    world: &World,
    floor: Floor,
) -> Result<(Arc<Uplink>, uplink::Recovered), AppError> {
    let settings = uplink_settings(config, floor, &*world.clock);
    let hooks = uplink::Hooks {
        committed: Some(Arc::new(court::FromOutbox { shared: Arc::clone(shared) })),
        space: Some(Arc::new(court::GiveSpace { shared: Arc::clone(shared) })),
        wall: Some(shared.anchors.clone()),
        orders: Some(hops.orders.clone()),
        clips_done: Some(hops.done.clone()),
        tally: Some(shared.ledger.hop("-", "outbox")),
        meters: uplink::UplinkMeters {
            event_seconds: shared.metrics.event_seconds.clone(),
            commit_seconds: shared.metrics.outbox_commit_seconds.clone(),
        },
    };
    let World { clock, chance, disk, .. } = world.clone();
    let open = move || Uplink::open(settings, clock, &disk, chance, hooks);
    let opened = tokio::task::spawn_blocking(open).await.map_err(|error| AppError::Io {
        what: "open the outbox".to_owned(),
        source: std::io::Error::other(error),
    })?;
    let (uplink, recovered) = opened?;
    shared.ledger.reader("-", "link", uplink.link_rest());
    if let Some(damaged) = &recovered.damaged {
        tracing::error!(put_aside = %damaged.display(), "the outbox could not be read; a new one was begun");
    }
    let uplink = Arc::new(uplink);
    let _ = shared.uplink.set(Arc::clone(&uplink));
    Ok((uplink, recovered))
}

/// Says which games are known, and which are being played.
fn list_games(recovered: &uplink::Recovered) {
    let log = recovered.logs.get(games::LOG).map(Vec::as_slice).unwrap_or_default();
    let log: Vec<Vec<u8>> = log.iter().map(|(_, bytes)| bytes.clone()).collect();
    let (games, unread) = Games::read(&log);
    if unread > 0 {
        tracing::warn!(unread, "the record of games has entries of a later version: passed over");
    }
    for game in games.records().iter().filter(|game| game.end_ns.is_none()) {
        tracing::info!(game = %game.id, courts = ?game.courts, "a game is being played");
    }
    if !games.records().is_empty() {
        tracing::info!(games = games.records().len(), "games are on record");
    }
}

/// What the outbox still knows of each court, as its game goes on from it.
fn by_court(recovered: uplink::Recovered) -> BTreeMap<CourtId, game::Recovered> {
    let uplink::Recovered { mut courts, logs, .. } = recovered;
    let logs =
        logs.into_iter().filter_map(|(log, entries)| Some((player::court_of(&log)?, entries)));
    let mut logs: BTreeMap<CourtId, Vec<(u64, Vec<u8>)>> = logs.collect();
    for court in logs.keys() {
        // One that never told anything has a log all the same.
        courts.entry(court.clone()).or_default();
    }
    let of = |(court, of): (CourtId, uplink::CourtRecords)| {
        let log = logs.remove(&court).unwrap_or_default();
        let log = log.into_iter().map(|(_, bytes)| bytes).collect();
        (court, game::Recovered::of(of.latest, of.open, of.recent).with_log(log))
    };
    courts.into_iter().map(of).collect()
}

async fn open_ring(
    settings: clips::RingSettings,
    hops: &OrderHops,
    shared: &Arc<Shared>,
    world: &World,
) -> Result<Ring, AppError> {
    let mailboxes: Vec<(CourtId, UnitMailbox)> =
        shared.courts.values().map(|parts| (parts.name.clone(), parts.ring.clone())).collect();
    let meters = clips::RingMeters {
        write_seconds: shared.metrics.ring_write_seconds.clone(),
        fsync_seconds: shared.metrics.fsync_seconds.clone(),
    };
    let (disk, clock) = (Arc::clone(&world.disk), Arc::clone(&shared.clock));
    let OrderHops { orders, done } = hops.clone();
    let sink = Arc::new(court::FromRing);
    let parts =
        clips::RingParts { settings, disk, clock, courts: mailboxes, orders, done, sink, meters };
    let ring =
        tokio::task::spawn_blocking(move || Ring::open(parts)).await.map_err(|error| {
            AppError::Io { what: "open the ring".to_owned(), source: std::io::Error::other(error) }
        })??;
    for (name, rest) in ring.rests() {
        shared.ledger.reader("-", name, &rest);
    }
    Ok(ring)
}

fn start_models(
    config: &Config,
    shared: &Arc<Shared>,
    engines: &dyn Engines,
) -> Result<(Arc<Detect>, Arc<Router>), AppError> {
    let settings = detect_settings(config);
    let clock = Arc::clone(&shared.clock);
    let mut detect = Detect::load(&settings, &court_rims(config), &shared.ledger, clock, engines);
    let feeds = detect
        .feeds()
        .into_iter()
        .map(|feed| ModelFeed { name: feed.name, rates: feed.rates, frames: feed.frames })
        .collect();
    let router = Arc::new(Router::new(feeds));
    let metrics = shared.metrics.clone();
    let sink: Arc<dyn detect::AnswerSink> = Arc::new(FromModels { shared: Arc::clone(shared) });
    detect
        .start(&sink, &mut |model| court::model_meters(&metrics, model))
        .map_err(|source| AppError::Io { what: "start a model's thread".to_owned(), source })?;
    Ok((Arc::new(detect), router))
}

fn start_decoder(
    parts: &Arc<CourtParts>,
    shared: &Arc<Shared>,
    router: &Arc<Router>,
    decoders: &dyn Decoders,
) -> Result<Decoder, AppError> {
    let sink = FromDecoder::new(parts, shared, router);
    Ok(Decoder::start(
        crate::decode::DecodeSettings::new(parts.name.clone()),
        parts.decode.clone(),
        Arc::new(sink),
        shared.ledger.hop(parts.name.as_str(), "decoder"),
        Arc::clone(&shared.clock),
        decoders,
    )?)
}

/// The hop of what the games learnt, on its way to disk. The oldest goes: a later one has it all.
fn rims_hop(ledger: &Ledger) -> Mailbox<keeper::Write> {
    Mailbox::new(keeper::WAITING, WhenFull::DropOldest, ledger.hop("-", "rims"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_of_a_game_comes_back_to_its_court() {
        let [a, b] = ["a", "b"].map(|name| CourtId::new(name).expect("a name"));
        let entries = vec![(7, b"seven".to_vec()), (8, b"eight".to_vec())];
        let log = || vec![b"seven".to_vec(), b"eight".to_vec()];
        let recovered = uplink::Recovered {
            courts: [(a.clone(), uplink::CourtRecords::default())].into(),
            logs: [
                (player::log_of(&a), entries.clone()),
                (player::log_of(&b), entries.clone()),
                (games::LOG.to_owned(), entries),
            ]
            .into(),
            ..uplink::Recovered::default()
        };
        let expected = || game::Recovered::default().with_log(log());
        assert_eq!(by_court(recovered), [(a, expected()), (b, expected())].into());
    }
}
