//! The sockets: listeners, limits on connections, one task a connection.
//!
//! Until its stream key was right, a connection sits on a seat of [`Admission`], which takes it away where
//! others need it more, and says when a key is answered (DESIGN §5.1). Handshake, connect and publish share
//! one deadline and one bound of bytes. A connection that holds a court needs no seat: there are as many as
//! courts, and one more each for a moment.

use std::fmt;
use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use crate::admission::{
    About, Admission, Answered, Ask, Door, OpenPorch, Porch, Reason, Seat, digest,
};
use crate::clock::{Chance, Clock, Ticks, sleep, within};
use crate::device::DeviceMemory;
use crate::ingest::budget::Budget;
use crate::ingest::comings::Sum;
use crate::ingest::courts::{
    CourtKey, CourtStatus, Courts, Delivered, Description, LET_GO_AFTER, STALLED_AFTER, UnitSink,
};
use crate::ingest::pauses::{Pause, Pauses};
use crate::ingest::refused::MediaRefused;
use crate::ingest::strays::{Astray, Spoke};
use crate::ingest::stream::StreamAssembler;
use crate::media::{CloseReason, CourtId, Foreign, Monotonic, SessionId, StreamItem};
use crate::rtmp::RtmpError;
use crate::rtmp::message::{Message, kind};
use crate::rtmp::session::{APP, Event, Refusal, ServerSession};

/// From accept to an accepted publish, TLS included (DESIGN §5.1).
const NEGOTIATION: Duration = Duration::from_secs(10);
/// Bytes of a connection before its key: a handshake is 3 KiB, commands a few hundred bytes (DESIGN §5.1).
const BEFORE_KEY_BYTES: usize = 64 << 10;
/// For the last words of a connection to be read.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long a publisher may have a thread to itself, one message more: bytes that are much work to read must
/// not hold up page, doctor and the courts beside.
const TURN: Duration = Duration::from_millis(5);
/// How often a connection looks at the time.
const TICK: Duration = Duration::from_millis(250);
/// The longest read before publish: commands are short.
const SMALL_READ: usize = 4 << 10;
/// Read buffer after it. Where a publisher is ahead of us, each read wakes it by an acknowledgement: the
/// larger the reads, the fewer there are.
const LARGE_BUFFER: usize = 128 << 10;
/// Until every connection has said goodbye.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);
/// After accept failed for want of descriptors, and a connection was ended for that.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// What ingest listens on, and for whom.
pub struct IngestSettings {
    /// Where RTMP is spoken.
    pub rtmp: Option<SocketAddr>,
    /// Where RTMP over TLS is spoken, and with which certificate.
    pub rtmps: Option<(SocketAddr, Arc<rustls::ServerConfig>)>,
    /// The courts.
    pub courts: Vec<CourtKey>,
    /// Who may come in.
    pub admission: Admission,
    /// What they may cost.
    pub budget: Budget,
    /// What comes is a recording, as fast as it is taken: its times are not held against the clock.
    pub recording: bool,
}

/// Why ingest does not start.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum IngestError {
    /// The operator's setting, or another process.
    #[error("listen on {address}: is another process there, or the address not this box's?")]
    Bind { address: SocketAddr, source: io::Error },
}

/// Counts since start. All of them only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IngestCounts {
    /// Connections accepted.
    pub connections: u64,
    /// Unauthenticated connections ended because newer ones came.
    pub evicted: u64,
    /// Connections that did not publish within the deadline.
    pub timed_out: u64,
    /// Publishes with a wrong key.
    pub unauthorized: u64,
    /// Connections ended because the peer broke the protocol or a limit.
    pub broken: u64,
    /// Connections whose task panicked: a bug of ours, contained.
    pub panicked: u64,
    /// Bytes read from publishers that had shown their key.
    pub bytes: u64,
}

#[derive(Default)]
struct Counters {
    connections: AtomicU64,
    timed_out: AtomicU64,
    unauthorized: AtomicU64,
    broken: AtomicU64,
    panicked: AtomicU64,
    bytes: AtomicU64,
}

/// The listeners, bound and not yet running.
pub struct Ingest {
    rtmp: Option<OpenPorch>,
    rtmps: Option<(OpenPorch, TlsAcceptor)>,
    handle: IngestHandle,
}

/// A view of ingest that outlives [`Ingest::run`].
#[derive(Clone)]
pub struct IngestHandle {
    shared: Arc<Reception>,
    rtmp: Option<SocketAddr>,
    rtmps: Option<SocketAddr>,
}

/// What all connections share: who may come in, and whose court is whose.
struct Reception {
    courts: Courts,
    clock: Arc<dyn Clock>,
    /// Names sessions.
    chance: Chance,
    counters: Counters,
    admission: Admission,
    recording: bool,
    next_connection: AtomicU64,
}

