//! One attempt after another, to a server that answers as it should, slowly, wrongly or not at all.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::*;
use crate::clock::SystemClock;
use crate::disk::ForgetfulDisk;
use crate::mailbox::Tally;

/// What a server does.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// Answers with a status, more headers, and what its model says.
    Says(u16, &'static str, &'static str),
    /// Answers so, byte by byte.
    Slowly(&'static str),
    /// Takes the question and says nothing more.
    Hangs,
    /// Ends in the middle of its answer.
    Breaks,
    /// Ends at once.
    Closes,
    /// Answers with these bytes.
    Raw(&'static str),
}

/// The body of a whole answer, in the shape that the test's bundle has.
fn body(said: &str) -> String {
    serde_json::json!({
        "id": "x", "object": "chat.completion", "created": 1, "model": "m-1",
        "choices": [{ "index": 0, "finish_reason": "stop", "logprobs": null,
            "message": { "role": "assistant", "content": said, "refusal": null } }],
        "usage": { "prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010 },
    })
    .to_string()
}

/// A server on loopback.
struct Server {
    port: u16,
    /// Head and body of each question.
    asked: Arc<Mutex<Vec<(String, Vec<u8>)>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    fn start(runtime: &Runtime, does: Does) -> Self {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("bound");
        let port = listener.local_addr().expect("bound").port();
        let (asked, connections) = (Arc::default(), Arc::<AtomicUsize>::default());
        let server =
            Self { port, asked: Arc::clone(&asked), connections: Arc::clone(&connections) };
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, does, Arc::clone(&asked)));
            }
        });
        server
    }
}

async fn serve(mut stream: TcpStream, does: Does, asked: Arc<Mutex<Vec<(String, Vec<u8>)>>>) {
    let mut came = Vec::new();
    let whole = loop {
        let mut piece = [0; 16 << 10];
        let Ok(read) = stream.read(&mut piece).await else { return };
        came.extend_from_slice(&piece[..read]);
        let Some(end) = came.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&came[..end]).to_lowercase();
        let long = head.split("content-length: ").nth(1).expect("a length");
        let long: usize = long.lines().next().expect("a line").trim().parse().expect("a number");
        if came.len() >= end + 4 + long {
            break (head, came[end + 4..].to_vec());
        }
    };
    asked.lock().push(whole);
    let answer = |status: u16, more: &str, said: &str| {
        let body = body(said);
        let long = body.len();
        format!(
            "HTTP/1.1 {status} X\r\n{more}content-type: application/json\r\ncontent-length: {long}\r\n\r\n{body}"
        )
    };
    let bytes = match does {
        Does::Says(status, more, said) => answer(status, more, said),
        Does::Slowly(said) => {
            let whole = answer(200, "", said);
            for byte in whole.as_bytes() {
                drop(stream.write_all(&[*byte]).await);
                drop(stream.flush().await);
            }
            return;
        }
        Does::Breaks => {
            let whole = answer(200, "", "{\"answer\": \"YES\"}");
            whole[..whole.len() - 20].to_owned()
        }
        Does::Raw(bytes) => bytes.to_owned(),
        Does::Closes => return,
        Does::Hangs => std::future::pending().await,
    };
    drop(stream.write_all(bytes.as_bytes()).await);
    drop(stream.shutdown().await);
}

struct Heard(mpsc::Sender<Option<Seen>>);

impl HearsLook for Heard {
    fn seen(&self, _: &Attempt, seen: Option<Seen>) {
        self.0.try_send(seen).expect("room");
    }
}

/// A look beside its server.
struct Tested {
    runtime: Runtime,
    server: Server,
    look: Look,
    heard: mpsc::Receiver<Option<Seen>>,
}

#[derive(Clone, Copy)]
struct Setup {
    role: Role,
    cap: &'static str,
    consent: bool,
    deadline_ms: u32,
}

const USUAL: Setup = Setup { role: Role::Second, cap: "5.0", consent: true, deadline_ms: 20_000 };

const YES: &str = "{\"answer\": \"YES\"}";

fn court() -> CourtId {
    CourtId::new("a").expect("a name")
}

