//! The program as its user meets it: help, exit codes, signals. The real binary on free ports.
//!
//! Help changed on purpose: `INSTA_UPDATE=always cargo test --test cli` writes the snapshots anew.
#![cfg(test)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use courtside::clock::{Clock, SystemClock};
use courtside::tools::Cli;
use courtside::tools::rig::publish::{self, Pace};
use parking_lot::{Condvar, Mutex};
use rustix::process::{Pid, Signal, kill_process};

#[path = "cli/documents.rs"]
mod documents;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);
const KEY: &str = "a-key-that-only-this-test-knows";

// --- help ---------------------------------------------------------------------------------------

/// Every command with its path: `bench model`.
fn commands(command: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name()).trim().to_owned();
        commands(sub, &path, found);
        found.push((path, sub.clone()));
    }
}

#[test]
fn every_help_is_as_its_snapshot_says() {
    let mut root = Cli::command().term_width(80);
    root.build();
    let mut found = Vec::new();
    commands(&root, "", &mut found);
    found.push(("courtside".to_owned(), root));
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path("snapshots/help");
    for (path, command) in found {
        let help = command.term_width(80).render_help().to_string();
        settings.bind(|| insta::assert_snapshot!(path.replace(' ', "-"), help));
    }
}

#[test]
fn the_version_is_a_line_and_in_full_what_the_binary_is() {
    let asked = |word: &str| {
        let told = Command::new(env!("CARGO_BIN_EXE_courtside")).arg(word).output().expect("runs");
        assert!(told.status.success() && told.stderr.is_empty(), "{told:?}");
        String::from_utf8(told.stdout).expect("text")
    };
    let line = concat!("courtside ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(asked("-V"), line);
    let full = asked("--version");
    let rest = full.strip_prefix(line).expect("begins with the line").lines();
    let named: Vec<(&str, &str)> = rest.map(|line| line.split_once(": ").expect(line)).collect();
    let [("commit", commit), ("features", features), ("engines", engines), ("stores", stores)] =
        named[..]
    else {
        panic!("{full}")
    };
    let is_hash = commit.len() == 10 && commit.chars().all(|digit| digit.is_ascii_hexdigit());
    assert!(is_hash || commit == option_env!("COURTSIDE_COMMIT").unwrap_or("unknown"), "{full}");
    assert_eq!(features == "gstreamer", cfg!(feature = "gstreamer"));
    for engine in courtside::detect::engines_found() {
        assert!(engines.contains(engine.name), "{full}");
    }
    let mut expected = vec![
        format!("outbox {}", courtside::uplink::STORE_FORMAT),
        format!("inbox {}", courtside::uplink::INBOX_FORMAT.format),
    ];
    let others = courtside::clips::FORMATS.into_iter().chain(courtside::game::FORMATS);
    let others = others.chain([("twins", courtside::config::twin::FORMAT.format)]);
    expected.extend(others.map(|(name, format)| format!("{name} {format}")));
    expected.push(format!("manifests {}", courtside::detect::MANIFEST_FORMAT));
    assert_eq!(stores.split(", ").collect::<Vec<_>>(), expected);
}

#[test]
fn every_command_has_an_example_that_its_own_arguments_accept() {
    let mut found = Vec::new();
    commands(&Cli::command(), "", &mut found);
    for (path, command) in found {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(!about.is_empty() && !about.ends_with('.'), "{path}: {about:?}");
        assert!(about.chars().count() <= 80, "{path}: its first line is longer than 80 columns");
        if command.has_subcommands() {
            continue;
        }
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let example = after
            .lines()
            .find_map(|line| line.strip_prefix("Example: "))
            .unwrap_or_else(|| panic!("{path}: no `Example:` in its help"));
        let words = example.split(" > ").next().unwrap_or(example).split_whitespace();
        if let Err(error) = Cli::try_parse_from(words) {
            panic!("{path}: its example is refused: {error}");
        }
    }
}

// --- the binary ---------------------------------------------------------------------------------

fn courtside(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_courtside"));
    command.args(args).stdin(Stdio::null()).output().expect("runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A port of loopback at which nobody answers: bound, never listened on by a broker.
fn silent_port() -> u16 {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    bound.local_addr().expect("address").port()
}

fn written(dir: &Path, rims: &str) -> PathBuf {
    let file = dir.join("courtside.toml");
    let config = format!(
        r#"[box]
name = "cli"
data_dir = "data"
[uplink]
broker = "mqtt://127.0.0.1:{}"
[ingest]
rtmp = "127.0.0.1:0"
[http]
listen = "127.0.0.1:0"
[[court]]
name = "a"
stream_key = "{KEY}"
{rims} = [[562, 167, 44, 10]]
"#,
        silent_port()
    );
    std::fs::File::create(&file).and_then(|mut f| f.write_all(config.as_bytes())).expect("written");
    // The stream key stands in it.
    set_mode(&file, 0o600);
    file
}

#[test]
fn replay_prints_a_fact_a_line_and_takes_corrections() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden");
    let demo = golden.join("demo.answers.jsonl").display().to_string();
    let told = std::fs::read_to_string(golden.join("demo.events.jsonl")).expect("events");
    let output = courtside(&["replay", &demo]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), told.lines().count());
    let last = text(&output.stdout).lines().last().map(str::to_owned).unwrap_or_default();
    assert!(last.contains("-score-8.0") && last.ends_with("score 5/8"), "{last}");

    let dir = tempfile::tempdir().expect("a folder");
    let corrected = dir.path().join("corrected.jsonl");
    let recording = std::fs::read_to_string(&demo).expect("a recording");
    let session = recording.split("\"session\":\"").nth(1).expect("a session")[..16].to_owned();
    let write = |fact: &str| {
        let line = format!(
            "{{\"line\":\"correction\",\"fact\":\"{session}-{fact}\",\"what\":\"missed\",\
             \"by\":\"operator\",\"reason\":\"seen again\"}}\n"
        );
        let bytes = (recording.clone() + &line).into_bytes();
        std::fs::File::create(&corrected)
            .and_then(|mut file| file.write_all(&bytes))
            .expect("written");
        courtside(&["replay", &corrected.display().to_string(), "--json"])
    };
    let output = write("shot-8");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let facts: Vec<serde_json::Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let [.., shot, highlight, score] = &facts[..] else { panic!("{facts:?}") };
    assert_eq!(shot["id"], format!("{session}-shot-8.2"));
    assert_eq!(
        (&shot["data"]["by"], &shot["data"]["reason"]),
        (&"operator".into(), &"seen again".into())
    );
    assert_eq!(highlight["type"], "courtside.highlight.withdrawn.v1");
    assert_eq!(score["data"]["made"], serde_json::json!([4]));

    let refused = write("shot-9");
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("no shot"), "{}", text(&refused.stderr));
    assert_eq!(courtside(&["replay", "nowhere.jsonl"]).status.code(), Some(1));
}

