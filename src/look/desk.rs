//! Who is asked, when, and what becomes of it: the shell of the second look.
//!
//! In: pictures by a hop of its own ([`Look::frames`]), finals of games ([`Look::decided`]), disagreements
//! ([`Look::disputed`]). Out: what was seen, to a [`HearsLook`]. Nobody waits for it: a final is noted with its crops
//! on the game's thread, in memory; drawing, money and network are a task of the runtime. At most [`AT_ONCE`] are
//! asked at a time, and a server that hangs holds these and nothing else.
//!
//! One attempt:
//!
//! ```text
//! final ─→ worth it? consent? key? crops? room? breaker? ─→ sheet ─→ reserve, on disk ─→ ask ─→ settle ─→ told
//!             └ no: counted, the local call stands                                        └ nothing: the same
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::histogram::Histogram;
use rustls::ClientConfig;

use crate::clock::Clock;
use crate::config::Secret;
use crate::disk::Disk;
use crate::event::look::LookState;
use crate::event::words::LookCondition;
use crate::event::{FactId, ModelRef};
use crate::http::outgoing;
use crate::look::ask::{Asked, Ready};
use crate::look::breaker::Breaker;
use crate::look::choose::{Call, Role, Why, asked};
use crate::look::count::{Counts, NotAsked};
use crate::look::crops::{Crop, Crops};
use crate::look::manifest::{Hosted, REVISE_WITHIN};
use crate::look::money::{Ticket, day_of};
use crate::look::shape::Nothing;
use crate::look::sheet;
use crate::look::store::{Books, NoMoney};
use crate::mailbox::FrameMailbox;
use crate::media::{CourtId, Foreign, MediaTime, Monotonic, SessionId, UtcTime};

/// Questions under way at a time (chosen: two rims of two courts; more would be a flood).
const AT_ONCE: usize = 4;
/// Finals that may still be disputed: their crops are kept with them.
const DISPUTABLE: usize = 16;
/// The least that is left for an answer; with less nobody is asked.
const LEAST: Duration = Duration::from_millis(200);

/// A final, as a game decided it.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// Its court.
    pub court: CourtId,
    /// The session of its times.
    pub session: SessionId,
    /// The rim.
    pub rim: u16,
    /// When the ball reached the ring.
    pub reached: MediaTime,
    /// The shot, once it has a number.
    pub fact: Option<FactId>,
    /// How it was called.
    pub call: Call,
    /// The share of that, ten thousandths.
    pub share: u32,
}

/// A second look that says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// It went in.
    pub made: bool,
    /// Who says so, for every event that follows.
    pub reason: String,
    /// The same as a model.
    pub by: ModelRef,
}

/// Hears what a second look came to. Must not wait.
pub trait HearsLook: Send + Sync {
    /// What was seen of an attempt that was asked; nothing where the local call stands.
    fn seen(&self, attempt: &Attempt, seen: Option<Seen>);
}

/// What it takes from the box.
pub struct LookParts {
    /// The bundle and its key; or why there is none, in words.
    pub found: Result<(Hosted, Option<Secret>), String>,
    /// The name of the bundle.
    pub name: String,
    /// Why there is no key though one is named.
    pub no_key: Option<String>,
    /// The venue lets crops leave the box.
    pub consent: bool,
    /// Clock.
    pub clock: Arc<dyn Clock>,
    /// Disk.
    pub disk: Arc<dyn Disk>,
    /// Where what was spent is kept.
    pub data_dir: PathBuf,
    /// Where questions are asked.
    pub runtime: tokio::runtime::Handle,
    /// Its hop.
    pub frames: FrameMailbox,
    /// What is measured.
    pub meters: LookMeters,
}

/// What is measured.
#[derive(Clone, Debug)]
pub struct LookMeters {
    /// From the local final until the contact sheet leaves memory.
    pub sheet_seconds: Histogram,
    /// From the local final until the answer is read.
    pub answer_seconds: Histogram,
}

