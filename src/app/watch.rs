//! Watches the whole: what is told in `state/*`, on the page, to systemd and to its watchdog.
//!
//! Four times a second it reads each stage's own status (cheap, never blocking) and puts the parts
//! together; a message is published only when it changed, what is measured or merely counts at most once a
//! minute, and rounded to what a person can use (`drift`). The page reads all of it at once, over HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch as told;

use crate::app::book::{CourtBook, Listed};
use crate::app::claiming::{self, ClaimSays};
use crate::app::drift;
use crate::app::gpu::GpuMemory;
use crate::app::home::{HomeKeeper, Look};
use crate::app::host::HostReader;
use crate::app::kept;
use crate::app::labels::Labels;
use crate::app::service::ServiceKeeper;
use crate::app::splits::{self, Splits};
use crate::app::status::{CourtSays, StagesSay, config_state};
use crate::app::twin::TwinDesk;
use crate::app::web::WebState;
use crate::clips::Shelf;
use crate::clock::{Anchors, Clock, Ticks};
use crate::config::Calibrate;
use crate::decode::DecoderStatus;
use crate::detect;
use crate::disk::Disk;
use crate::event::box_status::BoxStatus;
use crate::event::host::{self, HostStatus};
use crate::health::{Notifier, Progress};
use crate::ingest::IngestHandle;
use crate::look;
use crate::mailbox::{HopCount, HopId, Ledger, hops};
use crate::media::{BoxName, CourtId, Foreign, Monotonic};
use crate::page;
use crate::relay::Relays;
use crate::update::Desk;
use crate::uplink::Uplink;
use crate::upload::Uploads;

/// A stall is told within 2 s of its beginning; this adds a quarter of a second at most.
const EVERY: Duration = Duration::from_millis(250);
/// Measured numbers change at every look; the world is told this often.
const NUMBERS_EVERY: Duration = Duration::from_secs(60);

/// Decoders that have hung for so long do not come back (chosen: a libav at work on its largest
/// picture, on a box that does other things, takes a tenth of it).
const CLOGGED: Duration = Duration::from_secs(30);

/// The stages that are read.
pub(crate) struct Watched {
    pub(crate) name: BoxName,
    pub(crate) claim: ClaimSays,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ledger: Ledger,
    pub(crate) anchors: Anchors,
    pub(crate) book: CourtBook,
    pub(crate) calibrate: Calibrate,
    pub(crate) uplink: Arc<Uplink>,
    pub(crate) ingest: IngestHandle,
    pub(crate) models: Arc<detect::Detect>,
    pub(crate) splits: Arc<Splits>,
    pub(crate) labels: Arc<Labels>,
    pub(crate) look: Option<look::Look>,
    pub(crate) gpu_memory: GpuMemory,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) data_dir: PathBuf,
    pub(crate) shelf: Shelf,
    pub(crate) relays: Arc<Relays>,
    pub(crate) uploads: Arc<Uploads>,
    pub(crate) updates: Arc<Desk>,
    pub(crate) web: Arc<WebState>,
    /// Absent where the box has no file of its own.
    pub(crate) twin: Option<TwinDesk>,
    /// What somebody must know of our files, as it was at the start.
    pub(crate) files: Vec<Foreign>,
    pub(crate) host: Arc<HostReader>,
}

