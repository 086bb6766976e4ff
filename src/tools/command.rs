//! `courtside command`: has a box do something, over its broker, and waits until it is done.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use parking_lot::Mutex;
use serde_json::{Map, Value};

use crate::app::OPERATIONS;
use crate::broker::{Access, Credential};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Broker, ConfigError};
use crate::event::command::{CommandRequest, CommandState, Role};
use crate::event::words::CommandWord;
use crate::media::{BoxName, UtcTime};
use crate::tools::beside::put_beside;
use crate::tools::progress::Pace;
use crate::tools::tell::{remark, tell, tell_json};
use crate::uplink::{self, DEFAULT_QUOTA_BYTES, Question, UplinkSettings};

/// The member of a result that is a picture.
const PICTURE: &str = "jpeg_base64";
/// A command that says nothing is looked at so often.
const LOOK: Duration = Duration::from_secs(1);

/// Arguments of `command`.
#[derive(Debug, Args)]
pub(super) struct CommandArgs {
    // Its help is the table of operations.
    #[arg(value_name = "OPERATION", help = operations())]
    operation: String,
    /// What to do it with; VALUE is JSON, or a text (can be repeated)
    #[arg(value_name = "NAME=VALUE")]
    arguments: Vec<String>,
    /// Address of the broker [default: what the configuration says]
    #[arg(long, value_name = "URL")]
    broker: Option<String>,
    /// As whom you ask; the broker must let you publish there
    #[arg(long = "as", value_name = "ROLE", default_value = "technician", value_parser = asks)]
    role: Role,
    /// Name of the box [default: what the configuration says]
    #[arg(long = "box", value_name = "NAME")]
    name: Option<String>,
    /// User at the broker
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// File whose first line is the password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// PEM of the authorities that may sign the broker's certificate
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// PEM of your certificate
    #[arg(long, value_name = "FILE", requires = "key_file")]
    cert_file: Option<PathBuf>,
    /// PEM of its key
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    key_file: Option<PathBuf>,
    /// Configuration of a box, for what is not given here
    #[arg(long, short, value_name = "FILE", default_value = "/etc/courtside/courtside.toml")]
    config: PathBuf,
    /// Name of the command; one that was asked before is only waited for
    /// [default: a new one]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// How long to wait for the end, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
    /// After how many seconds the box is not to begin it any more
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    expires: u32,
    /// Write the picture of the answer there, as JPEG
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// The last state as one JSON object on stdout
    #[arg(long)]
    json: bool,
}

