//! `courtside clips import`: a recording goes through the whole chain, faster than it was played.
//!
//! **A box of its own, in this process.** The chain is the daemon's (ring, decoder, models, game, outbox, link),
//! built by the same wiring with the court's rims, in a folder of its own (`{data_dir}/import/{hash}`), under
//! a name of its own (`{box}-import`). So nothing of a live court can be disturbed but by the cores that it
//! takes, and those stand back behind the daemon's. To publish to the running daemon's court would have been
//! the other way: it would end the court's camera, count into its score, date everything by its arrival, and
//! lose pictures, since a live hop never makes a publisher wait.
//!
//! **The pace is the box's own.** The publisher sends a picture when no hop has more waiting than it holds
//! ([`Pacer`]): so nothing is let go, whatever the machine, and the game sees what it would see live on a
//! box that keeps up. What was let go all the same is told, and the command ends with 3. The box may hold a picture
//! back until the next comes (`ingest/joining.rs`), so one that nothing moves for is taken for one of these; where
//! nothing moves for a minute the command says where the pictures stay, and ends with 1.
//!
//! **Again is the same.** Sessions are named by the SHA-256 of file, box, court and beginning ([`identity`]), so
//! events have the same ids however often it is imported; who consumes them drops ids that he knows (DESIGN §4.3).
//! For another court, another name or another beginning it is another import, with ids of its own. What was cut
//! off begins anew; what was finished is said to be, and not done again. A signal ends the box in order and takes
//! the folder away; what a kill leaves goes when it is run again. An import is done by one process at a time.
//!
//! **A box that was claimed** is known to its broker by name: an import goes there by its certificate, under
//! `{box}-import`, which the rights that `provision` writes let it. It never claims anything itself.
//!
//! Refused, with what to do: a recording that players turn (no model looks at a gym on its side), and rims that
//! lie outside of its picture.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;

use crate::app::{App, AppHandle, Options, Probe, Recording as Recorded, Report};
use crate::claim::Store;
use crate::clock::{Clock, SystemClock, stand_back};
use crate::config::{self, Config, Secret};
use crate::disk::{Disk, RealDisk, read_whole, unseal, write_durably, write_sealed};
use crate::health;
use crate::mailbox::{DropReason, hops};
use crate::media::{BoxName, CourtId, UtcTime};
use crate::rtmp::flv::{FileTag, VideoTag};
use crate::rtmp::message::kind;
use crate::tools::clips::pacing::{Pacer, Passed};
use crate::tools::machine::{Machine, machine};
use crate::tools::progress::{self, Lines, percent};
use crate::tools::rig::publish::Publisher;
use crate::tools::rig::recording::Recording;
use crate::tools::run;
use crate::tools::tell::{remark, tell, tell_json};

/// Examples and exit codes.
pub(super) const HELP: &str = "\
Example: courtside clips import game.mp4 --court a
         courtside clips import phone.mov --court a --began 2026-11-29T18:00:00Z --as hall-1-phone
Its events are those of a box of its own, marked historical, with the file's own time. Its clips stay in
{data_dir}/import: `courtside clips list --ring …` says where. Run again after it was cut off, it begins anew
under the same ids.
Exit: 0 done · 1 failed · 3 pictures were lost or events are not acknowledged, and said";

/// Arguments of `clips import`.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// Recording: MP4, MOV, MKV, FLV or TS with H.264 or H.265
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Configuration of the box whose court it shows
    #[arg(long, short, value_name = "FILE", default_value = "/etc/courtside/courtside.toml")]
    config: PathBuf,
    /// Court whose rims it shows [default: the only one]
    #[arg(long, value_name = "NAME")]
    court: Option<String>,
    /// When it begins, RFC 3339 [default: the file's own word]
    #[arg(long, value_name = "TIME")]
    began: Option<String>,
    /// Name of the box that its events are of [default: {box}-import]
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// Import it although it was
    #[arg(long)]
    again: bool,
    /// One JSON object an event on stdout, and one of the whole
    #[arg(long)]
    json: bool,
}

/// Once everything is decided, the broker has so long to acknowledge it.
const TO_ACKNOWLEDGE: Duration = Duration::from_secs(30);
/// A picture that is still to come comes within this of the last.
const SETTLE: Duration = Duration::from_secs(20);
/// Who shows an earlier time than this was never set.
const SET_SINCE: &str = "2026-01-01T00:00:00Z";
/// Events that are asked for at once.
const PAGE: usize = 200;

