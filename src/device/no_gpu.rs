//! Why a box uses no GPU, in words.

/// Why no GPU is used. One line for people; nothing stops for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum NoGpu {
    #[error("this build uses no GPU: build it with the feature `cuda`")]
    NotBuilt,
    #[error("no GPU is used: this machine has no NVIDIA driver (libcuda.so.1)")]
    NoDriver,
    #[error(
        "no GPU is used: the driver speaks CUDA {}, wanted is {} or later: update the driver",
        version(*.found), version(*.wanted)
    )]
    OldDriver { found: i32, wanted: i32 },
    #[error("no GPU is used: the driver finds none")]
    NoDevice,
    #[error(
        "no GPU is used: there is no CUDA compiler to make its kernels with (libnvrtc.so.13 or .12): \
         install NVIDIA's package cuda-nvrtc"
    )]
    NoCompiler,
    #[error("no GPU is used: to {what}: {problem}")]
    Failed { what: &'static str, problem: String },
}

/// A version of CUDA, as its driver counts: 12060 is 12.6.
fn version(number: i32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_one_line_that_says_what_to_do() {
        let old = NoGpu::OldDriver { found: 11_040, wanted: 12_000 }.to_string();
        assert!(old.contains("11.4") && old.contains("12.0 or later: update"), "{old}");
        let full = NoGpu::Failed {
            what: "open a context on the first GPU",
            problem: "out of memory".to_owned(),
        };
        assert!(!full.to_string().contains('\n') && full.to_string().contains("out of memory"));
    }
}