/// The second look of a box. Clones are the same one.
#[derive(Clone)]
pub struct Look {
    shared: Arc<Shared>,
}

struct Shared {
    parts: LookParts,
    /// Absent where there is no bundle.
    asking: Option<Asking>,
    hears: OnceLock<Arc<dyn HearsLook>>,
    // Held for a look or a change, never across I/O.
    state: Mutex<State>,
    // The same: a crop is put in by the thread of the hop, a sheet's are taken out by a game's.
    crops: Mutex<BTreeMap<CourtId, Crops>>,
    tls: tokio::sync::OnceCell<Arc<ClientConfig>>,
}

struct Asking {
    hosted: Hosted,
    key: Option<Secret>,
    books: Books,
}

#[derive(Default)]
struct State {
    breaker: Breaker,
    counts: Counts,
    under_way: usize,
    /// Finals that nobody was asked about, newest last.
    disputable: VecDeque<Question>,
    /// A price that is wrong stops it for good.
    dearer: Option<String>,
    /// What went wrong last, in words.
    trouble: Option<String>,
}

/// An attempt with what was seen of it.
#[derive(Clone)]
struct Question {
    attempt: Attempt,
    crops: Vec<Arc<Crop>>,
    /// When the game decided.
    decided: Monotonic,
}

impl std::fmt::Debug for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Look({})", self.shared.parts.name)
    }
}

impl Look {
    /// A second look that asks nobody before it is told who hears it. Reads what was spent.
    #[must_use]
    pub fn new(mut parts: LookParts) -> Self {
        let day = day_of(parts.clock.utc());
        let found = std::mem::replace(&mut parts.found, Err(String::new()));
        let asking = match found {
            Ok((hosted, key)) => {
                let books = Books::open(&parts.disk, &parts.data_dir, hosted.cap, day);
                Some(Asking { hosted, key, books })
            }
            Err(why) => {
                tracing::warn!(bundle = parts.name, why, "no second look: calls go on without it");
                parts.found = Err(why);
                None
            }
        };
        Self {
            shared: Arc::new(Shared {
                parts,
                asking,
                hears: OnceLock::new(),
                state: Mutex::default(),
                crops: Mutex::default(),
                tls: tokio::sync::OnceCell::new(),
            }),
        }
    }

    /// Who hears what was seen; once.
    pub fn tells(&self, hears: Arc<dyn HearsLook>) {
        drop(self.shared.hears.set(hears));
    }

    /// Its hop of pictures.
    #[must_use]
    pub fn frames(&self) -> &FrameMailbox {
        &self.shared.parts.frames
    }

    /// True if pictures are of any use to it: it may ask, while a game runs.
    #[must_use]
    pub fn watches(&self) -> bool {
        let asks = |asking: &Asking| asking.hosted.role != Role::Teacher && asking.has_key();
        self.shared.parts.consent && self.shared.asking.as_ref().is_some_and(asks)
    }

    /// How long a final waits for it; nothing where it does not answer live.
    #[must_use]
    pub fn holds(&self) -> Option<Duration> {
        let hosted = &self.shared.asking.as_ref()?.hosted;
        (hosted.role == Role::Live && self.watches()).then_some(hosted.deadline)
    }

    /// Puts the crops of a picture there.
    pub(crate) fn cropped(&self, court: &CourtId, session: SessionId, of_rims: Vec<Option<Crop>>) {
        self.shared.crops.lock().entry(court.clone()).or_default().take(session, of_rims);
    }

    /// A court plays no more.
    pub(crate) fn forget(&self, court: &CourtId) {
        self.shared.crops.lock().remove(court);
    }

