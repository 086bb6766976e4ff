//! One box of a fleet: the real uplink with its outbox, the real inbox, and the twin, on a folder of its
//! own. What it decides is made up; of video it has nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::uplink_settings;
use crate::clock::{Chance, Clock, Floor};
use crate::config::Source;
use crate::disk::Disk;
use crate::event::{Decision, Event, FactId, Family, ModelRef, Saying, Score, Shot};
use crate::media::{CourtId, Foreign, MediaTime, SessionId};
use crate::tools::fleet::book::{Book, FAMILIES};
use crate::tools::fleet::twin::BoxTwin;
use crate::uplink::{Call, Failed, Hooks, Operation, Uplink};

/// The only court of each.
const COURT: &str = "a";
/// What a box of the fleet can be asked to do.
pub(super) const OPERATION: &str = "count";
/// A game looks again so often whether its outbox has room.
const AGAIN: Duration = Duration::from_millis(20);

/// What the boxes of a fleet share.
#[derive(Clone)]
pub(super) struct Common {
    /// Their folders lie in it.
    pub(super) dir: PathBuf,
    /// What their names begin with.
    pub(super) prefix: String,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) book: Arc<Mutex<Book>>,
    /// The boxes' own network.
    pub(super) network: Handle,
}

/// A box that runs. It is to be ended: dropped, its threads go on for a moment.
pub(super) struct Simulated {
    common: Common,
    number: usize,
    court: CourtId,
    session: SessionId,
    uplink: Arc<Uplink>,
    stop: watch::Sender<bool>,
    twin: JoinHandle<()>,
}

impl Common {
    /// The name of a box.
    pub(super) fn name(&self, number: usize) -> String {
        format!("{}-{number:05}", self.prefix)
    }

    /// Which box is called so.
    pub(super) fn number(&self, name: &str) -> Option<usize> {
        name.strip_prefix(self.prefix.as_str())?.strip_prefix('-')?.parse().ok()
    }
}

impl Simulated {
    /// Opens a box, whose broker is at `url`, and connects it. Blocking.
    ///
    /// # Errors
    /// When its folder cannot be made, is in use, or the system gives no thread.
    pub(super) fn open(common: &Common, number: usize, url: &str) -> anyhow::Result<Self> {
        let name = common.name(number);
        let dir = common.dir.join(&name);
        common.disk.create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
        let text = format!(
            "[box]\nname = \"{name}\"\ndata_dir = \"{}\"\n[uplink]\nbroker = \"{url}\"\n[[court]]\n\
             name = \"{COURT}\"\nstream_key = \"no-camera-of-{number:05}\"\n\
             rims = [[612, 188, 44, 22]]\n",
            dir.display()
        );
        let unread = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
        let source = Source::new(&dir.join("courtside.toml"), &text, Arc::new(unread));
        let begun = source.begin(&*common.disk)?;
        let floor = Floor::of(&[]);
        let settings = uplink_settings(&begun.config, floor, &*common.clock);
        let clock = Arc::clone(&common.clock);
        let opened =
            Uplink::open(settings, clock, &common.disk, Chance::system(), Hooks::default());
        let (uplink, _) = opened.with_context(|| format!("open the uplink of {name}"))?;
        let uplink = Arc::new(uplink);
        uplink.serve(vec![Arc::new(Count { book: Arc::clone(&common.book) })]);
        let (stop, stopped) = watch::channel(false);
        let twin = BoxTwin::new(begun, Arc::clone(&common.disk), Arc::clone(&uplink));
        let twin = common.network.spawn(twin.run(uplink.desired(), stopped));
        uplink.set_state("storage", &json!({ "condition": "recording", "ring_bytes": 0 }));
        uplink.connect(&common.network);
        // The game of the run before goes on: its session is that of the number.
        let session = SessionId::from_bits(common.session_of(number));
        common.book.lock().plays(number, session);
        let court = CourtId::new(COURT)?;
        Ok(Self { common: common.clone(), number, court, session, uplink, stop, twin })
    }

    pub(super) const fn number(&self) -> usize {
        self.number
    }

    /// Whether it has a session with its broker, of which number.
    pub(super) fn session(&self) -> Option<u64> {
        let status = self.uplink.status();
        status.connected.then_some(status.session)
    }

    /// Events that wait for their PUBACK.
    pub(super) fn waiting(&self) -> u64 {
        self.uplink.status().state.outbox_events
    }

    /// Decides a shot, and the score that counts it: two events, one decision. Waits while its outbox is
    /// full, as a game does.
    pub(super) async fn decides(&self) {
        let mut decision = {
            let mut book = self.common.book.lock();
            let now = self.common.clock.monotonic();
            let number = self.number;
            let [shot, score] = [0, 1].map(|family| book.decides(number, family, now));
            self.decision(shot, score)
        };
        let inbox = self.uplink.inbox();
        // Woken by time: rare, and nobody waits for it.
        while let Err(back) = inbox.try_offer(decision) {
            decision = back;
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn decision(&self, shot: u32, score: u32) -> Decision {
        let fact = |family: Family, n| FactId::new(self.session, family, n);
        let [shots, scores] = FAMILIES;
        let seconds = f64::from(shot) * 4.0;
        let event = |family, n, saying| Event {
            court: self.court.clone(),
            session: self.session,
            game: None,
            fact: fact(family, n),
            revision: 0,
            attempt: shot,
            at: MediaTime::from_millis(i64::from(shot) * 4000),
            saying,
            clip: None,
        };
        let made = Shot {
            rim: 0,
            t_stream: seconds,
            t_decided: seconds + 0.4,
            confidence: 0.97,
            provisional: false,
            game: None,
            points: None,
            points_by: None,
            team: None,
            team_by: None,
            player: None,
            clip: Some(format!("/v1/clips/{COURT}-{}", fact(shots, shot))),
            model: ModelRef {
                bundle: "rimnet".to_owned(),
                version: "0.6.0".to_owned(),
                precision: "fp32".to_owned(),
                engine: "builtin".to_owned(),
            },
            by: None,
            who: None,
            reason: None,
            latency_ms: 31.25,
        };
        let after = Some(fact(shots, shot).to_string());
        let total = Score { made: vec![shot], attempts: vec![shot], after };
        Decision {
            events: vec![
                event(shots, shot, Saying::ShotMade(made)),
                event(scores, score, Saying::Score(total)),
            ],
            ..Decision::default()
        }
    }

    /// Ends as at SIGTERM; what has no PUBACK by then waits on disk.
    pub(super) async fn ends(self, grace: Duration) {
        self.stop.send_replace(true);
        // A twin that died is told by what it does not report.
        drop(self.twin.await);
        self.uplink.shutdown(grace).await;
    }
}

impl Common {
    /// Of a box's session: apart from those of other fleets at the same broker.
    fn session_of(&self, number: usize) -> u64 {
        let run = self.prefix.bytes().fold(0_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(17)
        });
        run << 24 | number as u64 & 0xff_ffff
    }
}

/// Counts that it ran.
struct Count {
    book: Arc<Mutex<Book>>,
}

impl Operation for Count {
    fn name(&self) -> &'static str {
        OPERATION
    }

    fn arguments(&self) -> Value {
        json!({ "type": "object" })
    }

    fn check(&self, _: &Map<String, Value>) -> Result<(), Foreign> {
        Ok(())
    }

    fn run(&self, call: &Call) -> Result<Value, Failed> {
        self.book.lock().runs(&call.id);
        Ok(json!({ "counted": true }))
    }
}
