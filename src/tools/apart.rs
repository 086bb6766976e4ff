//! `courtside try-bundle`: a bundle that is not ours, read, made and run once in a process of its own.
//!
//! [`Apart`] is the daemon's side: it hands the bytes over in a file that has no name, so that what passes
//! here and is loaded afterwards is the same, and judges by what the other process said and how it ended.
//! [`child`] is that process: it limits itself before it reads the first byte (memory, time of the CPU, no
//! further file or socket, no core), and ends with whoever started it. It is no command for people: it is
//! called by its first word alone, and stands in no help.
//!
//! Where no such process can be had (no `/proc`, no `memfd_create`), a word says so, and the sums that
//! every engine takes before it makes a network are all there is.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead as _, Read as _, Seek as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use rustix::fs::MemfdFlags;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, SystemClock, stand_back};
use crate::detect::{
    Bundle, Engine, EngineError, EngineFound, Engines, HandedOver, InstalledEngines, ModelLimits,
    try_bundle,
};
use crate::disk::Disk;
use crate::media::Foreign;
use crate::tools::tried::Tried;

/// The first word of the command.
pub(super) const WORD: &str = "try-bundle";

/// What a trial may take. A look may take a second, or ten of a model that looks once a second; a network
/// of 100 MB is there four times while it is made, and little else is that large here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct TrialLimits {
    /// Bytes beyond what the program has when it starts.
    memory: u64,
    /// Seconds of the CPU.
    cpu_s: u64,
    /// Seconds of the clock, on a box that does other things too.
    wall_s: u64,
}

impl TrialLimits {
    /// For models that may want so much: a network of 256 MB of constants and as much of activations has
    /// 768 MB, and 20 s of the CPU are enough for four looks of 50,000 million multiply-adds.
    fn of(model: ModelLimits) -> Self {
        let cpu_s = model.multiply_adds.div_ceil(2_500_000_000).max(20);
        Self {
            memory: model.memory_bytes.saturating_mul(3),
            cpu_s,
            wall_s: cpu_s.saturating_mul(3),
        }
    }
}

/// Bytes that the other process may say.
const MAX_SAID: u64 = 64 << 10;
/// Bytes of its header; a manifest has at most 256 KiB.
const MAX_HEADER: usize = 1 << 20;
/// This program, even if its file was replaced since it started.
const MYSELF: &str = "/proc/self/exe";

/// What the other process is given, before the bytes of the network.
#[derive(Serialize, Deserialize)]
struct Header {
    limits: TrialLimits,
    model: ModelLimits,
    bundle: HandedOver,
}

/// What it says, a line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    /// It has limited itself, and reads.
    Began,
    /// It has what it was given, and makes the network.
    Makes,
    Passed {
        peak_bytes: Option<u64>,
        took_ms: u64,
    },
    Refused(String),
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// By itself, or by this signal.
    Status(Option<i32>),
    /// By us: it took too long.
    OutOfTime,
}

/// What came of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Passed {
        peak_bytes: Option<u64>,
        took_ms: u64,
    },
    Refused(String),
    /// There was none.
    NotTried(String),
}

/// Engines that have what is not ours tried in a process of its own first.
#[derive(Debug)]
pub(super) struct Apart {
    engines: Arc<dyn Engines>,
    limits: ModelLimits,
    program: PathBuf,
    tried: Option<Tried>,
}

impl Apart {
    /// Tries for `engines`, with this very program, models that may want so much.
    pub(super) fn before(engines: Arc<dyn Engines>, limits: ModelLimits) -> Self {
        Self { engines, limits, program: MYSELF.into(), tried: None }
    }

    /// The same, but that what passed before is not tried again: that is kept in the data folder.
    pub(super) fn remembering(self, disk: Arc<dyn Disk>, data_dir: &Path) -> Self {
        let tried = Tried::in_folder(disk, data_dir, &self.program);
        Self { tried: Some(tried), ..self }
    }
}

impl Engines for Apart {
    fn engine_for(&self, bundle: &Bundle) -> Result<Box<dyn Engine>, EngineError> {
        self.engines.engine_for(bundle)
    }

    fn try_apart(&self, bundle: &Bundle) -> Result<(), String> {
        let model = &bundle.name;
        let kept = self
            .tried
            .as_ref()
            .and_then(|tried| Some((tried, tried.key(bundle, self.limits).ok()?)));
        if kept.as_ref().is_some_and(|(tried, key)| tried.passed(key)) {
            tracing::info!(%model, "passed its trial at an earlier start");
            return Ok(());
        }
        match try_in(&self.program, bundle, self.limits) {
            Verdict::Passed { peak_bytes, took_ms } => {
                tracing::info!(%model, ?peak_bytes, took_ms, "tried apart");
                if let Some((tried, key)) = kept
                    && let Err(error) = tried.note(key)
                {
                    tracing::warn!(%model, %error, "remember that it passed its trial");
                }
                Ok(())
            }
            Verdict::Refused(why) => Err(Foreign::told(why).to_string()),
            Verdict::NotTried(why) => {
                tracing::warn!(%model, why, "cannot be tried apart: its sums alone are looked at");
                Ok(())
            }
        }
    }

