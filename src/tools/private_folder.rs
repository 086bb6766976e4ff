//! A folder of our own among the temporary ones.

use std::path::PathBuf;

use anyhow::Context;

/// Makes a folder of our own among the system's temporary ones, which nobody else can foresee or read.
pub(super) fn private_folder(name: &str) -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let number = getrandom::u64().context("draw a name")?;
    let path = std::env::temp_dir().join(format!("{name}-{number:016x}"));
    let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
    made.with_context(|| format!("make {}", path.display()))?;
    Ok(path)
}
