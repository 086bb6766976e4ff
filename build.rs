//! Tells the release build which commit it is of, for `courtside --version`.
//!
//! In a release alone: what depends on a build script is compiled anew when that runs again, and whoever
//! tests after each commit must not wait for that. COURTSIDE_COMMIT names the commit where there is no
//! git, as in a package's sources; without either, nothing is said.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=COURTSIDE_COMMIT");
    if env::var_os("COURTSIDE_COMMIT").is_some() || env::var("PROFILE").as_deref() != Ok("release")
    {
        return;
    }
    let Some(commit) = git(&["rev-parse", "--short=10", "HEAD"]) else { return };
    println!("cargo::rustc-env=COURTSIDE_COMMIT={commit}");
    // A branch's commit stands in a file of its own, or among the packed ones.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        // Cargo would take a file that is not there for one that changed.
        if let Some(file) = git(&["rev-parse", "--git-path", name])
            && Path::new(&file).exists()
        {
            println!("cargo::rerun-if-changed={file}");
        }
    }
}

/// The line that git prints; none without git or a checkout.
fn git(arguments: &[&str]) -> Option<String> {
    let said =
        Command::new("git").args(arguments).output().ok().filter(|said| said.status.success())?;
    Some(String::from_utf8(said.stdout).ok()?.trim().to_owned())
}
