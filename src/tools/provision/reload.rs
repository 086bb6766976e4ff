//! Has mosquitto read its files anew: SIGHUP to the process of `broker/mosquitto.pid`, if it is one.

use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};

use crate::tools::provision::folder::{Folder, names};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reloaded {
    /// It was told.
    Told,
    /// It does not run here, or not as ours: a person has to tell it.
    NotHere,
}

impl Reloaded {
    /// What a person is to do, where something.
    pub(super) fn advice(self) -> Option<&'static str> {
        match self {
            Self::Told => None,
            Self::NotHere => Some(
                "no mosquitto of this folder runs here that we may signal: have it read its files anew (kill -HUP, or \
                 systemctl reload mosquitto)",
            ),
        }
    }
}

/// Tells it.
pub(super) fn reload(folder: &Folder) -> Reloaded {
    let pid = folder.text(names::PID).ok().and_then(|text| text.trim().parse().ok());
    let Some(pid) = pid.and_then(Pid::from_raw).filter(|pid| is_ours(*pid, folder)) else {
        return Reloaded::NotHere;
    };
    match kill_process(pid, Signal::HUP) {
        Ok(()) => Reloaded::Told,
        Err(_) => Reloaded::NotHere,
    }
}

/// A number in a file may be of yesterday, and another process may have it now.
fn is_ours(pid: Pid, folder: &Folder) -> bool {
    let line = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    let conf = folder.path(names::CONF);
    let mut words = line.split(|byte| *byte == 0);
    let program = words.next().unwrap_or_default();
    let named = program.ends_with(b"mosquitto");
    // What it was told is meant from where it stands.
    let stands = PathBuf::from(format!("/proc/{}/cwd", pid.as_raw_nonzero()));
    let is_conf = |word: &[u8]| {
        let word = std::str::from_utf8(word).ok().map(|word| stands.join(word));
        let word = word.and_then(|word| std::fs::canonicalize(word).ok());
        word.is_some() && word == std::fs::canonicalize(&conf).ok()
    };
    named && words.any(is_conf)
}
