//! Which of a bundle's files an engine runs, by what it computes with and where (pure).
//!
//! A bundle has a file for each precision, and may have another one for GPUs (`device = "cuda"`). An engine
//! runs the one of the precision that was asked for. Where it is known not to run that on this device, it runs
//! the next one that is more exact, never one that is less, and says so; where there is none, it is passed
//! over and says why. What is known:
//!
//! | engine | where | FP32 | FP16 | INT8 (QDQ) |
//! | --- | --- | --- | --- | --- |
//! | built in, ONNX Runtime | CPU | runs | runs | runs |
//! | ONNX Runtime, CUDA provider | GPU | as the file says: nothing is known against it | | |
//! | TensorRT-RTX before 1.7 | any GPU | runs | runs | not built (`CHECK(dtype == Float …)`) |
//! | TensorRT-RTX 1.7 | capability 9.0 (H100, H200) | runs | runs | built, and refused when it is to run |
//! | TensorRT-RTX 1.7 | other GPUs | as the file says | | |
//! | TensorRT 10, 11 | any GPU | as the file says | | |
//!
//! Of a bundle that is not of this program only the file that was asked for is run: no other was tried apart.

#![cfg_attr(
    not(any(feature = "onnx", feature = "tensorrt", test)),
    allow(dead_code, reason = "asked by engines that are not in this build")
)]

use crate::detect::bundle::FileEntry;

/// Precisions, the most exact last.
const PRECISIONS: [&str; 3] = ["int8", "fp16", "fp32"];
/// Where FP32 and FP16 of it run, and INT8 does not: H100 and H200.
const HOPPER: (i32, i32) = (9, 0);
/// The first TensorRT-RTX that builds INT8, as it counts.
const RTX_WITH_INT8: i32 = 10_700;

/// What runs a network, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(all(feature = "tensorrt", feature = "onnx")),
    allow(dead_code, reason = "each of a feature")
)]
pub(crate) enum Runs<'a> {
    /// On the CPU, whichever engine.
    Cpu,
    /// ONNX Runtime on a GPU.
    Cuda,
    /// TensorRT on a GPU.
    TensorRt {
        /// `tensorrt` or `tensorrt-rtx`.
        flavor: &'a str,
        /// As it counts: 101600 is 10.16, 10601 is RTX 1.6.1.
        version: i32,
        /// The GPU's compute capability.
        capability: (i32, i32),
    },
}

/// The file that an engine runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRun {
    /// Its name in the bundle.
    pub path: String,
    /// `fp32`, `fp16` or `int8`.
    pub precision: String,
    /// Why it is not the one that was asked for.
    pub instead: Option<String>,
}

impl Runs<'_> {
    /// Why it is known not to run a network of this precision; `None`: nothing is known against it.
    fn against(self, precision: &str) -> Option<String> {
        let Self::TensorRt { flavor, version, capability } = self else { return None };
        if precision != "int8" || !flavor.contains("rtx") {
            return None;
        }
        let (major, minor) = (version / 10_000, version / 100 % 100);
        if version < RTX_WITH_INT8 {
            return Some(format!("TensorRT-RTX {major}.{minor} builds no INT8 (1.7 does)"));
        }
        (capability == HOPPER).then(|| {
            let (high, low) = capability;
            format!("TensorRT-RTX {major}.{minor} runs no INT8 on a GPU of capability {high}.{low}")
        })
    }

    /// The devices of files that are for it, the best first.
    const fn devices(self) -> [&'static str; 2] {
        match self {
            Self::Cpu => ["cpu", "any"],
            Self::Cuda | Self::TensorRt { .. } => ["cuda", "any"],
        }
    }
}

