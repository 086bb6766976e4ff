//! Relays at servers that exist (nginx-rtmp, ffmpeg, a box of ours) and at such that should not: what arrives is
//! what was published, and the court's own ways lose nothing.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use courtside::admission::{Admission, Limits};
use courtside::clock::{Chance, Clock, Floor, ManualClock, SystemClock};
use courtside::config::{Config, Origin, RelayConfig, parse};
use courtside::event::state::RelayState;
use courtside::event::words::RelayCondition;
use courtside::ingest::{
    Budget, CourtKey, Ingest, IngestHandle, IngestSettings, StreamKey, UnitSink,
};
use courtside::mailbox::{DropReason, HopCount, Ledger};
use courtside::media::{CourtId, StreamItem, UtcTime};
use courtside::relay::{RelayParts, RelayThread, Relays};
use courtside::rtmp::flv::{self, FileTag, VideoTag};
use courtside::rtmp::message::{Message, kind};
use courtside::rtmp::session::{Event, ServerSession};
use courtside::tools::rig::publish::{Pace, Publisher};
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::broker::certificates;

/// Far beyond what anything here takes; only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

fn court() -> CourtId {
    CourtId::new("a").unwrap()
}

/// What passed by: as it came, of which publisher.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Passed {
    publish: u64,
    kind: u8,
    timestamp: u32,
    body: Bytes,
}

/// Takes what an ingest gives, and hands it to relays where there are some.
#[derive(Default)]
struct Court {
    relays: Option<Arc<Relays>>,
    passed: Mutex<Vec<Passed>>,
    pictures: Mutex<usize>,
    ended: Mutex<Vec<u64>>,
}

impl UnitSink for Court {
    fn deliver(&self, _: &CourtId, item: StreamItem) {
        *self.pictures.lock() += usize::from(matches!(item, StreamItem::Video(_)));
    }

    fn message(&self, court: &CourtId, publish: u64, message: &Message) {
        let Message { timestamp, kind, body, .. } = message.clone();
        self.passed.lock().push(Passed { publish, kind, timestamp, body });
        if let Some(relays) = &self.relays {
            relays.message(court, publish, message);
        }
    }

    fn unpublished(&self, court: &CourtId, publish: u64) {
        self.ended.lock().push(publish);
        if let Some(relays) = &self.relays {
            relays.ended(court, publish);
        }
    }
}

impl Court {
    fn passed(&self) -> Vec<Passed> {
        self.passed.lock().clone()
    }
}

/// The doors of a box, and its one court, `a`.
struct Doors {
    court: Arc<Court>,
    handle: IngestHandle,
    stop: oneshot::Sender<()>,
    running: tokio::task::JoinHandle<()>,
}

impl Doors {
    async fn open(
        at: SocketAddr,
        key: &str,
        tls: Option<Arc<rustls::ServerConfig>>,
        relays: Option<Arc<Relays>>,
    ) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let (rtmp, rtmps) = match tls {
            None => (Some(at), None),
            Some(config) => (None, Some((at, config))),
        };
        let settings = IngestSettings {
            rtmp,
            rtmps,
            courts: vec![CourtKey { court: court(), stream_key: StreamKey::new(key) }],
            admission: Admission::new(Arc::clone(&clock), Limits::default()),
            budget: Budget::default(),
            recording: false,
        };
        let court = Arc::new(Court { relays, ..Court::default() });
        let sink = Arc::clone(&court) as Arc<dyn UnitSink>;
        let ingest = Ingest::bind(settings, clock, Chance::system(), sink).await.unwrap();
        let handle = ingest.handle();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(ingest.run(async {
            let _ = stopped.await;
        }));
        Self { court, handle, stop, running }
    }

    fn at(&self) -> SocketAddr {
        self.handle.rtmp_address().or(self.handle.rtmps_address()).unwrap()
    }

    async fn close(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.running).await.unwrap().unwrap();
    }
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A box with relays.
struct Near {
    doors: Doors,
    relays: Arc<Relays>,
    thread: RelayThread,
    ledger: Ledger,
    clock: ManualClock,
}

