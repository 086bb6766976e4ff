//! The shell of a claim: does what the machine wants, and tells it what came of it (DESIGN §4.5).
//!
//! ```text
//! stick ─files→ ┐        ┌→ store (blocking, off the network's threads)
//! Desk ─Renew→  Claim::run ─one want at a time─┤
//! line ─answers→ ┘        └→ line: one connection, clean, which expires with itself
//!                └─ Told → a watch: `doctor`, the console, `state/claim`, the uplink
//! ```
//! Nothing is awaited for ever: a greeting, a SUBACK and a PUBACK have 15 s, a goodbye has 1 s (`line`);
//! whoever waits otherwise is woken by what comes first: the time, an answer, the end of
//! the line, a file, a person. What a broker says is bounded and `Foreign`; a message to another
//! topic than the one that was asked for is passed over.

mod line;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tracing::{debug, error, info, warn};

use crate::broker::{Access, Credential};
use crate::claim::contact::{AfterReading, Contact};
use crate::claim::keys::Keys;
use crate::claim::link::line::{Came, Line};
use crate::claim::machine::{Machine, own_login};
use crate::claim::papers::Identity;
use crate::claim::steps::{Limits, Login, Seen, Told, Want};
use crate::claim::stick::{self, Found};
use crate::claim::store::{Store, StoreError};
use crate::claim::words::{Code, Hidden, Serial, Trouble};
use crate::clock::{Clock, Floor, Ticks};
use crate::disk::Disk;
use crate::mailbox::Rest;
use crate::media::{Foreign, Monotonic};

/// How often the places of claim files are looked at (chosen: nobody waits beside a stick for longer).
const LOOK: Duration = Duration::from_secs(2);
/// Wishes of people that wait: one is as good as many.
const WISHES: usize = 1;

/// What a claim works with.
#[derive(Debug)]
pub struct Parts {
    /// Where the identity lies, and the sticks.
    pub disk: Arc<dyn Disk>,
    /// The folder `identity` is below it.
    pub data_dir: PathBuf,
    /// For every wait, and the dates of certificates.
    pub clock: Arc<dyn Clock>,
    /// The present is later than this.
    pub floor: Floor,
    /// The box.
    pub serial: Serial,
    /// The program's version.
    pub version: String,
    /// What the machine calls itself, for the person who decides.
    pub hardware: Option<Foreign>,
    /// How long things wait.
    pub limits: Limits,
    /// Where claim files may be; a `*` stands for one folder.
    pub places: Vec<PathBuf>,
    /// Whether it waits for something from outside.
    pub rest: Rest,
}

/// What others see of a claim, and what they may wish. Clones are the same.
#[derive(Clone, Debug)]
pub struct Desk {
    told: watch::Receiver<Told>,
    wishes: mpsc::Sender<()>,
}

impl Desk {
    /// How it stands.
    #[must_use]
    pub fn told(&self) -> Told {
        self.told.borrow().clone()
    }

    /// Resolves once it stands otherwise than at the last call; false once the claim has ended.
    pub async fn changed(&mut self) -> bool {
        self.told.changed().await.is_ok()
    }

    /// Wishes another key under the name that the box has. False where nobody is there to do it.
    #[must_use]
    pub fn renew(&self) -> bool {
        !matches!(self.wishes.try_send(()), Err(mpsc::error::TrySendError::Closed(())))
    }
}

/// A claim that is under way, for ever: after the commit it waits for the next one.
#[derive(Debug)]
pub struct Claim {
    parts: Parts,
    store: Store,
    machine: Machine,
    told: watch::Sender<Told>,
    wishes: mpsc::Receiver<()>,
    desk: Desk,
    /// Files that were read, as long as they are there.
    known: BTreeSet<PathBuf>,
    /// Those of them that are to be removed once what they say is on disk: with their digests.
    to_wipe: Vec<(PathBuf, String)>,
    /// What became of the last file.
    file: Option<Foreign>,
    /// A file that is of no use, until it is gone.
    unread: Option<(PathBuf, Trouble)>,
}