impl Ingest {
    /// Binds the listeners; [`Self::run`] serves them.
    ///
    /// # Errors
    /// [`IngestError::Bind`].
    pub async fn bind(
        settings: IngestSettings,
        clock: Arc<dyn Clock>,
        chance: Chance,
        sink: Arc<dyn UnitSink>,
    ) -> Result<Self, IngestError> {
        let bind = |address, secure| {
            let porch = Porch::bind(address, Door::Rtmp, secure, settings.admission.clone());
            let open = |porch: Porch| Ok((porch.address(), porch.open()?));
            porch.and_then(open).map_err(|source| IngestError::Bind { address, source })
        };
        let rtmp = settings.rtmp.map(|address| bind(address, false)).transpose()?;
        let (rtmp_address, rtmp) = rtmp.unzip();
        let rtmps = match settings.rtmps {
            Some((address, config)) => {
                let (address, porch) = bind(address, true)?;
                Some((address, (porch, TlsAcceptor::from(config))))
            }
            None => None,
        };
        let (rtmps_address, rtmps) = rtmps.unzip();
        let handle = IngestHandle {
            shared: Arc::new(Reception {
                courts: Courts::new(settings.courts, sink, settings.budget),
                clock,
                chance,
                counters: Counters::default(),
                admission: settings.admission,
                recording: settings.recording,
                next_connection: AtomicU64::new(1),
            }),
            rtmp: rtmp_address,
            rtmps: rtmps_address,
        };
        Ok(Self { rtmp, rtmps, handle })
    }

    /// Returns a view that outlives [`Self::run`].
    #[must_use]
    pub fn handle(&self) -> IngestHandle {
        self.handle.clone()
    }

    /// Serves until `shutdown`, then ends every connection: each open session is closed with
    /// [`CloseReason::Shutdown`] before this returns.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let shared = self.handle.shared;
        let (mut rtmp, mut rtmps) = (self.rtmp, self.rtmps);
        let tls = rtmps.as_ref().map(|(_, tls)| tls.clone());
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        // Descriptors are; told once.
        let mut short = false;
        tokio::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = accept(rtmp.as_mut()) => (accepted, None),
                accepted = accept(rtmps.as_mut().map(|(porch, _)| porch)) => {
                    (accepted, tls.clone())
                }
                Some(ended) = tasks.join_next() => {
                    shared.joined(ended);
                    continue;
                }
            };
            match accepted {
                (Ok((socket, peer)), tls) => {
                    short = false;
                    tasks.spawn(connection(
                        Arc::clone(&shared),
                        socket,
                        peer,
                        tls,
                        stopping.clone(),
                    ));
                }
                // That one went away before it was taken.
                (Err(error), _) if is_of_the_peer(&error) => {}
                (Err(error), _) => {
                    if std::mem::replace(&mut short, true) {
                        tracing::debug!(%error, "accept failed again");
                    } else {
                        warn!(%error, "accept failed: a connection that has shown no key is ended");
                    }
                    shared.admission.relieve();
                    tokio::select! {
                        () = &mut shutdown => break,
                        () = sleep(&*shared.clock, ACCEPT_PAUSE) => {}
                    }
                }
            }
        }
        // Receivers see the change, or a closed channel: both end them.
        stop.send_replace(true);
        let all = async {
            while let Some(ended) = tasks.join_next().await {
                shared.joined(ended);
            }
        };
        if within(&*shared.clock, SHUTDOWN_GRACE, all).await.is_none() {
            tasks.abort_all();
            while let Some(ended) = tasks.join_next().await {
                shared.joined(ended);
            }
        }
        shared.tell(true);
    }
}

impl fmt::Debug for IngestHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IngestHandle").field("rtmp", &self.rtmp).finish_non_exhaustive()
    }
}

impl IngestHandle {
    /// Where RTMP is spoken.
    #[must_use]
    pub const fn rtmp_address(&self) -> Option<SocketAddr> {
        self.rtmp
    }

    /// Where RTMP over TLS is spoken.
    #[must_use]
    pub const fn rtmps_address(&self) -> Option<SocketAddr> {
        self.rtmps
    }

    /// What is known of a court's stream. `None` for a court that is not ours.
    #[must_use]
    pub fn status(&self, court: &CourtId) -> Option<CourtStatus> {
        self.shared.courts.status(court, self.shared.clock.monotonic())
    }

    /// Lets publishers come to a court from now on; false if another one has the key, or this one is
    /// there already.
    #[must_use]
    pub fn open_court(&self, court: CourtKey) -> bool {
        self.shared.courts.open(court)
    }

    /// True if a court other than this one has its key.
    #[must_use]
    pub fn has_key(&self, court: &CourtKey) -> bool {
        self.shared.courts.has_key(&court.court, &court.stream_key)
    }

