//! Clips, read by ffprobe, by re_mp4 and by Chromium; asked for over HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use courtside::clips::RingReader;
use courtside::disk::{Disk, RealDisk};
use courtside::media::{
    AccessUnit, Codec, CodecParameters, MediaTime, Monotonic, SessionId, StreamItem,
};

mod boxed;
mod forgotten;
mod making;
mod played;
mod pulled;

use crate::flv;
use crate::ring::{TestRing, settings};

const SESSION: SessionId = SessionId::from_bits(0x51);

/// Makes an FLV with ffmpeg; says loudly if there is none.
fn encode(dir: &Path, args: &str) -> PathBuf {
    let file = dir.join("in.flv");
    let run = Command::new("ffmpeg")
        .args(["-v", "error", "-y"])
        .args(args.split_whitespace())
        .arg(&file)
        .output()
        .expect("ffmpeg is installed (make test installs it)");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    file
}

struct Probed {
    warnings: String,
    /// Of each packet.
    packets: Vec<Packet>,
    /// MD5 of the pixels of each picture that is shown.
    decoded: Vec<String>,
}

#[derive(Debug)]
struct Packet {
    kind: char,
    pts: f64,
    dts: f64,
    key: bool,
    /// Decoded for those behind it, and not shown.
    hidden: bool,
}

fn probe(file: &Path) -> Probed {
    let run = Command::new("ffprobe")
        .args(["-v", "warning", "-show_entries"])
        .arg("packet=codec_type,pts_time,dts_time,flags")
        .args(["-of", "compact=p=0"])
        .arg(file)
        .output()
        .expect("ffprobe");
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    let field = |line: &str, name: &str| {
        let found = line.split('|').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or("").to_owned()
    };
    let number = |line: &str, name: &str| field(line, name).parse().unwrap_or(f64::NAN);
    let packets = text.lines().filter(|line| line.contains("codec_type")).map(|line| {
        let kind = field(line, "codec_type").chars().next().expect("kind");
        let (key, hidden) =
            (field(line, "flags").contains('K'), field(line, "flags").contains('D'));
        Packet { kind, pts: number(line, "pts_time"), dts: number(line, "dts_time"), key, hidden }
    });
    let packets = packets.collect();
    let mut warnings = String::from_utf8_lossy(&run.stderr).into_owned();
    // Decoded too: a picture without its reference, or sound cut in two, is told here.
    let run = Command::new("ffmpeg")
        .args(["-v", "warning", "-i"])
        .arg(file)
        .args(["-map", "0:v", "-f", "framemd5", "-fps_mode", "passthrough", "-"])
        .output()
        .expect("ffmpeg");
    warnings.push_str(&String::from_utf8_lossy(&run.stderr));
    let text = String::from_utf8_lossy(&run.stdout);
    let pictures = text.lines().filter(|line| !line.starts_with('#'));
    let pixels = pictures.filter_map(|line| Some(line.rsplit(',').next()?.trim().to_owned()));
    Probed { warnings, packets, decoded: pixels.collect() }
}

/// Records a whole FLV, cuts `from` to `to` (ms), returns the clip's file and what went in.
fn record(dir: &Path, file: &Path, from: i64, to: i64) -> (PathBuf, Vec<StreamItem>) {
    record_items(dir, flv::read(file, SESSION, (320, 180)), from, to)
}

fn record_items(
    dir: &Path,
    items: Vec<StreamItem>,
    from: i64,
    to: i64,
) -> (PathBuf, Vec<StreamItem>) {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let mut tested = TestRing::open(settings(dir.join("ring")), Arc::clone(&disk)).expect("ring");
    tested.opened(SESSION);
    for item in items.clone() {
        tested.feed(item);
    }
    tested.closed(SESSION);
    tested.request("clip-1", SESSION, (from, to));
    assert_eq!(tested.told(), ["clip-1"]);
    let status = tested.join();
    let ratio = status.bytes_written as f64 / status.bytes_encoded as f64;
    println!("write amplification {ratio:.4} of {} encoded bytes", status.bytes_encoded);
    let reader = RingReader::open(&dir.join("ring"), disk).expect("reader");
    let shelf = reader.shelf().expect("shelf");
    let clip = shelf.read("clip-1").expect("there");
    let opened = shelf.open(&clip).expect("opened");
    let mut bytes = Vec::new();
    opened
        .read(0, opened.bytes(), |chunk| {
            bytes.extend(chunk);
            true
        })
        .expect("bytes");
    let file = dir.join("clip.mp4");
    std::fs::write(&file, bytes).expect("write");
    println!("{}", serde_json::to_string(&clip).expect("json"));
    let mut findings = Vec::new();
    reader.verify(|finding| findings.extend(finding.wrong)).expect("verify");
    assert_eq!(findings, Vec::<String>::new());
    (file, items)
}

