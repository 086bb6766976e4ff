//! The ring as `app` sees it: opened, started, joined.
//!
//! Here its two threads begin and end. What they share is the `desk`; what others may ask while it
//! runs is the `shelf`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tracing::{error, info, warn};

use crate::clips::cutter::Cutter;
use crate::clips::deleting::Deletions;
use crate::clips::desk::{
    CourtProgress, Desk, DeskState, IDLE, MAX_COMMANDS, RingError, RingParts,
};
use crate::clips::files::Places;
use crate::clips::recover::{Recovered, Trust, recover};
use crate::clips::shelf::{RingStatus, Shelf};
use crate::clips::writer::Writer;
use crate::clock::come_first;
use crate::disk::{Ballast, DiskLock, make_folder, take_lock};
use crate::mailbox::{Bell, Mailbox, Rest, Tally, UnitMailbox, WhenFull};
use crate::media::CourtId;

/// The ring: its two threads and what they share.
pub struct Ring {
    desk: Arc<Desk>,
    writer: Option<Writer>,
    cutter: Option<Cutter>,
    threads: Vec<JoinHandle<()>>,
    _lock: Box<dyn DiskLock>,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("dir", &self.desk.places.dir).finish_non_exhaustive()
    }
}

impl Ring {
    /// Takes the directory, puts it in order, makes the ballast. Blocks; nothing is recorded yet.
    ///
    /// # Errors
    /// [`RingError`]; a disk too full for the ballast or for recording is no error.
    pub fn open(parts: RingParts) -> Result<Self, RingError> {
        let RingParts {
            settings,
            disk,
            clock,
            courts,
            orders,
            done,
            sink,
            news,
            wall,
            games,
            meters,
        } = parts;
        let places = Places::new(&settings.dir);
        make_folder(&*disk, &places.dir)
            .map_err(|source| RingError::Open { path: places.dir.clone(), source })?;
        let lock = take_lock(&*disk, &places.lock()).map_err(RingError::InUse)?;
        let Recovered { index, segments_log, clips_log, unremoved, news: newslog, lost } =
            recover(&disk, &places, clock.utc(), Trust::Lines)?;
        let deletions = Deletions::open(&disk, &places)?;
        let ballast = settings.ballast(&disk);
        let free = || {
            disk.free_bytes(&places.dir)
                .map_err(|source| RingError::Open { path: places.dir.clone(), source })
        };
        if free()? > settings.keep_free_bytes.saturating_add(settings.ballast_bytes)
            && let Err(error) = ballast.remake()
        {
            warn!(%error, "no room for the ballast");
        }
        let free = free()?;
        let held = index.bytes();
        let limits = settings.asked().that_fits(held, held, ballast.room_beside(free));
        if limits.quota < settings.quota_bytes && settings.share_percent == 100 {
            warn!(
                wanted = settings.quota_bytes,
                given = limits.quota,
                "the disk cannot hold ring.quota_bytes now: the ring takes what there is"
            );
        }
        let names = courts.iter().map(|(court, _)| court.clone());
        let state = DeskState {
            index,
            courts: names.map(|court| (court, CourtProgress::default())).collect(),
            limits,
            stopped: None,
            free_bytes: free,
            bytes_written: 0,
            bytes_encoded: 0,
            taken: Vec::new(),
            waiting: 0,
            lost: Vec::new(),
            splits: BTreeSet::new(),
            doomed: Vec::new(),
            unremoved,
            refused: BTreeMap::new(),
            unmade: lost.into(),
            evicted: 0,
            ended: BTreeMap::new(),
        };
        let desk = Arc::new(Desk {
            settings,
            places,
            disk,
            clock,
            orders,
            done,
            sink,
            news,
            wall,
            games,
            meters,
            state: Mutex::new(state),
            commands: Mailbox::new(MAX_COMMANDS, WhenFull::DropNewest, Tally::default()),
            arrivals: Mutex::default(),
            ending: AtomicBool::new(false),
            writer_bell: Bell::new(),
            cutter_bell: Bell::new(),
            ballast,
            held: AtomicU64::new(0),
            written: AtomicBool::new(false),
        });
        for (_, mailbox) in &courts {
            mailbox.attach(desk.writer_bell.clone());
        }
        for bell in [&desk.writer_bell, &desk.cutter_bell] {
            desk.clock.when_moved(Box::new(bell.waker()));
        }
        desk.orders.attach(desk.cutter_bell.waker());
        let writer = Writer::new(Arc::clone(&desk), courts, segments_log);
        let cutter = Cutter::new(Arc::clone(&desk), clips_log, newslog, deletions);
        let (writer, cutter) = (Some(writer), Some(cutter));
        Ok(Self { desk, writer, cutter, threads: Vec::new(), _lock: lock })
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// [`RingError::Thread`].
    pub fn start(&mut self) -> Result<(), RingError> {
        if let Some(mut writer) = self.writer.take() {
            let desk = Arc::clone(&self.desk);
            self.spawn("ring-writer", move || {
                come_first();
                loop {
                    let round = writer.pump();
                    if round.finished {
                        break;
                    }
                    if !round.more {
                        // Rung by every offer and close; the rest is time.
                        let _rung = desk.writer_bell.wait(round.wait);
                    }
                }
            })?;
        }
        if let Some(mut cutter) = self.cutter.take() {
            cutter.hash_aside();
            let desk = Arc::clone(&self.desk);
            self.spawn("ring-cutter", move || {
                while !cutter.pump().finished {
                    // Rung by requests, by fragments on disk and by the writer's end.
                    let _rung = desk.cutter_bell.wait(IDLE);
                }
            })?;
        }
        Ok(())
    }

    fn spawn(
        &mut self,
        name: &'static str,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), RingError> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        self.threads.push(thread.map_err(|source| RingError::Thread { name, source })?);
        Ok(())
    }

    /// Does on this thread what the threads would do now, until there is nothing left: for tests
    /// with a clock that stands still. Does nothing once started.
    pub fn pump(&mut self) {
        let (Some(writer), Some(cutter)) = (&mut self.writer, &mut self.cutter) else { return };
        loop {
            let round = writer.pump();
            if round.finished || !round.more {
                break;
            }
        }
        cutter.pump();
    }

    /// What the ring does.
    #[must_use]
    pub fn status(&self) -> RingStatus {
        RingStatus::of(&self.desk.state.lock())
    }

    /// What its threads share, for tests of their parts.
    #[cfg(test)]
    pub(crate) const fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// The entries of its clips, while it is not started.
    #[cfg(test)]
    pub(crate) const fn entries(&mut self) -> Option<&mut crate::clips::entries::Entries> {
        match &mut self.cutter {
            Some(cutter) => Some(&mut cutter.entries),
            None => None,
        }
    }

    /// Whether its threads rest, by their names.
    #[must_use]
    pub fn rests(&self) -> [(&'static str, Rest); 2] {
        let (writer, cutter) = (&self.desk.writer_bell, &self.desk.cutter_bell);
        [("ring-writer", writer.rest().clone()), ("ring-cutter", cutter.rest().clone())]
    }

    /// Room that is given up when an outbox commit meets ENOSPC (R9).
    #[must_use]
    pub fn ballast(&self) -> Ballast {
        self.desk.ballast.clone()
    }

    /// Takes in courts while it runs.
    #[must_use]
    pub fn recorders(&self) -> Recorders {
        Recorders(Arc::clone(&self.desk))
    }

    /// What others may ask of the clips, for as long as they like.
    #[must_use]
    pub fn shelf(&self) -> Shelf {
        Shelf::of_desk(Arc::clone(&self.desk))
    }

    /// Runs dry after the mailboxes were closed: writes what waits, closes fragments, cuts the
    /// clips that can be cut. Blocks.
    pub fn join(mut self) -> RingStatus {
        self.desk.ending.store(true, Ordering::Release);
        if self.writer.is_some() {
            if let (Some(mut writer), Some(mut cutter)) = (self.writer.take(), self.cutter.take()) {
                while !writer.pump().finished {
                    // Rung by the close, if it is still to come.
                    let _rung = self.desk.writer_bell.wait(IDLE);
                }
                cutter.pump();
            }
            return self.status();
        }
        self.desk.writer_bell.ring();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                error!("a thread of the ring panicked");
            }
        }
        let status = self.status();
        info!(written = status.bytes_written, encoded = status.bytes_encoded, "ring closed");
        status
    }
}

/// Takes in courts while the ring runs. A court goes when its mailbox is closed and empty.
#[derive(Clone)]
pub struct Recorders(Arc<Desk>);

impl std::fmt::Debug for Recorders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorders").finish_non_exhaustive()
    }
}

impl Recorders {
    /// Records what comes through `units` as that of `court`, from now on.
    pub fn open_court(&self, court: CourtId, units: UnitMailbox) {
        units.attach(self.0.writer_bell.clone());
        self.0.state.lock().courts.entry(court.clone()).or_default();
        self.0.arrivals.lock().push((court, units));
        self.0.writer_bell.ring();
    }
}
