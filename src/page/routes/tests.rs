//! The page's data, asked for over a socket.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, watch};

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::event::box_status::BoxStatus;
use crate::http::{Access, Server, Terms};
use crate::media::{ChromaLayout, Frame, UtcTime};
use crate::page::picture;
use crate::page::source::{Said, SentEvent, Stored};

fn status() -> BoxStatus {
    let told = serde_json::json!({
        "box": "rim-1", "version": "0.1.0", "streams": {}, "models": {"bundles": []},
        "clock": {"plausible": true, "courts": []},
    });
    BoxStatus::read(&told).expect("a state")
}

/// Of a box at its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    ToCome,
    Late,
    Done,
}

struct Scripted {
    stored: Mutex<Vec<SentEvent>>,
    live: broadcast::Sender<SentEvent>,
    replays: Mutex<usize>,
    theme: PathBuf,
    /// Whether it was looked at.
    looked: watch::Sender<Look>,
}

impl Scripted {
    /// Holds events at odd positions, as a store does that gave some up.
    fn holding(count: u64) -> Arc<Self> {
        let event = |n: u64| SentEvent { position: n * 2 + 1, json: format!("{{\"n\":{n}}}") };
        Arc::new(Self {
            stored: Mutex::new((0..count).map(event).collect()),
            live: broadcast::channel(4).0,
            replays: Mutex::new(0),
            theme: PathBuf::from("nowhere/overlay.css"),
            looked: watch::Sender::new(Look::Done),
        })
    }

    fn commit(&self, position: u64) {
        let event = SentEvent { position, json: format!("{{\"live\":{position}}}") };
        self.stored.lock().push(event.clone());
        drop(self.live.send(event));
    }
}

impl Source for Scripted {
    fn has_court(&self, court: &CourtId) -> bool {
        court.as_str() != "nowhere"
    }

    fn snapshot(&self, court: &CourtId) -> Option<Arc<Frame>> {
        let drawn =
            || picture::tests::drawn((64, 36), 0, ChromaLayout::Nv12, |_, _| [100, 90, 160]);
        (court.as_str() == "a").then(drawn)
    }

    fn status(&self) -> Option<Arc<BoxStatus>> {
        (*self.looked.borrow() == Look::Done).then(|| Arc::new(status()))
    }

    fn looked_at(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            drop(self.looked.subscribe().wait_for(|looked| *looked != Look::ToCome).await);
        })
    }

    fn utc(&self) -> UtcTime {
        UtcTime::from_nanos(1_790_000_000_123_456_789)
    }

    fn overlay_css(&self) -> PathBuf {
        self.theme.clone()
    }

    fn subscribe(&self) -> broadcast::Receiver<SentEvent> {
        self.live.subscribe()
    }

    fn replay(&self, after: u64, limit: usize) -> Stored<'_> {
        *self.replays.lock() += 1;
        let stored = self.stored.lock();
        let found: Vec<_> =
            stored.iter().filter(|event| event.position > after).take(limit).cloned().collect();
        Box::pin(std::future::ready(found))
    }

    fn verdict(&self, fact: FactId, verdict: VerdictWord) -> Said<'_> {
        assert!(VerdictWord::ALL.contains(&verdict), "another word comes no further");
        let said = match fact.n {
            1 => Ok(()),
            2 => Err(Refused::Off),
            3 => Err(Refused::Busy("no space left".to_owned())),
            _ => Err(Refused::Unknown),
        };
        Box::pin(std::future::ready(said))
    }
}

fn served<F: Future<Output = ()>>(source: &Arc<Scripted>, asking: impl FnOnce(SocketAddr) -> F) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("runtime").block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let (any, terms) = (([127, 0, 0, 1], 0).into(), Terms::usual(&clock));
        let server = Server::bind(any, None, Access::Open, terms).expect("bound");
        let address = server.address();
        let source: Arc<dyn Source> = Arc::clone(source) as _;
        let serving = tokio::spawn(server.serve(routes(source), std::future::pending()));
        asking(address).await;
        serving.abort();
    });
}

async fn open(address: SocketAddr, path: &str, more: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{more}\r\n");
    stream.write_all(request.as_bytes()).await.expect("written");
    stream
}