    /// A game decided a final. True if somebody is asked about it now: [`HearsLook::seen`] follows.
    /// Called on the game's thread: waits for nothing.
    pub fn decided(&self, attempt: Attempt) -> bool {
        let Some(asking) = &self.shared.asking else { return false };
        let Hosted { role, ask_below, .. } = asking.hosted;
        let why = asked(role, attempt.call, attempt.share, ask_below);
        if role == Role::Teacher {
            return false;
        }
        let crops = {
            let courts = self.shared.crops.lock();
            let of = courts.get(&attempt.court);
            of.map(|crops| crops.of_attempt(attempt.session, attempt.rim, attempt.reached))
        };
        let question = Question {
            attempt,
            crops: crops.unwrap_or_default(),
            decided: self.shared.parts.clock.monotonic(),
        };
        match why {
            Some(why) => self.ask(asking, question, why),
            None => {
                if !question.crops.is_empty() && question.attempt.fact.is_some() {
                    let mut state = self.shared.state.lock();
                    if state.disputable.len() >= DISPUTABLE {
                        state.disputable.pop_front();
                    }
                    state.disputable.push_back(question);
                }
                false
            }
        }
    }

    /// Two models said otherwise of a shot: if its final was sure of itself, it is asked now.
    pub fn disputed(&self, fact: FactId) {
        let Some(asking) = &self.shared.asking else { return };
        let question = {
            let mut state = self.shared.state.lock();
            let at = state.disputable.iter().position(|kept| kept.attempt.fact == Some(fact));
            at.and_then(|at| state.disputable.remove(at))
        };
        if let Some(question) = question {
            self.ask(asking, question, Why::Disputed);
        }
    }

    /// Asks about one attempt, if that can be: true if it is on its way.
    fn ask(&self, asking: &Asking, question: Question, why: Why) -> bool {
        let shared = &self.shared;
        let now = shared.parts.clock.monotonic();
        let patience = asking.patience(now.since(question.decided));
        let reached =
            asking.books.is_reached(day_of(shared.parts.clock.utc()), asking.hosted.worst());
        let mut state = shared.state.lock();
        let not = if !shared.parts.consent {
            Some(NotAsked::Consent)
        } else if !asking.has_key() {
            Some(NotAsked::Key)
        } else if question.crops.is_empty() {
            Some(NotAsked::NoCrops)
        } else if patience < LEAST {
            Some(NotAsked::Late)
        } else if state.under_way >= AT_ONCE {
            Some(NotAsked::Busy)
        } else if reached || state.dearer.is_some() {
            Some(NotAsked::CapReached)
        } else if !state.breaker.lets(now) {
            Some(NotAsked::BreakerOpen)
        } else {
            None
        };
        let Attempt { court, rim, .. } = &question.attempt;
        if let Some(not) = not {
            tracing::debug!(%court, rim, why = why.word(), not = not.word(), "no second look");
            state.counts.not_asked(not);
            return false;
        }
        tracing::debug!(%court, rim, why = why.word(), "a second look is asked for");
        state.counts.asked(why);
        state.under_way += 1;
        drop(state);
        let look = self.clone();
        drop(shared.parts.runtime.spawn(async move { look.looks(question).await }));
        true
    }

    /// One question, from its crops to what is told of it.
    async fn looks(self, question: Question) {
        let seen = self.answer(&question).await;
        self.shared.state.lock().under_way -= 1;
        if let Some(hears) = self.shared.hears.get() {
            hears.seen(&question.attempt, seen);
        }
    }