#[derive(Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    came: Condvar,
}

impl Log {
    /// Waits for the first line that `wanted` takes; panics with the whole log if none comes.
    fn wait(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let mut lines = self.lines.lock();
        loop {
            if let Some(line) = lines.0.iter().find(|line| wanted(line)) {
                return line.clone();
            }
            let gave_up = lines.1 || self.came.wait_for(&mut lines, PATIENCE).timed_out();
            assert!(!gave_up || lines.0.iter().any(|l| wanted(l)), "no {what}:\n{:#?}", lines.0);
        }
    }

    fn count(&self, part: &str) -> usize {
        self.lines.lock().0.iter().filter(|line| line.contains(part)).count()
    }
}

/// `courtside run`, with its log.
struct Daemon {
    child: Child,
    log: Arc<Log>,
    rtmp: SocketAddr,
    http: SocketAddr,
    dir: tempfile::TempDir,
}

impl Daemon {
    fn start() -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"), "022")
    }

    /// Starts it with that umask, on what lies in `dir` already.
    fn start_in(dir: tempfile::TempDir, umask: &str) -> Self {
        Self::start_with(dir, umask, 0o600)
    }

    /// The same, with a configuration of that mode.
    fn start_with(dir: tempfile::TempDir, umask: &str, mode: u32) -> Self {
        let config = written(dir.path(), "rims");
        set_mode(&config, mode);
        Self::start_on(dir, umask, &config)
    }

    /// With these bundles that want too much.
    fn with_models(bombs: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let config = written(dir.path(), "rims");
        wants_bombs(&config, bombs);
        set_mode(&config, 0o600);
        Self::start_on(dir, "022", &config)
    }

    fn start_on(dir: tempfile::TempDir, umask: &str, config: &Path) -> Self {
        Self::start_where(dir, umask, config, &[])
    }

    /// The same, in another environment.
    fn start_where(
        dir: tempfile::TempDir,
        umask: &str,
        config: &Path,
        environment: &[(&str, &str)],
    ) -> Self {
        let mut child = Command::new("sh")
            .envs(environment.iter().copied())
            .args(["-c", "umask \"$0\" && ulimit -Sn 256 && exec \"$@\"", umask])
            .args([env!("CARGO_BIN_EXE_courtside"), "run", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let log = Arc::new(Log::default());
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        std::thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in stderr.lines().map_while(Result::ok) {
                    log.lines.lock().0.push(line);
                    log.came.notify_all();
                }
                log.lines.lock().1 = true;
                log.came.notify_all();
            }
        });
        let ready = log.wait("`ready`", |line| line.contains("ready rtmp="));
        let address = |key: &str| {
            let (_, rest) = ready.split_once(key).expect("names its addresses");
            let end = rest.find([')', ' ']).unwrap_or(rest.len());
            rest[..end].parse().expect("an address")
        };
        let (rtmp, http) = (address("rtmp=Some("), address("http="));
        Self { child, log, rtmp, http, dir }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits for its end; its exit code.
    fn ended(&mut self) -> Option<i32> {
        let mut lines = self.log.lines.lock();
        while !lines.1 {
            let late = self.log.came.wait_for(&mut lines, PATIENCE).timed_out();
            assert!(!late, "does not end:\n{:#?}", lines.0);
        }
        drop(lines);
        self.child.wait().expect("waited for").code()
    }

    fn token_file(&self) -> PathBuf {
        self.dir.path().join("data/token")
    }

    /// `doctor`, asked by address and token.
    fn doctor(&self, more: &[&str]) -> Output {
        let url = format!("http://{}", self.http);
        let token = self.token_file();
        let mut args =
            vec!["doctor", "--url", &url, "--token-file", token.to_str().expect("UTF-8")];
        args.extend(more);
        courtside(&args)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Gone already, in the tests that pass.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_configuration_that_keeps_the_box_from_starting_is_undone() {
    let mut daemon = Daemon::start();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let wanted = daemon.dir.path().join("wanted.toml");
    let listen = format!(
        "[http]\nlisten = \"{}\"\n[health]\nlog = \"warn\"\n",
        taken.local_addr().expect("address")
    );
    std::fs::File::create(&wanted)
        .and_then(|mut file| file.write_all(listen.as_bytes()))
        .expect("written");
    let config = daemon.dir.path().join("courtside.toml");
    let (config, wanted) = (config.to_str().expect("UTF-8"), wanted.to_str().expect("UTF-8"));
    let push = || courtside(&["config", "push", wanted, "--revision", "3", "--config", config]);
    let pushed = push();
    assert_eq!(text(&pushed.stdout), "revision 3: applied\n", "{}", text(&pushed.stderr));
    assert_eq!(text(&pushed.stderr), "http.listen waits for a restart of the box\n");
    let shown = text(&courtside(&["config", "show", "--config", config]).stdout);
    for line in [
        "log = \"warn\"  # desired, revision 3",
        "name = \"cli\"  # file",
        "pin_days = 30  # default",
        "stream_key = \"(hidden)\"  # file",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in\n{shown}");
    }
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended(), Some(0));

    // The port is taken: it goes back before it is ready, in the same process.
    let dir = std::mem::replace(&mut daemon.dir, tempfile::tempdir().expect("a folder"));
    let again = Daemon::start_on(dir, "022", Path::new(config));
    again.log.wait("that it is undone", |line| line.contains("does not start with what waited"));
    assert_ne!(again.http, taken.local_addr().expect("address"));
    let pushed = push();
    assert_eq!(pushed.status.code(), Some(2), "{}", text(&pushed.stdout));
    assert!(text(&pushed.stderr).contains("the box does not start with it"));
    let shown = text(&courtside(&["config", "show", "--config", config]).stdout);
    assert!(shown.contains("listen = \"127.0.0.1:0\"  # file"), "{shown}");
}