/// Every picture and every sound frame of the clip stands where the stream had it, and players show it from
/// the picture that was asked for to the last one.
fn assert_true_to_stream(clip: &Path, items: &[StreamItem], from: i64, to: i64, paused: bool) {
    assert_read_by_re_mp4(clip, items);
    let probed = probe(clip);
    assert_eq!(probed.warnings, "");
    let of = |kind| probed.packets.iter().filter(move |packet| packet.kind == kind);
    let video: Vec<_> = items
        .iter()
        .filter_map(|item| match item {
            StreamItem::Video(unit) => Some(unit),
            _ => None,
        })
        .collect();
    let key = video.iter().rposition(|unit| unit.key && unit.pts <= MediaTime::from_millis(from));
    let key = key.or_else(|| video.iter().position(|unit| unit.key)).expect("a key frame");
    // The picture that a viewer of the stream saw at `from`.
    let (from, to) = (MediaTime::from_millis(from), MediaTime::from_millis(to));
    let seen = video[key..].iter().map(|unit| unit.pts).filter(|pts| *pts <= from).max();
    let zero = seen.unwrap_or_else(|| video[key].pts);
    let seconds = |time: MediaTime| time.nanos_since(zero) as f64 / 1e9;
    let count = of('v').count();
    let mut shown = 0;
    for (n, (unit, packet)) in video[key..].iter().zip(of('v')).enumerate() {
        // Times in the file are of 1/90,000 s, of which a stream's milliseconds are not all.
        assert!((packet.dts - seconds(unit.dts)).abs() < 0.0001, "dts of {n}: {packet:?}");
        assert!((packet.pts - seconds(unit.pts)).abs() < 0.0001, "pts of {n}: {packet:?}");
        assert_eq!(packet.key, unit.key, "key of {n}");
        let is_shown = unit.pts >= zero && unit.pts <= to;
        assert_eq!(packet.hidden, !is_shown, "{n}: {packet:?}");
        shown += usize::from(is_shown);
    }
    assert_eq!(probed.decoded.len(), shown, "every picture that is shown decodes, and no other");
    let left = video[key + count.min(video.len() - key)..].iter().any(|unit| unit.pts <= to);
    assert!(!left, "a picture of the interval is not in the clip");
    let sound: Vec<_> = items
        .iter()
        .filter_map(|item| match item {
            StreamItem::Audio(unit) => Some(unit.pts),
            _ => None,
        })
        .collect();
    if sound.is_empty() {
        assert_eq!(of('a').count(), 0);
        return;
    }
    for packet in of('a') {
        let nearest = sound.iter().map(|pts| (packet.pts - seconds(*pts)).abs());
        let stray = nearest.fold(f64::MAX, f64::min);
        // Where the stream paused is silence.
        let silent = paused && (1.0..6.3).contains(&packet.pts);
        assert!(stray < 0.061 || silent, "sound strays by {stray} s at {packet:?}");
    }
    if paused {
        return;
    }
    let span = to.nanos_since(zero) as f64 / 1e9;
    let heard = of('a').count() as f64 * 1024.0 / 44_100.0;
    assert!((span - heard).abs() < 0.1, "{span} s of pictures, {heard} s of sound");
}

/// The pixels that are shown first are those of the stream at that moment.
fn assert_first_picture(clip: &Path, stream: &Path, items: &[StreamItem], from: i64) {
    let mut times: Vec<_> = items
        .iter()
        .filter_map(|item| match item {
            StreamItem::Video(unit) => Some(unit.pts),
            _ => None,
        })
        .collect();
    times.sort();
    let at = times.partition_point(|pts| *pts <= MediaTime::from_millis(from)) - 1;
    let (of_clip, of_stream) = (probe(clip).decoded, probe(stream).decoded);
    assert_eq!(of_stream.len(), times.len());
    assert_eq!(of_clip[0], of_stream[at], "picture {at}");
    assert_ne!(of_clip[0], of_stream[at + 1], "pictures can be told from each other");
}

