//! The sockets: listeners, limits on connections, one task a connection.
//!
//! A connection is unauthenticated until its stream key was right. There are at most 64 of those, 8
//! an address (DESIGN §5.1): one more ends the oldest, so that half-open connections never keep a
//! publisher out. Handshake, connect and publish share one deadline.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use crate::clock::{Chance, Clock, Ticks, sleep, within};
use crate::ingest::courts::{
    CourtKey, CourtStatus, Courts, Description, LET_GO_AFTER, STALLED_AFTER, UnitSink,
};
use crate::ingest::rtmp::RtmpError;
use crate::ingest::rtmp::message::kind;
use crate::ingest::rtmp::session::{Event, ServerSession};
use crate::ingest::stream::{MediaRefused, StreamAssembler};
use crate::media::{CloseReason, CourtId, Foreign, Monotonic, SessionId, StreamItem};

/// From accept to an accepted publish, TLS included (DESIGN §5.1).
const NEGOTIATION: Duration = Duration::from_secs(10);
/// Connections that have not shown a right key (DESIGN §5.1).
const MAX_UNAUTHENTICATED: usize = 64;
/// … and of those, from one address.
const MAX_UNAUTHENTICATED_PER_ADDRESS: usize = 8;
/// What a wrong key costs: five guesses a second from one address.
const REFUSAL_DELAY: Duration = Duration::from_millis(1_500);
/// For the last words of a connection to be read.
const FAREWELL: Duration = Duration::from_secs(1);
/// How often a connection looks at the time.
const TICK: Duration = Duration::from_millis(250);
/// Read buffer before publish: commands are short.
const SMALL_BUFFER: usize = 4 << 10;
/// … and after it. Where a publisher is ahead of us, each read wakes it by an acknowledgement: the
/// larger the reads, the fewer there are.
const LARGE_BUFFER: usize = 128 << 10;
/// Lines a second that hostile peers may put into the log; what is more is counted.
const MAX_LINES_A_SECOND: u32 = 5;
/// Until every connection has said goodbye.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);
/// After accept failed (out of file descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What ingest listens on, and for whom.
pub struct IngestSettings {
    /// Where RTMP is spoken.
    pub rtmp: Option<SocketAddr>,
    /// Where RTMP over TLS is spoken, and with which certificate.
    pub rtmps: Option<(SocketAddr, Arc<rustls::ServerConfig>)>,
    /// The courts.
    pub courts: Vec<CourtKey>,
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
    evicted: AtomicU64,
    timed_out: AtomicU64,
    unauthorized: AtomicU64,
    broken: AtomicU64,
    panicked: AtomicU64,
    bytes: AtomicU64,
}

/// The listeners, bound and not yet running.
pub struct Ingest {
    rtmp: Option<TcpListener>,
    rtmps: Option<(TcpListener, TlsAcceptor)>,
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
    // Who is let in and who must go for it are one decision.
    waiting: Mutex<VecDeque<Unauthenticated>>,
    lines: Mutex<Lines>,
    next_connection: AtomicU64,
}

struct Unauthenticated {
    connection: u64,
    ip: IpAddr,
    /// Wakes the connection's task: it must end.
    evicted: Arc<Notify>,
}

