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
use crate::config::{self, Config};
use crate::disk::{self, Disk, OpenHow, RealDisk, read_regular_text};
use crate::minisign::{SecretKey, Version};
use crate::tools::beside::put_beside;
use crate::tools::tell::{remark, tell, tell_json};
use crate::update::{
    Looked, Phase, Programs, Root, RootParts, Rules, Sheet, hashes, keys_in, read_status,
};

/// Of a key, and of a file of keys.
const KEYS_MOST: u64 = 16 << 10;
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
        // The file alone: what a broker wants says nothing of whose images are installed.
        let config: Config = config::load(&self.config)?;
        if let Err(error) = crate::health::start_log(&config.health.log) {
            bail!("{error}");
        }
        self.root(&config, what)
    }

    fn root(
        &self,
        config: &Config,
        what: impl FnOnce(&Root<'_>, &SystemClock) -> anyhow::Result<ExitCode>,
    ) -> anyhow::Result<ExitCode> {
        let folder = config.update.folder.clone();
        if !folder.is_dir() {
            bail!("{} is not there: the unit makes it (StateDirectory=)", folder.display());
        }
        let keys = read_regular_text(&config.update.keys_file, KEYS_MOST);
        let keys = keys.with_context(|| config.update.keys_file.display().to_string())?;
        let machine = Programs { rauc: self.rauc.clone(), systemctl: self.systemctl.clone() };
        let clock = SystemClock::new();
        let root = Root(RootParts {
            disk: Arc::new(RealDisk::new()),
            machine: &machine,
            theirs: config.appliance.data_dir.join("update"),
            folder,
            keys: keys_in(&keys),
            version: version_in(&self.os_release)?,
            boot: clock.boot(),
            rules: Rules::usual(Duration::from_secs(config.update.trial_s.into())),
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
        looked = root.look(clock.monotonic().since(began))?;
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
mod tests {
    use std::fs;

    use serde_json::Value;

    use super::*;
    use crate::disk::{seal, write_durably};

    /// A box in a folder, whose RAUC and systemctl are scripts that write down what they are asked.
    struct Boxed {
        dir: tempfile::TempDir,
        args: RootArgs,
    }

    const STATUS: &str = r#"{"compatible":"box","booted":"A","slots":[
        {"rootfs.0":{"bootname":"A","boot_status":"good"}},{"rootfs.1":{"bootname":"B","boot_status":"good"}}]}"#;

    impl Boxed {
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("a folder");
            let at = |name: &str| dir.path().join(name);
            let put = |name: &str, text: &str| put_beside(&at(name), text.as_bytes()).expect(name);
            for folder in ["data/update", "root"] {
                fs::create_dir_all(at(folder)).expect("made");
            }
            let here = dir.path().display();
            put(
                "rauc",
                &format!(
                    "#!/bin/sh\necho \"rauc $*\" >> {here}/log\ncase \"$1 $2\" in\n\
                     'status --detailed') cat {here}/slots ;;\n\
                     'install '*) test ! -e {here}/full || {{ echo 'no room in the slot' >&2; exit 1; }}\n\
                     cp \"$2\" {here}/slot ;;\nesac\n"
                ),
            );
            put("systemctl", &format!("#!/bin/sh\necho \"systemctl $*\" >> {here}/log\n"));
            for script in ["rauc", "systemctl"] {
                let mode = fs::Permissions::from_mode(0o755);
                fs::set_permissions(at(script), mode).expect("a script");
            }
            put("slots", STATUS);
            put("log", "");
            put("os-release", "ID=courtside-os\nVERSION_ID=\"0.1.0\"\n");
            put("keys", &key().public().to_file());
            put(
                "box.toml",
                &format!(
                    "[box]\ndata_dir = \"{here}/data\"\n[update]\nkeys_file = \"{here}/keys\"\n\
                     folder = \"{here}/root\"\n"
                ),
            );
            let args = RootArgs {
                config: at("box.toml"),
                rauc: at("rauc"),
                systemctl: at("systemctl"),
                os_release: at("os-release"),
            };
            Self { dir, args }
        }

        fn at(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn paper(&self, name: &str, json: &Value) {
            let bytes = seal(json.to_string().into_bytes());
            let path = self.at(name);
            write_durably(&RealDisk::new(), &path, &bytes).expect("written");
        }

        /// Asks for a bundle that the daemon has, and says what root's part makes of it.
        fn asks(&self, n: u64, what: &str, bundle: &[u8], comment: &str) -> Value {
            put_beside(&self.at("bundle"), bundle).expect("written");
            let file = RealDisk::new().open(&self.at("bundle"), OpenHow::Read).expect("there");
            let sums = hashes(&*file).expect("read");
            let theirs = self.at(&format!("data/update/{}.bundle", sums.sha256));
            put_beside(&theirs, bundle).expect("written");
            self.paper(
                "data/update/ask.json",
                &json!({
                    "n": n, "what": what, "sha256": sums.sha256, "size": sums.bytes, "broker": true,
                    "signature": key().sign_hash(&sums.blake2b, comment),
                }),
            );
            self.runs(|root, _| Ok(root.serve().map(|()| ExitCode::SUCCESS)?));
            self.status()
        }

        fn runs(&self, what: impl FnOnce(&Root<'_>, &SystemClock) -> anyhow::Result<ExitCode>) {
            let config = config::load(&self.args.config).expect("a configuration");
            self.args.root(&config, what).expect("done");
        }

        fn status(&self) -> Value {
            let bytes = fs::read(self.at("root/status.json")).expect("told");
            serde_json::from_slice(&bytes).expect("JSON")
        }

        /// What was asked of the programs since, but for what they are.
        fn asked(&self) -> Vec<String> {
            let log = fs::read_to_string(self.at("log")).expect("a log");
            put_beside(&self.at("log"), b"").expect("written");
            let looks = "rauc status --detailed --output-format=json";
            log.lines().filter(|line| *line != looks).map(str::to_owned).collect()
        }
    }

    fn key() -> SecretKey {
        SecretKey::from_random([1; 8], [1; 32]).expect("a key")
    }

    const GOOD: &str = "courtside update 0.2.0 for box";

    #[test]
    fn rauc_is_asked_to_install_to_arm_and_to_mark_good_and_nothing_else() {
        let boxed = Boxed::new();
        let status = boxed.asks(1, "install", b"an image", GOOD);
        assert_eq!(status["kept"]["phase"], "installed", "{status}");
        let copy = boxed.at("root/bundle.raucb");
        let install = format!("rauc install {}", copy.display());
        assert_eq!(boxed.asked(), ["rauc status mark-good booted", &install]);
        assert_eq!(fs::read(boxed.at("slot")).expect("written"), b"an image");
        assert!(!copy.exists(), "root's copy is let go");
        let mode =
            |name: &str| fs::metadata(boxed.at(name)).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode("root/status.json"), mode("root/keeper.json")), (0o644, 0o600));
        // The same once more is nothing.
        boxed.asks(1, "install", b"an image", GOOD);
        assert_eq!(boxed.asked(), [""; 0]);
        let status = boxed.asks(2, "restart", b"an image", GOOD);
        assert_eq!(
            (&status["kept"]["phase"], &status["kept"]["told"]),
            (&"armed".into(), &true.into())
        );
        assert_eq!(boxed.asked(), ["rauc status mark-active other", "systemctl reboot"]);
        // It starts from the other slot, and has shown all.
        put_beside(
            &boxed.at("slots"),
            STATUS.replace("\"booted\":\"A\"", "\"booted\":\"B\"").as_bytes(),
        )
        .expect("written");
        put_beside(&boxed.at("os-release"), b"VERSION_ID=0.2.0\n").expect("written");
        let shown = json!({
            "boot": SystemClock::new().boot(), "ready": true, "clip": true, "outbox": true, "broker": true,
        });
        boxed.paper("data/update/trial.json", &shown);
        boxed.runs(good);
        assert_eq!(boxed.asked(), ["rauc status mark-good booted"]);
        assert_eq!(boxed.status()["kept"]["phase"], "good");
    }

    #[test]
    fn what_is_not_signed_is_older_or_does_not_fit_is_never_given_to_rauc() {
        let boxed = Boxed::new();
        let refused = |n, bundle: &[u8], comment| {
            let status = boxed.asks(n, "install", bundle, comment);
            assert_eq!(status["kept"]["phase"], "nothing", "{status}");
            status["kept"]["refused"]["reason"].as_str().expect("a reason").to_owned()
        };
        assert!(refused(1, b"x", "courtside update 0.0.9 for box").contains("0.1.0 runs"));
        assert!(
            refused(2, b"x", "courtside update 0.2.0 for other").contains("this machine is box")
        );
        assert!(refused(3, b"x", "courtside model toy 0.2.0").contains("no update"));
        put_beside(&boxed.at("keys"), b"").expect("written");
        assert!(refused(4, b"x", GOOD).contains("no key"));
        assert_eq!(boxed.asked(), [""; 0]);
        // What RAUC refuses is told with its words, and the slot is not started from.
        put_beside(&boxed.at("keys"), key().public().to_file().as_bytes()).expect("written");
        put_beside(&boxed.at("full"), b"").expect("written");
        assert!(refused(5, b"y", GOOD).contains("no room in the slot"));
        boxed.asked();
        let status = boxed.asks(6, "restart", b"y", GOOD);
        assert!(status["kept"]["refused"]["n"] == 6 && boxed.asked().is_empty(), "{status}");
    }
}
