//! `courtside check`: the installation, line by line, and the box if it runs.
//!
//! Changes nothing that stays: a file is written to the data folder and taken away, ports are bound
//! and let go, the broker is greeted under a client id of its own. So it may run beside the daemon.

use std::fmt;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use crate::app::{
    self, court_rims, detect_settings, engine_settings, memory_advice, memory_limit, model_limits,
    uplink_settings,
};
use crate::clips::RingReader;
use crate::clock::{Clock, Floor, SystemClock};
use crate::config::{self, Config, ConfigError};
use crate::decode;
#[cfg(feature = "gstreamer")]
use crate::detect::ring::Finder;
use crate::detect::{Detect, DetectSettings, InstalledEngines};
use crate::disk::{Disk, Harm, RealDisk, Seen, Us, look_through};
use crate::event::box_status::BoxStatus;
use crate::event::catalogue::Code;
use crate::event::words::{ModelCondition, StreamCondition};
use crate::game::rulebook::{NoRules, Rulebook};
use crate::health::{doctor, of_damage};
use crate::http;
use crate::mailbox::Ledger;
use crate::media::Foreign;
#[cfg(feature = "gstreamer")]
use crate::media::{CourtId, CourtRims, RimBox, Sight, sight};
#[cfg(feature = "gstreamer")]
use crate::tools::aim;
use crate::tools::apart::Apart;
use crate::tools::ask::{AskError, Place};
use crate::tools::doctor::stream_line;
use crate::tools::tell::{tell, tell_json};
use crate::uplink;

/// Room beyond `keep_free_bytes` with which a ring makes sense: minutes of one court (chosen).
const RING_ROOM_BYTES: u64 = 1 << 30;

/// Pictures of a court that are looked at for its ring.
#[cfg(feature = "gstreamer")]
const RIM_LOOKS: usize = 3;

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Configuration file
    #[arg(long, short, value_name = "FILE", default_value = "/etc/courtside/courtside.toml")]
    config: PathBuf,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mark {
    Good,
    /// Works, with a word.
    Advice,
    Bad,
    /// Could not be looked at, and need not be.
    Skipped,
}

/// One line.
#[derive(Clone, Debug, Serialize)]
struct Line {
    mark: Mark,
    what: String,
    text: String,
    todo: String,
}

/// The lines so far; tells each as it comes, since some take seconds.
struct Lines {
    lines: Vec<Line>,
    silent: bool,
}

impl Lines {
    fn add(&mut self, mark: Mark, what: &str, text: impl fmt::Display, todo: &str) {
        self.push(mark, what, Foreign::told(text).to_string(), todo);
    }

    /// A file is refused: a line for each fault.
    fn refused(&mut self, what: &str, error: &ConfigError) {
        self.push(Mark::Bad, what, error.to_string(), "");
    }

    fn push(&mut self, mark: Mark, what: &str, text: String, todo: &str) {
        if !self.silent {
            let sign = match mark {
                Mark::Good => '✓',
                Mark::Advice => '!',
                Mark::Bad => '✗',
                Mark::Skipped => '–',
            };
            format!("{sign} {what}: {text}").lines().for_each(tell);
            if !todo.is_empty() {
                tell(format_args!("  → {todo}"));
            }
        }
        self.lines.push(Line { mark, what: what.to_owned(), text, todo: todo.to_owned() });
    }

    fn good(&mut self, what: &str, text: impl fmt::Display) {
        self.add(Mark::Good, what, text, "");
    }

    fn bad(&mut self, what: &str, text: impl fmt::Display, todo: &str) {
        self.add(Mark::Bad, what, text, todo);
    }

    fn well(&self) -> bool {
        self.lines.iter().all(|line| line.mark != Mark::Bad)
    }
}