/// Runs until `stopped` turns to true.
pub(crate) async fn run(
    mut watched: Watched,
    mut service: ServiceKeeper,
    mut home: HomeKeeper,
    mut stopped: told::Receiver<bool>,
) {
    let notifier = Notifier::from_environment();
    let mut progress = Progress::default();
    let mut publisher = Publisher::default();
    let mut opened = Opened::default();
    let mut told_clogged = None;
    let mut ticks = Ticks::new(&watched.clock, EVERY);
    loop {
        // Woken by the interval, by what somebody says of a court, and by the drain's beginning.
        let ask = tokio::select! {
            () = ticks.tick() => None,
            ask = service.asked() => Some(ask),
            _ = stopped.wait_for(|told| *told) => break,
        };
        let waits = match ask {
            Some(ask) => service.hear(ask).await,
            None => None,
        };
        let now = watched.clock.monotonic();
        let counts = watched.ledger.counts();
        let stuck = progress.observe(now, &counts);
        for stuck in &stuck {
            tracing::error!(court = %stuck.hop.court, hop = %stuck.hop.hop, waiting = stuck.waiting, "a stage stands still");
        }
        let clogged = clogged(&watched.book.all(), now);
        if clogged != told_clogged {
            if let Some(court) = &clogged {
                tracing::error!(%court, "its decoders hang for good: only a new process frees them");
            }
            told_clogged.clone_from(&clogged);
        }
        if stuck.is_empty() && clogged.is_none() {
            notifier.alive();
        }
        let anchors = &watched.anchors;
        if anchors.floor().settle(watched.clock.utc()) {
            tracing::warn!(
                "the clock was set from the network: files dated after it are not believed"
            );
        }
        watched.ingest.note_device(watched.gpu_memory.latest(now));
        tend_models(&watched).await;
        let admission = &watched.web.admission;
        admission.tell();
        watched.ingest.tell();
        let (mut says, decoded) = look(&watched);
        opened.count(&mut says.courts);
        let mut status = says.status();
        service.look(&mut status, &decoded).await;
        let status = Arc::new(status);
        if let Some(line) = publisher.line(&status) {
            notifier.status(&line);
        }
        for (what, whole) in publisher.due(now, &status) {
            if !watched.uplink.set_state(&what, &whole) {
                publisher.told.remove(&what);
            }
        }
        if let Some(waits) = waits {
            waits.hears(&status.service);
        }
        let picture = |court: &CourtId| page::Source::snapshot(&*watched.web, court);
        home.tend(Look { now, status: &status, picture: &picture }).await;
        watched.web.put(status);
    }
}

/// What became due of the models; what a swap was told to keep goes to disk, where nobody waits for it
/// but this.
async fn tend_models(watched: &Watched) {
    watched.models.tend();
    if let Some(bytes) = watched.splits.due() {
        let (disk, dir) = (Arc::clone(&watched.disk), watched.data_dir.clone());
        let write = move || splits::write(&*disk, &dir, &bytes);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(write).await {
            tracing::error!(%error, "what models disagree on is not kept: a restart forgets it");
        }
    }
    if watched.labels.is_due() {
        let labels = Arc::clone(&watched.labels);
        if let Err(error) = tokio::task::spawn_blocking(move || labels.tend()).await {
            tracing::error!(%error, "labels are not kept");
        }
    }
    let Some(live) = watched.models.newly_kept() else { return };
    let (disk, dir) = (Arc::clone(&watched.disk), watched.data_dir.clone());
    let written =
        tokio::task::spawn_blocking(move || kept::write(&*disk, &dir, live.as_deref())).await;
    if let Ok(Err(error)) = written {
        tracing::error!(%error, "the model of the next start could not be kept: swap again with --keep");
    }
}

/// A court whose decoders hang for good. It decodes nothing any more, and what hangs may hold cores and
/// memory of all others, so the watchdog is to end the process: it is back in two seconds.
fn clogged(courts: &[Listed], now: Monotonic) -> Option<CourtId> {
    let hung = courts.iter().find(|court| hangs(&court.decoder.status(), now));
    hung.map(|court| court.parts.name.clone())
}

fn hangs(decoder: &DecoderStatus, now: Monotonic) -> bool {
    decoder.clogged_since.is_some_and(|since| now.since(since) >= CLOGGED)
}

