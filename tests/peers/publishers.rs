//! Publishers that exist, at a real ingest on loopback: ffmpeg, GStreamer's two sinks (one is
//! librtmp), `rml_rtmp`'s client, and our own for what no encoder here can send.

use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use courtside::admission::{Admission, Door, DoorLimits, Limits, Rate, Reason, WhoGoes};
use courtside::clock::{Chance, Clock, ManualClock, SystemClock};
use courtside::event::words::StreamCondition;
use courtside::ingest::{
    Astray, Budget, CourtKey, CourtStatus, Ingest, IngestHandle, IngestSettings, StreamKey,
    UnitSink,
};
use courtside::media::h265;
use courtside::media::{AccessUnit, CloseReason, Codec, CourtId, StreamItem, UtcTime};
use courtside::rtmp::amf0::{self, Value};
use courtside::rtmp::chunk::write_message;
use courtside::rtmp::client::{ClientEvent, ClientSession};
use courtside::rtmp::flv::FileTag;
use courtside::rtmp::message::{self, Message, kind};
use courtside::tools::rig::publish::{Pace, Publisher};
use parking_lot::Mutex;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, oneshot};

/// Far beyond what anything here takes; only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was delivered.
#[derive(Default)]
pub(crate) struct Heard {
    items: Mutex<Vec<(CourtId, StreamItem)>>,
    came: Notify,
}

impl UnitSink for Heard {
    fn deliver(&self, court: &CourtId, item: StreamItem) {
        self.items.lock().push((court.clone(), item));
        self.came.notify_waiters();
    }
}

impl Heard {
    /// Waits until what was delivered for `court` satisfies `enough`, and returns it.
    pub(crate) async fn until(
        &self,
        court: &str,
        enough: impl Fn(&[StreamItem]) -> bool,
    ) -> Vec<StreamItem> {
        let waiting = async {
            loop {
                let came = self.came.notified();
                let items = self.of(court);
                if enough(&items) {
                    return items;
                }
                came.await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(items) => items,
            Err(_) => panic!("not enough came for {court}: {} items", self.of(court).len()),
        }
    }

    pub(crate) fn of(&self, court: &str) -> Vec<StreamItem> {
        let items = self.items.lock();
        items.iter().filter(|(of, _)| of.as_str() == court).map(|(_, item)| item.clone()).collect()
    }
}

/// An ingest with two courts, `a` and `b`, keys `key-a` and `key-b`.
pub(crate) struct TestIngest {
    pub(crate) heard: Arc<Heard>,
    handle: IngestHandle,
    admission: Admission,
    stop: Option<oneshot::Sender<()>>,
    running: tokio::task::JoinHandle<()>,
}

impl TestIngest {
    pub(crate) async fn start() -> Self {
        Self::with(Arc::new(SystemClock::new()), None).await
    }

    async fn with(clock: Arc<dyn Clock>, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        Self::within(clock, tls, Limits::default(), Budget::default()).await
    }

    pub(crate) async fn within(
        clock: Arc<dyn Clock>,
        tls: Option<Arc<rustls::ServerConfig>>,
        limits: Limits,
        budget: Budget,
    ) -> Self {
        let loopback: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let courts = ["a", "b"].map(|name| CourtKey {
            court: CourtId::new(name).unwrap(),
            stream_key: StreamKey::new(format!("key-{name}")),
        });
        let admission = Admission::new(Arc::clone(&clock), limits);
        let settings = IngestSettings {
            rtmp: Some(loopback),
            rtmps: tls.map(|config| (loopback, config)),
            courts: courts.into(),
            admission: admission.clone(),
            budget,
            recording: false,
        };
        let heard = Arc::new(Heard::default());
        let sink = Arc::clone(&heard) as Arc<dyn UnitSink>;
        let ingest = Ingest::bind(settings, clock, Chance::system(), sink).await.unwrap();
        let handle = ingest.handle();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(ingest.run(async {
            let _ = stopped.await;
        }));
        Self { heard, handle, admission, stop: Some(stop), running }
    }

    pub(crate) fn url(&self, key: &str) -> String {
        format!("rtmp://{}/live/{key}", self.handle.rtmp_address().unwrap())
    }

    /// Wrong keys that were shown.
    fn wrong(&self) -> u64 {
        self.admission.counts().refused(Door::Rtmp, Reason::WrongSecret)
    }

    /// Right keys that waited for their answer.
    fn delayed(&self) -> u64 {
        self.admission.counts().delayed[0]
    }

