//! `courtside provision grant`: gives boxes that ask their name and identity.
//!
//! One loop: what comes from the broker goes to the desk, what a person types too, and what the desk wants is
//! done in its order. It ends when all that were named are who they are, or when it is told to.

use std::collections::VecDeque;
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use tokio::sync::mpsc;

use crate::claim::{Hidden, Serial};
use crate::clock::{Clock, SystemClock, sleep};
use crate::config::Broker;
use crate::disk::read_regular_text;
use crate::media::{BoxName, Foreign, UtcTime};
use crate::tools::provision::desk::{Desk, Effect, Pending};
use crate::tools::provision::folder::{Folder, names};
use crate::tools::provision::link::{Access, Heard, Link, knock};
use crate::tools::provision::records::Records;
use crate::tools::provision::reload::reload;
use crate::tools::provision::revoke::{revoke, told};
use crate::tools::provision::rules::{List, Reply, Rules, list, name, reply};
use crate::tools::tell::{remark, remark_failed, tell};

/// All that the desk understands. Not `config/reported` or commands: others' affairs.
const FILTERS: &[&str] = &[
    "courtside/1/claim/+/req",
    "courtside/1/+/claim/req",
    "courtside/1/+/claim/trial",
    "courtside/1/+/claim/committed",
    "courtside/1/+/state/box",
    "courtside/1/+/state/claim",
];
/// Client id: two of them would put each other out, and the folder's lock lets one in.
const CLIENT_ID: &str = "courtside-technician";
/// What is still open is told anew after so much silence.
const SILENCE: Duration = Duration::from_secs(30);
/// A broker that was told to read its files anew has done so within (measured: 0.1 s), or was not told.
const ADMITS: Duration = Duration::from_millis(200);
/// So often a person is not told again that the broker does not know a password yet.
const ADMITS_TOLD: u32 = 25;
/// Ten thousand lines.
const LIST_MOST_BYTES: u64 = 1 << 20;

/// Arguments of `provision grant`.
#[derive(Debug, Args)]
pub(super) struct GrantArgs {
    /// Folder of `provision ca`
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The box that is expected, by its serial number
    #[arg(long, value_name = "SERIAL", requires = "name", conflicts_with_all = ["list", "revoke"])]
    serial: Option<String>,
    /// The name that it gets
    #[arg(long, value_name = "NAME", requires = "serial")]
    name: Option<String>,
    /// The boxes that are expected, a line of serial,name each
    #[arg(long, value_name = "FILE", conflicts_with = "revoke")]
    list: Option<PathBuf>,
    /// Grant to those that are expected without asking at the terminal
    #[arg(long)]
    yes: bool,
    /// Grant another identity to a box that has one: it was wiped or replaced
    #[arg(long)]
    again: bool,
    /// Give passwords instead of certificates
    #[arg(long)]
    password: bool,
    /// For how many days certificates are valid
    #[arg(long, value_name = "DAYS", default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=7300))]
    days: u32,
    /// Address of the broker [default: that of the folder]
    #[arg(long, value_name = "URL")]
    broker: Option<String>,
    /// How long to wait, in seconds [default: until all are done, or Ctrl-C]
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    /// Take back the identity of this box, or this claim file (stick.1)
    #[arg(long, value_name = "NAME", conflicts_with_all = ["yes", "again", "password", "wait"])]
    revoke: Option<String>,
}