impl CheckArgs {
    /// Looks at everything and tells it.
    ///
    /// # Errors
    /// When no thread can be had to speak to the broker.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut lines = Lines { lines: Vec::new(), silent: self.json };
        let file = self.config.display();
        let code = match config::load(&self.config) {
            Ok(config) => {
                lines.good("configuration", format!("{file}, {} court(s)", config.courts.len()));
                for advice in &config.advice {
                    lines.add(Mark::Advice, "configuration", advice, "");
                }
                look(&config, &mut lines)?;
                if lines.well() { ExitCode::SUCCESS } else { ExitCode::from(3) }
            }
            Err(error) => {
                lines.refused("configuration", &error);
                ExitCode::from(2)
            }
        };
        if self.json {
            tell_json(&serde_json::json!({ "well": lines.well(), "checks": lines.lines }))?;
        }
        Ok(code)
    }
}

fn look(config: &Config, lines: &mut Lines) -> anyhow::Result<()> {
    of_files(config, lines);
    of_disk(config, lines);
    of_memory(config, lines);
    of_certificates(config, lines);
    of_rules(config, lines);
    of_models(config, lines);
    of_decoders(lines);
    of_broker(config, lines)?;
    let place = Place::of_config(config);
    let asked = place.state();
    let answers = match &asked {
        Ok(_) => Answers::Box,
        Err(AskError::NoBox { .. }) => Answers::Nobody,
        Err(_) => Answers::Unknown,
    };
    of_ports(config, answers, lines);
    match asked {
        Ok(state) => match BoxStatus::read(&state) {
            Ok(told) => {
                of_box(&told, lines);
                #[cfg(feature = "gstreamer")]
                of_rims(config, &place, &told, lines);
            }
            Err(error) => lines.bad(
                "box",
                format!("{} tells its state in another way: {error}", place.url),
                "restart the daemon: it may be an older version than this one",
            ),
        },
        Err(AskError::NoBox { url, .. }) => lines.add(
            Mark::Skipped,
            "box",
            format!("none runs at {url}, so cameras and ledger were not looked at"),
            "start it: `systemctl start courtside`",
        ),
        Err(error) => lines.bad("box", error, ""),
    }
    Ok(())
}

