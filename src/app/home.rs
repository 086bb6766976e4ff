//! Home Assistant: what it is told of the courts, and what is taken back once it is told no more.
//!
//! `watch` tends it four times a second. What the broker may retain for it stands in `{data_dir}/home.json`
//! *before* it is published, and goes from there once the broker has acknowledged that it was taken away: so
//! a box that is switched off, loses a court, or is restarted between leaves nothing in anybody's home that
//! is dead. The text of a clip's link is worked out here, since only here page and events meet.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::disk::{Disk, Format, read_json, take, write_sealed};
use crate::event::Envelope;
use crate::event::box_status::BoxStatus;
use crate::event::home::{HomeState, LastCall};
use crate::event::words::StreamCondition;
use crate::media::{BoxName, CourtId, Frame, Monotonic};
use crate::page;
use crate::uplink::{HomeBox, PICTURE_WIDTH, Uplink, discovery};

/// Its name in the data folder.
const HOME_FILE: &str = "home.json";
/// Some hundred bytes a court.
const MOST_BYTES: u64 = 1 << 20;
const FORMAT: u32 = Format::FIRST.format;
/// A picture is told at least so often while a camera plays …
const PICTURE_EVERY: Duration = Duration::from_secs(60);
/// … and after a call, but no more often than this (chosen: 40 KB each).
const PICTURE_AT_MOST: Duration = Duration::from_secs(5);
/// Events of before a start that are looked at for the latest call of each court.
const LOOKED_AT: usize = 200;

/// Whether it is told anything, and the latest calls. Clones are one.
#[derive(Clone, Default)]
pub(crate) struct HomeDesk(Arc<Shared>);

#[derive(Default)]
struct Shared {
    on: AtomicBool,
    page: Mutex<Option<String>>,
    calls: Mutex<BTreeMap<CourtId, LastCall>>,
}

impl HomeDesk {
    /// As it is configured.
    pub(crate) fn new(on: bool) -> Self {
        let home = Self::default();
        home.switch(on);
        home
    }

    /// From now on.
    pub(crate) fn switch(&self, on: bool) {
        self.0.on.store(on, Ordering::Release);
    }

    fn is_on(&self) -> bool {
        self.0.on.load(Ordering::Acquire)
    }

    /// An event is on disk; `message` is its envelope.
    pub(crate) fn hears(&self, court: &CourtId, message: &[u8]) {
        if !self.is_on() {
            return;
        }
        // Of a later version, perhaps: nothing that can be shown.
        let Ok(envelope) = serde_json::from_slice::<Envelope>(message) else { return };
        let call = LastCall::of(&envelope, self.0.page.lock().as_deref());
        let Some(call) = call else { return };
        let mut calls = self.0.calls.lock();
        if calls.get(court).is_none_or(|known| known.gives_way_to(&call)) {
            calls.insert(court.clone(), call);
        }
    }

    fn call(&self, court: &CourtId) -> Option<LastCall> {
        self.0.calls.lock().get(court).cloned()
    }
}

/// What `watch` tends.
pub(crate) struct HomeKeeper {
    home: HomeDesk,
    name: BoxName,
    listen: SocketAddr,
    tls: bool,
    uplink: Arc<Uplink>,
    disk: Arc<dyn Disk>,
    file: PathBuf,
    /// What the broker may retain, by its name below `state/` or its whole topic; as in the file.
    retained: BTreeSet<String>,
    /// What of it is being taken away.
    clearing: BTreeSet<String>,
    was_on: bool,
    /// Of each court: the call with which the last picture was told, and when.
    pictures: BTreeMap<CourtId, (Option<LastCall>, Monotonic)>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    retained: BTreeSet<String>,
}

/// What one look of `watch` has for it.
pub(crate) struct Look<'a> {
    pub(crate) now: Monotonic,
    pub(crate) status: &'a BoxStatus,
    pub(crate) picture: &'a (dyn Fn(&CourtId) -> Option<Arc<Frame>> + Send + Sync),
}