    pub(crate) fn status(&self, court: &str) -> CourtStatus {
        self.handle.status(&CourtId::new(court).unwrap()).unwrap()
    }

    pub(crate) async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.running).await.unwrap().unwrap();
    }
}

async fn program(name: &'static str, arguments: Vec<String>) -> Output {
    let run = move || {
        Command::new(name)
            .args(&arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{name}: {error}; `make test` installs it"))
    };
    let output = tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(run)).await;
    output.unwrap_or_else(|_| panic!("{name} did not end")).unwrap()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

pub(crate) fn pictures(items: &[StreamItem]) -> Vec<AccessUnit> {
    items
        .iter()
        .filter_map(|item| match item {
            StreamItem::Video(unit) => Some(unit.clone()),
            _ => None,
        })
        .collect()
}

fn is_over(items: &[StreamItem]) -> bool {
    matches!(items.last(), Some(StreamItem::Closed { .. }))
}

/// What holds for every publisher: one session, opened and closed, pictures without gaps.
fn assert_whole(items: &[StreamItem], expected: usize) -> Vec<AccessUnit> {
    assert!(matches!(items.first(), Some(StreamItem::Opened(_))));
    let closed =
        matches!(items.last(), Some(StreamItem::Closed { reason: CloseReason::Ended, .. }));
    assert!(closed, "{:?}", items.last());
    let units = pictures(items);
    assert_eq!(units.len(), expected);
    assert!(units.iter().enumerate().all(|(index, unit)| unit.sequence == index as u64));
    assert!(units.windows(2).all(|pair| pair[0].dts < pair[1].dts));
    assert!(units[0].key);
    units
}

#[tokio::test]
async fn ffmpeg_publishes_b_frames_and_aac() {
    let tested = TestIngest::start().await;
    let mut line = words(
        "-v error -f lavfi -i testsrc2=s=320x240:r=30:d=2 -f lavfi -i sine=d=2 -pix_fmt yuv420p \
         -c:v libx264 -bf 2 -g 30 -c:a aac -f flv",
    );
    line.push(tested.url("key-a"));
    let output = program("ffmpeg", line).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let items = tested.heard.until("a", is_over).await;
    let units = assert_whole(&items, 60);
    assert!(units.iter().any(|unit| unit.b_slices));
    assert_eq!(units[0].parameters.reorder_frames, Some(2));
    assert!(items.iter().any(|item| matches!(item, StreamItem::Audio(_))));
    tested.stop().await;
}

#[tokio::test]
async fn gstreamer_publishes_by_both_its_sinks() {
    for sink in ["rtmp2sink location=URL", "rtmpsink location=URL"] {
        let tested = TestIngest::start().await;
        let line = format!(
            "-q videotestsrc num-buffers=45 ! video/x-raw,width=320,height=240,framerate=30/1 \
             ! x264enc tune=zerolatency key-int-max=30 ! h264parse ! flvmux streamable=true \
             ! {}",
            sink.replace("URL", &tested.url("key-b"))
        );
        let output = program("gst-launch-1.0", words(&line)).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !said.contains("ERROR"), "{sink}: {said}");
        let units = assert_whole(&tested.heard.until("b", is_over).await, 45);
        assert_eq!(units[0].parameters.reorder_frames, Some(0), "{sink}");
        tested.stop().await;
    }
}

/// A certificate of our own.
fn tls() -> Arc<rustls::ServerConfig> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key);
    Arc::new(config.unwrap())
}