/// Keeps hostile peers from filling the log.
#[derive(Default)]
struct Lines {
    second: u64,
    written: u32,
    left_out: u64,
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
        let rtmp = match settings.rtmp {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let rtmps = match settings.rtmps {
            Some((address, config)) => Some((bind(address).await?, TlsAcceptor::from(config))),
            None => None,
        };
        let handle = IngestHandle {
            shared: Arc::new(Reception {
                courts: Courts::new(settings.courts, sink),
                clock,
                chance,
                counters: Counters::default(),
                waiting: Mutex::new(VecDeque::new()),
                lines: Mutex::new(Lines::default()),
                next_connection: AtomicU64::new(1),
            }),
            rtmp: rtmp.as_ref().and_then(|listener| listener.local_addr().ok()),
            rtmps: rtmps.as_ref().and_then(|(listener, _)| listener.local_addr().ok()),
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
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = accept(self.rtmp.as_ref()) => (accepted, None),
                accepted = accept(self.rtmps.as_ref().map(|(listener, _)| listener)) => {
                    (accepted, self.rtmps.as_ref().map(|(_, tls)| tls.clone()))
                }
                Some(ended) = tasks.join_next() => {
                    shared.joined(ended);
                    continue;
                }
            };
            match accepted {
                (Ok((socket, peer)), tls) => {
                    tasks.spawn(connection(
                        Arc::clone(&shared),
                        socket,
                        peer,
                        tls,
                        stopping.clone(),
                    ));
                }
                (Err(error), _) => {
                    warn!(%error, "accept failed");
                    sleep(&*shared.clock, ACCEPT_PAUSE).await;
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

    /// Counts since start.
    #[must_use]
    pub fn counts(&self) -> IngestCounts {
        let counters = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        IngestCounts {
            connections: read(&counters.connections),
            evicted: read(&counters.evicted),
            timed_out: read(&counters.timed_out),
            unauthorized: read(&counters.unauthorized),
            broken: read(&counters.broken),
            panicked: read(&counters.panicked),
            bytes: read(&counters.bytes),
        }
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, IngestError> {
    TcpListener::bind(address).await.map_err(|source| IngestError::Bind { address, source })
}

/// Never ends without a listener.
async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

impl Reception {
    fn count(&self, which: impl Fn(&Counters) -> &AtomicU64) {
        which(&self.counters).fetch_add(1, Ordering::Relaxed);
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

    /// Takes a connection into the unauthenticated ones; the oldest goes if there are too many.
    fn enter(self: &Arc<Self>, connection: u64, ip: IpAddr) -> Unauthorized {
        let evicted = Arc::new(Notify::new());
        let mut waiting = self.waiting.lock();
        let same = waiting.iter().filter(|other| other.ip == ip).count();
        let oldest = if same >= MAX_UNAUTHENTICATED_PER_ADDRESS {
            waiting.iter().position(|other| other.ip == ip)
        } else {
            (waiting.len() >= MAX_UNAUTHENTICATED).then_some(0)
        };
        if let Some(oldest) = oldest.and_then(|index| waiting.remove(index)) {
            oldest.evicted.notify_one();
            self.count(|counters| &counters.evicted);
        }
        waiting.push_back(Unauthenticated { connection, ip, evicted: Arc::clone(&evicted) });
        drop(waiting);
        Unauthorized { shared: Arc::clone(self), connection, evicted }
    }

    /// True if the log has room for a line about a hostile peer; tells what was left out.
    fn may_log(&self) -> bool {
        let second = self.clock.monotonic().as_nanos() / 1_000_000_000;
        let mut lines = self.lines.lock();
        if lines.second != second {
            let left_out = std::mem::take(&mut lines.left_out);
            *lines = Lines { second, ..Lines::default() };
            if left_out > 0 {
                warn!(left_out, "further connections closed");
            }
        }
        lines.written += 1;
        let room = lines.written <= MAX_LINES_A_SECOND;
        lines.left_out += u64::from(!room);
        room
    }
}

/// A place among the unauthenticated connections, given back when dropped.
struct Unauthorized {
    shared: Arc<Reception>,
    connection: u64,
    evicted: Arc<Notify>,
}

impl Drop for Unauthorized {
    fn drop(&mut self) {
        self.shared.waiting.lock().retain(|other| other.connection != self.connection);
    }
}

/// A court held by a connection, let go when dropped, by a panic too.
struct Held {
    shared: Arc<Reception>,
    court: usize,
    connection: u64,
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
    #[error("newer connections came")]
    Evicted,
    #[error("wrong stream key")]
    Unauthorized,
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
            | Self::Unauthorized
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
            Self::Broken(_) | Self::Reconfigured => "NetStream.Publish.Failed",
            Self::Gone | Self::Io(_) | Self::Deadline | Self::Evicted | Self::Unpublished => {
                return None;
            }
        };
        Some((code, self.to_string()))
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
    let id = shared.next_connection.fetch_add(1, Ordering::Relaxed);
    let place = shared.enter(id, peer.ip());
    // Pictures must not wait for acknowledgements of ours; failing is no reason to refuse.
    let _ignored = socket.set_nodelay(true);
    let Some(tls) = tls else {
        return serve(shared, Wire::new(socket), peer, place, stopping).await;
    };
    let accepted = tokio::select! {
        accepted = within(&*shared.clock, NEGOTIATION, tls.accept(socket)) => accepted,
        () = place.evicted.notified() => return,
    };
    match accepted {
        Some(Ok(stream)) => serve(shared, Wire::new(stream), peer, place, stopping).await,
        Some(Err(error)) => {
            shared.count(|counters| &counters.broken);
            if shared.may_log() {
                warn!(%peer, error = %Foreign::error(&error), "TLS handshake failed");
            }
        }
        None => shared.count(|counters| &counters.timed_out),
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    shared: Arc<Reception>,
    mut wire: Wire<S>,
    peer: SocketAddr,
    place: Unauthorized,
    mut stopping: watch::Receiver<bool>,
) {
    let id = place.connection;
    let evicted = Arc::clone(&place.evicted);
    let mut session = ServerSession::new(shared.chance.next(&*shared.clock));
    let negotiated = tokio::select! {
        negotiated = within(
            &*shared.clock,
            NEGOTIATION,
            negotiate(&shared, &mut wire, &mut session, peer, id),
        ) => negotiated.unwrap_or(Err(End::Deadline)),
        () = evicted.notified() => Err(End::Evicted),
        _ = stopping.changed() => Err(End::Shutdown),
    };
    let end = match negotiated {
        Ok((mut held, mut assembler)) => {
            drop(place);
            let court = shared.courts.name(held.court);
            let court = court.as_ref().map_or("", CourtId::as_str).to_owned();
            info!(%peer, court, encoder = assembler.encoder().map(Foreign::as_str), "publishing");
            session.accept();
            wire.grow();
            let end =
                publish(&shared, &mut wire, &mut session, &mut held, &mut assembler, &mut stopping)
                    .await;
            held.reason = end.reason();
            if end.farewell().is_some() {
                shared.courts.refused(held.court, &Foreign::told(&end));
            }
            drop(held);
            info!(%peer, court, why = %end, "publish ended");
            end
        }
        Err(end) => {
            if !matches!(end, End::Gone | End::Evicted | End::Shutdown) && shared.may_log() {
                warn!(%peer, why = %end, "connection closed");
            }
            end
        }
    };
    match &end {
        End::Deadline => shared.count(|counters| &counters.timed_out),
        End::Broken(_) => shared.count(|counters| &counters.broken),
        End::Unauthorized => shared.count(|counters| &counters.unauthorized),
        _ => {}
    }
    if let Some((code, text)) = end.farewell() {
        session.refuse(code, &text);
    }
    if !matches!(end, End::Evicted | End::Gone | End::Io(_)) {
        let polite = matches!(end, End::Unpublished);
        wire.farewell(session.output(), polite, &*shared.clock).await;
    }
}

/// Reads up to a publish with a right key, and claims its court.
async fn negotiate<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Arc<Reception>,
    wire: &mut Wire<S>,
    session: &mut ServerSession,
    peer: SocketAddr,
    id: u64,
) -> Result<(Held, StreamAssembler), End> {
    let mut encoder = None;
    loop {
        let (event, used) = {
            let mut input = wire.unread();
            let before = input.len();
            let event = session.next(&mut input)?;
            (event, before - input.len())
        };
        wire.consume(used);
        match event {
            None => wire.exchange(session.output()).await?,
            Some(Event::Connected { encoder: named }) => encoder = named,
            Some(Event::Publish { key }) => {
                let Some(court) = shared.courts.find(&key) else {
                    shared.courts.wrong_key(peer.ip(), shared.clock.monotonic());
                    sleep(&*shared.clock, REFUSAL_DELAY).await;
                    return Err(End::Unauthorized);
                };
                let displaced = Arc::new(Notify::new());
                let now = shared.clock.monotonic();
                shared.courts.claim(court, id, peer, now, Arc::clone(&displaced)).map_err(
                    |contested| {
                        shared.courts.refused(court, &contested.text);
                        End::Contested(contested.text)
                    },
                )?;
                let reason = CloseReason::Broken;
                let held =
                    Held { shared: Arc::clone(shared), court, connection: id, displaced, reason };
                let Some(name) = shared.courts.name(court) else { return Err(End::Gone) };
                let ids = Arc::clone(shared);
                let assembler = StreamAssembler::new(
                    name.clone(),
                    peer.to_string(),
                    encoder,
                    Box::new(move || SessionId::from_bits(ids.chance.next(&*ids.clock))),
                );
                return Ok((held, assembler));
            }
            Some(Event::Media(_) | Event::Data { .. } | Event::Unpublished) => {}
        }
    }
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
    let mut stalled = false;
    let mut items = Vec::new();
    let displaced = Arc::clone(&held.displaced);
    loop {
        let end = take(shared, wire, session, assembler, &mut heard, &mut items);
        let holds = shared.courts.deliver(held.court, held.connection, heard, &mut items);
        if !holds {
            return displaced_from(shared, held);
        }
        if let Some(end) = end {
            describe(shared, held, assembler);
            return end;
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
                let silence = shared.clock.monotonic().since(heard);
                if silence >= LET_GO_AFTER {
                    return End::Stalled;
                }
                if stalled != (silence >= STALLED_AFTER) {
                    stalled = !stalled;
                    let court = shared.courts.name(held.court);
                    let court = court.as_ref().map_or("", CourtId::as_str);
                    if stalled {
                        warn!(court, "publisher sends no pictures");
                    } else {
                        info!(court, "publisher sends pictures again");
                    }
                }
            }
        }
    }
}

/// Takes everything that was read through session and assembler, into `items`.
fn take<S>(
    shared: &Arc<Reception>,
    wire: &mut Wire<S>,
    session: &mut ServerSession,
    assembler: &mut StreamAssembler,
    heard: &mut Monotonic,
    items: &mut Vec<StreamItem>,
) -> Option<End> {
    let mut input = wire.unread();
    let arrival = shared.clock.monotonic();
    let all = input.len();
    shared.counters.bytes.fetch_add(all as u64, Ordering::Relaxed);
    let end = loop {
        match session.next(&mut input) {
            Ok(None) => break None,
            Ok(Some(Event::Media(message))) => {
                if message.kind == kind::VIDEO {
                    *heard = arrival;
                }
                if let Err(refused) = assembler.media(&message, arrival, items) {
                    break Some(refused.into());
                }
            }
            Ok(Some(Event::Data { timestamp, name, values })) => {
                assembler.data(timestamp, &name, &values, items);
            }
            Ok(Some(Event::Unpublished)) => break Some(End::Unpublished),
            Ok(Some(Event::Connected { .. } | Event::Publish { .. })) => {}
            Err(error) => break Some(error.into()),
        }
    };
    wire.consume(all);
    end
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
        last_drop: last.map(crate::ingest::stream::Unusable::text),
    };
    shared.courts.describe(held.court, held.connection, description);
}

/// A stream with its read buffer.
struct Wire<S> {
    stream: S,
    buffer: Vec<u8>,
    unread: std::ops::Range<usize>,
}

impl<S> Wire<S> {
    fn new(stream: S) -> Self {
        Self { stream, buffer: vec![0; SMALL_BUFFER], unread: 0..0 }
    }

    /// Makes room for pictures.
    fn grow(&mut self) {
        self.buffer.resize(LARGE_BUFFER, 0);
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.unread.clone()).unwrap_or_default()
    }

    fn consume(&mut self, count: usize) {
        self.unread.start = (self.unread.start + count).min(self.unread.end);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Waits for bytes to read, and writes what it can of `output` meanwhile. All that was read
    /// before must be consumed. Loses nothing when it is dropped half-way.
    async fn exchange(&mut self, output: &mut Vec<u8>) -> Result<(), End> {
        let Self { stream, buffer, unread } = self;
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
            let mut space = ReadBuf::new(buffer);
            match Pin::new(&mut *stream).poll_read(context, &mut space) {
                Poll::Ready(Ok(())) if space.filled().is_empty() => Poll::Ready(Err(End::Gone)),
                Poll::Ready(Ok(())) => {
                    *unread = 0..space.filled().len();
                    Poll::Ready(Ok(()))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
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
            while stream.read(buffer).await? > 0 {}
            io::Result::Ok(())
        };
        // Either way the socket closes now.
        let _ignored = within(clock, FAREWELL, goodbye).await;
    }
}
