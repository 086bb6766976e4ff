//! For `trials/powercut_claim.sh`: a box that is claimed and then makes one key after another, and whether
//! what a power cut left of it is whole.
//!
//! ```text
//! claims write DIR SECONDS     prints `committed REQUEST` once an identity is who the box is
//! claims verify DIR ACKS       what is in DIR is at least as new as the last line of ACKS, and whole
//! ```
#![allow(
    dead_code,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a trial reads what it prints, and it shares a file with the tests"
)]

#[path = "../tests/support/desk.rs"]
mod desk;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use courtside::claim::{Claim, Limits, Parts, Serial, Stage, Store};
use courtside::clock::{Clock, SystemClock};
use courtside::disk::RealDisk;
use courtside::mailbox::Rest;
use courtside::media::UtcTime;
use tokio::sync::watch;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["write", dir, seconds] => write(Path::new(dir), seconds, true),
        ["write-carelessly", dir, seconds] => write(Path::new(dir), seconds, false),
        ["verify", dir, acks] => verify(Path::new(dir), Path::new(acks)),
        _ => Err(anyhow::anyhow!("claims write DIR SECONDS | claims verify DIR ACKS")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("claims: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Claims, and then rotates without end; `syncs` false is the negative control.
fn write(dir: &Path, seconds: &str, syncs: bool) -> anyhow::Result<()> {
    let until = Instant::now() + Duration::from_secs(seconds.parse().context("SECONDS")?);
    let stick = std::env::temp_dir().join(format!("courtside-claims-{}", std::process::id()));
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let broker = desk::DeskBroker::start().await;
        std::fs::create_dir_all(&stick)?;
        let file = format!(
            "broker = \"mqtt://127.0.0.1:{}\"\nusername = \"courtside-claim\"\npassword = \"x\"\n",
            broker.port
        );
        std::fs::write(stick.join("courtside-claim.toml"), file)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let disk = if syncs { RealDisk::new() } else { RealDisk::without_sync() };
        let claim = Claim::open(Parts {
            disk: Arc::new(disk),
            data_dir: dir.join("data"),
            clock,
            floor: UtcTime::from_nanos(0).into(),
            serial: Serial::new("CS-00001")?,
            version: "1.0".to_owned(),
            hardware: None,
            limits: Limits::default(),
            places: vec![stick.join("courtside-claim.toml")],
            rest: Rest::default(),
        })?;
        let mut desk = claim.desk();
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(claim.run(stopped));
        let mut last = None;
        while Instant::now() < until {
            let told = desk.told();
            let request = told.identity.map(|identity| identity.request);
            if request != last {
                last = request;
                println!("committed {}", request.context("an identity is gone")?);
            }
            if told.stage == Stage::Committed && told.trouble.is_none() {
                ensure!(desk.renew(), "the claim has ended");
            }
            let change = tokio::time::timeout(Duration::from_millis(20), desk.changed());
            // Late or not: it is looked at again.
            drop(change.await);
        }
        stop.send_replace(true);
        task.await?;
        anyhow::Ok(())
    })?;
    std::fs::remove_dir_all(stick)?;
    Ok(())
}

/// Old or new, never half; and never older than what was told.
fn verify(dir: &Path, acks: &Path) -> anyhow::Result<()> {
    let told = std::fs::read_to_string(acks).unwrap_or_default();
    let told: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("committed ")).collect();
    let data: PathBuf = dir.join("data");
    if !data.exists() && told.is_empty() {
        return Ok(());
    }
    let (_, held) = Store::open(Arc::new(RealDisk::new()), &data)?;
    ensure!(held.damaged.is_empty(), "half: {:?}", held.damaged);
    let current = match (&held.current, told.last()) {
        (None, None) => return Ok(()),
        (None, Some(last)) => bail!("the identity {last} was told, and there is none"),
        (Some(current), _) => current,
    };
    let identity = current.identity().context("an identity without a grant")?;
    ensure!(identity.password.is_some() && identity.name.as_str() == "rim-1", "half an identity");
    let is = current.request.to_string();
    let before = told.split_last().map(|(_, before)| before).unwrap_or_default();
    ensure!(!before.contains(&is.as_str()), "gone back to {is}, and {:?} was told", told.last());
    if let Some(next) = &held.next {
        ensure!(next.request != current.request, "the attempt is there twice");
        ensure!(!next.csr.is_empty() && !next.key.expose().is_empty(), "half an attempt");
    }
    Ok(())
}