#[tokio::test]
async fn what_speaks_another_protocol_than_its_port_is_told_of_at_the_court_that_waits() {
    let tested = TestIngest::with(Arc::new(SystemClock::new()), Some(tls())).await;
    let (plain, secure) = (tested.handle.rtmp_address(), tested.handle.rtmps_address());
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let http = b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n";
    let mqtt = b"\x10\x10\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x03box";
    let rtmp = [&[3][..], &[0; 1536]].concat();
    let rows: [(_, &[u8], _); 6] = [
        (plain, hello, "127.0.0.1 speaks TLS to the port of plain RTMP"),
        (plain, http, "127.0.0.1 speaks HTTP, RTMPT or RTSP to the port of RTMP"),
        (plain, mqtt, "127.0.0.1 speaks MQTT to the port of RTMP"),
        (
            secure,
            &rtmp,
            "127.0.0.1 speaks plain RTMP to the port of RTMPS: set the encoder to rtmps://",
        ),
        (secure, http, "127.0.0.1 speaks HTTP, RTMPT or RTSP without TLS"),
        (secure, mqtt, "127.0.0.1 speaks MQTT without TLS"),
    ];
    for (address, bytes, told) in rows {
        let mut stream = TcpStream::connect(address.unwrap()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        // It is closed, with or without a word.
        let _ended = stream.read_to_end(&mut Vec::new()).await;
        let status = tested.status("a");
        let fault = status.fault.unwrap_or_default();
        assert!(fault.starts_with(told), "{told}: {fault}");
        assert!(matches!(status.stray, Some((_, Astray::Spoke(_)))), "{told}");
    }
    tested.stop().await;
}

#[tokio::test]
async fn ffmpeg_publishes_over_tls() {
    let tested = TestIngest::with(Arc::new(SystemClock::new()), Some(tls())).await;
    let address = tested.handle.rtmps_address().unwrap();
    let mut line = words(
        "-v error -f lavfi -i testsrc2=s=160x120:r=30:d=1 -pix_fmt yuv420p -c:v libx264 -bf 0 -f flv",
    );
    line.push(format!("rtmps://{address}/live/key-a"));
    let output = program("ffmpeg", line).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_whole(&tested.heard.until("a", is_over).await, 30);
    tested.stop().await;
}

/// `rml_rtmp`'s client: an implementation that shares nothing with ours.
#[tokio::test]
async fn an_independent_client_publishes() {
    let tested = TestIngest::start().await;
    let address = tested.handle.rtmp_address().unwrap();
    let tags = h265_tags(Packaging::CodecId12);
    tokio::task::spawn_blocking(move || independent::publish(address, "key-a", &tags))
        .await
        .unwrap();
    assert_whole(&tested.heard.until("a", is_over).await, 25);
    tested.stop().await;
}

mod independent {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};

    use courtside::rtmp::flv::FileTag;
    use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};
    use rml_rtmp::sessions::{
        ClientSession, ClientSessionConfig, ClientSessionEvent, ClientSessionResult,
        PublishRequestType,
    };
    use rml_rtmp::time::RtmpTimestamp;

    fn read(socket: &mut TcpStream) -> Vec<u8> {
        let mut piece = vec![0; 4096];
        let count = socket.read(&mut piece).unwrap();
        assert!(count > 0, "the server closed");
        piece.truncate(count);
        piece
    }

    fn send(socket: &mut TcpStream, results: Vec<ClientSessionResult>) -> Vec<ClientSessionEvent> {
        let mut events = Vec::new();
        for result in results {
            match result {
                ClientSessionResult::OutboundResponse(packet) => {
                    socket.write_all(&packet.bytes).unwrap();
                }
                ClientSessionResult::RaisedEvent(event) => events.push(event),
                ClientSessionResult::UnhandleableMessageReceived(_) => {}
            }
        }
        events
    }

    fn wait(socket: &mut TcpStream, session: &mut ClientSession, for_event: &ClientSessionEvent) {
        loop {
            let piece = read(socket);
            let results = session.handle_input(&piece).unwrap();
            if send(socket, results).contains(for_event) {
                return;
            }
        }
    }

    pub(super) fn publish(address: SocketAddr, key: &str, tags: &[FileTag]) {
        let mut socket = TcpStream::connect(address).unwrap();
        let mut handshake = Handshake::new(PeerType::Client);
        socket.write_all(&handshake.generate_outbound_p0_and_p1().unwrap()).unwrap();
        let left = loop {
            match handshake.process_bytes(&read(&mut socket)).unwrap() {
                HandshakeProcessResult::InProgress { response_bytes } => {
                    socket.write_all(&response_bytes).unwrap();
                }
                HandshakeProcessResult::Completed { response_bytes, remaining_bytes } => {
                    socket.write_all(&response_bytes).unwrap();
                    break remaining_bytes;
                }
            }
        };
        let (mut session, results) = ClientSession::new(ClientSessionConfig::new()).unwrap();
        send(&mut socket, results);
        let results = session.handle_input(&left).unwrap();
        send(&mut socket, results);
        let request = session.request_connection("live".to_owned()).unwrap();
        send(&mut socket, vec![request]);
        wait(&mut socket, &mut session, &ClientSessionEvent::ConnectionRequestAccepted);
        let request = session.request_publishing(key.to_owned(), PublishRequestType::Live).unwrap();
        send(&mut socket, vec![request]);
        wait(&mut socket, &mut session, &ClientSessionEvent::PublishRequestAccepted);
        for tag in tags {
            let at = RtmpTimestamp::new(tag.timestamp);
            let result = session.publish_video_data(tag.body.clone(), at, false).unwrap();
            send(&mut socket, vec![result]);
        }
        let results = session.stop_publishing().unwrap();
        send(&mut socket, results);
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        // The server hangs up once it has read all.
        drop(socket.read_to_end(&mut Vec::new()));
    }
}