/// Adds bundles that want too much to a configuration.
fn wants_bombs(config: &Path, bombs: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models/bombs");
    let more = format!("[detect]\nmodels_dir = {folder:?}\nbundles = {bombs:?}\n");
    let file = std::fs::File::options().append(true).open(config);
    file.and_then(|mut file| file.write_all(more.as_bytes())).expect("written");
}

/// Whom a process has started and not yet buried.
fn children_of(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let of = |task: std::fs::DirEntry| {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        children.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()
    };
    tasks.filter_map(Result::ok).flat_map(of).collect()
}

/// What a sum cannot tell (`hot`), a process of its own does: it dies there, and here is a word.
#[test]
fn bundles_that_want_too_much_are_refused_with_words() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = written(dir.path(), "rims");
    wants_bombs(&config, &["tile", "hot", "external"]);
    let done = courtside(&["check", "--config", config.to_str().expect("UTF-8")]);
    let said = text(&done.stdout);
    for part in [
        "it needs 3.2 GB for activations (Tile big: 1×1×40000×20000); a model here may have 256 MB",
        "model hot: refused: ",
        "external data was detected",
    ] {
        assert!(said.contains(part), "no `{part}` in:\n{said}{}", text(&done.stderr));
    }
}

/// A network that is made for hours holds up neither the start nor the end, and is called loading; who
/// makes it ends with the daemon.
#[test]
fn a_bundle_that_takes_for_ever_holds_neither_ready_nor_the_end() {
    let mut daemon = Daemon::with_models(&["slow"]);
    let mut trial = Vec::new();
    for _ in 0..500 {
        trial = children_of(daemon.child.id());
        if !trial.is_empty() {
            break;
        }
        drop(daemon.doctor(&[]));
    }
    let [trial] = trial[..] else { panic!("one trial: {trial:?}") };
    let said = text(&daemon.doctor(&[]).stdout);
    assert!(said.contains("it is being loaded since "), "{said}");
    assert!(said.contains("until it is there rimnet "), "{said}");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended(), Some(0));
    let end = daemon.log.wait("`ended`", |line| line.contains("ended unsent="));
    assert!(end.contains("balanced=true"), "{end}");
    let words = PathBuf::from(format!("/proc/{trial}/cmdline"));
    let runs = || std::fs::read(&words).is_ok_and(|words| !words.is_empty());
    for _ in 0..500 {
        if !runs() {
            break;
        }
        std::thread::yield_now();
        drop(courtside(&["--version"]));
    }
    assert!(!runs(), "the trial has outlived the daemon");
}

/// A bundle of the venue's own is tried at the first start, and not again until something of it changes.
#[test]
fn what_passed_its_trial_is_not_tried_again_until_it_changes() {
    let mut dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    let mine = data.join("models/rimnet");
    std::fs::create_dir_all(&mine).expect("made");
    set_mode(&data, 0o700);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/rimnet");
    let manifest = std::fs::read_to_string(shipped.join("model.toml")).expect("ships");
    std::fs::copy(shipped.join("rimnet-fp32.onnx"), mine.join("rimnet-fp32.onnx")).expect("copied");
    let begins = |dir: tempfile::TempDir, words: &str| {
        file(&mine.join("model.toml"), &format!("{manifest}{words}"));
        let mut daemon = Daemon::start_in(dir, "022");
        daemon.log.wait("`model ready`", |line| {
            line.contains("model ready")
                && line.contains("rimnet")
                && !line.contains("in the binary")
        });
        let tried = daemon.log.count("tried apart");
        let known = daemon.log.count("passed its trial at an earlier start");
        let dir = std::mem::replace(&mut daemon.dir, tempfile::tempdir().expect("a folder"));
        (dir, (tried, known))
    };
    let mut outcomes = Vec::new();
    for words in ["# ours\n", "# ours\n", "# ours, and better\n"] {
        let (kept, outcome) = begins(dir, words);
        dir = kept;
        outcomes.push(outcome);
    }
    // A damaged file is as good as none.
    file(&data.join("tried"), "courtside trials 1\n");
    outcomes.push(begins(dir, "# ours, and better\n").1);
    assert_eq!(outcomes, [(1, 0), (0, 1), (1, 0), (1, 0)]);
}

#[test]
fn a_wrong_key_is_refused_with_its_place_and_the_nearest_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = written(dir.path(), "rimms");
    for command in ["run", "check"] {
        let done = courtside(&[command, "--config", config.to_str().expect("UTF-8")]);
        assert_eq!(done.status.code(), Some(2), "{command}");
        let said = text(&done.stdout) + &text(&done.stderr);
        assert!(said.contains("courtside.toml:13:1: "), "{command}: {said}");
        assert!(said.contains("`rimms`") && said.contains("`rims`"), "{command}: {said}");
        assert!(!said.contains(KEY), "{command}: {said}");
    }
}

fn set_mode(path: &Path, mode: u32) {
    let mode = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, mode).expect("ours");
}

fn pipe(path: &Path) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0)
        .expect("a pipe");
}

fn file(path: &Path, text: &str) {
    std::fs::File::create(path).and_then(|mut f| f.write_all(text.as_bytes())).expect("written");
}

/// Every file and folder at and below `path`.
fn all_below(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path).expect("a folder");
        found.extend(entries.flat_map(|entry| all_below(&entry.expect("an entry").path())));
    }
    found
}

