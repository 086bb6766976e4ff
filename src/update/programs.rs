//! The programs that root's part runs: `rauc`, and `systemctl reboot`. Argument vectors, no shell.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;

use crate::media::{Foreign, ForeignKind};
use crate::update::papers::Slot;
use crate::update::root::{Machine, MachineError, SlotFacts, Slots};

/// See the module.
#[derive(Clone, Debug)]
pub struct Programs {
    /// RAUC's.
    pub rauc: PathBuf,
    /// What restarts the box.
    pub systemctl: PathBuf,
}

impl Default for Programs {
    fn default() -> Self {
        Self { rauc: "/usr/bin/rauc".into(), systemctl: "/usr/bin/systemctl".into() }
    }
}

impl Programs {
    fn run(program: &Path, arguments: &[&str]) -> Result<Vec<u8>, MachineError> {
        let ran = Command::new(program).args(arguments).stdin(Stdio::null()).output();
        let out = ran.map_err(|source| MachineError::Unasked {
            what: format!("run {}", program.display()),
            source,
        })?;
        if out.status.success() {
            return Ok(out.stdout);
        }
        // What went wrong stands at its end.
        let lines = out.stderr.split(|byte| *byte == b'\n');
        let last = lines.rev().find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
        let said = Foreign::bytes(ForeignKind::Text, last);
        let (name, what) = (program.display(), arguments.first().copied().unwrap_or_default());
        Err(MachineError::Said(format!("{name} {what} says: {said} ({})", out.status)))
    }

    fn rauc(&self, arguments: &[&str]) -> Result<Vec<u8>, MachineError> {
        Self::run(&self.rauc, arguments)
    }
}

#[derive(Deserialize)]
struct Said {
    compatible: String,
    booted: Slot,
    slots: Vec<serde_json::Map<String, Value>>,
}

/// Reads what `rauc status` says of the two slots that can be started.
fn read(json: &[u8]) -> Result<Slots, MachineError> {
    let wrong = |what: &str| MachineError::Said(format!("rauc status: {what}"));
    let said: Said = serde_json::from_slice(json).map_err(|error| {
        wrong(&format!("it is not read ({error}): this machine has no slots A and B"))
    })?;
    let other = said.booted.other().word();
    let mut slots = said.slots.iter().flat_map(serde_json::Map::values);
    let other = slots
        .find(|slot| slot["bootname"] == other)
        .ok_or_else(|| wrong("it knows no other slot to start from"))?;
    let good = other["boot_status"] == "good";
    Ok(Slots { compatible: said.compatible, booted: said.booted, other: SlotFacts { good } })
}

impl Machine for Programs {
    fn slots(&self) -> Result<Slots, MachineError> {
        read(&self.rauc(&["status", "--detailed", "--output-format=json"])?)
    }

    fn install(&self, bundle: &Path) -> Result<(), MachineError> {
        let path = bundle.to_str().ok_or_else(|| MachineError::Unasked {
            what: format!("name {}", bundle.display()),
            source: io::ErrorKind::InvalidFilename.into(),
        })?;
        self.rauc(&["install", path]).map(drop)
    }

    fn mark_good(&self) -> Result<(), MachineError> {
        self.rauc(&["status", "mark-good", "booted"]).map(drop)
    }

    fn activate_other(&self) -> Result<(), MachineError> {
        self.rauc(&["status", "mark-active", "other"]).map(drop)
    }

    fn mark_bad(&self) -> Result<(), MachineError> {
        self.rauc(&["status", "mark-bad", "booted"]).map(drop)
    }

    fn restart(&self) -> Result<(), MachineError> {
        Self::run(&self.systemctl, &["reboot"]).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As RAUC's `main.c` writes it (`status --detailed --output-format=json`).
    const STATUS: &str = r#"{"compatible":"courtside-jetson","variant":"","booted":"A","boot_primary":"rootfs.0",
        "slots":[
        {"rootfs.1":{"class":"rootfs","device":"/dev/disk/by-partlabel/APP_b","type":"ext4","bootname":"B",
         "state":"inactive","parent":null,"mountpoint":null,"boot_status":"bad"}},
        {"rootfs.0":{"class":"rootfs","device":"/dev/disk/by-partlabel/APP","type":"ext4","bootname":"A",
         "state":"booted","parent":null,"mountpoint":"/","boot_status":"good"}}]}"#;

    #[test]
    fn what_rauc_says_of_its_slots_is_read() {
        let compatible = "courtside-jetson".to_owned();
        let expected = Slots { compatible, booted: Slot::A, other: SlotFacts { good: false } };
        assert_eq!(read(STATUS.as_bytes()).expect("read"), expected);
        let good = STATUS.replace("\"bad\"", "\"good\"");
        assert!(read(good.as_bytes()).expect("read").other.good);
        let b = STATUS.replace("\"booted\":\"A\"", "\"booted\":\"B\"");
        assert_eq!(read(b.as_bytes()).expect("read").booted, Slot::B);
        for none in [
            "",
            "{}",
            &STATUS.replace("\"booted\":\"A\"", "\"booted\":\"C\""),
            &STATUS.replace("\"bootname\":\"B\"", "\"bootname\":\"C\""),
        ] {
            assert!(matches!(read(none.as_bytes()), Err(MachineError::Said(_))), "{none}");
        }
    }

    #[test]
    fn a_program_that_says_no_is_told_with_its_last_words() {
        let shell = Path::new("/bin/sh");
        let said = Programs::run(shell, &["-c", "echo first >&2; echo 'no such slot' >&2; exit 3"]);
        let said = said.expect_err("it says no").to_string();
        assert!(said.contains("no such slot") && said.contains('3'), "{said}");
        let none = Programs::run(Path::new("/no/such"), &[]).expect_err("not there");
        assert!(matches!(none, MachineError::Unasked { .. }));
    }
}
