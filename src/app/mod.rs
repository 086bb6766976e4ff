//! The one wiring: the only module below `tools` that names two stages (STYLE 2.4).
//!
//! [`App::build`] makes mailboxes, then stages from sink to source, and binds sockets, so that
//! tests can use port 0. [`App::run`] starts what is not yet running, watches, and drains in flow
//! order when it is told to: ingest, decode, router, detect, game, uplink, ring.
//!
//! `world` is what the box is given of the outside, `settings` what each stage is given of the
//! configuration, `options` what a command changes of the daemon, `memory` what the
//! process may have of it, `claiming` who the box is where no broker is configured, `gpu` what is free of a GPU's, `kept` the model that a swap was told
//! to keep, `splits` what models disagree on and how each does, `second` who looks again at finals, `labels` what people say of shots, to learn from, `orders` the two hops between outbox and ring, `court` what hangs on one court, `courts` those that play: built, changed and taken away
//! while others run, `book` where every stage's adapter looks one up, `faces` those adapters, `status`
//! the one state of the box, `watch` what is told of it four times a second, `home` what Home Assistant is told, `web` what is served,
//! `aiming` which ring a camera looks at, `operations` what it can be asked to do from afar,
//! `service` which courts are in service (over HTTP by `service_routes`), `games` what is asked of games (`game_routes`),
//! `twin` the configuration as it is changed from afar (over HTTP by `twin_routes`), `uploads` and `updates` what those are given of the box (`proof`: a clip that goes through it), `handle` a running box as others see it, `error` why it could not be built, `files` who else can
//! write or read them, `host` reads the machine.

mod world;
mod options;
mod memory;
mod claiming;
mod gpu;
mod error;
mod files;
mod host;
mod settings;
mod kept;
mod parcels;
mod splits;
mod second;
mod labels;
mod orders;
mod court;
mod drift;
mod book;
mod faces;
mod courts;
mod status;
mod handle;
mod home;
mod watch;
mod web;
pub(crate) mod aiming;
mod operations;
mod service;
mod service_routes;
mod games;
mod game_routes;
mod twin;
mod twin_routes;
mod proof;
mod updates;
mod uploads;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch as told;

use crate::admission::{self, Admission};
use crate::clips::{self, ANSWERS_WITHIN, Pace, ReadTerms, Ring};
use crate::clock::{Anchors, Chance, Floor};
use crate::config::Config;
use crate::detect::{self, Detect, DetectSettings, Joined, ModelFeedParts};
use crate::disk::Harms;
use crate::event::Decision;
use crate::game::jury::Room;
use crate::game::rulebook::Rulebook;
use crate::game::table::Table;
use crate::game::{self, keeper, player};
use crate::health::{Metrics, Notifier, Syncs, TimedDisk};
use crate::ingest::Ingest;
use crate::mailbox::{HopCount, HopId, Ledger, Mailbox, WhenFull, hops};
use crate::media::{BoxName, CourtId, Foreign};
use crate::page::SentEvent;
use crate::relay::{RelayParts, RelayThread, Relays};
use crate::router::{ModelFeed, Router};
use crate::update::Desk;
use crate::uplink::{self, Uplink};
use crate::upload::Uploads;

use crate::app::book::CourtBook;
use crate::app::claiming::Claiming;
use crate::app::courts::{Court, Courts, Neighbours};
use crate::app::error::told_if_full;
use crate::app::faces::{FromIngest, FromModels, FromOutbox, FromRing, GiveSpace, model_meters};
use crate::app::games::GameDesk;
use crate::app::gpu::GpuMemory;
use crate::app::home::{HomeDesk, HomeKeeper};
use crate::app::host::HostReader;
use crate::app::labels::Labels;
use crate::app::operations::Technician;
use crate::app::orders::OrderHops;
use crate::app::service::{ServiceDesk, ServiceKeeper};
use crate::app::settings::{ingest_settings, ring_settings};
use crate::app::splits::Splits;
use crate::app::twin::{TwinDesk, TwinKeeper};