/// One look at everything, and the courts of which there is a decoded picture.
fn look(watched: &Watched) -> (StagesSay, BTreeSet<String>) {
    let decoded = watched.book.all().into_iter().filter(|court| court.parts.last.lock().is_some());
    let decoded = decoded.map(|court| court.parts.name.to_string()).collect();
    let faults: BTreeMap<CourtId, String> = watched.models.faults().into_iter().collect();
    let rings = watched.models.rings();
    let counts = watched.ledger.counts();
    let now = watched.clock.monotonic();
    let courts = watched
        .book
        .all()
        .into_iter()
        .map(|Listed { parts, decoder }| {
            let moved = watched.models.moved(&parts.name);
            CourtSays {
                name: parts.name.clone(),
                rims: parts.rims.clone(),
                rims_of: parts.rims_of,
                ingest: watched.ingest.status(&parts.name),
                decoder: decoder.status(),
                rings: rings.get(&parts.name).cloned(),
                fault: faults.get(&parts.name).cloned(),
                moved: moved.map(|moved| moved.text()),
                answers: parts.answered.load(Ordering::Relaxed),
                dropped: lost(&counts, &parts.name),
                undecoded: decoder.status().starved_since.map(|since| now.since(since)),
                score: parts.board.score(),
                learnt: parts.board.learnt(),
                relays: watched.relays.state(&parts.name),
            }
        })
        .collect();
    let memory = watched.ingest.device_memory();
    let gpu_memory =
        memory.map(|memory| host::GpuMemory { free_bytes: memory.free, total_bytes: memory.all });
    let says = StagesSay {
        name: watched.name.clone(),
        rtmp: publish_address(&watched.ingest),
        courts,
        models: watched.splits.models(),
        storage: watched.shelf.status().map(|ring| ring.storage),
        uploads: watched.uploads.state(),
        update: watched.updates.state(),
        look: watched.look.as_ref().map(|look| look.state(now, watched.anchors.utc())),
        uplink: Some(watched.uplink.status()),
        claim: watched.claim.state(),
        clock: watched.anchors.state(),
        calibrate: watched.calibrate,
        admission: watched.web.admission.faults(),
        full: watched.web.admission.full(),
        counts,
        config: watched.twin.as_ref().map(|twin| config_state(&twin.reported())),
        files: watched.files.clone(),
        host: HostStatus { gpu_memory, ..watched.host.latest() },
    };
    (says, decoded)
}

/// Where cameras publish to: the box knows its port, who reads it where the box is.
fn publish_address(ingest: &IngestHandle) -> Option<Foreign> {
    let plain = ingest.rtmp_address().map(|address| ("rtmp", address));
    let (scheme, address) = plain.or_else(|| Some(("rtmps", ingest.rtmps_address()?)))?;
    Some(Foreign::told(format!("{scheme}://BOX:{}", address.port())))
}

/// What a court's hops let go, and not by design. A look for bumps that is left out costs nothing, nor what a
/// relay's server does not take.
fn lost(counts: &[(HopId, HopCount)], court: &CourtId) -> u64 {
    counts
        .iter()
        .filter(|(hop, _)| {
            hop.court == court.as_str() && ![hops::FINDER, hops::LOOK].contains(&hop.hop.as_str())
        })
        .filter(|(hop, _)| !hop.hop.starts_with(hops::RELAY))
        .flat_map(|(_, count)| &count.dropped)
        .filter(|(reason, _)| !reason.is_expected())
        .map(|(_, dropped)| dropped)
        .sum()
}

/// What was counted of each court before its session opened: `state/stream` counts since then.
#[derive(Default)]
struct Opened {
    courts: BTreeMap<CourtId, SinceOpened>,
}

#[derive(Default)]
struct SinceOpened {
    session: Option<String>,
    /// Answers and losses at the look before.
    last: (u64, u64),
    /// … and at the last one before the session.
    before: (u64, u64),
}

impl Opened {
    /// Takes off what is of the sessions before.
    fn count(&mut self, courts: &mut [CourtSays]) {
        self.courts.retain(|known, _| courts.iter().any(|court| court.name == *known));
        for court in courts {
            let known = self.courts.entry(court.name.clone()).or_default();
            let session = court.ingest.as_ref().and_then(|ingest| ingest.session.clone());
            // What is still counted of a session that has ended is of none.
            if session.is_some() && session != known.session {
                (known.session, known.before) = (session, known.last);
            }
            known.last = (court.answers, court.dropped);
            court.answers = court.answers.saturating_sub(known.before.0);
            court.dropped = court.dropped.saturating_sub(known.before.1);
        }
    }
}

/// Remembers what the world was told.
#[derive(Default)]
struct Publisher {
    told: BTreeMap<String, (Value, Value, Monotonic)>,
    line: String,
}

