//! The operator's page in a real browser: headless Chromium, driven over a pipe.
//!
//! `COURTSIDE_SCREENSHOTS=DIR` keeps pictures of what it looked like.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "waits for a real browser, by the real clock")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::{get, post};
use courtside::clock::{Clock, ManualClock, SystemClock};
use courtside::event::FactId;
use courtside::event::box_status::BoxStatus;
use courtside::event::command::Role;
use courtside::event::words::{
    CalibrationMode, LearntFrom, ModelCondition, RelayCondition, StorageCondition, StreamCondition,
    VerdictWord,
};
use courtside::http::{Access, Server, Terms, Tokens};
use courtside::media::{
    ChromaLayout, CourtId, CpuPicture, Frame, MediaTime, Monotonic, Pixels, Plane, SessionId,
    UtcTime,
};
use courtside::page::{Refused, Said, SentEvent, Source, Stored, routes};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::broadcast;

#[path = "page/played.rs"]
mod played;
#[path = "page/operate.rs"]
mod operate;
#[path = "page/stands.rs"]
mod stands;
#[path = "page/overlay.rs"]
mod overlay;
#[cfg(feature = "gstreamer")]
#[path = "page/real.rs"]
mod real;
#[cfg(feature = "gstreamer")]
#[path = "page/floor.rs"]
mod floor;
#[path = "page/playing.rs"]
mod playing;

const SIZE: (u32, u32) = (1280, 720);

/// A gymnasium of a few flat colours: enough to see that the picture and the rims are in place.
#[derive(Debug)]
struct Gym {
    planes: [Vec<u8>; 3],
}

impl Gym {
    fn drawn() -> Self {
        let (width, height) = SIZE;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let byte = |value: f64| value.clamp(0.0, 255.0) as u8;
        let pixel = |x: u32, y: u32| -> [u8; 3] {
            let (x, y) = (f64::from(x), f64::from(y));
            let inside = |cx: f64, cy: f64, rx: f64, ry: f64| ((x - cx) / rx).hypot((y - cy) / ry);
            let ring = |cx: f64| {
                let at = inside(cx, 199.0, 22.0, 11.0);
                (0.8..1.15).contains(&at)
            };
            let board =
                |cx: f64| (cx - 60.0..cx + 60.0).contains(&x) && (108.0..192.0).contains(&y);
            if ring(634.0) || ring(1034.0) {
                [130, 80, 190]
            } else if board(634.0) || board(1034.0) {
                [205, 128, 126]
            } else if inside(700.0, 140.0, 12.0, 12.0) < 1.0 {
                [140, 70, 185]
            } else if y > 520.0 {
                [byte(150.0 - (y - 520.0) / 8.0), 108, 146]
            } else {
                [byte(60.0 + y / 12.0), 132, 124]
            }
        };
        let plane = |index: usize, step: u32| {
            let rows = (0..height).step_by(step as usize);
            rows.flat_map(|y| (0..width).step_by(step as usize).map(move |x| pixel(x, y)[index]))
                .collect()
        };
        Self { planes: [plane(0, 1), plane(1, 2), plane(2, 2)] }
    }
}

impl CpuPicture for Gym {
    fn chroma(&self) -> ChromaLayout {
        ChromaLayout::I420
    }

    fn plane(&self, index: usize) -> Option<Plane<'_>> {
        let stride = if index == 0 { SIZE.0 } else { SIZE.0 / 2 };
        self.planes.get(index).map(|bytes| Plane { bytes, stride: stride as usize })
    }
}

/// The state as a box would say it: a word or a key that is none of ours fails here.
fn typed(state: &Value) -> BoxStatus {
    let status = BoxStatus::read(state).expect("a state");
    assert_eq!(status.json(), *state, "not as a box says it");
    status
}

/// A box that says what the test wants.
struct Scripted {
    state: Mutex<Arc<BoxStatus>>,
    stored: Mutex<Vec<SentEvent>>,
    live: broadcast::Sender<SentEvent>,
    frame: Arc<Frame>,
    clip_asked: AtomicU64,
    said: Mutex<Vec<(String, VerdictWord)>>,
    /// What a technician asked of a court's service, and with what.
    asked: Mutex<Vec<(String, Value)>>,
    /// Where a venue's looks of the overlay would lie.
    theme: Mutex<std::path::PathBuf>,
}

impl Scripted {
    fn with_state(state: Value) -> Arc<Self> {
        let frame = Frame {
            court: CourtId::new("a").expect("a name"),
            session: SessionId::from_bits(1),
            pts: MediaTime::ZERO,
            width: SIZE.0,
            height: SIZE.1,
            arrival: Monotonic::ZERO,
            decoded: Monotonic::ZERO,
            pixels: Pixels::Cpu(Box::new(Gym::drawn())),
        };
        Arc::new(Self {
            state: Mutex::new(Arc::new(typed(&state))),
            stored: Mutex::default(),
            live: broadcast::channel(64).0,
            frame: Arc::new(frame),
            clip_asked: AtomicU64::new(0),
            said: Mutex::default(),
            asked: Mutex::default(),
            theme: Mutex::default(),
        })
    }

    fn tell(&self, court: &str, kind: &str, fact: u64, revision: u32, data: Value) {
        let mut stored = self.stored.lock();
        let position = stored.len() as u64 + 1;
        let envelope = json!({
            "specversion": "1.0", "id": format!("00000000000000aa-{fact}.{revision}"),
            "source": format!("courtside:rim-1/{court}"), "type": format!("courtside.{kind}.v1"),
            "time": format!("2026-11-22T17:{:02}:{:02}.400Z", 10 + position / 60, position % 60),
            "datacontenttype": "application/json", "subject": fact.to_string(),
            "sequence": position.to_string(), "session": "00000000000000aa",
            "fact": format!("00000000000000aa-{fact}"), "revision": revision, "historical": false,
            "clocksource": "arrival", "clockerrorms": 40, "data": data,
        });
        let event = SentEvent { position, json: envelope.to_string() };
        stored.push(event.clone());
        drop(self.live.send(event));
    }

    fn shot(&self, court: &str, made: bool, fact: u64, revision: u32) {
        let kind = if made { "shot.made" } else { "shot.missed" };
        let mut data = json!({
            "rim": 0, "t_stream": 12.3, "t_decided": 12.7, "confidence": 0.94,
            "provisional": revision == 0, "model": {"bundle": "rimnet", "version": "0.1.0",
            "precision": "fp32", "engine": "builtin"}, "latency_ms": 21.4,
        });
        if made && revision > 0 {
            data["clip"] = json!(format!("/v1/clips/{court}-00000000000000aa-{fact}"));
        }
        self.tell(court, kind, fact, revision, data);
    }

