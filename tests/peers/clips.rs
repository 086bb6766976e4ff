//! Clips, read by ffprobe, by re_mp4 and by Chromium.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use courtside::clips::RingReader;
use courtside::disk::{Disk, RealDisk};
use courtside::media::{MediaTime, SessionId, StreamItem};

#[path = "../support/flv.rs"]
mod flv;
#[path = "../support/ring.rs"]
mod ring;

use ring::{TestRing, settings};

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
    /// (kind, pts, dts, duration, key) of each packet.
    packets: Vec<(char, f64, f64, f64, bool)>,
    decoded: usize,
}

fn probe(file: &Path) -> Probed {
    let run = Command::new("ffprobe")
        .args(["-v", "warning", "-show_entries"])
        .arg("packet=codec_type,pts_time,dts_time,duration_time,flags")
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
        let key = field(line, "flags").contains('K');
        (kind, number(line, "pts_time"), number(line, "dts_time"), number(line, "duration_time"), key)
    });
    let packets = packets.collect();
    let mut warnings = String::from_utf8_lossy(&run.stderr).into_owned();
    // Decoded too: a picture without its reference, or sound cut in two, is told here.
    let run = Command::new("ffmpeg")
        .args(["-v", "warning", "-i"])
        .arg(file)
        .args(["-map", "0:v", "-f", "framecrc", "-fps_mode", "passthrough", "-"])
        .output()
        .expect("ffmpeg");
    warnings.push_str(&String::from_utf8_lossy(&run.stderr));
    let text = String::from_utf8_lossy(&run.stdout);
    let decoded = text.lines().filter(|line| !line.starts_with('#')).count();
    Probed { warnings, packets, decoded }
}

/// Records a whole FLV, cuts `from` to `to` (ms), returns the clip's file and what went in.
fn record(dir: &Path, file: &Path, from: i64, to: i64) -> (PathBuf, Vec<StreamItem>) {
    record_items(dir, flv::read(file, SESSION, (320, 180)), from, to)
}

fn record_items(dir: &Path, items: Vec<StreamItem>, from: i64, to: i64) -> (PathBuf, Vec<StreamItem>) {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let mut tested = TestRing::open(settings(dir.join("ring")), Arc::clone(&disk)).expect("ring");
    tested.opened(SESSION);
    for item in items.clone() {
        tested.feed(item);
    }
    tested.closed(SESSION);
    tested.request("clip-1", SESSION, (from, to));
    assert_eq!(*tested.promises.clips.lock(), ["clip-1"]);
    let status = tested.join();
    let ratio = status.bytes_written as f64 / status.bytes_encoded as f64;
    println!("write amplification {ratio:.4} of {} encoded bytes", status.bytes_encoded);
    let reader = RingReader::open(&dir.join("ring"), disk).expect("reader");
    let clip = reader.clip("clip-1").expect("read").expect("there");
    let mut bytes = Vec::new();
    reader
        .read_clip(&clip, |chunk| {
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

/// Every picture and every sound frame of the clip stands where the stream had it.
fn assert_true_to_stream(clip: &Path, items: &[StreamItem], from: i64, to: i64) {
    let probed = probe(clip);
    assert_eq!(probed.warnings, "");
    let of = |kind| probed.packets.iter().filter(move |packet| packet.0 == kind);
    let video: Vec<_> = items
        .iter()
        .filter_map(|item| match item {
            StreamItem::Video(unit) => Some(unit),
            _ => None,
        })
        .collect();
    let key = video.iter().rposition(|unit| unit.key && unit.pts <= MediaTime::from_millis(from));
    let key = key.or_else(|| video.iter().position(|unit| unit.key)).expect("a key frame");
    let first = &video[key];
    // The clip's zero is the smaller of both tracks' first times.
    let shift = of('v').next().expect("video").2;
    let ms = |time: MediaTime| time.nanos_since(first.dts) as f64 / 1e9;
    let mut n = 0;
    for (unit, packet) in video[key..].iter().zip(of('v')) {
        assert!((packet.2 - shift - ms(unit.dts)).abs() < 0.0001, "dts of {n}: {packet:?}");
        assert!((packet.1 - shift - ms(unit.pts)).abs() < 0.0001, "pts of {n}: {packet:?}");
        assert_eq!(packet.4, unit.key, "key of {n}");
        n += 1;
    }
    let count = of('v').count();
    assert_eq!(n, count);
    assert_eq!(probed.decoded, count, "every picture decodes");
    let last = video[key + n - 1].pts;
    assert!(last >= MediaTime::from_millis(to) || key + n == video.len(), "{last} is before the end");
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
        let nearest = sound.iter().map(|pts| (packet.1 - shift - ms(*pts)).abs());
        let stray = nearest.fold(f64::MAX, f64::min);
        assert!(stray < 0.061, "sound strays by {stray} s at {packet:?}");
    }
    let span = of('v').map(|packet| packet.3).sum::<f64>();
    let heard = of('a').count() as f64 * 1024.0 / 44_100.0;
    assert!((span - heard).abs() < 0.6, "{span} s of pictures, {heard} s of sound");
}

const SOUND: &str = "-f lavfi -i sine=440:r=44100 -c:a aac -b:a 96k";

#[test]
fn clips_are_true_to_their_streams() {
    let x264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";
    let rows = [
        ("30 fps", format!("-f lavfi -i testsrc=s=320x180:r=30 {SOUND} {x264} -g 60 -tune zerolatency -t 20")),
        ("60 fps", format!("-f lavfi -i testsrc=s=320x180:r=60 {SOUND} {x264} -g 120 -tune zerolatency -t 20")),
        ("B-frames", format!("-f lavfi -i testsrc=s=320x180:r=30 {SOUND} {x264} -g 50 -bf 2 -preset fast -t 20")),
        ("no sound", format!("-f lavfi -i testsrc=s=320x180:r=30 {x264} -g 60 -tune zerolatency -t 20")),
        ("key frames alone", format!("-f lavfi -i testsrc=s=320x180:r=25 {SOUND} {x264} -g 1 -t 20")),
        ("one key frame", format!("-f lavfi -i testsrc=s=320x180:r=30 {SOUND} {x264} -g 9999 -keyint_min 9999 -sc_threshold 0 -tune zerolatency -t 20")),
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
        assert_true_to_stream(&clip, &items, 7300, 12_800);
    }
}
