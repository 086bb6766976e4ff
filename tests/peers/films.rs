//! Films out of a ring, read by ffmpeg, by re_mp4 and by Chromium.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use courtside::clips::{Apart, Film, RingReader, Sequence, Wanted};
use courtside::disk::{Disk, RealDisk};
use courtside::media::{CourtId, MediaTime, SessionId, StreamItem, UtcTime};

use crate::flv;
use crate::ring::{TestRing, settings};

const ONE: SessionId = SessionId::from_bits(0x51);
const TWO: SessionId = SessionId::from_bits(0x52);

/// A stream of `seconds`: size, sound and what else x264 is told.
fn stream(size: (u32, u32), sound: (u32, u32), seconds: u32, x264: &str) -> Vec<StreamItem> {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("in.flv");
    let (width, height) = size;
    let (rate, channels) = sound;
    let args = format!(
        "-v error -y -f lavfi -i testsrc=s={width}x{height}:r=30 -f lavfi -i sine=440:r={rate} -ac {channels} \
         -c:a aac -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 30 {x264} -t {seconds}"
    );
    let run = Command::new("ffmpeg").args(args.split_whitespace()).arg(&file).output();
    let run = run.expect("ffmpeg is installed (make test installs it)");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    flv::read(&file, ONE, size)
}

const PLAIN: &str = "-tune zerolatency";
const REORDERED: &str = "-bf 2 -preset fast";

/// The same as it would come `ms` later, in `session`.
fn later(items: &[StreamItem], session: SessionId, ms: u64) -> Vec<StreamItem> {
    let by = Duration::from_millis(ms);
    let mut items = items.to_vec();
    for item in &mut items {
        match item {
            StreamItem::Video(unit) => {
                unit.session = session;
                unit.dts = unit.dts.plus(by);
                unit.pts = unit.pts.plus(by);
            }
            StreamItem::Audio(unit) => {
                unit.session = session;
                unit.pts = unit.pts.plus(by);
            }
            _ => {}
        }
    }
    items
}

fn pictures(items: &[StreamItem]) -> usize {
    items.iter().filter(|item| matches!(item, StreamItem::Video(_))).count()
}

/// A ring that recorded these sessions, one after another with 60 s between, and was asked for clips
/// (name, session, from and to in ms).
fn recorded(
    dir: &Path,
    sessions: &[(SessionId, Vec<StreamItem>)],
    clips: &[(&str, SessionId, (i64, i64))],
) -> RingReader {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let mut tested = TestRing::open(settings(dir.join("ring")), Arc::clone(&disk)).expect("ring");
    for (session, items) in sessions {
        tested.opened(*session);
        for item in items {
            tested.feed(item.clone());
        }
        tested.closed(*session);
        for (id, _, interval) in clips.iter().filter(|(_, of, _)| of == session) {
            tested.request(id, *session, *interval);
        }
        tested.wait(Duration::from_secs(60));
    }
    tested.join();
    RingReader::open(&dir.join("ring"), disk).expect("reader")
}

fn wanted(session: SessionId, (from, to): (i64, i64), title: &str) -> Wanted {
    Wanted {
        court: CourtId::new("a").expect("name"),
        session,
        from: MediaTime::from_millis(from),
        to: MediaTime::from_millis(to),
        title: title.to_owned(),
    }
}

fn written(film: &Film, file: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = film.read(|chunk| {
        bytes.extend(chunk);
        true
    });
    read.expect("read");
    assert_eq!(bytes.len() as u64, film.bytes());
    std::fs::File::create(file).and_then(|mut file| file.write_all(&bytes)).expect("written");
    bytes
}

/// What a program prints on both ends.
fn said(program: &str, args: &str, file: &Path) -> (String, String) {
    let run = Command::new(program)
        .args(
            args.split_whitespace()
                .map(|arg| if arg == "FILE" { file.as_os_str() } else { arg.as_ref() }),
        )
        .output()
        .expect("it is installed (make test installs it)");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(run.stdout), text(run.stderr))
}