pub use crate::app::error::{AppError, CourtError};
pub use crate::app::files::GPU_FOLDER;
pub(crate) use crate::app::files::{exposed, look, own_folder};
pub use crate::app::handle::AppHandle;
pub(crate) use crate::app::host::{damaged, data_dir, ended};
pub(crate) use crate::app::memory::memory_limit;
pub(crate) use crate::app::operations::OPERATIONS;
pub use crate::app::options::{Options, Probe, Recording};
pub(crate) use crate::app::settings::{
    court_rims, detect_settings, engine_settings, memory_advice, model_limits, uplink_settings,
};
pub(crate) use crate::app::twin::{read as read_desired, reported as told_config};
pub use crate::app::world::{Devices, World};

/// SIGTERM to exit, all in all (the bound in design/status.md).
const GRACE: Duration = Duration::from_secs(5);
/// Of it, what outbox, link and ring need once the games are through: 2 s for PUBACKs, and some.
const FOR_THE_REST: Duration = Duration::from_secs(3);

/// What each model's hop holds at least while a recording is played: far above what its pace lets go at once.
const RECORDED_FRAMES: usize = 32;

/// What is left when the daemon has ended.
#[derive(Debug)]
pub struct Report {
    /// Every hop's counts.
    pub ledger: Vec<(HopId, HopCount)>,
    /// Hops that break the law.
    pub unbalanced: Vec<(HopId, HopCount)>,
    /// Events on disk that wait for a broker.
    pub unsent: u64,
    /// It was told to begin anew.
    pub again: bool,
}

