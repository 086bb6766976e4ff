//! What the machine under a box calls itself, for the person who decides on its claim. Blocking: reads files of
//! the system's.
//!
//! All of it is what somebody else wrote there, so it is `Foreign` and bounded, and nothing is decided by it. Who is
//! told apart by it is told by a hash of the machine's id, since that id is nobody's business (machine-id(5)).

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::disk::{Disk, read_regular};
use crate::media::Foreign;

/// Boards with a device tree: `NVIDIA Jetson Orin Nano Developer Kit`.
const DEVICE_TREE: &str = "sys/firmware/devicetree/base/model";
/// PCs: the maker, and what it calls the machine.
const DMI: [&str; 2] = ["sys/class/dmi/id/sys_vendor", "sys/class/dmi/id/product_name"];
/// A folder a GPU, with a file that names it; of NVIDIA's driver for PCs.
const GPUS: &str = "proc/driver/nvidia/gpus";
/// Made at the first start of every Linux.
const MACHINE_ID: &str = "etc/machine-id";
/// A page of sysfs.
const FILE_MOST_BYTES: u64 = 4096;
/// GPUs that are named (chosen: a person reads it).
const GPUS_MOST: usize = 2;
/// Hexadecimal digits of the hash.
const DIGITS: usize = 8;

/// What makers write where they write nothing.
const NOTHING: [&str; 5] =
    ["", "Default string", "System Product Name", "System manufacturer", "To Be Filled By O.E.M."];

/// `NVIDIA Jetson Orin Nano Developer Kit, aarch64, machine 1f2e3d4c`, of the files below `root`.
#[must_use]
pub fn describe(disk: &dyn Disk, root: &Path) -> Foreign {
    let board = line(&root.join(DEVICE_TREE));
    let dmi = || {
        let parts: Vec<String> =
            DMI.iter().filter_map(|file| line(&root.join(file))).map(|it| it.to_string()).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    };
    let model = board.map(|board| board.to_string()).or_else(dmi);
    let mut parts = vec![model.unwrap_or_else(|| "a machine without a name".to_owned())];
    parts.push(std::env::consts::ARCH.to_owned());
    parts.extend(gpus(disk, &root.join(GPUS)));
    if let Some(id) = line(&root.join(MACHINE_ID)) {
        let hash = Sha256::digest(format!("courtside hardware {id}"));
        let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        parts.push(format!("machine {}", digits.get(..DIGITS).unwrap_or_default()));
    }
    Foreign::text(parts.join(", "))
}

/// The names of the GPUs, as the driver has them.
fn gpus(disk: &dyn Disk, dir: &Path) -> Vec<String> {
    let entries = disk.list(dir).unwrap_or_default();
    let mut found: Vec<String> = entries
        .iter()
        .filter_map(|entry| {
            let file = dir.join(&entry.name).join("information");
            let bytes = read_regular(&file, FILE_MOST_BYTES).ok()?;
            let model = bytes.split(|c| *c == b'\n').find_map(|it| it.strip_prefix(b"Model:"))?;
            let model = Foreign::name(String::from_utf8_lossy(model).trim());
            Some(format!("GPU {model}"))
        })
        .collect();
    // In whatever order the folder has them.
    found.sort();
    found.truncate(GPUS_MOST);
    found
}

/// At most 80 characters of a file's first line, where it says anything.
fn line(path: &Path) -> Option<Foreign> {
    let bytes = read_regular(path, FILE_MOST_BYTES).ok()?;
    // The device tree ends its texts with a zero.
    let end = bytes.iter().position(|c| matches!(c, 0 | b'\n' | b'\r')).unwrap_or(bytes.len());
    let first = bytes.get(..end).unwrap_or_default();
    let text = Foreign::name(String::from_utf8_lossy(first).trim());
    (!NOTHING.contains(&text.as_str())).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::env::consts::ARCH;

    use super::*;
    use crate::disk::{RealDisk, write_durably};

    #[test]
    fn a_machine_is_told_by_its_maker_its_gpu_and_a_hash_and_nobody_writes_a_page_into_it() {
        let root = tempfile::tempdir().expect("a folder");
        let disk = RealDisk::new();
        let put = |file: &str, text: &str| {
            let path = root.path().join(file);
            disk.create_dir_all(path.parent().expect("a folder")).expect("made");
            write_durably(&disk, &path, text.as_bytes()).expect("written");
        };
        let told = || describe(&disk, root.path()).to_string();
        assert_eq!(told(), format!("a machine without a name, {ARCH}"));
        put(DMI[0], "Default string\n");
        put(DMI[1], "NUC11PAHi5\n");
        put(MACHINE_ID, "0123456789abcdef0123456789abcdef\n");
        let of_pc = told();
        assert!(of_pc.starts_with(&format!("NUC11PAHi5, {ARCH}, machine ")), "{of_pc}");
        assert!(!of_pc.contains("01234567"), "{of_pc}");
        put("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t NVIDIA T4\nIRQ: 1\n");
        assert!(told().contains(", GPU NVIDIA T4, machine "), "{}", told());
        put(DEVICE_TREE, &format!("A board\u{202e}{}\0", "x".repeat(3_000)));
        let of_board = told();
        assert!(of_board.starts_with("A board\\u{202e}xxx"), "{of_board}");
        assert!(of_board.chars().count() < 250, "{of_board}");
    }
}