    /// Lets nobody come to a court any more: its publisher is let go, an open session is closed with
    /// [`CloseReason::Shutdown`] before this returns, and no item of the court follows.
    pub fn close_court(&self, court: &CourtId) {
        self.shared.courts.close(court);
    }

    /// What to tell of memory that is too small for the courts that are served now.
    #[must_use]
    pub fn memory_advice(&self) -> Option<String> {
        self.shared.courts.memory_advice()
    }

    /// Takes note of the memory of the device in which decoders leave their pictures, as it was read then:
    /// who comes is asked whether he fits into it. `None`: they leave them here, or nobody knows.
    pub fn note_device(&self, read: Option<(DeviceMemory, Monotonic)>) {
        self.shared.courts.device(read);
    }

    /// What was noted last.
    #[must_use]
    pub fn device_memory(&self) -> Option<DeviceMemory> {
        self.shared.courts.device_memory()
    }

    /// Tells of publishes that had no lines of their own in the log, where it is time. Call it now and then.
    pub fn tell(&self) {
        self.shared.tell(false);
    }

    /// Counts since start.
    #[must_use]
    pub fn counts(&self) -> IngestCounts {
        let counters = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        IngestCounts {
            connections: read(&counters.connections),
            evicted: self.shared.admission.counts().refused(Door::Rtmp, Reason::Evicted),
            timed_out: read(&counters.timed_out),
            unauthorized: read(&counters.unauthorized),
            broken: read(&counters.broken),
            panicked: read(&counters.panicked),
            bytes: read(&counters.bytes),
        }
    }
}

/// Never ends without a listener.
async fn accept(porch: Option<&mut OpenPorch>) -> io::Result<(TcpStream, SocketAddr)> {
    match porch {
        Some(porch) => porch.accept().await,
        None => std::future::pending().await,
    }
}

impl Reception {
    fn count(&self, which: impl Fn(&Counters) -> &AtomicU64) {
        which(&self.counters).fetch_add(1, Ordering::Relaxed);
    }

    fn tell(&self, log_ends: bool) {
        for (court, sum) in self.courts.sums(self.clock.monotonic(), log_ends) {
            let Sum { publishes, last, why } = sum;
            let why = why.as_ref().map(Foreign::as_str);
            warn!(%court, publishes, %last, why, "publishes of the last minute, told as one");
        }
    }

    /// A task that panicked has let go of its court by unwinding; the others never noticed.
    fn joined(&self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended
            && error.is_panic()
        {
            self.count(|counters| &counters.panicked);
            tracing::error!("a connection's task panicked: a bug, contained to that connection");
        }
    }
}

/// True where accept failed for what a peer did; else the system lacks something.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// A court held by a connection, let go when dropped, by a panic too.
struct Held {
    shared: Arc<Reception>,
    court: usize,
    connection: u64,
    peer: SocketAddr,
    displaced: Arc<Notify>,
    reason: CloseReason,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.courts.release(self.court, self.connection, self.reason);
    }
}

