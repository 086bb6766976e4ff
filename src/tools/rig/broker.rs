//! A mosquitto of our own, on a free port of loopback: for `demo`, `bench`, `check` and `fleet`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

/// Debian puts it where no user's PATH leads.
const NAMES: [&str; 3] = ["mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"];

/// A running mosquitto; ends with this value.
#[derive(Debug)]
pub(crate) struct OwnBroker {
    child: Child,
    config: PathBuf,
    address: SocketAddr,
}

impl OwnBroker {
    /// Starts one that keeps nothing on disk; its configuration is written into `dir`.
    ///
    /// # Errors
    /// When none is installed, or it does not listen within 10 s.
    pub(crate) async fn start(dir: &Path) -> anyhow::Result<Self> {
        Self::start_with(dir, "").await
    }

    /// The same with further lines in its configuration.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(crate) async fn start_with(dir: &Path, lines: &str) -> anyhow::Result<Self> {
        Self::with(dir, &format!("persistence false\n{lines}")).await
    }

    /// Starts one for a fleet, that keeps sessions and what waits for them when it is stopped.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(crate) async fn start_lasting(dir: &Path) -> anyhow::Result<Self> {
        // Root's mosquitto would become a user who cannot write into our folder. Its log of each
        // connection would fill the pipe that nobody reads.
        let lines = format!(
            "persistence true\npersistence_location {}/\nautosave_interval 0\nuser root\n\
             max_queued_messages 0\nlog_type error\n",
            dir.display()
        );
        Self::with(dir, &lines).await
    }

    async fn with(dir: &Path, lines: &str) -> anyhow::Result<Self> {
        // The port is free when we look and taken a moment later, which is good enough here: a
        // clash is told, and the next start takes another.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let config = dir.join("mosquitto.conf");
        let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\n{lines}");
        std::io::Write::write_all(&mut std::fs::File::create(&config)?, text.as_bytes())
            .context("write the broker's configuration")?;
        let child = up(&config, address).await?;
        Ok(Self { child, config, address })
    }

    /// Has it save what it keeps and end.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) async fn goes_away(&mut self) -> anyhow::Result<()> {
        let id = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        kill_process(id.context("the broker has ended")?, Signal::TERM)?;
        self.child.wait().await.context("wait for the broker's end")?;
        Ok(())
    }

    /// Starts it again, on the same port, with what it kept.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(crate) async fn comes_back(&mut self) -> anyhow::Result<()> {
        self.child = up(&self.config, self.address).await?;
        Ok(())
    }

    /// Its process, while it runs.
    #[must_use]
    pub(crate) fn process(&self) -> Option<u32> {
        self.child.id()
    }

    /// Its port.
    #[must_use]
    pub(crate) const fn port(&self) -> u16 {
        self.address.port()
    }

    /// `mqtt://127.0.0.1:PORT`.
    #[must_use]
    pub(crate) fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }

    /// Ends it and waits until it is gone.
    pub(crate) async fn stop(mut self) {
        // Already gone is as good.
        let _ = self.child.kill().await;
    }
}

/// Starts one and waits until it listens.
async fn up(config: &Path, address: SocketAddr) -> anyhow::Result<Child> {
    let mut child = spawn(config)?;
    let listens = async {
        loop {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = child.try_wait()? {
                let mut said = String::new();
                if let Some(mut stderr) = child.stderr.take() {
                    stderr.read_to_string(&mut said).await?;
                }
                bail!("mosquitto ended at once ({status}): {}", said.trim());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), listens)
        .await
        .context("mosquitto does not listen after 10 s")??;
    Ok(child)
}

fn spawn(config: &Path) -> anyhow::Result<Child> {
    for name in NAMES.map(PathBuf::from) {
        let started = Command::new(&name)
            .arg("-c")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        match started {
            Ok(child) => return Ok(child),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).context("start mosquitto"),
        }
    }
    bail!(
        "no mosquitto here: apt-get install mosquitto, or name a broker with --broker mqtt://HOST:PORT"
    )
}