impl Claim {
    /// Goes on from what is on disk. Blocking.
    ///
    /// # Errors
    /// [`StoreError`] when the disk says no.
    pub fn open(parts: Parts) -> Result<Self, StoreError> {
        let (store, held) = Store::open(Arc::clone(&parts.disk), &parts.data_dir)?;
        for damaged in &held.damaged {
            error!(%damaged, "a paper of the box's identity is damaged");
        }
        let machine = Machine::new(parts.serial.clone(), &parts.version, held, parts.limits)
            .on(parts.hardware.clone());
        let (told, tells) = watch::channel(machine.shown());
        let (wish, wishes) = mpsc::channel(WISHES);
        let desk = Desk { told: tells, wishes: wish };
        let known = BTreeSet::new();
        let (to_wipe, file, unread) = (Vec::new(), None, None);
        Ok(Self { parts, store, machine, told, wishes, desk, known, to_wipe, file, unread })
    }

    /// For whoever looks on.
    #[must_use]
    pub fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// Who the box is.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        self.machine.identity()
    }

    /// Runs until `stop` turns to true.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut line = None;
        let mut looks = Ticks::new(&self.parts.clock, LOOK);
        loop {
            self.hear(&mut line);
            self.wipe_kept().await;
            self.tell();
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                () = self.step(&mut line, &mut looks) => {}
            }
        }
        if let Some(line) = line {
            line.hang_up(&*self.parts.clock).await;
        }
    }

    /// Does one want, and tells the machine what came of it.
    async fn step(&mut self, line: &mut Option<Line>, looks: &mut Ticks) {
        let want = self.machine.want(self.parts.clock.monotonic());
        debug!(want = word(&want), "the claim goes on");
        match want {
            Want::Rest => self.wait(None, line, looks).await,
            Want::Wait(until) => self.wait(Some(until), line, looks).await,
            Want::Keys => self.make_keys().await,
            Want::Keep(_) | Want::Commit | Want::Told(_) => self.keep(want).await,
            Want::Connect(login) => *line = self.connect(&login).await,
            Want::Listen(ref topic) => match line {
                Some(open) => {
                    let said = open.listen(&*self.parts.clock, topic).await;
                    self.said(want, said, line);
                }
                None => self.seen(Seen::Lost(no_line())),
            },
            Want::Publish { ref topic, ref payload } => match line {
                Some(open) => {
                    let said = open.publish(&*self.parts.clock, topic, payload).await;
                    self.said(want, said, line);
                }
                None => self.seen(Seen::Lost(no_line())),
            },
            Want::HangUp => {
                if let Some(line) = line.take() {
                    line.hang_up(&*self.parts.clock).await;
                }
                self.seen(Seen::Done(Box::new(want)));
            }
        }
    }

    /// Woken by the time, a message or the end of the line, a wish, or the next look for files.
    async fn wait(&mut self, until: Option<Monotonic>, line: &mut Option<Line>, looks: &mut Ticks) {
        let clock = Arc::clone(&self.parts.clock);
        let time = async {
            match until {
                Some(until) => clock.reached(until).await,
                None => std::future::pending().await,
            }
        };
        let came = async {
            match line.as_mut() {
                Some(line) => line.came().await,
                None => std::future::pending().await,
            }
        };
        self.parts.rest.rests();
        let rest = self.parts.rest.clone();
        tokio::select! {
            () = time => {
                rest.wakes();
                self.seen(Seen::Time);
            }
            came = came => {
                rest.wakes();
                self.took(came, line);
            }
            Some(()) = self.wishes.recv() => {
                rest.wakes();
                info!("another key is wanted under the box's name");
                self.seen(Seen::Renew);
            }
            () = looks.tick() => {
                rest.wakes();
                self.look().await;
            }
        }
    }

    /// What came by itself while something else was done.
    fn hear(&mut self, line: &mut Option<Line>) {
        while let Some(came) = line.as_mut().and_then(Line::came_already) {
            self.took(came, line);
        }
    }

    fn took(&mut self, came: Came, line: &mut Option<Line>) {
        match came {
            Came::Answer(bytes) => self.seen(Seen::Answer(bytes)),
            Came::Ended(seen) => {
                *line = None;
                self.seen(seen);
            }
        }
    }

    /// `Ok`: done; else what was seen instead, which ends the line.
    fn said(&mut self, want: Want, said: Result<(), Seen>, line: &mut Option<Line>) {
        match said {
            Ok(()) => self.seen(Seen::Done(Box::new(want))),
            Err(seen) => {
                *line = None;
                self.seen(seen);
            }
        }
    }

    async fn connect(&mut self, login: &Login) -> Option<Line> {
        let clock = Arc::clone(&self.parts.clock);
        let floor = self.parts.floor.at();
        let floor = login.floor.map_or(floor, |at| at.max(floor));
        match Line::open(&login.access(), login.client_id.clone(), &clock, floor).await {
            Ok(line) => {
                self.seen(Seen::Greeted);
                Some(line)
            }
            Err(seen) => {
                self.seen(seen);
                None
            }
        }
    }

    async fn make_keys(&mut self) {
        let serial = self.parts.serial.clone();
        let made = tokio::task::spawn_blocking(move || Keys::make(&serial)).await;
        self.seen(match made {
            Ok(Ok(keys)) => Seen::Keys(Box::new(keys)),
            Ok(Err(error)) => Seen::Failed(Foreign::error(&error)),
            Err(error) => Seen::Failed(Foreign::error(&error)),
        });
    }

    /// Durable before it is told as done.
    async fn keep(&mut self, want: Want) {
        let (store, kept) = (self.store.clone(), want.clone());
        let done = tokio::task::spawn_blocking(move || match kept {
            Want::Keep(attempt) => store.keep(&attempt),
            Want::Commit => store.commit(),
            Want::Told(request) => store.told(request),
            _ => Ok(()),
        })
        .await;
        self.seen(match done {
            Ok(Ok(())) => Seen::Done(Box::new(want)),
            Ok(Err(error)) => Seen::Failed(Foreign::error(&error)),
            Err(error) => Seen::Failed(Foreign::error(&error)),
        });
    }

    fn seen(&mut self, seen: Seen) {
        let now = self.parts.clock.monotonic();
        self.machine.seen(now, self.parts.clock.utc(), seen);
    }

    /// Looks for claim files; each is read once.
    async fn look(&mut self) {
        let (disk, places) = (Arc::clone(&self.parts.disk), self.parts.places.clone());
        let known = std::mem::take(&mut self.known);
        let looked =
            tokio::task::spawn_blocking(move || stick::look(&*disk, &places, &known)).await;
        let Ok(looked) = looked else { return };
        self.known = looked.there;
        self.unread.take_if(|(path, _)| !self.known.contains(path));
        for Found { path, read } in looked.found {
            self.found(path, read);
        }
    }

    fn found(&mut self, path: PathBuf, read: Result<(Contact, AfterReading), Foreign>) {
        let file = Foreign::path(&path);
        let (contact, after) = match read {
            Ok(read) => read,
            Err(why) => {
                warn!(%file, %why, "a claim file is of no use");
                self.file = Some(Foreign::told(format_args!("{file} is of no use: {why}")));
                self.unread = Some((path, Trouble::new(Code::EContact, why)));
                return;
            }
        };
        let broker = contact.broker.url();
        let was_known = self.machine.knows(&contact.digest);
        if after == AfterReading::Wipe {
            self.to_wipe.push((path, contact.digest.clone()));
        }
        let digest = contact.digest.clone();
        self.seen(Seen::Contact(Box::new(contact)));
        let what = if was_known {
            "was read before"
        } else if self.machine.takes(&digest) {
            "is taken"
        } else {
            "is not taken"
        };
        let then = match after {
            AfterReading::Keep => "it stays where it is",
            AfterReading::Wipe => "it is removed once the box keeps what it says",
        };
        info!(%file, %broker, "a claim file was read: it {what}, and {then}");
        self.file = Some(Foreign::told(format_args!("{file} ({broker}) {what}; {then}")));
    }

    /// What a file says is on disk: now it may go, where it says so.
    async fn wipe_kept(&mut self) {
        let machine = &self.machine;
        let kept = self.to_wipe.extract_if(.., |(_, digest)| machine.knows(digest));
        for (path, _) in kept.collect::<Vec<_>>() {
            let (disk, of) = (Arc::clone(&self.parts.disk), path.clone());
            let wiped = tokio::task::spawn_blocking(move || stick::wipe(&*disk, &of)).await;
            let file = Foreign::path(&path);
            let wiped = wiped.map_err(std::io::Error::other).flatten();
            self.file = Some(match wiped {
                Ok(()) => {
                    info!(%file, "the claim file was removed, as it says");
                    Foreign::told(format_args!("{file} was taken and removed, as it says"))
                }
                Err(error) => {
                    let error = Foreign::error(&error);
                    warn!(%file, %error, "the claim file cannot be removed, and its key lies open");
                    Foreign::told(format_args!(
                        "{file} was taken, and cannot be removed ({error}): remove it by hand"
                    ))
                }
            });
        }
    }

    /// Shows how it stands; a step and a trouble are logged once.
    fn tell(&self) {
        let mut shown = self.machine.shown();
        shown.file.clone_from(&self.file);
        if shown.trouble.is_none() {
            shown.trouble = self.unread.as_ref().map(|(_, trouble)| trouble.clone());
        }
        let before = self.told.borrow().clone();
        if shown == before {
            return;
        }
        if shown.stage != before.stage {
            let name = shown.identity.as_ref().map(|identity| identity.name.to_string());
            info!(serial = %shown.serial, stage = ?shown.stage, name, "the claim has got on");
        }
        if let Some(trouble) =
            shown.trouble.as_ref().filter(|it| before.trouble.as_ref() != Some(it))
        {
            // Nobody has answered yet: that is how every claim begins.
            if trouble.code == Code::ENoAnswer {
                info!(code = %trouble.code, text = %trouble.text, "{}", trouble.code.advice());
            } else {
                warn!(code = %trouble.code, text = %trouble.text, "{}", trouble.code.advice());
            }
        }
        self.told.send_replace(shown);
    }
}

fn no_line() -> Foreign {
    Foreign::told("the link ended")
}

const fn word(want: &Want) -> &'static str {
    match want {
        Want::Rest => "rest",
        Want::Wait(_) => "wait",
        Want::Keys => "keys",
        Want::Keep(_) => "keep",
        Want::Connect(_) => "connect",
        Want::Listen(_) => "listen",
        Want::Publish { .. } => "publish",
        Want::HangUp => "hang up",
        Want::Commit => "commit",
        Want::Told(_) => "told",
    }
}

impl Login {
    fn access(&self) -> Access {
        let held = |text: &str| Credential::held(text);
        let pair = |(chain, key): &(String, Hidden)| (held(chain), held(key.expose()));
        Access {
            broker: self.broker.clone(),
            username: self.username.clone(),
            password: self.password.as_ref().map(|password| held(password.expose())),
            ca: self.ca.as_ref().map(|ca| held(&ca.0)),
            client: self.client.as_ref().map(pair),
        }
    }
}

impl Identity {
    /// As whom the uplink goes to its broker.
    #[must_use]
    pub fn access(&self) -> Access {
        own_login(self).access()
    }
}