/// Why a connection ended, for its one line in the log.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("closed by the peer")]
    Gone,
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Broken(#[from] RtmpError),
    #[error("{0}")]
    Refused(#[from] MediaRefused),
    #[error("no publish within {} s", NEGOTIATION.as_secs())]
    Deadline,
    #[error("others needed its seat")]
    Evicted,
    #[error("more than {} KiB before its key", BEFORE_KEY_BYTES >> 10)]
    Talkative,
    #[error("not answered: too many stream keys are tried from its address, or from everywhere")]
    Unheard,
    #[error("wrong stream key")]
    Unauthorized,
    #[error("it publishes to {}, not to `{APP}`: set the encoder to rtmp://BOX/{APP}/KEY", named(.0))]
    Application(Foreign),
    #[error("it wants to play: this box takes streams and gives none")]
    Plays,
    #[error("it publishes before it connects: is this an RTMP publisher?")]
    NotConnected,
    #[error("{0}")]
    Contested(String),
    #[error("unpublished")]
    Unpublished,
    #[error("no picture received for {} s", LET_GO_AFTER.as_secs())]
    Stalled,
    #[error("a newer publisher took over")]
    Displaced,
    #[error("the court is configured anew or gone: publish again")]
    Reconfigured,
    #[error("shutting down")]
    Shutdown,
}

impl End {
    /// The end of the session, if one is open.
    const fn reason(&self) -> CloseReason {
        match self {
            Self::Gone | Self::Io(_) | Self::Unpublished => CloseReason::Ended,
            Self::Stalled => CloseReason::Stalled,
            Self::Displaced => CloseReason::TakenOver,
            Self::Reconfigured | Self::Shutdown => CloseReason::Shutdown,
            Self::Broken(_)
            | Self::Refused(_)
            | Self::Deadline
            | Self::Evicted
            | Self::Talkative
            | Self::Unheard
            | Self::Unauthorized
            | Self::Application(_)
            | Self::Plays
            | Self::NotConnected
            | Self::Contested(_) => CloseReason::Broken,
        }
    }

    /// What the publisher is told: a code and words.
    fn farewell(&self) -> Option<(&'static str, String)> {
        let code = match self {
            Self::Refused(_) => "NetStream.Publish.Rejected",
            Self::Unauthorized => "NetStream.Publish.Unauthorized",
            Self::Contested(_) | Self::Displaced => "NetStream.Publish.BadName",
            Self::Stalled => "NetStream.Publish.Idle",
            Self::Shutdown => "NetConnection.Connect.AppShutdown",
            Self::Broken(_) | Self::Talkative | Self::Reconfigured => "NetStream.Publish.Failed",
            // Their words were sent.
            Self::Application(_) | Self::Plays | Self::NotConnected => return None,
            // Nothing that would hold a socket for a peer that is too many.
            Self::Evicted | Self::Unheard | Self::Deadline => return None,
            Self::Gone | Self::Io(_) | Self::Unpublished => return None,
        };
        Some((code, self.to_string()))
    }
}

/// An application as it is named in words.
fn named(app: &Foreign) -> String {
    if app.as_str().is_empty() {
        "no application".to_owned()
    } else {
        format!("the application `{app}`")
    }
}

/// One connection from accept to close.
async fn connection(
    shared: Arc<Reception>,
    socket: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    stopping: watch::Receiver<bool>,
) {
    shared.count(|counters| &counters.connections);
    let seat = shared.admission.enter(Door::Rtmp, peer);
    let guest = Guest {
        id: shared.next_connection.fetch_add(1, Ordering::Relaxed),
        peer,
        seat,
        since: shared.clock.monotonic(),
        again: false,
        secure: tls.is_some(),
    };
    // Pictures must not wait for acknowledgements of ours; failing is no reason to refuse.
    let _ignored = socket.set_nodelay(true);
    let Some(tls) = tls else {
        return serve(shared, Wire::new(socket), guest, stopping).await;
    };
    // Boxed, as what comes after a key is: else every stranger's connection has room for it.
    let first = AtomicU8::new(TLS_HANDSHAKE);
    let accepting = Box::pin(async {
        let mut byte = [TLS_HANDSHAKE];
        // Waits for it; what has ended by then says so to TLS.
        let _ended = socket.peek(&mut byte).await?;
        first.store(byte[0], Ordering::Relaxed);
        tls.accept(socket).await
    });
    let accepted = tokio::select! {
        accepted = within(&*shared.clock, NEGOTIATION, accepting) => accepted,
        () = guest.seat.evicted() => return,
    };
    match accepted {
        Some(Ok(stream)) => {
            guest.seat.progressed();
            Box::pin(serve(shared, Wire::new(stream), guest, stopping)).await;
        }
        Some(Err(error)) => {
            shared.count(|counters| &counters.broken);
            shared.admission.refused(Door::Rtmp, peer, Reason::Tls);
            let first = first.into_inner();
            let spoke = Spoke::of(first, true);
            shared.spoke(peer, first, spoke);
            if shared.admission.may_log(peer, About::Noise) {
                let spoke = spoke.map(Spoke::text);
                warn!(%peer, error = %Foreign::error(&error), spoke, "TLS handshake failed");
            }
        }
        None => {
            shared.count(|counters| &counters.timed_out);
            shared.admission.refused(Door::Rtmp, peer, Reason::Slow);
        }
    }
}

/// The first byte of TLS: a record of its handshake (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

impl Reception {
    /// Notes that a peer spoke something else than its port does, by the first byte of it.
    fn spoke(&self, peer: SocketAddr, first: u8, spoke: Option<Spoke>) {
        if let Some(spoke) = spoke {
            let (given, now) = (first.into(), self.clock.monotonic());
            self.courts.wrong(peer.ip(), given, Astray::Spoke(spoke), now);
        }
    }
}

/// A connection that has not shown a right key.
struct Guest {
    id: u64,
    peer: SocketAddr,
    seat: Seat,
    /// When it was accepted, or had published.
    since: Monotonic,
    /// It has published before, on this connection.
    again: bool,
    /// It came to the port with TLS.
    secure: bool,
}

impl Guest {
    /// It said goodbye, and may publish anew: it sits among those without a key again.
    fn again(self, shared: &Reception) -> Self {
        let Self { id, peer, seat, secure, .. } = self;
        drop(seat);
        let seat = shared.admission.enter(Door::Rtmp, peer);
        Self { id, peer, seat, since: shared.clock.monotonic(), again: true, secure }
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    shared: Arc<Reception>,
    mut wire: Wire<S>,
    mut guest: Guest,
    mut stopping: watch::Receiver<bool>,
) {
    let mut session = ServerSession::new(shared.chance.next(&*shared.clock));
    let end = loop {
        let end = publish_once(&shared, &mut wire, &mut session, &guest, &mut stopping).await;
        if !matches!(end, End::Unpublished) {
            break end;
        }
        guest = guest.again(&shared);
        wire.shrink();
    };
    // It had said goodbye, and nothing more was to come.
    let had_left = guest.again && matches!(end, End::Gone | End::Io(_) | End::Deadline);
    match &end {
        _ if had_left => {}
        End::Deadline => shared.count(|counters| &counters.timed_out),
        End::Broken(_) | End::Talkative => shared.count(|counters| &counters.broken),
        End::Unauthorized => shared.count(|counters| &counters.unauthorized),
        _ => {}
    }
    if let Some((code, text)) = end.farewell() {
        session.refuse(code, &text);
    }
    if !matches!(end, End::Evicted | End::Unheard | End::Gone | End::Io(_)) {
        wire.farewell(session.output(), had_left, &*shared.clock).await;
    }
}

/// Negotiates, and takes the publish that comes of it to its end.
async fn publish_once<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Arc<Reception>,
    wire: &mut Wire<S>,
    session: &mut ServerSession,
    guest: &Guest,
    stopping: &mut watch::Receiver<bool>,
) -> End {
    let peer = guest.peer;
    let negotiated = tokio::select! {
        negotiated = within(
            &*shared.clock,
            NEGOTIATION,
            negotiate(shared, wire, session, guest),
        ) => negotiated.unwrap_or(Err(End::Deadline)),
        () = guest.seat.evicted() => Err(End::Evicted),
        _ = stopping.changed() => Err(End::Shutdown),
    };
    match negotiated {
        Ok((mut held, mut assembler)) => {
            // No bound of ours: of right keys there are as many as courts.
            if guest.seat.admitted().is_err() {
                return End::Evicted;
            }
            let court = shared.courts.name(held.court);
            let court = court.as_ref().map_or("", CourtId::as_str).to_owned();
            let since = shared.clock.monotonic();
            let told = shared.courts.began(held.court, peer, since);
            let encoder = assembler.encoder().map(Foreign::as_str);
            if told {
                info!(%peer, court, encoder, "publishing");
            } else {
                debug!(%peer, court, encoder, "publishing again");
            }
            session.accept();
            wire.grow();
            let publishing = publish(shared, wire, session, &mut held, &mut assembler, stopping);
            let end = Box::pin(publishing).await;
            // The picture that waited for what may follow it has none.
            let (mut items, now) = (Vec::new(), shared.clock.monotonic());
            assembler.flush(&mut items);
            let _not_held = shared.courts.deliver(
                held.court,
                held.connection,
                (now, false),
                (&mut Vec::new(), &mut items),
            );
            held.reason = end.reason();
            if end.farewell().is_some() {
                shared.courts.refused(held.court, &Foreign::told(&end));
            }
            if let End::Refused(refused) = &end {
                shared.courts.count_refusal(held.court, refused.reason());
            }
            let (now, why) = (shared.clock.monotonic(), Foreign::told(&end));
            let told = shared.courts.ended(held.court, peer, now, (since, told), &why);
            drop(held);
            if told {
                info!(%peer, court, %why, "publish ended");
            } else {
                debug!(%peer, court, %why, "publish ended again");
            }
            end
        }
        Err(end) => {
            // What was shown and not answered is a guess for the log: it may have been the only one.
            let about = match &end {
                End::Unauthorized | End::Unheard => About::Guess,
                _ => About::Noise,
            };
            let had_left = guest.again && matches!(end, End::Deadline | End::Io(_));
            let is_told = !had_left && !matches!(end, End::Gone | End::Shutdown);
            if is_told && shared.admission.may_log(peer, about) {
                warn!(%peer, why = %end, "connection closed");
            }
            let refused = |reason| shared.admission.refused(Door::Rtmp, peer, reason);
            match &end {
                _ if had_left => {}
                End::Application(app) => {
                    let (given, now) = (digest(app.as_bytes()), shared.clock.monotonic());
                    shared.courts.wrong(peer.ip(), given, Astray::App(app.clone()), now);
                }
                End::Deadline => refused(Reason::Slow),
                End::Broken(broken) => {
                    if let RtmpError::Version { got } = broken {
                        let spoke = if guest.secure { None } else { Spoke::of(*got, false) };
                        shared.spoke(peer, *got, spoke);
                    }
                    refused(Reason::Broken);
                }
                End::Talkative => refused(Reason::Broken),
                _ => {}
            }
            guest.seat.leaving();
            end
        }
    }
}

/// Reads up to a publish with a right key, and claims its court.
async fn negotiate<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Arc<Reception>,
    wire: &mut Wire<S>,
    session: &mut ServerSession,
    guest: &Guest,
) -> Result<(Held, Box<StreamAssembler>), End> {
    let (mut encoder, mut step, mut taken) = (None, 0, 0);
    loop {
        let (event, used) = {
            let mut input = wire.unread();
            let before = input.len();
            let event = session.next(&mut input)?;
            (event, before - input.len())
        };
        wire.consume(used);
        // What was on its way as it said goodbye may still come.
        taken += if guest.again && event.is_none() { 0 } else { used };
        if taken > BEFORE_KEY_BYTES {
            return Err(End::Talkative);
        }
        if session.step() > step {
            step = session.step();
            guest.seat.progressed();
        }
        match event {
            None => wire.exchange(session.output()).await?,
            Some(Event::Connected { encoder: named }) => encoder = named,
            Some(Event::Publish { key }) => {
                let court = answer(shared, wire, guest, &key).await?;
                let displaced = Arc::new(Notify::new());
                let (now, id, peer) = (shared.clock.monotonic(), guest.id, guest.peer);
                shared.courts.claim(court, id, peer, now, Arc::clone(&displaced)).map_err(
                    |contested| {
                        shared.courts.refused(court, &contested.text);
                        End::Contested(contested.text)
                    },
                )?;
                let reason = CloseReason::Broken;
                let held = Held {
                    shared: Arc::clone(shared),
                    court,
                    connection: id,
                    peer,
                    displaced,
                    reason,
                };
                let Some(name) = shared.courts.name(court) else { return Err(End::Gone) };
                let ids = Arc::clone(shared);
                let assembler = StreamAssembler::new(
                    name.clone(),
                    peer.to_string(),
                    encoder,
                    Box::new(move || SessionId::from_bits(ids.chance.next(&*ids.clock))),
                );
                let asked = Arc::clone(shared);
                let assembler = assembler.within(Box::new(move || asked.courts.allowed(court)));
                let assembler = if shared.recording { assembler.of_recording() } else { assembler };
                return Ok((held, Box::new(assembler)));
            }
            Some(Event::Refused(refusal)) => {
                return Err(match refusal {
                    Refusal::Application(app) => End::Application(app),
                    Refusal::Plays => End::Plays,
                    Refusal::NotConnected => End::NotConnected,
                });
            }
            Some(Event::Media(_) | Event::Data { .. } | Event::Unpublished) => {}
        }
    }
}