/// Decodes all of it: how many pictures, how long the container, pictures and sound are, seconds.
fn decoded(file: &Path) -> (usize, f64, f64) {
    let (_, complaints) = said("ffmpeg", "-v warning -i FILE -f null -", file);
    assert_eq!(complaints, "", "{}", file.display());
    let list = "-v error -select_streams v -count_frames -show_entries \
                stream=nb_read_frames:format=duration -of default=nw=1:nk=1 FILE";
    let (told, _) = said("ffprobe", list, file);
    let mut numbers = told.split_whitespace().map(|line| line.parse::<f64>().expect("a number"));
    let (frames, long) = (numbers.next().expect("frames"), numbers.next().expect("duration"));
    let (packets, _) = said(
        "ffprobe",
        "-v error -select_streams v -show_entries packet=pts_time,flags -of csv=p=0 FILE",
        file,
    );
    // D: decoded for those behind it, and not shown.
    let shown = packets.lines().filter_map(|line| line.split_once(','));
    let shown = shown.filter(|(_, flags)| !flags.contains('D'));
    let mut times: Vec<f64> = shown.filter_map(|(at, _)| at.parse().ok()).collect();
    times.sort_by(f64::total_cmp);
    assert!(times[0].abs() < 0.001, "the first picture is shown at 0, not {}", times[0]);
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    (frames as usize, long, longest)
}

/// An independent reader finds the stream's own bytes in the pictures, in order.
fn read_by_re_mp4(bytes: &[u8], items: &[StreamItem]) -> re_mp4::Mp4 {
    let mp4 = re_mp4::Mp4::read_bytes(bytes).expect("an MP4");
    let kind = |at: usize| &bytes[at + 4..at + 8];
    assert_eq!((kind(0), kind(36)), (&b"ftyp"[..], &b"moov"[..]), "what is played needs no end");
    let track = mp4.tracks().values().find(|track| track.timescale == 90_000).expect("pictures");
    let mut came = items.iter().filter_map(|item| match item {
        StreamItem::Video(unit) => Some(&unit.data),
        _ => None,
    });
    for (n, sample) in track.samples.iter().enumerate() {
        let data = bytes.get(sample.byte_range()).expect("inside");
        assert!(came.any(|unit| data.ends_with(unit)), "picture {n} is none of the stream");
    }
    mp4
}

#[test]
fn a_film_over_changes_of_the_stream_is_one_file_that_everybody_plays() {
    let dir = tempfile::tempdir().expect("dir");
    let (small, large) = ((320, 180), (480, 270));
    let sound = (48_000, 2);
    let one = stream(small, sound, 4, PLAIN);
    let two = stream(large, sound, 4, REORDERED);
    let items = [one.clone(), later(&two, ONE, 4000), later(&one, ONE, 8000)].concat();
    let ring = recorded(dir.path(), &[(ONE, items.clone())], &[]);
    let films = ring
        .films(&[wanted(ONE, (0, 12_000), "")], Some("All"), (Sequence::AsPlayed, Apart::Files))
        .expect("all");
    assert_eq!(films.films.len(), 1, "{:?}", films.told);
    let film = &films.films[0];
    assert_eq!(film.shown.len(), 3, "{:?}", film.shown);
    let file = dir.path().join("film.mp4");
    let bytes = written(film, &file);
    read_by_re_mp4(&bytes, &items);
    let (frames, long, longest) = decoded(&file);
    assert_eq!(frames, pictures(&items));
    assert!((long - 12.0).abs() < 0.15, "{long}");
    assert!(longest < 0.12, "no picture stands for {longest} s");
    let played = play(&file);
    assert_eq!(played.said, "ended");
    assert!((played.duration - 12.0).abs() < 0.15 && played.at > 11.8, "{played:?}");
    assert!(played.pictures as f64 > 0.9 * frames as f64, "{played:?}");
}