impl Near {
    /// With relays to these, each by its name, on a clock that is moved by hand.
    async fn with(relays: &[(&str, &str)]) -> Self {
        // Later than any certificate of the tests begins.
        let clock = ManualClock::at(UtcTime::from_nanos(1_900_000_000_000_000_000));
        let ledger = Ledger::new();
        let parts = RelayParts {
            clock: Arc::new(clock.clone()),
            chance: Chance::seeded(7),
            floor: Floor::of(&[]),
            ledger: ledger.clone(),
        };
        let (started, thread) = Relays::start(parts).unwrap();
        let doors = Doors::open(loopback(), "near", None, Some(Arc::clone(&started))).await;
        started.own_doors([doors.at()]);
        let near = Self { doors, relays: started, thread, ledger, clock };
        near.set(relays);
        near
    }

    fn set(&self, relays: &[(&str, &str)]) {
        self.relays.set(&court(), &configured(relays));
    }

    fn url(&self) -> String {
        format!("rtmp://{}/live/near", self.doors.at())
    }

    fn state(&self, name: &str) -> RelayState {
        let states = self.relays.state(&court());
        states.into_iter().find(|state| state.name == name).expect("a relay of the court")
    }

    fn count(&self, name: &str) -> HopCount {
        self.ledger.hop("a", &format!("relay:{name}")).count()
    }

    /// Waits until a relay is as it should be, moving the clock meanwhile.
    async fn until(&self, name: &str, is: impl Fn(&RelayState) -> bool) -> RelayState {
        self.until_by(name, Duration::from_millis(20), is).await
    }

    async fn until_by(
        &self,
        name: &str,
        by: Duration,
        is: impl Fn(&RelayState) -> bool,
    ) -> RelayState {
        let waits = async {
            loop {
                let state = self.state(name);
                if is(&state) {
                    return state;
                }
                self.clock.advance(by);
                look().await;
            }
        };
        match tokio::time::timeout(PATIENCE, waits).await {
            Ok(state) => state,
            Err(_) => panic!("{:?}, {:?}", self.state(name), self.count(name)),
        }
    }

    /// Ends all of it, and holds the ledger against its law.
    async fn end(self) -> Arc<Court> {
        let court = Arc::clone(&self.doors.court);
        self.doors.close().await;
        let relays = Arc::clone(&self.relays);
        let ended = tokio::spawn(async move { relays.end().await });
        let moves = async {
            while !ended.is_finished() {
                self.clock.advance(Duration::from_millis(100));
                look().await;
            }
        };
        tokio::time::timeout(PATIENCE, moves).await.unwrap();
        self.thread.join();
        for (hop, count) in self.ledger.counts() {
            assert!(count.balances() && count.waiting == 0, "{hop:?} {count:?}");
        }
        court
    }
}

/// For how long a condition is not looked at.
async fn look() {
    tokio::time::sleep(Duration::from_millis(2)).await;
}

async fn until_so<T>(mut look_at: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(found) = look_at() {
            return found;
        }
        look().await;
    }
}

/// Waits until something is so.
async fn is_so<T>(what: &str, look_at: impl FnMut() -> Option<T>) -> T {
    match tokio::time::timeout(PATIENCE, until_so(look_at)).await {
        Ok(found) => found,
        Err(_) => panic!("gave up waiting until {what}"),
    }
}

/// Relays as the file has them: name and address, with `ca_file` behind a blank.
fn configured(relays: &[(&str, &str)]) -> Vec<RelayConfig> {
    let one = |(name, url): &(&str, &str)| {
        let (url, ca) = url.split_once(' ').unwrap_or((url, ""));
        let ca = if ca.is_empty() { String::new() } else { format!(", ca_file = \"{ca}\"") };
        format!("{{ name = \"{name}\", url = \"{url}\"{ca} }}")
    };
    let relays: Vec<String> = relays.iter().map(one).collect();
    let text = format!(
        "[uplink]\nbroker = \"mqtt://b\"\n[[court]]\nname = \"a\"\nstream_key = \"near-key\"\nrims = []\n\
         relay = [{}]\n",
        relays.join(", ")
    );
    let read = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let file = Path::new("/c.toml");
    let origin = Origin { file, credentials: None, hostname: Some("box"), read: &read };
    let Config { mut courts, .. } = parse(&text, &origin).unwrap_or_else(|e| panic!("{e}"));
    courts.remove(0).relays
}