impl GrantArgs {
    /// Grants.
    ///
    /// # Errors
    /// The folder, the broker's certificates or the disk.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let folder = Folder::open(&self.dir)?;
        let rules = match self.rules(&folder) {
            Ok(rules) => rules,
            Err(wrong) => {
                remark(format_args!("courtside: {wrong:#}"));
                return Ok(ExitCode::from(2));
            }
        };
        let broker = match &self.broker {
            Some(url) => Broker::parse(url)
                .map_err(|wrong| anyhow::anyhow!("the address of --broker {wrong}"))?,
            None => folder.settings().broker()?,
        };
        let _held = folder.lock()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("start the network")?;
        if let Some(name) = &self.revoke {
            return runtime.block_on(revoke(&folder, broker, name));
        }
        let (authority, records) = (folder.authority()?, Records::open(&folder)?);
        let password_broker = folder.settings().password_broker()?;
        let desk = Desk::new(authority, records, rules, password_broker);
        let shell = Shell {
            folder,
            broker,
            desk,
            clock: SystemClock::new(),
            asked: None,
            stated: String::new(),
        };
        runtime.block_on(shell.run(self.wait.map(Duration::from_secs)))
    }

    fn rules(&self, folder: &Folder) -> anyhow::Result<Rules> {
        let list = match (&self.serial, &self.name, &self.list) {
            (Some(serial), Some(text), _) => {
                Some(List::from([(Serial::new(serial)?, name(text)?)]))
            }
            (_, _, Some(file)) => {
                let shown = || file.display().to_string();
                let text = read_regular_text(file, LIST_MOST_BYTES).with_context(shown)?;
                Some(list(&text).with_context(shown)?)
            }
            _ => None,
        };
        if self.yes && list.is_none() {
            bail!("--yes to whom? Name the box with --serial and --name, or boxes with --list");
        }
        if !self.yes && self.revoke.is_none() && !std::io::stdin().is_terminal() {
            bail!("nobody can be asked here: say --yes, with --serial and --name or with --list");
        }
        if self.password && folder.settings().password_port.is_none() {
            bail!("this broker takes no passwords: make one with `provision ca --password-port`");
        }
        let lasts = Duration::from_secs(u64::from(self.days) * 24 * 3600);
        let (yes, again, password) = (self.yes, self.again, self.password);
        Ok(Rules { list, yes, again, password, lasts })
    }
}

/// The loop.
struct Shell {
    folder: Folder,
    broker: Broker,
    desk: Desk,
    clock: SystemClock,
    /// The box that the person was asked about last.
    asked: Option<(Serial, Option<BoxName>)>,
    /// What was told last of what is open.
    stated: String,
}

/// How it ends.
enum End {
    Done,
    Told,
}