#[test]
fn what_is_not_in_the_ring_is_closed_up_and_told_and_short_gaps_are_held() {
    let dir = tempfile::tempdir().expect("dir");
    let one = stream((320, 180), (44_100, 1), 4, PLAIN);
    // 1 s is missing at 4 s, 20 s at 9 s.
    let items = [one.clone(), later(&one, ONE, 5000), later(&one, ONE, 29_000)].concat();
    let ring = recorded(dir.path(), &[(ONE, items)], &[]);
    let all = [wanted(ONE, (0, 33_000), "")];
    let films = ring.films(&all, None, (Sequence::AsPlayed, Apart::Files)).expect("all");
    assert_eq!(films.told.len(), 1, "{:?}", films.told);
    assert!(films.told[0].contains("missing, and closed up"), "{:?}", films.told);
    let film = &films.films[0];
    let starts: Vec<_> = film.shown.iter().map(|shown| shown.at_s.round()).collect();
    assert_eq!(starts, [0.0, 9.0], "{:?}", film.shown);
    let file = dir.path().join("film.mp4");
    let bytes = written(film, &file);
    let (frames, long, longest) = decoded(&file);
    assert_eq!(frames, 3 * pictures(&one));
    assert!((long - 13.0).abs() < 0.2, "{long}");
    assert!((longest - 1.0).abs() < 0.1, "the last picture stands for {longest} s");
    let (chapters, _) = said("ffprobe", "-v error -show_chapters -of csv=p=0 FILE", &file);
    assert_eq!(chapters.lines().count(), 2, "{chapters}");
    // Sound goes on through both, as silence where there was none.
    let mp4 = re_mp4::Mp4::read_bytes(&bytes).expect("an MP4");
    let sound = mp4.tracks().values().find(|track| track.timescale == 44_100).expect("sound");
    let longest = sound.samples.iter().rev().skip(1).map(|sample| sample.duration).max();
    assert!(longest.is_some_and(|units| units < 2048), "{longest:?}");
}

#[test]
fn another_sound_is_another_file_and_in_a_reel_it_is_silent() {
    let dir = tempfile::tempdir().expect("dir");
    let one = stream((320, 180), (48_000, 2), 4, PLAIN);
    let two = stream((320, 180), (44_100, 1), 3, PLAIN);
    let items = [one.clone(), later(&two, ONE, 4000)].concat();
    let ring = recorded(dir.path(), &[(ONE, items)], &[]);
    let all = [wanted(ONE, (0, 7_000), "")];
    let films = ring.films(&all, None, (Sequence::AsPlayed, Apart::Files)).expect("all");
    let frames: Vec<_> = (0..)
        .zip(&films.films)
        .map(|(n, film)| {
            let file = dir.path().join(format!("{n}.mp4"));
            written(film, &file);
            decoded(&file).0
        })
        .collect();
    assert_eq!(frames, [pictures(&one), pictures(&two)]);
    let reel = ring.films(&all, None, (Sequence::AsPlayed, Apart::LeftOut)).expect("all");
    assert_eq!(reel.films.len(), 1);
    assert_eq!(reel.told, ["1 scenes are silent: their sound is of another kind"]);
    let file = dir.path().join("reel.mp4");
    written(&reel.films[0], &file);
    let (frames, long, _) = decoded(&file);
    assert_eq!(frames, pictures(&one) + pictures(&two));
    assert!((long - 7.0).abs() < 0.15, "{long}");
}