/// A stream as ffmpeg makes it: H.264 with B-frames, AAC, a key picture a second.
fn film(seconds: u32) -> Vec<FileTag> {
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i"])
        .arg(format!("testsrc2=s=160x120:r=25:d={seconds}"))
        .args(["-f", "lavfi", "-i"])
        .arg(format!("sine=d={seconds}"))
        .args(["-pix_fmt", "yuv420p", "-c:v", "libx264", "-bf", "2", "-g", "25", "-c:a", "aac"])
        .args(["-f", "flv", "-"])
        .output()
        .expect("ffmpeg runs: `make test` installs it");
    flv::read_file(&made.stdout.into()).expect("a film")
}

fn is_key(kind_of: u8, body: &Bytes) -> bool {
    kind_of == kind::VIDEO && matches!(VideoTag::read(body), VideoTag::Picture { key: true, .. })
}

/// Everything from the first key picture on, without who published it.
fn from_the_first_key(passed: &[Passed]) -> Vec<(u8, u32, Bytes)> {
    let first = passed.iter().position(|one| is_key(one.kind, &one.body)).expect("a key picture");
    passed[first..].iter().map(|one| (one.kind, one.timestamp, one.body.clone())).collect()
}

/// What goes before it.
fn before_the_first_key(passed: &[Passed]) -> Vec<Bytes> {
    let key = |one: &&Passed| !is_key(one.kind, &one.body);
    passed.iter().take_while(key).map(|one| one.body.clone()).collect()
}

#[tokio::test]
async fn another_box_gets_what_was_published_byte_by_byte_at_its_own_times() {
    let far = Doors::open(loopback(), "far-key", None, None).await;
    let near = Near::with(&[("tv", &format!("rtmp://{}/live/far-key", far.at()))]).await;
    let url = near.url();
    let published = tokio::task::spawn_blocking(move || {
        Command::new("ffmpeg")
            .args(["-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=30:d=3"])
            .args(["-f", "lavfi", "-i", "sine=d=3", "-pix_fmt", "yuv420p", "-c:v", "libx264"])
            .args(["-bf", "2", "-g", "30", "-c:a", "aac", "-f", "flv", &url])
            .status()
    });
    let state = near.until("tv", |state| state.state == RelayCondition::Forwarding).await;
    assert!(state.fault.is_none() && state.since.is_some(), "{state:?}");
    assert_eq!(&*state.address, format!("rtmp://{}/live", far.at()));
    assert!(published.await.unwrap().unwrap().success());
    // The end of the publisher is the end of the relay's publish.
    near.until("tv", |state| state.state == RelayCondition::Waiting).await;
    is_so("the far end hears of it", || far.court.ended.lock().first().copied()).await;
    let bytes = near.state("tv").bytes;
    let sent = near.end().await.passed();
    let came = far.court.passed();
    assert_eq!(from_the_first_key(&came), from_the_first_key(&sent));
    let (before, headers) = (before_the_first_key(&came), before_the_first_key(&sent));
    assert_eq!(before, headers, "metadata and headers, as they were");
    assert_eq!(
        sent.iter().filter(|one| one.kind == kind::VIDEO).count(),
        30 * 3 + 2,
        "a header and an end"
    );
    let payload: usize = came.iter().map(|one| one.body.len()).sum();
    assert!(bytes as usize > payload, "{bytes} of {payload}");
    far.close().await;
}

/// What a server is, that is none.
#[derive(Clone, Copy, Debug)]
enum Bad {
    /// Takes connections and says nothing.
    Silent,
    /// Closes at once.
    Closes,
    /// Is no RTMP server.
    Http,
    /// Answers the handshake, then anything.
    Garbage,
}

async fn bad(how: Bad) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind(loopback()).await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            match how {
                Bad::Silent => held.push(socket),
                Bad::Closes => {
                    // Reads first, else it is a reset.
                    let mut hello = [0; 1537];
                    let _ = socket.read_exact(&mut hello).await;
                }
                Bad::Http => {
                    let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
                    held.push(socket);
                }
                Bad::Garbage => {
                    let hello = [&[3][..], &[0; 2 * 1536], &[0xC5; 64]].concat();
                    let _ = socket.write_all(&hello).await;
                    held.push(socket);
                }
            }
        }
    });
    at
}