    fn score(&self, court: &str, fact: u64, made: &[u32], attempts: &[u32]) {
        self.tell(court, "score", fact, 0, json!({"made": made, "attempts": attempts}));
    }

    fn set(&self, change: impl FnOnce(&mut Value)) {
        let mut state = self.state.lock();
        let mut changed = state.json();
        change(&mut changed);
        *state = Arc::new(typed(&changed));
    }
}

impl Source for Scripted {
    fn has_court(&self, court: &CourtId) -> bool {
        self.state.lock().streams.contains_key(court.as_str())
    }

    fn snapshot(&self, court: &CourtId) -> Option<Arc<Frame>> {
        let live = self.state.lock().is_live(court.as_str());
        live.then(|| Arc::clone(&self.frame))
    }

    fn status(&self) -> Option<Arc<BoxStatus>> {
        Some(Arc::clone(&self.state.lock()))
    }

    fn looked_at(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }

    fn utc(&self) -> UtcTime {
        SystemClock::new().utc()
    }

    fn overlay_css(&self) -> std::path::PathBuf {
        self.theme.lock().clone()
    }

    fn subscribe(&self) -> broadcast::Receiver<SentEvent> {
        self.live.subscribe()
    }

    fn replay(&self, after: u64, limit: usize) -> Stored<'_> {
        let stored = self.stored.lock();
        let found: Vec<_> =
            stored.iter().filter(|event| event.position > after).take(limit).cloned().collect();
        Box::pin(std::future::ready(found))
    }

    /// The shot 7 is none that it knows.
    fn verdict(&self, fact: FactId, verdict: VerdictWord) -> Said<'_> {
        let said = if fact.n == 7 { Err(Refused::Unknown) } else { Ok(()) };
        if said.is_ok() {
            self.said.lock().push((fact.to_string(), verdict));
            let (fact, verdict) = (fact.to_string(), json!(verdict));
            self.set(|state| state["calibration"]["courts"]["a"][0]["said"][fact] = verdict);
        }
        Box::pin(std::future::ready(said))
    }
}

fn stream(condition: &str, rims: Value) -> Value {
    json!({
        "condition": condition, "session": "00000000000000aa", "publisher": "192.0.2.17:50112",
        "encoder": "Lavf61.7.100", "codec": "H.264", "width": 1280, "height": 720, "fps": 29.97,
        "bitrate_kbps": 4210.0, "key_interval_s": 2.0, "audio": "aac", "decoder": "avdec_h264 (no GPU here)",
        "ring_px": [44.0], "advice": [], "fault": null, "pictures": 5310, "answers": 5310, "dropped": 0,
        "rims": rims, "rims_of": [1280, 720], "score": null,
    })
}

fn one_court() -> Value {
    json!({
        "box": "rim-1", "version": "0.1.0",
        "streams": {"a": stream("live", json!([{"x": 612.0, "y": 188.0, "w": 44.0, "h": 22.0}]))},
        "models": {"bundles": [{"name": "rimnet", "version": "0.1.0", "condition": "ready",
            "engine": "builtin", "reason": null, "inference_ms": 1.9}]},
        "storage": {"condition": "recording", "reason": null, "ring_bytes": 12_400_000_000_u64,
            "quota_bytes": 80_000_000_000_u64, "pinned_bytes": 0, "free_bytes": 0, "clips": 3},
        "uplink": {"connected": true, "acknowledges": true, "outbox_events": 0, "outbox_oldest_seconds": 0.0, "parked": 0,
            "refused": null, "shed": 0, "another_box": false, "fault": null, "disk_fault": null, "trouble": null, "lost": null,
            "no_retained": false, "outbox_bytes": 0, "outbox_share": 0.0, "shed_telemetry": 0},
        "clock": {"plausible": true, "courts": []}, "admission": {"faults": []},
        "calibration": {"mode": "off", "courts": {}}, "ledger": {"hops": 0, "unbalanced": []},
        "service": {"in_service": false, "courts": {}, "checks": []},
        "update": {"step": "idle", "slots": false, "bytes": 0, "total": 0, "good": 0, "fallen_back": 0, "failed": 0},
        "uploads": {"running": [], "parts": 0, "again": 0, "refused": 0, "done": 0, "sent_bytes": 0, "acknowledged_bytes": 0,
            "allowed_bits_per_second": 0},
        "host": {"clock": {"watched_s": 0, "moved_ms": 0, "steps": 0}},
    })
}

/// Its court waits for somebody who looks at its rims, and for a camera without B-frames.
fn not_in_service() -> Value {
    let since = "2026-11-22T17:10:00.000Z";
    let passed = |check: &str, figure: &str| json!({"check": check, "state": "passed", "since": since, "figure": figure});
    json!({"in_service": false, "courts": {"a": {"in_service": false, "by": "nothing", "since": since, "checks": [
        {"check": "camera", "state": "failed", "since": since, "code": "b_frames",
            "text": "the camera sends B-frames", "todo": "switch B-frames off in the camera"},
        passed("decodes", "avdec_h264 (no GPU here)"),
        {"check": "rim", "state": "waiting", "since": since, "text": "nobody has looked yet whether its rims are where the rings are", "todo": "Rims → Find, look at the picture, Confirm"},
        passed("width", "44 pixels"), passed("model", "5310 answers of rimnet, 1.9 ms a picture and rim"),
    ]}}, "checks": [
        {"check": "broker", "state": "passed", "since": since}, {"check": "clock", "state": "passed", "since": since},
    ]})
}