/// An independent reader finds the stream's own bytes in the clip, in order.
fn assert_read_by_re_mp4(clip: &Path, items: &[StreamItem]) {
    let bytes = std::fs::read(clip).expect("clip");
    let mp4 = re_mp4::Mp4::read_bytes(&bytes).expect("an MP4");
    for track in mp4.tracks().values() {
        let sound = track.timescale != 90_000;
        let came = items.iter().filter_map(|item| match item {
            StreamItem::Video(unit) if !sound => Some(&unit.data),
            StreamItem::Audio(unit) if sound => Some(&unit.data),
            _ => None,
        });
        let came: Vec<_> = came.collect();
        let data = |sample: &re_mp4::Sample| bytes.get(sample.byte_range()).expect("inside");
        // Where there was no sound the box writes silence: a frame of it has 6 bytes.
        let own = |sample: &&re_mp4::Sample| !sound || data(sample).len() > 9;
        let own: Vec<_> = track.samples.iter().filter(own).collect();
        let first = data(own[0]);
        let at = came.iter().position(|unit| unit[..] == *first).expect("the stream's own bytes");
        for (n, sample) in own.iter().enumerate() {
            assert_eq!(came[at + n][..], *data(sample), "sample {n}, sound: {sound}");
        }
        if !sound {
            for pair in track.samples.windows(2) {
                let next = i64::try_from(pair[0].duration).expect("small");
                let next = pair[0].decode_timestamp + next;
                assert_eq!(pair[1].decode_timestamp, next, "each picture lasts until the next");
            }
        }
    }
}

const SOUND: &str = "-f lavfi -i sine=440:r=44100 -c:a aac -b:a 96k";

#[test]
fn clips_are_true_to_their_streams() {
    let x264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";
    let rows = [
        (
            "30 fps",
            format!(
                "-f lavfi -i testsrc=s=320x180:r=30 {SOUND} {x264} -g 60 -tune zerolatency -t 20"
            ),
        ),
        (
            "60 fps",
            format!(
                "-f lavfi -i testsrc=s=320x180:r=60 {SOUND} {x264} -g 120 -tune zerolatency -t 20"
            ),
        ),
        (
            "B-frames",
            format!(
                "-f lavfi -i testsrc=s=320x180:r=30 {SOUND} {x264} -g 50 -bf 2 -preset fast -t 20"
            ),
        ),
        (
            "no sound",
            format!("-f lavfi -i testsrc=s=320x180:r=30 {x264} -g 60 -tune zerolatency -t 20"),
        ),
        (
            "key frames alone",
            format!("-f lavfi -i testsrc=s=320x180:r=25 {SOUND} {x264} -g 1 -t 20"),
        ),
        (
            "one key frame",
            format!(
                "-f lavfi -i testsrc=s=320x180:r=30 {SOUND} {x264} -g 9999 -keyint_min 9999 -sc_threshold 0 -tune zerolatency -t 20"
            ),
        ),
        (
            "variable rate",
            format!(
                "-f lavfi -i testsrc=s=320x180:r=60,select='not(mod(n\\,3))+lt(mod(n\\,97)\\,40)' {SOUND} {x264} -fps_mode vfr -g 60 -tune zerolatency -t 20"
            ),
        ),
    ];
    for (name, args) in rows {
        println!("{name}");
        let dir = tempfile::tempdir().expect("dir");
        let file = encode(dir.path(), &args);
        let (clip, items) = record(dir.path(), &file, 7300, 12_800);
        assert_true_to_stream(&clip, &items, 7300, 12_800, false);
        assert_first_picture(&clip, &file, &items, 7300);
    }
}

#[test]
fn a_stream_that_pauses_is_recorded_true_to_its_times() {
    let dir = tempfile::tempdir().expect("dir");
    let x264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 60 -tune zerolatency";
    let file =
        encode(dir.path(), &format!("-f lavfi -i testsrc=s=320x180:r=30 {SOUND} {x264} -t 20"));
    let mut items = flv::read(&file, SESSION, (320, 180));
    let pause = Duration::from_millis(5_210);
    for item in &mut items {
        match item {
            StreamItem::Video(unit) if unit.dts >= MediaTime::from_millis(9_000) => {
                unit.dts = unit.dts.plus(pause);
                unit.pts = unit.pts.plus(pause);
            }
            StreamItem::Audio(unit) if unit.pts >= MediaTime::from_millis(9_000) => {
                unit.pts = unit.pts.plus(pause);
            }
            _ => {}
        }
    }
    let (clip, items) = record_items(dir.path(), items, 8_000, 17_000);
    assert_true_to_stream(&clip, &items, 8_000, 17_000, true);
}

