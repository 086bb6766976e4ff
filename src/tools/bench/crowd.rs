//! One round of `bench courts`: the whole daemon with so many courts, and what came of their pictures.
//!
//! The first court is let in alone, until the best engine runs; then the others come, one after another,
//! as cameras do. What is measured lies between two instants at which all play: what happened before is
//! counted apart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::sync::watch;

use crate::app::{App, AppHandle, Options, Probe, memory_limit};
use crate::clock::Clock;
use crate::config;
use crate::device::Gpu;
use crate::disk::RealDisk;
use crate::event::models::SwapOrder;
use crate::event::state::ModelState;
use crate::event::words::{ModelRole, SwapOutcome};
use crate::mailbox::{DropReason, HopCount, HopId, hops};
use crate::media::{CourtId, Foreign, Monotonic};
use crate::tools::bench::clip::Clip;
use crate::tools::bench::publishers::{Begun, Publishers};
use crate::tools::bench::usage::{Processor, resident};
use crate::tools::bench::waits::{Waited, Waits};
use crate::tools::bench::watched::{Figures, Watched};
use crate::tools::machine::{Machine, machine};

/// The first answer comes within this, or something is wrong.
const FIRST: Duration = Duration::from_secs(30);
/// What is to decide does within this, or it does not come.
const BEST: Duration = Duration::from_secs(60);
/// The same engine for so long, and nothing said of a better one: it is the best …
const SETTLED: Duration = Duration::from_secs(1);
/// … or whatever is said of it; what is built takes less.
const SAID: Duration = Duration::from_secs(8);
/// Beyond the time in which courts come, all have answered within this.
const ALL: Duration = Duration::from_secs(10);
/// Answers of the last pictures come within this.
const LAST: Duration = Duration::from_secs(1);
/// Quiet comes within so many times the warm-up, or it does not.
const QUIET_AFTER: u32 = 4;
/// How often the box is asked how it does.
const LOOK: Duration = Duration::from_millis(50);

/// What one round is made of.
pub(crate) struct Plan<'a> {
    pub(crate) courts: u32,
    /// How long it is measured.
    pub(crate) seconds: u32,
    /// All play for so long before, and lose nothing.
    pub(crate) warm_up: Duration,
    pub(crate) apart: Duration,
    pub(crate) config: config::Config,
    pub(crate) clip: &'a Arc<Clip>,
    /// What is to decide, if not what the configuration says.
    pub(crate) swap: Option<&'a SwapOrder>,
    /// A picture that is lost ends it.
    pub(crate) ends_at_a_drop: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Round {
    pub(crate) courts: u32,
    pub(crate) seconds: f64,
    #[serde(flatten)]
    pub(crate) figures: Figures,
    /// How long pictures waited for their model.
    pub(crate) waited: Waited,
    /// Let go between ingest and the model, not by design, by hop.
    pub(crate) dropped: BTreeMap<String, u64>,
    /// The same, before all played.
    pub(crate) dropped_before: u64,
    /// Pictures that were copied from a GPU to the CPU; `None` where they are decoded on the CPU.
    pub(crate) host_copies: Option<u64>,
    /// The same, before all played: while the engine in the binary answered.
    pub(crate) host_copies_before: Option<u64>,
    pub(crate) decoders: BTreeMap<String, u32>,
    /// Bundle, precision and engine.
    pub(crate) model: String,
    /// What is wrong though it runs.
    pub(crate) advice: Option<String>,
    /// Bytes of the GPU's memory: of all on it, at the end.
    pub(crate) gpu_bytes: Option<u64>,
    /// The same beyond the context and one court, a court more.
    pub(crate) gpu_bytes_a_court: Option<u64>,
    /// Why nothing is said of the GPU's memory.
    pub(crate) no_gpu: Option<String>,
    /// The same as it was measured first, all courts at play: a long run shows whether it grew.
    pub(crate) gpu_bytes_before: Option<u64>,
    pub(crate) rss_bytes: Option<u64>,
    /// As it was measured first.
    pub(crate) rss_bytes_before: Option<u64>,
    /// The same beyond one court, a court more.
    pub(crate) rss_bytes_a_court: Option<u64>,
    /// Busy cores, publishers apart.
    pub(crate) cores: f64,
    pub(crate) publishers_cores: f64,
    /// Of them, the relays' thread.
    pub(crate) relays_cores: f64,
    /// What became of messages on their way to each relay, by its name, over the whole round.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) relayed: BTreeMap<String, Relayed>,
    /// From the daemon's start to the first answer, and to the best engine.
    pub(crate) first_answer_s: f64,
    pub(crate) best_engine_s: f64,
    /// What publishers say.
    pub(crate) refused: Vec<String>,
    /// Every picture was answered, and none was let go.
    pub(crate) kept: bool,
}

