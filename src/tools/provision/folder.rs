//! The technician's folder: what lies where.
//!
//! ```text
//! DIR/authority.json     what it is for: name, hosts, ports, when it was made
//!     ca.crt ca.key      the authority; who has the key can make boxes
//!     technician.*       as whom `grant` and `status` come to the broker
//!     office.* operator.* viewer.*   for others: the back office, and people of less rights
//!     boxes/ sticks/     what was given to whom (`records`)
//!     broker/            all that mosquitto reads (`broker_files`), and its own data
//! ```
//! It is made beside its place and renamed into it, so a cut leaves all of it or nothing under its name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::claim::Authority;
use crate::config::Broker;
use crate::disk::{Disk, DiskLock, LockError, RealDisk, read_whole, write_durably};
use crate::media::UtcTime;
use crate::tools::provision::link::Access;

/// Version of every file here.
pub(super) const VERSION: u32 = 1;
/// A list of a hundred thousand certificates that count no more takes some 4 MB.
const MOST_BYTES: u64 = 64 << 20;
const SETTINGS: &str = "authority.json";
const LOCK: &str = "lock";

/// Names below the folder.
pub(super) mod names {
    pub(crate) const CA: &str = "ca.crt";
    pub(crate) const CA_KEY: &str = "ca.key";
    pub(crate) const TECHNICIAN: &str = "technician.crt";
    pub(crate) const TECHNICIAN_KEY: &str = "technician.key";
    pub(crate) const OFFICE: &str = "office.crt";
    pub(crate) const OFFICE_KEY: &str = "office.key";
    pub(crate) const OPERATOR: &str = "operator.crt";
    pub(crate) const OPERATOR_KEY: &str = "operator.key";
    pub(crate) const VIEWER: &str = "viewer.crt";
    pub(crate) const VIEWER_KEY: &str = "viewer.key";
    pub(crate) const BOXES: &str = "boxes";
    pub(crate) const STICKS: &str = "sticks";
    pub(crate) const BROKER: &str = "broker";
    pub(crate) const DATA: &str = "broker/data";
    pub(crate) const CONF: &str = "broker/mosquitto.conf";
    pub(crate) const ACL: &str = "broker/acl";
    pub(crate) const PASSWORDS: &str = "broker/passwords";
    pub(crate) const ENDED: &str = "broker/ended.pem";
    pub(crate) const PID: &str = "broker/mosquitto.pid";
    pub(crate) const BROKER_CA: &str = "broker/ca.crt";
    pub(crate) const SERVER: &str = "broker/server.crt";
    pub(crate) const SERVER_KEY: &str = "broker/server.key";
}

/// What the folder is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settings {
    /// [`VERSION`].
    pub v: u32,
    /// What the authority calls itself.
    pub name: String,
    /// Under which names and addresses boxes reach the broker; the first is the one they are told.
    pub hosts: Vec<String>,
    /// Port for who has a certificate.
    pub port: u16,
    /// Port for who has a password, where there are such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_port: Option<u16>,
    /// Nanoseconds of UTC.
    pub made: i64,
}

impl Settings {
    fn at(&self, port: u16) -> anyhow::Result<Broker> {
        let Some(host) = self.hosts.first() else {
            bail!("{SETTINGS} names no host of the broker")
        };
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        Broker::parse(&format!("mqtts://{host}:{port}"))
            .map_err(|wrong| anyhow::anyhow!("`{host}:{port}` {wrong}"))
    }

    /// Where boxes go.
    ///
    /// # Errors
    /// No such address.
    pub(super) fn broker(&self) -> anyhow::Result<Broker> {
        self.at(self.port)
    }

    /// Where boxes go that have a password; `None` where there are none.
    ///
    /// # Errors
    /// No such address.
    pub(super) fn password_broker(&self) -> anyhow::Result<Option<Broker>> {
        self.password_port.map(|port| self.at(port)).transpose()
    }

    /// When it was made.
    pub(super) fn made(&self) -> UtcTime {
        UtcTime::from_nanos(self.made)
    }
}

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    settings: Settings,
}