#[test]
fn a_data_folder_that_others_could_write_is_closed_before_it_is_believed() {
    let planted = "a-token-that-somebody-planted";
    for umask in ["000", "077"] {
        let dir = tempfile::tempdir().expect("a folder");
        let data = dir.path().join("data");
        std::fs::create_dir(&data).expect("made");
        file(&data.join("token"), planted);
        set_mode(&data, 0o777);
        set_mode(&data.join("token"), 0o666);
        let config = written(dir.path(), "rims");
        let checked = courtside(&["check", "--config", config.to_str().expect("UTF-8")]);
        let said = text(&checked.stdout);
        assert!(said.contains("✗ files: others may write into"), "{said}");

        let mut daemon = Daemon::start_in(dir, umask);
        daemon.log.wait("the folder", |line| line.contains("(mode 777): it is made 700"));
        daemon.log.wait("the token", |line| line.contains("was not believed"));
        let token = std::fs::read_to_string(daemon.token_file()).expect("a new one");
        assert_eq!(token.trim().len(), 76, "{token}");
        let data = daemon.dir.path().join("data");
        let found = all_below(&data);
        assert!(found.len() > 8, "{found:?}");
        for path in &found {
            let mode = std::fs::metadata(path).expect("there").permissions().mode() & 0o7777;
            let expected = if path.is_dir() { 0o700 } else { 0o600 };
            let aside = path.to_string_lossy().contains(".of-user-");
            assert!(aside || mode == expected, "umask {umask}: {} {mode:o}", path.display());
        }
        let done = daemon.doctor(&["--json"]);
        assert!(text(&done.stdout).contains("open_to_others"), "{}", text(&done.stdout));
        let guess = daemon.dir.path().join("guess");
        file(&guess, planted);
        let url = format!("http://{}", daemon.http);
        let guess = guess.to_str().expect("UTF-8").to_owned();
        let refused = courtside(&["doctor", "--url", &url, "--token-file", &guess]);
        assert_eq!(refused.status.code(), Some(1), "the planted token opens nothing");
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.ended(), Some(0));
    }
}

#[test]
fn a_key_that_everybody_reads_is_told_by_check_and_doctor() {
    let dir = tempfile::tempdir().expect("a folder");
    set_mode(dir.path(), 0o755);
    let config = written(dir.path(), "rims");
    for (mode, is_told) in [(0o600, false), (0o644, true)] {
        set_mode(&config, mode);
        let done = courtside(&["check", "--config", config.to_str().expect("UTF-8")]);
        let said = text(&done.stdout);
        assert_eq!(
            said.contains("✗ files: whoever has an account here can read"),
            is_told,
            "{said}"
        );
    }
    set_mode(dir.path(), 0o700);
    let done = courtside(&["check", "--config", config.to_str().expect("UTF-8")]);
    let said = text(&done.stdout);
    assert!(said.contains("! files: the mode of"), "only the folder keeps them out: {said}");
    set_mode(dir.path(), 0o755);
    let daemon = Daemon::start_with(dir, "022", 0o644);
    daemon.log.wait("the key", |line| line.contains("whoever has an account here can read"));
    let done = daemon.doctor(&[]);
    assert!(text(&done.stdout).contains("chmod o="), "{}", text(&done.stdout));
}

/// Runs it to its end; what is held up is killed, and fails the test.
fn ends(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_courtside"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("runs");
    let pid = Pid::from_child(&child);
    let (done, told) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || drop(done.send(child.wait_with_output())));
    told.recv_timeout(PATIENCE).map_or_else(
        |_| {
            kill_process(pid, Signal::KILL).expect("it hangs");
            panic!("{args:?} is held up")
        },
        |output| output.expect("waited for"),
    )
}

#[test]
fn what_is_no_file_is_refused_in_words_and_holds_nothing_up() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name);
    pipe(&at("pipe"));
    std::os::unix::fs::symlink("/dev/zero", at("device")).expect("a link");
    std::fs::create_dir(at("folder")).expect("made");
    std::fs::File::create(at("sparse")).and_then(|f| f.set_len(10 << 30)).expect("ten gigabytes");
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
    let kinds = [
        ("pipe", "it is a named pipe"),
        ("device", "it is a device"),
        ("folder", "it is a folder"),
        ("socket", "it is a socket"),
        ("sparse", "it is longer than"),
    ];
    let refused = |command: &str, config: &Path| {
        let done = ends(&[command, "--config", config.to_str().expect("UTF-8")]);
        assert!(!done.status.success());
        text(&done.stdout) + &text(&done.stderr)
    };
    for (name, expected) in kinds {
        let said = refused("run", &at(name));
        assert!(said.contains(expected) && said.contains(name), "{said}");
        let config = std::fs::read_to_string(written(dir.path(), "rims")).expect("written");
        for (from, to) in [
            ("stream_key = ", format!("stream_key_file = \"{name}\" #")),
            ("broker", format!("username = \"u\"\npassword_file = \"{name}\"\nbroker")),
            ("[http]", format!("[http]\ncert_file = \"{name}\"\nkey_file = \"{name}\"")),
        ] {
            file(&at("it.toml"), &config.replacen(from, &to, 1));
            let said = refused("run", &at("it.toml"));
            assert!(said.contains(expected) && said.contains(name), "{to}: {said}");
        }
    }
}

#[test]
fn what_is_no_file_in_the_data_folder_goes_aside() {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    for folder in ["ring/segments", "ring/clips", "outbox", "rims"] {
        std::fs::create_dir_all(data.join(folder)).expect("made");
    }
    let session = "0123456789abcdef";
    pipe(&data.join("ring/segments.index"));
    pipe(&data.join(format!("ring/segments/0000000007.a.{session}.mp4")));
    std::os::unix::fs::symlink("/dev/zero", data.join("ring/clips.index")).expect("a link");
    std::os::unix::fs::symlink("/dev/zero", data.join("ring/ballast")).expect("a link");
    pipe(&data.join("ring/clips/x.json"));
    pipe(&data.join("outbox/outbox.redb"));
    pipe(&data.join("rims/a-0.json"));
    let mut daemon = Daemon::start_in(dir, "022");
    for aside in ["segments.index.damaged-", "clips.index.damaged-", "outbox.damaged-"] {
        daemon.log.wait(aside, |line| line.contains(aside));
    }
    daemon.log.wait("the segment", |line| {
        line.contains("a file of ours is damaged") && line.contains("0000000007.a")
    });
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended(), Some(0));
}