impl Tested {
    fn of(does: Does, setup: Setup) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("runtime");
        let server = Server::start(&runtime, does);
        let manifest = format!(
            "format = 2\nname = \"hosted-x\"\nversion = \"0.1.0\"\ntask = \"rim\"\nwhere = \"hosted\"\n\
             role = \"{}\"\nshape = \"openai\"\nmodel = \"m\"\nkey_file = \"key\"\n\
             address = \"http://127.0.0.1:{}/v1\"\ndeadline_ms = {}\ncap_usd_a_day = {}\n\
             [price]\ndate = \"2026-11-28\"\ninput_usd_a_million = 100\noutput_usd_a_million = 100\n",
            setup.role.word(),
            server.port,
            setup.deadline_ms,
            setup.cap,
        );
        let place = std::path::Path::new("hosted-x/model.toml");
        let hosted = Hosted::parse("hosted-x", place, &manifest).expect("taken");
        let disk = ForgetfulDisk::new();
        let data_dir = PathBuf::from("/box");
        disk.create_dir_all(&data_dir).expect("made");
        let histogram = || Histogram::new([0.05, 1.0]);
        let look = Look::new(LookParts {
            found: Ok((hosted, Some(Secret::new("sk-secret")))),
            name: "hosted-x".to_owned(),
            no_key: None,
            consent: setup.consent,
            clock: Arc::new(SystemClock::new()),
            disk: Arc::new(disk),
            data_dir,
            runtime: runtime.handle().clone(),
            frames: FrameMailbox::new(&[], 1, |_| Tally::default()),
            meters: LookMeters { sheet_seconds: histogram(), answer_seconds: histogram() },
        });
        let (sender, heard) = mpsc::channel(64);
        look.tells(Arc::new(Heard(sender)));
        for n in 0..30 {
            let (luma, cb, cr) = (vec![90; 64 * 64], vec![128; 32 * 32], vec![128; 32 * 32]);
            let at = MediaTime::from_millis(n * 66);
            look.cropped(&court(), session(), vec![Some(Crop { at, side: 64, luma, cb, cr })]);
        }
        Self { runtime, server, look, heard }
    }

    fn seen(&mut self) -> Option<Seen> {
        let Self { runtime, heard, .. } = self;
        let told = async { tokio::time::timeout(Duration::from_secs(30), heard.recv()).await };
        runtime.block_on(told).expect("in time").expect("told")
    }

    fn state(&self) -> LookState {
        let clock = &self.look.shared.parts.clock;
        self.look.state(clock.monotonic(), clock.utc())
    }
}

fn session() -> SessionId {
    SessionId::from_bits(1)
}

/// A final that its model was not sure of.
fn attempt(call: Call) -> Attempt {
    Attempt {
        court: court(),
        session: session(),
        rim: 0,
        reached: MediaTime::from_millis(1_000),
        fact: None,
        call,
        share: 6_000,
    }
}

fn only(word: &str) -> BTreeMap<String, u64> {
    BTreeMap::from([(word.to_owned(), 1)])
}

#[test]
fn an_answer_that_says_otherwise_is_told_and_no_other_changes_anything() {
    const NO: &str = "{\"answer\": \"NO\"}";
    const UNSURE: &str = "{\"answer\": \"UNSURE\"}";
    for (does, call, made, said) in [
        (Does::Says(200, "", YES), Call::Unsure, Some(true), "made"),
        (Does::Says(200, "", YES), Call::Missed, Some(true), "made"),
        (Does::Slowly(NO), Call::Made, Some(false), "missed"),
        (Does::Says(200, "", YES), Call::Made, None, "made"),
        (Does::Says(200, "", UNSURE), Call::Made, None, "unsure"),
    ] {
        let mut tested = Tested::of(does, USUAL);
        assert!(tested.look.decided(attempt(call)), "{does:?}");
        let seen = tested.seen();
        assert_eq!(seen.as_ref().map(|seen| seen.made), made, "{does:?} {call:?}");
        let state = tested.state();
        assert_eq!((state.said, state.failed), (only(said), BTreeMap::new()), "{does:?}");
        assert_eq!(state.changed, u64::from(made.is_some()));
        // 1,010 tokens at a ten thousandth of a dollar.
        assert!((state.spent_usd - 0.101).abs() < 1e-9, "{}", state.spent_usd);
        if let Some(seen) = seen {
            let prompt = crate::look::contract::hash(crate::look::contract::PROMPT);
            let reason = format!("second look by hosted-x 0.1.0, model m, prompt {prompt}");
            assert_eq!((seen.reason, seen.by.bundle.as_str()), (reason, "hosted-x"));
        }
    }
}

