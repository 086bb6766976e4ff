//! What was given to whom: one file a box, one a stick, durable before anything of it is sent.
//!
//! A box's file holds all that it ever got, so one write gives it a name, or another certificate; what the
//! broker reads (`ended.pem`, `passwords`, `acl`) follows from these files and is written after them. A cut
//! between leaves it one step behind, until the next `grant` or `--revoke` begins.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::claim::{Authority, Ended, Granted, Hidden, Serial, Verdict};
use crate::disk::{Disk, NEW_SUFFIX, read_whole, write_durably};
use crate::media::{BoxName, UtcTime};
use crate::tools::provision::broker_files::{SALT_BYTES, acl, password_line};
use crate::tools::provision::folder::{Folder, VERSION, names};

/// A box that asks for another key every day for ten years.
const MOST_BYTES: u64 = 16 << 20;
const SECOND: i64 = 1_000_000_000;

/// All that a box ever got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BoxRecord {
    /// [`VERSION`].
    pub v: u32,
    /// What it got last.
    pub granted: Granted,
    /// A person has taken that back: nanoseconds of UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<i64>,
    /// What it got before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Earlier>,
}

/// An identity that another one follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Earlier {
    /// Its name.
    pub name: BoxName,
    /// PEM of its certificates; absent where it was a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// It counts no more since then: nanoseconds of UTC. Absent while the box has not said that it is the
    /// next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<i64>,
}

impl BoxRecord {
    /// What a box gets first.
    pub(super) fn first(granted: Granted) -> Self {
        Self { v: VERSION, granted, revoked: None, earlier: Vec::new() }
    }

    /// The same box with what it gets next.
    pub(super) fn followed_by(self, granted: Granted) -> Self {
        let (name, chain) = (self.granted.name.clone(), self.chain().map(str::to_owned));
        let mut earlier = self.earlier;
        earlier.push(Earlier { name, chain, ended: self.revoked });
        Self { v: VERSION, granted, revoked: None, earlier }
    }

    /// PEM of its certificates.
    pub(super) fn chain(&self) -> Option<&str> {
        match &self.granted.answer.verdict {
            Verdict::Grant(grant) => grant.chain.as_deref(),
            Verdict::Refused { .. } => None,
        }
    }

    /// Its password.
    pub(super) fn password(&self) -> Option<&Hidden> {
        match &self.granted.answer.verdict {
            Verdict::Grant(grant) => grant.password.as_ref(),
            Verdict::Refused { .. } => None,
        }
    }

    /// The name is this box's, or may still be.
    fn has(&self, name: &BoxName) -> bool {
        let now = self.revoked.is_none() && self.granted.name == *name;
        now || self.earlier.iter().any(|it| it.ended.is_none() && it.name == *name)
    }

    /// The box is who it is: what it was before counts no more. True if that is news.
    pub(super) fn settle(&mut self, at: UtcTime) -> bool {
        let open = self.earlier.iter_mut().filter(|it| it.ended.is_none());
        open.map(|it| it.ended = Some(at.as_nanos())).count() > 0
    }

    fn ended(&self) -> impl Iterator<Item = (Option<&str>, i64)> {
        let now = self.revoked.map(|at| (self.chain(), at));
        self.earlier.iter().filter_map(|it| Some((it.chain.as_deref(), it.ended?))).chain(now)
    }
}

/// A claim file that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StickRecord {
    /// [`VERSION`].
    pub v: u32,
    /// Counted up.
    pub number: u32,
    /// For this box alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<Serial>,
    /// PEM of its certificate.
    pub certificate: String,
    /// A person has taken it back: nanoseconds of UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<i64>,
}

impl StickRecord {
    /// What a person calls it: no box can be called so.
    pub(super) fn id(&self) -> String {
        format!("stick.{}", self.number)
    }
}

/// All of it.
#[derive(Debug)]
pub(super) struct Records {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    boxes: BTreeMap<Serial, BoxRecord>,
    sticks: BTreeMap<u32, StickRecord>,
}

impl Records {
    /// Reads them.
    ///
    /// # Errors
    /// One cannot be read: nothing is given out on half of what was.
    pub(super) fn open(folder: &Folder) -> anyhow::Result<Self> {
        Self::open_on(Arc::clone(folder.disk()), folder.dir().to_owned())
    }

    /// The same on a disk of one's own.
    ///
    /// # Errors
    /// As `open`.
    pub(super) fn open_on(disk: Arc<dyn Disk>, dir: PathBuf) -> anyhow::Result<Self> {
        let boxes: Vec<BoxRecord> = all(&*disk, dir.join(names::BOXES))?;
        let sticks: Vec<StickRecord> = all(&*disk, dir.join(names::STICKS))?;
        if boxes.iter().any(|it| it.v != VERSION) || sticks.iter().any(|it| it.v != VERSION) {
            bail!("{} was written by a newer program: use that", dir.display());
        }
        let boxes = boxes.into_iter().map(|it| (it.granted.serial.clone(), it)).collect();
        let sticks = sticks.into_iter().map(|it| (it.number, it)).collect();
        Ok(Self { disk, dir, boxes, sticks })
    }

    /// The record of a box.
    pub(super) fn of(&self, serial: &Serial) -> Option<&BoxRecord> {
        self.boxes.get(serial)
    }

    /// All boxes.
    pub(super) fn boxes(&self) -> impl Iterator<Item = &BoxRecord> {
        self.boxes.values()
    }