#[test]
fn check_names_what_is_good_and_what_needs_somebody() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = written(dir.path(), "rims");
    let done = courtside(&["check", "--config", config.to_str().expect("UTF-8")]);
    let said = text(&done.stdout);
    assert_eq!(done.status.code(), Some(3), "the broker is not there: {said}");
    for part in ["✓ configuration", "✓ files", "✓ disk", "✓ model rimnet", "✗ broker", "– box"]
    {
        assert!(said.contains(part), "no `{part}` in: {said}");
    }
    let done = courtside(&["check", "--json", "--config", config.to_str().expect("UTF-8")]);
    let told: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON alone");
    assert_eq!(told["well"], false);
    let broker = told["checks"].as_array().expect("checks").iter().find(|c| c["what"] == "broker");
    assert_eq!(broker.expect("the broker")["mark"], "bad");
    assert!(!dir.path().join("data").exists(), "check leaves nothing behind");
}

#[test]
fn doctor_says_how_to_start_a_box_that_does_not_answer() {
    let url = format!("http://127.0.0.1:{}", silent_port());
    let done = courtside(&["doctor", "--url", &url]);
    assert_eq!(done.status.code(), Some(1));
    let said = text(&done.stderr);
    assert!(said.contains("systemctl start courtside"), "{said}");
}

/// A configuration with this data folder and this port for cameras.
fn at_rest(dir: &Path, data: &Path, rtmp: u16) -> PathBuf {
    let config = dir.join("courtside.toml");
    let lines = format!(
        "[box]\nname = \"cli\"\ndata_dir = \"{}\"\n\
         [uplink]\nbroker = \"mqtt://127.0.0.1:{}\"\n\
         [ingest]\nrtmp = \"127.0.0.1:{rtmp}\"\n[http]\nlisten = \"127.0.0.1:{}\"\n\
         [[court]]\nname = \"a\"\nstream_key = \"{KEY}\"\nrims = [[612, 188, 44, 22]]\n",
        data.display(),
        silent_port(),
        silent_port(),
    );
    file(&config, &lines);
    config
}

/// What `doctor --json` finds of a box that does not run: code, words and what to do.
fn found_at_rest(command: &mut Command) -> Vec<[String; 3]> {
    let done = command.stdin(Stdio::null()).output().expect("runs");
    let told: serde_json::Value = serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|_| panic!("{}{}", text(&done.stdout), text(&done.stderr)));
    let findings = told["findings"].as_array().expect("findings");
    let word =
        |finding: &serde_json::Value, key: &str| finding[key].as_str().expect("a word").to_owned();
    let all = findings.iter().map(|finding| ["code", "text", "todo"].map(|key| word(finding, key)));
    all.collect()
}

/// Each is planted for real: a port that is held, a folder in memory, a mount in a namespace of its own, a
/// folder of another user. Those that only root can plant are left out for others.
#[test]
fn doctor_says_what_keeps_a_box_from_its_start() {
    let dir = tempfile::tempdir().expect("a folder");
    set_mode(dir.path(), 0o755);
    let doctor = |config: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_courtside"));
        command.args(["doctor", "--json", "--config"]).arg(config);
        command
    };
    let one = |fault: &str, found: &[[String; 3]], code: &str, says: &str, todo: &str| {
        let told = found.iter().find(|told| told[0] == code);
        let told = told.unwrap_or_else(|| panic!("{fault}: no {code} in {found:?}"));
        assert!(told[1].contains(says) && told[2].contains(todo), "{fault}: {told:?}");
    };
    let data = dir.path().join("data");
    let well = found_at_rest(&mut doctor(&at_rest(dir.path(), &data, silent_port())));
    let codes: Vec<&str> = well.iter().map(|told| told[0].as_str()).collect();
    assert_eq!(codes, ["not_running"], "nothing else: {well:?}");

    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = holder.local_addr().expect("bound");
    let found = found_at_rest(&mut doctor(&at_rest(dir.path(), &data, address.port())));
    one("port in use", &found, "port_in_use", &address.to_string(), "ss -ltnp");
    drop(holder);

    let memory = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    let found = found_at_rest(&mut doctor(&at_rest(dir.path(), memory.path(), silent_port())));
    one("data_dir in RAM", &found, "data_in_ram", "lies in memory", "findmnt");

    let ended = dir.path().join("ended");
    for folder in [&ended, &ended.join("failures")] {
        std::fs::create_dir(folder).expect("made");
        set_mode(folder, 0o700);
    }
    let now = SystemClock::new().utc().as_nanos() / 1_000_000_000;
    let record = format!("courtside-failure 1 at={now} result=signal status=SEGV\n");
    file(&ended.join("failures/000007-signal-SEGV.log"), &record);
    let found = found_at_rest(&mut doctor(&at_rest(dir.path(), &ended, silent_port())));
    let says = "ended once in the last week without being asked to, last by signal SEGV";
    one("an end that nobody asked for", &found, "ended_badly", says, "take it away");
    one("where it lies", &found, "ended_badly", "failures/000007-signal-SEGV.log", "send us");

    let config = at_rest(dir.path(), &data, silent_port());
    file(&dir.path().join("wrong.toml"), "[box]\nnaem = \"x\"\n");
    let done = doctor(&dir.path().join("wrong.toml")).output().expect("runs");
    assert_eq!(done.status.code(), Some(2));
    assert!(text(&done.stdout).contains("config_refused"), "{}", text(&done.stdout));

    if !rustix::process::geteuid().is_root() {
        return;
    }
    std::fs::create_dir(&data).expect("made");
    set_mode(&data, 0o700);
    // Nobody's user may read the configuration, and the folder is root's.
    set_mode(&config, 0o644);
    let found = found_at_rest(doctor(&config).uid(65_534).gid(65_534));
    one("data_dir of another owner", &found, "data_not_ours", "belongs to user 0", "chown");

    let mut apart = Command::new("unshare");
    let mounts =
        "mount -t tmpfs -o size=1m none \"$0\" && mount -o remount,ro \"$0\" && exec \"$@\"";
    apart.args(["-m", "sh", "-c", mounts]).arg(&data).arg(env!("CARGO_BIN_EXE_courtside"));
    let found = found_at_rest(apart.args(["doctor", "--json", "--config"]).arg(&config));
    one("data_dir read-only", &found, "data_read_only", "is read-only", "dmesg");
}

