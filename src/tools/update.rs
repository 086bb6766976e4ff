//! `courtside update`: the box's next image. `sign` is its maker's, `status` anybody's, `serve` and `good` are root's, run
//! by systemd units and by nobody else.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::clock::{Clock, SystemClock, sleep};
use crate::config::{self, Config, Source, UpdateConfig};
use crate::disk::{self, Disk, OpenHow, RealDisk, read_regular_text};
use crate::minisign::{SecretKey, Version};
use crate::tools::beside::put_beside;
use crate::tools::tell::{remark, tell, tell_json};
use crate::update::{
    Looked, Phase, Programs, Root, RootParts, Rules, Sheet, hashes, keys_in, read_status,
};

/// Of a key, and of a file of keys.
const KEYS_MOST: u64 = 16 << 10;
/// Where the configuration cannot be read.
const DATA_DIR: &str = "/var/lib/courtside";
/// Between two looks at what the daemon shows.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Install the box's next image, and see how far it is
#[derive(Debug, Args)]
pub(super) struct UpdateArgs {
    #[command(subcommand)]
    command: UpdateCommand,
}

#[derive(Debug, Subcommand)]
enum UpdateCommand {
    /// Say which image runs, from which slot, and how far the next one is
    #[command(after_help = "Example: courtside update status
Exit: 0 told · 3 this machine has no second slot")]
    Status(BoxArgs),
    /// Sign a bundle for the boxes of one machine
    #[command(
        after_help = "Example: courtside update sign FILE --key KEY --version 0.3.0 --for MACHINE
MACHINE: `compatible` of RAUC's configuration, as courtside-jetson-orin-nano-devkit
Then ask a box for it, from wherever you are:
         courtside command system_update url=https://… sha256=… size=… signature=…
Exit: 0 signed · 1 failed"
    )]
    Sign(SignArgs),
    /// Do what the daemon asks: install, or start from the other slot (root)
    #[command(after_help = "Example: courtside update serve
Run by courtside-update.service, whenever the daemon asks.
Exit: 0 done, or nothing to do · 1 failed: run again, it goes on")]
    Serve(RootArgs),
    /// Mark the slot that runs as good, once it has shown that it works (root)
    #[command(after_help = "Example: courtside update good
Run by courtside-good.service, at each start of the box.
Exit: 0 good · 1 failed · 3 the box goes back to the slot before")]
    Good(RootArgs),
}

/// Which box.
#[derive(Debug, Args)]
struct BoxArgs {
    /// Configuration file of the box
    #[arg(long, short, value_name = "FILE", default_value = "/etc/courtside/courtside.toml")]
    config: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a bundle is.
#[derive(Debug, Args)]
struct SignArgs {
    /// The bundle, as `rauc bundle` made it
    #[arg(value_name = "FILE")]
    bundle: PathBuf,
    /// Secret key, as `courtside models keygen` or `minisign -G -W` makes it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Version of the image: three numbers
    #[arg(long, value_name = "VERSION")]
    version: String,
    /// The machine that it is for: `compatible` of RAUC's configuration
    #[arg(long = "for", value_name = "MACHINE")]
    machine: String,
    /// The newer version over which it may be installed
    #[arg(long, value_name = "VERSION")]
    downgrade_from: Option<String>,
}

/// Where root's programs are.
#[derive(Debug, Args)]
struct RootArgs {
    /// Configuration file of the box: what is wanted from afar does not count here
    #[arg(long, short, value_name = "FILE", default_value = "/etc/courtside/courtside.toml")]
    config: PathBuf,
    /// RAUC
    #[arg(long, value_name = "FILE", default_value = "/usr/bin/rauc")]
    rauc: PathBuf,
    /// What restarts the box
    #[arg(long, value_name = "FILE", default_value = "/usr/bin/systemctl")]
    systemctl: PathBuf,
    /// What says which image runs
    #[arg(long, value_name = "FILE", default_value = "/usr/lib/os-release")]
    os_release: PathBuf,
}

impl UpdateArgs {
    /// Does it.
    ///
    /// # Errors
    /// What did not work.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.command {
            UpdateCommand::Status(args) => args.status(),
            UpdateCommand::Sign(args) => args.sign(),
            UpdateCommand::Serve(args) => {
                args.with(|root, _| Ok(root.serve().map(|()| ExitCode::SUCCESS)?))
            }
            UpdateCommand::Good(args) => args.with(good),
        }
    }
}