/// The daemon, built and bound.
pub struct App {
    name: BoxName,
    courts: Courts,
    ingest: Ingest,
    /// What closes the facts of courts that are no longer configured.
    closing: Vec<player::Playing>,
    keeper: (Mailbox<keeper::Write>, std::thread::JoinHandle<()>),
    relaying: RelayThread,
    ring: Ring,
    web: web::Bound,
    /// What a technician is served with, over both doors.
    technician: Arc<Technician>,
    /// Games that are started and tapped on, over both doors.
    games: GameDesk,
    /// Which courts are in service.
    service: ServiceKeeper,
    /// What Home Assistant is told.
    homes: HomeKeeper,
    /// What models are joined to that are loaded once the box is ready.
    joined: Joined,
    /// What the models do, and disagree on.
    splits: Arc<Splits>,
    gpu_memory: GpuMemory,
    /// What somebody must know of our files.
    files: Vec<Foreign>,
    host: Arc<HostReader>,
    data_dir: PathBuf,
    deadline_on_signal: Duration,
    /// The configuration as it is changed from afar, where the box has a file of its own.
    twin: Option<(TwinKeeper, TwinDesk)>,
    claiming: Claiming,
    uploads: Arc<Uploads>,
    updates: Arc<Desk>,
    again: told::Sender<bool>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "App({})", self.name)
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
    /// What it serves over HTTP, as it stands behind the door.
    pub const fn routes(&self) -> &axum::Router {
        self.web.routes()
    }

    /// Makes every stage, sink first, and binds every socket.
    ///
    /// # Errors
    /// [`AppError`]: what could not be opened or bound. A bundle or a broker that is missing is no
    /// error: the box records and says what is wrong.
    pub async fn build(
        mut config: Config,
        world: World,
        options: Options,
    ) -> Result<Self, AppError> {
        let data_dir = config.appliance.data_dir.clone();
        let syncs = Syncs::default();
        let harms = Harms::default();
        let clock = Arc::clone(&world.clock);
        let timed = TimedDisk::new(world.disk, clock, syncs.clone(), harms.clone());
        let world = World { disk: Arc::new(timed), ..world };
        let files = files::take(&config, &*world.disk, &options)?;
        let ledger = Ledger::new();
        let metrics = Metrics::new(&ledger);
        let limits = admission::Limits::default()
            .with_connections_per_address(config.http.connections_per_address);
        let admission = Admission::new(Arc::clone(&world.clock), limits);
        let floor = Floor::of(&[&data_dir]);
        let anchors = Anchors::new(Arc::clone(&world.clock), world.clock.boot(), floor.clone());
        let claiming = match &options.recording {
            Some(recording) => Claiming::of_recording(recording.home.clone()),
            None => Claiming::begin(&mut config, &world, &floor),
        };
        for line in &config.advice {
            tracing::warn!("{line}");
        }
        if let Some(line) = memory_advice(&config, options.memory_limit) {
            tracing::warn!("{line}");
        }

        let machine = (Arc::clone(&world.disk), Arc::clone(&world.clock));
        let host = Arc::new(HostReader::new(&config, machine, anchors.clone(), (syncs, harms)));
        let (book, probe) = (CourtBook::default(), options.probe.clone());
        let (events, _) = tokio::sync::broadcast::channel::<SentEvent>(web::EVENTS_BEHIND);
        let ring_settings = ring_settings(&config);
        let ballast = ring_settings.ballast(&world.disk);
        let order_hops = OrderHops::new(&ledger);
        let home = HomeDesk::new(config.uplink.home_assistant);
        let hooks = uplink::Hooks {
            committed: Some(Arc::new(FromOutbox {
                book: book.clone(),
                events: events.clone(),
                probe: probe.clone(),
                home: home.clone(),
            })),
            space: Some(Arc::new(GiveSpace { ballast: ballast.clone() })),
            wall: Some(anchors.clone()),
            orders: Some(order_hops.orders.clone()),
            clips_done: Some(order_hops.done.clone()),
            tally: Some(ledger.hop("-", hops::OUTBOX)),
            meters: uplink::UplinkMeters {
                event_seconds: metrics.event_seconds.clone(),
                commit_seconds: metrics.outbox_commit_seconds.clone(),
            },
        };
        let full = |error| told_if_full(error, &data_dir, &*world.disk);
        let (uplink, recovered) = open_uplink(&config, hooks, &world, floor).await.map_err(full)?;
        ledger.reader("-", "link", uplink.link_rest());
        ledger.reader("-", "inbox", &uplink.inbox_rest());
        if let Some(access) = claiming.home.access() {
            uplink.redirect(access);
        }
        if let Some(rest) = claiming.rest() {
            ledger.reader("-", "claim", rest);
        }

        let table = Arc::new(Table::recovered(&recovered.logs, world.clock.utc()));
        let mut left = by_court(recovered);
        let thread = |source| AppError::Io { what: "start a game's thread".to_owned(), source };
        let keep = rims_hop(&ledger);
        let rims_dir = keeper::folder(&data_dir);
        let disk = Arc::clone(&world.disk);
        let keeping = keeper::start(disk, rims_dir.clone(), keep.clone()).map_err(thread)?;
        let configured: BTreeSet<&CourtId> =
            config.courts.iter().map(|court| &court.name).collect();
        let gone = left.extract_if(.., |court, _| !configured.contains(court));
        let closing = gone.map(|(court, left)| player::close(court, left, uplink.inbox()));
        let closing = closing.collect::<Result<Vec<_>, _>>().map_err(thread)?;

        let ring_settings = clips::RingSettings {
            ballast: Some(ballast),
            recorded: options.recording.as_ref().map(|recording| recording.began),
            imports: options.recording.is_none().then(|| data_dir.join("import")),
            ..ring_settings
        };
        let mut ring = {
            let tells = (uplink.inbox(), anchors.clone(), Arc::clone(&table));
            open_ring(ring_settings, &order_hops, tells, &metrics, &world).await.map_err(full)?
        };
        for (name, rest) in ring.rests() {
            ledger.reader("-", name, &rest);
        }
        // After the outbox has ordered what it is owed: that is taken before anything is let go.
        ring.start()?;
        clips::finish(&ring.shelf()).map_err(thread)?;
        host.scrubs(ring.shelf());
        let jury = Room::default();
        let (about, heard) = (book.clone(), jury.clone());
        let answers = Arc::new(FromModels { book: about, probe: probe.clone(), jury: heard });
        let settings = detect_settings(&config);
        let parcels = parcels::parcels(&config, &world, &settings);
        // A recording waits before its next picture goes, by a ledger that is a moment old.
        let least_queue_frames = if options.recording.is_some() { RECORDED_FRAMES } else { 0 };
        let parcels_of = Some(Arc::clone(&parcels));
        let settings = DetectSettings { parcels: parcels_of, least_queue_frames, ..settings };
        let proving = settings.clone();
        // What is played in was called when it was live, and whoever looks again costs money.
        let look = match &options.recording {
            Some(_) => None,
            None => second::second(&config, &world, &metrics, (&book, &ledger)),
        };
        let also = second::feed(look.as_ref());
        if let (Some(look), Some(_)) = (&look, &also) {
            // Nobody waits for it: it ends with its hop.
            drop(crate::look::start(look.clone()).map_err(thread)?);
        }
        let (detect, router, joined) =
            start_models((&data_dir, settings), (answers, also), &ledger, &metrics, &world)?;
        let installer = parcels::installer(&config, &world, &parcels, &detect);
        let splits = Arc::new(Splits::new(
            (&detect, installer),
            &jury,
            &anchors,
            &order_hops.orders,
            (ring.shelf(), look.clone()),
            (&*world.disk, &data_dir),
        ));
        let labels = Arc::new(Labels::new(
            (&world.disk, &world.clock),
            &data_dir,
            &order_hops.orders,
            ring.shelf(),
        ));
        jury.tells(Arc::clone(&splits) as Arc<dyn game::jury::Hears>);

        let (relays, relaying) = start_relays(&world, &ledger, &anchors)?;
        let (naming, began) = match &options.recording {
            Some(recording) => (Chance::seeded(recording.seed), Some(recording.began)),
            None => (world.chance.clone(), None),
        };
        let ingest = Ingest::bind(
            ingest_settings(&config, admission.clone(), (options.memory_limit, began.is_some()))?,
            Arc::clone(&world.clock),
            naming,
            Arc::new(FromIngest {
                book: book.clone(),
                anchors: anchors.clone(),
                relays: Arc::clone(&relays),
                began,
            }),
        )
        .await?;
        let doors = [ingest.handle().rtmp_address(), ingest.handle().rtmps_address()];
        relays.own_doors(doors.into_iter().flatten());
        let state = web::WebState {
            clock: Arc::clone(&world.clock),
            book: book.clone(),
            calibrate: config.detect.calibrate,
            metrics: metrics.clone(),
            admission,
            events,
            uplink: Arc::clone(&uplink),
            models: Arc::clone(&splits),
            ingest: ingest.handle(),
            relays: Arc::clone(&relays),
            shelf: ring.shelf(),
            theme: data_dir.join("overlay.css"),
            latest: told::Sender::default(),
        };
        let twin = options.twin.clone().map(|begun| {
            let named = claiming.is_somebody().then(|| config.appliance.name.clone());
            let begun = begun.named(named);
            (TwinDesk::new(&begun), begun)
        });
        let desk = twin.as_ref().map(|((desk, _), _)| desk);
        let kit = operations::Kit::new(
            &config,
            &world,
            options.config_file.clone(),
            claiming.says.clone(),
        );
        let kit = Arc::new(kit);
        let (says, heard) = ServiceDesk::new();
        let service = begin_service(&world, &data_dir, heard).await?;
        let technician =
            Arc::new(Technician { web: Arc::new(state), kit, twin: desk.cloned(), desk: says });
        let mut more = service_routes::routes(Arc::clone(&technician));
        if let Some(desk) = desk {
            more = more.merge(twin_routes::routes(desk.clone()));
        }
        let game_desk = GameDesk {
            world: world.clone(),
            book: book.clone(),
            table: Arc::clone(&table),
            outlet: uplink.inbox(),
            anchors: anchors.clone(),
            rules: Rulebook::of(&data_dir),
            usual_rules: config.game.rules.clone(),
        };
        game_desk.look_at_rules();
        game_desk.go_on();
        more = more.merge(game_routes::routes(game_desk.clone()));
        let pace = Pace::new(Arc::clone(&world.clock), config.http.read_bytes_per_second);
        let (wall, answers_within) = (Some(anchors.clone()), ANSWERS_WITHIN);
        let reading = ReadTerms { pace: pace.clone(), wall, answers_within };
        let web = web::bind(&config, &options, &technician.web, (ring.shelf(), reading), more)?;
        let uploads = uploads::uploads(&config, &world, ring.shelf(), &technician.web);
        let updates = updates::updates(&config, &world, proving, &technician.web);
        let decoders = Arc::clone(&world.devices.decoders);
        let gpu_memory = GpuMemory::of(decoders, Arc::clone(&world.clock)).map_err(|source| {
            AppError::Io { what: "start a thread that asks the GPU".to_owned(), source }
        })?;
        let disk = Arc::clone(&world.disk);
        let homes = HomeKeeper::new(home.clone(), &config, Arc::clone(&uplink), disk);
        let courts = Courts::new(Neighbours {
            world,
            ledger,
            metrics,
            anchors,
            probe,
            book,
            calibrate: config.detect.calibrate,
            rims_dir,
            keep: keep.clone(),
            ingest: ingest.handle(),
            recorders: ring.recorders(),
            relays,
            router,
            detect,
            jury,
            uplink,
            home,
            pace,
            labels,
            table,
            look,
        });
        courts.begin(&config.courts, left).await?;
        let (again, _) = told::channel(false);
        let twin = twin.map(|((desk, seat), begun)| {
            let home = claiming.home.clone();
            (TwinKeeper::new(begun, seat, courts.clone(), home, again.clone()), desk)
        });
        Ok(Self {
            name: config.appliance.name,
            courts,
            ingest,
            closing,
            keeper: (keep, keeping),
            relaying,
            ring,
            web,
            technician,
            games: game_desk,
            service,
            homes,
            joined,
            splits,
            gpu_memory,
            files,
            host,
            data_dir,
            deadline_on_signal: GRACE,
            twin,
            claiming,
            uploads,
            updates,
            again,
        })
    }

    /// Asks it while it runs, and changes its courts.
    #[must_use]
    pub fn handle(&self) -> AppHandle {
        let models = Arc::clone(&self.splits);
        AppHandle {
            courts: self.courts.clone(),
            ring: self.ring.shelf(),
            models,
            technician: Arc::clone(&self.technician),
            games: self.games.clone(),
            claim: self.claiming.says.clone(),
            again: self.again.clone(),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        Addresses {
            rtmp: self.ingest.handle().rtmp_address(),
            rtmps: self.ingest.handle().rtmps_address(),
            http: self.web.address(),
        }
    }

    /// Runs until `shutdown` turns to true, then drains in the order of the flow.
    ///
    /// # Errors
    /// None; what fails at run time stays in its court and is told in `state/*`.
    pub async fn run(self, mut shutdown: told::Receiver<bool>) -> Result<Report, AppError> {
        let Self {
            name,
            courts,
            ingest,
            closing,
            keeper: (keeper, keeping),
            relaying,
            ring,
            web,
            technician,
            games: game_desk,
            service,
            homes,
            joined,
            splits,
            gpu_memory,
            files,
            host,
            data_dir,
            deadline_on_signal,
            twin,
            claiming,
            uploads,
            updates,
            again,
        } = self;
        let installing = Arc::clone(&splits);
        let beside = courts.beside().clone();
        let Neighbours { ledger, uplink, detect, router, .. } = &beside;
        let clock = &beside.world.clock;
        uplink.serve(operations::all(
            &technician,
            &again,
            web.tokens(),
            (ring.shelf(), Arc::clone(&uploads)),
            (game_desk, Arc::clone(&updates)),
        ));
        uplink.connect(&tokio::runtime::Handle::current());
        let (stop, stopped) = told::channel(false);
        let rtmps = beside.ingest.rtmps_address();
        let addresses = (beside.ingest.rtmp_address(), web.address());
        let ingest = tokio::spawn(ingest.run(until(stopped.clone())));
        let claim = claiming.says.clone();
        let claiming = tokio::spawn(claiming.run(
            name.clone(),
            Arc::clone(uplink),
            again.clone(),
            stopped.clone(),
        ));
        let watching = tokio::spawn(watch::run(
            watch::Watched {
                name,
                claim,
                clock: Arc::clone(clock),
                ledger: ledger.clone(),
                anchors: beside.anchors.clone(),
                book: beside.book.clone(),
                calibrate: beside.calibrate,
                uplink: Arc::clone(uplink),
                ingest: beside.ingest.clone(),
                models: Arc::clone(detect),
                splits,
                labels: Arc::clone(&beside.labels),
                look: beside.look.clone(),
                gpu_memory,
                disk: Arc::clone(&beside.world.disk),
                data_dir,
                shelf: ring.shelf(),
                relays: Arc::clone(&beside.relays),
                uploads,
                updates: Arc::clone(&updates),
                web: Arc::clone(&technician.web),
                twin: technician.twin.clone(),
                files,
                host: Arc::clone(&host),
            },
            service,
            homes,
            stopped.clone(),
        ));
        // Not joined: what it reads may hang.
        drop(tokio::spawn(host.run(stopped.clone())));
        let twin = twin.map(|(keeper, desk)| {
            drop(tokio::spawn(hand_on(uplink.desired(), desk, stopped.clone())));
            tokio::spawn(keeper.run(stopped.clone()))
        });
        let web = tokio::spawn(web.serve(move || until(stopped.clone())));
        let notifier = Notifier::from_environment();
        notifier.ready();
        tracing::info!(rtmp = ?addresses.0, ?rtmps, http = %addresses.1, "ready");
        let looks_after = Arc::clone(&updates);
        let looking = std::thread::Builder::new().name("update".to_owned());
        if let Err(error) = looking.spawn(move || looks_after.run()) {
            tracing::error!(%error, "start a thread that looks after updates");
        }
        // Nobody waits for it: cameras are recorded and called meanwhile.
        if let Err(error) = detect.load_rest(Arc::clone(&beside.world.devices.engines), joined) {
            tracing::error!(%error, "start a thread that loads models");
        }

        // Woken by the signal handler, or by the sender's end; or told to begin anew.
        let mut told_again = again.subscribe();
        let again = tokio::select! {
            _ = shutdown.wait_for(|told| *told) => false,
            _ = told_again.wait_for(|told| *told) => true,
        };
        // For systemd a box that begins anew in the same process has never ended.
        if !again {
            notifier.stopping();
        }
        detect.end();
        installing.installer.end();
        updates.end();
        let began = clock.monotonic();
        stop.send_replace(true);

        // A change of courts that is under way comes to its end.
        if let Some(twin) = twin {
            drop(twin.await);
        }
        // Flow order: nothing downstream is closed before what feeds it has run dry.
        drop(ingest.await);
        // Nobody waits for their goodbyes: they take a second at most.
        let relays = Arc::clone(&beside.relays);
        let relays = tokio::spawn(async move { relays.end().await });
        let mut games = closing;
        let drained = tokio::task::spawn_blocking({
            let (courts, router, detect) =
                (courts.end().await, Arc::clone(router), Arc::clone(detect));
            move || drain(courts, &router, &detect)
        })
        .await;
        match drained {
            Ok(ending) => games.extend(ending),
            Err(error) => tracing::error!(%error, "a stage did not end cleanly"),
        }
        let left = || deadline_on_signal.saturating_sub(clock.monotonic().since(began));
        let patience = left().saturating_sub(FOR_THE_REST);
        player::join(games, &uplink.inbox(), patience, &**clock).await;
        keeper.close();
        drop(claiming.await);
        let unsent = uplink.shutdown(left().min(Duration::from_secs(2))).await.unsent;
        drop(relays.await);
        drop(tokio::task::spawn_blocking(move || relaying.join()).await);
        drop(tokio::task::spawn_blocking(move || ring.join()).await);
        drop(tokio::task::spawn_blocking(move || keeping.join()).await);
        drop(watching.await);
        drop(web.await);

        let (ledger, unbalanced) = (ledger.counts(), ledger.unbalanced());
        let report = Report { ledger, unbalanced, unsent, again };
        for (hop, count) in &report.unbalanced {
            tracing::error!(?hop, ?count, "the ledger does not balance: this is a bug");
        }
        tracing::info!(
            unsent,
            balanced = report.unbalanced.is_empty(),
            after_ms = u64::try_from(clock.monotonic().since(began).as_millis()).unwrap_or(0),
            "ended"
        );
        Ok(report)
    }

    /// The metrics, for `bench`.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.courts.beside().metrics.clone()
    }

    /// The ledger, for tests and `bench`.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.courts.beside().ledger.clone()
    }
}