/// Chooses among `entries` the file that `runs` runs where `asked` is the precision that was asked for, and
/// what `read` makes of it.
///
/// # Errors
/// A line: why it runs none of them.
pub(crate) fn choose<T>(
    runs: Runs<'_>,
    asked: &str,
    entries: &[FileEntry],
    read: &mut dyn FnMut(&FileEntry) -> Result<T, String>,
) -> Result<(FileRun, T), String> {
    let mut why = Vec::new();
    let at = PRECISIONS.iter().position(|known| *known == asked).unwrap_or(PRECISIONS.len());
    for precision in PRECISIONS.iter().skip(at) {
        if let Some(against) = runs.against(precision) {
            why.push(against);
            continue;
        }
        let of_device = |device| {
            let is = |entry: &&FileEntry| entry.precision == *precision && entry.device == device;
            entries.iter().find(is)
        };
        let Some(entry) = runs.devices().into_iter().find_map(of_device) else {
            why.push(format!("the bundle has no file of {} for it", precision.to_uppercase()));
            continue;
        };
        match read(entry) {
            Ok(made) => {
                let instead = (!why.is_empty()).then(|| why.join("; "));
                let (path, precision) = (entry.path.clone(), entry.precision.clone());
                return Ok((FileRun { path, precision, instead }, made));
            }
            Err(problem) => why.push(problem),
        }
    }
    Err(why.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, precision: &str, device: &str) -> FileEntry {
        let (path, precision) = (path.to_owned(), precision.to_owned());
        FileEntry { path, precision, device: device.to_owned(), sha256: String::new() }
    }

    fn rtx(version: i32, capability: (i32, i32)) -> Runs<'static> {
        Runs::TensorRt { flavor: "tensorrt-rtx", version, capability }
    }

    const ENTERPRISE: Runs<'static> =
        Runs::TensorRt { flavor: "tensorrt", version: 101_600, capability: (8, 7) };

    /// What each engine runs of a bundle with all three precisions, by what was asked for.
    #[test]
    fn each_engine_runs_what_was_asked_for_or_what_is_more_exact() {
        let all = ["fp32", "fp16", "int8"].map(|precision| entry(precision, precision, "any"));
        let no_int8 = Some("TensorRT-RTX 1.6 builds no INT8 (1.7 does)");
        let not_there = Some("TensorRT-RTX 1.7 runs no INT8 on a GPU of capability 9.0");
        for (runs, asked, runs_file, instead) in [
            (Runs::Cpu, "fp32", "fp32", None),
            (Runs::Cpu, "fp16", "fp16", None),
            (Runs::Cpu, "int8", "int8", None),
            (Runs::Cuda, "fp16", "fp16", None),
            (Runs::Cuda, "int8", "int8", None),
            (ENTERPRISE, "fp32", "fp32", None),
            (ENTERPRISE, "fp16", "fp16", None),
            (ENTERPRISE, "int8", "int8", None),
            (rtx(10_601, HOPPER), "fp32", "fp32", None),
            (rtx(10_601, HOPPER), "fp16", "fp16", None),
            (rtx(10_601, HOPPER), "int8", "fp16", no_int8),
            (rtx(10_601, (8, 9)), "int8", "fp16", no_int8),
            (rtx(10_701, HOPPER), "fp16", "fp16", None),
            (rtx(10_701, HOPPER), "int8", "fp16", not_there),
            (rtx(10_701, (8, 9)), "int8", "int8", None),
            (rtx(10_800, (12, 0)), "int8", "int8", None),
        ] {
            let (run, read) = choose(runs, asked, &all, &mut |entry| Ok(entry.path.clone()))
                .unwrap_or_else(|why| panic!("{runs:?}, {asked}: {why}"));
            assert_eq!((run.path.as_str(), read.as_str()), (runs_file, runs_file), "{runs:?}");
            assert_eq!((run.precision.as_str(), run.instead.as_deref()), (runs_file, instead));
        }
    }

    #[test]
    fn a_file_for_the_device_comes_before_one_for_any_and_none_for_another_is_taken() {
        let entries = [
            entry("any.onnx", "fp32", "any"),
            entry("cpu.onnx", "fp32", "cpu"),
            entry("cuda.onnx", "fp32", "cuda"),
            entry("cpu16.onnx", "fp16", "cpu"),
        ];
        let path = |runs, asked| {
            let chosen = choose(runs, asked, &entries, &mut |_| Ok(()));
            chosen.map(|(run, ())| (run.path, run.instead))
        };
        assert_eq!(path(Runs::Cpu, "fp32"), Ok(("cpu.onnx".to_owned(), None)));
        assert_eq!(path(ENTERPRISE, "fp32"), Ok(("cuda.onnx".to_owned(), None)));
        assert_eq!(path(Runs::Cuda, "fp32"), Ok(("cuda.onnx".to_owned(), None)));
        let why = "the bundle has no file of FP16 for it".to_owned();
        assert_eq!(path(ENTERPRISE, "fp16"), Ok(("cuda.onnx".to_owned(), Some(why))));
        assert_eq!(path(Runs::Cpu, "fp16"), Ok(("cpu16.onnx".to_owned(), None)));
    }

    /// Less exact than what was asked for is never taken; what cannot be read is passed over.
    #[test]
    fn what_none_of_its_files_can_do_is_said() {
        let half = [entry("a.onnx", "int8", "any"), entry("b.onnx", "fp16", "any")];
        let refused = choose(ENTERPRISE, "fp32", &half, &mut |_| Ok(()));
        assert_eq!(refused, Err("the bundle has no file of FP32 for it".to_owned()));
        let alone = [entry("a.onnx", "int8", "any")];
        let refused = choose(rtx(10_601, HOPPER), "int8", &alone, &mut |_| Ok(())).unwrap_err();
        assert_eq!(
            refused,
            "TensorRT-RTX 1.6 builds no INT8 (1.7 does); the bundle has no file of FP16 for it; the \
             bundle has no file of FP32 for it"
        );
        let torn = |entry: &FileEntry| match entry.precision.as_str() {
            "int8" => Err("a.onnx is not there".to_owned()),
            _ => Ok(()),
        };
        let (run, ()) = choose(ENTERPRISE, "int8", &half, &mut |entry| torn(entry)).expect("FP16");
        assert_eq!((run.path.as_str(), run.precision.as_str()), ("b.onnx", "fp16"));
        assert_eq!(run.instead.as_deref(), Some("a.onnx is not there"));
        assert!(choose(Runs::Cpu, "fp8", &half, &mut |_| Ok(())).is_err());
    }
}
