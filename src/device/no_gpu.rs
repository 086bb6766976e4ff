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
        "no GPU is used: `device` of [detect] names GPU {wanted}, and this machine has {found}, which \
         are counted from 0: name one of these"
    )]
    NoSuch { wanted: u32, found: i32 },
    #[error(
        "no GPU is used: there is no CUDA compiler to make its kernels with (libnvrtc.so.13 or .12): \
         install NVIDIA's package cuda-nvrtc"
    )]
    NoCompiler,
    #[error("no GPU is used: to {what}: {problem}")]
    Failed { what: &'static str, problem: String },
}

/// The GPU that is `wanted`, of `found`, as CUDA counts them.
pub(crate) fn chosen(wanted: u32, found: i32) -> Result<usize, NoGpu> {
    let there = u32::try_from(found).unwrap_or(0);
    match usize::try_from(wanted) {
        _ if there == 0 => Err(NoGpu::NoDevice),
        Ok(index) if wanted < there => Ok(index),
        _ => Err(NoGpu::NoSuch { wanted, found }),
    }
}

/// A version of CUDA, as its driver counts: 12060 is 12.6.
fn version(number: i32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_that_is_not_there_is_told_with_how_many_are() {
        assert_eq!((chosen(0, 1), chosen(1, 2)), (Ok(0), Ok(1)));
        assert_eq!((chosen(0, 0), chosen(3, 0)), (Err(NoGpu::NoDevice), Err(NoGpu::NoDevice)));
        let error = chosen(2, 2).expect_err("counted from 0").to_string();
        assert!(error.contains("names GPU 2, and this machine has 2"), "{error}");
        assert!(chosen(u32::MAX, i32::MAX).is_err());
    }

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