impl HomeKeeper {
    /// Reads what an earlier run left.
    pub(crate) fn new(
        home: HomeDesk,
        config: &Config,
        uplink: Arc<Uplink>,
        disk: Arc<dyn Disk>,
    ) -> Self {
        let file = config.appliance.data_dir.join(HOME_FILE);
        Self {
            home,
            name: config.appliance.name.clone(),
            listen: config.http.listen,
            tls: config.http.tls.is_some(),
            uplink,
            retained: read(&*disk, &file),
            disk,
            file,
            clearing: BTreeSet::new(),
            was_on: false,
            pictures: BTreeMap::new(),
        }
    }

    /// Tells what changed, takes back what is no more.
    pub(crate) async fn tend(&mut self, look: Look<'_>) {
        let on = self.home.is_on();
        if !on && !self.was_on && self.retained.is_empty() {
            return;
        }
        if on && !self.was_on {
            self.begins().await;
        }
        self.was_on = on;
        self.uplink.listen_to_home(on);
        let courts: Vec<CourtId> = match on {
            true => look.status.streams.keys().filter_map(|name| CourtId::new(name).ok()).collect(),
            false => Vec::new(),
        };
        let told = if on { self.told(&courts, look.status) } else { Vec::new() };
        let names = told.iter().map(|(what, _)| what.clone());
        let pictures = courts.iter().map(|court| format!("picture/{court}"));
        let names: BTreeSet<String> = names.chain(pictures).collect();
        // To disk first; what cannot be written is told all the same, and may stay behind then.
        if !names.is_subset(&self.retained) {
            self.retained.extend(names.iter().cloned());
            self.keep().await;
        }
        for (what, value) in &told {
            self.uplink.restore_state(what);
            match what.strip_prefix("homeassistant/") {
                Some(_) => self.uplink.set_discovery(what, value),
                // A court that goes at this moment takes it back again.
                None => drop(self.uplink.set_state(what, value)),
            }
        }
        self.take_back(&names).await;
        for court in &courts {
            self.show(court, &look).await;
        }
    }

    /// Is told again what was called last, and where the page is.
    async fn begins(&self) {
        let page = address(self.listen, self.tls);
        self.home.0.page.lock().clone_from(&page);
        let after = self.uplink.status().newest.saturating_sub(LOOKED_AT as u64);
        let mut calls = BTreeMap::<CourtId, LastCall>::new();
        for envelope in self.uplink.replay(None, after, LOOKED_AT).await {
            let Some(envelope) = envelope.envelope() else { continue };
            let court = envelope.source.rsplit('/').next().and_then(|name| CourtId::new(name).ok());
            let call = LastCall::of(&envelope, page.as_deref());
            let (Some(court), Some(call)) = (court, call) else { continue };
            if calls.get(&court).is_none_or(|known| known.gives_way_to(&call)) {
                calls.insert(court, call);
            }
        }
        let mut known = self.home.0.calls.lock();
        for (court, call) in calls {
            // What was called meanwhile is later.
            known.entry(court).or_insert(call);
        }
    }

    /// What is retained for it: each name and value.
    fn told(&self, courts: &[CourtId], status: &BoxStatus) -> Vec<(String, serde_json::Value)> {
        let page = self.home.0.page.lock().clone();
        let of = HomeBox {
            name: &self.name,
            version: env!("CARGO_PKG_VERSION"),
            courts,
            page: page.as_deref(),
        };
        let mut told = discovery(&of);
        for court in courts {
            let Some(stream) = status.streams.get(court.as_str()) else { continue };
            let none = || vec![0; stream.rims.len()];
            let (made, attempts) = match &stream.score {
                Some(score) => (score.made.clone(), score.attempts.clone()),
                None => (none(), none()),
            };
            let state = HomeState { made, attempts, last: self.home.call(court) };
            if let Ok(value) = serde_json::to_value(&state) {
                told.push((format!("home/{court}"), value));
            }
        }
        told
    }

    /// Has the broker forget what is not among `names` any more.
    async fn take_back(&mut self, names: &BTreeSet<String>) {
        let gone: Vec<String> = self.retained.difference(names).cloned().collect();
        self.clearing.retain(|what| !names.contains(what));
        for what in &gone {
            if self.clearing.insert(what.clone()) {
                self.uplink.clear_state(what);
            }
        }
        let cleared: Vec<String> =
            gone.into_iter().filter(|what| self.uplink.is_cleared(what)).collect();
        if cleared.is_empty() {
            return;
        }
        for what in &cleared {
            self.retained.remove(what);
            self.clearing.remove(what);
        }
        self.keep().await;
    }