#[test]
fn a_reel_joins_the_highlights_of_two_sessions_with_chapters_and_a_title() {
    let dir = tempfile::tempdir().expect("dir");
    let items = stream((320, 180), (48_000, 2), 20, REORDERED);
    let sessions = [(ONE, items.clone()), (TWO, later(&items, TWO, 0))];
    let clips = [
        ("a-1", ONE, (2_500, 5_000)),
        ("a-2", ONE, (4_000, 6_500)), // overlaps the first
        ("a-3", ONE, (12_300, 14_000)),
        ("a-4", TWO, (3_100, 6_000)),
    ];
    let ring = recorded(dir.path(), &sessions, &clips);
    let all: Vec<_> = (1..)
        .zip(&clips)
        .map(|(n, (_, session, interval))| wanted(*session, *interval, &format!("Shot {n}")))
        .collect();
    let films = ring
        .films(&all, Some("Reds – Blues"), (Sequence::AsPlayed, Apart::LeftOut))
        .expect("a reel");
    assert_eq!((films.films.len(), &films.told), (1, &Vec::new()));
    let film = &films.films[0];
    let starts: Vec<_> = film.shown.iter().map(|shown| shown.start.as_secs_f64()).collect();
    assert_eq!(starts.len(), 3, "{:?}", film.shown);
    for (start, asked) in starts.iter().zip([2.5, 12.3, 3.1]) {
        assert!((0.0..0.034).contains(&(asked - start)), "{start} for {asked}: a picture at most");
    }
    // The best last: the other session's first, then the later one of this, then both that overlap.
    let best: Vec<_> = [3, 2, 0, 1].map(|n: usize| all[n].clone()).into();
    let sorted = ring.films(&best, None, (Sequence::AsNamed, Apart::LeftOut)).expect("a reel");
    let sorted_starts = sorted.films[0].shown.iter().map(|shown| shown.start.as_secs_f64());
    assert_eq!(sorted_starts.collect::<Vec<_>>(), [starts[2], starts[1], starts[0]]);
    let file = dir.path().join("by-score.mp4");
    written(&sorted.films[0], &file);
    let (by_score, ..) = decoded(&file);

    let file = dir.path().join("reel.mp4");
    let bytes = written(film, &file);
    re_mp4::Mp4::read_bytes(&bytes).expect("an MP4");
    let told: f64 =
        film.shown.iter().map(|shown| shown.end.as_secs_f64() - shown.start.as_secs_f64()).sum();
    let (frames, long, longest) = decoded(&file);
    assert_eq!(by_score, frames, "the same pictures in another order");
    assert!((long - told).abs() < 0.1, "{long} s, told were {told}");
    assert!((frames as f64 - told * 30.0).abs() < 4.0, "{frames} pictures in {told} s");
    assert!(longest < 0.15, "no picture stands for {longest} s");

    let list = "-v error -show_entries format_tags=title:chapter=start_time:chapter_tags=title \
                -of compact=p=0:nk=1 FILE";
    let (told, _) = said("ffprobe", list, &file);
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), 5, "{told}");
    for (n, line) in (1..=4).zip(&lines) {
        assert!(line.contains(&format!("Shot {n}, 2027-01-15 ")), "{told}");
    }
    // The second shot is seen while the first still is.
    let second: f64 = lines[1].split('|').next().and_then(|at| at.parse().ok()).expect("a time");
    assert!((second - 1.5).abs() < 0.05, "{told}");
    assert!(lines[4].ends_with("Reds – Blues"), "{told}");

    let played = play(&file);
    assert_eq!(played.said, "ended");
    assert!((played.duration - long).abs() < 0.1 && played.at > long - 0.2, "{played:?}");
    assert!(played.pictures as f64 > 0.9 * frames as f64, "{played:?}");
}

#[test]
fn an_interval_of_the_boxs_clock_is_found_over_sessions() {
    let dir = tempfile::tempdir().expect("dir");
    let items = stream((320, 180), (48_000, 2), 10, PLAIN);
    // Timestamps of the second have nothing to do with those of the first.
    let sessions = [(ONE, items.clone()), (TWO, later(&items, TWO, 5_000_000))];
    let ring = recorded(dir.path(), &sessions, &[]);
    let court = CourtId::new("a").expect("name");
    let at = |ms: i64| UtcTime::from_nanos(1_800_000_000_000_000_000 + ms * 1_000_000);
    // The first session is over after 10 s, and the second begins a minute later.
    let found = ring.between(&court, (at(6_000), at(73_000)));
    let sessions: Vec<_> = found.iter().map(|wanted| wanted.session).collect();
    assert_eq!(sessions, [ONE, TWO]);
    let near = |time: MediaTime, ms: i64| (time.as_nanos() / 1_000_000 - ms).abs() <= 1000;
    assert!(near(found[0].from, 6_000) && near(found[1].to, 5_003_000), "{found:?}");
    assert_eq!(ring.between(&court, (at(20_000), at(60_000))), []);
    let films = ring.films(&found, None, (Sequence::AsPlayed, Apart::Files)).expect("both");
    assert_eq!(films.films[0].shown.len(), 2);
}