impl CommandArgs {
    /// Asks, waits, tells.
    ///
    /// # Errors
    /// No answer, or a picture that cannot be written.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let settings = match self.settings() {
            Ok(settings) => settings,
            Err(wrong) => {
                remark(format_args!("courtside: {wrong:#}"));
                return Ok(ExitCode::from(2));
            }
        };
        let arguments = match arguments(&self.arguments) {
            Ok(arguments) => arguments,
            Err(wrong) => {
                remark(format_args!("courtside: {wrong:#}"));
                return Ok(ExitCode::from(2));
            }
        };
        let id = match &self.id {
            Some(id) => id.clone(),
            None => new_id()?,
        };
        let request =
            CommandRequest { operation: self.operation.clone(), arguments, expires: None };
        let patience = Duration::from_secs(self.wait);
        let question = Question { role: self.role, id, request, expiry_s: self.expires, patience };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("start the network")?;
        let quiet = self.json;
        let clock = Arc::new(SystemClock::new());
        let begun = clock.monotonic();
        let now = || clock.monotonic().since(begun);
        let course = Mutex::new(Course::default());
        let told = |state: &CommandState| {
            if let Some(line) = course.lock().hears(now(), state).filter(|_| !quiet) {
                remark(line);
            }
        };
        let asked = uplink::ask(&settings, Arc::clone(&clock) as Arc<dyn Clock>, &question, told);
        let asked = async {
            let mut asked = std::pin::pin!(asked);
            loop {
                match tokio::time::timeout(LOOK, &mut asked).await {
                    Ok(state) => return state,
                    Err(_still) => {
                        if let Some(line) = course.lock().stands(now()).filter(|_| !quiet) {
                            remark(line);
                        }
                    }
                }
            }
        };
        let state = runtime.block_on(asked).map_err(|why| anyhow::anyhow!("{why}"))?;
        self.tell(state)
    }

    fn tell(&self, mut state: CommandState) -> anyhow::Result<ExitCode> {
        let is_done = state.state == CommandWord::Done;
        if let (Some(file), Some(result)) = (&self.picture, &state.result) {
            let jpeg = result.get(PICTURE).and_then(Value::as_str).and_then(bytes_of);
            let jpeg = jpeg.context(
                "the answer has no picture: ask for `snapshot`, `aim` or `service_check`",
            )?;
            write(file, &jpeg)?;
        }
        if self.json {
            tell_json(&state)?;
        } else if is_done {
            if let Some(Value::Object(result)) = &mut state.result
                && let Some(Value::String(picture)) = result.remove(PICTURE)
            {
                remark(format_args!("{} bytes of picture: --picture FILE", picture.len() * 3 / 4));
            }
            let result = state.result.unwrap_or(Value::Null);
            serde_json::to_string_pretty(&result)?.lines().for_each(tell);
        } else {
            remark(line(&state));
        }
        Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }

    /// What is given, completed by a configuration where one is there.
    fn settings(&self) -> anyhow::Result<UplinkSettings> {
        let file = match config::load(&self.config) {
            Ok(config) => Some(config),
            Err(ConfigError::Read { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound
                    || (self.broker.is_some() && self.name.is_some()) =>
            {
                None
            }
            Err(error) => bail!(error),
        };
        let name = match (&self.name, &file) {
            (Some(name), _) => BoxName::new(name)?,
            (None, Some(config)) => config.appliance.name.clone(),
            (None, None) => bail!("which box? Name it with --box"),
        };
        let given = self.broker.as_deref().map(Broker::parse).transpose();
        let given = given.map_err(|wrong| anyhow::anyhow!("the address of --broker {wrong}"))?;
        // Who names a broker is there as somebody else: the box's own password is not for it.
        let file = file.filter(|_| given.is_none()).and_then(|file| Access::of(&file.uplink));
        let Some(broker) = given.or_else(|| file.as_ref().map(|access| access.broker.clone()))
        else {
            bail!("which broker? Name it with --broker mqtt://HOST");
        };
        let file = file.unwrap_or_else(|| Access::to(broker.clone()));
        let or = |given: &Option<PathBuf>, file: Option<Credential>| {
            given.clone().map(Credential::File).or(file)
        };
        let (certificate, key) = file.client.unzip();
        Ok(UplinkSettings {
            box_name: name,
            access: Some(Access {
                broker,
                username: self.username.clone().or(file.username),
                password: or(&self.password_file, file.password),
                ca: or(&self.ca_file, file.ca),
                client: or(&self.cert_file, certificate).zip(or(&self.key_file, key)),
            }),
            dir: PathBuf::new(),
            quota_bytes: DEFAULT_QUOTA_BYTES,
            boot: String::new(),
            time_floor: UtcTime::from_nanos(0).into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            courts: Vec::new(),
        })
    }
}

/// What there is to do.
fn operations() -> String {
    format!("What to do: {}", OPERATIONS.join(", "))
}

/// A role that asks.
fn asks(word: &str) -> Result<Role, String> {
    let known = Role::ALL.into_iter().filter(|role| role.commands().is_some());
    known
        .into_iter()
        .find(|role| role.word() == word)
        .ok_or_else(|| "write technician, or operator for `doctor` and `snapshot`".to_owned())
}

/// `NAME=VALUE` each.
fn arguments(words: &[String]) -> anyhow::Result<Map<String, Value>> {
    let mut arguments = Map::new();
    for word in words {
        let (name, value) = word
            .split_once('=')
            .with_context(|| format!("`{word}` is no argument: write NAME=VALUE"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        if arguments.insert(name.to_owned(), value).is_some() {
            bail!("`{name}` is given twice");
        }
    }
    Ok(arguments)
}

/// A name that no other command has.
fn new_id() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 12];
    getrandom::fill(&mut bytes).context("take random bytes for the command's id")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What was said of a command. A part more of an upload is a state, and is told no more often than any progress.
#[derive(Default)]
struct Course {
    pace: Pace,
    /// The last state, and its words but for their figures.
    last: Option<(CommandState, String)>,
}

impl Course {
    /// A state came; its line, where one is due.
    fn hears(&mut self, now: Duration, state: &CommandState) -> Option<String> {
        if state.is_over() {
            // That is the answer.
            self.last = None;
            return None;
        }
        let shape = shape(state);
        let is_new = self.last.as_ref().is_none_or(|(_, last)| *last != shape);
        self.last = Some((state.clone(), shape));
        let is_due = self.pace.is_due(now, tenth(state));
        (is_new || is_due).then(|| line(state))
    }

    /// Nothing came for a moment; the line of what stands, where one is due.
    fn stands(&mut self, now: Duration) -> Option<String> {
        let (state, _) = self.last.as_ref()?;
        self.pace.is_due(now, tenth(state)).then(|| line(state))
    }
}

fn tenth(state: &CommandState) -> u64 {
    state.progress.map_or(0, |percent| u64::from(percent) / 10)
}

/// A state without what counts on.
fn shape(state: &CommandState) -> String {
    let plain = CommandState { progress: None, ..state.clone() };
    line(&plain).chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

/// One state in words.
fn line(state: &CommandState) -> String {
    let mut line = state.state.to_string();
    if let Some(percent) = state.progress {
        line.push_str(&format!(" {percent} %"));
    }
    if state.cuts > 0 {
        line.push_str(&format!(", after {} restart(s) of the box", state.cuts));
    }
    for text in [&state.words, &state.reason].into_iter().flatten() {
        line.push_str(&format!(": {text}"));
    }
    if let Some(code) = &state.code {
        line.push_str(&format!(" ({code})"));
    }
    line
}

/// Writes a person's file.
fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    put_beside(file, bytes)
}

/// The bytes of a text in base 64 (RFC 4648 §4); none if it is no such text.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for letter in text {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_json_or_texts() {
        let words = ["court=a", "lines=20", r#"after={"attempts":3}"#, "keep=true"];
        let read = arguments(&words.map(str::to_owned)).expect("arguments");
        let expected =
            json!({ "court": "a", "lines": 20, "after": { "attempts": 3 }, "keep": true });
        assert_eq!(Value::Object(read), expected);
        for wrong in [vec!["court"], vec!["a=1", "a=2"]] {
            let wrong: Vec<String> = wrong.into_iter().map(str::to_owned).collect();
            assert!(arguments(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn help_names_each_operation() {
        let told = operations();
        for name in ["clip_list", "clip_upload", "clip_upload_urls", "clip_keep", "clip_release"]
            .into_iter()
            .chain(["clip_delete", "clip_ack"])
            .chain(OPERATIONS)
        {
            let words = || told.split([' ', ',']);
            assert_eq!(words().filter(|word| *word == name).count(), 1, "{name}: {told}");
        }
    }

    #[test]
    fn a_picture_comes_back_as_it_was() {
        for (text, bytes) in
            [("", &b""[..]), ("Zg==", b"f"), ("Zm9vYmE=", b"fooba"), ("//79", b"\xff\xfe\xfd")]
        {
            assert_eq!(bytes_of(text).as_deref(), Some(bytes), "{text}");
        }
        assert_eq!(bytes_of("Z g"), None);
    }

    #[test]
    fn each_thing_new_is_told_at_once_and_the_rest_as_progress() {
        let state = |progress: u8, words: &str| CommandState {
            state: CommandWord::Running,
            progress: Some(progress),
            words: Some(crate::media::Foreign::told(words)),
            ..CommandState::default()
        };
        let mut course = Course::default();
        let mut told = |ms, progress, words: &str| {
            course.hears(Duration::from_millis(ms), &state(progress, words))
        };
        assert!(told(10, 1, "sending, part 1 of 90").is_some());
        assert_eq!(told(20, 2, "sending, part 2 of 90"), None, "a part more");
        assert!(told(30, 2, "waiting: a game is played").is_some());
        assert!(told(40, 2, "sending, part 2 of 90").is_some());
        assert_eq!(told(500, 30, "sending, part 27 of 90"), None);
        assert!(told(2000, 31, "sending, part 28 of 90").is_some());
        assert_eq!(told(3500, 39, "sending, part 35 of 90"), None);
        assert_eq!(course.stands(Duration::from_secs(11)), None);
        let stands = course.stands(Duration::from_secs(12)).expect("it is told that it stands");
        assert!(stands.contains("39 %") && stands.contains("part 35"), "{stands}");
        let over = CommandState { state: CommandWord::Done, ..CommandState::default() };
        assert_eq!(course.hears(Duration::from_secs(13), &over), None, "that is the answer");
        assert_eq!(course.stands(Duration::from_secs(60)), None);
    }

    #[test]
    fn a_state_is_one_line() {
        let state = CommandState {
            state: CommandWord::Running,
            progress: Some(40),
            words: Some(crate::media::Foreign::told("frame 3")),
            cuts: 1,
            ..CommandState::default()
        };
        assert_eq!(line(&state), "running 40 %, after 1 restart(s) of the box: frame 3");
    }
}