/// Nothing of a box hangs on the hour of the day: one whose zone is wrong has the findings of one whose is right.
#[test]
fn a_wrong_time_zone_raises_nothing() {
    let codes = |zone: &str| {
        let dir = tempfile::tempdir().expect("a folder");
        let config = written(dir.path(), "rims");
        set_mode(&config, 0o600);
        let daemon = Daemon::start_where(dir, "022", &config, &[("TZ", zone)]);
        // Until the first try to reach the broker has ended.
        let found = (0..100).find_map(|_| {
            let done = daemon.doctor(&["--json"]);
            let told: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
            let codes = told["findings"].as_array().expect("findings").iter();
            let codes: Vec<_> = codes.map(|finding| finding["code"].clone()).collect();
            codes.contains(&"broker_unreachable".into()).then_some(codes)
        });
        found.expect("it looks at itself")
    };
    let right = codes("UTC0");
    assert_eq!(right, ["no_publisher", "broker_unreachable"]);
    for wrong in ["XYZ+12", "XYZ-14", "Nowhere/Nowhere"] {
        assert_eq!(codes(wrong), right, "{wrong}");
    }
}

#[test]
fn a_signal_in_mid_stream_drains_in_order_and_leaves_nothing_uncounted() {
    let mut daemon = Daemon::start();
    let done = daemon.doctor(&["--json"]);
    assert_eq!(done.status.code(), Some(3), "no camera, no broker");
    let told: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON alone");
    let codes: Vec<_> = told["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter_map(|finding| finding["code"].as_str())
        .collect();
    // The second is not known before the first try has ended.
    assert_eq!(codes.len(), 2, "{told}");
    assert_eq!(codes[0], "no_publisher", "{told}");
    assert!(["not_connected", "broker_unreachable"].contains(&codes[1]), "{told}");
    let strange = courtside(&["doctor", "--url", &format!("http://{}", daemon.http)]);
    assert_eq!(strange.status.code(), Some(1), "without the token");
    assert!(text(&strange.stderr).contains("--token-file"));

    let url = format!("rtmp://{}/live/{KEY}", daemon.rtmp);
    let camera = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let game = include_bytes!("../assets/demo/game.flv").as_slice();
        // Cut off by the daemon's end, which is what we are here for.
        drop(runtime.expect("a runtime").block_on(publish::flv(
            game,
            &url,
            Pace::RealTime,
            |_| {},
        )));
    });
    // Not for an event: a machine that builds beside this drops pictures, and may call nothing.
    daemon.log.wait("picture", |line| line.contains("decoder chosen"));
    let live = "✓ court a: live, H.264 854x480";
    let mut said = String::new();
    for _ in 0..50 {
        said = text(&daemon.doctor(&[]).stdout);
        if said.contains(live) {
            break;
        }
    }
    assert!(said.contains(live), "{said}");
    assert!(!said.contains(KEY), "{said}");

    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended(), Some(0));
    camera.join().expect("the camera's thread");
    let end = daemon.log.wait("`ended`", |line| line.contains("ended unsent="));
    assert!(end.contains("balanced=true"), "{end}");
    assert_eq!(daemon.log.count("ring closed"), 1);
    let promised = daemon.log.count("promised");
    assert!(end.contains(&format!("unsent={promised} ")), "{promised} promised, but {end}");
    let millis: u64 = end
        .split_once("after_ms=")
        .and_then(|(_, millis)| millis.trim().parse().ok())
        .unwrap_or_else(|| panic!("says how long it took: {end}"));
    assert!(millis < 5_000, "SIGTERM to the end took {millis} ms");
}

#[test]
fn doctor_and_check_ask_at_a_socket_that_the_network_does_not_reach() {
    let mut daemon = Daemon::start();
    // Its port is not what the configuration says, and no token is to be read.
    let config = daemon.dir.path().join("courtside.toml");
    let config = config.to_str().expect("UTF-8");
    std::fs::remove_file(daemon.token_file()).expect("there");
    let done = courtside(&["doctor", "--json", "--config", config]);
    let told: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON alone");
    assert_eq!((&told["box"], done.status.code()), (&"cli".into(), Some(3)), "{told}");
    assert!(done.stderr.is_empty(), "{}", text(&done.stderr));
    let done = courtside(&["check", "--config", config]);
    assert!(text(&done.stdout).contains("✓ ledger"), "{}", text(&done.stdout));

    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended(), Some(0));
    let folder = daemon.dir.path().join("data/local");
    let left = std::fs::read_dir(folder).expect("a folder of its own").count();
    assert_eq!(left, 0, "the socket went with the daemon");
    let done = courtside(&["doctor", "--config", config]);
    assert_eq!(done.status.code(), Some(1));
    assert!(text(&done.stderr).contains("no box answers"), "{}", text(&done.stderr));
}