    fn found(&self) -> Vec<EngineFound> {
        self.engines.found()
    }
}

fn try_in(program: &Path, bundle: &Bundle, model: ModelLimits) -> Verdict {
    let limits = TrialLimits::of(model);
    match run(program, bundle, model, limits) {
        Ok((said, ended)) => judge(&said, ended, limits),
        Err(error) => Verdict::NotTried(error.to_string()),
    }
}

fn run(
    program: &Path,
    bundle: &Bundle,
    model: ModelLimits,
    limits: TrialLimits,
) -> io::Result<(Vec<u8>, Ended)> {
    let header = serde_json::to_vec(&Header { limits, model, bundle: bundle.hand_over() })?;
    let mut given = File::from(rustix::fs::memfd_create("bundle", MemfdFlags::CLOEXEC)?);
    let length = u32::try_from(header.len()).map_err(io::Error::other)?;
    given.write_all(&length.to_le_bytes())?;
    given.write_all(&header)?;
    given.write_all(&bundle.file.bytes)?;
    given.rewind()?;
    let mut command = Command::new(program);
    command.arg(WORD).env_clear().stdin(given).stdout(Stdio::piped()).stderr(Stdio::null());
    // Without it the program itself may not be found whole.
    if let Some(libraries) = std::env::var_os("LD_LIBRARY_PATH") {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    let mut child = command.spawn()?;
    let (told, heard) = sync_channel(1);
    if let Some(said) = child.stdout.take() {
        // Ends with the process: nobody else has the other end.
        std::thread::Builder::new().name("trial".to_owned()).spawn(move || {
            let mut bytes = Vec::new();
            let _ = said.take(MAX_SAID).read_to_end(&mut bytes);
            drop(told.send(bytes));
        })?;
    }
    // Woken by the end of what it says.
    match heard.recv_timeout(Duration::from_secs(limits.wall_s)) {
        Ok(said) => {
            // Whoever has said too much goes on saying.
            drop(child.kill());
            Ok((said, Ended::Status(signal_of(child.wait()?))))
        }
        Err(_) => {
            drop(child.kill());
            child.wait()?;
            Ok((heard.recv().unwrap_or_default(), Ended::OutOfTime))
        }
    }
}

fn signal_of(status: ExitStatus) -> Option<i32> {
    status.signal()
}

/// What came of it, by what was said and how it ended.
fn judge(said: &[u8], ended: Ended, limits: TrialLimits) -> Verdict {
    let lines = said.split(|byte| *byte == b'\n');
    let lines = lines.map_while(|line| serde_json::from_slice::<Said>(line).ok());
    let last = lines.last();
    let doing = match last {
        Some(Said::Passed { peak_bytes, took_ms }) => {
            return Verdict::Passed { peak_bytes, took_ms };
        }
        Some(Said::Refused(why)) => return Verdict::Refused(why),
        None => return Verdict::NotTried(format!("no trial began ({ended:?})")),
        Some(Said::Began) => "was read",
        Some(Said::Makes) => "was made and run",
    };
    let TrialLimits { memory, cpu_s, wall_s } = limits;
    let xcpu = Signal::XCPU.as_raw();
    Verdict::Refused(match ended {
        Ended::Status(Some(signal)) if signal == xcpu => format!(
            "it takes too long: within {cpu_s} s of the CPU it is not read, made and run on a grey \
             picture. Take a smaller model, or raise `model_multiply_adds` of [detect]"
        ),
        Ended::OutOfTime => format!(
            "it takes too long: within {wall_s} s it is not read, made and run on a grey picture. Take \
             a smaller model"
        ),
        Ended::Status(signal) => {
            let how = signal.map_or_else(String::new, |signal| format!(", signal {signal}"));
            format!(
                "the trial died while it {doing}{how}: it wants more than {} MB of memory, or it is \
                 broken. Take a smaller model, raise `model_memory_bytes` of [detect], or export it again",
                memory / 1_000_000
            )
        }
    })
}

/// True if the command line asks for [`child`].
pub(super) fn is_asked(words: &[impl AsRef<OsStr>]) -> bool {
    words.get(1).is_some_and(|word| word.as_ref() == WORD)
}

/// The other process.
pub(super) fn child() -> ExitCode {
    stand_back();
    let say = |said: &Said| {
        let line = serde_json::to_string(said).unwrap_or_default();
        let mut out = io::stdout().lock();
        writeln!(out, "{line}").and_then(|()| out.flush())
    };
    // Read through a file that is open before no more may be opened.
    let mut status = File::open("/proc/self/status").ok();
    let outcome = given(&mut io::stdin().lock()).and_then(|(header, bytes)| {
        limit_itself(header.limits, &mut status)?;
        say(&Said::Began).map_err(|error| error.to_string())?;
        let mut network = Vec::new();
        bytes.read_to_end(&mut network).map_err(|error| format!("read it: {error}"))?;
        let bundle = Bundle::from_hand_over(header.bundle, network);
        let bundle = bundle.map_err(|error| error.to_string())?;
        say(&Said::Makes).map_err(|error| error.to_string())?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let began = clock.monotonic();
        try_bundle(&bundle, &InstalledEngines::new(Arc::clone(&clock)).within(header.model))?;
        let took = clock.monotonic().since(began);
        Ok(Said::Passed {
            peak_bytes: status.as_mut().and_then(|status| kilobytes(status, "VmHWM:")),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        })
    });
    // Names of a network are as long as it likes; what is told has a bound.
    let refused = |why| Said::Refused(Foreign::told(why).to_string());
    match say(&outcome.unwrap_or_else(refused)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The header, which our own daemon wrote; the network is yet to be read.
fn given<R: io::Read>(from: &mut R) -> Result<(Header, &mut R), String> {
    let wrong = |error: io::Error| format!("it is no command for people: {error}");
    let mut length = [0; 4];
    from.read_exact(&mut length).map_err(wrong)?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_HEADER {
        return Err("it is no command for people".to_owned());
    }
    let mut header = vec![0; length];
    from.read_exact(&mut header).map_err(wrong)?;
    let header = serde_json::from_slice(&header).map_err(|error| wrong(error.into()))?;
    Ok((header, from))
}

/// From here on a network takes what it may take, and no more; so does what it makes of a library.
fn limit_itself(limits: TrialLimits, status: &mut Option<File>) -> Result<(), String> {
    let _ = rustix::process::nice(10);
    // With the daemon, however that ends.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| format!("end with the daemon: {error}"))?;
    let of_program = status.as_mut().and_then(|status| kilobytes(status, "VmSize:")).unwrap_or(0);
    let limit = |what: Resource, most: u64| {
        // Whoever started the daemon may have limited it further: that stays.
        let most = getrlimit(what).maximum.map_or(most, |had| had.min(most));
        let both = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(what, both).map_err(|error| format!("limit the trial: {error}"))
    };
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Data, limits.memory)?;
    if of_program > 0 {
        limit(Resource::As, of_program + limits.memory)?;
    }
    // One signal that says it, then one that nothing stops.
    let had = getrlimit(Resource::Cpu).maximum.unwrap_or(u64::MAX);
    let [soft, hard] = [limits.cpu_s, limits.cpu_s + 2].map(|most| Some(most.min(had)));
    let cpu = Rlimit { current: soft, maximum: hard };
    setrlimit(Resource::Cpu, cpu).map_err(|error| format!("limit the trial: {error}"))?;
    // What is open stays: what it is given, what it says, and `status`.
    limit(Resource::Nofile, 0)
}

/// A line of `/proc/self/status`, in bytes.
fn kilobytes(status: &mut File, key: &str) -> Option<u64> {
    status.rewind().ok()?;
    let mut lines = io::BufReader::new(status).lines().map_while(Result::ok);
    let line = lines.find_map(|line| line.strip_prefix(key).map(str::to_owned))?;
    let number: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(number << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lines: &[Said]) -> String {
        let line = |said| serde_json::to_string(said).expect("JSON") + "\n";
        lines.iter().map(line).collect()
    }

    #[test]
    fn a_trial_is_judged_by_its_last_word_and_by_its_end() {
        let passed = Said::Passed { peak_bytes: Some(9), took_ms: 7 };
        let (died, cpu) = (Ended::Status(Some(6)), Ended::Status(Some(Signal::XCPU.as_raw())));
        let well = Ended::Status(None);
        let limits = TrialLimits::of(ModelLimits::default());
        assert_eq!(limits, TrialLimits { memory: 768_000_000, cpu_s: 20, wall_s: 60 });
        let judged = |lines: &[Said], ended| match judge(said(lines).as_bytes(), ended, limits) {
            Verdict::Passed { .. } => "passed".to_owned(),
            Verdict::Refused(why) => why,
            Verdict::NotTried(why) => format!("not tried: {why}"),
        };
        let told = [
            judged(&[Said::Began, Said::Makes, passed], well),
            judged(&[Said::Began, Said::Refused("it wants 3 GB".to_owned())], well),
            judged(&[Said::Began, Said::Makes], died),
            judged(&[Said::Began], died),
            judged(&[Said::Began, Said::Makes], cpu),
            judged(&[Said::Began, Said::Makes], Ended::OutOfTime),
            judged(&[], well),
        ];
        insta::assert_snapshot!(told.join("\n"));
        // A half line, and words that are none of ours, say nothing.
        let torn = said(&[Said::Began, Said::Makes]) + "{\"passed\":{\"peak";
        assert!(matches!(judge(torn.as_bytes(), died, limits), Verdict::Refused(_)));
        assert!(matches!(judge(b"error: unknown command\n", well, limits), Verdict::NotTried(_)));
    }

    #[test]
    fn where_no_process_can_be_had_there_was_no_trial() {
        let bundle = crate::detect::find("rimnet", &[], crate::detect::IN_THE_BINARY);
        let limits = ModelLimits::default();
        let verdict = try_in(Path::new("/nowhere"), &bundle.expect("there"), limits);
        assert!(matches!(verdict, Verdict::NotTried(_)), "{verdict:?}");
    }
}