/// Draws as the box does, once it is let.
struct Drawing {
    gate: parking_lot::Mutex<()>,
}

impl courtside::clips::Draws for Drawing {
    fn jpeg(&self, still: &courtside::clips::Still) -> Result<Vec<u8>, String> {
        let _open = self.gate.lock();
        let frame = drawn(still)?;
        courtside::page::jpeg(&frame, 160).ok_or_else(|| "no pixels".to_owned())
    }
}

fn drawn(still: &courtside::clips::Still) -> Result<courtside::media::Frame, String> {
    let units = still.units.iter().map(|(at, data)| (*at, data.as_slice())).collect();
    let (court, session, codec) = (still.court.clone(), still.session, still.codec);
    let order = courtside::decode::StillOrder {
        court,
        session,
        codec,
        config: &still.config,
        units,
        at: still.at,
    };
    courtside::decode::still(&order).map_err(|error| error.to_string())
}

#[cfg(feature = "gstreamer")]
#[test]
fn a_clip_has_a_picture_and_who_asks_while_too_many_wait_is_told_to_ask_again() {
    use courtside::clips::Which;
    let dir = tempfile::tempdir().expect("dir");
    let items = stream((320, 180), (48_000, 2), 12, REORDERED);
    let clips: Vec<_> = (0..16).map(|n| (format!("a-{n}"), 1_000 + n * 100)).collect();
    let asked: Vec<_> =
        clips.iter().map(|(id, from)| (id.as_str(), ONE, (*from, from + 9_000))).collect();
    let ring = recorded(dir.path(), &[(ONE, items)], &asked);
    let shelf = ring.shelf().expect("shelf");
    // The picture of the very moment, and the key picture nearest to it: one a second.
    let clip = shelf.read("a-4").expect("a clip");
    let moment = clip.moment();
    assert_eq!(moment, MediaTime::from_millis(7_400));
    let at = |which| {
        let frame = drawn(&shelf.still(&clip, which).expect("pictures")).expect("a picture");
        assert_eq!((frame.width, frame.height), (320, 180));
        (frame.pts.nanos_since(moment) / 1_000_000).abs()
    };
    assert!(at(Which::Exactly) <= 40, "{}", at(Which::Exactly));
    assert!((40..600).contains(&at(Which::NearestKey)), "{}", at(Which::NearestKey));

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("tokio");
    let drawing = Arc::new(Drawing { gate: parking_lot::Mutex::new(()) });
    let held = drawing.gate.lock();
    let draws = Arc::clone(&drawing) as Arc<dyn courtside::clips::Draws>;
    let address = runtime.block_on(async {
        let routes = courtside::clips::thumbnails(shelf, draws).expect("a thread");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move { axum::serve(listener, routes).await });
        address
    });
    let get = move |id: String, fields: String| {
        use std::io::Read;
        let mut stream = std::net::TcpStream::connect(address).expect("connected");
        let head = format!("GET /v1/clips/{id}/thumbnail.jpg HTTP/1.1\r\nHost: box\r\n");
        write!(stream, "{head}Connection: close\r\n{fields}\r\n").expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("fields end");
        let fields = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        (fields[9..12].parse::<u16>().expect("a status"), fields, answer.split_off(end + 4))
    };
    // One is being drawn and does not end, twelve wait: the others are sent away at once.
    let asks: Vec<_> = clips
        .iter()
        .map(|(id, _)| {
            let id = id.clone();
            std::thread::spawn(move || get(id, String::new()))
        })
        .collect();
    let waiting = || asks.iter().filter(|ask| !ask.is_finished()).count();
    let began = std::time::Instant::now();
    while waiting() > 13 {
        assert!(began.elapsed() < Duration::from_secs(20), "{} wait", waiting());
        std::thread::yield_now();
    }
    drop(held);
    let told: Vec<_> = asks.into_iter().map(|ask| ask.join().expect("an answer")).collect();
    let busy: Vec<_> = told.iter().filter(|(status, ..)| *status == 503).collect();
    assert!((3..=4).contains(&busy.len()), "{} were sent away", busy.len());
    assert!(busy.iter().all(|(_, fields, _)| fields.contains("retry-after: ")));
    let drawn: Vec<_> = told.iter().filter(|(status, ..)| *status == 200).collect();
    assert_eq!(drawn.len() + busy.len(), clips.len());
    for (_, fields, jpeg) in drawn {
        assert!(fields.contains("content-type: image/jpeg"), "{fields}");
        assert!(jpeg.starts_with(&[0xFF, 0xD8]) && jpeg.ends_with(&[0xFF, 0xD9]));
    }
    let (status, fields, _) = get("a-4".to_owned(), String::new());
    assert_eq!(status, 200);
    let tag = fields.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag");
    let (status, ..) = get("a-4".to_owned(), format!("If-None-Match: {tag}\r\n"));
    assert_eq!(status, 304);
    assert_eq!(get("none".to_owned(), String::new()).0, 404);
}

