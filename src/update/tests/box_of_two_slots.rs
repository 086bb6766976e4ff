//! One update on one simulated box, from the order to its end.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::disk::{Disk, read_whole, write_durably};
use crate::event::words::UpdateStep;
use crate::minisign::{SecretKey, Version};
use crate::update::keeper::Rules;
use crate::update::papers::{Order, Shown};
use crate::update::root::{Looked, Root, RootParts};
use crate::update::sheet::Sheet;
use crate::update::steps::{Act, Fetched, Seen};
use crate::update::tests::firmware::{Content, Down, Image, Rauc, Simulated};
use crate::update::work::Work;

/// Where a run is cut, each counted from the start of the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The power, at a change of the disk.
    Disk(u64),
    /// The power, at an operation of RAUC or the boot loader.
    Program(u64),
    /// The power, after so many rounds.
    Power(u64),
    /// The watchdog, after so many rounds.
    Reset(u64),
}

/// What happens.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) image: Image,
    /// One for each of the first starts.
    pub(super) cuts: Vec<Cut>,
    pub(super) broker_before: bool,
    pub(super) during_game: bool,
    /// The daemon was taken over: it asks for whatever it is sent.
    pub(super) taken_over: bool,
}

impl Plan {
    /// The daemon of the new image does not come up, and somebody pulls the plug a minute after each start.
    pub(super) fn impatient() -> Self {
        // Of 40 starts the last one is not cut: it must be over by then.
        let cuts = [vec![Cut::Power(9)], vec![Cut::Power(2); 38]].concat();
        let image = Image::NoDaemon;
        Self { seed: 0, image, cuts, broker_before: true, during_game: false, taken_over: false }
    }
}

const DATA: &str = "/data/update";
const FOLDER: &str = "/data/courtside-update";
const EVENTS: &str = "/data/outbox/outbox.redb";
/// Rounds of one start: of two minutes each, so that a trial ends in one.
const ROUNDS: u64 = 24;
const ROUND: Duration = Duration::from_secs(120);
/// Starts until it must be over.
const STARTS: usize = 40;

fn key() -> SecretKey {
    SecretKey::from_random([1; 8], [1; 32]).expect("a key")
}

fn ordered(image: Image) -> (Order, Vec<u8>, &'static str) {
    let version = if image == Image::Older { "0.0.9" } else { "0.2.0" };
    let bundle = format!("{version}|{}\n", image.word()).into_bytes();
    let parsed = Version::parse(version).expect("a version");
    let compatible = "box".to_owned();
    let comment = Sheet { version: parsed, compatible, downgrade_from: None }.comment();
    let sha256 = Sha256::digest(&bundle).iter().map(|byte| format!("{byte:02x}")).collect();
    let order = Order {
        url: "https://updates.example/bundle".to_owned(),
        sha256,
        size: bundle.len() as u64,
        signature: key().sign(&bundle, &comment),
        version: None,
        now: false,
    };
    (order, bundle, version)
}

struct Run<'a> {
    plan: &'a Plan,
    rules: &'a Rules,
    simulated: Simulated,
    order: Order,
    bundle: Vec<u8>,
    /// Events that were promised.
    promised: Cell<u64>,
    is_ordered: Cell<bool>,
}

/// Runs a plan to its end.
///
/// # Errors
/// What is not as it must be.
pub(super) fn run(plan: &Plan, rules: &Rules, rauc: Rauc) -> Result<(), String> {
    let (order, bundle, version) = ordered(plan.image);
    let simulated = Simulated::new(rauc);
    let run = Run {
        plan,
        rules,
        simulated,
        order,
        bundle,
        promised: Cell::new(0),
        is_ordered: Cell::new(false),
    };
    let mut down = Down::Power;
    for start in 0..STARTS {
        let seed = plan.seed.wrapping_add(start as u64);
        let Some((_, content)) = run.simulated.start(down, seed) else {
            return Err("nothing starts: the recovery kernel".to_owned());
        };
        run.is_as_it_must_be()?;
        let Content::Whole { version: runs, image } = content else { continue };
        down = if image == Image::NoKernel {
            Down::Warm
        } else {
            let cut = plan.cuts.get(start).copied();
            match run.boot(start, &runs, image, cut)? {
                Some(down) => down,
                None => return run.ended(&runs, version),
            }
        };
        run.is_as_it_must_be()?;
    }
    Err(format!("it is not over after {STARTS} starts"))
}