impl Folder {
    /// Makes it, with these files and folders below it.
    ///
    /// # Errors
    /// There is something at its place, or the disk says no.
    pub(super) fn make(
        dir: &Path,
        settings: Settings,
        folders: &[&str],
        files: &[(&str, Vec<u8>)],
    ) -> anyhow::Result<Self> {
        let there = || {
            format!(
                "{} is there, and keys are never written over: name another folder, or remove that one if \
                 no box stands on it",
                dir.display()
            )
        };
        let Some(name) = dir.file_name() else { bail!("{} is no name of a folder", dir.display()) };
        if dir.symlink_metadata().is_ok() {
            bail!(there());
        }
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
        let number = getrandom::u64().context("draw a name")?;
        let mut beside = std::ffi::OsString::from(".");
        beside.push(name);
        beside.push(format!(".{number:016x}"));
        let beside = dir.with_file_name(beside);
        let folder = Self { disk, dir: beside, settings };
        let made = folder.fill(folders, files).and_then(|()| {
            folder.disk.rename(&folder.dir, dir).with_context(there)?;
            let above = dir.parent().filter(|above| !above.as_os_str().is_empty());
            let above = above.unwrap_or(Path::new("."));
            folder.disk.sync_dir(above).with_context(|| format!("sync {}", above.display()))
        });
        if made.is_err() {
            // What was made beside is of no use to anybody.
            drop(std::fs::remove_dir_all(&folder.dir));
        }
        made?;
        Ok(Self { dir: dir.to_owned(), ..folder })
    }

    fn fill(&self, folders: &[&str], files: &[(&str, Vec<u8>)]) -> anyhow::Result<()> {
        for name in [""].iter().chain(folders) {
            let path = self.path(name);
            let made = self.disk.create_dir_all(&path);
            made.with_context(|| format!("make {}", path.display()))?;
        }
        for (name, bytes) in files {
            self.put(name, bytes)?;
        }
        self.put(SETTINGS, &serde_json::to_vec_pretty(&self.settings)?)
    }

    /// Opens one that was made.
    ///
    /// # Errors
    /// It is none, or cannot be read.
    pub(super) fn open(dir: &Path) -> anyhow::Result<Self> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
        let dir = std::path::absolute(dir).context("find the folder")?;
        let bytes = read_whole(&*disk, &dir.join(SETTINGS), MOST_BYTES).with_context(|| {
            format!("{} is no folder of `courtside provision ca`: make one with it", dir.display())
        })?;
        let settings: Settings = serde_json::from_slice(&bytes)
            .with_context(|| format!("read {}", dir.join(SETTINGS).display()))?;
        if settings.v != VERSION {
            bail!("{} is of version {}: use the program that made it", dir.display(), settings.v);
        }
        Ok(Self { disk, dir, settings })
    }

    /// Holds it against another that gives names out.
    ///
    /// # Errors
    /// Another one does.
    pub(super) fn lock(&self) -> anyhow::Result<Box<dyn DiskLock>> {
        self.disk.lock(&self.path(LOCK)).map_err(|error| match error {
            LockError::InUse { pid, .. } => {
                let who = pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
                anyhow::anyhow!(
                    "another `courtside provision`{who} works with {}: end it first",
                    self.dir.display()
                )
            }
            error @ LockError::Io { .. } => anyhow::Error::from(error),
        })
    }

    /// What it is for.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where it is.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The disk it is on.
    pub(super) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// A path below it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A text below it.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn text(&self, name: &str) -> anyhow::Result<String> {
        let path = self.path(name);
        let bytes = read_whole(&*self.disk, &path, MOST_BYTES);
        let bytes = bytes.with_context(|| format!("read {}", path.display()))?;
        String::from_utf8(bytes).with_context(|| format!("{} is no text", path.display()))
    }

    /// Writes a file below it, durably.
    ///
    /// # Errors
    /// The disk says no; what was there before is there.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.path(name);
        write_durably(&*self.disk, &path, bytes)
            .with_context(|| format!("write {}", path.display()))
    }

    /// The authority.
    ///
    /// # Errors
    /// Its files cannot be read.
    pub(super) fn authority(&self) -> anyhow::Result<Authority> {
        let (certificate, key) = (self.text(names::CA)?, self.text(names::CA_KEY)?);
        Ok(Authority::load(&certificate, &key)?)
    }

    /// The technician's way to a broker.
    ///
    /// # Errors
    /// The files cannot be read.
    pub(super) fn access(&self, broker: Broker) -> anyhow::Result<Access> {
        let client = (self.text(names::TECHNICIAN)?, self.text(names::TECHNICIAN_KEY)?);
        Ok(Access { broker, ca: self.text(names::CA)?, client: Some(client), user: None })
    }
}