    /// Tells a court's picture, where it is time.
    async fn show(&mut self, court: &CourtId, look: &Look<'_>) {
        let plays = look.status.streams.get(court.as_str());
        if plays.is_none_or(|told| told.stream.condition != StreamCondition::Live) {
            return;
        }
        let call = self.home.call(court);
        if let Some((told, at)) = self.pictures.get(court) {
            let since = look.now.since(*at);
            let is_news = *told != call && since >= PICTURE_AT_MOST;
            if !is_news && since < PICTURE_EVERY {
                return;
            }
        }
        let Some(frame) = (look.picture)(court) else { return };
        let drawn = tokio::task::spawn_blocking(move || page::jpeg(&frame, PICTURE_WIDTH)).await;
        if let Ok(Some(jpeg)) = drawn {
            self.uplink.restore_state(&format!("picture/{court}"));
            self.uplink.set_picture(court, jpeg);
            self.pictures.insert(court.clone(), (call, look.now));
        }
    }

    /// To disk, off the network's threads.
    async fn keep(&self) {
        let (disk, file) = (Arc::clone(&self.disk), self.file.clone());
        let retained = self.retained.clone();
        let written = tokio::task::spawn_blocking(move || write(&*disk, &file, retained)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "what Home Assistant was told is not kept: some of it may stay behind");
        }
    }
}

fn read(disk: &dyn Disk, file: &Path) -> BTreeSet<String> {
    // A file that cannot be read leaves something behind in a dashboard, at worst.
    let read = |bytes: &[u8]| read_json::<Kept>(bytes, Format::FIRST);
    take(disk, file, MOST_BYTES, read).is().map(|kept| kept.retained).unwrap_or_default()
}

/// Writes what may be retained, durably; nothing is no file.
fn write(disk: &dyn Disk, file: &Path, retained: BTreeSet<String>) -> io::Result<()> {
    if retained.is_empty() {
        return match disk.remove(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => disk.sync_dir(file.parent().unwrap_or(Path::new("."))),
        };
    }
    write_sealed(disk, file, serde_json::to_vec(&Kept { format: FORMAT, retained })?)
}

/// The address of the page, where others can reach it: none on loopback.
fn address(listen: SocketAddr, tls: bool) -> Option<String> {
    let ip = if listen.ip().is_unspecified() { own_address()? } else { listen.ip() };
    let scheme = if tls { "https" } else { "http" };
    (!ip.is_loopback()).then(|| format!("{scheme}://{}", SocketAddr::new(ip, listen.port())))
}

/// Of the network that the default route leads to: a socket that is connected and sends nothing knows. The
/// address that it is connected to is nobody's (RFC 5737).
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::ForgetfulDisk;

    #[test]
    fn a_page_that_others_cannot_reach_has_no_address() {
        for (listen, tls, expected) in [
            ("127.0.0.1:8080", false, None),
            ("[::1]:8080", true, None),
            ("10.0.0.7:8080", false, Some("http://10.0.0.7:8080")),
            ("[fd00::7]:8443", true, Some("https://[fd00::7]:8443")),
        ] {
            let address = address(listen.parse().expect("an address"), tls);
            assert_eq!(address.as_deref(), expected, "{listen}");
        }
    }

    #[test]
    fn what_may_be_retained_survives_and_nothing_is_no_file() {
        let disk = ForgetfulDisk::new();
        let file = Path::new("/data/home.json");
        disk.create_dir_all(Path::new("/data")).expect("made");
        let retained = BTreeSet::from(["home/a".to_owned()]);
        write(&disk, file, retained.clone()).expect("written");
        let after = disk.power_cut(1);
        assert_eq!(read(&after, file), retained);
        write(&after, file, BTreeSet::new()).expect("removed");
        assert!(after.names(Path::new("/data")).expect("listed").is_empty());
        assert_eq!(read(&after, file), BTreeSet::new());
    }
}