/// Whether others can write our folder or read our secrets.
fn of_files(config: &Config, lines: &mut Lines) {
    let dir = &config.appliance.data_dir;
    let mut us = Us::now();
    // As root, one looks for the user that the daemon runs as: the folder's.
    if let (0, Ok(seen)) = (us.user, Seen::at(dir)) {
        us = Us { user: seen.owner, group: seen.group };
    }
    let mut faults = Vec::new();
    match app::look(config, us) {
        Ok(judged) => faults.extend(judged.refused.into_iter().chain(judged.faults)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => faults.push(format!("cannot look at {}: {error}", dir.display())),
    }
    let (exposed, meant): (Vec<_>, Vec<_>) =
        app::exposed(config, us).into_iter().partition(|exposed| exposed.is_fault);
    faults.extend(exposed.into_iter().map(|exposed| exposed.text));
    if faults.is_empty() {
        lines.good("files", format!("nobody else writes {} or reads a secret", dir.display()));
    }
    let disk = RealDisk::new();
    let mut harms = look_through(&disk, dir, true).unwrap_or_default();
    harms.extend(uplink::look_at_stores(&disk, dir));
    harms.extend(of_ring(&dir.join("ring")));
    let harms = harms.into_iter().map(|harm| app::damaged(dir, harm)).collect::<Vec<_>>();
    for found in of_damage(&harms) {
        let mark = if found.code == Code::FileNewer { Mark::Advice } else { Mark::Bad };
        lines.add(mark, "files", found.text, found.todo.as_str());
    }
    for fault in faults {
        lines.bad("files", fault, "");
    }
    for exposed in meant {
        lines.add(Mark::Advice, "files", exposed.text, "");
    }
}

/// What is wrong with the ring; what is inside of its segments `courtside clips verify` says.
fn of_ring(dir: &Path) -> Vec<Harm> {
    let mut harms = Vec::new();
    let harm = |path: PathBuf, why: String| Harm { path, why, aside: None, newer: false };
    let looked = RingReader::open(dir, Arc::new(RealDisk::new())).and_then(|reader| {
        reader.look(|found| harms.extend(found.wrong.map(|why| harm(found.path, why))))
    });
    match looked {
        // Nothing was recorded yet.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => harms.push(harm(dir.to_owned(), error.to_string())),
        Ok(()) => {}
    }
    harms
}

/// Enough for the pictures of every court. What binds the daemon may be less: its unit's `MemoryMax`.
fn of_memory(config: &Config, lines: &mut Lines) {
    let Some(limit) = memory_limit() else { return };
    match memory_advice(config, Some(limit)) {
        Some(advice) => lines.add(Mark::Advice, "memory", advice, ""),
        None => lines.good("memory", format!("{}, enough for every court", size(limit))),
    }
}

/// Writable, and room for what the ring may take.
fn of_disk(config: &Config, lines: &mut Lines) {
    let dir = &config.appliance.data_dir;
    let there = nearest_folder(dir);
    match try_to_write(there) {
        Ok(()) if there == dir => lines.good("disk", format!("{} is writable", dir.display())),
        Ok(()) => lines.good("disk", format!("{} can be made at first start", dir.display())),
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            let free = RealDisk::new().free_bytes(there).map_or_else(|_| "?".to_owned(), size);
            let text = format!("the disk of {} is full: {free} free", there.display());
            let todo = "free some room there; `df -h` and `du -x` say what takes it. Recording \
                        stops meanwhile and resumes by itself; calls and events go on";
            lines.bad("disk", text, todo);
        }
        Err(error) => {
            let todo = "run this as root or as the user of the daemon; if it is that user already: \
                        `chown -R courtside: DIR`, or set another `box.data_dir`";
            lines.bad("disk", format!("cannot write to {}: {error}", there.display()), todo);
        }
    }
    let free = match RealDisk::new().free_bytes(there) {
        Ok(free) => free,
        Err(error) => {
            lines.bad("room", format!("cannot tell what is free: {error}"), "");
            return;
        }
    };
    let (keep, quota) = (config.ring.keep_free_bytes, config.ring.quota_bytes);
    let used = quota.map_or(0, |_| ring_bytes(&dir.join("ring")));
    let text = format!("{} free, {} are kept free for events", size(free), size(keep));
    if free < keep {
        let todo =
            "free space, or lower `keep_free_bytes` of [ring]: nothing is recorded until then";
        lines.bad("room", text, todo);
    } else if free - keep < RING_ROOM_BYTES && used < RING_ROOM_BYTES {
        lines.add(Mark::Advice, "room", text, "that is a few minutes of video: free some space");
    } else if let Some(quota) = quota.filter(|quota| *quota > free - keep + used) {
        let text = format!("{text}; `quota_bytes` of {} does not fit", size(quota));
        let todo = "write a lower `quota_bytes` in [ring], or leave it out";
        lines.add(Mark::Advice, "room", text, todo);
    } else {
        lines.good("room", text);
    }
}

/// The folder itself, or the nearest one above it that is there.
fn nearest_folder(dir: &Path) -> &Path {
    dir.ancestors().find(|above| above.is_dir()).unwrap_or(Path::new("/"))
}

fn try_to_write(dir: &Path) -> std::io::Result<()> {
    let path = dir.join(format!(".courtside-check-{}", std::process::id()));
    let mut file = std::fs::File::options().write(true).create_new(true).open(&path)?;
    let written = file.write_all(b"check").and_then(|()| file.sync_all());
    std::fs::remove_file(&path)?;
    written
}

fn ring_bytes(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let bytes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => ring_bytes(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    });
    bytes.sum()
}

#[expect(clippy::cast_precision_loss, reason = "gigabytes, for people")]
fn size(bytes: u64) -> String {
    let giga = bytes as f64 / 1e9;
    if giga >= 1.0 { format!("{giga:.1} GB") } else { format!("{:.0} MB", giga * 1e3) }
}

fn of_certificates(config: &Config, lines: &mut Lines) {
    for (what, files) in
        [("page's certificate", &config.http.tls), ("RTMPS certificate", &config.ingest.tls)]
    {
        let Some(files) = files else { continue };
        match http::server_config(files, &[]) {
            Ok(_) => lines.good(what, files.cert_file.display()),
            Err(error) => lines.bad(what, Foreign::error(&error), ""),
        }
    }
}

