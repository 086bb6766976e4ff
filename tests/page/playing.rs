//! A court that is recorded, played on the page: live, and back in time.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use courtside::clips::{ANSWERS_WITHIN, Pace, ReadTerms};
use courtside::clock::SystemClock;
use courtside::disk::RealDisk;
use courtside::http::{Access, Server};
use courtside::media::{MediaTime, SessionId, StreamItem};
use courtside::page::{Source, routes};
use serde_json::json;

use super::{Browser, Scripted, by_hand, one_court, terms};

#[path = "../support/flv.rs"]
mod flv;
#[path = "../support/ring.rs"]
#[expect(dead_code, reason = "of which other tests ask more")]
mod ring;

use ring::{TestRing, settings};

const SESSION: SessionId = SessionId::from_bits(0xaa);
/// Faster than a browser reads.
const UNHURRIED: u64 = 10_000_000_000;

/// A camera whose pictures come when the test wants them.
struct Camera {
    tested: TestRing,
    items: std::vec::IntoIter<StreamItem>,
    until: MediaTime,
}

impl Camera {
    fn of(dir: &std::path::Path) -> Self {
        let file = dir.join("film.flv");
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=s=640x360:r=25"])
            .args(["-f", "lavfi", "-i", "sine=440:r=44100", "-c:a", "aac", "-b:a", "64k"])
            .args(["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"])
            .args(["-pix_fmt", "yuv420p", "-g", "50", "-t", "120"])
            .arg(&file)
            .status();
        assert!(made.is_ok_and(|made| made.success()), "no ffmpeg here: `make test` installs it");
        let ring = settings(dir.join("ring"));
        let mut tested = TestRing::open(ring, Arc::new(RealDisk::new())).expect("ring");
        tested.opened(SESSION);
        let items = flv::read(&file, SESSION, (640, 360)).into_iter();
        Self { tested, items, until: MediaTime::ZERO }
    }

    /// Films for so many seconds.
    fn films(&mut self, seconds: u64) {
        self.until = self.until.plus(Duration::from_secs(seconds));
        let until = self.until;
        for item in self.items.by_ref() {
            let is_over = matches!(&item, StreamItem::Video(unit) if unit.dts >= until);
            self.tested.feed(item);
            if is_over {
                break;
            }
        }
    }
}

/// The page of a box with that camera.
fn served(camera: &Camera) -> (tokio::runtime::Runtime, String) {
    let source = Scripted::with_state(one_court());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("runtime");
    let any = ([127, 0, 0, 1], 0).into();
    let server = Server::bind(any, None, Access::Open, terms(&by_hand())).expect("bound");
    let url = format!("http://{}/", server.address());
    let pace = Pace::new(Arc::new(SystemClock::new()), UNHURRIED);
    let reading = ReadTerms { pace, wall: None, answers_within: ANSWERS_WITHIN };
    let recorded = courtside::clips::routes(camera.tested.ring.shelf(), reading);
    let app = routes(source as Arc<dyn Source>).merge(recorded);
    runtime.spawn(server.serve(app, std::future::pending()));
    (runtime, url)
}

#[test]
fn a_court_is_played_live_and_back_in_time() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut camera = Camera::of(dir.path());
    camera.films(20);
    let (_runtime, url) = served(&camera);
    let Some(mut browser) = Browser::open(&url, (1920, 1080)) else { return };
    let fetched =
        "performance.getEntriesByType('resource').some((one) => one.name.includes('/vendor/'))";
    browser.until("document.querySelectorAll('.court .play').length === 1");
    assert_eq!(browser.value(fetched), json!(false), "not before somebody plays");

    browser.value("document.querySelector('.court .play').click()");
    browser.value("window.video = document.querySelector('#recording video'); null");
    browser.until("video.readyState >= 3 && video.currentTime > 0");
    assert_eq!(browser.value(fetched), json!(true));
    // It begins near the end of what is recorded, and goes on as more is: no more comes by itself.
    browser.until("video.currentTime > 14");
    let reached = browser.value("video.currentTime").as_f64().expect("a time");
    assert!((14.0..20.5).contains(&reached), "{reached}");
    camera.films(12);
    browser.until(&format!("video.currentTime > {}", reached + 7.0));
    let told = browser.value("document.querySelector('#recording .said').textContent");
    assert!(told.as_str().is_some_and(|told| told.starts_with("Recorded ")), "{told}");
    browser.picture("recording-1920");

    // Back in time in the bar: to the beginning.
    browser.value("video.currentTime = video.seekable.start(0) + 1; null");
    browser.until("!video.seeking && video.readyState >= 3");
    browser.until("(([now, from]) => now > from + 2 && now < from + 12)([video.currentTime, video.seekable.start(0)])");
    // And to live again.
    browser.value("document.querySelector('#recording .live').click()");
    browser.until(&format!("video.currentTime > {}", reached + 3.0));

    // To a time of day. The clock of the test stands at 2027-01-15T08:00:00Z when the film begins.
    browser.value(
        "(() => {
          const then = new Date(Date.UTC(2027, 0, 15, 8, 0, 5));
          const local = new Date(then.getTime() - then.getTimezoneOffset() * 60000).toISOString();
          document.querySelector('#recording input').value = local.slice(0, 19);
          document.querySelector('#recording form').requestSubmit();
        })()",
    );
    browser
        .until("Number.isFinite(video.duration) && video.duration > 20 && video.currentTime > 1");
    let told = browser.value("document.querySelector('#recording .said').textContent");
    assert!(told.as_str().is_some_and(|told| told.contains("2027")), "{told}");
    assert_eq!(
        browser.value("document.querySelector('#recording .live').getAttribute('aria-pressed')"),
        json!("false")
    );
    browser.resize((390, 844));
    let overflow = "document.documentElement.scrollWidth - innerWidth";
    assert_eq!(browser.value(overflow), json!(0), "a phone");
    browser.picture("recording-phone");
    browser.value("document.querySelector('#recording .close').click()");
    browser.until("!video.hasAttribute('src') && !document.querySelector('#recording').open");
    camera.tested.join();
}

#[test]
fn a_court_of_which_nothing_is_recorded_says_so_and_plays_once_there_is_something() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut camera = Camera::of(dir.path());
    let (_runtime, url) = served(&camera);
    let Some(mut browser) = Browser::open(&url, (1280, 800)) else { return };
    browser.until("document.querySelectorAll('.court .play').length === 1");
    browser.value("document.querySelector('.court .play').click()");
    browser.until(
        "document.querySelector('#recording .said').textContent.startsWith('nothing is recorded')",
    );
    camera.films(12);
    browser.until("document.querySelector('#recording video').currentTime > 1");
    camera.tested.join();
}