impl Shell {
    async fn run(mut self, wait: Option<Duration>) -> anyhow::Result<ExitCode> {
        // A run that was cut may have left the broker a step behind.
        if self.desk.records().tell_broker(&self.folder, self.desk.authority())? {
            told(reload(&self.folder));
        }
        let access = self.folder.access(self.broker.clone())?;
        let mut link = Link::begin(&access, CLIENT_ID, FILTERS);
        let end = {
            let over = async {
                match wait {
                    Some(wait) => sleep(&SystemClock::new(), wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                end = self.serve(&mut link) => end?,
                () = over => End::Told,
                ended = tokio::signal::ctrl_c() => ended.map(|()| End::Told).context("wait for Ctrl-C")?,
            }
        };
        link.end().await;
        let open = self.desk.open();
        for line in &open {
            remark(line);
        }
        match end {
            End::Done => tell("all are who they are"),
            End::Told if open.is_empty() => tell("nothing is open"),
            End::Told => remark(format_args!(
                "what is open goes on when `courtside provision grant {}` runs again: the same box gets the same answer",
                self.folder.dir().display()
            )),
        }
        Ok(if open.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }

    async fn serve(&mut self, link: &mut Link) -> anyhow::Result<End> {
        let mut typed = typed();
        let mut broke = false;
        while !self.desk.is_done() {
            let effects = tokio::select! {
                heard = link.next() => match heard? {
                    Heard::Message { topic, payload, retained } => {
                        self.hears(&topic, &payload, retained)
                    }
                    Heard::Listening => {
                        broke = false;
                        remark(format_args!("listening at {} for boxes (Ctrl-C ends)", self.broker.url()));
                        Vec::new()
                    }
                    Heard::Denied(why) => {
                        remark(why);
                        Vec::new()
                    }
                    Heard::Broke(why) => {
                        if !std::mem::replace(&mut broke, true) {
                            remark(format_args!(
                                "no broker at {} ({why}): is it started (mosquitto -c {})? It is tried again",
                                self.broker.url(), self.folder.path(names::CONF).display()
                            ));
                        }
                        Vec::new()
                    }
                },
                Some(line) = typed.recv() => self.types(&line)?,
                () = sleep(&self.clock, SILENCE) => {
                    self.state_open();
                    Vec::new()
                }
            };
            self.does(link, effects.into()).await?;
            self.asks();
        }
        Ok(End::Done)
    }

    fn now(&self) -> UtcTime {
        self.clock.utc()
    }

    /// What cannot be kept now is not sent: the box asks again.
    fn hears(&mut self, topic: &str, payload: &[u8], retained: bool) -> Vec<Effect> {
        let now = self.now();
        self.desk.hears(now, topic, payload, retained).unwrap_or_else(|error| {
            remark_failed(&error);
            Vec::new()
        })
    }

    fn types(&mut self, line: &str) -> anyhow::Result<Vec<Effect>> {
        let Some((serial, thought)) = self.asked.take() else { return Ok(Vec::new()) };
        match reply(line, thought.as_ref()) {
            Reply::Yes(name) => {
                if let Some(owner) =
                    self.desk.records().owner(&name).filter(|owner| **owner != serial)
                {
                    remark(format_args!("`{name}` is the box {owner}: choose another name"));
                    return Ok(Vec::new());
                }
                let now = self.now();
                self.desk.approve(now, &serial, &name)
            }
            Reply::No => Ok(self.desk.decline(&serial)),
            Reply::What(what) => {
                remark(what);
                Ok(Vec::new())
            }
        }
    }

    /// Asks about the next box that waits, if nobody is asked about.
    fn asks(&mut self) {
        if self.asked.is_some() {
            return;
        }
        let Some(pending) = self.desk.pending().first().map(|it| (*it).clone()) else { return };
        for line in question(&pending, self.now()) {
            remark(line);
        }
        self.asked = Some((pending.request.serial, pending.name));
    }

    fn state_open(&mut self) {
        let open = self.desk.open().join("; ");
        if open.is_empty() || open == self.stated {
            return;
        }
        remark(format_args!("waiting: {open}"));
        self.stated = open;
    }

    async fn does(&mut self, link: &Link, mut effects: VecDeque<Effect>) -> anyhow::Result<()> {
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Tell(line) => remark(line),
                Effect::Publish { topic, payload } => link.publish(topic, payload).await?,
                Effect::TellBroker => {
                    if self.desk.records().tell_broker(&self.folder, self.desk.authority())? {
                        told(reload(&self.folder));
                    }
                }
                Effect::Admit(name, password) => self.admits(&name, &password).await?,
            }
        }
        Ok(())
    }

    /// Waits until the broker lets a box in with its password: one that came sooner would be refused, and wait a
    /// minute.
    async fn admits(&self, name: &BoxName, password: &Hidden) -> anyhow::Result<()> {
        let Some(broker) = self.folder.settings().password_broker()? else { return Ok(()) };
        let user = Some((name.to_string(), password.expose().to_owned()));
        let access = Access { broker, ca: self.folder.text(names::CA)?, client: None, user };
        for tried in 0_u32.. {
            match knock(&access, &format!("courtside-{name}-grant")).await {
                Ok(()) => break,
                Err(fault) => {
                    if tried % ADMITS_TOLD == ADMITS_TOLD - 1 {
                        let what = if fault.denied {
                            "the broker does not know its password yet: have it read its files anew"
                        } else {
                            "the broker's port for passwords is not reached"
                        };
                        remark(format_args!("{name} waits: {what} ({})", fault.why));
                    }
                }
            }
            sleep(&self.clock, ADMITS).await;
        }
        Ok(())
    }
}

/// What a person is asked.
fn question(pending: &Pending, now: UtcTime) -> Vec<String> {
    let Pending { request, since, name } = pending;
    let seconds = now.nanos_since(*since) / 1_000_000_000;
    let hardware = request
        .hardware
        .as_ref()
        .map_or_else(|| "does not say what it is".to_owned(), |hardware| format!("is {hardware}"));
    let version = Foreign::name(&request.version);
    let fingerprint = request.fingerprint().unwrap_or_else(|| "none".to_owned());
    vec![
        format!(
            "{} has been asking for {seconds} s; it {hardware}, version {version}",
            request.serial
        ),
        format!("  its key request is {fingerprint}: the box shows the same"),
        match name {
            Some(name) => format!("  grant it as `{name}`? y, n, or another name"),
            None => "  its name (a-z, 0-9, -), or n to refuse it?".to_owned(),
        },
    ]
}

/// Lines that a person types; none where there is no terminal. The thread ends with the process.
fn typed() -> mpsc::Receiver<String> {
    let (tell, typed) = mpsc::channel(1);
    if std::io::stdin().is_terminal() {
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if tell.blocking_send(line).is_err() {
                    return;
                }
            }
        });
    }
    typed
}