/// The rules of games: those that are usual, and every file of the venue's.
fn of_rules(config: &Config, lines: &mut Lines) {
    let (book, disk) = (Rulebook::of(&config.appliance.data_dir), RealDisk::new());
    let mut faults: Vec<_> = book.all(&disk).1;
    match book.find(&config.game.rules, &disk) {
        Ok(rules) => lines.good("rules", format!("games are played by {}", rules.title)),
        // A file that is wrong is named among the others.
        Err(error) if matches!(error, NoRules::Unknown { .. }) => faults.push(error),
        Err(_) => {}
    }
    for fault in faults {
        match fault {
            NoRules::Refused(error) => lines.refused("rules", &error),
            fault => lines.bad("rules", Foreign::error(&fault), ""),
        }
    }
}

fn of_models(config: &Config, lines: &mut Lines) {
    let rims = court_rims(config);
    let settings = DetectSettings { finder: false, ..detect_settings(config) };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let limits = model_limits(config);
    let engines = InstalledEngines::new(Arc::clone(&clock)).within(limits);
    let engines = engines.wanting(engine_settings(config));
    let engines = Apart::before(Arc::new(engines), limits);
    let detect = Detect::load(&settings, &rims, &Ledger::new(), clock, &engines);
    for model in detect.status().bundles {
        let what = format!("model {}", model.name);
        let reason = model.reason.unwrap_or_default();
        if model.condition == ModelCondition::Ready {
            let version = model.version.unwrap_or_default();
            let text = format!("version {version} runs on {}", model.engine.unwrap_or_default());
            lines.good(&what, text);
            if !reason.is_empty() {
                lines.add(Mark::Advice, &what, reason, "");
            }
        } else {
            lines.bad(&what, format!("{}: {reason}", model.condition), "");
        }
    }
}

fn of_decoders(lines: &mut Lines) {
    match decode::survey() {
        Ok(survey) => {
            for (codec, found) in survey {
                let what = format!("decoder for {}", codec.name());
                match found {
                    Ok(found) => match found.advice {
                        Some(advice) => lines.add(Mark::Advice, &what, found.told, advice),
                        None => lines.good(&what, found.told),
                    },
                    Err(missing) => lines.bad(&what, missing, ""),
                }
            }
        }
        Err(error) => lines.bad("decoders", error, ""),
    }
}

fn of_broker(config: &Config, lines: &mut Lines) -> anyhow::Result<()> {
    let floor = Floor::of(&[&config.appliance.data_dir]);
    let clock = Arc::new(SystemClock::new());
    let settings = uplink_settings(config, floor, &*clock);
    let Some(access) = &settings.access else {
        let text = "none is configured, so the box is to be claimed";
        let todo = "put a claim file on a USB stick into it; `courtside doctor` says how far it is";
        lines.add(Mark::Skipped, "broker", text, todo);
        return Ok(());
    };
    let url = access.broker.url();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(uplink::probe(&settings, clock)) {
        Ok(()) => lines.good("broker", format!("{url} took a connection")),
        Err(why) => {
            let todo = "is it up, and reached from here? Check `broker`, user and certificates of \
                        [uplink]; events wait on disk meanwhile";
            lines.bad("broker", format!("{url}: {why}"), todo);
        }
    }
    Ok(())
}

/// Who answers where the box of this configuration would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    Box,
    Nobody,
    /// It could not be asked: without a token that can be read, say.
    Unknown,
}

/// Free while nobody answers; while a box does, it is the box that holds them.
fn of_ports(config: &Config, answers: Answers, lines: &mut Lines) {
    let listens = [
        ("RTMP port", config.ingest.rtmp),
        ("RTMPS port", config.ingest.rtmps),
        ("page's port", Some(config.http.listen)),
    ];
    for (what, address) in listens {
        let Some(address) = address else { continue };
        port(what, address, answers, lines);
    }
}