/// Nobody listens there.
fn nobody() -> SocketAddr {
    TcpListener::bind(loopback()).unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_server_that_does_not_take_the_stream_costs_the_court_nothing_and_is_told() {
    let another = Doors::open(loopback(), "another-key", None, None).await;
    let itself = "rtmp://ITSELF/live/near-key";
    let tags = film(2);
    let pictures = tags.iter().filter(|tag| tag.kind == kind::VIDEO && tag.body[1] == 1).count();
    for (url, said, todo) in [
        (
            format!("rtmp://{}/live/k", nobody()),
            "cannot be reached (Connection refused",
            "firewall",
        ),
        (
            format!("rtmp://{}/live/k", bad(Bad::Silent).await),
            "let nobody publish within 10 s",
            "hang",
        ),
        (
            format!("rtmp://{}/live/k", bad(Bad::Closes).await),
            "closed the connection before",
            "stream key",
        ),
        (format!("rtmp://{}/live/k", bad(Bad::Http).await), "no RTMP server", "rtmps://"),
        (format!("rtmp://{}/live/k", bad(Bad::Garbage).await), "no RTMP server", "rtmps://"),
        (
            format!("rtmp://{}/live/planted-key", another.at()),
            "refuses the stream key (NetStream.Publish.Unauthorized, wrong stream key)",
            "compare the stream key",
        ),
        (
            format!("rtmp://{}/other/planted-key", another.at()),
            "refuses the application (NetConnection.Connect.Rejected",
            "application",
        ),
        ("rtmp://no-such-host.invalid/live/k".to_owned(), "name has no address", "DNS"),
        (itself.to_owned(), "is this box itself", "another server"),
    ] {
        let near = Near::with(&[]).await;
        let url = url.replace("ITSELF", &near.doors.at().to_string());
        near.set(&[("tv", &url)]);
        let mut camera = Publisher::connect(&near.url()).await.unwrap();
        camera.play(&tags, Pace::FullSpeed, |_| ()).await.unwrap();
        let state = near.until_by("tv", Duration::from_millis(5), |state| state.fault.is_some());
        let state = state.await;
        let fault = state.fault.clone().unwrap();
        assert!(fault.contains(said), "{url}: {fault}");
        assert!(state.todo.contains(todo) && state.state == RelayCondition::Waiting, "{state:?}");
        assert!(!format!("{state:?}").contains("planted"), "{state:?}");
        // It tries again, and says so only once it forwards.
        near.until_by("tv", Duration::from_millis(500), |state| {
            state.state == RelayCondition::Connecting || state.dropped > 0
        })
        .await;
        camera.finish().await.unwrap();
        is_so("all pictures came in", || {
            (*near.doors.court.pictures.lock() == pictures).then_some(())
        })
        .await;
        let count = near.count("tv");
        let dropped: Vec<_> = count.dropped.keys().copied().collect();
        assert!(dropped.contains(&DropReason::NoPeer), "{count:?}");
        assert!(count.taken == 0 && count.balances(), "{url}: {count:?}");
        near.end().await;
    }
    another.close().await;
}

/// A server's side of one connection, up to where it lets somebody publish.
async fn lets_publish(listener: &tokio::net::TcpListener) -> TcpStream {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut session = ServerSession::new(1);
    let mut buffer = vec![0; 4096];
    while !session.is_publishing() {
        let count = socket.read(&mut buffer).await.unwrap();
        let mut input = &buffer[..count];
        while let Some(event) = session.next(&mut input).unwrap() {
            if let Event::Publish { .. } = event {
                session.accept();
            }
        }
        socket.write_all(session.output()).await.unwrap();
        session.output().clear();
    }
    socket
}

#[tokio::test]
async fn a_server_that_closes_again_and_again_is_asked_less_and_less() {
    let listener = tokio::net::TcpListener::bind(loopback()).await.unwrap();
    let at = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let mut socket = lets_publish(&listener).await;
            count.fetch_add(1, Ordering::SeqCst);
            // Takes something of the stream, and hangs up.
            let _ = socket.read(&mut [0; 4096]).await;
        }
    });
    let near = Near::with(&[("tv", &format!("rtmp://{at}/live/k"))]).await;
    let mut camera = Publisher::connect(&near.url()).await.unwrap();
    let tags = film(1);
    camera.play(&tags, Pace::FullSpeed, |_| ()).await.unwrap();
    let key = tags.iter().find(|tag| is_key(tag.kind, &tag.body)).unwrap().body.clone();
    let mut sent = media(&tags, kind::VIDEO).len();
    // Thirty seconds, and a key picture for each tenth of one.
    for step in 0..1_500 {
        if step % 5 == 0 {
            sent += 1;
            camera.send(kind::VIDEO, 1_000 + step * 20, key.clone()).await.unwrap();
        }
        near.clock.advance(Duration::from_millis(20));
        look().await;
    }
    let state = near.state("tv");
    assert!(state.fault.is_some_and(|why| why.contains("closed the connection after")));
    let connections = connections.load(Ordering::SeqCst);
    // After 1, 2, 4, 8 and 16 s, each at least half as long.
    assert!((3..=6).contains(&connections), "{connections} connections in 30 s");
    is_so("the court has every picture", || {
        (*near.doors.court.pictures.lock() == sent).then_some(())
    })
    .await;
    camera.vanish();
    near.end().await;
}

