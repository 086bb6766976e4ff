//! Recordings as players read them: the lists, what they name, and what ffmpeg makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use courtside::clips::RingSettings;
use courtside::disk::RealDisk;
use courtside::media::{MediaTime, SessionId, StreamItem};

use super::boxed::{Boxed, X264, record, serve};
use super::{SESSION, SOUND, ask, encode, flv};
use crate::ring::{TestRing, settings};

fn get(to: SocketAddr, path: &str, fields: &str) -> (u16, String, Vec<u8>) {
    ask(to, &format!("GET {path}"), fields, "")
}

/// Pictures that ffmpeg decodes of a list, and what it says.
fn decoded(url: &str) -> (usize, String) {
    let run = Command::new("ffmpeg")
        .args(["-v", "warning", "-i", url])
        .args(["-map", "0:v", "-f", "framecrc", "-fps_mode", "passthrough", "-"])
        .output()
        .expect("ffmpeg is installed (make test installs it)");
    let text = String::from_utf8_lossy(&run.stdout);
    let pictures = text.lines().filter(|line| !line.starts_with('#')).count();
    (pictures, String::from_utf8_lossy(&run.stderr).into_owned())
}

#[test]
fn ffmpeg_plays_a_court_and_a_clip_by_their_lists() {
    let dir = tempfile::tempdir().expect("dir");
    record(dir.path());
    let boxed = Boxed::on(dir.path());
    let whole = "from=2027-01-15T07:00:00Z&to=2027-01-15T09:00:00Z";
    let (pictures, said) = decoded(&format!("{}/v1/courts/a/live.m3u8?{whole}", boxed.url()));
    assert_eq!((pictures, said.as_str()), (360, ""), "every picture of the recording");
    let clip = format!("{}/v1/clips/a-{SESSION}-shot-1/index.m3u8", boxed.url());
    let (pictures, said) = decoded(&clip);
    assert_eq!((pictures, said.as_str()), (180, ""), "2.0 s to 8.0 s");

    let to = boxed.address;
    let (status, fields, list) = get(to, "/v1/courts/a/live.m3u8", "");
    let list = String::from_utf8(list).expect("text");
    assert_eq!(status, 200);
    assert!(fields.contains("content-type: application/vnd.apple.mpegurl"), "{fields}");
    assert!(
        !list.contains("#EXT-X-ENDLIST") && list.contains("#EXT-X-PROGRAM-DATE-TIME:2027-01-15T")
    );
    // Part of it: what begins 5 s after the film's beginning.
    let since = "from=2027-01-15T08:00:05.100Z&to=2027-01-15T08:00:06.500Z";
    let (_, _, part) = get(to, &format!("/v1/courts/a/live.m3u8?{since}"), "");
    let part = String::from_utf8(part).expect("text");
    assert_eq!(entries(&part).1.len(), 2);
    assert!(part.contains("#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:04."), "{part}");
    for (path, status) in [
        ("/v1/courts/b/live.m3u8", 404),
        ("/v1/courts/A%2f/live.m3u8", 404),
        ("/v1/courts/a/live.m3u8?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z", 404),
        ("/v1/courts/a/live.m3u8?from=x", 400),
        ("/v1/courts/a/live.m3u8?back=0", 400),
        ("/v1/courts/a/live.m3u8?back=999999", 400),
        ("/v1/courts/a/live.m3u8?to=2027-01-15T08:00:00Z", 400),
        ("/v1/courts/a/segments/1", 200),
        ("/v1/courts/a/segments/99", 404),
        ("/v1/courts/a/segments/0", 404),
        ("/v1/courts/a/segments/x", 404),
        ("/v1/courts/b/segments/1", 404),
        ("/v1/courts/a/segments/1/init.mp4", 200),
        ("/v1/clips/none/index.m3u8", 404),
    ] {
        assert_eq!(get(to, path, "").0, status, "{path}");
    }
}

type Stretch = (String, u64, u64);

/// Number of the first entry, and the entries: file, first byte, length.
fn entries(list: &str) -> (u64, Vec<Stretch>) {
    let mut first = 0;
    let mut range = (0, 0);
    let mut found = Vec::new();
    for line in list.lines() {
        if let Some(number) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
            first = number.parse().expect("a number");
        } else if let Some(bytes) = line.strip_prefix("#EXT-X-BYTERANGE:") {
            let (len, at) = bytes.split_once('@').expect("length and place");
            range = (at.parse().expect("a place"), len.parse().expect("a length"));
        } else if !line.starts_with('#') {
            found.push((line.to_owned(), range.0, range.1));
        }
    }
    (first, found)
}

/// The bytes of an entry.
fn bytes(to: SocketAddr, (file, at, len): &Stretch) -> (u16, Vec<u8>) {
    let range = format!("Range: bytes={at}-{}\r\n", at + len - 1);
    let (status, _, bytes) = get(to, &format!("/v1/courts/a/{file}"), &range);
    (status, bytes)
}

