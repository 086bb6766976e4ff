//! Root's part by itself where a box is nearest to the brink: a full disk, programs that fail, a daemon that was taken
//! over.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::disk::{Disk, ForgetfulDisk, write_durably};
use crate::minisign::SecretKey;
use crate::update::keeper::Rules;
use crate::update::papers::{
    ASK, Ask, KEEPER, Kept, Phase, STATUS, Slot, Status, UPDATE_FORMAT, What, others, write,
};
use crate::update::root::{Looked, Machine, MachineError, Root, RootParts, SlotFacts, Slots};
use crate::update::work::bundle;

const DATA: &str = "/data/update";
const FOLDER: &str = "/data/courtside-update";

/// Writes down what it is asked for.
struct Asked {
    booted: Slot,
    other_good: bool,
    /// Does not do this one.
    refuses: &'static str,
    done: RefCell<Vec<&'static str>>,
}

impl Asked {
    fn of(booted: Slot) -> Self {
        Self { booted, other_good: true, refuses: "", done: RefCell::default() }
    }

    fn does(&self, what: &'static str) -> Result<(), MachineError> {
        self.done.borrow_mut().push(what);
        if what == self.refuses { Err(MachineError::Said("no".to_owned())) } else { Ok(()) }
    }
}

impl Machine for Asked {
    fn slots(&self) -> Result<Slots, MachineError> {
        let other = SlotFacts { good: self.other_good };
        Ok(Slots { compatible: "box".to_owned(), booted: self.booted, other })
    }

    fn install(&self, _bundle: &Path) -> Result<(), MachineError> {
        self.does("install")
    }

    fn mark_good(&self) -> Result<(), MachineError> {
        self.does("good")
    }

    fn activate_other(&self) -> Result<(), MachineError> {
        self.does("activate")
    }

    fn mark_bad(&self) -> Result<(), MachineError> {
        self.does("bad")
    }

    fn restart(&self) -> Result<(), MachineError> {
        self.does("restart")
    }
}

fn key() -> SecretKey {
    SecretKey::from_random([1; 8], [1; 32]).expect("a key")
}

fn disk_with(kept: Option<&Kept>) -> ForgetfulDisk {
    let disk = ForgetfulDisk::new();
    for folder in [DATA, FOLDER] {
        disk.create_dir_all(Path::new(folder)).expect("made");
    }
    if let Some(kept) = kept {
        write(&disk, &Path::new(FOLDER).join(KEEPER), kept).expect("written");
    }
    disk
}

fn root<'a>(disk: &ForgetfulDisk, machine: &'a Asked, boot: &str) -> Root<'a> {
    Root(RootParts {
        disk: Arc::new(disk.clone()),
        machine,
        theirs: DATA.into(),
        folder: FOLDER.into(),
        keys: vec![key().public()],
        version: "0.1.0".to_owned(),
        boot: boot.to_owned(),
        rules: Rules::usual(Duration::from_secs(1_800)),
        opens: &|_| Ok(()),
    })
}

fn kept(phase: Phase) -> Kept {
    Kept { n: 5, phase, told: true, from: Some(Slot::A), sha256: "ab".into(), ..Kept::default() }
}

fn is(disk: &ForgetfulDisk) -> Kept {
    others(disk, &Path::new(FOLDER).join(KEEPER)).expect("kept")
}

/// Puts a bundle and an ask for it, and says why it is refused.
fn refusal(disk: &ForgetfulDisk, ask: &Ask, bytes: &[u8]) -> String {
    let theirs = bundle(Path::new(DATA), &ask.sha256);
    write_durably(disk, &theirs, bytes).expect("written");
    write(disk, &Path::new(DATA).join(ASK), ask).expect("written");
    let machine = Asked::of(Slot::A);
    root(disk, &machine, "boot").serve().expect("told");
    assert_eq!(*machine.done.borrow(), [""; 0]);
    let status: Status = others(disk, &Path::new(FOLDER).join(STATUS)).expect("told");
    let names = disk.names(Path::new(FOLDER)).expect("listed");
    assert!(!names.iter().any(|name| name == "bundle.raucb"), "a copy stays: {names:?}");
    status.kept.refused.expect("refused").reason
}

