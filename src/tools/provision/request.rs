//! `courtside provision request`: writes the claim file by which a box finds the broker.
//!
//! Its record is kept before the file is written: a claim file that nobody knows of could not be taken back.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::claim::{CLAIM_USER, Serial, Signed, describe};
use crate::clock::{Clock, SystemClock};
use crate::config::Broker;
use crate::media::UtcTime;
use crate::tools::provision::broker_files::bound_user;
use crate::tools::provision::folder::{Folder, VERSION, names};
use crate::tools::provision::records::{Records, StickRecord};
use crate::tools::provision::reload::reload;
use crate::tools::tell::{remark, tell};

/// The name under which a box looks for it.
pub(super) const FILE: &str = "courtside-claim.toml";

/// Arguments of `provision request`.
#[derive(Debug, Args)]
pub(super) struct RequestArgs {
    /// Folder of `provision ca`
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Folder of the USB stick: where courtside-claim.toml goes
    #[arg(long, value_name = "DIR")]
    stick: PathBuf,
    /// For this box alone [default: any box]
    #[arg(long, value_name = "SERIAL")]
    serial: Option<String>,
    /// For how many days it can be used
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// What a box does with it once it has it
    #[arg(long, value_name = "WHAT", default_value = "keep")]
    after_reading: AfterReading,
    /// Where boxes go to ask [default: the broker of the folder]
    #[arg(long, value_name = "URL")]
    broker: Option<String>,
    /// Write over one that is there
    #[arg(long)]
    replace: bool,
}

/// What becomes of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum AfterReading {
    /// It stays, for the next box
    Keep,
    /// It is removed
    Wipe,
}

/// The claim file (`claim/contact`).
#[derive(Serialize)]
struct File<'a> {
    broker: String,
    made: String,
    after_reading: AfterReading,
    ca: &'a str,
    certificate: &'a str,
    key: &'a str,
}

impl RequestArgs {
    /// Writes it.
    ///
    /// # Errors
    /// One is there, or it cannot be written.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let folder = Folder::open(&self.dir)?;
        let _held = folder.lock()?;
        let path = self.stick.join(FILE);
        if !self.stick.is_dir() {
            bail!("{} is no folder: is the stick mounted there?", self.stick.display());
        }
        if path.symlink_metadata().is_ok() && !self.replace {
            bail!("{} is there: write over it with --replace", path.display());
        }
        let serial = self.serial.as_deref().map(Serial::new).transpose()?;
        let broker = match &self.broker {
            Some(url) => Broker::parse(url)
                .map_err(|wrong| anyhow::anyhow!("the address of --broker {wrong}"))?,
            None => folder.settings().broker()?,
        };
        let now = SystemClock::new().utc();
        let user = serial.as_ref().map_or_else(|| CLAIM_USER.to_owned(), bound_user);
        let authority = folder.authority()?;
        let lasts = Duration::from_secs(u64::from(self.days) * 24 * 3600);
        let Signed { certificate, key } = authority.user(&user, now, lasts)?;
        let until = describe(&certificate).map_or(now, |read| read.until);
        let ca = folder.text(names::CA)?;
        let text = toml::to_string(&File {
            broker: broker.url(),
            made: now.to_rfc3339(),
            after_reading: self.after_reading,
            ca: &ca,
            certificate: &certificate,
            key: key.expose(),
        })
        .context("write the claim file")?;
        let mut records = Records::open(&folder)?;
        let number = records.next_stick();
        let record = StickRecord { v: VERSION, number, serial, certificate, revoked: None };
        let id = record.id();
        records.keep_stick(record)?;
        if records.tell_broker(&folder, &authority)?
            && let Some(advice) = reload(&folder).advice()
        {
            remark(format_args!("the broker has new rights for {user}; {advice}"));
        }
        write(&path, &text)?;
        tell(format_args!(
            "{} ({id}): {} finds {} with it until {}",
            path.display(),
            self.serial.as_deref().unwrap_or("any box"),
            broker.url(),
            day(until)
        ));
        tell(format_args!(
            "Unmount it, put it into the box, and run: courtside provision grant {} --serial {} --name NAME",
            self.dir.display(),
            self.serial.as_deref().unwrap_or("SERIAL")
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// A date of UTC.
pub(super) fn day(at: UtcTime) -> String {
    at.to_rfc3339().chars().take(10).collect()
}

/// A stick's file system may know neither modes nor renames that last: the whole file is written and synced.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let wrong = || format!("write {}", path.display());
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    let mut file = file.with_context(wrong)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(wrong)
}
