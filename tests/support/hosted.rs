//! A server on loopback that answers as a hosted model does, in the shape of chat completions; or not.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};

/// What it does with a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    /// Its model says so.
    Says(&'static str),
    /// It says so once it is told to go on.
    Waits(&'static str),
    /// Nothing, until who asked has gone.
    Hangs,
}

pub(crate) const YES: Does = Does::Says("{\"answer\": \"YES\"}");
pub(crate) const NO: Does = Does::Says("{\"answer\": \"NO\"}");

struct Shared {
    does: Mutex<Does>,
    /// Bodies of questions, whole.
    asked: Mutex<Vec<serde_json::Value>>,
    goes_on: Mutex<bool>,
    changed: Condvar,
}

/// See the module.
pub(crate) struct Hosted {
    port: u16,
    shared: Arc<Shared>,
}

impl Hosted {
    pub(crate) fn start(does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let shared = Arc::new(Shared {
            does: Mutex::new(does),
            asked: Mutex::default(),
            goes_on: Mutex::default(),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                // An error is the peer's going.
                thread::spawn(move || drop(serve(stream, &shared)));
            }
        });
        Self { port, shared }
    }

    /// What became of its questions.
    pub(crate) fn asked(&self) -> Vec<serde_json::Value> {
        self.shared.asked.lock().clone()
    }

    /// It answers what it was asked.
    pub(crate) fn goes_on(&self) {
        *self.shared.goes_on.lock() = true;
        self.shared.changed.notify_all();
    }

    /// A bundle in `models` that asks it.
    pub(crate) fn bundle(&self, models: &Path, role: &str, more: &str) {
        let folder = models.join("hosted-x");
        std::fs::create_dir_all(&folder).expect("made");
        let manifest = format!(
            "format = 2\nname = \"hosted-x\"\nversion = \"0.1.0\"\ntask = \"rim\"\nwhere = \"hosted\"\n\
             role = \"{role}\"\nshape = \"openai\"\nmodel = \"m\"\naddress = \"http://127.0.0.1:{}/v1\"\n\
             deadline_ms = 4000\ncap_usd_a_day = 5.0\n{more}[price]\ndate = \"2026-11-28\"\n\
             input_usd_a_million = 100\noutput_usd_a_million = 100\n",
            self.port
        );
        std::fs::write(folder.join("model.toml"), manifest).expect("written");
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut came = Vec::new();
    let body = loop {
        let mut piece = [0; 16 << 10];
        let read = stream.read(&mut piece)?;
        came.extend_from_slice(&piece[..read]);
        let Some(end) = came.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&came[..end]).to_lowercase();
        let long = head.split("content-length: ").nth(1).expect("a length");
        let long: usize = long.lines().next().expect("a line").trim().parse().expect("a number");
        if came.len() >= end + 4 + long {
            break came[end + 4..].to_vec();
        }
    };
    let does = *shared.does.lock();
    shared.asked.lock().push(serde_json::from_slice(&body).expect("JSON"));
    let said = match does {
        Does::Says(said) => said,
        Does::Waits(said) => {
            let mut goes_on = shared.goes_on.lock();
            shared.changed.wait_while(&mut goes_on, |goes_on| !*goes_on);
            said
        }
        // Woken by the peer's going.
        Does::Hangs => return stream.read(&mut [0; 1]).map(drop),
    };
    let body = serde_json::json!({
        "id": "x", "object": "chat.completion", "created": 1, "model": "m-1",
        "choices": [{ "index": 0, "finish_reason": "stop", "logprobs": null,
            "message": { "role": "assistant", "content": said, "refusal": null } }],
        "usage": { "prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010 },
    })
    .to_string();
    let long = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {long}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}