fn ask(n: u64, bytes: &[u8]) -> Ask {
    let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let signature = key().sign(bytes, "courtside update 0.2.0 for box");
    let (format, size) = (UPDATE_FORMAT, bytes.len() as u64);
    Ask { format, n, what: What::Install, sha256, size, signature, broker: false }
}

#[test]
fn a_full_disk_costs_a_trusted_slot_no_tries() {
    let disk = disk_with(Some(&kept(Phase::Good)));
    disk.fill();
    let machine = Asked::of(Slot::B);
    assert_eq!(root(&disk, &machine, "boot").begin().expect("good"), Looked::Good);
    assert_eq!(*machine.done.borrow(), ["good"]);
}

#[test]
fn a_full_disk_does_not_keep_a_bad_image() {
    let disk = disk_with(Some(&kept(Phase::Armed)));
    disk.fill();
    let machine = Asked::of(Slot::B);
    let root = root(&disk, &machine, "boot");
    assert!(matches!(root.begin().expect("on trial"), Looked::Waits(_)));
    assert_eq!(root.look(Duration::from_secs(1_800)).expect("back"), Looked::Back);
    assert_eq!(*machine.done.borrow(), ["activate", "bad", "restart"]);
}

#[test]
fn a_start_counts_once_however_often_roots_part_begins() {
    let disk = disk_with(Some(&kept(Phase::Armed)));
    let machine = Asked::of(Slot::B);
    for _ in 0..9 {
        root(&disk, &machine, "one").begin().expect("on trial");
        root(&disk, &machine, "one").serve().expect("nothing is asked");
    }
    assert_eq!((is(&disk).phase, is(&disk).starts), (Phase::Trial, 1));
    root(&disk, &machine, "two").begin().expect("on trial");
    assert_eq!(is(&disk).starts, 2);
}

#[test]
fn an_old_ask_does_not_arm_again_what_the_firmware_went_back_from() {
    let disk = disk_with(Some(&kept(Phase::Armed)));
    let again = Ask { n: 5, what: What::Restart, sha256: "ab".into(), ..ask(5, b"x") };
    write(&disk, &Path::new(DATA).join(ASK), &again).expect("written");
    let machine = Asked::of(Slot::A);
    // Both units begin at the same moment: this one may be first.
    root(&disk, &machine, "boot").serve().expect("nothing to do");
    assert_eq!((is(&disk).phase, machine.done.borrow().len()), (Phase::FallenBack, 0));
}

#[test]
fn a_slot_on_trial_without_a_way_back_keeps_its_tries() {
    let disk = disk_with(Some(&kept(Phase::Armed)));
    let machine = Asked { other_good: false, ..Asked::of(Slot::B) };
    assert!(matches!(root(&disk, &machine, "boot").begin().expect("on trial"), Looked::Waits(_)));
    assert_eq!(*machine.done.borrow(), ["good"], "else three restarts leave the recovery kernel");
    assert_eq!(is(&disk).phase, Phase::Trial, "it is not called good for that");
}

#[test]
fn a_slot_that_cannot_be_marked_bad_is_gone_back_from_all_the_same() {
    let disk = disk_with(Some(&kept(Phase::GoingBack)));
    let machine = Asked { refuses: "bad", ..Asked::of(Slot::B) };
    assert_eq!(root(&disk, &machine, "boot").begin().expect("back"), Looked::Back);
    assert_eq!(*machine.done.borrow(), ["activate", "bad", "restart"]);
}

#[test]
fn who_takes_the_daemon_over_does_not_fill_the_disk_and_learns_no_file_of_roots() {
    let disk = disk_with(None);
    let long = Ask { size: 1 << 60, ..ask(1, b"x") };
    assert!(refusal(&disk, &long, b"x").contains("size"));
    assert!(refusal(&disk, &ask(2, b"x"), b"xy").contains("size"));
    let secret = refusal(&disk, &ask(3, b"a guess"), b"secret!");
    let sum: String = Sha256::digest(b"secret!").iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(secret.contains("sha256") && !secret.contains(&sum), "{secret}");
    disk.set_capacity(Some(64 << 20));
    assert!(refusal(&disk, &ask(4, b"y"), b"y").contains("no room"));
}