/// Messages of a court on their way to a relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Relayed {
    pub(crate) forwarded: u64,
    /// Since the relay was behind.
    pub(crate) let_go: u64,
}

/// Runs it.
///
/// # Errors
/// What could not be started, or does not answer at all.
pub(crate) async fn round(plan: Plan<'_>) -> anyhow::Result<Round> {
    let Plan { courts, seconds, warm_up, apart, config, clip, swap, ends_at_a_drop } = plan;
    let names: Vec<(CourtId, String)> = config
        .courts
        .iter()
        .map(|court| (court.name.clone(), court.stream_key.expose().to_owned()))
        .collect();
    let Machine { world, gpu } = machine(&config, Arc::new(RealDisk::new()));
    let clock = Arc::clone(&world.clock);
    let no_gpu = gpu.memory().err().map(|none| none.to_string());
    let begun = clock.monotonic();
    let watched = Arc::new(Watched::of(names.iter().map(|(court, _)| court), &clock));
    let probe = Some(Arc::clone(&watched) as Arc<dyn Probe>);
    let memory_limit = memory_limit();
    let options = Options { open_http: true, probe, memory_limit, ..Options::default() };
    let app = App::build(config, world, options).await?;
    let (handle, rtmp) = (app.handle(), app.addresses().rtmp.context("RTMP is not served")?);
    let (stop, stopped) = watch::channel(false);
    let daemon = tokio::spawn(app.run(stopped));
    let (tell, told) = watch::channel(Begun::None);
    let sent = Arc::clone(&watched);
    let publishers = Publishers {
        courts: names
            .into_iter()
            .map(|(court, key)| (court, format!("rtmp://{rtmp}/live/{key}")))
            .collect(),
        clip: Arc::clone(clip),
        apart,
        on_sent: Arc::new(move |court, media, late| sent.sent(court, media, late)),
    };
    let publishers = publishers.start(&told)?;
    let measured = Measured { watched: &watched, handle: &handle, gpu: &gpu, clock: &*clock };
    let play = async {
        tell.send_replace(Begun::First);
        let mut round = measured.first(begun, swap).await?;
        let one = measured.memory();
        tell.send_replace(Begun::All);
        measured.all_answer(courts, apart).await;
        measured.quiet(warm_up).await;
        measured.window(&mut round, seconds, ends_at_a_drop, one, &tell).await;
        anyhow::Ok(round)
    };
    let played = play.await;
    tell.send_replace(Begun::Ended);
    let ended = tokio::task::spawn_blocking(move || {
        publishers.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    let refused: Vec<String> = ended.await.context("the publishers' threads")?;
    stop.send_replace(true);
    let report = daemon.await.context("the daemon's task")??;
    let mut round = played.with_context(|| refused.join("; "))?;
    (round.courts, round.no_gpu) = (courts, no_gpu);
    let balanced = report.unbalanced.is_empty();
    let lost = round.figures.unanswered + round.dropped.values().sum::<u64>();
    round.kept = lost == 0 && balanced && refused.is_empty() && round.figures.pictures > 0;
    round.relayed = report.ledger.iter().filter_map(|(id, count)| relayed(id, count)).collect();
    round.refused = refused.iter().map(|line| Foreign::told(line).to_string()).collect();
    Ok(round)
}

/// What is asked while it runs.
struct Measured<'a> {
    watched: &'a Watched,
    handle: &'a AppHandle,
    gpu: &'a Gpu,
    clock: &'a dyn Clock,
}

/// Memory at one moment, bytes.
#[derive(Clone, Copy)]
struct Memory {
    gpu: Option<u64>,
    rss: Option<u64>,
}

impl Measured<'_> {
    /// Waits for the first answer, has `swap` decide, and waits for the best engine.
    async fn first(&self, begun: Monotonic, swap: Option<&SwapOrder>) -> anyhow::Result<Round> {
        let late = self.clock.monotonic().plus(FIRST);
        while self.watched.answering() == 0 {
            if self.clock.monotonic() > late {
                bail!("no picture was answered in {} s: see `courtside doctor`", FIRST.as_secs());
            }
            tokio::time::sleep(LOOK).await;
        }
        let first_answer_s = self.clock.monotonic().since(begun).as_secs_f64();
        if let Some(order) = swap {
            self.swapped(order).await?;
        }
        let late = self.clock.monotonic().plus(BEST);
        let (mut last, mut since) = (self.model(), self.clock.monotonic());
        loop {
            tokio::time::sleep(LOOK).await;
            let (now, model) = (self.clock.monotonic(), self.model());
            if model.0 != last.0 || model.1.is_some() != last.1.is_some() {
                since = now;
            }
            last = model;
            let enough = if last.1.is_some() { SAID } else { SETTLED };
            if now > late || now.since(since) >= enough {
                break;
            }
        }
        let best_engine_s = since.since(begun).as_secs_f64();
        let (model, advice) = last;
        Ok(Round { first_answer_s, best_engine_s, model, advice, ..Round::default() })
    }

    async fn swapped(&self, order: &SwapOrder) -> anyhow::Result<()> {
        self.handle.swap_model(order)?;
        let late = self.clock.monotonic().plus(BEST);
        loop {
            tokio::time::sleep(LOOK).await;
            let models = self.handle.models();
            match (models.swap, models.last_swap) {
                (None, Some(last)) if last.outcome == SwapOutcome::Failed => {
                    bail!("{}: {}", order.name(), last.reason.unwrap_or_default())
                }
                (None, Some(_)) => return Ok(()),
                _ if self.clock.monotonic() > late => bail!("{} does not decide", order.name()),
                _ => {}
            }
        }
    }

    /// What decides now, and what is wrong with it.
    fn model(&self) -> (String, Option<String>) {
        let models = self.handle.models();
        let decides = |model: &ModelState| model.role == Some(ModelRole::Live);
        let runs = models.bundles.into_iter().find(decides);
        let Some(model) = runs else { return ("none".to_owned(), None) };
        let told = |text: Option<Foreign>| text.map(|text| text.to_string());
        let precision = told(model.precision).unwrap_or_default();
        let engine = told(model.engine).unwrap_or_default();
        (format!("{} {precision} {engine}", model.name), told(model.reason))
    }

    fn memory(&self) -> Memory {
        let gpu = self.gpu.memory().ok().map(|memory| memory.all.saturating_sub(memory.free));
        Memory { gpu, rss: resident() }
    }

    /// Waits until every court is answered; one that is not shows in the figures.
    async fn all_answer(&self, courts: u32, apart: Duration) {
        let late = self.clock.monotonic().plus(apart * courts).plus(ALL);
        while self.watched.answering() < courts && self.clock.monotonic() < late {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until nothing was lost for `warm_up`: decoders that open all at once are late, and catch up.
    /// Who bears so many courts does so soon; what one does not bear shows in the figures.
    async fn quiet(&self, warm_up: Duration) {
        let begun = self.clock.monotonic();
        let late = begun.plus(warm_up * QUIET_AFTER);
        let (mut last, mut since) = (dropped(&self.handle.ledger().counts()), begun);
        while self.clock.monotonic().since(since) < warm_up && self.clock.monotonic() < late {
            tokio::time::sleep(LOOK).await;
            let now = dropped(&self.handle.ledger().counts());
            if now != last {
                (last, since) = (now, self.clock.monotonic());
            }
        }
    }

    async fn window(
        &self,
        round: &mut Round,
        seconds: u32,
        ends_at_a_drop: bool,
        one: Memory,
        tell: &watch::Sender<Begun>,
    ) {
        let counts = self.handle.ledger().counts();
        let (before, passed_before) = (dropped(&counts), passed_over(&counts));
        let copies_before = self.copies();
        let waits_before = Waits::of(&self.handle.measured());
        let memory_before = self.memory();
        let (processor, from) = (Processor::now(), self.clock.monotonic());
        self.watched.begin(from);
        let until = from.plus(Duration::from_secs(seconds.into()));
        while self.clock.monotonic() < until {
            tokio::time::sleep(LOOK).await;
            if ends_at_a_drop && dropped(&self.handle.ledger().counts()) != before {
                break;
            }
        }
        round.seconds = self.clock.monotonic().since(from).as_secs_f64();
        let now = Processor::now();
        (round.cores, round.publishers_cores) = now.cores_since(processor, round.seconds);
        round.relays_cores = now.relays_since(processor, round.seconds);
        let memory = self.memory();
        round.waited = Waits::of(&self.handle.measured()).since(&waits_before);
        // A decoder lets go of its last picture at the next unit, or when its stream ends.
        tell.send_replace(Begun::Ended);
        tokio::time::sleep(LAST).await;
        let copies = self.copies();
        round.host_copies = copies.zip(copies_before).map(|(now, then)| now.saturating_sub(then));
        round.host_copies_before = copies_before;
        round.dropped_before = before.values().sum();
        let counts = self.handle.ledger().counts();
        let passed = passed_over(&counts).saturating_sub(passed_before);
        round.dropped = dropped(&counts);
        for (hop, count) in &mut round.dropped {
            *count -= before.get(hop).copied().unwrap_or(0).min(*count);
        }
        round.dropped.retain(|_, count| *count > 0);
        for decoder in self.handle.decoders() {
            let name = decoder.decoder.unwrap_or_else(|| "none".to_owned());
            *round.decoders.entry(Foreign::told(name).to_string()).or_insert(0) += 1;
        }
        let others = u64::from(self.watched.answering().saturating_sub(1));
        let a_court = |now: Option<u64>, then: Option<u64>| {
            now.zip(then)?.0.saturating_sub(then?).checked_div(others)
        };
        (round.gpu_bytes, round.rss_bytes) = (memory.gpu, memory.rss);
        (round.gpu_bytes_before, round.rss_bytes_before) = (memory_before.gpu, memory_before.rss);
        round.gpu_bytes_a_court = a_court(memory.gpu, one.gpu);
        round.rss_bytes_a_court = a_court(memory.rss, one.rss);
        round.figures = self.watched.figures(passed);
    }

    /// Pictures of all courts that were copied from a GPU to the CPU; `None` where no decoder is there.
    fn copies(&self) -> Option<u64> {
        let copies = self.handle.decoders().into_iter().filter_map(|decoder| decoder.surfaces);
        copies.map(|(_, copies)| copies).reduce(|all, copies| all + copies)
    }
}

fn relayed(id: &HopId, count: &HopCount) -> Option<(String, Relayed)> {
    let name = id.hop.strip_prefix(hops::RELAY)?;
    let let_go = count.dropped.get(&DropReason::Full).copied().unwrap_or(0);
    Some((name.to_owned(), Relayed { forwarded: count.taken, let_go }))
}

/// Let go between ingest and the models that look at every picture, not by design: by hop.
pub(crate) fn dropped(counts: &[(HopId, HopCount)]) -> BTreeMap<String, u64> {
    let mut dropped = BTreeMap::new();
    let counted = |hop: &str| {
        [hops::RING, hops::DECODE, hops::DECODER].contains(&hop) || hop.starts_with("model:")
    };
    for (id, count) in counts.iter().filter(|(id, _)| counted(&id.hop)) {
        let lost = count.dropped.iter().filter(|(why, _)| !why.is_expected()).map(|(_, n)| n);
        let lost = lost.sum::<u64>();
        if lost > 0 {
            *dropped.entry(id.hop.clone()).or_insert(0) += lost;
        }
    }
    dropped
}

/// Passed over by design before the model that looks at every picture.
fn passed_over(counts: &[(HopId, HopCount)]) -> u64 {
    let models = counts.iter().filter(|(id, _)| id.hop.starts_with("model:"));
    models.filter_map(|(_, count)| count.dropped.get(&DropReason::Strided)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_let_go_on_purpose_is_no_loss_and_the_finder_takes_a_picture_a_second() {
        let count = |reason| HopCount { dropped: [(reason, 3)].into(), ..HopCount::default() };
        let counts = [
            ("decode", DropReason::Full, 3),
            ("decode", DropReason::Closed, 0),
            ("model:rimnet", DropReason::Full, 3),
            ("model:rimnet", DropReason::Strided, 0),
            ("finder", DropReason::Full, 0),
        ];
        for (hop, reason, expected) in counts {
            let id = HopId { court: "east".to_owned(), hop: hop.to_owned() };
            let counts = [(id, count(reason))];
            let lost: u64 = dropped(&counts).values().sum();
            assert_eq!(lost, expected, "{hop} {reason:?}");
            let passed = if reason == DropReason::Strided { 3 } else { 0 };
            assert_eq!(passed_over(&counts), passed, "{hop} {reason:?}");
        }
    }
}