#[tokio::test]
async fn a_server_that_never_reads_is_held_to_four_seconds_and_let_go() {
    let listener = tokio::net::TcpListener::bind(loopback()).await.unwrap();
    let at = listener.local_addr().unwrap();
    // A server up to the publish, then somebody who reads nothing any more.
    let held = tokio::spawn(async move { lets_publish(&listener).await });
    let near = Near::with(&[("tv", &format!("rtmp://{at}/live/k"))]).await;
    let mut camera = Publisher::connect(&near.url()).await.unwrap();
    let tags = film(1);
    // What a stream begins with, and then pictures of a large one: 25 a second, 200 KiB each.
    camera.play(&tags[..4], Pace::FullSpeed, |_| ()).await.unwrap();
    near.until("tv", |state| state.state == RelayCondition::Forwarding).await;
    let _socket = held.await.unwrap();
    let large = Bytes::from([b"\x27\x01\0\0\0", &vec![0; 200 << 10][..]].concat());
    for picture in 0..250 {
        camera.send(kind::VIDEO, 1_000 + picture * 40, large.clone()).await.unwrap();
    }
    is_so("it has more than it holds", || {
        near.count("tv").dropped.contains_key(&DropReason::Full).then_some(())
    })
    .await;
    assert!(near.count("tv").waiting <= 4 * 25 + 4, "{:?}", near.count("tv"));
    let state = near.until("tv", |state| state.behind || state.fault.is_some()).await;
    assert!(state.fault.is_some() || state.behind, "{state:?}");
    // Ten seconds of nothing, and it is let go; what waited for it is let go too.
    let state = near.until("tv", |state| state.fault.is_some()).await;
    assert!(
        state.fault.as_ref().is_some_and(|why| why.contains("took nothing for 10 s")),
        "{state:?}"
    );
    assert_eq!(near.count("tv").waiting, 0);
    camera.vanish();
    near.end().await;
}

