//! Checks a box's data directory after a power cut against what it had told: `make powercut`.
//!
//! `survived CONFIG ACKS`: opens ring and outbox as the daemon would (so that they recover), reads
//! every byte of the ring, and looks for each line of ACKS: `fragment SEGMENT BYTES` or
//! `promised ID`. Exit: 0 all is there · 1 something is not.
#![expect(clippy::print_stdout, reason = "a command")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use courtside::broker::Access;
use courtside::clips::{
    FragmentDurable, FragmentSink, Ring, RingMeters, RingParts, RingReader, RingSettings,
};
use courtside::clock::{Chance, Clock, SystemClock};
use courtside::config;
use courtside::disk::{Disk, RealDisk};
use courtside::mailbox::{Mailbox, Tally, WhenFull};
use courtside::media::{BoxName, UtcTime};
use courtside::uplink::{Hooks, Uplink, UplinkSettings};
use prometheus_client::metrics::histogram::Histogram;

struct Nobody;

impl FragmentSink for Nobody {
    fn fragment(&self, _done: &FragmentDurable) {}
}

fn main() -> anyhow::Result<ExitCode> {
    let mut args = std::env::args().skip(1);
    let (Some(config), Some(acks)) = (args.next(), args.next()) else {
        bail!("usage: survived CONFIG ACKS");
    };
    let config = config::load(Path::new(&config))?;
    let acks = std::fs::read_to_string(&acks).context("read ACKS")?;
    let mut missing = Vec::new();
    let (fragments, events) = (told(&acks, "fragment"), told(&acks, "promised"));
    let data = &config.appliance.data_dir;
    if data.exists() {
        let segments = ring(&data.join("ring"), &mut missing)?;
        for words in &fragments {
            let [segment, bytes] = words[..] else { bail!("fragment SEGMENT BYTES: {words:?}") };
            let (segment, bytes): (u64, u64) = (segment.parse()?, bytes.parse()?);
            if segments.get(&segment).is_none_or(|whole| *whole < bytes) {
                let has = segments.get(&segment);
                missing.push(format!("segment {segment} to byte {bytes}: {has:?}"));
            }
        }
        let kept = outbox(&config)?;
        let lost = events.iter().flatten().filter(|id| !kept.contains(**id));
        missing.extend(lost.map(|id| format!("event {id}")));
    } else if !fragments.is_empty() || !events.is_empty() {
        missing.push("the data directory itself".to_owned());
    }
    missing.iter().for_each(|what| println!("missing: {what}"));
    println!(
        "{} fragments, {} events told, {} missing",
        fragments.len(),
        events.len(),
        missing.len()
    );
    Ok(ExitCode::from(u8::from(!missing.is_empty())))
}

fn told<'a>(acks: &'a str, what: &str) -> Vec<Vec<&'a str>> {
    let words = acks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let of = words.filter(|words| words.first() == Some(&what));
    of.map(|words| words[1..].to_vec()).collect()
}

/// Recovers the ring, reads it through; gives the bytes of each segment.
fn ring(dir: &Path, missing: &mut Vec<String>) -> anyhow::Result<BTreeMap<u64, u64>> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let empty = || Histogram::new([1.0]);
    let settings = RingSettings {
        keep_free_bytes: 0,
        ballast_bytes: 0,
        ..RingSettings::new(dir.to_owned(), 1 << 40)
    };
    let meters = RingMeters { write_seconds: empty(), fsync_seconds: empty() };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let ring = Ring::open(RingParts {
        settings,
        disk: Arc::clone(&disk),
        clock,
        courts: Vec::new(),
        orders: Mailbox::new(1, WhenFull::DropNewest, Tally::default()),
        done: Mailbox::new(1, WhenFull::DropNewest, Tally::default()),
        sink: Arc::new(Nobody),
        games: None,
        news: None,
        wall: None,
        meters,
    })?;
    let reader = RingReader::open(dir, disk)?;
    reader.verify(|finding| {
        missing.extend(finding.wrong.map(|why| format!("{}: {why}", finding.path.display())));
    })?;
    drop(ring);
    Ok(reader.segments().map(|entry| (entry.id, entry.bytes)).collect())
}

/// Recovers the outbox; gives the ids of all that it has.
fn outbox(config: &config::Config) -> anyhow::Result<BTreeSet<String>> {
    let settings = UplinkSettings {
        box_name: BoxName::new("survived")?,
        access: Access::of(&config.uplink),
        dir: config.appliance.data_dir.join("outbox"),
        quota_bytes: courtside::uplink::DEFAULT_QUOTA_BYTES,
        boot: "survived".to_owned(),
        time_floor: UtcTime::from_nanos(0).into(),
        version: String::new(),
        courts: Vec::new(),
    };
    if !settings.dir.exists() {
        return Ok(BTreeSet::new());
    }
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let clock = Arc::new(SystemClock::new());
    let (uplink, recovered) =
        Uplink::open(settings, clock, &disk, Chance::system(), Hooks::default())?;
    if let Some(damaged) = recovered.damaged {
        // No fault by itself: a cut while it was being made leaves half of a store without events.
        println!("the outbox could not be read: {}", damaged.display());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let given = runtime.block_on(uplink.replay(None, 0, usize::MAX));
    Ok(given.iter().filter_map(|given| Some(given.envelope()?.id)).collect())
}