impl Publisher {
    /// The line of `systemctl status`, when it changed.
    fn line(&mut self, status: &BoxStatus) -> Option<String> {
        let streams: Vec<String> = status
            .streams
            .iter()
            .map(|(court, told)| format!("{court} {}", told.stream.condition))
            .collect();
        let claim = status.claim.as_ref().and_then(claiming::line);
        let mut line = Vec::from_iter(claim.into_iter().chain([streams.join(", ")])).join("; ");
        for (court, told) in status.service.courts.iter().filter(|(_, told)| !told.in_service) {
            let open = told
                .open()
                .map_or_else(String::new, |open| format!(": {} {}", open.check, open.state));
            line.push_str(&format!("; {court} is not in service{open}"));
        }
        (line != self.line).then(|| {
            self.line.clone_from(&line);
            line
        })
    }

    /// What is to be published now: `stream/a` … and its value.
    fn due(&mut self, now: Monotonic, status: &BoxStatus) -> Vec<(String, Value)> {
        let mut due = Vec::new();
        for (court, told) in &status.streams {
            let state = &told.stream;
            // What merely counts or wavers is told once a minute, what changed is told at once.
            let mut fixed = state.clone();
            (fixed.fps, fixed.bitrate_kbps, fixed.key_interval_s) = (None, None, None);
            (fixed.pictures, fixed.answers, fixed.dropped) = (0, 0, 0);
            fixed.refusals.clear();
            for relay in &mut fixed.relays {
                (relay.dropped, relay.bytes) = (0, 0);
            }
            for advice in &mut fixed.advice {
                (advice.costs_ms, advice.pixels, advice.text) = (None, None, String::new());
                advice.todo.clear();
                advice.figures.clear();
            }
            due.extend(self.changed(now, format!("stream/{court}"), &fixed, state));
        }
        let mut fixed = status.models.clone();
        for model in &mut fixed.bundles {
            (model.inference_ms, model.memory_bytes) = (None, None);
        }
        if let Some(swap) = &mut fixed.swap {
            (swap.seconds, swap.frames, swap.attempts) = (0, 0, 0);
        }
        if let Some(last) = &mut fixed.last_swap {
            last.seconds_ago = 0;
        }
        fixed.board.clear();
        due.extend(self.changed(now, "models".to_owned(), &fixed, &status.models));
        if let Some(storage) = &status.storage {
            let mut fixed = storage.clone();
            (fixed.ring_bytes, fixed.free_bytes) = (0, 0);
            due.extend(self.changed(now, "storage".to_owned(), &fixed, storage));
        }
        let mut fixed = status.uploads.clone();
        (fixed.sent_bytes, fixed.allowed_bits_per_second) = (0, 0);
        fixed.measured_bits_per_second = None;
        due.extend(self.changed(now, "uploads".to_owned(), &fixed, &status.uploads));
        let mut fixed = status.update.clone();
        fixed.bytes = 0;
        due.extend(self.changed(now, "update".to_owned(), &fixed, &status.update));
        if let Some(look) = &status.look {
            let mut fixed = look.clone();
            (fixed.spent_usd, fixed.changed) = (0.0, 0);
            for counts in
                [&mut fixed.asked, &mut fixed.said, &mut fixed.failed, &mut fixed.not_asked]
            {
                counts.clear();
            }
            due.extend(self.changed(now, "look".to_owned(), &fixed, look));
        }
        if let Some(claim) = &status.claim {
            due.extend(self.changed(now, "claim".to_owned(), claim, claim));
        }
        let mut fixed = status.service.clone();
        let of_courts = fixed.courts.values_mut().flat_map(|court| &mut court.checks);
        for check in of_courts.chain(&mut fixed.checks) {
            (check.figure, check.text) = (None, None);
        }
        due.extend(self.changed(now, "service".to_owned(), &fixed, &status.service));
        let mut fixed = status.clock.clone();
        for court in &mut fixed.courts {
            (court.error_ms, court.drift_ppm) = (0, None);
        }
        due.extend(self.changed(now, "clock".to_owned(), &fixed, &status.clock));
        due
    }

