//! Who may ask a box for what: each route that there is, asked by everybody.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use courtside::event::command::Role;
use courtside::http::RULES;

use crate::testbox::{Plan, TestBox, until};

/// The door's own routes, beside those that the stages serve.
const WAYS_IN: [(&str, &str); 5] = [
    ("GET", "/login"),
    ("POST", "/login"),
    ("GET", "/login.css"),
    ("POST", "/logout"),
    ("GET", "/v1/session"),
];

/// Method and path of each route that the box serves, out of what its router writes of itself:
/// `RouteId(3): MethodRouter(… allow_header: Bytes(b"GET,HEAD") …)` and `RouteId(3): "/v1/state"`.
fn served(router: &str) -> BTreeSet<(String, String)> {
    let (routes, paths) = router.split_once("node: Node").expect("a router of axum 0.8");
    let id = |text: &str| text.split(')').next().expect("a number").to_owned();
    let mut served = BTreeSet::new();
    for path in paths.split("fallback_router").next().expect("some").split("RouteId(").skip(1) {
        let own = id(path);
        let path = path.split('"').nth(1).expect("a path in quotes");
        let route = routes.split("RouteId(").find(|route| id(route) == own).expect("a route");
        let allowed = route.split("allow_header: Bytes(b\"").nth(1).expect("methods");
        let allowed = allowed.split('"').next().expect("their end");
        for method in allowed.split(',').filter(|method| *method != "HEAD") {
            served.insert((method.to_owned(), path.to_owned()));
        }
    }
    served
}

/// The status of the answer to a request, and its first bytes.
fn ask(at: SocketAddr, method: &str, path: &str, token: Option<&str>) -> (u16, String) {
    let mut stream = TcpStream::connect(at).expect("connected");
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {at}\r\nContent-Length: 0\r\nConnection: close\r\n{}\r\n",
        token.unwrap_or_default()
    );
    stream.write_all(request.as_bytes()).expect("asked");
    // An event stream has no end.
    let mut answer = vec![0; 4096];
    let mut length = 0;
    while !answer[..length].windows(4).any(|four| four == b"\r\n\r\n") {
        let more = stream.read(&mut answer[length..]).expect("answered");
        assert!(more > 0, "no answer to {method} {path}");
        length += more;
    }
    let said = String::from_utf8_lossy(&answer[..length]).into_owned();
    (said.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), said)
}

fn token(dir: &Path, role: Role) -> String {
    let name = match role {
        Role::Technician => "token".to_owned(),
        other => format!("token-{other}"),
    };
    std::fs::read_to_string(dir.join(name)).expect("made at the start").trim().to_owned()
}

#[test]
fn each_route_is_answered_to_its_role_and_those_above_and_to_nobody_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let tokens = Some(dir.path().join("token"));
    let tested = TestBox::of(Plan { tokens, ..Plan::of(&["a"]) });

    // No route without a rule, no rule without a route.
    let own = WAYS_IN.map(|(method, path)| (method.to_owned(), path.to_owned()));
    let served: BTreeSet<_> = served(tested.routes()).into_iter().chain(own).collect();
    let ruled: BTreeSet<_> =
        RULES.iter().map(|rule| (rule.method.to_owned(), rule.path.to_owned())).collect();
    let none: BTreeSet<_> = served.difference(&ruled).collect();
    assert!(none.is_empty(), "give these a row in src/http/rules.rs: {none:?}");
    let none: BTreeSet<_> = ruled.difference(&served).collect();
    assert!(none.is_empty(), "no route any more, take the row away: {none:?}");

    let shown = Role::ALL.map(|role| (role, token(dir.path(), role)));
    let wrong = "0123456789abcdef0123456789abcdef";
    for rule in RULES {
        let path = rule
            .path
            .replace("{folder}/{name}", "operate/operate.js")
            .replace("{name}", "page.js")
            .replace("{court}", "a")
            .replace("{segment}", "1")
            .replace("{game}", "5d1f0c2ab3e49d07-shot-3")
            .replace("{fact}", "5d1f0c2ab3e49d07-shot-3")
            .replace("{id}", "a-5d1f0c2ab3e49d07-shot-3");
        let asked = |token: Option<&str>| ask(tested.http(), rule.method, &path, token);
        let Some(least) = rule.least else {
            for token in [None, Some(wrong), Some(shown[0].1.as_str())] {
                let (status, said) = asked(token);
                assert!(status != 401 && status != 403, "{rule:?}: {said}");
            }
            continue;
        };
        assert_eq!(asked(None).0, 401, "{rule:?} without a token");
        for (role, token) in &shown {
            let (status, said) = asked(Some(token.as_str()));
            if *role < least {
                assert_eq!(status, 403, "{rule:?} as {role}: {said}");
            } else {
                // What it says of an empty body is its own affair.
                assert!(![401, 403, 405].contains(&status), "{rule:?} as {role}: {said}");
                assert!(
                    status != 404 || path.contains("shot-3") || path.contains("/segments/"),
                    "{rule:?} as {role}: {said}"
                );
            }
        }
    }
    // At last, since a wrong one waits for its answer, and from then on the right ones do too.
    for rule in RULES.iter().filter(|rule| rule.least.is_some()) {
        let (at, method, path) = (tested.http(), rule.method, rule.path.replace(['{', '}'], ""));
        let asking = std::thread::spawn(move || ask(at, method, &path, Some(wrong)));
        until(
            || {
                tested.clock.advance(Duration::from_millis(100));
                asking.is_finished().then_some(())
            },
            || format!("{rule:?} is answered"),
        );
        let (status, said) = asking.join().expect("joined");
        assert_eq!(status, 401, "{rule:?} with a wrong token: {said}");
    }
}
