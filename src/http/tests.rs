//! The shell, asked by a client that writes its own bytes.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::*;
use crate::admission::{Admission, Door, DoorLimits, Limits, Reason, WhoGoes};
use crate::clock::{Clock, ManualClock, SystemClock};
use crate::event::command::Role;
use crate::http::serving::BODY_MOST_BYTES;
use crate::media::UtcTime;

mod roles;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const OPERATORS: &str = "operator-9876543210-operator";
const VIEWERS: &str = "viewer-9876543210-viewer";

fn access() -> Access {
    let tokens = [(Role::Viewer, VIEWERS), (Role::Operator, OPERATORS), (Role::Technician, TOKEN)];
    Access::Tokens(Tokens::known(tokens))
}

/// Those of the routes below, and of the ways in.
const SOME_RULES: &[Rule] = &[
    Rule { method: "GET", path: "/healthz", least: None, keys: Keys::Any },
    Rule { method: "GET", path: "/", least: Some(Role::Viewer), keys: Keys::Any },
    Rule { method: "GET", path: "/v1/session", least: Some(Role::Viewer), keys: Keys::These(&[]) },
    Rule {
        method: "GET",
        path: "/endless",
        least: Some(Role::Viewer),
        keys: Keys::These(&["court", "game"]),
    },
    Rule { method: "POST", path: "/taps", least: Some(Role::Operator), keys: Keys::These(&[]) },
    Rule { method: "POST", path: "/sink", least: Some(Role::Technician), keys: Keys::Any },
];

const LOOPBACK: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

fn terms() -> Terms {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    usual(&clock)
}

fn usual(clock: &Arc<dyn Clock>) -> Terms {
    Terms { rules: SOME_RULES, ..Terms::usual(clock) }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("runtime")
}

fn routes() -> Router {
    Router::new()
        .route("/", get(|| async { "the page" }))
        .route("/healthz", get(|| async { "ok" }))
        .route("/endless", get(|| async { Body::new(Endless(true)) }))
        .route("/taps", axum::routing::post(|| async { "tapped" }))
        .route("/forgotten", get(|| async { "in no rule" }))
        .route("/sink", axum::routing::post(|body: String| async move { body.len().to_string() }))
}

/// A word, and then nothing for ever: an event stream on a quiet day.
struct Endless(bool);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, io::Error>>> {
        match std::mem::take(&mut self.0) {
            true => Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(b"word"))))),
            false => Poll::Pending,
        }
    }
}

/// Serves on a free port while `asking` runs; then stops and waits for the end.
fn served<F: Future<Output = ()>>(access: Access, asking: impl FnOnce(SocketAddr) -> F) {
    served_on(access, terms(), asking);
}

fn served_on<F: Future<Output = ()>>(
    access: Access,
    terms: Terms,
    asking: impl FnOnce(SocketAddr) -> F,
) {
    runtime().block_on(async {
        let server = Server::bind(LOOPBACK.into(), None, access, terms).expect("bound");
        let address = server.address();
        let (stop, mut stopped) = watch::channel(false);
        let serving = tokio::spawn(server.serve(routes(), async move {
            drop(stopped.wait_for(|stop| *stop).await);
        }));
        asking(address).await;
        stop.send_replace(true);
        serving.await.expect("joined").expect("served");
    });
}

fn text_of(file: &std::path::Path) -> String {
    std::fs::read_to_string(file).expect("written")
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request =
        request.replacen("\r\n", &format!("\r\nHost: {address}\r\nConnection: close\r\n"), 1);
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    // A refusal may come as a reset after the answer; what was read by then counts.
    drop(stream.read_to_string(&mut answer).await);
    answer
}

#[test]
fn nothing_is_shown_without_the_token_but_that_we_live() {
    served(access(), |address| async move {
        assert!(ask(address, "GET /healthz HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 200"));
        for path in ["/", "/nothing", "//healthz", "/healthz/", "/v1/state"] {
            let answer = ask(address, &format!("GET {path} HTTP/1.1\r\n\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 401"), "{path}: {answer}");
            assert!(answer.contains("application/problem+json"), "{answer}");
            assert!(answer.to_lowercase().contains("www-authenticate: bearer"), "{answer}");
        }
        let wrong = format!("GET / HTTP/1.1\r\nAuthorization: Bearer {}x\r\n\r\n", &TOKEN[1..]);
        assert!(ask(address, &wrong).await.starts_with("HTTP/1.1 401"));
        let right = format!("GET / HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
        let answer = ask(address, &right).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("the page"), "{answer}");
        assert!(answer.contains("frame-ancestors 'none'"), "{answer}");
    });
}