#[derive(Clone, Copy)]
enum Packaging {
    /// Enhanced RTMP, FourCC `hvc1`.
    FourCc,
    /// The older codec id 12.
    CodecId12,
}

const H265_STREAM: &[u8] = include_bytes!("../data/x265-3.5/64x48.h265");

/// NAL units of an Annex B stream.
fn nal_units(stream: &[u8]) -> Vec<&[u8]> {
    let mut starts: Vec<usize> = Vec::new();
    for at in 0..stream.len().saturating_sub(2) {
        if stream[at..].starts_with(&[0, 0, 1]) {
            starts.push(at + 3);
        }
    }
    let ends = starts.iter().skip(1).map(|next| next - 3).chain([stream.len()]);
    let mut units: Vec<&[u8]> =
        starts.iter().zip(ends).map(|(&from, to)| &stream[from..to]).collect();
    for unit in &mut units {
        while unit.last() == Some(&0) {
            *unit = &unit[..unit.len() - 1];
        }
    }
    units
}

/// The x265 stream as FLV tags of 40 ms. Debian's ffmpeg cannot write them.
fn h265_tags(packaging: Packaging) -> Vec<FileTag> {
    let mut sets = h265::ParameterSets::default();
    let mut units: Vec<(bool, Vec<u8>)> = Vec::new();
    for nal in nal_units(H265_STREAM) {
        let nal_type = h265::nal_type(nal).unwrap();
        if (h265::nal::VPS..=h265::nal::PPS).contains(&nal_type) {
            sets.update(&Bytes::copy_from_slice(nal));
        } else if nal_type <= h265::nal::VCL_LAST {
            let key = (h265::nal::IRAP_FIRST..=h265::nal::IRAP_LAST).contains(&nal_type);
            let length = u32::try_from(nal.len()).unwrap().to_be_bytes();
            units.push((key, [&length, nal].concat()));
        }
    }
    let record = sets.parameters().unwrap().config;
    let tag =
        |timestamp, body: Vec<u8>| FileTag { kind: kind::VIDEO, timestamp, body: body.into() };
    let head = |key: bool, configuration: bool| match (packaging, configuration) {
        (Packaging::FourCc, true) => b"\x90hvc1".to_vec(),
        (Packaging::FourCc, false) => [&[if key { 0x93 } else { 0xA3 }], &b"hvc1"[..]].concat(),
        (Packaging::CodecId12, true) => b"\x1c\0\0\0\0".to_vec(),
        (Packaging::CodecId12, false) => vec![if key { 0x1C } else { 0x2C }, 1, 0, 0, 0],
    };
    let mut tags = vec![tag(0, [&head(true, true)[..], &record].concat())];
    for (index, (key, unit)) in units.iter().enumerate() {
        let at = 40 * u32::try_from(index).unwrap();
        tags.push(tag(at, [&head(*key, false)[..], unit].concat()));
    }
    tags
}

/// `count` H.264 pictures of 33 ms, a key picture first; what is in them, no decoder has to like.
pub(crate) fn h264_tags(count: u32) -> Vec<FileTag> {
    const RECORD: &[u8] = b"\x17\0\0\0\0\x01\x64\x00\x1f\xff\xe1\x00\x18\x67\x64\x00\x1f\xac\xb2\x00\
        \xa0\x0b\x76\x02\x20\x00\x00\x03\x00\x20\x00\x00\x07\x81\xe3\x06\x49\x01\x00\x06\x68\xeb\xc3\
        \xcb\x22\xc0";
    let tag = |timestamp, body: &[u8]| FileTag {
        kind: kind::VIDEO,
        timestamp,
        body: Bytes::copy_from_slice(body),
    };
    let mut tags = vec![tag(0, RECORD)];
    for index in 0..count {
        let (head, nal) = if index % 30 == 0 { (0x17, 0x65) } else { (0x27, 0x41) };
        let mut body = vec![head, 1, 0, 0, 0];
        body.extend(1_000_u32.to_be_bytes());
        body.push(nal);
        body.resize(body.len() + 999, 0xB5);
        tags.push(tag(33 * index, &body));
    }
    tags
}