impl Run<'_> {
    fn is_as_it_must_be(&self) -> Result<(), String> {
        match &self.simulated.world.lock().wrong {
            Some(wrong) => Err(wrong.clone()),
            None => Ok(()),
        }
    }

    fn work(&self, boot: &str) -> Work {
        let disk: Arc<dyn Disk> = Arc::new(self.simulated.disk.lock().clone());
        let (dir, folder) = (DATA.into(), FOLDER.into());
        let newer = self.rules.newer && !self.plan.taken_over;
        Work { disk, dir, folder, keys: vec![key().public()], boot: boot.to_owned(), newer }
    }

    /// One start, until it goes down: how; `None` once all is over and nothing will be cut any more.
    fn boot(
        &self,
        start: usize,
        version: &str,
        image: Image,
        cut: Option<Cut>,
    ) -> Result<Option<Down>, String> {
        let boot = format!("boot-{start}");
        match cut {
            Some(Cut::Disk(at)) => {
                let disk = self.simulated.disk.lock();
                disk.stop_after(disk.operations() + at);
            }
            Some(Cut::Program(at)) => self.simulated.stop_in(at),
            _ => {}
        }
        let work = self.work(&boot);
        let promised: u64 = read_whole(&*work.disk, Path::new(EVENTS), 99)
            .map_or(0, |bytes| serde_json::from_slice(&bytes).expect("a number"));
        let before = self.promised.get();
        if promised < before {
            return Err(format!("{before} events were promised, {promised} are there"));
        }
        let root = Root(RootParts {
            disk: Arc::clone(&work.disk),
            machine: &self.simulated,
            theirs: DATA.into(),
            folder: FOLDER.into(),
            keys: vec![key().public()],
            version: version.to_owned(),
            boot: boot.clone(),
            rules: *self.rules,
            opens: &|_| Ok(()),
        });
        let mut looked = root.begin();
        for round in 0..ROUNDS {
            if self.simulated.is_stopped() {
                return Ok(Some(Down::Power));
            }
            match cut {
                Some(Cut::Power(at)) if at == round => return Ok(Some(Down::Power)),
                Some(Cut::Reset(at)) if at == round => return Ok(Some(Down::Warm)),
                _ => {}
            }
            if self.simulated.world.lock().restarts {
                return Ok(Some(Down::Warm));
            }
            // Over, and nothing will be cut any more.
            if self.is_over(&work, start) && round > 1 {
                return Ok(None);
            }
            // Errors are cuts: they are seen above.
            if image != Image::NoDaemon && self.daemon(&work, (version, image), round).is_err() {
                continue;
            }
            if root.serve().is_err() {
                continue;
            }
            if matches!(looked, Ok(Looked::Waits(_))) {
                looked = root.look(ROUND * u32::try_from(round).expect("few"));
            }
            self.is_as_it_must_be()?;
        }
        if self.simulated.world.lock().restarts {
            return Ok(Some(Down::Warm));
        }
        if self.simulated.is_stopped() {
            return Ok(Some(Down::Power));
        }
        Ok(if self.is_over(&work, start) { None } else { Some(Down::Power) })
    }

    fn is_over(&self, work: &Work, start: usize) -> bool {
        start >= self.plan.cuts.len() && self.is_ordered.get() && !work.record().is_under_way()
    }

    /// What the daemon does in two minutes.
    fn daemon(
        &self,
        work: &Work,
        (version, image): (&str, Image),
        round: u64,
    ) -> std::io::Result<()> {
        work.disk.create_dir_all(Path::new("/data/outbox"))?;
        write_durably(
            &*work.disk,
            Path::new(EVENTS),
            (self.promised.get() + 1).to_string().as_bytes(),
        )?;
        self.promised.set(self.promised.get() + 1);
        if !work.record().is_under_way() && work.record().order.is_none() {
            if work.status().is_none() {
                return Ok(());
            }
            work.begin(self.order.clone())?;
        }
        self.is_ordered.set(true);
        let game = self.plan.during_game && round < 8;
        let is_new = version != "0.1.0";
        let broker = if is_new { image != Image::NoBroker } else { self.plan.broker_before };
        let shown = Shown {
            ready: true,
            clip: image != Image::NoClip,
            outbox: image != Image::NoOutbox,
            broker,
            game,
            ..Shown::nothing(work.boot.clone())
        };
        let needs_broker = self.plan.broker_before;
        let all = shown.clip && shown.outbox && (shown.broker || !needs_broker);
        self.simulated.world.lock().shows(all);
        work.show(&shown)?;
        for _ in 0..3 {
            let record = work.record();
            let whole = record.order.as_ref().is_some_and(|order| work.whole(order));
            let root = work.status();
            let fetched = if whole { Fetched::Whole } else { Fetched::No };
            let seen = Seen { root: root.as_ref(), fetched, game, broker };
            let (record, act) = work.step(&seen)?;
            if act == Act::Fetch
                && let Some(order) = &record.order
            {
                let mut part = work.part(order)?;
                let from = usize::try_from(part.bytes()).expect("few");
                let rest = &self.bundle[from..];
                part.take(&rest[..rest.len().min(4)])?;
                part.keep()?;
                if part.bytes() < self.bundle.len() as u64 {
                    continue;
                }
                let fetched = work.check(part, order)?;
                if let Fetched::Never(_) = fetched {
                    work.step(&Seen { root: root.as_ref(), fetched, game, broker })?;
                }
            }
        }
        Ok(())
    }

    /// Whether it ended as it must.
    fn ended(&self, runs: &str, version: &str) -> Result<(), String> {
        let record = self.work("after").record();
        let (step, reason) = (record.step, record.reason.clone().unwrap_or_default());
        let works = match self.plan.image {
            Image::Good => true,
            Image::NoBroker => !self.plan.broker_before,
            _ => false,
        };
        let expected = match (self.plan.image, works) {
            (Image::Older, _) => UpdateStep::Failed,
            (_, true) => UpdateStep::Good,
            (_, false) => UpdateStep::FallenBack,
        };
        let wanted = if expected == UpdateStep::Good { version } else { "0.1.0" };
        // Somebody who cuts it off whenever it starts gets the slot before, and is told so.
        let cut_off = step == UpdateStep::FallenBack && !self.plan.cuts.is_empty();
        let told = !reason.is_empty() || step == UpdateStep::Good;
        let right = (step == expected && runs == wanted) || (cut_off && runs == "0.1.0");
        if right && told {
            return Ok(());
        }
        Err(format!(
            "{runs} runs and {step} is told ({reason}); {wanted} and {expected} belong there"
        ))
    }
}
