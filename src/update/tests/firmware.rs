//! RAUC, the firmware and what lies in the slots, simulated.
//!
//! The firmware is `ValidateRootfsStatus` of edk2-nvidia's `L4TRootfsValidation.c`: the status of a slot is a variable
//! and stays; its tries lie in a register that a power cut clears, and are made anew of the status; each start costs
//! one; without tries a slot is unbootable for good, and the other one is started; if that has none, the recovery
//! kernel. RAUC is its `install.c`: the target is marked bad before it is written, and left so.

use std::io;
use std::path::Path;

use parking_lot::Mutex;

use crate::disk::{Disk as _, ForgetfulDisk, read_whole};
use crate::update::papers::Slot;
use crate::update::root::{Machine, MachineError, SlotFacts, Slots};

/// What is in a bundle, beside its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Image {
    /// It works.
    Good,
    /// Its kernel stands still: the watchdog resets the box.
    NoKernel,
    /// Its daemon never comes up.
    NoDaemon,
    /// Its decoder or its model does not work.
    NoClip,
    /// It cannot open the outbox.
    NoOutbox,
    /// It does not reach the broker.
    NoBroker,
    /// It works, and is older than what runs.
    Older,
}

impl Image {
    pub(super) const ALL: &'static [Self] = &[
        Self::Good,
        Self::NoKernel,
        Self::NoDaemon,
        Self::NoClip,
        Self::NoOutbox,
        Self::NoBroker,
        Self::Older,
    ];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::NoKernel => "no kernel",
            Self::NoDaemon => "no daemon",
            Self::NoClip => "no clip",
            Self::NoOutbox => "no outbox",
            Self::NoBroker => "no broker",
            Self::Older => "older",
        }
    }
}

/// What lies in a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Whole { version: String, image: Image },
    Half,
}

/// How RAUC behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rauc {
    AsItIs,
    /// The slot is what is started next before it is written: the control.
    ActivatesFirst,
}

const TRIES: u8 = 3;

/// How the box went down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Down {
    Power,
    Warm,
}

/// The machine without its disk.
pub(super) struct World {
    pub(super) slots: [Content; 2],
    current: usize,
    next: Option<usize>,
    normal: [bool; 2],
    register: Option<[u8; 2]>,
    booted: usize,
    operations: u64,
    stop_at: Option<u64>,
    stopped: bool,
    pub(super) restarts: bool,
    /// Slots whose image was found good, rightly.
    trusted: [bool; 2],
    /// Slots whose image has shown all that it must, in truth.
    shown: [bool; 2],
    /// What went wrong that must never.
    pub(super) wrong: Option<String>,
}

/// See the module.
pub(super) struct Simulated {
    pub(super) world: Mutex<World>,
    pub(super) disk: Mutex<ForgetfulDisk>,
    rauc: Rauc,
}

const fn at(slot: usize) -> Slot {
    if slot == 0 { Slot::A } else { Slot::B }
}

impl Simulated {
    pub(super) fn new(rauc: Rauc) -> Self {
        let first = Content::Whole { version: "0.1.0".to_owned(), image: Image::Good };
        let empty = Content::Half;
        let world = World {
            slots: [first, empty],
            current: 0,
            next: None,
            // As flashed: the firmware believes in both.
            normal: [true, true],
            register: None,
            booted: 0,
            operations: 0,
            stop_at: None,
            stopped: false,
            restarts: false,
            trusted: [true, false],
            shown: [false, false],
            wrong: None,
        };
        let disk = ForgetfulDisk::new();
        // As systemd makes it for root's units.
        disk.create_dir_all(Path::new("/data/courtside-update")).expect("made");
        Self { world: Mutex::new(world), disk: Mutex::new(disk), rauc }
    }

    /// The power is cut at the program's n-th operation from now on.
    pub(super) fn stop_in(&self, operations: u64) {
        let mut world = self.world.lock();
        world.stop_at = Some(world.operations + operations);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.world.lock().stopped || self.disk.lock().is_stopped()
    }

    /// The box goes down; what was not synced is lost. What the firmware starts then, or `None`: the recovery kernel.
    pub(super) fn start(&self, down: Down, seed: u64) -> Option<(Slot, Content)> {
        let after = self.disk.lock().power_cut(seed);
        *self.disk.lock() = after;
        let mut world = self.world.lock();
        (world.stop_at, world.stopped, world.restarts) = (None, false, false);
        if down == Down::Power {
            world.register = None;
        }
        let slot = world.boot()?;
        world.booted = slot;
        let content = world.slots[slot].clone();
        if content == Content::Half {
            world.wrong = Some(format!("slot {} was started half-written", at(slot).word()));
        }
        Some((at(slot), content))
    }