    /// All claim files.
    pub(super) fn sticks(&self) -> impl Iterator<Item = &StickRecord> {
        self.sticks.values()
    }

    /// Who has a name.
    pub(super) fn owner(&self, name: &BoxName) -> Option<&Serial> {
        self.boxes().find(|it| it.has(name)).map(|it| &it.granted.serial)
    }

    /// Keeps what a box got. Durable when it returns.
    ///
    /// # Errors
    /// The disk says no; what was kept before is still there.
    pub(super) fn keep(&mut self, record: BoxRecord) -> anyhow::Result<()> {
        let serial = record.granted.serial.clone();
        let path = self.dir.join(names::BOXES).join(format!("{serial}.json"));
        put(&*self.disk, path, &record)?;
        self.boxes.insert(serial, record);
        Ok(())
    }

    /// Keeps a claim file's record. Durable when it returns.
    ///
    /// # Errors
    /// The disk says no.
    pub(super) fn keep_stick(&mut self, record: StickRecord) -> anyhow::Result<()> {
        let path = self.dir.join(names::STICKS).join(format!("{}.json", record.number));
        put(&*self.disk, path, &record)?;
        self.sticks.insert(record.number, record);
        Ok(())
    }

    /// The number of the next claim file.
    pub(super) fn next_stick(&self) -> u32 {
        self.sticks.keys().next_back().map_or(1, |last| last + 1)
    }

    fn ended(&self) -> Vec<(Option<&str>, i64)> {
        let sticks =
            self.sticks().filter_map(|it| Some((Some(it.certificate.as_str()), it.revoked?)));
        self.boxes().flat_map(BoxRecord::ended).chain(sticks).collect()
    }

    /// A moment for what ends now: a second later than all that ended before, since a list of ended
    /// certificates is told from the one before it by seconds.
    pub(super) fn ending(&self, now: UtcTime) -> UtcTime {
        let last = self.ended().into_iter().map(|(_, at)| at + SECOND).max();
        now.max(UtcTime::from_nanos(last.unwrap_or(0)))
    }

    /// Writes what the broker reads, so far as it is not so already. True if anything was.
    ///
    /// # Errors
    /// The disk says no, or a certificate on record is none.
    pub(super) fn tell_broker(
        &self,
        folder: &Folder,
        authority: &Authority,
    ) -> anyhow::Result<bool> {
        let mut written = false;
        let mut put = |name: &str, text: &str| {
            if folder.text(name).is_ok_and(|before| before == text) {
                return Ok(());
            }
            written = true;
            folder.put(name, text.as_bytes())
        };
        put(names::ACL, &self.acl())?;
        if folder.settings().password_port.is_some() {
            put(names::PASSWORDS, &self.passwords())?;
        }
        let made = folder.settings().made();
        let first = self.ended_are();
        if !folder.text(names::ENDED).is_ok_and(|before| before.starts_with(&first)) {
            let ended = self.ended();
            let ended: Vec<Ended<'_>> = ended
                .iter()
                .filter_map(|(chain, at)| {
                    Some(Ended { chain: (*chain)?, at: UtcTime::from_nanos(*at) })
                })
                .collect();
            put(names::ENDED, &format!("{first}{}", authority.revocation_list(&ended, made)?))?;
        }
        Ok(written)
    }

    /// The rights.
    pub(super) fn acl(&self) -> String {
        let bound = self.sticks().filter(|it| it.revoked.is_none());
        let bound: std::collections::BTreeSet<&Serial> =
            bound.filter_map(|it| it.serial.as_ref()).collect();
        acl(bound)
    }

    fn passwords(&self) -> String {
        let live = self.boxes().filter(|it| it.revoked.is_none());
        let lines = live.filter_map(|it| {
            let password = it.password()?.expose();
            // The same file again: a salt has to be another for each password, not a secret.
            let digest = Sha256::digest(format!("salt {}", it.granted.request));
            let mut salt = [0; SALT_BYTES];
            salt.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
            Some(password_line(&it.granted.name, password, salt))
        });
        lines.collect()
    }

    /// The first line of the list of ended certificates: which they are. A signature is another each time,
    /// so that the file itself cannot be compared.
    pub(super) fn ended_are(&self) -> String {
        let ended = self.ended();
        let mut digest = Sha256::new();
        for (chain, at) in &ended {
            digest.update(chain.unwrap_or_default());
            digest.update(at.to_be_bytes());
        }
        let digest: String = digest.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect();
        format!("# {} ended: {digest}\n", ended.len())
    }
}

fn put(disk: &dyn Disk, path: PathBuf, record: &impl Serialize) -> anyhow::Result<()> {
    let bytes = serde_json::to_vec_pretty(record).context("write a record")?;
    write_durably(disk, &path, &bytes).with_context(|| format!("write {}", path.display()))
}

fn all<T: DeserializeOwned>(disk: &dyn Disk, dir: PathBuf) -> anyhow::Result<Vec<T>> {
    let names = disk.names(&dir).with_context(|| format!("list {}", dir.display()))?;
    // A file that was never finished is what was never sent.
    let names = names.into_iter().filter(|name| !name.ends_with(NEW_SUFFIX));
    let read = |name: String| {
        let path = dir.join(name);
        let bytes = read_whole(disk, &path, MOST_BYTES);
        let bytes = bytes.with_context(|| format!("read {}", path.display()))?;
        serde_json::from_slice(&bytes).with_context(|| {
            format!("{} is damaged: put it back from a copy of the folder", path.display())
        })
    };
    names.map(read).collect()
}