    async fn answer(&self, question: &Question) -> Option<Seen> {
        let shared = &self.shared;
        let asking = shared.asking.as_ref()?;
        let clock = &*shared.parts.clock;
        let since = || clock.monotonic().since(question.decided);
        let day = || day_of(clock.utc());
        let tls = shared.tls.get_or_try_init(|| async {
            let read = tokio::task::spawn_blocking(|| outgoing::tls(None)).await;
            read.map_err(|error| error.to_string()).and_then(|read| read.map(Arc::new))
        });
        let tls = match tls.await {
            Ok(tls) => Arc::clone(tls),
            Err(why) => {
                self.not_after_all(NotAsked::Key, Some(why.clone()));
                return None;
            }
        };
        let drawing = (self.clone(), question.crops.clone());
        let drawn = tokio::task::spawn_blocking(move || drawing.0.ready(&drawing.1));
        let (ready, ticket) = match drawn.await {
            Ok(Ok(ready)) => ready,
            Ok(Err((not, why))) => {
                self.not_after_all(not, why);
                return None;
            }
            Err(_) => {
                self.not_after_all(NotAsked::NoCrops, None);
                return None;
            }
        };
        let patience = asking.patience(since());
        shared.parts.meters.sheet_seconds.observe(since().as_secs_f64());
        let asked = ready.ask(&asking.hosted, clock, &tls, patience).await;
        let took = since();
        shared.parts.meters.answer_seconds.observe(took.as_secs_f64());
        let (look, cost) = (self.clone(), asked.judged.cost);
        let now = day();
        let settle = move || {
            look.shared.asking.as_ref().is_some_and(|asking| asking.books.settle(ticket, now, cost))
        };
        let over = tokio::task::spawn_blocking(settle).await.unwrap_or(false);
        self.heard(asking, &question.attempt, &asked, over, took)
    }

    /// The sheet and its question, once what it may cost is on disk. Blocks.
    fn ready(&self, crops: &[Arc<Crop>]) -> Result<(Ready, Ticket), (NotAsked, Option<String>)> {
        let Some(asking) = &self.shared.asking else { return Err((NotAsked::Key, None)) };
        let sheet = sheet::draw(crops).ok_or((NotAsked::NoCrops, None))?;
        let ready = Ready::of(&asking.hosted, asking.key.as_ref(), &sheet);
        let odd = "its address or key cannot stand in a request";
        let ready = ready.ok_or_else(|| (NotAsked::Key, Some(odd.to_owned())))?;
        let day = day_of(self.shared.parts.clock.utc());
        match asking.books.reserve(day, asking.hosted.worst()) {
            Ok(ticket) => Ok((ready, ticket)),
            Err(NoMoney::Cap) => Err((NotAsked::CapReached, None)),
            Err(NoMoney::Disk(error)) => {
                let why = format!("what it costs cannot be written down: {error}");
                Err((NotAsked::Disk, Some(why)))
            }
        }
    }

    fn not_after_all(&self, not: NotAsked, why: Option<String>) {
        let mut state = self.shared.state.lock();
        state.breaker.left();
        state.counts.not_asked(not);
        if let Some(why) = why {
            tracing::warn!(why, "no second look");
            state.trouble = Some(why);
        }
    }

    /// What an answer comes to.
    fn heard(
        &self,
        asking: &Asking,
        attempt: &Attempt,
        asked: &Asked,
        over: bool,
        took: Duration,
    ) -> Option<Seen> {
        let hosted = &asking.hosted;
        let mut state = self.shared.state.lock();
        state.counts.answered(&asked.judged.says);
        if over {
            let why = "an answer cost more than the worst that its price and `image_tokens` allow: correct them";
            tracing::error!(bundle = hosted.name, "{why}");
            state.dearer = Some(why.to_owned());
        }
        let call = match &asked.judged.says {
            Ok(call) => {
                state.breaker.answered();
                state.trouble = None;
                *call
            }
            Err(nothing) => {
                let why = why(nothing, asked.broke.as_deref());
                let now = self.shared.parts.clock.monotonic();
                let was_open = state.breaker.is_open(now);
                state.breaker.failed(now, &nothing.failure());
                if state.breaker.is_open(now) && !was_open {
                    tracing::warn!(
                        bundle = hosted.name,
                        why,
                        "nobody answers: not asked for a while"
                    );
                }
                tracing::debug!(bundle = hosted.name, why, failed = nothing.word(), "no answer");
                state.trouble = Some(why);
                return None;
            }
        };
        if call == Call::Unsure || call == attempt.call {
            return None;
        }
        // It was asked and has answered, and counts as that; nobody is told so late.
        if took > REVISE_WITHIN {
            return None;
        }
        state.counts.changed += 1;
        drop(state);
        Some(Seen { made: call == Call::Made, reason: asking.reason(), by: asking.model() })
    }