#[test]
fn a_clip_of_a_plain_and_a_packed_segment_is_true_to_the_stream() {
    let dir = tempfile::tempdir().expect("dir");
    let x264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 60 -tune zerolatency";
    // Noise for 57 s, then a slow stream: its segment begins after 60.
    let noise = "noise=alls=70:allf=t:enable='lt(t\\,57)'";
    let film = format!("-f lavfi -i testsrc=s=320x180:r=30,{noise} {SOUND} {x264} -t 66");
    let file = encode(dir.path(), &film);
    let (clip, items) = record(dir.path(), &file, 56_300, 63_800);
    let packed: Vec<bool> = std::fs::read_dir(dir.path().join("ring/segments"))
        .expect("a folder")
        .map(|entry| std::fs::read(entry.expect("one").path()).expect("read"))
        .map(|bytes| bytes.windows(4).any(|kind| kind == b"cspk"))
        .collect();
    assert!(packed.contains(&true) && packed.contains(&false), "{packed:?}");
    assert_true_to_stream(&clip, &items, 56_300, 63_800, false);
}

#[test]
fn h265_is_recorded_and_read() {
    let dir = tempfile::tempdir().expect("dir");
    let source = dir.path().join("in.mp4");
    let args = "-v error -y -f lavfi -i testsrc=s=320x180:r=30 -c:v libx265 -preset ultrafast \
                -pix_fmt yuv420p -tag:v hvc1 -x265-params bframes=0:keyint=60:log-level=none -t 10";
    let made = Command::new("ffmpeg").args(args.split_whitespace()).arg(&source).status();
    assert!(made.expect("ffmpeg").success());
    let bytes = std::fs::read(&source).expect("file");
    let mp4 = re_mp4::Mp4::read_bytes(&bytes).expect("an MP4");
    let track = mp4.tracks().values().next().expect("a track");
    let parameters = Arc::new(CodecParameters {
        codec: Codec::H265,
        width: 320,
        height: 180,
        config: track.raw_codec_config(&mp4).expect("hvcC").into(),
        parameter_sets: Vec::new(),
        low_delay_sets: None,
        reorder_frames: None,
        mime_codec: String::new(),
    });
    let unit = |(sequence, sample): (u64, &re_mp4::Sample)| {
        let scale = i64::try_from(sample.timescale).expect("small");
        let time = MediaTime::from_millis(sample.decode_timestamp * 1000 / scale);
        StreamItem::Video(AccessUnit {
            session: SESSION,
            sequence,
            pts: time,
            dts: time,
            key: sample.is_sync,
            b_slices: false,
            data: bytes[sample.byte_range()].to_vec().into(),
            parameters: Arc::clone(&parameters),
            arrival: Monotonic::ZERO,
        })
    };
    let items = (0..).zip(&track.samples).map(unit).collect();
    let (clip, items) = record_items(dir.path(), items, 3_000, 6_000);
    assert_true_to_stream(&clip, &items, 3_000, 6_000, false);
}

/// A ring that runs, with a clip of 6 s, served on a free port of loopback.
struct Served {
    _dir: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
    address: SocketAddr,
    reports: mpsc::Receiver<String>,
    pictures: usize,
    /// What the stream showed.
    film: PathBuf,
}

const PAGE: &str = r#"<!doctype html><video id=v muted src="/v1/clips/clip-1/media"></video><script>
const say = text => fetch("/report", {method: "POST", body: text});
// Brightness of 16 by 9 fields, 0 to 255.
const fields = () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [320, 180];
  const ink = canvas.getContext("2d", {willReadFrequently: true});
  ink.drawImage(v, 0, 0);
  const all = [];
  for (let y = 0; y < 180; y += 20) for (let x = 0; x < 320; x += 20) {
    const data = ink.getImageData(x, y, 20, 20).data;
    let sum = 0;
    for (let at = 0; at < data.length; at += 4) sum += 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
    all.push((sum / 400).toFixed(1));
  }
  return all.join(",");
};
let first = "";
v.onerror = () => say("error " + v.error.code + " " + v.error.message);
v.onended = () => {
  const ended = [v.duration, v.currentTime, v.getVideoPlaybackQuality().totalVideoFrames,
    v.getVideoPlaybackQuality().droppedVideoFrames, v.videoWidth].join(" ");
  v.onseeked = () => say("ended " + ended + " " + v.currentTime + " " + first);
  v.onended = null;
  v.currentTime = 2.5;
};
const plays = () => { v.playbackRate = 2; v.play().catch(e => say("play " + e)); };
v.requestVideoFrameCallback((_, told) => { first = told.mediaTime + " " + fields(); plays(); });
</script>"#;