/// Every box of these tests is started by a shell whose soft limit is 256.
#[test]
fn a_box_started_by_hand_has_room_for_more_than_its_shell_allows() {
    let daemon = Daemon::start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.child.id()));
    let limits = limits.expect("it runs");
    let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("a line");
    let mut figures = files.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
    let (soft, hard) = (figures.next().expect("soft"), figures.next().unwrap_or(u64::MAX));
    assert_eq!(soft, hard.min(8_192), "{files}");
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut daemon = Daemon::start();
    // A watcher of the page, for whom the drain waits: the second signal must not.
    let token = std::fs::read_to_string(daemon.token_file()).expect("a token");
    let mut watcher = TcpStream::connect(daemon.http).expect("the page");
    let request = format!(
        "GET /v1/events HTTP/1.1\r\nHost: box\r\nAuthorization: Bearer {}\r\n\r\n",
        token.trim()
    );
    watcher.write_all(request.as_bytes()).expect("asked");
    let mut answer = [0; 12];
    watcher.read_exact(&mut answer).expect("answered");
    assert_eq!(&answer, b"HTTP/1.1 200");

    daemon.signal(Signal::TERM);
    daemon.signal(Signal::INT);
    assert_eq!(daemon.ended(), Some(1));
    assert_eq!(daemon.log.count("ended unsent="), 0, "nothing was waited for");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    for words in [&["config", "example"][..], &["completions", "bash"], &["config", "schema"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ended = Command::new(env!("CARGO_BIN_EXE_courtside"))
            .args(words)
            .stdout(writer)
            .output()
            .expect("it starts");
        assert!(ended.status.success(), "{words:?}: {:?}", ended.status);
        assert!(ended.stderr.is_empty(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
}

#[test]
fn eval_tells_of_strata_of_abstaining_and_of_every_figure_that_scripts_ask_for() {
    // The demo's game holds eight attempts: those that this truth leaves out are false events.
    let game = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/game.flv");
    let dir = tempfile::tempdir().expect("a folder");
    let stream = serde_json::json!({
        "file": game, "court": "demo", "rim": [562, 167, 44, 10], "net": "nylon",
        "attempts": [
            {"t_rim": 29.512, "t_truth": 29.592, "outcome": "made", "kind": "swish"},
            {"t_rim": 8.512, "t_truth": 8.746, "outcome": "made", "kind": "rim-in"},
            {"t_rim": 13.771, "t_truth": 14.187, "outcome": "missed", "doubtful": true},
        ],
    });
    let truth = dir.path().join("truth.json");
    std::fs::File::create(&truth)
        .and_then(|mut file| file.write_all(stream.to_string().as_bytes()))
        .expect("written");
    let truth = truth.to_str().expect("UTF-8");

    let done = courtside(&["eval", "--truth", truth, "--strata", "--coverage", "--jobs", "2"]);
    let said = text(&done.stdout);
    assert!(done.status.success(), "{said}{}", text(&done.stderr));
    for part in ["ring width, px", "31–60", "swish", "nylon", "builtin", "ODDS", "27–35"] {
        assert!(said.contains(part), "no `{part}` in:\n{said}");
    }
    assert!(!said.contains("rim-out"), "nothing of the doubtful one:\n{said}");
    for line in said.lines() {
        assert!(line.chars().count() <= 100, "over 100 columns: {line}");
    }

    // No mean of these calls reaches so far: whatever is found is unsure.
    let done = courtside(&["eval", "--truth", truth, "--json", "--unsure", "6"]);
    let told: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON alone");
    let bundle = &told["bundles"][0];
    assert_eq!((&bundle["name"], &bundle["precision"]), (&"rimnet".into(), &"fp32".into()));
    assert_eq!((&bundle["n"], &bundle["called"]), (&2.into(), &0.into()), "{told}");
    assert_eq!((&bundle["unsure"], &bundle["accuracy"]), (&bundle["found"], &0.0.into()), "{told}");
    assert!(bundle["found"].as_u64() > Some(0), "{told}");
    assert_eq!(bundle["strata"]["kind"].as_array().map(Vec::len), Some(2), "{told}");
    assert_eq!(bundle["strata"]["mbit_s"][0]["stratum"], "0.5–1", "{told}");
    for odds in ["-1", "nan", "6.1", "1e9"] {
        let done = courtside(&["eval", "--truth", truth, "--unsure", odds]);
        assert_eq!(done.status.code(), Some(2), "{odds}");
        assert!(text(&done.stderr).contains("0 to 6"), "{}", text(&done.stderr));
    }
}

/// Another family than RimNet, of the demo's game: made and missed by where the ball went. With a rule that
/// takes everything for missed, or sees no ball, it is not.
#[test]
fn eval_scores_a_detector_with_a_rule_beside_the_model_that_decides() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().expect("a folder");
    let game = root.join("assets/demo/game.flv");
    let stream = serde_json::json!({"file": game, "rim": [562, 167, 44, 10], "attempts": [
        {"t_rim": 3.267, "t_truth": 3.337, "outcome": "made"},
        {"t_rim": 13.771, "t_truth": 14.187, "outcome": "missed"}],
        "quiet": [[4.5, 7.5]]});
    let put = |path: &Path, words: &str| {
        std::fs::File::create(path)
            .and_then(|mut file| file.write_all(words.as_bytes()))
            .expect("written");
    };
    let truth = dir.path().join("truth.json");
    put(&truth, &stream.to_string());
    let right = |models: &Path| -> Vec<(String, u64)> {
        let [truth, models] = [&truth, models].map(|path| path.to_str().expect("UTF-8"));
        let words = ["eval", "--truth", truth, "--models-dir", models, "--json"];
        let done =
            courtside(&[&words[..], &["--bundle", "rimnet", "--bundle", "ballnet"]].concat());
        let told: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON alone");
        let of = |bundle: &serde_json::Value| {
            let name = bundle["name"].as_str().expect("a name").to_owned();
            (name, bundle["right"].as_u64().expect("a count"))
        };
        told["bundles"].as_array().expect("bundles").iter().map(of).collect()
    };
    let both = |ballnet| vec![("rimnet".to_owned(), 2), ("ballnet".to_owned(), ballnet)];
    assert_eq!(right(&root.join("models")), both(2));

    let copy = dir.path().join("models/ballnet");
    std::fs::create_dir_all(&copy).expect("made");
    let ours = root.join("models/ballnet");
    for file in ["ballnet-fp32.onnx", "ballnet-fp16.onnx"] {
        std::fs::copy(ours.join(file), copy.join(file)).expect("copied");
    }
    let manifest = std::fs::read_to_string(ours.join("model.toml")).expect("read");
    for (key, other, called) in
        [("through = -1.0", "through = 90.0", 1), ("least = 0.55", "least = 0.9999", 0)]
    {
        assert!(manifest.contains(key), "{key}");
        put(&copy.join("model.toml"), &manifest.replace(key, other));
        assert_eq!(right(&dir.path().join("models")), both(called), "{other}");
    }
}

#[test]
fn eval_says_what_is_wrong_with_what_it_was_given_before_it_plays_anything() {
    let dir = tempfile::tempdir().expect("a folder");
    let put = |name: &str, words: &str| {
        let path = dir.path().join(name);
        std::fs::File::create(&path)
            .and_then(|mut file| file.write_all(words.as_bytes()))
            .expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    // No video at all: what is told is told before it is opened.
    put("text.mp4", "no video");
    let clip = r#"{"file": "text.mp4", "rim": [1, 2, 3, 4], "t_rim": 1, "outcome": "made"}"#;
    let truth = put("truth.json", &format!("[{clip}]"));
    let early = put(
        "early.json",
        &format!("[{}]", clip.replace("\"t_rim\"", "\"t_truth\": 0.5, \"t_rim\"")),
    );
    let empty = put("empty.toml", "");
    let other = put(
        "other.toml",
        "[[gate]]\nbundle = \"nosuch\"\nprecision = \"fp32\"\nattempts = 1\nright = 0.9\n\
         found = 0.9\nfalse_events = 0\n",
    );
    let nowhere = dir.path().join("no/such");
    let nowhere = nowhere.to_str().expect("UTF-8");
    for (words, parts) in [
        (&["--truth", nowhere][..], [nowhere, "--truth"]),
        (&["--truth", &early], ["early.json, entry 1", "t_truth is 0.5, before t_rim"]),
        (&["--truth", &truth, "--truth", &truth], ["truth.json, entry 1", "twice"]),
        (&["--truth", &truth, "--gate", nowhere], [nowhere, "--gate"]),
        (&["--truth", &truth, "--sheet", nowhere], [nowhere, "--sheet"]),
        (
            &["--truth", &truth, "--bundle", "rimnet", "--bundle", "rimfinder"],
            ["finds rings", "decides made or missed"],
        ),
        (
            &["--truth", &truth, "--bundle", "rimnet:int8"],
            ["only FP32 of rimnet is inside the binary", "--models-dir"],
        ),
        (
            &["--truth", &truth, "--bundle", "rimnet", "--bundle", "rimnet:fp32"],
            ["--bundle rimnet:fp32", "twice"],
        ),
        (&["--truth", &truth, "--gate", &empty], ["no [[gate]]", "false_events = 4"]),
        // Not wrong: a word of it, and on it goes.
        (
            &["--truth", &truth, "--gate", &other],
            ["other.toml has floors of nosuch:fp32", "text.mp4"],
        ),
        (
            &["--truth", &truth, "--one-court", "D,D1"],
            ["names D1, of which there is no", "text.mp4"],
        ),
        (
            &["--truth", &truth, "--one-court", "D,D1", "--one-court", "E,D1"],
            ["names D1 twice", "--one-court"],
        ),
        (&["--truth", &truth], ["text.mp4", "ffprobe"]),
    ] {
        let done = courtside(&[&["eval"], words].concat());
        let said = text(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{words:?}: {said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{parts:?}: {said}");
    }
    // What lies beyond the video's end is known once that was reached.
    let game = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/game.flv");
    let late = serde_json::json!({"file": game, "rim": [562, 167, 44, 10], "attempts": [
        {"t_rim": 3.267, "outcome": "made"}, {"t_rim": 4_000, "outcome": "made"}]});
    let late = put("late.json", &late.to_string());
    let done = courtside(&["eval", "--truth", &late]);
    let said = text(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{said}");
    for part in ["late.json, attempt 2", "t_rim is 4000 s", "last picture comes at"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// Whatever the machine bears: each picture that was sent is answered or told as lost, and by whom.
#[cfg(feature = "gstreamer")]
#[test]
fn bench_of_courts_accounts_for_every_picture_of_every_court() {
    let game = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/game.flv");
    let game = game.to_str().expect("UTF-8");
    let clip = ["--flv", game, "--size", "854x480", "--rim", "562,167,44,10", "--device", "cpu"];
    let short = ["--seconds", "2", "--warm-up", "0", "--json", "--courts", "1,2"];
    let done = courtside(&[&["bench", "courts"], &clip[..], &short[..]].concat());
    let said = text(&done.stderr);
    let told: serde_json::Value = serde_json::from_slice(&done.stdout).expect(&said);
    assert_eq!(done.status.code(), Some(if told["kept"] == true { 0 } else { 3 }), "{said}");
    let rounds = told["rounds"].as_array().expect("rounds");
    assert_eq!(rounds.iter().map(|round| &round["courts"]).collect::<Vec<_>>(), [1, 2]);
    for round in rounds {
        let number = |of: &serde_json::Value| of.as_f64().expect("a number");
        let courts = number(&round["courts"]);
        let (pictures, unanswered) = (number(&round["pictures"]), number(&round["unanswered"]));
        assert!(pictures >= 30.0 * courts, "{round}");
        let looked_at = pictures - number(&round["passed_over"]);
        assert_eq!(looked_at, number(&round["answer"]["n"]) + unanswered, "{round}");
        let none_lost = unanswered == 0.0 && round["dropped"] == serde_json::json!({});
        assert!(round["kept"] == false || none_lost, "{round}");
        let middle = |of: &str| number(&round[of]["p50_ms"]);
        assert!(middle("decoded") > 0.0 && middle("answer") > middle("decoded"), "{round}");
        assert!(number(&round["cores"]) > 0.0 && number(&round["rss_bytes"]) > 1e6, "{round}");
        let decoders = round["decoders"].as_object().expect("decoders");
        assert_eq!(decoders.values().map(number).sum::<f64>(), courts, "{round}");
        assert_eq!(round["model"], "rimnet fp32 builtin", "{round}");
    }
}

#[test]
fn a_bundle_that_is_not_there_is_said_before_the_demo_begins() {
    let folder = tempfile::tempdir().expect("directory");
    let empty = folder.path().display().to_string();
    let output = courtside(&["demo", "--once", "--bundle", "rimnet:int8", "--models-dir", &empty]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("only FP32 of rimnet is inside the binary"), "{said}");
    assert!(said.contains("--models-dir"), "{said}");
}
