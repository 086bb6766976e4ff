//! `[detect]`: which models look, and on what.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::fault::Findings;
use crate::config::origin::Origin;
use crate::event::words::CalibrationMode;

/// More than anybody compares; each looks at every picture (chosen).
const BUNDLES_MOST: usize = 16;
/// The bundle that is in the binary.
const BUNDLE: &str = "rimnet";
/// Bytes of constants, and of activations, that a model may have: fifty times what RimNet has.
const MODEL_MEMORY_BYTES: u64 = 256_000_000;
/// Less than the models in the binary want is no setting; more than this no box has to spare.
const MODEL_MEMORY_RANGE: RangeInclusive<u64> = 64_000_000..=64_000_000_000;
/// Multiply-adds of one look: some seconds of one core.
const MODEL_MULTIPLY_ADDS: u64 = 50_000_000_000;
/// RimFinder has 1,100 million of them; more than this no accelerator does within a look.
const MODEL_MULTIPLY_ADDS_RANGE: RangeInclusive<u64> = 5_000_000_000..=100_000_000_000_000;

/// Keys that a box may have: makers, and one more of each while it changes (chosen).
const MODEL_KEYS_MOST: usize = 16;
/// Characters of minisign's public key: two that say what it is, eight bytes of name, 32 of Ed25519.
const MODEL_KEY_CHARS: usize = 56;

/// What files of a bundle may be of.
const PRECISIONS: [&str; 3] = ["fp32", "fp16", "int8"];

/// `[detect]`, checked.
#[derive(Clone, Debug)]
pub struct DetectConfig {
    /// Names of bundles, each with `:precision` where it is another than FP32's; the first of a task is
    /// live. `["rimnet"]` unless given.
    pub bundles: Vec<String>,
    /// Looked into before all other places, DESIGN §4.1.
    pub models_dir: Option<PathBuf>,
    /// Public keys of minisign, whose packed bundles are taken from elsewhere; none unless given. Each is
    /// one by its form.
    pub model_keys: Vec<String>,
    /// The key of this box, in age's format; `{data_dir}/box.key`, which is made, unless given.
    pub box_key_file: Option<PathBuf>,
    /// Where engines run; `auto` unless given.
    pub device: Device,
    /// The DLA core on which TensorRT runs what it can; none unless given.
    pub dla: Option<u32>,
    /// ONNX Runtime's library; looked for in the usual places if absent.
    pub onnxruntime: Option<PathBuf>,
    /// The folder of TensorRT's libraries; where the loader looks if absent.
    pub tensorrt: Option<PathBuf>,
    /// What is made of what a rim's own shots say; `watch` unless given.
    pub calibrate: Calibrate,
    /// Look once a second whether a camera was moved; true unless given.
    pub finder: bool,
    /// Bytes of constants, and of activations, that a model may have; 256 MB unless given.
    pub model_memory_bytes: u64,
    /// Multiply-adds of one look that a model may have; 50,000 million unless given.
    pub model_multiply_adds: u64,
}

/// What is made of what a rim's own shots say of the cut between made and missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calibrate {
    /// Nothing is worked out or kept.
    Off,
    /// It is worked out, kept, shown and its drift watched; calls are as without it.
    #[default]
    Watch,
    /// It shifts the calls of attempts that begin afterwards.
    On,
}

impl Calibrate {
    fn parse(text: &str) -> Option<Self> {
        [Self::Off, Self::Watch, Self::On].into_iter().find(|how| how.word() == text)
    }

    /// As it is written in the file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        self.told().word()
    }

    /// As it is told of the box.
    #[must_use]
    pub const fn told(self) -> CalibrationMode {
        match self {
            Self::Off => CalibrationMode::Off,
            Self::Watch => CalibrationMode::Watch,
            Self::On => CalibrationMode::On,
        }
    }
}

/// Where engines run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The best there is; what was taken, and why, is said once.
    #[default]
    Auto,
    /// The CPU, even where there is a GPU.
    Cpu,
    /// ONNX Runtime on the CUDA device of this index; if it is missing, that is said and the CPU is
    /// taken.
    Cuda(u32),
    /// TensorRT on the CUDA device of this index; if it is missing, that is said and what `cuda` would
    /// take is taken.
    TensorRt(u32),
}