impl ImportArgs {
    /// Plays the recording.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        health::start_log("warn")?;
        // Behind the daemon's threads: those of this process come from this one.
        stand_back();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("start the network threads")?;
        runtime.block_on(self.import())
    }

    async fn import(self) -> anyhow::Result<ExitCode> {
        let mut shutdown = run::on_signal().context("listen for signals")?;
        let mut config = config::load(&self.config)?;
        let hash = hash(&self.file).with_context(|| format!("read {}", self.file.display()))?;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
        let imports = config.appliance.data_dir.join("import");
        std::fs::create_dir_all(&imports).with_context(|| format!("make {}", imports.display()))?;
        // Of the file, whatever it is imported as.
        let lock = imports.join(hash.get(..16).unwrap_or(&hash)).with_extension("lock");
        let _only = disk.lock(&lock).context("it is being imported already")?;
        let mut recording = Recording::open(&self.file)?;
        let first = recording.next_tag()?.context("there is no picture in it")?;
        let began = match &self.began {
            Some(text) => utc(text)?,
            None => recording
                .created()
                .context("the file does not say when it began: say it with --began")?,
        };
        // A clock that was never set says nothing of what is to come.
        let now = SystemClock::new().utc();
        if began > now && now > utc(SET_SINCE)? {
            bail!(
                "it is said to begin at {}, which is still to come: say when it began with --began",
                began.to_rfc3339()
            );
        }
        if let Some(turned) = recording.turned() {
            bail!(
                "its pictures lie on their side (`{turned}`: a phone that was held upright), and so would the \
                 ring: turn them with `ffmpeg -i FILE -c:v libx264 -bf 0 -c:a copy UPRIGHT.mp4`"
            );
        }
        let given = Store::look(&*disk, &config.appliance.data_dir);
        // A broker that is configured wins, as it does for the box itself.
        let given =
            given.and_then(|given| given.identity()).filter(|_| config.uplink.broker.is_none());
        let has_broker = given.is_some() || config.uplink.broker.is_some();
        if let Some(given) = &given {
            config.appliance.name = given.name.clone();
        }
        let (config, id) = of_import(config, &self, &imports, (&hash, began))?;
        fits(&config, recording.size())?;
        let dir = config.appliance.data_dir.clone();
        restore(&*disk, &dir, &dir.with_extension("before")).context("bring an import back")?;
        // Events that wait for a broker go by doing it again, once there is one.
        if let Some(done) = done(&*disk, &dir)
            && !self.again
            && (done.unsent == 0 || !has_broker)
        {
            tell(format_args!(
                "imported already: {} events, session {} (--again does it anew, under the same ids)",
                done.events, done.session
            ));
            return Ok(ExitCode::SUCCESS);
        }
        // What was cut off begins anew: the same file gives the same. What was finished is kept until this is.
        let before = dir.with_extension("before");
        if done(&*disk, &dir).is_some() {
            disk.rename(&dir, &before).with_context(|| format!("keep {}", dir.display()))?;
        }
        begin_anew(&dir).with_context(|| format!("clear {}", dir.display()))?;
        std::fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
        if keeps_audit(&*disk, &before, &dir).context("keep the audit log of an import")? {
            remark(
                "courtside: some of it was deleted on demand (`courtside clips audit` says what), and comes again: \
                 delete it once more",
            );
        }
        let court = config.courts.first().context("a court")?.name.clone();
        let key = config.courts.first().context("a court")?.stream_key.clone();
        let seed = u64::from_str_radix(id.get(..16).unwrap_or_default(), 16).unwrap_or(0);
        let passed = Arc::new(Passed::default());
        let options = Options {
            open_http: true,
            recording: Some(Recorded { began, seed, home: given.map(|given| given.access()) }),
            probe: Some(Arc::clone(&passed) as Arc<dyn Probe>),
            ..Options::default()
        };
        let Machine { world, .. } = machine(&config, Arc::clone(&disk));
        let clock = Arc::clone(&world.clock);
        let app = App::build(config, world, options).await?;
        let handle = app.handle();
        let rtmp = app.addresses().rtmp.context("RTMP is not served")?;
        let (stop, stopped) = watch::channel(false);
        let daemon = tokio::spawn(app.run(stopped));

        let begun = clock.monotonic();
        let pacer = Pacer::new(handle.clone(), court, passed, Arc::clone(&clock));
        let url = format!("rtmp://{rtmp}/live/{}", key.expose());
        let bar = progress::bar(recording.seconds(), BAR);
        let lines = Lines::beside(&bar, line);
        let through = async {
            let played = play(recording, first, &url, (pacer, &bar)).await?;
            settle(&handle, &*clock, played.pictures, has_broker).await;
            Ok(played)
        };
        let through = tokio::select! {
            through = through => through,
            _ = shutdown.wait_for(|told| *told) => Err(anyhow!("cut off: run again, it begins anew")),
        };
        bar.finish_and_clear();
        drop(lines);
        let played = match through {
            Ok(played) => played,
            Err(why) => {
                stop.send_replace(true);
                // Why it was cut is told; how the box ended then is its log's.
                drop(daemon.await);
                begin_anew(&dir).with_context(|| format!("clear {}", dir.display()))?;
                restore(&*disk, &dir, &before).context("bring the import before back")?;
                return Err(why);
            }
        };
        let took = clock.monotonic().since(begun);
        let events = told(&handle, self.json).await?;
        stop.send_replace(true);
        let report = daemon.await.context("the box's task")??;
        let lost_at = lost(&report, played.pictures);
        let session = events.first().map(|event| event.session.clone()).unwrap_or_default();
        let done = Done {
            session,
            events: events.len(),
            pictures: played.pictures,
            seconds: played.seconds,
            took_seconds: took.as_secs_f64(),
            faster: played.seconds / took.as_secs_f64().max(0.001),
            lost: lost_at.iter().map(|(_, count)| count).sum(),
            lost_at: lost_at.iter().map(|(at, count)| format!("{count} {at}")).collect(),
            unsent: report.unsent,
        };
        if done.lost == 0 && (done.unsent == 0 || !has_broker) {
            let bytes = serde_json::to_vec(&done)?;
            write_sealed(&*disk, &dir.join(DONE), bytes).context("note that it is done")?;
            clear(&*disk, &before).context("take the import before away")?;
        }
        conclude(&done, &dir, has_broker, self.json)
    }
}