#[tokio::test]
async fn a_server_that_comes_back_gets_the_stream_from_its_next_key_picture() {
    let far = Doors::open(loopback(), "far-key", None, None).await;
    let at = far.at();
    let near = Near::with(&[("tv", &format!("rtmp://{at}/live/far-key"))]).await;
    let mut camera = Publisher::connect(&near.url()).await.unwrap();
    let tags = film(4);
    let second = |at: u32| tags.iter().position(|tag| tag.timestamp >= at * 1_000).unwrap();
    camera.play(&tags[..second(1)], Pace::FullSpeed, |_| ()).await.unwrap();
    near.until("tv", |state| state.state == RelayCondition::Forwarding).await;
    is_so("the first second is there", || (far.court.passed().len() == second(1)).then_some(()))
        .await;
    // The server goes away in the midst of it, and comes back at the same place.
    far.close().await;
    near.until("tv", |state| state.fault.is_some()).await;
    camera.play(&tags[second(1)..second(2)], Pace::FullSpeed, |_| ()).await.unwrap();
    is_so("it has passed the relay by", || {
        near.count("tv").dropped.contains_key(&DropReason::NoPeer).then_some(())
    })
    .await;
    let far = Doors::open(at, "far-key", None, None).await;
    near.until("tv", |state| state.state != RelayCondition::Waiting || state.dropped > 0).await;
    let rest: Vec<FileTag> = tags[second(2)..].to_vec();
    // It takes a try, whenever that is; then a key picture.
    let moves = async {
        let mut sent = 0;
        for tag in &rest {
            camera.send(tag.kind, tag.timestamp, tag.body.clone()).await.unwrap();
            sent += 1;
            if sent % 5 == 0 {
                near.clock.advance(Duration::from_millis(200));
                look().await;
            }
        }
    };
    moves.await;
    is_so("it takes the stream again", || {
        near.clock.advance(Duration::from_millis(20));
        far.court.passed().iter().any(|one| is_key(one.kind, &one.body)).then_some(())
    })
    .await;
    camera.finish().await.unwrap();
    is_so("the far end hears of it", || far.court.ended.lock().first().copied()).await;
    let sent = near.end().await.passed();
    let came = far.court.passed();
    let (first, again) = (from_the_first_key(&sent), from_the_first_key(&came));
    assert!(first.ends_with(&again), "all of it from a later key picture on");
    assert!(again.len() < first.len() && again.len() > 20, "{} of {}", again.len(), first.len());
    assert_eq!(before_the_first_key(&came), before_the_first_key(&sent));
    far.close().await;
}

#[tokio::test]
async fn a_camera_that_comes_again_is_another_publish_at_the_server() {
    let far = Doors::open(loopback(), "far-key", None, None).await;
    let near = Near::with(&[("tv", &format!("rtmp://{}/live/far-key", far.at()))]).await;
    let tags = film(1);
    let mut camera = Publisher::connect(&near.url()).await.unwrap();
    camera.play(&tags, Pace::FullSpeed, |_| ()).await.unwrap();
    near.until("tv", |state| state.state == RelayCondition::Forwarding).await;
    // It takes its own court over, without a goodbye of the first connection.
    let mut again = Publisher::connect(&near.url()).await.unwrap();
    again.play(&tags, Pace::FullSpeed, |_| ()).await.unwrap();
    again.finish().await.unwrap();
    camera.vanish();
    let both = || {
        near.clock.advance(Duration::from_millis(20));
        let ended = far.court.ended.lock().clone();
        (ended.len() == 2).then_some(ended)
    };
    let publishes = is_so("both have ended there", both).await;
    let came = far.court.passed();
    for publish in publishes {
        let of: Vec<Passed> = came.iter().filter(|one| one.publish == publish).cloned().collect();
        let told: Vec<Bytes> = of.iter().map(|one| one.body.clone()).collect();
        let made: Vec<Bytes> = tags.iter().map(|tag| tag.body.clone()).collect();
        assert_eq!(told, made, "each whole, from its own beginning");
    }
    near.end().await;
    far.close().await;
}

#[tokio::test]
async fn a_change_touches_the_relay_that_is_changed_alone() {
    let far = Doors::open(loopback(), "far-key", None, None).await;
    let other = Doors::open(loopback(), "other-key", None, None).await;
    let (one, two) = (
        format!("rtmp://{}/live/far-key", far.at()),
        format!("rtmp://{}/live/other-key", other.at()),
    );
    let near = Near::with(&[("one", &one), ("two", &two)]).await;
    let tags = film(3);
    let second = |at: u32| tags.iter().position(|tag| tag.timestamp >= at * 1_000).unwrap();
    let mut camera = Publisher::connect(&near.url()).await.unwrap();
    camera.play(&tags[..second(1)], Pace::FullSpeed, |_| ()).await.unwrap();
    for name in ["one", "two"] {
        near.until(name, |state| state.state == RelayCondition::Forwarding).await;
    }
    is_so("both have a second", || {
        (far.court.passed().len() == second(1) && other.court.passed().len() == second(1))
            .then_some(())
    })
    .await;
    near.set(&[("one", &one), ("two", &format!("rtmp://{}/live/k", nobody()))]);
    is_so("the second says goodbye", || {
        near.clock.advance(Duration::from_millis(20));
        other.court.ended.lock().first().copied()
    })
    .await;
    camera.play(&tags[second(1)..], Pace::FullSpeed, |_| ()).await.unwrap();
    camera.finish().await.unwrap();
    is_so("the first ends", || {
        near.clock.advance(Duration::from_millis(20));
        far.court.ended.lock().first().copied()
    })
    .await;
    assert_eq!(far.court.passed().len(), tags.len(), "one connection, all of the stream");
    assert_eq!(far.court.ended.lock().len(), 1);
    near.set(&[]);
    assert!(near.relays.state(&court()).is_empty());
    near.end().await;
    far.close().await;
    other.close().await;
}