async fn ask(address: SocketAddr, path: &str) -> String {
    let mut answer = Vec::new();
    let mut stream = open(address, path, "Connection: close\r\n").await;
    stream.read_to_end(&mut answer).await.expect("read");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The next `count` data lines of an event stream.
async fn data(lines: &mut tokio::io::Lines<BufReader<TcpStream>>, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    while found.len() < count {
        let line = lines.next_line().await.expect("read").expect("more to come");
        if let Some(data) = line.strip_prefix("data: ") {
            found.push(data.to_owned());
        }
    }
    found
}

#[test]
fn files_state_and_pictures_are_served() {
    served(&Scripted::holding(0), |address| async move {
        for (path, status, holds) in [
            ("/", "200", "<title>Courtside</title>"),
            ("/page.css", "200", "text/css"),
            ("/script/page.js", "200", "text/javascript"),
            ("/v1/state", "200", "\"box\":\"rim-1\","),
            ("/v1/courts/a/snapshot.jpg", "200", "image/jpeg"),
            ("/v1/courts/b/snapshot.jpg", "503", "does not publish"),
            ("/v1/courts/nowhere/snapshot.jpg", "404", "no court of that name"),
            ("/v1/courts/No%20Name/snapshot.jpg", "404", "no court of that name"),
            ("/v1/events?after=x", "400", "after"),
        ] {
            let answer = ask(address, path).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
            assert!(answer.contains(holds), "{path}: {answer}");
        }
    });
}

#[test]
fn a_verdict_is_taken_or_refused_with_what_to_do() {
    served(&Scripted::holding(0), |address| async move {
        let made = "{\"verdict\":\"made\"}";
        for (fact, body, status, holds) in [
            ("00000000000000aa-1", made, "200", "\"fact\":\"00000000000000aa-1\""),
            ("00000000000000aa-1", "{\"verdict\":\"none\"}", "200", "\"verdict\":\"none\""),
            ("00000000000000aa-1", "{\"verdict\":\"perhaps\"}", "400", "missed"),
            (
                "00000000000000aa-1",
                "{\"verdict\":\"made\",\"x\":1}",
                "400",
                "application/problem+json",
            ),
            ("00000000000000aa-1", "made", "400", "missed"),
            ("00000000000000aa-1", "", "400", "missed"),
            ("00000000000000aa-2", made, "409", "[detect]"),
            ("00000000000000aa-3", made, "503", "no space left"),
            ("00000000000000aa-4", made, "404", "no final shot"),
            ("nonsense", made, "404", "no final shot"),
        ] {
            let path = format!("/v1/events/{fact}/verdict");
            let length = body.len();
            let request = format!(
                "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
                 Content-Length: {length}\r\n\r\n{body}"
            );
            let mut stream = TcpStream::connect(address).await.expect("connected");
            stream.write_all(request.as_bytes()).await.expect("written");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("read");
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{fact} {body}: {answer}");
            assert!(answer.contains(holds), "{fact} {body}: {answer}");
        }
    });
}

#[test]
fn stored_events_come_first_and_none_comes_twice() {
    let source = Scripted::holding(5);
    served(&source, |address| {
        let source = Arc::clone(&source);
        async move {
            let stream = open(address, "/v1/events?after=4", "").await;
            let mut lines = BufReader::new(stream).lines();
            assert_eq!(data(&mut lines, 3).await, ["{\"n\":2}", "{\"n\":3}", "{\"n\":4}"]);
            source.commit(11);
            assert_eq!(data(&mut lines, 1).await, ["{\"live\":11}"]);
            // The browser was cut off and comes back where it was.
            let stream = open(address, "/v1/events?last=60", "Last-Event-ID: 9\r\n").await;
            let mut lines = BufReader::new(stream).lines();
            assert_eq!(data(&mut lines, 1).await, ["{\"live\":11}"]);
            source.commit(12);
            assert_eq!(data(&mut lines, 1).await, ["{\"live\":12}"]);
        }
    });
}

#[test]
fn the_newest_are_found_without_reading_all() {
    let source = Scripted::holding(100_000);
    served(&source, |address| {
        let source = Arc::clone(&source);
        async move {
            let stream = open(address, "/v1/events?last=4&state=1", "").await;
            let mut lines = BufReader::new(stream).lines();
            let told = data(&mut lines, 3).await;
            let state = status().json().to_string();
            assert_eq!(told, [state.as_str(), "{\"n\":99998}", "{\"n\":99999}"]);
            assert!(*source.replays.lock() < 64, "asked {} times", source.replays.lock());
        }
    });
}

#[test]
fn a_watcher_that_falls_behind_is_given_what_is_stored() {
    let source = Scripted::holding(0);
    served(&source, |address| {
        let source = Arc::clone(&source);
        async move {
            let stream = open(address, "/v1/events?state=1", "").await;
            let mut lines = BufReader::new(stream).lines();
            // With the state told he is subscribed; now comes more than the channel holds.
            data(&mut lines, 1).await;
            for position in 1..60 {
                source.commit(position);
            }
            let mut last = 0;
            while last < 59 {
                let told = data(&mut lines, 1).await;
                let value: serde_json::Value = serde_json::from_str(&told[0]).expect("JSON");
                let position = value["live"].as_u64().expect("a position");
                assert!(position == last + 1, "{position} after {last}");
                last = position;
            }
        }
    });
}

#[test]
fn one_guest_has_so_many_streams_and_no_more() {
    served(&Scripted::holding(0), |address| async move {
        let mut streams = Vec::new();
        for _ in 0..STREAMS.each {
            let mut stream = open(address, "/v1/events", "").await;
            let mut head = [0; 12];
            stream.read_exact(&mut head).await.expect("answered");
            assert_eq!(&head, b"HTTP/1.1 200");
            streams.push(stream);
        }
        let answer = ask(address, "/v1/events").await;
        assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
        assert!(answer.contains("you have 240 event streams at once"), "{answer}");
        streams.pop();
        // One that was given up is there again, as soon as its end is seen.
        loop {
            let mut stream = open(address, "/v1/events", "").await;
            let mut head = [0; 12];
            stream.read_exact(&mut head).await.expect("answered");
            if &head == b"HTTP/1.1 200" {
                break;
            }
        }
    });
}

#[test]
fn a_watcher_who_takes_nothing_loses_his_place_with_words() {
    use http_body_util::BodyExt;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("runtime").block_on(async {
        let source = Scripted::holding(100);
        let streams = Streams::impatient(source, std::time::Duration::from_millis(20));
        let streams = Arc::new(streams);
        let response = streams.open(events::From::After(0), true);
        // Nobody reads: the task that tells gives up.
        while Arc::strong_count(&streams) > 1 {
            tokio::task::yield_now().await;
        }
        let told = response.into_body().collect().await.expect("it ends").to_bytes();
        let told = String::from_utf8_lossy(&told);
        assert_eq!(
            told.matches("\nid: ").count() + told.matches("event: state").count(),
            16,
            "{told}"
        );
        let last = told.trim_end().lines().rev().nth(1);
        assert_eq!(last, Some("event: slow"), "{told}");
        assert!(told.contains("Last-Event-ID"), "{told}");
    });
}

#[test]
fn what_the_table_lets_in_is_read_here_and_nothing_else() {
    use crate::http::refused;
    let said = refused::<Asked>("/v1/events");
    assert!(said("from").is_some_and(|said| said.contains("`after`, `last`, `state`")));
}

#[test]
fn who_asks_for_the_state_of_a_box_that_starts_waits_for_the_first_look_or_is_told_to_come_again() {
    let source = Scripted::holding(0);
    source.looked.send_replace(Look::Late);
    served(&source, |address| async move {
        // Nobody looks: no state is no answer.
        let late = ask(address, "/v1/state").await;
        assert!(late.starts_with("HTTP/1.1 503"), "{late}");
        assert!(late.contains("retry-after: 1") && !late.ends_with("null"), "{late}");
    });
    let looks = Arc::clone(&source);
    looks.looked.send_replace(Look::ToCome);
    served(&source, |address| async move {
        let mut stream = open(address, "/v1/state", "Connection: close\r\n").await;
        let waits = tokio::spawn(async move {
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.expect("read");
            String::from_utf8_lossy(&answer).into_owned()
        });
        looks.looked.send_replace(Look::Done);
        let answer = waits.await.expect("answered");
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains("\"box\":\"rim-1\""),
            "{answer}"
        );
    });
}