fn conclude(done: &Done, dir: &Path, has_broker: bool, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        tell_json(done)?;
    }
    remark(format_args!(
        "{} events of {:.1} s of video in {:.1} s: {:.1} times as fast; the ring is {}",
        done.events,
        done.seconds,
        done.took_seconds,
        done.faster,
        dir.join("ring").display()
    ));
    if done.lost > 0 {
        let at = done.lost_at.join(", ");
        remark(format_args!(
            "courtside: {} pictures were lost on the way ({at}): run it again, when less else runs on this machine",
            done.lost
        ));
    }
    if done.unsent > 0 && !has_broker {
        remark(format_args!(
            "{} events wait: the box has no broker yet. Run it again once it has one, and they go there",
            done.unsent
        ));
    } else if done.unsent > 0 {
        remark(format_args!(
            "courtside: {} events are not acknowledged by the broker: run it again when it can be reached",
            done.unsent
        ));
    }
    /// DESIGN §4.2.
    const DEGRADED: u8 = 3;
    let is_well = done.lost == 0 && (done.unsent == 0 || !has_broker);
    Ok(ExitCode::from(if is_well { 0 } else { DEGRADED }))
}

/// What came of an import.
#[derive(Debug, Serialize, Deserialize)]
struct Done {
    session: String,
    events: usize,
    pictures: u64,
    /// Of video.
    seconds: f64,
    took_seconds: f64,
    faster: f64,
    lost: u64,
    /// Of each hop and reason, where any were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lost_at: Vec<String>,
    unsent: u64,
}

/// Stands in the folder of an import that came to its end.
const DONE: &str = "done.json";

fn done(disk: &dyn Disk, dir: &Path) -> Option<Done> {
    /// It has a few hundred.
    const MOST_BYTES: u64 = 1 << 16;
    let bytes = read_whole(disk, &dir.join(DONE), MOST_BYTES).ok()?;
    serde_json::from_slice(unseal(&bytes).ok()?).ok()
}

/// What was deleted on demand in an import, below its folder.
const AUDIT: &str = "ring/audit.log";