impl Device {
    /// Which GPU it is on, as CUDA counts them.
    #[must_use]
    pub const fn gpu(self) -> u32 {
        match self {
            Self::Cuda(index) | Self::TensorRt(index) => index,
            Self::Auto | Self::Cpu => 0,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "cpu" => Some(Self::Cpu),
            "cuda" => Some(Self::Cuda(0)),
            "tensorrt" => Some(Self::TensorRt(0)),
            _ => match text.split_once(':')? {
                ("cuda", index) => index.parse().ok().map(Self::Cuda),
                ("tensorrt", index) => index.parse().ok().map(Self::TensorRt),
                _ => None,
            },
        }
    }
}

/// As it is written in the file.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::TensorRt(index) => write!(f, "tensorrt:{index}"),
        }
    }
}

/// Which models look, and on what.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDetect {
    /// Names of model bundles; the first is live. "NAME:fp16" and "NAME:int8" are its files of that
    /// precision.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<Vec<String>>", length(max = 16))]
    bundles: Option<Spanned<Vec<String>>>,
    /// Folder that is searched for bundles first.
    #[schemars(extend("x-applies" = "restart"))]
    models_dir: Option<PathBuf>,
    /// Public keys (minisign, RW…) of whom packed bundles are taken that come from elsewhere.
    #[schemars(with = "Option<Vec<String>>", length(max = 16))]
    #[schemars(extend("x-applies" = "restart", "x-file-only" = true))]
    model_keys: Option<Spanned<Vec<String>>>,
    /// File of this box's key (age), to which models are sealed; {data_dir}/box.key, made by itself, if absent.
    #[schemars(extend("x-applies" = "restart", "x-file-only" = true))]
    box_key_file: Option<PathBuf>,
    /// The best that runs them: "auto", "tensorrt", "cuda" or "cpu" ("tensorrt:N", "cuda:N": on that
    /// GPU).
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<String>")]
    device: Option<Spanned<String>>,
    /// The DLA core (0 or 1) of a Jetson on which TensorRT runs what it can; the rest runs on the GPU.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<u32>", range(max = 1))]
    dla: Option<Spanned<u32>>,
    /// Whether each rim's own shots shift the cut between made and missed: "off", "watch" (worked
    /// out and shown, calls as without) or "on".
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<String>")]
    calibrate: Option<Spanned<String>>,
    /// ONNX Runtime's library (libonnxruntime.so); looked for in the usual places if absent.
    #[schemars(extend("x-applies" = "restart", "x-file-only" = true))]
    onnxruntime: Option<PathBuf>,
    /// The folder of TensorRT's libraries (libnvinfer.so.N and its parser); where the loader looks if absent.
    #[schemars(extend("x-applies" = "restart", "x-file-only" = true))]
    tensorrt: Option<PathBuf>,
    /// Look once a second whether a camera was moved.
    #[schemars(extend("x-applies" = "restart"))]
    finder: Option<bool>,
    /// Bytes of constants, and of activations, that a model may have; one that wants more is refused, and its
    /// trial has three times as much.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<u64>", range(min = 64_000_000, max = 64_000_000_000_u64))]
    model_memory_bytes: Option<Spanned<u64>>,
    /// Multiply-adds of one look that a model may have; one that wants more is refused.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(
        with = "Option<u64>",
        range(min = 5_000_000_000_u64, max = 100_000_000_000_000_u64)
    )]
    model_multiply_adds: Option<Spanned<u64>>,
}

