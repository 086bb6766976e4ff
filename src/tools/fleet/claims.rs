//! The claims of a fleet: each box becomes somebody by the real machine and store (`claim`), over a plain
//! connection, with cuts and broken links; the technician's desk (`desk`) signs.
//!
//! A cut drops machine, connection and all that is not on disk, and begins anew on what is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::{Packet, SubscribeReasonCode};
use rumqttc::{AsyncClient, Event, MqttOptions, PublishOptions, PublishResult};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::claim::{Contact, Keys, Limits, Machine, Roots, Seen, Serial, Store, Verdict, Want};
use crate::config::Broker;
use crate::media::{BoxName, Foreign};
use crate::tools::fleet::desk::{Desk, Running};
use crate::tools::fleet::simulated::Common;
use crate::tools::rig::listen::host_and_port;

/// As long as things wait here; a venue's waits are for people and routers.
const LIMITS: Limits = Limits {
    answer: Duration::from_secs(5),
    refused: Duration::from_secs(5),
    retry: Duration::from_millis(200),
    disk: Duration::from_secs(1),
    person: Duration::from_secs(5),
    trials: 5,
};
/// A claim takes some twenty steps, and with cuts some hundred.
const STEPS_MOST: usize = 2_000;
/// A broker on loopback that says nothing for so long says nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// One in so many steps ends in a cut, one in so many connections breaks.
const A_CUT: u64 = 8;
const A_BREAK: u64 = 12;

/// How the claims went.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Claims {
    pub(super) boxes: usize,
    /// Boxes whose identity on disk is the one on record, committed and told.
    pub(super) right: usize,
    /// Names that two records have, or two records of one serial number.
    pub(super) doubles: usize,
    /// Certificates that were signed.
    pub(super) signed: u64,
    pub(super) cuts: u64,
    pub(super) breaks: u64,
    /// How often the desk was cut off from the broker and came back.
    pub(super) desk_cuts: u64,
    pub(super) seconds: f64,
}

/// SplitMix64 (public domain): which step is cut.
struct Chance(u64);

impl Chance {
    fn one_in(&mut self, n: u64) -> bool {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)).is_multiple_of(n)
    }
}

/// What is wrong and right once all ended: whether a box's disk says what the desk's record says.
pub(super) fn sum(common: &Common, desk: &Desk, ended: &[Ended], seconds: f64) -> Claims {
    let records = desk.records();
    let right = |ended: &&Ended| {
        let of = Store::open(Arc::clone(&common.disk), &ended.dir);
        let (Ok((_, held)), Some(record)) = (of, records.get(&ended.serial)) else {
            return false;
        };
        let same = held.current.is_some_and(|current| {
            current.request == record.request
                && current
                    .grant
                    .is_some_and(|grant| record.answer.verdict == Verdict::Grant(Box::new(grant)))
        });
        same && held.told && record.committed && held.damaged.is_empty() && ended.over
    };
    let mut names: Vec<&BoxName> = records.values().map(|record| &record.name).collect();
    names.sort();
    names.dedup();
    Claims {
        boxes: ended.len(),
        right: ended.iter().filter(right).count(),
        doubles: records.len() - names.len(),
        signed: desk.signed(),
        cuts: ended.iter().map(|ended| ended.cuts).sum(),
        breaks: ended.iter().map(|ended| ended.breaks).sum(),
        desk_cuts: desk.cut_off(),
        seconds,
    }
}

/// How one box's claim ended.
pub(super) struct Ended {
    serial: Serial,
    dir: PathBuf,
    over: bool,
    cuts: u64,
    breaks: u64,
}

/// One box claims, from its first start to the last word. Every other one is cut, every third one's links
/// break.
///
/// # Errors
/// When its folder cannot be made or read.
pub(super) async fn claim(
    common: &Common,
    desk: &Desk,
    number: usize,
    url: &str,
) -> anyhow::Result<Ended> {
    let name = common.name(number);
    let dir = common.dir.join(&name);
    common.disk.create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
    let mut claiming = Claiming {
        serial: Serial::new(&name)?,
        dir,
        chance: Chance(number as u64),
        may_be_cut: number.is_multiple_of(2),
        may_break: number.is_multiple_of(3),
        cuts: 0,
        breaks: 0,
        link: None,
        answers: None,
    };
    let over = claiming.run(common, url, stick(common, desk, url)?).await?;
    let Claiming { serial, dir, cuts, breaks, .. } = claiming;
    Ok(Ended { serial, dir, over, cuts, breaks })
}

/// Where a box asks; what stands on its stick.
fn stick(common: &Common, desk: &Desk, url: &str) -> anyhow::Result<Contact> {
    let broker = Broker::parse(url).map_err(|wrong| anyhow::anyhow!("{url} {wrong}"))?;
    Ok(Contact {
        // Said to be TLS, since a box takes no certificate for a broker without; the wire is plain.
        broker: Broker { tls: true, ..broker },
        ca: Some(Roots(desk.certificate().to_owned())),
        username: None,
        password: None,
        client: None,
        made: None,
        digest: format!("stick-of-{}", common.prefix),
        own: None,
    })
}

struct Claiming {
    serial: Serial,
    dir: PathBuf,
    chance: Chance,
    may_be_cut: bool,
    may_break: bool,
    cuts: u64,
    breaks: u64,
    link: Option<Link>,
    answers: Option<mpsc::Receiver<Vec<u8>>>,
}