/// Finds the court of a key, and says so when admission lets it be said.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Reception,
    wire: &mut Wire<S>,
    guest: &Guest,
    key: &str,
) -> Result<usize, End> {
    let court = shared.courts.find(key);
    let (peer, now) = (guest.peer, shared.clock.monotonic());
    let given = digest(key.as_bytes());
    if court.is_none() {
        shared.courts.wrong(peer.ip(), given, Astray::Key, now);
    }
    // Who waits for an answer sits on no seat that another could use.
    guest.seat.stands();
    let answered = shared.admission.answer(Ask {
        door: Door::Rtmp,
        peer,
        right: court.is_some(),
        given,
        what: secret_of(court.unwrap_or(usize::MAX)),
        took: now.since(guest.since),
    });
    let answered = tokio::select! {
        biased;
        answered = answered => answered,
        // Else who hangs up would take the place of who waits.
        () = wire.hung_up() => return Err(End::Gone),
    };
    match (answered, court) {
        (Answered::Yes, Some(court)) => Ok(court),
        (Answered::Unheard, _) => Err(End::Unheard),
        (Answered::Yes | Answered::No, _) => Err(End::Unauthorized),
    }
}

/// The key of a court, as admission knows it.
const fn secret_of(court: usize) -> u64 {
    court as u64
}