#[derive(Debug)]
struct Played {
    said: String,
    duration: f64,
    at: f64,
    pictures: u32,
}

const PAGE: &str = r#"<!doctype html><video id=v muted src="/film.mp4"></video><script>
const say = text => fetch("/report", {method: "POST", body: [text, v.duration, v.currentTime,
  v.getVideoPlaybackQuality().totalVideoFrames].join("|")});
v.onerror = () => say("error " + v.error.code + " " + v.error.message);
v.onended = () => say("ended");
v.oncanplay = () => { v.oncanplay = null; v.playbackRate = 2; v.play().catch(e => say("play " + e)); };
</script>"#;

/// Plays a film in Chromium.
fn play(file: &Path) -> Played {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("tokio");
    let (send, reports) = mpsc::sync_channel(8);
    let report = move |body: String| async move { drop(send.try_send(body)) };
    let film = file.to_owned();
    let media = move |headers: axum::http::HeaderMap| async move { part(&film, &headers) };
    let routes = axum::Router::new()
        .route("/", axum::routing::get(|| async { axum::response::Html(PAGE) }))
        .route("/film.mp4", axum::routing::get(media))
        .route("/report", axum::routing::post(report));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("port");
    let address = listener.local_addr().expect("bound");
    runtime.spawn(async move { axum::serve(listener, routes).await });
    let profile = tempfile::tempdir().expect("dir");
    let mut browser = Command::new("chromium")
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .arg("--autoplay-policy=no-user-gesture-required")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://{address}/"))
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("chromium is installed (make test installs it)");
    let report = reports.recv_timeout(Duration::from_secs(90));
    browser.kill().expect("ours");
    browser.wait().expect("ended");
    let report = report.expect("chromium reports within 90 s");
    println!("{report}");
    let words: Vec<_> = report.split('|').collect();
    Played {
        said: words[0].to_owned(),
        duration: words[1].parse().expect("seconds"),
        at: words[2].parse().expect("seconds"),
        pictures: words[3].parse().expect("a count"),
    }
}

/// The bytes that a browser asks for.
fn part(film: &Path, headers: &axum::http::HeaderMap) -> axum::response::Response {
    let bytes = std::fs::read(film).expect("the film");
    let range = headers.get("range").and_then(|range| range.to_str().ok());
    let range = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let (from, to) = range.map_or((0, bytes.len()), |(from, to)| {
        let to = to.parse::<usize>().map_or(bytes.len(), |last| last + 1);
        (from.parse().expect("a number"), to)
    });
    axum::response::Response::builder()
        .status(if range.is_some() { 206 } else { 200 })
        .header("content-type", "video/mp4")
        .header("accept-ranges", "bytes")
        .header("content-range", format!("bytes {from}-{}/{}", to - 1, bytes.len()))
        .body(bytes[from..to].to_vec().into())
        .expect("an answer")
}