/// Resolves when `stopped` turns to true, or its sender is gone.
async fn until(mut stopped: told::Receiver<bool>) {
    let _ = stopped.wait_for(|told| *told).await;
}

/// What is wanted over MQTT goes to who applies it; the last one on disk first, which he may know.
async fn hand_on(
    mut desired: told::Receiver<Option<Arc<uplink::Desired>>>,
    desk: TwinDesk,
    stopped: told::Receiver<bool>,
) {
    loop {
        let latest = desired.borrow_and_update().clone();
        match latest.as_deref().map(|latest| &latest.body) {
            Some(Ok(body)) => drop(desk.waits(body.clone()).await),
            // It cannot be kept, but it is answered: whoever sent it waits for `config/reported`.
            Some(Err(why)) => drop(desk.unkept(why.clone()).await),
            None => {}
        }
        tokio::select! {
            changed = desired.changed() => if changed.is_err() { return },
            () = until(stopped.clone()) => return,
        }
    }
}

/// All courts at once, in flow order; their games, which end by themselves now.
fn drain(courts: Vec<Court>, router: &Router, detect: &Detect) -> Vec<player::Playing> {
    let parts: Vec<_> = courts.iter().map(|court| Arc::clone(court.parts())).collect();
    for parts in &parts {
        parts.decode.close();
        parts.ring.close();
    }
    let (decoders, games): (Vec<_>, Vec<_>) = courts.into_iter().map(Court::into_threads).unzip();
    for decoder in decoders {
        decoder.join();
    }
    router.close();
    detect.join();
    for parts in &parts {
        parts.answers.close();
    }
    games
}