    fn changed<T: serde::Serialize>(
        &mut self,
        now: Monotonic,
        what: String,
        fixed: &T,
        whole: &T,
    ) -> Option<(String, Value)> {
        let fixed = drift::fixed(serde_json::to_value(fixed).ok()?);
        let whole = drift::rounded(serde_json::to_value(whole).ok()?);
        let due = match self.told.get(&what) {
            None => true,
            Some((told, _, _)) if *told != fixed => true,
            Some((_, told, at)) => *told != whole && now.since(*at) >= NUMBERS_EVERY,
        };
        due.then(|| {
            self.told.insert(what.clone(), (fixed, whole.clone(), now));
            (what, whole)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::service::{CheckTold, CourtService};
    use crate::event::words::{CheckName, StreamCondition};

    fn in_mid_game() -> BoxStatus {
        let told = include_str!("../../tests/data/state/in_mid_game.json");
        BoxStatus::read(&serde_json::from_str(told).expect("JSON")).expect("a state")
    }

    #[test]
    fn what_changed_is_told_at_once_and_what_merely_counts_once_a_minute() {
        let mut publisher = Publisher::default();
        let mut status = in_mid_game();
        let at = |millis: u64| Monotonic::from_nanos(millis * 1_000_000);
        let mut due = |millis: u64, status: &BoxStatus| -> Vec<String> {
            publisher.due(at(millis), status).into_iter().map(|(what, _)| what).collect()
        };
        let all = [
            "stream/north",
            "stream/south",
            "models",
            "storage",
            "uploads",
            "update",
            "service",
            "clock",
        ];
        assert_eq!(due(0, &status), all);
        assert!(due(250, &status).is_empty(), "nothing changed");
        status.streams.get_mut("north").expect("there").stream.pictures += 8;
        assert!(due(500, &status).is_empty(), "a count alone");
        status.streams.get_mut("south").expect("there").stream.condition = StreamCondition::Stalled;
        assert_eq!(due(750, &status), ["stream/south"]);
        assert!(due(59_750, &status).is_empty());
        assert_eq!(due(60_000, &status), ["stream/north"]);
    }

    #[test]
    fn a_figure_that_drifts_in_a_text_is_no_news() {
        let mut publisher = Publisher::default();
        let mut status = in_mid_game();
        let mut told = BTreeMap::<String, u32>::new();
        // A busy machine: four looks a second, for two minutes.
        for look in 0..480_u32 {
            let took = 42.7 + f64::from(look % 7) / 10.0;
            let model = &mut status.models.bundles[0];
            model.inference_ms = Some(took);
            let text = format!("it takes {took:.1} ms, its budget is 3 ms: use a smaller model");
            model.reason = Some(Foreign::told(text));
            let stream = &mut status.streams.get_mut("north").expect("there").stream;
            stream.fps = Some(29.97 + f64::from(look % 3) / 100.0);
            stream.fault = Some(Foreign::told(format_args!("{look} of {} lost", look + 90)));
            let now = Monotonic::from_nanos(u64::from(look) * 250_000_000);
            for (what, _) in publisher.due(now, &status) {
                *told.entry(what).or_default() += 1;
            }
        }
        assert_eq!((told["models"], told["stream/north"]), (2, 2));
        // Another reason is news, at once.
        let now = Monotonic::from_nanos(120_100_000_000);
        status.models.bundles[0].reason = None;
        assert!(publisher.due(now, &status).iter().any(|(what, _)| what == "models"));
    }

    #[test]
    fn the_watchdog_waits_for_decoders_that_may_come_back_and_for_no_others() {
        let at = |seconds: u64| Monotonic::from_nanos(seconds * 1_000_000_000);
        let mut decoder = DecoderStatus::default();
        assert!(!hangs(&decoder, at(100)));
        decoder.clogged_since = Some(at(70));
        assert!(!hangs(&decoder, at(99)), "it may come back");
        assert!(hangs(&decoder, at(100)));
    }

    #[test]
    fn systemd_is_told_each_line_once() {
        let mut publisher = Publisher::default();
        let status = in_mid_game();
        assert_eq!(publisher.line(&status).as_deref(), Some("north live, south live"));
        assert_eq!(publisher.line(&status), None);
        let mut status = status;
        let waits = CheckTold { check: CheckName::Rim, ..CheckTold::default() };
        let south = CourtService { checks: vec![waits], ..CourtService::default() };
        let north = CourtService { in_service: true, ..CourtService::default() };
        status.service.courts = [("north", north), ("south", south)]
            .map(|(name, court)| (name.to_owned(), court))
            .into();
        let expected = "north live, south live; south is not in service: rim waiting";
        assert_eq!(publisher.line(&status).as_deref(), Some(expected));
    }
}
