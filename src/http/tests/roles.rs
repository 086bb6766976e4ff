//! Who is let in as whom, and what becomes of it when a token is made anew.

use super::*;

#[test]
fn each_role_does_what_is_its_own_and_is_told_what_is_not() {
    served(access(), |address| async move {
        let asked = async |line: &str, who: &str| {
            ask(address, &format!("{line} HTTP/1.1\r\n{who}\r\n")).await
        };
        let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
        for (role, token) in [("viewer", VIEWERS), ("operator", OPERATORS), ("technician", TOKEN)] {
            let signed_in = cookie(&ask(address, &form(token)).await);
            for who in [bearer(token), signed_in] {
                let told = asked("GET /v1/session", &who).await;
                assert!(told.contains(&format!("\"role\":\"{role}\"")), "{told}");
                for (line, may) in [
                    ("GET /", true),
                    ("HEAD /", true),
                    ("POST /taps", role != "viewer"),
                    ("POST /sink", role == "technician"),
                ] {
                    let answer = asked(line, &who).await;
                    let status = if may { "HTTP/1.1 200" } else { "HTTP/1.1 403" };
                    assert!(answer.starts_with(status), "{line} of {role}: {answer}");
                    let says = format!("you are here as {role}");
                    assert_eq!(answer.contains(&says), !may, "{line} of {role}: {answer}");
                }
                // What somebody forgot is nobody's, and what is not there is nothing.
                assert!(asked("GET /forgotten", &who).await.starts_with("HTTP/1.1 403"));
                assert!(asked("GET /nothing", &who).await.starts_with("HTTP/1.1 404"));
                // Who misspells a key is told which there are, and nobody else's error hides it.
                let answer = asked("GET /endless?cuort=a&game=b", &who).await;
                assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
                let says = "`cuort` is no key of /endless: these are read there: court, game";
                assert!(answer.contains(says), "{answer}");
                let answer = asked("GET /v1/session?of=me", &who).await;
                assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("`of`"), "{answer}");
                assert!(asked("GET /?anything", &who).await.starts_with("HTTP/1.1 200"));
                let answer = asked("DELETE /taps", &who).await;
                assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
                assert!(answer.to_lowercase().contains("allow: post\r"), "{answer}");
            }
        }
        for line in ["GET /forgotten", "POST /taps", "DELETE /taps", "GET /nothing"] {
            assert!(asked(line, "").await.starts_with("HTTP/1.1 401"), "{line}");
        }
    });
}

#[test]
fn what_was_let_in_by_a_token_ends_when_that_is_made_anew() {
    let dir = tempfile::tempdir().expect("a folder");
    let files = Role::ALL.map(|role| (role, dir.path().join(role.word())));
    let tokens = Tokens::open(files.clone()).expect("made");
    let read = |role: Role| {
        let file = dir.path().join(role.word());
        text_of(&file).trim().to_owned()
    };
    served(Access::Tokens(tokens.clone()), |address| async move {
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
        let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
        let (old, other) = (read(Role::Operator), read(Role::Viewer));
        let signed_in = cookie(&ask(address, &form(&old)).await);
        let stays = cookie(&ask(address, &form(&other)).await);
        let (by_cookie, by_token) = (watch(&signed_in).await, watch(&bearer(&old)).await);
        let goes_on = watch(&stays).await;
        tokens.renew(Role::Operator).expect("its file is ours");
        for mut stream in [by_cookie, by_token] {
            let mut rest = Vec::new();
            drop(stream.read_to_end(&mut rest).await);
            assert!(rest.is_empty(), "not as if it had been all: {rest:?}");
        }
        assert!(!shows(address, &signed_in).await && shows(address, &stays).await);
        let more = goes_on.try_read(&mut [0; 1]).expect_err("nothing to read");
        assert_eq!(more.kind(), io::ErrorKind::WouldBlock);
        let new = read(Role::Operator);
        assert!(new != old && new.len() == 76);
        assert!(!shows(address, &bearer(&old)).await && shows(address, &bearer(&new)).await);
        // The next start knows the same.
        let next = Tokens::open(files).expect("read");
        assert_eq!(next.find(&new).map(|shown| shown.role), Some(Role::Operator));
    });
}

#[test]
fn who_only_sees_guesses_the_technicians_token_no_faster_for_being_let_in() {
    let (clock, terms) = guarded_by(Limits::default());
    let admission = terms.admission.clone();
    served_on(access(), terms, |address| async move {
        // On one connection: let in as a viewer, then with the right token of more, behind wrong ones.
        let mut inside = from([4, 1], address).await;
        let request = |token: &str| bearer(token).replacen("\r\n", "\r\nHost: box\r\n", 1);
        inside.write_all(request(VIEWERS).as_bytes()).await.expect("fits");
        let mut head = Vec::new();
        while !head.ends_with(b"the page") {
            head.push(inside.read_u8().await.expect("answered"));
        }
        let mut hung_up = Vec::new();
        for n in 1..=6 {
            let mut stream = from([4, 1], address).await;
            let token = format!("hung-{n}-hung-{n}-hung");
            stream.write_all(request(&token).as_bytes()).await.expect("fits");
            hung_up.push(stream);
        }
        while admission.counts().refused(Door::Http, Reason::WrongSecret) < 6 {
            tokio::task::yield_now().await;
        }
        let delayed = || admission.counts().delayed[Door::Http as usize];
        let before = delayed();
        inside.write_all(request(TOKEN).as_bytes()).await.expect("fits");
        while delayed() == before && admission.counts().refused(Door::Http, Reason::Unheard) == 0 {
            let early = inside.try_read(&mut [0; 1]);
            assert!(early.is_err(), "told at once that the guess was right");
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(1));
        drop(hung_up);
    });
}

#[test]
fn no_spelling_of_a_path_gets_round_a_role() {
    served(access(), |address| async move {
        let here = format!("http://{address}/sink");
        for path in [
            "/sink",
            "/sink?",
            "/sink?/v1/session",
            "/sink/",
            "//sink",
            "/./sink",
            "/x/../sink",
            "/v1/session/../../sink",
            "/%73ink",
            "/%2e%2e/sink",
            "/sink%00",
            "/sink;/",
            "/SINK",
            here.as_str(),
        ] {
            for method in ["POST", "PUT", "GET", "HEAD", "OPTIONS", "TRACE", "SINK"] {
                let more = "X-HTTP-Method-Override: POST\r\nX-Original-URL: /sink\r\nContent-Length: 0\r\n";
                let who = format!("Authorization: Bearer {VIEWERS}\r\n");
                let answer =
                    ask(address, &format!("{method} {path} HTTP/1.1\r\n{who}{more}\r\n")).await;
                let status = answer.split(' ').nth(1).unwrap_or("hung up").to_owned();
                let is_refused = ["400", "403", "404", "405", "501", "hung up"].contains(&&*status);
                assert!(is_refused, "{method} {path}: {answer}");
            }
        }
    });
}