#[test]
fn a_live_list_goes_on_with_the_recording_and_past_what_is_evicted() {
    let dir = tempfile::tempdir().expect("dir");
    let film = format!("-f lavfi -i testsrc=s=320x180:r=10 {SOUND} {X264} -t 400");
    let file = encode(dir.path(), &film.replace("-g 60", "-g 20"));
    let disk = Arc::new(RealDisk::new());
    let quota_bytes = 3_000_000;
    let some = RingSettings { quota_bytes, ..settings(dir.path().join("ring")) };
    let mut tested = TestRing::open(some, disk).expect("ring");
    let (_runtime, to) = serve(&tested);
    assert_eq!(get(to, "/v1/courts/a/live.m3u8", "").0, 503, "nothing yet");
    tested.opened(SESSION);
    // By number, as they were listed first.
    let mut known: BTreeMap<u64, Stretch> = BTreeMap::new();
    let mut asked = MediaTime::from_millis(4_000);
    for item in flv::read(&file, SESSION, (320, 180)) {
        let at = match &item {
            StreamItem::Video(unit) => unit.dts,
            StreamItem::Audio(unit) => unit.pts,
            _ => continue,
        };
        tested.feed(item);
        if at < asked {
            continue;
        }
        asked = at.plus(std::time::Duration::from_secs(3));
        let (status, _, list) = get(to, "/v1/courts/a/live.m3u8?back=60", "");
        assert_eq!(status, 200, "at {at}");
        let list = String::from_utf8(list).expect("text");
        assert_eq!(list.matches("#EXT-X-DISCONTINUITY\n").count(), 0, "one session: {list}");
        let (first, listed) = entries(&list);
        for (number, entry) in (first..).zip(&listed) {
            let was = known.entry(number).or_insert_with(|| entry.clone());
            assert_eq!(was, entry, "{number} at {at}");
        }
        let newest = listed.last().expect("some");
        let (status, body) = bytes(to, newest);
        assert_eq!((status, body.len() as u64), (206, newest.2));
        assert_eq!(&body[4..8], b"free", "it begins with a fragment");
    }
    let numbers: Vec<u64> = known.keys().copied().collect();
    assert!(numbers.windows(2).all(|two| two[1] == two[0] + 1), "none is left out: {numbers:?}");
    assert!(numbers.len() > 190, "400 s in stretches of 2 s: {}", numbers.len());
    let oldest = known.first_key_value().expect("some").1;
    let (status, _, body) = get(to, &format!("/v1/courts/a/{}", oldest.0), "");
    let told = String::from_utf8_lossy(&body).into_owned();
    assert!(status == 410 && told.contains("evicted"), "{status} {told}");

    // What is left of it is one film to a player, over the borders of the ring's segments.
    let whole = "from=2027-01-15T07:00:00Z&to=2027-01-15T09:00:00Z";
    let list = format!("http://{to}/v1/courts/a/live.m3u8?{whole}");
    let (_, _, text) = get(to, &format!("/v1/courts/a/live.m3u8?{whole}"), "");
    let files: BTreeSet<String> = entries(&String::from_utf8(text).expect("text"))
        .1
        .into_iter()
        .map(|(file, ..)| file)
        .collect();
    assert!(files.len() >= 2, "{files:?}");
    let run = Command::new("ffprobe")
        .args(["-v", "warning", "-select_streams", "v", "-show_entries", "packet=dts_time"])
        .args(["-of", "csv=p=0", &list])
        .output()
        .expect("ffprobe");
    assert_eq!(String::from_utf8_lossy(&run.stderr), "");
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    let times: Vec<f64> =
        text.lines().map(|line| line.trim_matches(',').parse().expect("a time")).collect();
    assert!(times.len() >= 900, "{}", times.len());
    for two in times.windows(2) {
        assert!((two[1] - two[0] - 0.1).abs() < 0.002, "a picture each 0.1 s: {two:?}");
    }

    // Another session: a player begins anew there, with what stands before its fragments.
    tested.closed(SESSION);
    let other = SessionId::from_bits(0x52);
    tested.opened(other);
    let film = format!("-f lavfi -i testsrc=s=192x108:r=10 {SOUND} {X264} -t 10");
    let file = encode(dir.path(), &film.replace("-g 60", "-g 20"));
    for item in flv::read(&file, other, (192, 108)) {
        tested.feed(item);
    }
    let (_, _, list) = get(to, "/v1/courts/a/live.m3u8?back=20", "");
    let list = String::from_utf8(list).expect("text");
    assert_eq!(list.matches("#EXT-X-DISCONTINUITY\n#EXT-X-MAP").count(), 1, "{list}");
    let (first, listed) = entries(&list);
    let newest_before = numbers.last().expect("some");
    assert!(first <= newest_before + 2, "{first} after {newest_before}");
    assert!(first + listed.len() as u64 > *newest_before + 3);
    tested.join();
}