/// A page that is served while the value lives.
struct Served {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

/// A clock that stands still; only sessions go by it.
fn by_hand() -> ManualClock {
    ManualClock::at(UtcTime::from_nanos(1_800_000_000_000_000_000))
}

fn terms(clock: &ManualClock) -> Terms {
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    Terms::usual(&clock)
}

fn served(source: &Arc<Scripted>, clip: Option<Vec<u8>>) -> Served {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("runtime");
    let any = ([127, 0, 0, 1], 0).into();
    let server = Server::bind(any, None, Access::Open, terms(&by_hand())).expect("bound");
    let address = server.address();
    let asked = Arc::clone(source);
    let media = move || {
        let (clip, asked) = (clip.clone(), Arc::clone(&asked));
        async move {
            // As long as a clip is cut there is none: the first two who ask get that.
            match clip {
                Some(clip) if asked.clip_asked.fetch_add(1, Ordering::SeqCst) >= 2 => {
                    (StatusCode::OK, [(header::CONTENT_TYPE, "video/mp4")], clip)
                }
                _ => (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/plain")], Vec::new()),
            }
        }
    };
    let app: Router = routes(Arc::clone(source) as Arc<dyn Source>)
        .merge(Router::new().route("/v1/clips/{id}/media", get(media)))
        .merge(Router::new().route("/v1/models/disagreements", get(disagreements)))
        .merge(asked_of_service("check"))
        .merge(asked_of_service("confirm"))
        .merge(asked_of_service("override"))
        .merge(asked_of_clips())
        .layer(axum::Extension(Arc::clone(source)));
    runtime.spawn(server.serve(app, std::future::pending()));
    Served { address, _runtime: runtime }
}

/// A route as the box has it: what has no rule is asked by nobody.
fn asked_of_service(what: &'static str) -> Router {
    let answer = move |source, body| service(what, source, body);
    Router::new().route(&format!("/v1/courts/{{court}}/service/{what}"), post(answer))
}

/// What the box answers a technician. It sees the ring 400 pixels to the right of where it is drawn.
async fn service(
    what: &'static str,
    axum::Extension(source): axum::Extension<Arc<Scripted>>,
    body: String,
) -> axum::Json<Value> {
    let body = serde_json::from_str(&body).expect("JSON");
    source.asked.lock().push((what.to_owned(), body));
    axum::Json(match what {
        "check" => json!({"rims": [[1012.0, 188.0, 44.0, 22.0]], "rims_of": [1280, 720],
            "rings": [{"score": 0.9}, {"score": 0.7}]}),
        _ => json!({"in_service": what == "confirm", "checks": []}),
    })
}

/// What changes clips: each is remembered, and answered as the box does.
fn asked_of_clips() -> Router {
    type Of = axum::Extension<Arc<Scripted>>;
    let remember = |what: &'static str| {
        move |axum::Extension(source): Of, body: String| async move {
            let body = serde_json::from_str(&body).unwrap_or(Value::Null);
            source.asked.lock().push((what.to_owned(), body));
            match what {
                // The reserve has room for one.
                "new"
                    if source.asked.lock().iter().filter(|(what, _)| what == "new").count() > 1 =>
                {
                    let detail = "its segments need 9 bytes, and 5 of 10 are pinned";
                    (StatusCode::INSUFFICIENT_STORAGE, axum::Json(json!({ "detail": detail })))
                }
                "new" => (StatusCode::CREATED, axum::Json(json!({"id": "a-x", "note": null}))),
                _ => (StatusCode::OK, axum::Json(json!({"bytes": 1234}))),
            }
        }
    };
    Router::new()
        .route("/v1/clips", post(remember("new")))
        .route("/v1/clips/{id}", axum::routing::delete(remember("delete")))
        .route("/v1/clips/{id}/keep", post(remember("keep")))
        .route("/v1/clips/{id}/release", post(remember("release")))
}

/// Two attempts at which two models said otherwise.
async fn disagreements() -> axum::Json<Value> {
    let said = |bundle: &str, call: &str, probability: Option<f64>| json!({"bundle": bundle, "version": "0.6.0", "call": call, "probability": probability});
    let split = |second: u32, other: Value| {
        json!({"time": format!("2026-11-22T17:41:{second}.400Z"), "court": "a", "rim": 0,
            "session": "00000000000000aa", "t_stream": 12.3, "live": said("rimnet", "made", Some(0.91)),
            "other": other, "clip": format!("a-00000000000000aa-disagreement-0-{second}")})
    };
    let list = [
        split(40, said("rimnet-tuned", "missed", Some(0.83))),
        split(12, said("rimnet-tuned", "nothing", None)),
    ];
    axum::Json(json!({"disagreements": list}))
}

/// A browser of our own, spoken to in the DevTools protocol over its standard streams.
struct Browser {
    child: Child,
    out: BufReader<Box<dyn Read>>,
    session: String,
    asked: u64,
    /// Frames that were painted, as long as they are asked for; not looked at yet.
    frames: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// `None` where there is no Chromium.
    fn open(url: &str, size: (u32, u32)) -> Option<Self> {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let found = |name: &&&str| {
            Command::new(name)
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok()
        };
        let Some(name) = names.iter().find(found) else {
            // A test that looks at nothing must not pass by accident.
            assert!(
                std::env::var_os("COURTSIDE_WITHOUT_BROWSER").is_some(),
                "no Chromium here: `make test` installs it; COURTSIDE_WITHOUT_BROWSER=1 leaves it out"
            );
            eprintln!("no Chromium here: the page was not looked at");
            return None;
        };
        let profile = tempfile::tempdir().expect("a folder");
        // The protocol runs on descriptors 3 and 4; a shell puts our pipes there.
        let script = "exec \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null";
        let mut child = Command::new("sh")
            .args(["-c", script, "sh", name, "--headless", "--no-sandbox", "--disable-gpu"])
            .args(["--disable-quic", "--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync", "--remote-debugging-pipe"])
            .args(["--autoplay-policy=no-user-gesture-required", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let out: Box<dyn Read> = Box::new(child.stdout.take().expect("piped"));
        let mut browser = Self {
            child,
            out: BufReader::new(out),
            session: String::new(),
            asked: 0,
            frames: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attached = browser.call(
            "Target.attachToTarget",
            &json!({"targetId": target["targetId"], "flatten": true}),
        );
        browser.session = attached["sessionId"].as_str().expect("a session").to_owned();
        browser.resize(size);
        browser.call("Page.enable", &json!({}));
        browser.call("Page.navigate", &json!({"url": url}));
        Some(browser)
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.try_call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn try_call(&mut self, method: &str, params: &Value) -> Result<Value, Value> {
        self.asked += 1;
        let mut request = json!({"id": self.asked, "method": method, "params": params});
        if !self.session.is_empty() {
            request["sessionId"] = json!(self.session);
        }
        let stdin = self.child.stdin.as_mut().expect("piped");
        stdin.write_all(format!("{request}\0").as_bytes()).expect("written");
        stdin.flush().expect("flushed");
        loop {
            let mut message = Vec::new();
            self.out.read_until(0, &mut message).expect("read");
            message.pop();
            let message: Value = serde_json::from_slice(&message).expect("the browser went away");
            if message["method"] == "Page.screencastFrame" {
                self.frames.push(message["params"].clone());
            }
            if message["id"] == self.asked {
                return match message["error"].is_null() {
                    true => Ok(message["result"].clone()),
                    false => Err(message["error"].clone()),
                };
            }
        }
    }

    fn resize(&mut self, (width, height): (u32, u32)) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
    }

    fn value(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let result = self.call("Runtime.evaluate", &asked);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true, on whatever page comes meanwhile.
    fn until(&mut self, expression: &str) {
        let began = Instant::now();
        let asked =
            format!("(() => {{ try {{ return {expression}; }} catch {{ return false; }} }})()");
        // A page that goes while it is asked says nothing.
        let tried = |browser: &mut Self, expression: &str| {
            let asked =
                json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
            browser.try_call("Runtime.evaluate", &asked)
        };
        while !tried(self, &asked).is_ok_and(|told| told["result"]["value"] == json!(true)) {
            let body = |browser: &mut Self| browser.value("document.body.innerText");
            assert!(began.elapsed() < Duration::from_secs(30), "{expression}\n{}", body(self));
            drop(tried(self, "new Promise((done) => setTimeout(done, 50))"));
        }
    }

    fn mouse(&mut self, kind: &str, (x, y): (f64, f64)) {
        let event =
            json!({"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1, "buttons": 1});
        self.call("Input.dispatchMouseEvent", &event);
    }

    fn drag(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.mouse("mouseMoved", from);
        self.mouse("mousePressed", from);
        self.mouse("mouseMoved", ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0));
        self.mouse("mouseMoved", to);
        self.mouse("mouseReleased", to);
    }

    fn key(&mut self, key: &str, modifiers: u32) {
        // What a browser does of itself with these it does by their code.
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            _ => 0,
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({"type": kind, "key": key, "modifiers": modifiers});
            if code > 0 {
                event["windowsVirtualKeyCode"] = json!(code);
            }
            if key == "Enter" && kind == "keyDown" {
                event["text"] = json!("\r");
            }
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    /// Brings one of the elements into sight and touches it: a tap, as a finger does it.
    fn tap(&mut self, selector: &str, index: usize) {
        // A list that moved under the finger takes no tap for a moment.
        self.until("!document.querySelector('[data-moving]')");
        let selector = serde_json::to_string(selector).expect("JSON");
        // Where it stays for two frames: what came with it may move it still.
        let place = self.value(&format!(
            "(async () => {{ const node = () => document.querySelectorAll({selector})[{index}]; \
             node().scrollIntoView({{ block: 'nearest' }}); \
             const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done))); \
             const place = () => {{ const {{ x, y, width, height }} = node().getBoundingClientRect(); \
             return [x + width / 2, y + height / 2]; }}; \
             let [before, now] = [[], place()]; \
             while (before.join() !== now.join()) {{ await frame(); [before, now] = [now, place()]; }} \
             return now; }})()"
        ));
        let at = |index: usize| place[index].as_f64().expect("a number");
        self.mouse("mousePressed", (at(0), at(1)));
        self.mouse("mouseReleased", (at(0), at(1)));
    }

    /// Keeps a picture, where somebody wants to see it.
    fn picture(&mut self, name: &str) {
        let Ok(dir) = std::env::var("COURTSIDE_SCREENSHOTS") else { return };
        let shot = self.call("Page.captureScreenshot", &json!({"format": "png"}));
        let path = std::path::Path::new(&dir).join(format!("{name}.png"));
        let mut decoder = Command::new("base64")
            .arg("-d")
            .stdin(Stdio::piped())
            .stdout(std::fs::File::create(path).expect("made"))
            .spawn()
            .expect("base64");
        let text = shot["data"].as_str().expect("a picture");
        decoder.stdin.take().expect("piped").write_all(text.as_bytes()).expect("written");
        decoder.wait().expect("decoded");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn the_board_of_models_reads_well_and_plays_what_they_disagree_on() {
    let figures = |court: &str, agreed: u64, right: u64, ms: f64| {
        json!({"court": court, "attempts": 120, "agreed": agreed, "judged": 10, "right": right,
            "unsure": 3, "p50_ms": ms, "p99_ms": ms * 2.0})
    };
    let row = |bundle: &str, role: &str, courts: Value| {
        json!({"bundle": bundle, "version": "0.6.0", "precision": "fp32", "engine": "builtin",
            "role": role, "courts": courts})
    };
    let mut state = one_court();
    state["models"]["board"] = json!([
        row("rimnet-tuned", "candidate", json!([figures("a", 114, 9, 23.0)])),
        row("rimnet", "live", json!([figures("a", 120, 8, 21.4)])),
    ]);
    state["models"]["swap"] = json!({"bundle": "rimnet-tuned", "phase": "shadow", "seconds": 184,
        "frames": 5_500, "attempts": 12, "after": {"attempts": 20}});
    state["models"]["disagreements"] = json!(2);
    let source = Scripted::with_state(state.clone());
    source.shot("a", true, 1, 1);
    let page = served(&source, Some(vec![0; 16]));
    let url = format!("http://{}/", page.address);
    let Some(mut browser) = Browser::open(&url, (1280, 900)) else { return };
    browser.until("document.querySelectorAll('#models tbody tr').length === 2");
    let text = "[...document.querySelectorAll('#models tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent.trim()).join('|')).join(' / ')";
    assert_eq!(
        browser.value(text),
        json!(
            "rimnet 0.6.0 fp32, builtin|decides|–|80 %|3 %|120|21|43 / rimnet-tuned 0.6.0 fp32, builtin|decides next|95 %|90 %|3 %|120|23|46"
        )
    );
    browser.until("document.querySelector('#models .swap').textContent.includes('tried beside the one that decides, 12 of 20 attempts')");
    browser.until("document.querySelectorAll('#models .splits li').length === 2");
    let said = browser.value("document.querySelector('#models .splits .what').textContent");
    assert_eq!(said, json!("rimnet: made 91 % · rimnet-tuned: missed 83 %"));
    browser.picture("models");
    browser.value("document.querySelector('#models .splits button').click()");
    browser.until("document.querySelector('#clip').open");
    browser.value("document.querySelector('#clip').close()");
    // Nothing of it juts out of a telephone; on the wall there is none of it.
    browser.resize((390, 844));
    browser.until("document.documentElement.scrollWidth <= 390");
    browser.picture("models-narrow");
    browser.resize((1280, 900));
    browser.value("document.querySelector('#wall').click()");
    browser.until("getComputedStyle(document.querySelector('#models')).display === 'none'");
}

#[test]
fn a_person_says_what_a_shot_was_and_sees_that_it_was_taken() {
    let mut state = one_court();
    state["calibration"] = json!({"mode": "watch", "courts": {"a": [{
        "attempts": 34, "verdicts": 1, "shift": -0.21, "from": "verdicts", "middle": -0.7,
        "drift": null, "bundle": "rimnet", "version": "0.4.0",
        "said": {"00000000000000aa-1": "missed"}}]}});
    let source = Scripted::with_state(state);
    for fact in [1, 4, 7] {
        source.shot("a", true, fact, 1);
    }
    source.shot("a", true, 10, 0);
    let page = served(&source, None);
    let url = format!("http://{}/", page.address);
    let Some(mut browser) = Browser::open(&url, (1280, 900)) else { return };
    // Newest first: the provisional one has no buttons yet.
    browser.until("document.querySelectorAll('#calls .call').length === 4");
    browser.until("document.querySelectorAll('#calls .verdict').length === 3");
    browser.until("document.querySelector('.facts').textContent.includes('34 shots, 1 judged, shift −0.21, not applied')");
    let pressed = |row: u32| {
        format!(
            "[...document.querySelectorAll('#calls .call')[{row}].querySelectorAll('[aria-pressed=\"true\"]')].map((b) => b.textContent).join()"
        )
    };
    assert_eq!(browser.value(&pressed(3)), json!("missed"), "said before, perhaps elsewhere");
    assert_eq!(browser.value(&pressed(2)), json!(""));
    // By keyboard: the third button of the row.
    browser.value("document.querySelectorAll('#calls .call')[2].querySelectorAll('.verdict button')[2].focus()");
    browser.value("document.activeElement.click()");
    browser.until(&format!("{} === 'no shot'", pressed(2)));
    assert_eq!(*source.said.lock(), [("00000000000000aa-4".to_owned(), VerdictWord::None)]);
    // Another word replaces it; one that is refused is not marked, and says why.
    browser.value("document.querySelectorAll('#calls .call')[2].querySelectorAll('.verdict button')[0].click()");
    browser.until(&format!("{} === 'made'", pressed(2)));
    browser.value("document.querySelectorAll('#calls .call')[1].querySelectorAll('.verdict button')[0].click()");
    browser.until("document.querySelectorAll('#calls .call')[1].textContent.includes('no final shot of that fact')");
    assert_eq!(browser.value(&pressed(1)), json!(""));
    browser.picture("verdicts");
    // The final brings its buttons; switched off, all are gone.
    source.shot("a", true, 10, 1);
    browser.until("document.querySelectorAll('#calls .verdict').length === 4");
    source.set(|state| state["calibration"] = json!({"mode": "off", "courts": {"a": []}}));
    browser.until("document.querySelectorAll('#calls .verdict').length === 0");
}

#[test]
fn a_wall_shows_picture_rims_score_and_calls_as_they_come() {
    let source = Scripted::with_state(one_court());
    for fact in 0..9 {
        source.shot("a", fact % 3 != 1, fact * 3 + 1, 1);
    }
    source.score("a", 26, &[6], &[9]);
    let page = served(&source, None);
    let url = format!("http://{}/", page.address);
    let Some(mut browser) = Browser::open(&url, (1920, 1080)) else { return };
    browser.until("document.querySelectorAll('#calls .call').length === 9");
    browser.until("document.querySelector('.made').textContent === '6'");
    browser.until("document.querySelector('.picture img').naturalWidth === 1280");
    browser.until("document.querySelectorAll('.rims .ring').length === 1");
    browser.until("document.querySelector('.pill').textContent === 'Live'");
    // Stored events are past: nothing is announced. What comes now is.
    assert_eq!(browser.value("document.querySelector('.last').textContent"), json!(""));
    // By when its stream was open at the latest.
    browser.value("window.filled = performance.now()");
    browser.until("performance.now() > filled + 2500");
    source.shot("a", true, 28, 0);
    browser.until("document.querySelector('#calls .call').classList.contains('provisional')");
    source.shot("a", true, 28, 1);
    source.score("a", 29, &[7], &[10]);
    browser.until("document.querySelector('.made').textContent === '7'");
    browser.until("document.querySelector('.last').textContent === 'Made'");
    assert_eq!(browser.value("document.querySelectorAll('#calls .call').length"), json!(10));
    browser.picture("wall-1920");
    browser.key("w", 0);
    browser.until("document.body.classList.contains('wall')");
    browser.picture("wall-1920-alone");
    browser.key("w", 0);
    // A repeat and a lower revision change nothing; a withdrawal takes the call back.
    source.shot("a", false, 28, 0);
    source.shot("a", false, 31, 0);
    let withdrawal = json!({"t_stream": 12.3, "reason": "stream_ended"});
    source.tell("a", "shot.withdrawn", 31, 1, withdrawal);
    browser.until("document.querySelectorAll('.call.withdrawn').length === 1");
    assert_eq!(browser.value("document.querySelectorAll('#calls .call').length"), json!(11));
    assert_eq!(browser.value("document.querySelectorAll('.call.made').length"), json!(7));
    let overflow = "document.documentElement.scrollWidth - innerWidth";
    assert_eq!(browser.value(overflow), json!(0));
    browser.resize((390, 844));
    assert_eq!(browser.value(overflow), json!(0), "a phone");
    browser.picture("phone");
    browser.resize((1280, 720));
    browser.picture("desk-1280");
}

#[test]
fn a_court_that_waits_or_is_ill_says_so() {
    let mut state = one_court();
    state["streams"]["b"] = stream("waiting", json!([]));
    // The box was restarted, and none of the events that the page is given is a score.
    state["streams"]["b"]["score"] = json!({"made": [5], "attempts": [8]});
    let source = Scripted::with_state(state);
    let page = served(&source, None);
    let url = format!("http://{}/", page.address);
    let Some(mut browser) = Browser::open(&url, (1920, 1080)) else { return };
    browser.until("document.querySelectorAll('.court').length === 2");
    browser.until("document.querySelectorAll('.pill')[1].textContent === 'Waiting for the camera'");
    browser
        .until("document.querySelectorAll('.court')[1].querySelector('.made').textContent === '5'");
    source.set(|state| {
        let a = &mut state["streams"]["a"];
        a["rims"] = json!([{"x": 612.0, "y": 188.0, "w": 44.0, "h": 22.0}, {"x": 1012.0, "y": 188.0, "w": 44.0, "h": 22.0}]);
        a["advice"] = json!([{"about": "b_frames", "costs_ms": 66.7, "pixels": null,
            "text": "The encoder sends B-frames: calls come later. Set the profile to Baseline, or B-frames to 0."}]);
        let b = &mut state["streams"]["b"];
        b["condition"] = json!("stalled");
        b["fault"] = json!("the picture is 1920 × 1088, of another aspect than `rims_of`: draw the rims again");
        state["uplink"]["connected"] = json!(false);
        state["uplink"]["outbox_events"] = json!(12);
        state["uplink"]["fault"] = json!("connection refused");
        state["storage"]["condition"] = json!("stopped");
        state["storage"]["reason"] = json!("less than 256 MiB is free: give the disk room");
        state["models"]["bundles"][0] = json!({"name": "rimnet", "version": null, "condition": "refused",
            "engine": null, "reason": "rimnet-fp32.onnx has another sha256 than its manifest", "inference_ms": null});
    });
    browser.until("document.querySelectorAll('.court')[0].querySelectorAll('.tally').length === 2");
    browser.until("document.querySelector('.advice').textContent.startsWith('67 ms')");
    browser.until("document.querySelectorAll('.fault')[1].textContent.includes('1088')");
    browser.until("document.getElementById('vitals').textContent.includes('12 waiting')");
    browser.until("document.getElementById('vitals').textContent.includes('another sha256')");
    browser.until("document.querySelector('.picture img').naturalWidth === 1280");
    source.score("a", 3, &[4, 11], &[9, 15]);
    browser.until("document.querySelectorAll('.made')[1].textContent === '11'");
    browser.picture("two-courts-1920");
    browser.resize((390, 844));
    assert_eq!(browser.value("document.documentElement.scrollWidth - innerWidth"), json!(0));
    browser.picture("two-courts-phone");
}

/// How the page says what a court's stream is doing.
fn pill(condition: StreamCondition) -> &'static str {
    match condition {
        StreamCondition::Waiting => "Waiting for the camera",
        StreamCondition::Live => "Live",
        StreamCondition::Stalled => "Stalled",
        StreamCondition::Other => "other",
    }
}

/// What must stand in the line of the box.
fn vitals(status: &BoxStatus) -> Vec<String> {
    let mut wanted = Vec::new();
    for model in &status.models.bundles {
        wanted.push(match model.condition {
            ModelCondition::Ready => {
                format!("{} {}", model.name, model.version.as_deref().unwrap_or_default())
            }
            ModelCondition::Loading => format!("{} is being loaded", model.name),
            ModelCondition::Refused | ModelCondition::Stopped | ModelCondition::Other => {
                format!("{} refused: {}", model.name, model.reason.as_deref().unwrap_or_default())
            }
        });
    }
    if let Some(storage) = &status.storage {
        wanted.push(match storage.condition {
            StorageCondition::Recording => "12.4 GB of 80.0 GB".to_owned(),
            StorageCondition::Stopped | StorageCondition::Other => {
                let reason = storage.reason.as_deref().unwrap_or_default();
                format!("{}: {reason}", storage.condition)
            }
        });
    }
    if let Some(uplink) = &status.uplink {
        wanted.push(if uplink.connected { "connected" } else { "away, 12 waiting" }.to_owned());
    }
    if !status.clock.plausible {
        wanted.push("not set".to_owned());
    }
    wanted
}

/// What must stand in the facts of a court.
fn facts(status: &BoxStatus, court: &str) -> Vec<String> {
    let told = &status.streams[court];
    let sound = told.stream.audio.iter().map(|sound| format!("Sound{sound}"));
    let mut wanted: Vec<String> = sound.chain(told.stream.codec.clone()).collect();
    for rim in status.calibration.courts.get(court).into_iter().flatten() {
        wanted.push(format!("{} shots", rim.attempts));
        let applied = match status.calibration.mode {
            CalibrationMode::On => "",
            CalibrationMode::Off | CalibrationMode::Watch | CalibrationMode::Other => {
                ", not applied"
            }
        };
        wanted.push(match rim.from {
            LearntFrom::Nothing => "no shift yet".to_owned(),
            LearntFrom::Odds | LearntFrom::Verdicts | LearntFrom::Other => {
                let sign = if rim.shift < 0.0 { '−' } else { '+' };
                format!("shift {sign}{:.2}{applied}", rim.shift.abs())
            }
        });
    }
    wanted
}

#[test]
fn every_word_that_a_box_says_is_understood() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/state");
    let mut states: Vec<BoxStatus> = std::fs::read_dir(folder)
        .expect("the situations that `app` writes")
        .map(|entry| std::fs::read_to_string(entry.expect("an entry").path()).expect("readable"))
        .map(|text| typed(&serde_json::from_str(&text).expect("JSON")))
        .collect();
    // And a box that is newer than the page.
    let mut newer = states[0].clone();
    for court in newer.streams.values_mut() {
        court.stream.condition = StreamCondition::Other;
    }
    newer.calibration.mode = CalibrationMode::Other;
    states.push(newer);

    let source = Scripted::with_state(one_court());
    let page = served(&source, None);
    let url = format!("http://{}/", page.address);
    let Some(mut browser) = Browser::open("about:blank", (1920, 1080)) else { return };
    let watch = "window.failed = []; \
        addEventListener('error', (event) => failed.push(event.message)); \
        addEventListener('unhandledrejection', (event) => failed.push(String(event.reason)));";
    browser.call("Page.addScriptToEvaluateOnNewDocument", &json!({"source": watch}));
    for status in states {
        *source.state.lock() = Arc::new(status.clone());
        browser.call("Page.navigate", &json!({"url": url}));
        for (index, (name, court)) in status.streams.iter().enumerate() {
            let shown = format!("document.querySelectorAll('.court')[{index}]");
            let shows = |what: &str, text: &str| {
                let text = serde_json::to_string(text).expect("JSON");
                format!("{shown}.querySelector('{what}').textContent.includes({text})")
            };
            browser.until(&shows("h2", &format!("Court {name}")));
            browser.until(&shows(".pill", pill(court.stream.condition)));
            for advice in &court.stream.advice {
                browser.until(&shows(".advice", &advice.text));
            }
            if let Some(fault) = &court.stream.fault {
                browser.until(&shows(".fault", fault));
            }
            for fact in facts(&status, name) {
                browser.until(&shows(".facts", &fact));
            }
            for relay in &court.stream.relays {
                let does = match relay.state {
                    RelayCondition::Forwarding if relay.behind => "forwards, and is behind",
                    RelayCondition::Forwarding => "forwards",
                    RelayCondition::Connecting => "connects",
                    RelayCondition::Waiting if relay.fault.is_some() => "does not forward",
                    _ => "waits for the camera",
                };
                let line = format!("Relay {} to {} {does}", relay.name, relay.address);
                browser.until(&shows(".relays", &line));
                let why = relay.fault.iter().map(|fault| format!(": {fault} → {}", relay.todo));
                why.for_each(|why| browser.until(&shows(".relays", &why)));
            }
        }
        for text in vitals(&status) {
            let text = serde_json::to_string(&text).expect("JSON");
            let line = "document.getElementById('vitals').textContent";
            browser.until(&format!("{line}.includes({text})"));
        }
        assert_eq!(browser.value("failed.join()"), json!(""));
        // One of the reasons names it.
        let text = browser.value("document.body.innerText");
        let text = text.as_str().expect("text").replace("it answered NaN", "");
        for strange in ["undefined", "null", "NaN", "[object"] {
            assert!(!text.contains(strange), "{strange} in\n{text}");
        }
    }
}

#[test]
fn a_browser_signs_in_and_out_and_is_asked_again_when_its_time_is_up() {
    let mut state = one_court();
    state["calibration"] = json!({"mode": "watch", "courts": {"a": []}});
    let source = Scripted::with_state(state);
    source.shot("a", true, 1, 1);
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let clock = by_hand();
    let guarded = {
        let _inside = runtime.enter();
        let tokens = Tokens::known([
            (Role::Viewer, "the-viewer-s-token"),
            (Role::Technician, "0123456789abcdef"),
        ]);
        let access = Access::Tokens(tokens);
        let any = ([127, 0, 0, 1], 0).into();
        let server = Server::bind(any, None, access, terms(&clock)).expect("bound");
        let address = server.address();
        let routes = routes(Arc::clone(&source) as Arc<dyn Source>);
        drop(runtime.spawn(server.serve(routes, std::future::pending())));
        address
    };
    let Some(mut browser) = Browser::open(&format!("http://{guarded}/"), (1920, 1080)) else {
        return;
    };
    let at_the_door = "location.pathname === '/login' && !!document.querySelector('form')";
    let inside = "document.querySelector('.picture img').naturalWidth === 1280";
    let type_in = |token: &str| {
        format!(
            "document.querySelector('input').value = '{token}'; \
             document.querySelector('button').click()"
        )
    };
    browser.until(at_the_door);
    browser.value(&type_in("guess"));
    // A wrong one is answered late.
    let alarm = clock.alarm_within(Duration::from_secs(30));
    assert!(alarm.is_some(), "the wrong token waits for nothing");
    clock.advance(Duration::from_secs(1));
    browser.until(
        "document.querySelector('[role=alert]').textContent.includes('no token of this box')",
    );
    browser.picture("login-1920");
    browser.value(&type_in("0123456789abcdef"));
    browser.until(inside);
    assert_eq!(browser.value("document.cookie"), json!(""), "no script reads the cookie");

    // Out, by the button: the way back shows nothing any more.
    browser.until("document.querySelector('#sign-out button').offsetHeight > 0");
    browser.picture("signed-in-1920");
    browser.resize((390, 844));
    browser.picture("signed-in-phone");
    browser.resize((1920, 1080));
    browser.value("document.querySelector('#sign-out button').click()");
    browser.until(at_the_door);
    browser.call("Page.navigate", &json!({"url": format!("http://{guarded}/")}));
    browser.until(at_the_door);

    // In again; on the other side of twelve hours the page that stands open asks by itself.
    browser.value(&type_in("0123456789abcdef"));
    browser.until(inside);
    browser.until("document.querySelector('#lost').hidden");
    clock.advance(Duration::from_secs(12 * 3600 - 1));
    browser.value("fetch('/v1/state').then((answer) => { window.told = answer.status })");
    browser.until("window.told === 200 && location.pathname === '/'");
    clock.advance(Duration::from_secs(1));
    browser.until(at_the_door);

    // Who only looks sees all of it, and is told why what he tries is not his. Nothing is asked of the box.
    browser.value(&type_in("the-viewer-s-token"));
    browser.until(inside);
    let dimmed =
        "document.querySelector('.call .verdict button').getAttribute('aria-disabled') === 'true'";
    browser.until(dimmed);
    browser.until("document.querySelector('#role').textContent === 'viewer'");
    browser.value("document.querySelector('.call .verdict button').click()");
    browser.until(
        "document.querySelector('.call .verdict .why').textContent.includes('For the operator; you are signed in as viewer')",
    );
    browser.value("document.querySelector('.draw').click()");
    browser.until("document.querySelector('.draw').textContent.includes('For the technician')");
    assert_eq!(browser.value("document.querySelector('#draw').open"), json!(false));
    browser.picture("viewer-1920");
    browser.resize((390, 844));
    browser.picture("viewer-phone");
    // The page is not what holds him back.
    browser.value(
        "fetch('/v1/events/5d1f0c2ab3e49d07-shot-1/verdict', {method: 'POST', body: '{}'}).then((answer) => { window.told = answer.status })",
    );
    browser.until("window.told === 403");
}

#[test]
fn a_box_dragged_round_the_ring_gives_the_lines_to_paste() {
    let mut state = one_court();
    state["streams"]["a"]["rims"] = json!([]);
    let source = Scripted::with_state(state);
    let page = served(&source, None);
    let url = format!("http://{}/", page.address);
    let Some(mut browser) = Browser::open(&url, (1920, 1080)) else { return };
    browser.until("document.querySelector('.picture img').naturalWidth === 1280");
    let told = browser.value("fetch('/v1/session').then((answer) => answer.json())");
    assert_eq!(told, json!({"role": "technician", "signed_in": false, "ends_in_seconds": null}));
    assert_eq!(browser.value("document.querySelector('#sign-out').hidden"), json!(true));
    browser.value("document.querySelector('.draw').click()");
    browser.until("document.querySelector('#draw .canvas img').naturalWidth === 1280");
    browser.until("document.querySelector('#draw svg').viewBox.baseVal.width === 1280");
    let place = browser.value(
        "(({x, y, width, height}) => [x, y, width, height])(document.querySelector('#draw svg').getBoundingClientRect())",
    );
    let at = |index: usize| place[index].as_f64().expect("a number");
    let screen = |x: f64, y: f64| (at(0) + x / 1280.0 * at(2), at(1) + y / 720.0 * at(3));
    browser.drag(screen(612.0, 188.0), screen(656.0, 210.0));
    let lines = "document.querySelector('#draw pre').textContent";
    browser.until(&format!("{lines} === 'rims = [[612, 188, 44, 22]]\\nrims_of = [1280, 720]'"));
    assert!(
        browser
            .value("document.querySelector('#draw .width').textContent")
            .as_str()
            .expect("text")
            .contains("44 pixels wide")
    );
    // By keyboard: one right, then one wider.
    browser.value("document.querySelector('#draw svg').focus()");
    browser.key("ArrowRight", 0);
    browser.key("ArrowRight", 8);
    browser.until(&format!("{lines}.startsWith('rims = [[613, 188, 45, 22]]')"));
    // A second rim.
    browser.value("[...document.querySelectorAll('#draw .tabs button')].pop().click()");
    browser.drag(screen(1012.0, 188.0), screen(1022.0, 196.0));
    browser
        .until(&format!("{lines}.startsWith('rims = [[613, 188, 45, 22], [1012, 188, 10, 8]]')"));
    browser.until("document.querySelector('#draw .width').classList.contains('is-bad')");
    browser.value("document.querySelector('#draw .copy').click()");
    browser.until("document.querySelector('#draw .copy').textContent !== 'Copy'");
    browser.picture("draw-1920");
    browser.resize((390, 844));
    browser.picture("draw-phone");
    browser.key("Escape", 0);
}

#[test]
fn a_technician_brings_a_court_into_service_at_the_page() {
    let mut state = one_court();
    state["service"] = not_in_service();
    let source = Scripted::with_state(state);
    let page = served(&source, None);
    let url = format!("http://{}/", page.address);
    let Some(mut browser) = Browser::open(&url, (1920, 1080)) else { return };
    let says = |what: &str, text: &str| {
        let text = serde_json::to_string(text).expect("JSON");
        format!("document.querySelector('{what}').textContent.includes({text})")
    };
    browser.until(&says(".service summary", "Not in service: 2 checks are open"));
    browser.until("document.querySelector('.service').open");
    assert_eq!(browser.value("document.querySelectorAll('.checks li').length"), json!(7));
    browser.until(&says(".checks li.is-failed", "→ switch B-frames off in the camera"));
    browser.until("document.querySelector('.picture img').naturalWidth === 1280");
    browser.picture("service-1920");

    // What the box finds is proposed; a person looks at it and says who he is. It stands as well
    // where the box answers before the browser has decoded the picture.
    let slow = "HTMLImageElement.prototype.decode = async function () { \
                await new Promise((done) => { globalThis.decoded = done; }); }";
    browser.value(&format!("globalThis.quick = HTMLImageElement.prototype.decode; void ({slow})"));
    browser.value("document.querySelector('.service .confirm').click()");
    browser.until("document.querySelector('#draw .canvas img').naturalWidth === 1280");
    browser.value("document.querySelector('#draw .find').click()");
    let answered = "performance.getEntriesByType('resource') \
                    .some((one) => one.name.endsWith('/service/check') && one.responseEnd > 0)";
    browser.until(answered);
    browser.value("HTMLImageElement.prototype.decode = quick, void decoded()");
    browser.until(&says("#draw .said", "of 2 rings that it sees"));
    browser.until(&says("#draw pre", "rims = [[1012, 188, 44, 22]]"));
    browser.value("document.querySelector('#draw form.confirm button').click()");
    browser.until(&says("#draw .said", "Say who you are"));
    browser.value("document.querySelector('#draw [name=who]').value = 'Ada'");
    browser.picture("confirm-1920");
    browser.value("document.querySelector('#draw form.confirm button').click()");
    browser.until(&says("#draw .said", "Confirmed. The court is in service."));
    let confirmed = json!({"who": "Ada", "rims": [[1012, 188, 44, 22]], "rims_of": [1280, 720]});
    assert_eq!(source.asked.lock().pop(), Some(("confirm".to_owned(), confirmed)));
    browser.resize((390, 844));
    browser.picture("confirm-phone");
    browser.resize((1920, 1080));
    browser.key("Escape", 0);

    // A word against the checks wants a name, which is known by now, and a reason.
    browser.value("document.querySelector('.service .override').click()");
    browser.until(&says("#override .go", "Put in service"));
    assert_eq!(browser.value("document.querySelector('#override [name=who]').value"), json!("Ada"));
    browser.value("document.querySelector('#override .go').click()");
    browser.until(&says("#override .said", "Say who you are, and why."));
    browser.value("document.querySelector('#override [name=reason]').value = 'the cup begins'");
    browser.picture("override-1920");
    browser.value("document.querySelector('#override .go').click()");
    browser.until("!document.querySelector('#override').open");
    let word = json!({"in_service": true, "reason": "the cup begins", "who": "Ada"});
    assert_eq!(source.asked.lock().pop(), Some(("override".to_owned(), word)));

    // In service it is one line, and what changed since is said.
    source.set(|state| {
        let court = &mut state["service"]["courts"]["a"];
        court["in_service"] = json!(true);
        court["by"] = json!("checks");
        court["recheck"] = json!("its rims are others than those that were confirmed");
    });
    browser.until(&says(".service summary", "In service by its checks"));
    browser.until("!document.querySelector('.service').open");
    browser.until(&says(".service .recheck", "its rims are others"));
    let overflow = "document.documentElement.scrollWidth - innerWidth";
    assert_eq!(browser.value(overflow), json!(0));
    browser.resize((390, 844));
    assert_eq!(browser.value(overflow), json!(0), "a phone");
    browser.picture("service-phone");
}

#[test]
fn a_clip_is_waited_for_and_then_plays() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("clip.mp4");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:d=1", "-pix_fmt", "yuv420p"])
        .args(["-c:v", "libx264", "-movflags", "+faststart"])
        .arg(&file)
        .status();
    assert!(made.is_ok_and(|status| status.success()), "no ffmpeg here: `make test` installs it");
    let source = Scripted::with_state(one_court());
    source.shot("a", true, 1, 1);
    let page = served(&source, Some(std::fs::read(&file).expect("a clip")));
    let url = format!("http://{}/", page.address);
    let Some(mut browser) = Browser::open(&url, (1920, 1080)) else { return };
    browser.until("document.querySelectorAll('.call .clip').length === 1");
    browser.value("document.querySelector('.call .clip').click()");
    browser
        .until("document.querySelector('#clip .said').textContent === 'The clip is being cut …'");
    browser.until("document.querySelector('#clip video').readyState >= 3");
    browser.until("document.querySelector('#clip video').currentTime > 0");
    browser.picture("clip-1920");
    browser.value("document.querySelector('#clip .close').click()");
    browser.until("!document.querySelector('#clip video').hasAttribute('src')");
}

#[test]
fn a_person_keeps_the_last_half_minute_and_does_with_a_clip_what_can_be_done() {
    let source = Scripted::with_state(one_court());
    source.shot("a", true, 1, 1);
    let page = served(&source, None);
    let url = format!("http://{}/", page.address);
    let Some(mut browser) = Browser::open(&url, (1280, 900)) else { return };
    browser.until("document.querySelectorAll('.court .keep button').length === 1");
    browser.value("document.querySelector('.court .keep input').value = 'the dunk'");
    browser.value("document.querySelector('.court .keep button').click()");
    browser.until("document.querySelector('.court .keep .said').textContent === 'Kept as a-x.'");
    let asked = json!({"court": "a", "last": 30, "reason": "page", "note": "the dunk"});
    assert_eq!(source.asked.lock()[..], [("new".to_owned(), asked)]);
    assert_eq!(browser.value("document.querySelector('.court .keep input').value"), json!(""));
    browser.picture("keep");
    // What does not fit says so in the box's own words.
    browser.value("document.querySelector('.court .keep button').click()");
    browser.until(
        "document.querySelector('.court .keep .said').textContent.includes('5 of 10 are pinned')",
    );
    // The clip of a call.
    browser.until("document.querySelectorAll('.call .clip').length === 1");
    browser.value("document.querySelector('.call .clip').click()");
    browser.until("document.querySelectorAll('#clip .keeping button').length === 3");
    browser.value("window.confirm = () => true");
    for (n, said) in [(0, "Kept."), (1, "Released"), (2, "1234 bytes")] {
        browser.value(&format!("document.querySelectorAll('#clip .keeping button')[{n}].click()"));
        browser.until(&format!(
            "document.querySelector('#clip .keeping .done').textContent.includes('{said}')"
        ));
    }
    let asked: Vec<_> = source.asked.lock().iter().skip(2).map(|(what, _)| what.clone()).collect();
    assert_eq!(asked, ["keep", "release", "delete"]);
}