fn port(what: &str, address: SocketAddr, answers: Answers, lines: &mut Lines) {
    match TcpListener::bind(address) {
        Ok(_) if address.port() == 0 => lines.good(what, "any that is free"),
        Ok(_) if answers != Answers::Box => lines.good(what, format!("{address} is free")),
        Ok(_) => {
            let todo = "the box that answers was started with another configuration: restart it";
            lines.bad(what, format!("nobody listens on {address}, though a box runs"), todo);
        }
        Err(error)
            if error.kind() == std::io::ErrorKind::AddrInUse && answers != Answers::Nobody =>
        {
            lines.good(what, format!("{address} is listened on"));
        }
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let todo = "`ss -ltnp` says who it is: stop that, or write another port";
            lines.bad(what, format!("{address} is taken by another program"), todo);
        }
        Err(error) => {
            let todo = "ports below 1024 need root; is the address one of this machine?";
            lines.bad(what, format!("cannot listen on {address}: {error}"), todo);
        }
    }
}

/// Cameras, ledger, and all else that the box says of itself.
fn of_box(told: &BoxStatus, lines: &mut Lines) {
    lines.good("box", format!("{} (courtside {}) runs", told.name, told.version));
    for (court, told) in &told.streams {
        if told.stream.condition == StreamCondition::Live {
            lines.good(&format!("camera of court {court}"), stream_line(&told.stream));
        }
    }
    let ledger = &told.ledger;
    if ledger.unbalanced.is_empty() {
        lines.good("ledger", format!("balances at {} hops", ledger.hops));
    }
    // What was looked at here already is not told twice.
    let here: Vec<String> = lines.lines.iter().map(|line| line.text.clone()).collect();
    for finding in doctor::findings(told).into_iter().filter(|told| !here.contains(&told.text)) {
        let mark = match finding.severity {
            doctor::Severity::Fault => Mark::Bad,
            doctor::Severity::Advice => Mark::Advice,
        };
        lines.add(mark, &finding.about, &finding.text, &finding.todo);
    }
}

/// Is the ring where it was drawn? The finder can be wrong, so nothing that it says is a fault.
#[cfg(feature = "gstreamer")]
fn of_rims(config: &Config, place: &Place, told: &BoxStatus, lines: &mut Lines) {
    let engines = InstalledEngines::new(Arc::new(SystemClock::new()));
    let mut finder = match Finder::find_and_load(&detect_settings(config).search, &engines) {
        Ok(finder) => finder,
        Err(error) => {
            return lines.add(
                Mark::Skipped,
                "rims",
                format!("no finder: {}", Foreign::error(&error)),
                "",
            );
        }
    };
    let live = |court: &&CourtRims| !court.rims.is_empty() && told.is_live(court.court.as_str());
    for court in court_rims(config).iter().filter(live) {
        let looked = match aim::of_court(&mut finder, place, &court.court, RIM_LOOKS) {
            Ok(looked) => looked,
            Err(error) => {
                let what = format!("rims of court {}", court.court);
                lines.add(Mark::Skipped, &what, format!("no picture: {error:#}"), "");
                continue;
            }
        };
        let Ok(rims) = court.in_picture(looked.picture) else { continue };
        let rings: Vec<RimBox> = looked.rings.iter().map(|ring| ring.rim).collect();
        for (index, rim) in rims.iter().enumerate() {
            let what = format!("rim {index} of court {}", court.court);
            let (mark, text, todo) = verdict(*rim, &rings, &court.court);
            lines.add(mark, &what, text, &todo);
        }
    }
}

/// What the rings that were found say of a rim drawn as `drawn`.
#[cfg(feature = "gstreamer")]
fn verdict(drawn: RimBox, rings: &[RimBox], court: &CourtId) -> (Mark, String, String) {
    match sight(drawn, rings) {
        Sight::AtBox => {
            (Mark::Good, format!("the ring is seen where it was drawn, {drawn}"), String::new())
        }
        Sight::Elsewhere(ring) => (
            Mark::Advice,
            format!("a ring is seen at {ring}, but drawn at {drawn}"),
            format!(
                "look at the box on the page: if it is not round the ring, run `courtside aim \
                 --court {court}` and paste what it prints"
            ),
        ),
        Sight::Nothing => (
            Mark::Skipped,
            format!("no ring is seen near {drawn}; that may be the finder's fault"),
            "look at the box on the page".to_owned(),
        ),
    }
}