fn serve() -> Served {
    let dir = tempfile::tempdir().expect("dir");
    let x264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 60 -tune zerolatency";
    let file =
        encode(dir.path(), &format!("-f lavfi -i testsrc=s=320x180:r=30 {SOUND} {x264} -t 12"));
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let mut tested = TestRing::open(settings(dir.path().join("ring")), disk).expect("ring");
    tested.opened(SESSION);
    for item in flv::read(&file, SESSION, (320, 180)) {
        tested.feed(item);
    }
    tested.request("clip-1", SESSION, (2_500, 8_000));
    tested.closed(SESSION);
    tested.ring.start().expect("threads");
    let (send, reports) = mpsc::sync_channel(8);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("tokio");
    let report = move |body: String| async move { drop(send.try_send(body)) };
    let routes = courtside::clips::routes(tested.ring.shelf(), boxed::unhurried())
        .route("/", axum::routing::get(|| async { axum::response::Html(PAGE) }))
        .route("/report", axum::routing::post(report));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("port");
    let address = listener.local_addr().expect("bound");
    runtime.spawn(async move {
        let _ring = tested; // runs as long as it is served
        axum::serve(listener, routes).await
    });
    Served { _dir: dir, _runtime: runtime, address, reports, pictures: 166, film: file }
}

/// Status, fields (in lower case), body.
fn ask(to: SocketAddr, request: &str, fields: &str, body: &str) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(to).expect("connect");
    let len = body.len();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: box\r\nConnection: close\r\nContent-Length: {len}\r\n{fields}\r\n{body}"
    )
    .expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answer");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("fields end");
    let fields = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let status = fields[9..12].parse().expect("status");
    (status, fields, answer.split_off(end + 4))
}

#[test]
fn clips_are_listed_sent_in_ranges_and_acknowledged_over_http() {
    let served = serve();
    let to = served.address;
    let get = |path: &str, fields: &str| ask(to, &format!("GET {path}"), fields, "");
    let json = |body: &[u8]| serde_json::from_slice::<serde_json::Value>(body).expect("json");

    let (status, _, body) = get("/v1/clips", "");
    let manifest = json(&body);
    assert_eq!((status, manifest["clips"].as_array().map(Vec::len)), (200, Some(1)));
    let clip = &manifest["clips"][0];
    assert_eq!(clip["href"], "/v1/clips/clip-1/media");
    let (bytes, sha) = (clip["media"]["bytes"].as_u64(), clip["media"]["sha256"].as_str());
    let (bytes, sha) = (bytes.expect("length"), sha.expect("hash").to_owned());
    assert!(
        json(&get("/v1/clips?after=1&limit=10", "").2)["clips"]
            .as_array()
            .is_some_and(Vec::is_empty)
    );
    assert_eq!(get("/v1/clips?court=b", "").0, 404);
    assert_eq!(get("/v1/clips?limit=x", "").0, 400);

    let (status, fields, whole) = get("/v1/clips/clip-1/media", "");
    assert_eq!((status, whole.len() as u64), (200, bytes));
    assert!(fields.contains(&format!("etag: \"{sha}\"")), "{fields}");
    assert!(
        fields.contains("content-type: video/mp4; codecs=\"avc1.") && fields.contains("mp4a.40.2")
    );
    use sha2::Digest;
    let sum: String =
        sha2::Sha256::digest(&whole).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(sum, sha);

    let (status, fields, body) = ask(to, "HEAD /v1/clips/clip-1/media", "", "");
    assert_eq!((status, body.len()), (200, 0));
    assert!(fields.contains(&format!("content-length: {bytes}")), "{fields}");

    let (status, fields, part) = get("/v1/clips/clip-1/media", "Range: bytes=1000-150000\r\n");
    assert_eq!((status, &part[..]), (206, &whole[1000..=150_000]));
    assert!(fields.contains(&format!("content-range: bytes 1000-150000/{bytes}")), "{fields}");
    let (status, _, tail) = get("/v1/clips/clip-1/media", "Range: bytes=-77\r\n");
    assert_eq!((status, &tail[..]), (206, &whole[whole.len() - 77..]));
    let (status, fields, _) = get("/v1/clips/clip-1/media", &format!("Range: bytes={bytes}-\r\n"));
    assert_eq!(status, 416);
    assert!(fields.contains(&format!("content-range: bytes */{bytes}")), "{fields}");
    assert!(fields.contains("application/problem+json"), "{fields}");
    let stale = "Range: bytes=0-9\r\nIf-Range: \"other\"\r\n";
    assert_eq!(get("/v1/clips/clip-1/media", stale).0, 200);
    let fresh = format!("Range: bytes=0-9\r\nIf-Range: \"{sha}\"\r\n");
    assert_eq!(get("/v1/clips/clip-1/media", &fresh).0, 206);
    let have = format!("If-None-Match: \"{sha}\"\r\n");
    assert_eq!(get("/v1/clips/clip-1/media", &have).0, 304);
    for none in ["/v1/clips/none", "/v1/clips/none/media", "/v1/clips/..%2f..%2fetc"] {
        let (status, _, body) = get(none, "");
        assert_eq!((status, json(&body)["status"].as_u64()), (404, Some(404)), "{none}");
    }

    let ack = |body: &str| ask(to, "POST /v1/clips/clip-1/ack", "", body);
    assert_eq!(ack("{\"sha256\": \"00\"}").0, 409);
    assert_eq!(ack("{\"sha\": 1}").0, 400);
    let (status, _, body) = ack(&format!("{{\"sha256\": \"{sha}\"}}"));
    assert_eq!((status, json(&body)["ended"].as_str()), (200, Some("acknowledged")));
    assert_eq!(ack("").0, 200);
    assert_eq!(json(&get("/v1/clips/clip-1", "").2)["pinned"].as_bool(), Some(false));
}