fn server_tls(dir: &Path, name: &str) -> Arc<rustls::ServerConfig> {
    let pem = |ending: &str| std::fs::read(dir.join(format!("{name}.{ending}"))).unwrap();
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem("pem")).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(&pem("key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    Arc::new(builder.with_single_cert(chain, key).unwrap())
}

#[tokio::test]
async fn tls_is_spoken_with_whom_the_box_trusts_and_with_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    certificates(dir);
    let tags = film(1);
    for (certificate, ca, said) in [
        ("broker", "ca.pem", ""),
        ("broker", "other-ca.pem", "signed by nobody in `ca_file`"),
        ("broker", "", "signed by nobody"),
        ("ended", "ca.pem", "ended on"),
        ("box", "ca.pem", "is not for"),
        ("broker", "no-such.pem", "cannot be read"),
    ] {
        let far =
            Doors::open(loopback(), "far-key", Some(server_tls(dir, certificate)), None).await;
        let ca = if ca.is_empty() { String::new() } else { format!(" {}", dir.join(ca).display()) };
        let near = Near::with(&[("tv", &format!("rtmps://{}/live/far-key{ca}", far.at()))]).await;
        let mut camera = Publisher::connect(&near.url()).await.unwrap();
        camera.play(&tags, Pace::FullSpeed, |_| ()).await.unwrap();
        let state = near
            .until("tv", |state| state.fault.is_some() || state.state == RelayCondition::Forwarding)
            .await;
        let fault = state.fault.as_deref().unwrap_or_default();
        assert!(
            fault.contains(said) && fault.is_empty() == said.is_empty(),
            "{certificate}: {fault}"
        );
        camera.finish().await.unwrap();
        if said.is_empty() {
            is_so("it ends there too", || {
                near.clock.advance(Duration::from_millis(20));
                far.court.ended.lock().first().copied()
            })
            .await;
            assert_eq!(far.court.passed().len(), tags.len());
        }
        assert_eq!(far.court.passed().is_empty(), !said.is_empty(), "not a byte of the stream");
        near.end().await;
        far.close().await;
    }
}

/// A program that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

const NGINX_MODULE: &str = "/usr/lib/nginx/modules/ngx_rtmp_module.so";

/// nginx-rtmp, which records what it takes at `live`, and takes nothing at `shut`.
async fn nginx(dir: &Path) -> (Ends, SocketAddr) {
    let at = nobody();
    let conf = format!(
        "load_module {NGINX_MODULE};\nuser root;\ndaemon off;\nworker_processes 1;\n\
         error_log {0}/error.log info;\npid {0}/pid;\nevents {{ worker_connections 64; }}\n\
         rtmp {{ access_log off; server {{ listen {at};\n\
         application live {{ live on; record all; record_path {0}; record_suffix .flv; }}\n\
         application shut {{ live on; deny publish all; }} }} }}\n",
        dir.display()
    );
    let file = dir.join("nginx.conf");
    std::fs::File::create(&file)
        .and_then(|mut made| std::io::Write::write_all(&mut made, conf.as_bytes()))
        .unwrap();
    let child = Command::new("nginx")
        .arg("-p")
        .arg(dir)
        .arg("-c")
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ends = Ends(child);
    is_so("nginx listens", || std::net::TcpStream::connect(at).ok().map(drop)).await;
    (ends, at)
}

/// Pictures and sounds, whole bodies in order: a server that records writes headers as it likes.
fn media(tags: &[FileTag], of: u8) -> Vec<Bytes> {
    let of = tags.iter().filter(|tag| tag.kind == of && tag.body.get(1) == Some(&1));
    of.map(|tag| tag.body.clone()).collect()
}