impl RawDetect {
    pub(super) fn check(self, origin: &Origin<'_>, findings: &mut Findings<'_>) -> DetectConfig {
        let bundles = self.bundles.map_or_else(
            || vec![BUNDLE.to_owned()],
            |written| {
                // A bundle's name is a folder's: nothing that climbs out of the folder of models.
                let good = |named: &String| {
                    let (name, precision) = named.split_once(':').unwrap_or((named, "fp32"));
                    let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
                    (1..=64).contains(&name.len())
                        && !name.starts_with('.')
                        && name.bytes().all(plain)
                        && PRECISIONS.contains(&precision)
                };
                if let Some(bad) = written.get_ref().iter().find(|name| !good(name)) {
                    let text = format!(
                        "`{}` is no name of a bundle: use letters, digits, '-', '_' and '.'; behind it \
                         \":fp16\" or \":int8\" for another precision",
                        bad.chars().take(64).collect::<String>()
                    );
                    findings.fault(written.span(), text);
                }
                if written.get_ref().len() > BUNDLES_MOST {
                    let text = format!(
                        "{} bundles, and a box takes at most {BUNDLES_MOST}: take some out",
                        written.get_ref().len()
                    );
                    findings.fault(written.span(), text);
                }
                if written.get_ref().is_empty() {
                    findings.advise("detect: no `bundles`, so nothing is called");
                }
                // What is meant without a word is said without one: a bundle is compared by its name.
                let plain = |named: String| named.trim_end_matches(":fp32").to_owned();
                written.into_inner().into_iter().map(plain).collect()
            },
        );
        let model_keys = self.model_keys.map_or_else(Vec::new, |written| {
            if !written.get_ref().iter().all(|key| is_model_key(key)) {
                let text = "`model_keys` has what is no public key of minisign: write the lines of 56 \
                            characters, RW…, that `courtside models keygen` prints";
                findings.fault(written.span(), text);
            }
            if written.get_ref().len() > MODEL_KEYS_MOST {
                let text = format!("more than {MODEL_KEYS_MOST} `model_keys`: take some out");
                findings.fault(written.span(), text);
            }
            written.into_inner()
        });
        let device = self.device.map_or(Device::Auto, |written| {
            Device::parse(written.get_ref()).unwrap_or_else(|| {
                let text =
                    "`device` is not known: write \"auto\", \"tensorrt\", \"cuda\" or \"cpu\"";
                findings.fault(written.span(), text);
                Device::Auto
            })
        });
        if let Some(dla) = self.dla.as_ref().filter(|dla| *dla.get_ref() > 1) {
            findings
                .fault(dla.span(), "`dla` is no core of a Jetson: write 0 or 1, or take it out");
        }
        let calibrate = self.calibrate.map_or(Calibrate::Watch, |written| {
            Calibrate::parse(written.get_ref()).unwrap_or_else(|| {
                let text = "`calibrate` is not known: write \"off\", \"watch\" or \"on\"";
                findings.fault(written.span(), text);
                Calibrate::Watch
            })
        });
        let models_dir = self.models_dir.map(|dir| origin.resolved(&dir));
        let mut within = |key: &str,
                          written: Option<Spanned<u64>>,
                          usual,
                          range: &RangeInclusive<u64>| {
            let Some(written) = written else { return usual };
            if !range.contains(written.get_ref()) {
                let text = format!(
                    "`{key}` is out of range: write {} to {}; without it a model may have {usual}",
                    range.start(),
                    range.end()
                );
                findings.fault(written.span(), text);
            }
            written.into_inner()
        };
        let model_memory_bytes = within(
            "model_memory_bytes",
            self.model_memory_bytes,
            MODEL_MEMORY_BYTES,
            &MODEL_MEMORY_RANGE,
        );
        let model_multiply_adds = within(
            "model_multiply_adds",
            self.model_multiply_adds,
            MODEL_MULTIPLY_ADDS,
            &MODEL_MULTIPLY_ADDS_RANGE,
        );
        DetectConfig {
            bundles,
            models_dir,
            model_keys,
            box_key_file: self.box_key_file.map(|file| origin.resolved(&file)),
            device,
            dla: self.dla.map(Spanned::into_inner),
            onnxruntime: self.onnxruntime.map(|file| origin.resolved(&file)),
            tensorrt: self.tensorrt.map(|folder| origin.resolved(&folder)),
            calibrate,
            finder: self.finder.unwrap_or(true),
            model_memory_bytes,
            model_multiply_adds,
        }
    }
}

/// True of the Base64 of 42 bytes that begin with `Ed`.
fn is_model_key(text: &str) -> bool {
    let base64 = |c: u8| c.is_ascii_alphanumeric() || c == b'+' || c == b'/';
    text.len() == MODEL_KEY_CHARS
        && text.bytes().all(base64)
        && text
            .strip_prefix("RW")
            .is_some_and(|rest| rest.starts_with(|c: char| matches!(c, 'Q'..='Z' | 'a'..='f')))
}