#[test]
fn chromium_plays_a_clip_to_its_end() {
    let served = serve();
    let profile = tempfile::tempdir().expect("dir");
    let mut browser = Command::new("chromium")
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .arg("--autoplay-policy=no-user-gesture-required")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://{}/", served.address))
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("chromium is installed (make test installs it)");
    let report = served.reports.recv_timeout(Duration::from_secs(90));
    browser.kill().expect("ours");
    browser.wait().expect("ended");
    let report = report.expect("chromium reports within 90 s");
    println!("{report}");
    let words: Vec<_> = report.split(' ').collect();
    assert_eq!(words[0], "ended", "{report}");
    let number = |n: usize| words[n].parse::<f64>().expect("number");
    assert!((number(1) - 5.533).abs() < 0.02, "duration: {report}");
    assert!((number(2) - 5.533).abs() < 0.02, "played to the end: {report}");
    assert!(number(3) >= served.pictures as f64 * 0.9, "pictures: {report}");
    assert!((number(6) - 2.5).abs() < 0.1, "seeks: {report}");
    // What it painted first is the picture of 2.5 s, the 75th, and not the key picture of 2.0 s.
    assert!(number(7).abs() < 0.001, "{report}");
    let painted: Vec<f64> = words[8].split(',').map(|one| one.parse().expect("luma")).collect();
    let pictures = fields(&served.film);
    let unlike = |picture: &[f64]| -> f64 {
        picture.iter().zip(&painted).map(|(one, other)| (one - other).powi(2)).sum()
    };
    let nearest = (0..pictures.len())
        .min_by(|one, other| unlike(&pictures[*one]).total_cmp(&unlike(&pictures[*other])));
    // Neighbors differ by little more than what a browser's colors do.
    assert!(nearest.is_some_and(|n| (74..=76).contains(&n)), "{nearest:?}");
}

/// Brightness of 16 by 9 fields of each picture of a film of 320 by 180, 0 to 255.
fn fields(film: &Path) -> Vec<Vec<f64>> {
    let run = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(film)
        .args("-map 0:v -fps_mode passthrough -vf scale=16:9:flags=area -pix_fmt gray".split(' '))
        .args(["-f", "rawvideo", "-"])
        .output()
        .expect("ffmpeg");
    let full = |luma: &u8| (f64::from(*luma) - 16.0) * 255.0 / 219.0;
    run.stdout.chunks(16 * 9).map(|picture| picture.iter().map(full).collect()).collect()
}