/// Reads media until the publish ends, and says why it did.
async fn publish<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Arc<Reception>,
    wire: &mut Wire<S>,
    session: &mut ServerSession,
    held: &mut Held,
    assembler: &mut StreamAssembler,
    stopping: &mut watch::Receiver<bool>,
) -> End {
    let mut tick = Ticks::new(&shared.clock, TICK);
    let mut heard = shared.clock.monotonic();
    let (mut stalled, mut proven, mut slowed) = (false, false, false);
    let (mut came, mut pauses) = (Came::default(), Pauses::default());
    let displaced = Arc::clone(&held.displaced);
    loop {
        let before = wire.unread().len();
        let end = take(shared, wire, session, assembler, &mut heard, &mut came);
        let Came { messages, items, video } = &mut came;
        let video = std::mem::take(video);
        let bytes = before - wire.unread().len();
        let pictures = items.iter().filter(|item| matches!(item, StreamItem::Video(_))).count();
        if !proven && items.iter().any(|item| matches!(item, StreamItem::Video(unit) if unit.key)) {
            proven = true;
            shared.admission.proved(Door::Rtmp, held.peer, secret_of(held.court));
        }
        shared.courts.takes(held.court, held.connection, assembler.needs(), heard);
        let delivered =
            shared.courts.deliver(held.court, held.connection, (heard, video), (messages, items));
        let end = match delivered {
            Delivered::All => end,
            Delivered::NotHeld => return displaced_from(shared, held),
            Delivered::TooManySegments => Some(MediaRefused::Segments.into()),
        };
        if let Some(end) = end {
            describe(shared, held, assembler);
            tell_pauses(shared, held, &mut pauses, true);
            return end;
        }
        let rest = shared.courts.sent(held.court, shared.clock.monotonic(), bytes, pictures);
        if !rest.is_zero() {
            if !std::mem::replace(&mut slowed, true) {
                let court = shared.courts.name(held.court);
                let court = court.as_ref().map_or("", CourtId::as_str);
                warn!(
                    court,
                    "publisher sends more than a camera does: it is read no faster than one"
                );
            }
            tokio::select! {
                () = displaced.notified() => return displaced_from(shared, held),
                _ = stopping.changed() => return End::Shutdown,
                () = sleep(&*shared.clock, rest) => {}
            }
        }
        if !wire.unread().is_empty() {
            // Others have their turn on this thread first.
            tokio::task::yield_now().await;
            if stopping.has_changed().unwrap_or(true) {
                return End::Shutdown;
            }
            continue;
        }
        tokio::select! {
            exchanged = wire.exchange(session.output()) => {
                if let Err(end) = exchanged {
                    return end;
                }
            }
            () = displaced.notified() => return displaced_from(shared, held),
            _ = stopping.changed() => return End::Shutdown,
            () = tick.tick() => {
                describe(shared, held, assembler);
                tell_pauses(shared, held, &mut pauses, false);
                let silence = shared.clock.monotonic().since(heard);
                if silence >= LET_GO_AFTER {
                    return End::Stalled;
                }
                if stalled != (silence >= STALLED_AFTER) {
                    stalled = !stalled;
                    let (now, court) = (shared.clock.monotonic(), shared.courts.name(held.court));
                    let court = court.as_ref().map_or("", CourtId::as_str);
                    if stalled && pauses.began(now) {
                        warn!(court, "publisher sends no pictures");
                    } else if !stalled && pauses.ended(now) {
                        info!(court, "publisher sends pictures again");
                    }
                }
            }
        }
    }
}

