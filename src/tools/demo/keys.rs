//! Keys as they are pressed, while somebody sits at a terminal.

use std::io::{IsTerminal, Read};
use std::process::{Command, Stdio};

use tokio::sync::mpsc;

/// Keys that wait: who presses more at once means none of them.
const WAITING: usize = 16;

/// A terminal that gives each key at once; as it was before when this is dropped.
#[derive(Debug)]
pub(super) struct Keys {
    pressed: mpsc::Receiver<char>,
    /// As `stty -g` writes it; without `stty` a key needs Enter behind it.
    before: Option<String>,
}

impl Keys {
    /// Listens at the terminal; `None` where there is none.
    pub(super) fn listen() -> Option<Self> {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return None;
        }
        let before = stty(&["-g"]);
        if before.is_some() {
            stty(&["-icanon", "-echo", "min", "1"]);
        }
        let (press, pressed) = mpsc::channel(WAITING);
        let read = move || {
            // Ends with the process: nothing wakes a read at a terminal.
            for byte in std::io::stdin().lock().bytes().map_while(Result::ok) {
                if !byte.is_ascii_whitespace() {
                    // What finds no room was one of too many.
                    let _ = press.try_send(char::from(byte.to_ascii_lowercase()));
                }
            }
        };
        std::thread::Builder::new().name("keys".to_owned()).spawn(read).ok()?;
        Some(Self { pressed, before })
    }

    /// The next key. Cancel-safe. Never, once the terminal is gone.
    pub(super) async fn next(&mut self) -> char {
        match self.pressed.recv().await {
            Some(key) => key,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            stty(&[before]);
        }
    }
}

/// What `stty` says about the terminal of standard input.
fn stty(args: &[&str]) -> Option<String> {
    let mut command = Command::new("stty");
    command.args(args).stdin(Stdio::inherit()).stderr(Stdio::null());
    let said = command.output().ok().filter(|said| said.status.success())?;
    Some(String::from_utf8(said.stdout).ok()?.trim().to_owned())
}