/// Takes what an unfinished import left away, but for its audit log, which nobody ever takes away.
fn begin_anew(dir: &Path) -> std::io::Result<()> {
    let audit = dir.join(AUDIT);
    if !audit.exists() {
        return if dir.exists() { std::fs::remove_dir_all(dir) } else { Ok(()) };
    }
    let ring = dir.join("ring");
    for folder in [dir, &ring] {
        for entry in std::fs::read_dir(folder)? {
            let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
            if path == audit || path == ring {
                continue;
            }
            if kind.is_dir() { std::fs::remove_dir_all(path)? } else { std::fs::remove_file(path)? }
        }
    }
    Ok(())
}

/// Gives an import the audit log of the one before it; true if it has one.
fn keeps_audit(disk: &dyn Disk, before: &Path, dir: &Path) -> std::io::Result<bool> {
    /// A line a deletion.
    const MOST_BYTES: u64 = 1 << 30;
    if before.join(AUDIT).exists() {
        let bytes = read_whole(disk, &before.join(AUDIT), MOST_BYTES)?;
        disk.create_dir_all(&dir.join("ring"))?;
        write_durably(disk, &dir.join(AUDIT), &bytes)?;
    }
    Ok(dir.join(AUDIT).exists())
}

/// Takes a folder away, its word that it is done first: half of one is never said to be whole.
fn clear(disk: &dyn Disk, dir: &Path) -> std::io::Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    match disk.remove(&dir.join(DONE)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => disk.sync_dir(dir)?,
    }
    std::fs::remove_dir_all(dir)
}

/// Brings the finished import that stands in `before` back, unless another one was finished since.
fn restore(disk: &dyn Disk, dir: &Path, before: &Path) -> std::io::Result<()> {
    if !before.exists() {
        return Ok(());
    }
    if done(disk, dir).is_some() {
        return clear(disk, before);
    }
    clear(disk, dir)?;
    disk.rename(before, dir)
}