/// What was read of a publisher, to be delivered.
#[derive(Default)]
struct Came {
    /// As they came.
    messages: Vec<Message>,
    /// What they gave.
    items: Vec<StreamItem>,
    /// A message of video was among them.
    video: bool,
}

/// Takes what was read through session and assembler, into `came`: all of it, unless that is more work than
/// fits into a [`TURN`].
fn take<S>(
    shared: &Arc<Reception>,
    wire: &mut Wire<S>,
    session: &mut ServerSession,
    assembler: &mut StreamAssembler,
    heard: &mut Monotonic,
    Came { messages, items, video }: &mut Came,
) -> Option<End> {
    let mut input = wire.unread();
    let arrival = shared.clock.monotonic();
    let all = input.len();
    let end = loop {
        if shared.clock.monotonic().since(arrival) > TURN {
            break None;
        }
        match session.next(&mut input) {
            Ok(None) => break None,
            Ok(Some(Event::Media(message))) => {
                if message.kind == kind::VIDEO {
                    *heard = arrival;
                    *video = true;
                }
                if let Err(refused) = assembler.media(&message, arrival, items) {
                    break Some(refused.into());
                }
                messages.push(message);
            }
            Ok(Some(Event::Data { message, name, values })) => {
                assembler.data(message.timestamp, &name, &values, items);
                messages.push(message);
            }
            Ok(Some(Event::Unpublished)) => break Some(End::Unpublished),
            Ok(Some(Event::Connected { .. } | Event::Publish { .. } | Event::Refused(_))) => {}
            Err(error) => break Some(error.into()),
        }
    };
    let used = all - input.len();
    shared.counters.bytes.fetch_add(used as u64, Ordering::Relaxed);
    wire.consume(used);
    end
}

fn tell_pauses(shared: &Reception, held: &Held, pauses: &mut Pauses, ends: bool) {
    if let Some(Pause { count, longest }) = pauses.due(shared.clock.monotonic(), ends) {
        let court = shared.courts.name(held.court);
        let (court, longest_ms) = (court.as_ref().map_or("", CourtId::as_str), longest.as_millis());
        warn!(court, pauses = count, longest_ms, "pictures stop and come again, told as one");
    }
}

/// Why a connection does not hold its court any more.
fn displaced_from(shared: &Reception, held: &Held) -> End {
    if shared.courts.serves(held.court) { End::Displaced } else { End::Reconfigured }
}