#[tokio::test]
async fn h265_comes_by_fourcc_and_by_codec_id_12() {
    for packaging in [Packaging::FourCc, Packaging::CodecId12] {
        let tested = TestIngest::start().await;
        let mut publisher = Publisher::connect(&tested.url("key-a")).await.unwrap();
        publisher.play(&h265_tags(packaging), Pace::FullSpeed, |_| ()).await.unwrap();
        publisher.finish().await.unwrap();
        let units = assert_whole(&tested.heard.until("a", is_over).await, 25);
        let known = &units[0].parameters;
        assert_eq!((known.codec, known.width, known.height), (Codec::H265, 64, 48));
        assert_eq!(known.mime_codec, "hvc1.1.6.L30.90");
        let keys: Vec<u64> =
            units.iter().filter(|unit| unit.key).map(|unit| unit.sequence).collect();
        assert_eq!(keys, [0, 10, 20]);
        tested.stop().await;
    }
}

#[tokio::test]
async fn a_wrong_key_is_told_so_and_other_video_why() {
    let tested = TestIngest::start().await;
    for wrong in ["key-", "nonsense"] {
        let refused = Publisher::connect(&tested.url(wrong)).await.unwrap_err().to_string();
        assert_eq!(refused, "NetStream.Publish.Unauthorized: wrong stream key");
    }
    assert_eq!(tested.handle.counts().unauthorized, 2);
    let mut publisher = Publisher::connect(&tested.url("key-a")).await.unwrap();
    let av1 = Bytes::from_static(b"\x90av01\x81\0\0\0");
    publisher.send(kind::VIDEO, 0, av1).await.unwrap();
    let why = publisher.ended().await;
    assert!(why.starts_with("NetStream.Publish.Rejected: AV1 video is not taken"), "{why}");
    assert!(tested.status("a").last_refusal.unwrap().contains("AV1"));
    tested.stop().await;
}

#[tokio::test]
async fn the_newest_publisher_takes_over_and_the_old_one_is_told() {
    let tested = TestIngest::start().await;
    let mut old = Publisher::connect(&tested.url("key-a")).await.unwrap();
    old.play(&h264_tags(10), Pace::FullSpeed, |_| ()).await.unwrap();
    tested.heard.until("a", |items| pictures(items).len() == 10).await;
    let mut new = Publisher::connect(&tested.url("key-a")).await.unwrap();
    let why = old.ended().await;
    assert_eq!(why, "NetStream.Publish.BadName: a newer publisher took over");
    new.play(&h264_tags(5), Pace::FullSpeed, |_| ()).await.unwrap();
    new.finish().await.unwrap();
    let items = tested.heard.until("a", |items| {
        items.iter().filter(|item| matches!(item, StreamItem::Closed { .. })).count() == 2
    });
    let marks: Vec<String> = items
        .await
        .iter()
        .filter_map(|item| match item {
            StreamItem::Opened(_) => Some("opened".to_owned()),
            StreamItem::Closed { reason, .. } => Some(format!("{reason:?}")),
            _ => None,
        })
        .collect();
    assert_eq!(marks, ["opened", "TakenOver", "opened", "Ended"]);
    assert_eq!(tested.status("a").takeovers, 1);
    tested.stop().await;
}

#[tokio::test]
async fn sound_without_pictures_is_no_stream() {
    let clock = Arc::new(ManualClock::at(UtcTime::from_nanos(0)));
    let tested = TestIngest::with(Arc::clone(&clock) as Arc<dyn Clock>, None).await;
    let mut publisher = Publisher::connect(&tested.url("key-a")).await.unwrap();
    publisher.play(&h264_tags(3), Pace::FullSpeed, |_| ()).await.unwrap();
    tested.heard.until("a", |items| pictures(items).len() == 3).await;
    publisher.send(kind::AUDIO, 0, Bytes::from_static(b"\xaf\x00\x12\x10")).await.unwrap();
    let sounds = |items: &[StreamItem]| {
        items.iter().filter(|item| matches!(item, StreamItem::Audio(_))).count()
    };
    for second in 1..=9_u32 {
        clock.advance(Duration::from_secs(1));
        let sound = Bytes::from_static(b"\xaf\x01\x21\x10\x04");
        publisher.send(kind::AUDIO, 100 + second, sound).await.unwrap();
        tested.heard.until("a", |items| sounds(items) == second as usize).await;
        let wanted = if second < 2 { StreamCondition::Live } else { StreamCondition::Stalled };
        assert_eq!(tested.status("a").condition, wanted, "after {second} s");
    }
    assert_eq!(tested.status("a").fps, None);
    clock.advance(Duration::from_secs(1));
    assert_eq!(publisher.ended().await, "NetStream.Publish.Idle: no picture received for 10 s");
    tested.stop().await;
}