#[test]
fn what_is_no_answer_leaves_the_call_and_says_why() {
    let worst = 0.3;
    for (does, failed, spent) in [
        (Does::Says(429, "retry-after: 60\r\n", ""), "too_many", 0.0),
        (Does::Says(401, "", ""), "request_refused", 0.0),
        (Does::Says(500, "", ""), "no_answer", worst),
        (Does::Says(200, "", "The ball went in, clearly."), "prose", 0.101),
        (Does::Says(200, "", "{\"answer\": \"MADE\"}"), "other_contract", 0.101),
        (Does::Says(200, "", "{\"answer\": \"Y"), "truncated", 0.101),
        (Does::Says(200, "", ""), "empty", 0.101),
        (Does::Breaks, "no_answer", worst),
        (Does::Closes, "no_answer", worst),
        (Does::Raw("what?"), "no_answer", worst),
        (Does::Raw("HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\n{\""), "truncated", worst),
        (Does::Raw("HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\n{}"), "other_shape", worst),
        (
            Does::Raw(
                "HTTP/1.1 200 X\r\ncontent-length: 95\r\n\r\n{\"choices\": [{\"message\": \
                {\"refusal\": \"I will not look at people\", \"content\": null}}]}          ",
            ),
            "refused",
            worst,
        ),
    ] {
        let mut tested = Tested::of(does, USUAL);
        assert!(tested.look.decided(attempt(Call::Unsure)), "{does:?}");
        assert_eq!(tested.seen(), None, "{does:?}");
        let state = tested.state();
        assert_eq!(state.failed, only(failed), "{does:?}");
        assert_eq!((state.said.len(), state.changed), (0, 0));
        if spent < worst {
            assert!((state.spent_usd - spent).abs() < 1e-9, "{does:?}: {}", state.spent_usd);
        } else {
            assert!(state.spent_usd > worst, "{does:?}: the worst stays charged");
        }
        // Of a text from outside nothing reaches the state but what is ours.
        let told = state.reason.unwrap_or_default();
        assert!(!told.contains("people") && !told.contains("secret"), "{told}");
    }
}

#[test]
fn a_server_that_hangs_is_left_and_holds_four_questions_at_most() {
    let mut tested = Tested::of(Does::Hangs, Setup { deadline_ms: 300, ..USUAL });
    let asked: Vec<bool> = (0..6).map(|_| tested.look.decided(attempt(Call::Unsure))).collect();
    assert_eq!(asked, [true, true, true, true, false, false]);
    for _ in 0..4 {
        assert_eq!(tested.seen(), None);
    }
    let state = tested.state();
    assert_eq!(state.condition, LookCondition::BreakerOpen);
    assert_eq!(state.not_asked, BTreeMap::from([("busy".to_owned(), 2)]));
    assert_eq!(state.failed, BTreeMap::from([("no_answer".to_owned(), 4)]));
    // Whoever asks now does not wait for it.
    assert!(!tested.look.decided(attempt(Call::Unsure)));
    assert_eq!(tested.state().not_asked.get("breaker_open"), Some(&1));
    assert_eq!(tested.server.asked.lock().len(), 4);
}

#[test]
fn nothing_leaves_the_box_where_the_venue_has_not_switched_it_on() {
    let tested = Tested::of(Does::Says(200, "", YES), Setup { consent: false, ..USUAL });
    assert!(!tested.look.decided(attempt(Call::Unsure)) && !tested.look.watches());
    assert_eq!(tested.state().condition, LookCondition::NoConsent);
    assert_eq!(tested.state().not_asked, only("consent"));
    assert_eq!(tested.server.connections.load(Ordering::SeqCst), 0);
}