#[test]
fn what_the_framework_refuses_is_a_problem_too() {
    served(access(), |address| async move {
        let asked = format!("DELETE / HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
        let answer = ask(address, &asked).await;
        assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(answer.contains("not with this method"), "{answer}");
        assert!(answer.to_lowercase().contains("allow: get"), "{answer}");
        let json =
            "POST /login HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        let answer = ask(address, json).await;
        assert!(answer.starts_with("HTTP/1.1 415"), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert_eq!(answer.matches("\ncontent-type:").count(), 1, "{answer}");
    });
}

fn form(token: &str) -> String {
    let body = format!("token={token}");
    format!(
        "POST /login HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The cookie that an answer sets, as a browser sends it back.
fn cookie(answer: &str) -> String {
    let set = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
    format!("Cookie: {}\r\n", set.split(';').next().expect("a pair"))
}

async fn signed_in(address: SocketAddr) -> String {
    cookie(&ask(address, &form(TOKEN)).await)
}

async fn shows(address: SocketAddr, cookie: &str) -> bool {
    let answer = ask(address, &format!("GET / HTTP/1.1\r\n{cookie}\r\n")).await;
    assert!(answer.ends_with("the page") || answer.starts_with("HTTP/1.1 401"), "{answer}");
    answer.ends_with("the page")
}

fn by_hand() -> (ManualClock, Terms) {
    let clock = ManualClock::at(UtcTime::from_nanos(1_800_000_000_000_000_000));
    let given: Arc<dyn Clock> = Arc::new(clock.clone());
    (clock, usual(&given))
}

#[test]
fn a_stolen_cookie_dies_at_sign_out_with_its_time_and_with_a_restart() {
    let (clock, terms) = by_hand();
    let access = access();
    served_on(access.clone(), terms.clone(), |address| async move {
        let (out, kept) = (signed_in(address).await, signed_in(address).await);
        assert_ne!(out, kept, "each sign-in has its own");
        assert!(shows(address, &out).await && shows(address, &kept).await);
        let told = ask(address, &format!("GET /v1/session HTTP/1.1\r\n{kept}\r\n")).await;
        assert!(
            told.ends_with(r#"{"ends_in_seconds":43200,"role":"technician","signed_in":true}"#),
            "{told}"
        );

        // Another page's form signs nobody out.
        let foreign = "Origin: https://evil.example\r\n";
        let answer = ask(address, &format!("POST /logout HTTP/1.1\r\n{foreign}{out}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 403") && shows(address, &out).await, "{answer}");
        let answer = ask(address, &format!("POST /logout HTTP/1.1\r\n{out}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 303") && answer.contains("location: /login"));
        assert!(answer.contains("set-cookie: courtside=; ") && answer.contains("Max-Age=0"));
        assert!(!shows(address, &out).await && shows(address, &kept).await);
        // Nothing to sign out of is no fault.
        let answer = ask(address, &format!("POST /logout HTTP/1.1\r\n{out}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");

        // In again by the same browser: what it had before is over.
        let body = form(TOKEN).replacen("\r\n", &format!("\r\n{kept}"), 1);
        let again = cookie(&ask(address, &body).await);
        assert!(!shows(address, &kept).await && shows(address, &again).await);

        clock.advance(Duration::from_secs(12 * 3600 - 1));
        assert!(shows(address, &again).await, "use does not lengthen it, but it is not over");
        clock.advance(Duration::from_secs(1));
        assert!(!shows(address, &again).await);
    });
    let (sender, cookie) = std::sync::mpsc::sync_channel(1);
    served_on(access.clone(), terms.clone(), |address| async move {
        sender.send(signed_in(address).await).expect("kept");
    });
    let cookie = cookie.recv().expect("one");
    served_on(access, terms, |address| async move {
        assert!(!shows(address, &cookie).await, "the daemon that knew it has ended");
    });
}

#[test]
fn what_a_session_still_runs_ends_with_it() {
    let (clock, terms) = by_hand();
    served_on(access(), terms, |address| async move {
        let watch = async |who: &str| {
            let mut stream = TcpStream::connect(address).await.expect("connected");
            let request = format!("GET /endless HTTP/1.1\r\nHost: box\r\n{who}\r\n");
            stream.write_all(request.as_bytes()).await.expect("written");
            let mut head = Vec::new();
            while !head.ends_with(b"word\r\n") {
                head.push(stream.read_u8().await.expect("the first word"));
            }
            stream
        };
        let rest = async |mut stream: TcpStream| {
            let mut rest = Vec::new();
            drop(stream.read_to_end(&mut rest).await);
            assert!(rest.is_empty(), "not as if it had been all: {rest:?}");
        };
        let bearer = watch(&format!("Authorization: Bearer {TOKEN}\r\n")).await;
        let out = signed_in(address).await;
        let watching = watch(&out).await;
        ask(address, &format!("POST /logout HTTP/1.1\r\n{out}\r\n")).await;
        rest(watching).await;

        let watching = watch(&signed_in(address).await).await;
        clock.advance(Duration::from_secs(12 * 3600));
        rest(watching).await;

        // Who shows the token each time has no session that could end.
        let more = bearer.try_read(&mut [0; 1]).expect_err("nothing to read");
        assert_eq!(more.kind(), io::ErrorKind::WouldBlock);
    });
}

#[test]
fn a_request_without_a_host_or_with_two_is_refused() {
    served(access(), |address| async move {
        let raw = async |head: &str| {
            let mut stream = TcpStream::connect(address).await.expect("connected");
            let request =
                format!("{head}Authorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.expect("written");
            let mut answer = String::new();
            drop(stream.read_to_string(&mut answer).await);
            answer
        };
        for (head, status) in [
            ("GET / HTTP/1.1\r\nHost: box\r\n", "200"),
            ("GET / HTTP/1.1\r\n", "400"),
            ("GET /healthz HTTP/1.1\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: box\r\nHost: box\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: box\r\nhost: other\r\n", "400"),
            ("GET / HTTP/1.0\r\n", "200"),
            ("GET / HTTP/1.0\r\nHost: box\r\nHost: box\r\n", "400"),
            ("GET http://box/ HTTP/1.1\r\nHost: box\r\n", "200"),
            ("GET http://other/ HTTP/1.1\r\nHost: box\r\n", "400"),
        ] {
            let answer = raw(head).await;
            let said = answer.split(' ').nth(1);
            assert_eq!(said, Some(status), "{head}: {answer}");
            if status == "400" {
                assert!(answer.contains("application/problem+json"), "{head}: {answer}");
                assert!(answer.contains("Unclear host"), "{head}: {answer}");
            }
        }
    });
}

#[test]
fn a_browser_signs_in_and_gets_a_cookie_that_is_not_the_token() {
    served(access(), |address| async move {
        let page = ask(address, "GET / HTTP/1.1\r\nAccept: text/html,*/*\r\n\r\n").await;
        assert!(page.starts_with("HTTP/1.1 303") && page.contains("location: /login"), "{page}");
        assert!(ask(address, "GET /login HTTP/1.1\r\n\r\n").await.contains("Your token"));
        let wrong = ask(address, &form("guess")).await;
        assert!(
            wrong.contains("location: /login?wrong=1") && !wrong.contains("set-cookie"),
            "{wrong}"
        );
        let right = ask(address, &form(TOKEN)).await;
        let cookie =
            right.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
        assert!(
            cookie.contains("HttpOnly; SameSite=Strict") && !cookie.contains(TOKEN),
            "{cookie}"
        );
        let pair = cookie.split(';').next().expect("a pair");
        let answer = ask(address, &format!("GET / HTTP/1.1\r\nCookie: a=b; {pair}\r\n\r\n")).await;
        assert!(answer.ends_with("the page"), "{answer}");
        let forged =
            ask(address, &format!("GET / HTTP/1.1\r\nCookie: courtside={TOKEN}\r\n\r\n")).await;
        assert!(forged.starts_with("HTTP/1.1 401"), "{forged}");
    });
}

#[test]
fn a_sign_in_leads_back_to_where_the_browser_came_from_and_never_elsewhere() {
    served(access(), |address| async move {
        let html = "Accept: text/html,*/*\r\n\r\n";
        let asked = ask(address, &format!("GET /operate?game=a&x=%22 HTTP/1.1\r\n{html}")).await;
        let to = "/login?to=/operate%3Fgame%3Da%26x%3D%2522";
        assert!(asked.contains(&format!("location: {to}\r\n")), "{asked}");
        let page = ask(address, &format!("GET {to} HTTP/1.1\r\n\r\n")).await;
        let field = "<input type=\"hidden\" name=\"to\" value=\"/operate?game=a&amp;x=%22\">";
        assert!(page.contains(field), "{page}");
        let wrong = ask(address, &form("guess&to=/operate%3Fgame%3Da")).await;
        assert!(wrong.contains("location: /login?wrong=1&to=/operate%3Fgame%3Da\r\n"), "{wrong}");
        let right = ask(address, &form(&format!("{TOKEN}&to=/operate%3Fgame%3Da"))).await;
        assert!(right.contains("location: /operate?game=a\r\n"), "{right}");
        for elsewhere in
            ["//evil.example", "/%5Cevil.example", "https://evil.example/", "/%09/evil.example"]
        {
            let page = ask(address, &format!("GET /login?to={elsewhere} HTTP/1.1\r\n\r\n")).await;
            assert!(!page.contains("evil") && page.contains("Your token"), "{page}");
            let right = ask(address, &form(&format!("{TOKEN}&to={elsewhere}"))).await;
            assert!(right.contains("location: /\r\n") && right.contains("set-cookie"), "{right}");
        }
    });
}

#[test]
fn without_a_token_a_name_that_somebody_pointed_at_us_is_not_answered() {
    served(Access::Open, |address| async move {
        assert!(ask(address, "GET / HTTP/1.1\r\n\r\n").await.ends_with("the page"));
        let mut stream = TcpStream::connect(address).await.expect("connected");
        let request = "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("read");
        assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    });
}

#[test]
fn what_changes_something_is_taken_from_our_own_pages_alone() {
    let post = |path: &str, headers: &str| {
        let token = format!("Authorization: Bearer {TOKEN}");
        format!(
            "POST {path} HTTP/1.1\r\n{headers}{token}\r\nContent-Length: 7\r\nContent-Type: \
             application/x-www-form-urlencoded\r\n\r\ntoken=x"
        )
    };
    for access in [Access::Open, access()] {
        served(access, |address| async move {
            let foreign = [
                "Origin: https://evil.example\r\n".to_owned(),
                "Origin: null\r\n".to_owned(),
                format!("Origin: http://localhost:{}\r\n", address.port()),
                format!("Origin: http://{address}\r\nOrigin: https://evil.example\r\n"),
            ];
            for origin in &foreign {
                for path in ["/sink", "/login", "/nothing"] {
                    let answer = ask(address, &post(path, origin)).await;
                    assert!(answer.starts_with("HTTP/1.1 403"), "{path}, {origin}: {answer}");
                    assert!(answer.contains("application/problem+json"), "{answer}");
                    assert!(answer.contains("Foreign origin"), "{answer}");
                }
                // What only reads is kept from other pages by the browser.
                let get = post("/", origin).replacen("POST", "GET", 1);
                assert!(ask(address, &get).await.starts_with("HTTP/1.1 200"), "{origin}");
            }
            for origin in [String::new(), format!("Origin: http://{address}\r\n")] {
                let answer = ask(address, &post("/sink", &origin)).await;
                assert!(answer.starts_with("HTTP/1.1 200"), "{origin}: {answer}");
            }
            // Else a browser's sign-in would come with `Origin: null`.
            let form = ask(address, "GET /login HTTP/1.1\r\n\r\n").await.to_lowercase();
            assert!(form.contains("referrer-policy: same-origin"), "{form}");
        });
    }
}

#[test]
fn a_body_beyond_the_bound_is_refused() {
    served(Access::Open, |address| async move {
        let post = |length: usize| {
            format!("POST /sink HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(length))
        };
        assert!(ask(address, &post(1_000)).await.ends_with("1000"));
        let refused = ask(address, &post(BODY_MOST_BYTES + 1)).await;
        assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 413"), "{refused}");
    });
}

#[test]
fn an_answer_that_never_ends_does_not_hold_the_end() {
    // `served` itself is the assertion: it returns although the connection below stays open.
    served(Access::Open, |address| async move {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(b"GET / HT").await.expect("written");
        std::mem::forget(stream);
    });
}

#[test]
fn tokens_are_made_once_and_only_we_can_read_them() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a folder");
    let files =
        |name: &str| Role::ALL.map(|role| (role, dir.path().join(format!("{name}-{role}"))));
    let read = text_of;
    Tokens::open(files("token")).expect("made");
    let made = files("token").map(|(role, file)| {
        assert_eq!(read(&file).trim().len(), 76);
        let mode = std::fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{role}");
        (role, read(&file))
    });
    let again = Tokens::open(files("token")).expect("read");
    for (role, token) in &made {
        assert_eq!(again.find(token).map(|shown| shown.role), Some(*role), "read, not made anew");
    }
    assert!(made[0].1 != made[1].1 && made[1].1 != made[2].1);

    let put = |file: &std::path::Path, text: &str| {
        io::Write::write_all(&mut std::fs::File::create(file).expect("made"), text.as_bytes())
            .expect("written");
    };
    let weak = files("weak");
    put(&weak[2].1, "secret\n");
    assert!(matches!(Tokens::open(weak), Err(HttpError::WeakToken { .. })));
    // What only others would show keeps no box from starting.
    let weak = files("weaker");
    put(&weak[0].1, "secret\n");
    let tokens = Tokens::open(weak).expect("without viewers");
    assert_eq!(tokens.find("secret"), None);
    // Who knew the viewer's would be the technician.
    let same = files("same");
    put(&same[0].1, TOKEN);
    put(&same[2].1, &format!("{TOKEN}\n"));
    assert!(matches!(Tokens::open(same), Err(HttpError::SameToken { .. })));
    let absent = dir.path().join("no/such/token");
    let error = Tokens::open([(Role::Technician, absent)]).expect_err("refused").to_string();
    assert!(error.contains("http.token_file"), "{error}");
}

#[test]
fn tls_is_spoken_where_a_certificate_is_given() {
    use tokio_rustls::rustls::pki_types::ServerName;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};
    let dir = tempfile::tempdir().expect("a folder");
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let files = crate::config::TlsFiles {
        cert_file: dir.path().join("cert.pem"),
        key_file: dir.path().join("key.pem"),
    };
    let write = |file: &std::path::Path, text: String| {
        std::fs::File::create(file).expect("made").write_all(text.as_bytes()).expect("written");
    };
    use std::io::Write;
    write(&files.cert_file, pair.cert.pem());
    write(&files.key_file, pair.signing_key.serialize_pem());
    let config = server_config(&files, &[b"http/1.1"]).expect("a pair");
    let swapped = crate::config::TlsFiles { cert_file: files.key_file.clone(), ..files };
    let error = server_config(&swapped, &[]).expect_err("a key is no certificate").to_string();
    assert!(error.contains("key.pem"), "{error}");
    let access = access();
    runtime().block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let limits = Limits { http: few_seats(), ..Limits::default() };
        let admission = Admission::new(Arc::clone(&clock), limits);
        let terms = Terms { admission: admission.clone(), ..usual(&clock) };
        let server = Server::bind(LOOPBACK.into(), Some(config), access, terms).expect("bound");
        let address = server.address();
        let serving = tokio::spawn(server.serve(routes(), std::future::pending()));
        // Others begin a handshake and leave it at that.
        let mut begun = Vec::new();
        for n in 0..60 {
            let mut stream = from([5, n / 20], address).await;
            drop(stream.write_all(b"\x16\x03\x01").await);
            begun.push(stream);
        }
        let mut roots = RootCertStore::empty();
        roots.add(pair.cert.der().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await.expect("connected");
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = tokio_rustls::TlsConnector::from(Arc::new(client))
            .connect(name, stream)
            .await
            .expect("a handshake");
        let request =
            form(TOKEN).replacen("\r\n", "\r\nHost: localhost\r\nConnection: close\r\n", 1);
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        let answer = String::from_utf8_lossy(&answer);
        // No neighbour of our name can set it, and it never travels in clear.
        assert!(answer.contains("set-cookie: __Host-courtside="), "{answer}");
        assert!(answer.contains("; Secure"), "{answer}");
        assert!(admission.counts().refused(Door::Http, Reason::Evicted) > 30);
        drop(begun);
        serving.abort();
    });
}

/// A connection from an address of loopback: peers are told apart by it.
async fn from(last: [u8; 2], to: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    let [third, fourth] = last;
    socket.bind(([127, 9, third, fourth], 0).into()).expect("an address of our own");
    socket.connect(to).await.expect("connected")
}

/// What is answered on a connection, up to its end.
async fn answered(mut stream: TcpStream, request: &str) -> String {
    let request = request.replacen("\r\n", "\r\nHost: box\r\nConnection: close\r\n", 1);
    let mut answer = String::new();
    if stream.write_all(request.as_bytes()).await.is_ok() {
        drop(stream.read_to_string(&mut answer).await);
    }
    answer
}

fn bearer(token: &str) -> String {
    format!("GET / HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n")
}

fn guarded_by(limits: Limits) -> (ManualClock, Terms) {
    let (clock, terms) = by_hand();
    let given: Arc<dyn Clock> = Arc::new(clock.clone());
    (clock, Terms { admission: Admission::new(given, limits), ..terms })
}

/// As many as a test can fill.
fn few_seats() -> DoorLimits {
    let few = DoorLimits { seats: 24, seats_by_prefix: 12, kept: 8, ..Limits::default().http };
    DoorLimits { seats_by_local_prefix: 12, ..few }
}

/// Connections of one address that send half a request.
async fn held_by(last: [u8; 2], to: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for _ in 0..count {
        let mut stream = from(last, to).await;
        drop(stream.write_all(b"GET / HTTP/1.1\r\nHost: b").await);
        held.push(stream);
    }
    held
}

/// Connections that say nothing, or half a request, each twenty of one address.
async fn held(to: SocketAddr, count: u8) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for n in 0..count {
        let mut stream = from([1, n / 20], to).await;
        if n % 2 == 0 {
            drop(stream.write_all(b"GET / HTTP/1.1\r\nHost: b").await);
        }
        held.push(stream);
    }
    held
}

#[test]
fn who_holds_connections_without_a_token_keeps_nobody_out() {
    let (usual, few) = (Limits::default(), few_seats());
    let oldest = DoorLimits { who_goes: WhoGoes::Oldest, ..few };
    for (http, stays) in [(few, true), (oldest, false)] {
        let (_clock, terms) = guarded_by(Limits { http, ..usual });
        served_on(access(), terms, |address| async move {
            // One who was let in before, and one who types his request by hand.
            let mut watching = from([2, 1], address).await;
            let request = "GET /endless HTTP/1.1\r\nHost: box\r\nAuthorization: Bearer ";
            watching.write_all(format!("{request}{TOKEN}\r\n\r\n").as_bytes()).await.expect("fits");
            assert_eq!(watching.read_u8().await.expect("answered"), b'H');
            let mut typing = from([2, 2], address).await;
            typing.write_all(b"GET /login HTTP/1.1\r\n").await.expect("fits");

            let flood = held(address, 120).await;
            let answer = answered(from([3, 1], address).await, &bearer(TOKEN)).await;
            assert!(answer.ends_with("the page"), "a watcher with the token: {answer}");
            let login = "GET /login HTTP/1.1\r\n\r\n";
            let answer = answered(from([3, 2], address).await, login).await;
            assert!(answer.contains("Your token"), "a browser nobody knows: {answer}");
            // From the flood's own address too.
            let answer = answered(from([1, 0], address).await, &bearer(TOKEN)).await;
            assert!(answer.ends_with("the page"), "{answer}");

            drop(typing.write_all(b"Host: box\r\nConnection: close\r\n\r\n").await);
            let mut answer = String::new();
            drop(typing.read_to_string(&mut answer).await);
            // Where who came first goes, who is slow goes with the flood.
            assert_eq!(answer.contains("Your token"), stays, "{answer}");
            // Who was let in sits elsewhere: his answer goes on.
            let over = loop {
                match watching.try_read(&mut [0; 512]) {
                    Ok(0) => break true,
                    Ok(_) => {}
                    Err(error) => break error.kind() != io::ErrorKind::WouldBlock,
                }
            };
            assert!(!over);
            drop(flood);
        });
    }
}

/// A connection that listens to what never ends, once its answer has begun.
async fn listening(last: [u8; 2], to: SocketAddr) -> TcpStream {
    let mut stream = from(last, to).await;
    let request =
        format!("GET /endless HTTP/1.1\r\nHost: box\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("fits");
    assert_eq!(stream.read_u8().await.expect("answered"), b'H');
    stream
}

#[test]
fn one_page_more_than_an_address_may_have_is_told_to_come_later_and_those_that_rest_count_apart() {
    // These addresses are of this machine: twice as many as any other.
    let (_clock, terms) = guarded_by(Limits::default().with_connections_per_address(8));
    let admission = terms.admission.clone();
    served_on(access(), terms, |address| async move {
        let mut listens = Vec::new();
        for _ in 0..15 {
            listens.push(listening([1, 1], address).await);
        }
        // Twenty that were answered and rest, however many, are none of them.
        let request =
            format!("GET / HTTP/1.1\r\nHost: box\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
        let mut rest = Vec::new();
        for _ in 0..20 {
            let mut stream = from([1, 1], address).await;
            stream.write_all(request.as_bytes()).await.expect("fits");
            let mut answer = Vec::new();
            while !answer.ends_with(b"the page") {
                answer.push(stream.read_u8().await.expect("the page, whole"));
            }
            rest.push(stream);
        }
        listens.push(listening([1, 1], address).await);
        // The seventeenth: in words, on a new connection and on one that rests.
        let full = answered(from([1, 1], address).await, &bearer(TOKEN)).await;
        for words in ["HTTP/1.1 503", "retry-after: 2", "16 connections of this address", "[http]"]
        {
            assert!(full.contains(words), "{words}: {full}");
        }
        let mut resting = rest.pop().expect("twenty");
        resting.write_all(request.as_bytes()).await.expect("fits");
        let mut head = [0; 12];
        resting.read_exact(&mut head).await.expect("answered");
        assert_eq!(&head, b"HTTP/1.1 503");
        assert_eq!(admission.counts().refused(Door::Http, Reason::Full), 2);
        assert!(admission.full()[0].starts_with("2 questions of 127.9.1.1 to the page"));
        assert_eq!(admission.faults(), Vec::<String>::new(), "nobody is to be blamed");
        let other = answered(from([1, 2], address).await, &bearer(TOKEN)).await;
        assert!(other.ends_with("the page"), "{other}");
        // None that listens was ended for it; and one that goes makes room.
        for stream in &mut listens {
            stream.read_u8().await.expect("it goes on");
        }
        drop(listens.pop());
        loop {
            let again = answered(from([1, 1], address).await, &bearer(TOKEN)).await;
            if again.ends_with("the page") {
                break;
            }
            assert!(again.starts_with("HTTP/1.1 503"), "{again}");
        }
    });
}

#[test]
fn who_has_to_go_before_he_was_answered_is_told_in_words_and_never_by_a_reset() {
    let usual = Limits::default();
    let (_clock, terms) = guarded_by(Limits { http: few_seats(), ..usual });
    served_on(access(), terms, |address| async move {
        let mut first = from([1, 1], address).await;
        first.write_all(b"GET / HTTP/1.1\r\nHost: b").await.expect("fits");
        // Others of its address take its place.
        let others = held_by([1, 1], address, 40).await;
        let mut answer = String::new();
        first.read_to_string(&mut answer).await.expect("no reset");
        for words in ["HTTP/1.1 503", "retry-after: 2", "ask again"] {
            assert!(answer.contains(words), "{words}: {answer}");
        }
        drop(others);
    });
}

#[test]
fn who_comes_behind_a_crowd_does_not_have_to_knock_twice() {
    runtime().block_on(async {
        // Nobody takes them yet: all that has come waits with the kernel.
        let server = Server::bind(LOOPBACK.into(), None, Access::Open, terms()).expect("bound");
        let crowd = async {
            let mut crowd = Vec::new();
            for n in 0..600_usize {
                let third = u8::try_from(n / 100).expect("a few");
                crowd.push(from([7, third], server.address()).await);
            }
            crowd.len()
        };
        let come = tokio::time::timeout(Duration::from_secs(30), crowd).await;
        assert_eq!(come, Ok(600), "the library's own 128 would have the rest wait for ever");
    });
}

#[test]
fn guesses_of_the_token_wait_and_so_does_the_right_one_behind_them() {
    let (clock, terms) = guarded_by(Limits::default());
    let admission = terms.admission.clone();
    served_on(access(), terms, |address| async move {
        // A wrong one is answered when its time has come, and a right one of somebody else at once.
        let guess = |n: u32, of: [u8; 2]| async move {
            answered(from(of, address).await, &bearer(&format!("guess-{n}-guess-{n}-guess"))).await
        };
        let waits = tokio::spawn(guess(0, [4, 1]));
        let answer = answered(from([4, 2], address).await, &bearer(TOKEN)).await;
        assert!(answer.ends_with("the page"), "{answer}");
        while clock.next_alarm().is_none() {
            tokio::task::yield_now().await;
        }
        assert!(!waits.is_finished());
        clock.advance(Duration::from_secs(1));
        assert!(waits.await.expect("ended").starts_with("HTTP/1.1 401"));

        // Who guessed six times without waiting waits for the right one too.
        let mut hung_up = Vec::new();
        for n in 1..=8 {
            let mut stream = from([4, 1], address).await;
            let token = format!("hung-{n}-hung-{n}-hung");
            let request = bearer(&token).replacen("\r\n", "\r\nHost: box\r\n", 1);
            stream.write_all(request.as_bytes()).await.expect("fits");
            hung_up.push(stream);
        }
        while admission.counts().refused(Door::Http, Reason::WrongSecret) < 9 {
            tokio::task::yield_now().await;
        }
        let behind = answered(from([4, 1], address).await, &bearer(TOKEN)).await;
        assert!(
            behind.starts_with("HTTP/1.1 429") && behind.contains("retry-after: 1"),
            "{behind}"
        );
        let login = answered(from([4, 1], address).await, &form(TOKEN)).await;
        assert!(
            login.contains("location: /login?later=1"),
            "a person is told on the page: {login}"
        );
        let told = "GET /login?later=1 HTTP/1.1\r\n\r\n";
        let told = answered(from([4, 1], address).await, told).await;
        assert!(told.contains("try again in a few seconds"), "{told}");
        drop(hung_up);
        // Who signed in before is not held up by who guesses beside him.
        let answer = answered(from([4, 2], address).await, &bearer(TOKEN)).await;
        assert!(answer.ends_with("the page"), "{answer}");
        // A monitor shows nothing, and is not asked.
        let probe = "GET /healthz HTTP/1.1\r\n\r\n";
        assert!(answered(from([4, 1], address).await, probe).await.starts_with("HTTP/1.1 200"));
    });
}

#[test]
fn without_the_brake_a_guesser_has_all_the_answers_he_wants() {
    let off = Limits { answer_after: Duration::ZERO, ..Limits::off() };
    // The clock stands: whatever is answered cost no time.
    let (_clock, terms) = guarded_by(off);
    served_on(access(), terms, |address| async move {
        for n in 0..50 {
            let guess = bearer(&format!("guess-{n}-guess-{n}-guess"));
            let answer = answered(from([4, 1], address).await, &guess).await;
            assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        }
        let found = answered(from([4, 1], address).await, &bearer(TOKEN)).await;
        assert!(found.ends_with("the page"), "{found}");
    });
}

#[test]
fn a_refusal_is_the_last_that_a_stranger_is_told_on_his_connection() {
    served(access(), |address| async move {
        let ended = async |request: &str| {
            let mut stream = TcpStream::connect(address).await.expect("connected");
            let request = request.replacen("\r\n", "\r\nHost: box\r\n", 1);
            // Twice, as a peer that keeps its connections: is the second answered too?
            let twice = format!("{request}{request}");
            stream.write_all(twice.as_bytes()).await.expect("written");
            let mut answers = Vec::new();
            drop(stream.read_to_end(&mut answers).await);
            String::from_utf8_lossy(&answers).matches("HTTP/1.1 ").count()
        };
        assert_eq!(ended("GET / HTTP/1.1\r\n\r\n").await, 1);
        let wrong = format!("GET / HTTP/1.1\r\nAuthorization: Bearer {}x\r\n\r\n", &TOKEN[1..]);
        assert_eq!(ended(&wrong).await, 1);
        assert_eq!(ended("GET /login HTTP/1.1\r\n\r\n").await, 2, "and then for want of more");
        // Who was let in may be wrong.
        let mut stream = TcpStream::connect(address).await.expect("connected");
        let token = format!("Host: box\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
        let requests = format!("GET / HTTP/1.1\r\n{token}GET /no HTTP/1.1\r\n{token}");
        stream.write_all(requests.as_bytes()).await.expect("written");
        let mut last = Vec::new();
        while !last.ends_with(
            b"is the page\",\"status\":404,\"title\":\"Not found\",\"type\":\"about:blank\"}",
        ) {
            last.push(stream.read_u8().await.expect("more to come"));
        }
        assert!(!String::from_utf8_lossy(&last).contains("connection: close"));
    });
}