#[tokio::test]
async fn nginx_takes_it_from_the_beginning_and_from_the_middle_of_a_long_day() {
    let there = Path::new(NGINX_MODULE).exists();
    if !there {
        eprintln!("not tried: no nginx-rtmp here (scripts/setup.sh bench installs it)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (_nginx, at) = nginx(folder.path()).await;
    let tags = film(2);
    // The second time beyond 24 bits of milliseconds: 4.7 h.
    for (name, begins) in [("morning", 0), ("evening", 0x0100_0000)] {
        let near = Near::with(&[("tv", &format!("rtmp://{at}/live/{name}"))]).await;
        let mut camera = Publisher::connect(&near.url()).await.unwrap();
        for tag in &tags {
            camera.send(tag.kind, tag.timestamp + begins, tag.body.clone()).await.unwrap();
        }
        near.until("tv", |state| state.state == RelayCondition::Forwarding).await;
        camera.finish().await.unwrap();
        near.until("tv", |state| state.state == RelayCondition::Waiting).await;
        let recorded = folder.path().join(format!("{name}.flv"));
        let sent = [kind::VIDEO, kind::AUDIO].map(|of| media(&tags, of));
        let mut last = String::new();
        let all = || {
            let flv = flv::read_file(&std::fs::read(&recorded).ok()?.into())?;
            let came = [kind::VIDEO, kind::AUDIO].map(|of| media(&flv, of));
            last = format!(
                "{:?} of {:?}",
                came.each_ref().map(Vec::len),
                sent.each_ref().map(Vec::len)
            );
            (came == sent).then_some(())
        };
        let taken = tokio::time::timeout(Duration::from_secs(30), until_so(all)).await;
        assert!(taken.is_ok(), "{name}: {last}");
        near.end().await;
    }
    // It closes where others refuse.
    let near = Near::with(&[("tv", &format!("rtmp://{at}/shut/k"))]).await;
    let mut camera = Publisher::connect(&near.url()).await.unwrap();
    camera.play(&tags, Pace::FullSpeed, |_| ()).await.unwrap();
    let state = near.until("tv", |state| state.fault.is_some()).await;
    assert!(state.todo.contains("stream key"), "{state:?}");
    camera.vanish();
    near.end().await;
}

#[tokio::test]
async fn ffmpeg_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    let (at, file) = (nobody(), folder.path().join("taken.flv"));
    let taking = Command::new("ffmpeg")
        .args(["-v", "error", "-listen", "1", "-i"])
        .arg(format!("rtmp://{at}/live/k"))
        .args(["-c", "copy", "-y"])
        .arg(&file)
        .stdin(Stdio::null())
        .spawn()
        .expect("ffmpeg runs");
    let mut taking = Ends(taking);
    // It takes one connection: nobody may try whether it listens.
    let listens = format!(":{:04X} 00000000:0000 0A", at.port());
    let table = || std::fs::read_to_string("/proc/net/tcp").is_ok_and(|of| of.contains(&listens));
    is_so("ffmpeg listens", || table().then_some(())).await;
    let near = Near::with(&[("tv", &format!("rtmp://{at}/live/k"))]).await;
    let tags = film(3);
    let mut camera = Publisher::connect(&near.url()).await.unwrap();
    camera.play(&tags, Pace::FullSpeed, |_| ()).await.unwrap();
    near.until("tv", |state| state.state == RelayCondition::Forwarding).await;
    camera.finish().await.unwrap();
    near.until("tv", |state| state.state == RelayCondition::Waiting && state.fault.is_none()).await;
    let ended = is_so("ffmpeg has ended", || taking.0.try_wait().unwrap()).await;
    assert!(ended.success());
    let taken = flv::read_file(&std::fs::read(&file).unwrap().into()).unwrap();
    // It writes headers and lengths anew: what lies between them is the same.
    let pictures = |tags: &[FileTag]| -> Vec<Bytes> {
        let of = |body: &Bytes| match VideoTag::read(body) {
            VideoTag::Picture { data, .. } => Some(data),
            _ => None,
        };
        media(tags, kind::VIDEO).iter().filter_map(of).collect()
    };
    assert_eq!(pictures(&taken), pictures(&tags));
    near.end().await;
}