#[test]
fn what_leaves_is_the_sheet_the_prompt_and_the_key_in_its_header() {
    let mut tested = Tested::of(Does::Says(200, "", YES), USUAL);
    assert!(tested.look.decided(attempt(Call::Unsure)));
    assert!(tested.seen().is_some());
    let (head, body) = tested.server.asked.lock().remove(0);
    assert!(head.starts_with("post /v1/chat/completions http/1.1"), "{head}");
    assert!(head.contains("authorization: bearer sk-secret"), "{head}");
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert!(!body.to_string().contains("sk-secret"));
    let url = body["messages"][0]["content"][0]["image_url"]["url"].as_str().expect("an image");
    let data = url.strip_prefix("data:image/jpeg;base64,").expect("a JPEG");
    let sheet = crate::media::base64::decode(data).expect("base 64");
    assert!(sheet.starts_with(&[0xff, 0xd8]) && sheet.len() < 200_000, "{}", sheet.len());
    let state = serde_json::to_string(&tested.state()).expect("JSON");
    assert!(!state.contains("sk-secret"));
}

#[test]
fn the_cap_is_never_passed_and_the_next_one_is_not_asked() {
    let mut tested = Tested::of(Does::Says(200, "", YES), Setup { cap: "0.8", ..USUAL });
    // An answer costs $0.101; the worst has to fit beside what was spent.
    let worst = tested.look.shared.asking.as_ref().expect("a bundle").hosted.worst().as_dollars();
    let fit = (0..).take_while(|n| f64::from(*n) * 0.101 + worst <= 0.8).count();
    let mut asked = 0;
    while tested.look.decided(attempt(Call::Unsure)) {
        assert!(tested.seen().is_some());
        asked += 1;
        assert!(asked < 20);
    }
    let state = tested.state();
    assert!(asked == fit && fit > 2 && state.spent_usd <= 0.8, "{asked} for {}", state.spent_usd);
    assert_eq!((state.condition, state.cap_usd), (LookCondition::CapReached, 0.8));
    assert_eq!(state.not_asked, only("cap_reached"));
}

#[test]
fn who_was_sure_is_asked_once_another_model_says_otherwise() {
    let mut tested = Tested::of(Does::Says(200, "", YES), USUAL);
    let fact = FactId::new(session(), crate::event::Family::Shot, 7);
    let sure = Attempt { fact: Some(fact), share: 9_900, ..attempt(Call::Missed) };
    assert!(!tested.look.decided(sure));
    tested.look.disputed(FactId { n: 8, ..fact });
    assert!(tested.state().asked.is_empty());
    tested.look.disputed(fact);
    assert!(tested.seen().is_some_and(|seen| seen.made));
    assert_eq!(tested.state().asked, only("disputed"));
    tested.look.disputed(fact);
    assert_eq!(tested.state().asked, only("disputed"), "once");
}

#[test]
fn an_attempt_of_which_nothing_is_in_memory_is_not_asked() {
    let tested = Tested::of(Does::Says(200, "", YES), USUAL);
    let reached = MediaTime::from_millis(60_000);
    assert!(!tested.look.decided(Attempt { reached, ..attempt(Call::Unsure) }));
    let rim = 3;
    assert!(!tested.look.decided(Attempt { rim, ..attempt(Call::Unsure) }));
    assert_eq!(tested.state().not_asked, BTreeMap::from([("no_crops".to_owned(), 2)]));
}

#[test]
fn one_that_is_live_is_asked_of_every_attempt_and_a_teacher_of_none() {
    let live = Setup { role: Role::Live, deadline_ms: 2_000, ..USUAL };
    let mut tested = Tested::of(Does::Says(200, "", YES), live);
    assert_eq!(tested.look.holds(), Some(Duration::from_secs(2)));
    assert!(tested.look.decided(Attempt { share: 10_000, ..attempt(Call::Made) }));
    assert_eq!(tested.seen(), None, "the same");
    let teacher = Tested::of(Does::Says(200, "", YES), Setup { role: Role::Teacher, ..USUAL });
    assert_eq!((teacher.look.holds(), teacher.look.watches()), (None, false));
    assert!(!teacher.look.decided(attempt(Call::Unsure)));
    assert_eq!(teacher.state().condition, LookCondition::Teaches);
}