    /// As in `state/look`.
    #[must_use]
    pub fn state(&self, now: Monotonic, utc: UtcTime) -> LookState {
        let shared = &self.shared;
        let bundle = Foreign::name(&shared.parts.name);
        let Some(asking) = &shared.asking else {
            let reason = shared.parts.found.as_ref().err().map(Foreign::told);
            let condition = LookCondition::Refused;
            return LookState { bundle, condition, reason, ..LookState::default() };
        };
        let Asking { hosted, books, .. } = asking;
        let (spent, cap) = books.spent();
        let reached = books.is_reached(day_of(utc), hosted.worst());
        let state = shared.state.lock();
        let (condition, reason) = if !shared.parts.consent {
            (LookCondition::NoConsent, None)
        } else if !asking.has_key() {
            (LookCondition::NoKey, shared.parts.no_key.clone())
        } else if hosted.role == Role::Teacher {
            (LookCondition::Teaches, None)
        } else if state.dearer.is_some() {
            (LookCondition::CapReached, state.dearer.clone())
        } else if reached {
            (LookCondition::CapReached, None)
        } else if state.breaker.is_open(now) {
            (LookCondition::BreakerOpen, state.trouble.clone())
        } else {
            (LookCondition::Asks, None)
        };
        let Counts { asked, said, changed, failed, not_asked } = state.counts.clone();
        LookState {
            bundle,
            condition,
            reason: reason.map(Foreign::told),
            role: Foreign::name(hosted.role.word()),
            shape: Foreign::name(hosted.shape.word()),
            model: Foreign::name(&hosted.model),
            prompt: Foreign::name(&hosted.prompt_hash),
            price_date: Foreign::name(&hosted.price_date.to_string()),
            price_age_days: hosted.price_age_days(utc),
            spent_usd: spent.as_dollars(),
            cap_usd: cap.as_dollars(),
            asked,
            said,
            changed,
            failed,
            not_asked,
        }
    }
}

/// Why there is no answer, in words.
fn why(nothing: &Nothing, broke: Option<&str>) -> String {
    match (nothing, broke) {
        (_, Some(broke)) => broke.to_owned(),
        (Nothing::Unusable(unusable), None) => unusable.to_string(),
        (Nothing::Status(status @ (401 | 403), _), None) => {
            format!("the server says {status}: it does not take the key")
        }
        (Nothing::Status(404, _), None) => {
            "the server says 404: it has no such model, or another `shape`".to_owned()
        }
        (Nothing::Status(429, _), None) => {
            "the server says 429: too many questions, or no money left there".to_owned()
        }
        (Nothing::Status(status, _), None) => format!("the server says {status}"),
    }
}

impl Asking {
    fn has_key(&self) -> bool {
        self.key.is_some() || self.hosted.key_file.is_none()
    }

    /// How long an answer may take that is asked for so long after the final.
    fn patience(&self, since: Duration) -> Duration {
        let deadline = match self.hosted.role {
            // The final waits, so all of it counts from there.
            Role::Live => self.hosted.deadline,
            _ => (since + self.hosted.deadline).min(REVISE_WITHIN),
        };
        deadline.saturating_sub(since)
    }

    fn model(&self) -> ModelRef {
        let Hosted { name, version, .. } = &self.hosted;
        let engine = "hosted".to_owned();
        ModelRef {
            bundle: name.clone(),
            version: version.clone(),
            precision: String::new(),
            engine,
        }
    }

    /// Who says so: the bundle, its server's model and what it was asked.
    fn reason(&self) -> String {
        let Hosted { name, version, model, prompt_hash, .. } = &self.hosted;
        // Bounded: it stands in every event.
        let model: String = model.chars().take(80).collect();
        format!("second look by {name} {version}, model {model}, prompt {prompt_hash}")
    }
}

#[cfg(test)]
mod tests;