#[cfg(test)]
mod own_rules {
    use super::*;
    use crate::disk::write_durably;

    #[test]
    fn several_faults_of_one_file_are_a_line_each() {
        let dir = tempfile::tempdir().expect("a folder");
        let text = format!("[box]\ndata_dir = {:?}\n", dir.path());
        let read = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
        let origin = config::Origin {
            file: Path::new("courtside.toml"),
            credentials: None,
            hostname: Some("rim-1"),
            read: &read,
        };
        let config = config::parse(&text, &origin).expect("it is well");
        let (disk, folder) = (RealDisk::new(), dir.path().join("rules"));
        disk.create_dir_all(&folder).expect("made");
        let own = include_str!("../../rules/pickup-11.toml").replace("pickup-11", "hall");
        let own = own.replacen("value = [2]", "value = [1, 1, 3]", 1);
        write_durably(&disk, &folder.join("hall.toml"), own.as_bytes()).expect("written");
        let ours =
            include_str!("../../rules/fiba-3x3.toml").replacen("value = 21,", "value = 15,", 1);
        write_durably(&disk, &folder.join("fiba-3x3.toml"), ours.as_bytes()).expect("written");
        let mut lines = Lines { lines: Vec::new(), silent: true };
        of_rules(&config, &mut lines);
        let bad: Vec<&Line> = lines.lines.iter().filter(|line| line.mark == Mark::Bad).collect();
        let [changed, hall] = bad.as_slice() else { panic!("{:?}", lines.lines) };
        assert!(changed.text.contains("courtside brings rules `fiba-3x3`"), "{}", changed.text);
        assert!(hall.text.lines().count() > 2 && !hall.text.contains("\\n"), "{}", hall.text);
    }
}

#[cfg(all(test, feature = "gstreamer"))]
mod tests {
    use super::*;

    #[test]
    fn a_rim_that_is_not_seen_is_a_note_and_never_a_fault() {
        let drawn = RimBox { x: 600.0, y: 200.0, w: 40.0, h: 16.0 };
        let court = CourtId::new("a").expect("name");
        let mark = |rings: &[RimBox]| verdict(drawn, rings, &court).0;
        assert_eq!(mark(&[RimBox { x: 605.0, ..drawn }]), Mark::Good);
        assert_eq!(mark(&[RimBox { x: 640.0, ..drawn }]), Mark::Advice);
        assert_eq!(mark(&[]), Mark::Skipped);
        let (_, text, todo) = verdict(drawn, &[RimBox { x: 640.0, ..drawn }], &court);
        assert!(text.contains("[640, 200, 40, 16], but drawn at [600, 200, 40, 16]"), "{text}");
        assert!(todo.contains("courtside aim --court a"), "{todo}");
    }
}

#[cfg(test)]
mod port_tests {
    use super::*;

    #[test]
    fn a_box_that_cannot_be_asked_is_not_said_to_run() {
        let held = TcpListener::bind("127.0.0.1:0").expect("bound");
        let taken = held.local_addr().expect("an address");
        let free = {
            let other = TcpListener::bind("127.0.0.1:0").expect("bound");
            other.local_addr().expect("an address")
        };
        for (address, answers, mark, says) in [
            (free, Answers::Unknown, Mark::Good, "is free"),
            (free, Answers::Nobody, Mark::Good, "is free"),
            (free, Answers::Box, Mark::Bad, "nobody listens"),
            (taken, Answers::Unknown, Mark::Good, "is listened on"),
            (taken, Answers::Box, Mark::Good, "is listened on"),
            (taken, Answers::Nobody, Mark::Bad, "is taken by another program"),
        ] {
            let mut lines = Lines { lines: Vec::new(), silent: true };
            port("page's port", address, answers, &mut lines);
            let line = &lines.lines[0];
            assert_eq!(line.mark, mark, "{answers:?}: {}", line.text);
            assert!(line.text.contains(says), "{answers:?}: {}", line.text);
        }
    }
}
