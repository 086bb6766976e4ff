//! Looks once a second at every court whether its camera still stands where the rims were drawn.
//!
//! One thread for all courts, of low priority, behind a hop of one frame a court that loses the
//! oldest (DESIGN §2): it delays no live model and no decoder. What it thinks is told in
//! [`Lookout::moved`] and in the log; nothing is called, or not called, for it.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tracing::{debug, info, warn};

use crate::detect::ring::bump::{Bump, Change};
use crate::detect::ring::finder::Finder;
use crate::mailbox::{FrameItem, FrameMailbox, Ledger, Take};
use crate::media::{CloseReason, CourtId, CourtRims, Frame, MediaTime, RimBox, SessionId};

/// The hop's name in the ledger.
const HOP: &str = "finder";
/// Stream time between two looks at a court.
const EVERY_NS: i64 = 1_000_000_000;
/// How long a wait for a frame is; only bounds how late a lost wake-up would be noticed.
const WAIT: Duration = Duration::from_secs(1);
/// How far the thread stands back from all others of the process.
const NICE: i32 = 10;
/// Looks in a row that fail, after which it gives up.
const MAX_FAILURES: u32 = 10;

/// A camera that has moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moved {
    /// Index of the rim whose ring is elsewhere.
    pub rim: usize,
    /// Where its ring is now, pixels of the pictures that come.
    pub now: RimBox,
    /// Where it was drawn, in the same pixels.
    pub drawn: RimBox,
}

impl Moved {
    /// What is seen and what to do, for a technician at `court`.
    #[must_use]
    pub fn text(&self, court: &CourtId) -> String {
        format!(
            "The camera of court {court} has moved: the ring of rim {} is now at {}, it was drawn \
             at {}. Put the camera back, or run `courtside aim --court {court}` and paste what it \
             prints; calls cannot be relied on until then.",
            self.rim, self.now, self.drawn
        )
    }
}

/// The thread that looks, and what it thinks.
#[derive(Debug)]
pub struct Lookout {
    frames: FrameMailbox,
    // Decoders of several courts meet here, for a comparison.
    gates: Mutex<BTreeMap<CourtId, Gate>>,
    moved: Arc<Mutex<BTreeMap<CourtId, Moved>>>,
}

/// Lets one frame a second pass.
#[derive(Clone, Copy, Debug, Default)]
struct Gate {
    last: Option<(SessionId, MediaTime)>,
}

impl Gate {
    fn passes(&mut self, session: SessionId, pts: MediaTime) -> bool {
        let waits = self.last.is_some_and(|(known, last)| {
            known == session && (0..EVERY_NS).contains(&pts.nanos_since(last))
        });
        if !waits {
            self.last = Some((session, pts));
        }
        !waits
    }
}

impl Lookout {
    /// Starts to look at those of `courts` that have rims.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(finder: Finder, courts: &[CourtRims], ledger: &Ledger) -> io::Result<Self> {
        let courts: Vec<Watched> =
            courts.iter().filter(|court| !court.rims.is_empty()).map(Watched::new).collect();
        let ids: Vec<CourtId> = courts.iter().map(|court| court.drawn.court.clone()).collect();
        let frames = FrameMailbox::new(&ids, 1, |court| ledger.hop(court.as_str(), HOP));
        let moved = Arc::<Mutex<BTreeMap<CourtId, Moved>>>::default();
        let looker = Looker {
            finder,
            courts,
            frames: frames.clone(),
            moved: Arc::clone(&moved),
            failures: 0,
        };
        drop(std::thread::Builder::new().name(HOP.to_owned()).spawn(move || looker.run())?);
        let gates = ids.into_iter().map(|court| (court, Gate::default())).collect();
        Ok(Self { frames, gates: Mutex::new(gates), moved })
    }

    /// Shows it a frame; it takes one a second. Never waits.
    pub fn frame(&self, frame: &Arc<Frame>) {
        let passes = match self.gates.lock().get_mut(&frame.court) {
            Some(gate) => gate.passes(frame.session, frame.pts),
            None => return,
        };
        if passes {
            // What it was too slow for is counted by the hop.
            drop(self.frames.offer(Arc::clone(frame)));
        } else {
            self.frames.strided(&frame.court);
        }
    }

    /// Says that no more frames of `session` come. What is thought of the camera stays: it may
    /// have been moved while its cable was out.
    pub fn session_closed(&self, court: &CourtId, session: SessionId, reason: CloseReason) {
        if self.gates.lock().contains_key(court) {
            self.frames.session_closed(court, session, reason);
        }
    }

    /// The camera of `court` has moved.
    #[must_use]
    pub fn moved(&self, court: &CourtId) -> Option<Moved> {
        self.moved.lock().get(court).copied()
    }

    /// True of the hop by which it gets its frames: what it misses is no lost picture.
    #[must_use]
    pub fn is_hop(name: &str) -> bool {
        name == HOP
    }

    /// Ends it after the look at hand, and does not wait for that: on a busy machine a thread that
    /// stands back from all others would hold up the end of the daemon.
    pub fn close(&self) {
        self.frames.close();
    }
}