async fn open_uplink(
    config: &Config,
    hooks: uplink::Hooks,
    world: &World,
    floor: Floor,
) -> Result<(Arc<Uplink>, uplink::Recovered), AppError> {
    let settings = uplink_settings(config, floor, &*world.clock);
    let World { clock, chance, disk, .. } = world.clone();
    let open = move || Uplink::open(settings, clock, &disk, chance, hooks);
    let opened = tokio::task::spawn_blocking(open).await.map_err(|error| AppError::Io {
        what: "open the outbox".to_owned(),
        source: std::io::Error::other(error),
    })?;
    let (uplink, recovered) = opened?;
    Ok((Arc::new(uplink), recovered))
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

/// Without courts, as the ring.
fn start_relays(
    world: &World,
    ledger: &Ledger,
    anchors: &Anchors,
) -> Result<(Arc<Relays>, RelayThread), AppError> {
    let World { clock, chance, .. } = world.clone();
    let (floor, ledger) = (anchors.floor().clone(), ledger.clone());
    Relays::start(RelayParts { clock, chance, floor, ledger }).map_err(|source| AppError::Io {
        what: "start the thread of the relays".to_owned(),
        source,
    })
}

async fn begin_service(
    world: &World,
    data_dir: &Path,
    heard: tokio::sync::mpsc::Receiver<service::Ask>,
) -> Result<ServiceKeeper, AppError> {
    let World { clock, disk, .. } = world.clone();
    let data_dir = data_dir.to_owned();
    let begin = move || ServiceKeeper::begin(&disk, data_dir, clock, heard);
    tokio::task::spawn_blocking(begin).await.map_err(|error| AppError::Io {
        what: "read which courts are in service".to_owned(),
        source: std::io::Error::other(error),
    })
}

/// Without courts: each comes when it is built.
async fn open_ring(
    settings: clips::RingSettings,
    hops: &OrderHops,
    (news, wall, games): (Mailbox<Decision>, Anchors, Arc<Table>),
    metrics: &Metrics,
    world: &World,
) -> Result<Ring, AppError> {
    let meters = clips::RingMeters {
        write_seconds: metrics.ring_write_seconds.clone(),
        fsync_seconds: metrics.fsync_seconds.clone(),
    };
    let (disk, clock) = (Arc::clone(&world.disk), Arc::clone(&world.clock));
    let OrderHops { orders, done } = hops.clone();
    let (sink, courts) = (Arc::new(FromRing), Vec::new());
    let parts = clips::RingParts {
        settings,
        disk,
        clock,
        courts,
        orders,
        done,
        sink,
        news: Some(news),
        wall: Some(wall),
        games: Some(games),
        meters,
    };
    let opened = tokio::task::spawn_blocking(move || Ring::open(parts)).await;
    Ok(opened.map_err(|error| AppError::Io {
        what: "open the ring".to_owned(),
        source: std::io::Error::other(error),
    })??)
}

/// Without courts, as the ring.
fn start_models(
    (data_dir, settings): (&Path, DetectSettings),
    (answers, also): (Arc<FromModels>, Option<ModelFeed>),
    ledger: &Ledger,
    metrics: &Metrics,
    world: &World,
) -> Result<(Arc<Detect>, Arc<Router>, Joined), AppError> {
    let settings = kept::first(settings, kept::read(&*world.disk, data_dir));
    let clock = Arc::clone(&world.clock);
    let mut detect = Detect::begin(&settings, ledger, clock, &*world.devices.engines);
    let feeds = move |of: Vec<ModelFeedParts>| model_feeds(of).chain(also.clone()).collect();
    let router = Arc::new(Router::new(feeds(detect.feeds())));
    let sink: Arc<dyn detect::AnswerSink> = answers;
    detect
        .start(&sink, &mut |model| model_meters(metrics, model))
        .map_err(|source| AppError::Io { what: "start a model's thread".to_owned(), source })?;
    let (metrics, switched) = (metrics.clone(), Arc::clone(&router));
    let joined = Joined {
        sink,
        meters: Box::new(move |model| model_meters(&metrics, model)),
        switched: Box::new(move |of| switched.replace(feeds(of))),
    };
    Ok((Arc::new(detect), router, joined))
}

fn model_feeds(feeds: Vec<ModelFeedParts>) -> impl Iterator<Item = ModelFeed> {
    let feed = |feed: ModelFeedParts| {
        let ModelFeedParts { name, rates, frames } = feed;
        ModelFeed { name, rates, frames }
    };
    feeds.into_iter().map(feed)
}

/// The hop of what the games learnt, on its way to disk. The oldest goes: a later one has it all.
fn rims_hop(ledger: &Ledger) -> Mailbox<keeper::Write> {
    Mailbox::new(keeper::WAITING, WhenFull::DropOldest, ledger.hop("-", hops::RIMS))
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
                (game::games::LOG.to_owned(), entries),
            ]
            .into(),
            ..uplink::Recovered::default()
        };
        let expected = || game::Recovered::default().with_log(log());
        assert_eq!(by_court(recovered), [(a, expected()), (b, expected())].into());
    }
}
