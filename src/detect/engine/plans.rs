//! Engines that were built, kept on disk (pure): taken again only for the same key, and whole.
//!
//! ```text
//! courtside-engine 1 <key: 64 hex> <sha256 of what follows: 64 hex>\n<plan>
//! ```
//!
//! A plan is bytes that a library of a million lines makes objects of: one that is damaged, of another
//! network, version, driver or GPU never gets there.

use sha2::{Digest, Sha256};

use crate::detect::bundle::files::hex;

const NAME: &str = "courtside-engine 1";

/// All that a plan hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlanKey<'a> {
    /// The network's file, as it stands in the bundle.
    pub(crate) network: &'a [u8],
    /// `fp32`, `fp16` or `int8`.
    pub(crate) precision: &'a str,
    /// Looks at once.
    pub(crate) batch: usize,
    /// `tensorrt` or `tensorrt-rtx`.
    pub(crate) flavor: &'a str,
    /// Of the library, as it counts.
    pub(crate) version: i32,
    /// The driver's version of CUDA.
    pub(crate) driver: i32,
    /// Compute capability.
    pub(crate) capability: (i32, i32),
    /// The GPU's name: kernels are chosen by measuring on it.
    pub(crate) gpu: &'a str,
    /// A DLA core, if one is used.
    pub(crate) dla: Option<u32>,
}

impl PlanKey<'_> {
    fn digest(&self) -> String {
        let Self { network, precision, batch, flavor, version, driver, capability, gpu, dla } =
            self;
        let (major, minor) = capability;
        let mut hash = Sha256::new();
        hash.update(Sha256::digest(network));
        // No part holds a line's end, so no two keys are one text.
        let gpu = gpu.replace('\n', " ");
        hash.update(format!(
            "{precision}\n{batch}\n{flavor}\n{version}\n{driver}\n{major}.{minor}\n{gpu}\n{dla:?}\n"
        ));
        hex(&hash.finalize())
    }

    /// The name of the file: one a key, so that an engine that is of use again is there.
    pub(crate) fn file(&self) -> String {
        let digest = self.digest();
        format!("{}-{}-b{}.plan", self.flavor, digest.get(..16).unwrap_or(&digest), self.batch)
    }

    /// A file of `plan`.
    pub(crate) fn write(&self, plan: &[u8]) -> Vec<u8> {
        let (key, sum) = (self.digest(), hex(&Sha256::digest(plan)));
        let mut file = format!("{NAME} {key} {sum}\n").into_bytes();
        file.extend_from_slice(plan);
        file
    }

    /// The plan in `file`.
    ///
    /// # Errors
    /// Why it is not taken.
    pub(crate) fn read<'f>(&self, file: &'f [u8]) -> Result<&'f [u8], &'static str> {
        let end = file.iter().take(256).position(|byte| *byte == b'\n').ok_or("it is damaged")?;
        let (head, rest) = file.split_at(end);
        let plan = rest.get(1..).filter(|plan| !plan.is_empty()).ok_or("it is empty")?;
        if !head.starts_with(format!("{NAME} ").as_bytes()) {
            return Err("it is damaged, or of another version of courtside");
        }
        let (key, sum) = (self.digest(), hex(&Sha256::digest(plan)));
        if head == format!("{NAME} {key} {sum}").as_bytes() {
            return Ok(plan);
        }
        // Whole, but for another key: its last word is the sum of what follows.
        if head.ends_with(format!(" {sum}").as_bytes()) {
            Err("it is of another network, library, driver or GPU")
        } else {
            Err("it is damaged")
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: PlanKey<'_> = PlanKey {
        network: b"network",
        precision: "fp16",
        batch: 8,
        flavor: "tensorrt-rtx",
        version: 10_601,
        driver: 13_000,
        capability: (9, 0),
        gpu: "NVIDIA H200",
        dla: None,
    };

    #[test]
    fn a_plan_is_taken_for_its_own_key_alone() {
        let others = [
            PlanKey { network: b"network2", ..KEY },
            PlanKey { precision: "fp32", ..KEY },
            PlanKey { batch: 1, ..KEY },
            PlanKey { flavor: "tensorrt", ..KEY },
            PlanKey { version: 10_701, ..KEY },
            PlanKey { driver: 12_060, ..KEY },
            PlanKey { capability: (8, 7), ..KEY },
            PlanKey { gpu: "NVIDIA H100", ..KEY },
            PlanKey { dla: Some(0), ..KEY },
        ];
        let file = KEY.write(b"plan");
        assert_eq!(KEY.read(&file), Ok(b"plan".as_slice()));
        for other in others {
            assert_ne!(other.file(), KEY.file(), "{other:?}");
            let why = other.read(&file).expect_err("another");
            assert_eq!(why, "it is of another network, library, driver or GPU", "{other:?}");
        }
    }

    #[test]
    fn what_is_no_plan_is_said_why() {
        let empty = KEY.write(b"");
        let foreign = b"ftrt foreign engine without a header\n and more".as_slice();
        let older = String::from_utf8(KEY.write(b"plan")).expect("text");
        let older = older.replace("courtside-engine 1", "courtside-engine 0").into_bytes();
        for (file, said) in [
            (b"".as_slice(), "it is damaged"),
            (empty.as_slice(), "it is empty"),
            (foreign, "it is damaged, or of another version of courtside"),
            (older.as_slice(), "it is damaged, or of another version of courtside"),
        ] {
            assert_eq!(KEY.read(file), Err(said));
        }
    }

    proptest! {
        /// Whatever byte is another one, or is missing, the plan is not taken.
        #[test]
        fn a_damaged_file_is_never_taken(at in 0usize..240, flip in 1u8..=255, cut in any::<bool>()) {
            let mut file = KEY.write(&[7; 80]);
            let at = at % file.len();
            if cut {
                file.truncate(at);
            } else {
                file[at] ^= flip;
            }
            prop_assert!(KEY.read(&file).is_err());
        }
    }
}