#[tokio::test]
async fn silence_is_told_then_let_go() {
    let clock = Arc::new(ManualClock::at(UtcTime::from_nanos(0)));
    let tested = TestIngest::with(Arc::clone(&clock) as Arc<dyn Clock>, None).await;
    let mut publisher = Publisher::connect(&tested.url("key-a")).await.unwrap();
    publisher.play(&h264_tags(3), Pace::FullSpeed, |_| ()).await.unwrap();
    tested.heard.until("a", |items| pictures(items).len() == 3).await;
    assert_eq!(tested.status("a").condition, StreamCondition::Live);
    clock.advance(Duration::from_secs(2));
    assert_eq!(tested.status("a").condition, StreamCondition::Stalled);
    clock.advance(Duration::from_secs(8));
    let why = publisher.ended().await;
    assert_eq!(why, "NetStream.Publish.Idle: no picture received for 10 s");
    let items = tested.heard.until("a", is_over).await;
    let last = items.last();
    assert!(
        matches!(last, Some(StreamItem::Closed { reason: CloseReason::Stalled, .. })),
        "{last:?}"
    );
    assert_eq!(tested.status("a").condition, StreamCondition::Waiting);
    tested.stop().await;
}

#[tokio::test]
async fn half_open_connections_keep_nobody_out_and_cost_no_picture() {
    let tested = TestIngest::start().await;
    let address = tested.handle.rtmp_address().unwrap();
    let mut live = Publisher::connect(&tested.url("key-a")).await.unwrap();
    let tags = h264_tags(600);
    let (first, rest) = tags.split_at(300);
    live.play(first, Pace::FullSpeed, |_| ()).await.unwrap();
    let mut half_open = Vec::new();
    for index in 0..1_000 {
        // An attacker may run out of what the server has closed already.
        let Ok(mut socket) = TcpStream::connect(address).await else { continue };
        if index % 2 == 0 {
            drop(socket.write_all(&[3, 0, 0]).await);
        }
        half_open.push(socket);
    }
    let other = Publisher::connect(&tested.url("key-b")).await.unwrap();
    live.play(rest, Pace::FullSpeed, |_| ()).await.unwrap();
    live.finish().await.unwrap();
    let units = pictures(&tested.heard.until("a", is_over).await);
    assert_eq!(units.len(), 600);
    let counts = tested.handle.counts();
    assert!(counts.evicted >= 700, "{counts:?}");
    other.vanish();
    drop(half_open);
    tested.stop().await;
}

/// One step of a publisher: takes what the box said, then sends what follows. True once it may publish.
async fn step(socket: &mut TcpStream, session: &mut ClientSession) -> Option<bool> {
    socket.write_all(session.output()).await.ok()?;
    session.output().clear();
    let mut buffer = vec![0; 8 << 10];
    while session.output().is_empty() {
        let count = socket.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        if let Some(event) = session.next(&mut &buffer[..count]).ok()? {
            return (event == ClientEvent::Live).then_some(true);
        }
    }
    Some(false)
}

/// A camera between whose steps fifty others connect and say nothing, from its own address and from others.
async fn camera_amid_a_flood(limits: Limits) -> bool {
    let tested =
        TestIngest::within(Arc::new(SystemClock::new()), None, limits, Budget::default()).await;
    let address = tested.handle.rtmp_address().unwrap();
    let mut flood = Vec::new();
    let mut camera = TcpStream::connect(address).await.unwrap();
    let mut session = ClientSession::new("box", "key-a", 7);
    let inside = loop {
        for other in 0..50 {
            let from = TcpSocket::new_v4().unwrap();
            let ip = [127, 0, 0, if other % 2 == 0 { 1 } else { 2 + other }];
            from.bind((ip, 0).into()).unwrap();
            flood.extend(from.connect(address).await);
        }
        match step(&mut camera, &mut session).await {
            Some(false) => {}
            Some(true) => break true,
            None => break false,
        }
    };
    drop(flood);
    tested.stop().await;
    inside
}

#[tokio::test]
async fn a_slow_camera_gets_in_amid_a_flood() {
    assert!(camera_amid_a_flood(Limits::default()).await);
    let rtmp = DoorLimits {
        seats: 64,
        seats_by_prefix: 8,
        seats_by_local_prefix: 8,
        kept: 0,
        who_goes: WhoGoes::Oldest,
        ..Limits::default().rtmp
    };
    assert!(!camera_amid_a_flood(Limits { rtmp, ..Limits::default() }).await, "the oldest goes");
}

