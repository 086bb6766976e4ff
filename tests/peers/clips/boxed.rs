//! A ring of a box that is served on loopback, ended, and served again.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use courtside::clips::{ANSWERS_WITHIN, Pace, ReadTerms};
use courtside::clock::SystemClock;
use courtside::disk::RealDisk;
use courtside::media::SessionId;

use super::{SESSION, SOUND, encode, flv};
use crate::ring::{TestRing, settings};

/// Faster than any test reads.
const UNHURRIED: u64 = 10_000_000_000;
pub(super) const X264: &str =
    "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 60 -tune zerolatency";

pub(super) fn unhurried() -> ReadTerms {
    let pace = Pace::new(Arc::new(SystemClock::new()), UNHURRIED);
    ReadTerms { pace, wall: None, answers_within: ANSWERS_WITHIN }
}

/// Films 12 s into the ring of `dir`, and cuts three clips of them.
pub(super) fn record(dir: &Path) {
    record_clips(dir, &[(2_500, 8_000), (500, 3_000), (6_000, 11_000)]);
}

/// Films 12 s into the ring of `dir`, and cuts clips of these milliseconds.
pub(super) fn record_clips(dir: &Path, intervals: &[(i64, i64)]) {
    let film = format!("-f lavfi -i testsrc=s=320x180:r=30 {SOUND} {X264} -t 12");
    let file = encode(dir, &film);
    let disk = Arc::new(RealDisk::new());
    let mut tested = TestRing::open(settings(dir.join("ring")), disk).expect("ring");
    tested.opened(SESSION);
    for item in flv::read(&file, SESSION, (320, 180)) {
        tested.feed(item);
    }
    for (n, interval) in (1..).zip(intervals) {
        tested.request(&format!("a-{SESSION}-shot-{n}"), SESSION, *interval);
    }
    tested.closed(SESSION);
    assert_eq!(tested.told().len(), intervals.len());
    tested.join();
}

/// A box on what is in `dir`.
pub(super) struct Boxed {
    runtime: Option<tokio::runtime::Runtime>,
    tested: Option<TestRing>,
    pub(super) address: SocketAddr,
}

impl Boxed {
    pub(super) fn on(dir: &Path) -> Self {
        let disk = Arc::new(RealDisk::new());
        let mut tested = TestRing::open(settings(dir.join("ring")), disk).expect("ring");
        tested.ring.start().expect("threads");
        Self::serving(tested)
    }

    /// Serves a ring; who feeds it keeps it.
    pub(super) fn serving(tested: TestRing) -> Self {
        let (runtime, address) = serve(&tested);
        Self { runtime: Some(runtime), tested: Some(tested), address }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Serves what is of a ring.
pub(super) fn serve(tested: &TestRing) -> (tokio::runtime::Runtime, SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("tokio");
    let state = || async { axum::Json(serde_json::json!({"box": "rim-1"})) };
    let routes = courtside::clips::routes(tested.ring.shelf(), unhurried())
        .route("/v1/state", axum::routing::get(state));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("port");
    let address = listener.local_addr().expect("bound");
    runtime.spawn(async move { axum::serve(listener, routes).await });
    (runtime, address)
}

impl Drop for Boxed {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        if let Some(tested) = self.tested.take() {
            tested.join();
        }
    }
}

/// The session of what was filmed, as games are called.
pub(super) fn game() -> String {
    let session: SessionId = SESSION;
    session.to_string()
}