fn describe(shared: &Reception, held: &Held, assembler: &StreamAssembler) {
    let (dropped, last) = assembler.unusable();
    let description = Description {
        encoder: assembler.encoder().cloned(),
        audio: assembler.sound_told(),
        dropped,
        last_drop: last,
        lookahead: assembler.lookahead(),
        times: assembler.times_told(),
        several_tracks: assembler.has_several_tracks(),
    };
    shared.courts.describe(held.court, held.connection, description);
}

/// A stream with its read buffer.
///
/// Whoever has shown no key holds as many bytes here as were read of him and not yet taken: none, mostly.
struct Wire<S> {
    stream: S,
    /// Ends with what is unread, unless it is `large`.
    buffer: Vec<u8>,
    /// There is room for pictures, to be read into.
    large: bool,
    unread: std::ops::Range<usize>,
}

impl<S> Wire<S> {
    const fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new(), large: false, unread: 0..0 }
    }

    /// Makes room for pictures.
    fn grow(&mut self) {
        self.buffer.resize(LARGE_BUFFER, 0);
        self.large = true;
    }

    /// Gives the room back: a publish has ended.
    fn shrink(&mut self) {
        let unread = self.unread().to_vec();
        (self.unread, self.buffer, self.large) = (0..unread.len(), unread, false);
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.unread.clone()).unwrap_or_default()
    }

    fn consume(&mut self, count: usize) {
        self.unread.start = (self.unread.start + count).min(self.unread.end);
    }
}

/// Reads up to `most` bytes, at most [`SMALL_READ`] of them, to the end of `buffer`, and says how many.
fn poll_append<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
    most: usize,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut space = [MaybeUninit::uninit(); SMALL_READ];
    let (space, _) = space.split_at_mut(most.min(SMALL_READ));
    let mut space = ReadBuf::uninit(space);
    ready!(Pin::new(stream).poll_read(context, &mut space))?;
    buffer.extend_from_slice(space.filled());
    Poll::Ready(Ok(space.filled().len()))
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Waits for bytes to read, and writes what it can of `output` meanwhile. All that was read
    /// before must be consumed. Loses nothing when it is dropped half-way.
    async fn exchange(&mut self, output: &mut Vec<u8>) -> Result<(), End> {
        let Self { stream, buffer, large, unread } = self;
        std::future::poll_fn(|context| {
            while !output.is_empty() {
                match Pin::new(&mut *stream).poll_write(context, output) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(End::Gone)),
                    Poll::Ready(Ok(count)) => {
                        output.drain(..count);
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                    Poll::Pending => break,
                }
            }
            // TLS may hold bytes back; a socket does not.
            if let Poll::Ready(Err(error)) = Pin::new(&mut *stream).poll_flush(context) {
                return Poll::Ready(Err(error.into()));
            }
            let read = if *large {
                let mut space = ReadBuf::new(buffer);
                ready!(Pin::new(&mut *stream).poll_read(context, &mut space))?;
                space.filled().len()
            } else {
                buffer.clear();
                ready!(poll_append(stream, buffer, SMALL_READ, context))?
            };
            *unread = 0..read;
            Poll::Ready(if read == 0 { Err(End::Gone) } else { Ok(()) })
        })
        .await
    }

    /// Resolves once a peer that has shown no key has hung up, while nothing of it is taken. What it sends
    /// meanwhile is kept, as far as there is room; then its hanging up is not seen. Loses nothing when it is
    /// dropped half-way.
    async fn hung_up(&mut self) {
        let Self { stream, buffer, unread, .. } = self;
        std::future::poll_fn(|context| {
            loop {
                if unread.start >= unread.end {
                    buffer.clear();
                    *unread = 0..0;
                }
                let room = SMALL_READ.saturating_sub(buffer.len());
                if room == 0 {
                    return Poll::Pending;
                }
                match ready!(poll_append(stream, buffer, room, context)) {
                    Ok(1..) => unread.end = buffer.len(),
                    Ok(0) | Err(_) => return Poll::Ready(()),
                }
            }
        })
        .await;
    }

    /// Sends the last words and waits for the peer to hang up, within bounds: closing on unread
    /// bytes would reset the connection, and the words would be lost.
    ///
    /// A publisher that said goodbye itself (`polite`) hangs up first: GStreamer takes anything else
    /// for an error.
    async fn farewell(&mut self, output: &[u8], polite: bool, clock: &dyn Clock) {
        let Self { stream, buffer, .. } = self;
        let goodbye = async {
            stream.write_all(output).await?;
            stream.flush().await?;
            if !polite {
                stream.shutdown().await?;
            }
            // No word of theirs is needed any more, nor room for pictures.
            *buffer = Vec::new();
            while std::future::poll_fn(|context| poll_append(stream, buffer, SMALL_READ, context))
                .await?
                > 0
            {
                buffer.clear();
            }
            io::Result::Ok(())
        };
        // Either way the socket closes now.
        let _ignored = within(clock, FAREWELL, goodbye).await;
    }
}