impl Claiming {
    /// True once it is somebody and has told it.
    async fn run(&mut self, common: &Common, url: &str, stick: Contact) -> anyhow::Result<bool> {
        let (mut store, mut machine) = self.begin(common)?;
        for _ in 0..STEPS_MOST {
            if self.may_be_cut && self.chance.one_in(A_CUT) {
                self.cuts += 1;
                self.hang_up();
                (store, machine) = self.begin(common)?;
            }
            let want = machine.want(common.clock.monotonic());
            let seen = match want.clone() {
                Want::Rest if machine.identity().is_some() => return Ok(true),
                Want::Rest => Seen::Contact(Box::new(stick.clone())),
                Want::Wait(until) => self.waits(until.since(common.clock.monotonic())).await,
                Want::Keys => match Keys::make(&self.serial) {
                    Ok(keys) => Seen::Keys(Box::new(keys)),
                    Err(error) => Seen::Failed(Foreign::error(&error)),
                },
                Want::Keep(_) | Want::Commit | Want::Told(_) => {
                    let (store, to_do) = (store.clone(), want.clone());
                    let done = tokio::task::spawn_blocking(move || match to_do {
                        Want::Keep(attempt) => store.keep(&attempt),
                        Want::Commit => store.commit(),
                        Want::Told(request) => store.told(request),
                        _ => Ok(()),
                    });
                    match done.await? {
                        Ok(()) => Seen::Done(Box::new(want)),
                        Err(error) => Seen::Failed(Foreign::error(&error)),
                    }
                }
                Want::Connect(login) => self.connects(url, &login.client_id).await,
                Want::Listen(topic) => {
                    self.did(want, |link| async move { link.listen(&topic).await }).await
                }
                Want::Publish { topic, payload } => {
                    self.did(want, |link| async move { link.publish(&topic, payload).await }).await
                }
                Want::HangUp => {
                    self.hang_up();
                    Seen::Done(Box::new(want))
                }
            };
            machine.seen(common.clock.monotonic(), common.clock.utc(), seen);
        }
        Ok(false)
    }

    fn begin(&self, common: &Common) -> anyhow::Result<(Store, Machine)> {
        let (store, held) = Store::open(Arc::clone(&common.disk), &self.dir)?;
        let version = env!("CARGO_PKG_VERSION");
        Ok((store, Machine::new(self.serial.clone(), version, held, LIMITS)))
    }

    fn hang_up(&mut self) {
        (self.link, self.answers) = (None, None);
    }

    async fn waits(&mut self, left: Duration) -> Seen {
        let Some(answers) = &mut self.answers else {
            sleep(left).await;
            return Seen::Time;
        };
        match timeout(left, answers.recv()).await {
            Ok(Some(body)) => Seen::Answer(body),
            Ok(None) => {
                self.hang_up();
                lost()
            }
            Err(_) => Seen::Time,
        }
    }

    async fn connects(&mut self, url: &str, id: &str) -> Seen {
        let (sender, answers) = mpsc::channel(16);
        match Link::open(url, id, Some(sender)).await {
            Ok(link) => {
                (self.link, self.answers) = (Some(link), Some(answers));
                Seen::Greeted
            }
            Err(_) => lost(),
        }
    }

    /// Has the link do something, unless it breaks: before the broker has it, or before we hear of that.
    async fn did<Done: Future<Output = anyhow::Result<()>>>(
        &mut self,
        want: Want,
        does: impl FnOnce(Link) -> Done,
    ) -> Seen {
        let breaks = self.may_break && self.chance.one_in(A_BREAK);
        let before = breaks && self.chance.one_in(2);
        let done = match &self.link {
            Some(link) if !before => does(link.clone()).await,
            _ => Err(anyhow::anyhow!("the link broke")),
        };
        self.breaks += u64::from(breaks);
        if breaks || done.is_err() {
            self.hang_up();
            return lost();
        }
        Seen::Done(Box::new(want))
    }
}

fn lost() -> Seen {
    Seen::Lost(Foreign::told("the link broke"))
}

/// A connection; its last clone ends it.
#[derive(Clone)]
struct Link {
    client: AsyncClient,
    _running: Arc<Running>,
}

impl Link {
    /// Connects; what comes goes to `came`.
    async fn open(
        url: &str,
        id: &str,
        came: Option<mpsc::Sender<Vec<u8>>>,
    ) -> anyhow::Result<Self> {
        let (host, port) = host_and_port(url)?;
        let mut options = MqttOptions::new(id.to_owned(), rumqttc::Broker::tcp(host, port));
        options.set_keep_alive(10).set_clean_start(true);
        let (client, mut events) = AsyncClient::builder(options).capacity(16).build();
        let (greeted, is_greeted) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut greeted = Some(greeted);
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        // Whoever waited may have given up.
                        let _ = greeted.take().map(|greeted| greeted.send(()));
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let Some(came) = &came else { continue };
                        if came.send(publish.payload.to_vec()).await.is_err() {
                            return;
                        }
                    }
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        });
        let running = Arc::new(Running::of(task));
        timeout(PATIENCE, is_greeted).await.context("no answer")?.context("no connection")?;
        Ok(Self { client, _running: running })
    }

    async fn listen(&self, filter: &str) -> anyhow::Result<()> {
        let notice = self.client.subscribe_tracked(filter.to_owned(), QoS::AtLeastOnce).await?;
        let ack = timeout(PATIENCE, notice.wait_async()).await??;
        let granted = |code: &_| matches!(code, SubscribeReasonCode::Success(_));
        anyhow::ensure!(ack.return_codes.iter().all(granted), "not granted");
        Ok(())
    }

    async fn publish(&self, topic: &str, body: Vec<u8>) -> anyhow::Result<()> {
        let options = PublishOptions::at_least_once();
        let notice = self.client.publish_tracked(topic.to_owned(), body, options).await?;
        match timeout(PATIENCE, notice.wait_async()).await?? {
            PublishResult::Qos1(_) => Ok(()),
            _ => anyhow::bail!("not acknowledged"),
        }
    }
}
