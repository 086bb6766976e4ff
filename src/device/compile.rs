//! NVRTC: the kernels' source in, a module for one device out. Works without a GPU.
#![allow(unsafe_code, reason = "NVRTC is a C library")]

use std::ffi::{CStr, CString, c_char};

use cudarc::nvrtc::{result, sys};

use crate::media::{Foreign, ForeignKind};

/// Major and minor version of the compiler that this machine has; `None` where it has none.
pub(crate) fn nvrtc_version() -> Option<(i32, i32)> {
    // SAFETY: loads the library and asks nothing of it.
    if !unsafe { sys::is_culib_present() } {
        return None;
    }
    let (mut major, mut minor) = (0, 0);
    // SAFETY: the library is there; both arguments point to integers of ours.
    let asked = unsafe { sys::nvrtcVersion(&raw mut major, &raw mut minor) };
    asked.result().is_ok().then_some((major, minor))
}

/// Compiles `source` for the device `architecture` (`sm_90`). [`nvrtc_version`] was asked before.
///
/// # Errors
/// What the compiler said.
pub(crate) fn cubin(source: &str, architecture: &str) -> Result<Vec<u8>, String> {
    let text = CString::new(source).map_err(|_| "the source holds a zero byte".to_owned())?;
    let program = Program(result::create_program(&text, Some(c"crops.cu")).map_err(refused)?);
    let options = [format!("--gpu-architecture={architecture}"), "--std=c++14".to_owned()];
    // SAFETY: the program is one of NVRTC's, not yet destroyed; the options outlive the call.
    let compiled = unsafe { result::compile_program(program.0, &options) };
    compiled.map_err(|error| format!("for {architecture}: {error}{}", program.log()))?;
    let mut size = 0;
    // SAFETY: the program was compiled; the size is an integer of ours.
    let asked = unsafe { sys::nvrtcGetCUBINSize(program.0, &raw mut size) };
    asked.result().map_err(refused)?;
    let mut module = vec![0_u8; size];
    // SAFETY: the buffer has as many bytes as NVRTC has said that it writes.
    let got = unsafe { sys::nvrtcGetCUBIN(program.0, module.as_mut_ptr().cast::<c_char>()) };
    got.result().map_err(refused)?;
    if module.is_empty() { Err("it gave no code".to_owned()) } else { Ok(module) }
}

fn refused(error: result::NvrtcError) -> String {
    Foreign::text(error).to_string()
}

/// A program of NVRTC's, destroyed when it goes.
struct Program(sys::nvrtcProgram);

impl Program {
    /// What it complained of, on one line.
    fn log(&self) -> String {
        // SAFETY: the program is not yet destroyed.
        let Ok(log) = (unsafe { result::get_program_log(self.0) }) else { return String::new() };
        let bytes: Vec<u8> = log.iter().map(|byte| byte.to_ne_bytes()[0]).collect();
        let text = CStr::from_bytes_until_nul(&bytes).unwrap_or_default();
        format!(": {}", Foreign::bytes(ForeignKind::Text, text.to_bytes()))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: it is destroyed here alone.
        let ended = unsafe { result::destroy_program(self.0) };
        if ended.is_err() {
            tracing::warn!("the CUDA compiler did not end");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::KERNELS;

    /// Needs no GPU: the library of `pip download nvidia-cuda-nvrtc-cu12` on LD_LIBRARY_PATH does.
    #[test]
    fn the_kernels_compile_for_every_device_that_we_name() {
        let Some((major, minor)) = nvrtc_version() else {
            println!(
                "NOT TRIED: no libnvrtc on this machine. The kernels' source was compiled by nobody: \
                 see `make kernels`"
            );
            assert!(std::env::var_os("COURTSIDE_NVRTC").is_none(), "NVRTC was promised");
            return;
        };
        // Orin, Hopper, the oldest that CUDA 13 knows.
        for architecture in ["sm_75", "sm_87", "sm_90"] {
            let module = cubin(KERNELS, architecture).expect("it compiles");
            assert!(module.starts_with(b"\x7fELF"), "NVRTC {major}.{minor}, {architecture}");
        }
        let wrong = cubin("extern \"C\" __global__ void f( {", "sm_90").expect_err("no program");
        assert!(wrong.contains("error") && !wrong.contains('\n'), "{wrong}");
        assert!(cubin(KERNELS, "sm_52").is_err() || major < 13, "CUDA 13 dropped it");
    }
}