/// SHA-256 of a file, hexadecimal.
fn hash(file: &Path) -> std::io::Result<String> {
    let mut from = crate::disk::open_regular(file)?;
    let mut sum = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        let count = from.read(&mut piece)?;
        let Some(read) = piece.get(..count).filter(|read| !read.is_empty()) else { break };
        sum.update(read);
    }
    Ok(sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn utc(text: &str) -> anyhow::Result<UtcTime> {
    let read = OffsetDateTime::parse(text, &Rfc3339);
    let read = read.with_context(|| format!("`{text}` is no time: write 2026-11-29T18:00:00Z"))?;
    let nanos = i64::try_from(read.unix_timestamp_nanos()).context("a time of this century")?;
    Ok(UtcTime::from_nanos(nanos))
}

/// Names an import: what it is of, for which box and court, and when that was.
fn identity(hash: &str, config: &Config, began: UtcTime) -> String {
    let court = config.courts.first().map_or("", |court| court.name.as_str());
    let text = format!("{hash} {} {court} {}", config.appliance.name, began.as_nanos());
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Refuses rims that are not in the picture: nothing would be called there, without a word.
fn fits(config: &Config, size: Option<(u32, u32)>) -> anyhow::Result<()> {
    let (Some((width, height)), Some(court)) = (size, config.courts.first()) else { return Ok(()) };
    if court.rims_of.is_some() {
        return Ok(()); // they are scaled to it
    }
    for rim in &court.rims {
        let (x, y) = (f64::from(rim.x + rim.w / 2.0), f64::from(rim.y + rim.h / 2.0));
        if x > f64::from(width) || y > f64::from(height) {
            bail!(
                "a rim of court {} lies at {x:.0},{y:.0}, outside of this recording's {width}x{height}: it is \
                 of another picture. Find its rims with `courtside aim --video FILE`, and import it for a court \
                 that has them (a copy of the configuration will do)",
                court.name
            );
        }
    }
    Ok(())
}

/// The configuration of the box that the recording is played into, below `imports`, and the import's name.
fn of_import(
    mut config: Config,
    args: &ImportArgs,
    imports: &Path,
    (hash, began): (&str, UtcTime),
) -> anyhow::Result<(Config, String)> {
    /// What a name may have of the other's, so that both fit.
    const SUFFIX: &str = "-import";
    let name = match &args.name {
        Some(name) => name.clone(),
        None => {
            let own = config.appliance.name.to_string();
            format!("{}{SUFFIX}", own.get(..own.len().min(32 - SUFFIX.len())).unwrap_or(&own))
        }
    };
    config.appliance.name = BoxName::new(&name).with_context(|| format!("--as {name}"))?;
    config.claim.enabled = false;
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.ingest.rtmp = Some(anywhere);
    (config.ingest.rtmps, config.ingest.tls) = (None, None);
    config.http.listen = anywhere;
    config.uplink.home_assistant = false;
    // Nothing of it may go before it is through.
    let size = std::fs::metadata(&args.file)?.len();
    let quota = size.saturating_mul(2).max(1 << 30);
    (config.ring.quota_bytes, config.ring.reserve_bytes) = (Some(quota), None);
    let wanted = args.court.as_deref().map(CourtId::new).transpose()?;
    config.courts.retain(|court| wanted.as_ref().is_none_or(|name| court.name == *name));
    match (&mut config.courts[..], &wanted) {
        ([court], _) => {
            if court.rims.is_empty() {
                bail!("court {} has no rims: nothing would be called (courtside aim)", court.name);
            }
            // Nobody wants to see it again who saw it then.
            court.relays.clear();
            let random = getrandom::u64().context("a key for the recording")?;
            court.stream_key = Secret::new(&format!("import-{random:016x}"));
        }
        ([], Some(name)) => bail!("{} has no court {name}", args.config.display()),
        ([], None) => bail!("{} has no court", args.config.display()),
        (_, _) => bail!("there are several courts: name one with --court"),
    }
    let id = identity(hash, &config, began);
    config.appliance.data_dir = imports.join(id.get(..16).unwrap_or(&id));
    let token = config.appliance.data_dir.join("token");
    (config.http.tls, config.http.token_file) = (None, token);
    Ok((config, id))
}

/// Seconds of video that are through, of those that the file says it has.
const BAR: &str = "{elapsed_precise} {bar:40} {pos} of {len} s of video";

/// The same where there is no terminal.
fn line(done: u64, all: u64, took: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let faster = done as f64 / took.as_secs_f64().max(0.001);
    let of = match all {
        0 => format!("{done} s"),
        all => format!("{done} of {all} s ({} %)", percent(done, all).min(100)),
    };
    format!("import: {of} of video are through, {faster:.1} times as fast as it was played")
}

/// What was played.
struct Played {
    pictures: u64,
    seconds: f64,
}

/// Publishes the recording as the chain takes it.
async fn play(
    mut recording: Recording,
    first: FileTag,
    url: &str,
    (mut pacer, bar): (Pacer, &ProgressBar),
) -> anyhow::Result<Played> {
    let mut publisher = Publisher::connect(url).await?;
    let mut next = Some(first);
    let mut last = 0;
    while let Some(tag) = next {
        if is_picture(&tag) {
            pacer.wait(tag.timestamp).await?;
        }
        last = last.max(tag.timestamp);
        bar.set_position(u64::from(last) / 1000);
        publisher.send(tag.kind, tag.timestamp, tag.body).await?;
        // Read on a thread of its own: GStreamer may wait for the disk.
        let read = tokio::task::spawn_blocking(move || {
            let tag = recording.next_tag();
            (recording, tag)
        });
        let (back, tag) = read.await.context("read the recording")?;
        (recording, next) = (back, tag?);
    }
    publisher.finish().await?;
    Ok(Played { pictures: pacer.sent, seconds: f64::from(last) / 1000.0 })
}

fn is_picture(tag: &FileTag) -> bool {
    tag.kind == kind::VIDEO && matches!(VideoTag::read(&tag.body), VideoTag::Picture { .. })
}

/// Waits until everything that was sent is decided, and acknowledged.
async fn settle(handle: &AppHandle, clock: &dyn Clock, pictures: u64, has_broker: bool) {
    let began = clock.monotonic();
    let quiet = |handle: &AppHandle| {
        let hops = handle.ledger().counts();
        let came: u64 =
            hops.iter().filter(|(id, _)| id.hop == hops::DECODE).map(|(_, hop)| hop.offered).sum();
        came >= pictures && hops.iter().all(|(_, hop)| hop.waiting == 0)
    };
    let mut still = 0;
    // A game that has heard the end of its stream decides within moments.
    while still < 20 && clock.monotonic().since(began) < SETTLE {
        still = if quiet(handle) { still + 1 } else { 0 };
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let began = clock.monotonic();
    while has_broker && clock.monotonic().since(began) < TO_ACKNOWLEDGE {
        let uplink = handle.uplink();
        if uplink.state.outbox_events == 0 && uplink.in_flight == 0 {
            return;
        }
        if !uplink.connected && uplink.fault.is_some() {
            return; // it is told in the end
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Tells every event, and gives them.
async fn told(handle: &AppHandle, json: bool) -> anyhow::Result<Vec<crate::event::Envelope>> {
    let mut all = Vec::new();
    let mut after = 0;
    loop {
        let page = handle.events(after, PAGE).await;
        let Some(last) = page.last() else { return Ok(all) };
        after = last.position;
        for given in page {
            let Some(envelope) = given.envelope() else { continue };
            if json {
                tell_json(&envelope)?;
            } else {
                let kind = envelope.event_type.trim_start_matches("courtside.");
                tell(format_args!("{}  {}  {kind}", envelope.time, envelope.id));
            }
            all.push(envelope);
        }
    }
}

/// Pictures that were let go on the way: where and why, and how many.
fn lost(report: &Report, sent: u64) -> Vec<(String, u64)> {
    let of_pictures = |hop: &str| {
        [hops::RING, hops::DECODE, hops::DECODER].contains(&hop) || hop.starts_with("model:")
    };
    let came = report.ledger.iter().filter(|(id, _)| id.hop == hops::DECODE);
    let came: u64 = came.map(|(_, count)| count.offered).sum();
    let mut lost = vec![("before the decoder".to_owned(), sent.saturating_sub(came))];
    for (id, count) in report.ledger.iter().filter(|(id, _)| of_pictures(&id.hop)) {
        for (reason, count) in &count.dropped {
            if !matches!(reason, DropReason::Strided | DropReason::Closed) {
                lost.push((format!("at {}: {}", id.hop, reason.name()), *count));
            }
        }
    }
    lost.retain(|(_, count)| *count > 0);
    lost
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::beside::put_beside;

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).expect("a folder").flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_deleted_on_demand_is_still_told_once_an_import_is_made_anew() {
        let home = tempfile::tempdir().expect("a folder");
        let (dir, before) = (home.path().join("ab"), home.path().join("ab.before"));
        let made = |dir: &Path, audit: Option<&[u8]>| {
            std::fs::create_dir_all(dir.join("ring/segments")).expect("made");
            std::fs::create_dir_all(dir.join("outbox")).expect("made");
            put_beside(&dir.join("ring/segments/1.mp4"), b"video").expect("written");
            put_beside(&dir.join("ring/clips.index"), b"index").expect("written");
            if let Some(audit) = audit {
                put_beside(&dir.join(AUDIT), audit).expect("written");
            }
        };
        let disk = RealDisk::new();
        // Cut off, and begun anew.
        made(&dir, Some(b"asked"));
        begin_anew(&dir).expect("cleared");
        assert_eq!(
            (names(&dir), names(&dir.join("ring"))),
            (vec!["ring".into()], vec!["audit.log".into()])
        );
        assert!(keeps_audit(&disk, &before, &dir).expect("kept"));
        // Finished, and made again.
        disk.rename(&dir, &before).expect("renamed");
        begin_anew(&dir).expect("nothing to clear");
        assert!(keeps_audit(&disk, &before, &dir).expect("kept"));
        assert_eq!(std::fs::read(dir.join(AUDIT)).expect("there"), b"asked");
        // Nothing was deleted in it: nothing is left.
        let other = home.path().join("cd");
        made(&other, None);
        begin_anew(&other).expect("cleared");
        assert!(!other.exists());
        assert!(!keeps_audit(&disk, &home.path().join("cd.before"), &other).expect("none"));
    }

    #[test]
    fn a_line_says_how_much_is_through_and_how_fast() {
        let said = line(30, 120, Duration::from_secs(10));
        assert_eq!(
            said,
            "import: 30 of 120 s (25 %) of video are through, 3.0 times as fast as it was played"
        );
        // A file that does not say how long it is.
        let said = line(30, 0, Duration::from_secs(60));
        assert_eq!(said, "import: 30 s of video are through, 0.5 times as fast as it was played");
    }
}