/// Tries wrong keys and hangs up on the answers; the box's clock stands still.
async fn guess(tested: &TestIngest, keys: u64) {
    let before = tested.wrong();
    for key in 0..keys {
        let url = tested.url(&format!("guess-{key}"));
        let guess = tokio::spawn(async move { Publisher::connect(&url).await.is_err() });
        let noticed = async {
            while tested.wrong() <= before + key {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, noticed).await.unwrap();
        guess.abort();
    }
}

/// Whether a right key is answered while the box's clock stands still; it is, once that has moved.
async fn answered_at_once(tested: &TestIngest, clock: &ManualClock) -> bool {
    let url = tested.url("key-a");
    let before = tested.delayed();
    let mut asked = tokio::spawn(async move { Publisher::connect(&url).await });
    let waits = async {
        while tested.delayed() == before {
            tokio::task::yield_now().await;
        }
    };
    let at_once = tokio::select! {
        publisher = &mut asked => return publisher.unwrap().is_ok(),
        () = waits => false,
    };
    clock.advance(Duration::from_millis(800));
    tokio::time::timeout(PATIENCE, asked).await.unwrap().unwrap().unwrap();
    at_once
}

#[tokio::test]
async fn who_hangs_up_on_wrong_answers_waits_for_right_ones() {
    let without = Rate { burst: 1e9, per_second: 1e9 };
    let off = Limits { guesses: without, strangers: without, ..Limits::default() };
    for (limits, keys, at_once) in
        [(Limits::default(), 20, false), (Limits::default(), 3, true), (off, 20, true)]
    {
        let clock = Arc::new(ManualClock::at(UtcTime::from_nanos(0)));
        let shared = Arc::clone(&clock) as Arc<dyn Clock>;
        let tested = TestIngest::within(shared, None, limits, Budget::default()).await;
        guess(&tested, keys).await;
        assert_eq!(answered_at_once(&tested, &clock).await, at_once, "after {keys} of {limits:?}");
        tested.stop().await;
    }
}

#[tokio::test]
async fn a_camera_that_has_published_is_answered_at_once_beside_a_guesser() {
    let clock = Arc::new(ManualClock::at(UtcTime::from_nanos(0)));
    let tested = TestIngest::with(Arc::clone(&clock) as Arc<dyn Clock>, None).await;
    let mut live = Publisher::connect(&tested.url("key-a")).await.unwrap();
    live.play(&h264_tags(3), Pace::FullSpeed, |_| ()).await.unwrap();
    tested.heard.until("a", |items| pictures(items).len() == 3).await;
    guess(&tested, 50).await;
    assert!(answered_at_once(&tested, &clock).await, "it takes over");
    // Else its last words wait for a clock that stands.
    live.vanish();
    tested.stop().await;
}

#[tokio::test]
async fn a_peer_that_talks_and_shows_no_key_is_sent_away() {
    let tested = TestIngest::start().await;
    let address = tested.handle.rtmp_address().unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let mut session = ClientSession::new("box", "key-a", 7);
    assert_eq!(step(&mut socket, &mut session).await, Some(false));
    // C2 and connect, then pings that it never stops sending: type 4, event 6, stamp 0.
    socket.write_all(session.output()).await.unwrap();
    let ping = [2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0];
    let sent = async { while socket.write_all(&ping.repeat(100)).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, sent).await.unwrap();
    assert_eq!(tested.handle.counts().broken, 1);
    tested.stop().await;
}

#[tokio::test]
async fn shutting_down_ends_every_session() {
    let tested = TestIngest::start().await;
    let mut publisher = Publisher::connect(&tested.url("key-a")).await.unwrap();
    publisher.play(&h264_tags(3), Pace::FullSpeed, |_| ()).await.unwrap();
    tested.heard.until("a", |items| pictures(items).len() == 3).await;
    let heard = Arc::clone(&tested.heard);
    let told = tokio::spawn(publisher.ended());
    tested.stop().await;
    let items = heard.of("a");
    let last = items.last();
    assert!(
        matches!(last, Some(StreamItem::Closed { reason: CloseReason::Shutdown, .. })),
        "{last:?}"
    );
    assert!(told.await.unwrap().contains("shutting down"));
}

#[tokio::test]
async fn a_connection_that_is_cut_ends_its_session() {
    let tested = TestIngest::start().await;
    let mut publisher = Publisher::connect(&tested.url("key-a")).await.unwrap();
    publisher.play(&h264_tags(3), Pace::FullSpeed, |_| ()).await.unwrap();
    tested.heard.until("a", |items| pictures(items).len() == 3).await;
    publisher.vanish();
    tested.heard.until("a", is_over).await;
    // Somebody who is no RTMP publisher at all is sent away.
    let mut socket = TcpStream::connect(tested.handle.rtmp_address().unwrap()).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    socket.read_to_end(&mut said).await.unwrap();
    assert_eq!(tested.handle.counts().broken, 1);
    tested.stop().await;
}

/// Talks to the box by hand: what it says is sent, and read up to some words, or to the end.
async fn said(stream: &mut TcpStream, messages: &[Message], words: &str) -> String {
    let mut bytes = Vec::new();
    for message in messages {
        let chunk_stream = if message.kind == kind::COMMAND { 3 } else { 6 };
        write_message(&mut bytes, chunk_stream, message, 128);
    }
    stream.write_all(&bytes).await.unwrap();
    let mut heard = Vec::new();
    let reading = async {
        let mut buffer = [0; 4 << 10];
        while !heard.windows(words.len()).any(|part| part == words.as_bytes()) {
            match stream.read(&mut buffer).await {
                Ok(count @ 1..) => heard.extend_from_slice(&buffer[..count]),
                Ok(0) | Err(_) => break,
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap();
    String::from_utf8_lossy(&heard).into_owned()
}

/// A connection behind its handshake.
async fn shaken(tested: &TestIngest) -> TcpStream {
    let mut stream = TcpStream::connect(tested.handle.rtmp_address().unwrap()).await.unwrap();
    stream.write_all(&[&[3][..], &[0; 1536]].concat()).await.unwrap();
    let mut answer = vec![0; 1 + 2 * 1536];
    stream.read_exact(&mut answer).await.unwrap();
    stream.write_all(&[0; 1536]).await.unwrap();
    stream
}

fn command(stream: u32, name: &str, more: Value) -> Message {
    message::command(stream, name, 2.0, &[Value::Null, more])
}

fn connect(app: &str) -> Message {
    message::command(0, "connect", 1.0, &[amf0::object([("app", amf0::string(app))])])
}

#[tokio::test]
async fn an_encoder_with_another_application_is_told_of_at_the_court_that_waits() {
    let tested = TestIngest::start().await;
    for (app, told) in [("Live", "the application `Live`"), ("", "no application")] {
        let mut stream = shaken(&tested).await;
        let answer = said(&mut stream, &[connect(app)], "live/KEY").await;
        assert!(answer.contains("NetConnection.Connect.Rejected"), "{answer}");
        // It is closed, not left to its deadline.
        said(&mut stream, &[], "nothing more").await;
        let status = tested.status("a");
        let fault = status.fault.expect("told");
        assert!(fault.contains(told) && fault.starts_with("127.0.0.1 publishes to"), "{fault}");
        assert!(matches!(status.stray, Some((_, Astray::App(_)))));
    }
    tested.stop().await;
}

#[tokio::test]
async fn a_connection_publishes_again_behind_its_goodbye() {
    let tested = TestIngest::start().await;
    let mut stream = shaken(&tested).await;
    let create = command(0, "createStream", Value::Null);
    said(&mut stream, &[connect("live"), create.clone()], "_result").await;
    for (round, goodbye, of) in [
        (1, "deleteStream", Value::Number(1.0)),
        (2, "closeStream", Value::Null),
        (3, "FCUnpublish", amf0::string("key-a")),
    ] {
        let publish = command(1, "publish", amf0::string("key-a"));
        let answer = said(&mut stream, &[publish], "Publish.Start").await;
        assert!(answer.contains("NetStream.Publish.Start"), "round {round}: {answer}");
        let tags: Vec<_> = h264_tags(5);
        let media = tags.into_iter().map(|tag| Message {
            timestamp: tag.timestamp,
            kind: tag.kind,
            stream: 1,
            body: tag.body,
        });
        let media: Vec<_> = media.filter(|message| message.kind == kind::VIDEO).collect();
        said(&mut stream, &[&media[..], &[command(1, goodbye, of)]].concat(), "goodbye").await;
        let closed = |items: &[StreamItem]| {
            items.iter().filter(|item| matches!(item, StreamItem::Closed { .. })).count()
        };
        let items = tested.heard.until("a", |items| closed(items) == round).await;
        assert_eq!(pictures(&items).len(), 5 * round);
        assert_eq!(tested.status("a").condition, StreamCondition::Waiting);
    }
    drop(stream);
    tested.stop().await;
}