/// One court, as it is looked at.
struct Watched {
    drawn: CourtRims,
    placed: Option<((u32, u32), Vec<RimBox>, Bump)>,
}

impl Watched {
    fn new(court: &CourtRims) -> Self {
        Self { drawn: court.clone(), placed: None }
    }

    /// The rims and the looks for pictures of this size; `None` where the rims cannot be placed.
    fn for_picture(&mut self, picture: (u32, u32)) -> Option<(&[RimBox], &mut Bump)> {
        if self.placed.as_ref().is_none_or(|(known, _, _)| *known != picture) {
            self.drawn.rims_of.get_or_insert(picture);
            let rims = self.drawn.in_picture(picture).ok()?;
            let bump = Bump::new(&rims);
            self.placed = Some((picture, rims, bump));
        }
        self.placed.as_mut().map(|(_, rims, bump)| (rims.as_slice(), bump))
    }
}

struct Looker {
    finder: Finder,
    courts: Vec<Watched>,
    frames: FrameMailbox,
    moved: Arc<Mutex<BTreeMap<CourtId, Moved>>>,
    failures: u32,
}

impl Looker {
    fn run(mut self) {
        // Linux: of this thread alone. Without it the thread is as good as any.
        let _ = rustix::process::nice(NICE);
        loop {
            // Woken by a frame, the end of a session, or the close of the hop.
            let frame = match self.frames.take(WAIT) {
                Take::Item(FrameItem::Frame(frame)) => frame,
                Take::Item(FrameItem::SessionClosed { .. }) | Take::TimedOut => continue,
                Take::Closed => return,
            };
            if self.failures >= MAX_FAILURES {
                // The hop is still emptied, so that frames go back to their pools.
                continue;
            }
            let looker = &mut self;
            let looked = catch_unwind(AssertUnwindSafe(|| looker.look(&frame)));
            match looked.unwrap_or_else(|_| Err("it panicked".to_owned())) {
                Ok(()) => self.failures = 0,
                Err(problem) => self.failed(&frame.court, &problem),
            }
        }
    }

    fn failed(&mut self, court: &CourtId, problem: &str) {
        self.failures += 1;
        debug!(%court, problem, "a look for the ring failed");
        if self.failures == MAX_FAILURES {
            warn!(%court, problem, "nobody looks any more whether cameras were moved");
            self.moved.lock().clear();
        }
    }

    fn look(&mut self, frame: &Frame) -> Result<(), String> {
        let known = self.courts.iter_mut().find(|court| court.drawn.court == frame.court);
        let Some((rims, bump)) =
            known.and_then(|court| court.for_picture((frame.width, frame.height)))
        else {
            return Ok(());
        };
        let rings = self.finder.find(frame).map_err(|error| error.to_string())?;
        let boxes: Vec<RimBox> = rings.iter().map(|ring| ring.rim).collect();
        let changes = bump.look(&boxes);
        let moved = bump.moved().and_then(|(rim, now)| {
            let drawn = *rims.get(rim)?;
            Some(Moved { rim, now, drawn })
        });
        let court = &frame.court;
        tracing::trace!(%court, rings = boxes.len(), "looked for the ring");
        for change in changes {
            match change {
                Change::Moved { rim, now } => {
                    warn!(%court, rim, %now, "the camera has moved: run `courtside aim`");
                }
                Change::Back { rim } => info!(%court, rim, "the camera stands as it was drawn"),
            }
        }
        let mut told = self.moved.lock();
        match moved {
            Some(moved) => drop(told.insert(court.clone(), moved)),
            None => drop(told.remove(court)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_frame_a_second_passes() {
        let mut gate = Gate::default();
        let (one, two) = (SessionId::from_bits(1), SessionId::from_bits(2));
        let at = |tenths: i64| MediaTime::from_nanos(tenths * 100_000_000);
        let passed: Vec<i64> = (0..35).filter(|tenths| gate.passes(one, at(*tenths))).collect();
        assert_eq!(passed, [0, 10, 20, 30]);
        // Another run of timestamps, and time that goes back, begin anew.
        assert!(gate.passes(two, at(31)));
        assert!(!gate.passes(two, at(32)));
        assert!(gate.passes(two, at(5)));
    }

    #[test]
    fn a_moved_camera_is_told_with_what_to_do() {
        let now = RimBox { x: 630.2, y: 199.7, w: 40.0, h: 16.0 };
        let drawn = RimBox { x: 600.0, ..now };
        let court = CourtId::new("north").expect("name");
        let text = Moved { rim: 0, now, drawn }.text(&court);
        assert!(text.contains("now at [630, 200, 40, 16], it was drawn at [600, 200, 40, 16]"));
        assert!(text.contains("courtside aim --court north"), "{text}");
    }
}