impl BoxArgs {
    fn status(&self) -> anyhow::Result<ExitCode> {
        let config = config::load(&self.config)?;
        let (disk, clock) = (RealDisk::new(), SystemClock::new());
        let folder = &config.update.folder;
        let Some(status) = read_status(&disk, folder, &clock.boot()) else {
            remark(format_args!(
                "nothing is told in {}: this machine has no second slot, or `systemctl status courtside-good` says why",
                folder.display()
            ));
            return Ok(ExitCode::from(3));
        };
        if self.json {
            tell_json(&status)?;
            return Ok(ExitCode::SUCCESS);
        }
        let kept = &status.kept;
        tell(format_args!(
            "image {} from slot {}, {}",
            status.version,
            status.booted.word(),
            status.compatible
        ));
        let other = status.booted.other().word();
        let reason = kept.reason.as_deref().unwrap_or_default();
        match kept.phase {
            Phase::Nothing => tell("no update is under way"),
            Phase::Writing => {
                tell(format_args!("{} is being written into slot {other}", kept.version));
            }
            Phase::Installed => {
                tell(format_args!("{} is in slot {other}, not started yet", kept.version));
            }
            Phase::Armed => tell(format_args!("the box is to start {}", kept.version)),
            Phase::Trial => {
                tell(format_args!("on trial, start {}; it lacks: {reason}", kept.starts));
            }
            Phase::GoingBack => tell(format_args!("the box goes back: {reason}")),
            Phase::Good => tell(format_args!("{} was found good", kept.version)),
            Phase::FallenBack => {
                tell(format_args!("fallen back from {}: {reason}", kept.version));
            }
        }
        if let Some(refused) = &kept.refused {
            tell(format_args!("refused last: {}", refused.reason));
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl SignArgs {
    fn sign(&self) -> anyhow::Result<ExitCode> {
        let version = |text: &str| {
            Version::parse(text).with_context(|| format!("{text} is not three numbers, as 0.3.0"))
        };
        let sheet = Sheet {
            version: version(&self.version)?,
            compatible: self.machine.clone(),
            downgrade_from: self.downgrade_from.as_deref().map(version).transpose()?,
        };
        let comment = sheet.comment();
        if Sheet::parse(&comment).as_ref() != Some(&sheet) {
            bail!("{} is no name of a machine: letters, digits, `-`, `_` and `.`", self.machine);
        }
        let named = |path: &Path| path.display().to_string();
        let text = read_regular_text(&self.key, KEYS_MOST).with_context(|| named(&self.key))?;
        let key = SecretKey::parse(&text).with_context(|| named(&self.key))?;
        let file = RealDisk::new().open(&self.bundle, OpenHow::Read);
        let sums = hashes(&*file.with_context(|| named(&self.bundle))?)?;
        let signature = key.sign_hash(&sums.blake2b, &comment);
        let mut beside = self.bundle.clone().into_os_string();
        beside.push(".minisig");
        let beside = PathBuf::from(beside);
        put_beside(&beside, signature.as_bytes())?;
        remark(format_args!("{}: {comment}", beside.display()));
        tell_json(&json!({
            "sha256": sums.sha256,
            "size": sums.bytes,
            "version": self.version,
            "signature": signature,
        }))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl RootArgs {
    fn with(
        &self,
        what: impl FnOnce(&Root<'_>, &SystemClock) -> anyhow::Result<ExitCode>,
    ) -> anyhow::Result<ExitCode> {
        disk::keep_files_private();
        let config = self.config();
        let filter = config.as_ref().map_or("info", |config| &config.health.log);
        if let Err(error) = crate::health::start_log(filter) {
            remark(format_args!("{error}"));
        }
        self.root(Self::own(config), what)
    }

    /// The file alone: what a broker wants says nothing of whose images are installed, and the daemon, which keeps
    /// that, may be somebody else's.
    fn config(&self) -> anyhow::Result<Config> {
        Ok(Source::of(&self.config)?.alone()?)
    }

    /// The data folder and what root's part goes by: a wrong configuration must not keep a good slot from being marked.
    fn own(config: anyhow::Result<Config>) -> (PathBuf, UpdateConfig) {
        match config {
            Ok(config) => (config.appliance.data_dir, config.update),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "root's part goes by the defaults");
                (DATA_DIR.into(), UpdateConfig::default())
            }
        }
    }

    /// Without keys it installs nothing, and without a version it takes no update: a slot is marked good all the same.
    fn root(
        &self,
        (data, update): (PathBuf, UpdateConfig),
        what: impl FnOnce(&Root<'_>, &SystemClock) -> anyhow::Result<ExitCode>,
    ) -> anyhow::Result<ExitCode> {
        let folder = update.folder;
        if !folder.is_dir() {
            bail!("{} is not there: the unit makes it (StateDirectory=)", folder.display());
        }
        let keys = read_regular_text(&update.keys_file, KEYS_MOST).unwrap_or_else(|error| {
            let file = update.keys_file.display();
            tracing::error!(%file, %error, "there are no keys: no update is taken");
            String::new()
        });
        let version = version_in(&self.os_release).unwrap_or_else(|error| {
            tracing::error!(
                error = format!("{error:#}"),
                "no version is known: no update is taken"
            );
            String::new()
        });
        let machine = Programs { rauc: self.rauc.clone(), systemctl: self.systemctl.clone() };
        let clock = SystemClock::new();
        let root = Root(RootParts {
            disk: Arc::new(RealDisk::new()),
            machine: &machine,
            theirs: data.join("update"),
            folder,
            keys: keys_in(&keys),
            version,
            boot: clock.boot(),
            rules: Rules::usual(Duration::from_secs(update.trial_s.into())),
            opens: &opens,
        });
        what(&root, &clock)
    }
}

/// Judges this start until it is good, or gone back from.
fn good(root: &Root<'_>, clock: &SystemClock) -> anyhow::Result<ExitCode> {
    let began = clock.monotonic();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut looked = root.begin()?;
    loop {
        match looked {
            Looked::Good => return Ok(ExitCode::SUCCESS),
            Looked::Back => return Ok(ExitCode::from(3)),
            Looked::Waits(_) => runtime.block_on(sleep(clock, LOOK_EVERY)),
        }
        // RAUC's service may be busy: who ended here would begin the time of the trial anew.
        looked = root.look(clock.monotonic().since(began)).unwrap_or_else(|error| {
            tracing::error!(%error, "a look at the trial failed: again");
            Looked::Waits(String::new())
        });
    }
}

/// The daemon reads it, under another user.
fn opens(path: &Path) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))
}

/// `VERSION_ID` of an os-release.
fn version_in(file: &Path) -> anyhow::Result<String> {
    let text = read_regular_text(file, KEYS_MOST).with_context(|| file.display().to_string())?;
    let line = text.lines().find_map(|line| line.strip_prefix("VERSION_ID="));
    let version = line.map(|value| value.trim_matches(['"', '\'']).to_owned());
    version.with_context(|| format!("{} has no VERSION_ID", file.display()))
}

#[cfg(test)]
mod tests;