    fn operation(&self) -> Result<(), MachineError> {
        let mut world = self.world.lock();
        world.operations += 1;
        if world.stop_at.is_some_and(|at| world.operations > at) {
            world.stopped = true;
            let disk = self.disk.lock();
            disk.stop_after(disk.operations());
        }
        if world.stopped || self.disk.lock().is_stopped() {
            let source = io::Error::other("the power is cut");
            return Err(MachineError::Unasked { what: "rauc".to_owned(), source });
        }
        Ok(())
    }
}

impl World {
    /// The image that runs shows in this start what it shows.
    pub(super) fn shows(&mut self, all: bool) {
        let slot = self.booted;
        self.shown[slot] |= all;
    }

    fn boot(&mut self) -> Option<usize> {
        loop {
            self.current = self.next.take().unwrap_or(self.current);
            let normal = self.normal;
            let tries = |slot: usize| if normal[slot] { TRIES } else { 0 };
            let register = self.register.get_or_insert([tries(0), tries(1)]);
            if normal == [false, false] {
                return None;
            }
            let (now, other) = (self.current, 1 - self.current);
            if register[now] > 0 {
                register[now] -= 1;
                return Some(now);
            }
            self.normal[now] = false;
            if register[other] == 0 {
                self.normal[other] = false;
                return None;
            }
            // The boot chain is switched and the box reset, with a register that is made anew.
            (self.next, self.register) = (Some(other), None);
        }
    }
}

impl Machine for Simulated {
    fn slots(&self) -> Result<Slots, MachineError> {
        let world = self.world.lock();
        let other = SlotFacts { good: world.normal[1 - world.booted] };
        Ok(Slots { compatible: "box".to_owned(), booted: at(world.booted), other })
    }

    fn install(&self, bundle: &Path) -> Result<(), MachineError> {
        let disk = self.disk.lock().clone();
        let text = read_whole(&disk, bundle, 4_096).map_err(|error| MachineError::Unasked {
            what: "read the bundle".to_owned(),
            source: error,
        })?;
        let text = String::from_utf8(text).expect("a bundle of ours");
        let (version, word) = text.split_once('|').expect("a bundle of ours");
        let word = word.trim();
        let image = Image::ALL.iter().find(|image| image.word() == word).expect("one of ours");
        let target = 1 - self.world.lock().booted;
        self.operation()?;
        match self.rauc {
            Rauc::AsItIs => self.world.lock().normal[target] = false,
            Rauc::ActivatesFirst => self.world.lock().next = Some(target),
        }
        for _ in 0..3 {
            self.operation()?;
            let mut world = self.world.lock();
            world.slots[target] = Content::Half;
            world.trusted[target] = false;
            world.shown[target] = false;
        }
        self.operation()?;
        let version = version.to_owned();
        self.world.lock().slots[target] = Content::Whole { version, image: *image };
        Ok(())
    }

    fn mark_good(&self) -> Result<(), MachineError> {
        self.operation()?;
        let mut world = self.world.lock();
        let slot = world.booted;
        if world.slots[slot] == Content::Half {
            world.wrong = Some("a half-written slot was marked good".to_owned());
        }
        if !world.trusted[slot] && !world.shown[slot] {
            world.wrong = Some("a slot was marked good that had not shown all".to_owned());
        }
        world.trusted[slot] = true;
        world.normal[slot] = true;
        if let Some(register) = &mut world.register {
            register[slot] = TRIES;
        }
        Ok(())
    }

    fn activate_other(&self) -> Result<(), MachineError> {
        let other = 1 - self.world.lock().booted;
        self.operation()?;
        self.world.lock().normal[other] = true;
        self.operation()?;
        self.world.lock().next = Some(other);
        Ok(())
    }

    fn mark_bad(&self) -> Result<(), MachineError> {
        self.operation()?;
        let mut world = self.world.lock();
        let slot = world.booted;
        world.normal[slot] = false;
        Ok(())
    }

    fn restart(&self) -> Result<(), MachineError> {
        self.operation()?;
        self.world.lock().restarts = true;
        Ok(())
    }
}
